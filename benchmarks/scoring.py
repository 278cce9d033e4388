"""What the benchmarks share: reading question sets, normalised containment, and Wilson's interval."""

from __future__ import annotations

import gzip
import json
import math
import string
from pathlib import Path
from typing import Any


def read_jsonl(folder: Path, name: str) -> list[dict[str, Any]]:
    """The rows of `name` or `name.gz` in the folder."""
    path = folder / name
    if path.exists():
        text = path.read_text(encoding="utf-8")
    else:
        text = gzip.decompress((folder / f"{name}.gz").read_bytes()).decode("utf-8")
    return [json.loads(row) for row in text.split("\n") if row.strip()]


def normalise(text: str) -> str:
    """Lower case, without punctuation and articles."""
    text = "".join(" " if char in string.punctuation else char for char in text.lower())
    return " ".join(word for word in text.split() if word not in ("a", "an", "the"))


def contained(answer: str, answers: list[str]) -> bool:
    """Whether the answer contains an accepted one, word for word; without accepted answers, whether it says nothing."""
    given = normalise(answer)
    if not answers:
        return not given
    return any(f" {wanted} " in f" {given} " for wanted in map(normalise, answers) if wanted)


def wilson(share: float, n: int, z: float = 1.96) -> float:
    """Half the width of Wilson's 95% interval."""
    return z * math.sqrt(share * (1 - share) / n + z * z / 4 / n / n) / (1 + z * z / n) if n else 0.0
