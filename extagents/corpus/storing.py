"""What a file held, as bytes: between processes, and in the cache. JSON and text only, so that reading it back is safe."""

from __future__ import annotations

import json
from typing import Any

from extagents.corpus.formats import Extracted, Record, Refused


def described(extracted: Extracted, parts: list[bytes], place: int) -> tuple[dict[str, Any], int]:
    """The extracted as JSON has it, its texts appended to `parts` from byte `place` on; and the place after them."""
    records = []
    for record in extracted.records:
        part = record.text.encode("utf-8")
        records.append([place, place + len(part), record.title, record.id, record.pages, record.metadata, record.inside])
        parts.append(part)
        place += len(part)
    return {"records": records, "notices": extracted.notices, "unreadable": extracted.unreadable}, place


def recovered(item: dict[str, Any], text: bytes | memoryview) -> Extracted:
    """The extracted again. Raises ValueError, KeyError or TypeError for what was not written by `described`."""
    records = [
        Record(str(text[start:end], "utf-8"), title, identity, tuple(pages), metadata, inside)
        for start, end, title, identity, pages, metadata, inside in item["records"]
    ]
    return Extracted(records, item["notices"], tuple((inside, reason) for inside, reason in item["unreadable"]))


def to_bytes(outcome: Extracted | Refused) -> bytes:
    """One file's outcome by itself."""
    parts: list[bytes] = []
    if isinstance(outcome, Refused):
        item: dict[str, Any] = {"refused": str(outcome), "lasting": outcome.lasting}
    else:
        item, _ = described(outcome, parts, 0)
    header = json.dumps(item).encode("utf-8")
    return b"".join([len(header).to_bytes(8, "big"), header, *parts])


def from_bytes(data: bytes) -> Extracted | Refused:
    """The outcome again. Raises ValueError, KeyError or TypeError for what was not written by `to_bytes`."""
    size = int.from_bytes(data[:8], "big")
    item = json.loads(data[8 : 8 + size])
    if "refused" in item:
        return Refused(str(item["refused"]), lasting=bool(item["lasting"]))
    return recovered(item, memoryview(data)[8 + size :])
