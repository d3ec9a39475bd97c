"""Calls that wait for room: in order, tenants one after the other, and no longer than their limit lets them."""

from __future__ import annotations

from collections.abc import Callable, Generator

from tollkeeper.capture.drive import Pause
from tollkeeper.capture.turns import Turns
from tollkeeper.model import Bound, Denial
from tollkeeper.policy.binding import Binding, Bindings
from tollkeeper.storage.admission import Admission, Ticket

LONGEST_PAUSE = 1.0
"""Seconds: a limit may have been changed by then."""
WHILE_HELD = 0.05
"""Seconds between two questions while calls under way hold what is asked for: they may end at any moment."""
A_PLACE = 0.01
"""Seconds that each place in the queue is from the next, at the least."""


class Waiting:
    """The queues of one process. `clock` is in seconds, and only measures how long a call has waited."""

    def __init__(self, admission: Admission, clock: Callable[[], float]) -> None:
        self._admission = admission
        self._clock = clock
        self._turns = Turns()

    def queue(self, bindings: Bindings) -> Binding | None:
        """The limit for whose room others wait already: who comes now stands behind them."""
        for binding in bindings.counted:
            if binding.limit.wait and self._turns.is_waited_for(binding.key):
                return binding
        return None

    def wait(
        self, behind: Binding, tenant: str, id: str, bindings: Bindings, bound: Bound
    ) -> Generator[Pause, None, Ticket | Denial]:
        """Stand in line for a limit until there is room, or its patience is at an end."""
        if not self._turns.join(behind.key, tenant, id):
            return self._admission.admit(id, bindings, bound)
        went = False
        try:
            until = self._clock() + behind.limit.wait
            while True:
                place, left = self._turns.place(behind.key, tenant, id), until - self._clock()
                pause = min(WHILE_HELD + place * A_PLACE, LONGEST_PAUSE)
                if not place or left <= 0:
                    outcome = self._admission.admit(id, bindings, bound)
                    went = isinstance(outcome, Ticket)
                    if not isinstance(outcome, Denial) or left <= 0 or _is_in_vain(outcome, behind, left):
                        return outcome
                    pause = _pause(outcome)
                yield Pause(min(pause, max(left, 0.0)))
        finally:
            self._turns.leave(behind.key, tenant, id, went)


def waits(denial: Denial, bindings: Bindings) -> Binding | None:
    """The limit that a denied call may wait for."""
    if denial.reason != "used_up" or not denial.status.limit.wait:
        return None
    return next((binding for binding in bindings.counted if binding.limit is denial.status.limit), None)


def _is_in_vain(denial: Denial, behind: Binding, left: float) -> bool:
    """Whether there cannot be room in time: what is used up stays so, and nothing is held that could be given back.

    Nor is there for a call that another limit has no room for, and lets not wait.
    """
    limit = denial.status.limit
    if denial.reason != "used_up" or (limit is not behind.limit and not limit.wait):
        return True
    return denial.retry_after is not None and denial.retry_after > left and not denial.status.held


def _pause(denial: Denial) -> float:
    if denial.retry_after is None or denial.status.held:
        return WHILE_HELD
    return min(denial.retry_after, LONGEST_PAUSE)
