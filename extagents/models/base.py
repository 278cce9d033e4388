"""The protocol every model backend speaks. Backends only talk to their engine; everything else is the gate."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Generic, Literal, Protocol, TypeVar, runtime_checkable

from pydantic import BaseModel

from extagents.types import Frozen, Prices, Role, Usage

T = TypeVar("T", bound=BaseModel)
Finish = Literal["stop", "length", "content_filter"]


@dataclass(frozen=True, slots=True)
class Message:
    """One chat message. A list of these is a rendered prompt."""

    role: Literal["system", "user", "assistant"]
    content: str

    @property
    def sendable(self) -> str:
        """The content without lone surrogates (a JSON file may hold them), which no encoding can carry."""
        if self.content.isascii():
            return self.content
        return self.content.encode("utf-8", "replace").decode("utf-8")


@dataclass(frozen=True, slots=True)
class Prompt(Generic[T]):
    """A call to be made: the role, its typed inputs, the type of its answer, and the rendered messages.

    `version` is the hash of the template and of the output type's schema; `max_output_tokens` bounds what may be written.
    """

    role: Role
    inputs: BaseModel
    output: type[T]
    messages: tuple[Message, ...]
    max_output_tokens: int
    version: str
    language: str = "en"


@dataclass(frozen=True, slots=True)
class Completion(Generic[T]):
    """What came back. A backend fills `output` only if its engine gives typed answers; otherwise the gate parses `text`.

    `reasoning` is what a reasoning model thought (`<think>` blocks, reasoning fields), never part of `text`;
    its tokens are in `usage.output_tokens`.
    """

    text: str
    usage: Usage
    output: T | None = None
    reasoning: str = ""
    finish: Finish = "stop"
    model: str = ""


class ModelInfo(Frozen):
    """What is known of a model. `window` is in tokens, prompt and answer together; None where nobody could say.

    `encoding` names a tiktoken encoding; None means the one shipped with the package, whose counts are then not exact.
    """

    name: str
    window: int | None = None
    prices: Prices | None = None
    encoding: str | None = None


@dataclass(frozen=True, slots=True)
class Load:
    """What an engine tells of itself: requests it works on and requests that wait there, the share (0 to 1) of its KV cache
    that requests in work hold; since it started: requests it had to put aside for want of cache, prompt tokens it looked up
    in its prefix cache, and those of them that it found there.
    """

    running: int = 0
    waiting: int = 0
    cache_usage: float = 0.0
    preempted: int = 0
    looked_up: int = 0
    found: int = 0

    def cached_share(self, since: Load | None = None) -> float:
        """The share of prompt tokens found in the prefix cache, since an earlier look; 0 where nothing was looked up."""
        looked_up = self.looked_up - (since.looked_up if since else 0)
        found = self.found - (since.found if since else 0)
        return found / looked_up if looked_up > 0 else 0.0


@runtime_checkable
class Model(Protocol):
    """A model: one coroutine that completes a prompt, one that says what is known about it, and a close.

    `complete` raises `extagents.errors.CallError` and nothing else, and never retries by itself. `on_delta` is called
    with pieces of the answer's text as they arrive, where the engine streams.
    """

    @property
    def name(self) -> str:
        """The model string, as a user writes it (`openai:gpt-4o-mini`)."""
        ...

    @property
    def local(self) -> bool:
        """True where calls cost no network and no weights (the extractive model): the limiter leaves it alone."""
        ...

    async def complete(
        self, prompt: Prompt[T], *, timeout: float | None = None, on_delta: Callable[[str], None] | None = None
    ) -> Completion[T]: ...

    async def describe(self) -> ModelInfo:
        """Window, prices and encoding: as given by the user, else asked of the server, else looked up, else unknown."""
        ...

    async def aclose(self) -> None: ...
