"""From a memory URL to a memory."""

from __future__ import annotations

import difflib
import os
from pathlib import Path
from urllib.parse import unquote

from extagents.errors import SettingsError
from extagents.memory.base import Memory
from extagents.redaction import SecretUrl, shown

SCHEMES = ("sqlite", "memory", "redis", "rediss", "unix")
_HINT = "Give sqlite:///PATH, memory://, redis://HOST:PORT/DB, rediss://HOST:PORT/DB or unix:///PATH/TO/SOCKET."


def data_folder() -> Path:
    """The user's data folder, or what EXTAGENTS_DATA names."""
    given = os.environ.get("EXTAGENTS_DATA")
    if given:
        return Path(given).expanduser()
    from platformdirs import user_data_path

    return user_data_path("extagents", appauthor=False)


def default_path() -> Path:
    """The embedded memory's file."""
    return data_folder() / "memory.sqlite"


def open_memory(url: str | Path | Memory | None, *, tenant: str = "default") -> Memory:
    """The memory at `url`; None is the embedded default, a `Path` an SQLite file, a `Memory` is returned as it is.

    `sqlite:///relative/path`, `sqlite:////absolute/path`, `memory://` (nothing on disk), `redis://…`, `rediss://…`,
    `unix:///path/to/socket`. Nothing is opened before the first use. Raises `SettingsError` for any other URL.
    """
    if url is None:
        from extagents.memory.sqlite import SQLiteMemory

        return SQLiteMemory(default_path(), tenant)
    if isinstance(url, Path):
        from extagents.memory.sqlite import SQLiteMemory

        return SQLiteMemory(url, tenant)
    if not isinstance(url, str):
        return url
    url = SecretUrl(url)
    scheme, separator = url.partition("://")[:2]
    scheme = scheme.lower()
    if not separator or scheme not in SCHEMES:
        raise SettingsError(
            f"No memory is known under {shown(url)!r}.", hint=_guess(scheme if separator else shown(url)) + _HINT
        )
    if scheme == "memory":
        from extagents.memory.sqlite import SQLiteMemory

        return SQLiteMemory(None, tenant)
    if scheme == "sqlite":
        from extagents.memory.sqlite import SQLiteMemory

        return SQLiteMemory(_sqlite_path(url), tenant)
    from extagents.memory.redis import RedisMemory

    return RedisMemory(url, tenant)


def _sqlite_path(url: str) -> Path | None:
    rest = SecretUrl(url.partition("://")[2])
    if rest in ("", "/"):
        raise SettingsError(
            f"The memory URL {shown(url)!r} names no file.", hint="Give sqlite:///PATH, or memory:// for none on disk."
        )
    if not rest.startswith("/"):
        raise SettingsError(
            f"The memory URL {shown(url)!r} has a host where a path belongs.",
            hint=f"Did you mean sqlite:///{shown(rest)} (three slashes)?",
        )
    path = unquote(rest[1:])
    return None if path == ":memory:" else Path(path)


def _guess(scheme: str) -> str:
    close = difflib.get_close_matches(scheme.lower(), SCHEMES, n=1)
    return f"Did you mean {close[0]}://? " if close else ""
