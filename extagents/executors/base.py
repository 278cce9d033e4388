"""The executor's protocol: who runs a reader. The graph hands it jobs; it returns reports."""

from __future__ import annotations

from typing import Protocol

from extagents.agents.calls import Desk
from extagents.agents.reader import ReadJob, Sources
from extagents.models.base import Prompt
from extagents.types import Reading, Report


class Executor(Protocol):
    """Runs one reader job. Raises `gate.Stop` and fatal `gate.CallFailed`; any other failure is in the report."""

    async def read(self, job: ReadJob, prompt: Prompt[Reading], sources: Sources, desk: Desk) -> Report: ...
