"""Tables as HTML: each value opens the words it was read from; statement, result, conflicts and checks wait until opened."""

from __future__ import annotations

from collections.abc import Sequence

from extagents.display.parts import MOST_QUOTE, card, figures, foreign, notices, opening, table, tagged, text
from extagents.tables.values import told, years_column
from extagents.tabular import CellValue, Column, Conflict, Table, TableCell, TableRow
from extagents.wording import count, one_line

MOST_ROWS = 50  # rows, conflicts and lines of a result in a page
MOST_COLUMNS = 20
MOST_NAMES = 100  # names of entities without a value in a page
MOST_VALUE = 300  # characters of a value
MOST_SQL = 8_000  # characters of a statement
MOST_CHECKS = 20


def table_card(given: Table) -> str:
    """A table: its first rows with the quotes behind their values, statement, result, and what else is to be said."""
    head = tagged("div", f"<strong>Table</strong> <span>{_named(given)}</span> <span>{text(_size(given))}</span>", kind="head")
    return card(head, _body(given), label="Table")


def table_section(given: Table) -> str:
    """The same as a line that opens, within the card of an answer."""
    return opening(f"table: {_named(given)} · {text(_size(given))}", _body(given))


def _named(given: Table) -> str:
    return foreign(given.entity or given.name, 80)


def _size(given: Table) -> str:
    said = [count(len(given.rows), "row"), count(len(given.columns), "column")]
    said += [count(len(given.conflicts), "conflict")] if given.conflicts else []
    return " · ".join(said)


def _body(given: Table) -> str:
    parts = [_rows(given)]
    if given.sql:
        parts.append(opening("SQL", f'<pre dir="ltr">{text(_cut(given.sql, MOST_SQL))}</pre>'))
    if given.result_columns:
        parts.append(_result(given))
    if given.conflicts:
        head = tagged("span", f"{count(len(given.conflicts), 'conflict')} between sources", kind="warn")
        parts.append(opening(head, _conflicts(given)))
    if any(given.without.values()):
        parts.append(opening("entities without a value", figures(_without(given))))
    if given.checks:
        checks = [("check", foreign(check, 600)) for check in given.checks[:MOST_CHECKS]]
        parts.append(opening(count(len(given.checks), "check"), figures(checks) + _more(len(given.checks) - MOST_CHECKS)))
    if given.doubted:
        them, does = ("It", "does") if given.doubted == 1 else ("They", "do")
        what = f"{count(given.doubted, 'value')} not taken."
        why = f"{them} {does} not stand in a quote that was found, or could not be read as what the column holds."
        parts.append(figures(notices([f"{what} {why}"])))
    parts += [table_section(other) for other in given.others[:MOST_COLUMNS]]
    return "".join(parts)


def _more(left: int) -> str:
    return f'<p class="xa-dim">and {left:,} more</p>' if left > 0 else ""


def _cut(long: str, most: int) -> str:
    return long if len(long) <= most else long[:most] + "…"


# ------------------------------------------------------------------ rows


def _rows(given: Table) -> str:
    if not given.rows:
        return tagged("p", "No rows were found.", kind="none")
    columns = given.columns[:MOST_COLUMNS]
    heads = ["name", *(one_line(f"{column.name} ({column.unit})" if column.unit else column.name, 60) for column in columns)]
    numbers = [place for place, column in enumerate(columns, start=1) if column.type == "number"]
    shown = [[_name(row), *(_value(row, column) for column in columns)] for row in given.rows[:MOST_ROWS]]
    left = len(given.columns) - len(columns)
    wider = f'<p class="xa-dim">and {count(left, "more column")}</p>' if left > 0 else ""
    return table(heads, shown, numbers=numbers) + _more(len(given.rows) - len(shown)) + wider


def _name(row: TableRow) -> str:
    if not row.aliases:
        return foreign(row.name, MOST_VALUE)
    also = "<br>".join(foreign(alias, MOST_VALUE) for alias in row.aliases[:8]) + _more(len(row.aliases) - 8)
    return opening(foreign(row.name, MOST_VALUE), f'<div class="xa-context" dir="auto">also: {also}</div>')


def _value(row: TableRow, column: Column) -> str:
    """A value that opens the words it was read from; the unit stands in the head of the column."""
    value = row.values.get(column.name)
    if value is None:
        return tagged("span", "–", kind="dim")
    cell = row.cells.get(column.name)
    said = _told(value, MOST_VALUE, name=column.name if years_column(column.unit, column.name) else "")
    return said if cell is None else opening(said, _quoted(cell))


def _told(value: CellValue | None, most: int, *, unit: str = "", name: str = "") -> str:
    return "" if value is None else foreign(told(value, unit, name=name), most)


def _quoted(cell: TableCell) -> str:
    times = f" · said in {cell.said:,} places" if cell.said > 1 else ""
    return f'<div class="xa-context" dir="auto"><mark>{text(_cut(cell.quote, MOST_QUOTE))}</mark>{_where(cell, times)}</div>'


def _where(cell: TableCell, further: str = "") -> str:
    page = f", page {cell.page}" if cell.page is not None else ""
    of = f", of {text(one_line(cell.date, 20))}" if cell.date else ""
    exact = f"{foreign(cell.document, 120)}, characters {cell.start:,}–{cell.end:,}{page}{of}{further}"
    return f'<span class="xa-where" dir="ltr">{exact}</span>'


# ------------------------------------------------------------------ what stands beside


def _result(given: Table) -> str:
    width = len(given.result_columns[:MOST_COLUMNS])
    numeric = [
        place
        for place in range(width)
        if any(_is_number(line[place]) for line in given.result if place < len(line))
        and all(line[place] is None or _is_number(line[place]) for line in given.result if place < len(line))
    ]
    units = {column.name: column.unit for column in given.columns}
    names = [column if years_column(units.get(column, ""), column) else "" for column in given.result_columns[:width]]
    lines = [_line(line, names) for line in given.result[:MOST_ROWS]]
    shown = table([one_line(column, 60) for column in given.result_columns[:width]], lines, numbers=numeric)
    return opening(f"result: {count(len(given.result), 'row')}", shown + _more(len(given.result) - len(lines)))


def _is_number(value: CellValue | None) -> bool:
    return isinstance(value, (int, float)) and not isinstance(value, bool)


def _line(values: Sequence[CellValue | None], names: Sequence[str]) -> list[str]:
    cells = [_told(value, MOST_VALUE, name=name) for value, name in zip(values, names, strict=False)]
    return cells + [""] * (len(names) - len(cells))


def _conflicts(given: Table) -> str:
    units = {column.name: column.unit for column in given.columns}

    def side(conflict: Conflict, value: CellValue, cell: TableCell) -> str:
        said = _told(value, MOST_VALUE, unit=units.get(conflict.column, ""), name=conflict.column)
        return opening(said, _quoted(cell))

    rows = [
        [
            foreign(conflict.name, 80),
            foreign(conflict.column, 60),
            side(conflict, conflict.kept, conflict.kept_from),
            side(conflict, conflict.dropped, conflict.dropped_from),
            foreign(conflict.reason, 300),
        ]
        for conflict in given.conflicts[:MOST_ROWS]
    ]
    return table(("name", "column", "kept", "not kept", "why"), rows) + _more(len(given.conflicts) - len(rows))


def _without(given: Table) -> list[tuple[str, str]]:
    rows = []
    for column, names in list(given.without.items())[:MOST_COLUMNS]:
        if names:
            listed = ", ".join(foreign(name, 80) for name in names[:MOST_NAMES])
            rows.append((one_line(column, 60), f"{len(names):,}: {listed}{_more(len(names) - MOST_NAMES)}"))
    return rows
