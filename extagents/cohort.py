"""Questions of a batch that read one input together, superstep by superstep (bulk-synchronous, Valiant 1990).

Nothing is read before every question has said what it wants to read next. Then the reads go out shard by shard: one of a
shard first, the others once it has been answered, so that the server computes the shard's text once and has it in its prefix
cache for the rest; where the reader is able to, several questions stand in one read. What is read together depends only on
what the questions wanted, never on who was faster.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import AsyncIterator, Callable, Coroutine, Iterable, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from pydantic import ValidationError

from extagents import journal
from extagents.account import Account
from extagents.agents.reader import ReadJob, parted, report_of, together_prompt
from extagents.budget import Amount
from extagents.errors import StoreError
from extagents.gate import CallFailed, Stop
from extagents.sharing import SharedAccount
from extagents.trial import GROUPS, Trial
from extagents.types import Fact, Readings, Report, Shard, Usage

if TYPE_CHECKING:
    from extagents.workspace import Workspace


@dataclass(slots=True, eq=False)
class Wish:
    """One question's wish to read one shard. `turn` is set to its report, or to None once it may read alone."""

    workspace: Workspace
    job: ReadJob
    turn: asyncio.Future[Report | None]
    read: asyncio.Future[Report | None]
    begun: bool = False


@dataclass(slots=True)
class Unit:
    """What goes out as one read: a wish, or several for the same shard. `compared`: read in both ways, to learn."""

    wishes: tuple[Wish, ...]
    compared: bool = False
    task: asyncio.Task[Any] | None = None


@dataclass(frozen=True, slots=True)
class Membership:
    """A question's place in its batch: whose account it draws on, with whom it reads, and when it has to end.

    `deadline` and `reading_ends` are `time.monotonic()` values in seconds. `shared`: others read the same input.
    """

    batch: str
    account: Account
    share: Amount
    cohort: Cohort | None
    shared: bool
    deadline: float | None = None
    reading_ends: float | None = None


@dataclass(eq=False)
class Cohort:
    """Questions that move from superstep to superstep together. `most` reads are under way at a time.

    `answered` are the parts of reads that an earlier part of the batch had answered: the key of the whole and the part's place.
    `account` is the batch's; `trial` says how many questions stand in a read, and is kept by `keep` when it has learnt more.
    """

    account: Account
    trial: Trial
    most: int
    keep: Callable[[Trial], Coroutine[Any, Any, None]]
    answered: Mapping[str, tuple[str, int]]
    _members: dict[str, int] = field(default_factory=dict)  # runs in the order of their questions
    _waits_for: dict[str, int] = field(default_factory=dict)  # reads that a run still waits for; none: it thinks
    _waiting: dict[int, Wish] = field(default_factory=dict)  # by the identity of their jobs
    _turned: dict[int, Wish] = field(default_factory=dict)  # those whose turn has come
    _blocked: dict[str, int] = field(default_factory=dict)  # waiting wishes of a run
    _firsts: dict[int, asyncio.Future[None]] = field(default_factory=dict)
    _meeting: dict[str, asyncio.Future[None]] = field(default_factory=dict)
    _task: asyncio.Task[None] | None = None
    _halted: bool = False

    # ------------------------------------------------------------------ what its questions tell it

    def expect(self, runs: Iterable[str]) -> None:
        """These runs belong to it: nothing is read before each of them has said what it wants."""
        for run in runs:
            self._members[run] = len(self._members)
            self._waits_for[run] = 0

    def reading(self, run: str, count: int) -> None:
        """The run begins a wave of so many reads."""
        self._waits_for[run] = count

    def settled(self, run: str, job: ReadJob, report: Report | None) -> None:
        """A read of the run has ended; without a report if it brought none."""
        wish = self._turned.pop(id(job), None)
        if wish is not None and not wish.read.done():
            wish.read.set_result(report)
        if run in self._waits_for:
            self._waits_for[run] -= 1
            self._advance()

    def thinking(self, run: str) -> None:
        """The run's wave is over."""
        if run in self._waits_for:
            self._waits_for[run] = 0

    def left(self, run: str) -> None:
        """The run reads no more: nobody waits for it."""
        if self._waits_for.pop(run, None) is not None:
            self._gather()
            self._advance()

    @property
    def empty(self) -> bool:
        """Whether all its runs have left."""
        return not self._waits_for

    async def turn(self, workspace: Workspace, job: ReadJob) -> Report | None:
        """Waits until it is this read's turn. A report, if it was read together with others; None: read it alone now."""
        if self._halted:
            raise Stop
        loop = asyncio.get_running_loop()
        wish = Wish(workspace, job, loop.create_future(), loop.create_future())
        self._waiting[id(job)] = wish
        self._blocked[job.run] = self._blocked.get(job.run, 0) + 1
        self._gather()
        self._advance()
        try:
            return await wish.turn
        finally:
            if self._waiting.pop(id(job), None) is not None:
                self._blocked[job.run] -= 1

    async def meet(self, run: str) -> None:
        """Waits until every question has come here, too, or waits to read, or reads no more. Raises `Stop` when halted."""
        if self._halted:
            raise Stop
        meeting = self._meeting[run] = asyncio.get_running_loop().create_future()
        self._gather()
        try:
            await meeting
        finally:
            self._meeting.pop(run, None)

    def _gather(self) -> None:
        """Lets those who meet go on once nobody else is to come."""
        if not self._meeting:
            return
        for run, count in self._waits_for.items():
            if run not in self._meeting and (count == 0 or self._blocked.get(run, 0) != count):
                return
        for meeting in self._meeting.values():
            if not meeting.done():
                meeting.set_result(None)

    @asynccontextmanager
    async def after_first(self, text: object) -> AsyncIterator[None]:
        """Lets whoever comes first with a text go alone, and all others once that one is done."""
        first = self._firsts.get(id(text))
        if first is not None:
            await asyncio.shield(first)
            yield
            return
        first = self._firsts[id(text)] = asyncio.get_running_loop().create_future()
        try:
            yield
        finally:
            first.set_result(None)

    def halt(self) -> None:
        """No read gets its turn any more; those under way may end."""
        self._halted = True
        for wish in (*self._waiting.values(), *self._turned.values()):
            if not wish.begun and not wish.turn.done():
                wish.turn.set_exception(Stop())
        for meeting in self._meeting.values():
            if not meeting.done():
                meeting.set_exception(Stop())

    async def aclose(self) -> None:
        """Ends what is under way."""
        self.halt()
        if self._task is not None:
            self._task.cancel()
            await asyncio.gather(self._task, return_exceptions=True)
        for wish in self._turned.values():
            if not wish.turn.done():
                wish.turn.set_exception(Stop())

    # ------------------------------------------------------------------ a superstep

    def _advance(self) -> None:
        """Starts a superstep once every question waits for nothing but its turn."""
        if self._halted or not self._waiting or (self._task is not None and not self._task.done()):
            return
        if any(count == 0 or self._blocked.get(run, 0) != count for run, count in self._waits_for.items()):
            return
        wave = min(wish.job.wave for wish in self._waiting.values())  # of a batch that is resumed, some are ahead
        now = {job: wish for job, wish in self._waiting.items() if wish.job.wave == wave}
        for job, wish in now.items():
            self._turned[job] = self._waiting.pop(job)
            self._blocked[wish.job.run] -= 1
        self._task = asyncio.create_task(self._superstep(list(now.values()), wave))
        self._task.add_done_callback(self._after)

    def _after(self, task: asyncio.Task[None]) -> None:
        if not task.cancelled() and (error := task.exception()) is not None:
            for wish in self._turned.values():
                if not wish.turn.done():
                    wish.turn.set_exception(error)
        self._advance()

    async def _superstep(self, wishes: Sequence[Wish], wave: int) -> None:
        wishes = [wish for wish in wishes if not self._paid(wish)]
        shards: dict[tuple[Any, ...], list[Wish]] = {}
        for wish in sorted(wishes, key=lambda wish: (wish.job.shard.position, self._members.get(wish.job.run, 0))):
            shards.setdefault(_place(wish), []).append(wish)
        # Every other superstep goes the other way round: what a small cache still holds is read first.
        order = list(shards)[::-1] if wave % 2 else list(shards)
        while not self.trial.decided:
            size = self.trial.size
            first = [unit for place in order for unit in self._units(shards[place], size)[:1]]
            compared = [unit for unit in first if len(unit.wishes) == size]
            if not compared and self.trial.no_more_than(max((len(unit.wishes) for unit in first), default=0)):
                continue
            if not compared:
                break
            for unit in compared[:GROUPS]:
                unit.compared = True
                place = _place(unit.wishes[0])
                shards[place] = [wish for wish in shards[place] if wish not in unit.wishes]
            await self._send([[unit] for unit in compared[:GROUPS]])
            self.trial.judge()
            await self.keep(self.trial)
        size = self.trial.size if self.trial.decided else 1
        await self._send([self._units(shards[place], size) for place in order if shards[place]])

    def _units(self, wishes: Sequence[Wish], size: int) -> list[Unit]:
        """The wishes for one shard as reads of so many each, of one language; what is read into rows serves all as it is."""
        units = [Unit((wish,)) for wish in wishes if wish.job.table is not None]
        wishes = [wish for wish in wishes if wish.job.table is None]
        for language in ("en", "zh"):
            alike = [wish for wish in wishes if wish.workspace.desk.language == language]
            units += [Unit(tuple(alike[start : start + size])) for start in range(0, len(alike), size)]
        return units

    async def _send(self, shards: Sequence[Sequence[Unit]]) -> None:
        """Sends the reads out, shard by shard; those of a shard that follow wait for the first one's answer."""
        waiting = deque((units[0], units[1:]) for units in shards)
        under_way: dict[asyncio.Task[None], Sequence[Unit]] = {}
        try:
            while waiting or under_way:
                while waiting and len(under_way) < self.most:
                    unit, following = waiting.popleft()
                    unit.task = asyncio.create_task(self._read(unit))
                    under_way[unit.task] = following
                done, _ = await asyncio.wait(under_way, return_when=asyncio.FIRST_COMPLETED)
                for task in done:
                    waiting.extendleft((unit, ()) for unit in reversed(under_way.pop(task)))
                    task.result()
        finally:
            for task in under_way:
                task.cancel()
            await asyncio.gather(*under_way, return_exceptions=True)

    async def _read(self, unit: Unit) -> None:
        wishes = [wish for wish in unit.wishes if not wish.turn.done()]
        for wish in wishes:
            wish.begun = True
        together: list[Report | None] = [None] * len(wishes)
        if len(wishes) > 1:
            task = asyncio.create_task(self._together(wishes))
            for wish in wishes:
                wish.turn.add_done_callback(lambda _: task.cancel() if all(wish.turn.done() for wish in wishes) else None)
            await asyncio.wait((task,))
            if not task.cancelled():
                together = task.result()
        for wish, report in zip(wishes, together, strict=True):
            if not wish.turn.done():
                wish.turn.set_result(None if unit.compared else report)
        alone = await asyncio.gather(*(wish.read for wish in wishes))
        if unit.compared:
            pairs = [(one, other) for one, other in zip(alone, together, strict=True) if one is not None and other is not None]
            self.trial.compare([_facts(one) for one, _ in pairs], [_facts(other) for _, other in pairs])

    # ------------------------------------------------------------------ several questions in one read

    async def _together(self, wishes: Sequence[Wish]) -> list[Report | None]:
        """The reports of a read for several questions; None for what it did not bring: that is read alone."""
        first = wishes[0].workspace
        gate, desk = first.gate, first.desk
        prepared = [wish.workspace.prepare(wish.job) for wish in wishes]
        prompts, sources = [prompt for prompt, _ in prepared], prepared[0][1]
        most = min(desk.output_tokens * len(wishes), desk.window // 2)
        prompt = together_prompt([wish.job for wish in wishes], sources, desk, output_tokens=most)
        weights = [gate.upper_bound(alone).tokens for alone in prompts]
        account = SharedAccount(self.account, [wish.workspace.account for wish in wishes], weights)
        keys = tuple(journal.key_of(alone) for alone in prompts)
        nothing: list[Report | None] = [None] * len(wishes)
        try:
            runs = "+".join(wish.job.run for wish in wishes)  # alike questions have alike prompts
            called = await gate.call(prompt, account, call_id=f"together:{journal.key_of(prompt)}:{runs}", parts=keys)
        except (Stop, CallFailed, StoreError):
            return nothing  # each meets it by itself, or not at all
        shares = account.shares if any(share != Usage() for share in account.shares) else [Usage()] * len(wishes)
        readings = parted(called.output, len(wishes))
        reports: list[Report | None] = []
        for wish, alone, reading, share in zip(wishes, prompts, readings, shares, strict=True):
            reports.append(None if reading is None else report_of(wish.job, alone, reading, sources, usage=share))
        return reports

    def _paid(self, wish: Wish) -> bool:
        """Whether an earlier part of the batch had this read answered together with others; its report is given then."""
        if not self.answered or wish.turn.done():
            return False
        prompt, sources = wish.workspace.prepare(wish.job)
        kept = self.answered.get(journal.key_of(prompt))
        if kept is None:
            return False
        key, place = kept
        body = self.account.answered[key]
        try:
            readings, _, _ = journal.replayed(body, Readings)
        except ValidationError:  # another version's form
            return False
        reading = parted(readings, len(journal.parts_of(body)))[place]
        if reading is None or wish.turn.done():
            return False
        wish.turn.set_result(report_of(wish.job, prompt, reading, sources, usage=Usage()))
        return True


def _place(wish: Wish) -> tuple[Any, ...]:
    """What is read: wishes of the same place are for the same text, and for the same table where it is read into rows."""
    shard: Shard = wish.job.shard
    return (
        id(wish.workspace.corpus),
        id(wish.job.table),
        tuple((piece.document, piece.start, piece.end) for piece in shard.pieces),
    )


def _facts(report: Report) -> tuple[Fact, ...]:
    return report.findings[0].facts if report.findings else ()
