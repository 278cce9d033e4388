"""Long answers as whole runs: markers that resolve, lengths that are kept, sections that fail, runs that are stopped."""

from __future__ import annotations

import asyncio
import re
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import BaseModel

from extagents import Budget, Coordinator, Document
from extagents.errors import CallError, InputError
from extagents.prose import sentences_of, words_in
from extagents.testing import ScriptedModel
from extagents.types import (
    Answer,
    Fused,
    Outline,
    OutlinedSection,
    OutlineInput,
    OutlineMergeInput,
    Plan,
    Reading,
    ReportedFact,
    SectionInput,
    WrittenSection,
    WrittenSentence,
)

TOPIC = "The history of the Corvid Institute"
HALLS = ("Aldern", "Birchmere", "Cawdor", "Drumlin", "Eskdale", "Fenwick", "Garrick", "Hollin")
FACT = re.compile(r"In \d{4} the \w+ hall was [^.]*\.|\d{4}年，\w+馆[^。]*。")


def history(count: int = 8, *, per: int = 6) -> list[Document]:
    """So many documents, each with some sentences about a hall of its own, between sentences of no interest."""
    documents = []
    for n in range(count):
        hall = HALLS[n % len(HALLS)]
        facts = [
            f"In {1900 + 10 * n + k} the {hall} hall was given room number {n * 100 + k} by the council." for k in range(per)
        ]
        text = " Nothing else happened that winter, people said, and the snow lay long. ".join(facts)
        documents.append(Document(id=f"h{n}", title=f"Chronicle of {hall}", text=text))
    return documents


def plan(**changes: Any) -> Plan:
    fields = {"core": TOPIC, "instructions": "", "kind": "summary", "answer_type": "text", "queries": [TOPIC]}
    return Plan(**{**fields, **changes})


def read(prompt: Any) -> Reading:
    text = "\n".join(section.text for section in prompt.inputs.shard.sections)
    facts = [ReportedFact(claim=found, quote=found, relevance=0.9 - 0.001 * (len(found) % 7)) for found in FACT.findall(text)]
    return Reading(facts=facts, queries=[], continues=False)


def outlined(inputs: OutlineInput) -> Outline:
    """One section a hall, in the order of the facts."""
    halls: dict[str, list[int]] = {}
    for number, fact in enumerate(inputs.facts, start=1):
        halls.setdefault(fact.title, []).append(number)
    return Outline(title="A history", sections=[OutlinedSection(title=title, facts=found) for title, found in halls.items()])


def sectioned(inputs: SectionInput) -> WrittenSection:
    """One sentence a fact, in other words, until the length is reached."""
    sentences, size = [], 0
    for number, fact in enumerate(inputs.facts, start=1):
        year, hall, room = re.search(r"In (\d{4}) the (\w+) hall was given room number (\d+)", fact.quote).groups()  # type: ignore[union-attr]
        text = f"The council gave the hall of {hall} the room with the number {room} when the year was {year}."
        if size >= inputs.words:
            break
        sentences.append(WrittenSentence(text=text, facts=[number], new_paragraph=number == 4))
        size += words_in(text)
    return WrittenSection(sentences=sentences)


def write(prompt: Any) -> BaseModel:
    inputs = prompt.inputs
    if isinstance(inputs, OutlineInput):
        return outlined(inputs)
    if isinstance(inputs, OutlineMergeInput):
        labels: dict[str, list[int]] = {}
        for number, title in enumerate(inputs.titles, start=1):
            labels.setdefault(title, []).append(number)
        return Outline(title="All", sections=[OutlinedSection(title=t, facts=found) for t, found in labels.items()])
    return sectioned(inputs)


def scripted(**changes: Any) -> ScriptedModel:
    options = {name: changes.pop(name) for name in ("window", "delay") if name in changes}
    short = lambda _: Fused(answerable=True, answer="In short.", confidence=0.8, facts=[1])  # noqa: E731
    scripts = {"planner": lambda _: plan(), "reader": read, "writer": write, "fusion": short}
    return ScriptedModel({**scripts, **changes}, **options)


def team(model: ScriptedModel, **options: Any) -> Coordinator:
    options.setdefault("window", 8_000)
    return Coordinator(model, memory="memory://", **options)


def writers(model: ScriptedModel, kind: type[BaseModel]) -> list[Any]:
    return [call for call in model.calls if call.role == "writer" and isinstance(call.inputs, kind)]


def body(answer: Answer) -> str:
    """The text without its headings."""
    return re.sub(r"^#.*$", "", answer.text, flags=re.MULTILINE)


def prose(answer: Answer) -> str:
    return re.sub(r"\s*\[\d+\]", "", body(answer))


def holds(answer: Answer, documents: list[Document]) -> None:
    """Every sentence has markers, every marker a citation, every citation a marker, its text and its order."""
    texts = {document.id: document.text for document in documents}
    sentences = [s for paragraph in body(answer).split("\n\n") for s in sentences_of(paragraph.strip())]
    assert sentences
    assert all(re.search(r"\[\d+\]", sentence) for sentence in sentences)
    numbers = [int(number) for number in re.findall(r"\[(\d+)\]", answer.text)]
    assert list(dict.fromkeys(numbers)) == list(range(1, len(answer.citations) + 1))
    assert all(texts[c.document][c.start : c.end] == c.quote and c.verified for c in answer.citations)
    assert len({(c.document, c.start, c.end) for c in answer.citations}) == len(answer.citations)
    assert not re.search(r"^## .*\n+(#|\Z)", answer.text, re.MULTILINE), "a heading without text"


async def test_a_survey_has_sections_in_order_with_markers_that_mean_their_quotes():
    model = scripted()
    answer = await team(model).asurvey(TOPIC, history(4, per=10), words=600)
    holds(answer, history(4, per=10))
    assert answer.answered
    assert answer.kind == "summary"
    assert answer.text.startswith("# A history\n\n## Chronicle of Aldern\n\n")
    headings = re.findall(r"^## (.*)$", answer.text, re.MULTILINE)
    assert headings == [f"Chronicle of {hall}" for hall in HALLS[:4]]
    for sentence in sentences_of(body(answer)):
        room = re.search(r"number (\d+)", sentence)
        marker = re.search(r"\[(\d+)\]", sentence)
        assert room is not None
        assert marker is not None
        assert f"room number {room[1]} by" in answer.citations[int(marker[1]) - 1].quote


@pytest.mark.parametrize("words", [60, 150, 400, 700])
async def test_the_length_is_kept_where_the_facts_suffice(words):
    answer = await team(scripted()).asurvey(TOPIC, history(8, per=8), words=words)
    assert 0.85 * words <= words_in(prose(answer)) <= 1.15 * words
    assert 0.85 * words <= len(answer.text.split()) <= 1.15 * words
    assert not [notice for notice in answer.notices if "carries" in notice]


async def test_a_short_text_is_one_section_without_headings():
    model = scripted()
    answer = await team(model).asurvey(TOPIC, history(2), words=100)
    assert "#" not in answer.text
    assert not writers(model, OutlineInput)
    assert len(writers(model, SectionInput)) == 1


async def test_evidence_that_does_not_carry_the_length_is_said_so_and_nothing_is_padded():
    answer = await team(scripted()).asurvey(TOPIC, history(2, per=3), words=900)
    holds(answer, history(2, per=3))
    assert len(answer.citations) == 6
    assert any("of the 900 asked for" in notice for notice in answer.notices)


async def test_sections_stand_in_order_whatever_the_order_in_which_they_finish():
    async def run(order: list[int]) -> tuple[str, list[str], list[int]]:
        started: dict[str, int] = {}

        async def late(inputs: SectionInput) -> WrittenSection:
            place = started.setdefault(inputs.section, len(started))
            for _ in range(60 * order[place % len(order)]):
                await asyncio.sleep(0)
            return sectioned(inputs)

        def script(prompt: Any) -> Any:
            return late(prompt.inputs) if isinstance(prompt.inputs, SectionInput) else write(prompt)

        deltas, numbers, answer = [], [], None
        async for event in team(scripted(writer=script)).astream(TOPIC, history(), words=600):
            if event.type == "answer_delta":
                deltas.append(event.text)
            elif event.type == "section":
                numbers.append(event.number)
            elif event.type == "answer":
                answer = event.answer
        assert answer is not None
        assert "".join(deltas) == answer.text
        assert len(deltas) > 2
        return answer.text, deltas, numbers

    first, _, forward = await run([0, 1, 2, 3])
    second, _, backward = await run([3, 2, 1, 0])
    assert first == second
    assert forward != backward
    assert sorted(forward) == sorted(backward)


async def test_sections_are_written_in_parallel_and_the_chain_of_calls_is_short():
    model = scripted(delay=0.01)
    answer = await team(model).asurvey(TOPIC, history(), words=700)
    sections = len(re.findall(r"^## ", answer.text, re.MULTILINE))
    assert sections >= 3
    assert model.most_in_flight >= sections
    assert len(writers(model, OutlineInput)) == 1
    assert len(writers(model, SectionInput)) == sections


async def test_a_section_whose_call_fails_is_written_from_its_claims():
    def script(prompt: Any) -> Any:
        if isinstance(prompt.inputs, SectionInput) and prompt.inputs.section == "Chronicle of Birchmere":
            return CallError("content_filter", "Withheld.")
        return write(prompt)

    answer = await team(scripted(writer=script)).asurvey(TOPIC, history(4, per=10), words=600)
    holds(answer, history(4, per=10))
    assert "the Birchmere hall was given room number" in answer.text
    assert any("“Chronicle of Birchmere” could not be written" in notice for notice in answer.notices)
    assert answer.answered
    assert not answer.partial


async def test_without_any_writer_the_text_is_put_together_from_claims():
    model = scripted(writer=lambda _: CallError("content_filter", "Withheld."))
    answer = await team(model).asurvey(TOPIC, history(), words=300)
    holds(answer, history())
    assert 0.85 * 300 <= words_in(prose(answer)) <= 1.15 * 300
    assert any("The outline could not be made" in notice for notice in answer.notices)


async def test_a_sentence_with_a_figure_that_its_facts_lack_is_left_out_and_counted():
    def script(prompt: Any) -> Any:
        if not isinstance(prompt.inputs, SectionInput):
            return write(prompt)
        wrong = WrittenSentence(text="The hall had 4711 windows at the time.", facts=[1])
        made_up = WrittenSentence(text="Whales are mammals and sing at night.", facts=[99])
        return WrittenSection(sentences=[wrong, made_up, *sectioned(prompt.inputs).sentences])

    answer = await team(scripted(writer=script)).asurvey(TOPIC, history(), words=400)
    holds(answer, history())
    assert "4711" not in answer.text
    assert "Whales" not in answer.text
    assert any("a figure in them" in notice for notice in answer.notices)
    assert any("rest on no fact" in notice for notice in answer.notices)
    assert answer.confidence < 0.9


async def test_a_writer_that_says_too_little_is_asked_once_more_for_what_it_left_out():
    def script(prompt: Any) -> Any:
        if not isinstance(prompt.inputs, SectionInput):
            return write(prompt)
        return WrittenSection(sentences=sectioned(prompt.inputs).sentences[:2])

    model = scripted(writer=script)
    answer = await team(model).asurvey(TOPIC, history(), words=600)
    again = [call for call in writers(model, SectionInput) if call.inputs.written]
    first = [call for call in writers(model, SectionInput) if not call.inputs.written]
    assert len(again) <= len(first)
    assert again
    assert not {fact.id for fact in again[0].inputs.facts} & {
        fact.id for fact in first[0].inputs.facts[:2] if again[0].inputs.section == first[0].inputs.section
    }
    holds(answer, history())
    assert 0.85 * 600 <= words_in(prose(answer)) <= 1.15 * 600


async def test_facts_beyond_one_prompt_are_outlined_in_groups_that_one_call_merges():
    documents = history(8, per=60)
    model = scripted()
    answer = await team(model, window=4_000, shard_tokens=600).asurvey(TOPIC, documents, words=600)
    assert len(writers(model, OutlineInput)) > 1
    assert len(writers(model, OutlineMergeInput)) == 1
    holds(answer, documents)
    headings = re.findall(r"^## (.*)$", answer.text, re.MULTILINE)
    assert len(headings) == len(set(headings))


async def test_an_outline_that_forgets_repeats_and_invents_loses_no_fact():
    def careless(prompt: Any) -> Any:
        if isinstance(prompt.inputs, OutlineInput):
            half = list(range(1, len(prompt.inputs.facts), 2))
            return Outline(
                title="",
                sections=[
                    OutlinedSection(title="1. Aldern [3]", facts=half + half + [0, -4, 10_000]),
                    OutlinedSection(title="aldern", facts=[2]),
                    OutlinedSection(title="Empty", facts=[]),
                    OutlinedSection(title="  ", facts=[4]),
                    OutlinedSection(title="Eskdale", facts=half[:3]),
                ],
            )
        return write(prompt)

    model = scripted(writer=careless)
    answer = await team(model).asurvey(TOPIC, history(), words=600)
    shown = {fact.id for call in writers(model, SectionInput) for fact in call.inputs.facts}
    titles = {call.inputs.section for call in writers(model, SectionInput)}
    assert titles == {"Aldern"}
    assert len(shown) == 48
    holds(answer, history())


async def test_a_length_in_the_instructions_makes_a_summary_long_and_a_few_sentences_do_not():
    for instructions, long in (("in about 400 words", True), ("in three sentences", False), ("", False), ("in German", False)):
        model = scripted(planner=lambda _, asked=instructions: plan(instructions=asked))
        answer = await team(model, strategy="parallel").aask("Summarise the chronicles.", history())
        assert bool(writers(model, SectionInput)) is long, instructions
        assert ([call.role for call in model.calls].count("fusion") == 0) is long
        assert answer.answered


async def test_a_limit_is_not_exceeded_with_headings_and_markers():
    model = scripted(planner=lambda _: plan(instructions="no more than 300 words"))
    answer = await team(model).aask("Summarise the chronicles.", history())
    assert 200 <= len(answer.text.split()) <= 300


async def test_a_schema_is_filled_by_one_call_and_no_sections_are_written():
    class Short(BaseModel):
        gist: str

    model = scripted(planner=lambda _: plan(instructions="in about 400 words"))
    answer = await team(model, strategy="parallel").aask("Summarise the chronicles.", history(), schema=Short)
    assert not writers(model, SectionInput)
    assert answer.data is not None


async def test_a_chinese_text_is_counted_in_characters_and_set_without_blanks():
    def read_zh(prompt: Any) -> Reading:
        return read(prompt)

    def write_zh(prompt: Any) -> Any:
        if not isinstance(prompt.inputs, SectionInput):
            return outlined(prompt.inputs)
        sentences = [
            WrittenSentence(text=f"据记载，{fact.claim}", facts=[number])
            for number, fact in enumerate(prompt.inputs.facts, start=1)
        ]
        return WrittenSection(sentences=sentences)

    documents = [
        Document(id=f"z{n}", title=f"{name}志", text="那一年的冬天格外漫长。".join(
            f"{1900 + 10 * n + k}年，{name}馆迁到城东的第{n * 100 + k}号院落并重新开放。" for k in range(9)))
        for n, name in enumerate("甲乙丙丁戊己")
    ]  # fmt: skip
    model = scripted(planner=lambda _: plan(core="文馆的历史"), reader=read_zh, writer=write_zh)
    answer = await team(model).asurvey("文馆的历史", documents, words=900)
    holds(answer, documents)
    assert 0.85 * 900 <= words_in(prose(answer)) <= 1.15 * 900
    assert re.search(r"开放\[\d+\]。据记载", answer.text)
    assert "## References" in answer.markdown


async def test_nothing_found_is_not_answered_and_everything_was_read():
    documents = [Document(id="x", title="X", text="The weather was mild. " * 2_000)]
    answer = await team(scripted()).asurvey(TOPIC, documents, words=500)
    assert (answer.answered, answer.text, answer.citations, answer.markdown) == (False, "", (), "")
    assert answer.coverage.shards_read == answer.coverage.shards
    assert not answer.partial


@pytest.mark.parametrize("effort", ["quick", "thorough"])
async def test_everything_is_read_once_whatever_the_effort(effort):
    model = scripted()
    answer = await team(model, effort=effort, shard_tokens=200).asurvey(TOPIC, history(), words=300)
    assert answer.coverage.shards_read == answer.coverage.shards > 5
    assert answer.coverage.rounds == 1


@pytest.mark.parametrize("strategy", ["fused", "parallel", "single"])
async def test_every_strategy_that_finds_facts_can_write(strategy):
    def passed(prompt: Any) -> Any:
        from extagents.types import SinglePass

        found = read_all(prompt.inputs.shard)
        return SinglePass(facts=found, answerable=True, answer="Halls got rooms.", confidence=0.9)

    def read_all(shard: Any) -> list[ReportedFact]:
        text = "\n".join(section.text for section in shard.sections)
        return [ReportedFact(claim=found, quote=found, relevance=0.9) for found in FACT.findall(text)]

    answer = await team(scripted(single=passed), strategy=strategy).asurvey(TOPIC, history(3), words=150)
    holds(answer, history(3))


@pytest.mark.parametrize("calls", [4, 6, 10])
async def test_a_budget_that_ends_still_brings_a_text_and_is_never_exceeded(calls):
    answer = await team(scripted(), budget=Budget(calls=calls), shard_tokens=200).asurvey(TOPIC, history(), words=300)
    assert answer.usage.calls <= calls
    assert answer.partial
    assert answer.stopped_by == "budget"
    assert answer.answered
    holds(answer, history())


async def test_an_interrupt_while_sections_are_written_gives_the_text_from_claims():
    writing = asyncio.Event()

    async def never(inputs: SectionInput) -> WrittenSection:
        writing.set()
        await asyncio.Event().wait()
        raise AssertionError

    def script(prompt: Any) -> Any:
        return never(prompt.inputs) if isinstance(prompt.inputs, SectionInput) else write(prompt)

    asked = team(scripted(writer=script))
    answer = None
    async for event in asked.astream(TOPIC, history(), words=400):
        if event.type == "progress" and event.phase == "write":
            asked.interrupt()
        elif event.type == "answer":
            answer = event.answer
    assert answer is not None
    assert (answer.partial, answer.stopped_by, answer.answered) == (True, "cancelled", True)
    holds(answer, history())


async def test_a_run_that_is_done_is_given_again_without_a_call():
    model = scripted()
    asked = team(model)
    first = await asked.asurvey(TOPIC, history(), words=300, run="named")
    before = len(model.calls)
    second = await asked.asurvey(TOPIC, history(), words=300, run="named", resume=True)
    assert second.text == first.text
    assert len(model.calls) == before


async def test_a_text_of_no_words_is_refused():
    with pytest.raises(InputError):
        await team(scripted()).asurvey(TOPIC, history(), words=0)


async def test_the_extractive_default_writes_what_can_be_read():
    async with Coordinator(memory="memory://") as default:
        answer = await default.asurvey("rooms given to the halls by the council", history(), words=300)
    holds(answer, history())
    assert answer.text.count("the council") > 5


ODD = (
    "The hall was given a room. It was 12 [3].", "[1][2]", "...", "# Heading", "In 1901 (fact 3) so it was", "房间很多。又一句",
    "a] [7", "[[3]]", "１［２］", "He said “so.”",
)  # fmt: skip
ANY_SENTENCE = st.builds(
    WrittenSentence,
    text=st.one_of(
        st.text(max_size=40),
        st.sampled_from(ODD),
    ),
    facts=st.lists(st.integers(-3, 60), max_size=4),
    new_paragraph=st.booleans(),
)  # fmt: skip
ANY_OUTLINE = st.builds(
    Outline,
    title=st.text(max_size=20),
    sections=st.lists(
        st.builds(OutlinedSection, title=st.text(max_size=12), facts=st.lists(st.integers(-3, 60), max_size=30)), max_size=6
    ),
)


@settings(max_examples=25, deadline=None)
@given(st.lists(st.builds(WrittenSection, sentences=st.lists(ANY_SENTENCE, max_size=6)), min_size=1, max_size=6), ANY_OUTLINE)
def test_markers_resolve_whatever_the_model_returns(sections, outline):
    turn = iter(sections * 50)

    def script(prompt: Any) -> Any:
        return outline if isinstance(prompt.inputs, OutlineInput | OutlineMergeInput) else next(turn)

    documents = history(4, per=4)
    with team(scripted(writer=script)) as asked:
        answer = asked.survey(TOPIC, documents, words=320)
    assert answer.answered
    texts = {document.id: document.text for document in documents}
    numbers = [int(number) for number in re.findall(r"\[(\d+)\]", answer.text)]
    assert list(dict.fromkeys(numbers)) == list(range(1, len(answer.citations) + 1))
    assert all(texts[c.document][c.start : c.end] == c.quote for c in answer.citations)
    assert not re.search(r"^## .*\n+(#|\Z)", answer.text, re.MULTILINE)
