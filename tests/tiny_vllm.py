"""What the tests of the real vLLM share: prompts, a server on loopback, a look at the engine's processes."""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
import socket
import subprocess
import sys
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from time import monotonic, sleep
from typing import Any

import psutil

from extagents.models.base import Message, Prompt
from extagents.types import PlannerInput, Verdict

ROOT = Path(__file__).resolve().parent.parent
ARGUMENTS: dict[str, Any] = {"max_model_len": 16_384, "max_num_seqs": 4, "enforce_eager": True}
GUIDED = '{"backend": "xgrammar", "disable_any_whitespace": true}'
READY_SECONDS = 300.0
KEY = "a-key-for-the-tests"


@dataclass(frozen=True)
class Server:
    """A `vllm serve` of the tests."""

    base_url: str
    name: str
    log: Path


def serve(model: str, folder: Path, *options: str) -> Iterator[Server]:
    """A server on loopback until the generator is closed."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    command = [str(Path(sys.executable).parent / "vllm"), "serve", model, "--served-model-name", "tiny"]
    command += ["--host", "127.0.0.1", "--port", str(port), "--structured-outputs-config", GUIDED, "--enable-prefix-caching"]
    command += ["--max-model-len", "16384", "--max-num-seqs", "4", "--enforce-eager", "--enable-prompt-tokens-details"]
    command += options
    log = folder / "server.log"
    with log.open("wb") as out:
        process = subprocess.Popen(command, stdout=out, stderr=out, start_new_session=True)
    try:
        deadline = monotonic() + READY_SECONDS
        while not _healthy(port):
            assert process.poll() is None, f"vllm serve ended: {log.read_text(errors='replace')[-2000:]}"
            assert monotonic() < deadline, f"vllm serve is not ready: {log.read_text(errors='replace')[-2000:]}"
            sleep(0.5)
        yield Server(f"http://127.0.0.1:{port}/v1", "tiny", log)
    finally:
        os.killpg(process.pid, signal.SIGTERM)
        try:
            process.wait(30)
        except subprocess.TimeoutExpired:
            os.killpg(process.pid, signal.SIGKILL)
            process.wait(10)


def _healthy(port: int) -> bool:
    try:
        with urllib.request.urlopen(f"http://127.0.0.1:{port}/health", timeout=5) as reply:
            return bool(reply.status == 200)
    except (urllib.error.URLError, OSError):
        return False


async def until(what: Callable[[], bool], *, seconds: float = 60.0, why: str = "it did not come to pass") -> None:
    """Waits for a state."""
    deadline = monotonic() + seconds
    while not what():
        assert monotonic() < deadline, why
        await asyncio.sleep(0.02)


def prompt(role: Any = "reasoner", *, text: str = "Who?", output: Any = Verdict, room: int = 300) -> Prompt[Any]:
    """A prompt as an agent renders it."""
    messages = (Message("system", "You answer in JSON."), Message("user", text))
    return Prompt(role, PlannerInput(question="Who?"), output, messages, room, "v1")


def shard(number: int, lines: int = 40) -> str:
    """Some text of its own."""
    return "\n".join(f"{number}.{line} The harbour office lists {line} ropes and {number} barrels." for line in range(lines))


def engines() -> list[int]:
    """The engine processes that this one has started and that live."""
    found = []
    for child in psutil.Process().children(recursive=True):
        with contextlib.suppress(psutil.NoSuchProcess):
            if child.name().startswith("VLLM::Engine") and child.status() != psutil.STATUS_ZOMBIE:
                found.append(child.pid)
    return found
