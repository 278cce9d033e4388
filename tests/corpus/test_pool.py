"""Files read by other processes: in order, at once, and none of them ends the reading of the others."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path
from typing import Any

import psutil
import pytest

from extagents.corpus import loaders, pool, reading
from extagents.corpus.corpus import Corpus
from tests.corpus import making
from tests.corpus.test_loaders import pdf

ROOT = Path(__file__).parents[2]
DEADLINE = 60.0  # seconds until a state that does not come is a failure
PROGRAM = """
import json, os, signal, sys, time
sys.path[:] = json.loads(sys.argv[1])
from extagents.corpus import reading, worker
from extagents.corpus.formats import Extracted, Record
from pathlib import Path
read = reading.read_or_refuse
def trapped(path, **options):
    name = path.name
    if name.startswith("crash"):
        os.kill(os.getpid(), signal.SIGSEGV)
    if name.startswith("once") and not path.with_suffix(".tried").exists():
        path.with_suffix(".tried").touch()
        os._exit(9)
    if name.startswith("hang"):
        path.with_suffix(".begun").write_text(str(os.getpid()))
        time.sleep(3600)
    if name.startswith("noise"):
        print("a library that talks")
        os.write(1, b"and one in C")
    return read(path, **options)
reading.read_or_refuse = trapped
worker.main()
"""


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    root = tmp_path / "docs"
    root.mkdir()
    for number in range(6):
        (root / f"{number}.pdf").write_bytes(pdf(f"Page of number {number}."))
        (root / f"{number}.txt").write_text(f"Text of number {number}.")
    return root


def wait_for(path: Path) -> None:
    until = time.monotonic() + DEADLINE
    while not (path.exists() and path.read_text()):
        assert time.monotonic() < until, f"{path.name} never came"
        threading.Event().wait(0.02)


def test_the_order_is_that_of_the_files_however_many_read(folder: Path) -> None:
    apart = Corpus.load(folder, cache=False, workers=3)
    here = Corpus.load(folder, cache=False, workers=0)
    assert apart.documents == here.documents
    assert [d.id for d in apart.documents] == sorted(path.name for path in folder.iterdir())
    assert apart.kinds == {"pdf": 6, "txt": 6}


def test_a_file_that_crashes_its_reader_is_listed_and_the_rest_is_read(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pool, "_PROGRAM", PROGRAM)
    for name in ("crash.pdf", "once.pdf", "noise.pdf"):
        (folder / name).write_bytes(pdf("Text."))
    corpus = Corpus.load(folder, cache=False, workers=2)
    assert len(corpus) == 14
    assert {"once.pdf", "noise.pdf"} < set(corpus.by_id)
    assert [(item.path, item.reason.split(":")[0]) for item in corpus.unreadable] == [
        ("crash.pdf", "ended the process that read it")
    ]


def test_a_file_that_takes_too_long_is_listed_and_the_rest_is_read(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pool, "_PROGRAM", PROGRAM)
    started = pool.Pool.__init__

    def hasty(self: pool.Pool, files: object, **options: object) -> None:
        started(self, files, **{**options, "seconds": 5.0})  # type: ignore[arg-type]

    monkeypatch.setattr(pool.Pool, "__init__", hasty)
    (folder / "hang.pdf").write_bytes(pdf("Text."))
    corpus = Corpus.load(folder, cache=False, workers=2)
    assert len(corpus) == 12
    assert [(item.path, item.reason) for item in corpus.unreadable] == [("hang.pdf", "took longer than 5 seconds to read")]


def test_what_stops_a_run_is_heard_while_a_file_hangs_and_no_process_is_left(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(pool, "_PROGRAM", PROGRAM)
    (folder / "hang.pdf").write_bytes(pdf("Text."))

    class Stopped(Exception):
        pass

    def on_progress(done: int, total: int) -> None:
        if (folder / "hang.begun").exists() and done == total - 1:
            raise Stopped

    with pytest.raises(Stopped):
        loaders.load([folder], workers=2, on_progress=on_progress)
    assert not psutil.pid_exists(int((folder / "hang.begun").read_text()))


def test_progress_counts_every_file_up_to_all(folder: Path) -> None:
    seen: list[tuple[int, int]] = []
    loaders.load([folder], workers=2, on_progress=lambda done, total: seen.append((done, total)))
    assert [done for done, _ in seen] == sorted(done for done, _ in seen)
    assert seen[-1] == (12, 12)
    assert {done for done, _ in seen} == set(range(1, 13))


@pytest.mark.parametrize("broken", ["import sys; sys.exit(1)", None])
def test_where_no_process_can_be_started_files_are_read_here(
    folder: Path, monkeypatch: pytest.MonkeyPatch, broken: str | None
) -> None:
    if broken is None:
        monkeypatch.setattr(sys, "executable", "/opt/application/embedding-python.so")
    else:
        monkeypatch.setattr(pool, "_PROGRAM", broken)
    assert len(Corpus.load(folder, cache=False, workers=2)) == 12


def test_no_two_files_are_read_at_once_in_one_process(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pool, "_PROGRAM", "")
    extract, turn, busy = reading.extract, threading.Lock(), []

    def alone(*args: Any, **options: Any) -> Any:
        if not turn.acquire(blocking=False):
            busy.append(args[0])
            return extract("a.txt", b"Meanwhile.")
        try:
            threading.Event().wait(0.01)  # others get their chance
            return extract(*args, **options)
        finally:
            turn.release()

    monkeypatch.setattr(reading, "extract", alone)
    assert len(Corpus.load(folder, cache=False, workers=3)) == 12
    assert not busy


def test_a_script_needs_no_guard_and_what_it_does_happens_once(folder: Path, tmp_path: Path) -> None:
    script = tmp_path / "script.py"
    script.write_text(
        f"import extagents\nprint('begun')\ncorpus = extagents.Corpus.load({str(folder)!r}, cache=False, workers=2)\n"
        "print(len(corpus), dict(corpus.kinds))\n"
    )
    done = subprocess.run(
        [sys.executable, str(script)],
        capture_output=True,
        text=True,
        timeout=DEADLINE,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        check=False,
    )
    assert (done.stdout, done.stderr) == ("begun\n12 {'pdf': 6, 'txt': 6}\n", "")


@pytest.mark.parametrize("how", [signal.SIGINT, signal.SIGKILL])
def test_no_reader_outlives_the_process_that_asked(folder: Path, tmp_path: Path, how: signal.Signals) -> None:
    (folder / "hang.pdf").write_bytes(pdf("Text."))
    (tmp_path / "program.py").write_text(PROGRAM)
    script = tmp_path / "script.py"
    script.write_text(
        "from pathlib import Path\nimport signal\nimport extagents\nfrom extagents.corpus import pool\n"
        "signal.signal(signal.SIGINT, signal.default_int_handler)\n"  # tests in the background are born deaf to it
        f"pool._PROGRAM = Path({str(tmp_path / 'program.py')!r}).read_text()\n"
        f"extagents.Corpus.load({str(folder)!r}, cache=False, workers=2)\n"
    )
    process = subprocess.Popen(
        [sys.executable, str(script)], stderr=subprocess.PIPE, text=True, env={**os.environ, "PYTHONPATH": str(ROOT)}
    )
    try:
        wait_for(folder / "hang.begun")
        reader = int((folder / "hang.begun").read_text())
        process.send_signal(how)
        said = process.communicate(timeout=DEADLINE)[1]
        assert ("KeyboardInterrupt" in said) == (how == signal.SIGINT)
        until = time.monotonic() + DEADLINE
        while psutil.pid_exists(reader) and psutil.Process(reader).status() != psutil.STATUS_ZOMBIE:
            assert time.monotonic() < until, "the reader goes on"
            threading.Event().wait(0.02)
    finally:
        process.kill()
        process.wait()


def test_nothing_in_the_current_folder_is_run(folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    here = tmp_path / "here"
    here.mkdir()
    for name in ("json", "sys", "threading", "extagents"):
        (here / f"{name}.py").write_text("open('ran', 'w').close()\n")
    monkeypatch.chdir(here)
    monkeypatch.setattr(sys, "path", [path for path in sys.path if path])
    assert len(Corpus.load(folder, cache=False, workers=1)) == 12
    assert not (here / "ran").exists()


@pytest.mark.parametrize("error", [RuntimeError("can't start new thread"), RecursionError(), MemoryError(), SystemExit(1)])
def test_a_failure_of_the_reading_itself_costs_its_file_alone(
    folder: Path, monkeypatch: pytest.MonkeyPatch, error: BaseException
) -> None:
    ask = pool._Worker.read

    def failing(self: pool._Worker, path: Path, options: dict[str, Any], limit: float) -> Any:
        if path.name == "3.pdf":
            raise error
        return ask(self, path, options, limit)

    monkeypatch.setattr(pool._Worker, "read", failing)
    corpus = Corpus.load(folder, cache=False, workers=1)
    assert len(corpus) == 11
    assert [(item.path, item.reason) for item in corpus.unreadable] == [
        ("3.pdf", f"could not be read ({type(error).__name__})")
    ]


def test_the_largest_are_read_first() -> None:
    files = [(n, loaders.File(Path(f"{n}.pdf"), f"{n}.pdf", "r", False, (size, 0, 0, 0))) for n, size in enumerate((5, 9, 1))]
    assert [place for place, _ in reversed(pool.Pool(files, workers=0, options={})._waiting)] == [1, 0, 2]


def test_archives_office_files_and_large_pages_are_read_apart_and_text_is_not() -> None:
    from extagents.corpus.formats import is_heavy

    assert all(map(is_heavy, ("a.pdf", "A.DOCX", "a.tar.gz", "a.tgz", "a.pdf.gz", "a.eml", "a.parquet", "a.zip")))
    assert not any(map(is_heavy, ("a.txt", "a.md.gz", "a.html", "a.csv", "a.jsonl", "a.py", "a")))
    assert is_heavy("a.html", 2_000_000)
    assert not is_heavy("a.html", 900_000)


def test_a_mixture_is_read_whole(tmp_path: Path) -> None:
    (tmp_path / "a.docx").write_bytes(making.docx(["In Word."]))
    (tmp_path / "b.zip").write_bytes(making.zipped({"c.eml": making.mail("In a mail."), "bad.docx": b"PK\x03\x04junk"}))
    (tmp_path / "bad.pdf").write_bytes(b"%PDF-1.4 junk")
    (tmp_path / "e.txt").write_text("plain")
    corpus = Corpus.load(tmp_path, cache=False)
    assert set(corpus.by_id) == {"a.docx", "b.zip/c.eml", "e.txt"}
    assert {item.path for item in corpus.unreadable} == {"bad.pdf", "b.zip/bad.docx"}
