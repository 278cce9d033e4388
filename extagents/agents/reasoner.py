"""The reasoner's ladder (knowledge-accumulating reasoning of ExtAgents, arXiv 2505.21471): the top 1, 2, 4, 8, … facts.

The rungs are judged in parallel. An answer counts when two neighbouring rungs agree on it, or the whole ledger does in two
orders (a single fact: with and without the reader's claim), and it stands in a verified quote. The prompts of the rungs are
prefixes of each other, so a server's cache pays most.
"""

from __future__ import annotations

import asyncio
import itertools
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace

from extagents import prompts
from extagents.agents.calls import Desk, gather
from extagents.answers import all_stand_in, bears, compatible, fits, quotable, same, translated
from extagents.gate import BudgetEnded, CallFailed
from extagents.memory.ledger import fact_tokens
from extagents.models.base import Model, Prompt
from extagents.types import AnswerType, Fact, Kind, ReasonerInput, TermStatistics, Verdict

OVERHEAD = 900  # tokens of the prompt without facts, at most


@dataclass(frozen=True, slots=True)
class Rung:
    """One judged prompt: the facts shown, in the order shown, and the verdict on them."""

    facts: tuple[Fact, ...]
    verdict: Verdict

    @property
    def cited(self) -> tuple[Fact, ...]:
        """The facts that the verdict names, in the order shown."""
        return tuple(self.facts[number - 1] for number in dict.fromkeys(self.verdict.facts) if 0 < number <= len(self.facts))


@dataclass(frozen=True, slots=True)
class Judgement:
    """What the ladder made of the ledger: `stable` if two prompts agree, `verified` if the answer stands in a located quote."""

    answer: str = ""
    confidence: float = 0.0
    facts: tuple[Fact, ...] = ()
    stable: bool = False
    verified: bool = False
    queries: tuple[str, ...] = ()
    rungs: tuple[Rung, ...] = ()
    votes: int = 0
    rival: int = 0

    @property
    def answered(self) -> bool:
        """Whether there is an answer that counts."""
        return self.stable and self.verified and bool(self.answer)


@dataclass(slots=True)
class Ladder:
    """The ladder of one question. It remembers what it judged: the same facts in the same order are never asked again.

    To measure what they are worth: without `rungs` the whole ledger is judged once and believed; without `checked` facts whose
    quotes were not found count as well, and an answer need not stand in a quote.
    """

    question: str
    kind: Kind
    answer_type: AnswerType
    desk: Desk
    statistics: TermStatistics | None = None
    rungs: bool = True
    checked: bool = True
    failure: CallFailed | None = None
    _verdicts: dict[str, Verdict] = field(default_factory=dict)

    async def climb(self, ranked: Sequence[Fact], *, on_rung: Callable[[Rung], None] | None = None) -> Judgement:
        """Judges all rungs over the verified facts, best first. Raises `gate.Stop`; `gate.CallFailed` if no rung worked."""
        facts = self.fitting(ranked)
        if not facts:
            return Judgement()
        orders = [(facts[:size], True) for size in sizes(len(facts))]
        orders.append((tuple(reversed(facts)), True) if len(facts) > 1 else (facts, False))
        judged = await self._judge_all(orders if self.rungs else [(facts, True)], on_rung)
        judgement = self._decided(judged)
        return judgement if self.rungs else replace(judgement, stable=bool(judgement.answer))

    async def last(self, ranked: Sequence[Fact]) -> Judgement:
        """One call for a run that is about to end, over all that fits the window and what was kept back for the answer."""
        facts = self.fitting(ranked)
        while facts:
            try:
                rung = await self._judge(facts, final=True)
            except BudgetEnded:
                facts = facts[: len(facts) // 2]
                continue
            return self._decided([rung] if rung else [])
        return Judgement()

    def so_far(self, ranked: Sequence[Fact]) -> Judgement:
        """What the rungs that were paid for already say, without a call."""
        facts = self.fitting(ranked)
        prompts_of = ((facts[:size], self.prompt(facts[:size]).messages[-1].content) for size in sizes(len(facts)) if facts)
        known = [Rung(shown, self._verdicts[text]) for shown, text in prompts_of if text in self._verdicts]
        return self._decided(known)

    async def by_words(self, ranked: Sequence[Fact], model: Model) -> Judgement:
        """The verdict of a model that needs no gate, being in this process: what the words of the facts alone say."""
        facts = self.fitting(ranked)
        verdict = (await model.complete(self.prompt(facts))).output if facts else None
        return self._decided([] if verdict is None else [Rung(facts, verdict)])

    def _decided(self, rungs: Sequence[Rung]) -> Judgement:
        return decide(rungs, self.kind, self.answer_type, checked=self.checked, question=self.question)

    def fitting(self, ranked: Sequence[Fact]) -> tuple[Fact, ...]:
        """The best verified facts that fit the window beside the question and the answer."""
        room = self.desk.window - self.desk.output_tokens - OVERHEAD - len(self.question.encode()) // 2
        chosen: list[Fact] = []
        for fact in ranked:
            if self.checked and not fact.verified:
                continue
            room -= fact_tokens(fact)
            if room < 0:
                break
            chosen.append(fact)
        return tuple(chosen)

    async def _judge_all(
        self, orders: Sequence[tuple[tuple[Fact, ...], bool]], on_rung: Callable[[Rung], None] | None
    ) -> list[Rung]:
        async def one(facts: tuple[Fact, ...], claims: bool) -> Rung | None:
            rung = await self._judge(facts, claims=claims)
            if rung is not None and on_rung is not None:
                on_rung(rung)
            return rung

        tasks = [asyncio.ensure_future(one(facts, claims)) for facts, claims in orders]
        rungs = [rung for rung in await gather(tasks) if rung is not None]
        if not rungs and self.failure is not None:
            raise self.failure
        return rungs

    async def _judge(self, facts: tuple[Fact, ...], *, claims: bool = True, final: bool = False) -> Rung | None:
        prompt = self.prompt(facts, claims=claims)
        key = prompt.messages[-1].content
        if key not in self._verdicts:
            try:
                called = await self.desk.gate.call(prompt, self.desk.account, final=final)
            except CallFailed as failure:
                if failure.fatal:
                    raise
                self.failure = failure
                return None
            self._verdicts[key] = called.output
        return Rung(facts, self._verdicts[key])

    def prompt(self, facts: Sequence[Fact], *, claims: bool = True) -> Prompt[Verdict]:
        """The reasoner's prompt over the facts in the given order; without `claims` it shows the bare quotes."""
        inputs = ReasonerInput.model_construct(
            question=self.question,
            facts=tuple(facts),
            kind=self.kind,
            answer_type=self.answer_type,
            statistics=self.statistics,
        )
        return self.desk.prompt(
            "reasoner", inputs, Verdict, slots={"question": self.question, "facts": prompts.show_facts(facts, claims=claims)}
        )


def sizes(count: int) -> list[int]:
    """1, 2, 4, 8, …, count."""
    rungs = []
    size = 1
    while size < count:
        rungs.append(size)
        size *= 2
    return [*rungs, count]


def decide(
    rungs: Sequence[Rung], kind: Kind, answer_type: AnswerType, *, checked: bool = True, question: str = ""
) -> Judgement:
    """The answer that two neighbouring rungs agree on, the smallest such rungs first, if it stands in a verified quote.

    Where several prompts, or one that saw the whole ledger, say something else, it needs two votes more than that. Otherwise
    the judgement is unstable.
    """
    queries = tuple(dict.fromkeys(q.strip() for rung in reversed(rungs) for q in rung.verdict.queries if q.strip()))[:6]
    spoken = [rung for rung in rungs if speaks(rung, answer_type)]
    for first, second in itertools.pairwise(rungs):
        if not (speaks(first, answer_type) and speaks(second, answer_type) and _agree(first, second, answer_type)):
            continue
        if _votes(first, spoken, answer_type) < _rival(first, rungs, answer_type) + 2:
            continue
        judged = _judgement(first, second, kind, answer_type, queries, rungs, checked, question)
        if judged.answered:
            return judged
    return _unstable(rungs, spoken, kind, answer_type, queries, checked, question)


def _unstable(
    rungs: Sequence[Rung],
    spoken: Sequence[Rung],
    kind: Kind,
    answer_type: AnswerType,
    queries: tuple[str, ...],
    checked: bool,
    question: str,
) -> Judgement:
    """The answer that most rungs give, larger ones first among equals, those that stand in a quote before all others."""
    judged = [(_judgement(rung, None, kind, answer_type, queries, rungs, checked, question), rung) for rung in reversed(spoken)]
    if not judged:
        return Judgement(queries=queries, rungs=tuple(rungs))
    return max(judged, key=lambda pair: (pair[0].verified, _votes(pair[1], spoken, answer_type)))[0]


def _agree(one: Rung, other: Rung, answer_type: AnswerType) -> bool:
    return same(one.verdict.answer, other.verdict.answer, answer_type)


def _votes(rung: Rung, spoken: Sequence[Rung], answer_type: AnswerType) -> int:
    """How many rungs give this rung's answer."""
    return sum(_agree(rung, other, answer_type) for other in spoken)


def _rival(rung: Rung, rungs: Sequence[Rung], answer_type: AnswerType) -> int:
    """The votes of the strongest other answer; one that a single prompt gave counts only if that saw the whole ledger."""
    spoken = [other for other in rungs if speaks(other, answer_type)]
    answer = rung.verdict.answer
    rivals = [other for other in spoken if not compatible(answer, other.verdict.answer, answer_type)]
    votes = [(_votes(other, spoken, answer_type), other in rungs[-2:]) for other in rivals]
    return max((count for count, whole in votes if count > 1 or whole), default=0)


def speaks(rung: Rung, answer_type: AnswerType) -> bool:
    """Whether the rung gives an answer, and one of the kind that was asked for."""
    answer = rung.verdict.answer.strip()
    return rung.verdict.answerable and bool(answer) and fits(answer, answer_type)


def _judgement(
    first: Rung,
    second: Rung | None,
    kind: Kind,
    answer_type: AnswerType,
    queries: tuple[str, ...],
    rungs: Sequence[Rung],
    checked: bool,
    question: str,
) -> Judgement:
    answer = " ".join(first.verdict.answer.split())
    cited = first.cited
    votes = [rung for rung in rungs if speaks(rung, answer_type) and same(rung.verdict.answer, answer, answer_type)]
    if kind == "multi_hop" and len(cited) < 2:  # a larger rung with the same answer may tell all the steps
        cited = next((rung.cited for rung in votes if len(rung.cited) > 1), cited)
    quotes = [fact.quote for fact in cited]
    if quotable(kind, answer_type, answer, quotes):
        bearing = [fact for fact in cited if bears(answer, fact.quote, fact.title, question)]
        bearing = bearing or [fact for fact in first.facts if bears(answer, fact.quote, fact.title, question)][:1]
        verified = bool(bearing)
        cited = tuple(dict.fromkeys((*cited, *bearing[:1])))
    else:
        named = (*cited, *(second.cited if second else ()))
        verified = bool(named) and len(first.cited) == len(set(first.verdict.facts))
        if answer_type == "list" and not translated(answer, quotes):
            verified = verified and all_stand_in(answer, [fact.quote for fact in first.facts])
    confidence = sum(rung.verdict.confidence for rung in votes) / max(1, len(votes))
    return Judgement(
        answer=answer,
        confidence=confidence,
        facts=cited,
        stable=second is not None,
        verified=verified or not checked,
        queries=queries,
        rungs=tuple(rungs),
        votes=len(votes),
        rival=_rival(first, rungs, answer_type),
    )
