"""What is to be told: claimed by one sidecar at a time, tried again for a day, and kept as a log of deliveries.

A sidecar that dies in the middle of a delivery is waited for until its claim is over; then another one delivers. So
whoever is told may be told twice if it had heard already: the notification's id is the same.
"""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Callable, Collection, Mapping
from typing import Any, Literal, NamedTuple

from sqlalchemy import ColumnElement, Connection, Row, delete, func, or_, select, text, update

from tollkeeper.model.alert import Notification
from tollkeeper.storage.alerts.rows import read
from tollkeeper.storage.alerts.tables import ALERTS, CHANNELS, NOTIFICATIONS
from tollkeeper.storage.database import Database
from tollkeeper.storage.ledger.failures import told_apart
from tollkeeper.storage.ledger.tables import STATE

State = Literal["waiting", "sent", "dead"]
Outcome = Literal["sent", "failed", "refused"]

SECOND = 1_000_000_000
CLAIM = 120 * SECOND
"""Longer than any delivery takes."""
FIRST_WAIT, LONGEST_WAIT = 5 * SECOND, 900 * SECOND
"""Between two tries: twice as long each time."""
GIVE_UP = 86_400 * SECOND
"""What could not be delivered for so long is dead, and can be seen."""
LATELY = 7 * 86_400 * SECOND
"""What was to be told before says nothing of how a channel is."""
LONGEST_DETAIL = 500
MOST_FAILED = 10_000
"""So many are looked at to say how channels are."""

_FORGOTTEN = "forgotten notification"
_COUNT_FORGOTTEN = text(
    f"INSERT INTO {STATE.name} (name, value) VALUES (:name, :number) "
    f"ON CONFLICT (name) DO UPDATE SET value = {STATE.name}.value + excluded.value"
)


class Entry(NamedTuple):
    """A line of the delivery log. `detail` is what became of the last try. Moments are nanoseconds."""

    notification: Notification
    state: State
    attempts: int
    next_at: int | None
    finished_at: int | None
    detail: str | None


class Waiting(NamedTuple):
    """Of a channel: how many wait, and since when the oldest."""

    number: int
    oldest: int


class Failing(NamedTuple):
    """A channel whose last try has failed: since when nothing has arrived, how many messages, and why not the last."""

    since: int
    number: int
    detail: str


class Outbox:
    """Of one database. `owner` names this process. All of it raises `LedgerUnavailable`."""

    def __init__(self, database: Database, owner: str, clock: Callable[[], int] = time.time_ns) -> None:
        self._database = database
        self._owner = owner
        self._clock = clock

    def claim(self, most: int = 20, but: Collection[str] = ()) -> list[Notification]:
        """What this process is to deliver now, the oldest first, and nobody else for as long as the claim lasts.

        Nothing of the channels that `but` names.
        """
        now = self._clock()
        table = NOTIFICATIONS
        free = or_(table.c.claimed_until.is_(None), table.c.claimed_until <= now)
        due = (table.c.state == "waiting") & (table.c.next_at <= now) & free & table.c.channel.not_in(but)
        with told_apart(self._database):
            with self._database.read() as connection:
                # Most looks find nothing, and do not take a writer's turn.
                if connection.execute(select(table.c.id).where(due).limit(1)).first() is None:
                    return []
            with self._database.write() as connection:
                ids = connection.execute(
                    select(table.c.id).where(due).order_by(table.c.created_at).limit(most)
                ).scalars()
                claimed = []
                for id in list(ids):
                    mine = update(table).where(table.c.id == id, due)
                    mine = mine.values(claimed_by=self._owner, claimed_until=now + CLAIM, attempts=table.c.attempts + 1)
                    if connection.execute(mine).rowcount:
                        claimed.append(id)
                rows = connection.execute(select(table).where(table.c.id.in_(claimed)).order_by(table.c.created_at))
                return [_notification(row) for row in rows]

    def finish(self, id: str, outcome: Outcome, detail: str) -> None:
        """Note what became of a delivery that this process has claimed."""
        table = NOTIFICATIONS
        mine = (table.c.id == id) & (table.c.claimed_by == self._owner) & (table.c.state == "waiting")
        with told_apart(self._database), self._database.write() as connection:
            row = connection.execute(select(table).where(mine)).one_or_none()
            if row is None:
                return
            now = self._clock()
            values: dict[str, Any] = {"claimed_by": None, "claimed_until": None, "detail": detail[:LONGEST_DETAIL]}
            if outcome == "failed" and now - row.created_at < GIVE_UP:
                values["next_at"] = now + _wait(row.attempts)
            else:
                values |= {"state": "sent" if outcome == "sent" else "dead", "finished_at": now}
            connection.execute(update(table).where(mine).values(values))

    def again(self, id: str) -> bool:
        """Try what is dead once more. False: there is no such dead notification."""
        table = NOTIFICATIONS
        dead = (table.c.id == id) & (table.c.state == "dead")
        now = self._clock()
        values = {"state": "waiting", "next_at": now, "created_at": now, "finished_at": None, "attempts": 0}
        with told_apart(self._database), self._database.write() as connection:
            return bool(connection.execute(update(table).where(dead).values(values)).rowcount)

    def log(self, *, channel: str | None = None, state: State | None = None, alert_id: str | None = None,
            limit: int = 100) -> list[Entry]:  # fmt: skip
        """What was told, or is to be, newest first."""
        table = NOTIFICATIONS
        rows = select(table)
        asked: Mapping[str, str | None] = {"channel": channel, "state": state, "alert_id": alert_id}
        for name, wanted in asked.items():
            if wanted is not None:
                rows = rows.where(table.c[name] == wanted)
        with told_apart(self._database), self._database.read() as connection:
            found = connection.execute(rows.order_by(table.c.created_at.desc(), table.c.id).limit(limit)).all()
        return [_entry(row) for row in found]

    def totals(self) -> Mapping[tuple[str, State], int]:
        """How many there are, by channel and state, and were: a metric must not count backwards."""
        table = NOTIFICATIONS
        count = select(table.c.channel, table.c.state, func.count()).group_by(table.c.channel, table.c.state)
        forgotten = select(STATE.c.name, STATE.c.value).where(STATE.c.name.startswith(_FORGOTTEN))
        with told_apart(self._database), self._database.read() as connection:
            found = Counter({(channel, state): number for channel, state, number in connection.execute(count)})
            for name, number in connection.execute(forgotten):
                state, _, channel = name.removeprefix(f"{_FORGOTTEN} ").partition(" ")
                found[channel, state] += number
        return found

    def waiting(self) -> Mapping[str, Waiting]:
        """By channel."""
        table = NOTIFICATIONS
        waits: ColumnElement[bool] = table.c.state == "waiting"
        count = select(table.c.channel, func.count(), func.min(table.c.created_at)).where(waits)
        with told_apart(self._database), self._database.read() as connection:
            rows = connection.execute(count.group_by(table.c.channel)).all()
        return {channel: Waiting(number, oldest) for channel, number, oldest in rows}

    def failing(self) -> Mapping[str, Failing]:
        """By channel: those where nothing has arrived since a failure, and that were not changed since either."""
        table = NOTIFICATIONS
        since = self._clock() - LATELY
        lately = table.c.created_at >= since
        sent = select(table.c.channel, func.max(table.c.finished_at)).where(lately, table.c.state == "sent")
        columns = ("channel", "state", "created_at", "next_at", "attempts", "claimed_by", "finished_at", "detail")
        failed = select(*(table.c[name] for name in columns)).where(
            lately, table.c.state != "sent", table.c.detail.is_not(None)
        )
        with told_apart(self._database), self._database.read() as connection:
            changed = connection.execute(select(CHANNELS.c.name, CHANNELS.c.changed_at)).all()
            arrived = connection.execute(sent.group_by(table.c.channel)).all()
            rows = connection.execute(failed.order_by(table.c.created_at).limit(MOST_FAILED)).all()
        well: dict[str, int] = {}
        for channel, at in (*changed, *arrived):
            well[channel] = max(at, well.get(channel, 0))
        found: dict[str, list[Row[Any]]] = {}
        for row in rows:
            if _tried_at(row) > well.get(row.channel, 0):
                found.setdefault(row.channel, []).append(row)
        return {
            channel: Failing(theirs[0].created_at, len(theirs), max(theirs, key=_tried_at).detail)
            for channel, theirs in found.items()
        }


def forget(connection: Connection, before: int) -> None:
    """Forget what was told, or given up, before then, of alerts that are forgotten. It stays counted."""
    table = NOTIFICATIONS
    old = (table.c.finished_at < before) & (table.c.state != "waiting") & table.c.alert_id.not_in(select(ALERTS.c.id))
    gone = connection.execute(delete(table).where(old).returning(table.c.state, table.c.channel)).all()
    for (state, channel), number in sorted(Counter((row.state, row.channel) for row in gone).items()):
        connection.execute(_COUNT_FORGOTTEN, {"name": f"{_FORGOTTEN} {state} {channel}", "number": number})


def _tried_at(row: Row[Any]) -> int:
    """When a try has failed last; 0 if it is to be tried from the beginning."""
    if row.state == "dead":
        return int(row.finished_at)
    tries = row.attempts - (row.claimed_by is not None)
    return row.next_at - _wait(tries) if tries > 0 else 0


def _wait(tries: int) -> int:
    return min(FIRST_WAIT << min(tries - 1, 20), LONGEST_WAIT)


def _notification(row: Row[Any]) -> Notification:
    return Notification(row.id, row.channel, row.event, read(row.alert), row.created_at)


def _entry(row: Row[Any]) -> Entry:
    next_at = row.next_at if row.state == "waiting" else None
    return Entry(_notification(row), row.state, row.attempts, next_at, row.finished_at, row.detail)
