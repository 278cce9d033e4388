"""From stored JSON back to what travels, and ledgers kept built between calls; the same for every backend."""

from __future__ import annotations

import asyncio
import json
from collections import OrderedDict
from collections.abc import Hashable, Sequence
from typing import Generic, TypeVar

from pydantic import ValidationError

from extagents.errors import StoreError
from extagents.memory.base import SCHEMA_VERSION, RunRecord
from extagents.memory.ledger import Ledger
from extagents.types import Report, Usage

K = TypeVar("K", bound=Hashable)
MOST_EVENTS = 10_000
MOST_LEDGERS = 8
PARSED_INLINE = 64  # reports parsed on the event loop; more are parsed on a thread


def parse_reports(bodies: Sequence[str | bytes]) -> list[Report]:
    """Reports from their JSON, ordered by (round, shard, version)."""
    try:
        found = [Report.model_validate_json(body) for body in bodies]
    except ValidationError as error:
        raise unreadable("A report") from error
    return sorted(found, key=lambda report: (report.round, report.shard, report.version))


async def parsed(bodies: Sequence[str | bytes]) -> list[Report]:
    """`parse_reports`, off the event loop where there are many."""
    return parse_reports(bodies) if len(bodies) <= PARSED_INLINE else await asyncio.to_thread(parse_reports, bodies)


def run_record(
    manifest: str | bytes,
    shards: str | bytes,
    status: str,
    updated: float,
    state: str | bytes,
    answer: str | bytes | None,
    reports: int,
    *,
    spent: Usage,
    lease: str | bytes | None,
) -> RunRecord:
    """A run from its JSON parts. Raises `StoreError` for one that a later release has written."""
    told = json.loads(manifest)
    if told.get("schema_version", 1) > SCHEMA_VERSION:
        raise StoreError(
            f"The run {told.get('run')!r} was stored with schema version {told['schema_version']}; this release of extagents "
            f"reads up to {SCHEMA_VERSION}.",
            hint="Use the release that wrote it.",
            run_id=told.get("run"),
        )
    parts = {
        "manifest": {**told, "shards": json.loads(shards)},
        "status": status,
        "updated": updated,
        "state": json.loads(state),
        "answer": None if answer is None else json.loads(answer),
        "reports": reports,
        "spent": spent,
        "lease": None if lease is None else json.loads(lease),
    }
    try:
        return RunRecord.model_validate(parts)
    except ValidationError as error:
        raise unreadable(f"The run {told.get('run')!r}") from error


def unreadable(what: str) -> StoreError:
    """The error for something stored that is not what this release writes."""
    return StoreError(
        f"{what} cannot be read: it was stored by another version of extagents, or damaged.",
        hint="Use the release that wrote it, or remove the run with `extagents runs forget RUN`.",
    )


class Ledgers(Generic[K]):
    """The last few ledgers that `knowledge` built, each with how far into the store's order of posts it has read."""

    def __init__(self) -> None:
        self._kept: OrderedDict[K, tuple[int, Ledger]] = OrderedDict()

    def get(self, key: K, question: int) -> tuple[int, Ledger]:
        """How far it has read, and the ledger; 0 and an empty one where none is kept."""
        return self._kept.get(key) or (0, Ledger(question))

    async def extend(self, key: K, ledger: Ledger, bodies: Sequence[str | bytes], seen: int) -> Ledger:
        """The ledger with these reports, kept under `key` as having read up to `seen`."""
        if bodies:
            fresh = await parsed(bodies)
            ledger = ledger.extend(fresh) if len(fresh) <= PARSED_INLINE else await asyncio.to_thread(ledger.extend, fresh)
        self._kept[key] = (seen, ledger)
        self._kept.move_to_end(key)
        while len(self._kept) > MOST_LEDGERS:
            self._kept.popitem(last=False)
        return ledger
