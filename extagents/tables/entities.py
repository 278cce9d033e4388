"""Which names mean the same thing: exactly, but for their spelling, by an abbreviation, almost; the rest is a model's to judge.

Names are merged from the surest sign to the least sure one. Names that a number, a direction or a word like Bank sets
apart are never merged, and no chain of likenesses joins two names that are unlike: a group that would is not formed.
Looks up words and letters in indexes, so that the time grows with the number of names, not with that of pairs.
"""

from __future__ import annotations

import re
from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field

from extagents.tables.kinds import kind_of
from extagents.tables.likeness import MOST_IN_BLOCK, apart, doubtful, slips
from extagents.tables.names import Name, normalised, shortens, taken_apart

__all__ = ["Resolution", "normalised", "resolve"]

MOST_DOUBTFUL = 60
MOST_SPELLINGS = 100  # kinds of one key that are compared with each other; no name has more
_ARTICLE = re.compile(r"^(?:the|an?)\s+", re.IGNORECASE)
OFTEN = 3  # times that a name is written; a slip of the pen is rarer


@dataclass(frozen=True)
class Resolution:
    """Names by what they mean. Each group is of distinct names, first the one to show; a name stands in one group.

    `doubtful` are pairs of shown names that may mean the same, each pair sorted, the likeliest first.
    """

    groups: tuple[tuple[str, ...], ...]
    doubtful: tuple[tuple[str, str], ...] = ()


@dataclass
class _Kind:
    """Names that nothing but their spelling tells apart."""

    place: int
    name: Name
    names: list[str] = field(default_factory=list)
    times: int = 0


def resolve(names: Sequence[str], *, same: Mapping[tuple[str, str], bool] = {}) -> Resolution:
    """Groups the names that mean the same. A name that is given several times counts as often when one is chosen to show.

    `same` holds verdicts on pairs of names, in either order; they come before every rule. Groups are in the order of their
    first names; which names they hold does not depend on the order.
    """
    times = Counter(names)
    said = {tuple(sorted(pair)): verdict for pair, verdict in same.items() if all(name in times for name in pair)}
    world = _World(times, {(pair[0], pair[1]): verdict for pair, verdict in said.items()})
    world.join_sure()
    world.join_misspelt()
    first = {name: place for place, name in reversed(list(enumerate(names)))}
    groups = []
    for kinds in world.groups():
        members = [name for kind in kinds for name in kind.names]
        groups.append(tuple(sorted(members, key=lambda name: (-times[name], *_bare(name), first[name]))))
    groups.sort(key=lambda group: min(first[name] for name in group))
    shown = {name: group[0] for group in groups for name in group}
    return Resolution(groups=tuple(groups), doubtful=tuple(_settled(world.doubtful(), shown, world.said)))


def _bare(name: str) -> tuple[int, int]:
    """Longer names first, a leading article not counted."""
    bare = _ARTICLE.sub("", name)
    return -len(bare), len(name)


def _settled(
    pairs: Iterable[tuple[float, str, str]], shown: Mapping[str, str], said: Mapping[tuple[str, str], bool]
) -> list[tuple[str, str]]:
    """The pairs between groups, under the names to show, best first; those that a verdict exists on are left out."""
    judged = {tuple(sorted((shown[one], shown[other]))) for one, other in said}
    best: dict[tuple[str, str], float] = {}
    for score, one, other in pairs:
        low, high = sorted((shown[one], shown[other]))
        if low != high and (low, high) not in judged:
            best[low, high] = max(score, best.get((low, high), 0.0))
    return sorted(best, key=lambda pair: (-best[pair], pair))[:MOST_DOUBTFUL]


def _unlike(one: Name, other: Name) -> bool:
    """Whether names with the same key are still doubtful: firms of different laws, other abbreviations, a group and a firm.

    “A Man” and “The Man” are two films.
    """
    if one.article and other.article and ("the" in (one.article, other.article)) and one.article != other.article:
        return True
    if one.forms and other.forms and not one.forms & other.forms:
        return True
    if one.brackets and other.brackets and not one.brackets & other.brackets:
        return True
    return one.group != other.group and one.company and other.company


# ------------------------------------------------------------------ groups


class _World:
    """All names, what is known of pairs of them, and the groups as far as they are formed."""

    def __init__(self, times: Mapping[str, int], said: Mapping[tuple[str, str], bool]) -> None:
        self.said = said
        denied = {name for pair, verdict in said.items() if not verdict for name in pair}
        kinds: dict[tuple[object, ...], _Kind] = {}
        for name in sorted(times):
            apart_ = taken_apart(name)
            trait = (apart_.forms, apart_.brackets, apart_.others, apart_.group, apart_.company, apart_.article)
            kind = kinds.setdefault((apart_.key, *trait, name if name in denied else ""), _Kind(len(kinds), apart_))
            kind.names.append(name)
            kind.times += times[name]
        self.kinds = list(kinds.values())
        self.of_name = {name: kind.place for kind in self.kinds for name in kind.names}
        self.by_key: dict[str, list[int]] = defaultdict(list)
        for kind in self.kinds:
            self.by_key[kind.name.key].append(kind.place)
        self._group = list(range(len(self.kinds)))
        self._members: dict[int, list[int]] = {place: [place] for place in self._group}
        self._denied = {self._places(pair) for pair, verdict in said.items() if not verdict}
        self._affirmed = {self._places(pair) for pair, verdict in said.items() if verdict}
        self._loose: list[tuple[float, int, int]] = []

    def _places(self, pair: tuple[str, str]) -> tuple[int, int]:
        one, other = sorted((self.of_name[pair[0]], self.of_name[pair[1]]))
        return one, other

    def groups(self) -> Iterator[list[_Kind]]:
        for members in self._members.values():
            yield [self.kinds[place] for place in members]

    def _may(self, one: int, other: int, *, by_key: bool = False) -> bool:
        """Whether nothing speaks against two kinds being one."""
        pair = (min(one, other), max(one, other))
        if pair in self._denied:
            return False
        if pair in self._affirmed:
            return True
        first, second = self.kinds[one].name, self.kinds[other].name
        return not (first.key == second.key and _unlike(first, second)) and (not by_key or not apart(first, second))

    def _join(self, one: int, other: int, *, alike: bool = False) -> bool:
        """Makes one group of those of two kinds, unless two of their members are apart. `alike`: by their letters."""
        here, there = self._group[one], self._group[other]
        if here == there:
            return True
        if len(self._members[here]) + len(self._members[there]) > 2 * MOST_SPELLINGS:
            return False
        for left in self._members[here]:
            for right in self._members[there]:
                if not self._may(left, right, by_key=alike or (left, right) != (one, other)):
                    return False
        keep, gone = min(here, there), max(here, there)
        for place in self._members[gone]:
            self._group[place] = keep
        self._members[keep] += self._members.pop(gone)
        return True

    # -------------------------------------------------------------- sure signs

    def join_sure(self) -> None:
        """Verdicts, the same key, the same letters, a name that another tells in brackets."""
        for one, other in sorted(self._affirmed):
            self._join(one, other)
        for places in self.by_key.values():
            self._join_same(places)
        letters: dict[str, list[int]] = defaultdict(list)
        for kind in self.kinds:
            letters[kind.name.letters].append(kind.place)
        for places in letters.values():
            self._join_all(places)
        told: dict[str, list[int]] = defaultdict(list)
        for kind in self.kinds:
            for key in sorted(kind.name.others):
                told[key].append(kind.place)
        for key in sorted(told):
            self._join_told(key, told[key], self.by_key.get(key, []))
        self._join_kinds()

    def _join_same(self, places: Sequence[int]) -> None:
        """Kinds of one key: those that agree, then the bare name with the most frequent of the others."""
        ranked = sorted(places, key=lambda place: (-self.kinds[place].times, place))
        full = [place for place in ranked if self._marks(place)]
        for at, one in enumerate(full[:MOST_SPELLINGS]):
            for other in full[at + 1 : MOST_SPELLINGS]:
                self._join(one, other)
        for other in full[MOST_SPELLINGS:]:
            self._join(full[0], other)
        groups = {self._group[place] for place in full}
        often = Counter(
            {group: sum(self.kinds[place].times for place in full if self._group[place] == group) for group in groups}
        )
        ranks = often.most_common(2)
        clear = len(ranks) == 1 or (len(ranks) == 2 and ranks[0][1] > ranks[1][1])
        bare = [place for place in ranked if not self._marks(place)]
        for place in bare:
            self._join(bare[0], place)
        if bare and full and clear:
            best = next(place for place in full if self._group[place] == ranks[0][0])
            self._join(bare[0], best)
        self._doubt(places, 0.97)

    def _marks(self, place: int) -> bool:
        name = self.kinds[place].name
        return bool(name.forms or name.brackets or name.group or name.article in ("a", "an"))

    def _join_all(self, places: Sequence[int]) -> None:
        for other in places[1:]:
            self._join(places[0], other, alike=True)

    def _join_told(self, key: str, tellers: Sequence[int], places: Sequence[int]) -> None:
        """Kinds that tell a further name, and those that bear it; an abbreviation that several things have is nobody's."""
        if len({self._group[place] for place in tellers}) > 1:
            short = [place for place in tellers if shortens(key.upper(), self.kinds[place].name.key)]
            self._doubt([*short, *places], 0.9)
            return
        for place in places:
            if not self._join(tellers[0], place):
                self._doubt([tellers[0], place], 0.9)

    def _doubt(self, places: Sequence[int], score: float) -> None:
        for at, one in enumerate(places[:MOST_IN_BLOCK]):
            self._loose += [(score, one, other) for other in places[at + 1 : MOST_IN_BLOCK]]

    def _join_kinds(self) -> None:
        """Names that differ in words for their kind, where all that have the rest of the name are of one kind."""
        rests: dict[str, dict[str, list[int]]] = defaultdict(lambda: defaultdict(list))
        for key, places in self.by_key.items():
            if (told := kind_of(key)) is not None:
                rests[told[0]][told[1]] += places
        for rest in sorted(rests):
            kinds = rests[rest]
            bare = self.by_key.get(rest, [])
            for places in kinds.values():
                for other in places[1:]:
                    self._join(places[0], other)
                for other in bare if len(kinds) == 1 else ():
                    self._join(places[0], other)
            if len(kinds) > 1:
                self._doubt([*bare, *(place for places in kinds.values() for place in places)], 0.9)

    # -------------------------------------------------------------- slips

    def join_misspelt(self) -> None:
        """Names that are one slip apart, if all of a group are, or if all are slips of one that is written far more often."""
        formed = list(self._group)
        times = {group: sum(self.kinds[place].times for place in members) for group, members in self._members.items()}
        linked: set[tuple[int, int]] = set()
        edges = []
        for one, other in slips([kind.name for kind in self.kinds]):
            here, there = formed[one], formed[other]
            linked |= {(here, there), (there, here)}
            self._loose.append((0.96, one, other))
            if min(times[here], times[there]) < OFTEN:
                edges.append((-times[here] - times[there], one, other))
        parts = {group: {group} for group in times}
        for _, one, other in sorted(edges):
            here, there = self._group[one], self._group[other]
            if here == there:
                continue
            most, *fewer = sorted(parts[here] | parts[there], key=lambda group: (-times[group], group))
            hub = all((most, part) in linked and times[part] * OFTEN <= times[most] for part in fewer)
            every = all((left, right) in linked for left in parts[here] for right in parts[there])
            if (hub or every) and self._join(one, other, alike=True):
                parts[self._group[one]] = parts[here] | parts[there]

    # -------------------------------------------------------------- doubt

    def doubtful(self) -> Iterator[tuple[float, str, str]]:
        """Pairs of names of different groups that look alike, with how likely they seem to be the same, 0 to 1."""
        for score, one, other in (*self._loose, *doubtful([kind.name for kind in self.kinds])):
            if self._group[one] != self._group[other]:
                yield score, self.kinds[one].names[0], self.kinds[other].names[0]
