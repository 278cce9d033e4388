"""How a run ends: the verdict becomes the answer that is given, with citations checked once more and an exact account."""

from __future__ import annotations

import asyncio
import re
from typing import Any

from extagents import confidence, events
from extagents.agents import fusion
from extagents.agents.reasoner import Judgement, Ladder
from extagents.errors import StoreError
from extagents.gate import CallFailed, Stop
from extagents.types import Answer, Candidate, Citation, Coverage
from extagents.workspace import Workspace
from extagents.writing import write

NO_TABLE = "Nothing in the input could be put into rows for this question."
ONLY_TABLES = "Without a language model, what is to be counted or compared is answered from tables alone; none fits here."
NOTHING_SO_FAR = "Nothing found so far that answers the question."
UNJUDGED = "The run ended before the model had judged what was found. Most relevant seemed:"
MOST_QUOTED = 300  # characters of a quote in a notice
AROUND = 240  # characters of a document on each side of a quote
_BORDER = re.compile(r"\s+|(?<=[。！？；，、])")
BY_WORDS = "The run ended before the model had judged what was found; the answer was taken from it by words alone."


async def fuse(workspace: Workspace) -> Answer:
    """The answer that is given, with citations checked once more and an exact account of what was read."""
    failures = end_reading(workspace)
    workspace.emit(events.Progress(phase="fuse", usage=workspace.account.usage))
    judgement = await _last_judgement(workspace)
    if judgement.answer and judgement.verified and (judgement.stable or leads(judgement) or workspace.stopped_by):
        workspace.judgement = judgement
        workspace.candidates.append(
            Candidate(path="ladder", answer=judgement.answer, confidence=judgement.confidence, facts=judgement.facts)
        )
    weigh(workspace)
    verified = [fact for fact in workspace.ledger.ranked if fact.verified]
    written: list[str] = []

    def on_delta(text: str) -> None:
        written.append(text)
        workspace.emit(events.AnswerDelta(text=text))

    long = await write(workspace)
    try:
        outcome = (
            await fusion.fuse(
                workspace.plan,
                given(workspace),
                verified,
                workspace.desk,
                schema=workspace.request.schema,
                statistics=workspace.corpus.index,
                on_delta=on_delta,
            )
            if long is None
            else fusion.Outcome(long.text, long.confidence)
        )
    except Stop as stop:
        workspace.halt(stop.stopped_by)
        outcome = _unwritten(workspace)
    for notice in (*failures, *outcome.notices):
        workspace.notice(notice)
    citations = long.citations if long is not None else ()
    if outcome.answer and long is None:
        most = fusion.MOST_CITATIONS if workspace.table is None else fusion.MOST_CELLS
        citations = fusion.cite(outcome.answer, outcome.facts, workspace.corpus.by_id, most=most)
    if outcome.answer and not citations and "verification" not in workspace.settings.without:
        workspace.notice("An answer was found whose evidence could not be verified; it is not given.")
        outcome = fusion.Outcome()
    citations = tuple(in_context(citation, workspace.corpus.by_id[citation.document].text) for citation in citations)
    answered = bool(outcome.answer)
    if not answered and workspace.stopped_by is not None:
        workspace.notice(NOTHING_SO_FAR)
    for block in long.blocks if long is not None else ():
        on_delta(block)
    if answered and not written:
        workspace.emit(events.AnswerDelta(text=outcome.answer))
    await keep_events(workspace)
    return Answer(
        answer=outcome.answer,
        answered=answered,
        confidence=round(outcome.confidence, 4) if answered else 0.0,
        kind=workspace.plan.kind,
        strategy=workspace.settings.strategy,
        citations=citations,
        candidates=tuple(candidate.shown for candidate in workspace.candidates),
        data=outcome.data,
        table=workspace.table,
        **reckoning(workspace),
    )


async def tabulated(workspace: Workspace) -> Answer:
    """What a run gives that was asked for the table alone: no answer, but the rows."""
    for notice in end_reading(workspace):
        workspace.notice(notice)
    workspace.emit(events.Progress(phase="fuse", usage=workspace.account.usage))
    if workspace.table is None:
        workspace.notice(NO_TABLE if workspace.stopped_by is None else NOTHING_SO_FAR)
    await keep_events(workspace)
    return Answer(
        answer="",
        answered=False,
        confidence=0.0,
        kind=workspace.plan.kind,
        strategy=workspace.settings.strategy,
        table=workspace.table,
        **reckoning(workspace),
    )


def weigh(workspace: Workspace) -> None:
    """Gives every candidate its calibrated confidence, and keeps with the run what that rests on."""
    known = [confidence.signals(workspace, candidate) for candidate in workspace.candidates]
    workspace.signals = [told.model_dump() for told in known]
    pairs = zip(workspace.candidates, known, strict=True)
    # A computed answer's confidence says how its statements agreed, and on how full a table: the ladder's fit knows neither.
    workspace.candidates = [
        one if one.path == "table" else one.model_copy(update={"confidence": confidence.calibrated(told)})
        for one, told in pairs
    ]


def given(workspace: Workspace) -> list[Candidate]:
    """The candidates that an answer may be made of; none, with a notice, where they are more likely wrong than right.

    That is for the ladder's doubts: what it is sure of, and what was answered without it, always counts. A run that was told to
    end gives the best that it has.
    """
    candidates, judgement = workspace.candidates, workspace.judgement
    computed = any(candidate.path == "table" for candidate in candidates)
    if candidates and not computed and "table" in workspace.tried and workspace.gate.model("reasoner").name == "extractive":
        workspace.notice(ONLY_TABLES)  # words alone do not count, rank or add up: what looks like an answer is a fragment
        return []
    if not candidates or workspace.stopped_by is not None or judgement.answered or not judgement.rungs:
        return candidates
    best = max(candidates, key=lambda candidate: candidate.confidence)
    if best.confidence >= confidence.LEAST:
        return candidates
    workspace.notice("What was found points to an answer, but too weakly to give it; the candidates say what it would be.")
    return []


def end_reading(workspace: Workspace) -> list[str]:
    """Ends the reading, whatever the result is to be: what could not be read, in words. Raises what made the run fail."""
    if workspace.fatal is not None:
        raise workspace.fatal
    workspace.release()  # from here on only the deadline itself counts
    failures = _failures(workspace)
    if workspace.stopped_by is not None and workspace.account.trouble:
        workspace.notice(f"When the run ended, the model was failing: {workspace.account.trouble}")
    return failures


def in_context(citation: Citation, text: str) -> Citation:
    """The citation with its document's text around the quote, cut between words: what a reader sees when it opens."""
    start, end = max(0, citation.start - AROUND), min(len(text), citation.end + AROUND)
    before, after = text[start : citation.start], text[citation.end : end]
    if start:
        cut = _BORDER.search(before)
        before = f"…{before[cut.end() if cut is not None else 0 :]}"
    if end < len(text):
        *_, last = (0, *(border.start() for border in _BORDER.finditer(after)))
        after = f"{after[: last or None]}…"
    return citation.model_copy(update={"before": before, "after": after})


async def keep_events(workspace: Workspace) -> None:
    """Tells that the run is done, and stores the events that wait; a memory that fails now costs a notice, not the result."""
    account = workspace.account
    workspace.emit(events.Progress(phase="done", usage=account.usage, roles=dict(account.roles)))
    try:
        await workspace.store_events()
    except StoreError as error:
        workspace.notice(f"The run's events could not be stored: {error.message}")


def reckoning(workspace: Workspace) -> dict[str, Any]:
    """What every result says of its run: notices, how it ended, what was read, what it cost."""
    return {
        "notices": tuple(workspace.notices),
        "partial": workspace.stopped_by is not None,
        "stopped_by": workspace.stopped_by,
        "coverage": coverage(workspace),
        "usage": workspace.account.usage,
        "model": workspace.gate.model("reader").name,
        "run_id": workspace.run_id,
        "seconds": round(asyncio.get_running_loop().time() - workspace.started, 3),
    }


def leads(judgement: Judgement) -> bool:
    """Whether an answer that never became stable may be given all the same: several prompts gave it, and no other as often."""
    return judgement.votes > max(1, judgement.rival)


async def _last_judgement(workspace: Workspace) -> Judgement:
    """The ladder's verdict; for a run that was told to end before it had one, one last call over what was found."""
    judgement, ladder = workspace.judgement, workspace.ladder
    ended = workspace.stopped_by is not None and workspace.plan.kind != "summary"
    if not ended or ladder is None or not len(workspace.ledger) or (judgement.answer and judgement.verified):
        return judgement
    paid = ladder.so_far(workspace.ledger.ranked)
    if paid.answer and paid.verified:
        return paid
    try:
        last = await ladder.last(workspace.ledger.ranked)
    except (Stop, CallFailed):
        last = judgement
    if last.rungs or judgement.rungs:  # somebody has judged what was found, or a part of it
        return last
    return await _by_words(workspace, ladder)


async def _by_words(workspace: Workspace, ladder: Ladder) -> Judgement:
    """What the words of the facts alone say, where the run ended before the model had judged any of them."""
    from extagents.models.extractive import ExtractiveModel

    judgement = await ladder.by_words(workspace.ledger.ranked, ExtractiveModel())
    best = next(iter(ladder.fitting(workspace.ledger.ranked)), None)
    if judgement.answer and judgement.verified:
        workspace.notice(BY_WORDS)
    elif best is not None:
        quote = " ".join(best.quote.split())
        workspace.notice(f'{UNJUDGED} "{quote[:MOST_QUOTED]}" ({best.title or best.document})')
    return judgement


def _unwritten(workspace: Workspace) -> fusion.Outcome:
    """The best candidate as it stands, where the call that would have written the answer could not be paid."""
    best = max(workspace.candidates, key=lambda candidate: candidate.confidence, default=None)
    if best is None:
        return fusion.Outcome()
    notice = "The run ended before the answer could be put into the form asked for."
    return fusion.filled(fusion.Outcome(best.answer, best.confidence, best.facts, notices=(notice,)), workspace.request.schema)


def _failures(workspace: Workspace) -> list[str]:
    """What could not be read, in a line; a run in which nothing could be read at all is an error."""
    if not workspace.failed:
        count = len(workspace.partly)
        reason = next(iter(workspace.partly.values()), "")
        return [f"Parts of {count} of {len(workspace.shards)} shards could not be read: {reason}"] if count else []
    reasons = list(dict.fromkeys(workspace.failed.values()))
    count, everything = len(workspace.failed), len(workspace.failed) >= len(workspace.shards)
    if everything and workspace.stopped_by is None:
        raise workspace.every_shard_failed(reasons[0])
    more = f" and {len(reasons) - 1} other reasons" if len(reasons) > 1 else ""
    return [f"{count} of {len(workspace.shards)} shards could not be read: {reasons[0]}{more}"]


def coverage(workspace: Workspace) -> Coverage:
    """How much was read, exactly."""
    return Coverage(
        shards_read=len(workspace.shards) - len(workspace.unread) - len(workspace.failed),
        shards=len(workspace.shards),
        failed=len(workspace.failed),
        tokens_read=workspace.tokens_read,
        tokens=sum(shard.tokens for shard in workspace.shards),
        rounds=workspace.rounds,
    )
