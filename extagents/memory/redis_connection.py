"""One event loop's connections to a Redis server: scripts, patience, and every error of the library as ours."""

from __future__ import annotations

import asyncio
import builtins
import ssl
import time
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from functools import cache
from hashlib import sha1
from importlib.resources import files
from pathlib import Path
from typing import Any, TypeVar
from urllib.parse import parse_qs, urlsplit

import redis.asyncio as aioredis
from redis.exceptions import (
    AskError,
    AuthenticationError,
    BusyLoadingError,
    ClusterDownError,
    ConnectionError,
    InvalidResponse,
    MovedError,
    NoPermissionError,
    NoScriptError,
    OutOfMemoryError,
    ReadOnlyError,
    RedisError,
    ResponseError,
    TimeoutError,
    TryAgainError,
)

from extagents.errors import SettingsError, StoreError
from extagents.memory.patience import LAST_SECONDS, seconds_left
from extagents.memory.redis_nodes import Nodes
from extagents.redaction import SecretUrl, shown, unframed

T = TypeVar("T")
MOST_CONNECTIONS = 16
FIRST_PATIENCE = 0.5  # seconds of trying again before the server was ever reached
LATER_PATIENCE = 30.0  # and after: a server that is restarted comes back, and of a failed-over one another takes the place
COMMANDS = (
    *("del", "eval", "evalsha", "expire", "get", "hdel", "hexists", "hget", "hgetall", "hincrby", "hlen", "hmget", "hset"),
    *("hsetnx", "hvals", "info", "lrange", "lrem", "ltrim", "mget", "ping", "rpush", "sadd", "select", "set"),
    *("smembers", "time", "unlink", "zadd", "zrem", "zrevrange"),
)
RIGHTS = f"~ext:* {' '.join(f'+{command}' for command in COMMANDS)}"
FILES = ("ssl_ca_certs", "ssl_certfile", "ssl_keyfile")
LOST = (ConnectionError, TimeoutError, OSError)
NO_TLS = ("WRONG_VERSION_NUMBER", "HTTP_REQUEST", "RECORD_LAYER_FAILURE")
MOVING = (AskError, TryAgainError, ClusterDownError)  # a cluster that changes its mind about where keys are


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

    def __init__(self, url: SecretUrl) -> None:
        self._shown = shown(url)
        self._nodes = Nodes(url.get_secret_value())
        self._reached = self._written = False
        self._lost: float | None = None  # since when nothing has got through
        self._failed = 0.0  # when something last did not
        self._scripts: dict[str, Script] = {}
        # Calls beyond the connections wait here, in order: thousands that wait inside the pool would starve the loop.
        self._places = asyncio.Semaphore(MOST_CONNECTIONS)

    @staticmethod
    def checked(url: SecretUrl) -> str:
        """The URL without its password. Raises `SettingsError` if it cannot be one."""
        hint = "Give redis://[USER:PASSWORD@]HOST[:PORT][/DB], rediss://… or unix:///PATH/TO/SOCKET[?db=DB]."
        if not understood(url):
            raise SettingsError(f"The memory URL {shown(url)!r} is not one that Redis understands.", hint=hint)
        for name, path in files_of(url).items():
            if not Path(path).is_file():
                raise SettingsError(f"There is no file {path!r}, which the memory URL names.", hint=f"Correct {name}=….")
        return shown(url)

    # ---- calls
    async def script(
        self, name: str, keys: Sequence[str], head: Sequence[str | int], arguments: Sequence[str | bytes | int]
    ) -> Any:
        """Runs scripts/NAME.lua. Between `head` and `arguments` it is told which attempt this is."""
        known = self._scripts.get(name)
        if known is None:
            known = self._scripts[name] = await asyncio.to_thread(script, name)

        async def call(client: Any, attempt: int) -> Any:
            rest = (len(keys), *keys, *head, attempt, *arguments)
            try:
                return await client.execute_command("EVALSHA", known.sha, *rest)
            except NoScriptError:
                return await client.execute_command("EVAL", known.text, *rest)

        reply = await self._patiently(call)
        self._written = True
        return reply

    async def command(self, *words: Any) -> Any:
        """One command that changes nothing, or nothing more when it is repeated."""

        async def call(client: Any, _attempt: int) -> Any:
            return await client.execute_command(*words)

        return await self._patiently(call)

    async def commands(self, commands: Sequence[Sequence[Any]]) -> list[Any]:
        """Such commands, sent together; the replies in order."""
        if not commands:
            return []

        async def call(client: Any, _attempt: int) -> list[Any]:
            pipe = client.pipeline(transaction=False)
            for words in commands:
                pipe.execute_command(*words)
            # redis-py would put the whole command, values included, into the message of what it raises.
            replies: list[Any] = await pipe.execute(raise_on_error=False)
            for reply in replies:
                if isinstance(reply, Exception):
                    raise reply
            return replies

        return await self._patiently(call)

    async def _patiently(self, call: Callable[[Any, int], Awaitable[T]]) -> T:
        """The call's reply, asked for again while what went wrong may pass: only the server's own reply ends a call.

        The place is kept meanwhile: the server remembers for two minutes what it has applied, and a second attempt must not
        wait behind thousands of first ones.
        """
        async with self._places:
            reply = await self._answered(call)
        await self._nodes.learn()
        return reply

    async def _answered(self, call: Callable[[Any, int], Awaitable[T]]) -> T:
        started = time.monotonic()
        attempt = 0
        while True:
            client = self._nodes.client
            try:
                reply = await in_time(call(client, attempt))
            except (RedisError, OSError) as error:
                if not self._again(error, started, attempt):
                    raise store_error(error, self._shown) from unframed(error)
                if isinstance(error, MovedError):
                    self._nodes.follow(error)
                elif isinstance(error, LOST) or stale(error):
                    await self._nodes.leave(client)
                if attempt or not isinstance(error, MovedError):
                    await asyncio.sleep(min(0.02 * 2**attempt, 0.5))
                attempt += 1
            else:
                self._lost, self._reached = None, True
                return reply

    def _again(self, error: Exception, started: float, attempt: int) -> bool:
        """Whether what went wrong may pass, and is worth waiting for."""
        if isinstance(error, BusyLoadingError):
            self._reached = True
        if isinstance(error, AuthenticationError) or (untrusted(error) and not self._reached):
            return False
        # What was the primary once will have a successor; what never was is a wrong address.
        if not isinstance(error, (*LOST, *MOVING, MovedError)) and not (self._written and stale(error)):
            return False
        left, now = seconds_left(), time.monotonic()
        if self._lost is None or now - self._failed > LATER_PATIENCE:
            self._lost = now
        self._failed = now
        if left is not None and left <= LAST_SECONDS:
            return False
        if now - self._lost >= LATER_PATIENCE:
            return False  # an outage is waited for once, not once for every call that it meets
        if now - started < FIRST_PATIENCE:
            return True
        # A first timeout may be this process' own doing: a busy loop sees the clock before the answer.
        if attempt == 0 and isinstance(error, TimeoutError):
            return True
        return self._reached and now - started < LATER_PATIENCE

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
        await self._nodes.aclose()


def understood(url: SecretUrl) -> bool:
    """Whether the Redis library can make something of the URL. What holds its password in the open stays in this frame."""
    try:
        parts = urlsplit(url.get_secret_value())
        if parts.scheme.lower() == "unix":
            right = bool(parts.path)
        else:
            right = bool(parts.hostname) and (parts.port or 1) >= 1 and (parts.path.strip("/") or "0").isdigit()
        if right:
            aioredis.ConnectionPool.from_url(url.get_secret_value())
    except ValueError:
        return False
    return right


def files_of(url: SecretUrl) -> dict[str, str]:
    """The files that the URL's query names."""
    asked = parse_qs(urlsplit(url.get_secret_value()).query)
    return {name: paths[-1] for name, paths in asked.items() if name in FILES}


async def in_time(reply: Awaitable[T]) -> T:
    """The reply. Where the run's time is up first, that counts as a reply that did not come."""
    left = seconds_left()
    if left is None:
        return await reply
    try:
        async with asyncio.timeout(left) as scope:
            return await reply
    except builtins.TimeoutError as error:
        if not scope.expired():
            raise
        raise TimeoutError("the run's time is up") from error


def stale(error: Exception) -> bool:
    """Whether the server is not, or not now, the one that may be written: it was demoted, or its replicas are away."""
    return any(sign in str(error) for sign in ("READONLY", "read only replica", "NOREPLICAS", "MASTERDOWN"))


def untrusted(error: BaseException) -> ssl.SSLError | None:
    """What TLS has against the server, if that is what went wrong: no second attempt mends it."""
    seen: BaseException | None = error
    while seen is not None:
        if isinstance(seen, ssl.SSLCertVerificationError) or (isinstance(seen, ssl.SSLError) and seen.reason in NO_TLS):
            return seen
        seen = seen.__cause__ or seen.__context__
    return None


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
    if (distrust := untrusted(error)) is not None:
        if isinstance(distrust, ssl.SSLCertVerificationError):
            hint = "Name the CA that signed it: rediss://HOST?ssl_ca_certs=FILE, and the host as the certificate has it."
            return f"has a certificate that is not trusted ({distrust.verify_message})", hint, False
        return "does not speak TLS", "Write redis:// for a server without TLS.", False
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
        return "did not answer in time", "Check the server and the network; rediss:// is for servers with TLS only.", True
    if "NOREPLICAS" in text:
        return "has too few replicas and refuses writes (min-replicas-to-write)", "Start a replica; then resume the run.", True
    if isinstance(error, (*MOVING, MovedError)):
        return f"is a cluster that cannot serve the run now ({text[:80]})", "See `valkey-cli cluster info`; then resume.", True
    if isinstance(error, (ConnectionError, OSError)):
        hint = "Start the server or check the address (rediss:// for TLS); without --memory an embedded file is used."
        return "is out of reach", hint, True
    if isinstance(error, ResponseError):
        return f"refused a command: {text[:160]}", "Redis 6.2 or Valkey is needed, or later.", False
    return f"failed: {text[:160]}", "The server's log says more.", False
