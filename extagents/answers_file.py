"""The file that a batch's answers are written to: a line a question, appended as it is answered, never half a line."""

from __future__ import annotations

import contextlib
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

    What an earlier start wrote is read and kept: `done` are the ids that need no asking. A line that was torn by a crash is
    dropped, one that says that a question failed or was left half way is replaced once there is a better one. Until a Parquet
    file is written, its lines stand beside it in `NAME.parquet.jsonl`. Raises `InputError` for a place that cannot be written.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self._parquet = parquet_module() if path.suffix.lower() in PARQUET else None
        self._lines = path.with_name(path.name + ".jsonl") if self._parquet is not None else path
        self._held: dict[str, Line] = {}
        self._file: int | None = None

    def __enter__(self) -> Self:
        if self.path.is_dir():
            raise InputError(f"{self.path} is a folder.", hint="Name a file: --out ANSWERS.jsonl")
        try:
            if self._parquet is not None and self.path.exists() and not self._lines.exists():
                table = self._parquet.read_table(os.fspath(self.path))
                self._held = {row["id"]: json.loads(row["json"]) for row in table.select(["id", "json"]).to_pylist()}
                self._rewrite()
            elif self._lines.exists():
                self._read()
            self._file = os.open(self._lines, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o644)
        except OSError as error:
            reason = (error.strerror or str(error)).lower()
            raise InputError(
                f"{self.path} cannot be written: {reason}.", hint="Name a file in a folder that is there."
            ) from None
        except (ValueError, KeyError):
            raise InputError(
                f"{self.path} holds something else than a batch's answers.", hint="Name another file with --out."
            ) from None
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        if self._file is not None:
            os.close(self._file)
            self._file = None
        if not self._held:
            with contextlib.suppress(OSError):
                self._lines.unlink()  # nothing was answered: nothing is left behind
        if self._parquet is not None and self._held:
            self._write_table()

    @property
    def done(self) -> frozenset[str]:
        """The ids that have an answer, or none that could be found; not those that failed or were left half way."""
        return frozenset(known for known, line in self._held.items() if "error" not in line and not line.get("partial"))

    def put(self, known: str, answer: Answer) -> None:
        """Writes a question's line. Raises `RunError` where the disk is full; what was written before stays as it was."""
        line: Line = (
            {"id": known, **answer.model_dump(mode="json")} if answer.error is None else {"id": known, "error": answer.error}
        )
        again = known in self._held
        self._held[known] = line
        try:
            if again:
                self._rewrite()
            else:
                self._append(line)
        except OSError as error:
            raise RunError(
                f"{self.path} cannot be written: {(error.strerror or str(error)).lower()}.",
                hint="Free some space and start the same command again: it goes on where it stopped.",
                retryable=True,
            ) from None

    def _append(self, line: Line) -> None:
        assert self._file is not None
        data = _encoded(line)
        before = os.lseek(self._file, 0, os.SEEK_END)
        written = os.write(self._file, data)
        if written < len(data):  # a disk that is full: no half lines
            os.ftruncate(self._file, before)
            os.write(self._file, b"")
            raise OSError(28, "No space left on device")

    def _rewrite(self) -> None:
        """All lines anew, complete or not at all."""
        _replace(self._lines, b"".join(map(_encoded, self._held.values())))
        if self._file is not None:
            os.close(self._file)
            self._file = os.open(self._lines, os.O_WRONLY | os.O_APPEND)

    def _read(self) -> None:
        data = self._lines.read_bytes()
        torn = False
        for raw in data.split(b"\n"):
            if not raw.strip():
                continue
            try:
                line = json.loads(raw)
                self._held[str(line["id"])] = line
            except (ValueError, TypeError):
                if not data.endswith(raw):
                    raise
                torn = True  # the last line of a process that was killed while it wrote
        if torn or (data and not data.endswith(b"\n")):
            self._rewrite()

    def _write_table(self) -> None:
        import pyarrow

        rows = [_row(line) for line in self._held.values()]
        handle, made = tempfile.mkstemp(dir=self.path.parent, prefix=f".{self.path.name}.")
        os.close(handle)
        try:
            table = pyarrow.Table.from_pylist(rows, schema=_schema(pyarrow))
            assert self._parquet is not None
            self._parquet.write_table(table, made)
            os.replace(made, self.path)
            self._lines.unlink()
        finally:
            with contextlib.suppress(OSError):
                os.unlink(made)


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


def _replace(path: Path, data: bytes) -> None:
    handle, made = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
    try:
        with os.fdopen(handle, "wb") as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
        os.chmod(made, 0o644)
        os.replace(made, path)
    finally:
        with contextlib.suppress(OSError):
            os.unlink(made)


def missing(questions: Iterable[Any], done: frozenset[str]) -> list[Any]:
    """The questions that are still to be asked."""
    return [question for question in questions if question.id not in done]
