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
from extagents.corpus.shards import header_tokens
from extagents.focusing import shard_of
from extagents.tabular import Column, RowFound, Table
from extagents.text import cjk_share
from extagents.types import Shard

LOOKS = (1_500, 900)
"""Tokens of a shard in the second look and in the third: sizes differ, so that no passage is read twice in one company."""
MOST_SHARE = 0.35  # of the input's tokens that one look reads at most
LEAST_TOKENS = 8_000  # that it may always read
SPECIFIC = 0.1  # of the passages that hold a wording, so many have to have brought values, for the others to be worth a look
MOST_WORDINGS = 48  # of a column, the most frequent in its quotes
MOST_QUOTES = 400  # of a column that are looked at
EACH = 2  # passages of an entity whose value is unknown
BEGINNING = 200  # characters of a document that stand before its passages, so that it is told whose they are
MANY_ROWS = 3  # rows from one passage, from which it is a list: a row that is missing there leaves no other trace
_WORD = re.compile(r"[^\W\d_]+")


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
    texts = [document.text.casefold() for document in documents]
    for column in columns:
        cells = [cell for row in found for cell in row.cells if cell.column == column.name and cell.trusted]
        known = [(numbers[cell.document], cell.start) for cell in cells if cell.start is not None and cell.document in numbers]
        if not known:
            continue
        sources = Counter(places.of(document, start) for document, start in known)
        quotes = [cell.quote for cell in cells[:MOST_QUOTES]]
        scores = _resemblance(texts, quotes, [row.entity for row in found], places, set(sources))
        silent = np.ones(len(documents), dtype=bool)
        silent[[document for document, _ in known]] = False
        silent[[numbers[name] for row in table.rows if row.values.get(column.name) is not None for name in row.documents]] = (
            False
        )
        gaps = [numbers[name] for row in table.rows if row.values.get(column.name) is None for name in row.documents]
        silent[gaps] = True
        alike = np.flatnonzero(silent[owners] & (scores >= SPECIFIC)).tolist()
        lists = [place for place, count in sources.items() if count >= MANY_ROWS]
        near = {place for document in dict.fromkeys(gaps) for place in _best(scores, owners, document)}
        # What is known to be missing comes first: of a wide table, not all that resembles its columns can be read again.
        for place in (*alike, *lists, *near):
            wanted[place] = max(wanted.get(place, 0.0), float(scores[place]) + (place in near))
    return _shards(corpus, wanted, tokens=min(LOOKS[min(look, len(LOOKS) - 1)], most or LOOKS[0]))


def _resemblance(
    texts: Sequence[str], quotes: Sequence[str], entities: Sequence[str], places: _Places, sources: set[int]
) -> npt.NDArray[np.float32]:
    """For each passage the largest share of passages with values among those that hold one of its wordings, 0 to 1."""
    scores = np.zeros(len(places.keys), dtype=np.float32)
    for wording in _wordings(quotes, entities):
        held: set[int] = set()
        for number, text in enumerate(texts):
            at = text.find(wording)
            while at >= 0:
                held.add(places.of(number, at))
                at = text.find(wording, at + len(wording))
        share = len(held & sources) / max(1, len(held))
        if share >= SPECIFIC:
            places_held = np.fromiter(held, dtype=np.int64, count=len(held))
            scores[places_held] = np.maximum(scores[places_held], np.float32(share))
    return scores


def _wordings(quotes: Sequence[str], entities: Sequence[str]) -> list[str]:
    """Words and pairs of words that several quotes share, names and figures apart; of Chinese, short runs of characters."""
    names = {word.casefold() for entity in entities for word in _WORD.findall(entity)}
    counts: Counter[str] = Counter()
    for quote in quotes:
        told = quote.casefold()
        found: set[str] = set()
        last: re.Match[str] | None = None
        for word in _WORD.finditer(told):
            text = word[0]
            if cjk_share(text) > 0.5:
                found.update(text[start : start + size] for size in (2, 3, 4) for start in range(len(text) - size + 1))
                last = None
            elif text in names or len(text) < 3:
                last = None
            else:
                found.add(text)
                if last is not None and word.start() - last.end() == 1:
                    found.add(told[last.start() : word.end()])
                last = word
        counts.update(found)
    return [wording for wording, count in counts.most_common(MOST_WORDINGS) if count > 1 or len(quotes) < 4]


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
            shards.append(shard_of(corpus, pieces, used))
            pieces, used = [], 0
        pieces.append((document, start, end))
        if first:
            pieces.append((document, 0, first))
        used, left = used + size, left - size
    if pieces:
        shards.append(shard_of(corpus, pieces, used))
    return tuple(shards)
