"""Alerts in the database: a look at what is found changes them, and puts what is to be told into the outbox.

Both in one transaction, and one look after the other, however many sidecars look: so nobody is told twice, and no
change of an alert is without its notice.
"""

from __future__ import annotations

import hashlib
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any, NamedTuple

from sqlalchemy import Connection, Row, delete, func, insert, or_, select, text, update

from tollkeeper.alerting.channel import Channel
from tollkeeper.alerting.lifecycle import Told, due, follow
from tollkeeper.alerting.muting import muted
from tollkeeper.model.alert import Alert, Event
from tollkeeper.model.finding import SEVERITIES, Finding, Identity, Unseen
from tollkeeper.storage.alerts.outbox import forget
from tollkeeper.storage.alerts.rows import alert_of, row_of, written
from tollkeeper.storage.alerts.silences import silences_at
from tollkeeper.storage.alerts.tables import ALERTS, NOTIFICATIONS
from tollkeeper.storage.audit import AuditTrail
from tollkeeper.storage.database import Database
from tollkeeper.storage.ledger.failures import told_apart

TURN = 7_611_040_121
"""PostgreSQL's advisory lock of everyone who looks."""
TOLD_ENDED_FOR = 900 * 10**9
"""So long after its end an alert may still be told of, to a channel that was not reached."""
KEPT_FOR = 400 * 86_400 * 10**9
"""So long after its end an alert is still shown: a year ago can be looked up."""
DEAD_FOR = 3600 * 10**9
"""So long after it was given up, what was to be told is noted anew, if it still holds: the channel may be mended."""
SEEN_EVERY = 4 * 10**9
"""Where nothing else has changed, an alert is written again only after so long: other sidecars have seen it, too."""
KIND = "alert"
"""What the audit trail calls it."""


class AlertQuery(NamedTuple):
    """Alerts that fired at any time from `start` to `end` (not included), by when they began: newest first."""

    start: int = 0
    end: int = 2**63 - 1
    firing: bool | None = None
    kind: str | None = None
    subject: str | None = None
    severity: str | None = None
    limit: int = 100


class AlertStore:
    """Of one database. All of it raises `LedgerUnavailable` while that cannot be used."""

    def __init__(self, database: Database, clock: Callable[[], int] = time.time_ns) -> None:
        self._database = database
        self._clock = clock
        self._audit = AuditTrail(database, clock)

    def look(
        self, findings: Iterable[Finding], channels: Sequence[Channel], unseen: Unseen = frozenset()
    ) -> list[tuple[Alert, Channel, Event]]:
        """Follow what is found just now, and note what is to be told of it.

        `unseen`: kinds of findings, and subjects, that could not be looked for: their alerts stay as they are.
        """
        found = list(findings)
        if not found and self._is_quiet():
            return []
        with told_apart(self._database), self._database.write() as connection:
            self._take_turn(connection)
            now = self._clock()
            before = {alert.id: alert for alert in _open(connection)}
            known = [alert for alert in before.values() if not _is_in(alert.finding, unseen)]
            after = follow(known, found, now)
            for alert in after:
                _keep(connection, alert, before.get(alert.id))
            kept = [alert for alert in before.values() if _is_in(alert.finding, unseen)]
            lately = [*after, *kept, *_ended_since(connection, now - TOLD_ENDED_FOR, {alert.id for alert in after})]
            told = _told(connection, lately, now)
            notices = list(due(lately, told, channels, muted(lately, silences_at(connection, now), now), now))
            for number, (alert, channel, event) in enumerate(notices):
                _enqueue(connection, alert, channel.name, event, now, number)
            return notices

    def _is_quiet(self) -> bool:
        """Whether nothing fires, and nothing has ended lately: then no look is worth a writer's turn."""
        since = self._clock() - TOLD_ENDED_FOR
        lately = select(ALERTS.c.id).where(or_(ALERTS.c.ended_at.is_(None), ALERTS.c.ended_at >= since))
        with told_apart(self._database), self._database.read() as connection:
            return connection.execute(lately.limit(1)).first() is None

    def relay(self, alerts: Sequence[Alert], channels: Sequence[Channel]) -> list[tuple[Alert, Channel, Event]]:
        """Note what is to be told of alerts that an Alertmanager sends; told of the same again, nothing is.

        Of `channels`, those that are told by way of it. The alerts themselves are kept with their notices only.
        """
        heard_by = [channel for channel in channels if channel.kind != "alertmanager"]
        with told_apart(self._database), self._database.write() as connection:
            self._take_turn(connection)
            now = self._clock()
            quiet = muted(alerts, silences_at(connection, now), now)
            notices = list(due(alerts, _told(connection, alerts, now), heard_by, quiet, now, "alertmanager"))
            for number, (alert, channel, event) in enumerate(notices):
                _enqueue(connection, alert, channel.name, event, now, number)
            return notices

    def was_told(self, alert_id: str, channel: str) -> bool:
        """Whether there is, or was, anything for a channel to be told of an alert."""
        with told_apart(self._database), self._database.read() as connection:
            return _was_told(connection, alert_id, channel)

    def tell_once(self, alert: Alert, channel: str) -> bool:
        """Have a channel told of what is no alert of ours. False: it was, or is to be, by whichever sidecar."""
        with told_apart(self._database), self._database.write() as connection:
            self._take_turn(connection)
            if _was_told(connection, alert.id, channel):
                return False
            _enqueue(connection, alert, channel, "fired", self._clock(), 0)
            return True

    def _take_turn(self, connection: Connection) -> None:
        """One after the other; SQLite has one writer anyway."""
        if not self._database.is_sqlite:
            connection.execute(text("SELECT pg_advisory_xact_lock(:key)"), {"key": TURN})

    def alerts(self, query: AlertQuery = AlertQuery()) -> list[Alert]:  # noqa: B008  immutable
        """Those that were asked for."""
        goes_on = or_(ALERTS.c.ended_at.is_(None), ALERTS.c.ended_at >= query.start)
        rows = select(ALERTS).where(ALERTS.c.began_at < query.end, goes_on)
        if query.firing is not None:
            rows = rows.where(ALERTS.c.ended_at.is_(None) if query.firing else ALERTS.c.ended_at.is_not(None))
        for name in ("kind", "subject", "severity"):
            if (wanted := getattr(query, name)) is not None:
                rows = rows.where(ALERTS.c[name] == wanted)
        with told_apart(self._database), self._database.read() as connection:
            found = connection.execute(rows.order_by(ALERTS.c.began_at.desc(), ALERTS.c.id).limit(query.limit)).all()
        return [_alert(row) for row in found]

    def alert(self, id: str) -> Alert | None:
        """One of them."""
        with told_apart(self._database), self._database.read() as connection:
            row = connection.execute(select(ALERTS).where(ALERTS.c.id == id)).one_or_none()
        return None if row is None else _alert(row)

    def pushed(self) -> list[Alert]:
        """Those that an Alertmanager is to be told of again: what fires, and what has ended lately."""
        with told_apart(self._database), self._database.read() as connection:
            now = self._clock()
            lately = [*_open(connection), *_ended_since(connection, now - TOLD_ENDED_FOR, set())]
            quiet = muted(lately, silences_at(connection, now), now)
        return [alert for alert in lately if alert.id not in quiet]

    def open_identities(self) -> set[Identity]:
        """Of all that fires."""
        with told_apart(self._database), self._database.read() as connection:
            return {alert.finding.identity for alert in _open(connection)}

    def prune(self) -> int:
        """Forget what ended long ago, and what was told of it; how many alerts."""
        before = self._clock() - KEPT_FOR
        with told_apart(self._database), self._database.write() as connection:
            count = connection.execute(delete(ALERTS).where(ALERTS.c.ended_at < before)).rowcount
            forget(connection, before)
        return count

    def firing(self) -> Mapping[tuple[str, str], int]:
        """How many fire, by kind and severity."""
        count = select(ALERTS.c.kind, ALERTS.c.severity, func.count()).where(ALERTS.c.ended_at.is_(None))
        with told_apart(self._database), self._database.read() as connection:
            rows = connection.execute(count.group_by(ALERTS.c.kind, ALERTS.c.severity)).all()
        return {(kind, severity): number for kind, severity, number in rows}

    def acknowledge(self, id: str, *, author: str, reason: str = "") -> Alert | None:
        """Somebody has seen it: it is not told again unless it worsens. `None`: no such alert fires."""
        with told_apart(self._database), self._database.write() as connection:
            self._audit.take_turn(connection)
            row = connection.execute(select(ALERTS).where(ALERTS.c.id == id, ALERTS.c.ended_at.is_(None))).one_or_none()
            if row is None:
                return None
            seen = {"acknowledged_by": author, "acknowledged_at": self._clock(), "acknowledged_level": row.level}
            connection.execute(update(ALERTS).where(ALERTS.c.id == id).values(seen))
            self._audit.record(
                connection, author=author, action="acknowledge", kind=KIND, object_id=id,
                before=row.acknowledged_by, after=author, reason=reason,
            )  # fmt: skip
            return _alert(row)._replace(**seen)


def _was_told(connection: Connection, alert_id: str, channel: str) -> bool:
    wanted = (NOTIFICATIONS.c.alert_id == alert_id) & (NOTIFICATIONS.c.channel == channel)
    return connection.execute(select(NOTIFICATIONS.c.id).where(wanted).limit(1)).first() is not None


def _is_in(finding: Finding, unseen: Unseen) -> bool:
    return (finding.kind, None) in unseen or (finding.kind, finding.subject) in unseen


def _open(connection: Connection) -> list[Alert]:
    return [_alert(row) for row in connection.execute(select(ALERTS).where(ALERTS.c.ended_at.is_(None)))]


def _ended_since(connection: Connection, moment: int, but: set[str]) -> list[Alert]:
    rows = connection.execute(select(ALERTS).where(ALERTS.c.ended_at >= moment))
    return [_alert(row) for row in rows if row.id not in but]


def _keep(connection: Connection, alert: Alert, before: Alert | None) -> None:
    row = row_of(alert)
    if before is None:
        connection.execute(insert(ALERTS), row)
    elif alert._replace(seen_at=before.seen_at) != before or alert.seen_at - before.seen_at >= SEEN_EVERY:
        connection.execute(update(ALERTS).where(ALERTS.c.id == alert.id).values(row))


def _told(connection: Connection, alerts: Iterable[Alert], now: int) -> dict[tuple[str, str], Told]:
    """What each channel was told of each of these, or is to be told by what waits, or could not be told of late."""
    ids = [alert.id for alert in alerts]
    told: dict[tuple[str, str], Told] = {}
    columns = [NOTIFICATIONS.c[name] for name in ("alert_id", "channel", "event", "level", "severity", "created_at")]
    for at in range(0, len(ids), 500):
        counts = or_(NOTIFICATIONS.c.state != "dead", NOTIFICATIONS.c.finished_at > now - DEAD_FOR)
        rows = select(*columns).where(NOTIFICATIONS.c.alert_id.in_(ids[at : at + 500]), counts)
        for row in connection.execute(rows.order_by(NOTIFICATIONS.c.created_at, NOTIFICATIONS.c.id)):
            before = told.get((row.alert_id, row.channel))
            severities = [row.severity] if before is None else [before.severity, row.severity]
            told[row.alert_id, row.channel] = Told(
                row.event,
                max(row.level, 0 if before is None else before.level),
                max(severities, key=SEVERITIES.index),
                row.created_at,
            )
    return told


def _enqueue(connection: Connection, alert: Alert, channel: str, event: Event, now: int, number: int) -> None:
    said = f"{alert.id} {channel} {event} {now} {number}"
    row: dict[str, Any] = {
        "id": hashlib.blake2b(said.encode(), digest_size=12).hexdigest(),
        "alert_id": alert.id,
        "channel": channel,
        "event": event,
        "severity": alert.finding.severity,
        "level": alert.finding.level,
        "alert": written(alert),
        "state": "waiting",
        "created_at": now,
        "next_at": now,
        "attempts": 0,
    }
    connection.execute(insert(NOTIFICATIONS), row)


def _alert(row: Row[Any]) -> Alert:
    return alert_of(row._asdict())
