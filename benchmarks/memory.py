"""Posts a second into each memory, and whether their cost grows with what is stored already.

    python benchmarks/memory.py [--posts 10000] [--growth 100000] [--backends sqlite redis] [--redis URL] [--json]

Without --redis a server is brought up from the packages of the development group. Every post carries three facts and a
place in the read cache. The growth is the CPU time of a post in the last ten thousand over that in the first ten thousand.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import statistics
import sys
import tempfile
import time
from collections.abc import Awaitable, Callable
from contextlib import ExitStack
from typing import Any

from extagents.memory.base import Manifest, Memory
from extagents.memory.ledger import fact_id
from extagents.memory.open import open_memory
from extagents.testing.redis_server import RedisServer
from extagents.types import Fact, Finding, Report, Usage

TOGETHER = 64  # posts in flight, as so many readers would have


def fact(shard: int, number: int) -> Fact:
    """One of a shard's facts; 100 shards make a document."""
    document, start = f"docs/{shard // 100}.txt", shard % 100 * 30_000 + number * 900
    return Fact(
        id=fact_id(document, "", start, start + 90),
        claim=f"The committee of district {shard} decided on the request number {number} in the autumn of that year.",
        quote=f"In autumn the committee of district {shard:7d} decided on the request {number:7d} unanimously",
        document=document,
        start=start,
        end=start + 90,
        relevance=(shard * 31 + number * 7) % 100 / 100,
        shard=f"shard-{shard}",
        round=1,
        title="Minutes of the district's committee",
    )


def report(shard: int) -> Report:
    """What a reader posts: three facts and a query."""
    return Report(
        run="run",
        round=1,
        wave=0,
        shard=f"shard-{shard}",
        version="0123456789abcdef",
        findings=(Finding(facts=tuple(fact(shard, number) for number in range(3)), queries=("who chaired it?",)),),
        usage=Usage(calls=1, input_tokens=8_000, output_tokens=120, cost=0.0013),
    )


async def seconds(call: Callable[[], Awaitable[Any]]) -> float:
    """Wall seconds of one call."""
    start = time.perf_counter()
    await call()
    return time.perf_counter() - start


async def post_all(memory: Memory, reports: list[Report]) -> None:
    """Posts with as many in flight as there are readers."""
    waiting = iter(reports)

    async def lane() -> None:
        for one in waiting:
            await memory.post(one, cache_key=f"key of {one.shard}")

    async with asyncio.TaskGroup() as group:
        for _ in range(TOGETHER):
            group.create_task(lane())


async def measure(memory: Memory, *, posts: int, growth: int) -> dict[str, float]:
    """Posts a second one after the other and together, and what growth does to a post and to knowledge."""
    manifest = Manifest(run="run", question="q", created=0.0, model="m", settings={}, corpus="c", packing="p")
    await memory.create_run(manifest)
    reports = [report(shard) for shard in range(posts)]
    half = posts // 2
    alone = await seconds(lambda: one_by_one(memory, reports[:half]))
    before = time.process_time()
    together = await seconds(lambda: post_all(memory, reports[half:]))
    own = time.process_time() - before
    blocks: list[float] = []
    for first in range(posts, growth, 1_000):
        block = [report(shard) for shard in range(first, min(first + 1_000, growth))]
        before = time.process_time()
        await post_all(memory, block)
        blocks.append((time.process_time() - before) / len(block))
    read = await seconds(lambda: memory.reports("run"))
    first_knowledge = await seconds(lambda: memory.knowledge("run", 1_500))
    later = [await seconds(lambda i=i: memory.knowledge("run", 1_500, without=f"shard-{i}")) for i in range(50)]  # type: ignore[misc]
    forget = await seconds(lambda: memory.forget_run("run"))
    total = max(posts, growth)
    return {
        "posts": total,
        "ms a post, one by one": 1_000 * alone / half,
        f"ms a post, {TOGETHER} together": 1_000 * together / (posts - half),
        "ms of own CPU a post, together": 1_000 * own / (posts - half),
        "posts a second, together": (posts - half) / together,
        "growth": statistics.median(blocks[-10:]) / statistics.median(blocks[:10]) if len(blocks) >= 20 else 1.0,
        "ms a report read back": 1_000 * read / total,
        "s until the first knowledge": first_knowledge,
        "ms a later knowledge": 1_000 * statistics.median(later),
        "s to forget": forget,
    }


async def one_by_one(memory: Memory, reports: list[Report]) -> None:
    """Posts one after the other, as a single reader would."""
    for one in reports:
        await memory.post(one, cache_key=f"key of {one.shard}")


async def measured(url: str, *, posts: int, growth: int) -> dict[str, float]:
    """`measure` on the memory at `url`."""
    memory = open_memory(url, tenant=f"benchmark {time.time()}")
    try:
        return await measure(memory, posts=posts, growth=growth)
    finally:
        await memory.aclose()


def main() -> None:
    """Measures every backend and prints a table, or JSON."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--posts", type=int, default=10_000)
    parser.add_argument("--growth", type=int, default=0, help="go on posting up to this many; 0: no further")
    parser.add_argument("--backends", nargs="+", choices=["sqlite", "memory", "redis"], default=["sqlite", "memory", "redis"])
    parser.add_argument("--redis", help="the URL of a server; without it one is brought up")
    parser.add_argument("--json", action="store_true")
    options = parser.parse_args()
    with ExitStack() as stack:
        folder = stack.enter_context(tempfile.TemporaryDirectory())
        urls = {"sqlite": f"sqlite:///{folder}/memory.sqlite", "memory": "memory://"}
        if "redis" in options.backends:
            urls["redis"] = options.redis or stack.enter_context(RedisServer()).url
        results = {
            name: asyncio.run(measured(urls[name], posts=options.posts, growth=options.growth)) for name in options.backends
        }
    if options.json:
        json.dump(results, sys.stdout, indent=2)
        print()
        return
    width = max(len(line) for result in results.values() for line in result)
    print(" " * width, *(f"{name:>10}" for name in results))
    for line in next(iter(results.values())):
        print(f"{line:<{width}}", *(f"{result[line]:>10.3f}" for result in results.values()))


if __name__ == "__main__":
    main()
