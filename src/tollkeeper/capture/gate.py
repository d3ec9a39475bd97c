"""The gate that every call passes: may it go, and what did it use in the end?"""

from __future__ import annotations

import logging
from collections.abc import Callable, Generator, Mapping

from tollkeeper.capture import faults
from tollkeeper.capture.contract import Adapter, Request
from tollkeeper.capture.demand import demand_of
from tollkeeper.capture.drive import Pause
from tollkeeper.model import Bound, Call, Denial, Status
from tollkeeper.model.usage import NOTHING
from tollkeeper.policy import Policy
from tollkeeper.policy.binding import Bindings
from tollkeeper.pricing import Catalog
from tollkeeper.pricing.bound import bound_of
from tollkeeper.storage.admission import UNKNOWN, Admission, Ticket

log = logging.getLogger("tollkeeper")

NEVER_ASKED = frozenset(("fetch_response", "batch"))
"""They use nothing themselves; what they bring is booked when it comes."""

_NOTHING_USED = Bound(0, 0, 0)
LONGEST_PAUSE = 1.0
"""Seconds: what calls under way give back is seen by then."""


class Gate:
    """Admits calls, and settles them. `clock` is in seconds, and only measures how long a call has waited."""

    def __init__(
        self, admission: Admission, catalog: Catalog, watch: Callable[[Status], None], clock: Callable[[], float]
    ) -> None:
        self._admission = admission
        self._catalog = catalog
        self._watch = watch
        self._clock = clock

    def use(self, policy: Policy) -> None:
        """Go by another policy from now on."""
        self._admission.use(policy)

    def statuses(self, scope: Mapping[str, str]) -> list[Status]:
        """How the limits stand."""
        return self._admission.statuses(scope)

    def admit(self, request: Request, adapter: Adapter) -> Generator[Pause, None, Ticket | None]:
        """Let a call go, wait until it may, or raise `Denied`. A fault of ours lets it go."""
        call = request.call
        if call.operation in NEVER_ASKED:
            return None
        try:
            bindings = self._admission.bindings(call)
            if not bindings:
                return None
            bound = self._bound(request, adapter, bindings)
            outcome = self._admission.admit(call.id, bindings, bound)
            if isinstance(outcome, Denial) and outcome.status.limit.wait and outcome.reason == "used_up":
                outcome = yield from self._wait(call.id, bindings, bound, outcome)
        except Exception as fault:  # noqa: BLE001  the boundary: a fault of ours must not keep a call back
            faults.report("admit a call", fault)
            return None
        if isinstance(outcome, Denial):
            raise adapter.denied(request, outcome)
        return outcome

    def again(self, ticket: Ticket, request: Request, adapter: Adapter, was_answered: bool) -> Ticket:
        """The SDK is about to send a call once more: settle the attempt before it, and admit one more, or raise.

        What was answered with an error is not billed; what was not answered at all may have been.
        """
        call = request.call
        self._settle(ticket, _NOTHING_USED if was_answered else UNKNOWN, not was_answered)
        id, _, attempt = ticket.hold.id.partition("#")
        try:
            outcome = self._admission.admit(
                f"{id}#{int(attempt or 1) + 1}", self._admission.bindings(call), ticket.bound
            )
        except Exception as fault:  # noqa: BLE001  the boundary: a fault of ours must not keep a call back
            faults.report("admit an attempt", fault)
            return ticket
        if isinstance(outcome, Denial):
            raise adapter.denied(request, outcome)
        return outcome

    def settle(self, ticket: Ticket, call: Call, error: BaseException | None) -> None:
        """Book what a call has used."""
        self._settle(ticket, *_used(call, error))

    def _settle(self, ticket: Ticket, used: Bound, is_assumed: bool) -> None:
        try:
            for status in self._admission.settle(ticket, used, is_assumed):
                self._watch(status)
        except Exception as fault:  # noqa: BLE001  the boundary to the counters, wherever they are
            faults.report("settle a call", fault)

    def book(self, call: Call) -> None:
        """Book what a call has used that never passed the gate: a batch's result, a turn of a realtime session."""
        try:
            bindings = self._admission.bindings(call)
            if bindings:
                for status in self._admission.book(call.id, bindings, _told(call)):
                    self._watch(status)
        except Exception as fault:  # noqa: BLE001  the same
            faults.report("book a call", fault)

    def _bound(self, request: Request, adapter: Adapter, bindings: Bindings) -> Bound:
        """The most that a call can use. Where it names no most output, and a limit needs one, it is given one."""
        if not bindings.counts_tokens:
            return _NOTHING_USED
        call = request.call
        demand = demand_of(call, request.body)
        most = bindings.most_output
        is_open = demand.output_tokens is None and bindings.needs_output
        if is_open and most is not None and adapter.cap_output(request, most):
            demand = demand._replace(output_tokens=most)
        return bound_of(demand, self._catalog.rates(call) if bindings.counts_usd else None)

    def _wait(
        self, id: str, bindings: Bindings, bound: Bound, denial: Denial
    ) -> Generator[Pause, None, Ticket | Denial]:
        """Ask again until there is room, or the limit's patience is at an end."""
        until = self._clock() + denial.status.limit.wait
        while (left := until - self._clock()) > 0:
            asked = LONGEST_PAUSE if denial.retry_after is None else denial.retry_after
            if denial.retry_after is not None and denial.retry_after > left and not denial.status.held:
                return denial
            yield Pause(min(asked, left, LONGEST_PAUSE))
            outcome = self._admission.admit(id, bindings, bound)
            if not isinstance(outcome, Denial):
                return outcome
            denial = outcome
        return denial


def _told(call: Call) -> Bound:
    """What the provider says that a call has used."""
    usage = call.usage
    nano_usd = call.cost.nano_usd if call.cost is not None else None
    return Bound(usage.input_tokens, usage.output_tokens, nano_usd)


def _used(call: Call, error: BaseException | None) -> tuple[Bound, bool]:
    """What a call has used, and whether that is only the least that it can be."""
    if call.usage_source == "provider":
        told = _told(call)
        return Bound(told.input_tokens, told.output_tokens or 0, told.nano_usd), False
    if call.usage is not NOTHING:
        return _told(call), True
    if error is not None and (call.status_code is not None or _was_not_sent(error)):
        return _NOTHING_USED, False
    return UNKNOWN, True


def _was_not_sent(error: BaseException) -> bool:
    """Whether no connection could be made at all: then nothing can have been billed."""
    seen: BaseException | None = error
    while seen is not None:
        if isinstance(seen, ConnectionRefusedError) or type(seen).__name__ in ("ConnectError", "ConnectTimeout"):
            return True
        seen = seen.__cause__ or seen.__context__
    return False
