"""A quote holds the value that was taken from it however it is spelled, and never another digit, sign, unit or scale."""

from __future__ import annotations

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from extagents.tables.values import holds, parse, told
from extagents.tabular import Column, ColumnType


def column(kind: ColumnType = "number", unit: str = "", name: str = "x", values: tuple[str, ...] = ()) -> Column:
    return Column(name=name, type=kind, unit=unit, description="", values=list(values))


@pytest.mark.parametrize(
    ("quote", "raw", "unit", "name"),
    [
        ("Coastline: 3,735 km", "3,735 km", "km", "x"),
        ("Coastline: 3,735 km", "3735", "km", "x"),
        ("Population - total: 85,370 (2024 est.)", "85370", "", "population"),
        ("twenty-three directors", "23", "", "x"),
        ("二十三家公司", "23", "家", "x"),
        ("百分之四十四", "44%", "%", "x"),
        ("| 站点 | 七 |", "七", "", "x"),
        ("站点数为七。", "7", "", "x"),
        ("44.4 per cent", "44.4%", "%", "x"),
        ("Revenue | 1,234 | 1,100", "1,234 million", "USD", "x"),
        ("Revenue (in millions) 1,234", "1,234 million", "USD", "x"),
        ("Revenue (in millions) 1,234", "$1.234 billion", "USD", "x"),
        ("Revenue (in millions) 1,234", "1,234", "USD million", "x"),
        ("revenue of $1,234 million", "1,234", "USD million", "x"),
        ("revenue of $1.234 billion", "1,234 million", "USD", "x"),
        ("营业收入12.34亿元", "1,234,000,000元", "元", "x"),
        ("（单位：万元）营业收入 1,234", "1,234万元", "元", "x"),
        ("Net income (1,234)", "-1,234", "USD", "x"),
        ("net loss of $5 million", "-5 million", "USD", "net_profit"),
        ("net loss of $5 million", "loss of 5 million", "USD", "net_profit"),
        ("Area 42,803 sq mi", "110,859 sq km", "sq km", "x"),
        ("between 12 and 15 years", "12–15 years", "years", "x"),
        ("grew from 12 to 15", "15", "", "x"),
        ("founded on 12 March 1998", "1998", "", "founded_year"),
        ("a country of five", "5", "", "x"),
    ],
)
def test_a_quote_holds_its_number_however_it_is_spelled(quote: str, raw: str, unit: str, name: str) -> None:
    assert holds(quote, raw, column(unit=unit, name=name))


@pytest.mark.parametrize(
    ("quote", "raw", "unit", "name"),
    [
        ("Coastline: 3,735 km", "3,736 km", "km", "x"),
        ("Coastline: 3,735 km", "3,735 m", "km", "x"),
        ("Coastline: 3,735 km", "373.5 km", "km", "x"),
        ("Population - total: 85,370 (2024 est.)", "8,537", "", "population"),
        ("Population - total: 85,370 (2024 est.)", "2024", "", "population"),
        ("Revenue | 1,234 | 1,100", "1,243 million", "USD", "x"),
        ("Revenue (in millions) 1,234", "1,234", "USD", "x"),
        ("Revenue (in thousands) 1,234", "1,234 million", "USD", "x"),
        ("revenue of $1,234 thousand", "1,234 million", "USD", "x"),
        ("revenue of $1,234 million", "1,234", "USD", "x"),
        ("营业收入12.34亿元", "12.43亿元", "元", "x"),
        ("profit of $5 million", "-5 million", "USD", "net_profit"),
        ("revenue of €5 million", "$5 million", "USD", "x"),
        ("Area 42,803 sq mi", "110,869 sq km", "sq km", "x"),
        ("founded on 12 March 1998", "1989", "", "founded_year"),
        ("", "5", "", "x"),
    ],
)
def test_another_digit_sign_unit_or_scale_never_holds(quote: str, raw: str, unit: str, name: str) -> None:
    assert not holds(quote, raw, column(unit=unit, name=name))


@pytest.mark.parametrize(
    ("quote", "raw", "unit"),
    [
        ('"Net profit, fiscal 2022": "-71 million USD"', "-71 million USD", "million USD"),
        ('"2022年税后利润": "-7.264亿美元"', "-7.264亿美元", "million USD"),
        ('"2023年实际GDP增速": "−0.21%"', "−0.21%", "%"),
        ("2024年，渊晟共和国的实际GDP增长率计-6.84%。", "-6.84%", "%"),
        ("2023年，峥钧公司的净利润达-4,340万美元。", "-4,340万美元", "million USD"),
        ("In 2022, the unit sales of the Goravedell 500 came to 2,038.", "2,038", ""),
        ("For 2023, sales of Fenunor 790 rose to 27,248 units.", "27,248 units", "units"),
    ],
)
def test_a_number_in_a_label_or_a_name_is_no_part_of_the_value(quote: str, raw: str, unit: str) -> None:
    assert holds(quote, raw, column(unit=unit))
    assert not holds(quote, raw.lstrip("-−") if raw[0] in "-−" else f"-{raw}", column(unit=unit))


def test_the_last_of_many_digits_counts() -> None:
    assert holds("Revenue (2022): 3,031,400,000 US dollars", "3,031,400,000 US dollars", column(unit="million USD"))
    assert not holds("Revenue (2022): 3,031,400,000 US dollars", "3,031,400,001 US dollars", column(unit="million USD"))


@pytest.mark.parametrize("unit", ["meter/" * 600 + "s", "kilo" * 900, "m" + "^9" * 900, "(" * 4000, "million " * 500])
def test_a_unit_that_never_ends_is_no_unit(unit: str) -> None:
    value = parse("about 5 km", column(unit=unit))
    assert value is None or isinstance(value, int | float)


HOSTILE = ("9" * 4000, "1" + " " * 3990 + "k", "½" * 4000, "九" * 4000, "((((1))))" * 400, "rose from " * 400, "第一" * 2000,
           "1e999 trillion", "5 " + "trillion " * 440, "1×10^" + "9" * 3000, "\x00" * 4000, "\ud8005\udfff", "\u202e5 km\u202c",
           "٥٠٠ km", "1/0", "1 to " * 800)  # fmt: skip


@pytest.mark.parametrize("text", HOSTILE)
def test_hostile_text_has_a_value_or_none(text: str) -> None:
    for kind in ("number", "date", "text", "list", "boolean"):
        for unit in ("", "km", "%", "USD million"):
            value = parse(text, column(kind, unit))
            assert value is None or isinstance(value, int | float | str | bool | tuple)
            assert holds(text, text[:4000], column(kind, unit)) in (True, False)


WRITTEN = ("{:,}", "{}", "{:,} km", "about {:,} km", "{:,} kilometres (2023 est.)")
AROUND = ("Coastline: {}", "The coast is {} long.", "海岸线{}。", "| Cuba | {} | island |")


@given(
    st.integers(min_value=0, max_value=10**9),
    st.sampled_from(WRITTEN),
    st.sampled_from(WRITTEN),
    st.sampled_from(AROUND),
    st.data(),
)
def test_a_number_holds_in_its_quote_until_one_digit_is_changed(
    value: int, form: str, other: str, around: str, data: st.DataObject
) -> None:
    length = column(unit="km")
    quote = around.format(form.format(value))
    assert holds(quote, other.format(value), length)
    digits = list(str(value))
    place = data.draw(st.integers(min_value=0, max_value=len(digits) - 1))
    digits[place] = data.draw(st.sampled_from([digit for digit in "0123456789" if digit != digits[place]]))
    changed = int("".join(digits))
    assume(len(str(changed)) == len(str(value)) and not (changed == 2023 and "2023" in quote))
    assert not holds(quote, other.format(changed), length)


@given(
    st.integers(min_value=1, max_value=10**6),
    st.sampled_from(("million", "billion", "thousand")),
    st.sampled_from(("million", "billion", "thousand")),
)
def test_a_scale_that_the_quote_states_is_never_contradicted(value: int, shown: str, said: str) -> None:
    money = column(unit="USD")
    assert holds(f"sales of ${value:,} {shown} were", f"${value:,} {said}", money) == (shown == said)
    assert holds(f"Sales (in {shown}s) {value:,}", f"{value:,} {said}", money) == (shown == said)


ODD = st.text(
    alphabet=st.sampled_from(list("0123456789.,-–—'()[]%$€¥/:;、，；年月日第三百万亿点半分之和 abkmtKMBeinodpquartes\n½²³⁶×~")),
    max_size=40,
)


@given(
    ODD,
    ODD,
    st.sampled_from(("number", "date", "text", "boolean", "list")),
    st.sampled_from(("", "km", "%", "USD million", "元", "years")),
)
def test_no_text_whatever_makes_it_fail(quote: str, raw: str, kind: ColumnType, unit: str) -> None:
    told_of = column(kind, unit)
    value = parse(raw, told_of)
    assert value is None or isinstance(value, int | float | str | bool | tuple)
    assert holds(quote, raw, told_of) in (True, False)


@pytest.mark.parametrize(
    "piece", ["1,", "1 ", "1-", "(", "one and ", "A and ", "和", "12 March 2021 ", "[1]", ", ", "百分之", "5 km "]
)
def test_endless_text_is_read_as_far_as_a_value_goes(piece: str) -> None:
    endless = piece * (200_000 // len(piece))
    for kind in ("number", "date", "text", "boolean", "list"):
        assert holds(endless, endless, column(kind)) in (True, False)


def test_every_item_of_a_list_must_stand_in_the_quote() -> None:
    quote = "Exports - partners: China 34%, Spain 12%, Germany 6% (2023)"
    assert holds(quote, "China 34%, Spain 12%, Germany 6% (2023)", column("list"))
    assert holds(quote, "Spain; China", column("list"))
    assert not holds(quote, "China, Italy", column("list"))
    assert holds("合作方为中国、美国和德国。", "中国、德国", column("list"))


def test_the_empty_list_needs_a_word_that_says_so() -> None:
    assert holds("Maritime claims: none (landlocked)", "none", column("list"))
    assert not holds("Exports: China 34%", "none", column("list"))


def test_text_holds_word_for_word_but_for_a_small_slip() -> None:
    assert holds("Capital: Saint George's", "Saint George’s", column("text"))
    assert holds("chaired by Mr James Knox Polk in 1845", "James K. Polk", column("text")) is False
    assert holds("the American Broadcasting Company of New York", "America Broadcasting Company", column("text"))
    assert holds("注册地址为北京市海淀区", "北京市海淀区", column("text"))
    assert not holds("Capital: Rome", "Roma", column("text"))
    assert not holds("Model 5 engines are approved", "Model 6 engines", column("text"))
    assert not holds("the plan was approved by all members", "plan not approved by all members", column("text"))


def test_a_judgement_needs_only_a_quote() -> None:
    assert holds("It makes steel.", "Manufacturing", column("text", values=("Manufacturing",)))
    assert holds("It makes steel.", "yes", column("boolean"))
    assert not holds("  ", "yes", column("boolean"))


def test_a_date_holds_where_the_quote_is_at_least_as_exact() -> None:
    day = column("date")
    assert holds("on 12 March 2021 the", "2021", day)
    assert holds("2021年3月12日", "March 12, 2021", day)
    assert holds("Elected on 3/4/2021", "2021-04-03", day)
    assert holds("In 2021, the fair opened on 12 March.", "2021-03-12", day)
    assert not holds("in 2021", "12 March 2021", day)
    assert not holds("the fair opened on 12 March", "2021-03-12", day)


@pytest.mark.parametrize("raw", ["9" * 400, "1e400", "-1e400", "9" * 1_000_000, "1e301"])
def test_a_number_beyond_all_measure_is_no_value_and_never_holds(raw: str) -> None:
    assert parse(raw, column()) is None
    assert not holds("Volumes: 240,000", raw, column())
    assert not holds(f"Volumes: {raw}", raw, column())


def test_what_is_no_number_is_told_by_no_words() -> None:
    assert [told(value, "km") for value in (float("inf"), float("-inf"), float("nan"))] == ["", "", ""]
