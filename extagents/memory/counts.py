"""What is spent, in whole numbers: tokens, calls and nano-USD, so that sums are exact whatever their order."""

from __future__ import annotations

from dataclasses import dataclass

from extagents.budget import Amount, Budget
from extagents.types import Usage

NANO = 1_000_000_000
# Lua counts in doubles, which hold whole numbers up to here exactly: nine million USD, 9e15 tokens.
LARGEST = 2**53 - 1


def nano(usd: float) -> int:
    """USD as nano-USD, bounded to what every backend counts exactly."""
    return bounded(round(min(usd, LARGEST / NANO) * NANO))


def bounded(number: int) -> int:
    """The number, cut to what every backend counts exactly."""
    return max(0, min(number, LARGEST))


@dataclass(frozen=True, slots=True)
class Counts:
    """Calls, tokens and nano-USD."""

    calls: int
    tokens: int
    cost: int

    @classmethod
    def of(cls, amount: Amount) -> Counts:
        return cls(bounded(amount.calls), bounded(amount.tokens), nano(amount.cost))

    def __add__(self, other: Counts) -> Counts:
        return Counts(self.calls + other.calls, self.tokens + other.tokens, self.cost + other.cost)


@dataclass(frozen=True, slots=True)
class Limits:
    """A budget's ceilings in the same units; None is no ceiling."""

    calls: int | None
    tokens: int | None
    cost: int | None

    @classmethod
    def of(cls, budget: Budget) -> Limits:
        return cls(
            None if budget.calls is None else bounded(budget.calls),
            None if budget.tokens is None else bounded(budget.tokens),
            None if budget.cost is None else nano(budget.cost),
        )

    def allow(self, total: Counts) -> bool:
        """Whether the total stays within every ceiling."""
        return (
            (self.calls is None or total.calls <= self.calls)
            and (self.tokens is None or total.tokens <= self.tokens)
            and (self.cost is None or total.cost <= self.cost)
        )


def usage_counts(usage: Usage) -> tuple[int, int, int, int, int, int, int]:
    """calls, input, output, cached, retries, cost in nano-USD, and 1 where a price was known."""
    return (
        bounded(usage.calls),
        bounded(usage.input_tokens),
        bounded(usage.output_tokens),
        bounded(usage.cached_tokens),
        bounded(usage.retries),
        nano(usage.cost or 0.0),
        0 if usage.cost is None else 1,
    )


def usage_of(counts: tuple[int, int, int, int, int, int, int]) -> Usage:
    """The other way round; `cost` is None where no price was ever known."""
    calls, input_tokens, output_tokens, cached, retries, cost, priced = counts
    return Usage(
        calls=calls,
        input_tokens=input_tokens,
        output_tokens=output_tokens,
        cached_tokens=cached,
        retries=retries,
        cost=cost / NANO if priced else None,
    )
