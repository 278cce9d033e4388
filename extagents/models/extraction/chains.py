"""Facts as evidence, and the chains that they form: what each covers of a question, and which leads to which."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from extagents.models.extraction.question import Question
from extagents.models.extraction.reading import TITLE_SHARE, Cover, cover, holds, lead_names, merged, rarity, weigh
from extagents.models.extraction.spans import clean_title
from extagents.models.extraction.vocabulary import Vocabulary, lowered
from extagents.types import Fact

MOST_FACTS = 48


@dataclass(frozen=True, slots=True)
class Evidence:
    """A fact prepared for reasoning. `label` is its 1-based number in the prompt; `hits` are (start, end, term, share)."""

    label: int
    fact: Fact
    quote: str
    lower: str
    title: str
    clean: str
    hits: tuple[tuple[int, int, int, float], ...]
    own: Cover
    covered: Cover
    names: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Chain:
    """Facts that lead to the answer's, which stands last; the share of the question they cover together."""

    evidence: tuple[Evidence, ...]
    covered: float


def prepare(question: Question, vocabulary: Vocabulary, facts: Sequence[Fact]) -> list[Evidence]:
    """Facts as evidence, at most 48: the most relevant where there are more."""
    labelled = list(enumerate(facts, start=1))
    if len(labelled) > MOST_FACTS:
        labelled = sorted(sorted(labelled, key=lambda item: (-item[1].relevance, item[0]))[:MOST_FACTS])
    prepared: list[Evidence] = []
    for label, fact in labelled:
        quote = fact.quote[:2000]
        lower = lowered(quote)
        hits: list[tuple[int, int, int, float]] = []
        for index, term in enumerate(question.terms):
            for needle in term.needles:
                hits.extend((start, end, index, needle.share) for start, end in vocabulary.find(lower, needle))
        own: Cover = {}
        for _, _, index, share in hits:
            own[index] = max(share, own.get(index, 0.0))
        title = clean_title(fact.title)
        covered = merged((own, 1.0), (cover(question, vocabulary, lowered(fact.title)), TITLE_SHARE))
        names = lead_names(question, vocabulary, quote, title)
        prepared.append(Evidence(label, fact, quote, lower, title, lowered(title), tuple(sorted(hits)), own, covered, names))
    return prepared


def link(vocabulary: Vocabulary, a: Evidence, b: Evidence) -> float:
    """How surely one fact leads to another, 0 to 1: it names the other's title, or both hold a rare name."""
    if a.clean and a.clean == b.clean:
        return 0.8
    best = 0.0
    if b.clean and b.clean in a.names:
        best = 1.0
    elif a.clean and a.clean in b.names:
        best = 0.9
    else:
        for name in a.names:
            if name in b.lower and holds(b.lower, name):
                best = max(best, 0.7 * rarity(vocabulary, name))
    return best


def chains(question: Question, vocabulary: Vocabulary, evidence: Sequence[Evidence]) -> list[Chain]:
    """For each fact, the best chain that ends in it, of at most three facts."""
    size = len(evidence)
    alone = [weigh(question, item.covered) for item in evidence]
    links = [[0.0] * size for _ in range(size)]
    for i in range(size):
        for j in range(i + 1, size):
            strength = max(link(vocabulary, evidence[i], evidence[j]), link(vocabulary, evidence[j], evidence[i]))
            links[i][j] = links[j][i] = strength
    found: list[Chain] = []
    for last in range(size):
        best = Chain((evidence[last],), alone[last])
        pairs: list[tuple[float, int]] = []
        for i in range(size):
            if i == last or links[i][last] <= 0.05:
                continue
            joint = weigh(question, merged((evidence[i].covered, 1.0), (evidence[last].covered, 1.0)))
            value = alone[last] + (joint - alone[last]) * (0.4 + 0.6 * links[i][last])
            pairs.append((value, i))
            if value > best.covered + 0.03:
                best = Chain((evidence[i], evidence[last]), value)
        for value, i in sorted(pairs, reverse=True)[:6]:
            both = merged((evidence[i].covered, 1.0), (evidence[last].covered, 1.0))
            joint = weigh(question, both)
            for j in range(size):
                if j in (i, last) or links[j][i] <= 0.05:
                    continue
                third = weigh(question, merged((both, 1.0), (evidence[j].covered, 1.0)))
                extended = value + (third - joint) * (0.4 + 0.6 * links[j][i]) * 0.9
                if extended > best.covered + 0.05:
                    best = Chain((evidence[j], evidence[i], evidence[last]), extended)
        found.append(best)
    return found
