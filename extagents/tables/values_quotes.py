"""Whether a quote contains the value that a reader took from it, however it is written there.

A number holds where one of the quote's numbers comes to the same, or has the same digits while the scale that the cell states
is neither said nor contradicted there ("1,234 million" against "1,234" of a table in millions). A digit that was misread,
another sign, unit or scale never holds, nor do two fields of a line read as one. A date holds where the quote tells it at
least as exactly.
"""

from __future__ import annotations

import re
from decimal import Decimal
from functools import lru_cache

from extagents.tables.values import parse, signed, years_column
from extagents.tables.values_amounts import NOTE, Amount, amounts
from extagents.tables.values_dates import dates_in, day_and_month
from extagents.tables.values_digits import calm
from extagents.tables.values_fields import APART, fields_apart
from extagents.tables.values_numbers import chosen, in_column
from extagents.tables.values_spellings import SCALES
from extagents.tables.values_texts import folded_words, says_none, says_nothing
from extagents.tables.values_units import Unit, stems, wanted
from extagents.tabular import Column

_LONGEST = 8_000  # characters of a quote that are searched
_STATED = {Decimal(10) ** power for power in (2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12)}
_IN_SCALE = re.compile(
    r"\bin\s+(?:\S+\s+)?(?P<word>hundreds|thousands|millions|billions|trillions|lakhs|crores)\b"
    r"|\(\s*(?:[^\s()]{1,24}\s+)?(?P<inner>thousands?|millions?|billions?|mn|bn|000s?|'000s?)\s*\)"
    r"|\b(?P<coin>[$€£¥]|US\$|RMB|USD|EUR)\s?(?P<letter>m|mn|million|bn|billion|k|thousand|'000|000)\b(?!\s*\d)"
    r"|单位[:：]?\s*(?:人民币|美元|港元)?\s*(?P<han>[百千]?[万亿]|千|百万)",
    re.IGNORECASE,
)
_ZEROS = {"000": Decimal(1_000), "000s": Decimal(1_000), "'000": Decimal(1_000), "'000s": Decimal(1_000)}
_SHORT = {"m": Decimal(10**6), "k": Decimal(1_000)}
_SINKS = re.compile(
    r"\b(?:loss\w*|lost|deficit|decreas\w+|declin\w+|fell|falls?|down|dropp?\w*|reduc\w+|shr[au]nk\w*|contract\w+|negative|minus|lower)\b"
    r"|亏损|净亏|赤字|下降|减少|下滑|下跌|降低|回落|负",
    re.IGNORECASE,
)
_BARE = re.compile(r"-?\d+(?:\.\d+)?")
_DIGIT = re.compile(r"\d")
_EMPTY = re.compile(r"\b(?:no|none|nil|not|without|nothing|never|neither|zero)\b|无|没有|未|不", re.IGNORECASE)


def held(quote: str, raw: str, column: Column) -> bool:
    """Whether the quote contains the value of `raw`. What is a judgement (classes, yes and no) needs only a quote."""
    if not quote.strip() or not raw.strip():
        return False
    quote, raw = fields_apart(calm(quote[:_LONGEST])), calm(raw[:_LONGEST])
    if column.type == "boolean" or (column.values and column.type in ("text", "list")):
        return True
    if column.type == "number":
        return _holds_number(quote, raw, column.unit, column.name)
    if column.type == "date":
        return _holds_date(quote, raw, column)
    if column.type == "list":
        return _holds_list(quote, raw, column)
    return _holds_text(quote, raw)


# ------------------------------------------------------------------ numbers


@lru_cache(maxsize=16_384)
def _numbers(text: str, want: Unit, years: bool) -> tuple[Amount, ...]:
    return tuple(amounts(text, want, years=years))


def _holds_number(quote: str, raw: str, unit: str, name: str) -> bool:
    want = wanted(unit, name)
    value = parse(raw, Column(name=name, type="number", unit=unit, description=""))
    if value is None:  # digits without a value are no number of the column, or beyond all measure
        return (says_nothing(raw) or _DIGIT.search(raw) is None) and _stands(raw, quote)
    assert isinstance(value, int | float)
    target = Decimal(str(value))
    if _is_field(raw, unit, quote, target) and _stated_scale(quote, want) is None:
        return True
    yearly = years_column(unit, name)
    said = chosen(list(_numbers(raw, want, yearly)), want, hints=stems(name), yearly=yearly)
    if yearly or said is None or (said.yearly and said.unit.kind == "none"):
        # The year of an estimate, "(2024 est.)", is no value; in a column of years every year is one.
        shown = quote if yearly else NOTE.sub(" ", quote)
        return any(amount.value == target for amount in _numbers(shown, want, True)) or (
            yearly and any(int(dated.iso[:4]) == value for dated in dates_in(quote))
        )
    stated = _stated_scale(quote, want)
    sinking = _SINKS.search(quote) is not None
    return any(
        _same_amount(shown, said, target, want, stated=stated, sinking=sinking, name=name, quote=quote)
        for shown in _numbers(quote, want, False)
    )


def _is_field(raw: str, unit: str, quote: str, target: Decimal) -> bool:
    """Whether a bare number in the column's unit is a field of the quote: most cells of large tables are."""
    digits = raw.strip().removesuffix(unit).rstrip() if unit else raw.strip()
    if _BARE.fullmatch(digits) is None or Decimal(digits) != target:
        return False
    return digits in quote.replace("\n", APART).split(APART)


def _same_amount(
    shown: Amount, said: Amount, target: Decimal, want: Unit, *, stated: Decimal | None, sinking: bool, name: str, quote: str
) -> bool:
    value = in_column(shown, want)
    if value is None:
        return False
    if stated is not None and not shown.scaled and shown.unit.kind in ("none", "currency") and want.kind != "percent":
        value = value * stated / want.scale
    signs = {value}
    if shown.bracketed and value > 0:
        signs.add(-value)
    if sinking and target < 0:
        signs.add(-value)
    signs.add(signed(value, shown, quote, name=name))
    for one in signs:
        if _close(one, target):
            return True
        if _scaled_alike(one, target, shown, said, stated):
            return True
        if _rounded_alike(one, target, shown, said, want):
            return True
    return False


def _close(one: Decimal, other: Decimal) -> bool:
    return abs(one - other) <= Decimal("1e-13") * max(abs(one), abs(other))


def _scaled_alike(value: Decimal, target: Decimal, shown: Amount, said: Amount, stated: Decimal | None) -> bool:
    """The same digits, where the cell states a scale that the quote leaves to its table's header."""
    if stated is not None or shown.scaled or not said.scaled or not value or (shown.spelled and shown.unit.kind == "currency"):
        return False
    ratio = target / value
    return any(_close(ratio, scale) for scale in _STATED)


def _rounded_alike(value: Decimal, target: Decimal, shown: Amount, said: Amount, want: Unit) -> bool:
    """The cell tells the quote's measure in another unit, rounded to its last digit."""
    if (
        shown.unit.kind != "measure"
        or said.unit.kind != "measure"
        or shown.unit.name == said.unit.name
        or said.high is not None
    ):
        return False
    in_said = in_column(
        Amount(said.step * said.scale / 2, 0, 0, unit=said.unit), Unit(want.kind, want.name, category=want.category)
    )
    if in_said is None or want.category == "temperature":
        return False
    return abs(value - target) * want.scale <= in_said


def _stated_scale(quote: str, want: Unit) -> Decimal | None:
    """The scale that the quote gives for all its numbers: (in millions), $m, 单位：万元."""
    found = _IN_SCALE.search(quote)
    if found is None:
        return None
    word = (found["word"] or found["inner"] or found["letter"] or found["han"]).lower()
    return _ZEROS.get(word) or _SHORT.get(word) or SCALES.get(word) or SCALES.get(word.rstrip("s"))


# ------------------------------------------------------------------ dates


def _holds_date(quote: str, raw: str, column: Column) -> bool:
    value = parse(raw, column)
    if value is None:
        return _stands(raw, quote)
    iso = str(value)
    shown = dates_in(quote)
    for dated in shown:
        if dated.iso.startswith(iso) or (dated.other and dated.other.startswith(iso)):
            return True
    if len(iso) == 10 and iso[5:] in day_and_month(quote):
        years = {dated.iso[:4] for dated in shown}
        return iso[:4] in years
    return _stands(raw, quote) and any(char.isdigit() for char in raw)


# ------------------------------------------------------------------ text


def _holds_list(quote: str, raw: str, column: Column) -> bool:
    if says_none(raw):
        return _EMPTY.search(quote) is not None or says_nothing(quote)
    items = parse(raw, column)
    if not isinstance(items, tuple):
        return _stands(raw, quote)
    return all(_holds_text(quote, item) for item in items)


def _holds_text(quote: str, raw: str) -> bool:
    """Whether the words stand in the quote, as a phrase or each for itself but for one small slip in four; digits always."""
    if _stands(raw, quote):
        return True
    wanted, shown = folded_words(raw), folded_words(quote)
    if not wanted:
        return raw.strip() in quote
    if not wanted.isascii():
        return all(part in shown.replace(" ", "") for part in wanted.split())
    words = [word for word in wanted.split() if word not in _SMALL]
    there = set(shown.split())
    missed = [word for word in words if word not in there and not any(_inflected(word, other) for other in there)]
    if not words or any(any(char.isdigit() for char in word) or word in _NEGATIONS for word in missed):
        return False
    return len(missed) <= len(words) // 4


_SMALL = frozenset("a an the of and in on at for to by with or".split())
_NEGATIONS = frozenset("not no never without non".split())


def _inflected(word: str, other: str) -> bool:
    """One is the other's beginning and at most three letters shorter; no digits."""
    short, long = sorted((word, other), key=len)
    return len(short) >= 5 and len(long) - len(short) <= 3 and long.startswith(short) and short.isalpha() and long.isalpha()


def _stands(raw: str, quote: str) -> bool:
    """Whether the text's own words stand in the quote, not within a longer word or number."""
    wanted, shown = folded_words(raw), folded_words(quote)
    if not wanted:
        return raw.strip() != "" and raw.strip() in quote
    if wanted.isascii():
        return f" {wanted} " in f" {shown} "
    pressed = wanted.replace(" ", "")
    return (
        re.search(
            (r"(?<!\d)" if pressed[0].isdigit() else "") + re.escape(pressed) + (r"(?!\d)" if pressed[-1].isdigit() else ""),
            shown.replace(" ", ""),
        )
        is not None
    )
