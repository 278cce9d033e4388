"""The memory agent at work in a run: over the facts of a question that the ladder is unsure of, or over the raw text alone.

Over the raw text the shards stand in the order of the documents. Every lane reads a stretch of its own with several heads,
whose notes are merged at the end of a pass and asked for the answer in two orders; while that is not settled, a further pass
reads, with the merged notes, what the open queries and new names point at.
"""

from __future__ import annotations

import asyncio
import hashlib
import math
from collections.abc import Sequence
from dataclasses import dataclass, field

from extagents import events
from extagents.agents import memory_agent
from extagents.agents.calls import gather
from extagents.agents.memory_agent import Asked, Recalled, Scanned
from extagents.agents.notebook import Notebook, settled
from extagents.answers import same
from extagents.errors import StoreError
from extagents.gate import CallFailed, Stop
from extagents.packing import notes_budget
from extagents.schedule import ROUND_THAT_READS_ALL, most_rounds
from extagents.scribe import Scribe
from extagents.types import AnswerType, Candidate, Fact, Finding, Kind, Report, Shard, Usage, Verdict
from extagents.workspace import Workspace

SHARDS_A_LANE = 4  # a lane reads so many shards or more: what it noted in one has to be of use in the next
MOST_BATCHES = 6  # of facts that are folded into notes, best facts first: each costs a call that waits for the one before
UNSTABLE = 0.5  # confidence of an answer that no second prompt repeated is at most this
MERGED_SHARE = 0.5  # of the window, for the notes of all lanes together; the rest is for the quotes they rest on, best first


async def remember(workspace: Workspace) -> None:
    """Folds the ledger into notes and offers the answer drawn from them as a candidate (path `memory`).

    The verified facts, in document order, are rewritten into notes batch by batch; what the ladder's verdict and its rungs rest
    on is never lost on the way. Two calls where all facts fit one batch. A call that fails for good costs this path alone.
    """
    workspace.emit(events.Progress(phase="remember", usage=workspace.account.usage))
    workspace.tried.add("memory")
    asked, scribe = _asked(workspace), Scribe(workspace)
    best = [fact for fact in workspace.ledger.ranked if fact.verified]
    chosen = {fact.id for batch in memory_agent.batches(asked, best)[:MOST_BATCHES] for fact in batch}
    facts = in_document_order(workspace, [fact for fact in best if fact.id in chosen])
    pinned = {fact.id for fact in (*workspace.judgement.facts, *(f for rung in workspace.judgement.rungs for f in rung.cited))}
    notebook = Notebook()
    try:
        for batch in memory_agent.batches(asked, facts):
            notebook = await workspace.guard(memory_agent.fold(asked, notebook, batch, pinned=pinned))
            scribe.write("memory", notebook)
        recalled = await _recall(workspace, scribe, asked, notebook, name="recall")
    except Stop as stop:
        return workspace.halt(stop.stopped_by)
    except CallFailed as failure:
        return workspace.notice(f"The memory agent failed ({failure.message}); the answer does without its notes.")
    except StoreError as failure:
        workspace.fatal = failure
        return None
    finally:
        await scribe.done()
    if recalled.verified:
        repeats = same(recalled.answer, workspace.judgement.answer, asked.answer_type)
        _offer(workspace, recalled, recalled.confidence if repeats else min(UNSTABLE, recalled.confidence))
    return None


async def iterate(workspace: Workspace) -> None:
    """Strategy `iterative`: the memory agent over the raw shards, in lanes and heads, and the answer from its notes.

    `lanes=1, heads=1, rounds=1` is the loop as published but for one thing: notes are added to, each with a quote that is
    checked, instead of overwritten, and rewritten only when they outgrow their budget. Budget, deadline and interrupt end it
    with what was noted so far.
    """
    workspace.emit(events.Progress(phase="remember", usage=workspace.account.usage))
    scribe = Scribe(workspace)
    passes = _Passes(workspace, _asked(workspace), scribe)
    try:
        await passes.run()
    except Stop as stop:
        workspace.halt(stop.stopped_by)
    except (CallFailed, StoreError) as failure:
        workspace.fatal = workspace.fatal or failure
    finally:
        await scribe.done()
    await workspace.close_wave()
    if passes.best is not None:
        _offer(workspace, *passes.best)


def in_document_order(workspace: Workspace, facts: Sequence[Fact]) -> list[Fact]:
    """The facts as they stand in the input: by document, then by place."""
    places = _places(workspace)
    return sorted(facts, key=lambda fact: (places.get(fact.document, len(places)), fact.start or 0, fact.end or 0, fact.id))


def lane_count(shards: int, *, lanes: int | None, heads: int, concurrency: int) -> int:
    """How many lanes read so many shards: as set; else as many as run at once with all their heads, of several shards each."""
    most = lanes or min(max(1, concurrency // heads), math.ceil(shards / SHARDS_A_LANE))
    return max(1, min(most, shards))


def stretches(positions: Sequence[int], lanes: int) -> list[tuple[int, ...]]:
    """The positions in so many contiguous parts, as equal as can be."""
    count = len(positions)
    return [tuple(positions[count * lane // lanes : count * (lane + 1) // lanes]) for lane in range(lanes)]


def agreed(found: Sequence[Recalled], answer_type: AnswerType) -> bool:
    """Whether the notes gave the same verified answer in every order."""
    return all(one.verified and same(one.answer, found[0].answer, answer_type) for one in found) and bool(found)


def early(found: Sequence[Recalled], kind: Kind) -> bool:
    """Whether a question of several steps was answered from one fact, before any lane knew what the others noted."""
    return kind == "multi_hop" and max(len({fact.id for fact in one.facts}) for one in found) < 2


def chosen(heard: Sequence[Sequence[Recalled]], answer_type: AnswerType) -> tuple[Recalled, float] | None:
    """The answer to offer, and its confidence: the one that every order gave last, else one that leads over all passes.

    To lead, an answer needs two votes, and more than any other; where notes were asked only once, one vote is all there is.
    """
    last = heard[-1]
    if agreed(last, answer_type):
        return max(last, key=lambda one: one.confidence), sum(one.confidence for one in last) / len(last)
    spoken = [one for found in reversed(heard) for one in found if one.verified]
    votes = [sum(same(one.answer, other.answer, answer_type) for other in spoken) for one in spoken]
    for one, count in sorted(zip(spoken, votes, strict=True), key=lambda pair: -pair[1]):
        rival = max((n for n, o in zip(votes, spoken, strict=True) if not same(one.answer, o.answer, answer_type)), default=0)
        if count > max(1, rival):
            return one, min(UNSTABLE, one.confidence)
        break
    return None


# ------------------------------------------------------------------ over raw text


@dataclass(slots=True)
class _Passes:
    """The passes over the shards: what is known after each, and the best answer so far with its confidence."""

    workspace: Workspace
    asked: Asked
    scribe: Scribe
    best: tuple[Recalled, float] | None = None
    _known: Notebook = field(default_factory=Notebook)
    _pinned: frozenset[str] = frozenset()
    _foci: tuple[str, ...] = ()
    _heard: list[list[Recalled]] = field(default_factory=list)
    _whole: bool = False  # whether a pass after the first one read everything

    async def run(self) -> None:
        """Pass after pass until the answer is settled, nothing points anywhere, or the rounds are used up."""
        workspace, settings = self.workspace, self.workspace.settings
        self._foci = memory_agent.foci(workspace.plan.queries, settings.heads, workspace.desk.language)
        positions: Sequence[int] = range(len(workspace.shards))
        for round_ in range(1, most_rounds(workspace) + 1):
            await self._read(positions, round_)
            if workspace.stopped_by is not None or workspace.fatal is not None or not workspace.judged:
                return
            queries = await self._answer(round_)
            if queries is None or round_ == most_rounds(workspace):
                return
            positions = await asyncio.to_thread(self._pointed, queries, round_ + 1)
            if not positions:
                return

    async def _read(self, positions: Sequence[int], round_: int) -> None:
        """One pass: every lane its stretch, all lanes at once; then the notes of all are merged."""
        workspace, settings = self.workspace, self.workspace.settings
        heads = len(self._foci)
        lanes = lane_count(len(positions), lanes=settings.lanes, heads=heads, concurrency=settings.concurrency)
        if round_ > 1 and settings.lanes is None:  # what is read again knows the notes of all: nothing has to wait
            lanes = min(len(positions), max(1, settings.concurrency // heads))
        workspace.wave += 1
        again = len(positions) < len(workspace.shards)
        reason = "what new names and open queries point at" if again else "everything in its own order"
        workspace.emit(events.WaveStarted(wave=workspace.wave, round=round_, shards=len(positions), lanes=lanes, reason=reason))
        parts = stretches(positions, lanes)
        read = await gather([asyncio.ensure_future(self._lane(lane, part, round_)) for lane, part in enumerate(parts)])
        await self.scribe.done()
        await workspace.close_wave()
        if workspace.stopped_by is not None or workspace.fatal is not None:
            return
        notebooks = [notebook for lane in read for notebook in lane]
        budget = max(self.asked.budget, int(MERGED_SHARE * workspace.desk.window))
        order = _places(workspace)
        self._known = await workspace.guard(
            memory_agent.merge(self.asked, notebooks, order=order, budget=budget, pinned=self._pinned)
        )
        self.scribe.write("merged", self._known, round=round_)

    async def _lane(self, lane: int, positions: Sequence[int], round_: int) -> list[Notebook]:
        """One lane: its shards in order, all heads side by side on each. What was answered before a run was ended is not paid
        for again, so a resumed one begins here like any other."""
        workspace = self.workspace
        names = [f"lane:{lane}:head:{head}" for head in range(len(self._foci))]
        names = names if round_ == 1 else [f"round:{round_}:{name}" for name in names]
        # Notes of all lanes are larger than one head's: it starts from the best of them, and has room for its own.
        room = int(memory_agent.SPARE * self.asked.budget)
        start = settled(self._known, budget=room, pinned=memory_agent.numbers_of(self._known, self._pinned))
        heads = [start] * len(names)
        for position in positions:
            if workspace.stopped_by is not None or workspace.fatal is not None:
                break
            shard = workspace.shards[position]
            scanned, complete = await self._step(heads, shard, round_)
            if not scanned:
                break
            heads = [one.notebook for one in scanned]
            report = self._report(scanned, shard, round_)
            if complete:  # what one head brought before the run ended is in the journal; the report is made when all are heard
                self.scribe.keep(report, names, heads)
            workspace.rounds_of[position] = round_
            workspace.note(shard, report)
        return heads

    async def _step(self, heads: Sequence[Notebook], shard: Shard, round_: int) -> tuple[list[Scanned], bool]:
        """All heads on one shard, and whether each of them was heard. Empty where nothing was read because the run ended."""
        workspace, corpus = self.workspace, self.workspace.corpus
        text = corpus.shard_text(shard)

        async def one(head: Notebook, focus: str) -> Scanned | Exception:
            held = memory_agent.numbers_of(head, self._pinned)
            try:
                return await memory_agent.scan(
                    self.asked, head, text, corpus.by_id, focus=focus, shard=shard.id, round_=round_, pinned=held
                )
            except (Stop, CallFailed) as error:  # what the other heads were paid for is kept
                return error

        async def all_heads() -> list[Scanned | Exception]:
            return await gather([asyncio.ensure_future(one(*pair)) for pair in zip(heads, self._foci, strict=True)])

        try:
            results = await workspace.guard(all_heads())
        except Stop as stop:
            workspace.halt(stop.stopped_by)
            return [], False
        for error in results:
            if isinstance(error, Stop):
                workspace.halt(error.stopped_by)
            elif isinstance(error, CallFailed):
                workspace.fatal = workspace.fatal or error
        read = any(isinstance(result, Scanned) and result.failure is None for result in results)
        complete = all(isinstance(result, Scanned) for result in results)
        if not read and not complete:
            return [], False
        scanned = [
            result if isinstance(result, Scanned) else Scanned(head, failure=str(result))
            for head, result in zip(heads, results, strict=True)
        ]
        return scanned, complete

    def _report(self, scanned: Sequence[Scanned], shard: Shard, round_: int) -> Report:
        """What all heads found in the shard, as one report: it failed if no head could read it."""
        usage = Usage()
        for one in scanned:
            usage = usage + one.usage
        read = [one for one in scanned if one.failure is None]
        facts = dict.fromkeys(fact for one in read for fact in one.facts)
        return Report(
            run=self.workspace.run_id,
            round=round_,
            wave=self.workspace.wave,
            shard=shard.id,
            version=self._version,
            findings=(Finding(facts=tuple(facts)),),
            usage=usage,
            failure=None if read else scanned[0].failure,
            partly=next((one.partly for one in read if one.partly), None),
        )

    @property
    def _version(self) -> str:
        return memory_agent.scan_version(self.asked)

    async def _answer(self, round_: int) -> tuple[str, ...] | None:
        """Asks the merged notes, in two orders where more rounds may follow; None when the answer is settled.

        Otherwise what is still missing.
        """
        workspace = self.workspace
        orders = (False, True) if most_rounds(workspace) > 1 else (False,)
        found = await gather(
            [
                asyncio.ensure_future(
                    _recall(workspace, self.scribe, self.asked, self._known, name=f"recall:{round_}", backwards=backwards)
                )
                for backwards in orders
            ]
        )
        self._heard.append(found)
        self._pinned = frozenset(fact.id for one in found for fact in (*one.facts, *one.cited))
        self.best = chosen(self._heard, self.asked.answer_type)
        if agreed(found, self.asked.answer_type) and not (round_ == 1 and early(found, self.asked.kind)):
            return None
        queries = tuple(dict.fromkeys(query for one in found for query in one.queries))
        return queries or ((self._known.plan,) if self._known.plan else ())

    def _pointed(self, queries: Sequence[str], round_: int) -> list[int]:
        """What the next pass reads, in the order of the documents: what missing things and new names point at.

        Where nothing is pointed at, and from the third pass on: everything, unless a pass over everything just brought nothing.
        """
        frontier, shards = self.workspace.frontier, len(self.workspace.shards)
        assert frontier is not None
        pointed = frontier.follow(queries=queries, facts=self.workspace.fresh, continued=())
        if pointed and round_ < ROUND_THAT_READS_ALL:
            return sorted(pointed)
        if self._whole and not self.workspace.fresh:
            return sorted(pointed)
        self._whole = True
        return list(range(shards))


# ------------------------------------------------------------------ asking the notes


async def _recall(
    workspace: Workspace, scribe: Scribe, asked: Asked, notebook: Notebook, *, name: str, backwards: bool = False
) -> Recalled:
    """The answer from the notes; one that an unfinished run was given already is not asked for again."""
    if not notebook.cited:
        return Recalled()
    name = f"{name}:backwards" if backwards else name
    prompt = memory_agent.recall_prompt(asked, notebook, backwards=backwards)
    key = _digest(prompt.version, prompt.messages[-1].content)
    if workspace.resumed:
        note = await workspace.memory.read_note(workspace.run_id, name)
        if note is not None and note.content.get("key") == key:
            return memory_agent.recalled(asked, prompt, Verdict.model_validate(note.content["verdict"]))
    verdict = await workspace.guard(memory_agent.recall(asked, prompt))
    content = {"key": key, "verdict": verdict.model_dump(mode="json")}
    await workspace.memory.write_note(workspace.run_id, name, content, fence=workspace.fence)
    return memory_agent.recalled(asked, prompt, verdict)


def _offer(workspace: Workspace, recalled: Recalled, confidence: float) -> None:
    candidate = Candidate(path="memory", answer=recalled.answer, confidence=confidence, facts=recalled.facts)
    workspace.candidates.append(candidate)
    workspace.emit(events.CandidateFound(candidate=candidate.shown))


def _asked(workspace: Workspace) -> Asked:
    plan, desk = workspace.plan, workspace.desk
    assert workspace.ladder is not None
    return Asked(
        question=plan.core,
        kind=plan.kind,
        answer_type=workspace.ladder.answer_type,
        desk=desk,
        budget=notes_budget(workspace.settings.memory_tokens, desk.window),
        statistics=workspace.corpus.index,
    )


def _places(workspace: Workspace) -> dict[str, int]:
    return {document.id: place for place, document in enumerate(workspace.corpus.documents)}


def _digest(*parts: str) -> str:
    return hashlib.blake2b("\0".join(parts).encode("utf-8", "surrogatepass"), digest_size=12).hexdigest()
