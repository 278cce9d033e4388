"""Watching a run: a view that changes in place in a notebook, plain lines elsewhere, and what happened, for plots."""

from __future__ import annotations

import sys
import time
from collections.abc import AsyncIterable, Callable, Iterable
from typing import Any, Protocol

from extagents.budget import Budget
from extagents.display.parts import card, figures, filled, foreign, line, notices, tagged, text
from extagents.events import Event
from extagents.progress import RunState
from extagents.types import Answer, Compressed, Usage
from extagents.wording import count, one_line, share, tokens

EVERY = 0.2  # seconds between two pictures of a run
LINES_EVERY = 2.0  # seconds between two lines where there is no notebook


class Timeline:
    """What happened in a run and when, as plain lists for plots: of the same length, one entry an event that counts.

    `happened` holds every event with the seconds since the first. Give it to `watch(…, into=timeline)`, or fill it with `add`.
    """

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self.happened: list[tuple[float, Event]] = []
        self._clock = clock
        self._first: float | None = None

    def add(self, event: Event) -> None:
        """Takes one event in, at the time of the call."""
        now = self._clock()
        if self._first is None:
            self._first = now
        self.happened.append((now - self._first, event))

    def __len__(self) -> int:
        return len(self.happened)

    def __repr__(self) -> str:
        return f"Timeline({count(len(self.happened), 'event')})"

    @property
    def shards(self) -> tuple[list[float], list[int]]:
        """Seconds, and how many shards were read by then."""
        read = [
            (at, 0 if event.type == "planned" else event.read)
            for at, event in self.happened
            if event.type in ("planned", "shard_read")
        ]
        return [at for at, _ in read], [number for _, number in read]

    @property
    def facts(self) -> tuple[list[int], list[int]]:
        """Readings, those of a shard read again included, and how many facts readers had reported by then.

        It needs no clock, so it is the same every time.
        """
        reported = [0]
        for _, event in self.happened:
            if event.type == "shard_read":
                reported.append(reported[-1] + event.facts)
        return list(range(len(reported))), reported

    @property
    def waves(self) -> list[tuple[int, int, str]]:
        """For each wave of readers its round, its number of shards, and why they were read."""
        return [(event.round, event.shards, event.reason) for _, event in self.happened if event.type == "wave"]

    @property
    def verdicts(self) -> list[tuple[int, str, float, bool]]:
        """For each verdict of the reasoner the wave, the answer ("" for none), the confidence, and whether it was settled."""
        found = (event for _, event in self.happened if event.type == "verdict")
        return [(event.wave, event.answer, event.confidence, event.stable and event.verified) for event in found]

    @property
    def roles(self) -> dict[str, Usage]:
        """What each role of the run cost, the dearest first; empty until the run has ended."""
        told: dict[str, Usage] = {}
        for _, event in self.happened:
            if event.type == "progress" and event.roles:
                told = dict(event.roles)
        return dict(sorted(told.items(), key=lambda item: -(item[1].input_tokens + item[1].output_tokens)))


def watch(happening: Iterable[Event], *, into: Timeline | None = None, every: float = EVERY) -> Any:
    """Shows a run while it goes on, and gives what it ends with: `watch(team.stream(question, over))` gives the `Answer`.

    In a notebook the view changes in place, at most once in `every` seconds; elsewhere there are lines on stderr. `into` takes
    the events, for plots. An error of the run is raised as it is; stopping the cell ends the run.
    """
    view = _view(every)
    result: Answer | Compressed | None = None
    try:
        for event in happening:
            result = _taken(event, view, into) or result
    finally:
        if (close := getattr(happening, "close", None)) is not None:
            close()
        view.end()
    return result


async def awatch(happening: AsyncIterable[Event], *, into: Timeline | None = None, every: float = EVERY) -> Any:
    """The same for `team.astream(…)`: `answer = await awatch(team.astream(question, over))`."""
    view = _view(every)
    result: Answer | Compressed | None = None
    try:
        async for event in happening:
            result = _taken(event, view, into) or result
    finally:
        if (close := getattr(happening, "aclose", None)) is not None:
            await close()
        view.end()
    return result


def _taken(event: Event, view: _View, into: Timeline | None) -> Answer | Compressed | None:
    """Shows and keeps an event; the result, where it is the one that carries it."""
    if into is not None:
        into.add(event)
    view.show(event)
    if event.type == "answer":
        return event.answer
    return event.context if event.type == "context" else None


# ------------------------------------------------------------------ views


class _View(Protocol):
    def show(self, event: Event) -> None: ...
    def end(self) -> None: ...


def _view(every: float) -> _View:
    """The view that fits: in place where a notebook shows HTML, else lines."""
    display = _notebook()
    return _Lines() if display is None else _InPlace(display, every)


def _notebook() -> Any:
    """IPython's display module inside a notebook's kernel; None elsewhere. Nothing is imported that is not there already."""
    shell = getattr(sys.modules.get("IPython"), "get_ipython", lambda: None)()
    return sys.modules.get("IPython.display") if getattr(shell, "kernel", None) is not None else None


class _InPlace:
    """One output of a cell, replaced while the run goes on."""

    def __init__(self, display: Any, every: float) -> None:
        self._state = RunState(Budget())
        self._every = every
        self._display = display
        self._handle = display.display(self._picture(), display_id=True)
        self._shown = time.monotonic()

    def show(self, event: Event) -> None:
        self._state.take(event)
        if time.monotonic() - self._shown >= self._every:
            self._update()

    def end(self) -> None:
        self._update()

    def _update(self) -> None:
        self._handle.update(self._picture())
        self._shown = time.monotonic()

    def _picture(self) -> Any:
        return self._display.HTML(live_card(self._state))


class _Lines:
    """A line for every phase, and between them one every two seconds, on stderr."""

    def __init__(self) -> None:
        self._state = RunState(Budget())
        self._phase = ""
        self._shown = float("-inf")

    def show(self, event: Event) -> None:
        self._state.take(event)
        if event.type == "notice":
            sys.stderr.write(f"notice: {one_line(event.message, 2_000)}\n")
        elif self._state.phase != self._phase or time.monotonic() - self._shown >= LINES_EVERY:
            self._phase, self._shown = self._state.phase, time.monotonic()
            sys.stderr.write(f"{_told(self._state)}\n")

    def end(self) -> None:
        sys.stderr.flush()


def _told(state: RunState) -> str:
    """Where a run stands, in a line."""
    parts = [state.title]
    if state.shards:
        parts.append(f"{state.read:,} of {count(state.shards, 'shard')} ({share(state.read, state.shards)})")
        parts.append(state.found)
    return " · ".join(parts)


def live_card(state: RunState) -> str:
    """Where a run stands, as a card."""
    head = tagged("div", f"<strong>{text(state.title)}</strong> <span>{text(state.time)}</span>", kind="head")
    rows = []
    shown = ""
    if state.shards:
        shown = filled(state.read, state.failed, state.shards)
        read = f"{state.read:,} of {count(state.shards, 'shard')} · {share(state.read, state.shards)}"
        rows.append(("read", text(f"{read} · {tokens(state.tokens_read)} of {tokens(state.tokens)} tokens")))
        newest = f" · newest: {foreign(state.newest, 160)}" if state.newest else ""
        rows.append(("values" if state.tabled else "facts", f"{state.facts:,}{newest}"))
    rows += [(name, foreign(said, 160)) for name, said in (("table", state.table), ("sql", state.statement)) if said]
    if state.verdict or state.standing:
        kind = "good" if state.standing == "stable, verified" else "warn"
        said = f"<strong>{foreign(state.verdict, 160)}</strong> · " if state.verdict else ""
        rows.append(("verdict", f"{said}{tagged('span', text(state.standing), kind=kind)}"))
    if state.answer_text and state.phase in ("write", "fuse"):
        rows.append(("answer", foreign(state.answer_text[-200:], 200)))
    if state.usage.calls:
        rows.append(("spent", line(state.spending, 200)))
    if state.failed:
        rows.append(("failed", tagged("span", text(f"{count(state.failed, 'shard')} could not be read"), kind="bad")))
    return card(head, shown, figures([*rows, *notices(state.notices)]), label="Run under way")
