"""Token counts with the shipped encoding and with a model's own."""

from __future__ import annotations

import base64
import hashlib
import importlib.resources
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from extagents.corpus.tokens import TokenCounter

COUNTER = TokenCounter()
ENGLISH = "The parser that CPython replaced in version 3.9 was designed by Guido van Rossum in the early nineties. "
CHINESE = "他在北京大学学习物理学和数学，后来成为一名著名的科学家。"


def test_counts_are_near_those_of_current_models() -> None:
    assert 3.5 < len(ENGLISH) / COUNTER.count(ENGLISH) < 5.5
    assert 0.9 < len(CHINESE) / COUNTER.count(CHINESE) < 2.5


@given(st.text())
@settings(deadline=None)
def test_no_text_costs_more_than_its_bytes(text: str) -> None:
    assert COUNTER.count(text) <= COUNTER.upper_bound(text) == len(text.encode())


@given(st.text(), st.integers(0, 30))
@settings(deadline=None)
def test_a_cut_text_is_a_beginning_that_fits(text: str, tokens: int) -> None:
    cut = COUNTER.cut(text, tokens)
    assert text.startswith(cut)
    assert COUNTER.count(cut) <= tokens


def test_a_cut_keeps_most_of_what_fits() -> None:
    text = ENGLISH * 100
    assert COUNTER.count(COUNTER.cut(text, 500)) > 450


@pytest.mark.parametrize("text", [ENGLISH * 5_000, CHINESE * 5_000, (ENGLISH + CHINESE) * 3_000])
def test_an_estimate_is_close(text: str) -> None:
    assert COUNTER.estimate(text) == pytest.approx(COUNTER.count(text), rel=0.03)


@pytest.mark.parametrize("text", ["", "a", "\ud800", "\x00", " " * 100_000, "a" * 300_000, "好" * 200_000])
def test_odd_texts_are_counted(text: str) -> None:
    assert COUNTER.count(text) <= COUNTER.upper_bound(text)
    assert COUNTER.estimate(text) >= (1 if text else 0)


def test_an_encoding_that_is_not_on_the_machine_is_not_fetched(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("TIKTOKEN_CACHE_DIR", str(tmp_path))
    counter = TokenCounter("p50k_edit")
    assert not counter.exact
    assert counter.count("hello") > 0
    assert not TokenCounter("no such encoding").exact
    assert not list(tmp_path.iterdir())


def test_the_models_own_encoding_is_found_where_tiktoken_keeps_it(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    from extagents.corpus import tokens

    address = "https://openaipublic.blob.core.windows.net/encodings/o200k_base.tiktoken"
    kept = tmp_path / hashlib.sha1(address.encode(), usedforsecurity=False).hexdigest()
    kept.write_bytes(b"\n".join(base64.b64encode(bytes([n])) + b" %d" % n for n in range(256)))
    monkeypatch.setenv("TIKTOKEN_CACHE_DIR", str(tmp_path))
    tokens._at_hand.cache_clear()
    try:
        counter = TokenCounter("o200k_base")
        assert counter.exact
    finally:
        tokens._at_hand.cache_clear()


def test_the_shipped_encoding_is_small() -> None:
    file = importlib.resources.files("extagents.corpus") / "encoding" / "default.bpe.gz"
    assert len(file.read_bytes()) < 400_000
