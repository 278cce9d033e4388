"""What is stored is its owner's alone, whatever the umask: memory, log and shared memory of SQLite, caches, folders."""

from __future__ import annotations

import json
import os
import stat
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from reliability.size import FULL

from extagents.corpus.corpus import Corpus
from extagents.corpus.index import Index
from extagents.memory.sqlite import SQLiteMemory
from extagents.private import make_file, make_folder, new_file
from extagents.testing.memory_conformance import a_manifest, a_report
from extagents.types import Document

pytestmark = pytest.mark.skipif(os.name != "posix", reason="rights are POSIX'")
UMASKS = (0, 0o022, 0o777)
FACT = "The Meridian archive was founded in 1974 by Ilse Brandt.\n"


@contextmanager
def umask(mask: int) -> Iterator[None]:
    before = os.umask(mask)
    try:
        yield
    finally:
        os.umask(before)


def rights(path: Path) -> int:
    return stat.S_IMODE(path.stat().st_mode)


def open_to_others(*roots: Path) -> dict[str, str]:
    """Every folder and file at or below the roots that does not have exactly its owner's rights."""
    wrong: dict[str, str] = {}
    for root in roots:
        for path in (root, *root.rglob("*")):
            if not path.is_symlink() and rights(path) != (0o700 if path.is_dir() else 0o600):
                wrong[str(path)] = oct(rights(path))
    return wrong


@pytest.mark.parametrize("mask", UMASKS)
async def test_a_memorys_files_and_folders_are_its_owners(tmp_path: Path, mask: int) -> None:
    root = tmp_path / "new"
    with umask(mask):
        memory = SQLiteMemory(root / "deep" / "er" / "memory.sqlite")
        await memory.create_run(a_manifest())
        await memory.post(a_report())
        await memory.secret()
        assert sorted(path.suffix for path in root.rglob("memory*")) == [".sqlite", ".sqlite-shm", ".sqlite-wal"]
        assert open_to_others(root) == {}
        await memory.forget_run("run")
        assert await memory.check() == []
        await memory.aclose()
    assert open_to_others(root) == {}


@pytest.mark.parametrize("mask", UMASKS)
def test_a_caches_files_and_folders_are_its_owners(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, mask: int) -> None:
    source = tmp_path / "docs"
    source.mkdir()
    (source / "a.md").write_text(FACT * 200, encoding="utf-8")
    root = tmp_path / "new"
    monkeypatch.setenv("EXTAGENTS_CACHE", str(root / "deep" / "cache"))
    with umask(mask):
        for text in (FACT * 200, FACT * 300):
            (source / "a.md").write_text(text, encoding="utf-8")
            os.chmod(source / "a.md", 0o644)
            corpus = Corpus.load(source)
            assert corpus.search("Who founded the archive?")
            assert corpus.shards(100)
            assert corpus.tokens
    kept = {path.name for path in root.rglob("*") if path.is_file()}
    assert {"index.json", "lexicon.json"} <= kept
    assert any(path.parent.name == "sources" for path in root.rglob("*") if path.is_file())
    assert open_to_others(root) == {}
    with umask(0):
        Index.build([Document(id="a", text=FACT)]).save(root / "index" / "of" / "mine")
    assert rights(root / "index") == rights(root / "index" / "of" / "mine") == 0o700


async def test_what_is_there_already_is_left_as_it_is_and_told(tmp_path: Path) -> None:
    shared = tmp_path / "shared"
    shared.mkdir()
    shared.chmod(0o770)
    path = shared / "memory.sqlite"
    path.touch()
    path.chmod(0o664)
    memory = SQLiteMemory(path)
    await memory.create_run(a_manifest())
    warnings = await memory.check()
    assert any("chmod 600" in warning for warning in warnings)
    assert rights(shared) == 0o770
    assert rights(path) == 0o664
    path.chmod(0o600)
    assert await memory.check() == []
    await memory.aclose()
    make_folder(shared)
    make_file(path)
    assert rights(shared) == 0o770
    with pytest.raises(FileExistsError):
        new_file(path)


@pytest.mark.parametrize("mask", [0, 0o777])
def test_doctor_makes_folders_for_their_owner_alone(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], mask: int
) -> None:
    from extagents.cli.main import main

    root = tmp_path / "new"
    monkeypatch.setenv("EXTAGENTS_DATA", str(root / "data" / "mine"))
    monkeypatch.setenv("EXTAGENTS_CACHE", str(root / "cache" / "mine"))
    with umask(mask):
        assert main(["doctor", "--json"]) == 0
    assert open_to_others(root) == {}
    (root / "data" / "mine" / "memory.sqlite").chmod(0o644)
    capsys.readouterr()
    assert main(["doctor", "--json"]) == 0
    said = json.loads(capsys.readouterr().out)["checks"]
    assert any(check["status"] == "note" and "chmod 600" in check["detail"] for check in said)


@pytest.mark.parametrize("mask", UMASKS if FULL else (0,), ids=oct)
def test_after_whole_commands_everything_kept_is_its_owners(tmp_path: Path, mask: int) -> None:
    """Whatever a later version stores under the data and cache folders falls under this test by itself."""
    docs = tmp_path / "docs"
    docs.mkdir()
    (docs / "a.md").write_text(FACT, encoding="utf-8")
    root = tmp_path / "home"
    environment = {**os.environ, "EXTAGENTS_DATA": str(root / "data"), "EXTAGENTS_CACHE": str(root / "cache")}
    environment |= {"HOME": str(root), "XDG_DATA_HOME": str(root / "share"), "XDG_CACHE_HOME": str(root / "cached")}

    def command(*arguments: str) -> str:
        words = [sys.executable, "-m", "extagents", *arguments]
        done = subprocess.run(words, env=environment, umask=mask, capture_output=True, text=True, timeout=100, check=False)
        assert done.returncode == 0, done.stderr
        return done.stdout

    answer = json.loads(command("ask", "Who founded the archive?", "--over", str(docs), "--json", "--run", "mine"))
    assert answer["answer"] == "Ilse Brandt"
    command("compress", "Who founded the archive?", "--over", str(docs), "--tokens", "100", "--json")
    assert {"data", "cache"} <= {path.name for path in root.iterdir()}
    assert sum(path.is_file() for path in root.rglob("*")) > 5
    assert open_to_others(root) == {}
