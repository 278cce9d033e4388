"""What asking would cost, lowest and highest, before anything is spent."""

from __future__ import annotations

from extagents.corpus.corpus import Corpus
from extagents.graph import FIRST_WAVE, NEEDED_WAVES
from extagents.models.base import ModelInfo
from extagents.packing import PROMPT, most_shard_tokens, pack
from extagents.settings import Settings
from extagents.types import Estimate

READING = 150  # tokens a reader writes, on average
RUNGS = 4  # calls of a ladder over a short ledger
MOST_RUNGS = 10


def estimate(
    question: str, corpus: Corpus, settings: Settings, window: int, info: ModelInfo, *, local: bool, shared: bool
) -> Estimate:
    """Lowest: the first waves bring a stable verdict (or one pass over what fits). Highest: every round re-reads everything."""
    output = min(settings.output_tokens, window // 4)
    most = most_shard_tokens(window, output_tokens=output, knowledge_tokens=settings.knowledge_tokens)
    packing = pack(corpus, [question], shard_tokens=settings.shard_tokens, shared=shared, most=most)
    tokens = sum(shard.tokens for shard in packing.shards)
    count = len(packing.shards)
    rounds = 5 if settings.rounds == "all" else settings.rounds
    ladder_tokens = settings.knowledge_tokens * 4
    first_calls, first_tokens = _first(packing.shards, settings)
    fits = tokens <= most_shard_tokens(window, output_tokens=2 * output, knowledge_tokens=0)
    if fits and settings.strategy != "parallel":
        low_calls, low_input = 2, tokens + 2 * PROMPT
    else:
        low_calls = 1 + first_calls + RUNGS
        low_input = first_tokens + (low_calls * PROMPT) + RUNGS * 500
    high_calls = 1 + count * rounds + MOST_RUNGS * rounds + 1
    high_input = (tokens + count * (PROMPT + settings.knowledge_tokens)) * rounds + MOST_RUNGS * rounds * ladder_tokens
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


def _first(shards: object, settings: Settings) -> tuple[int, int]:
    """Shards and tokens of the least that may be read: all of it where reading never stops early."""
    listed = list(shards)  # type: ignore[call-overload]
    waves = NEEDED_WAVES.get(settings.effort)
    if waves is None:
        return len(listed), sum(shard.tokens for shard in listed)
    room, calls, tokens = FIRST_WAVE * (2**waves - 1), 0, 0
    for shard in listed:
        if tokens >= room:
            break
        calls, tokens = calls + 1, tokens + shard.tokens
    return calls, tokens
