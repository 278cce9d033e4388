"""Documents of every kind, made by the libraries that people make them with, or by hand."""

from __future__ import annotations

import datetime
import io
import json
import tarfile
import zipfile
from collections.abc import Mapping, Sequence
from email.message import EmailMessage
from typing import Any


def docx(paragraphs: Sequence[str] = (), *, rows: Sequence[Sequence[str]] = (), title: str = "") -> bytes:
    """Headings are paragraphs that begin with "# ", items those that begin with "- " or "1. "; the table stands at the end."""
    import docx as library

    document = library.Document()
    document.core_properties.title = title
    document.core_properties.author = "Ilse Brandt"
    for text in paragraphs:
        if text.startswith("#"):
            marks, _, said = text.partition(" ")
            document.add_heading(said, len(marks))
        elif text.startswith("- "):
            document.add_paragraph(text[2:], style="List Bullet")
        elif text.startswith("1. "):
            document.add_paragraph(text[3:], style="List Number")
        else:
            document.add_paragraph(text)
    if rows:
        table = document.add_table(rows=len(rows), cols=len(rows[0]))
        for number, row in enumerate(rows):
            for place, text in enumerate(row):
                table.cell(number, place).text = text
    out = io.BytesIO()
    document.save(out)
    return out.getvalue()


def pptx(slides: Sequence[tuple[str, str, str]], *, rows: Sequence[Sequence[str]] = ()) -> bytes:
    """A slide for each (title, text, notes); the table stands on the last one."""
    import pptx as library
    from pptx.util import Inches

    presentation = library.Presentation()
    for title, text, notes in slides:
        slide = presentation.slides.add_slide(presentation.slide_layouts[1])
        slide.shapes.title.text = title
        slide.placeholders[1].text = text
        if notes:
            slide.notes_slide.notes_text_frame.text = notes
    if rows:
        table = slide.shapes.add_table(len(rows), len(rows[0]), Inches(1), Inches(5), Inches(6), Inches(1)).table
        for number, row in enumerate(rows):
            for place, text in enumerate(row):
                table.cell(number, place).text = text
    out = io.BytesIO()
    presentation.save(out)
    return out.getvalue()


def xlsx(sheets: Mapping[str, Sequence[Sequence[Any]]]) -> bytes:
    """A workbook by hand: strings, numbers, truth values, dates and empty cells."""
    names = "".join(f'<sheet name="{name}" sheetId="{n}" r:id="rId{n}"/>' for n, name in enumerate(sheets, 1))
    kinds = "".join(
        f'<Override PartName="/xl/worksheets/sheet{n}.xml" '
        'ContentType="application/vnd.openxmlformats-officedocument.spreadsheetml.worksheet+xml"/>'
        for n in range(1, len(sheets) + 1)
    )
    office = "http://schemas.openxmlformats.org/officeDocument/2006/relationships"
    package = "http://schemas.openxmlformats.org/package/2006/relationships"
    main = "http://schemas.openxmlformats.org/spreadsheetml/2006/main"
    links = "".join(
        f'<Relationship Id="rId{n}" Type="{office}/worksheet" Target="worksheets/sheet{n}.xml"/>'
        for n in range(1, len(sheets) + 1)
    )
    parts = {
        "[Content_Types].xml": '<Types xmlns="http://schemas.openxmlformats.org/package/2006/content-types">'
        '<Default Extension="rels" ContentType="application/vnd.openxmlformats-package.relationships+xml"/>'
        '<Override PartName="/xl/workbook.xml" '
        'ContentType="application/vnd.openxmlformats-officedocument.spreadsheetml.sheet.main+xml"/>'
        '<Override PartName="/xl/styles.xml" '
        f'ContentType="application/vnd.openxmlformats-officedocument.spreadsheetml.styles+xml"/>{kinds}</Types>',
        "_rels/.rels": f'<Relationships xmlns="{package}"><Relationship Id="rId1" Type="{office}/officeDocument" '
        'Target="xl/workbook.xml"/></Relationships>',
        "xl/workbook.xml": f'<workbook xmlns="{main}" xmlns:r="{office}"><sheets>{names}</sheets></workbook>',
        "xl/_rels/workbook.xml.rels": f'<Relationships xmlns="{package}">{links}<Relationship Id="rIdS" '
        f'Type="{office}/styles" Target="styles.xml"/></Relationships>',
        "xl/styles.xml": f'<styleSheet xmlns="{main}"><cellXfs count="2"><xf numFmtId="0"/><xf numFmtId="14"/></cellXfs>'
        "</styleSheet>",
    }
    for number, rows in enumerate(sheets.values(), 1):
        lines = "".join(
            f'<row r="{y}">{"".join(_cell(value, x, y) for x, value in enumerate(row) if value is not None)}</row>'
            for y, row in enumerate(rows, 1)
        )
        parts[f"xl/worksheets/sheet{number}.xml"] = f'<worksheet xmlns="{main}"><sheetData>{lines}</sheetData></worksheet>'
    return zipped({name: text.encode() for name, text in parts.items()})


def _cell(value: Any, x: int, y: int) -> str:
    place = f"{chr(65 + x)}{y}"
    if isinstance(value, bool):
        return f'<c r="{place}" t="b"><v>{int(value)}</v></c>'
    if isinstance(value, int | float):
        return f'<c r="{place}"><v>{value!r}</v></c>'
    if isinstance(value, datetime.date):
        return f'<c r="{place}" s="1"><v>{(value - datetime.date(1899, 12, 30)).days}</v></c>'
    escaped = str(value).replace("&", "&amp;").replace("<", "&lt;")
    return f'<c r="{place}" t="inlineStr"><is><t>{escaped}</t></is></c>'


def epub(chapters: Mapping[str, str], *, title: str = "The Book", author: str = "Ilse Brandt", locked: bool = False) -> bytes:
    """A book of these chapters' HTML bodies, in this order, though the files lie the other way round."""
    items = "".join(
        f'<item id="c{n}" href="text/{name}.xhtml" media-type="application/xhtml+xml"/>' for n, name in enumerate(chapters)
    )
    spine = "".join(f'<itemref idref="c{n}"/>' for n in range(len(chapters)))
    parts = {
        "mimetype": b"application/epub+zip",
        "META-INF/container.xml": b'<container xmlns="urn:oasis:names:tc:opendocument:xmlns:container"><rootfiles>'
        b'<rootfile full-path="OEBPS/book.opf"/></rootfiles></container>',
        "OEBPS/book.opf": (
            '<package xmlns="http://www.idpf.org/2007/opf"><metadata xmlns:dc="http://purl.org/dc/elements/1.1/">'
            f"<dc:title>{title}</dc:title><dc:creator>{author}</dc:creator><dc:language>en</dc:language></metadata>"
            f"<manifest>{items}</manifest><spine>{spine}</spine></package>"
        ).encode(),
    }
    for name in reversed(chapters):
        parts[f"OEBPS/text/{name}.xhtml"] = (
            f'<html xmlns="http://www.w3.org/1999/xhtml"><head><title>{name}</title></head><body>{chapters[name]}</body></html>'
        ).encode()
    if locked:
        parts["META-INF/encryption.xml"] = (
            b'<encryption xmlns:enc="http://www.w3.org/2001/04/xmlenc#"><enc:EncryptedData>'
            b'<enc:EncryptionMethod Algorithm="http://www.w3.org/2001/04/xmlenc#aes128-cbc"/></enc:EncryptedData></encryption>'
        )
    return zipped(parts)


def mail(text: str, *, html: str = "", subject: str = "A subject", attached: Mapping[str, bytes] | None = None) -> bytes:
    """A message; `attached` are its attachments by name."""
    message = EmailMessage()
    message["From"] = "Ilse Brandt <ilse@example.org>"
    message["To"] = "Jonas Weber <jonas@example.org>"
    message["Date"] = "Mon, 03 Mar 2025 10:20:30 +0100"
    message["Subject"] = subject
    if text:
        message.set_content(text)
    if html:
        message.add_alternative(html, subtype="html") if text else message.set_content(html, subtype="html")
    for name, data in (attached or {}).items():
        message.add_attachment(data, maintype="application", subtype="octet-stream", filename=name)
    return message.as_bytes()


def notebook(*cells: tuple[str, str, list[dict[str, Any]]]) -> bytes:
    """A notebook of (kind, source, outputs)."""
    listed = [
        {"cell_type": kind, "source": source, "metadata": {}, **({"outputs": outputs} if kind == "code" else {})}
        for kind, source, outputs in cells
    ]
    return json.dumps({"cells": listed, "metadata": {}, "nbformat": 4, "nbformat_minor": 5}).encode()


def parquet(columns: Mapping[str, Sequence[Any]]) -> bytes:
    import pyarrow
    import pyarrow.parquet

    out = io.BytesIO()
    pyarrow.parquet.write_table(pyarrow.table(dict(columns)), out)
    return out.getvalue()


def zipped(members: Mapping[str, bytes]) -> bytes:
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, data in members.items():
            archive.writestr(name, data)
    return out.getvalue()


def tarred(members: Mapping[str, bytes], *, mode: str = "w:gz") -> bytes:
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode=mode) as archive:  # type: ignore[call-overload]
        for name, data in members.items():
            info = tarfile.TarInfo(name)
            info.size = len(data)
            archive.addfile(info, io.BytesIO(data))
    return out.getvalue()
