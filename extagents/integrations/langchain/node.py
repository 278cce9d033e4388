"""A coordinator as a node of a user's own LangGraph graph, with the user's own keys."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Mapping
from contextlib import aclosing
from typing import Any, cast

from langchain_core.runnables import Runnable, RunnableConfig
from langgraph.config import get_stream_writer
from pydantic import BaseModel

from extagents import events
from extagents.coordinator import Coordinator
from extagents.errors import InputError, RunExists
from extagents.graph import Step, run_name
from extagents.integrations.langchain.asked import Asked, asked_of
from extagents.integrations.langchain.errors import langchain_errors
from extagents.integrations.langchain.runnable import team
from extagents.types import Answer


def as_node(
    coordinator: Coordinator | None = None,
    *,
    model: Any = None,
    question: str = "question",
    over: str = "over",
    answer: str = "answer",
    text: str | None = None,
    instructions: str | None = None,
    history: str | None = None,
    corpus: Any = None,
    name: str = "extagents",
) -> Runnable[Any, dict[str, Any]]:
    """A node for `add_node` that answers the state's question. It works with `invoke` and with `ainvoke`.

    `question`, `over`, `instructions` and `history` are the state's keys that it reads (a question may be messages, whose last
    is asked), `answer` is the key that gets the answer as JSON, as `--json` prints it, and `text` one that gets the bare text.
    With `corpus`, what is read is bound to the node instead, and need not stand in the state, nor in its checkpoints.

    The stream mode "custom" brings the run's events, typed. Nothing of the run is written to the graph's checkpointer: its own
    memory has it, and a step that is done again (after a crash, or by a retry policy) asks the model for nothing twice. A graph
    that is cancelled ends the run.
    """
    with langchain_errors():
        asking = team(coordinator, model)
    keys = {"question": question, "over": over, "instructions": instructions, "history": history}

    async def work(state: Any, config: RunnableConfig) -> dict[str, Any]:
        with langchain_errors():
            asked = _asked(state, {own: key for own, key in keys.items() if key is not None}, corpus)
            step = str(config.get("configurable", {}).get("checkpoint_ns") or "")
            run = run_name(step, asked.question, asked.instructions)
            try:
                given = await _told(asking, asked, run)
            except RunExists:
                if run is None:
                    raise
                given = await _told(asking, asked, None)  # the step was begun with another input
        update: dict[str, Any] = {answer: given.model_dump(mode="json")}
        return update if text is None else {**update, text: given.text}

    return Step(name, work)


async def _told(coordinator: Coordinator, asked: Asked, run: str | None) -> Answer:
    writer = get_stream_writer()
    told = coordinator.astream(asked.question, asked.over, **asked.options, run=run, resume=run is not None)
    async with aclosing(cast(AsyncGenerator[events.Event], told)) as happened:
        async for event in happened:
            writer(event)
            if isinstance(event, events.Answered):
                return event.answer
    raise AssertionError("a run ends with its answer")


def _asked(state: Any, keys: Mapping[str, str], corpus: Any) -> Asked:
    def held(key: str) -> Any:
        if isinstance(state, Mapping):
            return state.get(key)
        return getattr(state, key, None) if isinstance(state, BaseModel) or hasattr(state, "__dict__") else None

    given = {own: held(key) for own, key in keys.items()}
    if given["question"] is None:
        raise InputError(f"The state has no {keys['question']!r}.", hint="Say where the question stands: question=KEY.")
    if corpus is not None:
        given["over"] = corpus
    if given["over"] is None:
        raise InputError(
            f"The state has no {keys['over']!r} to read.", hint="Say where the input stands: over=KEY, or bind it: corpus=…."
        )
    return asked_of(given["question"], {own: value for own, value in given.items() if own != "question"})
