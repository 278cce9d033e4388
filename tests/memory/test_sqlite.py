"""The embedded memory: its file's rights, what a bad disk does to it, and processes that share it or are killed."""

from __future__ import annotations

import asyncio
import contextlib
import os
import sqlite3
import stat
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from extagents.errors import StoreError
from extagents.memory.sqlite import SQLiteMemory
from extagents.memory.sqlite_thread import SQLiteThread
from extagents.testing.memory_conformance import a_fact, a_manifest, a_report


async def failure(memory: SQLiteMemory) -> StoreError:
    """What a write fails with: one line and a hint."""
    with pytest.raises(StoreError) as caught:
        await memory.create_run(a_manifest())
    assert "\n" not in str(caught.value)
    assert caught.value.hint
    await memory.aclose()
    return caught.value


def entries(folder: Path) -> list[Path]:
    return list(folder.iterdir())


def holds(folder: Path, text: bytes) -> bool:
    """Whether any file in the folder holds these bytes."""
    return any(text in path.read_bytes() for path in folder.iterdir())


async def test_file_and_folder_are_for_the_owner_alone(tmp_path: Path) -> None:
    old = os.umask(0)
    try:
        memory = SQLiteMemory(tmp_path / "new" / "deeper" / "memory.sqlite")
        await memory.post(a_report("run", "s0", a_fact(1)))
        names = {path.name: stat.S_IMODE(path.stat().st_mode) for path in (tmp_path / "new").rglob("*")}
        assert stat.S_IMODE((tmp_path / "new").stat().st_mode) == 0o700
        assert names == {"deeper": 0o700, "memory.sqlite": 0o600, "memory.sqlite-wal": 0o600, "memory.sqlite-shm": 0o600}
        assert await memory.check() == []
        (tmp_path / "new" / "deeper" / "memory.sqlite").chmod(0o644)
        assert ["chmod 600" in warning for warning in await memory.check()] == [True]
        await memory.aclose()
    finally:
        os.umask(old)


async def test_nothing_is_opened_before_the_first_use(tmp_path: Path) -> None:
    memory = SQLiteMemory(tmp_path / "folder" / "memory.sqlite")
    await memory.aclose()
    assert entries(tmp_path) == []


async def test_a_private_memory_leaves_no_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    memory = SQLiteMemory(":memory:")
    await memory.post(a_report())
    assert memory.url == "memory://"
    assert entries(tmp_path) == []
    assert len(await memory.check()) == 1
    await memory.aclose()


async def test_a_forgotten_run_leaves_no_byte_in_the_files(tmp_path: Path) -> None:
    memory = SQLiteMemory(tmp_path / "memory.sqlite")
    await memory.create_run(a_manifest(question="Zebrafink 4711?"))
    for i in range(200):
        await memory.post(a_report("run", f"Zebrafink {i}", a_fact(i)), cache_key=f"k{i}")
    await memory.append_event("run", {"text": "Zebrafink"})
    await memory.write_note("run", "n", {"text": "Zebrafink"})
    assert holds(tmp_path, b"Zebrafink")
    assert await memory.forget_run("run")
    assert not holds(tmp_path, b"Zebrafink")
    await memory.aclose()


async def test_another_schema_version_is_named(tmp_path: Path) -> None:
    memory = SQLiteMemory(tmp_path / "memory.sqlite")
    await memory.create_run(a_manifest())
    await memory.aclose()
    with contextlib.closing(sqlite3.connect(tmp_path / "memory.sqlite")) as db, db:
        db.execute("UPDATE extagents_schema SET version = 99")
    assert "schema version 99" in str(await failure(SQLiteMemory(tmp_path / "memory.sqlite")))


async def test_another_programs_database_is_left_alone(tmp_path: Path) -> None:
    with contextlib.closing(sqlite3.connect(tmp_path / "theirs.db")) as db, db:
        db.execute("CREATE TABLE theirs (a)")
    assert "another program" in str(await failure(SQLiteMemory(tmp_path / "theirs.db")))
    with contextlib.closing(sqlite3.connect(tmp_path / "theirs.db")) as db:
        assert [row[0] for row in db.execute("SELECT name FROM sqlite_master")] == ["theirs"]


async def test_a_file_that_is_no_database_is_left_alone(tmp_path: Path) -> None:
    (tmp_path / "notes.txt").write_text("these are my notes" * 100)
    assert "no database" in str(await failure(SQLiteMemory(tmp_path / "notes.txt")))
    assert (tmp_path / "notes.txt").read_text() == "these are my notes" * 100


async def test_a_path_under_a_file_cannot_be_made(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    assert "cannot be made" in str(await failure(SQLiteMemory(tmp_path / "file" / "memory.sqlite")))


async def test_a_folder_in_place_of_the_file(tmp_path: Path) -> None:
    assert "cannot be opened" in str(await failure(SQLiteMemory(tmp_path)))


async def test_a_full_disk_leaves_nothing_half_written(tmp_path: Path) -> None:
    memory = SQLiteMemory(tmp_path / "memory.sqlite")
    await memory.create_run(a_manifest())

    def no_more_pages(db: sqlite3.Connection) -> None:
        (pages,) = db.execute("PRAGMA page_count").fetchone()
        db.execute(f"PRAGMA max_page_count = {pages + 8}")

    assert memory._thread is not None
    await memory._thread.run(no_more_pages, write=False)
    posted: list[str] = []

    async def fill() -> None:
        for i in range(100):
            await memory.post(a_report("run", f"s{i}", a_fact(i)), cache_key=f"k{i}")
            posted.append(f"s{i}")

    with pytest.raises(StoreError, match="full") as caught:
        await fill()
    assert caught.value.retryable
    assert posted
    kept = sorted(report.shard for report in await memory.reports("run"))
    assert kept == sorted(posted)
    cached = await memory.cached([f"k{i}" for i in range(100)])
    assert sorted(report.shard for report in cached if report) == kept
    record = await memory.load_run("run")
    assert record is not None
    assert record.reports == len(kept)
    await memory.aclose()


async def test_one_write_that_fails_takes_no_other_with_it(tmp_path: Path) -> None:
    memory = SQLiteMemory(tmp_path / "memory.sqlite")
    await memory.create_run(a_manifest())

    def breaks(db: sqlite3.Connection) -> None:
        db.execute("INSERT INTO events VALUES (1, 1, 'half')")
        db.execute("INSERT INTO nowhere VALUES (1)")

    assert memory._thread is not None
    posts = [memory.post(a_report(shard=f"s{i}")) for i in range(20)]
    results = await asyncio.gather(*posts[:10], memory._thread.run(breaks, write=True), *posts[10:], return_exceptions=True)
    assert isinstance(results[10], StoreError)
    assert [result for result in results if result is True] == [True] * 20
    assert len(await memory.reports("run")) == 20
    assert await memory.events("run") == []
    await memory.aclose()


async def test_a_lock_that_is_held_too_long_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    memory = SQLiteMemory(tmp_path / "memory.sqlite")
    await memory.create_run(a_manifest())
    await memory.aclose()
    monkeypatch.setattr("extagents.memory.sqlite_thread.BUSY_SECONDS", 0.05)
    with contextlib.closing(sqlite3.connect(tmp_path / "memory.sqlite", isolation_level=None)) as other:
        other.execute("BEGIN IMMEDIATE")
        error = await failure(SQLiteMemory(tmp_path / "memory.sqlite"))
    assert "locked by another process" in str(error)
    assert error.retryable


@pytest.fixture
def open_folder() -> Iterator[Path]:
    """A folder that every user can reach, unlike pytest's."""
    with tempfile.TemporaryDirectory() as folder:
        Path(folder).chmod(0o755)
        yield Path(folder)


READ_ONLY = """
import asyncio, os, sys
from extagents.errors import StoreError
from extagents.memory.sqlite import SQLiteMemory
from extagents.testing.memory_conformance import a_manifest

async def tried(path):
    memory = SQLiteMemory(path)
    try:
        await memory.create_run(a_manifest("new"))
    except StoreError as error:
        print(error)
    await memory.aclose()

async def main():
    await tried(None)
    if os.geteuid() == 0:  # root may write everywhere: go on as somebody else
        os.setuid(65534)
    for path in sys.argv[1:]:
        await tried(path)

asyncio.run(main())
"""


def test_a_read_only_disk_is_named(open_folder: Path) -> None:
    memory = SQLiteMemory(open_folder / "memory.sqlite")
    with asyncio.Runner() as runner:
        runner.run(memory.create_run(a_manifest()))
        runner.run(memory.aclose())
    (open_folder / "memory.sqlite").chmod(0o444)
    open_folder.chmod(0o555)
    paths = [str(open_folder / "memory.sqlite"), str(open_folder / "new.sqlite"), str(open_folder / "sub" / "new.sqlite")]
    done = subprocess.run([sys.executable, "-c", READ_ONLY, *paths], capture_output=True, text=True, check=False, timeout=60)
    open_folder.chmod(0o755)
    lines = done.stdout.splitlines()
    assert len(lines) == 3, done.stderr
    assert "cannot be written" in lines[0]
    assert "cannot be made" in lines[1]
    assert "cannot be made" in lines[2]
    assert all("--memory" in line for line in lines)


WRITER = """
import asyncio, sys
from extagents.memory.sqlite import SQLiteMemory
from extagents.testing.memory_conformance import a_fact, a_report

async def main(path, name, number):
    memory = SQLiteMemory(path)
    print("ready", flush=True)
    for i in range(number):
        facts = [a_fact(i * 50 + j) for j in range(50)]
        await memory.post(a_report("run", f"{name}-{i}", *facts), cache_key=f"{name}-{i}")
        await memory.settle("run", f"{name}-{i}", a_report().usage)
        if i == 5:
            print("going", flush=True)
    await memory.aclose()

asyncio.run(main(sys.argv[1], sys.argv[2], int(sys.argv[3])))
"""


def writer(path: Path, name: str, number: int) -> subprocess.Popen[str]:
    return subprocess.Popen([sys.executable, "-c", WRITER, str(path), name, str(number)], stdout=subprocess.PIPE, text=True)


async def test_a_killed_writer_leaves_each_report_whole_or_not_at_all(tmp_path: Path) -> None:
    path = tmp_path / "memory.sqlite"
    for round_number in range(3):
        process = writer(path, f"w{round_number}", 1_000_000)
        assert process.stdout is not None
        while "going" not in process.stdout.readline():
            assert process.poll() is None
        process.kill()
        process.wait()
        process.stdout.close()
        memory = SQLiteMemory(path)
        reports = await memory.reports("run")
        assert len(reports) >= 5 * (round_number + 1)
        assert all(len(report.findings[0].facts) == 50 for report in reports)
        cached = await memory.cached([report.shard for report in reports])
        assert sorted(report.shard for report in cached if report) == sorted(report.shard for report in reports)
        assert (await memory.spent("run")).calls in range(len(reports) - round_number - 1, len(reports) + 1)
        assert await memory.create_run(a_manifest()) == (round_number == 0)
        record = await memory.load_run("run")
        assert record is not None
        assert record.reports == len(reports)
        await memory.aclose()


async def test_processes_share_one_file(tmp_path: Path) -> None:
    path = tmp_path / "memory.sqlite"
    processes = [writer(path, f"w{i}", 30) for i in range(4)]  # all four find no file and make it at once
    assert [process.wait() for process in processes] == [0] * 4
    for process in processes:
        assert process.stdout is not None
        process.stdout.close()
    memory = SQLiteMemory(path)
    assert len(await memory.reports("run")) == 120
    spent = await memory.spent("run")
    assert (spent.calls, spent.cost) == (120, 0.12)
    await memory.aclose()


async def test_old_entries_leave_the_read_cache(tmp_path: Path) -> None:
    memory = SQLiteMemory(tmp_path / "memory.sqlite")
    await memory.post(a_report(shard="old"), cache_key="old")
    await memory.post(a_report(shard="new"), cache_key="new")
    await memory.aclose()
    with contextlib.closing(sqlite3.connect(tmp_path / "memory.sqlite")) as db, db:
        db.execute(
            "UPDATE cache SET created = ? WHERE created = (SELECT MIN(created) FROM cache)", (time.time() - 91 * 86_400,)
        )
    memory = SQLiteMemory(tmp_path / "memory.sqlite")
    assert [report and report.shard for report in await memory.cached(["old", "new"])] == [None, "new"]
    assert len(await memory.reports("run")) == 2
    await memory.aclose()


async def test_the_event_loop_never_waits_for_the_disk(tmp_path: Path) -> None:
    memory = SQLiteMemory(tmp_path / "memory.sqlite")
    await memory.create_run(a_manifest())
    release = threading.Event()

    def slow(db: sqlite3.Connection) -> str:
        return "released" if release.wait(10) else "the loop stood still"

    assert memory._thread is not None
    waiting = asyncio.create_task(memory._thread.run(slow, write=False))
    posting = asyncio.create_task(memory.post(a_report()))
    await asyncio.sleep(0)
    release.set()
    assert await waiting == "released"
    assert await posting
    await memory.aclose()


async def test_a_memory_that_is_dropped_ends_its_thread(tmp_path: Path) -> None:
    memory = SQLiteMemory(tmp_path / "memory.sqlite")
    await memory.create_run(a_manifest())
    thread = memory._thread
    assert isinstance(thread, SQLiteThread)
    del memory
    await asyncio.wait_for(thread.join(), 10)
    assert not thread._thread.is_alive()


def test_a_forked_child_opens_the_file_for_itself(tmp_path: Path) -> None:
    memory = SQLiteMemory(tmp_path / "memory.sqlite")
    with asyncio.Runner() as runner:
        runner.run(memory.post(a_report(shard="parent")))
    code = f"""
import asyncio, os, warnings
from extagents.memory.sqlite import SQLiteMemory
from extagents.testing.memory_conformance import a_report
memory = SQLiteMemory({str(tmp_path / "memory.sqlite")!r})
asyncio.run(memory.post(a_report(shard="before")))
warnings.simplefilter("ignore")
child = os.fork()
asyncio.run(asyncio.wait_for(memory.post(a_report(shard="child" if child == 0 else "after")), 20))
if child:
    os._exit(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]))
os._exit(0)
"""
    assert subprocess.run([sys.executable, "-c", code], check=False, timeout=60).returncode == 0
    with asyncio.Runner() as runner:
        reports = runner.run(memory.reports("run"))
        runner.run(memory.aclose())
    assert {report.shard for report in reports} == {"parent", "before", "child", "after"}
