"""Long answers: an outline from the facts, sections written at the same time, one text under a length, markers that resolve.

The longest chain of calls that wait for each other is outline (one more where the facts need several), section, and, where
the text came out too short, one more section. What cannot be called for, or fails, is written from the facts' claims.
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass, field

from extagents import events
from extagents.agents import writer
from extagents.agents.calls import gather
from extagents.agents.composition import Sentence, composed, said_before, shortened, without_repeats
from extagents.agents.writer import Checked, Layout, Part
from extagents.gate import BudgetEnded, CallFailed, Stop
from extagents.memory.ledger import fact_tokens, normal
from extagents.models.base import Prompt
from extagents.models.extraction import writing as by_words
from extagents.prose import Length, length_in, words_in
from extagents.types import (
    Citation,
    Fact,
    Outline,
    OutlineInput,
    OutlineMergeInput,
    SectionInput,
    WrittenSection,
)
from extagents.workspace import Workspace

SECTION_WORDS = {"en": 200, "zh": 320}  # words (Chinese: characters) of one section; a shorter text has no headings
OVERVIEW_WORDS = {"en": 300, "zh": 500}  # of a summary without a length whose facts exceed one prompt
MOST_SECTIONS = 24
FACT_WORDS = 12  # words that a fact gives, at least: a section is shown three times the facts that its length can take
OVERHEAD = 1_200  # tokens of a prompt without its facts, at most
FACT_NUMBER = 5  # tokens that the number of a fact takes in an outline
MOST_GROUPS = 16  # outlines of parts, at most; facts beyond go where the most alike are
SHORT, LONG = 0.85, 1.05  # shares of the length from which more is asked for, and above which sentences go
STRICT = (0.8, 0.92)  # the same where the length is a limit: headings and markers must fit under it, too


@dataclass(frozen=True, slots=True)
class LongAnswer:
    """A text whose marker [n] is `citations[n - 1]`, and its blocks in order.

    `confidence`: the mean relevance of what it says, times the share of the input read, times that of the sentences that held.
    """

    text: str
    confidence: float
    citations: tuple[Citation, ...]
    blocks: tuple[str, ...]


@dataclass(slots=True)
class Draft:
    """A section while it is written."""

    part: Part
    words: int
    sentences: tuple[Sentence, ...] = ()
    from_claims: bool = False
    unfounded: int = 0
    contradicted: int = 0

    @property
    def unused(self) -> tuple[Fact, ...]:
        """The facts that no sentence rests on."""
        used = {fact.id for sentence in self.sentences for fact in sentence.facts}
        return tuple(fact for fact in self.part.facts if fact.id not in used)


@dataclass(slots=True)
class Troubles:
    """What went wrong on the way, for one notice each."""

    failures: list[str] = field(default_factory=list)


# ------------------------------------------------------------------ is a long answer wanted?


def asked_for(workspace: Workspace) -> Length | None:
    """The length of a long answer that was asked for: with `words`, or in the instructions of a summary."""
    request, plan = workspace.request, workspace.plan
    if request.goal != "answer" or request.schema is not None:
        return None
    if request.words is not None:
        return Length(request.words)
    if plan.kind != "summary":
        return None
    asked = length_in(plan.instructions)
    return asked if asked is not None and asked.words > SECTION_WORDS[workspace.desk.language] else None


def _wanted(workspace: Workspace, facts: Sequence[Fact]) -> Length | None:
    """The length asked for; that of an overview for a summary without one whose facts do not fit one prompt."""
    asked = asked_for(workspace)
    request, plan, desk = workspace.request, workspace.plan, workspace.desk
    if asked is not None or plan.kind != "summary" or request.schema is not None or request.goal != "answer":
        return asked
    crowded = sum(map(fact_tokens, facts)) > desk.window - 2 * desk.output_tokens - OVERHEAD
    return Length(OVERVIEW_WORDS[desk.language]) if crowded and length_in(plan.instructions) is None else None


# ------------------------------------------------------------------ the whole


async def write(workspace: Workspace) -> LongAnswer | None:
    """The long answer; None where none was asked for, or where there is no verified fact to write it from.

    It never fails: what a call does not bring is written from claims, and notices say so.
    """
    facts = _evidence(workspace)
    length = _wanted(workspace, facts)
    if length is None or not facts:
        return None
    sections = _sections(length, facts, SECTION_WORDS[workspace.desk.language])
    workspace.emit(events.Progress(phase="write", total=sections, usage=workspace.account.usage))
    troubles = Troubles()
    layout = await _outlined(workspace, facts, length, sections, troubles)
    if layout.dropped:
        workspace.notice(f"{layout.dropped} of {len(facts)} facts are off the topic and were left out.")
    drafts = _drafts(layout, length)
    await _in_parallel(workspace, layout, drafts, drafts, troubles)
    low, high = STRICT if length.at_most else (SHORT, LONG)
    if _size(drafts) < low * length.words:
        await _continued(workspace, layout, drafts, length, troubles)
    if _size(drafts) < low * length.words:
        _fill(drafts, round((low + high) / 2 * length.words))
    kept = without_repeats([draft.sentences for draft in drafts])
    most = int(high * length.words)
    if length.at_most:
        most = min(most, length.words - _apparatus(layout, kept))
    kept = shortened(kept, most, int(low * length.words))
    _tell(workspace, drafts, troubles)
    given = sum(len(sentences) for sentences in kept)
    if not given:
        return None
    size = sum(words_in(sentence.text) for sentences in kept for sentence in sentences)
    if size < low * length.words:
        unit = "characters" if workspace.desk.language == "zh" else "words"
        workspace.notice(f"What was found carries {size} {unit} of the {length.words} asked for.")
    titled = [(draft.part.title, sentences) for draft, sentences in zip(drafts, kept, strict=True) if sentences]
    blocks, citations = composed(layout.title, titled)
    bad = sum(draft.unfounded + draft.contradicted for draft in drafts)
    read = (len(workspace.shards) - len(workspace.unread) - len(workspace.failed)) / max(1, len(workspace.shards))
    relevance = sum(sentence.relevance for sentences in kept for sentence in sentences) / given
    return LongAnswer("".join(blocks), read * relevance * given / (given + bad), citations, tuple(blocks))


def _apparatus(layout: Layout, sections: Sequence[Sequence[Sentence]]) -> int:
    """Words that title, headings with their signs, and a marker a sentence take, at most."""
    titles = [layout.title, *(part.title for part in layout.parts)] if len(sections) > 1 else []
    return sum(words_in(title) + 1 for title in titles) + sum(map(len, sections))


def _evidence(workspace: Workspace) -> list[Fact]:
    """The verified facts of all paths, each quote checked against its document once more, every claim once, best first."""
    offered = [*workspace.ledger.ranked, *(fact for candidate in workspace.candidates for fact in candidate.facts)]
    documents, claims, kept = workspace.corpus.by_id, set[str](), dict[tuple[str, int, int], Fact]()
    for fact in offered:
        document = documents.get(fact.document)
        if document is None or fact.start is None or fact.end is None or not fact.quote.strip():
            continue
        said = normal(fact.claim)
        if document.text[fact.start : fact.end] != fact.quote or said in claims:
            continue
        if (fact.document, fact.start, fact.end) not in kept:
            kept[fact.document, fact.start, fact.end] = fact
            claims.add(said)
    return list(kept.values())


def _sections(length: Length, facts: Sequence[Fact], words: int) -> int:
    """How many sections the length takes: one where it fits one, and never more than every second fact."""
    if length.words <= 1.2 * words:
        return 1
    return max(1, min(MOST_SECTIONS, max(2, round(length.words / words)), len(facts) // 2))


# ------------------------------------------------------------------ the outline


async def _outlined(workspace: Workspace, facts: Sequence[Fact], length: Length, sections: int, troubles: Troubles) -> Layout:
    """The outline over all facts, in the order of the documents; several and one over them where one prompt is too small."""
    desk, plan = workspace.desk, workspace.plan
    places = {document.id: place for place, document in enumerate(workspace.corpus.documents)}
    ordered = sorted(facts, key=lambda fact: (places[fact.document], fact.start or 0, fact.end or 0))
    if sections == 1:
        return Layout(writer.heading(plan.core), (Part(writer.heading(plan.core), tuple(ordered)),))

    def inputs_for(group: Sequence[Fact]) -> OutlineInput:
        return OutlineInput.model_construct(
            topic=plan.core, instructions=plan.instructions, facts=tuple(group), words=length.words, sections=sections
        )

    groups = _groups(facts, ordered, room=desk.window - 2 * desk.output_tokens - OVERHEAD, most=_listed(workspace))
    asked = [
        asyncio.ensure_future(_outline(workspace, writer.outline_prompt(inputs_for(group), desk), group, troubles))
        for group in groups
    ]
    outlines = await gather(asked)
    made = [
        writer.checked_outline(outline or by_words.outline(inputs_for(group)), group, topic=plan.core, sections=sections)
        for outline, group in zip(outlines, groups, strict=True)
    ]
    if len(made) == 1:
        layout = made[0]
    else:
        parts = [part for layout in made for part in layout.parts]
        inputs = OutlineMergeInput(
            topic=plan.core,
            instructions=plan.instructions,
            titles=tuple(part.title for part in parts),
            sizes=tuple(len(part.facts) for part in parts),
            words=length.words,
            sections=sections,
        )
        outline = await _outline(workspace, writer.merge_prompt(inputs, desk), [], troubles) or by_words.merge(inputs)
        shown = {fact.id for group in groups for fact in group}
        together = [fact for part in parts for fact in part.facts]
        together += [fact for fact in ordered if fact.id not in shown]
        layout = writer.checked_outline(writer.merged(outline, parts), together, topic=plan.core, sections=sections)
    dropped = 0 if len(made) == 1 else sum(part.dropped for part in made)
    return Layout(layout.title, layout.parts, layout.dropped + dropped)


async def _outline(workspace: Workspace, prompt: Prompt[Outline], facts: Sequence[Fact], troubles: Troubles) -> Outline | None:
    """The outline that a call brings; None where none may be made any more, or where it failed.

    A run that was told to end keeps what is left for the sections.
    """
    if workspace.stopped_by is not None:
        return None
    try:
        called = await workspace.guard(workspace.desk.gate.call(prompt, workspace.account, final=True))
    except Stop as stop:
        workspace.halt(stop.stopped_by)
        return None
    except CallFailed as failure:
        troubles.failures.append(f"The outline could not be made ({failure.message}); the facts' order was taken.")
        return None
    return called.output


def _listed(workspace: Workspace) -> int:
    """How many facts' numbers an outline has room to list."""
    return max(20, (2 * workspace.desk.output_tokens - 400) // FACT_NUMBER)


def _groups(facts: Sequence[Fact], ordered: Sequence[Fact], *, room: int, most: int) -> list[list[Fact]]:
    """The facts in document order, in as few groups of equal size as fit a prompt; the best where even those are too many."""
    size = max(1, sum(_claim_tokens(fact) for fact in facts))
    count = max(1, -(-size // max(1, room)), -(-len(facts) // most))
    if count > MOST_GROUPS:
        count, best, left = MOST_GROUPS, set[str](), MOST_GROUPS * room
        for fact in facts[: MOST_GROUPS * most]:
            left -= _claim_tokens(fact)
            if left < 0:
                break
            best.add(fact.id)
        ordered = [fact for fact in ordered if fact.id in best]
    each = -(-len(ordered) // count)
    return [list(ordered[at : at + each]) for at in range(0, len(ordered), each)]


def _claim_tokens(fact: Fact) -> int:
    return fact_tokens(fact.model_copy(update={"quote": "", "title": ""}))


# ------------------------------------------------------------------ the sections


def _drafts(layout: Layout, length: Length) -> list[Draft]:
    """The sections with their shares of the length: more for more facts, but never all for one."""
    weights = [len(part.facts) ** 0.5 for part in layout.parts]
    target = (0.9 if length.at_most else 1.0) * length.words
    return [
        Draft(part, max(20, round(target * weight / sum(weights)))) for part, weight in zip(layout.parts, weights, strict=True)
    ]


async def _in_parallel(
    workspace: Workspace, layout: Layout, drafts: Sequence[Draft], chosen: Sequence[Draft], troubles: Troubles
) -> None:
    """Writes the chosen sections at the same time."""
    done = 0

    async def work(draft: Draft) -> None:
        nonlocal done
        await _write_section(workspace, layout, draft, troubles)
        done += 1
        number = next(place for place, other in enumerate(drafts, start=1) if other is draft)
        words = sum(words_in(sentence.text) for sentence in draft.sentences)
        workspace.emit(events.Progress(phase="write", done=done, total=len(chosen), usage=workspace.account.usage))
        workspace.emit(events.SectionWritten(number=number, sections=len(drafts), title=draft.part.title, words=words))

    await gather([asyncio.ensure_future(work(draft)) for draft in chosen])


async def _write_section(workspace: Workspace, layout: Layout, draft: Draft, troubles: Troubles) -> None:
    """One section, or its continuation where sentences stand in it already."""
    before = tuple(sentence.text for sentence in draft.sentences)
    wanted = draft.words - sum(map(words_in, before))
    offered = _shown(workspace, draft.unused if before else draft.part.facts, wanted)
    written, shown = await _called(workspace, layout, draft, offered, wanted, before, troubles)
    checked = Checked(())
    if written is not None:
        checked = await asyncio.to_thread(writer.checked_section, written, shown, before=before)
    draft.unfounded += checked.unfounded
    draft.contradicted += checked.contradicted
    fresh = checked.sentences
    if not fresh and not before:
        draft.from_claims = True
        fresh = _from_claims(draft.part, wanted)
    if before and fresh:
        fresh = (Sentence(fresh[0].text, fresh[0].facts, new_paragraph=True), *fresh[1:])
    draft.sentences = (*draft.sentences, *fresh)


async def _called(
    workspace: Workspace,
    layout: Layout,
    draft: Draft,
    shown: list[Fact],
    words: int,
    before: tuple[str, ...],
    troubles: Troubles,
) -> tuple[WrittenSection | None, list[Fact]]:
    """What the writer gives for a section, over as many facts as what is left can pay, and those facts."""
    while True:
        inputs = SectionInput.model_construct(
            topic=workspace.plan.core,
            instructions=workspace.plan.instructions,
            outline=tuple(part.title for part in layout.parts),
            section=draft.part.title,
            facts=tuple(shown),
            words=words,
            written=before,
        )
        prompt = writer.section_prompt(inputs, workspace.desk)
        try:
            called = await workspace.guard(workspace.desk.gate.call(prompt, workspace.account, final=True), ending=True)
        except BudgetEnded as stop:
            if len(shown) < 4:
                workspace.halt(stop.stopped_by)
                return None, shown
            best = {fact.id for fact in sorted(shown, key=lambda fact: -fact.relevance)[: len(shown) // 2]}
            shown = [fact for fact in shown if fact.id in best]
        except Stop as stop:
            workspace.halt(stop.stopped_by)
            return None, shown
        except CallFailed as failure:
            troubles.failures.append(f"The section “{draft.part.title}” could not be written ({failure.message}).")
            return None, shown
        else:
            return called.output, shown


def _shown(workspace: Workspace, facts: Sequence[Fact], words: int) -> list[Fact]:
    """The best facts that fit the prompt, three times what the length can take at most, in their order."""
    room = workspace.desk.window - writer.section_tokens(words, workspace.desk) - OVERHEAD - 2 * words
    best: set[str] = set()
    for fact in sorted(facts, key=lambda fact: -fact.relevance)[: max(12, 3 * words // FACT_WORDS)]:
        room -= fact_tokens(fact)
        if room < 0 and best:
            break
        best.add(fact.id)
    return [fact for fact in facts if fact.id in best]


def _from_claims(part: Part, words: int) -> tuple[Sentence, ...]:
    """The section from its facts' claims as they stand."""
    inputs = SectionInput.model_construct(topic="", outline=(), section=part.title, facts=part.facts, words=words)
    return writer.checked_section(by_words.section(inputs, claims=True), part.facts).sentences


def _size(drafts: Sequence[Draft]) -> int:
    return sum(words_in(sentence.text) for draft in drafts for sentence in draft.sentences)


async def _continued(workspace: Workspace, layout: Layout, drafts: Sequence[Draft], length: Length, troubles: Troubles) -> None:
    """Asks the sections that have facts left to say more, once."""
    open_drafts = [draft for draft in drafts if draft.unused]
    missing = length.words - _size(drafts)
    unused = sum(len(draft.unused) for draft in open_drafts)
    for draft in open_drafts:
        have = sum(words_in(sentence.text) for sentence in draft.sentences)
        draft.words = have + max(20, round(missing * len(draft.unused) / unused))
    if workspace.stopped_by is None:
        called = [draft for draft in open_drafts if not draft.from_claims]
        await _in_parallel(workspace, layout, drafts, called, troubles)


def _fill(drafts: Sequence[Draft], words: int) -> None:
    """Adds claims that no sentence rests on, the best first, until the length is reached: for a writer that says too little."""
    missing = words - _size(drafts)
    waiting = [
        (fact, draft)
        for draft in drafts
        for fact in draft.unused
        if fact.relevance >= writer.OFF_TOPIC and words_in(fact.claim) >= by_words.SHORTEST
    ]
    for fact, draft in sorted(waiting, key=lambda item: -item[0].relevance):
        if missing <= 0:
            break
        before = [sentence.text for sentence in draft.sentences]
        added = _from_claims(Part(draft.part.title, (fact,)), missing)
        fresh = tuple(sentence for sentence in added if not said_before(sentence.text, before))
        draft.sentences = (*draft.sentences, *fresh)
        missing -= sum(words_in(sentence.text) for sentence in fresh)


def _tell(workspace: Workspace, drafts: Sequence[Draft], troubles: Troubles) -> None:
    """One notice for each thing that went wrong."""
    for message in dict.fromkeys(troubles.failures):
        workspace.notice(message)
    claimed = sum(draft.from_claims for draft in drafts)
    if claimed:
        workspace.notice(f"{claimed} of {len(drafts)} sections were put together from the facts as the readers noted them.")
    contradicted, unfounded = sum(d.contradicted for d in drafts), sum(d.unfounded for d in drafts)
    if contradicted:
        workspace.notice(f"Sentences left out because a figure in them stands in none of their facts: {contradicted}.")
    if unfounded:
        workspace.notice(f"Sentences left out because they rest on no fact: {unfounded}.")
