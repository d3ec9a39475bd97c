"""`/quotas`: how many tokens each configuration may use, and has used, in its period."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Any

from fastapi import APIRouter, Path, Query, Request
from pydantic import BaseModel, ConfigDict, Field

from tollkeeper.model.limit import LARGEST_AMOUNT, Mode
from tollkeeper.sidecar.api.answer import NANOSECONDS, Answer, moment
from tollkeeper.sidecar.api.auth import author_of
from tollkeeper.sidecar.api.filters import LONGEST
from tollkeeper.sidecar.api.problems import Problem, Refusal, Refused, missing, wrong
from tollkeeper.sidecar.api.services import Given, Services
from tollkeeper.sidecar.quotas import DEFAULT_THRESHOLD, Quota
from tollkeeper.storage.policies.store import LONGEST_REASON

HOUR = 3600

router = APIRouter(tags=["limits"])
changes = APIRouter(tags=["limits"])
alerts = APIRouter(tags=["limits"])

Config = Annotated[str, Path(min_length=1, max_length=LONGEST, description="The tag `config`.")]
NOT_FOUND: dict[int | str, dict[str, Any]] = {
    404: {"model": Refusal, "description": "There is no such configuration, or it has no quota."}
}


class QuotaStatus(BaseModel):
    """One configuration, in the period of its quota; without a quota, in this month of UTC."""

    config_id: str = Field(examples=["openai-prod"])
    provider: str | None = Field(description="That most of its calls went to; null if there are none.")
    total_requests: int = Field(examples=[1000])
    successful_requests: int = Field(examples=[995])
    failed_requests: int = Field(examples=[5])
    total_tokens: int = Field(description="By the ledger, without what was reset.", examples=[85000])
    quota_limit: int | None = Field(description="Tokens; null where nobody has set a quota.", examples=[100_000])
    quota_remaining: int | None = Field(description="Never below zero.", examples=[15000])
    usage_percent: float | None = Field(examples=[85.0])
    mode: Mode | None = Field(description="`hard` denies calls beyond it; null without a quota.", examples=["hard"])
    alert_threshold_percent: int | None = Field(examples=[80])
    alert_triggered: bool = Field(description="Whether the threshold is reached.")
    reset_at: datetime = Field(description="When the period ends.")
    last_updated: datetime | None = Field(description="When its newest call was recorded.")
    last_alert_sent: datetime | None = Field(description="When somebody was last told; by `POST …/alerts`.")


class QuotaStatuses(BaseModel):
    """Of every configuration that has a quota, or was used this month."""

    quotas: list[QuotaStatus]


class NewQuota(BaseModel):
    """A quota that is to be in force. It becomes a limit of the policy."""

    model_config = ConfigDict(extra="forbid")

    quota_limit: int = Field(
        strict=True, ge=0, le=LARGEST_AMOUNT, description="Tokens a month.", examples=[100_000]
    )  # fmt: skip
    alert_threshold_percent: float = Field(
        default=DEFAULT_THRESHOLD, ge=1, le=100, description="A whole number: when to tell somebody."
    )
    mode: Mode = Field(default="hard", description="`hard` denies calls beyond it; `soft` only tells.")
    reason: str = Field(default="quota", min_length=1, max_length=LONGEST_REASON, description="For the audit trail.")


class ResetParams(BaseModel):
    """Why, and whether to take the quota itself away."""

    remove: bool = Field(default=False, description="Take the quota away, in place of beginning its usage anew.")
    reason: str = Field(default="quota reset", max_length=LONGEST_REASON, description="For the audit trail.")


class WantedAlert(BaseModel):
    """How often to tell of a quota."""

    model_config = ConfigDict(extra="forbid")

    interval_seconds: int = Field(
        default=HOUR, strict=True, ge=0, le=366 * 24 * HOUR, description="Once in so long a time."
    )


class AlertClaim(BaseModel):
    """Whether the one who asks is to tell."""

    claimed: bool = Field(description="Of all who ask in one interval, one is to tell.")


@router.get("/quotas", response_model=QuotaStatuses, summary="The quotas of all configurations")
def quotas(given: Given) -> Answer:
    """Requests and tokens of each, and what is left."""
    return Answer(QuotaStatuses(quotas=[_status(quota) for quota in given.quotas.all()]))


@router.get("/quotas/{config:path}", response_model=QuotaStatus, summary="One quota", responses=NOT_FOUND)
def quota(given: Given, config: Config) -> Answer:
    """Of a configuration that has a quota, or was used in this period."""
    return Answer(_found(given, config))


@changes.put("/quotas/{config:path}", response_model=QuotaStatus, summary="Set a quota")
def set_quota(request: Request, given: Given, config: Config, new: NewQuota) -> Answer:
    """As a limit of the policy, by the month of UTC. What was used stays."""
    threshold = int(new.alert_threshold_percent)
    if threshold != new.alert_threshold_percent:
        raise wrong("alert_threshold_percent", new.alert_threshold_percent, "a whole number from 1 to 100")
    try:
        given.quotas.set(
            config, new.quota_limit, threshold, new.mode, author=author_of(request), reason=new.reason
        )  # fmt: skip
    except ValueError as error:
        raise Refused(422, Problem(message=str(error), field="config")) from None
    return Answer(_found(given, config))


@changes.delete("/quotas/{config:path}", response_model=QuotaStatus, summary="Reset a quota", responses=NOT_FOUND)
def reset_quota(request: Request, given: Given, config: Config, params: Annotated[ResetParams, Query()]) -> Answer:
    """Begin its usage anew, within its period. The quota stays, and so does everything in the ledger.

    With `remove`, the configuration has no quota of its own any more.
    """
    if params.remove:
        removed = given.quotas.remove(config, author=author_of(request), reason=params.reason)
        if removed is None:
            raise missing("quota", config)
        return Answer(_status(removed))
    if not given.quotas.reset(config, author=author_of(request), reason=params.reason):
        raise missing("quota", config)
    return Answer(_found(given, config))


@alerts.post("/quotas/{config:path}/alerts", response_model=AlertClaim, summary="Whether to tell of a quota now")
def claim_alert(request: Request, given: Given, config: Config, wanted: WantedAlert) -> Answer:
    """For programs that tell people: however many of them watch a quota, one tells, once an interval."""
    interval = wanted.interval_seconds * NANOSECONDS
    return Answer(AlertClaim(claimed=given.quotas.claim_alert(config, author_of(request), interval)))


def _found(given: Services, config: str) -> QuotaStatus:
    found = given.quotas.one(config)
    if found is None:
        raise missing("config", config)
    return _status(found)


def _status(quota: Quota) -> QuotaStatus:
    def when(at: int | None) -> datetime | None:
        return None if at is None else moment(at)

    limit = quota.limit
    return QuotaStatus(
        config_id=quota.config,
        provider=quota.provider,
        total_requests=quota.calls,
        successful_requests=quota.calls - quota.failed,
        failed_requests=quota.failed,
        total_tokens=quota.tokens,
        quota_limit=None if limit is None else limit.amount,
        quota_remaining=None if limit is None else max(limit.amount - quota.tokens, 0),
        usage_percent=None if quota.percent is None else round(quota.percent, 4),
        mode=None if limit is None else limit.mode,
        alert_threshold_percent=quota.threshold,
        alert_triggered=quota.is_near,
        reset_at=moment(quota.resets_at),
        last_updated=when(quota.updated_at),
        last_alert_sent=when(quota.alerted_at),
    )
