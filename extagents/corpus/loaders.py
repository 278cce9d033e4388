"""Files into documents: what can be read is read, and what cannot is listed with its reason."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path, PurePath
from typing import Any, NamedTuple

from extagents.corpus.files import File, find_files
from extagents.corpus.formats import LARGEST_FILE, Extracted, Record, is_heavy, unpacked_name
from extagents.corpus.formats import Refused as Refused
from extagents.corpus.pool import Pool, cores
from extagents.corpus.reading import read as read
from extagents.types import Document, Unreadable

TICK = 0.1
"""Seconds between two calls of `on_progress` while nothing is done: what stops a run is heard there."""


class Loaded(NamedTuple):
    """What was read: a file's records beside it (they become documents by `documents`), what could not be, and notices.

    `fleeting` are the files whose outcome may be another next time: it is not to be kept.
    """

    files: list[tuple[File, Extracted]]
    unreadable: list[Unreadable]
    notices: list[str]
    fleeting: frozenset[Path] = frozenset()


def load(
    paths: Sequence[Path],
    *,
    text_field: str | None = None,
    title_field: str | None = None,
    largest: int = LARGEST_FILE,
    workers: int | None = None,
    known: Callable[[File], Extracted | None] = lambda file: None,
    on_read: Callable[[File, Extracted], None] = lambda file, extracted: None,
    on_progress: Callable[[int, int], None] | None = None,
) -> Loaded:
    """Reads every file under the paths. `known` gives what a file held that was read before and has not changed.

    PDFs, office files, books, mail, archives and large HTML pages are read by `workers` other processes (one a core if
    None; 0 for none), the rest here meanwhile. `on_read` gets what was read anew and will not change by itself.
    `on_progress` is called with (files done, files in all), and again and again while it waits; what it raises ends the
    reading. `largest` is in bytes. Raises nothing itself: reasons are in `unreadable`.
    """
    found, unreadable = find_files(paths)
    outcomes: list[Extracted | None] = [known(file) for file in found]
    fleeting: set[Path] = set()
    options: dict[str, Any] = {"text_field": text_field, "title_field": title_field, "largest": largest}
    count = cores() if workers is None else workers
    missing = [(place, file) for place, file in enumerate(found) if outcomes[place] is None]
    heavy = [item for item in missing if count and is_heavy(item[1].path.name, item[1].state[0])]
    apart = {place for place, _ in heavy}
    done = len(found) - len(missing)

    def settle(place: int, outcome: Extracted | Refused) -> None:
        nonlocal done
        file = found[place]
        if isinstance(outcome, Refused):
            # Empty files lie in every folder of code; only one that was asked for is worth a word.
            told = str(outcome) != "empty" or file.given
            held = Extracted([], [], (("", str(outcome)),) if told else ())
        else:
            held = outcome
        outcomes[place] = held
        done += 1
        if isinstance(outcome, Refused) and not outcome.lasting:
            fleeting.add(file.path)
        else:
            on_read(file, held)
        report()

    def report() -> None:
        if on_progress is not None:
            on_progress(done, len(found))

    if done or not found:
        report()
    with Pool(heavy, workers=count, options=options) as pool:
        for place, file in missing:
            if place not in apart:
                settle(place, _here(file, options))
        while pool.left:
            finished = pool.next(TICK)
            if finished is None:
                report()
            else:
                settle(*finished)
    files = [(file, held) for file, held in zip(found, outcomes, strict=True) if held is not None]
    notices = []
    for file, held in files:
        notices += [f"{file.id}: {notice}" for notice in held.notices]
        for inside, reason in held.unreadable:
            path = f"{file.id}/{inside}" if inside else str(file.path) if file.given else file.id
            unreadable.append(Unreadable(path=path, reason=reason))
    return Loaded(files, unreadable, notices, frozenset(fleeting))


def _here(file: File, options: dict[str, Any]) -> Extracted | Refused:
    try:
        return read(file.path, **options)
    except Refused as refused:
        return refused
    except MemoryError:
        return Refused("too large for this machine's memory", lasting=False)
    except Exception as error:  # noqa: BLE001 - one file must not end the reading of the others
        return Refused(f"could not be read ({type(error).__name__})", lasting=False)


def kinds(files: Iterable[tuple[File, Extracted]]) -> dict[str, int]:
    """How many documents came out of which kind of file ("pdf", "docx"; "text" without a suffix), the most frequent first."""
    counts: Counter[str] = Counter()
    for file, held in files:
        for record in held.records:
            name = unpacked_name(PurePath(record.inside).name if record.inside else file.path.name)[0]
            counts[PurePath(name.lower()).suffix.removeprefix(".") or "text"] += 1
    return dict(counts.most_common())


def documents(files: Iterable[tuple[File, Extracted]]) -> tuple[list[Document], list[str]]:
    """Documents in order, their ids made unique, and notices.

    A file's document has the file's id, one within an archive or a mail its path there behind it; a record has its own, with
    the file's in front ("file:record") where ids of several files collide. Files of the same name under several roots get
    their root's name in front.
    """
    files = list(files)
    names = Counter(file.id for file, _ in files)
    file_ids = [f"{file.root}/{file.id}" if names[file.id] > 1 and not file.given else file.id for file, _ in files]
    owners: dict[str, tuple[int, str]] = {}
    colliding: set[str] = set()
    for place, (_, held) in enumerate(files):
        for inside, identity in {(record.inside, record.id or _within(file_ids[place], record)) for record in held.records}:
            if owners.setdefault(identity, (place, inside)) != (place, inside):
                colliding.add(identity)
    taken: set[str] = set()
    doubled = 0
    made: list[Document] = []
    for file_id, (_, held) in zip(file_ids, files, strict=True):
        for record in held.records:
            source = _within(file_id, record)
            identity = record.id or source
            if record.id and identity in colliding:
                identity = f"{source}:{record.id}"
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


def _within(file_id: str, record: Record) -> str:
    """The id of the file that a record lies in, an archive's name in front."""
    return f"{file_id}/{record.inside}" if record.inside else file_id
