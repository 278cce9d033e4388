"""Units of numbers: what a unit's text means (percent, a currency, a measure, a counted thing), and how one becomes another.

Measures are converted by pint; currencies never: an amount in another currency than the column's has no value there.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, replace
from decimal import Decimal
from functools import lru_cache
from typing import Any, Literal

from extagents.tables.values_spellings import (
    CENTS,
    COUNTED_THINGS,
    CURRENCIES,
    LETTER_SCALES,
    MEASURES,
    NO_CODES,
    PERCENTS,
    SCALES,
)

UnitKind = Literal["none", "percent", "currency", "measure", "word"]

ONE = Decimal(1)


@dataclass(frozen=True, slots=True)
class Unit:
    """A unit. `name` is a pint expression for measures, currency codes joined by "|" (the likeliest first), else words.

    `scale` is the multiple that the unit itself carries (a million for "USD million", a hundredth for cents and basis points);
    `per` the size of the group that a rate is told for (1,000 in "births/1,000 population").
    """

    kind: UnitKind
    name: str = ""
    scale: Decimal = ONE
    per: int | None = None
    category: str = ""


NO_UNIT = Unit("none")
PERCENT = Unit("percent", "%")

_EXACT: dict[str, Unit] = {}  # symbols, as they are spelled
_FOLDED: dict[str, Unit] = {}  # words, in small letters


def _learn(name: str, unit: Unit) -> None:
    symbol = len(name) <= 3 or (name.isascii() and not name.islower() and " " not in name)
    if symbol:
        _EXACT.setdefault(name, unit)
        if len(name) > 1 and name.islower() and name.isalpha() and name not in ("mt", "kt", "mo"):
            _EXACT.setdefault(name.upper(), unit)
            _EXACT.setdefault(name.capitalize(), unit)
    else:
        _FOLDED.setdefault(name.lower(), unit)


for _scale, _names in PERCENTS.items():
    for _name in _names.split("|"):
        _learn(_name, replace(PERCENT, scale=_scale))
for _category, _units in MEASURES.items():
    for _canonical, _names in _units.items():
        for _name in _names.split("|"):
            _learn(_name, Unit("measure", _canonical, category=_category))
_MONEY: dict[str, Unit] = {}
for _codes, _names in CURRENCIES.items():
    for _name in _names.split("|"):
        _MONEY[_name if len(_name) <= 3 else _name.lower()] = Unit("currency", _codes)
for _codes, _names in CENTS.items():
    for _name in _names.split("|"):
        _MONEY[_name if len(_name) <= 3 else _name.lower()] = Unit("currency", _codes, Decimal("0.01"))
_POUNDS = _MONEY["pounds"]


def _alternatives(names: list[str]) -> str:
    return "|".join(
        re.escape(name).replace("\\ ", r"\s+") + (r"(?![A-Za-z])" if name[-1].isascii() and name[-1].isalpha() else "")
        for name in sorted(names, key=len, reverse=True)
    )


_short = [name for name in _MONEY if len(name) <= 3]
_long = [name for name in _MONEY if len(name) > 3]
MONEY_AT = re.compile(rf"(?:(?i:{_alternatives(_long)})|{_alternatives(_short)})")
MONEY_BEFORE = re.compile(rf"(?:^|(?<=[^A-Za-z]))(?:(?i:{_alternatives(_long)})|{_alternatives(_short)}|[A-Z]{{3}})\s*$")
MEASURE_AT = re.compile(rf"(?:(?i:{_alternatives(list(_FOLDED))})|{_alternatives(list(_EXACT))})")
INCH_AT = re.compile(r"in(?=\s*(?:$|[).,;]))|\"")
SCALE_AT = re.compile(
    "(?:(?i:" + "|".join(sorted((w for w in SCALES if w.isascii() and w != "k"), key=len, reverse=True)) + r")(?![A-Za-z])\.?"
    "|" + "|".join(sorted((w for w in SCALES if not w.isascii()), key=len, reverse=True)) + ")"
)
_PER_AT = re.compile(
    r"\s*(?:/|\bper\b|\bfor every\b|每)\s*(?P<size>\d{1,3}(?:[,\s]?\d{3})*|百|千|万|十万|百万|thousand|million|hundred)?\s*"
)
_PER_SIZES = {
    "百": 100,
    "千": 1_000,
    "万": 10_000,
    "十万": 100_000,
    "百万": 10**6,
    "hundred": 100,
    "thousand": 1_000,
    "million": 10**6,
}
_RATE_BEFORE = re.compile(r"每\s*(?P<size>百|千|万|十万|百万|\d[\d,]*)\s*(?:名|个|位)?\S{0,6}?\s*$")


def known_code(text: str) -> bool:
    """Whether three capital letters are the code of a currency."""
    return text in _MONEY or (text not in NO_CODES and text in _all_codes())


@lru_cache(maxsize=1)
def _all_codes() -> frozenset[str]:
    from babel.numbers import list_currencies

    return frozenset(list_currencies())


def money(text: str) -> Unit | None:
    """The currency of a symbol, code or name."""
    text = text.strip()
    found = _MONEY.get(text) or _MONEY.get(text.lower())
    if found is None and len(text) == 3 and text.isupper() and known_code(text):
        return Unit("currency", text)
    return found


def measured(text: str, category: str = "") -> Unit | None:
    """The percent sign or measure of exactly this spelling. `category` decides between spellings that mean two things."""
    text = re.sub(r"\s+", " ", text.strip())
    if category == "length" and text in ("in", '"'):
        return _FOLDED["inches"]
    if category == "time" and text == "m":
        return _FOLDED["minutes"]
    return _EXACT.get(text) or _FOLDED.get(text.lower())


def per_size(text: str, at: int) -> tuple[int | None, int] | None:
    """What stands behind "/" or "per" at this place: the size of the group that a rate is told for, and where it ends."""
    found = _PER_AT.match(text, at)
    if found is None or not found[0].strip():
        return None
    size = found["size"]
    if not size:
        return None, found.end()
    return _PER_SIZES.get(size.lower()) or int(re.sub(r"\D", "", size)), found.end()


@lru_cache(maxsize=4_096)
def stems(words: str) -> frozenset[str]:
    """The words as they are compared with others: small letters, no plural; Chinese letter by letter."""
    found = re.findall(r"[a-z]+|[一-鿿]", words.replace("_", " ").lower())
    return frozenset(word.rstrip("s") if len(word) > 3 else word for word in found)


COUNT = "count"
"""The category of a column of things or money that run into millions, where "36.5m" can only be millions."""
COUNTED = stems(COUNTED_THINGS)


@lru_cache(maxsize=4_096)
def wanted(unit: str, name: str) -> Unit:
    """What a column holds: its unit, and where that is none or a word, whether unit or name tell of things in millions."""
    want = unit_of(unit)
    if want.kind == "none" and stems(name) & {"temperature", "temp"}:
        return replace(want, category="temperature")
    if want.kind in ("none", "word") and stems(f"{want.name} {name}") & COUNTED:
        return replace(want, category=COUNT)
    return want


_SPLIT_SCALE = re.compile(r"^(?P<scale>\S+?)(?:\s+(?:of|in)\b)?\s+(?P<rest>.+)$")
_LONGEST = 80  # characters of a unit that are read
_PINT = re.compile(r"[A-Za-z_ ]+(?:(?:[/^]|\*\*?)(?:[A-Za-z_ ]+| ?[1-9] ?))*")  # its own parser recurses over whatever it gets
_OF_WHAT = re.compile(r" [A-Za-z一-鿿]")
_OF_THINGS = ("length", "area", "volume", "mass", "energy", "power")
_NOUGHTS = {noughts: Decimal(1_000) for noughts in ("'000", "'000s", "000", "000s")}
_OF = re.compile(r"^(?:in|of|the)\s+", re.IGNORECASE)
_BRACKETED = re.compile(r"^(?P<rest>[^()]+?)\s*\((?P<scale>[^()]+)\)$")


@lru_cache(maxsize=4_096)
def unit_of(text: str) -> Unit:
    """What the text of a column's unit means: "USD million", "万元", "km²", "% of GDP", "births/1,000 population"."""
    text = _OF.sub("", re.sub(r"\s+", " ", text[:_LONGEST].replace("％", "%").strip()))
    if not text or text.lower() in ("none", "number", "count", "n/a", "-", "1", "个"):
        return NO_UNIT
    plain = _simple(text)
    if plain is not None:
        return plain
    if text[0] in "%％":
        return PERCENT
    bracketed = _BRACKETED.match(text)
    if bracketed:
        rest = unit_of(bracketed["rest"])
        scale = _scale_of(bracketed["scale"], letters=_in_millions(rest))
        if scale:
            return replace(rest, scale=scale)
        inner = _simple(bracketed["scale"])
        if inner is not None:
            return inner
    scaled = _scaled(text)
    if scaled is not None:
        return scaled
    rate = _rate(text)
    if rate is not None:
        return rate
    head = MEASURE_AT.match(text)
    if head and head.end() < len(text) and not text[head.end()].isalnum():
        found = measured(head[0])
        if found and found.kind == "percent":
            return found
    tail = text.split(" ")[0]
    first = money(tail)
    if first and " " in text:  # "USD per share", "元/吨"
        return first
    whole = _by_pint(text)
    if whole is None and head and _OF_WHAT.match(text, head.end()):
        found = measured(head[0])
        if found and (found.category in _OF_THINGS or " of " in text):
            return found  # tonnes of CO2, metres above sea level, years of schooling
    return whole or Unit("word", text.lower())


def _in_millions(unit: Unit) -> bool:
    """Whether a letter beside the unit can only be its scale: money, and things counted in millions."""
    return unit.kind == "currency" or (unit.kind == "word" and bool(stems(unit.name) & COUNTED))


def _simple(text: str) -> Unit | None:
    found = measured(text)
    coin = money(text)
    if coin is _POUNDS or (coin is not None and found is not None and found.category == "mass"):
        return coin if text.lower() != "lb" else found
    if coin is not None:
        return replace(coin, name=coin.name.split("|")[0])
    return found


def _scale_of(text: str, *, letters: bool = False) -> Decimal | None:
    """The scale that a word names; `letters`: also one or two letters, and the three noughts of accounts."""
    text = re.sub(r"^(?:in|of)\s+", "", text.strip().lower())
    found = None if text == "k" else SCALES.get(text) or SCALES.get(text.rstrip("s")) or _NOUGHTS.get(text)
    return found or (LETTER_SCALES.get(text) if letters else None)


def _scaled(text: str) -> Unit | None:
    """A unit with its scale before or behind it, glued or parted by a blank."""
    alone = _scale_of(text) if len(text) > 1 else None
    if alone is not None:
        return Unit("none", scale=alone)
    words = text.split(" ")
    if len(words) > 1:
        first, last = _scale_of(words[0]), _scale_of(words[-1])
        if first is not None:
            rest = unit_of(_OF.sub("", " ".join(words[1:])))
            return replace(rest, scale=first * rest.scale)
        if last is not None:
            rest = unit_of(" ".join(words[:-1]))
            return replace(rest, scale=last * rest.scale)
        for letter, others in ((words[0], words[1:]), (words[-1], words[:-1])):
            scale = _scale_of(letter, letters=True)
            if scale is not None and (rest := unit_of(" ".join(others))).kind == "currency":
                return replace(rest, scale=scale * rest.scale)
    for size in (3, 2, 1):
        prefix, rest_text = text[:size], text[size:]
        if rest_text and not prefix.isascii() and prefix in SCALES and not measured(text):
            rest = unit_of(rest_text)
            return replace(rest, scale=SCALES[prefix] * rest.scale)
    found = MONEY_AT.match(text)
    if found and found.end() < len(text):
        coin = money(found[0])
        scale = _scale_of(text[found.end() :], letters=True)
        if coin is not None and scale is not None:
            return replace(coin, name=coin.name.split("|")[0], scale=scale)
    return None


def _rate(text: str) -> Unit | None:
    """A rate: of one measure by another, or of counted things by a group of some size."""
    for found in re.finditer(r"\s*(?:/|\bper\b|每)\s*", text):
        before, after = text[: found.start()].strip(), text[found.end() :].strip()
        over, under = _simple(before), _simple(after)
        if over and under and over.kind == under.kind == "measure":
            return Unit("measure", f"{over.name}/({under.name})", category="rate")
        size = per_size(text, found.start())
        if over and over.kind in ("currency", "percent"):
            return replace(over, per=size[0] if size else None)
        if size and size[0]:
            return Unit("word", text.lower(), per=size[0])
    return None


@lru_cache(maxsize=1)
def _registry() -> Any:
    from pint import UnitRegistry

    registry: Any = UnitRegistry(non_int_type=Decimal)
    registry.define("market_mu = 666.6666666666667 * meter ** 2")
    registry.define("market_jin = 0.5 * kilogram")
    return registry


def _no_unit() -> tuple[type[Exception], ...]:
    """What pint raises for a name that it does not know, text that is no unit, or a dimension that does not fit."""
    from tokenize import TokenError

    from pint.errors import PintError

    return (PintError, AttributeError, ValueError, TypeError, ArithmeticError, SyntaxError, TokenError)


@lru_cache(maxsize=4_096)
def _by_pint(text: str) -> Unit | None:
    """A measure that our own spellings do not know, as pint reads its name; short letters are no names."""
    if not 5 <= len(text) <= _LONGEST or _PINT.fullmatch(text) is None:
        return None
    try:
        found = _registry().parse_units(text.strip().replace(" ", "_").lower())
    except _no_unit():
        return None
    return None if found.dimensionless else Unit("measure", str(found), category=str(found.dimensionality))


@lru_cache(maxsize=4_096)
def _line(have: str, want: str) -> tuple[Decimal, Decimal] | None:
    """Factor and offset between two measures; None where one cannot become the other."""
    registry = _registry()
    try:
        zero, one = (registry.Quantity(Decimal(amount), have).to(want).magnitude for amount in (0, 1))
    except _no_unit():
        return None
    return Decimal(one) - Decimal(zero), Decimal(zero)


def converted(value: Decimal, have: Unit, want: Unit) -> Decimal | None:
    """The value in the wanted unit, scales aside; None where one cannot become the other."""
    if have.per and want.per:
        value = value * want.per / have.per
    if want.kind == "none" or have.kind == "none" or have.name == want.name:
        return value
    if have.kind == "word" and want.kind == "measure":
        read = _by_pint(have.name.split(" ")[0])
        if read is None:
            return value
        have = read
    if have.kind == "word":
        return value
    if have.kind != want.kind:
        return None
    if have.kind == "currency":
        return value if set(have.name.split("|")) & set(want.name.split("|")[:1]) else None
    line = _line(have.name, want.name)
    return None if line is None else value * line[0] + line[1]
