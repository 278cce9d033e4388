"""The memory in one SQLite file (or, without a path, in this process alone): the embedded default."""

from __future__ import annotations

import json
import os
import secrets
import sqlite3
import threading
import time
import weakref
from collections.abc import Callable, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any, TypeVar

from extagents.budget import Amount, Budget
from extagents.errors import LeaseLost
from extagents.memory.base import NOTHING, Holder, Lease, Manifest, Note, RunRecord, RunStatus
from extagents.memory.counts import Counts, Limits, usage_counts, usage_of
from extagents.memory.keys import digest, report_digest
from extagents.memory.ledger import Ledger
from extagents.memory.sqlite_thread import SQLiteThread
from extagents.memory.stored import MOST_EVENTS, Ledgers, parsed, run_record
from extagents.types import Fact, Report, Usage

T = TypeVar("T")
CACHE_SECONDS = 90 * 86_400.0
REWRITTEN_BYTES = 2**26  # a larger file is not rewritten after every run that is forgotten: others would wait too long
SPENT = "calls, input, output, cached, retries, cost, priced"


class SQLiteMemory:
    """`Memory` on SQLite. Several objects and processes may share one file; `path` None or ":memory:" keeps none.

    Raises `StoreError` from every coroutine when the disk is full or read-only, the file is damaged, locked for longer
    than 10 s, or of another schema version. Read-cache entries older than 90 days are dropped when the file is opened.
    """

    def __init__(self, path: str | os.PathLike[str] | None = None, tenant: str = "default") -> None:
        private = path is None or str(path) == ":memory:"
        self._path = None if path is None or private else absolute(Path(path))
        self._tenant = digest(tenant)
        self.url = "memory://" if self._path is None else f"sqlite:///{self._path}"
        self._thread: SQLiteThread | None = None
        self._process = 0
        self._starting = threading.Lock()
        self._ledgers: Ledgers[tuple[int, int]] = Ledgers()

    def _run(self, work: Callable[[sqlite3.Connection], T], *, write: bool) -> Any:
        with self._starting:  # two event loops may come at once, and a private database lives on one thread
            if self._thread is None or self._process != os.getpid():  # a forked child needs a thread of its own
                self._thread = SQLiteThread(self._path, cache_seconds=CACHE_SECONDS)
                self._process = os.getpid()
                weakref.finalize(self, self._thread.stop)
            thread = self._thread
        return thread.run(work, write=write)

    async def _read(self, work: Callable[[sqlite3.Connection], T]) -> T:
        result: T = await self._run(work, write=False)
        return result

    async def _write(self, work: Callable[[sqlite3.Connection], T]) -> T:
        result: T = await self._run(work, write=True)
        return result

    def _find(self, db: sqlite3.Connection, name: bytes) -> int | None:
        row = db.execute("SELECT id FROM runs WHERE tenant = ? AND name = ?", (self._tenant, name)).fetchone()
        return None if row is None else int(row[0])

    def _find_or_make(self, db: sqlite3.Connection, name: bytes) -> int:
        # What is written before the manifest (the planner's cost) belongs to the run already.
        found = self._find(db, name)
        if found is None:
            cursor = db.execute("INSERT INTO runs (tenant, name, updated) VALUES (?, ?, ?)", (self._tenant, name, time.time()))
            found = int(cursor.lastrowid or 0)
        return found

    def _fenced(self, db: sqlite3.Connection, run: str, name: bytes, fence: int | None) -> None:
        """Refuses a writer whose lease is not the run's."""
        if fence is None:
            return
        row = db.execute("SELECT token, lease FROM runs WHERE tenant = ? AND name = ?", (self._tenant, name)).fetchone()
        if row is None or row[0] != fence or row[1] is None:
            raise LeaseLost(run)

    # ---- runs
    async def create_run(self, manifest: Manifest, *, fence: int | None = None) -> bool:
        name = digest(manifest.run)
        body = manifest.model_dump_json(exclude={"shards"})
        shards = json.dumps(manifest.shards)

        def work(db: sqlite3.Connection) -> bool:
            self._fenced(db, manifest.run, name, fence)
            run = self._find_or_make(db, name)
            changed = db.execute(
                "UPDATE runs SET manifest = ?, updated = ? WHERE id = ? AND manifest IS NULL",
                (body, time.time(), run),
            )
            if changed.rowcount != 1:
                return False
            # Apart from the run: its row is rewritten at every call, and a packing may be megabytes.
            db.execute("INSERT INTO packings (run, shards) VALUES (?, ?)", (run, shards))
            return True

        return await self._write(work)

    async def load_run(self, run: str) -> RunRecord | None:
        name = digest(run)

        def work(db: sqlite3.Connection) -> Any:
            return db.execute(
                f"SELECT manifest, shards, status, updated, state, answer, reports, {SPENT}, lease FROM runs"
                " JOIN packings ON packings.run = runs.id WHERE tenant = ? AND name = ? AND manifest IS NOT NULL",
                (self._tenant, name),
            ).fetchone()

        row = await self._read(work)
        return None if row is None else stored(row)

    async def list_runs(self) -> list[RunRecord]:
        def work(db: sqlite3.Connection) -> list[Any]:
            return db.execute(
                f"SELECT manifest, '[]', status, updated, state, answer, reports, {SPENT}, lease FROM runs"
                " WHERE tenant = ? AND manifest IS NOT NULL ORDER BY updated DESC, id DESC",
                (self._tenant,),
            ).fetchall()

        return [stored(row) for row in await self._read(work)]

    async def update_run(
        self,
        run: str,
        *,
        status: RunStatus | None = None,
        state: dict[str, Any] | None = None,
        answer: dict[str, Any] | None = None,
        manifest: Manifest | None = None,
        fence: int | None = None,
    ) -> None:
        name = digest(run)
        given = {
            "status": status,
            "state": None if state is None else json.dumps(state),
            "answer": None if answer is None else json.dumps(answer),
            "manifest": None if manifest is None else manifest.model_dump_json(exclude={"shards"}),
        }
        shards = None if manifest is None else json.dumps(manifest.shards)
        changes = {column: value for column, value in given.items() if value is not None}

        def work(db: sqlite3.Connection) -> None:
            self._fenced(db, run, name, fence)
            columns = "".join(f", {column} = ?" for column in changes)
            changed = db.execute(
                f"UPDATE runs SET updated = ?{columns} WHERE tenant = ? AND name = ? AND manifest IS NOT NULL",
                (time.time(), *changes.values(), self._tenant, name),
            )
            if shards is not None and changed.rowcount == 1:
                db.execute("UPDATE packings SET shards = ? WHERE run = ?", (shards, self._find(db, name)))

        await self._write(work)

    async def forget_run(self, run: str) -> bool:
        name = digest(run)

        def work(db: sqlite3.Connection) -> bool:
            found = self._find(db, name)
            if found is None:
                return False
            for table in ("packings", "reports", "journal", "cache", "notes", "reservations", "events"):
                db.execute(f"DELETE FROM {table} WHERE run = ?", (found,))  # table names are the literals above
            db.execute("DELETE FROM runs WHERE id = ?", (found,))
            return True

        def empty_log(db: sqlite3.Connection) -> None:
            db.execute("COMMIT")
            size = db.execute("SELECT page_count * page_size FROM pragma_page_count, pragma_page_size").fetchone()[0]
            if size <= REWRITTEN_BYTES:
                # What is deleted is overwritten, but rows that were moved before have left copies between the cells of pages.
                with suppress(sqlite3.OperationalError):  # others write, or no room: the next forgetting does it
                    db.execute("VACUUM")
            db.execute("PRAGMA wal_checkpoint(TRUNCATE)")
            db.execute("BEGIN")

        forgotten = await self._write(work)
        if forgotten and self._path is not None:
            await self._read(empty_log)
        return forgotten

    # ---- leases
    async def acquire(self, run: str, holder: Holder, seconds: float, *, over: int | None = None) -> Lease:
        name = digest(run)

        def work(db: sqlite3.Connection) -> Lease:
            found = self._find_or_make(db, name)
            last, body = db.execute("SELECT token, lease FROM runs WHERE id = ?", (found,)).fetchone()
            now = time.time()
            if body is not None:
                held = Lease.model_validate_json(body)
                if held.holder == holder:
                    held = held.model_copy(update={"until": now + seconds})
                    db.execute("UPDATE runs SET lease = ? WHERE id = ?", (held.model_dump_json(), found))
                    return held
                if held.token != over and held.until > now:
                    return held
            db.execute(
                "UPDATE runs SET (calls, input, cost, priced) = (SELECT runs.calls + COALESCE(SUM(held.calls), 0),"
                " runs.input + COALESCE(SUM(held.tokens), 0), runs.cost + COALESCE(SUM(held.cost), 0),"
                " MAX(runs.priced, COALESCE(MAX(held.cost > 0), 0))"
                " FROM reservations AS held WHERE held.run = runs.id) WHERE id = ?",
                (found,),
            )
            db.execute("DELETE FROM reservations WHERE run = ?", (found,))
            # Past what a forgotten run of this name had, too: the clock goes on.
            taken = Lease(token=max(last + 1, int(now * 1_000_000)), holder=holder, since=now, until=now + seconds)
            db.execute("UPDATE runs SET token = ?, lease = ? WHERE id = ?", (taken.token, taken.model_dump_json(), found))
            return taken

        lease: Lease = await self._write(work)
        return lease

    async def renew(self, run: str, token: int, seconds: float) -> bool:
        name = digest(run)

        def work(db: sqlite3.Connection) -> bool:
            changed = db.execute(
                "UPDATE runs SET lease = json_set(lease, '$.until', ?)"
                " WHERE tenant = ? AND name = ? AND token = ? AND lease IS NOT NULL",
                (time.time() + seconds, self._tenant, name, token),
            )
            return changed.rowcount == 1

        renewed: bool = await self._write(work)
        return renewed

    async def give_back(self, run: str, token: int) -> None:
        name = digest(run)

        def work(db: sqlite3.Connection) -> None:
            mine = (self._tenant, name, token)
            db.execute("UPDATE runs SET lease = NULL WHERE tenant = ? AND name = ? AND token = ?", mine)
            unused = "manifest IS NULL AND calls = 0 AND reports = 0"
            db.execute(f"DELETE FROM runs WHERE tenant = ? AND name = ? AND token = ? AND {unused}", mine)

        await self._write(work)

    # ---- reports and the ledger of facts
    async def post(self, report: Report, *, cache_key: str | None = None, fence: int | None = None) -> bool:
        name = digest(report.run)
        key = report_digest(report.round, report.shard, report.version)
        body = report.model_dump_json()
        cached = None if cache_key is None else digest(cache_key)

        failed = report.failure is not None

        def work(db: sqlite3.Connection) -> bool:
            self._fenced(db, report.run, name, fence)
            run = self._find_or_make(db, name)
            replaced = 0
            if not failed:
                replaced = db.execute("DELETE FROM reports WHERE run = ? AND key = ? AND failed", (run, key)).rowcount
            added = db.execute(
                "INSERT OR IGNORE INTO reports (run, key, wave, body, failed) VALUES (?, ?, ?, ?, ?)",
                (run, key, report.wave, body, failed),
            )
            if added.rowcount != 1:
                return False
            now = time.time()
            db.execute("UPDATE runs SET reports = reports + ?, updated = ? WHERE id = ?", (1 - replaced, now, run))
            if cached is not None:
                db.execute(
                    "INSERT OR IGNORE INTO cache (tenant, key, run, created, body) VALUES (?, ?, ?, ?, ?)",
                    (self._tenant, cached, run, now, body),
                )
            return True

        return await self._write(work)

    async def reports(self, run: str, *, before_wave: int | None = None, after_wave: int | None = None) -> list[Report]:
        name = digest(run)
        first = -1 if after_wave is None else after_wave
        last = 2**62 if before_wave is None else before_wave

        def work(db: sqlite3.Connection) -> list[str]:
            rows = db.execute(
                "SELECT body FROM reports WHERE run = (SELECT id FROM runs WHERE tenant = ? AND name = ?)"
                " AND wave > ? AND wave < ?",
                (self._tenant, name, first, last),
            )
            return [row[0] for row in rows]

        return await parsed(await self._read(work))

    async def knowledge(self, run: str, budget_tokens: int, *, without: str | None = None, question: int = 0) -> list[Fact]:
        name = digest(run)

        def work(db: sqlite3.Connection) -> tuple[int, int, Ledger, list[str]]:
            found = self._find(db, name)
            seen, ledger = self._ledgers.get((found or 0, question), question)
            if found is None:
                return 0, 0, ledger, []
            rows = db.execute("SELECT id, body FROM reports WHERE run = ? AND id > ?", (found, seen)).fetchall()
            return found, max((row[0] for row in rows), default=seen), ledger, [row[1] for row in rows]

        found, seen, ledger, bodies = await self._read(work)
        ledger = await self._ledgers.extend((found, question), ledger, bodies, seen)
        return list(ledger.knowledge(budget_tokens, without=without))

    # ---- read cache
    async def cached(self, keys: Sequence[str]) -> list[Report | None]:
        hashed = [digest(key) for key in keys]

        def work(db: sqlite3.Connection) -> list[str | None]:
            query = "SELECT body FROM cache WHERE tenant = ? AND key = ?"
            rows = [db.execute(query, (self._tenant, key)).fetchone() for key in hashed]
            return [None if row is None else row[0] for row in rows]

        bodies = await self._read(work)
        return [None if body is None else Report.model_validate_json(body) for body in bodies]

    # ---- notes
    async def write_note(self, run: str, name: str, content: dict[str, Any], *, fence: int | None = None) -> int:
        run_name, note_name, body = digest(run), digest(name), json.dumps(content)

        def work(db: sqlite3.Connection) -> int:
            self._fenced(db, run, run_name, fence)
            found = self._find_or_make(db, run_name)
            (newest,) = db.execute(
                "SELECT COALESCE(MAX(version), 0) FROM notes WHERE run = ? AND name = ?", (found, note_name)
            ).fetchone()
            db.execute("INSERT INTO notes VALUES (?, ?, ?, ?)", (found, note_name, newest + 1, body))
            return int(newest) + 1

        return await self._write(work)

    async def read_note(self, run: str, name: str, version: int | None = None) -> Note | None:
        run_name, note_name = digest(run), digest(name)

        def work(db: sqlite3.Connection) -> Any:
            return db.execute(
                "SELECT version, content FROM notes WHERE run = (SELECT id FROM runs WHERE tenant = ? AND name = ?)"
                " AND name = ? AND (?4 IS NULL OR version = ?4) ORDER BY version DESC LIMIT 1",
                (self._tenant, run_name, note_name, version),
            ).fetchone()

        row = await self._read(work)
        return None if row is None else Note(run=run, name=name, version=row[0], content=json.loads(row[1]))

    # ---- budget
    async def reserve(
        self, run: str, call: str, amount: Amount, budget: Budget, *, keep: Amount = NOTHING, fence: int | None = None
    ) -> bool:
        name, call_name = digest(run), digest(call)
        wanted, kept, limits = Counts.of(amount), Counts.of(keep), Limits.of(budget)

        def work(db: sqlite3.Connection) -> bool:
            self._fenced(db, run, name, fence)
            found = self._find_or_make(db, name)
            if budget.limited:
                spent = Counts(*db.execute("SELECT calls, input + output, cost FROM runs WHERE id = ?", (found,)).fetchone())
                reserved = Counts(
                    *db.execute(
                        "SELECT COALESCE(SUM(calls), 0), COALESCE(SUM(tokens), 0), COALESCE(SUM(cost), 0)"
                        " FROM reservations WHERE run = ? AND call != ?",
                        (found, call_name),
                    ).fetchone()
                )
                if not limits.allow(spent + reserved + wanted + kept):
                    return False
            db.execute(
                "INSERT OR REPLACE INTO reservations VALUES (?, ?, ?, ?, ?)",
                (found, call_name, wanted.calls, wanted.tokens, wanted.cost),
            )
            return True

        return await self._write(work)

    async def settle(self, run: str, call: str, usage: Usage, *, answered: tuple[str, str] | None = None) -> None:
        name, call_name = digest(run), digest(call)
        counts = usage_counts(usage)

        def work(db: sqlite3.Connection) -> None:
            found = self._find_or_make(db, name)
            db.execute("DELETE FROM reservations WHERE run = ? AND call = ?", (found, call_name))
            db.execute(
                "UPDATE runs SET calls = calls + ?, input = input + ?, output = output + ?, cached = cached + ?,"
                " retries = retries + ?, cost = cost + ?, priced = MAX(priced, ?) WHERE id = ?",
                (*counts, found),
            )
            if answered is not None:
                db.execute("INSERT OR IGNORE INTO journal VALUES (?, ?, ?)", (found, *answered))

        await self._write(work)

    async def journal(self, run: str) -> dict[str, str]:
        name = digest(run)

        def work(db: sqlite3.Connection) -> dict[str, str]:
            rows = db.execute(
                "SELECT key, body FROM journal WHERE run = (SELECT id FROM runs WHERE tenant = ? AND name = ?)",
                (self._tenant, name),
            )
            return dict(rows.fetchall())

        kept: dict[str, str] = await self._read(work)
        return kept

    async def spent(self, run: str) -> Usage:
        name = digest(run)

        def work(db: sqlite3.Connection) -> Any:
            return db.execute(f"SELECT {SPENT} FROM runs WHERE tenant = ? AND name = ?", (self._tenant, name)).fetchone()

        row = await self._read(work)
        return Usage() if row is None else usage_of(row)

    # ---- events
    async def append_event(self, run: str, event: dict[str, Any], *, fence: int | None = None) -> None:
        name, body = digest(run), json.dumps(event)

        def work(db: sqlite3.Connection) -> None:
            self._fenced(db, run, name, fence)
            found = self._find_or_make(db, name)
            (newest,) = db.execute("SELECT COALESCE(MAX(seq), 0) FROM events WHERE run = ?", (found,)).fetchone()
            db.execute("INSERT INTO events VALUES (?, ?, ?)", (found, newest + 1, body))
            db.execute("DELETE FROM events WHERE run = ? AND seq <= ?", (found, newest + 1 - MOST_EVENTS))

        await self._write(work)

    async def events(self, run: str) -> list[dict[str, Any]]:
        name = digest(run)

        def work(db: sqlite3.Connection) -> list[str]:
            rows = db.execute(
                "SELECT body FROM events WHERE run = (SELECT id FROM runs WHERE tenant = ? AND name = ?) ORDER BY seq",
                (self._tenant, name),
            )
            return [row[0] for row in rows]

        return [json.loads(body) for body in await self._read(work)]

    # ---- the rest
    async def secret(self) -> bytes:
        made = secrets.token_bytes(32)

        def work(db: sqlite3.Connection) -> bytes:
            db.execute("INSERT OR IGNORE INTO secrets VALUES (?, ?)", (self._tenant, made))
            (kept,) = db.execute("SELECT secret FROM secrets WHERE tenant = ?", (self._tenant,)).fetchone()
            return bytes(kept)

        return await self._write(work)

    async def check(self) -> list[str]:
        def work(db: sqlite3.Connection) -> list[str]:
            if self._path is None:
                return ["The memory is kept in this process alone: runs end with it and cannot be resumed."]
            warnings: list[str] = []
            (mode,) = db.execute("PRAGMA journal_mode").fetchone()
            if mode != "wal":
                warnings.append(f"The memory file {self._path} is not in WAL mode ({mode}): writers wait for readers.")
            if os.name == "posix" and self._path.stat().st_mode & 0o077:
                warnings.append(f"Other users may read the memory file {self._path}; mend it with: chmod 600 {self._path}")
            return warnings

        return await self._read(work)

    async def aclose(self) -> None:
        thread, self._thread = self._thread, None
        if thread is not None and self._process == os.getpid():
            thread.stop()
            await thread.join()


def absolute(path: Path) -> Path:
    """The path from the root, ~ spelt out; only a relative one needs to ask where the process stands."""
    path = path.expanduser()
    return path if path.is_absolute() else Path.cwd() / path


def stored(row: Sequence[Any]) -> RunRecord:
    """A run from its row: manifest, shards, status, updated, state, answer, reports, then what was spent, and the lease."""
    spent = usage_of((row[7], row[8], row[9], row[10], row[11], row[12], row[13]))
    return run_record(*row[:7], spent=spent, lease=row[14])
