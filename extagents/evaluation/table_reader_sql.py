"""SQL as the simulated reader writes it: from what was asked, over the columns that the database has."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import pairwise

from extagents.evaluation import corpus_tables_check as check
from extagents.evaluation.corpus_tables import TableQuestion, World
from extagents.evaluation.corpus_tables_questions import Condition, Spec
from extagents.evaluation.corpus_tables_values import unit_of
from extagents.evaluation.corpus_tables_worlds import YEARS, Slot
from extagents.tabular import Column, ResultForm, TableProfile, TableSchema, WrittenSql
from extagents.types import SqlInput

_TYPES = {"number": "DOUBLE", "date": "DATE", "boolean": "BOOLEAN", "text": "VARCHAR", "list": "VARCHAR[]"}
_FORMS: dict[str, ResultForm] = {
    "number": "number", "percent": "percent", "list": "names", "ordered_list": "names", "yes_no": "yes_no", "str": "names",
}  # fmt: skip


def column_of(slot: Slot, schema: TableSchema, language: str) -> Column | None:
    """The schema's column that means the slot: of its name, else one whose description holds its label and its year."""
    known = schema.column(slot.name)
    if known is not None:
        return known
    for column in schema.columns:
        words = f"{column.name.replace('_', ' ')} {column.description}".casefold()
        years = re.findall(r"\b(?:19|20)\d\d\b", words)
        if years != ([] if slot.year is None else [str(slot.year)]) and set(years) != {str(slot.year)}:
            continue
        if any(label.casefold() in words for label in slot.attribute.labels[language]):
            return column
    return None


def quoted(text: str) -> str:
    return "'" + text.replace("'", "''") + "'"


@dataclass(frozen=True)
class Writer:
    """Writes one statement."""

    world: World
    inputs: SqlInput

    def unknown(self) -> WrittenSql:
        return WrittenSql(sql="", form="text", missing=[self.inputs.question])

    @cached_property
    def _table(self) -> TableProfile | None:
        """The table that holds most of the world's columns."""
        language = self.world.language

        def held(table: TableProfile) -> int:
            return sum(column_of(slot, table.schema_, language) is not None for slot in self.world.slots)

        return max(self.inputs.tables, key=held, default=None)

    def statement(self, question: TableQuestion, *, broken: bool = False, wrong: bool = False) -> WrittenSql:
        """The statement; `broken`: it names a column that is not there, `wrong`: it computes something else."""
        spec, table = question.spec, self._table
        assert spec is not None
        form = "text" if question.form in ("group", "before") else _FORMS[question.answer_type]
        names = {profile.name for profile in table.columns} if table else set()
        missing = []
        for slot in spec.slots:
            column = column_of(slot, table.schema_, question.language) if table else None
            if column is None or column.name not in names:
                missing.append(slot.label(question.language))
        if missing or table is None:
            return WrittenSql(sql="", form=form, missing=missing)
        turned = wrong and not spec.conditions
        if wrong and spec.conditions:
            spec = Spec(spec.operation, spec.slot, spec.other, spec.conditions[:-1], spec.names, spec.person, spec.k)
            if spec.operation == "percent" and not spec.conditions:
                return self.unknown()
        sql = self._select(spec, table)
        if turned:
            sql = sql.replace(" DESC", " ASC", 1)
        if broken and spec.slots:
            name = self._name(spec.slots[0])
            sql = sql.replace(name, f'{name[:-1]}_value"', 1)
        unit = question.unit if question.answer_type == "number" else ""
        return WrittenSql(sql=sql, form=form, unit=unit)

    # -------------------------------------------------------------- parts

    def _column(self, slot: Slot) -> Column:
        assert self._table is not None
        column = column_of(slot, self._table.schema_, self.world.language)
        assert column is not None
        return column

    def _name(self, slot: Slot) -> str:
        return f'"{self._column(slot).name}"'

    def _value(self, slot: Slot) -> str:
        """The column as a value of its type, cast where the database keeps it as text."""
        assert self._table is not None
        name = self._column(slot).name
        kept = next(profile.sql_type for profile in self._table.columns if profile.name == name)
        wanted = _TYPES[slot.attribute.type]
        return f'"{name}"' if kept == wanted or wanted == "VARCHAR" else f'TRY_CAST("{name}" AS {wanted})'

    def _factor(self, slot: Slot, unit: str) -> float:
        """What one unit of the column is worth in `unit`; 1 where they cannot be compared."""
        column, (wanted, wanted_base) = self._column(slot), check.scale_of(unit.casefold())
        kept, kept_base = check.scale_of(column.unit.casefold())
        return float(kept / wanted) if kept_base == wanted_base else 1.0

    def _condition(self, condition: Condition) -> str:
        slot, value = condition.slot, condition.value
        left = self._value(slot)
        if condition.operator == "true":
            return left
        if condition.operator == "has":
            return f"list_contains({left}, {quoted(str(value))})"
        if condition.operator == "is":
            return f"{left} = {quoted(str(value))}"
        sign = ">" if condition.operator in ("above", "after") else "<"
        if isinstance(value, (int, float)):
            return f"{left} {sign} {value / self._factor(slot, slot.unit):.12g}"
        return f"{left} {sign} DATE {quoted(str(value))}"

    def _called(self, name: str) -> str:
        """A condition on the name, by the part that all its forms share."""
        entity = next(entity for entity in self.world.entities if entity.name == name)
        return f"(name = {quoted(name)} OR name ILIKE {quoted(f'%{entity.word}%')})"

    def _select(self, spec: Spec, table: TableProfile) -> str:
        """The statement in one piece; an odd opinion keeps the rows first and then computes."""
        conditions = [self._condition(condition) for condition in spec.conditions]
        source = f'"{table.name}"'
        head = ""
        if self.inputs.opinion % 2 and conditions and spec.operation != "percent":
            head = f"WITH kept AS (SELECT * FROM {source} WHERE {' AND '.join(conditions)}) "
            source, conditions = "kept", []
        return head + self._body(spec, source, conditions)

    def _body(self, spec: Spec, source: str, conditions: Sequence[str]) -> str:
        def where(*more: str) -> str:
            told = [*conditions, *more]
            return f" WHERE {' AND '.join(told)}" if told else ""

        operation = spec.operation
        if operation == "count":
            return f"SELECT count(*) FROM {source}{where()}"
        if operation == "list":
            return f"SELECT name FROM {source}{where()} ORDER BY name"
        if operation == "yes_no":
            return f"SELECT count(*) > 0 FROM {source}{where()}"
        if operation == "percent":
            last = self._condition(spec.conditions[-1])
            told = [*conditions[:-1], f"{self._value(spec.conditions[-1].slot)} IS NOT NULL"]
            return f"SELECT round(100.0 * avg(CASE WHEN {last} THEN 1 ELSE 0 END), 1) FROM {source} WHERE {' AND '.join(told)}"
        assert spec.slot is not None
        value = self._value(spec.slot)
        filled = f"{value} IS NOT NULL"
        factor = self._factor(spec.slot, unit_of(spec.slot.attribute, self.world.language)[0])
        times = "" if factor == 1 else f" * {factor:.12g}"
        if operation in ("argmax", "argmin", "top"):
            order, limit = "ASC" if operation == "argmin" else "DESC", spec.k if operation == "top" else 1
            return f"SELECT name FROM {source}{where(filled)} ORDER BY {value} {order} LIMIT {limit}"
        if operation == "sum":
            return f"SELECT sum({value}){times} FROM {source}{where(filled)}"
        if operation == "average":
            return f"SELECT round(avg({value}){times}, 1) FROM {source}{where(filled)}"
        if operation == "group":
            return f"SELECT {value} FROM {source}{where(filled)} GROUP BY {value} ORDER BY count(*) DESC, {value} LIMIT 1"
        return self._by_name(spec, source, where, value, times)

    def _by_name(self, spec: Spec, source: str, where: Callable[..., str], value: str, times: str) -> str:
        assert spec.slot is not None
        named = [self._called(name) for name in spec.names]
        if spec.operation == "compare":
            both = f"({' OR '.join(named)})"
            return f"SELECT name FROM {source}{where(both, f'{value} IS NOT NULL')} ORDER BY {value} DESC LIMIT 1"
        if spec.operation == "difference":
            one, two = (f"max(CASE WHEN {condition} THEN {value} END)" for condition in named)
            return f"SELECT abs({one} - {two}){times} FROM {source}"
        if spec.operation == "before":
            held = [self._name(Slot(spec.slot.attribute, year)) for year in YEARS]
            person = quoted(spec.person)
            cases = " ".join(f"WHEN {now} = {person} THEN {then}" for then, now in pairwise(held))
            return f"SELECT CASE {cases} END FROM {source}{where(named[0])} LIMIT 1"
        assert spec.other is not None
        then = self._value(spec.other)
        if spec.operation == "change":
            return f"SELECT ({value} - {then}){times} FROM {source}{where(named[0])} LIMIT 1"
        if spec.operation == "changed":
            return f"SELECT name FROM {source}{where(f'{value} <> {then}')} ORDER BY name"
        filled = (f"{value} IS NOT NULL", f"{then} IS NOT NULL")
        return f"SELECT name FROM {source}{where(*filled)} ORDER BY {value} - {then} DESC LIMIT 1"
