"""How a run looks while it goes on: a live view on a terminal, a few plain lines elsewhere, nothing when asked to be quiet.

Everything goes to stderr; the result alone goes to stdout.
"""

from __future__ import annotations

import os
import sys
import time
from collections.abc import Callable, Iterator
from types import TracebackType
from typing import TYPE_CHECKING, Any, Protocol, Self, TextIO

from extagents.cli.output import console, count, is_terminal, one_line, share, tokens
from extagents.progress import RunState as RunState

if TYPE_CHECKING:
    from rich.console import Console, ConsoleOptions, RenderableType, RenderResult
    from rich.table import Table
    from rich.text import Text

    from extagents.budget import Budget
    from extagents.events import Event

GRACE = 1.0  # seconds


class View(Protocol):
    """Something that shows a run."""

    state: RunState
    told: list[str]
    """The notices that stand on stderr already."""

    def __enter__(self) -> Self: ...
    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None: ...
    def show(self, event: Event) -> None: ...
    def stopping(self) -> None:
        """The user asked to stop. Called from a signal handler: it must not take locks."""
        ...


class Silence:
    """Shows nothing."""

    def __init__(self, budget: Budget) -> None:
        self.state = RunState(budget)
        self.told: list[str] = []

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        return None

    def show(self, event: Event) -> None:
        self.state.take(event)

    def stopping(self) -> None:
        self.state.stopping = True


class Lines(Silence):
    """Plain lines: one a phase, and between them at most one every `every` seconds; none in the first second.

    So a question that is answered, or refused, at once says nothing but that.
    """

    def __init__(
        self, budget: Budget, stream: TextIO, *, every: float = 2.0, clock: Callable[[], float] = time.monotonic
    ) -> None:
        super().__init__(budget)
        self._stream = stream
        self._every = every
        self._clock = clock
        self._from = clock() + GRACE
        self._last = float("-inf")
        self._title = ""

    def show(self, event: Event) -> None:
        self.state.take(event)
        if event.type == "notice":
            self.told.append(event.message)
            self._write(f"notice: {one_line(event.message, 2_000)}")
        elif event.type in ("answer", "context") or self.state.phase == "done" or self._clock() < self._from:
            return
        elif self.state.phase != self._title or self._clock() - self._last >= self._every:
            self._title, self._last = self.state.phase, self._clock()
            self._write(self._line())

    def stopping(self) -> None:
        super().stopping()
        line = "stopping: the best answer from what was read follows; once more ends at once\n"
        # A handler may have interrupted a write to the same stream, which refuses to be entered twice.
        os.write(self._stream.fileno(), line.encode())

    def _line(self) -> str:
        state = self.state
        parts = [state.title]
        if state.shards:
            parts.append(f"{state.read:,} of {state.shards:,} shards ({share(state.read, state.shards)})")
            parts.append(state.found)
            parts.append(state.spending)
        parts.append(state.time)
        return " · ".join(parts)

    def _write(self, line: str) -> None:
        self._stream.write(line + "\n")
        self._stream.flush()


class Panel:
    """The live view itself, drawn from the state: rich asks for it a few times a second."""

    def __init__(self, state: RunState) -> None:
        self.state = state

    def __rich_console__(self, out: Console, options: ConsoleOptions) -> RenderResult:
        from rich.constrain import Constrain

        # A terminal echoes ^C at the end of the last line: room for it, or the line wraps and the view leaves a trace.
        width = max(20, options.max_width - 3)
        for part in self._parts(width, options.ascii_only):
            yield Constrain(part, width)

    def _parts(self, width: int, ascii_only: bool) -> Iterator[RenderableType]:
        from rich.progress_bar import ProgressBar
        from rich.spinner import Spinner
        from rich.table import Table

        state = self.state
        head = Table.grid(expand=True, padding=(0, 1))
        head.add_column(ratio=1, no_wrap=True, overflow="ellipsis")
        head.add_column(justify="right", no_wrap=True)
        if not hasattr(self, "_spinner"):
            self._spinner = Spinner("line" if ascii_only else "dots", style="cyan")
        self._spinner.text = _styled(state.title, "bold yellow" if state.stopping else "bold")
        head.add_row(self._spinner, _styled(state.time, "dim"))
        yield head
        if state.shards:
            counts = f"{state.read:,} of {state.shards:,} shards · {share(state.read, state.shards)}"
            if width >= 87:
                counts += f" · {tokens(state.tokens_read)} of {tokens(state.tokens)} tokens read"
            bar = Table.grid(expand=True, padding=(0, 1))
            bar.add_column(ratio=1)
            bar.add_column(no_wrap=True)
            bar.add_row(
                ProgressBar(total=state.shards, completed=state.read, complete_style="cyan", finished_style="green"), counts
            )
            yield bar
        yield self._rows(width)

    def _rows(self, width: int) -> Table:
        from rich.table import Table

        state = self.state
        room = max(10, width - 10)
        rows = Table.grid(padding=(0, 2))
        rows.add_column(style="dim", no_wrap=True, width=8)
        rows.add_column(no_wrap=True, overflow="ellipsis")
        if state.shards:
            found = f"{state.facts:,}"
            if state.newest:
                found += f" · {state.newest}"
            rows.add_row("values" if state.tabled else "facts", one_line(found, room))
        if state.table:
            rows.add_row("table", one_line(state.table, room))
        if state.statement:
            rows.add_row("sql", one_line(state.statement, room))
        if state.verdict or state.standing:
            said = one_line(state.verdict, max(10, room - len(state.standing) - 3)) if state.verdict else ""
            style = "green" if state.standing == "stable, verified" else "yellow"
            line = _styled(said, "bold")
            line.append(f"{' · ' if said else ''}{state.standing}", style=style if said else "dim")
            rows.add_row("verdict", line)
        if state.answer_text:
            rows.add_row("answer", one_line(state.answer_text[-room:], room))
        if state.usage.calls:
            lanes = f" · {state.lanes} at a time" if state.lanes and width >= 77 else ""
            rows.add_row("spent", one_line(state.spending + lanes, room))
        if state.failed:
            rows.add_row("failed", _styled(f"{count(state.failed, 'shard')} could not be read", "yellow"))
        if state.stopping:
            rows.add_row("", _styled(one_line("the best answer so far follows; once more ends at once", room), "yellow"))
        return rows


class LiveView(Silence):
    """The live view on a terminal; it vanishes when the run ends and leaves the screen to the answer."""

    def __init__(self, budget: Budget, out: Console) -> None:
        super().__init__(budget)
        from rich.live import Live

        self._out = out
        self._live = Live(Panel(self.state), console=out, transient=True, refresh_per_second=8)

    def __enter__(self) -> Self:
        self._live.start()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self._live.stop()
        if error is not None:
            # There will be no answer to carry them.
            for notice in self.state.notices:
                self._out.print(f"notice: {one_line(notice, 2_000)}", markup=False)


def view_for(budget: Budget, *, quiet: bool, stream: TextIO | None = None) -> View:
    """The view that fits: silence if quiet, live on a terminal that can move its cursor, else plain lines."""
    stream = sys.stderr if stream is None else stream
    if quiet:
        return Silence(budget)
    if is_terminal(stream):
        out = console(stream)
        if out.is_terminal and not out.is_dumb_terminal:
            return LiveView(budget, out)
    return Lines(budget, stream)


def _styled(text: str, style: str) -> Text:
    from rich.text import Text

    return Text(text, style=style, no_wrap=True, overflow="ellipsis")


def events_into(view: View, events: Any) -> Any:
    """Shows every event and returns the answer, or the context, that the last one carries."""
    answer: Any = None
    for event in events:
        view.show(event)
        if event.type == "answer":
            answer = event.answer
        elif event.type == "context":
            answer = event.context
    return answer
