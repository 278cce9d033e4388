"""A small made-up world for tests of whole runs: documents, and a scripted model that knows which sentences matter.

A reader notices a sentence only if it knows what to look for: the first step always, a later one when the step before it
stands in the knowledge or in the same shard. The reasoner answers when every step is among the facts it is shown.
"""

from __future__ import annotations

from typing import Any

from extagents import Corpus, Document
from extagents.testing import ScriptedModel
from extagents.types import Fused, Plan, Reading, ReportedFact, SinglePass, Verdict

QUESTION = "In which town was the founder of the Corvid Institute born?"
STEPS = (
    "The Corvid Institute was founded by Mirelle Tanager.",
    "Mirelle Tanager was born in Oskerby on a rainy day.",
)
ANSWER = "Oskerby"
FILLER = "The {n}th ledger of the harbour office lists ropes, barrels and nails in great detail. "


def documents(count: int = 40, *, length: int = 40, steps: tuple[str, ...] = STEPS) -> list[Document]:
    """So many documents of filler, with the steps of the question far apart in them."""
    places = {count // 4: 0, 3 * count // 4: 1}
    made = []
    for n in range(count):
        text = "".join(FILLER.format(n=n * 100 + line) for line in range(length))
        if n in places and places[n] < len(steps):
            half = text.find(". ", len(text) // 2) + 2
            text = f"{text[:half]}{steps[places[n]]} {text[half:]}"
        made.append(Document(id=f"doc-{n:03}", title=f"Ledger {n}", text=text))
    return made


def corpus(count: int = 40, *, length: int = 40, steps: tuple[str, ...] = STEPS) -> Corpus:
    """The documents as a corpus: packed in their own order, so that the steps lie in different shards."""
    return Corpus.load(documents(count, length=length, steps=steps))


def plan(question: str = QUESTION, **changes: Any) -> Plan:
    made = {
        "core": question,
        "instructions": "",
        "kind": "multi_hop",
        "answer_type": "place",
        "queries": ["Corvid Institute founder"],
    }
    return Plan(**{**made, **changes})


def read(prompt: Any) -> Reading:
    asked = prompt.inputs.questions[0]
    text = "\n".join(section.text for section in prompt.inputs.shard.sections)
    known = "\n".join(fact.claim for fact in asked.knowledge)
    facts, queries = [], []
    if STEPS[0] in text:
        facts.append(ReportedFact(claim=STEPS[0], quote=STEPS[0], relevance=0.9))
    if STEPS[1] in text and "Mirelle Tanager" in known + "".join(f.claim for f in facts):
        facts.append(ReportedFact(claim=STEPS[1], quote=STEPS[1], relevance=0.95))
    if facts and STEPS[1] not in [fact.claim for fact in facts]:
        queries = ["Where was Mirelle Tanager born?"]
    return Reading(facts=facts, queries=queries, continues=False)


def judge(prompt: Any) -> Verdict:
    shown = [fact.quote for fact in prompt.inputs.facts]
    labels = [shown.index(step) + 1 for step in STEPS if step in shown]
    enough = len(labels) == len(STEPS)
    missing = [] if enough else ["birthplace of Mirelle Tanager"]
    return Verdict(answerable=enough, answer=ANSWER if enough else "", confidence=0.9, facts=labels, queries=missing)


def pass_once(prompt: Any) -> SinglePass:
    text = "\n".join(section.text for section in prompt.inputs.shard.sections)
    facts = [ReportedFact(claim=step, quote=step, relevance=0.9) for step in STEPS if step in text]
    enough = len(facts) == len(STEPS)
    return SinglePass(facts=facts, answerable=enough, answer=ANSWER if enough else "", confidence=0.9)


def write(prompt: Any) -> Fused:
    answer = prompt.inputs.candidates[0].answer if prompt.inputs.candidates else "a summary"
    return Fused(answerable=True, answer=f"{answer}!", confidence=0.8, facts=[1])


def model(**changes: Any) -> ScriptedModel:
    """The world's model; `changes` replace the script of a role."""
    scripts = {"planner": lambda _: plan(), "reader": read, "reasoner": judge, "single": pass_once, "fusion": write}
    options = {name: changes.pop(name) for name in ("window", "delay", "name", "prices", "local") if name in changes}
    return ScriptedModel({**scripts, **changes}, **options)
