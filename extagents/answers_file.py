"""The file that a batch's answers are written to: a line a question, appended as it is answered, never half a line."""

from __future__ import annotations

import contextlib
import errno
import json
import os
import tempfile
from collections.abc import Iterable, Mapping
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from extagents.errors import InputError, RunError
from extagents.questions import PARQUET, parquet_module
from extagents.types import Answer

Line = dict[str, Any]


class AnswersFile:
    """Answers by id in a JSONL file, or in a Parquet file, which is written when the batch ends.

    What an earlier start wrote is read and kept: `done` are the ids that need no asking. Lines are only appended, each whole;
    the last one of an id counts, and earlier ones are dropped at the end. A line that was torn by a crash is dropped. Until a
    Parquet file is written, its lines stand beside it in `NAME.parquet.jsonl`. One process at a time has the file. Raises
    `InputError` for a place that cannot be written or holds something else; what stands there is not touched then.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self._target = path.resolve()
        self._parquet = parquet_module() if path.suffix.lower() in PARQUET else None
        self._lines = self._target.with_name(self._target.name + ".jsonl") if self._parquet is not None else self._target
        self._held: dict[str, Line] = {}
        self._file: int | None = None
        self._end = 0  # bytes of whole lines
        self._created = self._written = self._twice = False

    def __enter__(self) -> Self:
        for place in {self._target, self._lines}:
            if place.exists() and not place.is_file():
                raise InputError(f"{self.path} is no plain file.", hint="Name a file: --out ANSWERS.jsonl")
        try:
            if self._parquet is not None and self._target.exists():
                table = self._parquet.read_table(os.fspath(self._target))
                self._held = {row["id"]: _ours(json.loads(row["json"])) for row in table.select(["id", "json"]).to_pylist()}
            self._created = not self._lines.exists()
            self._file = os.open(self._lines, os.O_RDWR | os.O_APPEND | os.O_CREAT, 0o644)
            self._lock()
            self._read(self._file)
        except OSError as error:
            self._let_go()
            reason = (error.strerror or str(error)).lower()
            raise InputError(
                f"{self.path} cannot be written: {reason}.", hint="Name a file in a folder that is there."
            ) from None
        except (ValueError, KeyError, TypeError):
            self._let_go()
            raise InputError(
                f"{self.path} holds something else than a batch's answers.", hint="Name another file with --out."
            ) from None
        except BaseException:
            self._let_go()
            raise
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        try:
            if self._parquet is not None and self._written:
                self._write_table()
            elif self._twice:
                self._compact()
        finally:
            self._let_go()

    @property
    def done(self) -> frozenset[str]:
        """The ids that have an answer, or none that could be found; not those that failed or were left half way."""
        return frozenset(known for known, line in self._held.items() if "error" not in line and not line.get("partial"))

    @property
    def written(self) -> bool:
        """Whether a line was written since it was opened."""
        return self._written

    def put(self, known: str, answer: Answer) -> None:
        """Writes a question's line. Raises `RunError` where the disk is full; what was written before stays as it was."""
        line: Line = (
            {"id": known, **answer.model_dump(mode="json")} if answer.error is None else {"id": known, "error": answer.error}
        )
        try:
            self._append(_encoded(line))
        except OSError as error:
            raise RunError(
                f"{self.path} cannot be written: {(error.strerror or str(error)).lower()}.",
                hint="Free some space and start the same command again: it goes on where it stopped.",
                retryable=True,
            ) from None
        self._twice = self._twice or known in self._held
        self._held[known] = line

    def _append(self, data: bytes) -> None:
        assert self._file is not None
        if os.fstat(self._file).st_size > self._end:
            os.ftruncate(self._file, self._end)  # what a process that was killed had half written
        written = os.write(self._file, data)
        if written < len(data):  # a disk that is full: no half lines
            os.ftruncate(self._file, self._end)
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        self._end += written
        self._written = True

    def _lock(self) -> None:
        """Keeps other processes away until the file is closed."""
        with contextlib.suppress(ImportError):  # there is none on Windows; the batch's lease keeps them apart there
            import fcntl

            assert self._file is not None
            try:
                fcntl.flock(self._file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except OSError:
                self._created = False
                raise InputError(
                    f"Another process is writing to {self.path}.", hint="Wait for it, or name another file with --out."
                ) from None

    def _read(self, file: int) -> None:
        """Takes the whole lines in. Raises ValueError, KeyError or TypeError for what is no answer of a batch."""
        data = Path(self._lines).read_bytes()
        whole, _, torn = data.rpartition(b"\n")
        for raw in whole.split(b"\n"):
            if raw.strip():
                line = _ours(json.loads(raw))
                self._twice = self._twice or line["id"] in self._held
                self._held[line["id"]] = line
        if torn.strip() and not whole.strip() and not torn.startswith(b'{"id": '):
            raise ValueError
        self._end = len(data) - len(torn)

    def _compact(self) -> None:
        """One line for every id, all of them or none."""
        mode = self._lines.stat().st_mode & 0o777
        handle, made = tempfile.mkstemp(dir=self._lines.parent, prefix=f".{self._lines.name}.")
        try:
            with os.fdopen(handle, "wb") as file:
                file.writelines(map(_encoded, self._held.values()))
                file.flush()
                os.fsync(file.fileno())
            os.chmod(made, mode)
            os.replace(made, self._lines)
        finally:
            with contextlib.suppress(OSError):
                os.unlink(made)

    def _write_table(self) -> None:
        import pyarrow

        handle, made = tempfile.mkstemp(dir=self._target.parent, prefix=f".{self._target.name}.")
        os.close(handle)
        try:
            table = pyarrow.Table.from_pylist([_row(line) for line in self._held.values()], schema=_schema(pyarrow))
            assert self._parquet is not None
            self._parquet.write_table(table, made)
            os.chmod(made, self._lines.stat().st_mode & 0o777)
            os.replace(made, self._target)
            self._lines.unlink(missing_ok=True)
        finally:
            with contextlib.suppress(OSError):
                os.unlink(made)

    def _let_go(self) -> None:
        if self._file is None:
            return
        if self._created and not self._written:
            with contextlib.suppress(OSError):
                self._lines.unlink()  # nothing was answered: nothing is left behind
        os.close(self._file)
        self._file = None


def _ours(line: Any) -> Line:
    """The line, if it is one of a batch's answers. Raises ValueError, KeyError or TypeError."""
    if "answer" not in line and "error" not in line:
        raise ValueError("no answer")
    if not isinstance(line["id"], str):
        raise TypeError("no id of ours")
    return dict(line)


COLUMNS = (
    "id",
    "answer",
    "answered",
    "confidence",
    "kind",
    "partial",
    "stopped_by",
    "model",
    "run_id",
    "seconds",
    "error",
    "json",
)


def _row(line: Mapping[str, Any]) -> Line:
    """A line as a table's row: what is asked of most, and the whole line as JSON."""
    told = {name: line.get(name) for name in COLUMNS}
    told["id"] = str(line["id"])
    told["error"] = None if line.get("error") is None else line["error"]["message"]
    told["json"] = json.dumps(line, ensure_ascii=False)
    return told


def _schema(pyarrow: Any) -> Any:
    kinds = {
        "answered": pyarrow.bool_(),
        "partial": pyarrow.bool_(),
        "confidence": pyarrow.float64(),
        "seconds": pyarrow.float64(),
    }
    return pyarrow.schema([(name, kinds.get(name, pyarrow.string())) for name in COLUMNS])


def _encoded(line: Mapping[str, Any]) -> bytes:
    return json.dumps(line, ensure_ascii=False).encode("utf-8", "replace") + b"\n"


def missing(questions: Iterable[Any], done: frozenset[str]) -> list[Any]:
    """The questions that are still to be asked."""
    return [question for question in questions if question.id not in done]
