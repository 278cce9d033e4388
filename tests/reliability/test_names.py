"""Ten thousand hostile names: none collides with another, none leaves its tenant's keys, and a forgotten run leaves nothing."""

from __future__ import annotations

import asyncio
import itertools
import json
import re
import sqlite3
from contextlib import closing
from pathlib import Path
from typing import Any
from urllib.parse import quote

import pytest
from reliability.names import hostile, sendable
from reliability.size import FULL, record, sized

from extagents import Coordinator
from extagents.budget import Amount, Budget
from extagents.errors import ExtAgentsError, InputError
from extagents.memory.base import Holder, Memory
from extagents.memory.keys import TenantKeys, digest
from extagents.memory.redis import RedisMemory
from extagents.memory.sqlite import SQLiteMemory
from extagents.memory.sqlite_thread import prepare
from extagents.testing.memory_conformance import a_fact, a_manifest, a_report
from extagents.testing.redis_server import RedisServer
from extagents.types import Document, Usage

COUNT = 10_000
SAMPLE = sized(120, 600)  # of the names go through real stores
SEED = 4
HEX = "[0-9a-f]{32}"
KEY = re.compile(rf"ext:\{{{HEX}\}}:(?:runs|secret|cache:{HEX}|run:{HEX}(?::[a-z]{{1,12}})?)")


def all_keys(tenant: str, run: str, other: str) -> list[str]:
    """Every Redis key that these names can lead to."""
    keys = TenantKeys.of(tenant)
    return [keys.runs, keys.secret, keys.cache(other), *keys.run(run).all]


# ------------------------------------------------------------------ keys


def test_no_two_names_share_a_key_and_all_keys_have_one_form() -> None:
    names = hostile(COUNT, seed=SEED)
    assert len(set(names)) == COUNT
    tenants = {TenantKeys.of(name).prefix for name in names}
    assert len(tenants) == COUNT
    seen: set[str] = set()
    for tenant, run in zip(names, reversed(names), strict=True):
        keys = all_keys(tenant, run, f"{tenant}{run}")
        assert all(KEY.fullmatch(key) for key in keys), keys
        assert all(key.startswith(f"{keys[0].removesuffix(':runs')}:") for key in keys)
        assert len(set(keys)) == len(keys)
        assert seen.isdisjoint(keys)
        seen.update(keys)
    for tenant in names[:3]:  # and within one tenant
        assert len({TenantKeys.of(tenant).run(run).record for run in names}) == COUNT
    assert len({digest(*pair) for pair in itertools.pairwise(names)}) == COUNT - 1
    record("names", names=COUNT, keys=len(seen), collisions=0)


def test_parts_do_not_flow_into_each_other() -> None:
    names = hostile(300, seed=SEED + 1)
    pairs = {(one, other) for one in names for other in names}
    assert len({digest(one, other) for one, other in pairs}) == len(pairs)
    assert len({digest(*parts) for parts in (("ab", "c"), ("a", "bc"), ("abc",), ("abc", ""), ("", "abc"))}) == 5


# ------------------------------------------------------------------ stores


async def used(memory: Memory, run: str, mark: str) -> None:
    """Leaves something of every kind in the run; every text holds the mark."""
    lease = await memory.acquire(run, Holder(host=mark, pid=1, born=1.0, key=mark), 60)
    fence = lease.token
    manifest = a_manifest(run).model_copy(update={"question": f"{mark}?", "request": {"instructions": mark}})
    assert await memory.create_run(manifest, fence=fence)
    fact = a_fact(1).model_copy(update={"claim": f"{mark} was here", "document": mark})
    report = a_report(run, "s0", fact)
    assert await memory.post(report, cache_key=f"{mark} {run}", fence=fence)
    assert await memory.post(a_report(run, mark, wave=1), fence=fence)
    assert await memory.write_note(run, f"{mark}{run}", {"note": mark * 40}, fence=fence) == 1
    assert await memory.reserve(run, f"call {mark}", Amount(calls=1, tokens=10), Budget(calls=9), fence=fence)
    assert await memory.reserve(run, "call 2", Amount(calls=1, tokens=10), Budget(calls=9), fence=fence)
    await memory.settle(run, "call 2", Usage(calls=1, input_tokens=5), answered=(f"key {mark}", f"body {mark}" * 200))
    await memory.append_event(run, {"type": "notice", "message": mark}, fence=fence)
    await memory.update_run(run, status="partial", state={"phase": mark * 400}, answer={"answer": mark * 2_000}, fence=fence)
    await memory.update_run(run, state={"phase": "done"}, answer={"answer": mark}, fence=fence)


async def seen(memory: Memory, run: str, mark: str) -> tuple[Any, ...]:
    """All that can be read of a run."""
    stored = await memory.load_run(run)
    listed = [other for other in await memory.list_runs() if other.manifest.run == run]
    return (
        stored and stored.model_dump_json(),
        await memory.reports(run),
        await memory.cached([f"{mark} {run}"]),
        await memory.read_note(run, f"{mark}{run}"),
        await memory.journal(run),
        await memory.spent(run),
        await memory.events(run),
        len(listed),
    )


def named() -> list[tuple[str, str]]:
    """Tenants and runs for the stores: every tenant has several runs, some with names that differ in little."""
    names = [name for name in hostile(COUNT, seed=SEED) if sendable(name)]
    step = max(1, len(names) // SAMPLE)
    runs = [*names[:60], *names[60::step]][:SAMPLE]
    tenants = [names[number * 7 % 60] for number in range(12)]
    return [(tenants[number % len(tenants)], run) for number, run in enumerate(runs)]


def mark_of(number: int) -> str:
    """A text that stands nowhere else."""
    return f"Zq{number:05}xW"


def every_row(path: Path) -> dict[str, set[str]]:
    """All rows of all tables but the counters of SQLite itself."""
    with closing(sqlite3.connect(path)) as db:
        tables = [row[0] for row in db.execute("SELECT name FROM sqlite_master WHERE type = 'table'")]
        tables.remove("sqlite_sequence")
        return {table: {repr(row) for row in db.execute(f'SELECT * FROM "{table}"')} for table in tables}


def written(folder: Path) -> bytes:
    """Everything in the files of a folder: pages that are free and the write-ahead log, too."""
    return b"".join(file.read_bytes() for file in sorted(folder.iterdir()))


async def every_key(url: str) -> dict[bytes, bytes]:
    """All keys of a server with their values, as it would dump them."""
    import redis.asyncio as aioredis

    client = aioredis.Redis.from_url(url)
    keys = sorted(await client.keys("*"))
    values = [await client.dump(key) for key in keys]
    await client.aclose()
    return dict(zip(keys, values, strict=True))


async def test_hostile_names_keep_apart_in_sqlite_and_forgetting_leaves_nothing(tmp_path: Path) -> None:
    path = tmp_path / "memory.sqlite"

    def opened(tenant: str) -> Memory:
        return SQLiteMemory(path, tenant)

    def left() -> Any:
        return every_row(path)

    async def rows() -> Any:
        return await asyncio.to_thread(left)

    def bytes_left() -> bytes:
        return written(tmp_path)

    await keeps_apart(opened, rows, bytes_left)


async def test_hostile_names_keep_apart_in_redis_and_forgetting_leaves_nothing() -> None:
    with RedisServer() as server:
        before: dict[bytes, bytes] = {}

        async def keys() -> Any:
            found = await every_key(server.url)
            assert all(KEY.fullmatch(key.decode()) for key in found), found.keys()
            before.clear()  # what is left is looked through as the last dump has it
            before.update(found)
            return found

        def bytes_left() -> bytes:
            return b"".join(before.values())

        await keeps_apart(lambda tenant: RedisMemory(server.url, tenant), keys, bytes_left)


async def keeps_apart(opened: Any, everything: Any, bytes_left: Any) -> None:
    pairs = named()
    assert len(set(pairs)) == len(pairs)
    memories = {tenant: opened(tenant) for tenant in sorted({tenant for tenant, _ in pairs})}
    for memory in memories.values():
        await memory.secret()
    empty = await everything()
    for number, (tenant, run) in enumerate(pairs):
        await used(memories[tenant], run, mark_of(number))
    for number, (tenant, run) in enumerate(pairs):
        told = await seen(memories[tenant], run, mark_of(number))
        assert told[-1] == 1
        assert mark_of(number) in str(told)
        # No run of another name or tenant has put anything into it.
        assert set(re.findall(r"Zq\d{5}xW", str(told))) == {mark_of(number)}
    for tenant, memory in memories.items():
        assert {stored.manifest.run for stored in await memory.list_runs()} == {run for owner, run in pairs if owner == tenant}
    assert len({bytes(await memory.secret()) for memory in memories.values()}) == len(memories)

    # Every tenant tries to forget what is another's; then the first half of all is forgotten, one after the other.
    strange = [(tenant, run) for tenant in memories for _, run in pairs[: len(memories)] if (tenant, run) not in set(pairs)]
    whole = await everything()
    for tenant, run in strange:
        assert not await memories[tenant].forget_run(run)
    assert await everything() == whole
    half = len(pairs) // 2
    kept = {pair: await seen(memories[pair[0]], pair[1], mark_of(half + at)) for at, pair in enumerate(pairs[half:])}
    for number, (tenant, run) in enumerate(pairs[:half]):
        assert await memories[tenant].forget_run(run)
        assert not await memories[tenant].forget_run(run)
        assert await seen(memories[tenant], run, mark_of(number)) == (None, [], [None], None, {}, Usage(), [], 0)
    for at, pair in enumerate(pairs[half:]):
        assert await seen(memories[pair[0]], pair[1], mark_of(half + at)) == kept[pair]
    await everything()
    remaining = set(re.findall(rb"Zq\d{5}xW", bytes_left()))
    assert remaining == {mark_of(number).encode() for number in range(half, len(pairs))}
    for tenant, run in pairs[half:]:
        assert await memories[tenant].forget_run(run)
    assert await everything() == empty
    assert not re.findall(rb"Zq\d{5}xW", bytes_left())
    for memory in memories.values():
        await memory.aclose()
    assert not re.findall(rb"Zq\d{5}xW", bytes_left())
    record("names in stores", runs=len(pairs), tenants=len(memories), left_after_forget=0)


async def test_text_that_was_replaced_before_it_was_forgotten_is_gone_too(tmp_path: Path) -> None:
    """Long texts come and go in a run's life: the pages that they leave hold nothing either."""
    path = tmp_path / "memory.sqlite"
    await used(SQLiteMemory(path, "other"), "kept", "Zq99999xW")
    for number in range(sized(12, 200)):
        run, mark = f"run {number}", mark_of(number)
        for forgetting in (False, True):  # another process forgets than the one that wrote
            memory = SQLiteMemory(path)
            if forgetting:
                assert await memory.forget_run(run)
            else:
                await used(memory, run, mark)
                for length in (30_000, 10, 9_000, 100):
                    await memory.update_run(run, state={"phase": mark * length}, answer={"answer": mark * length})
            await memory.aclose()
        assert mark.encode() not in written(tmp_path)


async def test_no_build_of_sqlite_keeps_what_is_deleted(tmp_path: Path) -> None:
    """Some builds overwrite what is deleted by themselves, most do not."""
    with closing(sqlite3.connect(tmp_path / "memory.sqlite", isolation_level=None)) as db:
        db.execute("PRAGMA secure_delete=OFF")
        prepare(db)
        assert db.execute("PRAGMA secure_delete").fetchone() == (1,)


# ------------------------------------------------------------------ names that users give


@pytest.mark.parametrize("name", ["a\ud800", "\udcff", "\ud83d\udcda"], ids=["high", "low", "pair"])
def test_a_name_that_is_no_text_is_refused_and_not_taken_for_another(name: str) -> None:
    """Such a name would have to be changed to be stored, and two of them could become one."""
    with Coordinator(memory="memory://") as team:
        for call in (team.ask, team.compress, team.survey):
            with pytest.raises(InputError, match="no text"):
                call("Who?", [Document(id="a", text="Ada.")], run=name)
        with pytest.raises(InputError):
            team.resume(name)
        assert team.run(name) is None
        assert not team.forget(name)
        assert team.runs() == []
    with pytest.raises(ExtAgentsError):
        Coordinator(memory="memory://", tenant=name)


def test_tenants_of_hostile_names_do_not_see_each_others_runs_through_a_coordinator(tmp_path: Path) -> None:
    url = f"sqlite:///{quote(str(tmp_path))}/memory.sqlite"
    names = [name for name in hostile(400, seed=SEED + 2) if sendable(name) and name][:: 40 if not FULL else 4]
    over = [Document(id="a", text="The mill burned down in 1911. " * 20)]
    for tenant in names:
        with Coordinator(memory=url, tenant=tenant) as team:
            assert team.runs() == []
            answer = team.ask("When did the mill burn down?", over, run=tenant)
            assert (answer.answer, answer.run_id) == ("1911", tenant)
            assert [stored.manifest.run for stored in team.runs()] == [tenant]
    for tenant in names:
        with Coordinator(memory=url, tenant=tenant) as team:
            stored = team.run(tenant)
            assert stored is not None
            assert json.loads(stored.model_dump_json())["manifest"]["run"] == tenant
            assert team.forget(tenant)
    assert not any(
        rows for table, rows in every_row(tmp_path / "memory.sqlite").items() if table not in ("extagents_schema", "secrets")
    )
