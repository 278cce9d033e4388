"""`extagents table`: the rows that a question is computed from, as a file for other tools."""

from __future__ import annotations

import csv
import io
import json
import sys
from collections.abc import Collection
from pathlib import Path
from typing import TYPE_CHECKING

from extagents.cli.answer_view import ENDS, covered, spent
from extagents.cli.ask import stoppable
from extagents.cli.live import events_into, view_for
from extagents.cli.options import coordinator_of, question_of
from extagents.cli.output import count, duration, is_terminal, label, one_line, print_json, safe, write
from extagents.cli.target import save, writable
from extagents.errors import InputError, UsageError
from extagents.wording import columns, gaps, size

if TYPE_CHECKING:
    import argparse

    from extagents.tabular import Table
    from extagents.types import Answer

FORMS = {
    ".csv": "csv", ".tsv": "tsv", ".jsonl": "jsonl", ".ndjson": "jsonl", ".json": "json", ".parquet": "parquet",
}  # fmt: skip
EXAMPLE = "--out rows.csv"
MOST_LINE = 2_000  # characters of one remark


def run(options: argparse.Namespace) -> int:
    """Exit status 0 there are rows, 3 nothing could be put into rows, 4 stopped before it was done; errors are raised."""
    question = question_of(options.question)
    if options.resume and not options.run:
        raise UsageError("--resume goes on with a run that has a name.", hint="Name it: --run NAME --resume")
    form, target = (None, None) if options.out is None else _target(options.out, options.over)
    with coordinator_of(options) as team:
        # A program that reads the JSON gets the notices in it, and one line on stderr if it fails.
        quiet = options.quiet or (options.json and not is_terminal(sys.stderr))
        view = view_for(team.settings.budget, quiet=quiet)
        with view, stoppable(team, view):
            happening = team.stream_table(question, options.over, run=options.run, resume=options.resume)
            answer: Answer = events_into(view, happening)
    table = rows_of(answer)
    if table is not None and target is not None and form is not None:
        hint = f"The rows are kept: extagents runs show {answer.run_id} --table"
        save(target, encoded(table, form, sources=options.sources), answer=answer, hint=hint)
    if options.json:
        print_json(answer.model_dump(mode="json"))
    else:
        print_table(answer, out=options.out, sources=options.sources, quiet=options.quiet, told=view.told)
    return status_of(answer)


def rows_of(answer: Answer) -> Table | None:
    """The table that is given: the first that has rows."""
    tables = () if answer.table is None else (answer.table, *answer.table.others)
    return next((table for table in tables if len(table)), None)


def status_of(answer: Answer) -> int:
    """The exit status that a table means."""
    from extagents.cli.main import DONE, NOTHING_FOUND, STOPPED

    if answer.stopped_by is not None:
        return STOPPED
    return DONE if rows_of(answer) is not None else NOTHING_FOUND


def print_table(answer: Answer, *, out: str | None, sources: bool, quiet: bool, told: Collection[str] = ()) -> None:
    """The rows as CSV on stdout unless the file `out` has them; the remarks on stderr, but for notices that were `told`."""
    table = rows_of(answer)
    if table is not None and out is None:
        text = table.to_csv(sources=sources)
        # A terminal is kept from control characters of documents; a pipe gets every character as it is.
        write(safe(text) if is_terminal(sys.stdout) else text)
    if quiet:
        return
    for line in remarks(answer, told, out=out):
        sys.stderr.write(line + "\n")


def remarks(answer: Answer, told: Collection[str] = (), *, out: str | None = None) -> list[str]:
    """What stderr says beside the rows: how many, what differs or is missing, how it ended, what was read, every notice."""
    given = rows_of(answer)
    lines = []
    for table in () if answer.table is None else (answer.table, *answer.table.others):
        lines.append(f"table: {size(table)}: {columns(table)}")
        if table is not given and len(table):
            lines.append(f"note: its rows: extagents runs show {label(answer.run_id)} --table --json")
        lines += [f"{name}: {said}" for name, said in gaps(table)]
    if given is not None and out is not None:
        lines.append(f"written: {label(out)} · {count(len(given), 'row')}")
    if answer.stopped_by:
        lines.append(f"partial: {ENDS[answer.stopped_by]}")
    if answer.coverage.failed:
        lines.append(f"failed: {count(answer.coverage.failed, 'shard')} could not be read")
    lines.append(f"read: {covered(answer)} · {spent(answer)} · {duration(answer.seconds)}")
    lines += [f"notice: {notice}" for notice in answer.notices if notice not in told]
    return [one_line(line, MOST_LINE) for line in lines]


# ------------------------------------------------------------------ the file


def _target(out: str, over: Collection[str]) -> tuple[str | None, Path]:
    """The form of the file to write, and its place; both checked before anything is spent."""
    form = FORMS.get(Path(out).suffix.lower())
    if form is None and not Path(out).is_dir():
        raise InputError(
            f"{label(out)!r} does not say which form the table is to have.",
            hint=f"End its name in .csv, .tsv, .jsonl, .json or .parquet: {EXAMPLE}; without --out, CSV goes to stdout.",
        )
    target = writable(out, example=EXAMPLE, over=over)
    if form == "parquet":
        from extagents.questions import parquet_module

        parquet_module()
    return form, target


def encoded(table: Table, form: str, *, sources: bool = False) -> bytes:
    """The rows in one of the `FORMS`. Raises `SettingsError` for Parquet where pyarrow is not installed."""
    if form == "parquet":
        from extagents.questions import parquet_module
        from extagents.tables.export import to_arrow

        made = io.BytesIO()
        parquet_module().write_table(to_arrow(table, sources=sources), made)
        return made.getvalue()
    if form in ("csv", "tsv"):
        text = table.to_csv(sources=sources)
        if form == "tsv":
            tabbed = io.StringIO()
            csv.writer(tabbed, delimiter="\t", lineterminator="\n").writerows(csv.reader(io.StringIO(text, newline="")))
            text = tabbed.getvalue()
    else:
        records = table.records(sources=sources)
        text = (
            json.dumps(records, ensure_ascii=False, indent=1) + "\n"
            if form == "json"
            else "".join(json.dumps(record, ensure_ascii=False) + "\n" for record in records)
        )
    return text.encode("utf-8", "replace")
