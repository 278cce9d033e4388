"""Runs on a Redis server that is killed, cut off, slow, half-open or truncated: they end as undisturbed ones do."""

from __future__ import annotations

import asyncio
import gc
import time
from collections.abc import Iterator
from dataclasses import replace

import pytest
from reliability.proxy import FaultyProxy, Mix
from reliability.redis_runs import RUN, Stored, answered, assert_same, scripted, stored
from reliability.size import FULL, record, sized

from extagents import Budget
from extagents.errors import StoreError
from extagents.memory import redis_nodes
from extagents.testing.redis_server import RedisServer

DOCUMENTS = sized(24, 100)
KILLS = sized(4, 20)
SLOW = sized(0.1, 2.0)
SEEDS = sized(1, 5)


@pytest.fixture(scope="module")
def undisturbed() -> Stored:
    """What a run leaves that nothing happens to."""

    async def work() -> Stored:
        with RedisServer(append_only=True) as server:
            model = scripted()
            answer = await answered(model, server.url, documents=DOCUMENTS)
            assert answer.answered
            assert answer.usage.calls == len(model.calls)
            return await stored(server.url)

    return asyncio.run(work())


@pytest.fixture
def server() -> Iterator[RedisServer]:
    with RedisServer(append_only=True, tcp=True) as server:
        yield server


@pytest.fixture
def quick_to_doubt(monkeypatch: pytest.MonkeyPatch) -> None:
    """In the small size a connection is taken for dead sooner, so that half-open ones cost less; still later than slow ones."""
    if not FULL:
        monkeypatch.setattr(redis_nodes, "REPLY_SECONDS", 0.5)


async def test_a_run_outlives_a_server_that_is_killed_again_and_again(server: RedisServer, undisturbed: Stored) -> None:
    calls = int(undisturbed.spent["calls"])
    moments = {round((n + 1) * calls / (KILLS + 1)) for n in range(KILLS)}
    assert len(moments) == KILLS
    kills = 0
    up = asyncio.Lock()
    starting: set[asyncio.Task[None]] = set()

    async def start() -> None:
        await asyncio.to_thread(server.start)
        up.release()

    async def kill(number: int) -> None:
        nonlocal kills
        if number in moments:
            await up.acquire()
            kills += 1
            await asyncio.to_thread(server.kill)
            starting.add(asyncio.create_task(start()))  # this answer, and those under way beside it, meet no server

    model = scripted(kill, delay=0.005)
    started = time.monotonic()
    answer = await answered(model, server.url, documents=DOCUMENTS)
    seconds = time.monotonic() - started
    assert kills == KILLS
    assert_same(await stored(server.url), undisturbed, model)
    assert answer.usage.calls == len(model.calls) == calls
    record("redis killed", kills=kills, calls=calls, seconds=round(seconds, 1))


@pytest.mark.parametrize(
    ("name", "mix", "seeds"),
    [
        ("cut", Mix(cut=15), SEEDS),
        ("slow", Mix(slow=sized(25, 100)), 1),
        ("half-open", Mix(half_open=2), SEEDS),
        ("truncated", Mix(truncate=15), SEEDS),
        ("mixed", Mix(cut=6, slow=6, half_open=1, truncate=6), SEEDS),
    ],
)
@pytest.mark.usefixtures("quick_to_doubt")
async def test_a_run_through_a_broken_network_ends_as_any_other(
    server: RedisServer, undisturbed: Stored, name: str, mix: Mix, seeds: int
) -> None:
    for seed in range(seeds):
        async with FaultyProxy(server.url, delay=SLOW) as proxy:
            proxy.mix(replace(mix, seed=seed))
            model = scripted()
            started = time.monotonic()
            await answered(model, f"redis://{proxy.address}/0", documents=DOCUMENTS)
            seconds = time.monotonic() - started
            assert sum(count for fault, count in proxy.faults.items() if fault != "pass") > 0
        assert_same(await stored(server.url), undisturbed, model)
        server.command("FLUSHALL")
        record(f"redis network {name}", seed=seed, calls=len(model.calls), faults=dict(proxy.faults), seconds=round(seconds, 1))


@pytest.mark.parametrize("how", ["killed", "half-open"] if FULL else ["half-open"])
async def test_a_run_whose_server_is_lost_ends_at_its_deadline_and_can_be_resumed(
    server: RedisServer, undisturbed: Stored, how: str, caplog: pytest.LogCaptureFixture
) -> None:
    async with FaultyProxy(server.url) as proxy:

        async def lose(number: int) -> None:
            if number == 10 and how == "killed":
                await asyncio.to_thread(server.kill)
            elif number == 10:
                proxy.mode = "half_open"

        url = f"redis://{proxy.address}/0"
        started = time.monotonic()
        with pytest.raises(StoreError) as caught:
            await answered(scripted(lose, delay=0.02), url, documents=DOCUMENTS, budget=Budget(seconds=2.0))
        assert time.monotonic() - started < 8.0, (
            "a server is waited for thirty seconds, a reply five, where there is no deadline"
        )
        assert caught.value.retryable
        assert caught.value.run_id == RUN
        gc.collect()
        assert "never retrieved" not in caplog.text
        if how == "killed":
            await asyncio.to_thread(server.start)
        proxy.mode = "pass"
        answer = await answered(scripted(), url, documents=DOCUMENTS, resume=True)
        assert answer.answered
    found = await stored(server.url)
    assert (found.reports, found.answer) == (undisturbed.reports, undisturbed.answer)
