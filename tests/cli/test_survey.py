"""`extagents survey`: Markdown on stdout or in a file, whole or not at all, and the statuses of `ask`."""

from __future__ import annotations

import asyncio
import json
import os
import re
import signal
import sys

import pytest

LONG = "# Parsers\n\n## Old\n\nIt was designed [1].\n\n## New\n\nIt is quoted twice [2]."


@pytest.fixture
def written(replay, answered, monkeypatch):
    monkeypatch.setattr(replay, "answer", answered(answer=LONG, kind="summary"))
    return replay


def test_stdout_holds_the_markdown_with_its_references(written, cli):
    ran = cli("survey", "Parsers", "--over", "docs", "--words", "1,200")
    assert ran.status == 0
    assert ran.out.startswith(LONG + "\n\n## References\n\n1. handbook.pdf, p. 3: “The parser was designed by")
    assert re.search(r"^2\. .*pyparse_and_more\.py, 0–9: “A second quote", ran.out, re.MULTILINE)
    assert "notice: No language model is configured." in ran.err
    assert written.last.asked == {"question": "Parsers", "over": ["docs"], "run": None, "resume": False, "words": 1_200}


def test_a_file_gets_the_markdown_and_stdout_nothing(written, cli, tmp_path):
    target = tmp_path / "survey.md"
    target.write_text("before", encoding="utf-8")
    target.chmod(0o640)
    ran = cli("survey", "Parsers", "--over", "docs", "--words", "200", "--out", str(target))
    assert (ran.status, ran.out) == (0, "")
    assert target.read_text(encoding="utf-8").startswith(LONG)
    assert target.stat().st_mode & 0o777 == 0o640
    assert os.listdir(tmp_path) == ["survey.md"]
    assert "written: " in ran.err
    assert "2 references" in ran.err


def test_json_is_the_object_of_ask(written, cli, tmp_path):
    target = tmp_path / "survey.md"
    ran = cli("survey", "Parsers", "--over", "docs", "--words", "200", "--json", "--out", str(target))
    printed = json.loads(ran.out)
    assert printed["answer"] == LONG
    assert set(printed["citations"][0]) == {"document", "start", "end", "page", "quote", "verified"}
    assert target.exists()


def test_what_stood_in_the_file_stays_where_nothing_was_found_or_it_cannot_be_replaced(
    replay, cli, answered, monkeypatch, tmp_path
):
    target = tmp_path / "survey.md"
    target.write_text("before", encoding="utf-8")
    monkeypatch.setattr(replay, "answer", answered(answer="", answered=False, citations=()))
    ran = cli("survey", "Parsers", "--over", "docs", "--words", "200", "--out", str(target))
    assert (ran.status, ran.out, target.read_text(encoding="utf-8")) == (3, "", "before")

    def full(*_: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(replay, "answer", answered(answer=LONG))
    monkeypatch.setattr(os, "fsync", full)
    ran = cli("survey", "Parsers", "--over", "docs", "--words", "200", "--out", str(target), "--quiet")
    assert (ran.status, ran.out, target.read_text(encoding="utf-8")) == (1, "", "before")
    assert "no space left" in ran.err
    assert "runs show monday" in ran.err
    assert os.listdir(tmp_path) == ["survey.md"]


def test_what_was_written_until_the_budget_ended_is_given_with_status_4(replay, cli, answered, monkeypatch):
    monkeypatch.setattr(replay, "answer", answered(answer=LONG, partial=True, stopped_by="budget"))
    ran = cli("survey", "Parsers", "--over", "docs", "--words", "200")
    assert ran.status == 4
    assert ran.out.startswith(LONG)


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["survey", "T", "--over", "d"], "--words"),
        (["survey", "T", "--over", "d", "--words", "none"], "'none' is not a whole number"),
        (["survey", "--over", "d", "--words", "9"], "It comes before --over"),
        (["survey", "T", "--over", "d", "--words", "9", "--resume"], "--run NAME"),
        (["survey", "T", "--over", "d", "--words", "9", "--out", "no/such/folder/x.md"], "does not exist"),
        (["survey", "T", "--over", "d", "--words", "9", "--out", "."], "is a folder"),
    ],
)
def test_wrong_usage_is_status_2_before_anything_is_spent(written, cli, arguments, said):
    ran = cli(*arguments)
    assert (ran.status, ran.out) == (2, "")
    assert said in ran.err
    assert ran.err.count("\n") == 1


def test_the_help_teaches(cli):
    ran = cli("survey", "--help")
    assert ran.status == 0
    assert ran.out.startswith("usage: extagents survey TOPIC --over PATH… --words N [options]\n")
    assert "example" in ran.out


async def test_ctrl_c_ends_with_status_4_and_valid_json(tmp_path):
    from extagents.testing.endpoint import FakeEndpoint, Fault

    (tmp_path / "a.md").write_text("The Meridian archive was founded in 1974.\n" * 50, encoding="utf-8")
    async with FakeEndpoint(lambda body: Fault(hang=True)) as endpoint:
        command = [
            sys.executable,
            "-m",
            "extagents",
            "survey",
            "The archive",
            "--over",
            str(tmp_path),
            "--words",
            "100",
            "--json",
        ]
        more = ["--model", "openai:fake", "--base-url", endpoint.base_url, "--window", "16000", "--memory", "memory://"]
        process = await asyncio.create_subprocess_exec(
            *command, *more, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.PIPE
        )
        try:
            await asyncio.wait_for(endpoint.hanging.wait(), 60)
            process.send_signal(signal.SIGINT)
            out, err = await asyncio.wait_for(process.communicate(), 60)
        finally:
            if process.returncode is None:
                process.kill()
                await process.wait()
    assert process.returncode == 4, err
    assert json.loads(out)["stopped_by"] == "cancelled"
