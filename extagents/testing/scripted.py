"""A model that answers by script: for tests of what stands around a model."""

from __future__ import annotations

import asyncio
import itertools
from collections.abc import Callable, Mapping, Sequence
from typing import Any, TypeVar, cast

from pydantic import BaseModel

from extagents.errors import CallError
from extagents.models.base import Completion, ModelInfo, Prompt
from extagents.types import Prices, Usage

T = TypeVar("T", bound=BaseModel)
Reply = BaseModel | str | Exception
Script = Callable[[Prompt[Any]], Any]


_numbers = itertools.count(1)


class ScriptedModel:
    """Answers as told.

    `answers` is a function from the prompt to an answer (a model of the prompt's output type, a text that the gate has to
    parse, or an exception to raise), or maps a role to such a function or to a list of answers, used up in order; the
    last one stays. `delay` is in seconds, `window` in tokens (a token is four characters here); a longer prompt is
    refused as a real model would. `calls` holds every prompt received, in order.
    """

    def __init__(
        self,
        answers: Script | Mapping[str, Script | Sequence[Reply]],
        *,
        window: int | None = 32768,
        delay: float = 0.0,
        name: str = "scripted",
        prices: Prices | None = None,
        local: bool = False,
    ) -> None:
        self._answers = answers
        self._window = window
        self._delay = delay
        self._name = name
        self._prices = prices
        self._local = local
        self.endpoint = f"{name} #{next(_numbers)}"  # what one script makes of its limits is nothing to the next
        self._used: dict[str, int] = {}
        self.calls: list[Prompt[Any]] = []
        self.cancelled = 0
        self.in_flight = 0
        self.most_in_flight = 0

    @property
    def name(self) -> str:
        return self._name

    @property
    def local(self) -> bool:
        return self._local

    async def complete(
        self, prompt: Prompt[T], *, timeout: float | None = None, on_delta: Callable[[str], None] | None = None
    ) -> Completion[T]:
        self.calls.append(prompt)
        self.in_flight += 1
        self.most_in_flight = max(self.most_in_flight, self.in_flight)
        try:
            if self._delay:
                await asyncio.sleep(self._delay)
            reply = self._reply(prompt)
            if hasattr(reply, "__await__"):
                reply = await reply
        except asyncio.CancelledError:
            self.cancelled += 1
            raise
        finally:
            self.in_flight -= 1
        size = tokens(prompt)
        if self._window is not None and size + prompt.max_output_tokens > self._window:
            raise CallError("context_length", f"{size} tokens and {prompt.max_output_tokens} to write exceed {self._window}.")
        if isinstance(reply, BaseException):
            raise reply
        if isinstance(reply, Completion):
            return cast(Completion[T], reply)
        text = reply if isinstance(reply, str) else reply.model_dump_json()
        usage = Usage(calls=1, input_tokens=size, output_tokens=min(len(text) // 4 + 1, prompt.max_output_tokens))
        if on_delta is not None:
            for start in range(0, len(text), 16):
                on_delta(text[start : start + 16])
        output = None if isinstance(reply, str) else cast(T, reply)
        return Completion(text=text, usage=usage, output=output, model=self._name)

    async def describe(self) -> ModelInfo:
        return ModelInfo(name=self._name, window=self._window, prices=self._prices)

    async def aclose(self) -> None:
        """Nothing is held open."""

    def _reply(self, prompt: Prompt[Any]) -> Any:
        if callable(self._answers):
            return self._answers(prompt)
        script = self._answers.get(prompt.role)
        if script is None:
            raise CallError("bad_request", f"The script has no answer for the role {prompt.role}.")
        if callable(script):
            return script(prompt)
        used = self._used.get(prompt.role, 0)
        self._used[prompt.role] = used + 1
        return script[min(used, len(script) - 1)]


def tokens(prompt: Prompt[Any]) -> int:
    """The prompt's length in this model's tokens of four characters."""
    return sum(len(message.content) for message in prompt.messages) // 4
