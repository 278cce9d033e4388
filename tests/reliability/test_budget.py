"""A budget is a ceiling: never exceeded as the server counts, refused where it covers nothing, enough for an answer."""

from __future__ import annotations

import asyncio
import json
import random
import sys
from asyncio.subprocess import PIPE
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import world
from reliability.size import record, sized

from extagents import Budget, BudgetTooSmall, Coordinator
from extagents.budget import Amount
from extagents.gate import Account, BudgetEnded, CallFailed, Gate
from extagents.limiter import Limiter
from extagents.memory.open import open_memory
from extagents.models.openai_compatible import OpenAICompatible
from extagents.testing import FakeEndpoint
from extagents.testing.endpoint import Fault, refusal, reply
from extagents.testing.redis_server import RedisServer
from extagents.types import Notes, Prices, Verdict

PRICES = Prices(input=1.0, output=4.0)


class Counting:
    """A script that counts as a server does whose tokens are bytes: what came in, and all that might have been written.

    `faults` is the share of calls that go wrong: refused, failed, or done and then lost on the way back. What is lost was
    worked for, and counts in full. The first `crowd` calls are held until so many are in flight.
    """

    def __init__(self, *, faults: float = 0.0, seed: int = 0, text: str = "{}", crowd: int = 0) -> None:
        self._crowd = crowd
        self._gathered = asyncio.Event()
        self.busy = asyncio.Event()  # set by the fortieth call
        self.calls = self.tokens = self.in_flight = self.most_in_flight = 0
        self.cost = 0.0
        self._faults = faults
        self._random = random.Random(seed)
        self._text = text

    async def __call__(self, body: dict[str, Any]) -> Any:
        self.calls += 1
        if self.calls == 40:
            self.busy.set()
        self.in_flight += 1
        self.most_in_flight = max(self.most_in_flight, self.in_flight)
        if self.in_flight >= self._crowd:
            self._gathered.set()
        try:
            await self._gathered.wait()
            return await self._answered(body)
        finally:
            self.in_flight -= 1

    async def _answered(self, body: dict[str, Any]) -> Any:
        kind = self._random.choice(["429", "500", "lost", "cut", "garbage"]) if self._random.random() < self._faults else ""
        await asyncio.sleep(0.03 * self._random.random())
        if kind == "429":
            return refusal(429, "slow down", retry_after="0")
        if kind == "500":
            return refusal(500, "oops")
        # A chat template puts a few tokens around every message; a schema may be pasted into the prompt.
        prompt = sum(len(message["content"].encode()) + 8 for message in body["messages"])
        prompt += len(str(body.get("response_format", "")))
        written = body.get("max_completion_tokens") or body["max_tokens"]
        self.tokens += prompt + written
        self.cost += (prompt * PRICES.input + written * PRICES.output) / 1e6
        if kind == "lost":
            return Fault(reset=True)
        if kind == "cut":
            return Fault(cut=60)
        return reply("no JSON at all" if kind == "garbage" else self._text, prompt_tokens=prompt, completion_tokens=written)


def verdict() -> str:
    return Verdict(answerable=True, answer="x", confidence=0.5, facts=[1], queries=[]).model_dump_json()


def prompt(number: int) -> Any:
    """A small prompt, another one for every number."""
    from extagents.models.base import Message, Prompt
    from extagents.types import ReasonerInput

    inputs = ReasonerInput(question="?", facts=(), kind="lookup", answer_type="text")
    messages = (Message("system", "Answer."), Message("user", f"Question {number}: 谁？"))
    return Prompt(role="reasoner", inputs=inputs, output=Verdict, messages=messages, max_output_tokens=40, version="v")


@pytest.fixture(scope="module")
def redis() -> Iterator[RedisServer]:
    with RedisServer() as server:
        yield server


# ---- never exceeded


@pytest.mark.parametrize("store", ["memory", "file", "redis"])
@pytest.mark.parametrize(
    "budget", [Budget(calls=150), Budget(tokens=300_000), Budget(cost=0.35), Budget(calls=151, tokens=310_000, cost=0.33)]
)
async def test_a_hundred_calls_in_flight_never_exceed_what_the_server_counts(
    store: str, budget: Budget, tmp_path: Path, redis: RedisServer
) -> None:
    url = {"memory": "memory://", "file": f"sqlite:///{tmp_path}/m.sqlite", "redis": redis.url}[store]
    memory = open_memory(url, tenant=f"{budget}")
    script = Counting(faults=0.3, seed=7, text=verdict(), crowd=90)
    async with FakeEndpoint(script) as endpoint:
        model = OpenAICompatible("m", base_url=endpoint.base_url, api_key="k", prices=PRICES, window=8_000)
        gate = Gate({"default": model}, limiter=Limiter(100), memory=memory, timeout=20.0)
        account = Account("run", budget, memory=memory)

        async def ask(number: int) -> str:
            try:
                await gate.call(prompt(number), account)
            except (BudgetEnded, CallFailed) as error:
                return type(error).__name__
            return "answered"

        # Some callers go away in the middle.
        tasks = [asyncio.ensure_future(ask(number)) for number in range(300)]
        await asyncio.wait_for(script.busy.wait(), 30)
        for task in tasks[:20]:
            task.cancel()
        ended = await asyncio.gather(*tasks, return_exceptions=True)
        await gate.aclose()
        await model.aclose()
    spent = await memory.spent("run")
    await memory.aclose()
    assert "BudgetEnded" in ended
    assert script.most_in_flight >= 90
    assert budget.calls is None or script.calls <= budget.calls
    assert budget.tokens is None or script.tokens <= budget.tokens
    assert budget.cost is None or script.cost <= budget.cost + 1e-9
    assert script.calls <= spent.calls  # and the books never say less than the server
    assert script.tokens <= spent.input_tokens + spent.output_tokens
    assert account.usage.model_copy(update={"cost": spent.cost}) == spent
    assert account.usage.cost == pytest.approx(spent.cost)
    record("budget in flight", store=store, budget=str(budget), calls=script.calls, tokens=script.tokens, cost=script.cost)


WORKER = """
import asyncio, json, sys
sys.path[:0] = json.loads(sys.argv[1])
from reliability.test_budget import draw
print("ready", flush=True)
sys.stdin.readline()
print(json.dumps(asyncio.run(draw(sys.argv[2], int(sys.argv[3])))))
"""


async def draw(url: str, number: int) -> dict[str, int]:
    """One of several processes that call a model until their common budget is used up: what its model counted."""
    from extagents.testing import ScriptedModel
    from extagents.types import Usage

    counted = {"calls": 0, "tokens": 0}
    chance = random.Random(number)

    class Local(ScriptedModel):
        async def complete(self, prompt: Any, **options: Any) -> Any:
            done = await super().complete(prompt, **options)
            await asyncio.sleep(0.002 * chance.random())
            usage = Usage(calls=1, input_tokens=chance.randint(1, 90), output_tokens=prompt.max_output_tokens)
            counted["calls"] += 1
            counted["tokens"] += usage.input_tokens + usage.output_tokens
            return type(done)(text=done.text, usage=usage, output=done.output, model=done.model)

    memory = open_memory(url)
    gate = Gate({"default": Local(lambda prompt: verdict())}, limiter=Limiter(25), memory=memory)
    account = Account("shared", Budget(calls=400, tokens=70_000), memory=memory)

    async def until_it_ends(lane: int) -> None:
        step = 0
        while True:
            step += 1
            try:
                await gate.call(prompt(number * 1_000_000 + lane * 10_000 + step), account)
            except BudgetEnded:
                return

    await asyncio.gather(*map(until_it_ends, range(25)))
    await gate.aclose()
    await memory.aclose()
    return counted


@pytest.mark.parametrize("store", ["file", "redis"])
async def test_several_processes_draw_on_one_budget(store: str, tmp_path: Path, redis: RedisServer) -> None:
    url = f"sqlite:///{tmp_path}/m.sqlite" if store == "file" else redis.url
    processes = [
        await asyncio.create_subprocess_exec(
            sys.executable, "-c", WORKER, json.dumps(sys.path), url, str(number), stdin=PIPE, stdout=PIPE
        )
        for number in range(sized(3, 8))
    ]
    for process in processes:
        assert process.stdout is not None
        assert await process.stdout.readline() == b"ready\n"
    told = [json.loads(out) for out, _ in await asyncio.gather(*(process.communicate(b"go\n") for process in processes))]
    calls, tokens = (sum(one[name] for one in told) for name in ("calls", "tokens"))
    memory = open_memory(url)
    spent = await memory.spent("shared")
    await memory.aclose()
    assert calls <= 400
    assert tokens <= 70_000
    assert calls == 400 or tokens > 70_000 - 200  # nothing that was covered was left undone
    assert (spent.calls, spent.input_tokens + spent.output_tokens) == (calls, tokens)
    assert len([one for one in told if one["calls"]]) > 1
    record("budget of several processes", store=store, processes=len(told), calls=calls, tokens=tokens)


# ---- refused, or enough for an answer


def remembers(prompt: Any) -> Any:
    """The world's memory agent: it notes what the world's readers would report, and answers as its reasoner does."""
    from extagents.types import NotesInput, ReportedFact, Scan, ScanInput

    if isinstance(prompt.inputs, ScanInput):
        text = "\n".join(section.text for section in prompt.inputs.shard.sections)
        found = [ReportedFact(claim=step, quote=step, relevance=0.9) for step in world.STEPS if step in text]
        return Scan(facts=found, drop=[], plan="the town")
    if isinstance(prompt.inputs, NotesInput):
        pairs = zip(prompt.inputs.numbers, prompt.inputs.facts, strict=True)
        return Notes(memory="\n".join(f"{fact.claim} [{number}]" for number, fact in pairs), plan="")
    return world.judge(prompt)


def budgets(seed: int, count: int) -> list[Budget]:
    """Ceilings from nothing at all to more than the whole takes."""
    chance = random.Random(seed)
    made = []
    for _ in range(count):
        kind = chance.choice(["calls", "tokens", "cost", "all"])
        made.append(
            Budget(
                calls=chance.randint(1, 60) if kind in ("calls", "all") else None,
                tokens=int(10 ** chance.uniform(2.5, 6)) if kind in ("tokens", "all") else None,
                cost=10 ** chance.uniform(-3.5, 0) if kind in ("cost", "all") else None,
            )
        )
    return made


@pytest.mark.parametrize("strategy", ["fused", "parallel", "iterative", "single"])
async def test_a_run_that_its_budget_ends_has_an_answer_or_says_that_nothing_was_found(strategy: Any) -> None:
    seen = {"refused": 0, "ended": 0, "answered": 0, "done": 0}
    corpora = [world.corpus(), world.corpus(4, length=10)]
    for number, budget in enumerate(budgets(11, sized(24, 400))):
        model = world.model(window=8_000, prices=PRICES, memory=remembers)
        team = Coordinator(model, memory=open_memory("memory://"), window=8_000, strategy=strategy, budget=budget)
        try:
            answer = await team.aask(world.QUESTION, corpora[number % 2])
        except BudgetTooSmall as error:
            seen["refused"] += 1
            refused = error.message
            answer = None
        if answer is None:
            assert model.calls == []
            assert "does not cover the smallest run" in refused
            assert "the whole question:" in refused
            assert "\n" not in refused
            continue
        used = Amount.of(answer.usage)
        assert answer.usage.calls == len(model.calls)
        assert budget.calls is None or used.calls <= budget.calls
        assert budget.tokens is None or used.tokens <= budget.tokens
        assert budget.cost is None or used.cost <= budget.cost + 1e-9
        assert (answer.stopped_by, answer.partial) in ((None, False), ("budget", True))
        if answer.stopped_by is None:
            seen["done"] += 1
            continue
        seen["ended"] += 1
        seen["answered"] += answer.answered
        assert answer.coverage.shards_read > 0, budget  # what was let through could read something
        assert answer.answered or any(notice.startswith("Nothing found so far") for notice in answer.notices)
        assert answer.answered or answer.answer == ""
    assert seen["refused"] > 0
    assert seen["done"] + seen["ended"] > 0
    record("budgets", strategy=strategy, **seen)


async def test_what_is_refused_would_do_with_what_the_message_asks_for() -> None:
    for corpus in (world.corpus(), world.corpus(4, length=10)):
        for strategy in ("fused", "parallel", "single"):
            model = world.model(window=8_000)
            given: dict[str, Any] = {"memory": open_memory("memory://"), "window": 8_000, "strategy": strategy}
            with pytest.raises(BudgetTooSmall) as refused:
                await Coordinator(model, budget=Budget(tokens=5, calls=1_000), **given).aask(world.QUESTION, corpus)
            words = refused.value.message.partition("smallest run: ")[2].replace(",", "").split()
            calls, tokens = int(words[0]), int(words[3])
            enough = Budget(tokens=tokens, calls=calls)
            answer = await Coordinator(model, budget=enough, **given).aask(world.QUESTION, corpus)
            assert answer.coverage.shards_read > 0
            assert answer.usage.calls <= calls
            with pytest.raises(BudgetTooSmall):
                await Coordinator(model, budget=Budget(tokens=tokens - 1), **given).aask(world.QUESTION, corpus)


async def test_a_run_that_is_gone_on_with_is_not_refused_and_gives_what_it_has() -> None:
    memory, model = open_memory("memory://"), world.model(window=8_000)
    given: dict[str, Any] = {"memory": memory, "window": 8_000, "effort": "thorough"}
    first = await Coordinator(model, budget=Budget(calls=5), **given).aask(world.QUESTION, world.corpus(), run="mine")
    assert first.stopped_by == "budget"
    calls = len(model.calls)
    again = await Coordinator(model, budget=Budget(calls=5), **given).aask(
        world.QUESTION, world.corpus(), run="mine", resume=True
    )
    assert (again.stopped_by, again.usage.calls, len(model.calls)) == ("budget", first.usage.calls, calls)


async def test_what_a_run_used_is_what_the_memory_says() -> None:
    memory = open_memory("memory://")
    nothing = {"facts": [], "queries": [], "continues": False, "answerable": False, "answer": "", "confidence": 0.1}
    planned = {"core": "?", "instructions": "", "kind": "lookup", "answer_type": "text"}
    script = Counting(faults=0.2, seed=3, text=json.dumps({**nothing, **planned}))
    async with FakeEndpoint(script) as endpoint:
        model = OpenAICompatible("m", base_url=endpoint.base_url, api_key="k", prices=PRICES, window=8_000)
        team = Coordinator(model, memory=memory, window=8_000, budget=Budget(calls=30))
        answer = await team.aask(world.QUESTION, world.corpus(), run="mine")
        await model.aclose()
    spent = await memory.spent("mine")
    assert answer.usage.model_copy(update={"cost": spent.cost}) == spent
    assert script.calls <= spent.calls <= 30
    assert script.tokens <= spent.input_tokens + spent.output_tokens
