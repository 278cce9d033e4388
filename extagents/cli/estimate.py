"""`extagents estimate`: what a question would cost, before anything is spent."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

from extagents.cli.loading import waiting
from extagents.cli.options import coordinator_of, question_of
from extagents.cli.output import console, is_terminal, money, print_json, safe, write

if TYPE_CHECKING:
    import argparse

    from extagents.types import Estimate


def run(options: argparse.Namespace) -> int:
    """Exit status 0."""
    question = question_of(options.question)
    with coordinator_of(options) as team:
        with waiting("Reading the input …", quiet=options.quiet):
            estimate = team.estimate(question, options.over)
    if options.json:
        print_json(estimate.model_dump(mode="json"))
    elif is_terminal(sys.stdout):
        _show(estimate)
    else:
        write("\n".join("\t".join(row) for row in [("", "lowest", "highest"), *rows(estimate)]) + "\n")
    return 0


def rows(estimate: Estimate) -> list[tuple[str, str, str]]:
    """What is counted, its lowest and its highest value."""
    ranges = {"calls": estimate.calls, "input tokens": estimate.input_tokens, "output tokens": estimate.output_tokens}
    listed = [(name, f"{low:,}", f"{high:,}") for name, (low, high) in ranges.items()]
    low, high = estimate.cost if estimate.cost is not None else (None, None)
    return [*listed, ("cost", money(low), money(high))]


def _show(estimate: Estimate) -> None:
    from rich.box import SIMPLE_HEAD
    from rich.table import Table
    from rich.text import Text

    out = console(sys.stdout)
    table = Table(box=SIMPLE_HEAD, show_edge=False, pad_edge=False)
    table.add_column("")
    table.add_column("lowest", justify="right")
    table.add_column("highest", justify="right", style="bold")
    for row in rows(estimate):
        table.add_row(*row)
    out.print(table)
    read = f"{estimate.tokens:,} tokens in {estimate.shards:,} shards ({safe(estimate.packing)})"
    out.print(Text(f"\n{read} · model {safe(estimate.model)}", style="dim"))
