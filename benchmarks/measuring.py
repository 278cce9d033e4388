"""Runs loops over questions against the simulator, several processes at once, and keeps a row a run.

A row is written the moment its run ends; what stands in the output is not run again, so that a long comparison can be stopped
and goes on where it was. All loops of a question run in one process on the same documents, each with a simulated GPU of its
own.
"""

from __future__ import annotations

import asyncio
import hashlib
import json
import os
import sys
import tempfile
import time
from collections.abc import Iterable, Iterator, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ProcessPoolExecutor, wait
from dataclasses import dataclass, field, replace
from functools import lru_cache
from multiprocessing import get_context
from pathlib import Path
from typing import Any, cast

from simulator import Simulated, Threads, Watched, simllm

from extagents import Coordinator, Corpus
from extagents.agents.calls import Desk
from extagents.background import background
from extagents.evaluation import datasets, metrics
from extagents.evaluation.baselines import LOOPS
from extagents.gate import Account, Gate
from extagents.limiter import Limiter
from extagents.memory.open import open_memory
from extagents.models.base import Prompt
from extagents.settings import Settings
from extagents.types import Answer, Document, Fact, Part, RecallInput, ScanInput

SAME = 0.7  # shared part of two quotes' characters from which they are one


Row = dict[str, Any]


@dataclass(frozen=True)
class Setting:
    """What all runs share. `tokens` is the input's size, `extra` what simllm is told beside profile and seed.

    Ours read a `Corpus` in its own order where `shared` (one packing for all questions), in shards of `shard_tokens` where set.
    """

    tools: Path
    tokens: int
    window: int
    concurrency: int
    output_tokens: int
    timeout: float
    padding: tuple[Path, ...] = ()
    extra: tuple[str, ...] = ()
    label: str = ""
    shared: bool = False
    shard_tokens: int | None = None


@dataclass(frozen=True)
class Job:
    """One question under one profile and seed, and the loops that are still to be run on it."""

    data: Path
    name: str
    profile: str
    seed: int
    question: str
    loops: tuple[str, ...]


# ------------------------------------------------------------------ what a loop is


def variant(loop: str) -> Settings | None:
    """The settings of a variant of ours, `EFFORT/STRATEGY[/without/PART+PART]`; None for a baseline.

    Raises `ValueError` for a loop that is neither.
    """
    if loop in LOOPS:
        return None
    parts = loop.split("/")
    if len(parts) not in (2, 4) or (len(parts) == 4 and parts[2] != "without"):
        raise ValueError(f"{loop!r} is no loop: give one of {', '.join(LOOPS)}, or EFFORT/STRATEGY[/without/PART+PART]")
    without = frozenset(cast("list[Part]", parts[3].split("+"))) if len(parts) == 4 else frozenset()
    return Settings(effort=cast(Any, parts[0]), strategy=cast(Any, parts[1]), without=without)


# ------------------------------------------------------------------ one run


def words(text: str) -> str:
    return " ".join(text.split())


def stands(fact: Fact, prompt: Prompt[Any], spans: Iterable[Fact]) -> bool:
    """Whether the fact stands in the prompt."""
    text = words(prompt.messages[-1].content)
    if words(fact.quote) in text or words(fact.claim) in text:
        return True
    for other in spans:
        if other.document == fact.document:
            shared = min(fact.end or 0, other.end or 0) - max(fact.start or 0, other.start or 0)
            if shared >= SAME * (max(fact.end or 0, other.end or 0) - min(fact.start or 0, other.start or 0)):
                return True
    return False


@dataclass
class Memory:
    """What a run noted, and its last prompt: verified facts by id."""

    facts: dict[str, Fact] = field(default_factory=dict)
    last: Prompt[Any] | None = None

    def see(self, prompt: Prompt[Any], _: Any) -> None:
        shown = prompt.inputs
        if isinstance(shown, RecallInput):
            self.last = prompt
        found = shown.notes if isinstance(shown, ScanInput) else shown.facts if isinstance(shown, RecallInput) else ()
        self.facts.update((fact.id, fact) for fact in found if fact.verified)

    @property
    def kept(self) -> int:
        """How many of the facts stand in the last prompt, as a note or as a quote."""
        if self.last is None:
            return 0
        spans = cast(RecallInput, self.last.inputs).facts
        return sum(stands(fact, self.last, spans) for fact in self.facts.values())


class Reproducible(Watched):
    """A memory in this process whose secret follows from a name, and with it the fences in prompts and simllm's draws."""

    def __init__(self, name: str) -> None:
        super().__init__(open_memory("memory://"))
        self._secret = hashlib.blake2b(name.encode(), digest_size=32).digest()

    async def secret(self) -> bytes:
        return self._secret


async def ours(name: str, question: str, over: Any, model: Simulated, settings: Settings) -> Row:
    """One run of the coordinator, in memory; the same for the same name, so that variants differ only where they do."""
    memory = Reproducible(name)
    model.watched.append(memory)
    team = Coordinator(model, memory=cast(Any, memory), settings=settings)
    try:
        answer: Answer = await team.aask(question, over, run=name)
        record = await memory.load_run(name)
    finally:
        await team.aclose()
        await memory.aclose()
    return {
        "answer": answer.answer,
        "rounds": answer.coverage.rounds,
        "confidence": answer.confidence,
        "read": round(answer.coverage.tokens_read / max(1, answer.coverage.tokens), 4),
        "planned": answer.kind,
        "candidates": [candidate.model_dump() for candidate in answer.candidates],
        "quotes": [citation.quote for citation in answer.citations],
        "cited": sorted({citation.document for citation in answer.citations}),
        "notices": list(answer.notices),
        "signals": record.state.get("signals", []) if record is not None else [],
    }


async def published(loop: str, question: str, documents: Sequence[Document], model: Simulated, setting: Setting) -> Row:
    """One run of a baseline through a gate of its own."""
    limiter = Limiter(setting.concurrency)
    gate = Gate({"default": model}, limiter=limiter)
    desk = Desk(
        gate=gate,
        account=Account(loop),
        language="en",
        window=setting.window,
        output_tokens=setting.output_tokens,
        secret=b"",
    )
    try:
        outcome = await LOOPS[loop](question, documents, desk)
    finally:
        await gate.aclose()
    return {
        "answer": outcome.answer,
        "rounds": outcome.rounds,
        "calls_failed": outcome.failed,
        "noted": len(outcome.noted),
        "kept": len(outcome.kept & outcome.noted),
    }


async def run(loop: str, job: Job, setting: Setting, asked: datasets.Question, documents: Sequence[Document]) -> Row:
    """One run of one loop, scored; a failed run is wrong."""
    module = simllm(setting.tools)
    told = ["--data", str(job.data), "--profile", job.profile, "--seed", str(job.seed), "--window", str(setting.window)]
    options = module.parse_options([*told, *setting.extra])
    server = module.Server(options, known(setting.tools, job.data))
    changed = {name: float(value) for name, value in (item.split("=") for item in options.set)}
    server.reader.profile = replace(server.reader.profile, **changed)
    memory = Memory()
    model = Simulated(server, module.Session(options), threads(), name=f"{job.question}-{loop}", seen=memory.see)
    began = time.monotonic()
    settings = variant(loop)
    outcome: Row = {"answer": "", "rounds": 0}
    failure = None
    try:
        async with asyncio.timeout(setting.timeout):
            if settings is None:
                outcome = await published(loop, asked.text, documents, model, setting)
            else:
                update = {"window": setting.window, "concurrency": setting.concurrency, "output_tokens": setting.output_tokens}
                wanted = settings.model_copy(update={**update, "shard_tokens": setting.shard_tokens})
                over = Corpus.load(documents) if setting.shared else list(documents)
                outcome = await ours(f"{job.seed} {job.question}", asked.text, over, model, wanted)
                outcome["noted"], outcome["kept"] = len(memory.facts), memory.kept
    except Exception as error:  # noqa: BLE001 - a failed run counts as a wrong answer and is shown
        failure = f"{type(error).__name__}: {error}"[:300]
    finally:
        await model.aclose()
    stats = model.stats()
    given = outcome["answer"]
    right = 0.0 if failure else score(given, asked, outcome.get("quotes", ()))
    gold = set(asked.gold)
    return {
        "data": job.name,
        "setting": setting.label,
        "profile": job.profile,
        "seed": job.seed,
        "question": job.question,
        "loop": loop,
        "kind": asked.kind,
        "answers": list(asked.accepted[:3]),
        "right": right,
        "exact": 0.0 if failure else metrics.exact(given, asked.accepted),
        "f1": 0.0 if failure else round(metrics.f1(given, asked.accepted), 4),
        "wrong_given": float(bool(given.strip()) and not right),
        "failure": failure,
        "gold": len(gold),
        "cited_gold": len(gold & set(outcome.get("cited", ()))),
        "paths": {c["path"]: score(c["answer"], asked, ()) for c in outcome.get("candidates", ())},
        "input_tokens": datasets.tokens_of(documents),
        "seconds": round(time.monotonic() - began, 3),
        "prefill": options.prefill,
        **{name: value for name, value in outcome.items() if name not in ("quotes", "cited")},
        "cited": len(outcome.get("cited", ())),
        **stats,
    }


def score(answer: str, asked: datasets.Question, quotes: Sequence[str]) -> float:
    """Whether the answer is right, by what its kind asks for."""
    accepted, row = asked.accepted, asked.row
    if asked.kind == "summary":
        resting = metrics.rests_on([answer, *quotes], [quote for quote in asked.quotes if quote]) if answer else 0.0
        return max(metrics.contained(answer, accepted), resting)
    if "tolerance" in row and isinstance(row.get("value"), (int, float)):
        return metrics.number(answer, float(row["value"]), tolerance=float(row["tolerance"]))
    return metrics.contained(answer, accepted)


# ------------------------------------------------------------------ a worker process

_THREADS: list[Threads] = []


def threads() -> Threads:
    """The pool of the background loop of this process."""
    if not _THREADS:
        _THREADS.append(Threads())
        background.loop.call_soon_threadsafe(background.loop.set_default_executor, _THREADS[0])
    return _THREADS[0]


@lru_cache(maxsize=6)
def known(tools: Path, data: Path) -> Any:
    """What simllm knows of a set."""
    return simllm(tools).Dataset([data])


@lru_cache(maxsize=6)
def loaded(data: Path) -> datasets.Dataset:
    return datasets.load(data)


@lru_cache(maxsize=1)
def filler(padding: tuple[Path, ...]) -> list[Document]:
    """The padding in pieces as long as the sets' own documents."""
    return datasets.pieces(document for folder in padding for document in datasets.load(folder).corpus)


@lru_cache(maxsize=4)
def built(data: Path, question: str, seed: int, tokens: int, padding: tuple[Path, ...]) -> list[Document]:
    """The question's input: the documents its row names, else its gold documents and others."""
    dataset = loaded(data)
    asked = next(q for q in dataset.questions if q.id == question)
    if "documents" in asked.row:
        return [dataset.by_id[name] for name in asked.row["documents"]]
    return datasets.stretched(asked, dataset, tokens, seed=seed, padding=filler(padding))


def work(job: Job, setting: Setting) -> list[Row]:
    """All loops of a job, in this process."""
    asked = next(q for q in loaded(job.data).questions if q.id == job.question)
    documents = built(job.data, job.question, job.seed, setting.tokens, setting.padding)
    threads()
    made: list[Row] = []
    for loop in job.loops:
        made.append(background.wait(lambda loop=loop: run(loop, job, setting, asked, documents)))  # type: ignore[misc]
    return made


# ------------------------------------------------------------------ all runs


def key(row: Row) -> tuple[Any, ...]:
    """What makes a run the same as another."""
    return tuple(row[name] for name in ("data", "setting", "profile", "seed", "question", "loop"))


def stored(out: Path) -> list[Row]:
    """The rows of an output; a last line that was cut is left out."""
    if not out.exists():
        return []
    found = []
    for line in out.read_text(encoding="utf-8").split("\n"):
        if line.strip():
            try:
                found.append(json.loads(line))
            except ValueError:
                continue
    return found


def missing(jobs: Sequence[Job], setting: Setting, rows: Sequence[Row]) -> Iterator[Job]:
    """The jobs with the loops that have no row yet."""
    done = {key(row) for row in rows}
    for job in jobs:
        name = (job.name, setting.label, job.profile, job.seed, job.question)
        loops = tuple(loop for loop in job.loops if (*name, loop) not in done)
        if loops:
            yield replace(job, loops=loops)


def run_all(jobs: Sequence[Job], setting: Setting, out: Path, *, parallel: int, minutes: float | None) -> list[Row]:
    """Runs what is missing and gives all rows of the jobs. `minutes` bounds the time in which runs are started."""
    rows = stored(out)
    left = list(reversed(list(missing(jobs, setting, rows))))
    total, began = len(left), time.monotonic()
    until = None if minutes is None else began + 60 * minutes
    with tempfile.TemporaryDirectory() as folder:
        os.environ.update(EXTAGENTS_CACHE=f"{folder}/cache", EXTAGENTS_DATA=f"{folder}/data")
        out.parent.mkdir(parents=True, exist_ok=True)
        with (
            ProcessPoolExecutor(parallel, mp_context=get_context("spawn")) as pool,
            out.open("a", encoding="utf-8") as lines,
        ):
            running: set[Future[list[Row]]] = set()
            while left or running:
                while left and len(running) < parallel and (until is None or time.monotonic() < until):
                    running.add(pool.submit(work, left.pop(), setting))
                if not running:
                    break
                ready, running = wait(running, return_when=FIRST_COMPLETED)
                for future in ready:
                    for row in future.result():
                        rows.append(row)
                        lines.write(json.dumps(row, ensure_ascii=False) + "\n")
                lines.flush()
                done = total - len(left) - len(running)
                spent = time.monotonic() - began
                told = f"{done} of {total} questions, {spent / 60:.1f} min, {spent / max(1, done) * len(left) / 60:.1f} to go"
                print(f"\r{told}   ", end="", file=sys.stderr, flush=True)
    print(file=sys.stderr)
    wanted = {(job.name, setting.label, job.profile, job.seed, job.question, loop) for job in jobs for loop in job.loops}
    return [row for row in rows if key(row) in wanted]
