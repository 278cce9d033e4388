"""The corpus' terms as the extractive model needs them: which words are one term, how rare it is, where it stands in a text."""

from __future__ import annotations

import math
import re
from collections.abc import Iterable
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

from extagents.text import is_cjk

_WORD = re.compile(r"\w+")
_WORD_AT = re.compile(r"\w+(?:['’]s?\b)?")
_CACHED_WORDS = 200_000
_PLACES = 64


@lru_cache(maxsize=1)
def _stemmer() -> Any:
    import Stemmer

    return Stemmer.Stemmer("english")


def lowered(text: str) -> str:
    """The text in lower case, character for character, so that offsets hold (`str.lower` may change the length)."""
    lower = text.lower()
    if len(lower) == len(text):
        return lower
    return "".join(low if len(low := char.lower()) == 1 else char for char in text)


class OwnStatistics:
    """Term statistics of a few texts, for callers that have none of the corpus. A passage is taken as 1,000 characters."""

    def __init__(self, texts: Iterable[str]) -> None:
        self._texts = [lowered(text) for text in texts]
        self._counts: dict[str, int] = {}

    @property
    def passages(self) -> int:
        return max(1, sum(len(text) for text in self._texts) // 1000, len(self._texts))

    def frequency(self, term: str) -> int:
        if term not in self._counts:
            self._counts[term] = min(self.passages, sum(text.count(term) for text in self._texts)) if term else 0
        return self._counts[term]

    def terms(self, text: str) -> list[str]:
        found: list[str] = []
        for word in _WORD.findall(lowered(text)):
            if any(is_cjk(char) for char in word):
                found.extend(word[i : i + 2] for i in range(max(1, len(word) - 1)))
            else:
                found.append(_stemmer().stemWord(word))
        return found


@dataclass(frozen=True, slots=True)
class Needle:
    """What to look for in a lowered text: a prefix at the start of a word whose key must then be `key`."""

    prefix: str
    key: str
    share: float
    bounded: bool


class Vocabulary:
    """Keys and weights of words under one corpus' statistics, remembered between calls."""

    def __init__(self, statistics: Any) -> None:
        self.statistics = statistics
        self.passages = max(1, int(statistics.passages))
        self._keys: dict[str, str] = {}

    def key(self, word: str) -> str:
        """What makes two lowered words the same term; the word itself where the index keeps no term for it."""
        key = self._keys.get(word)
        if key is None:
            terms = self.statistics.terms(word)
            key = " ".join(terms) if terms else word
            if len(self._keys) > _CACHED_WORDS:
                self._keys.clear()
            self._keys[word] = key
        return key

    def weight(self, word: str) -> float:
        """Rarity of a lowered word: the logarithm of one over the share of passages that hold it, at least 0.2."""
        terms = self.statistics.terms(word)
        frequency = min((self.statistics.frequency(term) for term in terms), default=self.passages // 2)
        return max(0.2, math.log((self.passages + 1) / (frequency + 0.5)))

    def frequency(self, word: str) -> int:
        """In how many passages the lowered word occurs; for several words, the rarest of them."""
        terms = self.statistics.terms(word)
        return min((self.statistics.frequency(term) for term in terms), default=0)

    def needle(self, word: str, share: float = 1.0) -> Needle:
        """How to find a lowered word in all its forms."""
        if is_cjk(word[0]):
            return Needle(word, word, share, False)
        key = self.key(word)
        common = 0
        while common < min(len(key), len(word)) and key[common] == word[common]:
            common += 1
        return Needle(word[:common] if common >= 3 else word, key, share, True)

    def find(self, lower: str, needle: Needle, *, most: int = _PLACES) -> list[tuple[int, int]]:
        """Where the needle's term stands in a lowered text, in order, at most `most` places."""
        places: list[tuple[int, int]] = []
        prefix, bounded = needle.prefix, needle.bounded
        at = lower.find(prefix)
        tries = 0
        while at >= 0 and tries < 8 * most:
            tries += 1
            if not bounded:
                places.append((at, at + len(prefix)))
            elif at == 0 or not (lower[at - 1].isalnum()):
                match = _WORD.match(lower, at)
                word = match.group() if match else prefix
                if word == prefix or (len(word) <= 40 and self.key(word) == needle.key):
                    places.append((at, at + len(word)))
            if len(places) >= most:
                break
            at = lower.find(prefix, at + len(prefix))
        return places
