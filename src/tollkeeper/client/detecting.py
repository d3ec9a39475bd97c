"""The questions about anomalies. Answers come first; each function is a method of both clients."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from typing import Literal, Unpack
from urllib.parse import quote

from tollkeeper.client.alerting import Severity
from tollkeeper.client.ask import Ask, body_of, query_of, reader
from tollkeeper.client.keywords import WhoseAndWhen, spelled_out

AnomalyKind = Literal["spike", "level_shift", "drop", "runaway", "rule"]
Metric = Literal["spend", "tokens", "requests", "error_rate", "latency", "tokens_per_request", "cost_per_request"]
AnomalyLabel = Literal["real", "false"]


@dataclass(frozen=True, slots=True, kw_only=True)
class ContributorState:
    """A part of the excess, in dollars: whose it is, and what changed there. The three last add up to the excess."""

    dimension: str
    value: str
    actual: Decimal
    expected: Decimal
    excess: Decimal
    share: float | None
    more_calls: Decimal
    bigger_calls: Decimal
    dearer_tokens: Decimal


@dataclass(frozen=True, slots=True, kw_only=True)
class CauseState:
    """Who has used the most of a loop in its last minutes."""

    dimension: str
    value: str
    share: float


@dataclass(frozen=True, slots=True, kw_only=True)
class AnomalyState:
    """Something unusual. Figures are in the metric's unit: money in dollars, latency in seconds, shares of one."""

    id: str
    kind: AnomalyKind
    metric: Metric
    scope: dict[str, str]
    step: Literal["hour", "day"] | None
    severity: Severity
    title: str
    lines: list[str]
    open: bool
    began_at: datetime
    ended_at: datetime | None
    found_at: datetime
    seen_at: datetime
    actual: Decimal
    expected: Decimal
    low: Decimal | None
    high: Decimal | None
    score: float
    excess: Decimal | None
    rule: str | None
    condition: str | None
    contributors: list[ContributorState]
    cause: list[CauseState]
    change: Literal["more_calls", "bigger_calls"] | None
    calls: int | None
    cost: Decimal | None
    calls_per_hour: float | None
    cost_per_hour: Decimal | None
    acknowledged_by: str | None
    acknowledged_at: datetime | None
    label: AnomalyLabel | None
    labelled_by: str | None
    labelled_at: datetime | None
    note: str | None
    response: Literal["emergency", "steps"] | None
    responded_at: datetime | None
    response_ended_at: datetime | None


@dataclass(frozen=True, slots=True, kw_only=True)
class TuningState:
    """What labels have made of the thresholds for a metric of a scope: so many times what they would be."""

    metric: Metric
    scope: dict[str, str]
    real: int
    false: int
    factor: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Anomalies:
    """The newest first."""

    anomalies: list[AnomalyState]
    tunings: list[TuningState]


@spelled_out
def anomalies(
    *,
    open: bool | None = None,
    kind: AnomalyKind | None = None,
    metric: Metric | None = None,
    severity: Severity | None = None,
    rule: str | None = None,
    label: AnomalyLabel | Literal["none"] | None = None,
    limit: int | None = None,
    **whose_and_when: Unpack[WhoseAndWhen],
) -> Ask[Anomalies]:
    """What is unusual and what was, by when it began; newest first. And what labels have made of thresholds."""
    about = {"open": open, "kind": kind, "metric": metric, "severity": severity, "rule": rule, "label": label}
    return Ask("GET", "/anomalies", reader(Anomalies), query_of({**about, "limit": limit, **whose_and_when}))


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
