"""Endpoints that hang: the deadline holds, and what had been read before gives the answer."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import world
from reliability import faulty_runs
from reliability.faulty_runs import role_of
from reliability.size import record, sized

from extagents import Budget
from extagents.testing import FakeEndpoint
from extagents.testing.endpoint import Fault, Script, refusal
from extagents.types import Answer

SECONDS = sized(3.0, 8.0)
LATE = 1.05 * SECONDS + sized(1.5, 0.0)  # in `make test` on a busy machine the processor may be elsewhere for a while
PLAIN = "In which town was Mirelle Tanager born?"
HANG = Fault(hang=True)
DRIP = Fault(drip=0.05)


@dataclass(frozen=True)
class Case:
    """When and how an endpoint hangs, and whether there is an answer all the same."""

    name: str
    script: Callable[[], Script]
    answered: bool
    listing: Fault | None = None
    window: int | None = 8_000
    instructions: str = ""
    question: str = world.QUESTION
    notice: str = ""


def from_the_first_call() -> Script:
    return lambda _: HANG


def dripping() -> Script:
    return lambda _: DRIP


def never() -> Script:
    return faulty_runs.answer


def while_reading() -> Script:
    """What matters is read; then everything hangs but the judging of it."""
    return _after(lambda body: role_of(body) == "reader" and world.STEPS[0] not in body["messages"][1]["content"])


def unplanned() -> Script:
    """The question itself is the plan, and nobody judges what is found."""
    faults = {"planner": refusal(400, "no plans today"), "reasoner": HANG}
    return lambda body: faults.get(role_of(body)) or faulty_runs.answer(body)


def _after(which: Callable[[dict[str, Any]], bool]) -> Script:
    return lambda body: HANG if which(body) else faulty_runs.answer(body)


def at(*roles: str) -> Callable[[], Script]:
    return lambda: _after(lambda body: role_of(body) in roles)


CASES = (
    Case("the list of models", never, answered=False, listing=HANG, window=None),
    Case("the first call", from_the_first_call, answered=False),
    Case("every reply drips", dripping, answered=False),
    Case("reading, after what matters", while_reading, answered=True),
    Case("judging", at("reasoner"), answered=False, notice=f'judged what was found. Most relevant seemed: "{world.STEPS[0]}"'),
    Case("judging, where words will do", unplanned, answered=True, question=PLAIN, notice="by words alone"),
    Case("the answer's form", at("fusion"), answered=True, instructions="Answer in a sentence."),
)


async def _ask(case: Case) -> tuple[Case, Answer, float]:
    corpus = world.corpus(16, length=20, steps=(" ".join(world.STEPS),))
    async with (
        FakeEndpoint(case.script(), listing=case.listing) as endpoint,
        faulty_runs.team(endpoint, budget=Budget(seconds=SECONDS), window=case.window, timeout=60.0) as team,
    ):
        await team.aestimate(world.QUESTION, corpus) if case.window else None  # whatever is loaded when first used
        started = time.monotonic()
        answer = await team.aask(case.question, corpus, instructions=case.instructions)
        return case, answer, time.monotonic() - started


async def test_the_deadline_holds_whenever_the_endpoint_hangs_and_what_was_read_gives_the_answer() -> None:
    for case, answer, seconds in await asyncio.gather(*map(_ask, CASES)):
        record("a hung endpoint", case=case.name, deadline=SECONDS, seconds=round(seconds, 3), answer=answer.answer)
        assert seconds <= LATE, case.name
        assert (answer.partial, answer.stopped_by) == (True, "deadline"), case.name
        assert answer.answered == case.answered, (case.name, answer)
        assert world.ANSWER in answer.answer if case.answered else answer.answer == "", case.name
        assert case.notice in " ".join(answer.notices), case.name
        assert all("\n" not in notice for notice in answer.notices)
