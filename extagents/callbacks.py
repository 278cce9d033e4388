"""Runs of ours as LangChain's callbacks and LangSmith see them: run → wave → call with tokens, without text unless asked.

LangGraph and LangChain hand callbacks down to whatever is called inside a run. Left alone, every node of our graph and every
prompt of a LangChain chat model would stand in the caller's trace, text of documents and all, and a caller's checkpointer,
which lives in the caller's loop, would be asked from ours. So our work is done apart, and what it did is told instead.
"""

from __future__ import annotations

import contextvars
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, TypeVar

from extagents.observing import CallBegan, CallEnded, CallTrace, RunEnded, RunStarted, RunTrace, WaveBegan, WaveEnded, parts_of
from extagents.types import Usage

if TYPE_CHECKING:
    from langchain_core.callbacks import CallbackManager
    from langchain_core.callbacks.manager import CallbackManagerForChainRun, CallbackManagerForLLMRun


T = TypeVar("T")


class Ended(Exception):
    """How a run or a call ended that brought nothing, in a word or two."""


@contextmanager
def apart() -> Iterator[None]:
    """Inside, nothing belongs to the LangChain or LangGraph run that the caller is in."""
    from langchain_core.runnables.config import var_child_runnable_config
    from langchain_core.tracers import context as tracing
    from langsmith.run_helpers import tracing_context

    hooks = (hook[0] for hook in getattr(tracing, "_configure_hooks", ()))
    held = [var for var in (var_child_runnable_config, tracing.tracing_v2_callback_var, *hooks) if var.get() is not None]
    tokens = [(var, var.set(None)) for var in held]
    try:
        with tracing_context(enabled=False, parent=False):
            yield
    finally:
        for var, token in tokens:
            var.reset(token)


def langchain_trace(run: RunStarted) -> RunTrace | None:
    """A trace for the callbacks of the LangChain run that the caller is in, and for LangSmith where it is switched on.

    Callbacks that are coroutines belong to the caller's loop; they are told of the caller's own runs only.
    """
    from langchain_core.callbacks import AsyncCallbackHandler, CallbackManager
    from langchain_core.runnables.config import var_child_runnable_config

    config = var_child_runnable_config.get() or {}
    manager = CallbackManager.configure(
        inheritable_callbacks=config.get("callbacks"),
        inheritable_tags=config.get("tags"),
        inheritable_metadata=config.get("metadata"),
    )
    handlers = [handler for handler in manager.handlers if not isinstance(handler, AsyncCallbackHandler)]
    if not handlers:
        return None
    manager.handlers, manager.inheritable_handlers = handlers, handlers.copy()
    return _InContext(_Run(manager, run))


class _InContext:
    """A trace whose callbacks are told in the caller's context: apart from it, LangSmith is switched off."""

    def __init__(self, trace: _Run) -> None:
        self._trace = trace
        self._context = contextvars.copy_context()

    def _tell(self, tell: Callable[[Any], T], told: Any) -> T:
        return self._context.copy().run(tell, told)  # a copy: two threads cannot be in the same

    def wave_began(self, wave: WaveBegan) -> None:
        self._tell(self._trace.wave_began, wave)

    def wave_ended(self, wave: WaveEnded) -> None:
        self._tell(self._trace.wave_ended, wave)

    def call_began(self, call: CallBegan) -> CallTrace:
        return _CallInContext(self._tell(self._trace.call_began, call), self._context)

    def ended(self, end: RunEnded) -> None:
        self._tell(self._trace.ended, end)


class _CallInContext:
    def __init__(self, trace: CallTrace, context: contextvars.Context) -> None:
        self._trace = trace
        self._context = context

    def ended(self, end: CallEnded) -> None:
        self._context.copy().run(self._trace.ended, end)


class _Run:
    """One run of ours as a chain run, its waves as chain runs in it, its calls as runs of a language model."""

    def __init__(self, manager: CallbackManager, run: RunStarted) -> None:
        self._content = run.content
        told: dict[str, Any] = {"run_id": run.run_id, "goal": run.goal, "strategy": run.strategy, "documents": run.documents}
        if run.content:
            told["question"] = run.question
        self._run: CallbackManagerForChainRun = manager.on_chain_start(None, told, name="extagents")
        self._wave: CallbackManagerForChainRun | None = None

    def wave_began(self, wave: WaveBegan) -> None:
        told = {"wave": wave.wave, "round": wave.round, "shards": wave.shards, "lanes": wave.lanes, "reason": wave.reason}
        self._wave = self._run.get_child().on_chain_start(None, told, name=f"round {wave.round}")

    def wave_ended(self, wave: WaveEnded) -> None:
        if self._wave is not None:
            told = {"read": wave.read, "failed": wave.failed, "cached": wave.cached, "facts": wave.facts}
            self._wave.on_chain_end(told)
            self._wave = None

    def call_began(self, call: CallBegan) -> CallTrace:
        above = self._wave if self._wave is not None and call.role == "reader" else self._run
        manager = above.get_child()
        provider, name = parts_of(call.model)
        metadata = {
            "ls_provider": provider,
            "ls_model_name": name,
            "ls_model_type": "chat",
            "ls_max_tokens": call.output_tokens,
            "extagents_role": call.role,
        }
        if call.shard is not None:
            metadata["extagents_shard"] = call.shard
        manager.add_metadata(metadata, inherit=False)
        text = "\n\n".join(f"{part.role}: {part.content}" for part in call.messages) if self._content else ""
        # The tag keeps it out of LangGraph's stream of messages.
        manager.add_tags(["nostream"], inherit=False)
        begun = manager.on_llm_start({"name": call.model}, [text], name=call.role, invocation_params={"model": name})
        return _Call(begun[0], name, content=self._content)

    def ended(self, end: RunEnded) -> None:
        if end.result is None:
            error = end.error if end.error is not None and self._content else Ended(_said(end))
            return self._run.on_chain_error(error)
        told: dict[str, Any] = {"outcome": end.outcome, **_counted(end.usage)}
        told["coverage"] = end.result.coverage.model_dump()
        if self._content:
            told["result"] = end.result.model_dump(mode="json")
        return self._run.on_chain_end(told)


class _Call:
    """One call as a run of a language model."""

    def __init__(self, begun: CallbackManagerForLLMRun, model: str, *, content: bool) -> None:
        self._begun = begun
        self._model = model
        self._content = content

    def ended(self, end: CallEnded) -> None:
        from langchain_core.messages import AIMessage
        from langchain_core.outputs import ChatGeneration, LLMResult

        # What an earlier part of the run has paid is not counted again.
        usage = Usage() if end.outcome == "replayed" or end.usage is None else end.usage
        message = AIMessage(
            content=end.output.model_dump_json() if self._content and end.output is not None else "",
            usage_metadata={
                "input_tokens": usage.input_tokens,
                "output_tokens": usage.output_tokens,
                "total_tokens": usage.input_tokens + usage.output_tokens,
                "input_token_details": {"cache_read": usage.cached_tokens},
            },
            response_metadata={"model_name": end.model or self._model, "outcome": end.outcome, "attempts": usage.calls},
        )
        result = LLMResult(generations=[[ChatGeneration(message=message)]])
        if end.outcome in ("answered", "replayed"):
            self._begun.on_llm_end(result)
        else:
            error = end.error if end.error is not None and self._content else Ended(f"{end.outcome} {end.kind}".strip())
            self._begun.on_llm_error(error, response=result)


def _said(end: RunEnded) -> str:
    return end.outcome if end.error is None else f"{end.outcome}: {type(end.error).__name__}"


def _counted(usage: Usage) -> dict[str, Any]:
    return {"usage": usage.model_dump()}
