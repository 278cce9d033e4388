"""Who watches runs from outside: what a trace is told of a run, its waves and its calls, and who gives traces.

A trace is told sizes, names and outcomes. Texts are handed over beside them; whether they are shown is for the trace to say.
Nothing here knows of any tracing library, and a run that nobody watches pays nothing.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, Protocol, TypeVar

from extagents.types import Answer, Compressed, Usage

logger = logging.getLogger("extagents")
T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class RunStarted:
    """A run begins. `content`: whether the settings allow texts (question, prompts, answers) in traces."""

    run_id: str
    question: str
    goal: str
    strategy: str
    model: str
    documents: int
    content: bool


@dataclass(frozen=True, slots=True)
class RunEnded:
    """A run has ended with a result or an error; with neither, it was cancelled. `usage` is what it cost."""

    usage: Usage
    result: Answer | Compressed | None = None
    error: BaseException | None = None

    @property
    def outcome(self) -> str:
        """`answered`, `unanswered`, `compressed`, `failed` or `cancelled`; with `stopped_by` behind it where it is partial."""
        if self.result is None:
            return "cancelled" if self.error is None or not isinstance(self.error, Exception) else "failed"
        answered = {True: "answered", False: "unanswered"}
        said = "compressed" if isinstance(self.result, Compressed) else answered[self.result.answered]
        return f"{said}, stopped by {self.result.stopped_by}" if self.result.stopped_by else said


@dataclass(frozen=True, slots=True)
class WaveBegan:
    """A wave of readers: `shards` of them in round `round`."""

    wave: int
    round: int
    shards: int
    lanes: int
    reason: str


@dataclass(frozen=True, slots=True)
class WaveEnded:
    """What a wave brought. `cached` reads were answered by the read cache, without a call."""

    read: int
    failed: int
    cached: int
    facts: int


@dataclass(frozen=True, slots=True)
class CallBegan:
    """A call to a model. `name` is the call's own ("read:ROUND:SHARD" for a reader's); `messages` have `role` and `content`."""

    role: str
    model: str
    name: str
    output_tokens: int
    messages: Sequence[Any]

    @property
    def shard(self) -> str | None:
        """The shard that a reader is asked to read."""
        kind, _, rest = self.name.partition(":")
        return rest.partition(":")[2] or None if self.role == "reader" and kind == "read" else None


@dataclass(frozen=True, slots=True)
class CallEnded:
    """How a call ended: `answered`, `replayed` (paid by an earlier part of the run), `failed`, `stopped` or `cancelled`.

    `kind` says why it failed or was stopped. `usage` covers all attempts, and is None where it is not known.
    """

    outcome: str
    kind: str = ""
    usage: Usage | None = None
    model: str = ""
    output: Any = None
    error: BaseException | None = None


class CallTrace(Protocol):
    """What is told of one call."""

    def ended(self, end: CallEnded) -> None:
        """The call is over. Comes in the task in which it began."""
        ...


class RunTrace(Protocol):
    """What is told of one run, from the background loop or one of its threads. Never waits."""

    def wave_began(self, wave: WaveBegan) -> None:
        """Readers' calls from here on belong to this wave."""
        ...

    def wave_ended(self, wave: WaveEnded) -> None:
        """The wave is read."""
        ...

    def call_began(self, call: CallBegan) -> CallTrace:
        """A call begins."""
        ...

    def ended(self, end: RunEnded) -> None:
        """The run is over."""
        ...


Tracer = Callable[[RunStarted], RunTrace | None]
tracers: list[Tracer] = []  # of this process: each is asked for a trace when a run begins, in the caller's context


class Trace:
    """All traces of one run. One that raises is left out from then on, with a line in the log: the run goes on."""

    def __init__(self, told: Sequence[RunTrace]) -> None:
        self._told = list(told)
        self._waving = False

    @classmethod
    def of(cls, run: RunStarted, given: Sequence[Tracer]) -> Trace | None:
        """The traces that the tracers give the run; None where nobody watches."""
        made = [trace for tracer in given if (trace := _safely(tracer, run)) is not None]
        return cls(made) if made else None

    def _all(self, tell: Callable[[RunTrace], T]) -> list[T]:
        heard: list[T] = []
        for trace in tuple(self._told):
            try:
                heard.append(tell(trace))
            except Exception:
                logger.warning("A trace of a run failed and is given up.", exc_info=True)
                self._told.remove(trace)
        return heard

    def wave_began(self, wave: WaveBegan) -> None:
        """A wave of readers begins."""
        self._waving = True
        self._all(lambda trace: trace.wave_began(wave))

    def wave_ended(self, wave: WaveEnded) -> None:
        """The wave, if one is under way, is read."""
        if self._waving:
            self._waving = False
            self._all(lambda trace: trace.wave_ended(wave))

    @contextmanager
    def call(self, call: CallBegan) -> Iterator[Callable[[CallEnded], None]]:
        """Tells of a call; whoever makes it gives its end, once."""
        begun = self._all(lambda trace: trace.call_began(call))

        def ended(end: CallEnded) -> None:
            while begun:
                _safely(begun.pop().ended, end)

        try:
            yield ended
        finally:
            ended(CallEnded("cancelled"))

    def ended(self, end: RunEnded) -> None:
        """The run is over: nothing is told after it."""
        self.wave_ended(WaveEnded(0, 0, 0, 0))
        self._all(lambda trace: trace.ended(end))
        self._told.clear()


def _safely(function: Callable[[Any], T], argument: Any) -> T | None:
    try:
        return function(argument)
    except Exception:
        logger.warning("A trace of a run failed.", exc_info=True)
        return None


def parts_of(model: str) -> tuple[str, str]:
    """Provider and name of a model string: `openai:NAME`, `langchain:PROVIDER:NAME`; ours are "extagents"."""
    provider, _, name = model.removeprefix("langchain:").partition(":")
    return (provider.lower(), name) if name else ("extagents", provider)
