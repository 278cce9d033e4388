"""Whatever is wrong: one line that says what to do and the right exit status, or a notice and an answer from the rest."""

from __future__ import annotations

import asyncio
import gzip
import json
import os
import socket
from pathlib import Path

import pytest

from extagents.testing.endpoint import FakeEndpoint, Fault, refusal

QUESTION = "Who founded the Meridian archive?"
FACT = "The Meridian archive was founded in 1974 by Ilse Brandt.\n"


@pytest.fixture
def library(tmp_path: Path) -> Path:
    folder = tmp_path / "library"
    folder.mkdir()
    (folder / "archive.md").write_text(f"# Archive\n\n{FACT}", encoding="utf-8")
    return folder


def failed(ran, status: int, *said: str) -> dict[str, object]:
    """Checks that a command failed as the contract says, and returns its error object."""
    error: dict[str, object] = json.loads(ran.out)["error"]
    assert ran.status == status, ran.err
    assert set(error) == {"type", "message", "hint", "retryable", "run_id"}
    assert error["hint"], f"no hint: {error}"
    assert ran.err.count("\n") == 1, ran.err
    for part in said:
        assert part.lower() in ran.err.lower(), ran.err
    return error


def ask(cli, *arguments: str, question: str = QUESTION):
    return cli("ask", question, "--memory", "memory://", "--json", "--over", *arguments)


def test_a_wrong_path(cli, tmp_path):
    failed(ask(cli, str(tmp_path / "nowhere")), 2, "nowhere")


def test_an_empty_folder(cli, tmp_path):
    failed(ask(cli, str(tmp_path)), 2)


def test_a_folder_of_images(cli, tmp_path):
    for name in ("a.png", "b.jpg"):
        (tmp_path / name).write_bytes(b"\x89PNG\r\n\x1a\n" + bytes(range(256)))
    failed(ask(cli, str(tmp_path)), 2)


def test_a_damaged_pdf_alone_is_an_error_and_beside_others_a_notice(cli, tmp_path, library):
    broken = tmp_path / "broken.pdf"
    broken.write_bytes(b"%PDF-1.7\n" + b"garbage " * 50)
    failed(ask(cli, str(broken)), 2, "broken.pdf")
    ran = ask(cli, str(library), str(broken))
    answer = json.loads(ran.out)
    assert ran.status == 0
    assert "Ilse Brandt" in answer["answer"]
    assert any("broken.pdf" in notice for notice in answer["notices"])


def test_bytes_that_are_no_unicode_and_a_cut_off_gzip(cli, library):
    (library / "latin.txt").write_bytes(b"Caf\xe9 \xff\xfe\x80 and more words that are plain enough to be guessed.\n")
    (library / "cut.txt.gz").write_bytes(gzip.compress(os.urandom(5_000))[:1_000])
    ran = ask(cli, str(library))
    assert ran.status == 0
    assert any("cut.txt.gz" in notice for notice in json.loads(ran.out)["notices"])


def test_a_document_that_is_one_long_line(cli, library):
    (library / "line.txt").write_text("Nobody wrote anything down about the weather, " * 20_000, encoding="utf-8")
    ran = ask(cli, str(library))
    assert ran.status == 0
    assert "Ilse Brandt" in json.loads(ran.out)["answer"]


def test_an_empty_question(cli, library):
    failed(ask(cli, str(library), question="  "), 2, "question")


def test_a_question_longer_than_the_window(cli, library):
    failed(ask(cli, str(library), "--window", "4000", question="why " * 20_000 + "?"), 2, "question")


def test_a_window_smaller_than_the_prompts(cli, library):
    failed(ask(cli, str(library), "--window", "600"), 2, "window")


@pytest.mark.parametrize("model", ["gpt-4o", "nothing", "openai:", "langchain:x", "vllm:some/model"])
def test_an_unknown_model(cli, library, model):
    assert failed(ask(cli, str(library), "--model", model), 2)["type"] == "SettingsError"


def test_no_key(cli, library):
    failed(ask(cli, str(library), "--model", "openai:gpt-4o-mini"), 2, "OPENAI_API_KEY")


def closed_port() -> int:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        return int(free.getsockname()[1])


async def over_endpoint(cli, library: Path, script: object, *more: str):
    async with FakeEndpoint(lambda body: script, models=[{"id": "m", "max_model_len": 16_000}]) as endpoint:
        arguments = (str(library), "--model", "openai:m", "--base-url", endpoint.base_url, *more)
        return await asyncio.to_thread(ask, cli, *arguments)


async def test_a_wrong_key(cli, library):
    ran = await over_endpoint(cli, library, refusal(401, "Incorrect API key provided: sk-secret"))
    error = failed(ran, 1, "key")
    assert error["retryable"] is False
    assert "sk-secret" not in ran.out + ran.err


async def test_an_unknown_model_at_the_endpoint(cli, library):
    failed(await over_endpoint(cli, library, refusal(404, "The model `m` does not exist")), 1, "model")


def test_an_unreachable_endpoint(cli, library):
    where = f"http://127.0.0.1:{closed_port()}/v1"
    error = failed(ask(cli, str(library), "--model", "openai:m", "--base-url", where, "--deadline", "20"), 1)
    assert error["type"] == "ModelError"


async def test_a_model_that_answers_prose(cli, library):
    ran = await over_endpoint(cli, library, "I am afraid I would rather talk about the weather.")
    assert ran.status == 1, ran.out
    failed(ran, 1)


async def test_a_deadline_over_a_model_that_hangs(cli, library):
    ran = await over_endpoint(cli, library, Fault(hang=True), "--deadline", "1")
    answer = json.loads(ran.out)
    assert ran.status == 4, ran.err
    assert (answer["stopped_by"], answer["answered"], answer["answer"]) == ("deadline", False, "")


def test_a_budget_too_small_for_anything(cli, library):
    ran = ask(cli, str(library), "--max-tokens", "5")
    assert ran.status == 4, ran.err
    assert json.loads(ran.out)["stopped_by"] == "budget"


def test_a_memory_that_is_not_there(cli, library):
    url = f"redis://127.0.0.1:{closed_port()}/0"
    ran = cli("ask", QUESTION, "--over", str(library), "--memory", url, "--json")
    assert failed(ran, 1, "redis")["type"] == "StoreError"


def test_a_memory_where_nothing_can_be_written(cli, library, tmp_path):
    (tmp_path / "file").write_text("in the way", encoding="utf-8")
    ran = cli("ask", QUESTION, "--over", str(library), "--memory", f"sqlite:///{tmp_path}/file/m.sqlite", "--json")
    assert failed(ran, 1)["type"] == "StoreError"


def test_a_file_that_is_no_memory(cli, library):
    ran = cli("ask", QUESTION, "--over", str(library), "--memory", f"sqlite:///{library}/archive.md", "--json")
    failed(ran, 1)
    assert (library / "archive.md").read_text(encoding="utf-8").endswith(FACT)


def test_a_cache_that_cannot_be_written_costs_time_only(cli, library, tmp_path, monkeypatch):
    (tmp_path / "file").write_text("in the way", encoding="utf-8")
    monkeypatch.setenv("EXTAGENTS_CACHE", str(tmp_path / "file" / "cache"))
    assert ask(cli, str(library)).status == 0
