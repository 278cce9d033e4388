"""Reading: the sentences of a shard that bear on a question, alone or through a name that another fact brought up.

A sentence's score is the rarity-weighted share of the question's terms that it covers, its title's and its neighbours' at a
discount. A sentence that a known fact points at (by naming its title, or a name both hold) adds what it covers of the terms
that this fact leaves open: the hop of a two-step question.
"""

from __future__ import annotations

import re
from bisect import bisect_right
from collections.abc import Sequence
from dataclasses import dataclass

from extagents.models.extraction.lexicon import CONTINENTS, COUNTRIES, STATES, STOP
from extagents.models.extraction.names import names_in
from extagents.models.extraction.question import Question
from extagents.models.extraction.spans import clean_title
from extagents.models.extraction.vocabulary import Vocabulary, lowered
from extagents.text import sentence_spans
from extagents.types import Section

TITLE_SHARE = 0.8
NEIGHBOUR_SHARE = 0.4
NAMED = 0.3  # of what no sentence covers, for the first one of a document whose title the question names: it leads on
FOLLOWED = 8  # best sentences of a shard whose names are followed within it
FLOOR = 0.16
KEEP = 0.25
STEP_SHARE = 0.9  # of a rare name's link, for a common one that a step of the question asks for
MAX_QUOTE = 600
_WHOLE = 6000
_WINDOWS = 6
_SCANNED = 400_000

Cover = dict[int, float]
REGIONS = (
    (("country", "nation", "birthplace"), COUNTRIES),
    (("state", "province", "territory", "birthplace"), STATES),
    (("continent",), CONTINENTS),
)
CITIES = ("city", "town", "village", "birthplace", "hometown", "capital", "place")


@dataclass(frozen=True, slots=True)
class Lead:
    """What a known fact opens: names to follow, the question's terms it covers, how relevant it is."""

    names: tuple[str, ...]
    title: str
    covered: Cover
    relevance: float


@dataclass(frozen=True, slots=True)
class Found:
    """A sentence worth reporting: `text == section.text[start:end]`."""

    section: Section
    start: int
    end: int
    text: str
    relevance: float
    covered: Cover


def cover(question: Question, vocabulary: Vocabulary, lower: str) -> Cover:
    """Which terms of the question stand in a lowered text, and how surely (1: the word itself; less: a related word)."""
    found: Cover = {}
    for index, term in enumerate(question.terms):
        for needle in term.needles:
            if needle.share > found.get(index, 0.0) and vocabulary.find(lower, needle):
                found[index] = needle.share
    return found


def weigh(question: Question, covered: Cover) -> float:
    """The share of the question's rarity that is covered, 0 to 1."""
    return sum(question.terms[index].weight * share for index, share in covered.items()) / question.total


def merged(*covers: tuple[Cover, float]) -> Cover:
    """The best cover of each term over several texts, each at a discount."""
    best: Cover = {}
    for covered, share in covers:
        for index, value in covered.items():
            if value * share > best.get(index, 0.0):
                best[index] = value * share
    return best


def lead_names(question: Question, vocabulary: Vocabulary, quote: str, title: str) -> tuple[str, ...]:
    """Names (lowered) that a text brings in and the question does not hold, rare enough to lead somewhere."""
    names: dict[str, None] = {}
    for name in [clean_title(title), *(name.text for name in names_in(quote))]:
        lower = lowered(name)
        if len(lower) < 3 or lower in question.lower or lower in names:
            continue
        if all(word in question.lower for word in re.findall(r"\w+", lower) if word not in STOP):
            continue
        names[lower] = None
        if len(names) >= 16:
            break
    return tuple(names)


def aliases(title: str) -> tuple[str, ...]:
    """A lowered clean title and how texts call it: without its article, and a place without its region."""
    bare = title.removeprefix("the ")
    place, _, region = bare.partition(", ")
    return tuple(dict.fromkeys((bare, title, place))) if region and len(place) > 3 else tuple(dict.fromkeys((bare, title)))


def holds(lower: str, name: str) -> bool:
    """Whether a lowered text holds a lowered name as whole words."""
    at = lower.find(name) if name else -1
    while at >= 0:
        end = at + len(name)
        if (at == 0 or not lower[at - 1].isalnum() or not name[0].isascii()) and (
            end == len(lower) or not lower[end].isalnum() or not name[-1].isascii()
        ):
            return True
        at = lower.find(name, at + 1)
    return False


def rarity(vocabulary: Vocabulary, name: str) -> float:
    """How much sharing a name tells: 1 for one that few passages hold, near 0 for one that is everywhere."""
    if name in COUNTRIES:
        return 0.25
    frequency = vocabulary.frequency(name)
    return 1.0 / max(1.0, frequency - 1.0) ** 0.3 if frequency < vocabulary.passages * 0.2 else 0.1


def telling(question: Question, vocabulary: Vocabulary, name: str) -> float:
    """How much it tells that two texts share a lowered name: its rarity, or that the question asks for its kind on the way."""
    return max(rarity(vocabulary, name), _on_the_way(question, name))


def _on_the_way(question: Question, name: str) -> float:
    """Whether a lowered name is of a kind that the question's steps ask for: countries and the like surely, cities maybe."""
    best = 0.0
    for noun, kind in question.steps:
        for nouns, names in REGIONS:
            if noun in nouns and name in names:
                return STEP_SHARE
        if kind == "place" and noun in CITIES and name not in COUNTRIES and name not in STATES:
            best = 0.5 * STEP_SHARE
    return best


def read(
    question: Question,
    vocabulary: Vocabulary,
    sections: Sequence[Section],
    *,
    leads: Sequence[Lead] = (),
    most: int = 16,
    hops: int = 2,
) -> list[Found]:
    """The best sentences of a shard, best first, at most `most`, two of a short section; empty where nothing reaches the floor.

    `hops` is how often the shard's own best sentences are followed to others of the same shard.
    """
    places = _places(question, vocabulary, sections)
    together = "\n".join(f"{place.clean}\n{place.lower}" for place in places)
    leads = _present(leads, together)
    found: list[Found] = []
    for place in places:
        found.extend(place.sentences(leads))
    for _ in range(hops):
        best = _best(found, FOLLOWED)
        inner = [
            Lead(
                lead_names(question, vocabulary, item.text, item.section.title),
                lowered(clean_title(item.section.title)),
                item.covered,
                item.relevance,
            )
            for item in best
        ]
        inner = _present(inner, together)
        if not inner:
            break
        again: list[Found] = []
        for place in places:
            again.extend(place.sentences([*leads, *(lead for lead in inner if not place.holds_lead(lead))]))
        found = again
    return _chosen(found, most)


def _places(question: Question, vocabulary: Vocabulary, sections: Sequence[Section]) -> list[_Place]:
    """The sections, ready to be read. Terms are looked for once in all of them together: short documents come by the dozen."""
    lowers = [lowered(section.text[:_SCANNED]) for section in sections]
    hits: list[list[tuple[int, int, float]]] = [[] for _ in sections]
    titles: list[Cover] = [{} for _ in sections]
    text_starts, title_starts = _starts(lowers), _starts([section.title for section in sections])
    text = "\n".join(lowers)
    title = "\n".join(lowered(section.title) for section in sections)
    most = 64 + 8 * len(sections)
    for index, term in enumerate(question.terms):
        for needle in term.needles:
            for start, _ in vocabulary.find(text, needle, most=most):
                at = bisect_right(text_starts, start) - 1
                hits[at].append((start - text_starts[at], index, needle.share))
            for start, _ in vocabulary.find(title, needle, most=most):
                cover = titles[bisect_right(title_starts, start) - 1]
                cover[index] = max(needle.share, cover.get(index, 0.0))
    return [
        _Place(question, vocabulary, section, lowers[at], sorted(hits[at]), titles[at]) for at, section in enumerate(sections)
    ]


def _present(leads: Sequence[Lead], text: str) -> list[Lead]:
    """The leads with those of their names that stand in a text at all; those left without a name are dropped."""
    known = {name: name in text for name in dict.fromkeys(name for lead in leads for name in lead.names)}
    kept = ((lead, tuple(name for name in lead.names if known[name])) for lead in leads)
    return [Lead(names, lead.title, lead.covered, lead.relevance) for lead, names in kept if names]


def _starts(texts: Sequence[str]) -> list[int]:
    starts, at = [], 0
    for text in texts:
        starts.append(at)
        at += len(text) + 1
    return starts


class _Place:
    """One section while it is read: its lowered text, and where the question's terms stand."""

    def __init__(
        self,
        question: Question,
        vocabulary: Vocabulary,
        section: Section,
        lower: str,
        hits: list[tuple[int, int, float]],
        in_title: Cover,
    ) -> None:
        self.question, self.vocabulary, self.section = question, vocabulary, section
        self.lower, self.hits, self.in_title = lower, hits, in_title
        self.clean = lowered(clean_title(section.title))
        own: Cover = {}
        for _, index, share in hits:
            own[index] = max(share, own.get(index, 0.0))
        self.potential = weigh(question, merged((own, 1.0), (in_title, TITLE_SHARE))) if own or in_title else 0.0
        clean = clean_title(section.title)
        self.aliases = aliases(self.clean)
        self.named = (len(clean) > 2 and clean[0].isupper() and holds(question.text, clean)) or (
            " " in self.aliases[0] and holds(question.lower, self.aliases[0])
        )
        self._spans: dict[tuple[int, ...], list[tuple[int, int]]] = {}

    def holds_lead(self, lead: Lead) -> bool:
        return bool(self.clean) and lead.title == self.clean

    def sentences(self, leads: Sequence[Lead]) -> list[Found]:
        linked: list[tuple[Lead, float, str]] = []
        for lead in leads:
            if len(self.clean) > 2 and any(alias in lead.names for alias in self.aliases):
                linked.append((lead, 1.0, ""))
                continue
            for name in lead.names:
                if name in self.lower and holds(self.lower, name):
                    strength = 0.6 if name == lead.title else 0.5 * telling(self.question, self.vocabulary, name)
                    linked.append((lead, strength, name))
        if self.potential < FLOOR and not linked and not self.named:
            return []
        extra = [at for _, _, name in linked if name for at in (self.lower.find(name),)]
        return self._score(self._sentence_spans(extra), linked)

    def _sentence_spans(self, extra: list[int]) -> list[tuple[int, int]]:
        key = tuple(sorted(set(extra))) if len(self.lower) > _WHOLE else ()
        if key not in self._spans:
            text = self.section.text
            if len(self.lower) <= _WHOLE:
                self._spans[key] = sentence_spans(text[:_SCANNED])
            else:
                self._spans[key] = [span for start, end in self._windows(extra) for span in _cut(text, start, end)]
        return self._spans[key]

    def _windows(self, extra: list[int]) -> list[tuple[int, int]]:
        """The stretches of a long text where most of the question's terms stand together, in order, none overlapping."""
        width = 500
        weights: dict[int, Cover] = {}
        for at, index, share in self.hits:
            weights.setdefault(at // width, {})[index] = share
        joined = {
            slot: weigh(self.question, covered) + 0.5 * weigh(self.question, weights.get(slot + 1, {}))
            for slot, covered in weights.items()
        }
        best = sorted(joined, key=lambda slot: (-joined[slot], slot))[:_WINDOWS]
        slots = sorted({*best, *(at // width for at in extra[:_WINDOWS])})
        windows: list[tuple[int, int]] = []
        for slot in slots:
            start, end = max(0, slot * width - 600), min(len(self.lower), (slot + 1) * width + 600)
            if windows and start <= windows[-1][1]:
                windows[-1] = (windows[-1][0], end)
            else:
                windows.append((start, end))
        return windows

    def _titled(self, covers: Sequence[Cover]) -> list[Cover]:
        return [merged((own, 1.0), (self.in_title, TITLE_SHARE)) for own in covers]

    def _score(self, spans: list[tuple[int, int]], linked: list[tuple[Lead, float, str]]) -> list[Found]:
        covers: list[Cover] = []
        cursor = 0
        for start, end in spans:
            own: Cover = {}
            while cursor < len(self.hits) and self.hits[cursor][0] < start:
                cursor += 1
            while cursor < len(self.hits) and self.hits[cursor][0] < end:
                _, index, share = self.hits[cursor]
                own[index] = max(share, own.get(index, 0.0))
                cursor += 1
            covers.append(own)
        found: list[Found] = []
        at_start = self.named and self.section.start == 0 and bool(spans) and spans[0][0] < 200
        opening = NAMED * (1.0 - max((weigh(self.question, c) for c in self._titled(covers)), default=0.0)) if at_start else 0.0
        for i, (start, end) in enumerate(spans):
            own = covers[i]
            if not (own or linked or self.named or (i and covers[i - 1]) or (i + 1 < len(spans) and covers[i + 1])):
                continue
            around = [(covers[j], NEIGHBOUR_SHARE) for j in (i - 1, i + 1) if 0 <= j < len(spans)]
            full = merged((own, 1.0), (self.in_title, TITLE_SHARE), *around)
            first = weigh(self.question, full)
            if not own and i:
                first *= 0.7
            if self.named and i == 0:
                first += opening
            joint = first
            sentence = self.lower[start:end]
            for lead, strength, name in linked:
                if name and not holds(sentence, name):
                    continue
                own_cover = merged((own, 1.0), (self.in_title, TITLE_SHARE))
                fresh = {index: share for index, share in own_cover.items() if index not in lead.covered}
                open_weight = 1.0 - weigh(self.question, lead.covered)
                residual = weigh(self.question, fresh) / open_weight if open_weight > 0.02 else 0.0
                base = (0.1 if name else 0.4 if i == 0 else 0.25) if strength else 0.0
                joint = max(joint, first + lead.relevance * strength * (base + (1.0 - base) * min(1.0, residual)))
            if joint < FLOOR:
                continue
            start, end = _trimmed(self.section.text, start, end, [at for at, _, _ in self.hits if start <= at < end])
            if end - start < 2:
                continue
            covered = merged((own, 1.0), (self.in_title, TITLE_SHARE))
            found.append(Found(self.section, start, end, self.section.text[start:end], min(1.0, joint), covered))
        return found


def _cut(text: str, start: int, end: int) -> list[tuple[int, int]]:
    """The whole sentences of a window, and the broken ones at its ends only where the text itself begins or ends there."""
    spans = [(start + a, start + b) for a, b in sentence_spans(text[start:end])]
    if len(spans) > 2:
        if start > 0:
            spans = spans[1:]
        if end < len(text):
            spans = spans[:-1]
    return spans


def _trimmed(text: str, start: int, end: int, hits: list[int]) -> tuple[int, int]:
    """The span without white space at its ends; a long one is cut to 600 characters around the question's terms."""
    if end - start > MAX_QUOTE:
        middle = hits[len(hits) // 2] if hits else start
        left = max(start, min(middle - MAX_QUOTE // 2, end - MAX_QUOTE))
        right = min(end, left + MAX_QUOTE)
        if left > start:
            blank = text.find(" ", left, left + 40)
            left = blank + 1 if blank >= 0 else left
        if right < end:
            blank = text.rfind(" ", right - 40, right)
            right = blank if blank > left else right
        start, end = left, right
    while start < end and text[start].isspace():
        start += 1
    while end > start and text[end - 1].isspace():
        end -= 1
    return start, end


def _best(found: list[Found], most: int) -> list[Found]:
    return sorted(found, key=lambda item: (-item.relevance, item.section.document, item.section.start + item.start))[:most]


def _chosen(found: list[Found], most: int) -> list[Found]:
    """The best sentences, two of a section at most, none far below the best."""
    ranked = _best(found, len(found))
    chosen: list[Found] = []
    per_section: dict[tuple[str, int], int] = {}
    for item in ranked:
        if item.relevance < max(FLOOR, KEEP * ranked[0].relevance) or len(chosen) >= most:
            break
        key = (item.section.document, item.section.start)
        if len(item.section.text) < _WHOLE and per_section.get(key, 0) >= 2:
            continue
        per_section[key] = per_section.get(key, 0) + 1
        chosen.append(item)
    return chosen
