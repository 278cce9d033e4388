"""The LangGraph graph: plan → (single | iterate | tabulate | read ⇄ reason → (remember, condense)) → fuse.

ExtAgents (arXiv 2505.21471): readers read all shards in parallel; what they found is synchronised; a reasoner judges growing
parts of it; what is missing sends readers back, now with the knowledge of the others. Here reading is best first and
re-reading is gated, and `read` fans out over lanes, never over shards: each lane pulls the next best shard. Where the ladder is
unsure, the memory agent's notes and one pass over compressed context give candidates of their own.
"""

from __future__ import annotations

import asyncio
import contextvars
import hashlib
from collections.abc import Awaitable, Callable, Coroutine
from typing import Any, Protocol, TypedDict, TypeVar

from langchain_core.runnables import Runnable, RunnableConfig
from langgraph.config import get_stream_writer
from langgraph.graph import END, START, StateGraph
from langgraph.graph.state import CompiledStateGraph
from langgraph.types import Send

from extagents import affording, events, journal
from extagents.agents import planner
from extagents.agents.calls import gather
from extagents.agents.reasoner import Ladder
from extagents.answers import expected_type, same
from extagents.background import background
from extagents.budget import Amount
from extagents.callbacks import apart
from extagents.condensing import compressed, condense, pass_over
from extagents.ending import fuse, tabulated
from extagents.errors import InputError, RunExists, SettingsError
from extagents.frontier import Frontier
from extagents.gate import CallFailed, Stop
from extagents.models.base import Prompt
from extagents.packing import FIXED, IN_BATCH, most_shard_tokens, notes_budget, pack
from extagents.prompts import language_of
from extagents.remembering import iterate, remember
from extagents.schedule import brought_nothing, next_wave
from extagents.tabulating import begin_reading, computed, needs_reading, tabulate
from extagents.text import cjk_share
from extagents.types import Plan, Role
from extagents.workspace import Workspace
from extagents.writing import asked_for

T = TypeVar("T")
SMALLEST_SHARD = 256  # tokens: smaller ones cost more in prompts than they hold
MOST_QUESTION = 0.2  # of the window, at most: the rest is for text, knowledge and answer
GLANCE = 20  # titles that the planner sees
GLANCE_TEXT = 500  # characters of a document that tell its language
FEW_LETTERS = 0.3  # of a text's letters: less is not what it is written in
OTHER_LANGUAGE = (
    "Question and documents are in different languages, and no language model is configured: "
    "only names and numbers that both share can be found."
)


class State(TypedDict, total=False):
    """The graph's state: ids, counts and the answer. `question` and `over` are its input in a user's own graph.

    `workspace` names the live objects of the run in this process, `run_id` what the memory keeps of it.
    """

    question: str
    over: Any
    instructions: str
    workspace: str
    run_id: str
    wave: int
    shards_read: int
    facts: int
    answer: dict[str, Any]


class Lane(TypedDict):
    """What a reader lane is started with; `lanes` are those that it stands for where steps run on threads."""

    workspace: str
    lane: int
    lanes: int


class Host(Protocol):
    """Who keeps the workspaces of runs: opens them, finds them, and lets go of them in the end."""

    async def open(self, state: State, on_event: Callable[[events.Event], None], run: str | None) -> Workspace:
        """The workspace of the state's run, opened (and named `run`) where the run has none yet."""
        ...

    def find(self, key: str) -> Workspace:
        """An open workspace. Raises `RunError` for one that is not open in this process."""
        ...

    async def finish(self, workspace: Workspace) -> None:
        """Stores the answer and lets the workspace go."""
        ...

    async def fail(self, workspace: Workspace, error: BaseException) -> BaseException:
        """Stores that the run failed, lets the workspace go, and gives the error as the user is to see it."""
        ...


# Whether the graph's steps run on threads (`invoke`): of those there are few, and a lane must not need one of its own.
_on_threads: contextvars.ContextVar[bool] = contextvars.ContextVar("on_threads", default=False)


class Step(Runnable[Any, Any]):
    """A node or a branch, for `ainvoke` in any loop and for `invoke` in any thread."""

    def __init__(self, name: str, work: Callable[[Any, RunnableConfig], Coroutine[Any, Any, Any]]) -> None:
        self.name = name
        self._work = work

    async def ainvoke(self, input: Any, config: RunnableConfig | None = None, **_: Any) -> Any:
        return await self._work(input, config or {})

    def invoke(self, input: Any, config: RunnableConfig | None = None, **_: Any) -> Any:
        token = _on_threads.set(True)
        try:
            return background.wait(lambda: self._work(input, config or {}))
        finally:
            _on_threads.reset(token)


def run_name(step: str, *asked: str) -> str | None:
    """The name of the run that a step of a user's own graph makes, by LangGraph's name for the step; None where there is none.

    A step that is done again after a crash has the name that it had, and with it all that its run had paid for.
    """
    if not step:
        return None
    digest = hashlib.blake2b("\0".join((step, *asked)).encode("utf-8", "surrogatepass"), digest_size=10)
    return f"graph-{digest.hexdigest()}"


def build(host: Host) -> CompiledStateGraph[State, Any, State, State]:
    """The compiled graph over the host's workspaces. It takes no checkpointer, not even a user's: the memory is the checkpoint.

    Nodes run in any event loop; their work is done on the background loop, which owns sockets and pools.
    """

    async def at_work(key: str, work: Callable[[Workspace], Awaitable[T]]) -> T:
        workspace = host.find(key)

        async def guarded() -> T:
            try:
                with apart():
                    return await work(workspace)
            except BaseException as error:
                shown = await host.fail(workspace, error)
                if shown is error:
                    raise
                raise shown from error

        return await background.run(guarded)

    async def plan_node(state: State, config: RunnableConfig) -> State:
        writer, loop, context = get_stream_writer(), asyncio.get_running_loop(), contextvars.copy_context()

        def on_event(event: events.Event) -> None:  # in this step's context: the writer looks there for whose stream it is
            if _running() is loop:
                context.run(writer, event)
            elif not loop.is_closed():
                loop.call_soon_threadsafe(writer, event, context=context)

        # A graph in a user's own: the step of theirs that it is. By itself it is none.
        step = str(config.get("configurable", {}).get("checkpoint_ns") or "").rpartition("|")[0]
        run = run_name(step, state.get("question", ""), state.get("instructions", ""))
        workspace = await background.run(lambda: host.open(state, on_event, run))
        await at_work(workspace.key, plan)
        return {"workspace": workspace.key, "run_id": workspace.run_id}

    async def single_node(state: State, _: RunnableConfig) -> State:
        await at_work(state["workspace"], read_at_once)
        return {}

    async def read_node(lane: Lane, _: RunnableConfig) -> State:
        async def work(workspace: Workspace) -> None:
            await gather([asyncio.ensure_future(workspace.read_lane()) for _ in range(lane["lanes"])])

        await at_work(lane["workspace"], work)
        return {}

    async def reason_node(state: State, _: RunnableConfig) -> State:
        await at_work(state["workspace"], reason)
        workspace = host.find(state["workspace"])
        read = len(workspace.shards) - len(workspace.unread)
        return {"wave": workspace.wave, "shards_read": read, "facts": len(workspace.ledger)}

    async def iterate_node(state: State, _: RunnableConfig) -> State:
        await at_work(state["workspace"], iterate)
        return {}

    async def tabulate_node(state: State, _: RunnableConfig) -> State:
        async def work(workspace: Workspace) -> None:
            await tabulate(workspace)
            if needs_reading(workspace):
                begin_reading(workspace)
            elif not workspace.settled and len(workspace.ledger):
                await reason(workspace)

        await at_work(state["workspace"], work)
        return {}

    async def remember_node(state: State, _: RunnableConfig) -> State:
        await at_work(state["workspace"], remember)
        return {}

    async def condense_node(state: State, _: RunnableConfig) -> State:
        await at_work(state["workspace"], condense)
        return {}

    async def fuse_node(state: State, _: RunnableConfig) -> State:
        async def work(workspace: Workspace) -> State:
            goal = workspace.request.goal
            ending = compressed if goal == "compress" else tabulated if goal == "table" else fuse
            workspace.answer = await ending(workspace)
            await host.finish(workspace)
            return {"answer": workspace.answer.model_dump(mode="json")}

        return await at_work(state["workspace"], work)

    def next_step(workspace: Workspace) -> list[Send] | str:
        while (wave := next_wave(workspace)) is not None:
            if lanes := workspace.start_wave(wave):
                if _on_threads.get():
                    return [Send("read", {"workspace": workspace.key, "lane": 0, "lanes": lanes})]
                return [Send("read", {"workspace": workspace.key, "lane": lane, "lanes": 1}) for lane in range(lanes)]
        return [Send(path, {"workspace": workspace.key}) for path in second_paths(workspace)] or "fuse"

    async def read_or_fuse(workspace: Workspace) -> list[Send] | str:
        # On a thread: ranking a large packing would block the loop.
        step = await asyncio.to_thread(next_step, workspace)
        if workspace.cohort is not None and (isinstance(step, str) or step[0].node != "read"):
            workspace.cohort.left(workspace.run_id)  # whatever follows, nobody who reads waits for it
        return step

    async def after_plan(state: State, _: RunnableConfig) -> list[Send] | str:
        workspace = host.find(state["workspace"])
        if computed(workspace):
            return "tabulate"
        if fits_at_once(workspace):
            return "single"
        iterative = workspace.settings.strategy == "iterative" and workspace.request.goal == "answer"
        if iterative and workspace.stopped_by is None:
            return "iterate"
        return await at_work(state["workspace"], read_or_fuse)

    async def after_tabulate(state: State, _: RunnableConfig) -> list[Send] | str:
        workspace = host.find(state["workspace"])
        if not needs_reading(workspace):
            if workspace.cohort is not None:
                workspace.cohort.left(workspace.run_id)
            return "fuse"
        if not workspace.candidates and fits_at_once(workspace):
            return "single"
        return await at_work(workspace.key, read_or_fuse)

    async def after_single(state: State, _: RunnableConfig) -> list[Send] | str:
        workspace = host.find(state["workspace"])
        if workspace.candidates or workspace.stopped_by is not None or not unsure_at_once(workspace):
            return "fuse"
        return await at_work(workspace.key, read_or_fuse)

    async def after_reason(state: State, _: RunnableConfig) -> list[Send] | str:
        return await at_work(state["workspace"], read_or_fuse)

    graph = StateGraph(State)
    graph.add_node("plan", Step("plan", plan_node))
    graph.add_node("single", Step("single", single_node))
    graph.add_node("read", Step("read", read_node), input_schema=Lane)
    graph.add_node("reason", Step("reason", reason_node))
    graph.add_node("iterate", Step("iterate", iterate_node))
    graph.add_node("tabulate", Step("tabulate", tabulate_node))
    graph.add_node("remember", Step("remember", remember_node))
    graph.add_node("condense", Step("condense", condense_node))
    graph.add_node("fuse", Step("fuse", fuse_node))
    graph.add_edge(START, "plan")
    graph.add_conditional_edges(
        "plan", Step("after_plan", after_plan), ["single", "iterate", "tabulate", "read", "remember", "condense", "fuse"]
    )
    graph.add_conditional_edges(
        "tabulate", Step("after_tabulate", after_tabulate), ["single", "read", "remember", "condense", "fuse"]
    )
    graph.add_conditional_edges("single", Step("after_single", after_single), ["read", "remember", "condense", "fuse"])
    graph.add_edge("read", "reason")
    graph.add_conditional_edges("reason", Step("after_reason", after_reason), ["read", "remember", "condense", "fuse"])
    graph.add_edge("iterate", "fuse")
    graph.add_edge("remember", "fuse")
    graph.add_edge("condense", "fuse")
    graph.add_edge("fuse", END)
    return graph.compile(name="extagents", checkpointer=False)


def _running() -> asyncio.AbstractEventLoop | None:
    """The loop that the caller runs on; None on a thread without one."""
    try:
        return asyncio.get_running_loop()
    except RuntimeError:
        return None


def second_paths(workspace: Workspace) -> list[str]:
    """The other ways of reasoning over what was read, for a question that the ladder is not sure of."""
    unsure = not workspace.judgement.answered and len(workspace.ledger) > 0
    over = workspace.stopped_by is not None or workspace.fatal is not None
    if workspace.settings.strategy != "fused" or workspace.request.goal != "answer" or workspace.plan.kind == "summary":
        return []
    if over or not unsure:
        return []
    return [path for path, part in (("remember", "memory"), ("condense", "single")) if part not in workspace.settings.without]


# ------------------------------------------------------------------ plan


async def plan(workspace: Workspace) -> None:
    """Takes the question apart, cuts the input, and stores how the run was started."""
    request, corpus = workspace.request, workspace.corpus
    workspace.emit(events.Progress(phase="plan"))
    room = int(workspace.desk.window * MOST_QUESTION)
    if len(request.question.encode()) // 3 > room:
        raise InputError(
            f"The question is longer than {room} tokens, {MOST_QUESTION:.0%} of the model's window.",
            hint="Ask shortly, and give the long text as input.",
        )
    glance = corpus.documents[: 10 * GLANCE]
    titles = list(dict.fromkeys(document.title or document.id for document in glance))[:GLANCE]
    chinese = cjk_share("".join(document.text[:GLANCE_TEXT] for document in glance))
    shares, asked_in = [cjk_share(document.text[:GLANCE_TEXT]) for document in glance], language_of(request.question)
    foreign = all(share < FEW_LETTERS if asked_in == "zh" else share > 1 - FEW_LETTERS for share in shares)
    if foreign and workspace.gate.model("reader").name == "extractive":
        workspace.notice(OTHER_LANGUAGE)
    prompt = planner.plan_prompt(
        request.question,
        workspace.desk,
        instructions=request.instructions,
        history=request.history,
        sources=titles,
        chinese=chinese,
    )
    affordable = await _affordable(workspace, prompt)
    memory, run_id, fence = workspace.memory, workspace.run_id, workspace.fence
    # Before the first call: whatever ends the run from here on, it can be gone on with.
    if not await memory.create_run(workspace.manifest(), fence=fence) and not workspace.resumed:
        raise RunExists(f"A run named {run_id!r} was started meanwhile.", hint="Choose another name.", run_id=run_id)
    made = workspace.stored_plan or await _planned(workspace, prompt if affordable else None)
    if request.kind is not None:
        made = made.model_copy(update={"kind": request.kind})
    workspace.plan = made
    if workspace.stopped_by == "budget":
        workspace.notice("The budget does not cover a single call; nothing was read.")
    await asyncio.to_thread(_cut, workspace)
    workspace.emit(
        events.Planned(
            run_id=workspace.run_id,
            plan=made,
            route="single" if fits_at_once(workspace) else "rounds",
            packing=workspace.packing.name if workspace.packing else "",
            shards=len(workspace.shards),
            tokens=sum(shard.tokens for shard in workspace.shards),
            documents=len(corpus.documents),
        )
    )
    state = workspace.state("read")
    # What a resumed run was given anew is what the next resume goes on with.
    await memory.update_run(run_id, status="running", state=state, manifest=workspace.manifest(), fence=fence)


async def _affordable(workspace: Workspace, prompt: Prompt[Plan]) -> bool:
    """Whether the budget covers the planner beside the rest. Raises `BudgetTooSmall` where it covers nothing."""
    roles: tuple[Role, ...] = ("reader", "reasoner", "planner", "single")
    infos = {role: await workspace.gate.describe(role) for role in roles}
    workspace.account.keep = affording.keep_for_answer(workspace)
    answered = journal.key_of(prompt) in workspace.account.answered
    planning = Amount() if answered else workspace.gate.upper_bound(prompt)
    if affording.plainly_enough(workspace, planning):
        return True
    workspace.plan = affording.plan_alone(workspace)

    def work() -> bool:
        _cut(workspace)
        return affording.room_to_plan(workspace, planning, infos["reader"], fits=all_fits(workspace))

    return await asyncio.to_thread(work)


async def _planned(workspace: Workspace, prompt: Prompt[Plan] | None) -> Plan:
    """The planner's plan, or the question itself without a prompt, or where the run ends before it has one."""
    request = workspace.request
    alone = affording.plan_alone(workspace)
    if prompt is None:
        return alone  # every call is needed to read and to answer
    try:
        made, problem = await workspace.guard(
            planner.plan(prompt, request.question, workspace.desk, instructions=request.instructions)
        )
    except Stop as stop:
        workspace.halt(stop.stopped_by)
        return alone
    if problem:
        workspace.notice(problem)
    return made


def _cut(workspace: Workspace) -> None:
    made, settings, desk = workspace.plan, workspace.settings, workspace.desk
    in_order = settings.strategy == "iterative"
    beside = notes_budget(settings.memory_tokens, desk.window) if in_order else desk.knowledge_tokens
    most = most_shard_tokens(desk.window, output_tokens=desk.output_tokens, knowledge_tokens=beside)
    if most < SMALLEST_SHARD:
        raise SettingsError(
            f"A window of {desk.window} tokens leaves {max(0, most)} for text beside prompt, knowledge and answer.",
            hint="Use a model with a larger window, or lower knowledge_tokens and output_tokens.",
        )
    without = settings.without
    shared = workspace.shared or in_order or "best_first" in without or computed(workspace)
    fixed = FIXED if workspace.cohort is None else IN_BATCH
    packing = pack(workspace.corpus, made.queries, shard_tokens=settings.shard_tokens, shared=shared, most=most, fixed=fixed)
    ladder = Ladder(
        made.core,
        made.kind,
        expected_type(made.core, made.answer_type),
        desk,
        statistics=workspace.corpus.index,
        rungs="ladder" not in without,
        checked="verification" not in without,
    )
    frontier = Frontier(workspace.corpus, packing.shards, made.queries, best_first="best_first" not in without)
    workspace.adopt(packing, frontier, ladder)


# ------------------------------------------------------------------ the single pass


def all_fits(workspace: Workspace) -> bool:
    """Whether one call can read everything and has room to answer, and is a way of this run."""
    desk = workspace.desk
    settings = workspace.settings
    alone = settings.strategy in ("parallel", "iterative") or "single" in settings.without
    if alone or workspace.stopped_by is not None or workspace.request.goal == "compress":
        return False
    if settings.strategy != "single" and asked_for(workspace) is not None:
        return False  # one call reports too few facts for a long text
    room = most_shard_tokens(desk.window, output_tokens=2 * desk.output_tokens, knowledge_tokens=0)
    return settings.strategy == "single" or sum(shard.tokens for shard in workspace.shards) <= room


def fits_at_once(workspace: Workspace) -> bool:
    """Whether everything is read in one call: it fits, and the budget covers that call."""
    if not all_fits(workspace):
        return False
    if not workspace.settings.budget.limited or workspace.settings.strategy == "single":
        return True
    return workspace.account.covers(affording.at_once(workspace), keep=Amount())


async def read_at_once(workspace: Workspace) -> None:
    """Reads what fits the window, best first where not all does, and answers in one call."""
    chosen, text = affording.text_at_once(workspace)
    if len(chosen) < len(workspace.shards):
        workspace.notice(f"Only {len(chosen)} of {len(workspace.shards)} shards fit the window; the rest was not read.")
    workspace.emit(events.Progress(phase="read"))
    try:
        passed = await in_company(workspace, lambda: pass_over(workspace, text, final=True))
    except Stop as stop:
        return workspace.halt(stop.stopped_by)
    except CallFailed as failure:
        if failure.fatal or workspace.settings.strategy == "single":
            raise
        return workspace.notice(f"The single pass failed ({failure.message}); the input was read in shards.")
    for position in chosen:
        del workspace.unread[position]
        workspace.rounds_of[position] = 1
        workspace.tokens_read += workspace.shards[position].tokens
    workspace.rounds = 1
    workspace.passed = passed
    return None


async def in_company(workspace: Workspace, work: Callable[[], Awaitable[T]]) -> T:
    """Does the work; in a batch, after the first question over the same text, whose prefix the server has then computed."""
    if workspace.cohort is None:
        return await work()
    async with workspace.cohort.after_first(workspace.corpus):
        return await work()


def unsure_at_once(workspace: Workspace) -> bool:
    """Whether the rounds should follow a single pass that brought no answer whose quote holds."""
    if workspace.settings.strategy == "single":
        return False
    passed = workspace.passed
    said_no = passed is not None and not passed.answerable
    if said_no and workspace.settings.effort != "thorough":
        return False
    workspace.unread = dict.fromkeys(range(len(workspace.shards)))
    workspace.rounds_of.clear()
    workspace.rounds = 0
    workspace.tokens_read = 0
    return True


# ------------------------------------------------------------------ reason


async def reason(workspace: Workspace) -> None:
    """Synchronises what the wave found and lets the ladder judge it."""
    await workspace.close_wave()
    if workspace.request.goal == "compress":
        workspace.streak = workspace.streak + 1 if brought_nothing(workspace) else 0
    if workspace.fatal is not None or workspace.stopped_by is not None or not workspace.judged:
        return
    ladder = workspace.ladder
    assert ladder is not None
    workspace.emit(events.Progress(phase="reason", usage=workspace.account.usage))

    def on_rung(rung: Any) -> None:
        verdict = rung.verdict
        workspace.emit(
            events.RungJudged(
                wave=workspace.wave,
                size=len(rung.facts),
                answerable=verdict.answerable,
                answer=verdict.answer,
                confidence=verdict.confidence,
            )
        )

    before = workspace.judgement
    try:
        judgement = await workspace.guard(ladder.climb(workspace.ledger.ranked, on_rung=on_rung))
    except Stop as stop:
        return workspace.halt(stop.stopped_by)
    except CallFailed as failure:
        workspace.fatal = failure
        return
    repeated = judgement.answered and before.answered and same(judgement.answer, before.answer, workspace.plan.answer_type)
    workspace.streak = workspace.streak + 1 if repeated else int(judgement.answered)
    workspace.judgement = judgement
    workspace.open_queries = tuple(dict.fromkeys((*judgement.queries, *workspace.open_queries)))
    workspace.emit(
        events.VerdictReached(
            wave=workspace.wave,
            answer=judgement.answer,
            answerable=bool(judgement.answer),
            stable=judgement.stable,
            verified=judgement.verified,
            confidence=judgement.confidence,
        )
    )
