"""One call for several runs: what it costs is shared between their accounts, and none of them may overspend."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import accumulate, pairwise

from extagents.account import Account, BudgetEnded
from extagents.budget import Amount
from extagents.types import Usage

ROUNDING = 2  # tokens by which a share of input and output together may be rounded up


class SharedAccount(Account):
    """The account of one call that is made for several runs of a batch.

    `members` are their accounts, `weights` what each would cost at most by itself. Everybody's own ceilings hold: if one of
    them cannot bear its share at once, nobody pays and `BudgetEnded` is raised, so that each can be asked alone. The whole
    is reserved, settled and kept in the journal of the `batch`; a call is counted for the first member.
    """

    def __init__(self, batch: Account, members: Sequence[Account], weights: Sequence[int]) -> None:
        super().__init__(
            batch.run_id,
            batch.budget,
            memory=batch.memory,
            deadline=batch.deadline,
            answered=batch.answered,
            fence=batch.fence,
        )
        self.closed, self.ended, self.scopes = batch.closed, batch.ended, batch.scopes
        self.trace = members[0].trace  # a call is shown once, in the run that it is counted for
        self.shares: list[Usage] = [Usage() for _ in members]
        self._batch = batch
        self._members = tuple(members)
        self._ends = [0, *accumulate(weights)]

    def covers(self, amount: Amount, *, keep: Amount) -> bool:
        """Whether the batch and all members have room for their shares."""
        parts = self._reservations(amount)
        members = zip(self._members, parts, strict=True)
        return self._batch.covers(amount, keep=self._batch.keep) and all(
            member.covers(part, keep=member.keep) for member, part in members
        )

    async def reserve(self, name: str, amount: Amount, *, keep: Amount, final: bool = False) -> None:
        """Reserves everybody's share, or nothing. Raises `BudgetEnded`; it waits for the batch alone, never for a member."""
        granted: list[Account] = []
        try:
            for member, part in zip(self._members, self._reservations(amount), strict=True):
                if not member.budget.limited:
                    continue
                if not await member.grant(name, part, keep=member.keep):
                    raise BudgetEnded("a question's budget does not cover its share of a call")
                granted.append(member)
            await self._batch.reserve(name, amount, keep=self._batch.keep)
        except BaseException:
            for member in granted:
                await member.withdraw(name)
            raise

    async def settle(self, name: str, usage: Usage, *, answered: tuple[str, str] | None = None) -> None:
        """Ends the reservations. What the call brought is kept first: a run that is resumed is told it for nothing."""
        parts = self._split(usage)
        self.shares = [sofar + part for sofar, part in zip(self.shares, parts, strict=True)]
        try:
            await self._batch.settle(name, usage, answered=answered)
        finally:
            for member, part in zip(self._members, parts, strict=True):
                await member.settle_alone(name, part)

    def _reservations(self, amount: Amount) -> list[Amount]:
        """Everybody's share, rounded up."""
        total = self._ends[-1]
        return [
            Amount(
                calls=amount.calls,
                tokens=-(-amount.tokens * (end - start) // total) + ROUNDING,
                cost=amount.cost * (end - start) / total,
            )
            for start, end in pairwise(self._ends)
        ]

    def _split(self, usage: Usage) -> list[Usage]:
        """The usage in shares that add up to it."""

        def parts(count: int) -> list[int]:
            marks = [count * end // self._ends[-1] for end in self._ends]
            return [end - start for start, end in pairwise(marks)]

        shares = [end - start for start, end in pairwise(self._ends)]
        told = zip(parts(usage.input_tokens), parts(usage.output_tokens), parts(usage.cached_tokens), shares, strict=True)
        return [
            Usage(
                calls=0 if number else usage.calls,
                input_tokens=input_tokens,
                output_tokens=output_tokens,
                cached_tokens=cached_tokens,
                retries=0 if number else usage.retries,
                cost=None if usage.cost is None else usage.cost * share / self._ends[-1],
            )
            for number, (input_tokens, output_tokens, cached_tokens, share) in enumerate(told)
        ]
