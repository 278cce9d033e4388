"""Recall of gold documents by the index alone, without a model: `python benchmarks/recall.py DATA_DIR…`.

A DATA_DIR holds `corpus.jsonl[.gz]` (id, title, text) and `questions.jsonl[.gz]` (question, gold: [{doc}], language, scope).
A question is put to the documents of its language, and of its scope where it names one of several documents.
"""

from __future__ import annotations

import argparse
import gzip
import json
import random
import statistics
import time
from pathlib import Path
from typing import Any

import numpy as np

from extagents.corpus.index import Index
from extagents.types import Document

CUTS = (2, 5, 10)


def records(folder: Path, name: str) -> list[dict[str, Any]]:
    for path in (folder / f"{name}.jsonl.gz", folder / f"{name}.jsonl"):
        if path.exists():
            content = gzip.decompress(path.read_bytes()) if path.suffix == ".gz" else path.read_bytes()
            return [json.loads(line) for line in content.splitlines()]
    raise SystemExit(f"no {name}.jsonl in {folder}")


def gold(question: dict[str, Any]) -> set[str]:
    return {entry["doc"] for entry in question.get("gold", [])}


def recall(index: Index, ids: list[str], questions: list[dict[str, Any]], method: Any) -> tuple[np.ndarray, list[float]]:
    """Recall at every cut, questions × cuts, and milliseconds of each query."""
    rows, times = [], []
    for question in questions:
        start = time.perf_counter()
        order = index.rank_documents([question["question"]], method=method)
        times.append((time.perf_counter() - start) * 1e3)
        wanted = gold(question)
        rows.append([len(wanted & {ids[i] for i in order[:cut]}) / len(wanted) for cut in CUTS])
    return np.array(rows), times


def interval(values: np.ndarray) -> str:
    chance = random.Random(7)
    means = sorted(statistics.fmean(chance.choices(values.tolist(), k=len(values))) for _ in range(500))
    return f"{100 * values.mean():5.1f} [{100 * means[12]:.1f}, {100 * means[487]:.1f}]"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folders", nargs="+", type=Path, metavar="DATA_DIR")
    arguments = parser.parse_args()
    for folder in arguments.folders:
        corpus = records(folder, "corpus")
        questions = [question for question in records(folder, "questions") if gold(question)]
        for language in sorted({record.get("language", "") for record in corpus}):
            chosen = [record for record in corpus if record.get("language", "") == language]
            asked = [question for question in questions if question.get("language", "") == language]
            if not asked:
                continue
            ids = [record["id"] for record in chosen]
            documents = [Document(id=r["id"], title=r.get("title", ""), text=r["text"]) for r in chosen]
            start = time.perf_counter()
            index = Index.build(documents)
            seconds = time.perf_counter() - start
            print(
                f"\n{folder.name} {language}: {len(documents)} documents, {index.passages} passages, built in {seconds:.2f} s"
            )
            for method in ("bm25", "full"):
                found, times = recall(index, ids, asked, method)
                cuts = "   ".join(f"@{cut} {interval(found[:, i])}" for i, cut in enumerate(CUTS))
                slow = sorted(times)[int(0.95 * len(times))]
                print(f"  {method:5} {cuts}   {statistics.median(times):.1f} ms, p95 {slow:.1f} ms")


if __name__ == "__main__":
    main()
