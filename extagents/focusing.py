"""A second packing for an open question: the likeliest passages, from wherever they stand, in small shards.

A reader overlooks more in a long text than in a short one, and reads the same text the same way twice. What is likeliest to
hold what is missing is therefore read once more in other company: passages instead of documents, a thousand tokens at a time,
best first by the question and by what is still looked for.
"""

from __future__ import annotations

import math
from bisect import bisect_right
from collections.abc import Iterable, Sequence

import numpy as np
import numpy.typing as npt

from extagents.corpus.corpus import Corpus
from extagents.corpus.shards import header_tokens, shard_id
from extagents.types import Fact, Piece, Report, Shard

SIZES = ((6_000, 800), (12_000, 1_000), (16_000, 1_000), (16_000, 700))
"""What rounds 2, 3, 4 and 5 focus on: tokens in all, and tokens a shard. Later rounds are like the last. The sizes differ, so
that the same passage is not read in the same company twice."""
MOST_QUERIES = 8  # open queries beside the question that say what is likely
OPEN_WEIGHT = 0.9  # of an open query's best passage, beside the question's


def focused(
    corpus: Corpus, queries: Sequence[str], open_queries: Iterable[str], *, round_: int, most: int | None = None
) -> tuple[Shard, ...]:
    """The shards of a focus in round `round_` (from 2); `most` bounds their tokens. Empty where no passage matches anything.

    Neighbouring passages of one document that come into the same shard are one piece of it.
    """
    tokens, shard_tokens = SIZES[min(round_ - 2, len(SIZES) - 1)]
    shard_tokens = min(shard_tokens, most or shard_tokens)
    index, documents = corpus.index, corpus.documents
    scores = _unit(index.scores(list(queries)))
    for query in list(dict.fromkeys(open_queries))[:MOST_QUERIES]:
        np.maximum(scores, np.float32(OPEN_WEIGHT) * _unit(index.scores([query])), out=scores)
    shards: list[Shard] = []
    passages: list[tuple[int, int, int]] = []
    used = total = 0
    for place in np.argsort(-scores, kind="stable"):
        if scores[place] <= 0 or total >= tokens:
            break
        document, start, end = (int(value) for value in index.spans[place])
        size = corpus.counter.count(documents[document].text[start:end]) + header_tokens(documents[document].title)
        if passages and used + size > shard_tokens:
            shards.append(shard_of(corpus, passages, used))
            passages, used = [], 0
        passages.append((document, start, end))
        used, total = used + size, total + size
    if passages:
        shards.append(shard_of(corpus, passages, used))
    return tuple(shards)


def most_focused(round_: int) -> int:
    """How many shards a focus has at most: any two that follow one another hold more than one may."""
    tokens, shard_tokens = SIZES[min(round_ - 2, len(SIZES) - 1)]
    return 2 * math.ceil((tokens + shard_tokens) / shard_tokens)


def _unit(scores: npt.NDArray[np.float32]) -> npt.NDArray[np.float32]:
    """The scores with 1 as the best of them."""
    top = float(scores.max(initial=0.0))
    return scores / np.float32(top) if top > 0 else np.zeros_like(scores)


def shard_of(corpus: Corpus, passages: Iterable[tuple[int, int, int]], tokens: int) -> Shard:
    """A shard of these passages, (document, start, end) each: neighbours are one piece."""
    pieces: list[Piece] = []
    for document, start, end in sorted(passages):
        last = pieces[-1] if pieces else None
        if last is not None and last.document == document and start <= last.end:
            pieces[-1] = Piece(document=document, start=last.start, end=max(last.end, end))
        else:
            pieces.append(Piece(document=document, start=start, end=end))
    return Shard(id=shard_id(corpus.documents, pieces), position=-1, pieces=tuple(pieces), tokens=tokens)


class Homes:
    """Which shard of the run's packing a place in a document belongs to."""

    def __init__(self, corpus: Corpus, shards: Sequence[Shard]) -> None:
        self._starts: dict[str, list[tuple[int, str]]] = {}
        for shard in shards:
            for piece in shard.pieces:
                self._starts.setdefault(corpus.documents[piece.document].id, []).append((piece.start, shard.id))
        for places in self._starts.values():
            places.sort()

    def settled(self, report: Report) -> Report:
        """The report with every verified fact counted to the shard that its quote stands in: seen twice, it is one source."""
        findings = tuple(
            finding.model_copy(update={"facts": tuple(self._home(fact) for fact in finding.facts)})
            for finding in report.findings
        )
        return report.model_copy(update={"findings": findings})

    def _home(self, fact: Fact) -> Fact:
        places = self._starts.get(fact.document, [])
        at = bisect_right(places, fact.start, key=lambda place: place[0]) - 1 if fact.start is not None else -1
        return fact.model_copy(update={"shard": places[at][1]}) if at >= 0 else fact
