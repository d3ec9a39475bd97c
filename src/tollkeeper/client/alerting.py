"""The questions about alerts and channels. Each function here is a method of both clients."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any
from urllib.parse import quote

from tollkeeper.client.ask import Ask, body_of, query_of, reader
from tollkeeper.client.asks import When
from tollkeeper.client.tellings import (
    AlertDetail,
    AlertKind,
    Alerts,
    Channels,
    ChannelState,
    Messages,
    MessageState,
    Retried,
    Severity,
    Silences,
    SilenceState,
    Tried,
)

Match = Mapping[str, str | Sequence[str]]
"""Globs, or lists of them, by `kind`, `limit`, `severity`, and what limits are for, such as `tenant`."""


def alerts(
    *,
    firing: bool | None = None,
    kind: AlertKind | None = None,
    severity: Severity | None = None,
    subject: str | None = None,
    days: int | None = None,
    start: When | None = None,
    end: When | None = None,
    zone: str | None = None,
    limit: int | None = None,
) -> Ask[Alerts]:
    """What fires, and what has fired, by when it began; newest first."""
    return Ask("GET", "/alerts", reader(Alerts), query_of(locals()))


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
