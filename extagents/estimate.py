"""What asking would cost, lowest and highest, before anything is spent."""

from __future__ import annotations

import math
from collections.abc import Sequence

from extagents.computing import REPAIRS
from extagents.corpus.corpus import Corpus
from extagents.focusing import most_focused
from extagents.models.base import ModelInfo
from extagents.packing import PROMPT, most_shard_tokens, notes_budget, pack
from extagents.remembering import MOST_BATCHES
from extagents.sampling import COUNT, SAMPLE_TOKENS
from extagents.schedule import FIRST_WAVE, NEEDED_WAVES, PUBLISHED_ROUNDS
from extagents.settings import Settings
from extagents.types import Estimate, Shard

READING = 150  # tokens a reader writes, on average
TABLE = 1_000  # tokens of a table's columns in a reader's prompt, at most as a rule
TABLE_CALLS = COUNT + 2 + 2 * (REPAIRS + 1)  # proposals, names that look alike, and two statements with their repairs
RUNGS = 4  # calls of a ladder over a short ledger
FEW_FACTS = 500  # tokens of facts in a rung of a short ledger
MOST_RUNGS = 12  # calls of a ladder that fills the window; doubling rungs and both orders are at most three windows


def estimate(
    question: str, corpus: Corpus, settings: Settings, window: int, info: ModelInfo, *, local: bool, shared: bool
) -> Estimate:
    """Lowest: the first waves settle it, or one pass over what fits. Highest: every round re-reads all; retries are apart."""
    output, knowledge = min(settings.output_tokens, window // 4), min(settings.knowledge_tokens, window // 8)
    most = most_shard_tokens(window, output_tokens=output, knowledge_tokens=knowledge)
    in_order = settings.strategy == "iterative"
    packing = pack(corpus, [question], shard_tokens=settings.shard_tokens, shared=shared or in_order, most=most)
    tokens = sum(shard.tokens for shard in packing.shards)
    count = len(packing.shards)
    rounds = PUBLISHED_ROUNDS if settings.rounds == "all" else settings.rounds
    room = most_shard_tokens(window, output_tokens=2 * output, knowledge_tokens=0)
    if settings.strategy == "single":
        low_calls = high_calls = 2
        low_input = high_input = min(tokens, room) + 2 * PROMPT
    elif in_order:
        heads, recalls = settings.heads, 1 if rounds == 1 else 2
        low_calls, high_calls = 1 + count * heads + recalls, 2 + (2 * count * heads + recalls) * rounds
        notes = notes_budget(settings.memory_tokens, window)
        low_input = tokens * heads + PROMPT
        high_input = ((tokens + 2 * count * (PROMPT + 2 * notes)) * heads + recalls * window) * rounds + 2 * window
    else:
        first_calls, first_tokens = _first(packing.shards, settings)
        waves = rounds + (math.ceil(math.log2(tokens / FIRST_WAVE + 1)) if settings.effort in NEEDED_WAVES else 0)
        rungs = waves * MOST_RUNGS
        low_calls = 1 + first_calls + RUNGS
        low_input = first_tokens + low_calls * PROMPT + RUNGS * FEW_FACTS
        focus = 0 if settings.rounds == "all" else sum(most_focused(round_) for round_ in range(2, rounds + 1))
        beside = MOST_BATCHES + 3 if settings.strategy == "fused" else 0  # notes, recalls, and the pass over compressed context
        high_calls = 2 + count * rounds + focus + rungs + beside
        high_input = (tokens + count * (PROMPT + knowledge)) * rounds + focus * (2 * PROMPT + knowledge)
        high_input += waves * 3 * window + (2 + beside) * window
        if settings.strategy == "fused" and "table" not in settings.without:  # where it turns out to be computed
            table = pack(corpus, [], shard_tokens=settings.shard_tokens, shared=True, most=most)
            high_calls += len(table.shards) + TABLE_CALLS
            high_input += tokens + len(table.shards) * (PROMPT + TABLE) + TABLE_CALLS * (SAMPLE_TOKENS + PROMPT)
        if tokens <= room and settings.strategy != "parallel":
            low_calls, low_input = 2, tokens + 2 * PROMPT
            high_calls, high_input = high_calls + 1, high_input + tokens
    output_tokens = (low_calls * READING, high_calls * output)
    cost = None
    if local:
        cost = (0.0, 0.0)
    elif info.prices is not None:
        prices = info.prices
        cost = (
            (low_input * prices.input + output_tokens[0] * prices.output) / 1e6,
            (high_input * prices.input + output_tokens[1] * prices.output) / 1e6,
        )
    return Estimate(
        shards=count,
        tokens=tokens,
        packing=packing.name,
        calls=(low_calls, high_calls),
        input_tokens=(low_input, high_input),
        output_tokens=output_tokens,
        cost=cost,
        model=info.name,
    )


def _first(shards: Sequence[Shard], settings: Settings) -> tuple[int, int]:
    """Shards and tokens of the least that may be read: all of it where reading never stops early."""
    waves = NEEDED_WAVES.get(settings.effort)
    room = sum(shard.tokens for shard in shards) if waves is None else FIRST_WAVE * (2**waves - 1)
    calls = tokens = 0
    for shard in shards:
        if tokens >= room:
            break
        calls, tokens = calls + 1, tokens + shard.tokens
    return calls, tokens
