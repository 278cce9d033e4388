"""Readers on a Ray cluster of two real nodes: the same answers, one budget, a dead node costs time, nothing comes to light."""

from __future__ import annotations

import asyncio
import re
from collections import Counter
from collections.abc import Callable
from typing import Any

import pytest
import registers
import world
from reliability.faulty_runs import answer, role_of, text_of
from sentinels import OTHER_KEY, form_in

from extagents import Answer, Budget, Coordinator
from extagents.background import background
from extagents.budget import Amount
from extagents.cli import doctor
from extagents.errors import ModelError, SettingsError
from extagents.executors.ray import RayExecutor
from extagents.memory.open import open_memory
from extagents.settings import Settings
from extagents.testing import FakeEndpoint, ScriptedModel
from extagents.testing.endpoint import refusal, reply
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


async def started(coordinator: Coordinator) -> RayExecutor:
    """The coordinator's executor with its readers on the cluster, before any question."""

    async def start() -> None:
        await coordinator._open_executor(await coordinator._open_gate())

    await background.run(start)
    return executor_of(coordinator)


def readings(endpoint: FakeEndpoint) -> Counter[str]:
    """How often each reader's prompt came."""
    return Counter(text_of(body) for body in endpoint.requests if role_of(body) == "reader")


def plainly(reports: list[Report]) -> list[dict[str, Any]]:
    """Reports without what names their run, in an order of their own."""
    told = [report.model_dump(mode="json", exclude={"run"}) for report in reports]
    return sorted(told, key=lambda report: (report["round"], report["shard"]))


async def test_two_nodes_give_the_answer_and_the_reports_that_this_process_gives(ray_nodes: Any, memory_url: str) -> None:
    corpus = world.corpus()
    async with FakeEndpoint(answer) as endpoint:
        async with team(endpoint, memory_url) as away:
            fleet = (await started(away))._fleet
            assert fleet is not None
            await until(lambda: len(fleet.members) == 2)  # a run begins with the first; slow machines start the other late
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


async def test_rows_of_tables_are_read_on_the_nodes_too(ray_nodes: Any, memory_url: str) -> None:
    corpus, options = registers.corpus(), {"strategy": "fused", "shard_tokens": 600}
    async with FakeEndpoint(registers.said) as endpoint:
        async with team(endpoint, memory_url, **options) as away:
            found = await away.aask(registers.HOW_MANY, over=corpus)
            reads = executor_of(away).reads
        async with team(endpoint, "memory://", executor="local", **options) as here:
            expected = await here.aask(registers.HOW_MANY, over=corpus)
    assert found.text == expected.text == registers.ANSWERS[registers.HOW_MANY]
    assert found.table == expected.table
    assert found.usage == expected.usage
    assert sum(reads.values()) == found.coverage.shards


async def until(happened: Callable[[], bool], *, seconds: float = 40.0) -> None:
    """Waits for a state."""
    async with asyncio.timeout(seconds):
        while not happened():  # noqa: ASYNC110 - the state is another process'
            await asyncio.sleep(0.02)


class Held:
    """The world's answers; while `closed`, readers get theirs when tests let so many pass."""

    def __init__(self) -> None:
        self.closed = False
        self.waiting = 0
        self.answered: Counter[str] = Counter()  # by reader's prompt
        self._passes = asyncio.Semaphore(0)

    def let(self, count: int) -> None:
        for _ in range(count):
            self._passes.release()

    def open(self) -> None:
        self.closed = False
        self.let(self.waiting)

    async def __call__(self, body: dict[str, Any]) -> Any:
        if role_of(body) == "reader":
            if self.closed:
                self.waiting += 1
                try:
                    await self._passes.acquire()
                finally:
                    self.waiting -= 1
            self.answered[text_of(body)] += 1
        return answer(body)


async def test_a_node_that_is_killed_in_the_middle_costs_nothing_but_time(ray_nodes: Any, memory_url: str) -> None:
    corpus, script = world.corpus(60), Held()
    async with FakeEndpoint(script) as endpoint, team(endpoint, memory_url) as away:
        script.closed = True
        asking = asyncio.ensure_future(away.aask(world.QUESTION, over=corpus))
        await until(lambda: script.waiting == SETTINGS["concurrency"])
        executor = executor_of(away)
        fleet = executor._fleet
        assert fleet is not None
        node = ray_nodes.add()
        await until(lambda: len(fleet.members) == 3)  # a node that joins is used
        while not executor.reads.get(node.node_id):  # one after the other, until the third node has read something, too
            count = len(endpoint.requests)
            script.let(1)
            await until(lambda count=count: len(endpoint.requests) > count and script.waiting == SETTINGS["concurrency"])
        dying = sum(member.reads for member in fleet.members if member.node.id == node.node_id)
        assert dying > 0
        ray_nodes.kill(node)
        await until(lambda: fleet.gone == 1)
        script.open()
        found = await asking
        reports = await asyncio.to_thread(away.reports, found.run_id)
    assert found.text == world.ANSWER
    assert found.coverage.failed == 0
    assert all(report.failure is None for report in reports)
    again = {prompt: count for prompt, count in script.answered.items() if count > 1}
    assert not again, "what was answered is not asked again"
    asked = readings(endpoint)
    assert sum(asked.values()) - len(asked) <= dying
    assert found.usage.calls >= len(endpoint.requests)  # what was under way on the dead node counts as spent


async def test_what_a_lost_reader_had_answered_is_not_paid_again(ray_nodes: Any, memory_url: str) -> None:
    """The answer stands in the journal; only the reply was lost with the process."""
    corpus, script = world.corpus(), Held()
    async with FakeEndpoint(script) as endpoint, team(endpoint, memory_url, concurrency=1) as away:
        executor = await started(away)
        original, lost = RayExecutor._reply, 0

        async def losing(self: RayExecutor, member: Any, order: Any, told: Any) -> Any:
            nonlocal lost
            from ray.exceptions import ActorUnavailableError

            reply = await original(self, member, order, told)
            if lost < 2 and order.journal == 0:
                lost += 1
                raise ActorUnavailableError("the reply is lost", b"\0" * 16)
            return reply

        executor._reply = losing.__get__(executor)  # type: ignore[method-assign]
        found = await away.aask(world.QUESTION, over=corpus)
        record = await asyncio.to_thread(away.run, found.run_id)
    assert lost == 2
    assert found.text == world.ANSWER
    assert set(script.answered.values()) == {1}
    assert record is not None
    assert found.usage == record.spent
    assert found.usage.calls == len(endpoint.requests)


async def test_readers_on_all_nodes_together_never_exceed_the_budget(ray_nodes: Any, memory_url: str) -> None:
    calls = tokens = 0

    def counting(body: dict[str, Any]) -> Any:
        """Counts as a server does whose tokens are bytes, and that writes as much as it may."""
        nonlocal calls, tokens
        calls += 1
        prompt = sum(len(message["content"].encode()) + 8 for message in body["messages"])
        prompt += len(str(body.get("response_format", "")))
        written = body.get("max_completion_tokens") or body["max_tokens"]
        tokens += prompt + written
        return reply(answer(body), prompt_tokens=prompt, completion_tokens=written)

    corpus = world.corpus()
    async with FakeEndpoint(counting) as endpoint:
        async with team(endpoint, memory_url, budget=Budget(tokens=260_000, calls=100)) as away:
            first = await away.aask(world.QUESTION, over=corpus)
            record = await asyncio.to_thread(away.run, first.run_id)
            assert first.stopped_by == "budget"
            assert tokens <= 260_000
            assert first.usage.input_tokens + first.usage.output_tokens == tokens
            assert record is not None
            assert record.spent == first.usage
            assert min(executor_of(away).reads.values()) > 0
            read = first.coverage.shards_read
        calls = tokens = 0
        async with team(endpoint, "memory://", executor="local", budget=Budget(tokens=260_000, calls=100)) as here:
            same = await here.aask(world.QUESTION, over=corpus)
        assert read >= same.coverage.shards_read - 1  # what others hold is waited for, not given up


async def test_readers_on_the_nodes_see_what_another_process_holds_of_the_budget(ray_nodes: Any, memory_url: str) -> None:
    """The driver knows nothing of it: only what the readers themselves reserve in the memory keeps them within the budget."""
    budget, elsewhere = Budget(calls=60), Amount(calls=40)
    memory = open_memory(memory_url)
    holds: list[asyncio.Task[bool]] = []

    async def holding(body: dict[str, Any]) -> Any:
        if role_of(body) == "reader" and not holds:
            holds.append(asyncio.create_task(memory.reserve("shared", "elsewhere", elsewhere, budget)))
        if holds:
            assert await holds[0]
        return answer(body)

    try:
        async with FakeEndpoint(holding) as endpoint, team(endpoint, memory_url, budget=budget, concurrency=4) as away:
            found = await away.aask(world.QUESTION, over=world.corpus(), run="shared")
            assert await holds[0]
            assert found.stopped_by == "budget"
            assert len(endpoint.requests) + elsewhere.calls <= 60
    finally:
        await memory.aclose()


async def test_a_batch_reads_on_the_nodes_and_its_account_is_right(ray_nodes: Any, memory_url: str) -> None:
    asked = [{"id": name, "question": world.QUESTION} for name in "abc"]
    settings = Settings(read_cache=False)
    async with FakeEndpoint(answer) as endpoint, team(endpoint, memory_url, settings=settings) as away:
        answers = await away.abatch(asked, world.corpus(), budget=Budget(calls=5_000), questions_per_read=1, run="together")
        record = await asyncio.to_thread(away.run, "together")
        assert [one.text for one in answers] == [world.ANSWER] * 3
        assert answers.summary.usage.calls == len(endpoint.requests) == sum(one.usage.calls for one in answers)
        assert record is not None
        assert record.spent == answers.summary.usage
        assert sum(executor_of(away).reads.values()) == sum(readings(endpoint).values())


async def test_an_interrupt_ends_the_reads_on_the_nodes_and_no_call_comes_after_it(ray_nodes: Any, memory_url: str) -> None:
    corpus, script = world.corpus(), Held()
    script.closed = True
    async with FakeEndpoint(script) as endpoint, team(endpoint, memory_url) as away:
        asking = asyncio.ensure_future(away.aask(world.QUESTION, over=corpus))
        await until(lambda: script.waiting == SETTINGS["concurrency"])
        before = len(endpoint.requests)
        away.interrupt()
        found = await asking
        await until(lambda: script.waiting == 0)
        assert found.stopped_by == "cancelled"
        assert found.partial
        record = await asyncio.to_thread(away.run, found.run_id)
        assert record is not None
        assert record.spent == found.usage  # those that were broken off, at what they may have cost at most
        assert found.usage.calls == before
        script.open()
        resumed = await away.aresume(found.run_id, over=corpus)
        assert isinstance(resumed, Answer)
        assert resumed.text == world.ANSWER


async def test_a_deadline_ends_the_reads_on_the_nodes(ray_nodes: Any, memory_url: str) -> None:
    corpus, script = world.corpus(), Held()
    script.closed = True
    async with FakeEndpoint(script) as endpoint, team(endpoint, memory_url) as away:
        await started(away)  # a cluster's start is not what is looked at here
        away.settings = away.settings.model_copy(update={"budget": Budget(seconds=3.0)})
        found = await away.aask(world.QUESTION, over=corpus)
        assert found.stopped_by == "deadline"
        await until(lambda: script.waiting == 0)
    assert endpoint.most_in_flight <= SETTINGS["concurrency"]


async def test_errors_arrive_as_the_types_that_a_reader_here_raises(ray_nodes: Any, memory_url: str) -> None:
    def refusing(body: dict[str, Any]) -> Any:
        return refusal(401, "Incorrect API key provided") if role_of(body) == "reader" else answer(body)

    async with FakeEndpoint(refusing) as endpoint, team(endpoint, memory_url, api_key=OTHER_KEY) as away:
        with pytest.raises(ModelError, match="Incorrect API key") as refused:
            await away.aask(world.QUESTION, over=world.corpus())
        assert "OPENAI_API_KEY" in refused.value.hint
        # A key of this program's own, not in the nodes' environment, was sent to them, and through them.
        sent = {headers["Authorization"] for headers in endpoint.headers}
        assert sent == {f"Bearer {OTHER_KEY}"}
        executor = executor_of(away)
        assert executor._fleet is not None
        for shown in (executor, executor._fleet, executor._fleet.recipe, executor._fleet.key, executor._fleet.memory):
            assert form_in(repr(shown)) is None
    assert form_in(str(refused.value)) is None


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"memory": "memory://"}, "a memory that every node reaches"),
        ({"model": ScriptedModel({})}, "ScriptedModel object cannot be sent"),
        ({"model": "extractive"}, "nothing to read on other machines"),
        ({"model": "vllm:Qwen/Qwen3-4B"}, "vllm serve Qwen/Qwen3-4B"),
    ],
)
async def test_what_cannot_be_distributed_is_refused_before_anything_is_spent(
    options: dict[str, Any], said: str, memory_url: str
) -> None:
    async with FakeEndpoint(answer) as endpoint:
        told = {**SETTINGS, "executor": "ray", "memory": memory_url, "base_url": endpoint.base_url, **options}
        model = told.pop("model", "openai:fake")
        async with Coordinator(model, **told) as away:
            with pytest.raises(SettingsError, match=re.escape(said)) as refused:
                await away.aask(world.QUESTION, over=world.corpus(2))
        assert refused.value.hint
        assert not endpoint.requests


def test_the_doctor_finds_the_cluster_and_leaves_it_as_it_was(ray_nodes: Any, memory_url: str) -> None:
    settings = Settings(model="openai:fake", executor="ray", memory=memory_url)
    [check] = doctor.executor(settings)
    assert check.status == "ok"
    assert "2 nodes with 2 CPUs" in check.detail
    import ray

    assert not ray.is_initialized()


async def test_a_ray_that_the_program_has_begun_is_used_and_not_ended(ray_nodes: Any, memory_url: str) -> None:
    import ray

    ray.init(address=ray_nodes.address, _node_ip_address="127.0.0.1", log_to_driver=False, logging_level="ERROR")
    try:
        async with FakeEndpoint(answer) as endpoint:
            async with team(endpoint, memory_url) as away:
                answered = await away.aask(world.QUESTION, over=world.corpus(8))
            assert answered.text == world.ANSWER
            assert ray.is_initialized()
            assert len(ray.nodes()) >= 2
    finally:
        ray.shutdown()
