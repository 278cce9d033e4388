"""No memory blocks the event loop."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from blockbuster import blockbuster_ctx

from extagents.budget import Amount, Budget
from extagents.memory.base import Memory
from extagents.memory.open import open_memory
from extagents.testing.memory_conformance import a_fact, a_manifest, a_report
from extagents.types import Usage


@pytest.fixture
def blocking_fails() -> Iterator[None]:
    with blockbuster_ctx():
        yield


async def use(memory: Memory) -> None:
    """Every method once, the slow ones with much to do."""
    await memory.create_run(a_manifest())
    for i in range(80):
        await memory.post(a_report("run", f"s{i}", a_fact(i)), cache_key=f"k{i}")
    await memory.update_run("run", status="done", state={}, answer={})
    assert len(await memory.reports("run")) == 80
    assert await memory.knowledge("run", 1_000)
    await memory.cached(["k1", "k2"])
    await memory.write_note("run", "n", {})
    await memory.read_note("run", "n")
    await memory.reserve("run", "c", Amount(tokens=1), Budget(tokens=5))
    await memory.settle("run", "c", Usage())
    await memory.spent("run")
    await memory.append_event("run", {})
    await memory.events("run")
    await memory.secret()
    await memory.check()
    await memory.load_run("run")
    await memory.list_runs()
    await memory.forget_run("run")
    await memory.aclose()


@pytest.mark.usefixtures("blocking_fails")
async def test_sqlite_never_blocks_the_loop(tmp_path: Path) -> None:
    await use(open_memory(tmp_path / "folder" / "memory.sqlite"))


@pytest.mark.usefixtures("blocking_fails")
async def test_redis_never_blocks_the_loop(redis_url: str) -> None:
    await use(open_memory(redis_url, tenant="test of the loop"))
