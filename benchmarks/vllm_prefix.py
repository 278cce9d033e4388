"""How much of its prompts vLLM finds in its prefix cache, and how fast it is: our order of a prompt beside shard-last.

    python benchmarks/vllm_prefix.py [--model NAME | --shape tiny|7b] [--shards N] [--shard-tokens N] [--questions N] …

In one run and one engine of this process, with the reader's own prompts: `system | shard | question | knowledge` as this
project renders them, and the same words with the shard last; the questions of a shard one after another (as a batch asks them),
and all shards once a question (as single questions come). Every way reads texts of its own. Without --model, one of random
weights is made on the spot: tiny on a CPU, --shape 7b where a GPU is at hand. Answers are cut at --output tokens: what counts
is reading.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import random
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from itertools import product
from pathlib import Path
from typing import Any

from extagents import prompts
from extagents.corpus.tokens import TokenCounter
from extagents.models.base import Message, Prompt
from extagents.models.vllm_engine import VllmEngine
from extagents.types import Plain, PlannerInput

ORDERS = ("ours", "shard last")
SCHEDULES = ("a shard's questions together", "a question after the other")
WORDS = "harbour ledger rope barrel captain winter island bell lantern keeper market bridge river stone letter clerk".split()


@dataclass(frozen=True)
class Row:
    """One way: tokens of all prompts, the share of them found in the cache, seconds, and what that makes a second."""

    schedule: str
    order: str
    requests: int
    prompt_tokens: int
    cached_share: float
    seconds: float
    prompt_tokens_per_second: float
    requests_per_second: float


def texts(seed: int, shards: int, tokens: int) -> list[str]:
    """Made-up shards of about so many tokens."""
    draw = random.Random(seed)
    made = []
    for number in range(shards):
        lines, size = [f"[Ledger {seed}.{number}]"], 0
        while size < tokens:
            some = [
                "The {} of {} {} met the {} by the {}.".format(
                    *draw.sample(WORDS, 2), draw.randrange(9999), *draw.sample(WORDS, 2)
                )
                for _ in range(20)
            ]
            size += TokenCounter().count(" ".join(some))
            lines += some
        made.append(" ".join(lines))
    return made


def rendered(order: str, shard: str, question: str) -> tuple[Message, ...]:
    """The reader's prompt, its parts in the given order."""
    made = prompts.render(
        "reader",
        "en",
        nonce=prompts.nonce(b"benchmark", shard),
        shard=shard,
        question=question,
        knowledge="(none)",
        queries="(none)",
    )
    user = made.user
    if order != ORDERS[0]:
        begin, end = user.index("=== text"), user.index("# Question")
        user = user[:begin] + user[end:] + "\n\n" + user[begin:end].strip()
    return (Message("system", made.system), Message("user", user))


def calls(order: str, schedule: str, shards: list[str], questions: list[str]) -> Iterator[tuple[Message, ...]]:
    """The prompts of a way, in the order in which they are asked."""
    if schedule == SCHEDULES[0]:
        yield from (rendered(order, shard, question) for shard, question in product(shards, questions))
    else:
        yield from (rendered(order, shard, question) for question, shard in product(questions, shards))


async def measure(model: VllmEngine, order: str, schedule: str, shards: list[str], questions: list[str], options: Any) -> Row:
    """Asks all calls of a way, so many at a time."""
    places = asyncio.Semaphore(options.concurrency)

    async def ask(messages: tuple[Message, ...]) -> Any:
        async with places:
            inputs = PlannerInput(question="benchmark")
            prompt = Prompt("reader", inputs, Plain, messages, options.output, "benchmark")
            return (await model.complete(prompt)).usage

    asked = list(calls(order, schedule, shards, questions))
    begun = time.perf_counter()
    used = await asyncio.gather(*(ask(messages) for messages in asked))
    seconds = time.perf_counter() - begun
    read = sum(usage.input_tokens for usage in used)
    found = sum(usage.cached_tokens for usage in used)
    return Row(schedule, order, len(used), read, found / read, seconds, read / seconds, len(used) / seconds)


async def run(folder: str, options: Any) -> list[Row]:
    """All ways in one engine, each measured as often as asked for, in turns."""
    arguments: dict[str, Any] = {"max_model_len": 2 * options.shard_tokens + 8_192, "load_format": options.load_format}
    arguments.update(json.loads(options.vllm))
    model = VllmEngine(folder, arguments=arguments)
    questions = [
        f"Which keeper rang bell number {number} of the {WORDS[number % len(WORDS)]}?" for number in range(options.questions)
    ]
    rows = []
    try:
        await model.describe()
        await measure(model, ORDERS[0], SCHEDULES[0], texts(0, 2, 500), questions[:2], options)  # warms up
        for turn in range(options.repeat):
            for number, (schedule, order) in enumerate(product(SCHEDULES, ORDERS)):
                shards = texts(100 * turn + number + 1, options.shards, options.shard_tokens)
                rows.append(await measure(model, order, schedule, shards, questions, options))
                print(line(rows[-1]), flush=True)
    finally:
        await model.aclose()
    return rows


def line(row: Row) -> str:
    told = f"{row.cached_share:.1%} | {row.seconds:.1f} s | {row.prompt_tokens_per_second:,.0f} | {row.requests_per_second:.2f}"
    return f"| {row.schedule} | {row.order} | {row.requests} | {row.prompt_tokens:,} | {told} |"


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--model", help="a model's name or folder; default: one of random weights, made on the spot")
    parser.add_argument("--shape", choices=("tiny", "7b"), default="tiny", help="of the model made on the spot")
    parser.add_argument("--shards", type=int, default=16)
    parser.add_argument("--shard-tokens", type=int, default=2_000)
    parser.add_argument("--questions", type=int, default=8, help="questions asked of every shard")
    parser.add_argument("--concurrency", type=int, default=16, help="calls in flight")
    parser.add_argument("--output", type=int, default=16, help="most tokens of an answer")
    parser.add_argument("--repeat", type=int, default=1)
    parser.add_argument("--vllm", default="{}", help="engine arguments, as JSON")
    parser.add_argument("--json", type=Path, help="writes the rows there")
    options = parser.parse_args()
    options.load_format = "dummy" if options.model is None and options.shape == "7b" else "auto"
    with tempfile.TemporaryDirectory() as made:
        folder = options.model
        if folder is None:
            maker = Path(__file__).resolve().parent.parent / "scripts" / "random_model.py"
            folder = str(Path(made) / options.shape)
            subprocess.run(
                [sys.executable, str(maker), folder, "--shape", options.shape], check=True, stdout=subprocess.DEVNULL
            )
        print(
            "| schedule | order | requests | prompt tokens | in the cache | time | prompt tokens a second | requests a second |"
        )
        print("|---|---|---|---|---|---|---|---|")
        rows = asyncio.run(run(folder, options))
    if options.json:
        options.json.write_text(json.dumps([asdict(row) for row in rows], indent=1), encoding="utf-8")


if __name__ == "__main__":
    main()
