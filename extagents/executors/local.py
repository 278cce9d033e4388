"""Readers as coroutines of this process."""

from __future__ import annotations

from typing import Any

from extagents.agents import reader
from extagents.agents.calls import Desk
from extagents.agents.reader import ReadJob, Sources
from extagents.gate import Gate
from extagents.models.base import Prompt
from extagents.types import Report


class LocalExecutor:
    """Reads in the calling task; as many at a time as the graph has lanes."""

    async def start(self, gate: Gate) -> None:
        """Nothing is to be made ready."""

    async def read(self, job: ReadJob, prompt: Prompt[Any], sources: Sources, desk: Desk) -> Report:
        return await reader.read(job, prompt, sources, desk)

    async def aclose(self) -> None:
        """Nothing is held."""
