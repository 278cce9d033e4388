"""What LangChain hands to a component as a question: a text, a mapping, or messages."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

from langchain_core.messages import AIMessage, BaseMessage, ChatMessage, HumanMessage, SystemMessage
from langchain_core.prompt_values import PromptValue
from pydantic import BaseModel

from extagents.errors import InputError
from extagents.integrations.sources import readable
from extagents.types import Turn

_TURNS = 'Give messages, or {"role": "user" | "assistant", "content": "…"}.'
KEYS = ("question", "over", "instructions", "history", "schema")


@dataclass(frozen=True, slots=True)
class Asked:
    """A question as `Coordinator.ask` takes it."""

    question: str
    over: Any
    instructions: str = ""
    history: tuple[Any, ...] = ()
    schema: type[BaseModel] | None = field(default=None)

    @property
    def options(self) -> dict[str, Any]:
        """What goes with question and input."""
        return {"instructions": self.instructions, "history": self.history, "schema": self.schema}

    @property
    def told(self) -> dict[str, Any]:
        """What callbacks are told of it: the input by its name or size, never by its text."""
        over = self.over if isinstance(self.over, str) else f"({type(self.over).__name__})"
        return {"question": self.question, "over": over}


def asked_of(given: Any, bound: Mapping[str, Any]) -> Asked:
    """The question in what was given; `bound` holds what was bound before. Raises `InputError` where there is none.

    A mapping has `question` (or `messages`), and may have `over`, `instructions`, `history` and `schema`; what else stands in
    it is not ours. Of messages, the last of a human is the question, those before it are the history, and those of the system
    are instructions.
    """
    told: dict[str, Any] = {key: value for key, value in bound.items() if value is not None}
    if isinstance(given, Mapping):
        told |= {key: given[key] for key in KEYS if given.get(key) is not None}
        given = told.pop("question", given.get("messages"))
    if isinstance(given, PromptValue):
        given = given.to_messages()
    if isinstance(given, BaseMessage):
        given = [given]
    asked_for = told.get("instructions", "")
    if not isinstance(asked_for, str):
        raise InputError(f"The instructions are no text but {type(asked_for).__name__}.", hint="Give a str.")
    turns, instructions = _turns(told.get("history", ()))
    if isinstance(given, Sequence) and not isinstance(given, str | bytes):
        said, more = _turns(given)
        if not said or said[-1].role != "user":
            raise InputError("The messages do not end with one of a human.", hint="The last message is the question.")
        given, turns, instructions = said[-1].content, [*turns, *said[:-1]], [*instructions, *more]
    if not isinstance(given, str):
        raise InputError(
            f"The question is no text but {type(given).__name__}.",
            hint='Give a str, {"question": "…", "over": …}, or messages.',
        )
    return Asked(
        question=given,
        over=readable(told.get("over")),
        instructions="\n".join(filter(None, (*instructions, asked_for))),
        history=tuple(turns),
        schema=told.get("schema"),
    )


def _turns(history: Any) -> tuple[list[Any], list[str]]:
    """Turns of ours, and what the system said. Messages of tools, and those that say nothing, are left out."""
    if not isinstance(history, Iterable):
        raise InputError(f"The history is no list but {type(history).__name__}.", hint=_TURNS)
    turns: list[Any] = []
    instructions: list[str] = []
    for item in history:
        if not isinstance(item, BaseMessage):
            turns.append(item if isinstance(item, Turn) else _turn(item))
            continue
        text = str(item.text() if callable(item.text) and not isinstance(item.text, str) else item.text)
        role = item.role if isinstance(item, ChatMessage) else item.type
        if isinstance(item, SystemMessage):
            instructions.append(text)
        elif text and (isinstance(item, HumanMessage) or role in ("human", "user")):
            turns.append(Turn(role="user", content=text))
        elif text and (isinstance(item, AIMessage) or role in ("ai", "assistant")):
            turns.append(Turn(role="assistant", content=text))
    return turns, instructions


_ROLES = {"human": "user", "ai": "assistant"}


def _turn(item: Any) -> Turn:
    """A turn from a pair or a mapping, in LangChain's words or in ours."""
    try:
        role, content = (item["role"], item["content"]) if isinstance(item, Mapping) else item
        return Turn.model_validate({"role": _ROLES.get(role, role), "content": content})
    except (KeyError, ValueError, TypeError):
        raise InputError("A turn of the history is not understood.", hint=_TURNS) from None


@contextmanager
def within(callbacks: Any) -> Iterator[None]:
    """Inside, what is done belongs to the run of these callbacks, as in a Runnable; without any, to the run that it is in."""
    from langchain_core.runnables.config import var_child_runnable_config

    if callbacks is None:
        yield
        return
    before = var_child_runnable_config.get() or {}
    token = var_child_runnable_config.set({**before, "callbacks": callbacks})
    try:
        yield
    finally:
        var_child_runnable_config.reset(token)
