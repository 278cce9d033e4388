"""What several tests of reliability share, made when the first of them needs it."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from reliability.kill_harness import Servant

from extagents.testing.redis_server import RedisServer


@pytest.fixture(scope="session")
def servant() -> Iterator[Servant]:
    """The program that runs what is to be killed."""
    with Servant() as one:
        yield one


@pytest.fixture(scope="session")
def shared_redis() -> Iterator[str]:
    """The URL of a server that every test uses under tenants of its own."""
    with RedisServer() as server:
        yield server.url
