"""Reading the input with something to look at, for the commands that need a corpus and no run."""

from __future__ import annotations

import sys
from collections.abc import Iterator, Sequence
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


def load(paths: Sequence[str], *, quiet: bool) -> Corpus:
    """The corpus at the paths. What could not be read is said on stderr, one line a file."""
    from extagents.corpus.corpus import Corpus

    with waiting("Reading the input …", quiet=quiet):
        corpus = Corpus.load(list(paths))
    if not quiet:
        for notice in corpus.notices:
            sys.stderr.write(f"notice: {one_line(notice, 2_000)}\n")
        for unreadable in corpus.unreadable:
            sys.stderr.write(f"notice: {one_line(f'{unreadable.path} was left out: {unreadable.reason}', 2_000)}\n")
    return corpus
