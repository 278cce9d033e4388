"""An error of ours that is one of another framework's, too: whoever catches either, catches it."""

from __future__ import annotations

from functools import cache
from typing import Any, cast

from extagents.errors import ExtAgentsError


def both(error: ExtAgentsError, theirs: tuple[type[Exception], ...], **more: Any) -> ExtAgentsError:
    """The same error, of its own type and of theirs; `more` are attributes that theirs have."""
    if isinstance(error, theirs):
        return error
    ours: Any = type(error)
    return _rebuilt(ours, theirs, error.args, {**error.__dict__, **more})


@cache
def _kind(ours: Any, theirs: tuple[type[Exception], ...]) -> type[ExtAgentsError]:
    def reduce(self: ExtAgentsError) -> tuple[Any, ...]:
        return _rebuilt, (ours, theirs, self.args, self.__dict__)

    body = {"__doc__": ours.__doc__, "__module__": ours.__module__, "__reduce__": reduce}
    return cast(type[ExtAgentsError], type(ours.__name__, (ours, *theirs), body))


def _rebuilt(ours: Any, theirs: tuple[type[Exception], ...], args: tuple[Any, ...], state: dict[str, Any]) -> ExtAgentsError:
    kind = _kind(ours, theirs)
    error = kind.__new__(kind, *args)
    error.__dict__.update(state)
    return error
