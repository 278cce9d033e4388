"""Whole runs on a Redis server, and what of a run lies in it: for comparing a disturbed run with an undisturbed one."""

from __future__ import annotations

import asyncio
import inspect
import json
from collections import Counter
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Any

import redis.asyncio as aioredis
import world

from extagents import Coordinator
from extagents.memory.keys import TenantKeys, name_hash
from extagents.memory.redis import RedisMemory
from extagents.testing import ScriptedModel
from extagents.types import Answer

RUN = "the run"


def scripted(before: Callable[[int], Awaitable[object]] | None = None, *, delay: float = 0.0) -> ScriptedModel:
    """The world's model. `before` is awaited before every answer and told its number, from 0."""
    numbers = iter(range(1_000_000))

    def after(script: Callable[[Any], Any]) -> Callable[[Any], Any]:
        async def answer(prompt: Any) -> Any:
            if before is not None:
                await before(next(numbers))
            reply = script(prompt)
            return await reply if inspect.isawaitable(reply) else reply

        return answer

    roles = {"planner": lambda _: world.plan(), "reader": world.read, "reasoner": world.judge, "single": world.pass_once}
    return world.model(delay=delay, **{role: after(script) for role, script in {**roles, "fusion": world.write}.items()})


def team(model: ScriptedModel, url: str, **options: Any) -> Coordinator:
    """A team that reads every document as a shard of its own, several at once."""
    options = {"effort": "thorough", "window": 8_000, "shard_tokens": 600, "concurrency": 8, **options}
    return Coordinator(model, memory=url, **options)


async def answered(
    model: ScriptedModel, url: str, *, documents: int, run: str = RUN, resume: bool = False, **options: Any
) -> Answer:
    """The answer of a whole run."""
    async with team(model, url, **options) as opened:
        return await opened.aask(world.QUESTION, world.corpus(documents, length=30), run=run, resume=resume)


@dataclass(frozen=True)
class Stored:
    """What a run left behind, without what differs from run to run by nature (times, the nonces in prompts)."""

    reports: list[tuple[int, str, int, str]]
    counted: int
    knowledge: list[str]
    status: str
    events: Counter[str]
    answer: str
    spent: dict[str, Any]
    open_calls: int


async def stored(url: str, run: str = RUN) -> Stored:
    """Read through a connection of its own, past every fault; the keys themselves are looked at, too."""
    memory = RedisMemory(url)
    client: Any = aioredis.Redis(connection_pool=aioredis.ConnectionPool.from_url(url))
    try:
        record = await memory.load_run(run)
        assert record is not None
        reports = await memory.reports(run)
        keys = TenantKeys.of("default").run(run)
        log = await client.lrange(keys.log, 0, -1)
        assert len(log) == len(set(log)) == await client.hlen(keys.reports) == len(reports)
        for body in await client.hvals(keys.reports):
            json.loads(body)
        knowledge = [f"{fact.document} {fact.start} {fact.claim}" for fact in await memory.knowledge(run, 100_000)]
        events = Counter(json.dumps({**event, "at": 0}, sort_keys=True) for event in await memory.events(run))
        answer = record.answer or {}
        return Stored(
            reports=[
                (report.round, report.shard, report.wave, "".join(finding.model_dump_json() for finding in report.findings))
                for report in reports
            ],
            counted=record.reports,
            knowledge=knowledge,
            status=record.status,
            events=events,
            answer=json.dumps([answer.get("answer"), answer.get("citations")], sort_keys=True),
            spent=record.spent.model_dump(),
            open_calls=await client.hlen(keys.calls),
        )
    finally:
        await memory.aclose()
        await client.aclose(close_connection_pool=True)


def assert_same(found: Stored, expected: Stored, model: ScriptedModel) -> None:
    """Nothing lost, nothing doubled, nothing half-written, and what was spent is what the model was asked."""
    assert found.reports == expected.reports
    assert found.counted == len(found.reports)
    assert found.knowledge == expected.knowledge
    assert found.status == expected.status == "done"
    assert found.events == expected.events
    assert found.answer == expected.answer
    assert found.spent["calls"] == len(model.calls)
    assert found.spent == expected.spent
    assert found.open_calls == 0


def keys_of(run: str = RUN) -> str:
    """The Redis key of the run's record."""
    return f"{TenantKeys.of('default').prefix}:run:{name_hash(run)}"


async def until(condition: Callable[[], bool], *, seconds: float = 30.0) -> None:
    """Waits for a state. Raises TimeoutError."""
    async with asyncio.timeout(seconds):
        while not condition():  # noqa: ASYNC110
            await asyncio.sleep(0.005)
