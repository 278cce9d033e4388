"""How sure an answer is: what the run knows of it decides, and a weak lead is not given."""

from __future__ import annotations

from typing import Any

import pytest
import world

from extagents import confidence
from extagents.agents.reasoner import Judgement, Rung
from extagents.confidence import NAMES, SIGNS, Signals, calibrated, fits
from extagents.coordinator import Coordinator
from extagents.ending import given, weigh
from extagents.types import Candidate, Plan, SinglePass, Verdict

KNOWN: dict[str, Any] = {
    "path": "ladder",
    "stable": True,
    "votes": 5,
    "rival": 0,
    "agreeing": 0,
    "against": 0,
    "declined": 0,
    "rounds": 1,
    "steps": 2,
    "multi_hop": True,
    "reported": 0.9,
    "wordless": False,
}


def told(**changes: Any) -> float:
    return calibrated(Signals(**{**KNOWN, **changes}))


@pytest.mark.parametrize(
    ("better", "worse"),
    [
        ({}, {"stable": False, "votes": 2, "rival": 1}),
        ({"votes": 6}, {"votes": 3, "rival": 2}),
        ({"agreeing": 1}, {"against": 1}),
        ({"rounds": 1}, {"rounds": 5}),
        ({}, {"declined": 2}),
        ({}, {"path": "memory", "stable": False, "votes": 0, "rounds": 5}),
    ],
)
@pytest.mark.parametrize("wordless", [False, True])
def test_what_speaks_for_an_answer_never_makes_it_less_sure(better: Any, worse: Any, wordless: bool) -> None:
    assert told(**better, wordless=wordless) >= told(**worse, wordless=wordless)


def test_every_weight_moves_the_confidence_the_way_it_may() -> None:
    """And some do: a fit in which nothing tells would be none."""
    for fit in fits().values():
        moved = [fit.weights[name] * sign for name, sign in zip(NAMES, SIGNS, strict=True)]
        assert min(moved) >= 0
        assert sum(weight > 0 for weight in moved) >= 3


def test_confidence_is_a_probability_whatever_is_reported() -> None:
    for reported in (0.0, 0.5, 1.0):
        assert 0 < told(reported=reported) < 1
        assert 0 < told(reported=reported, stable=False, votes=0, rival=30, against=9, rounds=20) < 1


class Run:
    """As much of a workspace as the weighing needs."""

    def __init__(self, candidates: list[Candidate], judgement: Judgement, *, stopped_by: str | None = None) -> None:
        self.candidates = candidates
        self.judgement = judgement
        self.stopped_by = stopped_by
        self.plan = Plan(core="Who?", instructions="", kind="multi_hop", answer_type="person", queries=[])
        self.rounds = 5
        self.signals: list[Any] = []
        self.tried: set[str] = set()
        self.notices: list[str] = []
        self.gate = self
        self.name = "scripted"

    def model(self, _: str) -> Run:
        return self

    def notice(self, message: str) -> None:
        self.notices.append(message)


def lone(answer: str = "Ada", path: Any = "memory") -> Candidate:
    return Candidate(path=path, answer=answer, confidence=0.2)


def test_paths_that_agree_are_surer_than_one_alone_and_than_paths_that_do_not() -> None:
    def best(*candidates: Candidate) -> float:
        run: Any = Run(list(candidates), Judgement())
        weigh(run)
        return max(candidate.confidence for candidate in run.candidates)

    alone = best(lone())
    assert best(lone(), lone(path="single")) >= alone > best(lone(), lone("Grace", "single"))


def test_a_weak_lead_is_not_given_and_a_notice_says_so(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(confidence, "LEAST", 0.99)
    run: Any = Run(
        [lone()], Judgement(rungs=(Rung((), Verdict(answerable=False, answer="", confidence=0, facts=[], queries=[])),))
    )
    weigh(run)
    assert given(run) == []
    assert "too weakly" in run.notices[0]


def test_what_was_answered_without_the_ladder_is_given(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(confidence, "LEAST", 0.99)
    run: Any = Run([lone(path="single")], Judgement())
    assert given(run) == run.candidates


def test_a_stable_verdict_and_the_best_of_a_run_that_was_ended_are_given_all_the_same(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(confidence, "LEAST", 0.99)
    stable = Judgement(answer="Ada", stable=True, verified=True, votes=3)
    run: Any = Run([lone(path="ladder")], stable)
    assert given(run) == run.candidates
    ended: Any = Run([lone()], Judgement(), stopped_by="budget")
    assert given(ended) == ended.candidates
    assert run.notices == ended.notices == []


async def test_candidates_that_the_evidence_does_not_bear_out_are_not_given() -> None:
    """The paths disagree, the fusion agent says that the quotes support none of them: not answered, and both are listed."""

    def disagree(prompt: Any) -> SinglePass:
        passed = world.pass_once(prompt)
        return passed.model_copy(update={"answerable": True, "answer": "Mirelle Tanager", "facts": passed.facts[:1]})

    def recall(prompt: Any) -> Verdict:
        return Verdict(answerable=True, answer=world.ANSWER, confidence=0.6, facts=[1, 2], queries=[])

    def none_of_them(prompt: Any) -> Any:
        return world.write(prompt).model_copy(update={"answerable": False, "answer": ""})

    from extagents.types import Notes, RecallInput

    def memory(prompt: Any) -> Any:
        return recall(prompt) if isinstance(prompt.inputs, RecallInput) else Notes(memory="It is so. [1, 2]", plan="")

    model = world.model(reasoner=lambda _: Verdict(answerable=False, answer="", confidence=0, facts=[], queries=[]),
                        single=disagree, memory=memory, fusion=none_of_them, window=8_000)  # fmt: skip
    coordinator = Coordinator(model, memory="memory://", effort="thorough", rounds=2)
    answer = await coordinator.aask(world.QUESTION, world.corpus())
    assert {candidate.path for candidate in answer.candidates} == {"single", "memory"}
    assert (answer.answer, answer.answered, answer.confidence) == ("", False, 0.0)


async def test_the_run_keeps_what_its_confidence_rests_on() -> None:
    with Coordinator(world.model(window=8_000), memory="memory://", effort="thorough") as team:
        answer = await team.aask(world.QUESTION, world.corpus(), run="kept")
        record = team.run("kept")
    assert record is not None
    kept = [Signals.model_validate(told) for told in record.state["signals"]]
    assert [calibrated(told) for told in kept] == pytest.approx([c.confidence for c in answer.candidates], abs=1e-4)
    assert answer.confidence == pytest.approx(calibrated(kept[0]), abs=1e-4)
