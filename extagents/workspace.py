"""One run's live objects: corpus, packing, frontier, ledger, account and events. The graph decides; this keeps the books.

Graph state holds ids and counts only; everything large or alive is here, and everything that must survive is in the memory.
"""

from __future__ import annotations

import asyncio
import json
import time
import uuid
from collections import Counter, deque
from collections.abc import Callable, Coroutine, Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any, TypeVar

from extagents import events
from extagents.agents.calls import Desk, gather
from extagents.agents.reader import ReadJob, Sources, cache_key, reader_prompt, version_of
from extagents.agents.reasoner import Judgement, Ladder
from extagents.catalogue import Catalogue, Catalogues, Group, stored_groups, told_groups
from extagents.cohort import Cohort, Membership
from extagents.corpus.corpus import Corpus
from extagents.errors import LeaseLost, ModelError, StoreError
from extagents.executors.base import Executor
from extagents.focusing import Homes
from extagents.frontier import Frontier
from extagents.gate import Account, CallFailed, Gate, Stop
from extagents.memory.base import Manifest, Memory, RunRecord
from extagents.memory.lease import Holding
from extagents.memory.ledger import Ledger
from extagents.models.base import Prompt
from extagents.observing import WaveBegan, WaveEnded
from extagents.packing import Packing
from extagents.request import Request, told
from extagents.settings import Settings
from extagents.tabular import RowFound, Table, TableSchema
from extagents.types import (
    Answer,
    Candidate,
    Compressed,
    Fact,
    Finding,
    PathName,
    Plan,
    ReaderQuestion,
    Report,
    Shard,
    SinglePass,
    StoppedBy,
    Usage,
)

T = TypeVar("T")
KEPT_EVENTS = frozenset(("planned", "wave", "verdict", "table_proposed", "table_filled", "statement", "notice"))
LAST_SECONDS = 10.0  # after an interrupt, for the last calls over what was found
LAST_SECONDS_DRAINED = 2.0  # after SIGTERM, when the calls under way are in: the process is to be gone within ten in all
OPEN_QUERIES = 6  # of the last wave's open queries, so many stand in a reader's prompt
OPEN_IN_BATCH = 3  # the same in a batch


class Halted(Stop):
    """The run was told to end: by Ctrl-C, by its deadline, or because its budget is used up."""

    def __init__(self, stopped_by: StoppedBy) -> None:
        super().__init__(stopped_by)
        self.stopped_by = stopped_by


@dataclass(frozen=True, slots=True)
class Wave:
    """One superstep of reading: which shards of the packing, which of a focus, why, and into which `table`, if any."""

    positions: tuple[int, ...]
    reason: str
    focused: tuple[Shard, ...] = ()
    table: TableSchema | None = None


@dataclass(slots=True)
class Workspace:
    """All that belongs to one run in this process."""

    run_id: str
    request: Request
    settings: Settings
    gate: Gate
    memory: Memory
    holding: Holding
    executor: Executor
    account: Account
    started: float
    corpus: Corpus
    desk: Desk
    listener: Callable[[events.Event], None]
    readers: int
    remember_reads: bool
    shared: bool
    named: dict[str, str] | None = None
    member: Membership | None = None
    created: float = field(default_factory=time.time)
    plan: Plan = field(default_factory=lambda: Plan(core="", instructions="", kind="lookup", answer_type="text", queries=[]))
    packing: Packing | None = None
    frontier: Frontier | None = None
    ladder: Ladder | None = None
    ledger: Ledger = field(default_factory=Ledger)
    judgement: Judgement = field(default_factory=Judgement)
    candidates: list[Candidate] = field(default_factory=list)
    tried: set[PathName] = field(default_factory=set)
    signals: list[dict[str, Any]] = field(default_factory=list)
    passed: SinglePass | None = None
    streak: int = 0
    wave: int = -1
    phase: int = 1
    wave_tokens: int = 0
    notices: list[str] = field(default_factory=list)
    answer: Answer | Compressed | None = None
    stopped_by: StoppedBy | None = None
    fatal: Exception | None = None
    unread: dict[int, None] = field(default_factory=dict)
    failed: dict[int, str] = field(default_factory=dict)
    partly: dict[int, str] = field(default_factory=dict)
    rounds: int = 0
    rounds_of: dict[int, int] = field(default_factory=dict)
    open_queries: tuple[str, ...] = ()
    fresh: tuple[Fact, ...] = ()
    rows: dict[tuple[str, str], tuple[RowFound, ...]] = field(default_factory=dict)  # by version of the reading, and shard
    groups: tuple[Group, ...] = ()  # of columns, that the run reads
    columns: frozenset[str] = frozenset()  # that were proposed for it
    tabular: bool = True  # whether the table alone is to answer
    table: Table | None = None
    settled: bool = False  # whether the table's answer needs no other
    continued: tuple[int, ...] = ()
    tokens_read: int = 0
    _queue: deque[ReadJob] = field(default_factory=deque)
    _asked: dict[int, int] = field(default_factory=dict)
    _positions: dict[str, int] = field(default_factory=dict)
    _reported: list[Report] = field(default_factory=list)
    _tasks: set[asyncio.Task[Any]] = field(default_factory=set)
    _known: set[str] = field(default_factory=set)
    _untold: list[dict[str, Any]] = field(default_factory=list)
    key: str = field(default_factory=lambda: uuid.uuid4().hex)
    catalogues: Catalogues = field(default_factory=Catalogues)
    catalogue: Catalogue = field(default_factory=Catalogue)  # of this input, once something is computed
    resumed: bool = False
    stored_plan: Plan | None = None
    _stored: dict[tuple[int, str, str], Report] = field(default_factory=dict)
    _told_before: Counter[str] = field(default_factory=Counter)
    _alarm: asyncio.TimerHandle | None = None
    _draining: asyncio.TimerHandle | None = None
    _homes: Homes | None = None
    _unread_rows: dict[int, set[str]] = field(default_factory=dict)  # versions of readings into rows that failed, by shard

    # ------------------------------------------------------------------ opening

    @property
    def shards(self) -> Sequence[Shard]:
        """The packing's shards."""
        return self.packing.shards if self.packing is not None else ()

    @property
    def judged(self) -> bool:
        """Whether the ladder judges what is found: not for a summary, nor where only the evidence is wanted."""
        return self.plan.kind != "summary" and self.request.goal == "answer"

    @property
    def fence(self) -> int:
        """The token of the lease under which this process works on the run: it stands in every write."""
        return self.holding.token

    @property
    def cohort(self) -> Cohort | None:
        """The questions of a batch with whom this one reads."""
        return self.member.cohort if self.member is not None else None

    def lost(self) -> None:
        """Another process has the run: nothing more may be done here."""
        self.fatal = self.fatal or LeaseLost(self.run_id)
        self.account.close()
        self.interrupt()

    def adopt(self, packing: Packing, frontier: Frontier, ladder: Ladder) -> None:
        """Takes the packing over: from here on, every shard is waiting to be read."""
        self.packing, self.frontier, self.ladder = packing, frontier, ladder
        self.unread = dict.fromkeys(frontier.order(range(len(packing.shards))))
        self._positions = {shard.id: position for position, shard in enumerate(packing.shards)}

    def manifest(self) -> Manifest:
        """What the memory keeps of how the run was started."""
        documents = self.corpus.documents
        shards = tuple(
            (shard.id, tuple((documents[piece.document].id, piece.start, piece.end) for piece in shard.pieces))
            for shard in self.shards
        )
        return Manifest(
            run=self.run_id,
            question=self.request.question,
            created=self.created,
            model=self.gate.model("reader").name,
            settings=self._told_settings(),
            corpus=self.corpus.fingerprint,
            packing=self.packing.name if self.packing is not None else "",
            shards=shards,
            request={**told(self.request), "models": self.named, **({"batch": self.member.batch} if self.member else {})},
        )

    def _told_settings(self) -> dict[str, Any]:
        """The settings without secrets: no key, and URLs without what they may hold of one."""
        return self.settings.model_dump(mode="json", exclude={"api_key"})

    def emit(self, event: events.Event) -> None:
        """Tells whoever watches; what a later reader of the run wants to know is kept for the memory."""
        self.listener(event)
        if event.type in KEPT_EVENTS:
            self._untold.append(event.model_dump(mode="json"))

    async def store_events(self) -> None:
        """Writes the events that wait to the memory."""
        waiting, self._untold = self._untold, []
        for event in waiting:
            text = _canonical(event)
            if self._told_before[text]:  # a resumed run tells from the start; what stands there already is not told twice
                self._told_before[text] -= 1
            else:
                await self.memory.append_event(self.run_id, event, fence=self.fence)

    def notice(self, message: str) -> None:
        """Says something once: to whoever watches, and in the answer."""
        if message not in self.notices:
            self.notices.append(message)
            self.emit(events.Notice(message=message))

    def go_on(self, stored: RunRecord, reports: Iterable[Report], told_before: Iterable[dict[str, Any]]) -> None:
        """Takes over what a run that ended early left behind: its plan, its events, and the reports that are paid already."""
        self.resumed = True
        self.created = stored.manifest.created
        self._told_before = Counter(map(_canonical, told_before))
        plan = stored.state.get("plan")
        self.stored_plan = Plan.model_validate(plan) if plan is not None else None
        self.groups, self.tabular = stored_groups(stored.state), bool(stored.state.get("tabular", True))
        self._stored = {(report.round, report.shard, report.version): report for report in reports if report.failure is None}

    def state(self, phase: str, **more: str) -> dict[str, Any]:
        """What the memory keeps of where the run stands."""
        plan = {"plan": self.plan.model_dump(mode="json")} if self.plan.core else {}
        goal = {} if self.request.goal == "answer" else {"goal": self.request.goal}
        tables = {"tables": told_groups(self.groups), "tabular": self.tabular} if self.groups else {}
        return {"phase": phase, **goal, **plan, **tables, **more}

    # ------------------------------------------------------------------ ending

    def end_reading_at(self, moment: float) -> None:
        """Halts the reading at a moment of the loop's clock, so that the answer is given before the deadline itself."""
        if self._alarm is not None:
            if self._alarm.when() <= moment:
                return
            self._alarm.cancel()
        self._alarm = asyncio.get_running_loop().call_at(moment, self.halt, "deadline")

    def release(self) -> None:
        """Lets go of the moment at which reading ends."""
        if self._alarm is not None:
            self._alarm.cancel()

    async def let_go(self) -> None:
        """Ends what is alive in this process, the lease last: from now on others may work on the run."""
        self.release()
        if self._draining is not None:
            self._draining.cancel()
        await self.holding.give_back()

    def halt(self, stopped_by: StoppedBy) -> None:
        """Ends the reading: nothing more is started but the final answer.

        A budget that ends lets the calls under way finish, for they are paid; a deadline or an interrupt cancels them.
        """
        self._queue.clear()
        if self.stopped_by is None:
            self.stopped_by = stopped_by
        if stopped_by != "budget" and self._draining is None:
            for task in self._tasks:
                task.cancel()

    def interrupt(self) -> None:
        """Ends the reading at once; the answer is made of what there is, by calls that may take so long and no longer."""
        self.account.end_by(time.monotonic() + LAST_SECONDS)
        if self._draining is not None:
            self._draining.cancel()
            self._draining = None
        self.halt("cancelled")

    def drain(self, seconds: float) -> None:
        """Ends the reading as an interrupt does, but waits so long for the calls under way: they are paid."""
        if self._draining is not None:
            self._draining.cancel()
        self._draining = asyncio.get_running_loop().call_later(seconds, self.interrupt)
        self.account.end_by(time.monotonic() + seconds + LAST_SECONDS_DRAINED)
        self.account.close()
        self.halt("cancelled")

    def leave(self, seconds: float) -> None:
        """Ends the run, to be gone on with later: calls under way may finish for so long, and none is begun any more."""
        self.account.end()
        self.drain(seconds)

    async def guard(self, work: Coroutine[Any, Any, T], *, ending: bool = False) -> T:
        """Awaits the work unless the run is told to end first: then `Halted`.

        `ending`: the work belongs to the answer that is given, and only an interrupt keeps it from starting.
        """
        if self.stopped_by == "cancelled" or (self.stopped_by is not None and not ending):
            work.close()
            raise Halted(self.stopped_by)
        task = asyncio.ensure_future(work)
        self._tasks.add(task)
        try:
            return await task
        except asyncio.CancelledError:
            current = asyncio.current_task()
            if self.stopped_by is not None and (current is None or not current.cancelling()):
                raise Halted(self.stopped_by) from None
            raise
        finally:
            self._tasks.discard(task)

    # ------------------------------------------------------------------ a wave

    def start_wave(self, wave: Wave) -> int:
        """Makes the wave's jobs and returns the number of lanes to read them. What they know was posted before this wave."""
        self.wave += 1
        told = "knowledge" not in self.settings.without
        knowledge = self.ledger.knowledge(self.desk.knowledge_tokens) if told and len(self.ledger) else ()
        queries = self.open_queries[: OPEN_QUERIES if self.cohort is None else OPEN_IN_BATCH] if told else ()
        question = ReaderQuestion.model_construct(core=self.plan.core, knowledge=knowledge, open_queries=queries)
        asked = hash((*(fact.claim for fact in knowledge), None, *queries))
        if wave.table is None:
            jobs = [job for position in wave.positions if (job := self._job(position, question, asked)) is not None]
        else:
            jobs = [self._rows_job(self.shards[position], wave.table) for position in wave.positions]
            jobs += [self._rows_job(shard, wave.table, focused=True) for shard in wave.focused]
            for position in wave.positions:
                self.rounds_of.setdefault(position, 1)
        jobs += [
            ReadJob(
                run=self.run_id,
                shard=shard,
                round=self.phase,
                wave=self.wave,
                questions=(question,),
                answer_type=self.plan.answer_type,
                focused=True,
            )
            for shard in wave.focused
            if wave.table is None
        ]
        self._queue = deque(jobs)
        lanes = min(len(jobs), self.readers if self.cohort is None else 1)
        if jobs:
            number = max(job.round for job in jobs)
            if self.account.trace is not None:
                self.account.trace.wave_began(WaveBegan(self.wave, number, len(jobs), lanes, wave.reason))
            self.emit(events.WaveStarted(wave=self.wave, round=number, shards=len(jobs), lanes=lanes, reason=wave.reason))
        return lanes

    def _job(self, position: int, question: ReaderQuestion, asked: int) -> ReadJob | None:
        """The job for a shard; None where it would be asked exactly what it was asked before."""
        shard = self.shards[position]
        if self._asked.get(position) == asked:
            return None
        self._asked[position] = asked
        self.rounds_of[position] = self.rounds_of.get(position, 0) + 1
        return ReadJob(
            run=self.run_id,
            shard=shard,
            round=self.rounds_of[position],
            wave=self.wave,
            questions=(question,),
            answer_type=self.plan.answer_type,
        )

    def _rows_job(self, shard: Shard, table: TableSchema, *, focused: bool = False) -> ReadJob:
        """The job for a shard that is read into a table's rows; what else was found does not matter to it."""
        return ReadJob(
            run=self.run_id,
            shard=shard,
            round=2 if focused else 1,
            focused=focused,
            wave=self.wave,
            questions=(ReaderQuestion.model_construct(core=self.plan.core, knowledge=(), open_queries=()),),
            answer_type=self.plan.answer_type,
            table=table,
        )

    async def read_lane(self) -> int:
        """One reader lane: pulls the next best shard until the wave is read. Returns how many it read.

        In a batch whose questions read together, it is the only one, and all its reads wait for their turn at once.
        """
        if self.cohort is not None:
            return await self._read_in_turn(self.cohort)
        count = 0
        while self._queue:
            count += await self._take(self._queue.popleft()) is not None
        return count

    async def _read_in_turn(self, cohort: Cohort) -> int:
        jobs, self._queue = list(self._queue), deque()
        cohort.reading(self.run_id, len(jobs))

        async def one(job: ReadJob) -> Report | None:
            report = None
            try:
                report = await self._take(job)
            finally:
                cohort.settled(self.run_id, job, report)
            return report

        try:
            reports = await gather([asyncio.ensure_future(one(job)) for job in jobs])
        finally:
            cohort.thinking(self.run_id)
        return sum(report is not None for report in reports)

    async def _take(self, job: ReadJob) -> Report | None:
        """Reads a shard and books its report; None where the run ends instead."""
        if self.fatal is not None or self.stopped_by is not None:
            return None
        try:
            report = await self.guard(self._read(job))
        except Stop as stop:
            self.halt(stop.stopped_by)
        except (CallFailed, StoreError) as failure:
            self.fatal = self.fatal or failure
            self._queue.clear()
        else:
            if job.table is not None and report.failure is None:
                self.rows[report.version, job.shard.id] = report.findings[0].rows
            self.note(job.shard, report, focused=job.focused, rows=job.table is not None)
            return report
        return None

    async def was_read(self, table: TableSchema) -> bool:
        """Whether the memory kept how the first and the last shard were read into such rows, for somebody else."""
        if not self.remember_reads or not self.shards:
            return False
        keys = []
        for shard in (self.shards[0], self.shards[-1]):
            prompt, _ = self.prepare(self._rows_job(shard, table))
            keys.append(cache_key(prompt, shard, self.gate.model("reader").name))
        return all(report is not None for report in await self.memory.cached(keys))

    def prepare(self, job: ReadJob) -> tuple[Prompt[Any], Sources]:
        """The prompt of a read, and where its quotes are looked up."""
        sources = Sources(self.corpus.shard_text(job.shard), self.corpus.by_id, self.corpus.index)
        return reader_prompt(job, sources, self.desk), sources

    async def _read(self, job: ReadJob) -> Report:
        version = version_of(job.table, self.desk)
        if (stored := self._stored.get((job.round, job.shard.id, version))) is not None:
            return stored
        if job.table is not None and (rows := self.catalogue.rows.get((version, job.shard.id))) is not None:
            return await self._posted(job, _again(job, version, rows))
        if self.cohort is not None:
            together = await self.cohort.turn(self, job)
            if together is not None:
                return await self._posted(job, together)
            if self.stopped_by is not None:
                raise Halted(self.stopped_by)
        if job.table is not None and (rows := self.catalogue.rows.get((version, job.shard.id))) is not None:
            return await self._posted(job, _again(job, version, rows))  # of a question of the batch that was first
        prompt, sources = self.prepare(job)
        key = cache_key(prompt, job.shard, self.gate.model("reader").name) if self.remember_reads else None
        if key is not None and (kept := (await self.memory.cached([key]))[0]) is not None:
            update = {"run": job.run, "round": job.round, "wave": job.wave, "usage": Usage(), "cached": True}
            report = kept.model_copy(update=update)
            await self.memory.post(report, fence=self.fence)
            self._share(job, report)
            return report
        report = await self.executor.read(job, prompt, sources, self.desk)
        return await self._posted(job, report, cache_key=key)

    async def _posted(self, job: ReadJob, report: Report, *, cache_key: str | None = None) -> Report:
        if job.focused and job.table is None:
            self._homes = self._homes or Homes(self.corpus, self.shards)
            report = self._homes.settled(report)
        whole = report.failure is None and report.partly is None
        await self.memory.post(report, cache_key=cache_key if whole else None, fence=self.fence)
        self._share(job, report)
        return report

    def _share(self, job: ReadJob, report: Report) -> None:
        """Rows serve every question over the same input."""
        if (
            job.table is not None
            and report.failure is None
            and report.partly is None
            and (self.settings.read_cache or self.cohort)
        ):
            self.catalogue.rows[report.version, job.shard.id] = report.findings[0].rows

    def note(self, shard: Shard, report: Report, *, focused: bool = False, rows: bool = False) -> None:
        """Books a shard's report: coverage, failures, and the facts for the ledger at the end of the wave.

        What is `focused` was read before: it changes no coverage, and where it fails nothing is lost. Of what is read into
        `rows`, every reading counts: a shard that failed for one table is not covered by another.
        """
        self._reported.append(report)
        if report.failure is None:
            self.rounds = max(self.rounds, report.round)
        if not focused:
            self._cover(self._positions[shard.id], report, rows=rows)
        self.emit(
            events.ShardRead(
                shard=shard.id,
                round=report.round,
                facts=sum(len(finding.facts) + sum(len(row.cells) for row in finding.rows) for finding in report.findings),
                read=len(self.shards) - len(self.unread) - len(self.failed),
                shards=len(self.shards),
                tokens_read=self.tokens_read,
                failure=report.failure,
                cached=report.cached,
                usage=self.account.usage,
            )
        )

    def _cover(self, position: int, report: Report, *, rows: bool) -> None:
        """Counts the shard as read or failed; of several readings into rows, none may have failed."""
        if report.partly is not None:
            self.partly[position] = report.partly
        first = self.unread.pop(position, position) is None
        lost = self._unread_rows.setdefault(position, set())
        if rows:
            (lost.discard if report.failure is None else lost.add)(report.version)
        if report.failure is None and (first or position in self.failed) and not lost:
            self.failed.pop(position, None)
            self.tokens_read += self.shards[position].tokens
        elif report.failure is not None and (first or rows) and position not in self.failed:
            self.failed[position] = report.failure
            self.tokens_read -= 0 if first else self.shards[position].tokens

    def every_shard_failed(self, reason: str) -> ModelError:
        """The error of a run in which nothing could be read."""
        return ModelError(
            f"Nothing could be read ({len(self.shards)} shards failed): {reason}",
            hint="Check the model with `extagents doctor`.",
            run_id=self.run_id,
            spent=self.account.usage,
        )

    async def close_wave(self) -> None:
        """Takes the wave's reports into the ledger, in an order of their own: the one moment of synchronisation."""
        if self.wave < 0:
            return
        reports = sorted(self._reported, key=lambda report: (report.round, report.shard, report.version))
        self._reported = []
        self.ledger = self.ledger.extend(reports)
        self.fresh = tuple(fact for fact in self.ledger.ranked if fact.id not in self._known)
        self._known.update(fact.id for fact in self.fresh)
        if self.account.trace is not None:
            failed = sum(report.failure is not None for report in reports)
            cached = sum(report.cached for report in reports)
            self.account.trace.wave_ended(WaveEnded(len(reports) - failed, failed, cached, len(self.fresh)))
        await self.store_events()
        findings = [(report, report.findings[0]) for report in reports if report.findings]
        self.open_queries = ranked_queries(findings)
        self.continued = tuple(
            self._positions[report.shard]
            for report, finding in findings
            if finding.continues and report.shard in self._positions
        )
        if self.fresh:
            self.emit(events.FactsFound(facts=self.fresh, total=len(self.ledger)))


def _again(job: ReadJob, version: str, rows: tuple[RowFound, ...]) -> Report:
    """What a shard was read into already, as this run's report."""
    finding = Finding(rows=rows)
    return Report(
        run=job.run, round=job.round, wave=job.wave, shard=job.shard.id, version=version, findings=(finding,), cached=True
    )


def _canonical(event: dict[str, Any]) -> str:
    return json.dumps(event, sort_keys=True)


def ranked_queries(findings: Iterable[tuple[Report, Any]]) -> tuple[str, ...]:
    """The open queries of a wave: those of the readers that found most first, each once."""
    ordered = sorted(
        findings,
        key=lambda item: (-max((fact.relevance for fact in item[1].facts), default=0.0), item[0].round, item[0].shard),
    )
    return tuple(dict.fromkeys(query for _, finding in ordered for query in finding.queries))
