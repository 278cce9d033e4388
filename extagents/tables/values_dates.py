"""Dates in a text, as ISO 8601: to the day, the month or the year, as far as they are told.

Plain forms are read by patterns of our own, which also find a date within a sentence; other languages and rare forms are left
to dateparser. What is ambiguous: "3/4/2021" is the month first, as American filings and most English documents write it,
"3.4.2021" the day first, as Europe writes it with dots; a number above 12 decides for itself. A quarter or half year is its
first day, a span of dates its first date, a fiscal year the year it is called after. Years have three or four digits.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date
from functools import lru_cache

_MONTHS = {
    name: number
    for number, names in enumerate(
        ("january jan", "february feb", "march mar", "april apr", "may", "june jun", "july jul", "august aug",
         "september sept sep", "october oct", "november nov", "december dec"), start=1)
    for name in names.split()
}  # fmt: skip
_MONTH = rf"(?P<n>{'|'.join(sorted(_MONTHS, key=len, reverse=True))})\b\.?"
_DAY = r"(?P<d>\d{1,2})(?:st|nd|rd|th)?"
_TO = r"(?:\s*(?:-|–|—|to|and|until|till)\s*\d{1,2}(?:st|nd|rd|th)?)?"  # 12–15 March: the first day counts
_YEAR = r"(?P<y>\d{4})(?!\d)"
_SHORT_YEAR = r"['’]?(?P<yy>\d{2})(?!\d)"
_HAN = "〇零○一二三四五六七八九十"
_NUMERALS = {char: str(number) for number, char in enumerate("〇一二三四五六七八九")} | {"零": "0", "○": "0"}
_QUARTERS = {
    "first": 1,
    "second": 2,
    "third": 3,
    "fourth": 4,
    "1st": 1,
    "2nd": 2,
    "3rd": 3,
    "4th": 4,
    "一": 1,
    "二": 2,
    "三": 3,
    "四": 4,
}

_PATTERNS = tuple(
    re.compile(rf"(?<![\d.])(?:{pattern})", re.IGNORECASE)
    for pattern in (
        r"(?P<y>\d{4})(?P<sep>[-/.])(?P<m>\d{1,2})(?P=sep)(?P<d>\d{1,2})(?!\d)(?:[T\s]\d{1,2}:\d{2}(?::\d{2}(?:\.\d+)?)?(?:Z|[+-]\d\d:?\d\d)?)?",
        r"(?P<y>\d{4})\s*年\s*(?P<m>\d{1,2})\s*月(?:\s*(?P<d>\d{1,2})\s*[日号])?",
        r"(?P<y>\d{4})\s*年?\s*(?:第\s*)?(?P<q>[一二三四1-4])\s*季度?",
        r"(?P<y>\d{4})\s*年\s*(?P<half>上|下)半年",
        r"民国\s*(?P<roc>\d{1,3})\s*年(?:\s*(?P<m>\d{1,2})\s*月(?:\s*(?P<d>\d{1,2})\s*[日号])?)?",
        r"(?P<y>\d{4})\s*(?:财年|年度|年)(?!代)",
        rf"\b{_DAY}{_TO}\s*(?:of\s+)?[\s-]*{_MONTH}[\s,-]*(?:of\s+)?{_YEAR}",
        rf"\b{_MONTH}[\s-]*{_DAY}{_TO}(?:\s*,\s*|\s+|-)(?:of\s+)?{_YEAR}",
        rf"\b{_DAY}[\s-]+{_MONTH}[\s-]+{_SHORT_YEAR}",
        rf"\b{_MONTH}[\s,/-]*(?:of\s+)?{_YEAR}",
        rf"\b{_MONTH}(?:-|\s*['’]){_SHORT_YEAR}",
        rf"(?<!\d){_YEAR}[\s,/-]+{_MONTH}(?:[\s-]+{_DAY}(?!\d))?",
        r"(?P<a>\d{1,2})(?P<sep>[-/.])(?P<b>\d{1,2})(?P=sep)(?P<y>\d{4})(?!\d)",
        r"(?P<a>\d{1,2})(?P<sep>[-/.])(?P<b>\d{1,2})(?P=sep)(?P<yy>\d{2})(?![\d.])",
        r"\bQ(?P<q>[1-4])[\s/,'’-]*(?:of\s+)?(?:FY\s*)?(?P<y>\d{4})(?!\d)",
        r"(?P<y>\d{4})[\s/-]*Q(?P<q>[1-4])(?!\d)",
        r"\b(?P<q>[1-4])Q[\s/'’-]*(?P<y>\d{4})(?!\d)",
        r"\b(?P<q>first|second|third|fourth|1st|2nd|3rd|4th)\s+(?:fiscal\s+)?quarter(?:\s+of|,)?\s+(?:fiscal\s+|FY\s*)?(?:year\s+)?(?P<y>\d{4})(?!\d)",
        r"\b(?P<half>first|second)\s+half\s+(?:of\s+)?(?P<y>\d{4})(?!\d)",
        r"\bH(?P<half>[12])[\s/'’-]*(?P<y>\d{4})(?!\d)",
        r"(?P<y>\d{4})[\s/-]*H(?P<half>[12])(?!\d)",
        r"\b(?:FY|fiscal(?:\s+year)?|financial year)\s*['’]?(?P<y>\d{4})(?:\s*[/–-]\s*\d{2,4})?(?!\d)",
        r"\b(?:FY|fiscal(?:\s+year)?|financial year)\s*['’]?(?P<yy>\d{2})(?:\s*[/–-]\s*\d{2})?(?!\d)",
        r"(?P<y>(?:1[5-9]|20)\d{2})(?P<m>0[1-9]|1[0-2])(?P<d>0[1-9]|[12]\d|3[01])(?!\d)",
        r"(?P<y>\d{4})[-/](?P<m>0?[1-9]|1[0-2])(?![\d/.-])",
        r"\b(?P<m>0?[1-9]|1[0-2])/(?P<y>\d{4})(?!\d)",
    )
)
_NAMED = re.compile("|".join(sorted({name[:3] for name in _MONTHS})))
_EIGHT = re.compile(r"\d{8}")
_BARE = re.compile(r"\s*-?\d{1,7}(?:\.\d+)?\s*")
_MARKS = ("年", "季", "q", "h", "f", "-", "/", ".")


_LONE_YEAR = re.compile(r"(?<![\d.,$€£¥/-])(?P<y>[1-9]\d{3})(?![\d%‰]|[.,]\d|s\b|年代|\s*(?:BC|B\.C\.|BCE)\b)")
_BEFORE_CHRIST = re.compile(r"\b(?:BC|B\.C\.|BCE)(?![A-Za-z])|公元前")
_WORD_YEAR = re.compile(rf"(?<![{_HAN}])([〇零○一二三四五六七八九]{{4}})(?=\s*年)")
_WORD_PART = re.compile(rf"([{_HAN}]{{1,3}})(?=\s*[月日号])")
_HINT = re.compile(r"\d\d|[〇零○一二三四五六七八九]{4}\s*年")
_FOREIGN = re.compile(r"(?<!\d)(?:0?[1-9]|[12]\d|3[01])\.?\s+(?:de\s+)?[^\W\d_]{3,}\.?\s+(?:de\s+)?\d{4}(?!\d)")
_EARLY_YEAR = re.compile(
    r"\W*(?:in|c\.|ca\.|circa|about|AD|A\.D\.|公元)?\s*(?P<y>[1-9]\d{2})\s*(?:AD|A\.D\.|CE|年)?\W*", re.IGNORECASE
)
_NOTES = re.compile(r"\([^()]*\)|（[^（）]*）|\[[^\[\]]*\]")
_OTHER_LANGUAGES = ["en", "zh", "fr", "de", "es", "it", "pt", "nl", "ru", "ja", "sv", "pl", "tr"]
_DAY_OF = re.compile(
    rf"\b(?:{_DAY}\s+(?:of\s+)?{_MONTH}|{_MONTH.replace('<n>', '<n2>')}\s+{_DAY.replace('<d>', '<d2>')}(?!\d))"
    r"|(?P<m>\d{1,2})\s*月\s*(?P<d3>\d{1,2})\s*[日号]",
    re.IGNORECASE,
)


@dataclass(frozen=True, slots=True)
class Dated:
    """A date in a text, ISO as exact as it is told, and where it stands; `other` is the reading with day and month swapped."""

    iso: str
    start: int
    end: int
    other: str = ""


def _ascii(text: str) -> str:
    """Chinese numerals of dates as digits; lengths may change."""
    if not any(char in text for char in "年月日号"):
        return text
    text = _WORD_YEAR.sub(lambda found: "".join(_NUMERALS[char] for char in found[1]), text)
    return _WORD_PART.sub(lambda found: str(_small(found[1])), text)


def _small(numeral: str) -> int:
    if "十" in numeral:
        tens, _, ones = numeral.partition("十")
        return int(_NUMERALS.get(tens, "1")) * 10 + int(_NUMERALS.get(ones, "0"))
    return int("".join(_NUMERALS[char] for char in numeral))


def _iso(year: int, month: int = 0, day: int = 0) -> str | None:
    """ISO text, or None for what no calendar has."""
    try:
        date(year, month or 1, day or 1)
    except ValueError:
        return None
    return f"{year:04d}" + (f"-{month:02d}" if month else "") + (f"-{day:02d}" if month and day else "")


def _month(name: str) -> int:
    """The number of a month; letters like ſ and ı, which patterns take for s and i, do no harm."""
    return _MONTHS[name[:3].casefold()]


def _century(short: str) -> int:
    """Two digits of a year as POSIX reads them: 69 to 99 are the last century's."""
    return int(short) + (1900 if int(short) >= 69 else 2000)


def _dated(found: re.Match[str]) -> Dated | None:
    parts = found.groupdict()
    year = (
        int(parts["y"])
        if parts.get("y")
        else int(parts["roc"]) + 1911
        if parts.get("roc")
        else _century(parts["yy"])
        if parts.get("yy")
        else 0
    )
    if not year:
        return None
    other = None
    if parts.get("q"):
        quarter = parts["q"].casefold().replace("ı", "i").replace("\u0307", "")
        iso = _iso(year, 3 * (int(quarter) if quarter.isdigit() else _QUARTERS[quarter]) - 2, 1)
    elif parts.get("half"):
        iso = _iso(year, 1 if parts["half"].lower() in ("1", "first", "上") else 7, 1)
    elif parts.get("a"):
        first, second = int(parts["a"]), int(parts["b"])
        american, european = _iso(year, first, second), _iso(year, second, first)
        dotted = parts["sep"] == "."
        iso, other = (european, american) if dotted else (american, european)
        if iso is None or not (1 <= (second if dotted else first) <= 12):
            iso, other = other, None
    else:
        month = int(parts["m"]) if parts.get("m") else _month(parts["n"]) if parts.get("n") else None
        day = int(parts["d"]) if parts.get("d") else None
        iso = None if month == 0 or day == 0 else _iso(year, month or 0, day or 0)  # no calendar has a day 0
    return None if iso is None else Dated(iso, *found.span(), other=other if other and other != iso else "")


def dates_in(text: str, *, years: bool = True) -> list[Dated]:
    """Every date of the text in its order, each as exact as it is told; `years`: also numbers that can only be taken as years.

    Offsets are into the text with the Chinese numerals of its dates as digits.
    """
    if not _HINT.search(text):
        return []
    text = _ascii(text)
    taken: list[Dated] = []
    spoilt: list[tuple[int, int]] = []  # days that no calendar has: their year alone would be half the truth
    for found in _matches(text, years=years):
        start, end = found.span()
        if any(start < other.end and other.start < end for other in taken) or any(start < to and at < end for at, to in spoilt):
            continue
        dated = _dated(found)
        if dated is not None:
            taken.append(dated)
        else:
            spoilt.append((start, end))
    return sorted(taken, key=lambda dated: dated.start)


@lru_cache(maxsize=1_024)
def _forms(marks: tuple[str, ...], *, month: bool, eight: bool) -> tuple[re.Pattern[str], ...]:
    """The patterns that can be found in a text with these marks; most texts have few of them."""

    def fits(pattern: str) -> bool:
        if "(?P<n>" in pattern:
            return month
        if "FY|fiscal" in pattern:
            return "f" in marks
        wanted = [mark for mark in ("年", "季", "Q", "quarter", "H", "half") if mark in pattern]
        wanted += "-/." if "[-/" in pattern else "/" if "/(?P<y>" in pattern else ""
        return any(mark[0].lower() in marks for mark in wanted) if wanted else eight

    return tuple(pattern for pattern in _PATTERNS if fits(pattern.pattern))


def _matches(text: str, *, years: bool) -> Iterator[re.Match[str]]:
    letters = text.casefold()
    marks = tuple(mark for mark in _MARKS if mark in letters)
    for pattern in _forms(marks, month=_NAMED.search(letters) is not None, eight=_EIGHT.search(text) is not None):
        yield from pattern.finditer(text)
    if years:
        yield from _LONE_YEAR.finditer(text)


def without_dates(text: str) -> str:
    """The text with its dates blanked out, lone years left."""
    if not _HINT.search(text) or _BARE.fullmatch(text):
        return text
    text = _ascii(text)
    for dated in reversed(dates_in(text, years=False)):
        text = text[: dated.start] + " " * (dated.end - dated.start) + text[dated.end :]
    return text


@lru_cache(maxsize=65_536)
def date_of(raw: str) -> str | None:
    """The date of a cell as ISO 8601 text ("2021-03-12", "2021-03", "2021"), None where there is none.

    What stands in brackets counts only where nothing else is a date.
    """
    text = raw.strip()
    if len(text) == 4 and text.isascii() and text.isdigit():
        return text if text[0] != "0" else None
    if _BEFORE_CHRIST.search(text):
        return None
    if len(text) <= 40 and _FOREIGN.search(text) and not dates_in(text, years=False):
        rare = _rare(text)
        if rare:
            return rare
    early = _EARLY_YEAR.fullmatch(text)
    if early:
        return _iso(int(early["y"]))
    outside = _NOTES.sub(" ", text)
    for part in (outside, text):
        found = dates_in(part)
        if found:
            return found[0].iso
    return None


@lru_cache(maxsize=1)
def _parser() -> object:
    from dateparser.date import DateDataParser

    return DateDataParser(
        languages=_OTHER_LANGUAGES,
        settings={"PARSERS": ["absolute-time"], "REQUIRE_PARTS": ["year"], "PREFER_DATES_FROM": "past"},
    )


def _rare(text: str) -> str | None:
    """A date in another language or form, as dateparser reads it; only dates that tell their year."""
    found = _parser().get_date_data(text)  # type: ignore[attr-defined]
    if found.date_obj is None:
        return None
    moment = found.date_obj
    if found.period == "year":
        return _iso(moment.year)
    return _iso(moment.year, moment.month, 0 if found.period == "month" else moment.day)


def day_and_month(text: str) -> set[str]:
    """The days that the text tells without a year, as "MM-DD"."""
    found = set()
    for match in _DAY_OF.finditer(_ascii(text)):
        name = match["n"] or match["n2"]
        month = _month(name) if name else int(match["m"])
        day = int(match["d"] or match["d2"] or match["d3"])
        if 1 <= month <= 12 and 1 <= day <= 31:
            found.add(f"{month:02d}-{day:02d}")
    return found


def first_day(iso: str) -> str:
    """The first day of a date that may be a year or a month alone: "2021-03" is "2021-03-01"."""
    return iso + "-01-01"[len(iso) - 4 :] if len(iso) in (4, 7) else iso
