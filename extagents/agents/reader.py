"""The reader (seeking agent of ExtAgents, arXiv 2505.21471): one shard, one call, facts with quotes that are checked."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

from extagents import prompts
from extagents.agents.calls import Desk
from extagents.corpus.quotes import locate
from extagents.gate import CallFailed
from extagents.memory.ledger import fact_id
from extagents.models.base import Prompt
from extagents.types import (
    AnswerType,
    Document,
    Fact,
    Finding,
    ReaderInput,
    ReaderQuestion,
    Reading,
    Report,
    ReportedFact,
    Section,
    Shard,
    ShardText,
    TermStatistics,
    Usage,
)

MOST_QUERIES = 3
SMALLEST_PART = 200  # characters: a shard this short is not split any further


@dataclass(frozen=True, slots=True)
class ReadJob:
    """One shard to be read in one wave, with what the others knew before that wave."""

    run: str
    shard: Shard
    round: int
    wave: int
    questions: tuple[ReaderQuestion, ...]
    answer_type: AnswerType


@dataclass(frozen=True, slots=True)
class Sources:
    """Where a reader finds its text: the shard's sections, the documents (for pages), and the corpus' term statistics."""

    text: ShardText
    documents: Mapping[str, Document]
    statistics: TermStatistics | None = None


def reader_prompt(job: ReadJob, sources: Sources, desk: Desk) -> Prompt[Reading]:
    """The prompt of a job: `system | shard | question | knowledge`, what changes between rounds last."""
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


def cache_key(prompt: Prompt[Reading], shard: Shard, model: str) -> str:
    """The read cache's key: everything the reading depends on, the shard's place in its documents included."""
    digest = hashlib.blake2b(digest_size=20)
    for part in (model, prompt.version, str(prompt.max_output_tokens), shard.id, *(m.content for m in prompt.messages)):
        digest.update(part.encode("utf-8", "surrogatepass"))
        digest.update(b"\0")
    return digest.hexdigest()


async def read(job: ReadJob, prompt: Prompt[Reading], sources: Sources, desk: Desk) -> Report:
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
        if failure.kind == "context_length" and (halves := split(sources.text)):
            return await _read_halves(job, halves, sources, desk)
        return report.model_copy(update={"failure": failure.message, "usage": failure.usage or Usage()})
    finding = check(called.output, job, sources)
    return report.model_copy(update={"findings": (finding,), "usage": called.usage})


async def _read_halves(job: ReadJob, halves: Sequence[ShardText], sources: Sources, desk: Desk) -> Report:
    parts = []
    for half in halves:
        part_sources = replace(sources, text=half)
        parts.append(await read(job, reader_prompt(job, part_sources, desk), part_sources, desk))
    findings = [part.findings[0] for part in parts]
    merged = Finding(
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


def split(text: ShardText) -> tuple[ShardText, ShardText] | None:
    """The shard in two halves of about equal length, or None where it is too short to be cut."""
    total = sum(len(section.text) for section in text.sections)
    if total < 2 * SMALLEST_PART:
        return None
    first: list[Section] = []
    second: list[Section] = []
    room = total // 2
    for section in text.sections:
        if room <= 0:
            second.append(section)
        elif len(section.text) <= room:
            first.append(section)
            room -= len(section.text)
        else:
            cut = max(section.text.rfind("\n", room // 2, room), section.text.rfind(" ", room // 2, room)) + 1 or room
            first.append(section.model_copy(update={"text": section.text[:cut], "end": section.start + cut}))
            second.append(section.model_copy(update={"text": section.text[cut:], "start": section.start + cut}))
            room = 0
    halves = (tuple(s for s in first if s.text), tuple(s for s in second if s.text))
    return (
        (ShardText(id=f"{text.id}.1", sections=halves[0]), ShardText(id=f"{text.id}.2", sections=halves[1]))
        if all(halves)
        else None
    )


def check(reading: Reading, job: ReadJob, sources: Sources) -> Finding:
    """Turns what a reader wrote into a finding: quotes located, queries tidied."""
    facts = check_quotes(reading.facts, sources.text, sources.documents, shard=job.shard.id, round_=job.round)
    queries = tuple(dict.fromkeys(" ".join(query.split()) for query in reading.queries if query.strip()))[:MOST_QUERIES]
    return Finding(facts=facts, queries=queries, continues=reading.continues)


def check_quotes(
    reported: Sequence[ReportedFact], text: ShardText, documents: Mapping[str, Document], *, shard: str, round_: int = 1
) -> tuple[Fact, ...]:
    """Locates every quote and replaces it by the document's own words there; what cannot be located is unverified."""
    facts = (_fact(fact, text, documents, shard, round_) for fact in reported)
    return tuple(fact for fact in facts if fact is not None)


def _fact(reported: ReportedFact, text: ShardText, documents: Mapping[str, Document], shard: str, round_: int) -> Fact | None:
    claim = " ".join(reported.claim.split()) or " ".join(reported.quote.split())
    if not claim:
        return None
    found = locate(reported.quote, text)
    if found is None:
        document = text.sections[0].document if len(text.sections) == 1 else ""
        return Fact(
            id=fact_id(document, claim),
            claim=claim,
            quote=reported.quote,
            document=document,
            relevance=reported.relevance,
            shard=shard,
            round=round_,
        )
    source = documents.get(found.document)
    return Fact(
        id=fact_id(found.document, claim, found.start, found.end),
        claim=claim,
        quote=found.text,
        document=found.document,
        start=found.start,
        end=found.end,
        page=source.page_at(found.start) if source is not None else found.page,
        relevance=reported.relevance,
        shard=shard,
        round=round_,
        title=found.title,
    )
