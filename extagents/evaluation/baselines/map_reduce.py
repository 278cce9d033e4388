"""LLM×MapReduce (arXiv 2410.09342): structured results of all chunks at once, collapsed while too long, then reduced."""

from __future__ import annotations

from collections.abc import Sequence

from pydantic import Field

from extagents.agents.calls import Desk
from extagents.evaluation.baselines.loop import CHUNK, SPARE, Caller, Outcome, bare, chunks, tokens
from extagents.types import Document, Frozen

MAP = """<section>
{section}
</section>

Question: {question}
This is one section of a long text. Extract what it says on the question, reason about it, and answer as far as the section \
allows, with your confidence from 0 to 5. Leave every text empty if the section says nothing on the question."""
COLLAPSE = """Results from several sections of a long text:

{results}

Question: {question}
Combine these results into one of the same form. Where they contradict each other, weigh them by their confidence (0 to 5)."""
REDUCE = """Results from the sections of a long text:

{results}

Question: {question}
Combine the results, weigh them by their confidence where they contradict each other, and give the final answer with a few \
words. Leave it empty if the results do not tell."""


class Result(Frozen):
    """What one section says on the question."""

    extracted_information: str = Field(description="what the section says on the question")
    rationale: str = Field(description="how the answer follows from it")
    answer: str = Field(description="the answer as far as the section allows; empty if it does not")
    confidence: float = Field(description="how sure, 0 to 5", ge=0.0, le=5.0)


class Reduced(Frozen):
    """The final answer."""

    rationale: str = Field(description="how the answer follows from the results")
    answer: str = Field(description="the answer with a few words; empty if the results do not tell")


async def map_reduce(question: str, documents: Sequence[Document], desk: Desk) -> Outcome:
    """Maps every chunk, collapses while the results do not fit the window, reduces."""
    caller = Caller(desk, "map_reduce")
    sections = chunks(documents, min(CHUNK, desk.window // 2))
    mapped = await caller.ask_all("reader", [MAP.format(section=s, question=question) for s in sections], Result, step="map")
    texts = [shown(result) for result in mapped if result and (result.extracted_information or result.answer)]
    room = desk.window - desk.output_tokens - tokens(question) - 2 * SPARE
    rounds = 1
    while len(texts) > 1 and sum(tokens(text) + 1 for text in texts) > room:
        prompts = [COLLAPSE.format(results="\n\n".join(group), question=question) for group in groups(texts, room // 2)]
        if len(prompts) == len(texts):
            texts = texts[: max(1, len(texts) // 2)]  # results too long to be paired: what does not fit is lost, as published
            continue
        collapsed = await caller.ask_all("reasoner", prompts, Result, step="collapse")
        texts = [shown(result) for result in collapsed if result]
        rounds += 1
    prompt = REDUCE.format(results="\n\n".join(texts) or "(none)", question=question)
    final = await caller.ask("reasoner", prompt, Reduced, step="reduce")
    return Outcome(answer=bare(final.answer if final else ""), rounds=rounds + 1, failed=caller.failed)


def shown(result: Result) -> str:
    """A result as the next step reads it."""
    lines = (
        f"Information: {result.extracted_information or '-'}",
        f"Rationale: {result.rationale or '-'}",
        f"Answer: {result.answer or '-'}",
        f"Confidence: {result.confidence:g}",
    )
    return "\n".join(lines)


def groups(texts: Sequence[str], room: int) -> list[list[str]]:
    """The texts in order, in groups of at most `room` tokens; a longer text is a group of its own."""
    made: list[list[str]] = [[]]
    left = room
    for text in texts:
        cost = tokens(text) + 1
        if cost > left and made[-1]:
            made.append([])
            left = room
        made[-1].append(text)
        left -= cost
    return made
