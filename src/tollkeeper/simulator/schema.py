"""A value that a JSON schema accepts: what a model answers when it is asked for structured output or calls a tool."""

from __future__ import annotations

import random
from collections.abc import Mapping
from typing import Any

WORDS = ("alder", "breeze", "comet", "dune", "elm", "flint", "gale", "heron")
FORMATS = {
    "date": "2025-01-15",
    "date-time": "2025-01-15T12:00:00Z",
    "time": "12:00:00Z",
    "email": "someone@example.com",
    "uri": "https://example.com/",
    "uuid": "00000000-0000-4000-8000-000000000000",
}
DEEPEST = 8
"""Schemas may refer to themselves; below this depth only what is required is filled in."""


def fill(schema: Mapping[str, Any], chance: random.Random) -> Any:
    """A value for the schema, the same for the same state of `chance`."""
    return _fill(schema, schema, chance, 0)


def _fill(schema: Any, root: Mapping[str, Any], chance: random.Random, depth: int) -> Any:
    if not isinstance(schema, Mapping) or depth > 4 * DEEPEST:
        return None
    if "$ref" in schema:
        return _fill(_resolve(schema["$ref"], root), root, chance, depth + 1)
    if "const" in schema:
        return schema["const"]
    if schema.get("enum"):
        return chance.choice(schema["enum"])
    for union in ("anyOf", "oneOf"):
        if schema.get(union):
            option = schema[union][-1] if depth > DEEPEST else schema[union][0]
            return _fill(option, root, chance, depth + 1)
    if schema.get("allOf"):
        merged: dict[str, Any] = {}
        for part in schema["allOf"]:
            merged |= _resolve(part["$ref"], root) if "$ref" in part else part
        return _fill(merged, root, chance, depth + 1)
    return _fill_type(schema, root, chance, depth)


def _fill_type(schema: Mapping[str, Any], root: Mapping[str, Any], chance: random.Random, depth: int) -> Any:
    kind = schema.get("type") or ("object" if "properties" in schema else "string")
    match str(kind[0] if isinstance(kind, list) else kind).lower():  # Gemini writes them in capitals
        case "object":
            required = schema.get("required", ())
            return {
                name: _fill(inner, root, chance, depth + 1)
                for name, inner in schema.get("properties", {}).items()
                if depth <= DEEPEST or name in required
            }
        case "array":
            count = max(int(schema.get("minItems", 0)), 0 if depth > DEEPEST else 1)
            return [_fill(schema.get("items", {}), root, chance, depth + 1) for _ in range(count)]
        case "integer":
            return _number(schema, chance)
        case "number":
            return float(_number(schema, chance))
        case "boolean":
            return chance.random() < 0.5
        case "null":
            return None
        case _:
            return _string(schema, chance)


def _number(schema: Mapping[str, Any], chance: random.Random) -> int:
    low = int(schema.get("minimum", schema.get("exclusiveMinimum", 0) + 1))
    high = int(schema.get("maximum", schema.get("exclusiveMaximum", low + 10) - 1))
    return chance.randint(low, max(low, high))


def _string(schema: Mapping[str, Any], chance: random.Random) -> str:
    text = FORMATS.get(schema.get("format", "")) or chance.choice(WORDS)
    text = text.ljust(int(schema.get("minLength", 0)), "x")
    return text[: int(schema["maxLength"])] if "maxLength" in schema else text


def _resolve(reference: str, root: Mapping[str, Any]) -> Mapping[str, Any]:
    found: Any = root
    for name in reference.removeprefix("#").strip("/").split("/"):
        found = found.get(name.replace("~1", "/").replace("~0", "~"), {}) if name else found
    return found if isinstance(found, Mapping) else {}
