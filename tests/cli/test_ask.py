"""`extagents ask`: what goes to which stream, and which exit status means what."""

from __future__ import annotations

import json

import pytest

from extagents.errors import InputError, ModelError, RunExists, SettingsError, StoreError

ANSWER_KEYS = {
    "answer", "answered", "confidence", "kind", "strategy", "citations", "candidates", "table", "notices", "partial",
    "stopped_by", "coverage", "usage", "model", "run_id", "seconds",
}  # fmt: skip


def test_stdout_holds_the_bare_answer_and_nothing_else(replay, cli):
    ran = cli("ask", "Who?", "--over", "docs")
    assert ran.out == "Guido van Rossum\n"
    assert ran.status == 0
    assert "notice: No language model is configured." in ran.err
    assert ran.err.count("broken.pdf could not be read") == 1


def test_json_is_one_object_with_exactly_the_keys_of_an_answer(replay, cli):
    ran = cli("ask", "Who?", "--over", "docs", "--json")
    lines = ran.out.splitlines()
    assert len(lines) == 1
    printed = json.loads(lines[0])
    assert set(printed) == ANSWER_KEYS
    assert set(printed["citations"][0]) == {"document", "start", "end", "page", "quote", "verified"}
    assert set(printed["candidates"][0]) == {"path", "answer", "confidence"}
    assert set(printed["coverage"]) == {"shards_read", "shards", "failed", "tokens_read", "tokens", "rounds"}
    assert set(printed["usage"]) == {"calls", "input_tokens", "output_tokens", "cached_tokens", "retries", "cost"}


def test_quiet_says_nothing_on_stderr(replay, cli):
    ran = cli("ask", "Who?", "--over", "docs", "--quiet")
    assert (ran.out, ran.err) == ("Guido van Rossum\n", "")


@pytest.mark.parametrize(
    ("changes", "status", "out"),
    [
        ({}, 0, "Guido van Rossum\n"),
        ({"answer": "", "answered": False, "citations": ()}, 3, ""),
        ({"partial": True, "stopped_by": "budget"}, 4, "Guido van Rossum\n"),
        ({"answer": "", "answered": False, "partial": True, "stopped_by": "deadline"}, 4, ""),
        ({"partial": True, "stopped_by": "cancelled"}, 4, "Guido van Rossum\n"),
    ],
)
def test_exit_status_tells_how_it_ended(replay, cli, answered, monkeypatch, changes, status, out):
    monkeypatch.setattr(replay, "answer", answered(**changes))
    ran = cli("ask", "Who?", "--over", "docs")
    assert (ran.status, ran.out) == (status, out)


@pytest.mark.parametrize(
    ("error", "status", "retryable"),
    [
        (InputError("Nothing readable.", hint="See extagents corpus."), 2, False),
        (SettingsError("Unknown model.", hint="Models are: …"), 2, False),
        (RunExists("A run named x exists.", hint="--resume", run_id="x"), 2, False),
        (ModelError("Out of reach.", hint="Check it.", run_id="r1", retryable=True), 1, True),
        (StoreError("The memory is full."), 1, False),
    ],
)
def test_errors_are_one_line_and_with_json_one_object(replay, cli, monkeypatch, error, status, retryable):
    monkeypatch.setattr(replay, "error", error)
    plain = cli("ask", "Who?", "--over", "docs", "--quiet")
    assert (plain.status, plain.out) == (status, "")
    assert plain.err == f"error: {error}\n"
    ran = cli("ask", "Who?", "--over", "docs", "--json", "--quiet")
    assert json.loads(ran.out) == {
        "error": {
            "type": type(error).__name__,
            "message": error.message,
            "hint": error.hint,
            "retryable": retryable,
            "run_id": error.run_id,
        }
    }
    assert (ran.status, ran.err) == (status, plain.err)


def test_a_defect_is_one_line_and_the_traceback_is_for_those_who_ask(replay, cli, monkeypatch):
    monkeypatch.setattr(replay, "error", ZeroDivisionError("division by zero"))
    ran = cli("ask", "Who?", "--over", "docs", "--quiet")
    assert (ran.status, ran.out) == (1, "")
    assert ran.err.startswith("error: ZeroDivisionError: division by zero")
    assert ran.err.count("\n") == 1
    monkeypatch.setenv("EXTAGENTS_DEBUG", "1")
    assert "Traceback" in cli("ask", "Who?", "--over", "docs", "--quiet").err


def test_an_error_of_many_lines_stays_one_line(replay, cli, monkeypatch):
    monkeypatch.setattr(replay, "error", ModelError("first\nsecond \x1b[31mred", hint="do\nthis"))
    ran = cli("ask", "Who?", "--over", "docs", "--quiet")
    assert ran.err.count("\n") == 1
    assert "\x1b" not in ran.err


def test_ctrl_c_outside_a_run_is_130(replay, cli, monkeypatch):
    monkeypatch.setattr(replay, "error", KeyboardInterrupt())
    ran = cli("ask", "Who?", "--over", "docs", "--quiet")
    assert (ran.status, ran.out) == (130, "")


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["ask"], "QUESTION"),
        (["ask", "Who?"], "--over"),
        (["ask", "--over", "docs", "Who?"], "It comes before --over"),
        (["ask", "Who?", "--over", "d", "--no-such"], "--no-such"),
        (["ask", "Who?", "--over", "d", "--max-cost", "free"], "'free' is not a number above 0"),
        (["ask", "Who?", "--over", "d", "--max-calls", "0"], "'0' is not a whole number of at least 1"),
        (["ask", "Who?", "--over", "d", "--rounds", "some"], "'some'"),
        (["ask", "Who?", "--over", "d", "--effort", "heroic"], "heroic"),
        (["ask", "Who?", "--over", "d", "--executor", "cloud"], "'cloud' is not one of local, ray"),
        (["ask", "Who?", "--over", "d", "--shard-tokens", "5"], "shard tokens"),
        (["ask", "Who?", "--over", "d", "--rounds", "99"], "rounds"),
        (["ask", "Who?", "--over", "d", "--resume"], "--run NAME"),
        (["ask", "   ", "--over", "d"], "The question is empty"),
        (["search", "--over", "d"], "either QUERY or --queries"),
        (["runs"], "ACTION"),
        (["no-such-command"], "no-such-command"),
    ],
)
def test_wrong_usage_is_status_2_in_one_line_that_says_what_to_do(replay, cli, arguments, said):
    ran = cli(*arguments)
    assert (ran.status, ran.out) == (2, "")
    assert said in ran.err
    assert ran.err.count("\n") == 1
    with_json = cli(*arguments, "--json")
    assert with_json.status == 2
    assert set(json.loads(with_json.out)["error"]) == {"type", "message", "hint", "retryable", "run_id"}


def test_no_command_shows_the_help_on_stderr(cli):
    ran = cli()
    assert (ran.status, ran.out) == (2, "")
    assert "start here" in ran.err


def test_the_question_may_come_from_stdin(replay, cli):
    cli("ask", "-", "--over", "docs", stdin="Who designed it?\n")
    assert replay.last.asked["question"] == "Who designed it?"
    assert cli("ask", "-", "--over", "docs", stdin=" \n").status == 2


def test_options_reach_the_coordinator(replay, cli, monkeypatch):
    monkeypatch.setenv("EXTAGENTS_BUDGET__CALLS", "7")
    monkeypatch.setenv("EXTAGENTS_MODELS__PLANNER", "openai:p")
    monkeypatch.setenv("EXTAGENTS_EFFORT", "quick")
    monkeypatch.setenv("EXTAGENTS_MODEL", "openai:from-environment")
    arguments = (
        "--over a b --over c --model openai:m --reader-model openai:r --base-url http://localhost/v1 --memory memory:// "
        "--strategy parallel --rounds all --shard-tokens 4000 --window 16_000 --concurrency 9 --max-tokens 1000 "
        "--max-cost 0.5 --deadline 60 --seed 3 --tenant t --run monday --resume --executor local"
    )
    cli("ask", "Who?", *arguments.split())
    settings = replay.last.settings
    assert replay.last.asked == {"question": "Who?", "over": ["a", "b", "c"], "run": "monday", "resume": True}
    assert settings.model == "openai:m"
    assert settings.models == {"reader": "openai:r", "planner": "openai:p"}
    assert settings.budget.model_dump() == {"tokens": 1000, "cost": 0.5, "calls": 7, "seconds": 60.0}
    assert settings.effort == "quick"
    assert (settings.rounds, settings.shard_tokens, settings.window, settings.concurrency) == ("all", 4000, 16_000, 9)
    assert (settings.seed, settings.tenant, settings.memory, settings.strategy) == (3, "t", "memory://", "parallel")


@pytest.mark.parametrize("name", ["EXTAGENTS_WINDOW", "EXTAGENTS_BUDGET__TOKENS", "EXTAGENTS_MODELS", "EXTAGENTS_READ_CACHE"])
def test_a_wrong_variable_is_named(replay, cli, monkeypatch, name):
    monkeypatch.setenv(name, "large")
    ran = cli("ask", "Who?", "--over", "docs")
    assert ran.status == 2
    assert name in ran.err or '"models"' in ran.err
    assert "--budget" not in ran.err


def test_what_is_no_unicode_in_a_question_becomes_harmless(replay, cli):
    assert cli("ask", "Who\udcff?", "--over", "docs").status == 0
    assert replay.last.asked["question"] == "Who??"


@pytest.mark.parametrize("command", ["ask", "search", "estimate", "runs", "corpus", "doctor"])
def test_every_command_teaches_with_examples(cli, monkeypatch, command):
    monkeypatch.setenv("COLUMNS", "100")
    ran = cli(command, "--help")
    assert ran.status == 0
    assert f"extagents {command}" in ran.out
    assert "example" in ran.out
    assert max(len(line) for line in ran.out.splitlines() if not line.startswith("usage")) <= 105


def test_the_usage_shows_the_order_that_works(cli):
    assert cli("ask", "--help").out.startswith("usage: extagents ask QUESTION --over PATH… [options]\n")
