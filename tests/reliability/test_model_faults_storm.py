"""A minute of refusals in the middle of a run: no call is lost by it, and full speed is back within ten seconds."""

from __future__ import annotations

import asyncio
import heapq
import itertools
import random
import time
from collections.abc import Callable
from typing import Any

import pytest
import world
from reliability import faulty_runs
from reliability.faulty_runs import role_of
from reliability.size import FULL, record, sized

from extagents.errors import CallError
from extagents.gate import Account, Gate
from extagents.limiter import Limiter
from extagents.models.base import Completion, Message, ModelInfo, Prompt
from extagents.testing import FakeEndpoint
from extagents.testing.endpoint import Fault, refusal
from extagents.types import PlannerInput, Usage, Verdict

LANES = 64
BACK_WITHIN = 10.0  # seconds
FULL_SPEED = 0.9  # of the speed before
VERDICT = Verdict(answerable=True, answer="yes", confidence=1.0, facts=[], queries=[])


class Hours:
    """Time that goes on when everybody waits for it: a minute is simulated in milliseconds, and always the same way."""

    def __init__(self) -> None:
        self.now = 0.0
        self._sleepers: list[tuple[float, int, asyncio.Event]] = []
        self._order = itertools.count()

    def __call__(self) -> float:
        return self.now

    async def sleep(self, seconds: float) -> None:
        event = asyncio.Event()
        heapq.heappush(self._sleepers, (self.now + seconds, next(self._order), event))
        await event.wait()

    async def pass_until(self, end: float) -> None:
        await _turns()
        while self._sleepers and self._sleepers[0][0] <= end:
            self.now = max(self.now, self._sleepers[0][0])
            while self._sleepers and self._sleepers[0][0] <= self.now:
                heapq.heappop(self._sleepers)[2].set()
            await _turns()
        self.now = end


async def _turns() -> None:
    for _ in range(30):  # a call takes fewer turns of the loop from one wait to the next
        await asyncio.sleep(0)


class Stormy:
    """A model that answers after `seconds`, but fails everything while the storm lasts. `answered` holds when."""

    name, local = "stormy", False

    def __init__(self, hours: Hours, trouble: Callable[[], CallError], *, seconds: float, storm: tuple[float, float]) -> None:
        self._hours, self._trouble, self._seconds, self._storm = hours, trouble, seconds, storm
        self.answered: list[float] = []
        self.refused = 0

    async def complete(self, prompt: Prompt[Any], *, timeout: float | None = None, on_delta: Any = None) -> Completion[Any]:
        await self._hours.sleep(0.02)
        if self._storm[0] <= self._hours.now < self._storm[1]:
            self.refused += 1
            raise self._trouble()
        await self._hours.sleep(self._seconds)
        self.answered.append(self._hours.now)
        return Completion(text="", usage=Usage(calls=1, input_tokens=10, output_tokens=1), output=VERDICT)

    async def describe(self) -> ModelInfo:
        return ModelInfo(name=self.name, window=8_000)

    async def aclose(self) -> None:
        """Nothing is held open."""


def speed(answered: list[float], start: float, end: float, *, seconds: float) -> float:
    """Calls a second in a window, from when they were answered; those that lie across its ends count by the part within."""
    within = (min(end, moment) - max(start, moment - seconds) for moment in answered)
    return sum(part for part in within if part > 0) / seconds / (end - start)


TROUBLES: dict[str, Callable[[], CallError]] = {
    "429": lambda: CallError("rate_limit", "slow down (HTTP 429)", status=429),
    "429 with Retry-After": lambda: CallError("rate_limit", "slow down (HTTP 429)", status=429, retry_after=1.0),
    "503": lambda: CallError("rate_limit", "overloaded (HTTP 503)", status=503),
    "connections closed": lambda: CallError("connection", "The connection broke."),
    "nobody listens": lambda: CallError("connection", "No connection.", usage=Usage(calls=1)),
}


@pytest.mark.parametrize("seconds", [2.0, 0.5] if FULL else [2.0])
@pytest.mark.parametrize("kind", TROUBLES)
async def test_a_minute_of_trouble_costs_no_call_and_full_speed_is_back_in_ten_seconds(kind: str, seconds: float) -> None:
    random.seed(1)  # of the back-off
    began, ended = 20.0, 80.0
    hours = Hours()
    model = Stormy(hours, TROUBLES[kind], seconds=seconds, storm=(began, ended))
    gate = Gate(
        {"default": model},
        limiter=Limiter(LANES, clock=hours, sleep=hours.sleep),
        clock=hours,
        sleep=hours.sleep,
    )
    numbers = itertools.count()

    async def lane() -> None:
        while True:
            text = f"question {next(numbers)}"
            asked = Prompt("reader", PlannerInput(question=text), Verdict, (Message("user", text),), 10, "v1")
            await gate.call(asked, Account("run"))

    lanes = [asyncio.create_task(lane()) for _ in range(LANES)]
    await hours.pass_until(ended + 30.0)
    failed = [lane.exception() for lane in lanes if lane.done()]
    for task in lanes:
        task.cancel()
    await asyncio.gather(*lanes, return_exceptions=True)
    await gate.limiter.aclose()

    assert failed == []

    before = speed(model.answered, 8.0, 18.0, seconds=seconds)
    after = speed(model.answered, ended + BACK_WITHIN, ended + 2 * BACK_WITHIN, seconds=seconds)
    per_second = [speed(model.answered, ended + at, ended + at + 1.0, seconds=seconds) for at in range(25)]
    back = next(at for at, reached in enumerate(per_second) if reached >= FULL_SPEED * before)
    figures = {"refused": model.refused, "back_after": back, "speed": round(after / before, 3)}
    record("60 s of trouble, simulated", kind=kind, call_seconds=seconds, **figures)
    assert before == pytest.approx(LANES / (seconds + 0.02), rel=0.2)
    assert after >= FULL_SPEED * before
    assert back <= BACK_WITHIN
    assert model.refused < 5 * LANES  # a storm is waited for, not fought


@pytest.mark.parametrize("kind", ["429", "connections closed", *(["429 with Retry-After", "503"] if FULL else [])])
async def test_a_storm_over_http_costs_no_shard(kind: str) -> None:
    calls_before, storm, call_seconds = sized(40, 640), sized(2.0, 60.0), sized(0.1, 1.0)
    faults = {
        "429": refusal(429, "Rate limit reached"),
        "429 with Retry-After": refusal(429, "Rate limit reached", retry_after="1"),
        "503": refusal(503, "Overloaded"),
        "connections closed": Fault(reset=True),
    }
    answered: list[float] = []
    ends = 0.0
    refused = 0

    async def answer(body: dict[str, Any]) -> Any:
        nonlocal ends, refused
        if role_of(body) == "reader":
            if not ends and len(answered) >= calls_before:
                ends = time.monotonic() + storm
            if time.monotonic() < ends:
                refused += 1
                return faults[kind]
            await asyncio.sleep(call_seconds)
            answered.append(time.monotonic())
        return faulty_runs.answer(body)

    async with FakeEndpoint(answer) as endpoint, faulty_runs.team(endpoint, concurrency=LANES) as team:
        given = await team.aask(world.QUESTION, world.corpus(sized(120, 2_400), length=20))
    assert given.answer == world.ANSWER
    assert given.coverage.failed == 0
    assert given.coverage.shards_read == given.coverage.shards
    assert not given.notices
    assert refused >= 2
    began = ends - storm
    before = speed(answered, began - 5.0, began, seconds=call_seconds)
    after = speed(answered, ends + BACK_WITHIN, ends + 2 * BACK_WITHIN, seconds=call_seconds)
    if FULL:
        figures = {"shards": given.coverage.shards, "refused": refused, "before": round(before, 1), "after": round(after, 1)}
        record("a storm of 60 s over HTTP", kind=kind, **figures)
        assert after >= FULL_SPEED * before
