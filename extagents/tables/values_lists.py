"""The items of a list as a cell tells it: apart, each once, without the shares, years and notes that stand beside them."""

from __future__ import annotations

import re
from collections.abc import Iterator
from functools import lru_cache

from extagents.tables.values_texts import BRACKETS, folded_words, plain

_BEHIND_COMMA = re.compile(
    r"(?:inc|ltd|llc|l\.l\.c|co|corp|jr|sr|plc|s\.?a|gmbh|n\.?v|l\.?p|b\.v|s\.p\.a|ag|esq|ph\.?d|m\.?d|ii|iii|iv)\.?(?=$|\s*\(|\s+\d)|"
    r"(?:south|north|the|republic of|democratic republic of|federated states of|islamic republic of|people's republic of|"
    r"province of|state of|kingdom of|d\.?c\.?)(?=$|\s*\(|\s+\d|\s+the\b)",
    re.IGNORECASE,
)
_SHARE_UNIT = "%|％|percent|per cent|pct|百分点|km|sq km|m|mi|miles|公里|千米|米|万|亿|万元|亿元|人"
_SHARE = re.compile(
    r"\s*[-–—:：]?\s*(?:about|around|approx\.?|less than|over|约|占)?\s*[<>~≈]?\s*"
    rf"(?:(?P<bare>\d[\d.,]*)|\d[\d.,]*\s*(?:{_SHARE_UNIT}))\s*(?:each)?\s*$",
    re.IGNORECASE,
)
_SHARE_LENGTH = 60  # characters at an item's end that may be its share
_YEAR_ITEM = re.compile(r"(?:in\s+)?(?:19|20)\d\d(?:\s*(?:est\.?|年))?", re.IGNORECASE)
_REST = frozenset("other|others|unspecified|etc|et al|and others|various|misc|miscellaneous|其他|其它|等|等等|其余".split("|"))
_LEAD = re.compile(
    r"^(?:including|includes?|such as|e\.g\.|namely|mainly|notably|and|or|&)[:\s]\s*"
    r"|^(?:包括|例如|比如|主要有|主要为|如|以及|及|和)[:：\s]\s*|^(?:包括|例如|主要有|以及)",
    re.IGNORECASE,
)
_ENGLISH_AND = re.compile(r"\s+and\s+", re.IGNORECASE)
_CHINESE_AND = re.compile(r"\s*(?:以及|及其|[和与及])\s*")
_CLOSING = {"(": ")", "（": "）", "[": "]", "【": "】", "《": "》", "“": "”", "「": "」"}
_COUNT = re.compile(r"\d+\s+[a-z]")
_ETC = re.compile(r"(?:等等?|等(?:\d+|[一二三四五六七八九十几数多]+)?(?:个|家|位|名|种|项)?(?:国家|地区|公司|企业|城市|人)?)$")
_LINE_MARK = re.compile(r"^\s*(?:[•·▪*–—-]|\(?\d{1,3}[.)、]|[a-z]\))\s+")


def items_of(raw: str) -> tuple[str, ...]:
    """The items of a list, in their order, each once: without shares, years, notes in brackets, and what only says "other"."""
    text = raw.strip()
    if len(text) > 1 and text[0] == "[" and text[-1] == "]":
        text = text[1:-1]
    parts = _parts(text)
    shared = any(_measured(part) for part in parts)
    items: list[str] = []
    seen: set[str] = set()
    for part in parts:
        item = _item(part, shared=shared)
        key = folded_words(item) or item
        if not item or key in seen or item.lower().strip(". ") in _REST:
            continue
        if (
            len(parts) > 1
            and _YEAR_ITEM.fullmatch(item)
            and any(any(char.isalpha() for char in other) for other in parts if other != part)
        ):
            continue
        seen.add(key)
        items.append(item)
    return tuple(items)


def _parts(text: str) -> list[str]:
    lines = [line for line in text.splitlines() if line.strip()]
    if len(lines) > 1:
        return [part for line in lines for part in _parts(_LINE_MARK.sub("", line))]
    outside = "".join(char for char, deep in _with_depth(text) if not deep)
    for marks in (";；|", "、", ",，"):
        if any(mark in outside for mark in marks):
            parts = _split(text, marks)
            if marks == ";；|" and len(parts) == 2 and _COUNT.match(parts[0]) and "," in parts[1]:
                return _parts(parts[1])  # 15 provinces; Artemisa, Camaguey, Granma
            if marks != ";；|":
                parts = [piece for part in parts for piece in (_split(part, ",，") if marks == "、" else [part])]
                parts = [*_rejoined(parts)]
                if not parts:
                    return []
                return [*parts[:-1], *_last(parts[-1], parts[:-1])]
            return [piece for part in parts for piece in (_split(part, "、") if "、" in part else [part])]
    return _pair(text)


def _with_depth(text: str) -> Iterator[tuple[str, bool]]:
    closing: list[str] = []
    for char in text:
        if closing and char == closing[-1]:
            closing.pop()
            yield char, True
            continue
        deep = bool(closing)
        if char in _CLOSING and _CLOSING[char] in text:
            closing.append(_CLOSING[char])
            deep = True
        yield char, deep


def _split(text: str, marks: str) -> list[str]:
    """Split at the marks outside brackets; a comma between digits parts thousands."""
    parts, current = [], ""
    for at, (char, deep) in enumerate(_with_depth(text)):
        if (
            char in marks
            and not deep
            and not (char == "," and text[at - 1 : at].isdigit() and re.match(r"\d{3}(?!\d)", text[at + 1 :]))
        ):
            parts.append(current)
            current = ""
        else:
            current += char
    return [part.strip() for part in [*parts, current] if part.strip()]


def _rejoined(parts: list[str]) -> Iterator[str]:
    """Names that hold a comma themselves stay whole: Acme, Inc.; Korea, South."""
    held: str | None = None
    for part in parts:
        if held is not None and _BEHIND_COMMA.match(part):
            held = f"{held}, {part}"
            continue
        if held is not None:
            yield held
        held = part
    if held is not None:
        yield held


def _measured(part: str) -> bool:
    bare = BRACKETS.sub("", part)
    found = _SHARE.search(bare, max(0, len(bare) - _SHARE_LENGTH))
    return found is not None and found["bare"] is None


def _last(part: str, before: list[str]) -> list[str]:
    """The last item of several: "B and C" are two, unless it is one name."""
    if re.match(r"(?:and|or|&)\s+", part, re.IGNORECASE):
        return [re.sub(r"^(?:and|or|&)\s+", "", part, flags=re.IGNORECASE)]
    if any(_measured(other) for other in before):
        pieces = _ENGLISH_AND.split(part)
        return pieces if len(pieces) == 2 and _measured(pieces[0]) else [part]
    return _pair(part)


def _pair(part: str) -> list[str]:
    """Two items joined by a word, if they are two; a name known for its "and", or one after "of", stays whole."""
    masked = "".join(char if not deep else "\0" for char, deep in _with_depth(part))
    found = (
        [*_ENGLISH_AND.finditer(masked)] or [*_CHINESE_AND.finditer(masked)]
        if not part.isascii()
        else [*_ENGLISH_AND.finditer(masked)]
    )
    if len(found) > 8:
        return [
            piece.strip()
            for piece in (_ENGLISH_AND if found[0][0].strip().isascii() else _CHINESE_AND).split(part)
            if piece.strip()
        ]
    if len(found) != 1:
        if not found or any(not match[0].strip().isascii() for match in found):
            return [piece for piece in _CHINESE_AND.split(part) if piece] if found else [part]
        cut = found[-1]
    else:
        cut = found[0]
    left, right = part[: cut.start()].strip(), part[cut.end() :].strip()
    if not left or not right:
        return [part]
    if cut[0].strip().isascii():
        if folded_words(BRACKETS.sub("", part)) in _joined_names() or (re.search(r"\b(?:of|for)\b", left) and " " not in right):
            return [part]
        if left.islower() != right.islower() and right.islower():
            return [part]
    elif len(left) < 2 or len(right) < 2:
        return [part]
    return [*_pair(left), right] if len(found) > 1 else [left, right]


@lru_cache(maxsize=1)
def _joined_names() -> frozenset[str]:
    """Countries whose name holds an "and", as the locale data knows them, also in short."""
    from babel import Locale

    names = {name for name in Locale("en").territories.values() if "&" in name or " and " in name}
    return frozenset(folded_words(name.replace("St.", saint)) for name in names | _IN_SHORT for saint in ("St.", "Saint"))


_IN_SHORT = {
    "Turks and Caicos",
    "Bosnia and Herzegovina",
    "St. Vincent and Grenadines",
    "St. Vincent and the Grenadines",
    "Sao Tome and Principe",
}


def _item(part: str, *, shared: bool) -> str:
    item = part
    for _ in range(3):
        item = BRACKETS.sub("", item).strip()
        share = _SHARE.search(item, max(0, len(item) - _SHARE_LENGTH))
        named = share is not None and any(char.isalpha() for char in item[: share.start()])
        if share is None or not named or (share["bare"] is not None and not shared):
            break
        item = item[: share.start()].rstrip(" -–—:：,")
    item = _LEAD.sub("", item)
    if not item.isascii():
        shorter = _ETC.sub("", item)
        item = shorter or item
    if not item and part:  # all of it stands in brackets
        item = part.strip("()（）[]【】 ")
    return plain(item)
