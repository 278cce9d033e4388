"""What to read next, and when to stop: best first, gated, and over rounds.

Waves double in size where reading may stop early; otherwise everything is read once. After that, rounds re-read what new names
and open queries point at, and from the third on everything, until the verdict is settled or nothing new can be asked.
"""

from __future__ import annotations

from extagents.types import Fact
from extagents.workspace import Wave, Workspace

PUBLISHED_ROUNDS = 5  # T of ExtAgents
FIRST_WAVE = 8_000  # tokens of the first wave where reading may stop early; every further one is twice as large
NEEDED_WAVES = {"quick": 1, "balanced": 2}  # successive waves that must leave the same stable and verified verdict
RELEVANT = 0.5  # of the best fact's relevance, from which a new one is worth another wave where only evidence is wanted
ROUND_THAT_READS_ALL = 3  # from this round on, an unresolved question re-reads what nothing points at, too


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
    unanswered = unanswered and (not pointed or workspace.phase >= ROUND_THAT_READS_ALL)
    everything = settings.rounds == "all" or "gate" in settings.without or unanswered
    if everything and kind != "summary":
        seen = set(pointed)
        rest = frontier.order(position for position in range(len(workspace.shards)) if position not in seen)
        pointed = [*pointed, *rest]
    pointed = [position for position in pointed if workspace.rounds_of.get(position, 0) < most_rounds(workspace)]
    reason = "everything again, with what is known" if everything else "what new names and open queries point at"
    return Wave(tuple(pointed), reason) if pointed else None


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
