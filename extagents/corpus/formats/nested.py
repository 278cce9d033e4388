"""Files within files: each is read as what it is, its path inside in front, until the room is used up."""

from __future__ import annotations

from extagents.corpus.formats.base import DEEPEST, Extracted, Reading, Record, Refused


class Members:
    """Collects what the members of one file hold."""

    def __init__(self, reading: Reading) -> None:
        self._reading = reading._replace(depth=reading.depth + 1)
        self._records: list[Record] = []
        self._notices: list[str] = []
        self._unreadable: list[tuple[str, str]] = []

    def add(self, path: str, data: bytes) -> None:
        """Reads a member; what cannot be read is listed. `path` is within the file, parted by slashes."""
        from extagents.corpus.formats import PACKED, extract, unpacked_name
        from extagents.corpus.formats.packed import unpack

        name = path.rpartition("/")[2]
        try:
            if self._reading.depth > DEEPEST:
                raise Refused(f"lies more than {DEEPEST} files deep in others")
            inner, packing = unpacked_name(name)
            if packing in PACKED:
                unpacked = unpack(data, packing, self._reading.room)
                self._reading.room.give_back(len(data))
                data = unpacked
            found = extract(inner, data, reading=self._reading)
        except Refused as refused:
            if str(refused) != "empty":
                self.refuse(path, str(refused))
            return
        self._records += [
            record._replace(inside=f"{path}/{record.inside}" if record.inside else path) for record in found.records
        ]
        self._notices += [f"{path}: {notice}" for notice in found.notices]
        self._unreadable += [(f"{path}/{inside}" if inside else path, reason) for inside, reason in found.unreadable]

    def refuse(self, path: str, reason: str) -> None:
        """Lists a member that is not read."""
        self._unreadable.append((path, reason))

    def notice(self, notice: str) -> None:
        """Says something about the file itself."""
        self._notices.append(notice)

    @property
    def found(self) -> bool:
        """Whether anything was read so far."""
        return bool(self._records)

    def extracted(self, first: list[Record]) -> Extracted:
        """All that was found, `first` in front."""
        return Extracted([*first, *self._records], self._notices, tuple(self._unreadable))
