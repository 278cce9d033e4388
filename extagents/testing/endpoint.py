"""A small OpenAI-compatible server on loopback that answers, refuses and breaks as a test tells it."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Self

if TYPE_CHECKING:
    from aiohttp import web

Script = Callable[[dict[str, Any]], Any]


@dataclass(frozen=True)
class Fault:
    """How a request goes wrong.

    `status` with `body` and `headers` is an HTTP error; `reset` drops the connection before a reply; `cut` sends so many
    bytes of a reply and then drops it; `hang` waits until the client goes away.
    """

    status: int = 500
    body: Any = None
    headers: Mapping[str, str] = field(default_factory=dict)
    reset: bool = False
    cut: int | None = None
    hang: bool = False


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


class FakeEndpoint:
    """`async with FakeEndpoint(script) as endpoint:` serves `endpoint.base_url` until the block ends.

    `script` gets the request's body and returns a text, a completion (`reply`), raw bytes, or a `Fault`; it may be a
    coroutine function. A request with `stream` gets its reply in pieces of `piece` characters. `models` is what
    `GET /v1/models` lists. `requests` holds the bodies received, `headers` their headers, in order.
    """

    def __init__(self, script: Script, *, models: list[dict[str, Any]] | None = None, piece: int = 5) -> None:
        self._script = script
        self._models = models if models is not None else [{"id": "fake", "object": "model"}]
        self._piece = piece
        self._runner: web.AppRunner | None = None
        self.requests: list[dict[str, Any]] = []
        self.headers: list[dict[str, str]] = []
        self.listed = 0
        self.hanging = asyncio.Event()
        self.base_url = ""

    async def __aenter__(self) -> Self:
        from aiohttp import web

        application = web.Application(client_max_size=2**30)
        application.router.add_post("/v1/chat/completions", self._complete)
        application.router.add_get("/v1/models", self._list)
        self._runner = web.AppRunner(application, shutdown_timeout=0.1)
        await self._runner.setup()
        site = web.TCPSite(self._runner, "127.0.0.1", 0)
        await site.start()
        port = self._runner.addresses[0][1]
        self.base_url = f"http://127.0.0.1:{port}/v1"
        return self

    async def __aexit__(self, *_: object) -> None:
        if self._runner is not None:
            await self._runner.cleanup()

    async def _list(self, _: web.Request) -> web.Response:
        from aiohttp import web

        self.listed += 1
        return web.json_response({"object": "list", "data": self._models})

    async def _complete(self, request: web.Request) -> web.StreamResponse:
        from aiohttp import web

        body = await request.json()
        self.requests.append(body)
        self.headers.append(dict(request.headers))
        said = self._script(body)
        if asyncio.iscoroutine(said):
            said = await said
        if isinstance(said, Fault):
            return await self._fail(request, said)
        if isinstance(said, bytes):
            return web.Response(body=said, content_type="application/json")
        whole = reply(said) if isinstance(said, str) else said
        return await self._stream(request, body, whole) if body.get("stream") else web.json_response(whole)

    async def _fail(self, request: web.Request, fault: Fault) -> web.StreamResponse:
        from aiohttp import web

        if fault.hang:
            self.hanging.set()
            await asyncio.get_running_loop().create_future()
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
