"""From the text of a cell to its value, and back: what a column can compute with (CorpusQA, arXiv 2601.14952).

Numbers come out in the column's unit, measures converted and currencies never; dates as ISO 8601 text as exact as they are
told; lists as tuples; a classified column's cells as one of its classes. A cell that says nothing has no value.
"""

from __future__ import annotations

import math
import re
from decimal import Decimal
from functools import lru_cache

from extagents.tables.values_amounts import Amount, amounts
from extagents.tables.values_dates import date_of
from extagents.tables.values_dates import first_day as first_day
from extagents.tables.values_digits import calm
from extagents.tables.values_lists import items_of
from extagents.tables.values_numbers import chosen, in_column
from extagents.tables.values_texts import class_of, folded_words, plain, says_none, says_nothing, yes_or_no
from extagents.tables.values_units import stems, wanted
from extagents.tabular import CellValue, Column

_LONGEST = 4_000  # characters of a cell that are read; no value is longer
_HIGHEST = Decimal("1e300")  # what is beyond it is no value: a sum of few such numbers is no number any more
_PLAIN = re.compile(r"[-+]?(?:[1-9]\d{0,2}(?:,\d{3})+|\d+)(?:\.\d+)?")
_ONLY_YEAR = re.compile(
    r"(?:FY|fiscal year|financial year)?\s*\d{4}\s*(?:财年|年度|年)?|[〇零一二三四五六七八九]{4}年", re.IGNORECASE
)
_YEAR_COLUMN = re.compile(r"(?:^|_)(?:year|founded|established|born|died|since|fy|fiscal_year|vintage)(?:$|_)")
_GAIN = re.compile(r"profit|income|earning|ebit|result|surplus|balance|cash_?flow|return|gain|margin")
_GROWTH = re.compile(r"growth|change|increase|yoy|rise|variation|trend|difference|delta")
_SINKING = re.compile(r"loss|decline|decrease|drop|fall|reduction|deficit|cut")
_LOSS = re.compile(r"\b(?:loss|losses|lost|deficit)\b|亏损|净亏|赤字", re.IGNORECASE)
_GAINED = re.compile(r"\b(?:profit|income|surplus|gain)\b|盈利|盈余", re.IGNORECASE)
_FALL = re.compile(
    r"\b(?:decreas\w+|declin\w+|fell|fall|falls|down|dropp?\w*|reduc\w+|shr[au]nk\w*|contract\w+|lower|loss|lost)\b|下降|减少|下滑|下跌|降低|缩减|回落|降幅",
    re.IGNORECASE,
)
_ROSE = re.compile(r"\b(?:increas\w+|rose|grew|up|gain\w*|growth)\b|增长|上升|增加|提高|上涨", re.IGNORECASE)


def parse(raw: str, column: Column) -> CellValue | None:
    """The value of a cell's text, or None where it says nothing, or nothing of the column's kind.

    Ranges are their middle ("12–15" is 13.5), approximations their number, a number in brackets alone is negative, as is a
    "loss" in a column of profit and a "decline" in a column of growth. A bare number is in the column's unit; one in another
    currency, or in a measure that cannot be converted, has no value. Dates that leave day or month open stay so ("2021-03").
    """
    raw = calm(raw[:_LONGEST])
    if column.type == "number":
        return _number(raw, column.unit, column.name)
    return _other(raw, column.type, tuple(column.values))


@lru_cache(maxsize=65_536)
def _other(raw: str, kind: str, values: tuple[str, ...]) -> CellValue | None:
    if kind == "list":
        return _list(raw, values)
    if says_nothing(raw):
        return None
    if kind == "date":
        return date_of(raw)
    if kind == "boolean":
        return yes_or_no(raw)
    if values:
        return class_of(raw, values)
    return None if says_none(raw) else plain(raw) or None


def _list(raw: str, values: tuple[str, ...]) -> tuple[str, ...] | None:
    if says_none(raw):
        return ()
    if says_nothing(raw):
        return None
    items = items_of(raw)
    if values:
        named = [class_of(item, values) or item for item in items]
        return tuple(dict.fromkeys(named))
    return items or None


# ------------------------------------------------------------------ numbers


@lru_cache(maxsize=65_536)
def _number(raw: str, unit: str, name: str) -> int | float | None:
    text = raw.strip()
    if _PLAIN.fullmatch(text):  # most cells
        return _scalar(Decimal(text.replace(",", "")))
    if says_nothing(text):
        return None
    if text.lower() == "nil":
        return 0
    if says_none(text):
        return 0 if text in ("零", "zero", "Zero") else None
    want = wanted(unit, name)
    yearly = years_column(unit, name)
    if yearly or (want.kind == "none" and _ONLY_YEAR.fullmatch(text)):
        dated = date_of(text)
        if dated:
            return int(dated[:4])
    amount = chosen(amounts(text, want, years=yearly), want, hints=stems(name), yearly=yearly)
    if amount is None:
        return None
    value = in_column(amount, want)
    return None if value is None else _scalar(signed(value, amount, text, name=name, yearly=yearly))


def years_column(unit: str, name: str) -> bool:
    """Whether a column of numbers holds years, like the one that something was founded in."""
    return unit.strip().lower() in ("", "year", "年", "ce", "ad") and _YEAR_COLUMN.search(name.lower()) is not None


def signed(value: Decimal, amount: Amount, text: str, *, name: str, yearly: bool = False) -> Decimal:
    """The value with the sign that brackets and words give it."""
    if amount.bracketed and not yearly and value > 0 and not _has_other_number(amount, text):
        value = -value
    return -abs(value) if _goes_down(text, name.lower()) else value


@lru_cache(maxsize=4_096)
def _goes_down(text: str, name: str) -> bool:
    """Whether the text tells of a loss in a column of gains, or of a fall in a column of growth."""
    if _SINKING.search(name):
        return False
    loses = _LOSS.search(text) if _GAIN.search(name) else None
    falls = _FALL.search(text) if _GROWTH.search(name) else None
    return bool((loses and not _GAINED.search(text)) or (falls and not _ROSE.search(text)))


def _has_other_number(amount: Amount, text: str) -> bool:
    return bool(re.search(r"\d", text[: amount.start].rpartition("(")[0]))


def _scalar(value: Decimal) -> int | float | None:
    """A whole number as int, else the float without the noise of a conversion; None for what no measure runs to."""
    if not abs(value) <= _HIGHEST:
        return None
    if value == value.to_integral_value() and abs(value) < 2**53:
        return int(value)
    return float(f"{value:.15g}")


# ------------------------------------------------------------------ comparing and telling


def same_value(one: CellValue | None, other: CellValue | None, column: Column) -> bool:
    """Whether two values say the same: numbers but for rounding noise, dates as far as both are told, lists as sets."""
    if one is None or other is None:
        return one is other
    if column.type == "number" and _numeric(one) and _numeric(other):
        return math.isclose(float(one), float(other), rel_tol=1e-9, abs_tol=1e-12)  # type: ignore[arg-type]
    if column.type == "date":
        first, second = sorted((str(one), str(other)), key=len)
        return second.startswith(first)
    if column.type == "list":
        return _keys(one) == _keys(other)
    if isinstance(one, str) and isinstance(other, str):
        return one == other or folded_words(one) == folded_words(other) != ""
    return one == other


def _numeric(value: CellValue) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


def _keys(value: CellValue) -> frozenset[str]:
    items = value if isinstance(value, tuple) else (str(value),)
    return frozenset(folded_words(item) or item for item in items)


def told(value: CellValue | None, unit: str = "", *, language: str = "en", name: str = "") -> str:
    """A value for people: 13,782.8 km; 44.4%; yes; China, Spain. Nothing known is "", as is what is no number; no items "none".

    `name` is the column's, where it is known: a year has no mark between its digits.
    """
    chinese = language.lower().startswith("zh")
    if value is None or (isinstance(value, float) and not math.isfinite(value)):
        return ""
    if isinstance(value, bool):
        return ("是" if value else "否") if chinese else ("yes" if value else "no")
    if isinstance(value, tuple):
        if not value:
            return "无" if chinese else "none"
        mark = (
            ("；" if any("、" in item or "，" in item for item in value) else "、")
            if chinese
            else "; "
            if any("," in item for item in value)
            else ", "
        )
        return mark.join(value)
    if isinstance(value, str):
        return value
    digits = _digits(value)
    unit = unit.strip()
    if years_column(unit, name):
        return digits.replace(",", "") + ("年" if unit == "年" else "")  # the year 2021, not 2,021 years
    if not unit:
        return digits
    glued = unit[0] in "%‰℃°" or (not unit[0].isascii() and unit[0] not in "€£¥￥₹₩₽")
    if unit[-1] in "$€£¥￥₹₩₽" and len(unit) <= 3:
        return f"-{unit}{digits[1:]}" if digits.startswith("-") else f"{unit}{digits}"
    return f"{digits}{unit}" if glued else f"{digits} {unit}"


def _digits(value: int | float) -> str:
    """Digits with their thousands parted, at most twelve that count behind the first of a fraction."""
    if isinstance(value, float):
        if value.is_integer() and abs(value) < 2**53:
            value = int(value)
        else:
            return f"{Decimal(f'{value:.12g}'):,f}"
    return f"{value:,}"


def holds(quote: str, raw: str, column: Column) -> bool:
    """Whether the quote contains the value of the cell's text, in whatever spelling; see `values_quotes`."""
    from extagents.tables.values_quotes import held

    return held(quote, raw, column)
