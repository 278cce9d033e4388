"""Facts as evidence, and the chains that they form: what each covers of a question, and which leads to which."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

from extagents.models.extraction.question import Question
from extagents.models.extraction.reading import TITLE_SHARE, Cover, aliases, cover, holds, lead_names, merged, telling, weigh
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
    """Facts that lead to the answer's, which stands last; the share of the question they cover together.

    `link` is how surely the last but one leads to the last (0: there is none); `parted` how well the question falls into two
    parts of which the last fact covers the one that asks and the others cover the rest, 0 to 1.
    """

    evidence: tuple[Evidence, ...]
    covered: float
    link: float = 0.0
    parted: float = 0.0


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


def link(question: Question, vocabulary: Vocabulary, a: Evidence, b: Evidence) -> float:
    """How surely one fact leads to another, 0 to 1: it names the other's title, or both hold a rare name."""
    if a.clean and a.clean == b.clean:
        return 0.8
    best = 0.0
    if b.clean and any(alias in a.names for alias in aliases(b.clean)):
        best = 1.0
    elif a.clean and any(alias in b.names for alias in aliases(a.clean)):
        best = 0.9
    else:
        for name in a.names:
            if name in b.lower and holds(b.lower, name):
                best = max(best, 0.7 * telling(question, vocabulary, name))
    return best


def chains(question: Question, vocabulary: Vocabulary, evidence: Sequence[Evidence]) -> list[Chain]:
    """For each fact, the best chain that ends in it, of at most three facts."""
    size = len(evidence)
    alone = [weigh(question, item.covered) for item in evidence]
    links = [[0.0] * size for _ in range(size)]
    for i in range(size):
        for j in range(i + 1, size):
            strength = max(
                link(question, vocabulary, evidence[i], evidence[j]), link(question, vocabulary, evidence[j], evidence[i])
            )
            links[i][j] = links[j][i] = strength
    index = {item.label: at for at, item in enumerate(evidence)}
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
        if len(best.evidence) > 1:
            earlier = merged(*((item.covered, 1.0) for item in best.evidence[:-1]))
            strength = links[index[best.evidence[-2].label]][last]
            best = replace(best, link=strength, parted=_parted(question, earlier, best.evidence[-1].covered))
        found.append(best)
    return found


def _parted(question: Question, earlier: Cover, last: Cover) -> float:
    """The best cut of the question's terms in two: shares of rarity that the last fact covers of the part with the question
    word and that the earlier facts cover of the other part, multiplied."""
    terms = question.terms
    size = len(terms)
    if size < 2:
        return 0.0
    weights = [term.weight for term in terms]
    by_last = [weight * last.get(i, 0.0) for i, weight in enumerate(weights)]
    by_earlier = [weight * earlier.get(i, 0.0) for i, weight in enumerate(weights)]
    asking = max(range(size), key=lambda i: (terms[i].head, -i))
    best = 0.0
    for cut in range(1, size):
        left, right = slice(0, cut), slice(cut, size)
        outer, inner = (left, right) if asking < cut else (right, left)
        share = sum(by_last[outer]) / sum(weights[outer]) * sum(by_earlier[inner]) / sum(weights[inner])
        best = max(best, share)
    return best
