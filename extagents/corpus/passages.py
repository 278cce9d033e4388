"""Cuts documents into passages: what the index ranks, about 1,000 characters each, at the text's own borders."""

from __future__ import annotations

from extagents.text import line_spans, paragraph_spans, sentence_spans

TARGET = 1_000
"""Characters that a passage aims at."""
LIMIT = 1_400
"""Characters that no passage exceeds."""
_FLOOR = 600
"""Characters below which no border is looked for, so that a passage is not a scrap."""
_LINES = 12
"""Line breaks within the window from which on a text counts as code or a table, and is cut at lines."""


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
    high = start + LIMIT
    window = text[start:high]
    ordered = window.count("\n", _FLOOR) >= _LINES
    for split in (paragraph_spans, line_spans if ordered else sentence_spans, line_spans):
        ends = [end for _, end in split(window) if _FLOOR <= end < LIMIT]
        if ends:
            return start + min(ends, key=lambda end: abs(end - TARGET))
    for border in (" ", "\t", "\u3000"):
        at = window.rfind(border, _FLOOR)
        if at >= 0:
            return start + at + 1
    return high
