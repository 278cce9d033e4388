"""The loop of QwenLong-L1.5 (arXiv 2512.12967).

(m, p) = π(m, p, x, q_core), section after section; the answer from (m, q_core, q_inst). The question is split first: q_core is
what to find, q_inst how to say it. Memory and navigation plan are rewritten together. The published sizes are scaled down alike
where the window does not hold them.
"""

from __future__ import annotations

from collections.abc import Sequence

from pydantic import Field

from extagents.agents.calls import Desk
from extagents.evaluation.baselines.loop import NO_ANSWER, SPARE, Caller, Outcome, bare, chunks, tokens
from extagents.evaluation.baselines.memagent import lines
from extagents.types import Document, Frozen

MEMORY = 15_000  # tokens
SECTION = 32_000  # tokens
PLAN = 512  # tokens

SPLIT = """Question: {question}

Split the question into its core (what is to be found) and its instructions (how the answer is to look; empty if nothing \
is asked)."""
UPDATE = """<question>
{core}
</question>

<memory>
{memory}
</memory>

<plan>
{plan}
</plan>

<section>
{section}
</section>

You read a very long text section by section. Rewrite the memory: keep every detail that helps to answer and add what this \
section brings, in at most {budget} tokens. Then rewrite the plan: what is still missing and what to look for next."""
ANSWER = """<memory>
{memory}
</memory>

Question: {core}
Instructions: {instructions}
Answer the question from the memory, with a few words and nothing else. If it does not tell, reply "{none}".
Your answer:"""


class Split(Frozen):
    """The question taken apart."""

    core: str = Field(description="the question alone")
    instructions: str = Field(description="how the answer is to look; empty if nothing is asked")


class State(Frozen):
    """Memory and plan after a section."""

    memory: str = Field(description="the memory, rewritten")
    plan: str = Field(description="what is still missing and what to look for next")


async def qwenlong(question: str, documents: Sequence[Document], desk: Desk) -> Outcome:
    """Splits the question, reads section by section with memory and plan, answers from the memory."""
    caller = Caller(desk, "qwenlong")
    split = await caller.ask("planner", SPLIT.format(question=question), Split, step="split")
    core, instructions = (split.core.strip() or question, split.instructions) if split else (question, "")
    room = desk.window - tokens(core) - 2 * PLAN - 3 * SPARE
    scale = min(1.0, room / (2 * MEMORY + SECTION))
    budget, sections = int(MEMORY * scale), chunks(documents, int(SECTION * scale))
    state = State(memory="", plan="")
    noted: set[str] = set()
    for section in sections:
        prompt = UPDATE.format(
            core=core, memory=state.memory or "(empty)", plan=state.plan or "(none yet)", section=section, budget=budget
        )
        written = await caller.ask("memory", prompt, State, step="update", output_tokens=budget + PLAN)
        if written is not None:
            state = written
            noted.update(lines(state.memory))
    prompt = ANSWER.format(memory=state.memory, core=core, instructions=instructions or "-", none=NO_ANSWER)
    answer = await caller.write("reasoner", prompt, step="answer")
    return Outcome(
        answer=bare(answer),
        rounds=len(sections) + 1,
        failed=caller.failed,
        noted=frozenset(noted),
        kept=frozenset(lines(state.memory)),
    )
