"""`GET/POST/DELETE /keys`: who may use the API."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Annotated, Any

from fastapi import APIRouter, Path, Query, Request
from pydantic import BaseModel, ConfigDict, Field

from tollkeeper.sidecar.api.answer import Answer, moment, nanoseconds
from tollkeeper.sidecar.api.auth import author_of
from tollkeeper.sidecar.api.problems import Problem, Refusal, Refused, missing
from tollkeeper.sidecar.api.services import Given
from tollkeeper.storage.access_keys import LONGEST_NAME, AccessKey, AccessKeyError, Scope

MOST_DAYS = 36_500

router = APIRouter(tags=["keys"])


class NewKey(BaseModel):
    """A key that is wanted."""

    model_config = ConfigDict(extra="forbid")

    name: str = Field(min_length=1, max_length=LONGEST_NAME, description="Whose it is.", examples=["search service"])
    scopes: list[Scope] = Field(default=["read"], min_length=1, max_length=4,
        description="What it is good for: `read`; `write`, that and sending usage; `edit`, that and changing prices,"
        " limits and the like; `admin`, that and changing keys, users and channels.",
    )  # fmt: skip
    expires_in_days: int | None = Field(default=None, ge=1, le=MOST_DAYS, description="Null: never.")
    reason: str = Field(default="", max_length=2000, description="For the audit trail.")


class Key(BaseModel):
    """A key, without what it opens the door with."""

    prefix: str = Field(description="By which it is named; the key begins with tk_ and this.", examples=["9f2c4a1b"])
    name: str
    scopes: list[Scope]
    active: bool = Field(description="It has neither expired nor been revoked.")
    created_at: datetime
    created_by: str
    expires_at: datetime | None
    revoked_at: datetime | None
    last_used_at: datetime | None = Field(description="To the minute.")


class CreatedKey(Key):
    """A new key, shown this once."""

    key: str = Field(description="To be kept safe: it cannot be shown again.")


class Keys(BaseModel):
    """All keys, newest first."""

    keys: list[Key]


class RevokeParams(BaseModel):
    """Why."""

    reason: str = Field(default="", max_length=2000, description="For the audit trail.")


@router.get("/keys", response_model=Keys, summary="List keys")
def keys(given: Given) -> Answer:
    """Those that have expired or were revoked too."""
    at = nanoseconds(given.now())
    return Answer(Keys(keys=[Key(**_shown(key, at)) for key in given.access_keys.keys()]))  # noqa: SIM118


@router.post("/keys", response_model=CreatedKey, status_code=201, summary="Create a key")
def create(request: Request, given: Given, wanted: NewKey) -> Answer:
    """The answer has the key itself, this once."""
    now = given.now()
    expires = None if wanted.expires_in_days is None else nanoseconds(now + timedelta(days=wanted.expires_in_days))
    try:
        text, key = given.access_keys.create(
            wanted.name, wanted.scopes, author=author_of(request), reason=wanted.reason, expires_at=expires
        )
    except AccessKeyError as error:
        first, *others = (Problem(message=line) for line in str(error).splitlines())
        raise Refused(422, first, others=others) from None
    shown = _shown(key, nanoseconds(now))
    return Answer(CreatedKey(**shown, key=text), 201, {"Cache-Control": "no-store"})


@router.delete("/keys/{prefix}", response_model=Key, summary="Revoke a key", responses={404: {"model": Refusal}})
def revoke(
    request: Request,
    given: Given,
    prefix: Annotated[str, Path(max_length=LONGEST_NAME)],
    params: Annotated[RevokeParams, Query()],
) -> Answer:
    """It is useless at once and for ever. Harmless if it is already."""
    try:
        key = given.access_keys.revoke(prefix.removeprefix("tk_"), author=author_of(request), reason=params.reason)
    except LookupError:
        raise missing("key", prefix) from None
    return Answer(Key(**_shown(key, nanoseconds(given.now()))))


def _shown(key: AccessKey, at: int) -> dict[str, Any]:
    def when(moment_ns: int | None) -> datetime | None:
        return None if moment_ns is None else moment(moment_ns)

    return {
        "prefix": key.prefix,
        "name": key.name,
        "scopes": list(key.scopes),
        "active": key.is_good(at),
        "created_at": moment(key.created_at),
        "created_by": key.created_by,
        "expires_at": when(key.expires_at),
        "revoked_at": when(key.revoked_at),
        "last_used_at": when(key.last_used_at),
    }
