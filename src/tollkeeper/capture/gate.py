"""The gate that every call passes: may it go, and what did it use in the end?"""

from __future__ import annotations

import logging
from collections import OrderedDict
from collections.abc import Callable, Generator, Mapping, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

from tollkeeper.capture import faults
from tollkeeper.capture.answer_lengths import AnswerLengths
from tollkeeper.capture.contract import Adapter, Request
from tollkeeper.capture.demand import demand_of
from tollkeeper.capture.denied import Denied
from tollkeeper.capture.drive import Pause
from tollkeeper.capture.errors import is_refusal, was_never_sent
from tollkeeper.capture.failover import FALLBACK, Failover, change_model, failure_of, snapshot
from tollkeeper.capture.fleet_health import FleetHealth
from tollkeeper.capture.health import ProviderHealth
from tollkeeper.capture.ladders import Ladders
from tollkeeper.capture.long_calls import LongCalls
from tollkeeper.capture.thresholds import Crossing
from tollkeeper.capture.waiting import Waiting, waits
from tollkeeper.model import Bound, Call, Denial, Status
from tollkeeper.model.usage import NOTHING
from tollkeeper.policy import Policy
from tollkeeper.policy.binding import Bindings
from tollkeeper.policy.ladder import NO_CHANGE
from tollkeeper.pricing import Catalog
from tollkeeper.pricing.bound import Demand, bound_of
from tollkeeper.storage.admission import UNKNOWN, Admission, Ticket
from tollkeeper.storage.outlook import Outlook, foresee
from tollkeeper.telemetry.attributes import FALLBACK_REASON, STEPS

if TYPE_CHECKING:
    from tollkeeper.capture.observation import Observation
    from tollkeeper.storage.counters import Hold
    from tollkeeper.storage.counters.guarded import GuardedCounters

log = logging.getLogger("tollkeeper")

NEVER_ASKED = frozenset(("fetch_response", "batch"))
"""They use nothing themselves; what they bring is booked when it comes."""

_NOTHING_USED = Bound(0, 0, 0)
ONGOING = frozenset(("queued", "in_progress"))
"""How providers name the state of an answer that they go on with."""
MOST_IN_BACKGROUND = 1000
PRICE_TERMS = ("service_tier", "speed", "inference_geo")
"""Fields of a request that may make it dearer."""
MAX_TOKENS = "gen_ai.request.max_tokens"


class Gate:
    """Admits calls, and settles them. `clock` is in seconds, and only measures how long a call has waited."""

    def __init__(
        self,
        admission: Admission,
        catalog: Catalog,
        watch: Callable[[Status], None],
        clock: Callable[[], float],
        tell: Callable[[Crossing], object] = lambda crossing: None,
    ) -> None:
        self.health: ProviderHealth | None = None
        """How providers do, where the policy needs to know."""
        self.fleet = FleetHealth(clock)
        self._admission = admission
        self._catalog = catalog
        self._watch = watch
        self._clock = clock
        self._waiting = Waiting(admission, clock)
        self._long = LongCalls(admission)
        self._in_background: OrderedDict[str, Ticket] = OrderedDict()
        """By the id of the response. A hold that is forgotten here expires, and is charged in full."""
        self._tell = tell
        self._answers = AnswerLengths(catalog)
        self._ladders: Ladders | None = None
        self._failover: Failover | None = None
        self._follow(admission.policy)

    def use(self, policy: Policy) -> None:
        """Go by another policy from now on."""
        self._admission.use(policy)
        self._follow(policy)

    @property
    def guarded(self) -> GuardedCounters | None:
        """The counters, where they may be away."""
        inner = getattr(self._admission.counters, "inner", None)
        return inner if hasattr(inner, "figures") else None

    def close(self) -> None:
        """Give back what no call needs. Calls under way are still settled."""
        self._long.close()
        self._admission.counters.close()

    def _follow(self, policy: Policy) -> None:
        self._ladders = Ladders(self._admission, policy, self._tell, self._ladders) if policy.changes_calls else None
        self._admission.learn = self._ladders.learn if self._ladders is not None else None
        if policy.keeps_health and self.health is None:
            self.health = ProviderHealth(self._clock, self.fleet)
        self._failover = Failover(policy, self.health) if policy.fallbacks and self.health is not None else None

    @property
    def policy(self) -> Policy:
        """The policy in force."""
        return self._admission.policy

    def is_emergency(self) -> bool:
        """Whether there is an emergency."""
        return self._admission.emergency.is_on()

    def turn_emergency(self, on: bool, by: str, reason: str) -> bool:
        """Begin one, or end it. False: that has been done."""
        switch, ladders = self._admission.emergency, self._ladders
        if ladders is None or self.policy.emergency is None or not (switch.enter() if on else switch.leave()):
            return False
        log.warning("the emergency was %s by %s: %s", "declared" if on else "ended", by, reason)
        ladders.look_at_emergency()
        return True

    def statuses(self, scope: Mapping[str, str]) -> list[Status]:
        """How the limits stand."""
        return self._admission.statuses(scope)

    def in_flight(self) -> Sequence[Hold]:
        """What calls under way hold."""
        return self._admission.counters.holds()

    def outlook(self, call: Call, input_tokens: int | None, output_tokens: int | None) -> Outlook:
        """How the limits stand that bind a call which is only thought of, as it would be sent; or why it would not."""
        change = self._ladders.change(call) if self._ladders is not None else NO_CHANGE
        return foresee(self._admission, call, change, (input_tokens, output_tokens), self._catalog.rates)

    def admit(self, request: Request, adapter: Adapter) -> Generator[Pause, None, Ticket | None]:
        """Let a call go, wait until it may, or raise `Denied`. A fault of ours lets it go."""
        if request.call.operation in NEVER_ASKED:
            return None
        try:
            outcome: Ticket | Denial | None = None
            if self._ladders is not None:
                outcome = self._change(self._ladders, request, adapter)
            if outcome is None:
                if self._failover is not None:
                    self._avoid(self._failover, request, adapter)
                outcome = yield from self._admit(request.call.id, request, adapter)
                while isinstance(outcome, Denial) and self._has_another(request, adapter):
                    outcome = yield from self._admit(_next_id(request), request, adapter)
        except Exception as fault:  # noqa: BLE001  the boundary: a fault of ours must not keep a call back
            faults.report("admit a call", fault)
            return None
        if isinstance(outcome, Denial):
            raise adapter.denied(request, outcome)
        return outcome

    def _admit(self, id: str, request: Request, adapter: Adapter) -> Generator[Pause, None, Ticket | Denial | None]:
        """Hold what an attempt can use. Nothing: no limit binds it."""
        bindings = self._admission.bindings(request.call, request.throttles)
        if not bindings:
            return None
        bound = self._bound(request, adapter, bindings)
        behind = self._waiting.queue(bindings)
        if behind is None:
            outcome = self._admission.admit(id, bindings, bound)
            behind = waits(outcome, bindings) if isinstance(outcome, Denial) else None
        if behind is not None:
            outcome = yield from self._waiting.wait(behind, request.call.tags.get("tenant", ""), id, bindings, bound)
        if isinstance(outcome, Ticket):
            self._long.begin(outcome)
        return outcome

    def _change(self, ladders: Ladders, request: Request, adapter: Adapter) -> Denial | None:
        """Make of a request what the steps in force make of it; or say why it is not sent."""
        change = ladders.change(request.call)
        if isinstance(change, Denial):
            return change
        if not change.steps:
            return None
        steps = list(change.steps)
        if change.model is not None:
            is_changed = change_model(self._admission.policy, request, adapter, change.model)
            if not is_changed and "cheaper" in steps:
                steps.remove("cheaper")
        if change.output_tokens is not None:
            request.output_tokens = change.output_tokens
            if not _cap(request, adapter) and "cap_output" in steps:
                steps.remove("cap_output")
        request.throttles = change.throttles
        _note_steps(request, *steps)
        return None

    def _avoid(self, failover: Failover, request: Request, adapter: Adapter) -> None:
        """Have a call go elsewhere at once whose provider has failed again and again."""
        request.fallback = failover.is_shut(request)
        if request.fallback is None:
            return
        before = snapshot(request)
        request.alternatives = failover.moves(request, adapter, request.fallback)
        if next(request.alternatives, None) is None:
            request.become(before)
            return
        request.call.parameters[FALLBACK_REASON] = "open_circuit"
        _cap(request, adapter)
        _note_steps(request, FALLBACK)

    def _has_another(self, request: Request, adapter: Adapter) -> bool:
        """Whether there is one more model for a call that is to go elsewhere; the request is for that one then."""
        if request.alternatives is None or next(request.alternatives, None) is None:
            return False
        _cap(request, adapter)
        return True

    def fail_over(self, observation: Observation, error: Exception) -> Generator[Pause, None, bool]:
        """The provider has failed: have the next alternative answer, if there is one and it may go."""
        failover, request, adapter = self._failover, observation.request, observation.adapter
        if failover is None or isinstance(error, Denied):
            return False
        try:
            kind, status = failure_of(request, adapter, error)
            if kind is None:
                return False
            if request.alternatives is None:
                request.fallback = failover.fallback(request, kind)
                if request.fallback is None:
                    return False
                request.alternatives = failover.moves(request, adapter, request.fallback)
            elif request.fallback is not None and kind not in request.fallback.on:
                return False
            return (yield from self._move(observation, request, adapter, (kind, status), error))
        except Exception as fault:  # noqa: BLE001  the boundary: a fault of ours leaves the caller the provider's error
            faults.report("fail over", fault)
            return False

    def _move(
        self,
        observation: Observation,
        request: Request,
        adapter: Adapter,
        failed: tuple[str, int | None],
        error: Exception,
    ) -> Generator[Pause, None, bool]:
        kind, status = failed
        assert request.alternatives is not None
        before = snapshot(request)
        for _ in request.alternatives:
            _cap(request, adapter)
            ticket = observation.ticket
            if ticket is not None:
                self._settle(ticket, *_failed(error, status))
                observation.ticket = None
            outcome = yield from self._admit(_next_id(request), request, adapter)
            if isinstance(outcome, Denial):
                continue
            observation.ticket = outcome
            if self.health is not None:
                self.health.failed(before.call.provider, before.call.request_model)
            log.warning("%s has failed (%s): %s answers", before.call.request_model, kind, request.call.request_model)
            request.call.parameters[FALLBACK_REASON] = kind
            _note_steps(request, FALLBACK)
            return True
        request.become(before)
        return False

    def again(self, ticket: Ticket, request: Request, adapter: Adapter, was_answered: bool) -> Ticket:
        """The SDK is about to send a call once more: settle the attempt before it, and admit one more, or raise.

        What was answered with an error is not billed, nor what was never sent: of both, `was_answered`. What was not
        answered may have been.
        """
        call = request.call
        self._settle(ticket, _NOTHING_USED if was_answered else UNKNOWN, not was_answered)
        try:
            bindings = self._admission.bindings(call, request.throttles)
            outcome = self._admission.admit(_next_id(request), bindings, ticket.bound)
        except Exception as fault:  # noqa: BLE001  the boundary: a fault of ours must not keep a call back
            faults.report("admit an attempt", fault)
            return ticket
        if isinstance(outcome, Denial):
            raise adapter.denied(request, outcome)
        self._long.begin(outcome)
        return outcome

    def settle(self, ticket: Ticket, call: Call, error: BaseException | None) -> None:
        """Book what a call has used. One that goes on in the background is held until somebody fetches its answer."""
        if error is None and call.usage is NOTHING and call.response_id and not ONGOING.isdisjoint(call.finish_reasons):
            self._in_background[call.response_id] = self._long.end(ticket)
            if len(self._in_background) > MOST_IN_BACKGROUND:
                self._in_background.popitem(last=False)
            return
        self._settle(ticket, *_used(call, error))
        if error is None:
            self._answers.learn(call)

    def _settle(self, ticket: Ticket, used: Bound, is_assumed: bool) -> None:
        try:
            for status in self._admission.settle(self._long.end(ticket), used, is_assumed):
                self._watch(status)
        except Exception as fault:  # noqa: BLE001  the boundary to the counters, wherever they are
            faults.report("settle a call", fault)

    def settle_fetched(self, call: Call) -> None:
        """Book what a call has used that this process began, and whose answer was fetched now."""
        ticket = self._in_background.pop(call.response_id or "", None)
        if ticket is not None:
            self._settle(ticket, *_used(call, None))

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
        bound = bound_of(demand, self._catalog.rates(call) if bindings.counts_usd else None)
        if bindings.counts_usd:
            bound = self._dearer(request, demand, bound)
        if bindings.estimates_output:
            bound = self._answers.estimated(call, demand, bound, bindings.counts_usd)
        return bound

    def _dearer(self, request: Request, demand: Demand, bound: Bound) -> Bound:
        """What it costs by what is asked for, such as a faster tier, where that is more. It may not be granted."""
        asked = {name: value for name in PRICE_TERMS if type(value := request.body.get(name)) is str}
        if not asked:
            return bound
        call = replace(request.call, price_context={**request.call.price_context, **asked})
        other = bound_of(demand, self._catalog.rates(call))
        return other if other.nano_usd is None or other.nano_usd > (bound.nano_usd or 0) else bound


def _next_id(request: Request) -> str:
    """Of the next attempt of a call: one that was settled, under whatever name, holds nothing more."""
    request.attempt += 1
    return f"{request.call.id}#{request.attempt}"


def _cap(request: Request, adapter: Adapter) -> bool:
    """Have the answer be as short as the steps in force say. False: it is already, or cannot be."""
    tokens, named = request.output_tokens, request.call.parameters.get(MAX_TOKENS)
    if tokens is None or type(named) is int and named <= tokens:
        return False
    return adapter.cap_output(request, tokens)


def _note_steps(request: Request, *steps: str) -> None:
    """For the ledger, the span and the counter."""
    if steps:
        request.steps = tuple(dict.fromkeys((*request.steps, *steps)))
        request.call.parameters[STEPS] = request.steps


def _failed(error: BaseException, status: int | None) -> tuple[Bound, bool]:
    """What an attempt has used that has failed, and whether that is only assumed.

    Answered with an error, it used nothing, unless a gateway gave it up. An answer that began well, and broke off, may
    be billed in full.
    """
    is_refused = status is not None and is_refusal(status)
    return (_NOTHING_USED, False) if is_refused or was_never_sent(error) else (UNKNOWN, True)


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
    return (UNKNOWN, True) if error is None else _failed(error, call.status_code)
