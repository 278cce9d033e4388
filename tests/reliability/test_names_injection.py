"""What users and documents write is never taken for SQL, Redis' protocol, a line or column of ours, or a terminal's codes."""

from __future__ import annotations

import asyncio
import io
import json
import os
import re
from collections.abc import Callable
from pathlib import Path

import pytest
from reliability.names import FRAGMENTS, sendable
from reliability.size import sized

from extagents import Coordinator, Document
from extagents.cli.answer_view import print_answer
from extagents.cli.main import main
from extagents.corpus.cache import Cache
from extagents.memory.keys import TenantKeys
from extagents.memory.open import open_memory
from extagents.testing.endpoint import FakeEndpoint, refusal
from extagents.testing.redis_server import RedisServer

ACTS = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069]")  # on a terminal, or ends a line
EVIL = "a\x1b[31m\x9b2J\x1b]0;owned\x07\tdone\t2026-01-01 00:00\tforged\r\nerror: forged\n\u2028notice: forged\x85\u202e\x00[/]"
FACT = "The Meridian archive was founded in 1974 by Ilse Brandt."
QUESTION = "Who founded the Meridian archive?"
Said = tuple[int, str, str]


class Terminal(io.StringIO):
    """A stream that says that somebody looks at it."""

    encoding = "utf-8"

    def isatty(self) -> bool:
        return True

    def fileno(self) -> int:
        return 1


@pytest.fixture
def said(capsys: pytest.CaptureFixture[str]) -> Callable[..., Said]:
    """Runs a command: status, stdout and stderr."""

    def run(*arguments: str) -> Said:
        capsys.readouterr()
        status = main(arguments)
        captured = capsys.readouterr()
        return status, captured.out, captured.err

    return run


def harmless(*texts: str) -> None:
    for text in texts:
        assert ACTS.search(text) is None, repr(text)


@pytest.fixture
def evil_files(tmp_path: Path) -> Path:
    """Documents whose names, titles and texts try everything."""
    folder = tmp_path / "docs"
    folder.mkdir()
    name = EVIL.replace("/", "_").replace("\x00", "")
    (folder / f"{name}.md").write_text(f"# {EVIL}\n\n{FACT} {EVIL}\n\nerror: forged\n", encoding="utf-8", errors="replace")
    lines = [{"id": f"{EVIL}{number}", "title": EVIL, "text": f"{EVIL} {FACT}", EVIL: EVIL} for number in range(3)]
    (folder / "more.jsonl").write_text("\n".join(map(json.dumps, lines)), encoding="utf-8")
    (folder / f"{name}.pdf").write_bytes(b"%PDF-1.7 nothing")
    return folder


# ------------------------------------------------------------------ the command line


def test_nothing_that_a_user_or_a_document_writes_forges_a_line_or_acts_on_a_terminal(
    said: Callable[..., Said], evil_files: Path, tmp_path: Path
) -> None:
    memory = ("--memory", f"sqlite:///{tmp_path}/m.sqlite", "--tenant", EVIL)
    run = EVIL.replace("\x00", "")
    question = f"{QUESTION} {EVIL}"
    ask = ("ask", question, "--over", str(evil_files), "--run", run, *memory)
    status, out, err = said(*ask)
    assert status in (0, 3)
    harmless(err)
    assert {line.partition(":")[0] for line in err.splitlines()} <= {"notice", "read", "failed", "partial"}, err
    for arguments, number in (
        (("runs", "list", *memory), 1),
        (("runs", "show", run, *memory), None),
        (("search", EVIL, "--over", str(evil_files)), None),
        (("corpus", str(evil_files)), None),
        (("estimate", question, "--over", str(evil_files), *memory), None),
        (("compress", question, "--over", str(evil_files), "--tokens", "200", "--json", *memory), 1),
        (("runs", "show", run, "--json", *memory), 1),
        (("runs", "list", "--json", *memory), 1),
        ((*ask, "--resume", "--json"), 1),
    ):
        status, out, err = said(*arguments)
        assert status in (0, 3), (arguments, err)
        harmless(out, err)
        assert number is None or len(out.splitlines()) == number, out
        assert not [line for line in (out + err).splitlines() if line.startswith(("error", "forged"))], out + err
        if arguments[:2] == ("runs", "list") and "--json" not in arguments:
            assert len(out.splitlines()[0].split("\t")) == 4
        if "--json" in arguments:
            assert "forged" in json.dumps(json.loads(out))  # not lost, only escaped
    shown = said("runs", "show", run, *memory)[1]
    assert {line.split()[0] for line in shown.splitlines() if not line.startswith(" ")} <= {
        *("run", "question", "round", "answer", "citation"),
    }
    status, out, err = said("runs", "forget", run, *memory)
    assert (status, out, len(err.splitlines())) == (0, "", 1)
    harmless(err)


@pytest.mark.parametrize(
    "arguments",
    [
        ("ask", "Who?", "--over", EVIL),
        ("ask", "Who?", "--over", ".", "--model", EVIL),
        ("ask", "Who?", "--over", ".", "--memory", EVIL),
        ("ask", "Who?", "--over", ".", "--memory", f"redis://{EVIL}"),
        ("ask", "Who?", "--over", ".", "--memory", f"sqlite://{EVIL}"),
        ("ask", "Who?", "--over", ".", "--model", "openai:m", "--base-url", EVIL),
        ("ask", "Who?", "--over", ".", "--model", f"openai:{EVIL}", "--base-url", "http://127.0.0.1:9/v1"),
        ("ask", "Who?", "--over", ".", "--model", f"langchain:{EVIL}:{EVIL}"),
        ("ask", "Who?", "--over", ".", "--effort", EVIL),
        ("ask", "Who?", "--over", ".", EVIL),
        ("runs", "show", EVIL, "--memory", "memory://"),
        ("runs", "forget", EVIL, "--memory", "memory://"),
        ("runs", "resume", EVIL, "--memory", "memory://"),
        ("search", "--queries", EVIL, "--over", "."),
        ("survey", "Who?", "--over", ".", "--out", f"{EVIL}/x.md"),
        (EVIL,),
    ],
    ids=map(str, range(16)),
)
def test_every_error_is_one_line(
    arguments: tuple[str, ...], said: Callable[..., Said], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "a.md").write_text(FACT, encoding="utf-8")
    monkeypatch.chdir(tmp_path)
    status, out, err = said(*arguments)
    assert status in (1, 2)
    assert out == ""
    slow = ("notice: ", "loading", "indexing", "reading", "planning")  # what is told of a machine that takes its time
    lines = [line for line in err.splitlines() if not line.startswith(slow)]
    assert len(lines) == 1, err
    assert err.startswith(("error: ", "notice: "))
    harmless(err)
    status, out, err = said(*arguments, "--json")
    harmless(out, err)
    assert out == "" or (len(out.splitlines()) == 1 and "error" in json.loads(out))


async def test_what_an_endpoint_says_forges_no_line(said: Callable[..., Said], tmp_path: Path) -> None:
    (tmp_path / "a.md").write_text(FACT, encoding="utf-8")
    for script in (refusal(401, EVIL), refusal(400, EVIL, code=EVIL), refusal(404, EVIL), EVIL):
        async with FakeEndpoint(lambda _, script=script: script, models=[{"id": EVIL, "max_model_len": 16_000}]) as endpoint:
            to_it = ("--model", "openai:m", "--base-url", endpoint.base_url)
            for command in (("ask", QUESTION, "--over", str(tmp_path), "--memory", "memory://", *to_it), ("doctor", *to_it)):
                status, out, err = await asyncio.to_thread(said, *command)
                assert status in (0, 1)
                harmless(out, err)
                assert len([line for line in err.splitlines() if line.startswith("error")]) <= 1
                assert not re.search(r"^(error|notice): forged", out + err, re.MULTILINE)


def test_on_a_terminal_nothing_acts_in_any_mode(evil_files: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Rich colours by escape codes of its own: those apart, nothing reaches the terminal."""
    monkeypatch.setenv("TERM", "xterm-256color")
    own = re.compile(r"\x1b\[[0-9;]*m|\x1b\[\?25[lh]|\x1b\[\d*[A-K]|\r")
    memory = ("--memory", f"sqlite:///{tmp_path}/m.sqlite")
    run = EVIL.replace("\x00", "")
    ask = ("ask", f"{QUESTION} {EVIL}", "--over", str(evil_files), *memory)
    for arguments in (
        (*ask, "--run", run),
        (*ask, "--quiet"),
        (*ask, "--json"),
        ("runs", "list", *memory),
        ("runs", "show", run, *memory),
        ("search", QUESTION, "--over", str(evil_files)),
        ("corpus", str(evil_files)),
        ("compress", QUESTION, "--over", str(evil_files), "--tokens", "200", "--quiet", *memory),
        ("runs", "forget", run, *memory),
    ):
        out, err = Terminal(), Terminal()
        monkeypatch.setattr("sys.stdout", out)
        monkeypatch.setattr("sys.stderr", err)
        try:
            assert main(arguments) in (0, 3), err.getvalue()
        finally:
            monkeypatch.undo()
            monkeypatch.setenv("TERM", "xterm-256color")
        for stream in (out, err):
            left = own.sub("", stream.getvalue())
            assert ACTS.search(left) is None, (arguments, repr(left))
            assert "\x1b[31m\x9b" not in stream.getvalue()
            assert "owned\x07" not in stream.getvalue()


def test_an_answer_forges_no_line_of_a_run_and_acts_on_no_terminal(
    said: Callable[..., Said], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    url = f"sqlite:///{tmp_path}/m.sqlite"
    with Coordinator(memory=url) as team:
        answer = team.ask(QUESTION, [Document(id="a", text=FACT)], run="mine").model_copy(update={"answer": EVIL})

    async def store() -> None:
        memory = open_memory(url)
        await memory.update_run("mine", answer=answer.model_dump(mode="json"))
        await memory.aclose()

    asyncio.run(store())
    shown = said("runs", "show", "mine", "--memory", url)[1]
    harmless(shown)
    starts = [line.split()[0] for line in shown.splitlines() if not line.startswith(" ")]
    assert starts == ["run", "question", "answer", "citation"]
    out = Terminal()
    monkeypatch.setattr("sys.stdout", out)
    print_answer(answer, as_json=False, quiet=True)
    harmless(out.getvalue())


# ------------------------------------------------------------------ logs


async def test_log_records_are_one_line_whatever_a_document_holds(
    tmp_path: Path, evil_files: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level("DEBUG", logger="extagents")
    (tmp_path / "file").write_text("in the way", encoding="utf-8")
    folder = tmp_path / "file" / EVIL.replace("\x00", "").replace("/", "_")
    monkeypatch.setenv("EXTAGENTS_CACHE", str(folder))
    async with Coordinator(memory="memory://", tenant=EVIL) as team:
        await team.aask(f"{QUESTION} {EVIL}", [str(evil_files)], run=EVIL, instructions=EVIL)
    Cache(folder).keep(EVIL, EVIL, {EVIL: EVIL})
    Cache(folder).keep_index(EVIL, lambda _: None)
    ours = [record.getMessage() for record in caplog.records if record.name.startswith("extagents")]
    assert ours  # that the cache cannot be written
    for message in ours:
        assert len(message.splitlines()) == 1
        harmless(message)


# ------------------------------------------------------------------ SQL and Redis


@pytest.mark.parametrize("store", ["sqlite", "redis"])
async def test_texts_are_data_in_every_store(store: str, tmp_path: Path) -> None:
    """Fragments of SQL, Lua and Redis' protocol as question, run, tenant, document, title, text, model and instructions."""
    texts = [text for text in FRAGMENTS if sendable(text)] + [EVIL]
    some = texts[:: max(1, len(texts) // sized(12, 90))]
    with RedisServer() as server:
        url = server.url if store == "redis" else f"sqlite:///{tmp_path}/m.sqlite"
        for text in some:
            over = [Document(id=f"{text}{number}", title=text, text=f"{text} {FACT} {text}\n") for number in range(2)]
            async with Coordinator(memory=url, tenant=text or "empty") as team:
                question = f"{QUESTION} {text}"
                answer = await team.aask(question, over, run=f"{text}!", instructions=text)
                again = await team.aask(question, over, run=f"{text}!", instructions=text, resume=True)
                assert again.model_copy(update={"seconds": 0}) == answer.model_copy(update={"seconds": 0})
                stored = await asyncio.to_thread(team.run, f"{text}!")
                assert stored is not None
                assert (stored.manifest.run, stored.manifest.question) == (f"{text}!", question.strip())
                assert stored.manifest.request["instructions"] == text.strip()
                for citation in answer.citations:
                    document = next(document for document in over if document.id == citation.document)
                    assert document.text[citation.start : citation.end] == citation.quote
        for text in some:
            async with Coordinator(memory=url, tenant=text or "empty") as team:
                assert [stored.manifest.run for stored in await asyncio.to_thread(team.runs)] == [f"{text}!"]
        if store == "redis":
            found = {line for line in server.command("KEYS", "*").decode().split("\r\n") if line.startswith("ext:")}
            assert {key.rpartition("}")[0] + "}" for key in found} == {TenantKeys.of(text or "empty").prefix for text in some}
    assert os.listdir(tmp_path) == ([] if store == "redis" else os.listdir(tmp_path))
