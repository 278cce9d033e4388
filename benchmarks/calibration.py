"""Fits the confidence of answers to runs whose outcome is known, and tests the fit on runs that it has not seen.

    python benchmarks/calibration.py RUNS.jsonl [RUNS2.jsonl …] [--kind model|extractive] [--write] [--plot docs/confidence.svg]

RUNS are lines that `benchmarks/compare.py --json` wrote (our loops only are used). A logistic function of the signals in
`extagents/confidence.py` is fitted with a ridge; every set and every seed is left out once, and the calibration error is that
of the runs left out. `--test NAME` names sets that are never fitted on. `--write` puts the weights into the package.
"""

from __future__ import annotations

import argparse
import json
import zlib
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

import extagents
from extagents.confidence import NAMES, SIGNS, Signals, calibrated
from extagents.evaluation.report import reliability_plot
from extagents.evaluation.statistics import bootstrap_of, calibration_error, reliability

RIDGE = 2.0  # pulls weights to 0 that the runs say little about
Numbers = npt.NDArray[np.float64]


def rows_of(paths: Sequence[Path]) -> list[dict[str, Any]]:
    """One row per candidate of ours: where it comes from, its signals, whether it is right, and whether it was the answer."""
    found = []
    for path in paths:
        for line in path.read_text(encoding="utf-8").splitlines():
            run = json.loads(line)
            if "/" not in run["loop"] or "without" in run["loop"]:
                continue
            for candidate, told in zip(run["candidates"], run.get("signals", ()), strict=False):
                found.append(
                    {
                        "data": run["data"],
                        "seed": run["seed"],
                        "question": run["question"],
                        "signals": Signals.model_validate(told),
                        "right": float(run["paths"][candidate["path"]] > 0),
                        "given": candidate["answer"] == run["answer"],
                    }
                )
    return found


def fit(rows: Sequence[dict[str, Any]]) -> tuple[float, Numbers]:
    """Bias and weights by Newton's method; the bias is not pulled, and what would turn the wrong way (`SIGNS`) is left out."""
    x = np.array([(1.0, *row["signals"].features) for row in rows])
    y = np.array([row["right"] for row in rows])
    kept = list(range(x.shape[1]))
    while True:
        part = x[:, kept]
        pull = np.diag([0.0] + [RIDGE] * (len(kept) - 1))
        weights = np.zeros(len(kept))
        for _ in range(50):
            p = 1 / (1 + np.exp(-part @ weights))
            curvature = part.T @ (part * (p * (1 - p))[:, None]) + pull + 1e-9 * np.eye(len(kept))
            step = np.linalg.solve(curvature, part.T @ (y - p) - pull @ weights)
            weights += step
            if float(np.abs(step).max()) < 1e-9:
                break
        wrong = [place for place, weight in zip(kept[1:], weights[1:], strict=True) if weight * SIGNS[place - 1] < 0]
        if not wrong:
            break
        kept = [place for place in kept if place not in wrong]
    full = np.zeros(x.shape[1])
    full[kept] = weights
    return float(full[0]), full[1:]


def predicted(rows: Sequence[dict[str, Any]], bias: float, weights: Numbers) -> list[float]:
    x = np.array([row["signals"].features for row in rows])
    return [float(p) for p in 1 / (1 + np.exp(-(bias + x @ weights)))]


def left_out(rows: Sequence[dict[str, Any]]) -> list[float]:
    """For every row the confidence by a fit that saw neither its set nor its seed; with one set, none of its questions."""
    given = [0.0] * len(rows)
    several = len({row["data"] for row in rows}) > 1

    def group(row: dict[str, Any]) -> tuple[Any, ...]:
        return (row["data"], row["seed"]) if several else (zlib.crc32(row["question"].encode()) % 5,)

    for name in sorted({group(row) for row in rows}):
        if several:
            kept = [row for row in rows if row["data"] != name[0] and row["seed"] != name[1]]
            kept = kept or [row for row in rows if row["data"] != name[0]]
        else:
            kept = [row for row in rows if group(row) != name]
        places = [place for place, row in enumerate(rows) if group(row) == name]
        for place, value in zip(places, predicted([rows[place] for place in places], *fit(kept)), strict=True):
            given[place] = value
    return given


def told(rows: Sequence[dict[str, Any]], given: Sequence[float]) -> str:
    """How many answers, how many right, and how far confidence and accuracy lie apart; the interval draws questions."""
    groups: dict[Any, list[tuple[float, float]]] = {}
    for row, confidence in zip(rows, given, strict=True):
        groups.setdefault((row["data"], row["question"]), []).append((confidence, row["right"]))

    def error(drawn: Sequence[list[tuple[float, float]]]) -> float:
        pairs = [pair for group in drawn for pair in group]
        return calibration_error([p for p, _ in pairs], [r for _, r in pairs])

    everything = list(groups.values())
    low, high = bootstrap_of(everything, error)
    right = np.mean([row["right"] for row in rows])
    return f"{len(rows)} answers, {right:.3f} right, error {error(everything):.3f} [{low:.3f}, {high:.3f}]"


def answers(rows: Sequence[dict[str, Any]], given: Sequence[float]) -> tuple[list[dict[str, Any]], list[float]]:
    """The rows that were the run's answer, and their confidence."""
    pairs = [(row, confidence) for row, confidence in zip(rows, given, strict=True) if row["given"]]
    return [row for row, _ in pairs], [confidence for _, confidence in pairs]


def main(options: argparse.Namespace) -> None:
    everything = [row for row in rows_of(options.runs) if row["signals"].wordless == (options.kind == "extractive")]
    rows = [row for row in everything if row["data"] not in options.test]
    given = left_out(rows)
    print("candidates, left out:", told(rows, given))
    print("answers, left out:", told(*answers(rows, given)))
    for data in sorted({row["data"] for row in rows}):
        places = [place for place, row in enumerate(rows) if row["data"] == data]
        print(f"  {data}:", told(*answers([rows[place] for place in places], [given[place] for place in places])))
    bias, weights = fit(rows)
    for data in options.test:
        if part := [row for row in everything if row["data"] == data]:
            print(f"  {data}, never fitted on:", told(*answers(part, predicted(part, bias, weights))))
    print({name: round(float(weight), 3) for name, weight in zip(NAMES, weights, strict=True)}, "bias", round(bias, 3))
    print("with the weights in the package:", told(*answers(everything, [calibrated(row["signals"]) for row in everything])))
    unsure = [(confidence, row["right"]) for row, confidence in zip(rows, given, strict=True) if not row["signals"].stable]
    for least in (0.2, 0.3, 0.4, 0.5, 0.6, 0.7):
        kept = [right for confidence, right in unsure if confidence >= least]
        print(f"not stable, {least:.1f} or more: {len(kept)} of {len(unsure)} candidates, {sum(kept):.0f} right")
    if options.plot:
        shown, confidences = answers(rows, given)
        options.plot.write_text(reliability_plot(reliability(confidences, [row["right"] for row in shown])), encoding="utf-8")
    if options.write:
        place = Path(extagents.__file__).parent / "calibration.json"
        fits = json.loads(place.read_text(encoding="utf-8"))
        fits[options.kind] = {
            "bias": round(bias, 4),
            "weights": {name: round(float(weight), 4) for name, weight in zip(NAMES, weights, strict=True)},
            "fitted_on": f"{len(rows)} answers of {', '.join(sorted({row['data'] for row in rows}))}",
        }
        place.write_text(json.dumps(fits, indent=1) + "\n", encoding="utf-8")


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("runs", type=Path, nargs="+")
    parser.add_argument("--kind", choices=("model", "extractive"), default="model")
    parser.add_argument("--test", action="append", default=[], metavar="SET", help="a set to test on and never to fit on")
    parser.add_argument("--plot", type=Path)
    parser.add_argument("--write", action="store_true")
    main(parser.parse_args())
