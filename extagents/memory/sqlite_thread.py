"""One thread that owns one SQLite connection: the event loop never waits for the disk.

Jobs are plain functions over the connection. Writes that wait together are committed together; where one of them
fails, each is run again in a transaction of its own, so that a job is applied whole or not at all.
"""

from __future__ import annotations

import asyncio
import contextlib
import queue
import sqlite3
import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

from extagents.errors import ExtAgentsError, StoreError
from extagents.memory.base import SCHEMA_VERSION
from extagents.private import make_file

T = TypeVar("T")
BUSY_SECONDS = 10.0  # how long a write waits for another process
MOST_TOGETHER = 256  # jobs in one commit

SCHEMA = """
CREATE TABLE extagents_schema (version INTEGER NOT NULL);
CREATE TABLE runs (
  id INTEGER PRIMARY KEY AUTOINCREMENT, tenant BLOB NOT NULL, name BLOB NOT NULL, manifest TEXT,
  status TEXT NOT NULL DEFAULT 'running', updated REAL NOT NULL, state TEXT NOT NULL DEFAULT '{}', answer TEXT,
  reports INTEGER NOT NULL DEFAULT 0, calls INTEGER NOT NULL DEFAULT 0, input INTEGER NOT NULL DEFAULT 0,
  output INTEGER NOT NULL DEFAULT 0, cached INTEGER NOT NULL DEFAULT 0, retries INTEGER NOT NULL DEFAULT 0,
  cost INTEGER NOT NULL DEFAULT 0, priced INTEGER NOT NULL DEFAULT 0, token INTEGER NOT NULL DEFAULT 0, lease TEXT,
  UNIQUE (tenant, name));
CREATE TABLE packings (run INTEGER PRIMARY KEY, shards TEXT NOT NULL);
CREATE TABLE reports (
  id INTEGER PRIMARY KEY AUTOINCREMENT, run INTEGER NOT NULL, key BLOB NOT NULL, wave INTEGER NOT NULL, body TEXT NOT NULL,
  failed INTEGER NOT NULL DEFAULT 0, UNIQUE (run, key));
CREATE TABLE journal (run INTEGER NOT NULL, key TEXT NOT NULL, body TEXT NOT NULL, PRIMARY KEY (run, key));
CREATE TABLE cache (
  tenant BLOB NOT NULL, key BLOB NOT NULL, run INTEGER NOT NULL, created REAL NOT NULL, body TEXT NOT NULL,
  PRIMARY KEY (tenant, key));
CREATE INDEX cache_run ON cache (run);
CREATE INDEX cache_created ON cache (created);
CREATE TABLE notes (
  run INTEGER NOT NULL, name BLOB NOT NULL, version INTEGER NOT NULL, content TEXT NOT NULL,
  PRIMARY KEY (run, name, version));
CREATE TABLE reservations (
  run INTEGER NOT NULL, call BLOB NOT NULL, calls INTEGER NOT NULL, tokens INTEGER NOT NULL, cost INTEGER NOT NULL,
  PRIMARY KEY (run, call)) WITHOUT ROWID;
CREATE TABLE events (run INTEGER NOT NULL, seq INTEGER NOT NULL, body TEXT NOT NULL, PRIMARY KEY (run, seq));
CREATE TABLE secrets (tenant BLOB PRIMARY KEY, secret BLOB NOT NULL);
"""
# What makes a file of an older schema one of the next.
MIGRATIONS = {
    1: """
ALTER TABLE runs ADD COLUMN token INTEGER NOT NULL DEFAULT 0;
ALTER TABLE runs ADD COLUMN lease TEXT;
ALTER TABLE reports ADD COLUMN failed INTEGER NOT NULL DEFAULT 0;
UPDATE reports SET failed = json_extract(body, '$.failure') IS NOT NULL;
CREATE TABLE journal (run INTEGER NOT NULL, key TEXT NOT NULL, body TEXT NOT NULL, PRIMARY KEY (run, key));
""",
    2: "",  # what is stored holds more: rows of tables
}


@dataclass(slots=True)
class Job:
    """A function to run on the connection, and who waits for its result."""

    work: Callable[[sqlite3.Connection], Any]
    write: bool
    future: asyncio.Future[Any]
    loop: asyncio.AbstractEventLoop
    result: Any = None
    error: BaseException | None = None


class SQLiteThread:
    """Runs jobs in the order in which they were given. `path` None is a private database without a file."""

    def __init__(self, path: Path | None, *, cache_seconds: float) -> None:
        self._path = path
        self._cache_seconds = cache_seconds
        self._jobs: queue.SimpleQueue[Job | None] = queue.SimpleQueue()
        self._connection: sqlite3.Connection | None = None
        self._thread = threading.Thread(target=self._serve, name="extagents-sqlite", daemon=True)
        self._thread.start()

    async def run(self, work: Callable[[sqlite3.Connection], T], *, write: bool) -> T:
        """The result of `work`, in a transaction of its own or a shared one if it writes. Raises `StoreError`."""
        loop = asyncio.get_running_loop()
        future: asyncio.Future[T] = loop.create_future()
        self._jobs.put(Job(work, write, future, loop))
        return await future

    def stop(self) -> None:
        """Lets the thread finish what it was given and close the connection; does not wait."""
        self._jobs.put(None)

    async def join(self) -> None:
        """Waits until the connection is closed."""
        await asyncio.to_thread(self._thread.join)

    # ---- on the thread
    def _serve(self) -> None:
        while self._serve_once():
            pass
        if self._connection is not None:
            with contextlib.suppress(sqlite3.Error):  # closing checkpoints; where it cannot, the next opening does
                self._connection.close()

    def _serve_once(self) -> bool:
        """Waits for jobs and runs them; False when it was told to stop. Keeps no job, and so no memory object, alive."""
        jobs, stopping = self._take()
        if jobs:
            try:
                if self._connection is None:
                    self._connection = open_database(self._path, cache_seconds=self._cache_seconds)
                for group in grouped(jobs):
                    self._run_group(self._connection, group)
            except (sqlite3.Error, OSError, ExtAgentsError) as error:
                for job in jobs:
                    job.error = job.error or store_error(error, self._path)
            deliver(jobs)
        return not stopping

    def _take(self) -> tuple[list[Job], bool]:
        """The jobs that wait, at least one, and whether the thread is to stop after them."""
        taken = self._jobs.get()
        jobs: list[Job] = []
        while taken is not None:
            jobs.append(taken)
            if len(jobs) == MOST_TOGETHER:
                return jobs, False
            try:
                taken = self._jobs.get_nowait()
            except queue.Empty:
                return jobs, False
        return jobs, True

    def _run_group(self, connection: sqlite3.Connection, group: Sequence[Job]) -> None:
        if not group[0].write:
            for job in group:
                self._run_alone(connection, job, begin="BEGIN")
            return
        if len(group) > 1:
            try:
                connection.execute("BEGIN IMMEDIATE")
                for job in group:
                    job.result = job.work(connection)
                connection.execute("COMMIT")
            except Exception:  # noqa: BLE001 whichever job it was, it fails again below, alone, and is told why
                roll_back(connection)
            else:
                return
        for job in group:
            self._run_alone(connection, job, begin="BEGIN IMMEDIATE")

    def _run_alone(self, connection: sqlite3.Connection, job: Job, *, begin: str) -> None:
        try:
            connection.execute(begin)
            job.result = job.work(connection)
            connection.execute("COMMIT")
        except sqlite3.Error as error:
            roll_back(connection)
            job.error = store_error(error, self._path)
        except Exception as error:  # noqa: BLE001 raised again where the job is awaited
            roll_back(connection)
            job.error = error


def grouped(jobs: Sequence[Job]) -> list[list[Job]]:
    """Neighbouring writes together, neighbouring reads together, in order."""
    groups: list[list[Job]] = []
    for job in jobs:
        if groups and groups[-1][0].write == job.write:
            groups[-1].append(job)
        else:
            groups.append([job])
    return groups


def deliver(jobs: Sequence[Job]) -> None:
    """Hands results to the loops that wait for them, one wake-up a loop."""
    by_loop: dict[asyncio.AbstractEventLoop, list[Job]] = {}
    for job in jobs:
        by_loop.setdefault(job.loop, []).append(job)
    for loop, finished in by_loop.items():
        with contextlib.suppress(RuntimeError):  # the loop was closed: nobody waits any more
            loop.call_soon_threadsafe(settle_futures, finished)


def settle_futures(jobs: Sequence[Job]) -> None:
    """On the loop: sets each result, but for those whose waiter was cancelled."""
    for job in jobs:
        if job.future.done():
            continue
        if job.error is not None:
            job.future.set_exception(job.error)
        else:
            job.future.set_result(job.result)


def roll_back(connection: sqlite3.Connection) -> None:
    """Ends a transaction that failed; SQLite may have ended it by itself."""
    if connection.in_transaction:
        connection.execute("ROLLBACK")


def open_database(path: Path | None, *, cache_seconds: float) -> sqlite3.Connection:
    """A connection with its tables made; `cache_seconds` is how old an entry of the read cache may be."""
    if path is not None:
        make_file(path)  # -wal and -shm get the file's rights
    connection = sqlite3.connect(
        ":memory:" if path is None else path, timeout=BUSY_SECONDS, isolation_level=None, check_same_thread=False
    )
    try:
        prepare(connection)
        connection.execute("DELETE FROM cache WHERE created < ?", (time.time() - cache_seconds,))
    except BaseException:
        connection.close()
        raise
    return connection


def prepare(connection: sqlite3.Connection) -> None:
    """WAL, and the tables if there are none. Raises StoreError for another schema or another program's database."""
    deadline = time.monotonic() + BUSY_SECONDS
    while True:
        try:
            # Changing to WAL asks for the whole file, and SQLite then does not wait for others by itself.
            connection.execute("PRAGMA journal_mode=WAL")
            break
        except sqlite3.OperationalError as error:
            if error.sqlite_errorcode & 0xFF != sqlite3.SQLITE_BUSY or time.monotonic() > deadline:
                raise
            time.sleep(0.01)
    connection.execute("PRAGMA synchronous=NORMAL")
    connection.execute("PRAGMA secure_delete=ON")  # what is replaced or forgotten stays in no free page
    connection.execute("BEGIN IMMEDIATE")
    tables = {row[0] for row in connection.execute("SELECT name FROM sqlite_master WHERE type = 'table'")}
    if not tables:
        for statement in SCHEMA.split(";"):
            connection.execute(statement)
        connection.execute("INSERT INTO extagents_schema VALUES (?)", (SCHEMA_VERSION,))
    elif "extagents_schema" not in tables:
        raise StoreError(
            "The memory file is another program's database.", hint="Give another path with --memory sqlite:///PATH."
        )
    else:
        (version,) = connection.execute("SELECT version FROM extagents_schema").fetchone()
        for old in range(version, SCHEMA_VERSION):
            for statement in MIGRATIONS[old].split(";"):
                connection.execute(statement)
        connection.execute("UPDATE extagents_schema SET version = ? WHERE version < ?", (SCHEMA_VERSION, SCHEMA_VERSION))
        if version > SCHEMA_VERSION:
            raise StoreError(
                f"The memory file has schema version {version}, this release of extagents reads up to {SCHEMA_VERSION}.",
                hint="Use the release that wrote it, or give another path with --memory sqlite:///PATH.",
            )
    connection.execute("COMMIT")


def store_error(error: BaseException, path: Path | None) -> ExtAgentsError:
    """A library's error as ours: one line that says what happened, a hint that says what to do."""
    if isinstance(error, ExtAgentsError):
        return error
    where = "in memory" if path is None else str(path)
    other_place = "Give another path with --memory sqlite:///PATH."
    if isinstance(error, OSError):
        return StoreError(
            f"The memory file {where} cannot be made: {error.strerror or error}.",
            hint=f"Check the folder's rights. {other_place}",
        )
    code = getattr(error, "sqlite_errorcode", 0) & 0xFF
    match code:
        case sqlite3.SQLITE_FULL:
            return StoreError(
                f"The disk under the memory ({where}) is full.", hint="Free some space, then resume the run.", retryable=True
            )
        case sqlite3.SQLITE_READONLY | sqlite3.SQLITE_PERM:
            return StoreError(f"The memory file {where} cannot be written.", hint=f"Check its rights. {other_place}")
        case sqlite3.SQLITE_BUSY | sqlite3.SQLITE_LOCKED:
            return StoreError(
                f"The memory file {where} stayed locked by another process for {BUSY_SECONDS:.0f} s.",
                hint="Wait for that process, then try again; for many writers use --memory redis://HOST.",
                retryable=True,
            )
        case sqlite3.SQLITE_CORRUPT | sqlite3.SQLITE_NOTADB:
            return StoreError(f"The memory file {where} is damaged or no database.", hint=f"Move it away, or: {other_place}")
        case sqlite3.SQLITE_CANTOPEN:
            return StoreError(f"The memory file {where} cannot be opened.", hint=f"Check its rights. {other_place}")
        case _:
            return StoreError(f"The memory file {where} failed: {error}.", hint=other_place)
