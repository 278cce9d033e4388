"""The tables of one input: what was proposed and read for one question serves the next.

A table grows by groups of columns: a question that needs a further column has that alone read. Rows are kept by what was asked
of the reader and by shard; runs that ended tell a later process, through the memory, which groups there are.
"""

from __future__ import annotations

import asyncio
from collections import OrderedDict
from collections.abc import Callable, Container, Coroutine, Iterable, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, TypeVar, cast

from pydantic import ValidationError

from extagents.agents.analyst import slug, widened
from extagents.errors import StoreError
from extagents.models.base import Prompt
from extagents.prompts import language_of
from extagents.tabular import RowFound, TableSchema, WrittenSql

if TYPE_CHECKING:
    from extagents.workspace import Workspace

T = TypeVar("T")
MOST_CATALOGUES = 4  # inputs whose tables are kept at a time
MOST_GROUPS = 24  # of columns that were read together, of one input; the oldest are forgotten
MOST_MADE = 24  # tables, looks and databases of one input that are kept


@dataclass(frozen=True, slots=True)
class Group:
    """Columns of the table `name` that are read together: what one reading asks for."""

    name: str
    schema: TableSchema


@dataclass(eq=False)
class Catalogue:
    """The tables of one input, as one reader model reads it in one language.

    `rows` holds what shards were read into, by version of the reading and shard; `same` the verdicts on names, by table;
    `partly` the questions that need more than tables. `waiting` are the runs of a batch that want tables proposed together,
    `asking` those that want statements, by tables, and `written` the statements that were written for them.
    """

    groups: list[Group] = field(default_factory=list)
    rows: dict[tuple[str, str], tuple[RowFound, ...]] = field(default_factory=dict)
    same: dict[str, dict[tuple[str, str], bool]] = field(default_factory=dict)
    partly: set[str] = field(default_factory=set)
    waiting: dict[str, Workspace] = field(default_factory=dict)
    asking: dict[Any, dict[str, tuple[Workspace, Prompt[WrittenSql]]]] = field(default_factory=dict)
    written: dict[str, WrittenSql] = field(default_factory=dict)
    lock: asyncio.Lock = field(default_factory=asyncio.Lock)
    _locks: dict[Any, asyncio.Lock] = field(default_factory=dict)
    _made: OrderedDict[Any, Any] = field(default_factory=OrderedDict)

    @property
    def schemas(self) -> list[tuple[str, TableSchema]]:
        """The tables that there are, with all their columns."""
        return list(merged(self.groups).items())

    def add(self, tables: Iterable[tuple[str, TableSchema]]) -> None:
        """Takes over tables: of each, a group of the columns that it had not yet."""
        for name, schema in tables:
            known = dict(self.schemas).get(name)
            if known is not None:
                names = {column.name for column in known.columns}
                fresh = tuple(column for column in schema.columns if column.name not in names)
                schema = known.model_copy(update={"columns": fresh})
            if schema.columns:
                self.groups.append(Group(name, schema))
        del self.groups[:-MOST_GROUPS]

    def restore(self, groups: Iterable[Group]) -> None:
        """Takes over groups exactly as they were read, those that it has left out."""
        self.groups += [group for group in groups if group not in self.groups]
        del self.groups[:-MOST_GROUPS]

    def prune(self, versions: Container[str]) -> None:
        """Lets go of rows that no group asks for any more."""
        for key in [key for key in self.rows if key[0] not in versions]:
            del self.rows[key]

    async def once(self, key: Any, make: Callable[[], Coroutine[Any, Any, tuple[T, bool]]]) -> T:
        """What was made under a key, made now if it was not before: of many questions over the same rows, one works.

        What is made says whether it is to be kept.
        """
        lock = self._locks.setdefault(key, asyncio.Lock())
        async with lock:
            if key not in self._made:
                made, kept = await make()
                if not kept:
                    return made
                self._made[key] = made
                while len(self._made) > MOST_MADE:
                    self._locks.pop(self._made.popitem(last=False)[0], None)
            self._made.move_to_end(key)
            return cast(T, self._made[key])


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
                    found.restore(await _told_by_runs(workspace))
                self._kept[key] = found
            self._kept.move_to_end(key)
            while len(self._kept) > MOST_CATALOGUES:  # a run that uses one still has it
                self._kept.popitem(last=False)
            return found


async def _told_by_runs(workspace: Workspace) -> list[Group]:
    """The groups that earlier runs over the same input, by the same readers in the same language, have read; oldest first."""
    try:
        records = await workspace.memory.list_runs()
    except StoreError:  # what the run itself needs of the memory fails by itself
        return []
    found: list[Group] = []
    for record in reversed(records):
        manifest = record.manifest
        alike = (manifest.corpus, manifest.model) == (workspace.corpus.fingerprint, workspace.gate.model("reader").name)
        if alike and manifest.run != workspace.run_id and language_of(manifest.question) == workspace.desk.language:
            found += [group for group in stored_groups(record.state) if group not in found]
    return found[-MOST_GROUPS:]


def merged(groups: Iterable[Group]) -> dict[str, TableSchema]:
    """The tables of the groups with all their columns, by name."""
    found: dict[str, TableSchema] = {}
    for group in groups:
        known = found.get(group.name)
        found[group.name] = group.schema if known is None else widened(known, group.schema.columns)
    return found


def told_groups(groups: Sequence[Group]) -> list[dict[str, Any]]:
    """Groups as the memory keeps them."""
    return [{"name": group.name, "schema": group.schema.model_dump(mode="json")} for group in groups]


def stored_groups(state: dict[str, Any]) -> tuple[Group, ...]:
    """The groups that a run's state tells of; those of another version's form are left out."""
    found: list[Group] = []
    for one in state.get("tables", ()):
        try:
            found.append(Group(slug(one["name"]), TableSchema.model_validate(one["schema"])))
        except (ValidationError, KeyError, TypeError):
            continue
    return tuple(found)
