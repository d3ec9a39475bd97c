"""How two policies differ: for people, by limit and field; for experts, line by line."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from difflib import unified_diff
from typing import Any, NamedTuple

from tollkeeper.model.limit import THRESHOLDS
from tollkeeper.policy.document import Document, read_json, write_toml
from tollkeeper.policy.forms import limit_saying
from tollkeeper.policy.mistakes import PolicyError
from tollkeeper.sidecar.findings import told_at
from tollkeeper.sidecar.web.pages.budgets.conditions import (
    calls_words,
    conditions_of,
    conditions_text,
    exempt_text,
)
from tollkeeper.sidecar.web.pages.budgets.limit_form import STEPS, UNAVAILABLE

NOTHING: Document = {"policy": {"name": "policy"}, "limit": []}
"""What is in force before anybody has set a policy."""
ABSENT = "–"
NAMED_BY: Mapping[str, str] = {"limit": "name", "ladder": "limit", "endpoint": "name", "anomaly": "name"}
"""Which field tells the tables of a kind apart; others go by their place."""
WORDS: Mapping[str, str] = {
    "ladder": "steps of", "anomaly": "rule", "detection": "detection", "limit": "limit", "endpoint": "endpoint",
    "fallback": "fallback", "policy": "policy", "emergency": "emergency", "quality": "class",
}  # fmt: skip
HOW_MUCH, CALLS, THEN, TOLD = "how much", "of which calls", "when it is reached", "told at"
FIELDS: Mapping[str, str] = {
    "exempt": "but not", "on_unavailable": "if the counters are away", "tokens": "tokens of an answer at most",
    "shed": "not sent: calls of priority", "throttle": "one more limit:",
}  # fmt: skip
SPEAKS_FOR_ITSELF = (HOW_MUCH, CALLS, THEN, "steps")
"""What needs no name before it, where all of a table is said at once."""


class Row(NamedTuple):
    """One thing that differs; `before` or `after` is a dash where there is none."""

    name: str
    before: str
    after: str


def differences(before: Document, after: Document) -> list[Row]:
    """What is added, taken out and changed, in the order of the policy."""
    rows = []
    old, new = dict(_things(before)), dict(_things(after))
    for thing in dict.fromkeys((*new, *old)):
        was, becomes = old.get(thing), new.get(thing)
        if was is None or becomes is None:
            rows.append(Row(thing, _all_of(was), _all_of(becomes)))
            continue
        rows += [
            Row(f"{thing}: {name}", was.get(name, ABSENT), becomes.get(name, ABSENT))
            for name in dict.fromkeys((*becomes, *was))
            if was.get(name) != becomes.get(name)
        ]
    return rows


def different(before: Document, after: Document) -> list[str]:
    """What is added, taken out and changed, by name."""
    old, new = dict(_things(before)), dict(_things(after))
    return [thing for thing in dict.fromkeys((*new, *old)) if old.get(thing) != new.get(thing)]


def touched(before: Document, after: Document) -> set[str]:
    """The names of limits that are new or other than before, or have other steps."""
    was = _limits_with_steps(before)
    return {name for name, said in _limits_with_steps(after).items() if was.get(name) != said}


def line_differences(before: Document, after: Document) -> list[str]:
    """As `diff -u` has it, of TOML."""
    return list(unified_diff(_lines(before), _lines(after), "in force", "then", lineterm="", n=2))[2:]


def as_toml(document: Document) -> str:
    """A policy as TOML; one that an older sidecar has written, and that is not valid any more, as JSON."""
    try:
        return write_toml(read_json(json.dumps(document), "policy"))
    except PolicyError:
        return json.dumps(document, indent=2, ensure_ascii=False)


def _lines(document: Document) -> list[str]:
    return as_toml(document).splitlines()


def _limits_with_steps(document: Document) -> dict[str, tuple[Any, Any]]:
    steps = {each["limit"]: each for each in document.get("ladder", ())}
    return {each["name"]: (each, steps.get(each["name"])) for each in document.get("limit", ())}


def _things(document: Document) -> Iterator[tuple[str, Mapping[str, str]]]:
    """Each by its name, as what it says by field, in words."""
    for kind, said in document.items():
        for number, table in enumerate(said if isinstance(said, list) else [said], 1):
            name = table.get(NAMED_BY[kind]) if kind in NAMED_BY else number if isinstance(said, list) else ""
            rest = {key: value for key, value in table.items() if key != NAMED_BY.get(kind)}
            said = _limit(rest) if kind == "limit" else {_named(key): _text(key, value) for key, value in rest.items()}
            yield f"{WORDS.get(kind, kind)} {name}".strip(), said


def _limit(table: Mapping[str, Any]) -> dict[str, str]:
    """A limit, with what becomes of calls beyond it, which a policy says only where it is not as ever."""
    others = {key: value for key, value in table.items() if key not in ("limit", "match", "mode", "on_exceeded", "at")}
    waits = str(table.get("on_exceeded", "deny")).partition("wait ")[2]
    then = f"further calls wait for up to {waits}, then are refused" if waits else "further calls are refused"
    told = ", ".join(f"{each}%" for each in _percentages(table))
    return {
        HOW_MUCH: str(table.get("limit", ABSENT)),
        **({CALLS: calls_words(table["match"])} if table.get("match") else {}),
        THEN: "only a warning, calls go on" if table.get("mode") == "soft" else then,
        **{_named(key): _text(key, value) for key, value in others.items()},
        **({TOLD: told} if told else {}),
    }


def _percentages(table: Mapping[str, Any]) -> Sequence[int]:
    """Those that are told of."""
    said = tuple(table.get("at", THRESHOLDS))
    try:
        return told_at(replace(limit_saying(table.get("limit", "")), at=said))
    except ValueError:
        return said


def _all_of(said: Mapping[str, str] | None) -> str:
    """A whole table on one line, without the name that the row has already."""
    if said is None:
        return ABSENT
    parts = (text if name in SPEAKS_FOR_ITSELF else f"{name} {text}" for name, text in said.items())
    return ", ".join(parts) or "nothing"


def _text(key: str, value: Any) -> str:
    """The value of a field, to read."""
    if value is None:
        return ABSENT
    if key == "on_unavailable":
        return UNAVAILABLE.get(value, str(value))
    if key == "match":
        return conditions_text(conditions_of(value))
    if key == "exempt":
        return "; ".join(exempt_text(value).splitlines())
    if key == "steps":
        return ", ".join(_step(step) for step in value)
    if isinstance(value, Mapping):
        return ", ".join(f"{name} → {_text('', each)}" for name, each in value.items())
    if isinstance(value, list):
        return ", ".join(_text("", each) for each in value)
    return {True: "yes", False: "no"}[value] if isinstance(value, bool) else str(value)


def _named(field: str) -> str:
    return FIELDS.get(field, field.replace("_", " "))


def _step(step: Mapping[str, Any]) -> str:
    rest = [_text("", value) for key, value in step.items() if key not in ("at", "do")]
    return f"{STEPS.get(step['do'], step['do'])} from {step['at']}%" + (f" ({', '.join(rest)})" if rest else "")
