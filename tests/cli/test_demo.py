"""The demo: plain when piped, drawn when asked for a picture, and honest about what it read."""

from __future__ import annotations

import re
import shutil
import sysconfig
from pathlib import Path

import pytest

from extagents.cli import demo


@pytest.fixture
def small_library(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A few real modules in the place of the whole library."""
    folder = tmp_path / "python-0"
    folder.mkdir()
    source = Path(sysconfig.get_path("stdlib"))
    for name in ("argparse", "difflib", "heapq", "hmac", "json/decoder", "pydoc_data/topics", "random", "secrets", "threading"):
        (folder / name).parent.mkdir(exist_ok=True)
        shutil.copy(source / f"{name}.py", folder / f"{name}.py")
    monkeypatch.setattr(demo, "library", lambda: folder)
    return folder


def test_piped_it_is_plain_and_tells_what_was_read_how_fast_and_what_to_set(replay, small_library, capsys):
    assert demo.main([]) == 0
    out = capsys.readouterr().out
    assert "\x1b" not in out
    assert "9 files" in out
    assert re.search(r"read and indexed in .* tokens a second", out)
    assert "answer: Guido van Rossum\n" in out
    assert "handbook.pdf, p. 3: “The parser was designed" in out
    assert "812 of 1,250 shards" in out
    assert re.search(r"4 questions in .* tokens read in 3,320 calls, .* tokens a second", out)
    for hint in ("OPENAI_API_KEY", "EXTAGENTS_MODEL=openai:", "EXTAGENTS_BASE_URL", f"--over {small_library}"):
        assert hint in out
    assert demo.main([]) == 0
    assert "index taken from the cache" in capsys.readouterr().out


def test_its_questions_are_answered_by_the_built_in_model(small_library, capsys):
    assert demo.main([]) == 0
    _, lookup, name, steps, nothing = re.split(r"^\d  ", capsys.readouterr().out, flags=re.MULTILINE)
    assert "NFKC" in lookup.splitlines()[1]
    assert "Itamar Shtull-Trauring" in name.splitlines()[1]
    assert "2104" in steps.splitlines()[1]
    assert "  secrets.py: “" in steps
    assert "  hmac.py: “" in steps
    assert "Nothing in the input answers this question." in nothing


def test_the_picture_asks_no_other_host(replay, small_library, tmp_path):
    picture = tmp_path / "docs" / "run.svg"
    assert demo.main(["--picture", str(picture)]) == 0
    drawn = picture.read_text(encoding="utf-8").replace("&#160;", " ")
    assert "Guido van Rossum" in drawn
    assert "url(http" not in drawn
    assert "@font-face" not in drawn


def test_an_error_is_one_line(small_library, capsys, monkeypatch):
    monkeypatch.setenv("EXTAGENTS_MODEL", "no-such-model")
    assert demo.main([]) == 1
    err = capsys.readouterr().err
    assert err.startswith("error: Unknown model")
    assert err.count("\n") == 1


def test_the_library_is_copied_without_tests_and_what_was_installed(tmp_path, monkeypatch):
    source = tmp_path / "lib"
    for name in ("os.py", "json/decoder.py", "site-packages/pip.py", "test/test_os.py", "idlelib/idle_test/t.py", "lib.so"):
        path = source / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text("pass\n", encoding="utf-8")
    monkeypatch.setenv("EXTAGENTS_CACHE", str(tmp_path / "cache"))
    monkeypatch.setattr("sysconfig.get_path", lambda name: str(source))
    folder = demo.library()
    copied = sorted(str(path.relative_to(folder)) for path in folder.rglob("*") if path.is_file())
    assert copied == ["json/decoder.py", "os.py"]
    (source / "os.py").unlink()
    assert demo.library() == folder
