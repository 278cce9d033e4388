"""How figures and results are put into words, wherever they are shown: on a terminal, in a notebook, in a log."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, TypeGuard

if TYPE_CHECKING:
    from extagents.tabular import CellValue, Column, Conflict, Table
    from extagents.types import Answer, Compressed, Usage

# Control characters and direction overrides in a document must not move a cursor, recolour or reorder what is shown.
CONTROL = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069]")
ENDS = {
    "budget": "the budget ended before everything was read",
    "deadline": "the deadline came before everything was read",
    "cancelled": "stopped by you before everything was read",
}


def safe(text: str) -> str:
    """The text without characters that act on whatever shows it."""
    return CONTROL.sub("\N{REPLACEMENT CHARACTER}", text.replace("\r\n", "\n"))


def one_line(text: str, width: int) -> str:
    """The text on one line of at most `width` characters, cut with an ellipsis."""
    line = " ".join(safe(text).split())
    return line if len(line) <= width else line[: max(1, width - 1)].rstrip() + "…"


# ------------------------------------------------------------------ figures


def tokens(number: int) -> str:
    """9,999 → 9,999, 12,345 → 12.3K, 1,234,567 → 1.23M, 20,000,000 → 20M."""
    if number < 10_000:
        return f"{number:,}"
    text, unit = (f"{number / 1_000:.1f}", "K") if number < 999_950 else (f"{number / 1_000_000:.2f}", "M")
    return text.rstrip("0").rstrip(".") + unit


def money(cost: float | None) -> str:
    """USD with as many digits as matter; unknown prices are said to be unknown."""
    if cost is None:
        return "price unknown"
    if cost == 0:
        return "$0"
    return f"${cost:,.2f}" if cost >= 0.1 else f"${cost:.4f}"


def duration(seconds: float) -> str:
    """0.4 s, 12 s, 3:07, 1:02:03."""
    if seconds < 10:
        return f"{seconds:.1f} s"
    if seconds < 60:
        return f"{seconds:.0f} s"
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02}:{rest:02}" if hours else f"{minutes}:{rest:02}"


def count(number: int, noun: str) -> str:
    """1 shard, 2 shards."""
    return f"{number:,} {noun}" if number == 1 else f"{number:,} {noun}s"


def share(part: int, whole: int) -> str:
    """A percentage that says 100% only when all of it is there."""
    if whole <= 0:
        return "–"
    if part < whole:
        return f"{min(99, round(100 * part / whole))}%"
    return "100%"


# ------------------------------------------------------------------ results


def unanswered(answer: Answer) -> str:
    """What is said in the place of an answer."""
    if answer.table is not None and not answer.table.sql:
        return "A table, and no answer."
    return "No answer yet." if answer.stopped_by else "Nothing in the input answers this question."


def covered(result: Answer | Compressed) -> str:
    """What was read, in words."""
    coverage = result.coverage
    text = f"{share(coverage.shards_read, coverage.shards)} · {coverage.shards_read:,} of {count(coverage.shards, 'shard')}"
    text += f" · {tokens(coverage.tokens_read)} of {tokens(coverage.tokens)} tokens"
    return text


def spent(result: Answer | Compressed) -> str:
    """What it cost, in words."""
    return used(result.usage)


def used(usage: Usage) -> str:
    """Calls, tokens, cost and retries, as far as there are any."""
    text = count(usage.calls, "call")
    if usage.input_tokens or usage.output_tokens:
        cached = f" ({tokens(usage.cached_tokens)} cached)" if usage.cached_tokens else ""
        text += f" · {tokens(usage.input_tokens)} tokens in{cached}, {tokens(usage.output_tokens)} out"
    if usage.cost:
        text += f" · {money(usage.cost)}"
    if usage.retries:
        text += " · " + (f"{usage.retries:,} retries" if usage.retries > 1 else "1 retry")
    return text


def kept(context: Compressed) -> str:
    """How much is left of how much, in words."""
    shorter = f", {context.ratio:,.0f} times shorter" if context.text and context.ratio >= 1.5 else ""
    return (
        f"{tokens(context.tokens)} of {tokens(context.input_tokens)} tokens{shorter} · "
        f"{count(len(context.spans), 'span')} of {count(len({span.document for span in context.spans}), 'document')}"
    )


# ------------------------------------------------------------------ tables

MOST_TOLD = 5  # conflicts, or names without a value, of one table or column


def value(told: CellValue | None, column: Column | None = None) -> str:
    """A value of a table as a reader wants it: numbers with their thousands apart and the column's unit; "" for none."""
    if told is None:
        return ""
    if _may_be_a_year(told) and not (column is not None and column.unit):
        return f"{told:.0f}"
    from extagents.tables.values import told as in_words

    return in_words(told, column.unit if column is not None and column.type == "number" else "")


def _may_be_a_year(told: CellValue) -> TypeGuard[float]:
    """Numbers of four digits have no mark between them: nobody writes the year 1,874."""
    return isinstance(told, int | float) and not isinstance(told, bool) and 1_000 <= told < 10_000 and told == int(told)


def size(table: Table) -> str:
    """How much a table holds, in words."""
    cells, room = sum(len(row.cells) for row in table.rows), len(table.rows) * len(table.columns)
    rows = f"{count(len(table.rows), 'row')} of {table.entity}"
    return f"{rows} · {count(len(table.columns), 'column')} · {cells:,} of {room:,} cells filled"


def columns(table: Table) -> str:
    """The columns with type and unit, in words."""
    return ", ".join(f"{column.name} ({column.type}{f', {column.unit}' if column.unit else ''})" for column in table.columns)


def computed(table: Table) -> list[tuple[str, str]]:
    """How an answer was computed: the rows, the statement, and what was compared; nothing where no statement was run."""
    if not table.sql:
        return []
    over = " and ".join(f"{count(len(one.rows), 'row')} of {one.entity}" for one in (table, *table.others))
    return [("computed", f"{over} · {' '.join(table.sql.split())}"), *(("check", check) for check in table.checks)]


def gaps(table: Table) -> list[tuple[str, str]]:
    """What a table does not say surely: values that differ, entities without one, and cells that were not taken."""
    told = [("conflict", conflict(one, table)) for one in table.conflicts[:MOST_TOLD]]
    if (more := len(table.conflicts) - MOST_TOLD) > 0:
        told.append(("conflict", f"and {more:,} more"))
    for column in table.columns:
        if lacking := table.without.get(column.name, ()):
            told.append(("missing", f"{column.name} of {names(lacking)}"))
    if table.doubted:
        held = "it" if table.doubted == 1 else "them"
        told.append(("doubted", f"{count(table.doubted, 'value')} left out: no quote of the text holds {held}"))
    return told


def conflict(one: Conflict, table: Table) -> str:
    """Two values of one cell: which was kept, from where, and why."""
    column = next((column for column in table.columns if column.name == one.column), None)
    kept, dropped = value(one.kept, column), value(one.dropped, column)
    reason = f": {one.reason}" if one.reason else ""
    return f"{one.name}, {one.column}: {kept} ({one.kept_from.document}), not {dropped} ({one.dropped_from.document}){reason}"


def names(given: tuple[str, ...]) -> str:
    """A few names, and how many more there are."""
    more = len(given) - MOST_TOLD
    return ", ".join(given[:MOST_TOLD]) + (f" and {more:,} more" if more > 0 else "")
