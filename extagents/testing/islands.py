"""A made-up archipelago: a small repository of documents in which facts lie apart, with questions whose answers are known.

For trying things without data of one's own: the same for the same seed, on every machine and every version of Python.
"""

from __future__ import annotations

import random
from dataclasses import dataclass
from pathlib import Path

from extagents.types import Document

ISLANDS = ("Tarn", "Corrin", "Vesk", "Oskerby", "Lund Rock", "Halvar", "Brannoch", "Sel", "Quern", "Maro", "Ithel", "Drune")
TOWNS = (
    *("Port Ansel", "Greywater", "Kettle Bay", "Norrow", "Saltmarsh", "Ravenstair", "Fennick", "Lowmere", "Ashcombe"),
    *("Dunhallow", "Pellgate", "Wick Sound"),
)
FIRST = ("Mirelle", "Tobin", "Ysolde", "Casper", "Henrike", "Anselm", "Petra", "Lorcan", "Ingrid", "Matthis", "Orla", "Bastian")
LAST = (
    "Tanager",
    "Holloway",
    "Quist",
    "Varga",
    "Brandt",
    "Okafor",
    "Lindqvist",
    "Marsh",
    "Pereira",
    "Sorrel",
    "Wren",
    "Calder",
)
SHIPS = (
    *("Grey Heron", "Patient Anna", "Salt Lantern", "Winter Rose", "Good Intent", "Blue Plover", "Hopeful Star", "Iron Maid"),
    *("Distant Shore", "Red Kestrel", "Quiet Hour", "Lucky Penny"),
)
GOODS = ("rope", "tar", "oak planks", "copper nails", "lamp oil", "sailcloth", "salt cod", "barley", "candles", "wool")
WEATHER = ("fog until noon", "a steady westerly", "heavy rain", "a clear, cold day", "squalls from the north", "no wind at all")
CHINESE_TITLE = "群岛年鉴"


@dataclass(frozen=True, slots=True)
class Asked:
    """A question: its answer, and the sentences that carry it, one a step. Without steps nothing answers it."""

    question: str
    answer: str
    steps: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Archipelago:
    """The documents, and questions of one, two and three steps about them."""

    documents: tuple[Document, ...]
    questions: tuple[Asked, ...]

    def write(self, folder: Path) -> Path:
        """Writes every document into a file of its own under the folder, which is given back."""
        for document in self.documents:
            path = folder / document.id
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(document.text, encoding="utf-8")
        return folder


def archipelago(seed: int = 7, *, lines: int = 14) -> Archipelago:
    """73 documents of about `lines` lines each that matter to nobody, and among them those that answer something."""
    dice = random.Random(seed)
    people = [
        f"{first} {last}" for first, last in zip(FIRST * 3, (*LAST, *LAST[5:], *LAST[:5], *LAST[9:], *LAST[:9]), strict=True)
    ]
    dice.shuffle(people)
    builders, captains, founders = people[:12], people[12:24], people[24:]
    homes = dice.sample(TOWNS * 3, 36)
    born = dict(zip(people, homes, strict=True))
    founded = dict(zip(TOWNS, founders, strict=True))
    documents: list[Document] = []
    built, commanded = [], []
    for island, town, builder in zip(ISLANDS, TOWNS, builders, strict=True):
        built.append(f"The lighthouse of {island} was built by {builder} in {dice.randint(1801, 1890)}.")
        facts = [_only_town(island, town), built[-1]]
        documents.append(_document(f"islands/{_name(island)}.md", island, facts, dice, lines))
    for ship, captain in zip(SHIPS, captains, strict=True):
        commanded.append(f"The captain of the {ship} is {captain}.")
        facts = [f"The {ship} was launched in {dice.randint(1840, 1899)} and carries {dice.choice(GOODS)}.", commanded[-1]]
        documents.append(_document(f"ships/{_name(ship)}.md", f"Log of the {ship}", facts, dice, lines))
    for town in TOWNS:
        facts = [
            _founding(town, founded[town]),
            f"Market is held in {town} every {dice.choice(('Tuesday', 'Friday', 'Saturday'))}.",
        ]
        documents.append(_document(f"towns/{_name(town)}.md", town, facts, dice, lines))
    for person in people:
        facts = [_birth(person, born[person]), f"{person.split()[0]} learned to make {dice.choice(GOODS)} as a child."]
        documents.append(_document(f"people/{_name(person)}.md", person, facts, dice, lines))
    chinese = "".join(
        f"{town}的灯塔看守人是{keeper}。\n\n" for town, keeper in (("临江", "林远舟"), ("青石", "周明"), ("白沙", "何秀英"))
    )
    documents.append(Document(id="almanac.zh.md", title=CHINESE_TITLE, text=f"{CHINESE_TITLE}\n\n{chinese}"))
    questions: list[Asked] = []
    for island, town, builder, step in list(zip(ISLANDS, TOWNS, builders, built, strict=True))[:5]:
        home = born[builder]
        questions.append(Asked(f"Who built the lighthouse of {island}?", builder, (step,)))
        steps: tuple[str, ...] = (step, _birth(builder, home))
        questions.append(Asked(f"In which town was the person born who built the lighthouse of {island}?", home, steps))
        steps = (_only_town(island, town), _founding(town, founded[town]))
        questions.append(Asked(f"Who founded the town on {island}?", founded[town], steps))
    for ship, captain, step in list(zip(SHIPS, captains, commanded, strict=True))[:5]:
        home = born[captain]
        steps = (step, _birth(captain, home))
        questions.append(Asked(f"Which town was the captain of the {ship} born in?", home, steps))
        steps = (*steps, _founding(home, founded[home]))
        questions.append(Asked(f"Who founded the town where the captain of the {ship} was born?", founded[home], steps))
    questions.append(Asked("Who composed the anthem of the archipelago?", "", ()))
    return Archipelago(tuple(documents), tuple(questions))


def _only_town(island: str, town: str) -> str:
    return f"{island} is one of the twelve islands, and {town} is its only town."


def _birth(person: str, town: str) -> str:
    return f"{person} was born in {town}."


def _founding(town: str, founder: str) -> str:
    return f"The town of {town} was founded by {founder}."


def _name(title: str) -> str:
    return title.lower().replace(" ", "-")


def _document(name: str, title: str, facts: list[str], dice: random.Random, lines: int) -> Document:
    """A document with the facts at places of their own among entries of the day."""
    entries = [
        f"Entry {number}: {dice.choice(WEATHER)}; {dice.randint(2, 90)} barrels of {dice.choice(GOODS)} came in, "
        f"{dice.randint(2, 90)} bales of {dice.choice(GOODS)} went out, and {dice.randint(1, 30)} pence were paid at the gate."
        for number in range(1, lines + 1)
    ]
    for fact in facts:
        entries.insert(dice.randint(0, len(entries)), fact)
    return Document(id=name, title=title, text="\n\n".join([title, *entries]) + "\n")
