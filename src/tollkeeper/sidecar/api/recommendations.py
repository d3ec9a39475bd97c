"""`/recommendations`: what could be cheaper, by how much; that somebody does it, or will not; and whether it saved."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Any

from fastapi import APIRouter, Path, Query, Request
from pydantic import BaseModel, ConfigDict, Field

from tollkeeper.insight.advice.recommendation import Confidence, Kind, Means, Recommendation, Saving
from tollkeeper.insight.advice.tracking import Verdict
from tollkeeper.sidecar.api.answer import Answer, NanoUsd, Usd, moment, usd
from tollkeeper.sidecar.api.auth import author_of
from tollkeeper.sidecar.api.filters import LONGEST
from tollkeeper.sidecar.api.problems import Problem, Refusal, Refused, missing, wrong
from tollkeeper.sidecar.api.services import Given
from tollkeeper.sidecar.insight.advice import NAME
from tollkeeper.storage.insight.recommendations import Kept, State
from tollkeeper.storage.policies.store import LONGEST_REASON

router = APIRouter(tags=["insight"])
changes = APIRouter(tags=["insight"])

AdviceId = Annotated[str, Path(min_length=1, max_length=LONGEST)]
NOT_FOUND: dict[int | str, dict[str, Any]] = {404: {"model": Refusal, "description": "There is no such advice."}}
NOT_OPEN: dict[int | str, dict[str, Any]] = {
    **NOT_FOUND,
    409: {"model": Refusal, "description": "It is not open any more; the message says what it is."},
}


class SavingRange(BaseModel):
    """US dollars in a month of thirty days: what is likely, and between what it is in four of five cases."""

    low: Usd
    mid: Usd = Field(examples=[19.74])
    high: Usd
    low_nano_usd: NanoUsd
    mid_nano_usd: NanoUsd
    high_nano_usd: NanoUsd


class WayToDoIt(BaseModel):
    """`policy`: TOML for the policy file. `code`: Python. `command`: for a shell."""

    means: Means
    text: str


class TrackedSaving(BaseModel):
    """Whether it has saved: what the calls since have cost, against what they would have cost without it."""

    verdict: Verdict = Field(description="`unclear`: nothing is in the range, too.")
    says: str = Field(description="The verdict in words.")
    until: datetime = Field(description="Calls until then are counted.")
    calls: int
    followed_calls: int = Field(description="Made in the new way.")
    cost: Usd = Field(description="Of these calls.")
    cost_without: Usd | None
    saved: Usd | None = Field(description="Since it was accepted; null where nothing can be said yet.")
    saved_nano_usd: NanoUsd | None
    low: Usd | None = Field(description="In nineteen of twenty cases it is no less than that,")
    high: Usd | None = Field(description="and no more.")


class RecommendationState(BaseModel):
    """Advice, and what became of it."""

    id: str
    kind: Kind
    scope: dict[str, str] = Field(examples=[{"feature": "search"}])
    subject: str
    title: str
    state: State = Field(description="`gone`: it would not be given any more.")
    saving: SavingRange | None = Field(description="Null where it cannot be told in money.")
    spend: Usd | None = Field(description="What the calls that it is about cost in a month, at today's prices.")
    confidence: Confidence
    alternative_to: str | None = Field(
        description="The id of better advice for the same calls: savings of both do not add up."
    )
    made_at: datetime
    seen_at: datetime = Field(description="When it was last given.")
    decided_by: str | None
    decided_at: datetime | None
    reason: str | None
    tracking: TrackedSaving | None = Field(description="Of what was accepted, once a day.")


class RecommendationDetail(RecommendationState):
    """With all that it rests on."""

    evidence: dict[str, Any] = Field(description="Figures, by name. Money is in nano-dollars.")
    rests_on: list[str]
    ways: list[WayToDoIt] = Field(description="How to do it.")
    risks: list[str] = Field(description="What could go wrong.")
    before: dict[str, Any] | None = Field(description="What was measured when it was accepted.")


class RecommendationList(BaseModel):
    """The largest savings first."""

    evaluated_at: datetime | None = Field(description="Null: nobody has looked yet; it is done once a day.")
    total: SavingRange = Field(description="Of those that are open and no alternative to another one.")
    recommendations: list[RecommendationState]


class RecommendationParams(BaseModel):
    """Which advice."""

    state: State | None = Field(default=None, description="Open, if nothing is said.")
    kind: Kind | None = None


class Acceptance(BaseModel):
    """Somebody does it."""

    model_config = ConfigDict(extra="forbid")

    reason: str = Field(default="", max_length=LONGEST_REASON, description="For the audit trail.")


class Dismissal(BaseModel):
    """Nobody wants it."""

    model_config = ConfigDict(extra="forbid")

    reason: str = Field(max_length=LONGEST_REASON, description="Why, for the audit trail and whoever asks later.")


@router.get("/recommendations", response_model=RecommendationList, summary="What could be cheaper")
def recommendations(given: Given, params: Annotated[RecommendationParams, Query()]) -> Answer:
    """Made once a day, from the last thirty days. Savings are of a month of thirty days."""
    kept = given.insight.advice.recommendations.all((params.state or "open",), params.kind)
    latest = given.insight.evaluations.latest(NAME)
    return Answer(
        RecommendationList(
            evaluated_at=None if latest is None else moment(latest.at),
            total=_saving(_total([one.recommendation for one in kept if one.state == "open"])),
            recommendations=[RecommendationState(**_fields(one)) for one in kept],
        )
    )


@router.get(
    "/recommendations/{id}", response_model=RecommendationDetail, summary="One recommendation", responses=NOT_FOUND
)
def recommendation(given: Given, id: AdviceId) -> Answer:
    """With its evidence, how to do it, what could go wrong, and whether it has saved."""
    kept = given.insight.advice.recommendations.one(id)
    if kept is None:
        raise missing("recommendation", id)
    return Answer(_detail(kept))


@changes.post(
    "/recommendations/{id}/accept", response_model=RecommendationDetail, summary="Take advice", responses=NOT_OPEN
)
def accept(request: Request, given: Given, id: AdviceId, said: Acceptance) -> Answer:
    """What was until now is measured; whether it saves is told from then on. Nothing else is changed by it."""
    author = author_of(request)
    kept = given.insight.advice.accept(id, given.now_nanoseconds(), author=author, reason=said.reason)
    if kept is None:
        raise _undecidable(given.insight.advice.recommendations.one(id), id)
    return Answer(_detail(kept))


@changes.post(
    "/recommendations/{id}/dismiss", response_model=RecommendationDetail, summary="Dismiss advice", responses=NOT_OPEN
)
def dismiss(request: Request, given: Given, id: AdviceId, said: Dismissal) -> Answer:
    """It is not shown again, unless it would save twice as much."""
    if not said.reason.strip():
        raise wrong("reason", said.reason, "why, for the audit trail")
    recommendations = given.insight.advice.recommendations
    kept = recommendations.dismiss(id, author=author_of(request), reason=said.reason.strip())
    if kept is None:
        raise _undecidable(recommendations.one(id), id)
    return Answer(_detail(kept))


def _undecidable(kept: Kept | None, id: str) -> Refused:
    if kept is None:
        return missing("recommendation", id)
    if kept.state == "gone":
        return Refused(409, Problem(message=f"recommendation {id!r} is gone: the ledger does not say so any more"))
    return Refused(409, Problem(message=f"recommendation {id!r} is {kept.state} already, by {kept.decided_by}"))


def _total(found: list[Recommendation]) -> Saving:
    savings = [one.saving for one in found if one.saving is not None and one.alternative_to is None]
    return Saving(*(sum(amounts) for amounts in zip(*savings, strict=True))) if savings else Saving(0, 0, 0)


def _saving(saving: Saving) -> SavingRange:
    low, mid, high = saving
    return SavingRange(
        low=usd(low), mid=usd(mid), high=usd(high), low_nano_usd=low, mid_nano_usd=mid, high_nano_usd=high
    )


def _detail(kept: Kept) -> RecommendationDetail:
    advice = kept.recommendation
    return RecommendationDetail(
        **_fields(kept),
        evidence=dict(advice.evidence),
        rests_on=list(advice.rests_on),
        ways=[WayToDoIt(means=way.means, text=way.text) for way in advice.ways],
        risks=list(advice.risks),
        before=None if kept.before is None else dict(kept.before),
    )


def _fields(kept: Kept) -> dict[str, Any]:
    advice = kept.recommendation
    return {
        "id": advice.id,
        "kind": advice.kind,
        "scope": dict(advice.scope),
        "subject": advice.subject,
        "title": advice.title,
        "state": kept.state,
        "saving": None if advice.saving is None else _saving(advice.saving),
        "spend": _dollars(advice.spend),
        "confidence": advice.confidence,
        "alternative_to": advice.alternative_to,
        "made_at": moment(kept.made_at),
        "seen_at": moment(kept.seen_at),
        "decided_by": kept.decided_by,
        "decided_at": None if kept.decided_at is None else moment(kept.decided_at),
        "reason": kept.reason,
        "tracking": None if kept.tracking is None else _tracked(kept.tracking),
    }


def _tracked(tracking: Any) -> TrackedSaving:
    return TrackedSaving(
        verdict=tracking["verdict"],
        says=tracking["says"],
        until=moment(tracking["until"]),
        calls=tracking["calls"],
        followed_calls=tracking["followed"],
        cost=usd(tracking["nano_usd"]),
        cost_without=_dollars(tracking["without"]),
        saved=_dollars(tracking["saved"]),
        saved_nano_usd=tracking["saved"],
        low=_dollars(tracking["low"]),
        high=_dollars(tracking["high"]),
    )


def _dollars(nano_usd: int | None) -> Usd | None:
    return None if nano_usd is None else usd(nano_usd)
