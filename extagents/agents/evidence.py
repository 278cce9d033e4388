"""What agents share about evidence: quotes that are located, what supports an answer, and text too long for one call."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from extagents.answers import all_stand_in, bears, quotable, translated
from extagents.corpus.quotes import locate
from extagents.corpus.tables import head_within
from extagents.memory.ledger import fact_id
from extagents.types import AnswerType, Document, Fact, Kind, ReportedFact, Section, ShardText

SMALLEST_PART = 200  # characters: a shard this short is not split any further


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
            head, at = head_within(section, cut)
            update = {"text": section.text[cut:], "start": section.start + cut, "head": head, "head_start": at}
            second.append(section.model_copy(update=update))
            room = 0
    halves = (tuple(s for s in first if s.text), tuple(s for s in second if s.text))
    return (
        (ShardText(id=f"{text.id}.1", sections=halves[0]), ShardText(id=f"{text.id}.2", sections=halves[1]))
        if all(halves)
        else None
    )


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


def supporting(
    answer: str,
    cited: Sequence[Fact],
    shown: Sequence[Fact],
    *,
    kind: Kind,
    answer_type: AnswerType,
    all_real: bool,
    question: str,
) -> tuple[Fact, ...]:
    """The verified facts that an answer rests on, or none where it is not verified.

    An answer that can stand in a quote has to: in one of the `cited` facts, else in one that was `shown`. Any other (yes or no,
    a count, a comparison) needs facts to be named, and every number that was named to be a fact's (`all_real`).
    """
    cited = [fact for fact in cited if fact.verified]
    quotes = [fact.quote for fact in cited]
    if quotable(kind, answer_type, answer, quotes):
        bearing = [fact for fact in cited if bears(answer, fact.quote, fact.title, question)]
        others = (fact for fact in shown if fact.verified and bears(answer, fact.quote, fact.title, question))
        bearing = bearing or list(others)[:1]
        return tuple(dict.fromkeys((*cited, *bearing[:1]))) if bearing else ()
    listed = answer_type == "list" and not translated(answer, quotes)
    if not all_real or (listed and not all_stand_in(answer, [fact.quote for fact in shown])):
        return ()
    return tuple(cited)
