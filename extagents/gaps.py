"""Where a table may lack values that the documents give: passages that are worth a second look.

A reader overlooks some of what it is shown, and reads the same text the same way twice. What was found tells what the rest is
like: passages that resemble those which brought a column's values, in documents that brought none, are read again in small
shards, and so are the likeliest passages of entities whose value is unknown.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from extagents.corpus.corpus import Corpus
from extagents.corpus.shards import header_tokens, shard_id
from extagents.tabular import Column, RowFound, Table
from extagents.types import Piece, Shard

LOOKS = (1_500, 900)
"""Tokens of a shard in the second look and in the third: sizes differ, so that no passage is read twice in one company."""
MOST_SHARE = 0.35  # of the input's tokens that one look reads at most
LEAST_TOKENS = 8_000  # that it may always read
RESEMBLING = (10.0, 40.0)  # percentile of the scores of passages with values, from which others resemble them; by look
LABEL_WORDS = 12  # of a column's quotes that say what its passages look like
LABELS = 4  # whole labels beside them
COMMON = 0.05  # share of the quotes in which a word stands that belongs to the column
MOST_QUOTES = 400  # of a column that are looked at
EACH = 2  # passages of an entity whose value is unknown
BEGINNING = 200  # characters of a document that stand before its passages, so that it is told whose they are
MANY_ROWS = 3  # rows from one passage, from which it is a list: a row that is missing there leaves no other trace
_WORDS = re.compile(r"[^\W\d_]+")
_DIGITS = re.compile(r"[\d.,%$€£¥()\[\]|*#:：，。;；]+")


@dataclass(frozen=True, slots=True)
class _Places:
    """Passages by where they begin, for finding the one that holds a cell."""

    keys: npt.NDArray[np.int64]

    def of(self, document: int, start: int) -> int:
        """The passage that holds the character."""
        return int(np.searchsorted(self.keys, (document << 40) + start, side="right")) - 1


def second_look(
    corpus: Corpus, table: Table, columns: Sequence[Column], rows: Iterable[RowFound], *, look: int, most: int | None = None
) -> tuple[Shard, ...]:
    """The shards of the next look at a table, best first; `rows` are those read so far, `look` counts from 0.

    `most` bounds a shard's tokens. Empty where nothing resembles what was found, or nothing is missing.
    """
    index, documents = corpus.index, corpus.documents
    numbers = {document.id: number for number, document in enumerate(documents)}
    spans = index.spans
    places = _Places((spans[:, 0].astype(np.int64) << 40) + spans[:, 1])
    owners = spans[:, 0]
    wanted: dict[int, float] = {}
    found = list(rows)
    for column in columns:
        cells = [cell for row in found for cell in row.cells if cell.column == column.name and cell.trusted]
        known = [(numbers[cell.document], cell.start) for cell in cells if cell.start is not None and cell.document in numbers]
        if not known:
            continue
        scores = _likeness(corpus, column, [cell.quote for cell in cells[:MOST_QUOTES]], [row.entity for row in found])
        sources = Counter(places.of(document, start) for document, start in known)
        bar = float(np.percentile(scores[list(sources)], RESEMBLING[min(look, len(RESEMBLING) - 1)]))
        silent = np.ones(len(documents), dtype=bool)
        silent[[document for document, _ in known]] = False
        alike = np.flatnonzero(silent[owners] & (scores >= max(bar, 1e-6)))
        lists = [place for place, count in sources.items() if count >= MANY_ROWS]
        gaps = [numbers[name] for row in table.rows if row.values.get(column.name) is None for name in row.documents]
        near = [place for document in dict.fromkeys(gaps) for place in _best(scores, owners, document)]
        for place in (*alike.tolist(), *lists, *near):
            wanted[place] = max(wanted.get(place, 0.0), float(scores[place]))
    return _shards(corpus, wanted, tokens=min(LOOKS[min(look, len(LOOKS) - 1)], most or LOOKS[0]))


def _likeness(corpus: Corpus, column: Column, quotes: Sequence[str], entities: Sequence[str]) -> npt.NDArray[np.float32]:
    """How much each passage looks like those that the quotes are from: by their words and labels, names and figures apart."""
    names = {word.casefold() for entity in entities for word in _WORDS.findall(entity)}
    words: Counter[str] = Counter()
    labels: Counter[str] = Counter()
    for quote in quotes:
        told = [word for word in _WORDS.findall(quote) if word.casefold() not in names]
        words.update(set(told))
        label = _DIGITS.split(quote, maxsplit=1)[0].strip()
        if 1 < len(label) <= 60:
            labels[label] += 1
    common = [word for word, count in words.most_common(LABEL_WORDS) if count >= max(2, COMMON * len(quotes))]
    queries = [" ".join(common), *(label for label, count in labels.most_common(LABELS) if count > 1)]
    total = np.zeros(len(corpus.index.spans), dtype=np.float32)
    for query in [query for query in queries if query.strip()] or [column.description]:
        scores = corpus.index.scores([query], method="bm25")
        top = float(scores.max(initial=0.0))
        if top > 0:
            np.maximum(total, scores / np.float32(top), out=total)
    return total


def _best(scores: npt.NDArray[np.float32], owners: npt.NDArray[np.int64], document: int) -> list[int]:
    """The likeliest passages of a document."""
    first, last = np.searchsorted(owners, [document, document + 1])
    order = np.argsort(-scores[first:last], kind="stable")[:EACH]
    return [int(first + place) for place in order if scores[first + place] > 0]


def _shards(corpus: Corpus, wanted: dict[int, float], *, tokens: int) -> tuple[Shard, ...]:
    """The passages in shards of so many tokens, the likeliest first, each after the beginning of its document."""
    documents, counter, spans = corpus.documents, corpus.counter, corpus.index.spans
    left = max(float(LEAST_TOKENS), MOST_SHARE * corpus.tokens)
    shards: list[Shard] = []
    pieces: list[tuple[int, int, int]] = []
    used = 0
    # Of equal likeness in their order, so that neighbours come together.
    for place in sorted(wanted, key=lambda place: (-round(wanted[place], 1), place)):
        document, start, end = (int(value) for value in spans[place])
        text = documents[document].text
        first = min(BEGINNING, start)
        size = counter.count(text[start:end]) + counter.count(text[:first]) + header_tokens(documents[document].title)
        if left < size:
            break
        if pieces and used + size > tokens:
            shards.append(_shard(corpus, pieces, used))
            pieces, used = [], 0
        pieces.append((document, start, end))
        if first:
            pieces.append((document, 0, first))
        used, left = used + size, left - size
    if pieces:
        shards.append(_shard(corpus, pieces, used))
    return tuple(shards)


def _shard(corpus: Corpus, spans: Sequence[tuple[int, int, int]], tokens: int) -> Shard:
    pieces: list[Piece] = []
    for document, start, end in sorted(spans):
        last = pieces[-1] if pieces else None
        if last is not None and last.document == document and start <= last.end:
            pieces[-1] = Piece(document=document, start=last.start, end=max(last.end, end))
        else:
            pieces.append(Piece(document=document, start=start, end=end))
    return Shard(id=shard_id(corpus.documents, pieces), position=-1, pieces=tuple(pieces), tokens=tokens)
