"""The next smaller model of a family, by how providers name them: a guess where a policy names no classes."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Final

_DATE: Final = re.compile(r"-(?:20\d{6}|20\d{2}-\d{2}-\d{2}|latest|preview.*|\d{3,4})$")

STEPS: Final[tuple[tuple[re.Pattern[str], str], ...]] = tuple(
    (re.compile(pattern), smaller)
    for pattern, smaller in (
        (r"^(claude-)opus(-[\d.-]+)$", r"\1sonnet\2"),
        (r"^(claude-)sonnet(-[\d.-]+)$", r"\1haiku\2"),
        (r"^(gemini-[\d.]+-)pro$", r"\1flash"),
        (r"^(gemini-[\d.]+-flash)$", r"\1-lite"),
        (r"^(gpt-[\d.]+o?|o\d)$", r"\1-mini"),
        (r"^(gpt-[\d.]+)-mini$", r"\1-nano"),
        (r"^(mistral-)large$", r"\1medium"),
        (r"^(mistral-)medium$", r"\1small"),
        (r"^(command-r)-plus$", r"\1"),
        (r"^(grok-\d+)$", r"\1-mini"),
    )
)
"""What a name is made of, and the name of the next smaller one."""


def plain_name(model: str) -> str:
    """Without the date of a version."""
    return _DATE.sub("", model)


def smaller(model: str) -> Iterator[str]:
    """Names of the next smaller model, the likeliest first. There need not be such a model."""
    head, slash, name = model.rpartition("/")
    plain = plain_name(name)
    for pattern, replacement in STEPS:
        if pattern.match(plain):
            found = pattern.sub(replacement, plain)
            for each in dict.fromkeys((found, f"{found}-latest")):
                yield f"{head}{slash}{each}"
