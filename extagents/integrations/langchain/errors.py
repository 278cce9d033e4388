"""Our errors as LangChain's: each keeps its own type, and is one of LangChain's as well.

What the caller can mend is a `ValueError`, as LangChain's own components raise it. A model that failed is the subclass of
`langchain_core.exceptions.ModelError` that says how, so that `with_retry` and `with_fallbacks` tell them apart. In a tool, all
of them are a `ToolException`. The original is the cause.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from langchain_core import exceptions
from langchain_core.tools import ToolException

from extagents.errors import ExtAgentsError, ModelError, UsageError
from extagents.integrations.both import both

_KINDS = {
    "rate_limit": "ModelRateLimitError",
    "server": "ModelAPIError",
    "timeout": "ModelTimeoutError",
    "connection": "ModelConnectionError",
    "auth": "ModelAuthenticationError",
    "not_found": "ModelNotFoundError",
    "bad_request": "ModelInvalidRequestError",
    "context_length": "ContextOverflowError",
}


@contextmanager
def langchain_errors(*, tool: bool = False) -> Iterator[None]:
    """Lets our errors leave as LangChain's."""
    try:
        yield
    except ExtAgentsError as error:
        raise as_langchain(error, tool=tool) from error


def as_langchain(error: ExtAgentsError, *, tool: bool = False) -> ExtAgentsError:
    """The same error, of its own type and of LangChain's."""
    return both(error, (ToolException,) if tool else _theirs(error), is_retryable=error.retryable)


def _theirs(error: ExtAgentsError) -> tuple[type[Exception], ...]:
    if isinstance(error, UsageError):
        return (exceptions.LangChainException, ValueError)
    if isinstance(error, ModelError):
        name = _KINDS.get(error.kind or "", "ModelError")
        # Before langchain-core had a tree of model errors, there was the root of all alone.
        return (getattr(exceptions, name, exceptions.LangChainException),)
    return (exceptions.LangChainException,)
