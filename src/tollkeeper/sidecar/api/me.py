"""`/me`: who is asking, and what they may do; their own password and sessions, where they are signed in."""

from __future__ import annotations

from typing import Annotated, Any

from fastapi import APIRouter, Query, Request
from pydantic import BaseModel, ConfigDict, Field

from tollkeeper.sidecar.api.answer import Answer
from tollkeeper.sidecar.api.auth import SignedIn, asker_of
from tollkeeper.sidecar.api.problems import Problem, Refusal, Refused, mistaken
from tollkeeper.sidecar.api.services import Given, Services
from tollkeeper.sidecar.api.users import (
    PASSWORD,
    Ended,
    ReasonParams,
    SessionList,
    UserState,
    as_refusals,
    session_of,
    state_of,
)
from tollkeeper.sidecar.throttle import TooMany
from tollkeeper.storage.access_keys import Scope

router = APIRouter(tags=["users"])

NOT_SIGNED_IN: dict[int | str, dict[str, Any]] = {
    409: {"model": Refusal, "description": "Whoever asks is not signed in, so that there is nothing of theirs."},
}
GUESSED: dict[int | str, dict[str, Any]] = {
    429: {"model": Refusal, "description": "The password was wrong too often; `Retry-After` says when to try again."},
}


class Me(BaseModel):
    """Who is asking."""

    name: str = Field(description="As the audit trail calls them.")
    scopes: list[Scope] = Field(description="Each is good for what those before it are: read, write, edit, admin.")
    user: str | None = Field(description="Their account; null where they have a key, or need none.")
    session: str | None = Field(description="The id of the session, on the page.")


class OwnPassword(BaseModel):
    """The password, and another one."""

    model_config = ConfigDict(extra="forbid")

    current: str = Field(description="The one that is good now.", repr=False)
    password: str = Field(description=PASSWORD, repr=False)


@router.get("/me", response_model=Me, summary="Who is asking")
def me(request: Request) -> Answer:
    """And what they may do."""
    who = asker_of(request)
    return Answer(Me(name=who.name, scopes=list(who.scopes), user=who.user, session=who.session))


@router.put(
    "/me/password", response_model=UserState, summary="Set one's own password",
    responses={**NOT_SIGNED_IN, **GUESSED},
)  # fmt: skip
def set_own_password(request: Request, given: Given, wanted: OwnPassword) -> Answer:
    """It ends one's other sessions."""
    name = asker_of(request).user
    if name is None:
        raise _not_signed_in("have a password")
    _check_password(given, name, wanted.current)
    with as_refusals(name):
        changed = given.users.set_password(name, wanted.password, author=name, keep=asker_of(request).session)
    return Answer(state_of(changed))


@router.get("/me/sessions", response_model=SessionList, summary="Where one is signed in", responses=NOT_SIGNED_IN)
def own_sessions(request: Request, given: Given) -> Answer:
    """By the same account, or the same key."""
    found = given.sessions.sessions(**_holder(asker_of(request)))
    return Answer(SessionList(sessions=[session_of(each) for each in found]))


@router.delete("/me/sessions", response_model=Ended, summary="Sign out elsewhere", responses=NOT_SIGNED_IN)
def end_own_sessions(request: Request, given: Given, params: Annotated[ReasonParams, Query()]) -> Answer:
    """All of one's sessions but this one."""
    who = asker_of(request)
    ended = given.sessions.end_all(**_holder(who), author=who.name, reason=params.reason, keep=who.session)
    return Answer(Ended(sessions=ended))


def _check_password(given: Services, name: str, password: str) -> None:
    """Whoever finds a browser open guesses no more often than at the entrance."""
    try:
        attempt = given.throttle.begin(f"the page of {name}", name)
    except TooMany as many:
        raise Refused(
            429, Problem(message=f"{many}", field="current"), {"Retry-After": str(many.seconds)}
        ) from None  # fmt: skip
    failed = False
    try:
        failed = given.users.authenticate(name, password) is None
    finally:
        given.throttle.end(attempt, failed=failed)
    if failed:
        raise mistaken("current", "the password that is good now")


def _holder(who: SignedIn) -> dict[str, str]:
    if who.user is not None:
        return {"user": who.user}
    if who.key_prefix is not None:
        return {"key_prefix": who.key_prefix}
    raise _not_signed_in("have sessions")


def _not_signed_in(what: str) -> Refused:
    return Refused(409, Problem(message=f"only people {what} who have signed in to the page"))
