"""The executor's protocol: who runs a reader. The graph hands it jobs; it returns reports."""

from __future__ import annotations

from typing import Any, Protocol

from extagents.agents.calls import Desk
from extagents.agents.reader import ReadJob, Sources
from extagents.gate import Gate
from extagents.models.base import Prompt
from extagents.types import Report


class Executor(Protocol):
    """Runs one reader job. Raises `gate.Stop` and fatal `gate.CallFailed`; any other failure is in the report."""

    async def start(self, gate: Gate) -> None:
        """Makes ready what reads, before a run spends anything. Raises `SettingsError` for what cannot work."""
        ...

    async def read(self, job: ReadJob, prompt: Prompt[Any], sources: Sources, desk: Desk) -> Report: ...

    async def aclose(self) -> None:
        """Ends what was made ready; nothing is read any more."""
        ...
