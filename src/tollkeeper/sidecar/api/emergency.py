"""`/emergency`: whether there is one; a person begins it, or ends it, and the audit trail says who and why."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Any

from fastapi import APIRouter, Query, Request
from pydantic import BaseModel, ConfigDict, Field

from tollkeeper.sidecar.api.answer import Answer, moment
from tollkeeper.sidecar.api.auth import author_of
from tollkeeper.sidecar.api.problems import Problem, Refusal, Refused
from tollkeeper.sidecar.api.services import Given, Services
from tollkeeper.storage.audit import AuditQuery
from tollkeeper.storage.emergency import KEY
from tollkeeper.storage.policies.store import LONGEST_REASON

router = APIRouter(tags=["limits"])
changes = APIRouter(tags=["limits"])

SAYS_NOTHING: dict[int | str, dict[str, Any]] = {
    409: {"model": Refusal, "description": "The policy in force does not say what is done in an emergency."}
}


class EmergencyChange(BaseModel):
    """What a person has done; or, by the author `counters` or `rebuild`, what the sidecar has seen or restored."""

    at: datetime
    author: str
    action: str = Field(description="`enter` or `leave`.", examples=["leave"])
    reason: str


class EmergencyState(BaseModel):
    """Whether there is an emergency, for all apps that share these counters."""

    active: bool
    declared: bool = Field(description="Whether the policy says what is done in one; without that, nothing is.")
    last_change: EmergencyChange | None = Field(
        description="Null if there was none. What a ladder or an app has begun is known within ten seconds."
    )


class NewEmergency(BaseModel):
    """Why."""

    model_config = ConfigDict(extra="forbid")

    reason: str = Field(min_length=1, max_length=LONGEST_REASON, description="For the audit trail.")


class EndParams(BaseModel):
    """Why it is over."""

    reason: str = Field(min_length=1, max_length=LONGEST_REASON, description="For the audit trail.")


@router.get("/emergency", response_model=EmergencyState, summary="Whether there is an emergency")
def emergency(given: Given) -> Answer:
    """A ladder's step may have begun it, or a person. Apps see it within seconds, and with their next call."""
    return Answer(_state(given))


@changes.post("/emergency", response_model=EmergencyState, summary="Begin an emergency", responses=SAYS_NOTHING)
def enter_emergency(request: Request, given: Given, new: NewEmergency) -> Answer:
    """Calls are then changed, throttled or shed as the policy says in `[emergency]`. In one, this changes nothing."""
    admission = given.limiting.admission()
    if admission.policy.emergency is None:
        raise Refused(409, Problem(message="the policy in force does not say what is done in an emergency"))
    if admission.emergency.enter():
        _note(request, given, "enter", new.reason)
    return Answer(_state(given))


@changes.delete("/emergency", response_model=EmergencyState, summary="End the emergency")
def leave_emergency(request: Request, given: Given, params: Annotated[EndParams, Query()]) -> Answer:
    """Nothing but this ends it. The limit that has begun it does not begin another one in the same period."""
    if given.limiting.admission().emergency.leave():
        _note(request, given, "leave", params.reason)
    return Answer(_state(given))


def _note(request: Request, given: Services, action: str, reason: str) -> None:
    was_on = action == "leave"
    given.audit.note(
        author=author_of(request),
        action=action,
        kind=KEY,
        object_id=KEY,
        before=was_on,
        after=not was_on,
        reason=reason,
    )


def _state(given: Services) -> EmergencyState:
    admission = given.limiting.admission()
    entries, _ = given.audit.entries(AuditQuery(kind=KEY, limit=1))
    last = entries[0] if entries else None
    return EmergencyState(
        active=admission.emergency.is_on(),
        declared=admission.policy.emergency is not None,
        last_change=None
        if last is None
        else EmergencyChange(at=moment(last.at), author=last.author, action=last.action, reason=last.reason),
    )
