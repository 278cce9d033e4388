"""Compressed context in a run: one pass over it where the ladder is unsure, or the context itself as the result."""

from __future__ import annotations

from extagents.types import Compressed
from extagents.workspace import Workspace


async def condense(workspace: Workspace) -> None:
    """Reads the compressed context in one pass and offers the answer as a candidate (path `single`)."""


async def compressed(workspace: Workspace) -> Compressed:
    """The compressed context that `compress` returns."""
    raise NotImplementedError
