"""What stands behind a number in a text: its scale, also told by one letter, and its unit."""

from __future__ import annotations

import re
from dataclasses import replace
from decimal import Decimal

from extagents.tables.values_spellings import LETTER_SCALES, SCALES
from extagents.tables.values_units import (
    COUNT,
    COUNTED,
    INCH_AT,
    MEASURE_AT,
    MONEY_AT,
    NO_UNIT,
    ONE,
    SCALE_AT,
    Unit,
    known_code,
    measured,
    money,
    per_size,
    stems,
)

_MORE = re.compile(r"\s*(?:多|余|来|几)?\s*")
_LETTER = re.compile(r"(?P<letter>mm|MM|[kKmMbBtT])(?![A-Za-z\d^])")
_HYPHENED = re.compile(r"-[A-Za-z]")
_CODE = re.compile(r"[A-Z]{3}(?![A-Za-z])")
_SIZED = re.compile(r"[\s-]?(?:long|high|tall|wide|broad|deep|thick|above|below|asl|a\.s\.l|amsl|[长高宽深厚])", re.IGNORECASE)
_BULK = ("area", "volume", "mass", "energy", "power", "rate")  # kinds of measures that run into millions
_OF = re.compile(r"of\s+")
_PER = re.compile(r"\s*(?:/|\bper\b|每)\s*")
_NEXT_NUMBER = re.compile(r"(?<![一-鿿])\s?\(?\d")  # 2019 $5,686: the currency is the next number's
_WORD_AT = re.compile(
    r"[\s-]?(?P<word>[A-Za-z][A-Za-z'()]*(?:[\s-](?!(?:in|and|to|or|of|as|at|by|for|from|since|the|which|who|that|with)\b)[A-Za-z][A-Za-z'()]*){0,2})"
    r"|\s?(?P<han>(?![至到或和与及约在为是，、])[一-鿿](?:(?![至到或和与及约在为是])[一-鿿]){0,3})"
)


def tail_of(text: str, end: int, want: Unit, *, money: bool) -> tuple[Decimal, Unit, int, bool]:
    """Scale and unit that stand behind a number, where they end, and whether the unit is written in full."""
    at = end
    scale = ONE
    gap = _past(text, at)
    if text[gap : gap + 1] == "-" and text[gap + 1 : gap + 2].isalpha():
        gap += 1  # a 5-year term
    while True:
        found = SCALE_AT.match(text, gap)
        if found is None:
            break
        word = found[0].lower().rstrip(".")
        if word not in SCALES or (not word.isascii() and MEASURE_AT.match(text, gap) and word in "千百十" and scale == 1):
            break
        scale *= SCALES[word]
        at = found.end()
        gap = _past(text, at)
    if scale == 1:
        letter = _LETTER.match(text, gap)
        if letter and _scales(letter, want, money=money):
            scale = LETTER_SCALES[letter["letter"].lower()]
            at = letter.end()
            gap = _past(text, at)
    of = _OF.match(text, gap)
    if of and scale != 1:
        gap = of.end()
    unit, stop = _unit_at(text, gap, want)
    if unit.kind == "currency" and scale == 1:
        behind = SCALE_AT.match(text, _past(text, stop))  # 5 USD million
        if behind and behind[0].lower().rstrip(".") in SCALES:
            return SCALES[behind[0].lower().rstrip(".")], unit, behind.end(), True
    if unit.kind != "none":
        return scale, unit, stop, True
    return scale, unit, at, False


def _past(text: str, at: int) -> int:
    """Past blanks and the words of "and more" that Chinese puts between a number and its scale."""
    found = _MORE.match(text, at)
    return found.end() if found else at


def _scales(letter: re.Match[str], want: Unit, *, money: bool) -> bool:
    """Whether a letter behind a number is its scale: never by itself, but "k" ("m" may be metres, "t" tonnes, "b" a label).

    Sure signs are a currency, in the text or as the column's unit, a thing behind it that is counted in millions or measured
    in bulk, a column of such things (by its unit or its name), and a column told in thousands or more itself.
    """
    text, at, sign = letter.string, letter.end(), letter["letter"]
    glued = text[letter.start() - 1].isdigit()
    if money:
        return True
    if text[at : at + 1] == "/" and sign not in "kK":
        return False  # m/s
    if sign in "kK" and want.category == "temperature":
        return False
    if want.kind == "currency":
        return (sign != "t" or glued) and _SIZED.match(text, at) is None
    if _big_follows(text, at, want):
        return True
    if _HYPHENED.match(text, at):
        return False  # 5K-pop
    if (want.scale >= 1_000 and want.kind in ("none", "word")) or want.category == COUNT:
        return sign not in ("mm", "t") and _SIZED.match(text, at) is None
    if sign in "kK":
        return glued or sign == "k" or want.kind != "none"  # 300 K may be kelvins
    return sign in "MB" and want.category in _BULK


def _big_follows(text: str, at: int, want: Unit) -> bool:
    """Whether what stands here is money, counted in millions, or measured in bulk: 5m users, 3M tonnes, 2bn US dollars."""
    gap = at + 1 if text[at : at + 1] in (" ", "-") else at
    coin = MONEY_AT.match(text, gap)
    if (coin and not _NEXT_NUMBER.match(text, coin.end())) or (_CODE.match(text, gap) and known_code(text[gap : gap + 3])):
        return True
    found = MEASURE_AT.match(text, gap)
    if found and len(found[0]) > 1:
        unit = measured(found[0])
        return unit is not None and unit.category in (*_BULK, "length") and not _SIZED.match(text, at)
    word = _WORD_AT.match(text, at)
    if word is None:
        return False
    things = stems(word["word"] or word["han"])
    return bool(things & COUNTED) or (want.kind == "word" and bool(things & stems(want.name)))


def label_letter(text: str, at: int, want: Unit) -> bool:
    """Whether a letter stands behind a number that is neither its scale nor a unit: flat 12b, type 4B, 36.5 M of what?"""
    found = _LETTER.match(text, at) or (_LETTER.match(text, at + 1) if text[at : at + 2] == " M" else None)
    if found is None or (found["letter"] == "M" and want.category == "length"):
        return False
    return found["letter"] in "MBb" or (found["letter"] == "T" and want.category != "mass")


def _unit_at(text: str, at: int, want: Unit) -> tuple[Unit, int]:
    """The unit that begins at this place, and where it ends; no unit where nothing known or worded stands there."""
    unit, stop = _known_at(text, at, want)
    if unit is None:
        word = _WORD_AT.match(text, at)
        if word is None:
            size = per_size(text, at)
            if size and size[0] and size[0] >= 100 and size[0] % 10 == 0:
                return Unit("word", text[at : size[1]].strip(), per=size[0]), size[1]
            return NO_UNIT, at
        name = (word["word"] or word["han"]).strip()
        if name.split()[0].lower() in (
            "in",
            "and",
            "to",
            "or",
            "of",
            "as",
            "at",
            "by",
            "for",
            "from",
            "since",
            "the",
            "est",
            "which",
            "who",
            "with",
        ):
            return NO_UNIT, at
        unit, stop = Unit("word", name.lower()), word.end()
        size = per_size(text, stop)
        if size and size[0]:
            return replace(unit, per=size[0]), size[1]
        return unit, stop
    if unit.kind == "measure":
        bar = _PER.match(text, stop)
        if bar:
            under, end = _known_at(text, bar.end(), want)
            if under is not None and under.kind == "measure":
                return Unit("measure", f"{unit.name}/({under.name})", category="rate"), end
    size = per_size(text, stop)
    if size and size[0]:
        return replace(unit, per=size[0]), size[1]
    return unit, stop


def _known_at(text: str, at: int, want: Unit) -> tuple[Unit | None, int]:
    at += len(text[at : at + 4]) - len(text[at : at + 4].lstrip())
    coin_found, measure_found = MONEY_AT.match(text, at), MEASURE_AT.match(text, at)
    if want.category == "length":
        inch = INCH_AT.match(text, at)
        if inch:
            return measured("inch"), inch.end()
    coin = money(coin_found[0]) if coin_found and not _NEXT_NUMBER.match(text, coin_found.end()) else None
    if coin is None and re.match(r"[A-Z]{3}(?![A-Za-z])", text[at : at + 4]) and known_code(text[at : at + 3]):
        coin, coin_end = money(text[at : at + 3]), at + 3
    else:
        coin_end = coin_found.end() if coin_found else at
    measure = measured(measure_found[0], want.category) if measure_found else None
    if coin is not None and measure is not None:
        longer = coin_end - (measure_found.end() if measure_found else at)
        if longer > 0 or (longer == 0 and want.category != "mass"):
            return coin, coin_end
        return measure, measure_found.end() if measure_found else at
    if coin is not None:
        return coin, coin_end
    if measure is not None and measure_found is not None:
        return measure, measure_found.end()
    return None, at
