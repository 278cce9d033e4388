"""Where tables stand in a text: a reader that gets the middle of one sees its header again.

Markdown tables with a rule under their header, with bars around them or without, and whole documents that are CSV or
TSV, by their name; a CSV may be parted by semicolons.
"""

from __future__ import annotations

import csv
import re
from bisect import bisect_right
from collections.abc import Sequence
from typing import NamedTuple

from extagents.corpus.formats.records import names_columns
from extagents.types import Document, Section

MOST_HEAD = 2_000
"""Characters of a header that is repeated: a wider one would leave no room for rows."""

_MOST_ROWS_BACK = 64
_SEPARATED = re.compile(r"\.(csv|tsv)(?:\.gz|\.bz2|\.xz)?(?:#\d+)?\Z", re.IGNORECASE)
_RULE = re.compile(
    r"\n {0,3}(?:\|(?:[ \t]*:?-+:?[ \t]*\|)+[ \t]*|(?:\|[ \t]*)?:?-+:?[ \t]*(?:\|[ \t]*:?-+:?[ \t]*)+(?:\|[ \t]*)?)(?=\n|\Z)"
)
_LINE = re.compile(r"\n {0,3}\|[^\n]*")
_BARE_LINE = re.compile(r"\n[^\n|]*\|[^\n]*")


class Table(NamedTuple):
    """A table: its header (with the rule under it) is `text[start:head]`, its rows are `text[head:end]`.

    `quoted` says that rows may hold line breaks within quotation marks, as in CSV.
    """

    start: int
    head: int
    end: int
    quoted: bool = False


def tables(document: Document) -> list[Table]:
    """The tables of a document in order. Linear in its length; next to nothing where it has none."""
    text = document.text
    if match := _SEPARATED.search(document.id):
        return _separated(text, "\t" if match[1].lower() == "tsv" else ",;")
    found: list[Table] = []
    after = 0
    for rule in _RULE.finditer(text) if "|" in text and "---" in text else ():
        start = text.rfind("\n", 0, rule.start()) + 1
        if start < after:
            continue
        line = _LINE
        if not (_has_bar(text[start : start + 4]) and _has_bar(rule[0][1:5]) and rule[0].rstrip().endswith("|")):
            if _columns(text[start : rule.start()]) != _columns(rule[0]):
                continue
            line = _BARE_LINE
        head = min(len(text), rule.end() + 1)
        end = rule.end()
        while row := line.match(text, end):
            end = row.end()
        if line is _BARE_LINE and end == rule.end():
            continue
        after = min(len(text), end + 1)
        found.append(Table(start, head, after))
    return found


def _has_bar(line: str) -> bool:
    return line.lstrip(" ").startswith("|")


def _columns(line: str) -> int:
    line = line.strip().replace("\\|", "")
    return line.removeprefix("|").removesuffix("|").count("|") + 1


def _separated(text: str, separators: str) -> list[Table]:
    head = row_end(text, 0, min(len(text), MOST_HEAD + 1))
    if not head:
        return []
    named = any(names_columns(_cells(text[:head], separator)) for separator in separators)
    return [Table(0, head, len(text), quoted=True)] if named else []


def _cells(line: str, separator: str) -> list[str]:
    try:
        return [cell.strip() for cell in next(csv.reader([line], delimiter=separator), [])]
    except csv.Error:
        return []


def table_at(found: Sequence[Table], at: int) -> Table | None:
    """The table in whose rows a place stands: one character before it and one after it belong to the same table."""
    place = bisect_right(found, at, key=lambda table: table.start) - 1
    table = found[place] if place >= 0 else None
    return table if table is not None and table.start < at < table.end else None


def head_at(found: Sequence[Table], at: int) -> tuple[int, int] | None:
    """Where the header stands that has to be shown above text that begins at `at`; None where none has."""
    table = table_at(found, at)
    if table is None or at < table.head or table.head - table.start > MOST_HEAD:
        return None
    return table.start, table.head


def head_within(section: Section, cut: int) -> tuple[str, int]:
    """The header that has to be shown above the section's text from `cut` on, and where it stands; ("", 0) for none."""
    if _SEPARATED.search(section.document) and section.start and not section.head:
        return "", 0
    before = len(section.head)
    found = head_at(tables(Document(text=section.head + section.text, id=section.document)), before + cut)
    if found is None:
        return "", 0
    start, end = found
    return (section.head + section.text)[
        start:end
    ], section.head_start + start if start < before else section.start + start - before


def row_end(text: str, start: int, end: int) -> int | None:
    """The end of the first row from `start`, a line break within quotation marks being none; None if it is after `end`."""
    at, quotes = start, 0
    while (line := text.find("\n", at, end)) >= 0:
        quotes += text.count('"', at, line)
        if quotes % 2 == 0:
            return line + 1
        at = line + 1
    return None


def last_row(text: str, table: Table, start: int, end: int) -> int | None:
    """The best place to cut a table in (start, end]: after the last whole row, never within its header."""
    floor = max(start, table.head)
    cut = text.rfind("\n", floor, end) + 1
    if table.quoted and text.find('"', floor, end) >= 0:
        quotes = text.count('"', floor, cut) if cut > floor else 0
        for _ in range(_MOST_ROWS_BACK):
            if quotes % 2 == 0 or cut <= floor:
                break
            before = text.rfind("\n", floor, cut - 1) + 1
            quotes -= text.count('"', max(before, floor), cut)
            cut = before
        else:
            # A mark that stands for inches, not for a quotation: lines are rows then.
            cut = text.rfind("\n", floor, end) + 1
    if cut > floor:
        return cut
    # Not one row has room beside the header: the table begins the next shard.
    return table.start if table.start > start else None
