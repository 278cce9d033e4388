"""LlamaIndex: a query engine, a retriever, and a node postprocessor that compresses.

>>> from extagents.integrations.llamaindex import ExtAgentsQueryEngine
>>> engine = ExtAgentsQueryEngine("handbook/")
>>> engine.query("How many days of leave does a new employee have?")

Errors of ours are LlamaIndex' as well: what the caller can mend is a `ValueError`, a run that failed a `RuntimeError`.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any, Literal

from pydantic import BaseModel

from extagents.coordinator import Coordinator
from extagents.corpus.corpus import Corpus
from extagents.errors import ExtAgentsError, SettingsError, UsageError
from extagents.integrations.both import both
from extagents.integrations.sources import Evidence, Source, at_least_one, best_first, corpus_of, documents_from, evidence_of
from extagents.types import Answer, Compressed, Granularity

try:
    from llama_index.core.base.base_query_engine import BaseQueryEngine
    from llama_index.core.base.base_retriever import BaseRetriever
    from llama_index.core.base.response.schema import RESPONSE_TYPE, PydanticResponse, Response
    from llama_index.core.bridge.pydantic import Field
    from llama_index.core.callbacks import CallbackManager
    from llama_index.core.postprocessor.types import BaseNodePostprocessor
    from llama_index.core.prompts.mixin import PromptMixinType
    from llama_index.core.schema import BaseNode, NodeRelationship, NodeWithScore, QueryBundle, RelatedNodeInfo, TextNode
except ImportError:
    raise SettingsError("LlamaIndex is not installed.", hint='pip install "extagents[llamaindex]"') from None

__all__ = ["ExtAgentsNodePostprocessor", "ExtAgentsQueryEngine", "ExtAgentsRetriever", "documents_from"]

EMPTY = "Empty Response"  # what LlamaIndex says where there is nothing to say
# Of the metadata, what helps a program and not a model: left out of what a model is shown and of what is embedded.
_FOR_PROGRAMS = ["claim", "document", "end", "quote", "quotes", "relevance", "run_id", "start", "start_index", "verified"]


class ExtAgentsRetriever(BaseRetriever):
    """Nodes that hold evidence for a question, most relevant first.

    `mode="read"`: readers read everything there is, in parallel and over several hops; a node is quotes that were found again
    in a document with what stands around them (`granularity`), at most `tokens` tokens in all. `mode="search"`: the index' best
    passages; no model is asked. `start_char_idx` and `end_char_idx` are offsets into the document, which is `ref_doc_id`.
    `over`: paths, documents (LlamaIndex', LangChain's or ours) or a corpus; it is loaded when it is first asked, once.
    """

    def __init__(
        self,
        over: Any,
        *,
        coordinator: Coordinator | None = None,
        model: Any = None,
        mode: Literal["read", "search"] = "read",
        similarity_top_k: int = 10,
        tokens: int = 8_000,
        granularity: Granularity = "paragraph",
        callback_manager: CallbackManager | None = None,
    ) -> None:
        with _errors():
            if mode not in ("read", "search"):
                raise SettingsError(f"There is no mode {mode!r}.", hint="One of: read, search.")
            self._team = _team(coordinator, model)
            self._most = at_least_one("similarity_top_k", similarity_top_k)
            self._tokens = at_least_one("tokens", tokens)
            self._source = Source(over)
        self._mode = mode
        self._granularity = granularity
        super().__init__(callback_manager)

    def _retrieve(self, query_bundle: QueryBundle) -> list[NodeWithScore]:
        with _errors():
            if self._mode == "search":
                return _nodes(self._source.search(query_bundle.query_str, self._most))
            corpus, size = self._source.read(), self._granularity
            return self._found(
                self._team.compress(query_bundle.query_str, corpus, tokens=self._tokens, granularity=size), corpus
            )

    async def _aretrieve(self, query_bundle: QueryBundle) -> list[NodeWithScore]:
        with _errors():
            if self._mode == "search":
                return _nodes(await asyncio.to_thread(self._source.search, query_bundle.query_str, self._most))
            corpus, size = await asyncio.to_thread(self._source.read), self._granularity
            context = await self._team.acompress(query_bundle.query_str, corpus, tokens=self._tokens, granularity=size)
            return self._found(context, corpus)

    def _found(self, context: Compressed, corpus: Corpus) -> list[NodeWithScore]:
        return _nodes(best_first(evidence_of(context, corpus))[: self._most])


class ExtAgentsQueryEngine(BaseQueryEngine):
    """Answers questions over an input; `source_nodes` are the answer's citations, each a verified quote.

    `metadata` holds what `--json` prints of the answer besides (`answered`, `confidence`, `notices`, `coverage`, `usage`,
    `run_id` and so on). Where nothing answers the question, the response is LlamaIndex' "Empty Response", and `answered` is
    False. With `schema`, a pydantic model, it is a `PydanticResponse`. Cancelling `aquery` ends the run.
    """

    def __init__(
        self,
        over: Any,
        *,
        coordinator: Coordinator | None = None,
        model: Any = None,
        instructions: str = "",
        schema: type[BaseModel] | None = None,
        callback_manager: CallbackManager | None = None,
    ) -> None:
        with _errors():
            self._team = _team(coordinator, model)
            self._source = Source(over)
        self._options: dict[str, Any] = {"instructions": instructions, "schema": schema}
        super().__init__(callback_manager)

    def _get_prompt_modules(self) -> PromptMixinType:
        return {}

    def _query(self, query_bundle: QueryBundle) -> RESPONSE_TYPE:
        with _errors():
            corpus = self._source.read()
            return _response(self._team.ask(query_bundle.query_str, corpus, **self._options), corpus)

    async def _aquery(self, query_bundle: QueryBundle) -> RESPONSE_TYPE:
        with _errors():
            corpus = await asyncio.to_thread(self._source.read)
            return _response(await self._team.aask(query_bundle.query_str, corpus, **self._options), corpus)


class ExtAgentsNodePostprocessor(BaseNodePostprocessor):
    """What of retrieved nodes matters to the question, verbatim, in at most `tokens` tokens, in the nodes' order.

    A node may give several, or none. Each keeps its node's metadata, source and score, and has offsets of its own.
    """

    coordinator: Any = Field(default=None, exclude=True, repr=False)
    tokens: int = Field(default=8_000, ge=1)
    granularity: Granularity = "auto"

    def __init__(
        self,
        *,
        coordinator: Coordinator | None = None,
        model: Any = None,
        tokens: int = 8_000,
        granularity: Granularity = "auto",
        **options: Any,
    ) -> None:
        with _errors():
            made = _team(coordinator, model)
        fields: dict[str, Any] = {"coordinator": made, "tokens": tokens, "granularity": granularity, **options}
        super().__init__(**fields)

    @classmethod
    def class_name(cls) -> str:
        """The component's name in LlamaIndex."""
        return "ExtAgentsNodePostprocessor"

    def _postprocess_nodes(self, nodes: list[NodeWithScore], query_bundle: QueryBundle | None = None) -> list[NodeWithScore]:
        with _errors():
            question = _asked(query_bundle)
            if (corpus := corpus_of(nodes)) is None:
                return []
            context = self.coordinator.compress(question, corpus, tokens=self.tokens, granularity=self.granularity)
            return _nodes(evidence_of(context, corpus), nodes)

    async def _apostprocess_nodes(
        self, nodes: list[NodeWithScore], query_bundle: QueryBundle | None = None
    ) -> list[NodeWithScore]:
        with _errors():
            question = _asked(query_bundle)
            if (corpus := await asyncio.to_thread(corpus_of, nodes)) is None:
                return []
            context = await self.coordinator.acompress(question, corpus, tokens=self.tokens, granularity=self.granularity)
            return _nodes(evidence_of(context, corpus), nodes)


# ------------------------------------------------------------------ small parts


@contextmanager
def _errors() -> Iterator[None]:
    """Lets our errors leave as LlamaIndex' components raise theirs."""
    try:
        yield
    except ExtAgentsError as error:
        raise both(error, (ValueError if isinstance(error, UsageError) else RuntimeError,)) from error


def _team(coordinator: Coordinator | None, model: Any) -> Coordinator:
    if coordinator is None:
        return Coordinator(model)
    if model is not None:
        raise SettingsError("Both a coordinator and a model are given.", hint="The coordinator has its own model.")
    return coordinator


def _asked(query_bundle: QueryBundle | None) -> str:
    if query_bundle is None:
        raise UsageError("Nodes are compressed for a question, and none is given.", hint="Give query_str= or query_bundle=.")
    return query_bundle.query_str


def _nodes(evidence: Iterable[Evidence], given: Sequence[NodeWithScore] | None = None) -> list[NodeWithScore]:
    """Evidence as nodes; of nodes that were `given`, with their source, score and exclusions."""
    made = []
    for one in evidence:
        before = given[one.position] if given is not None else None
        score = one.relevance if before is None else before.score
        made.append(NodeWithScore(node=_node(one, None if before is None else before.node), score=score))
    return made


def _node(evidence: Evidence, before: BaseNode | None) -> TextNode:
    source = RelatedNodeInfo(node_id=evidence.document.id)
    excluded, embedded = list(_FOR_PROGRAMS), list(_FOR_PROGRAMS)
    relationships: dict[NodeRelationship, Any] = {NodeRelationship.SOURCE: source}
    start = evidence.start
    if before is not None:  # its source is what it was cut from, and so are its offsets
        start = evidence.start_index
        relationships = {**relationships, **before.relationships}
        excluded += before.excluded_llm_metadata_keys
        embedded += before.excluded_embed_metadata_keys
    return TextNode(
        id_=evidence.id,
        text=evidence.text,
        metadata=evidence.metadata,
        start_char_idx=start,
        end_char_idx=start + len(evidence.text),
        relationships=relationships,
        excluded_llm_metadata_keys=excluded,
        excluded_embed_metadata_keys=embedded,
    )


def _response(answer: Answer, corpus: Corpus) -> RESPONSE_TYPE:
    places = {document.id: place for place, document in enumerate(corpus.documents)}
    cited = [
        Evidence(
            document=corpus.by_id[citation.document],
            position=places[citation.document],
            start=citation.start,
            end=citation.end,
            page=citation.page,
            text=citation.quote,
            score=answer.confidence,
            run_id=answer.run_id,
        )
        for citation in answer.citations
    ]
    nodes = _nodes(cited)
    for node in nodes:
        node.node.metadata["verified"] = True  # only verified quotes are cited
    metadata = answer.model_dump(mode="json", exclude={"answer", "citations"})
    if answer.data is not None:
        return PydanticResponse(response=answer.data, source_nodes=nodes, metadata=metadata)
    return Response(response=answer.text or EMPTY, source_nodes=nodes, metadata=metadata)
