"""Digits with marks of either kind as a number, and a text with one kind of dash, blank and digit."""

from __future__ import annotations

import re
import unicodedata
from decimal import Decimal, InvalidOperation

_DASHES = "-‐‑‒–—―−﹣－"
_SUPER = str.maketrans("⁰¹²³⁴⁵⁶⁷⁸⁹⁻⁺", "0123456789-+")
_POWER_OF_TEN = re.compile(r"\s*[×x*·]\s*10\s*(?:\^\s*([-−]?\d+)|([⁻⁺]?[⁰¹²³⁴-⁹]+))")
_LONE_POWER = re.compile(r"(?<![\d.,×x*·])(?<![×x*·]\s)10([⁻⁺]?[⁰¹²³⁴-⁹]+)")
_SUPER_UNIT = re.compile(r"(?<=[A-Za-z])[²³]|(?<=[A-Za-z])[⁻⁺][¹²³]")
_FOOTNOTE = re.compile(
    r"[⁰¹²³⁴-⁹]+|\[(?:\d{1,3}|[a-z]|(?:note|citation|ref)[^\[\]]{0,12}|注\d?)\]|[*†‡§#¶]+(?!\S*\d)|(?<=\d)\((?:[a-z]|[ivx]{1,4})\)"
)
_VULGAR = re.compile(r"(?<=\d)(?=[¼-¾⅐-⅞])")
_RUNS = re.compile(r"[^\S\n]{4,}|\n{4,}|[-–—]{4,}|_{4,}")
_MARKS = str.maketrans(
    {
        **dict.fromkeys(_DASHES, "-"),
        **dict.fromkeys("’‘´`′", "'"),
        "\u00a0": " ",
        "\u202f": " ",
        "\u2009": " ",
        "\u2007": " ",
        "\u3000": " ",
        "〜": "~",
        "～": "~",
    }
)


def calm(text: str) -> str:
    """The text without long runs of blanks, empty lines and dashes, over which patterns would search again and again."""
    return _RUNS.sub(lambda found: found[0][:3], text)


def folded(text: str) -> str:
    """The text with one kind of dash, blank and digit, without footnote marks, superscripts as what they mean."""
    if not text.isascii():
        text = _LONE_POWER.sub(lambda found: "1e" + found[1].translate(_SUPER), text)
        text = _POWER_OF_TEN.sub(lambda found: "e" + (found[1] or found[2].translate(_SUPER)).replace("−", "-"), text)
        text = _SUPER_UNIT.sub(lambda found: found[0].translate(_SUPER), text)
        text = _FOOTNOTE.sub("", text)
        text = unicodedata.normalize("NFKC", _VULGAR.sub(" ", text).translate(_MARKS)).translate(_MARKS)
    elif "[" in text or "*" in text or "#" in text or "^" in text or "(" in text:
        text = _FOOTNOTE.sub("", _POWER_OF_TEN.sub(lambda found: "e" + found[1], text))
    return text


def read_digits(blob: str, *, european: bool = False) -> tuple[Decimal, Decimal] | None:
    """The value of digits with marks, and that of its last digit; None where the marks make no number.

    A comma before exactly three digits parts thousands (1,234; 1,23,456 in India), else it is a decimal mark (1,5). A point is
    a decimal mark unless it stands twice, or with a comma behind it (1.234,5), or `european` says that its neighbours are so.
    """
    commas, points = blob.count(","), blob.count(".")
    try:
        if "'" in blob:
            head, *groups = blob.split("'")
            last, _, decimals = groups[-1].replace(",", ".").partition(".")
            groups[-1] = last
            if not head.isdigit() or any(len(group) != 3 for group in groups):
                return None
            return _decimal(head + "".join(groups), decimals)
        if not commas and not points:
            return _decimal(blob, "")
        if commas and points:
            if blob.rfind(",") > blob.rfind("."):
                whole, decimals = blob.rsplit(",", 1)
                return _decimal(whole.replace(".", ""), decimals) if commas == 1 and _grouped(whole.split(".")) else None
            whole, decimals = blob.rsplit(".", 1)
            return _decimal(whole.replace(",", ""), decimals) if points == 1 and _grouped(whole.split(",")) else None
        if commas:
            parts = blob.split(",")
            if _grouped(parts):
                return _decimal("".join(parts), "")
            return _decimal(parts[0], parts[1]) if commas == 1 else None
        parts = blob.split(".")
        if points == 1:
            if european and _grouped(parts):
                return _decimal("".join(parts), "")
            return _decimal(parts[0] or "0", parts[1])
        return _decimal("".join(parts), "") if _grouped(parts) else None
    except InvalidOperation:
        return None


def _grouped(parts: list[str]) -> bool:
    """Whether digits are parted by threes, as in India, or by fours, as in China."""
    head, *groups = parts
    if not groups:
        return True
    if not 1 <= len(head) <= 3 or head[0] == "0":
        return len(groups) > 1 and 1 <= len(head) <= 4 and head[0] != "0" and all(len(group) == 4 for group in groups)
    if all(len(group) == 3 for group in groups):
        return True
    if len(groups) > 1 and all(len(group) == 4 for group in groups):
        return True
    return len(head) <= 2 and len(groups[-1]) == 3 and all(len(group) == 2 for group in groups[:-1])


def _decimal(whole: str, decimals: str) -> tuple[Decimal, Decimal]:
    return Decimal(f"{whole}.{decimals}" if decimals else whole), Decimal(1).scaleb(-len(decimals))
