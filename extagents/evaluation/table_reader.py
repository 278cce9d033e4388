"""A simulated language model that knows a made-up corpus and errs at known rates: for measuring what stands around a model.

Assumptions, all of them seeded and the same for the same prompt:

- It recognises a world's questions by their words, and cells of its tables by where their quotes stand; what is not shown to
  it it does not know. A name comes from the quote, from the text before it, or from the document's title, else the cell is
  lost.
- Reading (rows or facts): it misses 5% of the cells shown, misreads 1% (another number; where a row of a table holds several
  numbers, one time in ten a neighbour's, which no look at the quote can tell), and misquotes 1% (words that no text holds). The
  dice are thrown for each cell under each text: another reading of the same text errs alike, a text cut otherwise does not.
- Schemas: a column for everything a question needs that stands in the sample (in any year); what does not stand there is left
  out half the time. Columns of existing tables are used as they are.
- SQL: right where every column is there, of a fitting type; `missing` where one is not; a cast that loses values where its
  type does not fit. Numbers are converted to the column's unit. 3% of first statements name a column that is not there
  (mended when the error is shown), 1% lose their last condition or turn their order round.
- Two names: 1% of the verdicts are wrong.
- Reasoning in the head (ladder, single pass, map-reduce): it computes over the facts shown, the latest date of a cell
  counting, and takes one value in a hundred wrong; it cannot know what was not shown, and a prompt beyond the window is
  refused.

Counts of tokens are four characters each, one for a Chinese character.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from fractions import Fraction
from functools import cached_property
from typing import Any, TypeVar, cast

from pydantic import BaseModel

from extagents.errors import CallError
from extagents.evaluation import corpus_tables_check as check
from extagents.evaluation.baselines.loop import Asked
from extagents.evaluation.baselines.loop import tokens as tokens_of
from extagents.evaluation.baselines.map_reduce import Reduced, Result
from extagents.evaluation.corpus_tables import Statement, TableQuestion, World
from extagents.evaluation.corpus_tables_questions import Spec, answers_of
from extagents.evaluation.corpus_tables_worlds import Slot
from extagents.evaluation.table_reader_sql import Writer, column_of
from extagents.models.base import Completion, ModelInfo, Prompt
from extagents.tabular import (
    Column,
    NumberedSql,
    ProposedTable,
    ProposedTables,
    ReportedCell,
    ReportedRow,
    RowsRead,
    SameNames,
    WrittenSql,
    WrittenStatements,
)
from extagents.types import (
    AnswerType,
    Fact,
    Fused,
    FusionInput,
    NamesInput,
    Notes,
    NotesInput,
    Plain,
    Plan,
    PlannerInput,
    QuestionReading,
    ReaderInput,
    Reading,
    Readings,
    ReasonerInput,
    RecallInput,
    ReportedFact,
    RowsInput,
    Scan,
    ScanInput,
    SchemaInput,
    Section,
    ShardText,
    SingleInput,
    SinglePass,
    SqlInput,
    StatementsInput,
    Usage,
    Verdict,
)

T = TypeVar("T", bound=BaseModel)
_CLAIM = re.compile(r"^\s*(?:Information: )?\[(?P<name>[^\]]+)\] (?P<column>\w+) = (?P<raw>.*?) \((?P<date>[\d-]*)\)")
_HEADER = re.compile(r"^\[Document (?P<id>\S+): .*\]$", re.MULTILINE)
_ANSWER_TYPES: dict[str, AnswerType] = {
    "number": "number", "percent": "number", "list": "list", "ordered_list": "list", "yes_no": "yes_no", "str": "name",
}  # fmt: skip


@dataclass(frozen=True, slots=True)
class Rates:
    """How often it errs, each between 0 and 1; see the module."""

    miss: float = 0.05
    misread: float = 0.01
    misquote: float = 0.01
    neighbour: float = 0.1
    unseen: float = 0.5
    arithmetic: float = 0.01
    broken_sql: float = 0.03
    wrong_sql: float = 0.01
    names: float = 0.01


@dataclass(frozen=True, slots=True)
class Seen:
    """A cell as it was read in one text: `raw` and `quote` may be wrong."""

    entity: str
    slot: Slot
    raw: str
    quote: str
    date: str

    @property
    def claim(self) -> str:
        return f"[{self.entity}] {self.slot.name} = {self.raw} ({self.date})"


class TableReader:
    """The simulated model of one world. `window` is in tokens."""

    def __init__(
        self, world: World, *, seed: int = 0, rates: Rates | None = None, window: int = 32_768, name: str = "table-reader"
    ) -> None:
        self.world = world
        self.rates = rates or Rates()
        self.window = window
        self._seed = seed
        self._name = name
        self.endpoint = f"{name} {seed} {world.kind.name} {world.seed}"
        self.calls = 0

    @property
    def name(self) -> str:
        return self._name

    @property
    def local(self) -> bool:
        return False

    async def describe(self) -> ModelInfo:
        return ModelInfo(name=self._name, window=self.window)

    async def aclose(self) -> None:
        """Nothing is held open."""

    async def complete(
        self, prompt: Prompt[T], *, timeout: float | None = None, on_delta: Callable[[str], None] | None = None
    ) -> Completion[T]:
        self.calls += 1
        size = sum(tokens_of(message.content) for message in prompt.messages)
        if size + prompt.max_output_tokens > self.window:
            raise CallError("context_length", f"{size} tokens and {prompt.max_output_tokens} to write exceed {self.window}.")
        reply = self._reply(prompt)
        text = reply.model_dump_json()
        written = tokens_of(text)
        usage = Usage(calls=1, input_tokens=size, output_tokens=min(written, prompt.max_output_tokens))
        if written > prompt.max_output_tokens:
            cut = text[: int(len(text) * prompt.max_output_tokens / written)]
            return Completion(text=cut, usage=usage, finish="length", model=self._name)
        if on_delta is not None:
            on_delta(text)
        return Completion(text=text, usage=usage, output=cast(T, reply), model=self._name)

    def _reply(self, prompt: Prompt[Any]) -> BaseModel:
        inputs, room = prompt.inputs, int(prompt.max_output_tokens * 0.9)
        match inputs:
            case PlannerInput():
                return self._plan(inputs)
            case SchemaInput():
                return self._schema(inputs)
            case RowsInput():
                return self._rows(inputs)
            case SqlInput():
                return self._sql(inputs)
            case StatementsInput():
                alone = [self._sql(one) for one in inputs.inputs]
                told = [NumberedSql(question=number, **one.model_dump()) for number, one in enumerate(alone, start=1)]
                return WrittenStatements(statements=told)
            case NamesInput():
                return self._names(inputs)
            case ReaderInput():
                return self._read(inputs, prompt.output, room)
            case ScanInput():
                seen = self._seen(inputs.shard, self._spec(inputs.question))
                return Scan(facts=_reported(seen, room), drop=[], plan="")
            case ReasonerInput():
                answer = self._in_head(inputs.question, [fact.claim for fact in inputs.facts])
                return Verdict(answerable=bool(answer), answer=answer, confidence=0.7, facts=_used(inputs.facts), queries=[])
            case SingleInput():
                seen = self._seen(inputs.shard, self._spec(inputs.question))
                answer = self._in_head(inputs.question, [one.claim for one in seen])
                return SinglePass(facts=_reported(seen, room), answerable=bool(answer), answer=answer, confidence=0.7)
            case NotesInput():
                lines = [f"{fact.claim} [{n}]" for fact, n in zip(inputs.facts, inputs.numbers, strict=True)]
                return Notes(memory="\n".join(_within(lines, min(inputs.budget, room))), plan="")
            case RecallInput():
                answer = self._in_head(inputs.question, [fact.claim for fact in inputs.facts])
                return Verdict(answerable=bool(answer), answer=answer, confidence=0.6, facts=_used(inputs.facts), queries=[])
            case FusionInput():
                return _fused(inputs)
            case Asked():
                return self._baseline(prompt, inputs, room)
        raise CallError("bad_request", f"The simulated reader knows nothing of {type(inputs).__name__}.")

    # -------------------------------------------------------------- what it recognises

    @cached_property
    def _asked(self) -> dict[str, TableQuestion]:
        return {" ".join(question.question.split()): question for question in self.world.questions}

    @cached_property
    def _places(self) -> dict[str, list[Statement]]:
        places: dict[str, list[Statement]] = {}
        for statement in self.world.statements:
            places.setdefault(statement.document, []).append(statement)
        return places

    @cached_property
    def _forms(self) -> dict[str, tuple[str, ...]]:
        """The forms of each entity's name, longest first."""
        return {e.name: tuple(sorted(e.forms, key=len, reverse=True)) for e in self.world.entities}

    def _question(self, text: str) -> TableQuestion | None:
        folded = " ".join(text.split())
        if folded in self._asked:
            return self._asked[folded]
        return next((question for words, question in self._asked.items() if words in folded), None)

    def _spec(self, text: str) -> Spec | None:
        question = self._question(text)
        return question.spec if question else None

    def _chance(self, *parts: object) -> float:
        """A number from 0 to 1 that depends on the seed and these parts alone."""
        told = "\x1f".join(map(str, (self._seed, *parts))).encode("utf-8", "replace")
        return int.from_bytes(hashlib.blake2b(told, digest_size=8).digest(), "big") / 2**64

    # -------------------------------------------------------------- the analyst

    def _plan(self, inputs: PlannerInput) -> Plan:
        question = self._question(inputs.question)
        if question is None or question.spec is None:
            return Plan(core=inputs.question, instructions="", kind="lookup", answer_type="text", queries=[inputs.question])
        labels = [slot.label(question.language) for slot in question.spec.slots]
        answer_type = "text" if question.form == "group" else _ANSWER_TYPES[question.answer_type]
        return Plan(core=inputs.question, instructions="", kind="aggregate", answer_type=answer_type, queries=labels[:5])

    def _schema(self, inputs: SchemaInput) -> ProposedTables:
        shown = {statement.slot.attribute.name for _, statement, _ in self._standing(inputs.sample)}
        text = _text(inputs.sample)
        columns: dict[str, Column] = {}
        whole = []
        for number, words in enumerate(inputs.questions, start=1):
            spec = self._spec(words)
            if spec is None:
                continue
            whole.append(number)
            for slot in spec.slots:
                seen = slot.attribute.name in shown
                if seen or self._chance("schema", text, slot.name) >= self.rates.unseen:
                    known = (column_of(slot, table, self.world.language) for table in inputs.existing)
                    columns[slot.name] = next((column for column in known if column), slot.column(self.world.language))
        if not columns:
            return ProposedTables(tables=[])
        noun = self.world.kind.nouns[self.world.language][0]
        entity = inputs.existing[0].entity if inputs.existing else noun
        table = ProposedTable(
            entity=entity, documents=self.world.kind.titles[self.world.language][0], columns=list(columns.values()), whole=whole
        )
        return ProposedTables(tables=[table])

    def _sql(self, inputs: SqlInput) -> WrittenSql:
        question = self._question(inputs.question)
        writer = Writer(self.world, inputs)
        if question is None or question.spec is None:
            return writer.unknown()
        dice = (inputs.question, inputs.opinion)
        broken = not inputs.failed and self._chance("broken", *dice) < self.rates.broken_sql
        return writer.statement(question, broken=broken, wrong=self._chance("wrong", *dice) < self.rates.wrong_sql)

    def _names(self, inputs: NamesInput) -> SameNames:
        same = []
        for number, (one, other) in enumerate(inputs.pairs, start=1):
            first, second = (self.world.names.get(check.normalised(name), name) for name in (one, other))
            wrong = self._chance("names", one, other) < self.rates.names
            if (first == second) != wrong:
                same.append(number)
        return SameNames(same=same)

    # -------------------------------------------------------------- reading

    def _standing(self, shard: ShardText) -> Iterator[tuple[Section, Statement, str]]:
        """What the text says of the table, each with its section and the name under which it can be read there."""
        for section in shard.sections:
            for one in self._places.get(section.document, ()):
                at = one.start - section.start
                if at < 0 or section.text[at : at + len(one.quote)] != one.quote:
                    continue
                name = self._called_there(one, section.text[:at], section.title)
                if name:
                    yield section, one, name

    def _called_there(self, one: Statement, before: str, title: str) -> str:
        """How the text calls the entity: in the quote, before it, in the title; "" where it does not."""
        forms = self._forms[one.entity]
        return next((form for place in (one.quote, before, title) for form in forms if form in place), "")

    def _read_cell(self, one: Statement, name: str, text: str, date: str) -> Seen | None:
        """A cell as it is read, None if it is missed."""
        dice = (text, one.entity, one.slot.name, one.document, one.start)
        chance, rates = self._chance("cell", *dice), self.rates
        if chance < rates.miss:
            return None
        raw, quote = one.raw, one.quote
        if chance < rates.miss + rates.misread:
            raw = self._misread(one, self._chance("which", *dice))
        elif chance < rates.miss + rates.misread + rates.misquote:
            quote = f"{name} ({one.slot.label(self.world.language)}) – {raw}, ~{int(1e6 * self._chance('quote', *dice))}"
        return Seen(name, one.slot, raw, quote, date)

    def _misread(self, one: Statement, chance: float) -> str:
        """Another value: that of a neighbour in the same line, or another figure, name or date."""
        beside = [
            other.raw
            for other in self._places[one.document]
            if other.start == one.start and other.raw != one.raw and other.slot.attribute.name == one.slot.attribute.name
        ]
        if beside and chance < self.rates.neighbour:
            return beside[int(chance / self.rates.neighbour * len(beside))]
        digits = re.search(r"\d", one.raw)
        if digits:
            other_digit = str((int(digits[0]) + 1 + int(chance * 7)) % 10 or 4)
            return one.raw[: digits.start()] + other_digit + one.raw[digits.end() :]
        others = [s.raw for s in self.world.statements if s.slot.attribute is one.slot.attribute and s.raw != one.raw]
        return others[int(chance * len(others))] if others else one.raw

    def _cells(self, shard: ShardText, wanted: Callable[[Slot], bool]) -> list[tuple[Section, Seen]]:
        text = _text(shard)
        found = []
        for section, one, name in self._standing(shard):
            if wanted(one.slot):
                date = one.date if section.start < 300 else ""  # the opening tells it
                seen = self._read_cell(one, name, text, date)
                if seen is not None:
                    found.append((section, seen))
        return found

    def _rows(self, inputs: RowsInput) -> RowsRead:
        columns = {slot.name: column_of(slot, inputs.table, self.world.language) for slot in self.world.slots}
        rows: dict[tuple[str, str, str], list[ReportedCell]] = {}
        for section, seen in self._cells(inputs.shard, lambda slot: columns[slot.name] is not None):
            column = columns[seen.slot.name]
            assert column is not None
            cell = ReportedCell(column=column.name, value=seen.raw, quote=seen.quote)
            rows.setdefault((section.document, seen.entity, seen.date), []).append(cell)
        made = [ReportedRow(entity=name, date=date, cells=cells) for (_, name, date), cells in rows.items()]
        return RowsRead(rows=made)

    def _seen(self, shard: ShardText, spec: Spec | None) -> list[Seen]:
        if spec is None:
            return []
        names = {slot.name for slot in spec.slots}
        return self._of(spec, [seen for _, seen in self._cells(shard, lambda slot: slot.name in names)])

    def _of(self, spec: Spec, seen: Iterable[Seen]) -> list[Seen]:
        """Those on the entities that the question names, if it names some."""
        return [one for one in seen if not spec.names or self.world.names[check.normalised(one.entity)] in spec.names]

    def _read(self, inputs: ReaderInput, output: type[BaseModel], room: int) -> BaseModel:
        found = [self._seen(inputs.shard, self._spec(question.core)) for question in inputs.questions]
        if issubclass(output, Reading):
            return Reading(facts=_reported(found[0], room), queries=[])
        share = room // max(1, len(found))
        return Readings(
            readings=[
                QuestionReading(question=number, facts=_reported(seen, share), queries=[])
                for number, seen in enumerate(found, start=1)
            ]
        )

    # -------------------------------------------------------------- in the head

    def _in_head(self, text: str, claims: Sequence[str]) -> str:
        """The answer over the facts shown, "" where they do not bear one."""
        question = self._question(text)
        if question is None or question.spec is None:
            return ""
        slots = {slot.name: slot for slot in question.spec.slots}
        told: dict[tuple[str, str], tuple[str, str]] = {}
        for claim in claims:
            match = _CLAIM.match(claim)
            name = self.world.names.get(check.normalised(match["name"])) if match else None
            if match and name and match["column"] in slots:
                place = (name, match["column"])
                if place not in told or match["date"] >= told[place][0]:
                    told[place] = (match["date"], match["raw"])
        table: dict[str, dict[str, Any]] = {}
        shown = str(sorted(told))
        for (name, column), (_, raw) in told.items():
            value = _value(slots[column], raw)
            if self._chance("head", text, shown, name, column) < self.rates.arithmetic:
                value = value * Fraction(11, 10) if isinstance(value, Fraction) else None
            if value is not None:
                table.setdefault(name, {})[column] = value
        return said(question, table) if table else ""

    # -------------------------------------------------------------- the published loops

    def _baseline(self, prompt: Prompt[Any], inputs: Asked, room: int) -> BaseModel:
        text = prompt.messages[-1].content
        if prompt.output is Reduced or inputs.step == "collapse":
            lines = [line for line in text.splitlines() if _CLAIM.match(line)]
            if prompt.output is Reduced:
                return Reduced(rationale="", answer=self._in_head(text, lines))
            kept = [line.removeprefix("Information: ") for line in lines]
            return _result(_within(kept, room))
        question = self._question(text)
        seen = self._in_prompt(text, question.spec) if question and question.spec else []
        if prompt.output is Result:
            return _result(_within([one.claim for one in seen], room))
        if prompt.output is Plain and inputs.loop in ("single_pass", "bm25"):
            return Plain(text=self._in_head(text, [one.claim for one in seen]) or "NO ANSWER")
        raise CallError("bad_request", f"The simulated reader does not play {inputs.loop}.")

    def _in_prompt(self, text: str, spec: Spec) -> list[Seen]:
        """What a rendered prompt says that the question needs: documents under headers, and what goes on before the first."""
        names = {slot.name for slot in spec.slots}
        headers = [*_HEADER.finditer(text)]
        stretches = [(header["id"], header.end(), header[0]) for header in headers]
        ends = [*(header.start() for header in headers[1:]), len(text)][: len(headers)]
        found = []
        for (document, start, title), end in zip(stretches, ends, strict=True):
            stretch = text[start:end]
            for one in self._places.get(document, ()):
                at = stretch.find(one.quote) if one.slot.name in names else -1
                if at >= 0 and (name := self._called_there(one, stretch[:at], title)):
                    found.append(self._read_cell(one, name, text, one.date))
        before = text[: headers[0].start()] if headers else text
        for one in self.world.statements:
            if one.slot.name in names and one.quote in before and (name := self._called_there(one, "", "")):
                found.append(self._read_cell(one, name, text, ""))
        return self._of(spec, [one for one in found if one is not None])


def said(question: TableQuestion, table: dict[str, dict[str, Any]]) -> str:
    """The answer over values as they were read, in the words of the question's language; "" where they do not bear one."""
    spec = question.spec
    assert spec is not None
    try:
        answer = check.again(spec, table)
    except (LookupError, StopIteration, ZeroDivisionError, ValueError):
        return ""  # a value that the computation needs is not among the facts
    if isinstance(answer, Fraction):
        answer = float(answer)
    answers, *_ = answers_of(spec, answer, question.language)
    return answers[0]


def _value(slot: Slot, raw: str) -> Any:
    try:
        return check.value_of(slot, raw)
    except ValueError:
        return None


def _text(shard: ShardText) -> str:
    return "\n".join(f"{section.document} {section.start}\n{section.text}" for section in shard.sections)


def _reported(seen: Sequence[Seen], room: int) -> list[ReportedFact]:
    """As many facts as fit so many tokens."""
    kept = []
    for one in seen:
        room -= tokens_of(one.claim) + tokens_of(one.quote) + 20
        if room < 0:
            break
        kept.append(ReportedFact(claim=one.claim, quote=one.quote, relevance=0.8))
    return kept


def _within(lines: Sequence[str], room: int) -> list[str]:
    kept = []
    for line in lines:
        room -= tokens_of(line) + 2
        if room < 0:
            break
        kept.append(line)
    return kept


def _result(lines: Sequence[str]) -> Result:
    return Result(extracted_information="\n".join(lines), rationale="", answer="", confidence=4.0 if lines else 0.0)


def _used(facts: Sequence[Fact]) -> list[int]:
    return list(range(1, min(len(facts), 40) + 1))


def _fused(inputs: FusionInput) -> Fused:
    """The answer that most candidates give; the table's where they all differ, else the surest."""
    answers = [check.normalised(candidate.answer) for candidate in inputs.candidates]
    best = max(
        range(len(answers)),
        key=lambda n: (answers.count(answers[n]), inputs.candidates[n].path == "table", inputs.candidates[n].confidence),
    )
    chosen = inputs.candidates[best]
    return Fused(answerable=True, answer=chosen.answer, confidence=chosen.confidence, facts=_used(inputs.facts))
