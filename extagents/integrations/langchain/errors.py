"""Our errors as LangChain's: each keeps its own type, and is one of LangChain's as well.

What the caller can mend is a `ValueError`, as LangChain's own components raise it. A model that failed is the subclass of
`langchain_core.exceptions.ModelError` that says how, so that `with_retry` and `with_fallbacks` tell them apart. In a tool, all
of them are a `ToolException`. The original is the cause.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from typing import Any, cast

from langchain_core import exceptions
from langchain_core.tools import ToolException

from extagents.errors import ExtAgentsError, ModelError, UsageError

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
    theirs = (ToolException,) if tool else _theirs(error)
    if isinstance(error, theirs):
        return error
    ours: Any = type(error)
    return _rebuilt(ours, theirs, error.args, {**error.__dict__, "is_retryable": error.retryable})


def _theirs(error: ExtAgentsError) -> tuple[type[Exception], ...]:
    if isinstance(error, UsageError):
        return (exceptions.LangChainException, ValueError)
    if isinstance(error, ModelError):
        name = _KINDS.get(error.kind or "", "ModelError")
        # Before langchain-core had a tree of model errors, there was the root of all alone.
        return (getattr(exceptions, name, exceptions.LangChainException),)
    return (exceptions.LangChainException,)


@cache
def _both(ours: Any, theirs: tuple[type[Exception], ...]) -> type[ExtAgentsError]:
    def reduce(self: ExtAgentsError) -> tuple[Any, ...]:
        return _rebuilt, (ours, theirs, self.args, self.__dict__)

    body = {"__doc__": ours.__doc__, "__module__": __name__, "__reduce__": reduce}
    return cast(type[ExtAgentsError], type(ours.__name__, (ours, *theirs), body))


def _rebuilt(ours: Any, theirs: tuple[type[Exception], ...], args: tuple[Any, ...], state: dict[str, Any]) -> ExtAgentsError:
    both = _both(ours, theirs)
    error = both.__new__(both, *args)
    error.__dict__.update(state)
    return error
