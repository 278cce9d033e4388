"""The writer: an outline from the facts, and sections that are written from theirs, sentence by sentence with their facts.

What comes back is checked, never trusted: numbers of facts that do not exist, sections without any, titles given twice,
facts forgotten, sentences whose facts or figures do not hold.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from extagents import prompts
from extagents.agents.calls import Desk
from extagents.agents.composition import Sentence, said_before
from extagents.models.base import Prompt
from extagents.prose import cleaned, numbers_hold, sentences_of, words_in
from extagents.text import is_cjk
from extagents.types import Fact, Outline, OutlineInput, OutlineMergeInput, SectionInput, WrittenSection

OFF_TOPIC = 0.35  # relevance below which a fact that no section takes is left out
ALIKE = 72.0  # rapidfuzz score from which a sentence without a valid number of a fact is taken to rest on one
LONGEST_TITLE = 100  # characters
SHORTEST = 3  # words: less beside another sentence is an interjection, or what a full stop too many cut off

_WORD = re.compile(r"\w+")


@dataclass(frozen=True, slots=True)
class Part:
    """A section of the outline and its facts, in the order of the documents."""

    title: str
    facts: tuple[Fact, ...]


@dataclass(frozen=True, slots=True)
class Layout:
    """A checked outline. `dropped` counts the facts that belong to no section."""

    title: str
    parts: tuple[Part, ...]
    dropped: int = 0


@dataclass(frozen=True, slots=True)
class Checked:
    """What of a written section holds, and how many sentences had no facts or figures that their facts do not have."""

    sentences: tuple[Sentence, ...]
    unfounded: int = 0
    contradicted: int = 0


# ------------------------------------------------------------------ prompts


def outline_prompt(inputs: OutlineInput, desk: Desk) -> Prompt[Outline]:
    """The prompt for an outline from the facts' claims."""
    slots = {
        "topic": inputs.topic,
        "instructions": inputs.instructions or prompts.show_list(()),
        "facts": prompts.show_facts(inputs.facts, quotes=False),
        "words": str(inputs.words),
        "sections": str(inputs.sections),
    }
    return desk.prompt("writer", inputs, Outline, slots=slots, output_tokens=2 * desk.output_tokens, template="outline")


def merge_prompt(inputs: OutlineMergeInput, desk: Desk) -> Prompt[Outline]:
    """The prompt that makes one outline of several; the numbers it asks for are those of the given sections."""
    titled = zip(inputs.titles, inputs.sizes, strict=True)
    slots = {
        "topic": inputs.topic,
        "instructions": inputs.instructions or prompts.show_list(()),
        "titles": "\n".join(f"[{number}] {title} ({size})" for number, (title, size) in enumerate(titled, start=1)),
        "words": str(inputs.words),
        "sections": str(inputs.sections),
    }
    return desk.prompt("writer", inputs, Outline, slots=slots, output_tokens=2 * desk.output_tokens, template="outline_merge")


def section_prompt(inputs: SectionInput, desk: Desk) -> Prompt[WrittenSection]:
    """The prompt for one section from its facts with their quotes; what all sections share stands first."""
    slots = {
        "topic": inputs.topic,
        "instructions": inputs.instructions or prompts.show_list(()),
        "outline": "\n".join(f"{number}. {title}" for number, title in enumerate(inputs.outline, start=1)),
        "section": inputs.section,
        "facts": prompts.show_facts(inputs.facts),
        "written": prompts.show_list(inputs.written),
        "words": str(inputs.words),
    }
    return desk.prompt(
        "writer", inputs, WrittenSection, slots=slots, output_tokens=section_tokens(inputs.words, desk), template="section"
    )


def section_tokens(words: int, desk: Desk) -> int:
    """Tokens that a section of so many words may take, its JSON included: at most a third of the window."""
    return max(desk.output_tokens, min(4 * words + 256, desk.window // 3))


# ------------------------------------------------------------------ the outline, checked


def merged(outline: Outline, parts: Sequence[Part]) -> Outline:
    """The outline of titles as one of facts: the facts of the parts in order, labelled 1…n throughout."""
    first, spans = 1, []
    for part in parts:
        spans.append(range(first, first + len(part.facts)))
        first += len(part.facts)
    sections = [
        section.model_copy(update={"facts": [label for n in section.facts if 0 < n <= len(spans) for label in spans[n - 1]]})
        for section in outline.sections
    ]
    return outline.model_copy(update={"sections": sections})


def checked_outline(outline: Outline, facts: Sequence[Fact], *, topic: str, sections: int) -> Layout:
    """The outline with titles of their own, every fact in one section, and none without facts.

    A fact that was forgotten goes to the section most like it, and is dropped where none is like it or it matters little.
    More than twice the `sections` asked for: the smallest give their facts to others. No section at all: one of all facts.
    """
    title = heading(outline.title) or heading(topic)
    groups: dict[str, tuple[str, list[Fact]]] = {}
    taken: set[int] = set()
    for section in outline.sections:
        name = heading(section.title)
        fresh = [n for n in dict.fromkeys(section.facts) if 0 < n <= len(facts) and n not in taken]
        if not name or not fresh:
            continue
        taken.update(fresh)
        groups.setdefault(name.casefold(), (name, []))[1].extend(facts[n - 1] for n in fresh)
    if not groups:
        return Layout(title, (Part(title, tuple(facts)),))
    most = max(2 * sections, 2) if sections > 1 else 1
    ordered = sorted(groups, key=lambda key: -sum(fact.relevance for fact in groups[key][1]))
    homeless = [fact for key in ordered[most:] for fact in groups.pop(key)[1]]
    forgotten = [fact for n, fact in enumerate(facts, start=1) if n not in taken and fact.relevance >= OFF_TOPIC]
    left = _settled(groups, [*homeless, *forgotten], topic)
    places = {fact.id: place for place, fact in enumerate(facts)}
    parts = [Part(name, tuple(sorted(found, key=lambda fact: places[fact.id]))) for name, found in groups.values()]
    dropped = len(facts) - len(taken) - len(forgotten) + left
    return Layout(title, tuple(parts), dropped)


def _settled(groups: dict[str, tuple[str, list[Fact]]], facts: Sequence[Fact], topic: str) -> int:
    """Puts each fact into the group that shares its rarest words; returns how many found none."""
    said = set(_terms(topic))
    bags = {key: Counter(_terms(" ".join((name, *(fact.claim for fact in found))))) for key, (name, found) in groups.items()}
    spread = Counter(term for bag in bags.values() for term in bag)
    left = 0
    for fact in facts:
        terms = {term for term in _terms(fact.claim) if term not in said}
        score, best = max(
            ((sum(1.0 / spread[term] for term in terms if term in bag), key) for key, bag in bags.items()),
            key=lambda item: item[0],
        )
        if score < 0.5:
            left += 1
        else:
            groups[best][1].append(fact)
    return left


def _terms(text: str) -> list[str]:
    """Words of four letters or more, and pairs of Chinese letters."""
    words = _WORD.findall(text.casefold())
    found = [word for word in words if len(word) > 3 and not is_cjk(word[0])]
    for word in words:
        if is_cjk(word[0]):
            found.extend(word[at : at + 2] for at in range(len(word) - 1))
    return found


def heading(title: str) -> str:
    """A title on one line, without markers, numbering and a full stop; "" where nothing is left of it."""
    line = cleaned(title).strip(" #*_.。:：")
    return line if len(line) <= LONGEST_TITLE else f"{line[:LONGEST_TITLE].rsplit(' ', 1)[0]}…"


# ------------------------------------------------------------------ a section, checked


def checked_section(written: WrittenSection, facts: Sequence[Fact], *, before: Iterable[str] = ()) -> Checked:
    """The sentences that hold: each with facts that exist (else one that is alike), and with no figure that they lack.

    `before` are sentences that stand already: what says the same is left out.
    """
    kept: list[Sentence] = []
    seen = list(before)
    unfounded = contradicted = 0
    for sentence in written.sentences:
        named = tuple(dict.fromkeys(facts[n - 1] for n in sentence.facts if 0 < n <= len(facts)))
        new_paragraph = sentence.new_paragraph and bool(kept)
        pieces = sentences_of(cleaned(sentence.text))
        if len(pieces) > 1:
            pieces = [text for text in pieces if words_in(text) >= SHORTEST]
        for text in pieces:
            rests_on = resting(text, named, facts) if len(pieces) > 1 or not named else named
            if not rests_on:
                unfounded += 1
            elif not numbers_hold(text, [said for fact in rests_on for said in (fact.claim, fact.quote, fact.title)]):
                contradicted += 1
            elif not said_before(text, seen):
                kept.append(Sentence(text, rests_on, new_paragraph))
                seen.append(text)
                new_paragraph = False
    return Checked(tuple(kept), unfounded, contradicted)


def resting(text: str, named: Sequence[Fact], facts: Sequence[Fact]) -> tuple[Fact, ...]:
    """The facts that one of several sentences rests on: those named that are like it, else all named, else the most alike."""
    from rapidfuzz import fuzz

    def likeness(fact: Fact) -> float:
        scorer = fuzz.partial_ratio if any(map(is_cjk, text)) else fuzz.token_set_ratio
        return max(scorer(text.casefold(), said.casefold()) for said in (fact.claim, fact.quote))

    if named:
        alike = tuple(fact for fact in named if likeness(fact) >= ALIKE)
        return alike or tuple(named)
    scored = [(likeness(fact), -place) for place, fact in enumerate(facts)]
    score, place = max(scored, default=(0.0, 0))
    return (facts[-place],) if score >= ALIKE else ()
