"""From a model's text to the typed answer: strictly first, then tolerantly, then by asking once more. Nothing is made up.

The tolerant path mends form only: fences and prose around the JSON, broken JSON, other spellings of a field's name,
numbers written as text, scores on a scale of 10 or 100, a list that is missing or a single item. A field that carries
a decision (is it answerable? what is the answer?) is never guessed.
"""

from __future__ import annotations

import dataclasses
import json
import re
import types
from collections.abc import Iterator
from functools import lru_cache
from typing import Annotated, Any, Literal, TypeVar, Union, cast, get_args, get_origin

from pydantic import BaseModel, ValidationError
from pydantic.fields import FieldInfo

from extagents.models.base import Completion, Message, Prompt
from extagents.types import Plain

T = TypeVar("T", bound=BaseModel)

SHOWN = 4000  # characters of an unusable answer that a repair call shows

_REPAIR = {
    "en": "This answer cannot be used: {reason}. Answer again with one JSON object and nothing else. Its schema:\n{schema}",
    "zh": "这个回答无法使用：{reason}。请重新回答，只输出一个 JSON 对象，不要输出其他内容。其结构为：\n{schema}",
}

_FENCE = re.compile(r"```[ \t]*[A-Za-z0-9_-]*[ \t]*\r?\n?(.*?)(?:```|\Z)", re.DOTALL)
_NUMBER = re.compile(r"[-+]?\d+(?:[.,]\d+)?(?:[eE][-+]?\d+)?")
_INTEGER = re.compile(r"-?\d+")
_TRUE = frozenset({"true", "yes", "y", "1", "是", "真", "对"})
_FALSE = frozenset({"false", "no", "n", "0", "none", "null", "", "否", "假", "不"})
_MISSING = object()


class Unparsable(ValueError):
    """A text that does not hold the answer asked for. The message fits into a repair prompt: one short line."""


def parse(text: str, output: type[T], *, truncated: bool = False) -> T:
    """The answer of type `output` that `text` holds.

    With `truncated`, the text is known to end too early: the item that was cut is dropped, and what stands before it
    is used only if no required field is missing. Raises `Unparsable`.
    """
    if issubclass(output, Plain):
        return output(text=text.strip())
    if not truncated:
        try:
            return output.model_validate_json(text)
        except ValidationError as error:
            reason = _reason(error)
    else:
        reason = "the answer ends before it is complete"
    for value in _values(text, output):
        mended = _object(value, output, truncated=truncated)
        if mended is _MISSING:
            continue
        try:
            return output.model_validate(mended)
        except ValidationError as error:
            reason = _reason(error)
    raise Unparsable(reason)


def _reason(error: ValidationError) -> str:
    """The first few complaints, without the input (it stands in the repair prompt anyway)."""
    shown = [
        f"{'.'.join(str(part) for part in item['loc']) or 'answer'}: {item['msg']}"
        for item in error.errors(include_url=False, include_input=False, include_context=False)[:3]
    ]
    return "; ".join(shown)[:400]


# ------------------------------------------------------------------ finding the JSON


def _values(text: str, output: type[BaseModel]) -> Iterator[Any]:
    """Values that the text may mean, the likeliest first."""
    import json_repair

    stripped = text.strip().lstrip("\ufeff")
    places = [match.group(1) for match in _FENCE.finditer(stripped)] if "```" in stripped else []
    names = {_plain(name) for name in output.model_fields}
    start = stripped.find("{")
    # Prose may hold braces of its own: of all objects that can be read, the one with the answer's fields is meant.
    starts = [match.start() for match in re.finditer(r"\{", stripped)][:20] if start > 0 else ([0] if start == 0 else [])
    if stripped.startswith("["):
        starts.insert(0, 0)
    elif (bracket := stripped.find("[")) != -1 and (start == -1 or bracket < start):
        starts.append(bracket)
    places += [stripped[at:] for at in starts]
    best: list[tuple[int, int, Any]] = []
    for order, place in enumerate(places):
        value = json_repair.loads(place)
        if isinstance(value, (dict, list)) and value:
            known = sum(_plain(str(key)) in names for key in value) if isinstance(value, dict) else 0
            best.append((-known, order, value))
            if known == len(names):
                break
    for _, _, value in sorted(best, key=lambda item: item[:2]):
        yield value


def _plain(name: str) -> str:
    """A field's name without case, spaces, hyphens and underscores."""
    return re.sub(r"[\W_]+", "", name).casefold()


# ------------------------------------------------------------------ mending the value


def _object(value: Any, output: type[BaseModel], *, truncated: bool) -> Any:
    """`value` with the fields of `output`, mended; `_MISSING` where it cannot be such an object."""
    fields = output.model_fields
    if isinstance(value, list):
        # A bare list of items, or an object wrapped into a list.
        lists = [name for name, field in fields.items() if get_origin(_bare(field.annotation)) in (list, tuple)]
        if len(value) == 1 and isinstance(value[0], dict) and _known(value[0], fields) > 0:
            value = value[0]
        elif len(lists) >= 1 and all(field.is_required() is False or name in lists for name, field in fields.items()):
            value = {lists[0]: value}
        else:
            return _MISSING
    if not isinstance(value, dict):
        return _MISSING
    if len(value) == 1 and _known(value, fields) == 0:
        inner = next(iter(value.values()))
        if isinstance(inner, dict) and _known(inner, fields) > 0:
            value = inner
    spelled = {_plain(str(key)): item for key, item in value.items()}
    mended: dict[str, Any] = {}
    for name, field in fields.items():
        found = spelled.get(_plain(name), _MISSING)
        if found is _MISSING and field.alias:
            found = spelled.get(_plain(field.alias), _MISSING)
        if found is _MISSING:
            if get_origin(_bare(field.annotation)) in (list, tuple, set, frozenset) and field.is_required():
                mended[field.alias or name] = []
            continue
        item = _value(found, field.annotation, field, truncated=truncated)
        if item is not _MISSING:
            mended[field.alias or name] = item
    if output.model_config.get("extra") == "allow":
        known = {_plain(name) for name in fields}
        mended.update({key: item for key, item in value.items() if _plain(str(key)) not in known})
    return mended


def _known(value: dict[Any, Any], fields: dict[str, FieldInfo]) -> int:
    names = {_plain(name) for name in fields}
    return sum(_plain(str(key)) in names for key in value)


def _bare(annotation: Any) -> Any:
    """The annotation without `Annotated` and without `| None`."""
    if get_origin(annotation) is Annotated:
        return _bare(get_args(annotation)[0])
    if get_origin(annotation) in (Union, types.UnionType):
        rest = [item for item in get_args(annotation) if item is not type(None)]
        if len(rest) == 1:
            return _bare(rest[0])
    return annotation


def _optional(annotation: Any) -> bool:
    return get_origin(annotation) in (Union, types.UnionType) and type(None) in get_args(annotation)


def _value(value: Any, annotation: Any, field: FieldInfo | None, *, truncated: bool) -> Any:
    """One value mended towards its type; returned as it is where nothing is known to mend."""
    bare = _bare(annotation)
    origin = get_origin(bare)
    if value is None:
        if _optional(annotation):
            return None
        return [] if origin in (list, tuple) else ("" if bare is str else value)
    if origin in (list, tuple):
        return _items(value, get_args(bare), truncated=truncated)
    if isinstance(bare, type) and issubclass(bare, BaseModel):
        return _object(value, bare, truncated=truncated)
    if bare is bool:
        return _truth(value)
    if bare is float:
        return _score(value, *_bounds(field))
    if bare is int and isinstance(value, str):
        found = _INTEGER.search(value)
        return int(found.group()) if found else value
    if bare is str and isinstance(value, (int, float)):
        return ("yes" if value else "no") if isinstance(value, bool) else f"{value}"
    if bare is str and isinstance(value, list) and all(isinstance(item, (str, int, float)) for item in value):
        return ", ".join(str(item) for item in value)
    if origin is Literal and isinstance(value, str):
        return next((choice for choice in get_args(bare) if _plain(str(choice)) == _plain(value)), value)
    return value


def _items(value: Any, arguments: tuple[Any, ...], *, truncated: bool) -> Any:
    """A list, item by item. Items that cannot be mended are dropped as long as others remain."""
    of = arguments[0] if arguments else Any
    bare = _bare(of)
    if isinstance(value, dict):
        # {"1": {...}, "2": {...}} is a list written as an object; anything else is a single item.
        numbered = bool(value) and all(str(key).strip().isdigit() for key in value)
        value = list(value.values()) if numbered else [value]
    elif isinstance(value, str) and bare is int:
        value = _INTEGER.findall(value)
    elif not isinstance(value, list):
        value = [] if value in ("", False) else [value]
    if bare is str:
        return [str(item).strip() for item in value if isinstance(item, (str, int, float)) and str(item).strip()]
    if bare is int:
        numbers = [item if isinstance(item, int) else _INTEGER.search(str(item)) for item in value]
        return [int(item.group()) if isinstance(item, re.Match) else int(item) for item in numbers if item is not None]
    if not (isinstance(bare, type) and issubclass(bare, BaseModel)):
        return value
    good = []
    for item in value:
        mended = _object(item, bare, truncated=truncated)
        try:
            good.append(bare.model_validate(mended))
        except ValidationError:
            continue
    return good if good or truncated else value


def _truth(value: Any) -> Any:
    if isinstance(value, str):
        word = value.strip().rstrip(".!").casefold()
        return True if word in _TRUE else False if word in _FALSE else value
    if isinstance(value, (list, dict)):
        return bool(value)
    return value


def _bounds(field: FieldInfo | None) -> tuple[float | None, float | None]:
    """The field's lowest and highest allowed number."""
    low = high = None
    for rule in field.metadata if field is not None else ():
        low = getattr(rule, "ge", low)
        high = getattr(rule, "le", high)
    return low, high


def _score(value: Any, low: float | None, high: float | None) -> Any:
    """A number; in a field from 0 to 1 also one given on a scale of 10, of 100, or in percent."""
    if isinstance(value, bool):
        return float(value)
    percent = False
    if isinstance(value, str):
        percent = "%" in value or "％" in value
        whole = re.fullmatch(r"\s*([\d.]+)\s*(?:/|of|out of)\s*([\d.]+)\s*", value)
        found = _NUMBER.search(value)
        if whole and float(whole.group(2)) > 0:
            value = float(whole.group(1)) / float(whole.group(2))
        elif found:
            value = float(found.group().replace(",", "."))
        else:
            return value
    if not isinstance(value, (int, float)):
        return value
    number = float(value) / 100 if percent else float(value)
    if (low, high) == (0.0, 1.0) and number > 1.0:
        number = number / 10 if number <= 10 else number / 100
    if low is not None:
        number = max(low, number)
    if high is not None:
        number = min(high, number)
    return number


# ------------------------------------------------------------------ asking again


@lru_cache(maxsize=256)
def schema_text(output: type[BaseModel]) -> str:
    """The JSON schema of an answer, as one line of text."""
    return json.dumps(output.model_json_schema(), ensure_ascii=False)


def ask_again(prompt: Prompt[T], completion: Completion[T], reason: str, window: int | None) -> Prompt[T]:
    """The second and last call for an unusable answer: with more room if it was cut, else showing what is wrong with it."""
    if completion.finish == "length":
        # A reasoning model that thought up to the limit has written nothing yet: doubling would rarely do.
        room = prompt.max_output_tokens * (2 if completion.text.strip() else 4)
        if window is not None:
            room = max(prompt.max_output_tokens, min(room, window // 2))
        return dataclasses.replace(prompt, max_output_tokens=room)
    text = _REPAIR.get(prompt.language, _REPAIR["en"]).format(reason=reason, schema=schema_text(cast(Any, prompt.output)))
    shown = completion.text.strip()[:SHOWN] or "(nothing)"
    return dataclasses.replace(prompt, messages=(*prompt.messages, Message("assistant", shown), Message("user", text)))


# ------------------------------------------------------------------ streaming


class FieldStream:
    """Picks one string field out of a JSON object that arrives in pieces, so that an answer can be shown as it grows."""

    def __init__(self, field: str) -> None:
        self._opening = re.compile(rf'"{re.escape(field)}"\s*:\s*"')
        self._buffer = ""
        self._inside = False
        self._done = False

    def feed(self, piece: str) -> str:
        """The characters of the field that `piece` adds, decoded; "" outside the field."""
        if self._done:
            return ""
        self._buffer += piece
        if not self._inside:
            found = self._opening.search(self._buffer)
            if found is None:
                return ""
            self._inside = True
            self._buffer = self._buffer[found.end() :]
        return self._take()

    def _take(self) -> str:
        at = 0
        while at < len(self._buffer):
            character = self._buffer[at]
            if character == '"':
                self._done = True
                break
            if character == "\\":
                width = 6 if self._buffer[at + 1 : at + 2] == "u" else 2
                if width == 6 and self._buffer[at + 2 : at + 3] in ("d", "D"):
                    width = 12  # a surrogate pair is one character
                if at + width > len(self._buffer):
                    break
                at += width
            else:
                at += 1
        ready, self._buffer = self._buffer[:at], self._buffer[at:]
        try:
            return str(json.loads(f'"{ready}"', strict=False))
        except ValueError:
            return ready
