"""`/silences`: what nobody is told of for a time."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Any

from fastapi import APIRouter, Path, Query, Request
from pydantic import AwareDatetime, BaseModel, ConfigDict, Field

from tollkeeper.alerting.duration import PATTERN, seconds_of
from tollkeeper.alerting.muting import LONGEST_SECONDS, Silence, match_of
from tollkeeper.sidecar.api.answer import NANOSECONDS, Answer, moment, nanoseconds
from tollkeeper.sidecar.api.auth import author_of
from tollkeeper.sidecar.api.problems import Problem, Refusal, Refused, missing, wrong
from tollkeeper.sidecar.api.services import Given, Services
from tollkeeper.storage.policies.store import LONGEST_REASON

LARGEST_ID = 2**31 - 1
LONGEST_DAYS = LONGEST_SECONDS // 86_400

router = APIRouter(tags=["alerts"])
changes = APIRouter(tags=["alerts"])

NOT_FOUND: dict[int | str, dict[str, Any]] = {
    404: {"model": Refusal, "description": "There is no such silence that is not over."}
}


class SilenceState(BaseModel):
    """What it means, and for how long."""

    id: int
    match: dict[str, list[str]] = Field(examples=[{"limit": ["daily*"], "tenant": ["acme"]}])
    active: bool = Field(description="Whether it holds now.")
    starts_at: datetime
    ends_at: datetime
    author: str
    comment: str


class SilenceList(BaseModel):
    """In the order in which they were made."""

    silences: list[SilenceState]


class NewSilence(BaseModel):
    """What nobody is to be told of, until when, and why. What holds still has its end told to whom was told of it."""

    model_config = ConfigDict(extra="forbid")

    match: dict[str, str | list[str]] = Field(
        description="Globs, or lists of them, by `kind`, `limit`, `severity` and whose it is; all must match.",
        examples=[{"limit": "daily*", "tenant": "acme"}],
    )
    duration: str | None = Field(
        default=None, pattern=PATTERN, description="From now on, or from `starts_at`.", examples=["4h"]
    )
    ends_at: AwareDatetime | None = Field(default=None, description="In place of `duration`.")
    starts_at: AwareDatetime | None = Field(default=None, description="Now, if it is not given.")
    comment: str = Field(min_length=1, max_length=LONGEST_REASON, description="Why; for the audit trail too.")


class SilenceParams(BaseModel):
    """Which of them."""

    ended: bool = Field(default=False, description="Also those that are over.")


class EndParams(BaseModel):
    """Why it ends."""

    reason: str = Field(default="", max_length=LONGEST_REASON, description="For the audit trail.")


@router.get("/silences", response_model=SilenceList, summary="What nobody is told of")
def silences(given: Given, params: Annotated[SilenceParams, Query()]) -> Answer:
    """Those that hold, and those to come."""
    found = given.silences.all(0 if params.ended else None)
    return Answer(SilenceList(silences=[_state(given, silence) for silence in found]))


@changes.post("/silences", response_model=SilenceState, summary="Silence alerts")
def silence(request: Request, given: Given, new: NewSilence) -> Answer:
    """Nobody is told of what matches, in any channel. What goes on when it ends is told then."""
    now = given.now_nanoseconds()
    starts_at, ends_at = _span(new, now)
    try:
        match = match_of(new.match)
    except ValueError as error:
        first, *others = (Problem(message=line, field="match") for line in str(error).splitlines())
        raise Refused(422, first, others=others) from None
    made = given.silences.add(
        match, ends_at, author=author_of(request), comment=new.comment, starts_at=starts_at
    )  # fmt: skip
    return Answer(_state(given, made))


@changes.delete("/silences/{id}", response_model=SilenceState, summary="End a silence", responses=NOT_FOUND)
def end_silence(
    request: Request,
    given: Given,
    id: Annotated[int, Path(ge=1, le=LARGEST_ID)],
    params: Annotated[EndParams, Query()],
) -> Answer:
    """Now. It stays to be seen, with `ended`."""
    ended = given.silences.end(id, author=author_of(request), reason=params.reason)
    if ended is None:
        raise missing("silence", str(id))
    return Answer(_state(given, ended))


def _span(new: NewSilence, now: int) -> tuple[int, int]:
    """From when until when. Raises `Refused`."""
    starts_at = now if new.starts_at is None else nanoseconds(new.starts_at)
    if (new.ends_at is None) == (new.duration is None):
        raise wrong("duration", new.duration, "either it, or ends_at")
    if new.ends_at is not None:
        field, said, ends_at = "ends_at", new.ends_at.isoformat(), nanoseconds(new.ends_at)
    else:
        field, said = "duration", str(new.duration)
        ends_at = starts_at + seconds_of(said) * NANOSECONDS
    latest = now + LONGEST_SECONDS * NANOSECONDS
    if not (now <= starts_at < ends_at <= latest):
        raise wrong(field, said, f"an end after its beginning, that is not past, within {LONGEST_DAYS} days from now")
    return starts_at, ends_at


def _state(given: Services, silence: Silence) -> SilenceState:
    now = given.now_nanoseconds()
    return SilenceState(
        id=silence.id,
        match={name: list(globs) for name, globs in silence.match.items()},
        active=silence.starts_at <= now < silence.ends_at,
        starts_at=moment(silence.starts_at),
        ends_at=moment(silence.ends_at),
        author=silence.author,
        comment=silence.comment,
    )
