"""Any LangChain chat model as a model of ours."""

from __future__ import annotations

import asyncio
import re
from collections.abc import Callable, Iterator, Mapping
from itertools import chain
from typing import TYPE_CHECKING, Any, TypeVar, cast
from urllib.parse import parse_qs, unquote, urlsplit

from pydantic import BaseModel, SecretStr

from extagents.errors import CallError
from extagents.models.base import Completion, Finish, ModelInfo, Prompt
from extagents.models.failures import call_error, clean
from extagents.models.known import known
from extagents.models.schema import strict_schema
from extagents.models.thinking import ThinkingFilter, split_thinking
from extagents.redaction import Cutter
from extagents.types import Plain, Prices, Usage

if TYPE_CHECKING:
    from langchain_core.language_models.chat_models import BaseChatModel

T = TypeVar("T", bound=BaseModel)

_NAMES = ("model_name", "model", "model_id", "deployment_name")
_LIMITS = ("max_tokens", "max_output_tokens")
_SECRET = re.compile(r"(?:key|token|secret|password|authorization|credentials?|cookie)$", re.IGNORECASE)
_THOUGHTS = {"thinking": "thinking", "reasoning": "reasoning"}


class LangChainModel:
    """Adapts a `BaseChatModel`. Its own retries are turned off where it lets itself be turned: the gate retries.

    `window` (tokens) and `prices` (USD per million tokens) override the table of known models; `name` is the model string.
    """

    def __init__(
        self,
        chat: BaseChatModel,
        *,
        name: str | None = None,
        window: int | None = None,
        prices: Prices | None = None,
    ) -> None:
        self._chat = _without_retries(chat)
        self._served = next((str(value) for key in _NAMES if (value := getattr(chat, key, None))), type(chat).__name__)
        self._name = name or f"langchain:{type(chat).__name__}:{self._served}"
        # A chat model given as an object may go anywhere: it shares its limits with nobody.
        self.endpoint = name or f"{self._name} {id(chat)}"
        self._window = window
        self._prices = prices
        self._secrets = tuple(map(SecretStr, _secrets(chat)))
        self._structured = _like_openai(chat)

    def __repr__(self) -> str:
        return f"LangChainModel({self._name!r})"

    def __getstate__(self) -> object:
        raise TypeError("A model that may hold a key is not pickled; make it anew from its name.")

    @property
    def name(self) -> str:
        return self._name

    @property
    def local(self) -> bool:
        return False

    async def complete(
        self, prompt: Prompt[T], *, timeout: float | None = None, on_delta: Callable[[str], None] | None = None
    ) -> Completion[T]:
        from langchain_core.messages import AIMessage, HumanMessage, SystemMessage

        kinds = {"system": SystemMessage, "user": HumanMessage, "assistant": AIMessage}
        messages = [kinds[part.role](content=part.sendable) for part in prompt.messages]
        structured = self._structured
        try:
            async with asyncio.timeout(timeout):
                message = await self._ask(messages, prompt, on_delta, structured)
        except TimeoutError:
            raise CallError("timeout", "The model did not answer in time.") from None
        except Exception as error:  # noqa: BLE001 - the edge: whatever a client library raises becomes a CallError
            failure = call_error(error, secrets=[secret.get_secret_value() for secret in self._secrets])
            if not (structured and failure.status in (400, 422) and "response_format" in failure.message):
                raise failure from None
            self._structured = False
            return await self.complete(prompt, timeout=timeout, on_delta=on_delta)
        return self._completion(message, prompt)

    async def describe(self) -> ModelInfo:
        table = await asyncio.to_thread(known, self._served)
        profile = getattr(self._chat, "profile", None) or {}
        told = profile.get("max_input_tokens") if isinstance(profile, Mapping) else None
        return ModelInfo(
            name=self._name,
            window=self._window or table.window or (told if isinstance(told, int) else None),
            prices=self._prices or table.prices,
            encoding=table.encoding,
        )

    async def aclose(self) -> None:
        """The chat model is its owner's to close."""

    def _cutter(self) -> Cutter:
        return Cutter(*(secret.get_secret_value() for secret in self._secrets))

    def _told(self, words: Any) -> str:
        """What the model's provider said, fit for a message."""
        return clean(str(words), [secret.get_secret_value() for secret in self._secrets])[:200]

    async def _ask(
        self, messages: list[Any], prompt: Prompt[T], on_delta: Callable[[str], None] | None, structured: bool
    ) -> Any:
        arguments: dict[str, Any] = {}
        fields = type(self._chat).model_fields
        limit = next((key for key in _LIMITS if key in fields), None)
        if limit is not None:
            arguments[limit] = prompt.max_output_tokens
        if structured and not issubclass(prompt.output, Plain):
            schema, strict = strict_schema(cast(Any, prompt.output))
            form = {"name": prompt.role, "schema": schema, "strict": strict}
            arguments["response_format"] = {"type": "json_schema", "json_schema": form}
        if on_delta is None:
            return await self._chat.ainvoke(messages, **arguments)
        visible, cutter = ThinkingFilter(), self._cutter()
        whole: Any = None
        async for chunk in self._chat.astream(messages, **arguments):
            whole = chunk if whole is None else cast(Any, whole) + chunk
            text, _ = _parts(chunk)
            if text and (shown := cutter.feed(visible.feed(text))):
                on_delta(shown)
        if held := cutter.rest():
            on_delta(held)
        if whole is None:
            raise CallError("malformed", "The model streamed nothing.")
        return whole

    def _completion(self, message: Any, prompt: Prompt[T]) -> Completion[T]:
        metadata: Mapping[str, Any] = getattr(message, "response_metadata", None) or {}
        content, thought = _parts(message)
        text, inline = split_thinking(content)
        usage = _usage(message, prompt, text)
        finish = str(
            metadata.get("finish_reason") or metadata.get("stop_reason") or metadata.get("done_reason") or "stop"
        ).lower()
        refusal = (getattr(message, "additional_kwargs", None) or {}).get("refusal")
        if refusal or finish in ("content_filter", "refusal", "safety", "prohibited_content", "blocklist"):
            raise CallError("content_filter", f"The model refused: {self._told(refusal or finish)}", usage=usage)
        told = self._cutter()
        ended: Finish = "length" if finish in ("length", "max_tokens", "model_length") else "stop"
        return Completion(
            text=told.whole(text),
            usage=usage,
            reasoning=told.whole("\n".join(part for part in (thought.strip(), inline) if part)),
            finish=ended,
            model=told.whole(str(metadata.get("model_name") or metadata.get("model") or self._served)),
        )


def _parts(message: Any) -> tuple[str, str]:
    """A message's text and thoughts, whether they come as a string, as content blocks or in a field of their own."""
    content = message.content
    extra = getattr(message, "additional_kwargs", None) or {}
    thoughts = [str(extra[key]) for key in ("reasoning_content", "reasoning") if isinstance(extra.get(key), str)]
    if isinstance(content, str):
        return content, "".join(thoughts)
    texts: list[str] = []
    for block in content:
        if isinstance(block, str):
            texts.append(block)
        elif isinstance(block, dict):
            kind = str(block.get("type") or "")
            if kind in ("text", "output_text"):
                texts.append(str(block.get("text") or ""))
            elif kind in _THOUGHTS:
                thoughts.append(_thought(block, _THOUGHTS[kind]))
    return "".join(texts), "\n".join(part for part in thoughts if part)


def _thought(block: Mapping[str, Any], key: str) -> str:
    value = block.get(key) or block.get("text") or block.get("summary") or ""
    if isinstance(value, list):
        return "\n".join(str(part.get("text") or "") for part in value if isinstance(part, dict))
    return str(value)


def _usage(message: Any, prompt: Prompt[Any], text: str) -> Usage:
    """What the model counted; where it counted nothing, three bytes a token, which is rarely too few."""
    told = getattr(message, "usage_metadata", None)
    if told:
        read = int(told.get("input_tokens") or 0)
        cached = int((told.get("input_token_details") or {}).get("cache_read") or 0)
        return Usage(
            calls=1, input_tokens=read, output_tokens=int(told.get("output_tokens") or 0), cached_tokens=min(cached, read)
        )
    read = sum(len(part.sendable.encode()) for part in prompt.messages) // 3 + 1
    return Usage(calls=1, input_tokens=read, output_tokens=len(text.encode()) // 3 + 1)


def _like_openai(chat: Any) -> bool:
    """Whether the class takes OpenAI's `response_format`."""
    return any(kind.__name__ in ("BaseChatOpenAI", "ChatOpenAI", "AzureChatOpenAI") for kind in type(chat).__mro__)


def _without_retries(chat: Any) -> Any:
    """A copy that does not retry, if the class has such a setting; the user's own object is left as it is."""
    if "max_retries" not in type(chat).model_fields or not getattr(chat, "max_retries", 1):
        return chat
    copy = chat.model_copy(update={"max_retries": 0})
    root = getattr(copy, "root_async_client", None)
    if root is not None and hasattr(root, "with_options"):
        # The client was built with the old number of retries.
        copy.root_async_client = root.with_options(max_retries=0)
        copy.async_client = copy.root_async_client.chat.completions
    return copy


def _secrets(chat: Any) -> Iterator[str]:
    """What of a chat model's fields must not stand in a message: keys, passwords, and headers that hold them."""
    for name in type(chat).model_fields:
        yield from _within(name, getattr(chat, name, None))


def _within(name: str, value: Any) -> Iterator[str]:
    if isinstance(value, SecretStr):
        yield value.get_secret_value()
    elif isinstance(value, Mapping):
        for key, part in value.items():
            yield from _within(f"{name} {key}", part)
    elif isinstance(value, str) and _SECRET.search(name):
        yield value.removeprefix("Bearer ")
    elif isinstance(value, str) and "://" in value:
        parts = urlsplit(value)
        yield from filter(None, (unquote(parts.password or ""), *chain(*parse_qs(parts.query).values())))
