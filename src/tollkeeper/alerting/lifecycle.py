"""How alerts begin, go on and end, and who is to be told of it, when."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Iterator, Sequence
from typing import NamedTuple

from tollkeeper.alerting.channel import Channel, Via, wants
from tollkeeper.model.alert import Alert, Event
from tollkeeper.model.finding import Finding, Severity, worse_than

SECOND = 1_000_000_000
HYSTERESIS = 5
"""So many percentage points must what is used fall below a threshold before that counts as not reached."""
QUIET = 300 * SECOND
"""For how long what has no period must not have been found before it is over: it comes and goes."""
GONE = 15 * SECOND
"""The same of what has a period, and of an emergency, so that one look at figures on their way does not end it."""
REPEATED_FROM: Severity = "critical"
"""What is milder is told once."""


class Told(NamedTuple):
    """What a channel was told of an alert: the last event, and the highest level, up to now."""

    event: Event
    level: int
    severity: Severity
    at: int


def follow(open_alerts: Iterable[Alert], findings: Iterable[Finding], now: int) -> list[Alert]:
    """The alerts as they are after a look: those that go on, that have ended with it, and new ones."""
    found = {finding.identity: finding for finding in findings}
    known = {alert.finding.identity: alert for alert in open_alerts}
    followed = [_next(alert, found.get(identity), now) for identity, alert in known.items()]
    new = [
        Alert(id_of(finding, now), finding, now, now) for identity, finding in found.items() if identity not in known
    ]
    return followed + new


def id_of(finding: Finding, began_at: int) -> str:
    """The same in every sidecar, and another one each time that it begins."""
    said = json.dumps([*finding.identity, began_at])
    return hashlib.blake2b(said.encode(errors="surrogatepass"), digest_size=12).hexdigest()


def event_for(
    alert: Alert, told: Told | None, channel: Channel, muted: bool, now: int, via: Via | None = None
) -> Event | None:
    """What a channel is to be told of an alert now; `None` for nothing.

    `via` is by which way the alert has come to be told; of our own, it is the channel's.
    """
    via = via or ("alertmanager" if channel.kind == "alertmanager" else "direct")
    finding = alert.finding
    if not alert.is_firing:
        return "resolved" if told is not None and told.event != "resolved" and channel.resolved else None
    if muted or not wants(channel, finding, via):
        return None
    if told is None:
        return None if _is_acknowledged(alert) else "fired"
    if finding.level > told.level or worse_than(finding.severity, told.severity):
        return "worsened"
    is_due = (
        channel.repeat and now - told.at >= channel.repeat * SECOND and not worse_than(REPEATED_FROM, finding.severity)
    )
    return "repeated" if is_due and not _is_acknowledged(alert) else None


def due(
    alerts: Sequence[Alert],
    told: dict[tuple[str, str], Told],
    channels: Sequence[Channel],
    muted: set[str],
    now: int,
    via: Via | None = None,
) -> Iterator[tuple[Alert, Channel, Event]]:
    """Everything that is to be told now. `told` is by alert and channel; `muted` are ids of alerts."""
    for alert in alerts:
        for channel in channels:
            event = event_for(alert, told.get((alert.id, channel.name)), channel, alert.id in muted, now, via)
            if event is not None:
                yield alert, channel, event


def _next(alert: Alert, finding: Finding | None, now: int) -> Alert:
    if finding is not None:
        return alert._replace(finding=_held(alert.finding, finding), seen_at=now)
    period_end = alert.finding.period_end
    is_plain = period_end or alert.finding.kind == "emergency"
    quiet = 0 if period_end and now >= period_end else GONE if is_plain else QUIET
    return alert if now - alert.seen_at < quiet else alert._replace(ended_at=now)


def _held(before: Finding, now: Finding) -> Finding:
    """The level that was reached, as long as what is used is not well below it."""
    percent = now.facts.get("percent", 0)
    if before.level > now.level and percent > before.level - HYSTERESIS:
        return now._replace(level=before.level, severity=before.severity)
    return now


def _is_acknowledged(alert: Alert) -> bool:
    return alert.acknowledged_at is not None and alert.finding.level <= alert.acknowledged_level
