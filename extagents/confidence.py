"""How sure an answer is: what is known of it at the end of a run, turned into a probability that held on known questions.

A model's own confidence says little, least of all a small model's. What tells is how the answer came about: whether the ladder
was stable, how its rungs voted, whether the other ways of reasoning say the same, and how long it took. A logistic function of
few such signals (Platt scaling) is fitted by `benchmarks/calibration.py`; its weights are data, in `calibration.json`.
"""

from __future__ import annotations

import json
import math
from functools import lru_cache
from importlib.resources import files

from extagents.answers import expected_type, same
from extagents.types import Candidate, Frozen, PathName
from extagents.workspace import Workspace

LEAST = 0.5  # calibrated confidence below which an answer that the ladder is not sure of is not given


class Signals(Frozen):
    """What is known of one candidate. `votes` and `rival` count prompts of the ladder, the others paths.

    `declined` are the paths that looked, too, and had no answer whose evidence held.
    """

    path: PathName
    stable: bool
    votes: int
    rival: int
    agreeing: int
    against: int
    declined: int
    rounds: int
    steps: int
    multi_hop: bool
    reported: float
    wordless: bool

    @property
    def features(self) -> tuple[float, ...]:
        """What the logistic function sees, each about 0 to 1; `NAMES` says what they are."""
        margin = (self.votes - self.rival) / max(1, self.votes + self.rival)
        reported = min(0.98, max(0.02, self.reported))
        return (
            float(self.stable),
            margin,
            min(2, self.agreeing) / 2,
            min(2.0, self.against + self.declined / 2) / 2,
            math.log2(max(1, self.rounds)) / 2,
            float(self.multi_hop and self.steps < 2),
            math.log(reported / (1 - reported)) / 4,
        )


NAMES = ("stable", "margin", "paths agreeing", "paths against", "rounds", "one fact only", "reported")
SIGNS = (1, 1, 1, -1, -1, -1, 1)
"""Which way each may move the confidence; a weight that would move it the other way is 0."""


def signals(workspace: Workspace, candidate: Candidate) -> Signals:
    """What the run knows of the candidate."""
    plan, judgement = workspace.plan, workspace.judgement
    answer_type = expected_type(plan.core, plan.answer_type)
    others = [other for other in workspace.candidates if other is not candidate]
    agreeing = sum(same(other.answer, candidate.answer, answer_type) for other in others)
    ladder = candidate.path == "ladder"
    looked = workspace.tried | ({"ladder"} if judgement.rungs else set())
    return Signals(
        path=candidate.path,
        stable=ladder and judgement.stable,
        votes=judgement.votes if ladder else int(not judgement.rungs),  # one prompt that nobody contradicted
        rival=judgement.rival if ladder else 0,
        agreeing=agreeing,
        against=len(others) - agreeing,
        declined=len(looked - {one.path for one in workspace.candidates}),
        rounds=workspace.rounds,
        steps=len({(fact.document, fact.start) for fact in candidate.facts}),
        multi_hop=plan.kind == "multi_hop",
        reported=candidate.confidence,
        wordless=workspace.gate.model("reasoner").name == "extractive",
    )


def calibrated(known: Signals) -> float:
    """The probability that the answer is right, 0 to 1."""
    fit = fits()["extractive" if known.wordless else "model"]
    score = fit.bias + sum(fit.weights[name] * value for name, value in zip(NAMES, known.features, strict=True))
    return 1 / (1 + math.exp(-max(-30.0, min(30.0, score))))


class Fit(Frozen):
    """Weights of one kind of model, and what they were fitted on."""

    bias: float
    weights: dict[str, float]
    fitted_on: str


@lru_cache(maxsize=1)
def fits() -> dict[str, Fit]:
    """The fitted weights: of language models, and of the extractive default."""
    found = json.loads(files("extagents").joinpath("calibration.json").read_text(encoding="utf-8"))
    return {kind: Fit.model_validate(fit) for kind, fit in found.items()}
