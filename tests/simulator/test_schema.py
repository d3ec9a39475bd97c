"""Values made for a schema."""

from __future__ import annotations

import random
from typing import Any

import pytest

from tollkeeper.simulator.schema import fill

NODE = {
    "$ref": "#/$defs/Node",
    "$defs": {
        "Node": {
            "type": "object",
            "properties": {
                "name": {"type": "string"},
                "next": {"anyOf": [{"$ref": "#/$defs/Node"}, {"type": "null"}]},
            },
            "required": ["name", "next"],
        }
    },
}


@pytest.mark.parametrize(
    ("schema", "accepts"),
    [
        ({"type": "integer", "minimum": 5, "maximum": 6}, lambda value: value in (5, 6)),
        ({"type": "number"}, lambda value: isinstance(value, float)),
        ({"type": "boolean"}, lambda value: isinstance(value, bool)),
        ({"type": ["null", "string"]}, lambda value: value is None),
        ({"type": "string", "minLength": 20, "maxLength": 22}, lambda value: 20 <= len(value) <= 22),
        ({"type": "string", "format": "date"}, lambda value: value == "2025-01-15"),
        ({"enum": ["a", "b"]}, lambda value: value in "ab"),
        ({"const": 3}, lambda value: value == 3),
        ({"type": "ARRAY", "items": {"type": "STRING"}, "minItems": 2}, lambda value: len(value) == 2),
        ({"allOf": [{"properties": {"a": {"type": "null"}}}]}, lambda value: value == {"a": None}),
        ({"oneOf": [{"type": "integer"}]}, lambda value: isinstance(value, int)),
        ({}, lambda value: isinstance(value, str)),
    ],
)
def test_a_value_fits(schema: dict[str, Any], accepts: Any):
    assert accepts(fill(schema, random.Random(1)))


def test_a_schema_that_refers_to_itself_ends():
    node = fill(NODE, random.Random(1))
    while node["next"]:
        node = node["next"]
    assert isinstance(node["name"], str)


def test_the_same_chance_gives_the_same_value():
    assert fill(NODE, random.Random(1)) == fill(NODE, random.Random(1))
