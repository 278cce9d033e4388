"""A Ray cluster of two nodes on this machine and a Redis server; nothing is left of them, even if the tests are killed."""

from __future__ import annotations

import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import psutil
import pytest
from sentinels import PLAIN_PASSWORD, files_with_sentinels

from extagents.redaction import SecretUrl
from extagents.testing.redis_server import RedisServer

STORE = 80 * 2**20  # bytes of a node's object store
ENVIRONMENT = {
    "RAY_ENABLE_WINDOWS_OR_OSX_CLUSTER": "0",  # nodes are at 127.0.0.1, whatever addresses this machine has
    "RAY_USAGE_STATS_ENABLED": "0",
    "RAY_memory_monitor_refresh_ms": "0",
    "RAY_ACCEL_ENV_VAR_OVERRIDE_ON_ZERO": "0",
    "RAY_enable_metrics_collection": "0",
    "RAY_DISABLE_IMPORT_WARNING": "1",
}
SWIFT = {"health_check_initial_delay_ms": 500, "health_check_period_ms": 500, "health_check_failure_threshold": 4}

# Ends what is on its list when the tests do, whatever ends them: the kernel closes the pipe.
WATCHDOG = """
import os, signal, sys
pids = []
for line in sys.stdin:
    if line.strip() == "done":
        sys.exit()
    pids.append(int(line))
for pid in pids:
    try:
        os.kill(pid, signal.SIGKILL)
    except OSError:
        pass
"""


class RayNodes:
    """The cluster: `address`, its head and one more node, and further ones that tests add and kill."""

    def __init__(self, folder: Path) -> None:
        from ray.cluster_utils import Cluster

        self.folder = folder
        self._before = set(psutil.Process().children(recursive=True))
        self._started: set[psutil.Process] = set()
        self._watchdog = subprocess.Popen(
            [sys.executable, "-S", "-E", "-c", WATCHDOG], stdin=subprocess.PIPE, text=True, start_new_session=True
        )
        shape: dict[str, Any] = {"num_cpus": 1, "object_store_memory": STORE, "node_ip_address": "127.0.0.1"}
        self._shape = {**shape, "include_dashboard": False, "temp_dir": str(folder)}
        self._cluster = Cluster()
        self._cluster.add_node(**self._shape, _system_config=SWIFT)
        self._cluster.add_node(**self._shape)
        self._note()

    @property
    def address(self) -> str:
        return str(self._cluster.address)

    def add(self) -> Any:
        """A further node."""
        node = self._cluster.add_node(**self._shape)
        self._note()
        return node

    def kill(self, node: Any) -> None:
        """Ends a node as a power cut does: its processes and all that they have started."""
        self._note()
        processes = [psutil.Process(told.process.pid) for each in node.all_processes.values() for told in each]
        below = [child for process in processes for child in process.children(recursive=True)]
        for process in (*processes, *below):
            _end(process)
        self._cluster.remove_node(node, allow_graceful=False)

    def workers(self) -> list[psutil.Process]:
        """All processes of readers."""
        self._note()
        return [process for process in self._started if _name(process).startswith("ray::ReaderActor")]

    def _note(self) -> None:
        """Puts what was started since on the watchdog's list."""
        found = set(psutil.Process().children(recursive=True)) - self._before - self._started
        assert self._watchdog.stdin is not None
        for process in found:
            if process.pid != self._watchdog.pid:
                self._started.add(process)
                self._watchdog.stdin.write(f"{process.pid}\n")
        self._watchdog.stdin.flush()

    def close(self) -> None:
        """Ends everything."""
        try:
            import ray

            self._note()
            ray.shutdown()  # of a test that failed: a node that this process is connected to is not let go
            self._cluster.shutdown()
        finally:
            for process in self._started:
                _end(process)
            _, alive = psutil.wait_procs(list(self._started), timeout=10)
            self._watchdog.communicate("done\n")
        assert not alive, f"still there: {alive}"


def _end(process: psutil.Process) -> None:
    try:
        process.kill()
    except psutil.NoSuchProcess:
        return


def _name(process: psutil.Process) -> str:
    try:
        return " ".join(process.cmdline())
    except (psutil.NoSuchProcess, psutil.ZombieProcess):
        return ""


@pytest.fixture(scope="session")
def ray_nodes(_no_network: None, _own_folders: None) -> Iterator[RayNodes]:
    """Two nodes. The key that may come to light nowhere is in their environment; at the end their logs are looked through."""
    patch = pytest.MonkeyPatch()
    for name, value in ENVIRONMENT.items():
        patch.setenv(name, value)
    folder = Path(tempfile.mkdtemp(prefix="xr-"))  # short: a socket's path has at most 107 bytes
    try:
        nodes = RayNodes(folder)
        try:
            patch.setenv("RAY_ADDRESS", nodes.address)
            yield nodes
        finally:
            nodes.close()
        assert not files_with_sentinels(folder)
    finally:
        patch.undo()
        shutil.rmtree(folder, ignore_errors=True)


@pytest.fixture(scope="session")
def redis_server() -> Iterator[RedisServer]:
    with RedisServer(tcp=True, password=PLAIN_PASSWORD) as server:
        yield server


@pytest.fixture
def memory_url(redis_server: RedisServer) -> str:
    """A memory with a password in its URL, empty."""
    redis_server.command("FLUSHALL")
    return SecretUrl(redis_server.url.replace("://", f"://:{PLAIN_PASSWORD}@"))
