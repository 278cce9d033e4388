"""The memory agent by words alone: its inputs turned into those of reader and reasoner, and notes that are the best claims."""

from __future__ import annotations

from extagents.types import (
    Notes,
    NotesInput,
    ReaderInput,
    ReaderQuestion,
    Reading,
    ReasonerInput,
    RecallInput,
    Scan,
    ScanInput,
    Verdict,
)

CHARACTERS_A_TOKEN = 3  # kept on the safe side: notes over their budget would be cut
MOST_CLAIM = 300  # characters


def rewrite(inputs: NotesInput) -> Notes:
    """The claims of the most relevant facts that fit the budget, in the order of their numbers, each with its mark."""
    room = inputs.budget * CHARACTERS_A_TOKEN
    lines: dict[int, str] = {}
    for number, fact in sorted(zip(inputs.numbers, inputs.facts, strict=True), key=lambda pair: (-pair[1].relevance, pair[0])):
        line = f"{' '.join(fact.claim.split())[:MOST_CLAIM]} [{number}]"
        cost = len(line) if line.isascii() else len(line) * CHARACTERS_A_TOKEN
        if cost <= room:
            room -= cost
            lines[number] = line
    return Notes(memory="\n".join(lines[number] for number in sorted(lines)), plan=inputs.plan)


def as_reading(inputs: ScanInput) -> ReaderInput:
    """The same shard for the reader, with the notes as what is known already."""
    asked = ReaderQuestion.model_construct(core=inputs.question, knowledge=inputs.notes, open_queries=())
    return ReaderInput.model_construct(
        shard=inputs.shard, questions=(asked,), answer_type=inputs.answer_type, statistics=inputs.statistics
    )


def scanned(inputs: ScanInput, reading: Reading) -> Scan:
    """What the reader found and the notes do not hold yet; its leads are the plan."""
    known = {fact.quote for fact in inputs.notes}
    return Scan(
        facts=[fact for fact in reading.facts if fact.quote not in known],
        drop=[],
        plan="; ".join(reading.queries) or inputs.plan,
    )


def ranked(inputs: RecallInput) -> list[int]:
    """The labels of the facts behind the notes, best first: the reasoner weighs them in that order."""
    return sorted(range(1, len(inputs.facts) + 1), key=lambda label: (-inputs.facts[label - 1].relevance, label))


def as_judging(inputs: RecallInput) -> ReasonerInput:
    """The facts behind the notes for the reasoner, as the ladder gives them."""
    return ReasonerInput.model_construct(
        question=inputs.question,
        facts=tuple(inputs.facts[label - 1] for label in ranked(inputs)),
        kind=inputs.kind,
        answer_type=inputs.answer_type,
        statistics=inputs.statistics,
    )


def judged(inputs: RecallInput, verdict: Verdict) -> Verdict:
    """The reasoner's verdict with the labels that the notes' facts have."""
    order = ranked(inputs)
    return verdict.model_copy(update={"facts": [order[number - 1] for number in verdict.facts]})
