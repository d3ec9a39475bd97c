"""`GET /limits/agreement` and `POST /limits/rebuild`: whether the counters agree with the ledger, and making them."""

from __future__ import annotations

from fastapi import APIRouter, Request
from pydantic import BaseModel, ConfigDict, Field

from tollkeeper.model.limit import Measure
from tollkeeper.sidecar.agreement import Comparison
from tollkeeper.sidecar.api.answer import Answer
from tollkeeper.sidecar.api.auth import author_of
from tollkeeper.sidecar.api.limit_models import Amount, amount_of
from tollkeeper.sidecar.api.services import Given
from tollkeeper.storage.policies.store import LONGEST_REASON

MOST_SHOWN = 1000

router = APIRouter(tags=["limits"])
changes = APIRouter(tags=["limits"])


class Difference(BaseModel):
    """A limit and scope whose counters do not agree with the ledger, in the period that is running."""

    limit: str
    measure: Measure
    scope: dict[str, str]
    ledger: Amount = Field(description="What the ledger has, without what was reset.")
    spent: Amount = Field(description="What the counters have.")
    assumed: Amount = Field(description="The part of that which was charged for calls that nobody settled.")
    missing: Amount = Field(description="What the ledger has, and the counters have not.")
    excess: Amount = Field(description="What the counters have beyond the ledger, and beyond what was assumed.")


class Unchecked(BaseModel):
    """A limit that could not be compared."""

    limit: str
    reason: str


class LimitAgreement(BaseModel):
    """Ledger ≤ counters ≤ ledger and what was assumed, for limits by the hour and longer; not for rolling ones."""

    checked: int = Field(description="Limits and scopes that were compared.")
    expected: int = Field(description="Those with more requests than the ledger has calls: SDKs' retries are counted.")
    differences: list[Difference] = Field(description=f"Where that is not so; at most {MOST_SHOWN:,}.")
    unchecked: list[Unchecked]


class WantedRebuild(BaseModel):
    """How to rebuild."""

    model_config = ConfigDict(extra="forbid")

    lower: bool = Field(
        default=False, description="Also take away what is in excess. Some of that may be on its way to the ledger."
    )
    reason: str = Field(min_length=1, max_length=LONGEST_REASON, description="For the audit trail.")


class BookedAmount(BaseModel):
    """What was added to a counter."""

    limit: str
    measure: Measure
    scope: dict[str, str]
    amount: Amount


class Rebuilt(BaseModel):
    """What was done."""

    booked: list[BookedAmount]


@router.get("/limits/agreement", response_model=LimitAgreement, summary="Whether counters and ledger agree")
def agreement(given: Given) -> Answer:
    """Compared now. `/metrics` has what is compared every few minutes."""
    found = given.agreement.check()
    differing = [one for one in found.comparisons if one.missing or one.excess]
    wrong = [one for one in differing if not one.is_expected]
    return Answer(
        LimitAgreement(
            checked=len(found.comparisons),
            expected=len(differing) - len(wrong),
            differences=[_difference(one) for one in wrong[:MOST_SHOWN]],
            unchecked=[Unchecked(limit=name, reason=reason) for name, reason in found.unchecked.items()],
        )
    )


@changes.post("/limits/rebuild", response_model=Rebuilt, summary="Make the counters agree with the ledger")
def rebuild(request: Request, given: Given, wanted: WantedRebuild) -> Answer:
    """Book what is missing. What was never missing is not touched, and nothing that is held is."""
    booked = given.agreement.rebuild(author=author_of(request), reason=wanted.reason, lower=wanted.lower)
    return Answer(
        Rebuilt(
            booked=[
                BookedAmount(
                    limit=one.limit.name,
                    measure=one.limit.measure,
                    scope=dict(one.scope),
                    amount=amount_of(one.limit.measure, amount),
                )
                for one, amount in booked
            ]
        )
    )


def _difference(one: Comparison) -> Difference:
    measure = one.limit.measure
    return Difference(
        limit=one.limit.name,
        measure=measure,
        scope=dict(one.scope),
        ledger=amount_of(measure, one.ledger),
        spent=amount_of(measure, one.level.spent),
        assumed=amount_of(measure, one.level.assumed),
        missing=amount_of(measure, one.missing),
        excess=amount_of(measure, one.excess),
    )
