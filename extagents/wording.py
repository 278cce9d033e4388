"""How figures and results are put into words, wherever they are shown: on a terminal, in a notebook, in a log."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from extagents.types import Answer, Compressed, Usage

# Control characters and direction overrides in a document must not move a cursor, recolour or reorder what is shown.
CONTROL = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069]")
ENDS = {
    "budget": "the budget ended before everything was read",
    "deadline": "the deadline came before everything was read",
    "cancelled": "stopped by you before everything was read",
}


def safe(text: str) -> str:
    """The text without characters that act on whatever shows it."""
    return CONTROL.sub("\N{REPLACEMENT CHARACTER}", text.replace("\r\n", "\n"))


def one_line(text: str, width: int) -> str:
    """The text on one line of at most `width` characters, cut with an ellipsis."""
    line = " ".join(safe(text).split())
    return line if len(line) <= width else line[: max(1, width - 1)].rstrip() + "…"


# ------------------------------------------------------------------ figures


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


# ------------------------------------------------------------------ results


def unanswered(answer: Answer) -> str:
    """What is said in the place of an answer."""
    return "No answer yet." if answer.stopped_by else "Nothing in the input answers this question."


def covered(result: Answer | Compressed) -> str:
    """What was read, in words."""
    coverage = result.coverage
    text = f"{share(coverage.shards_read, coverage.shards)} · {coverage.shards_read:,} of {count(coverage.shards, 'shard')}"
    text += f" · {tokens(coverage.tokens_read)} of {tokens(coverage.tokens)} tokens"
    return text


def spent(result: Answer | Compressed) -> str:
    """What it cost, in words."""
    return used(result.usage)


def used(usage: Usage) -> str:
    """Calls, tokens, cost and retries, as far as there are any."""
    text = count(usage.calls, "call")
    if usage.input_tokens or usage.output_tokens:
        cached = f" ({tokens(usage.cached_tokens)} cached)" if usage.cached_tokens else ""
        text += f" · {tokens(usage.input_tokens)} tokens in{cached}, {tokens(usage.output_tokens)} out"
    if usage.cost:
        text += f" · {money(usage.cost)}"
    if usage.retries:
        text += " · " + (f"{usage.retries:,} retries" if usage.retries > 1 else "1 retry")
    return text


def kept(context: Compressed) -> str:
    """How much is left of how much, in words."""
    shorter = f", {context.ratio:,.0f} times shorter" if context.text and context.ratio >= 1.5 else ""
    return (
        f"{tokens(context.tokens)} of {tokens(context.input_tokens)} tokens{shorter} · "
        f"{count(len(context.spans), 'span')} of {count(len({span.document for span in context.spans}), 'document')}"
    )
