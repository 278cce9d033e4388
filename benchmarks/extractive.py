"""The extractive default end to end, beside the same extractor in one pass over BM25's five best documents.

    python benchmarks/extractive.py DATA_DIR… [--effort EFFORT…] [--half even|odd] [--questions N] [--json FILE]

A DATA_DIR holds `corpus.jsonl[.gz]` (id, title, text) and `questions.jsonl[.gz]` (question, answers, gold: [{doc}], and
`answerable: false` where the corpus does not say). Every question is put to the whole corpus, with nothing set but the
effort. An answer is right if it contains an accepted one after normalising, wrong if it does not, silent if none is given;
the ± is Wilson's 95% interval. Citations are compared with the gold documents: precision over the answers given, recall over
all questions. `found` is the share of questions whose accepted answer stands in a fact of a gold document that a reader
reported. The difference to the baseline is paired, with a 95% interval of 10,000 bootstrap samples of the questions.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from scoring import contained, read_jsonl, wilson

from extagents import Coordinator, Document
from extagents.corpus.corpus import Corpus
from extagents.models.base import Prompt
from extagents.models.extractive import ExtractiveModel
from extagents.types import Plan, PlannerInput, Section, ShardText, SingleInput, SinglePass

BASELINE = "BM25 top 5, one pass"
TOP = 5


async def ours(question: dict[str, Any], corpus: Corpus, team: Coordinator) -> dict[str, Any]:
    """The coordinator with its defaults over the whole corpus."""
    gold = gold_of(question)
    found = False
    answer = None
    began, spent = time.perf_counter(), time.process_time()
    async for event in team.astream(question["question"], corpus):
        if event.type == "facts":
            found = found or any(
                fact.document in gold and contained(f"{fact.title} {fact.quote}", question["answers"]) for fact in event.facts
            )
        elif event.type == "answer":
            answer = event.answer
    assert answer is not None
    cited = {citation.document for citation in answer.citations} if answer.answered else set()
    record = team.run(answer.run_id)
    told = {
        "candidates": [candidate.model_dump() for candidate in answer.candidates],
        "paths": {c.path: float(contained(c.answer, question["answers"])) for c in answer.candidates},
        "signals": record.state.get("signals", []) if record is not None else [],
    }
    return judged(question, answer.answer, cited, began, spent) | told | {"found": found, "confidence": answer.confidence}


async def baseline(question: dict[str, Any], corpus: Corpus, model: ExtractiveModel) -> dict[str, Any]:
    """The same extractor without the loop: the five best documents by BM25, read and answered at once."""
    began, spent = time.perf_counter(), time.process_time()
    plan = await ask(model, "planner", PlannerInput(question=question["question"]), Plan)
    chosen = corpus.index.rank_documents([plan.core], method="bm25")[:TOP]
    sections = tuple(
        Section(document=d.id, title=d.title, text=d.text, start=0, end=len(d.text))
        for d in (corpus.documents[i] for i in chosen)
    )
    inputs = SingleInput(
        shard=ShardText(id="top", sections=sections),
        question=plan.core,
        kind=plan.kind,
        answer_type=plan.answer_type,
        statistics=corpus.index,
    )
    passed = await ask(model, "single", inputs, SinglePass)
    answer = passed.answer if passed.answerable else ""
    quotes = [fact.quote for fact in passed.facts] if answer else []
    cited = {section.document for section in sections for quote in quotes if quote in section.text}
    gold = gold_of(question)
    read = [s for s in sections if s.document in gold and contained(f"{s.title} {s.text}", question["answers"])]
    return judged(question, answer, cited, began, spent) | {"found": bool(read), "confidence": passed.confidence}


async def ask(model: ExtractiveModel, role: Any, inputs: Any, output: Any) -> Any:
    prompt = Prompt(role=role, inputs=inputs, output=output, messages=(), max_output_tokens=1_024, version="benchmark")
    return (await model.complete(prompt)).output


def gold_of(question: dict[str, Any]) -> set[str]:
    return {gold["doc"] for gold in question.get("gold") or []}


def judged(question: dict[str, Any], answer: str, cited: set[str], began: float, spent: float) -> dict[str, Any]:
    """One answer, scored. Times are milliseconds of the clock and of the processor."""
    accepted = question["answers"] if question.get("answerable", True) else []
    right, gold = contained(answer, accepted), gold_of(question)
    return {
        "question": question["question"],
        "accepted": accepted,
        "answer": answer,
        "right": right,
        "wrong": bool(answer) and not right,
        "silent": not answer,
        "span": right and 0 < len(answer) <= 60,
        "precision": len(cited & gold) / len(cited) if cited else None,
        "recall": len(cited & gold) / len(gold) if gold else None,
        "ms": 1_000 * (time.perf_counter() - began),
        "cpu_ms": 1_000 * (time.process_time() - spent),
    }


def mean(rows: Sequence[dict[str, Any]], name: str) -> float:
    values = [row[name] for row in rows if row[name] is not None]
    return sum(values) / len(values) if values else 0.0


def bootstrap(differences: Sequence[float], samples: int = 10_000) -> tuple[float, float]:
    """The 95% interval of the mean of paired differences."""
    values = np.array(differences, float)
    drawn = np.random.default_rng(0).integers(0, len(values), (samples, len(values)))
    low, high = np.percentile(values[drawn].mean(axis=1), (2.5, 97.5))
    return float(low), float(high)


def show(name: str, rows: Sequence[dict[str, Any]]) -> None:
    right = mean(rows, "right")
    print(
        f"{name:40s} n {len(rows):4d}  right {100 * right:5.1f} ±{100 * wilson(right, len(rows)):4.1f}"
        f"  wrong {100 * mean(rows, 'wrong'):5.1f}  silent {100 * mean(rows, 'silent'):5.1f}"
        f"  short {100 * mean(rows, 'span'):5.1f}  found {100 * mean(rows, 'found'):5.1f}"
        f"  cited: precision {100 * mean(rows, 'precision'):5.1f} recall {100 * mean(rows, 'recall'):5.1f}"
        f"  {mean(rows, 'ms'):6.0f} ms, {mean(rows, 'cpu_ms'):5.0f} of the processor",
        flush=True,
    )


async def measure(folder: Path, options: argparse.Namespace) -> dict[str, Any]:
    rows = read_jsonl(folder, "corpus.jsonl")
    corpus = Corpus([Document(id=d["id"], title=d["title"], text=d["text"]) for d in rows])
    questions = read_jsonl(folder, "questions.jsonl")
    if options.half:
        questions = questions[("even", "odd").index(options.half) :: 2]
    questions = questions[: options.questions]
    corpus.index.search("warm")
    model = ExtractiveModel()
    results: dict[str, list[dict[str, Any]]] = {BASELINE: [await baseline(q, corpus, model) for q in questions]}
    show(f"{folder.name}: {BASELINE}", results[BASELINE])
    for effort in options.effort:
        async with Coordinator(memory="memory://", effort=effort) as team:
            results[effort] = [await ours(question, corpus, team) for question in questions]
        show(f"{folder.name}: coordinator, {effort}", results[effort])
        pairs = list(zip(results[effort], results[BASELINE], strict=True))
        for name in ("right", "wrong"):
            differences = [float(mine[name]) - float(other[name]) for mine, other in pairs]
            low, high = bootstrap(differences)
            difference = sum(differences) / len(differences)
            print(
                f"    {name}: {100 * difference:+.1f} [{100 * low:+.1f}, {100 * high:+.1f}] points beside the baseline",
                flush=True,
            )
        if options.show:
            for row in results[effort]:
                mark = "+" if row["right"] else "." if row["silent"] else "-"
                print(
                    f"    {mark}{'f' if row['found'] else ' '} {row['question'][:160]}"
                    f" => {row['answer'][:80]!r} ({row['confidence']:.2f}) | {row['accepted'][:1]}"
                )
    return {"set": folder.name, "half": options.half or "both", "rows": results}


async def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("data", type=Path, nargs="+")
    parser.add_argument("--effort", nargs="+", default=["balanced"], choices=("quick", "balanced", "thorough"))
    parser.add_argument(
        "--half", choices=("even", "odd"), help="only questions at even or odd places: to tune on one, check on the other"
    )
    parser.add_argument("--questions", type=int, help="at most so many a set")
    parser.add_argument("--show", action="store_true", help="print every answer")
    parser.add_argument("--json", type=Path, help="write every row to this file")
    parser.add_argument("--runs", type=Path, help="write the coordinator's runs to this file, for benchmarks/calibration.py")
    options = parser.parse_args()
    measured = [await measure(folder, options) for folder in options.data]
    if options.runs:
        lines = [
            {**row, "data": part["set"], "seed": 1, "loop": f"{effort}/fused"}
            for part in measured
            for effort in options.effort
            for row in part["rows"][effort]
        ]
        options.runs.write_text("".join(json.dumps(line, ensure_ascii=False) + "\n" for line in lines), encoding="utf-8")
    if options.json:
        options.json.write_text(json.dumps(measured, ensure_ascii=False, indent=1), encoding="utf-8")


if __name__ == "__main__":
    asyncio.run(main())
