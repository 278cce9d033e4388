"""Questions over a gold table, by operation and difficulty, none of them ambiguous.

Where a winner, a cut or a threshold decides, the values on both sides of it lie at least one percent apart, and no value that
is to be rounded lies near the border. A question of difficulty `versions` has another answer where superseded values are taken.
"""

from __future__ import annotations

import datetime
import itertools
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any, Literal

from extagents.evaluation.corpus_tables_values import amount, unit_of
from extagents.evaluation.corpus_tables_worlds import YEARS, Slot
from extagents.tabular import CellValue

Operation = Literal[
    "count", "list", "argmax", "argmin", "top", "sum", "average", "percent", "compare", "difference", "group", "change",
    "grown", "before", "changed", "yes_no",
]  # fmt: skip
Difficulty = Literal["one", "two", "class", "versions"]
Operator = Literal["above", "below", "is", "has", "after", "earlier", "true"]
Rows = Mapping[str, Mapping[str, CellValue | None]]
"""Values by entity and column; None or nothing where a document says nothing."""

OPERATIONS: tuple[Operation, ...] = (
    "count", "list", "argmax", "argmin", "top", "sum", "average", "percent", "compare", "difference", "group", "change",
    "grown", "before", "changed", "yes_no",
)  # fmt: skip
DIFFICULTIES: tuple[Difficulty, ...] = ("one", "two", "class", "versions")
MARGIN = 0.01
ANSWER_TYPES: dict[Operation, str] = {
    "count": "number", "list": "list", "argmax": "str", "argmin": "str", "top": "ordered_list", "sum": "number",
    "average": "number", "percent": "percent", "compare": "str", "difference": "number", "group": "str", "change": "number",
    "grown": "str", "before": "str", "changed": "list", "yes_no": "yes_no",
}  # fmt: skip


@dataclass(frozen=True, slots=True)
class Condition:
    """What a row must fulfil: its value is above, below, equal to (is), holds (has), lies after or before (earlier)."""

    slot: Slot
    operator: Operator
    value: CellValue


@dataclass(frozen=True, slots=True)
class Spec:
    """What is asked: the operation, the column it works on (`other`: the earlier year's), conditions, names, and how many."""

    operation: Operation
    slot: Slot | None = None
    other: Slot | None = None
    conditions: tuple[Condition, ...] = ()
    names: tuple[str, ...] = ()
    person: str = ""
    k: int = 3

    @property
    def slots(self) -> tuple[Slot, ...]:
        """Every column that the answer needs."""
        years = [Slot(self.slot.attribute, year) for year in YEARS] if self.operation == "before" and self.slot else []
        wanted = [*(c.slot for c in self.conditions), *(s for s in (self.slot, self.other) if s), *years]
        return tuple({slot.name: slot for slot in wanted}.values())


def holds(condition: Condition, value: CellValue | None) -> bool:
    """Whether a value fulfils the condition; an unknown one does not."""
    wanted: Any = condition.value
    given: Any = value
    if given is None:
        return False
    match condition.operator:
        case "above" | "after":
            return bool(given > wanted)
        case "below" | "earlier":
            return bool(given < wanted)
        case "has":
            return wanted in given
        case _:
            return bool(given == wanted)


def compute(spec: Spec, rows: Rows) -> Any:
    """The answer over these rows: number, name, names, yes or no (bool); None where they do not tell."""
    kept = {name: row for name, row in rows.items() if all(holds(c, row.get(c.slot.name)) for c in spec.conditions)}
    column = spec.slot.name if spec.slot else ""

    def of(name: str, slot: str = "") -> Any:
        return rows.get(name, {}).get(slot or column)

    valued: dict[str, Any] = {name: row[column] for name, row in kept.items() if column and row.get(column) is not None}
    ranked = sorted(valued, key=lambda name: (valued[name], name))
    match spec.operation:
        case "count":
            return len(kept)
        case "list":
            return sorted(kept)
        case "yes_no":
            return bool(kept)
        case "argmin":
            return ranked[0] if ranked else None
        case "argmax":
            return ranked[-1] if ranked else None
        case "top":
            return list(reversed(ranked[-spec.k :])) if ranked else None
        case "sum":
            return round(sum(valued.values()), 6) if valued else None
        case "average":
            return sum(valued.values()) / len(valued) if valued else None
        case "percent":
            return _percent(spec, rows)
        case "compare" | "difference":
            one, two = (of(name) for name in spec.names)
            if one is None or two is None:
                return None
            return round(abs(one - two), 6) if spec.operation == "difference" else spec.names[0 if one > two else 1]
        case "group":
            counts: dict[Any, int] = {}
            for value in valued.values():
                counts[value] = counts.get(value, 0) + 1
            return max(counts, key=lambda value: (counts[value], str(value))) if counts else None
        case "change" | "grown" | "changed":
            return _over_time(spec, kept, of)
        case "before":
            names = [of(spec.names[0], Slot(spec.slot.attribute, year).name) for year in YEARS] if spec.slot else []
            place = names.index(spec.person) if spec.person in names else 0
            return names[place - 1] if place else None


def _over_time(spec: Spec, kept: Rows, of: Callable[..., Any]) -> Any:
    assert spec.other is not None
    if spec.operation == "change":
        now, then = of(spec.names[0]), of(spec.names[0], spec.other.name)
        return None if now is None or then is None else round(now - then, 6)
    both = {
        name: (of(name), of(name, spec.other.name))
        for name in kept
        if of(name) is not None and of(name, spec.other.name) is not None
    }
    if spec.operation == "changed":
        return sorted(name for name, (now, then) in both.items() if now != then)
    return max(both, key=lambda name: (both[name][0] - both[name][1], name)) if both else None


def _percent(spec: Spec, rows: Rows) -> float | None:
    """Of the rows that fulfil all conditions but the last and tell the last one's value, the share that fulfils it."""
    *base, last = spec.conditions
    told = [
        row
        for row in rows.values()
        if all(holds(c, row.get(c.slot.name)) for c in base) and row.get(last.slot.name) is not None
    ]
    return 100 * sum(holds(last, row[last.slot.name]) for row in told) / len(told) if told else None


# ------------------------------------------------------------------ no question is ambiguous


def apart(one: Any, two: Any) -> bool:
    """Whether two values are told apart whatever is made of rounding."""
    return bool(abs(one - two) > MARGIN * max(abs(one), abs(two), 1e-9))


def clear(spec: Spec, rows: Rows, language: str) -> bool:
    """Whether the answer is the only one."""
    answer = compute(spec, rows)
    if answer is None:
        return False
    kept = [row for row in rows.values() if all(holds(c, row.get(c.slot.name)) for c in spec.conditions)]
    if spec.operation in ("argmax", "argmin", "top"):
        assert spec.slot is not None
        values: list[Any] = sorted(row[spec.slot.name] for row in kept if row.get(spec.slot.name) is not None)
        if spec.operation == "argmin":
            return len(values) > 2 and apart(values[0], values[1])
        count = spec.k if spec.operation == "top" else 1
        top = values[-count - 1 :]
        return len(values) > count + 1 and all(apart(one, two) for one, two in itertools.pairwise(top))
    if spec.operation in ("compare", "difference", "change"):
        return _clear_pair(spec, rows, answer)
    if spec.operation == "grown":
        assert spec.slot is not None
        assert spec.other is not None
        steps = sorted(_step(row[spec.slot.name], row[spec.other.name]) for row in kept if _both(row, spec))
        return len(steps) > 3 and apart(steps[-1], steps[-2])
    if spec.operation == "group":
        assert spec.slot is not None
        counts: dict[Any, int] = {}
        for row in kept:
            if row.get(spec.slot.name) is not None:
                counts[row[spec.slot.name]] = counts.get(row[spec.slot.name], 0) + 1
        best = sorted(counts.values())
        return len(best) > 1 and best[-1] > best[-2]
    if spec.operation in ("average", "percent"):
        shown = abs(answer) / (unit_of(spec.slot.attribute, language)[1] if spec.slot else 1.0)
        return bool(shown >= 1 and abs(shown * 10 % 1 - 0.5) > 0.05)
    if spec.operation == "sum":
        return len(kept) > 1
    return True


def _both(row: Mapping[str, CellValue | None], spec: Spec) -> bool:
    return all(slot is not None and row.get(slot.name) is not None for slot in (spec.slot, spec.other))


def _step(now: Any, then: Any) -> float:
    return float(now - then)


def _clear_pair(spec: Spec, rows: Rows, answer: Any) -> bool:
    if spec.operation == "compare":
        assert spec.slot is not None
        one, two = (rows[name][spec.slot.name] for name in spec.names)
        return apart(one, two)
    return bool(abs(answer) > 0)


def threshold(values: Iterable[Any], share: float) -> Any:
    """A round number (or a day) in the gap next to that share of the values; None where no gap is wide enough."""
    ordered = sorted(set(values))
    if len(ordered) < 4:
        return None
    place = min(len(ordered) - 2, max(0, int(share * (len(ordered) - 1))))
    low, high = ordered[place], ordered[place + 1]
    if isinstance(low, str):
        first, last = (datetime.date.fromisoformat(day).toordinal() for day in (low, high))
        return datetime.date.fromordinal((first + last) // 2).isoformat() if last - first >= 10 else None
    if not apart(low, high):
        return None
    middle, room = (low + high) / 2, 0.2 * (high - low)
    for digits in range(1, 6):
        rounded = float(f"{middle:.{digits}g}")
        if low + room < rounded < high - room:
            return int(rounded) if rounded == int(rounded) else rounded
    return None


def answers_of(spec: Spec, answer: Any, language: str) -> tuple[tuple[str, ...], Any, str, float]:
    """Accepted answers; the value in the unit that the question asks for; that unit; and the tolerance in it."""
    if isinstance(answer, bool):
        return (("yes" if answer else "no",) if language == "en" else ("是" if answer else "否",)), answer, "", 0.0
    if isinstance(answer, list):
        none = ("none",) if language == "en" else ("无",)
        return ("; ".join(answer),) if answer else none, answer, "", 0.0
    if isinstance(answer, str):
        return (answer,), answer, "", 0.0
    if spec.operation == "count":
        return (str(answer),), answer, "", 0.0
    if spec.operation == "percent":
        return (f"{answer:.1f}%",), round(answer, 1), "%", 0.051
    assert spec.slot is not None
    unit, factor = unit_of(spec.slot.attribute, language)
    if spec.operation == "average":
        shown = round(answer / factor, 1)
        return (amount(spec.slot.attribute, shown * factor, language),), shown, unit, 0.051
    shown = round(answer / factor, 6)
    shown = int(shown) if shown == int(shown) else shown
    return (amount(spec.slot.attribute, answer, language),), shown, unit, 1e-6 * max(1.0, abs(shown))
