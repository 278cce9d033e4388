"""Many calls at once through a broken network: each is applied exactly once, however often it is sent."""

from __future__ import annotations

import asyncio
import json
import random
import time
from collections.abc import Iterator
from contextlib import contextmanager

import pytest
from reliability.proxy import FaultyProxy, Mix
from reliability.redis_runs import until
from reliability.size import FULL, record, sized

from extagents.budget import Amount, Budget
from extagents.errors import StoreError
from extagents.memory import redis_connection, redis_nodes
from extagents.memory.keys import TenantKeys
from extagents.memory.patience import end_of_run
from extagents.memory.redis import RedisMemory
from extagents.memory.redis_connection import script
from extagents.testing.memory_conformance import a_fact, a_manifest, a_report
from extagents.testing.redis_server import RedisServer, free_port
from extagents.types import Usage

EACH = sized(60, 600)
SEEDS = range(sized(1, 3))


@pytest.fixture
def server() -> Iterator[RedisServer]:
    with RedisServer(append_only=True) as server:
        yield server


@contextmanager
def replies_within(seconds: float, *, patience: float | None = None) -> Iterator[None]:
    """Connections that are taken for dead after so many seconds, and how long a lost server is waited for."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(redis_nodes, "REPLY_SECONDS", seconds)
        if patience is not None:
            patch.setattr(redis_connection, "LATER_PATIENCE", patience)
        yield


@pytest.mark.parametrize(
    ("name", "mix"),
    [
        ("cut", Mix(cut=20)),
        ("slow", Mix(slow=sized(20, 5))),
        ("half-open", Mix(half_open=sized(3, 1))),
        ("truncated", Mix(truncate=20)),
        ("mixed", Mix(cut=8, slow=sized(8, 2), half_open=sized(2, 0.5), truncate=8)),
    ],
)
async def test_every_write_is_applied_exactly_once(server: RedisServer, name: str, mix: Mix) -> None:
    for seed in SEEDS:
        run, plain = f"run {seed}", RedisMemory(server.url)
        async with FaultyProxy(server.url, delay=sized(0.1, 2.0)) as proxy:
            with replies_within(5.0 if FULL else 0.5):
                memory = RedisMemory(f"redis://{proxy.address}/0")
                await memory.create_run(a_manifest(run))
                proxy.mix(Mix(**{**vars(mix), "seed": seed}))
                budget = Budget(calls=EACH + 1)
                calls = [
                    *(memory.post(a_report(run, f"s{n}", a_fact(n)), cache_key=f"{run} {n}") for n in range(EACH)),
                    *(memory.post(a_report(run, f"s{n}", a_fact(n)), cache_key=f"{run} {n}") for n in range(0, EACH, 2)),
                    *(
                        memory.settle(run, f"c{n}", Usage(calls=1, input_tokens=n), answered=(f"c{n}", "x"))
                        for n in range(EACH)
                    ),
                    *(memory.write_note(run, "note", {"n": n}) for n in range(EACH)),
                    *(memory.append_event(run, {"n": n}) for n in range(EACH)),
                    *(memory.reserve(run, f"r{n}", Amount(), budget) for n in range(EACH)),
                ]
                random.Random(seed).shuffle(calls)
                await asyncio.gather(*calls)
                await memory.aclose()
            assert sum(count for fault, count in proxy.faults.items() if fault != "pass") > 0
        stored = await plain.load_run(run)
        assert stored is not None
        assert stored.reports == EACH
        assert sorted(report.shard for report in await plain.reports(run)) == sorted(f"s{n}" for n in range(EACH))
        assert len(await plain.knowledge(run, 10**6)) == EACH
        assert stored.spent.calls == EACH
        assert stored.spent.input_tokens == sum(range(EACH))
        assert len(await plain.journal(run)) == EACH
        assert sorted(event["n"] for event in await plain.events(run)) == list(range(EACH))
        notes = [await plain.read_note(run, "note", version) for version in range(1, EACH + 2)]
        assert sorted(note.content["n"] for note in notes if note) == list(range(EACH))
        assert notes[-1] is None
        assert sum(report is not None for report in await plain.cached([f"{run} {n}" for n in range(EACH)])) == EACH
        await plain.aclose()
        record(f"redis calls {name}", seed=seed, calls=len(calls), faults=dict(proxy.faults))


async def test_a_first_attempt_that_arrives_after_the_second_is_not_applied_again(server: RedisServer) -> None:
    plain = RedisMemory(server.url)

    def served() -> int:
        told = server.command("INFO", "commandstats").decode()
        lines = [line for line in told.splitlines() if line.startswith(("cmdstat_evalsha:", "cmdstat_eval:"))]
        return sum(int(line.partition("calls=")[2].partition(",")[0]) for line in lines)

    async with FaultyProxy(server.url, delay=0.6) as proxy:
        with replies_within(0.2):
            memory = RedisMemory(f"redis://{proxy.address}/0")
            await memory.create_run(a_manifest())
            for write in (
                lambda: memory.settle("run", "c", Usage(calls=1, input_tokens=5)),
                lambda: memory.append_event("run", {"a": 1}),
                lambda: memory.write_note("run", "n", {"a": 1}),
                lambda: memory.post(a_report(shard="s")),
                lambda: memory.reserve("run", "r", Amount(tokens=60), Budget(tokens=100)),
            ):
                await memory.spent("run")  # a connection that is up
                proxy.mode = "late"
                late, before = proxy.faults["late"], served()
                call = asyncio.create_task(write())
                await until(lambda late=late: proxy.faults["late"] > late)
                proxy.mode = "pass"
                await call
                await memory.settle("run", "r", Usage())  # what was reserved is given back before the late one comes
                await asyncio.gather(*(plain.append_event("other run", {}) for _ in range(10)))
                await until(lambda before=before: served() >= before + 13)
            await memory.aclose()
    assert await plain.spent("run") == Usage(calls=1, input_tokens=5)
    assert await plain.events("run") == [{"a": 1}]
    assert await plain.read_note("run", "n", 2) is None
    assert len(await plain.reports("run")) == 1
    assert await plain.reserve("run", "other", Amount(tokens=95), Budget(tokens=100)), (
        "nothing is held for a call that has ended"
    )
    await plain.aclose()


async def test_what_was_applied_is_known_for_two_minutes_however_much_comes_after(server: RedisServer) -> None:
    memory = RedisMemory(server.url)
    applied = TenantKeys.of("default").run("run").applied
    keys = [*TenantKeys.of("default").run("run").all, TenantKeys.of("default").runs]

    async def event(name: str, attempt: int, at: float) -> None:
        """One call of the script as it is sent for the given attempt."""
        head = [repr(at), 1_000, "hash", name, "", attempt, json.dumps({"name": name}), 100_000]
        await memory._redis.command("EVAL", script("event").text, len(keys), *keys, *head)

    await event("first", 0, 1_000.0)
    await asyncio.gather(*(event(f"n{n}", 0, 1_000.0) for n in range(3_000)))
    await event("first", 1, 1_030.0)
    assert len(await memory.events("run")) == 3_001
    for start in range(0, 9_286, 1_000):
        pairs = [part for n in range(start, min(start + 1_000, 9_286)) for part in (f"old {n}", "1 1000.0")]
        await memory._redis.command("HSET", applied, *pairs)
    assert await memory._redis.command("HLEN", applied) == 12_287
    await event("last", 0, 1_121.0)
    assert await memory._redis.command("HLEN", applied) == 1, "what is older is let go of"
    await memory.aclose()


async def test_connections_that_have_died_together_cost_one_wait(server: RedisServer) -> None:
    async with FaultyProxy(server.url) as proxy:
        with replies_within(0.5):
            memory = RedisMemory(f"redis://{proxy.address}/0")
            await memory.create_run(a_manifest())
            await asyncio.gather(*(memory.post(a_report(shard=f"s{n}")) for n in range(100)))
            assert proxy.connections > 8
            proxy.freeze()
            assert await memory.write_note("run", "n", {}) == 1
            await asyncio.gather(*(memory.post(a_report(shard=f"later {n}")) for n in range(100)))
            assert proxy.faults["half_open"] == 1
            await memory.aclose()


async def test_an_outage_is_waited_for_once_and_not_once_for_every_call(
    server: RedisServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(redis_connection, "FIRST_PATIENCE", 0.1)
    async with FaultyProxy(server.url) as proxy:
        with replies_within(0.1, patience=0.5):
            memory = RedisMemory(f"redis://{proxy.address}/0")
            await memory.create_run(a_manifest())
            proxy.mode = "half_open"
            results = await asyncio.gather(*(memory.post(a_report(shard=f"s{n}")) for n in range(100)), return_exceptions=True)
            assert all(isinstance(result, StoreError) and result.retryable for result in results)
            assert proxy.faults["half_open"] <= 100 + 6 * redis_connection.MOST_CONNECTIONS, (
                "one attempt each, once it has lasted"
            )
            proxy.mode = "pass"
            assert await memory.post(a_report(shard="later"))
            await memory.aclose()


@pytest.mark.parametrize("how", ["half_open", "refuse"])
async def test_a_lost_server_does_not_hold_a_run_beyond_its_deadline(server: RedisServer, how: str) -> None:
    async with FaultyProxy(server.url) as proxy:
        memory = RedisMemory(f"redis://{proxy.address}/0")
        await memory.create_run(a_manifest())
        proxy.mode = "half_open" if how == "half_open" else "refuse"
        if how == "refuse":
            proxy.cut_all()
        started = time.monotonic()
        token = end_of_run.set(started + 0.5)
        try:
            with pytest.raises(StoreError) as caught:
                await memory.post(a_report())
            assert caught.value.retryable
        finally:
            end_of_run.reset(token)
        assert time.monotonic() - started < 4.0, "the patience without a deadline is thirty seconds, a reply's five"
        await memory.aclose()


async def test_a_server_that_was_never_there_is_not_waited_for() -> None:
    memory = RedisMemory(f"redis://127.0.0.1:{free_port()}/0")
    started = time.monotonic()
    with pytest.raises(StoreError, match="out of reach"):
        await memory.spent("run")
    assert time.monotonic() - started < 10.0
    await memory.aclose()
