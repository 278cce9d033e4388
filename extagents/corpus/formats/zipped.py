"""Zip files, also those that office documents and books are: looked over before anything in them is unpacked."""

from __future__ import annotations

import io
import zipfile
import zlib
from xml.etree.ElementTree import Element

from extagents.corpus.formats.base import Refused, Room

ENCRYPTED = 0x1
_UTF8 = 0x800


def open_zip(data: bytes, room: Room, what: str) -> zipfile.ZipFile:
    """The zip file, its members counted against the room. Raises Refused for one that is damaged or a bomb.

    `what` names the file in the reason.
    """
    try:
        packed = zipfile.ZipFile(io.BytesIO(data))
    except (zipfile.BadZipFile, ValueError, OSError, NotImplementedError) as error:
        raise Refused(f"damaged {what}") from error
    members = packed.infolist()
    if len(members) > room.members:
        raise Refused(f"more than {room.members:,} members; not read")
    # A few parts of an office file are packed to a thousandth; the whole is what a bomb gives away.
    room.take(sum(member.file_size for member in members), len(data))
    return packed


def member(packed: zipfile.ZipFile, name: str | zipfile.ZipInfo, what: str) -> bytes:
    """What a member holds, never more than the zip file says. Raises Refused where it is damaged or encrypted."""
    try:
        return packed.read(name)
    except RuntimeError as error:  # how zipfile says that a password is needed
        raise Refused("encrypted; remove its password") from error
    except (KeyError, zipfile.BadZipFile, zlib.error, EOFError, OSError, ValueError, NotImplementedError) as error:
        raise Refused(f"damaged {what}") from error


def xml(data: bytes, what: str) -> Element:
    """The root of an XML part; entities and document types that could grow are refused."""
    from xml.etree.ElementTree import ParseError

    import defusedxml.ElementTree  # type: ignore[import-untyped]
    from defusedxml import DefusedXmlException

    try:
        root: Element = defusedxml.ElementTree.fromstring(data)
    except (ParseError, DefusedXmlException, ValueError, LookupError) as error:
        raise Refused(f"damaged {what}") from error
    return root


def member_name(info: zipfile.ZipInfo) -> str:
    """A member's name; those not marked as UTF-8 are often that all the same, or Chinese from Windows."""
    if info.flag_bits & _UTF8 or info.filename.isascii():
        return info.filename
    try:
        raw = info.filename.encode("cp437")
    except UnicodeEncodeError:
        return info.filename
    for encoding in ("utf-8", "gb18030"):
        try:
            return raw.decode(encoding)
        except UnicodeDecodeError:
            continue
    return info.filename


def kind_of_zip(data: bytes) -> str:
    """What kind of file a zip file is, by the names in it."""
    try:
        with zipfile.ZipFile(io.BytesIO(data)) as packed:
            names = set(packed.namelist())
    except (zipfile.BadZipFile, ValueError, OSError, NotImplementedError):
        return "archive"
    for part, kind in (
        ("word/document.xml", "word"),
        ("ppt/presentation.xml", "slides"),
        ("xl/workbook.xml", "sheets"),
        ("xl/workbook.bin", "sheets"),
        ("META-INF/container.xml", "epub"),
    ):
        if part in names:
            return kind
    return "archive"
