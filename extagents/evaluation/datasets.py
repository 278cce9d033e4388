"""Question sets from folders, and inputs built around their questions.

A folder holds `corpus.jsonl[.gz]` (`id, title, text`) and, unless it is padding, `questions.jsonl[.gz]` (`id, question,
answers, kind, gold: [{doc, quote?}]`, optional `steps`, `scope`, `answerable`, `crosslingual`). Sizes are tokens at four
characters each.
"""

from __future__ import annotations

import gzip
import json
import random
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

from extagents.types import Document

Row = dict[str, Any]
HEADER = 30  # characters that a document's header takes beside its title
_SENTENCE_END = re.compile(r"(?<=[.!?])\s+(?=[A-Z\"'(\[0-9])|\n+")


@dataclass(frozen=True)
class Question:
    """One question of a set. `gold` are the documents that answer it, `quotes` the words that do (None where not known)."""

    id: str
    text: str
    answers: tuple[str, ...]
    kind: str
    gold: tuple[str, ...]
    quotes: tuple[str | None, ...]
    row: Row

    @property
    def accepted(self) -> tuple[str, ...]:
        """The accepted answers; none where saying nothing is right."""
        return self.answers if self.row.get("answerable", True) else ()

    @property
    def scope(self) -> tuple[str, ...]:
        """The documents that the question is about, where it is about some only."""
        return tuple(self.row.get("scope") or ())


@dataclass(frozen=True)
class Dataset:
    """A folder's documents and questions."""

    name: str
    corpus: tuple[Document, ...]
    questions: tuple[Question, ...]

    @cached_property
    def by_id(self) -> Mapping[str, Document]:
        """Documents by their id."""
        return {document.id: document for document in self.corpus}

    def sample(self, count: int, seed: int) -> list[Question]:
        """So many questions, the same for the same seed."""
        return random.Random(seed).sample(self.questions, min(count, len(self.questions)))


def load(folder: Path) -> Dataset:
    """The folder's set. Raises `FileNotFoundError` where there is no corpus."""
    corpus = tuple(
        Document(id=str(row["id"]), title=row.get("title") or "", text=row["text"], metadata={"language": row.get("language")})
        for row in rows(folder, "corpus.jsonl")
    )
    if not corpus:
        raise FileNotFoundError(f"{folder} holds no corpus.jsonl")
    return Dataset(folder.name, corpus, tuple(map(question, rows(folder, "questions.jsonl"))))


def question(row: Row) -> Question:
    """A question from its row."""
    gold = row.get("gold") or []
    return Question(
        id=str(row["id"]),
        text=row["question"],
        answers=tuple(str(answer) for answer in row.get("answers") or ()),
        kind=row.get("kind", "lookup"),
        gold=tuple(str(item.get("document") or item.get("doc")) for item in gold),
        quotes=tuple(item.get("quote") for item in gold),
        row=row,
    )


def rows(folder: Path, name: str) -> Iterator[Row]:
    """The rows of `name` or `name.gz`, none where neither is there."""
    plain, packed = folder / name, folder / f"{name}.gz"
    if plain.exists():
        text = plain.read_text(encoding="utf-8")
    elif packed.exists():
        text = gzip.decompress(packed.read_bytes()).decode("utf-8")
    else:
        return
    yield from (json.loads(line) for line in text.split("\n") if line.strip())


def write(folder: Path, corpus: Iterable[Document], questions: Iterable[Row]) -> None:
    """A folder that `load` reads."""
    folder.mkdir(parents=True, exist_ok=True)
    with (folder / "corpus.jsonl").open("w", encoding="utf-8") as out:
        for document in corpus:
            row = {"id": document.id, "title": document.title, "text": document.text}
            out.write(json.dumps(row, ensure_ascii=False) + "\n")
    with (folder / "questions.jsonl").open("w", encoding="utf-8") as out:
        for asked in questions:
            out.write(json.dumps(asked, ensure_ascii=False) + "\n")


def size_of(document: Document) -> int:
    """Characters of a document with its header."""
    return len(document.text) + len(document.title) + HEADER


def tokens_of(documents: Iterable[Document]) -> int:
    """Tokens of an input at four characters each."""
    return sum(map(size_of, documents)) // 4


# ------------------------------------------------------------------ inputs


def stretched(asked: Question, dataset: Dataset, tokens: int, *, seed: int, padding: Sequence[Document] = ()) -> list[Document]:
    """The question's gold documents and others of the set, then of the padding, up to about `tokens`, shuffled.

    A question with a scope gets the documents of its scope alone: it does not say which ones it is about.
    """
    if asked.scope:
        return [dataset.by_id[name] for name in asked.scope]
    rng = random.Random(f"{seed} {asked.id}")
    chosen = {name: dataset.by_id[name] for name in asked.gold if name in dataset.by_id}
    size = sum(map(size_of, chosen.values()))
    for pool in (dataset.corpus, padding):
        for place in rng.sample(range(len(pool)), len(pool)):
            if size >= tokens * 4:
                break
            document = pool[place]
            if document.id not in chosen:
                chosen[document.id] = document
                size += size_of(document)
    documents = list(chosen.values())
    rng.shuffle(documents)
    return documents


def pieces(documents: Iterable[Document], size: int = 3_000) -> list[Document]:
    """Long documents as documents of about `size` characters, cut at paragraphs or blanks: padding for short ones."""
    made = []
    for document in documents:
        start = number = 0
        while start < len(document.text):
            end = start + size if len(document.text) - start > 1.3 * size else len(document.text)
            if end < len(document.text):
                cut = max(document.text.rfind("\n\n", start + 1, end), document.text.rfind(" ", start + 1, end))
                end = cut + 1 if cut > start else end
            number += 1
            title = f"{document.title}, part {number}"
            made.append(Document(id=f"{document.id}-{number}", title=title, text=document.text[start:end]))
            start = end
    return made


# ------------------------------------------------------------------ long documents


def in_chapters(
    asked: Question, dataset: Dataset, novels: Sequence[Document], tokens: int, *, seed: int, documents: int = 4
) -> tuple[list[Document], Row]:
    """A few long documents, about `tokens` in all, in whose chapters the question's gold passages stand; and its new row.

    Every document is a run of paragraphs of one novel. Each gold passage becomes a paragraph at a random place, so that packing
    by rank has nothing to pack: the documents are all long, and each of them is mostly about something else. The row's gold
    names the long documents, its quotes stand in them word for word, and its steps are those of the question.
    """
    rng = random.Random(f"{seed} {asked.id} chapters")
    passages = list(dict.fromkeys(name for name in asked.gold if name in dataset.by_id))
    wanted = tokens * 4 - sum(len(dataset.by_id[name].text) for name in passages)
    novels = _enough(rng.sample(novels, len(novels)), documents, wanted)
    stretches = []
    for left, novel in enumerate(sorted(novels, key=lambda novel: len(novel.text)), start=-len(novels)):
        stretches.append(_stretch(novel, wanted // -left, rng))
        wanted -= sum(len(paragraph) + 2 for paragraph in stretches[-1])
    novels = sorted(novels, key=lambda novel: len(novel.text))
    home: dict[str, int] = {}
    for name in passages:
        place = home[name] = rng.randrange(len(stretches))
        passage = dataset.by_id[name]
        at = rng.randrange(1, max(2, len(stretches[place])))
        stretches[place].insert(at, f"{passage.title}. {' '.join(passage.text.split())}")
    long = [
        Document(id=f"{asked.id}-{novel.id}", title=novel.title, text="\n\n".join(stretch))
        for novel, stretch in zip(novels, stretches, strict=True)
    ]
    steps = steps_of(asked, dataset)
    gold = [
        {"doc": long[home[name]].id, "quote": " ".join(quote_of(asked, position, dataset).split())}
        for position, name in enumerate(asked.gold)
        if name in home
    ]
    row = {**asked.row, "gold": gold, "steps": steps, "sources": passages}
    return long, row


def _enough(novels: Sequence[Document], documents: int, characters: int) -> list[Document]:
    """The first novels that are as many as asked for and hold so many characters."""
    chosen: list[Document] = []
    for novel in novels:
        if len(chosen) >= documents and sum(len(n.text) for n in chosen) >= characters:
            break
        chosen.append(novel)
    return chosen


def _stretch(novel: Document, characters: int, rng: random.Random) -> list[str]:
    """Successive paragraphs of a novel, about so many characters, from a random place."""
    paragraphs = [paragraph for paragraph in novel.text.split("\n\n") if paragraph.strip()]
    spare = sum(len(paragraph) + 2 for paragraph in paragraphs) - characters
    skipped = rng.randrange(spare) if spare > 0 else 0
    chosen: list[str] = []
    size = 0
    for paragraph in paragraphs:
        cost = len(paragraph) + 2
        if skipped >= cost:
            skipped -= cost
        elif size < characters:
            skipped = 0
            chosen.append(paragraph)
            size += cost
    return chosen


def quote_of(asked: Question, position: int, dataset: Dataset) -> str:
    """The gold words at that place: as given, else the sentence of the passage with an answer, else its first sentence."""
    quote = asked.quotes[position]
    if quote:
        return quote
    sentences = [part for part in _SENTENCE_END.split(dataset.by_id[asked.gold[position]].text) if part.strip()]
    wanted = [*(step[1] for step in asked.row.get("steps") or ()), *asked.answers]
    return next((part for part in sentences for answer in wanted if answer.lower() in part.lower()), sentences[0])


def steps_of(asked: Question, dataset: Dataset) -> list[list[str]]:
    """The steps of a question, one for each gold passage: as given, else told by which passage names which title.

    A passage whose title the question names is a first step; one that another passage names follows from it (`#n`).
    """
    given = asked.row.get("steps") or []
    if len(given) == len(asked.gold):
        return [list(step) for step in given]
    titles = [re.sub(r"\s*\(.*?\)\s*$", "", dataset.by_id[name].title) for name in asked.gold]
    quotes = [quote_of(asked, position, dataset).lower() for position in range(len(asked.gold))]
    answer = asked.answers[0] if asked.answers else ""
    named = [title.lower() in asked.text.lower() for title in titles]
    made = [["what is said of it", answer] for _ in titles]
    for position, title in enumerate(titles):
        if named[position] or position == 0:
            continue
        leads = [n for n, quote in enumerate(quotes) if asked.gold[n] != asked.gold[position] and title.lower() in quote]
        if leads:
            made[position][0] = f"#{leads[0] + 1} >> what is said of it"
            made[leads[0]][1] = title
    return made


# ------------------------------------------------------------------ across languages


def crosslingual(dataset: Dataset, language: str) -> tuple[list[Document], list[Row]]:
    """The set with its questions in `language` and its documents in the other language; gold and answers are the documents'."""
    asked = [q for q in dataset.questions if q.row.get("language") == language and q.row.get("crosslingual")]
    documents = [d for d in dataset.corpus if d.metadata.get("language") != language]
    there = {document.id for document in documents}
    made = []
    for q in asked:
        other = q.row["crosslingual"]
        if all(gold["doc"] in there for gold in other["gold"]):
            row = {name: value for name, value in q.row.items() if name != "crosslingual"}
            made.append({**row, "answers": other["answers"], "gold": other["gold"]})
    return documents, made


def matchable(asked: Question) -> bool:
    """Whether an answer can be scored by matching: free text that stands in no quote has to be judged."""
    if asked.kind != "lookup" or not asked.row.get("answerable", True):
        return True
    return all(quote is not None for quote in asked.quotes)
