"""What the framework itself costs, with a model that answers at once, and with one that takes a second.

    python benchmarks/own_cost.py cost       1,250 shards of 8k tokens (10M tokens): ms of CPU and wall a shard, peak memory
    python benchmarks/own_cost.py growth     1,000, 10,000 and 100,000 short shards: cost a shard, which should stay the same
    python benchmarks/own_cost.py fleet      4,000 shards, 1 s a call, 256 at a time: wall of the reads against the ideal

The corpus is loaded, cut and indexed before the clock starts (benchmarks/corpus.py measures that). Memory: SQLite on disk.
The reads' wall runs from the start of the first wave to its last shard; planner, ladder and answer stand apart.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import math
import os
import random
import resource
import tempfile
import time
from pathlib import Path
from typing import Any

WORDS = (
    "harbour ledger rope barrel nail captain winter market letter signal garden copper bridge window river station paper "
    "silver corner engine morning doctor village season lantern mirror cotton valley pepper anchor timber saddle"
).split()


def text_of(rng: random.Random, tokens: int) -> str:
    """About so many tokens of sentences made of common words."""
    sentences, size = [], 0
    while size < tokens * 4:
        sentence = " ".join(rng.choices(WORDS, k=12)).capitalize() + f" {rng.randrange(10**6)}. "
        sentences.append(sentence)
        size += len(sentence)
    return "".join(sentences)


def model(delay: float) -> Any:
    """Answers at once, or after `delay` seconds; a reader reports one quoted fact, the reasoner finds no answer."""
    from extagents.testing import ScriptedModel
    from extagents.types import Plan, Reading, ReportedFact, Verdict

    def read(prompt: Any) -> Reading:
        section = prompt.inputs.shard.sections[0]
        quote = section.text[:60].rsplit(" ", 1)[0]
        return Reading(facts=[ReportedFact(claim=quote, quote=quote, relevance=0.3)], queries=[], continues=False)

    plan = Plan(core="Which ledger names the copper bridge?", instructions="", kind="lookup", answer_type="name", queries=[])
    nothing = Verdict(answerable=False, answer="", confidence=0.0, facts=[], queries=[])
    return ScriptedModel(
        {"planner": lambda _: plan, "reader": read, "reasoner": lambda _: nothing}, delay=delay, window=128_000
    )


async def measure(shards: int, tokens: int, *, delay: float, concurrency: int) -> dict[str, float]:
    """One run over so many shards of so many tokens, each shard read once."""
    from extagents import Coordinator, Corpus, Document

    rng = random.Random(1)
    step = 64
    base = [text_of(rng, tokens - 60) for _ in range(min(step, shards))]
    documents = [Document(id=f"d{n}", title=f"Volume {n}", text=f"Volume {n}. {base[n % len(base)]}") for n in range(shards)]
    corpus = Corpus.load(documents, cache=False)
    began = time.perf_counter()
    assert corpus.index is not None
    cut = corpus.shards(tokens)
    prepared = time.perf_counter() - began
    with tempfile.TemporaryDirectory() as folder:
        team = Coordinator(
            model(delay),
            memory=f"sqlite:///{folder}/memory.sqlite",
            effort="thorough",
            rounds=1,
            shard_tokens=tokens,
            concurrency=concurrency,
            strategy="parallel",
        )
        first = last = 0.0
        wall, cpu = time.perf_counter(), time.process_time()
        async for event in team.astream("Which ledger names the copper bridge?", corpus):
            now = time.perf_counter()
            if event.type == "wave":
                first = first or now
            elif event.type == "shard_read":
                last = now
            elif event.type == "answer":
                answer = event.answer
        wall, cpu = time.perf_counter() - wall, time.process_time() - cpu
        await team.aclose()
    assert answer.coverage.shards_read == len(cut), answer
    return {
        "shards": len(cut),
        "tokens": answer.coverage.tokens,
        "prepared_s": prepared,
        "wall_s": wall,
        "cpu_s": cpu,
        "reads_s": last - first,
        "cpu_ms_per_shard": 1000 * cpu / len(cut),
        "wall_ms_per_shard": 1000 * wall / len(cut),
        "peak_mb": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024,
    }


def show(rows: list[dict[str, float]]) -> None:
    for row in rows:
        print(json.dumps({name: round(value, 3) for name, value in row.items()}), flush=True)


def in_child(shards: int, tokens: int, **options: Any) -> dict[str, float]:
    """The measurement in a process of its own, so that peak memory is that run's."""
    reader, writer = os.pipe()
    child = os.fork()
    if child == 0:
        os.close(reader)
        row = asyncio.run(measure(shards, tokens, **options))
        os.write(writer, json.dumps(row).encode())
        os._exit(0)
    os.close(writer)
    data = b"".join(iter(lambda: os.read(reader, 65536), b""))
    os.waitpid(child, 0)
    result: dict[str, float] = json.loads(data)
    return result


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("what", choices=["cost", "growth", "fleet"])
    parser.add_argument("--json", type=Path)
    options = parser.parse_args()
    if options.what == "cost":
        rows = [in_child(1_250, 8_000, delay=0.0, concurrency=64)]
    elif options.what == "growth":
        rows = [in_child(count, 200, delay=0.0, concurrency=64) for count in (1_000, 10_000, 100_000)]
        for row in rows:
            row["against_first"] = row["cpu_ms_per_shard"] / rows[0]["cpu_ms_per_shard"]
    else:
        rows = [in_child(4_000, 400, delay=1.0, concurrency=256)]
        # 4,000 calls of 1 s on 256 places take 15.625 s if places could be shared, and 16 whole rounds if not.
        rows[0]["against_ideal"] = rows[0]["reads_s"] / (rows[0]["shards"] / 256)
        rows[0]["against_rounds"] = rows[0]["reads_s"] / math.ceil(rows[0]["shards"] / 256)
    show(rows)
    if options.json:
        options.json.write_text(json.dumps(rows, indent=1), encoding="utf-8")
