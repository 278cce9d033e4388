"""Intervals and differences for shares and means. Nothing here is drawn anew at every call: bootstraps are seeded."""

from __future__ import annotations

import math
import random
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

RESAMPLES = 2_000


@dataclass(frozen=True, slots=True)
class Interval:
    """A mean and its 95% interval."""

    mean: float
    low: float
    high: float

    def __str__(self) -> str:
        return f"{self.mean:+.3f} [{self.low:+.3f}, {self.high:+.3f}]"


def wilson(share: float, n: int, *, z: float = 1.96) -> Interval:
    """Wilson's interval of a share among `n` trials."""
    if not n:
        return Interval(share, 0.0, 1.0)
    middle = (share + z * z / (2 * n)) / (1 + z * z / n)
    half = z * math.sqrt(share * (1 - share) / n + z * z / (4 * n * n)) / (1 + z * z / n)
    return Interval(share, max(0.0, middle - half), min(1.0, middle + half))


def bootstrap(values: Sequence[float], *, resamples: int = RESAMPLES, seed: int = 1) -> Interval:
    """The mean and its percentile interval over resamples of the values."""
    if not values:
        return Interval(0.0, 0.0, 0.0)
    rng = random.Random(seed)
    means = sorted(sum(rng.choices(values, k=len(values))) / len(values) for _ in range(resamples))
    return Interval(sum(values) / len(values), means[int(0.025 * resamples)], means[int(0.975 * resamples) - 1])


def bootstrap_of(
    values: Sequence[Any], measure: Callable[[Sequence[Any]], float], *, resamples: int = 500
) -> tuple[float, float]:
    """The 95% percentile interval of any measure of the values."""
    rng = random.Random(1)
    found = sorted(measure(rng.choices(values, k=len(values))) for _ in range(resamples))
    return found[int(0.025 * resamples)], found[int(0.975 * resamples) - 1]


def paired(ours: Mapping[Any, float], theirs: Mapping[Any, float], *, cluster: bool = True) -> Interval:
    """The mean difference over the keys that both have, with its interval.

    Keys are tuples that end in the question; with `cluster`, the runs of one question (under other seeds) are drawn together,
    since they are not independent.
    """
    groups: dict[Any, list[float]] = {}
    for key in ours:
        if key in theirs:
            groups.setdefault(key[-1] if cluster and isinstance(key, tuple) else key, []).append(ours[key] - theirs[key])
    if not groups:
        return Interval(0.0, 0.0, 0.0)
    sums = [(sum(values), len(values)) for values in groups.values()]
    rng = random.Random(1)
    means = []
    for _ in range(RESAMPLES):
        drawn = rng.choices(sums, k=len(sums))
        means.append(sum(total for total, _ in drawn) / sum(count for _, count in drawn))
    means.sort()
    mean = sum(total for total, _ in sums) / sum(count for _, count in sums)
    return Interval(mean, means[int(0.025 * RESAMPLES)], means[int(0.975 * RESAMPLES) - 1])


@dataclass(frozen=True, slots=True)
class Bin:
    """Answers of about the same confidence: how many, how sure they were on average, how many were right."""

    count: int
    confidence: float
    accuracy: float


def reliability(confidences: Sequence[float], right: Sequence[bool | float], *, bins: int = 10) -> list[Bin]:
    """Equal-width bins of confidence, empty ones left out (Guo et al. 2017, arXiv 1706.04599)."""
    groups: dict[int, list[tuple[float, float]]] = {}
    for confidence, correct in zip(confidences, right, strict=True):
        groups.setdefault(min(bins - 1, int(confidence * bins)), []).append((confidence, float(correct)))
    return [
        Bin(len(group), sum(c for c, _ in group) / len(group), sum(r for _, r in group) / len(group))
        for _, group in sorted(groups.items())
    ]


def calibration_error(confidences: Sequence[float], right: Sequence[bool | float], *, bins: int = 10) -> float:
    """The expected calibration error: how far confidence and accuracy lie apart, weighted by the bins' sizes."""
    total = len(confidences)
    if not total:
        return 0.0
    return sum(b.count * abs(b.confidence - b.accuracy) for b in reliability(confidences, right, bins=bins)) / total
