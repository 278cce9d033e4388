"""Facts of made-up entities as text: key–value lines, bullets, Markdown tables, JSON records, prose, tables over years and
registers of many entities. Every block knows where in its text each fact stands.
"""

from __future__ import annotations

import json
import random
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field

from extagents.evaluation.corpus_tables_names import Entity
from extagents.evaluation.corpus_tables_values import UNDISCLOSED, spelled, written
from extagents.evaluation.corpus_tables_worlds import QUANTITIES, YEARS, Kind, Slot
from extagents.tabular import CellValue

Facts = Sequence[tuple[Slot, CellValue | None]]


@dataclass(frozen=True, slots=True)
class Said:
    """A fact as a block says it: `raw` is the value as written with its unit, the quote is `text[at : at + length]`."""

    entity: str
    slot: Slot
    value: CellValue
    raw: str
    at: int
    length: int


@dataclass(slots=True)
class Block:
    """A stretch of text with what it says."""

    text: str = ""
    said: list[Said] = field(default_factory=list)

    def say(self, line: str, entity: Entity, told: Sequence[tuple[Slot, CellValue | None, str]]) -> None:
        """Adds a line that is the quote of these facts."""
        at = len(self.text)
        self.text += line
        self.said.extend(Said(entity.name, slot, value, raw, at, len(line)) for slot, value, raw in told if value is not None)


@dataclass(frozen=True, slots=True)
class Scribe:
    """Who writes: the language, the kind of entity, the dice, and whether labels have synonyms."""

    language: str
    kind: Kind
    rng: random.Random
    synonyms: bool = True

    def value(self, slot: Slot, value: CellValue | None) -> str:
        if value is None:
            return self.rng.choice(UNDISCLOSED[self.language])
        return spelled(slot.attribute, value, self.language, self.rng)

    def label(self, slot: Slot, *, year: bool = True) -> str:
        """One of the labels, with its year."""
        label = self.rng.choice(slot.attribute.labels[self.language][: None if self.synonyms else 1])
        if self.language == "zh":
            if slot.year is None or not year:
                return label
            return self.rng.choice((f"{slot.year}年{label}", f"{label}（{slot.year}年）"))
        label = label[0].upper() + label[1:]
        if slot.year is None or not year:
            return label
        return self.rng.choice((f"{label} ({slot.year})", f"{label} {slot.year}", f"{label}, fiscal {slot.year}"))

    def bare(self, slot: Slot, value: CellValue | None) -> tuple[str, str, str]:
        """The unit for a label ("" for none), the cell's text without it, and the value as it reads with it."""
        attribute = slot.attribute
        if not attribute.quantity:
            text = self.value(slot, value)
            return "", text, text
        quantity = QUANTITIES[attribute.quantity]
        form = next((form for form in quantity.forms[self.language] if form.template.startswith("{}")), None)
        assert form is not None
        unit = form.template[2:].strip()
        if unit in ("人", "件"):
            unit = ""
        if value is None:
            return unit, self.value(slot, None), ""
        assert isinstance(value, (int, float))
        bracket = self.rng.random() < 0.5
        whole = written(value, form, bracket=bracket)
        text = whole.replace(form.template[2:], "") if form.template[2:] else whole
        return unit, text, whole if unit else text

    def form(self, entity: Entity) -> str:
        return self.rng.choice(entity.forms)

    def named(self, label: str, unit: str) -> str:
        if not unit:
            return label
        return f"{label}（{unit}）" if self.language == "zh" else f"{label} ({unit})"


def lines(scribe: Scribe, entity: Entity, facts: Facts) -> Block:
    """Label: value."""
    block = Block()
    mark = "：" if scribe.language == "zh" else ": "
    bullet = scribe.rng.choice(("", "", "- ", "* "))
    bold = scribe.rng.random() < 0.3
    for slot, value in facts:
        raw = scribe.value(slot, value)
        label = scribe.label(slot)
        block.text += bullet
        block.say(f"**{label}**{mark}{raw}" if bold else f"{label}{mark}{raw}", entity, [(slot, value, raw)])
        block.text += "\n"
    return block


def table(scribe: Scribe, entity: Entity, facts: Facts) -> Block:
    """A Markdown table of items and values."""
    head = ("Item", "Value") if scribe.language == "en" else ("项目", "数值")
    block = Block(f"| {head[0]} | {head[1]} |\n|---|---|\n")
    for slot, value in facts:
        if scribe.rng.random() < 0.5:
            unit, text, raw = scribe.bare(slot, value)
        else:
            unit, text = "", scribe.value(slot, value)
            raw = text
        block.say(f"| {scribe.named(scribe.label(slot), unit)} | {text} |", entity, [(slot, value, raw)])
        block.text += "\n"
    return block


def record(scribe: Scribe, entity: Entity, facts: Facts) -> Block:
    """A JSON object."""
    block = Block("```json\n{\n")
    head = scribe.kind.nouns[scribe.language][0]
    block.text += f"  {json.dumps(head, ensure_ascii=False)}: {json.dumps(scribe.form(entity), ensure_ascii=False)}"
    for slot, value in facts:
        block.text += ",\n  "
        shown: object = None
        raw = ""
        label = scribe.label(slot)
        if value is not None and slot.attribute.quantity and scribe.rng.random() < 0.5:
            unit, text, raw = scribe.bare(slot, value)
            label = scribe.named(label, unit)
            number = float(text.replace(",", "").replace("(", "-").replace(")", ""))
            shown = int(number) if number == int(number) else number
            raw = f"{shown} {unit}".strip() if scribe.language == "en" else f"{shown}{unit}"
        elif isinstance(value, bool):
            shown, raw = value, json.dumps(value)
        elif isinstance(value, tuple):
            shown, raw = list(value), ", ".join(value)
        elif value is not None:
            shown = raw = scribe.value(slot, value)
        quote = f"{json.dumps(label, ensure_ascii=False)}: {json.dumps(shown, ensure_ascii=False)}"
        block.say(quote, entity, [(slot, value, raw)])
    block.text += "\n}\n```\n"
    return block


def prose(scribe: Scribe, entity: Entity, facts: Facts) -> Block:
    """Sentences, a few to a paragraph."""
    block = Block()
    for number, (slot, value) in enumerate(facts):
        if number:
            block.text += "\n\n" if number % 4 == 0 else ("" if scribe.language == "zh" else " ")
        raw = scribe.value(slot, value)
        block.say(_sentence(scribe, scribe.form(entity), slot, raw), entity, [(slot, value, raw)])
    return Block(block.text + "\n", block.said)


def _sentence(scribe: Scribe, name: str, slot: Slot, raw: str) -> str:
    label = scribe.label(slot, year=False)
    plural = slot.attribute.type == "list"
    if scribe.language == "zh":
        if slot.attribute.type == "boolean":
            return f"{name}{label}：{raw}。"
        verb = scribe.rng.choice(("为", "是")) if slot.attribute.type != "number" else scribe.rng.choice(("为", "达", "计"))
        year = "" if slot.year is None else f"{slot.year}年，"
        return f"{year}{name}的{label}{'包括' if plural else verb}{raw}。"
    if slot.attribute.type == "boolean":
        return f"For {name} the entry “{label}” reads: {raw}."
    label = label if label[1:2].isupper() else label[0].lower() + label[1:]
    if slot.year is None:
        return scribe.rng.choice(
            (
                f"The {label} of {name} {'are' if plural else 'is'} {raw}.",
                f"{name} has the following {label}: {raw}." if plural else f"{name} gives its {label} as {raw}.",
            )
        )
    verb = "was" if slot.attribute.type != "number" else scribe.rng.choice(("was", "came to", "stood at"))
    return scribe.rng.choice(
        (
            f"In {slot.year}, the {label} of {name} {verb} {raw}.",
            f"For {slot.year}, the {label} of {name} {verb} {raw}.",
            f"The {label} of {name} in fiscal {slot.year} {verb} {raw}.",
        )
    )


def over_years(scribe: Scribe, entity: Entity, facts: Facts) -> Block:
    """A table of attributes by year; facts without a year stand in lines below."""
    known = {slot: value for slot, value in facts if slot.year is not None}
    years = [year for year in YEARS if any(slot.year == year for slot in known)]
    head = "Figure" if scribe.language == "en" else "指标"
    block = Block()
    if known:
        block.text = f"| {head} | {' | '.join(map(str, years))} |\n|{'---|' * (len(years) + 1)}\n"
    by_attribute: dict[str, list[Slot]] = {}
    for one in known:
        by_attribute.setdefault(one.attribute.name, []).append(one)
    for group in by_attribute.values():
        told: list[tuple[Slot, CellValue | None, str]] = []
        cells, unit = [], ""
        for year in years:
            slot = {one.year: one for one in group}.get(year)
            if slot is None:
                cells.append("–")
                continue
            unit, text, raw = scribe.bare(slot, known[slot])
            cells.append(text)
            told.append((slot, known[slot], raw))
        label = scribe.named(scribe.label(group[0], year=False), unit)
        block.say(f"| {label} | {' | '.join(cells)} |", entity, told)
        block.text += "\n"
    rest = [(slot, value) for slot, value in facts if slot.year is None]
    if rest:
        block = joined([block, Block("\n"), lines(scribe, entity, rest)] if known else [lines(scribe, entity, rest)])
    return block


Layout = Callable[[Scribe, Entity, Facts], Block]
LAYOUTS: tuple[Layout, ...] = (lines, table, record, prose, over_years)


def register(
    scribe: Scribe, entities: Sequence[Entity], slots: Sequence[Slot], values: Mapping[tuple[str, str], CellValue | None]
) -> Block:
    """Several entities in one document: one table, a JSON record a line, or an entry with lines each."""
    style = scribe.rng.randrange(3)
    if style == 2:
        parts = []
        for entity in entities:
            name = scribe.form(entity)
            parts += [Block(f"### {name}\n\n"), lines(scribe, entity, _facts(entity, slots, values)), Block("\n")]
        return joined(parts)
    if style == 1:
        block = Block()
        labels = [scribe.label(slot) for slot in slots]
        noun = scribe.kind.nouns[scribe.language][0]
        for entity in entities:
            told, row = [], {noun: scribe.form(entity)}
            for label, (slot, value) in zip(labels, _facts(entity, slots, values), strict=True):
                raw = row[label] = scribe.value(slot, value)
                told.append((slot, value, raw))
            block.say(json.dumps(row, ensure_ascii=False), entity, told)
            block.text += "\n"
        return block
    heads = [scribe.named(scribe.label(slot), scribe.bare(slot, None)[0]) for slot in slots]
    noun = scribe.kind.nouns[scribe.language][0]
    block = Block(f"| {' | '.join([noun[0].upper() + noun[1:], *heads])} |\n|{'---|' * (len(heads) + 1)}\n")
    for entity in entities:
        cells, told = [], []
        for slot, value in _facts(entity, slots, values):
            _, text, raw = scribe.bare(slot, value)
            cells.append(text)
            told.append((slot, value, raw))
        block.say(f"| {' | '.join([scribe.form(entity), *cells])} |", entity, told)
        block.text += "\n"
    return block


def _facts(
    entity: Entity, slots: Sequence[Slot], values: Mapping[tuple[str, str], CellValue | None]
) -> list[tuple[Slot, CellValue | None]]:
    return [(slot, values.get((entity.name, slot.name))) for slot in slots]


def joined(blocks: Sequence[Block]) -> Block:
    """One block after another."""
    whole = Block()
    for block in blocks:
        shift = len(whole.text)
        whole.said.extend(Said(s.entity, s.slot, s.value, s.raw, s.at + shift, s.length) for s in block.said)
        whole.text += block.text
    return whole
