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
from extagents.corpus.formats import Extracted, Record
from extagents.private import FILE, FOLDER, make_folder, new_file

FORMAT = 1
"""Version of the layout and of the extraction: entries of another version are not found."""

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
        key = json.dumps([FORMAT, [str(path.absolute()) for path in paths], list(fields)])
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
        except (OSError, ValueError, KeyError, TypeError):
            return lambda file: None

        def look_up(file: File) -> Extracted | None:
            item = held.get(str(file.path))
            # A file changed within a tick of the clock of being read may look unchanged: it is read again.
            if item is None or tuple(item["state"]) != file.state or max(file.state[1:3]) > header["time"] - _RACY_NS:
                return None
            records = [
                Record(text[start:end].decode("utf-8"), title, identity, tuple(pages), metadata)
                for start, end, title, identity, pages, metadata in item["records"]
            ]
            return Extracted(records, item["notices"])

        return look_up

    def keep_sources(self, entry: Path, files: Sequence[tuple[File, Extracted]], *, began: int) -> None:
        """Stores what the files hold. `began` is when reading began, in nanoseconds since the epoch."""
        parts: list[bytes] = []
        listed: list[dict[str, Any]] = []
        place = 0
        for file, extracted in files:
            records = []
            for record in extracted.records:
                part = record.text.encode("utf-8")
                records.append([place, place + len(part), record.title, record.id, record.pages, record.metadata])
                parts.append(part)
                place += len(part)
            listed.append({"path": str(file.path), "state": file.state, "notices": extracted.notices, "records": records})
        header = json.dumps({"time": began, "files": listed}).encode("utf-8")
        body = b"".join([header, *parts])
        packed = len(header).to_bytes(8, "big") + hashlib.blake2b(body, digest_size=32).digest() + body
        self._write(entry, packed)
        self._prune(self.folder / "sources")

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
        self._prune(self.folder / "content")

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

    def _prune(self, folder: Path) -> None:
        """Keeps the entries used last, and removes what a killed process left a day ago."""
        try:
            entries = sorted(folder.iterdir(), key=lambda entry: entry.stat().st_mtime, reverse=True)
            yesterday = time.time() - 86_400
            stale = [entry for entry in entries if entry.name.startswith(".") and entry.stat().st_mtime < yesterday]
            for entry in [*[entry for entry in entries if not entry.name.startswith(".")][_MOST_ENTRIES:], *stale]:
                if entry.is_dir():
                    shutil.rmtree(entry, ignore_errors=True)
                else:
                    entry.unlink(missing_ok=True)
        except OSError as error:
            # Another process prunes at the same time.
            _log.info("cache not pruned: %s", said(error))


def _sizes(folder: Path) -> dict[str, int]:
    """The bytes of every file in a folder: enough to see one that was cut off."""
    return {path.relative_to(folder).as_posix(): path.stat().st_size for path in sorted(folder.rglob("*")) if path.is_file()}


def _digest(data: bytes) -> str:
    return hashlib.blake2b(data, digest_size=16).hexdigest()
