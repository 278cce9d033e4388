"""What a coordinator offers for many questions: all answers, or each as it is there, blocking or to be awaited."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import queue
import uuid
from collections.abc import AsyncGenerator, AsyncIterator, Callable, Generator, Iterable, Iterator, Mapping
from typing import TYPE_CHECKING, Any, Literal

from extagents.background import background
from extagents.budget import Budget
from extagents.errors import ExtAgentsError, SettingsError
from extagents.questions import Question, questions_of
from extagents.types import Answer, BatchProgress, BatchSummary

if TYPE_CHECKING:
    from extagents.coordinator import Coordinator

Asked = Iterable[str | Mapping[str, Any]]
PerRead = int | Literal["auto"]
Told = tuple[Question, Answer, bool] | BatchProgress | BatchSummary
MOST_PER_READ = 64
logger = logging.getLogger("extagents")


class Answers(list[Answer]):
    """The answers of a batch, in the order of its `questions`; `summary` says how it went, `ids` whose they are."""

    def __init__(self, answers: Iterable[Answer], questions: Iterable[Question], summary: BatchSummary) -> None:
        super().__init__(answers)
        asked = tuple(questions)
        self.ids = tuple(question.id for question in asked)
        self.questions = tuple(question.text for question in asked)
        self.summary = summary

    def __repr__(self) -> str:
        from extagents.display import answers

        return repr(answers(self, self.questions))

    def _repr_html_(self) -> str:
        from extagents.display import answers

        return answers(self, self.questions)._repr_html_()


class Batches:
    """The part of a `Coordinator` that takes many questions.

    The questions of a batch read an input together: what all of them want next is known before any of it is read, so that a
    shard is sent once and serves every question that wants it, from the server's prefix cache or several in one read. Every
    question has a run of its own, with all that a run has, and its answer does not depend on which others were asked with it
    where every question stands in a read of its own (`questions_per_read=1`).

    A question is a text, or a mapping with `question` and, where wanted, `id`, `over`, `instructions` and `history`. A
    question that fails has its reason in `answer.error`, and stops no other. `budget` bounds the whole batch; that of the
    coordinator bounds every question. `questions_per_read` is a number, or "auto": as many as the model at hand bears without
    finding less, which is tried on the first reads. A batch with a name (`run`) is gone on with where it stopped when it is
    started again over the same memory: what was answered is not asked again.
    """

    async def abatch(
        self,
        questions: Asked,
        over: Any = None,
        *,
        budget: Budget | None = None,
        questions_per_read: PerRead = "auto",
        run: str | None = None,
        on_progress: Callable[[BatchProgress], None] | None = None,
    ) -> Answers:
        """Answers many questions; the answers are in the order of the questions.

        `on_progress` is called now and then, on a thread of ours. What was not done when a budget, the deadline or an interrupt
        ended the batch is `partial`, with `stopped_by`. Raises `InputError` where there are no questions or nothing can be
        read, `ModelError` and `StoreError` where nothing works, `RunBusy` where another process works on the batch.
        """
        asked, told = questions_of(questions), on_progress or _silent
        given: dict[str, Answer] = {}

        def on_result(question: Question, answer: Answer, done: bool) -> None:
            given[question.id] = answer

        def start() -> Any:
            return self._batch(asked, over, budget, questions_per_read, run, on_result, told)

        summary = await background.run(start)
        return Answers((given[question.id] for question in asked), asked, summary)

    def batch(
        self,
        questions: Asked,
        over: Any = None,
        *,
        budget: Budget | None = None,
        questions_per_read: PerRead = "auto",
        run: str | None = None,
        on_progress: Callable[[BatchProgress], None] | None = None,
    ) -> Answers:
        """The same as `abatch`, blocking."""

        async def work() -> Answers:
            return await self.abatch(
                questions, over, budget=budget, questions_per_read=questions_per_read, run=run, on_progress=on_progress
            )

        return background.wait(work)

    async def abatch_as_completed(
        self,
        questions: Asked,
        over: Any = None,
        *,
        budget: Budget | None = None,
        questions_per_read: PerRead = "auto",
        run: str | None = None,
    ) -> AsyncIterator[tuple[str, Answer]]:
        """Id and answer of every question as it is there. Leaving the loop early ends the batch. Raises like `abatch`."""
        asked = questions_of(questions)
        async with contextlib.aclosing(self._atold(asked, over, budget, questions_per_read, run)) as happened:
            async for event in happened:
                if isinstance(event, tuple):
                    yield event[0].id, event[1]

    def batch_as_completed(
        self,
        questions: Asked,
        over: Any = None,
        *,
        budget: Budget | None = None,
        questions_per_read: PerRead = "auto",
        run: str | None = None,
    ) -> Iterator[tuple[str, Answer]]:
        """The same as `abatch_as_completed` for synchronous code. Closing the iterator ends the batch."""
        with contextlib.closing(self.batch_events(questions_of(questions), over, budget, questions_per_read, run)) as happened:
            for event in happened:
                if isinstance(event, tuple):
                    yield event[0].id, event[1]

    def batch_events(
        self, asked: list[Question], over: Any, budget: Budget | None, questions_per_read: PerRead, run: str | None
    ) -> Generator[Told]:
        """All that happens: a question with its answer and whether it is done with, progress, and the summary as the last."""
        happened: queue.SimpleQueue[Told | None] = queue.SimpleQueue()

        async def work() -> None:
            try:
                happened.put(
                    await self._batch(asked, over, budget, questions_per_read, run, _three(happened.put), happened.put)
                )
            finally:
                happened.put(None)

        future = background.submit(work)
        try:
            while (event := happened.get()) is not None:
                yield event
            future.result()
        finally:
            if not future.done():
                future.cancel()
                while happened.get() is not None:  # until it has let go of everything
                    pass

    async def _atold(
        self, asked: list[Question], over: Any, budget: Budget | None, questions_per_read: PerRead, run: str | None
    ) -> AsyncGenerator[Told]:
        loop = asyncio.get_running_loop()
        happened: asyncio.Queue[Told | None] = asyncio.Queue()

        def put(event: Told | None) -> None:
            if not loop.is_closed():
                loop.call_soon_threadsafe(happened.put_nowait, event)

        async def work() -> None:
            try:
                put(await self._batch(asked, over, budget, questions_per_read, run, _three(put), put))
            finally:
                put(None)

        task = asyncio.ensure_future(background.run(work))
        try:
            while (event := await happened.get()) is not None:
                yield event
            await task
        finally:
            if not task.done():
                task.cancel()
                await asyncio.wait((task,))

    async def _batch(
        self: Any,
        asked: list[Question],
        over: Any,
        budget: Budget | None,
        questions_per_read: PerRead,
        run: str | None,
        on_result: Callable[[Question, Answer, bool], None],
        on_progress: Callable[[BatchProgress], None],
    ) -> BatchSummary:
        """The batch, on the background loop; whatever goes wrong leaves as an `ExtAgentsError`."""
        from extagents.batch import Batch
        from extagents.coordinator import bug

        team: Coordinator = self
        if questions_per_read != "auto" and not 1 <= questions_per_read <= MOST_PER_READ:
            raise SettingsError(
                f"{questions_per_read} questions cannot stand in one read.", hint=f'Give 1 to {MOST_PER_READ}, or "auto".'
            )

        def progress(now: BatchProgress) -> None:
            nonlocal on_progress
            try:
                on_progress(now)
            except Exception:  # whoever only watches ends nothing
                logger.exception("on_progress failed; it is told no more")
                on_progress = _silent

        batch = Batch(
            team,
            asked,
            over,
            name=run or f"batch-{uuid.uuid4().hex[:12]}",
            budget=budget or Budget(),
            questions_per_read=questions_per_read,
            on_result=on_result,
            on_progress=progress,
        )
        task = asyncio.current_task()
        assert task is not None
        team._batches.add(batch)
        team._running.add(task)
        try:
            return await batch.run()
        except ExtAgentsError:
            raise
        except Exception as error:
            raise bug(error, team.settings) from error
        finally:
            team._batches.discard(batch)
            team._running.discard(task)


def _three(put: Callable[[Told], None]) -> Callable[[Question, Answer, bool], None]:
    return lambda question, answer, done: put((question, answer, done))


def _silent(progress: BatchProgress) -> None:
    """Nobody watches."""
