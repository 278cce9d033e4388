"""Word: headings as Markdown has them, lists, tables where they stand, notes, text boxes, headers and footers.

The text is what a reader sees: insertions that are still marked are in it, deletions are not.
"""

from __future__ import annotations

import re
import zipfile
from collections.abc import Iterator
from itertools import chain, takewhile
from typing import Any

from extagents.corpus.formats.base import Extracted, Reading, Record, Refused, Room
from extagents.corpus.formats.markdown import table as markdown_table
from extagents.corpus.formats.text import sound, title_of
from extagents.corpus.formats.zipped import office_file

_W = "{http://schemas.openxmlformats.org/wordprocessingml/2006/main}"
_MC = "{http://schemas.openxmlformats.org/markup-compatibility/2006}"
_M = "{http://schemas.openxmlformats.org/officeDocument/2006/math}"
_OPEN = b"application/vnd.openxmlformats-officedocument.wordprocessingml."
_KINDS = dict.fromkeys(
    (
        _OPEN + b"template.main+xml",
        b"application/vnd.ms-word.document.macroEnabled.main+xml",
        b"application/vnd.ms-word.template.macroEnabledTemplate.main+xml",
    ),
    _OPEN + b"document.main+xml",
)
_HEADING = re.compile(r"heading ([1-9])$", re.IGNORECASE)
_LEFT_OUT = frozenset(
    (
        _W + "del",
        _W + "moveFrom",
        _W + "pPr",
        _W + "rPr",
        _W + "instrText",
        _W + "delText",
        _W + "txbxContent",
        _MC + "Fallback",
    )
)
_SIGNS = {
    _W + "tab": "\t",
    _W + "br": "\n",
    _W + "cr": "\n",
    _W + "noBreakHyphen": "-",
    _W + "softHyphen": "",
}


def read(name: str, data: bytes, reading: Reading) -> Extracted:
    """One document. Raises Refused where it is damaged or encrypted."""
    import docx
    from docx.opc.exceptions import PackageNotFoundError
    from lxml.etree import LxmlError  # type: ignore[import-untyped]

    plain = office_file(data, reading.room, "Word file", _KINDS)
    try:
        document = docx.Document(plain)
        text = _Writer(document).text(reading.room, len(data))
        title, metadata = properties(document.core_properties)
    except (PackageNotFoundError, LxmlError, zipfile.BadZipFile, KeyError, ValueError, AttributeError, OSError) as error:
        raise Refused("damaged Word file") from error
    return Extracted([Record(text, title or title_of(text, name), metadata=metadata)], [])


def properties(core: Any) -> tuple[str, dict[str, Any]]:
    """The title ("" for none), and author, date and subject, from an office file's core properties."""
    metadata: dict[str, Any] = {}
    for key, value in (("author", core.author), ("subject", core.subject), ("keywords", core.keywords)):
        if value and value.strip() and value != "python-docx":
            metadata[key] = sound(value.strip())
    if date := core.modified or core.created:
        metadata["date"] = date.isoformat()
    title = sound((core.title or "").strip())
    return ("" if title in ("Word Document", "PowerPoint Presentation") else title), metadata


class _Writer:
    """Walks one document from top to bottom."""

    def __init__(self, document: Any) -> None:
        self._document = document
        self._levels: dict[str, int] = {}
        self._numbered: dict[tuple[str, int], bool] = {}
        self._counts: dict[tuple[str, int], int] = {}
        self._styles = {style.style_id: style for style in document.styles}

    def text(self, room: Room, packed: int) -> str:
        body = self._document.element.body
        out: list[str] = []
        before, written = "", 0
        for kind, part in chain(self._around("header"), self._blocks(body), self._notes(), self._around("footer")):
            written = room.write(len(part), written, packed)
            if out:
                out.append("\n" if kind == before == "item" else "\n\n")
            out.append(part)
            before = kind
        return sound("".join(out)) + "\n" if out else ""

    def _blocks(self, parent: Any) -> Iterator[tuple[str, str]]:
        """(kind, text) of paragraphs and tables in order, those in content controls too."""
        for element in parent:
            if element.tag == _W + "p":
                yield from self._paragraph(element)
            elif element.tag == _W + "tbl":
                yield from self._table(element)
            elif element.tag in (_W + "sdt", _W + "sdtContent", _W + "ins", _W + "customXml", _W + "moveTo"):
                yield from self._blocks(element)

    def _paragraph(self, element: Any) -> Iterator[tuple[str, str]]:
        text = inline(element).strip("\n")
        if text.strip():
            level = self._level(element)
            marked = self._list_mark(element) if not level else None
            if level:
                yield "heading", "#" * min(level, 6) + " " + " ".join(text.split())
            elif marked is not None:
                yield "item", marked + " ".join(text.split())
            else:
                yield "paragraph", text
        for box in element.iter(_W + "txbxContent"):
            # An older copy of the same box stands in the Fallback; a box within a box is that one's.
            around = takewhile(lambda above: above is not element, box.iterancestors())
            if not any(above.tag in (_MC + "Fallback", _W + "txbxContent") for above in around):
                yield from self._blocks(box)

    def _level(self, element: Any) -> int:
        """The heading's level, 1 to 9; 0 for a paragraph that is none."""
        own = element.find(f"{_W}pPr/{_W}outlineLvl")
        if own is not None and own.get(_W + "val", "9").isdigit() and int(own.get(_W + "val")) < 9:
            return int(own.get(_W + "val")) + 1
        style = element.find(f"{_W}pPr/{_W}pStyle")
        name = style.get(_W + "val") if style is not None else None
        if name is None:
            return 0
        if name not in self._levels:
            self._levels[name] = self._style_level(name)
        return self._levels[name]

    def _style_level(self, name: str) -> int:
        style = self._styles.get(name)
        for _ in range(10):
            if style is None:
                break
            if match := _HEADING.match(style.name or ""):
                return int(match.group(1))
            if (style.name or "").lower() == "title":
                return 1
            level = style.element.find(f"{_W}pPr/{_W}outlineLvl")
            if level is not None and level.get(_W + "val", "9").isdigit() and int(level.get(_W + "val")) < 9:
                return int(level.get(_W + "val")) + 1
            style = getattr(style, "base_style", None)
        return 0

    def _list_mark(self, element: Any) -> str | None:
        """What stands before a list's item: "- " or its number, pushed in by its level; None for no item."""
        number = element.find(f"{_W}pPr/{_W}numPr")
        style = element.find(f"{_W}pPr/{_W}pStyle")
        named = self._styles.get(style.get(_W + "val")) if style is not None else None
        if number is None and named is not None:
            number = named.element.find(f"{_W}pPr/{_W}numPr")
        if number is None:
            return None
        identity, depth = number.find(_W + "numId"), number.find(_W + "ilvl")
        key = (
            identity.get(_W + "val") if identity is not None else "",
            int(depth.get(_W + "val")) if depth is not None and depth.get(_W + "val", "").isdigit() else 0,
        )
        if key[0] == "0":  # the list of the style, taken off again
            return None
        indent = "  " * min(key[1], 8)
        if not self._is_numbered(key):
            return indent + "- "
        for other in [other for other in self._counts if other[0] == key[0] and other[1] > key[1]]:
            del self._counts[other]
        self._counts[key] = self._counts.get(key, 0) + 1
        return f"{indent}{self._counts[key]}. "

    def _is_numbered(self, key: tuple[str, int]) -> bool:
        if key not in self._numbered:
            self._numbered[key] = self._format(key) not in ("bullet", "none", "")
        return self._numbered[key]

    def _format(self, key: tuple[str, int]) -> str:
        part = next((rel.target_part for rel in self._document.part.rels.values() if rel.reltype.endswith("/numbering")), None)
        if part is None:
            return ""
        root = part.element
        link = next((num.find(_W + "abstractNumId") for num in root.iter(_W + "num") if num.get(_W + "numId") == key[0]), None)
        for abstract in root.iter(_W + "abstractNum"):
            if link is not None and abstract.get(_W + "abstractNumId") == link.get(_W + "val"):
                for level in abstract.iter(_W + "lvl"):
                    if level.get(_W + "ilvl") == str(key[1]):
                        found = level.find(_W + "numFmt")
                        return str(found.get(_W + "val")) if found is not None else ""
        return ""

    def _table(self, element: Any) -> Iterator[tuple[str, str]]:
        rows = [self._row(row) for row in _rows(element)]
        if max((len(row) for row in rows), default=0) > 1:
            if text := markdown_table(rows):
                yield "table", text
            return
        # A frame around text, not a table.
        for row in _rows(element):
            for cell in row.iter(_W + "tc"):
                if next(cell.iterancestors(_W + "tbl")) is element:
                    yield from self._blocks(cell)

    def _row(self, row: Any) -> list[str]:
        cells: list[str] = []
        for cell in _cells(row):
            merged = cell.find(f"{_W}tcPr/{_W}vMerge")
            goes_on = merged is not None and merged.get(_W + "val", "continue") == "continue"
            cells.append("" if goes_on else " ".join(self._flat(cell)))
            span = cell.find(f"{_W}tcPr/{_W}gridSpan")
            if span is not None and span.get(_W + "val", "").isdigit():
                cells += [""] * (min(int(span.get(_W + "val")), 64) - 1)
        return cells

    def _flat(self, cell: Any) -> Iterator[str]:
        for element in cell.iter(_W + "p"):
            if text := " ".join(inline(element).split()):
                yield text

    def _notes(self) -> Iterator[tuple[str, str]]:
        """Footnotes, then endnotes, under the marks that stand for them in the text."""
        from docx.oxml import parse_xml

        seen: set[str] = set()
        for kind, mark in (("footnote", "^"), ("endnote", "^e")):
            for relation in self._document.part.rels.values():
                if relation.is_external or not relation.reltype.endswith(f"/{kind}s") or relation.target_part.partname in seen:
                    continue
                seen.add(relation.target_part.partname)
                for note in parse_xml(relation.target_part.blob).iter(f"{_W}{kind}"):
                    text = " ".join(self._flat(note))
                    if text and note.get(_W + "type") in (None, "normal"):
                        yield "item", f"[{mark}{note.get(_W + 'id')}]: {text}"

    def _around(self, which: str) -> Iterator[tuple[str, str]]:
        """The headers or footers, each text once; page numbers alone are no text."""
        seen: set[str] = set()
        for relation in self._document.part.rels.values():
            if relation.is_external or not relation.reltype.endswith(f"/{which}"):
                continue
            for kind, text in self._blocks(relation.target_part.element):
                if text not in seen and re.search(r"[^\W\d_]", text) and not re.fullmatch(r"(?i)(page|第)?[\s\d/页of-]*", text):
                    seen.add(text)
                    yield kind, text


def _rows(table: Any) -> Iterator[Any]:
    for element in table:
        if element.tag == _W + "tr":
            yield element
        elif element.tag in (_W + "sdt", _W + "sdtContent", _W + "ins"):
            yield from _rows(element)


def _cells(row: Any) -> Iterator[Any]:
    for element in row:
        if element.tag == _W + "tc":
            yield element
        elif element.tag in (_W + "sdt", _W + "sdtContent", _W + "ins"):
            yield from _cells(element)


def inline(paragraph: Any) -> str:
    """The text of a paragraph: runs, links, insertions and formulas; marks for notes."""
    parts: list[str] = []
    stack = list(reversed(paragraph))
    while stack:
        element = stack.pop()
        tag = element.tag
        if tag in _LEFT_OUT:
            continue
        if tag in (_W + "t", _M + "t"):
            parts.append(element.text or "")
        elif tag in _SIGNS:
            # A page's end is marked by Word itself in the middle of sentences.
            parts.append(" " if element.get(_W + "type") == "page" else _SIGNS[tag])
        elif tag == _W + "footnoteReference":
            parts.append(f"[^{element.get(_W + 'id')}]")
        elif tag == _W + "endnoteReference":
            parts.append(f"[^e{element.get(_W + 'id')}]")
        else:
            stack.extend(reversed(element))
    return "".join(parts)
