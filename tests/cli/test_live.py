"""What is shown while a run goes on, and the answer's page, at several widths."""

from __future__ import annotations

import io
import os

import pytest
from rich.console import Console

from extagents.budget import Budget
from extagents.cli.answer_view import page
from extagents.cli.live import Lines, LiveView, Panel, RunState, Silence, events_into, view_for


def drawn(what, width: int) -> list[str]:
    out = Console(file=io.StringIO(), width=width, force_terminal=True, color_system=None, highlight=False)
    out.print(what)
    return out.file.getvalue().splitlines()


def state_after(events, budget=None) -> RunState:
    state = RunState(budget or Budget())
    for event in events:
        state.take(event)
    return state


@pytest.mark.parametrize("width", [60, 80, 120])
def test_the_live_view_fits_and_tells_everything(recorded_run, width):
    state = state_after(recorded_run[:-3], Budget(tokens=20_000_000, cost=2.0, seconds=300))
    lines = drawn(Panel(state), width)
    text = "\n".join(lines)
    assert max(len(line) for line in lines) <= width
    for part in (
        "reasoning",
        "400 of 1,250 shards",
        "32%",
        "34",
        "Guido van Rossum",
        "stable, verified",
        "3.22M of 20M",
        "left",
    ):
        assert part in text, part
    assert "1 shard could not be read" in text
    if width > 60:
        assert "$0.60 of $2.00" in text
        assert "64 at a time" in text


@pytest.mark.parametrize("width", [40, 60, 80, 120])
def test_the_answers_page_shows_document_page_and_quote(answered, width):
    lines = drawn(page(answered(), width), width)
    text = " ".join(" ".join(lines).split())
    assert max(len(line) for line in lines) <= width
    for part in ("Guido van Rossum", "handbook.pdf, p. 3", "“The parser was designed", "65%", "0.83", "openai:gpt-4o-mini"):
        assert part in text, part
    assert "pyparse_and_more.py" in text.replace(" ", "")
    assert "No language model is configured." in text


def test_the_page_says_when_nothing_answers(answered):
    text = "\n".join(drawn(page(answered(answer="", answered=False, citations=()), 80), 80))
    assert "Nothing in the input answers this question." in text
    text = "\n".join(drawn(page(answered(answer="", answered=False, stopped_by="budget", partial=True), 80), 80))
    assert "the budget ended before everything was read" in text


def test_documents_cannot_act_on_the_terminal(answered):
    evil = "\x1b]0;owned\x07\x1b[2J[bold]not markup[/bold]\u202egnp.exe"
    text = "\n".join(drawn(page(answered(answer=evil), 80), 80))
    assert "\x1b]" not in text
    assert "\x1b[2J" not in text
    assert "\x07" not in text
    assert "\u202e" not in text
    assert "[bold]not markup[/bold]" in text


def test_plain_lines_are_one_a_phase_and_few_in_between(recorded_run):
    stream, now = io.StringIO(), [0.0]
    view = Lines(Budget(), stream, every=2.0, clock=lambda: now[0])
    read = recorded_run[6]
    with view:
        events_into(view, recorded_run[:2])
        assert stream.getvalue() == ""
        now[0] = 1.0
        events_into(view, [*recorded_run[:6], *[read] * 100])
        now[0] = 3.5
        answer = events_into(view, [read, read, *recorded_run[6:]])
    lines = stream.getvalue().splitlines()
    assert answer.answer == "Guido van Rossum"
    assert [line.split(" · ")[0] for line in lines] == [
        "loading",
        "indexing",
        "notice: broken.pdf could not be read: damaged",
        "planning",
        "reading",
        "reading",
        "reasoning",
        "writing the answer",
    ]
    assert not any("\x1b" in line for line in lines)


def test_a_later_total_is_never_replaced_by_an_earlier_one(recorded_run):
    state = state_after(recorded_run[:8])
    assert state.usage.calls == 400
    state.take(recorded_run[3])
    assert state.usage.calls == 400


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


def test_the_view_fits_the_stream(monkeypatch):
    monkeypatch.setenv("TERM", "xterm-256color")
    monkeypatch.setenv("COLUMNS", "80")
    assert type(view_for(Budget(), quiet=True, stream=Terminal())) is Silence
    assert type(view_for(Budget(), quiet=False, stream=io.StringIO())) is Lines
    assert type(view_for(Budget(), quiet=False, stream=Terminal())) is LiveView
    monkeypatch.setenv("TERM", "dumb")
    assert type(view_for(Budget(), quiet=False, stream=Terminal())) is Lines


def test_no_colour_where_none_is_wanted(recorded_run, monkeypatch):
    monkeypatch.setenv("TERM", "xterm-256color")
    monkeypatch.setenv("NO_COLOR", "1")
    stream = Terminal()
    view = view_for(Budget(), quiet=False, stream=stream)
    with view:
        events_into(view, recorded_run)
    assert "\x1b[36m" not in stream.getvalue()


def test_a_live_view_leaves_the_screen_as_it_was(recorded_run, monkeypatch):
    monkeypatch.setenv("TERM", "xterm-256color")
    stream = Terminal()
    view = view_for(Budget(), quiet=False, stream=stream)
    with view:
        events_into(view, recorded_run)
    assert stream.getvalue().count("\x1b[?25l") == stream.getvalue().count("\x1b[?25h") == 1


def test_stopping_is_said_even_while_a_line_is_being_written(tmp_path):
    with open(tmp_path / "err", "w") as stream:
        view = Lines(Budget(), stream)
        view.stopping()
    assert "once more ends at once" in (tmp_path / "err").read_text()
    assert view.state.title == "stopping"
    assert os.path.getsize(tmp_path / "err") > 0


def test_notices_outlive_a_run_that_fails(recorded_run, monkeypatch):
    monkeypatch.setenv("TERM", "xterm-256color")
    stream = Terminal()

    def events():
        yield from recorded_run[:4]
        raise ValueError("failed")

    with pytest.raises(ValueError, match="failed"), view_for(Budget(), quiet=False, stream=stream) as view:
        events_into(view, events())
    assert "notice: broken.pdf could not be read: damaged" in stream.getvalue()
