"""English questions that compare: two named ones, one year with another, what occurs most often."""

from __future__ import annotations

import re

from extagents.tables.templates_ask import Ask, Operation
from extagents.tables.templates_conditions import MEASURED, bare, entity_of, scope_of, split_scope

HIGHER = (
    r"(?P<way>higher|larger|bigger|greater|more|longer|taller|later|newer|older|lower|smaller|"
    r"less|fewer|shorter|earlier|younger|deeper|heavier|lighter|cheaper)"
)
_MEASURED = "|".join(sorted(MEASURED, key=len, reverse=True))
LOWER = frozenset("lower smaller less fewer shorter earlier lighter cheaper shallower slower narrower younger".split())


def compared(text: str) -> Ask | None:
    """Two named ones compared."""
    _, rest = split_scope(text)
    if match := re.match(
        r"^(?:what is|what's|what was|give|calculate)\s+the\s+(?:absolute\s+)?difference\s+(?:in|o"
        r"f)\s+(?P<phrase>.+?)\s+(?:between|of)\s+(?P<a>.+?)\s+and\s+(?P<b>.+)$",
        rest,
        re.IGNORECASE,
    ):
        return Ask("difference", phrase=bare(match["phrase"]), names=(bare(match["a"]), bare(match["b"])))
    if match := re.match(
        r"^(?:what is|what's|what was)\s+the\s+difference\s+between\s+(?:the\s+)?(?P<phrase>.+?)\s"
        r"+of\s+(?P<a>.+?)\s+and\s+(?:that of\s+)?(?P<b>.+)$",
        rest,
        re.IGNORECASE,
    ):
        return Ask("difference", phrase=bare(match["phrase"]), names=(bare(match["a"]), bare(match["b"])))
    if match := re.match(
        rf"^(?:by\s+)?how (?:much|many)\s+{HIGHER}\s+(?:is|was|are|were)\s+(?:the\s+)?(?P<phrase>."
        r"+?)\s+of\s+(?P<a>.+?)\s+(?:than|compared (?:to|with))\s+(?:that of\s+|in\s+)?(?P<b>.+)$",
        rest,
        re.IGNORECASE,
    ):
        return Ask("difference", phrase=bare(match["phrase"]), names=(bare(match["a"]), bare(match["b"])))
    if match := re.match(
        rf"^(?:by\s+)?how (?:much|many)\s+{HIGHER}\s+(?:is|was|are|were)\s+(?P<a>.+?)(?:'s|’s|s')\s"
        r"+(?P<phrase>.+?)\s+than\s+(?:that of\s+)?(?P<b>.+?)(?:(?:'s|’s)(?:\s+.*)?)?$",
        rest,
        re.IGNORECASE,
    ):
        return Ask("difference", phrase=bare(match["phrase"]), names=(bare(match["a"]), bare(match["b"])))
    if match := re.match(
        r"^how many more\s+(?P<phrase>.+?)\s+(?:does|did|do|has|have)\s+(?P<a>.+?)\s+(?:have|has|e"
        r"mploy|own|operate|report|list|run)\s+than\s+(?P<b>.+)$",
        rest,
        re.IGNORECASE,
    ):
        return Ask("difference", phrase=f"number of {bare(match['phrase'])}", names=(bare(match["a"]), bare(match["b"])))
    if match := re.match(
        rf"^(?:by\s+)?how much\s+(?P<way>{_MEASURED})\s+(?:is|was|are|were)\s+(?P<a>(?:the\s+)?[A-Z0-9][^,]*?)\s+"
        r"(?:than|compared (?:to|with))\s+(?P<b>[^,]+)$",
        rest,
        re.IGNORECASE,
    ):
        way = match["way"].lower()
        names = (bare(match["a"]), bare(match["b"]))
        return Ask("difference", phrase=MEASURED[way], names=names, groups="below" if way in LOWER else "above")
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
        pair, rest = (bare(match["a"]), bare(match["b"])), match["rest"]
    if pair:
        match = re.match(
            r"^(?:which|who|what)\b.*?\b(?:has|have|had|is|was|were|reported|reports|employs|earned|re"
            rf"corded|with|of the two)?\s*(?:the\s+|an?\s+)?{HIGHER}\b\s*(?P<phrase>.*)$",
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
        phrase = bare(match["phrase"]) or (verb["verb"] if verb else "")
        if way in ("older", "younger", "newer") and (not phrase or "compan" in phrase):
            return Ask("lower" if way == "older" else "higher", phrase="founded", names=pair)
        if "employs" in rest.lower() and phrase in ("", "people", "staff"):
            phrase = "employees"
        return Ask("lower" if way in LOWER else "higher", phrase=phrase, names=pair) if phrase else None
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


def changed(text: str) -> Ask | None:
    """What changed from one year to another, and what occurs most often."""
    outer, rest = split_scope(text)
    if match := _CHANGE.match(rest):
        phrase = bare(match["phrase"])
        return Ask(
            "change", phrase=f"{match['other']} {phrase}", against=f"{match['one']} {phrase}", names=(bare(match["name"]),)
        )
    if match := _GROWN.match(re.sub(r"\s*\((?:in absolute terms|absolutely)\)", " in absolute terms", rest)):
        scope, noun = scope_of(outer)
        operation: Operation = "least" if match["way"].lower() in ("fall", "decrease", "decline", "drop") else "most"
        phrase = bare(match["phrase"])
        return Ask(
            operation,
            entity=noun or entity_of(match["noun"]),
            phrase=f"{match['other']} {phrase}",
            against=f"{match['one']} {phrase}",
            scope=scope,
        )
    if match := _OFTEN.match(rest):
        scope, noun = scope_of(match["scope"] or outer)
        return Ask(
            "least" if match["way"].lower() == "least" else "most", entity=noun, groups=bare(match["group"]), scope=scope
        )
    return None
