"""Samples of an input for whoever designs tables over it: some documents, of each its beginning and its likeliest passages."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from extagents.corpus.corpus import Corpus
from extagents.types import Section, ShardText

COUNT = 3  # samples, of different documents
DOCUMENTS = 6  # of a sample for one or two questions; half as many, of which more is shown, for more
SAMPLE_TOKENS = 6_000  # of one sample, at most
SAMPLE_SHARE = 5  # and a part of the window so large
BEGINNING = 600  # characters of a document that are always shown
CHARACTERS = 4  # a token, at least; of Chinese text one
LIKELIEST = 2  # of three documents of a sample; the others are spread over the whole input


def samples(
    corpus: Corpus, queries: Sequence[str], questions: Sequence[str], *, window: int, count: int = COUNT
) -> list[ShardText]:
    """`count` samples at most, of different documents as far as there are as many; the likeliest by the index come first."""
    documents = corpus.documents
    scores = corpus.index.scores(list(dict.fromkeys((*queries, *questions))))
    passages: dict[int, list[tuple[float, int, int]]] = {}
    for place, (document, start, end) in enumerate(corpus.index.spans):
        passages.setdefault(int(document), []).append((float(scores[place]), int(start), int(end)))
    ranked = sorted(passages, key=lambda number: (-max(score for score, _, _ in passages[number]), number))
    size = DOCUMENTS if len(questions) <= 2 else DOCUMENTS // 2
    room = min(SAMPLE_TOKENS, window // SAMPLE_SHARE) * CHARACTERS // min(size, max(1, len(documents)))
    made = []
    for number in range(min(count, max(1, -(-len(documents) // size)))):
        chosen = _chosen(ranked, number, count, size)
        sections = [section for place in chosen for section in _shown(corpus, place, passages[place], room)]
        if sections:
            made.append(ShardText(id=f"sample:{number}", sections=tuple(sections)))
    # Few documents: the same ones, in another order.
    while made and len(made) < count:
        turned = made[-1].sections[1:] + made[-1].sections[:1]
        made.append(ShardText(id=f"sample:{len(made)}", sections=turned))
    return made


def _chosen(ranked: Sequence[int], number: int, count: int, size: int) -> list[int]:
    """The documents of sample `number`: two thirds of the likeliest, dealt out in turn, the rest spread over all."""
    likely = list(ranked[number::count][: -(-size * LIKELIEST // 3)])
    spread = np.linspace(0, len(ranked) - 1, num=count * size).astype(int)[number::count]
    others = [ranked[int(place)] for place in spread if ranked[int(place)] not in likely]
    return list(dict.fromkeys((*likely, *others)))[:size]


def _shown(corpus: Corpus, place: int, passages: Sequence[tuple[float, int, int]], room: int) -> list[Section]:
    """The document whole where it is short; else its beginning and its best passages, in their order."""
    document = corpus.documents[place]
    wide = sum(char > "\u2e7f" for char in document.text[:2_000]) > 500
    room = room // CHARACTERS if wide else room
    if len(document.text) <= room:
        spans = [(0, len(document.text))]
    else:
        spans = [(0, min(BEGINNING, room))]
        left = room - spans[0][1]
        for _, start, end in sorted(passages, key=lambda passage: (-passage[0], passage[1])):
            if left < end - start:
                break
            spans.append((start, end))
            left -= end - start
    merged: list[tuple[int, int]] = []
    for start, end in sorted(spans):
        if merged and start <= merged[-1][1]:
            merged[-1] = (merged[-1][0], max(end, merged[-1][1]))
        else:
            merged.append((start, end))
    return [
        Section(
            document=document.id,
            title=document.title,
            text=document.text[start:end],
            start=start,
            end=end,
            page=document.page_at(start),
        )
        for start, end in merged
    ]
