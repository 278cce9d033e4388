"""From the rows of all readings to one table: what is merged, which value stays, what is told of the others."""

from __future__ import annotations

import random
from itertools import product

import pytest
from hypothesis import given
from hypothesis import strategies as st

from extagents.tables.building import Source, build
from extagents.tables.values import parse
from extagents.tabular import CellFound, CellValue, Column, Conflict, RowFound, Table, TableSchema

SCHEMA = TableSchema(
    entity="company",
    columns=(
        Column(name="revenue", type="number", unit="USD", description="revenue"),
        Column(name="seat", type="text", description="where it sits"),
        Column(name="directors", type="list", description="its directors"),
        Column(name="founded", type="date", description="when it was founded"),
        Column(name="listed", type="boolean", description="whether it is listed"),
    ),
)
BY_YEAR = TableSchema(
    entity="company",
    keys=("year",),
    columns=(Column(name="year", type="number", description="financial year"), *SCHEMA.columns),
)


def row(
    entity: str,
    document: str = "a.md",
    order: int = 0,
    *,
    at: int = 0,
    date: str = "",
    of: str = "",
    trusted: bool = True,
    located: bool = True,
    **values: str,
) -> Source:
    """A row whose cells stand at `at` and after it; `date` is the row's, `of` the document's."""
    cells = []
    for number, (column, raw) in enumerate(values.items()):
        start = at + 100 * number if located else None
        end = start + 50 if start is not None else None
        quote = f"{column}: {raw}"
        cells.append(
            CellFound(column=column, raw=raw, quote=quote, document=document, start=start, end=end, trusted=trusted and located)
        )
    return Source(RowFound(entity=entity, document=document, date=date, cells=tuple(cells)), order, of)


def built(*sources: Source, schema: TableSchema = SCHEMA, same: dict[tuple[str, str], bool] | None = None) -> Table:
    return build("company", schema, sources, same=same or {})


def values(table: Table, column: str) -> dict[str, CellValue | None]:
    return {one.name: one.values[column] for one in table.rows}


# ------------------------------------------------------------------ rows


def test_rows_of_one_entity_in_several_documents_become_one() -> None:
    table = built(
        row("Acme Inc.", revenue="5 million"), row("ACME", "b.md", 1, seat="Bonn"), row("Beta", "b.md", 2, revenue="7")
    )
    assert [one.name for one in table.rows] == ["Acme Inc.", "Beta"]
    acme = table.rows[0]
    assert (acme.values["revenue"], acme.values["seat"]) == (5_000_000, "Bonn")
    assert acme.aliases == ("ACME",)
    assert acme.documents == ("a.md", "b.md")
    assert set(acme.values) == {column.name for column in SCHEMA.columns}
    assert not table.conflicts


def test_a_verdict_on_two_names_makes_one_row_or_two() -> None:
    rows = [row("Acme", revenue="5"), row("Acme  Holdings", "b.md", 1, seat="Bonn")]
    assert len(built(*rows, same={("Acme", "Acme  Holdings"): True}).rows) == 1
    assert len(built(*rows, same={("Acme", "Acme  Holdings"): False}).rows) == 2


def test_rows_stand_in_the_order_of_the_documents() -> None:
    table = built(
        row("Zeta", "z.md", 1, revenue="1"), row("Acme", "a.md", 3, revenue="2"), row("Midas", "m.md", 2, revenue="3")
    )
    assert [one.name for one in table.rows] == ["Zeta", "Midas", "Acme"]


def test_a_row_that_is_only_claimed_moves_no_entity_forward() -> None:
    table = built(
        row("Acme", "a.md", 1, revenue="2", located=False),
        row("Zeta", "b.md", 2, revenue="1"),
        row("Acme", "c.md", 3, revenue="2"),
    )
    assert [one.name for one in table.rows] == ["Zeta", "Acme"]
    assert table.rows[1].documents == ("c.md",)


def test_each_year_of_an_entity_is_a_row_where_the_year_is_a_key() -> None:
    table = built(
        row("Acme", revenue="5", year="2022"),
        row("Acme", at=1_000, order=1, revenue="6", year="2023"),
        row("ACME", "b.md", 2, seat="Bonn", year="2023"),
        schema=BY_YEAR,
    )
    assert [(one.values["year"], one.values["revenue"], one.values["seat"]) for one in table.rows] == [
        (2022, 5, None),
        (2023, 6, "Bonn"),
    ]
    assert table.without["seat"] == ()
    assert table.without["founded"] == ("Acme",)


def test_a_row_without_its_key_belongs_to_the_only_row_that_it_fits() -> None:
    years = (row("Acme", revenue="5", year="2022"), row("Acme", at=1_000, order=1, revenue="6", year="2023"))
    dated = built(*years, row("Acme", "b.md", 2, date="2023-12-31", seat="Bonn"), schema=BY_YEAR)
    assert [(one.values["year"], one.values["seat"]) for one in dated.rows] == [(2022, None), (2023, "Bonn")]
    alone = built(years[0], row("Acme", "b.md", 2, seat="Bonn"), schema=BY_YEAR)
    assert [(one.values["year"], one.values["seat"]) for one in alone.rows] == [(2022, "Bonn")]
    unclear = built(*years, row("Acme", "b.md", 2, seat="Bonn"), schema=BY_YEAR)
    assert [(one.values["year"], one.values["seat"]) for one in unclear.rows] == [(2022, None), (2023, None), (None, "Bonn")]


@pytest.mark.parametrize("entity", ["", "  ", "—", "12,345", "2023", "…", "x" * 201, "N/A", "unknown", "无"])
def test_what_is_plainly_no_name_is_no_row(entity: str) -> None:
    table = built(row(entity, revenue="5"), row("Acme", "b.md", 1, revenue="6"), row("Beta", "b.md", 2, revenue="6"))
    assert [one.name for one in table.rows] == ["Acme", "Beta"]


def test_numbers_are_names_where_most_names_are_numbers() -> None:
    table = built(row("10023", revenue="5"), row("10024", order=1, at=300, revenue="6"), row("Total", order=2, revenue="11"))
    assert [one.name for one in table.rows] == ["10023", "10024", "Total"]


@pytest.mark.parametrize("nameless", ["The Company", "the Group", "We", "本公司", "company"])
def test_the_company_of_a_document_is_what_its_rows_are_of(nameless: str) -> None:
    table = built(
        row("Acme Inc.", revenue="5"),
        row(nameless, order=1, at=500, seat="Bonn"),
        row("Beta", "b.md", 2, revenue="6"),
        row(nameless, "b.md", 3, at=500, seat="Rome"),
    )
    assert values(table, "seat") == {"Acme Inc.": "Bonn", "Beta": "Rome"}
    assert table.rows[0].aliases == ()


def test_the_company_of_a_document_that_names_none_bears_the_documents_id() -> None:
    table = built(row("The Company", revenue="5"), row("The Company", "b.md", 1, revenue="6"))
    assert values(table, "revenue") == {"a.md": 5, "b.md": 6}
    assert not table.conflicts


def test_the_company_of_a_document_about_several_is_none_of_them() -> None:
    rows = [
        row("Acme", revenue="5"),
        row("Beta", order=1, at=300, revenue="6"),
        row("The Company", order=2, at=600, seat="Bonn"),
    ]
    assert values(built(*rows), "seat") == {"Acme": None, "Beta": None, "a.md": "Bonn"}


# ------------------------------------------------------------------ cells


def test_only_cells_whose_quote_holds_the_value_count() -> None:
    table = built(row("Acme", revenue="5", trusted=False), row("Acme", "b.md", 1, revenue="7"))
    assert values(table, "revenue") == {"Acme": 7}
    assert (table.doubted, table.conflicts) == (1, ())


def test_a_cell_that_says_nothing_is_not_taken() -> None:
    table = built(row("Acme", revenue="n/a", seat="Bonn"))
    assert (table.rows[0].values["revenue"], table.doubted) == (None, 1)
    assert table.without["revenue"] == ("Acme",)
    assert table.without["seat"] == ()


def test_columns_that_nobody_asked_for_are_left_out() -> None:
    table = built(row("Acme", revenue="5", colour="red"))
    assert "colour" not in table.rows[0].values
    assert table.doubted == 0


def test_an_entity_without_a_value_stays_if_a_quote_of_it_was_found() -> None:
    table = built(row("Acme", revenue="n/a"), row("Beta", "b.md", 1, revenue="5", located=False), row("Gamma", "b.md", 2))
    assert [one.name for one in table.rows] == ["Acme"]
    assert set(table.rows[0].values.values()) == {None}
    assert table.doubted == 2


def test_a_row_of_which_no_cell_was_taken_does_not_count() -> None:
    ghost = row("Ghost", order=1, at=500, revenue="5", seat="Rome", trusted=False)
    table = built(row("Acme", revenue="5"), ghost)
    assert [one.name for one in table.rows] == ["Acme"]
    assert (table.doubted, table.without["revenue"]) == (2, ())


@pytest.mark.parametrize("raw", ["n/a", "not known", "Unknown", "—", "未披露", "不详", "not disclosed"])
def test_an_entity_that_is_told_to_be_unknown_stays_and_is_named(raw: str) -> None:
    table = built(row("Rua Nova", revenue=raw, trusted=False), row("Acme", "b.md", 1, revenue="5"))
    assert values(table, "revenue") == {"Rua Nova": None, "Acme": 5}
    assert table.without["revenue"] == ("Rua Nova",)


def test_an_unknown_value_whose_quote_was_not_found_makes_no_row() -> None:
    assert len(built(row("Rua Nova", revenue="n/a", located=False))) == 0


def test_a_number_beyond_all_measure_never_reaches_a_table() -> None:
    table = built(row("Acme", revenue="9" * 400, seat="Bonn"), row("Beta", "b.md", 1, revenue="1e400"))
    assert [(one.name, one.values["revenue"]) for one in table.rows] == [("Acme", None)]


def test_what_several_places_say_is_counted_and_the_first_is_the_source() -> None:
    table = built(
        row("Acme", "b.md", 5, revenue="5 million"),
        row("Acme", "a.md", 1, revenue="5,000,000", at=40),
        row("Acme", "a.md", 2, revenue="5,000,000", at=60),
        row("Acme", "a.md", 3, revenue="5,000,000", at=900),
    )
    cell = table.rows[0].cells["revenue"]
    assert (cell.document, cell.start, cell.raw) == ("a.md", 40, "5,000,000")
    assert cell.said == 3  # the two that overlap are one place, read twice
    assert not table.conflicts


# ------------------------------------------------------------------ conflicts


def only(table: Table) -> Conflict:
    assert len(table.conflicts) == 1
    return table.conflicts[0]


def test_the_value_of_the_later_document_is_kept_and_the_other_told() -> None:
    table = built(row("Acme", revenue="5", of="2024-03-01"), row("Acme", "b.md", 1, revenue="6", of="2023-03-01"))
    conflict = only(table)
    assert values(table, "revenue") == {"Acme": 5}
    assert (conflict.name, conflict.column, conflict.kept, conflict.dropped) == ("Acme", "revenue", 5, 6)
    assert (conflict.kept_from.document, conflict.dropped_from.document) == ("a.md", "b.md")
    assert conflict.reason == "the later document, of 2024-03-01, not of 2023-03-01"
    assert conflict.kept_from == table.rows[0].cells["revenue"]
    assert conflict.kept_from.date == "2024-03-01"


def test_the_date_of_a_row_counts_before_that_of_its_document() -> None:
    table = built(
        row("Acme", revenue="5", date="31 December 2023", of="2020-01-01"), row("Acme", "b.md", 1, revenue="6", of="2022-01-01")
    )
    assert values(table, "revenue") == {"Acme": 5}


def test_what_is_kept_against_another_is_shown_where_it_was_said_last() -> None:
    old, new, again = (
        row("Acme", name, at, revenue=raw, of=of)
        for at, (name, raw, of) in enumerate([("a.md", "5", "2019"), ("b.md", "6", "2020"), ("c.md", "5", "2021")])
    )
    conflict = only(built(old, new, again))
    assert (conflict.kept, conflict.kept_from.document, conflict.kept_from.said) == (5, "c.md", 2)
    assert conflict.reason == "the later document, of 2021, not of 2020"


def test_a_value_with_a_date_is_kept_before_one_without() -> None:
    table = built(row("Acme", revenue="5", of="2024"), row("Acme", "b.md", 1, revenue="6"))
    assert only(table).kept == 5
    assert only(table).reason == "the one with a date, 2024; the other has none"


def test_without_dates_the_last_document_is_kept() -> None:
    table = built(row("Acme", "b.md", 9, revenue="6"), row("Acme", revenue="5"))
    assert only(table).kept == 6
    assert only(table).reason == "the later document in the order of the input, no dates being told"


def test_within_a_document_what_is_said_more_often_is_kept_then_what_stands_later() -> None:
    twice = [row("Acme", revenue="5"), row("Acme", order=1, at=300, revenue="5"), row("Acme", order=2, at=900, revenue="6")]
    assert only(built(*twice)).kept == 5
    assert only(built(*twice)).reason == "said in 2 places of the document, the other in 1"
    assert only(built(*twice[1:])).kept == 6
    assert only(built(*twice[1:])).reason == "the later place in the document"


def test_every_value_that_is_not_kept_is_told_once() -> None:
    table = built(*(row("Acme", f"{name}.md", at, revenue=str(at)) for at, name in enumerate("abcd", start=1)))
    assert values(table, "revenue") == {"Acme": 4}
    assert [conflict.dropped for conflict in table.conflicts] == [3, 2, 1]


# ------------------------------------------------------------------ lists


def test_parts_of_a_list_in_one_document_are_put_together() -> None:
    table = built(row("Acme", directors="Ann Lee, Bo Chan"), row("Acme", order=1, at=500, directors="Cy Dunn"))
    assert values(table, "directors") == {"Acme": ("Ann Lee", "Bo Chan", "Cy Dunn")}
    assert table.rows[0].cells["directors"].raw == "Ann Lee, Bo Chan"
    assert not table.conflicts


def test_a_whole_list_that_several_places_tell_is_counted() -> None:
    table = built(*(row("Acme", order=at, at=500 * at, directors="Ann Lee, Bo Chan") for at in range(3)))
    assert table.rows[0].cells["directors"].said == 3


def test_of_lists_that_hold_each_other_the_longer_is_kept() -> None:
    table = built(row("Acme", directors="Ann Lee, Bo Chan"), row("Acme", "b.md", 1, directors="ann lee"))
    assert values(table, "directors") == {"Acme": ("Ann Lee", "Bo Chan")}
    assert not table.conflicts


def test_a_list_that_lost_an_item_since_is_the_one_that_counts() -> None:
    table = built(
        row("Acme", directors="Ann Lee, Bo Chan", of="2022-01-01"), row("Acme", "b.md", 1, directors="Ann Lee", of="2023-01-01")
    )
    assert only(table).kept == ("Ann Lee",)


def test_lists_of_several_documents_that_differ_are_a_conflict() -> None:
    table = built(row("Acme", directors="Ann Lee, Bo Chan"), row("Acme", "b.md", 1, directors="Ann Lee, Cy Dunn"))
    assert only(table).kept == ("Ann Lee", "Cy Dunn")
    assert only(table).dropped == ("Ann Lee", "Bo Chan")


def test_chinese_rows_are_merged_and_settled_in_the_same_way() -> None:
    table = built(
        row("贵州茅台酒股份有限公司（贵州茅台）", "甲.md", revenue="5亿", of="2022-12-31"),
        row("贵州茅台", "乙.md", 1, revenue="6亿", seat="仁怀市", of="2023-12-31"),
    )
    assert len(table.rows) == 1
    assert values(table, "revenue") == {"贵州茅台酒股份有限公司（贵州茅台）": 600_000_000}
    assert only(table).dropped == 500_000_000


def test_no_rows_make_an_empty_table() -> None:
    table = built()
    assert (len(table), table.doubted, table.conflicts) == (0, 0, ())
    assert table.without == {column.name: () for column in SCHEMA.columns}


# ------------------------------------------------------------------ what always holds

RAWS = {
    "year": ("2022", "2023", "n/a"),
    "revenue": ("5", "6", "5.0", "n/a"),
    "seat": ("Bonn", "bonn", "Rome"),
    "directors": ("Ann Lee, Bo Chan", "Ann Lee", "Bo Chan, Cy Dunn", "Cy Dunn"),
}


@st.composite
def sources(draw: st.DrawFn) -> list[Source]:
    """Rows as readers bring them: the same firm in several spellings, in several documents, some cells not to be trusted."""
    made = []
    dates = {name: draw(st.sampled_from(["", "2022-05-01", "2023", "2023-06-30"])) for name in "abc"}
    for number in range(draw(st.integers(0, 12))):
        document = draw(st.sampled_from("abc"))
        told = {column: draw(st.sampled_from(raws)) for column, raws in RAWS.items() if draw(st.booleans())}
        entity = draw(st.sampled_from(["Acme", "ACME Inc.", "Acme GmbH", "Beta", "Beta II", "42", "Republic of Beta"]))
        made.append(
            row(
                entity,
                document,
                1_000 * "abc".index(document) + draw(st.sampled_from([number, 0])),
                at=draw(st.integers(0, 5)) * 30,
                date=draw(st.sampled_from(["", "", "2022", "March 2023"])),
                of=dates[document],
                trusted=draw(st.integers(0, 4)) > 0,
                located=draw(st.integers(0, 6)) > 0,
                **told,
            )
        )
    return made


@given(sources(), st.randoms(use_true_random=False), st.sampled_from([SCHEMA, BY_YEAR]))
def test_the_order_in_which_rows_came_changes_nothing(given_: list[Source], chance: random.Random, schema: TableSchema) -> None:
    shuffled = given_.copy()
    chance.shuffle(shuffled)
    assert built(*given_, schema=schema) == built(*shuffled, schema=schema)


@given(sources(), st.sampled_from([SCHEMA, BY_YEAR]))
def test_no_value_is_lost(given_: list[Source], schema: TableSchema) -> None:
    table = built(*given_, schema=schema)
    owners = {name: one for one in table.rows for name in (one.name, *one.aliases)}
    doubted = 0
    names = {source.row.entity for source in given_}
    digits_too = names == {"42"}
    for source in given_:
        if source.row.entity == "42" and not digits_too:
            continue
        for cell, column in ((cell, schema.column(cell.column)) for cell in source.row.cells):
            if column is None:
                continue
            value = parse(cell.raw, column) if cell.trusted else None
            if value is None:
                doubted += 1
                continue
            name = owners[source.row.entity].name
            kept = [one.values[column.name] for one in table.rows if one.name == name]
            kept += [one.dropped for one in table.conflicts if (one.name, one.column) == (name, column.name)]
            assert any(holds(held, value) for held in kept), (name, column.name, value)
    assert table.doubted == doubted


def holds(held: CellValue | None, value: CellValue) -> bool:
    """Whether a value is that which is held, or a part of it."""
    if isinstance(held, tuple) and isinstance(value, tuple):
        return {item.casefold() for item in value} <= {item.casefold() for item in held}
    return str(held).casefold() == str(value).casefold() or held == value


@given(sources())
def test_every_value_has_its_place_and_nothing_else_has(given_: list[Source]) -> None:
    table = built(*given_)
    said = {(cell.document, cell.start, cell.raw) for source in given_ for cell in source.row.cells if cell.trusted}
    for one, column in product(table.rows, SCHEMA.columns):
        value, cell = one.values[column.name], one.cells.get(column.name)
        assert (value is None) == (cell is None)
        assert cell is None or (cell.document, cell.start, cell.raw) in said
        assert (value is None) <= (one.name in table.without[column.name])
    assert len({one.name for one in table.rows}) == len(table.rows)
    assert all(conflict.reason and conflict.kept != conflict.dropped for conflict in table.conflicts)
