"""The sidecar's policy and counters: how limits stand, by the policy as it is at that moment, whoever has set it."""

from __future__ import annotations

import logging
import os
import platform
import threading
from collections.abc import Mapping, Sequence

from tollkeeper.model import Limit
from tollkeeper.model.charge import Level
from tollkeeper.policy import Policy
from tollkeeper.policy.binding import Binder
from tollkeeper.policy.mistakes import PolicyError
from tollkeeper.storage.admission import Admission
from tollkeeper.storage.counters import Charge, Counters
from tollkeeper.storage.policies import PolicyStore

log = logging.getLogger("tollkeeper")

READ_AT_ONCE = 500


def charge_of(limit: Limit, scope: Mapping[str, str], now: int) -> Charge:
    """What names the usage of a limit, for a scope with all that it counts by; it takes nothing."""
    (binding,) = Binder((limit,)).of_scope(scope)
    return binding.charge(0, now)


class Limiting:
    """Several threads may use it at once. `owner` names this process to people."""

    def __init__(self, policies: PolicyStore, counters: Counters, owner: str | None = None) -> None:
        self.policies = policies
        self.counters = counters
        self._admission = Admission(Policy(), counters, owner or f"{platform.node()}:{os.getpid()}")
        self._revision = 0
        self._lock = threading.Lock()

    @property
    def policy(self) -> Policy:
        """What is in force."""
        return self.admission().policy

    def admission(self) -> Admission:
        """Raises `LedgerUnavailable` where nobody can tell whether the policy is still the same."""
        if self.policies.revision() != self._revision:
            with self._lock:
                self._follow()
        return self._admission

    def levels(self, charges: Sequence[Charge]) -> list[Level]:
        """How the counters stand, however many are asked for. Raises `CountersUnavailable`."""
        some = [charges[at : at + READ_AT_ONCE] for at in range(0, len(charges), READ_AT_ONCE)]
        return [level for each in some for level in self.counters.read(each)]

    def close(self) -> None:
        """Let go of connections."""
        self.policies.close()
        self.counters.close()

    def _follow(self) -> None:
        version = self.policies.current()
        if version.id == self._revision:
            return
        try:
            self._admission.use(version.policy())
        except PolicyError as error:
            # Written by a newer sidecar beside this one. What it says of the rest would be a guess.
            log.error("the policy cannot be read, and the one before stays in force here: %s", error)  # noqa: TRY400
        self._revision = version.id
