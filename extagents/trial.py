"""How many questions a reader can be asked at once without finding less: measured on the model and the questions at hand.

Some reads are made both ways, all questions of a group in one call and each alone. What counts is how many of the facts that
were found alone are found together, too, and for the right question. Fewer questions are tried until that is good enough.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

from extagents.types import Fact

SIZES = (8, 4, 2)  # questions in one read that are tried, the most first
GROUPS = 6  # groups that are read both ways at a time
MOST_GROUPS = 24  # of one size, before what was seen has to do
ENOUGH = 12  # facts found alone that settle it
FEWEST = 4  # facts found alone without which several questions at once are not trusted
GOOD = 0.9  # of the facts found alone, that have to be found together; and of those found together, for the right question
TELLING = 0.5  # relevance from which a fact counts


@dataclass
class Trial:
    """The trial so far. `size` is how many questions a read takes by what is known; it is `decided` once and for all."""

    size: int
    decided: bool = False
    alone: int = 0
    found: int = 0
    strayed: int = 0
    groups: int = 0
    _sizes: list[int] = field(default_factory=list)

    @classmethod
    def of(cls, wanted: int | str, most: int) -> Trial:
        """The trial for what was asked for, a number or "auto", where the window bears at most so many."""
        if isinstance(wanted, int):
            return cls(size=max(1, min(wanted, most)), decided=True)
        sizes = [size for size in SIZES if size <= most]
        return cls(size=sizes[0], _sizes=sizes[1:]) if sizes else cls(size=1, decided=True)

    def compare(self, alone: Sequence[Sequence[Fact]], together: Sequence[Sequence[Fact]]) -> None:
        """Takes the facts of one group in, question by question, as they were found in both ways."""
        self.groups += 1
        for number, (expected, given) in enumerate(zip(alone, together, strict=True)):
            told = [fact for fact in given if _tells(fact)]
            known = [fact for fact in expected if fact.verified]
            others = [fact for other, facts in enumerate(alone) if other != number for fact in facts if _tells(fact)]
            for fact in filter(_tells, expected):
                self.alone += 1
                self.found += any(_overlap(fact, other) for other in told)
            for fact in told:
                mine = any(_overlap(fact, other) for other in known)
                self.strayed += not mine and any(_overlap(fact, other) for other in others)

    def judge(self) -> None:
        """Decides, if enough was seen; a size that finds too little makes room for the next smaller one."""
        if self.decided or (self.alone < ENOUGH and self.groups < MOST_GROUPS):
            return
        good = self.alone >= FEWEST and self.found >= GOOD * self.alone and self.strayed <= (1 - GOOD) * self.alone
        if good:
            self.decided = True
        elif self._sizes and self.alone >= FEWEST:
            self.size, self._sizes = self._sizes[0], self._sizes[1:]
            self.alone = self.found = self.strayed = self.groups = 0
        else:
            self.size, self.decided = 1, True

    def no_more_than(self, most: int) -> bool:
        """Tries a smaller size where no more than so many questions want the same; whether there is one."""
        smaller = [size for size in self._sizes if size <= most]
        if not smaller:
            return False
        self.size, self._sizes = smaller[0], smaller[1:]
        self.alone = self.found = self.strayed = self.groups = 0
        return True

    def told(self) -> dict[str, int | bool]:
        """What the memory keeps of it."""
        counts = {"alone": self.alone, "found": self.found, "strayed": self.strayed, "groups": self.groups}
        return {"size": self.size, "decided": self.decided, **counts}

    def go_on(self, told: dict[str, int | bool]) -> None:
        """Takes over what an earlier part of the batch has seen."""
        if self.decided or told["size"] not in (1, self.size, *self._sizes):
            return
        self._sizes = [size for size in self._sizes if size < told["size"]]
        self.size, self.decided = int(told["size"]), bool(told["decided"])
        self.alone, self.found, self.strayed, self.groups = (
            int(told[name]) for name in ("alone", "found", "strayed", "groups")
        )


def _tells(fact: Fact) -> bool:
    return fact.verified and fact.relevance >= TELLING


def _overlap(one: Fact, other: Fact) -> bool:
    if one.document != other.document or one.start is None or other.start is None:
        return False
    assert one.end is not None
    assert other.end is not None
    return one.start < other.end and other.start < one.end
