"""Tables for other tools: records, data frames with the columns' types, and CSV that no spreadsheet takes for formulas."""

from __future__ import annotations

import csv
import io
import json
import math
import os
import re
import tempfile
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

from extagents.errors import InputError, SettingsError
from extagents.tabular import NAME, CellValue, ColumnType, Scalar, Table, TableRow

SOURCES: tuple[tuple[str, ColumnType], ...] = (
    ("document", "text"),
    ("start", "number"),
    ("end", "number"),
    ("page", "number"),
    ("quote", "text"),
)
"""What is told of each value with `sources`, in columns named like `area.quote`; offsets are characters of the document."""

_FORMULA = re.compile(r"\s*[=+\-@\uff1d\uff0b\uff0d\uff20]|[\t\r\n]")
_NUMBER = re.compile(r"[+-]?\d[\d,]*(?:\.\d+)?(?:[eE][+-]?\d+)?%?")
_INT64 = 2**63


def records(table: Table, *, sources: bool = False) -> list[dict[str, Any]]:
    """One mapping a row: name, then the columns in their order, dates as ISO text; with `sources` also where values stand."""
    return [dict(_fields(table, row, sources=sources)) for row in table.rows]


def _fields(table: Table, row: TableRow, *, sources: bool) -> Iterator[tuple[str, Any]]:
    yield NAME, row.name
    for column in table.columns:
        value = _finite(row.values.get(column.name))
        yield column.name, list(value) if isinstance(value, tuple) else value
        if sources:
            cell = row.cells.get(column.name)
            yield from ((f"{column.name}.{part}", getattr(cell, part, None)) for part, _ in SOURCES)


def _finite(value: CellValue | None) -> CellValue | None:
    """The value; None for what is no number, which neither JSON nor a spreadsheet can tell."""
    return None if isinstance(value, float) and not math.isfinite(value) else value


def _types(table: Table, *, sources: bool) -> dict[str, ColumnType]:
    """The names of all columns in their order, with their types."""
    types: dict[str, ColumnType] = {NAME: "text"}
    for column in table.columns:
        types[column.name] = column.type
        if sources:
            types |= {f"{column.name}.{part}": type_ for part, type_ in SOURCES}
    return types


def _whole(values: list[Any]) -> bool:
    """Whether all numbers are whole and none is longer than 64 bits."""
    return all(
        value is None or ((isinstance(value, int) or value.is_integer()) and -_INT64 <= value < _INT64) for value in values
    )


# ------------------------------------------------------------------ data frames


def to_pandas(table: Table, *, sources: bool = False) -> Any:
    """A `pandas.DataFrame`: Int64 or Float64, datetime64[s] (a month or a year is its first day), string, boolean, lists.

    Raises `SettingsError` where pandas is not installed.
    """
    try:
        import pandas
    except ImportError:
        raise SettingsError(
            "A data frame of pandas needs pandas, which is not installed.", hint='Install it: pip install "extagents[pandas]"'
        ) from None
    rows = records(table, sources=sources)

    def series(name: str, type_: ColumnType) -> Any:
        values = [row[name] for row in rows]
        if type_ == "number":
            if _whole(values):
                return pandas.array([None if value is None else int(value) for value in values], dtype="Int64")
            return pandas.array([None if value is None else float(value) for value in values], dtype="Float64")
        if type_ == "date":
            return pandas.Series([_day(value) for value in values], dtype="datetime64[s]")
        if type_ == "boolean":
            return pandas.array([_truth(value) for value in values], dtype="boolean")
        if type_ == "list":
            return pandas.Series(values, dtype="object")
        return pandas.array([None if value is None else str(value) for value in values], dtype="string")

    return pandas.DataFrame({name: series(name, type_) for name, type_ in _types(table, sources=sources).items()})


def to_polars(table: Table, *, sources: bool = False) -> Any:
    """A `polars.DataFrame`: Int64 or Float64, Date (a month or a year is its first day), String, Boolean, List(String).

    Raises `SettingsError` where polars is not installed.
    """
    try:
        import polars
    except ImportError:
        raise SettingsError(
            "A data frame of polars needs polars, which is not installed.", hint='Install it: pip install "extagents[polars]"'
        ) from None
    rows = records(table, sources=sources)

    def series(name: str, type_: ColumnType) -> Any:
        values = [row[name] for row in rows]
        if type_ == "number":
            dtype, made = (polars.Int64, int) if _whole(values) else (polars.Float64, float)
            return polars.Series(name, [None if value is None else made(value) for value in values], dtype=dtype)
        if type_ == "date":
            days = [None if (day := _day(value)) is None else day.date() for value in values]
            return polars.Series(name, days, dtype=polars.Date)
        if type_ == "boolean":
            return polars.Series(name, [_truth(value) for value in values], dtype=polars.Boolean)
        if type_ == "list":
            return polars.Series(name, values, dtype=polars.List(polars.String))
        return polars.Series(name, [None if value is None else str(value) for value in values], dtype=polars.String)

    return polars.DataFrame([series(name, type_) for name, type_ in _types(table, sources=sources).items()])


def to_arrow(table: Table, *, sources: bool = False) -> Any:
    """A `pyarrow.Table`: int64 or double, date32 (a month or a year is its first day), string, bool, list of string.

    Raises `SettingsError` where pyarrow is not installed.
    """
    try:
        import pyarrow
    except ImportError:
        raise SettingsError(
            "A table of Arrow needs pyarrow, which is not installed.", hint='Install it: pip install "extagents[parquet]"'
        ) from None
    rows = records(table, sources=sources)

    def array(name: str, type_: ColumnType) -> Any:
        values = [row[name] for row in rows]
        if type_ == "number":
            dtype, made = (pyarrow.int64(), int) if _whole(values) else (pyarrow.float64(), float)
            return pyarrow.array([None if value is None else made(value) for value in values], dtype)
        if type_ == "date":
            days = [None if (day := _day(value)) is None else day.date() for value in values]
            return pyarrow.array(days, pyarrow.date32())
        if type_ == "boolean":
            return pyarrow.array([_truth(value) for value in values], pyarrow.bool_())
        if type_ == "list":
            listed = [None if value is None else [_utf8(item) for item in value] for value in values]
            return pyarrow.array(listed, pyarrow.list_(pyarrow.string()))
        return pyarrow.array([None if value is None else _utf8(str(value)) for value in values], pyarrow.string())

    types = _types(table, sources=sources)
    return pyarrow.table([array(name, type_) for name, type_ in types.items()], names=[_utf8(name) for name in types])


def _utf8(text: str) -> str:
    """The text without halves of surrogate pairs, which Arrow does not take."""
    return text.encode("utf-8", "replace").decode()


def _day(value: Scalar | None) -> Any:
    """An ISO date as `datetime`; a month or a year as its first day; None for anything else."""
    from datetime import datetime

    parts = str(value).split("T")[0].split("-") if value is not None else []
    with suppress(ValueError):
        if 1 <= len(parts) <= 3:
            return datetime(*([int(part) for part in parts] + [1] * (3 - len(parts))))  # type: ignore[arg-type]
    return None


def _truth(value: Any) -> bool | None:
    return value if isinstance(value, bool) else None


# ------------------------------------------------------------------ CSV


def to_csv(table: Table, path: str | os.PathLike[str] | None = None, *, sources: bool = False) -> str:
    """The rows as CSV after RFC 4180, lists with "; " between their items (as JSON where an item holds one).

    Text that a spreadsheet would take for a formula gets an apostrophe in front. With `path` the file is written in UTF-8,
    whole or not at all; raises `InputError` where it cannot be.
    """
    made = io.StringIO()
    writer = csv.writer(made, lineterminator="\r\n")
    writer.writerow([_harmless(name) for name in _types(table, sources=sources)])
    for row in table.rows:
        writer.writerow([_written(value) for _, value in _fields(table, row, sources=sources)])
    text = made.getvalue()
    if path is not None:
        _save(text, Path(path))
    return text


def _written(value: CellValue | list[str] | None) -> str:
    if value is None:
        return ""
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, (int, float)):
        return str(int(value)) if isinstance(value, float) and value.is_integer() and abs(value) < 1e15 else str(value)
    if isinstance(value, (list, tuple)):
        told = "; ".join(value)
        value = json.dumps(list(value), ensure_ascii=False) if any(";" in item for item in value) else told
    return _harmless(value)


def _harmless(text: str) -> str:
    """Text that no spreadsheet computes: numbers are left alone."""
    return f"'{text}" if _FORMULA.match(text) and not _NUMBER.fullmatch(text) else text


def _save(text: str, path: Path) -> None:
    """Writes beside the target and then takes its place, so that nobody reads half of it."""
    folder = path.parent
    if not folder.is_dir():
        raise InputError(
            f"{path} cannot be written: there is no folder {folder}.", hint="Make the folder, or give another path."
        )
    if path.is_dir():
        raise InputError(f"{path} cannot be written: it is a folder.", hint="Give the path of a file, like rows.csv.")
    made = ""
    try:
        descriptor, made = tempfile.mkstemp(prefix=f".{path.name[:100]}.", suffix=".part", dir=folder)
        with os.fdopen(descriptor, "w", encoding="utf-8", errors="replace", newline="") as file:
            file.write(text)
        os.chmod(made, _mode(path))
        os.replace(made, path)
    except OSError as error:
        if made:
            with suppress(OSError):
                os.unlink(made)
        raise InputError(
            f"{path} cannot be written: {error.strerror or error}.", hint="Give a path that can be written."
        ) from error


def _mode(path: Path) -> int:
    """The file's rights as they were, or those that a new file gets."""
    try:
        return path.stat().st_mode & 0o777
    except FileNotFoundError:
        mask = os.umask(0)
        os.umask(mask)
        return 0o666 & ~mask
