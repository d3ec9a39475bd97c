"""What is right in a policy file, and will hardly do what it is meant to: `tollkeeper policy check` warns of it."""

from __future__ import annotations

import time
from collections.abc import Iterator

from tollkeeper.model import Call
from tollkeeper.policy import Policy
from tollkeeper.pricing import Catalog
from tollkeeper.pricing.rates import Unpriced


def doubts_about(policy: Policy) -> list[str]:
    """Models to be asked that are at no endpoint, or have no price where a hard limit of dollars needs one; and rules
    of anomalies that do for calls of theirs what these will hardly meet.
    """
    targets = list(dict.fromkeys(_targets(policy)))
    unusual = list(_of_anomalies(policy))
    if not targets:
        return unusual
    needs_price = any(limit.measure == "usd" and limit.mode == "hard" for limit in policy.limits)
    catalog = Catalog()
    found = [_doubt(policy, catalog, place, model, needs_price) for place, model in targets]
    return [each for each in found if each is not None] + unusual


def _of_anomalies(policy: Policy) -> Iterator[str]:
    for rule in policy.anomalies:
        said, place = rule.respond, f"anomaly {rule.name!r}"
        if said is not None and not said.emergency and not rule.per:
            yield f"{place}: the steps of ladder {said.ladder!r} will hold for every call, as the rule has no `per`"
        if said is not None and rule.type == "z_score" and not rule.floor_nano_usd:
            yield f"{place}: a plain z-score finds any busy hour of a quiet day, and without `floor` changes calls"


def _targets(policy: Policy) -> Iterator[tuple[str, str]]:
    """Where a model is named that is asked in place of another, and the model."""
    for ladder in policy.ladders:
        for step in ladder.steps:
            for model in step.models.values():
                yield f"ladder of {ladder.limit!r}, at {step.at} %", model
    for model in policy.emergency.models.values() if policy.emergency is not None else ():
        yield "emergency", model
    for fallback in policy.fallbacks:
        for model in fallback.to:
            yield "fallback", model


def _doubt(policy: Policy, catalog: Catalog, place: str, model: str, needs_price: bool) -> str | None:
    name, endpoint = policy.target(model)
    before, colon, rest = model.partition(":")
    now = time.time_ns()
    if endpoint is None and colon and rest and catalog.text_models(before, now):
        return (
            f"{place}: {model!r} is asked of the call's own provider, by that whole name: there is no endpoint"
            f" {before!r}, which [[endpoint]] would make"
        )
    if not needs_price or (endpoint is not None and endpoint.provider is None):
        return None
    provider = endpoint.provider if endpoint is not None else catalog.provider_of(name)
    call = Call("", provider or "openai", "chat", now, request_model=name)
    if not isinstance(catalog.rates(call), Unpriced):
        return None
    return f"{place}: {model!r} is in no price list: unless `prices` says what it costs, hard limits of dollars deny it"
