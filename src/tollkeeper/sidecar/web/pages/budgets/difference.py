"""How two policies differ: for people, by limit and field; for experts, line by line."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from difflib import unified_diff
from typing import Any, NamedTuple

from tollkeeper.policy.document import Document, read_json, write_toml
from tollkeeper.policy.mistakes import PolicyError

NOTHING: Document = {"policy": {"name": "policy"}, "limit": []}
"""What is in force before anybody has set a policy."""
ABSENT = "–"
NAMED_BY: Mapping[str, str] = {"limit": "name", "ladder": "limit", "endpoint": "name", "anomaly": "name"}
"""Which field tells the tables of a kind apart; others go by their place."""
WORDS: Mapping[str, str] = {
    "ladder": "steps of", "anomaly": "rule", "detection": "detection", "limit": "limit", "endpoint": "endpoint",
    "fallback": "fallback", "policy": "policy", "emergency": "emergency", "quality": "class",
}  # fmt: skip
FIELDS: Mapping[str, str] = {
    "limit": "how much", "match": "which calls", "at": "told of at", "on_exceeded": "when reached", "exempt": "but not",
}  # fmt: skip


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
        if was == becomes:
            continue
        if was is None or becomes is None:
            rows.append(Row(thing, _written(was), _written(becomes)))
            continue
        rows += [
            Row(f"{thing}: {FIELDS.get(key, key)}", _written(was.get(key)), _written(becomes.get(key)))
            for key in dict.fromkeys((*becomes, *was))
            if was.get(key) != becomes.get(key)
        ]
    return rows


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


def _things(document: Document) -> Iterator[tuple[str, Mapping[str, Any]]]:
    for kind, said in document.items():
        for number, table in enumerate(said if isinstance(said, list) else [said], 1):
            name = table.get(NAMED_BY[kind]) if kind in NAMED_BY else number if isinstance(said, list) else ""
            yield f"{WORDS.get(kind, kind)} {name}".strip(), table


def _written(value: Any) -> str:
    if value is None:
        return ABSENT
    if isinstance(value, Mapping):
        shown = {key: each for key, each in value.items() if key != "name" or "limit" not in value}
        return ", ".join(
            _written(each) if key == "limit" else f"{key} {_written(each)}" for key, each in shown.items()
        ) or "nothing"  # fmt: skip
    if isinstance(value, list):
        return ", ".join(_written(each) if not isinstance(each, Mapping) else f"({_written(each)})" for each in value)
    return {True: "yes", False: "no"}.get(value, str(value)) if isinstance(value, bool) else str(value)
