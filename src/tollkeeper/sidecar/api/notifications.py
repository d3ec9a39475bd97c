"""`/notifications`: what was told to whom, what waits to be, and what could not be delivered."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Any, Literal

from fastapi import APIRouter, Path, Query
from pydantic import BaseModel, Field

from tollkeeper.model.alert import Event
from tollkeeper.model.finding import FindingKind, Severity
from tollkeeper.sidecar.api.answer import Answer, moment
from tollkeeper.sidecar.api.filters import LONGEST
from tollkeeper.sidecar.api.problems import Refusal, missing
from tollkeeper.sidecar.api.services import Given
from tollkeeper.sidecar.notify.messages import title_of
from tollkeeper.storage.alerts.outbox import Entry

router = APIRouter(tags=["alerts"])
changes = APIRouter(tags=["alerts"])

State = Literal["waiting", "sent", "dead"]
NOT_DEAD: dict[int | str, dict[str, Any]] = {
    404: {"model": Refusal, "description": "There is no such message that is dead."}
}


class NotificationState(BaseModel):
    """One message to one channel."""

    id: str = Field(description="The same each time it is sent: who gets it twice can tell by it.")
    alert_id: str
    kind: FindingKind = Field(description="`digest` of summaries and reports, which are of no alert.")
    channel: str
    event: Event
    severity: Severity
    level: int
    title: str = Field(description="In our words, whatever the channel's own template makes of it.")
    state: State = Field(description="`dead`: refused, or not delivered for a day.")
    attempts: int
    created_at: datetime
    next_at: datetime | None = Field(description="When it is tried, if it waits.")
    finished_at: datetime | None
    detail: str | None = Field(description="What became of the last try.", examples=["answered 200 OK"])


class Notifications(BaseModel):
    """Newest first."""

    notifications: list[NotificationState]


class Retried(BaseModel):
    """It waits again, and is sent within seconds."""

    id: str


class LogParams(BaseModel):
    """Which of them."""

    channel: str | None = Field(default=None, max_length=LONGEST)
    state: State | None = None
    alert_id: str | None = Field(default=None, max_length=LONGEST)
    limit: int = Field(default=100, ge=1, le=1000)


@router.get("/notifications", response_model=Notifications, summary="The log of deliveries")
def notifications(given: Given, params: Annotated[LogParams, Query()]) -> Answer:
    """What was told, what waits, and what is dead, newest first."""
    entries = given.outbox.log(**params.model_dump())
    return Answer(Notifications(notifications=[notification_state(entry) for entry in entries]))


@changes.post(
    "/notifications/{id}/retry", response_model=Retried, summary="Try a dead message again", responses=NOT_DEAD
)
def retry(given: Given, id: Annotated[str, Path(min_length=1, max_length=LONGEST)]) -> Answer:
    """For a day once more."""
    if not given.outbox.again(id):
        raise missing("dead notification", id)
    return Answer(Retried(id=id))


def notification_state(entry: Entry) -> NotificationState:
    """A line of the log as answers show it."""
    told = entry.notification

    def when(at: int | None) -> datetime | None:
        return None if at is None else moment(at)

    return NotificationState(
        id=told.id,
        alert_id=told.alert.id,
        kind=told.alert.finding.kind,
        channel=told.channel,
        event=told.event,
        severity=told.alert.finding.severity,
        level=told.alert.finding.level,
        title=title_of(told),
        state=entry.state,
        attempts=entry.attempts,
        created_at=moment(told.created_at),
        next_at=when(entry.next_at),
        finished_at=when(entry.finished_at),
        detail=entry.detail,
    )
