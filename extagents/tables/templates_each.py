"""English questions for what each row has, for each group's figure, and for all rows in an order."""

from __future__ import annotations

import re
from dataclasses import replace

from extagents.tables.templates_ask import Ask, Operation
from extagents.tables.templates_conditions import bare, conditions, entity_of

_ALL = r"(?:(?:all|every|each)(?:\s+of)?(?:\s+(?:the|these|those|our))?|the|these|those|our|my)"
_SHOW = r"(?:list|show|give|name|enumerate|print|display|tabulate|tell me|get)(?:\s+(?:me|us))?"
_BESIDE = r"(?:,?\s+(?:together\s+with|along\s+with|with|including|and(?:\s+also)?|plus))"
_WITH = re.compile(
    rf"^{_SHOW}\s+(?:{_ALL}\s+)?(?P<noun>[^,]+?){_BESIDE}\s+(?:for\s+each\s+)?(?P<shown>(?:their|its|the|his|her|what|when|where"
    r"|how|who)\b.+)$",
    re.IGNORECASE,
)
_OF_EACH = re.compile(
    rf"^(?:(?:what|who|which)\s+(?:is|are|was|were)|what's|{_SHOW})\s+(?:the\s+)?(?P<shown>[^,]+?(?:,[^,]+?)*?)\s+(?:of|for|in|at)\s+"
    r"(?:each|every|all)(?:\s+(?:of\s+)?(?:the|these|those))?(?:\s+individual)?\s+(?P<noun>.+)$",
    re.IGNORECASE,
)
_DO_EACH = re.compile(
    r"^how\s+(?:many|much)\s+(?P<shown>[\w -]+?)\s+(?:does|do|did|has|have)\s+(?:each|every)(?:\s+of\s+(?:the|these))?\s+"
    r"(?P<noun>[\w -]+?)(?:\s+(?:have|has|own|hold|contain|offer|employ|get|include|list))?$",
    re.IGNORECASE,
)
_ALL_OF_THEM = re.compile(
    rf"^(?:{_SHOW}\s+(?:all|every)(?:\s+(?:of\s+)?(?:the|these|our))?\s+(?P<noun>[a-z-]+(?:\s[a-z-]+)?)|(?:which|what)\s+(?P<there>[a-z-]+s)"
    r"\s+are\s+there)$",
    re.IGNORECASE,
)
_RANK = re.compile(
    r"^(?:rank|sort|order|arrange|list|show|give)(?:\s+me)?\s+(?:(?:all|every)\s+)?(?:(?:of\s+)?(?:the|these|our)\s+)?(?P<noun>[^,]+?)"
    r",?\s+(?:(?:ranked|sorted|ordered|arranged)\s+)?(?:by|according\s+to|in\s+order\s+of)\s+(?:the\s+|their\s+|its\s+)?(?P<phrase>[^,(]+?)"
    r"(?P<order>[,(]?\s*(?:\b(?:in|with|from|starting|beginning|the|latest|oldest|newest|earliest|largest|highest|lowest|smallest|biggest"
    r"|most|least|cheapest|descending|ascending)\b.*))?$",
    re.IGNORECASE,
)
_UPWARDS = re.compile(
    r"\bascending\b|\bincreasing\b|\b(?:lowest|smallest|oldest|earliest|cheapest|least|fewest|shortest|low|small)\b(?!.*\bascending)",
    re.IGNORECASE,
)
_DOWNWARDS = re.compile(
    r"\bdescending\b|\bdecreasing\b|\b(?:highest|largest|newest|latest|biggest|most|high|large)\b.*\b(?:first|to|down)\b",
    re.IGNORECASE,
)
_PER = re.compile(
    r"^(?P<rest>.+?),?\s+(?:(?:are\s+there\s+)?(?:in|for|of|from|at|within)\s+(?:each|every)|(?:are\s+there\s+)?per|by|grouped\s+by)"
    r"\s+(?!(?:the|day|week|month|year|hour|minute|second|person|head|capita|unit)\b)(?P<per>[\w-]+(?:\s[\w-]+){0,2}?)(?:\s+(?:are\s+there|exist))?$",
    re.IGNORECASE,
)
_PER_HAS = re.compile(
    r"^how\s+many\s+(?P<noun>[\w -]+?)\s+(?:does|do|are|has|have|did)\s+(?:in\s+)?(?:each|every)\s+(?P<per>[\w -]+?)"
    r"(?:\s+(?:have|has|contain|hold|include))?$",
    re.IGNORECASE,
)
_COUNTED = re.compile(
    r"^(?:how\s+many|count|what\s+is\s+the\s+number\s+of|(?:give|show)\s+the\s+number\s+of)\s+(?P<noun>.+)$", re.IGNORECASE
)
_FIGURE = re.compile(
    r"^(?:what(?:'s|\s+is|\s+are|\s+was|\s+were)|give|compute|calculate|find|show|list)\s+(?:me\s+)?(?:the\s+)?(?P<word>average|mean"
    r"|median|total|sum|combined)\s+(?:of\s+(?:the\s+)?)?(?P<phrase>(?:number\s+of\s+)?[\w %/²³-]+?)"
    r"(?:\s+(?:of|for|among|over|across)\s+(?:all\s+)?(?:the\s+)?(?P<noun>[\w -]+))?$",
    re.IGNORECASE,
)
_COMPUTED = re.compile(
    r"\b(?:average|mean|median|total|sum|most|least|fewest|top|bottom"
    r"|(?:high|low|larg|small|bigg|great|long|short|old|new|earli|lat|cheap)est)\b",
    re.IGNORECASE,
)
_SUMS: dict[str, Operation] = {"average": "average", "mean": "average", "median": "median"}
_PARTS = re.compile(r"\s*,\s*(?:and\s+)?|\s+and\s+(?:also\s+)?|\s*&\s*")
_CLAUSE = re.compile(
    r"^(?:the\s+)?(?P<noun>year|date|day|place|city|country|number|amount|price)?\s*"
    r"(?P<how>(?:in\s+)?(?:which|that|when|where|who|how\s+(?:many|much)))?\s*"
    r"(?P<what>[\w -]*?)\s*\b(?:they|it|each|the\s+\w+|he|she)\s+"
    r"(?:(?:was|were|is|are|has|have|had|do|does|did|has\s+been)\b)?\s*(?P<verb>\w+)?$",
    re.IGNORECASE,
)


def each(text: str) -> Ask | None:
    """What each row has, a figure for each group, or all rows in an order."""
    for form in (_grouped, _ordered, _beside):
        found = form(text)
        if found is not None:
            return found
    return None


def _grouped(text: str) -> Ask | None:
    if match := _PER_HAS.match(text):
        noun = entity_of(match["noun"])
        as_rows = Ask("count", entity=noun, per=bare(match["per"]))
        shown = Ask("list", entity=entity_of(match["per"]), shown=(f"number of {bare(match['noun'])}",))
        return replace(shown, otherwise=as_rows)
    match = _PER.match(text)
    if match is None:
        return None
    per = bare(match["per"])
    if re.search(r"\bby\s+\S*(?<!s)s$", text):  # “by companies” are rows, “by country” are groups
        return None
    if counted := _COUNTED.match(match["rest"]):
        scope, left = conditions(counted["noun"])
        return Ask("count", entity=entity_of(left), scope=scope, per=per)
    if figure := _FIGURE.match(match["rest"]):
        scope, left = conditions(figure["noun"] or "")
        operation: Operation = _SUMS.get(figure["word"].lower(), "sum")
        return Ask(operation, entity=entity_of(left), phrase=bare(figure["phrase"]), scope=scope, per=per)
    return None


def _ordered(text: str) -> Ask | None:
    match = _RANK.match(text)
    if match is None:
        return None
    order = match["order"] or ""
    if re.search(r"\d|ed$|\b(?:written|made|led|run|owned|sold|built)$", match["noun"]) or re.search(
        r"\b(?:top|bottom|most|highest|largest|lowest|smallest)\b", match["noun"]
    ):
        return None
    upwards = bool(_UPWARDS.search(order)) and not _DOWNWARDS.search(order)
    scope, left = conditions(match["noun"])
    return Ask("least" if upwards else "most", entity=entity_of(left), phrase=bare(match["phrase"]), scope=scope, most=0)


def _beside(text: str) -> Ask | None:
    match = _WITH.match(text) or _OF_EACH.match(text) or _DO_EACH.match(text)
    if match is not None:
        scope, left = conditions(match["noun"])
        shown = tuple(part for told in _PARTS.split(match["shown"]) if (part := _column_words(told)))
        noun = entity_of(left)
        if not shown or not noun or _COMPUTED.search(match["shown"]):
            return None
        return Ask("list", entity=noun, scope=scope, shown=shown)
    if match := _ALL_OF_THEM.match(text):
        return Ask("list", entity=entity_of(match["noun"] or match["there"]))
    return None


def _column_words(told: str) -> str:
    """What a part of the list calls its column: “the year they were opened” → “year opened”."""
    if match := _CLAUSE.match(told.strip()):
        noun = match["noun"] or ("number of" if re.search(r"many|much", match["how"] or "", re.IGNORECASE) else "")
        words = " ".join(part for part in (noun, match["what"], match["verb"]) if part)
        return bare(re.sub(r"\b(?:have|has|had)$", "", words, flags=re.IGNORECASE))
    return bare(re.sub(r"^(?:when|where|what|who|how (?:many|much))\s+", "", re.sub(r"^(?:his|her)\s+", "", told.strip())))
