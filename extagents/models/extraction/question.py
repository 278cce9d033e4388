"""What a question asks for: the type of its answer, its terms and how much each counts, its names, its options."""

from __future__ import annotations

import math
import re
from dataclasses import dataclass

from extagents.models.extraction.lexicon import (
    AUXILIARIES,
    COPULAS,
    FOCUS_END,
    FOCUS_TYPES,
    RELATED,
    STOP,
    STOP_ZH,
    ZH_WH,
)
from extagents.models.extraction.names import names_in
from extagents.models.extraction.vocabulary import Needle, Vocabulary
from extagents.text import is_cjk
from extagents.types import AnswerType

_WORD = re.compile(r"[\w.+#-]*\w[+#]*", re.UNICODE)
_WH = re.compile(r"\b(who|whom|whose|what|which|when|where|why|how)\b", re.IGNORECASE)
_YES_NO = re.compile(
    r"^\W*(?:(?:and|so|but|then),?\s+)?(?:is|are|was|were|do|does|did|has|have|had|can|could|will|would|should"
    r"|may)\b(?!.*\bor not what\b)",
    re.IGNORECASE,
)
_YES_NO_ZH = re.compile(r"是否|是不是|有没有|能否|会不会|吗[？?]?\s*$|(?<![什怎那这多])么[？?]\s*$")
_OPTIONS = re.compile(r"\bor\b", re.IGNORECASE)
_EXPLAIN = re.compile(
    r"^\W*(?:why\b|how (?:do|does|did|can|could|is|are|was|were|to|should|would|come)\b|explain|describe|summari[sz]e"
    r"|tell me about"
    r"|what (?:does|do|did) .{1,80}\b(?:do|mean|return|happen|say)\b\W*$|what happens\b|what is (?:the )?(?:purpose"
    r"|difference|meaning)\b)"
    r"|为什么|为何|怎么|怎样|如何|解释|描述|概述|总结|说明",
    re.IGNORECASE,
)
_MANY = re.compile(r"\bhow (?:many|much|old|tall|long|far|high|big|large|deep|wide|fast|often|heavy)\b", re.IGNORECASE)
_MAX_TERMS = 40


@dataclass(frozen=True, slots=True)
class Term:
    """A word of the question: its weight (rarity), how near it stands to the question word (1 next to it), how to find it."""

    word: str
    weight: float
    head: float
    needles: tuple[Needle, ...]
    named: bool = False


@dataclass(frozen=True, slots=True)
class Question:
    """A question, analysed. `focus` is the noun that the question word asks about ("city" of "which city"), lowered.

    `steps` are the other nouns that say what has to be found on the way, with their types ("country" in "who leads the
    country where X lies").
    """

    text: str
    lower: str
    chinese: bool
    answer_type: AnswerType
    terms: tuple[Term, ...]
    names: tuple[str, ...]
    focus: str
    explains: bool
    options: tuple[str, ...]
    yes_no: bool
    role: str
    total: float
    steps: tuple[tuple[str, AnswerType], ...] = ()


def detect_type(text: str, *, given: AnswerType = "text") -> AnswerType:
    """The kind of thing that answers the question; `given` stands where it says more than "text"."""
    if given != "text":
        return given
    lower = text.lower()
    if any(is_cjk(char) for char in text):
        return _detect_chinese(text)
    if _YES_NO.match(text) and not _comparing_options(text):
        return "yes_no"
    if _EXPLAIN.search(text):
        return "text"
    first = question_word(text)
    word = first.group().lower() if first else ""
    rest = lower[first.end() :] if first else ""
    if word == "how" and _MANY.match("how" + rest):
        return "number"
    if word == "when" or re.match(r"\s+time\b", rest):
        return "date"
    if word in ("who", "whom", "whose"):
        return "person"
    if word == "where":
        return "place"
    focus = focus_of(text)
    if re.search(r"(?:ologist|ist|ician|arian|wright|smith)s?$", focus):
        return "person"
    for part in reversed(focus.split()):
        for form in (part, _singular(part)):
            if form in FOCUS_TYPES:
                return FOCUS_TYPES[form]
    if re.search(r"\b(?:list|name all|which ones|what are (?:the|all))\b", lower):
        return "list"
    if not word and (match := re.match(r"\W*name (?:the )?(\w+)", lower)):
        return FOCUS_TYPES.get(match.group(1), "name")
    return "name" if word == "which" else "text"


def question_word(text: str) -> re.Match[str] | None:
    """The word that asks: the first one where the question begins with it, else "what", else one that ends the question,
    else "which" after a verb or preposition, else the first; "who" and "which" inside a question are mostly relative."""
    found = list(_WH.finditer(text))
    if not found:
        return None
    if re.fullmatch(
        r"\W*(?:(?:in|on|at|to|from|for|by|of|with|under|during|about|and|so|after|before)\s+)?(?:the\s+)?",
        text[: found[0].start()],
        re.IGNORECASE,
    ):
        return found[0]
    whats = [match for match in found if match.group().lower() in ("what", "how")]
    if whats:
        return whats[-1]
    if re.fullmatch(r"[\W]*", text[found[-1].end() :]):
        return found[-1]
    for match in found:
        if match.group().lower() == "which" and re.match(
            r"\s+(?!is\b|was\b|are\b|were\b|has\b|had\b|have\b|did\b)\w", text[match.end() :]
        ):
            return match
    starts = [match for match in found if re.search(r"[.,;:]\s*$", text[: match.start()])]
    return starts[0] if starts else found[0]


def _detect_chinese(text: str) -> AnswerType:
    if _YES_NO_ZH.search(text):
        return "yes_no"
    for pattern, kind in ZH_WH:
        if re.search(pattern, text):
            return kind
    return "text"


def _comparing_options(text: str) -> bool:
    return bool(re.search(r"\b(?:which|who|what)\b", text, re.IGNORECASE)) and bool(_OPTIONS.search(text))


_NAMING = re.compile(
    r"(?:is|was|are|were)\s+the\s+(?:full |real |first |last |birth )?(?:name|title|type|kind|part)s?\s+of\s+(?:the\s+)?"
)
_VERBS = re.compile(
    r"(?:\w{2,}ed|plays?|has|includes?|contains?|appears?|flows?|shares?|won|wins?|wrote|writes?|sang|sings?|led|leads?"
    r"|became|raises?|raise"
    r"|returns?|stars|came|comes|hit|holds?|held|made|makes?|gave|gives?|took|takes?|dropped|lies|serves?|built"
    r"|implements?|provides?|defines?)"
)


def focus_of(text: str) -> str:
    """The noun phrase that the question word asks about, lowered, at most five words; "" where there is none."""
    asking = question_word(text)
    if asking is not None and asking.group().lower() == "how":
        counted = re.match(
            r"\s+(?:many|much)\s+((?:[\w-]+\s+){0,2}?[\w-]+)(?=\s+(?:\w+ed|are|is|was|were|did|do|does|have|has|had|can"
            r"|of|in|per)\b|\W*$)",
            text.lower()[asking.end() :],
        )
        return counted.group(1) if counted else ""
    if asking is None or asking.group().lower() not in ("what", "which", "who", "whose"):
        match = re.match(r"\W*(?:list|name|give)\s+(?:the|all)?\s*([\w-]+)", text.lower())
        return match.group(1) if match and asking is None else ""
    rest = text.lower()[asking.end() :].lstrip()
    named = _NAMING.match(rest)
    if named:
        rest = rest[named.end() :]
    words = [match.group() for match in re.finditer(r"[\w'’-]+|[?.,;:]", rest)]
    if words and words[0] in COPULAS:
        words = words[1:]
        if asking.group().lower() != "who" and not (words and words[0] in ("the", "a", "an")):
            return ""
    elif asking.group().lower() == "who":
        return ""
    kept: list[str] = []
    for word, following in zip(words, [*words[1:], ""], strict=False):
        if kept and word.endswith("s") and following in ("the", "a", "an"):
            break  # a verb in the present: "which RFC describes the …"
        if word in ("the", "a", "an") and not kept:
            continue
        if not word[0].isalnum() or word in FOCUS_END or word in COPULAS or len(kept) == 5 or (kept and _VERBS.fullmatch(word)):
            break
        kept.append(word)
    for size in range(len(kept), 0, -1):
        if kept[size - 1] in FOCUS_TYPES or _singular(kept[size - 1]) in FOCUS_TYPES:
            return " ".join(kept[:size])
    return " ".join(kept)


def _singular(noun: str) -> str:
    if noun.endswith("ies"):
        return noun[:-3] + "y"
    return noun[:-1] if noun.endswith("s") and not noun.endswith("ss") else noun


def analyse(text: str, vocabulary: Vocabulary, *, answer_type: AnswerType = "text") -> Question:
    """Takes a question apart. Bounded: at most 40 terms of the first 4,000 characters count."""
    text = " ".join(text[:4000].split())
    lower = text.lower()
    chinese = any(is_cjk(char) for char in text)
    kind = detect_type(text, given=answer_type)
    names = tuple(dict.fromkeys(name.text for name in names_in(text, question=True)))
    wh = question_word(text)
    words = _content_words(text)
    anchor = _anchor(text, wh, words)
    named_spans = [(n.start, n.end) for n in names_in(text, question=True)]
    terms: dict[str, Term] = {}
    for position, (word, at) in enumerate(words):
        key = vocabulary.key(word) if not is_cjk(word[0]) else word
        weight = vocabulary.weight(word)
        head = math.exp(-abs(position - anchor) / 2.0)
        named = any(start <= at < end for start, end in named_spans)
        needles = [vocabulary.needle(word)]
        needles.extend(vocabulary.needle(other, 0.7) for other in RELATED.get(word, ()) if not named)
        if key not in terms:
            terms[key] = Term(word, weight, head, tuple(needles), named)
        if len(terms) >= _MAX_TERMS:
            break
    found = tuple(terms.values())
    yes_no = kind == "yes_no"
    return Question(
        text=text,
        lower=lower,
        chinese=chinese,
        answer_type=kind,
        terms=found,
        names=names,
        focus="" if chinese else focus_of(text),
        explains=bool(_EXPLAIN.search(text)),
        options=() if chinese else options_in(text),
        yes_no=yes_no,
        role="" if chinese else _role(text),
        total=sum(term.weight for term in found) or 1.0,
        steps=() if chinese else _steps(lower, focus_of(text)),
    )


def _steps(lower: str, focus: str) -> tuple[tuple[str, AnswerType], ...]:
    """The nouns of a question that name a kind of thing, but for the one that is asked about."""
    asked = focus.split()[-1:]
    found: dict[str, AnswerType] = {}
    for word in re.findall(r"[a-z]+", lower):
        noun = word if word in FOCUS_TYPES else _singular(word)
        if noun not in FOCUS_TYPES:
            continue
        if asked and word == asked[0]:
            asked = []  # asked about once; named again it is a step ("which county borders the county in which …")
            continue
        found.setdefault(noun, FOCUS_TYPES[noun])
    return tuple(found.items())


def _role(text: str) -> str:
    """Whether the subject of a clause is asked for ("who wrote X") or its object ("what did X write"); "" if unclear."""
    asking = question_word(text)
    if asking is None or text[: asking.start()].strip():
        return "object" if asking is not None and not text[asking.end() :].strip(" ?.") else ""
    rest = re.findall(r"[\w'’-]+", text.lower()[asking.end() :])
    focus = focus_of(text).split()
    if asking.group().lower() in ("what", "which", "whose") and focus and rest[: len(focus)] == focus:
        rest = rest[len(focus) :]
    if not rest or asking.group().lower() in ("when", "where", "how"):
        return ""
    if rest[0] in ("did", "do", "does", "can", "could", "will", "would", "should"):
        return "object"
    if rest[0] in AUXILIARIES:
        return "defined" if rest[1:2] and rest[1] in ("the", "a", "an") else ""
    return "subject"


def _content_words(text: str) -> list[tuple[str, int]]:
    words: list[tuple[str, int]] = []
    for match in re.finditer(r"\w+", text):
        raw = match.group().lower()
        if is_cjk(raw[0]) or any(is_cjk(char) for char in raw):
            words.extend(_chinese_grams(raw, match.start()))
        elif raw not in STOP and (len(raw) > 1 or raw.isdigit()):
            words.append((raw, match.start()))
    return words


def _chinese_grams(run: str, at: int) -> list[tuple[str, int]]:
    grams: list[tuple[str, int]] = []
    blocked = [False] * len(run)
    for stop in STOP_ZH:
        start = run.find(stop)
        while start >= 0:
            for i in range(start, start + len(stop)):
                blocked[i] = True
            start = run.find(stop, start + len(stop))
    start = 0
    while start < len(run):
        if blocked[start]:
            start += 1
            continue
        end = start
        latin = not is_cjk(run[start])
        while end < len(run) and not blocked[end] and (not is_cjk(run[end])) == latin:
            end += 1
        part = run[start:end]
        if latin or len(part) == 1:
            grams.append((part, at + start))
        else:
            grams.extend((part[i : i + 2], at + start + i) for i in range(len(part) - 1))
        start = end
    return grams


def _anchor(text: str, wh: re.Match[str] | None, words: list[tuple[str, int]]) -> float:
    """The position among the content words at which the question word stands."""
    if any(is_cjk(char) for char in text):
        match = re.search("谁|哪|什么|何时|何|几|多少|怎", text)
        at = match.start() if match else 0
    else:
        at = wh.start() if wh else 0
    before = sum(1 for _, start in words if start < at)
    return before - 0.5


def options_in(text: str) -> tuple[str, ...]:
    """The two things that a question lets one choose from ("X or Y"), as written; () where it offers none."""
    if not re.search(r"\b(?:which|who|what|whose|when)\b", text, re.IGNORECASE):
        return ()
    joined = re.search(r"\s(or)\s", text)
    if joined is None:
        match = re.search(r"\bbetween\s+([^,?]+?)\s+and\s+([^,?]+?)\s*(?:,|\?|$)", text, re.IGNORECASE)
        return (match.group(1), match.group(2)) if match else ()
    left = text[: joined.start()]
    right = re.split(r"[?,]", text[joined.end() :])[0].strip()
    left = re.split(r"[,:?]", left.rstrip(" ,"))[-1].strip()
    names = [name for name in names_in(left, question=True) if name.end >= len(left) - 1]
    if names:
        left = left[names[0].start :]
    else:
        left = re.sub(
            r"^.*\b(?:first|older|oldest|younger|larger|largest|earlier|later|more|most|is|was|are|were)\s+",
            "",
            left,
            flags=re.IGNORECASE,
        )
    strip = r"^(?:the forming of|the birth of|is|was|the|a|an)\s+"
    return (
        (re.sub(strip, "", left, flags=re.IGNORECASE), re.sub(strip, "", right, flags=re.IGNORECASE)) if left and right else ()
    )
