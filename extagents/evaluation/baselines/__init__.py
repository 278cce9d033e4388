"""The published ways to read an input longer than the window, through the same models and gate as ours.

Written from the papers, with prompts of our own; sizes as published. `LOOPS` names them all.
"""

from __future__ import annotations

from extagents.evaluation.baselines.bm25 import bm25
from extagents.evaluation.baselines.extagents_code import extagents_code
from extagents.evaluation.baselines.extagents_paper import extagents
from extagents.evaluation.baselines.loop import Loop, Outcome
from extagents.evaluation.baselines.map_reduce import map_reduce
from extagents.evaluation.baselines.memagent import memagent
from extagents.evaluation.baselines.pi_mem import pi_mem
from extagents.evaluation.baselines.qwenlong import qwenlong
from extagents.evaluation.baselines.single_pass import single_pass

LOOPS: dict[str, Loop] = {
    "single_pass": single_pass,
    "bm25": bm25,
    "map_reduce": map_reduce,
    "extagents": extagents,
    "extagents_code": extagents_code,
    "memagent": memagent,
    "qwenlong": qwenlong,
    "pi_mem": pi_mem,
}

__all__ = ["LOOPS", "Loop", "Outcome"]
