"""A small OpenAI-compatible server on loopback that answers, refuses and breaks as a test tells it."""

from __future__ import annotations

import asyncio
import hashlib
import json
import time
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Self

if TYPE_CHECKING:
    from aiohttp import web

Script = Callable[[dict[str, Any]], Any]


@dataclass(frozen=True)
class Fault:
    """How a request goes wrong.

    `status` with `body` and `headers` is an HTTP error; `reset` drops the connection before a reply; `cut` sends so many
    bytes of a reply and then drops it; `hang` waits until the client goes away; `stall` streams so many pieces of `text` (to a
    request without `stream`: that many characters of a reply) and then waits likewise; `drip` sends white space every so many
    seconds and never a reply.
    """

    status: int = 500
    body: Any = None
    headers: Mapping[str, str] = field(default_factory=dict)
    reset: bool = False
    cut: int | None = None
    hang: bool = False
    stall: int | None = None
    text: str = ""
    drip: float | None = None


def refusal(status: int, message: str, *, code: str | None = None, param: str | None = None, **headers: str) -> Fault:
    """An error as OpenAI words it; header names take underscores (`retry_after="1"`)."""
    error = {"message": message, "type": "error", "code": code, "param": param}
    return Fault(status, {"error": error}, {key.replace("_", "-"): value for key, value in headers.items()})


def reply(
    text: str | None,
    *,
    prompt_tokens: int = 100,
    completion_tokens: int = 10,
    cached_tokens: int = 0,
    finish: str = "stop",
    model: str = "fake",
    **message: Any,
) -> dict[str, Any]:
    """A chat completion; further keywords become fields of its message (`reasoning_content=`, `refusal=`)."""
    return {
        "id": "chatcmpl-1",
        "object": "chat.completion",
        "created": 0,
        "model": model,
        "choices": [{"index": 0, "message": {"role": "assistant", "content": text, **message}, "finish_reason": finish}],
        "usage": {
            "prompt_tokens": prompt_tokens,
            "completion_tokens": completion_tokens,
            "total_tokens": prompt_tokens + completion_tokens,
            "prompt_tokens_details": {"cached_tokens": cached_tokens},
        },
    }


def vllm_listing(name: str = "fake", *, window: int = 16_384) -> list[dict[str, Any]]:
    """What a vLLM server lists: the model that it serves."""
    return [{"id": name, "object": "model", "owned_by": "vllm", "max_model_len": window}]


def vllm_metrics(
    *, running: int = 0, waiting: int = 0, cache_usage: float = 0.0, preempted: int = 0, looked_up: int = 0, found: int = 0
) -> str:
    """The page of figures of a vLLM server, those of its queue and its caches."""
    figures = {
        "num_requests_running": running,
        "num_requests_waiting": waiting,
        "kv_cache_usage_perc": cache_usage,
        "num_preemptions_total": preempted,
        "prefix_cache_queries_total": looked_up,
        "prefix_cache_hits_total": found,
    }
    lines = [
        f'# TYPE vllm:{name} gauge\nvllm:{name}{{engine="0",model_name="fake"}} {float(value)}'
        for name, value in figures.items()
    ]
    return "\n".join(lines) + "\n"


FAULTS = (
    "429",
    "429 with Retry-After",
    "500",
    "503",
    "hang",
    "reset",
    "cut",
    "not JSON",
    "no choices",
    "empty",
    "prose",
    "truncated",
    "withheld",
    "refused prompt",
    "too long",
    "stall",
)


class FaultyScript:
    """Wraps a script of texts and lets a share of the requests go wrong, all `kinds` of `FAULTS` alike.

    Which request goes wrong and how depends on `seed`, on what `key` makes of its body, and on how often that came before: the
    same for any order and any load. `retry_after` is in seconds. `faults` counts what was done.
    """

    def __init__(
        self,
        script: Script,
        *,
        key: Callable[[dict[str, Any]], str],
        share: float = 0.1,
        seed: int = 0,
        kinds: Sequence[str] = FAULTS,
        retry_after: int = 1,
    ) -> None:
        if unknown := set(kinds) - set(FAULTS):
            raise ValueError(f"there is no fault {sorted(unknown)[0]!r}")
        self.faults: Counter[str] = Counter()
        self._script = script
        self._key = key
        self._share = share
        self._seed = seed
        self._kinds = tuple(kinds)
        self._retry_after = retry_after
        self._seen: Counter[str] = Counter()

    async def __call__(self, body: dict[str, Any]) -> Any:
        key = self._key(body)
        self._seen[key] += 1
        draw = hashlib.blake2b(f"{self._seed}\0{self._seen[key]}\0{key}".encode(), digest_size=8).digest()
        chance = int.from_bytes(draw) / 2**64
        said = self._script(body)
        if asyncio.iscoroutine(said):
            said = await said
        if chance >= self._share:
            return said
        kind = self._kinds[int(chance / self._share * len(self._kinds))]
        self.faults[kind] += 1
        return self._fault(kind, said)

    def _fault(self, kind: str, text: str) -> Any:
        made: dict[str, Any] = {
            "429": refusal(429, "Rate limit reached for requests", code="rate_limit_exceeded"),
            "429 with Retry-After": refusal(429, "Slow down", retry_after=str(self._retry_after)),
            "500": Fault(500, "<html>Internal Server Error</html>"),
            "503": refusal(503, "The server is overloaded"),
            "hang": Fault(hang=True),
            "reset": Fault(reset=True),
            "cut": Fault(cut=40),
            "not JSON": b'{"choices": [',
            "no choices": {"id": "1", "object": "chat.completion", "choices": []},
            "empty": reply(""),
            "prose": reply("I would rather tell you about it in my own words."),
            "truncated": reply(text[: len(text) // 3], finish="length"),
            "withheld": reply("", finish="content_filter"),
            "refused prompt": refusal(400, "The prompt triggered the content management policy", code="content_filter"),
            "too long": refusal(400, "This model's maximum context length is exceeded", code="context_length_exceeded"),
            "stall": Fault(stall=3, text=text),
        }
        return made[kind]


class FakeEndpoint:
    """`async with FakeEndpoint(script) as endpoint:` serves `endpoint.base_url` until the block ends.

    `script` gets the request's body and returns a text, a completion (`reply`), raw bytes, or a `Fault`; it may be a
    coroutine function. A request with `stream` gets its reply in pieces of `piece` characters. `models` is what
    `GET /v1/models` lists; `listing` is what happens to such a request instead. `metrics` gives what `GET /metrics` answers (a
    page, or a `Fault`), which `looked` counts. With `priority=False` a request of another priority than 0 is refused, as by a
    vLLM that does not schedule by priority. `requests` holds the bodies received, `headers`
    their headers, `times` when they came (`time.monotonic()`), in order; `in_flight` and `most_in_flight` count requests
    under way.
    """

    def __init__(
        self,
        script: Script,
        *,
        models: list[dict[str, Any]] | None = None,
        piece: int = 5,
        listing: Fault | None = None,
        metrics: Callable[[], str | Fault] | None = None,
        priority: bool = True,
    ) -> None:
        self._script = script
        self._listing = listing
        self._models = models if models is not None else [{"id": "fake", "object": "model"}]
        self._piece = piece
        self._metrics = metrics
        self._priority = priority
        self._runner: web.AppRunner | None = None
        self.requests: list[dict[str, Any]] = []
        self.headers: list[dict[str, str]] = []
        self.times: list[float] = []
        self.in_flight = self.most_in_flight = 0
        self.listed = self.looked = 0
        self.looking: list[dict[str, str]] = []
        self.hanging = asyncio.Event()
        self.base_url = ""

    async def __aenter__(self) -> Self:
        from aiohttp import web

        application = web.Application(client_max_size=2**30)
        application.router.add_post("/v1/chat/completions", self._complete)
        application.router.add_get("/v1/models", self._list)
        application.router.add_get("/metrics", self._look)
        self._runner = web.AppRunner(application, shutdown_timeout=0.1, handler_cancellation=True)
        await self._runner.setup()
        site = web.TCPSite(self._runner, "127.0.0.1", 0)
        await site.start()
        port = self._runner.addresses[0][1]
        self.base_url = f"http://127.0.0.1:{port}/v1"
        return self

    async def __aexit__(self, *_: object) -> None:
        if self._runner is not None:
            await self._runner.cleanup()

    async def _list(self, request: web.Request) -> web.StreamResponse:
        from aiohttp import web

        self.listed += 1
        if self._listing is not None:
            return await self._fail(request, self._listing, {})
        return web.json_response({"object": "list", "data": self._models})

    async def _look(self, request: web.Request) -> web.StreamResponse:
        from aiohttp import web

        self.looked += 1
        self.looking.append(dict(request.headers))
        told: str | Fault = Fault(404) if self._metrics is None else self._metrics()
        return await self._fail(request, told, {}) if isinstance(told, Fault) else web.Response(text=told)

    async def _complete(self, request: web.Request) -> web.StreamResponse:
        self.in_flight += 1
        self.most_in_flight = max(self.most_in_flight, self.in_flight)
        try:
            body = await request.json()
            self.requests.append(body)
            self.headers.append(dict(request.headers))
            self.times.append(time.monotonic())
            return await self._answer(request, body)
        finally:
            self.in_flight -= 1

    async def _answer(self, request: web.Request, body: dict[str, Any]) -> web.StreamResponse:
        from aiohttp import web

        if body.get("priority") and not self._priority:
            told = f"Got priority {body['priority']} but Priority scheduling is not enabled."
            return await self._fail(request, refusal(400, told), body)
        said = self._script(body)
        if asyncio.iscoroutine(said):
            said = await said
        if isinstance(said, Fault):
            return await self._fail(request, said, body)
        if isinstance(said, bytes):
            return web.Response(body=said, content_type="application/json")
        whole = reply(said) if isinstance(said, str) else said
        return await self._stream(request, body, whole) if body.get("stream") else web.json_response(whole)

    async def _fail(self, request: web.Request, fault: Fault, body: dict[str, Any]) -> web.StreamResponse:
        from aiohttp import web

        if fault.hang:
            self.hanging.set()
            await asyncio.get_running_loop().create_future()
        if fault.stall is not None or fault.drip is not None:
            return await self._trickle(request, fault, stream=bool(body.get("stream")))
        if fault.reset or fault.cut is not None:
            transport = request.transport
            assert transport is not None
            if fault.cut is not None:
                text = json.dumps(reply("x" * 100))
                head = f"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: {len(text)}\r\n\r\n"
                transport.write(head.encode() + text[: fault.cut].encode())
            transport.close()
            return web.Response()
        if isinstance(fault.body, str):
            return web.Response(status=fault.status, text=fault.body, headers=dict(fault.headers))
        return web.json_response(fault.body or {}, status=fault.status, headers=dict(fault.headers))

    async def _trickle(self, request: web.Request, fault: Fault, *, stream: bool) -> web.StreamResponse:
        """The beginning of a reply, and then nothing, or nothing of worth, until the client goes away."""
        from aiohttp import web

        response = web.StreamResponse(headers={"Content-Type": "text/event-stream" if stream else "application/json"})
        await response.prepare(request)
        if fault.drip is not None:
            while True:
                await response.write(b": wait\n\n" if stream else b" ")
                await asyncio.sleep(fault.drip)
        assert fault.stall is not None
        if stream:
            for at in range(0, fault.stall * self._piece, self._piece):
                delta = {"index": 0, "delta": {"content": fault.text[at : at + self._piece]}, "finish_reason": None}
                chunk = {"id": "1", "object": "chat.completion.chunk", "created": 0, "model": "fake", "choices": [delta]}
                await response.write(f"data: {json.dumps(chunk)}\n\n".encode())
        else:
            await response.write(json.dumps(reply(fault.text)).encode()[: fault.stall])
        self.hanging.set()
        await asyncio.get_running_loop().create_future()
        return response

    async def _stream(self, request: web.Request, body: dict[str, Any], whole: dict[str, Any]) -> web.StreamResponse:
        from aiohttp import web

        response = web.StreamResponse(headers={"Content-Type": "text/event-stream"})
        await response.prepare(request)
        choice = whole["choices"][0]
        message = choice["message"]
        base = {"id": "1", "object": "chat.completion.chunk", "created": 0, "model": whole["model"]}
        deltas: list[dict[str, Any]] = []
        for name in ("reasoning_content", "content"):
            text = message.get(name) or ""
            deltas += [{name: text[at : at + self._piece]} for at in range(0, len(text), self._piece)]
        chunks = [{**base, "choices": [{"index": 0, "delta": delta, "finish_reason": None}]} for delta in deltas]
        chunks.append({**base, "choices": [{"index": 0, "delta": {}, "finish_reason": choice["finish_reason"]}]})
        if (body.get("stream_options") or {}).get("include_usage"):
            chunks.append({**base, "choices": [], "usage": whole["usage"]})
        for chunk in chunks:
            await response.write(f"data: {json.dumps(chunk)}\n\n".encode())
        await response.write(b"data: [DONE]\n\n")
        return response
