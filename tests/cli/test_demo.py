"""The demo: plain when piped, drawn when asked for a picture, and honest about what it read."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from extagents.cli import demo


@pytest.fixture
def small_library(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A library of three modules in the place of the real one."""
    folder = tmp_path / "python-0"
    folder.mkdir()
    (folder / "threading.py").write_text("# The timer class was contributed by Itamar Shtull-Trauring\n", encoding="utf-8")
    (folder / "hmac.py").write_text('"""Implements the HMAC algorithm as described by RFC 2104."""\n', encoding="utf-8")
    (folder / "secrets.py").write_text("from hmac import compare_digest\n", encoding="utf-8")
    monkeypatch.setattr(demo, "library", lambda: folder)
    return folder


def test_piped_it_is_plain_and_tells_what_was_read_how_fast_and_what_to_set(small_library, capsys):
    assert demo.main([]) == 0
    out = capsys.readouterr().out
    assert "\x1b" not in out
    assert "3 files" in out
    assert re.search(r"read and indexed in .* tokens a second", out)
    assert "answer: Itamar Shtull-Trauring\n" in out
    assert "Nothing in the input answers this question." in out
    assert re.search(r"4 questions in .* tokens read in \d+ calls", out)
    for hint in ("OPENAI_API_KEY", "EXTAGENTS_MODEL=openai:", "EXTAGENTS_BASE_URL", f"--over {small_library}"):
        assert hint in out
    assert demo.main([]) == 0
    assert "index taken from the cache" in capsys.readouterr().out


def test_the_picture_is_of_a_real_run_and_asks_no_other_host(small_library, tmp_path):
    picture = tmp_path / "docs" / "run.svg"
    assert demo.main(["--picture", str(picture)]) == 0
    drawn = picture.read_text(encoding="utf-8").replace("&#160;", " ")
    assert "Itamar Shtull-Trauring" in drawn
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
