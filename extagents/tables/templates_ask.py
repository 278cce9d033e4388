"""What a question asks of a table, taken apart: the operation, the column's words, the conditions.

Columns are told by the question's own words (`phrase`); which column they mean is for others to find.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

Operation = Literal[
    "count",
    "list",
    "most",
    "least",
    "sum",
    "average",
    "median",
    "percent",
    "higher",
    "lower",
    "difference",
    "value",
    "any",
    "change",
]
Relation = Literal[
    "above",
    "at_least",
    "below",
    "at_most",
    "between",
    "equal",
    "unequal",
    "contains",
    "lacks",
    "told",
    "untold",
    "is",
    "like",
    "unlike",
    "differs",
    "same",
]


@dataclass(frozen=True, slots=True)
class Condition:
    """A condition on rows. `phrase` holds the words that tell the column; `is` asks for a yes, or for a value of whatever
    column has it; `like` for a value in words, `equal` for exactly this one,
    `same` for that of the row named.
    """

    phrase: str
    relation: Relation
    values: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Ask:
    """A question taken apart. `entity` is what a row is, then after a bar what else was said of it and not understood.

    `scope` says which rows are spoken of, `tested` what is counted or shared among them.

    `groups` are the words of a column by whose values rows are grouped; `digits` how many decimal places
    are asked for; `against` the words of the column that is taken off `phrase`'s.

    `shown` are the words of columns whose values are wanted beside the names, `per` those of the column for each of whose
    values a figure is wanted. A `most` of 0 ranks all. `otherwise` is what the question asks where `phrase` is no column, but
    what a row is (“Which country has the most libraries?”).
    """

    operation: Operation
    entity: str = ""
    phrase: str = ""
    scope: tuple[Condition, ...] = ()
    tested: tuple[Condition, ...] = ()
    names: tuple[str, ...] = ()
    most: int = 1
    digits: int | None = None
    unit: str = ""
    groups: str = ""
    against: str = ""
    shown: tuple[str, ...] = ()
    per: str = ""
    otherwise: Ask | None = None

    @property
    def phrases(self) -> tuple[str, ...]:
        """The words of every column that is needed."""
        conditions = (*self.scope, *self.tested)
        others = [value for condition in conditions if condition.relation == "differs" for value in condition.values]
        groups = "" if self.groups in ("above", "below") else self.groups
        found = [
            self.phrase,
            self.against,
            groups,
            self.per,
            *self.shown,
            *(condition.phrase for condition in conditions),
            *others,
        ]
        return tuple(dict.fromkeys(phrase for phrase in found if phrase))


NUMBERS = {
    word: number
    for number, word in enumerate(
        "zero one two three four five six seven eight nine ten eleven twelve thirteen fourteen fifteen".split()
    )
}


def number(word: str) -> int:
    """A count in digits or as a word; 0 where it is neither."""
    return int(word) if word.isdigit() else NUMBERS.get(word.lower(), 0)
