"""Tables without a model: what questions ask for is found among the documents' labelled values, and read from them.

Exactness before recall: a value of another year, scope or thing is not taken, a doubtful one is left out.
"""

from __future__ import annotations

from extagents.models.extraction.tabular_rows import read
from extagents.models.extraction.tabular_schema import propose
from extagents.tables.templates import ask_of, statement
from extagents.tables.templates_words import tokens
from extagents.tabular import ProposedTables, RowsRead, SameNames, WrittenSql
from extagents.text import is_cjk
from extagents.types import NamesInput, RowsInput, SchemaInput, SqlInput

_FORMS = frozenset(
    "inc incorporated ltd limited plc llc corp corporation co company group holding holdings ag sa gmbh nv the of and".split()
)


def schema(inputs: SchemaInput) -> ProposedTables:
    """The table that the questions ask for, from the labels of the sample that their words mean; none if there is none."""
    return propose(inputs)


def rows(inputs: RowsInput) -> RowsRead:
    """What a shard says of the table's entities."""
    return read(inputs.shard, inputs.table)


def sql(inputs: SqlInput) -> WrittenSql:
    """The statement by templates; empty where the question is not surely understood. An error cannot be repaired."""
    written = None if inputs.failed else statement(inputs.question, inputs.tables)
    if written is not None:
        return written
    ask = ask_of(inputs.question)
    return WrittenSql(sql="", form="text", missing=list(ask.phrases) if ask is not None else [])


def names(inputs: NamesInput) -> SameNames:
    """Which pairs mean the same: equal but for legal forms and articles, or one the initials of the other."""
    return SameNames(same=[number for number, (one, other) in enumerate(inputs.pairs, start=1) if _same(one, other)])


def _same(one: str, other: str) -> bool:
    if any(is_cjk(char) for char in one + other):
        return "".join(tokens(one)) == "".join(tokens(other))
    first, second = ([word for word in tokens(name) if word not in _FORMS] for name in (one, other))
    if first == second:
        return bool(first)
    short, long = sorted((first, second), key=len)
    return len(short) == 1 and len(long) > 1 and short[0] == "".join(word[0] for word in long)
