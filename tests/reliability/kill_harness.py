"""What the tests of killed runs hold in hand: the server that forks runs, and one such run, watched from outside."""

from __future__ import annotations

import asyncio
import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import time
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import psutil

from extagents.memory.base import RunRecord
from extagents.memory.open import open_memory
from extagents.types import Fact, Report

PATIENCE = 60.0  # seconds after which something that has to happen is taken not to happen any more
RUN = "the run"
NOTES = ("memory", "merged", "recall", "lane:0:head:0", "lane:2:head:1")


class Servant:
    """The program `kill_child.py`, alive between `with` and its end; `start` begins a run in a process of its own."""

    def __init__(self) -> None:
        self._folder = Path(tempfile.mkdtemp(prefix="xk-"))  # short: a socket's path has at most 107 bytes
        self._children: list[Child] = []

    def __enter__(self) -> Self:
        path = self._folder / "s"
        self._process = subprocess.Popen(
            [sys.executable, str(Path(__file__).with_name("kill_child.py")), str(path)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
        )
        assert self._process.stdout is not None
        assert self._process.stdout.readline() == b"ready\n", "the program that is to be killed did not start"
        return self

    def start(self, scenario: str, memory: str, *, tenant: str, how: str = "ask", unburied: bool = False, **more: Any) -> Child:
        """A run of the scenario. `how`: `ask` begins it, `ask again` is that with --resume, `resume` knows its name alone."""
        connection = socket.socket(socket.AF_UNIX)
        connection.connect(str(self._folder / "s"))
        order = {"scenario": scenario, "memory": memory, "tenant": tenant, "run": RUN, "how": how, **more}
        connection.sendall((b"u" if unburied else b"b") + json.dumps(order).encode() + b"\n")
        child = Child(connection)
        self._children.append(child)
        return child

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None) -> None:
        for child in self._children:
            child.kill()
        self._process.communicate(timeout=PATIENCE)
        shutil.rmtree(self._folder, ignore_errors=True)


class Child:
    """A run in a process of its own, and everything that it told so far."""

    def __init__(self, connection: socket.socket) -> None:
        self._connection = connection
        self._told: list[dict[str, Any]] = []
        self._more = threading.Condition()
        self._closed = False
        self.begun = time.monotonic()
        threading.Thread(target=self._listen, daemon=True).start()
        self.pid = int(self.wait_for("started")["pid"])

    def _listen(self) -> None:
        with self._connection, self._connection.makefile("rb") as lines:
            for line in lines:
                if line.endswith(b"\n"):
                    with self._more:
                        self._told.append(json.loads(line))
                        self._more.notify_all()
        with self._more:
            self._closed = True
            self._more.notify_all()

    @property
    def told(self) -> list[dict[str, Any]]:
        """What it told, in order."""
        with self._more:
            return list(self._told)

    def wait_for(self, event: str, *, nth: int = 1) -> dict[str, Any]:
        """The n-th event of this name (or that begins with it, where it ends in a blank); fails if the process ends before."""

        def found() -> list[dict[str, Any]]:
            return [one for one in self._told if one["event"] == event or (event[-1] == " " and one["event"].startswith(event))]

        with self._more:
            self._more.wait_for(lambda: len(found()) >= nth or self._closed, PATIENCE)
            assert len(found()) >= nth, f"{event} was not told {nth} times, but: {self._told[-3:]}"
            return found()[nth - 1]

    def over(self, seconds: float = PATIENCE) -> bool:
        """Whether the process is gone, waited for so long."""
        with self._more:
            self._more.wait_for(lambda: self._closed, max(0.0, seconds))
            if not self._closed:
                return False
        gone(self.pid)  # its sockets close a moment before it is gone
        return True

    def end(self) -> Self:
        """Waits until the process has ended by itself or was killed."""
        assert self.over(), f"the run is still under way: {self.told[-3:]}"
        return self

    def kill(self) -> Self:
        """Kill -9, and waits until it is gone."""
        if not self.over(0):
            os.kill(self.pid, signal.SIGKILL)
        return self.end()

    def count(self, beginning: str) -> int:
        """How many events it told whose names begin so."""
        return sum(one["event"].startswith(beginning) for one in self.told)

    @property
    def calls(self) -> int:
        """Model calls that it began."""
        return self.count("begin ") - self.count("begin store ")

    @property
    def answer(self) -> dict[str, Any] | None:
        return next((one["answer"] for one in self.told if one["event"] == "answer"), None)

    @property
    def error(self) -> dict[str, Any] | None:
        return next((one for one in self.told if one["event"] == "error"), None)

    def under_way(self) -> Counter[str]:
        """What had begun and not ended when it told its last: calls by phase, writes by kind."""
        open_ = Counter[str]()
        for one in self.told:
            what, _, name = one["event"].partition(" ")
            open_[name] += {"begin": 1, "end": -1}.get(what, 0)
        return +open_


def gone(pid: int) -> None:
    """Waits until no process of this id does anything any more."""
    wait_until(lambda: not _there(pid), f"process {pid} is still there")


def _there(pid: int) -> bool:
    try:
        return psutil.Process(pid).status() not in (psutil.STATUS_ZOMBIE, psutil.STATUS_DEAD)
    except psutil.NoSuchProcess:
        return False


def wait_until(state: Callable[[], bool], otherwise: str) -> None:
    """Waits for a state, and fails after `PATIENCE`."""
    deadline = time.monotonic() + PATIENCE
    while not state():
        assert time.monotonic() < deadline, otherwise
        time.sleep(0.001)


# ------------------------------------------------------------------ what the memory holds


@dataclass(frozen=True)
class Kept:
    """What a memory holds of the run."""

    record: RunRecord | None
    reports: tuple[Report, ...]
    ledger: tuple[Fact, ...]
    calls: int  # that count as spent
    notes: tuple[dict[str, Any] | None, ...] = ()
    told: tuple[str, ...] = ()  # events

    @property
    def reported(self) -> list[tuple[Any, ...]]:
        """The reports without what they cost, in an order of their own."""
        return sorted(
            (one.round, one.shard, one.version, one.wave, one.failure, one.model_dump_json(include={"findings"}))
            for one in self.reports
        )


def kept_in(memory: str, tenant: str) -> Kept:
    """What the memory holds of the run now."""

    async def look() -> Kept:
        opened = open_memory(memory, tenant=tenant)
        try:
            return Kept(
                record=await opened.load_run(RUN),
                reports=tuple(await opened.reports(RUN)),
                ledger=tuple(await opened.knowledge(RUN, 10**9)),
                calls=(await opened.spent(RUN)).calls,
                notes=tuple([note and note.content for name in NOTES if (note := await opened.read_note(RUN, name)) or True]),
                told=tuple([json.dumps(event, sort_keys=True) for event in await opened.events(RUN)]),
            )
        finally:
            await opened.aclose()

    return asyncio.run(look())


NOT_COMPARED = ("usage", "seconds")


def comparable(answer: dict[str, Any]) -> dict[str, Any]:
    """The answer without what may differ between an undisturbed run and one that was killed, and as it is printed."""
    kept = {name: value for name, value in answer.items() if name not in NOT_COMPARED}
    beside = ("title", "before", "after")  # stored with a citation, and no part of what is printed
    citations = [{name: value for name, value in one.items() if name not in beside} for one in answer.get("citations", ())]
    return {**kept, "citations": citations}
