"""From a URL to a memory."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from extagents.errors import SettingsError
from extagents.memory.open import data_folder, open_memory
from extagents.memory.redis import RedisMemory
from extagents.memory.sqlite import SQLiteMemory
from extagents.redaction import shown
from extagents.testing.memory_conformance import a_manifest


async def test_without_a_url_a_file_in_the_data_folder_is_used(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("EXTAGENTS_DATA", str(tmp_path / "data"))
    memory = open_memory(None)
    await memory.create_run(a_manifest())
    await memory.aclose()
    assert (tmp_path / "data" / "memory.sqlite").is_file()
    assert memory.url == f"sqlite:///{tmp_path / 'data' / 'memory.sqlite'}"


def test_the_data_folder_is_the_users(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("EXTAGENTS_DATA")
    assert data_folder().name == "extagents"
    assert data_folder().is_absolute()


def test_each_scheme_opens_its_backend(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    assert open_memory("sqlite:////abs/file.db").url == "sqlite:////abs/file.db"
    assert open_memory("sqlite:///rel/file.db").url == f"sqlite:///{tmp_path}/rel/file.db"
    assert open_memory("sqlite:///with%20space.db").url == f"sqlite:///{tmp_path}/with space.db"
    assert open_memory(tmp_path / "file.db").url == f"sqlite:///{tmp_path}/file.db"
    assert open_memory("memory://").url == "memory://"
    for url in ("redis://localhost:6379/1", "rediss://localhost/1", "unix:///run/redis.sock"):
        memory = open_memory(url)
        assert isinstance(memory, RedisMemory)
        assert memory.url == url


def test_a_memory_is_taken_as_it_is() -> None:
    memory = SQLiteMemory()
    assert open_memory(memory, tenant="ignored") is memory


@pytest.mark.parametrize(
    ("url", "hint"),
    [
        ("redi://localhost", "redis://"),
        ("sqllite:///x", "sqlite://"),
        ("postgres://user:secret@host/db", "redis://"),
        ("memory.sqlite", "sqlite:///PATH"),
        ("", "sqlite:///PATH"),
        ("sqlite://", "sqlite:///PATH"),
        ("sqlite:///", "sqlite:///PATH"),
        ("sqlite://file.db", "sqlite:///file.db"),
        ("http://localhost:6379", "redis://"),
    ],
)
def test_an_unknown_url_is_refused_with_what_would_do(url: str, hint: str) -> None:
    with pytest.raises(SettingsError) as caught:
        open_memory(url)
    assert hint in caught.value.hint
    assert "secret" not in str(caught.value)


def test_secrets_in_urls_are_not_shown() -> None:
    assert shown("redis://u:p@h:1/0?x=y") == "redis://h:1/0"
    assert shown("redis://u:p?q@h/0") == "redis://h/0"
    assert shown("unix:///a/b.sock?password=p@q") == "unix:///a/b.sock"
    assert shown("memory://") == "memory://"


def test_the_redis_library_is_loaded_when_it_is_used() -> None:
    code = "import sys, extagents.memory.open as o; o.open_memory('memory://'); print('redis' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "False"
