"""What every command writes: JSON objects, plain text, and text of documents made harmless for a terminal."""

from __future__ import annotations

import json
import os
import re
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING, Any, TextIO, cast

if TYPE_CHECKING:
    from rich.console import Console

# Control characters and direction overrides in a document must not move the cursor, recolour or reorder a terminal.
_CONTROL = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069]")


def safe(text: str) -> str:
    """The text without characters that act on a terminal."""
    return _CONTROL.sub("\N{REPLACEMENT CHARACTER}", text.replace("\r\n", "\n"))


def label(text: str) -> str:
    """The name of a run, a document or a file in one column of one line: it can forge neither."""
    return re.sub(r"[\t\n]", "\N{REPLACEMENT CHARACTER}", safe(text))


def indented(text: str) -> str:
    """A text of several lines, those after the first indented: none of them can pass for a line of ours."""
    return safe(text).replace("\n", "\n          ")


def one_line(text: str, width: int) -> str:
    """The text on one line of at most `width` characters, cut with an ellipsis."""
    line = " ".join(safe(text).split())
    return line if len(line) <= width else line[: max(1, width - 1)].rstrip() + "…"


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
    write(_CONTROL.sub(lambda found: f"\\u{ord(found[0]):04x}", text) + "\n")


def console(stream: TextIO) -> Console:
    """A rich console on a stream; NO_COLOR, TERM=dumb and a stream that is no terminal are obeyed by rich itself."""
    from rich.console import Console

    return Console(file=stream, highlight=False, soft_wrap=False)


def is_terminal(stream: TextIO) -> bool:
    """Whether somebody looks at the stream."""
    return stream.isatty()


def tokens(number: int) -> str:
    """9,999 → 9,999, 12,345 → 12.3K, 1,234,567 → 1.23M, 20,000,000 → 20M."""
    if number < 10_000:
        return f"{number:,}"
    text, unit = (f"{number / 1_000:.1f}", "K") if number < 999_950 else (f"{number / 1_000_000:.2f}", "M")
    return text.rstrip("0").rstrip(".") + unit


def money(cost: float | None) -> str:
    """USD with as many digits as matter; unknown prices are said to be unknown."""
    if cost is None:
        return "price unknown"
    if cost == 0:
        return "$0"
    return f"${cost:,.2f}" if cost >= 0.1 else f"${cost:.4f}"


def duration(seconds: float) -> str:
    """0.4 s, 12 s, 3:07, 1:02:03."""
    if seconds < 10:
        return f"{seconds:.1f} s"
    if seconds < 60:
        return f"{seconds:.0f} s"
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02}:{rest:02}" if hours else f"{minutes}:{rest:02}"


def count(number: int, noun: str) -> str:
    """1 shard, 2 shards."""
    return f"{number:,} {noun}" if number == 1 else f"{number:,} {noun}s"


def share(part: int, whole: int) -> str:
    """A percentage that says 100% only when all of it is there."""
    if whole <= 0:
        return "–"
    if part < whole:
        return f"{min(99, round(100 * part / whole))}%"
    return "100%"
