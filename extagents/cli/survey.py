"""`extagents survey`: a long text on a topic, with citations in every sentence and a list of references."""

from __future__ import annotations

import sys
from collections.abc import Collection
from typing import TYPE_CHECKING

from extagents.cli.answer_view import remarks
from extagents.cli.ask import status_of, stoppable
from extagents.cli.live import events_into, view_for
from extagents.cli.options import coordinator_of, question_of
from extagents.cli.output import count, is_terminal, label, print_json, safe, write
from extagents.cli.target import save, writable
from extagents.errors import UsageError

if TYPE_CHECKING:
    import argparse

    from extagents.types import Answer


def run(options: argparse.Namespace) -> int:
    """Exit status 0 written, 3 nothing in the input is about it, 4 stopped before it was done; errors are raised."""
    topic = question_of(options.topic)
    if options.resume and not options.run:
        raise UsageError("--resume goes on with a run that has a name.", hint="Name it: --run NAME --resume")
    target = None if options.out is None else writable(options.out, example="--out FILE.md")
    with coordinator_of(options) as team:
        quiet = options.quiet or (options.json and not is_terminal(sys.stderr))
        view = view_for(team.settings.budget, quiet=quiet)
        with view, stoppable(team, view):
            happening = team.stream(topic, options.over, run=options.run, resume=options.resume, words=options.words)
            answer: Answer = events_into(view, happening)
        if target is not None and answer.markdown:
            hint = f"The text is kept: extagents runs show {answer.run_id}"
            save(target, answer.markdown.encode("utf-8", "replace"), answer=answer, hint=hint)
        _print(answer, options, written=target is not None, told=view.told)
    return status_of(answer)


def _print(answer: Answer, options: argparse.Namespace, *, written: bool, told: list[str]) -> None:
    """The Markdown on stdout unless a file has it, or one JSON object; the remarks on stderr."""
    if options.json:
        print_json(answer.model_dump(mode="json"))
    else:
        print_text(answer, out=options.out if written else None, quiet=options.quiet, told=told)


def print_text(answer: Answer, *, out: str | None = None, quiet: bool, told: Collection[str]) -> None:
    """The Markdown on stdout unless the file `out` has it; the remarks on stderr, but for notices that were `told`."""
    if answer.markdown and out is None:
        write(safe(answer.markdown) if is_terminal(sys.stdout) else answer.markdown)
    if quiet:
        return
    if answer.markdown and out is not None:
        sys.stderr.write(f"written: {label(out)} · {count(len(answer.citations), 'reference')}\n")
    for line in remarks(answer, told):
        sys.stderr.write(line + "\n")
