"""A batch under way: many questions, in cohorts that read together, on one budget, each with a run of its own."""

from __future__ import annotations

import asyncio
import hashlib
import json
import time
from collections import Counter, deque
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any, get_args

from extagents import affording, events, journal
from extagents.account import Account
from extagents.agents.calls import Desk
from extagents.budget import Amount, Budget
from extagents.cohort import Cohort, Membership
from extagents.corpus.corpus import Corpus
from extagents.errors import BudgetTooSmall, ExtAgentsError, ModelError, RunError, RunExists, SettingsError, StoreError
from extagents.memory.base import Manifest
from extagents.memory.lease import Holding, hold
from extagents.opening import KNOWN_IN_BATCH, load, window_of
from extagents.packing import IN_BATCH, PROMPT
from extagents.prompts import language_of
from extagents.questions import Question
from extagents.request import paths_of
from extagents.resuming import DECIDING, finished_with
from extagents.trial import Trial
from extagents.types import Answer, BatchProgress, BatchSummary, Role, StoppedBy, Usage
from extagents.workspace import Halted

if TYPE_CHECKING:
    from extagents.coordinator import Coordinator

COHORT = 256  # questions that move together, at most
WISHES = 50_000  # reads that a cohort may wait for at once, at most: each holds some memory
OWN_CORPORA = 8  # inputs of single questions that are open at a time
LOCAL = 4  # questions at a time with a model that computes in this process
KEPT = 0.25  # of the batch's budget, at most, that is kept for the answers of questions under way
TROUBLES = 8  # questions in a row that the server or the memory failed, after which the batch is given up
EVERYBODY = ("connection", "auth", "not_found", "rate_limit", "server", "timeout")  # failures that meet whoever asks
LAST_MINUTE = 60.0  # seconds before the deadline at which reading ends, at most
LAST_SHARE = 0.15  # of the seconds, at most
LEAVE = 5.0  # seconds that calls under way may take when the batch is told to end
TOLD_EVERY = 0.2  # seconds between two reports of progress

Result = Callable[[Question, Answer, bool], None]


class Batch:
    """One batch on the background loop. `on_result` gets every question's answer, and whether it is done with."""

    def __init__(
        self,
        team: Coordinator,
        questions: Sequence[Question],
        over: Any,
        *,
        name: str,
        budget: Budget,
        questions_per_read: int | str,
        on_result: Result,
        on_progress: Callable[[BatchProgress], None],
    ) -> None:
        self.name = name
        self.stopped_by: StoppedBy | None = None
        self._team = team
        self._settings = team.settings
        self._over = over
        self._budget = budget
        self._wanted = questions_per_read
        self._tell_result = on_result
        self._tell_progress = on_progress
        self._started = time.monotonic()
        self._seen = team._interrupts
        self._pending = deque(questions)
        self._live: dict[asyncio.Task[Answer], Question] = {}
        self._cohorts: set[Cohort] = set()
        self._own: dict[str, asyncio.Task[Corpus]] = {}  # inputs of single questions that are open
        self._users: Counter[str] = Counter()
        self._counts = {"answered": 0, "unanswered": 0, "partial": 0, "failed": 0, "not_done": 0}
        self._questions = len(questions)
        self._reads = 0
        self._told = 0.0
        self._troubled: list[tuple[Question, ExtAgentsError]] = []
        self._well = False
        self._account = Account(name, budget)
        self._before = Usage()
        self._parts: dict[str, tuple[str, int]] = {}
        self._corpus: Corpus | None = None
        self._trial = Trial(size=1, decided=True)

    @property
    def progress(self) -> BatchProgress:
        """Where the batch stands."""
        counts, passed = self._counts, time.monotonic() - self._started
        done = sum(counts.values()) - counts["not_done"]
        return BatchProgress(
            questions=self._questions,
            done=done,
            answered=counts["answered"],
            partial=counts["partial"],
            failed=counts["failed"],
            under_way=len(self._live),
            reads=self._reads,
            usage=_less(self._account.usage, self._before),
            seconds=passed,
            seconds_left=passed * (self._questions - done) / done if done else None,
        )

    def stop(self, stopped_by: StoppedBy = "cancelled", *, seconds: float = LEAVE) -> None:
        """Begins nothing more. Questions under way are left for a later start: their calls may finish for so long."""
        self.stopped_by = self.stopped_by or stopped_by
        for cohort in self._cohorts:
            cohort.halt()
        for workspace in tuple(self._team._workspaces.values()):
            if workspace.member is not None and workspace.member.batch == self.name:
                workspace.leave(seconds)

    # ------------------------------------------------------------------ from start to end

    async def run(self) -> BatchSummary:
        """Answers all questions. Raises what no question can be asked without: no input, no model, no memory; `RunBusy`."""
        self._memory = await self._team._open_memory()
        holding = await hold(self._memory, self.name, self._settings.lease_seconds)
        holding.keep(self.stop)
        try:
            if await self._opened(holding):
                await self._go()
            await self._skip()
            return await self._close(holding)
        finally:
            await asyncio.shield(holding.give_back())

    async def _opened(self, holding: Holding) -> bool:
        """Opens what all questions need; False where the batch was told to end, or its time was up, before that was done."""
        seconds = self._budget.seconds
        self._deadline = None if seconds is None else self._started + seconds
        last = 0.0 if seconds is None else min(LAST_MINUTE, LAST_SHARE * seconds)
        self._reading_ends = None if self._deadline is None else self._deadline - last
        opening, task = asyncio.ensure_future(self._open(holding)), asyncio.current_task()
        self._team._asking.add(opening)
        try:
            async with asyncio.timeout_at(self._deadline):  # a server may hang when it is asked what it serves
                await opening
        except TimeoutError:
            self.stop("deadline")
        except Halted as halted:
            self.stop(halted.stopped_by)
        except asyncio.CancelledError:
            if self._team._interrupts == self._seen or (task is not None and task.cancelling()):
                raise
            self.stop()
        finally:
            self._team._asking.discard(opening)
        return self.stopped_by is None

    async def _open(self, holding: Holding) -> None:
        memory, settings = self._memory, self._settings
        stored = await memory.load_run(self.name)
        if stored is not None and stored.manifest.request.get("goal") != "batch":
            raise RunExists(f"The run named {self.name!r} is no batch.", hint="Choose another name.", run_id=self.name)
        spent = await memory.spent(self.name)
        if stored is not None and stored.status == "done":  # what an earlier batch of this name spent is settled
            self._before = spent
        self._account = Account(
            self.name,
            _beyond(self._budget, self._before),
            memory=memory,
            deadline=self._deadline,
            spent=spent,
            answered=await memory.journal(self.name),
            fence=holding.token,
        )
        for key, body in self._account.answered.items():
            self._parts.update({part: (key, place) for place, part in enumerate(journal.parts_of(body))})
        self._gate = await self._team._open_gate()
        for role in get_args(Role):
            self._gate.affirm_prices(role, await self._gate.describe(role), self._budget)
        await self._team._open_executor(self._gate)
        info = await self._gate.describe("reader")
        window, _ = await window_of(self._gate, settings)
        self._local = self._gate.model("reader").local
        self._info = info
        self._corpus = None if self._over is None else await self._load(self._over)
        deciding = {name: value for name, value in settings.model_dump(mode="json").items() if name in DECIDING}
        names = {role: model.name for role, model in self._gate.models.items()}
        self._form = json.dumps([deciding, names], sort_keys=True)
        first = next((question.text for question in self._pending if question.text), "")
        desk = Desk(
            gate=self._gate,
            account=self._account,
            language=language_of(first),
            window=window,
            output_tokens=min(settings.output_tokens, window // 4),
            secret=await memory.secret(),
        )
        self._share = affording.kept_of_batch(self._budget, desk, first)
        shard = settings.shard_tokens or IN_BATCH
        given = "knowledge_tokens" in settings.model_fields_set
        beside = min(settings.knowledge_tokens if given else KNOWN_IN_BATCH, window // 8) + desk.output_tokens
        most = 1 if self._local else max(1, int((0.9 * window - PROMPT - shard) // beside))
        self._trial = Trial.of(self._wanted, most)
        if stored is not None and (told := stored.state.get("trial")) is not None:
            self._trial.go_on(told)
        manifest = Manifest(
            run=self.name,
            question=f"{self._questions} questions",
            created=time.time() if stored is None else stored.manifest.created,
            model=self._gate.model("reader").name,
            settings=settings.model_dump(mode="json", exclude={"api_key"}),
            corpus="" if self._corpus is None else self._corpus.fingerprint,
            packing="",
            request={"goal": "batch", "questions": self._questions, "over": paths_of(self._over)},
        )
        if not await memory.create_run(manifest, fence=holding.token):
            await memory.update_run(self.name, status="running", manifest=manifest, fence=holding.token)
        self._holding = holding

    async def _go(self) -> None:
        try:
            while True:
                self._admit()
                if not self._live:
                    break
                left = None if self._deadline is None else max(0.0, self._deadline - time.monotonic())
                done, _ = await asyncio.wait(self._live, timeout=left, return_when=asyncio.FIRST_COMPLETED)
                if not done:
                    self.stop("deadline")
                    done, _ = await asyncio.wait(self._live, timeout=2 * LEAVE)
                for task in done:
                    self._take(self._live.pop(task), task)
        finally:
            open_still: list[asyncio.Task[Any]] = [*self._live, *self._own.values()]
            for one in open_still:
                one.cancel()
            await asyncio.gather(*open_still, return_exceptions=True)
            await asyncio.gather(*(cohort.aclose() for cohort in self._cohorts))
        if self._troubled and not self._well:
            raise self._troubled[0][1]
        self._settle_troubles()

    # ------------------------------------------------------------------ who is asked next

    def _admit(self) -> None:
        """Lets the next questions in, once few are left of those before them."""
        while self._pending and self.stopped_by is None:
            if self._team._interrupts != self._seen:
                return self.stop()
            if self._deadline is not None and time.monotonic() >= self._deadline:
                return self.stop("deadline")
            limit = LOCAL if self._local else self._most()
            if len(self._live) > (LOCAL - 1 if self._local else limit // 2):
                return
            if not self._account.covers(self._share + self._share, keep=self._account.keep):
                if not self._live:
                    self.stopped_by = "budget"
                return
            if not self._begin(1 if self._local else limit):
                return

    def _most(self) -> int:
        """How many questions move together: fewer over a large input, or where the budget is kept for few answers only."""
        most, budget, share = COHORT, self._budget, self._share
        if self._corpus is not None:
            most = min(most, max(8, WISHES // max(1, len(self._corpus.shards(self._settings.shard_tokens or IN_BATCH)))))
        for limit, kept in ((budget.tokens, share.tokens), (budget.calls, share.calls), (budget.cost, share.cost)):
            if limit is not None and kept:
                most = min(most, int(KEPT * limit / kept))
        return max(1, most)

    def _begin(self, most: int) -> int:
        """Begins the next questions as one cohort; how many. Few inputs of single questions are open at a time."""
        chosen: list[tuple[Question, str, str]] = []
        while self._pending and len(chosen) < most:
            place = _place(self._pending[0].over)
            if place and place not in self._users and len(self._users) >= OWN_CORPORA:
                break
            question = self._pending.popleft()
            if place:
                self._users[place] += 1
            chosen.append((question, place, self._run_of(question, place)))
        reading = self._settings.strategy not in ("iterative", "single") and not self._local
        cohort = None
        if reading and chosen:
            cohort = Cohort(self._account, self._trial, self._settings.concurrency, self._keep, self._parts)
            self._cohorts.add(cohort)
            cohort.expect(run for _, _, run in chosen)
        places = Counter(place for _, place, _ in chosen)
        for question, place, run in chosen:
            member = Membership(
                batch=self.name,
                account=self._account,
                share=self._share,
                cohort=cohort,
                shared=not place or places[place] > 1,
                deadline=self._deadline,
                reading_ends=self._reading_ends,
            )
            self._account.keep = self._account.keep + self._share
            self._live[asyncio.create_task(self._ask(question, place, run, member))] = question
        return len(chosen)

    async def _load(self, over: Any) -> Corpus:
        def halted() -> StoppedBy | None:
            if self._team._interrupts != self._seen:
                return "cancelled"
            return "deadline" if self._deadline is not None and time.monotonic() >= self._deadline else None

        return await load(over, self._info, lambda event: None, halted=halted)

    def _run_of(self, question: Question, place: str) -> str:
        """The name of the question's run: another input, model or setting, or another question of the same id, is another."""
        read = place or ("" if self._corpus is None else self._corpus.fingerprint)
        told = f"{question.key()} {read} {self._form}".encode("utf-8", "surrogatepass")
        return f"{self.name}/{hashlib.blake2b(told, digest_size=8).hexdigest()}"

    async def _ask(self, question: Question, place: str, run: str, member: Membership) -> Answer:
        try:
            if question.problem is not None:
                raise question.problem
            corpus = await self._input(question, place, run)
            return await self._team._answer(question.request(corpus, run), self._on_event, seen=self._seen, member=member)
        except Halted as halted:
            return self._nothing(partial=True, stopped_by=halted.stopped_by)
        finally:
            self._account.keep = self._account.keep.less(member.share)
            if place:
                self._users[place] -= 1
                if self._users[place] == 0:
                    del self._users[place]
                    self._own.pop(place, None)
            if member.cohort is not None:
                member.cohort.left(run)
                if member.cohort.empty:
                    self._cohorts.discard(member.cohort)

    async def _input(self, question: Question, place: str, run: str) -> Corpus | None:
        """What the question is asked over: the batch's input, or its own, loaded once for all who name it."""
        if not place:
            return self._corpus
        if place not in self._own:
            self._own[place] = asyncio.create_task(self._load(question.over))
        corpus = await asyncio.shield(self._own[place])
        stored = await self._memory.load_run(run)
        if stored is not None and stored.manifest.corpus != corpus.fingerprint:
            await self._memory.forget_run(run)  # what stands at that place now is another input
        return corpus

    def _on_event(self, event: events.Event) -> None:
        if isinstance(event, events.ShardRead):
            self._reads += 1
            self._tell()

    # ------------------------------------------------------------------ what became of it

    def _take(self, question: Question, task: asyncio.Task[Answer]) -> None:
        """Books what a question ended with."""
        if task.cancelled():
            return self._undone(question)
        error = task.exception()
        everybodys = isinstance(error, StoreError) or (isinstance(error, ModelError) and error.kind in EVERYBODY)
        if isinstance(error, RunError) and everybodys and self.stopped_by is None:
            self._troubled.append((question, error))
            if len(self._troubled) >= TROUBLES:
                raise self._given_up(error)
            return None
        if isinstance(error, SettingsError) and not isinstance(error, BudgetTooSmall):
            raise error  # as wrong for every other question
        if isinstance(error, ExtAgentsError):
            return self._undone(question) if self.stopped_by is not None else self._failed(question, error)
        if error is not None:
            raise error
        answer = task.result()
        if answer.partial and answer.stopped_by == "cancelled":
            return self._undone(question, answer)
        self._well = True
        self._settle_troubles()
        if answer.stopped_by == "budget" and self._account.exhausted:
            self.stopped_by = self.stopped_by or "budget"
        elif answer.stopped_by == "deadline" and self._reading_ends is not None and time.monotonic() >= self._reading_ends:
            self.stopped_by = self.stopped_by or "deadline"
        kind = "partial" if answer.partial else "answered" if answer.answered else "unanswered"
        self._counts[kind] += 1
        self._tell_result(question, answer, True)
        return self._tell(always=True)

    def _given_up(self, error: RunError) -> RunError:
        """The error of a batch in which nothing works any more."""
        error.message = f"{error.message} The batch was given up after {TROUBLES} questions in a row had failed like this."
        error.args = (error.message,)
        return error

    def _settle_troubles(self) -> None:
        """What failed while others were answered failed for itself."""
        troubled, self._troubled = self._troubled, []
        for question, error in troubled:
            self._failed(question, error)

    def _failed(self, question: Question, error: ExtAgentsError) -> None:
        self._counts["failed"] += 1
        told = {
            "type": type(error).__name__,
            "message": error.message,
            "hint": error.hint,
            "retryable": isinstance(error, RunError) and error.retryable,
            "run_id": error.run_id,
        }
        self._tell_result(question, self._nothing(error=told, notices=(error.message,)), True)
        self._tell(always=True)

    def _undone(self, question: Question, answer: Answer | None = None) -> None:
        """A question that was not begun or not ended: a later start goes on with it."""
        self._counts["not_done"] += 1
        self._tell_result(question, answer or self._nothing(partial=True, stopped_by=self.stopped_by), False)

    def _nothing(self, **told: Any) -> Answer:
        strategy = self._settings.strategy
        return Answer(answer="", answered=False, confidence=0.0, kind="lookup", strategy=strategy, **told)

    async def _skip(self) -> None:
        """What is left is for a later start, but for questions that an earlier one has finished: they cost nothing."""
        while self._pending:
            question = self._pending.popleft()
            finished = None
            if question.problem is None and question.over is None and self._corpus is not None:
                run = self._run_of(question, "")
                stored = await self._memory.load_run(run)
                finished = None if stored is None else finished_with(stored, question.request(self._corpus, run))
            if isinstance(finished, Answer):
                self._counts["answered" if finished.answered else "unanswered"] += 1
                self._tell_result(question, finished, True)
            else:
                self._undone(question)

    def _tell(self, *, always: bool = False) -> None:
        now = time.monotonic()
        if always or now - self._told >= TOLD_EVERY:
            self._told = now
            self._tell_progress(self.progress)

    # ------------------------------------------------------------------ what the memory keeps

    async def _keep(self, trial: Trial) -> None:
        state = {"goal": "batch", "trial": trial.told()}
        await self._memory.update_run(self.name, state=state, fence=self._holding.token)

    async def _close(self, holding: Holding) -> BatchSummary:
        usage, counts = _less(self._account.usage, self._before), self._counts
        summary = BatchSummary(
            run=self.name,
            questions=self._questions,
            **counts,
            stopped_by=self.stopped_by,
            usage=usage,
            cached_share=round(usage.cached_tokens / usage.input_tokens, 4) if usage.input_tokens else 0.0,
            questions_per_read=self._trial.size,
            seconds=round(time.monotonic() - self._started, 3),
        )
        status: Any = "partial" if counts["not_done"] or counts["partial"] else "done"
        state = {"goal": "batch", "trial": self._trial.told(), "summary": summary.model_dump(mode="json")}
        await self._memory.update_run(self.name, status=status, state=state, fence=holding.token)
        return summary


def _place(over: Any) -> str:
    """What tells a question's own input from others; "" where it has none."""
    if over is None:
        return ""
    paths = paths_of(over)
    return f"object {id(over)}" if paths is None else "\0".join(paths)


def _beyond(budget: Budget, before: Usage) -> Budget:
    """The budget on top of what was spent before."""
    told = Amount.of(before)
    return Budget(
        tokens=None if budget.tokens is None else budget.tokens + told.tokens,
        cost=None if budget.cost is None else budget.cost + told.cost,
        calls=None if budget.calls is None else budget.calls + told.calls,
        seconds=budget.seconds,
    )


def _less(usage: Usage, before: Usage) -> Usage:
    """The usage since then."""
    return Usage(
        calls=usage.calls - before.calls,
        input_tokens=usage.input_tokens - before.input_tokens,
        output_tokens=usage.output_tokens - before.output_tokens,
        cached_tokens=usage.cached_tokens - before.cached_tokens,
        retries=usage.retries - before.retries,
        cost=None if usage.cost is None else usage.cost - (before.cost or 0.0),
    )
