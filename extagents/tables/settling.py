"""One cell that several places fill: which value is kept, which contradict it, and why, in words."""

from __future__ import annotations

import unicodedata
from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

from extagents.tables.values import same_value
from extagents.tabular import CellFound, CellValue, Column


@dataclass(frozen=True)
class Said:
    """A value and the place that says it. `document` is the rank of its document, `start` its place there."""

    value: CellValue
    cell: CellFound
    date: str
    document: int
    order: int
    start: int
    end: int

    @property
    def place(self) -> tuple[int, int, int, int, str]:
        return self.document, self.order, self.start, self.end, self.cell.raw


@dataclass
class Version:
    """One value of a cell and all places that say it, in their order."""

    said: list[Said]
    strength: tuple[str, int, int, int, int] = ("", 0, 0, 0, 0)
    deciding: Said = field(init=False)

    def __post_init__(self) -> None:
        self.weigh()

    def weigh(self) -> None:
        """The latest date counts first, then the later document, then how often it is said there, then the later place."""
        latest = max((one.date, one.document) for one in self.said)
        there = [one for one in self.said if (one.date, one.document) == latest]
        self.deciding = max(there, key=lambda one: one.place)
        self.strength = (*latest, places_of(there), self.deciding.order, self.deciding.start)


def places_of(said: Iterable[Said]) -> int:
    """In how many places it stands: quotes that overlap are one, as where a shard was read twice."""
    places = 0
    document, end = "", -1
    for one in sorted(said, key=lambda one: (one.cell.document, one.start, one.end)):
        if one.cell.document != document or one.start >= end:
            places += 1
            document, end = one.cell.document, one.end
        else:
            end = max(end, one.end)
    return places


def settled(said: Sequence[Said], column: Column) -> tuple[Version, list[Version]]:
    """The version that is kept, and those that contradict it, the strongest first."""
    ordered = sorted(said, key=lambda one: one.place)
    versions: list[Version] = []
    for one in _whole_lists(ordered) if column.type == "list" else ordered:
        for version in versions:
            first = version.said[0].value
            if _items(one.value) == _items(first) if column.type == "list" else same_value(one.value, first, column):
                version.said.append(one)
                break
        else:
            versions.append(Version([one]))
    for version in versions:
        version.weigh()
    versions.sort(key=lambda version: version.strength, reverse=True)
    kept = versions[0]
    if column.type != "list":
        return kept, versions[1:]
    while (longer := next((version for version in versions if _extends(version, kept)), None)) is not None:
        kept = longer
    held = _items(kept.said[0].value)
    return kept, [version for version in versions if version is not kept and not _items(version.said[0].value) <= held]


def _items(value: CellValue) -> frozenset[str]:
    """The items of a list, without case and width."""
    items = value if isinstance(value, tuple) else (str(value),)
    return frozenset(" ".join(unicodedata.normalize("NFKC", item).casefold().split()) for item in items)


def _extends(other: Version, kept: Version) -> bool:
    """Whether another list holds all of this one and more. One of an earlier date does not: something was taken off since."""
    if not _items(other.said[0].value) > _items(kept.said[0].value):
        return False
    return not (other.deciding.date and kept.deciding.date and other.deciding.date < kept.deciding.date)


def _whole_lists(ordered: Sequence[Said]) -> list[Said]:
    """Lists that one document tells in parts, as its shards do, put together; the source is the part that holds most."""
    parts: dict[tuple[int, str], list[Said]] = defaultdict(list)
    for one in ordered:
        parts[one.document, one.date].append(one)
    made: list[Said] = []
    for together in parts.values():
        items: dict[str, str] = {}
        for one in together:
            for item in one.value if isinstance(one.value, tuple) else (str(one.value),):
                items.setdefault(next(iter(_items(item))), item)
        whole = tuple(items.values())
        complete = [one for one in together if _items(one.value) == frozenset(items)]
        if complete:
            made += complete
        else:
            most = max(together, key=lambda one: (len(_items(one.value)), [-part for part in one.place[:4]]))
            made.append(Said(whole, most.cell, most.date, most.document, most.order, most.start, most.end))
    return sorted(made, key=lambda one: one.place)


def reason(kept: Version, dropped: Version) -> str:
    """Why one version was kept, in words."""
    one, other = kept.deciding, dropped.deciding
    if kept.strength < dropped.strength:
        return "the longer list"
    same_document = one.document == other.document
    if one.date != other.date:
        if not other.date:
            return f"the one with a date, {one.date}; the other has none"
        what = "the later date" if same_document else "the later document"
        return f"{what}, of {one.date}, not of {other.date}"
    if not same_document:
        return f"the later document{f', both of {one.date}' if one.date else ' in the order of the input, no dates being told'}"
    if kept.strength[2] > dropped.strength[2]:
        return f"said in {kept.strength[2]} places of the document, the other in {dropped.strength[2]}"
    return "the later place in the document"
