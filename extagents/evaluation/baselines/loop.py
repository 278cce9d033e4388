"""What every published loop is made of: how it asks, how it cuts the input, and what it returns.

All calls pass the same gate as ours, under the same window and concurrency. A call that fails for good costs what it would
have brought, not the run; one that tells that every later call will fail the same way ends the run.
"""

from __future__ import annotations

import asyncio
import re
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, field
from typing import TypeVar

from pydantic import BaseModel

from extagents.agents.calls import Desk, gather
from extagents.gate import CallFailed
from extagents.models.base import Message, Prompt
from extagents.types import Document, Frozen, Plain, Role

T = TypeVar("T", bound=BaseModel)

SPARE = 200  # tokens left free beside what a prompt is known to hold: chat templates, and counting by characters
CHUNK = 8_000  # tokens of text in one call, where a paper names no other size
NO_ANSWER = "NO ANSWER"
_SILENT = re.compile(r"\W*(no answer|i don'?t know|unknown|not answerable)\W*", re.IGNORECASE)
_IDEOGRAPH = re.compile("[\u3040-\u30ff\u3400-\u9fff\uac00-\ud7af]")


class Asked(Frozen):
    """The typed inputs of a baseline's call: baselines need a language model, which reads the rendered prompt alone."""

    loop: str
    step: str


@dataclass(frozen=True, slots=True)
class Outcome:
    """What a loop returns: the bare answer ("" for none), its rounds, the calls that failed for good.

    `noted` are the lines that ever stood in a memory, `kept` those that stand in the last prompt, where a loop has a memory.
    """

    answer: str
    rounds: int
    failed: int = 0
    noted: frozenset[str] = frozenset()
    kept: frozenset[str] = frozenset()


Loop = Callable[[str, Sequence[Document], Desk], Awaitable[Outcome]]
"""A published loop: the question, the input's documents in order, and the desk of the run."""


@dataclass
class Caller:
    """How one run of a loop asks. `failed` counts the calls that brought nothing."""

    desk: Desk
    loop: str
    failed: int = field(default=0)

    def prompt(self, role: Role, text: str, output: type[T], step: str, output_tokens: int | None) -> Prompt[T]:
        return Prompt(
            role=role,
            inputs=Asked(loop=self.loop, step=step),
            output=output,
            messages=(Message("user", text),),
            max_output_tokens=output_tokens or self.desk.output_tokens,
            version=f"{self.loop}/{step}",
        )

    async def ask(
        self, role: Role, text: str, output: type[T], *, step: str = "", output_tokens: int | None = None
    ) -> T | None:
        """The typed answer to a prompt, None where the call failed for good."""
        try:
            called = await self.desk.gate.call(self.prompt(role, text, output, step, output_tokens), self.desk.account)
        except CallFailed as failure:
            if failure.fatal:
                raise
            self.failed += 1
            return None
        return called.output

    async def write(self, role: Role, text: str, *, step: str = "", output_tokens: int | None = None) -> str | None:
        """The answer in plain text, None where the call failed for good."""
        said = await self.ask(role, text, Plain, step=step, output_tokens=output_tokens)
        return None if said is None else said.text

    async def ask_all(self, role: Role, texts: Sequence[str], output: type[T], *, step: str = "") -> list[T | None]:
        """The answers to all prompts at once, in the prompts' order."""
        return await gather([asyncio.ensure_future(self.ask(role, text, output, step=step)) for text in texts])


def tokens(text: str) -> int:
    """Tokens of a text at four characters each, a Chinese or Japanese character one: prose rarely has more."""
    if text.isascii():
        return -(-len(text) // 4)
    wide = len(_IDEOGRAPH.findall(text))
    return wide + -(-(len(text) - wide) // 4)


def rendered(document: Document) -> str:
    """A document under its header."""
    return f"[Document {document.id}: {document.title}]\n{document.text}"


def chunks(documents: Sequence[Document], size: int) -> list[str]:
    """The documents in order, in chunks of at most `size` tokens: short ones share a chunk, a long one is cut at a blank."""
    packed: list[list[str]] = [[]]
    room = size
    for document in documents:
        text = rendered(document)
        while text:
            cost = tokens(text) + 1
            if cost <= room:
                packed[-1].append(text)
                room, text = room - cost, ""
            elif packed[-1] and (room < size // 2 or cost <= size):
                packed.append([])
                room = size
            else:
                cut = cut_at(text, room - 1)
                packed[-1].append(text[:cut])
                packed.append([])
                room, text = size, text[cut:]
    return ["\n\n".join(chunk) for chunk in packed if chunk]


def cut_at(text: str, size: int) -> int:
    """How many characters of the text make at most `size` tokens, ending at a blank where there is one."""
    end = min(len(text), max(1, size * 4))
    while end > 1 and tokens(text[:end]) > size:
        end = max(1, int(end * max(0.25, size / tokens(text[:end]) * 0.98)))
    if end == len(text):
        return end
    return text.rfind(" ", end // 2, end) + 1 or end


def fitting(lines: Sequence[str], room: int) -> list[str]:
    """As many of the lines, from the first, as `room` tokens hold."""
    chosen: list[str] = []
    for line in lines:
        room -= tokens(line) + 1
        if room < 0:
            break
        chosen.append(line)
    return chosen


def bare(answer: str | None) -> str:
    """The answer without a box, "" where it says that there is none."""
    text = (answer or "").strip()
    boxed = re.search(r"\\boxed\{(.*?)\}", text)
    text = boxed[1].strip() if boxed else text
    return "" if _SILENT.fullmatch(text) else text
