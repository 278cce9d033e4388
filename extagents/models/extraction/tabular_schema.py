"""Which table the questions ask for: their words matched with the labels of a sample, types and units from the values there."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field

from extagents.models.extraction.tabular_lines import Field, fields
from extagents.models.extraction.tabular_values import figure_of, looks_dated, looks_listed, unit_beside
from extagents.tables.templates import ask_of, labels_of
from extagents.tables.templates_ask import Ask
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
    labels: dict[str, _Label] = {}
    keys: Counter[str] = Counter()
    for section in inputs.sample.sections:
        for found in fields(section):
            _take(labels, found, section.document)
            if found.key:
                keys[found.key] += 1
    fit = Fit.of(list(labels))
    existing = max(inputs.existing, key=lambda table: len(table.columns), default=None)
    columns: dict[str, Column] = {}
    whole: list[int] = []
    partly: list[int] = []
    filters: list[str] = []
    nouns: Counter[str] = Counter()
    for number, question in enumerate(inputs.questions, start=1):
        ask = ask_of(question)
        if ask is None:
            continue
        found_all = True
        for phrase in ask.phrases:
            column = _known(phrase, existing) or _known_here(phrase, columns, labels, fit) or _column(phrase, ask, labels, fit)
            if column is None:
                found_all = False
                continue
            columns.setdefault(column.name, column)
        for condition in ask.scope:
            for value in condition.values if condition.relation == "is" or not condition.phrase else ():
                if (column := _valued(value, labels)) is not None:
                    columns.setdefault(column.name, column)
            filters.append(" ".join(part for part in (condition.phrase, condition.relation, *condition.values) if part))
        if noun := ask.entity.partition(" | ")[0]:
            nouns[noun] += 1
        if ask.phrases or ask.scope:
            (whole if found_all else partly).append(number)
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


def _known_here(phrase: str, columns: dict[str, Column], labels: dict[str, _Label], fit: Fit) -> Column | None:
    """The column that another question of the same call already asked for, under the same label."""
    best = _best(phrase, labels, fit)
    if not best:
        return None
    told = {_told(label.text, years(phrase)) for label in best}
    return next((column for column in columns.values() if told & set(labels_of(column))), None)


def _best(phrase: str, labels: dict[str, _Label], fit: Fit) -> list[_Label]:
    """The labels that the phrase means: the best one, and other wordings of just the same.

    Years apart: which year's line it is, is for the reader of rows to see, where any year's line is like it.
    """
    asked = years(phrase)
    plainly = _without_years(phrase) if asked else phrase
    scored: list[tuple[float, int, int, _Label]] = []
    for label in labels.values():
        if not label.values:
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


def _column(phrase: str, ask: Ask, labels: dict[str, _Label], fit: Fit) -> Column | None:
    chosen = _best(phrase, labels, fit)
    if not chosen:
        return _unseen(phrase, ask, labels)
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
    return {condition.relation for condition in (*ask.scope, *ask.tested) if condition.phrase == phrase}


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
    """The column of the one label under which the sample has this very value."""
    holders = [
        label
        for label in labels.values()
        if any(seen.lower().strip(" .") == value.lower() for seen in label.values) and plain(label.text) not in wordings().names
    ]
    if len(holders) != 1:
        return None
    label = holders[0].text
    return Column(name=_slug(label, frozenset()), type="text", description=f"the value under the label “{label}”")


def _type(values: Sequence[str], *, listed: bool, figures: bool, exact: bool) -> ColumnType:
    if listed:
        return "list"
    seen = values[:40]
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
    return unit if seen >= 0.3 * len(values) else ""


def _slug(phrase: str, asked: frozenset[str]) -> str:
    """A column's name in English letters, made from the question's words, so that it is the same whatever the sample is."""
    chinese = any(is_cjk(char) for char in phrase)
    words = (
        [token.lstrip("§") for token in tokens(phrase) if token.startswith("§") or token.isascii()]
        if chinese
        else re.findall(r"[a-z0-9]+", phrase.lower())
    )
    if chinese:
        words = words or ["column", *(f"{ord(char):x}" for char in phrase if is_cjk(char))][:5]
    else:
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
