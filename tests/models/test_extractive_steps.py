"""Questions of several steps: what they ask for on the way, which facts they lead to, and which span answers."""

from __future__ import annotations

import pytest

from extagents.models.extraction.question import analyse, focus_of
from extagents.models.extraction.reading import aliases, read, telling
from extagents.models.extraction.spans import Span, fit
from extagents.models.extraction.vocabulary import OwnStatistics, Vocabulary
from extagents.types import Section

TEXTS = {
    "Brandle (play)": "Brandle is a work in five acts by Henk Olsen. It was first given in 1866.",
    "Henk Olsen": "Henk Olsen grew up in Skien and left it early.",
    "Kenya": "Kenya elected Mara Odhiambo as its president in 2011.",
    "Tea": "Tea from Kenya is sold in London, and Kenya sells much of it.",
}
VOCABULARY = Vocabulary(OwnStatistics([*TEXTS.values(), *["Kenya and Uganda trade with each other."] * 40]))
SECTIONS = [Section(document=title, title=title, text=text, start=0, end=len(text)) for title, text in TEXTS.items()]


@pytest.mark.parametrize(
    ("question", "noun"),
    [
        ("Which RFC describes the algorithm of secrets?", "rfc"),
        ("What county shares a border with Kent?", "county"),
        ("Which city is the capital of Kenya?", "city"),
    ],
)
def test_the_noun_asked_about_ends_before_the_verb(question: str, noun: str) -> None:
    assert focus_of(question) == noun


def test_nouns_on_the_way_are_steps_and_the_one_asked_about_is_none() -> None:
    question = analyse("What county shares a border with the county in which the author of Brandle lives?", VOCABULARY)
    assert dict(question.steps) == {"county": "place", "author": "person"}
    assert analyse("What county is it?", VOCABULARY).steps == ()


def test_a_common_country_links_facts_only_where_the_question_passes_through_a_country() -> None:
    passing = analyse("Who leads the country where Brandle was given?", VOCABULARY)
    other = analyse("Who leads the club where Brandle was given?", VOCABULARY)
    assert telling(passing, VOCABULARY, "kenya") > 3 * telling(other, VOCABULARY, "kenya")


def test_a_document_that_the_question_names_opens_the_chain_though_its_text_covers_little() -> None:
    question = analyse("Where did the writer of Brandle spend his youth and first years?", VOCABULARY)
    found = read(question, VOCABULARY, SECTIONS)
    assert any(item.text.startswith("Brandle is a work") for item in found[:2])
    assert any(item.section.title == "Henk Olsen" for item in found)


def test_titles_are_met_without_article_and_region() -> None:
    assert "rank organisation" in aliases("the rank organisation")
    assert "rochester" in aliases("rochester, new york")


def test_a_place_is_preferred_to_the_region_behind_it() -> None:
    quote = "The band was formed in Leyton, East London, in 1975."
    place = Span("Leyton", 23, 29, "name")
    region = Span("East London", 31, 42, "name")
    assert fit(place, "place", quote, "") > fit(region, "place", quote, "")


def test_one_sentence_that_says_the_question_holds_the_answer_in_the_smallest_corpus():
    import extagents

    text = "The Meridian archive was founded in 1974 by Ilse Brandt.\n\nThe archive's reading room is in Lisbon."
    over = [extagents.Document(id="handbook.md", text=text)]
    asked = {
        "Who founded the Meridian archive?": "Ilse Brandt",
        "In which year was the Meridian archive founded?": "1974",
        "Where is the reading room of the archive?": "Lisbon",
        "Who designed the bridge?": "",
    }
    for question, answer in asked.items():
        assert extagents.ask(question, over=over, memory="memory://").answer == answer
