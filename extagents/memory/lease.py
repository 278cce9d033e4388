"""Holding a run's lease: one process works on a run, and says so while it does.

The holder renews its lease three times in its duration. Whoever finds a lease whose holder is dead (a process of this machine
that is gone) takes it at once; a holder on another machine is waited for until its lease runs out.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import socket
import sys
import time
import uuid
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import cache
from hashlib import blake2b
from pathlib import Path

from extagents.errors import RunBusy, StoreError
from extagents.memory.base import Holder, Lease, Memory

BEATS = 3  # renewals in a lease's duration
SAME_PROCESS = 2.0  # seconds by which a process' start may be told differently

_HELD: set[str] = set()  # the keys of the leases that this process holds


@dataclass(slots=True)
class Holding:
    """A lease that this process holds. `seconds` is how long it lasts without being renewed."""

    memory: Memory
    run: str
    token: int
    key: str
    seconds: float
    _beat: asyncio.Task[None] | None = field(default=None)

    def keep(self, on_lost: Callable[[], None]) -> None:
        """Renews the lease from now on; `on_lost` is called once if another process has it."""
        self._beat = asyncio.create_task(self._renew(on_lost))

    async def _renew(self, on_lost: Callable[[], None]) -> None:
        while True:
            await asyncio.sleep(self.seconds / BEATS)
            # A store that is out of reach takes nothing away; whether somebody else could is seen when it is back.
            with contextlib.suppress(StoreError):
                if not await self.memory.renew(self.run, self.token, self.seconds):
                    on_lost()
                    return

    async def give_back(self) -> None:
        """Ends the lease; a store that fails now only makes others wait until it has run out, or see that this one is gone."""
        beat, self._beat = self._beat, None
        if beat is not None:
            beat.cancel()
            await asyncio.gather(beat, return_exceptions=True)
        if self.key in _HELD:
            _HELD.discard(self.key)
            with contextlib.suppress(StoreError):
                await self.memory.give_back(self.run, self.token)


async def hold(memory: Memory, run: str, seconds: float) -> Holding:
    """Takes the run's lease for this process. Raises `RunBusy` where another works on it, `StoreError` if the store fails."""
    key = uuid.uuid4().hex
    process = await asyncio.to_thread(this_process)
    holder = Holder(host=process.host, pid=process.pid, born=process.born, key=key)
    _HELD.add(key)
    try:
        lease = await memory.acquire(run, holder, seconds)
        if lease.holder != holder and await asyncio.to_thread(is_gone, lease.holder):
            lease = await memory.acquire(run, holder, seconds, over=lease.token)
        if lease.holder != holder:
            raise busy(run, lease)
    except BaseException:
        _HELD.discard(key)
        raise
    return Holding(memory, run, lease.token, key, seconds)


def busy(run: str, lease: Lease) -> RunBusy:
    """The error of a run that is under way elsewhere."""
    here = lease.holder.host == this_process().host
    since = time.strftime("%Y-%m-%d %H:%M:%S", time.localtime(lease.since))
    if here and lease.holder.pid == os.getpid():
        who, hint = "in this process", "Wait for it."
    elif here:
        who, hint = f"by process {lease.holder.pid}", "Wait for it, or stop that process and resume the run."
    else:
        left = max(1, round(lease.until - time.time()))
        who = "by a process on another machine"
        hint = f"Wait for it; if that machine is down, the run can be resumed in {left} s."
    return RunBusy(f"The run {run!r} is under way {who}, since {since}.", hint=hint, run_id=run)


def live(lease: Lease | None) -> bool:
    """Whether somebody works under the lease: it has not run out, and its holder is not known to be gone."""
    return lease is not None and lease.until > time.time() and not is_gone(lease.holder)


def is_gone(holder: Holder) -> bool:
    """Whether the holder is known to be dead: a process of this machine that has ended, or a run that this one let go of."""
    if holder.host != this_process().host:
        return False
    if holder.pid == os.getpid() and abs(holder.born - this_process().born) < SAME_PROCESS:
        return holder.key not in _HELD
    import psutil

    try:
        process = psutil.Process(holder.pid)
        another = abs(process.create_time() - holder.born) >= SAME_PROCESS
        return bool(another or process.status() == psutil.STATUS_ZOMBIE)
    except psutil.NoSuchProcess:
        return True
    except psutil.AccessDenied:
        return False


def this_process() -> Holder:
    """This process; a fork is another one."""
    return _process(os.getpid())


@cache
def _process(pid: int) -> Holder:
    import psutil

    return Holder(host=_host(), pid=pid, born=psutil.Process(pid).create_time(), key="")


def _host() -> str:
    """A hash of what tells this machine, its boot and its process namespace from others: process numbers mean nothing there."""
    told = [socket.gethostname(), sys.platform]
    if not (node := uuid.getnode()) >> 40 & 1:  # otherwise it is random, and another one in every process
        told.append(f"{node:x}")
    for path in ("/proc/sys/kernel/random/boot_id", "/proc/self/ns/pid"):
        with contextlib.suppress(OSError):
            told.append(os.readlink(path) if path.endswith("pid") else Path(path).read_text("ascii").strip())
    return blake2b("\0".join(told).encode("utf-8", "replace"), digest_size=12).hexdigest()
