"""Numbers in a text with all that belongs to them: sign, scale, unit, brackets, ranges."""

from __future__ import annotations

import re
from dataclasses import dataclass, replace
from decimal import Decimal

from extagents.tables.values_dates import without_dates
from extagents.tables.values_digits import folded, read_digits
from extagents.tables.values_tails import label_letter, tail_of
from extagents.tables.values_units import MONEY_BEFORE, NO_UNIT, ONE, Unit, converted, known_code, money
from extagents.tables.values_words import SLASH, fraction, with_digits


@dataclass(frozen=True, slots=True)
class Amount:
    """One number of a text. `plain` is what its digits say, without sign and scale; it stands at [start:end], unit included.

    `step` is the value of its last digit, before scale. `negative`: by a minus or a word. `bracketed`: alone in brackets, as
    accounts write losses. `noted`: within brackets. `yearly`: it looks like a year; `cued`: after "in", "since" and the like.
    `spelled`: its unit stands behind it in full, so that what has no scale is meant in ones. `high`: the end of a range.
    """

    plain: Decimal
    start: int
    end: int
    step: Decimal = ONE
    scale: Decimal = ONE
    unit: Unit = NO_UNIT
    negative: bool = False
    bracketed: bool = False
    noted: bool = False
    yearly: bool = False
    fraction: bool = False
    spelled: bool = False
    scaled: bool = False
    cued: bool = False
    high: Decimal | None = None

    @property
    def value(self) -> Decimal:
        """What is said, in the unit it is said in."""
        return (-self.plain if self.negative else self.plain) * self.scale * self.unit.scale


NOTE = re.compile(
    r"\((?:[^()\d]*\b)?(?:19|20)\d\d(?:\s*[-/]\s*(?:\d{4}|\d\d))?(?:\s*(?:est\.?|estimate|estimated|年|proj\.?|projected|census))?\)",
    re.IGNORECASE,
)
_BLOB = re.compile(
    rf"(?:(?P<mixed>\d+)\s+)?(?P<fraction>\d+{SLASH}\d+)"
    r"|(?P<science>\d+(?:\.\d+)?[eE][+-]?\d{1,3})(?![A-Za-z\d])"
    r"|(?P<spaced>\d{1,3}(?:\s\d{3})+)(?P<tail>[.,]\d+)?(?![\d.,]*\d)"
    r"|(?P<digits>\.?\d+(?:[.,']\d+)*)"
)
_LONGEST = 8_000  # characters that are read
_MOST = 200  # numbers of a text that are read; a quote has fewer
_EUROPEAN = re.compile(r"\d{1,3}(?:\.\d{3}){2,}(?!\d)|\d{1,3}(?:\.\d{3})+,\d")
_LEFT_WORD = re.compile(r"[A-Za-z_]+\.?$")
# Chinese words that end so tell a value; a dash behind another letter is part of a name (晨光-59型) or of a range.
_TELLS = "约为是达计共得录了率额润利值速益幅差入"
_MINUS = re.compile(
    rf"(?:^|(?<=[\s(\[:=,;|*\"'“‘「{_TELLS}]))-$|(?:^|(?<=[(:=,;|约为])|(?<=[^\w\s%)])\s)-\s$|(?:\b(?:minus|negative)|负|零下)\s*$",
    re.IGNORECASE,
)
_CUE = re.compile(
    r"(?:\b(?:in|since|during|by|of|from|until|est|year|for|before|after|FY|fiscal)\.?|[（(/])\s*$", re.IGNORECASE
)
_JOINED = re.compile(r"\s*(?:-|~|\bto\b|\band\b|至|到|或|\bor\b|\bthrough\b)\s*$", re.IGNORECASE)
_SCORE = re.compile(r"-|/")
_TO = re.compile(r"\s*\bto\b\s*", re.IGNORECASE)
_MOVED = re.compile(
    r"\b(?:rose|risen|grew|grown|fell|fallen|increas\w+|decreas\w+|declin\w+|up|down|improv\w+|dropp?\w+|cut|rais\w+|changed?)\b.*\bfrom\s*\S{0,4}\s*$",
    re.IGNORECASE,
)
_SMALL_FRACTION = re.compile(r"(?<![\d/.,])(1(?=/[234])|2(?=/3)|3(?=/4))/([234])(?![\d/.,])")
_SHARE = re.compile(r"(?<![\d/.,:-])(\d{1,3})\s?(?:/|\s(?:in|out of)\s)\s?(\d{1,3})(?![\d/.,:%])")
_FEET = re.compile(r"(?<![\d.,'])(\d{1,2})'\s?(\d{1,2})(?![\d'.])(?:\"|'')?")
_CLOCK = re.compile(r"\d:\d|:\d+:")
_BETWEEN = re.compile(r"(?:\bbetween|介于|在)\s*\S{0,4}\s*$", re.IGNORECASE)
_SUMMED = re.compile(r"\s*(?:,|\band\b|零|又)?\s*$", re.IGNORECASE)


def amounts(text: str, want: Unit = NO_UNIT, *, years: bool = False) -> list[Amount]:
    """Every number of the text in its order, read for a column in `want`; with `years`, dates are not taken out before.

    Ranges are one amount (their middle), measures told in two units too (5 ft 10 in, 1亿2000万).
    """
    text = folded(text)[:_LONGEST]
    text = _parted(with_digits(text), want)
    if not years:
        text = NOTE.sub(lambda found: " " * len(found[0]), without_dates(text))
    european = _EUROPEAN.search(text) is not None
    found: list[Amount] = []
    position = 0
    for _ in range(_MOST):
        match = _BLOB.search(text, position)
        if match is None:
            break
        position = match.end()
        amount = _amount(text, match, want, european=european)
        if amount is not None:
            found.append(amount)
            position = max(position, amount.end)
    return _joined(text, found, want)


def _parted(text: str, want: Unit) -> str:
    """The text with fractions marked (2/3; for a share also 1 in 5), and 5'10" as feet and inches where lengths are meant."""
    if want.kind == "percent":
        text = _SHARE.sub(_as_fraction, text)
    elif want.category == "length":
        text = _FEET.sub(r"\1 ft \2 in.", text)
    return _SMALL_FRACTION.sub(_as_fraction, text)


def _as_fraction(found: re.Match[str]) -> str:
    return f"{found[1]}{SLASH}{found[2]}" if int(found[1]) < int(found[2]) else found[0]


def _amount(text: str, match: re.Match[str], want: Unit, *, european: bool) -> Amount | None:
    start, end = match.span()
    if _CLOCK.match(text, end - 1) or (start > 1 and _CLOCK.match(text, start - 2)):
        return None  # 12:30
    step = ONE
    if match["fraction"]:
        try:
            plain = fraction(match[0])
        except ZeroDivisionError:
            return None
    elif match["science"]:
        plain = Decimal(match["science"])
        step = Decimal(1).scaleb(int(plain.as_tuple().exponent))
    else:
        spaced = match["spaced"]
        blob = re.sub(r"\s", "", spaced) + (match["tail"] or "").replace(",", ".") if spaced else match["digits"]
        read = read_digits(blob, european=european)
        if read is None:
            return None
        plain, step = read
    before, coin = _currency_before(text, start)
    left = _LEFT_WORD.search(text, max(0, before - 24), before)
    if (
        left
        and left.end() == before
        and not left[0].endswith(".")
        and left[0].lower() not in ("x", "c", "ca", "approx", "about", "over")
    ):
        return None  # the number of a name: CO2, A4, FY23
    if before > 1 and text[before - 1] == "-" and text[before - 2].isalpha() and text[before - 2].isascii():
        return None  # COVID-19
    minus = _MINUS.search(text, max(0, before - 12), before) is not None
    minus = minus or (coin is not None and text[before:start].rstrip().endswith("-"))
    scale, unit, tail, spelled = tail_of(text, end, want, money=coin is not None)
    if scale == 1 and coin is None and unit.kind in ("none", "word") and label_letter(text, end, want):
        return None  # 12b, 4B: the letter is no scale here, and no unit
    yearly = (
        unit.kind in ("none", "word") and coin is None and scale == 1 and plain == int(plain)
        and 1500 <= plain <= 2100 and match[0].isdigit()
    )  # fmt: skip
    opened = text.rfind("(", 0, start)
    closed = text.find(")", end)
    inside = opened >= 0 and closed >= 0 and text.find(")", opened, start) < 0
    alone = inside and tail <= closed + 1 and not text[tail:closed].strip(" %.") and _only_money(text[opened + 1 : start])
    if alone and tail == closed:
        after = closed + 1
        more_scale, more_unit, more_tail, _ = tail_of(text, after, want, money=coin is not None)
        if more_tail > after and (more_scale != 1 or more_unit.kind not in ("none", "word")):
            scale, unit, tail = scale * more_scale, more_unit if more_unit.kind != "none" else unit, more_tail
    if coin is not None and unit.kind in ("none", "word"):
        unit = replace(coin, per=unit.per)
    elif coin is not None and unit.kind == "currency":
        narrow = set(coin.name.split("|")) & set(unit.name.split("|"))
        unit = replace(unit, name=min((unit.name, coin.name), key=lambda name: name.count("|"))) if narrow else coin
    return Amount(
        plain, min(start, before), tail, step=step, scale=scale, unit=unit, negative=minus, bracketed=alone,
        noted=inside, yearly=yearly, fraction=bool(match["fraction"]), spelled=spelled, scaled=scale != 1,
        cued=_CUE.search(text, max(0, before - 12), before) is not None,
    )  # fmt: skip


def _only_money(text: str) -> bool:
    """Whether nothing stands between a bracket and its number but a minus or a currency."""
    text = text.strip(" -")
    return not text or money(text) is not None


def _currency_before(text: str, start: int) -> tuple[int, Unit | None]:
    """Where a currency begins that stands before a number, maybe with a minus or a bracket between; and which."""
    at = start
    while at > 0 and text[at - 1] in " -(~" and start - at < 3:
        at -= 1
    window = max(0, at - 24)
    found = MONEY_BEFORE.search(text[window:at])
    if found is None:
        return start, None
    name = found[0].strip()
    if len(name) == 3 and name.isalpha() and not known_code(name):
        return start, None
    coin = money(name)
    return (start, None) if coin is None else (window + found.start(), coin)


def _joined(text: str, found: list[Amount], want: Unit) -> list[Amount]:
    """Ranges as one amount at their middle, and measures told in two units (or two scales) as their sum."""
    joined: list[Amount] = []
    for amount in found:
        last = joined[-1] if joined else None
        if last is None or amount.noted != last.noted:
            joined.append(amount)
            continue
        between = text[last.end : amount.start]
        if amount.negative:
            between = between.rstrip().removesuffix("-")
        if (
            _SCORE.fullmatch(between)
            and not last.spelled
            and not last.scaled
            and last.unit.kind == "none"
            and last.plain > amount.plain
        ):
            joined.pop()  # 2-1, 120/80: a score or a ratio, no number
            continue
        if _TO.fullmatch(between) and _MOVED.search(text, max(0, last.start - 120), last.start):
            joined[-1] = replace(last, noted=True)  # rose from 3 to 5: the second counts
            joined.append(amount)
            continue
        if _is_range(text, last, amount, between):
            low = last
            if not low.spelled and not low.scaled:
                low = replace(low, scale=amount.scale)
            high_value = (-amount.plain if amount.negative else amount.plain) * amount.scale
            low_value = (-low.plain if low.negative else low.plain) * low.scale
            if low_value <= high_value and low.high is None:
                middle = (low_value + high_value) / 2
                joined[-1] = replace(
                    amount,
                    plain=abs(middle),
                    negative=middle < 0,
                    scale=ONE,
                    start=last.start,
                    yearly=last.yearly and amount.yearly,
                    high=high_value,
                    cued=last.cued,
                    unit=amount.unit if amount.unit.kind != "none" else last.unit,
                    step=amount.step * amount.scale,
                )
                continue
        summed = _sum(last, amount) if _SUMMED.fullmatch(between) else None
        if summed is not None:
            joined[-1] = summed
            continue
        joined.append(amount)
    return joined


def _is_range(text: str, low: Amount, high: Amount, between: str) -> bool:
    if low.fraction or (high.fraction and low.unit.kind != "none"):
        return False
    word = between.strip().lower()
    if word == "and" and not _BETWEEN.search(text, max(0, low.start - 20), low.start):
        return False
    if low.unit.kind == "word" and word.isascii() and word.isalpha() and low.unit.name != high.unit.name:
        return False  # Gerrard 500 came to 2,038
    fits = _JOINED.fullmatch(between) is not None
    same = low.unit.kind in ("none", "word") or high.unit.kind == "none" or low.unit.name == high.unit.name
    return fits and same and (not high.negative or word not in ("", "-", "~"))


def _sum(one: Amount, other: Amount) -> Amount | None:
    """5 ft 10 in, 2 hours 30 minutes, 1亿2345万: the second goes on where the first stops."""
    if other.negative or other.yearly or one.high is not None or other.high is not None:
        return None
    if (
        one.unit.kind == other.unit.kind == "measure"
        and one.unit.category == other.unit.category
        and one.unit.name != other.unit.name
    ):
        more = converted(other.plain * other.scale, other.unit, one.unit)
        if (
            more is not None
            and more < one.scale
            and one.plain == int(one.plain)
            and one.unit.category in ("time", "length", "mass")
        ):
            return replace(one, plain=one.plain * one.scale + more, scale=ONE, end=other.end)
        return None
    if (
        one.scaled
        and one.unit.kind == "none"
        and other.plain * other.scale < one.scale
        and (other.scaled or one.scale <= 10_000)
    ):
        return replace(
            one,
            plain=one.plain * one.scale + other.plain * other.scale,
            scale=ONE,
            end=other.end,
            unit=other.unit,
            spelled=other.spelled,
        )
    return None
