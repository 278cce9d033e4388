"""PI-Mem (arXiv 2608.03048): all chunks at once against one shared memory, each telling what it adds; three turns at most."""

from __future__ import annotations

from collections.abc import Sequence

from pydantic import Field

from extagents.agents.calls import Desk
from extagents.evaluation.baselines.loop import CHUNK, NO_ANSWER, SPARE, Caller, Outcome, bare, chunks, fitting, tokens
from extagents.types import Document, Frozen

TURNS = 3

READ = """<memory>
{memory}
</memory>

<section>
{section}
</section>

Question: {question}
Does this section hold information that helps to answer and that the memory does not hold yet? If it does, give it."""
ANSWER = """<memory>
{memory}
</memory>

Question: {question}
Answer the question from the memory, with a few words and nothing else. If it does not tell, reply "{none}".
Answer:"""


class Added(Frozen):
    """What a section adds to the memory."""

    has_new_information: bool = Field(description="whether the section adds something that helps")
    new_information: str = Field(description="what it adds; empty if nothing")


async def pi_mem(question: str, documents: Sequence[Document], desk: Desk) -> Outcome:
    """Turns over all chunks in parallel until none adds anything."""
    caller = Caller(desk, "pi_mem")
    size = min(CHUNK, desk.window // 2)
    sections = chunks(documents, size)
    spare = desk.window - desk.output_tokens - tokens(question) - 2 * SPARE
    memory: list[str] = []
    turn = 0
    while turn < TURNS:
        turn += 1
        held = "\n".join(fitting(memory, spare - size)) or "(empty)"
        prompts = [READ.format(memory=held, section=section, question=question) for section in sections]
        replies = await caller.ask_all("reader", prompts, Added, step="read")
        new = [
            line.strip()
            for reply in replies
            if reply is not None and reply.has_new_information
            for line in reply.new_information.splitlines()
            if line.strip()
        ]
        merged = list(dict.fromkeys([*memory, *new]))
        if len(merged) == len(memory):
            break
        memory = merged
    shown = fitting(memory, spare)
    prompt = ANSWER.format(memory="\n".join(shown), question=question, none=NO_ANSWER)
    answer = await caller.write("reasoner", prompt, step="answer")
    return Outcome(answer=bare(answer), rounds=turn + 1, failed=caller.failed, noted=frozenset(memory), kept=frozenset(shown))
