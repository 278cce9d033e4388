"""The fusion agent: from candidates to the answer that is given, with citations that hold.

Agreeing candidates need no call. A call is made only where the answer has to be written: a form was asked for (instructions,
a schema), the question asks for a summary, or candidates disagree. Nothing new may come in, and citations are verified again.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from pydantic import BaseModel, Field, ValidationError, create_model

from extagents import prompts
from extagents.agents.calls import Desk
from extagents.answers import compatible, normalise, number_of, same, stands_in, yes_or_no
from extagents.gate import BudgetEnded, CallFailed
from extagents.memory.ledger import fact_tokens
from extagents.models.base import Prompt
from extagents.types import Candidate, Citation, Document, Fact, Fused, FusionInput, Plan, TermStatistics

MOST_CITATIONS = 12
MOST_CELLS = 50  # of a computed answer, which rests on many
OVERHEAD = 1_200  # tokens of the prompt without candidates and facts, at most


@dataclass(frozen=True, slots=True)
class Outcome:
    """What the fusion agent decided: the answer ("" for none), the facts it rests on, and the filled schema."""

    answer: str = ""
    confidence: float = 0.0
    facts: tuple[Fact, ...] = ()
    data: BaseModel | None = None
    notices: tuple[str, ...] = field(default=())


async def fuse(
    plan: Plan,
    candidates: Sequence[Candidate],
    ranked: Sequence[Fact],
    desk: Desk,
    *,
    schema: type[BaseModel] | None = None,
    statistics: TermStatistics | None = None,
    on_delta: Callable[[str], None] | None = None,
) -> Outcome:
    """Folds the candidates into one answer; `ranked` are the ledger's verified facts, best first.

    Raises `gate.Stop` only if not even the call for a summary could be paid; otherwise the best candidate stands.
    """
    candidates = sorted((c for c in candidates if c.answer), key=lambda c: -c.confidence)
    best = candidates[0] if candidates else None
    if plan.kind == "summary" and any(fact.verified for fact in ranked):
        shown = fitting(ranked, desk)
    elif best is None:
        return Outcome()
    elif _settled(plan, candidates) and not plan.instructions and schema is None:
        return Outcome(best.answer, best.confidence, best.facts)
    else:
        shown = tuple(dict.fromkeys(fact for c in candidates for fact in c.facts if fact.verified))
    output = _with_schema(schema) if schema is not None else Fused
    try:
        fused, shown = await _written(plan, candidates, shown, desk, output, statistics, on_delta)
    except CallFailed as failure:
        if best is None:
            raise
        notice = f"The answer could not be put into the form asked for ({failure.message})."
        return filled(Outcome(best.answer, best.confidence, best.facts, notices=(notice,)), schema)
    cited = tuple(shown[number - 1] for number in dict.fromkeys(fused.facts) if 0 < number <= len(shown))
    if not fused.answerable or not fused.answer.strip():
        if best is None or not _settled(plan, candidates):  # none of them: what they rest on supports no answer
            return Outcome()
        return filled(Outcome(best.answer, best.confidence, best.facts), schema)
    facts = cited or (best.facts if best else shown[:MOST_CITATIONS])
    chosen = next((c for c in candidates if compatible(fused.answer, c.answer, plan.answer_type)), None)
    confidence = chosen.confidence if chosen else min(fused.confidence, best.confidence if best else 1.0)
    data = getattr(fused, "data", None)
    if best is None or _supported(fused.answer, candidates, shown, plan):
        return filled(Outcome(fused.answer.strip(), confidence, facts, data), schema)
    if not plan.instructions:
        return filled(Outcome(best.answer, best.confidence, best.facts), schema)
    # Another language or form may be the reason: the wording stands, but is trusted less, and what it rests on is told.
    notice = f"The wording asked for does not stand in the evidence, which says: {best.answer}"
    return filled(Outcome(fused.answer.strip(), min(confidence, 0.5), facts, data, (notice,)), schema)


async def _written(
    plan: Plan,
    candidates: Sequence[Candidate],
    shown: tuple[Fact, ...],
    desk: Desk,
    output: type[Fused],
    statistics: TermStatistics | None,
    on_delta: Callable[[str], None] | None,
) -> tuple[Fused, tuple[Fact, ...]]:
    """The call over as many facts as what was kept for the answer can pay, and those facts."""
    while True:
        prompt = fusion_prompt(plan, candidates, shown, desk, output, statistics)
        try:
            return (await desk.gate.call(prompt, desk.account, final=True, on_delta=on_delta)).output, shown
        except BudgetEnded:
            if len(shown) < 2:
                raise
            best = set(sorted(shown, key=lambda fact: -fact.relevance)[: len(shown) // 2])
            shown = tuple(fact for fact in shown if fact in best)


def _supported(answer: str, candidates: Sequence[Candidate], shown: Sequence[Fact], plan: Plan) -> bool:
    """Whether the written answer holds a candidate's, or stands in the evidence itself."""
    written = f" {normalise(answer)} "
    held = any(compatible(answer, c.answer, plan.answer_type) or f" {normalise(c.answer)} " in written for c in candidates)
    return held or stands_in(answer, [fact.quote for fact in shown])


def _settled(plan: Plan, candidates: Sequence[Candidate]) -> bool:
    return all(same(c.answer, candidates[0].answer, plan.answer_type) for c in candidates[1:])


def fusion_prompt(
    plan: Plan,
    candidates: Sequence[Candidate],
    facts: Sequence[Fact],
    desk: Desk,
    output: type[Fused],
    statistics: TermStatistics | None,
) -> Prompt[Fused]:
    """The fusion agent's prompt."""
    inputs = FusionInput.model_construct(
        question=plan.core,
        instructions=plan.instructions,
        candidates=tuple(candidates),
        facts=tuple(facts),
        kind=plan.kind,
        answer_type=plan.answer_type,
        statistics=statistics,
    )
    return desk.prompt(
        "fusion",
        inputs,
        output,
        slots={
            "question": plan.core,
            "candidates": prompts.show_candidates(candidates, facts),
            "facts": prompts.show_facts(facts),
            "instructions": plan.instructions or prompts.show_list(()),
        },
        output_tokens=2 * desk.output_tokens,
    )


def fitting(ranked: Sequence[Fact], desk: Desk) -> tuple[Fact, ...]:
    """The best verified facts that fit the window, in the order of the documents: what a summary is written from."""
    room = desk.window - 2 * desk.output_tokens - OVERHEAD
    chosen = []
    for fact in ranked:
        room -= fact_tokens(fact)
        if room < 0:
            break
        if fact.verified:
            chosen.append(fact)
    return tuple(sorted(chosen, key=lambda fact: (fact.document, fact.start or 0)))


def _with_schema(schema: type[BaseModel]) -> type[Fused]:
    data = (schema, Field(description="the answer in this form; nothing that the facts do not hold"))
    return create_model(f"Fused{schema.__name__}", __base__=Fused, data=data)


def filled(outcome: Outcome, schema: type[BaseModel] | None) -> Outcome:
    """The outcome with the schema filled from its text where the model did not fill it: the first field that takes it."""
    if schema is None or outcome.data is not None or not outcome.answer:
        return outcome
    number, truth = number_of(outcome.answer), yes_or_no(outcome.answer)
    values: list[Any] = [outcome.answer, number[0] if number else None, truth]
    values.append([part.strip() for part in outcome.answer.split(",")])
    for name in schema.model_fields:
        for value in values:
            try:
                data = schema.model_validate({name: value})
            except ValidationError:
                continue
            return Outcome(outcome.answer, outcome.confidence, outcome.facts, data, outcome.notices)
    notice = f"The model did not fill {schema.__name__}; the answer is given as text."
    return Outcome(outcome.answer, outcome.confidence, outcome.facts, None, (*outcome.notices, notice))


def cite(
    answer: str, facts: Sequence[Fact], documents: Mapping[str, Document], *, most: int = MOST_CITATIONS
) -> tuple[Citation, ...]:
    """Citations of the facts, those that hold the answer first, `most` at most; each is checked against its document again."""
    citations = []
    for fact in sorted(facts, key=lambda fact: not stands_in(answer, (fact.quote,))):
        document = documents.get(fact.document)
        if document is None or fact.start is None or fact.end is None:
            continue
        if document.text[fact.start : fact.end] != fact.quote:
            continue
        citation = Citation(
            document=fact.document, start=fact.start, end=fact.end, page=fact.page, quote=fact.quote, title=fact.title
        )
        if citation not in citations:
            citations.append(citation)
    return tuple(citations[:most])
