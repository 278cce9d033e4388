"""How shards, facts and candidates look inside a prompt. Pure text from typed values, the same for the same input."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Literal

from extagents.types import Candidate, Fact, ReaderQuestion, ShardText, Turn

NOTHING = "(none)"
MOST_TITLE = 300  # characters


def show_shard(shard: ShardText) -> str:
    """Every section under a header with title and page; the title is left out where the text itself begins with it.

    A table that goes on has its header above its rows again.
    """
    parts = []
    for section in shard.sections:
        page = f", page {section.page}" if section.page is not None else ""
        shown = section.start == 0 and bool(section.title) and section.text.startswith(section.title)
        title = "" if shown else f": {_name(section.title or section.document)}"
        part = f" (continued at {section.start})" if section.start else ""
        head = f"{section.head.rstrip()}\n" if section.head else ""
        parts.append(f"[Document{title}{page}{part}]\n{head}{section.text.rstrip()}")
    return "\n\n".join(parts)


def show_facts(facts: Sequence[Fact], *, claims: bool = True, quotes: bool = True, numbers: Sequence[int] | None = None) -> str:
    """Numbered from 1, or by `numbers`: the claim, and under it the quote with its source; or one of the two alone."""
    lines = []
    for number, fact in zip(numbers or range(1, len(facts) + 1), facts, strict=True):
        source = _name(fact.title or fact.document)
        page = f", page {fact.page}" if fact.page is not None else ""
        quote = f'"{one_line(fact.quote)}" ({source}{page})'
        lines.append(f"[{number}] {one_line(fact.claim) if claims else quote}")
        if claims and quotes:
            lines.append(f"    {quote}")
    return "\n".join(lines) or NOTHING


def show_list(items: Iterable[str]) -> str:
    """One item a line."""
    return "\n".join(f"- {one_line(item)}" for item in items) or NOTHING


HEADINGS = {"en": ("Question", "Knowledge so far", "Still looked for"), "zh": ("问题", "目前已有的知识", "仍在查找")}


def show_questions(questions: Sequence[ReaderQuestion], language: Literal["en", "zh"]) -> str:
    """Every question under a heading with its number, with what is known and still looked for of that question alone."""
    question, knowledge, queries = HEADINGS[language]
    shown = []
    for number, asked in enumerate(questions, start=1):
        part = [f"# {question} {number}\n{one_line(asked.core)}"]
        if asked.knowledge:
            part.append(f"## {knowledge}\n{show_facts(asked.knowledge, quotes=False)}")
        if asked.open_queries:
            part.append(f"## {queries}\n{show_list(asked.open_queries)}")
        shown.append("\n\n".join(part))
    return "\n\n".join(shown)


def show_candidates(candidates: Sequence[Candidate], facts: Sequence[Fact]) -> str:
    """One candidate a line with its confidence and the numbers of its facts among those shown, in an order of their answers."""
    numbers = {fact.id: number for number, fact in enumerate(facts, start=1)}
    lines = []
    for candidate in sorted(candidates, key=lambda candidate: candidate.answer):
        rests_on = ", ".join(str(numbers[fact.id]) for fact in candidate.facts if fact.id in numbers)
        rests_on = f"; facts {rests_on}" if rests_on else ""
        lines.append(f"- {one_line(candidate.answer)} (confidence {candidate.confidence:.2f}{rests_on})")
    return "\n".join(lines) or NOTHING


def show_history(turns: Sequence[Turn]) -> str:
    """The conversation so far, or nothing at all."""
    if not turns:
        return ""
    return "# Conversation so far\n" + "\n".join(f"{turn.role}: {one_line(turn.content)}" for turn in turns) + "\n\n"


def _name(text: str) -> str:
    """A document's title or id as it stands in a prompt: on one line, and no longer than a title is."""
    return one_line(text)[:MOST_TITLE]


def one_line(text: str) -> str:
    """White space folded, so that a document's text cannot imitate the prompt's own lines."""
    return " ".join(text.split())
