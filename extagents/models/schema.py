"""JSON schemas in the form that structured output takes them."""

from __future__ import annotations

from functools import lru_cache
from typing import Any

from pydantic import BaseModel

# What every engine with strict schemas understands; the rest (lengths, formats, defaults, titles) pydantic checks anyway.
_KEPT = frozenset(
    {"type", "properties", "required", "items", "enum", "const", "anyOf", "allOf", "$ref", "$defs", "description"}
    | {"minimum", "maximum", "exclusiveMinimum", "exclusiveMaximum", "minItems", "maxItems", "additionalProperties"}
)


@lru_cache(maxsize=256)
def strict_schema(output: type[BaseModel]) -> tuple[dict[str, Any], bool]:
    """The answer's schema, and whether it can be strict: every property required and nothing else allowed.

    It cannot where the answer holds a mapping with free keys.
    """
    schema = output.model_json_schema()
    strict = not _free(schema)
    cleaned = _clean(schema, strict=strict)
    assert isinstance(cleaned, dict)
    cleaned.pop("description", None)  # the class' docstring speaks to programmers
    return cleaned, strict


def _free(node: Any) -> bool:
    """Whether some object in the schema takes keys that it does not name."""
    if isinstance(node, list):
        return any(_free(item) for item in node)
    if not isinstance(node, dict):
        return False
    if node.get("type") == "object" and (node.get("additionalProperties") or "properties" not in node):
        return bool(node.get("additionalProperties")) or "properties" not in node
    return any(_free(item) for item in node.values())


def _clean(node: Any, *, strict: bool) -> Any:
    if isinstance(node, list):
        return [_clean(item, strict=strict) for item in node]
    if not isinstance(node, dict):
        return node
    if "oneOf" in node:
        node = {**{key: value for key, value in node.items() if key != "oneOf"}, "anyOf": node["oneOf"]}
    if "prefixItems" in node:  # a fixed tuple: told as a list of that length
        node = {**node, "items": {"anyOf": node["prefixItems"]}}
    cleaned: dict[str, Any] = {}
    for key, value in node.items():
        if key in ("properties", "$defs"):
            cleaned[key] = {name: _clean(item, strict=strict) for name, item in value.items()}
        elif key in ("enum", "const", "required"):
            cleaned[key] = value
        elif key in _KEPT:
            cleaned[key] = _clean(value, strict=strict)
    if strict and "properties" in cleaned:
        cleaned["required"] = list(cleaned["properties"])
        cleaned["additionalProperties"] = False
    if strict and "$ref" in cleaned:
        return {"$ref": cleaned["$ref"]}  # strict engines take no neighbours beside a reference
    return cleaned
