"""Compressed context in a run: one pass over it where the ladder is unsure, or the context itself as the result."""

from __future__ import annotations

import asyncio

from extagents import events
from extagents.agents import single
from extagents.agents.compressor import compress, shard_text
from extagents.agents.evidence import check_quotes
from extagents.answers import bears, quotable
from extagents.corpus.shards import header_tokens
from extagents.ending import end_reading, keep_events, reckoning
from extagents.gate import CallFailed, Stop
from extagents.packing import most_shard_tokens
from extagents.types import Candidate, Compressed, Fact, ShardText, SinglePass
from extagents.workspace import Workspace

CONDENSED = 2_000  # tokens of compressed context that one pass reads, at most: more of it brought more wrong answers
LEADS = 4  # passages of the index for each query, in what the quotes leave of them
LED_BY_FACTS, LED_BY_QUERIES = 8, 6  # of the best facts, and of the open queries, so many are such queries
NOTHING_FOUND = "Nothing in the input that matters to the question was found."


async def pass_over(workspace: Workspace, text: ShardText, *, final: bool) -> SinglePass:
    """One call over the text. An answer whose quotes hold becomes a candidate (path `single`).

    `final` may use what is kept for the answer. Raises `gate.Stop` and `gate.CallFailed`.
    """
    made, desk = workspace.plan, workspace.desk
    prompt = single.single_prompt(
        made.core, text, desk, kind=made.kind, answer_type=made.answer_type, statistics=workspace.corpus.index
    )
    passed, _ = await workspace.guard(single.answer_at_once(prompt, desk, final=final))
    workspace.tried.add("single")
    facts = await asyncio.to_thread(check_quotes, passed.facts, text, workspace.corpus.by_id, shard=text.id)
    verified = tuple(fact for fact in facts if fact.verified)
    answer = passed.answer.strip()
    if not passed.answerable or not answer:
        return passed
    expected = quotable(made.kind, made.answer_type, answer, [fact.quote for fact in verified])
    bearing = tuple(fact for fact in verified if not expected or bears(answer, fact.quote, fact.title, made.core))
    if bearing:
        candidate = Candidate(path="single", answer=answer, confidence=passed.confidence, facts=verified)
        workspace.candidates.append(candidate)
        workspace.emit(events.CandidateFound(candidate=candidate.shown))
    return passed


async def condense(workspace: Workspace) -> None:
    """Reads the compressed context in one pass and offers the answer as a candidate (path `single`)."""
    desk = workspace.desk
    room = most_shard_tokens(desk.window, output_tokens=2 * desk.output_tokens, knowledge_tokens=0)
    workspace.emit(events.Progress(phase="compress", usage=workspace.account.usage))
    text = await asyncio.to_thread(_readable, workspace, min(room, CONDENSED))
    if not text.sections:
        return
    try:
        await pass_over(workspace, text, final=False)
    except Stop as stop:
        workspace.halt(stop.stopped_by)
    except CallFailed as failure:
        if failure.fatal:
            workspace.fatal = failure
        else:
            workspace.notice(f"The pass over compressed context failed: {failure.message}")


def _readable(workspace: Workspace, room: int) -> ShardText:
    """The compressed context as a shard of at most `room` tokens, the headers of its sections included."""
    corpus, tokens = workspace.corpus, room
    ledger = workspace.ledger
    # Half is for what was found, half for leads; of what either leaves, the other takes. A quote takes a token at least.
    places = [*ledger.knowledge(room // 2), *_leads(workspace), *ledger.ranked[:room]]
    while True:
        context = compress(places, corpus.documents, tokens=tokens, counter=corpus.counter)
        size = context.tokens + sum(header_tokens(span.title) for span in context.spans)
        if size <= room:
            return shard_text(context, name=f"condensed:{workspace.run_id}")
        tokens -= size - room


def _leads(workspace: Workspace) -> list[Fact]:
    """Passages that may hold what no reader noticed: the index's best for the question, what is open, and the best facts."""
    made, corpus = workspace.plan, workspace.corpus
    claims = (fact.claim for fact in workspace.ledger.ranked[:LED_BY_FACTS])
    queries = dict.fromkeys((made.core, *made.queries, *workspace.open_queries[:LED_BY_QUERIES], *claims))
    found = [corpus.search(query, k=LEADS) for query in queries]
    ranked = [hits[place] for place in range(LEADS) for hits in found if place < len(hits)]
    return [
        Fact(
            id=f"{hit.document}:{hit.start}",
            claim=hit.title,
            quote=hit.text,
            document=hit.document,
            start=hit.start,
            end=hit.end,
            relevance=0.0,
            shard="",
            round=0,
        )
        for hit in ranked
    ]


async def compressed(workspace: Workspace) -> Compressed:
    """The compressed context that `compress` returns, with an exact account of what was read."""
    failures = end_reading(workspace)
    workspace.emit(events.Progress(phase="compress", usage=workspace.account.usage))
    for notice in failures:
        workspace.notice(notice)
    request, corpus = workspace.request, workspace.corpus
    context = await asyncio.to_thread(
        compress,
        workspace.ledger.ranked,
        corpus.documents,
        tokens=request.tokens,
        granularity=request.granularity,
        counter=corpus.counter,
    )
    input_tokens = await asyncio.to_thread(lambda: corpus.tokens)
    found = sum(fact.verified for fact in workspace.ledger.ranked)
    if not found:
        workspace.notice(NOTHING_FOUND)
    elif len(context.facts) < found:
        workspace.notice(f"{found - len(context.facts):,} of {found:,} places found do not fit into {request.tokens:,} tokens.")
    await keep_events(workspace)
    return Compressed(
        text=context.text,
        spans=context.spans,
        tokens=context.tokens,
        input_tokens=input_tokens,
        granularity=request.granularity,
        facts=context.facts,
        **reckoning(workspace),
    )
