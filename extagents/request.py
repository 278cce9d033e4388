"""What `ask` was given, checked."""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Literal, get_args

from pydantic import BaseModel, ValidationError

from extagents.errors import InputError
from extagents.types import Granularity, Kind, Turn

History = Sequence[Turn | Mapping[str, str] | tuple[str, str]]


@dataclass(frozen=True, slots=True)
class Request:
    """What `ask`, `survey` or `compress` was given. `kind` overrules the planner; `words`, `tokens`: lengths."""

    question: str
    over: Any
    instructions: str = ""
    history: tuple[Turn, ...] = ()
    schema: type[BaseModel] | None = None
    run: str | None = None
    resume: bool = False
    kind: Kind | None = None
    words: int | None = None
    goal: Literal["answer", "compress", "table"] = "answer"
    tokens: int = 0
    granularity: Granularity = "auto"


def request_of(
    question: str,
    over: Any,
    instructions: str,
    history: History,
    schema: type[BaseModel] | None,
    run: str | None,
    resume: bool,
) -> Request:
    """The request, or `InputError` for what cannot be asked."""
    for name, value in (("question", question), ("instructions", instructions), ("run", run)):
        if value is not None and not isinstance(value, str):
            raise InputError(f"The {name} is no text but {type(value).__name__}.", hint="Give a str.")
    if not question or not question.strip():
        raise InputError("The question is empty.", hint="Ask something.")
    if over is None:
        raise InputError("There is nothing to read.", hint="Give paths, documents or a corpus with `over`.")
    if schema is not None and not (isinstance(schema, type) and issubclass(schema, BaseModel)):
        raise InputError("The schema is no pydantic model class.", hint="Give a subclass of pydantic.BaseModel.")
    if isinstance(history, str) or not isinstance(history, Iterable):
        raise InputError(f"The history is no list of turns but {type(history).__name__}.", hint="Give earlier turns in a list.")
    turns = tuple(_turn(turn) for turn in history)
    if run is not None and run != _sendable(run):  # changed to what can be stored, it might be another run's name
        raise InputError(f"The run's name {run!r} is no text: it holds lone surrogates.", hint="Give another name.")
    return Request(_sendable(question).strip(), over, _sendable(instructions).strip(), turns, schema, run, resume)


def compress_request(question: str, over: Any, tokens: int, granularity: Granularity, run: str | None, resume: bool) -> Request:
    """The request for compressed context, or `InputError` for what cannot be asked."""
    request = request_of(question, over, "", (), None, run, resume)
    if not isinstance(tokens, int):
        raise InputError(f"The tokens are no whole number but {type(tokens).__name__}.", hint="Give a number.")
    if tokens < 1:
        raise InputError(f"Nothing can be said in {tokens} tokens.", hint="Give at least 1.")
    if granularity not in get_args(Granularity):
        raise InputError(f"There is no granularity {granularity!r}.", hint=f"One of {', '.join(get_args(Granularity))}.")
    return replace(request, goal="compress", tokens=tokens, granularity=granularity)


def told(request: Request) -> dict[str, Any]:
    """What the memory keeps of a request, so that the run can be gone on with; `over` is None where it was no path."""
    return {
        "over": paths_of(request.over),
        "instructions": request.instructions,
        "history": told_history(request),
        "schema": None if request.schema is None else request.schema.__name__,
        "kind": request.kind,
        "words": request.words,
        "goal": request.goal,
        "tokens": request.tokens,
        "granularity": request.granularity,
    }


def paths_of(over: Any) -> list[str] | None:
    """The input's paths, absolute; None where it was not given as paths."""
    paths = over if isinstance(over, (list, tuple)) else (over,)
    files = bool(paths) and all(isinstance(path, (str, os.PathLike)) for path in paths)
    return [str(Path(path).expanduser().absolute()) for path in paths] if files else None


def told_history(request: Request) -> list[dict[str, Any]]:
    """The earlier turns as JSON."""
    return [turn.model_dump(mode="json") for turn in request.history]


def _sendable(text: str) -> str:
    """The text without lone surrogates, which no endpoint and no store takes."""
    return text.encode("utf-8", "replace").decode("utf-8")


def _turn(turn: Turn | Mapping[str, str] | tuple[str, str]) -> Turn:
    if isinstance(turn, Turn):
        return turn
    try:
        if isinstance(turn, Mapping):
            return Turn.model_validate(dict(turn))
        role, content = turn
        return Turn.model_validate({"role": role, "content": _sendable(content) if isinstance(content, str) else content})
    except (ValidationError, ValueError, TypeError):
        raise InputError(
            "A turn of the history is not understood.", hint='Give {"role": "user" | "assistant", "content": "…"}.'
        ) from None
