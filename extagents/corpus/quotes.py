"""Where a quote stands in a shard: exactly, then folded (white space, Unicode, case), then fuzzily; else nowhere."""

from __future__ import annotations

import re
from array import array
from collections.abc import Iterator, Sequence
from functools import lru_cache

from rapidfuzz import fuzz
from rapidfuzz.distance import Indel

from extagents.text import fold, is_cjk
from extagents.types import Frozen, Section, ShardText

_SIMILAR = 90.0
_SHORTEST_FUZZY = 15
_SHORT = 15
_FURTHEST_ELISION = 2_000
_ANCHORS = 16
_OCCURRENCES = 24
_WRAPPING = " \t\r\n\"'“”‘’«»「」『』`*_"
_ELISION = re.compile(r"\s*(?:\[\s*(?:\.{2,}|…+)\s*\]|\(\s*(?:\.{3,}|…+)\s*\)|\.{3,}|…+)\s*")
_WORD = re.compile(r"[^\W_]{3,}")


class Located(Frozen):
    """A quote found: `text` is the document's own, `text == document.text[start:end]`; `page` is where the section starts."""

    section_index: int
    document: str
    title: str
    start: int
    end: int
    page: int | None
    text: str


def locate(quote: str, shard: ShardText) -> Located | None:
    """Finds a reader's quote in the shard it read and gives the document's own words there; None if it is not there.

    Quotation marks around the quote are left out, and so are elisions ("…", "[...]"), whose parts must all be found, in order.
    Short quotes must be whole words. Fuzzy means at least 90 % alike (rapidfuzz' partial ratio) and 15 characters long. A
    quote of a table's header that is shown again is found where the header itself stands.
    """
    found = _locate(quote, shard.sections)
    heads = [section for section in shard.sections if section.head] if found is None else []
    if not heads:
        return found
    return _locate(
        quote,
        [
            section.model_copy(
                update={"text": section.head, "start": section.head_start, "end": section.head_start + len(section.head)}
            )
            for section in heads
        ],
        places=[place for place, section in enumerate(shard.sections) if section.head],
    )


def _locate(quote: str, sections: Sequence[Section], *, places: Sequence[int] | None = None) -> Located | None:
    """The quote in these sections, which are those at `places` in the shard."""
    named = [*enumerate(sections)] if places is None else [*zip(places, sections, strict=True)]
    bare = quote.strip(_WRAPPING)
    if len(bare) < 2:
        return None
    for wanted in dict.fromkeys((quote.strip(), bare)):
        for place, section in named:
            if found := _exact(wanted, section.text):
                return _located(place, section, found)
    parts = [part.strip(_WRAPPING) for part in _ELISION.split(bare)]
    parts = [part for part in parts if len(part) > 1]
    if not parts:
        return None
    for search in (_folded, _fuzzy):
        for place, section in named:
            found = _exact(parts[0], section.text) or search(parts[0], section.text) if len(parts) == 1 else None
            if found or (len(parts) > 1 and (found := _elided(parts, section.text, fuzzy=search is _fuzzy))):
                return _located(place, section, found)
    return None


Span = tuple[int, int]


def _located(place: int, section: Section, span: Span) -> Located:
    return Located(
        section_index=place,
        document=section.document,
        title=section.title,
        start=section.start + span[0],
        end=section.start + span[1],
        page=section.page,
        text=section.text[span[0] : span[1]],
    )


def _exact(quote: str, text: str) -> Span | None:
    at = text.find(quote)
    while at >= 0:
        if len(quote) >= _SHORT or _is_whole(text, at, at + len(quote)):
            return at, at + len(quote)
        at = text.find(quote, at + 1)
    return None


def _is_whole(text: str, start: int, end: int) -> bool:
    """Whether neither end of the span cuts a word ("42" is not in "1942"); Chinese has no words to cut."""
    return not (_joins(text, start) or _joins(text, end))


def _joins(text: str, at: int) -> bool:
    if not 0 < at < len(text):
        return False
    before, after = text[at - 1], text[at]
    return before.isalnum() and after.isalnum() and not is_cjk(before) and not is_cjk(after)


@lru_cache(maxsize=256)
def _fold(text: str) -> tuple[str, str, array[int]]:
    """Folded, folded in lower case (where that keeps the length), offsets. Readers ask for several quotes of one text."""
    folded, offsets = fold(text)
    lower = folded.lower()
    return folded, lower if len(lower) == len(folded) else folded, array("l", offsets)


@lru_cache(maxsize=256)
def _wanted(quote: str) -> str:
    """The quote folded: it is looked for in every section of a shard."""
    return fold(quote)[0].strip()


def _folded(quote: str, text: str) -> Span | None:
    wanted = _wanted(quote)
    if len(wanted) < 2:
        return None
    folded, lower, offsets = _fold(text)
    found = _exact(wanted, folded) or _exact(wanted.lower(), lower)
    return _unfold(found, offsets, text) if found else None


def _unfold(span: Span, offsets: array[int], text: str) -> Span:
    """A span of the folded text as a span of the text, white space at its ends left out."""
    start, end = offsets[span[0]], offsets[span[1]]
    place = span[1]
    # A character that folds into several counts whole, wherever the span ends in it.
    while end <= offsets[span[1] - 1] and place + 1 < len(offsets):
        place += 1
        end = offsets[place]
    while end > start + 1 and text[end - 1].isspace():
        end -= 1
    while start < end - 1 and text[start].isspace():
        start += 1
    return start, end


def _fuzzy(quote: str, text: str) -> Span | None:
    wanted = _wanted(quote).lower()
    if len(wanted) < _SHORTEST_FUZZY:
        return None
    folded, lower, offsets = _fold(text)
    margin = 8 + len(wanted) // 8
    best: tuple[float, int, int] | None = None
    for start in _candidates(wanted, lower):
        low, high = max(0, start - margin), min(len(lower), start + len(wanted) + margin)
        if high - low < len(wanted) * 0.8:
            continue
        match = fuzz.partial_ratio_alignment(wanted, lower[low:high], score_cutoff=_SIMILAR)
        # Where the window is the shorter of the two, the ratio would be that of a part of the quote.
        if match and high - low >= len(wanted) and (best is None or match.score > best[0]):
            start, end = _matched(wanted, lower[low:high], match.dest_start, match.dest_end)
            best = (match.score, low + start, low + end)
    if best is None:
        return None
    return _unfold(_snap(folded, best[1], best[2]), offsets, text)


def _matched(wanted: str, window: str, start: int, end: int) -> Span:
    """From the first to the last run of characters that quote and window share: the ratio's own window has the quote's length,
    whatever was left out or put in. [start, end) is that window."""
    shortest = 2 if any(is_cjk(char) for char in wanted) else 3
    runs = [
        (code.dest_start, code.dest_end)
        for code in Indel.opcodes(wanted, window)
        if code.tag == "equal" and code.dest_end - code.dest_start >= shortest
    ]
    return (runs[0][0], runs[-1][1]) if runs else (start, end)


def _candidates(wanted: str, text: str) -> Iterator[int]:
    """Where the quote may begin: starts that at least two fifths of its longest words agree on, the most agreed on first."""
    words = {match.group(): match.start() for match in reversed(list(_WORD.finditer(wanted)))}
    if len(words) < 3 or (not wanted.isascii() and any(is_cjk(char) for char in wanted)):
        words = {wanted[at : at + 4]: at for at in range(len(wanted) - 4, -1, -3)}
    anchors = sorted(words, key=lambda word: (-len(word), words[word]))[:_ANCHORS]
    width = max(8, len(wanted) // 6)
    votes: dict[int, set[str]] = {}
    for word in anchors:
        at = text.find(word)
        for _ in range(_OCCURRENCES):
            if at < 0:
                break
            start = at - words[word]
            votes.setdefault(start // width, set()).add(word)
            at = text.find(word, at + 1)
    scored = {
        bucket: len(voters | votes.get(bucket + 1, set()))
        for bucket, voters in votes.items()
        if len(voters | votes.get(bucket + 1, set())) >= 0.4 * len(anchors)
    }
    for bucket in sorted(scored, key=lambda bucket: (-scored[bucket], bucket))[:3]:
        yield (bucket + 1) * width


def _snap(text: str, start: int, end: int) -> Span:
    """The span widened to whole words."""
    for _ in range(24):
        if not _joins(text, start):
            break
        start -= 1
    for _ in range(24):
        if not _joins(text, end):
            break
        end += 1
    return start, end


def _elided(parts: list[str], text: str, *, fuzzy: bool) -> Span | None:
    """The span from the first part to the last, if all are there in order and close by; the longest part if they lie apart."""
    spans: list[Span] = []
    at = 0
    for part in parts:
        rest = text[at:]
        found = _exact(part, rest) or _folded(part, rest) or (_fuzzy(part, rest) if fuzzy else None)
        if found is None:
            return None
        spans.append((at + found[0], at + found[1]))
        at += found[1]
    if spans[-1][1] - spans[0][0] <= _FURTHEST_ELISION:
        return spans[0][0], spans[-1][1]
    return max(spans, key=lambda span: span[1] - span[0])
