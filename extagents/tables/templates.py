"""SQL by rules: simple questions of a table, in English and Chinese. None where one is not surely understood."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass

from extagents.tables import templates_question, templates_zh
from extagents.tables.templates_ask import NUMBERS, Ask, Condition, number
from extagents.tables.templates_days import by_year, called_years, names_day, of_years
from extagents.tables.templates_words import LEAST, Fit, stem, tokens, wordings
from extagents.tabular import NAME, CellValue, Column, ColumnProfile, ResultForm, TableProfile, WrittenSql
from extagents.text import is_cjk

_LABELS = re.compile(r"“([^”]+)”|(?<!\w)\"([^\"]{1,90})\"")
_LONGEST_QUESTION = 800  # characters; what the patterns cost grows faster than the text
_APART = 0.03
"""How much better than the next a column must fit, to be surely meant."""
THINGS = frozenset(
    "company firm corporation business country nation profile document report filing entity organisation organization record "
    "entry item row page article file text list fact name thing one place city person product project state annual "
    "公 司 企 业 国 家 文 档 报 告 条 个 名 单 位 机 构 人".split()
)
_SIGNS = {
    "above": ">",
    "at_least": ">=",
    "below": "<",
    "at_most": "<=",
    "equal": "=",
    "like": "=",
    "unequal": "<>",
    "unlike": "<>",
}


_FUNCTIONS = {"sum": "sum", "average": "avg", "median": "median"}
_FORMS: dict[str, ResultForm] = {"date": "date", "boolean": "yes_no", "list": "list"}


class _Unsure(Exception):
    """The question is not surely understood."""


def ask_of(question: str) -> Ask | None:
    """The question taken apart, in its language; None where its form is not known. No long question is a simple one."""
    if len(question) > _LONGEST_QUESTION:
        return None
    return templates_zh.parse(question) if any(is_cjk(char) for char in question) else templates_question.parse(question)


def labels_of(column: Column) -> tuple[str, ...]:
    """The labels that a column's description quotes: what the documents call it."""
    return tuple(dict.fromkeys(one or other for one, other in _LABELS.findall(column.description)))


def statement(question: str, tables: Sequence[TableProfile]) -> WrittenSql | None:
    """One SELECT for the question, or None where it, or the columns that it means, are not surely known.

    With several tables, the one that alone has every column that is asked for.
    """
    ask = ask_of(question)
    if ask is None:
        return None
    for asked in (ask, *([ask.otherwise] if ask.otherwise is not None else [])):
        written: list[WrittenSql] = []
        for table in tables:
            try:
                writer = _Writer.of(table)
                if asked is not ask:
                    writer.counted(asked)
                written.append(writer.write(asked))
            except _Unsure:
                continue
        if written:
            return written[0] if len(written) == 1 else None
    return None


@dataclass(frozen=True, slots=True)
class _Writer:
    """Writes statements over one table."""

    table: TableProfile
    fit: Fit
    labels: dict[str, tuple[str, ...]]

    @classmethod
    def of(cls, table: TableProfile) -> _Writer:
        """A writer for a table; what its columns are called is looked at once."""
        labels = {column.name: (column.name, *labels_of(column)) for column in table.schema_.columns}
        return cls(table, Fit.of([label for several in labels.values() for label in several]), labels)

    # -------------------------------------------------------------- columns

    def column(self, phrase: str) -> Column:
        """The one column that a phrase means."""
        scored: list[tuple[float, Column]] = []
        for column in self.table.schema_.columns:
            quoted = self.labels[column.name]
            beside = _LABELS.sub(" ", column.description)
            scored.append((max(self.fit.score(phrase, label, unit=column.unit, beside=beside) for label in quoted), column))
        scored.sort(key=lambda pair: -pair[0])
        if not scored or scored[0][0] < LEAST or (len(scored) > 1 and scored[0][0] - scored[1][0] < _APART):
            raise _Unsure(phrase)
        return scored[0][1]

    def profile(self, column: Column) -> ColumnProfile | None:
        """What is known of a column's values."""
        return next((profile for profile in self.table.columns if profile.name == column.name), None)

    def valued(self, value: str) -> Column:
        """The one column among whose values this one is."""
        wanted = value.lower().strip()
        found = []
        for column in self.table.schema_.columns:
            profile = self.profile(column)
            known = {example.lower() for example in (*(profile.examples if profile else ()), *column.values)}
            if wanted in known and column.type in ("text", "list"):
                found.append(column)
        if len(found) != 1:
            raise _Unsure(value)
        return found[0]

    def valued_as(self, value: str) -> tuple[Column, str]:
        """The one column that has the value, and the value; also where words of the column's label stand behind it."""
        try:
            return self.valued(value), value
        except _Unsure:
            for column in self.table.schema_.columns:
                profile = self.profile(column)
                for example in sorted((*(profile.examples if profile else ()), *column.values), key=len, reverse=True):
                    behind = value.lower().removeprefix(example.lower()) if column.type in ("text", "list") else value
                    label = {token for label in self.labels[column.name] for token in tokens(label)}
                    if behind != value.lower() and tokens(behind) and set(tokens(behind)) <= label:
                        return column, example
            raise

    # -------------------------------------------------------------- conditions

    def where(self, conditions: Sequence[Condition]) -> str:
        """The conditions as SQL, joined; "" for none."""
        return " AND ".join(self.condition(condition) for condition in conditions)

    def condition(self, condition: Condition) -> str:
        """One condition as SQL."""
        if condition.relation == "is" and condition.values:
            column, known = self.valued_as(condition.values[0])
            told = Condition("", condition.relation, (known,))
            return self._holding(column, known) if column.type == "list" else self._text(column, told)
        if condition.relation in ("is", "lacks") and not condition.values:
            return self._claim(condition)
        column = self.column(condition.phrase)
        name = _quoted(column.name)
        if condition.relation == "same":
            if column.type == "list":
                raise _Unsure(condition.phrase)
            named = self._named(condition.values[0])
            own = f"lower(trim({name}))" if column.type == "text" else name
            return f"{own} IN (SELECT {own} FROM {_quoted(self.table.name)} WHERE {named}) AND NOT {named}"
        if condition.relation == "differs":
            other = self.column(condition.values[0])
            if other.name == column.name or column.type != other.type:
                raise _Unsure(condition.phrase)
            return f"{name} <> {_quoted(other.name)}"
        if condition.relation == "told":
            return f"{name} IS NOT NULL"
        if condition.relation == "untold":
            if column.type == "boolean":
                return f"{name} = FALSE"
            return f"({name} IS NULL OR len({name}) = 0)" if column.type == "list" else f"{name} IS NULL"
        if column.type == "list":
            if condition.relation not in ("contains", "lacks", "like", "equal", "unlike"):
                return self._counting(column, condition)
            held = self._holding(column, condition.values[0])
            return f"{name} IS NOT NULL AND NOT {held}" if condition.relation in ("lacks", "unlike") else held
        if condition.relation in ("contains", "lacks"):
            if column.type != "text":
                raise _Unsure(condition.phrase)
            held = self._within(column, condition.values[0])
            return f"{name} IS NOT NULL AND NOT {held}" if condition.relation == "lacks" else held
        if column.type == "text":
            return self._text(column, condition)
        if column.type == "boolean":
            value = self._value(column, condition.values[0])
            return f"{name} {'<>' if condition.relation in ('unequal', 'unlike') else '='} {_literal(value)}"
        if condition.relation == "between":
            low, high = condition.values
            return f"{self._bound(column, low, '>=', other=high)} AND {self._bound(column, high, '<=')}"
        return self._bound(column, condition.values[0], _SIGNS[condition.relation])

    def _claim(self, condition: Condition) -> str:
        """“are publicly listed”, “are landlocked”: a yes-or-no column, or a value of one."""
        negated = condition.relation == "lacks"
        try:
            column = self.column(condition.phrase)
        except _Unsure:
            column, value = self.valued_as(condition.phrase)
            if column.type == "list":
                held = self._holding(column, value)
                return f"{_quoted(column.name)} IS NOT NULL AND NOT {held}" if negated else held
            return self._text(column, Condition("", "unlike" if negated else "like", (value,)))
        if column.type == "boolean":
            return f"{_quoted(column.name)} = {'FALSE' if negated else 'TRUE'}"
        if column.type == "list" and not negated:
            return f"len({_quoted(column.name)}) > 0"
        raise _Unsure(condition.phrase)

    def _counting(self, column: Column, condition: Condition) -> str:
        """“have more than three subsidiaries”: how long a list is."""
        name = f"len({_quoted(column.name)})"
        counts = [re.match(r"\D*(\d+)", value) for value in condition.values]
        numbers = [
            int(count.group(1)) if count else number(value) for count, value in zip(counts, condition.values, strict=True)
        ]
        if condition.relation == "between":
            return f"{name} BETWEEN {numbers[0]} AND {numbers[1]}"
        return f"{name} {_SIGNS[condition.relation]} {numbers[0]}"

    def _bound(self, column: Column, raw: str, sign: str, *, other: str = "") -> str:
        """A comparison with a number or a date; a year alone is compared with the date's year."""
        name = _quoted(column.name)
        if column.type == "date":
            year = re.fullmatch(r"(?:the year )?(\d{4})\s*年?", raw.strip())
            if year:
                return f"year({name}) {sign} {year.group(1)}"
        elif column.type != "number":
            raise _Unsure(raw)
        elif names_day(raw):
            if not self._of_years(column) or (bound := by_year(sign, raw)) is None:
                raise _Unsure(raw)
            return f"{name} {bound}"
        if column.type == "number" and other and not re.search(r"[^\d.,\s]", raw):
            raw = raw + (re.sub(r"^[\d.,\s]+", " ", other) if re.match(r"[\d.,]+", other) else "")
        value = self._value(column, raw)
        yearly = column.type == "number" and self._of_years(column) and called_years(self.labels[column.name])
        if yearly and not (isinstance(value, (int, float)) and 1000 <= value <= 2100):
            raise _Unsure(raw)  # the day of a date that was not understood
        return f"{name} {sign} {_literal(value)}"

    def _of_years(self, column: Column) -> bool:
        """Whether a column of numbers is one of years."""
        profile = self.profile(column)
        ends = (profile.lowest, profile.highest) if profile is not None else ("", "")
        return column.unit in ("", "年") and of_years(self.labels[column.name], *ends)

    def _value(self, column: Column, raw: str) -> CellValue:
        from extagents.tables.values import parse

        spelled = NUMBERS.get(raw.strip().lower())
        value = float(spelled) if spelled is not None and column.type == "number" else parse(raw, column)
        if (
            value is None
            and column.type == "number"
            and (bare := re.match(r"[^\d]{0,4}[-−]?\d[\d,]*(?:\.\d+)?(?:\s*(?:%|thousand|million|billion|万|亿))?", raw))
        ):
            value = parse(bare.group(), column)
        if value is None or isinstance(value, tuple):
            raise _Unsure(raw)
        return value

    def _text(self, column: Column, condition: Condition) -> str:
        """A condition on words: exactly the value where it is told so or a row has it, else as a part of it."""
        name = _quoted(column.name)
        value = condition.values[0].strip()
        if condition.relation not in ("equal", "unequal", "like", "unlike", "is"):
            raise _Unsure(condition.phrase)
        profile = self.profile(column)
        known = {example.lower() for example in (*(profile.examples if profile else ()), *column.values)}
        exact = condition.relation in ("equal", "unequal") or value.lower() in known
        told = f"lower(trim({name})) = {_string(value.lower())}" if exact else self._within(column, value)
        if condition.relation in ("unequal", "unlike"):
            return f"{name} IS NOT NULL AND NOT ({told})"
        return told

    def _within(self, column: Column, value: str) -> str:
        """A value as whole words of a text."""
        name = _quoted(column.name)
        if any(is_cjk(char) for char in value):
            return f"contains({name}, {_string(value)})"
        pattern = r"(^|[^\pL\pN])" + re.escape(value.lower()).replace(r"\ ", r"\s+") + r"($|[^\pL\pN])"
        return f"regexp_matches(lower({name}), {_string(pattern)})"

    def _holding(self, column: Column, value: str) -> str:
        """Whether a list has a value; figures behind an entry (“Spain 39%”) and an article before it don't count."""
        name = _quoted(column.name)
        stripped = r"^the\s+|[\s(:–-]*[<>~≈]?\s*[0-9(（][^\pL]*.*$"
        entry = f"trim(regexp_replace(lower(entry), {_string(stripped)}, '', 'g'))"
        return f"len(list_filter({name}, lambda entry: {entry} = {_string(value.lower().strip())})) > 0"

    # -------------------------------------------------------------- statements

    def write(self, ask: Ask) -> WrittenSql:
        """The statement that a question asks for. Raises `_Unsure`."""
        table = _quoted(self.table.name)
        scope = [self.condition(condition) for condition in ask.scope] + (
            self._said_of(ask.entity) if not ask.groups or "|" in ask.entity else []
        )
        where = _where(scope)
        if ask.per:
            return self._per(ask, scope)
        if ask.operation in ("count", "list", "any", "percent") and not ask.names:
            return self._of_rows(ask, scope)
        if ask.operation == "most" or ask.operation == "least":
            return self._ranked(ask, scope)
        column = self.column(ask.phrase) if ask.phrase else None
        if ask.names:
            return self._of_named(ask, column)
        if column is None or column.type != "number":
            raise _Unsure(ask.phrase)
        sql = f"{_FUNCTIONS[ask.operation]}({_quoted(column.name)})"
        if ask.digits is not None:
            sql = f"round({sql}, {ask.digits})"
        return WrittenSql(sql=f"SELECT {sql} FROM {table}{where}", form=_form(column), unit=column.unit)

    def _said_of(self, entity: str) -> list[str]:
        """Conditions in the noun itself (“energy companies”). Raises `_Unsure` for words that mean nothing known."""
        noun, _, beyond = entity.partition(" | ")
        told = set(tokens(self.table.schema_.entity)) | set(tokens(self.table.schema_.documents)) | set(tokens(self.table.name))
        things = THINGS | told | {token for thing in THINGS for token in tokens(thing)} | wordings().weak
        unknown = [
            word
            for word in re.findall(r"[\w&-]+", f"{noun} {beyond}")
            if not set(tokens(word)) <= things and stem(word) not in things
        ]
        if not unknown:
            return []
        if any(is_cjk(char) for char in "".join(unknown)):
            unknown = ["".join(unknown)]
        value = " ".join(unknown)
        try:
            column = self.valued(value)
        except _Unsure:
            column = self.column(value)
            if column.type != "boolean" or value.lower() in ("not", "non"):
                raise
            return [f"{_quoted(column.name)} = TRUE"]
        return [self._holding(column, value) if column.type == "list" else self._text(column, Condition("", "like", (value,)))]

    def counted(self, ask: Ask) -> None:
        """Raises `_Unsure` unless this table's rows are surely what is counted, and not what they are grouped by."""
        self._said_of(ask.entity)
        rows = set(tokens(self.table.schema_.entity))
        if ask.groups and set(tokens(ask.groups)) <= rows:
            raise _Unsure(ask.groups)

    def _of_rows(self, ask: Ask, scope: list[str]) -> WrittenSql:
        table = _quoted(self.table.name)
        if ask.operation == "count":
            if ask.groups:
                column = self.column(ask.groups)
                return WrittenSql(
                    sql=f"SELECT count(DISTINCT {_quoted(column.name)}) FROM {table}{_where(scope)}", form="number"
                )
            return WrittenSql(sql=f"SELECT count(*) FROM {table}{_where(scope)}", form="number")
        if ask.operation == "any":
            return WrittenSql(sql=f"SELECT count(*) > 0 FROM {table}{_where(scope)}", form="yes_no")
        if ask.operation == "list" and ask.shown:
            shown = list(dict.fromkeys(_quoted(self.column(phrase).name) for phrase in ask.shown))
            return WrittenSql(sql=f"SELECT {', '.join([_quoted(NAME), *shown])} FROM {table}{_where(scope)}", form="text")
        if ask.operation == "list":
            return WrittenSql(sql=f"SELECT {_quoted(NAME)} FROM {table}{_where(scope)}", form="names")
        tested = self.where(ask.tested)
        known = [f"{_quoted(self._tested(condition).name)} IS NOT NULL" for condition in ask.tested]
        share = f"100.0 * count(*) FILTER (WHERE {tested}) / nullif(count(*), 0)"
        digits = 1 if ask.digits is None else ask.digits
        return WrittenSql(
            sql=f"SELECT round({share}, {digits}) FROM {table}{_where([*scope, *known])}", form="percent", unit="%"
        )

    def _per(self, ask: Ask, scope: list[str]) -> WrittenSql:
        """One figure for each value of a column, the highest first."""
        table = _quoted(self.table.name)
        group = _quoted(self.column(ask.per).name)
        column = self.column(ask.phrase) if ask.operation != "count" else None
        if column is not None and column.type != "number":
            raise _Unsure(ask.phrase)
        figure = "count(*)"
        if column is not None:
            figure = f"{_FUNCTIONS[ask.operation]}({_quoted(column.name)})"
            if ask.digits is not None:
                figure = f"round({figure}, {ask.digits})"
        where = _where([*scope, f"{group} IS NOT NULL"])
        return WrittenSql(
            sql=f"SELECT {group}, {figure} AS figure FROM {table}{where} GROUP BY {group} ORDER BY figure DESC, {group}",
            form="text",
            unit=column.unit if column is not None else "",
        )

    def _tested(self, condition: Condition) -> Column:
        if condition.relation in ("is", "lacks"):
            try:
                return self.column(condition.phrase) if condition.phrase else self.valued(condition.values[0])
            except _Unsure:
                return self.valued(condition.phrase)
        return self.column(condition.phrase)

    def _ranked(self, ask: Ask, scope: list[str]) -> WrittenSql:
        table = _quoted(self.table.name)
        order = "DESC" if ask.operation == "most" else "ASC"
        if ask.groups:
            group = _quoted(self.column(ask.groups).name)
            inner = f"SELECT {group}, count(*) AS rows FROM {table}{_where([*scope, f'{group} IS NOT NULL'])} GROUP BY {group}"
            return WrittenSql(
                sql=f"SELECT {group} FROM ({inner}) QUALIFY rank() OVER (ORDER BY rows {order}) <= {ask.most}", form="names"
            )
        column = self.column(ask.phrase)
        if ask.against:
            before = self._before(column, ask)
            change = f"{_quoted(column.name)} - {_quoted(before.name)}"
            where = _where([*scope, f"{change} IS NOT NULL"])
            return WrittenSql(
                sql=f"SELECT {_quoted(NAME)} FROM {table}{where} QUALIFY rank() OVER (ORDER BY round({change},"
                f" 9) {order}) <= {ask.most}",
                form="names",
            )
        if column.type not in ("number", "date", "list"):
            raise _Unsure(ask.phrase)
        ranked = f"len({_quoted(column.name)})" if column.type == "list" else _quoted(column.name)
        where = _where([*scope, f"{_quoted(column.name)} IS NOT NULL"])
        if ask.most == 0:
            sql = (
                f"SELECT {_quoted(NAME)}, {_quoted(column.name)} FROM {table}{where} ORDER BY {ranked} {order}, {_quoted(NAME)}"
            )
            return WrittenSql(sql=sql, form="text", unit=column.unit)
        if ask.most == 1:
            sql = f"SELECT {_quoted(NAME)} FROM {table}{where} QUALIFY rank() OVER (ORDER BY {ranked} {order}) = 1"
        else:
            sql = f"SELECT {_quoted(NAME)} FROM {table}{where} ORDER BY {ranked} {order}, {_quoted(NAME)} LIMIT {ask.most}"
        return WrittenSql(sql=sql, form="names")

    def _of_named(self, ask: Ask, column: Column | None) -> WrittenSql:
        table = _quoted(self.table.name)
        if ask.operation == "any" and not ask.phrase:
            tests = self.where(ask.scope)
            return WrittenSql(
                sql=f"SELECT count(*) > 0 FROM {table} WHERE {self._named(ask.names[0])} AND {tests}", form="yes_no"
            )
        if column is None:
            raise _Unsure(ask.phrase)
        name = _quoted(column.name)
        value = f"len({name})" if column.type == "list" and ask.operation != "value" else name
        if ask.operation == "value":
            return WrittenSql(
                sql=f"SELECT {name} FROM {table} WHERE {self._named(ask.names[0])}", form=_form(column), unit=column.unit
            )
        if ask.operation == "change":
            before = self._before(column, ask)
            change = f"round({name} - {_quoted(before.name)}, 9)"
            return WrittenSql(
                sql=f"SELECT {change} FROM {table} WHERE {self._named(ask.names[0])}", form=_form(column), unit=column.unit
            )
        if ask.operation in ("higher", "lower"):
            if column.type not in ("number", "date", "list"):
                raise _Unsure(ask.phrase)
            order = "DESC" if ask.operation == "higher" else "ASC"
            either = " OR ".join(f"({self._named(one)})" for one in ask.names)
            where = f"({either}) AND {name} IS NOT NULL"
            return WrittenSql(
                sql=f"SELECT {_quoted(NAME)} FROM {table} WHERE {where} QUALIFY rank() OVER (ORDER BY {value} {order}) = 1",
                form="names",
            )
        if column.type not in ("number", "list"):
            raise _Unsure(ask.phrase)
        if ask.operation in ("sum", "average", "median"):
            function = _FUNCTIONS[ask.operation]
            either = " OR ".join(f"({self._named(one)})" for one in ask.names)
            return WrittenSql(
                sql=f"SELECT {function}({value}) FROM {table} WHERE {either}", form=_form(column), unit=column.unit
            )
        first, second = (f"(SELECT max({value}) FROM {table} WHERE {self._named(one)})" for one in ask.names[:2])
        if ask.operation == "difference" and ask.groups:  # “how much deeper is A than B” is less than nothing where B is
            less, more = (first, second) if ask.groups == "below" else (second, first)
            return WrittenSql(sql=f"SELECT round({more} - {less}, 6)", form=_form(column), unit=column.unit)
        if ask.operation == "difference":
            return WrittenSql(sql=f"SELECT round(abs({first} - {second}), 6)", form=_form(column), unit=column.unit)
        if ask.operation == "any" and ask.groups in ("above", "below"):
            return WrittenSql(sql=f"SELECT {first} {_SIGNS[ask.groups]} {second}", form="yes_no")
        raise _Unsure(ask.operation)

    def _before(self, column: Column, ask: Ask) -> Column:
        """The column of the earlier figure, in the same unit as the later one's."""
        before = self.column(ask.against)
        if before.name == column.name or not before.type == column.type == "number" or before.unit != column.unit:
            raise _Unsure(ask.against)
        return before

    def _named(self, name: str) -> str:
        """The row of that name: exactly, else the name as whole words of a longer one."""
        wanted = re.sub(r"^the\s+", "", name.lower().strip())
        column = _quoted(NAME)
        exact = f"lower(trim({column})) IN ({_string(wanted)}, {_string('the ' + wanted)})"
        inside = self._within(Column(name=NAME, type="text", description=""), wanted)
        return f"({exact} OR ({inside} AND NOT EXISTS (SELECT 1 FROM {_quoted(self.table.name)} WHERE {exact})))"


def _form(column: Column) -> ResultForm:
    if column.type == "number":
        return "percent" if column.unit == "%" else "number"
    return _FORMS.get(column.type, "text")


def _where(conditions: Sequence[str]) -> str:
    kept = list(dict.fromkeys(condition for condition in conditions if condition))
    return f" WHERE {' AND '.join(kept)}" if kept else ""


def _quoted(name: str) -> str:
    return '"' + name.replace('"', '""') + '"'


def _string(text: str) -> str:
    return "'" + text.replace("'", "''") + "'"


def _literal(value: CellValue) -> str:
    if isinstance(value, bool):
        return "TRUE" if value else "FALSE"
    if isinstance(value, (int, float)):
        return repr(int(value)) if float(value).is_integer() and abs(value) < 1e15 else repr(float(value))
    if isinstance(value, str) and re.fullmatch(r"\d{4}-\d\d-\d\d", value):
        return f"DATE {_string(value)}"
    return _string(str(value))
