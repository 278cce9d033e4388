"""The cells that a result rests on, so that an answer by computation can be cited like any other."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence

from extagents.tables.database import Database, Looked, SqlError
from extagents.tables.relations import Field, Relation, dated
from extagents.tabular import CellValue, QueryResult, Table, TableCell, TableRow

Borne = tuple[str, str, TableCell]


def bearing(sql: str, result: QueryResult, tables: Sequence[Table], *, database: Database | None = None) -> tuple[Borne, ...]:
    """Row name, column and cell of all that the result rests on, best first. Blocking, like the database that it asks.

    First the rows that the result names, in its order, with the cells of the columns that the statement mentions; then the
    same cells of the other rows that the statement looks at (the highest is so among all), those in the result first.
    `database` is one that holds the tables, where there is one.
    """
    database = Database(tables) if database is None else database
    try:
        mentioned = database.mentioned(sql)
        looked = database.looked_at(sql)
    except SqlError:
        # A statement that has run is understood; of any other, nothing can be told.
        return ()
    read = [relation for relation in database.relations if relation.name.lower() in mentioned.tables]
    columns = set(mentioned.columns)
    fields = {
        relation.name: [field for field in relation.fields[1:] if mentioned.everything or field.name.lower() in columns]
        for relation in read
    }
    shown = _shown(result)
    named = [
        (place, relation, row)
        for relation in read
        for row in relation.table.rows
        if (place := shown.get(_key(row.name))) is not None
    ]
    named.sort(key=lambda item: item[0])
    found = [borne for _, relation, row in named for borne in _cells(row, fields[relation.name])]
    others = [(relation, row) for relation in read for row in _rows(relation, looked)]
    cells = [
        (row, borne)
        for relation, row in others
        # A count mentions no column: that a row is there is seen by any of its cells.
        for borne in (_cells(row, fields[relation.name]) or _cells(row, relation.fields[1:])[: 0 if found else 1])
    ]
    cells.sort(key=lambda item: _rank(item[0].values.get(item[1][1]), shown))
    return tuple(_once([*found, *(borne for _, borne in cells)]))


def _rows(relation: Relation, looked: Looked) -> Iterator[TableRow]:
    rows = relation.table.rows
    numbers = looked.rows.get(relation.name.lower())
    if relation.name.lower() in looked.whole:
        yield from rows
    elif numbers is not None:
        yield from (rows[number] for number in sorted(numbers) if 0 <= number < len(rows))


def _cells(row: TableRow, fields: Iterable[Field]) -> list[Borne]:
    names = [field.column.name for field in fields if field.column is not None]
    return [(row.name, name, row.cells[name]) for name in names if name in row.cells]


def _shown(result: QueryResult) -> dict[object, int]:
    """The result's values, and where each first stands."""
    places: dict[object, int] = {}
    for row in result.rows:
        for value in row:
            for item in value if isinstance(value, tuple) else (value,):
                if item is not None:
                    places.setdefault(_key(item), len(places))
    return places


def _key(value: CellValue) -> object:
    """Values that are the same in the database and in a result."""
    if isinstance(value, str):
        return " ".join(value.split()).casefold()
    return round(float(value), 9) if isinstance(value, (int, float)) and not isinstance(value, bool) else value


def _rank(value: CellValue | None, shown: dict[object, int]) -> int:
    if value is None:
        return len(shown)
    keys = [_key(item) for item in (value if isinstance(value, tuple) else (value,))]
    if isinstance(value, str) and (day := dated(value)) is not None:
        keys.append(day)
    return min((shown[key] for key in keys if key in shown), default=len(shown))


def _once(found: Sequence[Borne]) -> Iterator[Borne]:
    seen: set[tuple[str, str, str, int]] = set()
    for name, column, cell in found:
        key = (name, column, cell.document, cell.start)
        if key not in seen:
            seen.add(key)
            yield name, column, cell
