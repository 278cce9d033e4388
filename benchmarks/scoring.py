"""What the single benchmarks share of the evaluation: reading question sets, containment, and half of Wilson's interval."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from extagents.evaluation import datasets, metrics, statistics


def read_jsonl(folder: Path, name: str) -> list[dict[str, Any]]:
    """The rows of `name` or `name.gz` in the folder."""
    return list(datasets.rows(folder, name))


def contained(answer: str, answers: Sequence[str]) -> bool:
    """Whether the answer contains an accepted one, word for word; without accepted answers, whether it says nothing."""
    return bool(metrics.contained(answer, answers))


def wilson(share: float, n: int) -> float:
    """Half the width of Wilson's 95% interval."""
    interval = statistics.wilson(share, n)
    return (interval.high - interval.low) / 2 if n else 0.0
