"""Written text: how long it is and was asked to be, its citation markers, and whether its numbers stand in the evidence.

A length is a number of words; Chinese, Japanese and Korean letters count one each. Pure text, no model.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from extagents.text import is_cjk, sentence_spans

_SMALL = {
    name: value
    for value, names in enumerate(
        ("zero", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine", "ten", "eleven", "twelve", "thirteen",
         "fourteen", "fifteen", "sixteen", "seventeen", "eighteen", "nineteen", "twenty"))
    for name in names.split()
}  # fmt: skip
_SMALL |= {"thirty": 30, "forty": 40, "fifty": 50, "sixty": 60, "seventy": 70, "eighty": 80, "ninety": 90}
_DIGITS_ZH = {char: value for value, char in enumerate("零一二三四五六七八九")} | {"〇": 0, "两": 2}
_PLACES_ZH = {"十": 10, "百": 100, "千": 1_000, "万": 10_000}
_SIZE = {
    "word": 1.0, "page": 500.0, "paragraph": 120.0, "sentence": 22.0, "character": 1 / 6,
    "字": 1.0, "词": 1.6, "页": 800.0, "段": 200.0, "句": 35.0,
}  # fmt: skip
_LENGTH = re.compile(
    r"(?P<most>\b(?:at most|(?:no|not) (?:more|longer) than|up to|under|below|within|(?:less|fewer) than"
    r"|max(?:imum)?(?: of)?)\s+)?"
    r"(?:\b(?:about|around|roughly|approximately|some|circa)\s+|~\s*)?"
    r"\b(?P<n>\d[\d,]*(?:\.\d+)?k?|half an?|an?|one|two|three|four|five|six|seven|eight|nine|ten)"
    r"(?:\s*(?:-|–|to|or)\s*(?P<m>\d[\d,]*|two|three|four|five|six|ten))?"
    r"[\s-]+(?:(?:short|long|full|single)\s+)?(?P<unit>word|page|paragraph|sentence|character)s?\b"
    r"(?P<after>\s+(?:or (?:less|fewer)|at most|max(?:imum)?)\b)?",
    re.IGNORECASE,
)
_LENGTH_ZH = re.compile(
    r"(?P<most>不超过|不多于|不要超过|少于|最多|至多|控制在)?\s*(?:大约|大概|约)?\s*(?P<n>\d[\d,]*|[一二两三四五六七八九十百千万半]+)"
    r"\s*(?:(?:-|–|~|～|到|至)\s*(?P<m>\d[\d,]*))?\s*(?:个|多)?\s*(?P<unit>字|词|页|段|句)(?P<after>以内|之内|以下)?"
)

_STRAY = re.compile(
    r"[\[［【]\s*(?:facts?|sources?|事实|来源|no\.?)?\s*[#№]?\d*(?:\s*[,，、;；–—-]\s*[#№]?\d+)*\s*[\]］】]"
    r"|[(（]\s*(?:see\s+)?(?:facts?|sources?|事实|来源)\s*[#№]?\d+(?:\s*(?:[,，、;；–—-]|and|和|与)\s*[#№]?\d+)*\s*[)）]",
    re.IGNORECASE,
)
_LEADING_MARKUP = re.compile(r"^(?:[#>*+•-]+\s+|\d{1,2}[.)]\s+(?=\S))+")
_END = re.compile(r"(?P<stop>[.!?…。！？；;]*)(?P<close>[\"'”’»)\]）」』》]*)\Z")

_NUMBER = re.compile(
    r"(?<![A-Za-z_\d.])(?P<n>(?:\d{1,3}(?:,\d{3})+|\d+)(?:\.\d+)?)(?P<decade>s\b)?\s*(?P<scale>thousand|million|billion|trillion|千|万|亿)?|(?P<bare>\d+)",
    re.IGNORECASE,
)
_SCALE = {"thousand": 1e3, "million": 1e6, "billion": 1e9, "trillion": 1e12, "千": 1e3, "万": 1e4, "亿": 1e8}
_MONTHS = ("jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec")
_MONTH = re.compile(
    r"\b(jan(?:uary)?|feb(?:ruary)?|mar(?:ch)?|apr(?:il)?|may|june?|july?|aug(?:ust)?|sept?(?:ember)?|oct(?:ober)?"
    r"|nov(?:ember)?|dec(?:ember)?)\b",
    re.IGNORECASE,
)
_DATED_MONTH = re.compile(rf"(?:\d(?:st|nd|rd|th)?\s+(?:of\s+)?{_MONTH.pattern}|{_MONTH.pattern}\.?,?\s+\d)", re.IGNORECASE)
_WORD = re.compile(r"[a-z]+", re.IGNORECASE)
_RUN_ZH = re.compile(r"[零〇一二两三四五六七八九十百千万]+")


# ------------------------------------------------------------------ length


@dataclass(frozen=True, slots=True)
class Length:
    """How long a text is to be, in words; `at_most`: no longer than that."""

    words: int
    at_most: bool = False


def words_in(text: str) -> int:
    """Words of a text: what stands between white space and holds a letter or digit; Chinese letters count one each."""
    if text.isascii():
        return sum(any(char.isalnum() for char in word) for word in text.split())
    spaced = "".join(" " if is_cjk(char) else char for char in text)
    letters = sum(map(is_cjk, text))
    return letters + sum(any(char.isalnum() for char in word) for word in spaced.split())


def length_in(instructions: str) -> Length | None:
    """The length that instructions ask for ("about 500 words", "two pages", "不超过800字"), None where they ask for none."""
    for match in (*_LENGTH.finditer(instructions), *_LENGTH_ZH.finditer(instructions)):
        low = _value(match["n"])
        high = _value(match["m"]) if match["m"] else low
        words = round((low + high) / 2 * _SIZE[match["unit"].lower()])
        if words >= 1:
            return Length(words, at_most=bool(match["most"] or match["after"]))
    return None


def _value(text: str) -> float:
    text = text.lower().replace(",", "")
    if text.startswith("half") or text == "半":
        return 0.5
    if text in ("a", "an"):
        return 1.0
    if text in _SMALL:
        return float(_SMALL[text])
    if text[0].isdigit():
        return float(text.removesuffix("k")) * (1_000 if text.endswith("k") else 1)
    return float(_chinese(text))


def _chinese(text: str) -> int:
    """The value of a Chinese numeral: 八百 is 800, 一千五百 1500, 二十 20; digits in a row (一九四五) are read as digits."""
    if not any(char in _PLACES_ZH for char in text):
        return int("".join(str(_DIGITS_ZH.get(char, 0)) for char in text) or "0")
    total = section = digit = 0
    for char in text:
        if char == "万":
            total, section, digit = (total + section + digit or 1) * 10_000, 0, 0
        elif char in _PLACES_ZH:
            section, digit = section + (digit or 1) * _PLACES_ZH[char], 0
        else:
            digit = _DIGITS_ZH.get(char, 0)
    return total + section + digit


# ------------------------------------------------------------------ sentences and markers


def cleaned(text: str) -> str:
    """A sentence or heading on one line, without markers of its own, list signs or heading signs."""
    text = " ".join(text.split())
    while True:  # what a mark stood in may become one itself
        bare = " ".join(_LEADING_MARKUP.sub("", _STRAY.sub(" ", text)).split())
        if bare == text:
            break
        text = bare
    for mark in (" .", " ,", " ;", " 。", " ，"):
        text = text.removesuffix(mark) + mark[1] if text.endswith(mark) and len(text) > 2 else text
    return text


def sentences_of(text: str) -> list[str]:
    """The sentences of a cleaned text, without those that hold no word."""
    return [part for start, end in sentence_spans(text) if words_in(part := text[start:end].strip())]


def marked(sentence: str, numbers: Sequence[int]) -> str:
    """The sentence with its markers before the full stop, where every way of splitting sentences keeps them with it."""
    marks = "".join(f"[{number}]" for number in numbers)
    match = _END.search(sentence)
    assert match is not None  # it matches the empty end, too
    body, stop, close = sentence[: match.start()].rstrip(), match["stop"], match["close"]
    if stop and not close:
        pass
    elif stop in (".", "。") and body:
        body, close = body + close, ""
    else:
        body = (f"{body}{stop}{close}" if stop else body.rstrip(" ,:;、，：–—-") + close) or sentence
        stop = ""
    wide = any(map(is_cjk, body[-4:]))
    return f"{body}{'' if wide else ' '}{marks}{stop or ('。' if wide else '.')}"


def joined(sentences: Iterable[str]) -> str:
    """Sentences as one paragraph: a blank between them, none after a Chinese full stop."""
    text = ""
    for sentence in sentences:
        text += sentence if not text or text[-1] in "。！？；…" else f" {sentence}"
    return text


# ------------------------------------------------------------------ numbers


def numbers_hold(sentence: str, evidence: Iterable[str]) -> bool:
    """Whether every number and dated month of the sentence stands in the evidence, however it is written there.

    "1.2 million" is 1,200,000; "the 1990s" holds where a year of them does; words (three, 三) count as evidence only.
    """
    said = list(_said(sentence))
    if not said:
        return True
    known = _known(" \n ".join(evidence))
    return all(
        any(abs(value - other) <= 1e-9 * max(1.0, abs(value)) or (decade and value <= other < value + 10) for other in known)
        for value, decade in said
    )


def _said(text: str) -> Iterable[tuple[float, bool]]:
    for match in _NUMBER.finditer(text):
        yield _number(match) * _SCALE.get((match["scale"] or "").lower(), 1.0), bool(match["decade"])
    for match in _DATED_MONTH.finditer(text):
        yield float(_month(match[1] or match[2])), False


def _known(text: str) -> set[float]:
    known: set[float] = set()
    plain: set[float] = set()
    scales: set[float] = set()
    for match in _NUMBER.finditer(text):
        value, scale = _number(match), _SCALE.get((match["scale"] or "").lower(), 1.0)
        (plain if scale == 1.0 else scales).add(value if scale == 1.0 else scale)
        known.add(value * scale)
    known |= {value * scale for value in plain for scale in scales}  # "between 1.2 and 1.4 million"
    known |= {float(_month(match[1])) for match in _MONTH.finditer(text)}
    known |= {float(_SMALL[word]) for word in map(str.lower, _WORD.findall(text)) if word in _SMALL}
    known |= {float(_chinese(run)) for run in _RUN_ZH.findall(text)}
    return known


def _number(match: re.Match[str]) -> float:
    return float((match["n"] or match["bare"]).replace(",", ""))


def _month(name: str) -> int:
    return _MONTHS.index(name[:3].lower()) + 1
