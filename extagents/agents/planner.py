"""The planner: what is asked, how it is to be answered, and what to search for. One call."""

from __future__ import annotations

from collections.abc import Sequence

from extagents import prompts
from extagents.agents.calls import Desk
from extagents.gate import CallFailed
from extagents.models.base import Prompt
from extagents.types import Plan, PlannerInput, Turn

MOST_QUERIES = 5
MOST_SOURCES = 20


def plan_prompt(
    question: str,
    desk: Desk,
    *,
    instructions: str = "",
    history: Sequence[Turn] = (),
    sources: Sequence[str] = (),
    chinese: float = 0.0,
) -> Prompt[Plan]:
    """The planner's prompt; `sources` are titles of the input.

    `chinese` is the share, 0 to 1, of Chinese letters in the input's text: titles may not tell its language.
    """
    inputs = PlannerInput(
        question=question,
        instructions=instructions,
        history=tuple(history),
        sources=tuple(sources[:MOST_SOURCES]),
        languages=prompts.language_note(chinese, desk.language),
    )
    return desk.prompt(
        "planner",
        inputs,
        Plan,
        slots={
            "history": prompts.show_history(history),
            "question": question,
            "instructions": instructions or prompts.show_list(()),
            "sources": prompts.show_list(inputs.sources),
            "languages": inputs.languages,
        },
    )


async def plan(prompt: Prompt[Plan], question: str, desk: Desk, *, instructions: str = "") -> tuple[Plan, str | None]:
    """Takes the question apart (q_core and q_inst of QwenLong-L1.5, arXiv 2512.12967).

    A planner that fails costs its foresight, not the run: then the question itself is the plan, and the second value says so.
    Raises `gate.Stop` when budget or time ends, and a fatal `gate.CallFailed`.
    """
    try:
        called = await desk.gate.call(prompt, desk.account, call_id="plan")
    except CallFailed as failure:
        if failure.fatal:
            raise
        return whole(
            question, instructions
        ), f"The planner failed ({failure.message}); the question itself was used as the plan."
    return tidy(called.output, question, instructions), None


def whole(question: str, instructions: str) -> Plan:
    """The plan without a planner: look for the question as it stands."""
    return Plan(core=question, instructions=instructions, kind="multi_hop", answer_type="text", queries=[question])


def tidy(plan: Plan, question: str, instructions: str) -> Plan:
    """The plan with what the caller said himself: his instructions stay, and the question is always among the queries."""
    core = plan.core.strip() or question
    wished = plan.instructions.strip()
    if instructions and instructions not in wished:
        wished = f"{instructions}\n{wished}".strip()
    queries = list(dict.fromkeys(q.strip() for q in [core, *plan.queries] if q.strip()))[: MOST_QUERIES + 1]
    return plan.model_copy(update={"core": core, "instructions": wished, "queries": queries})
