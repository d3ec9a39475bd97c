"""What an emission says, by name: the first name that holds a value of the right type. Anything may be of any type."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from tollkeeper.telemetry.emission import Emission

Names = tuple[str, ...]

LARGEST_COUNT = 10**12
"""Tokens of one call. A larger number is none."""
LONGEST_TEXT = 500
LONGEST_LIST = 64
LONGEST_JSON = 100_000
LONGEST_SECONDS = 1e6


class Said:
    """Reads the attributes of one emission, and never raises."""

    __slots__ = ("emission", "_attributes", "_resource")

    def __init__(self, emission: Emission) -> None:
        self.emission = emission
        self._attributes = emission.attributes
        self._resource = emission.resource

    def __contains__(self, name: str) -> bool:
        return name in self._attributes

    def with_more(self, more: Mapping[str, Any]) -> Said:
        """The same emission, with attributes that were found inside others."""
        said = Said(self.emission)
        said._attributes = {**self._attributes, **more}
        return said

    def text(self, *names: str) -> str | None:
        """The first that is a text and not empty."""
        return _first_text(self._attributes, names)

    def of_resource(self, *names: str) -> str | None:
        """As `text`, of what sent it: the service, the host."""
        return _first_text(self._resource, names)

    def count(self, *names: str) -> int | None:
        """The first that is a whole number of zero or more; exporters of other languages may send it as a text."""
        for name in names:
            if (number := count(self._attributes.get(name))) is not None:
                return number
        return None

    def seconds(self, *names: str) -> float | None:
        """The first that is a length of time."""
        for name in names:
            value: Any = self._attributes.get(name)
            if type(value) in (int, float) and 0 <= value <= LONGEST_SECONDS:
                return float(value)
        return None

    def flag(self, *names: str) -> bool:
        """Whether one of them is true, as a boolean or as a word."""
        values = [self._attributes.get(name) for name in names]
        return any(value is True or (isinstance(value, str) and value.lower() == "true") for value in values)

    def texts(self, *names: str) -> tuple[str, ...]:
        """The texts in the first list, which may be written as JSON; a single text is a list of one."""
        for name in names:
            value = self._attributes.get(name)
            if isinstance(value, str) and value.startswith("["):
                value = parse(value)
            if isinstance(value, str) and value:
                return (value[:LONGEST_TEXT],)
            if isinstance(value, list | tuple) and (found := [item for item in value if isinstance(item, str)]):
                return tuple(item[:LONGEST_TEXT] for item in found[:LONGEST_LIST])
        return ()

    def object(self, *names: str) -> Mapping[str, Any]:
        """The first map, which may be written as JSON; empty where there is none."""
        for name in names:
            value = self._attributes.get(name)
            if isinstance(value, str):
                value = parse(value)
            if isinstance(value, Mapping) and value:
                return value
        return {}

    def below(self, prefix: str) -> dict[str, str]:
        """The texts whose names begin with `prefix`, by the rest of their names."""
        found = [name for name in self._attributes if isinstance(name, str) and name.startswith(prefix)]
        texts = {name.removeprefix(prefix): self.text(name) for name in found[:LONGEST_LIST]}
        return {name: text for name, text in texts.items() if name and text is not None}


def count(value: Any) -> int | None:
    """A whole number of zero or more; anything else is none."""
    if isinstance(value, str):
        value = int(value) if value.isascii() and value.isdigit() and len(value) <= 13 else None
    elif type(value) is float:
        value = int(value) if value.is_integer() else None
    return value if type(value) is int and 0 <= value <= LARGEST_COUNT else None


def counts_in(value: Mapping[str, Any], *path: str) -> int | None:
    """The count at a path in nested maps."""
    found: Any = value
    for name in path:
        if not isinstance(found, Mapping):
            return None
        found = found.get(name)
    return count(found)


def parse(text: str) -> Any:
    """The value of a JSON text; `None` for anything else."""
    if len(text) > LONGEST_JSON or not text.startswith(("{", "[")):
        return None
    try:
        return json.loads(text)
    except (ValueError, RecursionError):
        return None


def _first_text(values: Mapping[str, Any], names: Names) -> str | None:
    for name in names:
        value = values.get(name)
        if isinstance(value, str) and value:
            return value[:LONGEST_TEXT]
    return None
