"""`extagents compress`: the input's own words that matter to a question, as context for somebody else's model."""

from __future__ import annotations

import sys
from collections.abc import Collection
from typing import TYPE_CHECKING

from extagents.cli.answer_view import ENDS, covered, spent
from extagents.cli.ask import stoppable
from extagents.cli.live import events_into, view_for
from extagents.cli.options import coordinator_of, question_of
from extagents.cli.output import count, duration, is_terminal, one_line, print_json, safe, write
from extagents.errors import UsageError
from extagents.wording import kept as summary

if TYPE_CHECKING:
    import argparse

    from extagents.types import Compressed


def run(options: argparse.Namespace) -> int:
    """Exit status 0 something was found, 3 nothing was, 4 stopped before it was done; errors are raised."""
    question = question_of(options.question)
    if options.resume and not options.run:
        raise UsageError("--resume goes on with a run that has a name.", hint="Name it: --run NAME --resume")
    with coordinator_of(options) as team:
        # A program that reads the JSON gets the notices in it, and one line on stderr if it fails.
        quiet = options.quiet or (options.json and not is_terminal(sys.stderr))
        view = view_for(team.settings.budget, quiet=quiet)
        happening = team.stream_compress(
            question,
            options.over,
            tokens=options.tokens,
            granularity=options.granularity,
            run=options.run,
            resume=options.resume,
        )
        with view, stoppable(team, view):
            context: Compressed = events_into(view, happening)
        print_context(context, as_json=options.json, quiet=options.quiet, told=view.told)
    return status_of(context)


def status_of(context: Compressed) -> int:
    """The exit status that a result means."""
    from extagents.cli.main import DONE, NOTHING_FOUND, STOPPED

    if context.stopped_by is not None:
        return STOPPED
    return DONE if context.text else NOTHING_FOUND


def print_context(context: Compressed, *, as_json: bool, quiet: bool, told: Collection[str] = ()) -> None:
    """The text alone on stdout, or one JSON object; on stderr how it came about, but for notices that were `told` already."""
    if as_json:
        print_json(context.model_dump(mode="json"))
        return
    if context.text:
        # A terminal is kept from control characters of documents; a pipe gets every character as it is.
        write((safe(context.text) if is_terminal(sys.stdout) else context.text) + "\n")
    if not quiet:
        for line in remarks(context, told):
            sys.stderr.write(line + "\n")


def remarks(context: Compressed, told: Collection[str] = ()) -> list[str]:
    """What stderr says beside the text: how much is kept, how it ended, what was read, and every notice."""
    lines = [f"kept: {summary(context)}"] if context.text else []
    if context.stopped_by:
        lines.append(f"partial: {ENDS[context.stopped_by]}")
    if context.coverage.failed:
        lines.append(f"failed: {count(context.coverage.failed, 'shard')} could not be read")
    lines.append(f"read: {covered(context)} · {spent(context)} · {duration(context.seconds)}")
    lines.extend(f"notice: {one_line(notice, 2_000)}" for notice in context.notices if notice not in told)
    return lines
