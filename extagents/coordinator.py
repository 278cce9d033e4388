"""The coordinator: what users hold. It opens runs, sends them through the graph, and gives answers and events back."""

from __future__ import annotations

import asyncio
import contextlib
import queue
import time
import uuid
from collections.abc import AsyncGenerator, AsyncIterator, Callable, Collection, Coroutine, Iterator, Mapping
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, cast, get_args

from pydantic import BaseModel, SecretStr, ValidationError

from extagents import events
from extagents.background import background
from extagents.batches import Batches
from extagents.budget import Budget
from extagents.errors import ExtAgentsError, InputError, LeaseLost, RunError, RunExists, SettingsError, StoreError
from extagents.memory.base import Memory, RunRecord
from extagents.memory.patience import end_of_run
from extagents.models.base import Model, ModelInfo
from extagents.observing import RunEnded, RunStarted, Trace, tracers
from extagents.redaction import scrub
from extagents.request import History, Request, compress_request, request_of
from extagents.resuming import finished_with, kept_whole, models_of_run, refuse_busy, request_of_run, settings_of_run
from extagents.settings import Settings
from extagents.types import Answer, Compressed, Effort, Estimate, Granularity, Prices, Report, Role, StoppedBy, Strategy, Usage
from extagents.workspace import Workspace

if TYPE_CHECKING:
    from langgraph.graph.state import CompiledStateGraph

    from extagents.batch import Batch
    from extagents.catalogue import Catalogues
    from extagents.cohort import Membership
    from extagents.executors.base import Executor
    from extagents.gate import Gate

Work = Callable[[Callable[[events.Event], None]], Coroutine[Any, Any, "Answer | Compressed"]]
DRAIN_SECONDS = 5.0  # for calls under way at SIGTERM: whoever sends it kills after ten, as a rule, and there is more to do
READING_SHARE = 0.85  # of the seconds, after which reading ends so that the answer comes in time


class Coordinator(Batches):
    """A team of readers and reasoners with one memory; it answers questions until it is closed.

    Arguments that are None come from `EXTAGENTS_*` variables, then from the defaults of `Settings`. `model` and the values
    of `models` are model strings, `Model` objects, or LangChain chat models. Every method may be called from any thread and
    any event loop; async methods have sync twins. Raises `SettingsError` for what cannot work.
    """

    def __init__(
        self,
        model: str | Model | Any | None = None,
        *,
        models: Mapping[Role, str | Model | Any] | None = None,
        memory: str | Memory | None = None,
        budget: Budget | None = None,
        effort: Effort | None = None,
        strategy: Strategy | None = None,
        rounds: int | Literal["all"] | None = None,
        shard_tokens: int | None = None,
        window: int | None = None,
        concurrency: int | None = None,
        base_url: str | None = None,
        api_key: str | SecretStr | None = None,
        seed: int | None = None,
        tenant: str | None = None,
        timeout: float | None = None,
        prices: Prices | None = None,
        lanes: int | None = None,
        heads: int | None = None,
        prompts: str | Path | None = None,
        vllm: Mapping[str, Any] | None = None,
        executor: Literal["local", "ray"] | None = None,
        settings: Settings | None = None,
    ) -> None:
        given: dict[str, Any] = {
            "budget": budget,
            "effort": effort,
            "strategy": strategy,
            "rounds": rounds,
            "shard_tokens": shard_tokens,
            "window": window,
            "concurrency": concurrency,
            "base_url": base_url,
            "api_key": api_key,
            "seed": seed,
            "tenant": tenant,
            "timeout": timeout,
            "prices": prices,
            "lanes": lanes,
            "heads": heads,
            "prompts": prompts,
            "vllm": vllm,
            "executor": executor,
            "model": model if isinstance(model, str) else None,
            "memory": memory if isinstance(memory, str) else None,
        }
        given = {name: value for name, value in given.items() if value is not None}
        self.settings = _settings(given, settings)
        self._model: Any = model if model is not None else self.settings.model
        self._chosen = model is not None or "model" in self.settings.model_fields_set
        unknown = sorted(set(models or {}) - set(get_args(Role)))
        if unknown:
            raise SettingsError(f"There is no role {unknown[0]!r}.", hint=f"Roles: {', '.join(get_args(Role))}.")
        self._models: dict[str, Any] = {}
        for roles in (self.settings.models, models or {}):
            self._models.update({str(role): wanted for role, wanted in roles.items()})
        if memory is not None and not isinstance(memory, (str, Path, Memory)):
            raise SettingsError(f"A memory is no {type(memory).__name__}.", hint="Give a URL, a path, or a Memory.")
        self._given_memory = memory if memory is not None and not isinstance(memory, str) else self.settings.memory
        self._memory: Memory | None = None
        self._gate: Gate | None = None
        self._executor: Executor | None = None
        self._catalogues: Catalogues | None = None
        self._graph: CompiledStateGraph[Any, Any, Any, Any] | None = None
        self._workspaces: dict[str, Workspace] = {}
        self._interrupts = 0
        self._resuming: set[Coordinator] = set()
        self._batches: set[Batch] = set()
        self._asking: set[asyncio.Future[Any]] = set()  # what a run is told before it has a workspace
        self._running: set[asyncio.Task[Any]] = set()
        self._opening = asyncio.Lock()

    # ------------------------------------------------------------------ asking

    async def aask(
        self,
        question: str,
        over: Any,
        *,
        instructions: str = "",
        history: History = (),
        schema: type[BaseModel] | None = None,
        run: str | None = None,
        resume: bool = False,
    ) -> Answer:
        """Answers one question over paths, documents or a corpus.

        `instructions` say how the answer is to look; `history` holds earlier turns; `schema` is a pydantic model that
        `answer.data` will be. `run` names the run. Raises `UsageError` for what the caller can mend and `RunError` when the
        model or the memory failed; a budget or deadline that ends is no error (`answer.stopped_by`).
        """
        request = request_of(question, over, instructions, history, schema, run, resume)
        return await background.run(lambda: self._answer(request, _silent))

    def ask(
        self,
        question: str,
        over: Any,
        *,
        instructions: str = "",
        history: History = (),
        schema: type[BaseModel] | None = None,
        run: str | None = None,
        resume: bool = False,
    ) -> Answer:
        """The same as `aask`, blocking; works in a script, in a thread, and inside a notebook's running event loop."""
        request = request_of(question, over, instructions, history, schema, run, resume)
        return background.wait(lambda: self._answer(request, _silent))

    async def astream(
        self,
        question: str,
        over: Any,
        *,
        instructions: str = "",
        history: History = (),
        schema: type[BaseModel] | None = None,
        run: str | None = None,
        resume: bool = False,
        words: int | None = None,
    ) -> AsyncIterator[events.Event]:
        """What happens, as it happens; the last event is `Answered`. Leaving the loop early ends the run.

        With `words`, the answer is a long text of about that length, as `survey` gives it.
        """
        request = _long(request_of(question, over, instructions, history, schema, run, resume), words)
        async with contextlib.aclosing(self._atelling(request)) as told:
            async for event in told:
                yield event

    def stream(
        self,
        question: str,
        over: Any,
        *,
        instructions: str = "",
        history: History = (),
        schema: type[BaseModel] | None = None,
        run: str | None = None,
        resume: bool = False,
        words: int | None = None,
    ) -> Iterator[events.Event]:
        """The same as `astream` for synchronous code. Closing the iterator ends the run."""
        request = _long(request_of(question, over, instructions, history, schema, run, resume), words)
        yield from self._telling(lambda on_event: self._result(request, on_event))

    async def asurvey(
        self,
        topic: str,
        over: Any,
        *,
        words: int = 1_000,
        instructions: str = "",
        run: str | None = None,
        resume: bool = False,
    ) -> Answer:
        """A long text of about `words` words on a topic, from everything in the input, with a citation in every sentence.

        Chinese letters count one word each. `[n]` in the text is `answer.citations[n - 1]`; `answer.markdown` has the list
        of references. Raises like `aask`.
        """
        wanted = _long(request_of(topic, over, instructions, (), None, run, resume), words)
        return await background.run(lambda: self._answer(wanted, _silent))

    def survey(
        self,
        topic: str,
        over: Any,
        *,
        words: int = 1_000,
        instructions: str = "",
        run: str | None = None,
        resume: bool = False,
    ) -> Answer:
        """The same as `asurvey`, blocking."""
        wanted = _long(request_of(topic, over, instructions, (), None, run, resume), words)
        return background.wait(lambda: self._answer(wanted, _silent))

    async def acompress(
        self,
        question: str,
        over: Any,
        *,
        tokens: int = 8_000,
        granularity: Granularity = "auto",
        run: str | None = None,
        resume: bool = False,
    ) -> Compressed:
        """At most `tokens` tokens of the input's own words that matter to the question, in document order, with their places.

        Context for somebody else's model (QwenLong-CPRS, arXiv 2505.18092). `granularity` says what is kept around a quote:
        nothing (`word`), its sentence, its paragraph, or as much as fits (`auto`). A run that is resumed may ask for other
        `tokens`: nothing is read twice. Raises like `aask`.
        """
        wanted = compress_request(question, over, tokens, granularity, run, resume)
        return cast(Compressed, await background.run(lambda: self._result(wanted, _silent)))

    def compress(
        self,
        question: str,
        over: Any,
        *,
        tokens: int = 8_000,
        granularity: Granularity = "auto",
        run: str | None = None,
        resume: bool = False,
    ) -> Compressed:
        """The same as `acompress`, blocking."""
        wanted = compress_request(question, over, tokens, granularity, run, resume)
        return cast(Compressed, background.wait(lambda: self._result(wanted, _silent)))

    def stream_compress(
        self,
        question: str,
        over: Any,
        *,
        tokens: int = 8_000,
        granularity: Granularity = "auto",
        run: str | None = None,
        resume: bool = False,
    ) -> Iterator[events.Event]:
        """What happens while `compress` works; the last event is `ContextReady`. Closing the iterator ends the run."""
        wanted = compress_request(question, over, tokens, granularity, run, resume)
        yield from self._telling(lambda on_event: self._result(wanted, on_event))

    async def atable(self, question: str, over: Any, *, run: str | None = None, resume: bool = False) -> Answer:
        """The rows that a question is computed from, and no answer: `answer.table`, with the place of every value.

        `table` is None where nothing in the input could be put into rows. Raises like `aask`.
        """
        wanted = replace(request_of(question, over, "", (), None, run, resume), goal="table")
        return await background.run(lambda: self._answer(wanted, _silent))

    def table(self, question: str, over: Any, *, run: str | None = None, resume: bool = False) -> Answer:
        """The same as `atable`, blocking."""
        wanted = replace(request_of(question, over, "", (), None, run, resume), goal="table")
        return background.wait(lambda: self._answer(wanted, _silent))

    def stream_table(self, question: str, over: Any, *, run: str | None = None, resume: bool = False) -> Iterator[events.Event]:
        """What happens while `table` works; the last event is `Answered`. Closing the iterator ends the run."""
        wanted = replace(request_of(question, over, "", (), None, run, resume), goal="table")
        yield from self._telling(lambda on_event: self._result(wanted, on_event))

    async def aresume(self, run_id: str, over: Any = None, *, schema: type[BaseModel] | None = None) -> Answer | Compressed:
        """Goes on with a stored run as it was begun; nothing that was answered is paid for again.

        A finished run gives what it ended with, without a call. Budget, endpoint, key and model are those of this coordinator
        where they were given to it, else those of the run. `over` and `schema` are needed where the run was given documents or
        a schema, which the memory does not keep. A run that compressed gives `Compressed`. Raises `InputError` for a run that
        is not there, `RunBusy` for one that another process works on, and what `aask` raises.
        """
        return await background.run(lambda: self._resumed(run_id, over, schema, _silent))

    def resume(self, run_id: str, over: Any = None, *, schema: type[BaseModel] | None = None) -> Answer | Compressed:
        """The same as `aresume`, blocking."""
        return background.wait(lambda: self._resumed(run_id, over, schema, _silent))

    def stream_resume(self, run_id: str, over: Any = None, *, schema: type[BaseModel] | None = None) -> Iterator[events.Event]:
        """What happens while `resume` works; the last event is `Answered` or `ContextReady`."""
        yield from self._telling(lambda on_event: self._resumed(run_id, over, schema, on_event))

    async def _resumed(
        self, run_id: str, over: Any, schema: type[BaseModel] | None, on_event: Callable[[events.Event], None]
    ) -> Answer | Compressed:
        task, seen = asyncio.current_task(), self._interrupts
        assert task is not None
        self._running.add(task)
        team: Coordinator | None = None
        try:
            memory = await self._open_memory()
            record = await memory.load_run(run_id)
            if record is None:
                raise InputError(
                    f"The memory holds no run named {run_id!r}.",
                    hint="See: extagents runs list, with the same --memory and --tenant.",
                )
            if record.manifest.request.get("goal") == "batch":
                raise InputError(f"{run_id!r} is a batch.", hint="Start the batch again under its name: batch(…, run=NAME).")
            request = request_of_run(record, over, schema)
            if (finished := finished_with(record, request)) is not None:
                return finished
            # A coordinator of its own: settings belong to a coordinator, and the run has those that it was begun with.
            own: dict[Any, Any] = {**({"default": self._model} if self._chosen else {}), **self._models}
            models = own if self._chosen else {**models_of_run(record), **own}
            settings = settings_of_run(record, self.settings)
            team = Coordinator(models.pop("default"), models=models, memory=memory, settings=settings)
            self._resuming.add(team)
            if self._interrupts != seen:
                team._interrupts += 1
            return await team._result(request, on_event, seen=0)
        except InputError as error:
            if over is None and team is not None:
                hint = "If the input has moved, say where it is now: --over PATH, or over=."
                raise InputError(error.message, hint=hint, run_id=run_id) from error
            raise
        finally:
            self._running.discard(task)
            if team is not None:
                self._resuming.discard(team)
                await team._close(keep=(team._model, *team._models.values()))

    def interrupt(self) -> None:
        """Asks running questions to end now with the best answer so far. Safe from any thread and from a signal handler."""
        self._interrupts += 1
        background.loop.call_soon_threadsafe(self._halt_all)
        for team in tuple(self._resuming):
            team.interrupt()

    def drain(self, seconds: float = DRAIN_SECONDS) -> None:
        """The same as `interrupt`, but calls under way may finish for so long: they are paid, and a resumed run has them."""
        self._interrupts += 1
        background.loop.call_soon_threadsafe(self._drain_all, seconds)
        for team in tuple(self._resuming):
            team.drain(seconds)

    def _halt_all(self) -> None:
        for asking in self._asking:
            asking.cancel()
        for batch in self._batches:
            batch.stop()
        for workspace in self._workspaces.values():
            if workspace.member is None:
                workspace.interrupt()

    def _drain_all(self, seconds: float) -> None:
        for asking in self._asking:
            asking.cancel()
        for batch in self._batches:
            batch.stop(seconds=seconds)
        for workspace in self._workspaces.values():
            if workspace.member is None:
                workspace.drain(seconds)

    async def _atelling(self, request: Request) -> AsyncGenerator[events.Event]:
        """A request's events for the caller's loop, its result in the last one."""
        loop = asyncio.get_running_loop()
        happened: asyncio.Queue[events.Event | None] = asyncio.Queue()

        def on_event(event: events.Event | None) -> None:
            if not loop.is_closed():
                loop.call_soon_threadsafe(happened.put_nowait, event)

        task = asyncio.ensure_future(background.run(lambda: _told(lambda tell: self._result(request, tell), on_event)))
        try:
            while (event := await happened.get()) is not None:
                yield event
            yield _last_event(await task)
        finally:
            if not task.done():
                task.cancel()
                await asyncio.wait((task,))

    def _telling(self, work: Work) -> Iterator[events.Event]:
        """The events of some work for synchronous code, its result in the last one."""
        happened: queue.SimpleQueue[events.Event | None] = queue.SimpleQueue()
        future = background.submit(lambda: _told(work, happened.put))
        try:
            while (event := happened.get()) is not None:
                yield event
            yield _last_event(future.result())
        finally:
            if not future.done():
                future.cancel()

    async def _answer(
        self,
        request: Request,
        on_event: Callable[[events.Event], None],
        *,
        seen: int | None = None,
        member: Membership | None = None,
    ) -> Answer:
        return cast(Answer, await self._result(request, on_event, seen=seen, member=member))

    async def _result(
        self,
        request: Request,
        on_event: Callable[[events.Event], None],
        *,
        seen: int | None = None,
        member: Membership | None = None,
    ) -> Answer | Compressed:
        """One request through the graph, on the background loop; whatever goes wrong leaves as an `ExtAgentsError`.

        `seen` is the number of interrupts before it; where there are more by now, it ends as soon as it begins. `member` is its
        place in a batch.
        """
        task = asyncio.current_task()
        assert task is not None
        self._running.add(task)
        try:
            return await self._run(request, on_event, self._interrupts if seen is None else seen, member)
        except ExtAgentsError:
            raise
        except Exception as error:
            raise bug(error, self.settings) from error
        finally:
            self._running.discard(task)

    async def _run(
        self, request: Request, on_event: Callable[[events.Event], None], seen: int, member: Membership | None
    ) -> Answer | Compressed:
        memory = await self._open_memory()
        run_id = request.run or uuid.uuid4().hex[:12]
        stored = await memory.load_run(run_id) if request.run is not None else None
        if stored is not None:
            if not request.resume:
                raise RunExists(
                    f"A run named {run_id!r} exists already.",
                    hint="Choose another name, remove it with `extagents runs forget`, or give --resume.",
                    run_id=run_id,
                )
            if stored.manifest.question != request.question:
                raise RunExists(
                    f"The run named {run_id!r} answers another question.", hint="Choose another name.", run_id=run_id
                )
            told = {"goal": stored.state.get("goal", "answer"), "words": request.words, **stored.manifest.request}
            if told["goal"] != request.goal or (told["words"] is None) != (request.words is None):
                done = {"compress": "compressed its input", "table": "made a table"}
                other = done.get(told["goal"], "answered its question")
                other = other if told["words"] is None else "wrote a survey"
                raise RunExists(
                    f"The run named {run_id!r} is of another kind: it {other}.", hint="Choose another name.", run_id=run_id
                )
            if (finished := finished_with(stored, request)) is not None:
                return finished
            await asyncio.to_thread(refuse_busy, stored)
        from extagents.callbacks import apart
        from extagents.workspace import Halted

        try:
            workspace = await self._open(request, run_id, on_event, seen, member)
        except Halted as halted:
            if request.goal == "compress":
                return Compressed(
                    text="",
                    spans=(),
                    tokens=0,
                    input_tokens=0,
                    granularity=request.granularity,
                    partial=True,
                    stopped_by=halted.stopped_by,
                    run_id=run_id,
                )
            return self._nothing_read(run_id, halted.stopped_by)
        try:
            with apart():
                await self.graph().ainvoke({"workspace": workspace.key}, config={"recursion_limit": 10_000})
        except asyncio.CancelledError as error:
            await self.fail(workspace, error)
            raise
        finally:
            self._workspaces.pop(workspace.key, None)
            await asyncio.shield(workspace.let_go())
        assert workspace.answer is not None
        return workspace.answer

    def _nothing_read(self, run_id: str, stopped_by: StoppedBy) -> Answer:
        """The answer of a run that was ended while its input was being loaded."""
        return Answer(
            answer="",
            answered=False,
            confidence=0.0,
            kind="lookup",
            strategy=self.settings.strategy,
            partial=True,
            stopped_by=stopped_by,
            run_id=run_id,
        )

    # ------------------------------------------------------------------ the graph's host

    def graph(self) -> CompiledStateGraph[Any, Any, Any, Any]:
        """The compiled LangGraph graph, for a user's own graph: `{"question", "over", "instructions"}` in, `{"answer"}` out."""
        if self._graph is None:
            from extagents.graph import build

            try:
                self._graph = build(self)
            except SystemError:  # CPython 3.11 (gh-106905): LangGraph parses source while another thread does
                self._graph = build(self)
        return self._graph

    async def open(self, state: Any, on_event: Callable[[events.Event], None], run: str | None) -> Workspace:
        """The workspace of the state's run; a run that came through a user's own graph is opened here, under the name `run`."""
        known = self._workspaces.get(state.get("workspace", ""))
        if known is None:
            asked = (state.get("question", ""), state.get("over"), state.get("instructions", ""), (), None)
            if run is not None:
                for left in [one for one in self._workspaces.values() if one.run_id == run]:
                    await self.fail(left, asyncio.CancelledError())  # of the same step, left between two of its own
                with contextlib.suppress(RunExists):  # it read another input: the step is done anew
                    return await self._open(request_of(*asked, run, True), run, on_event, self._interrupts)
            return await self._open(request_of(*asked, None, False), uuid.uuid4().hex[:12], on_event, self._interrupts)
        told = known.listener

        def both(event: events.Event) -> None:
            told(event)
            on_event(event)

        known.listener = both
        return known

    def find(self, key: str) -> Workspace:
        """An open workspace. Raises `RunError` for one that is not open in this process."""
        workspace = self._workspaces.get(key)
        if workspace is None:
            raise RunError("The run is not under way in this process.", hint="Start it again.")
        return workspace

    async def finish(self, workspace: Workspace) -> None:
        """Stores the answer and lets the workspace go."""
        answer = workspace.answer
        assert answer is not None
        self._workspaces.pop(workspace.key, None)
        status: Literal["partial", "done"] = "partial" if answer.partial else "done"
        state = {**workspace.state("done"), "signals": workspace.signals}
        try:
            await workspace.memory.update_run(
                workspace.run_id, status=status, state=state, answer=kept_whole(answer), fence=workspace.fence
            )
        except LeaseLost:
            raise
        except StoreError as error:
            notice = f"The answer could not be stored: {error.message}"
            workspace.answer = answer.model_copy(update={"notices": (*answer.notices, notice)})
        if workspace.account.trace is not None:
            workspace.account.trace.ended(RunEnded(workspace.account.usage, result=workspace.answer))
        await workspace.let_go()

    async def fail(self, workspace: Workspace, error: BaseException) -> BaseException:
        """Stores that the run failed, lets the workspace go, and gives the error as the user is to see it."""
        shown = _as_error(error, workspace) if isinstance(error, Exception) else error
        if workspace.account.trace is not None:
            workspace.account.trace.ended(RunEnded(workspace.account.usage, error=shown))
        if self._workspaces.pop(workspace.key, None) is None:
            return shown
        update = workspace.memory.update_run
        with contextlib.suppress(ExtAgentsError):
            if not isinstance(shown, ExtAgentsError):  # cancelled
                state = workspace.state("cancelled")
                await asyncio.shield(update(workspace.run_id, status="partial", state=state, fence=workspace.fence))
            elif not isinstance(shown, RunExists):  # a run of that name that somebody else started is not ours to mark
                state = workspace.state("failed", error=shown.message)
                await update(workspace.run_id, status="failed", state=state, fence=workspace.fence)
        await asyncio.shield(workspace.let_go())
        return shown

    # ------------------------------------------------------------------ opening a run

    async def _open(
        self,
        request: Request,
        run_id: str,
        on_event: Callable[[events.Event], None],
        seen: int,
        member: Membership | None = None,
    ) -> Workspace:
        """Loads the input, settles window and budget, takes the run's lease, and makes its workspace.

        Raises `Halted` where the run is told to end before it has one; `seen` is the number of interrupts before it.
        """
        from extagents.callbacks import langchain_trace
        from extagents.memory.lease import hold
        from extagents.opening import load, unreadable, window_of, wordless, workspace_of
        from extagents.workspace import Halted

        started, budget = time.monotonic(), self.settings.budget
        deadline = None if budget.seconds is None else started + budget.seconds
        end_of_run.set(deadline)
        memory, gate = await self._open_memory(), await self._open_gate()

        def halted() -> StoppedBy | None:
            if self._interrupts != seen:
                return "cancelled"
            return "deadline" if deadline is not None and time.monotonic() >= deadline else None

        async def asked() -> tuple[ModelInfo, tuple[int, str], Executor]:
            executor = await self._open_executor(gate)
            return await gate.describe("reader"), await window_of(gate, self.settings), executor

        if self._interrupts != seen:
            raise Halted("cancelled")
        asking = asyncio.ensure_future(asked())
        self._asking.add(asking)
        try:
            async with asyncio.timeout_at(deadline):  # a server may hang when it is asked what it serves
                info, (window, unknown), executor = await asking
        except TimeoutError:
            raise Halted("deadline") from None
        except asyncio.CancelledError:
            if self._interrupts != seen and not _cancelling():
                raise Halted("cancelled") from None
            raise
        finally:
            self._asking.discard(asking)
        corpus = await load(request.over, info, on_event, halted=halted)
        holding = await hold(memory, run_id, self.settings.lease_seconds)
        try:
            workspace = await workspace_of(
                request,
                holding,
                corpus,
                gate=gate,
                settings=self.settings,
                window=window,
                started=started,
                named=self._named(),
                on_event=on_event,
                executor=executor,
                catalogues=self._tables(),
                member=member,
            )
        except BaseException:
            await asyncio.shield(holding.give_back())
            raise
        holding.keep(workspace.lost)
        if budget.seconds is not None:
            workspace.end_reading_at(started + READING_SHARE * budget.seconds)
        if member is not None and member.reading_ends is not None:
            workspace.end_reading_at(member.reading_ends)
        self._workspaces[workspace.key] = workspace
        told = RunStarted(
            run_id=run_id,
            question=request.question,
            goal=request.goal,
            strategy=self.settings.strategy,
            model=gate.model("reader").name,
            documents=len(corpus.documents),
            content=self.settings.trace_content,
        )
        workspace.account.trace = Trace.of(told, (langchain_trace, *tracers))
        if self._interrupts != seen and member is None:
            workspace.interrupt()
        elif self._interrupts != seen:
            workspace.leave(0.0)
        for notice in (*wordless(gate), *([unknown] if unknown else ()), *corpus.notices, *unreadable(corpus)):
            workspace.notice(notice)
        return workspace

    def _tables(self) -> Catalogues:
        """The tables of the inputs that were asked about."""
        if self._catalogues is None:
            from extagents.catalogue import Catalogues

            self._catalogues = Catalogues()
        return self._catalogues

    def _named(self) -> dict[str, str] | None:
        """The models by name, for a run that is gone on with later; None where one of them has no name to be made from."""
        models = {"default": self._model, **self._models}
        return models if all(isinstance(model, str) for model in models.values()) else None

    async def _open_memory(self) -> Memory:
        if self._memory is None:
            from extagents.memory.open import open_memory

            self._memory = open_memory(self._given_memory, tenant=self.settings.tenant)
        return self._memory

    async def _open_gate(self) -> Gate:
        async with self._opening:
            if self._gate is None:
                from extagents.gate import Gate
                from extagents.models.resolve import resolve

                settings = self.settings

                def resolved(model: Any) -> Model:
                    return resolve(
                        model,
                        base_url=settings.base_url,
                        api_key=settings.api_key,
                        window=settings.window,
                        prices=settings.prices,
                        seed=settings.seed,
                        vllm=settings.vllm,
                        server_metrics=settings.server_metrics,
                    )

                made = {role: resolved(model) for role, model in {"default": self._model, **self._models}.items()}
                limiter = process_limiter()
                for model in made.values():
                    limiter.endpoint(getattr(model, "endpoint", model.name), cap=settings.concurrency)
                self._gate = Gate(made, limiter=limiter, memory=await self._open_memory(), timeout=settings.timeout)
            return self._gate

    async def _open_executor(self, gate: Gate) -> Executor:
        """Who runs the readers, ready to do so."""
        if self._executor is None:
            from extagents.opening import executor_of

            reader = self._models.get("reader", self._model)
            self._executor = executor_of(self.settings, reader, await self._open_memory())
        await self._executor.start(gate)
        return self._executor

    # ------------------------------------------------------------------ before and after

    async def aestimate(self, question: str, over: Any) -> Estimate:
        """Calls, tokens and cost of asking, lowest and highest, before anything is spent."""
        from extagents.estimate import estimate
        from extagents.opening import window_of

        request = request_of(question, over, "", (), None, None, False)

        async def work() -> Estimate:
            from extagents.corpus.corpus import Corpus

            gate = await self._open_gate()
            info = await gate.describe("reader")
            corpus = await asyncio.to_thread(Corpus.load, request.over, encoding=info.encoding)
            window, _ = await window_of(gate, self.settings)
            model = gate.model("reader")
            return await asyncio.to_thread(
                estimate, question, corpus, self.settings, window, info, local=model.local, shared=corpus is over
            )

        return await background.run(work)

    def estimate(self, question: str, over: Any) -> Estimate:
        """The same as `aestimate`, blocking."""
        return background.wait(lambda: self.aestimate(question, over))

    def runs(self) -> list[RunRecord]:
        """All stored runs, the most recently updated first."""

        async def work() -> list[RunRecord]:
            return await (await self._open_memory()).list_runs()

        return background.wait(work)

    def run(self, run_id: str) -> RunRecord | None:
        """One stored run, or None."""

        async def work() -> RunRecord | None:
            return await (await self._open_memory()).load_run(run_id)

        return background.wait(work)

    def reports(self, run_id: str) -> list[Report]:
        """What the readers of a stored run reported."""

        async def work() -> list[Report]:
            return await (await self._open_memory()).reports(run_id)

        return background.wait(work)

    def events(self, run_id: str) -> list[dict[str, Any]]:
        """The stored events of a run."""

        async def work() -> list[dict[str, Any]]:
            return await (await self._open_memory()).events(run_id)

        return background.wait(work)

    def forget(self, run_id: str) -> bool:
        """Deletes all that is stored under a run, of a batch its questions' runs, too; False if there was nothing.

        Raises `RunBusy` while it is worked on.
        """

        async def work() -> bool:
            memory = await self._open_memory()
            stored = await memory.load_run(run_id)
            if stored is not None:
                await asyncio.to_thread(refuse_busy, stored)
            if stored is not None and stored.manifest.request.get("goal") == "batch":
                for record in await memory.list_runs():
                    if record.manifest.request.get("batch") == run_id:
                        await memory.forget_run(record.manifest.run)
            return await memory.forget_run(run_id)

        return background.wait(work)

    # ------------------------------------------------------------------ closing

    async def aclose(self) -> None:
        """Ends running questions and closes models and memory."""
        await background.run(self._close)

    def close(self) -> None:
        """The same as `aclose`, blocking."""
        background.wait(self._close)

    async def _close(self, keep: Collection[Any] = ()) -> None:
        """Ends what runs, then closes memory and models, but for models to `keep`: somebody else's objects."""
        self._interrupts += 1
        for team in (self, *self._resuming):
            team._interrupts += team is not self
            team._halt_all()
        running = self._running - {asyncio.current_task()}
        await asyncio.gather(*running, return_exceptions=True)
        for workspace in tuple(self._workspaces.values()):  # of a user's own graph that was left between two steps
            await self.fail(workspace, asyncio.CancelledError())
        gate, memory, executor = self._gate, self._memory, self._executor
        self._gate = self._memory = self._executor = self._catalogues = None
        if executor is not None:
            await executor.aclose()
        if gate is not None:
            await gate.aclose()
            for model in gate.models.values():
                if not any(model is kept for kept in keep):
                    await model.aclose()
        if memory is not None and memory is not self._given_memory:
            await memory.aclose()

    def __enter__(self) -> Coordinator:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    async def __aenter__(self) -> Coordinator:
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.aclose()


# ------------------------------------------------------------------ small parts


_LIMITER: tuple[asyncio.AbstractEventLoop, Any] | None = None


def _cancelling() -> bool:
    """Whether the current task itself was cancelled, and not only what it waited for."""
    task = asyncio.current_task()
    return task is not None and task.cancelling() > 0


def process_limiter() -> Any:
    """The one limiter of all coordinators of this process, on the background loop."""
    global _LIMITER
    from extagents.limiter import Limiter

    loop = asyncio.get_running_loop()
    if _LIMITER is None or _LIMITER[0] is not loop:
        _LIMITER = (loop, Limiter())
    return _LIMITER[1]


def _last_event(result: Answer | Compressed) -> events.Event:
    """The event that carries a run's result."""
    return events.Answered(answer=result) if isinstance(result, Answer) else events.ContextReady(context=result)


async def _told(work: Work, on_event: Callable[[events.Event | None], None]) -> Answer | Compressed:
    """The work's result, and None after its last event."""
    try:
        return await work(on_event)
    finally:
        on_event(None)


def _long(request: Request, words: int | None) -> Request:
    """The request for a text of about so many words; as it is where no length is given."""
    if words is None:
        return request
    if words < 1:
        raise InputError(f"A text cannot have {words} words.", hint="Ask for at least 1.")
    return replace(request, kind="summary", words=words)


def _silent(event: object) -> None:
    """Nobody watches."""


def _settings(given: dict[str, Any], settings: Settings | None) -> Settings:
    from pydantic_settings import SettingsError as SourceError

    try:
        if settings is None:
            return Settings(**given)
        return Settings(**{**settings.given, **given})
    except SourceError as error:
        raise SettingsError(f"An EXTAGENTS_ variable is not understood: {error}.", hint="See docs/settings.md.") from None
    except ValidationError as error:
        first = error.errors()[0]
        name = ".".join(str(part) for part in first["loc"])
        told = "" if name in ("api_key", "base_url", "memory") else f" (given: {first['input']!r})"
        raise SettingsError(f"{name}: {first['msg']}{told}.", hint="See `extagents ask --help`.") from None


def _as_error(error: Exception, workspace: Workspace) -> ExtAgentsError:
    from extagents.gate import CallFailed

    if isinstance(error, RunError):
        error.run_id = error.run_id or workspace.run_id
        error.spent = error.spent or workspace.account.usage
    if isinstance(error, ExtAgentsError):
        return error
    if isinstance(error, CallFailed):
        return error.as_error(run_id=workspace.run_id, spent=workspace.account.usage)
    return bug(error, workspace.settings, run_id=workspace.run_id, spent=workspace.account.usage)


def bug(error: Exception, settings: Settings, *, run_id: str | None = None, spent: Usage | None = None) -> RunError:
    message = scrub(f"The run failed: {type(error).__name__}: {error}", *settings.secrets)
    return RunError(message, hint="This is a bug; please report it.", run_id=run_id, spent=spent)
