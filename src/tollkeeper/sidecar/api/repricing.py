"""`POST /prices/reprice`: what a past period costs by the prices as they are now; a dry run, unless told otherwise."""

from __future__ import annotations

from datetime import datetime

from fastapi import APIRouter, Request
from pydantic import BaseModel, ConfigDict, Field

from tollkeeper.sidecar.api.answer import Answer, NanoUsd, Usd, usd
from tollkeeper.sidecar.api.auth import author_of
from tollkeeper.sidecar.api.filters import FilterParams, RangeParams
from tollkeeper.sidecar.api.problems import Problem, Refusal, Refused, wrong
from tollkeeper.sidecar.api.services import Given
from tollkeeper.sidecar.api.zones import Range
from tollkeeper.sidecar.repricing import Change, Period, Plan, PlanOutdated

router = APIRouter(tags=["prices"])


class Reprice(RangeParams, FilterParams):
    """Which calls, and whether their costs are to be changed."""

    model_config = ConfigDict(extra="forbid")

    apply: bool = Field(default=False, description="Write the corrections. Without it, nothing is changed.")
    plan: str | None = Field(
        default=None, max_length=100, description="Apply only if this still is the plan: the `plan` of a dry run."
    )
    reason: str | None = Field(default=None, max_length=2000, description="Why; needed to apply it.")


class PriceChange(BaseModel):
    """What would change, or has changed, for some calls. Calls without a price are in no sum of money."""

    provider: str
    model: str
    tenant: str
    calls: int = Field(description="In the period.")
    changed_calls: int = Field(description="Whose cost is another one.")
    old_cost: Usd | None = Field(description="Null if none of the calls had a price.")
    old_cost_nano_usd: NanoUsd | None
    new_cost: Usd | None
    new_cost_nano_usd: NanoUsd | None
    delta: Usd | None = Field(description="By how much it gets dearer; null if one of the two is unknown.")
    delta_nano_usd: NanoUsd | None
    old_unpriced_calls: int
    new_unpriced_calls: int


class Repriced(BaseModel):
    """A period, priced again."""

    plan: str = Field(description="To apply exactly this.", examples=["8f14e45fceea167a"])
    start: datetime
    end: datetime
    revision: int = Field(description="Of the price book that was used.")
    applied: bool
    adjusted_calls: int | None = Field(description="How many calls were corrected; null for a dry run.")
    total: PriceChange | None = Field(description="Of all changes; null if nothing changes.")
    changes: list[PriceChange] = Field(description="By provider, model and tenant, the largest difference first.")


@router.post(
    "/prices/reprice",
    response_model=Repriced,
    summary="Price a past period again",
    responses={409: {"model": Refusal, "description": "The prices have changed since the plan was made."}},
)
def reprice(request: Request, given: Given, wanted: Reprice) -> Answer:
    """First what would change; then, with `apply`, corrections beside the calls. Recorded calls are never changed.

    The same plan applied twice is applied once.
    """
    when = wanted.range(given.now())
    period = Period(when.start_ns, when.end_ns, wanted.filters())
    if not wanted.apply:
        return Answer(_answer(given.repricer.plan(period), when, None))
    if not (wanted.reason and wanted.reason.strip()):
        raise wrong("reason", wanted.reason, "why, for the audit trail")
    try:
        done = given.repricer.apply(
            period, author=author_of(request), reason=wanted.reason.strip(), plan_id=wanted.plan
        )
    except PlanOutdated as error:
        raise Refused(409, Problem(message=str(error), field="plan", value=wanted.plan)) from None
    return Answer(_answer(done.plan, when, done.adjusted))


def _answer(plan: Plan, when: Range, adjusted: int | None) -> Repriced:
    return Repriced(
        plan=plan.id,
        start=when.start,
        end=when.end,
        revision=plan.revision,
        applied=adjusted is not None,
        adjusted_calls=adjusted,
        total=price_change(plan.total) if plan.changes else None,
        changes=[price_change(change) for change in plan.changes],
    )


def price_change(change: Change) -> PriceChange:
    """A change as it is shown."""
    old = _known(change.old_nano_usd, change.old_unpriced)
    new = _known(change.new_nano_usd, change.new_unpriced)
    delta = None if old is None or new is None else new - old
    return PriceChange(
        provider=change.provider,
        model=change.model,
        tenant=change.tenant,
        calls=change.calls,
        changed_calls=change.changed,
        old_cost=_dollars(old),
        old_cost_nano_usd=old,
        new_cost=_dollars(new),
        new_cost_nano_usd=new,
        delta=_dollars(delta),
        delta_nano_usd=delta,
        old_unpriced_calls=change.old_unpriced,
        new_unpriced_calls=change.new_unpriced,
    )


def _known(nano_usd: int, unpriced: int) -> int | None:
    """A sum of money, or `None` if nothing but calls without a price is in it."""
    return None if unpriced and not nano_usd else nano_usd


def _dollars(nano_usd: int | None) -> Usd | None:
    return None if nano_usd is None else usd(nano_usd)
