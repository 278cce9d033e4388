"""A handbook of two pages, teams in memory, and an endpoint whose readers wait until a test lets them answer."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest
import world
from integrations.waiting import Waiting

from extagents import Coordinator

LEAVE = """# Leave

New employees have 25 days of leave in their first year. From the second year on, it is 28 days.

Requests for leave go to the team lead, at least two weeks before.
"""
TRAVEL = """# Travel

Trains are booked in second class. For trips longer than four hours, first class may be booked.

Receipts are handed in within 30 days at the finance office in Oskerby.
"""


def pytest_configure(config: pytest.Config) -> None:
    """LangChain's standard tests of other components have marks of plugins that are switched off here."""
    for mark in ("benchmark", "vcr"):
        config.addinivalue_line("markers", f"{mark}: of LangChain's standard tests")


@pytest.fixture
def handbook(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder of two pages, in the current folder."""
    folder = tmp_path / "handbook"
    folder.mkdir()
    (folder / "leave.md").write_text(LEAVE, encoding="utf-8")
    (folder / "travel.md").write_text(TRAVEL, encoding="utf-8")
    monkeypatch.chdir(tmp_path)
    return folder


@pytest.fixture
def team() -> Iterator[Coordinator]:
    """A team with the made-up world's model."""
    with Coordinator(world.model(), memory="memory://", window=8_000, shard_tokens=450) as made:
        yield made


@pytest.fixture
async def waiting() -> AsyncIterator[Waiting]:
    """An endpoint whose readers wait, and a team on it."""
    async with Waiting() as made:
        yield made
        await asyncio.to_thread(made.team.close)
