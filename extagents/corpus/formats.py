"""Text out of bytes: what each kind of file holds, as documents without ids of their own where it has none."""

from __future__ import annotations

import csv
import io
import json
import re
from pathlib import PurePath
from typing import Any, NamedTuple

TEXT_FIELDS = ("text", "content", "contents", "body", "page_content", "passage", "document", "article", "context", "paragraph")
TITLE_FIELDS = ("title", "name", "headline", "heading", "subject")
ID_FIELDS = ("id", "_id", "doc_id", "document_id", "docid", "uuid", "key")

_CODE = frozenset(
    suffix
    for line in (
        ".py .pyi .pyx .js .mjs .cjs .jsx .ts .tsx .c .h .cc .cpp .cxx .hpp .cs .java .kt .kts .go .rs .rb .php .swift .scala",
        ".sh .bash .zsh .ps1 .pl .pm .r .jl .lua .sql .toml .yaml .yml .ini .cfg .conf .css .scss .less .vue .svelte .tex",
        ".bib .mk .cmake .dart .ex .exs .erl .hs .clj .lisp .el .vim .proto .graphql .tf .groovy .gradle .m .mm .asm .s",
        ".v .vhd .xml .svg .po .json",
    )
    for suffix in line.split()
)
_MEDIA = {
    "image": ".png .jpg .jpeg .gif .bmp .tif .tiff .webp .ico .heic .avif .psd",
    "sound": ".mp3 .wav .flac .ogg .m4a .aac",
    "video": ".mp4 .mov .avi .mkv .webm",
    "archive": ".zip .tar .tgz .bz2 .xz .7z .rar .zst .whl .jar",
    "font": ".ttf .otf .woff .woff2",
    "office document": ".doc .docx .xls .xlsx .ppt .pptx .odt .ods .odp .rtf .epub",
    "compiled": ".pyc .pyo .so .o .a .dll .exe .dylib .class .bin .wasm",
    "data": ".npy .npz .parquet .feather .arrow .pkl .pickle .pt .safetensors .onnx .h5 .sqlite .db",
}
_BINARY = {suffix: kind for kind, suffixes in _MEDIA.items() for suffix in suffixes.split()}
_SURROGATE = re.compile("[\ud800-\udfff]")
_NUMERIC = re.compile(r"[\s\d.,+%$€£/:-]*\Z")


class Record(NamedTuple):
    """One document of a file. `id` is "" where the file is the document; `pages` are the offsets at which its pages start."""

    text: str
    title: str
    id: str = ""
    pages: tuple[int, ...] = ()
    metadata: dict[str, Any] = {}  # noqa: RUF012 - never written to


class Extracted(NamedTuple):
    """What a file holds, and what is to be said about it."""

    records: list[Record]
    notices: list[str]


class Refused(Exception):
    """This file holds no text that can be read; the message is the reason."""


def binary_kind(name: str) -> str | None:
    """What a file of that name holds, where the name alone says that it is not text."""
    return _BINARY.get(PurePath(name.lower()).suffix)


def extract(name: str, data: bytes, *, text_field: str | None = None, title_field: str | None = None) -> Extracted:
    """The documents in a file of that name (without `.gz`). Raises Refused where there are none."""
    suffix = PurePath(name.lower()).suffix
    if kind := binary_kind(name):
        raise Refused(f"binary file ({kind})")
    if suffix == ".pdf" or data.startswith(b"%PDF-"):
        return Extracted([_pdf(data, name)], [])
    text, notices = decode(data, suffix)
    fields = (text_field, title_field)
    records: list[Record] | None = None
    if suffix in (".jsonl", ".ndjson"):
        records, skipped = _lines(text, name, *fields)
        notices += skipped
    elif suffix == ".json":
        records = _array(text, name, *fields)
    elif suffix in (".csv", ".tsv"):
        records = _table(text, name, "\t" if suffix == ".tsv" else ",", *fields)
    elif suffix in (".html", ".htm", ".xhtml"):
        from extagents.corpus.html import html_text

        title, body = html_text(text)
        records = [Record(body, title or title_of(body, name))]
    if records is None:
        records = [Record(text, name if suffix in _CODE else title_of(text, name))]
    records = [record for record in records if record.text.strip()]
    if not records:
        raise Refused("empty")
    return Extracted(records, notices)


def title_of(text: str, name: str) -> str:
    """The first line or heading, if it has at most 120 characters and an empty line follows it; else the name."""
    head = text[:2_000].lstrip("\n\r ")
    line, _, rest = head.partition("\n")
    following = rest.partition("\n")[0]
    title = line.strip()
    if rest and set(following.strip()) in ({"="}, {"-"}):  # a heading underlined, as in Markdown
        following = rest.partition("\n")[2].partition("\n")[0]
    if not rest or following.strip() or not title or len(title) > 120:
        return name
    return re.sub(r"^#{1,6}\s+|\s+#+$", "", title)


# ------------------------------------------------------------------ characters


def decode(data: bytes, suffix: str = "") -> tuple[str, list[str]]:
    """The text of a file, its byte-order mark dropped and CRLF turned into LF, and a notice where bytes were not valid.

    Raises Refused for a binary file.
    """
    for mark, encoding in (
        (b"\xef\xbb\xbf", "utf-8"),
        (b"\xff\xfe\x00\x00", "utf-32-le"),
        (b"\x00\x00\xfe\xff", "utf-32-be"),
        (b"\xff\xfe", "utf-16-le"),
        (b"\xfe\xff", "utf-16-be"),
    ):
        if data.startswith(mark):
            body = data[len(mark) :]
            text = body.decode(encoding, "replace")
            notices = ["some bytes are not valid " + encoding.upper()] if "\ufffd" in text else []
            return _newlines(text), notices
    sample = data[:8_192]
    zeros = sample.count(0)
    if zeros and (
        zeros > len(sample) // 100 or suffix not in _CODE | {".txt", ".md", ".rst", ".csv", ".tsv", ".jsonl", ".log"}
    ):
        raise Refused("binary file")
    try:
        return _newlines(data.decode("utf-8")), []
    except UnicodeDecodeError:
        return _other_encoding(data)


def _other_encoding(data: bytes) -> tuple[str, list[str]]:
    text = data.decode("utf-8", "replace")
    head = text[:200_000]
    broken, foreign = head.count("\ufffd"), sum(1 for char in head if char > "\x7f")
    if foreign > 10 * broken or "\ufffd" not in head:
        return _newlines(text), ["some bytes are not valid UTF-8 and were replaced"]
    from charset_normalizer import from_bytes

    best = from_bytes(data[:65_536]).best()
    if best is None:
        if broken > len(head) // 10:
            raise Refused("binary file")
        return _newlines(text), ["some bytes are not valid UTF-8 and were replaced"]
    return _newlines(data.decode(best.encoding, "replace")), [f"not UTF-8; read as {best.encoding.replace('_', '-')}"]


def _newlines(text: str) -> str:
    return text.replace("\r\n", "\n") if "\r\n" in text else text


# ------------------------------------------------------------------ records


def _lines(text: str, name: str, text_field: str | None, title_field: str | None) -> tuple[list[Record] | None, list[str]]:
    """A record a line; None where no line is a record, so that the file is read as text."""
    values: list[tuple[str, Any]] = []
    broken: list[int] = []
    for number, line in enumerate(text.split("\n"), 1):
        if not line.strip():
            continue
        try:
            values.append((str(number), json.loads(line)))
        except (ValueError, RecursionError):
            broken.append(number)
    records = _records(values, name, text_field, title_field)
    if records is None:
        return None, ["no line is a record with text; read as plain text"]
    notices = [f"{len(broken)} lines are no JSON and were left out (the first: line {broken[0]})"] if broken else []
    if left := len(values) - len(records):
        notices.append(f"{left} records without text were left out")
    return records, notices


def _array(text: str, name: str, text_field: str | None, title_field: str | None) -> list[Record] | None:
    if text.lstrip()[:1] != "[":
        return None
    try:
        values = json.loads(text)
    except (ValueError, RecursionError):
        return None
    return _records([(str(number), value) for number, value in enumerate(values, 1)], name, text_field, title_field)


def _records(values: list[tuple[str, Any]], name: str, text_field: str | None, title_field: str | None) -> list[Record] | None:
    rows = [(number, {"text": value} if isinstance(value, str) else value) for number, value in values]
    rows = [(number, value) for number, value in rows if isinstance(value, dict)]
    field = text_field or _text_field([value for _, value in rows[:200]])
    if field is None:
        return None
    records = []
    for number, value in rows:
        text = value.get(field)
        if isinstance(text, list) and all(isinstance(part, str) for part in text):
            text = "\n".join(text)
        if not isinstance(text, str) or not text.strip():
            continue
        text = sound(text)
        titles = (title_field,) if title_field else TITLE_FIELDS
        title_key = next(
            (key for key in titles if isinstance(value.get(key), str) and value[key].strip() and key != field), None
        )
        id_key = next((key for key in ID_FIELDS if isinstance(value.get(key), str | int) and str(value[key]).strip()), None)
        title = sound(value[title_key]).strip() if title_key else title_of(text, name)
        identity = sound(str(value[id_key])) if id_key else number
        rest = {sound(key): item for key, item in value.items() if key not in (field, title_key, id_key)}
        records.append(Record(text, title, identity, (), _sound_values(rest)))
    return records or None


def _text_field(rows: list[dict[str, Any]]) -> str | None:
    """The field that holds the text: a usual name, else the one with the longest strings (40 characters or more on average)."""
    for field in TEXT_FIELDS:
        if sum(1 for row in rows if isinstance(row.get(field), str | list) and row[field]) * 2 > len(rows):
            return field
    sizes: dict[str, int] = {}
    for row in rows:
        for field, value in row.items():
            if isinstance(value, str):
                sizes[field] = sizes.get(field, 0) + len(value)
    best = max(sizes, key=lambda field: sizes[field], default=None)
    return best if best is not None and sizes[best] >= 40 * len(rows) else None


def sound(text: str) -> str:
    """Lone surrogates, which JSON may escape, become U+FFFD one for one: nothing later could write them."""
    return text if text.isascii() else _SURROGATE.sub("\ufffd", text)


def _sound_values(values: dict[str, Any]) -> dict[str, Any]:
    if "\\ud" in (written := json.dumps(values).lower()) and written:
        mended: dict[str, Any] = json.loads(sound(json.dumps(values, ensure_ascii=False)))
        return mended
    return values


def _table(text: str, name: str, separator: str, text_field: str | None, title_field: str | None) -> list[Record] | None:
    """A table is one document, its columns in its title, so that every shard of it shows them; rows where a field is named."""
    first = text.partition("\n")[0]
    try:
        header = next(csv.reader([first], delimiter=separator), [])
    except csv.Error:
        return None
    if text_field is not None and text_field in header:
        csv.field_size_limit(1 << 30)
        rows = csv.DictReader(io.StringIO(text, newline=""), delimiter=separator)
        values = [(str(number), {key: cell for key, cell in row.items() if key}) for number, row in enumerate(rows, 2)]
        return _records(values, name, text_field, title_field)
    named = len(header) > 1 and len(set(header)) == len(header) and not any(_NUMERIC.match(cell) for cell in header)
    return [Record(text, f"{name}: {', '.join(header)}"[:200] if named else name)]


# ------------------------------------------------------------------ PDF


def _pdf(data: bytes, name: str) -> Record:
    """The text of every page, an empty line between pages. PDFium: three times as fast as pypdf."""
    import pypdfium2

    try:
        file = pypdfium2.PdfDocument(data)
    except pypdfium2.PdfiumError as error:
        if "password" in str(error).lower():
            raise Refused("encrypted PDF; remove its password") from error
        raise Refused("damaged PDF") from error
    pages: list[int] = []
    parts: list[str] = []
    size = 0
    try:
        for number in range(len(file)):
            pages.append(size)
            page = file[number]
            text = sound(page.get_textpage().get_text_bounded())
            # PDFium marks a hyphen at a line's end by U+FFFE (older ones by U+0002): the word goes on.
            text = re.sub("[\ufffe\x02]\r?\n?", "", text).replace("\r\n", "\n").rstrip() + "\n\n"
            parts.append(text)
            size += len(text)
        title = sound(str(file.get_metadata_dict().get("Title") or "")).strip()
    except pypdfium2.PdfiumError as error:
        raise Refused("damaged PDF") from error
    finally:
        file.close()
    body = "".join(parts)
    if not body.strip():
        raise Refused("a PDF without text (scanned pages?)")
    return Record(body, title or title_of(body, name), pages=tuple(pages))
