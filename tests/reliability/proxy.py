"""A TCP proxy on loopback that breaks what goes through it, on command or by a seeded schedule.

It stands before a server's unix socket or port, with TLS in front where a certificate is given.
"""

from __future__ import annotations

import asyncio
import contextlib
import random
import ssl
from collections import Counter
from dataclasses import dataclass
from types import TracebackType
from typing import Literal, Self

Fault = Literal["pass", "cut", "slow", "half_open", "truncate", "refuse", "late"]
PIECE = 65_536


@dataclass(frozen=True)
class Mix:
    """How many of a hundred replies meet each fault; the rest pass. `seed` decides which."""

    cut: float = 0
    slow: float = 0
    half_open: float = 0
    truncate: float = 0
    seed: int = 0


class FaultyProxy:
    """Everything that is sent to `port` goes to the server, unless a fault is set.

    `cut`: the connection is broken after the server has done what it was asked. `slow`: every reply comes `delay` seconds
    late. `half_open`: the connection swallows all that is sent from here on, in both directions, and stays open. `truncate`: a
    part of the reply, then the end. `refuse`: new connections are closed at once. `late`: what is sent reaches the server after
    `delay` seconds even where the sender has gone away by then. `faults` counts the replies that met each.
    """

    def __init__(self, server: str, *, delay: float = 2.0, tls: ssl.SSLContext | None = None) -> None:
        self._server = server
        self._tls = tls
        self._listener: asyncio.Server | None = None
        self._pipes: set[asyncio.Task[None]] = set()
        self._writers: set[asyncio.StreamWriter] = set()
        self._open: set[asyncio.Event] = set()
        self._random = random.Random(0)
        self._mix: Mix | None = None
        self.mode: Fault = "pass"
        self.delay = delay
        self.port = 0
        self.connections = 0
        self.faults: Counter[str] = Counter()

    @property
    def address(self) -> str:
        return f"127.0.0.1:{self.port}"

    def mix(self, mix: Mix | None) -> None:
        """From now on every reply's fault is drawn; None ends that."""
        self._mix = mix
        self._random = random.Random(mix.seed if mix else 0)

    def turn_to(self, server: str) -> None:
        """Sends new connections to another server, as a name that is given a new address does."""
        self._server = server

    def freeze(self) -> None:
        """Makes every connection that is open now a half-open one; later ones pass."""
        for dead in self._open:
            dead.set()

    def cut_all(self) -> None:
        """Breaks every connection that is open now."""
        for writer in list(self._writers):
            writer.transport.abort()

    async def __aenter__(self) -> Self:
        self._listener = await asyncio.start_server(self._serve, "127.0.0.1", 0, ssl=self._tls)
        self.port = self._listener.sockets[0].getsockname()[1]
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        assert self._listener is not None
        self._listener.close()
        self.cut_all()
        for pipe in list(self._pipes):
            pipe.cancel()
        await asyncio.gather(*self._pipes, return_exceptions=True)

    async def _connect(self) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        if self._server.startswith("unix://"):
            return await asyncio.open_unix_connection(self._server.removeprefix("unix://"))
        host, _, port = self._server.removeprefix("redis://").partition("/")[0].rpartition(":")
        return await asyncio.open_connection(host, int(port))

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.connections += 1
        task = asyncio.current_task()
        assert task is not None
        self._pipes.add(task)
        self._writers.add(writer)
        upstream: asyncio.StreamWriter | None = None
        dead = asyncio.Event()
        try:
            if self.mode == "refuse":
                return
            answers, upstream = await self._connect()
            self._open.add(dead)
            asking = asyncio.create_task(self._ask(reader, upstream, dead))
            answering = asyncio.create_task(self._answer(answers, writer, dead))
            both = (asking, answering)
            await asyncio.wait(both, return_when=asyncio.FIRST_COMPLETED)
            if asking.done() and self.mode != "late":
                answering.cancel()
            elif answering.done():
                asking.cancel()
            await asyncio.gather(*both, return_exceptions=True)
        except (OSError, asyncio.CancelledError):
            pass  # the server is away, or the test is over: the client sees its connection end
        finally:
            for end in (writer, upstream):
                if end is not None:
                    end.transport.abort()
            self._open.discard(dead)
            self._writers.discard(writer)
            self._pipes.discard(task)

    async def _ask(self, reader: asyncio.StreamReader, upstream: asyncio.StreamWriter, dead: asyncio.Event) -> None:
        with contextlib.suppress(OSError):
            while data := await reader.read(PIECE):
                if self.mode == "half_open":
                    dead.set()
                if dead.is_set():
                    self.faults["half_open"] += 1
                    continue
                if self.mode == "late":
                    self.faults["late"] += 1
                    await asyncio.sleep(self.delay)
                upstream.write(data)
                await upstream.drain()

    async def _answer(self, answers: asyncio.StreamReader, writer: asyncio.StreamWriter, dead: asyncio.Event) -> None:
        with contextlib.suppress(OSError):
            while data := await answers.read(PIECE):
                if dead.is_set():
                    continue
                fault = self._drawn()
                self.faults[fault] += 1
                if fault == "slow":
                    await asyncio.sleep(self.delay)
                elif fault == "cut":
                    return
                elif fault == "half_open":
                    dead.set()
                    continue
                elif fault == "truncate":
                    writer.write(data[: max(1, len(data) // 2)])
                    await writer.drain()
                    writer.close()
                    await writer.wait_closed()
                    return
                writer.write(data)
                await writer.drain()
            if dead.is_set():
                await asyncio.Event().wait()  # the server is gone, but nobody says so

    def _drawn(self) -> str:
        if self._mix is None:
            return self.mode
        mix = self._mix
        shares = {"cut": mix.cut, "slow": mix.slow, "half_open": mix.half_open, "truncate": mix.truncate}
        place = self._random.uniform(0, 100)
        for fault, share in shares.items():
            place -= share
            if place < 0:
                return fault
        return "pass"
