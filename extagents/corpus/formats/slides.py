"""PowerPoint: a page a slide, its title as a heading, then its text, tables and charts, then the speaker's notes."""

from __future__ import annotations

import zipfile
from collections.abc import Iterator
from typing import Any

from extagents.corpus.formats.base import Extracted, Reading, Record, Refused
from extagents.corpus.formats.markdown import table as markdown_table
from extagents.corpus.formats.text import sound, title_of
from extagents.corpus.formats.word import properties
from extagents.corpus.formats.zipped import office_file

_OPEN = b"application/vnd.openxmlformats-officedocument.presentationml."
_MACROS = b"application/vnd.ms-powerpoint."
_KINDS = dict.fromkeys(
    (
        _OPEN + b"template.main+xml",
        _OPEN + b"slideshow.main+xml",
        _MACROS + b"presentation.macroEnabled.main+xml",
        _MACROS + b"template.macroEnabled.main+xml",
        _MACROS + b"slideshow.macroEnabled.main+xml",
    ),
    _OPEN + b"presentation.main+xml",
)


def read(name: str, data: bytes, reading: Reading) -> Extracted:
    """One document with a page a slide. Raises Refused where it is damaged or encrypted."""
    import pptx
    from lxml.etree import LxmlError  # type: ignore[import-untyped]
    from pptx.exc import PackageNotFoundError

    plain = office_file(data, reading.room, "PowerPoint file", _KINDS)
    pages: list[int] = []
    parts: list[str] = []
    size = 0
    written = 0
    seen: set[str] = set()
    try:
        presentation = pptx.Presentation(plain)
        for slide in presentation.slides:
            if slide.part.partname in seen:
                continue
            seen.add(slide.part.partname)
            shown = []
            for part in _slide(slide, len(seen)):
                written = reading.room.write(len(part), written, len(data))
                shown.append(part)
            pages.append(size)
            text = sound("\n\n".join(shown)) + "\n\n"
            parts.append(text)
            size += len(text)
        title, metadata = properties(presentation.core_properties)
    except (
        PackageNotFoundError,
        LxmlError,
        zipfile.BadZipFile,
        KeyError,
        ValueError,
        AttributeError,
        OSError,
        NotImplementedError,
    ) as error:
        raise Refused("damaged PowerPoint file") from error
    body = "".join(parts)
    if all(part.strip() == f"## Slide {number}" for number, part in enumerate(parts, 1)):
        raise Refused("slides without text (pictures?)")
    return Extracted([Record(body, title or title_of(body, name), pages=tuple(pages), metadata=metadata)], [])


def _slide(slide: Any, number: int) -> Iterator[str]:
    heading = slide.shapes.title
    title = " ".join(heading.text_frame.text.split()) if heading is not None and heading.has_text_frame else ""
    yield f"## {title or f'Slide {number}'}"
    for shape in _in_order(slide.shapes):
        if heading is None or shape.shape_id != heading.shape_id:
            yield from _shape(shape)
    frame = slide.notes_slide.notes_text_frame if slide.has_notes_slide else None
    if frame is not None and (notes := frame.text.replace("\v", "\n").strip()):
        yield f"Notes: {notes}"


def _in_order(shapes: Any) -> list[Any]:
    """As they are read: from the top down, then from the left."""
    return sorted(shapes, key=lambda shape: (shape.top or 0, shape.left or 0))


def _shape(shape: Any) -> Iterator[str]:
    if hasattr(shape, "shapes"):  # a group
        for inner in _in_order(shape.shapes):
            yield from _shape(inner)
    elif getattr(shape, "has_table", False):
        rows = [["" if cell.is_spanned else cell.text for cell in row.cells] for row in shape.table.rows]
        if text := markdown_table(rows):
            yield text
    elif getattr(shape, "has_chart", False):
        if text := _chart(shape.chart):
            yield text
    elif shape.has_text_frame:
        lines = []
        for paragraph in shape.text_frame.paragraphs:
            text = paragraph.text.replace("\v", "\n").strip()
            if text:
                lines.append(("  " * paragraph.level + "- " if paragraph.level else "") + text)
        if lines:
            yield "\n".join(lines)


def _chart(chart: Any) -> str:
    """A chart's numbers as a table, a row a category, under its title."""
    plots = list(chart.plots)
    if not plots:
        return ""
    categories = [str(category) for category in plots[0].categories]
    series = [one for plot in plots for one in plot.series]
    columns = [list(one.values) for one in series]
    rows = [["", *(str(one.name or "") for one in series)]]
    for place, category in enumerate(categories):
        rows.append([category, *(_value(column[place]) if place < len(column) else "" for column in columns)])
    title = chart.chart_title.text_frame.text.strip() if chart.has_title and chart.chart_title.has_text_frame else ""
    text = markdown_table(rows) if categories else ""
    return "\n\n".join(part for part in (title, text) if part)


def _value(value: float | None) -> str:
    return "" if value is None else f"{value:.15g}"
