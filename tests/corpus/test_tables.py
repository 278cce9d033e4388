"""Tables stay tables: cut at the ends of rows, with their header above every part, and quotes where they really stand."""

from __future__ import annotations

import csv
import io

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from extagents.agents.evidence import split
from extagents.corpus.corpus import Corpus
from extagents.corpus.shards import header_tokens
from extagents.corpus.tables import tables
from extagents.corpus.tokens import TokenCounter
from extagents.prompts import show_shard
from extagents.types import Document

COUNTER = TokenCounter()
HEAD = "| city | people |\n| --- | --- |\n"
ROWS = "".join(f"| Town {n} | {n * 37} |\n" for n in range(800))
CELL = st.text(alphabet='ab,"\n好é1 ', max_size=12)
PARTS = st.lists(
    st.one_of(
        st.sampled_from(["A paragraph of some words.\n\n", "# Heading\n\n", "| no | table |\n", "\n", "text | with | bars\n"]),
        st.builds(lambda n: f"\n{HEAD}" + "".join(ROWS.splitlines(keepends=True)[:n]), st.integers(1, 300)),
        st.builds(lambda n: "Words without an end " * n, st.integers(1, 200)),
    ),
    max_size=8,
).map("".join)


def written(rows: list[list[str]]) -> str:
    out = io.StringIO()
    csv.writer(out, lineterminator="\n").writerows(rows)
    return out.getvalue()


@given(PARTS, st.integers(120, 900))
@settings(deadline=None, max_examples=120)
def test_joined_shards_are_the_document_and_parts_of_tables_have_their_header(text: str, limit: int) -> None:
    corpus = Corpus([Document(text=text, id="a.md", title="A")])
    together = ""
    found = tables(corpus.documents[0])
    for shard in corpus.shards(limit):
        for section in corpus.shard_text(shard).sections:
            assert section.text == text[section.start : section.end]
            assert section.head == text[section.head_start : section.head_start + len(section.head)]
            inside = [table for table in found if table.head <= section.start < table.end]
            assert bool(inside) == bool(section.head)
            if inside:
                assert section.head == text[inside[0].start : inside[0].head]
                assert text[section.start - 1] == "\n"
            together += section.text
        cost = sum(
            header_tokens("A") + COUNTER.count(s.text) + COUNTER.count(s.head) for s in corpus.shard_text(shard).sections
        )
        assert cost == shard.tokens <= limit
    assert together == text


@given(st.lists(st.tuples(CELL, CELL), min_size=1, max_size=150), st.integers(120, 400))
@settings(deadline=None, max_examples=80)
def test_csv_is_cut_at_the_ends_of_rows_only(rows: list[tuple[str, str]], limit: int) -> None:
    text = written([["name", "remark"], *[list(row) for row in rows]])
    corpus = Corpus([Document(text=text, id="t/a.csv")])
    read: list[list[str]] = []
    for number, shard in enumerate(corpus.shards(limit)):
        (section,) = corpus.shard_text(shard).sections
        assert section.head == ("" if number == 0 else "name,remark\n")
        read += csv.reader(io.StringIO(section.text))
    assert read == list(csv.reader(io.StringIO(text)))


def test_a_reader_sees_the_header_above_the_rows_that_go_on() -> None:
    corpus = Corpus([Document(text=f"# Towns\n\n{HEAD}{ROWS}\nAfter it.\n", id="a.xlsx", title="Towns")])
    shards = corpus.shards(700)
    assert len(shards) > 5
    for shard in shards[1:]:
        shown = show_shard(corpus.shard_text(shard))
        first, second, rule, row = shown.split("\n")[:4]
        assert first.startswith("[Document: Towns (continued at ")
        assert (second, rule) == ("| city | people |", "| --- | --- |")
        assert row.startswith("| Town ")


def test_quotes_of_a_header_shown_again_are_found_where_it_stands() -> None:
    text = f"# Towns\n\n{HEAD}{ROWS}"
    corpus = Corpus([Document(text=text, id="a.md")])
    shard = corpus.shards(700)[2]
    for quote in ("| city | people |", "city | people", "“city | people”"):
        found = corpus.locate(quote, shard)
        assert found is not None
        assert text[found.start : found.end] == found.text
        assert found.start < text.index("| Town 0")
    section = corpus.shard_text(shard).sections[0]
    row = section.text.split("\n")[1]
    found = corpus.locate(row, shard)
    assert found is not None
    assert text[found.start : found.end] == row
    assert found.start >= section.start
    assert corpus.locate("| Town 0 | 0 |", shard) is None


def test_a_shard_split_in_two_keeps_the_header() -> None:
    corpus = Corpus(
        [
            Document(text=f"{HEAD}{ROWS}", id="a.md"),
            Document(text=written([["a", "b"], *[[str(n), "x" * 9] for n in range(900)]]), id="b.csv"),
        ]
    )
    for shard in corpus.shards(900):
        halves = split(corpus.shard_text(shard))
        if halves is None:  # the last one may be short
            assert shard.position == len(corpus.shards(900)) - 1
            continue
        for section in halves[1].sections:
            document = corpus.by_id[section.document]
            assert section.text == document.text[section.start : section.end]
            assert section.head == document.text[section.head_start : section.head_start + len(section.head)]
            assert section.head in ((HEAD, "a,b\n") if section.start else ("",))


@pytest.mark.parametrize(
    ("name", "text", "expected"),
    [
        ("a.md", f"{HEAD}| x | 1 |\n\ntext", [(0, 32, 42)]),
        ("a.md", "| a | b |\n| c | d |\n", []),
        ("a.md", "a | b\n--- | ---\n", []),
        ("a.csv", "a,b\n1,2\n", [(0, 4, 8)]),
        ("a.csv.gz", '"a\nx",b\n1,2\n', [(0, 8, 12)]),
        ("z.zip/a.tsv#2", "a\tb\n1\t2\n", [(0, 4, 8)]),
        ("a.csv", "1,2\n3,4\n", []),
        ("a.csv", "", []),
    ],
)
def test_what_is_a_table(name: str, text: str, expected: list[tuple[int, int, int]]) -> None:
    assert [tuple(table)[:3] for table in tables(Document(text=text, id=name))] == expected


def test_a_row_that_fits_no_shard_is_cut_all_the_same() -> None:
    text = f"{HEAD}| long | {'words ' * 3_000}|\n| x | 1 |\n"
    corpus = Corpus([Document(text=text, id="a.md")])
    assert "".join(s.text for shard in corpus.shards(300) for s in corpus.shard_text(shard).sections) == text
    csv_text = 'a,b\n"' + "words, and\n" * 3_000 + '",x\n1,2\n'
    corpus = Corpus([Document(text=csv_text, id="a.csv")])
    assert "".join(s.text for shard in corpus.shards(300) for s in corpus.shard_text(shard).sections) == csv_text


def test_marks_that_quote_nothing_do_not_join_rows() -> None:
    text = "size,what\n" + "".join(f'{n}",rope number {n}\n' for n in range(1, 2_000))
    corpus = Corpus([Document(text=text, id="a.csv")])
    for shard in corpus.shards(300):
        (section,) = corpus.shard_text(shard).sections
        assert section.text.endswith("\n")
