"""Where a call goes whose provider fails: the alternatives that the policy names, and the way to them."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

from tollkeeper.capture.contract import Adapter, Request
from tollkeeper.capture.health import ProviderHealth
from tollkeeper.model.failure import failure_by
from tollkeeper.model.ladder import Failure, Fallback
from tollkeeper.policy import Policy
from tollkeeper.telemetry.attributes import ASKED_MODEL

FALLBACK = "fallback"
"""The step's name where a call went elsewhere."""


class Failover:
    """The fallbacks of a policy. `health` says which circuits are open."""

    def __init__(self, policy: Policy, health: ProviderHealth) -> None:
        self._policy = policy
        self._health = health

    def is_shut(self, request: Request) -> Fallback | None:
        """The fallback of a call whose circuit is open."""
        call = request.call
        if self._health.is_closed(call.provider, call.request_model):
            return None
        found = self.fallback(request, "open_circuit")
        return found if found is not None and not self._health.allows(call.provider, call.request_model) else None

    def fallback(self, request: Request, failure: Failure) -> Fallback | None:
        """The first fallback that is for such a call, and for such a failure."""
        call = request.call
        model = call.request_model or ""
        for each in self._policy.fallbacks:
            if failure in each.on and each.match.of(call.provider, model, call.operation, call.tags):
                return each
        return None

    def moves(self, request: Request, adapter: Adapter, fallback: Fallback) -> Iterator[str]:
        """Make the request one for the next model, each time that this is asked for one more; tells which it is.

        Models that cannot be asked in this way are passed over, as are those with an open circuit, and the present one.
        """
        before = request.call.request_model
        for name in fallback.to:
            if name == before or not change_model(self._policy, request, adapter, name):
                continue
            if self._health.allows(request.call.provider, request.call.request_model):
                yield name


def change_model(policy: Policy, request: Request, adapter: Adapter, name: str) -> bool:
    """Have the model answer that a policy calls so. What was asked for is noted."""
    asked = request.call.request_model
    model, endpoint = policy.target(name)
    if not adapter.change_model(request, model, endpoint):
        return False
    request.call.parameters.setdefault(ASKED_MODEL, asked or "")
    return True


def snapshot(request: Request) -> Request:
    """The request as it is now, to `become` again."""
    return replace(request, call=replace(request.call, parameters=dict(request.call.parameters)))


def failure_of(request: Request, adapter: Adapter, error: BaseException) -> tuple[Failure | None, int | None]:
    """How the provider has failed, and with which status; `None` where the call, or its caller, is at fault."""
    told = replace(request.call, parameters={})
    adapter.read_error(told, error)
    kind = failure_by(told.status_code, type(error).__name__) if told.status_code is not None else None
    if told.status_code is None:
        kinds = (failure_by(None, word) for word in (told.error_type or "", *_names(error)))
        kind = next((each for each in kinds if each is not None), None)
    return kind, told.status_code


def _names(error: BaseException) -> Iterator[str]:
    """The names of an error, and of those that it came of."""
    seen: BaseException | None = error
    while seen is not None:
        yield type(seen).__name__
        seen = seen.__cause__
