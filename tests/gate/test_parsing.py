"""The tolerant parser mends form, never substance."""

from __future__ import annotations

import json
from typing import Any

import pytest
from pydantic import BaseModel, Field

from extagents.parsing import FieldStream, Unparsable, parse
from extagents.types import Plan, Reading, Verdict

VERDICT: dict[str, Any] = {"answerable": True, "answer": "Guido", "confidence": 0.9, "facts": [1, 2], "queries": []}
FACT: dict[str, Any] = {"claim": "A is B.", "quote": "A is B", "relevance": 0.7}


def test_an_answer_as_asked_is_taken_as_it_is() -> None:
    assert parse(json.dumps(VERDICT), Verdict) == Verdict(**VERDICT)


@pytest.mark.parametrize(
    "text",
    [
        "```json\n{body}\n```",
        "Sure! Here is the answer:\n\n{body}\n\nLet me know if you need more.",
        "The set {1, 2} matters here. {body}",
        "```\n{body}",
        "\ufeff  {body}  ",
        '{{"result": {body}}}',
        "[{body}]",
    ],
)
def test_wrapping_around_the_json_is_taken_off(text: str) -> None:
    wrapped = text.replace("{body}", json.dumps(VERDICT)).replace("{{", "{").replace("}}}", "}}")
    assert parse(wrapped, Verdict) == Verdict(**VERDICT)


def test_broken_json_is_repaired() -> None:
    broken = '{\'answerable\': True, answer: "Guido", "confidence": 0.9, "facts": [1, 2,], "queries": [],}'
    assert parse(broken, Verdict) == Verdict(**VERDICT)


def test_other_spellings_of_names_and_values_are_understood() -> None:
    text = json.dumps({"Answerable": "Yes", "ANSWER": "Guido", "confidence ": "0.9", "facts": ["[1]", "Fact 2"], "note": "x"})
    assert parse(text, Verdict) == Verdict(**VERDICT)


@pytest.mark.parametrize(
    ("given", "meant"),
    [(9, 0.9), ("9/10", 0.9), ("90%", 0.9), (90, 0.9), (0.9, 0.9), (1, 1.0), (-3, 0.0), (250, 1.0), ("about 0.9", 0.9)],
)
def test_scores_on_other_scales_come_to_zero_to_one(given: object, meant: float) -> None:
    assert parse(json.dumps({**VERDICT, "confidence": given}), Verdict).confidence == pytest.approx(meant)


def test_a_missing_list_is_empty_and_a_single_item_is_a_list_of_one() -> None:
    reading = parse(json.dumps({"facts": FACT}), Reading)
    assert [fact.quote for fact in reading.facts] == ["A is B"]
    assert reading.queries == []


def test_a_bare_list_of_facts_is_a_reading_but_no_verdict() -> None:
    assert len(parse(json.dumps([FACT, FACT]), Reading).facts) == 2
    with pytest.raises(Unparsable):
        parse("[1, 2]", Verdict)


def test_a_decision_is_never_guessed() -> None:
    undecided = {key: value for key, value in VERDICT.items() if key != "answerable"}
    with pytest.raises(Unparsable, match="answerable"):
        parse(json.dumps(undecided), Verdict)
    with pytest.raises(Unparsable):
        parse("I think that it was Guido.", Verdict)


def test_a_cut_answer_is_used_up_to_the_cut_if_it_holds_what_is_required() -> None:
    whole = json.dumps(
        {"facts": [FACT, {**FACT, "quote": "second"}, {**FACT, "quote": "third"}], "queries": [], "continues": True}
    )
    reading = parse(whole[: whole.index("third")], Reading, truncated=True)
    assert [fact.quote for fact in reading.facts][:2] == ["A is B", "second"]
    assert all(fact.quote != "third" for fact in reading.facts)
    with pytest.raises(Unparsable):
        parse('{"answerable": true, "answer": "Gui', Verdict, truncated=True)


def test_facts_that_cannot_be_used_are_dropped_as_long_as_others_remain() -> None:
    assert len(parse(json.dumps({"facts": [FACT, {"claim": "no quote"}], "queries": []}), Reading).facts) == 1
    with pytest.raises(Unparsable):
        parse(json.dumps({"facts": [{"claim": "no quote"}], "queries": []}), Reading)


def test_words_for_a_choice_are_matched_without_case_and_hyphens() -> None:
    plan = {"core": "q", "instructions": None, "kind": "Multi-Hop", "answer_type": "Yes/No", "queries": "one query"}
    parsed = parse(json.dumps(plan), Plan)
    assert (parsed.kind, parsed.answer_type, parsed.queries, parsed.instructions) == ("multi_hop", "yes_no", ["one query"], "")


def test_a_schema_of_the_users_own_works_too() -> None:
    class Row(BaseModel):
        name: str
        height: float | None = None
        tags: list[str] = Field(default_factory=list)

    class Table(BaseModel):
        rows: list[Row]
        total: int

    table = parse('Result: {"rows": [{"name": "a", "height": "1.5", "tags": "x"}], "total": "3 rows"}', Table)
    assert table == Table(rows=[Row(name="a", height=1.5, tags=["x"])], total=3)


@pytest.mark.parametrize("size", [1, 2, 3, 7, 1000])
def test_the_answer_streams_out_of_the_json_whatever_the_pieces(size: int) -> None:
    answer = 'He said "yes" — 是的\n\\ \U0001f600 end'
    text = json.dumps({"facts": [], "answer": answer, "confidence": 1})
    stream = FieldStream("answer")
    assert "".join(stream.feed(text[at : at + size]) for at in range(0, len(text), size)) == answer
