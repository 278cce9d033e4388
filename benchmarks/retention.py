"""How much of what the memory agent noted still stands before it when it answers, over inputs of a million tokens.

    python benchmarks/retention.py DATA_DIR --server http://127.0.0.1:8099 [--tokens 1000000 --padding NOVELS_DIR] [--heads 2]

Of the verified facts that any head of `--strategy iterative` ever noted in a run, the share that stands in the last prompt, the
answer's: its quote or its claim, word for word, or a quote that covers nearly the same characters. Beside it MemAgent, whose
memory is overwritten: of the lines that its memory ever held, the share that the last memory holds. The gold facts' share
tells what of this mattered: gold quotes that were in a note at some time, and still are.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import random
import time
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

from scoring import contained, read_jsonl
from simulated import build_input

from extagents import Coordinator, Document
from extagents.agents.calls import Desk
from extagents.evaluation.baselines import LOOPS
from extagents.gate import Account, Gate
from extagents.models.base import Prompt
from extagents.models.openai_compatible import OpenAICompatible
from extagents.types import Fact, RecallInput

PIECE = 4_000  # characters: novels fill up in pieces about as long as the sets' own documents
SAME = 0.7  # shared part of two quotes' characters from which they are one


class Watched(OpenAICompatible):
    """The endpoint, and the last answer's prompt."""

    last: Prompt[Any] | None = None

    async def complete(self, prompt: Prompt[Any], **options: Any) -> Any:
        if isinstance(prompt.inputs, RecallInput):
            self.last = prompt
        return await super().complete(prompt, **options)


def padded(documents: Sequence[Document], novels: Sequence[dict[str, Any]], tokens: int, seed: str) -> list[Document]:
    """The documents among pieces of novels, about `tokens` long, shuffled; the same for the same seed."""
    rng = random.Random(seed)
    size = sum(len(document.text) for document in documents)
    made = list(documents)
    pieces = [(novel, start) for novel in novels for start in range(0, len(novel["text"]), PIECE)]
    rng.shuffle(pieces)
    for number, (novel, start) in enumerate(pieces):
        if size >= 4 * tokens:
            break
        text = novel["text"][start : start + PIECE]
        made.append(Document(id=f"novel-{number:06d}", title=novel["title"], text=text))
        size += len(text)
    rng.shuffle(made)
    return made


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


async def ours(question: dict[str, Any], documents: Sequence[Document], options: argparse.Namespace) -> dict[str, Any]:
    """One run of strategy `iterative`."""
    model = Watched("simulated", base_url=f"{options.server}/s/retention/v1", api_key="none", window=options.window)
    settings = {"heads": options.heads, "lanes": options.lanes, "rounds": options.rounds, "strategy": "iterative"}
    settings = {name: value for name, value in settings.items() if value is not None}
    team = Coordinator(model, memory="memory://", effort="thorough", window=options.window, concurrency=256, **settings)
    try:
        answer = await team.aask(question["question"], documents, run="r")
        reports = await asyncio.to_thread(team.reports, "r")
    finally:
        await team.aclose()
    facts = {(f.document, f.start, f.end): f for r in reports for found in r.findings for f in found.facts if f.verified}
    last = model.last
    kept = [fact for fact in facts.values() if last is not None and stands(fact, last, last.inputs.facts)]
    return {
        "noted": len(facts),
        "kept": len(kept),
        "prompt_tokens": sum(len(message.content) for message in last.messages) // 4 if last else 0,
        "right": contained(answer.text, question["answers"]),
        "given": answer.answered,
        "calls": answer.usage.calls,
        "rounds": answer.coverage.rounds,
    }


async def memagent(question: dict[str, Any], documents: Sequence[Document], options: argparse.Namespace) -> dict[str, Any]:
    """One run of MemAgent."""
    model = OpenAICompatible("simulated", base_url=f"{options.server}/s/memagent/v1", api_key="none", window=options.window)
    gate = Gate({"default": model})
    desk = Desk(gate=gate, account=Account("m"), language="en", window=options.window, output_tokens=1_024, secret=b"")
    try:
        outcome = await LOOPS["memagent"](question["question"], documents, desk)
    finally:
        await gate.aclose()
        await model.aclose()
    return {
        "noted": len(outcome.noted),
        "kept": len(outcome.kept & outcome.noted),
        "right": contained(outcome.answer, question["answers"]),
        "given": bool(outcome.answer),
        "calls": desk.account.usage.calls,
    }


def summary(rows: Sequence[dict[str, Any]]) -> dict[str, Any]:
    """The pooled share, and means over the runs."""
    noted, kept = sum(row["noted"] for row in rows), sum(row["kept"] for row in rows)
    return {
        "runs": len(rows),
        "retention": round(kept / max(1, noted), 4),
        "lowest": round(min(row["kept"] / max(1, row["noted"]) for row in rows), 4),
        "noted": round(noted / len(rows), 1),
        "accuracy": round(sum(row["right"] for row in rows) / len(rows), 3),
        "wrong_given": round(sum(row["given"] and not row["right"] for row in rows) / len(rows), 3),
        "calls": round(sum(row["calls"] for row in rows) / len(rows), 1),
    }


async def main(options: argparse.Namespace) -> None:
    corpus, questions = read_jsonl(options.data, "corpus.jsonl"), read_jsonl(options.data, "questions.jsonl")
    novels = read_jsonl(options.padding, "corpus.jsonl") if options.padding else []
    questions = random.Random(options.seed).sample(questions, min(options.questions, len(questions)))
    rows: dict[str, list[dict[str, Any]]] = {name: [] for name in options.loops.split(",")}
    for question in questions:
        own = build_input(question, corpus, min(options.tokens, options.own), options.seed)
        documents = padded(own, novels, options.tokens, f"{options.seed} {question['id']}")
        for name, found in rows.items():
            began = time.monotonic()
            found.append(await (ours if name == "iterative" else memagent)(question, documents, options))
            print(json.dumps({"loop": name, "question": question["id"], **found[-1], "s": round(time.monotonic() - began, 1)}))
    for name, found in rows.items():
        print(json.dumps({"loop": name, "data": options.data.name, "tokens": options.tokens, **summary(found)}))


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("data", type=Path)
    parser.add_argument("--server", default="http://127.0.0.1:8099")
    parser.add_argument("--questions", type=int, default=8)
    parser.add_argument("--tokens", type=int, default=1_000_000)
    parser.add_argument("--own", type=int, default=128_000, help="tokens of the set's own documents among them")
    parser.add_argument("--padding", type=Path, help="folder whose long documents, in pieces, fill up")
    parser.add_argument("--loops", default="iterative,memagent")
    parser.add_argument("--window", type=int, default=32_768)
    parser.add_argument("--heads", type=int)
    parser.add_argument("--lanes", type=int)
    parser.add_argument("--rounds", type=int)
    parser.add_argument("--seed", type=int, default=1)
    asyncio.run(main(parser.parse_args()))
