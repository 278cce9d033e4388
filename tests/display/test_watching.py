"""Watching a run: the answer it gives, what a notebook and a terminal see of it, and what is left for plots."""

from __future__ import annotations

import sys
from collections.abc import AsyncIterator, Iterator
from types import ModuleType
from typing import Any

import pytest
import world

import extagents
from extagents import events
from extagents.display import Timeline, awatch, watch
from extagents.errors import ExtAgentsError
from extagents.types import Fact


class Handle:
    """What IPython gives for an output that can be replaced."""

    def __init__(self, pictures: list[str]) -> None:
        self.pictures = pictures

    def update(self, picture: str) -> None:
        self.pictures.append(picture)


@pytest.fixture
def pictures(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """What a notebook has shown, one picture after another; IPython is made up, as far as it is used."""
    shown: list[str] = []

    def display(picture: str, *, display_id: bool) -> Handle:
        assert display_id
        shown.append(picture)
        return Handle(shown)

    ipython, display_module = ModuleType("IPython"), ModuleType("IPython.display")
    shell = type("Shell", (), {"kernel": object()})()
    vars(ipython)["get_ipython"] = lambda: shell
    vars(display_module).update(display=display, HTML=lambda html: html)
    monkeypatch.setitem(sys.modules, "IPython", ipython)
    monkeypatch.setitem(sys.modules, "IPython.display", display_module)
    return shown


@pytest.fixture
def team() -> Iterator[extagents.Coordinator]:
    with extagents.Coordinator(world.model(window=4_000), memory="memory://", effort="thorough") as team:
        yield team


def test_watching_gives_the_answer(team: extagents.Coordinator, capsys: pytest.CaptureFixture[str]) -> None:
    answer = watch(team.stream(world.QUESTION, world.corpus()))
    assert isinstance(answer, extagents.Answer)
    assert answer.answered
    out, err = capsys.readouterr()
    assert out == ""
    assert "reading" in err
    assert "done" in err
    assert "<" not in err


async def test_watching_works_for_asynchronous_streams_too(team: extagents.Coordinator) -> None:
    answer = await awatch(team.astream(world.QUESTION, world.corpus()))
    assert answer.answered


def test_watching_a_compression_gives_the_context(team: extagents.Coordinator) -> None:
    context = watch(team.stream_compress(world.QUESTION, world.corpus(), tokens=300))
    assert isinstance(context, extagents.Compressed)
    assert world.STEPS[0] in context.text


def test_a_notebook_sees_one_output_that_changes_in_place(team: extagents.Coordinator, pictures: list[str]) -> None:
    answer = watch(team.stream(world.QUESTION, world.corpus()), every=0.0)
    assert len(pictures) > 5
    assert all(picture.count("<section") == 1 for picture in pictures)
    assert "Oskerby" in pictures[-1]
    assert f"{answer.coverage.shards:,} of {answer.coverage.shards:,} shards" in pictures[-1]


def test_pictures_are_few_where_much_happens(team: extagents.Coordinator, pictures: list[str]) -> None:
    watch(team.stream(world.QUESTION, world.corpus(200)), every=1e9)
    assert len(pictures) == 2  # the first, and the last


def test_an_error_of_the_run_is_raised_as_it_is(team: extagents.Coordinator, pictures: list[str]) -> None:
    with pytest.raises(ExtAgentsError, match="no-such-folder"):
        watch(team.stream(world.QUESTION, "no-such-folder"))


class Interrupted(Timeline):
    """Somebody stops the cell when the first event comes."""

    def add(self, event: events.Event) -> None:
        raise KeyboardInterrupt


def test_an_interrupt_ends_the_run_that_is_watched(pictures: list[str]) -> None:
    closed: list[bool] = []

    def happening() -> Iterator[events.Event]:
        try:
            yield events.Notice(message="begun")
        finally:
            closed.append(True)

    with pytest.raises(KeyboardInterrupt) as raised:
        watch(happening(), into=Interrupted())
    assert closed, raised  # while the error, and with it the stream, is still held


async def test_an_interrupt_ends_an_asynchronous_stream_too() -> None:
    closed: list[bool] = []

    async def happening() -> AsyncIterator[events.Event]:
        try:
            yield events.Notice(message="begun")
        finally:
            closed.append(True)

    with pytest.raises(KeyboardInterrupt) as raised:
        await awatch(happening(), into=Interrupted())
    assert closed, raised


def test_what_is_shown_of_a_run_under_way_is_escaped(pictures: list[str]) -> None:
    evil = "<script>alert(1)</script>"
    place = {"document": evil, "start": 0, "end": 1, "shard": "s", "round": 1}
    fact = Fact.model_validate({"id": "1", "claim": evil, "quote": evil, "relevance": 1.0, **place})
    verdict = {"answer": evil, "answerable": True, "stable": True, "verified": True, "confidence": 0.9}
    told: list[Any] = [
        events.ShardRead(shard="s", round=1, facts=1, read=1, shards=2, tokens_read=5, failure=evil),
        events.FactsFound(facts=(fact,), total=1),
        events.VerdictReached.model_validate({"wave": 0, **verdict}),
        events.Notice(message=evil),
    ]
    watch(iter(told), every=0.0)
    assert "&lt;script&gt;" in pictures[-1]
    assert not any("<script" in picture for picture in pictures)


def test_a_timeline_holds_what_plots_need(team: extagents.Coordinator) -> None:
    timeline = Timeline()
    answer = watch(team.stream(world.QUESTION, world.corpus()), into=timeline)
    seconds, read = timeline.shards
    assert read[0] == 0
    assert max(read) == answer.coverage.shards_read
    assert len(seconds) == len(read)
    assert seconds == sorted(seconds)
    readings, reported = timeline.facts
    assert len(readings) == len(reported)
    assert reported == sorted(reported)
    assert reported[-1] >= 2
    assert timeline.waves[0][0] == 1
    assert timeline.verdicts[-1][1] == world.ANSWER
    assert timeline.verdicts[-1][3]
    assert len(timeline) == len(timeline.happened)


def test_tokens_of_the_roles_are_those_of_the_run(team: extagents.Coordinator) -> None:
    timeline = Timeline()
    answer = watch(team.stream(world.QUESTION, world.corpus()), into=timeline)
    assert {"planner", "reader", "reasoner"} <= set(timeline.roles)
    for field in ("calls", "input_tokens", "output_tokens"):
        assert sum(getattr(usage, field) for usage in timeline.roles.values()) == getattr(answer.usage, field)
    costs = [usage.input_tokens + usage.output_tokens for usage in timeline.roles.values()]
    assert costs == sorted(costs, reverse=True)
