"""A model that fails now and then, the same way every time: for tests of retries and of what a failure costs."""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any, TypeVar, get_args

from pydantic import BaseModel

from extagents.errors import CallError, CallErrorKind
from extagents.models.base import Completion, Model, ModelInfo, Prompt

T = TypeVar("T", bound=BaseModel)


class FaultyModel:
    """Wraps a model and fails a share of its calls.

    `rates` maps an error kind to its share of all attempts (0 to 1, together at most 1). `malformed` and `truncated` come
    as unusable text, the others as the error itself, before the inner model is asked. Which attempt fails depends on
    `seed`, the prompt (or what `key` makes of it) and the number of the attempt only. `faults` counts what was injected.
    """

    def __init__(
        self,
        inner: Model,
        *,
        seed: int = 0,
        rates: Mapping[str, float],
        retry_after: float | None = None,
        key: Callable[[Prompt[Any]], str] | None = None,
    ) -> None:
        unknown = set(rates) - set(get_args(CallErrorKind))
        if unknown or sum(rates.values()) > 1.0:
            raise ValueError(f"rates must be shares of known error kinds, not {dict(rates)}")
        self.inner = inner
        self.rates: dict[str, float] = dict(sorted(rates.items()))
        self.faults: Counter[str] = Counter()
        self._seed = seed
        self._retry_after = retry_after
        self._key = key or _asked
        self._attempts: Counter[bytes] = Counter()

    @property
    def name(self) -> str:
        return self.inner.name

    @property
    def local(self) -> bool:
        return self.inner.local

    @property
    def endpoint(self) -> str:
        """The inner model's: faults of this one are faults of that endpoint."""
        return str(getattr(self.inner, "endpoint", self.inner.name))

    async def complete(
        self, prompt: Prompt[T], *, timeout: float | None = None, on_delta: Callable[[str], None] | None = None
    ) -> Completion[T]:
        kind = self._fault(prompt)
        if kind is not None and kind not in ("malformed", "truncated"):
            self.faults[kind] += 1
            after = self._retry_after if kind == "rate_limit" else None
            raise CallError(kind, f"injected: {kind}", retry_after=after)
        completion = await self.inner.complete(prompt, timeout=timeout, on_delta=on_delta)
        if kind is None:
            return completion
        self.faults[kind] += 1
        text = completion.text or (completion.output.model_dump_json() if completion.output is not None else "")
        if kind == "truncated":
            return replace(completion, output=None, text=text[: len(text) // 3], finish="length")
        return replace(completion, output=None, text="I would rather not answer in that form.")

    async def describe(self) -> ModelInfo:
        return await self.inner.describe()

    async def aclose(self) -> None:
        await self.inner.aclose()

    def _fault(self, prompt: Prompt[Any]) -> CallErrorKind | None:
        key = hashlib.blake2b(self._key(prompt).encode(), digest_size=16).digest()
        self._attempts[key] += 1
        draw = hashlib.blake2b(f"{self._seed}:{self._attempts[key]}:".encode() + key, digest_size=8).digest()
        chance = int.from_bytes(draw) / 2**64
        for kind, share in self.rates.items():
            chance -= share
            if chance < 0:
                return kind  # type: ignore[return-value]
        return None


def _asked(prompt: Prompt[Any]) -> str:
    return "\x1f".join(f"{message.role}\x1e{message.content}" for message in prompt.messages)
