"""`extagents ask`: one question, shown while it runs, answered on stdout."""

from __future__ import annotations

import os
import signal
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType
from typing import TYPE_CHECKING, Protocol

from extagents.cli.answer_view import print_answer
from extagents.cli.live import events_into, view_for
from extagents.cli.options import coordinator_of, question_of
from extagents.cli.output import is_terminal
from extagents.errors import UsageError

if TYPE_CHECKING:
    import argparse

    from extagents.coordinator import Coordinator
    from extagents.types import Answer


def run(options: argparse.Namespace) -> int:
    """Exit status 0 answered, 3 nothing answers it, 4 stopped before it was done; errors are raised."""
    question = question_of(options.question)
    if options.resume and not options.run:
        raise UsageError("--resume goes on with a run that has a name.", hint="Name it: --run NAME --resume")
    with coordinator_of(options) as team:
        # A program that reads the JSON gets the notices in it, and one line on stderr if it fails.
        quiet = options.quiet or (options.json and not is_terminal(sys.stderr))
        view = view_for(team.settings.budget, quiet=quiet)
        with view, stoppable(team, view):
            answer: Answer = events_into(view, team.stream(question, options.over, run=options.run, resume=options.resume))
        print_answer(answer, as_json=options.json, quiet=options.quiet, told=view.told)
    return status_of(answer)


def status_of(answer: Answer) -> int:
    """The exit status that an answer means."""
    from extagents.cli.main import DONE, NOTHING_FOUND, STOPPED

    if answer.stopped_by is not None:
        return STOPPED
    return DONE if answer.answered else NOTHING_FOUND


class Stopping(Protocol):
    """What is told that the user asked to stop, from a signal handler."""

    def stopping(self) -> None: ...


@contextmanager
def stoppable(team: Coordinator, view: Stopping) -> Iterator[None]:
    """Ctrl-C: the run ends with what it has; SIGTERM: so it does once the calls under way are in, within ten seconds.

    A second Ctrl-C ends the process at once, with status 130. What was posted is kept either way.
    """
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    asked = False

    def stop(number: int, frame: FrameType | None) -> None:
        nonlocal asked
        if asked and number == signal.SIGINT:
            # What was posted is in the memory already; nothing here is worth waiting for. The cursor is shown again.
            os.write(2, b"\x1b[?25h\n" if sys.stderr.isatty() else b"")
            os._exit(130)
        if not asked:
            asked = True
            view.stopping()
            if number == signal.SIGTERM:
                team.drain()
            else:
                team.interrupt()

    before = {number: signal.signal(number, stop) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
