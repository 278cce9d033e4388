"""What is no number and no date: cells that say nothing, yes and no, lists, classes, plain text."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterator, Sequence
from functools import lru_cache

_NOTHING = frozenset(
    word.replace("_", " ")
    for word in (
        "na n/a n.a. n.a n\\a n/k n/d nd n.d. n/r nr n/ap null nan nil_return tbd tba tbc t.b.d. not_available not_applicable "
        "not_reported not_disclosed not_specified not_stated not_given not_known not_provided not_found not_mentioned not_published "
        "not_recorded not_listed not_determined not_meaningful nm n.m. no_data no_information no_figure no_answer no_response "
        "undisclosed unknown unspecified undefined undetermined unavailable unreported missing blank empty pending confidential "
        "redacted withheld data_not_available data_unavailable information_not_available to_be_determined to_be_announced "
        "to_be_confirmed none_given none_reported none_stated "
        "不详 暂无 未披露 未知 不适用 未公布 无数据 暂无数据 待定 缺失 保密 未公开 未提供 不明 未透露 无资料 暂缺 未说明 未提及 不知 不清楚 "
        "暂未披露 尚未披露 尚未公布 暂未公布 不予披露 未统计 无法获得 无信息 暂无信息 未注明 未列明 待公布 待披露 未填 空缺 空白 略"
    ).split()
)
_NONE = frozenset(("none", "nil", "nothing", "no", "zero", "无", "没有", "并无", "no one", "nobody", "not any", "零"))
_HIDDEN = re.compile(r"\b(?:redacted|withheld)\b|已脱敏|█{2,}|^\W*[xX]{3,}\W*$|已隐去", re.IGNORECASE)
_STRIP = " \t\r\n.。,，;；:：*†‡[]()（）【】<>《》\"'“”‘’`_|~"
_BLANK = re.compile(r"[\s\-‐‑‒–—―−－.…·?？*/\\_|]*")
_BRACKETS = re.compile(r"\s*(?:\([^()]*\)|（[^（）]*）|\[[^\[\]]*\]|【[^【】]*】)")
_UNIT_BEHIND = re.compile(r"^(n/?a|n\.a\.?|-+|—|–|\.\.\.?)\s*(?:%|％|[A-Za-z]{1,3}|[\u4e00-\u9fff]{1,2})$", re.IGNORECASE)


def says_nothing(raw: str) -> bool:
    """Whether a cell says that nothing is known: n/a, a dash, not disclosed, 不详, *** redacted. "none" and 0 do say something."""
    text = raw.strip()
    if len(text) > 60:
        return False
    if _BLANK.fullmatch(text) or (_HIDDEN.search(text) and not any(char.isdigit() for char in _BRACKETS.sub("", text))):
        return True
    word = re.sub(r"\s+", " ", text).strip(_STRIP).lower()
    if word in _NOTHING or word + "." in _NOTHING:
        return True
    bare = _BRACKETS.sub("", text).strip(_STRIP).lower()
    return bare in _NOTHING or (not bare and not word) or _UNIT_BEHIND.match(text) is not None


def says_none(raw: str) -> bool:
    """Whether a cell says that there are none: none, nil, 无."""
    text = _BRACKETS.sub("", raw) if len(raw) < 200 else raw
    return (
        text.strip(_STRIP).lower() in _NONE
        or re.match(r"\s*(?:none|nil)\b(?!\s+\w+\s+but)[\s;,(.—-]", raw + " ", re.IGNORECASE) is not None
    )


# ------------------------------------------------------------------ yes and no

_YES = frozenset(
    "yes y true t correct affirmative ✓ ✔ ☑ √ ✅ 1 是 是的 对 有 真 已 能 可以 支持 允许 存在 符合 已有 具备 同意 通过 完成 合格 成立".split()
)
_NO = frozenset(
    "no n false f incorrect negative none nil never ✗ ✘ ☒ × ❌ x 0 否 不 不是 无 没有 假 未 没 不能 不可以 不支持 不允许 不存在 不符合 禁止 并无 未有 不具备 不同意 未通过 未完成 不合格".split()
)
_YES_WORDS = frozenset(
    "allowed permitted recognized recognised approved present included required enabled confirmed completed passed granted listed "
    "certified compliant active accepted available eligible mandatory".split()
)
_NO_WORDS = frozenset(
    "prohibited forbidden banned rejected denied absent disabled failed excluded refused unlisted uncertified inactive ineligible "
    "unapproved without neither".split()
)
_FIRST = re.compile(r"[^\W_]+|[✓✔☑√✅✗✘☒×❌]")


def yes_or_no(raw: str) -> bool | None:
    """True for yes, False for no, None for what is neither. The first word decides, then words like "prohibited" and 未."""
    text = unicodedata.normalize("NFKC", raw).strip().strip(_STRIP).lower()
    if text in _YES:
        return True
    if text in _NO or says_none(raw):
        return False
    first = _FIRST.match(text)
    if first is None:
        return None
    word = first[0]
    if word in ("no", "not", "never", "yes", "true", "false", "none"):
        return word in ("yes", "true")
    if word in _YES and not word.isascii():
        return True
    if re.match(r"(?:否|不|无|未|没|并未|并非|非|尚未|禁)", text):
        return False
    if re.match(r"(?:是|有|已|对|可|允许|支持|具有|存在)", text):
        return True
    words = set(re.findall(r"[a-z]+", text))
    if len(words) > 8:
        return None
    if words & _NO_WORDS or (words & {"not", "no"} and words & _YES_WORDS):
        return False
    return True if words & _YES_WORDS else None


# ------------------------------------------------------------------ text

_TRAILING = re.compile(
    r"\s*(?:\[[^\[\]]{0,12}\]|[*†‡§]+|\((?:(?:19|20)\d\d)?\s*(?:est\.?|estimate)?\)|[¹²³⁰⁴-⁹]+)$", re.IGNORECASE
)
_LABEL_QUOTES = (("“", "”"), ('"', '"'), ("「", "」"), ("《", "》"), ("'", "'"), ("‘", "’"))


def plain(raw: str) -> str:
    """The text in one line, without the quotes, bullets and footnote marks around it."""
    text = re.sub(r"\s+", " ", raw).strip()
    text = re.sub(r"^[•·▪*\-–—]\s+", "", text)
    while True:
        shorter = _TRAILING.sub("", text).strip()
        if shorter == text or not shorter:
            break
        text = shorter
    for opening, closing in _LABEL_QUOTES:
        if len(text) > 2 and text.startswith(opening) and text.endswith(closing) and closing not in text[1:-1]:
            text = text[1:-1].strip()
    if text.endswith("。") or (
        text.endswith(".") and text.count(".") == 1 and " " in text and not re.search(r"\b[A-Z]?[a-z]{0,4}\.$", text)
    ):
        text = text[:-1]
    return text.rstrip(";；,，、 ")


# ------------------------------------------------------------------ classes

_NEGATIVE = frozenset(("not", "no", "non", "never", "without", "un", "neither"))


@lru_cache(maxsize=16_384)
def folded_words(text: str) -> str:
    """The words in small letters joined by blanks, plurals cut, punctuation dropped; Chinese letters stay together."""
    text = (
        unicodedata.normalize("NFKC", text)
        .casefold()
        .replace("_", " ")
        .replace("&", " and ")
        .replace("’", "'")
        .replace("'s", "")
    )
    return " ".join(_singular(word) for word in re.findall(r"[^\W_]+(?:[.,]\d+)*", text))


def _singular(word: str) -> str:
    if len(word) > 4 and word.endswith("ies") and word.isascii():
        return word[:-3] + "y"
    if len(word) > 4 and word.endswith(("sses", "xes", "ches", "shes")):
        return word[:-2]
    return (
        word[:-1] if len(word) > 3 and word.endswith("s") and not word.endswith(("ss", "us", "is")) and word.isascii() else word
    )


def _tokens(text: str) -> set[str]:
    return set(text.split())


def class_of(raw: str, values: Sequence[str]) -> str | None:
    """The class that the text names: its own words, the only one within it, or nearly its spelling; None where that is unsure.

    Numbers and negations must be the same: "level 1" is never "level 2", "not listed" never "listed".
    """
    wanted = folded_words(raw)
    if not wanted:
        return None
    classes = {value: folded_words(value) for value in values}
    exact = [value for value, words in classes.items() if words == wanted]
    if exact:
        return exact[0]
    if _BRACKETS.search(raw):
        outside = folded_words(_BRACKETS.sub(" ", raw))
        for value, words in classes.items():
            if words == outside:
                return value
    within = [value for value, words in classes.items() if words and _stands(words, wanted)]
    within = [
        value for value in within if not any(value != other and _stands(classes[value], classes[other]) for other in within)
    ]
    if len(within) == 1:
        added = _tokens(wanted) - _tokens(classes[within[0]])
        denied = added & _NEGATIVE or re.search(r"不|非|未|无", wanted.replace(classes[within[0]], ""))
        return None if denied else within[0]
    if within:
        return None
    around = [
        value
        for value, words in classes.items()
        if len(wanted) >= (3 if wanted.isascii() else 2)
        and (_stands(wanted, words) or (len(wanted) >= 4 and words.startswith(wanted)))
    ]
    if len(around) == 1 and not (_tokens(classes[around[0]]) & _NEGATIVE):
        return around[0]
    return None if around else _nearest(wanted, classes)


def _stands(words: str, text: str) -> bool:
    """Whether the words stand in the text as words; Chinese has no borders."""
    if words.isascii():
        return f" {words} " in f" {text} "
    return words.replace(" ", "") in text.replace(" ", "")


def _nearest(wanted: str, classes: dict[str, str]) -> str | None:
    from rapidfuzz import fuzz

    def guarded(words: str) -> bool:
        return (
            words[:1] == wanted[:1] and re.findall(r"\d+", words) == re.findall(r"\d+", wanted)
            and _tokens(words) & _NEGATIVE == _tokens(wanted) & _NEGATIVE and len(words) >= 5
        )  # fmt: skip

    scored = sorted(((fuzz.ratio(wanted, words), value) for value, words in classes.items() if guarded(words)), reverse=True)
    if not scored or scored[0][0] < 86 or (len(scored) > 1 and scored[0][0] - scored[1][0] < 4):
        return None
    return scored[0][1]


# ------------------------------------------------------------------ lists

_BEHIND_COMMA = re.compile(
    r"(?:inc|ltd|llc|l\.l\.c|co|corp|jr|sr|plc|s\.?a|gmbh|n\.?v|l\.?p|b\.v|s\.p\.a|ag|esq|ph\.?d|m\.?d|ii|iii|iv)\.?(?=$|\s*\(|\s+\d)|"
    r"(?:south|north|the|republic of|democratic republic of|federated states of|islamic republic of|people's republic of|"
    r"province of|state of|kingdom of|d\.?c\.?)(?=$|\s*\(|\s+\d|\s+the\b)",
    re.IGNORECASE,
)
_SHARE = re.compile(
    r"\s*[-–—:：]?\s*(?:about|around|approx\.?|less than|over|约|占)?\s*[<>~≈]?\s*"
    r"(?:(?P<bare>\d[\d.,]*)|\d[\d.,]*\s*(?:%|％|percent|per cent|pct|百分点|km|sq km|m|mi|miles|公里|千米|米|万|亿|万元|亿元|人))\s*(?:each)?\s*$",
    re.IGNORECASE,
)
_YEAR_ITEM = re.compile(r"(?:in\s+)?(?:19|20)\d\d(?:\s*(?:est\.?|年))?", re.IGNORECASE)
_REST = frozenset(
    "other others unspecified etc etc. et_al et_al. and_others others_(various) various misc miscellaneous 其他 其它 等 等等 其余".replace(
        "_", " "
    ).split()
) | {"et al", "and others"}
_LEAD = re.compile(
    r"^(?:including|includes?|such as|e\.g\.|namely|mainly|notably|and|or|&|包括|例如|比如|主要有|主要为|如|以及|及|和)[:：\s]\s*|^(?:包括|例如|主要有|以及)",
    re.IGNORECASE,
)
_AND = re.compile(r"\s+(?:and|&|or)\s+|\s*(?:以及|及|和|与)\s*", re.IGNORECASE)
_ENGLISH_AND = re.compile(r"\s+and\s+", re.IGNORECASE)
_CHINESE_AND = re.compile(r"\s*(?:以及|及其|[和与及])\s*")
_CLOSING = {"(": ")", "（": "）", "[": "]", "【": "】", "《": "》", "“": "”", "「": "」"}
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
            if marks != ";；|":
                parts = [piece for part in parts for piece in (_split(part, ",，") if marks == "、" else [part])]
                parts = [*_rejoined(parts)]
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
    found = _SHARE.search(_BRACKETS.sub("", part))
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
        if folded_words(_BRACKETS.sub("", part)) in _joined_names() or (
            re.search(r"\b(?:of|for)\b", left) and " " not in right
        ):
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

    names = {folded_words(name) for name in Locale("en").territories.values() if "&" in name or " and " in name}
    return frozenset(
        names
        | {
            folded_words(name)
            for name in (
                "Turks and Caicos",
                "Saint Vincent and Grenadines",
                "Saint Kitts and Nevis",
                "Saint Vincent and the Grenadines",
                "Sao Tome and Principe",
                "Saint Pierre and Miquelon",
                "Bosnia and Herzegovina",
            )
        }
    )


def _item(part: str, *, shared: bool) -> str:
    item = part
    for _ in range(3):
        item = _BRACKETS.sub("", item).strip()
        share = _SHARE.search(item)
        if share is not None and share.start() > 0 and any(char.isalpha() for char in item[: share.start()]):
            if share["bare"] is None or shared:
                item = item[: share.start()].rstrip(" -–—:：,")
                continue
        break
    item = _LEAD.sub("", item)
    if not item.isascii():
        shorter = _ETC.sub("", item)
        item = shorter or item
    if not item and part:  # all of it stands in brackets
        item = part.strip("()（）[]【】 ")
    return plain(item)
