"""The analyst: from questions to tables, and from tables to SQL. What readers fill and a database computes, it only designs.

Schema, rows, SQL, as CorpusQA (arXiv 2601.14952) computes its truth. A schema is proposed from several samples of the documents
and voted on; two names of one thing are told apart by rules, and only the doubtful ones by a call.
"""

from __future__ import annotations

import re
import unicodedata
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from rapidfuzz import fuzz

from extagents import prompts
from extagents.agents.calls import Desk
from extagents.models.base import Prompt
from extagents.tabular import (
    NAME,
    Column,
    ProposedTable,
    ProposedTables,
    SameNames,
    TableProfile,
    TableSchema,
    WrittenSql,
    WrittenStatements,
)
from extagents.types import AnswerType, NamesInput, SchemaInput, ShardText, SqlInput, StatementsInput, TermStatistics

ALIKE = 82.0  # rapidfuzz score from which two proposals' columns or entities mean the same
MOST_COLUMNS = 4_000  # tokens of a proposal, at most
STATEMENT_TOKENS = 200  # that one statement takes, as a rule
PAIRS_A_CALL = 30  # of names that are judged at a time
_NOT_SNAKE = re.compile(r"[\W_]+")
_YEAR = re.compile(r"\d{4}")
_LABEL = re.compile(r"[“\"]([^“”\"]{1,80})[”\"]")  # what documents call it, quoted in a description


@dataclass(frozen=True, slots=True)
class Agreed:
    """What the proposals agree on: a table with its name in the database, and the questions that it serves, from 0."""

    name: str
    schema: TableSchema
    whole: frozenset[int]
    partly: frozenset[int]


# ------------------------------------------------------------------ schema


def schema_prompt(
    questions: Sequence[str],
    sample: ShardText,
    desk: Desk,
    *,
    sources: Sequence[str] = (),
    existing: Sequence[tuple[str, TableSchema]] = (),
    statistics: TermStatistics | None = None,
) -> Prompt[ProposedTables]:
    """The prompt over one sample, `system | sample | sources | existing tables | questions`."""
    shown = prompts.show_shard(sample)
    inputs = SchemaInput.model_construct(
        questions=tuple(questions),
        sample=sample,
        sources=tuple(sources),
        existing=tuple(schema for _, schema in existing),
        statistics=statistics,
    )
    return desk.prompt(
        "analyst",
        inputs,
        ProposedTables,
        template="table_schema",
        output_tokens=max(desk.output_tokens, min(MOST_COLUMNS, desk.window // 8)),
        slots={
            "nonce": prompts.nonce(desk.secret, shown),
            "sample": shown,
            "sources": prompts.show_list(sources),
            "existing": prompts.show_schemas(existing, desk.language),
            "questions": prompts.show_numbered(questions),
        },
    )


def agree(
    proposals: Sequence[ProposedTables], questions: int, *, existing: Sequence[tuple[str, TableSchema]] = ()
) -> tuple[Agreed, ...]:
    """The tables that most proposals hold, with the columns that most of those hold.

    A column of an existing table stays as it is there. Where no two proposals agree on a table, the first one's stands: what it
    would leave out can be added later, and what it has too much costs little.
    """
    groups: list[list[ProposedTable]] = []
    for proposal in proposals:
        taken: set[int] = set()
        for table in proposal.tables:
            near = [
                (-_alike(table.entity, group[0].entity), place)
                for place, group in enumerate(groups)
                if place not in taken and (_same_rows(table, group[0]) or len(proposal.tables) == 1 == len(groups))
            ]
            place = min(near)[1] if near else len(groups)
            if place == len(groups):
                groups.append([])
            groups[place].append(table)
            taken.add(place)
    most = len(proposals) / 2
    held = [group for group in groups if len(group) > most] or groups[:1]
    names = [name for name, _ in existing]
    agreed: list[Agreed] = []
    for group in held:
        known = next((pair for pair in existing if _same_kind(group[0], pair[1].entity, pair[1].keys)), None)
        schema = _voted(group, known[1] if known else None)
        if not schema.columns:
            continue
        name = known[0] if known else _free(slug(schema.entity) or "records", names)
        names.append(name)
        agreed.append(
            Agreed(
                name,
                schema,
                whole=_voted_questions([table.whole for table in group], questions),
                partly=_voted_questions([table.partly for table in group], questions),
            )
        )
    return tuple(agreed)


def slug(text: str) -> str:
    """The text as a name in a database: letters in lower case, digits and underscores; empty where nothing is left."""
    folded = unicodedata.normalize("NFKD", text.casefold())
    plain = unicodedata.normalize("NFC", "".join(char for char in folded if not unicodedata.combining(char)))
    made = _NOT_SNAKE.sub("_", plain).strip("_")[:40].strip("_")
    return f"t_{made}" if made[:1].isdigit() else made


def widened(schema: TableSchema, columns: Iterable[Column]) -> TableSchema:
    """The schema with further columns, those of equal names left out."""
    known = {column.name for column in schema.columns}
    return schema.model_copy(update={"columns": (*schema.columns, *(c for c in columns if c.name not in known))})


def _voted(group: Sequence[ProposedTable], existing: TableSchema | None) -> TableSchema:
    """One schema of several proposals for the same table: columns that more than half of them have."""
    merged: list[list[Column]] = []
    for table in group:
        for column in table.columns:
            if slug(column.name) in ("", NAME) or not column.description.strip():
                continue
            home = next((held for held in merged if _same_column(column, held[0])), None)
            if home is None:
                merged.append([column])
            else:
                home.append(column)
    columns: list[Column] = []
    for held in merged:
        if 2 * len(held) <= len(group) and len(group) > 1:
            continue
        columns.append(_column(held, existing, [column.name for column in columns]))
    if not columns and merged:
        columns = [_column([held[0]], existing, []) for held in merged[: len(group[0].columns)]]
    first = group[0]
    named = Counter(slug(key) for table in group for key in table.keys)
    keys = tuple(c.name for c in columns if 2 * named[c.name] > len(group))
    return TableSchema(
        entity=existing.entity if existing else " ".join(first.entity.split()),
        documents=existing.documents if existing else " ".join(first.documents.split()),
        keys=existing.keys if existing else keys,
        columns=tuple({column.name: column for column in columns}.values()),
    )


def _column(held: Sequence[Column], existing: TableSchema | None, taken: Sequence[str]) -> Column:
    """The column that the proposals mean: an existing one as it is, else the first's wording of the most frequent type."""
    for column in held:
        if existing is not None and (known := existing.column(slug(column.name))) is not None and _same_figure(column, known):
            return known
    kind, unit = Counter((column.type, " ".join(column.unit.split())) for column in held).most_common(1)[0][0]
    best = next(column for column in held if column.type == kind)
    known_names = [*taken, *(column.name for column in existing.columns)] if existing else list(taken)
    classes = list(dict.fromkeys(" ".join(value.split()) for value in best.values if value.strip()))
    return Column(
        name=_free(slug(best.name), known_names),
        type=kind,
        unit=unit if kind == "number" else "",
        description=_described(best, held),
        values=classes if kind in ("text", "list") and len(classes) > 1 else [],
    )


def _described(best: Column, held: Sequence[Column]) -> str:
    """The best description, with what documents of other samples call the same."""
    told = " ".join(best.description.split())
    known = {label.casefold() for label in _LABEL.findall(told)}
    others = dict.fromkeys(label for column in held for label in _LABEL.findall(column.description))
    more = [label for label in others if label.casefold() not in known]
    return f"{told} ({', '.join(f'“{label}”' for label in more)})" if known and more else told


def _voted_questions(told: Sequence[Sequence[int]], questions: int) -> frozenset[int]:
    counts = Counter(number for numbers in told for number in set(numbers))
    return frozenset(number - 1 for number, count in counts.items() if 2 * count > len(told) and 0 < number <= questions)


def _same_kind(table: ProposedTable, entity: str, keys: Sequence[str]) -> bool:
    """Whether the table's rows are of that kind, told apart by the same keys: a company's director is no company."""
    if {slug(key) for key in table.keys} != {slug(key) for key in keys}:
        return False
    return slug(table.entity) == slug(entity) or _alike(table.entity, entity) >= ALIKE


def _same_figure(one: Column, known: Column) -> bool:
    """Whether a column of an existing name is that column: of one type, and of the same years."""
    told, held = (set(_YEAR.findall(f"{column.name} {column.description}")) for column in (one, known))
    return one.type == known.type and (told == held or not told or not held)


def _same_rows(one: ProposedTable, other: ProposedTable) -> bool:
    if {slug(key) for key in one.keys} != {slug(key) for key in other.keys}:
        return False
    if slug(one.entity) == slug(other.entity) or _alike(one.entity, other.entity) >= ALIKE:
        return True
    shared = sum(any(_same_column(column, held) for held in other.columns) for column in one.columns)
    return 2 * shared > min(len(one.columns), len(other.columns))


def _same_column(one: Column, other: Column) -> bool:
    if slug(one.name) == slug(other.name):
        return True
    if re.findall(r"\d+", f"{one.name} {one.description}") != re.findall(r"\d+", f"{other.name} {other.description}"):
        return False  # another year is another column
    names = fuzz.token_sort_ratio(slug(one.name).replace("_", " "), slug(other.name).replace("_", " "))
    return names >= ALIKE and one.type == other.type


def _alike(one: str, other: str) -> float:
    return float(fuzz.token_sort_ratio(one.casefold(), other.casefold()))


def _free(name: str, taken: Sequence[str]) -> str:
    number, wanted = 2, name
    while wanted in taken:
        wanted, number = f"{name}_{number}", number + 1
    return wanted


# ------------------------------------------------------------------ names


async def same_names(
    entity: str, pairs: Sequence[tuple[str, str]], known: Mapping[str, str], desk: Desk
) -> dict[tuple[str, str], bool]:
    """A verdict on every pair of names. `known` says something of each name. Raises `gate.Stop` and `gate.CallFailed`."""
    verdicts: dict[tuple[str, str], bool] = {}
    for start in range(0, len(pairs), PAIRS_A_CALL):
        some = tuple(pairs[start : start + PAIRS_A_CALL])
        told = tuple((known.get(one, ""), known.get(other, "")) for one, other in some)
        prompt = desk.prompt(
            "analyst",
            NamesInput.model_construct(entity=entity, pairs=some, known=told),
            SameNames,
            template="table_names",
            slots={"entity": entity, "pairs": prompts.show_pairs(some, told, desk.language)},
        )
        called = await desk.gate.call(prompt, desk.account, final=True)
        same = set(called.output.same)
        verdicts |= {pair: number in same for number, pair in enumerate(some, start=1)}
    return verdicts


# ------------------------------------------------------------------ SQL


def sql_prompt(
    question: str,
    tables: Sequence[TableProfile],
    desk: Desk,
    *,
    instructions: str = "",
    answer_type: AnswerType = "text",
    opinion: int = 0,
    failed: str = "",
    error: str = "",
) -> Prompt[WrittenSql]:
    """The prompt for one statement, `system | tables | question`. A second `opinion` is shown the columns in reverse order."""
    if opinion % 2:
        tables = [_reversed(table) for table in tables]
    inputs = SqlInput.model_construct(
        question=question,
        instructions=instructions,
        answer_type=answer_type,
        tables=tuple(tables),
        failed=failed,
        error=error,
        opinion=opinion,
    )
    return desk.prompt(
        "analyst",
        inputs,
        WrittenSql,
        template="table_sql",
        slots={
            "tables": prompts.show_profiles(tables, desk.language),
            "question": question,
            "instructions": instructions or prompts.show_list(()),
            "repair": prompts.show_repair(failed, error, desk.language),
        },
    )


async def write_sql(prompt: Prompt[WrittenSql], desk: Desk) -> WrittenSql:
    """One statement; it may use what is kept for the answer. Raises `gate.Stop` and `gate.CallFailed`."""
    return tidy((await desk.gate.call(prompt, desk.account, final=True)).output)


def together_prompt(alone: Sequence[Prompt[WrittenSql]], desk: Desk) -> Prompt[WrittenStatements]:
    """One prompt for several questions about the same tables; up to the questions it is that of every single one."""
    asked = [prompt.inputs for prompt in alone if isinstance(prompt.inputs, SqlInput)]
    told = [f"{one.question} ({one.instructions})" if one.instructions else one.question for one in asked]
    return desk.prompt(
        "analyst",
        StatementsInput.model_construct(inputs=tuple(asked)),
        WrittenStatements,
        template="table_sqls",
        output_tokens=min(desk.window // 4, STATEMENT_TOKENS * len(asked) + desk.output_tokens),
        slots={
            "tables": prompts.show_profiles(asked[0].tables, desk.language),
            "questions": prompts.show_numbered(told),
            "count": str(len(asked)),
        },
    )


def parted(written: WrittenStatements, count: int) -> list[WrittenSql | None]:
    """The statement of each question; None for one that was left out, or written twice."""
    by_number: dict[int, list[WrittenSql]] = {}
    for one in written.statements:
        by_number.setdefault(one.question, []).append(tidy(one))
    return [found[0] if len(found := by_number.get(number, [])) == 1 else None for number in range(1, count + 1)]


def tidy(written: WrittenSql) -> WrittenSql:
    """The statement without what it does not need at its ends."""
    return WrittenSql(
        sql=written.sql.strip().rstrip(";").strip(),
        form=written.form,
        unit=" ".join(written.unit.split()),
        missing=written.missing,
    )


def _reversed(table: TableProfile) -> TableProfile:
    """The table with its columns in reverse order, the name first all the same."""
    places = [0, *range(len(table.columns) - 1, 0, -1)]
    return table.model_copy(
        update={
            "columns": tuple(table.columns[place] for place in places),
            "sample": tuple(tuple(row[place] for place in places) for row in table.sample),
        }
    )
