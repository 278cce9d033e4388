"""The real vLLM, in process and as a server, with a tiny model of random weights: only `make test-vllm` runs it."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator

import pytest
from tiny_vllm import KEY, ROOT, Server, serve

collect_ignore_glob = [] if os.environ.get("EXTAGENTS_TEST_VLLM") else ["test_*.py"]


@pytest.fixture(scope="session", autouse=True)
def _small() -> Iterator[None]:
    """Little memory for the KV cache, which on a CPU would take half of the machine's, and no look at any hub."""
    patch = pytest.MonkeyPatch()
    patch.setenv("VLLM_CPU_KVCACHE_SPACE", "1")
    patch.setenv("HF_HUB_OFFLINE", "1")
    patch.setenv("VLLM_HOST_IP", "127.0.0.1")
    yield
    patch.undo()


@pytest.fixture(scope="session")
def tiny(tmp_path_factory: pytest.TempPathFactory) -> str:
    """A model's folder, made on the spot."""
    folder = tmp_path_factory.mktemp("model") / "tiny"
    subprocess.run([sys.executable, str(ROOT / "scripts" / "random_model.py"), str(folder)], check=True, capture_output=True)
    return str(folder)


@pytest.fixture(scope="module")
def server(tiny: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """A server that schedules by priority and wants a key."""
    yield from serve(tiny, tmp_path_factory.mktemp("server"), "--scheduling-policy", "priority", "--api-key", KEY)
