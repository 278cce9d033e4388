"""Lengths that are asked for, markers that stay with their sentence, and figures that stand in the evidence."""

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from extagents.prose import Length, cleaned, joined, length_in, marked, numbers_hold, sentences_of, words_in


@pytest.mark.parametrize(
    ("instructions", "words", "at_most"),
    [
        ("about 500 words", 500, False),
        ("Write 1,500 words in French.", 1_500, False),
        ("a 2k words essay", 2_000, False),
        ("in 2 pages", 1_000, False),
        ("in half a page", 250, False),
        ("one paragraph", 120, False),
        ("three sentences", 66, False),
        ("300-400 words", 350, False),
        ("between 300 and a lot, at most 600 words", 600, True),
        ("no more than 250 words", 250, True),
        ("800 words or less", 800, True),
        ("不超过800字", 800, True),
        ("用大约一千五百字概括", 1_500, False),
        ("五百字以内", 500, True),
        ("写两页", 1_600, False),
        ("三句话", 105, False),
    ],
)
def test_a_length_is_read_from_instructions(instructions, words, at_most):
    assert length_in(instructions) == Length(words, at_most)


@pytest.mark.parametrize("instructions", ["", "in German", "as JSON", "for 10 readers", "in 1990", "用中文回答", "wordy"])
def test_no_length_is_read_where_none_is_asked_for(instructions):
    assert length_in(instructions) is None


def test_words_are_counted_and_chinese_letters_one_each():
    assert words_in("It 's great , isn't it ?") == 5
    assert words_in("城北档案馆由沈听澜创办。") == 11
    assert words_in("Python 3.9 的解析器") == 6
    assert words_in(" … — ") == 0


@pytest.mark.parametrize(
    ("sentence", "shown"),
    [
        ("It is so.", "It is so [1][2]."),
        ("It is so", "It is so [1][2]."),
        ("that 's great .", "that 's great [1][2]."),
        ('He said "go."', 'He said "go" [1][2].'),
        ("He asked “go?”", "He asked “go?” [1][2]."),
        ("Is it?", "Is it [1][2]?"),
        ("He left (see page x).", "He left (see page x) [1][2]."),
        ("the rest, ", "the rest [1][2]."),
        ("档案馆由沈听澜创办。", "档案馆由沈听澜创办[1][2]。"),
        ("他说：“好。”", "他说：“好”[1][2]。"),
    ],
)
def test_markers_stand_before_the_full_stop(sentence, shown):
    assert marked(sentence, [1, 2]) == shown


@given(st.text(min_size=1, max_size=60))
def test_a_marked_sentence_has_its_marker_and_no_other(text):
    for sentence in sentences_of(cleaned(text)):
        assert re.findall(r"\[(\d+)\]", marked(sentence, [7])) == ["7"]


@pytest.mark.parametrize(
    "stray",
    ["[3]", "[3, 4]", "[ 12 ]", "(fact 3)", "(facts 1 and 2)", "[fact 3]", "【3】", "（事实3）", "[[3]]", "［２］", "[1–3]"],
)
def test_stray_marks_are_taken_out(stray):
    assert cleaned(f"It is old {stray}.").startswith("It is old")
    assert "3" not in cleaned(f"It is old {stray}.")
    assert cleaned("In 1990 (the year of the flood) [a].") == "In 1990 (the year of the flood) [a]."


def test_signs_of_lists_and_headings_are_taken_off():
    assert cleaned("## 1. The\n  parser") == "The parser"
    assert cleaned("- an item") == "an item"
    assert cleaned("1990 was cold.") == "1990 was cold."


def test_sentences_join_with_a_blank_but_not_after_a_chinese_stop():
    assert joined(["One [1].", "Two [2]."]) == "One [1]. Two [2]."
    assert joined(["一[1]。", "二[2]。"]) == "一[1]。二[2]。"


@pytest.mark.parametrize(
    ("sentence", "evidence", "holds"),
    [
        ("It was built in 1911.", ["built in 1911"], True),
        ("It was built in 1912.", ["built in 1911"], False),
        ("1.2 million people came.", ["1,200,000 visitors"], True),
        ("1.2 million people came.", ["1.2 billion visitors"], False),
        ("Between 1.2 million and 1.4 million came.", ["between 1.2 and 1.4 million"], True),
        ("On 3 March 2020 it opened.", ["opened 2020-03-03"], True),
        ("On 3 April 2020 it opened.", ["opened 2020-03-03"], False),
        ("In the 1990s it closed.", ["closed in 1994"], True),
        ("In the 1980s it closed.", ["closed in 1994"], False),
        ("It has 3 halls.", ["three halls"], True),
        ("馆藏12万册。", ["馆藏十二万册"], True),
        ("馆藏13万册。", ["馆藏十二万册"], False),
        ("It has many halls.", [""], True),
        ("It may have 9.", ["9"], True),
    ],
)
def test_figures_and_dates_must_stand_in_the_evidence(sentence, evidence, holds):
    assert numbers_hold(sentence, evidence) is holds
