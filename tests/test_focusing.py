"""A second packing: the likeliest passages in small shards, each found fact counted to the shard it stands in."""

from itertools import pairwise

import pytest

from extagents.corpus.corpus import Corpus
from extagents.focusing import SIZES, Homes, focused, most_focused
from extagents.types import Document, Fact, Finding, Report

TOWNS = ("Oskerby", "Pellow", "Dunmere", "Tarn Abbey")


@pytest.fixture(scope="module")
def corpus() -> Corpus:
    """One long book with a telling paragraph in the middle, and short notes."""
    filler = "\n\n".join(
        f"Chapter {n}. The road went on past fields and hedges, and nobody spoke of anything. " * 8 for n in range(60)
    )
    telling = "The mill of Oskerby was built by Saul Renn in 1811."
    book = filler[: len(filler) // 2].rsplit("\n\n", 1)[0] + f"\n\n{telling}\n\n" + filler[len(filler) // 2 :]
    notes = [Document(id=f"note{n}", title=f"Note {n}", text=f"{town} has a mill and a bell.") for n, town in enumerate(TOWNS)]
    return Corpus.load([Document(id="book", title="The book", text=book), *notes], cache=False)


def words(corpus: Corpus, shards: object) -> str:
    return "\n".join(section.text for shard in shards for section in corpus.shard_text(shard).sections)  # type: ignore[attr-defined]


def test_the_likeliest_passage_of_a_long_document_comes_without_the_rest_of_it(corpus: Corpus) -> None:
    shards = focused(corpus, ["mill of Oskerby"], (), round_=2)
    assert "Saul Renn" in words(corpus, shards[:1])
    assert len(words(corpus, shards)) < len(corpus.documents[0].text) / 2


def test_an_open_query_brings_its_passages_in(corpus: Corpus) -> None:
    shards = focused(corpus, ["zebra"], ("Saul Renn",), round_=2)
    assert "Saul Renn" in words(corpus, shards[:1])


@pytest.mark.parametrize("round_", [2, 3, 4, 5, 9])
def test_shards_keep_their_size_and_hold_no_character_twice(corpus: Corpus, round_: int) -> None:
    tokens, size = SIZES[min(round_ - 2, len(SIZES) - 1)]
    shards = focused(corpus, ["the road past fields and hedges, the mill"], TOWNS, round_=round_)
    assert len(shards) > 1
    assert all(shard.tokens <= size or len(shard.pieces) == 1 for shard in shards)
    assert sum(shard.tokens for shard in shards) <= tokens + size
    assert len(shards) <= most_focused(round_)
    seen = sorted((piece.document, piece.start, piece.end) for shard in shards for piece in shard.pieces)
    assert all(one[0] != other[0] or one[2] <= other[1] for one, other in pairwise(seen))


def test_the_same_questions_give_the_same_shards_and_a_limit_is_kept(corpus: Corpus) -> None:
    first, second = (focused(corpus, ["mill"], TOWNS, round_=3) for _ in range(2))
    assert [shard.id for shard in first] == [shard.id for shard in second]
    assert len({shard.id for shard in first}) == len(first)
    small = focused(corpus, ["mill"], TOWNS, round_=3, most=300)
    assert all(shard.tokens <= 300 or len(shard.pieces) == 1 for shard in small)


def test_nothing_likely_is_nothing_to_focus_on(corpus: Corpus) -> None:
    assert focused(corpus, ["zebra"], ("giraffe",), round_=2) == ()


def test_a_fact_seen_in_a_focus_counts_to_the_shard_it_stands_in(corpus: Corpus) -> None:
    shards = corpus.shards(600)
    at = corpus.documents[0].text.index("The mill of Oskerby")
    home = next(shard for shard in shards for piece in shard.pieces if piece.document == 0 and piece.start <= at < piece.end)
    known = {"claim": "c", "quote": "The mill", "document": "book", "relevance": 0.9, "shard": "focus", "round": 2}
    facts = (Fact(id="a", start=at, end=at + 8, **known), Fact(id="b", **known))
    report = Report(run="r", round=2, wave=1, shard="focus", version="v", findings=(Finding(facts=facts),))
    settled = Homes(corpus, shards).settled(report)
    assert [fact.shard for fact in settled.findings[0].facts] == [home.id, "focus"]
    assert settled.shard == "focus"
