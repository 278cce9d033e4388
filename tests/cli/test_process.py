"""The command as a process: signals, pipes, and what a shell sees."""

from __future__ import annotations

import json
import os
import re
import shlex
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

COMMAND = [sys.executable, "-m", "extagents"]


@pytest.fixture
def library(tmp_path: Path) -> Path:
    """A folder with four documents of some length and one that is no text."""
    folder = tmp_path / "library"
    folder.mkdir()
    filler = "The weather was mild and nobody wrote anything down about it. " * 40
    for name, fact in {
        "archive.md": "The Meridian archive was founded in 1974 by Ilse Brandt.",
        "harbour.md": "The harbour of Tavira was dredged by Rui Salgado.",
        "mill.md": "The mill at Odense burned down in 1911.",
        "tower.md": "The tower in Graz was restored by Anna Petek.",
    }.items():
        (folder / name).write_text(f"# {name[:-3].title()}\n\n{fact}\n\n{filler}\n", encoding="utf-8")
    (folder / "photo.png").write_bytes(b"\x89PNG\r\n\x1a\n" + bytes(range(256)))
    return folder


@contextmanager
def started(*arguments: str, **options: object) -> Iterator[subprocess.Popen[str]]:
    """A command that is over, one way or another, when the block ends."""
    process = subprocess.Popen(
        [*COMMAND, *arguments], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, encoding="utf-8", **options
    )  # type: ignore[call-overload]
    try:
        yield process
    finally:
        process.kill()
        process.wait()
        for stream in (process.stdout, process.stderr):
            stream.close()


def ran(*arguments: str, **options: object) -> subprocess.CompletedProcess[str]:
    return subprocess.run([*COMMAND, *arguments], capture_output=True, text=True, encoding="utf-8", timeout=100, **options)  # type: ignore[call-overload]


def test_a_question_is_answered_with_citations_that_hold(library):
    done = ran("ask", "Who founded the Meridian archive?", "--over", str(library), "--json", "--memory", "memory://")
    assert done.returncode == 0, done.stderr
    answer = json.loads(done.stdout)
    assert "Ilse Brandt" in answer["answer"]
    for citation in answer["citations"]:
        text = (library / citation["document"]).read_text(encoding="utf-8")
        assert text[citation["start"] : citation["end"]] == citation["quote"]
    assert any("photo.png" in notice for notice in answer["notices"])


def test_a_question_without_an_answer_is_status_3_and_prints_nothing(library):
    done = ran("ask", "Which opera did Verdi write in 1871?", "--over", str(library), "--memory", "memory://")
    assert (done.returncode, done.stdout) == (3, ""), done.stderr
    assert "Nothing in the input answers this question." in done.stderr


@contextmanager
def waiting_run(endpoint: str, library: Path, *more: str) -> Iterator[subprocess.Popen[str]]:
    """A run whose model never answers, once the first call has reached the endpoint."""
    arguments = ("ask", "Who?", "--over", str(library), "--model", "openai:fake", "--base-url", endpoint, "--window", "16000")
    with started(*arguments, "--memory", "memory://", "--json", *more) as process:
        yield process


@pytest.fixture
async def hanging():
    """An endpoint that takes every call and never answers one."""
    from extagents.testing.endpoint import FakeEndpoint, Fault

    async with FakeEndpoint(lambda body: Fault(hang=True)) as endpoint:
        yield endpoint


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
async def test_one_signal_ends_with_what_there_is(hanging, library, number):
    import asyncio

    with waiting_run(hanging.base_url, library) as process:
        await asyncio.wait_for(hanging.hanging.wait(), 60)
        process.send_signal(number)
        out, err = await asyncio.wait_for(asyncio.to_thread(process.communicate), 60)
    assert process.returncode == 4, err
    answer = json.loads(out)
    assert (answer["stopped_by"], answer["partial"], answer["answered"]) == ("cancelled", True, False)


async def test_a_second_ctrl_c_ends_at_once_with_130(hanging, library, tmp_path):
    import asyncio

    # A coordinator that hears the first request to stop and goes on all the same.
    (tmp_path / "sitecustomize.py").write_text(
        "import extagents.coordinator\nextagents.coordinator.Coordinator.interrupt = lambda self: None\n", encoding="utf-8"
    )
    arguments = ("ask", "Who?", "--over", str(library), "--model", "openai:fake", "--base-url", hanging.base_url)
    with started(*arguments, "--memory", "memory://", env={**os.environ, "PYTHONPATH": str(tmp_path)}) as process:
        await asyncio.wait_for(hanging.hanging.wait(), 60)
        process.send_signal(signal.SIGINT)
        said = ""
        while "once more ends at once" not in said:
            line = await asyncio.wait_for(asyncio.to_thread(process.stderr.readline), 60)
            assert line, f"it ended: {said}"
            said += line
        process.send_signal(signal.SIGINT)
        assert await asyncio.wait_for(asyncio.to_thread(process.wait), 60) == 130
        assert process.stdout.read() == ""


def test_a_reader_that_goes_away_is_no_error(library):
    read, write = os.pipe()
    os.close(read)
    with os.fdopen(write, "w") as pipe:
        done = subprocess.run(
            [*COMMAND, "search", "archive", "--over", str(library), "--json", "--quiet"],
            stdout=pipe, stderr=subprocess.PIPE, text=True, timeout=100,
        )  # fmt: skip
    assert (done.returncode, done.stderr) == (0, "")


def test_a_stdout_that_knows_no_unicode_still_gets_valid_json(library):
    (library / "umlaut.md").write_text("Der Turm in Köln wurde von Jörg Müßig gebaut.\n", encoding="utf-8")
    environment = {**os.environ, "PYTHONIOENCODING": "ascii"}
    done = ran("search", "Turm Köln", "--over", str(library), "--json", env=environment)
    assert done.returncode == 0
    assert json.loads(done.stdout)["hits"][0]["document"] == "umlaut.md"


def test_help_and_version_go_to_stdout():
    for arguments in (["--help"], ["ask", "--help"], ["--version"]):
        done = ran(*arguments)
        assert (done.returncode, done.stderr) == (0, "")
        assert done.stdout
    assert re.fullmatch(r"extagents \d+\.\d+\.\d+\n", done.stdout)


@pytest.mark.parametrize("closed", ["0<&-", "2>&-", "2>/dev/full", "1>&-"])
def test_a_stream_that_is_closed_or_full_costs_no_answer(library, tmp_path, closed):
    out = tmp_path / "out.json"
    arguments = shlex.join([*COMMAND, "ask", "Who founded the Meridian archive?", "--over", str(library), "--json"])
    to_file = "" if closed.startswith("1") else f" > {shlex.quote(str(out))}"
    environment = {**os.environ, "EXTAGENTS_MEMORY": f"sqlite:///{tmp_path}/m.sqlite"}
    done = subprocess.run(f"{arguments}{to_file} {closed}", shell=True, env=environment, timeout=100)
    assert done.returncode == 0
    if to_file:
        assert json.loads(out.read_text(encoding="utf-8"))["answered"]


def test_a_stdout_on_a_full_disk_is_one_line_and_status_1(library):
    with open("/dev/full", "w") as full:
        done = subprocess.run(
            [*COMMAND, "search", "archive", "--over", str(library), "--json", "--quiet"],
            stdout=full, stderr=subprocess.PIPE, text=True, timeout=100,
        )  # fmt: skip
    assert done.returncode == 1
    assert done.stderr.count("\n") == 1, done.stderr
    assert "no space left" in done.stderr
