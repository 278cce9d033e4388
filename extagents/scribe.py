"""Writing notes to the memory beside the work that they are notes of."""

from __future__ import annotations

import asyncio
import json
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from extagents import events
from extagents.agents.notebook import Notebook, content
from extagents.errors import StoreError
from extagents.types import Report
from extagents.workspace import Workspace


@dataclass(slots=True)
class Scribe:
    """Writes notes to the memory beside the work: versions of one name in order, and reports before the notes on them."""

    workspace: Workspace
    _last: dict[str, asyncio.Task[None]] = field(default_factory=dict)
    _written: Counter[str] = field(default_factory=Counter)

    def write(self, name: str, notebook: Notebook, **more: Any) -> None:
        """Stores a version of the notes and tells that they were rewritten."""
        self._after((name,), self._note(name, notebook, more))

    def keep(self, report: Report, names: Sequence[str], heads: Sequence[Notebook], **more: Any) -> None:
        """Stores a shard's report, then the notes of every head that read it."""

        async def work() -> None:
            await self.workspace.memory.post(report, fence=self.workspace.fence)
            await asyncio.gather(*(self._note(name, head, more) for name, head in zip(names, heads, strict=True)))

        self._after(names, work())

    async def done(self) -> None:
        """Waits for what is being written. A store that fails is fatal to the run: nothing it finds could be kept."""
        tasks, self._last = set(self._last.values()), {}
        for result in await asyncio.gather(*tasks, return_exceptions=True):
            if isinstance(result, StoreError):
                self.workspace.fatal = self.workspace.fatal or result
            elif isinstance(result, BaseException):
                raise result

    def _after(self, names: Sequence[str], work: Any) -> None:
        before = {task for name in names if (task := self._last.get(name)) is not None}

        async def ordered() -> None:
            if before:
                await asyncio.gather(*before)
            await work

        task = asyncio.ensure_future(ordered())
        self._last.update(dict.fromkeys(names, task))

    async def _note(self, name: str, notebook: Notebook, more: dict[str, Any]) -> None:
        workspace = self.workspace
        told = {**content(notebook), **more}
        self._written[name] += 1
        version = self._written[name]
        if not await self._there(name, version, told):
            version = await workspace.memory.write_note(workspace.run_id, name, told, fence=workspace.fence)
        workspace.emit(
            events.NotesRewritten(
                name=name,
                version=version,
                facts=len(notebook.cited),
                tokens=notebook.tokens,
                plan=notebook.plan,
            )
        )

    async def _there(self, name: str, version: int, told: dict[str, Any]) -> bool:
        """Whether an earlier part of the run left this version already: a resumed run takes the same notes from the start."""
        if not self.workspace.resumed:
            return False
        note = await self.workspace.memory.read_note(self.workspace.run_id, name, version)
        return note is not None and note.content == json.loads(json.dumps(told))
