"""Numbers survive being written and read again, in every format."""

from __future__ import annotations

from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from extagents.tables.values import parse, same_value, told
from extagents.tables.values_units import unit_of
from extagents.tabular import Column

CENTS = st.integers(min_value=-(10**12), max_value=10**12)
UNITS = ("", "km", "%", "USD", "USD million", "元", "万元", "years", "births/1,000 population", "°C", "employees", "sq km", "$")
LOCALES = ("en_US", "en_GB", "de_DE", "fr_FR", "de_CH", "en_IN", "zh_CN", "es_ES", "it_IT", "pt_BR", "sv_SE", "ru_RU")


def column(unit: str = "") -> Column:
    return Column(name="x", type="number", unit=unit, description="")


@given(CENTS, st.sampled_from(LOCALES))
def test_a_number_written_in_any_locale_is_read_again(cents: int, locale: str) -> None:
    from babel.numbers import format_decimal

    value = Decimal(cents) / 100
    written = format_decimal(value, format=None, locale=locale, decimal_quantization=False)
    if written.count(".") == 1 and "," not in written and locale in ("de_DE", "es_ES", "it_IT", "pt_BR"):
        return  # 1.234: a decimal point, as most documents mean it
    assert parse(written, column()) == float(value)


@given(CENTS, st.sampled_from(UNITS), st.sampled_from(("en", "zh")))
def test_what_is_told_is_read_as_the_same(cents: int, unit: str, language: str) -> None:
    value = parse(str(Decimal(cents) / 100), column(unit))
    assert value is not None
    assert same_value(parse(told(value, unit, language=language), column(unit)), value, column(unit))


@given(st.floats(min_value=-1e15, max_value=1e15, allow_nan=False))
def test_floats_are_told_without_noise_and_read_again(value: float) -> None:
    written = told(value)
    assert "e" not in written
    again = parse(written, column())
    assert isinstance(again, int | float)
    assert again == pytest.approx(value, rel=1e-11, abs=1e-300)


@given(st.integers(min_value=0, max_value=10**12 - 1))
def test_english_number_words_are_read(value: int) -> None:
    assert parse(words(value), column()) == value


@given(st.integers(min_value=0, max_value=10**12 - 1))
def test_chinese_numerals_are_read(value: int) -> None:
    import cn2an

    assert parse(str(cn2an.an2cn(value)), column()) == value
    assert parse(str(cn2an.an2cn(value, "up")), column()) == value


@given(
    st.integers(min_value=1, max_value=99_999),
    st.sampled_from((("thousand", 3), ("million", 6), ("bn", 9), ("万", 4), ("亿", 8), ("trillion", 12))),
)
def test_scales_are_exact(tenths: int, scale: tuple[str, int]) -> None:
    name, power = scale
    assert parse(f"{Decimal(tenths) / 10} {name}", column()) == float(Decimal(tenths) / 10 * 10**power)


@pytest.mark.parametrize(
    ("text", "kind", "name", "scale"),
    [
        ("USD million", "currency", "USD", 10**6),
        ("million USD", "currency", "USD", 10**6),
        ("USD (millions)", "currency", "USD", 10**6),
        ("millions of dollars", "currency", "USD", 10**6),
        ("$m", "currency", "USD", 10**6),
        ("亿元", "currency", "CNY", 10**8),
        ("百万美元", "currency", "USD", 10**6),
        ("万人", "word", "人", 10**4),
        ("thousands", "none", "", 10**3),
        ("% of GDP", "percent", "%", 1),
        ("KM", "measure", "kilometer", 1),
        ("thousand barrels per day", "measure", "oil_bbl/(day)", 10**3),
        ("亿千瓦时", "measure", "kilowatt_hour", 10**8),
        ("light years", "measure", "light_year", 1),
        ("people", "word", "people", 1),
        ("", "none", "", 1),
        ("Height (m)", "measure", "meter", 1),
        ("mm of rain", "measure", "millimeter", 1),
        ("metres above sea level", "measure", "meter", 1),
        ("tonnes of CO2", "measure", "metric_ton", 1),
        ("Sales (m)", "word", "sales", 10**6),
        ("m GBP", "currency", "GBP", 10**6),
        ("USD '000", "currency", "USD", 10**3),
    ],
)
def test_units_of_columns_are_understood(text: str, kind: str, name: str, scale: int) -> None:
    unit = unit_of(text)
    assert (str(unit.kind), unit.name, int(unit.scale)) == (kind, name, scale)


SMALL = """
zero one two three four five six seven eight nine ten eleven twelve thirteen fourteen fifteen sixteen
seventeen eighteen nineteen
""".split()
TENS = "twenty thirty forty fifty sixty seventy eighty ninety".split()


def words(value: int) -> str:
    for size, name in ((10**9, "billion"), (10**6, "million"), (1_000, "thousand"), (100, "hundred")):
        if value >= size:
            rest = value % size
            return f"{words(value // size)} {name}" + (f"{' and' if size == 100 else ''} {words(rest)}" if rest else "")
    if value < 20:
        return SMALL[value]
    return TENS[value // 10 - 2] + (f"-{SMALL[value % 10]}" if value % 10 else "")
