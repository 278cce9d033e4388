"""Questions drawn over a gold table: clear ones of each operation and difficulty."""

from __future__ import annotations

import random
from dataclasses import dataclass
from typing import Any

from extagents.evaluation.corpus_tables_questions import (
    Condition,
    Difficulty,
    Operation,
    Rows,
    Spec,
    apart,
    clear,
    compute,
    threshold,
)
from extagents.evaluation.corpus_tables_worlds import YEARS, Kind, Slot, slots


@dataclass(frozen=True, slots=True)
class Drawer:
    """Draws specs over a table. `stale` is the table with superseded values in place of those that replaced them."""

    kind: Kind
    language: str
    rows: Rows
    stale: Rows
    rng: random.Random

    def spec(self, operation: Operation, difficulty: Difficulty, *, empty: bool = False) -> Spec | None:
        """A clear question of that kind (with `empty`, one that nothing fulfils), None if no draw brings one."""
        for _ in range(400):
            spec = self._draw(operation, difficulty)
            if spec is None or not clear(spec, self.rows, self.language):
                continue
            answer = compute(spec, self.rows)
            if operation in ("list", "changed") and len(answer) > 15:
                continue
            if operation in ("list", "count", "changed") and bool(answer) == empty:
                continue
            if difficulty == "versions" and not self._other(spec, answer):
                continue
            return spec
        return None

    def _other(self, spec: Spec, answer: Any) -> bool:
        """Whether superseded values would lead to another answer."""
        stale = compute(spec, self.stale)
        if isinstance(answer, float) and isinstance(stale, (int, float)):
            return apart(answer, stale)
        return bool(stale != answer)

    def _slots(self, *types: str, yearly: bool | None = None) -> list[Slot]:
        found = [slot for slot in slots(self.kind) if slot.attribute.type in types]
        return [slot for slot in found if yearly is None or (slot.year is not None) == yearly]

    def _classes(self) -> list[Slot]:
        return [slot for slot in self._slots("text") if slot.attribute.choices]

    def _values(self, slot: Slot) -> list[Any]:
        return [row[slot.name] for row in self.rows.values() if row.get(slot.name) is not None]

    def _number_condition(self, *, extreme: bool = False) -> Condition | None:
        slot = self.rng.choice(self._slots("number"))
        above = self.rng.random() < 0.5
        share = self.rng.uniform(0.7, 1) if extreme else self.rng.uniform(0.15, 0.85)
        value = threshold(self._values(slot), share if above else 1 - share)
        return None if value is None else Condition(slot, "above" if above else "below", value)

    def _date_condition(self) -> Condition | None:
        slot = self.rng.choice(self._slots("date"))
        value = threshold(self._values(slot), self.rng.uniform(0.25, 0.75))
        return None if value is None else Condition(slot, self.rng.choice(("after", "earlier")), value)

    def _class_condition(self) -> Condition | None:
        pick = self.rng.random()
        if pick < 0.55:
            slot = self.rng.choice(self._classes())
            return Condition(slot, "is", self.rng.choice(slot.attribute.choices[self.language]))
        if pick < 0.8:
            slot = self.rng.choice(self._slots("list"))
            return Condition(slot, "has", self.rng.choice(slot.attribute.choices[self.language]))
        return Condition(self.rng.choice(self._slots("boolean")), "true", True)

    def _conditions(self, operation: Operation, difficulty: Difficulty) -> tuple[Condition | None, ...]:
        """The conditions a difficulty means; an operation that ranks or adds up one column has one fewer."""
        if operation in ("compare", "difference", "change", "before"):
            return ()
        computed = operation in ("argmax", "argmin", "top", "sum", "average", "grown", "group", "changed")
        if difficulty == "one":
            return () if computed else (self._number_condition(extreme=operation == "list"),)
        if difficulty == "two":
            one = self._class_condition()
            return (one,) if computed and self.rng.random() < 0.5 else (one, self._number_condition())
        if difficulty == "class":
            return (self._date_condition() if self.rng.random() < 0.5 else self._class_condition(),)
        return () if computed else (self._number_condition(extreme=operation == "list"),)

    def _draw(self, operation: Operation, difficulty: Difficulty) -> Spec | None:
        conditions = self._conditions(operation, difficulty)
        known = tuple(condition for condition in conditions if condition is not None)
        if len(known) < len(conditions) or len({c.slot.attribute.name for c in known}) < len(known):
            return None
        names = tuple(self.rng.sample(sorted(self.rows), 2))
        match operation:
            case "count" | "list" | "yes_no" | "percent":
                return Spec(operation, conditions=known)
            case "argmax" | "argmin" | "top":
                return self._fresh(Spec(operation, self.rng.choice(self._slots("number")), conditions=known, k=3))
            case "sum":
                summed = [s for s in self._slots("number") if s.unit != "%"]
                return self._fresh(Spec(operation, self.rng.choice(summed), conditions=known))
            case "average":
                return self._fresh(Spec(operation, self.rng.choice(self._slots("number")), conditions=known))
            case "compare" | "difference":
                return Spec(operation, self.rng.choice(self._slots("number")), names=names)
            case "group":
                return self._fresh(Spec(operation, self.rng.choice(self._classes()), conditions=known))
            case "change" | "grown":
                now, then = self._years(self.rng.choice(self._slots("number", yearly=True)))
                found = Spec(operation, now, then, conditions=known, names=names[:1] if operation == "change" else ())
                return self._fresh(found)
            case "changed":
                now, then = self._years(self.rng.choice(self._slots("text", yearly=True)))
                return Spec(operation, now, then, conditions=known)
            case "before":
                slot = self.rng.choice(self._slots("text", yearly=True))
                told = [self.rows[names[0]].get(Slot(slot.attribute, year).name) for year in YEARS]
                if any(value is None for value in told) or len(set(told)) < 2:
                    return None
                last = Slot(slot.attribute, YEARS[-1])
                return Spec(operation, last, names=names[:1], person=str(next(p for p in told[1:] if p != told[0])))

    def _years(self, slot: Slot) -> tuple[Slot, Slot]:
        first = self.rng.randrange(len(YEARS) - 1)
        last = self.rng.randrange(first + 1, len(YEARS))
        return Slot(slot.attribute, YEARS[last]), Slot(slot.attribute, YEARS[first])

    def _fresh(self, spec: Spec) -> Spec | None:
        """The spec, unless a condition is on what it computes."""
        assert spec.slot is not None
        return None if any(c.slot.attribute.name == spec.slot.attribute.name for c in spec.conditions) else spec
