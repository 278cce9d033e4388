"""The process that holds the tables and runs statements over them: DuckDB, shut in.

What it is asked comes in on its standard input, answers go out on its standard output. Beyond DuckDB's own settings and the
check of the parser's tree, the process has no environment, and the system lets it open no file and no socket, write nothing,
start nothing, and use only so much memory and time. It ends when its standard input does, or nobody asks anything for a while.
"""

from __future__ import annotations

import datetime
import decimal
import json
import math
import os
import queue
import re
import sys
import threading
import time
from collections.abc import Mapping, Sequence
from types import ModuleType
from typing import Any

from extagents.tables.statements import Refused, check_text, check_tree, mentions, row_trees

# Before the first file is out of reach.
resource: ModuleType | None
try:
    import resource
except ImportError:
    resource = None  # a system without such limits: DuckDB's own, the check of the tree and the caller's clock hold

READY = b"ready\n"
IDLE_SECONDS = 120.0
"""How long a process waits for the next statement before it ends."""

_MEGABYTE = 1 << 20
_SPARE_MEGABYTES = 192  # what the parser, the planner and a result take beside the database's own memory
_SPARE_SECONDS = 2
_LONGEST_MESSAGE = 400
_PATH = re.compile(r"(?<![\w/])(?:[A-Za-z]:)?(?:[/\\][\w.+~-]+){2,}")
# The last but one after what it would forbid to set, the last after all.
_SETTINGS = {
    "temp_directory": "''",
    "max_temp_directory_size": "'0B'",
    "autoload_known_extensions": "false",
    "autoinstall_known_extensions": "false",
    "allow_community_extensions": "false",
    "allow_persistent_secrets": "false",
    "python_enable_replacements": "false",
    "python_scan_all_frames": "false",
    "enable_external_file_cache": "false",
    "async_threads": "0",
    "enable_external_access": "false",
    "lock_configuration": "true",
}
_NOT_EVERYWHERE = frozenset(
    ("allow_persistent_secrets", "async_threads", "enable_external_file_cache", "python_enable_replacements")
)


def main() -> None:
    """Serves statements until the standard input ends."""
    memory = int(sys.argv[2])
    out = os.fdopen(os.dup(1), "wb")
    quiet = os.open(os.devnull, os.O_WRONLY)
    os.dup2(quiet, 1)
    os.dup2(quiet, 2)
    os.environ.clear()
    served = _Tables(memory)
    asked: queue.SimpleQueue[bytes] = queue.SimpleQueue()
    threading.Thread(target=_listen, args=(asked,), daemon=True).start()
    served.shut_in()
    out.write(READY)
    out.flush()
    while True:
        try:
            order = json.loads(asked.get(timeout=IDLE_SECONDS))
        except queue.Empty:
            os._exit(0)
        answer = json.dumps(served.answer(order), ensure_ascii=False, allow_nan=False).encode("utf-8", "replace")
        out.write(len(answer).to_bytes(8, "big"))
        out.write(answer)
        out.flush()


def _listen(asked: queue.SimpleQueue[bytes]) -> None:
    for line in sys.stdin.buffer:
        asked.put(line)
    os._exit(0)


class _Tables:
    """The database, and a clock that interrupts what takes too long. `memory` is in megabytes."""

    def __init__(self, memory: int) -> None:
        import duckdb

        self._memory = memory
        self._duckdb = duckdb
        self._status = _open_status()
        # What a statement brings is made of these; they cannot be loaded any more later.
        for name in ("uuid", "pytz"):
            try:
                __import__(name)
            except ImportError:
                continue
        self._connection = self._open()
        # DuckDB looks at the machine's memory as it opens; whatever thread is started from here on sees no file.
        shut_out_of_files()
        self._columns: dict[str, list[str]] = {}
        self._clock = _Clock(self._connection)

    def _open(self) -> Any:
        limits: dict[str, Any] = {"threads": "1", "memory_limit": f"{self._memory}MB", "allow_unsigned_extensions": "false"}
        connection = self._duckdb.connect(":memory:", config=limits)
        for name, value in _SETTINGS.items():
            try:
                connection.execute(f"SET {name} = {value}")
            except self._duckdb.CatalogException:
                if name not in _NOT_EVERYWHERE:
                    raise
        return connection

    def shut_in(self) -> None:
        """From here on nothing is opened, written or started, and memory is bounded."""
        self._parse("SELECT 1")
        if resource is None:
            return
        _limit(resource.RLIMIT_CORE, 0)
        _limit(resource.RLIMIT_FSIZE, 0)
        _limit(resource.RLIMIT_NOFILE, 0)
        if hasattr(resource, "RLIMIT_NPROC"):
            _limit(resource.RLIMIT_NPROC, 0)
        if self._status is not None:
            used = int(os.pread(self._status, 200, 0).split()[0]) * os.sysconf("SC_PAGE_SIZE")
            _limit(resource.RLIMIT_AS, used + (self._memory + _SPARE_MEGABYTES) * _MEGABYTE)

    def answer(self, order: Mapping[str, Any]) -> dict[str, Any]:
        """What comes of one order: a result, or `refused` with a message; `slow` and `large` where a limit ended it."""
        _limit_cpu(float(order["seconds"]))
        try:
            with self._clock.running(float(order["seconds"])):
                match order["do"]:
                    case "load":
                        return self._load(order["tables"])
                    case "query":
                        return self._query(order["sql"], rows=int(order["rows"]), size=int(order["size"]))
                    case "mentions":
                        told = mentions(self._selecting(order["sql"]))
                        return {"tables": told.tables, "columns": told.columns, "everything": told.everything}
                    case _:
                        return self._rows(order["sql"])
        except Refused as refused:
            return {"refused": refused.message}
        except self._duckdb.InterruptException:
            return {"slow": True}
        except (MemoryError, self._duckdb.OutOfMemoryException):
            return {"large": True}
        except RecursionError:
            return {"refused": "the statement is nested too deeply"}
        except self._duckdb.Error as error:
            return {"refused": _said(str(error))}
        except Exception as error:  # noqa: BLE001 - the caller waits for an answer, and the next statement must find one, too
            return {"refused": f"the result cannot be shown ({type(error).__name__}); cast it to VARCHAR, DOUBLE or DATE"}

    def _load(self, tables: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
        """The tables instead of those that were there. Values go in as typed parameters, never as text of a statement."""
        for name in self._columns:
            self._connection.execute(f"DROP TABLE IF EXISTS {quoted(name)}")
        self._columns = {}
        for table in tables:
            name, columns = table["name"], table["columns"]
            self._columns[name] = [column for column, _ in columns]
            self._connection.execute(f"CREATE TABLE {quoted(name)} ({', '.join(f'{quoted(c)} {kind}' for c, kind in columns)})")
            if table["values"] and table["values"][0]:
                # Dates come as text: what is none of the calendar is nothing, and no reason to lose the table.
                spread = ", ".join(
                    "TRY_CAST(unnest(?::VARCHAR[]) AS DATE)" if kind == "DATE" else f"unnest(?::{kind}[])"
                    for _, kind in columns
                )
                self._connection.execute(f"INSERT INTO {quoted(name)} SELECT {spread}", table["values"])
        return {"loaded": len(tables)}

    def _parse(self, sql: str) -> dict[str, Any]:
        written = self._connection.execute("SELECT json_serialize_sql(?)", [sql]).fetchone()
        tree: dict[str, Any] = json.loads(written[0]) if written else {}
        if tree.get("error") and tree.get("error_type") in ("parser", "syntax"):
            raise Refused(_said(str(tree.get("error_message", ""))))
        return tree

    def _selecting(self, sql: str) -> dict[str, Any]:
        """The tree of one SELECT statement, whatever it asks for."""
        check_text(sql)
        statements = self._connection.extract_statements(sql)
        if len(statements) > 1:
            raise Refused("only one statement is run")
        if not statements or str(statements[0].type).rpartition(".")[2].upper() != "SELECT":
            raise Refused("only a SELECT statement is run")
        return self._parse(sql)

    def _checked(self, sql: str) -> dict[str, Any]:
        tree = self._selecting(sql)
        check_tree(tree, self._columns)
        return tree

    def _query(self, sql: str, *, rows: int, size: int) -> dict[str, Any]:
        self._checked(sql)
        cursor = self._connection.execute(sql)
        described = cursor.description or []
        brought: list[list[Any]] = []
        left = size
        while True:
            fetched = cursor.fetchmany(min(64, rows + 1 - len(brought)))
            for row in fetched:
                values = [_plain(value) for value in row]
                left -= sum(len(value) if isinstance(value, str) else 8 for held in values for value in _parts(held))
                if left < 0 and not brought:
                    raise Refused(f"the result is larger than {size:,} characters")
                if left < 0 or len(brought) == rows:
                    break
                brought.append(values)
            else:
                if fetched:
                    continue
                return self._result(described, brought, cut=False)
            return self._result(described, brought, cut=True)

    def _result(self, described: Sequence[Any], rows: list[list[Any]], *, cut: bool) -> dict[str, Any]:
        columns = [str(column[0])[:200] for column in described]
        return {"columns": columns, "types": [str(column[1])[:200] for column in described], "rows": rows, "cut": cut}

    def _rows(self, sql: str) -> dict[str, Any]:
        """The numbers of the rows that the statement looks at, by table; a part that cannot be asked alone says nothing."""
        found: dict[str, dict[int, None]] = {}
        whole: list[str] = []
        for names, tree in row_trees(self._checked(sql), tuple(self._columns)):
            try:
                told = self._connection.execute("SELECT json_deserialize_sql(?)", [json.dumps(tree)]).fetchone()
                cursor = self._connection.execute(told[0])
                for row in cursor.fetchmany(100_000):
                    for name, number in zip(names, row, strict=True):
                        if number is not None:
                            found.setdefault(name, {})[int(number)] = None
            except (self._duckdb.InterruptException, self._duckdb.OutOfMemoryException):
                raise
            except self._duckdb.Error:
                whole.extend(names)
        return {"rows": {name: list(numbers) for name, numbers in found.items()}, "whole": whole}


class _Clock:
    """Interrupts a connection when a statement's time is over. Its thread starts at once: none can be started later."""

    def __init__(self, connection: Any) -> None:
        self._connection = connection
        self._changed = threading.Condition()
        self._until: float | None = None
        threading.Thread(target=self._watch, daemon=True).start()

    def running(self, seconds: float) -> _Clock:
        with self._changed:
            self._until = time.monotonic() + seconds
            self._changed.notify()
        return self

    def __enter__(self) -> None:
        return None

    def __exit__(self, *raised: object) -> None:
        with self._changed:
            self._until = None

    def _watch(self) -> None:
        with self._changed:
            while True:
                left = None if self._until is None else self._until - time.monotonic()
                if left is not None and left <= 0:
                    self._connection.interrupt()
                    left = 0.1  # a statement may come to it only later: it is said again until the statement ends
                self._changed.wait(left)


def quoted(name: str) -> str:
    """A name as SQL writes it, whatever stands in it."""
    return '"' + name.replace('"', '""') + '"'


def _plain(value: Any) -> Any:
    """A value of a result as JSON holds it; dates as ISO text, None for what is no number."""
    match value:
        case None | bool() | int() | str():
            return value
        case float():
            return value if math.isfinite(value) else None
        case decimal.Decimal():
            if not value.is_finite():
                return None
            return int(value) if value == value.to_integral_value() else float(value)
        case datetime.datetime():
            return value.isoformat(sep=" ") if value.time() != datetime.time() else value.date().isoformat()
        case datetime.date() | datetime.time():
            return value.isoformat()
        case list() | tuple():
            return [str(_plain(item)) for item in value if item is not None]
        case datetime.timedelta():
            return value.days if not value.seconds and not value.microseconds else str(value)
        case bytes() | bytearray() | memoryview():
            return bytes(value).hex()
        case _:
            return str(value)


def _parts(value: Any) -> Sequence[Any]:
    return value if isinstance(value, list) else (value,)


def _said(message: str) -> str:
    """What DuckDB says, in one or two lines: the sentence and its candidates, no place, no path, no trace."""
    if "Max expression depth" in message:
        return "the statement is nested too deeply"
    told = message.split("\n\nLINE ")[0].split("Stack Trace")[0].split("This error signals")[0]
    lines = [" ".join(line.split()) for line in told.splitlines() if line.strip()]
    text = lines[0] if lines else "the statement cannot be run"
    if len(lines) > 1:
        text += "\n" + "; ".join(lines[1:])
    # Candidates from the database's own catalogue lead nowhere.
    text = re.sub(r'Did you mean "(?:pg_|duckdb_|sqlite_|pragma_|information_schema)[^"]*"\?', "", text).strip()
    return _PATH.sub("…", text)[:_LONGEST_MESSAGE]


# ------------------------------------------------------------------ what the system is asked to hold back


def _open_status() -> int | None:
    """Where the system tells how much memory the process uses, opened while it can be."""
    try:
        return os.open("/proc/self/statm", os.O_RDONLY)
    except OSError:
        return None


def _limit(what: int, most: int) -> None:
    if resource is None:
        return
    try:
        _, hard = resource.getrlimit(what)
        most = most if hard == resource.RLIM_INFINITY else min(most, hard)
        resource.setrlimit(what, (most, most))
    except (ValueError, OSError):
        return  # not every system can hold every limit; the others stand


def _limit_cpu(seconds: float) -> None:
    """The processor's time that one statement may take beyond what is used: it ends the process where nothing else does."""
    if resource is None:
        return
    try:
        usage = resource.getrusage(resource.RUSAGE_SELF)
        _, hard = resource.getrlimit(resource.RLIMIT_CPU)
        most = math.ceil(usage.ru_utime + usage.ru_stime + seconds) + _SPARE_SECONDS
        resource.setrlimit(resource.RLIMIT_CPU, (most if hard == resource.RLIM_INFINITY else min(most, hard), hard))
    except (ValueError, OSError):
        return


def shut_out_of_files() -> bool:
    """Takes every file, folder and TCP port away from this process for good, where Linux can (Landlock); False elsewhere.

    Holds for the calling thread and those that it starts afterwards.
    """
    if not sys.platform.startswith("linux"):
        return False
    import ctypes

    system = ctypes.CDLL(None, use_errno=True)
    create, restrict, no_new_privileges = 444, 446, 38
    system.syscall.restype = ctypes.c_long
    version = system.syscall(ctypes.c_long(create), None, ctypes.c_size_t(0), ctypes.c_uint32(1))
    if version < 1:
        return False
    files = (1 << (13 if version < 2 else 14 if version < 3 else 15 if version < 5 else 16)) - 1
    handled = (ctypes.c_uint64 * 3)(files, 0b11 if version >= 4 else 0, 0b11 if version >= 6 else 0)
    size = ctypes.c_size_t(8 if version < 4 else 16 if version < 6 else 24)
    rules = system.syscall(ctypes.c_long(create), ctypes.byref(handled), size, ctypes.c_uint32(0))
    if rules < 0:
        return False
    try:
        zero = ctypes.c_ulong(0)
        if system.prctl(no_new_privileges, ctypes.c_ulong(1), zero, zero, zero):
            return False
        return bool(system.syscall(ctypes.c_long(restrict), ctypes.c_long(rules), ctypes.c_uint32(0)) == 0)
    finally:
        os.close(rules)
