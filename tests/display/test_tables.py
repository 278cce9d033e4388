"""The card of a table: what it shows, what waits until it is opened, and that nothing in a document acts on the page."""

from __future__ import annotations

import pytest
from pages import HOSTILE, OVERRIDES, harmless

from extagents.display import table_card
from extagents.tabular import CellValue, Column, Conflict, Table, TableCell, TableRow
from extagents.types import Answer

CELL = TableCell(raw="13,782.8", quote="It covers 13,782.8 km² of moor.", document="moor.md", start=40, end=71, page=3, said=2)
OTHER = CELL.model_copy(update={"quote": "An area of 13,000 km².", "document": "old.md", "date": "2019-04-01"})
COLUMNS = (
    Column(name="area", type="number", unit="km²", description="area"),
    Column(name="parts", type="list", description="parts"),
)


def table(**changes: object) -> Table:
    told = {
        "name": "county",
        "entity": "county",
        "columns": COLUMNS,
        "rows": (
            TableRow(
                name="Moorland", values={"area": 13782.8, "parts": ("East", "West")}, cells={"area": CELL}, aliases=("Moor",)
            ),
            TableRow(name="Dale", values={"area": None, "parts": None}),
        ),
        "conflicts": (
            Conflict(
                name="Moorland",
                column="area",
                kept=13782.8,
                kept_from=CELL,
                dropped=13000,
                dropped_from=OTHER,
                reason="the later document",
            ),
        ),
        "without": {"area": ("Dale",), "parts": ("Dale",)},
        "doubted": 2,
        "sql": "SELECT name FROM county WHERE area < 20000",
        "result_columns": ("name", "area"),
        "result": (("Moorland", 13782.8),),
        "checks": ("A second statement, written independently, gave the same.",),
    }
    return Table.model_validate({**told, **changes})


def test_a_table_shows_its_rows_and_how_many_there_are() -> None:
    page = harmless(table()._repr_html_())
    for words in ["Table county 2 rows · 2 columns · 1 conflict", "area (km²)", "Moorland", "13,782.8", "East", "Dale", "–"]:
        assert words in page.text


def test_years_have_no_mark_between_their_digits() -> None:
    cell = CELL.model_copy(update={"raw": "2021"})
    page = harmless(
        table(
            columns=(Column(name="founded_year", type="number", description="year"), *COLUMNS[:1]),
            rows=(TableRow(name="Moor", values={"founded_year": 2021, "area": 2021}, cells={"founded_year": cell}),),
            conflicts=(
                Conflict(
                    name="Moor", column="founded_year", kept=2022, kept_from=cell, dropped=2023, dropped_from=OTHER, reason="x"
                ),
            ),
            without={},
            result_columns=("founded_year", "n"),
            result=((2024, 2025),),
        )._repr_html_()
    )
    for words in ("2021", "2022", "2023", "2024", "2,021", "2,025"):
        assert words in page.text
    for words in ("2,022", "2,023", "2,024"):
        assert words not in page.text


def test_a_value_opens_the_words_it_was_read_from() -> None:
    html = table_card(table())
    assert '<details><summary><bdi dir="auto">13,782.8</bdi></summary>' in html
    assert "<mark>It covers 13,782.8 km² of moor.</mark>" in html
    assert "characters 40–71, page 3 · said in 2 places" in harmless(html).text


def test_what_else_is_to_be_known_waits_until_it_is_opened() -> None:
    html = table_card(table())
    page = harmless(html)
    assert "<summary>SQL</summary>" in html
    assert "WHERE area &lt; 20000" in html
    told = ["result: 1 row", "1 conflict between sources", "the later document", "old.md", "of 2019-04-01"]
    told += ["entities without a value", "1: Dale", "1 check", "written independently", "2 values not taken.", "also: Moor"]
    for words in told:
        assert words in page.text


def test_an_empty_table_says_so() -> None:
    page = harmless(table_card(Table(name="t", entity="county", columns=COLUMNS)))
    assert "No rows were found." in page.text
    assert "SQL" not in page.text
    assert "without a value" not in page.text


def test_further_tables_of_a_statement_are_shown_too() -> None:
    assert (
        "table: river · 0 rows · 2 columns"
        in harmless(table_card(table(others=(Table(name="river", entity="river", columns=COLUMNS),)))).text
    )


def test_an_answer_opens_its_table() -> None:
    told = {"answered": True, "confidence": 0.9, "kind": "aggregate", "strategy": "fused"}
    answer = Answer.model_validate({"answer": "Moorland", "table": table(), **told})
    page = harmless(answer._repr_html_())
    assert "table: county · 2 rows · 2 columns · 1 conflict" in page.text
    assert "<summary>table:" in answer._repr_html_()
    assert "table:" not in answer.model_copy(update={"table": None})._repr_html_()


def test_thousands_of_rows_and_columns_make_a_page_of_some() -> None:
    columns = tuple(Column(name=f"c{number}", type="text", description="") for number in range(300))
    cell = CELL.model_copy(update={"quote": "word " * 10_000})
    values: dict[str, CellValue | None] = {column.name: "value " * 1_000 for column in columns}
    row = TableRow(name="name " * 1_000, values=values, cells={column.name: cell for column in columns})
    conflict = Conflict(name="n", column="c", kept="a " * 9_000, kept_from=cell, dropped="b " * 9_000, dropped_from=cell)
    html = table_card(
        table(
            columns=columns,
            rows=(row,) * 3_000,
            conflicts=(conflict,) * 3_000,
            without={column.name: ("name",) * 3_000 for column in columns},
            checks=("check " * 1_000,) * 300,
            sql="SELECT " * 90_000,
            result_columns=tuple(f"c{number}" for number in range(300)),
            result=(("x " * 1_000,) * 300,) * 3_000,
        )
    )
    page = harmless(html)
    assert "and 2,950 more" in page.text
    assert "and 280 more columns" in page.text
    assert len(html) < 2_500_000


@pytest.mark.parametrize("hostile", [*HOSTILE, OVERRIDES])
def test_nothing_in_a_table_acts_on_the_page(hostile: str) -> None:
    column = Column(name=hostile, type="text", unit=hostile, description=hostile)
    numbers = Column(name=f"{hostile}2", type="number", unit=hostile, description="")
    cell = TableCell(raw=hostile, quote=hostile, document=hostile, start=0, end=1, date=hostile)
    row = TableRow(
        name=hostile,
        values={hostile: hostile, f"{hostile}2": 3},
        cells={hostile: cell, f"{hostile}2": cell},
        aliases=(hostile,),
    )
    conflict = Conflict(
        name=hostile, column=hostile, kept=hostile, kept_from=cell, dropped=(hostile,), dropped_from=cell, reason=hostile
    )
    shown = table(
        name=hostile,
        entity=hostile,
        columns=(column, numbers),
        rows=(row,),
        conflicts=(conflict,),
        without={hostile: (hostile,)},
        sql=hostile,
        result_columns=(hostile,),
        result=((hostile,), ((hostile,),)),
        checks=(hostile,),
    )
    harmless(shown._repr_html_())
    harmless(shown.model_copy(update={"others": (shown,), "entity": ""})._repr_html_())


def test_the_same_table_looks_the_same_every_time() -> None:
    assert table()._repr_html_() == table()._repr_html_()
