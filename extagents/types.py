"""What travels between the parts: frozen pydantic models, inputs and outputs of every role included.

Offsets are characters into a document's extracted text. Sizes are tokens unless a name says otherwise.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, Literal, Protocol

from pydantic import ConfigDict, Field

from extagents.frozen import Frozen as Frozen
from extagents.tabular import RowFound, Table, TableProfile, TableSchema

Kind = Literal["lookup", "multi_hop", "aggregate", "summary"]
AnswerType = Literal["name", "person", "place", "organization", "date", "number", "yes_no", "list", "text"]
Effort = Literal["quick", "balanced", "thorough"]
Strategy = Literal["fused", "parallel", "iterative", "single"]
Role = Literal["planner", "reader", "reasoner", "memory", "single", "fusion", "writer", "analyst"]
Granularity = Literal["auto", "word", "sentence", "paragraph"]
Part = Literal["ladder", "memory", "single", "gate", "knowledge", "best_first", "verification", "table"]
StoppedBy = Literal["budget", "deadline", "cancelled"]
PathName = Literal["single", "ladder", "memory", "table"]


class Plain(Frozen):
    """An answer in plain text: asked for without a schema, and taken as it is written."""

    text: str


# ------------------------------------------------------------------ input


class Document(Frozen):
    """A text with an identity. `pages` holds the character offset at which each page starts, if it has pages."""

    text: str
    id: str = ""
    title: str = ""
    pages: tuple[int, ...] = ()
    metadata: dict[str, Any] = Field(default_factory=dict)

    def page_at(self, offset: int) -> int | None:
        """The 1-based page that holds the character at `offset`, or None where the document has no pages."""
        from bisect import bisect_right

        return bisect_right(self.pages, offset) if self.pages else None


class Unreadable(Frozen):
    """An input that could not be read, and why."""

    path: str
    reason: str


class Piece(Frozen):
    """A span of one document: `text[start:end]` of the document at position `document` in the corpus."""

    document: int
    start: int
    end: int


class Shard(Frozen):
    """What one reader call reads: pieces of documents in order. `tokens` counts headers too."""

    id: str
    position: int
    pieces: tuple[Piece, ...]
    tokens: int


class Section(Frozen):
    """A piece with its text: `text == document.text[start:end]`; `page` is where it starts.

    `head` is the header of the table that the text continues, shown above it; it stands at `head_start` in the document.
    """

    document: str
    title: str
    text: str
    start: int
    end: int
    page: int | None = None
    head: str = ""
    head_start: int = 0


class ShardText(Frozen):
    """A shard with its text, as a reader sees it."""

    id: str
    sections: tuple[Section, ...]


class Hit(Frozen):
    """A passage found by the index: `text == document.text[start:end]`, best score first."""

    document: str
    title: str
    start: int
    end: int
    page: int | None
    text: str
    score: float


class TermStatistics(Protocol):
    """How often terms occur in the corpus: all that the extractive model knows of the world."""

    @property
    def passages(self) -> int:
        """Number of passages counted."""
        ...

    def frequency(self, term: str) -> int:
        """In how many passages the (already normalised) term occurs."""
        ...

    def terms(self, text: str) -> list[str]:
        """The normalised terms of a text, in order, as the index sees them (stemmed; n-grams for Chinese)."""
        ...


# ------------------------------------------------------------------ facts


class Fact(Frozen):
    """One finding of a reader. `quote` is the document's own text at [start:end] when `verified`, else the reader's words."""

    id: str
    claim: str
    quote: str
    document: str
    start: int | None = None
    end: int | None = None
    page: int | None = None
    relevance: float = Field(ge=0.0, le=1.0)
    shard: str
    round: int
    title: str = ""
    corroboration: int = 1

    @property
    def verified(self) -> bool:
        """Whether the quote was located in the document."""
        return self.start is not None


class Finding(Frozen):
    """What one reading brought for one question: facts, what is missing, whether something goes on elsewhere.

    `rows` are what it brought for a table instead.
    """

    facts: tuple[Fact, ...] = ()
    queries: tuple[str, ...] = ()
    continues: bool = False
    rows: tuple[RowFound, ...] = Field(default=(), exclude_if=lambda rows: not rows)


class Prices(Frozen):
    """USD per million tokens; `cached` is for input tokens that the server had in its prefix cache."""

    input: float = Field(ge=0)
    output: float = Field(ge=0)
    cached: float | None = Field(default=None, ge=0)


class Usage(Frozen):
    """What model calls cost. `cost` is in USD and None where no price is known. `cached_tokens` are part of `input_tokens`."""

    calls: int = 0
    input_tokens: int = 0
    output_tokens: int = 0
    cached_tokens: int = 0
    retries: int = 0
    cost: float | None = None

    def __add__(self, other: Usage) -> Usage:
        cost = None if self.cost is None and other.cost is None else (self.cost or 0.0) + (other.cost or 0.0)
        return Usage(
            calls=self.calls + other.calls,
            input_tokens=self.input_tokens + other.input_tokens,
            output_tokens=self.output_tokens + other.output_tokens,
            cached_tokens=self.cached_tokens + other.cached_tokens,
            retries=self.retries + other.retries,
            cost=cost,
        )


class Report(Frozen):
    """All that one reader call found in one shard, for every question it was asked: one atomic write.

    `wave` numbers the supersteps of a run from 0; a prompt of wave w sees reports of waves < w only.
    `failure` holds the reason when the shard could not be read, and its finding is then empty; `partly` the reason when a
    part of it could not.
    """

    run: str
    round: int
    wave: int
    shard: str
    version: str
    findings: tuple[Finding, ...]
    usage: Usage = Usage()
    failure: str | None = None
    partly: str | None = None
    cached: bool = False


# ------------------------------------------------------------------ roles: inputs and outputs


class Turn(Frozen):
    """An earlier turn of the conversation."""

    role: Literal["user", "assistant"]
    content: str


class PlannerInput(Frozen):
    """What the planner sees: the question as given, what came before it, and a glance at the input and its languages."""

    question: str
    instructions: str = ""
    history: tuple[Turn, ...] = ()
    sources: tuple[str, ...] = ()
    languages: str = ""


class Plan(Frozen):
    """The question taken apart (QwenLong-L1.5, arXiv 2512.12967): what to find (`core`) and how to say it (`instructions`)."""

    core: str = Field(description="the question alone, complete without the conversation")
    instructions: str = Field(description="how the answer is to look (form, length, language); empty if nothing is asked")
    kind: Kind = Field(description="lookup, multi_hop, aggregate or summary")
    answer_type: AnswerType = Field(description="what kind of thing the answer is")
    queries: list[str] = Field(description="search queries that lead to the evidence", json_schema_extra={"maxItems": 5})


class ReaderQuestion(Frozen):
    """One question put to a reader, with what the others know and what is still missing."""

    core: str
    knowledge: tuple[Fact, ...] = ()
    open_queries: tuple[str, ...] = ()


class ReaderInput(Frozen):
    """A shard and the questions asked of it. `statistics` never leaves the process."""

    model_config = ConfigDict(frozen=True, extra="forbid", arbitrary_types_allowed=True)

    shard: ShardText
    questions: tuple[ReaderQuestion, ...]
    round: int = 1
    answer_type: AnswerType = "text"
    statistics: Any = Field(default=None, exclude=True, repr=False)


class ReportedFact(Frozen):
    """A fact as a reader writes it, before its quote is located."""

    claim: str = Field(description="what the text says that helps, one self-contained sentence that names its subject")
    quote: str = Field(description="the words of the text that say so, copied exactly")
    relevance: float = Field(ge=0.0, le=1.0, description="how much it helps, 0 to 1")


class Reading(Frozen):
    """A reader's answer, in one call."""

    facts: list[ReportedFact] = Field(description="what helps to answer; empty if the text holds nothing")
    queries: list[str] = Field(description="new leads worth following elsewhere", json_schema_extra={"maxItems": 3})
    continues: bool = Field(
        default=False, description="true if something that matters is cut off at the start or end of the text"
    )


class QuestionReading(Frozen):
    """What one of several questions brought, put to the same text in one call."""

    question: int = Field(description="the question's number")
    facts: list[ReportedFact] = Field(description="what helps to answer it; empty if the text holds nothing")
    queries: list[str] = Field(description="new leads worth following elsewhere", json_schema_extra={"maxItems": 3})
    continues: bool = Field(
        default=False, description="true if something that matters to it is cut off at the start or end of the text"
    )


class Readings(Frozen):
    """A reader's answer to several questions, in one call."""

    readings: list[QuestionReading] = Field(description="one entry for each question, in their order")


class ReasonerInput(Frozen):
    """One rung of the ladder: facts best first, labelled 1…n in the prompt."""

    model_config = ConfigDict(frozen=True, extra="forbid", arbitrary_types_allowed=True)

    question: str
    facts: tuple[Fact, ...]
    kind: Kind = "lookup"
    answer_type: AnswerType = "text"
    statistics: Any = Field(default=None, exclude=True, repr=False)


class Verdict(Frozen):
    """A reasoner's judgement on one rung. `facts` are the labels of the facts that the answer rests on."""

    answerable: bool = Field(description="true only if the facts answer the question")
    answer: str = Field(description="the answer alone, as short as it can be; empty if not answerable")
    confidence: float = Field(ge=0.0, le=1.0, description="how sure, 0 to 1")
    facts: list[int] = Field(description="numbers of the facts that the answer rests on")
    queries: list[str] = Field(description="what is missing and worth looking for", json_schema_extra={"maxItems": 3})


class SingleInput(Frozen):
    """The single pass: everything that fits the window, and the question."""

    model_config = ConfigDict(frozen=True, extra="forbid", arbitrary_types_allowed=True)

    shard: ShardText
    question: str
    kind: Kind = "lookup"
    answer_type: AnswerType = "text"
    statistics: Any = Field(default=None, exclude=True, repr=False)


class SinglePass(Frozen):
    """The single pass' answer: the evidence first, then the verdict."""

    facts: list[ReportedFact] = Field(description="the evidence, each with its exact words; empty if there is none")
    answerable: bool = Field(description="true only if the text answers the question")
    answer: str = Field(description="the answer alone, as short as it can be; empty if not answerable")
    confidence: float = Field(ge=0.0, le=1.0, description="how sure, 0 to 1")


class Notes(Frozen):
    """The memory agent's notes (m, p) of QwenLong-L1.5 (arXiv 2512.12967), as a rewriting call returns them."""

    memory: str = Field(description="the notes, rewritten; each line ends with the numbers of its facts, like [2] or [1, 5]")
    plan: str = Field(description="what is still missing and where to look for it, in a sentence or two")


class NotesInput(Frozen):
    """One rewriting: the notes and plan so far, and the facts they may cite, labelled by their `numbers`.

    `facts` are those that the notes cite and the batch's new ones; `budget` is in tokens.
    """

    question: str
    notes: str
    plan: str
    facts: tuple[Fact, ...]
    numbers: tuple[int, ...]
    budget: int


class Scan(Frozen):
    """What the memory agent makes of one stretch of raw text: new notes with their quotes, notes to let go, and its plan."""

    facts: list[ReportedFact] = Field(description="what is new and helps to answer; empty if the text holds nothing")
    drop: list[int] = Field(description="numbers of notes that turned out to be of no use; mostly empty")
    plan: str = Field(description="what is still missing and what to look for next, in a sentence or two")


class ScanInput(Frozen):
    """One stretch of raw text for one memory head: its notes so far (labelled 1…n), its plan, and what it pays attention to."""

    model_config = ConfigDict(frozen=True, extra="forbid", arbitrary_types_allowed=True)

    shard: ShardText
    question: str
    notes: tuple[Fact, ...] = ()
    plan: str = ""
    focus: str = ""
    answer_type: AnswerType = "text"
    statistics: Any = Field(default=None, exclude=True, repr=False)


class RecallInput(Frozen):
    """The answer from the notes (m, q_core, q_inst): the notes, and the facts that they cite, labelled 1…n."""

    model_config = ConfigDict(frozen=True, extra="forbid", arbitrary_types_allowed=True)

    question: str
    notes: str
    facts: tuple[Fact, ...]
    kind: Kind = "lookup"
    answer_type: AnswerType = "text"
    statistics: Any = Field(default=None, exclude=True, repr=False)


class OutlineInput(Frozen):
    """What an outline is made from: the topic, how the text is to look, its length, and facts labelled 1…n.

    `words` is the length of the whole, `sections` about how many sections it takes.
    """

    topic: str
    instructions: str = ""
    facts: tuple[Fact, ...]
    words: int
    sections: int = 1


class OutlineMergeInput(Frozen):
    """Sections that were outlined apart, for one outline of all: their titles labelled 1…n, with how many facts each has."""

    topic: str
    instructions: str = ""
    titles: tuple[str, ...]
    sizes: tuple[int, ...]
    words: int
    sections: int = 1


class OutlinedSection(Frozen):
    """One section of an outline."""

    title: str = Field(description="the section's heading")
    facts: list[int] = Field(description="numbers of the facts that belong to it")


class Outline(Frozen):
    """The outline of a long answer: every fact that matters stands in one section."""

    title: str = Field(description="the title of the whole")
    sections: list[OutlinedSection] = Field(description="the sections, in the order in which they are to be read")


class SectionInput(Frozen):
    """What one section is written from: its place in the outline, its own facts labelled 1…n, and its length in words.

    `written` are sentences that stand in it already, where it is to be continued.
    """

    topic: str
    instructions: str = ""
    outline: tuple[str, ...]
    section: str
    facts: tuple[Fact, ...]
    words: int
    written: tuple[str, ...] = ()


class WrittenSentence(Frozen):
    """A sentence and the facts it rests on."""

    text: str = Field(description="one sentence, without numbers of facts in it")
    facts: list[int] = Field(description="numbers of the facts that the sentence rests on; never empty")
    new_paragraph: bool = Field(default=False, description="true if a new paragraph begins with this sentence")


class WrittenSection(Frozen):
    """A section as the writer gives it."""

    sentences: list[WrittenSentence] = Field(description="the section's sentences, in order")


class SchemaInput(Frozen):
    """What the analyst proposes tables from: the questions, a sample of the documents, and the tables that exist already.

    `sources` are titles of documents; `existing` is to be added to, under the same names, where it holds what is needed.
    """

    model_config = ConfigDict(frozen=True, extra="forbid", arbitrary_types_allowed=True)

    questions: tuple[str, ...]
    sample: ShardText
    sources: tuple[str, ...] = ()
    existing: tuple[TableSchema, ...] = ()
    statistics: Any = Field(default=None, exclude=True, repr=False)


class RowsInput(Frozen):
    """A shard, and the table that it is read into."""

    model_config = ConfigDict(frozen=True, extra="forbid", arbitrary_types_allowed=True)

    shard: ShardText
    table: TableSchema
    statistics: Any = Field(default=None, exclude=True, repr=False)


class SqlInput(Frozen):
    """What SQL is written from: the question, and the tables of the database as they are.

    `failed` is an earlier statement with its `error`, to be repaired. `opinion` numbers statements that are written
    independently of each other, from 0.
    """

    question: str
    instructions: str = ""
    answer_type: AnswerType = "text"
    tables: tuple[TableProfile, ...]
    failed: str = ""
    error: str = ""
    opinion: int = 0


class StatementsInput(Frozen):
    """What statements for several questions are written from: each question as it would be asked alone."""

    inputs: tuple[SqlInput, ...]


class NamesInput(Frozen):
    """Pairs of names that may mean the same entity, each name with some of what its rows say."""

    entity: str
    pairs: tuple[tuple[str, str], ...]
    known: tuple[tuple[str, str], ...] = ()


class Candidate(Frozen):
    """An answer that one path offers, with the facts it rests on."""

    path: PathName
    answer: str
    confidence: float = Field(ge=0.0, le=1.0)
    facts: tuple[Fact, ...] = ()

    @property
    def shown(self) -> CandidateAnswer:
        """The candidate without its facts."""
        return CandidateAnswer(path=self.path, answer=self.answer, confidence=round(self.confidence, 4))


class CandidateAnswer(Frozen):
    """A candidate as the answer shows it."""

    path: PathName
    answer: str
    confidence: float


class FusionInput(Frozen):
    """What the fusion agent sees: the question, how the answer is to look, the candidates and their verified facts."""

    model_config = ConfigDict(frozen=True, extra="forbid", arbitrary_types_allowed=True)

    question: str
    instructions: str = ""
    candidates: tuple[Candidate, ...]
    facts: tuple[Fact, ...]
    kind: Kind = "lookup"
    answer_type: AnswerType = "text"
    statistics: Any = Field(default=None, exclude=True, repr=False)


class Fused(Frozen):
    """The fusion agent's answer: nothing in it that the candidates and their facts do not hold."""

    answerable: bool = Field(description="true only if the facts support an answer")
    answer: str = Field(description="the final answer in the form asked for; empty if not answerable")
    confidence: float = Field(ge=0.0, le=1.0, description="how sure, 0 to 1")
    facts: list[int] = Field(description="numbers of the facts that the answer rests on")


# ------------------------------------------------------------------ output


class Citation(Frozen):
    """Where an answer stands: `quote == text[start:end]` of the document. Only verified quotes are cited.

    `title` is the document's, `before` and `after` are its text around the quote; they are not part of the JSON object.
    """

    document: str
    start: int
    end: int
    page: int | None
    quote: str
    verified: bool = True
    title: str = Field(default="", exclude=True)
    before: str = Field(default="", exclude=True, repr=False)
    after: str = Field(default="", exclude=True, repr=False)

    @property
    def reference(self) -> str:
        """The citation as a line of a list of references: title, document, page or offsets, quote."""
        title = " ".join(self.title.split())
        name = f"{title} ({self.document})" if title and title != self.document else self.document
        place = f"p. {self.page}" if self.page is not None else f"{self.start}–{self.end}"
        return f"{name}, {place}: “{' '.join(self.quote.split())}”"


class Coverage(Frozen):
    """How much of the input was read."""

    shards_read: int = 0
    shards: int = 0
    failed: int = 0
    tokens_read: int = 0
    tokens: int = 0
    rounds: int = 0


class Answer(Frozen):
    """What `ask` returns; `model_dump()` is exactly the object that `--json` prints, `data` (the filled schema) apart.

    `error` is only set in a batch, of a question that failed: type, message, hint, retryable and run_id, as `--json` has them.
    """

    answer: str
    answered: bool
    confidence: float
    kind: Kind
    strategy: Strategy
    citations: tuple[Citation, ...] = ()
    candidates: tuple[CandidateAnswer, ...] = ()
    table: Table | None = None
    notices: tuple[str, ...] = ()
    partial: bool = False
    stopped_by: StoppedBy | None = None
    coverage: Coverage = Coverage()
    usage: Usage = Usage()
    model: str = ""
    run_id: str = ""
    seconds: float = 0.0
    data: Any = Field(default=None, exclude=True)
    error: dict[str, Any] | None = Field(default=None, exclude=True)

    @property
    def text(self) -> str:
        """The bare answer; "" when nothing in the input answers the question."""
        return self.answer

    @property
    def markdown(self) -> str:
        """The answer with its list of references, where `[n]` in a long text is number n; "" when there is no answer."""
        if not self.answer:
            return ""
        references = "\n".join(f"{number}. {citation.reference}" for number, citation in enumerate(self.citations, start=1))
        return f"{self.answer}\n\n## References\n\n{references}\n" if references else f"{self.answer}\n"

    def __str__(self) -> str:
        return self.answer

    def __repr_args__(self) -> Iterator[tuple[str | None, Any]]:
        yield None, self.answer if len(self.answer) <= 200 else f"{self.answer[:200]}…"
        yield from {name: getattr(self, name) for name in ("answered", "confidence", "stopped_by")}.items()
        yield "citations", len(self.citations)

    def _repr_html_(self) -> str:
        from extagents.display import answer_card

        return answer_card(self)


class BatchProgress(Frozen):
    """Where a batch stands. `seconds_left` is an estimate, None before anything is done; `reads` counts shards read.

    `done` counts questions with a result: `answered`, without an answer, `partial` and `failed` ones.
    """

    questions: int
    done: int = 0
    answered: int = 0
    partial: int = 0
    failed: int = 0
    under_way: int = 0
    reads: int = 0
    usage: Usage = Usage()
    seconds: float = 0.0
    seconds_left: float | None = None


class BatchSummary(Frozen):
    """How a batch ended. `unanswered`: done, and nothing in the input answers them; `not_done` were not begun or not ended.

    `before` of them were done by an earlier start. `usage` is that of all starts, `seconds` of this one; `cached_share`
    is of the input tokens. `questions_per_read` is how many stood in one read where several wanted the same shard.
    """

    run: str
    questions: int
    answered: int = 0
    unanswered: int = 0
    partial: int = 0
    failed: int = 0
    not_done: int = 0
    before: int = 0
    stopped_by: StoppedBy | None = None
    usage: Usage = Usage()
    cached_share: float = 0.0
    questions_per_read: int = 1
    seconds: float = 0.0


class Span(Frozen):
    """A stretch of compressed context and where it comes from: `text[out_start:out_end] == document.text[start:end]`."""

    document: str
    title: str
    start: int
    end: int
    page: int | None
    out_start: int
    out_end: int


class Compressed(Frozen):
    """What `compress` returns: context for a model, verbatim, in document order, with a map back to the sources.

    `tokens` counts `text`, `input_tokens` the whole input; `facts` are those whose quotes stand in `text`, best first.
    """

    text: str
    spans: tuple[Span, ...]
    tokens: int
    input_tokens: int
    granularity: Granularity
    facts: tuple[Fact, ...] = ()
    notices: tuple[str, ...] = ()
    partial: bool = False
    stopped_by: StoppedBy | None = None
    coverage: Coverage = Coverage()
    usage: Usage = Usage()
    model: str = ""
    run_id: str = ""
    seconds: float = 0.0

    @property
    def ratio(self) -> float:
        """How many times shorter than the input the text is."""
        return self.input_tokens / max(1, self.tokens)

    def __str__(self) -> str:
        return self.text

    def __repr_args__(self) -> Iterator[tuple[str | None, Any]]:
        yield from {name: getattr(self, name) for name in ("tokens", "input_tokens", "granularity", "stopped_by")}.items()
        yield "spans", len(self.spans)

    def _repr_html_(self) -> str:
        from extagents.display import compressed_card

        return compressed_card(self)


class Estimate(Frozen):
    """What a run would cost, lowest and highest, before anything is spent. `packing` says how shards are formed."""

    shards: int
    tokens: int
    packing: str
    calls: tuple[int, int]
    input_tokens: tuple[int, int]
    output_tokens: tuple[int, int]
    cost: tuple[float, float] | None
    model: str

    def _repr_html_(self) -> str:
        from extagents.display import estimate_card

        return estimate_card(self)
