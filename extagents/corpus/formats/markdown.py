"""Tables as Markdown has them: a row a line, the header first and a rule under it."""

from __future__ import annotations

from collections.abc import Iterable, Sequence


def cell(text: str) -> str:
    """A cell's text on one line, bars in it escaped."""
    return " ".join(text.split()).replace("|", "\\|")


def row(cells: Iterable[str]) -> str:
    """A row of cells that are on one line each."""
    return "| " + " | ".join(cells) + " |"


def table(rows: Sequence[Sequence[str]]) -> str:
    """A table whose first row is its header; empty columns at the end and empty rows are left out. "" for no cells."""
    cleaned = [[cell(text) for text in cells] for cells in rows]
    cleaned = [cells for cells in cleaned if any(cells)]
    width = max((index + 1 for cells in cleaned for index, text in enumerate(cells) if text), default=0)
    if not width:
        return ""
    cleaned = [[*cells, *[""] * (width - len(cells))][:width] for cells in cleaned]
    return "\n".join([row(cleaned[0]), row(["---"] * width), *(row(cells) for cells in cleaned[1:])])
