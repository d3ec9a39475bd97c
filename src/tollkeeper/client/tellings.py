"""What the sidecar says of alerts, silences, channels and messages."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from typing import Literal

Severity = Literal["info", "warning", "critical", "emergency"]
AlertKind = Literal[
    "limit", "forecast", "emergency", "anomaly", "error_budget", "reconciliation", "unpriced_model", "stale_prices",
    "counters_disagree", "rule",
]  # fmt: skip
MessageState = Literal["waiting", "sent", "dead"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Message:
    """One message to one channel. Who gets it twice can tell by its id."""

    id: str
    alert_id: str
    channel: str
    event: Literal["fired", "worsened", "repeated", "resolved"]
    severity: Severity
    level: int
    title: str
    state: MessageState
    attempts: int
    created_at: datetime
    next_at: datetime | None
    finished_at: datetime | None
    detail: str | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Messages:
    """Newest first."""

    notifications: list[Message]


@dataclass(frozen=True, slots=True, kw_only=True)
class Retried:
    """It waits again."""

    id: str


@dataclass(frozen=True, slots=True, kw_only=True)
class AlertState:
    """Something that people are told of. Amounts are in the unit of the measure: of `usd`, dollars."""

    id: str
    kind: AlertKind
    subject: str
    scope: dict[str, str]
    severity: Severity
    level: int
    title: str
    firing: bool
    muted: bool
    began_at: datetime
    seen_at: datetime
    ended_at: datetime | None
    period_start: datetime | None
    period_end: datetime | None
    acknowledged_by: str | None
    acknowledged_at: datetime | None
    acknowledged_level: int | None
    measure: str | None
    used: Decimal | None
    held: Decimal | None
    amount: Decimal | None
    usage_percent: float | None
    forecast: Decimal | None
    form: str | None
    mode: str | None
    link: str | None


@dataclass(frozen=True, slots=True, kw_only=True)
class AlertDetail(AlertState):
    """One of them, and who was told of it, newest first."""

    notifications: list[Message]


@dataclass(frozen=True, slots=True, kw_only=True)
class Alerts:
    """Newest first."""

    alerts: list[AlertState]


@dataclass(frozen=True, slots=True, kw_only=True)
class SilenceState:
    """What nobody is told of, and until when. Globs, by the fields of alerts."""

    id: int
    match: dict[str, list[str]]
    active: bool
    starts_at: datetime
    ends_at: datetime
    author: str
    comment: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Silences:
    """In the order in which they were made."""

    silences: list[SilenceState]


@dataclass(frozen=True, slots=True, kw_only=True)
class ChannelState:
    """Where alerts are told. Of secrets, the reference, or `…`; `read_only`: the sidecar's own file has it."""

    name: str
    read_only: bool
    kind: str
    url: str
    secret: str | None
    at_least: Severity
    only: dict[str, list[str]]
    repeat: int
    resolved: bool
    title: str | None
    body: str | None
    via: str
    digest: str | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Channels:
    """Those of the sidecar's own file first."""

    channels: list[ChannelState]


@dataclass(frozen=True, slots=True, kw_only=True)
class Tried:
    """What became of an example that was sent, and what it was."""

    outcome: Literal["sent", "failed", "refused"]
    detail: str
    title: str
    message: str
