"""Values of made-up entities: drawn from an attribute's range, and spelled exactly in one of many ways."""

from __future__ import annotations

import datetime
import random
from decimal import Decimal

from extagents.evaluation.corpus_tables_worlds import QUANTITIES, Attribute, Form
from extagents.tabular import CellValue

_ONES = (
    "zero one two three four five six seven eight nine ten eleven twelve thirteen fourteen fifteen sixteen seventeen "
    "eighteen nineteen"
).split()
_TENS = "_ _ twenty thirty forty fifty sixty seventy eighty ninety".split()
_DIGITS = "零一二三四五六七八九"
MONTHS = (
    "January February March April May June July August September October November December".split()
)  # fmt: skip
UNDISCLOSED = {"en": ("not disclosed", "n/a", "not reported"), "zh": ("未披露", "不详", "未公布")}


def draw(attribute: Attribute, language: str, rng: random.Random) -> CellValue:
    """A value of the attribute. Numbers are spread evenly over orders of magnitude, with three to five digits that count."""
    if attribute.type == "number":
        value = attribute.low * (attribute.high / attribute.low) ** rng.random()
        number = round(value, attribute.decimals)
        if attribute.decimals == 0 and number >= 100_000:
            number = round(number, -2)
        if rng.random() < attribute.negative:
            number = -number
        return number if attribute.decimals else int(number)
    if attribute.type == "date":
        first = datetime.date(attribute.first, 1, 1).toordinal()
        return datetime.date.fromordinal(first + rng.randrange((attribute.last - attribute.first + 1) * 365)).isoformat()
    if attribute.type == "boolean":
        return rng.random() < 0.4
    if attribute.type == "list":
        choices = attribute.choices[language]
        return tuple(rng.sample(choices, rng.randint(1, 4)))
    return rng.choice(attribute.choices[language])


# ------------------------------------------------------------------ spelling


def plain(value: Decimal | float, *, thousands: bool = True) -> str:
    """A number without noise: as many decimals as it has."""
    number = (value if isinstance(value, Decimal) else Decimal(repr(value))).normalize()
    text = f"{number:,f}" if thousands else f"{number:f}"
    return "0" if text == "-0" else text


def in_words(number: int, language: str) -> str:
    """A whole number below 100 in words."""
    if language == "zh":
        tens, ones = divmod(number, 10)
        head = "" if not tens else ("十" if tens == 1 else f"{_DIGITS[tens]}十")
        return f"{head}{_DIGITS[ones] if ones or not tens else ''}"
    if number < 20:
        return _ONES[number]
    tens, ones = divmod(number, 10)
    return _TENS[tens] + (f"-{_ONES[ones]}" if ones else "")


def written(number: float, form: Form, *, bracket: bool = False, minus: str = "-") -> str:
    """The number in that form; a negative one with a minus in front or in brackets."""
    value = Decimal(repr(number)) / Decimal(repr(form.factor))
    digits = plain(abs(value))
    if value >= 0:
        return form.template.format(digits)
    return form.template.format(f"({digits})") if bracket else f"{minus}{form.template.format(digits)}"


def day(iso: str, language: str, style: int) -> str:
    """A date in one of several forms."""
    date = datetime.date.fromisoformat(iso)
    if language == "zh":
        return (f"{date.year}年{date.month}月{date.day}日", iso, f"{date.year}年{date.month:02d}月{date.day:02d}日")[style % 3]
    month = MONTHS[date.month - 1]
    forms = (f"{date.day} {month} {date.year}", f"{month} {date.day}, {date.year}", iso, f"{date.day} {month[:3]} {date.year}")
    return forms[style % 4]


def listed(items: tuple[str, ...], language: str, style: int = 0) -> str:
    """Items one after another."""
    if language == "zh":
        return "、".join(items)
    if len(items) < 2 or style % 3 == 1:
        return ", ".join(items)
    if style % 3 == 2:
        return "; ".join(items)
    return f"{', '.join(items[:-1])} and {items[-1]}"


def spelled(attribute: Attribute, value: CellValue, language: str, rng: random.Random) -> str:
    """The value in one of its spellings."""
    style = rng.randrange(12)
    if isinstance(value, bool):
        return ("Yes" if value else "No") if language == "en" else ("是" if value else "否")
    if isinstance(value, (int, float)):
        quantity = QUANTITIES[attribute.quantity]
        if quantity.words and rng.random() < 0.4 and 0 <= value < 100:
            return in_words(int(value), language)
        forms = [form for form in quantity.forms[language] if abs(value) >= form.least and neat(value, form)]
        form, minus = rng.choice(forms), rng.choice(("-", "−", "minus ") if language == "en" else ("-", "−", "负"))
        if form.template.startswith("百分之"):
            return written(value, form, minus="负")  # no other sign stands before these words
        return written(value, form, bracket=rng.random() < 0.4, minus=minus)
    if isinstance(value, tuple):
        return listed(value, language, style)
    return day(value, language, style) if attribute.type == "date" else value


def neat(value: float, form: Form) -> bool:
    """Whether the number can be written so without a long tail of decimals."""
    digits = (Decimal(repr(value)) / Decimal(repr(form.factor))).normalize()
    exponent = digits.as_tuple().exponent
    return isinstance(exponent, int) and exponent >= -4


def asked(attribute: Attribute, value: CellValue, language: str) -> str:
    """The value as questions and accepted answers write it."""
    if isinstance(value, bool):
        return ("yes" if value else "no") if language == "en" else ("是" if value else "否")
    if isinstance(value, (int, float)):
        return amount(attribute, value, language)
    if isinstance(value, tuple):
        return listed(value, language, 2)
    return day(value, language, 0) if attribute.type == "date" else value


def amount(attribute: Attribute, value: float, language: str) -> str:
    """A number with its unit as questions and accepted answers write it, at most four decimals."""
    form = QUANTITIES[attribute.quantity].forms[language][0]
    tidy = round(Decimal(repr(value)) / Decimal(repr(form.factor)), 6) * Decimal(repr(form.factor))
    return written(float(tidy), form)


def unit_of(attribute: Attribute, language: str) -> tuple[str, float]:
    """The unit in which questions ask for the attribute's numbers, and what it is worth in canonical ones."""
    if not attribute.quantity:
        return "", 1.0
    quantity = QUANTITIES[attribute.quantity]
    form = quantity.forms[language][0]
    return (quantity.unit if language == "en" else form.template.replace("{}", "")), form.factor
