"""Long answers without a model: sections by document or by shared names, sentences that are the documents' own."""

from __future__ import annotations

from collections import Counter, defaultdict

from extagents.models.extraction.names import names_in
from extagents.models.extraction.spans import clean_title
from extagents.models.extraction.vocabulary import lowered
from extagents.prose import sentences_of, words_in
from extagents.text import cjk_share
from extagents.types import (
    Fact,
    Outline,
    OutlinedSection,
    OutlineInput,
    OutlineMergeInput,
    SectionInput,
    WrittenSection,
    WrittenSentence,
)

LONGEST_TITLE = 80  # characters
SHORTEST = 5  # words: a shorter sentence of a quote says nothing alone
_FURTHER = ("Further findings", "其他内容")


def outline(inputs: OutlineInput) -> Outline:
    """Sections by document where there are few documents, else by the names that most facts share, the rest at the end."""
    labels = list(range(1, len(inputs.facts) + 1))
    by_document: dict[str, list[int]] = defaultdict(list)
    for label, fact in zip(labels, inputs.facts, strict=True):
        by_document[fact.document].append(label)
    if 1 < len(by_document) <= max(2, inputs.sections + 1) or inputs.sections == 1:
        groups = [(_heading(inputs.facts[found[0] - 1]), found) for found in by_document.values()]
        groups = groups if inputs.sections > 1 else [(inputs.topic, labels)]
    else:
        groups = _by_name(inputs)
    sections = [OutlinedSection(title=title, facts=found) for title, found in groups]
    return Outline(title=_short(inputs.topic), sections=sections)


def merge(inputs: OutlineMergeInput) -> Outline:
    """Sections of one title become one; the largest keep their own, the rest becomes the last."""
    same: dict[str, list[int]] = defaultdict(list)
    for label, title in enumerate(inputs.titles, start=1):
        same[lowered(title)].append(label)
    groups = sorted(same.values(), key=lambda found: (-sum(inputs.sizes[label - 1] for label in found), found))
    kept, rest = sorted(groups[: inputs.sections]), sorted(label for found in groups[inputs.sections :] for label in found)
    sections = [OutlinedSection(title=inputs.titles[found[0] - 1], facts=found) for found in kept]
    if rest:
        sections.append(OutlinedSection(title=_further(inputs.topic), facts=rest))
    return Outline(title=_short(inputs.topic), sections=sections)


def section(inputs: SectionInput, *, claims: bool = False) -> WrittenSection:
    """The sentences of the best quotes (or the claims) as they stand, in the order of the facts, up to the length."""
    written = {lowered(sentence) for sentence in inputs.written}
    texts = [[fact.claim] if claims else _telling(fact) for fact in inputs.facts]
    room, chosen = inputs.words, set[int]()
    for place in sorted(range(len(texts)), key=lambda place: (-inputs.facts[place].relevance, place)):
        fresh = [text for text in texts[place] if lowered(text) not in written]
        size = sum(map(words_in, fresh))
        if not fresh or (chosen and size > room):
            continue
        written.update(map(lowered, fresh))
        texts[place] = fresh
        chosen.add(place)
        room -= size
        if room <= 0:
            break
    sentences: list[WrittenSentence] = []
    before = ""
    for place in sorted(chosen):
        document = inputs.facts[place].document
        for text in texts[place]:
            paragraph = bool(sentences) and document != before
            sentences.append(WrittenSentence(text=text, facts=[place + 1], new_paragraph=paragraph))
            before = document
    return WrittenSection(sentences=sentences)


def _telling(fact: Fact) -> list[str]:
    """The quote's sentences that say something alone, else the claim if it does: a heading quoted as a fact gives none."""
    found = [text for text in sentences_of(fact.quote) if words_in(text) >= SHORTEST]
    return found or [fact.claim] * (words_in(fact.claim) >= SHORTEST)


def _by_name(inputs: OutlineInput) -> list[tuple[str, list[int]]]:
    """Each fact to the most shared of its names that the topic does not name; the rest together, or cut in order."""
    known = lowered(inputs.topic)
    names = [_names(fact, known) for fact in inputs.facts]
    shared = Counter(name for found in names for name in found)
    heads = [name for name, count in shared.most_common() if count > 1][: max(1, inputs.sections - 1)]
    groups: dict[str, list[int]] = {name: [] for name in heads}
    rest: list[int] = []
    for label, found in enumerate(names, start=1):
        home = next((name for name in heads if name in found), None)
        (rest if home is None else groups[home]).append(label)
    made = [(name, found) for name, found in groups.items() if found]
    made.sort(key=lambda group: group[1][0])
    if rest and not made:
        return _in_order(inputs, rest)
    return [*made, (_further(inputs.topic), rest)] if rest else made


def _in_order(inputs: OutlineInput, labels: list[int]) -> list[tuple[str, list[int]]]:
    """As many parts of equal size as sections are wanted: for facts that share no name."""
    part = "第{}部分" if cjk_share(inputs.topic) > 0.2 else "Part {}"
    size = -(-len(labels) // inputs.sections)
    return [(part.format(at // size + 1), labels[at : at + size]) for at in range(0, len(labels), size)]


def _names(fact: Fact, known: str) -> dict[str, None]:
    found = names_in(fact.claim)
    return dict.fromkeys(name.text for name in found if len(name.text) > 2 and lowered(name.text) not in known)


def _heading(fact: Fact) -> str:
    return _short(clean_title(fact.title) or fact.document)


def _further(topic: str) -> str:
    return _FURTHER[cjk_share(topic) > 0.2]


def _short(text: str) -> str:
    line = " ".join(text.split())
    return line if len(line) <= LONGEST_TITLE else line[:LONGEST_TITLE].rsplit(" ", 1)[0]
