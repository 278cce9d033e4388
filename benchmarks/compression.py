"""How much shorter compressed context is, and how many of the gold sentences that readers found still stand in it.

    python benchmarks/compression.py DATA_DIR… --server http://127.0.0.1:8099 [--questions 40] [--tokens 128000] [--json OUT]

The server speaks the OpenAI API under /s/NAME/v1 (`benchmarks/simulated.py`). A question's input is its gold documents and
others of the set in its language. It is read once (`--effort thorough`); from what the readers found, context is made at every
granularity for input/10, /20, /40 and /80 tokens. A gold sentence is *found* where verified quotes cover half of it, *kept*
where spans cover nine tenths. Without `--server` the extractive default reads.
"""

from __future__ import annotations

import argparse
import asyncio
import json
from collections.abc import Iterable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any, get_args

from scoring import wilson

from extagents import Coordinator, Document
from extagents.agents.compressor import compress
from extagents.corpus.corpus import Corpus
from extagents.evaluation.datasets import Dataset, Question, load, stretched
from extagents.memory.ledger import Ledger
from extagents.types import Fact, Granularity

SHORTER = (10, 20, 40, 80)
GOAL = 0.98
Places = list[tuple[str, int, int]]


def covered(places: Iterable[tuple[str, int, int]], gold: tuple[str, int, int]) -> float:
    """The share of a gold sentence's characters that lie in the places."""
    document, start, end = gold
    held = bytearray(end - start)
    for name, low, high in places:
        if name == document and low < end and high > start:
            low, high = max(low, start) - start, min(high, end) - start
            held[low:high] = b"\1" * (high - low)
    return sum(held) / len(held)


def gold_places(asked: Question, documents: dict[str, Document]) -> Places:
    """Where the question's gold sentences stand."""
    places = []
    for name, quote in zip(asked.gold, asked.quotes, strict=True):
        if quote and name in documents and (start := documents[name].text.find(quote)) >= 0:
            places.append((name, start, start + len(quote)))
    return list(dict.fromkeys(places))


def of_language(dataset: Dataset, asked: Question) -> Dataset:
    """The set's documents in the question's language; the first title of each is its own."""
    language = asked.row.get("language")
    corpus = tuple(d for d in dataset.corpus if language is None or d.metadata["language"] in (None, language))
    return Dataset(dataset.name, corpus, (asked,))


async def found_by_readers(
    asked: Question, corpus: Corpus, options: argparse.Namespace, worker: int
) -> tuple[tuple[Fact, ...], str]:
    """The verified facts of one thorough reading, best first, and why there are none if it failed."""
    server: dict[str, Any] = {}
    if options.server:
        server = {"model": "openai:simulated", "base_url": f"{options.server}/s/compress-{worker}/v1", "api_key": "none"}
    async with Coordinator(memory="memory://", window=options.window, effort="thorough", concurrency=256, **server) as team:
        try:
            await team.acompress(asked.text, corpus.documents, tokens=1_000, run="read")
        except Exception as error:  # noqa: BLE001 - a failed reading found nothing, and is shown
            return (), f"{type(error).__name__}: {error}"
        reports = await asyncio.to_thread(team.reports, "read")
    return tuple(fact for fact in Ledger.of(reports).ranked if fact.verified), ""


def measured(asked: Question, corpus: Corpus, facts: tuple[Fact, ...], gold: Places) -> Iterator[dict[str, Any]]:
    """One row a granularity and budget."""
    quotes = [(fact.document, fact.start or 0, fact.end or 0) for fact in facts]
    found = [place for place in gold if covered(quotes, place) >= 0.5]
    for granularity in get_args(Granularity):
        for times in SHORTER:
            context = compress(
                facts, corpus.documents, tokens=corpus.tokens // times, granularity=granularity, counter=corpus.counter
            )
            spans = [(span.document, span.start, span.end) for span in context.spans]
            yield {
                "question": asked.id,
                "granularity": granularity,
                "times": times,
                "input": corpus.tokens,
                "tokens": context.tokens,
                "facts": len(facts),
                "facts_kept": len(context.facts),
                "gold": len(gold),
                "found": len(found),
                "kept": sum(covered(spans, place) >= 0.9 for place in found),
            }


async def run_set(dataset: Dataset, options: argparse.Namespace) -> list[dict[str, Any]]:
    """All rows of one set."""
    with_gold = [asked for asked in dataset.questions if any(asked.quotes)]
    queue = Dataset(dataset.name, dataset.corpus, tuple(with_gold)).sample(options.questions, options.seed)
    rows: list[dict[str, Any]] = []

    async def work(worker: int) -> None:
        while queue:
            asked = queue.pop()
            whole = replace(asked, row={**asked.row, "scope": None})
            documents = stretched(whole, of_language(dataset, asked), options.tokens, seed=options.seed)
            corpus = await asyncio.to_thread(Corpus.load, documents, cache=False)
            facts, failure = await found_by_readers(asked, corpus, options, worker)
            if failure:
                print(f"failed: {asked.id}: {failure[:300]}")
            gold = gold_places(asked, {document.id: document for document in documents})
            rows.extend({"data": dataset.name, **row} for row in measured(asked, corpus, facts, gold))

    await asyncio.gather(*(work(worker) for worker in range(options.parallel)))
    return rows


def curve(rows: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Sums over questions, a row for each set, granularity and budget."""
    points = []
    for key in sorted({(row["data"], row["granularity"], row["times"]) for row in rows}):
        group = [row for row in rows if (row["data"], row["granularity"], row["times"]) == key]
        total = {name: sum(row[name] for row in group) for name in ("input", "tokens", "gold", "found", "kept")}
        share = total["kept"] / max(1, total["found"])
        points.append(
            {
                **dict(zip(("data", "granularity", "times"), key, strict=True)),
                "questions": len(group),
                "shorter": round(total["input"] / max(1, total["tokens"]), 1),
                "tokens": round(total["tokens"] / len(group)),
                "gold": total["gold"],
                "found": total["found"],
                "kept": total["kept"],
                "kept_share": round(share, 4),
                "interval": round(wilson(share, total["found"]), 4),
            }
        )
    return points


def table(points: list[dict[str, Any]]) -> str:
    """The curve in Markdown: gold sentences kept of those found, in percent, and how many times shorter the text is."""
    head = ["set", "gold found", "granularity", *(f"input/{times}" for times in SHORTER)]
    lines = ["| " + " | ".join(head) + " |", "|---" * len(head) + "|"]
    for data, granularity in dict.fromkeys((point["data"], point["granularity"]) for point in points):
        group = {point["times"]: point for point in points if (point["data"], point["granularity"]) == (data, granularity)}
        first = group[SHORTER[0]]
        cells = [f"{100 * group[times]['kept_share']:.1f} ({group[times]['shorter']:.0f}×)" for times in SHORTER]
        lines.append("| " + " | ".join([data, f"{first['found']} of {first['gold']}", granularity, *cells]) + " |")
    return "\n".join(lines)


async def main(options: argparse.Namespace) -> None:
    rows: list[dict[str, Any]] = []
    for folder in options.data:
        rows.extend(await run_set(load(folder), options))
    points = curve(rows)
    print(table(points))
    for point in points:
        if point["times"] == 20 and point["granularity"] == "auto":
            reached = "reached" if point["kept_share"] >= GOAL and point["shorter"] >= 20 else "missed"
            print(f"{point['data']}: {point['kept_share']:.1%} at {point['shorter']}× shorter: goal {reached}")
    if options.json:
        options.json.write_text(json.dumps({"curve": points, "rows": rows}, indent=1), encoding="utf-8")


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("data", type=Path, nargs="+")
    parser.add_argument("--server")
    parser.add_argument("--questions", type=int, default=40)
    parser.add_argument("--tokens", type=int, default=128_000)
    parser.add_argument("--window", type=int, default=32_768)
    parser.add_argument("--parallel", type=int, default=4)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--json", type=Path)
    asyncio.run(main(parser.parse_args()))
