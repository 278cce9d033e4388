"""What to read next, and when to stop: best first, gated, and over rounds.

Waves double in size where reading may stop early; otherwise everything is read once. After that, rounds re-read what new names
and open queries point at and, while the question is open, the likeliest passages in small shards; the third also searches half
of the input, first what nobody has read with knowledge. They end when the verdict is settled or the rounds are used up.
"""

from __future__ import annotations

from collections.abc import Sequence

from extagents.focusing import focused
from extagents.types import Fact, Shard
from extagents.workspace import Wave, Workspace

PUBLISHED_ROUNDS = 5  # T of ExtAgents
FIRST_WAVE = 8_000  # tokens of the first wave where reading may stop early; every further one is twice as large
NEEDED_WAVES = {"quick": 1, "balanced": 2}  # successive waves that must leave the same stable and verified verdict
RELEVANT = 0.5  # of the best fact's relevance, from which a new one is worth another wave where only evidence is wanted
ROUND_THAT_READS_ALL = 3  # from this round on, the memory agent's passes re-read what nothing points at, too
ROUND_THAT_READS_MORE = 3  # in this round an open question re-reads what is neither pointed at nor likely, too
GATED_SHARE = 0.1  # of the input that a round re-reads at most because names and open queries point at it
MORE_SHARE = 0.5  # of the input that the third round reads in the search for what nobody noticed


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
    unanswered = workspace.judged and not workspace.judgement.answered
    everything = settings.rounds == "all" or "gate" in settings.without
    focus: tuple[Shard, ...] = ()
    reason = "what new names and open queries point at"
    if everything and kind != "summary":
        pointed = list(dict.fromkeys((*pointed, *frontier.order(range(len(workspace.shards))))))
        reason = "everything again, with what is known"
    elif workspace.judged:
        total = sum(shard.tokens for shard in workspace.shards)
        again: list[int] = []
        if unanswered and workspace.phase == ROUND_THAT_READS_MORE:
            order = frontier.order(range(len(workspace.shards)))
            least = sorted(order, key=lambda position: workspace.rounds_of.get(position, 0))
            again = _best(workspace, least, MORE_SHARE * total)
        if unanswered and "best_first" not in settings.without:
            focus = _focus(workspace)
            reason = "what is pointed at, and the likeliest passages in small shards"
        pointed = list(dict.fromkeys((*_best(workspace, pointed, GATED_SHARE * total), *again)))
    pointed = [position for position in pointed if workspace.rounds_of.get(position, 0) < most_rounds(workspace)]
    return Wave(tuple(pointed), reason, focus) if pointed or focus else None


def _focus(workspace: Workspace) -> tuple[Shard, ...]:
    looked_for = (*workspace.judgement.queries, *workspace.open_queries)
    most = workspace.settings.shard_tokens
    return focused(workspace.corpus, workspace.plan.queries, looked_for, round_=workspace.phase, most=most)


def _best(workspace: Workspace, positions: Sequence[int], tokens: float) -> list[int]:
    """The first of the positions until they hold so many tokens, the one that goes beyond included."""
    chosen: list[int] = []
    for position in positions:
        if tokens <= 0:
            break
        chosen.append(position)
        tokens -= workspace.shards[position].tokens
    return chosen


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
    chosen = _best(workspace, order, workspace.wave_tokens)
    ungated = "gate" in workspace.settings.without
    again = sorted(workspace.rounds_of) if ungated else _best(workspace, pointed, workspace.wave_tokens)
    again = [position for position in again if position not in workspace.unread and position not in workspace.failed]
    again = [position for position in again if workspace.rounds_of[position] < most_rounds(workspace)]
    return Wave((*again, *chosen), "best first")


def stops_early(workspace: Workspace) -> bool:
    """Whether reading may stop before every shard was read once: never for counts, comparisons and summaries."""
    return workspace.settings.effort in NEEDED_WAVES and workspace.plan.kind in ("lookup", "multi_hop")


def settled(workspace: Workspace) -> bool:
    """Whether the verdict lets the reading end: stable and verified, and, where shards are unread, for long enough."""
    if workspace.request.goal == "compress":
        return _collected(workspace)
    if workspace.settings.rounds == "all" or workspace.plan.kind == "summary" or not workspace.judgement.answered:
        return False
    if early(workspace):
        return False
    return not workspace.unread or (stops_early(workspace) and workspace.streak >= NEEDED_WAVES[workspace.settings.effort])


def _collected(workspace: Workspace) -> bool:
    """Whether enough was found where only the evidence is wanted: where shards are unread, `NEEDED_WAVES` successive waves have
    to bring nothing more; after that, one."""
    if workspace.settings.rounds == "all":
        return False
    if workspace.unread:
        return stops_early(workspace) and workspace.streak >= NEEDED_WAVES[workspace.settings.effort]
    return workspace.streak >= 1


def brought_nothing(workspace: Workspace) -> bool:
    """Whether the last wave brought nothing that would be kept: no new fact that is half as relevant as the best one, among
    those whose quotes fit the tokens asked for. Before anything was found every wave may bring something."""
    best = next((fact.relevance for fact in workspace.ledger.ranked if fact.verified), None)
    if best is None:
        return False
    fresh = {fact.id for fact in workspace.fresh if fact.verified and fact.relevance >= RELEVANT * best}
    kept = workspace.ledger.knowledge(workspace.request.tokens, size=_quote_tokens) if fresh else ()
    return not any(fact.id in fresh for fact in kept)


def _quote_tokens(fact: Fact) -> int:
    return len(fact.quote) // 4 + 1


def early(workspace: Workspace) -> bool:
    """Whether a question of several steps was answered from one fact before any reading with knowledge: look once more."""
    steps = len({(fact.document, fact.start) for fact in workspace.judgement.facts})
    return workspace.plan.kind == "multi_hop" and steps < 2 and max(workspace.rounds_of.values(), default=0) < 2
