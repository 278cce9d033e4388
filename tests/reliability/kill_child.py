"""A program that asks questions in processes of their own, made to be killed: `python kill_child.py SOCKET`.

It imports everything once, listens on a unix socket, and forks a process for every connection, which takes one order (a JSON
line) and tells on the connection what happens: `begin` and `end` of every model call, `begin` and `end` of every write to the
memory, then the answer or the error. What was told before a kill arrives all the same. It ends when its standard input closes.
"""

from __future__ import annotations

import asyncio
import functools
import gc
import hashlib
import importlib
import json
import os
import select
import signal
import socket
import sys
import threading
import time
import traceback
from collections.abc import Callable
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from reliability.kill_scenarios import SCENARIOS, Scenario, chance, phase_of

from extagents import Coordinator, Corpus
from extagents.errors import ExtAgentsError
from extagents.memory import lease
from extagents.memory.redis import RedisMemory
from extagents.memory.sqlite import SQLiteMemory
from extagents.models.base import Completion, ModelInfo, Prompt
from extagents.settings import Settings
from extagents.types import Usage

# What a run loads when it needs it, in the order of need; here it is there before the first fork.
LOADED_LATE = (
    *("extagents.graph", "extagents.executors.local", "extagents.memory.open", "extagents.memory.redis_connection"),
    *("extagents.models.resolve", "extagents.models.extraction.writing", "extagents.corpus.borders", "redis.asyncio"),
)
LEAST_SECONDS, MOST_SECONDS = 0.001, 0.010  # that a call takes
WRITES = (
    *("acquire", "renew", "give_back", "create_run", "update_run", "post", "write_note", "reserve", "settle", "append_event"),
)


class Teller:
    """Tells what happens. Ends the process where the order says so: at the n-th event whose name begins so, or just after."""

    def __init__(self, connection: socket.socket, kill: dict[str, Any] | None) -> None:
        self._connection = connection
        self._kill = kill
        self._seen = 0
        self._lock = threading.Lock()

    def __call__(self, event: str, **more: Any) -> None:
        with self._lock:
            self._connection.sendall(json.dumps({"event": event, "at": time.time(), **more}).encode() + b"\n")
            if self._kill is None or not event.startswith(self._kill["event"]):
                return
            self._seen += 1
            if self._seen != self._kill["nth"]:
                return
        if self._kill["delay"]:
            threading.Timer(self._kill["delay"], os.kill, (os.getpid(), signal.SIGKILL)).start()
        else:
            os.kill(os.getpid(), signal.SIGKILL)


class ToldModel:
    """The scenario's mind as a model whose calls take 1 to 10 ms each, as their prompt's hash decides."""

    name = "made-up"
    local = False
    endpoint = "made-up"

    def __init__(self, scenario: Scenario, tell: Teller, held: dict[str, str] | None) -> None:
        self._scenario = scenario
        self._tell = tell
        self._held = held  # calls of this phase wait as long as the file is there

    async def complete(
        self, prompt: Prompt[Any], *, timeout: float | None = None, on_delta: Callable[[str], None] | None = None
    ) -> Completion[Any]:
        whole = "\0".join(message.content for message in prompt.messages)
        key = hashlib.blake2b(whole.encode("utf-8", "surrogatepass"), digest_size=12).hexdigest()
        phase = phase_of(prompt.inputs)
        self._tell(f"begin {phase}", key=key)
        await asyncio.sleep(LEAST_SECONDS + (MOST_SECONDS - LEAST_SECONDS) * chance(key))
        if self._held is not None and phase == self._held["phase"]:
            while os.path.exists(self._held["file"]):  # noqa: ASYNC110, ASYNC240 - another process takes it away
                await asyncio.sleep(LEAST_SECONDS)
        text = self._scenario.mind.reply(prompt)
        if on_delta is not None:
            on_delta(text)
        self._tell(f"end {phase}", key=key)
        usage = Usage(calls=1, input_tokens=len(whole) // 4, output_tokens=len(text) // 4)
        return Completion(text=text, usage=usage, model=self.name)

    async def describe(self) -> ModelInfo:
        return ModelInfo(name=self.name, window=self._scenario.options["window"])

    async def aclose(self) -> None:
        """Nothing is held open."""


def watch_writes(tell: Teller) -> None:
    """Every write to a memory is told, in this process."""

    def watched(name: str, write: Callable[..., Any]) -> Callable[..., Any]:
        @functools.wraps(write)
        async def told(*arguments: Any, **options: Any) -> Any:
            kind = "answer" if name == "update_run" and options.get("answer") is not None else name
            tell(f"begin store {kind}")
            result = await write(*arguments, **options)
            tell(f"end store {kind}")
            return result

        return told

    for memory in (SQLiteMemory, RedisMemory):
        for name in WRITES:
            if hasattr(memory, name):
                setattr(memory, name, watched(name, getattr(memory, name)))


def work(order: dict[str, Any], tell: Teller, corpora: dict[str, Any]) -> None:
    """Asks the scenario's question, or goes on with its run, and tells the answer."""
    scenario = SCENARIOS[order["scenario"]]
    settings = Settings(**{**scenario.options, **order.get("settings", {})}, memory=order["memory"], tenant=order["tenant"])
    over = corpora[order["scenario"]]
    watch_writes(tell)
    with Coordinator(ToldModel(scenario, tell, order.get("held")), settings=settings) as team:
        if order["how"] == "resume":
            answer = team.resume(order["run"], over)
        else:
            ask = getattr(team, scenario.ask)
            answer = ask(scenario.question, over, **scenario.asked, run=order["run"], resume=order["how"] == "ask again")
    tell("answer", answer=answer.model_dump(mode="json"))


def serve_one(connection: socket.socket, corpora: dict[str, Any]) -> None:
    """What a forked process does."""
    signal.signal(signal.SIGCHLD, signal.SIG_DFL)
    order = json.loads(connection.makefile("rb").readline())
    if "host" in order:
        lease._host = lambda: order["host"]
    tell = Teller(connection, order.get("kill"))
    tell("started", pid=os.getpid())
    try:
        work(order, tell, corpora)
    except ExtAgentsError as error:
        tell("error", type=type(error).__name__, message=error.message, hint=error.hint)
    except BaseException as error:  # noqa: BLE001 - whatever it is, the test is to see it
        tell("error", type=type(error).__name__, message=str(error), hint=traceback.format_exc())


def main(path: str) -> None:
    """Serves until standard input closes. Of the dead, those stay as zombies whose connection began with `u`, for unburied."""
    for module in LOADED_LATE:
        importlib.import_module(module)
    corpora: dict[str, Any] = {}
    for name, scenario in SCENARIOS.items():
        corpora[name] = Corpus.load(scenario.documents()) if scenario.shared else list(scenario.documents())
        if scenario.shared:
            assert corpora[name].index is not None
    death, told_of_death = socket.socketpair()
    death.setblocking(False)
    told_of_death.setblocking(False)
    signal.set_wakeup_fd(told_of_death.fileno())
    signal.signal(signal.SIGCHLD, lambda *_: None)
    listener = socket.socket(socket.AF_UNIX)
    listener.bind(path)
    listener.listen(16)
    gc.freeze()
    sys.stdout.write("ready\n")
    sys.stdout.flush()
    living: set[int] = set()
    while True:
        ready, _, _ = select.select([listener, sys.stdin, death], [], [])
        if death in ready:
            death.recv(4096)
            living -= {pid for pid in living if os.waitpid(pid, os.WNOHANG)[0]}  # gone at once, as under any shell
        if sys.stdin in ready:
            return
        if listener not in ready:
            continue
        connection, _ = listener.accept()
        unburied = connection.recv(1) == b"u"
        if (pid := os.fork()) == 0:
            signal.set_wakeup_fd(-1)
            for one in (listener, death, told_of_death):
                one.close()
            serve_one(connection, corpora)
            os._exit(0)
        connection.close()
        if not unburied:
            living.add(pid)


if __name__ == "__main__":
    main(sys.argv[1])
