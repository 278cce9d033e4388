"""The questions of a batch: what may be given as one, and files of them."""

from __future__ import annotations

import csv
import hashlib
import json
import os
from collections.abc import Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TextIO

from extagents.errors import InputError, SettingsError
from extagents.request import Request, request_of

FIELDS = ("id", "question", "over", "instructions", "history")
PARQUET = (".parquet", ".pq")
LONGEST = 64 << 20  # characters of a field in CSV


@dataclass(frozen=True, slots=True)
class Question:
    """A question of a batch. `over` is None where it is asked over what all are; `problem` says why it cannot be asked."""

    id: str
    text: str
    over: Any = None
    instructions: str = ""
    history: tuple[Any, ...] = ()
    problem: InputError | None = None

    def request(self, over: Any, run: str) -> Request:
        """The request for it. Raises `InputError` where it cannot be asked."""
        if self.problem is not None:
            raise self.problem
        return request_of(self.text, over, self.instructions, self.history, None, run, True)

    def key(self) -> str:
        """What tells it from every other question: its text, and all that goes with it but its input."""
        hashed = hashlib.blake2b(digest_size=10)
        for part in (self.id, self.text, self.instructions, json.dumps([str(turn) for turn in self.history])):
            hashed.update(part.encode("utf-8", "surrogatepass") + b"\0")
        return hashed.hexdigest()


def questions_of(given: Iterable[Any]) -> list[Question]:
    """The questions given: texts, or mappings with question and maybe id, over, instructions and history.

    An id is the place in the list, from 1, where none is given ("3+" where another has that one). One that cannot be asked has
    its `problem`. Raises `InputError` for what is no list of questions, and for two questions of one id.
    """
    if isinstance(given, (str, bytes, Mapping)):
        raise InputError("The questions are no list.", hint="Give a list of questions; one question is for `ask`.")
    entries = list(given)
    taken = {str(entry["id"]) for entry in entries if isinstance(entry, Mapping) and entry.get("id") not in (None, "")}
    made = [_question(entry, number, taken) for number, entry in enumerate(entries, start=1)]
    if not made:
        raise InputError("There are no questions.", hint="Give at least one.")
    seen: dict[str, int] = {}
    for number, question in enumerate(made, start=1):
        if (first := seen.setdefault(question.id, number)) != number:
            raise InputError(
                f"Questions {first} and {number} have the same id {question.id!r}.",
                hint="Give every question an id of its own.",
            )
    return made


def _question(entry: Any, number: int, taken: Collection[str]) -> Question:
    implicit = str(number)
    while implicit in taken:
        implicit += "+"
    if isinstance(entry, str):
        entry = {"question": entry}
    if not isinstance(entry, Mapping):
        problem = InputError(f"Question {number} is no text but {type(entry).__name__}.", hint='Give "…" or {"question": "…"}.')
        return Question(implicit, "", problem=problem)
    told = entry.get("id")
    known = implicit if told is None or told == "" else str(told).encode("utf-8", "replace").decode()
    text, instructions = entry.get("question"), entry.get("instructions") or ""
    history = entry.get("history") or ()
    over = entry.get("over") or None
    if not isinstance(text, str) or not text.strip():
        return Question(known, "", problem=InputError(f"Question {known!r} has no text.", hint='Give it a "question".'))
    if not isinstance(instructions, str) or not isinstance(history, (list, tuple)):
        problem = InputError(f"Question {known!r}: instructions or history are not understood.", hint="See docs/batch.md.")
        return Question(known, text, problem=problem)
    question = Question(known, text.encode("utf-8", "replace").decode(), over, instructions, tuple(history))
    try:
        question.request((), "")
    except InputError as problem:
        return Question(known, text, problem=problem)
    return question


# ------------------------------------------------------------------ files


def read_questions(path: Path) -> list[Question]:
    """The questions in a file: JSONL (or a JSON list), CSV with a header, TSV, or Parquet.

    A line that is no question has its problem, and the rest is read. Raises `InputError` where the file cannot be read or
    holds no questions, `SettingsError` where Parquet's library is missing.
    """
    suffix = path.suffix.lower()
    try:
        if suffix in PARQUET:
            entries = list(_parquet(path))
        elif suffix in (".csv", ".tsv"):
            with path.open(encoding="utf-8-sig", newline="") as file:
                entries = list(_table(file, path, "\t" if suffix == ".tsv" else ","))
        else:
            entries = list(_lines(path.read_text(encoding="utf-8-sig")))
    except csv.Error as error:
        raise InputError(f"{path} cannot be read: {error}.", hint="Give CSV with a header.") from None
    except UnicodeDecodeError:
        raise InputError(f"{path} cannot be read: it is not UTF-8.", hint="Give JSONL, CSV or Parquet.") from None
    except OSError as error:
        raise InputError(
            f"{path} cannot be read: {(error.strerror or str(error)).lower()}.", hint="Give a file of questions."
        ) from None
    if not entries:
        raise InputError(f"{path} holds no questions.", hint='Write {"id": "1", "question": "…"} a line.')
    return questions_of(entries)


def _lines(text: str) -> Iterator[Any]:
    if text.lstrip().startswith("["):
        try:
            listed = json.loads(text)
        except ValueError:
            listed = None
        if isinstance(listed, list):
            yield from listed
            return
    for line in text.split("\n"):
        if line.strip():
            try:
                yield json.loads(line)
            except ValueError:
                yield None


def _table(file: TextIO, path: Path, delimiter: str) -> Iterator[dict[str, Any]]:
    csv.field_size_limit(LONGEST)
    rows = csv.DictReader(file, delimiter=delimiter)
    names = {(name or "").strip().lower(): name for name in rows.fieldnames or ()}
    if "question" not in names:
        raise InputError(
            f"{path} has no column named question.",
            hint=f"Columns: {', '.join(filter(None, names)) or 'none'}. Name one question.",
        )
    for row in rows:
        told = {field: row[names[field]] for field in FIELDS if field in names}
        if isinstance(history := told.get("history"), str) and history:
            try:
                told["history"] = json.loads(history)
            except ValueError:
                told["history"] = history
        yield told


def _parquet(path: Path) -> Iterator[dict[str, Any]]:
    parquet = parquet_module()
    try:
        table = parquet.read_table(os.fspath(path))
    except ValueError as error:  # ArrowInvalid
        raise InputError(
            f"{path} is no Parquet file that can be read: {error}".rstrip(".") + ".", hint="Give another."
        ) from None
    if "question" not in table.column_names:
        raise InputError(
            f"{path} has no column named question.", hint=f"Columns: {', '.join(table.column_names)}. Name one question."
        )
    yield from table.select([name for name in table.column_names if name in FIELDS]).to_pylist()


def parquet_module() -> Any:
    """pyarrow's Parquet. Raises `SettingsError` where it is not installed."""
    try:
        import pyarrow.parquet
    except ImportError:
        raise SettingsError("Parquet needs pyarrow.", hint='pip install "extagents[parquet]"') from None
    return pyarrow.parquet
