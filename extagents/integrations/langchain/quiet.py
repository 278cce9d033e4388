"""LangSmith's tracer with our components' texts left out: it sees sizes and outcomes, unless `trace_content` is set.

Other callbacks get what any component of LangChain gives them: `astream_events` must bring the answer.
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import cache
from typing import TYPE_CHECKING, Any

from langchain_core.callbacks import AsyncCallbackManager, BaseCallbackHandler, CallbackManager
from langchain_core.documents import Document
from langchain_core.tracers.langchain import LangChainTracer

from extagents.callbacks import Ended
from extagents.types import Answer, Compressed

if TYPE_CHECKING:
    from langchain_core.runnables import RunnableConfig

    from extagents.settings import Settings

# What names, counts and outcomes of our own runs stand under; nothing of a user's stands under these there.
_TOLD = frozenset(
    "run_id goal strategy documents wave round shards lanes reason read failed cached facts outcome usage coverage".split()
)
# What we say of evidence ourselves. The rest of its metadata is the source's, and so may a key be that is missing here.
_EVIDENCE = {"document": str, "start": int, "end": int, "start_index": int, "page": int, "relevance": float, "verified": bool}


def quiet(config: RunnableConfig | None, settings: Settings, *, is_async: bool) -> RunnableConfig:
    """The configuration with LangSmith's tracer, where it is on, made one that shows no text."""
    from langchain_core.runnables.config import ensure_config

    made = ensure_config(config)
    if settings.trace_content:
        return made
    kind = AsyncCallbackManager if is_async else CallbackManager
    manager: Any = kind.configure(inheritable_callbacks=made.get("callbacks"))
    if not any(isinstance(handler, LangChainTracer) for handler in manager.handlers):
        return made
    manager.handlers = [_hushed(handler) for handler in manager.handlers]
    manager.inheritable_handlers = [_hushed(handler) for handler in manager.inheritable_handlers]
    made["callbacks"] = manager
    return made


def _hushed(handler: BaseCallbackHandler) -> BaseCallbackHandler:
    if not isinstance(handler, LangChainTracer) or isinstance(handler, _Quiet):
        return handler
    kind = _quiet_kind(type(handler))
    hushed = kind.__new__(kind)
    hushed.__dict__ = handler.__dict__  # the same tracer: the runs that it has open, its client, its latest run
    return hushed


@cache
def _quiet_kind(kind: type[LangChainTracer]) -> type[LangChainTracer]:
    return type(f"Quiet{kind.__name__}", (_Quiet, kind), {})


class _Quiet:
    """What of a tracer is told without texts."""

    def on_chain_start(self, serialized: Any, inputs: Any, **more: Any) -> Any:
        return super().on_chain_start(serialized, hidden(inputs), **more)  # type: ignore[misc]

    def on_chain_end(self, outputs: Any, **more: Any) -> Any:
        if more.get("inputs") is not None:
            more["inputs"] = hidden(more["inputs"])
        return super().on_chain_end(hidden(outputs), **more)  # type: ignore[misc]

    def on_chain_error(self, error: BaseException, **more: Any) -> Any:
        if more.get("inputs") is not None:
            more["inputs"] = hidden(more["inputs"])
        return super().on_chain_error(_named(error), **more)  # type: ignore[misc]

    def on_retriever_start(self, serialized: Any, query: str, **more: Any) -> Any:
        return super().on_retriever_start(serialized, hidden(query), **more)  # type: ignore[misc]

    def on_retriever_end(self, documents: Any, **more: Any) -> Any:
        told = [Document(page_content="", metadata=_place(document.metadata)) for document in documents]
        return super().on_retriever_end(told, **more)  # type: ignore[misc]

    def on_retriever_error(self, error: BaseException, **more: Any) -> Any:
        return super().on_retriever_error(_named(error), **more)  # type: ignore[misc]

    def on_tool_start(self, serialized: Any, input_str: str, **more: Any) -> Any:
        if more.get("inputs") is not None:  # their keys are of the tool's schema, which may be a user's
            more["inputs"] = {str(key): hidden(str(part)) for key, part in more["inputs"].items()}
        return super().on_tool_start(serialized, hidden(input_str), **more)  # type: ignore[misc]

    def on_tool_end(self, output: Any, **more: Any) -> Any:
        return super().on_tool_end(hidden(output), **more)  # type: ignore[misc]

    def on_tool_error(self, error: BaseException, **more: Any) -> Any:
        return super().on_tool_error(_named(error), **more)  # type: ignore[misc]


def _named(error: BaseException) -> BaseException:
    """An error by its type: what it says may quote the question, a path or the model."""
    return error if isinstance(error, Ended) else Ended(type(error).__name__)


def _place(metadata: Mapping[str, Any]) -> dict[str, Any]:
    """Where evidence stands, by the keys that are ours."""
    return {key: metadata[key] for key, kind in _EVIDENCE.items() if isinstance(metadata.get(key), kind)}


def hidden(value: Any) -> Any:
    """What may be shown of a value: sizes, names and outcomes."""
    if value is None or isinstance(value, bool | int | float):
        return value
    if isinstance(value, str):
        return f"({len(value):,} characters)"
    if isinstance(value, Answer | Compressed):
        told = {"run_id": value.run_id, "usage": value.usage.model_dump(), "coverage": value.coverage.model_dump()}
        return {**told, "answered": value.answered} if isinstance(value, Answer) else told
    if isinstance(value, Mapping):
        return {str(key): part if key in _TOLD else hidden(part) for key, part in value.items()}
    if isinstance(value, list | tuple):
        return f"({len(value):,} items)"
    return f"({type(value).__name__})"
