"""When two answers are the same, and when an answer stands in a quote. Pure text, no model."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterable, Sequence
from functools import lru_cache

from extagents.types import AnswerType, Kind

_ARTICLES = frozenset(("a", "an", "the"))
_WORD = re.compile(r"[^\W_]+(?:\.\d+)?")
_NUMBER = re.compile(r"[-−]?\d[\d,   ]*(?:\.\d+)?(?:\s*(?:%|percent|thousand|million|billion|trillion|万|亿))?", re.IGNORECASE)
_SCALE = {"thousand": 1e3, "million": 1e6, "billion": 1e9, "trillion": 1e12, "万": 1e4, "亿": 1e8}
_DIGITS = {char: value for value, char in enumerate("零一二三四五六七八九")} | {"〇": 0, "两": 2}
_PLACES = {"十": 10, "百": 100, "千": 1_000}
_CHINESE_NUMERAL = re.compile(r"(?<!第)[零〇一二两三四五六七八九十百千][零〇一二两三四五六七八九十百千万亿]+")
_MONTHS = {
    name: number
    for number, names in enumerate(
        ("january jan", "february feb", "march mar", "april apr", "may", "june jun", "july jul", "august aug",
         "september sep sept", "october oct", "november nov", "december dec"), start=1)
    for name in names.split()
}  # fmt: skip
_DATES = (
    re.compile(r"(?P<y>\d{4})[-/.](?P<m>\d{1,2})[-/.](?P<d>\d{1,2})"),
    re.compile(r"(?P<y>\d{4})\s*年\s*(?P<m>\d{1,2})\s*月(?:\s*(?P<d>\d{1,2})\s*日)?"),
    re.compile(r"(?P<d>\d{1,2})(?:st|nd|rd|th)?\s+(?:of\s+)?(?P<n>[A-Za-z]{3,9})\.?,?\s+(?P<y>\d{4})"),
    re.compile(r"(?P<n>[A-Za-z]{3,9})\.?\s+(?P<d>\d{1,2})(?:st|nd|rd|th)?,?\s+(?P<y>\d{4})"),
    re.compile(r"(?P<n>[A-Za-z]{3,9})\.?,?\s+(?P<y>\d{4})"),
)
_ASKS_WHEN = re.compile(
    r"^\W*(?:when (?:did|was|were|is|are|does|do|will|has|have|had)|(?:in|on|during|since|by|until) (?:what|which) "
    r"(?:year|date|day|month|decade|century)|(?:what|which) (?:year|date|day|month|decade|century))\b"
    r"|\b(?:when|in what year|in which year|on what date)\W*$|什么时候|何时|哪一?年|哪一?天|几[年月]|(?:什么|哪个)日期",
    re.IGNORECASE,
)
_ASKS_HOW_MANY = re.compile(
    r"\bhow (?:many|much)\b|多少|几[个人次名位条家座]|^\W*(?:what|which) (?:number|percentage)\b", re.IGNORECASE
)
_DATE_WORD = re.compile(
    r"\d|[一二三四五六七八九十〇零]+[年月日]|\b(?:jan|feb|mar|apr|jun|jul|aug|sep|oct|nov|dec)[a-z]*\b|\b(?:mon|tues|wednes|thurs|fri|"
    r"satur|sun)day\b|\b(?:century|decade|spring|summer|autumn|fall|winter|today|yesterday|tomorrow|morning|evening|night|noon|"
    r"day|week|month|year|christmas|easter|ago)s?\b|(?-i:^May$|\bMay\b(?= \d))|世纪|年代|春|夏|秋|冬|今天|昨天|明天|早上|晚上",
    re.IGNORECASE,
)
_NUMBER_WORD = re.compile(
    r"\d|[一二三四五六七八九十百千万亿两〇零半]|\b(?:zero|one|two|three|four|five|six|seven|eight|nine|ten|eleven|twelve|\w+teen|twenty|thirty|"
    r"forty|fifty|sixty|seventy|eighty|ninety|hundred|thousand|million|billion|trillion|dozen|half|third|quarter|once|twice|thrice|"
    r"none|no|all|both|single|double|triple|several|many|few|first|second)s?\b",
    re.IGNORECASE,
)
_CHOICE = re.compile(r"\bor\b|还是|或|哪[个家位座部国]?更|谁更|相比", re.IGNORECASE)
_TITLES = frozenset(("mr", "mrs", "ms", "dr", "sir", "lady", "lord", "president", "king", "queen", "prince", "princess",
                     "emperor", "pope", "saint", "st", "general", "captain", "professor"))  # fmt: skip
_ITEMS = re.compile(r"[;\n、；]|,(?!\d{3}\b)|，|\band\b|和")
_NEGATIONS = frozenset(("not", "no", "never", "without", "non", "neither", "nor"))
_CAPITALISED = re.compile(r"\b[A-Z]\w+")
_YES = frozenset(("yes", "true", "correct", "是", "是的", "对"))
_NO = frozenset(("no", "false", "incorrect", "不", "否", "不是", "没有"))


@lru_cache(maxsize=16_384)
def normalise(text: str) -> str:
    """Unicode-folded, lower case, without punctuation and articles; decimals keep their point. Words are joined by a space."""
    text = unicodedata.normalize("NFKC", text).casefold().replace("’", "'").replace("'s", " s")
    text = re.sub(r"(?<=\d),(?=\d{3})", "", text)
    words = [word for word in _WORD.findall(text) if word not in _ARTICLES]
    return " ".join(words)


def date_of(text: str) -> tuple[int, int, int] | None:
    """(year, month, day) of the first date in the text, 0 where the day is not said; None where there is no date."""
    for pattern in _DATES:
        for match in pattern.finditer(text):
            found = match.groupdict()
            month = int(found["m"]) if found.get("m") else _MONTHS.get((found.get("n") or "").lower(), 0)
            if 1 <= month <= 12:
                return int(found["y"]), month, int(found.get("d") or 0)
    return None


def _in_digits(text: str) -> str:
    """The text with Chinese numerals of several characters as digits (三百二十 → 320); dates and single ones stay."""
    return _CHINESE_NUMERAL.sub(lambda found: _value_of(found[0]), text)


def _value_of(numeral: str) -> str:
    """The digits of a Chinese numeral, by value (三百二十) or digit by digit (一九六八); as it is where it is neither."""
    if not any(char in _PLACES or char in "万亿" for char in numeral):
        return "".join(str(_DIGITS[char]) for char in numeral)
    total = section = digit = 0
    for char in numeral:
        if char in _DIGITS:
            digit = _DIGITS[char]
        elif char in _PLACES:
            section, digit = section + (digit or 1) * _PLACES[char], 0
        else:
            scale = 10_000 if char == "万" else 100_000_000
            total, section, digit = (total + section + digit) * scale, 0, 0
    return str(total + section + digit)


def number_of(text: str) -> tuple[float, str] | None:
    """Value and unit where the text is one number with at most three words around it; None otherwise."""
    text = _in_digits(text)
    matches = _NUMBER.findall(text)
    if len(matches) != 1:
        return None
    raw = matches[0].strip()
    unit = " ".join(word for word in normalise(text.replace(raw, " ")).split() if word not in ("about", "approximately", "of"))
    if len(unit.split()) > 3:
        return None
    scale = 1.0
    for name, factor in _SCALE.items():
        if raw.lower().endswith(name):
            scale, raw = factor, raw[: -len(name)]
    percent = "%" in raw or "percent" in raw.lower()
    digits = re.sub(r"[^\d.\-]", "", raw.replace("−", "-"))
    try:
        return float(digits) * scale, f"% {unit}".strip() if percent else unit
    except ValueError:
        return None


def yes_or_no(text: str) -> bool | None:
    """True for yes, False for no, None for anything else; a leading yes or no counts."""
    first = normalise(text).split(" ", 1)[0]
    return True if first in _YES else False if first in _NO else None


def items_of(text: str) -> frozenset[str]:
    """The normalised items of a list answer, separated by commas, semicolons, line ends or a last "and"."""
    parts = _ITEMS.split(text)
    return frozenset(item for item in (normalise(part) for part in parts) if item)


def compatible(one: str, other: str, answer_type: AnswerType = "text") -> bool:
    """Whether two answers can both be meant: they say the same, or one is a sentence that holds the other word for word."""
    if same(one, other, answer_type):
        return True
    short, long = sorted((normalise(one), normalise(other)), key=len)
    held = f" {short} " in f" {long} " or (_has_cjk(short) and short.replace(" ", "") in long.replace(" ", ""))
    return bool(short) and held and len(long) >= 40


@lru_cache(maxsize=16_384)
def same(one: str, other: str, answer_type: AnswerType = "text") -> bool:
    """Whether two answers say the same: dates by date, numbers by value and unit, lists as sets, names by their words."""
    first, second = normalise(one), normalise(other)
    if not first or not second:
        return False
    if first == second:
        return True
    if answer_type == "yes_no":
        verdict = yes_or_no(one)
        return verdict is not None and verdict == yes_or_no(other)
    if answer_type == "list":
        return items_of(one) == items_of(other)
    one_date, other_date = date_of(one), date_of(other)
    if one_date and other_date:
        days = one_date[2] == other_date[2] or not one_date[2] or not other_date[2]
        return one_date[:2] == other_date[:2] and days
    one_number, other_number = number_of(one), number_of(other)
    if one_number and other_number:
        units = one_number[1] == other_number[1] or not one_number[1] or not other_number[1]
        return units and abs(one_number[0] - other_number[0]) <= 1e-9 * max(abs(one_number[0]), 1.0)
    short, long = sorted((first, second), key=len)
    if answer_type in ("number", "date") or short.isdigit():
        return False
    if _NEGATIONS & (set(long.split()) - set(short.split())):
        return False
    if _has_cjk(short):
        return short.replace(" ", "") in long.replace(" ", "") and len(short) * 2 >= len(long)
    return f" {short} " in f" {long} " and len(short.split()) * 3 >= len(long.split())


def stands_in(answer: str, quotes: Iterable[str]) -> bool:
    """Whether the answer's words stand in one of the quotes: as a phrase, as the same date or number, or word by word."""
    wanted = normalise(answer)
    if not wanted:
        return False
    date, number = date_of(answer), number_of(answer)
    words = wanted.split()
    names = {normalise(word) for word in _CAPITALISED.findall(answer)}
    for quote in quotes:
        shown = normalise(quote)
        if f" {wanted} " in f" {shown} ":
            return True
        if _has_cjk(wanted) and wanted.replace(" ", "") in shown.replace(" ", ""):
            return True
        if date and date_of(quote) == date:
            return True
        if number and names <= set(shown.split()) and _holds_number(quote, number[0]):
            return True
        if nearly(words, shown.split()):
            return True
    return False


def bears(answer: str, quote: str, title: str, question: str) -> bool:
    """Whether the answer stands in the quote; or, of things that the question offers to choose from, in the document's title.

    "Which is larger, A or B?" is answered from lines of A's and B's own pages, which seldom name what they are about.
    """
    return stands_in(answer, (quote,)) or (offered(answer, question) and stands_in(answer, (title,)))


def offered(answer: str, question: str) -> bool:
    """Whether the question names the answer, as one of several things to choose from."""
    wanted, asked = normalise(answer), normalise(question)
    if not wanted or not _CHOICE.search(question):
        return False
    if _has_cjk(wanted):
        return wanted.replace(" ", "") in asked.replace(" ", "")
    return f" {wanted} " in f" {asked} "


def _holds_number(quote: str, value: float) -> bool:
    """Whether one of the numbers of the quote has this value, however it is written."""
    found = (number_of(text) for text in _NUMBER.findall(_in_digits(quote)))
    return any(number is not None and number[0] == value for number in found)


def nearly(words: Sequence[str], shown: Sequence[str]) -> bool:
    """Whether the words stand in what is shown but for titles, initials and inflection ("President James K. Polk")."""
    telling = [word for word in words if len(word) > 1 and word not in _TITLES]
    if not telling or all(len(word) < 4 for word in telling):
        return False
    missed = [word for word in telling if not any(_inflected(word, other) for other in shown)]
    if not missed:
        return True
    forgiven = len(telling) >= 3 and len(missed) == 1
    return forgiven and missed[0] not in _NEGATIONS and not any(char.isdigit() for char in missed[0])


def _inflected(word: str, other: str) -> bool:
    """Equal, or one the other's beginning and at most three letters shorter (America, American)."""
    if word == other:
        return True
    if word.isdigit() or other.isdigit():
        return False
    short, long = (word, other) if len(word) < len(other) else (other, word)
    return len(short) >= 5 and len(long) - len(short) <= 3 and long.startswith(short)


def expected_type(question: str, planned: AnswerType) -> AnswerType:
    """The kind of answer that the question's own words ask for (when, how many), else the planned one."""
    if planned in ("date", "number", "yes_no", "list"):
        return planned
    if _ASKS_WHEN.search(question):
        return "date"
    return "number" if _ASKS_HOW_MANY.search(question) else planned


def fits(answer: str, answer_type: AnswerType) -> bool:
    """Whether the answer can be of its kind at all: a date needs a date's words, a number a number's, yes or no one of both."""
    if answer_type == "date":
        return _DATE_WORD.search(answer) is not None
    if answer_type == "number":
        return _NUMBER_WORD.search(answer) is not None
    if answer_type == "yes_no":
        return yes_or_no(answer) is not None
    return True


def quotable(kind: Kind, answer_type: AnswerType, answer: str, quotes: Iterable[str] = ()) -> bool:
    """Whether such an answer can be expected to stand in a quote; yes or no, counts, sums, comparisons and lists cannot.

    Nor can one that had to be translated from the quotes it rests on.
    """
    if answer_type in ("yes_no", "list") or normalise(answer) in _YES | _NO:
        return False
    return kind not in ("aggregate", "summary") and not translated(answer, quotes)


def translated(answer: str, quotes: Iterable[str]) -> bool:
    """Whether the answer is in another script than a quote (Chinese or not), and stands in none of them.

    Numbers and dates have no script, and a Latin name in a Chinese answer has to stand in a quote like any other.
    """
    shown = tuple(quotes)
    if not any(char.isalpha() for char in answer) or number_of(answer) or date_of(answer) or stands_in(answer, shown):
        return False
    wide = _has_cjk(answer)
    named = [word for word in _CAPITALISED.findall(answer) if wide and not stands_in(word, shown)]
    return not named and any(_has_cjk(quote) != wide for quote in shown)


def all_stand_in(answer: str, quotes: Iterable[str]) -> bool:
    """Whether every item of a list answer stands in one of the quotes."""
    shown = tuple(quotes)
    items = [part.strip() for part in _ITEMS.split(answer) if part.strip()]
    return bool(items) and all(stands_in(item, shown) for item in items)


def _has_cjk(text: str) -> bool:
    return any("㐀" <= char <= "鿿" or "぀" <= char <= "ヿ" for char in text)
