"""Which calls, as a person types it: `model = gpt-4* | o3, tenant = acme`. As tables of a policy, and back."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

OF_THE_CALL = ("provider", "model", "operation")
TAGS = ("tenant", "user", "project", "service", "feature", "config", "session")
NO_VALUE = "(none)"
"""How calls without a tag are meant."""

Match = dict[str, Any]
Condition = tuple[str, str]
A_CONDITION = "a name, = and a value, such as tenant = acme"


def read_conditions(text: str, expected: str = A_CONDITION) -> list[Condition]:
    """Each `name = value`, by lines or commas. Raises `ValueError`."""
    found = []
    for part in (part.strip() for line in text.splitlines() for part in line.split(",")):
        if not part:
            continue
        name, separator, value = (each.strip() for each in part.partition("="))
        if not (name and separator and value):
            raise ValueError(f"{part!r} is not understood: write {expected}")
        found.append((name, value))
    return found


def read_models(text: str) -> dict[str, str]:
    """Which model is asked instead of which, written in the same way. Raises `ValueError`."""
    return dict(read_conditions(text, "the model that is asked for, = and the one instead: gpt-4o = gpt-4o-mini"))


def match_of(conditions: Iterable[Condition]) -> Match:
    """The table of a policy that says the same."""
    match: Match = {}
    for name, value in conditions:
        globs = ["" if each == NO_VALUE else each for each in (each.strip() for each in value.split("|"))]
        said = globs if len(globs) > 1 else globs[0]
        if name in OF_THE_CALL:
            match[name] = said
        else:
            match.setdefault("tags", {})[name] = said
    return match


def conditions_of(match: Mapping[str, Any]) -> list[Condition]:
    """A table of a policy as conditions."""
    named = {**{name: match[name] for name in OF_THE_CALL if name in match}, **match.get("tags", {})}
    return [(name, _written(globs)) for name, globs in named.items()]


def read_exempt(text: str) -> list[str | Match]:
    """A line for each kind of call: `ollama/*`, or conditions. Raises `ValueError`."""
    lines = [line.strip() for line in text.splitlines() if line.strip()]
    return [match_of(read_conditions(line)) if "=" in line else line for line in lines]


def exempt_text(exempt: Iterable[str | Mapping[str, Any]]) -> str:
    """The same, to be edited."""
    return "\n".join(each if isinstance(each, str) else conditions_text(conditions_of(each)) for each in exempt)


def conditions_text(conditions: Iterable[Condition]) -> str:
    """On one line."""
    return ", ".join(f"{name} = {value}" for name, value in conditions)


def calls_words(match: Mapping[str, Any]) -> str:
    """Which calls, to read: `tenant acme, model gpt-4* or o3`; nothing where it is every call."""
    return ", ".join(f"{name} {value.replace(' | ', ' or ')}" for name, value in conditions_of(match))


def _written(globs: str | list[str]) -> str:
    return " | ".join(each or NO_VALUE for each in ([globs] if isinstance(globs, str) else globs))
