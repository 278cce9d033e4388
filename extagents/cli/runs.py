"""`extagents runs`: what the memory holds."""

from __future__ import annotations

import sys
from collections import Counter
from datetime import datetime
from typing import TYPE_CHECKING, Any

from extagents.cli import ask, compress, survey
from extagents.cli.answer_view import page, print_answer
from extagents.cli.live import events_into, view_for
from extagents.cli.options import coordinator_of
from extagents.cli.output import console, indented, is_terminal, label, one_line, print_json, write
from extagents.errors import InputError, UsageError
from extagents.wording import kept as compressed_to

if TYPE_CHECKING:
    import argparse

    from extagents.coordinator import Coordinator
    from extagents.memory.base import RunRecord


def run(options: argparse.Namespace) -> int:
    """Exit status 0, of `resume` that of the command which began the run; a run that is not there is a `UsageError`."""
    with coordinator_of(options) as team:
        if options.action == "resume":
            return _resume(team, options)
        if options.action == "list":
            # A batch is one line; its questions' runs are found by their names in its answers.
            return _list([record for record in team.runs() if "batch" not in record.manifest.request], options)
        if options.action == "forget":
            if not team.forget(options.run):
                raise _unknown(options.run)
            if options.json:
                print_json({"forgotten": options.run})
            elif not options.quiet:
                sys.stderr.write(f"Forgotten: {label(options.run)}\n")
            return 0
        return _show(team, options)


def _resume(team: Coordinator, options: argparse.Namespace) -> int:
    from extagents.types import Compressed

    record = team.run(options.run)
    if record is None:
        raise _unknown(options.run)
    if record.manifest.request.get("goal") == "batch":
        hint = "Start `extagents batch` again with the same --out and --memory: it goes on where it stopped."
        raise UsageError(f"{options.run!r} is a batch.", hint=hint)
    quiet = options.quiet or (options.json and not is_terminal(sys.stderr))
    view = view_for(team.settings.budget, quiet=quiet)
    with view, ask.stoppable(team, view):
        result = events_into(view, team.stream_resume(options.run, options.over))
    if isinstance(result, Compressed):
        compress.print_context(result, as_json=options.json, quiet=options.quiet, told=view.told)
        return compress.status_of(result)
    if record.manifest.request.get("words") is not None and not options.json:
        survey.print_text(result, quiet=options.quiet, told=view.told)
    else:
        print_answer(result, as_json=options.json, quiet=options.quiet, told=view.told)
    return ask.status_of(result)


def _unknown(run: str) -> InputError:
    return InputError(
        f"The memory holds no run named {run!r}.", hint="See: extagents runs list, with the same --memory and --tenant."
    )


def standing(record: RunRecord) -> str:
    """How a run stands: its status, or `interrupted` where it says running and nobody works on it."""
    from extagents.memory.lease import live

    return "interrupted" if record.status == "running" and not live(record.lease) else record.status


def summary(record: RunRecord) -> dict[str, Any]:
    """A run in a few words, as `runs list --json` gives it. Times are seconds since 1970."""
    return {
        "run": record.manifest.run,
        "status": standing(record),
        "question": record.manifest.question,
        "model": record.manifest.model,
        "created": record.manifest.created,
        "updated": record.updated,
        "reports": record.reports,
    }


def _when(moment: float) -> str:
    return datetime.fromtimestamp(moment).strftime("%Y-%m-%d %H:%M")


def _list(records: list[RunRecord], options: argparse.Namespace) -> int:
    if options.json:
        print_json({"runs": [summary(record) for record in records]})
        return 0
    if not records:
        if not options.quiet:
            sys.stderr.write("The memory holds no runs.\n")
        return 0
    if not is_terminal(sys.stdout):
        for record in records:
            head = f"{label(record.manifest.run)}\t{standing(record)}\t{_when(record.updated)}"
            write(f"{head}\t{one_line(record.manifest.question, 500)}\n")
        return 0
    from rich.box import SIMPLE_HEAD
    from rich.table import Table

    colours = {"done": "green", "partial": "yellow", "failed": "red", "running": "cyan", "interrupted": "yellow"}
    table = Table(box=SIMPLE_HEAD, show_edge=False, pad_edge=False)
    for column in ("run", "status", "updated", "question"):
        table.add_column(column, no_wrap=column != "question")
    for record in records:
        status = f"[{colours[standing(record)]}]{standing(record)}[/]"
        question = one_line(record.manifest.question, 200).replace("[", "\\[")
        table.add_row(label(record.manifest.run).replace("[", "\\["), status, _when(record.updated), question)
    console(sys.stdout).print(table)
    return 0


def _show(team: Coordinator, options: argparse.Namespace) -> int:
    record = team.run(options.run)
    if record is None:
        raise _unknown(options.run)
    reports = team.reports(options.run)
    rounds = [
        {
            "round": number,
            "shards": shards,
            "failed": sum(report.round == number and report.failure is not None for report in reports),
            "facts": sum(len(finding.facts) for report in reports if report.round == number for finding in report.findings),
        }
        for number, shards in sorted(Counter(report.round for report in reports).items())
    ]
    if options.json:
        print_json(
            {
                **summary(record),
                "packing": record.manifest.packing,
                "settings": record.manifest.settings,
                "state": record.state,
                "spent": record.spent.model_dump(),
                "rounds": rounds,
                "answer": record.answer,
            }
        )
        return 0
    from extagents.types import Answer, Compressed

    compressing = record.state.get("goal") == "compress"
    answer = Answer.model_validate(record.answer) if record.answer is not None and not compressing else None
    lines = [
        f"run       {label(record.manifest.run)} · {standing(record)} · {_when(record.updated)}",
        f"question  {one_line(record.manifest.question, 500)}",
        *(f"round {row['round']}   {row['shards']} shards · {row['facts']} facts · {row['failed']} failed" for row in rounds),
    ]
    write("\n".join(lines) + "\n")
    if compressing and record.answer is not None:
        context = Compressed.model_validate(record.answer)
        write(f"context   {compressed_to(context)}\n")
        for span in context.spans:
            write(f"span      {label(span.document)}:{span.start}-{span.end}\n")
    elif answer is None:
        write(f"{'context ' if compressing else 'answer  '}  none yet\n")
    elif is_terminal(sys.stdout):
        out = console(sys.stdout)
        out.print(page(answer, out.width))
    else:
        said = indented(answer.answer) if answer.answered else "none: nothing in the input answers it"
        write(f"answer    {said}\n")
        for citation in answer.citations:
            where = f"{label(citation.document)}:{citation.start}-{citation.end}"
            write(f"citation  {where}\t{one_line(citation.quote, 500)}\n")
    return 0
