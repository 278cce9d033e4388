"""Single pass: as much of the input as the window holds, the middle left out, and one call (as LongBench truncates)."""

from __future__ import annotations

from collections.abc import Sequence

from extagents.agents.calls import Desk
from extagents.evaluation.baselines.loop import NO_ANSWER, SPARE, Caller, Outcome, bare, cut_at, rendered, tokens
from extagents.types import Document

PROMPT = """<text>
{text}
</text>

Question: {question}
Answer from the text, with a few words and nothing else. If the text does not tell, reply "{none}".
Answer:"""
GAP = "\n[…]\n"


async def single_pass(question: str, documents: Sequence[Document], desk: Desk) -> Outcome:
    """Truncates to the window and asks once."""
    caller = Caller(desk, "single_pass")
    text = "\n\n".join(map(rendered, documents))
    room = desk.window - desk.output_tokens - tokens(question) - SPARE
    answer = await caller.write("single", PROMPT.format(text=truncated(text, room), question=question, none=NO_ANSWER))
    return Outcome(answer=bare(answer), rounds=1, failed=caller.failed)


def truncated(text: str, room: int) -> str:
    """The text in at most `room` tokens: its beginning and its end, half each."""
    if tokens(text) <= room:
        return text
    half = (room - tokens(GAP)) // 2
    head = text[: cut_at(text, half)]
    tail = text[len(text) - min(len(text), half * 4) :]
    while tokens(tail) > half:
        tail = tail[len(tail) - int(len(tail) * half / tokens(tail) * 0.98) :]
    return f"{head}{GAP}{tail}"
