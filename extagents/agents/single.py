"""The single pass: what fits the window is read and answered in one call."""

from __future__ import annotations

from extagents import prompts
from extagents.agents.calls import Desk
from extagents.models.base import Prompt
from extagents.types import AnswerType, Kind, ShardText, SingleInput, SinglePass, TermStatistics, Usage


def single_prompt(
    question: str, text: ShardText, desk: Desk, *, kind: Kind, answer_type: AnswerType, statistics: TermStatistics | None
) -> Prompt[SinglePass]:
    """The single pass' prompt, `system | text | question`."""
    shown = prompts.show_shard(text)
    inputs = SingleInput.model_construct(
        shard=text, question=question, kind=kind, answer_type=answer_type, statistics=statistics
    )
    return desk.prompt(
        "single",
        inputs,
        SinglePass,
        slots={"nonce": prompts.nonce(desk.secret, shown), "shard": shown, "question": question},
        output_tokens=2 * desk.output_tokens,
    )


async def answer_at_once(prompt: Prompt[SinglePass], desk: Desk, *, final: bool = True) -> tuple[SinglePass, Usage]:
    """One call over everything; `final` may use what is kept for the answer. Raises `gate.Stop` and `gate.CallFailed`."""
    called = await desk.gate.call(prompt, desk.account, final=final)
    return called.output, called.usage
