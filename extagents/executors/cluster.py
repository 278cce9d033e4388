"""This process' connection to Ray: one that is there already is used and left alone; one that was made here is ended here."""

from __future__ import annotations

import logging
import os
import socket
import tempfile
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from extagents.errors import RunError, SettingsError

INSTALL = 'Install it: pip install "extagents[ray]"'
PROBE_SECONDS = 5.0
OBJECT_STORE = 100 * 2**20  # bytes of a cluster that is started here: reads travel beside the store

_lock = threading.Lock()
_users = 0
_ours = False


@dataclass(frozen=True, slots=True)
class Node:
    """A machine of the cluster that is up."""

    id: str
    address: str
    cpus: float
    head: bool = False


def load() -> Any:
    """The library. Raises `SettingsError` where it is not installed."""
    try:
        import ray
    except ImportError:
        raise SettingsError("The executor ray needs Ray, which is not installed.", hint=INSTALL) from None
    return ray


def running_address() -> str | None:
    """RAY_ADDRESS, or the cluster that this machine is part of; None where there is none. Raises `SettingsError`."""
    told = os.environ.get("RAY_ADDRESS", "").strip()
    if told.startswith("ray://"):
        raise SettingsError(
            f"RAY_ADDRESS={told} is an address for Ray's client, through which reads would come one by one.",
            hint="Run this on a node of the cluster (`ray start --address=HEAD:6379` makes this machine one).",
        )
    if told and told not in ("auto", "local"):
        _probe(told)
        return told
    noted = _noted()
    if told == "local" or not noted:
        return None
    try:
        _probe(noted)
    except SettingsError:
        if told == "auto":
            raise
        return None  # what is left of a cluster that is gone
    return noted


def _noted() -> str:
    """The address that `ray start` on this machine has left."""
    folder = Path(os.environ.get("RAY_TMPDIR") or ("/tmp" if os.name == "posix" else tempfile.gettempdir()))
    try:
        return (folder / "ray" / "ray_current_cluster").read_text("utf-8").strip()
    except OSError:
        return ""


def _probe(address: str) -> None:
    """Whether anybody listens there: Ray itself would try for minutes."""
    host, separator, port = address.rpartition(":")
    hint = "Check RAY_ADDRESS (HOST:PORT of the head node), or start the cluster: ray start --head"
    if not separator or not port.isdigit():
        raise SettingsError(f"RAY_ADDRESS={address} is no address of a Ray cluster.", hint=hint)
    try:
        socket.create_connection((host.strip("[]"), int(port)), PROBE_SECONDS).close()
    except OSError as error:
        raise SettingsError(f"There is no Ray cluster at {address}: {error.strerror or error}.", hint=hint) from None


def connect() -> None:
    """Connects this process, once for all who ask, to the running cluster, or to one of this machine alone that it starts.

    Blocks for seconds, and is to be matched by a `disconnect`. Raises `SettingsError` where Ray or its cluster is not there.
    """
    global _users, _ours
    ray = load()
    with _lock:
        if not ray.is_initialized():
            _begin(ray, running_address())
            _ours = True
        _users += 1


def _begin(ray: Any, address: str | None) -> None:
    options: dict[str, Any] = {"log_to_driver": False, "logging_level": logging.ERROR, "namespace": "extagents"}
    if address is None:
        os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")  # nobody was asked
        options |= {"include_dashboard": False, "object_store_memory": OBJECT_STORE}
    elif address.startswith(("127.", "localhost:")):
        options["_node_ip_address"] = address.rpartition(":")[0]
    try:
        with _quietly():
            ray.init(address=address or "local", **options)
    except (OSError, RuntimeError, ValueError) as error:
        reason = " ".join(str(error).split())[:300]
        where = f"The Ray cluster at {address} cannot be joined" if address else "Ray cannot be started on this machine"
        hint = "This machine must be a node of it: ray start --address=HEAD:PORT" if address else "See `ray start --head`."
        raise SettingsError(f"{where}: {reason}.", hint=hint) from None


@contextmanager
def _quietly() -> Iterator[None]:
    """Ray tells of itself on its way up; who asked for answers has not asked for that."""
    logger = logging.getLogger("ray")
    level = logger.level
    logger.setLevel(logging.ERROR)
    try:
        yield
    finally:
        logger.setLevel(level)


def disconnect() -> None:
    """Ends what `connect` began, when nobody else in this process uses it."""
    global _users, _ours
    ray = load()
    with _lock:
        _users -= 1
        if _users == 0 and _ours:
            _ours = False
            if ray.is_initialized():
                ray.shutdown()


def nodes() -> list[Node]:
    """The nodes that are up and take work: one without a CPU (a head that only leads) is left out where there are others.

    Raises `RunError` where the cluster's head does not answer.
    """
    ray = load()
    try:
        listed = ray.nodes()
    except Exception as error:  # noqa: BLE001 - the edge: Ray's own errors have many types
        raise RunError(
            f"The Ray cluster does not answer: {type(error).__name__}.", hint="Is its head node up?", retryable=True
        ) from None
    found = [
        Node(
            id=node["NodeID"],
            address=node["NodeManagerAddress"],
            cpus=node["Resources"].get("CPU", 0.0),
            head="node:__internal_head__" in node["Resources"],
        )
        for node in listed
        if node["Alive"]
    ]
    return [node for node in found if node.cpus] or found
