"""Second looks: what a table may lack is found by wordings that its quotes share, and read again in small shards."""

from __future__ import annotations

from typing import Any

import registers
from test_tabulating import kinds, team

from extagents import Document
from extagents.gaps import second_look
from extagents.tables.building import Source, build
from extagents.tabular import CellFound, RowFound, RowsRead, TableSchema

LENGTH = registers.COLUMNS["length"]
SCHEMA = TableSchema(entity="ship", columns=(LENGTH,))


def found(document: Document) -> RowFound:
    """The row of a ship, as a reader that overlooked nothing reports it."""
    line = next(line for line in document.text.splitlines() if line.startswith("Length"))
    start = document.text.index(line)
    cell = CellFound(
        column="length",
        raw=line.removeprefix("Length: "),
        quote=line,
        document=document.id,
        start=start,
        end=start + len(line),
        trusted=True,
    )
    return RowFound(entity=document.title, document=document.id, cells=(cell,))


def looked(corpus: Any, rows: list[RowFound], *, look: int = 0) -> set[str]:
    """The documents that a further look reads."""
    table = build("ship", SCHEMA, [Source(row, order) for order, row in enumerate(rows)])
    shards = second_look(corpus, table, SCHEMA.columns, rows, look=look)
    return {corpus.documents[piece.document].id for shard in shards for piece in shard.pieces}


def test_documents_with_a_wording_of_the_quotes_but_no_value_are_read_again() -> None:
    others = [Document(id=f"other-{n}", title=f"Paper {n}", text="Ropes, barrels and nails.\n" * 40) for n in range(6)]
    corpus = registers.Corpus.load([*registers.documents(), *others])
    rows = [found(document) for document in registers.documents()]
    missing = {"ship-03", "ship-08"}
    assert looked(corpus, [row for row in rows if row.document not in missing]) == missing


def test_where_nothing_is_missing_nothing_is_read_again() -> None:
    corpus = registers.corpus()
    assert looked(corpus, [found(document) for document in corpus.documents]) == set()


def test_an_entity_whose_value_is_unknown_is_looked_for_in_its_own_documents() -> None:
    corpus = registers.corpus()
    rows = [found(document) for document in corpus.documents]
    rows[5] = rows[5].model_copy(update={"cells": (rows[5].cells[0].model_copy(update={"trusted": False}),)})
    assert looked(corpus, rows) == {"ship-05"}


def test_the_shards_hold_the_beginnings_of_their_documents_and_are_small() -> None:
    corpus = registers.corpus(filler=120)
    rows = [found(document) for document in corpus.documents]
    table = build("ship", SCHEMA, [Source(row, order) for order, row in enumerate(rows[2:])])
    shards = second_look(corpus, table, SCHEMA.columns, rows[2:], look=1, most=700)
    assert {piece.start for shard in shards for piece in shard.pieces} > {0}
    assert all(shard.tokens <= 700 for shard in shards)


async def test_values_that_a_reader_overlooked_in_long_shards_are_found_in_short_ones() -> None:
    def rows(prompt: Any) -> RowsRead:
        read = registers.rows(prompt)
        long = sum(len(section.text) for section in prompt.inputs.shard.sections) > 6_000
        return RowsRead(rows=read.rows[: len(read.rows) - 1] if long and len(read.rows) > 2 else read.rows)

    model, corpus = registers.model(rows=rows), registers.corpus(filler=60)
    async with team(model, shard_tokens=4_000) as asked:
        answer = await asked.aask(registers.HOW_MANY, over=corpus)
        quick = await asked.aask(registers.HOW_MANY, over=corpus)
    assert answer.text == quick.text == registers.ANSWERS[registers.HOW_MANY]
    assert answer.table is not None
    assert len(answer.table) == len(registers.SHIPS)

    hurried = registers.model(rows=rows)
    async with team(hurried, shard_tokens=4_000, effort="quick") as asked:
        less = await asked.aask(registers.HOW_MANY, over=corpus)
    assert less.table is not None
    assert len(less.table) < len(registers.SHIPS), "the test's reader does overlook something"
    assert kinds(hurried)["RowsRead"] < kinds(model)["RowsRead"]
