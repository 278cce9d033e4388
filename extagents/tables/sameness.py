"""Whether two results say the same, whatever the order, the spelling and the noise."""

from __future__ import annotations

import itertools
import math
from collections import Counter
from collections.abc import Sequence

from extagents.tabular import CellValue, QueryResult


def same_result(one: QueryResult, other: QueryResult, *, ordered: bool = False) -> bool:
    """Whether two statements brought the same: numbers by value, the order of rows only where `ordered`.

    One may have columns more than the other, in any order (the name alone, or the name with the value it was ranked by).
    """
    first, second = (_clean(result) for result in sorted((one, other), key=lambda result: len(result.columns)))
    if len(first) != len(second):
        return False
    if not first:
        return True
    narrow, wide = len(first[0]), len(second[0])
    if narrow == wide == len(first) == len(second) == 1 and _share_and_percent(first[0][0], second[0][0]):
        return True
    # Which columns of the wider one can stand for each of the narrower: mostly one alone.
    fitting = [
        [other for other in range(wide) if _same_rows(_only(first, [place]), _only(second, [other]), ordered=ordered)]
        for place in range(narrow)
    ]
    chosen = (places for places in itertools.product(*fitting) if len(set(places)) == narrow)
    return any(_same_rows(first, _only(second, places), ordered=ordered) for places in itertools.islice(chosen, 100))


def _only(rows: Sequence[tuple[object, ...]], places: Sequence[int]) -> list[tuple[object, ...]]:
    return [tuple(row[place] for place in places) for row in rows]


def _clean(result: QueryResult) -> list[tuple[object, ...]]:
    """The rows in which something is known, in one spelling."""
    return [tuple(_alike(value) for value in row) for row in result.rows if any(value is not None for value in row)]


def _alike(value: CellValue | None) -> object:
    match value:
        case bool() | int() | float():
            return float(value)
        case str():
            return " ".join(value.split()).casefold()
        case tuple():
            return tuple(sorted(" ".join(item.split()).casefold() for item in value))
        case _:
            return None


def _same_rows(one: Sequence[tuple[object, ...]], other: Sequence[tuple[object, ...]], *, ordered: bool) -> bool:
    if not ordered:
        if Counter(map(_coarse, one)) == Counter(map(_coarse, other)):
            return True
        one, other = (sorted(rows, key=_sorting) for rows in (one, other))
    return all(all(_equal(left, right) for left, right in zip(*pair, strict=True)) for pair in zip(one, other, strict=True))


def _coarse(row: Sequence[object]) -> tuple[object, ...]:
    return tuple(float(f"{value:.6g}") if isinstance(value, float) else value for value in row)


def _sorting(row: Sequence[object]) -> tuple[str, ...]:
    # Text first: numbers that differ by noise must not change the order.
    return (
        *(str(value) for value in row if not isinstance(value, float)),
        *(f"{value:030.6f}" for value in row if isinstance(value, float)),
    )


def _equal(one: object, other: object) -> bool:
    if isinstance(one, float) and isinstance(other, float):
        return math.isclose(one, other, rel_tol=1e-5, abs_tol=1e-9)
    return one == other


def _share_and_percent(one: object, other: object) -> bool:
    """0.444 and 44.4: one statement told a share, the other per cent."""
    if not isinstance(one, float) or not isinstance(other, float):
        return False
    low, high = sorted((one, other), key=abs)
    return abs(low) <= 1 and not low.is_integer() and math.isclose(low * 100, high, rel_tol=1e-3)
