"""`POST /policy/backtest`: what a policy would have done to the calls of a period."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from fastapi import APIRouter
from pydantic import BaseModel, ConfigDict, Field

from tollkeeper.model import Call
from tollkeeper.policy.forms import write_form
from tollkeeper.pricing import Catalog
from tollkeeper.sidecar.api.answer import Answer, NanoUsd, Usd, moment, usd
from tollkeeper.sidecar.api.filters import RangeParams
from tollkeeper.sidecar.api.policy import EXAMPLE, read_document
from tollkeeper.sidecar.api.problems import Problem, Refused
from tollkeeper.sidecar.api.services import Given
from tollkeeper.sidecar.api.sums import add
from tollkeeper.storage.backtest import Outcome, backtest, warm_up
from tollkeeper.storage.ledger import UsageQuery

MOST_CALLS = 1_000_000
MOST_OUTCOMES = 200

router = APIRouter(tags=["limits"])


class Wanted(RangeParams):
    """A policy, and the period to replay."""

    model_config = ConfigDict(extra="forbid")

    document: dict[str, Any] = Field(description="As a policy file, in JSON.", examples=[EXAMPLE])


class ToldOf(BaseModel):
    """A percentage of a limit that somebody would have been told of."""

    percent: int = Field(description="101: the limit was exceeded, as a soft one can be.", examples=[80])
    times: int = Field(description="Once a period, for each scope; the highest where one call passes several.")
    first_at: datetime


class LimitOutcome(BaseModel):
    """What one limit would have done to those whom `scope` names."""

    limit: str = Field(description="Its name.")
    form: str = Field(examples=["$10 / day per tenant"])
    mode: str
    scope: dict[str, str]
    calls: int = Field(description="That came under it.")
    denied: int
    delayed: int = Field(description="Let go after a wait.")
    reasons: dict[str, int] = Field(description="Why they were denied.", examples=[{"used_up": 12}])
    degraded: dict[str, int] = Field(
        description="Calls that came under it and would have been changed, by step.", examples=[{"cheaper": 40}]
    )
    saved_tokens: int = Field(description="Of the denied calls.")
    saved: Usd = Field(description="What the denied calls cost, where that is known.")
    unknown: int = Field(description="Denied calls without a price.")
    first_denied_at: datetime | None
    last_denied_at: datetime | None
    told: list[ToldOf]


class Backtested(BaseModel):
    """What a policy would have done. Each call held what it truly used; estimates before a call are higher, so that
    real limits deny a little earlier. Failover is not replayed."""

    start: datetime
    end: datetime
    zone: str
    calls: int
    denied: int
    delayed: int = Field(description="Let go after a wait.")
    unmeasured: int = Field(description="Calls whose usage nobody knows: replayed as if they had used nothing.")
    tokens: int
    cost: Usd = Field(description="What all calls cost, where that is known.")
    saved_tokens: int
    saved: Usd = Field(description="The part of it that the denied calls cost.")
    saved_nano_usd: NanoUsd
    unknown: int = Field(description="Denied calls without a price: what they would have saved is not known.")
    degraded: int = Field(description="Calls that would have been sent otherwise: to another model, or cut short.")
    degraded_saved: Usd = Field(description="What that would have saved besides, with as many tokens.")
    emergency_at: datetime | None = Field(description="When an emergency would have begun; it stays, in the replay.")
    outcomes: list[LimitOutcome] = Field(description="By limit and scope, those that deny most first.")
    more_outcomes: int = Field(description=f"Those after the first {MOST_OUTCOMES}, which are left out.")


@router.post("/policy/backtest", response_model=Backtested, summary="What a policy would have done")
def replay(given: Given, wanted: Wanted) -> Answer:
    """Replays the ledger's calls of a period, in order, against a policy. Nothing is changed by it."""
    policy = read_document(wanted.document)
    when = wanted.range(given.now())
    begins = warm_up(policy, when.start_ns)
    number = add(row.totals for row in given.ledger.usage(UsageQuery(begins, when.end_ns))).calls
    if number > MOST_CALLS:
        told = f"a period of at most {MOST_CALLS:,} calls, with those that its limits already count"
        problem = Problem(message=f"the period has {number:,} calls; expected {told}", field="start", expected=told)
        raise Refused(422, problem)
    # A catalogue of its own: those that price calls remember what they look up.
    catalog = Catalog(given.price_book.overlay())

    def reprice(call: Call) -> int | None:
        cost, _ = catalog.price(call)
        return None if cost is None else cost.nano_usd

    found = backtest(policy, given.ledger.select_calls(begins, when.end_ns), when.start_ns, reprice)
    shown = found.outcomes[:MOST_OUTCOMES]
    return Answer(
        Backtested(
            start=when.start,
            end=when.end,
            zone=when.zone.key,
            calls=found.calls,
            denied=found.denied,
            delayed=found.delayed,
            unmeasured=found.unmeasured,
            tokens=found.tokens,
            cost=usd(found.nano_usd),
            saved_tokens=found.saved_tokens,
            saved=usd(found.saved_nano_usd),
            saved_nano_usd=found.saved_nano_usd,
            unknown=found.unknown,
            degraded=found.degraded,
            degraded_saved=usd(found.degraded_saved_nano_usd),
            emergency_at=None if found.emergency_at is None else moment(found.emergency_at),
            outcomes=[_outcome(outcome) for outcome in shown],
            more_outcomes=len(found.outcomes) - len(shown),
        )
    )


def _outcome(outcome: Outcome) -> LimitOutcome:
    def when(at: int | None) -> datetime | None:
        return None if at is None else moment(at)

    return LimitOutcome(
        limit=outcome.limit.name,
        form=write_form(outcome.limit),
        mode=outcome.limit.mode,
        scope=dict(outcome.scope),
        calls=outcome.calls,
        denied=outcome.denied,
        delayed=outcome.delayed,
        reasons=dict(outcome.reasons),
        degraded=dict(outcome.degraded),
        saved_tokens=outcome.tokens,
        saved=usd(outcome.nano_usd),
        unknown=outcome.unknown,
        first_denied_at=when(outcome.first_denied_at),
        last_denied_at=when(outcome.last_denied_at),
        told=[
            ToldOf(percent=percent, times=told.times, first_at=moment(told.first_at))
            for percent, told in sorted(outcome.told.items())
        ],
    )
