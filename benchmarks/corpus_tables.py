"""Corpus questions over generated tables (or a set on disk): exact answers by computation, beside the ladder and other loops.

    python benchmarks/corpus_tables.py --tokens 128k 1m 4m --seeds 1 2 3 --languages en zh --model simulated \\
        --systems table ladder map_reduce single --questions 20 --json OUT.jsonl
    python benchmarks/corpus_tables.py --data SET_DIR --model extractive --json OUT.jsonl
    python benchmarks/corpus_tables.py --tokens 128k --seeds 1 --batch --questions 80 --json OUT.jsonl

`simulated` is the project's own reader that knows the tables and errs at the rates told in `evaluation/table_reader.py`;
`extractive` is the default model. OUT gets a line a question and system; what stands there is not run again. Tables are the
exact share of answers with its 95% interval (questions drawn together with their seed), calls, tokens and seconds, and what
the cells of the tables are worth: precision of what is there, recall of what could be.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any

from extagents import Coordinator, Corpus
from extagents.account import Account
from extagents.agents.calls import Desk
from extagents.evaluation import corpus_tables_check as check
from extagents.evaluation import datasets, report
from extagents.evaluation.baselines import LOOPS
from extagents.evaluation.corpus_tables import TableQuestion, World, exact, generate, question_of
from extagents.evaluation.corpus_tables_layouts import LAYOUTS
from extagents.evaluation.corpus_tables_worlds import KINDS
from extagents.evaluation.statistics import Interval, bootstrap, wilson
from extagents.evaluation.table_reader import Rates, TableReader
from extagents.evaluation.table_reader_sql import column_of
from extagents.gate import Gate
from extagents.limiter import Limiter
from extagents.models.resolve import resolve
from extagents.settings import Settings
from extagents.tabular import Table, TableSchema
from extagents.types import Answer, Document

Row = dict[str, Any]
SYSTEMS = ("table", "ladder", "map_reduce", "single")
PUBLISHED = {"map_reduce": "map_reduce", "single": "single_pass"}


@dataclass(frozen=True)
class Input:
    """One corpus with its questions; `world` where it was made here."""

    name: str
    tokens: int
    seed: int
    language: str
    documents: tuple[Document, ...]
    questions: tuple[TableQuestion, ...]
    world: World | None = None


def inputs(options: argparse.Namespace) -> Iterator[Input]:
    """The sets on disk, or a world for each length, language and seed."""
    if options.data:
        for folder in options.data:
            found = datasets.load(folder)
            asked = tuple(question_of(q.row) for q in found.questions if "answer_type" in q.row)
            size = datasets.tokens_of(found.corpus)
            language = asked[0].language if asked else "en"
            yield Input(folder.name, size, 0, language, found.corpus, asked[: options.questions or None])
        return
    for tokens in options.tokens:
        for language in options.languages:
            for seed in options.seeds:
                kinds = options.kinds or [""]
                for kind in kinds:
                    shape: Row = {"layouts": options.layouts or (), "synonyms": not options.one_wording}
                    world = generate(seed, tokens, language, kind=kind, questions=options.questions or 40, **shape)
                    used = [*(options.layouts or ()), *(["one-wording"] if options.one_wording else [])]
                    name = "-".join([world.kind.name, told(tokens), *used])
                    yield Input(name, tokens, seed, language, world.documents, world.questions, world)


def told(tokens: int) -> str:
    return f"{tokens / 1e6:g}M" if tokens >= 1_000_000 else f"{tokens // 1000}K"


def size_of(text: str) -> int:
    """128k, 1m or a number."""
    factor = {"k": 1_000, "m": 1_000_000}.get(text[-1].lower(), 1)
    return int(float(text[:-1] if factor > 1 else text) * factor)


# ------------------------------------------------------------------ one run


def model_of(one: Input, options: argparse.Namespace) -> Any:
    if options.model == "simulated":
        if one.world is None:
            raise SystemExit("The simulated reader knows generated corpora only: use --model extractive or a model's name.")
        rates = Rates(*[0.0] * len(fields(Rates))) if options.perfect else None
        return TableReader(one.world, seed=one.seed, window=options.window, rates=rates)
    return options.model


def settings(system: str, options: argparse.Namespace) -> Settings:
    left_out: Any = frozenset({"table"} if system == "ladder" else ())
    return Settings(window=options.window, concurrency=options.concurrency, without=left_out, effort=options.effort)


async def ours(system: str, one: Input, corpus: Corpus, question: TableQuestion, options: argparse.Namespace) -> Row:
    """One question through the coordinator, in a memory of its own."""
    team = Coordinator(model_of(one, options), memory="memory://", settings=settings(system, options))
    try:
        answer = await team.aask(question.question, corpus)
    finally:
        await team.aclose()
    return outcome(one, question, answer)


def outcome(one: Input, question: TableQuestion, answer: Answer) -> Row:
    usage = answer.usage
    return {
        "answer": answer.answer,
        "confidence": answer.confidence,
        "calls": usage.calls,
        "input_tokens": usage.input_tokens,
        "output_tokens": usage.output_tokens,
        "paths": {candidate.path: exact(question, candidate.answer) for candidate in answer.candidates},
        "cells": cells(one.world, answer.table) if one.world and answer.table else None,
        "sql": answer.table.sql if answer.table else "",
        "notices": list(answer.notices),
    }


async def published(system: str, one: Input, question: TableQuestion, options: argparse.Namespace) -> Row:
    """One question through a published loop, by a gate of its own."""
    model = model_of(one, options)
    model = resolve(model) if isinstance(model, str) else model
    gate = Gate({"default": model}, limiter=Limiter(options.concurrency))
    account = Account(question.id)
    desk = Desk(
        gate=gate,
        account=account,
        language="zh" if one.language == "zh" else "en",
        window=options.window,
        output_tokens=1_024,
        secret=b"",
    )
    try:
        made = await LOOPS[PUBLISHED[system]](question.question, one.documents, desk)
    finally:
        await gate.aclose()
    usage = account.usage
    spent = {"calls": usage.calls, "input_tokens": usage.input_tokens, "output_tokens": usage.output_tokens}
    return {"answer": made.answer, "confidence": 0.0, "paths": {}, "cells": None, "sql": "", "notices": [], **spent}


def cells(world: World, table: Table) -> Row:
    """Cells of the answer's table against the gold one, over the columns that both have: right, there, and known."""
    gold = {(cell.entity, cell.slot.name): cell for cell in world.cells}
    right = there = 0
    meant = set()
    for part in (table, *table.others):
        schema = TableSchema(entity=part.entity, columns=part.columns)
        for slot in world.slots:
            column = column_of(slot, schema, world.language)
            if column is None:
                continue
            meant.add(slot.name)
            for row in part.rows:
                if column.name not in row.cells:
                    continue
                there += 1
                name = next((n for form in (row.name, *row.aliases) if (n := world.names.get(check.normalised(form)))), "")
                cell = gold.get((name, slot.name))
                right += cell is not None and same(
                    cell.slot.attribute.type, cell.value, row.values[column.name], column.unit, slot.unit
                )
    known = sum(column in meant for _, column in gold)
    return {"right": right, "there": there, "known": known}


def same(kind: str, wanted: Any, given: Any, unit: str, canonical: str) -> bool:
    """Whether a table's value is the gold one, in whatever unit the column is kept."""
    if given is None:
        return False
    if kind == "number":
        (kept, base), (meant, other) = (check.scale_of(name.casefold()) for name in (unit, canonical))
        factor = float(kept / meant) if base == other else 1.0
        return isinstance(given, (int, float)) and abs(given * factor - wanted) <= 1e-6 * max(1.0, abs(wanted))
    if kind == "list":
        return {check.normalised(item) for item in given} == {check.normalised(item) for item in wanted}
    if kind == "text":
        return check.normalised(str(given)) == check.normalised(wanted)
    return bool(given == wanted)


async def run(system: str, one: Input, corpus: Corpus, question: TableQuestion, options: argparse.Namespace) -> Row:
    """One run, graded; a failed one is wrong."""
    began, failure = time.monotonic(), None
    made: Row = {"answer": "", "confidence": 0.0, "calls": 0, "input_tokens": 0, "output_tokens": 0, "paths": {}, "cells": None}
    try:
        async with asyncio.timeout(options.timeout):
            if system in PUBLISHED:
                made = await published(system, one, question, options)
            else:
                made = await ours(system, one, corpus, question, options)
    except Exception as error:  # noqa: BLE001 - a failed run counts as a wrong answer and is shown
        failure = f"{type(error).__name__}: {error}"[:300]
    return {
        **key(one, system, question.id, options),
        "form": question.form,
        "difficulty": question.difficulty,
        "asked": question.question,
        "accepted": list(question.answers),
        "right": exact(question, made["answer"]),
        "failure": failure,
        "seconds": round(time.monotonic() - began, 2),
        **made,
    }


def key(one: Input, system: str, question: str, options: argparse.Namespace) -> Row:
    model = f"{options.model}, no errors" if options.perfect else options.model
    shape = {"data": one.name, "tokens": one.tokens, "language": one.language, "seed": one.seed}
    return {**shape, "model": model, "system": system, "question": question}


# ------------------------------------------------------------------ many questions at once


async def batch(one: Input, corpus: Corpus, options: argparse.Namespace) -> Row:
    """All questions in one batch, beside the first one alone."""
    began = time.monotonic()
    spent, right = [], 0
    for some in (one.questions[:1], one.questions):
        team = Coordinator(model_of(one, options), memory="memory://", settings=settings("table", options))
        try:
            answers = await team.abatch([{"id": q.id, "question": q.question} for q in some], corpus)
        finally:
            await team.aclose()
        spent.append(answers.summary.usage.calls)
        right = sum(exact(q, answer.answer) for q, answer in zip(some, answers, strict=True))
    alone, together = spent
    allowed = 1.3 * alone + 2 * (len(one.questions) - 1)
    return {
        **key(one, "batch", "all", options),
        "questions": len(one.questions),
        "alone": alone,
        "together": together,
        "allowed": allowed,
        "right": right / len(one.questions),
        "seconds": round(time.monotonic() - began, 1),
    }


# ------------------------------------------------------------------ what is told


def interval(rows: Sequence[Row]) -> Interval:
    """The exact share; over several seeds by resampling seeds' questions, else Wilson's."""
    rights = [float(row["right"]) for row in rows]
    if len({(row["seed"], row["language"]) for row in rows}) < 2 or len(set(rights)) < 2:
        return wilson(sum(rights) / max(1, len(rights)), len(rights))
    return bootstrap(rights)


def shown(rows: Sequence[Row]) -> list[report.Line]:
    lines = []
    for (tokens, language, model, system), part in sorted(
        report.grouped(rows, "tokens", "language", "model", "system").items()
    ):
        right = interval(part)
        held = [row["cells"] for row in part if row.get("cells")]
        right_cells, there, known = (sum(cell[name] for cell in held) for name in ("right", "there", "known"))
        lines.append(
            {
                "tokens": told(tokens),
                "language": language,
                "model": model,
                "system": system,
                "questions": len(part),
                "exact": f"{right.mean:.3f} [{right.low:.3f}, {right.high:.3f}]",
                "calls": round(report.mean(part, "calls"), 1),
                "input tokens": round(report.mean(part, "input_tokens")),
                "s": round(report.mean(part, "seconds"), 1),
                "cells: precision": f"{right_cells / there:.4f}" if there else "–",
                "cells: recall": f"{right_cells / known:.4f}" if known else "–",
                "failed": sum(row["failure"] is not None for row in part),
            }
        )
    return lines


def by(rows: Sequence[Row], name: str) -> list[report.Line]:
    """The exact share by form or difficulty, a column a system."""
    systems = list(dict.fromkeys(row["system"] for row in rows))
    lines = []
    for (value,), part in sorted(report.grouped(rows, name).items()):
        line: report.Line = {name: value, "questions": len({(row["data"], row["seed"], row["question"]) for row in part})}
        for system in systems:
            mine = [row for row in part if row["system"] == system]
            line[system] = round(report.mean(mine, "right"), 3) if mine else "–"
        lines.append(line)
    return lines


def stored(out: Path) -> list[Row]:
    return [json.loads(line) for line in out.read_text(encoding="utf-8").splitlines() if line] if out.exists() else []


async def measure(options: argparse.Namespace) -> list[Row]:
    """Runs what is missing and gives the rows of these options."""
    known = {json.dumps({name: row[name] for name in _KEY}): row for row in stored(options.json)}
    rows = []
    with options.json.open("a", encoding="utf-8") as out:

        def keep(row: Row) -> None:
            rows.append(row)
            out.write(json.dumps(row, ensure_ascii=False) + "\n")
            out.flush()

        for one in inputs(options):
            corpus = Corpus.load(list(one.documents))
            if options.batch:
                keep(await batch(one, corpus, options))
                continue
            for system in options.systems:
                for number, question in enumerate(one.questions, start=1):
                    done = known.get(json.dumps(key(one, system, question.id, options)))
                    if done is not None:
                        rows.append(done)
                        continue
                    keep(await run(system, one, corpus, question, options))
                    place = f"{one.name} {one.language} seed {one.seed} {system}"
                    print(f"\r{place}: {number} of {len(one.questions)}   ", end="", file=sys.stderr, flush=True)
    print(file=sys.stderr)
    return rows


_KEY = ("data", "tokens", "language", "seed", "model", "system", "question")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, action="append", help="folder with corpus.jsonl(.gz) and questions.jsonl")
    parser.add_argument("--tokens", type=size_of, nargs="+", default=[128_000])
    parser.add_argument("--seeds", type=int, nargs="+", default=[1, 2, 3])
    parser.add_argument("--languages", nargs="+", choices=("en", "zh"), default=["en", "zh"])
    parser.add_argument("--kinds", nargs="+", choices=sorted(KINDS), help="kinds of entities; default: one by the seed")
    parser.add_argument("--model", default="simulated", help="simulated, extractive, or any model string")
    parser.add_argument("--perfect", action="store_true", help="the simulated reader makes no errors")
    parser.add_argument("--layouts", nargs="+", choices=sorted(layout.__name__ for layout in LAYOUTS), help="default: all")
    parser.add_argument("--one-wording", action="store_true", help="documents label every figure as the questions do")
    parser.add_argument("--systems", nargs="+", choices=SYSTEMS, default=["table"])
    parser.add_argument("--questions", type=int, default=20, help="of each corpus; 0 for all of a set")
    parser.add_argument("--window", type=int, default=32_768)
    parser.add_argument("--concurrency", type=int, default=16)
    parser.add_argument("--timeout", type=float, default=600.0, help="seconds one question may take")
    parser.add_argument("--effort", choices=("quick", "balanced", "thorough"), default="balanced", help="quick looks once")
    parser.add_argument("--batch", action="store_true", help="all questions of a corpus in one batch, and the first one alone")
    parser.add_argument("--json", type=Path, required=True)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        os.environ.update(EXTAGENTS_CACHE=f"{folder}/cache", EXTAGENTS_DATA=f"{folder}/data")
        rows = asyncio.run(measure(options))
    if options.batch:
        print(report.table([{name: row[name] for name in row if name not in ("model", "system", "question")} for row in rows]))
        return
    print(report.table(shown(rows)))
    for name in ("difficulty", "form"):
        print(f"\n{report.table(by(rows, name))}")
    for failure in sorted({row["failure"] for row in rows if row["failure"]}):
        print(f"- {failure}")


if __name__ == "__main__":
    main()
