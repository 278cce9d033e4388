"""Corpus: a value with shards, index and counts that are worked out once."""

from __future__ import annotations

import os
import stat
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from extagents.corpus import corpus as corpus_module
from extagents.corpus import loaders
from extagents.corpus.corpus import Corpus
from extagents.types import Document

TOWNS = ("Paris", "Rome", "Berlin", "Madrid", "Vienna", "Prague", "Lisbon", "Athens")


def towns(number: int = 8) -> list[Document]:
    return [
        Document(id=town, title=town, text=f"{town} is a town. The mayor of {town} is Mr. {town[::-1].title()}.\n")
        for town in TOWNS[:number]
    ]


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    root = tmp_path / "docs"
    root.mkdir()
    for document in towns():
        file = root / f"{document.id}.txt"
        file.write_text(document.text)
        os.utime(file, (1_000_000_000, 1_000_000_000))
    return root


@pytest.fixture
def reads(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The names of the files that are read."""
    names: list[str] = []
    read = loaders.read

    def counted(path: Path, **options: object) -> object:
        names.append(path.name)
        return read(path, **options)  # type: ignore[arg-type]

    monkeypatch.setattr(loaders, "read", counted)
    # Files made a moment ago count as unsettled; tests have no time to let them settle.
    monkeypatch.setattr("extagents.corpus.cache._RACY_NS", 0)
    return names


def test_search_gives_passages_of_the_documents() -> None:
    corpus = Corpus.load(towns(), cache=False)
    hits = corpus.search("Who is the mayor of Vienna?", k=3)
    assert hits[0].document == "Vienna"
    assert [hit.score for hit in hits] == sorted((hit.score for hit in hits), reverse=True)
    for hit in hits:
        assert corpus.by_id[hit.document].text[hit.start : hit.end] == hit.text


@given(st.lists(st.text(max_size=300), min_size=1, max_size=5))
@settings(deadline=None, max_examples=60)
def test_sections_hold_exactly_the_documents_for_every_text(texts: list[str]) -> None:
    corpus = Corpus([Document(text=text) for text in texts])
    for shards in (corpus.shards(60), corpus.ranked_shards(["a b"])):
        seen = dict.fromkeys(corpus.by_id, "")
        for shard in shards:
            for section in corpus.shard_text(shard).sections:
                document = corpus.by_id[section.document]
                assert section.text == document.text[section.start : section.end]
                seen[section.document] += section.text
        assert seen == {document.id: document.text for document in corpus.documents}


def test_ranked_shards_begin_with_what_the_queries_ask_for() -> None:
    corpus = Corpus.load(towns(), cache=False)
    first = corpus.ranked_shards(["mayor of Lisbon"])[0]
    assert corpus.shard_text(first).sections[0].document == "Lisbon"


def test_lone_surrogates_in_a_users_text_are_replaced_one_for_one() -> None:
    corpus = Corpus([Document(text="Ilse \ud800 Brandt", id="a\ud800", title="\udfff")])
    document = corpus.documents[0]
    assert (document.text, document.id, document.title) == ("Ilse \ufffd Brandt", "a\ufffd", "\ufffd")


def test_documents_come_from_iterators_and_mixtures(folder: Path) -> None:
    def stream() -> Iterator[Document]:
        yield Document(text="The first text.")
        yield Document(text="The second text.", id="two", title="Two")

    assert [(d.id, d.title) for d in Corpus.load(stream(), cache=False).documents] == [("1", "1"), ("two", "Two")]
    mixed = Corpus.load([folder, Document(text="More.", id="Rome.txt")], cache=False)
    assert len(mixed) == 9
    assert "Rome.txt#2" in mixed.by_id
    assert Corpus.load(mixed) is mixed


def test_a_corpus_grows_shrinks_and_is_filtered_without_changing() -> None:
    corpus = Corpus.load(towns(3), cache=False)
    assert corpus.search("Athens") == []
    larger = corpus.add(towns()[7:])
    assert larger.search("mayor of Athens")[0].document == "Athens"
    assert [d.id for d in larger.remove(["Rome"]).documents] == ["Paris", "Berlin", "Athens"]
    dated = Corpus.load([Document(text="old", metadata={"year": 1}), Document(text="new", metadata={"year": 2})], cache=False)
    assert [d.text for d in dated.where(lambda metadata: metadata["year"] > 1).documents] == ["new"]
    assert len(corpus) == 3
    assert len({corpus.fingerprint, larger.fingerprint, larger.remove(["Rome"]).fingerprint}) == 3
    assert larger.remove(["Athens"]).fingerprint == corpus.fingerprint


def test_only_a_changed_file_is_read_again(folder: Path, tmp_path: Path, reads: list[str]) -> None:
    first = Corpus.load(folder, cache=tmp_path / "cache")
    assert len(reads) == 8
    reads.clear()
    again = Corpus.load(folder, cache=tmp_path / "cache")
    assert reads == []
    assert again.documents == first.documents
    (folder / "Rome.txt").write_text("Rome has changed.")
    (folder / "Oslo.txt").write_text("Oslo is new.")
    (folder / "Paris.txt").unlink()
    changed = Corpus.load(folder, cache=tmp_path / "cache")
    assert sorted(reads) == ["Oslo.txt", "Rome.txt"]
    assert changed.by_id["Rome.txt"].text == "Rome has changed."
    assert "Paris.txt" not in changed.by_id
    assert changed.documents == Corpus.load(folder, cache=False).documents


def test_notices_are_kept_with_the_cached_text(folder: Path, tmp_path: Path, reads: list[str]) -> None:
    (folder / "bad.txt").write_bytes("Größe und Länge, Öl und Übel. ".encode() * 20 + b"\xff")
    first = Corpus.load(folder, cache=tmp_path / "cache")
    reads.clear()
    assert Corpus.load(folder, cache=tmp_path / "cache").notices == first.notices != ()
    assert reads == []


def test_a_file_changed_while_it_was_read_is_read_again(folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (folder / "Rome.txt").write_text("Rome at one.")
    Corpus.load(folder, cache=tmp_path / "cache")
    state = (folder / "Rome.txt").stat()
    (folder / "Rome.txt").write_text("Rome at two.")
    os.utime(folder / "Rome.txt", ns=(state.st_atime_ns, state.st_mtime_ns))
    assert Corpus.load(folder, cache=tmp_path / "cache").by_id["Rome.txt"].text == "Rome at two."


def test_index_shards_and_counts_come_from_the_cache(folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from extagents.corpus.index import Index

    first = Corpus.load(folder, cache=tmp_path / "cache")
    expected = (first.tokens, first.shards(100), first.search("mayor of Rome"))

    def forbidden(*_: object, **__: object) -> None:
        raise AssertionError("worked out again")

    monkeypatch.setattr(Index, "build", forbidden)
    monkeypatch.setattr(corpus_module, "pack", forbidden)
    monkeypatch.setattr("extagents.corpus.tokens.TokenCounter.estimate", forbidden)
    again = Corpus.load(folder, cache=tmp_path / "cache")
    assert (again.tokens, again.shards(100), again.search("mayor of Rome")) == expected


def test_a_damaged_cache_is_made_anew(folder: Path, tmp_path: Path) -> None:
    cache = tmp_path / "cache"
    first = Corpus.load(folder, cache=cache)
    expected = (first.documents, first.tokens, first.shards(100), first.search("mayor of Rome"))
    damaged = 0
    for path in cache.rglob("*"):
        if path.is_file():
            path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])
            damaged += 1
    assert damaged > 3
    for _ in range(2):
        again = Corpus.load(folder, cache=cache)
        assert (again.documents, again.tokens, again.shards(100), again.search("mayor of Rome")) == expected


def test_the_cache_belongs_to_its_owner(folder: Path, tmp_path: Path) -> None:
    corpus = Corpus.load(folder, cache=tmp_path / "cache")
    assert corpus.tokens
    assert corpus.index.passages
    for path in [tmp_path / "cache", *(tmp_path / "cache").rglob("*")]:
        assert not stat.S_IMODE(path.stat().st_mode) & 0o077


def test_a_cache_that_cannot_be_written_is_done_without(folder: Path, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("not a folder")
    corpus = Corpus.load(folder, cache=tmp_path / "file" / "cache")
    assert len(corpus) == 8
    assert "cache" in corpus.notices[0]
    assert corpus.search("mayor of Rome")


def test_a_disk_that_fills_up_costs_only_the_cache(folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    corpus = Corpus.load(folder, cache=tmp_path / "cache")

    def full(*_: object, **__: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(Path, "mkdir", full)
    monkeypatch.setattr(os, "open", full)
    assert corpus.tokens > 0
    assert corpus.shards(100)
    assert corpus.search("mayor of Rome")


def test_threads_share_one_index(monkeypatch: pytest.MonkeyPatch) -> None:
    from extagents.corpus.index import Index

    corpus = Corpus.load(towns(), cache=False)
    built: list[int] = []
    build = Index.build

    def counted(documents: tuple[Document, ...]) -> Index:
        built.append(1)
        return build(documents)

    monkeypatch.setattr(Index, "build", counted)
    threads = [threading.Thread(target=corpus.search, args=("mayor",)) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert built == [1]


def test_progress_counts_files(folder: Path) -> None:
    seen: list[tuple[int, int]] = []
    Corpus.load(folder, cache=False, on_progress=lambda done, total: seen.append((done, total)))
    assert seen == [(n, 8) for n in range(1, 9)]


def test_a_corpus_shows_what_it_is() -> None:
    assert repr(Corpus.load(towns(2), cache=False)).startswith("Corpus(2 documents, 9")


def test_a_title_is_one_line_of_a_titles_length() -> None:
    corpus = Corpus([Document(text="Some text.", title="Two\n\n# lines " + "and more " * 1_000)])
    assert corpus.documents[0].title.startswith("Two # lines and more")
    assert len(corpus.documents[0].title) == 300
