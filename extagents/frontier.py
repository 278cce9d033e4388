"""What to read next: the order of what nobody has read yet, and the gate to what is worth reading again.

Everything here depends on the index, the packing and the set of reports so far, never on the order in which they came.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import numpy as np
import numpy.typing as npt

from extagents.corpus.corpus import Corpus
from extagents.types import Fact, Shard

GATED_SHARDS = 3  # shards read again for every open query, and for every new name (PROTOTYPE: either gate suffices)
MOST_QUERIES = 24  # open queries that one wave follows
MOST_CONTINUED = 24  # interrupted passages that one wave follows
MOST_NAMES = 24  # new names that one wave follows
POINTED_WEIGHT = 0.9  # of what facts point at, beside the plan's own queries, in the order of what is left


class Frontier:
    """The shards of a run in the light of the index. Positions are positions in the packing.

    Without `best_first` the order is that of the packing; what is worth reading again is the same.
    """

    def __init__(self, corpus: Corpus, shards: Sequence[Shard], queries: Sequence[str], *, best_first: bool = True) -> None:
        self._index = corpus.index
        self._best_first = best_first
        self._shards = shards
        self._question = list(queries)
        self._first, self._last = _shards_of_passages(self._index.spans, shards)
        self._pointed: npt.NDArray[np.float32] = np.zeros(len(shards), np.float32)
        self._planned = self._of_shards(self._index.scores(self._question))
        self._names_seen = set(self._index.names_in("\n".join(queries)))
        self._queries_seen: set[str] = set()

    def order(self, positions: Iterable[int]) -> list[int]:
        """The positions best first; what matches nothing comes last, in the order of the packing."""
        if not self._best_first:
            return sorted(positions)
        candidates = np.fromiter(positions, np.int64)
        scores = self._planned[candidates] + POINTED_WEIGHT * self._pointed[candidates]
        return [int(position) for position in candidates[np.lexsort((candidates, -scores))]]

    def follow(self, *, queries: Iterable[str], facts: Iterable[Fact], continued: Iterable[int]) -> list[int]:
        """The shards that new queries, names first met in new facts, and interrupted passages point at: best first, each once.

        Also raises them in the order of what is left. Queries and names that were followed before are not followed again.
        """
        gated: dict[int, float] = {}
        fresh = [query for query in dict.fromkeys(queries) if query not in self._queries_seen][:MOST_QUERIES]
        self._queries_seen.update(fresh)
        for query in fresh:
            self._note(gated, self._of_shards(self._index.scores([query])))
        for name in self._new_names(facts)[:MOST_NAMES]:
            passages = self._index.passages_naming(name)[:64]
            if len(passages):
                scores = np.zeros(len(self._index.spans), np.float32)
                # The index lists the passages of the name's own document first: they come before mere mentions.
                scores[passages] = np.linspace(1.0, 0.5, len(passages), dtype=np.float32)
                self._note(gated, self._of_shards(scores))
        for position in list(continued)[:MOST_CONTINUED]:
            for neighbour in (position - 1, position + 1):
                if 0 <= neighbour < len(self._shards) and _adjoin(self._shards[position], self._shards[neighbour]):
                    gated[neighbour] = max(gated.get(neighbour, 0.0), 0.5)
        return sorted(gated, key=lambda position: (-gated[position], position))

    def _note(self, gated: dict[int, float], scores: npt.NDArray[np.float32]) -> None:
        top = float(scores.max(initial=0.0))
        if top <= 0:
            return
        scores = scores / np.float32(top)
        np.maximum(self._pointed, scores, out=self._pointed)
        best = np.argsort(-scores, kind="stable")[:GATED_SHARDS]
        for position in best:
            if scores[position] > 0:
                gated[int(position)] = max(gated.get(int(position), 0.0), float(scores[position]))

    def _new_names(self, facts: Iterable[Fact]) -> list[str]:
        names: dict[str, None] = {}
        for fact in facts:
            for name in self._index.names_in(f"{fact.claim}\n{fact.quote}"):
                if name not in self._names_seen:
                    names[name] = None
        self._names_seen.update(names)
        return list(names)

    def _of_shards(self, passages: npt.NDArray[np.float32]) -> npt.NDArray[np.float32]:
        """A shard's score is that of its best passage."""
        scores = np.zeros(len(self._shards), np.float32)
        if len(passages):
            np.maximum.at(scores, self._first, passages)
            np.maximum.at(scores, self._last, passages)
        return scores


def _shards_of_passages(
    spans: npt.NDArray[np.int64], shards: Sequence[Shard]
) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.int64]]:
    """For every passage the shard that holds its first character, and the one that holds its last."""
    pieces = np.array(
        [(piece.document, piece.start, position) for position, shard in enumerate(shards) for piece in shard.pieces],
        np.int64,
    ).reshape(-1, 3)
    pieces = pieces[np.lexsort((pieces[:, 1], pieces[:, 0]))]
    wide = np.int64(1) << 40  # no document is longer: document and offset in one sortable number
    keys = pieces[:, 0] * wide + pieces[:, 1]
    first = np.searchsorted(keys, spans[:, 0] * wide + spans[:, 1], side="right") - 1
    last = np.searchsorted(keys, spans[:, 0] * wide + np.maximum(spans[:, 2] - 1, spans[:, 1]), side="right") - 1
    return pieces[np.maximum(first, 0), 2], pieces[np.maximum(last, 0), 2]


def _adjoin(one: Shard, other: Shard) -> bool:
    """Whether the shards hold neighbouring pieces of one document."""
    ends = {(piece.document, piece.end) for piece in one.pieces} & {(piece.document, piece.start) for piece in other.pieces}
    starts = {(piece.document, piece.start) for piece in one.pieces} & {(piece.document, piece.end) for piece in other.pieces}
    return bool(ends or starts)
