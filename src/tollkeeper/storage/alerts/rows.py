"""Alerts as rows, and back."""

from __future__ import annotations

import json
from typing import Any

from tollkeeper.model.alert import Alert
from tollkeeper.model.finding import Finding

FIELDS = (
    "id", "identity", "kind", "subject", "scope", "severity", "level", "period_start", "period_end",
    "began_at", "seen_at", "facts", "ended_at", "acknowledged_by", "acknowledged_at", "acknowledged_level",
)  # fmt: skip


def row_of(alert: Alert) -> dict[str, Any]:
    """The columns of an alert."""
    finding = alert.finding
    return {
        "id": alert.id,
        "identity": json.dumps(finding.identity),
        "kind": finding.kind,
        "subject": finding.subject,
        "scope": json.dumps(dict(finding.scope), sort_keys=True),
        "severity": finding.severity,
        "level": finding.level,
        "period_start": finding.period_start,
        "period_end": finding.period_end,
        "began_at": alert.began_at,
        "seen_at": alert.seen_at,
        "facts": json.dumps(dict(finding.facts)),
        "ended_at": alert.ended_at,
        "acknowledged_by": alert.acknowledged_by,
        "acknowledged_at": alert.acknowledged_at,
        "acknowledged_level": alert.acknowledged_level,
    }


def alert_of(row: dict[str, Any]) -> Alert:
    """The alert of such columns."""
    finding = Finding(
        row["kind"], row["subject"], json.loads(row["scope"]), row["severity"], row["level"],
        row["period_start"], row["period_end"], json.loads(row["facts"]),
    )  # fmt: skip
    return Alert(
        row["id"], finding, row["began_at"], row["seen_at"], row["ended_at"],
        row["acknowledged_by"], row["acknowledged_at"], row["acknowledged_level"],
    )  # fmt: skip


def written(alert: Alert) -> str:
    """An alert as one text, to be kept with what is told of it."""
    return json.dumps(row_of(alert))


def read(text: str) -> Alert:
    """What `written` wrote."""
    return alert_of(json.loads(text))
