"""Which label sets have series of their own on `/metrics`: the first that there were, for every sidecar and for ever.

Were they chosen anew by each process, a counter would fall with a restart, and two sidecars would not show the same.
"""

from __future__ import annotations

import json
from collections.abc import Sequence

from sqlalchemy import Connection, func, insert, select

from tollkeeper.storage.database import Database
from tollkeeper.storage.ledger.store import Store
from tollkeeper.storage.ledger.tables import LABEL_SETS

LabelSet = tuple[str, ...]


def label_sets(database: Database, store: Store, found: Sequence[LabelSet], most: int) -> set[LabelSet]:
    """The first `most`. Those found that are new are noted first, in their order, while there is room."""
    with database.read() as connection:
        known = _first(connection, most)
    if len(known) >= most or known.issuperset(found):
        return known
    with database.write() as connection:
        store.serialise(connection)
        known = _first(connection, most)
        new = [one for one in dict.fromkeys(found) if one not in known][: most - len(known)]
        if new:
            last = connection.execute(select(func.max(LABEL_SETS.c.place))).scalar()
            first = 0 if last is None else last + 1
            rows = [{"place": first + number, "labels": json.dumps(one)} for number, one in enumerate(new)]
            connection.execute(insert(LABEL_SETS), rows)
    return known | set(new)


def _first(connection: Connection, most: int) -> set[LabelSet]:
    query = select(LABEL_SETS.c.labels).order_by(LABEL_SETS.c.place).limit(most)
    return {tuple(json.loads(labels)) for labels in connection.execute(query).scalars()}
