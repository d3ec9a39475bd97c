"""What is done because of a rule's finding, as the policy says: an emergency, or steps of a ladder for its calls."""

from __future__ import annotations

import logging
from collections.abc import Iterable, Mapping

from tollkeeper.model.anomaly_rule import AnomalyRule
from tollkeeper.model.charge import Charge
from tollkeeper.model.limit import LARGEST_AMOUNT
from tollkeeper.sidecar.limiting import Limiting
from tollkeeper.storage.audit import AuditTrail
from tollkeeper.storage.counters import CountersUnavailable
from tollkeeper.storage.emergency import KEY, EmergencySwitch, Switch
from tollkeeper.storage.insight.anomalies import KIND, NS_A_DAY, AnomalyStore, Kept
from tollkeeper.storage.ladders import signal_of

log = logging.getLogger("tollkeeper")

OWNER = "anomalies"
HELD_FOR = NS_A_DAY
"""Counters forget the state then, so that it outlives no sidecar for long; one that runs begins it again."""
REMEMBERED = 7 * NS_A_DAY
"""So long it is known that a finding has begun an emergency: who has ended that is not overruled."""


class Responses:
    """Of one sidecar. Counters that are away are asked again at the next turn. Raises `LedgerUnavailable`."""

    def __init__(self, limiting: Limiting, store: AnomalyStore, audit: AuditTrail) -> None:
        self._limiting = limiting
        self._store = store
        self._audit = audit

    def follow(self, held: Iterable[Kept], now: int) -> None:
        """Do what the policy says of what holds now, once each; and leave steps of what does not hold any more."""
        rules = {rule.name: rule for rule in self._limiting.policy.anomalies}
        holding: dict[str, Kept] = {kept.id: kept for kept in held if kept.ended_at is None and kept.label != "false"}
        try:
            for kept in self._store.responding():
                rule = rules.get(kept.anomaly.rule or "")
                if kept.id not in holding or rule is None or rule.respond is None or rule.respond.emergency:
                    self._leave(kept, holding, now)
                else:
                    # Counters that were emptied know nothing of it.
                    self._switch(kept).enter()
            for kept in holding.values():
                rule = rules.get(kept.anomaly.rule or "")
                if rule is not None and rule.respond is not None and _is_due(kept):
                    self._enter(kept, rule, now)
        except CountersUnavailable as away:
            log.warning("what anomalies ask for cannot be done just now: %s", away)

    def _enter(self, kept: Kept, rule: AnomalyRule, now: int) -> None:
        assert rule.respond is not None
        if rule.respond.emergency:
            cause = Charge(f"anomaly {kept.id}", 0, LARGEST_AMOUNT, until=kept.found_at + REMEMBERED)
            if EmergencySwitch(self._limiting.counters, OWNER).enter_once(cause):
                log.critical("EMERGENCY: begun by the rule %r of anomalies", rule.name)
                self._note(KEY, KEY, "enter", (False, True), rule)
            self._store.respond(kept.id, "emergency", now)
            return
        switch = self._switch(kept)
        # Counters that are away are noticed here: what is begun and not recorded, nobody would end.
        switch.is_on()
        self._store.respond(kept.id, "steps", now)
        self._note(KIND, kept.id, "enter", (None, rule.respond.ladder), rule)
        switch.enter()
        log.warning("steps of ladder %r hold because of the rule %r", rule.respond.ladder, rule.name)

    def _switch(self, kept: Kept) -> Switch:
        until = self._limiting.counters.now() + HELD_FOR
        signal = signal_of(kept.anomaly.rule or "", kept.anomaly.scope, until)
        return Switch(self._limiting.counters, OWNER, signal)

    def _leave(self, kept: Kept, holding: Mapping[str, Kept], now: int) -> None:
        name = kept.anomaly.rule or ""
        self._switch(kept).leave()
        self._store.end_response(kept.id, now)
        log.info("steps of a ladder are left: the rule %r does not hold any more", name)
        self._audit.note(
            author=OWNER, action="leave", kind=KIND, object_id=kept.id, before="steps", after=None,
            reason=f"rule {name}: " + ("it is over" if kept.id not in holding else "the policy says so no more"),
        )  # fmt: skip

    def _note(self, kind: str, id: str, action: str, change: tuple[object, object], rule: AnomalyRule) -> None:
        self._audit.note(
            author=OWNER, action=action, kind=kind, object_id=id, before=change[0], after=change[1],
            reason=f"rule {rule.name}",
        )  # fmt: skip


def _is_due(kept: Kept) -> bool:
    """Whether nothing was done because of it, or steps that were left, as a label or the policy said otherwise then."""
    return kept.response is None or (kept.response == "steps" and kept.response_ended_at is not None)
