"""The Redis memory: what lies in the server, servers that are dead, full, locked or restarted, and URLs."""

from __future__ import annotations

import asyncio
import os
import re
import signal
import subprocess
import sys
import time
import uuid
from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path
from typing import Any

import pytest
import redis.asyncio as aioredis

from extagents.budget import Amount, Budget
from extagents.errors import SettingsError, StoreError
from extagents.memory.keys import TenantKeys, name_hash
from extagents.memory.redis import TTL_SECONDS, RedisMemory
from extagents.testing.memory_conformance import a_fact, a_manifest, a_report
from extagents.testing.redis_server import RedisServer, free_port
from extagents.types import Usage


@pytest.fixture
def tenant() -> str:
    return uuid.uuid4().hex


@pytest.fixture
async def memory(redis_url: str, tenant: str) -> AsyncIterator[RedisMemory]:
    memory = RedisMemory(redis_url, tenant)
    yield memory
    await memory.aclose()


@pytest.fixture
async def client(redis_url: str) -> AsyncIterator[Any]:
    client: Any = aioredis.Redis(connection_pool=aioredis.ConnectionPool.from_url(redis_url))
    yield client
    await client.aclose(close_connection_pool=True)


async def keys_of(client: Any, tenant: str) -> set[str]:
    return {key.decode() async for key in client.scan_iter(f"{TenantKeys.of(tenant).prefix}*")}


async def fill(memory: RedisMemory, run: str = "run") -> None:
    """Something of everything."""
    await memory.create_run(a_manifest(run))
    await memory.post(a_report(run, "s0", a_fact(1)), cache_key=f"key of {run}")
    await memory.write_note(run, "n", {"a": 1})
    await memory.append_event(run, {"a": 1})
    await memory.reserve(run, "open", Amount(tokens=60), Budget(tokens=100))
    await memory.settle(run, "done", Usage(calls=1, input_tokens=10))


async def failure(memory: RedisMemory) -> StoreError:
    """What a write fails with: one line and a hint."""
    with pytest.raises(StoreError) as caught:
        await memory.create_run(a_manifest())
    assert "\n" not in str(caught.value)
    assert caught.value.hint
    await memory.aclose()
    return caught.value


# ---- what lies in the server
async def test_every_key_has_its_tenants_tag_hashed_names_and_a_ttl(memory: RedisMemory, client: Any, tenant: str) -> None:
    await fill(memory, "a run {with}:braces")
    await memory.secret()
    keys = await keys_of(client, tenant)
    tag, run = name_hash(tenant), name_hash("a run {with}:braces")
    parts = ("", ":reports", ":log", ":notes", ":calls", ":events", ":cached", ":applied")
    assert keys == {f"ext:{{{tag}}}:run:{run}{part}" for part in parts} | {
        f"ext:{{{tag}}}:runs",
        f"ext:{{{tag}}}:secret",
        f"ext:{{{tag}}}:cache:{name_hash('key of a run {with}:braces')}",
    }
    for key in keys:
        assert re.fullmatch(r"ext:\{[0-9a-f]{32}\}(:[a-z]+|:(run|cache):[0-9a-f]{32}(:[a-z]+)?)", key)
        assert TTL_SECONDS - 100 < await client.ttl(key) <= TTL_SECONDS


async def test_every_write_renews_the_life_of_the_whole_run(memory: RedisMemory, client: Any, tenant: str) -> None:
    await fill(memory)
    every = [key for key in await keys_of(client, tenant) if ":run" in key]
    assert len(every) == 9

    async def renewed(key: str) -> bool:
        return bool(await client.ttl(key) > 1_000)

    writes: list[Callable[[], Awaitable[object]]] = [
        lambda: memory.post(a_report(shard="s9")),
        lambda: memory.update_run("run", status="partial"),
        lambda: memory.write_note("run", "n", {}),
        lambda: memory.append_event("run", {}),
        lambda: memory.reserve("run", "x", Amount(), Budget()),
        lambda: memory.settle("run", "y", Usage()),
    ]
    for write in writes:
        for key in every:
            await client.expire(key, 500)
        await write()
        assert all([await renewed(key) for key in every])


async def test_a_forgotten_run_leaves_no_key(memory: RedisMemory, client: Any, tenant: str) -> None:
    before = await keys_of(client, tenant)
    await fill(memory)
    for i in range(300):
        await memory.post(a_report(shard=f"s{i}"), cache_key=f"k{i}")
    assert len(await keys_of(client, tenant)) > 300
    assert await memory.forget_run("run")
    assert await keys_of(client, tenant) == before


async def test_an_expired_run_leaves_the_list(memory: RedisMemory, client: Any, tenant: str) -> None:
    await fill(memory, "gone")
    await fill(memory, "here")
    await client.delete(TenantKeys.of(tenant).run("gone").record)
    assert [record.manifest.run for record in await memory.list_runs()] == ["here"]
    assert await client.zcard(TenantKeys.of(tenant).runs) == 1


async def test_amounts_stay_exact_to_the_last_nano(memory: RedisMemory) -> None:
    most = 2**53 - 1
    assert await memory.reserve("run", "big", Amount(tokens=most - 1, calls=most - 1), Budget(tokens=10**30))
    assert await memory.reserve("run", "one", Amount(tokens=1), Budget(tokens=10**30))
    assert not await memory.reserve("run", "two", Amount(tokens=2), Budget(tokens=10**30))
    await memory.settle("run", "big", Usage())
    for _ in range(100):
        await memory.settle("run", "small", Usage(calls=1, cost=1e-9))
    assert (await memory.spent("run")).cost == 1e-7
    assert not await memory.reserve("run", "c", Amount(cost=0.1), Budget(cost=0.1))
    assert await memory.reserve("run", "c", Amount(cost=0.1 - 1e-7), Budget(cost=0.1))


# ---- lost replies
class LostReply:
    """Breaks the connection after the server has done what it was asked, once."""

    def __init__(self, client: Any) -> None:
        self._execute = client.execute_command
        self.lost = 0

    async def __call__(self, *words: Any) -> Any:
        reply = await self._execute(*words)
        if not self.lost:
            self.lost += 1
            raise aioredis.ConnectionError("Connection reset by peer")
        return reply


async def test_a_call_whose_reply_was_lost_is_not_applied_twice(memory: RedisMemory, monkeypatch: pytest.MonkeyPatch) -> None:
    await memory.check()
    client = memory._redis._nodes.client

    async def losing(call: Any) -> Any:
        lost = LostReply(client)
        with monkeypatch.context() as patch:
            patch.setattr(client, "execute_command", lost)
            result = await call
        assert lost.lost == 1
        return result

    assert await losing(memory.create_run(a_manifest())) is True
    await losing(memory.settle("run", "c", Usage(calls=1, input_tokens=5, cost=0.5)))
    assert await losing(memory.write_note("run", "n", {"a": 1})) == 1
    await losing(memory.append_event("run", {"a": 1}))
    await losing(memory.post(a_report("run", "s0", a_fact(1)), cache_key="k"))
    assert await losing(memory.reserve("run", "r", Amount(tokens=95), Budget(tokens=100))) is True
    assert await memory.spent("run") == Usage(calls=1, input_tokens=5, cost=0.5)
    assert await memory.write_note("run", "n", {"a": 2}) == 2
    assert await memory.events("run") == [{"a": 1}]
    assert len(await memory.reports("run")) == 1
    record = await memory.load_run("run")
    assert record is not None
    assert record.reports == 1
    assert not await memory.reserve("run", "s", Amount(tokens=1), Budget(tokens=100))


# ---- servers in trouble
async def test_a_dead_server_fails_within_three_seconds_and_says_what_to_do() -> None:
    for url in (f"redis://127.0.0.1:{free_port()}/0", "unix:///nowhere/redis.sock"):
        start = time.monotonic()
        error = await failure(RedisMemory(url))
        assert time.monotonic() - start < 3
        assert "out of reach" in str(error)
        assert error.retryable


async def test_what_is_no_redis_server_is_named() -> None:
    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.read(10)
        writer.write(b"HTTP/1.1 400 Bad Request\r\n\r\n")
        writer.close()

    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]
    assert "no Redis server" in str(await failure(RedisMemory(f"redis://127.0.0.1:{port}")))
    server.close()


async def test_a_full_server_says_so_and_holds_nothing_half_written() -> None:
    with RedisServer(options={"maxmemory": "4mb", "maxmemory-policy": "noeviction"}) as server:
        memory = RedisMemory(server.url)
        await memory.create_run(a_manifest())
        posted: list[str] = []

        async def post_on() -> None:
            for i in range(10_000):
                await memory.post(a_report("run", f"s{i}", *(a_fact(j) for j in range(20))), cache_key=f"k{i}")
                posted.append(f"s{i}")

        with pytest.raises(StoreError, match="is full") as caught:
            await post_on()
        assert caught.value.retryable
        assert "forget" in caught.value.hint
        kept = sorted(report.shard for report in await memory.reports("run"))
        assert kept == sorted(posted)
        cached = await memory.cached([f"k{i}" for i in range(len(posted) + 1)])
        assert sorted(report.shard for report in cached if report) == kept
        record = await memory.load_run("run")
        assert record is not None
        assert record.reports == len(kept)
        assert await memory.forget_run("run")
        assert await memory.create_run(a_manifest())
        await memory.aclose()


async def test_a_refused_password_is_named_and_never_shown() -> None:
    with RedisServer(tcp=True, password="right-one") as server:
        place = server.url.partition("://")[2]
        for bad in (f"redis://{place}", f"redis://:wrong-one@{place}", f"redis://someone:wrong-one@{place}"):
            error = await failure(RedisMemory(bad))
            assert "refused" in str(error)
            assert "wrong-one" not in f"{error} {error.__cause__}"
        memory = RedisMemory(f"redis://:right-one@{place}")
        assert await memory.create_run(a_manifest())
        assert "right-one" not in memory.url
        await memory.aclose()


async def test_a_user_with_few_rights_can_run_everything() -> None:
    with RedisServer() as server:
        acl = ["ACL", "SETUSER", "reader", "on", ">pw", "~ext:*", "-@all", "+@read", "+@write", "+@scripting", "+@connection"]
        assert server.command(*acl) == b"+OK\r\n"
        memory = RedisMemory(f"{server.url}?username=reader&password=pw")
        await fill(memory)
        assert len(await memory.list_runs()) == 1
        assert len(await memory.secret()) == 32
        assert len(await memory.check()) == 1
        assert await memory.forget_run("run")
        await memory.aclose()
        server.command("ACL", "SETUSER", "reader", "-@write")
        assert "does not let this user" in str(await failure(RedisMemory(f"{server.url}?username=reader&password=pw")))


async def test_a_replica_is_named() -> None:
    with RedisServer() as server:
        server.command("REPLICAOF", "127.0.0.1", "1")
        memory = RedisMemory(server.url)
        assert any("replica" in warning for warning in await memory.check())
        assert "read-only replica" in str(await failure(memory))


async def test_check_warns_of_eviction_and_of_nothing_on_disk() -> None:
    with RedisServer(options={"maxmemory-policy": "allkeys-lru"}) as server:
        memory = RedisMemory(server.url)
        warnings = " ".join(await memory.check())
        assert "allkeys-lru" in warnings
        assert "on disk" in warnings
        await memory.aclose()
    with RedisServer(append_only=True) as server:
        memory = RedisMemory(server.url)
        assert await memory.check() == []
        await memory.aclose()


@pytest.mark.parametrize("how", ["stop", "kill"])
async def test_a_restarted_server_goes_on_with_what_was_posted(how: str) -> None:
    with RedisServer(append_only=True) as server:
        memory = RedisMemory(server.url)
        await fill(memory)
        before, secret = await memory.load_run("run"), await memory.secret()
        getattr(server, how)()
        waiting = [
            asyncio.create_task(memory.post(a_report(shard="during"))),
            asyncio.create_task(memory.settle("run", "during", Usage(calls=1))),
        ]
        await asyncio.sleep(0)  # both ask while there is nobody
        await asyncio.to_thread(server.start)
        await asyncio.gather(*waiting)
        assert await memory.secret() == secret
        assert len(await memory.reports("run")) == 2
        after = await memory.load_run("run")
        assert before is not None
        assert after is not None
        assert after.manifest == before.manifest
        assert after.spent == before.spent + Usage(calls=1)
        await memory.aclose()


async def test_a_server_that_forgot_the_scripts_is_told_them_again(memory: RedisMemory, client: Any) -> None:
    assert await memory.post(a_report(shard="a"))
    await client.script_flush()
    assert await memory.post(a_report(shard="b"))
    assert len(await memory.reports("run")) == 2


# ---- the server of the tests
HOLDER = """
import sys
from extagents.testing.redis_server import RedisServer
server = RedisServer()
server.start()
print(server.pid, server.url, flush=True)
sys.stdin.read()
"""


def test_the_server_ends_with_the_tests_even_when_they_are_killed() -> None:
    holder = subprocess.Popen([sys.executable, "-c", HOLDER], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    assert holder.stdout is not None
    pid, _, url = holder.stdout.readline().strip().partition(" ")
    folder = Path(url.removeprefix("unix://")).parent
    assert folder.exists()
    os.kill(int(pid), 0)
    holder.send_signal(signal.SIGKILL)
    holder.communicate()
    deadline = time.monotonic() + 10
    while folder.exists():
        assert time.monotonic() < deadline
        time.sleep(0.01)
    with pytest.raises(ProcessLookupError):
        os.kill(int(pid), 0)


# ---- URLs
@pytest.mark.parametrize(
    "url", ["redis://", "redis:///0", "redis://host:port", "redis://host:99999", "redis://host/db", "redis://[::1", "unix://"]
)
def test_a_url_that_cannot_be_one_is_refused_at_once(url: str) -> None:
    with pytest.raises(SettingsError) as caught:
        RedisMemory(url)
    assert "redis://" in caught.value.hint


def test_urls_are_shown_without_their_secrets() -> None:
    for url in (
        "redis://user:p%40ss@host:6379/1",
        "rediss://:p%40ss@host/1?ssl_cert_reqs=none",
        "redis://user:p?%40ss@host/1",
        "unix:///run/redis.sock?db=1&password=p%40ss",
    ):
        assert "ss@" not in RedisMemory(url.replace("p?", "p%3F")).url
        assert "p%40" not in RedisMemory(url.replace("p?", "p%3F")).url
