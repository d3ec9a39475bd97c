"""Recommendations in the database: what is advised now, what people have decided of it, and what came of that."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any, Literal, NamedTuple, get_args

from sqlalchemy import Connection, Row, delete, insert, select, update

from tollkeeper.insight.advice.recommendation import Recommendation, recommendation_of
from tollkeeper.storage.audit import AuditTrail
from tollkeeper.storage.database import Database
from tollkeeper.storage.insight.tables import RECOMMENDATIONS
from tollkeeper.storage.ledger.failures import told_apart

State = Literal["open", "accepted", "dismissed", "gone"]
STATES: tuple[State, ...] = get_args(State)
"""`gone`: it would not be advised any more, and nobody had decided of it."""

KIND = "recommendation"
"""What the audit trail calls it."""
KEPT_FOR = 400 * 86_400 * 10**9
"""So long after it was last given, advice that is gone is forgotten."""
WORTH_TELLING_AGAIN = 2
"""So many times what it would have saved when it was dismissed, it is shown again."""


class Kept(NamedTuple):
    """A recommendation, and what became of it. Moments are nanoseconds since the epoch.

    `before` is what was measured when it was accepted, `tracking` what it has saved since: both are what JSON can say.
    """

    recommendation: Recommendation
    state: State
    made_at: int
    seen_at: int
    decided_by: str | None
    decided_at: int | None
    reason: str | None
    before: Mapping[str, Any] | None
    tracking: Mapping[str, Any] | None


class Recommendations:
    """Of one database. All of it raises `LedgerUnavailable` while that cannot be used."""

    def __init__(self, database: Database, clock: Callable[[], int] = time.time_ns) -> None:
        self._database = database
        self._clock = clock
        self._audit = AuditTrail(database, clock)

    def look(self, found: Iterable[Recommendation]) -> None:
        """This is what is advised now, and nothing else. What was decided stays decided.

        What was dismissed is open again once it would save twice as much as then.
        """
        with told_apart(self._database), self._database.write() as connection:
            self._audit.take_turn(connection)
            now = self._clock()
            known = {row.id: row for row in connection.execute(select(RECOMMENDATIONS))}
            seen = {one.id: one for one in found}
            for id, one in seen.items():
                _note(connection, one, known.get(id), now)
            missing = [id for id, row in known.items() if row.state == "open" and id not in seen]
            for id in missing:
                connection.execute(update(RECOMMENDATIONS).where(RECOMMENDATIONS.c.id == id).values(state="gone"))
            old = (RECOMMENDATIONS.c.state == "gone") & (RECOMMENDATIONS.c.seen_at < now - KEPT_FOR)
            connection.execute(delete(RECOMMENDATIONS).where(old))

    def all(self, states: Sequence[State] = (), kind: str | None = None) -> list[Kept]:
        """In these states (all, if none is given), the largest savings first."""
        rows = select(RECOMMENDATIONS)
        if states:
            rows = rows.where(RECOMMENDATIONS.c.state.in_(states))
        if kind is not None:
            rows = rows.where(RECOMMENDATIONS.c.kind == kind)
        with told_apart(self._database), self._database.read() as connection:
            found = [_kept(row) for row in connection.execute(rows)]
        return sorted(found, key=lambda one: (-_saving(one.recommendation), one.recommendation.id))

    def one(self, id: str) -> Kept | None:
        """The one of this id."""
        with told_apart(self._database), self._database.read() as connection:
            row = connection.execute(select(RECOMMENDATIONS).where(RECOMMENDATIONS.c.id == id)).one_or_none()
        return None if row is None else _kept(row)

    def accept(self, id: str, before: Mapping[str, Any], *, author: str, reason: str = "") -> Kept | None:
        """Somebody does it from now on. `None`: there is no such recommendation that is open."""
        return self._decide(id, "accepted", ("open",), author, reason, before)

    def dismiss(self, id: str, *, author: str, reason: str) -> Kept | None:
        """Nobody wants it, or no more. `None`: there is no such recommendation that is open or was accepted."""
        return self._decide(id, "dismissed", ("open", "accepted"), author, reason, None)

    def track(self, id: str, tracking: Mapping[str, Any]) -> None:
        """What an accepted one has saved until now."""
        mine = (RECOMMENDATIONS.c.id == id) & (RECOMMENDATIONS.c.state == "accepted")
        with told_apart(self._database), self._database.write() as connection:
            connection.execute(update(RECOMMENDATIONS).where(mine).values(tracking=json.dumps(tracking)))

    def _decide(
        self, id: str, state: State, of: Sequence[State], author: str, reason: str, before: Mapping[str, Any] | None
    ) -> Kept | None:
        with told_apart(self._database), self._database.write() as connection:
            self._audit.take_turn(connection)
            row = connection.execute(select(RECOMMENDATIONS).where(RECOMMENDATIONS.c.id == id)).one_or_none()
            if row is None or row.state not in of:
                return None
            values = {
                "state": state,
                "decided_by": author,
                "decided_at": self._clock(),
                "reason": reason,
                "decided_saving_nano_usd": row.saving_nano_usd,
                "before": None if before is None else json.dumps(before),
                "tracking": None,
            }
            connection.execute(update(RECOMMENDATIONS).where(RECOMMENDATIONS.c.id == id).values(values))
            self._audit.record(
                connection, author=author, action="accept" if state == "accepted" else "dismiss", kind=KIND,
                object_id=id, before=row.state, after={"state": state, "saving_nano_usd": row.saving_nano_usd},
                reason=reason,
            )  # fmt: skip
            return _kept(connection.execute(select(RECOMMENDATIONS).where(RECOMMENDATIONS.c.id == id)).one())


def _note(connection: Connection, one: Recommendation, known: Row[Any] | None, now: int) -> None:
    saving = None if one.saving is None else one.saving.mid
    values = {"seen_at": now, "saving_nano_usd": saving, "document": json.dumps(one.document())}
    mine = RECOMMENDATIONS.c.id == one.id
    if known is None:
        scope = json.dumps(dict(one.scope), sort_keys=True)
        row = {"id": one.id, "kind": one.kind, "scope": scope, "state": "open", "made_at": now, **values}
        connection.execute(insert(RECOMMENDATIONS), row)
    elif known.state == "accepted":
        connection.execute(update(RECOMMENDATIONS).where(mine).values(seen_at=now))
    else:
        if known.state == "dismissed" and not _is_news(saving, known.decided_saving_nano_usd):
            values["state"] = "dismissed"
        else:
            values["state"] = "open"
        connection.execute(update(RECOMMENDATIONS).where(mine).values(values))


def _is_news(saving: int | None, then: int | None) -> bool:
    return saving is not None and saving > 0 and saving >= WORTH_TELLING_AGAIN * (then or 0)


def _saving(one: Recommendation) -> int:
    return one.saving.mid if one.saving else 0


def _kept(row: Row[Any]) -> Kept:
    before, tracking = (None if text is None else json.loads(text) for text in (row.before, row.tracking))
    return Kept(
        recommendation_of(json.loads(row.document)), row.state, row.made_at, row.seen_at, row.decided_by,
        row.decided_at, row.reason, before, tracking,
    )  # fmt: skip
