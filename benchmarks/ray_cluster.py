"""Readers on a Ray cluster of two nodes beside readers in this process: a model that takes a second, 256 reads at a time.

    python benchmarks/ray_cluster.py                     2,048 reads of 400 tokens, the model inside the reader processes
    python benchmarks/ray_cluster.py --tokens 2000       larger shards: more to send
    python benchmarks/ray_cluster.py --model endpoint    the model behind HTTP, in a process of its own on the same cores

Both nodes, the memory (a real Valkey or Redis server) and this program share this machine's cores, so the cost of all of them
is in the figures. The model inside the reader processes sleeps a second and then gives JSON, which is parsed like any other's:
it costs next to nothing itself. The endpoint's own cost, with the client's, is what `--model endpoint` has more.
Starting the cluster and the readers is told by itself; the reads' wall runs from the start of the first wave to its last shard.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import math
import os
import random
import re
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import psutil
from own_cost import model, text_of

QUESTION = "Which ledger names the copper bridge?"
NAME = "openai:second"
STORE = 100 * 2**20

ENDPOINT = """
import asyncio, json, re
from aiohttp import web

async def complete(request):
    body = await request.json()
    await asyncio.sleep(1.0)
    said = {"facts": [], "queries": [], "continues": False}
    usage = {"prompt_tokens": 100, "completion_tokens": 10, "total_tokens": 110}
    choice = {"index": 0, "message": {"role": "assistant", "content": json.dumps(said)}, "finish_reason": "stop"}
    return web.json_response({"id": "1", "object": "chat.completion", "model": "second", "choices": [choice], "usage": usage})

async def main():
    app = web.Application(client_max_size=2**24)
    app.router.add_post("/v1/chat/completions", complete)
    runner = web.AppRunner(app)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0, backlog=1024).start()
    print(runner.addresses[0][1], flush=True)
    await asyncio.Event().wait()

asyncio.run(main())
"""


class Second:
    """Takes a second, and finds nothing."""

    name = endpoint = NAME
    local = False

    async def complete(self, prompt: Any, *, timeout: Any = None, on_delta: Any = None) -> Any:
        from extagents.models.base import Completion
        from extagents.types import Usage

        await asyncio.sleep(1.0)
        usage = Usage(calls=1, input_tokens=100, output_tokens=10)
        return Completion(text='{"facts": [], "queries": [], "continues": false}', usage=usage, model="second")

    async def describe(self) -> Any:
        from extagents.models.base import ModelInfo

        return ModelInfo(name=self.name, window=128_000)

    async def aclose(self) -> None:
        """Nothing is held open."""


@contextmanager
def cluster() -> Iterator[str]:
    """Two nodes of one CPU each."""
    os.environ.update(
        RAY_ENABLE_WINDOWS_OR_OSX_CLUSTER="0", RAY_USAGE_STATS_ENABLED="0", RAY_ACCEL_ENV_VAR_OVERRIDE_ON_ZERO="0"
    )
    import ray
    from ray.cluster_utils import Cluster

    with tempfile.TemporaryDirectory(prefix="xr-", ignore_cleanup_errors=True) as folder:
        shape: dict[str, Any] = {"num_cpus": 1, "object_store_memory": STORE, "node_ip_address": "127.0.0.1"}
        nodes = Cluster()
        try:
            for _ in range(2):
                nodes.add_node(**shape, include_dashboard=False, temp_dir=folder)
            os.environ["RAY_ADDRESS"] = str(nodes.address)
            yield str(nodes.address)
        finally:
            ray.shutdown()
            nodes.shutdown()


@contextmanager
def served() -> Iterator[str]:
    """The endpoint in a process of its own."""
    server = subprocess.Popen([sys.executable, "-c", ENDPOINT], stdout=subprocess.PIPE, text=True)
    try:
        assert server.stdout is not None
        yield f"http://127.0.0.1:{server.stdout.readline().strip()}/v1"
    finally:
        server.kill()
        server.wait()


def inside() -> None:
    """From now on reader processes have the model in themselves."""
    from extagents.executors import fleet
    from extagents.executors.reader_actor import ReaderActor as Original

    made = Second

    class ReaderActor(Original):
        async def begin(self, *told: Any) -> Any:
            from extagents.executors import reader_actor

            reader_actor.resolve = lambda *_, **__: made()  # type: ignore[assignment, return-value]
            return await super().begin(*told)

    fleet.ReaderActor = ReaderActor  # type: ignore[misc]


def readers_cpu() -> float:
    """Seconds of CPU that the reader processes have used."""
    used = 0.0
    for process in psutil.Process().children(recursive=True):
        try:
            if re.match(r"ray::ReaderActor", " ".join(process.cmdline())):
                times = process.cpu_times()
                used += times.user + times.system
        except psutil.NoSuchProcess:
            continue
    return used


async def measure(executor: str, corpus: Any, shards: int, memory: str, options: Any, base_url: str | None) -> dict[str, Any]:
    """One run in which every shard is read once."""
    from extagents import Coordinator
    from extagents.background import background

    reader: Any = NAME if executor == "ray" or base_url else Second()
    team = Coordinator(
        model(0.0),
        models={"reader": reader},
        memory=memory,
        executor=executor,  # type: ignore[arg-type]
        effort="thorough",
        strategy="parallel",
        rounds=1,
        shard_tokens=options.tokens,
        window=128_000,
        concurrency=options.concurrency,
        base_url=base_url or "http://127.0.0.1:9/v1",
        settings=None,
    )

    async def start() -> None:
        await team._open_executor(await team._open_gate())

    began = time.perf_counter()
    await background.run(start)
    ready = time.perf_counter() - began
    first = last = cpu = cpu_end = away = 0.0
    async for event in team.astream(QUESTION, corpus):
        now = time.perf_counter()
        if event.type == "wave":
            first, cpu, away = now, time.process_time(), readers_cpu()
        elif event.type == "shard_read":
            last, cpu_end = now, time.process_time()
        elif event.type == "answer":
            answer = event.answer
    away = readers_cpu() - away
    nodes = getattr(team._executor, "reads", {})
    await team.aclose()
    assert answer.coverage.shards_read == shards, answer
    wall, ideal = last - first, shards / options.concurrency
    return {
        "executor": executor,
        "model": options.model,
        "reads": shards,
        "tokens_a_shard": options.tokens,
        "reads_by_node": sorted(nodes.values()),
        "ready_s": ready,
        "reads_s": wall,
        "ideal_s": ideal,
        "share_of_ideal": ideal / wall,
        "share_of_whole_rounds": math.ceil(ideal) / wall,
        "overhead_ms_per_read": 1000 * (wall - ideal) / shards,
        "latency_over_model_ms": 1000 * (wall * options.concurrency / shards - 1.0),
        "cpu_here_ms_per_read": 1000 * (cpu_end - cpu) / shards,
        "cpu_readers_ms_per_read": 1000 * away / shards,
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--reads", type=int, default=2_048)
    parser.add_argument("--tokens", type=int, default=400)
    parser.add_argument("--concurrency", type=int, default=256)
    parser.add_argument("--model", choices=("inside", "endpoint"), default="inside")
    parser.add_argument("--json", type=Path)
    options = parser.parse_args()
    from extagents import Corpus, Document
    from extagents.testing.redis_server import RedisServer

    rng = random.Random(1)
    base = [text_of(rng, options.tokens - 60) for _ in range(64)]
    documents = [Document(id=f"d{n}", title=f"Volume {n}", text=f"Volume {n}. {base[n % 64]}") for n in range(options.reads)]
    corpus = Corpus.load(documents, cache=False)
    assert corpus.index is not None
    shards = len(corpus.shards(options.tokens))
    rows = []
    with cluster(), RedisServer(tcp=True) as server, served() as url:
        if options.model == "inside":
            inside()
        for number, executor in enumerate(("local", "ray")):
            base_url = url if options.model == "endpoint" else None
            memory = f"{server.url[:-1]}{number}"
            rows.append(asyncio.run(measure(executor, corpus, shards, memory, options, base_url)))
            print(json.dumps({n: round(v, 3) if isinstance(v, float) else v for n, v in rows[-1].items()}), flush=True)
    if options.json:
        options.json.write_text(json.dumps(rows, indent=1), encoding="utf-8")


if __name__ == "__main__":
    main()
