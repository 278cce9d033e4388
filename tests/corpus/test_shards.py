"""Sharding: every character once, no shard above its limit."""

from __future__ import annotations

import gc
import sys
import time
from collections import defaultdict
from collections.abc import Sequence

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from extagents.corpus.shards import header_tokens, pack, pack_ranked
from extagents.corpus.tokens import TokenCounter
from extagents.errors import SettingsError
from extagents.types import Document, Shard

COUNTER = TokenCounter()
UNITS = [
    "word ",
    "A sentence ends. ",
    "他说：“你好。”",
    "\n\n",
    "\r\n",
    "# Heading\n\n",
    "    code(x, y);\n",
    "\U0001f600",
    "\x00",
    "é",
    "1,2,3\n",
]
TEXT = st.one_of(
    st.text(max_size=400),
    st.lists(st.sampled_from(UNITS), max_size=200).map("".join),
    st.builds(lambda unit, times: unit * times, st.sampled_from(UNITS), st.integers(1, 1_500)),
)
DOCUMENTS = st.lists(st.builds(Document, text=TEXT, title=st.text(max_size=30)), max_size=6)


def joined(documents: Sequence[Document], shards: Sequence[Shard]) -> list[str]:
    """Every document as its pieces make it, in the order of the shards."""
    texts: dict[int, str] = defaultdict(str)
    for shard in shards:
        for piece in shard.pieces:
            assert piece.start == len(texts[piece.document])
            texts[piece.document] += documents[piece.document].text[piece.start : piece.end]
    return [texts[position] for position in range(len(documents))]


def cost(documents: Sequence[Document], shard: Shard) -> int:
    return sum(
        header_tokens(documents[piece.document].title) + COUNTER.count(documents[piece.document].text[piece.start : piece.end])
        for piece in shard.pieces
    )


@given(DOCUMENTS, st.integers(60, 2_000))
@settings(deadline=None, max_examples=150)
def test_joined_shards_are_the_documents_and_none_is_over_its_limit(documents: list[Document], limit: int) -> None:
    shards = pack(documents, shard_tokens=limit, counter=COUNTER)
    assert joined(documents, shards) == [document.text for document in documents]
    assert [shard.position for shard in shards] == list(range(len(shards)))
    for shard in shards:
        assert cost(documents, shard) == shard.tokens <= limit


@given(DOCUMENTS, st.randoms(use_true_random=False))
@settings(deadline=None, max_examples=100)
def test_ranked_shards_are_the_documents_and_grow_down_the_ranking(documents: list[Document], random: object) -> None:
    order = list(range(len(documents)))
    random.shuffle(order)  # type: ignore[attr-defined]
    sizes = ((200, 60), (600, 120), (None, 400))
    shards = pack_ranked(documents, order[: len(order) // 2], sizes=sizes, counter=COUNTER)
    assert joined(documents, shards) == [document.text for document in documents]
    packed = 0
    for shard in shards:
        assert cost(documents, shard) == shard.tokens <= (60 if packed < 200 else 120 if packed < 600 else 400)
        packed += shard.tokens


def test_the_best_document_is_in_the_first_shard() -> None:
    documents = [Document(text=f"Text of document {n}. " * 20, title=str(n)) for n in range(300)]
    shards = pack_ranked(documents, [7, 3], counter=COUNTER)
    assert [piece.document for piece in shards[0].pieces][:4] == [7, 3, 0, 1]
    assert shards[0].tokens <= 2_000 < shards[-2].tokens


def test_a_short_document_stays_whole() -> None:
    documents = [Document(text="Some words of a text. " * 30, title=str(n)) for n in range(50)]
    shards = pack(documents, shard_tokens=1_000, counter=COUNTER)
    pieces = [piece for shard in shards for piece in shard.pieces]
    assert len(pieces) == len(documents)
    assert len(shards) < len(documents) / 3


@pytest.mark.parametrize(
    ("unit", "ends"),
    [
        ("A sentence of some length stands here. ", ". "),
        ("他在北京大学学习物理学和数学。", "。"),
        ("    value = compute(x, y)\n    other.call(value);\n", "\n"),
        ("A paragraph.\nIt goes on without an end\n\n", "\n\n"),
    ],
)
def test_long_documents_are_cut_where_they_pause(unit: str, ends: str) -> None:
    text = unit * 2_000
    shards = pack([Document(text=text)], shard_tokens=500, counter=COUNTER)
    assert all(text[: shard.pieces[0].end].endswith(ends) for shard in shards)


def test_a_heading_starts_a_shard() -> None:
    text = "".join(f"\n# Chapter {n}\n\n" + "Words that fill the chapter. " * 60 for n in range(30))
    shards = pack([Document(text=text)], shard_tokens=500, counter=COUNTER)
    assert all(text[shard.pieces[0].start :].startswith("# Chapter") for shard in shards[1:])


def test_shards_are_well_filled() -> None:
    text = "A sentence of some length stands here, and another follows it. " * 20_000
    shards = pack([Document(text=text)], shard_tokens=4_000, counter=COUNTER)
    assert sum(shard.tokens for shard in shards[:-1]) / (len(shards) - 1) > 0.9 * 4_000


def test_a_shards_id_depends_on_what_it_holds_alone() -> None:
    documents = [Document(id=str(n), text="Some words. " * 50) for n in range(9)]
    again = pack(documents, shard_tokens=300, counter=COUNTER)
    assert pack(documents, shard_tokens=300, counter=COUNTER) == again
    assert len({shard.id for shard in again}) == len(again)
    assert pack(documents[:5], shard_tokens=300, counter=COUNTER)[0].id == again[0].id


@pytest.mark.parametrize(("unit", "size"), [("word ", 50_000_000), ("a", 5_000_000), ("好", 5_000_000)])
def test_one_line_of_fifty_megabytes_is_cut(unit: str, size: int) -> None:
    text = unit * (size // len(unit.encode()))
    shards = pack([Document(text=text)], shard_tokens=64_000, counter=COUNTER)
    assert joined([Document(text=text)], shards) == [text]
    assert max(shard.tokens for shard in shards) <= 64_000


def test_a_limit_below_the_header_still_gives_pieces() -> None:
    documents = [Document(text="Some words of text. " * 10, title="t" * 500)]
    assert joined(documents, pack(documents, shard_tokens=1, counter=COUNTER)) == [documents[0].text]
    with pytest.raises(SettingsError):
        pack(documents, shard_tokens=0, counter=COUNTER)


def test_the_number_of_shards_costs_linear_time() -> None:
    documents = [Document(id=str(n), text="word " * 75) for n in range(20_000)]

    def calls(size: int) -> int:
        """How many functions are called: the same on every machine, however busy it is."""
        count = 0

        def counted(*_: object) -> None:
            nonlocal count
            count += 1

        before = sys.getprofile()
        sys.setprofile(counted)
        try:
            assert len(pack(documents[:size], shard_tokens=100, counter=COUNTER)) == size
        finally:
            sys.setprofile(before)
        return count

    def seconds(size: int) -> float:
        began = time.process_time()
        pack(documents[:size], shard_tokens=100, counter=COUNTER)
        return time.process_time() - began

    gc.disable()  # a collection walks over all that the other tests have left behind, and may call functions of its own
    try:
        seconds(20_000)  # documents keep what was worked out of them
        assert calls(20_000) < 10.5 * calls(2_000)
        # What no call counts, such as copies that grow: a hundred times as much if it were quadratic.
        assert min(seconds(20_000) for _ in range(3)) < 40 * min(seconds(2_000) for _ in range(9))
    finally:
        gc.enable()
