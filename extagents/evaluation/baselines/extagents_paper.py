"""ExtAgents as the paper tells it (arXiv 2505.21471).

Seeking agents read all shards at once, every one with the ranked messages of all others (global knowledge synchronisation); a
reasoning agent sees the top 1, 2, 4, … messages and answers as soon as it can (knowledge-accumulating reasoning). Up to T=5
rounds.
"""

from __future__ import annotations

from collections.abc import Sequence

from pydantic import Field

from extagents.agents.calls import Desk
from extagents.evaluation.baselines.loop import CHUNK, SPARE, Caller, Outcome, bare, chunks, fitting, tokens
from extagents.types import Document, Frozen

ROUNDS = 5

SEEK = """<section>
{section}
</section>

<knowledge>
{knowledge}
</knowledge>

Question: {question}
You read one section of a long text; other agents read the others, and the knowledge is what they shared. Write the \
information of your section that helps to answer, and how relevant it is from 0 to 10. Leave it empty if there is none."""
REASON = """<knowledge>
{knowledge}
</knowledge>

Question: {question}
Is the question answerable from the knowledge? If it is, answer with a few words."""


class Message(Frozen):
    """What a seeking agent shares."""

    message: str = Field(description="the information of the section that helps; empty if there is none")
    score: float = Field(description="how relevant it is, 0 to 10", ge=0.0, le=10.0)


class Judged(Frozen):
    """The reasoning agent's word on one part of the knowledge."""

    answerable: bool = Field(description="whether the knowledge answers the question")
    answer: str = Field(description="the answer; empty if not answerable")


async def extagents(question: str, documents: Sequence[Document], desk: Desk) -> Outcome:
    """Rounds of seeking in parallel and reasoning, until an answer or the last round."""
    caller = Caller(desk, "extagents")
    size = min(CHUNK, desk.window // 2)
    sections = chunks(documents, size)
    room = desk.window - desk.output_tokens - size - tokens(question) - 2 * SPARE
    ranked: list[str] = []
    answer, turn = "", 0
    while not answer and turn < ROUNDS:
        turn += 1
        knowledge = "\n".join(fitting(ranked, room)) or "(nothing yet)"
        prompts = [SEEK.format(section=section, knowledge=knowledge, question=question) for section in sections]
        found = await caller.ask_all("reader", prompts, Message, step="seek")
        messages = [message for message in found if message is not None and message.message.strip()]
        ranked = [message.message for message in sorted(messages, key=lambda message: -message.score)]
        answer = await reason(question, ranked, caller)
    return Outcome(answer=bare(answer), rounds=turn, failed=caller.failed)


async def reason(question: str, ranked: Sequence[str], caller: Caller) -> str:
    """The answer from the top 1, 2, 4, … messages, at the first step that is answerable; "" if none is."""
    room = caller.desk.window - caller.desk.output_tokens - tokens(question) - 2 * SPARE
    count = 1
    while ranked:
        knowledge = "\n".join(fitting(ranked[:count], room))
        judged = await caller.ask("reasoner", REASON.format(knowledge=knowledge, question=question), Judged, step="reason")
        if judged is not None and judged.answerable and judged.answer.strip():
            return judged.answer
        if count >= len(ranked):
            break
        count = min(2 * count, len(ranked))
    return ""
