"""Questions of every kind over a made-up institute, and a mind for all roles: what runs that are killed have to do.

The mind is a pure function of the prompt, and what it says hangs on every letter of it: a reader that is told one fact more or
less gives its findings another relevance. So a resumed run that asks anything else than the undisturbed one gives itself away.
"""

from __future__ import annotations

import hashlib
import random
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import cache
from typing import Any

from pydantic import BaseModel

from extagents import Document
from extagents.models.base import Prompt
from extagents.types import (
    Fact,
    Fused,
    FusionInput,
    Notes,
    NotesInput,
    Outline,
    OutlinedSection,
    OutlineInput,
    OutlineMergeInput,
    Plan,
    PlannerInput,
    ReaderInput,
    Reading,
    ReasonerInput,
    RecallInput,
    ReportedFact,
    Scan,
    ScanInput,
    SectionInput,
    ShardText,
    SingleInput,
    SinglePass,
    Verdict,
    WrittenSection,
    WrittenSentence,
)

QUESTION = "In which town was the founder of the Corvid Institute born?"
TOPIC = "The history of the Corvid Institute"
STEPS = (
    "The Corvid Institute was founded by Mirelle Tanager.",
    "Mirelle Tanager was born in Oskerby on a rainy day.",
)
ANSWER = "Oskerby"
HALLS = ("Aldern", "Birchmere", "Cawdor", "Drumlin", "Eskdale", "Fenwick", "Garrick", "Hollin")
FOUND = re.compile(r"In \d{4} the \w+ hall of the Corvid Institute was given room \d+\.|" + "|".join(map(re.escape, STEPS)))
FILLER = "The {n}th ledger of the harbour office lists ropes, barrels and nails in great detail. "
_NONCE = re.compile(r"(=== text )\S+ ")
UNUSABLE = ("I would rather not answer in that form.", "Let me think about the form first.")


# ------------------------------------------------------------------ the input


@cache
def documents(count: int, *, lines: int = 16, halls: int = 2, steps: int = 2) -> tuple[Document, ...]:
    """So many documents of filler, each with notes on some halls, and the steps of the question far apart."""
    rng = random.Random(7)
    places = {count // 4: 0, 3 * count // 4: 1}
    made = []
    for n in range(count):
        sentences = [FILLER.format(n=n * 100 + line) for line in range(lines)]
        for k in range(halls):
            noted = f"In {1850 + 2 * n + k} the {HALLS[n % 8]} hall of the Corvid Institute was given room {n * 10 + k}. "
            sentences.insert(rng.randrange(len(sentences)), noted)
        if places.get(n, steps) < steps:
            sentences.insert(rng.randrange(len(sentences)), f"{STEPS[places[n]]} ")
        made.append(Document(id=f"doc-{n:03}", title=f"Chronicle of {HALLS[n % 8]} {n}", text="".join(sentences)))
    return tuple(made)


# ------------------------------------------------------------------ the mind


def chance(*parts: str) -> float:
    """A number from 0 to 1 that hangs on all parts."""
    digest = hashlib.blake2b("\0".join(parts).encode("utf-8", "surrogatepass"), digest_size=8).digest()
    return int.from_bytes(digest) / 2**64


def told(prompt: Prompt[Any]) -> str:
    """Everything that a role was told, but for the nonces, in which two memories differ."""
    return _NONCE.sub(r"\1", "\0".join(message.content for message in prompt.messages))


def text_of(shard: ShardText) -> str:
    return "\n".join(section.text for section in shard.sections)


def noticed(shard: ShardText, known: str, salt: str) -> list[ReportedFact]:
    """What stands in the shard; the second step only by one who knows the first."""
    found = list(dict.fromkeys(FOUND.findall(text_of(shard))))
    if STEPS[0] not in known and STEPS[0] not in found and STEPS[1] in found:
        found.remove(STEPS[1])
    return [ReportedFact(claim=one, quote=one, relevance=_relevance(one, salt)) for one in found]


def _relevance(said: str, salt: str) -> float:
    least, most = (0.9, 1.0) if said in STEPS else (0.3, 0.8)
    return round(least + (most - least) * chance(salt, said), 3)


def verdict(facts: tuple[Fact, ...], salt: str, *, sure: bool) -> Verdict:
    shown = [fact.quote for fact in facts]
    labels = [shown.index(step) + 1 for step in STEPS if step in shown]
    enough = sure and len(labels) == len(STEPS)
    missing = [] if enough else [f"birthplace of Mirelle Tanager, hall {HALLS[int(8 * chance(salt)) % 8]}"]
    sureness = round(0.5 + chance(salt) / 2, 3)
    return Verdict(answerable=enough, answer=ANSWER if enough else "", confidence=sureness, facts=labels, queries=missing)


@dataclass(frozen=True)
class Mind:
    """Answers for every role. `sure`: whether the ladder may answer; `clumsy`: the share of replies that are no JSON."""

    plan: Mapping[str, Any] = field(default_factory=dict)
    sure: bool = True
    clumsy: float = 0.0

    def reply(self, prompt: Prompt[Any]) -> str:
        """The text that a model would give; a clumsy one misses the form now and then, and now and then once more."""
        salt = told(prompt)
        missed = [message.content for message in prompt.messages if message.content in UNUSABLE]
        if prompt.role != "planner" and UNUSABLE[1] not in missed and chance("clumsy", salt) < self.clumsy:
            return UNUSABLE[len(missed)]
        return self._answer(prompt.inputs, salt).model_dump_json()

    def _answer(self, inputs: BaseModel, salt: str) -> BaseModel:
        match inputs:
            case PlannerInput():
                fields = {"core": inputs.question, "instructions": inputs.instructions, "kind": "multi_hop"}
                queries = ["Corvid Institute founder", "birthplace of the founder"]
                return Plan(**{**fields, "answer_type": "place", "queries": queries, **self.plan})
            case ReaderInput():
                known = "\n".join(fact.claim for fact in inputs.questions[0].knowledge)
                facts = noticed(inputs.shard, known, salt)
                queries = ["Where was Mirelle Tanager born?"] if STEPS[0] in [fact.claim for fact in facts] else []
                return Reading(facts=facts, queries=queries, continues=chance("goes on", salt) < 0.1)
            case ReasonerInput():
                return verdict(inputs.facts, salt, sure=self.sure)
            case ScanInput():
                known = "\n".join(fact.claim for fact in inputs.notes)
                return Scan(facts=noticed(inputs.shard, known, salt), drop=[], plan=f"hall {HALLS[int(8 * chance(salt)) % 8]}")
            case NotesInput():
                lines = [f"{fact.claim} [{number}]" for number, fact in zip(inputs.numbers, inputs.facts, strict=True)]
                best = sorted(lines, key=lambda line: chance(salt, line))[: max(4, len(lines) // 2)]
                steps = [line for line in lines if line.startswith(STEPS)]
                return Notes(memory="\n".join(dict.fromkeys((*steps, *best))), plan="where the founder was born")
            case RecallInput():
                return verdict(inputs.facts, salt, sure=True)
            case SingleInput():
                facts = noticed(inputs.shard, "", salt)
                enough = set(STEPS) <= {fact.quote for fact in facts}
                return SinglePass(facts=facts, answerable=enough, answer=ANSWER if enough else "", confidence=0.9)
            case FusionInput():
                best = inputs.candidates[0].answer if inputs.candidates else "a summary"
                sureness = round(0.5 + chance(salt) / 2, 3)
                return Fused(answerable=True, answer=f"{best}!", confidence=sureness, facts=[1])
            case OutlineInput():
                halls: dict[str, list[int]] = {}
                for number, fact in enumerate(inputs.facts, start=1):
                    halls.setdefault(" ".join(fact.title.split()[:3]), []).append(number)
                parts = [OutlinedSection(title=title, facts=numbers) for title, numbers in halls.items()]
                return Outline(title="A history", sections=parts)
            case OutlineMergeInput():
                labels: dict[str, list[int]] = {}
                for number, title in enumerate(inputs.titles, start=1):
                    labels.setdefault(title, []).append(number)
                return Outline(title="All", sections=[OutlinedSection(title=t, facts=found) for t, found in labels.items()])
            case SectionInput():
                return _section(inputs, salt)
        raise AssertionError(f"no script for {type(inputs).__name__}")


def _section(inputs: SectionInput, salt: str) -> WrittenSection:
    sentences, words = [], 0
    for number, fact in enumerate(inputs.facts, start=1):
        if words >= inputs.words:
            break
        found = re.search(r"In (\d{4}) the (\w+) hall .* room (\d+)", fact.quote)
        text = f"The council gave the hall of {found[2]} the room {found[3]} in the year {found[1]}." if found else fact.claim
        sentences.append(WrittenSentence(text=text, facts=[number], new_paragraph=chance(salt, text) < 0.2))
        words += len(text.split())
    return WrittenSection(sentences=sentences)


def phase_of(inputs: BaseModel) -> str:
    """What part of a run a call belongs to."""
    if isinstance(inputs, ReaderInput) and inputs.round > 1:
        return "read again"
    return _PHASES[type(inputs)]


_PHASES: Mapping[type[BaseModel], str] = {
    PlannerInput: "plan",
    ReaderInput: "read",
    ReasonerInput: "judge",
    ScanInput: "scan",
    NotesInput: "take notes",
    RecallInput: "recall",
    SingleInput: "pass",
    FusionInput: "fuse",
    OutlineInput: "outline",
    OutlineMergeInput: "outline",
    SectionInput: "write",
}


# ------------------------------------------------------------------ the scenarios


@dataclass(frozen=True)
class Scenario:
    """One question, its input, its mind and its settings. `ask`: which of the coordinator's methods asks it, and with what.

    `shared`: the input is handed over as a corpus, which keeps its order; else as documents, which are packed by rank.
    """

    documents: Callable[[], tuple[Document, ...]]
    mind: Mind = Mind()
    ask: str = "ask"
    asked: Mapping[str, Any] = field(default_factory=dict)
    settings: Mapping[str, Any] = field(default_factory=dict)
    shared: bool = True
    question: str = QUESTION

    @property
    def options(self) -> dict[str, Any]:
        """The coordinator's settings."""
        return {"window": 4_000, "concurrency": CONCURRENCY, "effort": "thorough", **self.settings}


CONCURRENCY = 6
PLENTY = {"tokens": 50_000_000, "calls": 5_000}
SUMMARY = {"kind": "summary", "answer_type": "text", "queries": [TOPIC]}

SCENARIOS: Mapping[str, Scenario] = {
    # Everything that the fused strategy has: rounds, an unsure ladder, notes over facts, the compressed pass, and the fusion.
    "unsure": Scenario(
        lambda: documents(20), Mind(sure=False), asked={"instructions": "Shout."}, settings={"budget": PLENTY, "rounds": 3}
    ),
    "ranked": Scenario(lambda: documents(24), shared=False, settings={"budget": PLENTY}),
    "balanced": Scenario(lambda: documents(40), settings={"effort": "balanced"}),
    "quick": Scenario(lambda: documents(40), settings={"effort": "quick"}),
    "published": Scenario(lambda: documents(12), settings={"rounds": "all", "strategy": "parallel", "budget": PLENTY}),
    "iterative": Scenario(
        lambda: documents(24, halls=4),
        settings={"strategy": "iterative", "lanes": 3, "heads": 2, "rounds": 3, "memory_tokens": 256, "budget": PLENTY},
    ),
    "single": Scenario(lambda: documents(4), settings={"window": 8_000, "budget": PLENTY}),
    "single, then rounds": Scenario(lambda: documents(2, lines=5, steps=1), settings={"rounds": 2}),
    "survey": Scenario(
        lambda: documents(24, halls=5),
        Mind(plan=SUMMARY),
        ask="survey",
        asked={"words": 900},
        settings={"window": 8_000, "budget": PLENTY},
        question=TOPIC,
    ),
    "compress": Scenario(lambda: documents(24), ask="compress", asked={"tokens": 600}, settings={"effort": "balanced"}),
    "clumsy": Scenario(lambda: documents(16), Mind(sure=False, clumsy=0.3), settings={"budget": PLENTY, "rounds": 2}),
}
