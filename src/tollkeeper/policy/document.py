"""A whole policy as it is written: TOML or JSON, read with all its mistakes told at once, and written.

    [policy]
    name = "acme"
    time_zone = "Europe/Berlin"                  # whose days these are; UTC if it is left out
    preset = "medium"                            # or several: ["seed", "medium"]

    [[limit]]                                    # of the same name as one of a preset, in place of it
    limit = "$20 / day"

The other tables are `[[ladder]]` and `[emergency]` (see `ladder_table`), `[[endpoint]]`, `[[fallback]]` and `[quality]`
(see `fallback_table`), `[[anomaly]]` and `[[detection]]` (see `anomaly_table`).

In JSON it is the same: `{"policy": {"name": "acme"}, "limit": [{"limit": "$20 / day"}]}`.
"""

from __future__ import annotations

import json
import re
import tomllib
from collections.abc import Mapping, Sequence
from decimal import Decimal
from typing import Any, NamedTuple

from tollkeeper.model.anomaly_rule import AnomalyRule
from tollkeeper.model.ladder import Endpoint, Fallback, Ladder
from tollkeeper.model.limit import Limit
from tollkeeper.policy.anomaly_table import anomaly_document, anomaly_of, detection_document, detection_of
from tollkeeper.policy.fallback_table import (
    check_models,
    endpoint_document,
    endpoint_of,
    fallback_document,
    fallback_of,
    models_named,
    quality_of,
)
from tollkeeper.policy.ladder_table import emergency_document, emergency_of, ladder_document, ladder_of
from tollkeeper.policy.limit_table import limit_document, limit_of, time_zone
from tollkeeper.policy.mistakes import Mistakes, PolicyError, Table, choice, shown, text
from tollkeeper.policy.policy import Policy
from tollkeeper.policy.presets import PRESETS, limits_of_preset
from tollkeeper.policy.toml_lines import Place, lines_of

TABLES = ("policy", "limit", "ladder", "emergency", "endpoint", "fallback", "quality", "anomaly", "detection")
HEAD = ("name", "time_zone", "preset", "health")

_BARE_KEY = re.compile(r"[A-Za-z0-9_-]+")

Document = dict[str, Any]
"""A policy, or a part of it, as JSON has it."""


class Head(NamedTuple):
    """What `[policy]` says: what holds for all the rest."""

    name: str
    zone: str
    presets: tuple[str, ...]
    health: bool


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
    head = {"name": policy.name} | ({"health": True} if policy.health else {})
    document: Document = {"policy": head, "limit": [limit_document(limit) for limit in policy.limits]}
    if policy.ladders:
        document["ladder"] = [ladder_document(ladder) for ladder in policy.ladders]
    if policy.emergency is not None:
        document["emergency"] = emergency_document(policy.emergency)
    if policy.endpoints:
        document["endpoint"] = [endpoint_document(endpoint) for endpoint in policy.endpoints]
    if policy.fallbacks:
        document["fallback"] = [fallback_document(fallback) for fallback in policy.fallbacks]
    if policy.quality:
        document["quality"] = {name: list(models) for name, models in policy.quality.items()}
    if policy.anomalies:
        document["anomaly"] = [anomaly_document(rule) for rule in policy.anomalies]
    if policy.detection:
        document["detection"] = [detection_document(each) for each in policy.detection]
    return document


def write_toml(policy: Policy) -> str:
    """A policy as `read_toml` reads it. Presets are written out."""
    tables = []
    for name, said in policy_document(policy).items():
        tables += (
            [_table(f"[[{name}]]", each) for each in said] if isinstance(said, list) else [_table(f"[{name}]", said)]
        )
    return "\n".join(tables)


def _read(tables: Mapping[str, Any], mistakes: Mistakes) -> Policy:
    top = Table(tables, (), mistakes)
    top.know(TABLES, "table")
    head = _head(top.table("policy", "a table, headed [policy]"))
    limits = _limits(top.tables("limit"), head)
    ladders = _ladders(top.tables("ladder"), limits)
    emergency = emergency_of(top.table("emergency", "a table, headed [emergency]"))
    endpoints = _endpoints(top.tables("endpoint"))
    fallbacks = tuple(fallback_of(table) for table in top.tables("fallback"))
    quality = quality_of(top.table("quality", "a table, headed [quality]"))
    anomalies = _anomalies(top.tables("anomaly"), [ladder for _, ladder in ladders], "emergency" in top)
    detection = tuple(detection_of(table) for table in top.tables("detection"))
    if "emergency" not in top:
        for place, ladder in ladders:
            if any(step.do == "emergency" for step in ladder.steps):
                mistakes.note((*place, "steps"), "emergency", "a table [emergency] that says what is done then")
    check_models(_models(ladders, fallbacks, emergency.models), endpoints, mistakes)
    mistakes.finish()
    return Policy(
        head.name,
        limits,
        tuple(ladder for _, ladder in ladders),
        emergency if "emergency" in top else None,
        endpoints,
        fallbacks,
        quality,
        head.health,
        anomalies,
        detection,
    )


def _ladders(tables: Sequence[Table], limits: Sequence[Limit]) -> list[tuple[Place, Ladder]]:
    found: dict[str, tuple[Place, Ladder]] = {}
    for table in tables:
        ladder = ladder_of(table, limits)
        if ladder is not None and ladder.limit in found:
            table.note("limit", "one ladder for each limit: put the steps into one")
        elif ladder is not None and _begins_by_what_is_held(ladder, limits):
            table.note("steps", 'no step "emergency" on a rolling limit: what calls under way hold counts there')
        elif ladder is not None:
            found[ladder.limit] = (table.place, ladder)
    return list(found.values())


def _begins_by_what_is_held(ladder: Ladder, limits: Sequence[Limit]) -> bool:
    """Whether one large call could begin an emergency, which only a person ends, before anything is used."""
    limit = next(each for each in limits if each.name == ladder.limit)
    is_rolling = limit.window is not None and limit.window.rolling
    return is_rolling and any(step.do == "emergency" for step in ladder.steps)


def _anomalies(tables: Sequence[Table], ladders: Sequence[Ladder], has_emergency: bool) -> tuple[AnomalyRule, ...]:
    found: dict[str, AnomalyRule] = {}
    for table in tables:
        rule = anomaly_of(table, ladders)
        if rule is not None and rule.name in found:
            table.note("name", "another name than that of another rule")
        elif rule is not None:
            found[rule.name] = rule
        if rule is not None and rule.respond is not None and rule.respond.emergency and not has_emergency:
            table.note("respond", "a table [emergency] that says what is done then")
    return tuple(found.values())


def _endpoints(tables: Sequence[Table]) -> tuple[Endpoint, ...]:
    found: dict[str, Endpoint] = {}
    for table in tables:
        endpoint = endpoint_of(table)
        if endpoint is not None and endpoint.name in found:
            table.note("name", "another name than that of another endpoint")
        elif endpoint is not None:
            found[endpoint.name] = endpoint
    return tuple(found.values())


def _models(
    ladders: Sequence[tuple[Place, Ladder]], fallbacks: Sequence[Fallback], emergency: Mapping[str, str]
) -> dict[Place, str]:
    """The models that the policy has asked in place of others, with their places."""
    named = models_named(ladders)
    named |= {("emergency", "models", glob): model for glob, model in emergency.items()}
    for number, fallback in enumerate(fallbacks):
        named |= {("fallback", number, "to", at): model for at, model in enumerate(fallback.to)}
    return named


def _head(table: Table) -> Head:
    table.know(HEAD)
    return Head(
        name=table.read("name", text, Policy().name),
        zone=table.read("time_zone", time_zone, "UTC"),
        presets=table.read("preset", _presets, ()),
        health=table.read("health", _yes_or_no, False),
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


def _yes_or_no(value: Any) -> bool:
    if isinstance(value, bool):
        return value
    raise ValueError("true or false")


def _presets(value: Any) -> tuple[str, ...]:
    return tuple(choice(*PRESETS)(name) for name in (value if isinstance(value, list) else [value]))


def _table(header: str, fields: Mapping[str, Any]) -> str:
    return "\n".join([header, *(f"{key} = {_toml(value)}" for key, value in fields.items())]) + "\n"


def _key(name: str) -> str:
    return name if _BARE_KEY.fullmatch(name) else _toml(name)


def _toml(value: Any) -> str:
    if isinstance(value, Mapping):
        return "{ " + ", ".join(f"{_key(key)} = {_toml(each)}" for key, each in value.items()) + " }"
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, list):
        return f"[{', '.join(map(_toml, value))}]"
    return json.dumps(value, ensure_ascii=False).replace("\x7f", "\\u007f")
