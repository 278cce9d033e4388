"""How the index sees text: words, their stems, and pairs of characters where a script writes no spaces.

A text becomes a stream of *surface* ids (every word as written, every punctuation mark); what the index needs of a word
is worked out once for each distinct one, so that the cost of a large corpus is that of finding its words.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterable, Sequence
from functools import lru_cache
from hashlib import blake2b

import numpy as np
import numpy.typing as npt
import Stemmer

_CJK = "\u3040-\u30ff\u3100-\u312f\u3400-\u4dbf\u4e00-\u9fff\uf900-\ufaff\uac00-\ud7af\uff66-\uff9f\U00020000-\U000323af"
_TOKEN = re.compile(rf"[{_CJK}]|[^\W_{_CJK}]+|\n\s*\n|[^\w\s]|_")
_IDEOGRAPH = re.compile(rf"[{_CJK}]")

_STOP = (
    "a an the this that these those it its he she his her him they them their we our us you your i me my who whom whose which "
    "what when where why how is are was were be been being am do does did done has have had having will would shall should can "
    "could may might must of in on at by for from to into onto with without within about between among as than then so if or "
    "and but not no nor only own same such too very there here both each few more most other some any all also s t "
    "的 了 是 在 和 与 或 也 都 而 及 之 于 被 把 从 到 对 为 以 其 这 那 哪 谁 什 么 吗 呢 吧 有 个"
)
STOP_WORDS = frozenset(_STOP.split())

WORD, CAPITAL, CJK, STOP, DIGIT, BLANK, SHORT, JOINER, FULL_STOP, SENTENCE_END = (1 << bit for bit in range(10))
"""Flags of a surface form."""

_JOINERS = frozenset("-'’‐‑–&·_")


class Lexicon(dict[str, int]):
    """Distinct surface forms in order of first appearance; looking up an unknown one adds it."""

    def __missing__(self, word: str) -> int:
        number = self[word] = len(self)
        return number

    def encode(self, text: str) -> npt.NDArray[np.int32]:
        """The text's surface ids, in order."""
        tokens = _TOKEN.findall(text)
        return np.fromiter(map(self.__getitem__, tokens), dtype=np.int32, count=len(tokens))


@lru_cache(maxsize=8192)
def fold(word: str) -> str:
    """A word without case and accents, so that "Hernández" and "HERNANDEZ" are one."""
    if word.isascii():
        return word.lower()
    decomposed = unicodedata.normalize("NFKD", word)
    return "".join(c for c in decomposed if not unicodedata.combining(c)).casefold() or word


def stem_words(words: Iterable[str]) -> list[str]:
    """English stems of folded words (Porter 2); words of other scripts, and punctuation, stay as they are."""
    # What is not made of letters may be half of a broken pair of surrogates, on which the stemmer fails.
    return list(Stemmer.Stemmer("english").stemWords([word if word.isalnum() else "" for word in words]))


def word_tokens(text: str) -> list[str]:
    """The words of a text as written: runs of letters and digits, each Chinese character by itself, no punctuation."""
    return [token for token in _TOKEN.findall(text) if token[0].isalnum()]


def is_ideograph(token: str) -> bool:
    """Whether the token is one character of a script that writes no spaces."""
    return len(token) == 1 and _IDEOGRAPH.match(token) is not None


def text_terms(text: str) -> list[str]:
    """The normalised terms of a text in order, stop words left out: stems, and for Chinese characters and pairs of them."""
    terms: list[str] = []
    before = ""
    tokens = _TOKEN.findall(text)
    folded = [fold(token) for token in tokens]
    for token, word, stem in zip(tokens, folded, stem_words(folded), strict=True):
        if is_ideograph(token):
            if before:
                terms.append(before + token)
            if token not in STOP_WORDS:
                terms.append(token)
            before = token
            continue
        before = ""
        if token[0].isalnum() and word not in STOP_WORDS:
            terms.append(stem)
    return terms


def surface_flags(words: Iterable[str]) -> npt.NDArray[np.int16]:
    """What each surface form is, as a sum of the flags above."""
    return np.fromiter((_flags(word) for word in words), dtype=np.int16)


def _flags(token: str) -> int:
    first = token[0]
    if not first.isalnum():
        if first == "\n":
            return BLANK | SENTENCE_END
        flags = JOINER if token in _JOINERS else 0
        if token == ".":
            flags |= FULL_STOP
        return flags | (SENTENCE_END if token in ".!?…。！？" else 0)
    flags = WORD
    if is_ideograph(token):
        flags |= CJK
    if first.isupper():
        flags |= CAPITAL
    if first.isdigit():
        flags |= DIGIT
    if len(token) <= 2:
        flags |= SHORT
    if fold(token) in STOP_WORDS:
        flags |= STOP
    return flags


@lru_cache(maxsize=65536)
def word_hash(word: str) -> int:
    """A folded word as a 64-bit number, the same on every machine."""
    return int.from_bytes(blake2b(word.encode("utf-8", "surrogatepass"), digest_size=8).digest(), "little")


Ints = npt.NDArray[np.int32]
Pointers = npt.NDArray[np.int64]


def term_stream(
    surfaces: Sequence[str],
    flags: npt.NDArray[np.int16],
    stream: Ints,
    pointers: Pointers,
    *,
    titles: Ints,
    titles_at: Pointers,
    documents: Pointers,
) -> tuple[dict[str, int], Ints, Ints, Pointers]:
    """The vocabulary, the term of each surface form (-1: none), and every passage's terms, its document's title in front.

    `pointers` and `titles_at` say where passages start in `stream` and documents in `titles`; `documents` gives each
    passage's document. The result is as `text_terms` would have it, in another order.
    """
    stems = stem_words(fold(word) for word in surfaces)
    vocabulary: dict[str, int] = {}
    plain = ((flags & WORD) != 0) & ((flags & STOP) == 0)
    term_of = np.full(len(surfaces), -1, np.int64)
    for surface in np.flatnonzero(plain).tolist():
        term_of[surface] = vocabulary.setdefault(stems[surface], len(vocabulary))
    ideograph = (flags & CJK) != 0

    heads, head_documents = _with_pairs(titles, titles_at, term_of, ideograph)
    body, body_passages = _with_pairs(stream, pointers, term_of, ideograph)
    pairs = np.unique(np.concatenate((heads[heads >= _PAIR], body[body >= _PAIR])))
    for pair in pairs.tolist():
        first, second = divmod(pair - _PAIR, _PAIR_BASE)
        vocabulary[surfaces[first] + surfaces[second]] = len(vocabulary)
    base = len(vocabulary) - len(pairs)
    for terms in (heads, body):
        paired = terms >= _PAIR
        terms[paired] = base + np.searchsorted(pairs, terms[paired])

    head_sizes = np.bincount(head_documents, minlength=len(titles_at) - 1)
    head_at = np.concatenate(([0], np.cumsum(head_sizes)))
    sizes = head_sizes[documents] if len(documents) else np.zeros(0, np.int64)
    offsets = np.arange(int(sizes.sum())) - np.repeat(np.cumsum(sizes) - sizes, sizes)
    repeated = heads[np.repeat(head_at[documents], sizes) + offsets]
    passages = np.concatenate((np.repeat(np.arange(len(documents)), sizes), body_passages))
    order = np.argsort(passages, kind="stable")
    counts = np.bincount(passages, minlength=len(documents))
    everything = np.concatenate((repeated, body))[order].astype(np.int32)
    return vocabulary, term_of.astype(np.int32), everything, np.concatenate(([0], np.cumsum(counts))).astype(np.int64)


_PAIR = 1 << 60
_PAIR_BASE = 1 << 28


def _with_pairs(
    stream: Ints, pointers: Pointers, term_of: Pointers, ideograph: npt.NDArray[np.bool_]
) -> tuple[Pointers, Pointers]:
    """Term ids of a stream and the row each is in; a pair of neighbouring characters is `_PAIR` and both surface ids."""
    rows = np.repeat(np.arange(len(pointers) - 1), np.diff(pointers))
    terms = term_of[stream]
    known = terms >= 0
    if not ideograph.any():
        return terms[known], rows[known]
    single = ideograph[stream]
    both = np.flatnonzero(single[:-1] & single[1:] & (rows[:-1] == rows[1:]))
    pairs = _PAIR + stream[both].astype(np.int64) * _PAIR_BASE + stream[both + 1]
    return np.concatenate((terms[known], pairs)), np.concatenate((rows[known], rows[both]))
