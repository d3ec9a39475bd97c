"""Whether the counters agree with the ledger, and how they are built from it anew.

For each limit of a calendar's hour or longer, and each of its scopes, in the period that is running:
ledger <= spent <= ledger + assumed. What is `missing` below that was never counted, or is lost, as by a flush. The
`excess` above it is on its way to the ledger, was an SDK's retry (each is a request, and the ledger has one call), or
was priced otherwise by the app.

What is missing for some minutes is booked: the ledger has it, so it was used. What calls under way hold may be just
that, and is left to them. A settlement that an app has kept for longer, as its counters were away, comes on top when
they are back: too much is the safe side of a hard limit, and shows as `excess`.
"""

from __future__ import annotations

import logging
import uuid
from collections.abc import Callable, Mapping, Sequence
from typing import NamedTuple

from sqlalchemy import Connection

from tollkeeper.model import Limit
from tollkeeper.model.charge import Charge, Level
from tollkeeper.model.limit import LARGEST_AMOUNT, Measure, Per, Window
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
"""Turns of the clock, of ten seconds each. What was missing twice in a row is booked."""
FRESH_FOR = 6
"""Turns after which all apps go by a policy that was changed."""


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
    def lacking(self) -> int:
        """What was not counted, and is not held by calls under way either, which will book it."""
        return max(self.missing - self.level.held, 0)

    @property
    def is_expected(self) -> bool:
        """Whether there is nothing to do about a difference: requests in excess are retries of an SDK."""
        return not self.missing and self.limit.measure == "requests"

    @property
    def excess(self) -> int:
        """What was counted, and is neither in the ledger nor assumed."""
        return max(self.level.spent - self.ledger - self.level.assumed, 0)


Identity = tuple[Measure, Window | None, tuple[Per, ...]]
"""With another one, what was used of a limit of the same name is counted anew."""


class Checked(NamedTuple):
    """What was compared, and the limits that could not be: their names, and why."""

    comparisons: Sequence[Comparison]
    unchecked: Mapping[str, str]


class Lasting(NamedTuple):
    """A limit, all of its scopes together. `missing`: what the ledger had at the comparison before, and the counters
    have not by now. `excess`: the same the other way round. What is on its way for a moment is in neither.
    """

    limit: Limit
    missing: int
    excess: int
    assumed: int

    @property
    def is_expected(self) -> bool:
        """Whether there is nothing to do about it: requests in excess are retries of an SDK."""
        return not self.missing and (not self.excess or self.limit.measure == "requests")


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
        self._compared = Checked((), {})
        self._lasting: Sequence[Lasting] = ()
        self._turn = 0
        self._lacking: Mapping[str, int] = {}
        """What was lacking at the last turn, by the key of its counter."""
        self._identities: Mapping[str, Identity] | None = None
        self._fresh: dict[str, int] = {}

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

    def rebuild(self, *, author: str, reason: str, lower: bool = False) -> list[Booked]:
        """Book what is missing; with `lower`, take away what is in excess, which may be on its way to the ledger.

        Sidecars take turns, and it is audited.
        """
        return self._rebuild(author, reason, lambda one, is_new: one.missing - (one.excess if lower else 0))

    def _rebuild(self, author: str, reason: str, amount_of: Callable[[Comparison, bool], int]) -> list[Booked]:
        """`amount_of` is told whether the counters are new as a whole."""
        with self._database.write() as connection:
            self._audit.take_turn(connection)
            is_new = self._is_new()
            booked = []
            for one in self.check().comparisons:
                if amount := amount_of(one, is_new):
                    self._book(one.charge, amount)
                    booked.append(Booked(one, amount))
            if is_new:
                self._book(MARK, 1)
            for each in booked:
                self._note(connection, each, author, reason)
        return booked

    def tend(self) -> None:
        """What is done by the clock: see whether the counters were emptied, and now and then compare all of them.

        What is lost is built again, what is missing twice in a row is booked, and what does not agree then is told. An
        emergency is among what is lost.
        """
        try:
            self._tend_emergency()
        except CountersUnavailable as away:
            log.warning("whether there is an emergency cannot be seen: %s", away)
            return
        if not self._limiting.policy.limits:
            self._last = self._compared = Checked((), {})
            self._turn, self._lacking, self._identities, self._lasting = 0, {}, {}, ()
            return
        is_turn, self._turn = self._turn == 0, (self._turn + 1) % COMPARED_EVERY
        has_changed = self._note_changes()
        try:
            if not is_turn and not has_changed and not self._is_new():
                return
            checked = self._repaired(self._lacking if is_turn else {})
        except CountersUnavailable as away:
            log.warning("the counters cannot be compared with the ledger: %s", away)
            return
        if is_turn:
            self._lacking = {one.charge.key: one.lacking for one in checked.comparisons if one.lacking}
            known, self._lasting = self.disagreeing, lasting(self._compared, checked)
            self._compared = checked
            for one in self._lasting:
                if not one.is_expected and one.limit.name not in known:
                    log.warning("the counters of limit %r do not agree with the ledger: %s", one.limit.name, _said(one))
        else:
            seen = {one.limit.name for one in self._lasting}
            new = lasting(Checked((), {}), checked)
            self._lasting = [*self._lasting, *(one for one in new if one.limit.name not in seen)]
        self._last = checked

    def _note_changes(self) -> bool:
        """Look at the policy. Whether limits whose usage has begun anew are to be looked at now: they were just
        changed, or by now all apps go by the change.
        """
        found = {limit.name: _identity(limit) for limit in self._limiting.policy.limits}
        before, self._identities = self._identities, found
        due = False
        for name, turns in [*self._fresh.items()]:
            self._fresh[name] = turns - 1
            due = due or turns == 1
            if turns == 0 or name not in found:
                del self._fresh[name]
        changed = {} if before is None else {name: of for name, of in found.items() if before.get(name) != of}
        self._fresh.update(dict.fromkeys(changed, FRESH_FOR))
        return due or bool(changed)

    def _repaired(self, lacking: Mapping[str, int]) -> Checked:
        """What was compared, once what had to be booked was booked."""

        def amount_of(one: Comparison, is_new: bool) -> int:
            if is_new or one.level == NOTHING:
                return one.missing
            if one.limit.name in self._fresh:
                return one.lacking
            return min(one.lacking, lacking.get(one.charge.key, 0))

        checked, is_new = self.check(), self._is_new()
        # Looked at before, as a rebuild keeps all writers of the database waiting.
        wanted = [one for one in checked.comparisons if amount_of(one, is_new)]
        if not wanted and not is_new:
            return checked
        lost = [one for one in wanted if is_new or one.level == NOTHING]
        reason = "the counters were empty" if lost else "missing in the counters"
        booked = self._rebuild(OWNER, reason, amount_of)
        if lost and booked:
            log.warning("%d counters were empty, and are built from the ledger", len(booked))
        for name in sorted({one.limit.name for one, _ in booked} - {one.limit.name for one in lost}):
            ours = [each for each in booked if each.comparison.limit.name == name]
            told = amount_text(ours[0].comparison.limit.measure, sum(each.amount for each in ours))
            log.warning("the counters of limit %r lacked %s of what the ledger has: it is booked", name, told)
        return self.check()

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
        """The limits whose counters do not agree with the ledger, and did not at the comparison before."""
        return frozenset(one.limit.name for one in self._lasting if not one.is_expected)

    @property
    def lasting(self) -> Sequence[Lasting]:
        """Each limit that was compared twice, whether it agrees or not."""
        return self._lasting

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


def lasting(before: Checked, now: Checked) -> list[Lasting]:
    """What does not agree in two comparisons. What belongs to a period that is over, or was set back, is left out."""
    later = {one.charge.key: one for one in now.comparisons}
    found = {one.limit.name: Lasting(one.limit, 0, 0, 0) for one in now.comparisons}
    for one in before.comparisons:
        other = later.get(one.charge.key)
        if other is None or other.level.spent < one.level.spent or other.ledger < one.ledger:
            continue
        known = found[other.limit.name]
        found[other.limit.name] = known._replace(
            missing=known.missing + max(one.ledger - other.level.spent, 0),
            excess=known.excess + max(one.level.spent - one.level.assumed - other.ledger, 0),
            assumed=known.assumed + other.level.assumed,
        )
    return list(found.values())


def _said(one: Lasting) -> str:
    measure = one.limit.measure
    return f"missing {amount_text(measure, one.missing)}, in excess {amount_text(measure, one.excess)}"


def _identity(limit: Limit) -> Identity:
    return limit.measure, limit.window, limit.per
