"""Budgets: hard ceilings on what a run may spend."""

from __future__ import annotations

from pydantic import Field

from extagents.types import Frozen, Usage


class Budget(Frozen):
    """Ceilings of one run; None is no ceiling. What a call may cost at most is reserved before it starts."""

    tokens: int | None = Field(default=None, ge=1, description="input and output tokens of all calls together")
    cost: float | None = Field(default=None, gt=0, description="USD")
    calls: int | None = Field(default=None, ge=1, description="model calls, retries included")
    seconds: float | None = Field(default=None, gt=0, description="wall-clock seconds of the run")

    @property
    def limited(self) -> bool:
        """Whether anything is bounded that the memory has to count."""
        return self.tokens is not None or self.cost is not None or self.calls is not None


class Amount(Frozen):
    """Tokens, calls and USD, reserved or spent."""

    calls: int = 0
    tokens: int = 0
    cost: float = 0.0

    @classmethod
    def of(cls, usage: Usage) -> Amount:
        """What a finished call has spent."""
        return cls(calls=usage.calls, tokens=usage.input_tokens + usage.output_tokens, cost=usage.cost or 0.0)

    def __add__(self, other: Amount) -> Amount:
        return Amount(calls=self.calls + other.calls, tokens=self.tokens + other.tokens, cost=self.cost + other.cost)

    def less(self, other: Amount) -> Amount:
        """What is left without `other`; nothing is below zero."""
        return Amount(
            calls=max(0, self.calls - other.calls),
            tokens=max(0, self.tokens - other.tokens),
            cost=max(0.0, self.cost - other.cost),
        )
