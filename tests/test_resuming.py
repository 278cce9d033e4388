"""Going on with a stored run: as it was begun, by one process at a time, without paying again."""

from __future__ import annotations

import asyncio
import json
import sqlite3
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import world
from pydantic import BaseModel

from extagents import Budget, Coordinator, InputError, RunBusy, SettingsError, StoreError
from extagents.background import background
from extagents.errors import CallError, LeaseLost
from extagents.memory.base import SCHEMA_VERSION, Memory
from extagents.memory.lease import hold, live
from extagents.memory.open import open_memory
from extagents.settings import Settings
from extagents.testing import ScriptedModel
from extagents.testing.redis_server import RedisServer
from extagents.types import Answer, Compressed

STORED = Path(__file__).parent / "reliability" / "stored"


def team(model: Any = None, **options: Any) -> Coordinator:
    return Coordinator(model or world.model(), window=8_000, effort="thorough", **options)


@pytest.fixture
def memory() -> Memory:
    return open_memory("memory://")


def write(folder: Path) -> Path:
    """The world's documents as files."""
    folder.mkdir(exist_ok=True)
    for document in world.documents():
        (folder / f"{document.id}.txt").write_text(document.text, encoding="utf-8")
    return folder


class Ends(Exception):
    """Stands for a process that is gone: nothing after it runs."""


class Dying(ScriptedModel):
    """The world's model, until `after` calls were answered; then the run's process is as good as dead."""

    def __init__(self, after: int) -> None:
        inner = world.model()
        super().__init__(inner._answers, window=8_000)
        self._after = after

    async def complete(self, prompt: Any, **options: Any) -> Any:
        if len(self.calls) >= self._after:
            raise Ends
        return await super().complete(prompt, **options)


async def test_a_stored_run_goes_on_as_it_was_begun_with_what_is_given_now(tmp_path: Path, memory: Memory) -> None:
    folder = write(tmp_path / "docs")
    model = world.model(name="openai:made-up")
    first = await team(model, memory=memory, budget=Budget(calls=8, tokens=10**9), rounds=3).aask(
        world.QUESTION, folder, run="mine", instructions="one word"
    )
    assert (first.partial, first.stopped_by) == (True, "budget")
    again = await Coordinator(model, memory=memory, budget=Budget(calls=60)).aresume("mine")
    assert isinstance(again, Answer)
    assert again.answer.startswith(world.ANSWER)
    assert again.run_id == "mine"
    record = await memory.load_run("mine")
    assert record is not None
    assert (record.status, record.manifest.request["instructions"]) == ("done", "one word")
    assert record.manifest.settings["rounds"] == 3
    texts = ["".join(message.content for message in call.messages) for call in model.calls]
    assert len(texts) == len(set(texts))  # nothing was asked twice
    assert again.usage.calls == len(texts)
    assert {call.inputs.round for call in model.calls if call.role == "reader"} <= {1, 2, 3}


async def test_a_finished_run_gives_its_answer_without_a_call(memory: Memory) -> None:
    first = await team(memory=memory).aask(world.QUESTION, world.corpus(), run="mine")
    assert await team(Dying(0), memory=memory).aresume("mine") == first


async def test_what_the_memory_does_not_keep_is_asked_for(memory: Memory) -> None:
    class Town(BaseModel):
        name: str

    asked = team(memory=memory, budget=Budget(calls=8))
    await asked.aask(world.QUESTION, world.documents(), run="documents")
    with pytest.raises(InputError, match="was given documents"):
        await team(memory=memory).aresume("documents")
    done = await team(memory=memory, budget=Budget(calls=60)).aresume("documents", world.documents())
    assert isinstance(done, Answer)
    assert done.answer == world.ANSWER
    await asked.aask(world.QUESTION, world.documents(), run="schema", schema=Town)
    with pytest.raises(SettingsError, match="fills the schema Town"):
        await team(memory=memory).aresume("schema", world.documents())
    with pytest.raises(InputError, match="no run named 'nobody'"):
        await team(memory=memory).aresume("nobody")
    with pytest.raises(SettingsError, match="model object"):
        await Coordinator(memory=memory).aresume("schema", world.documents(), schema=Town)


async def test_compressed_context_is_resumed_as_such(memory: Memory) -> None:
    asked = team(memory=memory, budget=Budget(calls=5))
    first = await asked.acompress(world.QUESTION, world.documents(), tokens=200, run="mine")
    assert first.partial
    again = await team(memory=memory, budget=Budget(calls=90)).aresume("mine", world.documents())
    assert isinstance(again, Compressed)
    assert world.STEPS[0] in again.text
    assert await team(Dying(0), memory=memory).aresume("mine", world.documents()) == again


async def test_a_run_that_is_under_way_is_refused_and_told_by_whom(memory: Memory) -> None:
    here, begun, going = asyncio.get_running_loop(), asyncio.Event(), asyncio.Event()

    async def slow(prompt: Any) -> Any:
        here.call_soon_threadsafe(begun.set)  # the model runs in the background's loop
        await going.wait()
        return world.read(prompt)

    model = world.model(reader=slow)
    running = asyncio.create_task(team(model, memory=memory).aask(world.QUESTION, world.corpus(), run="mine"))
    await asyncio.wait_for(begun.wait(), 30)
    other = team(memory=memory)
    for attempt in (
        other.aask(world.QUESTION, world.corpus(), run="mine", resume=True),
        other.aresume("mine", world.corpus()),
    ):
        with pytest.raises(RunBusy, match="under way in this process"):
            await attempt
    with pytest.raises(RunBusy):
        await asyncio.to_thread(other.forget, "mine")
    background.loop.call_soon_threadsafe(going.set)
    assert (await running).answer == world.ANSWER
    assert await asyncio.to_thread(other.forget, "mine")


@pytest.mark.parametrize("after", [0, 1, 3, 12, 13, 15, 17, 19])
async def test_a_run_whose_model_broke_is_gone_on_with_where_it_was(after: int, memory: Memory) -> None:
    whole = world.model()
    expected = await team(whole, memory=open_memory("memory://")).aask(world.QUESTION, world.corpus(), run="mine")
    dying, second = Dying(after), world.model()
    if after < len(whole.calls):
        with pytest.raises(Exception):  # noqa: B017, PT011 however it died
            await team(dying, memory=memory).aask(world.QUESTION, world.corpus(), run="mine")
    again = await team(second, memory=memory).aask(world.QUESTION, world.corpus(), run="mine", resume=True)
    assert again.model_copy(update={"usage": expected.usage, "seconds": expected.seconds}) == expected
    assert len(dying.calls) + len(second.calls) == len(whole.calls)
    told = [event["type"] for event in await memory.events("mine")]
    assert told.count("planned") == 1
    reports = await memory.reports("mine")
    assert len(reports) == len({(report.round, report.shard, report.version) for report in reports})


async def test_a_shard_that_failed_is_read_when_the_run_is_resumed(memory: Memory) -> None:
    refused = [True]

    def read(prompt: Any) -> Any:
        if refused[0] and "Mirelle Tanager was born" in prompt.messages[-1].content:
            raise CallError("bad_request", "not this one")
        return world.read(prompt)

    model = world.model(reader=read)
    first = await team(model, memory=memory, budget=Budget(calls=16)).aask(world.QUESTION, world.corpus(), run="mine")
    assert first.coverage.failed == 1
    refused[0] = False
    again = await team(model, memory=memory, budget=Budget(calls=90)).aresume("mine", world.corpus())
    assert isinstance(again, Answer)
    assert (again.answer, again.coverage.failed) == (world.ANSWER, 0)
    assert [report for report in await memory.reports("mine") if report.failure is not None] == []


async def test_who_was_taken_over_stops_and_changes_nothing_more(memory: Memory) -> None:
    here, begun, going = asyncio.get_running_loop(), asyncio.Event(), asyncio.Event()

    async def slow(prompt: Any) -> Any:
        here.call_soon_threadsafe(begun.set)  # the model runs in the background's loop
        await going.wait()
        return world.read(prompt)

    model = world.model(reader=slow)
    running = asyncio.create_task(team(model, memory=memory).aask(world.QUESTION, world.corpus(), run="mine"))
    await asyncio.wait_for(begun.wait(), 30)
    record = await memory.load_run("mine")
    assert record is not None
    assert record.lease is not None
    taken = await memory.acquire("mine", record.lease.holder.model_copy(update={"key": "other"}), 60, over=record.lease.token)
    background.loop.call_soon_threadsafe(going.set)
    with pytest.raises(LeaseLost):
        await running
    after = await memory.load_run("mine")
    assert after is not None
    assert (after.status, after.reports, after.lease) == ("running", 0, taken)
    assert len(await memory.journal("mine")) > 1  # what was paid for is there for the other


async def test_a_lease_is_renewed_while_the_run_goes_on(memory: Memory) -> None:
    holding = await hold(memory, "mine", 0.3)
    lost = asyncio.Event()
    holding.keep(lost.set)
    first = await _until(memory, lambda lease: True)
    later = await _until(memory, lambda lease: lease.until > first.until)
    assert live(later)
    other = await memory.acquire("mine", later.holder.model_copy(update={"key": "other"}), 60, over=later.token)
    await asyncio.wait_for(lost.wait(), 30)
    await holding.give_back()
    assert (await memory.acquire("mine", later.holder, 60)).token == other.token


async def _until(memory: Memory, wanted: Any) -> Any:
    from extagents.testing.memory_conformance import a_manifest

    await memory.create_run(a_manifest("mine"))
    async with asyncio.timeout(30):
        while True:
            record = await memory.load_run("mine")
            if record is not None and record.lease is not None and wanted(record.lease):
                return record.lease
            await asyncio.sleep(0.01)


# ---- several versions


@pytest.fixture
def version_1(tmp_path: Path) -> str:
    """A memory file as schema version 1 left it: a finished run and one that its budget ended."""
    path = tmp_path / "old.sqlite"
    with sqlite3.connect(path) as old:
        old.executescript((STORED / "version-1.sql").read_text("utf-8"))
    old.close()
    return f"sqlite:///{path}"


async def test_what_version_1_stored_is_read_and_gone_on_with(version_1: str) -> None:
    options: dict[str, Any] = {"memory": version_1, "tenant": "museum"}
    model = world.model(name="made-up", window=8_000)
    async with team(model, settings=Settings(read_cache=False), **options) as later:
        finished = await later.aask(world.QUESTION, world.corpus(), run="finished", resume=True)
        assert (finished.answer, finished.usage.calls, model.calls) == (world.ANSWER, 21, [])
        assert len(await asyncio.to_thread(later.reports, "finished")) == 15
        with pytest.raises(StoreError, match="older version"):
            await later.aresume("begun", world.corpus())
        again = await later.aask(world.QUESTION, world.corpus(), run="begun", resume=True)
        assert again.answer == world.ANSWER
        assert again.usage.calls == 8 + len(model.calls)  # with the eight that version 1 had counted
        assert len(await asyncio.to_thread(later.reports, "begun")) == 15
        assert len([call for call in model.calls if call.role == "reader"]) == 15 - 6  # six were read then
        assert {record.status for record in await asyncio.to_thread(later.runs)} == {"done"}


@pytest.fixture(params=["file", "redis"])
def version_2(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[str]:
    """What schema version 2 left in a file and on a server: the same two runs. To be kept as it is, for all later versions."""
    if request.param == "file":
        path = tmp_path / "now.sqlite"
        with sqlite3.connect(path) as now:
            now.executescript((STORED / "version-2.sql").read_text("utf-8"))
        now.close()
        yield f"sqlite:///{path}"
        return
    import redis

    with RedisServer() as server:
        with redis.Redis.from_url(server.url) as client:
            for line in (STORED / "version-2.redis.jsonl").read_text("utf-8").splitlines():
                words = [bytes.fromhex(word["hex"]) if isinstance(word, dict) else word for word in json.loads(line)]
                client.execute_command(*words)
        yield server.url


async def test_what_version_2_stored_is_read_and_gone_on_with(version_2: str) -> None:
    model = world.model(name="made-up", window=8_000)
    given: dict[str, Any] = {"memory": version_2, "tenant": "museum", "budget": Budget(calls=100)}
    async with Coordinator(model, window=8_000, **given) as later:
        finished = await later.aresume("finished", world.corpus())
        assert isinstance(finished, Answer)
        assert (finished.answer, finished.usage.calls, model.calls) == (world.ANSWER, 21, [])
        assert [citation.quote for citation in finished.citations] == [world.STEPS[1], world.STEPS[0]]
        before = await asyncio.to_thread(later.run, "begun")
        assert before is not None
        assert (before.status, before.spent.calls, before.reports) == ("partial", 8, 6)
        again = await later.aresume("begun", world.corpus())
        assert isinstance(again, Answer)
        assert again.answer == world.ANSWER
        assert again.usage.calls == 8 + len(model.calls)
        assert len(await asyncio.to_thread(later.reports, "begun")) == 15
        roles = [call.role for call in model.calls]
        assert roles.count("planner") == 0
        assert roles.count("reader") in (15 - 6, 15)  # six were read then; all are read again where the prompts have changed


async def test_what_a_later_version_stored_is_refused_in_words(tmp_path: Path, version_1: str) -> None:
    path = version_1.removeprefix("sqlite:///")
    with sqlite3.connect(path) as old:
        old.execute("UPDATE runs SET manifest = json_set(manifest, '$.schema_version', ?)", (SCHEMA_VERSION + 1,))
    old.close()
    async with team(memory=version_1, tenant="museum") as later:
        with pytest.raises(StoreError, match=f"schema version {SCHEMA_VERSION + 1}"):
            await later.aask(world.QUESTION, world.corpus(), run="begun", resume=True)
    with sqlite3.connect(path) as old:
        old.execute("UPDATE extagents_schema SET version = ?", (SCHEMA_VERSION + 1,))
    old.close()
    async with team(memory=version_1, tenant="museum") as later:
        with pytest.raises(StoreError, match=f"reads up to {SCHEMA_VERSION}"):
            await asyncio.to_thread(later.runs)


@pytest.mark.parametrize("table", ["reports", "runs"])
async def test_what_is_no_longer_understood_is_refused_and_not_misread(version_1: str, table: str) -> None:
    path = version_1.removeprefix("sqlite:///")
    statements = {
        "reports": "UPDATE reports SET body = json_remove(body, '$.round')",
        "runs": "UPDATE runs SET manifest = json_set(manifest, '$.settings', 5)",
    }
    with sqlite3.connect(path) as old:
        old.execute(statements[table])
    old.close()
    async with team(memory=version_1, tenant="museum") as later:
        with pytest.raises(StoreError, match="another version"):
            await later.aask(world.QUESTION, world.corpus(), run="begun", resume=True)


# ---- what a resumed run is given, and how it is ended


async def test_the_endpoint_is_the_runs_even_where_the_model_is_given(memory: Memory, monkeypatch: pytest.MonkeyPatch) -> None:
    from extagents.testing import FakeEndpoint
    from extagents.testing.endpoint import refusal

    def refuse(body: dict[str, Any]) -> Any:
        return refusal(400, "not today")

    async with FakeEndpoint(refuse) as first, FakeEndpoint(refuse) as other:
        monkeypatch.setenv("OPENAI_BASE_URL", other.base_url)
        begun = Coordinator("openai:x", base_url=first.base_url, memory=memory, window=8_000)
        with pytest.raises(Exception, match="not today"):
            await begun.aask(world.QUESTION, world.corpus(), run="mine")
        asked = len(first.requests)
        assert asked > 0
        readers: dict[Any, Any] = {"reader": "openai:y"}
        for given in ({"model": "openai:x"}, {"models": readers}, {}):
            with pytest.raises(Exception, match="not today"):
                await Coordinator(memory=memory, **given).aresume("mine", world.corpus())
            assert len(first.requests) > asked
            asked = len(first.requests)
            if "models" in given:
                assert {request["model"] for request in first.requests[-3:]} <= {"x", "y"}
                assert "x" in {request["model"] for request in first.requests[-20:]}
        assert other.requests == []


async def test_what_one_resume_is_given_the_next_one_has(memory: Memory) -> None:
    asked = team(memory=memory, budget=Budget(calls=5))
    await asked.aask(world.QUESTION, world.corpus(), run="mine")
    second = await team(memory=memory, budget=Budget(calls=9)).aresume("mine", world.corpus())
    assert isinstance(second, Answer)
    assert (second.stopped_by, second.usage.calls <= 9) == ("budget", True)
    record = await memory.load_run("mine")
    assert record is not None
    assert record.manifest.settings["budget"]["calls"] == 9
    assert len(record.manifest.shards) == second.coverage.shards


async def test_a_run_that_failed_while_it_was_planned_can_be_gone_on_with(memory: Memory) -> None:
    def broken(_: Any) -> Any:
        raise CallError("auth", "wrong key")

    with pytest.raises(Exception, match="wrong key"):
        await team(world.model(planner=broken), memory=memory).aask(world.QUESTION, world.corpus(), run="mine")
    record = await memory.load_run("mine")
    assert record is not None
    assert (record.status, record.lease) == ("failed", None)
    again = await team(memory=memory).aresume("mine", world.corpus())
    assert isinstance(again, Answer)
    assert again.answer == world.ANSWER


async def test_an_interrupt_that_comes_before_the_run_is_opened_is_not_missed(memory: Memory) -> None:
    await team(memory=memory, budget=Budget(calls=5)).aask(world.QUESTION, world.corpus(), run="mine")
    load, asked = memory.load_run, team(memory=memory, budget=Budget(calls=90))

    async def slow(run: str) -> Any:
        asked.interrupt()
        await asyncio.sleep(0)
        return await load(run)

    memory.load_run = slow  # type: ignore[method-assign]
    answer = await asked.aresume("mine", world.corpus())
    assert isinstance(answer, Answer)
    assert (answer.stopped_by, answer.partial) == ("cancelled", True)


async def test_closing_ends_resumed_runs_and_gives_their_leases_back(memory: Memory) -> None:
    await team(memory=memory, budget=Budget(calls=5)).aask(world.QUESTION, world.corpus(), run="mine")
    here, begun, never = asyncio.get_running_loop(), asyncio.Event(), asyncio.Event()

    async def hanging(_: Any) -> Any:
        here.call_soon_threadsafe(begun.set)  # the model runs in the background's loop
        await never.wait()

    asked = team(world.model(reader=hanging), memory=memory, budget=Budget(calls=90))
    running = asyncio.create_task(asked.aresume("mine", world.corpus()))
    await asyncio.wait_for(begun.wait(), 30)
    await asyncio.wait_for(asked.aclose(), 30)
    answer = await asyncio.wait_for(running, 30)
    assert isinstance(answer, Answer)
    assert answer.stopped_by == "cancelled"
    record = await memory.load_run("mine")
    assert record is not None
    assert record.lease is None


async def test_closing_lets_go_of_a_run_that_a_users_graph_has_left(memory: Memory) -> None:
    asked = team(memory=memory)
    async for _ in asked.graph().astream({"question": world.QUESTION, "over": world.corpus()}):
        break
    (begun,) = await memory.list_runs()
    assert live(begun.lease)
    await asked.aclose()
    (left,) = await memory.list_runs()
    assert (left.status, left.lease) == ("partial", None)


async def test_an_interrupt_ends_a_run_whose_endpoint_hangs_when_it_is_asked_what_it_serves(memory: Memory) -> None:
    from extagents.testing import FakeEndpoint
    from extagents.testing.endpoint import Fault

    async with FakeEndpoint(lambda body: Fault(hang=True), listing=Fault(hang=True)) as endpoint:
        asked = Coordinator("openai:x", base_url=endpoint.base_url, api_key="k", memory=memory)
        running = asyncio.create_task(asked.aask(world.QUESTION, world.corpus()))
        await asyncio.wait_for(endpoint.hanging.wait(), 30)
        asked.drain()
        answer = await asyncio.wait_for(running, 8)  # ten seconds is what asking may take by itself
        await asked.aclose()
    assert (answer.stopped_by, answer.answered) == ("cancelled", False)
