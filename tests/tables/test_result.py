"""Results to bare answers, whether two results say the same, and the cells that a result rests on."""

from __future__ import annotations

from typing import Any

import pytest

from extagents.tables.database import Database
from extagents.tables.result import answer_of, bearing, places_asked, same_result
from extagents.tabular import CellValue, Column, QueryResult, ResultForm, Table, TableCell, TableRow, WrittenSql
from extagents.types import AnswerType

COLUMNS = (
    Column(name="area", type="number", unit="km²", description="area"),
    Column(name="growth", type="number", unit="%", description="yearly growth"),
    Column(name="founded_year", type="number", description="year in which it was founded"),
    Column(name="independent", type="date", description="independent since"),
    Column(name="landlocked", type="boolean", description="has no coast"),
    Column(name="continent", type="text", description="continent"),
    Column(name="languages", type="list", description="languages"),
    Column(name="height", type="number", unit="m", description="highest point"),
)


def place(row: str, column: str) -> TableCell:
    return TableCell(raw=column, quote=f"{row} {column}", document=f"{row}.txt", start=7, end=9)


def row(name: str, **values: CellValue) -> TableRow:
    held: dict[str, CellValue | None] = {column.name: values.get(column.name) for column in COLUMNS}
    return TableRow(name=name, values=held, cells={column: place(name, column) for column in values})


COUNTRIES = Table(
    name="country",
    entity="country",
    columns=COLUMNS,
    rows=(
        row(
            "Chad", area=1284000.0, growth=3.0, continent="Africa", landlocked=True, independent="1960-08-11", founded_year=1960
        ),
        row("Mali", area=1240192.0, growth=2.5, continent="Africa", landlocked=True, languages=("French", "Bambara")),
        row("Peru", area=1285216.0, growth=1.0, continent="South America", landlocked=False, independent="1821"),
        row("Congo, Republic of", area=342000.0, continent="Africa", landlocked=False, independent="1960-08"),
    ),
)


def brought(rows: list[tuple[Any, ...]], types: str = "VARCHAR", columns: str = "") -> QueryResult:
    kinds = tuple(types.split())
    names = tuple(columns.split()) or tuple(f"c{number}" for number in range(len(kinds)))
    return QueryResult(columns=names, types=kinds, rows=tuple(rows))


def answered(
    result: QueryResult,
    form: ResultForm,
    question: str = "",
    *,
    sql: str = "SELECT x",
    unit: str = "",
    language: str = "en",
    kind: AnswerType = "text",
) -> str:
    written = WrittenSql(sql=sql, form=form, unit=unit)
    return answer_of(result, written, [COUNTRIES], answer_type=kind, language=language, question=question)


@pytest.mark.parametrize(
    ("value", "type_", "unit", "question", "expected"),
    [
        (13782.8, "DOUBLE", "km", "", "13,782.8 km"),
        (0, "BIGINT", "", "How many are there?", "0"),
        (0.0, "DOUBLE", "", "", "0"),
        (1234567.0, "DOUBLE", "", "", "1,234,567"),
        (0.1 + 0.2, "DOUBLE", "", "", "0.3"),
        (13.5, "DOUBLE", "", "What is the average, rounded to two decimal places?", "13.50"),
        (13.456, "DOUBLE", "km", "Give it to 2 decimals.", "13.46 km"),
        (2.5, "DOUBLE", "", "Round it to the nearest whole number.", "3"),
        (1234.5, "DOUBLE", "USD", "保留两位小数", "1,234.50 USD"),
        (1234.5, "DOUBLE", "", "结果四舍五入到整数", "1,235"),
        (1234.56, "DOUBLE", "", "精确到小数点后一位", "1,234.6"),
        (-3.25, "DOUBLE", "", "to one decimal place", "-3.3"),
        (2012.0, "DOUBLE", "", "In which year was it founded?", "2012"),
        (2012.0, "DOUBLE", "", "它是哪一年成立的？", "2012"),
        (2012.0, "DOUBLE", "", "How many people live there?", "2,012"),
    ],
)
def test_a_number_is_told_as_the_question_wants_it(value: float, type_: str, unit: str, question: str, expected: str) -> None:
    assert answered(brought([(value,)], type_), "number", question, unit=unit) == expected


def test_a_computed_number_has_no_noise_and_one_of_the_tables_all_its_digits() -> None:
    third = brought([(13.333333333333334,)], "DOUBLE")
    assert answered(third, "number", sql="SELECT avg(area) FROM country") == "13.33"
    assert answered(brought([(0.012345678,)], "DOUBLE"), "number", sql="SELECT a/b FROM country") == "0.01235"
    assert answered(brought([(1284000.0,)], "DOUBLE"), "number", sql="SELECT area FROM country") == "1,284,000"
    # Another unit is the same figure with all its digits; a quotient of two values is not.
    assert answered(brought([(44.188,)], "DOUBLE"), "number", sql="SELECT abs(a - b) / 100.0 AS d FROM t") == "44.188"
    assert answered(brought([(44.188,)], "DOUBLE"), "number", sql="SELECT a / 100.5 FROM t") == "44.19"


def test_a_column_that_holds_years_is_told_without_thousands() -> None:
    result = brought([(1960.0,)], "DOUBLE", "founded_year")
    assert answered(result, "number", "When was Chad founded?") == "1960"
    assert answered(brought([(1987.5,)], "DOUBLE", "avg(founded_year)"), "number", "The average?") == "1987.5"
    assert answered(brought([(1960,)], "BIGINT"), "date", "When was Chad founded?") == "1960"
    opened = Column(name="opened", type="number", description="year of opening")
    rows = (TableRow(name="a", values={"opened": 1960.0}), TableRow(name="b", values={"opened": 1981.0}))
    table = Table(name="station", entity="station", columns=(opened,), rows=rows)
    written = WrittenSql(sql="SELECT max(opened) FROM station", form="number")
    result = brought([(1981.0,)], "DOUBLE", "max(opened)")
    assert (
        answer_of(result, written, [table], answer_type="number", language="en", question="When did the last open?") == "1981"
    )
    assert answered(brought([(1500.0,)], "DOUBLE", "height"), "number", "How high is it?", unit="m") == "1,500 m"


@pytest.mark.parametrize(
    ("value", "sql", "expected"),
    [
        (0.444, "SELECT count(*) FILTER (WHERE landlocked) / count(*) FROM country", "44.4%"),
        (44.4, "SELECT 100.0 * count(*) FILTER (WHERE landlocked) / count(*) FROM country", "44.4%"),
        (0.5, "SELECT 100 * sum(area) / sum(height) FROM country", "0.5%"),
        (1.5, "SELECT max(area) / min(area) FROM country", "150%"),
        (0.5, "SELECT avg(CASE WHEN landlocked THEN 1 ELSE 0 END) FROM country", "50%"),
        (0.5, "SELECT avg(landlocked::INT) FROM country", "50%"),
        (0.8, "SELECT avg(growth) FROM country", "0.8%"),
        (0.8, "SELECT sum(growth) / count(*) FROM country", "0.8%"),
        (2.5, "SELECT growth FROM country WHERE name = 'Mali'", "2.5%"),
        (0.3, "SELECT growth FROM country WHERE name = '100/x'", "0.3%"),
    ],
)
def test_a_share_of_one_becomes_a_percentage_only_where_the_statement_divides(value: float, sql: str, expected: str) -> None:
    assert answered(brought([(value,)], "DOUBLE"), "percent", sql=sql) == expected


def test_a_percentage_has_the_decimals_asked_for() -> None:
    sql = "SELECT count(a) / count(*) FROM country"
    assert answered(brought([(1 / 3,)], "DOUBLE"), "percent", "to two decimal places", sql=sql) == "33.33%"
    assert answered(brought([(0.5,)], "DOUBLE"), "percent", "保留一位小数", sql=sql, language="zh") == "50.0%"


@pytest.mark.parametrize(
    ("result", "expected"),
    [
        (brought([(True,)], "BOOLEAN"), "yes"),
        (brought([(False,)], "BOOLEAN"), "no"),
        (brought([(3,)], "BIGINT"), "yes"),
        (brought([(0,)], "BIGINT"), "no"),
        (brought([("Yes",)]), "yes"),
        (brought([("no",)]), "no"),
        (brought([("Chad",), ("Mali",)]), "yes"),
        (brought([]), "no"),
        (brought([], "BOOLEAN"), ""),
        (brought([(None,)], "BOOLEAN"), ""),
        (brought([("Chad", True)], "VARCHAR BOOLEAN"), "yes"),
    ],
)
def test_yes_or_no(result: QueryResult, expected: str) -> None:
    assert answered(result, "yes_no") == expected
    assert answered(result, "yes_no", language="zh") == {"yes": "是", "no": "否", "": ""}[expected]


def test_names_stand_once_in_their_order_and_commas_within_them_are_no_borders() -> None:
    assert answered(brought([("Mali",), ("Chad",), ("Mali",)]), "names") == "Mali, Chad"
    assert answered(brought([("Congo, Republic of",), ("Chad",)]), "list") == "Congo, Republic of; Chad"
    assert answered(brought([("马里",), ("乍得",)]), "names", language="zh") == "马里、乍得"
    assert answered(brought([("马里、乍得",), ("秘鲁",)]), "names", language="zh") == "马里、乍得；秘鲁"
    assert answered(brought([(("French", "Bambara"),), (("French",),)], "VARCHAR[]"), "list") == "French, Bambara"


def test_the_name_alone_answers_which_and_the_values_stand_beside_where_they_are_asked_for() -> None:
    one = brought([("Peru", 1285216.0)], "VARCHAR DOUBLE", "name area")
    assert answered(one, "names", "Which country is the largest?") == "Peru"
    assert answered(one, "names", "Which country is the largest, and what is its area?") == "Peru (1,285,216 km²)"
    assert answered(one, "number", "How large is the largest country?", unit="km²") == "1,285,216 km²"
    more = brought([(1285216.0, "Peru"), (1284000.0, "Chad")], "DOUBLE VARCHAR", "area name")
    assert answered(more, "list", "List the two largest countries.") == "Peru, Chad"
    assert (
        answered(more, "list", "List the two largest countries with their areas.")
        == "Peru (1,285,216 km²); Chad (1,284,000 km²)"
    )
    assert (
        answered(more, "list", "列出面积最大的两个国家及其面积。", language="zh")
        == "Peru（1,285,216 km²）、Chad（1,284,000 km²）"
    )


def test_counts_by_group_stand_beside_the_group_without_a_unit() -> None:
    groups = brought([("Africa", 3), ("South America", 1)], "VARCHAR BIGINT", "continent n")
    assert answered(groups, "list", "How many countries are in each continent?", unit="km") == "Africa (3), South America (1)"
    assert answered(groups, "number", "How many countries are in each continent?") == "Africa (3), South America (1)"


def test_a_date_is_only_as_exact_as_the_tables_tell_it() -> None:
    def told(day: str, question: str = "Since when is it independent?") -> str:
        return answered(brought([(day,)], "DATE", "independent"), "date", question)

    assert told("1960-08-11") == "1960-08-11"
    assert told("1821-01-01") == "1821"
    assert told("1960-08-01") == "1960-08"
    assert told("1960-08-11", "In which year did it become independent?") == "1960"


def test_an_empty_list_is_an_answer_and_nothing_known_is_none() -> None:
    sql = "SELECT name FROM country WHERE area > 9e9"
    assert answered(brought([]), "names", sql=sql) == "none"
    assert answered(brought([]), "list", sql=sql, language="zh") == "无"
    assert answered(brought([]), "number", sql=sql) == ""
    assert answered(brought([]), "names", sql="SELECT name FROM country WHERE height > 1") == "", "no height is known"
    assert answered(brought([]), "names", sql="SELECT continent FROM country WHERE name = 'Atlantis'") == ""
    assert answered(brought([(None,)]), "names", sql=sql) == ""
    assert answered(brought([(None,)], "DOUBLE"), "number") == ""
    assert answered(brought([("Chad",), (None,)]), "names") == "Chad"
    empty = COUNTRIES.model_copy(update={"rows": ()})
    written = WrittenSql(sql=sql, form="names")
    assert answer_of(brought([]), written, [empty], answer_type="list", language="en") == "", "nothing was read"


@pytest.mark.parametrize(
    ("question", "places"),
    [
        ("rounded to two decimal places", 2),
        ("to 1 decimal place", 1),
        ("with three decimals", 3),
        ("with no decimals", 0),
        ("round to the nearest integer", 0),
        ("to the nearest tenth", 1),
        ("结果保留两位小数", 2),
        ("保留2位小数", 2),
        ("精确到小数点后三位", 3),
        ("精确到百分位", 2),
        ("保留整数", 0),
        ("How many companies are there?", None),
        ("一共有多少家公司？", None),
    ],
)
def test_the_decimals_that_a_question_wants(question: str, places: int | None) -> None:
    assert places_asked(question) == places


# ------------------------------------------------------------------ the same


def test_results_are_the_same_whatever_the_order_the_spelling_and_the_noise() -> None:
    assert same_result(brought([(0.1 + 0.2,)], "DOUBLE"), brought([(0.3,)], "DOUBLE"))
    assert same_result(brought([(3,)], "BIGINT"), brought([(3.0,)], "DOUBLE"))
    assert same_result(brought([("Chad",), ("Mali",)]), brought([("mali",), (" Chad ",)]))
    assert same_result(
        brought([(1.00000001, 2.0), (1.0, 1.0)], "DOUBLE DOUBLE"), brought([(1.0, 1.0), (1.0, 2.0)], "DOUBLE DOUBLE")
    )
    assert same_result(brought([(("a", "b"),)], "VARCHAR[]"), brought([(("b", "a"),)], "VARCHAR[]"))
    assert same_result(brought([("Chad",)]), brought([(5.0, "Chad")], "DOUBLE VARCHAR")), "one tells the value, too"
    assert same_result(brought([]), brought([(None,)]))
    assert same_result(brought([(0.444,)], "DOUBLE"), brought([(44.4,)], "DOUBLE")), "a share, and per cent"
    assert same_result(brought([(True,)], "BOOLEAN"), brought([(1,)], "BIGINT"))
    assert same_result(brought([(14.9,)], "DOUBLE"), brought([(14.899,)], "DOUBLE")), "one is rounded"
    assert same_result(brought([("Chad", 3.1)], "VARCHAR DOUBLE"), brought([("Chad", 3.14159)], "VARCHAR DOUBLE"))


def test_a_number_is_the_same_in_another_unit() -> None:
    billions, millions = brought([(1.5,)], "DOUBLE"), brought([(1500.0,)], "DOUBLE")
    assert same_result(billions, millions, units=("billion USD", "million USD"))
    assert same_result(millions, billions, units=("million USD", "billion USD"))
    assert same_result(brought([(14.9,)], "DOUBLE"), brought([(1490.0,)], "DOUBLE"), units=("亿美元", "million USD"))
    assert same_result(brought([(11.8,)], "DOUBLE"), brought([(1176.0,)], "DOUBLE"), units=("亿美元", "million USD"))
    assert not same_result(billions, millions, units=("million USD", "million USD"))
    assert not same_result(billions, millions, units=("km", "million USD"))


def test_results_differ_in_values_in_number_and_where_asked_in_order() -> None:
    assert not same_result(brought([(3,)], "BIGINT"), brought([(4,)], "BIGINT"))
    assert not same_result(brought([(0,)], "BIGINT"), brought([], "BIGINT"))
    assert not same_result(brought([("Chad",)]), brought([("Chad",), ("Mali",)]))
    assert not same_result(brought([("Chad",), ("Chad",)]), brought([("Chad",), ("Mali",)]))
    assert not same_result(brought([("Chad",), ("Mali",)]), brought([("Mali",), ("Chad",)]), ordered=True)
    assert same_result(brought([("Chad",), ("Mali",)]), brought([("Chad", 1.0), ("Mali", 2.0)], "VARCHAR DOUBLE"), ordered=True)
    assert not same_result(brought([("Chad",)]), brought([("Mali", 5.0)], "VARCHAR DOUBLE"))
    assert not same_result(brought([(1,)], "BIGINT"), brought([(100,)], "BIGINT"))
    assert not same_result(brought([(100.0,)], "DOUBLE"), brought([(100.1,)], "DOUBLE")), "100 may be no rounded number"
    assert not same_result(brought([(3.0,)], "DOUBLE"), brought([(3.4,)], "DOUBLE"))
    assert not same_result(brought([(14.9,)], "DOUBLE"), brought([(14.8,)], "DOUBLE"))


# ------------------------------------------------------------------ what it rests on


def rests(sql: str) -> list[str]:
    with Database([COUNTRIES]) as database:
        result = database.query(sql)
    found = bearing(sql, result, [COUNTRIES])
    for name, column, cell in found:
        assert cell == place(name, column)
    return [f"{name} {column}" for name, column, _ in found]


def test_a_named_row_brings_the_cells_that_the_statement_mentions() -> None:
    highest = rests("SELECT name FROM country ORDER BY area DESC LIMIT 1")
    assert highest == ["Peru area", "Chad area", "Mali area", "Congo, Republic of area"], "it is so among all"
    assert rests("SELECT name, growth FROM country WHERE area > 1283000 ORDER BY area DESC") == [
        *("Peru area", "Peru growth", "Chad area", "Chad growth"),
    ]
    assert rests("SELECT area FROM country WHERE name = 'Mali'") == ["Mali area"]


def test_an_aggregate_rests_on_the_rows_that_the_condition_lets_through() -> None:
    assert rests("SELECT count(*) FROM country WHERE landlocked") == ["Chad landlocked", "Mali landlocked"]
    assert rests("SELECT avg(area) FROM country WHERE growth > 2") == ["Chad area", "Chad growth", "Mali area", "Mali growth"]
    assert rests("SELECT max(area) FROM country WHERE NOT landlocked")[0] == "Peru area"
    assert rests("WITH far AS (SELECT * FROM country WHERE continent = 'Africa') SELECT sum(growth) FROM far WHERE area > 0")
    assert rests("SELECT count(*) FROM country") == ["Chad area", "Mali area", "Peru area", "Congo, Republic of area"]


def test_a_value_of_the_result_comes_first() -> None:
    sql = "SELECT continent FROM country GROUP BY continent ORDER BY count(*) DESC LIMIT 1"
    assert rests(sql)[:3] == ["Chad continent", "Mali continent", "Congo, Republic of continent"]
    assert rests("SELECT min(area) FROM country")[0] == "Congo, Republic of area"


def test_a_statement_that_joins_or_asks_inside_still_finds_its_rows() -> None:
    both = rests("SELECT a.area - b.area FROM country a, country b WHERE a.name = 'Chad' AND b.name = 'Mali'")
    assert both == ["Chad area", "Mali area"]
    inside = rests(
        "SELECT count(*) FROM country c WHERE area > (SELECT avg(d.area) FROM country d WHERE d.continent = c.continent)"
    )
    assert {"Chad area", "Mali area"} <= set(inside)
    assert rests("SELECT (SELECT area FROM country WHERE name = 'Chad') > (SELECT area FROM country WHERE name = 'Mali')") == [
        *("Chad area", "Mali area"),
    ]


def test_a_statement_that_cannot_be_run_rests_on_nothing() -> None:
    assert bearing("DROP TABLE country", brought([]), [COUNTRIES]) == ()
    assert bearing("SELECT FROM WHERE", brought([]), [COUNTRIES]) == ()
