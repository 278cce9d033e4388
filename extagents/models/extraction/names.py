"""Names in a text, by their shape: capitalised phrases, quoted titles, identifiers, Chinese titles in brackets."""

from __future__ import annotations

import re
from dataclasses import dataclass

from extagents.models.extraction.lexicon import SENTENCE_STARTERS

_UPPER = r"[A-ZÀ-ÖØ-ÞĀĂĄĆČĎĐĒĖĘĚĞĢĪĮİĶĹĻĽŁŃŅŇŌŐŘŚŞŠŢŤŪŮŰŲŹŻŽ]"
_CAP = rf"(?:(?:{_UPPER}\.)+(?={_UPPER}?\s|\s)|{_UPPER}[\w’'\-]*(?:\.(?=\s+\w))?)"
_LINK = r"(?:of|the|de|van|von|der|den|du|la|le|di|da|del|dos|bin|ibn|al|on|for|'n'|y|e|ap|&)"
_TITLE_CASE = re.compile(
    rf"(?<![\w.@/]){_CAP}(?:[ \u00a0]\"[^\"\n]{{1,30}}\"(?=[ ]{_UPPER}))?(?:(?:,?[ \u00a0](?=Jr|Sr|I{{2,3}}\b|IV\b)"
    rf"|[ \u00a0]|-)"
    rf"(?:{_LINK}[ ]){{0,2}}(?:{_CAP}|\d+(?=[\s,.;:?)]|$)))*"
)
_QUOTED = re.compile(
    r"(?<![^\s(\[])\"(?=[\w#'(])([^\"\n]{2,80})(?<=[^\s,;:])[,.]?\"(?!\w)|“([^”\n]{2,80})”|``([^`'\n]{2,80})''"
    r"|《([^》\n]{1,60})》|「([^」\n]{1,60})」"
    r"|`([^`\n]{1,80})`"
)
_IDENTIFIER = re.compile(
    r"(?<![\w.])(?:[A-Za-z_]\w*(?:\.[A-Za-z_]\w*)+|[a-z]+[A-Z]\w+|_*[A-Za-z0-9]+(?:_[A-Za-z0-9]+)+_*|__\w+__"
    r"|[A-Z]{2,}[ -]?\d+|PEP \d+)(?!\w)"
)


@dataclass(frozen=True, slots=True)
class Name:
    """A name and where it stands. `quoted` where quotation marks or brackets set it off; `code` for an identifier."""

    text: str
    start: int
    end: int
    quoted: bool = False
    code: bool = False


def names_in(text: str, *, question: bool = False, limit: int = 64) -> list[Name]:
    """The names of a text in order, at most `limit`, the longer first where two start together; overlapping ones are kept."""
    found: dict[tuple[int, int], Name] = {}
    for match in _QUOTED.finditer(text):
        index = match.lastindex or 0
        start, end = match.span(index)
        found[start, end] = Name(text[start:end], start, end, quoted=True)
    for match in _IDENTIFIER.finditer(text):
        found.setdefault(match.span(), Name(match.group(), *match.span(), code=True))
    for match in _TITLE_CASE.finditer(text):
        trimmed = _trim(text, match.start(), match.end(), question=question)
        if trimmed is not None:
            start, end = trimmed
            found.setdefault((start, end), Name(text[start:end], start, end))
        if len(found) >= limit:
            break
    return sorted(found.values(), key=lambda name: (name.start, -name.end))


def _trim(text: str, start: int, end: int, *, question: bool) -> tuple[int, int] | None:
    """The span without words that are capitalised only because a sentence starts there, and without a possessive."""
    phrase = text[start:end]
    while True:
        first, _, rest = phrase.partition(" ")
        if first.lower().rstrip("'’.,") in SENTENCE_STARTERS and not (
            first.lower() == "the" and rest[:1].isupper() and not question
        ):
            if not rest:
                return None
            start += len(first) + 1
            phrase = rest
            while phrase and not phrase[0].isupper():
                word, _, phrase = phrase.partition(" ")
                start += len(word) + 1
            if not phrase:
                return None
            continue
        break
    if first.lower() == "the":
        start += len(first) + 1
        phrase = rest
    for ending in ("'s", "’s", "'", "’", "-"):
        if phrase.endswith(ending):
            phrase = phrase[: -len(ending)]
            break
    if len(phrase) < 2 and not phrase.isupper():
        return None
    if len(phrase) < 2:
        return None
    return start, start + len(phrase)
