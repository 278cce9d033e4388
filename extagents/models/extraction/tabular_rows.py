"""Rows read by rules: for each column the line, cell or sentence that surely is its, in each document of a shard."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, replace

from extagents.models.extraction.tabular_lines import Field, fields
from extagents.models.extraction.tabular_sentences import said
from extagents.models.extraction.tabular_values import nothing, raw_of, unit_beside, year_of
from extagents.tables.templates import THINGS, labels_of
from extagents.tables.templates_words import Fit, plain, tokens, wordings, years
from extagents.tabular import Column, ReportedCell, ReportedRow, RowsRead, TableSchema
from extagents.types import Section, ShardText

_PARENTHESES = re.compile(r"\s*[（(][^()（）]*[)）]")
_TITLED = re.compile(r"“([^”…]*)…([^”]*)”")
_TITLE_TAIL = re.compile(
    r"\s*(?:[-–—|:：,，(（]\s*)(?:(?:company|country|corporate|business|investor|annual|quarterly"
    r"|interim|full[- ]year|fiscal|form|fy|fact|key|financial)\b.*|"
    r"(?:19|20)\d\d.*|10-[KQ].*|(?-i:[a-z].*)|profile|factsheet|fact sheet|overview|report|fil"
    r"ing|年报|年度报告|公司简介|简介|概况|档案)[)）]?\s*$",
    re.IGNORECASE,
)
_TITLE_HEAD = re.compile(
    r"^\s*(?:(?:company|country|corporate|business|investor)\s+)?(?:profile|factsheet|fact she"
    r"et|annual report|filing|report|overview|facts|news in brief|notes|公司简介|公司档案|企业档案|年度报告)\s"
    r"*(?:(?:of|for|on|about)\s+|[-–—|:：]\s*)",
    re.IGNORECASE,
)
_TITLE_WORDS = re.compile(
    r"\s+(?:(?:19|20)\d\d\s+)?(?:annual report|company profile|country profile|profile|fact ?s"
    r"heet|10-K|annual filing|filing|report)(?:\s+(?:for\s+)?(?:fy\s*)?(?:19|20)?\d\d)?\s*$|(?"
    r":(?:19|20)\d\d年?)?(?:年度报告|年报|公司简介|简介|公司概况|概况)$",
    re.IGNORECASE,
)
_SURE = 0.8


@dataclass(frozen=True, slots=True)
class _Wanted:
    """A column with what its labels come to. `named`: the labels are the documents' own, so that others do not count.

    `about` is what a row is: words that a label may hold besides (“company revenue”).
    """

    column: Column
    exact: frozenset[str]
    cores: frozenset[frozenset[str]]
    years: frozenset[str]
    named: bool
    names: tuple[str, ...]
    about: frozenset[str]


def read(shard: ShardText, table: TableSchema) -> RowsRead:
    """The rows that a shard fills; of several lines for one cell the one that fits best."""
    about = frozenset(tokens(table.entity))
    wanted = [_wanted(column, about) for column in table.columns]
    found: list[ReportedRow] = []
    for section in shard.sections:
        found.extend(_section_rows(section, table, wanted))
    return RowsRead(rows=found)


def _wanted(column: Column, about: frozenset[str]) -> _Wanted:
    quoted = labels_of(column)
    names = quoted or (column.name.replace("_", " "),)
    cores = frozenset(core for name in (*names, column.name) if (core := _core(name, about)))
    asked = years(column.name.replace("_", " ")) | frozenset(year for label in quoted for year in years(label))
    return _Wanted(column, frozenset(plain(name) for name in names), cores, asked, bool(quoted), names, about)


def _core(label: str, about: frozenset[str]) -> frozenset[str]:
    """The tokens of a label that count: no notes, years and words like “total”."""
    dropped = wordings().weak | years(label) | {"§year", "§date"} | about
    found = frozenset(token for token in tokens(_PARENTHESES.sub("", label)) if token not in dropped)
    return found or frozenset(token for token in tokens(label) if token not in years(label))


def _section_rows(section: Section, table: TableSchema, wanted: list[_Wanted]) -> Iterator[ReportedRow]:
    whole = fields(section, entity=table.entity)
    dated = _date_of(whole)
    blocks = _blocks(section, whole, table)
    listed = _of_kind(whole if blocks is None else blocks, table)
    name = _name_of(section, whole, table) if blocks is None else ""
    headed = blocks is None and not _named_in(whole, table) and _headed(listed, wanted)
    namesakes = _namesakes(listed)
    best: dict[tuple[_Row, str], tuple[float, int, int, ReportedCell]] = {}
    order: dict[_Row, None] = {}
    fit = Fit.of([field.label for field in listed] + [label for entry in wanted for label in entry.names])
    for place, field in enumerate(listed):
        entity = field.entity or (field.heading if headed and field.heading else name)
        if not entity or (entity != name and _sums_up(entity, field, table)):
            continue
        row = (entity, field.row if entity in namesakes else 0)
        for entry in wanted:
            level = _level(field, entry, fit)
            if not level:
                continue
            raw = raw_of(field.value, entry.column, unit=field.unit if entry.column.type == "number" else "")
            if raw is None and level >= 0.9 and field.value.strip() and nothing(field.value):
                raw, level = field.value.strip(), level - 0.9  # it is one of them, with no value; any other line is better
            elif raw is None or (level < 0.97 and entry.column.type == "number" and _other_unit(raw, entry.column)):
                continue
            latest = max((int(year) for year in years(field.label) | year_of(field.value)), default=0)
            cell = ReportedCell(column=entry.column.name, value=raw, quote=_cut(field, raw))
            key = (row, entry.column.name)
            rank = (level, latest if not entry.years else 0, -place)
            if key not in best or rank > best[key][:3]:
                best[key] = (*rank, cell)
            order.setdefault(row)
    lines = frozenset(field.quote for field in listed)
    for entry in wanted:
        if name and not any(column == entry.column.name for _, column in best):
            cell_said = said(section.text, entry.column, labels=entry.names, asked=entry.years, entity=name, lines=lines)
            if cell_said is not None:
                best[(name, 0), entry.column.name] = (0.5, 0, 0, cell_said)
                order.setdefault((name, 0))
    for row in order:
        cells = [best[row, entry.column.name][3] for entry in wanted if (row, entry.column.name) in best]
        yield ReportedRow(entity=row[0], date=dated, cells=cells)


_Row = tuple[str, int]
"""The name of a row, and which of its namesakes it is; 0 where it is the only one."""

_SUMMED = re.compile(
    r"(?:grand |sub-?|overall |column )?(?:totals?|sums?|averages?|avg\.?|mean|median)(?: \(.*\)|[:：])?|sub-?totals? .+"
    r"|totals? (?:of|for) .+"
    r"|(?:合|总|小|共|累)计.{0,4}|总和|总数|平均值?|均值|中位数|全部",
    re.IGNORECASE,
)


def _sums_up(entity: str, field: Field, table: TableSchema) -> bool:
    """Whether a row of many stands for the others together: “Total”, “All branches”, 合计."""
    told = entity.strip(" *_`")
    if _SUMMED.fullmatch(told):
        return True
    every = re.fullmatch(r"(?:all|every)(?: the| of the)? (?P<noun>[\w ]+)", told, re.IGNORECASE)
    if every is None:
        return False
    kinds = {token for kind in (table.entity, field.key) for token in tokens(kind)}
    return every["noun"].islower() or set(tokens(every["noun"])) <= kinds


def _blocks(section: Section, listed: list[Field], table: TableSchema) -> list[Field] | None:
    """The fields under each of several lines that name something; None where there are not several.

    What stands before the first of them is of nothing that is known, also where the section begins within a document.
    """
    naming = [place for place, field in enumerate(listed) if _names(field, table)]
    if not naming:
        return None
    label = plain(listed[naming[0]].label)
    starts = [place for place in naming if plain(listed[place].label) == label]
    several = len({listed[place].value for place in starts}) > 1
    if not several and not (section.start > 0 and starts[0] > 0):
        return None
    found: list[Field] = []
    entity = ""
    for place, field in enumerate(listed):
        if place in starts:
            entity = clean_title(field.value, "")
        elif field.entity:
            found.append(field)
        elif entity:
            found.append(replace(field, entity=entity))
    return found


def _of_kind(listed: list[Field], table: TableSchema) -> list[Field]:
    """The fields without those of tables of another kind of thing, where there are some of the kind that is asked for."""
    asked = set(tokens(table.entity)) - _GENERIC

    def kind(field: Field) -> set[str]:
        told = set(tokens(field.key)) if field.key and plain(field.key) not in wordings().names else set()
        if not told and (field.key or field.row) and re.fullmatch(r"[^\W\d_]+s|[\u4e00-\u9fff]{1,6}", field.heading):
            told = set(tokens(field.heading))
        return told - _GENERIC

    kinds = [kind(field) for field in listed]
    if not asked or not any(asked & told for told in kinds):
        return listed
    return [field for field, told in zip(listed, kinds, strict=True) if not told or told & asked]


_GENERIC = THINGS | {token for thing in THINGS for token in tokens(thing)}


def _namesakes(listed: list[Field]) -> frozenset[str]:
    """The names that several rows of one table, or several records, bear."""
    rows: dict[tuple[str, str, str, str], set[int]] = {}
    for field in listed:
        if field.entity and field.row:
            rows.setdefault((field.entity, field.label, field.heading, field.key), set()).add(field.row)
    return frozenset(entity for (entity, *_), found in rows.items() if len(found) > 1)


def _level(field: Field, entry: _Wanted, fit: Fit) -> float:
    """How surely a field is the column's, 0 for not."""
    told = years(field.label)
    if entry.years:
        if told and not told & entry.years:
            return 0.0
        noted = year_of(field.value)
        if not told and noted and not noted & entry.years:
            return 0.0
        if (
            not told
            and not noted
            and plain(field.label) not in entry.exact
            and not any(not years(name) for name in entry.names)
        ):
            return 0.0
    label = plain(field.label)
    if label in entry.exact:
        return 1.0
    bare = plain(_PARENTHESES.sub("", field.label))
    if bare in entry.exact:
        return 0.97
    core = _core(field.label, entry.about)
    if core and core in entry.cores:
        # “Total” of something is it; another figure of it (per head, change) has words of its own and is not.
        return 0.9
    if entry.named:
        return 0.0
    score = max(fit.score(name, field.label, unit=entry.column.unit, beside=entry.column.description) for name in entry.names)
    allowed = set(tokens(f"{entry.column.name} {entry.column.description} {entry.column.unit}")) | wordings().weak | told
    return 0.8 * score if score >= _SURE and set(tokens(_PARENTHESES.sub("", field.label))) <= allowed else 0.0


def _other_unit(raw: str, column: Column) -> bool:
    """Whether one of two is a percentage and the other is not."""
    unit = unit_beside(raw)
    return (unit == "%") != (column.unit == "%") and bool(unit or column.unit)


def _cut(field: Field, raw: str) -> str:
    """The quote of a field: its line, cut after the value where it goes on for long."""
    quote = field.quote
    if len(quote) <= 400:
        return quote
    at = quote.find(raw)
    return quote[: at + len(raw)] if at >= 0 else quote


def _headed(listed: list[Field], wanted: list[_Wanted]) -> bool:
    """Whether headings name what rows are about: the same wanted label stands under several of them."""
    under: dict[str, set[str]] = {}
    for field in listed:
        if (
            not field.entity
            and field.heading
            and any(plain(field.label) in entry.exact or _core(field.label, entry.about) in entry.cores for entry in wanted)
        ):
            under.setdefault(plain(field.label), set()).add(field.heading)
    return any(len(headings) > 1 and not any(_generic(heading) for heading in headings) for headings in under.values())


_SECTION_WORDS = frozenset(
    "overview introduction summary profile geography people society economy government financ"
    "ials financial business highlights "
    "background history key data figures facts appendix notes note risk factors energy environment transportation military "
    "概况 简介 财务 基本 信息 业务 摘要 附注".split()
)


def _generic(heading: str) -> bool:
    words = re.findall(r"[a-z]+|[\u4e00-\u9fff]{2}", heading.lower())
    return bool(words) and all(word in _SECTION_WORDS or word in ("and", "the", "of") for word in words)


def _name_of(section: Section, listed: list[Field], table: TableSchema) -> str:
    """What the document is about: a line that names it, else its title."""
    return clean_title(_named_in(listed, table), "") or clean_title(section.title, table.documents)


def _named_in(listed: list[Field], table: TableSchema) -> str:
    """The name that one of the first lines gives; "" for none."""
    return next((field.value for field in listed[:12] if _names(field, table)), "")


def _names(field: Field, table: TableSchema) -> bool:
    """Whether a line gives a name."""
    kind = plain(table.entity)
    label = plain(field.label)
    if field.entity or not (
        label in wordings().names or label in (kind, f"{kind} name", f"name of {kind}", f"name of the {kind}", f"{kind}名称")
    ):
        return False
    if label in ("title", "subject", "标题"):
        return False
    return 0 < len(field.value) <= 80 and not re.search(r"[.。!?;；]\s", field.value)


def clean_title(title: str, documents: str) -> str:
    """A title without what says that it is a report or profile, and what all titles share."""
    name = title.strip()
    for front, back in sorted(_TITLED.findall(documents), key=lambda pair: -len(pair[0] + pair[1])):
        if name.startswith(front) and name.endswith(back) and len(name) > len(front) + len(back):
            name = name[len(front) : len(name) - len(back)]
            break
    for pattern in (_TITLE_HEAD, _TITLE_TAIL, _TITLE_WORDS):
        shorter = pattern.sub("", name).strip()
        name = shorter or name
    return name.strip(" -–—:：|")


def _date_of(listed: list[Field]) -> str:
    """The date that the document gives as its own; "" for none."""
    known = wordings().dates
    for field in listed:
        if not field.entity and plain(field.label) in known and re.search(r"\d{4}", field.value) and len(field.value) <= 40:
            return field.value
    return ""
