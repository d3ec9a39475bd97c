"""Whether the counters agree with the ledger, and how they are built from it anew.

For each limit of a calendar's hour or longer, and each of its scopes, in the period that is running:
ledger <= spent <= ledger + assumed. What is `missing` below that was never counted, or is lost, as by a flush. The
`excess` above it is on its way to the ledger, was an SDK's retry (each is a request, and the ledger has one call), or
was priced otherwise by the app.
"""

from __future__ import annotations

import logging
import uuid
from collections.abc import Mapping, Sequence
from typing import NamedTuple

from sqlalchemy import Connection

from tollkeeper.model import Limit
from tollkeeper.model.charge import Charge, Level
from tollkeeper.model.limit import LARGEST_AMOUNT
from tollkeeper.policy.forms import amount_text
from tollkeeper.policy.period import period_of
from tollkeeper.sidecar.ledger_use import MOST_CALLS, LedgerUse
from tollkeeper.sidecar.limiting import Limiting, charge_of
from tollkeeper.storage.audit import AuditQuery, AuditTrail
from tollkeeper.storage.counters import CountersUnavailable, Hold
from tollkeeper.storage.database import Database
from tollkeeper.storage.emergency import KEY as EMERGENCY
from tollkeeper.storage.emergency import WATCH, is_emergency

log = logging.getLogger("tollkeeper")

OWNER = "rebuild"
SEEN = "counters"
"""The author of what the sidecar has only seen in them."""
MARK = Charge("built from the ledger", 0, LARGEST_AMOUNT, hard=False)
"""Booked once the counters were built: where it is not, they are new, or were emptied."""
LONG_ENOUGH = ("hour", "day", "week", "month")
"""Of a shorter period, the ledger would not have the calls before it ends."""
NOTHING = Level(0, 0)
COMPARED_EVERY = 30
"""Turns of the clock."""


class Comparison(NamedTuple):
    """One limit and scope: what the ledger has, without what was reset, and what the counters have."""

    limit: Limit
    scope: Mapping[str, str]
    charge: Charge
    ledger: int
    level: Level

    @property
    def missing(self) -> int:
        """What was not counted."""
        return max(self.ledger - self.level.spent, 0)

    @property
    def excess(self) -> int:
        """What was counted, and is neither in the ledger nor assumed."""
        return max(self.level.spent - self.ledger - self.level.assumed, 0)


class Checked(NamedTuple):
    """What was compared, and the limits that could not be: their names, and why."""

    comparisons: Sequence[Comparison]
    unchecked: Mapping[str, str]


class Booked(NamedTuple):
    """What a rebuild has added to a counter."""

    comparison: Comparison
    amount: int


class Agreement:
    """Of one sidecar's ledger and counters. Raises `CountersUnavailable` and `LedgerUnavailable`."""

    def __init__(self, use: LedgerUse, limiting: Limiting, database: Database, audit: AuditTrail) -> None:
        self._use = use
        self._limiting = limiting
        self._database = database
        self._audit = audit
        self._last = Checked((), {})
        self._told: frozenset[str] = frozenset()
        self._turn = 0

    def check(self) -> Checked:
        """Compare all. The ledger is read first: what comes in between is in the counters already."""
        now = self._limiting.counters.now()
        unchecked: dict[str, str] = {}
        found: list[tuple[Limit, Mapping[str, str], Charge, int]] = []
        for limit in self._limiting.policy.limits:
            if limit.window is None or limit.window.rolling or limit.window.unit not in LONG_ENOUGH:
                continue
            start, end = period_of(limit.window, now)
            sums = self._use.of(limit, start, end)
            if sums is None:
                unchecked[limit.name] = (
                    f"its calls are told apart by single ones only, and are more than {MOST_CALLS:,}"
                )
                continue
            for values, amount in sums.items():
                scope: dict[str, str] = dict(zip(limit.per, values, strict=True))
                found.append((limit, scope, charge_of(limit, scope, now), amount))
        levels = self._limiting.levels([charge for _, _, charge, _ in found])
        return Checked(
            [Comparison(*one, level) for one, level in zip(found, levels, strict=True)], unchecked
        )  # fmt: skip

    def rebuild(self, *, author: str, reason: str, lower: bool = False, only_lost: bool = False) -> list[Booked]:
        """Book what is missing; with `lower`, take away what is in excess, which may be on its way to the ledger.

        `only_lost`: only where the counters, or one of them, are as good as new. Sidecars take turns, and it is
        audited.
        """
        with self._database.write() as connection:
            self._audit.take_turn(connection)
            is_new = self._is_new()
            booked = []
            for one in self.check().comparisons:
                wanted = not only_lost or is_new or one.level == NOTHING
                amount = one.missing if wanted else 0
                if lower and not only_lost:
                    amount -= one.excess
                if amount:
                    self._book(one.charge, amount)
                    booked.append(Booked(one, amount))
            if is_new:
                self._book(MARK, 1)
            for each in booked:
                self._note(connection, each, author, reason)
        return booked

    def tend(self) -> None:
        """What is done by the clock: see whether the counters were emptied, and now and then compare all of them.

        What is lost is built again; what does not agree twice in a row is told. An emergency is among what is lost.
        """
        try:
            self._tend_emergency()
        except CountersUnavailable as away:
            log.warning("whether there is an emergency cannot be seen: %s", away)
            return
        if not self._limiting.policy.limits:
            self._last, self._turn = Checked((), {}), 0
            return
        try:
            is_turn, self._turn = self._turn == 0, (self._turn + 1) % COMPARED_EVERY
            if not is_turn and not self._is_new():
                return
            checked = self.check()
            # Looked at before, as a rebuild keeps all writers of the database waiting.
            if self._is_new() or any(one.missing and one.level == NOTHING for one in checked.comparisons):
                booked = self.rebuild(author=OWNER, reason="the counters were empty", only_lost=True)
                if booked:
                    log.warning("%d counters were empty, and are built from the ledger", len(booked))
                checked = self.check()
        except CountersUnavailable as away:
            log.warning("the counters cannot be compared with the ledger: %s", away)
            return
        before, self._last = _differing(self._last), checked
        lasting = _differing(checked) & before
        for name in sorted(lasting - self._told):
            log.warning("the counters of limit %r do not agree with the ledger: %s", name, self._said(name))
        self._told = lasting

    def _tend_emergency(self) -> None:
        """Have the audit trail know of an emergency, whoever has begun or ended it; and begin it again where the
        counters have lost it: only a person ends it.
        """
        if self._limiting.policy.emergency is None or self._is_emergency()[0] is self._was_emergency():
            return
        with self._database.write() as connection:
            self._audit.take_turn(connection)
            (is_on, changes), was_on = self._is_emergency(), self._was_emergency()
            if is_on is was_on:
                return
            if is_on:
                log.critical("EMERGENCY: a ladder has begun it, or somebody without this sidecar")
                self._note_emergency(connection, SEEN, True, "begun by a ladder, or without the sidecar")
            elif changes:
                log.warning("the emergency was ended without this sidecar")
                self._note_emergency(connection, SEEN, False, "ended without the sidecar")
            elif self._limiting.admission().emergency.enter():
                log.critical("EMERGENCY: the counters have lost it, and nobody has ended it: it goes on")
                self._note_emergency(connection, OWNER, True, "the counters were emptied, and nobody had ended it")

    def _is_emergency(self) -> tuple[bool, int]:
        """What the counters say, and how often they have seen one begin or end: if never, they are new or emptied."""
        (level,) = self._limiting.levels([WATCH])
        return is_emergency(level), level.spent

    def _was_emergency(self) -> bool:
        entries, _ = self._audit.entries(AuditQuery(kind=EMERGENCY, limit=1))
        return bool(entries and entries[0].after)

    def _note_emergency(self, connection: Connection, author: str, is_on: bool, reason: str) -> None:
        self._audit.record(
            connection, author=author, action="enter" if is_on else "leave", kind=EMERGENCY, object_id=EMERGENCY,
            before=not is_on, after=is_on, reason=reason,
        )  # fmt: skip

    @property
    def last(self) -> Checked:
        """What the clock's last comparison found."""
        return self._last

    @property
    def disagreeing(self) -> frozenset[str]:
        """The limits whose counters did not agree with the ledger twice in a row."""
        return self._told

    def _said(self, name: str) -> str:
        ours = [one for one in self._last.comparisons if one.limit.name == name]
        missing, excess = sum(one.missing for one in ours), sum(one.excess for one in ours)
        measure = ours[0].limit.measure
        return f"missing {amount_text(measure, missing)}, in excess {amount_text(measure, excess)}"

    def _is_new(self) -> bool:
        return self._limiting.levels([MARK])[0].spent == 0

    def _book(self, charge: Charge, amount: int) -> None:
        counters = self._limiting.counters
        counters.settle(Hold(f"{OWNER} {uuid.uuid4()}", OWNER, counters.now(), (charge,)), [amount])

    def _note(self, connection: Connection, booked: Booked, author: str, reason: str) -> None:
        one = booked.comparison
        self._audit.record(
            connection,
            author=author,
            action="rebuild",
            kind="usage",
            object_id=one.limit.name,
            before={"scope": dict(one.scope), "spent": one.level.spent, "assumed": one.level.assumed},
            after={"scope": dict(one.scope), "spent": one.level.spent + booked.amount, "ledger": one.ledger},
            reason=reason,
        )


def _differing(checked: Checked) -> frozenset[str]:
    """Requests may be in excess: retries are counted, and the ledger has one call."""
    return frozenset(
        one.limit.name for one in checked.comparisons if one.missing or (one.excess and one.limit.measure != "requests")
    )
