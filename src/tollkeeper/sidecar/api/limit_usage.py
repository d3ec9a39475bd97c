"""`GET /limits/usage`: every limit of the policy, and how far those have used it whom it counts for."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from itertools import groupby
from typing import Annotated, Any

from fastapi import APIRouter, Query
from pydantic import BaseModel, Field

from tollkeeper.model.ladder import Do, Ladder
from tollkeeper.model.limit import Limit, Measure, Mode, Per, Unavailable
from tollkeeper.policy.forms import window_text, write_form
from tollkeeper.policy.ladder import steps_in_force
from tollkeeper.policy.match_table import calls_text, match_document
from tollkeeper.policy.quota import config_of
from tollkeeper.sidecar.api.answer import Answer, moment
from tollkeeper.sidecar.api.filters import LONGEST
from tollkeeper.sidecar.api.limit_models import Amount, amount_of, is_cap
from tollkeeper.sidecar.api.problems import Refusal, missing
from tollkeeper.sidecar.api.services import Given, Services
from tollkeeper.sidecar.findings import told_at
from tollkeeper.sidecar.limit_use import LimitUse
from tollkeeper.sidecar.limit_watch import tells_denials

MOST_SHOWN = 1000

router = APIRouter(tags=["limits"])

NOT_FOUND: dict[int | str, dict[str, Any]] = {404: {"model": Refusal, "description": "There is no such limit."}}


class LadderStep(BaseModel):
    """What is done from a percentage of a limit on."""

    at: int = Field(description="Percent of the amount.", examples=[80])
    do: Do = Field(examples=["cheaper"])


class ScopeUse(BaseModel):
    """How far one of those whom a limit counts for has used it, in the period that is running."""

    scope: dict[str, str] = Field(description="Whose usage it is; empty: everybody's.", examples=[{"tenant": "acme"}])
    used: Amount = Field(description="Without what is held, but of concurrency; by counters or ledger, whichever more.")
    held: Amount = Field(description="By calls that are under way.")
    remaining: Amount = Field(description="Of the amount without both. Never below zero.")
    ratio: float = Field(description="Used, of the amount; of an amount of zero, 1.", examples=[0.83])
    elapsed: float | None = Field(description="How much of the period is over, of 1; null without a period.")
    period_start: datetime | None
    resets_at: datetime | None = Field(description="Null where nothing begins anew.")
    step: LadderStep | None = Field(description="Of its ladder, the highest step that is reached.")
    denied: int | None = Field(
        description="Calls that this process has denied in this period; null where that is not counted."
    )


class LimitUsage(BaseModel):
    """One limit, and the fullest of those whom it counts for."""

    name: str = Field(examples=["usd-month-per-tenant"])
    form: str = Field(description="What it says.", examples=["$100 / month per tenant"])
    measure: Measure
    amount: Amount
    window: str | None = Field(description="Null for concurrency; `request` binds each call by itself.")
    time_zone: str | None = Field(description="Whose days, weeks and months; null without a calendar.")
    per: list[Per]
    mode: Mode
    calls: str = Field(description="Which calls it is for.", examples=["every call"])
    match: dict[str, Any] = Field(
        description="The same as a policy says it; empty: every call.", examples=[{"tags": {"tenant": "acme"}}]
    )
    exempt: list[str] = Field(description="Calls that it does not bind.", examples=[["ollama/*"]])
    thresholds: list[int] = Field(
        description="The percentages that channels are told of: where no others are set, of a limit of less than an "
        "hour, or a rolling one, 100 alone; of one of single calls, none."
    )
    wait_seconds: float = Field(description="For how long a call may wait for room before it is denied.")
    on_unavailable: Unavailable
    steps: list[LadderStep] = Field(description="Of its ladder.")
    config: str | None = Field(description="The configuration whose own quota it is, as `/quotas` has it; else null.")
    counted: bool = Field(description="Whether anything is counted: not of limits of each call by itself.")
    known: bool = Field(description="False where nobody can tell how all of them stand: counters are away.")
    scopes: int = Field(description="How many there are whom it counts for, at this time.")
    uses: list[ScopeUse] = Field(description="Those who have used the most, the fullest first.")


class LimitUsages(BaseModel):
    """Every limit of the policy in force, the fullest first."""

    at: datetime
    policy_version: int
    limits: list[LimitUsage]


class UsageParams(BaseModel):
    """Which limit, and how many of those it counts for."""

    limit: str | None = Field(default=None, max_length=LONGEST, description="Only the limit of this name.")
    most: int = Field(default=10, ge=1, le=MOST_SHOWN, description="Of each limit, the fullest so many.")


@router.get("/limits/usage", response_model=LimitUsages, summary="How far every limit is used", responses=NOT_FOUND)
def usage(given: Given, params: Annotated[UsageParams, Query()]) -> Answer:
    """By all whom it counts for, whoever they are; of short and rolling limits, by those who made calls of late."""
    admission, looked = given.limiting.admission(), given.uses.lately()
    policy = admission.policy
    if params.limit is not None and params.limit not in {limit.name for limit in policy.limits}:
        raise missing("limit", params.limit)
    ladders = {ladder.limit: ladder for ladder in policy.ladders}
    uses = {name: sorted(group, key=lambda use: -use.ratio) for name, group in groupby(looked.uses, _name)}
    found = [
        _usage(
            given, limit, ladders.get(limit.name), uses.get(limit.name, []), limit.name not in looked.unknown, params
        )
        for limit in policy.limits
        if params.limit in (None, limit.name)
    ]
    found.sort(key=lambda one: -max((use.ratio for use in one.uses), default=-1.0))
    return Answer(
        LimitUsages(at=moment(looked.at), policy_version=given.limiting.policies.revision(), limits=found)
    )  # fmt: skip


def _usage(
    given: Services, limit: Limit, ladder: Ladder | None, uses: Sequence[LimitUse], known: bool, params: UsageParams
) -> LimitUsage:
    has_calendar = limit.window is not None and not limit.window.rolling
    return LimitUsage(
        name=limit.name,
        form=write_form(limit),
        measure=limit.measure,
        amount=amount_of(limit.measure, limit.amount),
        window=None if limit.measure == "concurrency" else window_text(limit.window, limit.measure),
        time_zone=limit.window.zone if limit.window is not None and has_calendar else None,
        per=list(limit.per),
        mode=limit.mode,
        calls=" but ".join([calls_text(limit.match), *map(calls_text, limit.exempt)]),
        match=match_document(limit.match),
        exempt=[calls_text(each) for each in limit.exempt],
        thresholds=list(told_at(limit)),
        wait_seconds=limit.wait,
        on_unavailable=limit.on_unavailable,
        steps=[LadderStep(at=step.at, do=step.do) for step in ladder.steps] if ladder else [],
        config=config_of(limit),
        counted=not is_cap(limit),
        known=known,
        scopes=len(uses),
        uses=[_use(given, use, ladder) for use in uses[: params.most]],
    )


def _use(given: Services, use: LimitUse, ladder: Ladder | None) -> ScopeUse:
    limit, now = use.limit, given.now_nanoseconds()
    in_force = 0 if ladder is None else steps_in_force(ladder, 100.0 * use.ratio, 0)
    step = ladder.steps[in_force - 1] if ladder is not None and in_force else None
    under_way = 0 if limit.measure == "concurrency" else use.held
    watch = given.watch
    return ScopeUse(
        scope=dict(use.scope),
        used=amount_of(limit.measure, use.used),
        held=amount_of(limit.measure, use.held),
        remaining=amount_of(limit.measure, max(limit.amount - use.used - under_way, 0)),
        ratio=round(use.ratio, 6),
        elapsed=use.elapsed(now),
        period_start=moment(use.period_start) if use.period_end else None,
        resets_at=moment(use.period_end) if use.period_end else None,
        step=None if step is None else LadderStep(at=step.at, do=step.do),
        denied=watch.denied(use.key, now) if watch is not None and tells_denials(limit) else None,
    )


def _name(use: LimitUse) -> str:
    return use.limit.name
