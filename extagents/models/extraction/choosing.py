"""Questions that are answered by comparing: yes or no, this or that."""

from __future__ import annotations

import re
from collections.abc import Sequence

from extagents.models.extraction.chains import Evidence
from extagents.models.extraction.lexicon import COUNTRIES, FOCUS_TYPES, STOP
from extagents.models.extraction.question import Question
from extagents.models.extraction.reading import holds
from extagents.models.extraction.spans import fit, spans_in
from extagents.models.extraction.vocabulary import Vocabulary, lowered

_EARLIER = re.compile(r"\b(?:first|earlier|earliest|older|oldest|before|elder|sooner)\b", re.IGNORECASE)
_LATER = re.compile(r"\b(?:later|latest|younger|youngest|newer|newest|last|recently|after)\b", re.IGNORECASE)
_LARGER = re.compile(
    r"\b(?:more|most|larger|largest|bigger|biggest|higher|highest|longer|longest|greater|taller|tallest|farther)\b",
    re.IGNORECASE,
)
_SMALLER = re.compile(r"\b(?:fewer|fewest|smaller|smallest|lower|lowest|shorter|shortest|less|least)\b", re.IGNORECASE)
_SAME = re.compile(r"\b(?:same|in common|share)\b", re.IGNORECASE)
_YEAR = re.compile(r"\b(1[0-9]\d\d|20\d\d)\b")
_QUANTITY = re.compile(r"\b\d[\d,]*(?:\.\d+)?\b")
_NEGATIVE = re.compile(r"\b(?:not|never|no longer|n't|none|neither|without)\b|不|没有|未|无", re.IGNORECASE)


def _about(evidence: Sequence[Evidence], subject: str) -> list[Evidence]:
    """The facts about a subject: its name in the title first, then in the quote."""
    lower = lowered(subject).strip(" \"'“”?.")
    words = [word for word in re.findall(r"\w+", lower) if word not in STOP]
    if not words:
        return []
    titled = [item for item in evidence if holds(item.clean, lower) or (item.clean and holds(lower, item.clean))]
    named = [item for item in evidence if item not in titled and holds(item.lower, lower)]
    loose = [
        item
        for item in evidence
        if item not in titled and item not in named and all(holds(item.clean + " " + item.lower, word) for word in words)
    ]
    return [*titled, *named, *loose]


def option(
    question: Question, vocabulary: Vocabulary, evidence: Sequence[Evidence]
) -> tuple[str, float, tuple[int, ...]] | None:
    """Which of two options fits: answer, confidence, labels; None where one of them has no fact."""
    sides = [_about(evidence, name) for name in question.options]
    if not all(sides):
        return None
    names = [name.strip(" \"'“”?.") for name in question.options]
    asked = question.text
    for name in names:
        asked = asked.replace(name, " ")
    pattern: tuple[re.Pattern[str], bool] | None = None
    if _EARLIER.search(asked):
        pattern = (_YEAR, False)
    elif _LATER.search(asked):
        pattern = (_YEAR, True)
    elif _LARGER.search(asked):
        pattern = (_QUANTITY, True)
    elif _SMALLER.search(asked):
        pattern = (_QUANTITY, False)
    if pattern is not None:
        values = [_value(side, pattern[0]) for side in sides]
        if values[0] is not None and values[1] is not None and values[0][0] != values[1][0]:
            left = values[0][0] > values[1][0]
            chosen = 0 if left == pattern[1] else 1
            return names[chosen], 0.8, (values[0][1], values[1][1])
    option_words = {word for name in names for word in re.findall(r"\w+", lowered(name))}
    scores = []
    for side in sides:
        best = max(
            sum(
                question.terms[index].weight * share
                for index, share in item.own.items()
                if question.terms[index].word not in option_words
            )
            for item in side[:4]
        )
        scores.append(best)
    chosen = 0 if scores[0] >= scores[1] else 1
    confidence = 0.6 if scores[0] != scores[1] else 0.3
    return names[chosen], confidence, (sides[0][0].label, sides[1][0].label)


def _value(side: Sequence[Evidence], pattern: re.Pattern[str]) -> tuple[float, int] | None:
    for item in side[:4]:
        match = pattern.search(item.quote)
        if match:
            return float(match.group().replace(",", "")), item.label
    return None


def yes_or_no(
    question: Question, vocabulary: Vocabulary, evidence: Sequence[Evidence], covered: float
) -> tuple[bool, str, float, tuple[int, ...]]:
    """Yes where every named subject has a fact that holds what is asked of it: answerable, answer, confidence, labels."""
    yes, no = ("是", "否") if question.chinese else ("yes", "no")
    named = [name for name in question.names if not any(name != other and name in other for other in question.names)]
    subjects = [name for name in named if _about(evidence, name)]
    if len(named) == 2 and len(subjects) < 2 and re.search(r"\band\b|\bor\b", question.lower):
        return False, "", 0.2, ()
    if len(subjects) < 2 or question.chinese:
        item = max(evidence, key=lambda e: (sum(question.terms[i].weight * s for i, s in e.covered.items()), -e.label))
        negative = bool(_NEGATIVE.search(item.quote)) != bool(_NEGATIVE.search(question.text))
        return True, no if negative or covered < 0.7 else yes, 0.5 * covered, (item.label,)
    first, second = subjects[0], subjects[1]
    left, right = _about(evidence, first)[:3], _about(evidence, second)[:3]
    labels = (left[0].label, right[0].label)
    if _SAME.search(question.text):
        return True, yes if _share(left, right, question) else no, 0.5, labels
    subject_words = {word for name in subjects for word in re.findall(r"\w+", lowered(name))}
    asked = {index for index, term in enumerate(question.terms) if term.named and term.word not in subject_words}
    wanted = {index: term.weight for index, term in enumerate(question.terms) if term.word not in subject_words}
    if not wanted:
        return True, no, 0.2, labels
    shares = []
    for side in (left, right):
        held = {index: max((item.own.get(index, 0.0) for item in side), default=0.0) for index in wanted}
        if any(held.get(index, 0.0) < 0.5 for index in asked):
            held = {}
        shares.append(sum(wanted[index] * share for index, share in held.items()) / sum(wanted.values()))
    fits = min(shares) >= 0.5
    return True, yes if fits else no, 0.4 + 0.3 * abs(min(shares) - 0.5), labels


def _share(left: Sequence[Evidence], right: Sequence[Evidence], question: Question) -> bool:
    """Whether the facts of two subjects name the same thing (of the kind asked for) that the question does not name."""
    match = re.search(r"\bsame\s+(?:\w+\s+)?(\w+)", question.lower)
    noun = match.group(1) if match else ""
    place = FOCUS_TYPES.get(noun) == "place"
    sides = []
    for side in (left, right):
        names: set[str] = set()
        for item in side[:2]:
            for span in spans_in(item.quote, "", kind="place", chinese=False):
                lower = lowered(span.text)
                if span.shape not in ("name", "part") or span.text.isupper() or lower in question.lower or lower in item.clean:
                    continue
                if not place or fit(span, "place", item.quote, noun) >= 0.45:
                    names.add(lower)
        sides.append(names)
    ordinary = COUNTRIES if place and noun != "country" else frozenset(("american", "english", "british", "united states"))
    return bool((sides[0] & sides[1]) - ordinary)
