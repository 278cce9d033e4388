"""`extagents corpus`: what an input holds, and what of it could not be read."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

from extagents.cli.loading import counting, waiting
from extagents.cli.output import console, is_terminal, one_line, print_json, safe, tokens, write

if TYPE_CHECKING:
    import argparse

MOST_LISTED = 20


def run(options: argparse.Namespace) -> int:
    """Exit status 0; nothing readable at all is a `UsageError`."""
    from extagents.corpus.corpus import Corpus

    with counting("Reading the input …", quiet=options.quiet) as on_progress:
        corpus = Corpus.load(options.paths, on_progress=on_progress)
    with waiting("Counting …", quiet=options.quiet):
        shards = len(corpus.shards(options.shard_tokens))
    found = {
        "documents": len(corpus.documents),
        "kinds": dict(corpus.kinds),
        "pages": sum(len(document.pages) for document in corpus.documents),
        "shards": shards,
        "shard_tokens": options.shard_tokens,
        "tokens": corpus.tokens,
        "characters": sum(len(document.text) for document in corpus.documents),
        "unreadable": [unreadable.model_dump() for unreadable in corpus.unreadable],
        "notices": list(corpus.notices),
    }
    if options.json:
        print_json(found)
        return 0
    if is_terminal(sys.stdout):
        from rich.table import Table
        from rich.text import Text

        out = console(sys.stdout)
        table = Table.grid(padding=(0, 2))
        table.add_column(style="dim")
        table.add_column(justify="right", style="bold")
        table.add_row("documents", f"{found['documents']:,}")
        for kind, number in corpus.kinds.items() if len(corpus.kinds) > 1 else ():
            table.add_row(f"  {safe(kind)}", Text(f"{number:,}", style="not bold"))
        if found["pages"]:
            table.add_row("pages", f"{found['pages']:,}")
        table.add_row("tokens", f"{corpus.tokens:,}")
        table.add_row(f"shards of {tokens(options.shard_tokens)}", f"{shards:,}")
        out.print(table)
        if corpus.unreadable:
            out.print(Text(f"\n{len(corpus.unreadable):,} left out", style="yellow"))
            for unreadable in corpus.unreadable[:MOST_LISTED]:
                out.print(Text.assemble("  ", one_line(unreadable.path, 2_000), ("  " + safe(unreadable.reason), "dim")))
            if len(corpus.unreadable) > MOST_LISTED:
                out.print(Text(f"  and {len(corpus.unreadable) - MOST_LISTED:,} more; --json lists them all", style="dim"))
    else:
        lines = [f"documents\t{found['documents']}"]
        if len(corpus.kinds) > 1:
            lines += [f"kind\t{one_line(kind, 100)}\t{number}" for kind, number in corpus.kinds.items()]
        lines += [f"pages\t{found['pages']}"] if found["pages"] else []
        lines += [f"tokens\t{corpus.tokens}", f"shards\t{shards}"]
        for unreadable in corpus.unreadable:
            lines.append(f"left out\t{one_line(unreadable.path, 2_000)}\t{one_line(unreadable.reason, 500)}")
        write("\n".join(lines) + "\n")
    if not options.quiet:
        for notice in corpus.notices:
            sys.stderr.write(f"notice: {one_line(notice, 2_000)}\n")
    return 0
