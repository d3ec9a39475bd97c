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
    """The alerts as they are after a look: those that go on, that have ended with it, and new ones.

    A finding of a limit at level 0 begins none: it tells of one that goes on how it stands.
    """
    found = {finding.identity: finding for finding in findings}
    known = {alert.finding.identity: alert for alert in open_alerts}
    followed = [_next(alert, found.get(identity), now) for identity, alert in known.items()]
    new = [
        Alert(id_of(finding, now), finding, now, now)
        for identity, finding in found.items()
        if identity not in known and _holds(finding)
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
    before = alert.finding
    held = None if finding is None else _held(before, finding)
    if held is not None and _holds(held):
        return alert._replace(finding=held, seen_at=now)
    is_plain = before.period_end or before.kind == "emergency"
    quiet = 0 if _is_over(before, now) else GONE if is_plain else QUIET
    return alert if now - alert.seen_at < quiet else alert._replace(finding=_last(before, held, now), ended_at=now)


def _holds(finding: Finding) -> bool:
    return finding.kind != "limit" or finding.level > 0


def _is_over(finding: Finding, now: int) -> bool:
    return bool(finding.period_end) and now >= finding.period_end


def _held(before: Finding, now: Finding) -> Finding:
    """The level that was reached, as long as what is used is not well below it.

    That calls were denied holds for the period: it is known to the process alone that has denied them, while that runs.
    """
    denied = before.facts.get("denied", 0) if _is_one_limit(before, now) and now.period_end else 0
    facts = {**now.facts, "denied": max(denied, now.facts.get("denied", 0))} if denied else now.facts
    is_near = now.facts.get("percent", 0) > before.level - HYSTERESIS
    if before.level > now.level and (denied or is_near):
        return now._replace(level=before.level, severity=before.severity, facts=facts)
    return now._replace(facts=facts)


def _is_one_limit(before: Finding, now: Finding) -> bool:
    """Whether it is the same amount, and as hard, of one of those it counts for."""
    is_same = all(before.facts.get(name) == now.facts.get(name) for name in ("amount", "mode"))
    return is_same and "others" not in before.facts and "others" not in now.facts


def _last(before: Finding, now: Finding | None, moment: int) -> Finding:
    """With the fact `over`: why a limit is no longer told of, as far as that is known."""
    if before.kind != "limit":
        return before
    if _is_over(before, moment):
        return before._replace(facts={**before.facts, "over": "period"})
    if now is None:
        return before
    is_less = _is_one_limit(before, now) and now.facts.get("used", 0) < before.facts.get("used", 0)
    return before._replace(facts={**now.facts, "over": "fallen" if is_less else "changed"})


def _is_acknowledged(alert: Alert) -> bool:
    return alert.acknowledged_at is not None and alert.finding.level <= alert.acknowledged_level
