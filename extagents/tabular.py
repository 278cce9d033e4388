"""What travels when a question is answered by computation: schemas, rows as readers report them, tables, SQL and its result.

Readers fill a table, with a quote in every cell; a database does the arithmetic (CorpusQA, arXiv 2601.14952).
"""

from __future__ import annotations

from typing import Any, Literal

from pydantic import Field

from extagents.frozen import Frozen, Whole

ColumnType = Literal["number", "date", "text", "boolean", "list"]
ResultForm = Literal["number", "percent", "date", "yes_no", "names", "list", "text"]
Scalar = int | float | str | bool
CellValue = Scalar | tuple[str, ...]
"""A cell's value as it travels: dates are ISO 8601 text, lists tuples of text."""

NAME = "name"
"""The column of every table that holds what a row is about; no schema declares it."""


# ------------------------------------------------------------------ schema


class Column(Frozen):
    """One column. `values` are the classes of a classified column; numbers are kept in `unit` ("" for none)."""

    name: str = Field(description="short name in snake_case, in English letters, unique in the table")
    type: ColumnType = Field(description="number, date, text, boolean or list")
    unit: str = Field(default="", description='unit of the numbers, like "km", "USD" or "%"; empty for none')
    description: str = Field(description="what the column holds, so that somebody who sees one document alone can fill it")
    values: list[str] = Field(default_factory=list, description="the classes, if each row falls into one of a few; else empty")


class TableSchema(Frozen):
    """What one row is (`entity`), which documents carry rows, and the columns.

    `keys` name the columns that tell several rows of one entity apart (a year, a date); mostly none.
    """

    entity: str
    documents: str = ""
    keys: tuple[str, ...] = ()
    columns: tuple[Column, ...]

    def column(self, name: str) -> Column | None:
        """The column of that name."""
        return next((column for column in self.columns if column.name == name), None)


class ProposedTable(Frozen):
    """A table that answers some of the questions, as the analyst proposes it. Questions are told by their numbers, from 1."""

    entity: str = Field(description="what one row is, in the singular, like “company” or “appointment of a director”")
    documents: str = Field(description="which kinds of documents hold such rows")
    keys: list[str] = Field(
        default_factory=list,
        description="names of columns that tell several rows of one entity apart, like year; mostly empty",
    )
    columns: list[Column] = Field(description="the columns that the questions need, also those that they filter by")
    filters: list[str] = Field(default_factory=list, description="the conditions on rows that the questions make, in words")
    whole: list[int] = Field(description="numbers of the questions that this table alone can answer")
    partly: list[int] = Field(default_factory=list, description="numbers of the questions that need other text, too")


class ProposedTables(Frozen):
    """The analyst's proposal; no table where nothing is to be counted, listed, ranked, compared or computed."""

    tables: list[ProposedTable] = Field(description="mostly one table; none if no table helps")


# ------------------------------------------------------------------ rows as they are read


class ReportedCell(Frozen):
    """A cell as a reader writes it, before its quote is located."""

    column: str = Field(description="the column's name")
    value: str = Field(description="the value as the text gives it, with its unit")
    quote: str = Field(description="the words of the text that say so, copied exactly")


class ReportedRow(Frozen):
    """A row as a reader writes it: what its text says of one entity."""

    entity: str = Field(description="the name of what the row is about, as the text gives it")
    date: str = Field(default="", description="the date that the values are of, if the text tells it; else empty")
    cells: list[ReportedCell] = Field(description="the cells that the text fills; leave out what it does not say")


class RowsRead(Whole):
    """A reader's answer to a schema, in one call."""

    rows: list[ReportedRow] = Field(description="one row for each entity that the text says something of; empty if none")


class CellFound(Frozen):
    """A cell whose quote was looked up: `quote == text[start:end]` of the document where it was found, else the reader's words.

    `trusted`: the quote was located, and it holds the value.
    """

    column: str
    raw: str
    quote: str
    document: str
    start: int | None = None
    end: int | None = None
    page: int | None = None
    trusted: bool = False


class RowFound(Frozen):
    """A row as one reading found it, in one document."""

    entity: str
    document: str
    date: str = ""
    cells: tuple[CellFound, ...] = ()


# ------------------------------------------------------------------ the table


class TableCell(Frozen):
    """Where a value comes from: the source that was kept, `raw` as the text gives it, and how many places say the same."""

    raw: str
    quote: str
    document: str
    start: int
    end: int
    page: int | None = None
    date: str = ""
    said: int = 1


class TableRow(Frozen):
    """One entity. `values` holds every column's value, None where nothing is known; `cells` where the values come from."""

    name: str
    values: dict[str, CellValue | None]
    cells: dict[str, TableCell] = Field(default_factory=dict)
    aliases: tuple[str, ...] = ()
    documents: tuple[str, ...] = ()


class Conflict(Frozen):
    """Two sources that say different things of one cell: what was kept, and what was not."""

    name: str
    column: str
    kept: CellValue
    kept_from: TableCell
    dropped: CellValue
    dropped_from: TableCell
    reason: str = ""


class Table(Frozen):
    """Rows with the place of every value, the statement that was run over them, and what came out.

    `rows` are in the order of the documents. `without` names, for each column, the entities of which nothing is known there;
    `doubted` counts cells that were not taken because their quote was not found or does not hold the value. `checks` say in
    words what was compared and what came of it; `others` are further tables that the statement reads.
    """

    name: str
    entity: str
    columns: tuple[Column, ...]
    rows: tuple[TableRow, ...] = ()
    conflicts: tuple[Conflict, ...] = ()
    without: dict[str, tuple[str, ...]] = Field(default_factory=dict)
    doubted: int = 0
    sql: str = ""
    result_columns: tuple[str, ...] = ()
    result: tuple[tuple[CellValue | None, ...], ...] = ()
    checks: tuple[str, ...] = ()
    others: tuple[Table, ...] = ()

    def __len__(self) -> int:
        return len(self.rows)

    def records(self, *, sources: bool = False) -> list[dict[str, Any]]:
        """One mapping a row: name, then the columns in order; with `sources`, document, offsets and quote of each value."""
        from extagents.tables.export import records

        return records(self, sources=sources)

    def to_pandas(self, *, sources: bool = False) -> Any:
        """A `pandas.DataFrame`, typed by the columns. Raises `SettingsError` where pandas is not installed."""
        from extagents.tables.export import to_pandas

        return to_pandas(self, sources=sources)

    def to_polars(self, *, sources: bool = False) -> Any:
        """A `polars.DataFrame`, typed by the columns. Raises `SettingsError` where polars is not installed."""
        from extagents.tables.export import to_polars

        return to_polars(self, sources=sources)

    def to_csv(self, path: Any = None, *, sources: bool = False) -> str:
        """The rows as CSV (RFC 4180), also written to `path` if one is given; formulas of spreadsheets are made harmless."""
        from extagents.tables.export import to_csv

        return to_csv(self, path, sources=sources)

    def _repr_html_(self) -> str:
        from extagents.display import table_card

        return table_card(self)


# ------------------------------------------------------------------ SQL


class ColumnProfile(Frozen):
    """What is known of a database column: its SQL type, how many rows have a value, the range, and values that occur.

    `examples` are all values of a column with few of them, the most frequent first.
    """

    name: str
    sql_type: str
    filled: int
    empty: int
    distinct: int
    lowest: str = ""
    highest: str = ""
    examples: tuple[str, ...] = ()


class TableProfile(Frozen):
    """A table of the database as whoever writes SQL sees it. `sample` are its first rows, in the order of `columns`."""

    name: str
    schema_: TableSchema
    rows: int
    columns: tuple[ColumnProfile, ...]
    sample: tuple[tuple[CellValue | None, ...], ...] = ()


class WrittenSql(Frozen):
    """A statement, and how its result is to be read."""

    sql: str = Field(description="one SELECT statement; empty if a column that it needs is missing")
    form: ResultForm = Field(description="what the result is: number, percent, date, yes_no, names, list or text")
    unit: str = Field(default="", description="unit of a number in the result; empty for none")
    missing: list[str] = Field(default_factory=list, description="what the question needs and no column holds; mostly empty")


class NumberedSql(WrittenSql):
    """A statement for one of several questions."""

    question: int = Field(description="the question's number")


class WrittenStatements(Whole):
    """The analyst's statements for several questions, in one call."""

    statements: list[NumberedSql] = Field(description="one entry for each question, in their order")


class QueryResult(Frozen):
    """What a statement brought: column names, their SQL types, and rows. `cut`: there were more rows than are kept."""

    columns: tuple[str, ...]
    types: tuple[str, ...]
    rows: tuple[tuple[CellValue | None, ...], ...]
    cut: bool = False


# ------------------------------------------------------------------ the same thing under two names


class SameNames(Frozen):
    """The analyst's verdict on pairs of names, told by their numbers."""

    same: list[int] = Field(description="numbers of the pairs whose two names mean the same; empty if none do")
