"""Labelled values in a text, whatever it looks like: key–value lines, Markdown, CSV and TSV tables, JSON and YAML.

What comes out are fields: a label, its value, and the words of the text that say so.
"""

from __future__ import annotations

import csv
import re
from collections.abc import Iterator
from dataclasses import dataclass, replace

from extagents.tables.templates_words import plain, stem, wordings, years
from extagents.types import Section

_LONGEST_LABEL = 90
_LONGEST_QUOTE = 1500


@dataclass(frozen=True, slots=True)
class Field:
    """A label and its value. `entity` is the row's key where the text is a table of many, `heading` what the line stands under.

    `quote` is exactly the text's; `unit` what the table's header says of the column's unit, `key` the header over the names.
    `row` tells the rows of a table, and records, apart; 0 for lines.
    """

    label: str
    value: str
    quote: str
    start: int
    entity: str = ""
    heading: str = ""
    unit: str = ""
    key: str = ""
    row: int = 0


_KEY = re.compile(
    r"^(?P<lead>[ \t]*(?:[-*+•·▪◦‣>]\s+|\d{1,2}[.)]\s+)?)(?P<label>(?:\*\*|__|`)?[^\s:：=|\t][^:：=|\t]*?(?:\*\*|__|`)?)"
    r"\s*(?P<colon>:(?!//)|：|=(?!=)|\t|\s\|\s|(?<=\*)\s*[–—-]\s)\s*(?P<value>.*?)\s*$"
)
_DOTTED_LEADER = re.compile(r"^\s*(?P<label>[^\W\d][^.…:]{1,70}?)\s*(?:\.\s?){4,}\s*(?P<value>\S.*?)\s*$")
_SPACED = re.compile(r"^\s*(?P<label>[^\W\d][^:：|\t]{1,60}?)(?: {3,})(?P<value>\S[^\t|]*?)\s*$")
_DASHED = re.compile(r"^\s*(?:[-*+•·▪]\s+)?(?P<label>[^\W\d][^:：|\t–—]{1,60}?)\s+[–—]\s+(?P<value>\S[^\t|]*?)\s*$")
_NESTED = re.compile(r"^(?P<more>[^\W\d_][^:：,;.]{0,60})[:：]\s+(?=\S)")
_HEADING = re.compile(r"^\s*(?:(?P<marks>#{1,6})\s+(?P<text>.+?)\s*#*|={2,}\s*(?P<wiki>[^=]+?)\s*={2,})\s*$")
_BULLET = re.compile(r"^\s*[-*+•·▪]\s+(?P<item>.+?)\s*$")
_RULE = re.compile(r"^\s*\|?(?:\s*:?-{2,}:?\s*\|)*\s*:?-{2,}:?\s*\|?\s*$")
_PARENTHESES = re.compile(r"\s*[（(]([^()（）]*)[)）]")
_JSON_PART = re.compile(
    r'(?P<open>[{\[])|(?P<close>[}\]])|"(?P<key>(?:[^"\\\n]|\\.){1,120})"\s*:\s*(?:(?P<value>"'
    r'(?:[^"\\\n]|\\.)*"|-?\d[\d.eE+-]*|true|false|null'
    r"|\[[^\[\]{}]*\])|(?=[{\[]))"
)


def fields(section: Section, *, entity: str = "") -> list[Field]:
    """The labelled values of a section, in order. `entity` is what rows are: a column called so names them."""
    text = section.text
    if _looks_like_json(text):
        return list(_json_fields(text))
    lines = [(start, text[start:end].rstrip("\n")) for start, end in _lines(text)]
    found: list[Field] = []
    place = 0
    heading = ""
    head = section.head.strip("\n")
    while place < len(lines):
        start, line = lines[place]
        if not line.strip():
            place += 1
            head = ""
            continue
        size, delimiter = _table_at([row for _, row in lines[place : place + 2000]], head=head)
        if size:
            rows = lines[place : place + size]
            found.extend(_table_fields(rows, delimiter, head=head, heading=heading, text=text, entity=entity))
            place += size
            head = ""
            continue
        head = ""
        if re.match(r'^\s*\{\s*"', line) and line.rstrip(" ,").endswith("}"):
            found.extend(replace(field, start=start + field.start, row=start + field.row) for field in _json_fields(line))
            place += 1
            continue
        if titled := _HEADING.match(line):
            heading = (titled["text"] or titled["wiki"]).strip(" *")
            place += 1
            continue
        field = _line_field(start, line, heading)
        place += 1
        if field is None:
            continue
        if not field.value:
            items: list[str] = []
            last = start + len(line)
            while place < len(lines) and (bullet := _BULLET.match(lines[place][1])):
                items.append(bullet["item"])
                last = lines[place][0] + len(lines[place][1])
                place += 1
            if not items or last - start > _LONGEST_QUOTE:
                place -= len(items)
                continue
            field = Field(field.label, "; ".join(items), text[start:last].strip(), start, heading=heading)
        found.append(field)
    return found


def _lines(text: str) -> Iterator[tuple[int, int]]:
    place = 0
    for line in text.splitlines(keepends=True):
        yield place, place + len(line)
        place += len(line)


def _line_field(start: int, line: str, heading: str) -> Field | None:
    match = _KEY.match(line)
    if match is not None:
        label, value = match["label"], match["value"]
        if match["colon"].strip() in (":", "："):
            while (more := _NESTED.match(value)) and (
                more["more"][0].islower() or re.match(r"[^\d]{0,3}\d", value[more.end() :])
            ):
                label, value = f"{label}: {more['more']}", value[more.end() :]
        if value.startswith("//") or (match["colon"].strip() == "=" and "(" in label):
            return None
    else:
        match = _DOTTED_LEADER.match(line) or _SPACED.match(line) or _DASHED.match(line)
        if match is None:
            return None
        label, value = match["label"], match["value"]
    if label.startswith('"') and (told := _JSON_PART.match(line.strip().rstrip(","))) and told["value"]:
        label, value = told["key"], _json_value(told["value"])
    label = label.strip(" *_`\"'")
    if not label or len(label) > _LONGEST_LABEL or len(label.split()) > 14 or label.endswith((".", "?", "!", "。", "？")):
        return None
    return Field(label, value.strip().strip("*_`").strip(" \"'|").rstrip(","), line.strip(), start, heading=heading)


# ------------------------------------------------------------------ tables


def _table_at(lines: list[str], *, head: str) -> tuple[int, str]:
    """How many of the lines are one table, and what parts its cells; 0 where none begins."""
    for delimiter in ("|", "\t", ",", ";"):
        above = [row for row in head.splitlines() if row.strip()] if head else []
        width = len(_cells(above[0], delimiter)) if above else len(_cells(lines[0], delimiter))
        if width < 2 or (above and len(_cells(lines[0], delimiter)) != width):
            continue
        size = 0
        for line in lines:
            if not line.strip() or not (_RULE.match(line) or len(_cells(line, delimiter)) == width):
                break
            size += 1
        least = 1 if above else 2 if delimiter in "|\t" else 3
        if delimiter in ",;" and (width < 3 or (not above and not _heads(_cells(lines[0], delimiter)))):
            continue
        if size >= least:
            return size, delimiter
    return 0, ""


def _heads(cells: list[str]) -> bool:
    """Whether these can be the names of columns: short, none a number, no two alike."""
    return all(0 < len(cell) <= 48 and not re.fullmatch(r"[\d.,%$€£¥ -]+", cell) for cell in cells) and len(set(cells)) == len(
        cells
    )


def _cells(line: str, delimiter: str) -> list[str]:
    if delimiter not in line:
        return [line]
    if delimiter in ",;":
        return [cell.strip() for cell in next(csv.reader([line], delimiter=delimiter), [])]
    row = line.strip(" ") if delimiter == "|" else line
    if delimiter == "|":
        row = row.removeprefix("|").removesuffix("|")
    return [cell.strip().strip("*_`").strip() for cell in row.split(delimiter)]


def _table_fields(
    rows: list[tuple[int, str]], delimiter: str, *, head: str, heading: str, text: str, entity: str
) -> Iterator[Field]:
    body = [(start, line) for start, line in rows if not _RULE.match(line)]
    above = [line for line in head.splitlines() if line.strip() and not _RULE.match(line)]
    ruled = bool(above) or any(_RULE.match(line) for _, line in rows[:2])
    begin = -1
    if above:
        header = _cells(above[0], delimiter)
    else:
        begin, first = body[0]
        header = _cells(first, delimiter)
    known = wordings()
    names = [plain(_PARENTHESES.sub("", cell)) for cell in header]
    keyed = names[0] in known.keys
    valued = len(names) > 1 and names[1] in known.values and (names[1] or names[0] in known.keys)
    pairs = len(header) <= 3 and (
        (keyed and len(header) == 2)
        or valued
        or (len(header) == 2 and not ruled and delimiter in "|\t" and not _heads_of_many(header, body))
    )
    if pairs:
        content = body if not above and not (keyed or valued) else body[0 if above else 1 :]
        for start, line in content:
            cells = _cells(line, delimiter)
            unit = cells[2] if len(cells) > 2 and names[2] in ("unit", "units", "单位") else ""
            if len(cells) > 1 and cells[0]:
                yield Field(cells[0], cells[1], line.strip(), start, heading=heading, unit=unit)
        return
    content = body if above else body[1:]
    dated = [bool(years(cell)) for cell in header[1:]]
    if keyed and any(dated):
        for start, line in content:
            cells = _cells(line, delimiter)
            for name, value in zip(header[1:], cells[1:], strict=False):
                if cells[0] and value:
                    yield Field(
                        f"{cells[0]} {name}", value, _quoted(text, begin, start, line, needed=True), start, heading=heading
                    )
        return
    if keyed:
        for start, line in content:
            cells = _cells(line, delimiter)
            for name, value in zip(header[1:], cells[1:], strict=False):
                if cells[0] and name and value:
                    yield Field(cells[0], value, line.strip(), start, entity=name, heading=heading)
        return
    key = _key_column(names, [_cells(line, delimiter) for _, line in content[:20]], entity=entity)
    for start, line in content:
        cells = _cells(line, delimiter)
        if len(cells) <= key or not cells[key]:
            continue
        for place, (name, value) in enumerate(zip(header, cells, strict=False)):
            if place == key or not value or not name:
                continue
            unit = _unit_of(name)
            quote = _quoted(text, begin, start, line, needed=bool(unit))
            yield Field(
                name, value, quote, start, entity=cells[key], heading=heading, unit=unit, key=header[key], row=start + 1
            )


def _heads_of_many(header: list[str], body: list[tuple[int, str]]) -> bool:
    """Whether two columns without a rule have a header: names above figures."""
    figures = sum(bool(re.search(r"\d", line)) for _, line in body[1:])
    return (
        len(body) > 3
        and _heads(header)
        and not re.search(r"\d", header[1])
        and figures >= 0.8 * (len(body) - 1)
        and plain(header[0]) in wordings().names
    )


def _quoted(text: str, begin: int, start: int, line: str, *, needed: bool) -> str:
    """The row; with the header above it where that tells the unit or the year and stands near."""
    end = start + len(line)
    if needed and begin >= 0 and end - begin <= _LONGEST_QUOTE // 3:
        return text[begin:end].strip()
    return line.strip()


def _unit_of(name: str) -> str:
    match = _PARENTHESES.search(name)
    return match.group(1).strip() if match else ""


def _key_column(names: list[str], rows: list[list[str]], *, entity: str) -> int:
    """Which column names the rows: one called so or like them, else the first whose cells are words and all different."""
    known = wordings()
    words = [stem(word) for word in plain(entity).split()]
    called = [words, words[-1:], [*words, "name"], [*words[-1:], "name"]] if words else []
    for place, name in enumerate(names):
        if [stem(word) for word in name.split()] in called:
            return place
    for place, name in enumerate(names):
        if name in known.names:
            return place
    for place in range(len(names)):
        cells = [row[place] for row in rows if len(row) > place]
        if cells and len(set(cells)) == len(cells) and not any(re.fullmatch(r"[\d.,%$€£¥/: -]*", cell) for cell in cells):
            return place
    return 0


# ------------------------------------------------------------------ JSON


def _looks_like_json(text: str) -> bool:
    start = text.lstrip()[:1]
    keys = len(re.findall(r'"[^"\n]{1,120}"\s*:', text[:4000]))
    return keys >= 2 and (start in ("{", "[", '"', "}") or keys * 2 >= text[:4000].count("\n"))


def _json_fields(text: str) -> Iterator[Field]:
    known = wordings()
    stack: list[tuple[str, list[tuple[str, str, str, int]]]] = [("", [])]
    path: list[str] = []
    done: list[Field] = []

    def close() -> None:
        prefix, members = stack.pop()
        named = next((value for key, value, _, _ in members if plain(key.replace("_", " ")) in known.names and value), "")
        if not named and not prefix and len(members) > 1 and len(members[0][1]) <= 60 and re.match(r"[^\W\d]", members[0][1]):
            named = members[0][1]  # a record's first member names it, where none is called a name
        parent = next(
            (value for _, above in stack for key, value, _, _ in above if plain(key.replace("_", " ")) in known.names), ""
        )
        row = members[0][3] + 1 if members else 0
        for key, value, quote, start in members:
            label = f"{prefix} {key}".strip() if prefix else key
            done.append(Field(label.replace("_", " "), value, quote, start, entity=named or parent, row=row))
        if not stack:
            stack.append(("", []))

    pending = ""
    for match in _JSON_PART.finditer(text):
        if match["open"] == "{":
            in_list = not pending or bool(path and path[-1] == "[")
            stack.append(("" if in_list else pending, []))
            path.append("{")
            pending = ""
        elif match["open"] == "[":
            path.append("[")
        elif match["close"]:
            if path:
                path.pop()
            if match["close"] == "}" and len(stack) > 1:
                close()
        elif match["value"] is None:
            pending = match["key"]
        else:
            value = _json_value(match["value"])
            if value:
                stack[-1][1].append((match["key"], value, match.group(), match.start()))
    while len(stack) > 1 or stack[0][1]:
        close()
        if stack == [("", [])]:
            break
    yield from sorted(done, key=lambda field: field.start)


def _json_value(raw: str) -> str:
    if raw == "null":
        return ""
    if raw.startswith('"'):
        return re.sub(r"\\(.)", lambda found: {"n": "\n", "t": "\t"}.get(found.group(1), found.group(1)), raw[1:-1]).strip()
    if raw.startswith("["):
        items = re.findall(r'"((?:[^"\\]|\\.)*)"|(-?\d[\d.]*)', raw)
        return "; ".join(text or figure for text, figure in items)
    return raw
