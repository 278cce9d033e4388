"""vLLM in this process: `vllm:NAME` is a model of the Hugging Face hub or a folder, run by an engine that all roles share.

Answers are held to their JSON schema by guided decoding, prompts with a common beginning share its KV cache, and whoever is
waited for (planner, reasoner, …) goes before the readers.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable, Mapping
from contextlib import aclosing
from importlib.util import find_spec
from itertools import count
from typing import Any, TypeVar, cast

from pydantic import BaseModel

from extagents.background import background
from extagents.errors import CallError, SettingsError
from extagents.models.base import Completion, Load, ModelInfo, Prompt
from extagents.models.failures import call_error, clean
from extagents.models.schema import strict_schema
from extagents.models.thinking import ThinkingFilter, split_thinking
from extagents.models.vllm_shared import OURS, SharedEngine, hold, let_go
from extagents.types import Plain, Prices, Usage

T = TypeVar("T", bound=BaseModel)

RESTARTS = 2  # of an engine that died, by one model: what kills it that often will do so again
READER, OTHERS = 1, 0  # vLLM handles lower numbers earlier
_MISSING = (
    'Install it: pip install "extagents[vllm]" (Linux with a GPU; docs/vllm.md has the CPU build), or start '
    "`vllm serve {name}` elsewhere and use --model openai:{name} --base-url http://localhost:8000/v1."
)
_NUMBERS = count(1)


class VllmEngine:
    """A model in an engine of this process.

    `arguments` are vLLM's engine arguments (`{"max_model_len": 16384, "gpu_memory_utilization": 0.8}`), and beside them
    `chat_template` and `chat_template_kwargs` (`{"enable_thinking": false}`). `window` (tokens) is the engine's
    `max_model_len` where that is not given; `prices` (USD per million tokens) are zero unless given. Models of the same name
    share one engine: it starts with the first call and ends when the last of them is closed.
    Raises `SettingsError` where vLLM is not installed.
    """

    def __init__(
        self,
        name: str,
        *,
        window: int | None = None,
        prices: Prices | None = None,
        temperature: float = 0.0,
        seed: int | None = 0,
        arguments: Mapping[str, Any] | None = None,
    ) -> None:
        found = find_spec("vllm")
        if found is None or found.origin is None:  # a folder of that name is no package
            raise SettingsError(f"vllm:{name} needs vLLM, which is not installed.", hint=_MISSING.format(name=name))
        given = dict(arguments or {})
        if "hf_token" in given:
            raise SettingsError("hf_token does not belong among settings, which are stored with runs.", hint="Set HF_TOKEN.")
        self._chat = {key: given.pop(key) for key in OURS if key in given}
        if window is not None:
            given.setdefault("max_model_len", window)
        self._model = name
        self._arguments = given
        self._prices = prices or Prices(input=0.0, output=0.0)
        self._temperature = temperature
        self._seed = seed
        self._deaths = 0
        self._shared: SharedEngine | None = None

    def __repr__(self) -> str:
        return f"VllmEngine({self._model!r})"

    def __getstate__(self) -> object:
        raise TypeError("A model with an engine of this process is not pickled; make it anew from its name.")

    @property
    def name(self) -> str:
        return f"vllm:{self._model}"

    @property
    def local(self) -> bool:
        """False: its calls take time and memory, and are limited and timed as those of a server are."""
        return False

    async def complete(
        self, prompt: Prompt[T], *, timeout: float | None = None, on_delta: Callable[[str], None] | None = None
    ) -> Completion[T]:
        return await background.run(lambda: self._complete(prompt, timeout, on_delta))

    async def describe(self) -> ModelInfo:
        """Starts the engine, if it does not run yet, and says what it was started with. Raises `ModelError` or
        `SettingsError` where it cannot be started.
        """
        shared, _ = await background.run(self._engine)
        return ModelInfo(name=self.name, window=shared.window, prices=self._prices)

    async def load(self) -> Load | None:
        """What the engine has told of its queue and its caches."""
        return self._shared.load if self._shared is not None else Load()

    async def aclose(self) -> None:
        """Lets go of the engine; the last to do so ends it and frees its memory."""
        self._shared = None
        await background.run(lambda: let_go(self._model, self))

    # ---- on the background loop

    async def _engine(self) -> tuple[SharedEngine, Any]:
        self._shared, engine = await hold(self._model, self._arguments, self)
        return self._shared, engine

    async def _complete(
        self, prompt: Prompt[T], timeout: float | None, on_delta: Callable[[str], None] | None
    ) -> Completion[T]:
        try:
            shared, engine = await self._engine()
        except Exception as error:
            raise CallError("bad_request", clean(str(error), ())) from error
        try:
            async with asyncio.timeout(timeout):
                return await self._generate(shared, engine, prompt, on_delta)
        except TimeoutError:
            raise CallError("timeout", "The engine did not answer in time.") from None
        except CallError:
            raise
        except Exception as error:  # the edge: whatever vLLM raises becomes a CallError
            raise self._failure(error, shared) from error

    def _failure(self, error: Exception, shared: SharedEngine) -> CallError:
        names = {kind.__name__ for kind in type(error).__mro__}
        if shared.dead or "EngineDeadError" in names:
            self._deaths += 1
            told = "The vLLM engine died (its log says why; out of memory: lower gpu_memory_utilization or max_num_seqs)."
            return CallError("connection" if self._deaths <= RESTARTS else "bad_request", told)
        if "EngineGenerateError" in names:
            cause = error.__cause__ or error
            return CallError("server", f"The engine failed: {clean(f'{type(cause).__name__}: {cause}', ())}")
        return call_error(error, where="the engine")

    async def _generate(
        self, shared: SharedEngine, engine: Any, prompt: Prompt[T], on_delta: Callable[[str], None] | None
    ) -> Completion[T]:
        loop = asyncio.get_running_loop()
        ids = await loop.run_in_executor(shared.thread, self._tokens, shared.tokenizer, prompt)
        if len(ids) + prompt.max_output_tokens > shared.window:
            told = (
                f"The prompt has {len(ids)} tokens; with {prompt.max_output_tokens} to write that is more than the engine's "
                f"maximum context length of {shared.window}."
            )
            raise CallError("context_length", told, usage=Usage(calls=1))
        priority = (READER if prompt.role == "reader" else OTHERS) if shared.by_priority else 0
        options = self._sampling(prompt, stream=on_delta is not None)
        visible = ThinkingFilter()
        texts: list[str] = []
        written = cached = 0
        finish: str | None = None
        request = f"extagents-{next(_NUMBERS)}"
        # Closing the generator, also when this task is cancelled, ends the request in the engine.
        async with aclosing(engine.generate(_input(ids), options, request, priority=priority)) as outputs:
            async for output in outputs:
                part = output.outputs[0]
                texts.append(part.text)
                written += len(part.token_ids)
                cached = max(cached, output.num_cached_tokens or 0)
                finish = part.finish_reason or finish
                if on_delta is not None and (shown := visible.feed(part.text)):
                    on_delta(shown)
        if finish not in ("stop", "length"):
            raise CallError("server", f"The engine broke off the answer ({finish or 'no reason given'}).")
        text, thought = split_thinking("".join(texts))
        usage = Usage(calls=1, input_tokens=len(ids), output_tokens=written, cached_tokens=min(cached, len(ids)))
        ended = "length" if finish == "length" else "stop"
        return Completion(text=text, usage=usage, reasoning=thought, finish=cast(Any, ended), model=self.name)

    def _tokens(self, tokenizer: Any, prompt: Prompt[Any]) -> list[int]:
        messages = [{"role": part.role, "content": part.sendable} for part in prompt.messages]
        options: dict[str, Any] = dict(self._chat.get("chat_template_kwargs") or {})
        if template := self._chat.get("chat_template"):
            options["chat_template"] = template
        try:
            ids = tokenizer.apply_chat_template(
                messages, add_generation_prompt=True, tokenize=True, return_dict=False, **options
            )
        except Exception as error:
            reason = clean(f"{type(error).__name__}: {error}", ())
            told = f"The model's chat template takes no such messages ({reason}): give another in EXTAGENTS_VLLM."
            raise CallError("bad_request", told, usage=Usage(calls=1)) from error
        return list(ids)

    def _sampling(self, prompt: Prompt[Any], *, stream: bool) -> Any:
        from vllm import SamplingParams
        from vllm.sampling_params import RequestOutputKind

        options: dict[str, Any] = {
            "temperature": self._temperature,
            "seed": self._seed,
            "max_tokens": prompt.max_output_tokens,
            "output_kind": RequestOutputKind.DELTA if stream else RequestOutputKind.FINAL_ONLY,
        }
        if not issubclass(prompt.output, Plain):
            options.update(_held(strict_schema(cast(Any, prompt.output))[0]))
        return SamplingParams(**options)


def _held(schema: dict[str, Any]) -> dict[str, Any]:
    """The sampling parameter that holds an answer to a schema, under the name that this vLLM has for it."""
    try:
        from vllm.sampling_params import StructuredOutputsParams
    except ImportError:
        from vllm.sampling_params import GuidedDecodingParams

        return {"guided_decoding": GuidedDecodingParams(json=json.dumps(schema))}
    return {"structured_outputs": StructuredOutputsParams(json=json.dumps(schema))}


def _input(ids: list[int]) -> Any:
    """Token ids in the form that this vLLM takes them."""
    try:
        from vllm.inputs import tokens_input
    except ImportError:
        return {"prompt_token_ids": ids}
    return tokens_input(ids)
