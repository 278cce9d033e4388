"""Whatever sequence of calls two clients make, a memory behaves as a few dictionaries would."""

from __future__ import annotations

import asyncio
import tempfile
import uuid
from collections import defaultdict
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule, run_state_machine_as_test

from extagents.budget import Amount, Budget
from extagents.memory.base import Memory
from extagents.memory.ledger import Ledger
from extagents.memory.open import open_memory
from extagents.testing.memory_conformance import a_fact, a_manifest, a_report
from extagents.types import Report, Usage

RUNS = st.sampled_from(["run", "other {run}"])
CALLS = st.sampled_from(["c1", "c2", "c3"])
NUMBERS = st.integers(0, 40)
CENTS = st.integers(0, 30).map(lambda cents: cents / 100)


class Expected:
    """What one run should hold."""

    def __init__(self) -> None:
        self.created = False
        self.status = "running"
        self.reports: dict[tuple[int, str, str], Report] = {}
        self.reserved: dict[str, Amount] = {}
        self.spent = Usage()
        self.notes: list[int] = []
        self.events: list[int] = []


class MemoryMachine(RuleBasedStateMachine):
    """`open_one` gives a memory of a store that is new for each machine's `place`."""

    open_one: Callable[[Path], Memory]

    @initialize()
    def begin(self) -> None:
        self.folder = tempfile.TemporaryDirectory()
        self.runner = asyncio.Runner()
        opening = type(self).open_one
        place = Path(self.folder.name) / uuid.uuid4().hex
        self.memories = [opening(place), opening(place)]
        self.turn = 0
        self.runs: dict[str, Expected] = defaultdict(Expected)
        self.cache: dict[str, tuple[str, Report]] = {}

    def do(self, call: Callable[[Memory], Any]) -> Any:
        """The two clients take turns."""
        self.turn += 1
        return self.runner.run(call(self.memories[self.turn % 2]))

    def teardown(self) -> None:
        if hasattr(self, "runner"):
            for memory in self.memories:
                self.runner.run(memory.aclose())
            self.runner.close()
            self.folder.cleanup()

    @rule(run=RUNS)
    def create(self, run: str) -> None:
        assert self.do(lambda memory: memory.create_run(a_manifest(run))) is not self.runs[run].created
        self.runs[run].created = True

    @rule(run=RUNS, status=st.sampled_from(["done", "partial", "failed"]))
    def update(self, run: str, status: Any) -> None:
        self.do(lambda memory: memory.update_run(run, status=status))
        if self.runs[run].created:
            self.runs[run].status = status

    @rule(
        run=RUNS,
        shard=st.sampled_from(["s0", "s1", "s10"]),
        turn=st.integers(1, 2),
        wave=st.integers(0, 2),
        facts=st.lists(st.tuples(st.integers(0, 5), st.integers(0, 10)), max_size=3),
        key=st.sampled_from([None, "k1", "k2"]),
    )
    def post(self, run: str, shard: str, turn: int, wave: int, facts: list[tuple[int, int]], key: str | None) -> None:
        found = [a_fact(number, shard=shard, relevance=tenths / 10, round=turn) for number, tenths in facts]
        report = a_report(run, shard, *found, round=turn, wave=wave)
        reports = self.runs[run].reports
        new = (turn, shard, "v1") not in reports
        assert self.do(lambda memory: memory.post(report, cache_key=key)) is new
        if new:
            reports[turn, shard, "v1"] = report
            if key is not None:
                self.cache.setdefault(key, (run, report))

    @rule(run=RUNS, call=CALLS, tokens=NUMBERS, cost=CENTS, most=st.sampled_from([None, 50, 100]), dear=st.booleans())
    def reserve(self, run: str, call: str, tokens: int, cost: float, most: int | None, dear: bool) -> None:
        budget = Budget(tokens=most, cost=0.5 if dear else None)
        expected = self.runs[run]
        others = [amount for name, amount in expected.reserved.items() if name != call]
        total = sum(amount.tokens for amount in others) + expected.spent.input_tokens + tokens
        money = round(sum(amount.cost for amount in others) + (expected.spent.cost or 0) + cost, 6)
        allowed = (most is None or total <= most) and (not dear or money <= 0.5)
        amount = Amount(calls=1, tokens=tokens, cost=cost)
        assert self.do(lambda memory: memory.reserve(run, call, amount, budget)) is allowed
        if allowed:
            expected.reserved[call] = amount

    @rule(run=RUNS, call=CALLS, tokens=NUMBERS, cost=st.one_of(st.none(), CENTS))
    def settle(self, run: str, call: str, tokens: int, cost: float | None) -> None:
        usage = Usage(calls=1, input_tokens=tokens, cost=cost)
        self.do(lambda memory: memory.settle(run, call, usage))
        self.runs[run].reserved.pop(call, None)
        self.runs[run].spent += usage

    @rule(run=RUNS, number=NUMBERS)
    def note(self, run: str, number: int) -> None:
        self.runs[run].notes.append(number)
        assert self.do(lambda memory: memory.write_note(run, "n", {"n": number})) == len(self.runs[run].notes)

    @rule(run=RUNS, number=NUMBERS)
    def event(self, run: str, number: int) -> None:
        self.runs[run].events.append(number)
        self.do(lambda memory: memory.append_event(run, {"n": number}))

    @rule(run=RUNS)
    def forget(self, run: str) -> None:
        self.do(lambda memory: memory.forget_run(run))
        self.runs.pop(run, None)
        self.cache = {key: entry for key, entry in self.cache.items() if entry[0] != run}

    @invariant()
    def it_holds_what_it_should(self) -> None:
        if not hasattr(self, "memories"):
            return
        for run, expected in self.runs.items():
            reports = [expected.reports[key] for key in sorted(expected.reports)]
            record = self.do(lambda memory, run=run: memory.load_run(run))  # type: ignore[misc]
            assert (record is not None) == expected.created
            if record is not None:
                assert (record.status, record.reports) == (expected.status, len(reports))
            assert self.do(lambda memory, run=run: memory.reports(run)) == reports  # type: ignore[misc]
            known = self.do(lambda memory, run=run: memory.knowledge(run, 90, without="s1"))  # type: ignore[misc]
            assert tuple(known) == Ledger.of(reports).knowledge(90, without="s1")
            spent = self.do(lambda memory, run=run: memory.spent(run))  # type: ignore[misc]
            assert spent.cost == pytest.approx(expected.spent.cost)
            assert spent.model_copy(update={"cost": None}) == expected.spent.model_copy(update={"cost": None})
            events = self.do(lambda memory, run=run: memory.events(run))  # type: ignore[misc]
            assert [event["n"] for event in events] == expected.events
        cached = self.do(lambda memory: memory.cached(["k1", "k2"]))
        assert cached == [self.cache[key][1] if key in self.cache else None for key in ("k1", "k2")]


def check(open_one: Callable[[Path], Memory]) -> None:
    machine = type("Machine", (MemoryMachine,), {"open_one": staticmethod(open_one)})
    run_state_machine_as_test(
        machine,
        settings=settings(
            max_examples=25, stateful_step_count=25, deadline=None, suppress_health_check=list(HealthCheck), database=None
        ),
    )


def test_sqlite_behaves_as_dictionaries_would() -> None:
    check(lambda place: open_memory(f"sqlite:///{place}.sqlite"))


def test_redis_behaves_as_dictionaries_would(redis_url: str) -> None:
    check(lambda place: open_memory(redis_url, tenant=str(place)))
