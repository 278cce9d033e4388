"""The command as a process that is killed, interrupted or told to end, over HTTP: what was answered is never asked again."""

from __future__ import annotations

import asyncio
import contextlib
import hashlib
import io
import json
import os
import re
import signal
import sys
import time
from collections import Counter
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
from reliability.kill_harness import comparable
from reliability.kill_scenarios import ANSWER, FOUND, QUESTION, STEPS, documents
from reliability.size import FULL, record, sized

from extagents import coordinator, workspace
from extagents.cli.main import main
from extagents.testing import FakeEndpoint
from extagents.testing.redis_server import RedisServer

PATIENCE = 60.0
CONCURRENCY = 4
ANSWERED = 5  # calls, before the endpoint holds what comes: the plan, and some of the readings
DRAIN_SECONDS = sized(0.6, coordinator.DRAIN_SECONDS)
LAST_SECONDS = sized(0.4, workspace.LAST_SECONDS_DRAINED)
END_SECONDS = 10.0  # after which a process that was told to end is killed, as a rule
MODEL = ("--model", "openai:fake", "--window", "4000", "--concurrency", str(CONCURRENCY))
OPTIONS = (*MODEL, "--effort", "thorough", "--rounds", "2")


# ------------------------------------------------------------------ the endpoint


@dataclass
class Oracle:
    """Answers by the prompt alone. After `most` answers it holds every call until `let_go`.

    `asked` and `answered` count prompts.
    """

    most: int | None = None
    asked: Counter[str] = field(default_factory=Counter)
    answered: Counter[str] = field(default_factory=Counter)
    holding: int = 0
    _open: asyncio.Event = field(default_factory=asyncio.Event)

    async def __call__(self, body: dict[str, Any]) -> str:
        texts = [message["content"] for message in body["messages"]]
        key = hashlib.blake2b("\0".join(texts).encode(), digest_size=12).hexdigest()
        self.asked[key] += 1
        if self.most is not None and self.asked.total() > self.most:
            self.holding += 1
            try:
                await self._open.wait()
            finally:
                self.holding -= 1
        self.answered[key] += 1
        return json.dumps(said(body["response_format"]["json_schema"]["name"], texts[1]))

    def let_go(self) -> None:
        self._open.set()


def said(role: str, prompt: str) -> dict[str, Any]:
    """What a model of this role says to a prompt."""
    if role == "planner":
        queries = ["Corvid Institute founder"]
        return {"core": QUESTION, "instructions": "", "kind": "multi_hop", "answer_type": "place", "queries": queries}
    if role == "reader":
        text = re.split(r"=== text \S+ (?:begins|ends) ===", prompt)[1]
        found = list(dict.fromkeys(FOUND.findall(text)))
        if STEPS[0] not in prompt and STEPS[1] in found:
            found.remove(STEPS[1])
        facts = [{"claim": one, "quote": one, "relevance": 0.9 if one in STEPS else 0.4} for one in found]
        return {"facts": facts, "queries": ["Where was Mirelle Tanager born?"] if STEPS[0] in found else [], "continues": False}
    lines = prompt.splitlines()
    labels = [re.match(r"\[(\d+)\]", line) for step in STEPS for line in lines if step in line]
    numbers = list(dict.fromkeys(int(found[1]) for found in labels if found))
    enough = len(numbers) == 2
    verdict = {"answerable": enough, "answer": ANSWER if enough else "", "confidence": 0.9 if enough else 0.0}
    return {**verdict, "facts": numbers if enough else [], "queries": [] if enough else ["birthplace of Mirelle Tanager"]}


# ------------------------------------------------------------------ the command


@dataclass
class Desk:
    """Where the commands of a test are given: a folder of documents, a memory, an endpoint."""

    folder: Path
    memory: str
    base_url: str
    variables: dict[str, str] = field(default_factory=dict)

    @asynccontextmanager
    async def begun(self, *arguments: str) -> AsyncIterator[asyncio.subprocess.Process]:
        """A command that is over, one way or another, when the block ends."""
        process = await asyncio.create_subprocess_exec(
            *(sys.executable, "-m", "extagents", *arguments, "--memory", self.memory),
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.PIPE,
            env={**os.environ, **self.variables},
        )
        try:
            yield process
        finally:
            if process.returncode is None:
                process.kill()
            await process.communicate()

    def ask(self, *more: str) -> tuple[str, ...]:
        """The question, in a run of the name `r`."""
        given = ("ask", QUESTION, "--over", str(self.folder), "--base-url", self.base_url, *OPTIONS)
        return (*given, "--run", "r", "--json", *more)

    async def ran(self, *arguments: str) -> tuple[int, str, str]:
        """Exit status, stdout and stderr of a command that ends by itself; in the short size on a thread of this process."""
        if not FULL:
            return await asyncio.to_thread(here, *arguments, "--memory", self.memory)
        async with self.begun(*arguments) as process:
            return await ended(process)

    async def gone_on_with(self, *arguments: str) -> dict[str, Any]:
        """The answer that a command prints which goes on with the run."""
        status, out, err = await self.ran(*arguments)
        assert status == 0, err
        answer: dict[str, Any] = json.loads(out)
        return answer


def here(*arguments: str) -> tuple[int, str, str]:
    """The same command without a process of its own."""
    out, err = io.StringIO(), io.StringIO()
    with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
        status = main(arguments)
    return status, out.getvalue(), err.getvalue()


async def ended(process: asyncio.subprocess.Process) -> tuple[int, str, str]:
    out, err = await asyncio.wait_for(process.communicate(), PATIENCE)
    assert process.returncode is not None
    return process.returncode, out.decode(), err.decode()


@pytest.fixture(autouse=True)
def _key(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OPENAI_API_KEY", "none")


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The documents as files."""
    made = tmp_path_factory.mktemp("documents")
    for document in documents(24):
        (made / f"{document.id}.txt").write_text(document.text, encoding="utf-8")
    return made


@pytest.fixture
async def whole(folder: Path, tmp_path: Path) -> tuple[dict[str, Any], int]:
    """The answer of a run that nobody disturbed, and how many calls it took."""
    oracle = Oracle()
    async with FakeEndpoint(oracle) as endpoint:
        desk = Desk(folder, f"sqlite:///{tmp_path}/whole.sqlite", endpoint.base_url)
        answer = await desk.gone_on_with(*desk.ask())
    assert answer["answer"] == ANSWER
    assert oracle.asked.total() == answer["usage"]["calls"] > ANSWERED + CONCURRENCY
    return comparable(answer), oracle.asked.total()


async def until(state: Any, otherwise: str) -> None:
    """Waits for a state of the endpoint."""
    deadline = time.monotonic() + PATIENCE
    while not state():
        assert time.monotonic() < deadline, otherwise
        await asyncio.sleep(0.002)


@asynccontextmanager
async def held_up(folder: Path, memory: str, *more: str, **variables: str) -> AsyncIterator[tuple[Any, ...]]:
    """A run of which `ANSWERED` calls were answered, and whose others wait at the endpoint, as many as may be in flight."""
    oracle = Oracle(most=ANSWERED)
    async with FakeEndpoint(oracle) as endpoint:
        desk = Desk(folder, memory, endpoint.base_url, variables)
        async with desk.begun(*desk.ask(*more)) as process:
            await until(lambda: oracle.holding == CONCURRENCY or process.returncode is not None, "the run came to nothing")
            assert process.returncode is None, (await process.communicate())[1]
            yield desk, process, oracle


def same_and_paid_once(
    answer: dict[str, Any], oracle: Oracle, before: Counter[str], whole: tuple[dict[str, Any], int], *, extra: int = 0
) -> int:
    """Checks the answer of a resumed run, and that nothing was asked again that had been answered; the number of calls.

    `extra`: calls that the partial answer took, which nobody needs in an undisturbed run.
    """
    expected, calls = whole
    assert {**comparable(answer), "run_id": "r"} == {**expected, "run_id": "r"}
    again = {key: oracle.asked[key] for key in before if oracle.asked[key] > 1}
    assert not again, f"asked again after it was answered: {again}"
    assert oracle.asked.total() <= calls + CONCURRENCY + extra
    return oracle.asked.total()


# ------------------------------------------------------------------ kill -9


@pytest.mark.parametrize("store", ["sqlite", "redis"] if FULL else ["sqlite"])
async def test_a_killed_command_is_listed_as_interrupted_and_resumed_by_its_name_alone(
    folder: Path, tmp_path: Path, whole: tuple[dict[str, Any], int], store: str
) -> None:
    with RedisServer() if store == "redis" else contextlib.nullcontext() as server:
        memory = server.url if server is not None else f"sqlite:///{tmp_path}/m.sqlite"
        async with held_up(folder, memory) as (desk, process, oracle):
            running = json.loads((await desk.ran("runs", "list", "--json"))[1])["runs"]
            assert [(run["run"], run["status"]) for run in running] == [("r", "running")]
            before = Counter(oracle.answered)
            process.kill()
            await process.wait()
            listed = json.loads((await desk.ran("runs", "list", "--json"))[1])["runs"]
            assert [(run["run"], run["status"]) for run in listed] == [("r", "interrupted")]
            assert "\tinterrupted\t" in (await desk.ran("runs", "list"))[1]
            oracle.let_go()
            answer = await desk.gone_on_with("runs", "resume", "r", "--json")
            calls = same_and_paid_once(answer, oracle, before, whole)
            listed = json.loads((await desk.ran("runs", "list", "--json"))[1])["runs"]
            assert [run["status"] for run in listed] == ["done"]
            assert comparable(await desk.gone_on_with("runs", "resume", "r", "--json")) == comparable(answer)
            assert oracle.asked.total() == calls
    record("killed command", store=store, calls=calls, undisturbed=whole[1], answered_before=len(before))


async def test_a_command_that_works_on_the_run_is_told_by_exit_2(folder: Path, tmp_path: Path) -> None:
    async with held_up(folder, f"sqlite:///{tmp_path}/m.sqlite") as (desk, process, oracle):
        asked = oracle.asked.total()
        for arguments in (("runs", "resume", "r", "--json"), desk.ask("--resume")):
            status, out, err = await desk.ran(*arguments)
            assert status == 2, err
            error = json.loads(out)["error"]
            assert error["type"] == "RunBusy"
            assert f"by process {process.pid}, since" in error["message"]
            assert "resume the run" in error["hint"]
            assert err.count("\n") == 1
        assert oracle.asked.total() == asked
        status, _, err = await desk.ran("runs", "forget", "r")
        assert status == 2, err


# ------------------------------------------------------------------ signals


@pytest.mark.parametrize("way", ["runs resume", "ask --resume"] if FULL else ["ask --resume"])
async def test_ctrl_c_ends_with_what_there_is_and_the_run_goes_on_later(
    folder: Path, tmp_path: Path, whole: tuple[dict[str, Any], int], way: str
) -> None:
    async with held_up(folder, f"sqlite:///{tmp_path}/m.sqlite") as (desk, process, oracle):
        before = Counter(oracle.answered)
        asked = oracle.asked.total()
        process.send_signal(signal.SIGINT)
        await until(lambda: oracle.asked.total() > asked, "nobody asked what to make of what there is")
        oracle.let_go()
        status, out, err = await ended(process)
        assert status == 4, err
        partial = json.loads(out)
        assert (partial["partial"], partial["stopped_by"]) == (True, "cancelled")
        assert 0 < partial["coverage"]["shards_read"] < partial["coverage"]["shards"]
        listed = json.loads((await desk.ran("runs", "list", "--json"))[1])["runs"]
        assert [run["status"] for run in listed] == ["partial"]
        how = ("runs", "resume", "r", "--json") if way == "runs resume" else desk.ask("--resume")
        same_and_paid_once(await desk.gone_on_with(*how), oracle, before, whole, extra=1)


def patched(folder: Path, code: str) -> dict[str, str]:
    """Variables under which every Python process runs the code first."""
    folder.mkdir()
    (folder / "sitecustomize.py").write_text(code, encoding="utf-8")
    return {"PYTHONPATH": str(folder)}


async def test_ctrl_c_twice_ends_at_once_and_the_run_goes_on_later(
    folder: Path, tmp_path: Path, whole: tuple[dict[str, Any], int]
) -> None:
    # A coordinator that hears the first request to stop and goes on all the same.
    deaf = patched(
        tmp_path / "deaf",
        "import os, sys\nif 'ask' in sys.argv:\n    import extagents.coordinator\n"
        "    extagents.coordinator.Coordinator.interrupt = lambda self: os.write(2, b'heard\\n')\n",
    )
    async with held_up(folder, f"sqlite:///{tmp_path}/m.sqlite", **deaf) as (desk, process, oracle):
        before = Counter(oracle.answered)
        process.send_signal(signal.SIGINT)
        while (await asyncio.wait_for(process.stderr.readline(), PATIENCE)) != b"heard\n":
            assert process.returncode is None
        process.send_signal(signal.SIGINT)
        assert await asyncio.wait_for(process.wait(), PATIENCE) == 130
        oracle.let_go()
        same_and_paid_once(await desk.gone_on_with("runs", "resume", "r", "--json"), oracle, before, whole)


async def test_sigterm_waits_for_the_calls_under_way_and_starts_no_others(
    folder: Path, tmp_path: Path, whole: tuple[dict[str, Any], int]
) -> None:
    async with held_up(folder, f"sqlite:///{tmp_path}/m.sqlite") as (desk, process, oracle):
        asked = oracle.asked.total()
        process.send_signal(signal.SIGTERM)
        listed = json.loads((await desk.ran("runs", "list", "--json"))[1])["runs"]  # some time goes by
        assert [run["status"] for run in listed] == ["running"]
        assert (process.returncode, oracle.holding, oracle.asked.total()) == (None, CONCURRENCY, asked)
        oracle.let_go()
        status, out, err = await ended(process)
        assert status == 4, err
        assert json.loads(out)["stopped_by"] == "cancelled"
        before = Counter(oracle.answered)
        assert len(before) >= ANSWERED + CONCURRENCY
        answer = await desk.gone_on_with("runs", "resume", "r", "--json")
        calls = same_and_paid_once(answer, oracle, before, whole, extra=1)
        assert calls <= whole[1] + 1  # not one of those under way was lost; one more judged what there was at the end


async def test_sigterm_ends_in_time_even_if_nothing_answers_any_more(
    folder: Path, tmp_path: Path, whole: tuple[dict[str, Any], int]
) -> None:
    short = patched(
        tmp_path / "short",
        "import sys\nif 'ask' in sys.argv:\n    import extagents.coordinator, extagents.workspace\n"
        f"    extagents.coordinator.Coordinator.drain.__defaults__ = ({DRAIN_SECONDS},)\n"
        f"    extagents.workspace.LAST_SECONDS_DRAINED = {LAST_SECONDS}\n",
    )
    async with held_up(folder, f"sqlite:///{tmp_path}/m.sqlite", **short) as (desk, process, oracle):
        before = Counter(oracle.answered)
        since = time.monotonic()
        process.send_signal(signal.SIGTERM)
        status, out, err = await ended(process)
        waited = time.monotonic() - since
        assert status == 4, err
        assert json.loads(out)["partial"]
        oracle.let_go()
        same_and_paid_once(await desk.gone_on_with("runs", "resume", "r", "--json"), oracle, before, whole, extra=1)
    record("SIGTERM, endpoint hangs", seconds=round(waited, 2), drain_seconds=DRAIN_SECONDS)
    assert waited < END_SECONDS
