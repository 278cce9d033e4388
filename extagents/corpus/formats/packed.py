"""Files that are packed by themselves: gzip, bzip2, xz."""

from __future__ import annotations

import bz2
import gzip
import io
import lzma
import zlib
from collections.abc import Callable
from typing import IO, Any

from extagents.corpus.formats.base import Refused, Room

_CHUNK = 1 << 20
_NAMES = {".gz": "gzip", ".bz2": "bzip2", ".xz": "xz"}
_OPENERS: dict[str, Callable[..., IO[Any]]] = {".gz": gzip.open, ".bz2": bz2.open, ".xz": lzma.open}


def unpack(data: bytes, packing: str, room: Room) -> bytes:
    """What packed bytes hold. Raises Refused where it is more than the room has, or far more than text ever is."""
    unpacked = io.BytesIO()
    most = room.most(len(data))
    try:
        with _OPENERS[packing](io.BytesIO(data), "rb") as stream:
            while chunk := stream.read(_CHUNK):
                unpacked.write(chunk)
                if unpacked.tell() > most:
                    raise room.too_much(len(data))
    except (gzip.BadGzipFile, EOFError, zlib.error, lzma.LZMAError, OSError, ValueError) as error:
        raise Refused(f"damaged {_NAMES[packing]} file") from error
    room.take(unpacked.tell(), len(data))
    return unpacked.getvalue()
