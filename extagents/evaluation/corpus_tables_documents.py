"""The documents of a world: filings of each entity, registers of many, amendments, papers of other kinds, and filler."""

from __future__ import annotations

import datetime
import random
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from extagents.evaluation.baselines.loop import tokens as tokens_of
from extagents.evaluation.corpus_tables_filler import HEADINGS, aside, paragraph
from extagents.evaluation.corpus_tables_layouts import (
    LAYOUTS,
    Block,
    Facts,
    Layout,
    Scribe,
    joined,
    lines,
    over_years,
    prose,
    register,
)
from extagents.evaluation.corpus_tables_names import Entity, entities
from extagents.evaluation.corpus_tables_values import day, draw
from extagents.evaluation.corpus_tables_worlds import KINDS, YEARS, Kind, Language, Slot, slots
from extagents.tabular import CellValue
from extagents.types import Document

Rows = Mapping[str, Mapping[str, CellValue | None]]


@dataclass(frozen=True, slots=True)
class Statement:
    """A place that says a cell's value: `quote == text[start : start + len(quote)]` of the document; `date` is the document's.

    `raw` is the value as it reads there, with its unit. `superseded`: a later document says otherwise.
    """

    entity: str
    slot: Slot
    value: CellValue
    raw: str
    document: str
    start: int
    quote: str
    date: str
    superseded: bool = False


@dataclass(slots=True)
class Draft:
    """A document to be: title, date, blocks in order, and how much filler it gets beside others."""

    title: str
    date: str
    blocks: list[Block] = field(default_factory=list)
    weight: float = 1.0
    asides: list[str] = field(default_factory=list)
    gold: bool = True


@dataclass(slots=True)
class _Desk:
    """Where the drafts of one world are written. First filings say what `first` gives: superseded values included."""

    kind: Kind
    scribe: Scribe
    rng: random.Random
    rows: Rows
    stale: Mapping[tuple[str, str], CellValue]
    layouts: tuple[Layout, ...] = LAYOUTS
    drafts: list[Draft] = field(default_factory=list)

    @property
    def language(self) -> str:
        return self.scribe.language

    def date(self, first: str, days: int) -> str:
        start = datetime.date.fromisoformat(first).toordinal()
        return datetime.date.fromordinal(start + self.rng.randrange(days)).isoformat()

    def first(self, entity: Entity, slot: Slot) -> CellValue | None:
        return self.stale.get((entity.name, slot.name), self.rows[entity.name][slot.name])

    def facts(self, entity: Entity, wanted: Sequence[Slot]) -> list[tuple[Slot, CellValue | None]]:
        """What the first filing says; of what has no value two in five are not even mentioned."""
        told = [(slot, self.first(entity, slot)) for slot in wanted]
        kept = [(slot, value) for slot, value in told if value is not None or self.rng.random() < 0.6]
        self.rng.shuffle(kept)
        return kept

    def filing(self, entity: Entity, wanted: Sequence[Slot], date: str) -> Draft:
        """A document on one entity, its facts in one to three layouts."""
        facts = self.facts(entity, wanted)
        parts: list[Facts] = [facts]
        if len(facts) > 5 and self.rng.random() < 0.6:
            cut = self.rng.randint(2, len(facts) - 2)
            parts = [facts[:cut], facts[cut:]]
        draft = Draft(self.rng.choice(self.kind.titles[self.language]).format(self.scribe.form(entity)), date)
        draft.blocks.append(self.opening(entity, date))
        for part in parts:
            layout = self.layout(but=() if any(slot.year for slot, _ in part) else (over_years,))
            draft.blocks.append(layout(self.scribe, entity, part))
        draft.weight = self.rng.lognormvariate(0, 0.6)
        return draft

    def layout(self, *, but: Sequence[Layout] = ()) -> Layout:
        """One of the layouts that are in use, key–value lines where no other is left."""
        return self.rng.choice([one for one in self.layouts if one not in but] or [lines])

    def opening(self, entity: Entity, date: str) -> Block:
        noun, told = self.kind.nouns[self.language][0], day(date, self.language, self.rng.randrange(3))
        if self.language == "zh":
            return Block(f"{noun}：{entity.name}\n文件日期：{told}\n")
        return Block(f"{noun[0].upper()}{noun[1:]}: {entity.name}\nDate of this document: {told}\n")

    def file_entity(self, entity: Entity, own: Sequence[Slot]) -> None:
        """The filings of an entity: all in one, by subject, or a document a year."""
        fixed = [slot for slot in own if slot.year is None]
        yearly = [slot for slot in own if slot.year is not None]
        style = self.rng.random()
        if style < 0.35:
            self.drafts.append(self.filing(entity, own, self.date("2025-01-10", 150)))
            return
        if fixed:
            self.drafts.append(self.filing(entity, fixed, self.date("2025-01-10", 150)))
        if style < 0.75:
            self.drafts.append(self.filing(entity, yearly, self.date("2025-01-10", 150)))
            return
        for year in YEARS:
            told = [slot for slot in yearly if slot.year == year]
            self.drafts.append(self.filing(entity, told, self.date(f"{year + 1}-01-10", 150)))

    def registers(self, group: Sequence[Entity], shared: Sequence[Slot], number: int) -> None:
        """A document with facts of several entities."""
        date = self.date("2025-02-01", 120)
        values = {(e.name, slot.name): self.first(e, slot) for e in group for slot in shared}
        title = self.rng.choice(self.kind.registers[self.language]).format(number)
        told = day(date, self.language, self.rng.randrange(3))
        head = f"文件日期：{told}\n" if self.language == "zh" else f"Date of this document: {told}\n"
        blocks = [Block(head), register(self.scribe, group, shared, values)]
        self.drafts.append(Draft(title, date, blocks, self.rng.lognormvariate(0, 0.5)))

    def amend(self, entity: Entity, changed: Sequence[Slot]) -> None:
        """A later filing that corrects figures, with its date in the text."""
        date = self.date("2025-08-01", 110)
        facts = [(slot, self.rows[entity.name][slot.name]) for slot in changed]
        told = day(date, self.language, self.rng.randrange(3))
        if self.language == "zh":
            title = f"{self.scribe.form(entity)}更正公告"
            note = f"本更正公告于{told}提交，取代此前文件中的下列内容。\n"
        else:
            title = f"Amendment No. 1: {self.scribe.form(entity)}"
            note = f"This amendment was filed on {told}. It replaces the following figures of the earlier documents.\n"
        body = self.layout(but=(over_years,))(self.scribe, entity, facts)
        draft = Draft(title, date, [self.opening(entity, date), joined([Block(note + "\n"), body])])
        draft.weight = 0.3
        self.drafts.append(draft)

    def note(self, entity: Entity, chosen: Sequence[Slot]) -> None:
        """A short notice that says again, in other words, what a filing says."""
        date = self.date("2025-03-01", 100)
        facts = [(slot, self.rows[entity.name][slot.name]) for slot in chosen]
        title = (
            f"关于{self.scribe.form(entity)}的简讯" if self.language == "zh" else f"News in brief: {self.scribe.form(entity)}"
        )
        body = self.rng.choice([one for one in (lines, prose) if one in self.layouts] or [lines])(self.scribe, entity, facts)
        self.drafts.append(Draft(title, date, [self.opening(entity, date), body], 0.4))


def documents(
    kind: Kind,
    drawn: Sequence[Entity],
    rows: Rows,
    stale: Mapping[tuple[str, str], CellValue],
    tokens: int,
    *,
    language: Language,
    rng: random.Random,
    layouts: tuple[Layout, ...] = LAYOUTS,
    synonyms: bool = True,
) -> tuple[tuple[Document, ...], tuple[Statement, ...]]:
    """The documents in a random order, and everything that they say of the table."""
    desk = _Desk(kind, Scribe(language, kind, rng, synonyms), rng, rows, stale, layouts)
    everything = slots(kind)
    able = [slot for slot in everything if slot.year is None and slot.attribute.type in ("number", "text", "boolean", "list")]
    joint = rng.sample(drawn, len(drawn) // 4)
    for number, start in enumerate(range(0, len(joint), 8), start=1):
        group = joint[start : start + 8]
        shared = [slot for slot in rng.sample(able, min(len(able), 4)) if not any((e.name, slot.name) in stale for e in group)]
        if shared:
            desk.registers(group, shared, number)
        for entity in group:
            desk.file_entity(entity, [slot for slot in everything if slot not in shared])
    for entity in drawn:
        if entity not in joint:
            desk.file_entity(entity, everything)
        changed = [slot for slot in everything if (entity.name, slot.name) in stale]
        if changed:
            desk.amend(entity, changed)
        again = [s for s in everything if s not in changed and rows[entity.name][s.name] is not None]
        if rng.random() < 0.4:
            desk.note(entity, rng.sample(again, rng.randint(1, 3)))
    _others(desk, max(2, len(desk.drafts) // 4))
    _asides(desk, drawn)
    return _assembled(desk, tokens)


def _others(desk: _Desk, count: int) -> None:
    """Documents of other kinds of things, which use the same words and layouts."""
    kinds = [kind for kind in KINDS.values() if kind.name != desk.kind.name]
    for _ in range(count):
        kind = desk.rng.choice(kinds)
        scribe = Scribe(desk.language, kind, desk.rng)
        entity = entities(kind.name, 1, desk.language, desk.rng)[0]
        facts = [
            (s, draw(s.attribute, desk.language, desk.rng)) for s in slots(kind) if s.attribute.choices or s.attribute.quantity
        ]
        told = desk.rng.sample(facts, min(6, len(facts)))
        date = desk.date("2025-01-10", 200)
        title = desk.rng.choice(kind.titles[desk.language]).format(entity.name)
        other = _Desk(kind, scribe, desk.rng, {}, {})
        blocks = [other.opening(entity, date), desk.rng.choice(LAYOUTS[:4])(scribe, entity, told)]
        desk.drafts.append(Draft(title, date, blocks, desk.rng.lognormvariate(0.2, 0.6), gold=False))


def _asides(desk: _Desk, drawn: Sequence[Entity]) -> None:
    """Forecasts and rivals' figures in one filing of three."""
    numbers = [slot for slot in slots(desk.kind) if slot.attribute.type == "number"]
    rivals = entities(desk.kind.name, 6, desk.language, desk.rng, taken=[form for e in drawn for form in e.forms])
    for draft in desk.drafts:
        if draft.gold and desk.rng.random() < 0.33:
            entity, rival = desk.rng.choice(drawn), desk.rng.choice(rivals)
            draft.asides.append(aside(desk.scribe, entity, rival.name, desk.rng.choice(numbers)))


def _assembled(desk: _Desk, tokens: int) -> tuple[tuple[Document, ...], tuple[Statement, ...]]:
    """The drafts with filler up to the size wanted, shuffled and numbered."""
    drafts = desk.drafts
    desk.rng.shuffle(drafts)
    said = sum(tokens_of(block.text) + 4 for draft in drafts for block in draft.blocks) + sum(
        tokens_of(draft.title) * 2 + 6 + sum(map(tokens_of, draft.asides)) for draft in drafts
    )
    weights = sum(draft.weight for draft in drafts)
    room = max(0, tokens - said)
    made, statements = [], []
    owed = 0.0
    for number, draft in enumerate(drafts, start=1):
        name = f"{desk.language}-{number:04d}"
        owed += room * draft.weight / weights
        filler = []
        while owed > 60:
            filler.append(paragraph(desk.language, desk.rng))
            owed -= tokens_of(filler[-1]) + 1
        text, placed = _text(desk, draft, filler)
        for block, shift in placed:
            for one in block.said:
                start = shift + one.at
                changed = desk.stale.get((one.entity, one.slot.name))
                old = changed is not None and one.value == changed
                quote = text[start : start + one.length]
                statements.append(
                    Statement(one.entity, one.slot, one.value, one.raw, name, start, quote, draft.date, superseded=old)
                )
        metadata = {"language": desk.language, "kind": desk.kind.name if draft.gold else "other"}
        made.append(Document(id=name, title=draft.title, text=text, metadata=metadata))
    if not desk.drafts:
        return (), ()
    known = set(desk.rows)
    return tuple(made), tuple(statement for statement in statements if statement.entity in known)


def _text(desk: _Desk, draft: Draft, filler: Sequence[str]) -> tuple[str, list[tuple[Block, int]]]:
    """The document's text: title, opening, then blocks with filler before, between and after them, under headings."""
    first, *rest = draft.blocks
    text = f"# {draft.title}\n\n"
    placed = [(first, len(text))]
    text += f"{first.text}\n"
    queue: list[Block | str] = [*filler, *draft.asides]
    places = sorted(desk.rng.randint(0, len(queue)) for _ in rest)
    for shift, (place, block) in enumerate(zip(places, rest, strict=True)):
        queue.insert(place + shift, block)
    parts = [text]
    length = len(text)
    headings = HEADINGS[desk.language]
    since = 0
    for item in queue:
        if isinstance(item, Block):
            heading = "" if desk.rng.random() < 0.4 else f"## {desk.rng.choice(headings)}\n\n"
            placed.append((item, length + len(heading)))
            part = f"{heading}{item.text}\n"
            since = 0
        else:
            since += 1
            heading = f"## {desk.rng.choice(headings)}\n\n" if since % 9 == 1 and desk.rng.random() < 0.5 else ""
            part = f"{heading}{item}\n\n"
        parts.append(part)
        length += len(part)
    return "".join(parts), placed
