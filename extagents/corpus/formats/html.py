"""The readable text of an HTML page: headings marked, blocks apart, tables as Markdown, scripts and navigation left out."""

from __future__ import annotations

import re
from typing import Any

from extagents.corpus.formats.markdown import table as markdown_table

_LEFT_OUT = frozenset(
    tag
    for line in (
        "script style noscript template head nav iframe object svg canvas",
        "button select option input",
    )
    for tag in line.split()
)
_BLOCKS = frozenset(
    tag
    for line in (
        "p div section article main header footer aside table ul ol dl figure figcaption blockquote pre details summary",
        "address hr body center caption form dialog fieldset h1 h2 h3 h4 h5 h6",
    )
    for tag in line.split()
)
_LINES = frozenset(("li", "tr", "dt", "dd", "br"))
_MOST_CELL = 1_000  # characters: what holds more is laid out in a table, and is none
_MOST_SPAN = 100
_MOST_WIDTH = 1_000  # columns
_FREE_CELLS = 1_000  # a table may have so many cells, and so many times those that its page names, by its spans and width:
_MOST_SPREAD = 100
_MOST_FILLED = 20
_SPACE = re.compile(r"[^\S\u00a0]+")


def html_text(source: str) -> tuple[str, str]:
    """The title ("" if there is none) and the text of a page."""
    from selectolax.lexbor import LexborHTMLParser

    # A NUL would end the page for the parser, and is no character of HTML.
    tree = LexborHTMLParser(source.replace("\x00", "\ufffd"))
    head = tree.css_first("title")
    title = _SPACE.sub(" ", head.text()).strip() if head is not None else ""
    body = tree.body
    if body is None:
        return title, ""
    text = "".join(_parts(body))
    text = "\n".join(map(_without_end, text.split("\n")))
    text = re.sub(r"\n{3,}", "\n\n", text)
    return title, text.strip() + "\n"


def _without_end(line: str) -> str:
    """A line without the spaces at its end, nor the bar that the last cell of a row left before them."""
    cut = line.rstrip(" \t")
    return cut.removesuffix(" |") if len(cut) < len(line) else line


def _parts(body: Any) -> list[str]:
    """Walks the page without recursion: pages nest deeper than Python's stack."""
    parts: list[str] = []
    stack: list[tuple[Any, bool, bool]] = [(body, False, False)]
    while stack:
        node, leaving, verbatim = stack.pop()
        tag = node.tag
        if leaving:
            if tag in _BLOCKS:
                parts.append("\n\n")
            elif tag in _LINES:
                _new_line(parts)
            elif tag in ("td", "th"):
                parts.append(" | ")
            continue
        if tag == "-text":
            text = node.text_content or ""
            if not verbatim:
                text = _SPACE.sub(" ", text)
                text = text.lstrip(" ") if parts and parts[-1].endswith(("\n", " ")) else text
            if text:
                parts.append(text)
            continue
        if tag in _LEFT_OUT or tag == "-comment":
            continue
        if tag == "table" and (text := _table(node)):
            parts.append(f"\n\n{text}\n\n")
            continue
        if tag in _BLOCKS:
            parts.append("\n\n" + ("#" * int(tag[1]) + " " if tag[0] == "h" and tag[1].isdigit() else ""))
        elif tag in _LINES:
            if tag == "br":
                parts.append("\n")
                continue
            _new_line(parts)
            if tag == "li":
                parts.append("- ")
        stack.append((node, True, verbatim))
        children = []
        child = node.child
        while child is not None:
            children.append(child)
            child = child.next
        stack.extend((child, False, verbatim or tag == "pre") for child in reversed(children))
    return parts


def _table(node: Any) -> str:
    """A table of data as Markdown; "" for one that only lays a page out: nested, of one row or column, or with long cells.

    A table that is nearly nothing but spans is none either: a small page would make a text of gigabytes.
    """
    if node.css_first("table table") is not None or node.attributes.get("role") in ("presentation", "none"):
        return ""
    rows: list[list[str]] = []
    own = spread = width = 0
    open_cells: dict[int, int] = {}  # columns that a cell above reaches down into, and how many rows further
    for line in node.css("tr"):
        cells: list[str] = []
        for cell in line.iter():
            if cell.tag not in ("td", "th"):
                continue
            while open_cells.get(len(cells), 0) > 0:
                open_cells[len(cells)] -= 1
                cells.append("")
            text = "".join(_parts(cell)).removesuffix(" | ")
            if len(text) > _MOST_CELL:
                return ""
            own += 1
            down = _span(cell, "rowspan") - 1
            for place in range(_span(cell, "colspan")):
                if down:
                    open_cells[len(cells)] = down
                cells.append("" if place else re.sub(r"(?m)^#{1,6} ", "", text))
            if len(cells) > _MOST_WIDTH:
                return ""
        while open_cells.get(len(cells), 0) > 0:
            open_cells[len(cells)] -= 1
            cells.append("")
        spread += len(cells)
        while cells and not cells[-1].strip():
            cells.pop()
        rows.append(cells)
        width = max(width, len(cells))
        if width * len(rows) > _FREE_CELLS + _MOST_FILLED * own or spread > _FREE_CELLS + _MOST_SPREAD * own:
            return ""
    if len(rows) < 2 or max(sum(1 for text in cells if text.strip()) for cells in rows) < 2:
        return ""
    caption = node.css_first("caption")
    above = _SPACE.sub(" ", caption.text()).strip() if caption is not None else ""
    return f"{above}\n\n{markdown_table(rows)}".strip()


def _span(cell: Any, name: str) -> int:
    said = (cell.attributes.get(name) or "1").strip()
    return min(max(int(said), 1), _MOST_SPAN) if said.isascii() and said.isdigit() else 1


def _new_line(parts: list[str]) -> None:
    if parts and not parts[-1].endswith("\n"):
        parts.append("\n")
