"""Cards: what they show of a result, and that nothing in a document acts on the page."""

from __future__ import annotations

import re
import subprocess
import sys

import pytest
from pages import HOSTILE, OVERRIDES, harmless

import extagents
from extagents.display import answer_card, answers
from extagents.types import Answer, CandidateAnswer, Citation, Compressed, Coverage, Document, Estimate, Span, Usage


def citation(**changes: object) -> Citation:
    told = {"document": "a.md", "start": 7, "end": 17, "page": 2, "quote": "Ilse Brandt", "title": "Handbook"}
    return Citation.model_validate({**told, "before": "Founded by ", "after": " in 1974.", **changes})


def answer(**changes: object) -> Answer:
    told = {
        "answer": "Ilse Brandt",
        "answered": True,
        "confidence": 0.91,
        "kind": "lookup",
        "strategy": "fused",
        "citations": (citation(),),
        "coverage": Coverage(shards_read=3, shards=5, failed=1, tokens_read=600, tokens=1_000, rounds=1),
        "usage": Usage(calls=4, input_tokens=12_345, output_tokens=67, cost=0.25),
        "model": "openai:gpt-4o-mini",
        "run_id": "monday",
        "seconds": 2.5,
    }
    return Answer.model_validate({**told, **changes})


def test_an_answer_shows_its_text_its_sources_what_was_read_and_what_it_cost() -> None:
    page = harmless(answer()._repr_html_())
    told = ["Ilse Brandt", "confidence 0.91", "Handbook (a.md), p. 2", "✓ verified", "characters 7–17, page 2"]
    told += ["3 of 5 shards", "1 shard could not be read", "12.3K tokens in", "$0.25", "monday"]
    for words in told:
        assert words in page.text


def test_a_page_that_drops_the_style_still_separates_the_words() -> None:
    html = answer()._repr_html_()
    shown = re.sub(r"<[^>]*>", "", re.sub(r"<style>.*?</style>", "", html))
    assert "Answer confidence 0.91 lookup" in shown
    assert "<strong>Ilse Brandt</strong>" in html


def test_a_citation_opens_its_quote_within_its_context() -> None:
    html = answer()._repr_html_()
    assert "<details><summary>" in html
    assert "Founded by <mark>Ilse Brandt</mark> in 1974." in html


def test_the_bar_says_in_words_and_in_widths_what_was_read_and_what_failed() -> None:
    html = answer()._repr_html_()
    assert 'aria-label="3 of 5 shards read, 1 failed"' in html
    assert re.findall(r'style="width:([\d.]+)%', html) == ["60.00", "20.00"]


def test_markers_of_a_long_text_lead_to_their_citations() -> None:
    text = "# Title\n\nOne thing [1]. Another [2][9].\n\n## Part\n\nMore."
    page = harmless(answer(answer=text, kind="summary", citations=(citation(), citation(start=30, end=40)))._repr_html_())
    links = [value.removeprefix("#") for tag, name, value in page.attributes if (tag, name) == ("a", "href")]
    assert links == page.ids
    assert "[9]" in page.text
    assert [value for _, name, value in page.attributes if name == "aria-level"] == ["3", "4"]


def test_brackets_in_a_short_answer_are_no_markers() -> None:
    assert "href" not in answer(answer="see [1]")._repr_html_()


def test_the_same_answer_looks_the_same_every_time() -> None:
    assert answer()._repr_html_() == answer()._repr_html_()


@pytest.mark.parametrize("hostile", [*HOSTILE, OVERRIDES])
def test_nothing_in_a_document_acts_on_the_page(hostile: str) -> None:
    told = citation(document=hostile, title=hostile, quote=hostile, before=hostile, after=hostile)
    shown = answer(
        answer=f"{hostile} [1]",
        citations=(told, told.model_copy(update={"title": ""})),
        candidates=tuple(CandidateAnswer(path="ladder", answer=hostile, confidence=0.5) for _ in range(2)),
        notices=(hostile,),
        model=hostile,
        run_id=hostile,
    )
    results = [shown, shown.model_copy(update={"kind": "summary"}), shown.model_copy(update={"answered": False})]
    results.append(shown.model_copy(update={"error": {"message": hostile, "hint": hostile}}))
    for result in results:
        harmless(result._repr_html_())
    harmless(answers(results, [hostile] * 4)._repr_html_())
    span = Span(document=hostile, title=hostile, start=0, end=3, page=None, out_start=0, out_end=len(hostile))
    numbers = {"tokens": 3, "input_tokens": 9, "granularity": "word"}
    context = Compressed.model_validate(
        {"text": hostile, "spans": (span,), "notices": (hostile,), "run_id": hostile, **numbers}
    )
    harmless(context._repr_html_())
    harmless(extagents.Corpus([Document(id=hostile, title=hostile, text=hostile)])._repr_html_())


def test_no_answer_is_said_to_be_none() -> None:
    page = harmless(answer(answer="", answered=False, citations=(), confidence=0.0)._repr_html_())
    assert "No answer" in page.text
    assert "Nothing in the input answers this question." in page.text


def test_a_run_that_was_stopped_says_why() -> None:
    page = harmless(answer(partial=True, stopped_by="budget")._repr_html_())
    assert "the budget ended before everything was read" in page.text


def test_a_failed_question_of_a_batch_shows_its_error() -> None:
    error = {"type": "InputError", "message": "No such file.", "hint": "Check the path.", "retryable": False, "run_id": None}
    failed = answer(answer="", answered=False, citations=(), error=error)
    page = harmless(failed._repr_html_())
    assert "No such file." in page.text
    assert "Check the path." in page.text
    table = harmless(answers([answer(), failed], ["Who?", "Where?"])._repr_html_())
    assert "1 of 2 questions answered · 1 failed" in table.text
    assert "failed: No such file." in repr(answers([failed], ["Where?"]))


def test_thousands_of_answers_make_a_page_of_some() -> None:
    html = answers([answer()] * 3_000)._repr_html_()
    assert "and 2,950 more" in harmless(html).text
    assert len(html) < 200_000


def test_many_citations_wait_until_they_are_opened() -> None:
    many = tuple(citation(start=n, end=n + 3) for n in range(400))
    page = harmless(answer(citations=many)._repr_html_())
    assert "392 more citations" in page.text
    assert "and 200 more" in page.text


def test_chinese_and_hebrew_stand_in_their_own_direction() -> None:
    html = answer(answer="林远舟", citations=(citation(quote="הארכיון נוסד", before="", after=""),))._repr_html_()
    assert '<bdi dir="auto">הארכיון נוסד</bdi>' in html
    assert "林远舟" in harmless(html).text


def test_estimates_and_corpora_have_cards() -> None:
    numbers = {"calls": (2, 9), "input_tokens": (1_000, 90_000), "output_tokens": (10, 900)}
    estimate = Estimate.model_validate(
        {"shards": 4, "tokens": 9_000, "packing": "by rank", "cost": None, "model": "m", **numbers}
    )
    assert "price unknown" in harmless(estimate._repr_html_()).text
    corpus = extagents.Corpus([Document(id=f"{n}.md", text="Word. " * 50) for n in range(20)])
    assert "20 documents" in harmless(corpus._repr_html_()).text
    assert "shards" not in corpus._repr_html_().split("</style>")[1]
    corpus.shards(64)
    assert "shards of 64" in harmless(corpus._repr_html_()).text


def test_plain_representations_stay_short() -> None:
    assert len(repr(answer(answer="word " * 1_000))) < 400
    assert repr(answer()) == "Answer('Ilse Brandt', answered=True, confidence=0.91, stopped_by=None, citations=1)"


def test_what_stands_around_a_quote_is_no_part_of_the_json() -> None:
    assert set(answer().model_dump()["citations"][0]) == {"document", "start", "end", "page", "quote", "verified"}


def test_the_package_loads_no_display_until_something_is_shown() -> None:
    script = (
        "import sys, extagents; from extagents.types import Answer; print('extagents.display' in sys.modules)\n"
        "Answer(answer='', answered=False, confidence=0, kind='lookup', strategy='fused')._repr_html_()\n"
        "print('extagents.display' in sys.modules, 'IPython' in sys.modules)"
    )
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert done.stdout.split() == ["False", "True", "False"]


def test_the_card_of_an_answer_carries_its_style_and_asks_no_other_host() -> None:
    html = answer_card(answer())
    assert "light-dark(" in html
    assert "://" not in html
    assert "url(" not in html
    assert "@import" not in html


def contrast(one: str, other: str) -> float:
    """WCAG's contrast of two colours, 1 to 21."""

    def luminance(colour: str) -> float:
        digits = colour[1:] if len(colour) == 7 else "".join(2 * digit for digit in colour[1:])
        parts = [int(digits[at : at + 2], 16) / 255 for at in (0, 2, 4)]
        red, green, blue = (part / 12.92 if part <= 0.03928 else ((part + 0.055) / 1.055) ** 2.4 for part in parts)
        return 0.2126 * red + 0.7152 * green + 0.0722 * blue

    lighter, darker = sorted((luminance(one), luminance(other)), reverse=True)
    return (lighter + 0.05) / (darker + 0.05)


@pytest.mark.parametrize("scheme", [0, 1], ids=["light", "dark"])
def test_every_text_can_be_read_on_its_ground(scheme: int) -> None:
    found = re.findall(r"--xa-(\w+):light-dark\((#\w+),(#\w+)\)", answer_card(answer()))
    colours = {name: shades[scheme] for name, *shades in found}
    for name in ("text", "dim", "good", "warn", "bad", "link"):
        for ground in ("back", "soft"):
            assert contrast(colours[name], colours[ground]) >= 4.5, (name, ground)
    assert contrast(colours["text"], colours["mark"]) >= 4.5
