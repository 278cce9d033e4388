"""From a role's typed inputs to a prompt that the gate can send: the one place where templates meet models."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TypeVar

from pydantic import BaseModel

from extagents import prompts
from extagents.gate import Account, Gate
from extagents.models.base import Message, Prompt
from extagents.prompts.loader import Language
from extagents.types import Role

T = TypeVar("T", bound=BaseModel)
R = TypeVar("R")


@dataclass(frozen=True, slots=True)
class Desk:
    """What every agent of a run works with: the gate, the run's account, the language of its prompts, and the limits of a call.

    `window` is in tokens, prompt and answer together; `output_tokens` is what one call may write, `knowledge_tokens` how much
    of what others know a reader is told.
    `secret` keys the nonces that fence documents off; `own` holds the user's own templates.
    """

    gate: Gate
    account: Account
    language: Language
    window: int
    output_tokens: int
    secret: bytes
    knowledge_tokens: int = 1_500
    own: prompts.Own = prompts.NONE

    def prompt(
        self,
        role: Role,
        inputs: BaseModel,
        output: type[T],
        *,
        slots: dict[str, str],
        output_tokens: int | None = None,
        template: str = "",
    ) -> Prompt[T]:
        """The rendered prompt of a role in the run's language; `template` where the role has several."""
        rendered = prompts.render(template or role, self.language, self.own, **slots)
        return Prompt(
            role=role,
            inputs=inputs,
            output=output,
            messages=(Message("system", rendered.system), Message("user", rendered.user)),
            max_output_tokens=output_tokens or self.output_tokens,
            version=prompts.version(template or role, self.language, output, self.own),
            language=self.language,
        )


async def gather(tasks: Sequence[asyncio.Future[R]]) -> list[R]:
    """Awaits all tasks; if one fails, or the caller is cancelled, the others are cancelled and awaited before it is raised.

    A TaskGroup that raises the error itself instead of a group of it: callers tell `Stop` from `CallFailed` by type.
    """
    try:
        return list(await asyncio.gather(*tasks))
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
