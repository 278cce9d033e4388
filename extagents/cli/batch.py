"""`extagents batch`: a file of questions, answered into a file, a line a question; started again it goes on."""

from __future__ import annotations

import argparse
import hashlib
import sys
import time
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Any, Protocol, Self

from extagents.cli.ask import stoppable
from extagents.cli.options import coordinator_of
from extagents.cli.output import console, count, duration, is_terminal, label, money, one_line, print_json, safe, share, tokens
from extagents.errors import InputError, SettingsError

if TYPE_CHECKING:
    from extagents.budget import Budget
    from extagents.types import BatchProgress, BatchSummary

_CEILINGS = {"max_tokens": "tokens", "max_cost": "cost", "max_calls": "calls", "deadline": "seconds"}
_OF_EACH = {
    "question_tokens": "max_tokens",
    "question_cost": "max_cost",
    "question_calls": "max_calls",
    "question_seconds": "deadline",
}
EVERY = 30.0  # seconds between two lines of progress where stderr is no terminal


def run(options: argparse.Namespace) -> int:
    """Exit status 0 every question has its line, 4 stopped before that; errors are raised."""
    from extagents.answers_file import AnswersFile, missing
    from extagents.cli.main import DONE, STOPPED
    from extagents.questions import read_questions
    from extagents.types import BatchProgress, BatchSummary

    asked = read_questions(Path(options.questions))
    over = options.over or None
    if over is None and any(question.over is None and question.problem is None for question in asked):
        raise InputError("There is nothing to read.", hint='Give --over PATH, or an "over" to every question.')
    out = Path(options.out)
    if out.resolve() == Path(options.questions).resolve():
        raise InputError("The answers would overwrite the questions.", hint="Name another file with --out.")
    per_read = _per_read(options.questions_per_read)
    name = options.run or f"batch-{hashlib.blake2b(str(out.resolve()).encode('utf-8', 'replace'), digest_size=6).hexdigest()}"
    summary: BatchSummary | None = None
    with AnswersFile(out) as answers, coordinator_of(_each(options)) as team:
        left = missing(asked, answers.done)
        before = len(asked) - len(left)
        quiet = options.quiet or (options.json and not is_terminal(sys.stderr))
        view: View = Silence() if quiet else Bar(len(left)) if is_terminal(sys.stderr) else Lines()
        if not left:
            summary = BatchSummary(run=name, questions=0)
        else:
            with view, stoppable(team, view):
                for event in team.batch_events(left, over, _budget(options), per_read, name):
                    if isinstance(event, BatchProgress):
                        view.show(event)
                    elif isinstance(event, BatchSummary):
                        summary = event
                    else:
                        question, answer, done = event
                        if done:
                            answers.put(question.id, answer)
                        if answer.error is not None:
                            view.say(f"failed: {label(question.id)}: {one_line(str(answer.error['message']), 200)}")
    assert summary is not None
    summary = summary.model_copy(update={"questions": len(asked), "before": before})
    if options.json:
        print_json(summary.model_dump(mode="json"))
    if not quiet:
        for line in told(summary, out if out.exists() else None):
            sys.stderr.write(safe(line) + "\n")
    return STOPPED if summary.not_done or summary.stopped_by is not None else DONE


def told(summary: BatchSummary, out: Path | None) -> list[str]:
    """How the batch went, in a few lines."""
    kinds = (
        ("before", "done before"), ("answered", "answered"), ("unanswered", "not answered by the input"),
        ("partial", "partial"), ("failed", "failed"), ("not_done", "not done"),
    )  # fmt: skip
    counts = [f"{number:,} {name}" for field, name in kinds if (number := getattr(summary, field))]
    usage = summary.usage
    spent = [count(usage.calls, "call"), f"{tokens(usage.input_tokens + usage.output_tokens)} tokens"]
    if usage.cached_tokens:
        spent.append(f"{share(usage.cached_tokens, usage.input_tokens)} of the input from the server's cache")
    spent += [money(usage.cost), duration(summary.seconds)]
    lines = [
        f"{count(summary.questions, 'question')}: {', '.join(counts) or 'nothing to do'}",
        *([" · ".join(spent)] if usage.calls else []),
        *([f"written: {out}"] if out is not None else []),
    ]
    if summary.not_done or summary.partial or summary.failed:
        why = {"budget": "the budget ended", "deadline": "the time was up", "cancelled": "it was told to stop", None: ""}
        reason = why[summary.stopped_by]
        lines.append(
            f"Start the same command again to go on{f' ({reason})' if reason else ''}; what was answered is not asked twice."
        )
    return lines


def _budget(options: argparse.Namespace) -> Budget:
    """The ceilings of the whole batch."""
    from extagents.budget import Budget

    return Budget(**{field: value for name, field in _CEILINGS.items() if (value := getattr(options, name, None)) is not None})


def _each(options: argparse.Namespace) -> argparse.Namespace:
    """The options as those of one question: with its own ceilings."""
    each: dict[str, Any] = {field: getattr(options, name, None) for name, field in _OF_EACH.items()}
    return argparse.Namespace(**{**vars(options), **each})


def _per_read(text: str) -> Any:
    if text == "auto":
        return text
    if not text.isdecimal():
        raise SettingsError(f"--questions-per-read: {text!r} is neither a number nor auto.", hint="Give 1, 2, … or auto.")
    return int(text)


# ------------------------------------------------------------------ how it looks while it goes on


class View(Protocol):
    """Something that shows a batch."""

    def __enter__(self) -> Self: ...
    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None: ...
    def show(self, progress: BatchProgress) -> None: ...
    def say(self, line: str) -> None: ...
    def stopping(self) -> None: ...


class Silence:
    """Shows nothing."""

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        return None

    def show(self, progress: BatchProgress) -> None:
        """Nothing."""

    def say(self, line: str) -> None:
        """Nothing."""

    def stopping(self) -> None:
        """Nothing."""


class Lines(Silence):
    """A line now and then, for a log."""

    def __init__(self) -> None:
        self._last = time.monotonic()

    def show(self, progress: BatchProgress) -> None:
        if time.monotonic() - self._last >= EVERY:
            self._last = time.monotonic()
            sys.stderr.write(state_of(progress) + "\n")

    def say(self, line: str) -> None:
        sys.stderr.write(line + "\n")

    def stopping(self) -> None:
        sys.stderr.write("Stopping; calls under way may finish.\n")


class Bar(Silence):
    """A bar on a terminal, with the time that is left."""

    def __init__(self, questions: int) -> None:
        from rich.progress import BarColumn, Progress, TextColumn

        self._progress = Progress(
            TextColumn("[bold]{task.completed:,.0f}/{task.total:,.0f}"),
            BarColumn(None),
            TextColumn("{task.fields[told]}", style="dim"),
            console=console(sys.stderr),
            transient=True,
        )
        self._task = self._progress.add_task("", total=questions, told="loading")
        self._stopping = False

    def __enter__(self) -> Self:
        self._progress.start()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self._progress.stop()

    def show(self, progress: BatchProgress) -> None:
        state = "stopping · " if self._stopping else ""
        self._progress.update(self._task, completed=progress.done, told=state + state_of(progress, short=True))

    def say(self, line: str) -> None:
        self._progress.console.print(line, style="yellow", markup=False)

    def stopping(self) -> None:
        self._stopping = True  # seen at the next report: a signal handler takes no locks


def state_of(progress: BatchProgress, *, short: bool = False) -> str:
    """Where the batch stands, on one line."""
    parts = [] if short else [f"{progress.done:,} of {count(progress.questions, 'question')}"]
    parts += [f"{progress.answered:,} answered"]
    parts += [f"{number:,} {name}" for name, number in (("partial", progress.partial), ("failed", progress.failed)) if number]
    parts += [f"{progress.reads:,} shards read", f"{tokens(progress.usage.input_tokens + progress.usage.output_tokens)} tokens"]
    if progress.usage.cost:
        parts.append(money(progress.usage.cost))
    if progress.seconds_left is not None:
        parts.append(f"about {duration(progress.seconds_left)} left")
    return " · ".join(parts)
