"""The value in the words beside a label: the figure with its unit, the list, the date; and what looks like which."""

from __future__ import annotations

import re
from collections.abc import Sequence
from functools import lru_cache

from extagents.tabular import Column

_SCALE = r"(?:thousand|million|billion|trillion|mn|bn|mln|bln|tn|k|m|b|万亿|百万|千万|亿|万|千)(?![²³/])"
_CURRENCY = r"(?:US\$|HK\$|A\$|C\$|RMB|USD|EUR|GBP|CNY|JPY|CHF|HKD|INR|KRW|[$€£¥￥₹₩])"
_NUMBER = r"(?:\d{1,3}(?:[,，  '’]\d{3})+|\d+(?:[.,]\d{3}){2,}|\d+)(?:[.,]\d+)?"
_FIGURE = re.compile(
    rf"(?P<open>[(（](?=\s*{_CURRENCY}?\s?\d))?(?P<before>{_CURRENCY})?\s?(?P<sign>[-−–](?=\s?{_CURRENCY}"
    rf"?\s?\d))?\s?(?P<after_sign>{_CURRENCY})?\s?(?<![A-Za-z0-9_.])(?P<number>{_NUMBER})"
    rf"(?P<scale>[\s-]?{_SCALE}(?![A-Za-z]))?(?P<unit>\s?(?:%|percent\b|per cent\b|‰|°[CF]"
    rf"|{_CURRENCY}|美元|欧元|人民币|港元|日元|英镑|元"
    r"|平方公里|平方千米|平方米|公里|千米|厘米|毫米|米|公斤|千克|毫克|克|吨|个月|小时|分钟|天|周|千瓦|瓦|毫升|升|节|件|岁|年|人|名|家|个"
    r"|(?:sq\.? ?|cu\.? ?)?[A-Za-z²³µ]+(?:\s?/\s?[A-Za-z²³]+)?(?:\s(?:euros?|dollars?|yuan|pou"
    r"nds?|tons?|tonnes?|meters|metres|kilometers|kilometres|miles|feet|hours?))?))?"
    r"(?(open)\s*[)）])?"
)
_SPELLED = re.compile(
    r"\b(?:(?:one|two|three|four|five|six|seven|eight|nine|ten|eleven|twelve|thirteen|fourteen"
    r"|fifteen|sixteen|seventeen|eighteen|nineteen|twenty"
    r"|thirty|forty|fifty|sixty|seventy|eighty|ninety|hundred|thousand|million|billion|a|half|"
    r"point)(?:[\s-]+(?:and\s+)?(?=\w))?)+\b",
    re.IGNORECASE,
)
_NUMERAL_ZH = re.compile(
    r"[零〇一二两三四五六七八九十百千万亿]+(?:点[零〇一二三四五六七八九]+)?(?:美元|欧元|元|人|名|家|个|年|公里|%)?"
)
_NOTHING = re.compile(
    r"(?:n/?a\.?|n\.a\.|not (?:available|reported|disclosed|applicable|given|stated|known)|non"
    r"e|unknown|undisclosed|nil|tbd|[-–—]+|\?+|无|暂无|未披露|不详|未知|不适用)",
    re.IGNORECASE,
)
_MONTH = r"(?:jan|feb|mar|apr|may|jun|jul|aug|sep|oct|nov|dec)[a-z]*\.?"
_DATED = re.compile(
    r"(?:\d{4}[-/.]\d{1,2}[-/.]\d{1,2}|\d{1,2}[-/.]\d{1,2}[-/.]\d{4}|\d{1,2}(?:s"
    rf"t|nd|rd|th)?\s+(?:of\s+)?{_MONTH},?\s+\d{{4}}|{_MONTH}\s+\d{{1,2}}(?:st|nd|rd|th)?,?\s+\d"
    rf"{{4}}|\d{{4}}年\d{{1,2}}月(?:\d{{1,2}}日)?|{_MONTH}\s+\d{{4}})",
    re.IGNORECASE,
)
_NOTE = re.compile(r"\s*[（(](?:\d{4}\b[^()（）]*|[^()（）]*\best\.?[^()（）]*|[^()（）]*\b\d{4}\s*)[)）]\s*$")
_STOP = frozenset(
    "in on at of for and or to from by as with per than the a an est is are was were since during through over".split()
)


def nothing(value: str) -> bool:
    """Whether the words say that there is no value."""
    return not value.strip() or _NOTHING.fullmatch(value.strip(" .")) is not None


def figure_of(value: str, *, alone: bool = False, unit: str = "") -> str | None:
    """The figure of a value, with sign, scale and unit as it stands there; None where there is none.

    Of several the first in `unit`, else the first; years in parentheses and notes apart. `alone`: nothing but the figure and
    its notes may stand there.
    """
    text = _NOTE.sub("", value)
    if nothing(text):
        return None
    found = [match for match in _FIGURE.finditer(text) if match["number"]]
    if not found:
        spelled = _SPELLED.search(text) if not re.search(r"\d", text) else None
        if spelled is not None and spelled.group().strip().lower() not in ("a", "and", "point", "half"):
            rest = re.match(r"[\s-]*(?:%|percent|per cent|[A-Za-z]+)?", text[spelled.end() :])
            return (spelled.group() + (rest.group() if rest else "")).strip() if not alone or spelled.start() < 3 else None
        numeral = _NUMERAL_ZH.search(text)
        return numeral.group() if numeral is not None and not re.search(r"\d", text) and len(numeral.group()) > 1 else None
    if alone and re.match(r"[A-Za-z]+[-_.]?\d", text.strip()) and not re.match(_CURRENCY, text.strip()):
        return None  # a code, like “srv-01”
    if alone:
        left = text[: found[0].start()] + text[found[0].end() :]
        if len(re.findall(r"[^\W\d_]+", _parenthesised(left))) > 3:
            return None
    chosen = found[0]
    if unit:
        wanted = _folded(unit)
        fitting = [match for match in found if _folded(_unit_in(match)) == wanted]
        if fitting:
            chosen = fitting[0]
    return _trimmed(chosen, text)


def _parenthesised(text: str) -> str:
    return re.sub(r"[（(][^()（）]*[)）]", " ", text)


def _trimmed(match: re.Match[str], text: str) -> str:
    raw = match.group().strip()
    unit = (match["unit"] or "").strip()
    if unit.lower() not in ("per cent",) and unit.lower().split(" ")[0] in _STOP:
        raw = raw[: len(raw) - len(unit)].strip()
        return raw
    if sign := re.search(r"(?:\b(?:minus|negative)\s+|负|百分之负?)$", text[: match.start()], re.IGNORECASE):
        raw = sign.group() + raw
    if raw.endswith((")", "）")) and (beyond := re.match(r"\s*(?:%|percent\b|per cent\b)", text[match.end() :])):
        raw += beyond.group()
    ahead = re.match(rf"\s*(?:–|—|-|to)\s*{_NUMBER}(?:\s?{_SCALE}\b)?(?:\s?%|\s?[A-Za-z²]+)?", text[match.end() :])
    return raw + ahead.group().rstrip() if ahead is not None and not unit else raw


def _unit_in(match: re.Match[str]) -> str:
    unit = (match["unit"] or "").strip()
    if unit.lower() in _STOP:
        unit = ""
    return unit or match["before"] or match["after_sign"] or ""


_SAME = {
    "$": "USD", "US$": "USD", "美元": "USD", "dollar": "USD", "dollars": "USD", "US dollars": "USD",
    "€": "EUR", "欧元": "EUR", "euro": "EUR", "euros": "EUR",
    "£": "GBP", "英镑": "GBP", "¥": "CNY", "￥": "CNY", "RMB": "CNY", "元": "CNY", "人民币": "CNY", "yuan": "CNY",
    "percent": "%",
    "per cent": "%", "HK$": "HKD", "港元": "HKD", "日元": "JPY", "₹": "INR", "₩": "KRW",
}  # fmt: skip
_COUNTED = frozenset("people persons employees employee staff workers countries units stores customers users".split()) | {
    "人",
    "名",
    "家",
    "个",
    "件",
}


def _folded(unit: str) -> str:
    known = _SAME.get(unit, unit)
    return re.sub(r"[\s.]", "", known.lower()).rstrip("s")


@lru_cache(maxsize=8192)
def unit_beside(value: str) -> str:
    """The unit of a value's figure: a code for currencies, "%" for percent, else as it stands; "" for none."""
    match = next((match for match in _FIGURE.finditer(_NOTE.sub("", value)) if match["number"]), None)
    if match is None:
        return ""
    unit = _unit_in(match)
    if re.match(r"\s*(?:%|percent\b|per cent\b)", value[match.end() :]) or value[: match.start()].rstrip().endswith(
        ("百分之", "百分之负")
    ):
        return "%"
    if unit in _COUNTED or (len(unit) == 1 and unit.isascii() and unit.isalpha() and unit not in "mkgtl"):
        return ""
    if unit == "年" and re.fullmatch(r"(?:19|20)\d\d", match["number"]):
        return ""
    return _SAME.get(unit, unit)


_CODE = re.compile(
    r"(?P<front>[A-Za-z\u4e00-\u9fff][A-Za-z\u4e00-\u9fff /#.]*?)(?P<joint>[ _#/.-]*)(?P<digits>\d[\dA-Za-z_./-]*)"
)
_BEFORE_FIGURES = re.compile(
    rf"(?:{_CURRENCY}|[A-Z]{{2,3}}|about|approx\w*|around|circa|ca|c|over|under|nearly|almost|some|est|more than"
    r"|less than|up to|since|in|from|year|founded|opened|minus|negative|Rs|Fr|kr|R|zł|约|近|超过|逾|自|于|共|第)\.?",
    re.IGNORECASE,
)


def coded(values: Sequence[str]) -> bool:
    """Whether values are identifiers that end in a number: “Customer 1304”, “ORD-000123”, “srv-01”."""
    found = 0
    for value in values:
        match = _CODE.fullmatch(value.strip())
        if match is None or looks_dated(value):
            continue
        joined = match["joint"].strip() in ("-", "_", "#", "/") or (not match["joint"] and match["front"].isascii())
        if not re.match(rf"{_MONTH}$", match["front"], re.IGNORECASE) and (
            (joined and not re.fullmatch(_CURRENCY, match["front"])) or not _BEFORE_FIGURES.fullmatch(match["front"].strip())
        ):
            found += 1
    return found > len(values) / 2


def looks_dated(value: str) -> bool:
    """Whether the value is a date with at least its month."""
    return _DATED.match(value.strip()) is not None


def looks_listed(value: str) -> bool:
    """Whether the value is an enumeration."""
    return len(re.split(r"[;；、]|,\s+", _NOTE.sub("", value))) >= 3


def year_of(value: str) -> frozenset[str]:
    """The years of a value's notes: “(2024 est.)”."""
    noted = " ".join(re.findall(r"[（(]([^()（）]*)[)）]", value))
    return frozenset(re.findall(r"(?<!\d)(?:19|20)\d\d(?!\d)", noted))


def raw_of(value: str, column: Column, *, unit: str = "") -> str | None:
    """What of the words beside a label is the column's value; None where it does not fit the column. `unit` is the header's."""
    if nothing(value):
        return None
    if column.type == "number":
        found = figure_of(value, unit=column.unit)
        if found is None:
            return None
        if unit and not re.search(r"[A-Za-z%$€£¥\u4e00-\u9fff]", found):
            found = f"{found} {unit}"
        return found
    if column.type == "date":
        dated = _DATED.search(value)
        if dated is not None:
            return dated.group()
        year = re.search(r"(?<!\d)(?:1[5-9]|20)\d\d(?!\d)", value)
        return year.group() if year else None
    if column.type == "list":
        return _NOTE.sub("", value).strip() or None
    if column.type == "boolean":
        return value.strip()[:80]
    text = _NOTE.sub("", value).strip(" .;,") if not column.values else value.strip()
    return text if text and len(text) <= 300 else None
