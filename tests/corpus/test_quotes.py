"""Quotes: found exactly, folded or fuzzily, and always the document's own text."""

from __future__ import annotations

import time

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from extagents.corpus.corpus import Corpus
from extagents.corpus.quotes import Located, locate
from extagents.types import Document, Section, ShardText

TEXT = (
    "Dr. “Smith” was  born\nin 1942 — in Paris, and he wrote a novel about the war of the two kingdoms.\n\n"
    "他说：“你好\n世界。”然后他去了北京大学，学习物理学和数学，后来成为著名的科学家。\n\n"
    "The ﬁrst edition sold 12,345 copies in its opening week, more than any other book of that publisher."
)


def shard(*texts: str, start: int = 100) -> ShardText:
    sections = (Section(document=f"d{n}", title="", text=t, start=start, end=start + len(t)) for n, t in enumerate(texts))
    return ShardText(id="s", sections=tuple(sections))


def find(quote: str, text: str = TEXT) -> str | None:
    found = locate(quote, shard("Nothing is here.", text))
    if found is not None:
        assert text[found.start - 100 : found.end - 100] == found.text
        assert found.document == "d1"
        assert found.section_index == 1
        return found.text
    return None


@pytest.mark.parametrize(
    ("quote", "expected"),
    [
        ("in Paris, and he wrote", "in Paris, and he wrote"),
        ("1942", "1942"),
        ('"in Paris, and he wrote"', "in Paris, and he wrote"),
        ('Dr. "Smith" was born in 1942 - in Paris', "Dr. “Smith” was  born\nin 1942 — in Paris"),
        ("The first edition", "The ﬁrst edition"),
        ("THE FIRST EDITION SOLD", "The ﬁrst edition sold"),
        ("你好世界", "你好\n世界"),
        ("born in 1942 ... a novel about the war", "born\nin 1942 — in Paris, and he wrote a novel about the war"),
        ("born in 1942 [...] a novel about", "born\nin 1942 — in Paris, and he wrote a novel about"),
        ("…he wrote a novel…", "he wrote a novel"),
        (
            "was born in 1942 in Paris, and he wrote a novel about a war of the two kingdoms",
            "was  born\nin 1942 — in Paris, and he wrote a novel about the war of the two kingdoms",
        ),
        (
            "然后他去了北京大学学习物理学和数学后来成为了著名的科学家",
            "然后他去了北京大学，学习物理学和数学，后来成为著名的科学家",
        ),
    ],
)
def test_a_quote_is_found_as_the_documents_own_words(quote: str, expected: str) -> None:
    assert find(quote) == expected


@pytest.mark.parametrize(
    "quote",
    [
        "",
        " ",
        "a",
        "...",
        "[...]",
        "“”",
        "42",
        "ovel",
        "The moon is made of green cheese and tastes of it",
        "born in 1942 ... on the far side of the moon",
        "in Paris, and he sold twelve thousand copies of a song about peace",
    ],
)
def test_what_is_not_there_is_not_found(quote: str) -> None:
    assert find(quote) is None


@given(st.text(min_size=40, max_size=300), st.data())
@settings(deadline=None)
def test_offsets_are_exact_for_every_text(text: str, data: st.DataObject) -> None:
    start = data.draw(st.integers(0, len(text) - 30))
    quote = text[start : data.draw(st.integers(start + 20, len(text)))]
    found = locate(quote, shard(text))
    if len(quote.strip()) >= 15:
        assert found is not None
        assert found.text == quote.strip()
    if found is not None:
        assert text[found.start - 100 : found.end - 100] == found.text


@given(
    st.lists(
        st.sampled_from(["ﬁ", "é", "e\u0301", " ", "\n", "“", "—", "…", "好", "ab", "½", "\u00ad", "ß", "İ"]), max_size=60
    ).map("".join),
    st.text(max_size=40),
)
@settings(deadline=None)
def test_a_found_quote_is_always_text_of_the_document(text: str, quote: str) -> None:
    for wanted in (quote, text[3:25].upper(), " ".join(text[2:40].split()), text[:30].replace("“", '"') + "x"):
        found = locate(wanted, shard(text))
        assert found is None or (found.text and text[found.start - 100 : found.end - 100] == found.text)


def test_a_long_section_is_searched_in_milliseconds() -> None:
    words = ["alpha", "beta", "gamma", "delta", "epsilon", "zeta", "eta", "theta", "iota", "kappa", "lambda", "mu"]
    text = " ".join(words[(n * n + n // 7) % 12] + str(n % 97) for n in range(5_000))
    wanted = text[20_000:20_500].replace("alpha", "alhpa")
    locate(wanted, shard(text))
    began = time.process_time()
    for _ in range(10):
        locate(wanted, shard(text))
        locate("words that do not stand anywhere in this text at all, whatever one does", shard(text))
    assert (time.process_time() - began) / 20 < 0.02


def test_a_located_quote_has_its_own_page() -> None:
    first, second = "Text of the first page. " * 5, "Text of the second page, with the answer."
    corpus = Corpus.load([Document(text=first + second, pages=(0, len(first)))], cache=False)
    found = corpus.locate("with the answer", corpus.shards(1_000)[0])
    assert isinstance(found, Located)
    assert found.page == 2
