"""Whatever is wrong: one line that says what to do and the right exit status, or a notice and an answer from the rest."""

from __future__ import annotations

import asyncio
import gzip
import json
import os
import socket
from pathlib import Path
from urllib.parse import quote

import pytest
from sentinels import API_KEY as KEY
from sentinels import PASSWORD, files_with_sentinels, form_in

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


def test_no_key(cli, library, monkeypatch):
    monkeypatch.delenv("EXTAGENTS_API_KEY")
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
    error = failed(ran, 2, "The budget of 5 tokens does not cover the smallest run")
    assert error["type"] == "BudgetTooSmall"
    assert "the whole question:" in error["message"]
    assert "--max-tokens" in error["hint"]


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


# ------------------------------------------------------------------ secrets


def test_a_base_url_with_a_password_is_refused_without_showing_it(cli, library):
    ran = ask(cli, str(library), "--model", "openai:m", "--base-url", f"http://user:{quote(PASSWORD)}@127.0.0.1:9/v1")
    failed(ran, 2, "base URL")
    assert form_in(ran.out + ran.err) is None


@pytest.mark.parametrize("end", ["\u00e9", "\n\rX-Other: y", "\u2026"])
def test_a_key_that_no_header_can_carry_is_refused_without_showing_it(cli, library, monkeypatch, end):
    monkeypatch.setenv("EXTAGENTS_API_KEY", KEY + end + "z")
    where = f"http://127.0.0.1:{closed_port()}/v1"
    ran = ask(cli, str(library), "--model", "openai:m", "--base-url", where)
    failed(ran, 2, "OPENAI_API_KEY")
    assert KEY not in ran.out + ran.err


async def test_secrets_appear_nowhere(cli, library, tmp_path, monkeypatch, caplog):
    """An endpoint that repeats the key in all that it says: not in any output, nor in the files of memory and cache."""
    monkeypatch.setenv("EXTAGENTS_CACHE", str(tmp_path / "kept" / "cache"))
    monkeypatch.setenv("EXTAGENTS_DEBUG", "1")
    memory = f"sqlite:///{tmp_path}/kept/memory.sqlite"
    said = ""
    for number, script in enumerate((refusal(401, f"Wrong key {KEY}"), refusal(400, f"Bearer {KEY}"), f"Not JSON: {KEY}")):
        async with FakeEndpoint(lambda body, script=script: script, models=[{"id": "m", "max_model_len": 16_000}]) as endpoint:
            to_it = ("--model", "openai:m", "--base-url", endpoint.base_url, "--memory", memory)
            for command in (
                ("ask", QUESTION, "--over", str(library), "--run", f"run{number}", "--json", *to_it),
                ("doctor", *to_it),
                ("runs", "show", f"run{number}", "--json", "--memory", memory),
            ):
                ran = await asyncio.to_thread(cli, *command)
                said += ran.out + ran.err
    ran = await asyncio.to_thread(cli, "doctor", "--memory", f"redis://user:{quote(PASSWORD)}@127.0.0.1:{closed_port()}/0")
    said += ran.out + ran.err + caplog.text
    assert "***" in said
    assert "redis://127.0.0.1" in said
    assert form_in(said) is None
    kept = [path for path in (tmp_path / "kept").rglob("*") if path.is_file()]
    assert len(kept) > 1
    assert not files_with_sentinels(tmp_path / "kept")


# ------------------------------------------------------------------ settings and names


@pytest.mark.parametrize(
    ("variable", "value", "said"),
    [
        ("EXTAGENTS_ROUNDS", "0", "the variable EXTAGENTS_ROUNDS."),
        ("EXTAGENTS_MODELS", '{"nobody": "extractive"}', "the variable EXTAGENTS_MODELS__NOBODY."),
        ("EXTAGENTS_MODELS", "{bad", "The variable EXTAGENTS_MODELS "),
        ("EXTAGENTS_BUDGET", "much", "The variable EXTAGENTS_BUDGET "),
        ("EXTAGENTS_BUDGET__TOKENS", "x", "the variable EXTAGENTS_BUDGET__TOKENS."),
        ("EXTAGENTS_TIMEOUT", "nan", "the variable EXTAGENTS_TIMEOUT."),
    ],
)
def test_a_variable_that_cannot_be_is_named_as_it_is_written(cli, library, monkeypatch, variable, value, said):
    monkeypatch.setenv(variable, value)
    ran = ask(cli, str(library))
    failed(ran, 2)
    assert said in ran.err


def test_names_of_files_act_on_no_terminal(cli, library):
    name = b"\x1b]0;owned\x07 two\nlines \xff.pdf"
    with open(os.path.join(os.fsencode(library), name), "wb") as file:
        file.write(b"%PDF-1.7 nothing")
    ran = cli("corpus", str(library))
    assert ran.status == 0
    assert len(ran.out.splitlines()) == 4, ran.out
    assert "\x1b" not in ran.out + ran.err
    ran = cli("ask", QUESTION, "--over", str(library), "--memory", "memory://")
    assert (ran.status, ran.out) == (0, "Ilse Brandt\n")
    assert "\x1b" not in ran.err


@pytest.mark.parametrize(
    "name", ["../../etc/passwd", "a\nb", "x'; DROP TABLE runs;--", "\x1b[31mred", "\N{BOOKS}", "r" * 5_000]
)
def test_a_run_may_have_any_name(cli, library, tmp_path, name):
    memory = ("--memory", f"sqlite:///{tmp_path}/m.sqlite")
    ran = cli("ask", QUESTION, "--over", str(library), *memory, "--run", name, "--json")
    assert (ran.status, json.loads(ran.out)["run_id"]) == (0, name)
    assert cli("ask", QUESTION, "--over", str(library), *memory, "--run", name).status == 2
    shown = cli("runs", "show", name, *memory)
    assert shown.status == 0
    assert "\x1b" not in shown.out
    assert cli("runs", "forget", name, *memory).status == 0
    assert cli("runs", "show", name, *memory).status == 2


def test_the_same_file_given_twice_is_read_once(cli, library):
    ran = ask(cli, str(library), "--over", str(library), "--over", str(library / "archive.md"))
    assert json.loads(ran.out)["coverage"]["shards"] == 1


@pytest.mark.parametrize("document", ["梅里迪安档案馆由伊尔莎·勃兰特于1974年创立。\n"])
def test_a_chinese_question_over_chinese_and_english_documents(cli, library, document):
    (library / "zh.txt").write_text(document, encoding="utf-8")
    answer = json.loads(ask(cli, str(library), question="梅里迪安档案馆是谁创立的？").out)
    assert "伊尔莎·勃兰特" in answer["answer"]
    for citation in answer["citations"]:
        assert document[citation["start"] : citation["end"]] == citation["quote"]


@pytest.mark.parametrize(
    ("options", "status", "stopped_by"),
    [(("--max-calls", "2"), 4, "budget"), (("--max-tokens", "40_000"), 4, "budget"), (("--deadline", "0.001"), 4, "deadline")],
)
def test_the_smallest_limits_end_with_the_whole_object(cli, library, options, status, stopped_by):
    for number in range(8):
        (library / f"{number}.md").write_text("Nobody wrote anything about it.\n" * 20_000, encoding="utf-8")
    ran = ask(cli, str(library), *options)
    answer = json.loads(ran.out)
    assert (ran.status, answer["stopped_by"], answer["partial"]) == (status, stopped_by, True)
