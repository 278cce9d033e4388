"""Text out of bytes: what each kind of file holds, as documents without ids of their own where it has none.

A kind of file is a module here that is loaded when the first such file is read.
"""

from __future__ import annotations

import importlib
from collections.abc import Callable
from pathlib import PurePath

from extagents.corpus.formats.base import LARGEST_FILE as LARGEST_FILE
from extagents.corpus.formats.base import Extracted as Extracted
from extagents.corpus.formats.base import Reading, Room
from extagents.corpus.formats.base import Record as Record
from extagents.corpus.formats.base import Refused as Refused
from extagents.corpus.formats.records import json_array, json_lines, separated
from extagents.corpus.formats.text import CODE
from extagents.corpus.formats.text import decode as decode
from extagents.corpus.formats.text import sound as sound
from extagents.corpus.formats.text import title_of as title_of

_MEDIA = {
    "image": ".png .jpg .jpeg .gif .bmp .tif .tiff .webp .ico .heic .avif .psd .emf .wmf",
    "sound": ".mp3 .wav .flac .ogg .m4a .aac",
    "video": ".mp4 .mov .avi .mkv .webm",
    "archive": ".zst .whl .jar",
    "font": ".ttf .otf .woff .woff2",
    "compiled": ".pyc .pyo .so .o .a .dll .exe .dylib .class .bin .wasm",
    "data": ".npy .npz .feather .arrow .pkl .pickle .pt .safetensors .onnx .h5 .sqlite .db",
}
_BINARY = {suffix: f"binary file ({kind})" for kind, suffixes in _MEDIA.items() for suffix in suffixes.split()}
_ADVICE = {
    ".doc": "a Word file of before 2007; save it as .docx",
    ".ppt": "a PowerPoint file of before 2007; save it as .pptx",
    ".rtf": "rich text; save it as .docx",
    ".odt": "an OpenDocument text; save it as .docx",
    ".odp": "an OpenDocument presentation; save it as .pptx",
    ".msg": "an Outlook message; save it as .eml",
    ".mobi": "a Kindle book; convert it to .epub",
    ".azw3": "a Kindle book; convert it to .epub",
    ".7z": "an archive of a kind that is not read; pack it as .zip",
    ".rar": "an archive of a kind that is not read; pack it as .zip",
}
# Kinds whose libraries take long, or may crash on a damaged file: read in processes of their own.
HEAVY = {
    ".pdf": "pdf",
    ".docx": "word",
    ".docm": "word",
    ".dotx": "word",
    ".dotm": "word",
    ".pptx": "slides",
    ".pptm": "slides",
    ".ppsx": "slides",
    ".ppsm": "slides",
    ".potx": "slides",
    ".potm": "slides",
    ".xlsx": "sheets",
    ".xlsm": "sheets",
    ".xltx": "sheets",
    ".xltm": "sheets",
    ".xlsb": "sheets",
    ".xls": "sheets",
    ".ods": "sheets",
    ".epub": "epub",
    ".parquet": "parquet",
    ".zip": "archive",
    ".tar": "archive",
    ".mbox": "mail",
    ".eml": "mail",
}
_LIGHT = {".ipynb": "notebook"}
_OFFICE = frozenset({"word", "slides", "sheets"})
_OLE = b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1"
HTML = frozenset({".html", ".htm", ".xhtml"})
_LARGE_PAGE = 1_000_000  # bytes: a page takes far longer than plain text
PACKED = {".gz": "gzip", ".bz2": "bzip2", ".xz": "xz"}
"""Suffixes of a file that is packed by itself, and what packed it."""
_SHORT_NAMES = {".tgz": ".tar.gz", ".tbz2": ".tar.bz2", ".tbz": ".tar.bz2", ".txz": ".tar.xz"}


def unpacked_name(name: str) -> tuple[str, str]:
    """The name of what a packed file holds, and the suffix of its packing ("" for none): ("a.tar", ".gz") for "a.tgz"."""
    suffix = PurePath(name.lower()).suffix
    if suffix in _SHORT_NAMES:
        name = name[: -len(suffix)] + _SHORT_NAMES[suffix]
        suffix = PurePath(name.lower()).suffix
    return (name[: -len(suffix)], suffix) if suffix in PACKED else (name, "")


def refusal(name: str) -> str | None:
    """Why a file of that name is not read, where the name alone says so."""
    suffix = PurePath(name.lower()).suffix
    return _BINARY.get(suffix) or _ADVICE.get(suffix)


def is_heavy(name: str, size: int = 0) -> bool:
    """Whether a file of that name and size, in bytes, is read in a process of its own."""
    suffix = PurePath(unpacked_name(name)[0].lower()).suffix
    return suffix in HEAVY or (suffix in HTML and size > _LARGE_PAGE)


def extract(
    name: str,
    data: bytes,
    *,
    text_field: str | None = None,
    title_field: str | None = None,
    reading: Reading | None = None,
) -> Extracted:
    """The documents in a file of that name, unpacked. Raises Refused where there are none.

    `reading` is handed on by what the file lies in: an archive, a mail.
    """
    reading = reading or Reading(Room(), text_field, title_field)
    if reason := refusal(name):
        raise Refused(reason)
    if not data.strip():
        raise Refused("empty")
    suffix = PurePath(name.lower()).suffix
    kind = HEAVY.get(suffix) or _LIGHT.get(suffix) or _by_content(data)
    if kind in _OFFICE and data.startswith(_OLE) and suffix != ".xls":
        raise Refused("encrypted; remove its password" if b"E\0n\0c\0r\0y\0p\0t" in data else "an Office file of before 2007")
    read: Callable[[str, bytes, Reading], Extracted] = (
        importlib.import_module(f"{__name__}.{kind}").read if kind is not None else _text
    )
    try:
        extracted = read(name, data, reading)
    except (Refused, MemoryError, KeyboardInterrupt, SystemExit):
        raise
    except BaseException as error:
        # Libraries raise anything on a damaged file, and one written in Rust raises what is no Exception.
        if not isinstance(error, Exception) and type(error).__name__ != "PanicException":
            raise
        raise Refused(f"damaged {suffix.removeprefix('.') or kind or 'text'} file ({type(error).__name__})") from error
    records = [record for record in extracted.records if record.text.strip()]
    if not records and not extracted.unreadable:
        raise Refused("empty")
    return extracted._replace(records=records)


def _text(name: str, data: bytes, reading: Reading) -> Extracted:
    suffix = PurePath(name.lower()).suffix
    text, notices = decode(data, suffix)
    fields = (reading.text_field, reading.title_field)
    records: list[Record] | None = None
    unreadable: tuple[tuple[str, str], ...] = ()
    if suffix in (".jsonl", ".ndjson", ".json"):
        records, told, unreadable = (json_array if suffix == ".json" else json_lines)(text, name, *fields)
        notices += told
    elif suffix in (".csv", ".tsv"):
        records = separated(text, name, "\t" if suffix == ".tsv" else ",", *fields)
    elif suffix in HTML:
        from extagents.corpus.formats.html import html_text

        title, body = html_text(text)
        records = [Record(body, title or title_of(body, name))]
    if records is None:
        records = [Record(text, name if suffix in CODE else title_of(text, name))]
    return Extracted(records, notices, unreadable)


def _by_content(data: bytes) -> str | None:
    """What a file is whose name does not say it."""
    if data.startswith(b"%PDF-"):
        return "pdf"
    if data.startswith(b"PAR1") and data.endswith(b"PAR1"):
        return "parquet"
    if not data.startswith(b"PK\x03\x04"):
        return None
    from extagents.corpus.formats.zipped import kind_of_zip

    return kind_of_zip(data)
