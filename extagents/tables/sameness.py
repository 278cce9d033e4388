"""Whether two results say the same, whatever the order, the spelling and the noise."""

from __future__ import annotations

import itertools
import math
from collections import Counter
from collections.abc import Sequence

from extagents.tabular import CellValue, Column, QueryResult


def same_result(one: QueryResult, other: QueryResult, *, ordered: bool = False, units: tuple[str, str] = ("", "")) -> bool:
    """Whether two statements brought the same: numbers by value, the order of rows only where `ordered`.

    One may have columns more than the other, in any order (the name alone, or the name with the value it was ranked by), or
    be rounded. `units` are those that each statement says its numbers are in: a single number is compared across units.
    """
    first, second = (_clean(result) for result in sorted((one, other), key=lambda result: len(result.columns)))
    if len(first) != len(second):
        return False
    if not first:
        return True
    narrow, wide = len(first[0]), len(second[0])
    if narrow == wide == len(first) == len(second) == 1:
        left, right = first[0][0], second[0][0]
        if _share_and_percent(left, right):
            return True
        told, asked = _clean(one)[0][0], _clean(other)[0][0]
        # Either way: the one that is rounded stays as it is.
        if _equal(_in_unit(told, *units), asked) or _equal(told, _in_unit(asked, *units[::-1])):
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
        return math.isclose(one, other, rel_tol=1e-5, abs_tol=1e-9) or _is_rounded(one, other) or _is_rounded(other, one)
    return one == other


def _is_rounded(value: float, other: float) -> bool:
    """Whether one value is the other, rounded, with enough figures left to be no chance."""
    decimals = len(f"{value:.12g}".partition(".")[2]) if "e" not in f"{value:.12g}" else 0
    figures = len(f"{abs(value):.12g}".replace(".", "").strip("0"))
    enough = figures >= 3 if decimals == 0 else figures >= 2
    return enough and abs(value - other) <= 0.5 * 10**-decimals * (1 + 1e-9) and not other.is_integer()


def _in_unit(value: object, unit: str, wanted: str) -> object:
    """A number in another unit of its kind; as it is where there is no such thing."""
    if not isinstance(value, float) or not unit or not wanted or unit == wanted:
        return value
    from extagents.tables.values import parse

    turned = parse(
        f"{value:.12f}".rstrip("0").rstrip(".") + f" {unit}", Column(name="x", type="number", unit=wanted, description="")
    )
    return float(turned) if isinstance(turned, (int, float)) and not isinstance(turned, bool) else value


def _share_and_percent(one: object, other: object) -> bool:
    """0.444 and 44.4: one statement told a share, the other per cent."""
    if not isinstance(one, float) or not isinstance(other, float):
        return False
    low, high = sorted((one, other), key=abs)
    return abs(low) <= 1 and not low.is_integer() and math.isclose(low * 100, high, rel_tol=1e-3)
