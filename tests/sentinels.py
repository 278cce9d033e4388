"""Keys and passwords for all tests, and a plugin that fails a test in which one of them comes to light.

Looked through are log records, what was captured of stdout and stderr (of child processes too), warnings, what a failing test
prints, what Redis servers leave on disk, and at the end every file below pytest's temporary folders: memories, caches, dumps.
A folder named `planted` is left out: there a test has put them by intention.
"""

from __future__ import annotations

import base64
import logging
import os
import subprocess
from collections.abc import Callable, Generator, Iterator
from pathlib import Path
from typing import Any

import pytest

from extagents.testing.redis_server import RedisServer

CORE = "Vq7Zk2Xw9TjRb4LmHs8c"  # stands in all of them; letters and digits alone, so that quoting changes nothing
API_KEY = f"sk-{CORE}-0aD3"
OTHER_KEY = f"lc.{CORE}.9fE1"  # a LangChain model's
PASSWORD = f"{CORE}@:/?#[]%&+ é"  # Redis', with every letter that means something in a URL
PLAIN_PASSWORD = f"{CORE}-redis"
PLANTED = "planted"


def _base64(raw: bytes) -> Iterator[bytes]:
    """The text in base64, whatever stands in front of it: what of it no neighbour has a part in."""
    for before in range(3):
        encoded = base64.b64encode(b"\0" * before + raw)
        yield encoded[-(-before * 8 // 6) : (before + len(raw)) * 8 // 6]


_RAW = CORE.encode()
FORMS = {
    "plain": _RAW,
    "UTF-16": CORE.encode("utf-16-le")[:-1],  # in either order of bytes
    "hexadecimal": _RAW.hex().encode(),
    **{f"base64 ({number})": form for number, form in enumerate(_base64(_RAW))},
}


def form_in(content: bytes | str) -> str | None:
    """In which form a sentinel stands in the content; None if in none."""
    raw = content.encode("utf-8", "surrogatepass") if isinstance(content, str) else content
    return next((name for name, form in FORMS.items() if form in raw), None)


def files_with_sentinels(folder: Path, *, skipping: str = PLANTED) -> list[str]:
    """Every file below the folder that holds a sentinel, or has one in its name, with the form."""
    found: list[str] = []
    for place, folders, names in os.walk(folder):
        folders[:] = [name for name in folders if name != skipping]
        for name in names:
            path = Path(place, name)
            form = form_in(name)
            if form is None and path.is_file() and not path.is_symlink():
                try:
                    form = form_in(path.read_bytes())
                except OSError:  # gone meanwhile, or made unreadable by a test
                    continue
            if form is not None:
                found.append(f"{path} ({form})")
    return found


class Watch(logging.Handler):
    """Notes where a sentinel came to light since it was asked last."""

    def __init__(self) -> None:
        super().__init__(level=logging.NOTSET)
        self._found: list[str] = []

    def look(self, where: str, *contents: Any) -> None:
        for content in contents:
            text = content if isinstance(content, (str, bytes)) else "" if content is None else str(content)
            if (form := form_in(text)) is not None:
                self._found.append(f"{where} ({form})")

    def emit(self, record: logging.LogRecord) -> None:
        told = logging.Formatter().format(record)  # with the traceback, if there is one
        self.look(f"a log record of {record.name}", told, repr(record.args))

    def taken(self) -> list[str]:
        found, self._found = self._found, []
        return found


WATCH = Watch()
_patch = pytest.MonkeyPatch()


def _watched(owner: Any, name: str, where: str) -> None:
    """From now on what the method returns is looked through."""
    original: Callable[..., Any] = getattr(owner, name)

    def wrapper(self: Any, *args: Any, **options: Any) -> Any:
        result = original(self, *args, **options)
        WATCH.look(where, *(result or ()))
        return result

    _patch.setattr(owner, name, wrapper)


def pytest_configure(config: pytest.Config) -> None:
    logging.getLogger().addHandler(WATCH)
    _watched(pytest.CaptureFixture, "readouterr", "captured output")
    _watched(subprocess.Popen, "communicate", "a child process' output")
    close = RedisServer.close

    def closed(server: RedisServer) -> None:
        server.stop()
        WATCH.look("what a Redis server left on disk", *files_of_server(server))
        close(server)

    _patch.setattr(RedisServer, "close", closed)


def files_of_server(server: RedisServer) -> Iterator[bytes]:
    """The contents of what the server wrote: log, append-only file, snapshot."""
    for path in server._folder.rglob("*"):
        if path.is_file():
            yield path.read_bytes()


def pytest_unconfigure(config: pytest.Config) -> None:
    logging.getLogger().removeHandler(WATCH)
    _patch.undo()


def pytest_warning_recorded(warning_message: Any) -> None:
    WATCH.look("a warning", warning_message.message)


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport() -> Generator[None, pytest.TestReport, pytest.TestReport]:
    report = yield
    for title, content in report.sections:
        WATCH.look(title, content)
    if report.longrepr is not None:
        WATCH.look("what a failing test prints", report.longrepr)
    if found := WATCH.taken():
        report.outcome = "failed"
        report.longrepr = "A key or a password came to light in: " + "; ".join(dict.fromkeys(found))
        report.sections = [(title, content) for title, content in report.sections if form_in(content) is None]
    return report


@pytest.hookimpl(wrapper=True, tryfirst=True)
def pytest_sessionfinish(session: pytest.Session) -> Generator[None, Any, Any]:
    result = yield
    config = session.config
    if hasattr(config, "workerinput"):
        return result  # pytest-xdist: the one that started the workers looks through all of their folders
    base = config._tmp_path_factory._basetemp  # type: ignore[attr-defined]
    found = [*WATCH.taken(), *(files_with_sentinels(base) if base is not None and base.exists() else ())]
    if found:
        reporter = config.pluginmanager.get_plugin("terminalreporter")
        if reporter is not None:
            reporter.write_line("")
            for line in found:
                reporter.write_line(f"A key or a password came to light in: {line}", red=True)
        session.exitstatus = pytest.ExitCode.TESTS_FAILED
    return result
