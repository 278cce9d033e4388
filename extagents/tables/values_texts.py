"""What is no number and no date: cells that say nothing, yes and no, classes, plain text."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Sequence
from functools import lru_cache

_NOTHING = frozenset(
    word.replace("_", " ")
    for word in """
    na n/a n.a. n.a n\\a n/k n/d nd n.d. n/r nr n/ap null nan nil_return tbd tba tbc t.b.d. nm n.m. not_available
    not_applicable not_reported not_disclosed not_specified not_stated not_given not_known not_provided not_found not_mentioned
    not_published not_recorded not_listed not_determined not_meaningful no_data no_information no_figure no_answer no_response
    undisclosed unknown unspecified undefined undetermined unavailable unreported missing blank empty pending confidential
    redacted withheld data_not_available data_unavailable information_not_available to_be_determined to_be_announced
    to_be_confirmed none_given none_reported none_stated
    不详 暂无 未披露 未知 不适用 未公布 无数据 暂无数据 待定 缺失 保密 未公开 未提供 不明 未透露 无资料 暂缺 未说明 未提及
    不知 不清楚 暂未披露 尚未披露 尚未公布 暂未公布 不予披露 未统计 无法获得 无信息 暂无信息 未注明 未列明 待公布 待披露
    未填 空缺 空白 略
    """.split()
)
_NONE = frozenset(("none", "nil", "nothing", "no", "zero", "无", "没有", "并无", "no one", "nobody", "not any", "零"))
_HIDDEN = re.compile(r"\b(?:redacted|withheld)\b|已脱敏|█{2,}|^\W*[xX]{3,}\W*$|已隐去", re.IGNORECASE)
_STRIP = " \t\r\n.。,，;；:：*†‡[]()（）【】<>《》\"'“”‘’`_|~"
_BLANK = re.compile(r"[\s\-‐‑‒–—―−－.…·?？*/\\_|]*")
BRACKETS = re.compile(r"\s*(?:\([^()]*\)|（[^（）]*）|\[[^\[\]]*\]|【[^【】]*】)")
_UNIT_BEHIND = re.compile(r"^(n/?a|n\.a\.?|-+|—|–|\.\.\.?)\s*(?:%|％|[A-Za-z]{1,3}|[\u4e00-\u9fff]{1,2})$", re.IGNORECASE)


def says_nothing(raw: str) -> bool:
    """Whether a cell says that nothing is known: n/a, a dash, not disclosed, 不详, *** redacted. "none" and 0 say something."""
    text = raw.strip()
    if len(text) > 60:
        return False
    if _BLANK.fullmatch(text) or (_HIDDEN.search(text) and not any(char.isdigit() for char in BRACKETS.sub("", text))):
        return True
    word = re.sub(r"\s+", " ", text).strip(_STRIP).lower()
    if word in _NOTHING or word + "." in _NOTHING:
        return True
    bare = BRACKETS.sub("", text).strip(_STRIP).lower()
    return bare in _NOTHING or (not bare and not word) or _UNIT_BEHIND.match(text) is not None


def says_none(raw: str) -> bool:
    """Whether a cell says that there are none: none, nil, 无."""
    text = BRACKETS.sub("", raw) if len(raw) < 200 else raw
    return (
        text.strip(_STRIP).lower() in _NONE
        or re.match(r"\s*(?:none|nil)\b(?!\s+\w+\s+but)[\s;,(.—-]", raw + " ", re.IGNORECASE) is not None
    )


# ------------------------------------------------------------------ yes and no

_YES = frozenset(
    """
    yes y true t correct affirmative ✓ ✔ ☑ √ ✅ 1 是 是的 对 有 真 已 能 可以 支持 允许 存在 符合 已有 具备 同意 通过 完成
    合格 成立
    """.split()
)
_NO = frozenset(
    """
    no n false f incorrect negative none nil never ✗ ✘ ☒ × ❌ x 0 否 不 不是 无 没有 假 未 没 不能 不可以 不支持 不允许 不存在
    不符合 禁止 并无 未有 不具备 不同意 未通过 未完成 不合格
    """.split()
)
_YES_WORDS = frozenset(
    """
    allowed permitted recognized recognised approved present included required enabled confirmed completed passed granted
    listed certified compliant active accepted available eligible mandatory
    """.split()
)
_NO_WORDS = frozenset(
    """
    prohibited forbidden banned rejected denied absent disabled failed excluded refused unlisted uncertified inactive
    ineligible unapproved without neither
    """.split()
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
    if BRACKETS.search(raw):
        outside = folded_words(BRACKETS.sub(" ", raw))
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
