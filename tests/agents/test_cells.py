"""Rows as readers report them: cells are located where their entity stands, and have to hold their value."""

from __future__ import annotations

import pytest

from extagents.agents.cells import check_rows
from extagents.tabular import Column, ReportedCell, ReportedRow, TableSchema
from extagents.types import Document, Section, ShardText

TABLE = TableSchema(
    entity="ship",
    columns=(
        Column(name="length", type="number", unit="m", description="Length."),
        Column(name="flag", type="text", description="Flag."),
    ),
)


def shard(*documents: Document) -> ShardText:
    sections = (Section(document=one.id, title=one.title, text=one.text, start=0, end=len(one.text)) for one in documents)
    return ShardText(id="s", sections=tuple(sections))


def row(entity: str, *cells: tuple[str, str, str], date: str = "") -> ReportedRow:
    return ReportedRow(
        entity=entity, date=date, cells=[ReportedCell(column=c, value=value, quote=quote) for c, value, quote in cells]
    )


def checked(rows: list[ReportedRow], *documents: Document) -> dict[str, list[tuple[str, bool, str, int | None]]]:
    found = check_rows(rows, shard(*documents), {one.id: one for one in documents}, TABLE)
    return {one.entity: [(cell.column, cell.trusted, cell.document, cell.start) for cell in one.cells] for one in found}


A = Document(id="a", title="Amber", text="The Amber.\nFlag: Malta\nLength: 30 m\n")
B = Document(id="b", title="Briar", text="The Briar.\nFlag: Malta\nLength: 41 m\n")


def test_equal_lines_of_two_documents_belong_to_their_own_entities() -> None:
    found = checked([row("Amber", ("flag", "Malta", "Flag: Malta")), row("Briar", ("flag", "Malta", "Flag: Malta"))], A, B)
    assert found == {"Amber": [("flag", True, "a", 11)], "Briar": [("flag", True, "b", 11)]}


def test_equal_lines_of_one_document_stand_after_the_name_that_they_belong_to() -> None:
    both = Document(id="l", title="List", text="Amber\nFlag: Malta\n\nBriar\nFlag: Malta\n")
    found = checked([row("Briar", ("flag", "Malta", "Flag: Malta")), row("Amber", ("flag", "Malta", "Flag: Malta"))], both)
    assert found["Amber"][0][3] == both.text.index("Flag")
    assert found["Briar"][0][3] == both.text.rindex("Flag")


def test_a_misread_digit_is_not_trusted_though_the_quote_is_found() -> None:
    assert checked([row("Amber", ("length", "31 m", "Length: 30 m"))], A)["Amber"] == [("length", False, "a", 23)]


def test_a_misquoted_line_is_replaced_by_the_documents_own_and_then_does_not_hold_the_value() -> None:
    long = Document(
        id="c", title="Cobalt", text="The ship Cobalt has a length of 1,234 m over all and was built in a small yard."
    )
    wrong = "The ship Cobalt has a length of 1,243 m over all and was built in a small yard."
    assert checked([row("Cobalt", ("length", "1,243 m", wrong))], long)["Cobalt"][0][1] is False


def test_a_quote_that_is_nowhere_is_counted_but_not_trusted() -> None:
    assert checked([row("Amber", ("length", "30 m", "It measures thirty"))], A)["Amber"] == [("length", False, "a", None)]


def test_cells_of_columns_that_nobody_asked_for_are_left_out() -> None:
    found = checked([row("Amber", ("colour", "red", "The Amber."), ("length", "30 m", "Length: 30 m"))], A)
    assert [cell[0] for cell in found["Amber"]] == ["length"]


def test_a_row_of_two_documents_is_a_row_for_each() -> None:
    more = Document(id="m", title="Amber, continued", text="Amber\nLength: 30 m\n")
    rows = [row("Amber", ("flag", "Malta", "Flag: Malta"), ("length", "30 m", "Length: 30 m"))]
    found = check_rows(rows, shard(A, more), {"a": A, "m": more}, TABLE)
    assert {one.document for one in found} <= {"a", "m"}
    assert all(cell.document == one.document for one in found for cell in one.cells)


NIGERIA = Document(id="1", title="Nigeria", text="The Nigeria.\nFlag: green\n")
NIGER = Document(id="2", title="Niger", text="The Niger.\nFlag: green\n")


@pytest.mark.parametrize("documents", [(NIGERIA, NIGER), (NIGER, NIGERIA)])
def test_an_equal_line_is_cited_from_the_document_of_that_very_name(documents: tuple[Document, ...]) -> None:
    rows = [row(name, ("flag", "green", "Flag: green")) for name in ("Niger", "Nigeria")]
    found = checked(rows, *documents)
    assert {name: cells[0][2] for name, cells in found.items()} == {"Niger": "2", "Nigeria": "1"}


def test_a_name_stands_at_the_borders_of_words_also_within_a_title_or_a_text() -> None:
    long = Document(id="2", title="Profile of Niger, 2020", text="Flag: green\n")
    assert checked([row("Niger", ("flag", "green", "Flag: green"))], NIGERIA, long)["Niger"][0][2] == "2"
    text = Document(id="2", title="Profile", text="Of Niger.\nFlag: green\n")
    assert checked([row("Niger", ("flag", "green", "Flag: green"))], NIGERIA, text)["Niger"][0][2] == "2"


def test_a_chinese_name_needs_no_borders_but_its_own_title_comes_first() -> None:
    bank = Document(id="1", title="晨光银行大厦", text="晨光银行大厦\nFlag: green\n")
    own = Document(id="2", title="晨光银行", text="晨光银行\nFlag: green\n")
    assert checked([row("晨光银行", ("flag", "green", "Flag: green"))], bank, own)["晨光银行"][0][2] == "2"
    within = Document(id="3", title="关于晨光银行的报告", text="Flag: green\n")
    other = Document(id="4", title="江海银行", text="江海银行\nFlag: green\n")
    assert checked([row("晨光银行", ("flag", "green", "Flag: green"))], other, within)["晨光银行"][0][2] == "3"
