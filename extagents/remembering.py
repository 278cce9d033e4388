"""The memory agent at work in a run: over the facts of a question that the ladder is unsure of, or over the raw text alone."""

from __future__ import annotations

from extagents.workspace import Workspace


async def remember(workspace: Workspace) -> None:
    """Folds the ledger into notes and offers the answer drawn from them as a candidate (path `memory`)."""


async def iterate(workspace: Workspace) -> None:
    """Strategy `iterative`: the memory agent over the raw shards, in lanes and heads, and the answer from its notes."""
