"""When two answers are the same, and when an answer stands in a quote."""

import pytest

from extagents.answers import (
    bears,
    compatible,
    date_of,
    expected_type,
    fits,
    normalise,
    number_of,
    quotable,
    same,
    stands_in,
    translated,
)


@pytest.mark.parametrize(
    ("one", "other", "kind"),
    [
        ("The Beatles", "Beatles", "name"),
        ("Robert F. Stockton", "Robert F Stockton", "person"),
        ("5 December 1963", "December 5, 1963", "date"),
        ("1963-12-05", "5 December 1963", "date"),
        ("2021年3月5日", "2021-03-05", "date"),
        ("1,234", "1234", "number"),
        ("3.5 million", "3,500,000", "number"),
        ("45%", "45 percent", "number"),
        ("yes", "Yes, both are.", "yes_no"),
        ("red, green and blue", "blue; red; green", "list"),
        ("Barack Obama", "President Barack Obama", "person"),
        ("March 2001", "2001-03-05", "date"),
        ("320", "三百二十", "number"),
        ("12000", "一万二千", "number"),
        ("1968", "一九六八", "number"),
        ("北京", "北京市", "place"),
    ],
)
def test_answers_that_say_the_same_agree(one, other, kind):
    assert same(one, other, kind)
    assert same(other, one, kind)


@pytest.mark.parametrize(
    ("one", "other", "kind"),
    [
        ("1963", "1964", "date"),
        ("5 December 1963", "6 December 1963", "date"),
        ("March 2001", "2001-04-05", "date"),
        ("12 km", "12 miles", "number"),
        ("3.5", "35", "number"),
        ("yes", "no", "yes_no"),
        ("red and green", "red, green and blue", "list"),
        ("George Bush", "George W. Bush", "person"),
        ("", "", "text"),
        ("Paris", "Parisian", "place"),
    ],
)
def test_answers_that_differ_do_not_agree(one, other, kind):
    assert not same(one, other, kind)


@pytest.mark.parametrize(
    ("answer", "quote"),
    [
        ("Los Angeles Dodgers", "The Los Angeles Dodgers won."),
        ("December 5, 1963", "Born 5 December 1963 in Bath."),
        ("3.5 million", "It sold 3,500,000 copies."),
        ("杜瓦尔郡", "它是杜瓦尔郡的所在地。"),
        ("Edwards, Michael David", "Michael David Edwards is a skier"),
    ],
)
def test_an_answer_stands_in_a_quote(answer, quote):
    assert stands_in(answer, (quote,))


@pytest.mark.parametrize(
    ("answer", "quote"),
    [
        ("Dodgers", "The Giants won."),
        ("1963", "Born in 1964."),
        ("art", "A party."),
        ("", "anything"),
        ("35", "It cost 3.5 dollars."),
    ],
)
def test_an_answer_that_is_not_there_does_not_stand_in_a_quote(answer, quote):
    assert not stands_in(answer, (quote,))


def test_yes_no_lists_and_aggregates_are_not_expected_in_a_quote():
    assert not quotable("lookup", "yes_no", "yes")
    assert not quotable("aggregate", "number", "17")
    assert not quotable("lookup", "list", "a, b")
    assert quotable("multi_hop", "name", "Paris")


def test_normal_forms():
    assert normalise("The U.S.'s 1,000 “Best”") == "u s s 1000 best"
    assert date_of("around May 2020") == (2020, 5, 0)
    assert date_of("no date here") is None
    assert number_of("12 or 13") is None


@pytest.mark.parametrize(
    ("question", "kind"),
    [
        ("When did Germany invade Poland?", "date"),
        ("The treaty that ended the war was signed in which year?", "date"),
        ("Who was president when the state joined the union?", "name"),
        ("How many moons does Mars have?", "number"),
        ("解析器是哪一年替换的？", "date"),
        ("这本书有多少页？", "number"),
        ("谁写了这本书？", "name"),
        ("Which year saw the first flight?", "date"),
    ],
)
def test_the_questions_own_words_tell_the_kind_of_answer(question, kind):
    assert expected_type(question, "name") == kind


@pytest.mark.parametrize(
    ("answer", "kind", "can_be"),
    [
        ("1842", "date", True),
        ("the middle of the summer", "date", True),
        ("May", "date", True),
        ("May be useful", "date", False),
        ("Cherokee", "date", False),
        ("1842年", "date", True),
        ("two-time", "number", True),
        ("Nagasaki", "number", False),
        ("Yes, both are.", "yes_no", True),
        ("Paris", "yes_no", False),
        ("anything", "person", True),
    ],
)
def test_an_answer_of_the_wrong_kind_is_told(answer, kind, can_be):
    assert fits(answer, kind) is can_be


def test_a_sentence_that_holds_the_short_answer_is_no_rival():
    sentence = "It was part of the original Logo programming language developed in 1966."
    assert compatible("1966", sentence, "date")
    assert not compatible("1967", sentence, "date")
    assert not compatible("Paris", "London")


def test_a_negation_is_no_detail():
    assert not same("guilty", "not guilty")
    assert not stands_in("not guilty of fraud charges", ("He was found guilty of fraud charges.",))


def test_a_name_with_a_number_needs_both():
    assert not stands_in("Windows 201", ("The 201th ledger lists nails.",))
    assert not stands_in("Boeing 747 Tenerife crash", ("A Boeing 707 crash near Tenerife.",))
    assert stands_in("Apollo 11", ("Apollo 11 landed in July.",))


def test_every_item_of_a_list_has_to_stand_somewhere():
    from extagents.answers import all_stand_in

    quotes = ("Paris is large.", "Rome is old.")
    assert all_stand_in("Paris and Rome", quotes)
    assert not all_stand_in("Paris, Rome, Berlin", quotes)


def test_a_name_that_begins_with_no_is_expected_in_a_quote():
    assert quotable("lookup", "name", "No Such Band")
    assert not quotable("lookup", "name", "No")


def test_an_ordinary_answer_as_markdown_has_its_references():
    from extagents.types import Answer, Citation

    cited = Citation(document="a.pdf", start=10, end=14, page=3, quote="so\nit is", title="Report")
    plain = Citation(document="b.txt", start=0, end=4, page=None, quote="also")
    answer = Answer(answer="Yes", answered=True, confidence=1, kind="lookup", strategy="fused", citations=(cited, plain))
    assert answer.markdown == "Yes\n\n## References\n\n1. Report (a.pdf), p. 3: “so it is”\n2. b.txt, 0–4: “also”\n"
    assert "title" not in answer.model_dump()["citations"][0]
    assert answer.model_copy(update={"answer": ""}).markdown == ""


@pytest.mark.parametrize(
    ("answer", "quotes", "expected"),
    [
        ("杜瓦尔郡", ("It is the county seat of Duval County.",), True),
        ("Duval County", ("它是杜瓦尔郡的所在地。",), True),
        ("Duval County", ("它是 Duval County 的所在地。",), False),
        ("1968", ("市政府于 1968年 合并。",), False),
        ("1968年", ("The governments consolidated in 1968.",), False),
        ("杜瓦尔郡", ("它是另一个郡。",), False),
        ("Duval County", ("It is another county.",), False),
        ("Duval County", ("它是杜瓦尔郡的所在地。", "It is another county."), True),
        ("三百二十", ("It has 320 men.",), False),
        ("三百三十", ("It has 320 men.",), False),
        ("1970年", ("The governments consolidated in 1968.",), False),
        ("巴黎 (Paris)", ("Lyon is not the capital.",), False),
        ("巴黎 (Paris)", ("The capital is Paris.",), True),
        ("Duval County", (), False),
    ],
)
def test_an_answer_in_another_script_than_all_its_quotes_is_a_translation(answer, quotes, expected):
    assert translated(answer, quotes) is expected
    assert quotable("lookup", "place", answer, quotes) is not expected


def test_chinese_numerals_stand_in_a_quote_by_value():
    assert stands_in("320", ("全船三百二十人。",))
    assert stands_in("三百二十", ("It has 320 men.",))
    assert not stands_in("三百三十", ("It has 320 men.",))
    assert not stands_in("32", ("全船三百二十人。",))


def test_of_things_to_choose_from_the_documents_title_counts_as_the_quotes_subject() -> None:
    quote, question = "Life expectancy: 83 years", "Which has the higher life expectancy: Amberland or Jersey?"
    assert bears("Jersey", quote, "Jersey", question)
    assert not bears("Jersey", quote, "Jersey", "Which island has the highest life expectancy?"), "not offered by the question"
    assert not bears("Jersey", quote, "Amberland", question), "another document's line"
    assert bears("83 years", quote, "Jersey", "How high is it?")
    assert bears("琥珀国", "人均寿命：83岁", "琥珀国概况", "琥珀国和翡翠国相比，谁更长寿？")
