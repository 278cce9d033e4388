"""The simulator's own reader, cache and clock in this process: the same answers and counts as over HTTP, without the HTTP.

`TOOLS/simllm.py` is loaded as a module. A call's body is the one that an OpenAI-compatible endpoint would get; the answer, its
tokens, what was cached and when it is done are simllm's. An answer is handed out in the order of simulated time, and only once
the client has nothing left to do (its event loop is empty, no thread of it works), so that a burst of calls is scheduled as a
burst whatever else this machine does: makespans are the same in every run.
"""

from __future__ import annotations

import asyncio
import hashlib
import heapq
import importlib.util
import math
import sys
from collections import Counter
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path
from types import ModuleType
from typing import Any, TypeVar

from pydantic import BaseModel

from extagents.errors import CallError
from extagents.models.base import Completion, ModelInfo, Prompt
from extagents.models.openai_compatible import OpenAICompatible

T = TypeVar("T", bound=BaseModel)
QUIET_TURNS = 3  # of the event loop without anything to do: a thread's result needs one to arrive


def simllm(tools: Path) -> ModuleType:
    """simllm.py of that folder as a module."""
    name = "simllm"
    if name not in sys.modules:
        spec = importlib.util.spec_from_file_location(name, tools / "simllm.py")
        assert spec is not None
        assert spec.loader is not None
        module = importlib.util.module_from_spec(spec)
        sys.modules[name] = module
        spec.loader.exec_module(module)
    return sys.modules[name]


class Threads(ThreadPoolExecutor):
    """A pool that knows how much work is under way."""

    def __init__(self) -> None:
        super().__init__(8)
        self.working = 0

    def submit(self, work: Callable[..., Any], /, *arguments: Any, **named: Any) -> Future[Any]:
        loop = asyncio.get_running_loop()
        self.working += 1
        future = super().submit(work, *arguments, **named)

        def done() -> None:
            self.working -= 1

        future.add_done_callback(lambda _: loop.call_soon_threadsafe(done))
        return future


class Watched:
    """An object whose coroutines are counted while they are awaited (a memory that works on a thread of its own)."""

    def __init__(self, inner: Any) -> None:
        self._inner = inner
        self.working = 0

    def __getattr__(self, name: str) -> Any:
        value = getattr(self._inner, name)
        if not asyncio.iscoroutinefunction(value):
            return value

        async def counted(*arguments: Any, **named: Any) -> Any:
            self.working += 1
            try:
                return await value(*arguments, **named)
            finally:
                self.working -= 1

        return counted


class Simulated(OpenAICompatible):
    """One simulated GPU with a cache, a clock and counters of its own, as a model. `seen` is told of every finished call."""

    def __init__(
        self, server: Any, session: Any, threads: Threads, *, name: str, seen: Callable[[Prompt[Any], Any], None] | None = None
    ) -> None:
        super().__init__(name, base_url="http://127.0.0.1:1/v1", api_key="none", window=server.options.window)
        self.server = server
        self.session = session
        self.threads = threads
        self.watched: list[Watched] = []
        self.seen = seen
        self.roles: Counter[str] = Counter()
        self.chain = 0  # calls that waited for each other, most
        self.chain_seconds = 0.0  # their decoding
        self._heap: list[tuple[float, int, asyncio.Future[None], tuple[int, float]]] = []
        self._arrived = 0
        self._task: asyncio.Task[None] | None = None

    async def describe(self) -> ModelInfo:
        return ModelInfo(name=self.name, window=self.server.options.window)

    async def aclose(self) -> None:
        if self._task is not None:
            self._task.cancel()

    async def complete(
        self, prompt: Prompt[T], *, timeout: float | None = None, on_delta: Callable[[str], None] | None = None
    ) -> Completion[T]:
        body = self._body(prompt, stream=False)
        server, session = self.server, self.session
        text = "\n\n".join(message["content"] for message in body["messages"])
        tokens, most = math.ceil(len(text) / 4), body["max_tokens"]
        session.requests += 1
        if tokens + most > server.options.window:
            raise CallError("context_length", f"{tokens} tokens and {most} to write exceed {server.options.window}.")
        key = hashlib.blake2b(text.encode("utf-8", "surrogatepass"), digest_size=12).hexdigest()
        message, role, finish = server.write(body, text, key, most, None)
        written = max(1, math.ceil(len(message["content"]) / 4))
        cached = min(tokens, session.cache.admit(text) // 4)
        _, done = session.schedule(tokens - cached, written)
        await self._delivered(done, written / server.options.decode)
        session.calls += 1
        session.prompt, session.cached = session.prompt + tokens, session.cached + cached
        session.completion += written
        self.roles[role] += 1
        usage = {"prompt_tokens": tokens, "completion_tokens": written, "prompt_tokens_details": {"cached_tokens": cached}}
        reply = {"model": self.name, "usage": usage, "choices": [{"message": message, "finish_reason": finish}]}
        if self.seen is not None:
            self.seen(prompt, message["content"])
        return self._completion(reply, prompt)

    def _delivered(self, done: float, decoding: float) -> asyncio.Future[None]:
        """A future that is set at that simulated second."""
        loop = asyncio.get_running_loop()
        future: asyncio.Future[None] = loop.create_future()
        self._arrived += 1
        depth = (self.chain + 1, self.chain_seconds + decoding)
        heapq.heappush(self._heap, (done, self._arrived, future, depth))
        if self._task is None or self._task.done():
            self._task = loop.create_task(self._deliver())
        return future

    async def _deliver(self) -> None:
        while self._heap:
            await self._quiet()
            done, _, future, (calls, seconds) = heapq.heappop(self._heap)
            self.session.now = max(self.session.now, done)
            self.chain, self.chain_seconds = max(self.chain, calls), max(self.chain_seconds, seconds)
            if not future.done():
                future.set_result(None)

    async def _quiet(self) -> None:
        """Waits until the client only waits for answers."""
        ready: Any = asyncio.get_running_loop()._ready  # type: ignore[attr-defined]  # empty: no other task has anything to do
        still = 0
        while still < QUIET_TURNS:
            if self.threads.working or any(watched.working for watched in self.watched):
                still = 0
                await asyncio.sleep(0.0002)
                continue
            await asyncio.sleep(0)
            still = 0 if ready else still + 1

    def stats(self) -> dict[str, Any]:
        """What the run used: calls, tokens, simulated seconds, and the longest chain of calls that waited for each other."""
        session = self.session
        return {
            "calls": session.calls,
            "prompt_tokens": session.prompt,
            "uncached_tokens": session.prompt - session.cached,
            "completion_tokens": session.completion,
            "makespan_s": round(session.now, 3),
            "gpu_work_s": round(session.work, 3),
            "chain": self.chain,
            "chain_s": round(self.chain_seconds, 3),
            "roles": dict(self.roles),
        }
