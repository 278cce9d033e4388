"""What every command writes: JSON objects, plain text, and text of documents made harmless for a terminal."""

from __future__ import annotations

import json
import os
import re
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING, Any, TextIO, cast

from extagents.wording import CONTROL
from extagents.wording import count as count
from extagents.wording import duration as duration
from extagents.wording import money as money
from extagents.wording import one_line as one_line
from extagents.wording import safe as safe
from extagents.wording import share as share
from extagents.wording import tokens as tokens

if TYPE_CHECKING:
    from rich.console import Console


def label(text: str) -> str:
    """The name of a run, a document or a file in one column of one line: it can forge neither."""
    return re.sub(r"[\t\n]", "\N{REPLACEMENT CHARACTER}", safe(text))


def indented(text: str) -> str:
    """A text of several lines, those after the first indented: none of them can pass for a line of ours."""
    return safe(text).replace("\n", "\n          ")


class OutputClosed(Exception):
    """Stdout takes no more: whoever read it has gone (`| head`, `reason` is ""), or it cannot be written (a full disk)."""

    def __init__(self, reason: str = "") -> None:
        super().__init__(reason)
        self.reason = reason


def write(text: str) -> None:
    """Text on stdout, at once. Raises `OutputClosed` when nobody reads it any more or it cannot be written."""
    try:
        sys.stdout.write(text)
        sys.stdout.flush()
    except BrokenPipeError:
        raise OutputClosed from None
    except OSError as error:
        raise OutputClosed((error.strerror or str(error)).lower()) from None


class _Remarks:
    """Stderr that costs nothing when it cannot be written: progress that nobody sees must not end a run that is paid for."""

    def __init__(self, stream: TextIO) -> None:
        self._stream = stream

    def __getattr__(self, name: str) -> Any:
        return getattr(self._stream, name)

    def write(self, text: str) -> int:
        with suppress(OSError):
            self._stream.write(text)
            self._stream.flush()
        return len(text)

    def flush(self) -> None:
        with suppress(OSError):
            self._stream.flush()


@contextmanager
def standard_streams() -> Iterator[None]:
    """The three streams in a state in which a command can use them, until the block ends.

    One that was closed before the start (`>&-`) is the null device, stderr never raises, and a character that stdout's
    encoding lacks is replaced.
    """
    before = {name: getattr(sys, name) for name in ("stdin", "stdout", "stderr")}
    try:
        for name, stream in before.items():
            if stream is None:
                # Kept open until the process ends: the number must not become that of a file that is opened later.
                setattr(sys, name, open(os.devnull, "r" if name == "stdin" else "w", encoding="utf-8"))  # noqa: SIM115
            elif name != "stdin" and hasattr(stream, "reconfigure"):
                stream.reconfigure(errors="replace")
        sys.stderr = cast(TextIO, _Remarks(sys.stderr))
        yield
    finally:
        sys.stderr = before["stderr"]


def print_json(value: Any) -> None:
    """Exactly one JSON value and a line end on stdout, as UTF-8 where stdout can take it."""
    utf8 = (getattr(sys.stdout, "encoding", None) or "").lower().replace("-", "") == "utf8"
    text = json.dumps(value, ensure_ascii=not utf8)
    # A terminal acts on these inside JSON, too; escaped they mean the same.
    write(CONTROL.sub(lambda found: f"\\u{ord(found[0]):04x}", text) + "\n")


def console(stream: TextIO) -> Console:
    """A rich console on a stream; NO_COLOR, TERM=dumb and a stream that is no terminal are obeyed by rich itself."""
    from rich.console import Console

    return Console(file=stream, highlight=False, soft_wrap=False)


def is_terminal(stream: TextIO) -> bool:
    """Whether somebody looks at the stream."""
    return stream.isatty()
