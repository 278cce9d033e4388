"""Recall of gold documents by the index alone, without a model.

    python benchmarks/recall.py DATA_DIR… [--ablation] [--halves]

A DATA_DIR holds `corpus.jsonl[.gz]` (id, title, text, language) and `questions.jsonl[.gz]` (question, gold: [{doc}],
language). A question is put to all documents of its language; its recall is the share of its gold documents among the first
2, 5 and 10. Times are processor time, so that a busy machine does not change them. `--ablation` leaves out one part of the
ranking at a time; `--halves` tunes the constants on one half of the questions of all given sets together and tests them on
the other half, both ways.
"""

from __future__ import annotations

import argparse
import gzip
import json
import random
import statistics
import time
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from extagents.corpus.index import Index, Method
from extagents.corpus.ranking import Weights
from extagents.types import Document

CUTS = (2, 5, 10)

PARTS: dict[str, dict[str, Any]] = {
    "no title in the question": {"title": 0.0},
    "no phrases": {"phrase": 0.0},
    "words of names count in full": {"inside": 1.0},
    "no hops": {"steps": 0},
    "one hop": {"steps": 1},
    "no links to a named title": {"own": 0.0},
    "no links from the seed's title": {"back": 0.0},
    "no links by other shared names": {"shared": 0.0},
    "no residual": {"base": 1.0, "gain": 0.0},
    "residual alone": {"base": 0.0},
    "names of the question link in full": {"asked": 1.0},
    "all sentences link alike": {"sentence": 0.0},
    "passages under one title do not compete": {"rival": 1.0},
}

GRID: dict[str, tuple[float, ...]] = {
    "title": (1.0, 1.5, 2.0, 3.0),
    "base": (0.2, 0.4, 0.6),
    "gain": (1.0, 1.6, 2.2),
    "shared": (0.3, 0.4, 0.5),
    "own": (0.7, 1.0, 1.3),
    "decay": (0.7, 0.85, 1.0),
    "inside": (0.0, 0.3, 0.6, 1.0),
    "phrase": (0.0, 0.5, 1.0),
    "sentence": (0.0, 0.3, 0.6),
    "rival": (0.5, 0.7, 1.0),
}


@dataclass(frozen=True)
class Task:
    """The questions of one language over its documents: for each, what is asked and which documents are wanted."""

    name: str
    index: Index
    ids: list[str]
    questions: list[tuple[str, frozenset[str]]]
    seconds: float


def records(folder: Path, name: str) -> list[dict[str, Any]]:
    for path in (folder / f"{name}.jsonl.gz", folder / f"{name}.jsonl"):
        if path.exists():
            content = gzip.decompress(path.read_bytes()) if path.suffix == ".gz" else path.read_bytes()
            return [json.loads(line) for line in content.splitlines()]
    raise SystemExit(f"no {name}.jsonl in {folder}")


def tasks(folder: Path) -> list[Task]:
    corpus, asked = records(folder, "corpus"), records(folder, "questions")
    found: list[Task] = []
    for language in sorted({record.get("language", "") for record in corpus}):
        chosen = [record for record in corpus if record.get("language", "") == language]
        questions = [
            (question["question"], frozenset(entry["doc"] for entry in question["gold"]))
            for question in asked
            if question.get("language", "") == language and question.get("gold")
        ]
        if not questions:
            continue
        documents = [Document(id=r["id"], title=r.get("title", ""), text=r["text"]) for r in chosen]
        start = time.process_time()
        index = Index.build(documents)
        seconds = time.process_time() - start
        found.append(Task(f"{folder.name} {language}", index, [r["id"] for r in chosen], questions, seconds))
    return found


def recall(task: Task, *, method: Method = "full", weights: Weights | None = None, part: slice = slice(None)) -> Any:
    """Recall in percent, questions × cuts, and the milliseconds of processor time of every query."""
    index = task.index if weights is None else task.index.with_weights(weights)
    index.rank_documents(["what is ready before the clock starts"], method=method)
    rows: list[list[float]] = []
    times: list[float] = []
    for question, wanted in task.questions[part]:
        start = time.process_time()
        order = index.rank_documents([question], method=method)
        times.append((time.process_time() - start) * 1e3)
        rows.append([100 * len(wanted & {task.ids[i] for i in order[:cut]}) / len(wanted) for cut in CUTS])
    return np.array(rows), times


def interval(values: npt.NDArray[np.float64]) -> str:
    """Mean and its 95% interval (bootstrap over questions)."""
    chance = random.Random(7)
    means = sorted(statistics.fmean(chance.choices(values.tolist(), k=len(values))) for _ in range(1000))
    return f"{values.mean():5.1f} [{means[25]:.1f}, {means[974]:.1f}]"


def report(task: Task) -> None:
    size = f"{len(task.ids)} documents, {task.index.passages} passages, {len(task.questions)} questions"
    print(f"\n{task.name}: {size}, built in {task.seconds:.2f} s")
    methods: tuple[Method, ...] = ("bm25", "full")
    for method in methods:
        found, times = recall(task, method=method)
        cuts = "   ".join(f"@{cut} {interval(found[:, i])}" for i, cut in enumerate(CUTS))
        slow = sorted(times)[int(0.95 * len(times))]
        print(f"  {method:5} {cuts}   {statistics.median(times):.1f} ms, p95 {slow:.1f} ms")


def ablation(given: Sequence[Task]) -> None:
    print(f"\n{'recall@2 / @5 / @10 of':40} " + "   ".join(f"{task.name:>20}" for task in given))
    for label, change in {"everything": {}, **PARTS}.items():
        cells = [
            " / ".join(f"{mean:5.1f}" for mean in recall(task, weights=replace(Weights(), **change))[0].mean(axis=0))
            for task in given
        ]
        print(f"{label:40} " + "   ".join(f"{cell:>20}" for cell in cells))


def objective(given: Sequence[Task], weights: Weights, part: slice) -> float:
    """Mean over the sets of recall@5, and a little of recall@10 to tell equals apart."""
    return statistics.fmean(
        float(found[:, 1].mean() + 0.1 * found[:, 2].mean())
        for found, _ in (recall(t, weights=weights, part=part) for t in given)
    )


def tuned(given: Sequence[Task], part: slice) -> Weights:
    """Coordinate search over the grid, twice."""
    weights, best = Weights(), objective(given, Weights(), part)
    for _ in range(2):
        for name, values in GRID.items():
            for value in values:
                changed = replace(weights, **{name: value})  # type: ignore[arg-type]
                score = objective(given, changed, part)
                if score > best:
                    weights, best = changed, score
    return weights


def halves(given: Sequence[Task]) -> None:
    print("\nrecall@5 on one half of the questions, constants tuned on the other half")
    for tune, test in ((0, 1), (1, 0)):
        weights = tuned(given, slice(tune, None, 2))
        changed = {name: value for name in GRID if (value := getattr(weights, name)) != getattr(Weights(), name)}
        for task in given:
            there, here = slice(test, None, 2), slice(tune, None, 2)
            cells = [recall(task, weights=w, part=part)[0][:, 1].mean() for part in (here, there) for w in (weights, Weights())]
            print(
                f"  {task.name:16} tuned: {cells[0]:.1f} where tuned, {cells[2]:.1f} on the other half;"
                f" as shipped: {cells[1]:.1f} and {cells[3]:.1f}"
            )
        print(f"    tuned constants: {changed}")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folders", nargs="+", type=Path, metavar="DATA_DIR")
    parser.add_argument("--ablation", action="store_true", help="what each part is worth")
    parser.add_argument("--halves", action="store_true", help="tune on one half of the questions, test on the other")
    arguments = parser.parse_args()
    given = [task for folder in arguments.folders for task in tasks(folder)]
    for task in given:
        report(task)
    if arguments.ablation:
        ablation(given)
    if arguments.halves:
        halves(given)


if __name__ == "__main__":
    main()
