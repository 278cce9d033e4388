"""What every memory must hold, as a pytest class: subclass it, say how to open yours, and run it.

    class TestMyMemory(MemoryConformance):
        def open_memory_under_test(self, place: Any, tenant: str) -> Memory:
            return MyMemory(place / "store", tenant=tenant)

`place` is a fixture (a fresh folder unless overridden); memories opened at one place share what they hold, unless
`shared` is False. pytest-asyncio is needed.
"""

from __future__ import annotations

import asyncio
import random
from abc import ABC, abstractmethod
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio

from extagents.budget import Amount, Budget
from extagents.errors import LeaseLost
from extagents.memory.base import Holder, Manifest, Memory
from extagents.memory.ledger import Ledger, fact_id, fact_tokens
from extagents.types import Fact, Finding, Report, Usage

Open = Callable[..., Memory]

HOSTILE = [
    "",
    " ",
    "run",
    "RUN",
    "run:1",
    "run:1:reports",
    "{run}",
    "{}",
    "a\0b",
    "a",
    "*",
    "run*",
    "'; DROP TABLE runs; --",
    "../../etc/passwd",
    "日本語の名前",
    "\u202e\u200d🧪",
    "e\u0301",
    "é",
    "\ud800",
    "line\r\nfeed",
    "x" * 10_000,
    "x" * 10_001,
]


def a_manifest(run: str = "run", **changes: Any) -> Manifest:
    """A small manifest."""
    given: dict[str, Any] = {
        "run": run,
        "question": "Who wrote the parser? 谁？",
        "created": 1_700_000_000.25,
        "model": "extractive",
        "settings": {"effort": "balanced", "deep": {"list": [1, None, "ü"]}},
        "corpus": "hash",
        "packing": "rank",
        "shards": (("s0", (("doc", 0, 10), ("other", 5, 9))), ("s1", (("doc", 10, 20),))),
    }
    return Manifest(**{**given, **changes})


def a_fact(number: int, *, shard: str = "s0", relevance: float = 0.5, round: int = 1) -> Fact:
    """A verified fact, distinct from those of other numbers."""
    start = number * 100
    return Fact(
        id=fact_id("doc", "", start, start + 20),
        claim=f"Person {number} wrote part {number} of the parser.",
        quote=f"quote number {number:6d}",
        document="doc",
        start=start,
        end=start + 20,
        relevance=relevance,
        shard=shard,
        round=round,
        title="Parsers",
    )


def a_report(run: str = "run", shard: str = "s0", *facts: Fact, **changes: Any) -> Report:
    """A report on one shard, of one question unless `findings` are given."""
    given: dict[str, Any] = {
        "run": run,
        "round": 1,
        "wave": 0,
        "shard": shard,
        "version": "v1",
        "findings": (Finding(facts=facts, queries=("what else?",), continues=True),),
        "usage": Usage(calls=1, input_tokens=100, output_tokens=10, cost=0.001),
    }
    return Report(**{**given, **changes})


def a_holder(number: int) -> Holder:
    """A process, distinct from those of other numbers."""
    return Holder(host="machine", pid=1_000 + number, born=1_700_000_000.5, key=f"key {number}")


class MemoryConformance(ABC):
    """Every method of the protocol, what two tenants, two objects and a hundred writers may expect of it."""

    shared = True  # two memories opened at one place see each other's writes, and reopening finds everything

    @abstractmethod
    def open_memory_under_test(self, place: Any, tenant: str) -> Memory:
        """A new memory object of this tenant at this place."""

    @pytest.fixture
    def place(self, tmp_path: Path) -> Any:
        """Where the memories of one test live."""
        return tmp_path

    @pytest_asyncio.fixture
    async def opened(self, place: Any) -> AsyncIterator[Open]:
        """Opens memories at the test's place and closes them after it."""
        memories: list[Memory] = []

        def opening(tenant: str = "default") -> Memory:
            memories.append(self.open_memory_under_test(place, tenant))
            return memories[-1]

        yield opening
        for memory in memories:
            await memory.aclose()

    @pytest_asyncio.fixture
    async def memory(self, opened: Open) -> Memory:
        """A memory of the default tenant."""
        return opened()

    def two(self, opened: Open, memory: Memory) -> list[Memory]:
        """Two objects on one store, where the backend can."""
        return [memory, opened() if self.shared else memory]

    # ---- runs
    @pytest.mark.asyncio
    async def test_it_is_a_memory(self, memory: Memory) -> None:
        assert isinstance(memory, Memory)
        assert memory.url

    @pytest.mark.asyncio
    async def test_a_run_comes_back_as_it_was_stored(self, memory: Memory) -> None:
        assert await memory.load_run("run") is None
        assert await memory.create_run(a_manifest())
        found = await memory.load_run("run")
        assert found is not None
        assert found.manifest == a_manifest()
        assert (found.status, found.state, found.answer, found.reports) == ("running", {}, None, 0)
        assert found.spent == Usage()

    @pytest.mark.asyncio
    async def test_a_run_is_created_once(self, opened: Open, memory: Memory) -> None:
        both = self.two(opened, memory)
        made = await asyncio.gather(*(both[i % 2].create_run(a_manifest(question=f"q{i}")) for i in range(20)))
        assert sum(made) == 1
        found = await memory.load_run("run")
        assert found is not None
        assert found.manifest.question == f"q{made.index(True)}"
        assert not await memory.create_run(a_manifest(question="later"))
        assert await memory.load_run("run") == found

    @pytest.mark.asyncio
    async def test_an_update_replaces_what_is_given_and_leaves_the_rest(self, memory: Memory) -> None:
        await memory.create_run(a_manifest())
        await memory.update_run("run", state={"phase": "read", "plan": {"core": "谁"}})
        await memory.update_run("run", status="done", answer={"answer": "Ada", "nested": [1, {"a": None}]})
        await memory.update_run("run", state={"phase": "end"})
        found = await memory.load_run("run")
        assert found is not None
        assert found.manifest == a_manifest()
        assert (found.status, found.state) == ("done", {"phase": "end"})
        assert found.answer == {"answer": "Ada", "nested": [1, {"a": None}]}

    @pytest.mark.asyncio
    async def test_a_manifest_can_be_replaced_with_its_shards(self, memory: Memory) -> None:
        await memory.create_run(a_manifest(shards=()))
        await memory.create_run(a_manifest("other"))
        await memory.update_run("run", manifest=a_manifest(settings={"effort": "quick"}))
        await memory.update_run("nobody", manifest=a_manifest("nobody"))
        found, other = await memory.load_run("run"), await memory.load_run("other")
        assert found is not None
        assert other is not None
        assert found.manifest == a_manifest(settings={"effort": "quick"})
        assert other.manifest == a_manifest("other")
        assert await memory.load_run("nobody") is None

    @pytest.mark.asyncio
    async def test_updating_a_run_that_is_not_there_makes_none(self, memory: Memory) -> None:
        await memory.update_run("nobody", status="done", state={"a": 1})
        assert await memory.load_run("nobody") is None
        assert await memory.list_runs() == []

    @pytest.mark.asyncio
    async def test_runs_are_listed_the_last_changed_first_and_without_shards(self, memory: Memory) -> None:
        for name in ("a", "b", "c"):
            await memory.create_run(a_manifest(name))
        await memory.update_run("a", status="partial")
        await memory.post(a_report("b", "s0", a_fact(1)))
        listed = await memory.list_runs()
        assert [record.manifest.run for record in listed] == ["b", "a", "c"]
        assert [record.reports for record in listed] == [1, 0, 0]
        assert [record.status for record in listed] == ["running", "partial", "running"]
        assert all(record.manifest.shards == () for record in listed)
        assert listed[0].updated >= listed[1].updated >= listed[2].updated

    # ---- reports
    @pytest.mark.asyncio
    async def test_a_report_comes_back_as_it_was_posted(self, memory: Memory) -> None:
        told = Finding(facts=(a_fact(1), a_fact(2, relevance=1.0)), queries=("\0 \u2028 ünï",), continues=False)
        report = a_report(findings=(told, Finding(), told), cached=True)
        failed = a_report(shard="s1", findings=(), failure="the model refused")
        assert await memory.post(report)
        assert await memory.post(failed)
        assert await memory.reports("run") == [report, failed]
        assert await memory.reports("another") == []

    @pytest.mark.asyncio
    async def test_the_same_report_posted_twice_changes_nothing(self, opened: Open, memory: Memory) -> None:
        await memory.create_run(a_manifest())
        first = a_report("run", "s0", a_fact(1))
        both = self.two(opened, memory)
        posted = await asyncio.gather(*(both[i % 2].post(first, cache_key="k") for i in range(10)))
        assert sum(posted) == 1
        assert not await memory.post(a_report("run", "s0", a_fact(2), wave=3), cache_key="other")
        assert await memory.reports("run") == [first]
        assert await memory.cached(["k", "other"]) == [first, None]
        found = await memory.load_run("run")
        assert found is not None
        assert found.reports == 1

    @pytest.mark.asyncio
    async def test_another_round_shard_or_version_is_another_report(self, memory: Memory) -> None:
        reports = [
            a_report(),
            a_report(round=2),
            a_report(shard="s1"),
            a_report(version="v2"),
            a_report(shard="s", version="0v1"),
            a_report("run2"),
        ]
        assert all([await memory.post(report) for report in reports])
        assert len(await memory.reports("run")) == 5
        assert len(await memory.reports("run2")) == 1

    @pytest.mark.asyncio
    async def test_reports_are_ordered_whatever_order_they_came_in(self, memory: Memory) -> None:
        expected = [
            a_report("run", shard, a_fact(i), round=round_number, version=version)
            for round_number in (1, 2, 10)
            for shard in ("s1", "s10", "s2", "é")
            for i, version in enumerate(("a", "b"))
        ]
        shuffled = random.Random(7).sample(expected, len(expected))
        await asyncio.gather(*(memory.post(report) for report in shuffled))
        assert await memory.reports("run") == expected

    @pytest.mark.asyncio
    async def test_waves_bound_what_is_seen(self, memory: Memory) -> None:
        for wave in (2, 0, 11, 1):
            await memory.post(a_report(shard=f"s{wave}", wave=wave))

        async def waves(**bounds: int) -> list[int]:
            return sorted(report.wave for report in await memory.reports("run", **bounds))

        assert await waves() == [0, 1, 2, 11]
        assert await waves(before_wave=2) == [0, 1]
        assert await waves(after_wave=1) == [2, 11]
        assert await waves(after_wave=0, before_wave=11) == [1, 2]
        assert await waves(before_wave=0) == []
        assert await waves(after_wave=-1) == [0, 1, 2, 11]

    @pytest.mark.asyncio
    async def test_a_hundred_writers_lose_and_double_nothing(self, opened: Open, memory: Memory) -> None:
        await memory.create_run(a_manifest())
        both = self.two(opened, memory)

        async def writer(number: int) -> int:
            mine = both[number % 2]
            new = 0
            for i in range(5):
                new += await mine.post(a_report("run", f"s{number}-{i}", a_fact(number * 5 + i)))
                new += await mine.post(a_report("run", f"common-{i}", a_fact(10_000 + i)))
            await mine.append_event("run", {"writer": number})
            await mine.settle("run", f"call{number}", Usage(calls=1, input_tokens=10, cost=0.001))
            return new

        assert sum(await asyncio.gather(*map(writer, range(100)))) == 505
        reports = await memory.reports("run")
        assert len(reports) == len({report.shard for report in reports}) == 505
        found = await memory.load_run("run")
        assert found is not None
        assert found.reports == 505
        assert found.spent == Usage(calls=100, input_tokens=1_000, cost=0.1)
        assert sorted(event["writer"] for event in await memory.events("run")) == list(range(100))

    @pytest.mark.asyncio
    async def test_a_cancelled_post_leaves_all_or_nothing_and_a_memory_that_works(self, memory: Memory) -> None:
        tasks = [asyncio.create_task(memory.post(a_report(shard=f"s{i}"), cache_key=f"k{i}")) for i in range(50)]
        await asyncio.sleep(0)
        for task in tasks[::2]:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        assert await memory.post(a_report(shard="last"))
        reports = await memory.reports("run")
        kept = {report.shard for report in reports}
        assert kept >= {f"s{i}" for i in range(1, 50, 2)} | {"last"}
        cached = await memory.cached([f"k{i}" for i in range(50)])
        assert {report.shard for report in cached if report} == kept - {"last"}

    @pytest.mark.asyncio
    async def test_a_report_replaces_one_that_says_its_shard_could_not_be_read(self, opened: Open, memory: Memory) -> None:
        await memory.create_run(a_manifest())
        both = self.two(opened, memory)
        failed = a_report(findings=(), failure="the model was busy")
        read = a_report("run", "s0", a_fact(1), wave=2)
        assert await memory.post(failed)
        assert not await memory.post(failed.model_copy(update={"failure": "again"}))
        assert [await one.knowledge("run", 1_000) for one in both] == [[], []]
        assert await both[1].post(read)
        assert not await memory.post(failed)
        assert not await memory.post(a_report("run", "s0", a_fact(2), wave=3))
        assert await memory.reports("run") == [read]
        assert await memory.reports("run", after_wave=1) == [read]
        assert [await one.knowledge("run", 1_000) for one in both] == [[a_fact(1)], [a_fact(1)]]
        found = await memory.load_run("run")
        assert found is not None
        assert found.reports == 1

    # ---- leases and the journal
    @pytest.mark.asyncio
    async def test_one_of_many_gets_the_lease_and_the_others_learn_who(self, opened: Open, memory: Memory) -> None:
        both = self.two(opened, memory)
        taken = await asyncio.gather(*(both[i % 2].acquire("run", a_holder(i), 60) for i in range(20)))
        assert len({lease.token for lease in taken}) == len({lease.holder for lease in taken}) == 1
        winner = taken[0]
        assert winner.holder in [a_holder(i) for i in range(20)]
        assert 59 < winner.until - winner.since < 61
        again = await memory.acquire("run", winner.holder, 120)  # a reply that was lost is asked for again
        assert (again.token, again.holder) == (winner.token, winner.holder)
        assert again.until > winner.until + 50
        assert await memory.renew("run", winner.token, 60)
        assert await memory.list_runs() == []
        await memory.create_run(a_manifest(), fence=winner.token)
        (listed,) = await memory.list_runs()
        found = await memory.load_run("run")
        assert found is not None
        assert found.lease is not None
        assert found.lease == listed.lease
        assert (found.lease.token, found.lease.holder) == (winner.token, winner.holder)

    @pytest.mark.asyncio
    async def test_a_lease_is_free_when_given_back_run_out_or_left_by_the_dead(self, memory: Memory) -> None:
        first = await memory.acquire("run", a_holder(1), 60)
        await memory.create_run(a_manifest(), fence=first.token)
        assert (await memory.acquire("run", a_holder(2), 60)).holder == a_holder(1)
        assert (await memory.acquire("run", a_holder(2), 60, over=first.token - 1)).holder == a_holder(1)
        second = await memory.acquire("run", a_holder(2), 60, over=first.token)
        assert second.holder == a_holder(2)
        await memory.give_back("run", first.token)
        assert (await memory.acquire("run", a_holder(3), 60)).holder == a_holder(2)
        await memory.give_back("run", second.token)
        found = await memory.load_run("run")
        assert found is not None
        assert found.lease is None
        third = await memory.acquire("run", a_holder(3), 0.0)
        fourth = await memory.acquire("run", a_holder(4), 60)
        assert fourth.holder == a_holder(4)
        assert first.token < second.token < third.token < fourth.token

    @pytest.mark.asyncio
    async def test_a_lease_is_renewed_by_its_holder_alone(self, memory: Memory) -> None:
        first = await memory.acquire("run", a_holder(1), 0.0)
        await memory.create_run(a_manifest())
        assert await memory.renew("run", first.token, 60)  # it ran out, but nobody has taken it
        found = await memory.load_run("run")
        assert found is not None
        assert found.lease is not None
        assert found.lease.until > first.until + 50
        assert (await memory.acquire("run", a_holder(2), 60)).holder == a_holder(1)
        second = await memory.acquire("run", a_holder(2), 60, over=first.token)
        assert not await memory.renew("run", first.token, 60)
        assert await memory.renew("run", second.token, 60)
        await memory.give_back("run", second.token)
        assert not await memory.renew("run", second.token, 60)

    @pytest.mark.asyncio
    async def test_who_lost_the_lease_writes_nothing_more_but_what_was_spent(self, memory: Memory) -> None:
        first = await memory.acquire("run", a_holder(1), 60)
        old = first.token
        await memory.create_run(a_manifest(), fence=old)
        assert await memory.post(a_report(), cache_key="k", fence=old)
        assert await memory.write_note("run", "n", {"by": 1}, fence=old) == 1
        await memory.append_event("run", {"by": 1}, fence=old)
        await memory.update_run("run", state={"by": 1}, fence=old)
        assert await memory.reserve("run", "c", Amount(calls=1), Budget(calls=9), fence=old)
        new = (await memory.acquire("run", a_holder(2), 60, over=old)).token
        before = await memory.load_run("run")
        for late in (
            memory.create_run(a_manifest(), fence=old),
            memory.post(a_report(shard="s9"), cache_key="k9", fence=old),
            memory.write_note("run", "n", {"by": 1}, fence=old),
            memory.append_event("run", {"by": 1}, fence=old),
            memory.update_run("run", status="done", state={"by": 1}, answer={"answer": "late"}, fence=old),
            memory.reserve("run", "late", Amount(calls=1), Budget(calls=9), fence=old),
        ):
            with pytest.raises(LeaseLost):
                await late
        assert await memory.load_run("run") == before
        assert await memory.cached(["k9"]) == [None]
        assert len(await memory.reports("run")) == len(await memory.events("run")) == 1
        await memory.settle("run", "late", Usage(calls=1, input_tokens=5), answered=("late", "body"))
        assert (await memory.spent("run")).calls == 2  # with what the first holder had reserved
        assert await memory.journal("run") == {"late": "body"}
        assert await memory.post(a_report(shard="s9"), fence=new)
        await memory.give_back("run", new)
        with pytest.raises(LeaseLost):
            await memory.post(a_report(shard="s10"), fence=new)

    @pytest.mark.asyncio
    async def test_taking_a_lease_counts_what_nobody_will_settle(self, memory: Memory) -> None:
        budget = Budget(tokens=1_000, calls=10, cost=1.0)
        first = await memory.acquire("run", a_holder(1), 60)
        await memory.settle("run", "a", Usage(calls=1, input_tokens=10, output_tokens=5, cost=0.1))
        for call in ("b", "c"):
            assert await memory.reserve("run", call, Amount(calls=1, tokens=300, cost=0.25), budget, fence=first.token)
        second = await memory.acquire("run", a_holder(2), 60, over=first.token)
        spent = await memory.spent("run")
        assert (spent.calls, spent.input_tokens + spent.output_tokens) == (3, 615)
        assert spent.cost == pytest.approx(0.6)
        assert not await memory.reserve("run", "d", Amount(calls=1, tokens=386), budget, fence=second.token)
        assert await memory.reserve("run", "d", Amount(calls=1, tokens=385, cost=0.4), budget, fence=second.token)
        await memory.settle("run", "b", Usage(calls=1, input_tokens=7))  # a straggler is counted, and frees nothing twice
        assert (await memory.spent("run")).input_tokens == 617

    @pytest.mark.asyncio
    async def test_what_a_call_brought_is_kept_once_with_what_it_cost(self, opened: Open, memory: Memory) -> None:
        assert await memory.journal("run") == {}
        await memory.settle("run", "a", Usage(calls=1, input_tokens=3), answered=("key", '{"output": "ü\0"}'))
        await memory.settle("run", "b", Usage(calls=1, input_tokens=4), answered=("key", "another"))
        await memory.settle("run", "c", Usage(calls=1), answered=("other", "谁"))
        assert await self.two(opened, memory)[1].journal("run") == {"key": '{"output": "ü\0"}', "other": "谁"}
        assert await memory.journal("another") == {}
        assert await memory.spent("run") == Usage(calls=3, input_tokens=7)
        assert await memory.forget_run("run")
        assert await memory.journal("run") == {}

    @pytest.mark.asyncio
    async def test_a_lease_of_a_run_that_never_began_leaves_nothing(self, memory: Memory) -> None:
        lease = await memory.acquire("run", a_holder(1), 60)
        await memory.give_back("run", lease.token)
        assert not await memory.forget_run("run")
        kept = await memory.acquire("run", a_holder(1), 60)
        await memory.settle("run", "plan", Usage(calls=1))
        await memory.give_back("run", kept.token)
        assert await memory.spent("run") == Usage(calls=1)

    # ---- knowledge
    @pytest.mark.asyncio
    async def test_knowledge_is_the_top_of_the_ledger_under_the_budget(self, memory: Memory) -> None:
        facts = [a_fact(i, shard=f"s{i % 3}", relevance=i / 20) for i in range(20)]
        for i in range(3):
            await memory.post(a_report("run", f"s{i}", *facts[i::3]))
        best = sorted(facts, key=lambda fact: -fact.relevance)
        assert await memory.knowledge("run", 1_000_000) == best
        budget = sum(map(fact_tokens, best[:4])) + 1
        assert await memory.knowledge("run", budget) == best[:4]
        assert await memory.knowledge("run", 0) == []
        assert await memory.knowledge("another", 1_000) == []
        others = [fact for fact in best if fact.shard != "s1"]
        assert await memory.knowledge("run", 1_000_000, without="s1") == others
        assert await memory.knowledge("run", sum(map(fact_tokens, others[:3])), without="s1") == others[:3]

    @pytest.mark.asyncio
    async def test_knowledge_follows_what_is_posted_by_anyone_in_any_order(self, opened: Open, memory: Memory) -> None:
        both = self.two(opened, memory)
        reports = [a_report("run", f"s{i}", a_fact(i % 7, shard=f"s{i}", relevance=(i % 5) / 5)) for i in range(30)]
        for i, report in enumerate(random.Random(3).sample(reports, 30)):
            await both[i % 2].post(report)
            if i % 10 == 9:
                expected = Ledger.of(await memory.reports("run")).knowledge(400)
                assert [tuple(await one.knowledge("run", 400)) for one in both] == [expected, expected]
        assert tuple(await memory.knowledge("run", 10_000)) == Ledger.of(reports).ranked

    @pytest.mark.asyncio
    async def test_knowledge_of_one_question_holds_nothing_of_another(self, memory: Memory) -> None:
        await memory.post(a_report(findings=(Finding(facts=(a_fact(1),)), Finding(facts=(a_fact(2),)))))
        assert await memory.knowledge("run", 1_000) == [a_fact(1)]
        assert await memory.knowledge("run", 1_000, question=1) == [a_fact(2)]
        assert await memory.knowledge("run", 1_000, question=2) == []

    # ---- read cache
    @pytest.mark.asyncio
    async def test_the_read_cache_serves_other_runs_but_no_other_tenant(self, opened: Open, memory: Memory) -> None:
        report = a_report("run", "s0", a_fact(1))
        await memory.post(report, cache_key="key")
        await memory.post(a_report("run2", "s0", a_fact(2)), cache_key="key")
        assert await memory.cached(["missing", "key", "key"]) == [None, report, report]
        assert await memory.cached([]) == []
        assert await opened("other").cached(["key"]) == [None]

    # ---- notes
    @pytest.mark.asyncio
    async def test_notes_keep_their_versions(self, memory: Memory) -> None:
        assert await memory.read_note("run", "plan") is None
        assert [await memory.write_note("run", "plan", {"n": i}) for i in range(3)] == [1, 2, 3]
        assert await memory.write_note("run", "other", {"text": "谁"}) == 1
        newest, second = await memory.read_note("run", "plan"), await memory.read_note("run", "plan", 2)
        assert newest is not None
        assert second is not None
        assert (newest.run, newest.name, newest.version, newest.content) == ("run", "plan", 3, {"n": 2})
        assert (second.version, second.content) == (2, {"n": 1})
        assert await memory.read_note("run", "plan", 4) is None
        assert await memory.read_note("run2", "plan") is None

    @pytest.mark.asyncio
    async def test_writers_of_one_note_get_a_version_each(self, opened: Open, memory: Memory) -> None:
        both = self.two(opened, memory)
        versions = await asyncio.gather(*(both[i % 2].write_note("run", "n", {"i": i}) for i in range(40)))
        assert sorted(versions) == list(range(1, 41))
        for i, version in enumerate(versions):
            note = await memory.read_note("run", "n", version)
            assert note is not None
            assert note.content == {"i": i}

    # ---- budget
    @pytest.mark.asyncio
    @pytest.mark.parametrize(
        ("amount", "budget", "most"),
        [
            (Amount(calls=1, tokens=700), Budget(tokens=10_000), 14),
            (Amount(calls=3, tokens=1), Budget(calls=31), 10),
            (Amount(calls=1, tokens=1, cost=0.1), Budget(cost=1.0), 10),
            (Amount(calls=1, tokens=1, cost=0.07), Budget(cost=2.1), 30),
            (Amount(calls=1, tokens=100, cost=0.01), Budget(tokens=2_000, cost=0.15, calls=18), 15),
        ],
    )
    async def test_reservations_never_pass_the_budget(
        self, opened: Open, memory: Memory, amount: Amount, budget: Budget, most: int
    ) -> None:
        both = self.two(opened, memory)
        granted = await asyncio.gather(*(both[i % 2].reserve("run", f"c{i}", amount, budget) for i in range(100)))
        assert sum(granted) == most
        usage = Usage(calls=amount.calls, input_tokens=amount.tokens, cost=amount.cost)
        await asyncio.gather(*(both[i % 2].settle("run", f"c{i}", usage) for i, yes in enumerate(granted) if yes))
        assert not await memory.reserve("run", "late", amount, budget)
        spent = await memory.spent("run")
        assert (spent.calls, spent.input_tokens) == (amount.calls * most, amount.tokens * most)
        assert spent.cost == pytest.approx(amount.cost * most, abs=1e-12)

    @pytest.mark.asyncio
    async def test_what_is_kept_back_is_not_given_out(self, memory: Memory) -> None:
        budget, keep = Budget(tokens=100, calls=10), Amount(tokens=30, calls=1)
        assert not await memory.reserve("run", "a", Amount(tokens=71, calls=1), budget, keep=keep)
        assert await memory.reserve("run", "a", Amount(tokens=70, calls=1), budget, keep=keep)
        assert not await memory.reserve("run", "b", Amount(tokens=1, calls=1), budget, keep=keep)
        assert await memory.reserve("run", "final", Amount(tokens=30, calls=1), budget)

    @pytest.mark.asyncio
    async def test_reserving_again_replaces_and_settling_frees(self, memory: Memory) -> None:
        budget = Budget(tokens=100)
        assert await memory.reserve("run", "a", Amount(tokens=90), budget)
        assert await memory.reserve("run", "a", Amount(tokens=60), budget)
        assert await memory.reserve("run", "b", Amount(tokens=40), budget)
        assert not await memory.reserve("run", "a", Amount(tokens=61), budget)
        assert not await memory.reserve("run", "c", Amount(tokens=1), budget)
        await memory.settle("run", "a", Usage(calls=1, input_tokens=20, output_tokens=5))
        assert await memory.reserve("run", "c", Amount(tokens=35), budget)
        assert not await memory.reserve("run", "d", Amount(tokens=1), budget)
        await memory.settle("run", "c", Usage())
        await memory.settle("run", "b", Usage(calls=1, input_tokens=75))
        assert not await memory.reserve("run", "d", Amount(tokens=1), budget)
        assert await memory.reserve("run", "d", Amount(calls=5), budget)

    @pytest.mark.asyncio
    async def test_a_reservation_without_ceilings_counts_for_later_ones(self, memory: Memory) -> None:
        assert await memory.reserve("run", "a", Amount(tokens=10**9, calls=1, cost=50.0), Budget())
        assert not await memory.reserve("run", "b", Amount(tokens=1), Budget(tokens=10**9))
        assert await memory.reserve("run", "b", Amount(tokens=1), Budget(tokens=10**9 + 1))

    @pytest.mark.asyncio
    async def test_what_is_spent_adds_up_exactly(self, memory: Memory) -> None:
        assert await memory.spent("run") == Usage()
        await memory.settle("run", "a", Usage(calls=1, input_tokens=5, output_tokens=3, cached_tokens=2, retries=1))
        assert (await memory.spent("run")).cost is None
        for i in range(10):
            await memory.settle("run", f"b{i}", Usage(calls=1, input_tokens=1, cost=0.1))
        await memory.settle("run", "c", Usage(calls=2))
        assert await memory.spent("run") == Usage(
            calls=13, input_tokens=15, output_tokens=3, cached_tokens=2, retries=1, cost=1.0
        )

    @pytest.mark.asyncio
    async def test_what_the_plan_cost_before_the_manifest_belongs_to_the_run(self, memory: Memory) -> None:
        assert await memory.reserve("run", "plan", Amount(tokens=10, calls=1), Budget(tokens=100))
        await memory.settle("run", "plan", Usage(calls=1, input_tokens=7))
        assert await memory.load_run("run") is None
        assert await memory.list_runs() == []
        assert await memory.create_run(a_manifest())
        found = await memory.load_run("run")
        assert found is not None
        assert found.spent == Usage(calls=1, input_tokens=7)

    # ---- events
    @pytest.mark.asyncio
    async def test_events_keep_their_order(self, memory: Memory) -> None:
        assert await memory.events("run") == []
        for i in range(20):
            await memory.append_event("run", {"n": i, "text": "ü\0"})
        assert await memory.events("run") == [{"n": i, "text": "ü\0"} for i in range(20)]
        assert await memory.events("run2") == []

    @pytest.mark.asyncio
    async def test_the_newest_ten_thousand_events_are_kept(self, memory: Memory) -> None:
        await asyncio.gather(*(memory.append_event("run", {"n": i}) for i in range(10_000)))
        for i in range(3):
            await memory.append_event("run", {"last": i})
        kept = await memory.events("run")
        assert len(kept) == 10_000
        assert kept[-3:] == [{"last": 0}, {"last": 1}, {"last": 2}]

    # ---- forgetting
    @pytest.mark.asyncio
    async def test_a_forgotten_run_leaves_nothing_behind(self, opened: Open, memory: Memory) -> None:
        for run in ("run", "kept"):
            await memory.create_run(a_manifest(run))
            await memory.post(a_report(run, "s0", a_fact(1)), cache_key=f"key of {run}")
            await memory.write_note(run, "n", {"a": 1})
            await memory.append_event(run, {"a": 1})
            await memory.reserve(run, "open", Amount(tokens=60), Budget(tokens=100))
            await memory.settle(run, "done", Usage(calls=1, input_tokens=10))
        assert len(await memory.knowledge("run", 1_000)) == 1
        before = await memory.load_run("kept")
        assert await memory.forget_run("run")
        assert not await memory.forget_run("run")
        assert not await memory.forget_run("never was")
        for one in self.two(opened, memory):
            assert await one.load_run("run") is None
            assert [record.manifest.run for record in await one.list_runs()] == ["kept"]
            assert await one.reports("run") == []
            assert await one.knowledge("run", 1_000) == []
            assert await one.cached(["key of run"]) == [None]
            assert await one.read_note("run", "n") is None
            assert await one.events("run") == []
            assert await one.spent("run") == Usage()
            assert await one.reserve("run", "x", Amount(tokens=100), Budget(tokens=100))
            assert await one.forget_run("run")
        assert await memory.load_run("kept") == before
        assert await memory.cached(["key of kept"]) == [a_report("kept", "s0", a_fact(1))]
        assert await memory.create_run(a_manifest())
        await memory.post(a_report("run", "s5", a_fact(9)))
        assert await memory.knowledge("run", 1_000) == [a_fact(9)]
        assert await memory.write_note("run", "n", {}) == 1

    # ---- names, tenants, reopening
    @pytest.mark.asyncio
    async def test_no_name_collides_with_another_or_escapes(self, memory: Memory) -> None:
        for i, name in enumerate(HOSTILE):
            assert await memory.load_run(name) is None
            assert await memory.write_note(name, name, {"i": i}) == 1
            await memory.append_event(name, {"i": i})
            await memory.settle(name, name, Usage(calls=i))
            assert await memory.reserve(name, name, Amount(tokens=5), Budget(tokens=5))
            assert await memory.reserve(name, name, Amount(tokens=5), Budget(tokens=5))
        storable = [name for name in HOSTILE if name.isascii() or name.encode("utf-8", "replace").decode() == name]
        for i, name in enumerate(storable):
            assert await memory.create_run(a_manifest(name, question=str(i)))
            report = a_report(name, name, a_fact(i, shard=name), version=name)
            assert await memory.post(report, cache_key=name)
            assert await memory.reports(name) == [report]
            assert await memory.cached([name]) == [report]
        for i, name in enumerate(HOSTILE):
            note = await memory.read_note(name, name) if name in storable else None
            assert note is None or note.content == {"i": i}
            assert await memory.events(name) == [{"i": i}]
            assert (await memory.spent(name)).calls == i
        assert {record.manifest.run for record in await memory.list_runs()} == set(storable)
        for name in HOSTILE:
            assert await memory.forget_run(name)
            assert not await memory.forget_run(name)

    @pytest.mark.asyncio
    async def test_tenants_cannot_see_each_other(self, opened: Open, memory: Memory) -> None:
        await memory.create_run(a_manifest())
        await memory.post(a_report("run", "s0", a_fact(1)), cache_key="k")
        await memory.write_note("run", "n", {"a": 1})
        await memory.append_event("run", {"a": 1})
        await memory.settle("run", "c", Usage(calls=1))
        for tenant in ("other", "default:run", "{default}", "", "defaul", "default "):
            stranger = opened(tenant)
            assert await stranger.load_run("run") is None
            assert await stranger.list_runs() == []
            assert await stranger.reports("run") == []
            assert await stranger.knowledge("run", 1_000) == []
            assert await stranger.cached(["k"]) == [None]
            assert await stranger.read_note("run", "n") is None
            assert await stranger.events("run") == []
            assert await stranger.spent("run") == Usage()
            assert not await stranger.forget_run("run")
            assert await stranger.create_run(a_manifest(question=tenant))
            assert await stranger.forget_run("run")
        found = await memory.load_run("run")
        assert found is not None
        assert found.manifest == a_manifest()
        assert found.reports == 1

    @pytest.mark.asyncio
    async def test_the_secret_is_made_once_for_each_tenant(self, opened: Open, memory: Memory) -> None:
        both = self.two(opened, memory)
        made = set(await asyncio.gather(*(both[i % 2].secret() for i in range(20))))
        assert len(made) == 1
        (secret,) = made
        assert len(secret) == 32
        assert await opened("other").secret() != secret
        await memory.create_run(a_manifest())
        await memory.forget_run("run")
        assert await memory.secret() == secret

    @pytest.mark.asyncio
    async def test_reopening_finds_everything(self, opened: Open, memory: Memory) -> None:
        if not self.shared:
            pytest.skip("this memory ends with its object")
        await memory.create_run(a_manifest())
        await memory.update_run("run", status="partial", state={"phase": "read"}, answer={"answer": "Ada"})
        await memory.post(a_report("run", "s0", a_fact(1)), cache_key="k")
        await memory.write_note("run", "n", {"a": 1})
        await memory.append_event("run", {"a": 1})
        await memory.reserve("run", "open", Amount(tokens=60), Budget(tokens=100))
        await memory.settle("run", "c", Usage(calls=1, input_tokens=10, cost=0.25))
        before, secret = await memory.load_run("run"), await memory.secret()
        await memory.aclose()
        again = opened()
        assert await again.load_run("run") == before
        assert await again.secret() == secret
        assert await again.reports("run") == [a_report("run", "s0", a_fact(1))]
        assert await again.knowledge("run", 1_000) == [a_fact(1)]
        assert await again.cached(["k"]) == [a_report("run", "s0", a_fact(1))]
        assert await again.events("run") == [{"a": 1}]
        note = await again.read_note("run", "n")
        assert note is not None
        assert note.content == {"a": 1}
        assert not await again.reserve("run", "x", Amount(tokens=31), Budget(tokens=100))
        assert await again.reserve("run", "x", Amount(tokens=30), Budget(tokens=100))

    @pytest.mark.asyncio
    async def test_a_closed_memory_opens_again_and_closing_twice_is_fine(self, memory: Memory) -> None:
        await memory.aclose()
        await memory.create_run(a_manifest())
        assert await memory.load_run("run") is not None
        await memory.aclose()
        await memory.aclose()

    @pytest.mark.asyncio
    async def test_check_gives_one_line_warnings(self, memory: Memory) -> None:
        for warning in await memory.check():
            assert warning.strip()
            assert "\n" not in warning

    # ---- loops
    def test_two_event_loops_may_use_one_memory(self, place: Any) -> None:
        memory = self.open_memory_under_test(place, "default")

        async def use(number: int) -> int:
            await memory.post(a_report("run", f"s{number}"))
            return len(await memory.reports("run"))

        with asyncio.Runner() as first, asyncio.Runner() as second:
            assert [first.run(use(1)), second.run(use(2)), first.run(use(3))] == [1, 2, 3]
            first.run(memory.aclose())
            second.run(memory.aclose())
