"""Long answers measured: do markers resolve, are citations verified, is the length kept, and is what matters cited?

    python benchmarks/survey.py DATA_DIR [--topics 8] [--documents 6] [--words 600] [--server http://127.0.0.1:8099]

DATA_DIR holds corpus.jsonl and questions.jsonl (rows of kind `summary` are the topics where there are any); a topic's input
is its gold documents and others of the set. Without a server the extractive model writes; a server speaks the OpenAI API
under /v1. `chain` is the longest chain of calls that wait for each other: plan, waves, outline, merging, section, once more.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import random
import re
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from scoring import read_jsonl

from extagents import Coordinator, Document
from extagents.models.base import Completion, Model, ModelInfo, Prompt, T
from extagents.models.resolve import resolve
from extagents.prose import sentences_of, words_in
from extagents.types import Answer, OutlineInput, OutlineMergeInput, SectionInput


class Recording:
    """A model that notes what it is asked."""

    def __init__(self, model: Model) -> None:
        self.model = model
        self.inputs: list[Any] = []

    @property
    def name(self) -> str:
        return self.model.name

    @property
    def local(self) -> bool:
        return self.model.local

    async def complete(
        self, prompt: Prompt[T], *, timeout: float | None = None, on_delta: Callable[[str], None] | None = None
    ) -> Completion[T]:
        self.inputs.append(prompt.inputs)
        return await self.model.complete(prompt, timeout=timeout, on_delta=on_delta)

    async def describe(self) -> ModelInfo:
        return await self.model.describe()

    async def aclose(self) -> None:
        await self.model.aclose()


def build_input(question: dict[str, Any], corpus: list[dict[str, Any]], count: int, seed: int) -> list[Document]:
    """The question's gold documents and others, `count` in all, shuffled; the same for the same seed."""
    rng = random.Random(f"{seed} {question['id']}")
    wanted = {gold.get("doc") or gold.get("document") for gold in question.get("gold") or []}
    chosen = [row for row in corpus if row["id"] in wanted]
    others = [row for row in corpus if row["id"] not in wanted]
    chosen += rng.sample(others, min(len(others), max(0, count - len(chosen))))
    rng.shuffle(chosen)
    return [Document(id=row["id"], title=row["title"], text=row["text"]) for row in chosen]


def gold_cited(question: dict[str, Any], answer: Answer, documents: list[Document]) -> tuple[int, int]:
    """How many gold passages (documents, where no passage is told) a citation touches, and how many there are."""
    texts = {document.id: document.text for document in documents}
    hit = total = 0
    for gold in question.get("gold") or []:
        name, quote = gold.get("doc") or gold.get("document"), gold.get("quote")
        start = texts.get(name, "").find(quote) if quote else 0
        end = start + len(quote) if quote else len(texts.get(name, ""))
        if start < 0:
            continue
        total += 1
        hit += any(c.document == name and c.start < end and c.end > start for c in answer.citations)
    return hit, total


async def measure(question: dict[str, Any], documents: list[Document], options: argparse.Namespace) -> dict[str, Any]:
    """One survey and its figures."""
    url = f"{options.server}/v1" if options.server else None
    model = Recording(resolve("openai:simulated" if url else "extractive", base_url=url, api_key="none"))
    began, waves, answer = time.monotonic(), 0, None
    async with Coordinator(model, memory="memory://", window=options.window, concurrency=256) as team:
        async for event in team.astream(question["question"], documents, words=options.words):
            waves += event.type == "wave"
            if event.type == "answer":
                answer = event.answer
    assert isinstance(answer, Answer)
    texts = {document.id: document.text for document in documents}
    body = re.sub(r"^#.*$", "", answer.text, flags=re.MULTILINE)
    sentences = [s for paragraph in body.split("\n\n") for s in sentences_of(paragraph.strip())]
    known = range(1, len(answer.citations) + 1)
    resolving = [s for s in sentences if (found := re.findall(r"\[(\d+)\]", s)) and all(int(n) in known for n in found)]
    verified = [c for c in answer.citations if texts[c.document][c.start : c.end] == c.quote]
    outlined = any(isinstance(asked, OutlineInput) for asked in model.inputs)
    merged = any(isinstance(asked, OutlineMergeInput) for asked in model.inputs)
    sections = [asked for asked in model.inputs if isinstance(asked, SectionInput)]
    hit, gold = gold_cited(question, answer, documents)
    size = words_in(re.sub(r"\s*\[\d+\]", "", body))
    return {
        "topic": question["question"],
        "answered": answer.answered,
        "sentences": len(sentences),
        "resolving": len(resolving),
        "citations": len(answer.citations),
        "verified": len(verified),
        "words": size,
        "length_error": abs(size - options.words) / options.words,
        "carried": not any("asked for" in notice for notice in answer.notices),
        "sections": len(re.findall(r"^## ", answer.text, re.MULTILINE)),
        "calls": len(model.inputs),
        "writing_calls": len(sections) + sum(isinstance(asked, OutlineInput | OutlineMergeInput) for asked in model.inputs),
        "chain": 1 + waves + outlined + merged + bool(sections) + any(asked.written for asked in sections),
        "gold": gold,
        "gold_cited": hit,
        "notices": list(answer.notices),
        "text": answer.markdown,
        "seconds": time.monotonic() - began,
    }


def summary(rows: list[dict[str, Any]]) -> dict[str, Any]:
    """Shares over all topics; the length's error over those whose evidence carries it."""
    written = [row for row in rows if row["answered"]]
    carried = [row for row in written if row["carried"]]

    def share(part: str, whole: str) -> float:
        return round(sum(row[part] for row in written) / max(1, sum(row[whole] for row in written)), 4)

    return {
        "topics": len(rows),
        "answered": len(written),
        "sentences": sum(row["sentences"] for row in written),
        "markers_resolve": share("resolving", "sentences"),
        "citations_verified": share("verified", "citations"),
        "evidence_carries_length": len(carried),
        "mean_length_error": round(sum(row["length_error"] for row in carried) / max(1, len(carried)), 4),
        "worst_length_error": round(max((row["length_error"] for row in carried), default=0.0), 4),
        "gold_cited": share("gold_cited", "gold"),
        "calls": round(sum(row["calls"] for row in rows) / len(rows), 1),
        "writing_calls": round(sum(row["writing_calls"] for row in rows) / len(rows), 1),
        "longest_chain": max(row["chain"] for row in rows),
        "seconds": round(sum(row["seconds"] for row in rows) / len(rows), 2),
    }


async def main(options: argparse.Namespace) -> None:
    corpus, questions = read_jsonl(options.data, "corpus.jsonl"), read_jsonl(options.data, "questions.jsonl")
    topics = [question for question in questions if question.get("kind") == "summary"] or questions
    topics = random.Random(options.seed).sample(topics, min(options.topics, len(topics)))
    rows = [await measure(q, build_input(q, corpus, options.documents, options.seed), options) for q in topics]
    result = summary(rows)
    print(json.dumps({"data": options.data.name, "words": options.words, "seed": options.seed, **result}))
    if options.json:
        options.json.write_text(json.dumps({"summary": result, "runs": rows}, indent=1, ensure_ascii=False), encoding="utf-8")


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("data", type=Path)
    parser.add_argument("--server", help="an OpenAI-compatible server, without /v1; default: the extractive model")
    parser.add_argument("--topics", type=int, default=8)
    parser.add_argument("--documents", type=int, default=6)
    parser.add_argument("--words", type=int, default=600)
    parser.add_argument("--window", type=int, default=32_768)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--json", type=Path)
    asyncio.run(main(parser.parse_args()))
