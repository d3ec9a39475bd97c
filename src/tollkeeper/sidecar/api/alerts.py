"""`/alerts`: what people are told of, what fires and what has fired; and that somebody has taken one on."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Any

from fastapi import APIRouter, Path, Query, Request
from pydantic import BaseModel, ConfigDict, Field

from tollkeeper.alerting.muting import muted
from tollkeeper.model.alert import Alert, Event, Notification
from tollkeeper.model.finding import FindingKind, Severity
from tollkeeper.sidecar.api.answer import Answer, Usd, moment
from tollkeeper.sidecar.api.auth import author_of
from tollkeeper.sidecar.api.filters import LONGEST, RangeParams
from tollkeeper.sidecar.api.notifications import NotificationState, notification_state
from tollkeeper.sidecar.api.problems import Refusal, missing
from tollkeeper.sidecar.api.services import Given, Services
from tollkeeper.sidecar.notify.messages import body_of, title_of
from tollkeeper.sidecar.notify.payload import in_unit
from tollkeeper.storage.alerts.store import AlertQuery
from tollkeeper.storage.policies.store import LONGEST_REASON

FOR_EVER = 2**63 - 1
MOST_FIRING = 10_000

router = APIRouter(tags=["alerts"])
changes = APIRouter(tags=["alerts"])

AlertId = Annotated[str, Path(min_length=1, max_length=LONGEST)]
NOT_FOUND: dict[int | str, dict[str, Any]] = {404: {"model": Refusal, "description": "There is no such alert."}}
NOT_FIRING: dict[int | str, dict[str, Any]] = {
    404: {"model": Refusal, "description": "There is no such alert, or it is over."}
}


class AlertState(BaseModel):
    """Something that people are told of. Amounts are in the unit of the measure: of `usd`, dollars."""

    id: str
    kind: FindingKind
    subject: str = Field(description="The name of the limit, or of the model.", examples=["daily"])
    scope: dict[str, str] = Field(description="Whose it is.", examples=[{"tenant": "acme"}])
    severity: Severity
    level: int = Field(description="The highest threshold that is reached, in percent; 0 without any.", examples=[80])
    title: str = Field(examples=["Warning: daily at 85 % for tenant acme"])
    firing: bool
    muted: bool = Field(description="A silence means it, or something worse that is known: nobody is told of it now.")
    began_at: datetime
    seen_at: datetime = Field(description="When it last held.")
    ended_at: datetime | None
    period_start: datetime | None
    period_end: datetime | None
    acknowledged_by: str | None
    acknowledged_at: datetime | None
    acknowledged_level: int | None = Field(description="At a higher level it is told of again.")
    measure: str | None
    used: Usd | None
    held: Usd | None = Field(description="Of that, by calls under way.")
    amount: Usd | None = Field(description="That may be used.")
    usage_percent: float | None
    forecast: Usd | None = Field(description="At the end of the period, at this pace.")
    form: str | None = Field(description="The limit in words.", examples=["$10 / day per tenant"])
    mode: str | None
    link: str | None


class Alerts(BaseModel):
    """Newest first."""

    alerts: list[AlertState]


class AlertDetail(AlertState):
    """One of them, what is known of it, and who was told of it."""

    text: str = Field(description="As a message has it, in our words.", examples=["Limit daily is at 85 %."])
    notifications: list[NotificationState] = Field(description="Newest first.")


class AlertParams(RangeParams):
    """Which alerts: those that fired at any time of a range. Without one: all there are."""

    firing: bool | None = Field(default=None, description="Whether they are not over.")
    kind: FindingKind | None = None
    severity: Severity | None = None
    subject: str | None = Field(default=None, max_length=LONGEST, description="The limit's name, or the model's.")
    limit: int = Field(default=100, ge=1, le=1000)


class Acknowledgement(BaseModel):
    """Why, or what is done."""

    model_config = ConfigDict(extra="forbid")

    reason: str = Field(default="", max_length=LONGEST_REASON, description="For the audit trail.")


@router.get("/alerts", response_model=Alerts, summary="What fires, and what has fired")
def alerts(given: Given, params: Annotated[AlertParams, Query()]) -> Answer:
    """Limits that fill, an emergency, models without a price and so on, by when they began: newest first."""
    start, end = 0, FOR_EVER
    if params.start is not None or params.end is not None or params.days is not None:
        when = params.range(given.now())
        start, end = when.start_ns, when.end_ns
    found = given.alerts.alerts(
        AlertQuery(start, end, params.firing, params.kind, params.subject, params.severity, params.limit)
    )
    quiet = _muted(given)
    return Answer(Alerts(alerts=[AlertState(**_fields(alert, quiet)) for alert in found]))


@router.get("/alerts/{id}", response_model=AlertDetail, summary="One alert", responses=NOT_FOUND)
def alert(given: Given, id: AlertId) -> Answer:
    """And what became of the messages about it."""
    found = given.alerts.alert(id)
    if found is None:
        raise missing("alert", id)
    return Answer(_detail(given, found))


@changes.post("/alerts/{id}/acknowledge", response_model=AlertDetail, summary="Take an alert on", responses=NOT_FIRING)
def acknowledge(request: Request, given: Given, id: AlertId, said: Acknowledgement) -> Answer:
    """It is not repeated any more; that it worsens is told, and that it is over."""
    seen = given.alerts.acknowledge(id, author=author_of(request), reason=said.reason)
    if seen is None:
        raise missing("alert", id)
    return Answer(_detail(given, seen))


def _detail(given: Services, alert: Alert) -> AlertDetail:
    entries = given.outbox.log(alert_id=alert.id, limit=1000)
    told = [notification_state(entry) for entry in entries]
    return AlertDetail(**_fields(alert, _muted(given)), text=body_of(_as_told(alert)), notifications=told)


def _muted(given: Services) -> set[str]:
    firing = given.alerts.alerts(AlertQuery(firing=True, limit=MOST_FIRING))
    return muted(firing, given.silences.all(), given.now_nanoseconds())


def _as_told(alert: Alert) -> Notification:
    event: Event = "fired" if alert.is_firing else "resolved"
    return Notification(alert.id, "", event, alert, alert.began_at)


def _fields(alert: Alert, quiet: set[str]) -> dict[str, Any]:
    finding, facts = alert.finding, alert.finding.facts
    measure = facts.get("measure")

    def when(at: int | None) -> datetime | None:
        return moment(at) if at else None

    return {
        "id": alert.id,
        "kind": finding.kind,
        "subject": finding.subject,
        "scope": dict(finding.scope),
        "severity": finding.severity,
        "level": finding.level,
        "title": title_of(_as_told(alert)),
        "firing": alert.is_firing,
        "muted": alert.id in quiet,
        "began_at": moment(alert.began_at),
        "seen_at": moment(alert.seen_at),
        "ended_at": when(alert.ended_at),
        "period_start": when(finding.period_start),
        "period_end": when(finding.period_end),
        "acknowledged_by": alert.acknowledged_by,
        "acknowledged_at": when(alert.acknowledged_at),
        "acknowledged_level": None if alert.acknowledged_at is None else alert.acknowledged_level,
        "measure": measure,
        **{name: in_unit(measure, facts.get(name)) for name in ("used", "held", "amount", "forecast")},
        "usage_percent": facts.get("percent"),
        "form": facts.get("form"),
        "mode": facts.get("mode"),
        "link": facts.get("link"),
    }
