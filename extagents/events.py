"""What `astream` yields: one typed union, in the order in which things happen."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from extagents.tabular import Column, Scalar
from extagents.types import Answer, CandidateAnswer, Compressed, Fact, Frozen, Plan, Usage


class Planned(Frozen):
    """The question was taken apart and the input cut. `route` says which way the run goes, `packing` how shards are formed."""

    type: Literal["planned"] = "planned"
    run_id: str
    plan: Plan
    route: Literal["single", "rounds"]
    packing: str
    shards: int
    tokens: int
    documents: int


class ShardRead(Frozen):
    """A reader finished a shard (`failure` says why, if it could not). `read` counts distinct shards read so far."""

    type: Literal["shard_read"] = "shard_read"
    shard: str
    round: int
    facts: int
    read: int
    shards: int
    tokens_read: int
    failure: str | None = None
    cached: bool = False
    usage: Usage = Usage()


class FactsFound(Frozen):
    """New facts entered the ledger."""

    type: Literal["facts"] = "facts"
    facts: tuple[Fact, ...]
    total: int


class WaveStarted(Frozen):
    """A wave of readers starts: `shards` of them in round `round`, by `reason` (best first, gated, re-reading)."""

    type: Literal["wave"] = "wave"
    wave: int
    round: int
    shards: int
    lanes: int
    reason: str


class RungJudged(Frozen):
    """The reasoner judged the top `size` facts."""

    type: Literal["rung"] = "rung"
    wave: int
    size: int
    answerable: bool
    answer: str
    confidence: float


class VerdictReached(Frozen):
    """The ladder's verdict after a wave; `stable` when two rungs agree, `verified` when it stands in a located quote."""

    type: Literal["verdict"] = "verdict"
    wave: int
    answer: str
    answerable: bool
    stable: bool
    verified: bool
    confidence: float


class NotesRewritten(Frozen):
    """The memory agent wrote version `version` of its notes; `name` tells lanes and heads apart. `tokens` is their size."""

    type: Literal["notes"] = "notes"
    name: str
    version: int
    facts: int
    tokens: int
    plan: str


class CandidateFound(Frozen):
    """One path offers an answer."""

    type: Literal["candidate"] = "candidate"
    candidate: CandidateAnswer


class TableProposed(Frozen):
    """The analyst decided on a table: what one row is, and its columns; readers fill it next."""

    type: Literal["table_proposed"] = "table_proposed"
    name: str
    entity: str
    columns: tuple[Column, ...]


class TableFilled(Frozen):
    """A table was put together from what readers reported: rows, cells with a value, values that differ between documents."""

    type: Literal["table_filled"] = "table_filled"
    name: str
    rows: int
    cells: int
    conflicts: int
    doubted: int


class StatementRun(Frozen):
    """A statement was run over the tables; `error` says why it brought nothing, `rows` how many rows it brought."""

    type: Literal["statement"] = "statement"
    sql: str
    rows: int = 0
    first: tuple[Scalar | None, ...] = ()
    error: str = ""


class SectionWritten(Frozen):
    """A section of a long answer is written: number `number` of `sections`."""

    type: Literal["section"] = "section"
    number: int
    sections: int
    title: str
    words: int


class AnswerDelta(Frozen):
    """A piece of the final answer's text, as the model writes it."""

    type: Literal["answer_delta"] = "answer_delta"
    text: str


class Notice(Frozen):
    """Something the user should know: no model configured, an unreadable file, a failed shard, a budget that ended."""

    type: Literal["notice"] = "notice"
    message: str


class Progress(Frozen):
    """Where the run stands: the phase and what was spent; while files are loaded, how many of how many are `done`.

    `roles` says what each role has spent; it is told once, when the run is done.
    """

    type: Literal["progress"] = "progress"
    phase: Literal["load", "index", "plan", "read", "reason", "remember", "compress", "table", "write", "fuse", "done"]
    done: int = 0
    total: int = 0
    usage: Usage = Usage()
    roles: dict[str, Usage] = Field(default_factory=dict)


class Answered(Frozen):
    """The last event: the answer."""

    type: Literal["answer"] = "answer"
    answer: Answer


class ContextReady(Frozen):
    """The last event of `compress`: the compressed context."""

    type: Literal["context"] = "context"
    context: Compressed


Event = Annotated[
    Planned
    | ShardRead
    | FactsFound
    | WaveStarted
    | RungJudged
    | VerdictReached
    | NotesRewritten
    | CandidateFound
    | TableProposed
    | TableFilled
    | StatementRun
    | SectionWritten
    | AnswerDelta
    | Notice
    | Progress
    | Answered
    | ContextReady,
    Field(discriminator="type"),
]
