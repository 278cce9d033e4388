"""MemAgent (arXiv 2507.02259): one section after another, the memory overwritten every time, the answer from it alone."""

from __future__ import annotations

from collections.abc import Sequence

from extagents.agents.calls import Desk
from extagents.evaluation.baselines.loop import NO_ANSWER, SPARE, Caller, Outcome, bare, chunks, tokens
from extagents.types import Document

MEMORY = 1_024  # tokens
SECTION = 5_000  # tokens

UPDATE = """You see a problem, a section of an article that may help to solve it, and a memory of what was read before. Read \
the section and update the memory: keep every detail in it that helps, and add what is new. The memory holds \
at most {budget} tokens.

<problem>
{question}
</problem>

<memory>
{memory}
</memory>

<section>
{section}
</section>

Updated memory:"""
ANSWER = """<problem>
{question}
</problem>

<memory>
{memory}
</memory>

Answer the problem from the memory, with a few words and nothing else. If it does not tell, reply "{none}".
Your answer:"""


async def memagent(question: str, documents: Sequence[Document], desk: Desk) -> Outcome:
    """Reads section by section with one overwritten memory."""
    caller = Caller(desk, "memagent")
    scale = min(1.0, (desk.window - tokens(question) - 2 * SPARE) / (2 * MEMORY + SECTION))
    budget, sections = int(MEMORY * scale), chunks(documents, int(SECTION * scale))
    memory = ""
    noted: set[str] = set()
    for section in sections:
        prompt = UPDATE.format(budget=budget, question=question, memory=memory or "No previous memory", section=section)
        written = await caller.write("memory", prompt, step="update", output_tokens=budget)
        if written is not None:
            memory = written
            noted.update(lines(memory))
    prompt = ANSWER.format(question=question, memory=memory, none=NO_ANSWER)
    answer = await caller.write("reasoner", prompt, step="answer")
    return Outcome(
        answer=bare(answer),
        rounds=len(sections) + 1,
        failed=caller.failed,
        noted=frozenset(noted),
        kept=frozenset(lines(memory)),
    )


def lines(memory: str) -> list[str]:
    """The lines of a memory, as they can be found again."""
    return [line.strip() for line in memory.splitlines() if line.strip()]
