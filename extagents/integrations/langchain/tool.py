"""A coordinator as a tool for a chat model: the answer with numbered sources as content, the `Answer` as artifact."""

from __future__ import annotations

from typing import Any, Literal

from langchain_core.callbacks import AsyncCallbackManagerForToolRun, CallbackManagerForToolRun
from langchain_core.runnables import RunnableConfig
from langchain_core.tools import BaseTool
from pydantic import BaseModel, Field

from extagents.coordinator import Coordinator
from extagents.errors import InputError
from extagents.integrations.langchain.errors import langchain_errors
from extagents.integrations.langchain.quiet import quiet
from extagents.integrations.langchain.runnable import team
from extagents.integrations.sources import readable
from extagents.types import Answer

NAME = "ask_documents"
DESCRIPTION = (
    "Answers a question from a collection of documents, all of which are read, and quotes the places that say so. "
    "Ask one complete question at a time."
)
UNANSWERED = "Nothing in the documents answers this."


class ToolQuestion(BaseModel):
    """What a chat model may ask."""

    question: str = Field(description="the question, complete without the conversation")
    instructions: str = Field(default="", description="how the answer is to look: form, length, language")


class ExtAgentsTool(BaseTool):
    """A tool over an input that was bound to it. Errors of ours are a `ToolException`, for `handle_tool_error` to handle."""

    name: str = NAME
    description: str = DESCRIPTION
    args_schema: Any = ToolQuestion
    response_format: Literal["content", "content_and_artifact"] = "content_and_artifact"
    over: Any = Field(repr=False)
    coordinator: Any = Field(repr=False)

    def invoke(self, input: Any, config: RunnableConfig | None = None, **kwargs: Any) -> Any:
        """The tool's message or content, blocking."""
        return super().invoke(input, quiet(config, self.coordinator.settings, is_async=False), **kwargs)

    async def ainvoke(self, input: Any, config: RunnableConfig | None = None, **kwargs: Any) -> Any:
        """The tool's message or content."""
        return await super().ainvoke(input, quiet(config, self.coordinator.settings, is_async=True), **kwargs)

    def _run(
        self, question: str, instructions: str = "", run_manager: CallbackManagerForToolRun | None = None
    ) -> tuple[str, Answer]:
        with langchain_errors(tool=True):
            answer = self.coordinator.ask(question, self.over, instructions=instructions)
        return content_of(answer), answer

    async def _arun(
        self, question: str, instructions: str = "", run_manager: AsyncCallbackManagerForToolRun | None = None
    ) -> tuple[str, Answer]:
        with langchain_errors(tool=True):
            answer = await self.coordinator.aask(question, self.over, instructions=instructions)
        return content_of(answer), answer


def extagents_tool(
    over: Any,
    *,
    coordinator: Coordinator | None = None,
    model: Any = None,
    name: str = NAME,
    description: str = DESCRIPTION,
    **options: Any,
) -> ExtAgentsTool:
    """A tool that answers over `over` (paths, documents or a corpus). `options` are those of `BaseTool`.

    Say in `description` what the documents are about: it is what the chat model chooses by.
    """
    with langchain_errors():
        if over is None:
            raise InputError("There is nothing to read.", hint="Give paths, documents or a corpus.")
        made = team(coordinator, model)
        read = readable(over)
    return ExtAgentsTool(name=name, description=description, over=read, coordinator=made, **options)


def content_of(answer: Answer) -> str:
    """What a chat model is told: the answer with its sources, numbered, and whatever keeps it from being sure."""
    lines = [answer.text or UNANSWERED]
    if answer.citations:
        lines += ["", "Sources:", *(f"[{number}] {citation.reference}" for number, citation in enumerate(answer.citations, 1))]
    if answer.partial:
        read, shards = answer.coverage.shards_read, answer.coverage.shards
        lines += ["", f"Not everything was read ({read} of {shards} parts; stopped by {answer.stopped_by})."]
    return "\n".join(lines)
