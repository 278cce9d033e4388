"""Which files lie under the given paths: in a steady order, ignore rules obeyed, nothing outside of a given folder."""

from __future__ import annotations

import os
import stat
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from extagents.corpus.formats.base import SKIPPED_FOLDERS
from extagents.corpus.formats.base import said as said
from extagents.types import Unreadable

if TYPE_CHECKING:
    from pathspec import GitIgnoreSpec

_IGNORE_FILES = (".gitignore", ".ignore")
_DEEPEST = 64


class File(NamedTuple):
    """A file to read: where it is, its id (its path under the root, or its name), the root's name, and its state on disk.

    `given` says that the file was named itself. `state` is (size in bytes, mtime, ctime, inode), times in nanoseconds.
    """

    path: Path
    id: str
    root: str
    given: bool
    state: tuple[int, int, int, int]


def find_files(paths: Sequence[Path]) -> tuple[list[File], list[Unreadable]]:
    """The files under the paths, sorted within each folder, and what cannot be read there. A file is listed once.

    In folders, hidden files, version control, virtual environments, installed packages and what `.gitignore` names are skipped;
    links that lead out of the folder are listed as unreadable, links to folders are not followed.
    """
    files: list[File] = []
    unreadable: list[Unreadable] = []
    seen: set[tuple[int, int]] = set()
    for path in paths:
        found = _walk(path) if path.is_dir() else iter([_file(path, path.name, path.name, given=True)])
        for item in found:
            if isinstance(item, Unreadable):
                unreadable.append(item)
                continue
            status = item.path.stat()
            if (status.st_dev, status.st_ino) not in seen:
                seen.add((status.st_dev, status.st_ino))
                files.append(item)
    return files, unreadable


def _file(path: Path, name: str, root: str, *, given: bool) -> File | Unreadable:
    try:
        status = path.stat()
    except OSError as error:
        return Unreadable(path=str(path), reason=said(error))
    if not stat.S_ISREG(status.st_mode):
        return Unreadable(path=str(path), reason="not a regular file")
    state = (status.st_size, status.st_mtime_ns, status.st_ctime_ns, status.st_ino)
    return File(path, _printable(name), _printable(root), given, state)


def _walk(root: Path) -> Iterator[File | Unreadable]:
    real = root.resolve()
    yield from _folder(root, "", real, [], 0)


def _folder(
    folder: Path, prefix: str, root: Path, rules: list[tuple[str, GitIgnoreSpec]], depth: int
) -> Iterator[File | Unreadable]:
    try:
        with os.scandir(folder) as entries:
            listed = sorted(entries, key=lambda entry: entry.name)
    except OSError as error:
        yield Unreadable(path=str(folder), reason=said(error))
        return
    names = {entry.name for entry in listed}
    if depth and "pyvenv.cfg" in names:
        return
    if depth > _DEEPEST:
        yield Unreadable(path=str(folder), reason=f"lies more than {_DEEPEST} folders deep")
        return
    for name in _IGNORE_FILES:
        if name in names and (spec := _rules(folder / name)):
            rules = [*rules, (prefix, spec)]
    for entry in listed:
        if entry.name.startswith(".") or entry.name in SKIPPED_FOLDERS:
            continue
        relative = prefix + entry.name
        is_folder = entry.is_dir(follow_symlinks=False)
        if _ignored(relative + "/" if is_folder else relative, rules):
            continue
        path = folder / entry.name
        if is_folder:
            yield from _folder(path, relative + "/", root, rules, depth + 1)
        elif entry.is_symlink() and (reason := _astray(path, root)):
            yield Unreadable(path=str(path), reason=reason)
        elif not path.is_dir():
            yield _file(path, relative, root.name, given=False)


def _astray(link: Path, root: Path) -> str | None:
    """Why a link is not followed, or None."""
    try:
        inside = link.resolve().is_relative_to(root)
    except (OSError, RuntimeError):
        # Python 3.11 and 3.12 raise RuntimeError for a loop; from 3.13 on opening the link says so.
        return "a link that leads to itself"
    return None if inside else "a link that leads out of the folder is not followed"


def _rules(path: Path) -> GitIgnoreSpec | None:
    from pathspec import GitIgnoreSpec

    try:
        return GitIgnoreSpec.from_lines(path.read_text(encoding="utf-8", errors="replace").splitlines())
    except (OSError, ValueError):
        # An ignore file that cannot be understood ignores nothing: reading too much is the safer mistake.
        return None


def _ignored(relative: str, rules: Sequence[tuple[str, GitIgnoreSpec]]) -> bool:
    """The innermost ignore file that says anything about the path decides, as in git."""
    for prefix, spec in reversed(rules):
        verdict = spec.check_file(relative[len(prefix) :]).include
        if verdict is not None:
            return verdict
    return False


def _printable(name: str) -> str:
    """File names that are no valid Unicode carry surrogates, which nothing later could write."""
    return name.replace(os.sep, "/").encode("utf-8", "replace").decode("utf-8")
