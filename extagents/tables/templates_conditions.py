"""The conditions on rows that an English question makes: thresholds, places, lists that contain something, claims."""

from __future__ import annotations

import re

from extagents.tables.templates_ask import NUMBERS, Condition, Relation
from extagents.tables.templates_words import stem

COUNT = r"(?:\d{1,3}|" + "|".join(NUMBERS) + r")"
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
MEASURED = {
    "deeper": "depth", "shallower": "depth", "longer": "length", "shorter": "length", "taller": "height", "higher": "height",
    "heavier": "weight", "lighter": "weight", "faster": "speed", "slower": "speed", "wider": "width", "narrower": "width",
    "older": "age", "younger": "age", "cheaper": "price", "more expensive": "price", "dearer": "price",
}  # fmt: skip
"""What an adjective says of a thing, where it is told of the thing itself (“deeper than”)."""
_SEATED = re.compile(
    r"\b(?:(?:that|which|who)\s+)?(?:have|has|had|with|having)\s+(?:their|its|an?|the)?\s*"
    r"(?P<phrase>headquarters?|head offices?|main offices?|registered offices?|seats?|home ports?)\s+(?:in|at)\s+"
    r"(?P<value>[A-Z][\w&.'-]*(?:\s[A-Z][\w&.'-]*)*)"
)
_SAME = re.compile(
    r"\b(?:(?:that|which|who)\s+)?(?:have|has|had|with|having|share|shares)\s+the\s+same\s+(?P<phrase>[^,?.\x00]+?)\s+(?:as|with)\s+"
    r"(?P<name>[A-Z0-9][^,?\x00]*)$"
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
HAVE = (
    r"(?:have|has|had|are|is|were|was|do|does|did|list|lists|give|gives|report|reports|reporte"
    r"d|employ|employs|employed|state|states|show|shows|include|includes|name|names|mention|me"
    r"ntions|earn|earned|made|make|generate|generated|recorded|posted|lie|contain|contains|fal"
    r"l|belong|operate|operates|sell|sells|export|exports|import|imports|own|owns|lack|lacks|e"
    r"xceed|exceeds|count|use|uses|run|runs|hold|holds)"
)


def conditions(text: str) -> tuple[tuple[Condition, ...], str]:
    """The conditions that a noun phrase or clause makes, and what is left of it."""
    found: list[tuple[int, Condition]] = []

    def taken(start: int, end: int, condition: Condition) -> None:
        nonlocal text
        found.append((start, condition))
        text = text[:start] + "\x00" * (end - start) + text[end:]

    if match := _SAME.search(text):
        taken(match.start(), match.end(), Condition(bare(match["phrase"]), "same", (bare(match["name"]),)))
    while match := _SEATED.search(text):
        taken(match.start(), match.end(), Condition(match["phrase"], "like", (match["value"],)))
    while match := _DIFFERS.search(text):
        phrase = bare(match["phrase"])
        taken(match.start(), match.end(), Condition(f"{phrase} {match['one']}", "differs", (f"{phrase} {match['other']}",)))
    for match in list(_EXACT.finditer(text)):
        start, phrase = _phrase_before(text, match.start())
        taken(start, match.end(), Condition(phrase, "unequal" if match["not"] else "equal", (match["value"],)))
    for pattern in (_LISTING, _AMONG_INCLUDES):
        while match := pattern.search(text):
            value = bare(match["value"])
            taken(
                match.start(), match.end(), Condition(bare(match["phrase"]), "lacks" if match["no"] else "contains", (value,))
            )
    while match := _BETWEEN.search(text):
        start, phrase = _phrase_before(text, match.start())
        words = joined(phrase, match["after"], match["of"])
        high = f"{match['high']} {match['after'].strip()}".strip()
        taken(start, match.end(), Condition(words, "between", (match["low"].strip(), high)))
    while match := _OR_MORE.search(text):
        start, phrase = _phrase_before(text, match.start())
        relation: Relation = (
            "at_most" if match["way"].lower() in ("less", "fewer", "below", "earlier", "lower", "under") else "at_least"
        )
        value = f"{match['amount']}{match['unit']}".strip()
        taken(start, match.end(), Condition(joined(phrase, match["unit"], match["after"]), relation, (value,)))
    while match := _THRESHOLD.search(text):
        relation, told = next(
            (relation, told)
            for place, (relation, _) in enumerate(_COMPARED)
            if (told := match[f"{relation}_{place}"]) is not None
        )
        start, phrase = _phrase_before(text, match.start())
        if not phrase and not match["of"]:
            earning = re.search(r"\bearn(?:s|ed|ing)?\s*$", text[: match.start()], re.IGNORECASE)
            phrase = "salary" if earning else MEASURED.get(told.lower().removesuffix(" than"), "")
        value = f"{match['amount']}{match['after']}".strip()
        taken(start, match.end(), Condition(joined(phrase, match["after"], match["of"]), relation, (value,)))
    while match := _TELLING.search(text):
        taken(match.start(), match.end(), Condition(bare(match["phrase"]), "told"))
    while match := _LACKING.search(text):
        taken(match.start(), match.end(), Condition(bare(match["phrase"]), "untold"))
    while match := _WHOSE.search(text):
        taken(
            match.start(),
            match.end(),
            Condition(bare(match["phrase"]), "unlike" if match["not"] else "like", (bare(match["value"]),)),
        )
    while match := _WITH_VALUE.search(text):
        taken(match.start(), match.end(), Condition(bare(match["phrase"]), "like", (bare(match["value"]),)))
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
        taken(match.start(), match.end(), Condition(word, "is" if not word else "like", (bare(match["value"]),)))
    while match := _CLAIM.search(text):
        taken(match.start(), match.end(), Condition(bare(match["claim"]), "lacks" if match["not"] else "is"))
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
    r"hed|formed|filed|installed|hired|employing|earning|costs?|costing)\b(?=\s*$)",
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
    return start, bare(phrase)


def joined(*parts: str | None) -> str:
    return " ".join(part.strip() for part in parts if part and part.strip())


def bare(text: str) -> str:
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


_SCOPED = re.compile(
    r"^(?:among|of|for|within|considering|looking at|across|out of|from among)\s+(?P<scope>.+?"
    r"),\s*(?P<rest>(?:in which|which|what|how|who|list|name|give|is|are|do|does).+)$",
    re.IGNORECASE,
)


def split_scope(text: str) -> tuple[str, str]:
    match = _SCOPED.match(text)
    return (match["scope"], match["rest"]) if match else ("", text)


def scope_of(outer: str) -> tuple[tuple[Condition, ...], str]:
    """The conditions and the noun of what stands before the question proper (“Among the companies in X, …”)."""
    found, left = conditions(outer)
    return found, entity_of(left)


def clauses(noun: str, clause: str) -> tuple[tuple[Condition, ...], tuple[Condition, ...], str]:
    """Conditions of the noun phrase, those of the clause that says what is tested, and the entity."""
    scope, rest = conditions(noun)
    tested, _ = conditions(clause)
    if clause and not tested:
        words = re.sub(rf"^{HAVE}\b\s*(?:an?\s+|the\s+)?", "", clause, flags=re.IGNORECASE)
        negated = re.match(r"(?:not|no)\s+", words, re.IGNORECASE)
        if words := bare(words[negated.end() :] if negated else words):
            tested = (Condition(words, "lacks" if negated else "is"),)
    return scope, tested, entity_of(rest)


def parted(text: str) -> tuple[str, str]:
    """A subject and its clause: “the companies in X | have a revenue above Y”. Relative clauses stay with the subject."""
    for match in re.finditer(rf"\b{HAVE}\b", text, re.IGNORECASE):
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
