"""The one vLLM engine of a process and model: started by whoever needs it first, shared by all, stopped after the last.

Everything here belongs to the background loop. The engine itself works in processes of its own.
"""

from __future__ import annotations

import asyncio
import inspect
import multiprocessing
import os
import signal
import threading
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import fields
from difflib import get_close_matches
from multiprocessing import spawn
from typing import Any

from extagents.errors import ModelError, SettingsError
from extagents.models.base import Load
from extagents.models.failures import clean

OURS = ("chat_template", "chat_template_kwargs")  # keys of the `vllm` setting that are no engine arguments
_QUIET = {
    "VLLM_LOGGING_LEVEL": "ERROR",
    "VLLM_LOGGING_STREAM": "ext://sys.stderr",  # stdout holds results
    "VLLM_NO_USAGE_STATS": "1",
}
_START = (
    "What stands above in vLLM's own log says why. Out of memory: lower gpu_memory_utilization, max_model_len or max_num_seqs, "
    "take a quantized model or more GPUs (tensor_parallel_size), in EXTAGENTS_VLLM."
)


class SharedEngine:
    """One running engine. `holders` are the models that use it."""

    def __init__(self, name: str, arguments: Mapping[str, Any]) -> None:
        self.name = name
        self.arguments = dict(arguments)
        self.pid = os.getpid()
        self.holders: set[int] = set()
        self.thread = ThreadPoolExecutor(1, thread_name_prefix="vllm")  # tokenizers are not made for several threads
        self.tokenizer: Any = None
        self.window = 0
        self.by_priority = False
        self.starting: asyncio.Task[Any] | None = None
        self.stopping: asyncio.Task[None] | None = None
        self._load = Load()

    @property
    def dead(self) -> bool:
        """Whether it has failed to start or died since."""
        if self.starting is None or not self.starting.done():
            return False
        return self.starting.cancelled() or self.starting.exception() is not None or bool(self.starting.result().errored)

    @property
    def load(self) -> Load:
        return self._load

    async def ready(self) -> Any:
        """The engine, started now if it was not yet. Whoever waits may be cancelled; starting goes on for the others."""
        if self.starting is None:
            self.starting = asyncio.create_task(self._start())
        return await asyncio.shield(self.starting)

    async def _start(self) -> Any:
        loop = asyncio.get_running_loop()
        engine = await loop.run_in_executor(self.thread, self._made)
        tokenizer = engine.get_tokenizer()
        self.tokenizer = await tokenizer if inspect.isawaitable(tokenizer) else tokenizer
        self.window = int(engine.model_config.max_model_len)
        self.by_priority = str(engine.vllm_config.scheduler_config.policy) == "priority"
        return engine

    async def stop(self) -> None:
        """Ends the engine's processes; what is still asked of it fails."""
        if self.stopping is None:
            self.stopping = asyncio.create_task(self._stop())
        await asyncio.shield(self.stopping)

    async def _stop(self) -> None:
        if self.starting is not None:
            await asyncio.wait((self.starting,))
            if not self.starting.cancelled() and self.starting.exception() is None:
                await asyncio.get_running_loop().run_in_executor(self.thread, self.starting.result().shutdown)
                multiprocessing.active_children()  # takes leave of those that ended
        self.thread.shutdown(wait=False)

    # ---- on the engine's own thread

    def _made(self) -> Any:
        for variable, value in _QUIET.items():
            os.environ.setdefault(variable, value)
        # The engine's processes inherit what this thread blocks: Ctrl-C is for us to hear. A run that it interrupts still
        # asks for its last answer; the engine is stopped by its owner.
        blocked = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
        try:
            from vllm.engine.arg_utils import AsyncEngineArgs
            from vllm.usage.usage_lib import UsageContext
            from vllm.v1.engine.async_llm import AsyncLLM

            arguments = AsyncEngineArgs(**engine_arguments(self.name, self.arguments, AsyncEngineArgs))
            # Batches as large as for work without anybody waiting at a screen: shards are long, and throughput is what counts.
            usage = UsageContext.LLM_CLASS
            with _script_run_once():
                return AsyncLLM.from_engine_args(
                    arguments, usage_context=usage, stat_loggers=[lambda *_: _Listener(self._told)]
                )
        except SettingsError:
            raise
        except ImportError as error:
            reason = clean(str(error), ())
            raise SettingsError(f"vLLM is installed but cannot be loaded: {reason}", hint="See docs/vllm.md.") from error
        except Exception as error:  # the edge: whatever vLLM raises while it starts becomes one error
            reason = clean(f"{type(error).__name__}: {error}", ())
            raise ModelError(f"vLLM could not start {self.name}: {reason}", hint=_START) from error
        finally:
            signal.pthread_sigmask(signal.SIG_SETMASK, blocked)

    def _told(self, scheduler: Any, iteration: Any) -> None:
        """Adds one step's figures; they are no stable interface, so what is missing counts as nothing."""
        before = self._load
        looked = getattr(scheduler, "prefix_cache_stats", None)
        self._load = Load(
            running=int(getattr(scheduler, "num_running_reqs", before.running)),
            waiting=int(getattr(scheduler, "num_waiting_reqs", before.waiting)),
            cache_usage=float(getattr(scheduler, "kv_cache_usage", before.cache_usage)),
            preempted=before.preempted + int(getattr(iteration, "num_preempted_reqs", 0)),
            looked_up=before.looked_up + int(getattr(looked, "queries", 0)),
            found=before.found + int(getattr(looked, "hits", 0)),
        )


@contextmanager
def _script_run_once() -> Iterator[None]:
    """Processes that this thread starts don't import the user's script, which they need nothing of: where vLLM spawns its
    processes (on a CPU, or once CUDA is in use), a script without `if __name__ == "__main__"` would be run again in each.
    """
    whole, here = spawn.get_preparation_data, threading.get_ident()

    def prepared(name: str) -> dict[str, Any]:
        told = whole(name)
        if threading.get_ident() == here:
            told = {key: value for key, value in told.items() if not key.startswith("init_main_from")}
        return told

    spawn.get_preparation_data = prepared
    try:
        yield
    finally:
        spawn.get_preparation_data = whole


class _Listener:
    """What vLLM tells its figures to, in the form of its `StatLoggerBase`."""

    def __init__(self, tell: Callable[[Any, Any], None]) -> None:
        self._tell = tell

    def record(self, scheduler_stats: Any, iteration_stats: Any, *_: Any, **__: Any) -> None:
        self._tell(scheduler_stats, iteration_stats)

    def log_engine_initialized(self) -> None:
        """Told once; of no use here."""

    def log(self) -> None:
        """Asked to print; nothing is printed."""

    def record_sleep_state(self, *_: Any) -> None:
        """Told when the engine is put to sleep, which this process never does."""


_ENGINES: dict[str, SharedEngine] = {}


async def hold(name: str, arguments: Mapping[str, Any], holder: object) -> tuple[SharedEngine, Any]:
    """The engine of that model, held for `holder` until it lets go. Raises `ModelError` where it cannot be started, and
    `SettingsError` where one with other arguments is running.
    """
    while True:
        shared = _ENGINES.get(name)
        if shared is None or shared.pid != os.getpid():
            shared = _ENGINES[name] = SharedEngine(name, arguments)
        elif shared.stopping is not None or shared.dead:
            # Its memory has to be free before the next may start.
            await shared.stop()
            if _ENGINES.get(name) is shared:
                del _ENGINES[name]
            continue
        elif shared.arguments != dict(arguments):
            raise SettingsError(
                f"vLLM runs {name} in this process with other arguments.",
                hint="Give all coordinators the same `vllm`, or close the others first.",
            )
        shared.holders.add(id(holder))
        return shared, await shared.ready()


async def let_go(name: str, holder: object) -> None:
    """Ends the holding; the engine stops when nobody holds it any more."""
    shared = _ENGINES.get(name)
    if shared is None or shared.pid != os.getpid() or id(holder) not in shared.holders:
        return
    shared.holders.discard(id(holder))
    if not shared.holders:
        await shared.stop()
        if _ENGINES.get(name) is shared:
            del _ENGINES[name]


def engine_arguments(name: str, given: Mapping[str, Any], kind: Any) -> dict[str, Any]:
    """What the engine is started with: ours where the user says nothing. Raises `SettingsError` for an unknown name.

    Prompts share long prefixes, so the prefix cache is on; a JSON answer has no room for white space without end.
    """
    known = {field.name for field in fields(kind)}
    wanted = {key: value for key, value in given.items() if key not in OURS}
    for key in sorted(set(wanted) - known) or [key for key in ("model",) if key in wanted]:
        close = get_close_matches(key, [*known, *OURS], n=1)
        meant = f" Did you mean {close[0]}?" if close and key not in known else ""
        raise SettingsError(f"vLLM has no engine argument {key!r}.{meant}", hint="See `vllm serve --help` for all of them.")
    ours: dict[str, Any] = {
        "model": name,
        "enable_prefix_caching": True,
        "scheduling_policy": "priority",
        "disable_log_stats": True,
        "structured_outputs_config": {"backend": "xgrammar", "disable_any_whitespace": True},
        "guided_decoding_backend": "xgrammar",  # the same, before vLLM 0.12
        "guided_decoding_disable_any_whitespace": True,
    }
    if "structured_outputs_config" in known:
        known -= {"guided_decoding_backend", "guided_decoding_disable_any_whitespace"}
    return {key: value for key, value in ours.items() if key in known} | wanted
