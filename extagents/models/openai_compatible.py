"""Any endpoint that speaks the OpenAI chat completions API: OpenAI itself, a vLLM server, and the many others.

The official SDK over aiohttp, without its retries; replies are taken as plain objects and answers are checked by the gate.
"""

from __future__ import annotations

import asyncio
import json
import os
import re
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any, TypeVar, cast

from pydantic import BaseModel, SecretStr

from extagents.background import background
from extagents.errors import CallError, SettingsError
from extagents.models.base import Completion, Finish, Load, ModelInfo, Prompt
from extagents.models.failures import call_error, clean, message_of, status_of
from extagents.models.known import known
from extagents.models.schema import strict_schema
from extagents.models.thinking import ThinkingFilter, split_thinking
from extagents.models.vllm_server import BEFORE_READERS, OWNER, load_of
from extagents.redaction import Cutter, SecretUrl, unframed
from extagents.types import Plain, Prices, Usage

if TYPE_CHECKING:
    from openai import AsyncOpenAI

T = TypeVar("T", bound=BaseModel)

OPENAI = "https://api.openai.com/v1"
CONNECT_SECONDS = 10.0
CONNECTIONS = 1024
STALL_SECONDS = 30.0  # without a further piece of an answer that had begun to arrive, it will not be finished

_FORMATS = ("json_schema", "json_object", "none")
_VLLM_FORMATS = ("json_schema", "structured_outputs", "guided_json", "json_object", "none")  # the third before vLLM 0.12
_METRICS_SECONDS = 5.0
_SHAPE = {
    "en": "Answer with one JSON object and nothing else. Its schema:\n{schema}",
    "zh": "只输出一个 JSON 对象，不要输出其他内容。其结构为：\n{schema}",
}


class OpenAICompatible:
    """A model behind an OpenAI-compatible endpoint.

    `base_url` and `api_key` default to `OPENAI_BASE_URL` and `OPENAI_API_KEY`; only OpenAI's own endpoint needs a key.
    `window` (tokens) and `prices` (USD per million tokens) override what the server or the table of known models says.
    `extra_body` goes into every request (`{"chat_template_kwargs": {"enable_thinking": false}}`). What an endpoint refuses
    (a response format, temperature, seed, the name of the output limit) is left out from then on. A vLLM server, told by its
    list of models, is asked for its load (`server_metrics`) and, where it schedules by priority, for others before readers.
    Raises `SettingsError` where no key can be found.
    """

    def __init__(
        self,
        name: str,
        *,
        base_url: str | None = None,
        api_key: SecretStr | str | None = None,
        window: int | None = None,
        prices: Prices | None = None,
        encoding: str | None = None,
        temperature: float | None = 0.0,
        seed: int | None = 0,
        extra_body: Mapping[str, Any] | None = None,
        server_metrics: bool = True,
    ) -> None:
        base_url = url = SecretUrl((base_url or os.environ.get("OPENAI_BASE_URL") or OPENAI).rstrip("/"))
        if not re.match(r"https?://[^/\s]+", url):
            raise SettingsError(f"{url!r} is no base URL.", hint="Give one like http://localhost:8000/v1.")
        api_key = key = _stripped(api_key)
        if url.secret:
            raise SettingsError(
                "The base URL holds a user, a password or a query.", hint="Give what it needs as OPENAI_API_KEY."
            )
        if not _fit(key):
            raise SettingsError(
                f"The key for openai:{name} holds characters that no key has.", hint="Copy it again into OPENAI_API_KEY."
            )
        if not key.get_secret_value() and url == OPENAI:
            raise SettingsError(
                f"There is no key for openai:{name}.",
                hint="Set OPENAI_API_KEY, or give --base-url for an endpoint of your own.",
            )
        self._model = name
        self._url = url.get_secret_value()
        self._key = key
        self._given = ModelInfo(name=f"openai:{name}", window=window, prices=prices, encoding=encoding)
        self._info: ModelInfo | None = None
        self._extra = dict(extra_body or {})
        self._formats: tuple[str, ...] = _FORMATS
        self._format = _FORMATS[0]
        self._optional: dict[str, Any] = {
            "temperature": temperature,
            "seed": seed,
            "stream_options": {"include_usage": True},
            "priority": BEFORE_READERS,
        }
        self._server_metrics = server_metrics
        self._vllm = False  # until the server says so
        self._listing: asyncio.Future[int | None] | None = None
        self._limit_name = "max_completion_tokens" if url == OPENAI else "max_tokens"
        self._client: asyncio.Future[AsyncOpenAI] | None = None
        self._loop: asyncio.AbstractEventLoop | None = None

    def __repr__(self) -> str:
        return f"OpenAICompatible({self._model!r}, base_url={self._url!r})"

    def __getstate__(self) -> object:
        raise TypeError("A model that holds a key is not pickled; make it anew from its name.")

    @property
    def name(self) -> str:
        return f"openai:{self._model}"

    @property
    def local(self) -> bool:
        return False

    @property
    def endpoint(self) -> str:
        """What calls share a limit: the server and the model."""
        return f"{self._url} {self._model}"

    async def complete(
        self, prompt: Prompt[T], *, timeout: float | None = None, on_delta: Callable[[str], None] | None = None
    ) -> Completion[T]:
        while True:
            sent = (self._format, self._limit_name, frozenset(self._optional))
            body = self._body(prompt, stream=on_delta is not None)
            try:
                if on_delta is not None:
                    return await self._stream(body, prompt, timeout, on_delta)
                return await self._whole(body, prompt, timeout)
            except CallError as error:
                raise unframed(error) from None  # the frames hold what the endpoint said, word for word
            except Exception as error:  # noqa: BLE001 - the edge: whatever a client library raises becomes a CallError
                if not self._adapts(error, sent):
                    raise call_error(error, secrets=(self._key.get_secret_value(),), where=self._url) from None

    async def describe(self) -> ModelInfo:
        if self._info is None:
            table = await asyncio.to_thread(known, self._model)
            given = self._given
            self._info = ModelInfo(
                name=self.name,
                window=given.window or await self._served() or table.window,
                prices=given.prices or table.prices,
                # Another server under the same name may count otherwise.
                encoding=given.encoding or (table.encoding if self._url == OPENAI else None),
            )
        return self._info

    async def is_vllm(self) -> bool:
        """Whether the server says that it is vLLM; asked once."""
        await self._served()
        return self._vllm

    async def load(self) -> Load | None:
        """What a vLLM server tells of its queue and its caches; None where the endpoint is another, tells nothing, or is not
        to be asked. Raises `CallError` where it could not be asked this time.
        """
        import httpx
        import openai

        if not self._server_metrics or not await self.is_vllm():
            return None
        if self._client is None:
            raise CallError("connection", "The model was closed.")
        client = await self._connected()
        page = self._url.removesuffix("/v1") + "/metrics"
        try:
            told = await client.get(page, cast_to=httpx.Response, options={"timeout": _timeout(_METRICS_SECONDS)})
        except openai.APIStatusError as error:
            if error.status_code < 500:
                return None  # behind a proxy that keeps the page to itself
            raise call_error(error, secrets=(self._key.get_secret_value(),), where=self._url) from None
        except (openai.OpenAIError, OSError) as error:
            raise call_error(error, secrets=(self._key.get_secret_value(),), where=self._url) from None
        return load_of(told.text)

    async def aclose(self) -> None:
        if self._listing is not None:
            self._listing.cancel()
        client, self._client = self._client, None
        if client is not None and self._loop is asyncio.get_running_loop():
            await (await client).close()

    # ---- the request

    async def _connected(self) -> AsyncOpenAI:
        """The client of the running loop (sockets cannot move between loops), made in a thread: it reads certificates."""
        loop = asyncio.get_running_loop()
        if self._client is None or self._loop is not loop:
            self._client = asyncio.ensure_future(asyncio.to_thread(_client, self._url, self._key))
            self._loop = loop
            background.keep(self)
        if self._client.done():
            return self._client.result()
        return await asyncio.shield(self._client)

    def _body(self, prompt: Prompt[Any], *, stream: bool) -> dict[str, Any]:
        messages = [{"role": part.role, "content": part.sendable} for part in prompt.messages]
        schema, strict = strict_schema(cast(Any, prompt.output))
        body: dict[str, Any] = {"model": self._model, "messages": messages, self._limit_name: prompt.max_output_tokens}
        apart = {"stream_options"} if self._vllm and prompt.role != "reader" else {"stream_options", "priority"}
        body.update({key: value for key, value in self._optional.items() if value is not None and key not in apart})
        plain = issubclass(prompt.output, Plain)
        if self._format == "json_schema" and not plain:
            form = {"name": prompt.role, "schema": schema, "strict": strict}
            body["response_format"] = {"type": "json_schema", "json_schema": form}
        elif not plain:
            if self._format == "json_object":
                body["response_format"] = {"type": "json_object"}
            elif self._format == "structured_outputs":
                body["structured_outputs"] = {"json": schema}
            elif self._format == "guided_json":
                body["guided_json"] = schema
            # At the very end, so that the prefix stays the one that is cached.
            told = _SHAPE.get(prompt.language, _SHAPE["en"]).format(schema=json.dumps(schema, ensure_ascii=False))
            if messages and messages[-1]["role"] == "user":
                messages[-1] = {"role": "user", "content": f"{messages[-1]['content']}\n\n{told}"}
            else:
                messages.append({"role": "user", "content": told})
        if stream:
            body["stream"] = True
            if "stream_options" in self._optional:
                body["stream_options"] = self._optional["stream_options"]
        return body

    async def _whole(self, body: dict[str, Any], prompt: Prompt[T], timeout: float | None) -> Completion[T]:
        body.update(self._extra)
        options: Any = {"timeout": _timeout(timeout)}
        try:
            # `client.post` with `object` gives the reply as it is: checking the request against the SDK's types and building
            # its objects costs more than sending it.
            reply = await (await self._connected()).post("/chat/completions", cast_to=object, body=body, options=options)
        except ValueError:
            raise CallError("malformed", "The endpoint's reply is not JSON.") from None
        return self._completion(reply, prompt)

    async def _stream(
        self, body: dict[str, Any], prompt: Prompt[T], timeout: float | None, on_delta: Callable[[str], None]
    ) -> Completion[T]:
        client = await self._connected()
        create: Any = client.chat.completions.create
        visible, cutter = ThinkingFilter(), Cutter(self._key.get_secret_value())
        texts: list[str] = []
        thoughts: list[str] = []
        reply: dict[str, Any] = {}
        finish: str | None = None
        refusal = ""
        # What the SDK does not know as arguments of its own.
        extra = {key: body.pop(key) for key in ("priority", "structured_outputs", "guided_json") if key in body} | self._extra
        loop = asyncio.get_running_loop()
        stall = asyncio.timeout(None)
        try:
            async with await create(**body, extra_body=extra or None, timeout=_timeout(timeout)) as stream, stall:
                async for chunk in stream:
                    data = chunk.model_dump()
                    reply = {"model": data.get("model") or reply.get("model"), "usage": data.get("usage") or reply.get("usage")}
                    for choice in (data.get("choices") or ())[:1]:
                        delta = choice.get("delta") or {}
                        finish = choice.get("finish_reason") or finish
                        refusal += delta.get("refusal") or ""
                        thoughts.append(_thought(delta))
                        piece = delta.get("content") or ""
                        if piece or thoughts[-1]:
                            stall.reschedule(loop.time() + STALL_SECONDS)
                        if piece:
                            texts.append(piece)
                            if shown := cutter.feed(visible.feed(piece)):
                                on_delta(shown)
            if held := cutter.rest():
                on_delta(held)
        except TimeoutError as error:
            if not stall.expired():
                raise
            if finish is None:
                told = f"The answer stopped in the middle: nothing came for {STALL_SECONDS:g} s."
                raise CallError("timeout", told) from error
        if finish is None:
            raise CallError("connection", "The connection to the model broke off in the middle of the answer.")
        message = {"content": "".join(texts), "reasoning_content": "".join(thoughts), "refusal": refusal or None}
        return self._completion({**reply, "choices": [{"message": message, "finish_reason": finish}]}, prompt)

    # ---- the reply

    def _completion(self, reply: Any, prompt: Prompt[T]) -> Completion[T]:
        if not isinstance(reply, dict):
            raise CallError("malformed", "The endpoint's reply is no chat completion.")
        choices = reply.get("choices")
        if not choices and reply.get("error"):
            raise CallError("server", f"The endpoint failed: {self._told(reply['error'])}")
        usage = _usage(reply.get("usage"), prompt, reply)
        if not isinstance(choices, list) or not choices or not isinstance(choices[0], dict):
            raise CallError("malformed", "The endpoint's reply holds no answer.", usage=usage)
        choice = choices[0]
        message = choice.get("message") or {}
        finish = choice.get("finish_reason") or "stop"
        if finish == "content_filter" or message.get("refusal"):
            reason = self._told(message.get("refusal") or "withheld by the provider's filter")
            raise CallError("content_filter", f"The model refused: {reason}", usage=usage)
        text, inline = split_thinking(_text(message.get("content")))
        reasoning = "\n".join(part for part in (_thought(message).strip(), inline) if part)
        ended: Finish = "length" if finish in ("length", "max_tokens") else "stop"
        told = Cutter(self._key.get_secret_value())  # an endpoint that repeats the key puts it into no memory
        return Completion(
            text=told.whole(text),
            usage=usage,
            reasoning=told.whole(reasoning),
            finish=ended,
            model=told.whole(str(reply.get("model") or self._model)),
        )

    def _told(self, words: Any) -> str:
        """What the endpoint said, fit for a message."""
        return clean(str(words), (self._key.get_secret_value(),))[:200]

    def _adapts(self, error: Exception, sent: tuple[str, str, frozenset[str]]) -> bool:
        """Leaves out what the endpoint refuses by name; True if the request is now another one and worth sending."""
        if status_of(error) not in (400, 422):
            return False
        message = f"{message_of(error)} {getattr(error, 'param', None) or ''}"
        form, limit, optional = sent
        if (form, limit, optional) != (self._format, self._limit_name, frozenset(self._optional)):
            return True  # a call beside this one has learnt it meanwhile
        if form != "none" and re.search(
            r"response_?format|json_?schema|json_?object|guided|structured.?output|grammar", message, re.IGNORECASE
        ):
            self._format = self._formats[self._formats.index(form) + 1]
            return True
        other = "max_tokens" if limit == "max_completion_tokens" else "max_completion_tokens"
        refused = re.search(
            rf"(unsupported|unrecogni[sz]ed|unknown|extra|not supported|not permitted).{{0,80}}\b{limit}\b"
            rf"|\b{limit}\b.{{0,80}}(unsupported|not supported|not permitted|{other})",
            message,
            re.I | re.S,
        )
        if refused and other not in self._optional:
            self._optional.setdefault(other, None)  # marks that the other name was tried: never back and forth
            self._limit_name = other
            return True
        for name in ("temperature", "seed", "stream_options", "priority"):
            if name in optional and re.search(rf"\b{name}\b", message):
                del self._optional[name]
                return True
        return False

    async def _served(self) -> int | None:
        """`max_model_len` as the server tells it (vLLM and others do); None where it does not. Asked once; notes a vLLM."""
        loop = asyncio.get_running_loop()
        if self._listing is None or (self._listing.get_loop() is not loop and not self._listing.done()):
            self._listing = loop.create_task(self._asked())
        return self._listing.result() if self._listing.done() else await asyncio.shield(self._listing)

    async def _asked(self) -> int | None:
        if self._url == OPENAI:
            return None
        client = await self._connected()
        import openai

        try:
            raw = await client.models.with_raw_response.list(timeout=_timeout(CONNECT_SECONDS))
            models = json.loads(raw.http_response.content)["data"]
            mine = [model for model in models if model.get("id") == self._model] or (models if len(models) == 1 else [])
            self._vllm = any(model.get("owned_by") == OWNER for model in mine)
            if self._vllm:
                self._formats = _VLLM_FORMATS
            window = next((model.get(key) for model in mine for key in _WINDOWS if model.get(key)), None)
        except (openai.OpenAIError, ValueError, KeyError, TypeError, AttributeError, OSError):
            return None  # a server that lists no models still completes; if it is down, the first call says so
        return window if isinstance(window, int) and window > 0 else None


def _client(url: str, key: SecretStr) -> AsyncOpenAI:
    import openai
    from openai import AsyncOpenAI, DefaultAioHttpClient

    limits = type(openai.DEFAULT_CONNECTION_LIMITS)(max_connections=CONNECTIONS, max_keepalive_connections=CONNECTIONS)
    http = DefaultAioHttpClient(limits=limits)
    return AsyncOpenAI(api_key=key.get_secret_value() or "none", base_url=url, max_retries=0, http_client=http)


def _stripped(key: SecretStr | str | None) -> SecretStr:
    """The key as it is sent: the given one, or OPENAI_API_KEY, without white space around it."""
    told = key.get_secret_value() if isinstance(key, SecretStr) else key
    return SecretStr((told or os.environ.get("OPENAI_API_KEY") or "").strip())


def _fit(key: SecretStr) -> bool:
    """Whether a header can carry the key."""
    return key.get_secret_value().isascii() and key.get_secret_value().isprintable()


_WINDOWS = ("max_model_len", "context_length", "context_window", "max_context_length")


def _timeout(seconds: float | None) -> Any:
    """The SDK's timeout: no waiting for ever on a host that does not answer the door."""
    import openai

    return openai.Timeout(seconds, connect=CONNECT_SECONDS if seconds is None else min(CONNECT_SECONDS, seconds))


def _text(content: Any) -> str:
    """The text of a message, also where it comes in parts."""
    if isinstance(content, list):
        return "".join(str(part.get("text") or "") for part in content if isinstance(part, dict) and part.get("type") == "text")
    return content if isinstance(content, str) else ""


def _thought(message: Mapping[str, Any]) -> str:
    """The reasoning field, under the names that servers give it."""
    value = message.get("reasoning_content") or message.get("reasoning") or ""
    return value if isinstance(value, str) else ""


def _usage(usage: Any, prompt: Prompt[Any], reply: Mapping[str, Any]) -> Usage:
    """What the server counted; where it counted nothing, three bytes a token, which is rarely too few."""
    if isinstance(usage, dict) and usage.get("prompt_tokens") is not None:
        details = usage.get("prompt_tokens_details") or {}
        read = int(usage["prompt_tokens"])
        cached = details.get("cached_tokens") or usage.get("prompt_cache_hit_tokens") or 0
        return Usage(
            calls=1,
            input_tokens=read,
            output_tokens=int(usage.get("completion_tokens") or 0),
            cached_tokens=min(int(cached), read),
        )
    read = sum(len(part.sendable.encode()) for part in prompt.messages) // 3 + 1
    return Usage(calls=1, input_tokens=read, output_tokens=len(str(reply.get("choices") or "").encode()) // 3 + 1)
