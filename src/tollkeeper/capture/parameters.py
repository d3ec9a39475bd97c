"""Request parameters that the conventions name, read from a request body through a table."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from tollkeeper.model import Call

Reader = Callable[[Any], Any]


def number(value: Any) -> float | None:
    return float(value) if isinstance(value, int | float) and not isinstance(value, bool) else None


def whole(value: Any) -> int | None:
    return value if type(value) is int else None


def word(value: Any) -> str | None:
    return value if type(value) is str else None


def words(value: Any) -> tuple[str, ...] | None:
    if type(value) is str:
        return (value,)
    if isinstance(value, list | tuple) and all(type(item) is str for item in value):
        return tuple(value)
    return None


def several(value: Any) -> int | None:
    """A number of choices, where it is not one."""
    return value if type(value) is int and value != 1 else None


def effort(value: Any) -> str | None:
    return word(value.get("effort")) if isinstance(value, Mapping) else None


def output_type(value: Any) -> str | None:
    """`gen_ai.output.type` of a `response_format`, or of the Responses API's `text.format`."""
    if isinstance(value, Mapping):
        kind = value.get("type")
        if kind is None and isinstance(value.get("format"), Mapping):
            kind = value["format"].get("type")
        return (
            {"json_object": "json", "json_schema": "json", "text": "text"}.get(kind) if isinstance(kind, str) else None
        )
    return None


Table = Mapping[str, tuple[str, Reader]]

SAMPLING: Table = {
    "temperature": ("gen_ai.request.temperature", number),
    "top_p": ("gen_ai.request.top_p", number),
    "frequency_penalty": ("gen_ai.request.frequency_penalty", number),
    "presence_penalty": ("gen_ai.request.presence_penalty", number),
    "seed": ("gen_ai.request.seed", whole),
    "max_tokens": ("gen_ai.request.max_tokens", whole),
}


def read_parameters(call: Call, body: Mapping[str, Any], table: Table) -> None:
    """Write the parameters of `body` that `table` knows, and that are of the type it expects, into `call`."""
    parameters = call.parameters
    for name in body:
        known = table.get(name)
        if known is not None:
            value = known[1](body[name])
            if value is not None:
                parameters[known[0]] = value
