"""`/anomalies`: what is unusual and what was, and why; people say that they have seen one, and whether it was real."""

from __future__ import annotations

from datetime import datetime
from decimal import Decimal
from typing import Annotated, Any, Literal

from fastapi import APIRouter, Path, Query, Request
from pydantic import BaseModel, ConfigDict, Field, WithJsonSchema

from tollkeeper.insight.anomaly.anomaly import Anomaly, AnomalyKind, Contributor
from tollkeeper.insight.anomaly.labels import Label
from tollkeeper.insight.anomaly.wording import lines_of, title_of
from tollkeeper.insight.series import Metric, Step
from tollkeeper.model.finding import Severity
from tollkeeper.sidecar.api.answer import Answer, Usd, moment, usd
from tollkeeper.sidecar.api.auth import author_of
from tollkeeper.sidecar.api.filters import LONGEST, RangeParams
from tollkeeper.sidecar.api.problems import Refusal, missing
from tollkeeper.sidecar.api.services import Given, Services
from tollkeeper.sidecar.insight.anomaly_findings import finding_of
from tollkeeper.storage.alerts.store import AlertQuery
from tollkeeper.storage.insight.anomalies import AnomalyQuery, Done, Kept
from tollkeeper.storage.policies.store import LONGEST_REASON

FOR_EVER = 2**63 - 1
MOST_FIRING = 10_000
SCOPES = ("tenant", "project", "user", "session", "service", "feature", "config", "model", "provider")

router = APIRouter(tags=["insight"])
changes = APIRouter(tags=["insight"])

AnomalyId = Annotated[str, Path(min_length=1, max_length=LONGEST)]
Figure = Annotated[Decimal, WithJsonSchema({"type": "number", "title": "In the metric's unit"})]
NOT_FOUND: dict[int | str, dict[str, Any]] = {404: {"model": Refusal, "description": "There is no such anomaly."}}
NOT_OPEN: dict[int | str, dict[str, Any]] = {
    404: {"model": Refusal, "description": "There is no such anomaly, or it is over."}
}


class ContributorState(BaseModel):
    """A part of the excess: whose it is, and what changed there. The three last add up to the excess."""

    dimension: str = Field(examples=["model"])
    value: str = Field(examples=["gpt-4o"])
    actual: Usd
    expected: Usd
    excess: Usd
    share: float | None = Field(description="Of the whole excess: more than 1, where others spent less than expected.")
    more_calls: Usd = Field(description="Of the excess, by more calls than usual.")
    bigger_calls: Usd = Field(description="By more tokens in each.")
    dearer_tokens: Usd = Field(description="By dearer tokens, as of another model.")


class CauseState(BaseModel):
    """Who has used the most of a loop in its last minutes."""

    dimension: str
    value: str
    share: float


class AnomalyState(BaseModel):
    """Something unusual. Figures are in the metric's unit: money in dollars, latency in seconds, shares of one.

    Of a loop they are for an hour, at the pace of its last minutes.
    """

    id: str
    kind: AnomalyKind
    metric: Metric
    scope: dict[str, str] = Field(description="Whose it is; empty: of everybody.", examples=[{"tenant": "acme"}])
    step: Step | None = Field(description="The intervals that were compared; null of loops and of rules.")
    severity: Severity
    title: str
    lines: list[str] = Field(description="What there is to say of it, to be read.")
    open: bool
    began_at: datetime
    ended_at: datetime | None
    found_at: datetime
    seen_at: datetime = Field(description="When it was last looked at and held, or was seen to be over.")
    actual: Figure
    expected: Figure
    low: Figure | None = Field(description="From here on it would have been usual; null: there is no such bound.")
    high: Figure | None = Field(description="Up to here.")
    score: float = Field(
        description="How many standard deviations off; of a rule, what is compared with its threshold."
    )
    excess: Usd | None = Field(description="What was spent above what was expected.")
    rule: str | None = Field(description="The rule of the policy that has found it.")
    condition: str | None = Field(description="When that holds.")
    contributors: list[ContributorState]
    cause: list[CauseState] = Field(description="Of a loop, the narrowest first.")
    change: Literal["more_calls", "bigger_calls"] | None = Field(description="Of a loop: what it is rather.")
    calls: int | None = Field(description="Of a loop since it began, and of a rule in its window.")
    cost: Usd | None = Field(description="What those have cost.")
    calls_per_hour: float | None = Field(description="Of a loop, at the pace of the last minutes.")
    cost_per_hour: Usd | None
    acknowledged_by: str | None
    acknowledged_at: datetime | None
    label: Label | None = Field(description="Whether it was real, says a person.")
    labelled_by: str | None
    labelled_at: datetime | None
    note: str | None
    response: Done | None = Field(description="What was done because of it, as the policy says.")
    responded_at: datetime | None
    response_ended_at: datetime | None = Field(description="Of steps; an emergency is ended by a person.")


class TuningState(BaseModel):
    """What labels of the last half year have made of the thresholds for a metric of a scope."""

    metric: Metric
    scope: dict[str, str]
    real: int
    false: int
    factor: float = Field(description="So many times what the threshold would be.", examples=[1.25])


class Anomalies(BaseModel):
    """The newest first."""

    anomalies: list[AnomalyState]
    tunings: list[TuningState]


class AnomalyParams(RangeParams):
    """Which anomalies, by when they began. Without a range: all there are."""

    open: bool | None = Field(default=None, description="Whether they are not over.")
    kind: AnomalyKind | None = None
    metric: Metric | None = None
    severity: Severity | None = None
    rule: str | None = Field(default=None, max_length=LONGEST)
    label: Label | Literal["none"] | None = None
    tenant: str | None = Field(default=None, max_length=LONGEST, description="Of those that are of one.")
    project: str | None = Field(default=None, max_length=LONGEST)
    user: str | None = Field(default=None, max_length=LONGEST)
    session: str | None = Field(default=None, max_length=LONGEST)
    service: str | None = Field(default=None, max_length=LONGEST)
    feature: str | None = Field(default=None, max_length=LONGEST)
    config: str | None = Field(default=None, max_length=LONGEST)
    model: str | None = Field(default=None, max_length=LONGEST)
    provider: str | None = Field(default=None, max_length=LONGEST)
    limit: int = Field(default=100, ge=1, le=1000)


class Seen(BaseModel):
    """Why, or what is done."""

    model_config = ConfigDict(extra="forbid")

    reason: str = Field(default="", max_length=LONGEST_REASON, description="For the audit trail.")


class Labelled(BaseModel):
    """Whether it was real."""

    model_config = ConfigDict(extra="forbid")

    label: Label | None = Field(description="Null takes back what was said.")
    note: str = Field(default="", max_length=LONGEST_REASON, description="Why; also for the audit trail.")


@router.get("/anomalies", response_model=Anomalies, summary="What is unusual, and what was")
def anomalies(given: Given, params: Annotated[AnomalyParams, Query()]) -> Answer:
    """Spend, tokens, requests, errors, latency, and what a request takes, where they are far from the usual."""
    start, end = 0, FOR_EVER
    if params.start is not None or params.end is not None or params.days is not None:
        when = params.range(given.now())
        start, end = when.start_ns, when.end_ns
    scope = {name: value for name in SCOPES if (value := getattr(params, name)) is not None}
    query = AnomalyQuery(
        start, end, params.open, params.kind, params.metric, params.severity, params.rule, params.label, scope,
        params.limit,
    )  # fmt: skip
    store = given.insight.anomalies
    tunings = [_tuning(one._asdict()) for one in store.tunings()]
    return Answer(Anomalies(anomalies=[state_of(kept) for kept in store.anomalies(query)], tunings=tunings))


@router.get("/anomalies/{id}", response_model=AnomalyState, summary="One anomaly", responses=NOT_FOUND)
def anomaly(given: Given, id: AnomalyId) -> Answer:
    """What was expected, what there was, and what it is made of."""
    kept = given.insight.anomalies.anomaly(id)
    if kept is None:
        raise missing("anomaly", id)
    return Answer(state_of(kept))


@changes.post(
    "/anomalies/{id}/acknowledge", response_model=AnomalyState, summary="Take an anomaly on", responses=NOT_OPEN
)
def acknowledge(request: Request, given: Given, id: AnomalyId, said: Seen) -> Answer:
    """And its alert: it is not repeated any more; that it worsens is told, and that it is over."""
    kept = given.insight.anomalies.acknowledge(id, author=author_of(request), reason=said.reason)
    if kept is None:
        raise missing("anomaly", id)
    _acknowledge_alert(given, kept, author_of(request), said.reason)
    return Answer(state_of(kept))


@changes.post(
    "/anomalies/{id}/label", response_model=AnomalyState, summary="Say whether an anomaly was real", responses=NOT_FOUND
)
def label(request: Request, given: Given, id: AnomalyId, said: Labelled) -> Answer:
    """Of what is false nobody is told any more, and what was done because of it ends, but for an emergency.

    From then on, thresholds of its metric and scope are higher; those of what is said to be real, a little lower.
    """
    kept = given.insight.anomalies.label(id, said.label, author=author_of(request), note=said.note)
    if kept is None:
        raise missing("anomaly", id)
    return Answer(state_of(kept))


def state_of(kept: Kept) -> AnomalyState:
    """As the API shows it."""
    return AnomalyState(**_fields(kept))


def _fields(kept: Kept) -> dict[str, Any]:
    found, facts = kept.anomaly, kept.facts
    return {
        "id": kept.id,
        "kind": found.kind,
        "metric": found.metric,
        "scope": dict(found.scope),
        "step": found.step,
        "severity": found.severity,
        "title": title_of(found),
        "lines": lines_of(found, facts),
        "open": kept.ended_at is None,
        "began_at": moment(found.start),
        "found_at": moment(kept.found_at),
        "seen_at": moment(kept.seen_at),
        **{name: _when(getattr(kept, name)) for name in _MOMENTS},
        **{name: _figure(found, getattr(found, name)) for name in ("actual", "expected", "low", "high")},
        "score": found.score,
        "excess": _usd(found.excess_nano_usd),
        "rule": found.rule,
        "contributors": [_contributor(one) for one in found.contributors],
        "cause": [CauseState(**each) for each in facts.get("cause", ())],
        "cost": _usd(facts.get("nano_usd")),
        "cost_per_hour": _usd(facts.get("nano_usd_per_hour")),
        **{name: facts.get(name) for name in ("condition", "change", "calls", "calls_per_hour")},
        **{name: getattr(kept, name) for name in ("acknowledged_by", "label", "labelled_by", "note", "response")},
    }


def _tuning(fields: dict[str, Any]) -> TuningState:
    return TuningState(**fields)


_MOMENTS = ("ended_at", "acknowledged_at", "labelled_at", "responded_at", "response_ended_at")


def _acknowledge_alert(given: Services, kept: Kept, author: str, reason: str) -> None:
    identity = finding_of(kept).identity
    query = AlertQuery(firing=True, kind="anomaly", limit=MOST_FIRING)
    for alert in given.alerts.alerts(query):
        if alert.finding.identity == identity:
            given.alerts.acknowledge(alert.id, author=author, reason=reason)


def _contributor(one: Contributor) -> ContributorState:
    return ContributorState(
        dimension=one.dimension,
        value=one.value,
        share=one.share,
        actual=usd(one.actual_nano_usd),
        expected=usd(one.expected_nano_usd),
        excess=usd(one.excess_nano_usd),
        more_calls=usd(one.more_calls),
        bigger_calls=usd(one.bigger_calls),
        dearer_tokens=usd(one.dearer_tokens),
    )


def _figure(found: Anomaly, value: float | None) -> Decimal | None:
    if value is None:
        return None
    if found.metric in ("spend", "cost_per_request"):
        return usd(round(value))
    return Decimal(str(round(value, 6)))


def _usd(nano_usd: int | None) -> Decimal | None:
    return None if nano_usd is None else usd(nano_usd)


def _when(at: int | None) -> datetime | None:
    return None if at is None else moment(at)
