"""Corpus questions by computation: tables are proposed, filled by the readers, put into a database, and asked in SQL.

The answer is a candidate (path `table`). It is settled where two statements that were written independently of each other bring
the same, over a table that is filled well enough; otherwise the ladder judges the same cells, and fusion decides.
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import replace
from functools import partial
from typing import Any

from extagents import events
from extagents.agents import analyst
from extagents.agents.analyst import Agreed
from extagents.agents.calls import Desk, gather
from extagents.agents.reader import version_of
from extagents.answers import expected_type
from extagents.catalogue import Group
from extagents.computing import Computed, compute
from extagents.errors import StoreError
from extagents.gaps import second_look
from extagents.gate import CallFailed, Stop
from extagents.journal import key_of, parts_of, replayed
from extagents.models.base import Prompt
from extagents.sampling import samples
from extagents.sharing import SharedAccount
from extagents.tables.building import Source, build
from extagents.tables.database import Database
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
    if workspace.stopped_by is not None or workspace.corpus is None:
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
        answered = None
        if not workspace.agreed and catalogue.groups and workspace.request.goal == "answer":
            answered = await _from(workspace, catalogue.groups)
        if answered is None or answered.missing:
            groups = await _proposed(workspace)
            if groups:
                answered = await _from(workspace, groups)
    except Stop as stop:
        return workspace.halt(stop.stopped_by)
    except CallFailed as failure:
        if failure.fatal:
            workspace.fatal = failure
            return None
        return workspace.notice(f"The table could not be computed ({failure.message}); the answer does without it.")
    if answered is not None:
        _offer(workspace, answered)
    return None


def needs_reading(workspace: Workspace) -> bool:
    """Whether the question is read for facts, too: it has no answer from the table, or is not for the table alone."""
    if workspace.request.goal == "table" or workspace.stopped_by is not None or workspace.fatal is not None:
        return False
    partly = any(0 in table.partly for table in workspace.agreed) and not any(0 in table.whole for table in workspace.agreed)
    return partly or not any(candidate.path == "table" for candidate in workspace.candidates)


def begin_reading(workspace: Workspace) -> None:
    """Makes every shard unread again: what was read into rows has not been read for facts."""
    workspace.unread = dict.fromkeys(workspace.frontier.order(range(len(workspace.shards)))) if workspace.frontier else {}
    workspace.rounds_of.clear()
    workspace.failed.clear()
    workspace.partly.clear()
    workspace.rounds = 0
    workspace.tokens_read = 0


# ------------------------------------------------------------------ what is read


async def _proposed(workspace: Workspace) -> list[Group]:
    """The groups of columns that the question needs, proposed now if they were not before; in a batch, for all at once."""
    catalogue = workspace.catalogue
    if not workspace.agreed:
        catalogue.waiting[workspace.run_id] = workspace
        try:
            if workspace.cohort is not None:
                await workspace.guard(workspace.cohort.meet(workspace.run_id))
            async with catalogue.lock:
                if workspace.run_id in catalogue.waiting:
                    await workspace.guard(_propose(workspace))
        finally:
            catalogue.waiting.pop(workspace.run_id, None)
    else:
        catalogue.add(workspace.agreed)  # of a run that is gone on with
    for table in workspace.agreed:
        columns = table.schema.columns
        workspace.emit(events.TableProposed(name=table.name, entity=table.schema.entity, columns=columns))
    names = {table.name for table in workspace.agreed}
    return [group for group in catalogue.groups if group.name in names]


async def _propose(workspace: Workspace) -> None:
    """Proposes tables for the question, and for those of the batch that wait with it: what they need is read together."""
    catalogue = workspace.catalogue
    with_it = workspace.cohort is not None
    waiting = [one for one in catalogue.waiting.values() if one is workspace or (with_it and one.cohort is workspace.cohort)]
    existing = catalogue.schemas
    for start in range(0, len(waiting), TOGETHER):
        some = waiting[start : start + TOGETHER]
        agreed = await _voted(workspace, some, [one.request.question for one in some], existing)
        known = dict(existing)
        for table in agreed:
            known[table.name] = analyst.widened(known.get(table.name, table.schema), table.schema.columns)
        existing = list(known.items())
        for place, one in enumerate(some):
            serving = [table for table in agreed if place in table.whole or place in table.partly]
            if len(some) == 1 and not serving:
                serving = list(agreed) if workspace.request.goal == "table" else []
            one.agreed = tuple(_for_one(table, place) for table in serving)
    catalogue.add([Agreed(name, schema, frozenset(), frozenset()) for name, schema in existing])
    for one in waiting:
        catalogue.waiting.pop(one.run_id, None)
        if one.agreed:
            await one.memory.update_run(one.run_id, state=one.state("table"), fence=one.fence)


def _for_one(table: Agreed, place: int) -> Agreed:
    """The table as one of several questions sees it: it is number 0 of its own."""
    return replace(
        table,
        whole=frozenset({0} if place in table.whole else ()),
        partly=frozenset({0} if place in table.partly else ()),
    )


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


async def _looked(workspace: Workspace, groups: Sequence[Group], group: Group, look: int) -> tuple[Shard, ...]:
    """The shards of a further look at one group's columns."""
    tables = await _built(workspace, groups)
    table = next((table for table in tables if table.name == group.name), None)
    if table is None:
        return ()
    most = workspace.settings.shard_tokens
    rows = _rows_of(workspace, group)
    return await asyncio.to_thread(second_look, workspace.corpus, table, group.schema.columns, rows, look=look, most=most)


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
    return versions, frozenset(workspace.rows), frozenset(workspace.failed)


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
    database = await workspace.catalogue.database(key, tables)
    plan = workspace.plan
    given = await _written_together(workspace, database, key) if workspace.cohort is not None else None
    return await compute(
        workspace.request.question,
        tables,
        database,
        workspace.desk,
        core=plan.core,
        instructions=plan.instructions,
        answer_type=expected_type(plan.core, plan.answer_type),
        wordless=workspace.gate.model("analyst").name == "extractive",
        on_statement=workspace.emit,
        given=given,
    )


async def _written_together(workspace: Workspace, database: Database, key: Any) -> WrittenSql | None:
    """The question's statement, written in one call with those of others of its batch that ask the same tables.

    None where it is alone, or was left out: it is then asked for by itself.
    """
    catalogue, cohort = workspace.catalogue, workspace.cohort
    assert cohort is not None
    if workspace.gate.model("analyst").name == "extractive":
        return None
    profiles = await asyncio.to_thread(database.profiles)
    asking = catalogue.asking.setdefault(key, {})
    asking[workspace.run_id] = (workspace, _asked_alone(workspace, profiles))
    try:
        await workspace.guard(cohort.meet(workspace.run_id))
        async with catalogue.lock:
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


async def _built(workspace: Workspace, groups: Sequence[Group]) -> tuple[Table, ...]:
    """The tables of all groups, names of one thing settled."""
    found: dict[str, list[Source]] = {}
    schemas: dict[str, TableSchema] = {}
    places = {document.id: place for place, document in enumerate(workspace.corpus.documents)}
    dates = {document.id: _date_of(document.metadata) for document in workspace.corpus.documents}
    for group in groups:
        known = schemas.get(group.name)
        schemas[group.name] = group.schema if known is None else analyst.widened(known, group.schema.columns)
        version = version_of(group.schema, workspace.desk)
        sources = found.setdefault(group.name, [])
        for (made, _), rows in workspace.rows.items():
            if made == version:
                sources += [Source(row, _order(row, places), dates.get(row.document, "")) for row in rows]
    tables = []
    for name, sources in found.items():
        same = workspace.catalogue.same.setdefault(name, {})
        for _ in range(VERDICTS):
            names = await asyncio.to_thread(resolve, [source.row.entity for source in sources], same=same)
            if not names.doubtful:
                break
            same |= await _same(workspace, schemas[name].entity, names.doubtful, sources)
        tables.append(await asyncio.to_thread(build, name, schemas[name], sources, same=same))
    return tuple(tables)


async def _same(
    workspace: Workspace, entity: str, pairs: Sequence[tuple[str, str]], sources: Sequence[Source]
) -> dict[tuple[str, str], bool]:
    """Verdicts on names that look alike; where nobody can be asked any more, they are not the same."""
    known: dict[str, str] = {}
    for source in sources:
        told = "; ".join(f"{cell.column}: {cell.raw}" for cell in source.row.cells)
        known.setdefault(source.row.entity, f"{source.row.document}: {told}"[:MOST_TOLD])
    try:
        return await workspace.guard(analyst.same_names(entity, pairs, known, workspace.desk), ending=True)
    except (Stop, CallFailed):
        return dict.fromkeys(pairs, False)


def _order(row: Any, places: dict[str, int]) -> int:
    """Where a row stands: by document, then by the first of its cells."""
    return (places.get(row.document, len(places)) << 40) + min((cell.start or 0 for cell in row.cells), default=0)


def _date_of(metadata: dict[str, Any]) -> str:
    """The date that a document's metadata gives it, ISO 8601; empty where there is none."""
    for name in DATE_FIELDS:
        told = metadata.get(name)
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
