"""What it costs to take in a corpus: read, count, shard and index, cold and from the cache; then packing by rank and quotes.

    python benchmarks/corpus.py [PATH …] [--shard-tokens 8000] [--json]

Without a path, over the Python standard library: about ten million tokens. The cold and the cached pass run in processes of
their own, so that nothing is warm but the cache. Target: ten million tokens in 30 s cold on 2 cores, 2 s from the cache.
"""

from __future__ import annotations

import argparse
import json
import resource
import subprocess
import sys
import sysconfig
import tempfile
import time
from pathlib import Path

STAGES = ("load", "count", "shard", "index")


def measure(paths: list[str], cache: Path, shard_tokens: int) -> dict[str, float]:
    """Takes in the corpus once and says how many seconds each stage took; `megabytes` is the peak of memory."""
    from extagents.corpus.corpus import Corpus

    figures: dict[str, float] = {}
    began = time.perf_counter()

    def lap(name: str) -> None:
        nonlocal began
        figures[name] = time.perf_counter() - began
        began = time.perf_counter()

    corpus = Corpus.load(paths, cache=cache)
    lap("load")
    tokens = corpus.tokens
    lap("count")
    shards = corpus.shards(shard_tokens)
    lap("shard")
    passages = corpus.index.passages
    lap("index")
    queries = [document.title for document in corpus.documents[:: max(1, len(corpus) // 20)]]
    corpus.ranked_shards(queries[:1])
    lap("ranked packing")
    for query in queries:
        corpus.search(query, k=10)
    lap("search")
    figures["search"] /= len(queries)
    some = shards[:: max(1, len(shards) // 50)]
    for shard in some:
        text = corpus.shard_text(shard).sections[-1].text
        quote = " ".join(text[len(text) // 2 :][:200].split()).replace("e ", "e  ", 1).replace("th", "ht", 1)
        corpus.locate(quote, shard)
    lap("quote")
    figures["quote"] /= len(some)
    figures["in all"] = sum(figures[stage] for stage in STAGES)
    sizes = {"documents": len(corpus), "tokens": tokens, "shards": len(shards), "passages": passages}
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1_000
    return {**figures, **sizes, "megabytes": peak, "filled": sum(shard.tokens for shard in shards) / len(shards) / shard_tokens}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("paths", nargs="*")
    parser.add_argument("--shard-tokens", type=int, default=8_000)
    parser.add_argument("--json", action="store_true", help="print the figures as one JSON object")
    parser.add_argument("--stage", type=Path, help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.stage is not None:
        print(json.dumps(measure(arguments.paths, arguments.stage, arguments.shard_tokens)))
        return
    with tempfile.TemporaryDirectory() as temporary:
        paths = arguments.paths or [sysconfig.get_path("stdlib")]
        command = [sys.executable, __file__, *paths, "--stage", f"{temporary}/cache"]
        command += ["--shard-tokens", str(arguments.shard_tokens)]
        cold, warm = (json.loads(subprocess.run(command, check=True, capture_output=True).stdout) for _ in range(2))
    if arguments.json:
        print(json.dumps({"cold": cold, "cached": warm}))
        return
    print(f"{cold['documents']:,} documents, {cold['tokens']:,} tokens, {cold['shards']:,} shards", end=" ")
    print(f"({cold['filled']:.0%} filled), {cold['passages']:,} passages\n")
    print(f"{'':24}{'cold':>10}{'cached':>10}")
    for name in (*STAGES, "in all", "ranked packing"):
        print(f"{name + ' (s)':24}{cold[name]:>10.2f}{warm[name]:>10.2f}")
    for name in ("search", "quote"):
        print(f"{name + ' (ms each)':24}{cold[name] * 1_000:>10.2f}{warm[name] * 1_000:>10.2f}")
    print(f"{'peak memory (MB)':24}{cold['megabytes']:>10.0f}{warm['megabytes']:>10.0f}")


if __name__ == "__main__":
    main()
