"""Readers on a Ray cluster of two real nodes: the same answers, one budget, a dead node costs time, nothing comes to light."""

from __future__ import annotations

import asyncio
import json
from collections import Counter
from collections.abc import Callable
from typing import Any

import pytest
import world
from reliability.faulty_runs import answer, role_of, text_of
from sentinels import API_KEY, OTHER_KEY

from extagents import Answer, Coordinator
from extagents.executors.ray import RayExecutor
from extagents.testing import FakeEndpoint
from extagents.types import Report

SETTINGS: dict[str, Any] = {
    "effort": "thorough",
    "strategy": "parallel",
    "window": 8_000,
    "shard_tokens": 450,
    "concurrency": 16,
}


def team(endpoint: FakeEndpoint, memory: str, **options: Any) -> Coordinator:
    """A team whose readers are on the cluster."""
    told = {**SETTINGS, "executor": "ray", "memory": memory, "base_url": endpoint.base_url, **options}
    return Coordinator("openai:fake", **told)


def executor_of(coordinator: Coordinator) -> RayExecutor:
    executor = coordinator._executor
    assert isinstance(executor, RayExecutor)
    return executor


def readings(endpoint: FakeEndpoint) -> Counter[str]:
    """How often each reader's prompt came."""
    return Counter(text_of(body) for body in endpoint.requests if role_of(body) == "reader")


def plainly(reports: list[Report]) -> list[dict[str, Any]]:
    """Reports without what names their run, in an order of their own."""
    told = [report.model_dump(mode="json", exclude={"run"}) for report in reports]
    return sorted(told, key=lambda report: (report["round"], report["shard"]))


async def test_two_nodes_give_the_answer_and_the_reports_that_this_process_gives(
    ray_nodes: Any, memory_url: str
) -> None:
    corpus = world.corpus()
    async with FakeEndpoint(answer) as endpoint:
        async with team(endpoint, memory_url) as away:
            found = await away.aask(world.QUESTION, over=corpus)
            reports = await asyncio.to_thread(away.reports, found.run_id)
            reads = executor_of(away).reads
            record = await asyncio.to_thread(away.run, found.run_id)
        asked, endpoint.requests = readings(endpoint), []
        async with team(endpoint, "memory://", executor="local") as here:
            expected = await here.aask(world.QUESTION, over=corpus)
            wanted = await asyncio.to_thread(here.reports, expected.run_id)
        assert asked == readings(endpoint)
    assert found.text == expected.text == world.ANSWER
    assert plainly(reports) == plainly(wanted)
    assert found.usage == expected.usage
    assert record is not None
    assert record.spent == found.usage
    assert len(reads) == 2
    assert min(reads.values()) > 0
    assert sum(reads.values()) == sum(asked.values()) == len(reports)
