"""The extractive model alone, on question sets with gold documents: what it reads, answers and cites.

    python benchmarks/extractive_lab.py DATA_DIR... [--fit] [--half 0|1] [--show]

DATA_DIR holds corpus.jsonl(.gz) and questions.jsonl(.gz) ({id, title, text} and {question, answers, gold: [{doc}]}). For each
set it prints the share of answers that contain an accepted answer, wrong answers and silences, the citations' precision and
recall against the gold documents; beside it, the baseline: the same extractor in one pass over BM25's five best documents.
The coordinator is imitated: documents by the index, shards of 8 KB, two rounds with knowledge, the ladder.
"""

from __future__ import annotations

import argparse
import asyncio
import gzip
import json
import re
import string
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from extagents.corpus.index import Index
from extagents.models.base import Prompt
from extagents.models.extraction import chains, reasoning
from extagents.models.extractive import ExtractiveModel
from extagents.types import (
    Document,
    Fact,
    Plan,
    PlannerInput,
    ReaderInput,
    ReaderQuestion,
    Reading,
    ReasonerInput,
    Section,
    ShardText,
    SingleInput,
    SinglePass,
    Verdict,
)

_SHARD = 8_000


def normalise(text: str) -> str:
    text = "".join(" " if c in string.punctuation + "，。《》“”" else c for c in text.lower())
    return " ".join(w for w in text.split() if w not in ("a", "an", "the"))


def contains(answer: str, answers: Sequence[str]) -> bool:
    given = normalise(answer)
    wanted = [normalise(a) for a in answers if normalise(a)]
    if any(re.search("[\u4e00-\u9fff]", w) for w in wanted):
        return any(w.replace(" ", "") in given.replace(" ", "") for w in wanted)
    return any(f" {w} " in f" {given} " for w in wanted)


def load(folder: Path, name: str) -> list[dict[str, Any]]:
    path = folder / f"{name}.jsonl"
    if path.exists():
        return [json.loads(line) for line in path.read_text().splitlines()]
    with gzip.open(folder / f"{name}.jsonl.gz", "rt") as lines:
        return [json.loads(line) for line in lines]


def prompt(role: Any, inputs: Any, output: Any) -> Prompt[Any]:
    return Prompt(role=role, inputs=inputs, output=output, messages=(), max_output_tokens=1000, version="lab")


class Lab:
    """One corpus, ready to be asked."""

    def __init__(self, documents: list[dict[str, Any]]) -> None:
        self.documents = documents
        self.index = Index.build([Document(id=d["id"], title=d["title"], text=d["text"]) for d in documents])
        self.model = ExtractiveModel()
        self.by_id = {d["id"]: i for i, d in enumerate(documents)}
        self.languages = np.array([d.get("language", "en") for d in documents])
        self.reads = 0
        self.read_seconds = 0.0
        self.read_chars = 0

    def best(self, query: str, k: int, allowed: Any = None, *, method: Any = "full") -> list[int]:
        ranked = self.index.rank_documents([query], method=method)
        return [i for i in ranked if allowed is None or allowed[i]][:k]

    def sections(self, chosen: Sequence[int]) -> tuple[Section, ...]:
        return tuple(
            Section(document=d["id"], title=d["title"], text=d["text"], start=0, end=len(d["text"]))
            for d in (self.documents[i] for i in chosen)
        )

    def shards(self, chosen: Sequence[int], size: int = _SHARD) -> list[ShardText]:
        packed: list[list[int]] = [[]]
        used = 0
        for i in chosen:
            length = len(self.documents[i]["text"])
            if packed[-1] and used + length > size:
                packed.append([])
                used = 0
            packed[-1].append(i)
            used += length
        return [ShardText(id=f"s{n}-{p[0]}", sections=self.sections(p)) for n, p in enumerate(packed) if p]

    async def plan(self, question: str) -> Plan:
        done = await self.model.complete(prompt("planner", PlannerInput(question=question), Plan))
        assert done.output is not None
        return done.output

    async def read(
        self, plan: Plan, shards: Sequence[ShardText], knowledge: Sequence[Fact], queries: Sequence[str], number: int
    ) -> tuple[list[Fact], list[str]]:
        facts: list[Fact] = []
        asked: list[str] = []
        for shard in shards:
            inputs = ReaderInput(
                shard=shard,
                questions=(ReaderQuestion(core=plan.core, knowledge=tuple(knowledge), open_queries=tuple(queries)),),
                round=number,
                answer_type=plan.answer_type,
                statistics=self.index,
            )
            begun = time.process_time()
            reading: Reading = (await self.model.complete(prompt("reader", inputs, Reading))).output
            self.read_seconds += time.process_time() - begun
            self.reads += 1
            self.read_chars += sum(len(s.text) for s in shard.sections)
            asked.extend(reading.queries)
            for found in reading.facts:
                section = next(s for s in shard.sections if found.quote in s.text)
                start = section.start + section.text.find(found.quote)
                facts.append(
                    Fact(
                        id=f"{section.document}:{start}",
                        claim=found.claim,
                        quote=found.quote,
                        document=section.document,
                        start=start,
                        end=start + len(found.quote),
                        relevance=found.relevance,
                        shard=shard.id,
                        round=number,
                        title=section.title,
                    )
                )
        return facts, asked

    async def ladder(self, plan: Plan, facts: Sequence[Fact]) -> Verdict:
        rung, previous = 1, None
        verdict = Verdict(answerable=False, answer="", confidence=0.0, facts=[], queries=[])
        while facts:
            inputs = ReasonerInput(
                question=plan.core,
                facts=tuple(facts[:rung]),
                kind=plan.kind,
                answer_type=plan.answer_type,
                statistics=self.index,
            )
            verdict = (await self.model.complete(prompt("reasoner", inputs, Verdict))).output
            if verdict.answerable and previous is not None and normalise(previous) == normalise(verdict.answer):
                break
            previous = verdict.answer if verdict.answerable else None
            if rung >= len(facts):
                break
            rung = min(len(facts), rung * 2)
        return verdict

    async def ask(
        self, text: str, *, documents: int, allowed: Any = None, gold: Sequence[int] = ()
    ) -> tuple[Plan, list[Fact], Verdict]:
        plan = await self.plan(text)
        ledger: dict[str, Fact] = {}
        chosen = list(dict.fromkeys([*gold, *self.best(plan.core, documents, allowed)]))
        queries: list[str] = []
        for number in (1, 2, 3):
            knowledge = sorted(ledger.values(), key=lambda f: -f.relevance)[:16]
            found, asked = await self.read(plan, self.shards(chosen), knowledge, queries, number)
            before = {key: fact.relevance for key, fact in ledger.items()}
            for fact in found:
                if fact.id not in ledger or ledger[fact.id].relevance < fact.relevance:
                    ledger[fact.id] = fact
            if before == {key: fact.relevance for key, fact in ledger.items()}:
                break
            queries = list(dict.fromkeys(asked))[:12]
            more = [i for query in queries for i in self.best(query, 3, allowed)]
            chosen = list(dict.fromkeys([*more, *chosen]))
        facts = sorted(ledger.values(), key=lambda f: (-f.relevance, f.id))
        return plan, facts, await self.ladder(plan, facts)

    async def baseline(self, text: str, *, documents: int = 5, allowed: Any = None) -> SinglePass:
        plan = await self.plan(text)
        shard = ShardText(id="all", sections=self.sections(self.best(plan.core, documents, allowed, method="bm25")))
        inputs = SingleInput(
            shard=shard, question=plan.core, kind=plan.kind, answer_type=plan.answer_type, statistics=self.index
        )
        output: SinglePass = (await self.model.complete(prompt("single", inputs, SinglePass))).output
        return output


def report(name: str, rows: list[dict[str, float]]) -> None:
    size = len(rows)
    mean = {key: sum(row[key] for row in rows) / size for key in rows[0]}
    error = 1.96 * (mean["right"] * (1 - mean["right"]) / size) ** 0.5
    print(
        f"{name:34s} n={size:4d} right {100 * mean['right']:5.1f} ±{100 * error:4.1f}  wrong {100 * mean['wrong']:5.1f}"
        f"  silent {100 * mean['silent']:5.1f}"
        f"  cited: precision {100 * mean['precision']:5.1f} recall {100 * mean['recall']:5.1f}"
        f"  length {mean['length']:5.1f}"
        f"  in the first 8/16/all facts {100 * mean['held8']:.0f}/{100 * mean['held16']:.0f}/{100 * mean['held']:.0f}",
        flush=True,
    )


def held(facts: Sequence[Fact], question: dict[str, Any]) -> dict[str, float]:
    """Whether an accepted answer stands in a fact from a gold document: among the first 8, the first 16, all."""
    gold = {g["doc"] for g in question.get("gold", [])}
    hits = [f.document in gold and contains(f"{f.title} {f.quote}", question["answers"]) for f in facts]
    return {"held8": float(any(hits[:8])), "held16": float(any(hits[:16])), "held": float(any(hits))}


def row(answer: str, answered: bool, cited: set[str], question: dict[str, Any], facts: Sequence[Any] = ()) -> dict[str, float]:
    gold = {g["doc"] for g in question.get("gold", [])}
    askable = question.get("answerable", True) is not False
    right = (answered and contains(answer, question["answers"])) if askable else not answered
    return {
        "right": float(right),
        "wrong": float(answered and not right),
        "silent": float(not answered),
        "precision": len(cited & gold) / len(cited) if cited else 0.0,
        "recall": len(cited & gold) / len(gold) if gold else 1.0,
        "length": float(len(answer)),
        **held(facts, question),
    }


def fit(pools: list[list[tuple[dict[str, float], bool]]], *, steps: int = 400) -> dict[str, float]:
    """Weights of the reasoner's traits: the log-likelihood that a right span is chosen, by gradient ascent."""
    names = list(reasoning.WEIGHTS)
    start = np.array([reasoning.WEIGHTS[name] for name in names])
    sets = []
    for pool in pools:
        right = np.array([hit for _, hit in pool])
        if right.any() and not right.all():
            sets.append((np.array([[traits[name] for name in names] for traits, _ in pool]), right))
    weights = start.copy()
    m, v = np.zeros_like(weights), np.zeros_like(weights)
    for step in range(1, steps + 1):
        gradient = -0.02 * (weights - start) / max(1, len(sets)) * 10
        for traits, right in sets:
            logits = traits @ weights
            p = np.exp(logits - logits.max())
            p /= p.sum()
            q = np.where(right, p, 0.0)
            q /= max(q.sum(), 1e-12)
            gradient += (q - p) @ traits / len(sets)
        m, v = 0.9 * m + 0.1 * gradient, 0.99 * v + 0.01 * gradient**2
        weights += 0.1 * (m / (1 - 0.9**step)) / (np.sqrt(v / (1 - 0.99**step)) + 1e-8)
    chosen = sum(bool(right[int(np.argmax(traits @ weights))]) for traits, right in sets)
    print(f"fitted on {len(sets)} of {len(pools)} questions whose pool holds a right span; {chosen} chosen right")
    return {name: round(float(weight), 2) for name, weight in zip(names, weights, strict=True)}


def fit_signs(signs: list[tuple[dict[str, float], bool]], *, steps: int = 3000) -> dict[str, float]:
    """Weights of the reasoner's confidence: logistic regression with a small ridge."""
    names = list(reasoning.CONFIDENCE)
    x = np.array([[found[name] for name in names] for found, _ in signs])
    y = np.array([float(right) for _, right in signs])
    weights = np.zeros(len(names))
    for _ in range(steps):
        p = 1.0 / (1.0 + np.exp(-x @ weights))
        weights += 0.5 * (x.T @ (y - p) / len(y) - 0.002 * weights)
    p = 1.0 / (1.0 + np.exp(-x @ weights))
    for low, high in ((0, 0.2), (0.2, 0.4), (0.4, 0.6), (0.6, 0.8), (0.8, 1.01)):
        inside = (p >= low) & (p < high)
        share = 100 * y[inside].mean() if inside.any() else 0.0
        print(f"  confidence {low:.1f}-{high:.1f}: {int(inside.sum())} spans, {share:.0f}% right")
    return {name: round(float(weight), 2) for name, weight in zip(names, weights, strict=True)}


async def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("data", type=Path, nargs="+")
    parser.add_argument("--documents", type=int, default=40, help="documents read, best first")
    parser.add_argument("--half", type=int, choices=(0, 1), help="only even or odd questions")
    parser.add_argument("--limit", type=int, default=100, help="questions a set")
    parser.add_argument("--language", help="only questions of this language, over documents of this language")
    parser.add_argument("--fit", action="store_true", help="print weights fitted to the questions asked")
    parser.add_argument(
        "--gold", action="store_true", help="add the gold documents to what is read (what the extractor alone can do)"
    )
    parser.add_argument("--unanswerable", action="store_true", help="only questions that the corpus does not answer")
    parser.add_argument("--show", action="store_true", help="print every answer")
    options = parser.parse_args()
    pools: list[list[tuple[dict[str, float], bool]]] = []
    signs: list[tuple[dict[str, float], bool]] = []
    for folder in options.data:
        lab = Lab(load(folder, "corpus"))
        questions = load(folder, "questions")
        if options.language:
            questions = [q for q in questions if q.get("language", "en") == options.language]
        if options.unanswerable:
            questions = [q for q in questions if q.get("answerable", True) is False]
        if options.half is not None:
            questions = questions[options.half :: 2]
        questions = questions[:: max(1, len(questions) // options.limit)][: options.limit]
        allowed = lab.languages == options.language if options.language else None
        rows, base = [], []
        for question in questions:
            gold = [lab.by_id[g["doc"]] for g in question.get("gold", [])] if options.gold else []
            plan, facts, verdict = await lab.ask(question["question"], documents=options.documents, allowed=allowed, gold=gold)
            cited = {facts[label - 1].document for label in verdict.facts} if verdict.answerable else set()
            rows.append(row(verdict.answer, verdict.answerable, cited, question, facts))
            single = await lab.baseline(question["question"], allowed=allowed)
            where = {f.quote: s for f in single.facts for s in (_document(lab, f.quote),)}
            base.append(row(single.answer, single.answerable, set(where.values()) if single.answerable else set(), question))
            if options.show:
                known = any(contains(f.quote + " " + f.title, question["answers"]) for f in facts)
                print(
                    f"{'+' if rows[-1]['right'] else '-'}{'h' if known else ' '} "
                    f"{plan.kind[:6]} {plan.answer_type:8s} {question['question'][:150]}"
                    f" => {verdict.answer[:80]!r} ({verdict.confidence:.2f}) | {question['answers'][0]!r}"
                    f" | r {rows[-1]['recall']:.1f} {len(facts)} facts"
                )
            if options.fit:
                vocabulary = lab.model._vocabulary(lab.index, list)
                analysed = lab.model._question(plan.core, plan.answer_type, vocabulary)
                if not (analysed.yes_no or analysed.explains or len(analysed.options) == 2):
                    for rung in (1, 2, 4, 8, len(facts)):
                        prepared = chains.prepare(analysed, vocabulary, facts[:rung])
                        ranked = reasoning.candidates(analysed, vocabulary, chains.chains(analysed, vocabulary, prepared))
                        gold_docs = {g["doc"] for g in question.get("gold", [])}
                        usable = [c for c in ranked if c.traits["asked"] < 1.0 and c.traits["fit"] > reasoning.FITS]
                        if usable:
                            signs.append((reasoning.signs(analysed, usable), contains(usable[0].text, question["answers"])))
                        if rung < 8 and rung != len(facts):
                            continue
                        pools.append(
                            [
                                (
                                    item.traits,
                                    contains(item.text, question["answers"])
                                    and len(item.text) < 60 + len(question["answers"][0])
                                    and item.chain.evidence[-1].fact.document in gold_docs,
                                )
                                for item in ranked
                            ]
                        )
        report(f"{folder.name} rounds", rows)
        report(f"{folder.name} BM25 top 5, one pass", base)
        per_read = 1000 * lab.read_seconds / max(1, lab.reads)
        print(f"  {lab.reads} reads, {per_read:.2f} ms of CPU a read of {lab.read_chars / max(1, lab.reads) / 1000:.1f} KB")
    if options.fit:
        print(json.dumps(fit_signs(signs), indent=4))
        print(json.dumps(fit(pools), indent=4))


def _document(lab: Lab, quote: str) -> str:
    return next((d["id"] for d in lab.documents if quote in d["text"]), "")


if __name__ == "__main__":
    asyncio.run(main())
