"""Every test runs without a network but loopback, with a key that may come to light nowhere, and with folders of its own."""

from __future__ import annotations

import ipaddress
import os
import socket
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import sentinels


def pytest_configure(config: pytest.Config) -> None:
    config.pluginmanager.register(sentinels)


class NetworkBlocked(RuntimeError):
    """A test tried to leave this machine."""


def _stays_here(address: object) -> bool:
    if not isinstance(address, tuple):
        return True  # a unix socket
    host = str(address[0])
    if host in ("", "localhost"):
        return True
    try:
        return ipaddress.ip_address(host.partition("%")[0]).is_loopback
    except ValueError:
        return False


@pytest.fixture(autouse=True, scope="session")
def _no_network() -> Iterator[None]:
    """Connections to anything but loopback and unix sockets fail, and names are not resolved."""
    patch = pytest.MonkeyPatch()

    def guarded(name: str) -> None:
        original: Callable[..., Any] = getattr(socket.socket, name)

        def connect(self: socket.socket, address: Any) -> Any:
            if not _stays_here(address):
                raise NetworkBlocked(f"A test tried to reach {address!r}; only loopback is open to tests.")
            return original(self, address)

        patch.setattr(socket.socket, name, connect)

    guarded("connect")
    guarded("connect_ex")
    resolve = socket.getaddrinfo

    def getaddrinfo(host: Any, *args: Any, **options: Any) -> Any:
        name = host.decode() if isinstance(host, bytes) else host
        if name is not None and not _stays_here((name, 0)):
            raise socket.gaierror(socket.EAI_NONAME, f"Name or service not known (tests resolve no names: {name})")
        return resolve(host, *args, **options)

    patch.setattr(socket, "getaddrinfo", getaddrinfo)
    yield
    patch.undo()


@pytest.fixture(autouse=True, scope="session")
def _own_folders(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """A data and a cache folder for the session; no setting and no key from the caller's environment, but the sentinel."""
    patch = pytest.MonkeyPatch()
    for name in list(os.environ):
        if name.startswith(("EXTAGENTS_", "OPENAI_", "LANGCHAIN_", "LANGSMITH_")) and not name.startswith("EXTAGENTS_TEST_"):
            patch.delenv(name)
    patch.setenv("EXTAGENTS_API_KEY", sentinels.API_KEY)
    home: Path = tmp_path_factory.mktemp("home")
    patch.setenv("EXTAGENTS_DATA", str(home / "data"))
    patch.setenv("EXTAGENTS_CACHE", str(home / "cache"))
    patch.delenv("NO_COLOR", raising=False)
    patch.delenv("FORCE_COLOR", raising=False)
    yield
    patch.undo()
