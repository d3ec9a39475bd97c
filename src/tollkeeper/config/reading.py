"""How options are read: from a call, else the environment, else a TOML file. All mistakes are told at once."""

from __future__ import annotations

import difflib
import os
import tomllib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from pathlib import Path
from types import MappingProxyType
from typing import Any

ENVIRONMENT_CONFIG = "TOLLKEEPER_CONFIG"


class ConfigurationError(ValueError):
    """One or more options are wrong. The message names each one, its value, its source, and what was expected."""


def boolean(value: Any) -> bool:
    if isinstance(value, bool):
        return value
    word = str(value).strip().lower()
    if word in ("1", "true", "yes", "on"):
        return True
    if word in ("0", "false", "no", "off", ""):
        return False
    raise ValueError("true or false")


def text(value: Any) -> str:
    if isinstance(value, str | os.PathLike) and str(value):
        return os.fspath(value) if not isinstance(value, str) else value
    raise ValueError("a text that is not empty")


def port(value: Any) -> int:
    number = whole(value)
    if number is not None and 0 <= number <= 65535:
        return number
    raise ValueError("a port number from 0 (any free one) to 65535")


def positive(value: Any) -> int:
    number = whole(value)
    if number is not None and number > 0:
        return number
    raise ValueError("a whole number above zero")


def whole(value: Any) -> int | None:
    if isinstance(value, str) and value.strip().isdecimal():
        return int(value)
    return value if isinstance(value, int) and not isinstance(value, bool) else None


def names(value: Any) -> tuple[str, ...]:
    if isinstance(value, str):
        value = [name.strip() for name in value.split(",") if name.strip()]
    if isinstance(value, list | tuple | set | frozenset) and all(isinstance(name, str) for name in value):
        return tuple(value)
    raise ValueError("a list of names, or names with commas between them")


def pairs(value: Any) -> dict[str, str]:
    if isinstance(value, str):
        parts = [part.partition("=") for part in value.split(",") if part.strip()]
        if all(name.strip() and separator for name, separator, _ in parts):
            return {name.strip(): text.strip() for name, _, text in parts}
    elif isinstance(value, Mapping) and all(isinstance(name, str) for name in value):
        return {name: str(text) for name, text in value.items() if text is not None}
    raise ValueError("a table of names and values, or name=value with commas between them")


def function(value: Any) -> Callable[..., Any]:
    if callable(value):
        return value  # type: ignore[no-any-return]
    raise ValueError("a callable")


@dataclass(frozen=True, slots=True)
class Option:
    """One option. `env` is its environment variable; without one it can only be given in Python."""

    name: str
    read: Callable[[Any], Any]
    env: str | None
    meaning: str
    is_secret: bool = False
    """Whether no message may show its value."""


Found = tuple[str, Any]
"""Where an option was found, in words, and its raw value."""


Check = Callable[[Any], object]
"""Raises `ValueError`, saying what was expected, for a value of the right type that is wrong all the same."""


@dataclass(frozen=True, slots=True)
class Reading:
    """What was found of a set of options: the values to set, where each came from, and what is wrong."""

    values: dict[str, Any]
    found: Mapping[str, Found]
    problems: list[str]

    def check(self) -> dict[str, Any]:
        """The values. Raises `ConfigurationError`, if anything is wrong."""
        if self.problems:
            raise ConfigurationError("; ".join(self.problems))
        return self.values


def read_options(
    options: Sequence[Option],
    who: str,
    table_name: str,
    given: Mapping[str, Any],
    config: str | os.PathLike[str] | None,
    checks: Mapping[str, Check] = MappingProxyType({}),
) -> Reading:
    """Read `options`, as `who` was given them, over the environment, over the table of the file.

    `checks` are further ones, by option. An option that is not found has no value here.
    """
    problems: list[str] = []
    path = config or os.environ.get(ENVIRONMENT_CONFIG)
    table = _read_file(path, table_name, problems) if path else {}
    known = [option.name for option in options]
    for where, names in ((who.format(""), given), (f"{path} [{table_name}]", table)):
        problems += [f"{where}: {name!r} is no option; {_instead(name, known)}" for name in names if name not in known]
    values: dict[str, Any] = {}
    found: dict[str, Found] = {}
    for option in options:
        place = _find(option, who, given, table, f"{path} [{table_name}]")
        if place is not None:
            found[option.name] = place
            _read(option, place, checks.get(option.name), values, problems)
    return Reading(values, found, problems)


def _instead(name: str, known: list[str]) -> str:
    near = difflib.get_close_matches(name, known, n=1)
    return f"did you mean {near[0]!r}?" if near else f"there are {', '.join(known)}"


def _find(option: Option, who: str, given: Mapping[str, Any], table: Mapping[str, Any], file: str) -> Found | None:
    if given.get(option.name) is not None:
        return who.format(f"{option.name}=…"), given[option.name]
    if option.env is not None and os.environ.get(option.env, "").strip():
        return f"environment variable {option.env}", os.environ[option.env]
    if option.name in table:
        return f"{file} {option.name}", table[option.name]
    return None


def _read(option: Option, place: Found, check: Check | None, values: dict[str, Any], problems: list[str]) -> None:
    where, value = place
    try:
        read = option.read(value)
        if check is not None:
            check(read)
        values[option.name] = read
    except ValueError as expected:
        problems.append(f"{where} is {'secret' if option.is_secret else repr(value)}; expected {expected}")


def _read_file(path: str | os.PathLike[str], table_name: str, problems: list[str]) -> Mapping[str, Any]:
    try:
        document = tomllib.loads(Path(path).read_text(encoding="utf-8"), parse_float=Decimal)
    except OSError as error:
        problems.append(f"{os.fspath(path)}: cannot be read: {error.strerror or error}")
        return {}
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        problems.append(f"{os.fspath(path)}: is not TOML: {error}")
        return {}
    table = document.get(table_name, {})
    if not isinstance(table, dict):
        problems.append(f"{os.fspath(path)}: {table_name!r} is {table!r}; expected a table [{table_name}]")
        return {}
    return table
