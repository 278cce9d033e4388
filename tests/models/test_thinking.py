"""Thoughts never reach an answer; a document's own tags are left alone."""

from __future__ import annotations

import pytest

from extagents.models.thinking import ThinkingFilter, split_thinking

CASES = [
    ("plain", "plain", ""),
    ('<think>a</think>{"x": 1}', '{"x": 1}', "a"),
    ('  <think>\na\n</think>\n\n{"x": 1}', '{"x": 1}', "a"),
    ('<think>a</think><think>b</think>{"x": 1}', '{"x": 1}', "a\nb"),
    ("<think>never ends", "", "never ends"),
    ("Well. <think>a</think>yes", "Well. yes", "a"),
    ('{"quote": "a <think> tag </think> in a document"}', '{"quote": "a <think> tag </think> in a document"}', ""),
    ('{"x": 1} <think>after</think>', '{"x": 1}', "after"),
]


@pytest.mark.parametrize(("text", "answer", "thought"), [*CASES, ('a</think>{"x": 1}', '{"x": 1}', "a")])
def test_thoughts_are_split_off(text: str, answer: str, thought: str) -> None:
    found, thoughts = split_thinking(text)
    assert (found.strip(), thoughts) == (answer, thought)


@pytest.mark.parametrize("size", [1, 2, 5, 100])
@pytest.mark.parametrize(("text", "answer"), [case[:2] for case in CASES[:-1]])
def test_a_stream_shows_the_same(text: str, answer: str, size: int) -> None:
    visible = ThinkingFilter()
    assert "".join(visible.feed(text[at : at + size]) for at in range(0, len(text), size)).strip() == answer


def test_thoughts_that_look_like_json_are_not_shown() -> None:
    visible = ThinkingFilter()
    assert visible.feed('<think>{"answer": "no"}</think>{"answer"') == '{"answer"'
