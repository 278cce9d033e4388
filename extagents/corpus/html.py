"""The readable text of an HTML page: headings marked, blocks apart, tables a row a line, scripts and navigation left out."""

from __future__ import annotations

import re
from typing import Any

_LEFT_OUT = frozenset(
    tag
    for line in (
        "script style noscript template head nav iframe object svg canvas",
        "button select option form input dialog",
    )
    for tag in line.split()
)
_BLOCKS = frozenset(
    tag
    for line in (
        "p div section article main header footer aside table ul ol dl figure figcaption blockquote pre details summary",
        "address hr body center caption fieldset h1 h2 h3 h4 h5 h6",
    )
    for tag in line.split()
)
_LINES = frozenset(("li", "tr", "dt", "dd", "br"))
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
    text = re.sub(r"(?: \|)?[ \t]+\n", "\n", text)
    text = re.sub(r"\n{3,}", "\n\n", text)
    return title, text.strip() + "\n"


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


def _new_line(parts: list[str]) -> None:
    if parts and not parts[-1].endswith("\n"):
        parts.append("\n")
