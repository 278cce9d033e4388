"""What an English question asks of a table, by the form of the question. Nothing is guessed: None for unknown forms."""

from __future__ import annotations

import re
from dataclasses import replace

from extagents.tables.templates_ask import Ask, Condition, Operation, number
from extagents.tables.templates_compared import HIGHER, LOWER, changed, compared
from extagents.tables.templates_conditions import (
    COUNT,
    HAVE,
    bare,
    clauses,
    conditions,
    entity_of,
    parted,
    scope_of,
    split_scope,
)
from extagents.tables.templates_each import each
from extagents.tables.templates_words import stem

_MORE_WORDS = (
    r"most expensive|most recently|most recent|highest|largest|biggest|greatest|most|longest|tallest|oldest|latest|newest"
    r"|deepest|heaviest|fastest|best|top|maximum|max|broadest|widest|richest|priciest|youngest|last|farthest|strongest"
)
_LESS_WORDS = (
    r"least expensive|lowest|smallest|least|fewest|shortest|earliest|first|shallowest|lightest|slowest|worst|b"
    r"ottom|minimum|min|narrowest|poorest"
    r"|cheapest|least expensive|weakest"
)
_HINTS = {
    "oldest": ("least", "founded"), "youngest": ("most", "founded"), "most recent": ("most", ""), "most recently": ("most", ""),
    "newest": ("most", "founded"), "most expensive": ("most", "price"), "cheapest": ("least", "price"),
    "priciest": ("most", "price"),
    "least expensive": ("least", "price"), "tallest": ("most", "height"), "deepest": ("most", "depth"),
    "heaviest": ("most", "weight"),
    "fastest": ("most", "speed"), "longest": ("most", ""), "lightest": ("least", "weight"), "slowest": ("least", "speed"),
}  # fmt: skip
_SIZED = frozenset(("largest", "smallest", "biggest"))
_PEOPLED = frozenset(("city", "town", "village", "municipality"))
_BARE = {**dict.fromkeys(_SIZED, "area"), "longest": "length", "shortest": "length"}
"""What is meant where one is said to be it, and nothing more: “Which lake is smallest?”"""
_SUPERLATIVE = re.compile(rf"\b(?P<word>{_MORE_WORDS}|{_LESS_WORDS})\b", re.IGNORECASE)
_LESS = re.compile(rf"(?:{_LESS_WORDS})", re.IGNORECASE)
_DIGITS = re.compile(
    rf"[\s,]*\(?\b(?:(?:rounded )?to |with |give )?(?P<n>{COUNT}) decimal (?:place|digit)s?\b\)"
    r"?",
    re.IGNORECASE,
)
_NOTE = re.compile(
    r"(?:^|(?<=[.?!;,)])\s*|\s*\()(?:and\s+)?(?:please\s+)?(?:leave out|count only|ignore|igno"
    r"ring|exclude|excluding|consider only|use only|only count|skip|skipping|leaving out|count"
    r"ing only|disregard)\b[^.?!()]*?"
    r"\b(?:no|not|any|the|that|without|with|missing)\b[^.?!()]*?\b(?:figures?|values?|data|num"
    r"bers?|entry|entries|it|one|that)\b[^.?!()]*(?:[.?!]|\)|$)",
    re.IGNORECASE,
)
_SAYING = re.compile(
    r"(?<=[.?!])\s+(?:if (?:there (?:is|are)|no|none)\b[^.?!]*|(?:please )?(?:answer|reply|res"
    r"pond|write|say|state|give your answer)\b[^.?!]*"
    r"|an? (?:fall|decrease|decline|drop|rise|increase)\b[^.?!]*|round\b[^.?!]*)[.?!]?",
    re.IGNORECASE,
)
_UNIT_TOLD = re.compile(
    r"\s*\((?:in|as)\s+(?P<unit>[^()]{1,24})\)|(?<=\w),?\s+in\s+(?P<plain>km|sq km|usd|us doll"
    r"ars|dollars|euros?|percent|%|metres|meters|years)\b(?=[?.]|\s+over|\s+of|$)",
    re.IGNORECASE,
)
_COLLECTION = re.compile(
    r"\s+(?:in|of|from|across|within|over)\s+(?:this|the|these|our|my|your|all|all the|all of "
    r"the)\s+(?:whole\s+|entire\s+|given\s+)?(?:collections?|corpus|documents?|data ?sets?|arc"
    r"hive|files?|papers?|input|texts?|filings)\b",
    re.IGNORECASE,
)
_ALL = r"(?:all|every|each|any)(?: one)?(?: of)?(?: the| these| those)?"


def parse(question: str) -> Ask | None:
    """The question taken apart; None where its form is not known."""
    text = " ".join(question.split())
    digits = None
    if match := _DIGITS.search(text):
        digits = number(match["n"])
        text = text[: match.start()] + text[match.end() :]
    text = _NOTE.sub(" ", _SAYING.sub("", text))
    unit = ""
    if match := _UNIT_TOLD.search(text):
        unit = match["unit"] or match["plain"] or ""
        text = text[: match.start()] + text[match.end() :]
    text = _COLLECTION.sub("", " ".join(text.split())).strip(" .?!")
    for form in (changed, compared, each, each, _counted, _shared, _computed, _ranked, _listed, _asked_yes, _looked_up):
        found = form(text)
        if found is not None:
            return replace(found, digits=digits, unit=unit)
    return None


def _counted(text: str) -> Ask | None:
    outer, rest = split_scope(text)
    rest = re.sub(r",?\s+(?:are there|there are|exist)\s*$", "", rest, flags=re.IGNORECASE)
    match = re.match(
        r"^(?:in total,?\s+|altogether,?\s+)?(?:how many|count|what is the (?:number|count) of|giv"
        r"e the number of)\s+(?P<rest>.+)$",
        rest,
        re.IGNORECASE,
    )
    if match is None:
        return None
    body = re.sub(r",?\s+(?:are there|in total|altogether|in all|overall|exist)\b", "", match["rest"], flags=re.IGNORECASE)
    if distinct := re.match(
        r"(?:different|distinct|unique)\s+(?P<phrase>[\w -]+?)(?:\s+(?:are|do|does|is|appear|occur"
        r"|can)\b.*)?$",
        body,
        re.IGNORECASE,
    ):
        return Ask("count", groups=bare(distinct["phrase"]), scope=scope_of(outer)[0])
    noun, clause = parted(body)
    if re.match(r"do(?:es)?\s+|did\s+", clause, re.IGNORECASE):
        named = re.match(
            r"(?:do|does|did)\s+(?P<name>.+?)\s+(?:have|has|employ|own|operate|list|sell|run|hold|repo"
            r"rt|serve|count)\b.*$",
            clause,
            re.IGNORECASE,
        )
        if named is not None and re.match(r"(?:the\s+)?[A-Z0-9]", named["name"]):
            return Ask("value", phrase=f"number of {noun}", names=(bare(named["name"]),))
    scope, tested, entity = clauses(noun, clause)
    if doing := _DOING.match(body):
        return Ask("count", entity=entity_of(doing["noun"]), scope=(Condition("", "is", (bare(doing["value"]),)),))
    return Ask("count", entity=entity or scope_of(outer)[1], scope=(*scope_of(outer)[0], *scope, *tested))


def _shared(text: str) -> Ask | None:
    outer, rest = split_scope(text)
    if outer and (
        told := re.match(
            r"^(?:what|which) (?:percentage|percent|share|proportion|fraction)(?: of (?:them|these|tho"
            r"se))?\s+(?P<clause>(?:are|is|have|has|had|were|was|list|report|give|employ)\b.+)$",
            rest,
            re.IGNORECASE,
        )
    ):
        scope, noun = scope_of(outer)
        _, tested, _ = clauses("", told["clause"])
        return Ask("percent", entity=noun, scope=scope, tested=tested) if tested else None
    match = re.match(
        r"^(?:what|which)(?: is the| was the)?\s+(?:percentage|percent|share|proportion|fraction|p"
        r"er cent)\s+of\s+(?P<rest>.+)$",
        rest,
        re.IGNORECASE,
    )
    if match is None:
        return None
    noun, clause = parted(match["rest"])
    if not clause:
        found, left = conditions(match["rest"])
        if not found:
            return None
        return Ask("percent", entity=entity_of(left), scope=(*scope_of(outer)[0], *found[:-1]), tested=found[-1:])
    scope, tested, entity = clauses(noun, clause)
    return Ask("percent", entity=entity, scope=(*scope_of(outer)[0], *scope), tested=tested) if tested else None


_AGGREGATE = re.compile(
    r"^(?:what(?:'s| is| was| are| were| would be)|how (?:large|big|high|much|long) (?:is|was|"
    r"are)|give|compute|calculate|find)\s+(?:the\s+)?(?:unweighted\s+|simple\s+|arithmetic\s+)"
    r"?"
    r"(?P<word>sum total|sum|grand total|total|combined|average|mean|median|aggregate|cumulati"
    r"ve)\b\s*(?:value\s+|figure\s+)?(?:of\s+)?(?:the\s+)?(?P<rest>.+)$",
    re.IGNORECASE,
)
_OVER = re.compile(
    r"\s+(?:over|across|of|for|among|in|by|at|reported by|held by)\s+(?=(?:all|these|those|eve"
    r"ry|each|our|companies|firms|countries|profiles)\b|the\s+(?:[\w-]+\s+){0,3}?[\w-]{2,}s\b)",
    re.IGNORECASE,
)
_WITHIN = re.compile(
    r"(?P<phrase>(?:number of )?[a-z][\w-]*(?:\s[a-z][\w-]*)?)\s+(?:(?P<in>in)|of|for)\s+(?:the\s+)?"
    r"(?P<value>[A-Z][\w&.'-]*(?:\s[A-Z][\w&.'-]*)*)"
    r"(?:\s+(?P<noun>department|region|sector|industry|category|team|division|segment|country|city|district|province))?$"
)
"""“salary in Engineering”, “salary of the Legal department”."""
_PLAIN_SUM = re.compile(r"what(?:'s| is)\s+the\s+(?:total|sum of the|combined)\s+[a-z-]+(?:\s[a-z-]+)?", re.IGNORECASE)
_WORD = {"average": "average", "mean": "average", "median": "median"}


def _computed(text: str) -> Ask | None:
    outer, rest = split_scope(text)
    if joined := re.match(
        r"^how (?:many|much)\s+(?P<phrase>.+?)\s+(?:do|does|did|are|have)\s+(?P<scope>(?:all|the|t"
        r"hese).+?)\s+(?:have\s+|employ\s+|report\s+|hold\s+|earn\s+)?(?:in total|altogether|combi"
        r"ned|together|in all)$",
        rest,
        re.IGNORECASE,
    ):
        scope, left = conditions(joined["scope"])
        return Ask("sum", entity=entity_of(left), phrase=bare(joined["phrase"]), scope=scope)
    match = _AGGREGATE.match(rest)
    if match is None:
        return None
    word = match["word"].lower()
    operation: Operation = "average" if word in ("average", "mean") else "median" if word == "median" else "sum"
    body = match["rest"]
    parts = over_split(body)
    for phrase, scope_text in parts:
        scope, left = conditions(scope_text)
        return Ask(operation, entity=entity_of(left), phrase=bare(phrase), scope=(*scope_of(outer)[0], *scope))
    if outer:
        scope, noun = scope_of(outer)
        return Ask(operation, entity=noun, phrase=bare(body), scope=scope)
    if named := re.match(r"(?P<phrase>.+?)\s+of\s+(?P<one>[A-Z][^,]*?)(?:,\s*[A-Z][^,]*?)*,?\s+and\s+(?P<last>[A-Z].*)$", body):
        names = re.split(r",\s*(?:and\s+)?|\s+and\s+", body[named.start("one") :])
        return Ask(operation, phrase=bare(named["phrase"]), names=tuple(bare(name) for name in names if name))
    if inside := _WITHIN.match(body):
        noun = inside["noun"] or ""
        if not inside["in"] and not noun:
            return None  # “the total area of Norway” is one row's
        where = Condition(noun, "like" if noun else "is", (inside["value"],))
        return Ask(operation, phrase=bare(inside["phrase"]), scope=(*scope_of(outer)[0], where))
    if operation == "sum" and _PLAIN_SUM.fullmatch(rest):
        return Ask(operation, phrase=bare(body))
    if re.search(r"\b(?:of|at|in|for)\s+(?:the\s+)?[A-Z][a-z]|(?:19|20)\d\d|'s\b", body) or (
        operation == "sum" and not re.match(r"number\b", body)
    ):
        return None  # “the total assets” of one balance sheet are no sum over rows
    return Ask(operation, phrase=bare(body))


def over_split(body: str) -> list[tuple[str, str]]:
    """Where the column's words end and the rows' begin: the last border that leaves a scope, first “over” and “across”."""
    borders = [(match.start(), match.end(), match.group().strip().lower()) for match in _OVER.finditer(body)]
    borders.sort(key=lambda border: (border[2] not in ("over", "across", "among", "reported by", "held by"), border[0]))
    return [(body[:start], body[end:]) for start, end, _ in borders if start > 1]


_RANKED = re.compile(
    r"^(?:(?P<which>which|what|who|name|list|give|find|tell me|show)\b\s*)(?P<body>.*?)$",
    re.IGNORECASE,
)


def _ranked(text: str) -> Ask | None:
    outer, rest = split_scope(text)
    opened = _RANKED.match(rest)
    if opened is None or re.search(r"\bin the (?:year|month|quarter) (?:before|after)\b", rest, re.IGNORECASE):
        return None
    body = opened["body"]
    superlatives = [match for match in _SUPERLATIVE.finditer(body) if not _inside_quotes(body, match.start())]
    superlatives = [match for match in superlatives if not re.search(r"\bat\s+$", body[: match.start()], re.IGNORECASE)]
    if not superlatives:
        return None
    found = superlatives[0]
    word = found["word"].lower()
    most = 1
    before, after = body[: found.start()], body[found.end() :]
    if top := re.match(rf"\s+(?P<n>{COUNT})\b(?!\s+(?:percent|%))", after, re.IGNORECASE):
        most, after = number(top["n"]), after[top.end() :]
    elif top := re.search(rf"\b(?:the\s+)?(?P<n>{COUNT})\b(?P<rest>\s*)", before, re.IGNORECASE):
        most = number(top["n"]) or 1
        before = before[: top.start()] + " " + before[top.end() :]
    way, hint = _HINTS.get(word, ("least" if _LESS.fullmatch(word) else "most", ""))
    operation: Operation = "least" if way == "least" else "most"
    after = re.sub(
        r",?\s*(?:in|by)\s+(?:the\s+)?(?:descending|ascending|decreasing|increasing)\s+order(?:\s+"
        r"of[^,]*)?|,?\s*(?:from|starting with) (?:the )?(?:highest|largest|lowest|smallest)[^,]*$"
        r"|,?\s*(?:ranked|sorted|ordered)(?! by)[^,]*$",
        "",
        after,
        flags=re.IGNORECASE,
    )
    phrase_part, scope_part = after, ""
    if by := re.match(
        r"\s+(?P<noun>[\w -]+?(?:\s+(?:in|with|whose|that|from)\s+.+?)?)\s+(?:by|ranked by|sorted "
        r"by|in terms of|measured by|according to)\s+(?:the\s+|their\s+|its\s+)?(?P<phrase>.+)$",
        after,
        re.IGNORECASE,
    ):
        scope, left = conditions(f"{before} {by['noun']}")
        return Ask(
            operation,
            entity=entity_of(_trim_asking(left)),
            phrase=bare(by["phrase"]),
            scope=(*scope_of(outer)[0], *scope),
            most=most,
        )
    for phrase, scope_text in over_split(after):
        phrase_part, scope_part = phrase, scope_text
        break
    scope_before, left_before = conditions(_trim_asking(before))
    scope_after, left_after = conditions(scope_part)
    tail, phrase = conditions(phrase_part)
    phrase = re.sub(r"\s+(?:value|figure|among them|overall|of all|at all|each)$", "", bare(phrase), flags=re.IGNORECASE)
    scope = (*scope_of(outer)[0], *scope_before, *scope_after, *tail)
    entity = scope_of(outer)[1] if outer else entity_of(f"{_trim_asking(left_before)} {left_after}")
    verb = re.search(
        r"\b(?:was|were|is|are)\s+(?P<verb>founded|established|incorporated|born|created|built|pub"
        r"lished|released|opened|launched|filed|signed|issued|formed)\s+(?:the\s+)?$",
        before,
        re.IGNORECASE,
    )
    if verb is None and word in ("first", "last", "earliest", "latest", "most recently") and not after.strip():
        verb = re.search(r"\b(?:was|were)\s+(?P<verb>[a-z]+ed)\s+(?:the\s+)?$", before)
    if verb is not None:
        noun = entity_of(_trim_asking(before[: verb.start()])) if not scope else entity
        return Ask(operation, entity=noun, phrase=verb["verb"], scope=scope, most=most)
    if re.search(r"\b(?:employs?|employed)\s+(?:the\s+)?$", before, re.IGNORECASE):
        phrase = "employees"
    elif (hint and not phrase) or (
        hint and entity and set(phrase.lower().split()) <= {entity, entity + "s", "one", "company", "firm"}
    ):
        phrase = hint
    if re.search(r"\b(?:total|combined|average|mean|median)\b", phrase, re.IGNORECASE) and _grouping(before):
        return None
    if grouped := _grouping_count(before, phrase, entity):
        return Ask(operation, entity=entity, groups=grouped, scope=scope, most=most)
    if not phrase and not after.strip() and re.search(r"\b(?:is|was|are|were)\s+(?:the\s+)?$", before):
        phrase = "population" if entity in _PEOPLED and word in _SIZED else _BARE.get(word, "")
    if not phrase:
        return None
    if hint and not entity:  # “the oldest library”: of the libraries the one founded first
        hinted = Ask(operation, entity=entity_of(phrase), phrase=hint, scope=scope, most=most)
        return Ask(operation, phrase=phrase, scope=scope, most=most, otherwise=hinted)
    counted = re.sub(r"^number of\s+", "", phrase, flags=re.IGNORECASE)
    words = counted.lower().split()
    of_rows = (
        not outer and most == 1 and word in ("most", "fewest", "least") and len(words) < 3 and words[-1:] != [stem(words[-1])]
    )
    as_groups = (
        Ask(operation, entity=" ".join([*words[:-1], stem(words[-1])]), groups=entity, scope=scope)
        if of_rows and entity and "|" not in entity
        else None
    )
    return Ask(operation, entity=entity, phrase=phrase, scope=scope, most=most, otherwise=as_groups)


def _trim_asking(text: str) -> str:
    """A subject without the words around it: “one of the companies has the” → “companies”."""
    text = re.sub(
        r"^\s*(?:are\s+|is\s+|were\s+)?(?:me\s+)?(?:one|ones)?\s*(?:of\s+)?(?:the\s+)?(?:top\s+)?",
        "",
        text,
        flags=re.IGNORECASE,
    )
    return re.sub(
        rf"\s*\b(?:{HAVE}|with|having|achieved|reached|saw)\b\s*(?:the)?\s*$|\s+the\s*$", "", text, flags=re.IGNORECASE
    )


def _grouping(before: str) -> bool:
    return bool(
        re.match(
            r"\s*(?:sector|industry|region|country|category|city|continent|type|currency|department|ye"
            r"ar)\b",
            before,
            re.IGNORECASE,
        )
    )


def _grouping_count(before: str, phrase: str, entity: str) -> str:
    """“which sector has the most companies”: the words of the column to group by; "" where nothing is grouped."""
    if not _grouping(before) or not re.fullmatch(
        r"(?:number of )?(?:companies|firms|profiles|countries|documents|entries|organi[sz]ations|"
        r"filings|reports)",
        phrase,
        re.IGNORECASE,
    ):
        return ""
    return entity


def _inside_quotes(text: str, at: int) -> bool:
    return text[:at].count('"') % 2 == 1 or text[:at].count("“") > text[:at].count("”")


_DOING = re.compile(
    r"^(?P<noun>[a-z-]+(?:\s[a-z-]+)?s|people|staff)\s+(?:that\s+|who\s+)?(?P<verb>(?!(?:in|at|of|by|with|from|on|for|to|is|are|was|were|and|or)\b)[a-z]+(?<!ed))\s+"
    r"(?:(?:in|at|for|on|from|under|as|with)\s+)?(?:the\s+)?(?P<value>[A-Z0-9][\w&.+ -]*)$"
)
"""“employees speak Chinese”, “servers run Ubuntu”: a value of whatever column has it."""


def _listed(text: str) -> Ask | None:
    outer, rest = split_scope(text)
    match = re.match(
        r"^(?:which|what|who|list|name|give|show|find|enumerate)\s+(?:me\s+)?(?:ones?\s+)?(?:are\s"
        rf"+(?=the\b))?(?P<body>(?:the names of\s+)?(?:{_ALL}\s+|all\s+)?.+)$",
        rest,
        re.IGNORECASE,
    )
    if match is None:
        return None
    body = re.sub(
        r"^(?:the names of|every one of|each of|all of|all|every|each)\s+", "", match["body"].strip(), flags=re.IGNORECASE
    )
    noun, clause = parted(body)
    if re.match(r"(?:is|was|are|were)\b", body, re.IGNORECASE) and re.match(r"^(?:what|who)", rest, re.IGNORECASE):
        return None
    scope, tested, entity = clauses(noun, clause)
    every = (*scope_of(outer)[0], *scope, *tested)
    if doing := _DOING.match(body):
        return Ask("list", entity=entity_of(doing["noun"]), scope=(Condition("", "is", (bare(doing["value"]),)),))
    return Ask("list", entity=entity or scope_of(outer)[1], scope=every) if every else None


def _asked_yes(text: str) -> Ask | None:
    if match := re.match(r"^(?:is|are) there\s+(?:any|an?|at least one)\s+(?P<rest>.+)$", text, re.IGNORECASE):
        found, left = conditions(match["rest"])
        return Ask("any", entity=entity_of(left), scope=found) if found else None
    if match := re.match(r"^(?:do|does|is|are|has|have)\s+any\s+(?:of\s+)?(?:the\s+)?(?P<rest>.+)$", text, re.IGNORECASE):
        noun, clause = parted(match["rest"])
        scope, tested, entity = clauses(noun, clause)
        return Ask("any", entity=entity, scope=(*scope, *tested)) if tested or scope else None
    if match := re.match(
        rf"^(?:does|did|do)\s+(?P<a>[A-Z].*?)\s+(?:have|report|employ|show)\s+(?:an?\s+)?{HIGHER}\s"
        r"+(?P<phrase>.+?)\s+than\s+(?P<b>.+)$",
        text,
        re.IGNORECASE,
    ) or re.match(
        rf"^(?:is|was|are|were)\s+(?:the\s+)?(?P<phrase>.+?)\s+of\s+(?P<a>.+?)\s+{HIGHER}\s+than\s"
        r"+(?:that of\s+)(?P<b>.+)$",
        text,
        re.IGNORECASE,
    ):
        below = match["way"].lower() in LOWER
        return Ask(
            "any",
            phrase=bare(match["phrase"]),
            names=(bare(match["a"]), bare(match["b"])),
            groups="below" if below else "above",
        )
    if match := re.match(
        r"^(?:does|did|has|have)\s+(?P<a>[A-Z].*?)\s+(?P<rest>(?:have|employ|list|include|report)\s"
        r"+.+)$",
        text,
    ):
        found, _ = conditions(match["rest"])
        return Ask("any", names=(bare(match["a"]),), scope=found) if found else None
    return None


def _looked_up(text: str) -> Ask | None:
    if re.search(r"\b(?:before|after|when|while|since|until)\b", text, re.IGNORECASE):
        return None
    for pattern in (
        r"^(?i:what|which|who)(?:'s| is| was| are| were)\s+(?:the\s+)?(?P<phrase>.+?)\s+(?:of|for|"
        r"at)\s+(?P<name>(?:the\s+)?[A-Z0-9].*)$",
        r"^(?i:what|which|who)(?:'s| is| was| are| were)\s+(?P<name>[A-Z].*?)(?:'s|’s|s')\s+(?P<phrase>.+)$",
        r"^(?P<phrase>[Ww]here)\s+(?:is|are)\s+(?P<name>[A-Z].*?)\s+(?P<verb>headquartered|based|located)$",
        r"^(?P<phrase>[Ww]hen)\s+(?:was|were)\s+(?P<name>[A-Z].*?)\s+(?P<verb>founded|established|"
        r"incorporated|born|created|built|published)$",
    ):
        if match := re.match(pattern, text):
            fields = match.groupdict()
            return Ask("value", phrase=bare(fields.get("verb") or fields["phrase"]), names=(bare(fields["name"]),))
    return None
