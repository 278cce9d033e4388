"""The embedded default model: no weights, no network. Lexical and deterministic, it works on the prompts' typed inputs."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any

from pydantic import BaseModel

from extagents.errors import CallError
from extagents.models.base import Completion, ModelInfo, Prompt, T
from extagents.models.extraction import planning, remembering, tabular, writing
from extagents.models.extraction.question import Question, analyse
from extagents.models.extraction.reading import TITLE_SHARE, Found, Lead, cover, lead_names, merged, read, weigh
from extagents.models.extraction.reasoning import Outcome, follow, reason
from extagents.models.extraction.spans import clean_title
from extagents.models.extraction.vocabulary import OwnStatistics, Vocabulary, lowered
from extagents.types import (
    AnswerType,
    Fact,
    Fused,
    FusionInput,
    NamesInput,
    NotesInput,
    OutlineInput,
    OutlineMergeInput,
    PlannerInput,
    ReaderInput,
    ReaderQuestion,
    Reading,
    ReasonerInput,
    RecallInput,
    ReportedFact,
    RowsInput,
    Scan,
    ScanInput,
    SchemaInput,
    Section,
    SectionInput,
    SingleInput,
    SinglePass,
    SqlInput,
    Usage,
    Verdict,
)

_QUESTIONS_KEPT = 256
_VOCABULARIES_KEPT = 4
_LEADS_KEPT = 4096
_LEADS = 24
_LEAD_NAMES = 96
_SINGLE_FACTS = 24


class ExtractiveModel:
    """Reads and reasons by the rarity of words, the names that facts share, and the looks of an answer.

    `complete` computes in place: about a millisecond for a reader's shard of 32 KB, for most less. Caches are bounded.
    """

    def __init__(self) -> None:
        self._vocabularies: OrderedDict[int, Vocabulary] = OrderedDict()
        self._known: OrderedDict[tuple[str, int, str, str], Lead] = OrderedDict()
        self._questions: OrderedDict[tuple[str, AnswerType, int], Question] = OrderedDict()

    @property
    def name(self) -> str:
        return "extractive"

    @property
    def local(self) -> bool:
        return True

    async def describe(self) -> ModelInfo:
        """The window is a choice: what fits it is read in one pass, which takes a few milliseconds, the rest in rounds."""
        return ModelInfo(name="extractive", window=32_768)

    async def aclose(self) -> None:
        """Forgets what was cached; nothing is open."""
        self._vocabularies.clear()
        self._questions.clear()
        self._known.clear()

    async def complete(
        self, prompt: Prompt[T], *, timeout: float | None = None, on_delta: Callable[[str], None] | None = None
    ) -> Completion[T]:
        """Answers by the role's typed inputs. Raises `CallError` for a role it has no inputs of."""
        answer = self._answer(prompt.inputs)
        if not isinstance(answer, prompt.output):
            raise CallError(
                "bad_request", f"the extractive model has no answer of type {prompt.output.__name__} for the role {prompt.role}"
            )
        text = answer.model_dump_json()
        if on_delta is not None:
            on_delta(text)
        size = sum(len(message.content) for message in prompt.messages)
        usage = Usage(calls=1, input_tokens=size // 4, output_tokens=len(text) // 4, cost=0.0)
        return Completion(text=text, usage=usage, output=answer, model="extractive")

    def _answer(self, inputs: BaseModel) -> BaseModel | None:
        if isinstance(inputs, PlannerInput):
            return planning.plan(inputs)
        if isinstance(inputs, ReaderInput):
            return self._reader(inputs)
        if isinstance(inputs, ReasonerInput):
            return self._reasoner(inputs)
        if isinstance(inputs, SingleInput):
            return self._single(inputs)
        if isinstance(inputs, FusionInput):
            return self._fusion(inputs)
        if isinstance(inputs, OutlineInput):
            return writing.outline(inputs)
        if isinstance(inputs, OutlineMergeInput):
            return writing.merge(inputs)
        if isinstance(inputs, SectionInput):
            return writing.section(inputs)
        if isinstance(inputs, NotesInput):
            return remembering.rewrite(inputs)
        if isinstance(inputs, ScanInput):
            return self._scan(inputs)
        if isinstance(inputs, RecallInput):
            return self._recall(inputs)
        if isinstance(inputs, RowsInput):
            return tabular.rows(inputs)
        if isinstance(inputs, SchemaInput):
            return tabular.schema(inputs)
        if isinstance(inputs, SqlInput):
            return tabular.sql(inputs)
        if isinstance(inputs, NamesInput):
            return tabular.names(inputs)
        return None

    # -------------------------------------------------------------- roles

    def _reader(self, inputs: ReaderInput) -> Reading:
        sections = inputs.shard.sections
        vocabulary = self._vocabulary(inputs.statistics, lambda: [section.text for section in sections])
        facts: dict[str, ReportedFact] = {}
        queries: dict[str, None] = {}
        for asked in inputs.questions:
            question = self._question(asked.core, inputs.answer_type, vocabulary)
            found = read(question, vocabulary, sections, leads=self._leads(question, vocabulary, asked))
            for item in found:
                fact = _reported(item)
                known = facts.get(fact.quote)
                if known is None or known.relevance < fact.relevance:
                    facts[fact.quote] = fact
            for item in found[:2]:
                names = lead_names(question, vocabulary, item.text, item.section.title)
                queries.update(dict.fromkeys(follow(question, item.covered, names)))
        return Reading(facts=list(facts.values()), queries=list(queries)[:3], continues=False)

    def _reasoner(self, inputs: ReasonerInput) -> Verdict:
        vocabulary = self._vocabulary(inputs.statistics, lambda: [f"{fact.title} {fact.quote}" for fact in inputs.facts])
        outcome = self._reasoned(inputs.question, inputs.facts, vocabulary, inputs)
        return Verdict(
            answerable=outcome.answerable,
            answer=outcome.answer,
            confidence=outcome.confidence,
            facts=list(outcome.facts),
            queries=list(outcome.queries),
        )

    def _single(self, inputs: SingleInput) -> SinglePass:
        sections = inputs.shard.sections
        vocabulary = self._vocabulary(inputs.statistics, lambda: [section.text for section in sections])
        question = self._question(inputs.question, inputs.answer_type, vocabulary)
        found = read(question, vocabulary, sections, most=_SINGLE_FACTS, hops=2)
        facts = [_fact(item, number) for number, item in enumerate(found)]
        outcome = self._reasoned(inputs.question, facts, vocabulary, inputs)
        rests_on = [found[label - 1] for label in outcome.facts] or found[:2]
        return SinglePass(
            facts=[_reported(item) for item in rests_on],
            answerable=outcome.answerable,
            answer=outcome.answer,
            confidence=outcome.confidence,
        )

    def _fusion(self, inputs: FusionInput) -> Fused:
        return planning.fuse(inputs)

    def _scan(self, inputs: ScanInput) -> Scan:
        reading = self._reader(remembering.as_reading(inputs))
        return remembering.scanned(inputs, reading)

    def _recall(self, inputs: RecallInput) -> Verdict:
        return remembering.judged(inputs, self._reasoner(remembering.as_judging(inputs)))

    def _leads(self, question: Question, vocabulary: Vocabulary, asked: ReaderQuestion) -> list[Lead]:
        """What the others' facts open, the best first, with at most 96 different names."""
        leads: list[Lead] = []
        seen: set[str] = set()
        for fact in asked.knowledge[:_LEADS]:
            lead = self._lead(question, vocabulary, fact)
            if len(seen.union(lead.names)) > _LEAD_NAMES:
                break
            seen.update(lead.names)
            if lead.names:
                leads.append(replace(lead, relevance=min(fact.relevance, lead.relevance)))
        return leads

    # -------------------------------------------------------------- what is kept between calls

    def _lead(self, question: Question, vocabulary: Vocabulary, fact: Fact) -> Lead:
        """What one fact opens. Every reader of a wave is told the same facts: worked out once."""
        key = (question.text, id(vocabulary), fact.title, fact.quote)
        kept = self._known.get(key)
        if kept is None:
            covered = merged(
                (cover(question, vocabulary, lowered(fact.quote)), 1.0),
                (cover(question, vocabulary, lowered(fact.title)), TITLE_SHARE),
            )
            names = lead_names(question, vocabulary, fact.quote, fact.title)
            strength = max(0.1, weigh(question, covered) * 1.5)
            kept = Lead(names, lowered(clean_title(fact.title)), covered, strength)
            if not isinstance(vocabulary.statistics, OwnStatistics):
                self._known[key] = kept
                while len(self._known) > _LEADS_KEPT:
                    self._known.popitem(last=False)
        return kept

    def _reasoned(
        self, text: str, facts: Sequence[Fact], vocabulary: Vocabulary, inputs: ReasonerInput | SingleInput
    ) -> Outcome:
        question = self._question(text, inputs.answer_type, vocabulary)
        return reason(question, vocabulary, facts, kind=inputs.kind)

    def _vocabulary(self, statistics: Any, texts: Callable[[], list[str]]) -> Vocabulary:
        """The vocabulary of the statistics at hand; where there are none, one of the input alone, not kept."""
        if statistics is None:
            return Vocabulary(OwnStatistics(texts()))
        key = id(statistics)
        kept = self._vocabularies.get(key)
        if kept is None or kept.statistics is not statistics:
            kept = self._vocabularies[key] = Vocabulary(statistics)
            while len(self._vocabularies) > _VOCABULARIES_KEPT:
                self._vocabularies.popitem(last=False)
                self._questions.clear()
                self._known.clear()
        return kept

    def _question(self, text: str, answer_type: AnswerType, vocabulary: Vocabulary) -> Question:
        if isinstance(vocabulary.statistics, OwnStatistics):
            return analyse(text, vocabulary, answer_type=answer_type)
        key = (text, answer_type, id(vocabulary))
        kept = self._questions.get(key)
        if kept is None:
            kept = self._questions[key] = analyse(text, vocabulary, answer_type=answer_type)
            while len(self._questions) > _QUESTIONS_KEPT:
                self._questions.popitem(last=False)
        return kept


def _reported(item: Found) -> ReportedFact:
    return ReportedFact(claim=_claim(item.section, item.text), quote=item.text, relevance=round(item.relevance, 4))


def _claim(section: Section, text: str) -> str:
    """The sentence with its title in front, unless the sentence names it."""
    title = clean_title(section.title)
    if not title or lowered(title) in lowered(text):
        return " ".join(text.split())
    return f"{title}: {' '.join(text.split())}"


def _fact(item: Found, number: int) -> Fact:
    section = item.section
    return Fact(
        id=str(number),
        claim=item.text,
        quote=item.text,
        document=section.document,
        start=section.start + item.start,
        end=section.start + item.end,
        relevance=item.relevance,
        shard="",
        round=1,
        title=section.title,
    )
