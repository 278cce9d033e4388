"""What stands around a place: sentences, lines, paragraphs, in prose, Chinese, tables, code and wrapped text."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from extagents.corpus.borders import (
    MOST_AROUND,
    MOST_SENTENCE,
    paragraph_around,
    paragraphs_beside,
    sentence_around,
)

PROSE = "One comes first. Dr. Smith wrote two, at length. Three ends it.\n\nA second paragraph. It ends.\n\nThe third."

WRAPPED = "A sentence that somebody\nwrapped at a column goes\non here. The next one\nis short."


def around(text: str, quote: str) -> tuple[int, int]:
    start = text.index(quote)
    return start, start + len(quote)


@pytest.mark.parametrize(
    ("text", "quote", "sentence"),
    [
        (PROSE, "wrote two", "Dr. Smith wrote two, at length."),
        (PROSE, "length. Three", "Dr. Smith wrote two, at length. Three ends it."),
        ("第一句话。第二句很长，有逗号！第三句？", "很长", "第二句很长，有逗号！"),
        ("a | b | c\nTotal sales | $1.5 | 2.0\nOther | 44.1 | 56.7\n", "44.1", "Other | 44.1 | 56.7"),
        ("Ann: Hello there. How are you?\nBob: Fine. Quite fine.\nAnn: Good.", "Quite", "Quite fine."),
        ("def one():\n    return 1\n\ndef two():\n    return 2\n", "return 2", "return 2"),
        (WRAPPED, "column", WRAPPED.split(" The")[0]),
    ],
)  # fmt: skip
def test_a_sentence_is_what_a_reader_would_call_one(text, quote, sentence):
    start, end = sentence_around(text, *around(text, quote))
    assert text[start:end] == sentence


def test_a_paragraph_ends_at_empty_lines():
    start, end = paragraph_around(PROSE, *around(PROSE, "second"))
    assert PROSE[start:end] == "A second paragraph. It ends."
    start, end = paragraphs_beside(PROSE, start, end)
    assert PROSE[start:end] == PROSE


def test_a_paragraph_as_long_as_a_book_gives_whole_sentences_close_by():
    text = " ".join(f"Sentence number {n} of one paragraph without an end." for n in range(5_000))
    place = around(text, "number 2500 ")
    start, end = paragraph_around(text, *place)
    assert text[start:end].startswith("Sentence number ")
    assert text[start:end].endswith("without an end.")
    assert 1_000 < end - start < 2 * MOST_AROUND + 200


def test_text_without_stops_is_cut_at_words():
    text = "word " * 5_000
    start, end = sentence_around(text, 10_000, 10_004)
    assert end - start <= 2 * MOST_SENTENCE + 4
    assert text[start:end].startswith("word")
    assert text[start:end].endswith("word")


@given(st.text(alphabet="ab. \n。|A", max_size=400), st.integers(0, 400), st.integers(1, 60))
def test_wider_never_loses_the_place(text, start, length):
    start = min(start, len(text))
    end = min(len(text), start + length)
    if not text[start:end].strip() or text[start:end] != text[start:end].strip():
        return
    sentence = sentence_around(text, start, end)
    paragraph = paragraph_around(text, start, end)
    beside = paragraphs_beside(text, *paragraph)
    assert beside[0] <= paragraph[0] <= sentence[0] <= start < end <= sentence[1] <= paragraph[1] <= beside[1]
