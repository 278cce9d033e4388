"""A made-up world for batches: many questions of two steps each over one input, and a model that answers several at once."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable
from typing import Any

from extagents import Corpus, Document
from extagents.testing import ScriptedModel
from extagents.types import Fused, Plan, QuestionReading, Reading, Readings, ReportedFact, SinglePass, Verdict

FILLER = "The {n}th ledger of the harbour office lists ropes, barrels and nails in great detail. "
ASKED = re.compile(r"founder of the (\w+) Institute")


def name(n: int, kind: str) -> str:
    """A made-up name, another one for every number and kind."""
    letters = "aeiou"
    return f"{kind}{letters[n % 5]}{chr(98 + n % 20)}{letters[n // 5 % 5]}{chr(98 + n // 7 % 20)}{n}".capitalize()


def question(n: int) -> str:
    return f"In which town was the founder of the {name(n, 'cor')} Institute born?"


def steps(n: int) -> tuple[str, str]:
    return (
        f"The {name(n, 'cor')} Institute was founded by {name(n, 'mi')} Tanager.",
        f"{name(n, 'mi')} Tanager was born in {name(n, 'os')}by on a rainy day.",
    )


def answer(n: int) -> str:
    return f"{name(n, 'os')}by"


def corpus(questions: int, *, documents: int = 40, lines: int = 40) -> Corpus:
    """Documents of filler, with the two steps of every question far apart in them."""
    texts = [[FILLER.format(n=n * 100 + line) for line in range(lines)] for n in range(documents)]
    for n in range(questions):
        first, second = steps(n)
        texts[n * 7 % documents].insert(5 + n % lines, first + " ")
        texts[(n * 7 + documents // 2) % documents].insert(9 + n % lines, second + " ")
    return Corpus.load(
        [Document(id=f"doc-{n:03}", title=f"Ledger {n}", text="".join(text)) for n, text in enumerate(texts)], cache=False
    )


def _number(asked: str) -> int:
    found = ASKED.search(asked)
    assert found is not None
    digits = re.search(r"\d+$", found[1])
    assert digits is not None
    return int(digits[0])


def plan(prompt: Any) -> Plan:
    asked = prompt.inputs.question
    n = _number(asked)
    return Plan(
        core=asked, instructions="", kind="multi_hop", answer_type="place", queries=[f"{name(n, 'cor')} Institute founder"]
    )


def facts_for(asked: Any, text: str) -> tuple[list[ReportedFact], list[str]]:
    """What a reader that overlooks nothing reports for one question, and what it still looks for."""
    n = _number(asked.core)
    known = "\n".join(fact.claim for fact in asked.knowledge)
    first, second = steps(n)
    facts = [ReportedFact(claim=first, quote=first, relevance=0.9)] if first in text else []
    if second in text and (facts or first in known):
        facts.append(ReportedFact(claim=second, quote=second, relevance=0.95))
    return facts, [f"Where was {name(n, 'mi')} Tanager born?"] if facts and facts[-1].claim == first else []


def read(prompt: Any, *, overlooks: Callable[[int, int], bool] = lambda place, count: False) -> Reading | Readings:
    """A reading of one question, or of several; of several, it finds nothing for those that it `overlooks` (place, count)."""
    text = "\n".join(section.text for section in prompt.inputs.shard.sections)
    found = [facts_for(asked, text) for asked in prompt.inputs.questions]
    if prompt.output is Reading:
        return Reading(facts=found[0][0], queries=found[0][1], continues=False)
    count = len(found)
    return Readings(
        readings=[
            QuestionReading(question=place + 1, facts=[] if overlooks(place, count) else facts, queries=queries)
            for place, (facts, queries) in enumerate(found)
        ]
    )


def judge(prompt: Any) -> Verdict:
    n = _number(prompt.inputs.question)
    shown = [fact.quote for fact in prompt.inputs.facts]
    labels = [shown.index(step) + 1 for step in steps(n) if step in shown]
    enough = len(labels) == 2
    return Verdict(
        answerable=enough,
        answer=answer(n) if enough else "",
        confidence=0.9,
        facts=labels,
        queries=[] if enough else [f"birthplace of {name(n, 'mi')} Tanager"],
    )


def write(prompt: Any) -> Fused:
    told = prompt.inputs.candidates[0].answer if prompt.inputs.candidates else ""
    return Fused(answerable=bool(told), answer=told, confidence=0.8, facts=[1])


def pass_once(prompt: Any) -> SinglePass:
    text = "\n".join(section.text for section in prompt.inputs.shard.sections)
    n = _number(prompt.inputs.question)
    found = [step for step in steps(n) if step in text]
    facts = [ReportedFact(claim=step, quote=step, relevance=0.9) for step in found]
    enough = len(found) == 2
    return SinglePass(facts=facts, answerable=enough, answer=answer(n) if enough else "", confidence=0.9)


def model(**changes: Any) -> ScriptedModel:
    """The world's model; `changes` replace the script of a role."""
    scripts = {"planner": plan, "reader": read, "reasoner": judge, "single": pass_once, "fusion": write}
    options = {name: changes.pop(name) for name in ("window", "delay", "name", "prices", "local") if name in changes}
    return ScriptedModel({**scripts, **changes}, **options)


def questions(numbers: Iterable[int]) -> list[dict[str, str]]:
    return [{"id": f"q{n}", "question": question(n)} for n in numbers]
