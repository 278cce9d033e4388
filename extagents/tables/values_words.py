"""Number words as digits, English (twenty-three, one and a half million) and Chinese (二十三, 三分之一)."""

from __future__ import annotations

import re
from decimal import Decimal
from fractions import Fraction
from functools import lru_cache

from extagents.text import is_cjk

_LONGEST = 40  # letters of a Chinese numeral; no number has more
SLASH = "⁄"
"""Stands in a fraction between numerator and denominator; a plain slash may stand for anything else."""

_UNITS = (
    "zero one two three four five six seven eight nine ten eleven twelve thirteen fourteen fifteen sixteen seventeen eighteen "
    "nineteen"
)
_TENS = "twenty thirty forty fourty fifty sixty seventy eighty ninety"
_BIG = "hundred thousand million billion trillion"
_PARTS = {
    name: under
    for under, names in (
        (2, "half halves"), (3, "third thirds"), (4, "quarter quarters fourth fourths"), (5, "fifth fifths"),
        (6, "sixth sixths"), (7, "seventh sevenths"), (8, "eighth eighths"), (9, "ninth ninths"), (10, "tenth tenths"),
        (100, "hundredth hundredths"), (1000, "thousandth thousandths"))
    for name in names.split()
}  # fmt: skip
_SCALING = {"million": 10**6, "billion": 10**9, "trillion": 10**12, "thousand": 1_000, "hundred": 100}
_PLAIN = "|".join(sorted(f"{_UNITS} {_TENS}".split(), key=len, reverse=True))
_ANY = f"(?:{_PLAIN}|{_BIG.replace(' ', '|')})"
_GAP = r"(?:[\s-]+|,\s+)(?:and[\s-]+)?"
_CARDINAL = rf"(?:(?:an?\s+(?=(?:{_BIG.replace(' ', '|')})\b))?{_ANY}(?:{_GAP}{_ANY})*)"
_PART = "|".join(sorted(_PARTS, key=len, reverse=True))
_BIG_WORD = _BIG.replace(" ", "|")
_ENGLISH = re.compile(
    rf"(?<![A-Za-z0-9])(?:(?P<minus>minus|negative)\s+)?(?:"
    rf"(?P<half>half\s+an?|half)\s+(?P<halved>{_BIG_WORD}|dozen)"
    rf"|(?P<whole>{_CARDINAL}|\d+)\s+and\s+(?P<mixed>an?|{_PLAIN})[\s-]+(?P<mixed_part>{_PART})"
    rf"|(?P<over>an?|{_PLAIN})[\s-]+(?P<part>{_PART})(?![\s-]+(?:largest|biggest|highest|quarter|place|year))"
    rf"|(?P<before>{_CARDINAL})\s+point\s+(?P<after>(?:{_PLAIN})(?:[\s-]+(?:{_PLAIN}))*)"
    rf"|(?P<dozen>an?|{_PLAIN})\s+(?:dozen)"
    rf"|(?P<cardinal>{_CARDINAL})"
    rf"|(?P<alone>half)(?=\s+(?:of|the|a|an|its|their|all)\b|\s*$)"
    rf")(?:\s+(?P<times>{_BIG_WORD}))?(?![A-Za-z0-9])",
    re.IGNORECASE,
)
_ENGLISH_HINT = re.compile(rf"\b(?:{_PLAIN}|{_BIG_WORD}|{_PART}|dozen)\b|(?:{_TENS.replace(' ', '|')})[a-z]", re.IGNORECASE)

_DIGITS = "零〇○一二两三四五六七八九壹贰貳叁參肆伍陆陸柒捌玖弌"
_PLACES = "十百千拾佰仟廿卅"
_LARGE = "万亿萬億"
_NUMERAL = f"[{_DIGITS}{_PLACES}{_LARGE}]"
_MIXED = rf"(?:负)?(?:{_NUMERAL}+(?:点[{_DIGITS}]+)?(?:[{_LARGE}])?|半)"
_CHINESE = re.compile(
    rf"(?P<one>一半)|(?P<timed>半)(?=年|小时|个小时|个月|天|小時)|(?P<below>负)?(?P<share>[百千万])分之(?P<of>{_MIXED}|\d[\d,.]*)"
    rf"|(?P<under>{_NUMERAL}+)分之(?P<upper>{_NUMERAL}+)"
    rf"|(?P<tenths>[一二两三四五六七八九\d])成(?P<more>半|[一二三四五六七八九])?(?![立为本功长员都分交])"
    rf"|(?P<mixed>\d+(?:\.\d+)?[{_LARGE}]\d+[十百千{_LARGE}])(?![\d,.])"
    rf"|(?P<minus>负)?(?P<number>{_NUMERAL}+(?:点[{_DIGITS}]+)?)(?P<rest>[{_LARGE}]*)(?P<half>半)?(?=(?P<next>.?))",
    re.DOTALL,
)
_CHINESE_HINT = re.compile(f"[{_DIGITS}{_PLACES}半]|[百千万]分之|\\d成|\\d[万亿]\\d")
# What stands behind a single numeral that counts something; elsewhere it is part of a word (一些, 统一, 十分).
_COUNTED = frozenset(
    "个人名位家所座条项件次台辆架艘套只头名岁年月日天周时分秒元块角美欧港日米公千厘毫英海平立吨克斤升亩度点倍成%万亿股票部本张片层间户口届期种类款场轮站处"
)
_ORDINALS = "first second third fourth fifth sixth seventh eighth ninth tenth".split()
_PLACE = re.compile(rf"第(?P<han>{_NUMERAL}+)[名位次届期号]?|(?P<word>{'|'.join(_ORDINALS)})(?:\s+place)?", re.IGNORECASE)
_HALF_MORE = re.compile(r"(?<![\d.])(\d+)(年|个月|小时|个小时|天)半")
_WORDS = re.compile(
    "一些|一般|一直|一起|一样|一定|一切|统一|唯一|之一|第[一二三四五六七八九十百千万〇零]+|十分(?!之)|万一|百度|千万别|万科|三星|百货|一致|一方面|一度|一旦|九龙|三亚|五粮|万达|千禧|四川|三峡|百年|半导体|半岛|半球"
)


def with_digits(text: str) -> str:
    """The text with its number words as digits, fractions as 1⁄3; percent written as a word keeps a sign of percent.

    A lone "one" is left where the text has digits, too: "one of 45 branches" tells 45.
    """
    place = _PLACE.fullmatch(text.strip())
    if place:
        return str(_numeral(place["han"]) or place["han"]) if place["han"] else str(_ORDINALS.index(place["word"].lower()) + 1)
    if _ENGLISH_HINT.search(text):
        counted = any(char.isdigit() for char in text)
        text = _ENGLISH.sub(lambda found: _english(found, lone=not counted), text)
    if not text.isascii() and _CHINESE_HINT.search(text):
        text = _HALF_MORE.sub(r"\1.5\2", _from_chinese(text))
    return text


def _plain(number: Decimal) -> str:
    return format(number.normalize(), "f")


@lru_cache(maxsize=8_192)
def _cardinal(words: str) -> int | None:
    """The value of a whole number in English words."""
    from text_to_num import text2num

    words = re.sub(r"[\s,-]+", " ", words.lower()).strip().replace("fourty", "forty")
    words = re.sub(r"^an? ", "one ", words)
    try:
        return int(text2num(words, "en"))
    except ValueError:
        year = re.fullmatch(rf"((?:{_PLAIN})) ((?:{_PLAIN})(?: (?:{_PLAIN}))?)", words)
        if year is None:
            return None
        century, rest = _cardinal(year[1]), _cardinal(year[2])
        return century * 100 + rest if century and rest and 11 <= century <= 20 and 10 <= rest <= 99 else None


def _count(words: str) -> int | None:
    lower = words.lower()
    return 1 if lower in ("a", "an") else int(lower) if lower.isdigit() else _cardinal(words)


def _english(found: re.Match[str], *, lone: bool) -> str:
    minus = "-" if found["minus"] else ""
    times = f" {found['times']}" if found["times"] else ""
    if found["halved"]:
        scale = 12 if found["halved"].lower() == "dozen" else _SCALING[found["halved"].lower()]
        return f"{minus}{scale // 2}{times}"
    if found["mixed_part"]:
        whole, upper = _count(found["whole"]), _count(found["mixed"])
        if whole is None or upper is None:
            return found[0]
        return f"{minus}{whole} {upper}{SLASH}{_PARTS[found['mixed_part'].lower()]}{times}"
    if found["part"]:
        upper = _count(found["over"])
        return found[0] if upper is None else f"{minus}{upper}{SLASH}{_PARTS[found['part'].lower()]}{times}"
    if found["before"]:
        whole = _cardinal(found["before"])
        digits = [_cardinal(word) for word in re.split(r"[\s-]+", found["after"])]
        if whole is None or any(digit is None for digit in digits):
            return found[0]
        return f"{minus}{whole}.{''.join(str(digit) for digit in digits)}{times}"
    if found["dozen"]:
        return f"{minus}{12 * (_count(found['dozen']) or 1)}{times}"
    if found["alone"]:
        return f"1{SLASH}2"
    words = found["cardinal"]
    if words.lower() in _SCALING or (words.lower() == "one" and not lone):
        return found[0]  # "million" behind a number is its scale
    value = _cardinal(words)
    return found[0] if value is None else f"{minus}{value}{times}"


def _from_chinese(text: str) -> str:
    masked = {at for word in _WORDS.finditer(text) for at in range(*word.span())}
    parts, last = [], 0
    whole = text.strip()
    for found in _CHINESE.finditer(text):
        start, end = found.span()
        if start < last or start in masked:
            continue
        written = _chinese(found, alone=found[0] == whole)
        if written is not None:
            parts += [text[last:start], written]
            last = end
    parts.append(text[last:])
    return "".join(parts)


@lru_cache(maxsize=8_192)
def _numeral(text: str) -> Decimal | None:
    """The value of a Chinese numeral by value (三百二十) or digit by digit (一九六八)."""
    import cn2an

    if len(text) > _LONGEST:
        return None
    text = text.replace("○", "零").replace("弌", "一").translate(str.maketrans("萬億貳參陸", "万亿贰叁陆"))
    if text.startswith("半"):
        return Decimal("0.5")
    if text and text[0] in "百千万亿":
        text = "一" + text
    if re.fullmatch(r"[一1]百万|[一1]千万", text):
        return Decimal({"百": 10**6, "千": 10**7}[text[1]])
    try:
        return Decimal(str(cn2an.cn2an(text, "smart")))
    except (ValueError, KeyError, IndexError):
        return None


def _chinese(found: re.Match[str], *, alone: bool) -> str | None:
    if found["share"]:
        of = found["of"]
        value = (
            of
            if of[0].isdigit()
            else (lambda number: None if number is None else _plain(number))(_numeral(of.replace("负", "")))
        )
        if value is None:
            return None
        sign = "-" if of.startswith("负") or found["below"] else ""
        if found["share"] == "万":
            return f"{sign}{value} bps"
        return f"{sign}{value}{'%' if found['share'] == '百' else '‰'}"
    if found["under"]:
        under, upper = _numeral(found["under"]), _numeral(found["upper"])
        return None if not under or upper is None else f"{upper}{SLASH}{under}"
    if found["tenths"]:
        tenths = Decimal(found["tenths"]) if found["tenths"].isdigit() else _numeral(found["tenths"])
        more = Decimal(5) if found["more"] == "半" else _numeral(found["more"]) if found["more"] else Decimal(0)
        return None if tenths is None or more is None else f"{_plain(tenths * 10 + more)}%"
    if found["mixed"]:
        mixed = _numeral(found["mixed"])
        return None if mixed is None else _plain(mixed)
    if found["one"]:
        return f"1{SLASH}2"
    if found["timed"]:
        return "0.5"
    numeral, large, following = found["number"], found["rest"], found["next"]
    before = found.string[: found.start()]
    if before.rstrip(" )")[-1:].isdigit():
        return None  # 3百万, (3)百万: the digits have their scale
    alone = alone or (not is_cjk(following or " ") and (not is_cjk(before[-1:] or " ") or before[-1] in "为是有共达计约近"))
    if len(numeral) == 1 and not alone and following not in _COUNTED:
        return None
    if numeral[0] in _LARGE + "百千" and not alone and (len(numeral) == 1 or following not in _COUNTED):
        return None
    value = _numeral(numeral + large) if "点" not in numeral else _numeral(numeral)
    if value is None:
        return None
    if "点" in numeral:
        return f"{'-' if found['minus'] else ''}{_plain(value)}{large}"
    if found["half"]:
        value += Decimal("0.5")
    return f"{'-' if found['minus'] else ''}{_plain(value)}"


def fraction(text: str) -> Decimal:
    """The value of a written fraction: "1⁄3", "2 1⁄2". Raises ZeroDivisionError for a denominator of 0."""
    *whole, parts = text.split()
    upper, under = parts.split(SLASH)
    value = Fraction(int(upper), int(under)) + (int(whole[0]) if whole else 0)
    return Decimal(value.numerator) / Decimal(value.denominator)
