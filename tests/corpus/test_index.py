"""What the index finds, and that it is the same however it came about."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from extagents.corpus.index import Index
from extagents.corpus.ranking import Weights
from extagents.types import Document


def document(title: str, text: str) -> Document:
    return Document(id=title.lower().replace(" ", "-"), title=title, text=text)


HOPS = [
    document("Edna Marlowe", "Edna Marlowe is a goalkeeper who has played for the Kestrel Rovers since 2011."),
    document("Kestrel Rovers", "Their ground lies by the harbour. The club was founded in 1887 by dock workers."),
    document("Harbour museum", "The museum was founded in 1950. Its team of keepers shows ships and ropes."),
    document("Football history", "Many a team was founded by railway workers. A club was founded in every second town."),
    document("Town fair", "The fair takes place in June. When it was founded is not known; a team of bakers runs it."),
    document("Goalkeeping", "A goalkeeper guards the goal. What team a goalkeeper plays for is a matter of contracts."),
]
QUESTION = "When was the team of Edna Marlowe founded?"


def titles(index: Index, documents: list[Document], query: str, **options: str) -> list[str]:
    return [documents[i].title for i in index.rank_documents([query], **options)]  # type: ignore[arg-type]


def test_a_second_hop_is_found_by_a_mention_where_bm25_misses_it() -> None:
    index = Index.build(HOPS)
    assert titles(index, HOPS, QUESTION)[:2] == ["Edna Marlowe", "Kestrel Rovers"]
    assert "Kestrel Rovers" not in titles(index, HOPS, QUESTION, method="bm25")[:2]


def test_without_links_the_second_hop_is_lost() -> None:
    index = Index.build(HOPS).with_weights(Weights(steps=0))
    assert "Kestrel Rovers" not in titles(index, HOPS, QUESTION)[:2]


def test_passages_that_share_a_rare_name_are_linked_without_any_title() -> None:
    documents = [
        document("Note 1", "The blueprint of the lighthouse was drawn by Ottoline Brandt in spring."),
        document("Note 2", "In her youth Ottoline Brandt lived in Varna."),
        document("Note 3", "The painter lived near a lighthouse; which city he lived in is not told."),
        document("Note 4", "A city has many a blueprint, and somebody lived in every one."),
    ]
    index = Index.build(documents)
    assert titles(index, documents, "In which city lived the one who drew the lighthouse's blueprint?")[:2] != [
        "Note 1",
        "Note 2",
    ]
    query = "Where did the person who drew the blueprint of the lighthouse spend her youth?"
    assert titles(index, documents, query)[:2] == ["Note 1", "Note 2"]


def test_chinese_is_found_by_pairs_of_characters_and_follows_quoted_titles() -> None:
    documents = [
        document("", "《雾中灯塔》是一部小说，作者是林晚秋，1987年出版。"),
        document("", "林晚秋来自云州市，父亲是一名船长。"),
        document("", "云州市位于东海之滨，人口约三十万。"),
        document("", "不少写书的人很晚才成名，他们的履历也很短。"),
        document("", "春天的河水很冷，孩子们在岸边放风筝。"),
        document("", "火车每天早上七点开出，晚上十点回来。"),
        document("", "图书馆的二楼有许多旧地图和老照片。"),
        document("", "市场上的鱼在中午之前就卖完了。"),
    ]
    index = Index.build(documents)
    assert index.rank_documents(["云州市的人口有多少"])[0] == 2
    asked = "《雾中灯塔》的作者背景如何"
    assert index.rank_documents([asked])[:2] == [0, 1]
    assert index.scores([asked], method="bm25")[1] == 0
    assert index.names_in("谁写了《雾中灯塔》") == ["雾中灯塔"]


def test_one_corpus_may_hold_several_scripts() -> None:
    documents = [document("Notes", "The probe 探测器 landed on Titan."), document("笔记", "船长 met Ms. Álvarez in Málaga.")]
    index = Index.build(documents)
    for query, best in [("探测器", 0), ("船长", 1), ("titan", 0), ("Alvarez", 1), ("málaga", 1)]:
        assert index.rank_documents([query])[0] == best
        assert np.count_nonzero(index.scores([query])) >= 1


def test_code_is_found_by_its_symbols() -> None:
    documents = [
        Document(
            id="app/readers.py",
            text="from app.window import slide_window\n\n\ndef read_all(path):\n    return slide_window(path)\n",
        ),
        Document(
            id="app/window.py", text="def slide_window(path, size=7):\n    return [path[i : i + size] for i in range(9)]\n"
        ),
        Document(id="app/main.py", text="import sys\n\n\nclass Main:\n    def run(self):\n        print(sys.argv)\n"),
    ]
    index = Index.build(documents)
    assert index.rank_documents(["What size does slide_window have by default?"])[0] == 1
    assert index.names_in("Does slide_window call anything?") == ["slide window"]
    assert index.passages_naming("slide_window").tolist() == [1, 0]


def test_a_query_that_nothing_matches_scores_zero_and_keeps_corpus_order() -> None:
    index = Index.build(HOPS)
    for query in ["xylograph zzz", "", "?!", "the of and"]:
        for method in ("full", "bm25"):
            assert not index.scores([query], method=method).any()
            assert index.rank_documents([query], method=method) == list(range(len(HOPS)))
        assert index.search(query, 3) == []


def test_an_empty_corpus_answers_everything_with_nothing(tmp_path: Path) -> None:
    built = Index.build([])
    built.save(tmp_path)
    for index in (built, Index.load(tmp_path), built.add([])):
        assert index.passages == 0
        assert index.spans.shape == (0, 3)
        assert index.scores(["anything"]).shape == (0,)
        assert index.rank_documents(["anything"]) == []
        assert index.search("anything", 5) == []
        assert index.names_in("Any Name") == []
        assert index.frequency("any") == 0


def test_documents_without_words_are_ranked_last_and_harm_nothing() -> None:
    documents = [Document(id="empty", text=""), Document(id="marks", text="--- !!! \ud800"), *HOPS]
    index = Index.build(documents)
    assert index.rank_documents([QUESTION])[:2] == [2, 3]
    assert set(index.rank_documents([QUESTION])) == set(range(len(documents)))
    assert Index.build(documents[:2]).rank_documents(["x"]) == [0, 1]


@pytest.mark.parametrize("cut", [0, 1, 3, 6])
def test_a_grown_index_is_the_one_built_afresh(cut: int) -> None:
    documents = [
        *HOPS[:3],
        document("", "林晚秋住在云州市。林晚秋是船长。"),
        document("Long", "Kestrel Rovers won again. " * 200),
    ]
    fresh, grown = Index.build(documents), Index.build(documents[:cut]).add(documents[cut:])
    assert np.array_equal(fresh.spans, grown.spans)
    for query in [QUESTION, "林晚秋", "rovers"]:
        np.testing.assert_allclose(fresh.scores([query]), grown.scores([query]), rtol=1e-6)
        assert fresh.names_in(query) == grown.names_in(query)
    assert fresh.frequency("rover") == grown.frequency("rover") > 5


def test_a_saved_index_is_the_same_when_loaded_and_can_grow(tmp_path: Path) -> None:
    built = Index.build(HOPS[:4])
    built.save(tmp_path)
    loaded = Index.load(tmp_path)
    assert np.array_equal(loaded.scores([QUESTION]), built.scores([QUESTION]))
    assert np.array_equal(loaded.spans, built.spans)
    assert loaded.names_in(QUESTION) == built.names_in(QUESTION) == ["edna marlowe"]
    whole = Index.build(HOPS)
    assert np.array_equal(loaded.add(HOPS[4:]).scores([QUESTION]), whole.scores([QUESTION]))
    assert not {path.suffix for path in tmp_path.iterdir()} - {".npy", ".json"}


def test_an_index_of_another_format_is_refused(tmp_path: Path) -> None:
    Index.build(HOPS).save(tmp_path)
    (tmp_path / "index.json").write_text('{"format": 0, "arrays": []}')
    with pytest.raises(ValueError, match="format 0"):
        Index.load(tmp_path)


def test_two_builds_of_one_corpus_are_equal() -> None:
    one, two = Index.build(HOPS), Index.build(HOPS)
    assert one.scores([QUESTION]).tobytes() == two.scores([QUESTION]).tobytes()


def test_the_best_of_several_queries_counts() -> None:
    index = Index.build(HOPS)
    several = index.rank_documents(["bakers of the fair in June", "guards the goal"])
    assert {HOPS[i].title for i in several[:2]} == {"Town fair", "Goalkeeping"}


def test_scores_lie_between_zero_and_one_and_a_better_covered_query_scores_higher() -> None:
    index = Index.build(HOPS)
    near, far = index.scores(["harbour museum ships ropes"]), index.scores(["harbour xylograph vizier quartz"])
    assert 0 < far.max() < near.max() <= 1
    assert min(near.min(), far.min()) >= 0


def test_hits_are_of_different_documents_before_any_is_shown_twice() -> None:
    documents = [document("Long", "The otter swims in the river. " * 300), document("Other", "An otter, seen once."), *HOPS]
    index = Index.build(documents)
    hits = index.search("otter", 4)
    assert [int(index.spans[passage, 0]) for passage, _ in hits][:2] in ([0, 1], [1, 0])
    assert [int(index.spans[passage, 0]) for passage, _ in hits][2:] == [0, 0]


def test_statistics_count_passages_by_normalised_term() -> None:
    index = Index.build(HOPS)
    assert index.terms("Founded by dock WORKERS, 1887!") == ["found", "dock", "worker", "1887"]
    assert index.terms("灯塔灯") == ["灯", "灯塔", "塔", "塔灯", "灯"]
    assert index.frequency("worker") == 2
    assert index.passages == len(HOPS)
    for sample in HOPS:
        assert all(index.frequency(term) > 0 for term in index.terms(sample.text))


def test_a_pasted_document_may_be_the_query() -> None:
    words = " ".join(f"word{i}" for i in range(3000))
    index = Index.build([*HOPS, document("Words", words)])
    assert index.rank_documents([words * 2])[0] == len(HOPS)
