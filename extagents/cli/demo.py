"""The demo: questions about the Python standard library, put to its own source. Millions of tokens, and on every machine.

Run: python -m extagents.cli.demo [--picture FILE.svg]
"""

from __future__ import annotations

import argparse
import io
import os
import platform
import re
import shutil
import sys
import sysconfig
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, TextIO

from extagents.cli.answer_view import covered, page, place, remarks, spent
from extagents.cli.ask import stoppable
from extagents.cli.live import events_into, view_for
from extagents.cli.options import settings_of
from extagents.cli.output import console, count, duration, is_terminal, one_line, safe, tokens
from extagents.errors import ExtAgentsError

if TYPE_CHECKING:
    from rich.console import Console

    from extagents.coordinator import Coordinator
    from extagents.corpus.corpus import Corpus
    from extagents.types import Answer

QUESTIONS = (
    ("a lookup", "Which normalization form are identifiers converted to?"),
    ("a name", "Who contributed the timer class of the threading module?"),
    ("two steps", "Which RFC describes the algorithm of the module that secrets takes compare_digest from?"),
    ("no answer", "How many moons does Jupiter have?"),
)
# Tests of the library, and what was installed beside it, are no part of what it says.
LEFT_OUT = ("site-packages", "dist-packages", "test", "tests", "idle_test", "__pycache__", "lib2to3", "turtledemo")
WIDTH = 100


@dataclass(frozen=True, slots=True)
class Asked:
    """One question of the demo and how it went; `seconds` is wall time."""

    kind: str
    question: str
    answer: Answer
    seconds: float


def library() -> Path:
    """A copy of the standard library's source in the cache folder: a folder that `extagents ask` can be pointed at."""
    from extagents.corpus.cache import default_folder

    folder = default_folder() / "demo" / f"python-{platform.python_version()}"
    if not (folder / "os.py").exists():
        partial = folder.with_name(f"{folder.name}.partial")
        shutil.rmtree(partial, ignore_errors=True)
        source = Path(sysconfig.get_path("stdlib"))
        shutil.copytree(source, partial, ignore=_only_source)
        partial.rename(folder)
    return folder


def _only_source(folder: str, names: list[str]) -> set[str]:
    return {name for name in names if name in LEFT_OUT or not (name.endswith(".py") or (Path(folder) / name).is_dir())}


def main(arguments: list[str] | None = None) -> int:
    """Exit status 0 when every question was put and the run ended by itself."""
    parser = argparse.ArgumentParser(prog="make demo", description=__doc__)
    parser.add_argument("--picture", metavar="FILE.svg", help="draw the run into a picture instead of the terminal")
    options = parser.parse_args(arguments)
    try:
        if options.picture is None:
            return _play(console(sys.stdout), sys.stderr)
        return _draw(Path(options.picture))
    except ExtAgentsError as error:
        sys.stderr.write(f"error: {error}\n")
        return 1
    except BrokenPipeError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 0
    except KeyboardInterrupt:
        sys.stderr.write("Interrupted.\n")
        return 130


def _draw(path: Path) -> int:
    """The demo on a console that is recorded."""
    from rich._export_format import CONSOLE_SVG_FORMAT
    from rich.console import Console

    out = Console(record=True, width=WIDTH, file=io.StringIO(), force_terminal=True, color_system="truecolor", highlight=False)
    out.print("[bold green]$[/] make demo")
    status = _play(out, sys.stderr)
    path.parent.mkdir(parents=True, exist_ok=True)
    # Without the web fonts: a picture in a repository asks no other host for anything.
    form = re.sub(r"@font-face \{\{.*?\}\}\s*", "", CONSOLE_SVG_FORMAT, flags=re.DOTALL)
    path.write_text(out.export_svg(title="extagents", unique_id="extagents", code_format=form), encoding="utf-8")
    return status


def _play(out: Console, progress: TextIO) -> int:
    from extagents.coordinator import Coordinator

    # Its memory is its own: the demo leaves nothing in yours.
    settings = settings_of(argparse.Namespace(memory="memory://"))
    pretty = out.is_terminal
    started = time.perf_counter()
    folder = library()
    known = _indexed(folder)
    corpus, seconds = _load(folder, progress)
    _head(out, corpus, seconds, known, pretty)
    asked = []
    with Coordinator(settings=settings) as team:
        for number, (kind, question) in enumerate(QUESTIONS, 1):
            _title(out, f"{number}  {kind}", question, pretty)
            one = _ask(team, kind, question, corpus, progress)
            asked.append(one)
            _show(out, one, pretty)
            if one.answer.stopped_by is not None:
                return 4
    _tail(out, asked, folder, time.perf_counter() - started, pretty)
    return 0


def _indexed(folder: Path) -> bool:
    """Whether the cache holds the folder from an earlier time."""
    from extagents.corpus.cache import Cache, default_folder

    return Cache(default_folder()).sources([folder], (None, None)).exists()


def _load(folder: Path, progress: TextIO) -> tuple[Corpus, float]:
    """The corpus with its index, and the seconds it took."""
    from extagents.corpus.corpus import Corpus

    started = time.perf_counter()

    def work(say: Callable[[str], None]) -> Corpus:
        corpus = Corpus.load(folder, on_progress=lambda done, files: say(f"Reading {done:,} of {files:,} files"))
        say(f"Indexing {tokens(corpus.tokens)} tokens …")
        corpus.search("standard library", k=1)
        return corpus

    if is_terminal(progress):
        with console(progress).status("Looking for the standard library …", spinner_style="cyan") as status:
            corpus = work(status.update)
    else:
        corpus = work(lambda text: None)
    return corpus, time.perf_counter() - started


def _ask(team: Coordinator, kind: str, question: str, corpus: Corpus, progress: TextIO) -> Asked:
    started = time.perf_counter()
    view = view_for(team.settings.budget, quiet=not is_terminal(progress), stream=progress)
    with view, stoppable(team, view):
        answer = events_into(view, team.stream(question, corpus))
    return Asked(kind, question, answer, time.perf_counter() - started)


def _head(out: Console, corpus: Corpus, seconds: float, known: bool, pretty: bool) -> None:
    size = sum(len(document.text) for document in corpus.documents)
    read = f"{len(corpus.documents):,} files · {size / 1e6:.1f} million characters · {tokens(corpus.tokens)} tokens"
    speed = f"read and indexed in {duration(seconds)}, {tokens(round(corpus.tokens / max(seconds, 1e-3)))} tokens a second"
    if known:
        speed = f"index taken from the cache in {duration(seconds)}"
    if not pretty:
        print(f"The source of Python {platform.python_version()}'s standard library: {read}; {speed}.", file=out.file)
        return
    from rich.panel import Panel
    from rich.text import Text

    text = Text.assemble(
        ("Questions to the source of Python's standard library", "bold"), "\n", (f"{read}\n", ""), (speed, "dim")
    )
    title = Text.assemble(("ExtAgents", "bold cyan"), (f"  Python {platform.python_version()}", "dim"))
    out.print()
    out.print(Panel(text, title=title, title_align="left", border_style="cyan", padding=(0, 1), width=min(out.width, WIDTH)))


def _title(out: Console, kind: str, question: str, pretty: bool) -> None:
    if not pretty:
        print(f"\n{kind}: {question}", file=out.file)
        return
    from rich.table import Table
    from rich.text import Text

    table = Table.grid(padding=(0, 2, 0, 1))
    table.add_row(Text(kind, style="cyan", no_wrap=True), Text(question, style="bold"))
    out.print()
    out.print(table)


def _show(out: Console, asked: Asked, pretty: bool) -> None:
    answer = asked.answer
    if pretty:
        out.print(page(_short(answer), min(out.width, WIDTH)))
        return
    print(f"answer: {safe(answer.answer)}" if answer.answered else remarks(answer)[0], file=out.file)
    for citation in answer.citations[:3]:
        print(f"  {place(citation)}: “{one_line(citation.quote, 160)}”", file=out.file)
    print(f"  read {covered(answer)} · {spent(answer)} · {duration(asked.seconds)}", file=out.file)


def _short(answer: Answer) -> Answer:
    """The answer without what would be the same under every question: it stands once, at the end."""
    return answer.model_copy(update={"citations": answer.citations[:3], "notices": (), "run_id": "", "model": ""})


def _tail(out: Console, asked: list[Asked], folder: Path, seconds: float, pretty: bool) -> None:
    read = sum(one.answer.coverage.tokens_read for one in asked)
    answering = sum(one.seconds for one in asked)
    calls = sum(one.answer.usage.calls for one in asked)
    speed = tokens(round(read / max(answering, 1e-3)))
    model = asked[-1].answer.model
    done = (
        f"{count(len(asked), 'question')} in {duration(answering)}: {tokens(read)} tokens read in {calls:,} calls, "
        f"{speed} tokens a second · {duration(seconds)} in all"
    )
    hint = [
        f"This was {model}"
        + (", the built-in model: it finds and quotes, but does not think." if model == "extractive" else "."),
        "With a language model:",
    ]
    commands = [
        "export OPENAI_API_KEY=…  EXTAGENTS_MODEL=openai:gpt-4o-mini && make demo",
        "# or a server of your own (vLLM, llama.cpp, …):",
        "export EXTAGENTS_MODEL=openai:NAME  EXTAGENTS_BASE_URL=http://localhost:8000/v1",
        "# the same library on the command line:",
        f'.venv/bin/extagents ask "…" --over {_shown(folder)}',
    ]
    if not pretty:
        print("\n" + "\n".join([done, *hint, *(f"  {command}" for command in commands)]), file=out.file)
        return
    from rich.panel import Panel
    from rich.text import Text

    out.print()
    out.print(Panel(Text(done), border_style="cyan", padding=(0, 1), width=min(out.width, WIDTH)))
    out.print(Text("\n".join(f" {line}" for line in hint)))
    for command in commands:
        # Lines to be copied are never broken.
        out.print(Text(f"   {command}", style="dim" if command.startswith("#") else "green"), soft_wrap=True)


def _shown(folder: Path) -> str:
    """The folder as it can be typed."""
    home = Path.home()
    return f"~/{folder.relative_to(home)}" if folder.is_relative_to(home) else str(folder)


if __name__ == "__main__":
    sys.exit(main())
