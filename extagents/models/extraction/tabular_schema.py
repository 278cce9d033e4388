"""Which table the questions ask for: their words matched with the labels of a sample, types and units from the values there."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field

from extagents.models.extraction.tabular_lines import Field, fields
from extagents.models.extraction.tabular_values import coded, figure_of, looks_dated, looks_listed, nothing, unit_beside
from extagents.tables.templates import THINGS, ask_of, labels_of
from extagents.tables.templates_ask import Ask, Condition
from extagents.tables.templates_words import LEAST, Fit, plain, tokens, wordings, years
from extagents.tabular import Column, ColumnType, ProposedTable, ProposedTables, TableSchema
from extagents.text import is_cjk
from extagents.types import SchemaInput, ShardText

_PARENTHESES = re.compile(r"\s*[（(][^()（）]*[)）]")
_NEAR = 0.06
_SMALL = frozenset("the a an of in on at to for by with and or its their".split())
_MOST_LABELS = 8


@dataclass
class _Label:
    """What the sample says under one label."""

    text: str
    values: list[str] = field(default_factory=list)
    units: list[str] = field(default_factory=list)
    documents: set[str] = field(default_factory=set)


def propose(inputs: SchemaInput) -> ProposedTables:
    """One table with the columns that the questions need; none where no column is found for any of them."""
    asks = [ask_of(question) for question in inputs.questions]
    ways = [way for ask in asks if ask is not None for way in (ask, ask.otherwise) if way is not None]
    nouns = Counter(noun for way in ways if (noun := way.entity.partition(" | ")[0]))
    # Of “Which customer has the most orders?” it is not known yet which of the two the rows are.
    sure = {way.entity.partition(" | ")[0] for way in ways} if all(way.otherwise is None for way in ways) else set()
    asked = next((noun for noun, _ in nouns.most_common() if noun in sure), "")
    labels: dict[str, _Label] = {}
    keys: Counter[str] = Counter()
    for section in inputs.sample.sections:
        for found in fields(section, entity=asked):
            _take(labels, found, section.document)
            if found.key:
                keys[found.key] += 1
    existing = _existing(inputs.existing, nouns)
    sample = _Sample(labels, Fit.of(list(labels)), existing, inputs.sample)
    columns: dict[str, Column] = {}
    whole: list[int] = []
    partly: list[int] = []
    filters: list[str] = []
    nouns = Counter()
    for number, (question, ask) in enumerate(zip(inputs.questions, asks, strict=True), start=1):
        ways = [] if ask is None else [ask] if ask.otherwise is None else [ask, ask.otherwise]
        needed: list[Column] = []
        for way in ways:
            ask, (needed, complete) = way, sample.needed(way, columns)
            if complete and needed:
                whole.append(number)
                break
        else:
            if ways:
                partly += [number] if needed else []
                ask = ways[0]
            if len(inputs.questions) == 1:  # a table may be wanted, whatever is asked of it
                needed = needed + [column for column in sample.named(question) if column.name not in {c.name for c in needed}]
        columns |= {column.name: column for column in needed if column.name not in columns}
        if ask is None:
            continue
        filters += [
            " ".join(part for part in (condition.phrase, condition.relation, *condition.values) if part)
            for condition in ask.scope
        ]
        if noun := ask.entity.partition(" | ")[0]:
            nouns[sample.noun(noun)] += 1
    if not columns:
        return ProposedTables(tables=[])
    entity = existing.entity if existing is not None else _entity(nouns, keys, inputs.questions)
    documents = existing.documents if existing is not None else titled(inputs.sources, inputs.sample)
    return ProposedTables(
        tables=[
            ProposedTable(
                entity=entity,
                documents=documents,
                keys=list(existing.keys) if existing is not None else [],
                columns=list(columns.values()),
                filters=list(dict.fromkeys(filters)),
                whole=whole,
                partly=partly,
            )
        ]
    )


def _existing(tables: Sequence[TableSchema], nouns: Counter[str]) -> TableSchema | None:
    """The table that is to be added to: the widest whose rows are what the questions speak of."""
    asked = [set(tokens(noun)) for noun in nouns]

    def fits(table: TableSchema) -> bool:
        told = set(tokens(table.entity))
        return not asked or any(words <= _GENERIC or words & told for words in asked)

    return max((table for table in tables if fits(table)), key=lambda table: len(table.columns), default=None)


_GENERIC = THINGS | {token for thing in THINGS for token in tokens(thing)}
_ALIKE_SHARE = 0.8  # of documents that hold a label, from which they are all of one kind


@dataclass(frozen=True, slots=True)
class _Sample:
    """What columns are looked for in: the labels of the sample, and the table that is there already."""

    labels: dict[str, _Label]
    fit: Fit
    existing: TableSchema | None
    text: ShardText

    def needed(self, ask: Ask, taken: dict[str, Column]) -> tuple[list[Column], bool]:
        """The columns that a question needs, as far as they are found, and whether those are all."""
        found: list[Column] = []
        complete = True
        for phrase in ask.phrases:
            if ask.otherwise is not None and phrase in (ask.phrase, *ask.shown) and self.rows_are(phrase):
                complete = False  # rows are counted, not a column added up
                continue
            column = self.column(phrase, ask, taken)
            if column is None and any(c.phrase == phrase and c.relation in ("is", "lacks") for c in (*ask.scope, *ask.tested)):
                column = self._holder(phrase)
            if column is None:
                complete = False
            else:
                found.append(column)
        for condition in (*ask.scope, *ask.tested):
            for value in condition.values if condition.relation == "is" or not condition.phrase else ():
                if (column := self._holder(value)) is None:
                    complete = False
                else:
                    found.append(column)
        noun = ask.entity.partition(" | ")[0]
        if (told := self._told_before(noun)) and (column := self._holder(told) or self._flag(told, taken)) is not None:
            found.append(column)
        if (
            ask.operation in ("count", "most", "least")
            and (ask.per or ask.groups)
            and not ask.phrase
            and not self.rows_are(noun)
        ):
            complete = False
        if not found and complete and ask.operation in ("count", "list") and self.rows_are(noun, plainly=True):
            found = self._common(set(tokens(noun)))
        return found, complete

    def column(self, phrase: str, ask: Ask, taken: dict[str, Column]) -> Column | None:
        """The column that a phrase means: of the table, of another question of this call, or under labels of the sample."""
        if (known := _known(phrase, self.existing)) is not None:
            return known
        words = set(tokens(phrase))
        chosen = [label for label in _best(phrase, self.labels, self.fit) if not _naming(label.text, words)]
        column = _column(phrase, ask, chosen) if chosen else _unseen(phrase, ask, self.labels)
        if column is None or not chosen:
            return column
        quoted = {plain(label) for label in labels_of(column)}
        others = [*(self.existing.columns if self.existing is not None else ()), *taken.values()]
        same = (other for other in others if quoted & {plain(label) for label in labels_of(other)})
        return next((other for other in same if other.type == column.type or "text" in (column.type,)), column)

    def named(self, question: str) -> list[Column]:
        """The columns whose labels the question names, whatever it asks of them."""
        asked = set(tokens(question))
        found: dict[frozenset[str], _Label] = {}
        documents = len({section.document for section in self.text.sections})
        for label in self.labels.values():
            core = _core(label.text, label.text)
            usual = core and core <= asked and label.values and len(label.documents) >= min(2, documents)
            if not usual or plain(label.text) in _NAMES:
                continue
            if core not in found or len(label.documents) > len(found[core].documents):
                found[core] = label
        columns = [self.column(label.text, Ask("list", shown=(label.text,)), {}) for label in found.values()]
        return [column for column in columns if column is not None]

    def noun(self, told: str) -> str:
        """What a row is called: the words of a question without a value before them (“kitchen products”)."""
        before = self._told_before(told)
        known = before and (self._holder(before) is not None or self._flag(before, {}) is not None)
        return told[len(before) :].strip() if known else told

    def rows_are(self, noun: str, *, plainly: bool = False) -> bool:
        """Whether the documents surely are of what the question counts: they say the word, or the table's rows are called so.

        `plainly`: also where all are of one kind and none of their labels speaks of the word.
        """
        words = set(tokens(noun))
        if (
            not words
            or words <= _GENERIC
            or (self.existing is not None and words <= set(tokens(self.existing.entity)) | _GENERIC)
        ):
            return True
        told: dict[str, set[str]] = {}
        for section in self.text.sections:
            told.setdefault(section.document, set()).update(tokens(f"{section.document} {section.title} {section.text[:3000]}"))
        saying = sum(words <= said for said in told.values())
        if any(_naming(label.text, words) for label in self.labels.values()):
            return True
        labelled = any(words <= set(tokens(label.text)) for label in self.labels.values() if plain(label.text) not in _NAMES)
        if 2 * saying >= len(told) and not labelled:
            return True
        shared = sum(len(label.documents) >= _ALIKE_SHARE * len(told) for label in self.labels.values())
        return plainly and not labelled and len(told) > 2 and shared > 1

    def _told_before(self, noun: str) -> str:
        """The words before the last one of a noun: mostly a value (“kitchen products”)."""
        words = noun.split()
        return " ".join(words[:-1]) if len(words) > 1 and words[0].isascii() else ""

    def _holder(self, value: str) -> Column | None:
        column = _valued(value, self.labels)
        if column is None:
            return None
        others = self.existing.columns if self.existing is not None else ()
        return next((other for other in others if set(labels_of(column)) & set(labels_of(other))), column)

    def _flag(self, words: str, taken: dict[str, Column]) -> Column | None:
        """The yes-or-no column that words before a noun are of: “listed companies”."""
        column = self.column(words, Ask("count", scope=(Condition(words, "is"),)), taken)
        return column if column is not None and column.type == "boolean" and self._labelled(column) else None

    def _labelled(self, column: Column) -> bool:
        """Whether the sample shows one of a column's labels."""
        return self.existing is not None or any(label in self.labels for label in labels_of(column))

    def _common(self, words: set[str]) -> list[Column]:
        """A column that tells rows apart from other text: the label that most documents hold."""
        if self.existing is not None:
            return list(self.existing.columns[:1])
        usual = sorted(
            (
                label
                for label in self.labels.values()
                if label.values and plain(label.text) not in _NAMES | wordings().dates and not _naming(label.text, words)
            ),
            key=lambda label: -len(label.documents),
        )
        column = self.column(usual[0].text, Ask("list", shown=(usual[0].text,)), {}) if usual else None
        return [] if column is None else [column]


_NAMES = wordings().names
_NAMING = frozenset("name title id code 名 称 编 号".split())


def _naming(label: str, words: set[str]) -> bool:
    """Whether a label names the thing that the words are: “server name”, “服务器名称”."""
    told = set(tokens(label))
    return bool(words) and words < told and told - words <= _NAMING


def _take(labels: dict[str, _Label], found: Field, document: str) -> None:
    known = labels.setdefault(found.label, _Label(found.label))
    if found.value:
        known.values.append(found.value)
        known.units.append(found.unit)
    known.documents.add(document)


def _known(phrase: str, table: TableSchema | None) -> Column | None:
    """The column of a table that exists already and holds what the phrase means."""
    if table is None:
        return None
    fit = Fit.of([label for column in table.columns for label in (column.name, *labels_of(column))])
    scored = [
        (max(fit.score(phrase, label, unit=column.unit) for label in (column.name, *labels_of(column))), column)
        for column in table.columns
    ]
    score, column = max(scored, key=lambda pair: pair[0], default=(0.0, None))
    return column if score >= 0.93 and column is not None and set(tokens(phrase)) <= _all_tokens(column) else None


def _all_tokens(column: Column) -> set[str]:
    return {token for text in (column.name, column.unit, *labels_of(column)) for token in tokens(text)} | wordings().weak


def _best(phrase: str, labels: dict[str, _Label], fit: Fit) -> list[_Label]:
    """The labels that the phrase means: the best one, and other wordings of just the same.

    Years apart: which year's line it is, is for the reader of rows to see, where any year's line is like it.
    """
    asked = years(phrase)
    plainly = _without_years(phrase) if asked else phrase
    scored: list[tuple[float, int, int, _Label]] = []
    for label in labels.values():
        if not label.values or _of_another(label.text, plainly):
            continue
        units = " ".join(dict.fromkeys(unit for value in label.values[:4] if (unit := unit_beside(value))))
        text = label.text if _said(plainly, label.text) else _PARENTHESES.sub("", label.text)
        score = fit.score(plainly, _without_years(text), unit=f"{units} {_noted(label.text)}")
        if score >= LEAST:
            fits = int(bool(asked & years(label.text))) if asked else int(not years(label.text))
            scored.append((score, fits, len(label.documents), label))
    if not scored:
        return []
    top = max(score for score, _, _, _ in scored)
    scored.sort(key=lambda entry: (-(entry[0] >= top - 0.001), -entry[1], -entry[0], -entry[2], len(entry[3].text)))
    first = scored[0][3]
    alike = _core(first.text, plainly)
    return [
        label
        for score, _, _, label in scored
        if label is first or (top - score <= _NEAR and _core(label.text, plainly) == alike)
    ][:_MOST_LABELS]


def _of_another(label: str, phrase: str) -> bool:
    """Whether a label is of a thing that the phrase does not speak of: “Literacy - total population” is no population."""
    head, dash, _ = label.partition(" - ") if " - " in label else label.partition(" – ")
    said = set(tokens(head)) - wordings().weak - _GENERIC
    return bool(dash and said) and not said & set(tokens(phrase))


def _without_years(text: str) -> str:
    return re.sub(
        r"[（(]\s*(?:FY|fiscal)?\s*[)）]", "", re.sub(r",?\s*\b(?:fiscal |FY ?)?(?:19|20)\d\d(?!\d)(?:年度?)?", "", text)
    ).strip(" -–,")


def _noted(label: str) -> str:
    """What stands in a label's parentheses: mostly its unit."""
    return " ".join(_PARENTHESES.findall(label))


def _said(phrase: str, label: str) -> bool:
    """Whether the phrase speaks of what stands in the label's parentheses."""
    inside = {token for found in _PARENTHESES.findall(label) for token in tokens(found)}
    return bool(inside & set(tokens(phrase)))


def _core(label: str, phrase: str) -> frozenset[str]:
    """The tokens of a label that count, without years unless the phrase names one."""
    text = label if _said(phrase, label) else _PARENTHESES.sub("", label)
    dropped = wordings().weak | {"§date", "§year", "fy"} | years(label)
    text = _without_years(text)
    return frozenset(token for token in tokens(text) if token not in dropped)


def _told(label: str, asked: frozenset[str]) -> str:
    """A label as a column quotes it: that of the year asked for, or of none."""
    told = years(label)
    if told == asked or (told and told <= asked):
        return label
    return " ".join([_without_years(label), *sorted(asked)])


def _column(phrase: str, ask: Ask, chosen: Sequence[_Label]) -> Column:
    asked = years(phrase)
    texts = list(dict.fromkeys(_told(label.text, asked) for label in chosen))
    values = [value for label in chosen for value in label.values]
    relations = _relations(phrase, ask)
    ranked = phrase in (ask.phrase, ask.against) and ask.operation not in ("value",)
    kind = _type(
        values,
        listed=bool(relations & {"contains", "lacks"}),
        figures=ranked or bool(relations & {"above", "at_least", "below", "at_most", "between"}),
        exact="equal" in relations,
    )
    heads = [unit or _noted(label.text) for label in chosen for unit in label.units]
    unit = ""
    if kind == "number":
        asked_in = (
            (ask.unit,)
            if phrase in (ask.phrase, ask.against)
            else tuple(v for c in (*ask.scope, *ask.tested) if c.phrase == phrase for v in c.values)
        )
        unit = next((found for told in asked_in if (found := unit_beside(told) or unit_beside(f"1 {told}"))), "") or _unit(
            values, heads
        )
    name = _slug(phrase, asked)
    quoted = ", ".join(f"“{text}”" for text in texts)
    return Column(name=name, type=kind, unit=unit, description=f"the value under the label {quoted}")


def _relations(phrase: str, ask: Ask) -> set[str]:
    """How the question compares the column's values."""
    return {
        "is" if condition.relation == "lacks" and not condition.values else condition.relation
        for condition in (*ask.scope, *ask.tested)
        if condition.phrase == phrase
    }


def _unseen(phrase: str, ask: Ask, labels: dict[str, _Label]) -> Column | None:
    """A column whose line the sample does not show, though it shows its like: under the phrase's own words."""
    core = _core(phrase, phrase)
    if not core or not any(core & set(tokens(label)) for label in labels) or len(labels) < 5:
        return None
    relations = _relations(phrase, ask)
    figures = relations & {"above", "at_least", "below", "at_most", "between"} or (
        phrase in (ask.phrase, ask.against) and ask.operation != "value"
    )
    kind: ColumnType = (
        "boolean" if "is" in relations else "list" if relations & {"contains", "lacks"} else "number" if figures else "text"
    )
    return Column(name=_slug(phrase, years(phrase)), type=kind, description=f"the value under the label “{phrase}”")


def _valued(value: str, labels: dict[str, _Label]) -> Column | None:
    """The column of the one label under which the sample has this very value, alone or in a list.

    Words of the label may stand behind it: “上海机房” is “上海” under “机房”.
    """
    wanted = value.lower().strip()
    holders: dict[frozenset[str], tuple[ColumnType, list[str]]] = {}
    for label in labels.values():
        if plain(label.text) in wordings().names:
            continue
        own = set(tokens(label.text))
        found: ColumnType | None = None
        for seen in label.values:
            whole = seen.lower().strip(" .")
            entries = [entry.strip() for entry in re.split(r"[;,；，、]", whole)]
            if wanted == whole or (whole and wanted.startswith(whole) and set(tokens(wanted[len(whole) :])) <= own):
                found = found or "text"
            elif len(entries) > 1 and wanted in entries:
                found = "list"
        if found is not None:
            kind, texts = holders.setdefault(frozenset(own), (found, []))
            texts.append(label.text)
            holders[frozenset(own)] = ("list" if "list" in (kind, found) else "text", texts)
    if len(holders) != 1:
        return None
    ((kind, texts),) = holders.values()
    quoted = ", ".join(f"“{text}”" for text in texts[:_MOST_LABELS])
    return Column(name=_slug(texts[0], frozenset()), type=kind, description=f"the value under the label {quoted}")


def _type(values: Sequence[str], *, listed: bool, figures: bool, exact: bool) -> ColumnType:
    if listed:
        return "list"
    seen = [value for value in values if not nothing(value)][:40]
    if coded(seen):
        return "text"
    numbers = sum(figure_of(value, alone=not figures) is not None for value in seen)
    dated = sum(looks_dated(value) for value in seen)
    if figures and dated > len(seen) / 2:
        return "date"
    if numbers > len(seen) / 2:
        return "number"
    if dated > len(seen) / 2:
        return "date"
    if not exact and sum(plain(value) in ("yes", "no", "true", "false", "是", "否") for value in seen) > len(seen) / 2:
        return "boolean"
    if figures and not exact and sum(looks_listed(value) for value in seen) > len(seen) / 2:
        return "list"
    return "text"


def _unit(values: Sequence[str], told: Sequence[str]) -> str:
    units = Counter(
        unit
        for value, head in zip(values, told, strict=False)
        if (unit := unit_beside(value) or unit_beside("1 " + head.strip(" ()（）")))
    )
    if not units:
        return ""
    unit, seen = units.most_common(1)[0]
    return unit if seen >= 0.3 * sum(not nothing(value) for value in values) else ""


def _slug(phrase: str, asked: frozenset[str]) -> str:
    """A column's name in snake_case, made from the question's words, so that it is the same whatever the sample is."""
    if any(is_cjk(char) for char in phrase):
        words = re.findall(r"[^\W_]+", re.sub(r"[（(][^()（）]*[)）]|的", " ", _without_years(phrase)).lower())
    else:
        words = re.findall(r"[a-z0-9]+", phrase.lower())
        words = [word for word in words if word not in _SMALL] or words
    words += [year for year in sorted(asked) if year not in words]
    slug = "_".join(words)[:60].strip("_") or "value"
    return f"{slug}_" if slug == "name" else slug if slug[0].isalpha() else f"year_{slug}"


def _entity(nouns: Counter[str], keys: Counter[str], questions: Sequence[str]) -> str:
    if nouns:
        return nouns.most_common(1)[0][0]
    if keys:
        return keys.most_common(1)[0][0].lower()
    return "文档" if any(is_cjk(char) for question in questions for char in question) else "document"


def titled(sources: Sequence[str], sample: ShardText) -> str:
    """What titles say beside the name, as words that the reader of rows understands; "" for nothing.

    It is what all have in common, and what stands around the name that a document itself gives first.
    """
    affixes: Counter[tuple[str, str]] = Counter()
    for section in sample.sections:
        named = next(
            (
                found.value
                for found in fields(section)[:4]
                if section.start == 0 and not found.entity and found.value and found.value in section.title
            ),
            "",
        )
        front, _, back = section.title.partition(named) if named else ("", "", "")
        if named and (front or back) and not re.search(r"\d{3}", front + back):
            affixes[front, back] += 1
    told = [pair for pair, _ in affixes.most_common(6)]
    known = list(dict.fromkeys(title for title in sources if title))
    if len(known) >= 3:
        front, back = _shared(known), _shared([title[::-1] for title in known])[::-1]
        front = re.sub(r"[^\s:：—–|-]*$", "", front) if front and front[-1].isalnum() else front
        back = re.sub(r"^[^\s:：—–|-]*", "", back) if back and back[0].isalnum() else back
        if len(front.strip()) >= 3 or len(back.strip()) >= 3:
            told.append((front, back))
    return "documents titled " + ", ".join(f"“{front}…{back}”" for front, back in told) if told else ""


def _shared(texts: Sequence[str]) -> str:
    first, last = min(texts), max(texts)
    size = 0
    while size < min(len(first), len(last)) and first[size] == last[size]:
        size += 1
    return first[:size]
