"""The reader (seeking agent of ExtAgents, arXiv 2505.21471): one shard, one call, facts with quotes that are checked.

For a question that is computed, it reads the shard into the rows of a table instead, with a quote in every cell.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from pydantic import BaseModel

from extagents import prompts
from extagents.agents.calls import Desk
from extagents.agents.cells import check_rows
from extagents.agents.evidence import check_quotes, split
from extagents.gate import CallFailed
from extagents.models.base import Prompt
from extagents.tabular import RowsRead, TableSchema
from extagents.types import (
    AnswerType,
    Document,
    Finding,
    ReaderInput,
    ReaderQuestion,
    Reading,
    Readings,
    Report,
    RowsInput,
    Shard,
    ShardText,
    TermStatistics,
    Usage,
)

MOST_QUERIES = 3
ROWS_SHARE = 4  # a part of the window so large may be written where rows are read: a table's part can be long
MOST_ROWS = 8_000  # tokens of rows in one answer, at most: models bound what they write, and halves are read of the rest


@dataclass(frozen=True, slots=True)
class ReadJob:
    """One shard to be read in one wave, with what the others knew before that wave. `focused`: it is none of the packing's.

    With a `table`, the shard is read into its rows; the questions are then not shown.
    """

    run: str
    shard: Shard
    round: int
    wave: int
    questions: tuple[ReaderQuestion, ...]
    answer_type: AnswerType
    focused: bool = False
    table: TableSchema | None = None


@dataclass(frozen=True, slots=True)
class Sources:
    """Where a reader finds its text: the shard's sections, the documents (for pages), and the corpus' term statistics."""

    text: ShardText
    documents: Mapping[str, Document]
    statistics: TermStatistics | None = None


def reader_prompt(job: ReadJob, sources: Sources, desk: Desk) -> Prompt[Any]:
    """The prompt of a job: `system | shard | question | knowledge`, what changes between rounds last; or `… | table`."""
    if job.table is not None:
        return _rows_prompt(job.table, sources, desk)
    question = job.questions[0]
    shown = prompts.show_shard(sources.text)
    inputs = ReaderInput.model_construct(
        shard=sources.text,
        questions=job.questions,
        round=job.round,
        answer_type=job.answer_type,
        statistics=sources.statistics,
    )
    return desk.prompt(
        "reader",
        inputs,
        Reading,
        slots={
            "nonce": prompts.nonce(desk.secret, shown),
            "shard": shown,
            "question": question.core,
            "knowledge": prompts.show_facts(question.knowledge, quotes=False),
            "queries": prompts.show_list(question.open_queries),
        },
    )


def _rows_prompt(table: TableSchema, sources: Sources, desk: Desk) -> Prompt[RowsRead]:
    shown = prompts.show_shard(sources.text)
    inputs = RowsInput.model_construct(shard=sources.text, table=table, statistics=sources.statistics)
    made = desk.prompt(
        "reader",
        inputs,
        RowsRead,
        template="table_rows",
        output_tokens=max(desk.output_tokens, min(MOST_ROWS, desk.window // ROWS_SHARE)),
        slots={
            "nonce": prompts.nonce(desk.secret, shown),
            "shard": shown,
            "table": prompts.show_schema(table, desk.language),
        },
    )
    return replace(made, version=version_of(table, desk))


def version_of(table: TableSchema | None, desk: Desk) -> str:
    """What reports of such a reading are kept under: the template's version and, of rows, the table that they fill."""
    if table is None:
        return prompts.version("reader", desk.language, Reading, desk.own)
    made = prompts.version("table_rows", desk.language, RowsRead, desk.own)
    return f"{made}-{hashlib.blake2b(table.model_dump_json().encode(), digest_size=8).hexdigest()}"


def cache_key(prompt: Prompt[Any], shard: Shard, model: str) -> str:
    """The read cache's key: everything the reading depends on, the shard's place in its documents included."""
    digest = hashlib.blake2b(digest_size=20)
    for part in (model, prompt.version, str(prompt.max_output_tokens), shard.id, *(m.content for m in prompt.messages)):
        digest.update(part.encode("utf-8", "surrogatepass"))
        digest.update(b"\0")
    return digest.hexdigest()


async def read(job: ReadJob, prompt: Prompt[Any], sources: Sources, desk: Desk) -> Report:
    """Reads the shard and reports what it holds. A call that fails for good gives a report with `failure`.

    A shard that does not fit the model's window is split in two and both halves are read. Raises `gate.Stop` when budget or
    time ends, and a fatal `gate.CallFailed` (wrong key, endpoint out of reach), which no other shard would survive either.
    """
    report = Report(
        run=job.run, round=job.round, wave=job.wave, shard=job.shard.id, version=prompt.version, findings=(Finding(),)
    )
    try:
        called = await desk.gate.call(prompt, desk.account, call_id=f"read:{job.round}:{sources.text.id}")
    except CallFailed as failure:
        if failure.fatal:
            raise
        too_much = failure.kind == "truncated" and job.table is not None  # more rows than one answer holds
        if (failure.kind == "context_length" or too_much) and (halves := split(sources.text)):
            return await _read_halves(job, halves, sources, desk)
        return report.model_copy(update={"failure": failure.message, "usage": failure.usage or Usage()})
    finding = check(called.output, job, sources)
    return report.model_copy(update={"findings": (finding,), "usage": called.usage})


def together_prompt(jobs: Sequence[ReadJob], sources: Sources, desk: Desk, *, output_tokens: int) -> Prompt[Readings]:
    """One prompt for several questions about one shard; up to the questions it is that of every single one."""
    shown = prompts.show_shard(sources.text)
    questions = tuple(job.questions[0] for job in jobs)
    inputs = ReaderInput.model_construct(
        shard=sources.text, questions=questions, round=jobs[0].round, answer_type="text", statistics=sources.statistics
    )
    return desk.prompt(
        "reader",
        inputs,
        Readings,
        template="readers",
        output_tokens=output_tokens,
        slots={
            "nonce": prompts.nonce(desk.secret, shown),
            "shard": shown,
            "questions": prompts.show_questions(questions, desk.language),
            "count": str(len(questions)),
        },
    )


def parted(readings: Readings, count: int) -> list[Reading | None]:
    """What each of the questions brought; None for one that the reader left out, or wrote twice."""
    by_number: dict[int, list[Reading]] = {}
    for entry in readings.readings:
        reading = Reading(facts=entry.facts, queries=entry.queries, continues=entry.continues)
        by_number.setdefault(entry.question, []).append(reading)
    return [found[0] if len(found := by_number.get(number, [])) == 1 else None for number in range(1, count + 1)]


def report_of(job: ReadJob, prompt: Prompt[Reading], reading: Reading, sources: Sources, *, usage: Usage) -> Report:
    """The report of a job whose reading is there; `prompt` is that of the job alone, under whose version it is kept."""
    return Report(
        run=job.run,
        round=job.round,
        wave=job.wave,
        shard=job.shard.id,
        version=prompt.version,
        findings=(check(reading, job, sources),),
        usage=usage,
    )


async def _read_halves(job: ReadJob, halves: Sequence[ShardText], sources: Sources, desk: Desk) -> Report:
    parts = []
    for half in halves:
        part_sources = replace(sources, text=half)
        parts.append(await read(job, reader_prompt(job, part_sources, desk), part_sources, desk))
    findings = [part.findings[0] for part in parts]
    merged = Finding(
        rows=tuple(row for finding in findings for row in finding.rows),
        facts=tuple(fact for finding in findings for fact in finding.facts),
        queries=tuple(dict.fromkeys(query for finding in findings for query in finding.queries))[:MOST_QUERIES],
        continues=any(finding.continues for finding in findings),
    )
    failures = [part.failure for part in parts if part.failure]
    usage = Usage()
    for part in parts:
        usage = usage + part.usage
    parted = [reason for part in parts if (reason := part.failure or part.partly)]
    update = {
        "findings": (merged,),
        "usage": usage,
        "failure": failures[0] if len(failures) == len(parts) else None,
        "partly": parted[0] if parted and len(failures) < len(parts) else None,
    }
    return parts[0].model_copy(update=update)


def check(reading: BaseModel, job: ReadJob, sources: Sources) -> Finding:
    """Turns what a reader wrote into a finding: quotes located, queries tidied."""
    if isinstance(reading, RowsRead):
        assert job.table is not None
        return Finding(rows=check_rows(reading.rows, sources.text, sources.documents, job.table))
    assert isinstance(reading, Reading)
    facts = check_quotes(reading.facts, sources.text, sources.documents, shard=job.shard.id, round_=job.round)
    queries = tuple(dict.fromkeys(" ".join(query.split()) for query in reading.queries if query.strip()))[:MOST_QUERIES]
    return Finding(facts=facts, queries=queries, continues=reading.continues)
