"""A whole policy as it is written: TOML or JSON, read with all its mistakes told at once, and written.

    [policy]
    name = "acme"
    time_zone = "Europe/Berlin"                  # whose days these are; UTC if it is left out
    preset = "medium"                            # or several: ["seed", "medium"]

    [[limit]]                                    # of the same name as one of a preset, in place of it
    limit = "$20 / day"

In JSON it is the same: `{"policy": {"name": "acme"}, "limit": [{"limit": "$20 / day"}]}`.
"""

from __future__ import annotations

import json
import re
import tomllib
from collections.abc import Mapping, Sequence
from decimal import Decimal
from typing import Any, NamedTuple

from tollkeeper.model.limit import Limit
from tollkeeper.policy.limit_table import limit_document, limit_of, time_zone
from tollkeeper.policy.mistakes import Mistakes, PolicyError, Table, choice, shown, text
from tollkeeper.policy.policy import Policy
from tollkeeper.policy.presets import PRESETS, limits_of_preset
from tollkeeper.policy.toml_lines import lines_of

TABLES = ("policy", "limit")
HEAD = ("name", "time_zone", "preset")

_BARE_KEY = re.compile(r"[A-Za-z0-9_-]+")

Document = dict[str, Any]
"""A policy, or a part of it, as JSON has it."""


class Head(NamedTuple):
    """What `[policy]` says: what holds for all the rest."""

    name: str
    zone: str
    presets: tuple[str, ...]


def read_policy(content: str | bytes, where: str) -> Policy:
    """The policy in a file of this name, JSON if it ends so, else TOML. Raises `PolicyError`."""
    if isinstance(content, bytes):
        try:
            content = content.decode("utf-8-sig")
        except UnicodeDecodeError as error:
            raise PolicyError(f"{where}: not UTF-8: {error}") from error
    return read_json(content, where) if where.endswith(".json") else read_toml(content, where)


def read_toml(content: str, where: str) -> Policy:
    """The policy that a TOML text says; its mistakes have lines. Raises `PolicyError`."""
    try:
        tables = tomllib.loads(content, parse_float=Decimal)
        lines = lines_of(content)
    except (ValueError, RecursionError) as error:
        raise PolicyError(f"{where}: not valid TOML: {error}") from error
    return _read(tables, Mistakes(where, lines))


def read_json(content: str | bytes, where: str) -> Policy:
    """The policy that a JSON text says. Raises `PolicyError`."""
    try:
        tables = json.loads(content, parse_float=Decimal)
    except (ValueError, RecursionError) as error:
        raise PolicyError(f"{where}: not valid JSON: {error}") from error
    if not isinstance(tables, dict):
        raise PolicyError(f"{where}: {shown(tables)}; expected an object")
    return _read(tables, Mistakes(where, {}))


def policy_document(policy: Policy) -> Document:
    """A policy as `read_json` reads it. Presets are written out."""
    return {"policy": {"name": policy.name}, "limit": [limit_document(limit) for limit in policy.limits]}


def write_toml(policy: Policy) -> str:
    """A policy as `read_toml` reads it. Presets are written out."""
    document = policy_document(policy)
    tables = [_table("[policy]", document["policy"]), *(_table("[[limit]]", limit) for limit in document["limit"])]
    return "\n".join(tables)


def _read(tables: Mapping[str, Any], mistakes: Mistakes) -> Policy:
    top = Table(tables, (), mistakes)
    top.know(TABLES, "table")
    head = _head(top.table("policy", "a table, headed [policy]"))
    limits = _limits(top.tables("limit"), head)
    mistakes.finish()
    return Policy(head.name, limits)


def _head(table: Table) -> Head:
    table.know(HEAD)
    return Head(
        name=table.read("name", text, Policy().name),
        zone=table.read("time_zone", time_zone, "UTC"),
        presets=table.read("preset", _presets, ()),
    )


def _limits(tables: Sequence[Table], head: Head) -> tuple[Limit, ...]:
    """Those of the presets, a later one's in place of an earlier one's, and those of the file in place of both."""
    preset = {limit.name: limit for name in head.presets for limit in limits_of_preset(name, head.zone)}
    written: dict[str, Limit] = {}
    first: dict[str, Table] = {}
    for table in tables:
        limit = limit_of(table, head.zone)
        if limit is None:
            continue
        if limit.name in written:
            table.mistakes.note((*table.place, "name"), limit.name, _other_name(first[limit.name]))
        written[limit.name] = limit
        first.setdefault(limit.name, table)
    return tuple((preset | written).values())


def _other_name(first: Table) -> str:
    line = first.mistakes.line(first.place)
    other = f"the limit in line {line}" if line else f"limit[{first.place[-1]}]"
    return f"another name than that of {other}: give one of them a name of its own"


def _presets(value: Any) -> tuple[str, ...]:
    return tuple(choice(*PRESETS)(name) for name in (value if isinstance(value, list) else [value]))


def _table(header: str, fields: Mapping[str, Any]) -> str:
    return "\n".join([header, *(f"{key} = {_toml(value)}" for key, value in fields.items())]) + "\n"


def _key(name: str) -> str:
    return name if _BARE_KEY.fullmatch(name) else _toml(name)


def _toml(value: Any) -> str:
    if isinstance(value, Mapping):
        return "{ " + ", ".join(f"{_key(key)} = {_toml(each)}" for key, each in value.items()) + " }"
    if isinstance(value, list):
        return f"[{', '.join(map(_toml, value))}]"
    return json.dumps(value, ensure_ascii=False).replace("\x7f", "\\u007f")
