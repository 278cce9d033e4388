"""The extractive model, role by role, on made-up corpora in English and Chinese."""

from __future__ import annotations

import time
from typing import Any

import pytest

from extagents.errors import CallError
from extagents.models.base import Model, Prompt
from extagents.models.extraction.vocabulary import OwnStatistics
from extagents.models.extractive import ExtractiveModel
from extagents.types import (
    AnswerType,
    Candidate,
    Fact,
    Fused,
    FusionInput,
    Kind,
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

TOWNS = {
    "Harrowgate Mill": "Harrowgate Mill is a watermill in the village of Brindle. It was built in 1783 by Tobias Wren. "
    "The mill has two wheels.",
    "Tobias Wren": "Tobias Wren (4 May 1741 – 9 June 1802) was an English engineer. "
    "He was born in the town of Ludlow and worked on canals.",
    "Ludlow": "Ludlow is a market town in Shropshire. Its population was 11,003 in 2011. "
    "The castle stands above the river Teme.",
    "Brindle": "Brindle is a village. The church of Saint James was finished in 1550. Brindle lies on the road to the north.",
    "Marrow Lake": "Marrow Lake is 42 km long. It freezes every winter, and ferries stop in December.",
    "Osric Vane": "Osric Vane is a painter known for large canvases of storms. He lives near Marrow Lake.",
    "The Glass Orchard": "The Glass Orchard is a 1994 novel by Edda Hale. It won the Corbel Prize in 1995.",
    "Edda Hale": "Edda Hale is a Norwegian novelist. She studied at the University of Bergen and has written nine books.",
}
CHINESE = {
    "青石镇": "青石镇位于江南省北部，是一座古镇。青石镇始建于1368年，现有人口约三万人。镇上的石桥由工匠李怀远设计。",
    "李怀远": "李怀远是明代工匠，出生于白鹭县。他一生建造了十二座石桥。",
    "白鹭县": "白鹭县以盛产茶叶闻名。县城靠近大江。",
    "红叶山": "红叶山海拔1520米，每年秋天游客众多。",
}


def sections(texts: dict[str, str]) -> tuple[Section, ...]:
    return tuple(
        Section(document=title.lower(), title=title, text=text, start=0, end=len(text)) for title, text in texts.items()
    )


def statistics(texts: dict[str, str]) -> OwnStatistics:
    return OwnStatistics([f"{title} {text}" for title, text in texts.items()])


def prompt(inputs: Any, output: Any) -> Prompt[Any]:
    return Prompt(role="reader", inputs=inputs, output=output, messages=(), max_output_tokens=500, version="v")


async def complete(inputs: Any, output: Any) -> Any:
    return (await ExtractiveModel().complete(prompt(inputs, output))).output


async def read(question: str, texts: dict[str, str], *, knowledge: tuple[Fact, ...] = (), kind: AnswerType = "text") -> Reading:
    inputs = ReaderInput(
        shard=ShardText(id="s", sections=sections(texts)),
        questions=(ReaderQuestion(core=question, knowledge=knowledge),),
        answer_type=kind,
        statistics=statistics({**TOWNS, **CHINESE}),
    )
    reading: Reading = await complete(inputs, Reading)
    return reading


def fact(title: str, quote: str, *, relevance: float = 0.8, texts: dict[str, str] = TOWNS) -> Fact:
    start = texts[title].index(quote)
    return Fact(
        id=f"{title}:{start}",
        claim=quote,
        quote=quote,
        document=title.lower(),
        start=start,
        end=start + len(quote),
        relevance=relevance,
        shard="s",
        round=1,
        title=title,
    )


async def single(question: str, texts: dict[str, str] = TOWNS, *, kind: Kind = "lookup") -> SinglePass:
    plan: Plan = await complete(PlannerInput(question=question), Plan)
    inputs = SingleInput(
        shard=ShardText(id="s", sections=sections(texts)),
        question=plan.core,
        kind=plan.kind if kind == "lookup" else kind,
        answer_type=plan.answer_type,
        statistics=statistics(texts),
    )
    found: SinglePass = await complete(inputs, SinglePass)
    return found


# ------------------------------------------------------------------ the protocol


async def test_it_is_a_local_model_that_costs_nothing() -> None:
    model = ExtractiveModel()
    assert isinstance(model, Model)
    assert (model.name, model.local) == ("extractive", True)
    done = await model.complete(prompt(PlannerInput(question="Who built Harrowgate Mill?"), Plan))
    assert isinstance(done.output, Plan)
    assert Plan.model_validate_json(done.text) == done.output
    assert (done.usage.calls, done.usage.cost) == (1, 0.0)
    assert (await model.describe()).window is not None
    await model.aclose()


async def test_an_output_that_does_not_belong_to_the_inputs_is_a_call_error() -> None:
    with pytest.raises(CallError):
        await ExtractiveModel().complete(prompt(PlannerInput(question="Who?"), Verdict))


async def test_the_answer_is_streamed_once() -> None:
    pieces: list[str] = []
    done = await ExtractiveModel().complete(
        prompt(PlannerInput(question="Who built Harrowgate Mill?"), Plan), on_delta=pieces.append
    )
    assert "".join(pieces) == done.text


# ------------------------------------------------------------------ planner


@pytest.mark.parametrize(
    ("question", "answer_type"),
    [
        ("Who built Harrowgate Mill?", "person"),
        ("Where was Tobias Wren born?", "place"),
        ("When was the mill built?", "date"),
        ("In what year did it open?", "date"),
        ("How many wheels does the mill have?", "number"),
        ("Which city is the seat of the county?", "place"),
        ("Is Brindle a village?", "yes_no"),
        ("What company made the wheels?", "organization"),
        ("The mill was built by who?", "person"),
        ("Why did the ferries stop?", "text"),
        ("Which exception does the loader raise?", "name"),
        ("谁设计了石桥？", "person"),
        ("青石镇位于哪里？", "place"),
        ("青石镇始建于什么时候？", "date"),
        ("红叶山有多高？", "number"),
        ("青石镇是否有石桥？", "yes_no"),
    ],
)
async def test_the_planner_sees_what_kind_of_answer_is_wanted(question: str, answer_type: str) -> None:
    plan: Plan = await complete(PlannerInput(question=question), Plan)
    assert plan.answer_type == answer_type
    assert plan.core == question
    assert plan.queries[0] == question
    assert len(plan.queries) <= 5


@pytest.mark.parametrize(
    ("question", "kind"),
    [
        ("Who built Harrowgate Mill?", "lookup"),
        ("Where was the man who built Harrowgate Mill born?", "multi_hop"),
        ("Summarize the history of the mill.", "summary"),
        ("How many of the villages have a church in total?", "aggregate"),
        ("总结青石镇的历史", "summary"),
    ],
)
async def test_the_planner_tells_the_kinds_apart(question: str, kind: str) -> None:
    assert (await complete(PlannerInput(question=question), Plan)).kind == kind


async def test_the_planner_parts_form_from_content() -> None:
    plan: Plan = await complete(
        PlannerInput(question="Who built Harrowgate Mill? Answer in one word.", instructions="Be kind."), Plan
    )
    assert plan.core == "Who built Harrowgate Mill?"
    assert plan.instructions == "Be kind. Answer in one word"


async def test_the_planner_resolves_a_follow_up_from_the_last_user_turn() -> None:
    history = (Turn(role="user", content="Who was Tobias Wren?"), Turn(role="assistant", content="An engineer from Ludlow."))
    plan: Plan = await complete(PlannerInput(question="When was he born?", history=history), Plan)
    assert "Tobias Wren" in plan.core
    alone: Plan = await complete(PlannerInput(question="When was Osric Vane, the painter, born?", history=history), Plan)
    assert "Tobias Wren" not in alone.core


# ------------------------------------------------------------------ reader


async def test_the_reader_reports_the_sentence_that_answers_with_its_exact_words() -> None:
    reading = await read("Who built Harrowgate Mill?", TOWNS, kind="person")
    best = max(reading.facts, key=lambda found: found.relevance)
    assert best.quote == "It was built in 1783 by Tobias Wren."
    assert best.claim.startswith("Harrowgate Mill: ")


async def test_the_reader_says_nothing_about_a_text_that_holds_nothing() -> None:
    reading = await read("Who invented the steam turbine?", {"Marrow Lake": TOWNS["Marrow Lake"]}, kind="person")
    assert reading.facts == []


async def test_knowledge_of_another_shard_opens_the_second_hop() -> None:
    question = "In which county is the town where the builder of Harrowgate Mill was born?"
    known = (fact("Tobias Wren", "He was born in the town of Ludlow and worked on canals."),)
    other = {"Ludlow": TOWNS["Ludlow"], "Marrow Lake": TOWNS["Marrow Lake"]}
    quote = "Ludlow is a market town in Shropshire."

    def relevance(reading: Reading) -> float:
        return max((found.relevance for found in reading.facts if found.quote == quote), default=0.0)

    blind, knowing = await read(question, other), await read(question, other, knowledge=known)
    assert relevance(knowing) > relevance(blind)
    assert relevance(knowing) == max(found.relevance for found in knowing.facts)


async def test_the_reader_asks_for_what_a_name_leaves_open() -> None:
    reading = await read(
        "What is the nationality of the author of The Glass Orchard?", {"The Glass Orchard": TOWNS["The Glass Orchard"]}
    )
    assert any("Edda Hale".lower() in query.lower() and "nationality" in query for query in reading.queries)


async def test_a_pronoun_sentence_is_found_by_its_title() -> None:
    reading = await read("Where did Edda Hale study?", {"Edda Hale": TOWNS["Edda Hale"]}, kind="place")
    assert any("University of Bergen" in found.quote for found in reading.facts)


async def test_the_reader_reads_chinese() -> None:
    reading = await read("谁设计了青石镇的石桥？", CHINESE, kind="person")
    assert "镇上的石桥由工匠李怀远设计。" in [found.quote for found in reading.facts]


async def test_several_questions_share_one_reading() -> None:
    inputs = ReaderInput(
        shard=ShardText(id="s", sections=sections(TOWNS)),
        questions=(ReaderQuestion(core="Who built Harrowgate Mill?"), ReaderQuestion(core="How long is Marrow Lake?")),
        statistics=statistics(TOWNS),
    )
    quotes = [found.quote for found in (await complete(inputs, Reading)).facts]
    assert "It was built in 1783 by Tobias Wren." in quotes
    assert "Marrow Lake is 42 km long." in quotes


# ------------------------------------------------------------------ reasoner


async def reason(question: str, facts: tuple[Fact, ...], *, texts: dict[str, str] = TOWNS) -> Verdict:
    plan: Plan = await complete(PlannerInput(question=question), Plan)
    inputs = ReasonerInput(
        question=plan.core, facts=facts, kind=plan.kind, answer_type=plan.answer_type, statistics=statistics(texts)
    )
    verdict: Verdict = await complete(inputs, Verdict)
    return verdict


BUILT = fact("Harrowgate Mill", "It was built in 1783 by Tobias Wren.")
BORN = fact("Tobias Wren", "He was born in the town of Ludlow and worked on canals.", relevance=0.6)
WHEELS = fact("Harrowgate Mill", "The mill has two wheels.", relevance=0.4)
PRIZE = fact("The Glass Orchard", "It won the Corbel Prize in 1995.", relevance=0.2)


async def test_the_reasoner_answers_with_the_span_of_the_wanted_type() -> None:
    assert (await reason("Who built Harrowgate Mill?", (BUILT, WHEELS, PRIZE))).answer == "Tobias Wren"
    assert (await reason("When was Harrowgate Mill built?", (BUILT, WHEELS, PRIZE))).answer == "1783"


async def test_the_reasoner_rests_a_two_step_answer_on_both_facts() -> None:
    verdict = await reason("In which town was the man who built Harrowgate Mill born?", (BUILT, WHEELS, PRIZE, BORN))
    assert verdict.answerable
    assert "Ludlow" in verdict.answer
    assert sorted(verdict.facts) == [1, 4]


async def test_facts_that_do_not_cover_the_question_answer_nothing() -> None:
    verdict = await reason("What is the capital of the kingdom of Zembla?", (BUILT, WHEELS, PRIZE))
    assert not verdict.answerable
    assert verdict.answer == ""
    assert verdict.facts == []


async def test_no_facts_answer_nothing() -> None:
    assert not (await reason("Who built Harrowgate Mill?", ())).answerable


async def test_the_reasoner_compares_two_dates() -> None:
    texts = {
        "Anvil Chorus": "Anvil Chorus is a band formed in 1997 in Leeds.",
        "Copper Nine": "Copper Nine is a band formed in 2006 in York.",
    }
    facts = tuple(fact(title, text, texts=texts) for title, text in texts.items())
    question = "Which band was formed first, Copper Nine or Anvil Chorus?"
    verdict = await reason(question, facts, texts=texts)
    assert verdict.answer == "Anvil Chorus"
    assert sorted(verdict.facts) == [1, 2]
    assert not (await reason(question, facts[:1], texts=texts)).answerable


async def test_the_reasoner_says_yes_and_no() -> None:
    texts = {
        "Anvil Chorus": "Anvil Chorus is a British rock band.",
        "Copper Nine": "Copper Nine is a Danish jazz trio.",
        "Pale Harbour": "Pale Harbour is a British rock band from Hull.",
    }
    facts = tuple(fact(title, text, texts=texts) for title, text in texts.items())
    assert (await reason("Are Anvil Chorus and Pale Harbour both British rock bands?", facts, texts=texts)).answer == "yes"
    assert (await reason("Are Anvil Chorus and Copper Nine both British rock bands?", facts, texts=texts)).answer == "no"


async def test_a_question_that_wants_an_explanation_gets_the_sentence() -> None:
    ferries = fact("Marrow Lake", "It freezes every winter, and ferries stop in December.")
    verdict = await reason("Why do the ferries of Marrow Lake stop in December?", (ferries, PRIZE))
    assert verdict.answer == ferries.quote


async def test_the_reasoner_answers_in_chinese() -> None:
    built = fact("青石镇", "青石镇始建于1368年，现有人口约三万人。", texts=CHINESE)
    assert "1368年" in (await reason("青石镇始建于什么时候？", (built,), texts=CHINESE)).answer


# ------------------------------------------------------------------ single pass, fusion


async def test_one_pass_over_the_whole_input_follows_the_hops_inside_it() -> None:
    found = await single("In which town was the man who built Harrowgate Mill born?")
    assert found.answerable
    assert "Ludlow" in found.answer
    assert {quote.quote for quote in found.facts} >= {"It was built in 1783 by Tobias Wren."}


@pytest.mark.parametrize(
    "question",
    [
        "Who is the president of the republic of Zembla?",
        "Which rocket carried the first satellite of Ruritania?",
        "瓦坎达的首都叫什么名字？",
    ],
)
async def test_what_the_input_does_not_say_is_not_answered(question: str) -> None:
    found = await single(question, {**TOWNS, **CHINESE})
    assert not found.answerable
    assert found.answer == ""


async def test_the_fusion_keeps_the_answer_that_most_paths_give() -> None:
    facts = (BUILT, BORN)
    candidates = (
        Candidate(path="single", answer="the Tobias Wren", confidence=0.4, facts=(BUILT,)),
        Candidate(path="ladder", answer="Ludlow", confidence=0.7, facts=(BORN,)),
        Candidate(path="memory", answer="Tobias Wren", confidence=0.5, facts=(BUILT,)),
    )
    fused: Fused = await complete(FusionInput(question="Who built Harrowgate Mill?", candidates=candidates, facts=facts), Fused)
    assert fused.answer in ("Tobias Wren", "the Tobias Wren")
    assert fused.facts == [1]
    assert fused.confidence > 0.5


async def test_the_fusion_of_nothing_is_no_answer() -> None:
    fused: Fused = await complete(FusionInput(question="Who?", candidates=(), facts=()), Fused)
    assert not fused.answerable


# ------------------------------------------------------------------ cost


async def test_reading_grows_no_faster_than_the_text() -> None:
    filler = "The harbour was quiet and nobody came down to the boats that week. "
    model = ExtractiveModel()
    known = statistics(TOWNS)

    async def cost(size: int) -> float:
        text = TOWNS["Harrowgate Mill"] + filler * (size // len(filler))
        shard = ShardText(id="s", sections=(Section(document="d", title="", text=text, start=0, end=len(text)),))
        inputs = ReaderInput(
            shard=shard, questions=(ReaderQuestion(core="Who built Harrowgate Mill in 1783?"),), statistics=known
        )
        best = 1e9
        for _ in range(5):
            begun = time.perf_counter()
            await model.complete(prompt(inputs, Reading))
            best = min(best, time.perf_counter() - begun)
        return best

    assert await cost(400_000) < 30 * await cost(40_000)
