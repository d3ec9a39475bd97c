"""The questions about anomalies. Each function here is a method of both clients."""

from __future__ import annotations

from typing import Literal
from urllib.parse import quote

from tollkeeper.client.ask import Ask, body_of, query_of, reader
from tollkeeper.client.asks import When
from tollkeeper.client.tellings import Severity
from tollkeeper.client.unusual import Anomalies, AnomalyKind, AnomalyLabel, AnomalyState, Metric


def anomalies(
    *,
    open: bool | None = None,
    kind: AnomalyKind | None = None,
    metric: Metric | None = None,
    severity: Severity | None = None,
    rule: str | None = None,
    label: AnomalyLabel | Literal["none"] | None = None,
    tenant: str | None = None,
    project: str | None = None,
    user: str | None = None,
    session: str | None = None,
    service: str | None = None,
    feature: str | None = None,
    config: str | None = None,
    model: str | None = None,
    provider: str | None = None,
    days: int | None = None,
    start: When | None = None,
    end: When | None = None,
    zone: str | None = None,
    limit: int | None = None,
) -> Ask[Anomalies]:
    """What is unusual and what was, by when it began; newest first. And what labels have made of thresholds."""
    return Ask("GET", "/anomalies", reader(Anomalies), query_of(locals()))


def anomaly(id: str) -> Ask[AnomalyState]:
    """One of them."""
    return Ask("GET", _path(id), reader(AnomalyState))


def acknowledge_anomaly(id: str, *, reason: str | None = None) -> Ask[AnomalyState]:
    """Take it on, and its alert. `NotFound` if it is over."""
    return Ask("POST", f"{_path(id)}/acknowledge", reader(AnomalyState), body=body_of({"reason": reason}))


def label_anomaly(id: str, label: AnomalyLabel | None, *, note: str | None = None) -> Ask[AnomalyState]:
    """Say whether it was real; `None` takes that back. Thresholds of its metric and scope go by it."""
    return Ask("POST", f"{_path(id)}/label", reader(AnomalyState), body={"label": label, **body_of({"note": note})})


def _path(id: str) -> str:
    return f"/anomalies/{quote(id, safe='')}"
