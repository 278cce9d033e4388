"""How an answer looks: on a terminal with its citations, coverage and cost; elsewhere the bare answer alone."""

from __future__ import annotations

import sys
from collections.abc import Collection
from typing import TYPE_CHECKING

from extagents.cli.output import console, count, duration, is_terminal, label, one_line, print_json, safe, write
from extagents.wording import ENDS as ENDS
from extagents.wording import columns, computed, size
from extagents.wording import covered as covered
from extagents.wording import spent as spent
from extagents.wording import unanswered as unanswered

if TYPE_CHECKING:
    from rich.console import Group
    from rich.table import Table

    from extagents.types import Answer, Citation

MOST_CITATIONS = 8
MOST_SAID = 600  # characters of a statement, or of what was compared


def print_answer(answer: Answer, *, as_json: bool, quiet: bool, told: Collection[str] = ()) -> None:
    """The answer on stdout: one JSON object, or a page for a terminal, or the bare answer.

    Beside a bare answer stderr gets what else is to be said, but for the notices that were `told` already.
    """
    if as_json:
        print_json(answer.model_dump(mode="json"))
        return
    if is_terminal(sys.stdout) and not quiet:
        out = console(sys.stdout)
        out.print(page(answer, out.width))
        return
    if answer.answer:
        # A terminal is kept from control characters of documents; a pipe gets every character as it is.
        write((safe(answer.answer) if is_terminal(sys.stdout) else answer.answer) + "\n")
    if not quiet:
        for line in remarks(answer, told):
            sys.stderr.write(line + "\n")


def remarks(answer: Answer, told: Collection[str] = ()) -> list[str]:
    """What stderr says beside a bare answer: how it ended, what was read, and every notice."""
    lines = []
    if not answer.answered:
        lines.append(unanswered(answer))
    if answer.table is not None:
        lines.extend(f"{name}: {one_line(said, MOST_SAID)}" for name, said in computed(answer.table))
    if answer.stopped_by:
        lines.append(f"partial: {ENDS[answer.stopped_by]}")
    if answer.coverage.failed:
        lines.append(f"failed: {count(answer.coverage.failed, 'shard')} could not be read")
    lines.append(f"read: {covered(answer)} · {spent(answer)} · {duration(answer.seconds)}")
    lines.extend(f"notice: {one_line(notice, 2_000)}" for notice in answer.notices if notice not in told)
    return lines


def place(citation: Citation) -> str:
    """Document and page of a citation."""
    return label(citation.document) + (f", p. {citation.page}" if citation.page is not None else "")


def page(answer: Answer, width: int) -> Group:
    """The answer as a page for a terminal of `width` columns."""
    from rich.console import Group, RenderableType
    from rich.padding import Padding
    from rich.panel import Panel
    from rich.text import Text

    if answer.answered:
        colour = "green" if answer.confidence >= 0.7 else "yellow"
        body = Text(safe(answer.answer), style="bold")
        title = Text.assemble(("Answer", "bold"), "  ", (f"confidence {answer.confidence:.2f}", f"not bold {colour}"))
    else:
        colour = "yellow"
        body = Text(unanswered(answer))
        title = Text("No answer", style="bold")
        if answer.table is not None and not answer.table.sql:
            body, title = (
                Text(one_line(f"{size(answer.table)}: {columns(answer.table)}", MOST_SAID)),
                Text("Table", style="bold"),
            )
    parts: list[RenderableType] = [
        Panel(body, title=title, title_align="left", border_style=colour, padding=(0, 1), width=min(width, 100))
    ]
    if answer.citations:
        parts.append(Padding(_citations(answer, width), (0, 0, 1, 1)))
    parts.append(Padding(_facts(answer, width), (0, 0, 0, 1)))
    return Group(*parts)


def _citations(answer: Answer, width: int) -> Table:
    from rich.table import Table
    from rich.text import Text

    table = Table.grid(padding=(0, 2), expand=True)
    table.width = min(width, 100) - 2
    table.add_column(style="cyan", justify="right", no_wrap=True)
    wide = width >= 100
    if wide:
        table.add_column(max_width=36, overflow="fold")
    table.add_column(ratio=1, overflow="fold")
    for number, citation in enumerate(answer.citations[:MOST_CITATIONS], 1):
        quote = Text(f"“{one_line(citation.quote, 240)}”", style="italic")
        where = Text(place(citation), style="cyan")
        if wide:
            table.add_row(str(number), where, quote)
        else:
            table.add_row(str(number), Text.assemble(where, "\n", quote))
    more = len(answer.citations) - MOST_CITATIONS
    if more > 0:
        table.add_row("", Text(f"and {more} more; --json lists them all", style="dim"))
    return table


def _facts(answer: Answer, width: int) -> Table:
    from rich.progress_bar import ProgressBar
    from rich.table import Table
    from rich.text import Text

    table = Table.grid(padding=(0, 2))
    table.add_column(style="dim", no_wrap=True)
    table.add_column(max_width=min(width - 10, 90))
    coverage = answer.coverage
    if answer.table is not None:
        for name, said in computed(answer.table):
            table.add_row(name, Text(one_line(said, MOST_SAID)))
    if answer.stopped_by:
        table.add_row("partial", Text(ENDS[answer.stopped_by], style="yellow"))
    if coverage.shards:
        bar = ProgressBar(
            total=coverage.shards, completed=coverage.shards_read, width=16, complete_style="green", finished_style="green"
        )
        read = Table.grid(padding=(0, 1))
        if width >= 80:
            read.add_row(bar, Text(covered(answer)))
        else:
            read.add_row(Text(covered(answer)))
        table.add_row("read", read)
    if coverage.failed:
        table.add_row("failed", Text(f"{count(coverage.failed, 'shard')} could not be read", style="yellow"))
    table.add_row("spent", Text(f"{spent(answer)} · {duration(answer.seconds)}"))
    if answer.model:
        table.add_row("model", Text(label(answer.model)))
    if answer.run_id:
        table.add_row("run", Text(label(answer.run_id)))
    for notice in answer.notices:
        table.add_row(Text("notice", style="yellow"), Text(one_line(notice, 2_000)))
    return table
