"""One file into records, unpacked where it is packed by itself; or the reason why not."""

from __future__ import annotations

import threading
from pathlib import Path

from extagents.corpus.formats import LARGEST_FILE, PACKED, Extracted, Refused, extract, refusal, unpacked_name
from extagents.corpus.formats.base import Reading, Room, said
from extagents.corpus.formats.packed import unpack

_ONE = threading.Lock()  # libraries of documents are not made for threads: PDFium crashes


def read(
    path: Path, *, text_field: str | None = None, title_field: str | None = None, largest: int = LARGEST_FILE
) -> Extracted:
    """The records of one file. Raises Refused with the reason where it holds no readable text."""
    inner, packing = unpacked_name(path.name)
    if reason := refusal(inner):
        raise Refused(reason)
    room = Room(largest)
    try:
        if path.stat().st_size > largest:
            raise Refused(f"larger than {largest:,} bytes; split it", lasting=False)
        data = path.read_bytes()
    except OSError as error:
        raise Refused(said(error), lasting=False) from error
    if not data.strip():
        raise Refused("empty")
    if packing in PACKED:
        data = unpack(data, packing, room)
    with _ONE:
        return extract(inner, data, reading=Reading(room, text_field, title_field))


def read_or_refuse(
    path: Path, *, text_field: str | None = None, title_field: str | None = None, largest: int = LARGEST_FILE
) -> Extracted | Refused:
    """As `read`, for a process of its own: a library that fails on a damaged file is a reason, too."""
    try:
        return read(path, text_field=text_field, title_field=title_field, largest=largest)
    except Refused as refused:
        return Refused(str(refused), lasting=refused.lasting)
    except MemoryError:
        return Refused("too large for this machine's memory", lasting=False)
    except Exception as error:  # noqa: BLE001 - whatever a library raises on a damaged file must not end the reading of the others
        return Refused(f"damaged: its library failed ({type(error).__name__})")
