"""How an answer is scored against accepted ones. Every score is between 0 and 1; a failed run scores 0 everywhere.

Containment goes one way only: an answer that holds an accepted one is right, an answer that is held by one is not (PAPERS: a
harness that takes both counts "the" as right).
"""

from __future__ import annotations

import re
import unicodedata
from collections import Counter
from collections.abc import Iterable, Sequence

_ARTICLES = frozenset(("a", "an", "the"))
_TOKEN = re.compile(r"[\u3400-\u9fff\u3040-\u30ff]|[^\W_\u3400-\u9fff\u3040-\u30ff]+")
_NUMBER = re.compile(r"[-−]?\d[\d,]*(?:\.\d+)?")
_SEPARATOR = re.compile(r"[;\n、；，]|,(?!\d{3}\b)|\band\b")
SUMMARY_SHARE = 0.6  # of the gold sentences, which a summary must rest on


def words(text: str) -> list[str]:
    """The words of a text as metrics compare them: folded, without punctuation and articles; a Chinese character is a word."""
    folded = unicodedata.normalize("NFKC", str(text)).casefold()
    return [word for word in _TOKEN.findall(folded) if word not in _ARTICLES]


def exact(answer: str, accepted: Sequence[str]) -> float:
    """1 if the answer is an accepted one (EM); without accepted answers, 1 if it says nothing."""
    given = words(answer)
    return float(any(given == words(wanted) for wanted in accepted) if accepted else not given)


def contained(answer: str, accepted: Sequence[str]) -> float:
    """1 if the answer holds an accepted one, word for word (sub-EM); without accepted answers, 1 if it says nothing."""
    given = f" {' '.join(words(answer))} "
    if not accepted:
        return float(not given.strip())
    return float(any(f" {' '.join(wanted)} " in given for wanted in map(words, accepted) if wanted))


def f1(answer: str, accepted: Sequence[str]) -> float:
    """The best token F1 over the accepted answers (SQuAD)."""
    given = words(answer)
    if not accepted:
        return float(not given)
    return max(_f1(given, words(wanted)) for wanted in accepted)


def _f1(given: Sequence[str], wanted: Sequence[str]) -> float:
    if not given or not wanted:
        return float(list(given) == list(wanted))
    shared = sum((Counter(given) & Counter(wanted)).values())
    return 2 * shared / (len(given) + len(wanted))


def list_f1(answer: str, wanted: Iterable[str]) -> float:
    """F1 over the items of a list answer, each taken as a set of words in order, whatever the list's order."""
    given = {" ".join(words(item)) for item in _SEPARATOR.split(answer)} - {""}
    right = {" ".join(words(item)) for item in wanted} - {""}
    if not given or not right:
        return float(given == right)
    return 2 * len(given & right) / (len(given) + len(right))


def number(answer: str, value: float, *, tolerance: float = 0.0) -> float:
    """1 if the answer holds exactly one number and it is `value` within `tolerance` (in the same unit)."""
    found = [float(part.replace(",", "").replace("−", "-")) for part in _NUMBER.findall(answer)]
    return float(len(found) == 1 and abs(found[0] - value) <= tolerance + 1e-9 * max(1.0, abs(value)))


def citations(cited: Iterable[str], gold: Iterable[str]) -> tuple[float, float]:
    """Precision and recall of the cited documents against the gold ones; (1, 1) where there is neither."""
    said, wanted = set(cited), set(gold)
    if not said or not wanted:
        both = float(said == wanted)
        return both, both
    return len(said & wanted) / len(said), len(said & wanted) / len(wanted)


def rests_on(shown: Iterable[str], quotes: Sequence[str], *, share: float = SUMMARY_SHARE) -> float:
    """1 if at least `share` of the gold quotes stand in what is shown (answer and cited quotes), four fifths of
    their words each.

    For summaries, whose wording is free: a summary is judged by what it rests on.
    """
    told = [set(words(text)) for text in shown]
    wanted = [set(words(quote)) for quote in quotes if words(quote)]
    if not wanted:
        return 0.0
    held = sum(any(len(quote & text) >= 0.8 * len(quote) for text in told) for quote in wanted)
    return float(held >= share * len(wanted))
