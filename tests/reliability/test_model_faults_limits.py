"""One limiter for all questions of a process: over coordinators, threads and runs, an endpoint gets what it can bear."""

from __future__ import annotations

import asyncio
import statistics
import time
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import world
from reliability import faulty_runs
from reliability.faulty_runs import role_of
from reliability.size import FULL, record, sized

from extagents.testing import FakeEndpoint
from extagents.testing.endpoint import refusal
from extagents.types import Answer

TEAMS = 4
BEARS = 8  # calls in flight, above which the endpoint refuses


async def _asked_in_threads(endpoint: FakeEndpoint, documents: int, **options: Any) -> list[Answer]:
    """The answers of as many coordinators, each in a thread of its own."""

    def ask(number: int) -> Answer:
        with faulty_runs.team(endpoint, **options) as team:
            return team.ask(world.QUESTION, world.corpus(documents, length=20))

    with ThreadPoolExecutor(TEAMS) as threads:
        loop = asyncio.get_running_loop()
        return list(await asyncio.gather(*(loop.run_in_executor(threads, ask, number) for number in range(TEAMS))))


async def test_all_questions_of_a_process_together_settle_near_what_the_endpoint_bears() -> None:
    seen: list[int] = []

    async def answer(body: dict[str, Any]) -> Any:
        seen.append(endpoint.in_flight)
        if seen[-1] > BEARS:
            return refusal(429, "Too many requests")
        await asyncio.sleep(0.05)
        return faulty_runs.answer(body)

    async with FakeEndpoint(answer) as endpoint:
        answers = await _asked_in_threads(endpoint, sized(60, 400), concurrency=64)
    settled = seen[len(seen) // 3 : -len(seen) // 10]
    refusals = sum(in_flight > BEARS for in_flight in settled) / len(settled)
    figures = {
        "bears": BEARS,
        "teams": TEAMS,
        "in_flight": statistics.median(settled),
        "most": max(settled),
        "refused": round(refusals, 3),
    }
    record("one limiter over concurrent questions", calls=len(seen), **figures)
    assert [answer.answer for answer in answers] == [world.ANSWER] * TEAMS
    assert all(answer.coverage.failed == 0 and not answer.notices for answer in answers)
    assert BEARS / 2 <= statistics.median(settled) <= 1.5 * BEARS
    assert max(settled) <= 4 * BEARS  # of the 256 that the lanes would like
    if FULL:  # a machine that does other things makes waves of its own; tests/gate/test_limiter.py holds the share by the clock
        assert refusals <= 0.25


async def test_a_wish_to_be_left_alone_told_to_one_question_holds_the_others_back() -> None:
    lanes, wished = 8, 2.0
    gathered = asyncio.Event()
    held: list[dict[str, Any]] = []
    told: list[float] = []

    async def answer(body: dict[str, Any]) -> Any:
        if role_of(body) != "reader" or told:
            return faulty_runs.answer(body)
        held.append(body)
        if not gathered.is_set() and len(held) == lanes:
            gathered.set()  # all places are taken: nobody else can be on the way
            told.append(time.monotonic())
            return refusal(429, "Leave me alone", retry_after=str(int(wished)))
        await gathered.wait()
        await asyncio.sleep(0.5)  # the refusal comes first
        return faulty_runs.answer(body)

    async with FakeEndpoint(answer) as endpoint:
        answers = await _asked_in_threads(endpoint, 20, concurrency=lanes)
    later = [moment for moment in endpoint.times if moment > told[0]]
    record("Retry-After for all questions", wished=wished, next_call_after=round(min(later) - told[0], 3))
    assert [answer.answer for answer in answers] == [world.ANSWER] * TEAMS
    assert endpoint.most_in_flight == lanes
    assert min(later) - told[0] >= wished
