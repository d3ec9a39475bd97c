"""`POST /what-if`: what a past period would have cost with other models, in another tier, or with more from a cache."""

from __future__ import annotations

from datetime import datetime
from decimal import Decimal
from typing import Any

from fastapi import APIRouter
from pydantic import BaseModel, ConfigDict, Field

from tollkeeper.insight.what_if import Outcome, Scenario, Sums, Tier
from tollkeeper.sidecar.api.answer import Answer, NanoUsd, Usd, usd
from tollkeeper.sidecar.api.filters import LONGEST, FilterParams, RangeParams
from tollkeeper.sidecar.api.problems import Problem, Refused, wrong
from tollkeeper.sidecar.api.services import Given
from tollkeeper.sidecar.api.sums import add
from tollkeeper.sidecar.repricing import Period
from tollkeeper.sidecar.what_if import what_if
from tollkeeper.storage.ledger import UsageQuery

MOST_CALLS = 2_000_000
MOST_MODELS = 100
MOST_SHOWN = 200

router = APIRouter(tags=["insight"])


class Supposed(RangeParams, FilterParams):
    """What would have been different, and for which calls."""

    model_config = ConfigDict(extra="forbid")

    models: dict[str, str] = Field(
        default={},
        max_length=MOST_MODELS,
        description="Globs of models, and the model that is asked instead; the first that fits counts."
        " One of another provider is `provider/model`.",
        examples=[{"gpt-4o": "gpt-4o-mini"}],
    )
    tier: Tier | None = Field(default=None, description="In which they would be processed.")
    cache_hit: Decimal | None = Field(
        default=None,
        ge=0,
        le=1,
        description="The share of the text put in that would be read from a cache. Writing it there is not added.",
        examples=[0.6],
    )


class Compared(BaseModel):
    """What some calls have cost, and would have. Both costs are of the `compared_calls`."""

    calls: int
    changed_calls: int = Field(description="That would have been sent otherwise.")
    compared_calls: int = Field(description="Of which both costs are known.")
    old_cost: Usd | None = Field(description="Null where none could be compared.")
    old_cost_nano_usd: NanoUsd | None
    new_cost: Usd | None
    new_cost_nano_usd: NanoUsd | None
    delta: Usd | None = Field(description="By how much it would have been dearer.")
    delta_nano_usd: NanoUsd | None
    not_repriced_calls: int = Field(description="That have a cost, and none that is known otherwise.")
    not_repriced_cost: Usd = Field(description="What those have cost.")
    unknown_calls: int = Field(description="Of which not even the cost that they had is known.")


class ComparedModel(Compared):
    """By model: the one that was asked, and the one that would have been."""

    provider: str
    model: str
    new_provider: str
    new_model: str


class ComparedValue(Compared):
    """By feature or tenant."""

    value: str = Field(description="Empty: calls without one.")


class NotPriced(BaseModel):
    """A model that has no price as it would have been asked."""

    provider: str
    model: str
    reason: str


class Otherwise(BaseModel):
    """What a period has cost, and would have. Each call is priced at its own moment, with as many tokens as it had."""

    start: datetime
    end: datetime
    zone: str
    total: Compared
    by_model: list[ComparedModel] = Field(description=f"The largest differences first; {MOST_SHOWN} at the most.")
    by_feature: list[ComparedValue]
    by_tenant: list[ComparedValue]
    not_priced: list[NotPriced]
    streamed_calls: int = Field(description="Of tier `batch`: somebody has waited for them, and could not any more.")


@router.post("/what-if", response_model=Otherwise, summary="What a past period would have cost otherwise")
def ask(given: Given, wanted: Supposed) -> Answer:
    """Prices the calls of a period as they would have been. Nothing is changed by it."""
    for glob, model in wanted.models.items():
        if not 0 < len(glob) <= LONGEST or not 0 < len(model) <= LONGEST:
            raise wrong("models", {glob: model}, f"two names of at most {LONGEST} characters")
    scenario = Scenario(tuple(wanted.models.items()), wanted.tier, wanted.cache_hit)
    if mistakes := scenario.mistakes():
        raise Refused(422, Problem(message="; ".join(mistakes), field="models", expected="what is different"))
    when = wanted.range(given.now())
    period = Period(when.start_ns, when.end_ns, wanted.filters())
    rows = given.ledger.usage(UsageQuery(period.start, period.end, filters=period.filters))
    if (number := add(row.totals for row in rows).calls) > MOST_CALLS:
        told = f"a period, or filters, of at most {MOST_CALLS:,} calls"
        problem = Problem(message=f"there are {number:,} calls; expected {told}", field="start", expected=told)
        raise Refused(422, problem)
    found = what_if(scenario, period, given.ledger, given.price_book)
    return Answer(_answer(found, when.start, when.end, when.zone.key))


def _answer(found: Outcome, start: datetime, end: datetime, zone: str) -> Otherwise:
    return Otherwise(
        start=start,
        end=end,
        zone=zone,
        total=Compared(**_compared(found.total)),
        by_model=[ComparedModel(**names._asdict(), **_compared(sums)) for names, sums in found.by_model[:MOST_SHOWN]],
        by_feature=[ComparedValue(value=value, **_compared(sums)) for value, sums in found.by_feature[:MOST_SHOWN]],
        by_tenant=[ComparedValue(value=value, **_compared(sums)) for value, sums in found.by_tenant[:MOST_SHOWN]],
        not_priced=[
            NotPriced(provider=provider, model=model, reason=reason)
            for (provider, model), reason in sorted(found.reasons.items())[:MOST_SHOWN]
        ],
        streamed_calls=found.streamed,
    )


def _compared(sums: Sums) -> dict[str, Any]:
    old, new, delta = (
        (sums.old_nano_usd, sums.new_nano_usd, sums.delta_nano_usd) if sums.compared else (None, None, None)
    )
    return {
        "calls": sums.calls,
        "changed_calls": sums.changed,
        "compared_calls": sums.compared,
        "old_cost": _dollars(old),
        "old_cost_nano_usd": old,
        "new_cost": _dollars(new),
        "new_cost_nano_usd": new,
        "delta": _dollars(delta),
        "delta_nano_usd": delta,
        "not_repriced_calls": sums.not_repriced,
        "not_repriced_cost": usd(sums.not_repriced_nano_usd),
        "unknown_calls": sums.unknown,
    }


def _dollars(nano_usd: int | None) -> Usd | None:
    return None if nano_usd is None else usd(nano_usd)
