"""Archives (zip, tar): every member a document of its own, read in memory; nothing is ever written to disk."""

from __future__ import annotations

import io
import tarfile
import zipfile
import zlib
from pathlib import PurePosixPath

from extagents.corpus.formats.base import SKIPPED_FOLDERS, Extracted, Reading, Refused, Room
from extagents.corpus.formats.nested import Members
from extagents.corpus.formats.text import sound
from extagents.corpus.formats.zipped import ENCRYPTED, member, member_name, open_zip

_LINK = 0o120000
_KIND = 0o170000
_DAMAGED = "damaged archive"


def read(name: str, data: bytes, reading: Reading) -> Extracted:
    """The members in the archive's order. Raises Refused where it is damaged, a bomb, or of another kind."""
    if data.startswith(b"PK"):
        return _zip(data, reading)
    if name.lower().endswith(".zip"):
        raise Refused(_DAMAGED)
    return _tar(data, reading)


def _zip(data: bytes, reading: Reading) -> Extracted:
    members = Members(reading)
    with open_zip(data, reading.room, "archive") as archive:
        for info in sorted(archive.infolist(), key=lambda info: info.header_offset):
            path = sound(member_name(info)).replace("\\", "/")
            if info.is_dir() or _is_hidden(path):
                continue
            reading.room.member()
            if reason := _unsafe(path):
                members.refuse(path, reason)
            elif info.external_attr >> 16 & _KIND == _LINK:
                members.refuse(path, "a link in an archive is not followed")
            elif info.flag_bits & ENCRYPTED:
                members.refuse(path, "encrypted; remove its password")
            elif reason := _refused(path):
                members.refuse(path, reason)
            else:
                try:
                    content = member(archive, info, "member of the archive")
                except Refused as refused:
                    members.refuse(path, str(refused))
                    continue
                members.add(path, content)
    return members.extracted([])


def _tar(data: bytes, reading: Reading) -> Extracted:
    members = Members(reading)
    reading.room.give_back(len(data))
    path = ""
    try:
        with tarfile.open(fileobj=io.BytesIO(data), mode="r:") as archive:
            for info in archive:
                path = sound(info.name).replace("\\", "/").removeprefix("./")
                if info.isdir() or _is_hidden(path):
                    continue
                reading.room.member()
                _tar_member(archive, info, path, members, reading.room, len(data))
            # tarfile takes a broken header for the end.
            whole = not data[archive.offset : archive.offset + tarfile.BLOCKSIZE].strip(b"\0")
    except (tarfile.TarError, EOFError, OSError, ValueError, zlib.error, zipfile.BadZipFile) as error:
        if not members.found:
            raise Refused(_DAMAGED) from error
        whole = False
    if not whole:
        members.notice(f"cut off or damaged: read as far as it goes (to {path})")
    return members.extracted([])


def _tar_member(archive: tarfile.TarFile, info: tarfile.TarInfo, path: str, members: Members, room: Room, packed: int) -> None:
    if reason := _unsafe(path):
        members.refuse(path, reason)
    elif info.issym() or info.islnk():
        members.refuse(path, "a link in an archive is not followed")
    elif not info.isreg():
        members.refuse(path, "not a regular file")
    elif reason := _refused(path):
        members.refuse(path, reason)
    elif (stream := archive.extractfile(info)) is not None:
        try:
            # A sparse file says of itself that it is large.
            room.take(info.size, packed)
        except Refused as refused:
            members.refuse(path, str(refused))
            return
        members.add(path, stream.read())


def _is_hidden(path: str) -> bool:
    """What a folder's reading skips is skipped here as well."""
    parts = PurePosixPath(path).parts
    return any(part in SKIPPED_FOLDERS or (part.startswith(".") and part not in (".", "..")) for part in parts)


def _unsafe(path: str) -> str | None:
    parts = PurePosixPath(path).parts
    if not parts or path.startswith("/") or ".." in parts or (len(path) > 1 and path[1] == ":") or "\0" in path:
        return "a name that leads out of the archive; not read"
    return None


def _refused(path: str) -> str | None:
    """Why a member is not even unpacked."""
    from extagents.corpus.formats import refusal

    return refusal(path.rpartition("/")[2])
