"""Anomalies in the database: found, followed and ended by evaluators; acknowledged and labelled by people, audited."""

from __future__ import annotations

import hashlib
import json
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from itertools import groupby
from typing import Any, Literal, NamedTuple

from sqlalchemy import Connection, Row, delete, func, insert, or_, select, text, update

from tollkeeper.insight.anomaly.anomaly import Anomaly
from tollkeeper.insight.anomaly.labels import Label, factor_of
from tollkeeper.insight.series import Scope
from tollkeeper.model.finding import SEVERITIES
from tollkeeper.storage.audit import AuditTrail
from tollkeeper.storage.database import Database
from tollkeeper.storage.insight.tables import ANOMALIES
from tollkeeper.storage.ledger.failures import told_apart

TURN = 7_611_040_122
"""PostgreSQL's advisory lock of everyone who follows anomalies."""
KIND = "anomaly"
"""What the audit trail calls it."""
NS_A_DAY = 86_400 * 10**9
FOR_EVER = 2**63 - 1
KEPT_FOR = 400 * NS_A_DAY
"""So long after its end an anomaly is still shown."""
LABELS_HOLD_FOR = 180 * NS_A_DAY
"""Figures change, and what was said of them long ago is no guide any more."""

Source = Literal["runaway", "rule", "hour", "day"]
"""By what it was found: each has an evaluator, which alone ends what it has found."""
Done = Literal["emergency", "steps"]
"""What was done because of one."""


class Found(NamedTuple):
    """What an evaluator has found to hold. `facts` are figures of its kind alone; what begins again within the
    cooldown, in nanoseconds, is still the same.
    """

    anomaly: Anomaly
    facts: Mapping[str, Any] = {}
    cooldown: int = 0


class Kept(NamedTuple):
    """An anomaly as it was seen last. Moments are nanoseconds; `ended_at` is `None` while it holds."""

    id: str
    anomaly: Anomaly
    facts: Mapping[str, Any]
    found_at: int
    seen_at: int
    ended_at: int | None = None
    acknowledged_by: str | None = None
    acknowledged_at: int | None = None
    label: Label | None = None
    labelled_by: str | None = None
    labelled_at: int | None = None
    note: str | None = None
    response: Done | None = None
    responded_at: int | None = None
    response_ended_at: int | None = None

    @property
    def source(self) -> Source:
        """By what it was found."""
        return source_of(self.anomaly)


class AnomalyQuery(NamedTuple):
    """Anomalies that began from `start` to `end` (not included), newest first. `scope`: what they are to be of."""

    start: int = 0
    end: int = 2**63 - 1
    open: bool | None = None
    kind: str | None = None
    metric: str | None = None
    severity: str | None = None
    rule: str | None = None
    label: Label | Literal["none"] | None = None
    scope: Mapping[str, str] = {}
    limit: int = 100


class Tuning(NamedTuple):
    """What labels have made of the thresholds of a metric of a scope: so many times what they would be."""

    metric: str
    scope: Scope
    real: int
    false: int
    factor: float


def source_of(anomaly: Anomaly) -> Source:
    """By what it was found."""
    if anomaly.kind in ("runaway", "rule"):
        return "runaway" if anomaly.kind == "runaway" else "rule"
    return "hour" if anomaly.step == "hour" else "day"


def identity_of(anomaly: Anomaly) -> str:
    """The same for as long as it is the same anomaly. That it turns from a spike into another level is no matter; that
    there is too little where there was too much, is.
    """
    way = "down" if anomaly.score < 0 else "up"
    return json.dumps([source_of(anomaly), anomaly.metric, sorted(anomaly.scope.items()), way, anomaly.rule])


class AnomalyStore:
    """Of one database. All of it raises `LedgerUnavailable` while that cannot be used."""

    def __init__(self, database: Database, clock: Callable[[], int] = time.time_ns) -> None:
        self._database = database
        self._clock = clock
        self._audit = AuditTrail(database, clock)

    def follow(self, source: Source, found: Iterable[Found], now: int) -> list[Kept]:
        """Keep what a source finds now; what it finds no more has ended. Returns what holds, of that source."""
        by_identity = {identity_of(one.anomaly): one for one in found}
        if not by_identity and not any(kept.source == source for kept in self.open()):
            return []
        with told_apart(self._database), self._database.write() as connection:
            self._take_turn(connection)
            known = {identity_of(kept.anomaly): kept for kept in _open(connection) if kept.source == source}
            for identity, kept in known.items():
                if identity not in by_identity:
                    connection.execute(_one(kept.id).values(ended_at=now, seen_at=now))
            for identity, one in by_identity.items():
                before = known.get(identity) or _ended_lately(connection, identity, now - one.cooldown)
                if before is None:
                    _insert(connection, identity, one, now, None)
                else:
                    connection.execute(_one(before.id).values(_seen(before, one, now)))
            return [kept for kept in _open(connection) if kept.source == source]

    def remember(self, past: Iterable[Found], now: int) -> int:
        """Keep what was over before anybody looked, unless it is known. Returns how many are new."""
        new = self.unknown(past)
        if new:
            with told_apart(self._database), self._database.write() as connection:
                self._take_turn(connection)
                for one in new:
                    _insert(connection, identity_of(one.anomaly), one, now, one.anomaly.end)
        return len(new)

    def unknown(self, past: Iterable[Found]) -> list[Found]:
        """Those of which nothing is kept yet, at no part of their time."""
        each = [(identity_of(one.anomaly), one) for one in past]
        known = self._spans(min(one.anomaly.start for _, one in each)) if each else {}
        return [one for identity, one in each if not _overlaps(known.get(identity, ()), one.anomaly)]

    def _spans(self, since: int) -> dict[str, list[tuple[int, int]]]:
        """From when until when there was what, of all that was not over at a moment."""
        table = ANOMALIES.c
        rows = select(table.identity, table.began_at, table.ended_at).where(
            or_(table.ended_at.is_(None), table.ended_at > since)
        )
        found: dict[str, list[tuple[int, int]]] = {}
        with told_apart(self._database), self._database.read() as connection:
            for identity, began_at, ended_at in connection.execute(rows):
                found.setdefault(identity, []).append((began_at, FOR_EVER if ended_at is None else ended_at))
        return found

    def open(self) -> list[Kept]:
        """All that hold now."""
        with told_apart(self._database), self._database.read() as connection:
            return _open(connection)

    def anomalies(self, query: AnomalyQuery = AnomalyQuery()) -> list[Kept]:  # noqa: B008  immutable
        """Those that were asked for."""
        table = ANOMALIES.c
        rows = select(ANOMALIES).where(table.began_at >= query.start, table.began_at < query.end)
        if query.open is not None:
            rows = rows.where(table.ended_at.is_(None) if query.open else table.ended_at.is_not(None))
        for name in ("kind", "metric", "severity"):
            if (wanted := getattr(query, name)) is not None:
                rows = rows.where(table[name] == wanted)
        if query.label is not None:
            rows = rows.where(table.label.is_(None) if query.label == "none" else table.label == query.label)
        rows = rows.order_by(table.began_at.desc(), table.id)
        asked = query.rule is not None or bool(query.scope)
        with told_apart(self._database), self._database.read() as connection:
            found = (_kept(row) for row in connection.execute(rows if asked else rows.limit(query.limit)))
            wanted = (kept for kept in found if not asked or _is_meant(kept, query))
            return [kept for kept, _ in zip(wanted, range(query.limit), strict=False)]

    def anomaly(self, id: str) -> Kept | None:
        """One of them."""
        with told_apart(self._database), self._database.read() as connection:
            return _find(connection, id)

    def acknowledge(self, id: str, *, author: str, reason: str = "") -> Kept | None:
        """Somebody has seen it. `None`: there is no such anomaly that is not over."""
        with told_apart(self._database), self._database.write() as connection:
            self._audit.take_turn(connection)
            before = _find(connection, id)
            if before is None or before.ended_at is not None:
                return None
            connection.execute(_one(id).values(acknowledged_by=author, acknowledged_at=self._clock()))
            self._note(connection, "acknowledge", author, id, (before.acknowledged_by, author), reason)
            return _find(connection, id)

    def label(self, id: str, label: Label | None, *, author: str, note: str = "") -> Kept | None:
        """Somebody says whether it was real; `label` of `None` takes that back. `None`: there is no such anomaly."""
        with told_apart(self._database), self._database.write() as connection:
            self._audit.take_turn(connection)
            before = _find(connection, id)
            if before is None:
                return None
            said: dict[str, Any] = {"label": label, "labelled_by": author, "labelled_at": self._clock(), "note": note}
            connection.execute(_one(id).values(said if label is not None else dict.fromkeys(said)))
            self._note(connection, "label", author, id, (before.label, label), note)
            return _find(connection, id)

    def respond(self, id: str, response: Done, at: int) -> None:
        """Note what was done because of it."""
        with told_apart(self._database), self._database.write() as connection:
            connection.execute(_one(id).values(response=response, responded_at=at, response_ended_at=None))

    def end_response(self, id: str, at: int) -> None:
        """Note that this is over."""
        with told_apart(self._database), self._database.write() as connection:
            connection.execute(_one(id).values(response_ended_at=at))

    def responding(self) -> list[Kept]:
        """Those because of which calls are changed: steps that are not left, whether or not the anomaly is over."""
        rows = select(ANOMALIES).where(ANOMALIES.c.response == "steps", ANOMALIES.c.response_ended_at.is_(None))
        with told_apart(self._database), self._database.read() as connection:
            return [_kept(row) for row in connection.execute(rows)]

    def tunings(self) -> list[Tuning]:
        """What labels have made of thresholds, by metric and scope. Rules are as they are written."""
        table = ANOMALIES.c
        rows = select(table.metric, table.scope, table.label).where(
            table.label.is_not(None), table.kind != "rule", table.labelled_at >= self._clock() - LABELS_HOLD_FOR
        )
        rows = rows.order_by(table.metric, table.scope, table.labelled_at, table.id)
        with told_apart(self._database), self._database.read() as connection:
            found = connection.execute(rows).all()
        made = []
        for (metric, scope), each in groupby(found, key=lambda row: (row.metric, row.scope)):
            labels = [row.label for row in each]
            false = labels.count("false")
            made.append(Tuning(metric, json.loads(scope), len(labels) - false, false, factor_of(labels)))
        return made

    def counts(self) -> Mapping[tuple[str, str], int]:
        """How many hold now, by metric and severity, without those that were labelled false."""
        table = ANOMALIES.c
        count = select(table.metric, table.severity, func.count()).where(
            table.ended_at.is_(None), or_(table.label.is_(None), table.label != "false")
        )
        with told_apart(self._database), self._database.read() as connection:
            rows = connection.execute(count.group_by(table.metric, table.severity)).all()
        return {(metric, severity): number for metric, severity, number in rows}

    def prune(self) -> int:
        """Forget what ended long ago; how many."""
        old = delete(ANOMALIES).where(ANOMALIES.c.ended_at < self._clock() - KEPT_FOR)
        with told_apart(self._database), self._database.write() as connection:
            return connection.execute(old).rowcount

    def _take_turn(self, connection: Connection) -> None:
        if not self._database.is_sqlite:
            connection.execute(text("SELECT pg_advisory_xact_lock(:key)"), {"key": TURN})

    def _note(
        self, connection: Connection, action: str, author: str, id: str, change: tuple[Any, Any], reason: str
    ) -> None:
        before, after = change
        self._audit.record(
            connection, author=author, action=action, kind=KIND, object_id=id, before=before, after=after,
            reason=reason,
        )  # fmt: skip


def factors(tunings: Sequence[Tuning]) -> dict[tuple[str, tuple[tuple[str, str], ...]], float]:
    """By metric and scope."""
    return {(each.metric, tuple(sorted(each.scope.items()))): each.factor for each in tunings}


def _overlaps(spans: Iterable[tuple[int, int]], anomaly: Anomaly) -> bool:
    return any(start < anomaly.end and end > anomaly.start for start, end in spans)


def _one(id: str) -> Any:
    return update(ANOMALIES).where(ANOMALIES.c.id == id)


def _find(connection: Connection, id: str) -> Kept | None:
    row = connection.execute(select(ANOMALIES).where(ANOMALIES.c.id == id)).one_or_none()
    return None if row is None else _kept(row)


def _open(connection: Connection) -> list[Kept]:
    rows = select(ANOMALIES).where(ANOMALIES.c.ended_at.is_(None))
    return [_kept(row) for row in connection.execute(rows.order_by(ANOMALIES.c.found_at, ANOMALIES.c.id))]


def _ended_lately(connection: Connection, identity: str, since: int) -> Kept | None:
    ended = (ANOMALIES.c.identity == identity) & (ANOMALIES.c.ended_at > since)
    rows = select(ANOMALIES).where(ended).order_by(ANOMALIES.c.ended_at.desc()).limit(1)
    row = connection.execute(rows).one_or_none()
    return None if row is None else _kept(row)


def _insert(connection: Connection, identity: str, one: Found, now: int, ended_at: int | None) -> None:
    anomaly = one.anomaly
    said = json.dumps([identity, anomaly.start, now if ended_at is None else ended_at])
    row = {
        "id": hashlib.blake2b(said.encode(errors="surrogatepass"), digest_size=12).hexdigest(),
        "identity": identity,
        "began_at": anomaly.start,
        "found_at": now,
        "ended_at": ended_at,
        **_as_seen(one, now),
    }
    connection.execute(insert(ANOMALIES), row)


def _as_seen(one: Found, now: int) -> dict[str, Any]:
    anomaly = one.anomaly
    return {
        "kind": anomaly.kind,
        "metric": anomaly.metric,
        "scope": json.dumps(dict(anomaly.scope), sort_keys=True),
        "severity": anomaly.severity,
        "excess_nano_usd": anomaly.excess_nano_usd,
        "seen_at": now,
        "document": json.dumps(anomaly.document(), allow_nan=False),
        "facts": json.dumps(dict(one.facts), allow_nan=False),
    }


def _seen(before: Kept, one: Found, now: int) -> dict[str, Any]:
    """As it is now. It is as severe as it ever was, and began when it was first seen to."""
    severity = max(before.anomaly.severity, one.anomaly.severity, key=SEVERITIES.index)
    start = min(before.anomaly.start, one.anomaly.start)
    as_seen = one._replace(anomaly=one.anomaly._replace(severity=severity, start=start))
    again = {"response": None, "responded_at": None, "response_ended_at": None}
    reopened = before.ended_at is not None and before.response_ended_at is not None
    return {**_as_seen(as_seen, now), "ended_at": None, **(again if reopened else {})}


def _is_meant(kept: Kept, query: AnomalyQuery) -> bool:
    anomaly = kept.anomaly
    is_of_rule = query.rule is None or anomaly.rule == query.rule
    return is_of_rule and all(anomaly.scope.get(name) == value for name, value in query.scope.items())


def _kept(row: Row[Any]) -> Kept:
    values = row._asdict()
    anomaly, facts = Anomaly.read(json.loads(row.document)), json.loads(row.facts)
    rest = {name: values[name] for name in Kept._fields[3:]}
    return Kept(row.id, anomaly, facts, **rest)
