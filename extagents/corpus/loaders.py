"""Files into documents: what can be read is read, and what cannot is listed with its reason."""

from __future__ import annotations

import gzip
import io
import zlib
from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import NamedTuple

from extagents.corpus.files import File, find_files, said
from extagents.corpus.formats import Extracted, Refused, binary_kind, extract
from extagents.types import Document, Unreadable

LARGEST_FILE = 1 << 30
"""Bytes of a file, unpacked, that are read at most: 1 GiB of text is some 250 million tokens."""

_BOMB_RATIO = 200
_BOMB_FROM = 32 << 20
_CHUNK = 1 << 20


class Loaded(NamedTuple):
    """What was read: a file's records beside it (they become documents by `documents`), what could not be, and notices."""

    files: list[tuple[File, Extracted]]
    unreadable: list[Unreadable]
    notices: list[str]


def load(
    paths: Sequence[Path],
    *,
    text_field: str | None = None,
    title_field: str | None = None,
    largest: int = LARGEST_FILE,
    known: Callable[[File], Extracted | None] = lambda file: None,
    on_progress: Callable[[int, int], None] | None = None,
) -> Loaded:
    """Reads every file under the paths. `known` gives what a file held that was read before and has not changed.

    `on_progress` is called with (files done, files in all). `largest` is in bytes. Raises nothing: reasons are in `unreadable`.
    """
    found, unreadable = find_files(paths)
    files: list[tuple[File, Extracted]] = []
    notices: list[str] = []
    for done, file in enumerate(found, 1):
        extracted = known(file)
        if extracted is None:
            try:
                extracted = read(file.path, text_field=text_field, title_field=title_field, largest=largest)
            except Refused as refused:
                # Empty files lie in every folder of code; only one that was asked for is worth a word.
                if str(refused) != "empty" or file.given:
                    unreadable.append(Unreadable(path=str(file.path) if file.given else file.id, reason=str(refused)))
            except MemoryError:
                unreadable.append(Unreadable(path=file.id, reason="too large for this machine's memory"))
        if extracted is not None:
            files.append((file, extracted))
            notices += [f"{file.id}: {notice}" for notice in extracted.notices]
        if on_progress is not None:
            on_progress(done, len(found))
    return Loaded(files, unreadable, notices)


def read(
    path: Path, *, text_field: str | None = None, title_field: str | None = None, largest: int = LARGEST_FILE
) -> Extracted:
    """The records of one file, unpacked if it is gzipped. Raises Refused with the reason where it holds no readable text."""
    name = path.name
    packed = name.lower().endswith(".gz")
    inner = name[:-3] if packed else name
    if kind := binary_kind(inner):
        raise Refused(f"binary file ({kind})")
    try:
        if not packed and path.stat().st_size > largest:
            raise Refused(f"larger than {largest:,} bytes; split it")
        data = _unpack(path, largest) if packed else path.read_bytes()
    except OSError as error:
        raise Refused(said(error)) from error
    if not data.strip():
        raise Refused("empty")
    return extract(inner, data, text_field=text_field, title_field=title_field)


def _unpack(path: Path, largest: int) -> bytes:
    """What a gzip file holds; refused where it unpacks to more than is read, or to far more than text ever does."""
    size = path.stat().st_size
    unpacked = io.BytesIO()
    try:
        with gzip.open(path, "rb") as stream:
            while chunk := stream.read(_CHUNK):
                unpacked.write(chunk)
                total = unpacked.tell()
                if total > largest or (total > _BOMB_FROM and total > _BOMB_RATIO * size):
                    raise Refused(f"unpacks to more than {min(total, largest):,} bytes from {size:,}; not read")
    except (gzip.BadGzipFile, EOFError, zlib.error) as error:
        raise Refused("damaged gzip file") from error
    return unpacked.getvalue()


def documents(files: Iterable[tuple[File, Extracted]]) -> tuple[list[Document], list[str]]:
    """Documents in order, their ids made unique, and notices.

    A file's document has the file's id; a record has its own, with the file's in front ("file:record") where ids of several
    files collide. Files of the same name under several roots get their root's name in front.
    """
    files = list(files)
    names = Counter(file.id for file, _ in files)
    file_ids = [f"{file.root}/{file.id}" if names[file.id] > 1 and not file.given else file.id for file, _ in files]
    owners: dict[str, int] = {}
    colliding: set[str] = set()
    for place, (_, held) in enumerate(files):
        for identity in {record.id or file_ids[place] for record in held.records}:
            if owners.setdefault(identity, place) != place:
                colliding.add(identity)
    taken: set[str] = set()
    doubled = 0
    made: list[Document] = []
    for file_id, (_, held) in zip(file_ids, files, strict=True):
        for record in held.records:
            identity = record.id or file_id
            if record.id and identity in colliding:
                identity = f"{file_id}:{record.id}"
            if identity in taken:
                doubled += 1
                identity = next(other for n in range(2, len(taken) + 3) if (other := f"{identity}#{n}") not in taken)
            taken.add(identity)
            made.append(
                Document(text=record.text, id=identity, title=record.title, pages=record.pages, metadata=record.metadata)
            )
    noun = "document" if doubled == 1 else "documents"
    notices = [f"{doubled} {noun} had the id of another; a number was added"] if doubled else []
    return made, notices
