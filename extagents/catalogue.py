"""The tables of one input: what was proposed and read for one question serves the next.

A table grows by groups of columns: a question that needs a further column has that alone read. Rows are kept by what was asked
of the reader and by shard; runs that ended tell a later process, through the memory, which groups there are.
"""

from __future__ import annotations

import asyncio
from collections import OrderedDict
from collections.abc import Callable, Coroutine, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, TypeVar, cast

from pydantic import ValidationError

from extagents.agents.analyst import Agreed, slug, widened
from extagents.errors import StoreError
from extagents.models.base import Prompt
from extagents.tables.database import Database
from extagents.tabular import RowFound, Table, TableSchema, WrittenSql

if TYPE_CHECKING:
    from extagents.workspace import Workspace

T = TypeVar("T")
MOST_CATALOGUES = 4  # inputs whose tables are kept at a time
MOST_GROUPS = 24  # of columns that were read together, of one input; the oldest are forgotten
MOST_MADE = 16  # tables and looks of one input that are kept
MOST_OPEN = 2  # databases of one input that are open at a time


@dataclass(frozen=True, slots=True)
class Group:
    """Columns of the table `name` that are read together: what one reading asks for."""

    name: str
    schema: TableSchema


@dataclass(eq=False)
class Catalogue:
    """The tables of one input, as one reader model reads it in one language.

    `rows` holds what shards were read into, by version of the reading and shard; `same` the verdicts on names, by table;
    `waiting` are the runs of a batch that want tables proposed together, `asking` those that want statements, by tables, and
    `written` the statements that were written for them.
    """

    groups: list[Group] = field(default_factory=list)
    rows: dict[tuple[str, str], tuple[RowFound, ...]] = field(default_factory=dict)
    same: dict[str, dict[tuple[str, str], bool]] = field(default_factory=dict)
    waiting: dict[str, Workspace] = field(default_factory=dict)
    asking: dict[Any, dict[str, tuple[Workspace, Prompt[WrittenSql]]]] = field(default_factory=dict)
    written: dict[str, WrittenSql] = field(default_factory=dict)
    lock: asyncio.Lock = field(default_factory=asyncio.Lock)
    _open: OrderedDict[Any, Database] = field(default_factory=OrderedDict)
    _made: OrderedDict[Any, Any] = field(default_factory=OrderedDict)

    @property
    def schemas(self) -> list[tuple[str, TableSchema]]:
        """The tables that there are, with all their columns."""
        found: dict[str, TableSchema] = {}
        for group in self.groups:
            found[group.name] = widened(found[group.name], group.schema.columns) if group.name in found else group.schema
        return list(found.items())

    def add(self, agreed: Sequence[Agreed]) -> None:
        """Takes over tables that were agreed on: of each, a group of the columns that it had not yet."""
        for table in agreed:
            schema, known = table.schema, dict(self.schemas).get(table.name)
            if known is not None:
                names = {column.name for column in known.columns}
                fresh = tuple(column for column in schema.columns if column.name not in names)
                schema = known.model_copy(update={"columns": fresh})
            if schema.columns and not any(group == Group(table.name, schema) for group in self.groups):
                self.groups.append(Group(table.name, schema))
        del self.groups[:-MOST_GROUPS]

    async def once(self, key: Any, make: Callable[[], Coroutine[Any, Any, T]]) -> T:
        """What was made under a key, made now if it was not before: of many questions over the same rows, one works."""
        async with self.lock:
            if key not in self._made:
                self._made[key] = await make()
                while len(self._made) > MOST_MADE:
                    self._made.popitem(last=False)
            self._made.move_to_end(key)
            return cast(T, self._made[key])

    async def database(self, key: Any, tables: tuple[Table, ...]) -> Database:
        """The tables' database, kept open for the questions that follow; what is too many is closed."""
        async with self.lock:
            if key not in self._open:
                self._open[key] = await asyncio.to_thread(Database, tables)
                while len(self._open) > MOST_OPEN:
                    await asyncio.to_thread(self._open.popitem(last=False)[1].close)
            self._open.move_to_end(key)
            return self._open[key]

    async def aclose(self) -> None:
        """Closes the databases."""
        opened, self._open = list(self._open.values()), OrderedDict()
        for database in opened:
            await asyncio.to_thread(database.close)


class Catalogues:
    """The catalogues of a coordinator, the least recently used forgotten first."""

    def __init__(self) -> None:
        self._kept: OrderedDict[tuple[str, ...], Catalogue] = OrderedDict()
        self._opening = asyncio.Lock()

    async def of(self, workspace: Workspace) -> Catalogue:
        """The catalogue of a run's input; at first, with the tables that earlier runs over it have left in the memory."""
        key = (workspace.corpus.fingerprint, workspace.gate.model("reader").name, workspace.desk.language)
        async with self._opening:
            found = self._kept.get(key)
            if found is None:
                found = Catalogue()
                # Elsewhere, rows of earlier runs come from the read cache alone.
                if workspace.remember_reads:
                    found.add(await _told_by_runs(workspace))
                self._kept[key] = found
            self._kept.move_to_end(key)
            for old in [*self._kept][:-MOST_CATALOGUES]:
                if not self._kept[old].waiting:
                    await self._kept.pop(old).aclose()
            return found

    async def aclose(self) -> None:
        """Closes all databases."""
        kept, self._kept = list(self._kept.values()), OrderedDict()
        for catalogue in kept:
            await catalogue.aclose()


async def _told_by_runs(workspace: Workspace) -> list[Agreed]:
    """The tables that earlier runs over the same input agreed on, the oldest first."""
    try:
        records = await workspace.memory.list_runs()
    except StoreError:  # what the run itself needs of the memory fails by itself
        return []
    corpus, found = workspace.corpus.fingerprint, list[Agreed]()
    for record in reversed(records):
        if record.manifest.corpus == corpus and record.manifest.run != workspace.run_id:
            found += stored_tables(record.state)
    return found[-MOST_GROUPS:]


def told_tables(agreed: Sequence[Agreed]) -> list[dict[str, Any]]:
    """Tables that were agreed on, as the memory keeps them."""
    return [
        {
            "name": table.name,
            "schema": table.schema.model_dump(mode="json"),
            "whole": sorted(table.whole),
            "partly": sorted(table.partly),
        }
        for table in agreed
    ]


def stored_tables(state: dict[str, Any]) -> tuple[Agreed, ...]:
    """The tables that a run's state tells of; those of another version's form are left out."""
    found: list[Agreed] = []
    for one in state.get("tables", ()):
        try:
            schema = TableSchema.model_validate(one["schema"])
            name = slug(one["name"])
            found.append(Agreed(name, schema, frozenset(one["whole"]), frozenset(one["partly"])))
        except (ValidationError, KeyError, TypeError):
            continue
    return tuple(found)
