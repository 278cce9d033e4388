"""A recorded run and a coordinator that replays it, for tests of what the command line shows and returns."""

from __future__ import annotations

import io
from collections.abc import Callable, Iterator
from typing import Any, Self

import pytest

import extagents.coordinator
from extagents import events
from extagents.cli.main import main
from extagents.settings import Settings
from extagents.types import Answer, CandidateAnswer, Citation, Coverage, Fact, Plan, Usage

LONG = "idlelib/very/deep/folder/with/a/name/that/goes/on/pyparse_and_more.py"


def an_answer(**changes: object) -> Answer:
    """An answer with two citations, one of them with a page and a long path."""
    fields: dict[str, object] = {
        "answer": "Guido van Rossum",
        "answered": True,
        "confidence": 0.83,
        "kind": "lookup",
        "strategy": "fused",
        "citations": (
            Citation(document="handbook.pdf", start=10, end=52, page=3, quote="The parser was designed by Guido van Rossum."),
            Citation(document=LONG, start=0, end=9, page=None, quote="A second quote " * 12),
        ),
        "candidates": (CandidateAnswer(path="ladder", answer="Guido van Rossum", confidence=0.83),),
        "notices": ("No language model is configured.", "broken.pdf could not be read: damaged"),
        "coverage": Coverage(shards_read=812, shards=1250, failed=2, tokens_read=6_400_000, tokens=10_000_000, rounds=2),
        "usage": Usage(calls=830, input_tokens=6_900_000, output_tokens=41_000, cached_tokens=300_000, retries=3, cost=1.25),
        "model": "openai:gpt-4o-mini",
        "run_id": "monday",
        "seconds": 187.4,
    }
    return Answer.model_validate({**fields, **changes})


def a_run(answer: Answer) -> list[events.Event]:
    """What a run with two waves tells."""
    plan = Plan(core="Who designed it?", instructions="", kind="lookup", answer_type="person", queries=["parser designed"])
    usage = Usage(calls=400, input_tokens=3_200_000, output_tokens=20_000, cost=0.6)
    fact = Fact(
        id="f1", claim="The parser was designed by Guido.", quote="designed by Guido", document=LONG, start=0, end=17,
        relevance=0.9, shard="s1", round=1,
    )  # fmt: skip
    return [
        events.Progress(phase="load"),
        events.Progress(phase="index"),
        events.Notice(message="broken.pdf could not be read: damaged"),
        events.Progress(phase="plan"),
        events.Planned(
            run_id="monday", plan=plan, route="rounds", packing="graded", shards=1250, tokens=10_000_000, documents=734
        ),
        events.WaveStarted(wave=0, round=1, shards=400, lanes=64, reason="best first"),
        events.ShardRead(
            shard="s1", round=1, facts=2, read=400, shards=1250, tokens_read=3_200_000, failure="timed out", usage=usage
        ),
        events.FactsFound(facts=(fact,), total=34),
        events.RungJudged(wave=0, size=4, answerable=True, answer="Guido van Rossum", confidence=0.8),
        events.VerdictReached(wave=0, answer="Guido van Rossum", answerable=True, stable=True, verified=True, confidence=0.8),
        events.Progress(phase="fuse", usage=usage),
        events.AnswerDelta(text="Guido"),
        events.Answered(answer=answer),
    ]


class Replay:
    """A coordinator that replays the recorded run. What it was asked is in `asked`; `error` is raised instead if given."""

    answer: Answer = an_answer()
    error: BaseException | None = None
    asked: dict[str, Any]
    last: Replay

    def __init__(self, **options: Any) -> None:
        self.settings: Settings = options["settings"]
        self.asked = {}
        self.interrupted = False
        Replay.last = self

    def stream(self, question: str, over: Any, **options: Any) -> Iterator[events.Event]:
        self.asked = {"question": question, "over": over, **options}
        if self.error is not None:
            raise self.error
        yield from a_run(self.answer)

    def interrupt(self) -> None:
        self.interrupted = True

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        return None


@pytest.fixture
def replay(monkeypatch: pytest.MonkeyPatch) -> type[Replay]:
    """The command line's coordinator, replaced by one that replays a run."""
    monkeypatch.setattr(extagents.coordinator, "Coordinator", Replay)
    monkeypatch.setattr(Replay, "error", None)
    monkeypatch.setattr(Replay, "answer", an_answer())
    return Replay


@pytest.fixture
def recorded_run() -> list[events.Event]:
    """What a run with two waves tells, the answer last."""
    return a_run(an_answer())


@pytest.fixture
def answered() -> Callable[..., Answer]:
    """Makes an answer with two citations; keywords change its fields."""
    return an_answer


class Ran:
    """What one command did: exit status and both streams."""

    def __init__(self, status: int, out: str, err: str) -> None:
        self.status, self.out, self.err = status, out, err


@pytest.fixture
def cli(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> Callable[..., Ran]:
    """Runs a command in this process."""

    def run(*arguments: str, stdin: str = "") -> Ran:
        monkeypatch.setattr("sys.stdin", io.StringIO(stdin))
        capsys.readouterr()
        try:
            status = main(arguments)
        except SystemExit as stop:
            status = int(stop.code or 0)
        captured = capsys.readouterr()
        return Ran(status, captured.out, captured.err)

    return run
