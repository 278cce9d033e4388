"""Planning and fusing without a model: the question taken apart by its cue words, candidates put together by agreement."""

from __future__ import annotations

import re
from collections.abc import Sequence

from extagents.models.extraction.names import names_in
from extagents.models.extraction.question import detect_type
from extagents.models.extraction.vocabulary import lowered
from extagents.tables.templates import ask_of
from extagents.tables.templates_ask import Ask
from extagents.text import is_cjk
from extagents.types import Candidate, Fused, FusionInput, Kind, Plan, PlannerInput, Turn

_LANGUAGES = r"English|French|German|Spanish|Chinese|Italian|Portuguese|Japanese|Russian|Dutch|Korean|Arabic"
_FORM = re.compile(
    rf"[\s,;.(-]*\b(?:please\s+)?(?P<form>(?:answer|respond|reply|write|give (?:the|your) answer)\s+(?:only\s+)?(?:in"
    rf"|with|as|by|using)\s+[^.?!]{{2,80}}"
    rf"|in (?:one|two|three|a few|at most \w+|\d+) (?:words?|sentences?|lines?|paragraphs?)|as (?:a|an) (?:bulleted "
    rf"|numbered |json |short )?"
    rf"(?:list|table|sentence|json(?: object)?|number|year)|in (?:{_LANGUAGES})\s*(?=[.?!]*$))\s*[.?!)]*\s*$",
    re.IGNORECASE,
)
_FORM_ZH = re.compile(
    r"[，。；？?\s]*(?P<form>(?:请)?(?:用|以)[^，。？?]{1,16}(?:回答|作答|列出|概括)|(?:请)?只(?:回答|给出)[^，。？?]{1,16})[。？?！]*\s*$"
)
_SUMMARY = re.compile(
    r"\b(?:summari[sz]e|summary|overview|what (?:is|was) (?:this|the) (?:document|text|book|meeting|paper) about|main"
    r" (?:points|ideas))\b"
    r"|总结|概述|概括|摘要|主要内容",
    re.IGNORECASE,
)
_AGGREGATE = re.compile(
    r"\bhow many of (?:the|these|those)\b|\b(?:average|mean|median|total|sum|combined)\b.*\b(?:all|every|each|across|these)\b"
    r"|\b(?:in total|altogether|across all|of all the)\b|\blist (?:all|every)\b"
    r"|\bcount\b.*\b(?:all|every)\b|\b(?:top|bottom) \d+\b"
    r"|\bamong (?:all|these|those)\b.*\b(?:most|least|highest|lowest)\b|总共|一共|合计|列出所有|所有.*平均|全部.*多少",
    re.IGNORECASE,
)
_NESTED = re.compile(
    r"['’]s\s+\w+(?:['’]s|\s+(?:of|in))|\b(?:the|a|an)\s+[\w\s-]{2,40}?\s(?:that|which|who|whose|where|in which)\b"
    r"|\bof the\b.*\bof the\b|\b(?:both|same|older|younger|first|more|larger|earlier)\b.*\b(?:and|or)\b"
    r"|的[^的？]{1,12}的[^的？]{1,12}(?:是|在|叫)",
    re.IGNORECASE,
)
_REFERS = re.compile(
    r"\b(?:he|she|it|they|him|her|his|its|their|them|this|that|these|those|there|the (?:same|former|latter))\b|^(?:and"
    r"|but|what about|how about|why|when|where)\b.{0,24}$"
    r"|他|她|它|这|那",
    re.IGNORECASE,
)
_CLAUSE = re.compile(
    r"\s+(?:that|which|who|whose|where|when|whom)\s+|[,;:，；：]\s*|(?:\bof|\bin|\bby|\bfrom) the (?=\w+ (?:that|which|who"
    r"|where|of)\b)"
)
_MOST_QUERIES = 5


def plan(inputs: PlannerInput) -> Plan:
    """The plan of a question. Whatever is typed, there is one: an empty question has an empty core."""
    question = " ".join(inputs.question[:8000].split())
    core, form = _split_form(question)
    core = _resolve(core, inputs.history)
    answer_type = detect_type(core)
    instructions = " ".join(part for part in (inputs.instructions.strip(), form) if part)
    kind = kind_of(core)
    ask = ask_of(core) if kind == "aggregate" else None
    queries = _queries(core) if ask is None else list(dict.fromkeys([*ask.phrases, *_queries(core)]))[:_MOST_QUERIES]
    return Plan(core=core, instructions=instructions, kind=kind, answer_type=answer_type, queries=queries)


def kind_of(core: str) -> Kind:
    """Lookup, multi_hop, aggregate or summary, by cue words."""
    if _SUMMARY.search(core):
        return "summary"
    if _AGGREGATE.search(core):
        return "aggregate"
    ask = ask_of(core)
    if ask is not None and _over_many(ask, core):
        return "aggregate"
    return "multi_hop" if _NESTED.search(core) else "lookup"


_MANY = re.compile(
    r"\b(?:(?:all|every|each|any)(?: one)?(?: of)?(?: the)?|of the|among|across|the|these|thos"
    r"e)\s+(?:[\w-]+\s+){0,3}?[\w-]{3,}(?<!s)s\b",
    re.IGNORECASE,
)
_TWO = re.compile(
    r"\W*(?:which|who)\b[^:,]*?\b(?:has|had|reported|reports)\s+(?:the\s+|an?\s+)(?:higher|low"
    r"er|larger|smaller|greater|bigger|longer|shorter)\s+[^:,]+[:,]\s*[^,]+\bor\b"
    r"|.+(?:和|与|跟)[^，,]+(?:相比|之间|中)?[，,]?(?:哪|谁).*(?:更|较)[高低大小多少]",
    re.IGNORECASE,
)
_COLLECTION = re.compile(
    r"\b(?:in|of|across|over) (?:this|the|these|our|my) (?:whole |entire |given )?(?:collectio"
    r"n|corpus|data ?set|archive|documents|files|filings|reports|profiles)\b"
    r"|(?:本|该|此|这些|上述|所给)(?:资料|文件|文档|语料|档案|数据|材料)",
    re.IGNORECASE,
)
_RANKS = frozenset(("most", "least", "sum", "average", "median", "percent"))


def _over_many(ask: Ask, core: str) -> bool:
    """Whether a question that a table can answer is one over many documents, and not about one passage."""
    if ask.operation in ("difference", "change") or (ask.operation in ("higher", "lower") and _TWO.match(core)):
        return True
    if _COLLECTION.search(core) and not ask.names:
        return True
    if ask.otherwise is not None and ask.operation == "value":
        return True  # “江河省有多少家图书馆”
    if ask.operation == "any" and len(ask.names) == 2:
        return True  # “Does A have more employees than B?”
    if ask.operation in ("value", "higher", "lower") or ask.names:
        return False
    if any(condition.relation == "same" for condition in ask.scope):
        return True
    if ask.shown or ask.per or ask.most == 0:
        return True
    if _of_rows(ask, core):
        return True
    conditions = (*ask.scope, *ask.tested)
    if any(
        condition.relation in ("above", "at_least", "below", "at_most", "between", "told", "untold") for condition in conditions
    ):
        return ask.operation in ("count", "list", "percent", "any") or ask.operation in _RANKS
    if _chinese(core):
        return (
            ask.operation in _RANKS - {"most", "least"}
            or (ask.operation in ("count", "list") and bool(conditions))
            or ask.most > 1
            or (ask.operation in ("most", "least") and bool(ask.scope))
        )
    if any(condition.relation in ("like", "is") and condition.values for condition in ask.scope) and (
        ask.operation in ("sum", "average", "median") or _SEATED.match(core)
    ):
        return True
    if ask.operation in ("sum", "average", "median", "percent"):
        return bool(_MANY.search(core))
    if ask.operation in ("most", "least"):
        return (
            ask.most > 1
            or re.match(r"\W*(?:among|of|across|out of|considering)\b(?! the two\b| these two\b)", core, re.IGNORECASE)
            is not None
        )
    named = any(condition.relation in ("contains", "lacks", "equal") for condition in conditions)
    return (
        named
        and re.search(r"\bof the\b|\bin this collection\b|^\W*(?:list|name) (?:all|every)", core, re.IGNORECASE) is not None
    )


_SEATED = re.compile(
    r"\W*(?:how many|which|what|list(?: all)?(?: the)?)\s+[a-z-]+(?:\s[a-z-]+)?s\s+(?:that\s+)?have\s+their\s", re.IGNORECASE
)
_NAMED = re.compile(r"\b[A-Z][a-z]|[\"“《「]|(?:19|20)\d\d")
_THERE = re.compile(
    r"\W*(?:how many [a-z-]+(?: [a-z-]+)? (?:are there|do we have)"
    r"|(?:list|show|name)(?: me)? (?:all|every)(?: of)?(?: the)? [a-z-]+(?: [a-z-]+)?)\W*",
    re.IGNORECASE,
)
_HOLDING = re.compile(
    r"\W*(?:(?:list|show)(?: me)? all(?: the)?|which|how many)(?: of the)? [a-z-]+(?: [a-z-]+)?s"
    r"(?<! does)(?<! is)(?<! was)(?<! has) (?!(?:do|does|did|was|has|had)\b)[a-z]+(?: (?:in|from|at|the|for|on|with)){0,2}"
    r" [\w&.+-]+(?: [\w&.+-]+)?\W*",
    re.IGNORECASE,
)
_FIRST = re.compile(r"\W*(?:which|who|what)\b(?:\s+[\w%-]+){2,8}\W*", re.IGNORECASE)
_ROWS_ZH = re.compile(
    r"(?:一共|总共|共)?有(?:多少|几)[^\s，,的由被]{2,9}|哪[^，,的由被]{1,8}的[^，,的]{1,10}最[多少高低大小长短早晚].{0,4}"
    r"|[^，,的由被]{1,10}最[多少高低大小长短早晚贵]的[^，,的由被]{0,10}是(?:谁|哪.{0,6})|平均[^，,的]{1,10}(?:是|为|有)多少"
)


def _of_rows(ask: Ask, core: str) -> bool:
    """Whether a short, plain question that names nobody asks how many rows there are, what their mean is, or which is first."""
    if _chinese(core):
        return _ROWS_ZH.fullmatch(core.strip("？?。 ")) is not None
    beyond = re.sub(r"^\W*\w+", "", core)
    if ask.operation in ("count", "list"):
        return _THERE.fullmatch(core) is not None or _HOLDING.fullmatch(core) is not None
    if _NAMED.search(beyond):
        return False
    return ask.operation in ("average", "median", "sum") or (
        ask.operation in ("most", "least") and _FIRST.fullmatch(core) is not None and not _NESTED.search(core)
    )


def _chinese(text: str) -> bool:
    return any(is_cjk(char) for char in text)


def _split_form(question: str) -> tuple[str, str]:
    match = _FORM.search(question) or _FORM_ZH.search(question)
    if match is None or match.start() < 8:
        return question, ""
    core = question[: match.start()].rstrip(" ,;.(-，；")
    return (core if core[-1:] in "?？!." else core + ("？" if is_cjk(core[-1]) else "?")), match.group("form").strip()


def _resolve(core: str, history: Sequence[Turn]) -> str:
    """The question with the subject of the last user turn in front, where it leans on what was said."""
    names = [name.text for name in names_in(core, question=True)]
    if not history or (names and len(core) > 24) or not _REFERS.search(core):
        return core
    for turn in reversed(history):
        if turn.role != "user":
            continue
        before = [name.text for name in names_in(turn.content[:2000], question=True)]
        if before:
            return f"{max(before, key=len)}: {core}"
        if any(is_cjk(char) for char in turn.content):
            return f"{turn.content[:80].rstrip('？?。')}：{core}"
    return core


def _queries(core: str) -> list[str]:
    queries = dict.fromkeys([core] if core else [])
    for name in names_in(core, question=True):
        queries[name.text] = None
    clauses = [part.strip(" ?？.") for part in _CLAUSE.split(core) if part]
    if len(clauses) > 1:
        queries.update(
            dict.fromkeys(part for part in clauses if len(part.split()) > 2 or (part and is_cjk(part[0]) and len(part) > 3))
        )
    return list(queries)[:_MOST_QUERIES]


def _alike(answer: str) -> str:
    words = re.findall(r"\w+", lowered(answer))
    return " ".join(word for word in words if word not in ("a", "an", "the"))


def fuse(inputs: FusionInput) -> Fused:
    """The candidate that most others repeat, then the surest; its answer is kept as it stands."""
    offered = [candidate for candidate in inputs.candidates if candidate.answer.strip()]
    if not offered:
        return Fused(answerable=False, answer="", confidence=0.0, facts=[])

    def worth(candidate: Candidate) -> tuple[float, float, str]:
        same = [other for other in offered if _alike(other.answer) == _alike(candidate.answer)]
        return (float(len(same)), max(other.confidence for other in same), candidate.path)

    best = max(offered, key=worth)
    agreeing = [candidate for candidate in offered if _alike(candidate.answer) == _alike(best.answer)]
    wanted = {fact.id for candidate in agreeing for fact in candidate.facts}
    labels = [number for number, fact in enumerate(inputs.facts, start=1) if fact.id in wanted]
    confidence = min(1.0, max(candidate.confidence for candidate in agreeing) + 0.1 * (len(agreeing) - 1))
    return Fused(answerable=True, answer=best.answer, confidence=confidence, facts=labels)
