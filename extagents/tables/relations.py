"""Tables as a database holds them: names that SQL can tell apart, SQL types, values that fit, what is known of each column."""

from __future__ import annotations

import math
import re
from collections import Counter
from collections.abc import Sequence
from typing import NamedTuple

from extagents.tabular import NAME, CellValue, Column, ColumnProfile, Table, TableProfile, TableSchema

_TYPES = {"number": "DOUBLE", "date": "DATE", "text": "VARCHAR", "boolean": "BOOLEAN", "list": "VARCHAR[]"}
_EXAMPLES = 20
_EXAMPLE_CHARS = 60
_SAMPLE = 5
_PLAIN = re.compile(r"[a-z_][a-z0-9_]*")
# Words that a statement cannot use as a name without quotes.
_RESERVED = frozenset(
    """all analyse analyze and any array as asc asymmetric at both case cast check collate column constraint create default
    deferrable desc describe distinct do else end except false fetch for foreign from glob grant group having ilike in initially
    intersect into is isnull lambda lateral leading like limit map not notnull null offset on only or order pivot
    pivot_longer pivot_wider placing positional primary qualify references returning select semi anti asof natural inner join
    left right full outer cross show similar some struct summarize symmetric table tablesample then to trailing true try_cast
    union unique unpivot using values variadic when where window with overlaps freeze generated tablesample""".split()
)


class Field(NamedTuple):
    """A column of the database: its name there, its SQL type, and the column of the schema (None for the row's name)."""

    name: str
    sql_type: str
    column: Column | None


class Relation(NamedTuple):
    """A table of the database: its name there, its columns, the name first, and the table it is made of."""

    name: str
    fields: tuple[Field, ...]
    table: Table

    def values(self, field: Field) -> list[CellValue | None]:
        """The column's values by row, as the database takes them in."""
        if field.column is None:
            return [_sound(row.name) for row in self.table.rows]
        return [_fitting(row.values.get(field.column.name), field.column) for row in self.table.rows]


def relations(tables: Sequence[Table]) -> tuple[Relation, ...]:
    """The tables under names that differ in more than capitals: SQL does not tell those apart."""
    taken: set[str] = set()
    made = []
    for table in tables:
        used: set[str] = set()
        fields = [Field(_free(NAME, used), "VARCHAR", None)]
        fields += [Field(_free(column.name, used), _TYPES[column.type], column) for column in table.columns]
        made.append(Relation(_free(table.name, taken, "rows"), tuple(fields), table))
    return tuple(made)


def written(name: str) -> str:
    """A name as a statement writes it: quoted where it has to be."""
    return name if _PLAIN.fullmatch(name) and name not in _RESERVED else '"' + name.replace('"', '""') + '"'


def ddl(relation: Relation) -> str:
    """CREATE TABLE with unit, description and classes behind every column."""
    lines = []
    for place, field in enumerate(relation.fields):
        comma = "," if place < len(relation.fields) - 1 else ""
        comment = _comment(relation, field)
        lines.append(f"  {written(field.name)} {field.sql_type}{comma}{f' -- {comment}' if comment else ''}")
    entity = _line(relation.table.entity)
    return "\n".join((f"CREATE TABLE {written(relation.name)} ({f' -- one row: {entity}' if entity else ''}", *lines, ");"))


def profile(relation: Relation) -> TableProfile:
    """What is known of each column, and the first rows."""
    values = [relation.values(field) for field in relation.fields]
    return TableProfile(
        name=relation.name,
        schema_=TableSchema(entity=relation.table.entity, columns=relation.table.columns),
        rows=len(relation.table.rows),
        columns=tuple(_profile(field, held) for field, held in zip(relation.fields, values, strict=True)),
        sample=tuple(tuple(held[place] for held in values) for place in range(min(_SAMPLE, len(relation.table.rows)))),
    )


def _profile(field: Field, values: Sequence[CellValue | None]) -> ColumnProfile:
    filled = [value for value in values if value is not None]
    # A list's items are what a statement asks for.
    items = [item for value in filled for item in (value if isinstance(value, tuple) else (value,))]
    counts = Counter(items)
    lowest = highest = ""
    if items and field.sql_type in ("DOUBLE", "DATE"):
        lowest, highest = _shown(min(items)), _shown(max(items))
    told = [_shown(value) for value, _ in counts.most_common(_EXAMPLES)] if field.sql_type in ("VARCHAR", "VARCHAR[]") else []
    return ColumnProfile(
        name=field.name,
        sql_type=field.sql_type,
        filled=len(filled),
        empty=len(values) - len(filled),
        distinct=len(counts),
        lowest=lowest,
        highest=highest,
        examples=tuple(told),
    )


def _shown(value: CellValue) -> str:
    if isinstance(value, float):
        return str(int(value)) if value.is_integer() and abs(value) < 1e15 else f"{value:.12g}"
    return str(value)[:_EXAMPLE_CHARS]


def _comment(relation: Relation, field: Field) -> str:
    column = field.column
    if column is None:
        return f"which {_line(relation.table.entity)}" if relation.table.entity else "what the row is about"
    classes = f"one of: {', '.join(_line(value) for value in column.values)}" if column.values else ""
    return "; ".join(
        part for part in (f"in {_line(column.unit)}" if column.unit else "", _line(column.description), classes) if part
    )


def _line(text: str) -> str:
    """Text as a comment holds it: on one line, whatever breaks lines."""
    return " ".join("".join(char if char.isprintable() else " " for char in text).split())


def _sound(text: str) -> str:
    """Text that can be written down as UTF-8, without the NUL that ends strings elsewhere."""
    return text.replace("\0", "").encode("utf-8", "replace").decode()


def _free(name: str, taken: set[str], otherwise: str = "column") -> str:
    name = _line(_sound(name))[:120] or otherwise
    free, number = name, 1
    while free.lower() in taken:
        number += 1
        free = f"{name}_{number}"
    taken.add(free.lower())
    return free


def _fitting(value: CellValue | None, column: Column) -> CellValue | None:
    """The value if it is of the column's type, else None: a database column holds one type only."""
    match column.type:
        case "number":
            if not isinstance(value, (int, float)) or abs(value) > 1e300 or not math.isfinite(value):
                return None
            return float(value)
        case "boolean":
            return value if isinstance(value, bool) else None
        case "date":
            return dated(value) if isinstance(value, str) else None
        case "list":
            held = value if isinstance(value, tuple) else () if value is None else (str(value),)
            return tuple(_sound(item) for item in held) if value is not None else None
        case "text":
            if value is None:
                return None
            return _sound(
                "; ".join(value) if isinstance(value, tuple) else _shown(value) if isinstance(value, float) else str(value)
            )


def dated(text: str) -> str | None:
    """A date as ISO text of a whole day: a year or month alone is its first day."""
    import datetime

    found = re.fullmatch(r"(\d{4})(?:-(\d{2})(?:-(\d{2})(?:[T ].*)?)?)?", text.strip())
    if found is None:
        return None
    try:
        return datetime.date(int(found[1]), int(found[2] or 1), int(found[3] or 1)).isoformat()
    except ValueError:
        return None
