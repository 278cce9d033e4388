"""From sentences to one text: nothing said twice, under a length, with markers that are numbered over the whole."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

from extagents.memory.ledger import landmarks, normal
from extagents.prose import joined, marked, words_in
from extagents.types import Citation, Fact

TWICE = 90.0  # rapidfuzz score from which two sentences say the same


@dataclass(frozen=True, slots=True)
class Sentence:
    """A sentence that holds: its text without markers, and the verified facts it rests on."""

    text: str
    facts: tuple[Fact, ...]
    new_paragraph: bool = False

    @property
    def relevance(self) -> float:
        """That of its most relevant fact."""
        return max(fact.relevance for fact in self.facts)


def said_before(text: str, seen: Sequence[str]) -> bool:
    """Whether one of the sentences says the same: equal words, or nearly, with the same names, numbers and negations."""
    from rapidfuzz import fuzz, process

    words, mark = normal(text), landmarks(text)
    near = process.extract_iter(text, seen, scorer=fuzz.ratio, score_cutoff=TWICE)
    return any(normal(other) == words or (mark and landmarks(other) == mark) for other, _, _ in near)


def without_repeats(sections: Sequence[Sequence[Sentence]]) -> list[tuple[Sentence, ...]]:
    """The sections without what an earlier one says in nearly the same words; a new paragraph stays one."""
    seen: list[str] = []
    kept: list[tuple[Sentence, ...]] = []
    for sentences in sections:
        fresh: list[Sentence] = []
        pending = False
        for sentence in sentences:
            if said_before(sentence.text, seen):
                pending = pending or sentence.new_paragraph
                continue
            fresh.append(replace(sentence, new_paragraph=(sentence.new_paragraph or pending) and bool(fresh)))
            pending = False
            seen.append(sentence.text)
        kept.append(tuple(fresh))
    return kept


def shortened(sections: Sequence[Sequence[Sentence]], most: int, least: int) -> list[tuple[Sentence, ...]]:
    """The sections with at most `most` words: the least relevant sentences go first, the later of equals.

    A section keeps one sentence while others have two; a sentence whose loss would leave fewer than `least` words stays
    where another can go. One sentence always stays.
    """
    sizes = {(s, p): words_in(sentence.text) for s, found in enumerate(sections) for p, sentence in enumerate(found)}
    left = [len(found) for found in sections]
    total = sum(sizes.values())
    while total > most and len(sizes) > 1:
        several = any(count > 1 for count in left)
        loose = [place for place in sizes if left[place[0]] > 1 or not several]
        gone = min(loose, key=lambda at: (total - sizes[at] < least, sections[at[0]][at[1]].relevance, -at[0], -at[1]))
        total -= sizes.pop(gone)
        left[gone[0]] -= 1
    kept: list[tuple[Sentence, ...]] = []
    for s, found in enumerate(sections):
        stay: list[Sentence] = []
        pending = False
        for p, sentence in enumerate(found):
            pending = pending or sentence.new_paragraph
            if (s, p) in sizes:
                stay.append(replace(sentence, new_paragraph=pending and bool(stay)))
                pending = False
        kept.append(tuple(stay))
    return kept


def composed(title: str, sections: Sequence[tuple[str, Sequence[Sentence]]]) -> tuple[list[str], tuple[Citation, ...]]:
    """The text in blocks, headings where there are several sections, and what its markers mean.

    Markers are numbered over the whole in the order of first use; the same span has the same number.
    """
    citations: dict[tuple[str, int, int], Citation] = {}
    blocks: list[str] = [f"# {title}"] if len(sections) > 1 and title else []
    for name, sentences in sections:
        paragraphs: list[list[str]] = [[]]
        for sentence in sentences:
            if sentence.new_paragraph and paragraphs[-1]:
                paragraphs.append([])
            paragraphs[-1].append(marked(sentence.text, _numbers(sentence.facts, citations)))
        text = "\n\n".join(joined(paragraph) for paragraph in paragraphs)
        blocks.append(f"## {name}\n\n{text}" if len(sections) > 1 else text)
    return [block if place == 0 else f"\n\n{block}" for place, block in enumerate(blocks)], tuple(citations.values())


def _numbers(facts: Sequence[Fact], citations: dict[tuple[str, int, int], Citation]) -> list[int]:
    numbers = set[int]()
    for fact in facts:
        assert fact.start is not None  # only verified facts are written from
        assert fact.end is not None
        span = (fact.document, fact.start, fact.end)
        if span not in citations:
            citations[span] = Citation(
                document=fact.document, start=fact.start, end=fact.end, page=fact.page, quote=fact.quote, title=fact.title
            )
        numbers.add(list(citations).index(span) + 1)
    return sorted(numbers)
