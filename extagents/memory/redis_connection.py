"""One event loop's connections to a Redis server: scripts, patience, and every error of the library as ours."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from functools import cache
from hashlib import sha1
from importlib.resources import files
from inspect import signature
from typing import Any, TypeVar
from urllib.parse import urlsplit

import redis.asyncio as aioredis
from redis.asyncio.connection import AbstractConnection
from redis.asyncio.retry import Retry
from redis.backoff import NoBackoff
from redis.exceptions import (
    AuthenticationError,
    BusyLoadingError,
    ConnectionError,
    InvalidResponse,
    NoPermissionError,
    NoScriptError,
    OutOfMemoryError,
    ReadOnlyError,
    RedisError,
    ResponseError,
    TimeoutError,
)

from extagents.errors import SettingsError, StoreError
from extagents.memory.urls import shown

T = TypeVar("T")
CONNECT_SECONDS = 2.0
REPLY_SECONDS = 15.0
MOST_CONNECTIONS = 16
FIRST_PATIENCE = 0.5  # seconds of trying again before the server was ever reached
LATER_PATIENCE = 5.0  # and after: a server that is restarted comes back
RIGHTS = "~ext:* and +@read +@write +@scripting +@connection"
# Otherwise every connection looks the library's version up on disk, on the event loop, and sends it.
NAMELESS: dict[str, Any] = (
    {"driver_info": None}
    if "driver_info" in signature(AbstractConnection.__init__).parameters
    else {"lib_name": None, "lib_version": None}
)
PASSING = (ConnectionError, TimeoutError, OSError)


@dataclass(frozen=True, slots=True)
class Script:
    """A script's text, the prelude that all share in front, and the name under which servers keep it."""

    text: str
    sha: str


@cache
def script(name: str) -> Script:
    """scripts/NAME.lua, read from the package."""
    folder = files("extagents.memory") / "scripts"
    text = "\n".join((folder / f"{part}.lua").read_text("utf-8") for part in ("prelude", name))
    return Script(text, sha1(text.encode(), usedforsecurity=False).hexdigest())


class RedisConnection:
    """A pool of connections, bound to the event loop that it is first used in."""

    def __init__(self, url: str) -> None:
        self._shown = shown(url)
        self._reached = False
        self._scripts: dict[str, Script] = {}
        # Calls beyond the connections wait here, in order: thousands that wait inside the pool would starve the loop.
        self._places = asyncio.Semaphore(MOST_CONNECTIONS)
        pool = aioredis.ConnectionPool.from_url(
            url,
            socket_connect_timeout=CONNECT_SECONDS,
            socket_timeout=REPLY_SECONDS,
            health_check_interval=30,
            retry=Retry(NoBackoff(), 0),
            protocol=2,
            **NAMELESS,
        )
        self._client: Any = aioredis.Redis(connection_pool=pool)
        self._client.response_callbacks.clear()  # replies as the server gave them, whatever the command's name

    @staticmethod
    def checked(url: str) -> str:
        """The URL without its password. Raises `SettingsError` if it cannot be one."""
        hint = "Give redis://[USER:PASSWORD@]HOST[:PORT][/DB], rediss://… or unix:///PATH/TO/SOCKET[?db=DB]."
        try:
            parts = urlsplit(url)
            wrong = (
                not parts.path
                if parts.scheme.lower() == "unix"
                else not parts.hostname or (parts.port or 1) < 1 or not (parts.path.strip("/") or "0").isdigit()
            )
            if not wrong:
                aioredis.ConnectionPool.from_url(url)
        except ValueError:
            wrong = True
        if wrong:
            raise SettingsError(f"The memory URL {shown(url)!r} is not one that Redis understands.", hint=hint)
        return shown(url)

    # ---- calls
    async def script(
        self, name: str, keys: Sequence[str], head: Sequence[str | int], arguments: Sequence[str | bytes | int]
    ) -> Any:
        """Runs scripts/NAME.lua. Between `head` and `arguments` it is told which attempt this is."""
        known = self._scripts.get(name)
        if known is None:
            known = self._scripts[name] = await asyncio.to_thread(script, name)

        async def call(attempt: int) -> Any:
            rest = (len(keys), *keys, *head, attempt, *arguments)
            try:
                return await self._client.execute_command("EVALSHA", known.sha, *rest)
            except NoScriptError:
                return await self._client.execute_command("EVAL", known.text, *rest)

        return await self._patiently(call)

    async def command(self, *words: Any) -> Any:
        """One command that changes nothing, or nothing more when it is repeated."""

        async def call(_attempt: int) -> Any:
            return await self._client.execute_command(*words)

        return await self._patiently(call)

    async def commands(self, commands: Sequence[Sequence[Any]]) -> list[Any]:
        """Such commands, sent together; the replies in order."""
        if not commands:
            return []

        async def call(_attempt: int) -> list[Any]:
            pipe = self._client.pipeline(transaction=False)
            for words in commands:
                pipe.execute_command(*words)
            # redis-py would put the whole command, values included, into the message of what it raises.
            replies: list[Any] = await pipe.execute(raise_on_error=False)
            for reply in replies:
                if isinstance(reply, Exception):
                    raise reply
            return replies

        return await self._patiently(call)

    async def _patiently(self, call: Callable[[int], Awaitable[T]]) -> T:
        started = 0.0
        attempt = 0
        while True:
            try:
                async with self._places:
                    started = started or time.monotonic()
                    reply = await call(attempt)
            except (RedisError, OSError) as error:
                patience = LATER_PATIENCE if self._reached else FIRST_PATIENCE
                # A first timeout may be this process' own doing: a busy loop sees the clock before the answer.
                again = time.monotonic() - started < patience or (attempt == 0 and isinstance(error, TimeoutError))
                if not again or not isinstance(error, PASSING) or isinstance(error, AuthenticationError):
                    raise store_error(error, self._shown) from error
                await asyncio.sleep(min(0.02 * 2**attempt, 0.5))
                attempt += 1
            else:
                self._reached = True
                return reply

    async def warnings(self) -> list[str]:
        """What about the server's set-up endangers runs. What the user may not ask is passed over."""
        await self.command("PING")
        asked: dict[str, str] = {}
        for words in (("INFO", "server"), ("INFO", "memory"), ("INFO", "persistence"), ("INFO", "replication")):
            try:
                reply = await self.command(*words)
            except StoreError:
                return ["The server's set-up cannot be checked: the user may not call INFO."]
            asked.update(line.split(":", 1) for line in reply.decode().splitlines() if ":" in line)
        warnings: list[str] = []
        policy = asked.get("maxmemory_policy", "noeviction")
        if policy != "noeviction":
            warnings.append(
                f"The server evicts keys when it is full (maxmemory-policy {policy}) and may lose reports: set noeviction."
            )
        if asked.get("aof_enabled", "0") == "0" and not await self._snapshots():
            warnings.append("The server keeps nothing on disk (no appendonly, no save): a restart loses all runs.")
        if asked.get("role") == "slave":
            warnings.append("The server is a replica: it cannot be written; give the primary's address.")
        return warnings

    async def _snapshots(self) -> bool:
        try:
            reply = await self.command("CONFIG", "GET", "save")
        except StoreError:
            return True  # hosted servers forbid CONFIG; what cannot be known is not warned of
        return len(reply) > 1 and bool(reply[1])

    async def aclose(self) -> None:
        await self._client.aclose(close_connection_pool=True)


def store_error(error: Exception, where: str) -> StoreError:
    """A library's error as ours: one line that says what happened, a hint that says what to do; never a password."""
    text = " ".join(str(error).split())
    message, hint, retryable = described(error, text)
    return StoreError(f"The memory {where} {message}.", hint=hint, retryable=retryable)


def described(error: Exception, text: str) -> tuple[str, str, bool]:
    """What happened, what to do, whether a retry can help. Inside scripts Redis 6 has no error classes, only texts."""
    if isinstance(error, AuthenticationError) or "WRONGPASS" in text or "NOAUTH" in text:
        return "refused the user or password", "Put them into the URL: redis://USER:PASSWORD@HOST.", False
    if isinstance(error, NoPermissionError) or any(
        sign in text for sign in ("NOPERM", "ACL failure", "user executing the script can't")
    ):
        return f"does not let this user do what is needed ({text[:160]})", f"The user needs {RIGHTS}.", False
    if isinstance(error, OutOfMemoryError) or "OOM" in text or "used memory > 'maxmemory'" in text:
        return "is full", "Raise its maxmemory, or free some with `extagents runs forget RUN`; then resume the run.", True
    if isinstance(error, ReadOnlyError) or "READONLY" in text or "read only replica" in text:
        return "is a read-only replica", "Give the primary's address.", False
    if "MISCONF" in text:
        return "cannot write to its own disk and refuses writes", "Free that disk; the server's log says more.", True
    if isinstance(error, BusyLoadingError):
        return "is still loading its data", "Try again in a moment.", True
    if isinstance(error, InvalidResponse):
        return "is no Redis server", "Check host and port of --memory.", False
    if isinstance(error, TimeoutError):
        return "did not answer in time", "Check the server and the network.", True
    if isinstance(error, (ConnectionError, OSError)):
        hint = "Start the server or check the address; without --memory an embedded file is used."
        return "is out of reach", hint, True
    if isinstance(error, ResponseError):
        return f"refused a command: {text[:160]}", "Redis 6.2 or Valkey is needed, or later.", False
    return f"failed: {text[:160]}", "The server's log says more.", False
