"""What is read next: best first, and what new queries, new names and interrupted passages point at."""

import pytest

from extagents import Corpus, Document
from extagents.frontier import GATED_SHARDS, Frontier
from extagents.packing import FIXED, most_shard_tokens, pack
from extagents.types import Fact, Piece, Shard

TEXTS = {
    "Harbour": "The harbour of Oskerby was built by engineers from the south.",
    "Oskerby": "Oskerby is a town of fishers and rope makers near the cape.",
    "Mirelle Tanager": "Mirelle Tanager founded an institute. She was born in Oskerby.",
    "Weather": "Rain fell for many weeks and the fields were late that year.",
    "Copper": "Copper was traded for cloth, and cloth was traded for salt.",
}


@pytest.fixture
def corpus() -> Corpus:
    documents = [Document(id=title.lower(), title=title, text=f"{text} " * 16) for title, text in TEXTS.items()]
    return Corpus.load(documents, cache=False)


def frontier(corpus: Corpus, question: str) -> tuple[Frontier, dict[str, int]]:
    shards = [
        Shard(id=str(n), position=n, pieces=(Piece(document=n, start=0, end=len(document.text)),), tokens=100)
        for n, document in enumerate(corpus.documents)
    ]
    places = {document.title: n for n, document in enumerate(corpus.documents)}
    return Frontier(corpus, shards, [question]), places


def fact(text: str) -> Fact:
    return Fact(id=text, claim=text, quote=text, document="x", start=0, end=1, relevance=0.9, shard="s", round=1)


def test_the_best_shards_come_first_and_what_matches_nothing_last(corpus):
    ahead, places = frontier(corpus, "Who founded the institute?")
    order = ahead.order(range(len(TEXTS)))
    assert order[0] == places["Mirelle Tanager"]
    assert sorted(order) == list(range(len(TEXTS)))
    nothing, _ = frontier(corpus, "zzz qqq")
    assert nothing.order(range(len(TEXTS))) == list(range(len(TEXTS)))


def test_a_name_first_met_in_a_fact_points_at_its_shards_once(corpus):
    ahead, places = frontier(corpus, "Who founded the institute?")
    found = fact("Mirelle Tanager was born in Oskerby.")
    pointed = ahead.follow(queries=(), facts=(found,), continued=())
    assert places["Oskerby"] in pointed
    assert places["Weather"] not in pointed
    assert ahead.follow(queries=(), facts=(found,), continued=()) == []


def test_a_name_of_the_question_is_not_new(corpus):
    ahead, _ = frontier(corpus, "What is Oskerby known for?")
    assert ahead.follow(queries=(), facts=(fact("Oskerby has fishers."),), continued=()) == []


def test_an_open_query_points_at_the_best_shards_and_raises_them_in_the_order(corpus):
    ahead, places = frontier(corpus, "Who founded the institute?")
    pointed = ahead.follow(queries=("copper cloth salt",), facts=(), continued=())
    assert pointed[0] == places["Copper"]
    assert len(pointed) <= GATED_SHARDS
    left = [place for place in range(len(TEXTS)) if place != places["Mirelle Tanager"]]
    assert ahead.order(left)[0] == places["Copper"]
    assert ahead.follow(queries=("copper cloth salt",), facts=(), continued=()) == []


def test_an_interrupted_passage_points_at_its_neighbours_in_the_same_document():
    long = Document(id="long", title="Long", text="One sentence after the other. " * 300)
    corpus = Corpus.load([long, Document(id="other", title="Other", text="Else. " * 200)], cache=False)
    shards = corpus.shards(400)
    ahead = Frontier(corpus, shards, ["anything"])
    assert ahead.follow(queries=(), facts=(), continued=(1,)) == [0, 2]


def test_an_interrupted_passage_does_not_point_into_another_document(corpus):
    first, second = corpus.documents[0], corpus.documents[1]
    half = len(first.text) // 2
    spans = [(0, 0, half), (0, half, len(first.text)), (1, 0, len(second.text))]
    shards = [
        Shard(id=str(n), position=n, pieces=(Piece(document=document, start=start, end=end),), tokens=100)
        for n, (document, start, end) in enumerate(spans)
    ]
    assert Frontier(corpus, shards, ["anything"]).follow(queries=(), facts=(), continued=(1,)) == [0]


def test_shards_never_exceed_what_the_window_leaves(corpus):
    most = most_shard_tokens(6_000, output_tokens=1_000, knowledge_tokens=1_500)
    assert 0 < most < 6_000 - 2_500
    for shared in (True, False):
        packing = pack(corpus, ["harbour"], shard_tokens=None, shared=shared, most=most)
        assert all(shard.tokens <= min(most, FIXED if shared else 8_000) for shard in packing.shards)
    uniform = pack(corpus, ["harbour"], shard_tokens=150, shared=False, most=most)
    assert all(shard.tokens <= 150 for shard in uniform.shards)
    assert "150" in uniform.name


def test_packing_by_rank_puts_the_best_documents_into_the_first_shard(corpus):
    packing = pack(corpus, ["Who founded the institute?"], shard_tokens=450, shared=False, most=5_000)
    first = packing.shards[0].pieces[0].document
    assert corpus.documents[first].title == "Mirelle Tanager"
