"""The notes of one memory head: lines of text with the marks of the facts they rest on, under a token budget. No model here.

A rewriting that overwrites its notes forgets (MemAgent, PAPERS.md: retention is the bottleneck). Here the facts stay beside the
notes, under numbers that never change, and what a rewriting lost can be put back.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from extagents.memory.ledger import SAME_SPAN
from extagents.text import is_cjk
from extagents.types import Fact

SAME_LINE = 90.0  # rapidfuzz score from which a line without marks is taken to say what a fact says
LEAST_LIKENESS = 16  # characters: shorter claims are not looked for inside longer lines
LONGEST_CLAIM = 400  # characters of a claim that stand in a line
MOST_MARKS = 64  # of one line

_MARKS = re.compile(r"[\[［【]\s*#?(\d{1,6}(?:\s*[,;，、；]\s*#?\d{1,6})*)\s*[\]］】]")
_BULLET = re.compile(r"^(?:[-*•·–]+|\d{1,3}[.)、])\s+")
_WORD = re.compile(r"\w+")
_DIGITS = re.compile(r"\d+")


@dataclass(frozen=True, slots=True)
class Line:
    """One line of notes and the numbers of the facts it rests on; none: it rests on nothing."""

    text: str
    marks: tuple[int, ...] = ()

    def shown(self, labels: Mapping[int, int] | None = None) -> str:
        """The line as a prompt has it: the text, and its marks last; `labels` renames them and leaves the others out."""
        marks = self.marks if labels is None else tuple(labels[mark] for mark in self.marks if mark in labels)
        return f"{self.text} [{', '.join(map(str, marks))}]" if marks else self.text


@dataclass(frozen=True, slots=True)
class Notebook:
    """Notes (m) and plan (p) of one memory head. `facts` is every verified fact it ever noted; a number is its place, from 1.

    `dropped` are the numbers of facts that the model let go of on purpose.
    """

    facts: tuple[Fact, ...] = ()
    lines: tuple[Line, ...] = ()
    plan: str = ""
    dropped: frozenset[int] = frozenset()

    @property
    def cited(self) -> tuple[int, ...]:
        """The numbers of the facts that the lines rest on, each once, in order."""
        return tuple(sorted({mark for line in self.lines for mark in line.marks}))

    @property
    def lost(self) -> tuple[int, ...]:
        """The numbers of facts that no line rests on any more, though nobody let go of them."""
        gone = set(self.cited) | self.dropped
        return tuple(number for number in range(1, len(self.facts) + 1) if number not in gone)

    @property
    def tokens(self) -> int:
        """The size of the lines."""
        return sum(line_tokens(line) for line in self.lines)

    def fact(self, number: int) -> Fact:
        """The fact of that number."""
        return self.facts[number - 1]


def text_tokens(text: str) -> int:
    """An estimate of a text's tokens: a quarter of its characters, Chinese, Japanese and Korean ones whole."""
    wide = 0 if text.isascii() else sum(map(is_cjk, text))
    return (len(text) - wide + 3) // 4 + wide


def line_tokens(line: Line) -> int:
    """An estimate of the tokens of a line with its marks."""
    return text_tokens(line.text) + 2 * len(line.marks) + 1


def noted(notebook: Notebook, facts: Iterable[Fact], *, lines: bool = True) -> Notebook:
    """The notebook with new verified facts, each under the next number, and (`lines`) a line of its own."""
    known = {fact.id for fact in notebook.facts}
    kept, added = list(notebook.facts), list(notebook.lines)
    for fact in facts:
        if fact.verified and fact.id not in known:
            known.add(fact.id)
            kept.append(fact)
            if lines:
                added.append(_own_line(fact, len(kept)))
    return replace(notebook, facts=tuple(kept), lines=tuple(added))


def dropped(notebook: Notebook, numbers: Iterable[int], *, pinned: Collection[int] = ()) -> Notebook:
    """The notebook without those facts' marks, and without the lines that then rest on nothing; pinned ones stay."""
    gone = {number for number in numbers if number not in pinned and 0 < number <= len(notebook.facts)}
    if not gone:
        return notebook
    lines = []
    for line in notebook.lines:
        marks = tuple(mark for mark in line.marks if mark not in gone)
        if marks or not line.marks:
            lines.append(replace(line, marks=marks))
    return replace(notebook, lines=tuple(lines), dropped=notebook.dropped | gone)


def rewritten(
    notebook: Notebook,
    text: str,
    plan: str,
    *,
    shown: Collection[int],
    budget: int,
    pinned: Collection[int] = (),
    room: int = 0,
) -> Notebook:
    """The notebook after a model rewrote it: marks checked against what it was `shown` and recovered, then `settled`.

    A rewriting that says nothing leaves the lines as they were.
    """
    lines = parsed(text, {number: notebook.fact(number) for number in shown})
    made = replace(notebook, lines=lines or notebook.lines, plan=" ".join(plan.split()) or notebook.plan)
    return settled(made, budget=budget, pinned=pinned, room=room)


def settled(notebook: Notebook, *, budget: int, pinned: Collection[int] = (), room: int = 0) -> Notebook:
    """The notebook within `budget` tokens, with nothing lost that may not be.

    Lines over the budget go, the least relevant first and pinned ones last. Then facts that no line holds come back as lines
    of their own: the pinned ones, and the others best first while the notes stay within `room` tokens (0: the budget).
    """
    lines = _within(_distinct(notebook.lines), notebook, budget, pinned)
    left = budget - sum(map(line_tokens, lines))
    spare = left - (budget - room if room else 0)
    missing = replace(notebook, lines=tuple(lines)).lost
    back: list[int] = []
    for number in sorted(missing, key=lambda number: (number not in pinned, -notebook.fact(number).relevance, number)):
        size = line_tokens(_own_line(notebook.fact(number), number))
        if size <= (left if number in pinned else min(spare, left)):
            left, spare = left - size, spare - size
            back.append(number)
    added = (_own_line(notebook.fact(number), number) for number in sorted(back))
    return replace(notebook, lines=(*lines, *added))


def parsed(text: str, facts: Mapping[int, Fact]) -> tuple[Line, ...]:
    """The lines of a model's notes. Marks of no fact are left out; where a line has none, those of the facts it repeats."""
    lines = []
    for raw in text.splitlines():
        marks: dict[int, None] = {}
        for match in _MARKS.finditer(raw):
            marks.update(dict.fromkeys(number for found in _DIGITS.findall(match[1]) if (number := int(found)) in facts))
        words = _BULLET.sub("", " ".join(_MARKS.sub(" ", raw).split()))
        if _WORD.search(words):
            lines.append(Line(words, tuple(marks)[:MOST_MARKS] or _recovered(words, facts)))
    return tuple(lines)


def labelled(notebook: Notebook, *, most: int, backwards: bool = False) -> tuple[str, tuple[Fact, ...]]:
    """Notes and their facts for a prompt, labelled 1…n in the order of their numbers, at most `most` facts, best ones kept.

    `backwards` gives lines and facts in the opposite order, labelled anew.
    """
    cited = notebook.cited
    if len(cited) > most:
        best = sorted(cited, key=lambda number: (-notebook.fact(number).relevance, number))
        cited = tuple(sorted(best[:most]))
    step = -1 if backwards else 1
    cited = cited[::step]
    labels = {number: label for label, number in enumerate(cited, start=1)}
    text = "\n".join(line.shown(labels) for line in notebook.lines[::step])
    return text, tuple(notebook.fact(number) for number in cited)


def merged(notebooks: Sequence[Notebook], *, order: Mapping[str, int]) -> Notebook:
    """One notebook of several: facts numbered in document order (`order`: places of documents), each line once.

    Quotes that cover nearly the same characters are one fact; what several heads noted stands in the first one's words.
    """
    same = _same([fact for notebook in notebooks for fact in notebook.facts], order)
    facts = tuple(dict.fromkeys(same.values()))
    numbers = {fact.id: number for number, fact in enumerate(facts, start=1)}
    lines: list[Line] = []
    held: set[tuple[int, ...]] = set()
    covered: set[int] = set()
    let_go: set[int] = set()
    for notebook in notebooks:
        for line in notebook.lines:
            marks = tuple(sorted({numbers[same[_place(notebook.fact(mark))].id] for mark in line.marks}))
            if marks in held or (len(marks) == 1 and marks[0] in covered):
                continue
            if marks:
                held.add(marks)
                covered.update(marks)
            lines.append(Line(line.text, marks))
        let_go.update(numbers[same[_place(notebook.fact(number))].id] for number in notebook.dropped)
    lines.sort(key=lambda line: line.marks[:1] or (len(facts) + 1,))
    plans = dict.fromkeys(notebook.plan for notebook in notebooks if notebook.plan)
    return Notebook(facts, _distinct(lines), " ".join(plans), frozenset(let_go - covered))


def content(notebook: Notebook) -> dict[str, Any]:
    """The notebook as the memory stores it: ids of facts, whose text lies in the reports."""
    return {
        "facts": [fact.id for fact in notebook.facts],
        "lines": [[line.text, list(line.marks)] for line in notebook.lines],
        "plan": notebook.plan,
        "dropped": sorted(notebook.dropped),
    }


# ------------------------------------------------------------------ parts


def _own_line(fact: Fact, number: int) -> Line:
    claim = " ".join(fact.claim.split())
    return Line(claim if len(claim) <= LONGEST_CLAIM else f"{claim[:LONGEST_CLAIM]}…", (number,))


def _distinct(lines: Iterable[Line]) -> tuple[Line, ...]:
    """Each wording once, with the marks of all its lines."""
    marks: dict[str, dict[int, None]] = {}
    for line in lines:
        marks.setdefault(line.text, {}).update(dict.fromkeys(line.marks))
    return tuple(Line(text, tuple(found)) for text, found in marks.items())


def _within(lines: Sequence[Line], notebook: Notebook, budget: int, pinned: Collection[int]) -> list[Line]:
    """The lines that fit the budget, chosen by pins and relevance, in the order they had."""
    if sum(map(line_tokens, lines)) <= budget:
        return list(lines)

    def worth(place: int) -> tuple[bool, float, int]:
        marks = lines[place].marks
        best = max((notebook.fact(mark).relevance for mark in marks), default=-1.0)
        return any(mark in pinned for mark in marks), best, -place

    chosen: set[int] = set()
    for place in sorted(range(len(lines)), key=worth, reverse=True):
        size = line_tokens(lines[place])
        if size <= budget:
            budget -= size
            chosen.add(place)
    return [line for place, line in enumerate(lines) if place in chosen]


def _recovered(text: str, facts: Mapping[int, Fact]) -> tuple[int, ...]:
    """The facts whose claim or quote the line repeats, though the model forgot their marks."""
    line = " ".join(text.casefold().split())
    words, digits = set(_WORD.findall(line)), set(_DIGITS.findall(line))
    return tuple(
        number
        for number, fact in facts.items()
        if any(_repeats(line, words, digits, " ".join(said.casefold().split())) for said in (fact.claim, fact.quote))
    )[:MOST_MARKS]


def _repeats(line: str, words: set[str], digits: set[str], said: str) -> bool:
    from rapidfuzz import fuzz

    if not said or not set(_DIGITS.findall(said)) <= digits:
        return False
    own = _WORD.findall(said)
    unlike = 2 * sum(word in words for word in own) < len(own)
    if unlike and said.isascii():  # a cheap look first: most pairs of line and fact have little in common
        return False
    if fuzz.ratio(line, said) >= SAME_LINE:
        return True
    return LEAST_LIKENESS <= len(said) < len(line) and fuzz.partial_ratio(said, line) >= SAME_LINE


_Place = tuple[str, int, int]


def _place(fact: Fact) -> _Place:
    return fact.document, fact.start or 0, fact.end or 0


def _same(facts: Sequence[Fact], order: Mapping[str, int]) -> dict[_Place, Fact]:
    """For every span the fact that stands for it, in document order: the most relevant of quotes that nearly coincide."""
    best: dict[_Place, Fact] = {}
    for fact in facts:
        known = best.get(_place(fact))
        if known is None or fact.relevance > known.relevance:
            best[_place(fact)] = fact
    ordered = sorted(best, key=lambda place: (order.get(place[0], len(order)), *place))
    groups: list[list[_Place]] = []
    for place in ordered:
        last = groups[-1][-1] if groups else None
        if last is not None and last[0] == place[0]:
            shared = min(last[2], place[2]) - place[1]
            if shared >= SAME_SPAN * (max(last[2], place[2]) - last[1]):
                groups[-1].append(place)
                continue
        groups.append([place])
    stands = {}
    for group in groups:
        fact = max((best[place] for place in group), key=lambda fact: fact.relevance)
        stands.update(dict.fromkeys(group, fact))
    return stands
