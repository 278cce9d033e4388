"""A retriever and a document compressor: evidence in the documents' own words, with the places where it stands."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable, Sequence
from typing import Any, Literal

from langchain_core.callbacks import AsyncCallbackManagerForRetrieverRun, CallbackManagerForRetrieverRun, Callbacks
from langchain_core.documents import Document
from langchain_core.documents.compressor import BaseDocumentCompressor
from langchain_core.retrievers import BaseRetriever
from langchain_core.runnables import RunnableConfig
from pydantic import ConfigDict, Field, PrivateAttr, model_validator

from extagents.corpus.corpus import Corpus
from extagents.integrations.langchain.asked import within
from extagents.integrations.langchain.errors import langchain_errors
from extagents.integrations.langchain.quiet import quiet
from extagents.integrations.langchain.runnable import team
from extagents.integrations.sources import Evidence, Source, at_least_one, best_first, corpus_of, documents_from, evidence_of
from extagents.types import Compressed, Granularity


class ExtAgentsRetriever(BaseRetriever):
    """Documents that hold evidence for a question, most relevant first.

    `mode="read"`: readers read everything there is, in parallel and over several hops, and what comes back are quotes that were
    found again in the documents, with what stands around them (`granularity`), at most `tokens` tokens and `k` documents.
    `mode="search"`: the index' `k` best passages; no model is asked.

    `page_content` is `text[start:end]` of the source. The metadata are the source's, and `document`, `title`, `start`, `end`,
    `start_index` (in what the source was cut from), `page`, `relevance` and `verified`; in read mode also `quote`, `claim`,
    `quotes` and `run_id`. The input is loaded when it is first asked, once.
    """

    model_config = ConfigDict(arbitrary_types_allowed=True, extra="forbid")

    over: Any = Field(repr=False)
    coordinator: Any = Field(default=None, repr=False)
    model: Any = Field(default=None, repr=False, exclude=True)
    mode: Literal["read", "search"] = "read"
    k: int = Field(default=10, ge=1)
    tokens: int = Field(default=8_000, ge=1)
    granularity: Granularity = "paragraph"

    _source: Any = PrivateAttr(default=None)

    @model_validator(mode="after")
    def _team(self) -> ExtAgentsRetriever:
        with langchain_errors():
            self.coordinator, self.model = team(self.coordinator, self.model), None
            self._source = Source(self.over)
        return self

    @classmethod
    def from_documents(cls, documents: Iterable[Any], **options: Any) -> ExtAgentsRetriever:
        """A retriever over LangChain's documents (or LlamaIndex', or ours)."""
        with langchain_errors():
            return cls(over=documents_from(documents), **options)

    def invoke(self, input: str, config: RunnableConfig | None = None, **kwargs: Any) -> list[Document]:
        """The documents, blocking. `k`, `tokens` and `granularity` may be given for this call."""
        return super().invoke(input, quiet(config, self.coordinator.settings, is_async=False), **kwargs)

    async def ainvoke(self, input: str, config: RunnableConfig | None = None, **kwargs: Any) -> list[Document]:
        """The documents."""
        return await super().ainvoke(input, quiet(config, self.coordinator.settings, is_async=True), **kwargs)

    def _wanted(self, k: Any, tokens: Any, granularity: Any) -> tuple[int, int, Granularity]:
        """What is asked of this call, and what it does not say as it was set."""
        most = self.k if k is None else at_least_one("k", k)
        return most, self.tokens if tokens is None else at_least_one("tokens", tokens), granularity or self.granularity

    def _get_relevant_documents(
        self,
        query: str,
        *,
        run_manager: CallbackManagerForRetrieverRun,
        k: int | None = None,
        tokens: int | None = None,
        granularity: Granularity | None = None,
    ) -> list[Document]:
        with langchain_errors(), within(run_manager.get_child()):
            most, tokens, granularity = self._wanted(k, tokens, granularity)
            if self.mode == "search":
                return _documents(self._source.search(query, most))
            corpus = self._source.read()
            context = self.coordinator.compress(query, corpus, tokens=tokens, granularity=granularity)
            return _found(context, corpus, most)

    async def _aget_relevant_documents(
        self,
        query: str,
        *,
        run_manager: AsyncCallbackManagerForRetrieverRun,
        k: int | None = None,
        tokens: int | None = None,
        granularity: Granularity | None = None,
    ) -> list[Document]:
        with langchain_errors(), within(run_manager.get_child()):
            most, tokens, granularity = self._wanted(k, tokens, granularity)
            if self.mode == "search":
                return _documents(await asyncio.to_thread(self._source.search, query, most))
            corpus = await asyncio.to_thread(self._source.read)
            context = await self.coordinator.acompress(query, corpus, tokens=tokens, granularity=granularity)
            return _found(context, corpus, most)


class ExtAgentsCompressor(BaseDocumentCompressor):
    """What of retrieved documents matters to the question, verbatim, in at most `tokens` tokens, in the documents' order.

    A document may give several stretches, or none. Each keeps its document's metadata, and has `start`, `end`, `start_index`,
    `relevance`, `quote` and the rest that `ExtAgentsRetriever` gives.
    """

    model_config = ConfigDict(arbitrary_types_allowed=True, extra="forbid")

    coordinator: Any = Field(default=None, repr=False)
    model: Any = Field(default=None, repr=False, exclude=True)
    tokens: int = Field(default=8_000, ge=1)
    granularity: Granularity = "auto"

    @model_validator(mode="after")
    def _team(self) -> ExtAgentsCompressor:
        with langchain_errors():
            self.coordinator, self.model = team(self.coordinator, self.model), None
        return self

    def compress_documents(
        self, documents: Sequence[Document], query: str, callbacks: Callbacks | None = None
    ) -> Sequence[Document]:
        """The stretches that matter, blocking."""
        with langchain_errors(), within(callbacks):
            if (corpus := corpus_of(documents)) is None:
                return []
            context = self.coordinator.compress(query, corpus, tokens=self.tokens, granularity=self.granularity)
            return _documents(evidence_of(context, corpus))

    async def acompress_documents(
        self, documents: Sequence[Document], query: str, callbacks: Callbacks | None = None
    ) -> Sequence[Document]:
        """The stretches that matter."""
        with langchain_errors(), within(callbacks):
            if (corpus := await asyncio.to_thread(corpus_of, documents)) is None:
                return []
            context = await self.coordinator.acompress(query, corpus, tokens=self.tokens, granularity=self.granularity)
            return _documents(evidence_of(context, corpus))


def _found(context: Compressed, corpus: Corpus, most: int) -> list[Document]:
    return _documents(best_first(evidence_of(context, corpus))[:most])


def _documents(evidence: Iterable[Evidence]) -> list[Document]:
    return [Document(id=one.id, page_content=one.text, metadata=one.metadata) for one in evidence]
