"""Whatever the input: quotes are the text's own words, answers are the same twice, nothing raises."""

from __future__ import annotations

import asyncio
from typing import Any

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from extagents.models.base import Prompt
from extagents.models.extractive import ExtractiveModel
from extagents.types import (
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
    Turn,
    Verdict,
)

WORDS = st.sampled_from(
    [
        *["Ada", "Lovelace", "wrote", "the", "first", "program", "in", "1843", ".", "?", "Who", "when", "of", "12", "%"],
        *["谁", "写了", "程序", "。", "London", "İstanbul", "ß", "json.loads", "PEP", "617", "\n", "\t", "«", "🙂", '"a', 'b"'],
    ]
)
TEXTS = st.one_of(st.text(max_size=400), st.lists(WORDS, max_size=80).map(" ".join), st.lists(WORDS, max_size=40).map("".join))
QUIET = settings(max_examples=80, deadline=None, suppress_health_check=[HealthCheck.too_slow])


def complete(inputs: Any, output: Any, model: ExtractiveModel | None = None) -> Any:
    prompt: Prompt[Any] = Prompt(role="reader", inputs=inputs, output=output, messages=(), max_output_tokens=9, version="v")
    return asyncio.run((model or ExtractiveModel()).complete(prompt)).output


def shard(texts: list[str]) -> ShardText:
    sections = tuple(
        Section(document=str(number), title=text[:20], text=text, start=0, end=len(text)) for number, text in enumerate(texts)
    )
    return ShardText(id="s", sections=sections)


@QUIET
@given(st.lists(TEXTS, max_size=4), TEXTS)
def test_every_quote_is_a_substring_of_its_text(texts: list[str], question: str) -> None:
    inputs = ReaderInput(shard=shard(texts), questions=(ReaderQuestion(core=question),))
    reading: Reading = complete(inputs, Reading)
    for found in reading.facts:
        assert found.quote.strip()
        assert any(found.quote in text for text in texts)
    assert len(reading.queries) <= 3


@QUIET
@given(st.lists(TEXTS, min_size=1, max_size=4), TEXTS)
def test_an_answer_stands_in_a_quote_that_it_names(texts: list[str], question: str) -> None:
    plan: Plan = complete(PlannerInput(question=question), Plan)
    inputs = SingleInput(shard=shard(texts), question=plan.core, kind=plan.kind, answer_type=plan.answer_type)
    found: SinglePass = complete(inputs, SinglePass)
    assert all(any(fact.quote in text for text in texts) for fact in found.facts)
    if found.answerable and plan.answer_type != "yes_no":
        assert found.answer
    if not found.answerable:
        assert found.answer == ""


@QUIET
@given(st.lists(TEXTS, max_size=4), TEXTS)
def test_a_fresh_model_and_a_used_one_say_the_same(texts: list[str], question: str) -> None:
    used = ExtractiveModel()
    inputs = ReaderInput(shard=shard(texts), questions=(ReaderQuestion(core=question),), round=2)
    complete(inputs, Reading, used)
    assert complete(inputs, Reading, used) == complete(inputs, Reading)


@QUIET
@given(st.lists(TEXTS, max_size=6), TEXTS, st.sampled_from(["lookup", "multi_hop", "aggregate", "summary"]))
def test_the_reasoner_names_only_facts_that_it_was_given(texts: list[str], question: str, kind: Any) -> None:
    facts = tuple(
        Fact(
            id=str(n),
            claim=text,
            quote=text,
            document=str(n),
            start=0,
            end=len(text),
            relevance=0.5,
            shard="s",
            round=1,
            title=text[:9],
        )
        for n, text in enumerate(texts)
    )
    verdict: Verdict = complete(ReasonerInput(question=question, facts=facts, kind=kind), Verdict)
    assert all(1 <= label <= len(facts) for label in verdict.facts)
    assert bool(verdict.answer) == verdict.answerable
    assert verdict == complete(ReasonerInput(question=question, facts=facts, kind=kind), Verdict)


@QUIET
@given(TEXTS, TEXTS, st.lists(TEXTS, max_size=2))
def test_any_question_has_a_plan(question: str, instructions: str, turns: list[str]) -> None:
    history = tuple(Turn(role="user", content=turn) for turn in turns)
    plan: Plan = complete(PlannerInput(question=question, instructions=instructions, history=history), Plan)
    assert len(plan.queries) <= 5


def test_one_line_without_an_end_is_read_in_bounded_work() -> None:
    line = "x" * 3_000_000 + " Ada Lovelace wrote the first program "
    inputs = ReaderInput(shard=shard([line]), questions=(ReaderQuestion(core="Who wrote the first program?"),))
    assert all(found.quote in line and len(found.quote) <= 600 for found in complete(inputs, Reading).facts)
