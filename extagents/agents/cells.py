"""Rows as readers report them, checked: every cell's quote is located in the text, and has to hold the value."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence

from extagents.corpus.quotes import Located, locate
from extagents.tables.entities import normalised
from extagents.tables.values import holds
from extagents.tabular import CellFound, Column, ReportedCell, ReportedRow, RowFound, TableSchema
from extagents.text import is_cjk
from extagents.types import Document, ShardText

MOST_OCCURRENCES = 64  # of the same words in one section, among which that of the row's entity is looked for
_LETTER = r"[^\W\u3040-\u30ff\u3400-\u9fff\uac00-\ud7af]"  # of a word that has borders; Chinese words have none


def check_rows(
    reported: Sequence[ReportedRow], text: ShardText, documents: Mapping[str, Document], table: TableSchema
) -> tuple[RowFound, ...]:
    """The rows with their cells located, one for each document that a row's cells stand in.

    Cells of columns that the table has not are left out. One that cannot be located is kept, untrusted, with the others of its
    row, so that it is counted.
    """
    columns = {column.name.casefold(): column for column in table.columns}
    found: list[RowFound] = []
    for row in reported:
        entity = " ".join(row.entity.split())
        own = _sections_of(entity, text)
        cells: dict[str, list[CellFound]] = {}
        for cell in row.cells:
            column = columns.get(cell.column.strip().casefold())
            if column is None or not cell.value.strip():
                continue
            checked = _checked(cell, column, entity, own, text, documents)
            cells.setdefault(checked.document, []).append(checked)
        lost = cells.pop("", [])
        if lost:
            home = max(cells, key=lambda document: len(cells[document]), default=own.sections[0].document)
            cells.setdefault(home, []).extend(cell.model_copy(update={"document": home}) for cell in lost)
        date = " ".join(row.date.split())[:60]
        found += [RowFound(entity=entity, document=name, date=date, cells=tuple(held)) for name, held in cells.items()]
    return tuple(found)


def _checked(
    cell: ReportedCell, column: Column, entity: str, own: ShardText, text: ShardText, documents: Mapping[str, Document]
) -> CellFound:
    place = _place(cell.quote, entity, own) or (locate(cell.quote, text) if own is not text else None)
    raw = " ".join(cell.value.split())
    if place is None:
        return CellFound(column=column.name, raw=raw, quote=cell.quote, document="")
    source = documents.get(place.document)
    return CellFound(
        column=column.name,
        raw=raw,
        quote=place.text,
        document=place.document,
        start=place.start,
        end=place.end,
        page=source.page_at(place.start) if source is not None else place.page,
        trusted=holds(place.text, raw, column),
    )


def _sections_of(entity: str, text: ShardText) -> ShardText:
    """The part of the shard that is about the entity: sections of that title, else with the name in it, else in the text.

    A name stands at the borders of words: "Niger" is not in "Nigeria". Chinese has none.
    """
    if len(text.sections) == 1 or not entity:
        return text
    own, name = normalised(entity), re.compile(_bordered(entity.casefold()))
    sections = [section for section in text.sections if own and normalised(section.title) == own]
    sections = sections or [section for section in text.sections if name.search(section.title.casefold())]
    sections = sections or [section for section in text.sections if name.search(section.text.casefold())]
    return ShardText(id=text.id, sections=tuple(sections)) if sections and len(sections) < len(text.sections) else text


def _bordered(name: str) -> str:
    """The pattern of a name that is no part of a longer word."""
    before = "" if is_cjk(name[0]) else f"(?<!{_LETTER})"
    behind = "" if is_cjk(name[-1]) else f"(?!{_LETTER})"
    return f"{before}{re.escape(name)}{behind}"


def _place(quote: str, entity: str, text: ShardText) -> Located | None:
    """Where the quote stands. Where the same words stand several times in a section, after the nearest naming of the entity."""
    wanted = quote.strip()
    for number, section in enumerate(text.sections):
        places = _occurrences(wanted, section.text)
        if len(places) > 1:
            names = _occurrences(entity.casefold(), section.text.casefold())
            at = min(places, key=lambda place: min((place - name for name in names if name <= place), default=place + 1))
            return Located(
                section_index=number,
                document=section.document,
                title=section.title,
                start=section.start + at,
                end=section.start + at + len(wanted),
                page=section.page,
                text=wanted,
            )
    return locate(quote, text)


def _occurrences(wanted: str, text: str) -> list[int]:
    places: list[int] = []
    at = text.find(wanted) if wanted else -1
    while at >= 0 and len(places) < MOST_OCCURRENCES:
        places.append(at)
        at = text.find(wanted, at + 1)
    return places
