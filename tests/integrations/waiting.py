"""An endpoint that answers as the made-up world's model does, once it is let: for cancelling what is under way."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from typing import Any, Self

from reliability import faulty_runs

from extagents import Coordinator
from extagents.testing import FakeEndpoint

PATIENCE = 20.0  # seconds until a state that a test waits for counts as never reached


class Waiting:
    """The endpoint, its team, and how many calls have begun. Readers wait until `go` is called; four read at a time."""

    def __init__(self) -> None:
        self._let = asyncio.Event()
        self.endpoint = FakeEndpoint(self._answer)
        self.team: Coordinator

    async def __aenter__(self) -> Self:
        await self.endpoint.__aenter__()
        self.team = faulty_runs.team(self.endpoint, concurrency=4)
        return self

    async def __aexit__(self, *error: object) -> None:
        await self.endpoint.__aexit__(*error)

    async def _answer(self, body: dict[str, Any]) -> str:
        if faulty_runs.role_of(body) == "reader":
            await self._let.wait()
        return faulty_runs.answer(body)

    @property
    def begun(self) -> int:
        """How many calls the endpoint was asked for."""
        return len(self.endpoint.requests)

    async def reading(self) -> None:
        """Returns when as many readers wait as may read at a time."""
        await until(lambda: self.endpoint.in_flight == 4)

    async def nothing_more(self, begun: int) -> None:
        """No call began after those, though all that waited could have gone on: what ran has come to its end."""
        await until(lambda: self.endpoint.in_flight == 0)
        self._let.set()
        await until(lambda: not self.team._running and not self.team._workspaces)
        assert self.begun == begun


async def until(state: Callable[[], bool]) -> None:
    """Returns when the state is reached; it has a deadline, not a duration."""
    ends = time.monotonic() + PATIENCE
    while not state():
        assert time.monotonic() < ends, "the state was never reached"
        await asyncio.sleep(0.005)
