"""Days compared with years: what a question's date comes to where the documents give years alone."""

from __future__ import annotations

import re
from collections.abc import Sequence

from extagents.tables.templates_words import tokens
from extagents.tabular import Column

_MONTH = r"(?:jan|feb|mar|apr|may|jun|jul|aug|sept?|oct|nov|dec)[a-z]*"
_DAY = re.compile(
    rf"\b{_MONTH}\.?\s+(?:\d{{1,2}}(?:st|nd|rd|th)?,?\s+)?\d{{4}}\b|\b\d{{4}}[-/.]\d{{1,2}}[-/.]\d{{1,2}}\b"
    r"|\b\d{1,2}[-/.]\d{1,2}[-/.]\d{4}\b|\d{4}\s*年\s*\d{1,2}\s*月",
    re.IGNORECASE,
)
_YEARLY = frozenset("§year §founded year 年 opened opening built completed launched released published born".split())


def names_day(raw: str) -> bool:
    """Whether words name a day or a month of a year."""
    return _DAY.search(raw) is not None


def of_years(labels: Sequence[str], lowest: str, highest: str) -> bool:
    """Whether numbers are years: none of them can be anything else, or where none is known the labels say so."""
    if not lowest and not highest:
        return called_years(labels)
    ends = [re.fullmatch(r"(\d{4})(?:\.0+)?", end.replace(",", "")) for end in (lowest, highest)]
    return all(end is not None and 1000 <= int(end.group(1)) <= 2100 for end in ends)


def called_years(labels: Sequence[str]) -> bool:
    """Whether labels speak of years: “Founded”, “成立年份”."""
    return bool({token for label in labels for token in tokens(label)} & _YEARLY)


def by_year(sign: str, raw: str) -> str | None:
    """How years compare with a day, as a sign and a year; None where that is not sure.

    What comes after 1 January of a year may be of that year itself; what comes after 2 January is surely so in the next.
    """
    from extagents.tables.values import parse

    day = parse(raw, Column(name="day", type="date", description=""))
    if sign not in (">", ">=", "<", "<=") or not isinstance(day, str) or not re.match(r"\d{4}-\d\d", day):
        return None
    first, last = day.endswith("-01-01"), day.endswith("-12-31")
    if (sign == ">" and first) or (sign == ">=" and (first or re.fullmatch(r"\d{4}-01", day))):
        return f">= {day[:4]}"
    if (sign == "<" and last) or (sign == "<=" and (last or re.fullmatch(r"\d{4}-12", day))):
        return f"<= {day[:4]}"
    return f"{sign[0]} {day[:4]}"
