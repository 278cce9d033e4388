"""The memory agent (QwenLong-L1.5, arXiv 2512.12967): (m, p) = π(m, p, x, q_core), and the answer from (m, q_core).

It works over batches of facts, which it rewrites into notes, or over raw shards, from which it notes facts with their quotes:
there notes are added to instead of overwritten, and rewritten only when they outgrow their budget. How the answer is to look
(q_inst) comes in last of all, at fusion, as for every other path.
"""

from __future__ import annotations

import asyncio
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field, replace

from extagents import prompts
from extagents.agents.calls import Desk, gather
from extagents.agents.evidence import check_quotes, split, supporting
from extagents.agents.notebook import Notebook, dropped, labelled, merged, noted, rewritten, settled
from extagents.answers import fits
from extagents.gate import CallFailed, Stop
from extagents.memory.ledger import fact_tokens
from extagents.models.base import Prompt
from extagents.prompts.loader import Language
from extagents.types import (
    AnswerType,
    Document,
    Fact,
    Kind,
    Notes,
    NotesInput,
    RecallInput,
    Scan,
    ScanInput,
    ShardText,
    TermStatistics,
    Usage,
    Verdict,
)

OVERHEAD = 900  # tokens of a rewriting's or a recall's prompt without notes and facts, at most
BATCH_SHARE = 0.3  # of the window: what a rewriting is shown in facts; more is read worse
MOST_BATCH = 8_000  # tokens of such a batch, however large the window
SPARE = 0.8  # of the budget, to which notes that outgrew it are filled: the next shards find room without another rewriting

# What the heads beyond the plan's queries pay attention to: what questions of several steps are mostly missing.
FOCI: Mapping[Language, tuple[str, ...]] = {
    "en": (
        "names of people, places, organisations and works that the question does not give but leads to",
        "dates, numbers, titles and relations of what the question names",
        "what contradicts the notes, or concerns something else of the same name",
    ),
    "zh": (
        "问题没有写明、但能由其引出的人物、地点、机构和作品的名称",
        "问题所提到的事物的日期、数字、头衔和关系",
        "与笔记矛盾的内容，或同名的其他事物",
    ),
}


@dataclass(frozen=True, slots=True)
class Asked:
    """What all calls about one question share. `budget`: tokens of the notes of one head."""

    question: str
    kind: Kind
    answer_type: AnswerType
    desk: Desk
    budget: int
    statistics: TermStatistics | None = None


@dataclass(frozen=True, slots=True)
class Scanned:
    """A head after one shard, the facts that it noted there (unverified ones too), and what went wrong."""

    notebook: Notebook
    facts: tuple[Fact, ...] = ()
    usage: Usage = field(default_factory=Usage)
    failure: str | None = None
    partly: str | None = None


@dataclass(frozen=True, slots=True)
class Recalled:
    """An answer from the notes. `facts` are the verified ones it rests on; none: the answer is not verified."""

    answer: str = ""
    confidence: float = 0.0
    facts: tuple[Fact, ...] = ()
    cited: tuple[Fact, ...] = ()
    queries: tuple[str, ...] = ()

    @property
    def verified(self) -> bool:
        """Whether there is an answer, and it stands in verified quotes."""
        return bool(self.answer) and bool(self.facts)


def foci(queries: Sequence[str], heads: int, language: Language) -> tuple[str, ...]:
    """What each head pays attention to: the first to the whole question, the others to a query of the plan of their own.

    `queries` are the plan's, the question itself first. Heads beyond these get what is most often missing; there are never
    two with the same focus, so there may be fewer heads than asked for.
    """
    own = [*dict.fromkeys(queries[1:]), *FOCI[language]]
    return ("", *own[: heads - 1])


# ------------------------------------------------------------------ raw text


def scan_prompt(asked: Asked, head: Notebook, text: ShardText, focus: str) -> Prompt[Scan]:
    """The prompt of one step: `system | shard | question | focus | notes | plan`; heads share all that is before the focus."""
    shown = prompts.show_shard(text)
    notes, facts = labelled(head, most=len(head.facts))
    inputs = ScanInput.model_construct(
        shard=text,
        question=asked.question,
        notes=facts,
        plan=head.plan,
        focus=focus,
        answer_type=asked.answer_type,
        statistics=asked.statistics,
    )
    return asked.desk.prompt(
        "memory",
        inputs,
        Scan,
        slots={
            "nonce": prompts.nonce(asked.desk.secret, shown),
            "shard": shown,
            "question": asked.question,
            "focus": focus or prompts.show_list(()),
            "notes": notes or prompts.show_list(()),
            "plan": head.plan or prompts.show_list(()),
        },
        template="memory_scan",
    )


async def scan(
    asked: Asked,
    head: Notebook,
    text: ShardText,
    documents: Mapping[str, Document],
    *,
    focus: str,
    shard: str,
    round_: int,
    pinned: Collection[int] = (),
) -> Scanned:
    """One head reads one shard, in one call; a second one only where its notes outgrow the budget.

    A shard that does not fit the window is read in two halves, one after the other. A call that fails for good leaves the
    notes as they are. Raises `gate.Stop`, and a fatal `gate.CallFailed`.
    """
    try:
        called = await asked.desk.gate.call(scan_prompt(asked, head, text, focus), asked.desk.account)
    except CallFailed as failure:
        if failure.fatal:
            raise
        if failure.kind == "context_length" and (halves := split(text)):
            return await _scan_halves(asked, head, halves, documents, focus=focus, shard=shard, round_=round_, pinned=pinned)
        return Scanned(head, usage=failure.usage or Usage(), failure=failure.message)
    found = called.output
    facts = check_quotes(found.facts, text, documents, shard=shard, round_=round_)
    labels = dict(enumerate(head.cited, start=1))
    lighter = dropped(head, (labels[label] for label in found.drop if label in labels), pinned=pinned)
    grown = replace(noted(lighter, facts), plan=" ".join(found.plan.split())[: 4 * asked.budget] or head.plan)
    usage = called.usage
    if grown.tokens > asked.budget:
        room = int(SPARE * asked.budget)
        try:
            grown, spent = await rewrite(asked, grown, budget=asked.budget, pinned=pinned, room=room)
        except Stop:  # what the shard held is paid: it is kept without the rewriting, and the next call ends the run
            grown, spent = settled(grown, budget=asked.budget, pinned=pinned, room=room), Usage()
        usage = usage + spent
    return Scanned(grown, facts, usage)


async def _scan_halves(
    asked: Asked,
    head: Notebook,
    halves: Sequence[ShardText],
    documents: Mapping[str, Document],
    *,
    focus: str,
    shard: str,
    round_: int,
    pinned: Collection[int],
) -> Scanned:
    parts: list[Scanned] = []
    for half in halves:
        part = await scan(asked, head, half, documents, focus=focus, shard=shard, round_=round_, pinned=pinned)
        head = part.notebook
        parts.append(part)
    usage = Usage()
    for part in parts:
        usage = usage + part.usage
    failures = [part.failure for part in parts if part.failure]
    parted = [reason for part in parts if (reason := part.failure or part.partly)]
    whole = len(failures) == len(parts)
    return Scanned(
        head,
        tuple(fact for part in parts for fact in part.facts),
        usage,
        failure=failures[0] if whole else None,
        partly=parted[0] if parted and not whole else None,
    )


def scan_version(asked: Asked) -> str:
    """The version of the scan's prompt, under which its reports are stored."""
    return prompts.version("memory_scan", asked.desk.language, Scan, asked.desk.own)


# ------------------------------------------------------------------ notes


def notes_prompt(asked: Asked, notebook: Notebook, numbers: Sequence[int], *, budget: int) -> Prompt[Notes]:
    """The prompt of a rewriting over the facts of these numbers: those that the notes cite, and new ones."""
    facts = tuple(notebook.fact(number) for number in numbers)
    text = "\n".join(line.shown() for line in notebook.lines)
    inputs = NotesInput(
        question=asked.question, notes=text, plan=notebook.plan, facts=facts, numbers=tuple(numbers), budget=budget
    )
    return asked.desk.prompt(
        "memory",
        inputs,
        Notes,
        slots={
            "question": asked.question,
            "facts": prompts.show_facts(facts, numbers=numbers),
            "notes": text or prompts.show_list(()),
            "plan": notebook.plan or prompts.show_list(()),
            "budget": str(budget),
        },
        output_tokens=min(max(asked.desk.output_tokens, budget + budget // 2), asked.desk.window // 3),
        template="memory_notes",
    )


async def rewrite(
    asked: Asked, notebook: Notebook, *, budget: int, pinned: Collection[int] = (), new: Collection[int] = (), room: int = 0
) -> tuple[Notebook, Usage]:
    """One rewriting call: the notes over the facts they cite and the `new` ones, with the guards of `notebook.settled`.

    A call that fails for good costs the wording, not the facts: what there is is kept as far as the budget goes. Raises
    `gate.Stop`, and a fatal `gate.CallFailed`.
    """
    shown = sorted({*notebook.cited, *new})
    try:
        called = await asked.desk.gate.call(notes_prompt(asked, notebook, shown, budget=budget), asked.desk.account)
    except CallFailed as failure:
        if failure.fatal:
            raise
        return settled(notebook, budget=budget, pinned=pinned, room=room), failure.usage or Usage()
    written = called.output
    made = rewritten(notebook, written.memory, written.plan, shown=shown, budget=budget, pinned=pinned, room=room)
    return made, called.usage


def batches(asked: Asked, facts: Sequence[Fact]) -> list[tuple[Fact, ...]]:
    """The facts in their order, as many in a batch as a comfortable prompt takes."""
    room = min(MOST_BATCH, int(BATCH_SHARE * asked.desk.window))
    made: list[list[Fact]] = []
    left = 0
    for fact in facts:
        size = fact_tokens(fact)
        if size > left or not made:
            made.append([])
            left = room
        made[-1].append(fact)
        left -= size
    return [tuple(batch) for batch in made]


async def fold(
    asked: Asked, notebook: Notebook, batch: Sequence[Fact], *, pinned: Collection[str] = (), budget: int = 0
) -> Notebook:
    """(m, p) = π(m, p, batch, q_core): the notes over one batch of facts more. `pinned` are ids of facts never to be lost."""
    grown = noted(notebook, batch, lines=False)
    new = range(len(notebook.facts) + 1, len(grown.facts) + 1)
    held = numbers_of(grown, pinned)
    return (await rewrite(asked, grown, budget=budget or asked.budget, pinned=held, new=new))[0]


def numbers_of(notebook: Notebook, ids: Collection[str]) -> frozenset[int]:
    """The numbers that facts of these ids have in the notebook."""
    return frozenset(number for number, fact in enumerate(notebook.facts, start=1) if fact.id in ids)


async def merge(
    asked: Asked, notebooks: Sequence[Notebook], *, order: Mapping[str, int], budget: int, pinned: Collection[str] = ()
) -> Notebook:
    """The notes of all lanes and heads in one notebook of at most `budget` tokens; no call where they fit it together.

    Otherwise neighbours are merged in groups whose facts fit a batch, and each group is rewritten to its share, all groups of a
    level in parallel, until one is left: at most a level for every halving.
    """
    whole = merged(notebooks, order=order)
    if whole.tokens <= budget:
        return settled(whole, budget=budget, pinned=numbers_of(whole, pinned))
    room = min(MOST_BATCH, int(BATCH_SHARE * asked.desk.window))
    groups = _groups(notebooks, room)
    if len(groups) == len(notebooks) > 1:  # no two fit a batch together: halve the number of notebooks all the same
        groups = [list(notebooks[start : start + 2]) for start in range(0, len(notebooks), 2)]
    share = budget // len(groups)

    async def one(group: Sequence[Notebook]) -> Notebook:
        made = merged(group, order=order)
        held = numbers_of(made, pinned)
        if made.tokens <= share:
            return settled(made, budget=share, pinned=held)
        return (await rewrite(asked, made, budget=share, pinned=held))[0]

    level = await gather([asyncio.ensure_future(one(group)) for group in groups])
    if len(level) == 1:
        return level[0]
    return await merge(asked, level, order=order, budget=budget, pinned=pinned)


def _groups(notebooks: Sequence[Notebook], room: int) -> list[list[Notebook]]:
    groups: list[list[Notebook]] = []
    left = 0
    for notebook in notebooks:
        size = sum(fact_tokens(notebook.fact(number)) for number in notebook.cited)
        if size > left or not groups:
            groups.append([])
            left = room
        groups[-1].append(notebook)
        left -= size
    return groups


# ------------------------------------------------------------------ the answer


def recall_prompt(asked: Asked, notebook: Notebook, *, backwards: bool = False) -> Prompt[Verdict]:
    """The answer's prompt: the notes, and the quotes of the facts they cite as far as the window goes; also `backwards`."""
    desk = asked.desk
    room = desk.window - desk.output_tokens - OVERHEAD - notebook.tokens - len(asked.question.encode()) // 2
    most = 0
    for number in sorted(notebook.cited, key=lambda number: (-notebook.fact(number).relevance, number)):
        room -= fact_tokens(notebook.fact(number))
        if room < 0:
            break
        most += 1
    text, facts = labelled(notebook, most=most, backwards=backwards)
    inputs = RecallInput.model_construct(
        question=asked.question,
        notes=text,
        facts=facts,
        kind=asked.kind,
        answer_type=asked.answer_type,
        statistics=asked.statistics,
    )
    slots = {
        "question": asked.question,
        "notes": text or prompts.show_list(()),
        "facts": prompts.show_facts(facts, claims=False),
    }
    return desk.prompt("memory", inputs, Verdict, slots=slots, template="memory_recall")


async def recall(asked: Asked, prompt: Prompt[Verdict]) -> Verdict:
    """The verdict on a recall's prompt, in one call. Raises `gate.Stop` and `gate.CallFailed`."""
    return (await asked.desk.gate.call(prompt, asked.desk.account)).output


def recalled(asked: Asked, prompt: Prompt[Verdict], verdict: Verdict) -> Recalled:
    """What a verdict on a recall's prompt is worth: its labels checked, its answer looked for in the quotes."""
    assert isinstance(prompt.inputs, RecallInput)
    shown = prompt.inputs.facts
    labels = dict.fromkeys(verdict.facts)
    cited = tuple(shown[label - 1] for label in labels if 0 < label <= len(shown))
    queries = tuple(dict.fromkeys(" ".join(query.split()) for query in verdict.queries if query.strip()))
    answer = " ".join(verdict.answer.split())
    if not verdict.answerable or not answer or not fits(answer, asked.answer_type):
        return Recalled(cited=cited, queries=queries)
    real = len(cited) == len(labels)
    facts = supporting(
        answer, cited, shown, kind=asked.kind, answer_type=asked.answer_type, all_real=real, question=asked.question
    )
    return Recalled(answer, verdict.confidence, facts, cited, queries)
