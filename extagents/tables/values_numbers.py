"""The number of a text that a column means, in the column's unit."""

from __future__ import annotations

from decimal import Decimal

from extagents.tables.values_amounts import Amount
from extagents.tables.values_spellings import SMALL_MONEY
from extagents.tables.values_units import Unit, converted, stems


def in_column(amount: Amount, want: Unit) -> Decimal | None:
    """The amount as the column keeps it: in its unit and scale, None where it is of another kind.

    A bare number is taken to be in the column's scale already; one whose unit is written out behind it, or that runs into
    millions, is meant in ones.
    """
    value = amount.value
    if amount.fraction and want.kind == "percent" and amount.unit.kind in ("none", "word"):
        return value * 100
    scale = want.scale
    result = converted(value, amount.unit, want)
    if result is None:
        return None
    if scale == 1 or want.kind == "percent":
        return result / scale
    bare = (
        not amount.scaled
        and amount.high is None
        and not (amount.spelled and amount.unit.kind != "word")
        and not _in_han(amount)
    )
    if bare and not (
        amount.unit.kind == "currency"
        and scale >= 10**6
        and abs(value) >= 10**6
        and value == int(value)
        and want.name not in SMALL_MONEY
    ):
        return result
    return result / scale


def _in_han(amount: Amount) -> bool:
    return amount.spelled and amount.unit.kind == "word" and not amount.unit.name.isascii()


def _rank(amount: Amount, want: Unit, hints: frozenset[str], *, yearly: bool) -> float | None:
    """How surely an amount is the column's; None where it cannot be."""
    if in_column(amount, want) is None:
        return None
    have = amount.unit
    if want.kind == "none":
        rank = 2.5 if have.kind in ("none", "word") else 2.0
    elif have.kind == "none":
        rank = 2.0
    elif have.kind == want.kind != "word":
        rank = 4.0 if have.name == want.name or want.kind == "currency" else 3.0
    elif have.kind == want.kind == "word":
        rank = 4.0 if stems(have.name) & stems(want.name) else 2.0
    else:
        rank = 1.0
    if hints and have.kind == "word" and stems(have.name) & hints:
        rank += 0.5
    if amount.noted and not amount.bracketed:
        rank -= 1.0
    if amount.yearly and not yearly:
        rank -= 2.5 if amount.cued or amount.noted else 1.5
    return rank


def chosen(found: list[Amount], want: Unit, *, hints: frozenset[str] = frozenset(), yearly: bool = False) -> Amount | None:
    """The amount that a column in `want` means: the one in its unit, else the first without, notes and years last."""
    best: tuple[float, int] | None = None
    for number, amount in enumerate(found):
        rank = _rank(amount, want, hints, yearly=yearly)
        if rank is not None and (best is None or rank > best[0]):
            best = rank, number
    if best is None or best[0] <= 0:
        return None
    return found[best[1]]
