"""Cuts documents into passages: what the index ranks, about 1,000 characters each, at the text's own borders."""

from __future__ import annotations

import re

TARGET = 1_000
"""Characters that a passage aims at."""
LIMIT = 1_400
"""Characters that no passage exceeds."""
_FLOOR = 600
"""Characters below which no border is looked for, so that a passage is not a scrap."""
_LINES = 12
"""Line breaks within the window from which on a text counts as code or a table, and is cut at lines."""

_BLANK = re.compile(r"\n[ \t]*\n\s*")
_SENTENCE = re.compile(r"[.!?…][\"'”’)\]]*\s+|[。！？；][”’」』）]*\s*")


def passage_spans(text: str) -> list[tuple[int, int]]:
    """The passages of a text as `(start, end)` character offsets: in order, without gap or overlap.

    Borders are blank lines, then lines (code, tables) or sentences (prose, also Chinese), then lines, then white space,
    then anywhere. A text of up to `LIMIT` characters is one passage; an empty text has none.
    """
    spans: list[tuple[int, int]] = []
    start, length = 0, len(text)
    while length - start > LIMIT:
        end = _border(text, start)
        spans.append((start, end))
        start = end
    if start < length:
        spans.append((start, length))
    return spans


def _border(text: str, start: int) -> int:
    low, high = start + _FLOOR, start + LIMIT
    target = start + TARGET
    for pattern in (_BLANK,) if text.count("\n", start, high) >= _LINES else (_BLANK, _SENTENCE):
        ends = [end for match in pattern.finditer(text, low, high) if (end := match.end()) < high]
        if ends:
            return min(ends, key=lambda end: abs(end - target))
    for border in ("\n", " ", "\t"):
        at = text.rfind(border, low, high)
        if at >= 0:
            return at + 1
    return high
