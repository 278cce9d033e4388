"""Many questions over one corpus in a batch beside each of them asked alone, against a simulated model.

    python benchmarks/batch.py --tools SIMULATOR_DIR --data DIR [--data DIR2] [--padding DIR] --json OUT.jsonl

SIMULATOR_DIR holds `simllm.py`. The corpus is the set's own documents and so much of the padding that it has --tokens
tokens, shuffled. A batch has one simulated GPU with its cache; so has every question that is asked alone (`--alone` of
them, drawn from the batch's). OUT gets a line a batch and a line a question alone; what stands there is not run again. The
table has uncached input tokens a question, accuracy with Wilson's interval, and the paired difference.
"""

from __future__ import annotations

import argparse
import json
import os
import random
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any, cast

from measuring import Reproducible, known, loaded, score, stored, threads
from simulator import Simulated, simllm

from extagents import Coordinator, Corpus
from extagents.background import background
from extagents.evaluation import datasets
from extagents.evaluation.statistics import paired, wilson
from extagents.settings import Settings
from extagents.types import Document

Row = dict[str, Any]


def corpus_of(data: Path, padding: Sequence[Path], tokens: int, seed: int) -> list[Document]:
    """The set's documents and pieces of the padding, about so many tokens, shuffled."""
    rng = random.Random(f"{seed} {data.name}")
    documents = list(loaded(data).corpus)
    pieces = datasets.pieces(document for folder in padding for document in datasets.load(folder).corpus)
    rng.shuffle(pieces)
    size = datasets.tokens_of(documents)
    for piece in pieces:
        if size >= tokens:
            break
        documents.append(piece)
        size += datasets.tokens_of([piece])
    rng.shuffle(documents)
    return documents


def session(options: argparse.Namespace, data: Path, profile: str, seed: int, name: str) -> Simulated:
    """A simulated GPU of its own."""
    module = simllm(options.tools)
    told = ["--data", str(data), "--profile", profile, "--seed", str(seed), "--window", str(options.window)]
    parsed = module.parse_options([*told, "--kv-tokens", str(options.cache)])
    return Simulated(module.Server(parsed, known(options.tools, data)), module.Session(parsed), threads(), name=name)


def settings(options: argparse.Namespace) -> Settings:
    return Settings(
        effort=options.effort, window=options.window, concurrency=options.concurrency, shard_tokens=options.shard_tokens
    )


async def in_batch(
    options: argparse.Namespace, data: Path, profile: str, seed: int, asked: Sequence[Any], corpus: Corpus
) -> Row:
    """All questions in one batch."""
    model = session(options, data, profile, seed, f"batch-{seed}")
    memory = Reproducible(f"batch {seed}")
    model.watched.append(memory)
    began = time.monotonic()
    team = Coordinator(model, memory=cast(Any, memory), settings=settings(options))
    try:
        questions = [{"id": one.id, "question": one.text} for one in asked]
        per_read: Any = options.questions_per_read if options.questions_per_read == "auto" else int(options.questions_per_read)
        answers = await team.abatch(questions, corpus, questions_per_read=per_read)
    finally:
        await team.aclose()
        await memory.aclose()
        await model.aclose()
    rights = {one.id: score(answer.answer, one, ()) for one, answer in zip(asked, answers, strict=True)}
    wrong = {one.id: float(answer.answered and not rights[one.id]) for one, answer in zip(asked, answers, strict=True)}
    told = {"rights": rights, "wrong": wrong, "failed": answers.summary.failed, "per_read": answers.summary.questions_per_read}
    return {"loop": "batch", "questions": len(asked), **told, "seconds": round(time.monotonic() - began, 1), **model.stats()}


async def alone(options: argparse.Namespace, data: Path, profile: str, seed: int, one: Any, documents: list[Document]) -> Row:
    """One question by itself, as `ask` reads a folder: packed by rank."""
    model = session(options, data, profile, seed, f"alone-{one.id}")
    memory = Reproducible(f"batch {seed}")
    model.watched.append(memory)
    team = Coordinator(model, memory=cast(Any, memory), settings=settings(options).model_copy(update={"shard_tokens": None}))
    try:
        answer = await team.aask(one.text, documents)
    finally:
        await team.aclose()
        await memory.aclose()
        await model.aclose()
    right = score(answer.answer, one, ())
    return {"loop": "alone", "question": one.id, "right": right, "wrong": float(answer.answered and not right), **model.stats()}


def label(options: argparse.Namespace) -> str:
    extra = [
        *([f"shards={options.shard_tokens}"] if options.shard_tokens else []),
        *([f"per read={options.questions_per_read}"] if options.questions_per_read != "1" else []),
        *([f"cache={options.cache}"] if options.cache != 1_500_000 else []),
    ]
    return " ".join([f"{options.tokens // 1000}K", options.effort, f"{options.questions} questions", *extra])


def measure(options: argparse.Namespace) -> list[Row]:
    """Runs what is missing and gives all rows."""
    rows = stored(options.json)
    until = None if options.minutes is None else time.monotonic() + 60 * options.minutes
    kinds = set(filter(None, options.kinds.split(",")))
    with options.json.open("a", encoding="utf-8") as lines:
        for data in options.data:
            usable = [q for q in loaded(data).questions if datasets.matchable(q) and (not kinds or q.kind in kinds)]
            usable = [q for q in usable if not options.language or q.row.get("language") == options.language]
            for seed in map(int, options.seeds.split(",")):
                rng = random.Random(seed)
                asked = rng.sample(usable, min(options.questions, len(usable)))
                drawn = rng.sample(asked, min(options.alone, len(asked)))
                documents = corpus_of(data, options.padding, options.tokens, seed)
                corpus = Corpus.load(documents)
                for profile in options.profiles.split(","):
                    common = {"data": data.name, "setting": label(options), "profile": profile, "seed": seed}

                    def here(row: Row, common: Row = common) -> bool:
                        return all(row[name] == value for name, value in common.items())

                    def put(row: Row, common: Row = common) -> None:
                        rows.append({**common, **row})
                        lines.write(json.dumps(rows[-1], ensure_ascii=False) + "\n")
                        lines.flush()

                    if until is not None and time.monotonic() > until:
                        return rows
                    if not any(here(row) and row["loop"] == "batch" for row in rows):
                        put(background.wait(lambda: in_batch(options, data, profile, seed, asked, corpus)))  # noqa: B023
                    done = {row["question"] for row in rows if here(row) and row["loop"] == "alone"}
                    for one in drawn:
                        if one.id not in done and (until is None or time.monotonic() < until):
                            put(background.wait(lambda one=one: alone(options, data, profile, seed, one, documents)))  # type: ignore[misc]  # noqa: B023
    return rows


def report(rows: Sequence[Row]) -> str:
    """The table: a line a set, setting and profile, over its seeds."""
    lines = [
        "| data | setting | profile | seeds | uncached a question: batch / alone | ratio | calls a question: batch / alone "
        "| accuracy: batch | batch − alone, same questions | wrong given: batch / alone "
        "| makespan a question, s: batch / alone |",
        "|---|---|---|---|---|---|---|---|---|---|---|",
    ]
    for data, setting, profile in dict.fromkeys((row["data"], row["setting"], row["profile"]) for row in rows):
        mine = [row for row in rows if (row["data"], row["setting"], row["profile"]) == (data, setting, profile)]
        batches = [row for row in mine if row["loop"] == "batch"]
        single = [row for row in mine if row["loop"] == "alone"]
        if not batches or not single:
            continue
        questions = sum(row["questions"] for row in batches)
        per = {name: sum(row[name] for row in batches) / questions for name in ("uncached_tokens", "calls", "makespan_s")}
        one = {name: sum(row[name] for row in single) / len(single) for name in per}
        rights = [right for row in batches for right in row["rights"].values()]
        by_seed = {row["seed"]: row for row in batches}
        keyed = {(row["seed"], row["question"]): row["right"] for row in single}
        difference = paired({key: by_seed[key[0]]["rights"][key[1]] for key in keyed}, keyed)
        share = wilson(sum(rights) / len(rights), len(rights))
        wrong = sum(value for row in batches for value in row["wrong"].values()) / questions
        lines.append(
            f"| {data} | {setting} | {profile} | {len(batches)} "
            f"| {per['uncached_tokens']:,.0f} / {one['uncached_tokens']:,.0f} "
            f"| {per['uncached_tokens'] / one['uncached_tokens']:.3f} | {per['calls']:.1f} / {one['calls']:.1f} "
            f"| {share.mean:.3f} [{share.low:.3f}, {share.high:.3f}] | {difference} "
            f"| {wrong:.3f} / {sum(row['wrong'] for row in single) / len(single):.3f} "
            f"| {per['makespan_s']:.1f} / {one['makespan_s']:.1f} |"
        )
    return "\n".join(lines)


def main() -> None:
    made = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    made.add_argument("--tools", type=Path, required=True, help="folder with simllm.py")
    made.add_argument("--data", type=Path, action="append", required=True)
    made.add_argument("--padding", type=Path, action="append", default=[])
    made.add_argument("--tokens", type=int, default=1_000_000)
    made.add_argument("--questions", type=int, default=100, help="a batch")
    made.add_argument("--alone", type=int, default=30, help="questions that are asked alone, too, a seed")
    made.add_argument("--kinds", default="", help="only these kinds of question, comma separated")
    made.add_argument("--language", default="", help="only questions of this language")
    made.add_argument("--profiles", default="small,strong")
    made.add_argument("--seeds", default="1,2,3")
    made.add_argument("--effort", default="balanced")
    made.add_argument("--questions-per-read", default="1")
    made.add_argument("--shard-tokens", type=int)
    made.add_argument("--window", type=int, default=32_768)
    made.add_argument("--concurrency", type=int, default=256)
    made.add_argument("--cache", type=int, default=1_500_000, help="tokens of the simulated prefix cache")
    made.add_argument("--minutes", type=float, help="start nothing more after so long; run again to go on")
    made.add_argument("--json", type=Path, required=True, help="a line a batch or question alone; read first")
    options = made.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        os.environ.update(EXTAGENTS_CACHE=f"{folder}/cache", EXTAGENTS_DATA=f"{folder}/data")
        print(report(measure(options)))


if __name__ == "__main__":
    main()
