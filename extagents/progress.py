"""What the events of a run have told so far: the state behind every live view, on a terminal and in a notebook."""

from __future__ import annotations

import time
from dataclasses import dataclass, field
from pathlib import PurePath
from typing import TYPE_CHECKING

from extagents.types import Answer, Compressed, Usage
from extagents.wording import count, duration, money, tokens

if TYPE_CHECKING:
    from extagents.budget import Budget
    from extagents.events import Event

PHASES = {
    "load": "loading",
    "index": "indexing",
    "plan": "planning",
    "read": "reading",
    "reason": "reasoning",
    "compress": "compressing",
    "table": "designing the table",
    "compute": "computing",
    "write": "writing",
    "fuse": "writing the answer",
    "done": "done",
}
INTO_TABLE = "into the table "  # what the reason of a wave says that reads into rows


@dataclass
class RunState:
    """What the events of a run have told so far."""

    budget: Budget
    started: float = field(default_factory=time.monotonic)
    phase: str = "load"
    round: int = 0
    wave: int = 0
    reason: str = ""
    lanes: int = 0
    loaded: int = 0
    files: int = 0
    read: int = 0
    shards: int = 0
    tokens_read: int = 0
    tokens: int = 0
    documents: int = 0
    failed: int = 0
    facts: int = 0
    newest: str = ""
    verdict: str = ""
    standing: str = ""
    tabled: bool = False
    """Whether what is read, or was read last, goes into the rows of a table: `facts` are then values."""
    table: str = ""
    statement: str = ""
    usage: Usage = field(default_factory=Usage)
    notices: list[str] = field(default_factory=list)
    answer_text: str = ""
    stopping: bool = False

    @property
    def elapsed(self) -> float:
        """Seconds since the run started."""
        return time.monotonic() - self.started

    def take(self, event: Event) -> None:
        """Updates the state with one event."""
        match event.type:
            case "progress":
                self.phase = event.phase
                self.loaded, self.files = event.done, event.total
                self._spent(event.usage)
            case "planned":
                self.shards, self.tokens, self.documents = event.shards, event.tokens, event.documents
            case "wave":
                self.phase = "read"
                into_table = INTO_TABLE in event.reason
                if into_table != self.tabled:
                    self.tabled, self.facts, self.newest = into_table, 0, ""
                self.round, self.wave, self.reason, self.lanes = event.round, event.wave, event.reason, event.lanes
            case "shard_read":
                self.read, self.shards, self.tokens_read = event.read, event.shards, event.tokens_read
                self.failed += event.failure is not None
                if self.tabled:
                    self.facts += event.facts
                self._spent(event.usage)
            case "table_proposed":
                self.table = f"{event.entity}: {', '.join(column.name for column in event.columns)}"
            case "table_filled":
                self.phase = "compute"
                told = [count(event.rows, "row"), count(event.cells, "value")]
                told += [count(event.conflicts, "conflict")] if event.conflicts else []
                told += [f"{event.doubted:,} doubted"] if event.doubted else []
                self.table = f"{event.name}: {', '.join(told)}"
            case "statement":
                brought = ", ".join("–" if one is None else str(one) for one in event.first)
                brought = brought if event.rows == 1 and brought else count(event.rows, "row")
                self.statement = f"{event.error or brought} ← {event.sql}"
            case "facts":
                self.facts = event.total
                if event.facts:
                    document, claim = PurePath(event.facts[-1].document).name, event.facts[-1].claim
                    self.newest = claim if claim.startswith(document) else f"{document}: {claim}"
            case "rung" | "verdict":
                if event.type == "rung":
                    self.phase = "reason"
                else:
                    self.standing = "stable, verified" if event.stable and event.verified else "not settled yet"
                if event.answerable:
                    self.verdict = event.answer
                elif not self.verdict:
                    self.standing = "nothing answers it yet"
            case "answer_delta":
                self.answer_text += event.text
            case "notice":
                self.notices.append(event.message)
            case "answer":
                self._ended(event.answer)
            case "context":
                self._ended(event.context)

    def _ended(self, result: Answer | Compressed) -> None:
        """Takes over the result's own account of the run."""
        coverage = result.coverage
        self.phase, self.usage = "done", result.usage
        self.read, self.shards, self.failed = coverage.shards_read, coverage.shards, coverage.failed
        self.tokens_read, self.tokens = coverage.tokens_read, coverage.tokens

    def _spent(self, usage: Usage) -> None:
        """Takes over the run's total so far; an event that was overtaken by another changes nothing."""
        if usage.calls >= self.usage.calls:
            self.usage = usage

    @property
    def title(self) -> str:
        """The phase in words."""
        if self.stopping:
            return "stopping"
        name = PHASES.get(self.phase, self.phase)
        if self.phase == "load" and self.files:
            return f"{name} · {self.loaded:,} of {self.files:,} files"
        if self.phase == "write" and self.files:
            return f"{name} · {self.loaded:,} of {count(self.files, 'section')}"
        if self.phase == "read" and self.tabled:
            return f"{name} into rows"
        if self.phase in ("read", "reason") and self.round:
            return f"{name} · round {self.round}, wave {self.wave + 1}"
        return name

    @property
    def found(self) -> str:
        """How many facts there are, or values of a table."""
        return count(self.facts, "value" if self.tabled else "fact")

    @property
    def time(self) -> str:
        """Time gone, and time left where there is a deadline."""
        if self.budget.seconds is None:
            return duration(self.elapsed)
        return f"{duration(self.elapsed)} · {duration(max(0.0, self.budget.seconds - self.elapsed))} left"

    @property
    def spending(self) -> str:
        """Calls, tokens and cost, each against its ceiling where there is one."""
        usage, budget = self.usage, self.budget
        calls = count(usage.calls, "call") if budget.calls is None else f"{usage.calls:,} of {budget.calls:,} calls"
        spent = tokens(usage.input_tokens + usage.output_tokens)
        parts = [calls, f"{spent} tokens" if budget.tokens is None else f"{spent} of {tokens(budget.tokens)} tokens"]
        if usage.cost or budget.cost is not None:
            parts.append(money(usage.cost or 0.0) + (f" of {money(budget.cost)}" if budget.cost is not None else ""))
        return " · ".join(parts)
