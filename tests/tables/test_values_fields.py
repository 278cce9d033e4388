"""A field of a delimited line holds by itself, and is never read as one number with its neighbours."""

from __future__ import annotations

import csv
import io

import pytest
from hypothesis import given
from hypothesis import strategies as st

from extagents.tables.values import holds
from extagents.tabular import Column, ColumnType

LINE = "Fir Foods,East,4808,298.5,1951,yes"
ORDER = "ORD-000123,Customer 1836,Spain,4077.61,2021-12-02,open"


def column(kind: ColumnType = "number", name: str = "employees", unit: str = "") -> Column:
    return Column(name=name, type=kind, unit=unit, description="")


@pytest.mark.parametrize(
    ("quote", "raw", "told"),
    [
        (LINE, "4808", column()),
        (LINE, "298.5", column()),
        (LINE, "1951", column(name="founded")),
        (LINE, "1951", column("date")),
        (LINE, "East", column("text")),
        (LINE, "Fir Foods", column("text")),
        (LINE, "yes", column("boolean")),
        (LINE, "yes", column("text")),
        (ORDER, "4077.61", column(unit="EUR")),
        (ORDER, "2021-12-02", column("date")),
        ("a,5,6,7", "6", column()),
        ("5,6,7", "6", column()),
        ("4808,298.5,1951", "4808", column()),
        ("Fir Foods,2020,4808", "4808", column()),
        ("Fir Foods,2020,4808", "2020", column(name="year")),
        ("Fir Foods,1951", "1951", column("date")),
        ("Fir,1,234,yes", "234", column()),
        ("Fir,-5,6", "-5", column()),
        ("Fir,$5,€6", "$5", column(unit="USD")),
        ("Fir,12%,13%", "13%", column(unit="%")),
        ("Branch 4,808,12.5,yes", "808", column()),
        ('Fir,"1,234",yes', "1234", column()),
        ('Fir,"East, West",12,345', "345", column()),
        ("Fir\tEast\t48\t808\t1951", "48", column()),
        ("Fir\tEast\t48\t808\t1951", "1951", column(name="year")),
        ("Fir;East;4808;298,5;1951", "298.5", column()),
        ("Fir;East;4808;298,5;1951", "1951", column("date")),
        ("|Fir|4,808|298|", "4808", column()),
        ('["Fir",4808,298.5,1951]', "4808", column()),
        ("冷杉食品,东部,4808,298.5,1951", "4808", column()),
        ("冷杉食品,东部,4808,298.5,1951", "东部", column("text")),
        ("Fir,5,6\nAsh,7,8", "7", column()),
    ],
)
def test_a_field_that_stands_whole_between_separators_holds(quote: str, raw: str, told: Column) -> None:
    assert holds(quote, raw, told)


@pytest.mark.parametrize(
    ("quote", "raw"),
    [
        (LINE, "4809"),
        (LINE, "480"),
        (LINE, "4808298"),
        (LINE, "4808.298"),
        ("a,5,6,7", "567"),
        ("a,5,6,7", "5.6"),
        ("Fir Foods,2020,4808", "20204808"),
        ("Fir,1,234,yes", "1234"),
        ("Fir,-5,6", "5"),
        ("Branch 4,808,12.5,yes", "4808"),
        ('Fir,"1,234",yes', "234"),
        ("Fir\tEast\t48\t808\t1951", "48808"),
        ("Fir;East;4808;298,5;1951", "5"),
        ("|Fir|4,808|298|", "808"),
    ],
)
def test_neighbours_are_never_one_number_and_no_part_of_a_field_is_a_number(quote: str, raw: str) -> None:
    assert not holds(quote, raw, column())


@pytest.mark.parametrize(
    ("quote", "raw"),
    [
        ("1,234,567", "1234567"),
        ("revenue of 1,234,567 in 2020", "1,234,567"),
        ("Total of $1,234,567.", "1234567"),
        ("Last year,1,234 people came", "1,234"),
        ("Revenue was $1,234,567,up 5%,beating", "1,234,567"),
        ("公司营收1,234,567元,同比增长5%", "1,234,567"),
    ],
)
def test_a_number_of_a_sentence_stays_one_number(quote: str, raw: str) -> None:
    assert holds(quote, raw, column())
    assert not holds(quote, "234", column())
    assert not holds(quote, "1", column())


@given(
    st.lists(st.one_of(st.integers(0, 10**7), st.sampled_from(["East", "yes", "Fir, Oak & Co", "2021-12-02"])), max_size=5),
    st.lists(st.integers(0, 10**7), max_size=5),
    st.integers(0, 10**7),
    st.sampled_from([",", ";", "\t", "|"]),
)
def test_every_number_of_a_written_line_holds_and_no_other(
    before: list[int | str], behind: list[int], value: int, separator: str
) -> None:
    made = io.StringIO()
    csv.writer(made, delimiter=separator, lineterminator="").writerow(["Fir Foods", *before, value, *behind])
    told = {field for field in (*before, *behind) if isinstance(field, int)} | {value}
    assert holds(made.getvalue(), str(value), column())
    other = value + 1
    if other not in told and not any(isinstance(field, str) and field[0].isdigit() for field in before):
        assert not holds(made.getvalue(), str(other), column())
