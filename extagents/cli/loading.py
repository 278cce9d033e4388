"""Reading the input with something to look at, for the commands that need a corpus and no run."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING

from extagents.cli.output import console, is_terminal, one_line

if TYPE_CHECKING:
    from extagents.corpus.corpus import Corpus


@contextmanager
def waiting(text: str, *, quiet: bool) -> Iterator[None]:
    """A spinner on a terminal while the block runs; elsewhere nothing."""
    if quiet or not is_terminal(sys.stderr):
        yield
        return
    with console(sys.stderr).status(text, spinner_style="cyan"):
        yield


@contextmanager
def counting(text: str, *, quiet: bool) -> Iterator[Callable[[int, int], None]]:
    """A bar on a terminal while files are read, given (files done, files in all); elsewhere nothing."""
    if quiet or not is_terminal(sys.stderr):
        yield lambda done, total: None
        return
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    with Progress(*columns, console=console(sys.stderr), transient=True) as bar:
        task = bar.add_task(text, total=None)
        yield lambda done, total: bar.update(task, completed=done, total=total)


def load(paths: Sequence[str], *, quiet: bool) -> Corpus:
    """The corpus at the paths. What could not be read is said on stderr, one line a file."""
    from extagents.corpus.corpus import Corpus

    with counting("Reading the input …", quiet=quiet) as on_progress:
        corpus = Corpus.load(list(paths), on_progress=on_progress)
    if not quiet:
        for notice in corpus.notices:
            sys.stderr.write(f"notice: {one_line(notice, 2_000)}\n")
        for unreadable in corpus.unreadable:
            sys.stderr.write(f"notice: {one_line(f'{unreadable.path} was left out: {unreadable.reason}', 2_000)}\n")
    return corpus
