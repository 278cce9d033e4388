"""The ledger: what all readers found, duplicates merged, best first, and what of it fits a budget.

Pure functions over reports; no store. The result depends on the set of reports alone, never on the order in which they
came. Only facts of one document are merged, so a document is re-merged alone when new facts of it arrive.
"""

from __future__ import annotations

import re
import unicodedata
from collections import defaultdict
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from hashlib import blake2b

from extagents.types import Fact, Report

SAME_SPAN = 0.7  # shared part of two quotes' union, in characters, from which they are one quote
SAME_CLAIM = 95.0  # rapidfuzz score from which two wordings are one claim
MOST_WORDINGS = 64  # claims with the same names and numbers in one document; above it only equal wordings are merged
CORROBORATION_BONUS = 0.02  # per further independent source, at most three: breaks near-ties, never beats relevance

_WORD = re.compile(r"\w+")
_CJK = re.compile(r"[\u3040-\u30ff\u3400-\u4dbf\u4e00-\u9fff\uf900-\ufaff\uac00-\ud7af]")
_NEGATION = re.compile(r"no|not|never|none|neither|nor|without|nobody|nothing|nowhere|hardly|cannot|n|t")
_OPENER = re.compile(r"an?|the|this|these|that|those|s?he|it|they|we|i|you|his|her|its|their|in|on|at|by|of|to|as")


def fact_id(document: str, claim: str, start: int | None = None, end: int | None = None) -> str:
    """The id of a fact, 16 hexadecimal digits: of its span where the quote was located, else of its wording."""
    where = claim if start is None else f"{start}:{end}"
    raw = f"{document}\0{'claim' if start is None else 'span'}\0{where}".encode("utf-8", "surrogatepass")
    return blake2b(raw, digest_size=8).hexdigest()


def fact_tokens(fact: Fact) -> int:
    """An estimate of the tokens a fact takes in a prompt: a quarter of its characters, Chinese, Japanese and Korean whole."""
    text = f"{fact.claim}{fact.quote}{fact.title}"
    wide = 0 if text.isascii() else len(_CJK.findall(text))
    return (len(text) - wide) // 4 + wide + 8


@dataclass(frozen=True, slots=True)
class Entry:
    """A merged fact, the only shard it comes from (None: several), and its claims' normal forms."""

    fact: Fact
    only: str | None
    sources: frozenset[tuple[str, str]]
    claims: tuple[str, ...]


class Ledger:
    """The facts of a set of reports for one question, merged and ranked."""

    def __init__(self, question: int = 0) -> None:
        self._question = question
        self._seen: set[tuple[int, str, str]] = set()
        self._facts: dict[str, list[Fact]] = {}
        self._merged: dict[str, tuple[Entry, ...]] = {}
        self._entries: tuple[Entry, ...] | None = None
        self._ranked: tuple[Fact, ...] | None = None
        self._sizes: dict[Callable[[Fact], int], list[int]] = {}

    @classmethod
    def of(cls, reports: Iterable[Report], question: int = 0) -> Ledger:
        """The ledger of these reports for the question at this place in each report's `findings`."""
        return cls(question).extend(reports)

    def extend(self, reports: Iterable[Report]) -> Ledger:
        """A ledger of the reports so far and these, the same as one built anew; this one stays as it is."""
        grown = Ledger(self._question)
        grown._seen = set(self._seen)
        grown._merged = dict(self._merged)
        fresh: dict[str, list[Fact]] = defaultdict(list)
        for report in reports:
            key = (report.round, report.shard, report.version)
            if report.failure is not None or key in grown._seen:  # one that failed may be replaced
                continue
            grown._seen.add(key)
            if self._question < len(report.findings):
                for fact in report.findings[self._question].facts:
                    fresh[fact.document].append(fact)
        grown._facts = {**self._facts, **{document: self._facts.get(document, []) + facts for document, facts in fresh.items()}}
        for document in fresh:
            grown._merged[document] = merge(grown._facts[document])
        return grown

    @property
    def ranked(self) -> tuple[Fact, ...]:
        """Every fact, best first: relevance, with a small bonus for independent sources; verified first among equals."""
        if self._ranked is None:
            self._ranked = tuple(entry.fact for entry in self._ranked_entries())
        return self._ranked

    def __len__(self) -> int:
        return sum(map(len, self._merged.values()))

    def knowledge(
        self, budget_tokens: int, *, without: str | None = None, size: Callable[[Fact], int] = fact_tokens
    ) -> tuple[Fact, ...]:
        """The top of the ledger that fits `budget_tokens`, facts known from shard `without` alone left out.

        It ends at the first fact that does not fit; a fact larger than the whole budget is passed over. The cost does
        not grow with the ledger: sizes are counted once, and only what is returned is looked at.
        """
        entries = self._ranked_entries()
        sizes = self._sizes.setdefault(size, [])
        chosen: list[Fact] = []
        left = budget_tokens
        for position, entry in enumerate(entries):
            if without is not None and entry.only == without:
                continue
            while len(sizes) <= position:
                sizes.append(size(entries[len(sizes)].fact))
            if sizes[position] > left:
                if sizes[position] > budget_tokens > 0:
                    continue
                break
            chosen.append(entry.fact)
            left -= sizes[position]
        return tuple(chosen)

    def _ranked_entries(self) -> tuple[Entry, ...]:
        if self._entries is None:
            self._entries = tuple(sorted(corroborated(self._merged.values()), key=_rank))
        return self._entries


def _rank(entry: Entry) -> tuple[float, bool, str, str]:
    fact = entry.fact
    score = fact.relevance + CORROBORATION_BONUS * min(fact.corroboration - 1, 3)
    return (-round(score, 9), not fact.verified, fact.id, fact.document)


def corroborated(documents: Iterable[Sequence[Entry]]) -> list[Entry]:
    """The entries with `corroboration` counted: distinct (document, shard) that say it, in whatever document they stand.

    Reading a shard again in another round, or saying it in other words, is no independent source.
    """
    entries = [entry for group in documents for entry in group]
    first: dict[str, Entry] = {}
    several: dict[str, set[tuple[str, str]]] = {}  # most claims are made once: only the others need a set
    for entry in entries:
        for claim in entry.claims:
            earlier = first.setdefault(claim, entry)
            if earlier is not entry:
                several.setdefault(claim, set(earlier.sources)).update(entry.sources)
    counted: list[Entry] = []
    for entry in entries:
        count = len(entry.sources.union(*(several[claim] for claim in entry.claims if claim in several)))
        if count != entry.fact.corroboration:
            fact = entry.fact.model_copy(update={"corroboration": count})
            entry = Entry(fact, entry.only, entry.sources, entry.claims)
        counted.append(entry)
    return counted


# ------------------------------------------------------------------ merging within one document


def merge(facts: Sequence[Fact]) -> tuple[Entry, ...]:
    """One document's facts, duplicates made one: same or nearly same span, same wording, nearly same wording."""
    if len(facts) == 1:
        return (_entry([facts[0]], [normal(facts[0].claim)]),)
    facts = sorted(facts, key=_preference)
    claims = [normal(fact.claim) for fact in facts]
    groups = _Groups(len(facts))
    _join_equal(groups, facts, claims)
    _join_spans(groups, facts, claims)
    _join_wordings(groups, facts, claims)
    members: dict[int, list[int]] = defaultdict(list)
    for position in range(len(facts)):
        members[groups.root(position)].append(position)
    return tuple(_entry([facts[i] for i in group], [claims[i] for i in group]) for group in members.values())


def _alone(fact: Fact, claim: str) -> Entry:
    return Entry(fact, fact.shard, frozenset(((fact.document, fact.shard),)), (claim,) if claim else ())


def _entry(facts: list[Fact], claims: list[str]) -> Entry:
    best = facts[0]  # members keep the order of preference
    if len(facts) == 1 and best.corroboration == 1:
        return _alone(best, claims[0])
    relevance = max(fact.relevance for fact in facts)
    if relevance != best.relevance or best.corroboration != 1:
        best = best.model_copy(update={"relevance": relevance, "corroboration": 1})
    shards = {fact.shard for fact in facts}
    only = best.shard if len(shards) == 1 else None
    return Entry(best, only, frozenset((best.document, shard) for shard in shards), tuple(sorted({c for c in claims if c})))


def _preference(fact: Fact) -> tuple[bool, float, int, int, int, str, str, int, str]:
    start, end = (-1, -1) if fact.start is None or fact.end is None else (fact.start, fact.end)
    return (not fact.verified, -fact.relevance, -len(fact.quote), start, end, fact.claim, fact.quote, fact.round, fact.shard)


def normal(claim: str) -> str:
    """A claim's normal form: words only, case and width folded."""
    return " ".join(_WORD.findall(unicodedata.normalize("NFKC", claim).casefold()))


def landmarks(claim: str) -> str:
    """What two wordings of one claim must share in this order: names, numbers, negations; "" where nothing can be said.

    A text without spaces between words (Chinese) has no such landmarks: there only equal wordings are one claim.
    """
    if _CJK.search(claim):
        return ""
    kept: list[str] = []
    for position, word in enumerate(_WORD.findall(unicodedata.normalize("NFKC", claim))):
        folded = word.casefold()
        named = word[0].isupper() and not (position == 0 and _OPENER.fullmatch(folded))
        if named or _NEGATION.fullmatch(folded) or any(character.isdigit() for character in word):
            kept.append(folded)
    return " ".join(kept)


class _Groups:
    """Disjoint sets of positions; the smallest position is a set's root, whatever the order of joins."""

    def __init__(self, size: int) -> None:
        self._parent = list(range(size))

    def root(self, position: int) -> int:
        parent = self._parent
        while parent[position] != position:
            parent[position] = parent[parent[position]]
            position = parent[position]
        return position

    def join(self, one: int, other: int) -> None:
        first, second = self.root(one), self.root(other)
        if first != second:
            self._parent[max(first, second)] = min(first, second)


def _join_equal(groups: _Groups, facts: Sequence[Fact], claims: Sequence[str]) -> None:
    """Equal spans and equal wordings."""
    first: dict[object, int] = {}
    for position, fact in enumerate(facts):
        if fact.verified:
            groups.join(first.setdefault((fact.start, fact.end), position), position)
        if not fact.verified or claims[position]:
            groups.join(first.setdefault(claims[position] or ("no words", fact.claim), position), position)


def _join_spans(groups: _Groups, facts: Sequence[Fact], claims: Sequence[str]) -> None:
    """Quotes that cover nearly the same characters, or overlap at all under nearly the same wording."""
    from rapidfuzz import fuzz

    spans: dict[tuple[int, int], int] = {}
    for position, fact in enumerate(facts):
        if fact.start is not None and fact.end is not None:
            spans.setdefault((fact.start, fact.end), position)
    ordered = sorted(spans)
    for place, (start, end) in enumerate(ordered):
        for other in ordered[place + 1 : place + 1 + MOST_WORDINGS]:
            if other[0] >= end:
                break
            shared = min(end, other[1]) - other[0]
            one, two = spans[start, end], spans[other]
            if shared >= SAME_SPAN * (max(end, other[1]) - start) or (
                landmarks(facts[one].claim) == landmarks(facts[two].claim)
                and fuzz.token_set_ratio(claims[one], claims[two]) >= SAME_CLAIM
            ):
                groups.join(one, two)


def _join_wordings(groups: _Groups, facts: Sequence[Fact], claims: Sequence[str]) -> None:
    """Unverified facts to the fact that says nearly the same with the same names, numbers and negations.

    Two located quotes in different places are never made one by likeness alone: one of the two would be lost.
    """
    unverified = {landmarks(fact.claim) for fact in facts if not fact.verified}
    unverified.discard("")
    if not unverified:
        return
    buckets: dict[str, dict[str, int]] = defaultdict(dict)
    for position, fact in enumerate(facts):
        mark = landmarks(fact.claim)
        if mark in unverified:
            buckets[mark].setdefault(claims[position], position)
    for bucket in buckets.values():
        if 1 < len(bucket) <= MOST_WORDINGS:
            _join_bucket(groups, facts, bucket)


def _join_bucket(groups: _Groups, facts: Sequence[Fact], bucket: dict[str, int]) -> None:
    from rapidfuzz import fuzz

    wordings = sorted(bucket, key=lambda claim: bucket[claim])
    for place, claim in enumerate(wordings):
        if facts[bucket[claim]].verified:
            continue
        # Verified facts come first in the order of preference, so the best of equals is the first.
        scored = [(fuzz.token_set_ratio(claim, other), -at, other) for at, other in enumerate(wordings[:place])]
        score, _, best = max(scored, default=(0.0, 0, ""))
        if score >= SAME_CLAIM:
            groups.join(bucket[best], bucket[claim])
