"""The compressor (after QwenLong-CPRS, arXiv 2505.18092): what the readers quoted, verbatim, with as much around it as fits.

Pure: no model, no store. Spans grow from the quote to its sentence to its paragraph to the paragraphs beside it, the best facts
first; they stand in the corpus' order, each document's under a header, and never take more tokens than they may.
"""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass

from extagents.corpus.borders import (
    after,
    before,
    paragraph_around,
    paragraphs_beside,
    sentence_around,
    sentences_beside,
    trimmed,
)
from extagents.corpus.tokens import TokenCounter
from extagents.types import Document, Fact, Granularity, Section, ShardText, Span

GAP, LINE_GAP = " … ", "\n…\n"  # what is left out inside a line, and across lines
MOST_TITLE = 300  # characters of a title in a header
REFUSALS = 256  # steps in a row that did not fit, after which smaller ones are not looked for any more
CORRECTIONS = 12  # fills with a corrected target: an exact count decides, and parts count a little differently than the whole
SLACK = 4  # tokens that may be left over

_Place = tuple[int, int, int]  # a document's position, and characters [start, end) of it


@dataclass(frozen=True, slots=True)
class Context:
    """Compressed context: `text[span.out_start:span.out_end]` is the document's own text at [span.start:span.end).

    `tokens` counts the text; `facts` are those whose quotes stand in it whole, best first.
    """

    text: str = ""
    spans: tuple[Span, ...] = ()
    tokens: int = 0
    facts: tuple[Fact, ...] = ()


def compress(
    facts: Iterable[Fact],
    documents: Sequence[Document],
    *,
    tokens: int,
    granularity: Granularity = "auto",
    counter: TokenCounter,
) -> Context:
    """At most `tokens` tokens of the documents around the verified facts, which come best first.

    `word` keeps quotes alone, `sentence` and `paragraph` what they stand in (a fact whose sentence or paragraph does not fit
    keeps what does). `auto` takes every quote that fits, then widens all to sentences, to paragraphs, and paragraph by
    paragraph beyond, each time the best first, while tokens are left.
    """
    positions = {document.id: position for position, document in enumerate(documents)}
    known: list[tuple[Fact, _Place]] = []
    for fact in facts:
        if fact.start is not None and fact.end is not None and (position := positions.get(fact.document)) is not None:
            start, end = trimmed(documents[position].text, fact.start, fact.end)
            if start < end:
                known.append((fact, (position, start, end)))
    quotes = [place for _, place in known]
    sizes = _Sizes(documents, counter)

    def tried(target: int, granularity: Granularity) -> tuple[_Fill, Context]:
        fill = _filled(quotes, sizes, target, granularity)
        text, spans = _written(fill, documents)
        kept = tuple(fact for fact, place in known if fill.around(place) is not None)
        return fill, Context(text, spans, counter.count(text) if text else 0, kept)

    best, above, target = Context(), False, tokens
    for _ in range(CORRECTIONS):
        fill, context = tried(target, granularity)
        if context.tokens <= tokens:
            best = max(best, context, key=lambda context: context.tokens)
            if above or not fill.refused or tokens - context.tokens <= SLACK:
                break
        elif best.text:
            break
        above = above or context.tokens > tokens
        corrected = tokens + fill.used - context.tokens
        target = min(corrected, target - 1) if context.tokens > tokens else max(corrected, target + 1)
    if len(best.facts) < len(known) and granularity in ("auto", "word"):
        # Parts count more than the whole: all quotes may fit though they seemed not to.
        fill, context = tried(tokens + tokens // 4 + 16, "word")
        best = context if not fill.refused and context.tokens <= tokens else best
    return best


def shard_text(context: Context, *, name: str) -> ShardText:
    """The context as a shard that can be read: one section a span, so that quotes are located where they really stand."""
    sections = (
        Section(
            document=span.document,
            title=span.title,
            text=context.text[span.out_start : span.out_end],
            start=span.start,
            end=span.end,
            page=span.page,
        )
        for span in context.spans
    )
    return ShardText(id=name, sections=tuple(sections))


# ------------------------------------------------------------------ filling a budget


class _Sizes:
    """The documents and what their parts count, each counted once."""

    def __init__(self, documents: Sequence[Document], counter: TokenCounter) -> None:
        self.documents = documents
        self._count = counter.count
        self._parts: dict[_Place, int] = {}
        self._headers: dict[tuple[int, int | None], int] = {}
        self.gap = counter.count(LINE_GAP)

    def part(self, place: _Place) -> int:
        """Tokens of a part of a document."""
        if place not in self._parts:
            position, start, end = place
            self._parts[place] = self._count(self.documents[position].text[start:end])
        return self._parts[place]

    def header(self, position: int, page: int | None) -> int:
        """Tokens of a document's header, with the empty line before it."""
        if (position, page) not in self._headers:
            self._headers[position, page] = self._count(f"\n\n{_header(self.documents[position], page)}\n")
        return self._headers[position, page]


class _Fill:
    """Disjoint spans, document by document, that together take about `used` of at most `target` tokens."""

    def __init__(self, sizes: _Sizes, target: int) -> None:
        self._sizes = sizes
        self._target = target
        self._headed: set[tuple[int, int | None]] = set()
        self.spans: dict[int, list[tuple[int, int]]] = {}
        self.used = 0
        self.refused = False

    def around(self, place: _Place) -> _Place | None:
        """The span that holds the place whole, or None."""
        position, start, end = place
        spans = self.spans.get(position, [])
        at = bisect_right(spans, start, key=_start) - 1
        return (position, *spans[at]) if at >= 0 and spans[at][1] >= end else None

    def first_of_each(self, quotes: Iterable[_Place]) -> list[_Place]:
        """The first of the quotes that each span holds."""
        held: dict[_Place, _Place] = {}
        for quote in quotes:
            if (span := self.around(quote)) is not None:
                held.setdefault(span, quote)
        return list(held.values())

    def take(self, place: _Place) -> bool:
        """Adds the place, spans that touch it becoming one; False where it does not fit."""
        if self.around(place) is not None:
            return True
        position, start, end = place
        document = self._sizes.documents[position]
        spans = self.spans.setdefault(position, [])
        # Spans that only white space parts are one.
        first = bisect_left(spans, before(document.text, start), key=_end)
        last = bisect_right(spans, after(document.text, end), key=_start)
        touched = spans[first:last]
        if touched:
            start, end = min(start, touched[0][0]), max(end, touched[-1][1])
        new, at = 0, start
        for low, high in touched:
            new += self._sizes.part((position, at, low)) if at < low else 0
            at = high
        new += self._sizes.part((position, at, end)) if at < end else 0
        page = document.page_at(start)
        headed = (position, page) in self._headed
        new += (1 - len(touched)) * self._sizes.gap if headed else self._sizes.header(position, page)
        if self.used + new > self._target:
            self.refused = True
            return False
        self.used += new
        self._headed.add((position, page))
        spans[first:last] = [(start, end)]
        return True


def _start(span: tuple[int, int]) -> int:
    return span[0]


def _end(span: tuple[int, int]) -> int:
    return span[1]


def _filled(quotes: Sequence[_Place], sizes: _Sizes, target: int, granularity: Granularity) -> _Fill:
    fill = _Fill(sizes, target)

    def sentence(quote: _Place) -> _Place:
        return (quote[0], *sentence_around(sizes.documents[quote[0]].text, *quote[1:]))

    def paragraph(quote: _Place) -> _Place:
        return (quote[0], *paragraph_around(sizes.documents[quote[0]].text, *quote[1:]))

    def grown(quote: _Place) -> bool:
        position, *span = fill.around(quote) or quote
        text = sizes.documents[position].text
        return any(fill.take((position, *beside(text, *span))) for beside in (paragraphs_beside, sentences_beside))

    if granularity == "sentence":
        _each(quotes, lambda quote: fill.take(sentence(quote)) or fill.take(quote))
    elif granularity == "paragraph":
        _each(quotes, lambda quote: fill.take(paragraph(quote)) or fill.take(sentence(quote)) or fill.take(quote))
    else:
        _each(quotes, fill.take)
    if granularity != "auto":
        return fill
    # A span is widened for the best of its quotes alone.
    taken = [quote for quote in quotes if fill.around(quote) is not None]
    _each(taken, lambda quote: fill.take(sentence(quote)))
    _each(fill.first_of_each(taken), lambda quote: fill.take(paragraph(quote)))
    used = -1
    while used < fill.used:
        used = fill.used
        _each(fill.first_of_each(taken), grown)
    return fill


def _each(quotes: Sequence[_Place], take: Callable[[_Place], bool]) -> None:
    """One step for every quote, the best first, until nothing seems to fit any more."""
    refusals = 0
    for quote in quotes:
        refusals = 0 if take(quote) else refusals + 1
        if refusals == REFUSALS:
            return


# ------------------------------------------------------------------ the text


def _header(document: Document, page: int | None) -> str:
    title = " ".join((document.title or document.id).split())[:MOST_TITLE]
    return f"[Document: {title}{'' if page is None else f', page {page}'}]"


def _written(fill: _Fill, documents: Sequence[Document]) -> tuple[str, tuple[Span, ...]]:
    """The text of what was filled, in the corpus' order, and where each of its spans comes from."""
    parts: list[str] = []
    spans: list[Span] = []
    size = 0

    def write(part: str) -> None:
        nonlocal size
        parts.append(part)
        size += len(part)

    for position in sorted(position for position, held in fill.spans.items() if held):
        document = documents[position]
        headed: int | None = -1
        last = 0
        for start, end in fill.spans[position]:
            page = document.page_at(start)
            if page != headed:
                write(("\n\n" if parts else "") + _header(document, page) + "\n")
                headed = page
            else:
                write(GAP if document.text.find("\n", last, start) < 0 else LINE_GAP)
            at = size
            write(document.text[start:end])
            title = document.title or document.id
            spans.append(Span(document=document.id, title=title, start=start, end=end, page=page, out_start=at, out_end=size))
            last = end
    return "".join(parts), tuple(spans)
