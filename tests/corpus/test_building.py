"""The cache of extracted text: only what changed is read, whoever else builds, whatever is damaged or stopped."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from extagents.corpus import loaders
from extagents.corpus.cache import Cache
from extagents.corpus.corpus import Corpus
from extagents.errors import SettingsError
from tests.corpus import making
from tests.corpus.test_loaders import pdf

ROOT = Path(__file__).parents[2]


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    root = tmp_path / "docs"
    root.mkdir()
    for number in range(20):
        (root / f"{number:02}.txt").write_text(f"Text of number {number}.")
    (root / "a.pdf").write_bytes(pdf("One page.", "Another page."))
    (root / "b.zip").write_bytes(making.zipped({"计划.md": "# 计划\n\n正文。".encode(), "x.png": b"\x89PNG"}))
    (root / "bad.docx").write_bytes(b"PK\x03\x04 junk")
    return root


@pytest.fixture
def reads(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    names: list[str] = []
    read = loaders.read

    def counted(path: Path, **options: object) -> object:
        names.append(path.name)
        return read(path, **options)  # type: ignore[arg-type]

    monkeypatch.setattr(loaders, "read", counted)
    monkeypatch.setattr("extagents.corpus.cache._RACY_NS", 0)
    return names


def load(folder: Path, cache: Path) -> Corpus:
    return Corpus.load(folder, cache=cache, workers=0)


def test_what_was_read_and_what_was_refused_is_known_the_next_time(folder: Path, tmp_path: Path, reads: list[str]) -> None:
    first = load(folder, tmp_path / "cache")
    assert len(reads) == 23
    reads.clear()
    again = load(folder, tmp_path / "cache")
    assert reads == []
    assert (again.documents, again.unreadable, again.kinds) == (first.documents, first.unreadable, first.kinds)
    assert {item.path for item in again.unreadable} == {"bad.docx", "b.zip/x.png"}
    (folder / "07.txt").write_text("Another text.")
    assert load(folder, tmp_path / "cache").by_id["07.txt"].text == "Another text."
    assert reads == ["07.txt"]


def test_a_new_release_reads_again(folder: Path, tmp_path: Path, reads: list[str], monkeypatch: pytest.MonkeyPatch) -> None:
    load(folder, tmp_path / "cache")
    reads.clear()
    monkeypatch.setattr("extagents.__version__", "99.0")
    load(folder, tmp_path / "cache")
    assert len(reads) == 23


@pytest.mark.parametrize("harm", ["cut", "noise", "empty", "folder"])
def test_a_damaged_entry_is_made_anew(folder: Path, tmp_path: Path, reads: list[str], harm: str) -> None:
    whole = load(folder, tmp_path / "cache")
    (entry,) = (tmp_path / "cache" / "sources").iterdir()
    data = entry.read_bytes()
    entry.unlink()
    if harm == "folder":
        entry.mkdir()
    else:
        entry.write_bytes({"cut": data[: len(data) // 2], "noise": data[:90] + b"\xff" * 30 + data[120:], "empty": b""}[harm])
    reads.clear()
    assert load(folder, tmp_path / "cache").documents == whole.documents
    assert len(reads) == 23


def test_what_a_stopped_build_has_read_is_not_read_again(folder: Path, tmp_path: Path, reads: list[str]) -> None:
    def stop(done: int, total: int) -> None:
        if done == 12:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        Corpus.load(folder, cache=tmp_path / "cache", workers=0, on_progress=stop)
    stopped = len(reads)
    assert len(load(folder, tmp_path / "cache")) == 22
    assert len(reads) == 23
    assert stopped < 23


def test_two_processes_build_the_same_corpus_at_once(folder: Path, tmp_path: Path, reads: list[str]) -> None:
    program = (
        "import sys, extagents\nfrom pathlib import Path\n"
        "corpus = extagents.Corpus.load(sys.argv[1], cache=Path(sys.argv[2]), workers=1)\n"
        "print(corpus.fingerprint, len(corpus.shards(500)), corpus.search('page')[0].document)\n"
    )
    command = [sys.executable, "-c", program, str(folder), str(tmp_path / "cache")]
    at = {**os.environ, "PYTHONPATH": str(ROOT)}
    running = [subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=at) for _ in range(2)]
    said = [process.communicate(timeout=120) for process in running]
    assert [process.returncode for process in running] == [0, 0], said
    assert said[0] == said[1]
    assert said[0][1] == ""
    corpus = load(folder, tmp_path / "cache")
    assert reads == []
    assert said[0][0].split()[0] == corpus.fingerprint
    left = [path.name for path in (tmp_path / "cache").rglob(".*")]
    assert left == []


def test_a_partial_build_keeps_what_another_has_found(folder: Path, tmp_path: Path, reads: list[str]) -> None:
    def other_builds(done: int, total: int) -> None:
        if done == 3:
            load(folder, tmp_path / "cache")
            reads.clear()
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        Corpus.load(folder, cache=tmp_path / "cache", workers=0, on_progress=other_builds)
    load(folder, tmp_path / "cache")
    assert reads == []


def test_what_was_used_longest_ago_is_dropped_first(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("EXTAGENTS_CACHE_BYTES", "250000")
    cache = tmp_path / "cache"
    for number in range(4):
        (tmp_path / f"{number}.txt").write_text(f"{number} " * 50_000)
        load(tmp_path / f"{number}.txt", cache)
        for entry in (cache / "sources").iterdir():
            os.utime(entry, ns=(entry.stat().st_atime_ns, entry.stat().st_mtime_ns - 10**10))
    assert len(list((cache / "sources").iterdir())) == 2
    held = b"".join(entry.read_bytes() for entry in (cache / "sources").iterdir())
    assert b"3 3 3" in held
    assert b"0 0 0" not in held


def test_a_limit_that_is_no_number_is_said(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("EXTAGENTS_CACHE_BYTES", "ten")
    with pytest.raises(SettingsError, match="EXTAGENTS_CACHE_BYTES"):
        Cache(tmp_path)
