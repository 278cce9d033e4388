"""The words of labels and questions made comparable: stems, one token for several wordings, how well a phrase fits a label.

What has several wordings (revenue, net sales, turnover, 营业收入) is listed in wordings.json.
"""

from __future__ import annotations

import json
import math
import re
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from importlib import resources

from extagents.text import is_cjk

_TOKEN = re.compile(r"[a-z]+(?:&[a-z]+)?|\d+(?:\.\d+)?|[\u4e00-\u9fff]")
_CJK_PHRASE = re.compile(r"[\u4e00-\u9fff]+")
_YEAR = re.compile(r"(?<![\d.,])(?:19|20)\d\d(?![\d,]|\.\d)")
_CAMEL = re.compile(r"(?<=[a-z0-9])(?=[A-Z])")
_STOP = frozenset(
    "a an the of in on at to from by for with as is are was were be been has have had do does did and or their its his her "
    "it they that which who whose what this these those s over per est approximately about".split()
)
_STOP_ZH = frozenset("的了是在和与有于为各其该之及、")
_WEAK = 0.2
"""What a word like “total” or “number” counts beside one that names a thing."""

_UNIT_WORDS = {
    "USD": "dollars us dollars 美元",
    "EUR": "euros 欧元",
    "GBP": "pounds sterling 英镑",
    "CNY": "yuan rmb 元 人民币",
    "JPY": "yen 日元",
    "%": "percent per cent",
}
LEAST = 0.72
"""How well a phrase must fit a label to be taken for it."""


@dataclass(frozen=True, slots=True)
class Wordings:
    """wordings.json, as it is looked up: runs of stems → their group, the longest runs first."""

    runs: Mapping[tuple[str, ...], str]
    chinese: tuple[tuple[str, str], ...]
    longest: int
    weak: frozenset[str]
    names: frozenset[str]
    dates: frozenset[str]
    keys: frozenset[str]
    values: frozenset[str]


@lru_cache(maxsize=1)
def wordings() -> Wordings:
    """The lists of wordings, read once."""
    read = json.loads(resources.files("extagents.tables").joinpath("wordings.json").read_text(encoding="utf-8"))
    runs: dict[tuple[str, ...], str] = {}
    chinese: list[tuple[str, str]] = []
    for group, phrases in read["groups"].items():
        for phrase in phrases:
            if is_cjk(phrase[0]):
                chinese.append((phrase, f"§{group}"))
            else:
                runs[tuple(stem(word) for word in _TOKEN.findall(phrase))] = f"§{group}"
    chinese.sort(key=lambda pair: (-len(pair[0]), pair[0]))
    return Wordings(
        runs=runs,
        chinese=tuple(chinese),
        longest=max(len(run) for run in runs),
        weak=frozenset(read["weak"]),
        names=frozenset(read["names"]),
        dates=frozenset(read["dates"]),
        keys=frozenset(read["keys"]),
        values=frozenset(read["values"]),
    )


def stem(word: str) -> str:
    """The singular of an English word, roughly: what both of its forms have in common."""
    if len(word) > 4 and word.endswith("ies"):
        return word[:-3] + "y"
    if len(word) > 4 and word.endswith(("sses", "shes", "ches", "xes")):
        return word[:-2]
    if len(word) > 3 and word.endswith("s") and not word.endswith(("ss", "us", "is")):
        return word[:-1]
    return word


@lru_cache(maxsize=32_768)
def tokens(text: str) -> tuple[str, ...]:
    """The words of a label or phrase that count, stemmed; wordings of one thing give one token; years as they are."""
    plain = _CAMEL.sub(" ", text.replace("_", " ")).lower().replace("’", "'").replace("'s", " ")
    known = wordings()
    found: list[str] = []
    plain = _CJK_PHRASE.sub(lambda run: f" {_chinese(run.group(), known)} ", plain)
    words = [word if word[0] == "§" else stem(word) for word in re.findall(r"§\w+|" + _TOKEN.pattern, plain)]
    place = 0
    while place < len(words):
        for size in range(min(known.longest, len(words) - place), 0, -1):
            group = known.runs.get(tuple(words[place : place + size]))
            if group:
                found.append(group)
                place += size
                break
        else:
            if words[place] not in _STOP and words[place] not in _STOP_ZH:
                found.append(words[place])
            place += 1
    return tuple(found)


def _chinese(run: str, known: Wordings) -> str:
    """A run of Chinese with its known phrases as tokens; of the rest each letter is one."""
    parts: list[str] = []
    place = 0
    while place < len(run):
        for phrase, group in known.chinese:
            if run.startswith(phrase, place):
                parts.append(group)
                place += len(phrase)
                break
        else:
            weak = next((word for word in known.weak if is_cjk(word[0]) and run.startswith(word, place)), None)
            if weak is None:
                parts.append(run[place])
                place += 1
            else:
                place += len(weak)
    return " ".join(parts)


def plain(label: str) -> str:
    """A label as it is compared letter by letter: lower case, blanks collapsed, markup at its ends dropped."""
    return " ".join(label.strip(" *_`#>|:：\"'").lower().split())


def years(text: str) -> frozenset[str]:
    """The years that a text names."""
    return frozenset(_YEAR.findall(text))


@dataclass(frozen=True, slots=True)
class Fit:
    """How rare each token is among the labels at hand: rare ones decide which label a phrase means."""

    counts: Mapping[str, int]
    labels: int

    @classmethod
    def of(cls, labels: Sequence[str]) -> Fit:
        """Learnt from the labels that a phrase may mean."""
        counted: Counter[str] = Counter()
        for label in set(labels):
            counted.update(set(tokens(label)))
        return cls(counted, len(set(labels)))

    def weight(self, token: str) -> float:
        """What a token counts."""
        if token in wordings().weak or token in ("total", "§year", "§date"):
            return _WEAK
        return 0.5 + math.log1p(self.labels / (1 + self.counts.get(token, 0)))

    def score(self, phrase: str, label: str, *, unit: str = "", beside: str = "") -> float:
        """How well a phrase fits a label, 0 to 1. A year that the phrase names and the label contradicts gives 0.

        Words that only say the unit, and those of `beside` (a description), cost nothing.
        """
        asked, offered = tokens(phrase), tokens(label)
        wanted, told = years(phrase), years(label)
        if told and (not wanted or not told & wanted) and (wanted or len(told) > 1):
            return 0.0
        spelled = _UNIT_WORDS.get(unit, "")
        free = set(tokens(f"{unit} {spelled}")) | set(tokens(beside))
        own = set(offered)
        extra = {token for token in asked if token in free and token not in own}
        asked_set = {token for token in asked if token not in extra and not (token in wanted and token not in told)}
        own -= set(told) - set(wanted)
        if not own & asked_set:
            return 0.0
        shared = sum(self.weight(token) for token in asked_set & own)
        recall = shared / sum(self.weight(token) for token in asked_set)
        precision = shared / sum(self.weight(token) for token in own)
        score = recall * (0.55 + 0.45 * precision)
        if told and not wanted:
            score -= 0.02  # of several years without one in the question: the plain label first
        return score


def best(phrase: str, labels: Sequence[str], fit: Fit, *, least: float = LEAST) -> list[tuple[str, float]]:
    """The labels that a phrase means, the best first."""
    scored = [(label, fit.score(phrase, label)) for label in labels]
    return sorted((pair for pair in scored if pair[1] >= least), key=lambda pair: -pair[1])
