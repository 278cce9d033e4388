"""The one event loop of the process: it owns sockets, pools and the limiter; every sync or async call goes through it."""

from __future__ import annotations

import asyncio
import atexit
import contextlib
import contextvars
import os
import threading
import weakref
from collections.abc import Callable, Coroutine
from concurrent.futures import Future, InvalidStateError
from typing import Any, Protocol, TypeVar

T = TypeVar("T")
CLOSING_SECONDS = 2.0  # for what a program that ends has left open


class Closable(Protocol):
    """Something that holds sockets of the loop."""

    async def aclose(self) -> None: ...


class Background:
    """An event loop on a daemon thread of its own, started when first used, and again in a forked child."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._loop: asyncio.AbstractEventLoop | None = None
        self._pid = 0
        self._open: weakref.WeakSet[Closable] = weakref.WeakSet()

    @property
    def loop(self) -> asyncio.AbstractEventLoop:
        """The running loop."""
        with self._lock:
            if self._loop is None or self._pid != os.getpid() or self._loop.is_closed():
                started = threading.Event()
                loop = asyncio.new_event_loop()
                thread = threading.Thread(target=self._serve, args=(loop, started), name="extagents", daemon=True)
                thread.start()
                started.wait()
                self._loop, self._pid = loop, os.getpid()
            return self._loop

    @staticmethod
    def _serve(loop: asyncio.AbstractEventLoop, started: threading.Event) -> None:
        asyncio.set_event_loop(loop)
        loop.call_soon(started.set)
        loop.run_forever()

    def here(self) -> bool:
        """Whether the caller runs on the loop itself."""
        return self._inside(self._loop)

    def submit(self, work: Callable[[], Coroutine[Any, Any, T]]) -> Future[T]:
        """Starts the coroutine on the loop, with the caller's context variables. Cancelling the future cancels the work."""
        loop, context, outcome = self.loop, contextvars.copy_context(), Future[T]()

        def start() -> None:
            if outcome.cancelled():
                return
            task = loop.create_task(work(), context=context)

            def cancelled(future: Future[T]) -> None:
                if future.cancelled():
                    loop.call_soon_threadsafe(task.cancel)

            outcome.add_done_callback(cancelled)
            task.add_done_callback(finish)

        def finish(task: asyncio.Task[T]) -> None:
            with contextlib.suppress(InvalidStateError):  # the future was cancelled meanwhile
                if task.cancelled():
                    outcome.cancel()
                elif (error := task.exception()) is not None:
                    outcome.set_exception(error)
                else:
                    outcome.set_result(task.result())

        loop.call_soon_threadsafe(start)
        return outcome

    async def run(self, work: Callable[[], Coroutine[Any, Any, T]]) -> T:
        """Awaits the coroutine from any loop; cancelling the caller cancels the work and waits for its end."""
        if self.here():
            return await work()
        loop, context = self.loop, contextvars.copy_context()
        caller = asyncio.get_running_loop()
        done: asyncio.Future[T] = caller.create_future()
        task: asyncio.Task[T] | None = None

        def deliver(finished: asyncio.Task[T]) -> None:
            if done.done():
                return
            if finished.cancelled():
                done.cancel()
            elif (error := finished.exception()) is not None:
                done.set_exception(error)
            else:
                done.set_result(finished.result())

        def start() -> None:
            nonlocal task
            task = loop.create_task(work(), context=context)
            task.add_done_callback(lambda finished: _safely(caller, deliver, finished))

        def stop() -> None:
            if task is not None:
                task.cancel()

        loop.call_soon_threadsafe(start)
        try:
            return await asyncio.shield(done)
        except asyncio.CancelledError:
            if not done.done():
                loop.call_soon_threadsafe(stop)
                await asyncio.wait((done,))
            raise

    def wait(self, work: Callable[[], Coroutine[Any, Any, T]]) -> T:
        """Runs the coroutine and blocks until it ends: the sync face, in a script, a thread or a notebook's running loop."""
        if self.here():
            raise RuntimeError("a blocking call inside ExtAgents' own event loop would wait for itself; await the async twin")
        future = self.submit(work)
        try:
            return future.result()
        except BaseException:
            future.cancel()  # Ctrl-C in the waiting thread: nothing goes on spending behind its back
            raise

    def keep(self, holder: Closable) -> None:
        """Has the holder closed before the loop ends, if nobody did: a script may end without a word. Called on the loop."""
        self._open.add(holder)

    def stop(self) -> None:
        """Ends the loop; what still runs on it is cancelled first, and what is open is closed."""
        with self._lock:
            loop, self._loop = self._loop, None
        if loop is None or self._pid != os.getpid() or loop.is_closed():
            return

        async def drain() -> None:
            tasks = [task for task in asyncio.all_tasks() if task is not asyncio.current_task()]
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)
            left = [asyncio.ensure_future(holder.aclose()) for holder in list(self._open)]
            if left:
                await asyncio.wait(left, timeout=CLOSING_SECONDS)
            ended.set()
            loop.stop()

        ended, inside = threading.Event(), self._inside(loop)
        asyncio.run_coroutine_threadsafe(drain(), loop)
        if not inside:
            ended.wait(2 * CLOSING_SECONDS)

    @staticmethod
    def _inside(loop: asyncio.AbstractEventLoop | None) -> bool:
        try:
            return asyncio.get_running_loop() is loop
        except RuntimeError:
            return False


def _safely(loop: asyncio.AbstractEventLoop, function: Callable[..., None], *arguments: Any) -> None:
    """Calls the function on a loop of somebody else's, which may be closed by now."""
    if not loop.is_closed():
        loop.call_soon_threadsafe(function, *arguments)


background = Background()
atexit.register(background.stop)
