"""The analyst: what several proposals agree on, and how a table's names and columns come to be."""

from __future__ import annotations

from typing import Any

import pytest

from extagents.agents.analyst import agree, slug
from extagents.tabular import Column, ProposedTable, ProposedTables, TableSchema


def column(name: str, **told: Any) -> Column:
    return Column(**{"name": name, "type": "number", "description": f"The {name}.", **told})


def table(*columns: Column, entity: str = "ship", **told: Any) -> ProposedTable:
    return ProposedTable(**{"entity": entity, "documents": "registers", "columns": list(columns), "whole": [1], **told})


def proposals(*tables: ProposedTable) -> list[ProposedTables]:
    return [ProposedTables(tables=[one]) for one in tables]


def names(agreed: Any) -> list[str]:
    return [one.name for one in agreed.schema.columns]


def test_columns_that_most_proposals_have_are_taken() -> None:
    [agreed] = agree(
        proposals(table(column("length"), column("mood")), table(column("length")), table(column("length"), column("owner"))), 1
    )
    assert names(agreed) == ["length"]


def test_what_only_one_of_two_proposals_has_is_left_to_a_third() -> None:
    [agreed] = agree(proposals(table(column("length"), column("cargo")), table(column("length"))), 1)
    assert names(agreed) == ["length"]


def test_columns_of_two_years_are_two_columns() -> None:
    both = table(column("growth_2023"), column("growth_2024"))
    [agreed] = agree(proposals(both, both), 1)
    assert names(agreed) == ["growth_2023", "growth_2024"]


def test_one_column_under_two_names_is_one() -> None:
    [agreed] = agree(proposals(table(column("total_length")), table(column("length_total"))), 1)
    assert names(agreed) == ["total_length"]


def test_the_most_frequent_type_and_unit_are_taken() -> None:
    told = [column("length", type="text"), column("length", unit="m"), column("length", unit="m")]
    [agreed] = agree(proposals(*(table(one) for one in told)), 1)
    assert (agreed.schema.columns[0].type, agreed.schema.columns[0].unit) == ("number", "m")


def test_a_question_is_served_where_most_proposals_say_so() -> None:
    [agreed] = agree(
        proposals(
            table(column("length"), whole=[1, 2]), table(column("length"), whole=[1]), table(column("length"), whole=[1, 9])
        ),
        2,
    )
    assert agreed.whole == frozenset({0})


def test_columns_of_an_existing_table_stay_as_they_are() -> None:
    known = TableSchema(entity="ship", columns=(column("length", unit="m", description="Length over all."),))
    wanted = table(column("length", unit="feet"), column("cargo"))
    [agreed] = agree(proposals(wanted, wanted), 1, existing=[("ship", known)])
    assert agreed.name == "ship"
    assert agreed.schema.columns[0] == known.columns[0]
    assert names(agreed) == ["length", "cargo"]


def test_a_table_of_something_else_does_not_take_an_existing_name() -> None:
    known = TableSchema(entity="ship", columns=(column("length"),))
    [agreed] = agree(proposals(table(column("rent"), entity="berth")), 1, existing=[("ship", known)])
    assert agreed.name == "berth"


def test_where_no_table_is_proposed_there_is_none() -> None:
    assert agree([ProposedTables(tables=[]), ProposedTables(tables=[])], 1) == ()


def test_a_single_proposal_against_none_is_no_majority_of_three() -> None:
    nothing = ProposedTables(tables=[])
    [agreed] = agree([nothing, *proposals(table(column("length"))), nothing], 1)
    assert agreed.whole == frozenset({0}), "it is kept: what is read too much costs little"


@pytest.mark.parametrize(
    ("text", "name"),
    [
        ("Port of Call", "port_of_call"),
        ("船", "船"),
        ("—", ""),
        ("3rd party", "t_3rd_party"),
        ("Café", "cafe"),
        ("a" * 60, "a" * 40),
    ],
)
def test_names_in_a_database_are_plain(text: str, name: str) -> None:
    assert slug(text) == name


def test_the_name_of_the_row_is_no_column() -> None:
    [agreed] = agree(proposals(table(column("name", type="text"), column("length"))), 1)
    assert names(agreed) == ["length"]


def test_what_documents_of_several_samples_call_a_column_is_kept() -> None:
    one, other = (column("revenue", description=f"Sales, called “{label}”.") for label in ("Revenue", "Turnover"))
    [agreed] = agree(proposals(table(one), table(other)), 1)
    assert "“Revenue”" in agreed.schema.columns[0].description
    assert "“Turnover”" in agreed.schema.columns[0].description


def test_rows_of_another_kind_are_another_table() -> None:
    known = TableSchema(entity="company", columns=(column("revenue"),))
    [agreed] = agree(proposals(table(column("salary"), entity="director of a company")), 1, existing=[("company", known)])
    assert agreed.name != "company"


def test_rows_that_keys_tell_apart_are_another_table() -> None:
    known = TableSchema(entity="company", columns=(column("revenue"),))
    proposed = table(column("revenue"), column("year"), entity="company", keys=["year"])
    [agreed] = agree(proposals(proposed), 1, existing=[("company", known)])
    assert agreed.schema.keys == ("year",)
    assert agreed.name != "company"


def test_a_column_of_an_existing_name_but_of_another_year_is_another_column() -> None:
    known = TableSchema(entity="company", columns=(column("revenue", description="Revenue of 2023."),))
    wanted = table(column("revenue", description="Revenue of 2022."), entity="company")
    [agreed] = agree(proposals(wanted), 1, existing=[("company", known)])
    assert agreed.schema.columns[0].description == "Revenue of 2022."
    assert agreed.schema.columns[0].name != "revenue"
