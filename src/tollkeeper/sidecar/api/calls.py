"""`GET /calls`, `/calls/{id}` and `/orphans`: the live log, and everything about one call."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Annotated, Any, Literal
from urllib.parse import urlencode

from fastapi import APIRouter, Path, Query, Request
from pydantic import BaseModel, Field
from starlette.responses import Response

from tollkeeper.sidecar.api.answer import CSV, Answer, moment, table, wants_csv
from tollkeeper.sidecar.api.attempt import Attempt, CallRow, attempt_of, row_of
from tollkeeper.sidecar.api.filters import FilterParams, RangeParams
from tollkeeper.sidecar.api.problems import Refusal, missing, wrong
from tollkeeper.sidecar.api.services import Given
from tollkeeper.storage.ledger import CallQuery, Started
from tollkeeper.storage.ledger.failures import Refused as Unacceptable

FOR_EVER = 2**63 - 1
MOST = 1000

router = APIRouter(tags=["calls"])


class CallsParams(RangeParams, FilterParams):
    """Which calls, and in which order."""

    outcome: Literal["succeeded", "failed", "unpriced", "unmeasured"] | None = Field(
        default=None, description="Only those that ended like this."
    )
    order: Literal["newest", "dearest"] = Field(
        default="newest", description="What comes first. `dearest` has only calls whose cost is known."
    )
    trace_id: str | None = Field(
        default=None,
        max_length=200,
        description="Only those of this trace.",
        examples=["4bf92f3577b34da6a3ce929d0e0e4736"],
    )
    response_id: str | None = Field(
        default=None,
        max_length=500,
        description="Only the one of this answer of a provider. All calls of the range are looked through for it.",
        examples=["chatcmpl-9f2c"],
    )
    cursor: str | None = Field(default=None, max_length=1000, description="`next_cursor` of the page before.")
    limit: int = Field(default=50, ge=1, le=MOST, description="How many on a page.")
    format: Literal["json", "csv"] | None = Field(default=None, description="As `Accept`.")


class CallsPage(BaseModel):
    """One page of the log."""

    calls: list[CallRow]
    next_cursor: str | None = Field(description="For the next page; null on the last one.")


class CallDetail(BaseModel):
    """A call, with everything that is known about it."""

    id: str
    attempts: list[Attempt] = Field(description="Each is billed by itself.")


class Orphan(BaseModel):
    """A call that was begun and never reported: its process has died, or it is still running."""

    id: str
    started_at: datetime
    provider: str = Field(examples=["openai"])
    model: str | None = Field(description="That was asked for.")
    operation: str
    tags: dict[str, str]


class Orphans(BaseModel):
    """Calls that were begun and never reported, newest first."""

    orphans: list[Orphan]


class OrphansParams(BaseModel):
    """How many."""

    limit: int = Field(default=100, ge=1, le=MOST, description="The most that are wanted.")


@router.get(
    "/calls",
    response_model=CallsPage,
    summary="The log of calls",
    responses={200: {"content": {CSV: {"schema": {"type": "string"}}}}},
)
def calls(request: Request, given: Given, params: Annotated[CallsParams, Query()]) -> Response:
    """Calls, one row an attempt, newest or dearest first. Without a range: the newest there are,
    or the dearest, and those of a trace or an answer, of the last 30 days.

    Follow `next_cursor` (of CSV: the header `Link`) for older ones; new calls do not disturb the pages.
    """
    start, end = 0, FOR_EVER
    # What is dearest can only be told of all of them; the log of years is not gone through for that unasked.
    looked_for = (params.start, params.end, params.days, params.trace_id, params.response_id)
    if params.order == "dearest" or any(each is not None for each in looked_for):
        when = params.range(given.now())
        start, end = when.start_ns, when.end_ns
    query = CallQuery(
        start, end, params.filters(), params.outcome, params.order, params.cursor, params.limit,
        params.trace_id, params.response_id,
    )  # fmt: skip
    try:
        found, cursor = given.ledger.calls(query)
    except (ValueError, OverflowError, Unacceptable):
        if params.cursor is None:
            raise
        raise wrong("cursor", params.cursor, "the `next_cursor` of a page of the same query") from None
    rows = [row_of(row) for row in found]
    if not wants_csv(request, params.format):
        return Answer(CallsPage(calls=rows, next_cursor=cursor))
    link = {} if cursor is None else {"Link": f'<{_next(request, cursor)}>; rel="next"'}
    return table("calls", list(CallRow.model_fields), (_cells(row) for row in rows), link)


@router.get("/calls/{id:path}", response_model=CallDetail, summary="One call", responses={404: {"model": Refusal}})
def call(given: Given, id: Annotated[str, Path(description="The id of the call.", max_length=1000)]) -> Answer:
    """All attempts of a call: how its cost comes about, later adjustments of it, and contradicting reports."""
    rows = given.ledger.call(id)
    if not rows:
        raise missing("call", id)
    return Answer(CallDetail(id=id, attempts=[attempt_of(row, given.trace_url) for row in rows]))


@router.get("/orphans", response_model=Orphans, summary="Calls that were never reported")
def orphans(given: Given, params: Annotated[OrphansParams, Query()]) -> Answer:
    """What such calls cost is unknown, and in no sum."""
    return Answer(Orphans(orphans=[_orphan(one) for one in given.ledger.orphans(params.limit)]))


def _orphan(started: Started) -> Orphan:
    from_call = started.call
    return Orphan(
        id=from_call.id,
        started_at=moment(from_call.started_at),
        provider=from_call.provider,
        model=from_call.request_model,
        operation=from_call.operation,
        tags=dict(from_call.tags),
    )


def _cells(row: CallRow) -> list[Any]:
    said: Mapping[str, Any] = {**dict(row), "tags": " ".join(f"{name}={value}" for name, value in row.tags.items())}
    return list(said.values())


def _next(request: Request, cursor: str) -> str:
    pairs = [(name, value) for name, value in request.query_params.multi_items() if name != "cursor"]
    return f"?{urlencode([*pairs, ('cursor', cursor)])}"
