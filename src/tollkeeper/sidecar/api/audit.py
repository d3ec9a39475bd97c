"""`GET /audit`: who changed prices and keys, from what to what, and why."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Any

from fastapi import APIRouter, Query
from pydantic import BaseModel, Field

from tollkeeper.sidecar.api.answer import Answer, moment
from tollkeeper.sidecar.api.filters import LONGEST, RangeParams
from tollkeeper.sidecar.api.problems import wrong
from tollkeeper.sidecar.api.services import Given
from tollkeeper.storage.audit import AuditQuery

FOR_EVER = 2**63 - 1

router = APIRouter(tags=["system"])


class AuditParams(RangeParams):
    """Which changes."""

    author: str | None = Field(default=None, max_length=LONGEST)
    action: str | None = Field(default=None, max_length=LONGEST, examples=["change"])
    kind: str | None = Field(default=None, max_length=LONGEST, description="price, alias, discount, access_key, …")
    object_id: str | None = Field(
        default=None, max_length=LONGEST, description="The row of a price, the prefix of a key."
    )
    cursor: str | None = Field(default=None, max_length=20, description="`next_cursor` of the page before.")
    limit: int = Field(default=50, ge=1, le=1000)


class Change(BaseModel):
    """One change."""

    id: int
    at: datetime
    author: str
    action: str
    kind: str
    object_id: str
    before: Any
    after: Any
    reason: str
    hash: str = Field(description="Covers this row and the hash before it.")


class Audit(BaseModel):
    """A page of the audit trail."""

    changes: list[Change]
    next_cursor: str | None


class Soundness(BaseModel):
    """Whether the trail is as it was written."""

    sound: bool
    entries: int = Field(description="How many there are up to there.")
    head: str = Field(description="The hash of the last one. Kept elsewhere, it shows if later ones are cut off.")
    broken_at: int | None = Field(description="The first entry that is not as it was.")


@router.get("/audit", response_model=Audit, summary="The audit trail")
def audit(given: Given, params: Annotated[AuditParams, Query()]) -> Answer:
    """Changes, newest first. Without a range: all there are."""
    start, end = 0, FOR_EVER
    if params.start is not None or params.end is not None or params.days is not None:
        when = params.range(given.now())
        start, end = when.start_ns, when.end_ns
    query = AuditQuery(
        start, end, params.author, params.action, params.kind, params.object_id, params.cursor, params.limit
    )
    try:
        entries, cursor = given.audit.entries(query)
    except ValueError:
        raise wrong("cursor", params.cursor, "the `next_cursor` of a page") from None
    changes = [Change(**{**entry._asdict(), "at": moment(entry.at)}) for entry in entries]
    return Answer(Audit(changes=changes, next_cursor=cursor))


@router.get("/audit/verification", response_model=Soundness, summary="Whether the audit trail is sound")
def verification(given: Given) -> Answer:
    """Computes the hash of every entry again: one that was changed, taken out or put in shows."""
    found = given.audit.verify()
    return Answer(
        Soundness(sound=found.broken_at is None, entries=found.entries, head=found.head, broken_at=found.broken_at)
    )
