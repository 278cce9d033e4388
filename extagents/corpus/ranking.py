"""How passages are ranked for a query: BM25, names in the query, then hops along the mentions.

    first(d) = (BM25(d) + phrases(d)) / max  + `title` if the query names d's title
    hop, `steps` times, from each of the `seeds` best passages p:
        score(d) = first(d) + max over p of  decay^step · score(p) · link(p, d) · (base + gain · residual(p, d))

The words of a name count little in passages that hold them without naming it. `residual` is the BM25 of d on what p leaves
open of the query, the best passage 1. `link` is strongest where p names d's title, weaker where d names p's title or both
hold another name, the rarer the stronger. A hop in a question is a name that p brings and the question does not.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

import numpy as np
import numpy.typing as npt

from extagents.corpus import names as nm
from extagents.corpus import terms as t
from extagents.corpus.postings import Postings

Floats = npt.NDArray[np.float32]

MOST_TERMS = 64
"""Terms of a query that are looked at, the rarest ones: a pasted document as a question stays cheap."""
LIKELY = 4_096
"""Passages, the best by BM25, whose residual is worked out; a linked one beyond them counts as adding nothing."""


@dataclass(frozen=True)
class Weights:
    """The constants of the ranking; `benchmarks/recall.py --ablation` prints what each part is worth."""

    seeds: int = 10  # best passages that a hop starts from
    steps: int = 2  # hops
    decay: float = 0.85  # what a score loses in a hop
    base: float = 0.4  # of a link, whatever the passage says
    gain: float = 1.6  # of a link, for what the passage adds to the query's open terms
    title: float = 2.0  # for a document whose title the query names, or a passage that defines the name
    phrase: float = 1.0  # for a passage that holds several words of the query as one name, times the name's rarity
    inside: float = 0.3  # left of a name's words where they stand without the name
    own: float = 1.0  # link to the document whose title is named, or the passage that defines the name
    back: float = 0.6  # link to passages that name the seed's title, over the root of how many they are
    shared: float = 0.4  # link by any other name that both passages hold, times its rarity
    asked: float = 0.3  # left of a link by a name that the query holds itself
    sentence: float = 0.3  # how much less a name links that stands in a sentence without any word of the query
    rival: float = 0.7  # left of a link to all but the best of the passages under one title
    faint: float = 0.1  # rarity below which a name links nothing


@dataclass(frozen=True)
class Layout:
    """What the ranking knows of the passages, as parallel arrays.

    `spans` as in the index; `title` groups passages by equal title; `terms` and `sentences` give for every word its term
    (-1: none) and its sentence within the passage, whose words start at `words_at`; `uncased` are hashes of one-word names
    that were defined in lower case.
    """

    spans: npt.NDArray[np.int64]
    documents: int
    title: npt.NDArray[np.int64]
    terms: npt.NDArray[np.int32]
    sentences: npt.NDArray[np.uint16]
    words_at: npt.NDArray[np.int64]
    uncased: npt.NDArray[np.uint64]


@dataclass(frozen=True)
class _Query:
    numbers: list[int]  # terms that the corpus knows
    rarity: Floats  # their inverse document frequency
    columns: list[tuple[npt.NDArray[np.int32], Floats]]  # for each term the passages that hold it, and its weight there
    ideal: float  # the BM25 of a passage that holds nothing but the query
    names: dict[int, str]  # names in it that are in no longer one
    nested: set[int]  # all names in it


class Ranking:
    """Scores every passage of an index for a query. Holds no state but its arrays."""

    def __init__(
        self, layout: Layout, postings: Postings, mentions: nm.Mentions, vocabulary: dict[str, int], weights: Weights
    ) -> None:
        self._layout = layout
        self._postings = postings
        self._mentions = mentions
        self._vocabulary = vocabulary
        self._weights = weights
        self._count = count = len(layout.spans)
        self._first = np.searchsorted(layout.spans[:, 0], np.arange(layout.documents + 1))
        self._frequency = np.diff(mentions.passages_at)
        self._log = float(np.log(max(count, 2)))
        # Squared: a name that a tenth of the passages holds says next to nothing about any of them.
        self._rarity: Floats = (1 - np.log(np.maximum(self._frequency, 1)) / self._log).clip(0).astype(np.float32) ** 2
        named = np.repeat(np.arange(len(mentions.keys)), np.diff(mentions.owners_at))
        order = np.argsort(mentions.owners, kind="stable")
        self._titles = named[order]
        self._titles_at = np.searchsorted(mentions.owners[order], np.arange(layout.documents + 1))

    # ------------------------------------------------------------------ names

    def names_of(self, text: str) -> Iterator[tuple[str, int, bool]]:
        """Names in a text, longest first at every word: as folded words, number, and whether it lies within a longer one."""
        words = t.word_tokens(text)
        folded = [t.fold(word) for word in words]
        spans, keys = [], []
        for start in range(len(words)):
            key = 0
            for end in range(start + 1, min(start + nm.LONGEST, len(words)) + 1):
                key = nm.extend_key(key, folded[end - 1])
                spans.append((start, end))
                keys.append(key)
        if not len(self._mentions.keys) or not keys:
            return
        hashes = np.array(keys, np.uint64)
        at = np.minimum(np.searchsorted(self._mentions.keys, hashes), len(self._mentions.keys) - 1)
        defined = self._mentions.defined[at]
        covered = 0
        for i in sorted(np.flatnonzero(self._mentions.keys[at] == hashes).tolist(), key=lambda i: (spans[i][0], -spans[i][1])):
            start, end = spans[i]
            if end - start == 1 and not self._may_stand_alone(words[start], folded[start], int(at[i])):
                continue
            if end - start > 1 and not defined[i] and not (_solid(words[start]) and _solid(words[end - 1])):
                continue  # "total sales" asks for no company's "Total Sales"
            yield _spelled(folded[start:end]), int(at[i]), end <= covered
            covered = max(covered, end)

    def _may_stand_alone(self, word: str, folded: str, number: int) -> bool:
        if folded in t.STOP_WORDS or len(folded) < 2:
            return False
        if _solid(word):
            return True
        # A module's or a function's name, unless half of the corpus uses the word anyhow.
        ordinary = 1 / 16 if len(self._mentions.owned(number)) else 1 / 4
        return self._rarity[number] >= ordinary and nm.among(self._layout.uncased, self._mentions.keys[number])

    # ------------------------------------------------------------------ scores

    def bm25(self, query: str) -> tuple[Floats, float]:
        """BM25 of every passage, the best one 1, and the share of the query (0 … 1) that the best one covers."""
        asked = self._query(query, names=False)
        total = self._total(asked.columns)
        top = float(total.max(initial=0.0))
        return (total, 0.0) if top <= 0 else (total / np.float32(top), min(1.0, top / asked.ideal))

    def full(self, query: str) -> tuple[Floats, float]:
        """The score of every passage by names and hops, the best one 1, and the share of the query that BM25's best covers."""
        w = self._weights
        asked = self._query(query, names=True)
        total = self._total(asked.columns)
        top = float(total.max(initial=0.0))
        if top <= 0:
            return total, 0.0
        share = min(1.0, top / asked.ideal)
        columns = self._discounted(query, asked)
        total = self._total(columns)
        for number, name in asked.names.items():
            if self._is_phrase(number, name):
                total[self._mentions.mentioning(number)] += np.float32(w.phrase * self._rarity[number] * self._log)
        first = total / np.float32(total.max())
        bonus = np.zeros_like(first)
        for number in asked.names:
            worth = np.float32(w.title * np.sqrt(self._rarity[number]))
            for document in self._mentions.owned(number).tolist():
                inside = slice(self._first[document], self._first[document + 1])
                # Of a long document not every passage is meant.
                share_of_best = first[inside] / max(float(first[inside].max(initial=0.0)), 1e-6)
                bonus[inside] = np.maximum(bonus[inside], worth * share_of_best)
            homes = self._mentions.at_home(number)
            bonus[homes] = np.maximum(bonus[homes], worth)
        score = self._hops(first + bonus, asked, self._residuals(total, columns))
        return score / score.max(), share

    def _query(self, query: str, *, names: bool) -> _Query:
        terms = dict.fromkeys(t.text_terms(query))
        numbers = [number for term in terms if (number := self._vocabulary.get(term)) is not None]
        if len(numbers) > MOST_TERMS:
            numbers = sorted(numbers, key=self._postings.frequency)[:MOST_TERMS]
            terms = dict.fromkeys(map(str, numbers))
        frequency = np.array([self._postings.frequency(number) for number in numbers], np.float32)
        rarity = np.log(1 + (self._count - frequency + 0.5) / (frequency + 0.5)).astype(np.float32)
        unknown = (len(terms) - len(numbers)) * float(np.log(2 * self._count + 2))
        found = list(self.names_of(query)) if names else []
        return _Query(
            numbers,
            rarity,
            columns=[self._postings.column(number) for number in numbers],
            ideal=float(rarity.sum()) + unknown,
            names={number: name for name, number, within in found if not within},
            nested={number for _, number, _ in found},
        )

    def _is_phrase(self, number: int, name: str) -> bool:
        """Whether a name is of several words; Chinese characters that merely recur together are not counted as such."""
        return " " in name or (t.is_ideograph(name[0]) and bool(self._mentions.defined[number]))

    def _total(self, columns: list[tuple[npt.NDArray[np.int32], Floats]]) -> Floats:
        total = np.zeros(self._count, np.float32)
        for passages, values in columns:
            total[passages] += values
        return total

    def _discounted(self, query: str, asked: _Query) -> list[tuple[npt.NDArray[np.int32], Floats]]:
        """The columns, less for a name's words in passages that do not hold the name, unless the query has them elsewhere."""
        columns = list(asked.columns)
        rows = {number: row for row, number in enumerate(asked.numbers)}
        terms = t.text_terms(query)
        for number, name in asked.names.items():
            owned = self._mentions.owned(number)
            if not len(owned) and not self._is_phrase(number, name):
                continue
            kept = np.full(self._count, self._weights.inside, np.float32)
            kept[self._mentions.mentioning(number)] = 1
            for document in owned.tolist():
                kept[self._first[document] : self._first[document + 1]] = 1
            inner = t.text_terms(name)
            for term in set(inner):
                row = rows.get(self._vocabulary.get(term, -1))
                if row is not None and terms.count(term) == inner.count(term):
                    passages, values = columns[row]
                    columns[row] = passages, values * kept[passages]
        return columns

    def _residuals(self, total: Floats, columns: list[tuple[npt.NDArray[np.int32], Floats]]) -> Callable[[list[int]], Floats]:
        """A function from seeds to what every passage adds to each of them: seeds × passages, the best passage 1.

        A seed covers a term as far as the term's weight in it comes near the highest that it has anywhere.
        """
        likely = np.sort(_best(total, LIKELY))
        place = np.full(self._count, -1, np.int64)
        place[likely] = np.arange(len(likely))
        matrix = np.zeros((len(columns), len(likely)), np.float32)
        peaks = np.full((len(columns), 1), 1e-6, np.float32)
        for row, (passages, values) in enumerate(columns):
            at = place[passages]
            matrix[row, at[at >= 0]] = values[at >= 0]
            peaks[row] = max(float(values.max(initial=0.0)), 1e-6)

        def residuals(seeds: list[int]) -> Floats:
            covered = np.zeros((len(columns), len(seeds)), np.float32)
            known = place[seeds] >= 0
            covered[:, known] = matrix[:, place[seeds][known]]
            added = np.maximum(0, 1 - covered / peaks).T @ matrix
            everywhere = np.zeros((len(seeds), self._count), np.float32)
            everywhere[:, likely] = added / np.maximum(added.max(axis=1, initial=0.0), 1e-6)[:, None]
            return everywhere

        return residuals

    def _hops(self, first: Floats, asked: _Query, residuals: Callable[[list[int]], Floats]) -> Floats:
        w = self._weights
        score = first.copy()
        links: dict[int, tuple[npt.NDArray[np.int64], Floats]] = {}
        for step in range(1, w.steps + 1):
            seeds = _best(score, w.seeds).tolist()
            fresh = [seed for seed in seeds if seed not in links]
            for seed, residual in zip(fresh, residuals(fresh), strict=True):
                linked, strength = self._links(seed, asked)
                strength *= w.base + w.gain * residual[linked]
                links[seed] = linked, self._rivals(linked, strength)
            reached = np.zeros_like(score)
            for seed in seeds:
                linked, strength = links[seed]
                reached[linked] = np.maximum(reached[linked], np.float32(w.decay**step * score[seed]) * strength)
            score = np.maximum(score, first + reached)
        return score

    # ------------------------------------------------------------------ links

    def _links(self, seed: int, asked: _Query) -> tuple[npt.NDArray[np.int64], Floats]:
        """Passages that share a name with the seed, in corpus order, and how strongly each is linked."""
        w, m = self._weights, self._mentions
        document = int(self._layout.spans[seed, 0])
        titles = self._titles[self._titles_at[document] : self._titles_at[document + 1]]
        names, force = self._names_of_seed(seed, asked)
        foreign = ~np.isin(names, titles)
        names, force = names[foreign], force[foreign]

        frequency = self._frequency[names]
        usable = (frequency >= 2) & (self._rarity[names] >= w.faint)
        shared = _gather(m.passages_at, m.passages, names[usable])
        shared_force = np.repeat(w.shared * force[usable] * self._rarity[names[usable]], frequency[usable])
        back = _gather(m.passages_at, m.passages, titles)
        back_force = np.repeat(w.back / np.sqrt(np.maximum(self._frequency[titles], 1)), self._frequency[titles])
        owners = _gather(m.owners_at, m.owners, names)
        owner_force = np.repeat(w.own * force, np.diff(m.owners_at)[names])
        sizes = np.diff(self._first)[owners]
        own = _gather(self._first, np.arange(self._count), owners)
        homes = _gather(m.homes_at, m.homes, names)
        home_force = np.repeat(w.own * force, np.diff(m.homes_at)[names])

        passages = np.concatenate((shared, back, own, homes))
        strength = np.concatenate((shared_force, back_force, np.repeat(owner_force, sizes), home_force)).astype(np.float32)
        best = np.zeros(self._count, np.float32)
        np.maximum.at(best, passages, strength)
        best[seed] = 0
        linked = np.flatnonzero(best)
        return linked, best[linked]

    def _names_of_seed(self, seed: int, asked: _Query) -> tuple[npt.NDArray[np.int64], Floats]:
        """The names that a passage mentions, and how much each counts by the sentence that it stands in."""
        w, layout = self._weights, self._layout
        found, sentences = self._mentions.in_passage(seed)
        names, group = np.unique(found, return_inverse=True)
        words = slice(layout.words_at[seed], layout.words_at[seed + 1])
        terms, where = layout.terms[words], layout.sentences[words]
        covered = np.zeros(int(where.max(initial=0)) + 1, np.float32)
        for number, rarity in zip(asked.numbers, asked.rarity, strict=True):
            covered[np.unique(where[terms == number])] += rarity
        covered /= max(float(covered.max()), 1e-6)
        best = np.zeros(len(names), np.float32)
        np.maximum.at(best, group, covered[sentences])
        force = 1 - w.sentence + w.sentence * best
        force[np.isin(names, list(asked.nested))] *= w.asked
        return names.astype(np.int64), force.astype(np.float32)

    def _rivals(self, linked: npt.NDArray[np.int64], strength: Floats) -> Floats:
        """Weakens all links but the strongest among passages under one title: a name leads to one place."""
        titles = self._layout.title[linked]
        best = np.zeros(int(titles.max(initial=0)) + 1, np.float32)
        np.maximum.at(best, titles, strength)
        strength[strength < best[titles]] *= np.float32(self._weights.rival)
        return strength


def _gather(at: npt.NDArray[np.int64], values: npt.NDArray[Any], rows: npt.NDArray[Any]) -> npt.NDArray[np.int64]:
    """The values of several rows of a CSR matrix, joined."""
    starts, sizes = at[rows], at[rows + 1] - at[rows]
    offsets = np.arange(int(sizes.sum())) - np.repeat(np.cumsum(sizes) - sizes, sizes)
    gathered: npt.NDArray[np.int64] = values[np.repeat(starts, sizes) + offsets].astype(np.int64)
    return gathered


def _best(score: Floats, count: int) -> npt.NDArray[np.int64]:
    """The positions of the highest scores above 0, best first; of equal ones the earlier."""
    candidates = np.flatnonzero(score > 0)
    if count < len(candidates):
        held = score[candidates]
        candidates = candidates[held >= np.partition(held, len(held) - count)[len(held) - count]]
    best: npt.NDArray[np.int64] = candidates[np.argsort(-score[candidates], kind="stable")][:count]
    return best


def _solid(word: str) -> bool:
    return word[0].isupper() or word[0].isdigit() or t.is_ideograph(word)


def _spelled(words: list[str]) -> str:
    """Folded words as one name: Chinese characters stand side by side, all else is parted by blanks."""
    spelled = words[0]
    for before, word in pairwise(words):
        spelled += word if t.is_ideograph(before) and t.is_ideograph(word) else f" {word}"
    return spelled
