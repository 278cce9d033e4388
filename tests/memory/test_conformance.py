"""The conformance suite on every backend."""

from __future__ import annotations

import uuid
from pathlib import Path
from typing import Any

import pytest

from extagents.memory.base import Memory
from extagents.memory.open import open_memory
from extagents.testing.memory_conformance import MemoryConformance


class TestSQLiteFile(MemoryConformance):
    def open_memory_under_test(self, place: Path, tenant: str) -> Memory:
        return open_memory(f"sqlite:///{place}/folder/memory.sqlite", tenant=tenant)


class TestPrivateSQLite(MemoryConformance):
    shared = False

    def open_memory_under_test(self, place: Any, tenant: str) -> Memory:
        return open_memory("memory://", tenant=tenant)


class TestRedis(MemoryConformance):
    @pytest.fixture
    def place(self, redis_url: str) -> tuple[str, str]:
        return redis_url, uuid.uuid4().hex

    def open_memory_under_test(self, place: tuple[str, str], tenant: str) -> Memory:
        url, prefix = place  # tests share the server, so each has tenants of its own
        return open_memory(url, tenant=f"{prefix} {tenant}")
