"""Combinations of dimension values, and their short ids: a hash, so that every process comes to the same one."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterable, Mapping

from sqlalchemy import Connection

from tollkeeper.storage.ledger.contract import DIMENSIONS
from tollkeeper.storage.ledger.store import Store

Values = tuple[str, ...]
"""In the order of `DIMENSIONS`."""

Raw = tuple[str | None, ...]
"""The same as a row of `calls` has them."""
Place = tuple[int, int]
"""The id of values, and of the same whoever the user is."""
Places = Mapping[Raw, Place]

REMEMBERED = 200_000
_USER = DIMENSIONS.index("user")


def broadened(values: Values) -> Values:
    """The same, whoever the user is."""
    return values if values[_USER] == "" else (*values[:_USER], "", *values[_USER + 1 :])


def hashed(values: Values, tried: int) -> int:
    """63 bits. `tried` counts the ids that other values had taken already."""
    text = "\0".join(values) if tried == 0 else "\0".join((*values, str(tried)))
    return int.from_bytes(hashlib.blake2b(text.encode(), digest_size=8).digest(), "big") >> 1


class Dimensions:
    """Ids of values, and those that are known to be in the database. Shared by threads: an entry never changes."""

    def __init__(self, hash: Callable[[Values, int], int] = hashed) -> None:
        self._hash = hash
        self._known: dict[Raw, Place] = {}

    @property
    def known(self) -> Places:
        """Those that need not be written any more."""
        return self._known

    def learn(self, connection: Connection, store: Store, unknown: Iterable[Raw]) -> Places:
        """The ids of each, written to the database where they are new there."""
        cleaned = {raw: tuple([value or "" for value in raw]) for raw in unknown}
        values = {*cleaned.values(), *map(broadened, cleaned.values())}
        ids = self._ids(connection, store, values)
        return {raw: (ids[values], ids[broadened(values)]) for raw, values in cleaned.items()}

    def _ids(self, connection: Connection, store: Store, wanted: Iterable[Values]) -> dict[Values, int]:
        found: dict[Values, int] = {}
        missing, tried = list(wanted), 0
        while missing:
            asked = sorted((self._hash(values, tried), values) for values in missing)
            held = store.keep_dimensions(connection, asked)
            found.update((values, id) for id, values in asked if held[id] == values)
            missing = [values for id, values in asked if held[id] != values]
            tried += 1
        return found

    def remember(self, places: Places) -> None:
        """These are committed."""
        if len(self._known) + len(places) > REMEMBERED:
            self._known = {}
        self._known.update(places)
