"""From tables to an answer: a statement, what it brings, and whether a second one that knows nothing of it brings the same."""

from __future__ import annotations

import asyncio
import re
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass

from extagents import events
from extagents.agents import analyst
from extagents.agents.calls import Desk
from extagents.gate import CallFailed, Stop
from extagents.prompts import language_of
from extagents.tables.database import Database, NoProcess, SqlError
from extagents.tables.result import answer_of, bearing, same_result
from extagents.tables.templates import statement
from extagents.tabular import QueryResult, Table, TableCell, TableProfile, WrittenSql
from extagents.types import AnswerType

REPAIRS = 2  # of a statement that failed, at most
AGREED, MAJORITY, ALONE, CONTRADICTED = 0.9, 0.75, 0.65, 0.35  # confidence by how many statements bring the same
_ORDERED = re.compile(r"\border\s+by\s+(?!\"?(?:\w+\.)?\"?name\b)", re.IGNORECASE)  # by something else than names
EMPTY_SHARE = 0.5  # of the rows without a value, from which a table is too empty to settle a question


@dataclass(frozen=True, slots=True)
class Computed:
    """What the tables say: the bare answer ("" for none), the cells that it rests on as (row, column, cell), and how sure.

    `settled`: no other way of answering is needed. `missing` is what the question needs and no column holds.
    """

    answer: str
    table: Table
    confidence: float = 0.0
    bearing: tuple[tuple[str, str, TableCell], ...] = ()
    settled: bool = False
    missing: tuple[str, ...] = ()
    notices: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class _Ran:
    """A statement and what it brought."""

    written: WrittenSql
    result: QueryResult


async def compute(
    question: str,
    tables: Sequence[Table],
    database: Database,
    desk: Desk,
    *,
    core: str,
    instructions: str,
    answer_type: AnswerType,
    wordless: bool,
    on_statement: Callable[[events.StatementRun], None],
    given: WrittenSql | None = None,
    unread: float = 0.0,
) -> Computed:
    """Answers the question from the tables. `core` is it without wishes about form; `wordless`: by rules alone.

    `given` is the first statement, where it is written already. Where budget or time end, the rules write the statement. Raises
    `gate.CallFailed` where no model can be asked.
    """
    profiles = await asyncio.to_thread(database.profiles)
    asking = _Asking(core, profiles, database, desk, instructions, answer_type, on_statement, given)
    by_rules = await asyncio.to_thread(statement, question, profiles)
    ruled = None if by_rules is None else await asking.run(by_rules)
    first, second = None, ruled
    with suppress(Stop):  # what nothing more can be paid for stands as it is
        first = None if wordless else await asking.written(0, alone=ruled is None)
        if first is not None and (ruled is None or not await asyncio.to_thread(_same, first, ruled)):
            second = await asking.written(1)
    missing = asking.missing if first is None and not wordless else ()
    told = [one for one in (first, second, ruled) if one is not None]
    if not told:
        return Computed("", _evidence(tables, None, ()), missing=missing or (() if by_rules else (core,)))
    chosen, votes = await asyncio.to_thread(_chosen, told)
    statements = len({id(one) for one in told})
    checks = [_vote(votes, statements)]
    agreed = votes > 1
    if unread:
        checks.append(f"{unread:.0%} of the input was not read into the table.")
    confidence = (
        AGREED if agreed and votes == statements else MAJORITY if agreed else ALONE if statements == 1 else CONTRADICTED
    )
    rests_on = await asyncio.to_thread(_resting, chosen, tables, database)
    named, tables = await asyncio.to_thread(_mentioned, chosen.written.sql, tables, database)
    empty, told_empty = _emptiness(tables, named)
    checks += told_empty
    confidence *= (1 - empty / 2) * (1 - unread)
    language = language_of(question)
    answer = answer_of(chosen.result, chosen.written, tables, answer_type=answer_type, language=language, question=question)
    table = _evidence(tables, chosen, checks)
    return Computed(
        answer,
        table,
        confidence=round(confidence, 4),
        bearing=rests_on,
        settled=bool(answer) and (agreed or wordless) and empty < EMPTY_SHARE and not unread,
        missing=missing,
        notices=_notices(table, named, agreed=agreed or statements == 1),
    )


@dataclass(slots=True)
class _Asking:
    """One question put to one database."""

    question: str
    profiles: tuple[TableProfile, ...]
    database: Database
    desk: Desk
    instructions: str
    answer_type: AnswerType
    on_statement: Callable[[events.StatementRun], None]
    given: WrittenSql | None = None
    missing: tuple[str, ...] = ()

    async def written(self, opinion: int, *, alone: bool = False) -> _Ran | None:
        """A statement by the model, repaired at most twice; None if it has none that works. `alone`: nothing else answers."""
        failed = error = ""
        for number in range(REPAIRS + 1):
            prompt = analyst.sql_prompt(
                self.question,
                self.profiles,
                self.desk,
                instructions=self.instructions,
                answer_type=self.answer_type,
                opinion=opinion,
                failed=failed,
                error=error,
            )
            given = self.given if opinion == number == 0 else None
            try:
                written = given or await analyst.write_sql(prompt, self.desk)
            except CallFailed as failure:
                if failure.fatal or alone:
                    raise
                return None
            if not written.sql or written.missing:
                self.missing = tuple(written.missing) or (self.question,)
                return None
            try:
                return await self._run(written)
            except NoProcess:
                raise
            except SqlError as wrong:
                failed, error = written.sql, wrong.message
        return None

    async def run(self, written: WrittenSql) -> _Ran | None:
        """A statement as it is; None where it does not work."""
        if not written.sql:
            return None
        try:
            return await self._run(written)
        except SqlError:
            return None

    async def _run(self, written: WrittenSql) -> _Ran:
        try:
            result = await asyncio.to_thread(self.database.query, written.sql)
        except SqlError as error:
            self.on_statement(events.StatementRun(sql=written.sql, error=error.message))
            raise
        shown = tuple(value for row in result.rows[:1] for value in row if not isinstance(value, tuple))
        self.on_statement(events.StatementRun(sql=written.sql, rows=len(result.rows), first=shown))
        return _Ran(written, result)


def _resting(chosen: _Ran, tables: Sequence[Table], database: Database) -> tuple[tuple[str, str, TableCell], ...]:
    """The cells that a result rests on. That nothing fits rests on all that was looked at."""
    sql = chosen.written.sql
    if found := bearing(sql, chosen.result, tables, database=database):
        return found
    columns, tables = _mentioned(sql, tables, database)
    return tuple(
        (row.name, name, cell)
        for table in tables
        for row in table.rows
        for name, cell in row.cells.items()
        if name.lower() in columns
    )


def _mentioned(sql: str, tables: Sequence[Table], database: Database) -> tuple[set[str], Sequence[Table]]:
    """The columns that a statement mentions, and the tables that it reads, those first that it names first; all if unknown."""
    try:
        mentioned = database.mentioned(sql)
    except SqlError:  # of a statement that has run, only its citations are lost
        return {column.name.lower() for table in tables for column in table.columns}, tables
    read = [table for name in mentioned.tables for table in tables if table.name.lower() == name.lower()]
    return set(mentioned.columns), read or tables


def _chosen(told: Sequence[_Ran]) -> tuple[_Ran, int]:
    """The result that most statements bring, the first among equals, and by how many."""
    different: list[_Ran] = []
    for one in told:
        if not any(one is other for other in different):
            different.append(one)
    votes = [sum(_same(one, other) for other in different) for one in different]
    best = max(range(len(different)), key=lambda place: (votes[place], -place))
    return different[best], votes[best]


def _same(one: _Ran, other: _Ran) -> bool:
    """Whether two statements bring the same, in whatever units. Blocking: units may have to be converted."""
    ordered = all(_ORDERED.search(ran.written.sql) for ran in (one, other)) and len(one.result.rows) > 1
    return same_result(one.result, other.result, ordered=ordered, units=(one.written.unit, other.written.unit))


def _vote(votes: int, statements: int) -> str:
    if statements == 1:
        return "One statement was written; no second one stands against it."
    if votes == statements:
        return f"{statements} statements, written independently of each other, bring the same."
    if votes > 1:
        return f"{votes} of {statements} statements bring the same; it was taken."
    return f"{statements} statements bring different results; the first one was taken."


def _emptiness(tables: Sequence[Table], columns: set[str]) -> tuple[float, list[str]]:
    """The largest share of rows without a value among the columns that the answer rests on, and what there is to say of it."""
    worst, told = 0.0, []
    for table in tables:
        for column in table.columns:
            lacking = len(table.without.get(column.name, ()))
            if column.name.lower() not in columns or not lacking or not len(table):
                continue
            worst = max(worst, lacking / len(table))
            told.append(f"{lacking} of {len(table)} rows have no {column.name}.")
    return worst, told


def _evidence(tables: Sequence[Table], chosen: _Ran | None, checks: Sequence[str]) -> Table:
    """The first table that the statement reads, with the statement, its result, and the other tables."""
    update = (
        {"checks": tuple(checks)}
        if chosen is None
        else {
            "sql": chosen.written.sql,
            "result_columns": chosen.result.columns,
            "result": chosen.result.rows,
            "checks": tuple(checks),
        }
    )
    return tables[0].model_copy(update={**update, "others": tuple(tables[1:])})


def _notices(table: Table, columns: set[str], *, agreed: bool) -> tuple[str, ...]:
    told = []
    if not agreed:
        told.append("Statements that were written independently of each other disagree on the table; see answer.table.checks.")
    conflicts = sum(conflict.column.lower() in columns for conflict in table.conflicts)
    if conflicts:
        noun = "value differs" if conflicts == 1 else "values differ"
        told.append(f"{conflicts} {noun} between documents; the later ones were kept (answer.table.conflicts).")
    for column in table.columns:
        lacking = table.without.get(column.name, ())
        if column.name.lower() in columns and lacking:
            names = ", ".join(lacking[:5]) + (f" and {len(lacking) - 5} more" if len(lacking) > 5 else "")
            told.append(f"No {column.name} was found for {len(lacking)} of {len(table)}: {names}.")
    return tuple(told)
