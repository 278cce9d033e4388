"""The server that a URL names or, where it belongs to a cluster, the node that holds the tenant.

All keys of a tenant have one hash tag and lie on one node: a client need not know the slots, only follow where it is sent.
redis-py's own cluster client sends commands again by itself and would break the rule that a write knows its attempt.
"""

from __future__ import annotations

import asyncio
from inspect import signature
from typing import Any
from urllib.parse import urlsplit, urlunsplit

import redis.asyncio as aioredis
from redis.asyncio.connection import AbstractConnection
from redis.asyncio.retry import Retry
from redis.backoff import NoBackoff
from redis.exceptions import ConnectionError, MovedError, RedisError, TimeoutError

from extagents.memory.patience import seconds_left

CONNECT_SECONDS = 2.0
REPLY_SECONDS = 5.0  # a connection that gives nothing for so long is taken for dead
# Otherwise every connection looks the library's version up on disk, on the event loop, and sends it.
NAMELESS: dict[str, Any] = (
    {"driver_info": None}
    if "driver_info" in signature(AbstractConnection.__init__).parameters
    else {"lib_name": None, "lib_version": None}
)


class Nodes:
    """`client` is the node that is asked now. Nothing is sent twice by what is made here."""

    def __init__(self, url: str) -> None:
        self._clients: dict[str, Any] = {url: made(url)}
        self._url = url
        self._others: list[str] = []  # the cluster's nodes, where there is one
        self._asked = False

    @property
    def client(self) -> Any:
        return self._clients[self._url]

    def follow(self, moved: MovedError) -> None:
        """From now on asks the node that holds the keys, as the same user and with the same TLS settings."""
        self._turn_to(self._at(moved.host, moved.port))
        self._asked = False  # the cluster has changed

    async def leave(self, client: Any) -> None:
        """Takes the client's idle connections for dead, as the one that failed, and of a cluster asks the next node."""
        await client.connection_pool.disconnect(inuse_connections=False)
        if client is self.client and self._others:
            ring = list(dict.fromkeys([*self._others, *self._clients]))
            self._turn_to(ring[(ring.index(self._url) + 1) % len(ring)])

    async def learn(self) -> None:
        """Asks, once, for the cluster's nodes: if the one that the URL names is lost, another says where the keys are."""
        if self._asked:
            return
        self._asked = True
        try:
            async with asyncio.timeout(seconds_left()):
                slots = await self.client.execute_command("CLUSTER", "SLOTS")
        except (ConnectionError, TimeoutError, OSError):
            self._asked = False
            return
        except RedisError:
            return  # no cluster, or the user may not ask
        nodes = [(bytes(node[0] or b"").decode(), int(node[1])) for part in slots for node in part[2:]]
        self._others = list(dict.fromkeys(self._at(host, port) for host, port in nodes))

    async def aclose(self) -> None:
        for client in self._clients.values():
            await client.aclose(close_connection_pool=True)

    def _at(self, host: str, port: int) -> str:
        """The URL of another node. A node that does not say its host has that of the one that was asked."""
        parts = urlsplit(self._url)
        socket = parts.scheme.lower() == "unix"
        user, at, _ = parts.netloc.rpartition("@")
        host = host if host not in ("", "?") else (parts.hostname or "127.0.0.1")
        place = f"[{host}]:{port}" if ":" in host else f"{host}:{port}"
        scheme, path = ("redis", "") if socket else (parts.scheme, parts.path)
        return urlunsplit((scheme, f"{user}{at}{place}", path, parts.query, ""))

    def _turn_to(self, url: str) -> None:
        if url not in self._clients:
            self._clients[url] = made(url)
        self._url = url


def made(url: str) -> Any:
    """A client of one server that gives replies as they came and leaves every second attempt to its user."""
    # Older versions of the library compare the host with the certificate only when told to.
    secure = {"ssl_check_hostname": True} if url.lower().startswith("rediss:") else {}
    pool = aioredis.ConnectionPool.from_url(
        url,
        socket_connect_timeout=CONNECT_SECONDS,
        socket_timeout=REPLY_SECONDS,
        health_check_interval=30,
        retry=Retry(NoBackoff(), 0),
        protocol=2,
        **NAMELESS,
        **secure,
    )
    client = aioredis.Redis(connection_pool=pool)
    client.response_callbacks.clear()  # whatever the command's name
    return client
