"""Question and documents in different languages: prompts in the question's, quotes in the document's, translated answers."""

from __future__ import annotations

from typing import Any

import pytest

from extagents import Coordinator, Document
from extagents.prompts import language_of
from extagents.testing import ScriptedModel
from extagents.types import Plan, Reading, ReportedFact, Verdict

ENGLISH = [
    Document(id="mill", title="Mills", text="The mill of Oskerby was built by the brothers Ash. " + "It ground rye. " * 40),
    Document(id="seat", title="Seats", text="Oskerby is the county seat of Tarn County. " + "It has a market. " * 40),
]
CHINESE = [
    Document(id="磨坊", text="奥斯克比的磨坊由阿什兄弟建造。" + "那里磨黑麦。" * 60),
    Document(id="县城", text="奥斯克比是塔恩县的县城，市政府于 1968年 合并。" + "那里有集市。" * 60),
]


def team(answer: str, quote: str, seen: dict[str, Any], **verdict: Any) -> Coordinator:
    """A team whose readers find one quote and whose reasoner always gives one answer."""

    def plan(prompt: Any) -> Plan:
        seen["planner"] = prompt.messages[-1].content
        return Plan(core=prompt.inputs.question, instructions="", kind="lookup", answer_type="place", queries=[])

    def read(prompt: Any) -> Reading:
        seen["reader"] = prompt.messages[0].content
        text = "".join(section.text for section in prompt.inputs.shard.sections)
        facts = [ReportedFact(claim=answer, quote=quote, relevance=0.9)] if quote in text else []
        return Reading(facts=facts, queries=[])

    def judge(prompt: Any) -> Verdict:
        return Verdict(**{"answerable": True, "answer": answer, "confidence": 0.9, "facts": [1], "queries": [], **verdict})

    model = ScriptedModel({"planner": plan, "reader": read, "reasoner": judge})
    return Coordinator(model, memory="memory://", effort="thorough", strategy="parallel")


CASES = [
    ("奥斯克比是哪个县的县城？", ENGLISH, "塔恩县", "Oskerby is the county seat of Tarn County.", "正文不是中文", "seat"),
    ("Of which county is Oskerby the seat?", CHINESE, "Tarn County", "奥斯克比是塔恩县的县城", "in Chinese", "县城"),
]


@pytest.mark.parametrize(("question", "documents", "answer", "quote", "told", "cited"), CASES)
async def test_a_translated_answer_is_given_with_a_quote_in_the_documents_language(
    question: str, documents: list[Document], answer: str, quote: str, told: str, cited: str
) -> None:
    seen: dict[str, Any] = {}
    given = await team(answer, quote, seen).aask(question, documents)
    assert (given.answer, given.answered) == (answer, True)
    assert [(citation.document, citation.quote) for citation in given.citations] == [(cited, quote)]
    assert told in seen["planner"]
    assert ("你" in seen["reader"]) == (language_of(question) == "zh")


@pytest.mark.parametrize(("question", "documents", "answer", "quote", "told", "cited"), CASES)
async def test_a_translated_answer_that_names_no_fact_is_not_given(
    question: str, documents: list[Document], answer: str, quote: str, told: str, cited: str
) -> None:
    for facts in ([], [7]):
        given = await team(answer, quote, {}, facts=facts).aask(question, documents)
        assert not given.answered


async def test_an_answer_in_the_documents_own_script_still_has_to_stand_in_it() -> None:
    question, documents, _, quote, _, _ = CASES[0]
    given = await team("Somewhere Else", quote, {}).aask(question, documents)
    assert not given.answered


@pytest.mark.parametrize(
    ("question", "language"),
    [
        ("Barry Wesson 效力于哪支球队？", "zh"),
        ("Who wrote the novel 红楼梦?", "en"),
        ("Кто построил мельницу?", "en"),
        ("谁", "zh"),
        ("Beyoncé 和 Solange Knowles 谁大？", "zh"),
        ("谁写了 The Lord of the Rings？", "zh"),
        ("水車小屋を建てたのは誰ですか", "en"),
        ("Où est la gare ?", "en"),
    ],
)
def test_the_language_of_prompts_is_that_of_the_question(question: str, language: str) -> None:
    assert language_of(question) == language


@pytest.mark.parametrize(("question", "documents", "foreign"), [
    (CASES[0][0], ENGLISH, True),
    (CASES[1][0], CHINESE, True),
    (CASES[0][0], CHINESE, False),
    (CASES[1][0], ENGLISH, False),
    (CASES[0][0], [*(Document(id=f"en-{n}", text="The office lists ropes. " * 20) for n in range(6)), *CHINESE], False),
])  # fmt: skip
async def test_without_a_language_model_a_notice_says_that_the_languages_differ(
    question: str, documents: list[Document], foreign: bool
) -> None:
    async with Coordinator(memory="memory://") as plain:
        answer = await plain.aask(question, documents)
    assert any("different languages" in notice for notice in answer.notices) is foreign
    assert not (foreign and answer.answered)
