"""A coordinator as a Runnable: a question in, an answer with citations out, events while it works."""

from __future__ import annotations

from collections.abc import AsyncGenerator, AsyncIterator, Generator, Iterator, Sequence
from contextlib import aclosing, closing
from typing import TYPE_CHECKING, Any, Literal, Required, cast

from langchain_core.callbacks import (
    AsyncCallbackHandler,
    AsyncCallbackManagerForChainRun,
    BaseCallbackHandler,
    CallbackManagerForChainRun,
)
from langchain_core.callbacks.manager import adispatch_custom_event, dispatch_custom_event
from langchain_core.exceptions import OutputParserException
from langchain_core.runnables import Runnable, RunnableConfig
from langchain_core.runnables.config import get_config_list
from pydantic import BaseModel
from typing_extensions import TypedDict

from extagents import errors, events
from extagents.coordinator import Coordinator
from extagents.integrations.langchain.asked import Asked, asked_of
from extagents.integrations.langchain.errors import as_langchain, langchain_errors
from extagents.integrations.langchain.quiet import quiet
from extagents.integrations.sources import readable
from extagents.types import Answer

if TYPE_CHECKING:
    from langchain_core.language_models.chat_models import BaseChatModel

Output = Literal["answer", "text"]


class Question(TypedDict, total=False):
    """A question as a mapping. What is not given is as it was bound."""

    question: Required[str]
    over: Any
    instructions: str
    history: list[Any]
    schema: Any


class ExtAgentsRunnable(Runnable[Any, Any]):
    """Answers questions over paths, documents (ours, LangChain's or LlamaIndex') or a corpus.

    Input: the question, messages, or a mapping (`Question`). Output: the `Answer`, or its bare text with `output="text"`.
    `stream` gives what happens as typed `extagents.events`, and the `Answer` as the last; with `output="text"` the text in
    pieces. `coordinator` does the work; else one is made of the settings and `model`, a model string or a LangChain chat model.

    Raises our errors, which are LangChain's, too: what the caller can mend is a `ValueError`, a failed model one of
    `langchain_core.exceptions.ModelError`. Cancelling ends the run: no model call begins after it.
    """

    def __init__(
        self,
        over: Any = None,
        *,
        coordinator: Coordinator | None = None,
        model: str | BaseChatModel | Any | None = None,
        instructions: str = "",
        schema: type[BaseModel] | None = None,
        output: Output = "answer",
        name: str | None = None,
    ) -> None:
        with langchain_errors():
            if output not in ("answer", "text"):
                raise errors.SettingsError(f"There is no output {output!r}.", hint="One of: answer, text.")
            self.coordinator = team(coordinator, model)
            self.over = readable(over)
        self.instructions = instructions
        self.schema = schema
        self.output = output
        self.name = name

    def __repr__(self) -> str:
        over = repr(self.over) if isinstance(self.over, str) else type(self.over).__name__
        return f"{type(self).__name__}(over={over}, output={self.output!r})"

    # ------------------------------------------------------------------ types

    @property
    def InputType(self) -> Any:
        """What it takes."""
        return str | Question | list[Any]

    @property
    def OutputType(self) -> Any:
        """What it gives."""
        return Answer if self.output == "answer" else str

    def get_name(self, suffix: str | None = None, *, name: str | None = None) -> str:
        """What the run is called in traces."""
        return super().get_name(suffix, name=name or self.name or "ExtAgents")

    # ------------------------------------------------------------------ one question

    def invoke(self, input: Any, config: RunnableConfig | None = None, **kwargs: Any) -> Any:
        """The answer, blocking; works inside a running event loop, too."""
        asked = self._asked(input, kwargs)

        def work(_: Any, run_manager: CallbackManagerForChainRun) -> Any:
            with langchain_errors():
                if not _listening(run_manager.handlers):
                    return self._given(self.coordinator.ask(asked.question, asked.over, **asked.options))
                with closing(self._events(asked)) as happened:
                    return self._given(next(part for part in happened if isinstance(part, Answer)))

        return self._call_with_config(work, cast(Any, asked.told), quiet(config, self.coordinator.settings, is_async=False))

    async def ainvoke(self, input: Any, config: RunnableConfig | None = None, **kwargs: Any) -> Any:
        """The answer."""
        asked = self._asked(input, kwargs)

        async def work(_: Any, run_manager: AsyncCallbackManagerForChainRun) -> Any:
            with langchain_errors():
                if not _listening(run_manager.handlers):
                    return self._given(await self.coordinator.aask(asked.question, asked.over, **asked.options))
                async with aclosing(self._aevents(asked)) as happened:
                    return self._given([part async for part in happened][-1])

        told = quiet(config, self.coordinator.settings, is_async=True)
        return await self._acall_with_config(work, cast(Any, asked.told), told)

    def stream(self, input: Any, config: RunnableConfig | None = None, **kwargs: Any) -> Iterator[Any]:
        """Events and then the answer, or the text in pieces. Closing the iterator ends the run."""
        asked = self._asked(input, kwargs)
        told = quiet(config, self.coordinator.settings, is_async=False)
        happened: list[Generator[Any]] = []

        def work(_: Iterator[Any]) -> Iterator[Any]:
            happened.append(self._events(asked))
            return self._shown(happened[0])

        try:
            yield from self._transform_stream_with_config(iter([cast(Any, asked.told)]), work, told)
        finally:
            for events_ in happened:
                events_.close()

    async def astream(self, input: Any, config: RunnableConfig | None = None, **kwargs: Any) -> AsyncIterator[Any]:
        """Events and then the answer, or the text in pieces. Leaving the loop and closing the iterator ends the run."""
        asked = self._asked(input, kwargs)
        told = quiet(config, self.coordinator.settings, is_async=True)

        async def given() -> AsyncIterator[Any]:
            yield asked.told

        async def work(_: AsyncIterator[Any]) -> AsyncIterator[Any]:
            async with aclosing(self._aevents(asked)) as happened:
                written = False
                async for part in happened:
                    for piece in self._pieces(part, written=written):
                        written = True
                        yield piece

        async with aclosing(cast(AsyncGenerator[Any], self._atransform_stream_with_config(given(), work, told))) as told_:
            async for piece in told_:
                yield piece

    # ------------------------------------------------------------------ many

    def batch(
        self,
        inputs: list[Any],
        config: RunnableConfig | list[RunnableConfig] | None = None,
        *,
        return_exceptions: bool = False,
        **kwargs: Any,
    ) -> list[Any]:
        """Answers in order. Questions over one input are read together, as `Coordinator.batch` does it.

        With a `max_concurrency`, or where questions have a schema or inputs of their own, each is asked by itself.
        """
        if (together := self._together(inputs, config, kwargs)) is None:
            return super().batch(inputs, config, return_exceptions=return_exceptions, **kwargs)

        def work(_: list[Any]) -> list[Any]:
            with langchain_errors():
                return [self._outcome(answer) for answer in self.coordinator.batch(_lines(together), together[0].over)]

        told, configs = [asked.told for asked in together], self._configs(config, len(inputs), is_async=False)
        return self._batch_with_config(work, cast(Any, told), configs, return_exceptions=return_exceptions)

    async def abatch(
        self,
        inputs: list[Any],
        config: RunnableConfig | list[RunnableConfig] | None = None,
        *,
        return_exceptions: bool = False,
        **kwargs: Any,
    ) -> list[Any]:
        """The same as `batch`, to be awaited."""
        if (together := self._together(inputs, config, kwargs)) is None:
            return await super().abatch(inputs, config, return_exceptions=return_exceptions, **kwargs)

        async def work(_: list[Any]) -> list[Any]:
            with langchain_errors():
                answers = await self.coordinator.abatch(_lines(together), together[0].over)
            return [self._outcome(answer) for answer in answers]

        told, configs = [asked.told for asked in together], self._configs(config, len(inputs), is_async=True)
        return await self._abatch_with_config(work, cast(Any, told), configs, return_exceptions=return_exceptions)

    def _configs(self, config: Any, count: int, *, is_async: bool) -> list[RunnableConfig]:
        configs = get_config_list(config, count)
        return [quiet(one, self.coordinator.settings, is_async=is_async) for one in configs]

    def _together(self, inputs: Sequence[Any], config: Any, kwargs: dict[str, Any]) -> list[Asked] | None:
        """The questions, where they can be asked in one batch; None where each is asked by itself."""
        limited = any(one.get("max_concurrency") for one in (config if isinstance(config, list) else [config or {}]))
        if len(inputs) < 2 or limited:
            return None
        try:
            asked = [self._asked(given, kwargs) for given in inputs]
        except errors.ExtAgentsError:
            return None  # each fails by itself
        one_input = all(one.over is asked[0].over or (isinstance(one.over, str) and one.over == asked[0].over) for one in asked)
        plain = all(one.schema is None and one.question.strip() for one in asked)
        return asked if one_input and plain and asked[0].over is not None else None

    def _outcome(self, answer: Answer) -> Any:
        """The answer of one question of a batch, or its error."""
        if answer.error is None:
            return self._given(answer)
        told = dict(answer.error)
        kind = getattr(errors, str(told.get("type")), errors.RunError)
        error = errors.RunError(str(told.get("message")), hint=str(told.get("hint") or ""), run_id=told.get("run_id"))
        error.retryable = bool(told.get("retryable"))
        if isinstance(kind, type) and issubclass(kind, errors.ExtAgentsError):
            made = kind.__new__(kind, *error.args)
            made.__dict__.update({"kind": None, "spent": None, **error.__dict__})
            return as_langchain(made)
        return as_langchain(error)

    # ------------------------------------------------------------------ forms

    def with_structured_output(self, schema: type[BaseModel], *, include_raw: bool = False) -> Runnable[Any, Any]:
        """A Runnable that gives the filled schema instead of the answer.

        Where nothing answers the question, or the answer does not fill the schema, it raises `OutputParserException`; with
        `include_raw`, it gives `{"raw": Answer, "parsed": …, "parsing_error": …}` instead and raises nothing.
        """
        with langchain_errors():
            if not (isinstance(schema, type) and issubclass(schema, BaseModel)):
                raise errors.InputError("The schema is no pydantic model class.", hint="Give a subclass of pydantic.BaseModel.")
        return _Structured(self, schema, include_raw=include_raw)

    # ------------------------------------------------------------------ small parts

    def _asked(self, input: Any, more: dict[str, Any]) -> Asked:
        bound = {"over": self.over, "instructions": self.instructions, "schema": self.schema, **more}
        with langchain_errors():
            asked = asked_of(input, bound)
            if asked.over is None:
                raise errors.InputError(
                    "There is nothing to read.", hint="Give `over` to the Runnable, or beside the question."
                )
        return asked

    def _given(self, answer: Any) -> Any:
        return answer if self.output == "answer" else answer.text

    def _pieces(self, part: Any, *, written: bool) -> list[Any]:
        """What a stream gives of an event or of the answer at its end."""
        if self.output == "answer":
            return [part]
        if isinstance(part, events.AnswerDelta):
            return [part.text]
        return [part.text] if isinstance(part, Answer) and not written else []

    def _shown(self, happened: Iterator[Any]) -> Iterator[Any]:
        written = False
        for part in happened:
            for piece in self._pieces(part, written=written):
                written = True
                yield piece

    def _events(self, asked: Asked) -> Generator[Any]:
        """The run's events, each told to callbacks as `extagents`, and the answer."""
        with langchain_errors(), closing(self.coordinator.stream(asked.question, asked.over, **asked.options)) as told:  # type: ignore[type-var]
            for event in told:
                if isinstance(event, events.Answered):
                    yield event.answer
                else:
                    dispatch_custom_event("extagents", event)
                    yield event

    async def _aevents(self, asked: Asked) -> AsyncGenerator[Any]:
        with langchain_errors():
            told = cast(AsyncGenerator[Any], self.coordinator.astream(asked.question, asked.over, **asked.options))
            async with aclosing(told) as happened:
                async for event in happened:
                    if isinstance(event, events.Answered):
                        yield event.answer
                    else:
                        await adispatch_custom_event("extagents", event)
                        yield event


class _Structured(ExtAgentsRunnable):
    """Gives the filled schema. It is one Runnable, and no chain: a chain's own runs would show the texts to LangSmith."""

    def __init__(self, asking: ExtAgentsRunnable, schema: type[BaseModel], *, include_raw: bool) -> None:
        super().__init__(
            asking.over, coordinator=asking.coordinator, instructions=asking.instructions, schema=schema, name=asking.name
        )
        self._filling = schema
        self._include_raw = include_raw

    @property
    def OutputType(self) -> Any:
        """What it gives."""
        return dict[str, Any] if self._include_raw else self._filling

    def _given(self, answer: Answer) -> Any:
        problem = _unfilled(answer, self._filling)
        if self._include_raw:
            return {"raw": answer, "parsed": answer.data, "parsing_error": problem}
        if problem is not None:
            raise problem
        return answer.data

    def _pieces(self, part: Any, *, written: bool) -> list[Any]:
        """The filled schema alone; events are told to callbacks, as ever."""
        return [self._given(part)] if isinstance(part, Answer) else []


def team(coordinator: Coordinator | None, model: Any) -> Coordinator:
    """The coordinator given, or one made of the model. Raises `SettingsError` for both."""
    if coordinator is None:
        return Coordinator(model)
    if model is not None:
        raise errors.SettingsError("Both a coordinator and a model are given.", hint="The coordinator has its own model.")
    return coordinator


def _lines(asked: Sequence[Asked]) -> list[dict[str, Any]]:
    """The questions of a batch."""
    return [{"question": one.question, "instructions": one.instructions, "history": one.history} for one in asked]


def _listening(handlers: Sequence[BaseCallbackHandler]) -> bool:
    """Whether one of the callbacks wants to hear of events."""
    deaf = (BaseCallbackHandler.on_custom_event, AsyncCallbackHandler.on_custom_event)
    return any(type(handler).on_custom_event not in deaf for handler in handlers)


def _unfilled(answer: Answer, schema: type[BaseModel]) -> OutputParserException | None:
    if answer.data is not None:
        return None
    said = (
        "Nothing in the input answers the question." if not answer.answered else f"The answer does not fill {schema.__name__}."
    )
    return OutputParserException(" ".join((said, *answer.notices)), llm_output=answer.text)
