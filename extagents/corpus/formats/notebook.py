"""Jupyter notebooks: Markdown as it is, code fenced, what it printed below it, at most some of it."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

from extagents.corpus.formats.base import Extracted, Reading, Record, Refused
from extagents.corpus.formats.text import decode, sound, title_of

MOST_OUTPUT = 4_000
"""Characters that are kept of one output: logs of training runs are longer than all the rest."""


def read(name: str, data: bytes, reading: Reading) -> Extracted:
    """One document. Raises Refused where it is no notebook."""
    text, notices = decode(data, ".json")
    try:
        book = json.loads(text)
        cells = book["cells"] if "cells" in book else [cell for sheet in book["worksheets"] for cell in sheet["cells"]]
        info = book.get("metadata", {})
        language = str(info.get("language_info", {}).get("name") or info.get("kernelspec", {}).get("language") or "python")
        body = sound("\n\n".join(part for cell in cells for part in _cell(cell, language)))
        title = sound(str(info.get("title") or ""))
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
        raise Refused("damaged notebook") from error
    return Extracted([Record(body + "\n" if body else "", title or title_of(body + "\n\n", name))], notices)


def _cell(cell: dict[str, Any], language: str) -> Iterator[str]:
    source = _joined(cell.get("source", cell.get("input", ""))).strip("\n")
    if cell.get("cell_type") != "code":
        if source.strip():
            yield source
        return
    if source.strip():
        yield f"```{language}\n{source}\n```"
    for output in cell.get("outputs", ()):
        shown = _output(output).strip("\n")
        if len(shown) > MOST_OUTPUT:
            shown = f"{shown[:MOST_OUTPUT]}\n… ({len(shown) - MOST_OUTPUT:,} more characters of output)"
        if shown.strip():
            yield shown


def _output(output: dict[str, Any]) -> str:
    if output.get("output_type") == "error":
        return f"{output.get('ename', 'Error')}: {output.get('evalue', '')}"
    if "text" in output:
        return _joined(output["text"])
    data = output.get("data", {})
    if "<table" in (page := _joined(data.get("text/html", ""))):
        from extagents.corpus.formats.html import html_text

        return html_text(page)[1]
    return next((_joined(data[kind]) for kind in ("text/markdown", "text/plain", "text/latex") if kind in data), "")


def _joined(text: Any) -> str:
    return "".join(str(part) for part in text) if isinstance(text, list) else str(text)
