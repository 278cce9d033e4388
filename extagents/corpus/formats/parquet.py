"""Parquet: a document a row where a column holds texts, as for JSON lines; else one table."""

from __future__ import annotations

import datetime
import decimal
import io
from collections.abc import Iterator
from typing import Any

from extagents.corpus.formats.base import Extracted, Reading, Record, Refused
from extagents.corpus.formats.markdown import cell, row
from extagents.corpus.formats.records import records_of
from extagents.corpus.formats.text import sound

_ROWS = 10_000


def read(name: str, data: bytes, reading: Reading) -> Extracted:
    """The rows. Raises Refused where it is damaged, encrypted, or pyarrow is not installed."""
    try:
        import pyarrow
        import pyarrow.parquet
    except ImportError as error:
        raise Refused('Parquet needs: pip install "extagents[parquet]"', lasting=False) from error
    try:
        file = pyarrow.parquet.ParquetFile(io.BytesIO(data))
        groups = [file.metadata.row_group(number) for number in range(file.metadata.num_row_groups)]
        reading.room.take(sum(group.total_byte_size for group in groups), max(len(data), 1))
        columns = [field.name for field in file.schema_arrow if not pyarrow.types.is_binary(field.type)]
        rows = [
            {key: _plain(value) for key, value in values.items()}
            for batch in file.iter_batches(batch_size=_ROWS, columns=columns)
            for values in batch.to_pylist()
        ]
    except (pyarrow.ArrowException, OSError, ValueError) as error:
        raise Refused("encrypted Parquet file" if "ncrypt" in str(error) else "damaged Parquet file") from error
    numbered = [(str(number), values) for number, values in enumerate(rows, 1)]
    records = records_of(numbered, name, reading.text_field, reading.title_field) if rows else []
    if records is None:
        text = sound("\n".join(_table(columns, rows))) + "\n"
        records = [Record(text, f"{name}: {', '.join(columns)}"[:200])]
    return Extracted(records, [])


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
