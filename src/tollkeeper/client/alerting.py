"""The questions about alerts and channels. Answers come first; each function is a method of both clients."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from typing import Any, Literal, Unpack
from urllib.parse import quote

from tollkeeper.client.ask import Ask, body_of, query_of, reader
from tollkeeper.client.keywords import Range, spelled_out

Severity = Literal["info", "warning", "critical", "emergency"]
AlertKind = Literal[
    "limit", "forecast", "emergency", "anomaly", "error_budget", "reconciliation", "unpriced_model", "stale_prices",
    "counters_disagree", "rule",
]  # fmt: skip
MessageState = Literal["waiting", "sent", "dead"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Message:
    """One message to one channel. Who gets it twice can tell by its id; of kind `digest` it is of no alert."""

    id: str
    alert_id: str
    kind: AlertKind | Literal["digest"]
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
    """One of them, what is known of it in words, and who was told of it, newest first."""

    text: str
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
class Trouble:
    """Why nothing arrives at a channel now, since when, and how many messages have not."""

    detail: str
    since: datetime | None
    messages: int


@dataclass(frozen=True, slots=True, kw_only=True)
class ChannelState:
    """Where alerts are told. Of secrets, the reference, or `…`; `read_only`: the sidecar's own file has it.

    `service`: which one it tells, such as `slack`, as far as that is known.
    """

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
    service: str | None
    trouble: Trouble | None


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


Match = Mapping[str, str | Sequence[str]]
"""Globs, or lists of them, by `kind`, `limit`, `severity`, and what limits are for, such as `tenant`."""


@spelled_out
def alerts(
    *,
    firing: bool | None = None,
    kind: AlertKind | None = None,
    severity: Severity | None = None,
    subject: str | None = None,
    limit: int | None = None,
    **when: Unpack[Range],
) -> Ask[Alerts]:
    """What fires, and what has fired at any time of a range; by when it began, newest first."""
    about = {"firing": firing, "kind": kind, "severity": severity, "subject": subject}
    return Ask("GET", "/alerts", reader(Alerts), query_of({**about, "limit": limit, **when}))


def alert(id: str) -> Ask[AlertDetail]:
    """One alert, and who was told of it."""
    return Ask("GET", f"/alerts/{quote(id, safe='')}", reader(AlertDetail))


def acknowledge_alert(id: str, *, reason: str | None = None) -> Ask[AlertDetail]:
    """Take it on: it is not repeated, until it worsens. `NotFound` if it is over."""
    path = f"/alerts/{quote(id, safe='')}/acknowledge"
    return Ask("POST", path, reader(AlertDetail), body=body_of({"reason": reason}))


def silences(*, ended: bool | None = None) -> Ask[Silences]:
    """What nobody is told of; with `ended`, also what is over."""
    return Ask("GET", "/silences", reader(Silences), query_of(locals()))


def silence(
    match: Match,
    *,
    comment: str,
    duration: str | None = None,
    ends_at: datetime | str | None = None,
    starts_at: datetime | str | None = None,
) -> Ask[SilenceState]:
    """Have nobody told of what matches, for a `duration` such as `4h`, or until `ends_at`."""
    globs = {name: value if isinstance(value, str) else list(value) for name, value in match.items()}
    said = {"duration": duration, "ends_at": ends_at, "starts_at": starts_at}
    return Ask("POST", "/silences", reader(SilenceState), body={"match": globs, "comment": comment, **body_of(said)})


def end_silence(id: int, *, reason: str | None = None) -> Ask[SilenceState]:
    """End one now. `NotFound` if it is over."""
    return Ask("DELETE", f"/silences/{id}", reader(SilenceState), query_of({"reason": reason}))


def channels() -> Ask[Channels]:
    """Where alerts are told."""
    return Ask("GET", "/channels", reader(Channels))


def channel(name: str) -> Ask[ChannelState]:
    """One of them."""
    return Ask("GET", _channel_path(name), reader(ChannelState))


def set_channel(name: str, document: Mapping[str, Any], *, reason: str | None = None) -> Ask[ChannelState]:
    """Set one, as a table of a file of channels says it. Its secrets are references: `env:NAME` or `file:/path`."""
    body = {**document, **body_of({"reason": reason})}
    return Ask("PUT", _channel_path(name), reader(ChannelState), body=body)


def remove_channel(name: str, *, reason: str | None = None) -> Ask[ChannelState]:
    """Tell nobody there any more. Answers with the channel as it was."""
    return Ask("DELETE", _channel_path(name), reader(ChannelState), query_of({"reason": reason}))


def test_channel(name: str) -> Ask[Tried]:
    """Send an example there, now. It may take half a minute: give the client that much."""
    return Ask("POST", f"{_channel_path(name)}/test", reader(Tried))


def notifications(
    *,
    channel: str | None = None,
    state: MessageState | None = None,
    alert_id: str | None = None,
    limit: int | None = None,
) -> Ask[Messages]:
    """What was told, what waits, and what could not be delivered; newest first."""
    return Ask("GET", "/notifications", reader(Messages), query_of(locals()))


def retry_notification(id: str) -> Ask[Retried]:
    """Try what is dead again, for a day. `NotFound` if it is not dead."""
    return Ask("POST", f"/notifications/{quote(id, safe='')}/retry", reader(Retried))


def _channel_path(name: str) -> str:
    return f"/channels/{quote(name, safe='')}"
