"""Parquet: a document a row where a column holds texts, as for JSON lines; else one table."""

from __future__ import annotations

import datetime
import decimal
import io
from collections.abc import Iterator
from itertools import count
from typing import Any

from extagents.corpus.formats.base import Extracted, Reading, Record, Refused
from extagents.corpus.formats.markdown import cell, row
from extagents.corpus.formats.records import records_of
from extagents.corpus.formats.text import sound

_MOST_ROWS = 256
_FEW_ROWS = 16
_BATCH = 1 << 28
_USUAL_RATIO = 20


def read(name: str, data: bytes, reading: Reading) -> Extracted:
    """The rows. Raises Refused where it is damaged, encrypted, a bomb, or pyarrow is not installed."""
    try:
        import pyarrow
        import pyarrow.parquet
    except ImportError as error:
        raise Refused('Parquet needs: pip install "extagents[parquet]"', lasting=False) from error
    try:
        file = pyarrow.parquet.ParquetFile(io.BytesIO(data))
        groups = [file.metadata.row_group(number) for number in range(file.metadata.num_row_groups)]
        reading.room.give_back(len(data))
        reading.room.take(sum(group.total_byte_size for group in groups), len(data))
        fields = [field for field in file.schema_arrow if not _is_binary(field.type)]
        columns = _different([field.name for field in fields])
        rows: list[dict[str, Any]] = []
        written = 0
        for batch in file.iter_batches(batch_size=_rows_at_once(groups), columns=[field.name for field in fields]):
            shown = [_castable(column) for column in batch.columns if not _is_binary(column.type)]
            # A value that stands once in the file may stand in every row: counted before Python has a copy for each.
            size = sum(column.nbytes for column in shown) + len(shown) * batch.num_rows
            written = reading.room.write(size, written, len(data))
            values = [column.to_pylist() for column in shown]
            rows += [{key: _plain(value) for key, value in zip(columns, row, strict=True)} for row in zip(*values, strict=True)]
    except (pyarrow.ArrowException, OSError, ValueError) as error:
        raise Refused("encrypted Parquet file" if "ncrypt" in str(error) else "damaged Parquet file") from error
    numbered = [(str(number), values) for number, values in enumerate(rows, 1)]
    records = records_of(numbered, name, reading.text_field, reading.title_field) if rows else []
    if records is None:
        text = sound("\n".join(_table(columns, rows))) + "\n"
        records = [Record(text, f"{name}: {', '.join(columns)}"[:200])]
    return Extracted(records, [])


def _rows_at_once(groups: list[Any]) -> int:
    """Rows of a batch, none of which can be larger than its group is without compression."""
    largest = max((group.total_byte_size for group in groups), default=0)
    packed = sum(group.column(place).total_compressed_size for group in groups for place in range(group.num_columns))
    usual = sum(group.total_byte_size for group in groups) <= _USUAL_RATIO * packed
    return min(_MOST_ROWS, max(_BATCH // max(1, largest), _FEW_ROWS if usual else 1))


def _is_binary(kind: Any) -> bool:
    from pyarrow import types

    return bool(types.is_binary(kind) or types.is_large_binary(kind) or types.is_fixed_size_binary(kind))


def _castable(column: Any) -> Any:
    """A column of types that Python has: no nanoseconds, no dictionaries."""
    kind = _python_type(column.type)
    return column if kind == column.type else column.cast(kind, safe=False)


def _python_type(kind: Any) -> Any:
    import pyarrow
    from pyarrow import types

    if types.is_dictionary(kind):
        return _python_type(kind.value_type)
    if types.is_timestamp(kind) and kind.unit == "ns":
        return pyarrow.timestamp("us", kind.tz)
    if types.is_time64(kind) and kind.unit == "ns":
        return pyarrow.time64("us")
    if types.is_duration(kind) and kind.unit == "ns":
        return pyarrow.duration("us")
    if types.is_list(kind):
        return pyarrow.list_(kind.value_field.with_type(_python_type(kind.value_type)))
    if types.is_large_list(kind):
        return pyarrow.large_list(kind.value_field.with_type(_python_type(kind.value_type)))
    if types.is_map(kind):
        return pyarrow.map_(_python_type(kind.key_type), _python_type(kind.item_type))
    if types.is_struct(kind):
        return pyarrow.struct([field.with_type(_python_type(field.type)) for field in kind.fields])
    return kind


def _different(names: list[str]) -> list[str]:
    """Names of columns; one that was there before gets a number."""
    found: dict[str, None] = {}
    for name in names:
        free = (other for number in count(1) if (other := f"{name} ({number})" if number > 1 else name) not in found)
        found[next(free)] = None
    return list(found)


def _table(columns: list[str], rows: list[dict[str, Any]]) -> Iterator[str]:
    yield row(cell(column) for column in columns)
    yield row(["---"] * len(columns))
    for values in rows:
        yield row("" if values.get(column) is None else cell(str(values[column])) for column in columns)


def _plain(value: Any) -> Any:
    """A value as JSON has it."""
    if isinstance(value, dict):
        return {str(key): _plain(inner) for key, inner in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(inner) for inner in value]
    if isinstance(value, datetime.datetime | datetime.date | datetime.time):
        return value.isoformat()
    if isinstance(value, decimal.Decimal | datetime.timedelta):
        return str(value)
    if isinstance(value, bytes):
        return None
    return value if value is None or isinstance(value, str | int | float | bool) else str(value)
