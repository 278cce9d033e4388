"""What every reader of a kind of file takes and gives: records, reasons to refuse, and how much may be unpacked."""

from __future__ import annotations

from typing import Any, NamedTuple

LARGEST_FILE = 1 << 30
"""Bytes of a file, all that is packed in it included, that are read at most: 1 GiB of text is some 250 million tokens."""

MOST_MEMBERS = 100_000
DEEPEST = 4
SKIPPED_FOLDERS = frozenset(
    {"node_modules", "site-packages", "dist-packages", "__pycache__", "__pypackages__", "CVS", "_darcs", "__MACOSX"}
)
"""What neither a folder's reading nor an archive's looks into."""

_BOMB_RATIO = 200
_BOMB_FROM = 32 << 20


class Record(NamedTuple):
    """One document of a file. `id` is "" where the file is the document; `pages` are the offsets at which its pages start.

    `inside` is the path within an archive or a mail, "" for the file itself.
    """

    text: str
    title: str
    id: str = ""
    pages: tuple[int, ...] = ()
    metadata: dict[str, Any] = {}  # noqa: RUF012 - never written to
    inside: str = ""


class Extracted(NamedTuple):
    """What a file holds, what is to be said about it, and what in it could not be read: (path inside, reason)."""

    records: list[Record]
    notices: list[str]
    unreadable: tuple[tuple[str, str], ...] = ()


class Refused(Exception):
    """This file holds no text that can be read; the message is the reason. `lasting`: it will not change with time."""

    def __init__(self, reason: str, *, lasting: bool = True) -> None:
        super().__init__(reason)
        self.lasting = lasting


class Room:
    """How much one file may still unpack, shared by everything that is nested in it: bombs end here."""

    def __init__(self, largest: int = LARGEST_FILE) -> None:
        self.largest = largest
        self.left = largest
        self.members = MOST_MEMBERS
        self._text_left = largest

    def take(self, unpacked: int, packed: int) -> None:
        """Counts so many bytes out of so many packed ones. Raises Refused where they are too many."""
        if unpacked > self.most(packed):
            raise self.too_much(packed)
        self.left -= unpacked

    def give_back(self, unpacked: int) -> None:
        """Bytes that were counted and are now unpacked further: a file is not counted beside what it holds."""
        self.left = min(self.largest, self.left + unpacked)

    def member(self) -> None:
        """Counts one member. Raises Refused where there are too many."""
        if self.members <= 0:
            raise Refused(f"more than {MOST_MEMBERS:,} members; not read")
        self.members -= 1

    def most(self, packed: int) -> int:
        """The bytes that so many packed ones may unpack to."""
        return min(self.left, _most_of(packed))

    def too_much(self, packed: int) -> Refused:
        """The reason why a file of so many packed bytes is not unpacked."""
        if self.left < _most_of(packed):
            return Refused(f"unpacks to more than {self.largest:,} bytes in all, the most that is read; split it")
        return Refused(f"unpacks to more than {_most_of(packed):,} bytes from {packed:,}; not read")

    def write(self, written: int, before: int, packed: int) -> int:
        """Counts characters of text as they are made, `before` having been made of the same file; their sum.

        A few bytes that are shown again and again are a bomb, too. Raises Refused where they are too many.
        """
        if before + written > _most_of(packed):
            raise Refused(f"unpacks to more than {_most_of(packed):,} characters from {packed:,} bytes; not read")
        if written > self._text_left:
            raise Refused(f"unpacks to more than {self.largest:,} characters in all, the most that is read; split it")
        self._text_left -= written
        return before + written


def _most_of(packed: int) -> int:
    return max(_BOMB_FROM, _BOMB_RATIO * max(1, packed))


class Reading(NamedTuple):
    """How a file is to be read: named fields of records, the room left, and how deep in other files it lies."""

    room: Room
    text_field: str | None = None
    title_field: str | None = None
    depth: int = 0


def said(error: OSError) -> str:
    """What the operating system said, in a few words."""
    return (error.strerror or type(error).__name__).lower()
