"""Folders and files for their owner's eyes, whatever the umask says; what is there already is left as it is."""

from __future__ import annotations

import contextlib
import os
from pathlib import Path

FOLDER, FILE = 0o700, 0o600


def make_folder(folder: Path) -> None:
    """Makes the folder and those above it that are missing (0700)."""
    for missing in reversed([path for path in (folder, *folder.parents) if not path.exists()]):
        with contextlib.suppress(FileExistsError):  # another process made it meanwhile
            missing.mkdir(mode=FOLDER)
            missing.chmod(FOLDER)  # a strict umask would take the owner's own rights


def new_file(path: Path) -> int:
    """A descriptor of a new file (0600), open for reading and writing. Raises `FileExistsError`."""
    descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_EXCL | getattr(os, "O_BINARY", 0), FILE)
    try:
        os.chmod(path, FILE)
    except BaseException:
        os.close(descriptor)
        raise
    return descriptor


def make_file(path: Path) -> None:
    """Makes an empty file (0600) and the folders above it; a file that is there stays."""
    make_folder(path.parent)
    with contextlib.suppress(FileExistsError):
        os.close(new_file(path))
