"""Reading foreign objects: models of any SDK, and plain JSON, with any field missing or of a wrong type."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable, Iterator, Mapping
from functools import cache
from typing import Any

EMPTY: Mapping[str, Any] = {}

BYTES_PER_TOKEN = 4
"""About what the tokenizers of today's models need for English text; used for estimates only, which are marked."""


LARGEST_COUNT = 10**9
"""A provider that counts more tokens than this in one call is mistaken. Exporters fail for good on sums of 64 bits."""


def field(source: Any, name: str) -> Any:
    """`source[name]` of a mapping, `source.name` of an object; `None` where there is none."""
    if type(source) is dict:
        return source.get(name)
    return getattr(source, name, None)


def mapping(source: Any) -> Mapping[str, Any]:
    """The fields of an SDK's model or of a JSON object, as a mapping: cheaper than `field` where many are asked for."""
    if type(source) is dict:
        return source
    fields = getattr(source, "__dict__", None)
    if fields is None:
        return EMPTY
    extra = getattr(source, "__pydantic_extra__", None)
    return {**fields, **extra} if extra else fields


@cache
def model_slots() -> tuple[Callable[[Any], dict[str, Any]], Callable[[Any], set[str]]]:
    """Readers of a pydantic model's `__dict__`, and of the names of the fields that were set in it.

    They are the slots themselves: models have a `__getattr__`, so that the interpreter looks up every attribute of
    theirs the slow way. Both raise `TypeError` for anything that is no model.
    """
    slots = vars(sys.modules["pydantic"].BaseModel)
    names_set = slots.get("__pydantic_fields_set__") or slots["__fields_set__"]
    return slots["__dict__"].__get__, names_set.__get__


def text(source: Any, name: str) -> str | None:
    """A field that must be a string, an enum of strings included."""
    value = field(source, name)
    if type(value) is not str:
        value = getattr(value, "value", value)
        if not isinstance(value, str):
            return None
    return value if value.isascii() and type(value) is str else encodable(value)


def encodable(value: str) -> str:
    """The text without lone surrogates: JSON can hold them, and no exporter can encode them."""
    return value.encode("utf-8", "replace").decode()


def count(source: Any, name: str) -> int | None:
    """A field that must be a count: a whole number, not negative. `5.0` counts; `"5"` and `true` do not."""
    return as_count(field(source, name))


def as_count(value: Any) -> int | None:
    if type(value) is int or type(value) is float and value.is_integer():
        return int(value) if 0 <= value <= LARGEST_COUNT else None
    return None


def total(*counts: int | None) -> int | None:
    """The sum of what is known; `None` where nothing is."""
    known = [number for number in counts if number is not None]
    return sum(known) if known else None


def estimate_tokens(*pieces: Any) -> int:
    """How many tokens these texts are, roughly: their UTF-8 bytes by `BYTES_PER_TOKEN`, rounded up. Others are none."""
    texts = (piece for piece in pieces if type(piece) is str)
    size = sum(len(piece) if piece.isascii() else len(piece.encode("utf-8", "replace")) for piece in texts)
    return -(-size // BYTES_PER_TOKEN)


def texts_in(value: Any, depth: int = 0) -> Iterator[str]:
    """The texts of a request body, for an estimate. Data URLs and long unbroken runs (base64) are not text."""
    if isinstance(value, str):
        if not value.startswith("data:") and not (len(value) > 2000 and " " not in value[:2000]):
            yield value
    elif depth < 12:
        if isinstance(value, Mapping):
            for item in value.values():
                yield from texts_in(item, depth + 1)
        elif isinstance(value, list | tuple):
            for item in value:
                yield from texts_in(item, depth + 1)
        elif hasattr(type(value), "model_fields"):  # a message made as the SDK's own (pydantic) object
            yield from texts_in(vars(value), depth + 1)


def parse_json(data: bytes | str) -> Any:
    """The JSON value in `data`, or `None` where there is none."""
    try:
        return json.loads(data)
    except ValueError:
        return None
