"""Whatever sequence of reserving, settling, crashing and resuming: no server ever counts more than the budget."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import pytest
from hypothesis import HealthCheck, Phase, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule, run_state_machine_as_test
from reliability.size import record, sized

from extagents.budget import Amount, Budget
from extagents.errors import LeaseLost
from extagents.memory.base import Memory
from extagents.memory.open import open_memory
from extagents.testing.memory_conformance import a_holder
from extagents.testing.redis_server import RedisServer
from extagents.types import Usage

BUDGET = Budget(calls=12, tokens=1_000, cost=0.5)
NAMES = st.sampled_from([f"call {number}" for number in range(8)])
SEQUENCES = 10_000


@dataclass
class Call:
    """A call that was begun: what was reserved for it, and what the server has counted or will count."""

    name: str
    bound: Amount
    used: Usage


class BudgetMachine(RuleBasedStateMachine):
    """Processes come and go; each reserves before it calls, and the server counts every call that was begun."""

    open_one: Callable[[], Memory]
    runner: asyncio.Runner
    count = 0

    @initialize()
    def begin(self) -> None:
        BudgetMachine.count += 1
        self.run_name = f"run {BudgetMachine.count}"
        self.memory = type(self).open_one()
        self.process = 0
        self.open: dict[str, Call] = {}
        self.late: list[Call] = []
        self.tokens: list[int] = []
        self.counted = Usage()
        self.take()

    def do(self, work: Any) -> Any:
        return type(self).runner.run(work)

    def take(self) -> None:
        """A process takes the run over from the one before it, which is gone."""
        self.process += 1
        over = self.tokens[-1] if self.tokens else None
        lease = self.do(self.memory.acquire(self.run_name, a_holder(self.process), 60, over=over))
        assert lease.holder == a_holder(self.process)
        self.tokens.append(lease.token)

    @rule(name=NAMES, tokens=st.integers(0, 300), used=st.integers(0, 100), cost=st.integers(0, 150), kept=st.integers(0, 3))
    def reserve(self, name: str, tokens: int, used: int, cost: int, kept: int) -> None:
        if name in self.open:
            return  # the gate gives no name twice while it is open
        bound = Amount(calls=1, tokens=tokens, cost=cost / 1_000)
        keep = Amount(calls=min(kept, 1), tokens=kept * 50, cost=kept / 100)
        granted = self.do(self.memory.reserve(self.run_name, name, bound, BUDGET, keep=keep, fence=self.tokens[-1]))
        if granted:
            share = used / 100
            usage = Usage(calls=1, input_tokens=int(tokens * share), cost=int(cost * share) / 1_000)
            self.open[name] = Call(name, bound, usage)
            self.counted = self.counted + usage  # the server may have done it at once
        elif not self.open and not self.late:
            spent = Amount.of(self.do(self.memory.spent(self.run_name)))
            total = spent + bound + keep
            assert total.calls > 12 or total.tokens > 1_000 or total.cost > 0.5 - 1e-9, "refused though it fits"

    @rule(name=NAMES)
    def settle(self, name: str) -> None:
        call = self.open.pop(name, None)
        if call is not None:
            self.do(self.memory.settle(self.run_name, name, call.used, answered=(name, "x")))

    @rule()
    def crash_and_resume(self) -> None:
        """What was in flight counts at its upper bound: nobody knows what became of it."""
        before = Amount.of(self.do(self.memory.spent(self.run_name)))
        self.late += self.open.values()
        lost = sum((call.bound for call in self.open.values()), Amount())
        self.open = {}
        self.take()
        after = Amount.of(self.do(self.memory.spent(self.run_name)))
        assert (after.calls, after.tokens) == (before.calls + lost.calls, before.tokens + lost.tokens)
        assert after.cost == pytest.approx(before.cost + lost.cost)

    @rule()
    def end_in_good_order_and_resume(self) -> None:
        for call in list(self.open.values()):
            self.settle(call.name)
        self.do(self.memory.give_back(self.run_name, self.tokens[-1]))
        self.take()

    @precondition(lambda self: len(self.tokens) > 1)
    @rule(name=NAMES)
    def one_that_was_given_up_reserves_nothing(self, name: str) -> None:
        before = self.do(self.memory.load_run(self.run_name)), self.do(self.memory.spent(self.run_name))
        with pytest.raises(LeaseLost):
            self.do(self.memory.reserve(self.run_name, name, Amount(calls=1), BUDGET, fence=self.tokens[-2]))
        assert (self.do(self.memory.load_run(self.run_name)), self.do(self.memory.spent(self.run_name))) == before

    @invariant()
    def nothing_is_overspent(self) -> None:
        if not hasattr(self, "memory"):
            return
        spent = Amount.of(self.do(self.memory.spent(self.run_name)))
        total = sum((call.bound for call in self.open.values()), spent)
        assert total.calls <= 12
        assert total.tokens <= 1_000
        assert total.cost <= 0.5 + 1e-9
        counted = Amount.of(self.counted)
        assert counted.calls <= total.calls
        assert counted.tokens <= total.tokens
        assert counted.cost <= total.cost + 1e-9

    def teardown(self) -> None:
        if hasattr(self, "memory"):
            self.do(self.memory.forget_run(self.run_name))


@pytest.fixture(params=["memory", "redis"])
def opening(request: pytest.FixtureRequest) -> Iterator[Callable[[], Memory]]:
    if request.param == "memory":
        one = open_memory("memory://")
        yield lambda: one
        return
    with RedisServer() as server:
        other = open_memory(server.url)
        yield lambda: other


@pytest.mark.timeout(1_800)
def test_no_sequence_overspends(opening: Callable[[], Memory]) -> None:
    examples = sized(100, SEQUENCES // 2)  # half on each store
    with asyncio.Runner() as runner:
        machine = type("Machine", (BudgetMachine,), {"open_one": staticmethod(opening), "runner": runner})
        run_state_machine_as_test(
            machine,
            settings=settings(
                max_examples=examples,
                stateful_step_count=20,
                deadline=None,
                derandomize=True,
                database=None,
                suppress_health_check=list(HealthCheck),
                phases=[Phase.generate, Phase.shrink],
            ),
        )
        runner.run(opening().aclose())
    assert BudgetMachine.count >= examples * 0.9
    record("budget sequences", sequences=BudgetMachine.count)
    BudgetMachine.count = 0
