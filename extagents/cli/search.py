"""`extagents search`: evidence from the index alone, without a model."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from extagents.cli.loading import load
from extagents.cli.options import question_of
from extagents.cli.output import console, is_terminal, label, one_line, print_json, write
from extagents.errors import InputError, UsageError

if TYPE_CHECKING:
    import argparse

    from extagents.types import Hit


def run(options: argparse.Namespace) -> int:
    """Exit status 0, or 3 when one query finds nothing."""
    from extagents.cli.main import DONE, NOTHING_FOUND

    if (options.query is None) == (options.queries is None):
        raise UsageError("Give either QUERY or --queries FILE.jsonl.", hint="QUERY comes before --over.")
    if options.queries is not None:
        queries = list(_queries(Path(options.queries)))
        corpus = load(options.over, quiet=options.quiet)
        for identity, query in queries:
            print_json({"id": identity, "hits": [_plain(hit) for hit in corpus.search(query, k=options.k)]})
        return DONE
    query = question_of(options.query)
    corpus = load(options.over, quiet=options.quiet)
    hits = corpus.search(query, k=options.k)
    if options.json:
        print_json({"hits": [_plain(hit) for hit in hits]})
    else:
        _show(hits)
    if not hits and not options.quiet:
        sys.stderr.write("Nothing in the input matches.\n")
    return DONE if hits else NOTHING_FOUND


def _plain(hit: Hit) -> dict[str, Any]:
    return {"document": hit.document, "start": hit.start, "end": hit.end, "score": hit.score}


def _queries(path: Path) -> Iterator[tuple[Any, str]]:
    """Id and question of every line; the first wrong line is an error that names it."""
    try:
        lines = path.read_text(encoding="utf-8-sig").split("\n")
    except (OSError, UnicodeDecodeError) as error:
        reason = error.strerror if isinstance(error, OSError) else "it is not UTF-8"
        raise InputError(f"{path} cannot be read: {reason}.", hint="Give a file of {id, question} lines.") from None
    for number, line in enumerate(lines, 1):
        if not line.strip():
            continue
        try:
            entry = json.loads(line)
            identity, question = entry["id"], entry["question"]
        except (ValueError, KeyError, TypeError):
            raise InputError(
                f"{path}, line {number} is no object with id and question.", hint='Write {"id": "1", "question": "…"} a line.'
            ) from None
        if not isinstance(question, str) or not question.strip():
            raise InputError(f"{path}, line {number} has no question.", hint="Every line needs one.")
        yield identity, question


def _show(hits: Sequence[Hit]) -> None:
    if not is_terminal(sys.stdout):
        for hit in hits:
            write(f"{hit.score:.3f}\t{label(hit.document)}:{hit.start}-{hit.end}\t{one_line(hit.text, 200)}\n")
        return
    from rich.table import Table
    from rich.text import Text

    out = console(sys.stdout)
    table = Table.grid(padding=(0, 2))
    table.add_column(justify="right", style="dim", no_wrap=True)
    table.add_column()
    for hit in hits:
        page = f", p. {hit.page}" if hit.page is not None else ""
        head = Text.assemble((label(hit.document), "bold cyan"), (f"{page} · {hit.start:,}–{hit.end:,}", "dim"))
        table.add_row(f"{hit.score:.2f}", Text.assemble(head, "\n", one_line(hit.text, max(40, 2 * (out.width - 10)))))
    out.print(table)
