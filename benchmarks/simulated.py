"""Accuracy, wrong answers, calls and tokens of our loop against a server that imitates a model over a known question set.

    python benchmarks/simulated.py DATA_DIR --server http://127.0.0.1:8099 [--questions 60] [--tokens 128000] [--effort E]

The server speaks the OpenAI API under /s/NAME/v1 and counts what each session used under /s/NAME/stats. A question's
input is its gold documents and other documents of the set, about so many tokens, shuffled. Scores are containment of an
accepted answer after normalising, with Wilson's 95% interval; a failed run is wrong.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import random
import time
from pathlib import Path
from typing import Any

from scoring import contained, read_jsonl, wilson

from extagents import Coordinator, Document


def build_input(question: dict[str, Any], corpus: list[dict[str, Any]], tokens: int, seed: int) -> list[Document]:
    """The question's gold documents and others, about `tokens` long, shuffled; the same for the same seed."""
    rng = random.Random(f"{seed} {question['id']}")
    by_id = {document["id"]: document for document in corpus}
    wanted = [gold.get("document") or gold.get("doc") for gold in question.get("gold") or []]
    chosen = {name: by_id[name] for name in wanted if name in by_id}
    size = sum(len(d["text"]) + len(d["title"]) + 30 for d in chosen.values())
    for position in rng.sample(range(len(corpus)), len(corpus)):
        if size >= tokens * 4:
            break
        document = corpus[position]
        if document["id"] not in chosen:
            chosen[document["id"]] = document
            size += len(document["text"]) + len(document["title"]) + 30
    documents = list(chosen.values())
    rng.shuffle(documents)
    return [
        Document(id=f"{n:06d}-{d['id']}.txt", title=d["title"], text=f"{d['title']}\n\n{d['text']}\n")
        for n, d in enumerate(documents)
    ]


async def fetch(url: str, body: dict[str, Any] | None = None) -> Any:
    import aiohttp

    async with aiohttp.ClientSession() as session:
        method = session.get(url) if body is None else session.post(url, json=body)
        async with method as response:
            return await response.json()


async def measure(
    question: dict[str, Any], documents: list[Document], options: argparse.Namespace, worker: int
) -> dict[str, Any]:
    """One run in a server session of its own."""
    session = f"{options.server}/s/ours-{worker}"
    await fetch(session + "/stats/reset", {})
    began = time.monotonic()
    failure, answer = None, None
    team = Coordinator(
        "openai:simulated",
        base_url=session + "/v1",
        api_key="none",
        memory="memory://",
        window=options.window,
        effort=options.effort,
        concurrency=options.concurrency,
        shard_tokens=options.shard_tokens,
        rounds=options.rounds if options.rounds == "all" else int(options.rounds),
        strategy=options.strategy,
    )
    rungs: list[tuple[int, int, str]] = []
    try:
        async for event in team.astream(question["question"], documents):
            if event.type == "rung":
                rungs.append((event.wave, event.size, event.answer if event.answerable else ""))
            elif event.type == "answer":
                answer = event.answer
    except Exception as error:  # noqa: BLE001 - a failed run counts as a wrong answer and is shown
        failure = f"{type(error).__name__}: {error}"
    finally:
        await team.aclose()
    stats = await fetch(session + "/stats")
    given = answer.answer if answer else ""
    answers = question["answers"] if question.get("answerable", True) else []
    gold = {g.get("document") or g.get("doc") for g in question.get("gold") or []}
    cited = {c.document.split("-", 1)[1].removesuffix(".txt") for c in answer.citations} if answer else set()
    return {
        "question": question["id"],
        "answer": given,
        "answers": question["answers"][:3],
        "right": contained(given, answers) if failure is None else False,
        "wrong_given": bool(given) and not contained(given, answers),
        "failure": failure,
        "confidence": answer.confidence if answer else 0.0,
        "rounds": answer.coverage.rounds if answer else 0,
        "read": answer.coverage.tokens_read / max(1, answer.coverage.tokens) if answer else 0,
        "answered": answer is not None and answer.answered,
        "failed_shards": answer.coverage.failed if answer else 0,
        "shards": answer.coverage.shards if answer else 0,
        "retries": answer.usage.retries if answer else 0,
        "cited_gold": len(cited & gold),
        "cited": len(cited),
        "gold": len(gold),
        "rungs": sorted(rungs),
        "seconds": time.monotonic() - began,
        "input_tokens": sum(len(d.text) + 30 for d in documents) // 4,
        **{k: stats[k] for k in ("calls", "prompt_tokens", "uncached_tokens", "completion_tokens", "makespan_s", "roles")},
    }


def summary(rows: list[dict[str, Any]]) -> dict[str, Any]:
    """Means over the runs, with intervals."""
    n = len(rows)
    right = sum(row["right"] for row in rows) / n
    size = sum(row["input_tokens"] for row in rows)
    cited, hit = sum(row["cited"] for row in rows), sum(row["cited_gold"] for row in rows)
    return {
        "questions": n,
        "accuracy": round(right, 4),
        "interval": round(wilson(right, n), 4),
        "wrong_given": round(sum(row["wrong_given"] for row in rows) / n, 4),
        "calls": round(sum(row["calls"] for row in rows) / n, 1),
        "prompt_x": round(sum(row["prompt_tokens"] for row in rows) / size, 3),
        "uncached_x": round(sum(row["uncached_tokens"] for row in rows) / size, 3),
        "makespan_s": round(sum(row["makespan_s"] for row in rows) / n, 2),
        "rounds": round(sum(row["rounds"] for row in rows) / n, 2),
        "read": round(sum(row["read"] for row in rows) / n, 3),
        "citation_precision": round(hit / max(1, cited), 3),
        "citation_recall": round(hit / max(1, sum(row["gold"] for row in rows)), 3),
        "seconds": round(sum(row["seconds"] for row in rows) / n, 2),
        "answered": sum(row["answered"] for row in rows),
        "shards": sum(row["shards"] for row in rows),
        "failed_shards": sum(row["failed_shards"] for row in rows),
        "retries": sum(row["retries"] for row in rows),
        "failed": sum(row["failure"] is not None for row in rows),
    }


async def main(options: argparse.Namespace) -> None:
    corpus, questions = read_jsonl(options.data, "corpus.jsonl"), read_jsonl(options.data, "questions.jsonl")
    questions = random.Random(options.seed).sample(questions, min(options.questions, len(questions)))
    queue, rows = list(reversed(questions)), []

    async def work(worker: int) -> None:
        while queue:
            question = queue.pop()
            documents = build_input(question, corpus, options.tokens, options.seed)
            rows.append(await measure(question, documents, options, worker))

    await asyncio.gather(*(work(worker) for worker in range(options.parallel)))
    result = summary(rows)
    print(json.dumps({"data": options.data.name, "effort": options.effort, "seed": options.seed, **result}))
    for failure in sorted({row["failure"] for row in rows if row["failure"]}):
        print("failed:", failure[:300])
    if options.json:
        options.json.write_text(json.dumps({"summary": result, "runs": rows}, indent=1, ensure_ascii=False), encoding="utf-8")


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("data", type=Path)
    parser.add_argument("--server", default="http://127.0.0.1:8099")
    parser.add_argument("--questions", type=int, default=60)
    parser.add_argument("--tokens", type=int, default=128_000)
    parser.add_argument("--window", type=int, default=32_768)
    parser.add_argument("--effort", default="thorough")
    parser.add_argument("--strategy", default="fused")
    parser.add_argument("--rounds", default="5")
    parser.add_argument("--shard-tokens", type=int)
    parser.add_argument("--concurrency", type=int, default=256)
    parser.add_argument("--parallel", type=int, default=4)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--json", type=Path)
    asyncio.run(main(parser.parse_args()))
