"""Fits the confidence of answers to runs whose outcome is known, and tests the fit on runs that it has not seen.

    python benchmarks/calibration.py RUNS.jsonl [RUNS2.jsonl …] [--kind model|extractive] [--write] [--plot docs/confidence.svg]

RUNS are lines that `benchmarks/compare.py --json` wrote (our loops only are used). A logistic function of the signals in
`extagents/confidence.py` is fitted with a ridge; every set and every seed is left out once, and the calibration error is that
of the runs left out. `--test NAME` names sets that are never fitted on. `--write` puts the weights into the package.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

import extagents
from extagents.confidence import NAMES, Signals, calibrated
from extagents.evaluation.report import reliability_plot
from extagents.evaluation.statistics import bootstrap_of, calibration_error, reliability

RIDGE = 2.0  # pulls weights to 0 that the runs say little about
Numbers = npt.NDArray[np.float64]


def rows_of(paths: Sequence[Path]) -> list[dict[str, Any]]:
    """One row per given answer of ours: set, seed, signals of the candidate it stands for, and whether it is right."""
    found = []
    for path in paths:
        for line in path.read_text(encoding="utf-8").splitlines():
            run = json.loads(line)
            if "/" not in run["loop"] or not run.get("signals") or not run["answer"] or "without" in run["loop"]:
                continue
            candidates = run["candidates"]
            best = max(range(len(candidates)), key=lambda place: candidates[place]["confidence"])
            same = [place for place, c in enumerate(candidates) if c["answer"] == run["answer"]]
            signals = Signals.model_validate(run["signals"][same[0] if same else best])
            group = (run["data"], run["setting"], run["profile"], run["seed"])
            found.append({"group": group, "data": run["data"], "signals": signals, "right": float(run["right"])})
    return found


def fit(rows: Sequence[dict[str, Any]]) -> tuple[float, Numbers]:
    """Bias and weights by Newton's method; the bias is not pulled."""
    x = np.array([(1.0, *row["signals"].features) for row in rows])
    y = np.array([row["right"] for row in rows])
    weights = np.zeros(x.shape[1])
    pull = np.diag([0.0] + [RIDGE] * (x.shape[1] - 1))
    for _ in range(50):
        p = 1 / (1 + np.exp(-x @ weights))
        step = np.linalg.solve(
            x.T @ (x * (p * (1 - p))[:, None]) + pull + 1e-9 * np.eye(len(weights)), x.T @ (y - p) - pull @ weights
        )
        weights += step
        if float(np.abs(step).max()) < 1e-9:
            break
    return float(weights[0]), weights[1:]


def predicted(rows: Sequence[dict[str, Any]], bias: float, weights: Numbers) -> list[float]:
    x = np.array([row["signals"].features for row in rows])
    return [float(p) for p in 1 / (1 + np.exp(-(bias + x @ weights)))]


def left_out(rows: Sequence[dict[str, Any]]) -> list[float]:
    """For every row the confidence by a fit that saw neither its set nor its seed; its seed alone where there is one set."""
    sets = {row["data"] for row in rows}
    given = [0.0] * len(rows)
    for group in {row["group"] for row in rows}:
        data, _, _, seed = group
        kept = [row for row in rows if row["data"] != data and row["group"][3] != seed] if len(sets) > 1 else []
        kept = kept or [row for row in rows if row["group"][3] != seed]
        bias, weights = fit(kept)
        places = [place for place, row in enumerate(rows) if row["group"] == group]
        for place, value in zip(places, predicted([rows[place] for place in places], bias, weights), strict=True):
            given[place] = value
    return given


def told(rows: Sequence[dict[str, Any]], given: Sequence[float]) -> str:
    """How many answers, how many right, and how far confidence and accuracy lie apart, with a bootstrap interval."""
    right = [row["right"] for row in rows]
    pairs = list(zip(given, right, strict=True))
    low, high = bootstrap_of(pairs, lambda drawn: calibration_error([p for p, _ in drawn], [r for _, r in drawn]))
    return (
        f"{len(rows)} answers, {np.mean(right):.3f} right, error {calibration_error(given, right):.3f} [{low:.3f}, {high:.3f}]"
    )


def main(options: argparse.Namespace) -> None:
    everything = [row for row in rows_of(options.runs) if row["signals"].wordless == (options.kind == "extractive")]
    rows = [row for row in everything if row["data"] not in options.test]
    given, right = left_out(rows), [row["right"] for row in rows]
    print("left out:", told(rows, given))
    for data in sorted({row["data"] for row in rows}):
        places = [place for place, row in enumerate(rows) if row["data"] == data]
        print(f"  {data}:", told([rows[place] for place in places], [given[place] for place in places]))
    bias, weights = fit(rows)
    for data in options.test:
        if part := [row for row in everything if row["data"] == data]:
            print(f"  {data}, never fitted on:", told(part, predicted(part, bias, weights)))
    print({name: round(float(weight), 3) for name, weight in zip(NAMES, weights, strict=True)}, "bias", round(bias, 3))
    print("with the weights in the package:", told(everything, [calibrated(row["signals"]) for row in everything]))
    if options.plot:
        options.plot.write_text(reliability_plot(reliability(given, right)), encoding="utf-8")
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
