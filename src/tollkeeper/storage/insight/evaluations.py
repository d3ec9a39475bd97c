"""What evaluators found last, for every sidecar of a database; and whose turn it is to run one."""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Callable
from typing import Any, NamedTuple

from sqlalchemy import select, update
from sqlalchemy.dialects.postgresql import insert as postgresql_insert
from sqlalchemy.dialects.sqlite import insert as sqlite_insert

from tollkeeper.storage.database import Database
from tollkeeper.storage.insight.tables import EVALUATIONS
from tollkeeper.storage.ledger.failures import told_apart


class Evaluation(NamedTuple):
    """What came of an evaluator, and for which moment, in nanoseconds since the epoch. `body` is what JSON can say."""

    name: str
    at: int
    body: Any


class Evaluations:
    """Of one database. All of it raises `LedgerUnavailable` while that cannot be used. `owner` is this process."""

    def __init__(self, database: Database, owner: str, clock: Callable[[], int] = time.time_ns) -> None:
        self._database = database
        self._owner = owner
        self._clock = clock
        self._lock = threading.Lock()
        self._read: dict[str, Evaluation] = {}

    def claim(self, name: str, every: int) -> bool:
        """Whether it is time to run one, and nobody else does; then it is due again in so many nanoseconds."""
        now = self._clock()
        insert = sqlite_insert if self._database.is_sqlite else postgresql_insert
        row = {"name": name, "due_at": now + every, "claimed_by": self._owner}
        turn = insert(EVALUATIONS).values(row)
        turn = turn.on_conflict_do_update(
            index_elements=["name"],
            set_={"due_at": now + every, "claimed_by": self._owner},
            # A clock that was far ahead must not stop it for as long.
            where=(EVALUATIONS.c.due_at <= now) | (EVALUATIONS.c.due_at > now + every),
        )
        with told_apart(self._database), self._database.read() as connection:
            due_at = connection.execute(select(EVALUATIONS.c.due_at).where(EVALUATIONS.c.name == name)).scalar()
        if due_at is not None and now < due_at <= now + every:
            return False
        with told_apart(self._database), self._database.write() as connection:
            return connection.execute(turn.returning(EVALUATIONS.c.name)).first() is not None

    def keep(self, name: str, at: int, body: Any) -> None:
        """What came of it. What is known for a later moment stays."""
        newer = (EVALUATIONS.c.name == name) & (EVALUATIONS.c.at.is_(None) | (EVALUATIONS.c.at <= at))
        with told_apart(self._database), self._database.write() as connection:
            connection.execute(update(EVALUATIONS).where(newer).values(at=at, body=json.dumps(body, allow_nan=False)))

    def postpone(self, name: str, until: int) -> None:
        """Run it again at that moment, as it has failed, or as something has changed."""
        with told_apart(self._database), self._database.write() as connection:
            connection.execute(update(EVALUATIONS).where(EVALUATIONS.c.name == name).values(due_at=until))

    def latest(self, name: str) -> Evaluation | None:
        """What came of it last. `None`: it has not run yet. The body is shared: it is not to be changed."""
        with told_apart(self._database), self._database.read() as connection:
            at = connection.execute(select(EVALUATIONS.c.at).where(EVALUATIONS.c.name == name)).scalar()
            if at is None:
                return None
            with self._lock:
                if (known := self._read.get(name)) is not None and known.at == at:
                    return known
            rows = select(EVALUATIONS.c.at, EVALUATIONS.c.body).where(EVALUATIONS.c.name == name)
            found = connection.execute(rows).one()
        read = Evaluation(name, found.at, json.loads(found.body))
        with self._lock:
            self._read[name] = read
        return read
