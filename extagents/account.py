"""What a run may spend, has spent, and holds for calls under way; and the two ways in which that ends a run."""

from __future__ import annotations

import asyncio
import uuid
from collections.abc import Mapping
from dataclasses import dataclass

from extagents.budget import Amount, Budget
from extagents.memory.base import Memory
from extagents.observing import Trace
from extagents.types import StoppedBy, Usage


class Stop(Exception):
    """Nothing more may be started in this run."""

    stopped_by: StoppedBy = "cancelled"


class BudgetEnded(Stop):
    """What the call may cost at most is no longer covered."""

    stopped_by: StoppedBy = "budget"


class Closed(Stop):
    """The run was told to end: what is under way is waited for, nothing more is begun."""


class DeadlineEnded(Stop):
    """The run's time is up. A call that was under way is settled at its upper bound."""

    stopped_by: StoppedBy = "deadline"


@dataclass
class _Sum:
    """A running total: summing what hundreds of calls hold anew at every call would cost more than the call."""

    calls: int = 0
    tokens: int = 0
    cost: float = 0.0

    @classmethod
    def of(cls, amount: Amount) -> _Sum:
        return cls(amount.calls, amount.tokens, amount.cost)

    def add(self, amount: Amount, *, sign: int = 1) -> None:
        self.calls += sign * amount.calls
        self.tokens += sign * amount.tokens
        self.cost += sign * amount.cost


class Account:
    """One run's spending: its ceilings, when it must end, and what it has used so far (`usage`, in this process).

    `deadline` is a `time.monotonic()` value in seconds. `keep` is withheld from every call that is not final. `spent` is
    what the run had used before (a resumed one), and `answered` what its calls brought: the memory's journal. `fence` is the
    token of the lease under which the run is worked on. The memory, where there is one, counts for all processes of the run.

    `parent` is the account of the batch that the run belongs to: every call is reserved and settled there, too, and `share` of
    what the parent keeps is this run's.
    """

    def __init__(
        self,
        run_id: str,
        budget: Budget | None = None,
        *,
        memory: Memory | None = None,
        deadline: float | None = None,
        keep: Amount | None = None,
        spent: Usage | None = None,
        answered: Mapping[str, str] | None = None,
        fence: int | None = None,
        parent: Account | None = None,
        share: Amount | None = None,
    ) -> None:
        self.run_id = run_id
        self.budget = budget or Budget()
        self.memory = memory
        self.deadline = deadline
        self.keep = keep or Amount()
        self.usage = spent or Usage()
        self.roles: dict[str, Usage] = {}  # what each role has used, in this process
        self.answered = answered or {}
        self.fence = fence
        self.parent = parent
        self.share = share or Amount()
        self.closed = False
        self.ended = False
        self.exhausted = False  # whether a call was refused
        self.scopes: set[asyncio.Timeout] = set()  # of the calls under way: each ends at the deadline
        self._used = _Sum.of(Amount.of(self.usage))
        self._open = _Sum()
        self._reserved: dict[str, Amount] = {}
        self._waiting: list[asyncio.Future[None]] = []
        self._prefix = uuid.uuid4().hex[:8]
        self._calls = 0
        self.trace: Trace | None = None  # who watches the calls
        self.trouble = ""  # what the last call that failed said, until one succeeds

    @property
    def reserved(self) -> Amount:
        """What calls under way may still cost."""
        return Amount(calls=self._open.calls, tokens=self._open.tokens, cost=max(0.0, self._open.cost))

    def name(self, call_id: str, role: str) -> str:
        """A name for a reservation that nothing under way has."""
        if call_id and call_id not in self._reserved:
            return call_id
        self._calls += 1
        return f"{call_id or role}:{self._prefix}:{self._calls}"

    async def reserve(self, name: str, amount: Amount, *, keep: Amount, final: bool = False) -> None:
        """Reserves, waiting for calls under way to be settled where they hold what is missing. Raises `BudgetEnded`.

        A `final` call may use this run's share of what the parent keeps.
        """
        while self.budget.limited and not await self.grant(name, amount, keep=keep):
            if not self._reserved:
                self.exhausted = True
                raise BudgetEnded(f"the budget does not cover another call of up to {amount.tokens} tokens")
            future: asyncio.Future[None] = asyncio.get_running_loop().create_future()
            self._waiting.append(future)
            await future
        if self.parent is not None:
            kept = self.parent.keep.less(self.share) if final else self.parent.keep
            try:
                await self.parent.reserve(self._above(name), amount, keep=kept)
            except BaseException:
                await self.withdraw(name)
                raise

    async def grant(self, name: str, amount: Amount, *, keep: Amount) -> bool:
        """Reserves here, not with the parent, if that can be done at once."""
        if not self._room(amount, keep=keep):
            return False
        self._reserved[name] = amount
        self._open.add(amount)
        granted = False
        try:
            granted = self.memory is None or await self.memory.reserve(
                self.run_id, name, amount, self.budget, keep=keep, fence=self.fence
            )
        finally:
            if not granted:
                self._release(name)
                if not self._reserved:
                    self._wake()  # others wait for what this one held while it was asking
        return granted

    async def withdraw(self, name: str) -> None:
        """Gives a reservation back for which no call was made."""
        if name in self._reserved:
            await self.settle_alone(name, Usage())

    async def changed(self) -> bool:
        """Waits until a call under way, here or in the parent, is settled; False at once where there is none."""
        if not self._reserved:
            return self.parent is not None and await self.parent.changed()
        future: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._waiting.append(future)
        await future
        return True

    async def lend(self, name: str, amount: Amount, *, keep: Amount) -> None:
        """Holds the amount here, and with the parent, for a call that another process makes and reserves in the memory itself.

        Waits as `reserve` does, and ends with `take_back`. Raises `BudgetEnded`.
        """
        while self.budget.limited and not self._room(amount, keep=keep):
            if not self._reserved:
                self.exhausted = True
                raise BudgetEnded(f"the budget does not cover another call of up to {amount.tokens} tokens")
            await self.changed()
        if self.budget.limited:
            self._reserved[name] = amount
            self._open.add(amount)
        if self.parent is not None:
            try:
                await self.parent.lend(self._above(name), amount, keep=self.parent.keep)
            except BaseException:
                self._release(name)
                self._wake()
                raise

    def take_back(self, name: str, usage: Usage) -> None:
        """Ends what was lent. `usage` is what that process has settled in the memory: here it is only counted."""
        self.usage = self.usage + usage
        self._used.add(Amount.of(usage))
        self._release(name)
        self._wake()
        if self.parent is not None:
            self.parent.take_back(self._above(name), usage)

    def end_by(self, moment: float) -> None:
        """Brings the deadline forward to a `time.monotonic()` value, for the calls under way, too. It is never put off."""
        self.deadline = moment if self.deadline is None else min(self.deadline, moment)
        for scope in self.scopes:
            if (ends := scope.when()) is None or ends > moment:
                scope.reschedule(moment)

    def close(self) -> None:
        """From now on no call but a final one is begun."""
        self.closed = True

    def end(self) -> None:
        """From now on no call at all is begun."""
        self.closed = self.ended = True

    async def settle(self, name: str, usage: Usage, *, answered: tuple[str, str] | None = None) -> None:
        """Ends a reservation; afterwards `usage`, here and in the memory, holds what the call cost.

        `answered` is what it brought, for the run's journal: key and body.
        """
        try:
            await self.settle_alone(name, usage, answered=answered)
        finally:
            if self.parent is not None:
                await self.parent.settle(self._above(name), usage)

    async def settle_alone(self, name: str, usage: Usage, *, answered: tuple[str, str] | None = None) -> None:
        """The same, but not with the parent."""
        self.usage = self.usage + usage
        try:
            if self.memory is not None and (usage.calls or name in self._reserved):
                await self.memory.settle(self.run_id, name, usage, answered=answered)
        finally:
            self._used.add(Amount.of(usage))
            self._release(name)
            self._wake()

    def _above(self, name: str) -> str:
        """What a reservation is called in the parent's account."""
        return f"{self.run_id}:{name}"

    def covers(self, amount: Amount, *, keep: Amount) -> bool:
        """Whether this process knows of nothing, here or above, that would not leave room for `amount` beside `keep`."""
        above = self.parent
        return self._room(amount, keep=keep) and (above is None or above.covers(amount, keep=above.keep.less(self.share)))

    def covers_alone(self, amount: Amount) -> bool:
        """Whether this account itself leaves room for the amount, whatever the parent says."""
        return self._room(amount, keep=Amount())

    def _room(self, amount: Amount, *, keep: Amount) -> bool:
        budget, used, held = self.budget, self._used, self._open
        return (
            (budget.tokens is None or used.tokens + held.tokens + amount.tokens + keep.tokens <= budget.tokens)
            and (budget.calls is None or used.calls + held.calls + amount.calls + keep.calls <= budget.calls)
            and (budget.cost is None or used.cost + held.cost + amount.cost + keep.cost <= budget.cost + 1e-12)
        )

    def _wake(self) -> None:
        waiting, self._waiting = self._waiting, []
        for future in waiting:
            if not future.done():
                future.set_result(None)

    def _release(self, name: str) -> None:
        amount = self._reserved.pop(name, None)
        if amount is not None:
            self._open.add(amount, sign=-1)
            if not self._reserved:
                self._open = _Sum()  # no remainder of adding and taking away
