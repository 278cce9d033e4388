"""Corpora with known tables, and questions that only a whole corpus answers (CorpusQA's way, arXiv 2601.14952).

`generate` draws a table of made-up entities of one kind, tells it in documents of many layouts and wordings, with others
beside them, and asks questions whose answers are computed twice: from the table, and from what the documents' own words
say. The same arguments give the same world.
"""

from __future__ import annotations

import random
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any

from extagents.evaluation import corpus_tables_check as check
from extagents.evaluation import datasets
from extagents.evaluation.baselines.loop import tokens as tokens_of
from extagents.evaluation.corpus_tables_check import exact as exact
from extagents.evaluation.corpus_tables_documents import Statement as Statement
from extagents.evaluation.corpus_tables_documents import documents
from extagents.evaluation.corpus_tables_drawing import Drawer
from extagents.evaluation.corpus_tables_layouts import LAYOUTS
from extagents.evaluation.corpus_tables_names import Entity, entities, people
from extagents.evaluation.corpus_tables_questions import (
    ANSWER_TYPES,
    DIFFICULTIES,
    OPERATIONS,
    Operation,
    Spec,
    answers_of,
    compute,
    holds,
)
from extagents.evaluation.corpus_tables_values import draw, unit_of
from extagents.evaluation.corpus_tables_wording import Wording
from extagents.evaluation.corpus_tables_worlds import KINDS, Kind, Language, Slot, slots
from extagents.tabular import CellValue, Column
from extagents.types import Document

__all__ = ["Statement", "TableQuestion", "World", "exact", "generate", "question_of"]


@dataclass(frozen=True, slots=True)
class TableQuestion:
    """A question with its exact answer. `value` is in `unit`; a number may be off by `tolerance`.

    `answers` are accepted texts, `aliases` all forms of each name in the answer, `gold` the (document, quote) pairs of the
    cells that enter it. `spec` says what was asked (None for sets that were not made here).
    """

    id: str
    question: str
    answers: tuple[str, ...]
    value: Any
    unit: str
    tolerance: float
    form: str
    answer_type: str
    difficulty: str
    language: str
    gold: tuple[tuple[str, str], ...] = ()
    aliases: tuple[tuple[str, ...], ...] = ()
    spec: Spec | None = None

    @property
    def gold_documents(self) -> tuple[str, ...]:
        """The documents whose cells enter the answer."""
        return tuple(dict.fromkeys(document for document, _ in self.gold))

    @property
    def row(self) -> datasets.Row:
        """The question as sets on disk have it."""
        return {
            "id": self.id,
            "question": self.question,
            "answers": list(self.answers),
            "kind": "aggregate",
            "gold": [{"doc": document, "quote": quote} for document, quote in self.gold],
            "language": self.language,
            "form": self.form,
            "answer_type": self.answer_type,
            "value": self.value,
            "unit": self.unit,
            "tolerance": self.tolerance,
            "difficulty": self.difficulty,
            "aliases": [list(forms) for forms in self.aliases],
        }


def question_of(row: datasets.Row) -> TableQuestion:
    """A question from a row of a set on disk. Raises `KeyError` where it has no exact value."""
    value = row["value"]
    return TableQuestion(
        id=str(row["id"]),
        question=row["question"],
        answers=tuple(map(str, row["answers"])),
        value=value,
        unit=row.get("unit") or "",
        tolerance=float(row.get("tolerance") or 0),
        form=row.get("form", ""),
        answer_type=row["answer_type"],
        difficulty=row.get("difficulty", ""),
        language=row.get("language", "en"),
        gold=tuple((item["doc"], item.get("quote") or "") for item in row.get("gold") or ()),
        aliases=tuple(tuple(forms) for forms in row.get("aliases") or ()),
    )


@dataclass(frozen=True)
class World:
    """A corpus, what is true in it, and questions. `rows` is the gold table by entity and column, `stale` the same with
    superseded values; `statements` is every place that says a cell's value, superseded ones included.
    """

    seed: int
    language: Language
    tokens: int
    kind: Kind
    entities: tuple[Entity, ...]
    rows: Mapping[str, Mapping[str, CellValue | None]]
    stale: Mapping[str, Mapping[str, CellValue | None]]
    documents: tuple[Document, ...]
    statements: tuple[Statement, ...]
    questions: tuple[TableQuestion, ...] = field(default=())

    @cached_property
    def slots(self) -> tuple[Slot, ...]:
        """The columns of the gold table."""
        return slots(self.kind)

    @property
    def columns(self) -> tuple[Column, ...]:
        """The columns as a schema has them."""
        return tuple(slot.column(self.language) for slot in self.slots)

    @cached_property
    def cells(self) -> tuple[Statement, ...]:
        """The gold table: for every cell the last statement of its value, with document and quote."""
        last: dict[tuple[str, str], Statement] = {}
        for statement in sorted(self.statements, key=lambda one: one.date):
            if not statement.superseded:
                last[statement.entity, statement.slot.name] = statement
        return tuple(last.values())

    @cached_property
    def names(self) -> Mapping[str, str]:
        """Every form of a name, normalised, to the name that answers use."""
        return {check.normalised(form): entity.name for entity in self.entities for form in entity.forms}

    def write(self, folder: Path) -> None:
        """A folder that `datasets.load` reads."""
        datasets.write(folder, self.documents, (question.row for question in self.questions))


def generate(
    seed: int,
    tokens: int,
    language: Language = "en",
    *,
    kind: str = "",
    questions: int = 40,
    entities_count: int | None = None,
    layouts: Sequence[str] = (),
    synonyms: bool = True,
) -> World:
    """A world of about `tokens` tokens (four characters each, one if Chinese), its kind chosen by the seed if not given.

    `layouts` names those in use (lines, table, record, prose, over_years), all if none is named; without `synonyms` documents
    label every figure as questions do. Raises `ValueError` where a computed answer is not confirmed by what the documents say
    (a defect of the generator).
    """
    rng = random.Random(f"corpus tables {seed} {tokens} {language} {kind}")
    about = KINDS[kind or list(KINDS)[seed % len(KINDS)]]
    count = entities_count or max(8, round(12 * (tokens / 16_000) ** 0.6))
    drawn = tuple(entities(about.name, count, language, rng))
    rows = _truth(about, drawn, language, rng)
    stale = _stale(about, rows, language, rng)
    used = tuple(layout for layout in LAYOUTS if not layouts or layout.__name__ in layouts)
    made, statements = documents(about, drawn, rows, stale, tokens, language=language, rng=rng, layouts=used, synonyms=synonyms)
    full = {name: {c: stale.get((name, c), v) for c, v in row.items()} for name, row in rows.items()}
    world = World(seed, language, tokens, about, drawn, rows, full, made, statements)
    return World(
        seed,
        language,
        tokens,
        about,
        drawn,
        rows,
        full,
        made,
        statements,
        tuple(_questions(world, questions, random.Random(rng.random()))),
    )


def _truth(
    kind: Kind, drawn: Sequence[Entity], language: Language, rng: random.Random
) -> dict[str, dict[str, CellValue | None]]:
    """The gold table; about one cell in thirty has no value."""
    person = people(language, rng)
    rows: dict[str, dict[str, CellValue | None]] = {}
    for entity in drawn:
        row: dict[str, CellValue | None] = {}
        holder = person()
        for slot in slots(kind):
            attribute = slot.attribute
            before = row.get(Slot(attribute, slot.year - 1).name) if slot.year else None
            if attribute.type == "text" and not attribute.choices:
                holder = person() if rng.random() < 0.25 else holder
                row[slot.name] = holder
            elif isinstance(before, (int, float)) and rng.random() < 0.9:
                near = round(before * rng.uniform(0.75, 1.4), attribute.decimals)
                row[slot.name] = near if attribute.decimals else int(near)
            else:
                row[slot.name] = draw(attribute, language, rng)
        for name, value in row.items():
            if rng.random() < 0.03 and not (isinstance(value, str) and value == holder):
                row[name] = None
        rows[entity.name] = row
    return rows


def _stale(
    kind: Kind, rows: Mapping[str, Mapping[str, CellValue | None]], language: Language, rng: random.Random
) -> dict[tuple[str, str], CellValue]:
    """First versions of some cells, which a later document corrects."""
    changed: dict[tuple[str, str], CellValue] = {}
    able = {slot.name: slot.attribute for slot in slots(kind) if slot.attribute.type in ("number", "date")}
    names = sorted(rows)
    while len(changed) < max(4, len(names) // 3):
        name, column = rng.choice(names), rng.choice(sorted(able))
        value = rows[name][column]
        if value is None or (name, column) in changed:
            continue
        old = draw(able[column], language, rng)
        near = isinstance(old, (int, float)) and isinstance(value, (int, float)) and abs(old - value) < 0.1 * abs(value)
        if old != value and not near:
            changed[name, column] = old
    return changed


def _questions(world: World, count: int, rng: random.Random) -> list[TableQuestion]:
    """So many different questions, operations and difficulties in turn, each confirmed by the second path."""
    drawer = Drawer(world.kind, world.language, world.rows, world.stale, rng)
    wording = Wording(world.kind, world.language)
    places: dict[tuple[str, str], Statement] = {(cell.entity, cell.slot.name): cell for cell in world.cells}
    said = check.known(world.statements)
    made: dict[str, TableQuestion] = {}
    plan: list[tuple[Operation, bool]] = [*((operation, False) for operation in OPERATIONS), ("list", True)]
    rng.shuffle(plan)
    for turn in range(count * 8):
        if len(made) == count:
            break
        operation, empty = plan[turn % len(plan)]
        difficulty = DIFFICULTIES[(turn + turn // len(plan)) % len(DIFFICULTIES)]
        spec = drawer.spec(operation, difficulty, empty=empty)
        if spec is None:
            continue
        text = wording.question(spec)
        if text in made:
            continue
        answers, value, unit, tolerance = answers_of(spec, compute(spec, world.rows), world.language)
        used = [places[name, slot.name] for name in bearing(spec, world) for slot in spec.slots if (name, slot.name) in places]
        listed = value if isinstance(value, list) else [value] if isinstance(value, str) else []
        forms = {entity.name: entity.forms for entity in world.entities}
        question = TableQuestion(
            id=f"{world.kind.name}-{world.language}-{world.seed}-{len(made):03d}",
            question=text,
            answers=answers,
            value=value,
            unit=unit,
            tolerance=tolerance,
            form=operation,
            answer_type=ANSWER_TYPES[operation],
            difficulty=difficulty,
            language=world.language,
            gold=tuple((place.document, place.quote) for place in used),
            aliases=tuple(forms.get(name, (name,)) for name in listed),
            spec=spec,
        )
        factor = unit_of(spec.slot.attribute, world.language)[1] if spec.slot and operation != "count" else 1.0
        if not check.agrees(spec, question, said, factor):
            raise ValueError(f"{text!r}: {value!r} was computed, {check.again(spec, said)!r} stands in the documents.")
        made[text] = question
    return list(made.values())


def bearing(spec: Spec, world: World) -> tuple[str, ...]:
    """The entities whose cells enter the answer: those that fulfil the conditions, or the ones that are named."""
    conditions = spec.conditions[:-1] if spec.operation == "percent" else spec.conditions
    return spec.names or tuple(
        name for name, row in world.rows.items() if all(holds(c, row.get(c.slot.name)) for c in conditions)
    )


def size(world: World) -> int:
    """Tokens of a world's documents, as `generate` counts them."""
    return sum(tokens_of(document.text) + tokens_of(document.title) for document in world.documents)
