"""The graph of mentions: names that the corpus itself defines, and the passages that mention them.

A name is a title (without bracketed suffix, place or article), a heading, a file's stem, a defined symbol, a quoted Chinese
title, a recurring Chinese phrase, or a capitalised phrase that occurs in at least two passages. Names are 64-bit hashes of
their folded words, so that finding them is arithmetic over arrays and takes time linear in the corpus.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from extagents.corpus import terms as t

LONGEST = 12
"""Words of the longest title or other defined name that is looked for."""
PHRASE = 6
"""Words of the longest capitalised phrase, and ideographs of the longest recurring one, that count as a name."""
RARE = 25
"""Occurrences up to which a recurring pair of ideographs may be part of a name, at least."""
HOMES = 3
"""Passages up to which a heading or a symbol leads to where it stands; "Introduction" leads nowhere."""

_MULTIPLIER = np.uint64(0x9E3779B97F4A7C15)
_CONNECTED = "of the and de la le du von van der den di da del for in on at to s y e und et al el bin ibn"
_CONNECTORS = frozenset(_CONNECTED.split())
_BRACKETED = re.compile(r"\s*[(\[（][^()\[\]（）]*[)\]）]\s*$")
_HEADING = re.compile(r"^(?:#{1,6}[ \t]+(.{2,80}?)[ \t#]*|={2,6}[ \t]*(.{2,80}?)[ \t]*={2,6})$", re.MULTILINE)
_SYMBOL = re.compile(
    r"^[ \t]*(?:export |public |private |static |async |pub )*"
    r"(?:def|class|function|func|fn|struct|interface|enum|trait)[ \t]+(\w{3,60})",
    re.MULTILINE,
)
_QUOTED = re.compile(r"《([^《》\n]{2,30})》|「([^「」\n]{2,20})」|『([^『』\n]{2,20})』|“([^“”\n]{2,20})”")
_FOLDER_FILES = frozenset({"__init__", "index", "main", "mod", "readme"})  # files that stand for their folder
_SUFFIX = re.compile(r"\.[A-Za-z0-9]{1,5}(?:\.gz)?$")


def title_names(title: str, *, path: str = "") -> list[str]:
    """What a document's title may be called in text, the full title first: without brackets, after-comma part, article."""
    names = [title]
    bare = _BRACKETED.sub("", title)
    names.append(bare)
    if ", " in bare:
        names.append(bare.split(", ")[0])
    names += [name[4:] for name in names if name.lower().startswith("the ")]
    for name in (path, title):
        if _SUFFIX.search(name) and " " not in name.strip():
            *folders, stem = _SUFFIX.sub("", name).split("/")
            names += folders[-1:] if stem.lower() in _FOLDER_FILES else [stem]
    return list(dict.fromkeys(name.strip() for name in names if name.strip()))


def defined_names(text: str) -> list[tuple[int | None, str]]:
    """Headings and defined symbols of a text, with the character offset where each stands, and quoted Chinese titles (None)."""
    found: list[tuple[int | None, str]] = []
    if "#" in text or "==" in text:
        found += [(match.start(), match.group(match.lastindex or 0)) for match in _HEADING.finditer(text)]
    found += [(match.start(1), match.group(1)) for match in _SYMBOL.finditer(text)]
    if any(mark in text for mark in "《「『“"):
        # To quote is to mention, not to define: a quoted name has no place of its own.
        quoted = [match.group(match.lastindex or 0) for match in _QUOTED.finditer(text)]
        found += [(None, name) for name in quoted if any(map(t.is_ideograph, name))]
    return found


def extend_key(key: int, word: str) -> int:
    """The hash of a name that has one folded word more; 0 is that of no words."""
    return (key * int(_MULTIPLIER) + t.word_hash(word)) & 0xFFFFFFFFFFFFFFFF


def phrase_key(text: str) -> int:
    """The hash of a name as written; 0 where it has no words."""
    key = 0
    for word in t.word_tokens(text):
        key = extend_key(key, t.fold(word))
    return key


def is_plain_word(text: str) -> bool:
    """Whether a name is one word in lower case, as modules and functions are: such a name is found in any case."""
    return len(text) > 3 and text.islower() and text.isalnum() and text.isascii()


def among(keys: npt.NDArray[np.uint64], key: np.uint64) -> bool:
    """Whether a hash is one of the sorted ones."""
    at = int(np.searchsorted(keys, key))
    return at < len(keys) and bool(keys[at] == key)


Pairs = tuple[npt.NDArray[np.uint64], npt.NDArray[np.int32]]
"""Hashes of names, and for each a document or a passage, or -1."""


@dataclass(frozen=True)
class Words:
    """The words of all passages, without punctuation, as parallel arrays."""

    surface: npt.NDArray[np.int32]
    passage: npt.NDArray[np.int32]
    gap: npt.NDArray[np.bool_]  # a phrase cannot go on from the word before
    opening: npt.NDArray[np.bool_]  # first word of a sentence
    sentence: npt.NDArray[np.uint16]  # number of the sentence within the passage


def words_of(stream: npt.NDArray[np.int32], pointers: npt.NDArray[np.int64], flags: npt.NDArray[np.int16]) -> Words:
    """Takes the words out of a stream of surface ids whose passages start at `pointers`."""
    kinds = flags[stream]
    positions = np.flatnonzero(kinds & t.WORD)
    surface = stream[positions]
    passage = (np.searchsorted(pointers, positions, side="right") - 1).astype(np.int32)
    kind = kinds[positions]
    between = np.diff(positions, prepend=-1) - 1
    mark = kinds[np.maximum(positions - 1, 0)]
    before = np.roll(kind, 1)
    initial = (mark & t.FULL_STOP).astype(bool) & ((before & t.SHORT) != 0) & ((before & t.CAPITAL) != 0)
    joined = (between == 0) | ((between == 1) & (((mark & t.JOINER) != 0) | initial))
    fresh = np.diff(passage, prepend=-1) != 0
    changed = ((kind ^ before) & t.CJK) != 0
    ends = np.concatenate(([0], np.cumsum((kinds & t.SENTENCE_END) != 0)))[positions]
    opening = (np.diff(ends, prepend=-1) != 0) & ~initial | fresh
    sentence = np.cumsum(opening)
    return Words(
        surface=surface,
        passage=passage,
        gap=~joined | fresh | changed,
        opening=opening,
        sentence=(sentence - np.maximum.accumulate(np.where(fresh, sentence, 0))).astype(np.uint16),
    )


@dataclass(frozen=True)
class Mentions:
    """Names and where they are mentioned. Name i has hash `keys[i]` (sorted), passages and owning documents in CSR form."""

    keys: npt.NDArray[np.uint64]
    passages_at: npt.NDArray[np.int64]
    passages: npt.NDArray[np.int32]
    names_at: npt.NDArray[np.int64]  # by passage
    names: npt.NDArray[np.int32]
    sentences: npt.NDArray[np.int32]  # parallel to names: sentence within the passage
    owners_at: npt.NDArray[np.int64]
    owners: npt.NDArray[np.int32]  # documents that a name is the title of
    homes_at: npt.NDArray[np.int64]
    homes: npt.NDArray[np.int32]  # passages that define a name by a heading or a symbol, where they are few
    defined: npt.NDArray[np.bool_]  # by title, heading or symbol: a name in any case

    def find(self, key: int) -> int:
        """The name with this hash, or -1."""
        at = int(np.searchsorted(self.keys, np.uint64(key)))
        return at if at < len(self.keys) and int(self.keys[at]) == key else -1

    def mentioning(self, name: int) -> npt.NDArray[np.int32]:
        """Passages that mention the name, in corpus order."""
        return self.passages[self.passages_at[name] : self.passages_at[name + 1]]

    def owned(self, name: int) -> npt.NDArray[np.int32]:
        """Documents whose title the name is."""
        return self.owners[self.owners_at[name] : self.owners_at[name + 1]]

    def at_home(self, name: int) -> npt.NDArray[np.int32]:
        """Passages with the heading or the symbol that the name is."""
        return self.homes[self.homes_at[name] : self.homes_at[name + 1]]

    def in_passage(self, passage: int) -> tuple[npt.NDArray[np.int32], npt.NDArray[np.int32]]:
        """Names that a passage mentions, and in which of its sentences."""
        span = slice(self.names_at[passage], self.names_at[passage + 1])
        return self.names[span], self.sentences[span]


@dataclass(frozen=True)
class _Marks:
    """What each word is, parallel to `Words`; `hashes` are those of the folded words."""

    hashes: npt.NDArray[np.uint64]
    capital: npt.NDArray[np.bool_]  # written with a capital, and no stop word
    solid: npt.NDArray[np.bool_]  # capital or number: how a phrase ends
    inner: npt.NDArray[np.bool_]  # solid or connector: what may stand within a phrase
    start: npt.NDArray[np.bool_]  # capital for another reason than that a sentence starts
    proper: npt.NDArray[np.bool_]  # mostly written with a capital
    leading: npt.NDArray[np.bool_]  # may start a title
    alone: npt.NDArray[np.bool_]  # may be a title by itself
    pair: npt.NDArray[np.bool_]  # starts a recurring but rare pair of ideographs


def find_mentions(
    words: Words,
    lexicon: Sequence[str],
    flags: npt.NDArray[np.int16],
    *,
    passages: int,
    titles: Pairs,
    defined: Pairs,
    uncased: npt.NDArray[np.uint64],
) -> Mentions:
    """All names and their mentions in `passages` passages.

    `titles` pairs hashes with documents, `defined` those of other defined names with passages; `uncased` are hashes of
    one-word names that are found in any case. `lexicon` and `flags` tell of each surface id how it is written and what it is.
    """
    named = np.unique(np.concatenate((titles[0], defined[0])))
    if len(words.surface):
        keys, where = _phrases(words, _marks(words, lexicon, flags, uncased, max(RARE, passages // 50)), named)
    else:
        keys, where = np.zeros(0, np.uint64), np.zeros(0, np.int64)
    return _assemble(keys, where, words, named, titles, defined, passages)


def _marks(
    words: Words, lexicon: Sequence[str], flags: npt.NDArray[np.int16], uncased: npt.NDArray[np.uint64], rare: int
) -> _Marks:
    folded = [t.fold(word) for word in lexicon]
    hashes = np.fromiter(map(t.word_hash, folded), np.uint64, len(folded))
    numbers: dict[str, int] = {}
    fold_of = np.fromiter((numbers.setdefault(word, len(numbers)) for word in folded), np.int32, len(folded))
    connector = np.fromiter((word in _CONNECTORS for word in folded), np.bool_, len(folded))[words.surface]

    kind = flags[words.surface]
    stop = (kind & t.STOP) != 0
    digit = (kind & t.DIGIT) != 0
    ideograph = (kind & t.CJK) != 0
    capital = ((kind & t.CAPITAL) != 0) & ~stop
    number = fold_of[words.surface]
    lower = np.bincount(number[(kind & (t.CAPITAL | t.CJK | t.DIGIT)) == 0], minlength=len(numbers))
    upper = np.bincount(number[capital & ~words.opening], minlength=len(numbers))
    proper = (upper > lower)[number]
    free = np.isin(hashes, uncased)[words.surface]

    pair = np.zeros(len(number), np.bool_)
    firsts = np.flatnonzero(ideograph[:-1] & ideograph[1:] & ~words.gap[1:] & ~stop[:-1] & ~stop[1:])
    if len(firsts):
        pairs = number[firsts].astype(np.int64) * len(numbers) + number[firsts + 1]
        _, group, counts = np.unique(pairs, return_inverse=True, return_counts=True)
        pair[firsts] = ((counts >= 2) & (counts <= rare))[group]
    return _Marks(
        hashes=hashes[words.surface],
        capital=capital,
        solid=capital | digit,
        inner=capital | digit | connector,
        start=capital & (~words.opening | proper),
        proper=proper,
        leading=~stop | ((kind & t.CAPITAL) != 0),
        alone=~stop & (capital | digit | free),
        pair=pair,
    )


def _phrases(
    words: Words, marks: _Marks, named: npt.NDArray[np.uint64]
) -> tuple[npt.NDArray[np.uint64], npt.NDArray[np.int64]]:
    """Every phrase that may be a name: its hash and the position of its first word."""
    total = len(marks.hashes)
    gaps = np.concatenate(([0], np.cumsum(words.gap)))
    openings = np.concatenate(([0], np.cumsum(words.opening)))
    weak = np.concatenate(([0], np.cumsum(~marks.inner)))
    pairs = np.concatenate(([0], np.cumsum(marks.pair)))
    sieve = np.zeros(1 << 20, np.bool_)  # most phrases are told from the defined names by 20 bits of their hash
    sieve[named >> np.uint64(44)] = True
    rolling = np.zeros(total, np.uint64)
    keys: list[npt.NDArray[np.uint64]] = []
    where: list[npt.NDArray[np.int64]] = []
    for length in range(1, min(LONGEST, total) + 1):
        count = total - length + 1
        rolling = rolling[:count] * _MULTIPLIER + marks.hashes[length - 1 :]
        found = np.zeros(count, np.bool_)
        if length <= PHRASE:
            whole = gaps[length : length + count] == gaps[1 : count + 1]
            found = whole & marks.start[:count]
            if length == 1:
                found &= marks.proper
            else:
                found &= marks.solid[length - 1 :] & (weak[length : length + count] == weak[:count])
                found |= whole & (pairs[length - 1 : length - 1 + count] - pairs[:count] == length - 1)
        titled = sieve[rolling >> np.uint64(44)] & ~found & (openings[length : length + count] == openings[1 : count + 1])
        titled &= marks.alone if length == 1 else marks.leading[:count]
        others = np.flatnonzero(titled)
        if len(named):
            at = np.minimum(np.searchsorted(named, rolling[others]), len(named) - 1)
            found[others[named[at] == rolling[others]]] = True
        positions = np.flatnonzero(found)
        keys.append(rolling[positions])
        where.append(positions)
    return np.concatenate(keys), np.concatenate(where)


def _assemble(
    keys: npt.NDArray[np.uint64],
    where: npt.NDArray[np.int64],
    words: Words,
    named: npt.NDArray[np.uint64],
    titles: Pairs,
    defined: Pairs,
    passages: int,
) -> Mentions:
    passage = words.passage[where] if len(where) else np.zeros(0, np.int32)
    unique, group = np.unique(keys, return_inverse=True)
    pairs = np.unique(group.astype(np.int64) * passages + passage) if len(keys) else np.zeros(0, np.int64)
    frequency = np.bincount(pairs // max(passages, 1), minlength=len(unique))
    keep = frequency >= 2
    if len(named) and len(unique):
        at = np.minimum(np.searchsorted(named, unique), len(named) - 1)
        keep |= named[at] == unique
    kept = np.union1d(unique[keep], named)
    renumber = np.full(len(unique), -1, dtype=np.int64)
    renumber[keep] = np.searchsorted(kept, unique[keep])
    name = renumber[group] if len(keys) else np.zeros(0, np.int64)
    good = name >= 0
    name, passage, where = name[good], passage[good], where[good]
    sentence = words.sentence[where]

    pairs = np.unique(name * max(passages, 1) + passage)
    owners_at, owners = _rows(kept, titles, limit=len(titles[0]))
    homes_at, homes = _rows(kept, defined, limit=HOMES)
    triples = (
        np.unique(np.stack((passage.astype(np.int64), sentence.astype(np.int64), name)), axis=1)
        if len(name)
        else np.zeros((3, 0), np.int64)
    )
    return Mentions(
        keys=kept,
        passages_at=_pointers(pairs // max(passages, 1), len(kept)),
        passages=(pairs % max(passages, 1)).astype(np.int32),
        names_at=_pointers(triples[0], passages),
        names=triples[2].astype(np.int32),
        sentences=triples[1].astype(np.int32),
        owners_at=owners_at,
        owners=owners,
        homes_at=homes_at,
        homes=homes,
        defined=np.isin(kept, named),
    )


def _rows(kept: npt.NDArray[np.uint64], pairs: Pairs, *, limit: int) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.int32]]:
    """Hashes and what they stand for, as CSR rows by name; rows of more than `limit` are left empty."""
    name = np.searchsorted(kept, pairs[0])
    both = np.unique(np.stack((name, pairs[1])), axis=1) if len(name) else np.zeros((2, 0), np.int64)
    sizes = np.bincount(both[0], minlength=len(kept))
    both = both[:, (sizes[both[0]] <= limit) & (both[1] >= 0)]
    return _pointers(both[0], len(kept)), both[1].astype(np.int32)


def _pointers(rows: npt.NDArray[np.int64], size: int) -> npt.NDArray[np.int64]:
    return np.concatenate(([0], np.cumsum(np.bincount(rows, minlength=size)))).astype(np.int64)
