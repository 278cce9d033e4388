"""`extagents runs`: what the memory holds."""

from __future__ import annotations

import sys
from collections import Counter
from datetime import datetime
from typing import TYPE_CHECKING, Any

from extagents.cli import ask, compress, survey, table
from extagents.cli.answer_view import page, print_answer
from extagents.cli.live import events_into, view_for
from extagents.cli.options import coordinator_of
from extagents.cli.output import console, indented, is_terminal, label, one_line, print_json, write
from extagents.errors import InputError, UsageError
from extagents.wording import columns, computed, gaps, size, value
from extagents.wording import kept as compressed_to

if TYPE_CHECKING:
    import argparse

    from extagents.coordinator import Coordinator
    from extagents.memory.base import RunRecord
    from extagents.tabular import Table

MOST_ROWS = 100  # of a table, where somebody looks


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
    if record.manifest.request.get("goal") == "table" and not options.json:
        table.print_table(result, out=None, sources=False, quiet=options.quiet, told=view.told)
        return table.status_of(result)
    if record.manifest.request.get("words") is not None and not options.json:
        survey.print_text(result, quiet=options.quiet, told=view.told)
    else:
        print_answer(result, as_json=options.json, quiet=options.quiet, told=view.told)
    return table.status_of(result) if record.manifest.request.get("goal") == "table" else ask.status_of(result)


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
    if options.table:
        return _show_table(record, options)
    reports = team.reports(options.run)
    rounds = [
        {
            "round": number,
            "shards": shards,
            "failed": sum(report.round == number and report.failure is not None for report in reports),
            "facts": sum(len(finding.facts) for report in reports if report.round == number for finding in report.findings),
            "values": sum(
                len(row.cells)
                for report in reports
                if report.round == number
                for finding in report.findings
                for row in finding.rows
            ),
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
        *(_round(row) for row in rounds),
    ]
    write("\n".join(lines) + "\n")
    if compressing and record.answer is not None:
        context = Compressed.model_validate(record.answer)
        write(f"context   {compressed_to(context)}\n")
        for span in context.spans:
            write(f"span      {label(span.document)}:{span.start}-{span.end}\n")
    elif answer is None:
        write(f"{'context ' if compressing else 'answer  '}  none yet\n")
    elif record.state.get("goal") == "table" and not is_terminal(sys.stdout):
        given = table.rows_of(answer)
        write(f"table     {'nothing could be put into rows' if given is None else size(given)}\n")
    elif is_terminal(sys.stdout):
        out = console(sys.stdout)
        out.print(page(answer, out.width))
    else:
        said = indented(answer.answer) if answer.answered else "none: nothing in the input answers it"
        write(f"answer    {said}\n")
        if answer.table is not None:
            write("".join(f"{name:<9} {one_line(said, 2_000)}\n" for name, said in computed(answer.table)))
        for citation in answer.citations:
            where = f"{label(citation.document)}:{citation.start}-{citation.end}"
            write(f"citation  {where}\t{one_line(citation.quote, 500)}\n")
    return 0


def _round(row: dict[str, int]) -> str:
    found = f"{row['facts']} facts" if row["facts"] or not row["values"] else f"{row['values']} values"
    return f"round {row['round']}   {row['shards']} shards · {found} · {row['failed']} failed"


# ------------------------------------------------------------------ the table of a run


def _show_table(record: RunRecord, options: argparse.Namespace) -> int:
    """The rows that a run's answer was computed from, the statement, what it brought, and what the rows do not say."""
    found = _table_of(record)
    if options.json:
        print_json({**summary(record), "table": found.model_dump(mode="json")})
        return 0
    stands = f"{label(record.manifest.run)} · {standing(record)} · {_when(record.updated)}"
    write(f"run       {stands}\nquestion  {one_line(record.manifest.question, 500)}\n")
    for one in (found, *found.others):
        write(f"table     {one_line(f'{one.name}: {size(one)}: {columns(one)}', 2_000)}\n")
        head = ("name", *(column.name for column in one.columns))
        cells = ((row.name, *(value(row.values.get(column.name), column) for column in one.columns)) for row in one.rows)
        figures = frozenset(place for place, column in enumerate(one.columns, start=1) if column.type == "number")
        _write_rows("row", head, list(cells), figures)
        _write_pairs(gaps(one))
    if found.sql:
        _write_pairs([("sql", found.sql), *((name, said) for name, said in computed(found) if name == "check")])
        results = [tuple(value(cell) for cell in row) for row in found.result]
        figures = frozenset(place for row in found.result for place, cell in enumerate(row) if isinstance(cell, int | float))
        _write_rows("result", found.result_columns, results, figures)
    return 0


def _table_of(record: RunRecord) -> Table:
    """The table of a stored run's answer. Raises `InputError` where it has none."""
    from extagents.types import Answer

    run, goal = record.manifest.run, record.state.get("goal", "answer")
    if record.answer is None:
        raise InputError(f"The run {run!r} has no table yet.", hint=f"Go on with it: extagents runs resume {run}")
    answer = None if goal == "compress" else Answer.model_validate(record.answer)
    if answer is not None and answer.table is not None:
        return answer.table
    if goal == "table":
        raise InputError(
            f"The run {run!r} has no table: nothing could be put into rows.", hint="See why: extagents runs show RUN."
        )
    raise InputError(
        f"The run {run!r} has no table: it was answered by reading, not by computing.",
        hint='Have one made: extagents table "…" --over PATH',
    )


def _write_pairs(pairs: list[tuple[str, str]]) -> None:
    write("".join(f"{name:<9} {one_line(said, 10_000)}\n" for name, said in pairs))


def _write_rows(name: str, head: tuple[str, ...], rows: list[tuple[str, ...]], numbers: frozenset[int]) -> None:
    """Rows under their column names: a table on a terminal, else lines whose cells stand apart by tabs.

    `numbers` are the positions of columns of figures.
    """
    if not is_terminal(sys.stdout):
        lines = ("\t".join(label(cell) for cell in row) for row in (head, *rows))
        write("".join(f"{name:<9} {line}\n" for line in lines))
        return
    from rich.box import SIMPLE_HEAD
    from rich.table import Table as Drawn
    from rich.text import Text

    drawn = Drawn(box=SIMPLE_HEAD, show_edge=False, pad_edge=False)
    for place, column in enumerate(head):
        drawn.add_column(Text(one_line(column, 60)), justify="right" if place in numbers else "left")
    for row in rows[:MOST_ROWS]:
        drawn.add_row(*(Text(one_line(cell, 200)) for cell in row))
    console(sys.stdout).print(drawn)
    if len(rows) > MOST_ROWS:
        write(f"and {len(rows) - MOST_ROWS:,} more; --json has them all\n")
