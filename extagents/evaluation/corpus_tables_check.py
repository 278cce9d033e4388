"""The second, independent path: what documents say is read from their quotes again, and every answer computed again from that.

Nothing here uses the code that drew the values, spelled them or computed the answers first. `exact` grades an answer.
"""

from __future__ import annotations

import datetime
import re
import unicodedata
from collections.abc import Iterable, Mapping, Sequence
from fractions import Fraction
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from extagents.evaluation.corpus_tables import Statement, TableQuestion
    from extagents.evaluation.corpus_tables_questions import Condition, Spec
    from extagents.evaluation.corpus_tables_worlds import Slot

_NUMBER = re.compile(r"\d[\d,]*(?:\.\d+)?")
_SCALES = {
    "thousand": 10**3, "million": 10**6, "billion": 10**9, "bn": 10**9, "m": 10**6, "百万": 10**6, "万": 10**4, "亿": 10**8,
}  # fmt: skip
_UNITS: dict[str, tuple[str, int | Fraction]] = {
    "km": ("m", 1000), "kilometres": ("m", 1000), "kilometers": ("m", 1000), "公里": ("m", 1000), "千米": ("m", 1000),
    "m": ("m", 1), "metres": ("m", 1), "meters": ("m", 1), "米": ("m", 1),
    "kg": ("g", 1000), "kilograms": ("g", 1000), "公斤": ("g", 1000), "千克": ("g", 1000), "g": ("g", 1), "克": ("g", 1),
    "mg": ("g", Fraction(1, 1000)), "milligrams": ("g", Fraction(1, 1000)), "毫克": ("g", Fraction(1, 1000)),
    "tonnes": ("g", 10**6), "t": ("g", 10**6), "吨": ("g", 10**6),
    "kw": ("w", 1000), "千瓦": ("w", 1000), "w": ("w", 1), "watts": ("w", 1), "瓦": ("w", 1),
    "usd": ("usd", 1), "$": ("usd", 1), "us$": ("usd", 1), "us dollars": ("usd", 1), "美元": ("usd", 1),
    "%": ("%", 1), "percent": ("%", 1), "per cent": ("%", 1), "百分之": ("%", 1),
    "sq km": ("km2", 1), "square kilometres": ("km2", 1), "km²": ("km2", 1), "km2": ("km2", 1),
    "平方公里": ("km2", 1), "平方千米": ("km2", 1),
    "hours": ("h", 1), "h": ("h", 1), "小时": ("h", 1), "months": ("mo", 1), "个月": ("mo", 1),
    "knots": ("kn", 1), "kn": ("kn", 1), "节": ("kn", 1), "人": ("", 1), "件": ("", 1), "years": ("y", 1),
}  # fmt: skip
_ENGLISH = dict(
    zip(
        "zero one two three four five six seven eight nine ten eleven twelve thirteen fourteen fifteen sixteen seventeen "
        "eighteen nineteen twenty thirty forty fifty sixty seventy eighty ninety".split(),
        [*range(20), *range(20, 100, 10)],
        strict=True,
    )
)
_MONTHS = "jan feb mar apr may jun jul aug sep oct nov dec".split()


def quantity(text: str, *, unit: str = "") -> tuple[Fraction, str] | None:
    """The one number that a text writes, in base units, and their name; None where it writes none or several.

    A text that tells neither scale nor unit is taken to be in `unit`.
    """
    folded = text.replace("−", "-").replace("\u00a0", " ").strip().casefold()
    found = list(_NUMBER.finditer(folded.replace("km2", "km²")))
    folded = folded.replace("km2", "km²")
    if not found:
        worded = _worded(folded.rstrip("."))
        if worded is None:
            return None
        scale, base = scale_of(unit.casefold())
        return worded * scale, base
    if len(found) > 1:
        return None
    match = found[0]
    before, after = folded[: match.start()], folded[match.end() :]
    value = Fraction(match[0].replace(",", ""))
    if before.rstrip().endswith("(") and ")" in after:
        value, before, after = -value, before.rstrip()[:-1], after.replace(")", " ", 1)
    elif re.search(r"(?:-|minus |负)\s*(?:us)?\$?\s*(?:usd\s*)?(?:百分之)?$", before):
        value, before = -value, re.sub(r"-|minus|负", " ", before)
    words = f"{before} {after}".strip(" .。")
    scale, base = scale_of(words)
    if scale == 1 and not base:
        scale, base = scale_of(unit.casefold())
    return value * scale, base


def scale_of(words: str) -> tuple[Fraction, str]:
    """What the words around a number make of it: a factor to base units and the name of these."""
    base, factor = "", Fraction(1)
    rest = f" {words} "
    for name in sorted(_UNITS, key=len, reverse=True):
        pattern = rf"(?<![a-z]){re.escape(name)}(?![a-z])" if name.isascii() else re.escape(name)
        if re.search(pattern, rest) and not (name == "m" and ("$" in words or "usd" in words)):
            base, size = _UNITS[name]
            factor *= Fraction(size)
            rest = re.sub(pattern, " ", rest, count=1)
            break
    for name in sorted(_SCALES, key=len, reverse=True):
        pattern = rf"(?<![a-z]){name}(?![a-z])" if name.isascii() else name
        if re.search(pattern, rest):
            factor *= _SCALES[name]
            break
    return factor, base


def _worded(text: str) -> Fraction | None:
    """A small number in words."""
    parts = text.replace("-", " ").split()
    if parts and all(part in _ENGLISH for part in parts):
        return Fraction(sum(_ENGLISH[part] for part in parts))
    if text and all(sign in "零一二三四五六七八九十" for sign in text):
        tens, _, ones = text.rpartition("十")
        high = ("零一二三四五六七八九".index(tens) if tens else 1) if "十" in text else 0
        return Fraction(10 * high + ("零一二三四五六七八九".index(ones) if ones else 0))
    return None


def day(text: str) -> str | None:
    """A date as ISO text."""
    if found := re.search(r"(\d{4})\s*[-/年]\s*(\d{1,2})\s*[-/月]\s*(\d{1,2})", text):
        return datetime.date(int(found[1]), int(found[2]), int(found[3])).isoformat()
    words = re.findall(r"[a-z]+|\d+", text.casefold())
    month = next((_MONTHS.index(word[:3]) + 1 for word in words if word[:3] in _MONTHS), None)
    numbers = [int(word) for word in words if word.isdigit()]
    if month is None or len(numbers) != 2:
        return None
    return datetime.date(max(numbers), month, min(numbers)).isoformat()


def read(statement: Statement) -> Any:
    """What a statement says, read from its words."""
    return value_of(statement.slot, statement.raw)


def value_of(slot: Slot, raw: str) -> Any:
    """A value read from its words: a number in base units, an ISO date, a name, names, or a truth value.

    Raises `ValueError` where the words hold no number.
    """
    match slot.attribute.type:
        case "number":
            told = quantity(raw)
            if told is None:
                raise ValueError(f"no number in {raw!r}")
            return told[0]
        case "date":
            return day(raw)
        case "boolean":
            return raw.casefold() in ("yes", "true", "是")
        case "list":
            return frozenset(part.strip() for part in re.split(r"[;,、]|\band\b", raw) if part.strip())
        case _:
            return raw


def known(statements: Iterable[Statement]) -> dict[str, dict[str, Any]]:
    """What the documents say of each entity: where two say different things, the later one."""
    table: dict[str, dict[str, Any]] = {}
    for statement in sorted(statements, key=lambda one: one.date):
        table.setdefault(statement.entity, {})[statement.slot.name] = read(statement)
    return table


# ------------------------------------------------------------------ answers again


def _base(condition: Condition) -> Any:
    """A condition's value in base units."""
    value: Any = condition.value
    if condition.slot.attribute.type != "number":
        return value
    return Fraction(repr(value)) * scale_of(condition.slot.unit.casefold())[0]


def _passes(condition: Condition, given: Any) -> bool:
    wanted = _base(condition)
    if condition.operator in ("above", "after"):
        return bool(given is not None and given > wanted)
    if condition.operator in ("below", "earlier"):
        return bool(given is not None and given < wanted)
    return given is not None and (wanted in given if condition.operator == "has" else given == wanted)


def again(spec: Spec, table: Mapping[str, Mapping[str, Any]]) -> Any:
    """The answer computed from what the documents say; numbers are in the column's canonical unit, as Fractions."""
    conditions = list(spec.conditions)
    chosen = [name for name in sorted(table) if all(_passes(c, table[name].get(c.slot.name)) for c in conditions)]
    unit = scale_of(spec.slot.unit.casefold())[0] if spec.slot else Fraction(1)
    pairs = [(table[n][spec.slot.name], n) for n in chosen if spec.slot.name in table[n]] if spec.slot else []
    operation = spec.operation
    if operation in ("count", "list", "yes_no"):
        return {"count": len(chosen), "list": chosen, "yes_no": len(chosen) > 0}[operation]
    if operation in ("argmax", "argmin", "top"):
        ordered = [name for _, name in sorted(pairs, reverse=operation != "argmin")]
        return ordered[: spec.k] if operation == "top" else ordered[0]
    if operation in ("sum", "average"):
        total = sum((value for value, _ in pairs), Fraction(0)) / unit
        return total / len(pairs) if operation == "average" else total
    if operation == "percent":
        column = conditions[-1].slot.name
        asked = [n for n in table if column in table[n] and all(_passes(c, table[n].get(c.slot.name)) for c in conditions[:-1])]
        return Fraction(100 * sum(1 for n in asked if _passes(conditions[-1], table[n][column])), len(asked))
    if operation == "group":
        kinds = [value for value, _ in pairs]
        return max(set(kinds), key=kinds.count)
    return _again_by_name(spec, table, chosen, unit)


def _again_by_name(spec: Spec, table: Mapping[str, Mapping[str, Any]], chosen: Sequence[str], unit: Fraction) -> Any:
    assert spec.slot is not None
    column, earlier = spec.slot.name, spec.other.name if spec.other else ""
    if spec.operation in ("compare", "difference"):
        first, second = (table[name][column] for name in spec.names)
        if spec.operation == "difference":
            return max(first, second) / unit - min(first, second) / unit
        return spec.names[0] if first > second else spec.names[1]
    if spec.operation == "change":
        row = table[spec.names[0]]
        return row[column] / unit - row[earlier] / unit
    if spec.operation == "before":
        stem = spec.slot.attribute.name
        row = table[spec.names[0]]
        held = sorted(key for key in row if re.fullmatch(rf"{stem}_\d{{4}}", key))
        place = next(number for number, key in enumerate(held) if row[key] == spec.person)
        return row[held[place - 1]]
    both = [name for name in chosen if column in table[name] and earlier in table[name]]
    if spec.operation == "changed":
        return [name for name in both if table[name][column] != table[name][earlier]]
    return sorted(((table[name][column] - table[name][earlier]), name) for name in both)[-1][1]


def agrees(spec: Spec, question: TableQuestion, table: Mapping[str, Mapping[str, Any]], factor: float) -> bool:
    """Whether the second path comes to the question's value. `factor` is what the asked unit is worth in canonical ones."""
    found = again(spec, table)
    if isinstance(found, Fraction) or (isinstance(found, int) and not isinstance(found, bool)):
        shown = Fraction(found) / Fraction(repr(factor))
        return abs(float(shown) - float(question.value)) <= question.tolerance + 1e-9
    return bool(found == (list(question.value) if isinstance(question.value, (tuple, list)) else question.value))


# ------------------------------------------------------------------ grading

_NONE = frozenset(("none", "no", "nothing", "none of them", "no one", "empty", "无", "没有", "没有符合条件的", "[]"))
_YES = frozenset(("yes", "true", "是", "有", "是的"))
_NO = frozenset(("no", "false", "否", "没有", "无", "不是", "没"))


def normalised(name: str) -> str:
    """A name without case, punctuation, white space and article."""
    folded = unicodedata.normalize("NFKC", name).casefold()
    words = re.findall(r"[^\W_]+", folded)
    return " ".join(words[1:] if words[:1] == ["the"] and len(words) > 1 else words)


def exact(question: TableQuestion, answer: str) -> bool:
    """Whether an answer is exactly right: one number within the tolerance, the same names (in order where asked), yes or no.

    Nothing else may stand beside them, but for the unit; an empty answer is wrong.
    """
    text = answer.strip().rstrip("。.").strip()
    if not text:
        return False
    kind = question.answer_type
    if kind in ("number", "percent"):
        return _exact_number(question, text)
    if kind == "yes_no":
        folded = normalised(text)
        return folded in (_YES if question.value else _NO)
    if kind in ("list", "ordered_list"):
        if not question.value:
            return (normalised(text) or text) in _NONE
        return _exact_names(question, text, ordered=kind == "ordered_list")
    accepted = [*question.answers, *(form for forms in question.aliases for form in forms)]
    return normalised(text) in {normalised(form) for form in accepted}


def _exact_number(question: TableQuestion, text: str) -> bool:
    told, wanted = quantity(text, unit=question.unit), float(question.value)
    if told is None:
        return False
    scale, base = scale_of(question.unit.casefold())
    value, unit = told
    if unit and base and unit != base:
        return False
    return abs(float(value / scale) - wanted) <= question.tolerance + 1e-9 * max(1.0, abs(wanted))


def _exact_names(question: TableQuestion, text: str, *, ordered: bool) -> bool:
    """Every name once, and nothing but separators beside them."""
    words = re.findall(r"[^\W_]+", unicodedata.normalize("NFKC", text).casefold())
    left = f" {' '.join(words)} "
    forms = list(question.aliases) or [(name,) for name in question.value]
    options = [(normalised(form), place) for place, names in enumerate(forms) for form in names]
    found: dict[int, int] = {}
    for form, place in sorted(options, key=lambda option: -len(option[0])):
        if place in found:
            continue
        at = left.find(f" {form} ")
        if at >= 0:
            found[place] = at
            left = f"{left[:at]} {'#' * len(form)} {left[at + len(form) + 2 :]}"
    rest = [word for word in left.replace("#", " ").split() if word not in ("and", "the", "和", "与", "及")]
    if rest or len(found) < len(forms):
        return False
    return not ordered or [place for place, _ in sorted(found.items(), key=lambda item: item[1])] == list(range(len(forms)))
