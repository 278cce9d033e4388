"""Mail (EML, mbox): who, to whom, when and about what, then the text; attachments are documents of their own."""

from __future__ import annotations

import re
from collections.abc import Iterator
from email import policy
from email.errors import MessageError
from email.message import EmailMessage
from email.parser import BytesParser
from email.utils import parsedate_to_datetime
from pathlib import PurePath, PurePosixPath
from typing import Any

from extagents.corpus.formats.base import Extracted, Reading, Record, Refused, Room
from extagents.corpus.formats.nested import Members
from extagents.corpus.formats.text import decode, sound

_SHOWN = ("From", "To", "Cc", "Date", "Subject")
_BEGINS = re.compile(rb"^From \S.*\r?\n(?=[!-9;-~]+:)", re.MULTILINE)


def read(name: str, data: bytes, reading: Reading) -> Extracted:
    """A document a message and one an attachment. Raises Refused where it is no mail."""
    members = Members(reading)
    reading.room.give_back(len(data))
    if PurePath(name.lower()).suffix != ".mbox":
        record = _message(data, name, members, "", reading.room)
        if record is None:
            raise Refused("no mail: it has no header lines")
        return members.extracted([record])
    records = []
    starts = [match.end() for match in _BEGINS.finditer(data)]
    ends = [*[match.start() for match in _BEGINS.finditer(data)][1:], len(data)]
    for number, (start, end) in enumerate(zip(starts, ends, strict=False), 1):
        reading.room.member()
        record = _message(
            re.sub(rb"(?m)^>(>*From )", rb"\1", data[start:end]), f"message {number}", members, str(number), reading.room
        )
        if record is not None:
            records.append(record)
    if not records:
        raise Refused("no mail in it")
    return members.extracted(records)


def _message(data: bytes, name: str, members: Members, inside: str, room: Room) -> Record | None:
    try:
        message: Any = BytesParser(policy=policy.default).parsebytes(data)
    except (MessageError, ValueError, LookupError) as error:
        raise Refused("damaged mail") from error
    heads = [(field, text) for field in _SHOWN if (text := _header(message, field))]
    if not heads:
        return None
    said = dict(heads)
    lines = "\n".join(f"{field}: {text}" for field, text in heads)
    text = sound(f"{lines}\n\n{_body(message).strip()}\n").replace("\r\n", "\n")
    metadata: dict[str, Any] = {key.lower(): said[key] for key in ("From", "To") if key in said}
    try:
        metadata["date"] = parsedate_to_datetime(said["Date"]).isoformat()
    except (KeyError, ValueError, TypeError):
        if "Date" in said:
            metadata["date"] = said["Date"]
    for number, (attached, content) in enumerate(_attachments(message), 1):
        path = attached or f"attachment-{number}"
        path = f"{inside}/{path}" if inside else path
        try:
            room.take(len(content), len(data))
        except Refused as refused:
            members.refuse(path, str(refused))
            continue
        members.add(path, content)
    return Record(text, sound(said.get("Subject", "")) or name, metadata=metadata, inside=inside)


def _header(message: Any, field: str) -> str:
    raw = next((text for key, text in message.raw_items() if key.lower() == field.lower()), "")
    try:
        value = message[field]
        if value is not None and not (said := str(raw)).isascii():
            # Not allowed, and common: characters as they are, in UTF-8 or in the encoding of the text.
            value = message.policy.header_factory(field, _characters(said, message))
        return " ".join(str(value).split()) if value is not None else ""
    except (ValueError, IndexError, KeyError, AttributeError, TypeError, LookupError):
        # The standard library trips over some broken headers; the line as it stands says as much.
        return " ".join(str(raw).split())


def _characters(raw: str, message: Any) -> str:
    """A header's line whose bytes no encoded word explains."""
    data = raw.encode("utf-8", "surrogateescape")
    part = message.get_body(preferencelist=("plain", "html"))
    for encoding in ("utf-8", (part or message).get_content_charset("gb18030"), "gb18030"):
        try:
            return data.decode(encoding)
        except (LookupError, ValueError):
            continue
    return data.decode("utf-8", "replace")


def _body(message: EmailMessage) -> str:
    """The text part; else the HTML part as text."""
    part = message.get_body(preferencelist=("plain", "html"))
    if part is None:
        return ""
    raw = part.get_payload(decode=True)
    if not isinstance(raw, bytes):
        return ""
    try:
        text = raw.decode(part.get_content_charset("utf-8"))
    except (LookupError, ValueError):
        text = decode(raw, ".txt")[0]
    if part.get_content_subtype() == "html":
        from extagents.corpus.formats.html import html_text

        return html_text(text)[1]
    return text


def _attachments(message: EmailMessage) -> Iterator[tuple[str, bytes]]:
    """(name, bytes) of what is attached; pictures within the text are left out, as are signatures."""
    for part in message.iter_attachments() if message.is_multipart() else ():
        kind = part.get_content_type()
        name = PurePosixPath(sound(part.get_filename() or "").replace("\\", "/")).name
        if kind == "message/rfc822":
            inner: Any = part.get_payload()
            if isinstance(inner, list) and inner:
                subject = " ".join(str(inner[0]["Subject"] or "message").split()).replace("/", "-")[:80]
                yield name or f"{subject}.eml", inner[0].as_bytes()
            continue
        content = part.get_payload(decode=True)
        if not isinstance(content, bytes) or kind in ("application/pgp-signature", "application/pkcs7-signature"):
            continue
        if part.get_content_disposition() == "attachment" or (name and not kind.startswith("image/")):
            yield name, content
