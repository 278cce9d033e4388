"""The LangGraph graph: plan → (single | read ⇄ reason) → fuse.

ExtAgents (arXiv 2505.21471): readers read all shards in parallel; what they found is synchronised; a reasoner judges growing
parts of it; what is missing sends readers back, now with the knowledge of the others. Here reading is best first and
re-reading is gated, and `read` fans out over lanes, never over shards: each lane pulls the next best shard.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any, Protocol, TypedDict, TypeVar

from langgraph.config import get_stream_writer
from langgraph.graph import END, START, StateGraph
from langgraph.graph.state import CompiledStateGraph
from langgraph.types import Send

from extagents import events
from extagents.agents import fusion, planner, single
from extagents.agents.reader import check_quotes
from extagents.agents.reasoner import Judgement, Ladder
from extagents.answers import expected_type, quotable, same, stands_in
from extagents.background import background
from extagents.errors import InputError, RunExists, SettingsError, StoreError
from extagents.frontier import Frontier
from extagents.gate import CallFailed, Stop
from extagents.packing import most_shard_tokens, pack
from extagents.types import Answer, Candidate, Coverage, Plan, ShardText
from extagents.workspace import Wave, Workspace

PUBLISHED_ROUNDS = 5  # T of ExtAgents
T = TypeVar("T")
SMALLEST_SHARD = 256  # tokens: smaller ones cost more in prompts than they hold
FIRST_WAVE = 8_000  # tokens of the first wave where reading may stop early; every further one is twice as large
NEEDED_WAVES = {"quick": 1, "balanced": 2}  # successive waves that must leave the same stable and verified verdict
ROUND_THAT_READS_ALL = 3  # from this round on, an unresolved question re-reads what nothing points at, too
UNSTABLE = 0.5  # confidence of an answer that no second prompt repeated is at most this
MOST_QUESTION = 0.2  # of the window, at most: the rest is for text, knowledge and answer
GLANCE = 20  # titles that the planner sees


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
    """What a reader lane is started with."""

    workspace: str
    lane: int


class Host(Protocol):
    """Who keeps the workspaces of runs: opens them, finds them, and lets go of them in the end."""

    async def open(self, state: State, on_event: Callable[[events.Event], None]) -> Workspace:
        """The workspace of the state's run, opened where the run has none yet."""
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


def build(host: Host) -> CompiledStateGraph[State, Any, State, State]:
    """The compiled graph over the host's workspaces. It needs no checkpointer: the memory is the checkpoint.

    Nodes run in any event loop; their work is done on the background loop, which owns sockets and pools.
    """

    async def at_work(key: str, work: Callable[[Workspace], Awaitable[T]]) -> T:
        workspace = host.find(key)

        async def guarded() -> T:
            try:
                return await work(workspace)
            except BaseException as error:
                shown = await host.fail(workspace, error)
                if shown is error:
                    raise
                raise shown from error

        return await background.run(guarded)

    async def plan_node(state: State) -> State:
        writer, loop = get_stream_writer(), asyncio.get_running_loop()

        def on_event(event: events.Event) -> None:
            if background.here():
                writer(event)
            else:
                loop.call_soon_threadsafe(writer, event)

        workspace = await background.run(lambda: host.open(state, on_event))
        await at_work(workspace.key, plan)
        return {"workspace": workspace.key, "run_id": workspace.run_id}

    async def single_node(state: State) -> State:
        await at_work(state["workspace"], read_at_once)
        return {}

    async def read_node(lane: Lane) -> State:
        await at_work(lane["workspace"], Workspace.read_lane)
        return {}

    async def reason_node(state: State) -> State:
        await at_work(state["workspace"], reason)
        workspace = host.find(state["workspace"])
        read = len(workspace.shards) - len(workspace.unread)
        return {"wave": workspace.wave, "shards_read": read, "facts": len(workspace.ledger)}

    async def fuse_node(state: State) -> State:
        async def work(workspace: Workspace) -> State:
            answer = await fuse(workspace)
            await host.finish(workspace)
            return {"answer": answer.model_dump(mode="json")}

        return await at_work(state["workspace"], work)

    def next_step(workspace: Workspace) -> list[Send] | str:
        while (wave := next_wave(workspace)) is not None:
            if lanes := workspace.start_wave(wave):
                return [Send("read", {"workspace": workspace.key, "lane": lane}) for lane in range(lanes)]
        return "fuse"

    async def read_or_fuse(workspace: Workspace) -> list[Send] | str:
        # On a thread: ranking a large packing would block the loop.
        return await asyncio.to_thread(next_step, workspace)

    async def after_plan(state: State) -> list[Send] | str:
        if fits_at_once(host.find(state["workspace"])):
            return "single"
        return await at_work(state["workspace"], read_or_fuse)

    async def after_single(state: State) -> list[Send] | str:
        workspace = host.find(state["workspace"])
        if workspace.candidates or workspace.stopped_by is not None or not unsure_at_once(workspace):
            return "fuse"
        return await at_work(workspace.key, read_or_fuse)

    async def after_reason(state: State) -> list[Send] | str:
        return await at_work(state["workspace"], read_or_fuse)

    graph = StateGraph(State)
    graph.add_node("plan", plan_node)
    graph.add_node("single", single_node)
    graph.add_node("read", read_node)  # type: ignore[arg-type]
    graph.add_node("reason", reason_node)
    graph.add_node("fuse", fuse_node)
    graph.add_edge(START, "plan")
    graph.add_conditional_edges("plan", after_plan, ["single", "read", "fuse"])
    graph.add_conditional_edges("single", after_single, ["read", "fuse"])
    graph.add_edge("read", "reason")
    graph.add_conditional_edges("reason", after_reason, ["read", "fuse"])
    graph.add_edge("fuse", END)
    return graph.compile(name="extagents")


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
    made = workspace.plan = workspace.stored_plan or await _planned(workspace, titles)
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
    if not await workspace.memory.create_run(workspace.manifest()) and not workspace.resumed:
        raise RunExists(
            f"A run named {workspace.run_id!r} was started meanwhile.", hint="Choose another name.", run_id=workspace.run_id
        )
    await workspace.memory.update_run(workspace.run_id, status="running", state=workspace.state("read"))


async def _planned(workspace: Workspace, titles: list[str]) -> Plan:
    """The planner's plan, or the question itself where the run ends before it has one."""
    request = workspace.request
    alone = planner.tidy(planner.whole(request.question, request.instructions), request.question, "")
    if workspace.settings.budget.calls == 1:
        return alone  # the one call is for the answer
    try:
        made, problem = await workspace.guard(
            planner.plan(
                request.question,
                workspace.desk,
                instructions=request.instructions,
                history=request.history,
                sources=titles,
            )
        )
    except Stop as stop:
        workspace.halt(stop.stopped_by)
        return alone
    if problem:
        workspace.notice(problem)
    return made


def _cut(workspace: Workspace) -> None:
    made, settings, desk = workspace.plan, workspace.settings, workspace.desk
    most = most_shard_tokens(desk.window, output_tokens=desk.output_tokens, knowledge_tokens=desk.knowledge_tokens)
    if most < SMALLEST_SHARD:
        raise SettingsError(
            f"A window of {desk.window} tokens leaves {max(0, most)} for text beside prompt, knowledge and answer.",
            hint="Use a model with a larger window, or lower knowledge_tokens and output_tokens.",
        )
    packing = pack(workspace.corpus, made.queries, shard_tokens=settings.shard_tokens, shared=workspace.shared, most=most)
    ladder = Ladder(made.core, made.kind, expected_type(made.core, made.answer_type), desk, statistics=workspace.corpus.index)
    workspace.adopt(packing, Frontier(workspace.corpus, packing.shards, made.queries), ladder)


# ------------------------------------------------------------------ the single pass


def fits_at_once(workspace: Workspace) -> bool:
    """Whether one call can read everything and has room to answer."""
    desk = workspace.desk
    if workspace.settings.strategy == "parallel" or workspace.stopped_by is not None:
        return False
    room = most_shard_tokens(desk.window, output_tokens=2 * desk.output_tokens, knowledge_tokens=0)
    return workspace.settings.strategy == "single" or sum(shard.tokens for shard in workspace.shards) <= room


async def read_at_once(workspace: Workspace) -> None:
    """Reads what fits the window, best first where not all does, and answers in one call."""
    made, desk = workspace.plan, workspace.desk
    room = most_shard_tokens(desk.window, output_tokens=2 * desk.output_tokens, knowledge_tokens=0)
    chosen: list[int] = []
    for position in list(workspace.unread):
        room -= workspace.shards[position].tokens
        if room < 0:
            break
        chosen.append(position)
    if len(chosen) < len(workspace.shards):
        workspace.notice(f"Only {len(chosen)} of {len(workspace.shards)} shards fit the window; the rest was not read.")
    found = (s for position in chosen for s in workspace.corpus.shard_text(workspace.shards[position]).sections)
    places = {document.id: place for place, document in enumerate(workspace.corpus.documents)}
    sections = tuple(sorted(found, key=lambda section: (places[section.document], section.start)))
    text = ShardText(id=f"single:{workspace.run_id}", sections=sections)
    prompt = single.single_prompt(
        made.core, text, desk, kind=made.kind, answer_type=made.answer_type, statistics=workspace.corpus.index
    )
    workspace.emit(events.Progress(phase="read"))
    try:
        passed, _ = await workspace.guard(single.answer_at_once(prompt, desk))
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
    facts = await asyncio.to_thread(check_quotes, passed.facts, text, workspace.corpus.by_id, shard=text.id)
    verified = tuple(fact for fact in facts if fact.verified)
    answer = passed.answer.strip()
    workspace.passed = passed
    if not passed.answerable or not answer:
        return None
    expected = quotable(made.kind, made.answer_type, answer)
    bearing = tuple(fact for fact in verified if stands_in(answer, (fact.quote,))) if expected else verified
    if bearing:
        workspace.candidates.append(Candidate(path="single", answer=answer, confidence=passed.confidence, facts=verified))
    return None


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


# ------------------------------------------------------------------ what to read next


def next_wave(workspace: Workspace) -> Wave | None:
    """The next superstep's shards, or None when reading is over."""
    if workspace.stopped_by is not None or workspace.fatal is not None or settled(workspace):
        return None
    frontier, settings, kind = workspace.frontier, workspace.settings, workspace.plan.kind
    assert frontier is not None
    pointed = frontier.follow(queries=workspace.open_queries, facts=workspace.fresh, continued=workspace.continued)
    if workspace.unread:
        return _unread_wave(workspace, pointed)
    if kind == "summary" and workspace.phase >= 2:
        return None
    workspace.phase += 1
    if workspace.phase > most_rounds(workspace):
        return None
    unanswered = not workspace.judgement.answered and (not pointed or workspace.phase >= ROUND_THAT_READS_ALL)
    everything = settings.rounds == "all" or unanswered
    if everything and kind != "summary":
        seen = set(pointed)
        rest = frontier.order(position for position in range(len(workspace.shards)) if position not in seen)
        pointed = [*pointed, *rest]
    pointed = [position for position in pointed if workspace.rounds_of.get(position, 0) < most_rounds(workspace)]
    reason = "everything again, with what is known" if everything else "what new names and open queries point at"
    return Wave(tuple(pointed), reason, again=True) if pointed else None


def most_rounds(workspace: Workspace) -> int:
    """How often a shard is read at most."""
    return PUBLISHED_ROUNDS if workspace.settings.rounds == "all" else workspace.settings.rounds


def _unread_wave(workspace: Workspace, pointed: list[int]) -> Wave:
    """All that is unread, or in best-first reading the next part of it, with what is worth reading again beside it."""
    frontier = workspace.frontier
    assert frontier is not None
    order = frontier.order(workspace.unread)
    if not stops_early(workspace):
        return Wave(tuple(order), "everything once, best first")
    workspace.wave_tokens = 2 * workspace.wave_tokens or FIRST_WAVE
    chosen: list[int] = []
    tokens = 0
    for position in order:
        chosen.append(position)
        tokens += workspace.shards[position].tokens
        if tokens >= workspace.wave_tokens:
            break
    again = [position for position in pointed if position not in workspace.unread and position not in workspace.failed]
    again = [position for position in again if workspace.rounds_of[position] < most_rounds(workspace)]
    return Wave((*again, *chosen), "best first")


def stops_early(workspace: Workspace) -> bool:
    """Whether reading may stop before every shard was read once: never for counts, comparisons and summaries."""
    return workspace.settings.effort in NEEDED_WAVES and workspace.plan.kind in ("lookup", "multi_hop")


def settled(workspace: Workspace) -> bool:
    """Whether the verdict lets the reading end: stable and verified, and, where shards are unread, for long enough."""
    if workspace.settings.rounds == "all" or workspace.plan.kind == "summary" or not workspace.judgement.answered:
        return False
    if early(workspace):
        return False
    return not workspace.unread or (stops_early(workspace) and workspace.streak >= NEEDED_WAVES[workspace.settings.effort])


def early(workspace: Workspace) -> bool:
    """Whether a question of several steps was answered from one fact before any reading with knowledge: look once more."""
    steps = len({(fact.document, fact.start) for fact in workspace.judgement.facts})
    return workspace.plan.kind == "multi_hop" and steps < 2 and max(workspace.rounds_of.values(), default=0) < 2


# ------------------------------------------------------------------ reason


async def reason(workspace: Workspace) -> None:
    """Synchronises what the wave found and lets the ladder judge it."""
    await workspace.close_wave()
    if workspace.fatal is not None or workspace.stopped_by is not None or workspace.plan.kind == "summary":
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


# ------------------------------------------------------------------ fuse


async def fuse(workspace: Workspace) -> Answer:
    """The answer that is given, with citations checked once more and an exact account of what was read."""
    if workspace.fatal is not None:
        raise workspace.fatal
    workspace.release()  # from here on only the deadline itself counts
    workspace.emit(events.Progress(phase="fuse", usage=workspace.account.usage))
    failures = _failures(workspace)
    if workspace.stopped_by is not None and workspace.account.trouble:
        workspace.notice(f"When the run ended, the model was failing: {workspace.account.trouble}")
    judgement = await _last_judgement(workspace)
    if judgement.answer and judgement.verified and (judgement.stable or leads(judgement) or workspace.stopped_by):
        confidence = judgement.confidence if judgement.stable else min(UNSTABLE, judgement.confidence)
        workspace.candidates.append(
            Candidate(path="ladder", answer=judgement.answer, confidence=confidence, facts=judgement.facts)
        )
    verified = [fact for fact in workspace.ledger.ranked if fact.verified]
    written: list[str] = []

    def on_delta(text: str) -> None:
        written.append(text)
        workspace.emit(events.AnswerDelta(text=text))

    try:
        outcome = await fusion.fuse(
            workspace.plan,
            workspace.candidates,
            verified,
            workspace.desk,
            schema=workspace.request.schema,
            statistics=workspace.corpus.index,
            on_delta=on_delta,
        )
    except Stop as stop:
        workspace.halt(stop.stopped_by)
        outcome = _unwritten(workspace)
    for notice in (*failures, *outcome.notices):
        workspace.notice(notice)
    citations = fusion.cite(outcome.answer, outcome.facts, workspace.corpus.by_id) if outcome.answer else ()
    if outcome.answer and not citations:
        workspace.notice("An answer was found whose evidence could not be verified; it is not given.")
        outcome = fusion.Outcome()
    answered = bool(outcome.answer)
    if answered and not written:
        workspace.emit(events.AnswerDelta(text=outcome.answer))
    try:
        await workspace.store_events()
    except StoreError as error:
        workspace.notice(f"The run's events could not be stored: {error.message}")
    workspace.answer = Answer(
        answer=outcome.answer,
        answered=answered,
        confidence=round(outcome.confidence, 4) if answered else 0.0,
        kind=workspace.plan.kind,
        strategy=workspace.settings.strategy,
        citations=citations,
        candidates=tuple(candidate.shown for candidate in workspace.candidates),
        notices=tuple(workspace.notices),
        partial=workspace.stopped_by is not None,
        stopped_by=workspace.stopped_by,
        coverage=coverage(workspace),
        usage=workspace.account.usage,
        model=workspace.gate.model("reader").name,
        run_id=workspace.run_id,
        seconds=round(asyncio.get_running_loop().time() - workspace.started, 3),
        data=outcome.data,
    )
    return workspace.answer


def leads(judgement: Judgement) -> bool:
    """Whether an answer that never became stable may be given all the same: several prompts gave it, and no other as often."""
    return judgement.votes > max(1, judgement.rival)


async def _last_judgement(workspace: Workspace) -> Judgement:
    """The ladder's verdict; for a run that was told to end before it had one, one last call over what was found."""
    judgement, ladder = workspace.judgement, workspace.ladder
    ended = workspace.stopped_by is not None and workspace.plan.kind != "summary"
    if not ended or ladder is None or not len(workspace.ledger) or (judgement.answer and judgement.verified):
        return judgement
    paid = ladder.so_far(workspace.ledger.ranked)
    if paid.answer and paid.verified:
        return paid
    try:
        return await ladder.last(workspace.ledger.ranked)
    except (Stop, CallFailed):
        return judgement


def _unwritten(workspace: Workspace) -> fusion.Outcome:
    """The best candidate as it stands, where the call that would have written the answer could not be paid."""
    best = max(workspace.candidates, key=lambda candidate: candidate.confidence, default=None)
    if best is None:
        return fusion.Outcome()
    notice = "The run ended before the answer could be put into the form asked for."
    return fusion.filled(fusion.Outcome(best.answer, best.confidence, best.facts, notices=(notice,)), workspace.request.schema)


def _failures(workspace: Workspace) -> list[str]:
    """What could not be read, in a line; a run in which nothing could be read at all is an error."""
    if not workspace.failed:
        count = len(workspace.partly)
        reason = next(iter(workspace.partly.values()), "")
        return [f"Parts of {count} of {len(workspace.shards)} shards could not be read: {reason}"] if count else []
    reasons = list(dict.fromkeys(workspace.failed.values()))
    count, everything = len(workspace.failed), len(workspace.failed) >= len(workspace.shards)
    if everything and workspace.stopped_by is None:
        raise workspace.every_shard_failed(reasons[0])
    more = f" and {len(reasons) - 1} other reasons" if len(reasons) > 1 else ""
    return [f"{count} of {len(workspace.shards)} shards could not be read: {reasons[0]}{more}"]


def coverage(workspace: Workspace) -> Coverage:
    """How much was read, exactly."""
    return Coverage(
        shards_read=len(workspace.shards) - len(workspace.unread) - len(workspace.failed),
        shards=len(workspace.shards),
        failed=len(workspace.failed),
        tokens_read=workspace.tokens_read,
        tokens=sum(shard.tokens for shard in workspace.shards),
        rounds=workspace.rounds,
    )
