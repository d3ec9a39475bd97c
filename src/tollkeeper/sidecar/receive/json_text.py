"""A JSON body as Python values in which every text can be stored."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from typing import Any

from tollkeeper.sidecar.receive.body import Malformed

Clean = Callable[[Any], Any]

UNSTORABLE = re.compile(r"\\u(?:0000|[dD][89a-fA-F])")
"""NUL, which PostgreSQL refuses, and surrogates, which no database takes unless they are in pairs."""
NO_UTF8 = re.compile("[\udc80-\udcff]")
"""What bytes that are no UTF-8 are read as."""


def load(data: bytes) -> tuple[Any, Clean | None]:
    """The body's value, and what each part has to go through before it is used, if anything.

    Raises `Malformed` for what is no JSON.
    """
    clean: Clean | None = None
    try:
        text = data.decode()
        if "\\u" in text and UNSTORABLE.search(text):
            clean = storable
    except UnicodeDecodeError:
        text, clean = data.decode(errors="surrogateescape"), utf8_only
    try:
        return json.loads(text), clean
    except (ValueError, RecursionError) as error:
        said = str(error).encode("utf-8", "replace").decode()
        raise Malformed(f"the body is no JSON: {said}") from None


def storable(value: Any) -> Any:
    """The same value, with U+FFFD for each character that a database would refuse."""
    if type(value) is str:
        return value.replace("\0", "\ufffd").encode("utf-16", "surrogatepass").decode("utf-16", "replace")
    if type(value) is dict:
        return {storable(key): storable(item) for key, item in value.items()}
    return [storable(item) for item in value] if type(value) is list else value


def utf8_only(value: Any) -> Any:
    """The same value, storable. Raises `ValueError` if one of its texts was not UTF-8."""
    if NO_UTF8.search(json.dumps(value, ensure_ascii=False)):
        raise ValueError("a text is not UTF-8")
    return storable(value)
