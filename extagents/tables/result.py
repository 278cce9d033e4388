"""From a database's result to a bare answer."""

from __future__ import annotations

import math
import re
from collections.abc import Iterable, Sequence
from typing import NamedTuple

from extagents.tables.bearing import bearing as bearing
from extagents.tables.relations import dated
from extagents.tables.sameness import same_result as same_result
from extagents.tables.values import told
from extagents.tabular import CellValue, QueryResult, Table, WrittenSql
from extagents.types import AnswerType

_NUMERIC = re.compile(r"(?:U?(?:TINY|SMALL|BIG|HUGE)?INT(?:EGER)?|DOUBLE|FLOAT|REAL|DECIMAL\b.*)$", re.IGNORECASE)
_TEXT = re.compile(r"'(?:[^']|'')*'|--[^\n]*|/\*.*?\*/", re.DOTALL)
_NUMBER = re.compile(r"\d[\d,]*(?:\.\d+)?")
_WORD_NUMBERS = {
    **dict(zip("zero one two three four five six".split(), range(7), strict=True)),
    **dict(zip("零一二三四五六", range(7), strict=True)),
    **{"a": 1, "no": 0, "两": 2},
}
_COUNT = r"(\d|zero|no|one|two|three|four|five|six|[零一二两三四五六])"
_PLACES = (
    re.compile(
        rf"\b{_COUNT}[ -](?:decimals?\b|d\.?p\.?\b|digits? (?:after|behind|past) the (?:decimal )?point)", re.IGNORECASE
    ),
    re.compile(rf"(?:保留|精确到|取|小数点后)\s*(?:小数点后)?\s*{_COUNT}\s*(?:位小数|位)"),
)
_WHOLE = re.compile(
    r"\b(?:nearest|closest|to an?|as an?) (?:whole (?:number|percent)|integer|unit|percent)|\bwhole number"
    r"|四舍五入(?:到|至|为|取)?\s*(?:整数|个位)|取整|保留整数|精确到(?:整数|个位)",
    re.IGNORECASE,
)
_NEAREST = {"tenth": 1, "hundredth": 2, "thousandth": 3, "十分位": 1, "百分位": 2, "千分位": 3}
_ASKS_YEAR = re.compile(r"\b(?:which|what) years?\b|\bin (?:which|what) year|哪一?年|哪几年|什么年份|年份", re.IGNORECASE)
_YEAR_NAME = re.compile(r"(?:^|_|\b)(?:years?|yr)(?:_|\b|$)|年", re.IGNORECASE)
_ASKS_VALUES = re.compile(
    r"\b(?:with|and|along with|together with|including) (?:its|their|his|her|the (?:respective|corresponding|exact))\b"
    r"|\band (?:by )?(?:how (?:much|many|long|large|big|high|old|far|tall|deep)|what (?:is|was|are|were)|which|when|where)\b"
    r"|\brespective(?:ly)?\b|\bfor each\b|\bof each\b|\bin each\b|\bby each\b|\bper\b|\beach (?:of|with)\b"
    r"|及其|以及(?:其|它们|各自|对应|相应)|各自|分别|(?:并|且)(?:给出|列出|说明|注明|写出)|[和与](?:其|它们的|对应的|相应的)|[各每]个?[^\s，。？?]{1,8}的?(?:数量|多少|有几|平均|总)",
    re.IGNORECASE,
)
_AGGREGATE = re.compile(
    r"\b(?:avg|mean|median|stddev\w*|var\w*|quantile\w*|corr|geomean|sqrt|ln|log\w*|exp)\s*\(|/", re.IGNORECASE
)
_UNIT_CHANGE = re.compile(r"/\s*1(?:0+|e\d+)(?:\.0*)?(?![\w.])", re.IGNORECASE)  # no quotient of two values
_HUNDRED = re.compile(r"\b100(?:\.0*)?\b")
_SHARE = re.compile(
    r"\b(?:avg|mean)\s*\(\s*(?:\(\s*)?(?:case\b|cast\s*\(|if\s*\()|::\s*(?:int|double|float|bool)", re.IGNORECASE
)
_BY_COUNT = re.compile(r"/\s*(?:nullif\s*\(\s*)?count\s*\(", re.IGNORECASE)
_ONE_NAME = re.compile(r"""(?:\bname"?\s*\)?|\bname"?)\s*=\s*(?:lower\s*\(\s*)?'""", re.IGNORECASE)


class _Asked(NamedTuple):
    """How an answer is to look."""

    chinese: bool
    language: str
    places: int | None
    year: bool  # a year alone is wanted
    values: bool

    @property
    def none(self) -> str:
        return "无" if self.chinese else "none"

    def yes_no(self, value: bool) -> str:
        return ("是" if value else "否") if self.chinese else ("yes" if value else "no")

    def joined(self, items: Iterable[str]) -> str:
        """Items as a list, once each; divided so that no mark within an item looks like a border."""
        once = list(dict.fromkeys(item for item in items if item))
        if self.chinese:
            return ("；" if any("、" in item for item in once) else "、").join(once)
        return ("; " if any("," in item for item in once) else ", ").join(once)


def answer_of(
    result: QueryResult,
    written: WrittenSql,
    tables: Sequence[Table],
    *,
    answer_type: AnswerType,
    language: str,
    question: str = "",
) -> str:
    """The bare answer that the result gives; "" where it says nothing. An empty list is an answer: "none", or "无".

    `language` is that of the answer, like "en" or "zh".
    """
    chinese = language.lower().startswith(("zh", "chinese", "中"))
    asked = _Asked(
        chinese=chinese,
        language="zh" if chinese else language or "en",
        places=places_asked(question),
        year=bool(_ASKS_YEAR.search(question)),
        values=bool(_ASKS_VALUES.search(question)),
    )
    rows = [row for row in result.rows if any(value is not None for value in row)]
    if not rows:
        return _of_nothing(result, written, tables, asked)
    form = written.form
    numeric = [place for place in range(len(result.columns)) if _is_number(result, place)]
    if form == "yes_no" or (answer_type == "yes_no" and result.types == ("BOOLEAN",)):
        return _yes_no(result, rows, asked)
    writer = _Writer(result, written, tables, asked)
    if form in ("number", "percent", "date"):
        place = _value_place(result, form, numeric)
        if len(rows) == 1 and len(numeric) > 1 and len(numeric) == len(result.columns):
            return asked.joined(writer.value(rows[0], place) for place in numeric)
        if len(rows) == 1 or all(row[place] == rows[0][place] for row in rows):
            return writer.value(rows[0], place)
        return asked.joined(_items(rows, writer, asked, values=len(result.columns) > 1))
    return asked.joined(_items(rows, writer, asked, values=form == "text" or asked.values))


def places_asked(question: str) -> int | None:
    """How many decimals the question wants, None where it does not say."""
    for pattern in _PLACES:
        if found := pattern.search(question):
            told_as = found[1].lower()
            return int(told_as) if told_as.isdigit() and told_as.isascii() else _WORD_NUMBERS[told_as]
    if found := re.search(r"\bnearest (tenth|hundredth|thousandth)s?\b|(十分位|百分位|千分位)", question, re.IGNORECASE):
        return _NEAREST[(found[1] or found[2]).lower()]
    return 0 if _WHOLE.search(question) else None


def _of_nothing(result: QueryResult, written: WrittenSql, tables: Sequence[Table], asked: _Asked) -> str:
    """No row, or none with a value: a proper answer only where it is known that nothing fits."""
    if result.rows or not _is_known(written.sql, tables) or _ONE_NAME.search(written.sql):
        return ""
    if written.form in ("names", "list"):
        return asked.none
    return asked.yes_no(False) if written.form == "yes_no" and "BOOLEAN" not in result.types else ""


def _is_known(sql: str, tables: Sequence[Table]) -> bool:
    """Whether every column that the statement names has a value somewhere."""
    words = {word.lower() for word in re.findall(r"\w+", _TEXT.sub(" ", sql))}
    columns = [(table, column.name) for table in tables for column in table.columns if column.name.lower() in words]
    filled = {name.lower() for table, name in columns if any(row.values.get(name) is not None for row in table.rows)}
    return any(table.rows for table in tables) and all(name.lower() in filled for _, name in columns)


def _yes_no(result: QueryResult, rows: Sequence[tuple[CellValue | None, ...]], asked: _Asked) -> str:
    place = next((place for place, kind in enumerate(result.types) if kind == "BOOLEAN"), None)
    if place is None:
        place = next((place for place in range(len(result.columns)) if _is_number(result, place)), 0)
    values = [row[place] for row in rows if row[place] is not None]
    if not values:
        return ""
    if len(values) > 1 and not all(isinstance(value, bool) for value in values):
        return asked.yes_no(True)  # rows that fit were asked for, and some do
    value = values[0]
    if isinstance(value, str):
        word = value.strip().casefold()
        return asked.yes_no(word not in ("no", "false", "0", "f", "n", "否", "不是", "没有"))
    return asked.yes_no(all(bool(value) for value in values))


def _is_number(result: QueryResult, place: int) -> bool:
    return bool(_NUMERIC.match(result.types[place])) if place < len(result.types) else False


def _value_place(result: QueryResult, form: str, numeric: Sequence[int]) -> int:
    """The column that holds the value asked for, beside names."""
    if form == "date":
        dates = [place for place, kind in enumerate(result.types) if kind == "DATE" or kind.startswith("TIMESTAMP")]
        return dates[0] if dates else 0
    return numeric[-1] if numeric else len(result.columns) - 1


def _items(rows: Sequence[tuple[CellValue | None, ...]], writer: _Writer, asked: _Asked, *, values: bool) -> list[str]:
    """One item a row: its name, with the other columns in brackets where they are asked for."""
    name = writer.name_place
    items: list[str] = []
    for row in rows:
        held = row[name]
        if isinstance(held, tuple) and len(row) == 1:
            items.extend(held)
            continue
        head = writer.value(row, name)
        others = [writer.value(row, place) for place in range(len(row)) if place != name] if values else []
        others = [other for other in others if other and other != head]
        if not others or not head:
            items.append(head or asked.joined(others))
        else:
            items.append(f"{head}（{'，'.join(others)}）" if asked.chinese else f"{head} ({'; '.join(others)})")
    return items


class _Writer:
    """Writes values of one result."""

    def __init__(self, result: QueryResult, written: WrittenSql, tables: Sequence[Table], asked: _Asked) -> None:
        self._result = result
        self._written = written
        self._tables = tables
        self._asked = asked
        self._sql = _TEXT.sub(" ", written.sql)
        self._columns = {column.name.lower(): column for table in tables for column in table.columns}
        self.name_place = self._name_place()

    def value(self, row: Sequence[CellValue | None], place: int) -> str:
        """One value; "" where nothing is known."""
        value = row[place]
        match value:
            case None:
                return ""
            case bool():
                return self._asked.yes_no(value)
            case tuple():
                return self._asked.joined(str(item) for item in value)
            case str():
                return self._day(value) if self._result.types[place] == "DATE" else " ".join(value.split())
            case _:
                return self._number(float(value), place)

    def _name_place(self) -> int:
        names = {row.name for table in self._tables for row in table.rows}
        texts = [place for place, kind in enumerate(self._result.types) if kind.startswith(("VARCHAR", "ENUM"))]
        for place in texts:
            if all(row[place] in names for row in self._result.rows if isinstance(row[place], str)):
                return place
        return texts[0] if texts else 0

    def _number(self, value: float, place: int) -> str:
        name = self._result.columns[place].lower()
        counted = not self._result.types[place].upper().startswith(("DOUBLE", "FLOAT", "REAL", "DECIMAL"))
        single = sum(_is_number(self._result, other) for other in range(len(self._result.columns))) == 1
        column = self._columns.get(name)
        unit = column.unit if column is not None else self._written.unit if single else ""
        if (self._written.form == "percent" and (single or unit == "%")) or (single and self._written.unit == "%"):
            value, unit = self._percent(value), "%"
        elif self._written.form == "number" and single:
            unit = self._written.unit or unit
        elif counted and column is None:
            unit = ""
        if 1000 <= value <= 2999 and unit.lower() in ("", "year", "years", "年") and self._is_year(name):
            return self._said(value, "").replace(",", "")
        return self._said(value, unit)

    def _is_year(self, name: str) -> bool:
        """Whether the result's column of that name holds years, which nobody parts into thousands."""
        if self._asked.year or self._written.form == "date" or _YEAR_NAME.search(name):
            return True
        words = set(re.findall(r"\w+", name))
        columns = [column for known, column in self._columns.items() if known in words]
        years = [column for column in columns if _YEAR_NAME.search(column.description)]
        return bool(years) and all(
            isinstance(value, (int, float)) and 1000 <= value <= 2999 and float(value).is_integer()
            for table in self._tables
            for row in table.rows
            for column in years
            if (value := row.values.get(column.name)) is not None
        )

    def _said(self, value: float, unit: str) -> str:
        places = self._asked.places
        if places is not None:
            text = told(_whole(_rounded(value, places)), unit, language=self._asked.language)
            return (
                _NUMBER.sub(f"{abs(_rounded(value, places)):,.{places}f}", text, count=1)
                if _holds(text, value, places)
                else text
            )
        return told(_whole(self._without_noise(value)), unit, language=self._asked.language)

    def _without_noise(self, value: float) -> float:
        """A value of the tables as it is; a computed one with four figures that count, and two decimals at least."""
        short = float(f"{value:.12g}")
        if round(short, 4) == short and not _AGGREGATE.search(_UNIT_CHANGE.sub("", self._sql)):
            return short
        if not value or any(value == held for table in self._tables for row in table.rows for held in row.values.values()):
            return short
        return round(short, max(2, 3 - math.floor(math.log10(abs(value)))))

    def _percent(self, value: float) -> float:
        """What a statement calls a percentage: a share of 1 only where it surely divides, and multiplies by no hundred."""
        if _HUNDRED.search(self._sql):
            return value
        words = {word.lower() for word in re.findall(r"\w+", self._sql)}
        of_percents = any(column.unit in ("%", "percent") and name in words for name, column in self._columns.items())
        if of_percents and ("/" not in self._sql or _BY_COUNT.search(self._sql)):
            return value
        if "/" in self._sql or (_SHARE.search(self._sql) and 0 <= value <= 1):
            return float(f"{value * 100:.12g}")
        return value

    def _day(self, text: str) -> str:
        """A date, only as exact as the tables tell it."""
        if self._asked.year:
            return text[:4]
        held = {
            value
            for table in self._tables
            for column in table.columns
            if column.type == "date"
            for row in table.rows
            if isinstance(value := row.values.get(column.name), str) and dated(value) == text
        }
        return min(held, key=len) if held and all(len(value) < len(text) for value in held) else text


def _rounded(value: float, places: int) -> float:
    """Half away from zero, as people round."""
    import decimal

    step = decimal.Decimal(1).scaleb(-places)
    return float(decimal.Decimal(f"{value:.12g}").quantize(step, rounding=decimal.ROUND_HALF_UP))


def _whole(value: float) -> int | float:
    return int(value) if value.is_integer() and abs(value) < 1e15 else value


def _holds(text: str, value: float, places: int) -> bool:
    """Whether the first number in the text is the value itself, and no part of one in other units."""
    found = _NUMBER.search(text)
    return found is not None and abs(float(found[0].replace(",", "")) - abs(_rounded(value, places))) < 1e-9 * max(
        1.0, abs(value)
    )
