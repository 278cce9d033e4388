"""How passages are ranked for a query: BM25, then hops along the mentions."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise

import numpy as np
import numpy.typing as npt

from extagents.corpus import names as nm
from extagents.corpus import terms as t
from extagents.corpus.postings import Postings

Floats = npt.NDArray[np.float32]


@dataclass(frozen=True)
class Weights:
    """The constants of the ranking."""

    seeds: int = 10
    steps: int = 2
    title: float = 1.6
    decay: float = 0.85
    base: float = 0.4
    gain: float = 1.6
    own: float = 1.0
    back: float = 0.6
    shared: float = 0.4
    rarity: float = 0.3
    common: float = 0.02


class Ranking:
    """Scores every passage of an index for a query."""

    def __init__(
        self,
        *,
        spans: npt.NDArray[np.int64],
        documents: int,
        postings: Postings,
        mentions: nm.Mentions,
        vocabulary: dict[str, int],
        weights: Weights = Weights(),
    ) -> None:
        self._spans = spans
        self._documents = documents
        self._postings = postings
        self._mentions = mentions
        self._vocabulary = vocabulary
        self.weights = weights
        self._first = np.searchsorted(spans[:, 0], np.arange(documents + 1))
        self._owned = _owned(mentions, documents)

    def names_of(self, text: str, *, nested: bool = True) -> list[tuple[str, int]]:
        """Names in a text with their numbers, in order; `nested=False` leaves out those within a longer one."""
        words = t.word_tokens(text)
        folded = [t.fold(word) for word in words]
        found: list[tuple[str, int]] = []
        covered = 0
        for start in range(len(words)):
            for length in range(min(nm.LONGEST, len(words) - start), 0, -1):
                if not nested and start + length <= covered:
                    break
                phrase = folded[start : start + length]
                if length == 1 and (
                    phrase[0] in t.STOP_WORDS
                    or len(phrase[0]) < 2
                    or not (words[start][0].isupper() or words[start][0].isdigit())
                ):
                    continue
                number = self._mentions.find(nm.name_key(phrase))
                if number >= 0 and (_spelled(phrase), number) not in found:
                    found.append((_spelled(phrase), number))
                    covered = max(covered, start + length)
                    if not nested:
                        break
        return found

    def bm25(self, query: str) -> Floats:
        """BM25 of every passage, the best one at most 1."""
        numbers = self._numbers(query)
        total = np.zeros(len(self._spans), np.float32)
        for number in numbers:
            rows, weights = self._postings.column(number)
            total[rows] += weights
        top = float(total.max(initial=0.0))
        return total if top <= 0 else np.divide(total, top, dtype=np.float32)

    def _numbers(self, query: str) -> list[int]:
        return [number for term in dict.fromkeys(t.text_terms(query)) if (number := self._vocabulary.get(term)) is not None]

    def full(self, query: str) -> Floats:
        w = self.weights
        numbers = self._numbers(query)
        count = len(self._spans)
        matrix = np.zeros((len(numbers), count), np.float32)
        for row, number in enumerate(numbers):
            rows, values = self._postings.column(number)
            matrix[row, rows] = values
        total: Floats = matrix.sum(axis=0)
        top = float(total.max(initial=0.0))
        if top <= 0:
            return total
        first = total / np.float32(top)
        asked = self.names_of(query)
        titled = {int(document) for _, name in asked for document in self._mentions.owned(name)}
        for document in titled:
            first[self._first[document] : self._first[document + 1]] += np.float32(w.title)
        score: Floats = first.copy()
        for step in range(w.steps):
            seeds = np.argsort(-score, kind="stable")[: w.seeds]
            updated = score.copy()
            for seed in seeds.tolist():
                linked, strength = self._links(seed)
                if not len(linked):
                    continue
                open_terms = matrix[:, seed] == 0
                residual = matrix[np.ix_(open_terms, linked)].sum(axis=0)
                peak = float(matrix[open_terms].sum(axis=0).max(initial=0.0))
                if peak > 0:
                    residual = residual / peak
                value = first[linked] + np.float32(w.decay ** (step + 1)) * score[seed] * strength * (
                    w.base + w.gain * residual
                )
                updated[linked] = np.maximum(updated[linked], value)
            score = updated
        score /= score.max()
        return score

    def _links(self, seed: int) -> tuple[npt.NDArray[np.int64], Floats]:
        w = self.weights
        m = self._mentions
        strength = np.zeros(len(self._spans), np.float32)
        names = np.unique(m.in_passage(seed)[0])
        limit = max(25, int(w.common * len(self._spans)))
        for name in names.tolist():
            mentioning = m.mentioning(name)
            if 2 <= len(mentioning) <= limit:
                strength[mentioning] += np.float32(w.shared * (len(mentioning) - 1) ** -w.rarity)
        document = int(self._spans[seed, 0])
        for name in self._owned[document]:
            mentioning = m.mentioning(name)
            if len(mentioning):
                strength[mentioning] = np.maximum(strength[mentioning], np.float32(w.back / len(mentioning) ** 0.5))
        for name in names.tolist():
            for owner in m.owned(name).tolist():
                if owner != document:
                    strength[self._first[owner] : self._first[owner + 1]] = w.own
        strength[seed] = 0
        linked = np.flatnonzero(strength)
        return linked, strength[linked]


def _owned(mentions: nm.Mentions, documents: int) -> list[list[int]]:
    owned: list[list[int]] = [[] for _ in range(documents)]
    names = np.repeat(np.arange(len(mentions.keys)), np.diff(mentions.owners_at))
    for name, document in zip(names.tolist(), mentions.owners.tolist(), strict=True):
        owned[document].append(name)
    return owned


def _spelled(words: list[str]) -> str:
    """Folded words as one name: Chinese characters stand side by side, all else is parted by blanks."""
    spelled = words[0]
    for before, word in pairwise(words):
        spelled += word if t.is_ideograph(before) and t.is_ideograph(word) else f" {word}"
    return spelled
