"""What stands around a place in a text: its sentence, its paragraph, the paragraphs beside it. English, Chinese, tables, code.

Every function looks at a few thousand characters around the place at most, whatever the text's length.
"""

from __future__ import annotations

import re

from extagents.text import Span, line_spans, sentence_spans

MOST_AROUND = 1_000  # characters of a paragraph before or after a place, taken at once: some paragraphs are whole books
MOST_SENTENCE = 600  # characters of one sentence before or after a place: text without stops has no end
MOST_BLANKS = 1_000  # characters of white space that are looked over
WRAPPED = 0.25  # share of lines that go on in the next, from which they are wrapped prose and end no sentence

_WINDOW = 2 * MOST_AROUND
_EMPTY_LINE = re.compile(r"\n[^\S\n]*\n")
_CELLS = re.compile(r"[|\t]")
_STOPS = tuple('.!?…:;。！？；：|}])"”’」』')


def trimmed(text: str, start: int, end: int) -> Span:
    """The span without white space at its ends."""
    part = text[start:end]
    stripped = part.lstrip()
    start += len(part) - len(stripped)
    return start, start + len(stripped.rstrip())


def before(text: str, at: int) -> int:
    """Where the white space that ends at `at` begins."""
    low = max(0, at - MOST_BLANKS)
    return low + len(text[low:at].rstrip())


def after(text: str, at: int) -> int:
    """Where the white space that begins at `at` ends."""
    part = text[at : at + MOST_BLANKS]
    return at + len(part) - len(part.lstrip())


def sentence_around(text: str, start: int, end: int) -> Span:
    """The sentence or sentences that the place stands in; lines in tables and code. Trimmed."""
    low, high = _paragraph(text, start, end)
    cuts = _cuts(text, low, high)
    first = max(cut for cut in cuts if cut <= start)
    last = min(cut for cut in cuts if cut >= end)
    if start - first > MOST_SENTENCE:
        first = _word_after(text, start - MOST_SENTENCE, start)
    if last - end > MOST_SENTENCE:
        last = _word_before(text, end + MOST_SENTENCE, end)
    return trimmed(text, first, last)


def paragraph_around(text: str, start: int, end: int) -> Span:
    """The paragraph that the place stands in; of a long one the sentences within 1,000 characters before and after. Trimmed."""
    start, end = sentence_around(text, start, end)
    low, high = _paragraph(text, start, end)
    if start - low > MOST_AROUND or high - end > MOST_AROUND:
        cuts = _cuts(text, low, high)
        if start - low > MOST_AROUND:
            low = min((cut for cut in cuts if start - MOST_AROUND <= cut <= start), default=start)
        if high - end > MOST_AROUND:
            high = max((cut for cut in cuts if end <= cut <= end + MOST_AROUND), default=end)
    return trimmed(text, low, high)


def paragraphs_beside(text: str, start: int, end: int) -> Span:
    """The span grown by the paragraph before it and the one after it, each within 1,000 characters. Trimmed."""
    low, high = before(text, start), after(text, end)
    if low > 0:
        start = min(start, paragraph_around(text, max(0, low - 1), low)[0])
    if high < len(text):
        end = max(end, paragraph_around(text, high, min(len(text), high + 1))[1])
    return start, end


def sentences_beside(text: str, start: int, end: int) -> Span:
    """The span grown by the sentence (or line) before it and the one after it. Trimmed."""
    low, high = before(text, start), after(text, end)
    if low > 0:
        start = min(start, sentence_around(text, max(0, low - 1), low)[0])
    if high < len(text):
        end = max(end, sentence_around(text, high, min(len(text), high + 1))[1])
    return start, end


def _paragraph(text: str, start: int, end: int) -> Span:
    """From the empty line before the place to the one after it, as far as the window goes."""
    low, high = max(0, start - _WINDOW), min(len(text), end + _WINDOW)
    for match in _EMPTY_LINE.finditer(text, low, start):
        low = match.end()
    following = _EMPTY_LINE.search(text, end, high)
    return low, following.start() if following else high


def _cuts(text: str, low: int, high: int) -> list[int]:
    """Where something ends in the window, both of its own ends included, in order."""
    part = text[low:high]
    lines = line_spans(part)
    wrapped = sum(1 for line in lines[:-1] if _goes_on(part, line[1])) > WRAPPED * max(1, len(lines) - 1)
    cuts = {0, len(part)}
    if wrapped or len(lines) < 2:
        cuts.update(cut for _, cut in sentence_spans(part))
    else:
        for first, last in lines:
            cuts.add(last)
            line = part[first:last]
            if not _CELLS.search(line):
                cuts.update(first + cut for _, cut in sentence_spans(line))
    return [low + cut for cut in sorted(cuts)]


def _goes_on(text: str, at: int) -> bool:
    """Whether the line that begins at `at` goes on with the sentence of the line before."""
    line = text[at : at + 80].lstrip(" ")
    ended = text[max(0, at - 80) : at].rstrip()
    return line[:1].islower() and not ended.endswith(_STOPS) and not ended.endswith((",", "{", "("))


def _word_after(text: str, at: int, most: int) -> int:
    """The first beginning of a word from `at` on, `at` itself where none comes before `most`."""
    blank = text.find(" ", at, most)
    return blank + 1 if blank >= 0 else at


def _word_before(text: str, at: int, least: int) -> int:
    """The last end of a word up to `at`, `at` itself where none comes after `least`."""
    blank = text.rfind(" ", least, at)
    return blank if blank >= 0 else at
