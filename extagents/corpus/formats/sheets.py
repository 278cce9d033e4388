"""Workbooks (XLSX, XLS, XLSB, ODS): a heading a sheet, its rows as Markdown tables, values as a person sees them."""

from __future__ import annotations

import datetime
import io
from collections.abc import Iterator, Sequence
from typing import Any

from extagents.corpus.formats.base import Extracted, Reading, Record, Refused
from extagents.corpus.formats.markdown import cell, row
from extagents.corpus.formats.text import sound, title_of
from extagents.corpus.formats.zipped import open_zip

MOST_CELLS = 50_000_000
"""Cells of a sheet's area: more is a sheet with something far out, which would fill the memory with nothing."""


def read(name: str, data: bytes, reading: Reading) -> Extracted:
    """One document of all sheets. Raises Refused where it is damaged or encrypted; a sheet alone may be unreadable."""
    import python_calamine as calamine

    if data.startswith(b"PK"):
        open_zip(data, reading.room, "workbook").close()
    parts: list[str] = []
    unreadable: list[tuple[str, str]] = []
    written = 0
    try:
        book = calamine.CalamineWorkbook.from_filelike(io.BytesIO(data))
        for metadata in book.sheets_metadata:
            if metadata.typ != calamine.SheetTypeEnum.WorkSheet:
                continue
            try:
                sheet = book.get_sheet_by_name(metadata.name)
            except (calamine.CalamineError, ValueError) as error:
                unreadable.append((metadata.name, f"damaged sheet ({' '.join(str(error).split())[:100]})"))
                continue
            if sheet.total_height * sheet.total_width > MOST_CELLS:
                unreadable.append((metadata.name, f"a sheet of more than {MOST_CELLS:,} cells; split it"))
                continue
            lines = []
            for line in _sheet(sheet.iter_rows()):
                written = reading.room.write(len(line), written, len(data))
                lines.append(line)
            if lines:
                parts.append(f"## {' '.join(metadata.name.split())}\n\n" + "\n".join(lines) + "\n\n")
    except calamine.PasswordError as error:
        raise Refused("encrypted workbook; remove its password") from error
    except (calamine.CalamineError, ValueError, OSError) as error:
        if "assword" in str(error):
            raise Refused("encrypted workbook; remove its password") from error
        raise Refused("damaged workbook") from error
    text = sound("".join(parts)).rstrip("\n") + "\n" if parts else ""
    records = [Record(text, _title(text, name))] if parts else []
    return Extracted(records, [], tuple(unreadable))


def _title(text: str, name: str) -> str:
    """The file's name, as long as its first sheet has a name that says nothing."""
    first = title_of(text, name)
    return name if first.lower().startswith(("sheet", "tabelle", "feuil", "hoja", "工作表")) else f"{name}: {first}"


def _sheet(rows: Sequence[Sequence[Any]] | Iterator[Sequence[Any]]) -> Iterator[str]:
    """The lines of a sheet: blocks of rows between empty ones, each a table; a block of the same columns goes on with it.

    Lines of one cell over a table are its caption.
    """
    block: list[list[str]] = []
    before: tuple[int, int] | None = None
    first = True
    for values in rows:
        cells = [_shown(value) for value in values]
        if any(cells):
            block.append(cells)
        elif block:
            lines, before = _block(block, before, first=first)
            yield from lines
            block, first = [], False
    if block:
        yield from _block(block, before, first=first)[0]


def _block(rows: list[list[str]], before: tuple[int, int] | None, *, first: bool) -> tuple[list[str], tuple[int, int] | None]:
    captions: list[str] = []
    while len(rows) > 1 and sum(1 for text in rows[0] if text) == 1 and any(sum(map(bool, later)) > 1 for later in rows[1:]):
        captions.append(next(text for text in rows[0] if text))
        rows = rows[1:]
    low = min(next(at for at, text in enumerate(cells) if text) for cells in rows)
    high = max(max(at + 1 for at, text in enumerate(cells) if text) for cells in rows)
    lines = [] if first else [""]
    if (low, high) == before and not captions:
        # An empty row within a table: its header goes on.
        return [row(cells[low:high]) for cells in rows], before
    if captions:
        lines += [*captions, ""]
    if high - low == 1 and len(rows) == 1:
        return [*lines, rows[0][low]], None
    lines += [row(rows[0][low:high]), row(["---"] * (high - low)), *(row(cells[low:high]) for cells in rows[1:])]
    return lines, (low, high)


def _shown(value: Any) -> str:
    if isinstance(value, str):
        return cell(value)
    if value is None:
        return ""
    if isinstance(value, bool):
        return "TRUE" if value else "FALSE"
    if isinstance(value, float):
        return str(int(value)) if value.is_integer() and abs(value) < 1e15 else f"{value:.15g}"
    if isinstance(value, datetime.datetime):
        if value.time() == datetime.time():
            return value.date().isoformat()
        return value.isoformat(sep=" ", timespec="minutes" if not value.second and not value.microsecond else "seconds")
    if isinstance(value, datetime.time):
        return value.isoformat(timespec="minutes" if not value.second else "seconds")
    return cell(str(value))
