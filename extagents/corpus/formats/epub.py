"""EPUB: the chapters in reading order, each under a heading; title, author, language and date of the book."""

from __future__ import annotations

import posixpath
from typing import Any
from urllib.parse import unquote
from xml.etree.ElementTree import Element

from extagents.corpus.formats.base import Extracted, Reading, Record, Refused
from extagents.corpus.formats.html import html_text
from extagents.corpus.formats.text import decode, sound, title_of
from extagents.corpus.formats.zipped import member, open_zip, xml

_OPF = "{http://www.idpf.org/2007/opf}"
_DC = "{http://purl.org/dc/elements/1.1/}"
_CONTAINER = "{urn:oasis:names:tc:opendocument:xmlns:container}"
_ENCRYPTED = "{http://www.w3.org/2001/04/xmlenc#}"
_FONTS = ("http://www.idpf.org/2008/embedding", "http://ns.adobe.com/pdf/enc#RC")
_WHAT = "EPUB"


def read(name: str, data: bytes, reading: Reading) -> Extracted:
    """One document. Raises Refused where it is damaged or locked."""
    packed = open_zip(data, reading.room, _WHAT)
    with packed:
        names = set(packed.namelist())
        if "META-INF/encryption.xml" in names:
            methods = xml(member(packed, "META-INF/encryption.xml", _WHAT), _WHAT).iter(_ENCRYPTED + "EncryptionMethod")
            if any(method.get("Algorithm") not in _FONTS for method in methods):
                raise Refused("a book locked by its seller (DRM)")
        root = xml(member(packed, "META-INF/container.xml", _WHAT), _WHAT).find(f".//{_CONTAINER}rootfile")
        place = root.get("full-path") if root is not None else None
        if not place:
            raise Refused("damaged EPUB")
        book = xml(member(packed, place, _WHAT), _WHAT)
        title, metadata = _about(book)
        items = {item.get("id"): item for item in book.iter(_OPF + "item")}
        chapters: list[str] = []
        missing = 0
        seen: set[str] = set()
        written = 0
        for entry in book.iter(_OPF + "itemref"):
            item = items.get(entry.get("idref"))
            if item is None or "html" not in (item.get("media-type") or "") or "nav" in (item.get("properties") or "").split():
                continue
            path = posixpath.normpath(posixpath.join(posixpath.dirname(place), unquote(item.get("href") or "")))
            if path in seen:
                continue
            seen.add(path)
            if path not in names:
                missing += 1
                continue
            heading, text = html_text(decode(member(packed, path, _WHAT), ".xhtml")[0])
            text = text.strip()
            if text and "\n#" not in "\n" + text[:2_000] and heading and heading != title:
                text = f"# {heading}\n\n{text}"
            written = reading.room.write(len(text), written, len(data))
            chapters.append(text)
    body = sound("\n\n".join(text for text in chapters if text))
    notices = [f"{missing} chapters are missing in the book"] if missing else []
    return Extracted([Record(body + "\n" if body else "", title or title_of(body, name), metadata=metadata)], notices)


def _about(book: Element) -> tuple[str, dict[str, Any]]:
    def said(tag: str) -> list[str]:
        return [sound(text) for found in book.iter(_DC + tag) if (text := " ".join("".join(found.itertext()).split()))]

    metadata: dict[str, Any] = {}
    for key, tag in (("author", "creator"), ("language", "language"), ("date", "date"), ("publisher", "publisher")):
        if values := said(tag):
            metadata[key] = ", ".join(values) if key == "author" else values[0]
    return next(iter(said("title")), ""), metadata
