"""A batch that is killed at any moment goes on where it was: the same answers, and no answered call is asked again."""

from __future__ import annotations

import json
import os
import random
import signal
import sqlite3
import subprocess
import sys
import time
from pathlib import Path

import crowd
import pytest
from batch.child import COUNT
from reliability.size import record, sized

from extagents.journal import parts_of

HERE = Path(__file__).parent


def start(folder: Path, log: Path, per_read: int) -> subprocess.Popen[str]:
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join((str(HERE.parent), str(HERE.parent.parent)))}
    memory = f"sqlite:///{folder / 'memory.db'}"
    command = [sys.executable, str(HERE / "child.py"), memory, str(folder / "a.jsonl"), str(log), str(per_read)]
    return subprocess.Popen(command, env=environment, text=True, stdout=subprocess.PIPE, stderr=subprocess.PIPE)


def asked(log: Path) -> list[str]:
    """The keys of the calls that a process began."""
    return [line.split()[1] for line in log.read_text("utf-8").split("\n") if line] if log.exists() else []


def answered(folder: Path) -> set[str]:
    """The keys of all calls whose answers are in the memory, those that were answered together with others included."""
    if not (folder / "memory.db").exists():
        return set()
    with sqlite3.connect(f"file:{folder / 'memory.db'}?mode=ro", uri=True) as connection:
        tables = {name for (name,) in connection.execute("SELECT name FROM sqlite_master WHERE type = 'table'")}
        if "journal" not in tables:
            return set()
        rows = connection.execute("SELECT key, body FROM journal").fetchall()
    return {key for key, _ in rows} | {part for _, body in rows for part in parts_of(body)}


@pytest.mark.parametrize("per_read", [1, 4])
def test_a_batch_killed_at_random_points_pays_for_nothing_twice(per_read: int, tmp_path: Path) -> None:
    rng = random.Random(per_read)
    whole = start(tmp_path, tmp_path / "whole.log", per_read)
    out, errors = whole.communicate(timeout=100)
    assert "done" in out, errors
    calls = len(asked(tmp_path / "whole.log"))
    told = {line["id"]: line["answer"] for line in map(json.loads, (tmp_path / "a.jsonl").read_text("utf-8").splitlines())}
    assert told == {f"q{n}": crowd.answer(n) for n in range(COUNT)}
    for name in ("a.jsonl", "memory.db", "memory.db-wal", "memory.db-shm"):
        (tmp_path / name).unlink(missing_ok=True)

    kills, lives, total = sized(3, 20), 0, 0
    while True:
        before = answered(tmp_path)
        log = tmp_path / f"{lives}.log"
        child = start(tmp_path, log, per_read)
        lives += 1
        if lives <= kills:
            # Killed after so many more calls, or when it ends before that.
            point = rng.randint(1, max(2, calls // 4 if kills < 10 else calls // 12))
            deadline = time.monotonic() + 100
            while len(asked(log)) < point and child.poll() is None and time.monotonic() < deadline:
                time.sleep(0.002)
            if child.poll() is None:
                child.send_signal(signal.SIGKILL)
            child.communicate(timeout=100)
        else:
            out, errors = child.communicate(timeout=100)
            assert "done" in out, errors
        total += len(asked(log))
        paid_twice = [key for key in asked(log) if key in before]
        assert not paid_twice, f"life {lives} asked for {len(paid_twice)} answers that were there"
        if lives > kills:
            break
    told = {line["id"]: line["answer"] for line in map(json.loads, (tmp_path / "a.jsonl").read_text("utf-8").splitlines())}
    assert told == {f"q{n}": crowd.answer(n) for n in range(COUNT)}
    # What was under way when it was killed is asked again: at most two rounds of what may be under way at once, every time.
    assert total <= calls + kills * 2 * 4
    record("batch killed", per_read=per_read, kills=kills, calls=calls, calls_of_all_lives=total)
