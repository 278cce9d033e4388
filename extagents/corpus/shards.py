"""Documents cut and packed into shards: every character once, no shard above its limit, cut where the text itself pauses."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Callable, Iterable, Sequence

from extagents.corpus.tables import Table, head_at, last_row, table_at, tables
from extagents.corpus.tokens import TokenCounter
from extagents.errors import SettingsError
from extagents.text import line_spans, paragraph_spans, sentence_spans
from extagents.types import Document, Piece, Shard

Counts = dict[tuple[int, int, int], int]
"""Tokens of spans of documents, by (document position, start, end): what was counted once for a corpus."""

GROWING = ((16_000, 2_000), (32_000, 4_000), (None, 8_000))
"""Sizes down a ranking: shards of 2,000 tokens up to the best 16,000, of 4,000 up to 32,000, then of 8,000 (measured:
small shards find more, large ones cost fewer calls, and what is found stands mostly at the top of the ranking)."""

_HEADING = re.compile(
    r"""\n(?=
      \#{1,6}[ \t]+\S
    | (?:CHAPTER|Chapter|PART|Part|BOOK|Book)[ \t]+[\dIVXLC]+\b
    | 第[〇一二三四五六七八九十百千零\d]{1,9}[章节回卷部篇]
    | (?:class|def|async[ ]def|func|fn|pub[ ]fn|impl|public|export|function|struct|interface|enum|trait|module)[ \t]+\w
    )""",
    re.VERBOSE,
)
_WHITE_SPACE = re.compile(r"\s+")
_LINE_WITH_STRUCTURE = re.compile(r"^(?:[ \t]+\S|.*(?:[{};|\t]|[:,(]$|,.*,.*,)|\)$)")
_TITLE_CHARACTERS = 300
_CALIBRATION = 2_048


def header_tokens(title: str) -> int:
    """What a section's header costs in a prompt, in tokens: its markers, and its title up to 300 characters."""
    return min(len(title), _TITLE_CHARACTERS) // 3 + 12


def shard_id(documents: Sequence[Document], pieces: Iterable[Piece]) -> str:
    """The name of a shard of these pieces, 16 hexadecimal digits: the same pieces of the same documents, the same name."""
    identity = "\n".join(f"{documents[piece.document].id}\t{piece.start}\t{piece.end}" for piece in pieces)
    return hashlib.blake2b(identity.encode("utf-8", "surrogatepass"), digest_size=8).hexdigest()


def pack(
    documents: Sequence[Document], *, shard_tokens: int, counter: TokenCounter, counts: Counts | None = None
) -> list[Shard]:
    """Shards of at most `shard_tokens` tokens in corpus order, headers included; joined, they are the documents.

    Documents that fit stay whole and share shards; longer ones are cut at headings, then paragraphs, then sentences (code and
    tables at lines), then white space, then anywhere. The limit holds for the counter's exact `count` of every section. A
    limit too small for a header and 16 tokens of text is raised to that. `counts` remembers the tokens of spans from one
    packing to the next. Raises SettingsError below 1.
    """
    if shard_tokens < 1:
        raise SettingsError(f"A shard of {shard_tokens} tokens cannot hold anything.", hint="Give a size of at least 1.")
    return _Packer(documents, counter, lambda _: shard_tokens, counts).pack(range(len(documents)))


def pack_ranked(
    documents: Sequence[Document],
    ranking: Iterable[int],
    *,
    sizes: Sequence[tuple[int | None, int]] = GROWING,
    counter: TokenCounter,
    counts: Counts | None = None,
) -> list[Shard]:
    """Shards that grow down a ranking of document positions (best first); documents that it leaves out follow in their order.

    `sizes` holds (up to how many tokens of the ranking, tokens a shard); the last one's bound is None.
    """
    order = list(dict.fromkeys(ranking))
    missing = set(range(len(documents))).difference(order)

    def limit(packed: int) -> int:
        return next((size for bound, size in sizes if bound is None or packed < bound), sizes[-1][1])

    return _Packer(documents, counter, limit, counts).pack([*order, *sorted(missing)])


class _Packer:
    """Fills shards one after the other; `limit(packed)` is the limit of a shard begun after `packed` tokens."""

    def __init__(
        self,
        documents: Sequence[Document],
        counter: TokenCounter,
        limit: Callable[[int], int],
        counts: Counts | None,
    ) -> None:
        self._documents = documents
        self._counts: Counts = {} if counts is None else counts
        self._count = counter.count
        self._limit_after = limit
        self._shards: list[Shard] = []
        self._pieces: list[Piece] = []
        self._used = 0
        self._packed = 0
        self._limit = limit(0)

    def pack(self, order: Iterable[int]) -> list[Shard]:
        for position in order:
            document = self._documents[position]
            if not document.text:
                continue
            header = header_tokens(document.title)
            # No token spans more than 40 characters of real text: beyond that a document cannot fit, and is not counted whole.
            if len(document.text) <= 40 * self._limit:
                tokens = header + self._tokens(position, 0, len(document.text))
                # A long document may be cut to fill a shard; a short one never is.
                if self._used + tokens > self._limit and self._pieces and not self._worth_cutting(tokens):
                    self._close()
                if self._used + tokens <= self._limit:
                    self._add(Piece(document=position, start=0, end=len(document.text)), tokens)
                    continue
            self._cut(position, document.text, header)
        self._close()
        return self._shards

    def _tokens(self, position: int, start: int, end: int) -> int:
        span = (position, start, end)
        if span not in self._counts:
            self._counts[span] = self._count(self._documents[position].text[start:end])
        return self._counts[span]

    def _worth_cutting(self, tokens: int) -> bool:
        return tokens > self._limit // 2 and self._limit - self._used >= self._limit // 4

    def _cut(self, position: int, text: str, header: int) -> None:
        """A document that fits no shard: piece after piece, each as long as its shard has room for."""
        if self._pieces and self._limit - self._used < max(self._limit // 4, header + 16):
            self._close()
        sample = min(len(text), _CALIBRATION)
        per_token = sample / self._tokens(position, 0, sample)
        start = 0
        found = tables(self._documents[position])
        while start < len(text):
            head = head_at(found, start)
            # The header of a table that goes on is shown again, and costs as much again.
            above = header + (self._tokens(position, *head) if head else 0)
            room = max(16, self._limit - self._used - above)
            end, tokens = self._piece(position, start, room, per_token, found)
            if end - start > _CALIBRATION // 2:
                per_token = (end - start) / tokens
            self._add(Piece(document=position, start=start, end=end), above + tokens)
            start = end
            if start < len(text):
                self._close()

    def _piece(self, position: int, start: int, room: int, per_token: float, found: Sequence[Table]) -> tuple[int, int]:
        """The end of the piece of at most `room` tokens that starts at `start`, and its tokens."""
        text = self._documents[position].text
        size = max(1, int(room * per_token * 0.99))
        while True:
            end = len(text) if start + size >= len(text) else _last_pause(text, start, start + size, found)
            tokens = self._tokens(position, start, end)
            if tokens <= room or end - start == 1:
                return end, tokens
            size = max(1, min(size - 1, int((end - start) * room / tokens * 0.98)))

    def _add(self, piece: Piece, tokens: int) -> None:
        self._pieces.append(piece)
        self._used += tokens

    def _close(self) -> None:
        if self._pieces:
            name = shard_id(self._documents, self._pieces)
            shard = Shard(id=name, position=len(self._shards), pieces=tuple(self._pieces), tokens=self._used)
            self._shards.append(shard)
        self._packed += self._used
        self._pieces = []
        self._used = 0
        self._limit = self._limit_after(self._packed)


def _last_pause(text: str, start: int, end: int, found: Sequence[Table]) -> int:
    """The best place to cut in (start, end]: the last heading in the last 30 %, else the last paragraph in the last
    20 %, in a table the end of a row, else the last sentence or line in the last 15 %, the last white space in the last
    10 %, else `end`."""
    table = table_at(found, end)
    if table is not None and table.quoted:
        # A CSV file has no headings, and its empty lines may stand within a cell.
        return last_row(text, table, start, end) or _last_match(_WHITE_SPACE, text, start + (end - start) * 9 // 10, end) or end
    size = end - start
    if heading := _last_match(_HEADING, text, start + size * 7 // 10, end):
        return heading
    late = start + size * 8 // 10
    # One character more is looked at, so that a pause right at `end` is seen.
    if cut := _last_cut(paragraph_spans(text[late : end + 1]), late, end):
        return cut
    if table is not None and (cut := last_row(text, table, start, end)):
        return cut
    late = start + size * 85 // 100
    tail = text[late : end + 1]
    ways = (line_spans, sentence_spans) if _is_structured(tail) else (sentence_spans, line_spans)
    for spans in ways:
        if cut := _last_cut(spans(tail), late, end):
            return cut
    return _last_match(_WHITE_SPACE, text, start + size * 9 // 10, end) or end


def _last_cut(spans: list[tuple[int, int]], base: int, end: int) -> int | None:
    """The last end of a span that something follows; offsets of the spans count from `base`."""
    return next((base + span[1] for span in reversed(spans[:-1]) if base < base + span[1] <= end), None)


def _last_match(pattern: re.Pattern[str], text: str, start: int, end: int) -> int | None:
    last = None
    for match in pattern.finditer(text, start, end):
        last = match.end()
    return last


def _is_structured(text: str) -> bool:
    """Whether most lines look like code or a table: they pause at lines, not at full stops."""
    lines = [line for line in text.split("\n") if line.strip()]
    if len(lines) < 4:
        return False
    return sum(1 for line in lines if _LINE_WITH_STRUCTURE.match(line[:500])) > 0.5 * len(lines)
