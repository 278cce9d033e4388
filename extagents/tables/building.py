"""Rows of all readings become one table: rows of one thing are merged, values normalised, contradictions settled and told.

The table depends on the set of rows alone, never on the order in which they came.
"""

from __future__ import annotations

import re
import unicodedata
from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import lru_cache

from extagents.tables.entities import normalised, resolve
from extagents.tables.settling import Said, places_of, reason, settled
from extagents.tables.values import parse, same_value
from extagents.tables.values_texts import says_none, says_nothing
from extagents.tabular import CellValue, Column, Conflict, RowFound, Table, TableCell, TableRow, TableSchema

LONGEST_NAME = 200  # characters; what is longer is a sentence
_NOBODY = frozenset("n/a none null unknown unnamed nobody tbd 无 未知 不详 不明 暂无 没有 未提及".split()) | {
    "not specified",
    "not stated",
    "not mentioned",
    "not given",
}
# What documents call their own subject, as `normalised` has it.
_NAMELESS = frozenset(
    "company corporation group bank firm issuer registrant we us fund organization organisation "
    "本公司 公司 我公司 该公司 我们 本集团 集团 本行 发行人 本企业 本基金".split()
) | {"our company", "our group", "company and its subsidiaries", "group and company"}
_ISO = re.compile(r"\d{4}(?:-\d{2}(?:-\d{2})?)?")
_YEAR = re.compile(r"(?<!\d)(?:1[5-9]|20)\d{2}(?!\d)")
_DATE = Column(name="date", type="date", description="the date that a row is of")


@dataclass(frozen=True)
class Source:
    """A row as one reading found it. `order` grows with the place of its document in the corpus, then with its place within.

    `date` is the document's own date, ISO 8601, "" where it has none.
    """

    row: RowFound
    order: int
    date: str = ""


@dataclass
class _Row:
    """What is gathered for one row of the table."""

    name: str
    keys: tuple[CellValue | None, ...]
    sources: list[Source] = field(default_factory=list)
    said: dict[str, list[Said]] = field(default_factory=lambda: defaultdict(list))


def build(name: str, schema: TableSchema, sources: Sequence[Source], *, same: Mapping[tuple[str, str], bool] = {}) -> Table:
    """The table `name` of all rows that readings found. `same` holds verdicts on pairs of names (see `entities.resolve`).

    Rows of one entity, and of equal key columns, are one row. Only cells that are trusted and whose value says something
    count; an entity without any is no row, unless its text says that a value is unknown. Of several values the one of the
    latest date is kept (the row's date, else the document's), without dates the one of the last document, within a document
    the one said more often, then later; lists that one document tells in parts are put together, and of lists that hold each
    other the longer is kept. Everything that was not kept is in `conflicts`.
    """
    named = _named(sources)
    documents: dict[str, int] = {}
    for source in named:
        documents.setdefault(source.row.document, len(documents))
    taken = [_taken(source, schema, documents) for source in named]
    gathered: list[tuple[_Row, tuple[str, ...]]] = []
    for names, places in _entities(named, schema, same):
        found = [(named[place], taken[place][0]) for place in places]
        gathered += [(row, names[1:]) for row in _by_keys(names[0], found, schema)]
    rows: list[tuple[tuple[object, ...], TableRow]] = []
    conflicts: list[tuple[tuple[object, ...], list[Conflict]]] = []
    for gathering, aliases in gathered:
        if (made := _row(gathering, aliases, schema)) is not None:
            row, against, first = made
            place = (first, row.name, *(_sortable(key) for key in gathering.keys))
            rows.append((place, row))
            conflicts.append((place, against))
    rows.sort(key=lambda one: one[0])
    conflicts.sort(key=lambda one: one[0])
    shown = tuple(row for _, row in rows)
    return Table(
        name=name,
        entity=schema.entity,
        columns=schema.columns,
        rows=shown,
        conflicts=tuple(conflict for _, found in conflicts for conflict in found),
        without={column.name: _without(column.name, shown) for column in schema.columns},
        doubted=sum(doubted for _, doubted in taken),
    )


def _sortable(key: CellValue | None) -> tuple[int, float, str]:
    if key is None:
        return 1, 0.0, ""
    return (0, float(key), "") if isinstance(key, (int, float)) else (0, 0.0, str(key))


def _without(column: str, rows: Iterable[TableRow]) -> tuple[str, ...]:
    """The names of which no row has a value."""
    known: dict[str, bool] = {}
    for row in rows:
        known[row.name] = known.get(row.name, False) or row.values[column] is not None
    return tuple(name for name, has in known.items() if not has)


# ------------------------------------------------------------------ entities


def _entities(
    named: Sequence[Source], schema: TableSchema, same: Mapping[tuple[str, str], bool]
) -> list[tuple[tuple[str, ...], list[int]]]:
    """The names of each entity, first the one to show, and the places of its rows.

    “The Company” means what most rows of its document are of; where that is not clear, the document's id names it.
    """
    verdicts = {(_clean(one), _clean(other)): verdict for (one, other), verdict in same.items()}
    names = [_clean(source.row.entity) for source in named]
    nameless = {name for name in names if normalised(name) in _NAMELESS or normalised(name) == normalised(schema.entity)}
    forms = dict.fromkeys((s.row.document, name) for s, name in zip(named, names, strict=True) if name not in nameless)
    groups = resolve([name for _, name in forms], same=verdicts).groups
    group_of = {name: number for number, group in enumerate(groups) for name in group}
    within: dict[str, Counter[int]] = defaultdict(Counter)
    for source, name in zip(named, names, strict=True):
        if name not in nameless:
            within[source.row.document][group_of[name]] += 1
    found: dict[tuple[str, ...], list[int]] = {group: [] for group in groups}
    for place, (source, name) in enumerate(zip(named, names, strict=True)):
        if name not in nameless:
            found[groups[group_of[name]]].append(place)
            continue
        most = within[source.row.document].most_common(1)
        clear = bool(most) and most[0][1] * 2 > within[source.row.document].total()
        found.setdefault(groups[most[0][0]] if clear else (source.row.document,), []).append(place)
    return [(names_, places) for names_, places in found.items() if places]


# ------------------------------------------------------------------ what counts


def _clean(entity: str) -> str:
    return " ".join(entity.split())


def _named(sources: Sequence[Source]) -> list[Source]:
    """The rows that are of something, in an order that depends on nothing but the rows.

    Names of digits alone count where most names are such: then rows are invoices or years, not lines that were misread.
    """
    ordered = sorted(sources, key=lambda one: (one.order, one.row.document, one.date, one.row.model_dump_json()))
    letters: set[str] = set()
    digits: set[str] = set()
    for source in ordered:
        name = _clean(source.row.entity)
        if len(name) > LONGEST_NAME or name.casefold() in _NOBODY:
            continue
        if any(char.isalpha() for char in name):
            letters.add(name)
        elif any(char.isdigit() for char in name):
            digits.add(name)
    allowed = letters | digits if len(digits) > len(letters) else letters
    return [source for source in ordered if _clean(source.row.entity) in allowed]


def _taken(source: Source, schema: TableSchema, documents: Mapping[str, int]) -> tuple[dict[str, list[Said]], int]:
    """What a row says of each column, and how many of its cells were not taken."""
    said: dict[str, list[Said]] = defaultdict(list)
    doubted = 0
    date = _iso(source.row.date) or _iso(source.date)
    for cell in source.row.cells:
        column = schema.column(cell.column)
        if column is None:
            continue
        value = parse(cell.raw, column) if cell.trusted and cell.start is not None and cell.end is not None else None
        if value is None or value == ():
            doubted += 1
            continue
        rank = documents.get(cell.document, documents[source.row.document])
        said[column.name].append(Said(value, cell, date, rank, source.order, cell.start or 0, cell.end or 0))
    return said, doubted


@lru_cache(maxsize=4_096)
def _iso(date: str) -> str:
    """A date as ISO text, "" where there is none to be read; a year alone where nothing more is."""
    date = date.strip()
    if not date or _ISO.fullmatch(date):
        return date
    value = parse(date, _DATE)
    if isinstance(value, str) and _ISO.match(value):
        return value
    years = _YEAR.findall(unicodedata.normalize("NFKC", date))
    return years[-1] if years else ""


# ------------------------------------------------------------------ several rows of one entity


def _by_keys(name: str, found: Sequence[tuple[Source, dict[str, list[Said]]]], schema: TableSchema) -> list[_Row]:
    """The rows of one entity by their key columns. One that lacks a key belongs to the only row that it fits."""
    keys = [column for key in schema.keys if (column := schema.column(key)) is not None]
    known: list[list[CellValue]] = [[] for _ in keys]
    rows: dict[tuple[CellValue | None, ...], _Row] = {}
    partial: list[tuple[tuple[CellValue | None, ...], Source, dict[str, list[Said]]]] = []
    for source, said in found:
        values = tuple(_key(column, said, known[at]) for at, column in enumerate(keys))
        if None in values:
            partial.append((values, source, said))
        else:
            _add(rows.setdefault(values, _Row(name, values)), source, said)
    whole = list(rows.values())
    own: dict[tuple[object, ...], _Row] = {}
    for values, source, said in partial:
        date = _iso(source.row.date)
        fitting = [row for row in whole if _fits(row, values, date, keys)]
        if len(fitting) == 1:
            _add(fitting[0], source, said)
        elif whole and not said:
            _add(whole[0], source, said)
        else:
            _add(own.setdefault((*values, date), _Row(name, values)), source, said)
    return [*whole, *own.values()]


def _add(row: _Row, source: Source, said: Mapping[str, list[Said]]) -> None:
    row.sources.append(source)
    for column, values in said.items():
        row.said[column] += values


def _key(column: Column, said: Mapping[str, list[Said]], known: list[CellValue]) -> CellValue | None:
    """The row's value of a key column, as it was first given: 2023 and “FY 2023” are one year."""
    if not said.get(column.name):
        return None
    value = said[column.name][0].value
    for other in known:
        if same_value(value, other, column):
            return other
    known.append(value)
    return value


def _fits(row: _Row, values: Sequence[CellValue | None], date: str, keys: Sequence[Column]) -> bool:
    for column, has, wanted in zip(keys, row.keys, values, strict=True):
        if wanted is not None:
            if has != wanted:
                return False
        elif date and (year := _YEAR.search(str(has))) is not None and column.type != "list":
            told = _ISO.fullmatch(str(has)) is not None and column.type == "date"
            agrees = str(has).startswith(date) or date.startswith(str(has)) if told else year[0] == date[:4]
            if not agrees:
                return False
    return True


# ------------------------------------------------------------------ one row


def _row(row: _Row, aliases: tuple[str, ...], schema: TableSchema) -> tuple[TableRow, list[Conflict], int] | None:
    """The row, its conflicts and its place; None where nothing of it was taken, and nothing plainly told to be unknown."""
    located = [source for source in row.sources if any(cell.start is not None for cell in source.row.cells)]
    if not located or not (any(row.said.values()) or any(_unknown(source, schema) for source in located)):
        return None
    values: dict[str, CellValue | None] = {}
    cells: dict[str, TableCell] = {}
    conflicts: list[Conflict] = []
    for column in schema.columns:
        values[column.name] = None
        if not row.said.get(column.name):
            continue
        kept, dropped = settled(row.said[column.name], column)
        source = kept.deciding if dropped else kept.said[0]
        values[column.name] = source.value
        cells[column.name] = _cell(source, places_of(kept.said))
        for version in dropped:
            conflicts.append(
                Conflict(
                    name=row.name,
                    column=column.name,
                    kept=source.value,
                    kept_from=cells[column.name],
                    dropped=version.deciding.value,
                    dropped_from=_cell(version.deciding, places_of(version.said)),
                    reason=reason(kept, version),
                )
            )
    made = TableRow(
        name=row.name,
        values=values,
        cells=cells,
        aliases=aliases,
        documents=tuple(dict.fromkeys(source.row.document for source in sorted(located, key=lambda one: one.order))),
    )
    return made, conflicts, min(source.order for source in located)


def _unknown(source: Source, schema: TableSchema) -> bool:
    """Whether a cell whose quote was found says that nothing is known (n/a, not known, 未披露), or that there is none."""
    return any(
        cell.start is not None and schema.column(cell.column) is not None and (says_nothing(cell.raw) or says_none(cell.raw))
        for cell in source.row.cells
    )


def _cell(said: Said, times: int) -> TableCell:
    cell = said.cell
    return TableCell(
        raw=cell.raw,
        quote=cell.quote,
        document=cell.document,
        start=said.start,
        end=said.end,
        page=cell.page,
        date=said.date,
        said=times,
    )
