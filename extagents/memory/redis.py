"""The memory in Redis (7.0's command set) or Valkey: shared between processes and machines.

Every write that touches more than one key is one Lua script. Whole numbers are counted in doubles there, exactly.
"""

from __future__ import annotations

import asyncio
import json
import secrets
import time
import uuid
import weakref
from collections.abc import Sequence
from typing import Any

from extagents.budget import Amount, Budget
from extagents.errors import LeaseLost
from extagents.memory.base import NOTHING, Holder, Lease, Manifest, Note, RunRecord, RunStatus
from extagents.memory.counts import Counts, Limits, usage_counts, usage_of
from extagents.memory.keys import TenantKeys, name_hash, report_digest
from extagents.memory.redis_connection import RedisConnection
from extagents.memory.stored import MOST_EVENTS, Ledgers, parsed, run_record
from extagents.redaction import SecretUrl
from extagents.types import Fact, Report, Usage

TTL_SECONDS = 30 * 86_400
READ_AT_ONCE = 500  # reports fetched in one command
SPENT = ("calls", "input", "output", "cached", "retries", "cost", "priced")
LEASE = ("token", "holder", "since", "until")
RECORD = (
    *("manifest", "shards", "status", "updated", "state", "answer", "reports"),
    *(f"spent_{field}" for field in SPENT),
    *LEASE,
)
FENCED = -1  # what a script returns to a writer whose lease is not the run's


class RedisMemory:
    """`Memory` on Redis or Valkey. `ttl` is in seconds and starts anew whenever something of the run is written.

    The object may be used from several event loops: each has its own connections, made when it first needs them. Calls
    are repeated after a lost connection only where a second application changes nothing. Raises `StoreError` from every
    coroutine when the server is out of reach, refuses the user, is full or read-only; `SettingsError` for a bad URL.
    """

    def __init__(self, url: str, tenant: str = "default", *, ttl: int = TTL_SECONDS) -> None:
        self.tenant, self.ttl = tenant, ttl
        self._keys = TenantKeys.of(tenant)
        self._ttl = ttl
        self._address = SecretUrl(url)
        self._connections: weakref.WeakKeyDictionary[asyncio.AbstractEventLoop, RedisConnection] = weakref.WeakKeyDictionary()
        self._ledgers: Ledgers[tuple[str, bytes, int]] = Ledgers()
        self.url = RedisConnection.checked(self._address)

    @property
    def address(self) -> SecretUrl:
        """The URL with its password, for another process that is to have the same memory."""
        return self._address

    @property
    def _redis(self) -> RedisConnection:
        loop = asyncio.get_running_loop()
        connection = self._connections.get(loop)
        if connection is None:
            connection = self._connections[loop] = RedisConnection(self._address)
        return connection

    async def _called(
        self, script: str, run: str, *arguments: str | bytes | int, fence: int | None = None, extra: Sequence[str] = ()
    ) -> Any:
        keys = [*self._keys.run(run).all, self._keys.runs, *extra]
        head: list[str | int] = [repr(time.time()), self._ttl, name_hash(run), uuid.uuid4().hex, "" if fence is None else fence]
        return await self._redis.script(script, keys, head, arguments)

    async def _script(
        self, script: str, run: str, *arguments: str | bytes | int, fence: int | None = None, extra: Sequence[str] = ()
    ) -> int:
        reply = int(await self._called(script, run, *arguments, fence=fence, extra=extra))
        if reply == FENCED:
            raise LeaseLost(run)
        return reply

    # ---- runs
    async def create_run(self, manifest: Manifest, *, fence: int | None = None) -> bool:
        body = manifest.model_dump_json(exclude={"shards"})
        return await self._script("create", manifest.run, body, json.dumps(manifest.shards), fence=fence) == 1

    async def load_run(self, run: str) -> RunRecord | None:
        return stored(await self._redis.command("HMGET", self._keys.run(run).record, *RECORD))

    async def list_runs(self) -> list[RunRecord]:
        hashes = [name.decode() for name in await self._redis.command("ZREVRANGE", self._keys.runs, 0, -1)]
        fields = [field for field in RECORD if field != "shards"]
        rows = await self._redis.commands([("HMGET", self._keys.run_hashed(name).record, *fields, "born") for name in hashes])
        expired = [name for name, row in zip(hashes, rows, strict=True) if not any(row)]
        if expired:
            await self._redis.command("ZREM", self._keys.runs, *expired)
        found = [stored([row[0], b"[]", *row[1:-1]]) for row in rows]
        return sorted((record for record in found if record), key=lambda record: -record.updated)

    async def update_run(
        self,
        run: str,
        *,
        status: RunStatus | None = None,
        state: dict[str, Any] | None = None,
        answer: dict[str, Any] | None = None,
        manifest: Manifest | None = None,
        fence: int | None = None,
    ) -> None:
        changes: list[str] = []
        if status is not None:
            changes += ["status", status]
        if state is not None:
            changes += ["state", json.dumps(state)]
        if answer is not None:
            changes += ["answer", json.dumps(answer)]
        if manifest is not None:
            changes += ["manifest", manifest.model_dump_json(exclude={"shards"}), "shards", json.dumps(manifest.shards)]
        await self._script("update", run, *changes, fence=fence)

    async def forget_run(self, run: str) -> bool:
        return await self._script("forget", run) == 1

    # ---- leases
    async def acquire(self, run: str, holder: Holder, seconds: float, *, over: int | None = None) -> Lease:
        gone = "" if over is None else over
        reply = await self._called("acquire", run, holder.model_dump_json(), repr(float(seconds)), gone)
        return Lease.model_validate_json(reply)

    async def renew(self, run: str, token: int, seconds: float) -> bool:
        return int(await self._called("renew", run, repr(float(seconds)), fence=token)) != FENCED

    async def give_back(self, run: str, token: int) -> None:
        await self._called("give_back", run, fence=token)

    # ---- reports and the ledger of facts
    async def post(self, report: Report, *, cache_key: str | None = None, fence: int | None = None) -> bool:
        key = report_digest(report.round, report.shard, report.version).hex()
        extra = [] if cache_key is None else [self._keys.cache(cache_key)]
        told = (key, report.wave, report.model_dump_json(), "" if report.failure is None else "1")
        return await self._script("post", report.run, *told, fence=fence, extra=extra) == 1

    async def reports(self, run: str, *, before_wave: int | None = None, after_wave: int | None = None) -> list[Report]:
        log = await self._redis.command("LRANGE", self._keys.run(run).log, 0, -1)
        wanted: list[bytes] = []
        for entry in log:
            wave, _, key = entry.partition(b":")
            if (after_wave is None or int(wave) > after_wave) and (before_wave is None or int(wave) < before_wave):
                wanted.append(key)
        return await parsed(await self._bodies(run, wanted))

    async def _bodies(self, run: str, hashes: Sequence[bytes]) -> list[bytes]:
        reports = self._keys.run(run).reports
        parts = [("HMGET", reports, *hashes[i : i + READ_AT_ONCE]) for i in range(0, len(hashes), READ_AT_ONCE)]
        return [body for part in await self._redis.commands(parts) for body in part if body is not None]

    async def knowledge(self, run: str, budget_tokens: int, *, without: str | None = None, question: int = 0) -> list[Fact]:
        keys = self._keys.run(run)
        born = await self._redis.command("HGET", keys.record, "born")
        key = (keys.record, born or b"", question)  # a run forgotten and begun anew is another one
        seen, ledger = self._ledgers.get(key, question)
        fresh = [entry.partition(b":")[2] for entry in await self._redis.command("LRANGE", keys.log, seen, -1)]
        bodies = await self._bodies(run, fresh)
        if bodies:
            ledger = await self._ledgers.extend(key, ledger, bodies, seen + len(fresh))
        return list(ledger.knowledge(budget_tokens, without=without))

    # ---- read cache
    async def cached(self, keys: Sequence[str]) -> list[Report | None]:
        if not keys:
            return []
        bodies = await self._redis.command("MGET", *map(self._keys.cache, keys))
        return [None if body is None else Report.model_validate_json(body) for body in bodies]

    # ---- notes
    async def write_note(self, run: str, name: str, content: dict[str, Any], *, fence: int | None = None) -> int:
        return await self._script("note", run, name_hash(name), json.dumps(content), fence=fence)

    async def read_note(self, run: str, name: str, version: int | None = None) -> Note | None:
        notes, hashed = self._keys.run(run).notes, name_hash(name)
        if version is None:
            newest = await self._redis.command("HGET", notes, hashed)
            if newest is None:
                return None
            version = int(newest)
        body = await self._redis.command("HGET", notes, f"{hashed}:{version}")
        return None if body is None else Note(run=run, name=name, version=version, content=json.loads(body))

    # ---- budget
    async def reserve(
        self, run: str, call: str, amount: Amount, budget: Budget, *, keep: Amount = NOTHING, fence: int | None = None
    ) -> bool:
        wanted, kept, limits = Counts.of(amount), Counts.of(keep), Limits.of(budget)
        ceilings = ("" if limit is None else limit for limit in (limits.calls, limits.tokens, limits.cost))
        counts = (wanted.calls, wanted.tokens, wanted.cost, kept.calls, kept.tokens, kept.cost)
        return await self._script("reserve", run, name_hash(call), *counts, *ceilings, fence=fence) == 1

    async def settle(self, run: str, call: str, usage: Usage, *, answered: tuple[str, str] | None = None) -> None:
        await self._script("settle", run, name_hash(call), *usage_counts(usage), *(answered or ()))

    async def journal(self, run: str) -> dict[str, str]:
        kept = await self._redis.command("HGETALL", self._keys.run(run).journal)
        return {key.decode(): body.decode() for key, body in zip(kept[::2], kept[1::2], strict=True)}

    async def spent(self, run: str) -> Usage:
        row = await self._redis.command("HMGET", self._keys.run(run).record, *(f"spent_{field}" for field in SPENT))
        return spent_of(row)

    # ---- events
    async def append_event(self, run: str, event: dict[str, Any], *, fence: int | None = None) -> None:
        await self._script("event", run, json.dumps(event), MOST_EVENTS, fence=fence)

    async def events(self, run: str) -> list[dict[str, Any]]:
        return [json.loads(body) for body in await self._redis.command("LRANGE", self._keys.run(run).events, 0, -1)]

    # ---- the rest
    async def secret(self) -> bytes:
        key = self._keys.secret
        replies = await self._redis.commands(
            [("SET", key, secrets.token_bytes(32), "NX", "EX", self._ttl), ("EXPIRE", key, self._ttl), ("GET", key)]
        )
        return bytes(replies[2])

    async def check(self) -> list[str]:
        return await self._redis.warnings()

    async def aclose(self) -> None:
        connection = self._connections.pop(asyncio.get_running_loop(), None)
        if connection is not None:
            await connection.aclose()


def spent_of(row: Sequence[bytes | None]) -> Usage:
    """What was spent, from the seven fields of `SPENT`."""
    calls, input_tokens, output_tokens, cached, retries, cost, priced = (int(value or 0) for value in row)
    return usage_of((calls, input_tokens, output_tokens, cached, retries, cost, priced))


def stored(row: Sequence[bytes | None]) -> RunRecord | None:
    """A run from the fields of `RECORD`; None where no manifest is stored."""
    manifest, shards, status, updated, state, answer, reports = row[:7]
    if manifest is None:
        return None
    return run_record(
        manifest,
        shards or b"[]",
        (status or b"running").decode(),
        float(updated or 0),
        state or b"{}",
        answer,
        int(reports or 0),
        spent=spent_of(row[7 : 7 + len(SPENT)]),
        lease=lease_of(row[7 + len(SPENT) :]),
    )


def lease_of(row: Sequence[bytes | None]) -> str | None:
    """The lease as JSON from the fields of `LEASE`; None where nobody holds one."""
    token, holder, since, until = (b"" if value is None else value for value in row)
    if not holder:
        return None
    return f'{{"token":{token.decode()},"holder":{holder.decode()},"since":{since.decode()},"until":{until.decode()}}}'
