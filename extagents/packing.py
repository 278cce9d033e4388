"""How a run's input is cut into shards: shards that grow down the ranking for one question, or the corpus' own order."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from extagents.corpus.corpus import Corpus
from extagents.corpus.shards import GROWING
from extagents.types import Shard

FIXED = 4_000  # tokens of a shard where the packing is shared between questions
IN_BATCH = 8_000  # the same in a batch, where what a question adds to a shard's text costs more than the text
PROMPT = 1_400  # tokens of a reader's prompt beside shard, knowledge and answer


@dataclass(frozen=True, slots=True)
class Packing:
    """The shards of a run and the rule that made them."""

    name: str
    shards: Sequence[Shard]


def most_shard_tokens(window: int, *, output_tokens: int, knowledge_tokens: int) -> int:
    """The largest shard that fits the window beside prompt, knowledge and answer; a tenth is left for the counting."""
    return int((window - PROMPT - knowledge_tokens - output_tokens) * 0.9)


def notes_budget(memory_tokens: int, window: int) -> int:
    """Tokens of the memory agent's notes: what was set, at most an eighth of the window."""
    return max(128, min(memory_tokens, window // 8))


def pack(
    corpus: Corpus, queries: Sequence[str], *, shard_tokens: int | None, shared: bool, most: int, fixed: int = FIXED
) -> Packing:
    """Cuts the corpus. `shard_tokens` means shards of one size; `shared` keeps corpus order; `most` bounds every shard.

    `fixed` is the size of shared shards where none is given.
    """
    if shared:
        size = min(shard_tokens or fixed, most)
        return Packing(f"corpus order, {size} tokens", corpus.shards(size))
    wanted = GROWING if shard_tokens is None else ((None, shard_tokens),)
    sizes = tuple((limit, min(size, most)) for limit, size in wanted)
    named = ", ".join(str(size) for size in dict.fromkeys(size for _, size in sizes))
    return Packing(f"by rank, {named} tokens", corpus.ranked_shards(queries, sizes=sizes))
