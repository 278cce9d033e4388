"""One real Redis server for all tests of the memory."""

from __future__ import annotations

import os
from collections.abc import Iterator

import pytest
from sentinels import PLAIN_PASSWORD

from extagents.testing.redis_server import URL_VARIABLE, RedisServer


@pytest.fixture(scope="session")
def redis_url() -> Iterator[str]:
    """The URL of a server for this session: an own one, or the one that EXTAGENTS_TEST_REDIS_URL names."""
    given = os.environ.get(URL_VARIABLE)
    if given:
        yield given
        return
    with RedisServer(password=PLAIN_PASSWORD) as server:
        yield server.url.replace("://", f"://:{PLAIN_PASSWORD}@")
