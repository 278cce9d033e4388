"""Fields of a delimited line, set apart: what stands between separators is no part of its neighbour's number."""

from __future__ import annotations

import re

from extagents.tables.values_digits import read_digits

APART = " | "
"""What stands between two fields then; no number, unit or date goes across it."""

_QUOTED = re.compile(r'"[^"]*"')
_BLANK_BEHIND = re.compile(r",\s")
_CLEAR = re.compile(r"(?<!\d),|,(?!\d)")
_GROUPED = re.compile(r"(?<!\d)(?<!\d[.,])\d{1,3}(?:,\d{3})+(?!\d)(?:\.\d+)?%?")
_RUN = re.compile(r"(?<![^,;|\[(])\d+(?:\.\d+)?(?:,[-+]?\d+(?:\.\d+)?)+(?![^,;|\])])")
_DATE = re.compile(r"(?:\d+[-/.:])+\d+")
_SIGN = "+-($€£¥￥"
_NAME = re.compile(r"(?:[A-Z][\w.&'-]*\s)*[A-Z]?[\w.&'-]*\d")


def fields_apart(text: str) -> str:
    """The text with the fields of its delimited lines set apart; commas within a number or within quotes stay."""
    if "," not in text and "\t" not in text:
        return text
    return "\n".join(_apart(line) for line in text.split("\n"))


def _apart(line: str) -> str:
    line = line.replace("\t", APART)
    if "," not in line:
        return line
    # Even quotes are those of fields; what they hold is one field, whatever commas it has.
    masked = _QUOTED.sub(lambda found: '"' + "q" * (len(found[0]) - 2) + '"', line) if line.count('"') % 2 == 0 else line
    if _by_commas(masked):
        return "".join(APART if char == "," else line[at] for at, char in enumerate(masked))
    parts, last = [], 0
    for run in _RUN.finditer(masked):
        if read_digits(run[0]) is None:  # 4808,298.5,1951 can be no number
            parts += [line[last : run.start()], run[0].replace(",", APART)]
            last = run.end()
    return "".join([*parts, line[last:]])


def _by_commas(line: str) -> bool:
    """Whether commas separate the line's fields: none has a blank behind it, and none stands within a number of a sentence."""
    clear = len(_CLEAR.findall(line))
    if not clear or _BLANK_BEHIND.search(line) or line.count("|") + line.count(";") >= clear:
        return False
    numbers = list(_GROUPED.finditer(line))
    parting = line.count(",") - sum(number[0].count(",") for number in numbers)
    for number in numbers:
        before = line[: number.start()].rstrip(_SIGN)
        if line[number.end() : number.end() + 1].strip("),]}"):
            return False  # 1,234 people: a sentence without blanks
        if before and before[-1] not in ",[{":
            at = before.rfind(",") + 1
            first = line[at:].partition(",")[0]
            # Branch 4,808,yes: the name of a row may end in a digit, and so does a date.
            named = parting >= 2 and not at and _NAME.fullmatch(first) is not None
            if not named and _DATE.fullmatch(first) is None:
                return False
    return True
