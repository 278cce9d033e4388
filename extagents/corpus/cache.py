"""What was worked out about a corpus, kept on disk: extracted text by where it came from, the rest by what it says.

    sources/<hash of the paths>         what every file held, with the file's state: only a changed file is read again
    content/<fingerprint>/counts.json   tokens
    content/<fingerprint>/shards-….json
    content/<fingerprint>/index/

Every entry is written beside its place and moved there in one step, so that processes may build at once and one that is
killed leaves nothing half done. An entry that cannot be read back is made anew. JSON, text and arrays only; owner's rights.
"""

from __future__ import annotations

import hashlib
import json
import logging
import os
import secrets
import shutil
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from extagents.corpus.files import File, said
from extagents.corpus.formats import Extracted
from extagents.corpus.storing import described, recovered
from extagents.errors import SettingsError
from extagents.private import FILE, FOLDER, make_folder, new_file

FORMAT = 3
"""Version of the layout, of the extraction and of the sharding: entries of another version are not found."""

MOST_BYTES = 10 << 30
"""Bytes that the cache takes at most, unless EXTAGENTS_CACHE_BYTES says otherwise: what was used longest ago goes first."""

_MOST_ENTRIES = 64
_RACY_NS = 100_000_000
_log = logging.getLogger(__name__)


def default_folder() -> Path:
    """The user's cache folder, or what EXTAGENTS_CACHE names."""
    import platformdirs

    named = os.environ.get("EXTAGENTS_CACHE")
    return Path(named) if named else platformdirs.user_cache_path("extagents") / "corpora"


class Cache:
    """The cache under one folder. Reading gives None where there is nothing usable; writing never fails the caller."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.most = _most_bytes()

    def trouble(self) -> str | None:
        """Why the cache cannot be written (a read-only or full disk), or None."""
        try:
            probe = self._beside(self.folder / "probe")
            os.close(new_file(probe))
            probe.unlink()
        except OSError as error:
            return said(error)
        return None

    # ------------------------------------------------------------------ sources

    def sources(self, paths: Sequence[Path], fields: Sequence[str | None]) -> Path:
        """Where the entry of these paths, read with these fields, lies."""
        key = json.dumps([FORMAT, _release(), [str(path.absolute()) for path in paths], list(fields)])
        return self.folder / "sources" / _digest(key.encode("utf-8", "surrogatepass"))

    def known(self, entry: Path) -> Callable[[File], Extracted | None]:
        """What each file held when it was read last; None for one that is new or has changed since."""
        try:
            packed = entry.read_bytes()
            size = int.from_bytes(packed[:8], "big")
            body = packed[40:]
            if hashlib.blake2b(body, digest_size=32).digest() != packed[8:40]:
                raise ValueError("checksum")
            header = json.loads(body[:size])
            text = body[size:]
            held = {item["path"]: item for item in header["files"]}
            os.utime(entry)
        except (OSError, ValueError, KeyError, TypeError):
            return lambda file: None

        def look_up(file: File) -> Extracted | None:
            item = held.get(str(file.path))
            # A file changed within a tick of the clock of being read may look unchanged: it is read again.
            if item is None or tuple(item["state"]) != file.state or max(file.state[1:3]) > item["time"] - _RACY_NS:
                return None
            try:
                return recovered(item, text)
            except (ValueError, KeyError, TypeError):
                return None

        return look_up

    def keep_sources(self, entry: Path, files: Sequence[tuple[File, Extracted]], *, began: int) -> None:
        """Stores what the files hold. `began` is when reading began, in nanoseconds since the epoch."""
        parts: list[bytes] = []
        listed: list[dict[str, Any]] = []
        place = 0
        for file, extracted in files:
            item, place = described(extracted, parts, place)
            listed.append({"path": str(file.path), "state": file.state, "time": began, **item})
        header = json.dumps({"files": listed}).encode("utf-8")
        body = b"".join([header, *parts])
        packed = len(header).to_bytes(8, "big") + hashlib.blake2b(body, digest_size=32).digest() + body
        self._write(entry, packed)
        self._prune()

    # ------------------------------------------------------------------ content

    def read(self, fingerprint: str, name: str) -> Any:
        """A JSON entry of a corpus, or None."""
        path = self._content(fingerprint) / f"{name}.json"
        try:
            return json.loads(path.read_bytes())["value"]
        except (OSError, ValueError, KeyError, TypeError):
            return None

    def keep(self, fingerprint: str, name: str, value: Any) -> None:
        """Stores a JSON entry of a corpus."""
        self._write(self._content(fingerprint) / f"{name}.json", json.dumps({"value": value}).encode("utf-8"))

    def index(self, fingerprint: str) -> Path | None:
        """The folder of a corpus' index, if there is one whose files are as they were; marks the corpus as used."""
        folder = self._content(fingerprint) / "index"
        if not folder.is_dir() or self.read(fingerprint, "index-files") != _sizes(folder):
            return None
        try:
            os.utime(folder.parent)
        except OSError as error:
            _log.info("cache entry not marked as used: %s", said(error))
        return folder

    def keep_index(self, fingerprint: str, save: Callable[[Path], None]) -> None:
        """Stores an index that `save` writes into a folder, in place of an older one."""
        place = self._content(fingerprint) / "index"
        try:
            made = self._beside(place)
            make_folder(made)
            try:
                save(made)
                for path in made.rglob("*"):
                    path.chmod(FOLDER if path.is_dir() else FILE)
                self.keep(fingerprint, "index-files", _sizes(made))
                if place.exists():
                    shutil.move(place, old := self._beside(place))
                    shutil.rmtree(old, ignore_errors=True)
                made.rename(place)
            finally:
                shutil.rmtree(made, ignore_errors=True)
        except OSError as error:
            # Another process may have put the same index there first; a full disk only costs time.
            _log.info("index not cached: %s", said(error))
        self._prune()

    def _content(self, fingerprint: str) -> Path:
        return self.folder / "content" / f"{FORMAT}-{fingerprint}"

    def _write(self, path: Path, data: bytes) -> None:
        try:
            beside = self._beside(path)
            try:
                with os.fdopen(new_file(beside), "wb") as file:
                    file.write(data)
                beside.replace(path)
            finally:
                beside.unlink(missing_ok=True)
        except OSError as error:
            _log.info("not cached: %s", said(error))

    def _beside(self, path: Path) -> Path:
        make_folder(path.parent)
        return path.parent / f".{path.name}.{os.getpid()}.{secrets.token_hex(4)}"

    def _prune(self) -> None:
        """Keeps the entries used last, as many and as large as may be, and removes what a killed process left a day ago."""
        try:
            used = [(path.stat().st_mtime, path) for part in ("sources", "content") for path in _entries(self.folder / part)]
            yesterday = time.time() - 86_400
            gone = [path for when, path in used if path.name.startswith(".") and when < yesterday]
            kept = {"sources": 0, "content": 0}
            size = 0
            for _, path in sorted((entry for entry in used if not entry[1].name.startswith(".")), reverse=True):
                size += sum(_sizes(path).values()) if path.is_dir() else path.stat().st_size
                kept[path.parent.name] += 1
                # What was made just now stays, however large it is.
                if kept[path.parent.name] > _MOST_ENTRIES or (size > self.most and kept[path.parent.name] > 1):
                    gone.append(path)
            for path in gone:
                if path.is_dir():
                    shutil.rmtree(path, ignore_errors=True)
                else:
                    path.unlink(missing_ok=True)
        except OSError as error:
            # Another process prunes at the same time.
            _log.info("cache not pruned: %s", said(error))


def _release() -> str:
    """The version of this package: a new one may read files better."""
    from extagents import __version__

    return __version__


def _entries(folder: Path) -> list[Path]:
    return list(folder.iterdir()) if folder.is_dir() else []


def _most_bytes() -> int:
    """The limit that EXTAGENTS_CACHE_BYTES names, in bytes. Raises SettingsError for what is no number."""
    named = os.environ.get("EXTAGENTS_CACHE_BYTES", "").strip()
    if not named:
        return MOST_BYTES
    if not named.isascii() or not named.isdigit():
        raise SettingsError("EXTAGENTS_CACHE_BYTES is no number of bytes.", hint="Give digits alone, for example 2000000000.")
    return int(named)


def _sizes(folder: Path) -> dict[str, int]:
    """The bytes of every file in a folder: enough to see one that was cut off."""
    return {path.relative_to(folder).as_posix(): path.stat().st_size for path in sorted(folder.rglob("*")) if path.is_file()}


def _digest(data: bytes) -> str:
    return hashlib.blake2b(data, digest_size=16).hexdigest()
