"""What the sidecar says of anomalies."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from typing import Literal

from tollkeeper.client.tellings import Severity

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
