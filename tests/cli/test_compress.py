"""`extagents compress`: the text alone on stdout, spans in JSON, exit status, and what `runs` says of such a run."""

from __future__ import annotations

import asyncio
import json
import signal
import sys
from asyncio.subprocess import PIPE

import pytest

from extagents.types import Compressed

FILLER = "The weather was mild and nobody wrote anything down about it. " * 40


@pytest.fixture
def library(tmp_path):
    folder = tmp_path / "library"
    folder.mkdir()
    for name, fact in {
        "archive.md": "The Meridian archive was founded in 1974 by Ilse Brandt.",
        "mill.md": "The mill at Odense burned down in 1911.",
    }.items():
        (folder / name).write_text(f"# {name[:-3].title()}\n\n{FILLER}\n\n{fact}\n\n{FILLER}\n", encoding="utf-8")
    return folder


QUESTION = "Who founded the Meridian archive?"


def test_stdout_holds_the_text_alone(cli, library):
    ran = cli("compress", QUESTION, "--over", str(library), "--tokens", "30", "--memory", "memory://")
    assert ran.status == 0
    assert ran.out == "[Document: Archive]\nThe Meridian archive was founded in 1974 by Ilse Brandt.\n"
    assert "times shorter · 1 span of 1 document" in ran.err
    assert "No language model is configured" in ran.err


def test_json_maps_the_text_to_its_sources(cli, library):
    ran = cli("compress", QUESTION, "--over", str(library), "--tokens", "200", "--json", "--memory", "memory://")
    lines = ran.out.splitlines()
    assert len(lines) == 1
    printed = json.loads(lines[0])
    assert set(printed) == set(Compressed.model_fields)
    assert printed["tokens"] <= 200
    for span in printed["spans"]:
        text = (library / span["document"]).read_text(encoding="utf-8")
        assert text[span["start"] : span["end"]] == printed["text"][span["out_start"] : span["out_end"]]


@pytest.mark.parametrize("granularity", ["word", "sentence"])
def test_a_granularity_keeps_no_more_than_it_says(cli, library, granularity):
    arguments = ("--tokens", "900", "--granularity", granularity, "--quiet", "--memory", "memory://")
    ran = cli("compress", QUESTION, "--over", str(library), *arguments)
    assert "Ilse Brandt" in ran.out
    assert ran.out.count("weather") <= 1
    assert ran.err == ""


def test_nothing_found_is_status_3_and_no_text(cli, library):
    ran = cli("compress", "Which opera did Verdi compose?", "--over", str(library), "--tokens", "99", "--memory", "memory://")
    assert (ran.status, ran.out) == (3, "")
    assert "Nothing in the input that matters to the question was found." in ran.err


def test_a_budget_that_ends_is_status_4(cli, library):
    arguments = ("--tokens", "99", "--max-calls", "1", "--memory", "memory://", "--shard-tokens", "256")
    ran = cli("compress", QUESTION, "--over", str(library), *arguments)
    assert ran.status == 4
    assert "partial: the budget ended" in ran.err


async def test_one_signal_ends_with_what_there_is(library):
    from extagents.testing.endpoint import FakeEndpoint, Fault

    async with FakeEndpoint(lambda body: Fault(hang=True)) as endpoint:
        model = ("--model", "openai:fake", "--base-url", endpoint.base_url, "--window", "16000", "--memory", "memory://")
        command = [sys.executable, "-m", "extagents", "compress", QUESTION, "--over", str(library), "--tokens", "99", "--json"]
        process = await asyncio.create_subprocess_exec(*command, *model, stdout=PIPE, stderr=PIPE)
        try:
            await asyncio.wait_for(endpoint.hanging.wait(), 60)
            process.send_signal(signal.SIGTERM)
            out, err = await asyncio.wait_for(process.communicate(), 60)
        finally:
            if process.returncode is None:
                process.kill()
    assert process.returncode == 4, err
    printed = json.loads(out)
    assert (printed["stopped_by"], printed["partial"], printed["text"]) == ("cancelled", True, "")


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["Who?", "--over", "d"], "--tokens"),
        (["Who?", "--over", "d", "--tokens", "0"], "'0' is not a whole number"),
        (["Who?", "--over", "d", "--tokens", "9", "--granularity", "letter"], "letter"),
        (["Who?", "--over", "d", "--tokens", "9", "--resume"], "--run NAME"),
        (["Who?", "--over", "no-such-folder", "--tokens", "9"], "no-such-folder"),
        ([" ", "--over", "d", "--tokens", "9"], "The question is empty"),
    ],
)
def test_wrong_usage_is_status_2_in_one_line(cli, arguments, said):
    ran = cli("compress", *arguments, "--memory", "memory://")
    assert (ran.status, ran.out, ran.err.count("\n")) == (2, "", 1)
    assert said in ran.err


def test_a_named_run_is_shown_resumed_and_not_taken_for_an_answer(cli, library, tmp_path):
    memory = ("--memory", f"sqlite:///{tmp_path}/memory.sqlite")
    over = ("--over", str(library))
    first = cli("compress", QUESTION, *over, "--tokens", "200", "--run", "mine", *memory, "--quiet")
    assert first.status == 0
    shown = cli("runs", "show", "mine", *memory)
    assert shown.status == 0
    assert "times shorter" in shown.out
    assert "span      archive.md:" in shown.out
    assert json.loads(cli("runs", "show", "mine", "--json", *memory).out)["answer"]["text"] == first.out.removesuffix("\n")
    again = cli("compress", QUESTION, *over, "--tokens", "200", "--run", "mine", "--resume", *memory, "--quiet")
    assert (again.status, again.out) == (0, first.out)
    refused = cli("ask", QUESTION, *over, "--run", "mine", "--resume", *memory)
    assert refused.status == 2
    assert "of another kind" in refused.err
    assert cli("compress", QUESTION, *over, "--tokens", "9", "--run", "mine", *memory).status == 2


def test_the_command_teaches_with_examples(cli):
    ran = cli("compress", "--help")
    assert ran.status == 0
    assert ran.out.startswith("usage: extagents compress QUESTION --over PATH… --tokens N [options]")
    assert "jq .spans" in ran.out
