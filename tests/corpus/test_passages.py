"""Passages cover a document exactly and end where the text itself does."""

from __future__ import annotations

from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from extagents.corpus.passages import LIMIT, passage_spans


@given(st.text(alphabet="ab .!?。，\n\t中文é🎉\u0301", max_size=200), st.integers(1, 60))
def test_joined_passages_are_the_document_and_none_is_over_the_limit(text: str, times: int) -> None:
    text *= times
    spans = passage_spans(text)
    assert "".join(text[start:end] for start, end in spans) == text
    assert all(0 < end - start <= LIMIT for start, end in spans)
    assert all(before[1] == after[0] for before, after in pairwise(spans))


def test_a_short_document_is_one_passage_and_an_empty_one_none() -> None:
    assert passage_spans("One sentence. Another.") == [(0, 22)]
    assert passage_spans("") == []


def test_prose_is_cut_between_sentences() -> None:
    text = "The quick brown fox jumps over the lazy dog near the old river bank. " * 60
    assert all(text[:end].endswith("bank. ") for _, end in passage_spans(text))


def test_chinese_prose_is_cut_between_sentences() -> None:
    text = "敏捷的棕色狐狸跳过了河边那只懒惰的老狗。" * 200
    assert all(text[end - 1] == "。" for _, end in passage_spans(text))


def test_a_blank_line_is_a_better_border_than_a_sentence() -> None:
    first = "A sentence of the first part. " * 30 + "\n\n"
    assert passage_spans(first + "A sentence of the second part. " * 30)[0] == (0, len(first))


@pytest.mark.parametrize(
    "line", ["    total += weights[i]  # It grows. All else stays.\n", "| Acme Corp. Ltd. | It grew. | 1,452.4 |\n"]
)
def test_code_and_tables_are_cut_at_lines(line: str) -> None:
    text = line * 200
    assert all(text[end - 1] == "\n" for _, end in passage_spans(text))


def test_a_text_without_any_border_is_cut_at_the_limit() -> None:
    assert [end - start for start, end in passage_spans("x" * 3000)] == [LIMIT, LIMIT, 200]
