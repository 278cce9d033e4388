"""A made-up register of ships for tests of questions that are computed, and a scripted model that fills and asks tables.

It knows nothing beyond its prompts: it proposes the columns that a question names, reads the lines of a shard, and writes the
statement that the question's words say, where the tables that it is shown allow it.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

from extagents import Corpus, Document
from extagents.tabular import (
    Column,
    NumberedSql,
    ProposedTable,
    ProposedTables,
    ReportedCell,
    ReportedRow,
    RowsRead,
    SameNames,
    WrittenSql,
    WrittenStatements,
)
from extagents.testing import ScriptedModel
from extagents.types import Fused, Plan, Reading, ReportedFact, Verdict

SHIPS = tuple((f"{name} {kind}", 20 + 3 * n, 400 * (n % 7 + 1)) for n, (name, kind) in enumerate(
    (name, kind) for name in ("Amber", "Briar", "Cobalt", "Dusk", "Ember", "Fallow") for kind in ("Heron", "Otter")
))  # fmt: skip
COLUMNS = {
    "length": Column(name="length", type="number", unit="m", description="Length of the ship"),
    "cargo": Column(name="cargo", type="number", unit="t", description="Cargo that the ship carries"),
}
LABELS = {"length": "Length", "cargo": "Cargo"}
HOW_MANY = "How many ships have a length above 40 m?"
LONGEST = "Which ship has the greatest length?"
TOTAL = "What is the total cargo of all ships?"
HAVE = "Which ships have a cargo above 2,000 t?"
STATEMENTS = {
    HOW_MANY: ("length", "SELECT count(*) FROM ship WHERE length > 40", "number", ""),
    LONGEST: ("length", "SELECT name FROM ship WHERE length IS NOT NULL ORDER BY length DESC LIMIT 1", "names", ""),
    TOTAL: ("cargo", "SELECT sum(cargo) FROM ship", "number", "t"),
    HAVE: ("cargo", "SELECT name FROM ship WHERE cargo > 2000", "list", ""),
}
ANSWERS = {
    HOW_MANY: str(sum(length > 40 for _, length, _ in SHIPS)),
    LONGEST: max(SHIPS, key=lambda ship: ship[1])[0],
    TOTAL: f"{sum(cargo for _, _, cargo in SHIPS):,} t",
    HAVE: ", ".join(name for name, _, cargo in SHIPS if cargo > 2000),
}


def documents(*, filler: int = 30, ships: Sequence[tuple[str, int, int]] = SHIPS) -> list[Document]:
    """A document a ship: two lines that matter, among others that do not."""
    made = []
    for n, (name, length, cargo) in enumerate(ships):
        lines = [f"Entry {n}-{line}: rope, {line} barrels and {n + line} nails." for line in range(filler)]
        lines[filler // 3] = f"Length: {length} m"
        lines[2 * filler // 3] = f"Cargo: {cargo} t"
        made.append(Document(id=f"ship-{n:02}", title=name, text="\n".join(lines)))
    return made


def corpus(**options: Any) -> Corpus:
    return Corpus.load(documents(**options))


def plan(prompt: Any) -> Plan:
    question = prompt.inputs.question
    return Plan(core=question, instructions="", kind="aggregate", answer_type="text", queries=["ship length cargo"])


def proposed(prompt: Any) -> ProposedTables:
    wanted = [STATEMENTS[question][0] for question in prompt.inputs.questions]
    columns = [COLUMNS[name] for name in dict.fromkeys(wanted)]
    whole = list(range(1, len(wanted) + 1))
    return ProposedTables(tables=[ProposedTable(entity="ship", documents="registers", columns=columns, whole=whole)])


def rows(prompt: Any) -> RowsRead:
    found = []
    for section in prompt.inputs.shard.sections:
        cells = []
        for column in prompt.inputs.table.columns:
            for line in re.findall(rf"^{LABELS[column.name]}: .*$", section.text, re.MULTILINE):
                cells.append(ReportedCell(column=column.name, value=line.partition(": ")[2], quote=line))
        if cells:
            found.append(ReportedRow(entity=section.title, cells=cells))
    return RowsRead(rows=found)


def sql(prompt: Any) -> WrittenSql:
    needed, statement, form, unit = STATEMENTS[prompt.inputs.question]
    names = {column.name for table in prompt.inputs.tables for column in table.columns}
    if needed not in names:
        return WrittenSql(sql="", form="text", missing=[needed])
    return WrittenSql(sql=statement, form=form, unit=unit)


def model(**scripts: Any) -> ScriptedModel:
    """The scripted model; `analyst_schema`, `analyst_sql`, `rows` and roles replace its parts."""
    schema, statement, read = scripts.pop("schema", proposed), scripts.pop("sql", sql), scripts.pop("rows", rows)

    def analyst(prompt: Any) -> Any:
        if prompt.output is ProposedTables:
            return schema(prompt)
        if prompt.output is WrittenStatements:
            alone = [statement(replace(prompt, inputs=one, output=WrittenSql)) for one in prompt.inputs.inputs]
            told = [NumberedSql(question=number, **one.model_dump()) for number, one in enumerate(alone, start=1)]
            return WrittenStatements(statements=told)
        return SameNames(same=[]) if prompt.output is SameNames else statement(prompt)

    def reader(prompt: Any) -> Any:
        if prompt.output is RowsRead:
            return read(prompt)
        facts = [
            ReportedFact(claim=f"{section.title}: {line}", quote=line, relevance=0.9)
            for section in prompt.inputs.shard.sections
            for line in re.findall(r"^Length: .*$", section.text, re.MULTILINE)
        ]
        return Reading(facts=facts, queries=[])

    def reasoner(prompt: Any) -> Verdict:
        return Verdict(answerable=False, answer="", confidence=0.1, facts=[], queries=[])

    def fusion(prompt: Any) -> Fused:
        best = prompt.inputs.candidates[0]
        return Fused(answerable=True, answer=best.answer, confidence=best.confidence, facts=[1])

    told = {"planner": plan, "analyst": analyst, "reader": reader, "reasoner": reasoner, "fusion": fusion}
    return ScriptedModel({**told, **scripts})


def said(body: dict[str, Any]) -> str:
    """What the model says over HTTP, as JSON, from the prompt's text alone."""
    schema, text = body["response_format"]["json_schema"]["schema"], body["messages"][1]["content"]
    asked = next((question for question in STATEMENTS if question in text), "")
    fields = set(schema["properties"])
    if "core" in fields:
        return Plan(core=asked, instructions="", kind="aggregate", answer_type="text", queries=["ship"]).model_dump_json()
    if fields == {"tables"}:
        columns = [COLUMNS[STATEMENTS[asked][0]]]
        table = ProposedTable(entity="ship", documents="registers", columns=columns, whole=[1])
        return ProposedTables(tables=[table]).model_dump_json()
    if fields == {"rows"}:
        return _rows_of(text).model_dump_json()
    if "sql" in fields:
        _, statement, form, unit = STATEMENTS[asked]
        return WrittenSql(sql=statement, form=form, unit=unit).model_dump_json()
    if "same" in fields:
        return SameNames(same=[]).model_dump_json()
    return Verdict(answerable=False, answer="", confidence=0.0, facts=[], queries=[]).model_dump_json()


def _rows_of(text: str) -> RowsRead:
    shard, told = re.split(r"=== text \S+ (?:begins|ends) ===", text)[1:]
    wanted = re.findall(r"^- `(\w+)`", told, re.MULTILINE)
    found = []
    for name, section in re.findall(
        r"^\[Document: (.*?)(?: \(continued at \d+\))?\]\n(.*?)(?=^\[Document|\Z)", shard, re.M | re.S
    ):
        lines = [(column, line) for column in wanted for line in re.findall(rf"^{LABELS[column]}: .*$", section, re.MULTILINE)]
        cells = [ReportedCell(column=column, value=line.partition(": ")[2], quote=line) for column, line in lines]
        if cells:
            found.append(ReportedRow(entity=name, cells=cells))
    return RowsRead(rows=found)
