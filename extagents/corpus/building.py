"""The files of a corpus, read as far as the cache does not know them; what was read is kept though the rest fails."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from pathlib import Path

from extagents.corpus import loaders
from extagents.corpus.cache import Cache
from extagents.corpus.files import File
from extagents.corpus.formats import Extracted

CHECKPOINT = 30.0
"""Seconds of reading after which what was read is kept, should this process be killed."""


def read_files(
    paths: Sequence[Path],
    store: Cache | None,
    *,
    text_field: str | None = None,
    title_field: str | None = None,
    workers: int | None = None,
    on_progress: Callable[[int, int], None] | None = None,
) -> loaders.Loaded:
    """Reads the files that the cache does not know as they are now, and keeps what it learned; see `loaders.load`.

    Two processes that read the same files at once keep what either has: nothing is locked, no one waits, and an entry is
    always whole.
    """
    if store is None or not paths:
        return loaders.load(paths, text_field=text_field, title_field=title_field, workers=workers, on_progress=on_progress)
    entry = store.sources(paths, (text_field, title_field))
    book = _Book(store, entry)
    try:
        loaded = loaders.load(
            paths,
            text_field=text_field,
            title_field=title_field,
            workers=workers,
            known=book.known,
            on_read=book.take,
            on_progress=on_progress,
        )
    except BaseException:
        # Stopped, or out of memory: what is read already need not be read again.
        book.keep()
        raise
    book.close([file for file in loaded.files if file[0].path not in loaded.fleeting])
    return loaded


class _Book:
    """What is known of the files, from before and from now."""

    def __init__(self, store: Cache, entry: Path) -> None:
        self._store = store
        self._entry = entry
        self._began = time.time_ns()
        self._look_up = store.known(entry)
        self._held: dict[File, Extracted] = {}
        self._new = 0
        self._asked: list[File] = []
        self._kept = time.monotonic()

    def known(self, file: File) -> Extracted | None:
        """What a file held, if it has not changed."""
        found = self._look_up(file)
        self._asked.append(file)
        if found is not None:
            self._held[file] = found
        return found

    def take(self, file: File, extracted: Extracted) -> None:
        """Adds what was read just now."""
        self._held[file] = extracted
        self._new += 1
        if time.monotonic() - self._kept > CHECKPOINT:
            self.keep()

    def keep(self) -> None:
        """Writes what is known so far, what another process has found out meanwhile included."""
        if self._new:
            theirs = self._store.known(self._entry)
            for file in self._asked:
                if file not in self._held and (found := theirs(file)) is not None:
                    self._held[file] = found
            self._store.keep_sources(self._entry, list(self._held.items()), began=self._began)
        self._kept = time.monotonic()

    def close(self, files: Sequence[tuple[File, Extracted]]) -> None:
        """Writes all that the corpus holds, if any of it is new."""
        if self._new:
            self._store.keep_sources(self._entry, files, began=self._began)
