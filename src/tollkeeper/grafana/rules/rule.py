"""What a rule file is made of, and how it is written as YAML."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from textwrap import dedent, indent

RUNBOOKS = "docs/runbooks.md"
GRAFANA = "http://127.0.0.1:3000"
"""Where the observability stack of this repository has it."""


@dataclass(frozen=True, slots=True)
class Record:
    """A recording rule."""

    name: str
    expr: str


@dataclass(frozen=True, slots=True)
class Alert:
    """An alert. `severity` is None where the series says it: critical calls somebody, warning is for the next hours,
    info for a look now and then, none for a machine. `hold`: for how long it has to be so; Prometheus calls it `for`.
    `dashboard` is a uid, with variables. The heading of its runbook is its name."""

    name: str
    expr: str
    severity: str | None
    category: str
    summary: str
    description: str
    dashboard: str
    hold: str = ""
    labels: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Group:
    """Rules that Prometheus evaluates one after another."""

    name: str
    rules: tuple[Record | Alert, ...]
    interval: str = "30s"


@dataclass(frozen=True, slots=True)
class Category:
    """One rule file: what is recorded comes before the alerts that read it."""

    name: str
    groups: tuple[Group, ...]


@dataclass(frozen=True, slots=True)
class Links:
    """Where the links of an alert lead to."""

    runbooks: str = RUNBOOKS
    grafana: str = GRAFANA

    def annotations(self, alert: Alert) -> dict[str, str]:
        return {
            "summary": alert.summary,
            "description": alert.description,
            "runbook_url": f"{self.runbooks}#{alert.name.lower()}",
            "dashboard_url": f"{self.grafana}/d/{alert.dashboard}",
        }


def labels_of(alert: Alert) -> dict[str, str]:
    """The labels that the rule itself puts on."""
    severity = {} if alert.severity is None else {"severity": alert.severity}
    return {**severity, "category": alert.category, **alert.labels}


def write_rules(groups: tuple[Group, ...], links: Links) -> str:
    """The groups as a rule file, always the same for the same rules."""
    return "groups:\n" + "\n".join("\n".join(_group(group, links)) + "\n" for group in groups)


def _group(group: Group, links: Links) -> Iterator[str]:
    yield f"  - name: {group.name}"
    yield f"    interval: {group.interval}"
    yield "    rules:"
    for rule in group.rules:
        if isinstance(rule, Record):
            yield f"      - record: {rule.name}"
            yield from _expression(rule.expr)
        else:
            yield f"      - alert: {rule.name}"
            yield from _expression(rule.expr)
            if rule.hold:
                yield f"        for: {rule.hold}"
            yield from _texts("labels", labels_of(rule))
            yield from _texts("annotations", links.annotations(rule))


def _expression(expr: str) -> Iterator[str]:
    yield "        expr: |-"
    yield indent(dedent(expr).strip(), " " * 10)


def _texts(name: str, texts: Mapping[str, str]) -> Iterator[str]:
    yield f"        {name}:"
    for key, text in texts.items():
        # A JSON text is a YAML text too.
        yield f"          {key}: {json.dumps(text, ensure_ascii=False)}"
