"""Records out of JSON, JSON lines and tables: a document each, its text, title and id by the names of fields."""

from __future__ import annotations

import csv
import io
import json
import re
from collections.abc import Sequence
from typing import Any, NamedTuple

from extagents.corpus.formats.base import Record, Refused
from extagents.corpus.formats.text import sound, title_of

TEXT_FIELDS = ("text", "content", "contents", "body", "page_content", "passage", "document", "article", "context", "paragraph")
TITLE_FIELDS = ("title", "name", "headline", "heading", "subject")
ID_FIELDS = ("id", "_id", "doc_id", "document_id", "docid", "uuid", "key")

MOST_NESTED = 100
"""Levels of a record: what is deeper could not be written or read again, for Python's stack ends."""

_NUMERIC = re.compile(r"[\s\d.,+%$€£/:-]*\Z")


class Values(NamedTuple):
    """Records or None where the file is to be read as text, what is to be said, and the records that cannot be read."""

    records: list[Record] | None
    notices: list[str] = []  # noqa: RUF012 - never written to
    unreadable: tuple[tuple[str, str], ...] = ()


def json_lines(text: str, name: str, text_field: str | None, title_field: str | None) -> Values:
    """A record a line; none where no line is a record. Raises Refused where every record is nested too deep."""
    values: list[tuple[str, Any]] = []
    broken: list[int] = []
    deep: list[str] = []
    for number, line in enumerate(text.split("\n"), 1):
        if not line.strip():
            continue
        try:
            values.append((str(number), json.loads(line)))
        except RecursionError:
            deep.append(str(number))
        except ValueError:
            broken.append(number)
    values, unreadable = _without_deep(values, deep)
    records = records_of(values, name, text_field, title_field)
    if records is None:
        return Values(None, ["no line is a record with text; read as plain text"])
    notices = [f"{len(broken)} lines are no JSON and were left out (the first: line {broken[0]})"] if broken else []
    if left := len(values) - len(records):
        notices.append(f"{left} records without text were left out")
    return Values(records, notices, unreadable)


def json_array(text: str, name: str, text_field: str | None, title_field: str | None) -> Values:
    """A record an item; none where it is no list of records. Raises Refused where every record is nested too deep."""
    if text.lstrip()[:1] != "[":
        return Values(None)
    try:
        items = json.loads(text)
    except (ValueError, RecursionError):
        return Values(None)
    values, unreadable = _without_deep([(str(number), value) for number, value in enumerate(items, 1)], [])
    records = records_of(values, name, text_field, title_field)
    return Values(records, [], unreadable if records is not None else ())


def _without_deep(values: list[tuple[str, Any]], deep: list[str]) -> tuple[list[tuple[str, Any]], tuple[tuple[str, str], ...]]:
    """The values that can be kept, and the numbers of the others (`deep` included) with the reason."""
    kept = []
    for number, value in values:
        if _is_deep(value):
            deep.append(number)
        else:
            kept.append((number, value))
    reason = f"nested more than {MOST_NESTED} deep"
    if deep and not kept:
        raise Refused(reason)
    return kept, tuple((f"record {number}", reason) for number in sorted(deep, key=int))


def _is_deep(value: Any) -> bool:
    level = [value] if isinstance(value, dict | list) else []
    for _ in range(MOST_NESTED):
        if not level:
            return False
        level = [
            inner
            for outer in level
            for inner in (outer.values() if isinstance(outer, dict) else outer)
            if isinstance(inner, (dict, list))
        ]
    return bool(level)


def records_of(
    values: list[tuple[str, Any]], name: str, text_field: str | None, title_field: str | None
) -> list[Record] | None:
    """A record for every value that has text, under its number where it has no id; None where no field holds text."""
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


def _sound_values(values: dict[str, Any]) -> dict[str, Any]:
    if "\\ud" in (written := json.dumps(values).lower()) and written:
        mended: dict[str, Any] = json.loads(sound(json.dumps(values, ensure_ascii=False)))
        return mended
    return values


def separated(text: str, name: str, separator: str, text_field: str | None, title_field: str | None) -> list[Record] | None:
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
        return records_of(values, name, text_field, title_field)
    return [Record(text, f"{name}: {', '.join(header)}"[:200] if names_columns(header) else name)]


def names_columns(header: Sequence[str]) -> bool:
    """Whether the first row of a table names its columns: several, all different, none a number."""
    return len(header) > 1 and len(set(header)) == len(header) and not any(_NUMERIC.match(cell) for cell in header)
