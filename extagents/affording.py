"""What a budget affords: whether the smallest run fits at all, what is kept for the answer, and whether there is room to plan.

Everything is reckoned at the upper bounds that the gate reserves, so that what is let through can make its calls.
"""

from __future__ import annotations

from collections.abc import Sequence

from extagents.agents import planner, single
from extagents.agents.calls import Desk
from extagents.agents.reader import ReadJob, Sources, reader_prompt
from extagents.agents.reasoner import Ladder
from extagents.budget import Amount, Budget
from extagents.corpus.shards import GROWING
from extagents.errors import BudgetTooSmall
from extagents.estimate import estimate
from extagents.models.base import ModelInfo
from extagents.packing import most_shard_tokens
from extagents.types import Estimate, Fact, Plan, ReaderQuestion, ShardText
from extagents.workspace import Workspace

PLAINLY_CALLS = 8  # calls that are plainly enough for a plan, some reading and an answer
KEPT_SHARE = 0.25  # of a budget, at most, that is kept for the final answer, unless a single call takes more
FACTS_KEPT = 8_000  # bytes of facts in each of the calls that are kept for the answer
FEWEST_FACTS = 1_500  # bytes of facts that the last call has room for at least
BYTES_A_TOKEN = 12  # more than a token of any text has


def keep_for_answer(workspace: Workspace) -> Amount:
    """What is kept for the final answer: two calls over the best facts, at most a quarter, but always enough for one."""
    budget, fewest = workspace.settings.budget, fewest_for_answer(workspace)
    more = _last_call(workspace, FACTS_KEPT) if fewest != Amount() else Amount()
    calls, tokens, cost = fewest.calls, fewest.tokens, fewest.cost
    if calls and budget.calls is not None:
        calls = min(2, max(1, int(budget.calls * KEPT_SHARE)))
    if tokens and budget.tokens is not None:
        tokens = max(tokens, min(2 * more.tokens, int(budget.tokens * KEPT_SHARE)))
    if cost and budget.cost is not None:
        cost = max(cost, min(2 * more.cost, budget.cost * KEPT_SHARE))
    return Amount(calls=calls, tokens=tokens, cost=cost)


def fewest_for_answer(workspace: Workspace) -> Amount:
    """One call over few facts, of what the budget limits; nothing where the result takes no call or is read at once."""
    budget = workspace.settings.budget
    if workspace.request.goal == "compress" or workspace.settings.strategy == "single":
        return Amount()
    one = _last_call(workspace, FEWEST_FACTS)
    return Amount(
        calls=0 if budget.calls is None else 1,
        tokens=0 if budget.tokens is None else one.tokens,
        cost=0.0 if budget.cost is None else one.cost,
    )


def kept_of_batch(budget: Budget, desk: Desk, question: str) -> Amount:
    """What of a batch's budget is kept for the answer of one question under way: two calls over the best facts."""
    more = _call_over(desk, question, FACTS_KEPT)
    return Amount(
        calls=0 if budget.calls is None else 2,
        tokens=0 if budget.tokens is None else 2 * more.tokens,
        cost=0.0 if budget.cost is None else 2 * more.cost,
    )


def _last_call(workspace: Workspace, size: int) -> Amount:
    return _call_over(workspace.desk, workspace.request.question, size)


def _call_over(desk: Desk, question: str, size: int) -> Amount:
    """The most that a last call over so many bytes of facts can cost."""
    text = "x" * (size // 2)
    fact = Fact(id="", claim=text, quote=text, document="", start=0, end=0, relevance=0.0, shard="", round=0)
    return desk.gate.upper_bound(Ladder(question, "lookup", "text", desk).prompt((fact,)))


def plan_alone(workspace: Workspace) -> Plan:
    """The plan without a planner."""
    request = workspace.request
    return planner.tidy(planner.whole(request.question, request.instructions), request.question, "")


def plainly_enough(workspace: Workspace, planning: Amount) -> bool:
    """Whether the budget leaves no doubt that it covers the planner, the largest shard that there can be, and the answer."""
    budget, used, kept = workspace.settings.budget, Amount.of(workspace.account.usage), workspace.account.keep
    if not budget.limited or budget.cost is not None:
        return not budget.limited
    reading = BYTES_A_TOKEN * min(workspace.desk.window, workspace.settings.shard_tokens or GROWING[-1][1])
    return (budget.tokens is None or used.tokens + planning.tokens + 2 * reading + kept.tokens <= budget.tokens) and (
        budget.calls is None or used.calls + PLAINLY_CALLS <= budget.calls
    )


def least(workspace: Workspace) -> Amount:
    """What the smallest run over the packing can cost at most: a shard read, and the answer from it."""
    reading, answering = _reading(workspace), _last_call(workspace, FEWEST_FACTS)
    return reading if workspace.request.goal == "compress" else reading + answering


def _reading(workspace: Workspace) -> Amount:
    """The most that reading the first shard can cost, by every head that reads it."""
    shard = workspace.shards[next(iter(workspace.unread))]
    question = ReaderQuestion.model_construct(core=workspace.plan.core, knowledge=(), open_queries=())
    job = ReadJob(
        run=workspace.run_id, shard=shard, round=1, wave=0, questions=(question,), answer_type=workspace.plan.answer_type
    )
    sources = Sources(workspace.corpus.shard_text(shard), workspace.corpus.by_id, workspace.corpus.index)
    one = workspace.gate.tight_bound(reader_prompt(job, sources, workspace.desk))
    heads = workspace.settings.heads if workspace.settings.strategy == "iterative" else 1
    return Amount(calls=heads * one.calls, tokens=heads * one.tokens, cost=heads * one.cost)


def at_once(workspace: Workspace) -> Amount:
    """The most that one pass over what fits the window can cost."""
    made = workspace.plan
    _, text = text_at_once(workspace)
    prompt = single.single_prompt(
        made.core, text, workspace.desk, kind=made.kind, answer_type=made.answer_type, statistics=workspace.corpus.index
    )
    return workspace.gate.tight_bound(prompt)


def text_at_once(workspace: Workspace) -> tuple[Sequence[int], ShardText]:
    """What fits the window, best first where not all does: the shards' positions, and their text in document order."""
    desk = workspace.desk
    room = most_shard_tokens(desk.window, output_tokens=2 * desk.output_tokens, knowledge_tokens=0)
    chosen: list[int] = []
    for position in list(workspace.unread):
        room -= workspace.shards[position].tokens
        if room < 0:
            break
        chosen.append(position)
    found = (s for position in chosen for s in workspace.corpus.shard_text(workspace.shards[position]).sections)
    places = {document.id: place for place, document in enumerate(workspace.corpus.documents)}
    sections = tuple(sorted(found, key=lambda section: (places[section.document], section.start)))
    return chosen, ShardText(id=f"single:{workspace.run_id}", sections=sections)


def room_to_plan(workspace: Workspace, planning: Amount, info: ModelInfo, *, fits: bool) -> bool:
    """Whether the budget covers the planner beside the smallest run; where all `fits` one pass, that is a run, too.

    Raises `BudgetTooSmall` where it does not even cover the run: before anything is spent. A run that is gone on with is not
    refused; it gives what it has. `info` is what is known of the readers' model.
    """
    account, settings = workspace.account, workspace.settings
    ways = [] if settings.strategy == "single" else [least(workspace)]
    if fits or not ways:
        ways.append(at_once(workspace))
    if not any(account.covers(way, keep=Amount()) for way in ways):
        if account.usage.calls:
            return False
        if account.parent is not None and any(account.covers_alone(way) for way in ways):
            account.parent.exhausted = True  # the batch's budget has ended, not the question's
            workspace.halt("budget")
            return False
        local = workspace.gate.model("reader").local
        question, corpus, window = workspace.request.question, workspace.corpus, workspace.desk.window
        whole = estimate(question, corpus, settings, window, info, local=local, shared=workspace.shared)
        raise refusal(settings.budget, min(ways, key=lambda way: (way.calls, way.tokens)), whole)
    planned = any(account.covers(way, keep=planning) for way in ways)
    if settings.strategy != "single":
        beside = planning if planned else Amount()
        if not account.covers(_reading(workspace), keep=account.keep + beside):
            account.keep = fewest_for_answer(workspace)  # what is kept must not leave too little to read anything
    return planned


def refusal(budget: Budget, smallest: Amount, whole: Estimate) -> BudgetTooSmall:
    """The error for a budget that covers nothing, with what would do."""
    given = [
        *([f"{budget.calls:,} call{'s' if budget.calls > 1 else ''}"] if budget.calls is not None else []),
        *([f"{budget.tokens:,} tokens"] if budget.tokens is not None else []),
        *([f"{budget.cost:g} USD"] if budget.cost is not None else []),
    ]
    tokens = [low + more for low, more in zip(whole.input_tokens, whole.output_tokens, strict=True)]
    cost = f" and {smallest.cost:.6f} USD" if budget.cost is not None else ""
    whole_cost = f", {whole.cost[0]:.4f} to {whole.cost[1]:.4f} USD" if budget.cost is not None and whole.cost else ""
    return BudgetTooSmall(
        f"The budget of {' and '.join(given)} does not cover the smallest run: {smallest.calls} "
        f"{'call' if smallest.calls == 1 else 'calls'} and {smallest.tokens:,} tokens{cost} at most (the whole question: "
        f"{whole.calls[0]:,} to {whole.calls[1]:,} calls, {tokens[0]:,} to {tokens[1]:,} tokens{whole_cost}).",
        hint="Raise --max-calls, --max-tokens or --max-cost, or give smaller shards (--shard-tokens).",
    )
