"""`GET /limits…` and `POST /check`: how the limits stand, what is under way, and whether a call would be admitted."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Annotated
from uuid import UUID

from fastapi import APIRouter, Query
from pydantic import BaseModel, ConfigDict, Field

from tollkeeper.model import Call
from tollkeeper.model.call import Operation
from tollkeeper.model.limit import LARGEST_AMOUNT, PER, Limit
from tollkeeper.policy.scope import may_bind, usage_of
from tollkeeper.pricing import Catalog
from tollkeeper.sidecar.api.answer import Answer, moment
from tollkeeper.sidecar.api.filters import LONGEST
from tollkeeper.sidecar.api.limit_models import (
    Check,
    HeldCall,
    HeldCharge,
    InFlight,
    Limits,
    amount_of,
    check_of,
    status_of,
    summary_of,
)
from tollkeeper.sidecar.api.services import Given
from tollkeeper.storage.counters import Charge, Hold
from tollkeeper.storage.ladders import change_now
from tollkeeper.storage.outlook import foresee

router = APIRouter(tags=["limits"])

NS_A_MILLISECOND = 1_000_000
MOST_TAGS = 64


def _of(meaning: str) -> str | None:
    found: str | None = Field(default=None, max_length=LONGEST, description=meaning)
    return found


class ScopeParams(BaseModel):
    """Whose limits. Those for everybody are always among them."""

    tenant: str | None = _of("The tag `tenant`; empty: of calls without one.")
    project: str | None = _of("The tag `project`.")
    user: str | None = _of("The tag `user`.")
    session: str | None = _of("The tag `session`.")
    service: str | None = _of("The tag `service`.")
    feature: str | None = _of("The tag `feature`.")
    config: str | None = _of("The tag `config`.")
    model: str | None = _of("The model, as calls ask for it.")
    provider: str | None = _of("The provider, as calls name it.")

    def scope(self) -> dict[str, str]:
        """What is given."""
        return {name: value for name in PER if (value := getattr(self, name)) is not None}


class WantedCall(BaseModel):
    """A call that somebody thinks of making."""

    model_config = ConfigDict(extra="forbid")

    provider: str = Field(min_length=1, max_length=LONGEST, examples=["openai"])
    model: str = Field(min_length=1, max_length=LONGEST, examples=["gpt-4o-mini"])
    operation: Operation = "chat"
    tags: dict[str, str] = Field(
        default={}, max_length=MOST_TAGS, examples=[{"tenant": "acme", "user": "u-17"}],
        description="As the call would have them.",
    )  # fmt: skip
    input_tokens: int | None = Field(
        default=None, ge=0, le=LARGEST_AMOUNT, description="The most that its input can have; null: nobody can tell."
    )
    output_tokens: int | None = Field(
        default=None, ge=0, le=LARGEST_AMOUNT,
        description="The most that its answer may have; null: what the limits put into a call that does not say it.",
    )  # fmt: skip


@router.get("/limits", response_model=Limits, summary="How the limits stand")
def limits(given: Given, params: Annotated[ScopeParams, Query()]) -> Answer:
    """For a user, a tenant or any other scope: requests by minute, hour, day and month, and every limit of any kind."""
    scope = params.scope()
    found = [each for each in given.limiting.admission().statuses(scope) if may_bind(each.limit, scope)]
    return Answer(Limits(scope=scope, **summary_of(found, scope), limits=[status_of(each) for each in found]))


@router.get("/limits/in-flight", response_model=InFlight, summary="What is under way")
def in_flight(given: Given) -> Answer:
    """Calls that were admitted and have not ended: who has them, since when, and what they hold."""
    known = {limit.name: limit for limit in given.limiting.policy.limits}
    held = [_held(hold, known) for hold in given.limiting.counters.holds()]
    return Answer(InFlight(calls=sorted(held, key=lambda one: one.started_at or one.expires_at)))


@router.post("/check", response_model=Check, summary="Whether a call would be admitted")
def check(given: Given, wanted: WantedCall) -> Answer:
    """By all the limits that bind it, at this moment, and as the steps of ladders and an emergency would have it sent.

    Nothing is held: the call itself may still be denied. A step that an app has not left yet is only known to the app.
    """
    admission = given.limiting.admission()
    call = Call(
        id="",
        provider=wanted.provider,
        operation=wanted.operation,
        started_at=admission.counters.now(),
        request_model=wanted.model,
        tags=wanted.tags,
    )
    # A catalogue of its own: those that price calls remember what they look up.
    catalog = Catalog(given.price_book.overlay())
    tokens = wanted.input_tokens, wanted.output_tokens
    return Answer(check_of(foresee(admission, call, change_now(admission, call), tokens, catalog.rates)))


def _held(hold: Hold, known: Mapping[str, Limit]) -> HeldCall:
    return HeldCall(
        id=hold.id,
        owner=hold.owner,
        started_at=_started(hold.id),
        expires_at=moment(hold.expires_at),
        charges=[_charge(charge, known) for charge in hold.charges],
    )


def _charge(charge: Charge, known: Mapping[str, Limit]) -> HeldCharge:
    usage = usage_of(charge.key)
    limit = None if usage is None else known.get(usage.limit)
    if limit is None or usage is None or len(limit.per) != len(usage.values):
        return HeldCharge(
            limit=usage and usage.limit, scope=None, measure=None, amount=charge.amount, key=charge.key
        )  # fmt: skip
    return HeldCharge(
        limit=limit.name,
        scope=dict(zip(limit.per, usage.values, strict=True)),
        measure=limit.measure,
        amount=amount_of(limit.measure, charge.amount),
        key=charge.key,
    )


def _started(id: str) -> datetime | None:
    """A call's id is a UUIDv7, which begins with the moment at which it was made; `#` and a number is an attempt."""
    try:
        made = UUID(id.partition("#")[0])
    except ValueError:
        return None
    return moment((made.int >> 80) * NS_A_MILLISECOND) if made.version == 7 else None
