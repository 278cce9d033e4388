"""`extagents doctor` on servers that endanger runs, and on one that does not."""

from __future__ import annotations

import json
from typing import Any

import pytest

from extagents.cli.main import main
from extagents.testing.redis_server import RedisServer


def told(capsys: pytest.CaptureFixture[str], url: str) -> tuple[int, list[dict[str, Any]], str]:
    """Exit status, what is said of the memory, and the plain output."""
    status = main(["doctor", "--json", "--memory", url])
    checks = json.loads(capsys.readouterr().out)["checks"]
    assert main(["doctor", "--memory", url]) == status
    return status, [check for check in checks if check["name"].startswith("memory")], capsys.readouterr().out


def test_a_sound_server_is_not_warned_of(capsys: pytest.CaptureFixture[str]) -> None:
    with RedisServer(append_only=True, options={"maxmemory": "100mb", "maxmemory-policy": "noeviction"}) as server:
        status, checks, plain = told(capsys, server.url)
    assert status == 0
    assert [(check["name"], check["status"]) for check in checks] == [("memory", "ok")]
    assert plain.endswith("Ready.\n")


@pytest.mark.parametrize("policy", ["allkeys-lru", "volatile-lru", "volatile-ttl", "allkeys-random"])
def test_a_policy_that_evicts_is_warned_of(capsys: pytest.CaptureFixture[str], policy: str) -> None:
    with RedisServer(append_only=True, options={"maxmemory-policy": policy}) as server:
        status, checks, plain = told(capsys, server.url)
    assert status == 0
    warning = next(check for check in checks if check["name"] == "memory setup")
    assert warning["status"] == "note"
    assert policy in warning["detail"]
    assert "noeviction" in warning["detail"]
    assert policy in plain
    assert len(checks) == 2


def test_a_server_that_keeps_nothing_is_warned_of(capsys: pytest.CaptureFixture[str]) -> None:
    with RedisServer() as server:
        status, checks, plain = told(capsys, server.url)
        assert status == 0
        assert "appendonly" in checks[1]["detail"]
        assert "appendonly" in plain
        server.command("CONFIG", "SET", "save", "60 1")
        assert len(told(capsys, server.url)[1]) == 1, "snapshots are kept on disk"


def test_a_replica_cannot_be_used(capsys: pytest.CaptureFixture[str]) -> None:
    with RedisServer(append_only=True) as server:
        server.command("REPLICAOF", "127.0.0.1", "1")
        status, checks, plain = told(capsys, server.url)
    assert status == 1
    assert checks[0]["status"] == "fail"
    assert "replica" in checks[0]["detail"]
    assert "primary" in checks[0]["hint"]
    assert "replica" in checks[1]["detail"]
    assert "Not ready" in plain


def test_a_full_server_cannot_be_used(capsys: pytest.CaptureFixture[str]) -> None:
    with RedisServer(append_only=True, options={"maxmemory": "1", "maxmemory-policy": "noeviction"}) as server:
        status, checks, _ = told(capsys, server.url)
    assert status == 1
    assert checks[0]["detail"].endswith("is full.")
    assert "maxmemory" in checks[0]["hint"]
