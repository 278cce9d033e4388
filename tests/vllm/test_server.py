"""`vllm serve` on loopback, through `openai:NAME`, with what only vLLM gives."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Iterator
from typing import Any

import pytest
import pytest_asyncio
import world
from tiny_vllm import KEY, Server, prompt, shard, until

from extagents import Coordinator, limiter
from extagents.gate import Account, Gate
from extagents.limiter import Limiter
from extagents.models.base import Completion, Prompt
from extagents.models.openai_compatible import OpenAICompatible
from extagents.types import Plain

Answered = list[tuple[Prompt[Any], Completion[Any]]]


@pytest.fixture
def answered(monkeypatch: pytest.MonkeyPatch) -> Answered:
    """Every prompt that the server answers, with its completion."""
    seen: Answered = []
    complete = OpenAICompatible.complete

    async def recorded(self: OpenAICompatible, prompt: Prompt[Any], **options: Any) -> Completion[Any]:
        completion = await complete(self, prompt, **options)
        seen.append((prompt, completion))
        return completion

    monkeypatch.setattr(OpenAICompatible, "complete", recorded)
    return seen


@pytest_asyncio.fixture
async def model(server: Server) -> AsyncIterator[OpenAICompatible]:
    made = OpenAICompatible(server.name, base_url=server.base_url, api_key=KEY)
    yield made
    await made.aclose()


@pytest.fixture
def team(server: Server) -> Iterator[Coordinator]:
    with Coordinator(
        f"openai:{server.name}", base_url=server.base_url, api_key=KEY, memory="memory://", shard_tokens=1_500
    ) as made:
        yield made


def test_every_answer_of_a_whole_run_is_the_json_that_was_asked_for(team: Coordinator, answered: Answered) -> None:
    answer = team.ask(world.QUESTION, over=world.documents(12))
    assert answer.coverage.shards_read == answer.coverage.shards >= 5
    assert answer.coverage.failed == 0
    for asked, completion in answered:
        if completion.finish == "stop" and not issubclass(asked.output, Plain):
            asked.output.model_validate_json(completion.text)
    assert sum(completion.finish == "stop" for _, completion in answered) >= 0.9 * len(answered)


def test_a_second_question_finds_the_shards_in_the_cache(team: Coordinator, answered: Answered) -> None:
    documents = world.documents(9, length=60)
    team.ask("Who founded the Corvid Institute?", over=documents)
    answered.clear()
    team.ask("How many ropes does the harbour office list?", over=documents)
    reads = [completion.usage for asked, completion in answered if asked.role == "reader"]
    assert sum(usage.cached_tokens for usage in reads) / sum(usage.input_tokens for usage in reads) > 0.6


async def test_it_is_known_as_a_vllm_and_tells_its_window(model: OpenAICompatible) -> None:
    assert (await model.describe()).window == 16_384
    assert await model.is_vllm()


async def test_its_queue_paces_the_calls(model: OpenAICompatible, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(limiter, "LOOK_EVERY", 0.05)
    gate = Gate({"default": model}, limiter=Limiter(32))
    state = gate.limiter.endpoint(model.endpoint)
    account = Account("run")
    calls = [gate.call(prompt("reader", text=shard(n), output=Plain, room=200), account) for n in range(64)]
    await asyncio.gather(*calls)
    assert state.load is not None
    assert state.load.looked_up > 0
    assert state.limit < 32
    await gate.limiter.aclose()


async def test_whoever_is_waited_for_goes_before_the_readers(model: OpenAICompatible) -> None:
    await model.describe()
    order: list[str] = []

    async def ask(role: str, number: int) -> None:
        await model.complete(prompt(role, text=f"{shard(number)} Go on.", output=Plain, room=300))
        order.append(role)

    readers = [asyncio.create_task(ask("reader", number)) for number in range(24)]
    await until(lambda: len(order) >= 2)
    reasoner = asyncio.create_task(ask("reasoner", 100))
    await asyncio.gather(*readers, reasoner)
    assert order.index("reasoner") <= 14


async def test_cancelling_a_call_ends_its_request_at_the_server(model: OpenAICompatible) -> None:
    begun = asyncio.Event()
    long = prompt(output=Plain, room=15_000, text="Write down all that you know of ropes.")
    call = asyncio.create_task(model.complete(long, on_delta=lambda _: begun.set()))
    await asyncio.wait_for(begun.wait(), 60)
    assert not call.done()
    call.cancel()
    with pytest.raises(asyncio.CancelledError):
        await call

    for _ in range(600):
        load = await model.load()
        assert load is not None
        if not load.running:
            break
        await asyncio.sleep(0.05)
    assert not load.running


async def test_an_answer_streams_and_is_held(model: OpenAICompatible) -> None:
    pieces: list[str] = []
    await model.describe()
    completion: Completion[Any] = await model.complete(prompt(), on_delta=pieces.append)
    assert "".join(pieces) == completion.text
    assert json.loads(completion.text)
