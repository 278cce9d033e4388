"""Tables that are written in other ways: parted by semicolons, without bars around them."""

from __future__ import annotations

import pytest

from extagents.corpus.corpus import Corpus
from extagents.corpus.tables import tables
from extagents.types import Document

ROWS = range(400)
BARE = "town | people\n--- | ---\n"


def heads(text: str, name: str) -> set[str]:
    corpus = Corpus([Document(text=text, id=name)])
    sections = [section for shard in corpus.shards(300) for section in corpus.shard_text(shard).sections]
    assert "".join(section.text for section in sections) == text
    assert len(sections) > 3
    return {section.head for section in sections if section.start}


def test_a_table_parted_by_semicolons_shows_its_header_again() -> None:
    text = "town;country;people\n" + "".join(f"Town {n};Land;{n},5\n" for n in ROWS)
    assert heads(text, "a.csv") == {"town;country;people\n"}
    assert heads(text, "a.txt") == {""}


@pytest.mark.parametrize(
    "head", [BARE, "| town | people\n| --- | ---\n", "town | people |\n|---|---|\n", "a \\| b|c\n:-:|---:\n"]
)
def test_a_table_without_bars_around_it_shows_its_header_again(head: str) -> None:
    assert heads(head + "".join(f"Town {n} | {n}\n" for n in ROWS), "a.md") == {head}


def test_a_table_without_bars_ends_where_its_rows_end() -> None:
    text = f"Before.\n\n{BARE}a | 1\nb | 2\n\nAfter | it.\n"
    (table,) = tables(Document(text=text, id="a.md"))
    assert text[table.start : table.head] == BARE
    assert text[table.head : table.end] == "a | 1\nb | 2\n"


@pytest.mark.parametrize(
    "text", ["A heading | of two\n---\ntext | more\n", "one\n--- | ---\na | b\n", "a | b | c\n--- | ---\na | b\n"]
)
def test_a_rule_of_other_columns_makes_no_table(text: str) -> None:
    assert tables(Document(text=text, id="a.md")) == []
