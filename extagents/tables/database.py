"""Tables in a database of their own process: DuckDB in memory, and statements of a model over it.

SQL is code, and a model that has read foreign text writes it. What holds it, from the outside in: a process started afresh
with no environment, which the system lets open, write and start nothing (confined.py); DuckDB without files, network,
extensions and settings; the parser's tree, which may hold nothing but a SELECT over the tables (statements.py); a limit of
time, first asked for, then enforced by ending the process; a limit of memory; a limit of what comes back.
"""

from __future__ import annotations

import atexit
import contextlib
import hashlib
import json
import os
import subprocess
import sys
import threading
from collections.abc import Sequence
from types import TracebackType
from typing import Any, NamedTuple, Self

from extagents.tables.relations import Relation, ddl, profile, relations
from extagents.tabular import QueryResult, Table, TableProfile

LARGEST_RESULT = 1_000_000
"""Characters that a result may have; rows beyond are cut."""

_PROGRAM = "import json, sys; sys.path[:] = json.loads(sys.argv[1]); from extagents.tables.confined import main; main()"
_READY = b"ready\n"
_GRACE = 1.0  # seconds from the interrupt to the end of the process
_STARTING = 60.0
_LOADING = 60.0
_LARGEST_ANSWER = 64 << 20  # bytes; no more is taken from the process, whatever it says
_LONGEST = 1_000_000  # characters; what is longer is not even sent
# Needed to start the interpreter on some systems; the process empties its environment before it opens the database.
_STARTERS = ("LD_LIBRARY_PATH", "DYLD_LIBRARY_PATH", "SYSTEMROOT")


class SqlError(Exception):
    """A statement that was not run, or could not be. `message` is one or two lines, fit to be shown to whoever wrote it."""

    def __init__(self, message: str) -> None:
        super().__init__(message)
        self.message = message


class NoProcess(SqlError):
    """No process can be started here to run statements in; no other statement will fare better."""


class Looked(NamedTuple):
    """The rows that a statement looks at, by table and number; of the tables in `whole` that cannot be told."""

    rows: dict[str, tuple[int, ...]]
    whole: tuple[str, ...]


class Mentioned(NamedTuple):
    """Names of tables and columns that a statement mentions, in lower case; `everything` where it asks for all columns."""

    tables: tuple[str, ...]
    columns: tuple[str, ...]
    everything: bool


class Database:
    """Tables, and statements over them. Blocking: an event loop calls it in a thread. Safe to use from several threads.

    `seconds` is what one statement may take, `memory_mb` what the database may hold, in megabytes; at most `rows` rows of a
    result come back. Processes belong to no database: a few serve all that are open, and at best one that holds the tables.
    """

    def __init__(self, tables: Sequence[Table], *, seconds: float = 5.0, memory_mb: int = 256, rows: int = 1_000) -> None:
        self.relations = relations(tables)
        self._seconds = seconds
        self._memory = memory_mb
        self._rows = rows
        self._order: tuple[bytes, str] | None = None
        self._closed = False
        self._lock = threading.Lock()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self.close()

    def close(self) -> None:
        """Lets go of the tables. Statements raise `SqlError` from here on."""
        self._closed = True
        self._order = None

    def profiles(self) -> tuple[TableProfile, ...]:
        """What is known of each table: types, filled and distinct values, range and examples of its columns, and first rows."""
        return tuple(profile(relation) for relation in self.relations)

    def ddl(self) -> str:
        """The tables as CREATE TABLE statements, with unit and description as a comment behind every column."""
        return "\n\n".join(ddl(relation) for relation in self.relations)

    def query(self, sql: str) -> QueryResult:
        """What the statement brings. Raises `SqlError` where it is refused, fails, or takes more time or memory than it may."""
        answer = self._ask({"do": "query", "sql": sql, "rows": self._rows, "size": LARGEST_RESULT}, self._seconds)
        return QueryResult(
            columns=tuple(answer["columns"]),
            types=tuple(answer["types"]),
            rows=tuple(tuple(tuple(value) if isinstance(value, list) else value for value in row) for row in answer["rows"]),
            cut=answer["cut"],
        )

    def mentioned(self, sql: str) -> Mentioned:
        """The tables and columns that the statement mentions. Raises `SqlError`."""
        answer = self._ask({"do": "mentions", "sql": sql}, self._seconds)
        return Mentioned(tuple(answer["tables"]), tuple(answer["columns"]), answer["everything"])

    def looked_at(self, sql: str) -> Looked:
        """The rows that the statement's FROM and WHERE let through, before anything is grouped or cut. Raises `SqlError`."""
        answer = self._ask({"do": "rows", "sql": sql}, self._seconds)
        return Looked({name: tuple(numbers) for name, numbers in answer["rows"].items()}, tuple(answer["whole"]))

    def _ask(self, order: dict[str, Any], seconds: float) -> dict[str, Any]:
        if self._closed:
            raise SqlError("the database is closed")
        if len(order["sql"]) > _LONGEST:
            raise SqlError("the statement is too long")
        line = _line({**order, "seconds": seconds})
        load, digest = (b"", "") if order["do"] == "mentions" else self._load_order()
        with _processes.slot():
            while True:
                worker = _processes.take(self._memory, digest)
                used = worker.used
                try:
                    answer = worker.load(load, digest) if load and worker.holds != digest else None
                    if not load or worker.holds == digest:
                        answer = worker.ask(line, seconds + _GRACE)
                except BaseException:
                    worker.end()
                    raise
                if answer is not None:
                    _processes.keep(worker)
                    break
                worker.end()
                # One that had waited may have ended before it was asked: a new one tells.
                if worker.overdue or not used:
                    break
        return self._understood(answer, overdue=worker.overdue, seconds=seconds)

    def _understood(self, answer: dict[str, Any] | None, *, overdue: bool, seconds: float) -> dict[str, Any]:
        if answer is None and not overdue:
            raise SqlError("the statement ended the database's process: it needs too much memory, or is nested too deeply")
        if answer is None or answer.get("slow"):
            raise SqlError(f"the statement took longer than {seconds:g} seconds; ask for less, without loops or cross joins")
        if answer.get("large"):
            raise SqlError(f"the statement needs more than {self._memory} MB of memory; ask for less, without cross joins")
        if "refused" in answer:
            raise SqlError(str(answer["refused"]))
        return answer

    def _load_order(self) -> tuple[bytes, str]:
        """What loads the tables, and a name for them by their content; made once."""
        with self._lock:
            if self._order is None:
                tables = [_sent(relation) for relation in self.relations]
                order = _line({"do": "load", "seconds": _LOADING, "tables": tables})
                self._order = (order, hashlib.sha256(order).hexdigest())
            return self._order


def columns_of(sql: str) -> tuple[str, ...]:
    """Names of the tables and columns that the statement mentions, in lower case. Raises `SqlError` where it is no SELECT."""
    with Database(()) as database:
        told = database.mentioned(sql)
    return (*told.tables, *told.columns)


def _sent(relation: Relation) -> dict[str, Any]:
    return {
        "name": relation.name,
        "columns": [(field.name, field.sql_type) for field in relation.fields],
        "values": [relation.values(field) for field in relation.fields],
    }


def _line(order: dict[str, Any]) -> bytes:
    # Surrogates, which no UTF-8 holds, travel escaped and are refused by the parser there.
    return json.dumps(order).encode() + b"\n"


# ------------------------------------------------------------------ processes


class _Worker:
    """One process, and the two pipes to it. `holds` names the tables in it, `used` says whether it was asked before."""

    def __init__(self, memory: int) -> None:
        self.memory = memory
        self.holds = ""
        self.used = False
        self.overdue = False
        paths = [os.path.abspath(path) for path in sys.path]
        try:
            self.process = subprocess.Popen(
                # -I: no environment, no current folder; what is imported comes from this process' own path.
                [sys.executable, "-I", "-S", "-c", _PROGRAM, json.dumps(paths), str(memory)],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=subprocess.DEVNULL,
                env={name: os.environ[name] for name in _STARTERS if name in os.environ},
                cwd=os.path.abspath(os.sep),
                start_new_session=True,  # Ctrl-C is for the process that asked, which ends this one
            )
        except OSError as error:
            raise NoProcess(f"no process can be started to run SQL in ({error.strerror or type(error).__name__})") from error
        assert self.process.stdout is not None
        with self._time(_STARTING):
            ready = self.process.stdout.read(len(_READY)) == _READY
        if not ready:
            self.end()
            raise NoProcess("the process to run SQL in does not start")

    def is_alive(self) -> bool:
        """Whether the process can be asked."""
        return self.process.poll() is None

    def load(self, order: bytes, name: str) -> dict[str, Any] | None:
        """Puts tables in instead of those that it holds; None as in `ask`."""
        self.holds = ""
        answer = self.ask(order, _LOADING + _GRACE)
        if answer is not None and "loaded" in answer:
            self.holds = name
        return answer

    def ask(self, order: bytes, seconds: float) -> dict[str, Any] | None:
        """The answer; None where the process ended, by itself or because it took longer than `seconds`."""
        source, target = self.process.stdout, self.process.stdin
        assert source is not None
        assert target is not None
        self.used = True
        with self._time(seconds):
            try:
                target.write(order)
                target.flush()
                size = int.from_bytes(source.read(8), "big")
                answer = source.read(size) if 0 < size <= _LARGEST_ANSWER else b""
                told = json.loads(answer) if len(answer) == size else None
            except (OSError, ValueError, RecursionError):
                return None
        return told if isinstance(told, dict) else None

    @contextlib.contextmanager
    def _time(self, seconds: float) -> Any:
        timer = threading.Timer(seconds, self._expire)
        timer.daemon = True
        timer.start()
        try:
            yield
        finally:
            timer.cancel()

    def _expire(self) -> None:
        self.overdue = True
        self.process.kill()

    def end(self) -> None:
        """Ends the process, waits for its end and closes the pipes."""
        self.process.kill()
        self.process.wait()
        for pipe in (self.process.stdin, self.process.stdout):
            if pipe is not None:
                # What was not written to a dead process is lost, as it should be.
                with contextlib.suppress(OSError):
                    pipe.close()


class _Processes:
    """The processes of all databases: as many at work as there are slots, and no more kept for what comes next."""

    def __init__(self) -> None:
        cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
        self._most = max(2, min(4, cores))
        self.forget()

    def forget(self) -> None:
        """Starts with none: a forked process does not share its parent's pipes, which are the parent's to close."""
        self.kept: list[_Worker] = []
        self._lock = threading.Lock()
        self._slots = threading.BoundedSemaphore(self._most)

    def slot(self) -> threading.Semaphore:
        """Held while a process is used."""
        return self._slots

    def take(self, memory: int, digest: str) -> _Worker:
        """A process with that much memory: at best one that holds the tables, else one that waits, else a new one."""
        if not _can_start():
            raise NoProcess("no process can be started to run SQL in: the Python interpreter is embedded in another program")
        with self._lock:
            for dead in [held for held in self.kept if not held.is_alive()]:
                self.kept.remove(dead)
                dead.end()
            fitting = [held for held in self.kept if held.memory == memory]
            worker = next((held for held in fitting if held.holds == digest), fitting[0] if fitting else None)
            if worker is not None:
                self.kept.remove(worker)
        return _Worker(memory) if worker is None else worker

    def keep(self, worker: _Worker) -> None:
        """Hands a process on to the next statement."""
        with self._lock:
            self.kept.append(worker)
            ended = [self.kept.pop(0) for _ in range(len(self.kept) - self._most)]
        for old in ended:
            old.end()

    def end(self) -> None:
        """Ends those that wait."""
        with self._lock:
            ended, self.kept = self.kept, []
        for worker in ended:
            worker.end()


def _can_start() -> bool:
    """Whether the interpreter can be started again: not from within a program that only embeds it."""
    name = os.path.basename(sys.executable or "").lower()
    return name.startswith(("python", "pypy")) and not getattr(sys, "frozen", False)


_processes = _Processes()


def end_kept() -> None:
    """Ends the processes that wait for another statement."""
    _processes.end()


atexit.register(end_kept)
if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_processes.forget)
