"""Made-up corpora with known tables: what they say, what is asked of them, and how the simulated reader errs."""

from __future__ import annotations

import dataclasses
import random
from collections import Counter
from pathlib import Path
from typing import Any

import pytest

from extagents.corpus.corpus import Corpus
from extagents.errors import CallError
from extagents.evaluation import corpus_tables_check as check
from extagents.evaluation import datasets
from extagents.evaluation.corpus_tables import TableQuestion, World, exact, generate, question_of, size
from extagents.evaluation.corpus_tables_layouts import LAYOUTS, Scribe, register
from extagents.evaluation.corpus_tables_questions import Spec, clear, compute, threshold
from extagents.evaluation.corpus_tables_values import in_words, spelled, unit_of
from extagents.evaluation.corpus_tables_worlds import KINDS, Slot, slots
from extagents.evaluation.table_reader import Rates, TableReader
from extagents.models.base import Message, Prompt
from extagents.tabular import ColumnProfile, RowsRead, TableProfile, TableSchema, WrittenSql
from extagents.types import (
    Fact,
    ReaderInput,
    ReaderQuestion,
    Reading,
    ReasonerInput,
    RowsInput,
    Section,
    ShardText,
    SqlInput,
    Verdict,
)

LANGUAGES = ("en", "zh")
PERFECT = Rates(*[0.0] * len(dataclasses.fields(Rates)))
_WORLDS: dict[Any, World] = {}


def world(seed: int = 1, language: Any = "en", tokens: int = 24_000, **more: Any) -> World:
    key = (seed, language, tokens, *more.items())
    if key not in _WORLDS:
        _WORLDS[key] = generate(seed, tokens, language, **more)
    return _WORLDS[key]


# ------------------------------------------------------------------ documents


@pytest.mark.parametrize("language", LANGUAGES)
def test_the_same_seed_gives_the_same_world_and_another_seed_another(language: Any) -> None:
    one, again, other = generate(3, 16_000, language), generate(3, 16_000, language), generate(8, 16_000, language)
    assert [d.text for d in one.documents] == [d.text for d in again.documents]
    assert [q.row for q in one.questions] == [q.row for q in again.questions]
    assert one.statements == again.statements
    assert one.kind is other.kind
    assert {e.name for e in one.entities}.isdisjoint(e.name for e in other.entities)


@pytest.mark.parametrize("language", LANGUAGES)
@pytest.mark.parametrize("seed", range(5))
def test_every_quote_stands_in_its_document_and_holds_what_it_says(seed: int, language: Any) -> None:
    made = world(seed, language)
    texts = {document.id: document.text for document in made.documents}
    for one in made.statements:
        assert texts[one.document][one.start : one.start + len(one.quote)] == one.quote
        digits = "".join(sign for sign in one.raw if sign.isdigit())
        assert digits in "".join(sign for sign in one.quote if sign.isdigit())


@pytest.mark.parametrize("language", LANGUAGES)
@pytest.mark.parametrize("tokens", [16_000, 60_000])
def test_a_world_is_as_large_as_was_asked_for(language: Any, tokens: int) -> None:
    assert abs(size(world(2, language, tokens)) - tokens) < 0.05 * tokens


@pytest.mark.parametrize("language", LANGUAGES)
@pytest.mark.parametrize("kind", sorted(KINDS))
def test_every_spelling_of_a_value_can_be_read_again(kind: str, language: Any) -> None:
    made = world(1, language, 16_000, kind=kind)
    for one in made.statements:
        read, value = check.read(one), one.value
        if isinstance(value, bool) or not isinstance(value, (int, float)):
            assert read == (frozenset(value) if isinstance(value, tuple) else value), one.raw
        else:
            unit, _ = check.scale_of(one.slot.unit.casefold())
            assert float(read / unit) == pytest.approx(value, rel=1e-9), (one.raw, value)


@pytest.mark.parametrize("language", LANGUAGES)
def test_a_cell_that_was_corrected_is_said_twice_the_later_time_with_the_value_that_holds(language: Any) -> None:
    made = world(1, language)
    superseded = [one for one in made.statements if one.superseded]
    assert superseded
    for old in superseded:
        later = [s for s in made.statements if (s.entity, s.slot.name) == (old.entity, old.slot.name) and s.date > old.date]
        assert any(s.value == made.rows[old.entity][old.slot.name] for s in later)
    for cell in made.cells:
        assert cell.value == made.rows[cell.entity][cell.slot.name]


@pytest.mark.parametrize("language", LANGUAGES)
def test_every_value_of_the_table_is_said_somewhere_and_names_stand_in_several_forms(language: Any) -> None:
    made = world(4, language)
    said = {(cell.entity, cell.slot.name) for cell in made.cells}
    wanted = {(name, column) for name, row in made.rows.items() for column, value in row.items() if value is not None}
    assert said == wanted
    text = "\n".join(document.text for document in made.documents)
    several = sum(sum(form in text for form in entity.forms) > 1 for entity in made.entities)
    assert several > len(made.entities) / 2


def test_layouts_differ_and_distractors_tell_nothing_of_the_table() -> None:
    made = world(5)
    text = "\n".join(document.text for document in made.documents)
    assert all(mark in text for mark in ("```json", "|---|", "## ", ": "))
    others = {document.id for document in made.documents if document.metadata["kind"] == "other"}
    assert others
    assert others.isdisjoint(one.document for one in made.statements)


@pytest.mark.parametrize("language", LANGUAGES)
def test_every_layout_says_every_fact(language: Any) -> None:
    made = world(5, language)
    scribe = Scribe(language, made.kind, random.Random(1))
    entity = made.entities[0]
    facts = [(slot, made.rows[entity.name][slot.name]) for slot in made.slots]
    known = {slot.name for slot, value in facts if value is not None}
    for layout in LAYOUTS:
        block = layout(scribe, entity, facts)
        assert {one.slot.name for one in block.said} == known, layout
    for _ in range(6):
        values = {(entity.name, slot.name): value for slot, value in facts}
        assert {one.slot.name for one in register(scribe, [entity], list(made.slots), values).said} == known


def test_small_numbers_are_written_in_words() -> None:
    assert [in_words(n, "en") for n in (0, 13, 20, 47)] == ["zero", "thirteen", "twenty", "forty-seven"]
    assert [in_words(n, "zh") for n in (0, 8, 10, 13, 20, 47)] == ["零", "八", "十", "十三", "二十", "四十七"]


def test_negative_numbers_stand_in_brackets_or_behind_a_minus() -> None:
    slot = next(slot for slot in slots(KINDS["company"]) if slot.attribute.name == "net_income")
    made = {spelled(slot.attribute, -12.3, "en", random.Random(n)) for n in range(60)}
    assert any("(" in text for text in made)
    assert any(text.startswith("minus") for text in made)
    assert {check.value_of(slot, text) for text in made} == {-12_300_000}


# ------------------------------------------------------------------ questions


@pytest.mark.parametrize("language", LANGUAGES)
@pytest.mark.parametrize("seed", range(5))
def test_answers_follow_from_what_the_documents_say(seed: int, language: Any) -> None:
    made = world(seed, language)
    said = check.known(made.statements)
    assert len(made.questions) == 40
    for question in made.questions:
        assert question.spec is not None
        slot = question.spec.slot
        factor = unit_of(slot.attribute, language)[1] if slot and question.form != "count" else 1.0
        assert check.agrees(question.spec, question, said, factor), question
        assert exact(question, question.answers[0]), question
        assert question.gold_documents or question.value in (0, [], False), question


def test_a_wrong_answer_is_not_confirmed() -> None:
    made = world(5)
    said = check.known(made.statements)
    question = next(q for q in made.questions if q.form == "count")
    assert question.spec is not None
    assert not check.agrees(question.spec, dataclasses.replace(question, value=question.value + 1), said, 1.0)


@pytest.mark.parametrize("language", LANGUAGES)
def test_questions_are_of_every_operation_and_difficulty_and_none_is_ambiguous(language: Any) -> None:
    made = [world(seed, language) for seed in range(5)]
    questions = [(one, question) for one in made for question in one.questions]
    assert len({question.form for _, question in questions}) == 16
    assert {question.difficulty for _, question in questions} == {"one", "two", "class", "versions"}
    assert any(question.value == [] for _, question in questions)
    for one, question in questions:
        assert question.spec is not None
        assert clear(question.spec, one.rows, language), question
        if question.difficulty == "versions":
            assert compute(question.spec, one.stale) != compute(question.spec, one.rows)


def test_a_tie_at_a_cut_makes_a_question_ambiguous() -> None:
    slot = Slot(KINDS["ship"].attributes[1])
    rows = {name: {slot.name: value} for name, value in {"A": 10.0, "B": 10.05, "C": 7.0, "D": 5.0, "E": 3.0}.items()}
    assert not clear(Spec("argmax", slot), rows, "en")
    assert clear(Spec("argmin", slot), rows, "en")
    assert not clear(Spec("top", slot, k=1), rows, "en")
    assert clear(
        Spec("top", slot, k=3), {name: row for name, row in rows.items() if name != "B"} | {"F": {slot.name: 1.0}}, "en"
    )


def test_thresholds_lie_away_from_values() -> None:
    assert threshold([10, 20, 40, 80], 0.4) == 30
    assert threshold([10, 10.05, 10.1, 10.15], 0.4) is None
    assert threshold(["2020-01-01", "2020-06-01", "2021-01-01", "2022-01-01"], 0.4) == "2020-09-16"


def test_a_world_on_disk_is_read_as_a_set(tmp_path: Path) -> None:
    made = world(5)
    made.write(tmp_path)
    found = datasets.load(tmp_path)
    assert [document.text for document in found.corpus] == [document.text for document in made.documents]
    for question, row in zip(made.questions, found.questions, strict=True):
        assert exact(question_of(row.row), question.answers[0])


# ------------------------------------------------------------------ grading


def asked(kind: str, value: Any, *, unit: str = "", tolerance: float = 0.0, aliases: Any = ()) -> TableQuestion:
    return TableQuestion("q", "?", (str(value),), value, unit, tolerance, "", kind, "", "en", aliases=aliases)


def test_numbers_are_right_in_any_unit_that_means_the_same() -> None:
    revenue = asked("number", 1234.5, unit="million USD", tolerance=0.05)
    for text in (
        "1,234.5",
        "1234.5 million USD",
        "$1.2345 billion",
        "USD 1,234.5 million",
        "1,234,500,000 USD",
        "12.345亿美元",
    ):
        assert exact(revenue, text), text
    for text in ("1,234.5 USD", "1234.7", "$1.2 billion", "1234.5 or 1300", "", "1234.5 km", "about a thousand"):
        assert not exact(revenue, text), text
    assert exact(asked("number", -12, unit="%"), "(12)%")
    assert not exact(asked("number", -12, unit="%"), "12%")
    assert exact(asked("number", 12), "twelve")
    assert exact(asked("percent", 44.4, unit="%", tolerance=0.051), "44.4 percent")


def test_lists_are_right_as_sets_and_ordered_ones_in_order() -> None:
    aliases = (("Acme Corporation", "Acme Corp.", "Acme"), ("Bosnia and Herzegovina",), ("Bahamas, The", "The Bahamas"))
    names = ["Acme Corporation", "Bosnia and Herzegovina", "Bahamas, The"]
    listed, ordered = (asked(kind, names, aliases=aliases) for kind in ("list", "ordered_list"))
    assert exact(listed, "The Bahamas; Bosnia and Herzegovina and Acme Corp.")
    assert exact(ordered, "Acme, Bosnia and Herzegovina, The Bahamas")
    assert not exact(ordered, "Bosnia and Herzegovina, Acme, The Bahamas")
    assert not exact(listed, "Acme, Bosnia and Herzegovina")
    assert not exact(listed, "Acme, Bosnia and Herzegovina, The Bahamas, Chad")
    assert not exact(listed, "Acme Acme, Bosnia and Herzegovina, The Bahamas")


def test_nothing_is_an_answer_only_where_nothing_is_right() -> None:
    empty = asked("list", [])
    assert exact(empty, "None.")
    assert exact(empty, "无")
    assert not exact(empty, "")
    assert not exact(empty, "Acme")
    assert not exact(asked("list", ["Acme"]), "none")


def test_names_and_verdicts_are_taken_by_the_word() -> None:
    name = asked("str", "Talenor Company", aliases=(("Talenor Company", "Talenor Co."),))
    assert exact(name, "talenor co")
    assert not exact(name, "Talenor Company or Acme")
    assert exact(asked("yes_no", True), "Yes")
    assert not exact(asked("yes_no", True), "No")
    assert exact(asked("yes_no", False), "否")
    assert not exact(asked("yes_no", False), "I cannot tell")


# ------------------------------------------------------------------ the simulated reader


def prompt(inputs: Any, output: Any, *, room: int = 100_000, text: str = "x") -> Prompt[Any]:
    return Prompt("reader", inputs, output, (Message("user", text),), room, "v")


def shards(made: World, tokens: int = 4_000) -> list[ShardText]:
    corpus = Corpus.load(list(made.documents))
    return [
        ShardText(
            id=document.id,
            sections=(
                Section(document=document.id, title=document.title, text=document.text, start=0, end=len(document.text)),
            ),
        )
        for document in corpus.documents
    ]


def schema(made: World) -> TableSchema:
    return TableSchema(entity=made.kind.nouns[made.language][0], columns=made.columns)


async def reported(made: World, rates: Rates | None, seed: int = 0) -> list[tuple[str, str, str, str, str]]:
    """(document, name, column, value, quote) of all rows that the reader reports."""
    reader = TableReader(made, seed=seed, rates=rates, window=1_000_000)
    found = []
    for shard in shards(made):
        done = await reader.complete(prompt(RowsInput(shard=shard, table=schema(made)), RowsRead))
        assert done.output is not None
        for row in done.output.rows:
            name = made.names[check.normalised(row.entity)]
            found += [(shard.id, name, cell.column, cell.value, cell.quote) for cell in row.cells]
    return found


@pytest.mark.parametrize("language", LANGUAGES)
async def test_a_reader_without_errors_reports_every_cell_with_its_quote(language: Any) -> None:
    made = world(3, language)
    wanted = Counter((s.document, s.entity, s.slot.name, s.raw, s.quote) for s in made.statements)
    assert Counter(await reported(made, PERFECT)) == wanted


async def test_the_reader_errs_at_its_rates_and_alike_on_the_same_text() -> None:
    total = missed = misread = misquoted = 0
    for seed in range(5):
        made = world(seed, "en", 24_000)
        texts = {document.id: document.text for document in made.documents}
        told = {(s.document, s.entity, s.slot.name): s.raw for s in made.statements}
        for dice in range(4):
            found = await reported(made, None, dice)
            total += len(made.statements)
            missed += len(made.statements) - len(found)
            misread += sum(value != told[document, name, column] for document, name, column, value, _ in found)
            misquoted += sum(quote not in texts[document] for document, *_, quote in found)
        assert await reported(made, None, 1) == await reported(made, None, 1)
    assert missed / total == pytest.approx(0.05, abs=0.01)
    assert misread / total == pytest.approx(0.01, abs=0.005)
    assert misquoted / total == pytest.approx(0.01, abs=0.005)


async def test_the_reader_does_not_know_what_it_is_not_shown() -> None:
    made = world(3)
    reader = TableReader(made, rates=PERFECT, window=1_000_000)
    one = next(s for s in made.statements if s.start > 500)
    document = next(d for d in made.documents if d.id == one.document)
    cut = ShardText(id="x", sections=(Section(document=document.id, title="", text=document.text[:40], start=0, end=40),))
    done = await reader.complete(prompt(RowsInput(shard=cut, table=schema(made)), RowsRead))
    assert done.output is not None
    assert done.output.rows == []
    narrow = schema(made).model_copy(update={"columns": made.columns[:1]})
    for shard in shards(made):
        done = await reader.complete(prompt(RowsInput(shard=shard, table=narrow), RowsRead))
        assert done.output is not None
        assert {cell.column for row in done.output.rows for cell in row.cells} <= {made.columns[0].name}


async def test_the_reader_writes_sql_only_over_columns_that_are_there() -> None:
    made = world(5)
    question = next(q for q in made.questions if q.form == "argmax")
    assert question.spec is not None
    profiles = tuple(ColumnProfile(name=c.name, sql_type="DOUBLE", filled=1, empty=0, distinct=1) for c in made.columns)
    table = TableProfile(name="t", schema_=schema(made), rows=1, columns=profiles)
    reader = TableReader(made, rates=PERFECT, window=1_000_000)

    async def written(profile: TableProfile) -> WrittenSql:
        done = await reader.complete(prompt(SqlInput(question=question.question, tables=(profile,)), WrittenSql))
        assert isinstance(done.output, WrittenSql)
        return done.output

    assert "ORDER BY" in (await written(table)).sql
    needed = {slot.name for slot in question.spec.slots}
    poor = table.model_copy(update={"columns": tuple(c for c in profiles if c.name not in needed)})
    lacking = await written(poor)
    assert not lacking.sql
    assert len(lacking.missing) == len(needed)


async def test_the_reader_answers_over_the_facts_shown_and_over_nothing_else() -> None:
    made = world(5)
    reader = TableReader(made, rates=PERFECT, window=1_000_000)
    question = next(q for q in made.questions if q.form == "compare")
    facts: list[Any] = []
    for shard in shards(made):
        inputs = ReaderInput(shard=shard, questions=(ReaderQuestion(core=question.question),))
        done = await reader.complete(prompt(inputs, Reading))
        assert done.output is not None
        facts += done.output.facts
    assert facts

    async def verdict(shown: list[Any]) -> Verdict:
        made_facts = tuple(
            Fact(id=str(n), claim=f.claim, quote=f.quote, document="d", relevance=1, shard="s", round=1)
            for n, f in enumerate(shown)
        )
        done = await reader.complete(prompt(ReasonerInput(question=question.question, facts=made_facts), Verdict))
        assert isinstance(done.output, Verdict)
        return done.output

    assert exact(question, (await verdict(facts)).answer)
    name = made.names[check.normalised(facts[0].claim[1 : facts[0].claim.index("]")])]
    alone = [f for f in facts if made.names[check.normalised(f.claim[1 : f.claim.index("]")])] == name]
    assert not (await verdict(alone)).answerable


async def test_a_prompt_beyond_the_window_is_refused_and_a_long_answer_is_cut() -> None:
    made = world(3)
    reader = TableReader(made, rates=PERFECT, window=2_000)
    with pytest.raises(CallError):
        await reader.complete(
            prompt(RowsInput(shard=shards(made)[0], table=schema(made)), RowsRead, room=100, text="x" * 9_000)
        )
    full = next(shard for shard in shards(made) if any(s.document == shard.id for s in made.statements))
    done = await reader.complete(prompt(RowsInput(shard=full, table=schema(made)), RowsRead, room=16))
    assert done.finish == "length"
    assert done.output is None
