"""Sentences, paragraphs and folding."""

from __future__ import annotations

import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from extagents.text import cjk_share, fold, is_cjk, line_spans, paragraph_spans, sentence_spans

PROSE = st.text(st.sampled_from(list("ab. !?\n\r\t。！”\"'…12AZéß好ﬁ\u0301\u3000\U0001f600-")), max_size=200)


def sentences(text: str) -> list[str]:
    return [text[start:end].strip() for start, end in sentence_spans(text)]


@given(st.one_of(st.text(), PROSE))
def test_spans_cover_the_text_exactly(text: str) -> None:
    for spans in (sentence_spans(text), paragraph_spans(text), line_spans(text)):
        assert "".join(text[start:end] for start, end in spans) == text
        assert all(start < end for start, end in spans)


@pytest.mark.parametrize(
    "text",
    [
        "Dr. Smith met Mrs. Jones.",
        "J. R. R. Tolkien wrote it.",
        "The U.S. troops left.",
        "The U.S. Army left.",
        "It measured 3.14 metres.",
        "See e.g. Foo et al. for more.",
        "No. 5 is alive.",
        "“Really?” he asked.",
    ],
)
def test_an_abbreviation_ends_no_sentence(text: str) -> None:
    assert sentences(text) == [text]


def test_sentences_end_at_stops_of_both_languages() -> None:
    assert sentences("One. Two! “Three.” Four") == ["One.", "Two!", "“Three.”", "Four"]
    assert sentences("他说：“你好。”然后走了！真的？是；不") == ["他说：“你好。”", "然后走了！", "真的？", "是；", "不"]
    assert sentences("He served in the U.S. The war ended.") == ["He served in the U.S.", "The war ended."]
    assert sentences("# Head\n\nText\n- one\n- two") == ["# Head", "Text", "- one", "- two"]


def test_paragraphs_end_at_empty_lines() -> None:
    text = "a\nb\n\n  \nc\n\n    d"
    assert [text[start:end] for start, end in paragraph_spans(text)] == ["a\nb\n\n  \n", "c\n\n", "    d"]


@pytest.mark.parametrize("unit", [".", "\n ", " ", "。", "a", "\u0301", "\n\t", ".'", "…"])
def test_hostile_text_takes_linear_time(unit: str) -> None:
    def cost(size: int) -> float:
        text = unit * size
        best = float("inf")
        for _ in range(2):
            began = time.process_time()
            sentence_spans(text)
            paragraph_spans(text)
            fold(text)
            best = min(best, time.process_time() - began)
        return best

    assert cost(80_000) < 40 * max(cost(8_000), 1e-3)


def test_chinese_is_told_from_english() -> None:
    assert is_cjk("好")
    assert not is_cjk("a")
    assert not is_cjk("。")
    assert cjk_share("hello") == 0.0
    assert cjk_share("你好 ab") == 0.5
    assert cjk_share(" \u3000") == 0.0


@given(st.one_of(st.text(), PROSE))
def test_folding_maps_every_character_back(text: str) -> None:
    folded, offsets = fold(text)
    assert len(offsets) == len(folded) + 1
    assert offsets[-1] == len(text)
    assert offsets == sorted(offsets)


def test_folding_unites_what_looks_alike() -> None:
    assert fold("A “ﬁne”\n\n day — e\u0301")[0] == 'A "fine" day - é'
    assert fold("你 好\n世界")[0] == "你好世界"
    assert fold("co\u00adop")[0] == "coop"
