"""Documents of LangChain and LlamaIndex as ours, and evidence of ours with the metadata that they came with."""

from __future__ import annotations

import os
import threading
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from numbers import Integral
from typing import Any

from extagents.corpus.corpus import Corpus
from extagents.errors import InputError
from extagents.types import Compressed, Document, Fact, Hit

STARTS = ("start_index", "start_char_idx")  # where a chunk starts in its source: LangChain's splitters, LlamaIndex' nodes


def documents_from(documents: Iterable[Any]) -> list[Document]:
    """LangChain or LlamaIndex documents, or nodes, as documents of ours: in order, none left out.

    The id is theirs, else the source in their metadata, else the number. Title and metadata are kept; where a chunk knows
    where it starts in its source, that is `start_index` in the metadata. Raises `InputError` for anything else.
    """
    return [_document(item) for item in documents]


def readable(over: Any) -> Any:
    """What a coordinator can read: `over` as it is, with documents of others turned into ours."""
    if isinstance(over, str | os.PathLike | bytes | Document | Corpus) or over is None:
        return over
    if _foreign(over):
        return documents_from([over])
    if not isinstance(over, Iterable):
        return over
    items = over if isinstance(over, list | tuple) else list(over)
    return [_document(item) if _foreign(item) else item for item in items] if any(map(_foreign, items)) else items


def _foreign(item: Any) -> bool:
    return hasattr(item, "page_content") or hasattr(item, "get_content") or (hasattr(item, "node") and hasattr(item, "score"))


def _document(item: Any) -> Document:
    if isinstance(item, Document):
        return item
    if hasattr(item, "page_content"):
        metadata = dict(item.metadata or {})
        identity = item.id or metadata.get("source")
        return _made(item.page_content, identity, metadata, metadata.get("start_index"))
    node = item.node if hasattr(item, "score") and hasattr(item, "node") else item
    if not hasattr(node, "get_content"):
        raise InputError(
            f"Cannot read from a {type(item).__name__}.",
            hint="Give documents of LangChain, of LlamaIndex, or Document(text=…).",
        )
    text = getattr(node, "text", None)
    start = getattr(node, "start_char_idx", None)
    return _made(node.get_content() if text is None else text, node.node_id, dict(node.metadata or {}), start)


def _made(text: str, identity: Any, metadata: dict[str, Any], start: Any) -> Document:
    if isinstance(start, int):
        metadata["start_index"] = start
    title = metadata.get("title") or metadata.get("file_name")
    return Document(
        text=text,
        id="" if identity is None else str(identity),
        title=title if isinstance(title, str) else "",
        metadata=metadata,
    )


def at_least_one(name: str, value: Any) -> int:
    """A number of things that are asked for. Raises `InputError` for what is no whole number, or less than 1."""
    if not isinstance(value, Integral) or isinstance(value, bool) or value < 1:
        raise InputError(f"There is no {name} of {value!r}.", hint="Give a whole number, at least 1.")
    return int(value)


class Source:
    """An input that is loaded when it is first asked, once, whichever thread asks."""

    def __init__(self, over: Any) -> None:
        self.over = readable(over)
        self._corpus: Corpus | None = None
        self._loading = threading.Lock()

    def read(self) -> Corpus:
        """The corpus. Raises `InputError` where there is nothing to read."""
        with self._loading:
            if self._corpus is None:
                self._corpus = Corpus.load(self.over)
            return self._corpus

    def search(self, query: str, most: int) -> list[Evidence]:
        """What the index finds, best first; no model is asked. Raises `InputError` for an empty query."""
        if not isinstance(query, str) or not query.strip():
            raise InputError("The query is empty.", hint="Ask something.")
        corpus = self.read()
        return passages_of(corpus.search(query, k=most), corpus)


def corpus_of(documents: Iterable[Any]) -> Corpus | None:
    """Documents that were retrieved as a corpus, not kept in the cache; None where there is no text in them."""
    ours = documents_from(documents)
    return Corpus.load(ours, cache=False) if any(document.text.strip() for document in ours) else None


@dataclass(frozen=True, slots=True)
class Evidence:
    """A stretch of a document that matters: `text == document.text[start:end]`, with the facts whose quotes stand in it.

    `facts` are best first, each verified; a passage that the index found has none, but a `score`. `start_index` is where the
    stretch starts in what the document itself was cut from. `position` is the document's in its corpus.
    """

    document: Document
    position: int
    start: int
    end: int
    page: int | None
    text: str
    facts: tuple[Fact, ...] = ()
    score: float = 0.0
    run_id: str = ""

    @property
    def relevance(self) -> float:
        """Of the best fact, 0 to 1; the index' score for a passage."""
        return max((fact.relevance for fact in self.facts), default=self.score)

    @property
    def id(self) -> str:
        """The same for the same stretch of the same document."""
        return f"{self.document.id}:{self.start}-{self.end}"

    @property
    def start_index(self) -> int:
        """Where it starts in what the document was cut from; in the document, where that is whole."""
        before = self.document.metadata.get("start_index")
        return self.start + (before if isinstance(before, int) else 0)

    @property
    def metadata(self) -> dict[str, Any]:
        """The document's own metadata, and what this stretch is: all of it JSON, if the document's is."""
        own: dict[str, Any] = {
            "document": self.document.id,
            "title": self.document.title,
            "start": self.start,
            "end": self.end,
            "start_index": self.start_index,
            "relevance": round(self.relevance, 4),
            "verified": bool(self.facts),
        }
        if self.page is not None:
            own["page"] = self.page
        if self.facts:
            own |= {"quote": self.facts[0].quote, "claim": self.facts[0].claim, "quotes": [fact.quote for fact in self.facts]}
        if self.run_id:
            own["run_id"] = self.run_id
        kept: Mapping[str, Any] = {key: value for key, value in self.document.metadata.items() if key not in STARTS}
        return {"source": self.document.id, **kept, **own}


def evidence_of(context: Compressed, corpus: Corpus) -> list[Evidence]:
    """The spans of compressed context as evidence, in document order."""
    places = {document.id: place for place, document in enumerate(corpus.documents)}
    found = []
    for span in context.spans:
        within = (
            fact
            for fact in context.facts
            if fact.document == span.document and fact.start is not None and fact.end is not None
            if span.start <= fact.start and fact.end <= span.end
        )
        position = places[span.document]
        found.append(
            Evidence(
                document=corpus.documents[position],
                position=position,
                start=span.start,
                end=span.end,
                page=span.page,
                text=context.text[span.out_start : span.out_end],
                facts=tuple(within),
                run_id=context.run_id,
            )
        )
    return found


def best_first(evidence: Iterable[Evidence]) -> list[Evidence]:
    """Most relevant first; of equals, those with more facts, then in document order."""
    return sorted(evidence, key=lambda one: (-one.relevance, -len(one.facts), one.position, one.start))


def passages_of(hits: Iterable[Hit], corpus: Corpus) -> list[Evidence]:
    """What the index found, in its order."""
    places = {document.id: place for place, document in enumerate(corpus.documents)}
    return [
        Evidence(
            document=corpus.documents[places[hit.document]],
            position=places[hit.document],
            start=hit.start,
            end=hit.end,
            page=hit.page,
            text=hit.text,
            score=hit.score,
        )
        for hit in hits
    ]
