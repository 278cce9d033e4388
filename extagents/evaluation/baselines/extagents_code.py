"""ExtAgents as its public code does it: one shard after another, extraction and score in calls of their own, the knowledge and
the round before the shard (so that no later round finds its prefix cached), and a stop on the words NO ANSWER.
"""

from __future__ import annotations

from collections.abc import Sequence

from extagents.agents.calls import Desk
from extagents.evaluation.baselines.extagents_paper import ROUNDS
from extagents.evaluation.baselines.loop import CHUNK, NO_ANSWER, SPARE, Caller, Outcome, bare, chunks, fitting, tokens
from extagents.types import Document, Plain

SHARED = 64  # messages at most: the code bounds shared knowledge by their number alone

EXTRACT = """Round {turn} of {rounds}.
<knowledge>
{knowledge}
</knowledge>

<section>
{section}
</section>

Question: {question}
Extract the information of this section that helps to answer, with the shared knowledge in mind. \
If there is none, reply "{none}"."""
SCORE = """Question: {question}

<information>
{message}
</information>

How relevant is this information to the question? Reply with a single integer from 0 to 10 only.
Score:"""
REASON = """<knowledge>
{knowledge}
</knowledge>

Question: {question}
Answer the question from the knowledge with a few words and nothing else. If it does not tell, reply "{none}".
Answer:"""


async def extagents_code(question: str, documents: Sequence[Document], desk: Desk) -> Outcome:
    """Rounds of seeking one shard after another and reasoning, until an answer or the last round."""
    caller = Caller(desk, "extagents_code")
    size = min(CHUNK, desk.window // 2)
    sections = chunks(documents, size)
    room = desk.window - desk.output_tokens - size - tokens(question) - 2 * SPARE
    ranked: list[str] = []
    answer, turn = "", 0
    while not answer and turn < ROUNDS:
        turn += 1
        knowledge = "\n".join(fitting(ranked[:SHARED], room)) or "(nothing yet)"
        scored: list[tuple[int, str]] = []
        for section in sections:
            prompt = EXTRACT.format(
                turn=turn, rounds=ROUNDS, knowledge=knowledge, section=section, question=question, none=NO_ANSWER
            )
            message = await caller.write("reader", prompt, step="extract")
            if message is None:
                continue
            prompt = SCORE.format(question=question, message=message)
            said = await caller.ask("reader", prompt, Plain, step="score", output_tokens=16)
            if said is not None and NO_ANSWER not in message:
                scored.append((score_of(said.text), message))
        ranked = [message for _, message in sorted(scored, key=lambda item: -item[0])]
        answer = await reason(question, ranked, caller)
    return Outcome(answer=bare(answer), rounds=turn, failed=caller.failed)


def score_of(text: str) -> int:
    """The first integer of the text, 0 where there is none, at most 10."""
    digits = ""
    for char in text:
        if char.isdigit():
            digits += char
        elif digits:
            break
    return min(10, int(digits)) if digits else 0


async def reason(question: str, ranked: Sequence[str], caller: Caller) -> str:
    """The first answer without the words NO ANSWER from the top 1, 2, 4, … messages."""
    room = caller.desk.window - caller.desk.output_tokens - tokens(question) - 2 * SPARE
    count = 1
    while ranked:
        knowledge = "\n".join(fitting(ranked[:count], room))
        prompt = REASON.format(knowledge=knowledge, question=question, none=NO_ANSWER)
        said = await caller.write("reasoner", prompt, step="reason")
        if said and NO_ANSWER not in said:
            return said
        if count >= len(ranked):
            break
        count = min(2 * count, len(ranked))
    return ""
