"""Corpus questions by computation: tables are proposed, filled by the readers, put into a database, and asked in SQL.

The answer is a candidate (path `table`). It is settled where two statements that were written independently of each other bring
the same, over a table that is filled well enough; otherwise the ladder judges the same cells, and fusion decides.
"""

from __future__ import annotations

import asyncio
import datetime
from collections.abc import AsyncIterator, Container, Sequence
from contextlib import asynccontextmanager, suppress
from dataclasses import replace
from functools import partial
from typing import Any

from pydantic import ValidationError

from extagents import events
from extagents.agents import analyst
from extagents.agents.analyst import Agreed
from extagents.agents.calls import Desk, gather
from extagents.agents.reader import version_of
from extagents.answers import expected_type
from extagents.catalogue import Group, merged
from extagents.computing import Computed, compute
from extagents.errors import StoreError
from extagents.gaps import second_look
from extagents.gate import BudgetEnded, CallFailed, Stop
from extagents.journal import key_of, parts_of, replayed
from extagents.models.base import Prompt
from extagents.sampling import samples
from extagents.sharing import SharedAccount
from extagents.tables.building import Source, build
from extagents.tables.database import Database, SqlError
from extagents.tables.entities import resolve
from extagents.tables.values import parse
from extagents.tabular import Column, ProposedTables, RowFound, Table, TableProfile, TableSchema, WrittenSql, WrittenStatements
from extagents.types import Candidate, Fact, Finding, Report, Shard
from extagents.workspace import Wave, Workspace

TOGETHER = 24  # questions of a batch that one proposal is made for
STATEMENTS = 8  # questions of a batch whose statements are written in one call
VERDICTS = 4  # rounds of verdicts on names that look alike: one verdict may raise the next question
LOOKS = {"quick": 0, "balanced": 2, "thorough": 2}  # further looks at what may have been overlooked
CHEAP = 0.1  # of the input: a look at less is repeated though it brought nothing
FIRST_SAMPLES = 2  # proposals that are asked for; a third, where they do not agree
DATE_FIELDS = ("date", "published", "filed", "updated", "created", "as_of", "日期")  # of a document's metadata
MOST_TOLD = 120  # characters of what is known of a name, for whoever judges whether two are the same
MOST_FACTS = 50  # cells that an answer cites at most
_DATE = Column(name="date", type="date", description="a date")


def computed(workspace: Workspace) -> bool:
    """Whether the run goes by the table: what is to be counted, ranked or added up, or where the table itself is wanted."""
    settings, request = workspace.settings, workspace.request
    if workspace.stopped_by is not None:
        return False
    if request.goal == "table":
        return True
    wanted = workspace.plan.kind == "aggregate" and request.goal == "answer" and request.words is None
    return wanted and settings.strategy == "fused" and "table" not in settings.without


async def tabulate(workspace: Workspace) -> None:
    """Proposes tables, has them read, and offers what is computed from them as a candidate.

    What fails here costs this way alone: the question is then answered without it. A run that is told to end computes from the
    rows that it has.
    """
    workspace.emit(events.Progress(phase="table", usage=workspace.account.usage))
    workspace.tried.add("table")
    try:
        catalogue = workspace.catalogue = await workspace.catalogues.of(workspace)
        catalogue.prune({version_of(group.schema, workspace.desk) for group in catalogue.groups})
        answered = await _answered(workspace)
    except BudgetEnded:
        return workspace.notice("The budget does not cover designing a table; the answer does without it.")
    except Stop as stop:
        return workspace.halt(stop.stopped_by)
    except (CallFailed, SqlError) as failure:
        if isinstance(failure, CallFailed) and failure.fatal:
            workspace.fatal = failure
            return None
        return workspace.notice(f"The table could not be computed ({failure.message}); the answer does without it.")
    if answered is not None:
        _offer(workspace, answered)
    return None


async def _answered(workspace: Workspace) -> Computed | None:
    """The question's answer from tables: those of an unfinished run, those that were read for others, or new ones."""
    catalogue, asked = workspace.catalogue, workspace.request.question
    if workspace.groups:  # of a run that is gone on with
        catalogue.restore(workspace.groups)
        answered = await _from(workspace, workspace.groups)
        if answered is None or not answered.missing:
            return answered
    elif workspace.request.goal == "answer" and not _wordless(workspace) and asked not in catalogue.partly:
        known = await _read_already(workspace)
        if known:
            workspace.groups = tuple(known)
            await _keep(workspace)
            answered = await _from(workspace, known)
            if answered is not None and not answered.missing:
                return answered
    if workspace.fatal is not None or workspace.stopped_by is not None:
        return None
    groups = await _proposed(workspace)
    return await _from(workspace, groups) if groups else None


def _wordless(workspace: Workspace) -> bool:
    """Whether tables are designed by rules: that costs nothing, so every question has its own, whatever was asked before it."""
    return workspace.gate.model("analyst").name == "extractive"


async def _read_already(workspace: Workspace) -> list[Group]:
    """The groups of columns that were read over this input: in this process, or by runs whose readings the memory kept."""
    found = []
    for group in workspace.catalogue.groups:
        version = version_of(group.schema, workspace.desk)
        here = all((version, shard.id) in workspace.catalogue.rows for shard in workspace.shards)
        if here or await workspace.was_read(group.schema):
            found.append(group)
    return found


async def _keep(workspace: Workspace) -> None:
    """Stores which groups the run reads: it is gone on with by exactly these."""
    await workspace.memory.update_run(workspace.run_id, state=workspace.state("table"), fence=workspace.fence)


def needs_reading(workspace: Workspace) -> bool:
    """Whether the question is read for facts, too: it has no answer from the table, or is not for the table alone."""
    if workspace.request.goal == "table" or workspace.stopped_by is not None or workspace.fatal is not None:
        return False
    return not workspace.tabular or not any(candidate.path == "table" for candidate in workspace.candidates)


def begin_reading(workspace: Workspace) -> None:
    """Makes every shard unread again: what was read into rows has not been read for facts."""
    workspace.unread = dict.fromkeys(workspace.frontier.order(range(len(workspace.shards)))) if workspace.frontier else {}
    workspace.rounds_of.clear()
    workspace.failed.clear()
    workspace.partly.clear()
    workspace.rounds = 0
    workspace.tokens_read = 0


# ------------------------------------------------------------------ what is read


async def _proposed(workspace: Workspace) -> tuple[Group, ...]:
    """The groups of columns that the question needs, proposed now; in a batch, for all at once."""
    catalogue = workspace.catalogue
    catalogue.waiting[workspace.run_id] = workspace
    together = workspace.cohort is not None and not _wordless(workspace)
    try:
        if together and workspace.cohort is not None:
            await workspace.guard(workspace.cohort.meet(workspace.run_id))
        async with _turn(workspace, catalogue.lock):
            if workspace.run_id in catalogue.waiting:
                with_it = [one for one in catalogue.waiting.values() if together and one.cohort is workspace.cohort]
                await workspace.guard(_propose(workspace, with_it or [workspace]))
    finally:
        catalogue.waiting.pop(workspace.run_id, None)
    if not workspace.groups:
        return ()
    await _keep(workspace)
    for name, schema in merged(workspace.groups).items():
        workspace.emit(events.TableProposed(name=name, entity=schema.entity, columns=schema.columns))
    return workspace.groups


@asynccontextmanager
async def _turn(workspace: Workspace, lock: asyncio.Lock) -> AsyncIterator[None]:
    """Waits for others who are at it, but no longer than the run may."""
    if lock.locked():
        await workspace.guard(lock.acquire(), ending=True)
    else:
        await lock.acquire()
    try:
        yield
    finally:
        lock.release()


async def _propose(workspace: Workspace, waiting: Sequence[Workspace]) -> None:
    """Proposes tables for the question, and for those of the batch that wait with it: what they need is read together."""
    catalogue = workspace.catalogue
    existing = [] if _wordless(workspace) else catalogue.schemas
    served: list[tuple[Workspace, list[Agreed]]] = []
    try:
        for start in range(0, len(waiting), TOGETHER):
            some = waiting[start : start + TOGETHER]
            agreed = await _voted(workspace, some, [one.request.question for one in some], existing)
            alone = len(some) == 1 and workspace.request.goal == "table"
            used = [table for table in agreed if table.whole or table.partly or alone]
            known = [*existing, *((table.name, table.schema) for table in used)]
            existing = list(merged(Group(name, schema) for name, schema in known).items())
            for place, one in enumerate(some):
                one.tabular = any(place in table.whole for table in used) or alone
                serving = [table for table in used if place in table.whole or place in table.partly or alone]
                served.append((one, serving))
    except BudgetEnded:
        if len(waiting) < 2:
            raise
        return await _propose(workspace, [workspace])  # somebody cannot bear a share: each asks for itself
    names = {table.name for _, serving in served for table in serving}
    wanted = [(name, schema) for name, schema in existing if name in names]
    if _wordless(workspace):
        fresh = [Group(name, schema) for name, schema in wanted]
        catalogue.restore(fresh)
    else:
        catalogue.add(wanted)
        fresh = catalogue.groups
    for one, serving in served:
        mine = {table.name for table in serving}
        one.groups = tuple(group for group in fresh if group.name in mine)
        one.columns = frozenset(column.name for table in serving for column in table.schema.columns)
        if serving and not one.tabular:
            catalogue.partly.add(one.request.question)
        catalogue.waiting.pop(one.run_id, None)


async def _voted(
    workspace: Workspace, some: Sequence[Workspace], questions: list[str], existing: list[tuple[str, TableSchema]]
) -> tuple[Agreed, ...]:
    """What proposals over several samples agree on: two, and a third where those differ."""
    corpus = workspace.corpus
    shown = await asyncio.to_thread(
        samples, corpus, [query for one in some for query in one.plan.queries], questions, window=workspace.desk.window
    )
    desk = _desk(workspace, some)
    titles = list(dict.fromkeys(document.title or document.id for document in corpus.documents[:200]))[:20]

    async def one(number: int) -> ProposedTables:
        prompt = analyst.schema_prompt(
            questions, shown[number], desk, sources=titles, existing=existing, statistics=corpus.index
        )
        return (await desk.gate.call(prompt, desk.account, call_id=f"table:{number}:{workspace.run_id}")).output

    first = min(FIRST_SAMPLES, len(shown))
    made = await gather([asyncio.ensure_future(one(number)) for number in range(first)])
    if len(shown) > first and _differ(made, len(questions), existing):
        made.append(await one(first))
    return analyst.agree(made, len(questions), existing=existing)


def _differ(made: Sequence[ProposedTables], questions: int, existing: list[tuple[str, TableSchema]]) -> bool:
    """Whether two proposals leave open what the table is: a third has to say."""
    both = analyst.agree(made, questions, existing=existing)
    ones = [analyst.agree([proposal], questions, existing=existing) for proposal in made]
    widths = {sum(len(table.schema.columns) for table in tables) for tables in (both, *ones)}
    served = {tuple(sorted(number for table in tables for number in table.whole)) for tables in (both, *ones)}
    return len(widths) > 1 or len(served) > 1


def _desk(workspace: Workspace, some: Sequence[Workspace]) -> Desk:
    """The desk of a call for several questions: all of them pay for it."""
    if len(some) < 2 or workspace.cohort is None:
        return workspace.desk
    account = SharedAccount(workspace.cohort.account, [one.account for one in some], [1] * len(some))
    return replace(workspace.desk, account=account)


async def _read(workspace: Workspace, group: Group, focused: tuple[Shard, ...] = ()) -> None:
    """Has every shard read into the group's rows, or those of a further look; what is there already is not read again."""
    reason = f"into the table {group.name}: " + ("what may have been overlooked, once more" if focused else "everything")
    positions = () if focused else tuple(range(len(workspace.shards)))
    lanes = workspace.start_wave(Wave(positions, reason, focused, group.schema))
    await gather([asyncio.ensure_future(workspace.read_lane()) for _ in range(lanes)])
    await workspace.close_wave()


async def _look_again(workspace: Workspace, groups: Sequence[Group]) -> None:
    """Has what may hold overlooked values read once more, in small shards, until nothing new comes of it."""
    if workspace.gate.model("reader").name == "extractive":  # it reads every text alike, in whatever company
        return
    for look in range(LOOKS[workspace.settings.effort]):
        before, read = _cells(workspace), 0
        for group in groups:
            if workspace.stopped_by is not None or workspace.fatal is not None:
                return
            key = ("look", look, group.name, _key(workspace, groups))
            shards = await workspace.catalogue.once(key, partial(_looked, workspace, groups, group, look))
            read += sum(shard.tokens for shard in shards)
            if shards:
                await _read(workspace, group, shards)
        if _cells(workspace) == before and read > CHEAP * workspace.corpus.tokens:
            return


async def _looked(workspace: Workspace, groups: Sequence[Group], group: Group, look: int) -> tuple[tuple[Shard, ...], bool]:
    """The shards of a further look at one group's columns, and whether names were settled for them."""
    tables, kept = await _built(workspace, groups)
    table = next((table for table in tables if table.name == group.name), None)
    if table is None:
        return (), kept
    most = workspace.settings.shard_tokens
    rows = _rows_of(workspace, group)
    columns = group.schema.columns
    return await asyncio.to_thread(second_look, workspace.corpus, table, columns, rows, look=look, most=most), kept


def _rows_of(workspace: Workspace, group: Group) -> list[RowFound]:
    version = version_of(group.schema, workspace.desk)
    return [row for (made, _), rows in sorted(workspace.rows.items()) if made == version for row in rows]


def _cells(workspace: Workspace) -> int:
    """How many different cells are known."""
    found = (row for rows in workspace.rows.values() for row in rows)
    return len({(cell.document, cell.start, cell.column) for row in found for cell in row.cells if cell.trusted})


def _key(workspace: Workspace, groups: Sequence[Group]) -> Any:
    """What tables depend on: what was asked of the readers, and what was read."""
    versions = tuple((group.name, version_of(group.schema, workspace.desk)) for group in groups)
    read = frozenset((*key, hash(rows)) for key, rows in workspace.rows.items())
    dates = hash(tuple(_date_of(document.metadata) for document in workspace.corpus.documents))
    return versions, read, frozenset(workspace.failed), frozenset(workspace.partly), dates


# ------------------------------------------------------------------ tables


async def _from(workspace: Workspace, groups: Sequence[Group]) -> Computed | None:
    """The groups read, their tables built, and the question answered from them; None where nothing was found."""
    for group in groups:
        if workspace.stopped_by is None and workspace.fatal is None:
            await _read(workspace, group)
    await _look_again(workspace, groups)
    if workspace.fatal is not None:
        return None
    key = _key(workspace, groups)
    tables = await workspace.catalogue.once(("tables", key), lambda: _built(workspace, groups))
    if workspace.request.goal == "table" and workspace.columns:
        tables = tuple(_only(table, workspace.columns) for table in tables)
    if not any(len(table) for table in tables):
        return None
    for table in tables:
        workspace.emit(
            events.TableFilled(
                name=table.name,
                rows=len(table),
                cells=sum(len(row.cells) for row in table.rows),
                conflicts=len(table.conflicts),
                doubted=table.doubted,
            )
        )
    workspace.table = tables[0].model_copy(update={"others": tables[1:]})
    if workspace.request.goal == "table":
        return None
    database = await workspace.catalogue.once(("database", key), partial(_opened, tables))
    plan = workspace.plan
    together = workspace.cohort is not None and workspace.stopped_by is None
    given = await _written_together(workspace, database, key) if together else None
    return await compute(
        workspace.request.question,
        tables,
        database,
        workspace.desk,
        core=plan.core,
        instructions=plan.instructions,
        answer_type=expected_type(plan.core, plan.answer_type),
        wordless=_wordless(workspace),
        on_statement=workspace.emit,
        given=given,
        unread=_unread(workspace),
    )


async def _opened(tables: tuple[Table, ...]) -> tuple[Database, bool]:
    return await asyncio.to_thread(Database, tables), True


def _only(table: Table, columns: Container[str]) -> Table:
    """The table with these columns alone: what others asked for is not told."""
    kept = tuple(column for column in table.columns if column.name in columns)
    names = {column.name for column in kept}
    rows = tuple(
        row.model_copy(
            update={
                "values": {name: value for name, value in row.values.items() if name in names},
                "cells": {name: cell for name, cell in row.cells.items() if name in names},
            }
        )
        for row in table.rows
    )
    conflicts = tuple(conflict for conflict in table.conflicts if conflict.column in names)
    without = {name: lacking for name, lacking in table.without.items() if name in names}
    return table.model_copy(update={"columns": kept, "rows": rows, "conflicts": conflicts, "without": without})


def _unread(workspace: Workspace) -> float:
    """The share of the shards that were not read, or not whole."""
    lost = set(workspace.unread) | set(workspace.failed) | set(workspace.partly)
    return len(lost) / max(1, len(workspace.shards))


async def _written_together(workspace: Workspace, database: Database, key: Any) -> WrittenSql | None:
    """The question's statement, written in one call with those of others of its batch that ask the same tables.

    None where it is alone, or was left out: it is then asked for by itself.
    """
    catalogue, cohort = workspace.catalogue, workspace.cohort
    assert cohort is not None
    if _wordless(workspace):
        return None
    profiles = await asyncio.to_thread(database.profiles)
    asking = catalogue.asking.setdefault(key, {})
    asking[workspace.run_id] = (workspace, _asked_alone(workspace, profiles))
    try:
        await workspace.guard(cohort.meet(workspace.run_id))
        async with _turn(workspace, catalogue.lock):
            if workspace.run_id in asking:
                await workspace.guard(_write(asking, catalogue.written))
    finally:
        asking.pop(workspace.run_id, None)
        if not asking:
            catalogue.asking.pop(key, None)
    return catalogue.written.pop(workspace.run_id, None)


def _asked_alone(workspace: Workspace, profiles: tuple[TableProfile, ...]) -> Prompt[WrittenSql]:
    plan = workspace.plan
    return analyst.sql_prompt(
        plan.core,
        profiles,
        workspace.desk,
        instructions=plan.instructions,
        answer_type=expected_type(plan.core, plan.answer_type),
    )


async def _write(asking: dict[str, tuple[Workspace, Prompt[WrittenSql]]], written: dict[str, WrittenSql]) -> None:
    """Writes the statements of all who ask, several in a call; what an earlier part of the batch was answered stands."""
    asked = list(asking.values())
    asking.clear()
    fresh: list[tuple[Workspace, Prompt[WrittenSql]]] = []
    for one, prompt in asked:
        cohort = one.cohort
        assert cohort is not None
        kept = cohort.answered.get(key_of(prompt))
        if kept is not None:
            body = cohort.account.answered[kept[0]]
            told = None
            with suppress(ValidationError):  # another version's form
                told = analyst.parted(replayed(body, WrittenStatements)[0], len(parts_of(body)))[kept[1]]
            if told is not None:
                written[one.run_id] = told
        else:
            fresh.append((one, prompt))
    for language in ("en", "zh"):
        alike = [pair for pair in fresh if pair[0].desk.language == language]
        calls = [alike[start : start + STATEMENTS] for start in range(0, len(alike), STATEMENTS)]
        await gather([asyncio.ensure_future(_write_some(some, written)) for some in calls if len(some) > 1])


async def _write_some(some: Sequence[tuple[Workspace, Prompt[WrittenSql]]], written: dict[str, WrittenSql]) -> None:
    first = some[0][0]
    desk = _desk(first, [one for one, _ in some])
    prompt = analyst.together_prompt([alone for _, alone in some], desk)
    keys = tuple(key_of(alone) for _, alone in some)
    try:
        called = await desk.gate.call(prompt, desk.account, call_id=f"sql:{key_of(prompt)}:{first.run_id}", parts=keys)
    except (Stop, CallFailed, StoreError):
        return  # each meets it by itself, or not at all
    for (one, _), told in zip(some, analyst.parted(called.output, len(some)), strict=True):
        if told is not None:
            written[one.run_id] = told


async def _built(workspace: Workspace, groups: Sequence[Group]) -> tuple[tuple[Table, ...], bool]:
    """The tables of all groups, and whether all names that look alike were told apart."""
    found: dict[str, list[Source]] = {}
    settled = True
    places = {document.id: place for place, document in enumerate(workspace.corpus.documents)}
    dates = {document.id: _date_of(document.metadata) for document in workspace.corpus.documents}
    for group in groups:
        version = version_of(group.schema, workspace.desk)
        sources = found.setdefault(group.name, [])
        for (made, _), rows in workspace.rows.items():
            if made == version:
                sources += [Source(row, _order(row, places), dates.get(row.document, "")) for row in rows]
    tables = []
    for name, schema in merged(groups).items():
        sources, same = found[name], workspace.catalogue.same.setdefault(name, {})
        for _ in range(VERDICTS):
            names = await asyncio.to_thread(resolve, [source.row.entity for source in sources], same=dict(same))
            if not names.doubtful:
                break
            verdicts = await _same(workspace, schema.entity, names.doubtful, sources)
            if not verdicts:
                settled = False
                workspace.notice(f"Whether some names mean the same {schema.entity} could not be asked; they were kept apart.")
                break
            same |= verdicts
        tables.append(await asyncio.to_thread(build, name, schema, sources, same=dict(same)))
    return tuple(tables), settled


async def _same(
    workspace: Workspace, entity: str, pairs: Sequence[tuple[str, str]], sources: Sequence[Source]
) -> dict[tuple[str, str], bool]:
    """Verdicts on names that look alike; none where nobody can be asked any more."""
    known: dict[str, str] = {}
    for source in sources:
        told = "; ".join(f"{cell.column}: {cell.raw}" for cell in source.row.cells)
        known.setdefault(source.row.entity, f"{source.row.document}: {told}"[:MOST_TOLD])
    try:
        return await workspace.guard(analyst.same_names(entity, pairs, known, workspace.desk), ending=True)
    except (Stop, CallFailed):
        return {}


def _order(row: Any, places: dict[str, int]) -> int:
    """Where a row stands: by document, then by the first of its cells."""
    return (places.get(row.document, len(places)) << 40) + min((cell.start or 0 for cell in row.cells), default=0)


def _date_of(metadata: dict[str, Any]) -> str:
    """The date that a document's metadata gives it, ISO 8601; empty where there is none."""
    for name in DATE_FIELDS:
        told = metadata.get(name)
        told = told.isoformat()[:10] if isinstance(told, datetime.date) else told
        if told and isinstance(told, str | int) and (date := parse(str(told), _DATE)) is not None:
            return str(date)
    return ""


# ------------------------------------------------------------------ the answer


def _offer(workspace: Workspace, answered: Computed) -> None:
    """The candidate, and the table with what was asked of it."""
    workspace.table = answered.table
    if not answered.answer:
        return
    documents = workspace.corpus.by_id
    facts = tuple(
        Fact(
            id=f"cell:{number}",
            claim=f"{name}: {column} = {cell.raw}",
            quote=cell.quote,
            document=cell.document,
            start=cell.start,
            end=cell.end,
            page=cell.page,
            relevance=0.9,
            shard="",
            round=1,
            title=documents[cell.document].title if cell.document in documents else "",
        )
        for number, (name, column, cell) in enumerate(answered.bearing[:MOST_FACTS])
    )
    candidate = Candidate(path="table", answer=answered.answer, confidence=answered.confidence, facts=facts)
    workspace.candidates.append(candidate)
    workspace.settled = answered.settled
    workspace.emit(events.CandidateFound(candidate=candidate.shown))
    for notice in answered.notices:
        workspace.notice(notice)
    if not answered.settled and workspace.judged:
        # The ladder judges the same cells: its own answer stands beside the computed one.
        report = Report(
            run=workspace.run_id,
            round=1,
            wave=workspace.wave,
            shard="table",
            version="table",
            findings=(Finding(facts=facts),),
        )
        workspace.ledger = workspace.ledger.extend([report])
