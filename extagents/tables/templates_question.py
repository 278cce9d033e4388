"""What an English question asks of a table: the operation, the column's words, the conditions. Nothing is guessed.

Columns are told by the question's own words here (`phrase`); which column they mean is for others to find.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, replace
from typing import Literal

from extagents.tables.templates_words import stem

Operation = Literal[
    "count",
    "list",
    "most",
    "least",
    "sum",
    "average",
    "median",
    "percent",
    "higher",
    "lower",
    "difference",
    "value",
    "any",
    "change",
]
Relation = Literal[
    "above",
    "at_least",
    "below",
    "at_most",
    "between",
    "equal",
    "unequal",
    "contains",
    "lacks",
    "told",
    "untold",
    "is",
    "like",
    "unlike",
    "differs",
]


@dataclass(frozen=True, slots=True)
class Condition:
    """A condition on rows. `phrase` holds the words that tell the column; `is` asks for a yes, or for a value of whatever
    column has it; `like` for a value in words, `equal` for exactly this one.
    """

    phrase: str
    relation: Relation
    values: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Ask:
    """A question taken apart. `entity` is what a row is, then after a bar what else was said of it and not understood.

    `scope` says which rows are spoken of, `tested` what is counted or shared among them.

    `groups` are the words of a column by whose values rows are grouped; `digits` how many decimal places
    are asked for; `against` the words of the column that is taken off `phrase`'s.
    """

    operation: Operation
    entity: str = ""
    phrase: str = ""
    scope: tuple[Condition, ...] = ()
    tested: tuple[Condition, ...] = ()
    names: tuple[str, ...] = ()
    most: int = 1
    digits: int | None = None
    unit: str = ""
    groups: str = ""
    against: str = ""

    @property
    def phrases(self) -> tuple[str, ...]:
        """The words of every column that is needed."""
        conditions = (*self.scope, *self.tested)
        others = [value for condition in conditions if condition.relation == "differs" for value in condition.values]
        groups = "" if self.groups in ("above", "below") else self.groups
        found = [self.phrase, self.against, groups, *(condition.phrase for condition in conditions), *others]
        return tuple(dict.fromkeys(phrase for phrase in found if phrase))


NUMBERS = {
    word: number
    for number, word in enumerate(
        "zero one two three four five six seven eight nine ten eleven twelve thirteen fourteen fifteen".split()
    )
}
_COUNT = r"(?:\d{1,3}|" + "|".join(NUMBERS) + r")"
_UNIT = r"(?:\s?(?:%|percent\b|per cent\b|thousand\b|million\b|billion\b|trillion\b|bn\b|mn\b|m\b|k\b))?"
_MONTH = r"(?:jan|feb|mar|apr|may|jun|jul|aug|sep|oct|nov|dec)[a-z]*\.?"
_DATE = rf"(?:\d{{4}}-\d\d?-\d\d?|\d{{1,2}} {_MONTH},? \d{{4}}|{_MONTH} (?:\d{{1,2}},? )?\d{{4}})"
_AMOUNT = (
    rf"(?:the year )?(?:{_DATE}|(?:us|usd|eur|gbp|cny|rmb|chf|jpy|hk)?\s?[$€£¥]?\s?[-−]?\d[\d,]*(?:\.\d+)?{_UNIT}(?:\s?[$€£¥])?"
    rf"|(?:{'|'.join(NUMBERS)})\b)"
)
_WORDS_AFTER = (
    r"(?P<after>(?:\s+(?!and\b|or\b|but\b|have\b|has\b|with\b|whose\b|is\b|are\b|that\b|in\b|o"
    r"f\b|in\b|per year\b)[a-z][\w/%²³-]*){0,4})"
)
_OF_AFTER = r"(?P<of>\s+(?:in|of)\s+[a-z][\w -]*?(?=$|[,.?]|\s+(?:and|or|but|with|whose|have|has|that)\b))?"
_COMPARED: tuple[tuple[Relation, str], ...] = (
    ("at_least", r"at least|no less than|not less than|no fewer than|not fewer than|a minimum of|no lower than|not below"),
    ("at_most", r"at most|no more than|not more than|up to|a maximum of|no higher than|not above|not exceeding|not over"),
    ("above", r"above|over|(?:more|greater|higher|larger|bigger|longer|older|later|taller|deeper|heavier|faster) than|exceeding"
     r"|exceeds?|in excess of|after|beyond|upwards of|surpass(?:es|ing)?|top(?:s|ping)(?= [$€£¥\d])"),
    ("below", r"below|under|(?:less|fewer|lower|smaller|shorter|younger|earlier|lighter|slower) than|ben"
r"eath|before|prior to|short of"),
    ("at_least", r"since|from(?= \d{4} (?:on|onwards))"),
)  # fmt: skip
_THRESHOLD = re.compile(
    r"(?:\b(?:is|are|was|were|of|being|stands? at|lies)\s+)?\b(?:"
    + "|".join(f"(?P<{relation}_{place}>{words})" for place, (relation, words) in enumerate(_COMPARED))
    + rf")\s+(?P<amount>{_AMOUNT}){_WORDS_AFTER}{_OF_AFTER}",
    re.IGNORECASE,
)
_BETWEEN = re.compile(
    rf"(?:\b(?:is|are|was|were|of)\s+)?\b(?:between|from)\s+(?P<low>{_AMOUNT}(?:\s+[a-z²³]+)?)\s"
    rf"+(?:and|to)\s+(?P<high>{_AMOUNT}){_WORDS_AFTER}{_OF_AFTER}",
    re.IGNORECASE,
)
_OR_MORE = re.compile(
    rf"(?:\b(?:of|is|are|was|were)\s+)?(?P<amount>{_AMOUNT})(?P<unit>(?:\s+[a-z][\w/%²³]*){{0,3"
    r"})\s+or\s+(?P<way>more|less|fewer|above|below|later|earlier|higher|lower|over|under|gre"
    rf"ater|larger)\b{_WORDS_AFTER}",
    re.IGNORECASE,
)
_QUOTE = r"[\"“”„«「『](?P<{0}>[^\"“”„«»「」『』]+)[\"“”»」』]"
_DIFFERS = re.compile(
    r"\bwhose\s+(?P<phrase>(?:(?!\bwhose\b)[^,?.\x00])+?)\s+(?P<one>in (?:19|20)\d\d)\s+(?:is|"
    r"was|were|are)\s+(?:another|different|other|not the same)\s*(?:one\s+)?(?:than|from|as|to"
    r")\s+(?:that\s+)?(?P<other>in (?:19|20)\d\d)",
    re.IGNORECASE,
)
_CLAIM = re.compile(
    r"\b(?:that|which|who)\s+(?P<verb>(?:is|are|was|were|has|have|had)\s+)?(?P<not>not\s+|no\s"
    r"+)?(?P<claim>[^,?.\x00]+?)(?=\s*$|\s*[,?.\x00]|\s+(?:and|but)\b)",
    re.IGNORECASE,
)
_EXACT = re.compile(
    r"(?:\s+(?:entry|value|field|line|column))?\s+(?:is|are|was|were|reads?|equals?|says)\s+(?"
    r"P<not>not\s+)?(?:exactly\s+|equal to\s+|given as\s+|listed as\s+|marked\s+(?:as\s+)?)?" + _QUOTE.format("value"),
    re.IGNORECASE,
)
_IN_YEAR = re.compile(rf"\bin\s+(?P<amount>(?:{_MONTH}\s+)?(?:19|20)\d\d)\b", re.IGNORECASE)
_LISTING = re.compile(
    r"\b(?:(?P<no>do(?:es)? not|don't|doesn't|not)\s+)?(?:lists?|names?|includes?|mentions?|co"
    r"unts?|has|have|with|listing|including|naming)\s+(?:the\s+)?(?P<value>[^,?]+?)\s+(?:among"
    r"|amongst|as (?:one|part) of)\s+"
    r"(?:their|its|the|his|her)\s+(?P<phrase>[^,?.]+)",
    re.IGNORECASE,
)
_AMONG_INCLUDES = re.compile(
    r"\bwhose\s+(?P<phrase>[^,?.]+?)\s+(?P<no>do(?:es)? not\s+)?(?:include|includes|contain|co"
    r"ntains|mention|mentions|list|lists)\s+(?:the\s+)?(?P<value>\"[^\"]+\"|“[^”]+”|[^,?.\x00]"
    r"+?)(?=\s*$|\s*[,?.\x00]|\s+(?:and|but)\s*\x00|\s+(?:and|but)\s+(?:whose|have|has|had|tha"
    r"t|which|who|with|is|are|was|were|lists?|includes?|reports?|employs?|earn)\b)",
    re.IGNORECASE,
)
_LACKING = re.compile(
    r"\b(?:without(?: an?| any)?|(?:have|has|with|report|reports|give|gives) no|(?:do|does) no"
    r"t (?:have|give|report|state|tell|disclose)(?: an?| any| its| their)?)\s+"
    r"(?P<phrase>[^,?.]+?)(?=$|[,?.]|\s+(?:and|but)\s)",
    re.IGNORECASE,
)
_TELLING = re.compile(
    r"\b(?:gives?|states?|reports?|discloses?|tells?|provides?|has|have)\s+(?:an?\s+|any\s+|th"
    r"e\s+|its\s+|their\s+)?(?:figures?|values?|data|entry|entries|number)\s+for\s+(?:the\s+|i"
    r"ts\s+|their\s+)?(?P<phrase>[^,?.]+)",
    re.IGNORECASE,
)
_WHOSE = re.compile(
    r"\bwhose\s+(?P<phrase>[^,?.]+?)\s+(?:is|are|was|were)\s+(?P<not>not\s+)?(?:in\s+|the\s+|a"
    r"n?\s+)?(?P<value>[^,?.\x00]+?)(?=\s*$|\s*[,?.\x00]|\s+(?:and|but)\s*\x00|\s+(?:and|but)\s"
    r"+(?:whose|have|has|had|that|which|who|with|is|are|was|were|lists?|includes?|reports?|emp"
    r"loys?|earn)\b)",
    re.IGNORECASE,
)
_WITH_VALUE = re.compile(
    r"\b(?:with|having|has|have)\s+(?:an?\s+|the\s+)?(?P<phrase>[^,?.\"“]+?)\s+(?:of\s+|exactly\s+|equal to\s+|:\s*)+(?P<value>"
    + _AMOUNT
    + r"(?:\s+[a-z][\w/%]*)?|[\"“][^\"”]+[\"”]|[A-Z][\w&.' -]*?)(?=$|[,?.]|\s+(?:and|but)\s)",
)
_PLACED = re.compile(
    r"\b(?P<phrase>(?:headquartered|based|located|incorporated|registered|founded|established|"
    r"domiciled|born|situated|seated|set up) (?:in|at)|in the|in|from|within the|belonging to("
    r"?: the)?|of the|operat(?:es?|ing) in(?: the)?|audited by|led by|managed by|owned by|writ"
    r"ten by|published by|made by|produced by)\s+"
    r"(?P<value>[A-Za-z][\w&.' -]*?)(?P<noun>\s+(?:sector|industry|region|country|category|seg"
    r"ment|group|class|state|city|continent|type|currency|department|market|province|district|"
    r"field|area))?"
    r"(?=\s*$|\s*[,?.\x00]|\s+(?:and|but|that|which|who|whose|with|have|has|had|is|are|was|wer"
    r"e|do|does|report|reported|reports|employ|employs|list|lists|give|gives|had|in descending"
    r"|in ascending|founded|based|headquartered|incorporated)\b)",
)
_MORE_WORDS = (
    r"highest|largest|biggest|greatest|most|longest|tallest|oldest|latest|newest|most recent|m"
    r"ost recently|deepest|heaviest|fastest|best|top|maximum|max|"
    r"broadest|widest|richest|priciest|most expensive|youngest|last|farthest|strongest"
)
_LESS_WORDS = (
    r"lowest|smallest|least|fewest|shortest|earliest|first|shallowest|lightest|slowest|worst|b"
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
_SUPERLATIVE = re.compile(rf"\b(?P<word>{_MORE_WORDS}|{_LESS_WORDS})\b", re.IGNORECASE)
_LESS = re.compile(rf"(?:{_LESS_WORDS})", re.IGNORECASE)
_DIGITS = re.compile(
    rf"[\s,]*\(?\b(?:(?:rounded )?to |with |give )?(?P<n>{_COUNT}) decimal (?:place|digit)s?\b\)"
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
_THE = r"(?:of\s+)?(?:(?:all|every one|each|any)\s+(?:of\s+)?)?(?:the|these|those|all|our)?\s*"
_HAVE = (
    r"(?:have|has|had|are|is|were|was|do|does|did|list|lists|give|gives|report|reports|reporte"
    r"d|employ|employs|employed|state|states|show|shows|include|includes|name|names|mention|me"
    r"ntions|earn|earned|made|make|generate|generated|recorded|posted|lie|contain|contains|fal"
    r"l|belong|operate|operates|sell|sells|export|exports|import|imports|own|owns|lack|lacks|e"
    r"xceed|exceeds|count|use|uses|run|runs|hold|holds)"
)


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
    for form in (_changed, _compared, _counted, _shared, _computed, _ranked, _listed, _asked_yes, _looked_up):
        found = form(text)
        if found is not None:
            return replace(found, digits=digits, unit=unit)
    return None


def number(word: str) -> int:
    """A count in digits or as a word; 0 where it is neither."""
    return int(word) if word.isdigit() else NUMBERS.get(word.lower(), 0)


# ------------------------------------------------------------------ conditions


def conditions(text: str) -> tuple[tuple[Condition, ...], str]:
    """The conditions that a noun phrase or clause makes, and what is left of it."""
    found: list[tuple[int, Condition]] = []

    def taken(start: int, end: int, condition: Condition) -> None:
        nonlocal text
        found.append((start, condition))
        text = text[:start] + "\x00" * (end - start) + text[end:]

    while match := _DIFFERS.search(text):
        phrase = _bare(match["phrase"])
        taken(match.start(), match.end(), Condition(f"{phrase} {match['one']}", "differs", (f"{phrase} {match['other']}",)))
    for match in list(_EXACT.finditer(text)):
        start, phrase = _phrase_before(text, match.start())
        taken(start, match.end(), Condition(phrase, "unequal" if match["not"] else "equal", (match["value"],)))
    for pattern in (_LISTING, _AMONG_INCLUDES):
        while match := pattern.search(text):
            value = _bare(match["value"])
            taken(
                match.start(), match.end(), Condition(_bare(match["phrase"]), "lacks" if match["no"] else "contains", (value,))
            )
    while match := _BETWEEN.search(text):
        start, phrase = _phrase_before(text, match.start())
        words = _joined(phrase, match["after"], match["of"])
        high = f"{match['high']} {match['after'].strip()}".strip()
        taken(start, match.end(), Condition(words, "between", (match["low"].strip(), high)))
    while match := _OR_MORE.search(text):
        start, phrase = _phrase_before(text, match.start())
        relation: Relation = (
            "at_most" if match["way"].lower() in ("less", "fewer", "below", "earlier", "lower", "under") else "at_least"
        )
        value = f"{match['amount']}{match['unit']}".strip()
        taken(start, match.end(), Condition(_joined(phrase, match["unit"], match["after"]), relation, (value,)))
    while match := _THRESHOLD.search(text):
        relation = next(relation for place, (relation, _) in enumerate(_COMPARED) if match[f"{relation}_{place}"] is not None)
        start, phrase = _phrase_before(text, match.start())
        value = f"{match['amount']}{match['after']}".strip()
        taken(start, match.end(), Condition(_joined(phrase, match["after"], match["of"]), relation, (value,)))
    while match := _TELLING.search(text):
        taken(match.start(), match.end(), Condition(_bare(match["phrase"]), "told"))
    while match := _LACKING.search(text):
        taken(match.start(), match.end(), Condition(_bare(match["phrase"]), "untold"))
    while match := _WHOSE.search(text):
        taken(
            match.start(),
            match.end(),
            Condition(_bare(match["phrase"]), "unlike" if match["not"] else "like", (_bare(match["value"]),)),
        )
    while match := _WITH_VALUE.search(text):
        taken(match.start(), match.end(), Condition(_bare(match["phrase"]), "like", (_bare(match["value"]),)))
    while match := re.search(
        r"\b(?P<phrase>founded|established|incorporated|born|created|built|published|released|open"
        r"ed|launched|filed|signed|issued|formed|started)\s+(?=in\s+(?:19|20)\d\d)",
        text,
        re.IGNORECASE,
    ):
        year = _IN_YEAR.match(text, match.end())
        if year is None:
            break
        taken(match.start(), year.end(), Condition(match["phrase"], "equal", (year["amount"],)))
    while match := _PLACED.search(text):
        verb = match["phrase"].lower()
        noun = (match["noun"] or "").strip()
        if verb in ("in the", "in", "from", "within the", "of the") and not noun and not match["value"][:1].isupper():
            break
        word = noun or re.sub(r"\b(?:in|at|the|from|within|to|of|by|belonging)\b", " ", verb).strip()
        taken(match.start(), match.end(), Condition(word, "is" if not word else "like", (_bare(match["value"]),)))
    while match := _CLAIM.search(text):
        taken(match.start(), match.end(), Condition(_bare(match["claim"]), "lacks" if match["not"] else "is"))
    rest = " ".join(re.sub(r"(?:\s|\x00)+(?:and|but)(?=[\s\x00]|$)", " ", text).replace("\x00", " ").split())
    return tuple(condition for _, condition in sorted(found, key=lambda pair: pair[0])), rest


_OPENING = re.compile(
    r"(?:\x00|,|\b(?:whose|where|which|that|who|having|with|have|has|had|and|but|are|is|was|we"
    r"re|there|reports?|reported|recorded|posted|earn(?:s|ed)?|generated?|made|shows?|gives?)\b"
    r")\s*(?:an?\s+|the\s+|its\s+|their\s+)?",
    re.IGNORECASE,
)


_VERB = re.compile(
    r"\b(?:founded|established|incorporated|born|created|built|published|released|opened|launc"
    r"hed|formed|filed|employing|earning)\b(?=\s*$)",
    re.IGNORECASE,
)


def _phrase_before(text: str, end: int) -> tuple[int, str]:
    """The words that a comparison is about: those back to what opens its clause, or quoted ones."""
    before = text[:end]
    if quoted := re.search(
        r"(?:\bwhose\s+|\bthe\s+|\bwith\s+(?:the\s+|an?\s+)?|\bhave\s+(?:an?\s+)?|\bhas\s+(?:an?\s"
        r"+)?)*[\"“](?P<label>[^\"”]+)[\"”](?:\s+(?:entry|value|field|line|column))?\s*$",
        before,
        re.IGNORECASE,
    ):
        return quoted.start(), quoted["label"]
    start = opened = 0
    for match in _OPENING.finditer(before):
        if before[match.end() :].strip() or match.end() >= len(before.rstrip()):
            start, opened = match.start(), match.end()
    if verb := _VERB.search(before, opened):
        start = opened = verb.start()
    phrase = before[opened:]
    if "\x00" in phrase:
        place = phrase.rindex("\x00") + 1
        start, phrase = opened + place, phrase[place:]
    if before[start:opened].strip().lower() in ("", "and", "but", ","):
        opener = re.match(r"\s*(?:and|but|,)\s*", before[start:])
        start += opener.end() if opener else 0
    return start, _bare(phrase)


def _joined(*parts: str | None) -> str:
    return " ".join(part.strip() for part in parts if part and part.strip())


def _bare(text: str) -> str:
    text = text.replace("\x00", " ").strip(" \"“”'‘’.,;:")
    return re.sub(r"^(?:the|an?|their|its)\s+", "", text, flags=re.IGNORECASE).strip()


_NOTHING = frozenset(
    "a an the of in on at that which who whose with have has had are is was were do does did "
    "there it one ones them any and all "
    "each every among these those collection corpus documents files".split()
)


def entity_of(rest: str) -> str:
    """The noun of what is counted or listed, from what conditions left over; then a bar and the other words."""
    words = re.sub(
        r"^(?:of\s+)?(?:all\s+|every\s+one\s+of\s+|each\s+(?:of\s+)?|every\s+)*(?:of\s+)?(?:the|th"
        r"ese|those|our)?\s*(?:of\s+the\s+)?",
        "",
        rest.strip(" ,"),
        flags=re.IGNORECASE,
    )
    cut = re.search(
        r"\s+(?:that|which|who|whose|with|have|has|had|are|is|in|of|where|was|were|do|does|from|by"
        r"|and)\b|[,;:(]",
        words,
    )
    noun, others = (words[: cut.start()], words[cut.start() :]) if cut else (words, "")
    kept = noun.lower().split()[:5]
    beyond = [word for word in re.findall(r"[\w&.-]+", others.lower()) if word not in _NOTHING]
    told = " ".join([*kept[:-1], stem(kept[-1])]) if kept else ""
    return f"{told} | {' '.join(beyond)}" if beyond else told


# ------------------------------------------------------------------ forms of questions


_SCOPED = re.compile(
    r"^(?:among|of|for|within|considering|looking at|across|out of|from among)\s+(?P<scope>.+?"
    r"),\s*(?P<rest>(?:in which|which|what|how|who|list|name|give|is|are|do|does).+)$",
    re.IGNORECASE,
)


def _split_scope(text: str) -> tuple[str, str]:
    match = _SCOPED.match(text)
    return (match["scope"], match["rest"]) if match else ("", text)


def _scope_of(outer: str) -> tuple[tuple[Condition, ...], str]:
    """The conditions and the noun of what stands before the question proper (“Among the companies in X, …”)."""
    found, left = conditions(outer)
    return found, entity_of(left)


def _clauses(noun: str, clause: str) -> tuple[tuple[Condition, ...], tuple[Condition, ...], str]:
    """Conditions of the noun phrase, those of the clause that says what is tested, and the entity."""
    scope, rest = conditions(noun)
    tested, _ = conditions(clause)
    if clause and not tested:
        words = re.sub(rf"^{_HAVE}\b\s*(?:an?\s+|the\s+)?", "", clause, flags=re.IGNORECASE)
        negated = re.match(r"(?:not|no)\s+", words, re.IGNORECASE)
        if words := _bare(words[negated.end() :] if negated else words):
            tested = (Condition(words, "lacks" if negated else "is"),)
    return scope, tested, entity_of(rest)


def _parted(text: str) -> tuple[str, str]:
    """A subject and its clause: “the companies in X | have a revenue above Y”. Relative clauses stay with the subject."""
    for match in re.finditer(rf"\b{_HAVE}\b", text, re.IGNORECASE):
        before = text[: match.start()].rstrip()
        if (
            re.search(r"\b(?:that|which|who|whose\b[^,]*|and|or|to|not|\w+'s)$", before, re.IGNORECASE)
            or before.count('"') % 2
            or not before
        ):
            continue
        if re.search(r"\bwhose\b(?!.*[\"”].*)[^,]*$", before, re.IGNORECASE) and match.group().lower() in (
            "is",
            "are",
            "was",
            "were",
        ):
            continue
        return before, text[match.start() :]
    return text, ""


def _counted(text: str) -> Ask | None:
    outer, rest = _split_scope(text)
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
        return Ask("count", groups=_bare(distinct["phrase"]), scope=_scope_of(outer)[0])
    noun, clause = _parted(body)
    if re.match(r"do(?:es)?\s+|did\s+", clause, re.IGNORECASE):
        named = re.match(
            r"(?:do|does|did)\s+(?P<name>.+?)\s+(?:have|has|employ|own|operate|list|sell|run|hold|repo"
            r"rt|serve|count)\b.*$",
            clause,
            re.IGNORECASE,
        )
        if named is not None and re.match(r"(?:the\s+)?[A-Z0-9]", named["name"]):
            return Ask("value", phrase=f"number of {noun}", names=(_bare(named["name"]),))
    scope, tested, entity = _clauses(noun, clause)
    return Ask("count", entity=entity or _scope_of(outer)[1], scope=(*_scope_of(outer)[0], *scope, *tested))


def _shared(text: str) -> Ask | None:
    outer, rest = _split_scope(text)
    if outer and (
        told := re.match(
            r"^(?:what|which) (?:percentage|percent|share|proportion|fraction)(?: of (?:them|these|tho"
            r"se))?\s+(?P<clause>(?:are|is|have|has|had|were|was|list|report|give|employ)\b.+)$",
            rest,
            re.IGNORECASE,
        )
    ):
        scope, noun = _scope_of(outer)
        _, tested, _ = _clauses("", told["clause"])
        return Ask("percent", entity=noun, scope=scope, tested=tested) if tested else None
    match = re.match(
        r"^(?:what|which)(?: is the| was the)?\s+(?:percentage|percent|share|proportion|fraction|p"
        r"er cent)\s+of\s+(?P<rest>.+)$",
        rest,
        re.IGNORECASE,
    )
    if match is None:
        return None
    noun, clause = _parted(match["rest"])
    if not clause:
        found, left = conditions(match["rest"])
        if not found:
            return None
        return Ask("percent", entity=entity_of(left), scope=(*_scope_of(outer)[0], *found[:-1]), tested=found[-1:])
    scope, tested, entity = _clauses(noun, clause)
    return Ask("percent", entity=entity, scope=(*_scope_of(outer)[0], *scope), tested=tested) if tested else None


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
_WORD = {"average": "average", "mean": "average", "median": "median"}


def _computed(text: str) -> Ask | None:
    outer, rest = _split_scope(text)
    if joined := re.match(
        r"^how (?:many|much)\s+(?P<phrase>.+?)\s+(?:do|does|did|are|have)\s+(?P<scope>(?:all|the|t"
        r"hese).+?)\s+(?:have\s+|employ\s+|report\s+|hold\s+|earn\s+)?(?:in total|altogether|combi"
        r"ned|together|in all)$",
        rest,
        re.IGNORECASE,
    ):
        scope, left = conditions(joined["scope"])
        return Ask("sum", entity=entity_of(left), phrase=_bare(joined["phrase"]), scope=scope)
    match = _AGGREGATE.match(rest)
    if match is None:
        return None
    word = match["word"].lower()
    operation: Operation = "average" if word in ("average", "mean") else "median" if word == "median" else "sum"
    body = match["rest"]
    parts = _over_split(body)
    for phrase, scope_text in parts:
        scope, left = conditions(scope_text)
        return Ask(operation, entity=entity_of(left), phrase=_bare(phrase), scope=(*_scope_of(outer)[0], *scope))
    if outer:
        scope, noun = _scope_of(outer)
        return Ask(operation, entity=noun, phrase=_bare(body), scope=scope)
    if named := re.match(r"(?P<phrase>.+?)\s+of\s+(?P<one>[A-Z][^,]*?)(?:,\s*[A-Z][^,]*?)*,?\s+and\s+(?P<last>[A-Z].*)$", body):
        names = re.split(r",\s*(?:and\s+)?|\s+and\s+", body[named.start("one") :])
        return Ask(operation, phrase=_bare(named["phrase"]), names=tuple(_bare(name) for name in names if name))
    return None


def _over_split(body: str) -> list[tuple[str, str]]:
    """Where the column's words end and the rows' begin: the last border that leaves a scope, first “over” and “across”."""
    borders = [(match.start(), match.end(), match.group().strip().lower()) for match in _OVER.finditer(body)]
    borders.sort(key=lambda border: (border[2] not in ("over", "across", "among", "reported by", "held by"), border[0]))
    return [(body[:start], body[end:]) for start, end, _ in borders if start > 1]


_RANKED = re.compile(
    r"^(?:(?P<which>which|what|who|name|list|give|find|tell me|show)\b\s*)(?P<body>.*?)$",
    re.IGNORECASE,
)


def _ranked(text: str) -> Ask | None:
    outer, rest = _split_scope(text)
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
    if top := re.match(rf"\s+(?P<n>{_COUNT})\b(?!\s+(?:percent|%))", after, re.IGNORECASE):
        most, after = number(top["n"]), after[top.end() :]
    elif top := re.search(rf"\b(?:the\s+)?(?P<n>{_COUNT})\b(?P<rest>\s*)", before, re.IGNORECASE):
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
            phrase=_bare(by["phrase"]),
            scope=(*_scope_of(outer)[0], *scope),
            most=most,
        )
    for phrase, scope_text in _over_split(after):
        phrase_part, scope_part = phrase, scope_text
        break
    scope_before, left_before = conditions(_trim_asking(before))
    scope_after, left_after = conditions(scope_part)
    tail, phrase = conditions(phrase_part)
    phrase = re.sub(r"\s+(?:value|figure|among them|overall|of all|at all|each)$", "", _bare(phrase), flags=re.IGNORECASE)
    scope = (*_scope_of(outer)[0], *scope_before, *scope_after, *tail)
    entity = _scope_of(outer)[1] if outer else entity_of(f"{_trim_asking(left_before)} {left_after}")
    verb = re.search(
        r"\b(?:was|were|is|are)\s+(?P<verb>founded|established|incorporated|born|created|built|pub"
        r"lished|released|opened|launched|filed|signed|issued|formed)\s+(?:the\s+)?$",
        before,
        re.IGNORECASE,
    )
    if verb is not None:
        return Ask(operation, entity=entity, phrase=verb["verb"], scope=scope, most=most)
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
    return Ask(operation, entity=entity, phrase=phrase, scope=scope, most=most) if phrase else None


def _trim_asking(text: str) -> str:
    """A subject without the words around it: “one of the companies has the” → “companies”."""
    text = re.sub(
        r"^\s*(?:are\s+|is\s+|were\s+)?(?:me\s+)?(?:one|ones)?\s*(?:of\s+)?(?:the\s+)?(?:top\s+)?",
        "",
        text,
        flags=re.IGNORECASE,
    )
    return re.sub(
        rf"\s*\b(?:{_HAVE}|with|having|achieved|reached|saw)\b\s*(?:the)?\s*$|\s+the\s*$", "", text, flags=re.IGNORECASE
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


_HIGHER = (
    r"(?P<way>higher|larger|bigger|greater|more|longer|taller|later|newer|older|lower|smaller|"
    r"less|fewer|shorter|earlier|younger|deeper|heavier|lighter|cheaper)"
)
_LOWER = frozenset("lower smaller less fewer shorter earlier lighter cheaper".split())


def _compared(text: str) -> Ask | None:
    """Two named ones compared."""
    _, rest = _split_scope(text)
    if match := re.match(
        r"^(?:what is|what's|what was|give|calculate)\s+the\s+(?:absolute\s+)?difference\s+(?:in|o"
        r"f)\s+(?P<phrase>.+?)\s+(?:between|of)\s+(?P<a>.+?)\s+and\s+(?P<b>.+)$",
        rest,
        re.IGNORECASE,
    ):
        return Ask("difference", phrase=_bare(match["phrase"]), names=(_bare(match["a"]), _bare(match["b"])))
    if match := re.match(
        r"^(?:what is|what's|what was)\s+the\s+difference\s+between\s+(?:the\s+)?(?P<phrase>.+?)\s"
        r"+of\s+(?P<a>.+?)\s+and\s+(?:that of\s+)?(?P<b>.+)$",
        rest,
        re.IGNORECASE,
    ):
        return Ask("difference", phrase=_bare(match["phrase"]), names=(_bare(match["a"]), _bare(match["b"])))
    if match := re.match(
        rf"^(?:by\s+)?how (?:much|many)\s+{_HIGHER}\s+(?:is|was|are|were)\s+(?:the\s+)?(?P<phrase>."
        r"+?)\s+of\s+(?P<a>.+?)\s+(?:than|compared (?:to|with))\s+(?:that of\s+|in\s+)?(?P<b>.+)$",
        rest,
        re.IGNORECASE,
    ):
        return Ask("difference", phrase=_bare(match["phrase"]), names=(_bare(match["a"]), _bare(match["b"])))
    if match := re.match(
        rf"^(?:by\s+)?how (?:much|many)\s+{_HIGHER}\s+(?:is|was|are|were)\s+(?P<a>.+?)(?:'s|’s|s')\s"
        r"+(?P<phrase>.+?)\s+than\s+(?:that of\s+)?(?P<b>.+?)(?:(?:'s|’s)(?:\s+.*)?)?$",
        rest,
        re.IGNORECASE,
    ):
        return Ask("difference", phrase=_bare(match["phrase"]), names=(_bare(match["a"]), _bare(match["b"])))
    if match := re.match(
        r"^how many more\s+(?P<phrase>.+?)\s+(?:does|did|do|has|have)\s+(?P<a>.+?)\s+(?:have|has|e"
        r"mploy|own|operate|report|list|run)\s+than\s+(?P<b>.+)$",
        rest,
        re.IGNORECASE,
    ):
        return Ask("difference", phrase=f"number of {_bare(match['phrase'])}", names=(_bare(match["a"]), _bare(match["b"])))
    pair: tuple[str, ...] = ()
    if (
        (
            match := re.match(
                r"^(?:between|of|comparing)\s+(?P<a>.+?)\s+and\s+(?P<b>[^,]+),\s*(?P<rest>(?:which|who|wha"
                r"t).+)$",
                text,
                re.IGNORECASE,
            )
        )
        or (match := re.match(r"^(?P<rest>.+?)[:,–—]\s*(?P<a>[^,:]+?),?\s+or\s+(?P<b>[^,:?]+)$", rest))
        or (
            match := re.match(
                r"^(?P<rest>(?:which|who|what)\s+.+?)\s+(?:between|of)\s+(?P<a>[A-Z].*?)\s+(?:and|or)\s+(?"
                r"P<b>[^,]+)$",
                rest,
                re.IGNORECASE,
            )
        )
    ):
        pair, rest = (_bare(match["a"]), _bare(match["b"])), match["rest"]
    if pair:
        match = re.match(
            r"^(?:which|who|what)\b.*?\b(?:has|have|had|is|was|were|reported|reports|employs|earned|re"
            rf"corded|with|of the two)?\s*(?:the\s+|an?\s+)?{_HIGHER}\b\s*(?P<phrase>.*)$",
            rest,
            re.IGNORECASE,
        )
        if match is None:
            if verb := re.search(
                r"\b(?P<verb>founded|established|incorporated|born|created|built|published|released|opened"
                r")\s+(?P<when>first|earlier|later|last)\b",
                rest,
                re.IGNORECASE,
            ):
                lower = verb["when"].lower() in ("first", "earlier")
                return Ask("lower" if lower else "higher", phrase=verb["verb"], names=pair)
            return None
        way = match["way"].lower()
        verb = re.search(
            r"\b(?P<verb>founded|established|incorporated|born|created|built|published|released|opened"
            r")\b",
            rest,
            re.IGNORECASE,
        )
        phrase = _bare(match["phrase"]) or (verb["verb"] if verb else "")
        if way in ("older", "younger", "newer") and (not phrase or "compan" in phrase):
            return Ask("lower" if way == "older" else "higher", phrase="founded", names=pair)
        if "employs" in rest.lower() and phrase in ("", "people", "staff"):
            phrase = "employees"
        return Ask("lower" if way in _LOWER else "higher", phrase=phrase, names=pair) if phrase else None
    return None


_CHANGE = re.compile(
    r"^(?:by how (?:much|many)|how (?:much|many))\s+(?:did|has|have)\s+(?:the\s+)?(?P<phrase>."
    r"+?)\s+(?:of|at|for)\s+(?P<name>(?:the\s+)?[A-Z0-9].*?)\s+(?:change|grow|rise|fall|increa"
    r"se|decrease|improve|decline)d?\s+"
    r"(?:from|between)\s+(?:in\s+)?(?P<one>(?:19|20)\d\d)\s+(?:to|and)\s+(?P<other>(?:19|20)\d\d)$",
    re.IGNORECASE,
)
_GROWN = re.compile(
    r"^(?:in\s+)?which\s+(?:one\s*|of them\s*)?(?P<noun>[\w -]*?)\s*(?:did|has|saw)\s+(?:the\s"
    r"+|its\s+)?(?P<phrase>.+?)\s+(?P<way>rise|grow|increase|change|fall|decrease|decline|drop"
    r")d?\s+(?:the\s+)?(?:most|strongest)(?:\s+in absolute terms)?\s*"
    r"(?:from|between)\s+(?P<one>(?:19|20)\d\d)\s+(?:to|and)\s+(?P<other>(?:19|20)\d\d)$",
    re.IGNORECASE,
)
_OFTEN = re.compile(
    r"^(?:which|what)\s+(?P<group>[\w -]+?)\s+(?:occurs|appears|is found|comes up|is)\s+(?:the"
    r"\s+)?(?P<way>most|least)\s+(?:often|frequent(?:ly)?|common(?:ly)?)\b(?:\s+(?:among|acros"
    r"s|in|for|over)\s+(?P<scope>.+))?$",
    re.IGNORECASE,
)


def _changed(text: str) -> Ask | None:
    """What changed from one year to another, and what occurs most often."""
    outer, rest = _split_scope(text)
    if match := _CHANGE.match(rest):
        phrase = _bare(match["phrase"])
        return Ask(
            "change", phrase=f"{match['other']} {phrase}", against=f"{match['one']} {phrase}", names=(_bare(match["name"]),)
        )
    if match := _GROWN.match(re.sub(r"\s*\((?:in absolute terms|absolutely)\)", " in absolute terms", rest)):
        scope, noun = _scope_of(outer)
        operation: Operation = "least" if match["way"].lower() in ("fall", "decrease", "decline", "drop") else "most"
        phrase = _bare(match["phrase"])
        return Ask(
            operation,
            entity=noun or entity_of(match["noun"]),
            phrase=f"{match['other']} {phrase}",
            against=f"{match['one']} {phrase}",
            scope=scope,
        )
    if match := _OFTEN.match(rest):
        scope, noun = _scope_of(match["scope"] or outer)
        return Ask(
            "least" if match["way"].lower() == "least" else "most", entity=noun, groups=_bare(match["group"]), scope=scope
        )
    return None


def _listed(text: str) -> Ask | None:
    outer, rest = _split_scope(text)
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
    noun, clause = _parted(body)
    if re.match(r"(?:is|was|are|were)\b", body, re.IGNORECASE) and re.match(r"^(?:what|who)", rest, re.IGNORECASE):
        return None
    scope, tested, entity = _clauses(noun, clause)
    every = (*_scope_of(outer)[0], *scope, *tested)
    return Ask("list", entity=entity or _scope_of(outer)[1], scope=every) if every else None


def _asked_yes(text: str) -> Ask | None:
    if match := re.match(r"^(?:is|are) there\s+(?:any|an?|at least one)\s+(?P<rest>.+)$", text, re.IGNORECASE):
        found, left = conditions(match["rest"])
        return Ask("any", entity=entity_of(left), scope=found) if found else None
    if match := re.match(r"^(?:do|does|is|are|has|have)\s+any\s+(?:of\s+)?(?:the\s+)?(?P<rest>.+)$", text, re.IGNORECASE):
        noun, clause = _parted(match["rest"])
        scope, tested, entity = _clauses(noun, clause)
        return Ask("any", entity=entity, scope=(*scope, *tested)) if tested or scope else None
    if match := re.match(
        rf"^(?:does|did|do)\s+(?P<a>[A-Z].*?)\s+(?:have|report|employ|show)\s+(?:an?\s+)?{_HIGHER}\s"
        r"+(?P<phrase>.+?)\s+than\s+(?P<b>.+)$",
        text,
        re.IGNORECASE,
    ):
        below = match["way"].lower() in _LOWER
        return Ask(
            "any",
            phrase=_bare(match["phrase"]),
            names=(_bare(match["a"]), _bare(match["b"])),
            groups="below" if below else "above",
        )
    if match := re.match(
        rf"^(?:is|was|are|were)\s+(?:the\s+)?(?P<phrase>.+?)\s+of\s+(?P<a>.+?)\s+{_HIGHER}\s+than\s"
        r"+(?:that of\s+)(?P<b>.+)$",
        text,
        re.IGNORECASE,
    ):
        below = match["way"].lower() in _LOWER
        return Ask(
            "any",
            phrase=_bare(match["phrase"]),
            names=(_bare(match["a"]), _bare(match["b"])),
            groups="below" if below else "above",
        )
    if match := re.match(
        r"^(?:does|did|has|have)\s+(?P<a>[A-Z].*?)\s+(?P<rest>(?:have|employ|list|include|report)\s"
        r"+.+)$",
        text,
    ):
        found, _ = conditions(match["rest"])
        return Ask("any", names=(_bare(match["a"]),), scope=found) if found else None
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
            return Ask("value", phrase=_bare(fields.get("verb") or fields["phrase"]), names=(_bare(fields["name"]),))
    return None
