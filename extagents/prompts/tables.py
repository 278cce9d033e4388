"""How tables look inside a prompt: schemas for those who propose and fill them, the database for whoever writes SQL."""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence

from extagents.prompts.loader import Language
from extagents.prompts.rendering import NOTHING, one_line
from extagents.tabular import CellValue, Column, ColumnProfile, TableProfile, TableSchema

MOST_FAILED = 2_000  # characters of a statement that is to be repaired, and of its error
MOST_EXAMPLES = 600  # characters of a column's values
_WORDS: dict[Language, dict[str, str]] = {
    "en": {
        "row": "One row for each",
        "documents": "Documents that hold such rows",
        "keys": "Key columns (a row for each entity and key)",
        "classes": "one of",
        "table": "Table",
        "rows": "rows",
        "one": "one row for each",
        "filled": "rows have a value",
        "from": "from",
        "to": "to",
        "values": "values",
        "some": "some of {} values",
        "sample": "First rows",
        "failed": "A statement that failed",
        "mend": "Write one that works.",
        "known": "known of it",
        "name": "what the row is about",
    },
    "zh": {
        "row": "每行代表一个",
        "documents": "含有这类行的文档",
        "keys": "区分列（每个对象与每组区分值各一行）",
        "classes": "取以下之一",
        "table": "表",
        "rows": "行",
        "one": "每行代表一个",
        "filled": "行有值",
        "from": "从",
        "to": "到",
        "values": "取值",
        "some": "{} 个取值中的一部分",
        "sample": "前几行",
        "failed": "失败的语句",
        "mend": "请写一条可行的语句。",
        "known": "已知",
        "name": "该行所指的对象",
    },
}


def show_schema(schema: TableSchema, language: Language) -> str:
    """A table as a reader is to fill it: what a row is, and its columns with type, unit, classes and description."""
    words = _WORDS[language]
    lines = [f"{words['row']}: {one_line(schema.entity)}"]
    if schema.documents:
        lines.append(f"{words['documents']}: {one_line(schema.documents)}")
    if schema.keys:
        lines.append(f"{words['keys']}: {', '.join(schema.keys)}")
    lines += [f"- {_column(column, words)}" for column in schema.columns]
    return "\n".join(lines)


def show_schemas(schemas: Iterable[tuple[str, TableSchema]], language: Language) -> str:
    """Tables that exist already, by their names."""
    shown = [f"{_WORDS[language]['table']} {name}\n{show_schema(schema, language)}" for name, schema in schemas]
    return "\n\n".join(shown) or NOTHING


def show_numbered(items: Iterable[str]) -> str:
    """One item a line, numbered from 1."""
    return "\n".join(f"{number}. {one_line(item)}" for number, item in enumerate(items, start=1)) or NOTHING


def show_profiles(tables: Sequence[TableProfile], language: Language) -> str:
    """The tables of a database: columns with SQL type, unit, description and values that occur, and the first rows."""
    words = _WORDS[language]
    shown = []
    for table in tables:
        entity = one_line(table.schema_.entity)
        lines = [f"{words['table']} {table.name} ({table.rows} {words['rows']}; {words['one']} {entity})"]
        for profile in table.columns:
            lines.append(f"- {_profile(profile, table.schema_.column(profile.name), table.rows, words)}")
        if table.sample:
            names = " | ".join(profile.name for profile in table.columns)
            lines.append(f"{words['sample']}: {names}")
            lines += [f"  {' | '.join(_cell(value) for value in row)}" for row in table.sample]
        shown.append("\n".join(lines))
    return "\n\n".join(shown) or NOTHING


def show_repair(failed: str, error: str, language: Language) -> str:
    """A statement that failed, and why; nothing where there is none."""
    if not failed:
        return ""
    words = _WORDS[language]
    return f"\n# {words['failed']}\n{one_line(failed)[:MOST_FAILED]}\n{one_line(error)[:MOST_FAILED]}\n{words['mend']}"


def show_pairs(pairs: Sequence[tuple[str, str]], known: Sequence[tuple[str, str]], language: Language) -> str:
    """Pairs of names, numbered from 1, each with some of what is known of it."""
    lines = []
    for number, (pair, told) in enumerate(zip(pairs, known, strict=True), start=1):
        lines.append(f"{number}.")
        for name, text in zip(pair, told, strict=True):
            lines.append(f"   - {one_line(name)} ({_WORDS[language]['known']}: {one_line(text) or NOTHING})")
    return "\n".join(lines)


def _column(column: Column, words: dict[str, str]) -> str:
    unit = f", {column.unit}" if column.unit else ""
    classes = f" [{words['classes']}: {'; '.join(map(one_line, column.values))}]" if column.values else ""
    return f"`{column.name}` ({column.type}{unit}): {one_line(column.description)}{classes}"


def _profile(profile: ColumnProfile, column: Column | None, rows: int, words: dict[str, str]) -> str:
    unit = f", {column.unit}" if column is not None and column.unit else ""
    told = words["name"] if column is None else one_line(column.description)
    parts = [f"`{profile.name}` {profile.sql_type}{unit}: {told}; {profile.filled}/{rows} {words['filled']}"]
    if profile.lowest or profile.highest:
        parts.append(f"{words['from']} {one_line(profile.lowest)} {words['to']} {one_line(profile.highest)}")
    if profile.examples:
        examples, room = [], MOST_EXAMPLES
        for example in profile.examples:
            room -= len(example) + 2
            if room < 0:
                examples.append("…")
                break
            examples.append(json.dumps(one_line(example), ensure_ascii=False))
        part = profile.distinct > len(profile.examples) or examples[-1] == "…"
        told_values = words["some"].format(profile.distinct) if part else words["values"]
        parts.append(f"{told_values}: {', '.join(examples)}")
    return "; ".join(parts)


def _cell(value: CellValue | None) -> str:
    if value is None:
        return "NULL"
    text = "; ".join(value) if isinstance(value, tuple) else str(value)
    text = one_line(text)
    return text if len(text) <= 60 else f"{text[:59]}…"
