"""A Redis server that is full in the middle of a run, and one whose place a replica takes."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator

import pytest
from reliability.proxy import FaultyProxy
from reliability.redis_runs import RUN, Stored, answered, scripted, stored, until
from reliability.size import record, sized

from extagents.errors import StoreError
from extagents.memory.redis import RedisMemory
from extagents.testing.memory_conformance import a_fact, a_manifest, a_report
from extagents.testing.redis_server import RedisServer
from extagents.types import Usage

DOCUMENTS = sized(24, 200)
LANES = 8


def told(server: RedisServer, section: str, field: str) -> str:
    """One field of INFO."""
    lines = server.command("INFO", section).decode().splitlines()
    return next(line.partition(":")[2].strip() for line in lines if line.startswith(f"{field}:"))


def asked(server: RedisServer) -> int:
    """How often scripts were called."""
    lines = server.command("INFO", "commandstats").decode().splitlines()
    calls = [line.partition("calls=")[2].partition(",")[0] for line in lines if line.startswith("cmdstat_eval")]
    return sum(map(int, calls))


@pytest.fixture(scope="module")
def undisturbed() -> Stored:
    async def work() -> Stored:
        with RedisServer() as server:
            await answered(scripted(), server.url, documents=DOCUMENTS)
            return await stored(server.url)

    return asyncio.run(work())


@pytest.fixture
def server() -> Iterator[RedisServer]:
    with RedisServer(append_only=True, tcp=True, options={"maxmemory-policy": "noeviction"}) as server:
        yield server


@pytest.mark.parametrize("part", [0.1, 0.4, 0.7])
async def test_a_run_on_a_server_that_gets_full_is_resumed_when_there_is_room_again(
    server: RedisServer, undisturbed: Stored, part: float
) -> None:
    at = int(part * undisturbed.spent["calls"])

    async def fill(number: int) -> None:
        if number == at:
            server.command("CONFIG", "SET", "maxmemory", str(int(told(server, "memory", "used_memory")) // 2))

    first = scripted(fill)
    with pytest.raises(StoreError) as caught:
        await answered(first, server.url, documents=DOCUMENTS)
    error = caught.value
    assert error.message.endswith("is full.")
    assert "maxmemory" in error.hint
    assert "resume" in error.hint
    assert "\n" not in str(error)
    assert error.retryable
    assert error.run_id == RUN
    assert len(first.calls) < undisturbed.spent["calls"], "the run ended in its middle"

    server.command("CONFIG", "SET", "maxmemory", "0")
    memory = RedisMemory(server.url)
    before = await memory.journal(RUN)
    await memory.aclose()
    second = scripted()
    answer = await answered(second, server.url, documents=DOCUMENTS, resume=True)
    found = await stored(server.url)
    assert answer.answered
    assert (found.answer, found.reports, found.knowledge) == (undisturbed.answer, undisturbed.reports, undisturbed.knowledge)
    assert found.counted == len(found.reports)
    calls = len(first.calls) + len(second.calls)
    assert len(second.calls) == undisturbed.spent["calls"] - len(before), "what was stored is not paid again"
    assert calls <= undisturbed.spent["calls"] + LANES
    record("redis full", at=at, calls=calls, undisturbed=undisturbed.spent["calls"])


async def test_a_replica_that_takes_the_primarys_place_is_written_on() -> None:
    """The address stays (a name, a proxy, Sentinel's script); behind it the primary is demoted and then another promoted."""
    at_once = {"repl-diskless-sync-delay": "0"}
    with RedisServer(tcp=True, options=at_once) as old, RedisServer(tcp=True, options=at_once) as new:
        port = old.url.rpartition(":")[2].partition("/")[0]
        new.command("REPLICAOF", "127.0.0.1", port)
        await until(lambda: told(new, "replication", "master_link_status") == "up")
        async with FaultyProxy(old.url) as proxy:
            memory = RedisMemory(f"redis://{proxy.address}/0")
            await memory.create_run(a_manifest())
            for n in range(20):
                await memory.post(a_report("run", f"s{n}", a_fact(n)))
            await until(
                lambda: told(new, "replication", "master_repl_offset") == told(old, "replication", "master_repl_offset")
            )
            new.command("REPLICAOF", "NO", "ONE")
            old.command("REPLICAOF", "127.0.0.1", new.url.rpartition(":")[2].partition("/")[0])
            writing = asyncio.gather(
                *(memory.post(a_report("run", f"s{n}", a_fact(n))) for n in range(20, 60)),
                *(memory.settle("run", f"c{n}", Usage(calls=1)) for n in range(40)),
            )
            before = proxy.connections
            await until(lambda: proxy.connections > before + 20)  # each one that was refused is left, and another made
            proxy.turn_to(new.url)
            await writing
            assert len(await memory.reports("run")) == 60
            assert (await memory.spent("run")).calls == 40
            await memory.aclose()
        plain = RedisMemory(new.url)
        kept = await plain.load_run("run")
        assert kept is not None
        assert (kept.reports, kept.spent.calls) == (60, 40)
        await plain.aclose()


async def test_a_server_that_comes_back_with_older_data_costs_the_run_no_answer(undisturbed: Stored) -> None:
    """As after a failover to a replica that lagged, or a restart from a snapshot: what was written last is gone."""
    calls = undisturbed.spent["calls"]
    with RedisServer(tcp=True) as server:

        async def lose(number: int) -> None:
            if number == calls // 3:
                server.command("SAVE")
            elif number == 2 * calls // 3:
                await asyncio.to_thread(server.kill)
                await asyncio.to_thread(server.start)

        model = scripted(lose)
        await answered(model, server.url, documents=DOCUMENTS)
        found = await stored(server.url)
    assert found.answer == undisturbed.answer
    assert found.status == "done"
    assert len(model.calls) == calls
    assert set(found.reports) < set(undisturbed.reports), "nothing that was not reported, and nothing half"
    assert found.counted == len(found.reports)


async def test_a_run_goes_on_while_too_few_replicas_are_there() -> None:
    with RedisServer(tcp=True) as server:
        memory = RedisMemory(server.url)
        await memory.create_run(a_manifest())
        server.command("CONFIG", "SET", "min-replicas-to-write", "1")
        writing = asyncio.gather(*(memory.post(a_report(shard=f"s{n}")) for n in range(10)))
        await until(lambda: asked(server) > 30)
        server.command("CONFIG", "SET", "min-replicas-to-write", "0")
        await writing
        assert len(await memory.reports("run")) == 10
        await memory.aclose()
