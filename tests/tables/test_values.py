"""From the text of a cell to its value: numbers with units, nothing, dates, yes and no, lists, classes, text."""

from __future__ import annotations

import math
from typing import Any

import pytest

from extagents.tables.values import first_day, parse, same_value, told
from extagents.tabular import Column, ColumnType


def column(kind: ColumnType = "number", unit: str = "", name: str = "x", values: tuple[str, ...] = ()) -> Column:
    return Column(name=name, type=kind, unit=unit, description="", values=list(values))


def number(raw: str, unit: str = "", name: str = "x") -> Any:
    return parse(raw, column(unit=unit, name=name))


def close(got: Any, want: float | None) -> bool:
    if want is None or got is None:
        return got is want
    return math.isclose(got, want, rel_tol=1e-9)


@pytest.mark.parametrize(
    ("raw", "value"),
    [
        ("1,234.5", 1234.5),
        ("1.234,5", 1234.5),
        ("1 234,5", 1234.5),
        ("1\u202f234,5", 1234.5),
        ("1'234.5", 1234.5),
        ("1’234’567", 1234567),
        ("12,34,567", 1234567),
        ("１，２３４", 1234),
        ("1,234", 1234),
        ("1.234", 1.234),
        ("1.234.567", 1234567),
        ("1,5", 1.5),
        ("0,125", 0.125),
        (".5", 0.5),
        ("1.2e6", 1.2e6),
        ("1.2 × 10⁶", 1.2e6),
        ("1.2 x 10^-3", 1.2e-3),
        ("3½", 3.5),
        ("3/4", 0.75),
    ],
)
def test_digits_are_read_with_marks_of_either_kind(raw: str, value: float) -> None:
    assert close(number(raw), value)


@pytest.mark.parametrize(
    ("raw", "value"),
    [
        ("3.2 million", 3.2e6),
        ("3.2bn", 3.2e9),
        ("5k", 5_000),
        ("$1.2T", 1.2e12),
        ("3 crore", 3e7),
        ("2.5 lakh", 2.5e5),
        ("3万", 30_000),
        ("1.5亿", 1.5e8),
        ("3百万", 3e6),
        ("十亿", 1e9),
        ("1亿2345万", 123_450_000),
        ("300多万", 3e6),
        ("1.2万亿", 1.2e12),
        ("5m users", 5e6),
    ],
)
def test_scales_multiply(raw: str, value: float) -> None:
    assert close(number(raw), value)


@pytest.mark.parametrize(
    ("raw", "value"),
    [
        ("twenty-three", 23),
        ("One hundred and five", 105),
        ("two million three hundred thousand", 2_300_000),
        ("three point five million", 3.5e6),
        ("one and a half million", 1.5e6),
        ("half a million", 5e5),
        ("a dozen", 12),
        ("seventeen hundred", 1700),
        ("nineteen ninety", 1990),
        ("two-thirds", 2 / 3),
        ("minus five", -5),
        ("Twenty-three (23) directors", 23),
        ("one of 45 branches", 45),
        ("二十三", 23),
        ("两万三", 23_000),
        ("3万5千", 35_000),
        ("三分之一", 1 / 3),
        ("十分之一", 0.1),
        ("一半", 0.5),
        ("三点五亿", 3.5e8),
        ("负五", -5),
        ("壹佰", 100),
        ("一千二百亿", 1.2e11),
        ("共有五家子公司", 5),
        ("统一企业十二家", 12),
    ],
)
def test_number_words_are_numbers(raw: str, value: float) -> None:
    assert close(number(raw), value)


@pytest.mark.parametrize(
    ("raw", "value"),
    [
        ("44.4%", 44.4),
        ("44.4 percent", 44.4),
        ("44.4 per cent", 44.4),
        ("44.4 pct", 44.4),
        ("44.4％", 44.4),
        ("百分之四十四", 44),
        ("百分之44.4", 44.4),
        ("负百分之3.34", -3.34),
        ("百分之负三", -3),
        ("2 percentage points", 2),
        ("2.5个百分点", 2.5),
        ("25 basis points", 0.25),
        ("3‰", 0.3),
        ("千分之三", 0.3),
        ("三成五", 35),
        ("forty-four per cent", 44),
        ("one third", 100 / 3),
        ("1 in 5", 20),
        ("one in five", 20),
        ("44.4", 44.4),
        ("61% (2023 est.)", 61),
        ("100% of population (2022 est.)", 100),
        ("营业收入为12.34亿元，同比增长5.6%", 5.6),
        ("$5 million", None),
        ("5 km", None),
    ],
)
def test_percent_in_every_spelling(raw: str, value: float | None) -> None:
    assert close(number(raw, "%"), value)


@pytest.mark.parametrize(
    ("raw", "unit", "value"),
    [
        ("$1.2B", "USD", 1.2e9),
        ("US$ 5m", "USD", 5e6),
        ("USD 5 million", "USD", 5e6),
        ("5 million dollars", "USD", 5e6),
        ("5美元", "USD", 5),
        ("5 million euros", "EUR", 5e6),
        ("EUR5.3bn", "EUR", 5.3e9),
        ("£3.2m", "GBP", 3.2e6),
        ("¥500", "CNY", 500),
        ("￥500", "JPY", 500),
        ("人民币5亿元", "CNY", 5e8),
        ("RMB 5亿", "元", 5e8),
        ("HK$5", "HKD", 5),
        ("港元5", "HKD", 5),
        ("$5", "CAD", 5),
        ("Rs. 5 crore", "INR", 5e7),
        ("ZMW 5 million", "ZMW", 5e6),
        ("50 cents", "USD", 0.5),
        ("€5m", "USD", None),
        ("HK$5", "USD", None),
        ("5美元", "元", None),
        ("RMB 5 million (US$0.7 million)", "USD", 7e5),
        ("12.5亿元", "亿元", 12.5),
        ("3500万元", "亿元", 0.35),
        ("(5)百万美元", "million USD", -5),
        ("35,000,000元", "万元", 3500),
        ("1,234", "USD million", 1234),
        ("$ 1,452.4", "USD million", 1452.4),
        ("$1.2 billion", "USD million", 1200),
        ("$3,200,000", "USD million", 3.2),
        ("JPY 31,000,000", "JPY million", 31_000_000),
        ("44%", "USD", None),
        ("5", "USD", 5),
    ],
)
def test_currencies_are_never_converted(raw: str, unit: str, value: float | None) -> None:
    assert close(number(raw, unit), value)


@pytest.mark.parametrize(
    ("raw", "unit", "value"),
    [
        ("42,803 sq mi", "sq km", 42803 * 2.589988110336),
        ("110,860 sq km", "km²", 110_860),
        ("110,860", "sq km", 110_860),
        ("5 km²", "sq km", 5),
        ("30.5万平方公里", "sq km", 305_000),
        ("42,803 sq mi (110,860 sq km)", "sq km", 110_860),
        ("110,860 sq km (42,803 sq mi)", "sq mi", 42_803),
        ("10 miles", "km", 16.09344),
        ("6,476 ft", "m", 1973.8848),
        ("5 ft 10 in", "cm", 177.8),
        ("3 angstroms", "m", 3e-10),
        ("3米", "m", 3),
        ("三千米", "m", 3000),
        ("5m", "m", 5),
        ("5m", "USD", 5e6),
        ("29,500 tons", "tonnes", 29_500),
        ("3 kg", "lbs", 3 / 0.45359237),
        ("五百克", "kg", 0.5),
        ("25 °C", "°F", 77),
        ("80.1 years (2024 est.)", "years", 80.1),
        ("2 years 6 months", "years", 2.5),
        ("三年半", "年", 3.5),
        ("2 hours 30 minutes", "minutes", 150),
        ("1h 30m", "minutes", 90),
        ("6'2\"", "cm", 187.96),
        ("a 5-year term", "years", 5),
        ("八十岁", "years", 80),
        ("120 km/h", "km/h", 120),
        ("10.2 micrograms per cubic meter", "µg/m3", 10.2),
        ("3.2 million barrels per day", "bbl/day", 3.2e6),
        ("221.453 million kWh", "GWh", 221.453),
        ("11 deaths/100,000 live births", "deaths per 1,000 live births", 0.11),
        ("6.88 births/1,000 population (2025 est.)", "births/1,000 population", 6.88),
        ("350,000人", "万人", 35),
        ("6 kg", "km", None),
        ("44%", "people", None),
        ("12 km", "employees", None),
    ],
)
def test_measures_come_out_in_the_columns_unit(raw: str, unit: str, value: float | None) -> None:
    assert close(number(raw, unit), value)


@pytest.mark.parametrize(
    ("raw", "unit", "value"),
    [
        ("Pico Turquino 1,974 m", "m", 1974),
        ("Coastline: 823 km (Caribbean Sea 669 km; Gulf of Fonseca 163 km)", "km", 823),
        ("23,000 ANDORRA LA VELLA (capital) (2018)", "", 23_000),
        ("15 (all directly elected)", "", 15),
        ("As of 31 December 2023, 4,500 employees", "employees", 4500),
        ("in 2023 the company had 4,500 employees", "employees", 4500),
        ("2023年实现营收12亿元", "元", 12e8),
        ("12% (male 5,276/female 4,954)", "%", 12),
        ("85,370[1]", "", 85_370),
        ("85,370*†", "", 85_370),
        ("85,370¹", "", 85_370),
        ("12,345 (1)", "", 12_345),
        ("COVID-19 cases: 45", "", 45),
        ("348,000 metric tonnes of CO2 (2023 est.)", "tonnes", 348_000),
        ("0 km (landlocked)", "km", 0),
        ("rose from 12 to 15", "", 15),
        ("2019 $ 5,686", "USD", 5686),
        ("Dead Sea -431 m", "m", -431),
        ("Dead Sea - 431 m", "m", 431),
    ],
)
def test_the_number_that_the_column_means_is_found_among_others(raw: str, unit: str, value: float) -> None:
    assert close(number(raw, unit), value)


@pytest.mark.parametrize(
    "raw", ["2-1", "120/80", "12/03/2021", "12:30", "1.2.3", "May 2021", "in 2021", "(2024 est.)", "COVID-19", "A4", "text"]
)
def test_what_is_no_amount_has_no_number(raw: str) -> None:
    assert number(raw, "USD") is None


@pytest.mark.parametrize(
    ("raw", "name", "value"),
    [
        ("(1,234)", "sales", -1234),
        ("$(1,234)", "sales", -1234),
        ("$ (5) million", "sales", -5e6),
        ("($5 million)", "sales", -5e6),
        ("-5", "sales", -5),
        ("−5", "sales", -5),
        ("–5", "sales", -5),
        ("-$5", "sales", -5),
        ("$-5", "sales", -5),
        ("+3.2", "sales", 3.2),
        ("loss of 5 million", "net_profit", -5e6),
        ("loss of (5) million", "net_profit", -5e6),
        ("亏损5亿元", "net_profit", -5e8),
        ("profit of 5 million", "net_profit", 5e6),
        ("loss of 5 million", "net_loss", 5e6),
        ("loss of 5 million", "insured_value", 5e6),
    ],
)
def test_signs_brackets_and_losses(raw: str, name: str, value: float) -> None:
    unit = "元" if "元" in raw else "USD"
    assert close(number(raw, unit, name), value)


def test_a_decline_is_negative_only_in_a_column_of_growth() -> None:
    assert number("down 3.2%", "%", "growth_rate") == -3.2
    assert number("下降3.2%", "%", "revenue_growth") == -3.2
    assert number("增长3.2%", "%", "revenue_growth") == 3.2
    assert number("down 3.2%", "%", "decline") == 3.2
    assert number("a margin down to 3.2%", "%", "share") == 3.2


@pytest.mark.parametrize(
    "raw",
    [
        "about 45",
        "approx. 45",
        "approximately 45",
        "~45",
        "≈45",
        "c. 45",
        "over 45",
        "nearly 45",
        "约45",
        "近45",
        "45左右",
        "<45",
        "45+",
    ],
)
def test_approximations_are_their_number(raw: str) -> None:
    assert number(raw) == 45


@pytest.mark.parametrize(
    ("raw", "unit", "value"),
    [
        ("12–15", "", 13.5),
        ("12-15", "", 13.5),
        ("12 to 15 years", "years", 13.5),
        ("between 12 and 15", "", 13.5),
        ("12至15人", "人", 13.5),
        ("12～15", "", 13.5),
        ("3–5 million", "", 4e6),
        ("$3-5bn", "USD", 4e9),
        ("$3 million to $5 million", "USD", 4e6),
        ("10%-20%", "%", 15),
        ("€5-€6", "EUR", 5.5),
        ("12 - 15", "", 13.5),
        ("-5 to -3 °C", "°C", -4),
        ("-5 to 3 °C", "°C", -1),
        ("10 and 20", "", 10),
    ],
)
def test_a_range_is_its_middle(raw: str, unit: str, value: float) -> None:
    assert close(number(raw, unit), value)


def test_a_column_of_years_takes_the_year_of_a_date() -> None:
    assert number("12 March 2021", "", "year_founded") == 2021
    assert number("FY2023", "", "fiscal_year") == 2023
    assert number("1998年", "年", "founded") == 1998
    assert number("2019–2021", "", "year") == 2019
    assert number("二〇二一年") == 2021


@pytest.mark.parametrize(
    ("raw", "unit", "name", "value"),
    [
        ("36.5 m", "", "x", 36.5),
        ("36.5m", "", "height", 36.5),
        ("36.5m", "m", "x", 36.5),
        ("36.5m", "USD", "x", 36.5e6),
        ("36.5m", "million USD", "x", 36.5),
        ("36.5m", "million", "x", 36.5),
        ("$36.5m", "", "x", 36.5e6),
        ("$5m/year", "", "x", 5e6),
        ("36.5m USD", "", "x", 36.5e6),
        ("€3bn", "", "x", 3e9),
        ("36.5m", "people", "x", 36.5e6),
        ("36.5m", "", "population", 36.5e6),
        ("5m active users", "", "x", 5e6),
        ("5m tonnes", "", "x", 5e6),
        ("5 m long", "USD", "x", None),
        ("36.5m", "kg", "x", None),
        ("36.5M", "", "x", None),
        ("1.2M", "tonnes", "x", 1.2e6),
        ("12b", "", "x", None),
        ("7B", "", "parameters", 7e9),
        ("7B-parameter model", "", "x", 7e9),
        ("5t", "", "x", 5),
        ("5t", "t", "x", 5),
        ("12k users", "", "x", 12_000),
        ("12k", "", "x", 12_000),
        ("300 K", "", "x", 300),
        ("300 K", "K", "x", 300),
        ("300 K", "°C", "x", 26.85),
        ("300K", "", "surface_temperature", 300),
        ("5 m/s", "m/s", "x", 5),
    ],
)
def test_a_letter_is_a_scale_only_where_money_or_a_count_is_meant(raw: str, unit: str, name: str, value: float | None) -> None:
    assert close(number(raw, unit, name), value)


NOTHING = """
n/a N/A NA n.a. - — – -- ... not_available Not_disclosed unknown TBD ***_redacted [redacted] 不详 暂无
未披露 未知 不适用 NA_(2023) n/a%
""".split()


@pytest.mark.parametrize("raw", [*(word.replace("_", " ") for word in NOTHING), "", "  ", "\n"])
@pytest.mark.parametrize("kind", ["number", "date", "text", "boolean", "list"])
def test_a_cell_that_says_nothing_has_no_value(raw: str, kind: ColumnType) -> None:
    assert parse(raw, column(kind)) is None


def test_none_is_nothing_for_a_number_no_for_yes_or_no_and_empty_for_a_list() -> None:
    for raw in ("none", "None", "无", "none (landlocked)"):
        assert parse(raw, column("number")) is None
        assert parse(raw, column("text")) is None
        assert parse(raw, column("boolean")) is False
        assert parse(raw, column("list")) == ()


def test_zero_is_a_number() -> None:
    assert [number(raw) for raw in ("0", "0.0", "zero", "零", "nil", "0%")] == [0] * 6


@pytest.mark.parametrize(
    ("raw", "value"),
    [
        ("yes", True),
        ("Yes, since 2012", True),
        ("TRUE", True),
        ("✓", True),
        ("是", True),
        ("有", True),
        ("已上市", True),
        ("permitted", True),
        ("No (2020)", False),
        ("false", False),
        ("✗", False),
        ("否", False),
        ("无", False),
        ("未上市", False),
        ("不是", False),
        ("not recognized", False),
        ("prohibited", False),
        ("maybe", None),
    ],
)
def test_yes_and_no(raw: str, value: bool | None) -> None:
    assert parse(raw, column("boolean")) is value


@pytest.mark.parametrize(
    ("raw", "items"),
    [
        ("China 34%, Spain 12%, Germany 6% (2023)", ("China", "Spain", "Germany")),
        ("A, B and C", ("A", "B", "C")),
        ("A, B, and C", ("A", "B", "C")),
        ("A；B；C", ("A", "B", "C")),
        ("A; B, C; D", ("A", "B, C", "D")),
        ("中国、美国和德国", ("中国", "美国", "德国")),
        ("中国、美国等5个国家", ("中国", "美国")),
        ("张三；李四（董事长）", ("张三", "李四")),
        ("Carriacou (A, B), Petite", ("Carriacou", "Petite")),
        ("France, Bosnia and Herzegovina", ("France", "Bosnia and Herzegovina")),
        ("Trinidad and Tobago 5%, Barbados 3%", ("Trinidad and Tobago", "Barbados")),
        ("Alice Smith and Bob Jones", ("Alice Smith", "Bob Jones")),
        ("Ministry of Trade and Industry", ("Ministry of Trade and Industry",)),
        ("Acme, Inc., Beta Ltd, Gamma Co., Ltd.", ("Acme, Inc.", "Beta Ltd", "Gamma Co., Ltd.")),
        ("Korea, South 12%, Japan 3%", ("Korea, South", "Japan")),
        ("France 55 km; Spain 63 km", ("France", "Spain")),
        ("Christian (mostly Catholic) 89.5, other 8.8%, unaffiliated 1.7% (2020 est.)", ("Christian", "unaffiliated")),
        ("- Apples\n- Pears", ("Apples", "Pears")),
        ("1. Apples\n2. Pears", ("Apples", "Pears")),
        ("2019, 2020, 2021", ("2019", "2020", "2021")),
        ("Boeing 737, Airbus 320", ("Boeing 737", "Airbus 320")),
        ("Johnson & Johnson, Pfizer", ("Johnson & Johnson", "Pfizer")),
        ("including A, B, a", ("A", "B")),
        ("2 provinces and 1 city; Artemisa, Granma", ("Artemisa", "Granma")),
        ("red", ("red",)),
    ],
)
def test_lists_fall_into_their_items(raw: str, items: tuple[str, ...]) -> None:
    assert parse(raw, column("list")) == items


CLASSES = ("Manufacturing", "Financial services", "Technology", "Not profitable", "Profitable", "Level 1", "Level 2")


@pytest.mark.parametrize(
    ("raw", "value"),
    [
        ("manufacturing", "Manufacturing"),
        ("MANUFACTURING sector", "Manufacturing"),
        ("financial service", "Financial services"),
        ("Manufactoring", "Manufacturing"),
        ("technologies", "Technology"),
        ("It is a technology company", "Technology"),
        ("profitable", "Profitable"),
        ("not profitable", "Not profitable"),
        ("never profitable", None),
        ("level 2", "Level 2"),
        ("Level 3", None),
        ("Banking", None),
        ("manufacturing and technology", None),
        ("n/a", None),
    ],
)
def test_a_classified_cell_is_one_of_the_classes(raw: str, value: str | None) -> None:
    assert parse(raw, column("text", values=CLASSES)) == value


def test_classes_in_chinese_mind_the_negation() -> None:
    classes = ("上市", "未上市")
    assert [parse(raw, column("text", values=classes)) for raw in ("未上市", "已上市", "上市公司")] == [
        "未上市",
        "上市",
        "上市",
    ]


def test_text_is_one_line_without_marks_around_it() -> None:
    cells = {
        "  Hello\n world ": "Hello world",
        "Saint Peter Port [1]": "Saint Peter Port",
        "Acme Inc.": "Acme Inc.",
        "“quoted”": "quoted",
    }
    assert {raw: parse(raw, column("text")) for raw in cells} == cells


def test_a_year_is_told_and_read_without_a_scale_or_a_mark() -> None:
    assert told(1998, name="founded_year") == "1998"
    assert told(1998, "year", name="year") == "1998"
    assert told(1998, "年", name="year", language="zh") == "1998年"
    assert told(1998, name="employees") == "1,998"
    assert [number(raw, "", "founded_year") for raw in ("1998", "1,998", "in 1998", "1998 m")] == [1998] * 4


def test_values_are_told_for_people() -> None:
    assert told(13782.8, "km") == "13,782.8 km"
    assert told(44.4, "%") == "44.4%"
    assert told(0.1 + 0.2) == "0.3"
    assert told(10**20) == "100,000,000,000,000,000,000"
    assert told(2.0) == "2"
    assert told(-5.5, "$") == "-$5.5"
    assert told(1234, "亿元", language="zh") == "1,234亿元"
    assert told(True) == "yes"
    assert told(False, language="zh") == "否"
    assert told(()) == "none"
    assert told((), language="zh") == "无"
    assert told(("A", "B")) == "A, B"
    assert told(("A, Inc.", "B")) == "A, Inc.; B"
    assert told(("甲", "乙"), language="zh") == "甲、乙"
    assert told(None) == ""


def test_the_same_value_in_other_words_is_the_same() -> None:
    assert same_value(3.0000000000001, 3, column())
    assert not same_value(1240192, 1240193, column())
    assert same_value("2021-03", "2021-03-12", column("date"))
    assert not same_value("2021-04", "2021-03-12", column("date"))
    assert same_value(("A", "B"), ("b", "a"), column("list"))
    assert not same_value(("A",), (), column("list"))
    assert same_value("Saint Peter", "saint  peter", column("text"))
    assert not same_value(True, False, column("boolean"))
    assert not same_value(None, 0, column())


def test_a_date_left_open_begins_on_its_first_day() -> None:
    assert [first_day(iso) for iso in ("2021", "2021-03", "2021-03-12")] == ["2021-01-01", "2021-03-01", "2021-03-12"]
