"""Files read by other processes, one a core: what crashes, hangs or fills the memory there costs one file.

The processes are started afresh from the interpreter itself, not by `multiprocessing`: a user's script needs no
`if __name__ == "__main__"`, a notebook nothing at all, and no thread or lock is ever copied.
"""

from __future__ import annotations

import json
import os
import queue
import subprocess
import sys
import threading
from collections.abc import Sequence
from pathlib import Path
from types import TracebackType
from typing import Any, NamedTuple, Self

from extagents.corpus.files import File
from extagents.corpus.formats import Extracted, Refused
from extagents.corpus.reading import read_or_refuse
from extagents.corpus.storing import from_bytes
from extagents.corpus.worker import READY

SECONDS = 120.0
"""What one file may take, and two seconds a megabyte more."""

_PER_MEGABYTE = 2.0
_PROGRAM = "import json, sys; sys.path[:] = json.loads(sys.argv[1]); from extagents.corpus.worker import main; main()"


class Done(NamedTuple):
    """A file's place in the list, and what came of it."""

    place: int
    outcome: Extracted | Refused


def cores() -> int:
    """The cores that this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


class Pool:
    """Reads the files at once, `workers` at a time; `next` gives them as they are done. Leaving it ends every process.

    `options` are those of `read`. Where no process can be started, the files are read in this one.
    """

    def __init__(
        self, files: Sequence[tuple[int, File]], *, workers: int, seconds: float = SECONDS, options: dict[str, Any]
    ) -> None:
        self._options = options
        self._seconds = seconds
        self._done: queue.SimpleQueue[Done] = queue.SimpleQueue()
        self._lock = threading.Lock()
        self._running: set[_Worker] = set()
        self._closed = False
        self.left = len(files)
        # The largest first: the last ones to end are then short.
        self._waiting = sorted(files, key=lambda item: item[1].state[0])
        self._threads = [
            threading.Thread(target=self._serve, name="extagents-reading", daemon=True)
            for _ in range(min(workers, len(files)) if _can_start() else 0)
        ]

    def __enter__(self) -> Self:
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        with self._lock:
            self._closed = True
            self._waiting.clear()
            for worker in self._running:
                worker.kill()
        for thread in self._threads:
            thread.join()
        for worker in list(self._running):
            self._end(worker)

    def next(self, timeout: float) -> Done | None:
        """The next file that is done; None where none is after `timeout` seconds."""
        try:
            done = self._done.get(timeout=timeout) if self._threads else self._read_here()
        except queue.Empty:
            return None
        self.left -= 1
        return done

    @property
    def processes(self) -> list[int]:
        """The ids of the processes that read at this moment."""
        with self._lock:
            return [worker.process.pid for worker in self._running]

    def _read_here(self) -> Done:
        place, file = self._waiting.pop()
        return Done(place, read_or_refuse(file.path, **self._options))

    def _serve(self) -> None:
        worker: _Worker | None = None
        try:
            while True:
                with self._lock:
                    if self._closed or not self._waiting:
                        return
                    place, file = self._waiting.pop()
                outcome: Extracted | Refused
                try:
                    outcome, worker = self._ask(file, worker)
                except BaseException as error:  # noqa: BLE001 - every file is answered for: the caller waits for it
                    self._end(worker)
                    worker = None
                    outcome = Refused(f"could not be read ({type(error).__name__})", lasting=False)
                self._done.put(Done(place, outcome))
        finally:
            self._end(worker)

    def _ask(self, file: File, worker: _Worker | None) -> tuple[Extracted | Refused, _Worker | None]:
        """The outcome, and the worker for the next file. A process that died may have been killed: one more tries."""
        limit = self._seconds + _PER_MEGABYTE * file.state[0] / 1e6
        for _ in range(2):
            worker = worker or self._start()
            if worker is None:
                if self._closed:
                    break
                return read_or_refuse(file.path, **self._options), None
            try:
                outcome = worker.read(file.path, self._options, limit)
            except BaseException:
                self._end(worker)
                raise
            if outcome is not None:
                return outcome, worker
            overdue = worker.overdue
            self._end(worker)
            worker = None
            if self._closed:
                break
            if overdue:
                return Refused(f"took longer than {limit:.0f} seconds to read"), None
        return Refused("ended the process that read it: damaged, or too large for this machine's memory", lasting=False), None

    def _start(self) -> _Worker | None:
        try:
            worker = _Worker()
        except OSError:
            return None
        with self._lock:
            self._running.add(worker)
            if self._closed:
                worker.kill()
        if worker.is_ready():
            return worker
        self._end(worker)
        return None

    def _end(self, worker: _Worker | None) -> None:
        if worker is None:
            return
        worker.kill()
        with self._lock:
            self._running.discard(worker)
        worker.close()


class _Worker:
    """One process, and the two pipes to it. Raises OSError where it cannot be started."""

    def __init__(self) -> None:
        paths = [os.path.abspath(path) for path in sys.path]
        self.process = subprocess.Popen(
            # -P: what lies in the current folder (a json.py) is no part of the program.
            [sys.executable, "-P", "-c", _PROGRAM, json.dumps(paths)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            start_new_session=True,  # Ctrl-C is for the process that asked, which ends this one
        )
        self.overdue = False

    def is_ready(self) -> bool:
        """Waits until the process can read; False if it ended before."""
        assert self.process.stdout is not None
        return self.process.stdout.read(len(READY)) == READY

    def read(self, path: Path, options: dict[str, Any], limit: float) -> Extracted | Refused | None:
        """What a file holds; None where the process ended, by itself or because the file took longer than `limit` seconds."""
        source, target = self.process.stdout, self.process.stdin
        assert source is not None
        assert target is not None
        timer = threading.Timer(limit, self._expire)
        timer.daemon = True
        timer.start()
        try:
            target.write(json.dumps({"path": str(path), **options}).encode() + b"\n")
            target.flush()
            size = source.read(8)
            answer = source.read(int.from_bytes(size, "big")) if len(size) == 8 else b""
            return from_bytes(answer) if len(size) == 8 and len(answer) == int.from_bytes(size, "big") else None
        except (OSError, ValueError, KeyError, TypeError):
            return None
        finally:
            timer.cancel()

    def _expire(self) -> None:
        self.overdue = True
        self.kill()

    def kill(self) -> None:
        """Ends the process at once."""
        self.process.kill()

    def close(self) -> None:
        """Waits for its end and closes the pipes."""
        self.process.wait()
        for pipe in (self.process.stdin, self.process.stdout):
            if pipe is not None:
                try:
                    pipe.close()
                except OSError:
                    continue  # what was not written to a dead process is lost, as it should be


def _can_start() -> bool:
    """Whether the interpreter can be started again: not from within a program that only embeds it."""
    name = os.path.basename(sys.executable or "").lower()
    return name.startswith(("python", "pypy")) and not getattr(sys, "frozen", False)
