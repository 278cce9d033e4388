"""Zip files, also those that office documents and books are: looked over before anything in them is unpacked."""

from __future__ import annotations

import bz2
import io
import lzma
import struct
import zipfile
import zlib
from collections.abc import Mapping
from xml.etree.ElementTree import Element

from extagents.corpus.formats.base import Refused, Room

ENCRYPTED = 0x1
_UTF8 = 0x800
_CONTENT_TYPES = "[Content_Types].xml"
_PICTURES = ("/media/", "/embeddings/", "/fonts/")
_LOCAL_HEADER = 30
_LENGTHS = 26


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
    room.give_back(len(data))
    # A few parts of an office file are packed to a thousandth; the whole is what a bomb gives away.
    room.take(sum(member.file_size for member in members), len(data))
    return packed


def member(packed: zipfile.ZipFile, name: str | zipfile.ZipInfo, what: str) -> bytes:
    """What a member holds, never more than the zip file says. Raises Refused where it is damaged or encrypted."""
    try:
        info = packed.getinfo(name) if isinstance(name, str) else name
        if info.compress_type in (zipfile.ZIP_BZIP2, zipfile.ZIP_LZMA) and not info.flag_bits & ENCRYPTED:
            return _bounded(packed, info, what)
        with packed.open(info) as stream:
            # With a size, zipfile unpacks no more than that many bytes; without one, whatever is there.
            return stream.read(info.file_size)
    except RuntimeError as error:  # how zipfile says that a password is needed
        raise Refused("encrypted; remove its password") from error
    except (
        KeyError,
        zipfile.BadZipFile,
        zlib.error,
        lzma.LZMAError,
        struct.error,
        EOFError,
        OSError,
        ValueError,
        NotImplementedError,
    ) as error:
        raise Refused(f"damaged {what}") from error


def _bounded(packed: zipfile.ZipFile, info: zipfile.ZipInfo, what: str) -> bytes:
    """A member that zipfile would unpack whole before it looks at the size."""
    assert packed.fp is not None
    packed.fp.seek(info.header_offset + _LENGTHS)
    packed.fp.seek(info.header_offset + _LOCAL_HEADER + sum(struct.unpack("<HH", packed.fp.read(4))))
    raw = packed.fp.read(info.compress_size)
    unpacker: bz2.BZ2Decompressor | lzma.LZMADecompressor = bz2.BZ2Decompressor()
    if info.compress_type == zipfile.ZIP_LZMA:
        settings, dictionary = struct.unpack("<4xBI", raw[:9])
        rest, lc = divmod(settings, 9)
        pb, lp = divmod(rest, 5)
        size = min(dictionary, max(info.file_size, 1 << 16))
        chain = [{"id": lzma.FILTER_LZMA1, "lc": lc, "lp": lp, "pb": pb, "dict_size": size}]
        unpacker, raw = lzma.LZMADecompressor(lzma.FORMAT_RAW, filters=chain), raw[9:]
    content = unpacker.decompress(raw, max_length=info.file_size + 1)
    if len(content) != info.file_size or zlib.crc32(content) != info.CRC:
        raise Refused(f"damaged {what}")
    return content


def office_file(data: bytes, room: Room, what: str, kinds: Mapping[bytes, bytes]) -> io.BytesIO:
    """An office file for a library that trusts its sizes and knows one kind: unpacked, pictures left empty.

    `kinds` maps kinds of content (templates, files with macros) to the one that the library takes.
    """
    plain = io.BytesIO()
    with open_zip(data, room, what) as packed, zipfile.ZipFile(plain, "w") as out:
        for name in dict.fromkeys(packed.namelist()):
            content = b"" if any(part in name for part in _PICTURES) else member(packed, name, what)
            if name == _CONTENT_TYPES:
                for kind, known in kinds.items():
                    content = content.replace(b'"' + kind + b'"', b'"' + known + b'"')
            out.writestr(name, content)
    plain.seek(0)
    return plain


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
