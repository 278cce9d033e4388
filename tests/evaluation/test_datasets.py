"""Inputs built around questions: gold words verbatim, sizes as asked for, the same for the same seed."""

from __future__ import annotations

import random
from pathlib import Path

import pytest

from extagents import Document
from extagents.evaluation import datasets
from extagents.evaluation.datasets import Dataset, in_chapters, question, stretched, tokens_of

CORPUS = tuple(
    Document(
        id=f"d{n}", title=f"Subject {n}", text=f"Subject {n} was built in {1900 + n} by Builder {n}. " + "It stands. " * 30
    )
    for n in range(200)
)
ROW = {
    "id": "q1",
    "question": "Where was the builder of Subject 7 born?",
    "answers": ["Bonn"],
    "kind": "multi_hop",
    "gold": [
        {"doc": "d7", "quote": "Subject 7 was built in 1907 by Builder 7."},
        {"doc": "born", "quote": "Builder 7 was born in Bonn."},
    ],
}
BORN = Document(
    id="born", title="Builder 7 (architect)", text="Builder 7 was born in\nBonn. He loved stairs.".replace("\n", " ")
)
DATASET = Dataset("set", (*CORPUS, BORN), (question(ROW),))
ASKED = DATASET.questions[0]


def novels() -> list[Document]:
    rng = random.Random(3)
    made = []
    for n in range(6):
        paragraphs = (" ".join(rng.choice(("sea", "wind", "ship")) for _ in range(80)) + "." for _ in range(120))
        made.append(Document(id=f"novel-{n}", title=f"Novel {n}", text="\n\n".join(paragraphs)))
    return made


def test_a_stretched_input_holds_the_gold_documents_and_has_the_size_asked_for() -> None:
    documents = stretched(ASKED, DATASET, 8_000, seed=1)
    assert {"d7", "born"} <= {document.id for document in documents}
    assert len({document.id for document in documents}) == len(documents)
    assert tokens_of(documents) == pytest.approx(8_000, rel=0.02)


def test_padding_fills_up_what_the_set_cannot() -> None:
    padding = datasets.pieces(novels())
    documents = stretched(ASKED, DATASET, 40_000, seed=1, padding=padding)
    assert tokens_of(documents) == pytest.approx(40_000, rel=0.02)
    assert sum(document.id.startswith("novel") for document in documents) > 10


def test_inputs_are_the_same_for_the_same_seed_only() -> None:
    first, again, other = (stretched(ASKED, DATASET, 8_000, seed=seed) for seed in (1, 1, 2))
    assert first == again != other


def test_pieces_join_to_the_document() -> None:
    novel = novels()[0]
    parts = datasets.pieces([novel], 1_000)
    assert "".join(part.text for part in parts) == novel.text
    assert max(len(part.text) for part in parts) <= 1_300


@pytest.mark.parametrize("tokens", [30_000, 60_000])
def test_chapters_hold_the_gold_words_verbatim_in_few_long_documents(tokens: int) -> None:
    documents, row = in_chapters(ASKED, DATASET, novels(), tokens, seed=1)
    by_id = {document.id: document for document in documents}
    assert 4 <= len(documents) <= 6
    assert tokens_of(documents) == pytest.approx(tokens, rel=0.02)
    for gold, source in zip(row["gold"], ROW["gold"], strict=True):
        assert gold["quote"] == source["quote"]
        assert gold["quote"] in by_id[gold["doc"]].text
    assert (documents, row) == in_chapters(ASKED, DATASET, novels(), tokens, seed=1)
    assert documents != in_chapters(ASKED, DATASET, novels(), tokens, seed=2)[0]


def test_steps_tell_which_passage_leads_to_which() -> None:
    _, row = in_chapters(ASKED, DATASET, novels(), 30_000, seed=1)
    assert row["steps"] == [["what is said of it", "Builder 7"], ["#1 >> what is said of it", "Bonn"]]


def test_a_scope_is_the_input() -> None:
    scoped = question({**ROW, "scope": ["d3"]})
    assert [document.id for document in stretched(scoped, DATASET, 8_000, seed=1)] == ["d3"]


def test_what_is_written_is_loaded(tmp_path: Path) -> None:
    datasets.write(tmp_path / "made", DATASET.corpus[:3], [ROW])
    loaded = datasets.load(tmp_path / "made")
    assert [document.text for document in loaded.corpus] == [document.text for document in CORPUS[:3]]
    assert loaded.questions == (ASKED,)
    with pytest.raises(FileNotFoundError):
        datasets.load(tmp_path)


def test_across_languages_documents_gold_and_answers_are_of_the_other_language() -> None:
    both = tuple(Document(id=f"x-{lang}", text=lang, metadata={"language": lang}) for lang in ("en", "zh"))
    other = {"answers": ["1968年"], "gold": [{"doc": "x-zh", "quote": "zh"}]}
    asked = question({**ROW, "language": "en", "gold": [{"doc": "x-en"}], "crosslingual": other})
    documents, rows = datasets.crosslingual(Dataset("x", both, (asked,)), "en")
    assert [document.id for document in documents] == ["x-zh"]
    assert rows[0]["answers"] == ["1968年"]
    assert rows[0]["gold"] == other["gold"]


def test_a_lookup_without_a_quote_cannot_be_scored_by_matching() -> None:
    lookup = {**ROW, "kind": "lookup", "gold": [{"doc": "d1"}]}
    assert not datasets.matchable(question(lookup))
    assert datasets.matchable(question({**lookup, "answerable": False}))
    assert datasets.matchable(ASKED)
