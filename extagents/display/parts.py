"""What every card is made of: escaped text, the style that travels with it, and the small pieces that cards share."""

from __future__ import annotations

import hashlib
import html
import re
from collections.abc import Iterable, Sequence
from functools import lru_cache
from importlib.resources import files

from extagents.types import Citation, Coverage
from extagents.wording import one_line, safe

MOST_QUOTE = 240  # characters of a quote in a citation's line; the context shows it whole
MOST_SHOWN = 4_000  # characters of a quote or of a text that is shown whole
_MARKER = re.compile(r"\[(\d{1,4})\]")
_SPACES = re.compile(r"[ \t]*\n\s*\n\s*")


@lru_cache(maxsize=1)
def style() -> str:
    """The style sheet that travels with every card: a notebook has no place of its own for it."""
    return files("extagents.display").joinpath("style.css").read_text(encoding="utf-8").replace("\n", "")


def card(*parts: str, label: str) -> str:
    """The parts in a frame; `label` says to a screen reader what it is."""
    inner = "".join(parts)
    return f'<style>{style()}</style><section class="xa-card" aria-label="{text(label)}">{inner}</section>'


def text(value: object) -> str:
    """Anything as text that acts on nothing: markup is escaped, control characters and direction overrides are replaced."""
    return html.escape(safe(str(value)), quote=True)


def line(value: object, width: int) -> str:
    """The same on one line of at most `width` characters."""
    return html.escape(one_line(str(value), width), quote=True)


def tagged(tag: str, content: str, *, kind: str = "") -> str:
    """An element around content that is HTML already; `kind` is the end of its class."""
    named = f' class="xa-{kind}"' if kind else ""
    return f"<{tag}{named}>{content}</{tag}>"


def foreign(value: str, width: int | None = None) -> str:
    """Text of a document in a direction of its own: Hebrew or Arabic in it reorders nothing around it."""
    return f'<bdi dir="auto">{text(value) if width is None else line(value, width)}</bdi>'


def figures(rows: Iterable[tuple[str, str]]) -> str:
    """Names and values, one pair a line; values are HTML already."""
    return tagged("dl", "".join(f"<dt>{text(name)}</dt><dd>{value}</dd>" for name, value in rows), kind="facts")


def table(columns: Sequence[str], rows: Iterable[Sequence[str]], *, numbers: Sequence[int] = ()) -> str:
    """A table of cells that are HTML already; `numbers` are the positions of columns of figures."""

    def cells(tag: str, values: Sequence[str]) -> str:
        scope = ' scope="col"' if tag == "th" else ""
        kinds = [' class="xa-figure"' if place in numbers else "" for place in range(len(values))]
        made = (f"<{tag}{scope}{kind}>{value}</{tag}>" for kind, value in zip(kinds, values, strict=True))
        return f"<tr>{''.join(made)}</tr>"

    head = cells("th", [text(column) for column in columns])
    body = "".join(cells("td", row) for row in rows)
    return f'<div class="xa-wide"><table><thead>{head}</thead><tbody>{body}</tbody></table></div>'


def opening(head: str, inside: str) -> str:
    """A line that opens; both are HTML already."""
    return f"<details><summary>{head}</summary>{inside}</details>"


def notices(given: Iterable[str]) -> list[tuple[str, str]]:
    """Rows of things that the user should know."""
    return [("notice", foreign(notice, 2_000)) for notice in given]


# ------------------------------------------------------------------ what was read


def bar(coverage: Coverage) -> str:
    """What was read, what failed and what was left, as a bar; in words for those who do not see it."""
    if not coverage.shards:
        return ""
    return filled(coverage.shards_read, coverage.failed, coverage.shards)


def filled(read: int, failed: int, shards: int) -> str:
    """A bar of shards: read, failed, and the rest."""
    whole = max(1, shards)
    said = f"{read:,} of {shards:,} shards read" + (f", {failed:,} failed" if failed else "")
    parts = "".join(
        f'<span class="xa-{kind}" style="width:{100 * min(number, whole) / whole:.2f}%"></span>'
        for kind, number in (("read", read), ("failed", failed))
        if number
    )
    return f'<div class="xa-bar" role="img" aria-label="{said}">{parts}</div>'


# ------------------------------------------------------------------ citations


def names_of(citations: Sequence[Citation], *, of: str) -> list[str]:
    """A name for each citation's place in the page, the same whenever the same answer is shown."""
    told = "\0".join((of, *(f"{c.document}:{c.start}:{c.end}" for c in citations)))
    stem = hashlib.blake2b(told.encode("utf-8", "surrogatepass"), digest_size=4).hexdigest()
    return [f"xa-{stem}-{number}" for number in range(1, len(citations) + 1)]


def place(citation: Citation) -> str:
    """Title, document and page of a citation."""
    title = " ".join(citation.title.split())
    named = line(title, 80) if title and title != citation.document else ""
    document = line(citation.document, 120)
    page = f", p. {citation.page}" if citation.page is not None else ""
    return f"{named} ({document}){page}" if named else f"{document}{page}"


def checked(citation: Citation) -> str:
    """Whether the quote stands in the document, in words and in colour."""
    return tagged("span", "✓ verified", kind="good") if citation.verified else tagged("span", "not verified", kind="warn")


def reference(number: int, citation: Citation, name: str) -> str:
    """A citation that opens: its line, and inside it the quote within its context."""
    head = (
        f'<span class="xa-number">{number}</span> <q>{foreign(citation.quote, MOST_QUOTE)}</q> '
        f'<span class="xa-where">{tagged("bdi", place(citation))} · {checked(citation)}</span>'
    )
    quote = citation.quote if len(citation.quote) <= MOST_SHOWN else citation.quote[:MOST_SHOWN] + "…"
    within = f"{text(citation.before)}<mark>{text(quote)}</mark>{text(citation.after)}"
    exact = f"{tagged('bdi', text(citation.document))}, characters {citation.start:,}–{citation.end:,}"
    exact += f", page {citation.page}" if citation.page is not None else ""
    inside = f'<div class="xa-context" id="{name}" dir="auto">{within}<span class="xa-where" dir="ltr">{exact}</span></div>'
    return tagged("li", opening(head, inside))


def written(answer: str, names: Sequence[str]) -> str:
    """A long text in its paragraphs and headings, `[n]` leading to citation n."""
    blocks = []
    for block in _SPACES.split(safe(answer).strip()):
        level, _, rest = block.partition(" ")
        if level and not level.strip("#") and "\n" not in block:
            blocks.append(f'<p class="xa-title" role="heading" aria-level="{min(6, len(level) + 2)}">{html.escape(rest)}</p>')
        else:
            blocks.append(f'<p dir="auto">{linked(html.escape(block), names)}</p>')
    return "".join(blocks)


def linked(escaped: str, names: Sequence[str]) -> str:
    """Markers in an escaped text as links; a number without a citation stays text."""

    def link(match: re.Match[str]) -> str:
        number = int(match[1])
        if not 1 <= number <= len(names):
            return match[0]
        return f'<a href="#{names[number - 1]}" aria-label="citation {number}">[{number}]</a>'

    return _MARKER.sub(link, escaped)
