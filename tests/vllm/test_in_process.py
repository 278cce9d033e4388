"""`vllm:MODEL`: a real engine in this process, shared by all roles."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import world
from tiny_vllm import ARGUMENTS, engines, prompt, shard, until

from extagents import Coordinator
from extagents.errors import CallError, ModelError, SettingsError
from extagents.gate import Account, Gate
from extagents.limiter import Limiter
from extagents.models import vllm_shared
from extagents.models.base import Completion, Prompt
from extagents.models.vllm_engine import VllmEngine
from extagents.types import Plain, Reading

Answered = list[tuple[Prompt[Any], Completion[Any]]]


@pytest.fixture(scope="module")
def engine(tiny: str) -> Iterator[VllmEngine]:
    """A model that keeps the engine alive for the module; others of the same name share it."""
    model = VllmEngine(tiny, arguments=ARGUMENTS)
    asyncio.run(model.describe())
    yield model
    asyncio.run(model.aclose())
    asyncio.run(until(lambda: engines() == [], why="the engine's process lives on"))


@pytest.fixture
def answered(monkeypatch: pytest.MonkeyPatch) -> Answered:
    """Every prompt that the engine answers, with its completion."""
    seen: Answered = []
    complete = VllmEngine.complete

    async def recorded(self: VllmEngine, prompt: Prompt[Any], **options: Any) -> Completion[Any]:
        completion = await complete(self, prompt, **options)
        seen.append((prompt, completion))
        return completion

    monkeypatch.setattr(VllmEngine, "complete", recorded)
    return seen


@pytest.fixture
def team(tiny: str, engine: VllmEngine) -> Iterator[Coordinator]:
    with Coordinator(f"vllm:{tiny}", memory="memory://", vllm=ARGUMENTS, shard_tokens=1_500) as made:
        yield made


def test_every_answer_of_a_whole_run_is_the_json_that_was_asked_for(team: Coordinator, answered: Answered) -> None:
    answer = team.ask(world.QUESTION, over=world.documents(12))
    assert answer.coverage.shards_read == answer.coverage.shards >= 5
    assert answer.coverage.failed == 0
    assert {"planner", "reader"} <= {asked.role for asked, _ in answered}
    for asked, completion in answered:
        if completion.finish == "stop" and not issubclass(asked.output, Plain):
            asked.output.model_validate_json(completion.text)  # as it is: no tolerance, no repair
    ended = sum(completion.finish == "stop" for _, completion in answered)
    assert ended >= 0.9 * len(answered)
    assert answer.usage.cost == 0


def test_a_second_question_finds_the_shards_in_the_cache(team: Coordinator, answered: Answered) -> None:
    documents = world.documents(9, length=60)
    team.ask("Who founded the Corvid Institute?", over=documents)
    answered.clear()
    team.ask("How many ropes does the harbour office list?", over=documents)
    reads = [(asked, completion.usage) for asked, completion in answered if asked.role == "reader"]
    assert reads
    found = sum(usage.cached_tokens for _, usage in reads) / sum(usage.input_tokens for _, usage in reads)
    assert found > 0.6


async def test_two_roles_and_two_coordinators_share_one_engine(tiny: str, engine: VllmEngine) -> None:
    name = f"vllm:{tiny}"
    teams = [
        Coordinator(name, models={"reader": name, "reasoner": name}, memory="memory://", vllm=ARGUMENTS, shard_tokens=1_500)
        for _ in range(2)
    ]
    answers = await asyncio.gather(*(team.aask(world.QUESTION, over=world.documents(8)) for team in teams))
    assert all(answer.coverage.shards_read for answer in answers)
    assert len(engines()) == 1
    for team in teams:
        await team.aclose()
    assert len(engines()) == 1  # the module's own model still holds it


async def test_an_answer_streams_as_it_is_written(engine: VllmEngine) -> None:
    pieces: list[str] = []
    completion: Completion[Any] = await engine.complete(prompt(output=Reading), on_delta=pieces.append)
    assert "".join(pieces) == completion.text
    assert len(pieces) > 3
    assert json.loads(completion.text)


async def test_cancelling_a_call_aborts_its_request_in_the_engine(engine: VllmEngine, tiny: str) -> None:
    begun = asyncio.Event()
    loop = asyncio.get_running_loop()

    def on_delta(_: str) -> None:
        loop.call_soon_threadsafe(begun.set)

    long = prompt(output=Plain, room=15_000, text="Write down all that you know of ropes.")
    call = asyncio.create_task(engine.complete(long, on_delta=on_delta))
    await asyncio.wait_for(begun.wait(), 60)
    assert not call.done()
    shared = vllm_shared._ENGINES[tiny]
    assert shared.starting is not None
    real = shared.starting.result()
    assert real.output_processor.get_num_unfinished_requests() == 1
    call.cancel()
    with pytest.raises(asyncio.CancelledError):
        await call
    assert real.output_processor.get_num_unfinished_requests() == 0
    await engine.complete(prompt())
    await until(lambda: shared.load.running <= 1)


async def test_whoever_is_waited_for_goes_before_the_readers(engine: VllmEngine) -> None:
    order: list[str] = []

    async def ask(role: str, number: int) -> None:
        await engine.complete(prompt(role, text=f"{shard(number)} Go on.", output=Plain, room=300))
        order.append(role)

    readers = [asyncio.create_task(ask("reader", number)) for number in range(24)]
    await until(lambda: len(order) >= 2)
    reasoner = asyncio.create_task(ask("reasoner", 100))
    await asyncio.gather(*readers, reasoner)
    # Four run at a time: without priority it would be the last.
    assert order.index("reasoner") <= 14


async def test_a_prompt_that_is_too_long_is_told_so(engine: VllmEngine) -> None:
    with pytest.raises(CallError) as caught:
        await engine.complete(prompt(text=shard(1, lines=3_000)))
    assert caught.value.kind == "context_length"
    assert "16384" in caught.value.message


async def test_the_engine_tells_its_load_to_the_limiter(engine: VllmEngine, monkeypatch: pytest.MonkeyPatch) -> None:
    from extagents import limiter

    monkeypatch.setattr(limiter, "LOOK_EVERY", 0.05)
    gate = Gate({"default": engine}, limiter=Limiter(32))
    state = gate.limiter.endpoint(engine.name)
    account = Account("run")
    calls = [gate.call(prompt("reader", text=shard(n), output=Plain, room=200), account) for n in range(64)]
    await asyncio.gather(*calls)
    assert state.load is not None
    assert state.load.looked_up > 0
    assert state.limit < 32  # four at a time are all that it works on
    await gate.limiter.aclose()


async def test_an_engine_that_is_killed_is_started_again(engine: VllmEngine, tiny: str) -> None:
    other = VllmEngine(tiny, arguments=ARGUMENTS)
    await other.describe()
    (pid,) = engines()
    os.kill(pid, signal.SIGKILL)
    shared = vllm_shared._ENGINES[tiny]
    await until(lambda: shared.dead)
    completion: Completion[Any] = await other.complete(prompt())
    assert json.loads(completion.text)
    assert len(engines()) == 1
    assert engines() != [pid]
    await engine.describe()  # holds the new one from now on
    await other.aclose()
    assert len(engines()) == 1


async def test_a_model_that_is_not_there_and_an_argument_that_is_none(tmp_path: Path, tiny: str) -> None:
    missing = VllmEngine(str(tmp_path / "nothing"))
    with pytest.raises(ModelError, match="could not start"):
        await missing.describe()
    await missing.aclose()
    (tmp_path / "copy").symlink_to(tiny)
    wrong = VllmEngine(str(tmp_path / "copy"), arguments={"max_model_length": 4096})
    with pytest.raises(SettingsError, match="max_model_len"):
        await wrong.describe()
    await wrong.aclose()


SCRIPT = """
import sys
from extagents import Coordinator, Document

team = Coordinator(sys.argv[1], memory="memory://")
answer = team.ask("Who?", over=[Document(id="a", text="Ada founded the club in 1843. " * 30)])
print(answer.usage.calls > 0, flush=True)
"""


@pytest.fixture
def run(tiny: str, tmp_path: Path) -> Callable[..., subprocess.CompletedProcess[str]]:
    """Runs Python in a session of its own, of which nothing may be left."""

    def ran(*arguments: str) -> subprocess.CompletedProcess[str]:
        told = {**os.environ, "EXTAGENTS_VLLM": json.dumps(ARGUMENTS), "EXTAGENTS_DATA": str(tmp_path)}
        process = subprocess.Popen(
            [sys.executable, *arguments],
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            env=told,
            start_new_session=True,
            cwd=tmp_path,
        )
        out, error = process.communicate(timeout=240)
        return subprocess.CompletedProcess([str(process.pid)], process.returncode, out, error)

    return ran


def group_ended(ran: subprocess.CompletedProcess[str]) -> bool:
    try:
        os.killpg(int(ran.args[0]), 0)
    except ProcessLookupError:
        return True
    return False


async def test_a_plain_script_works_and_leaves_no_process_behind(run: Callable[..., Any], tiny: str, tmp_path: Path) -> None:
    script = tmp_path / "script.py"
    script.write_text(SCRIPT, encoding="utf-8")  # no `if __name__ == "__main__"`, and nothing is closed
    ran = await asyncio.to_thread(run, str(script), f"vllm:{tiny}")
    assert (ran.returncode, ran.stdout) == (0, "True\n"), ran.stderr[-2000:]
    await until(lambda: group_ended(ran), why="processes of the engine are left")


async def test_the_command_line_prints_its_result_alone(run: Callable[..., Any], tiny: str, tmp_path: Path) -> None:
    (tmp_path / "a.txt").write_text("Ada founded the club in 1843. " * 30, encoding="utf-8")
    arguments = (
        "-m",
        "extagents",
        "ask",
        "Who?",
        "--over",
        "a.txt",
        "--model",
        f"vllm:{tiny}",
        "--json",
        "--memory",
        "memory://",
    )
    ran = await asyncio.to_thread(run, *arguments)
    assert ran.returncode in (0, 3), ran.stderr[-2000:]
    told = json.loads(ran.stdout)
    assert told["model"] == f"vllm:{tiny}"
    assert told["usage"]["cost"] == 0
    await until(lambda: group_ended(ran), why="processes of the engine are left")


def test_doctor_starts_the_engine_and_says_what_it_found(run: Callable[..., Any], tiny: str) -> None:
    ran = run("-m", "extagents", "doctor", "--json", "--model", f"vllm:{tiny}", "--memory", "memory://")
    found = {check["name"]: check for check in json.loads(ran.stdout)["checks"]}
    assert "version" in found["extra vllm"]["detail"]
    assert found["model"]["status"] == "ok", ran.stderr[-2000:]
    assert "16,384 tokens" in found[f"window of vllm:{tiny}"]["detail"]
