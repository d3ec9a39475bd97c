"""`/users` and `/sessions`: who may sign in to the page, as what, and who is."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime
from typing import Annotated, Any

from fastapi import APIRouter, Path, Query, Request
from pydantic import BaseModel, ConfigDict, Field

from tollkeeper.sidecar.api.answer import Answer, moment
from tollkeeper.sidecar.api.auth import author_of
from tollkeeper.sidecar.api.problems import Problem, Refusal, Refused, missing
from tollkeeper.sidecar.api.services import Given
from tollkeeper.sidecar.api.versioned import IfMatch, expected_version, version_headers
from tollkeeper.storage.passwords import LONGEST_PASSWORD, SHORTEST_PASSWORD
from tollkeeper.storage.sessions import Session
from tollkeeper.storage.users import LONGEST_NAME, Role, User, UserConflict, UserError

router = APIRouter(tags=["users"])

NOT_FOUND: dict[int | str, dict[str, Any]] = {404: {"model": Refusal, "description": "There is no such user."}}
OUTDATED: dict[int | str, dict[str, Any]] = {409: {"model": Refusal, "description": "The user is another one by now."}}
LAST_ADMIN: dict[int | str, dict[str, Any]] = {
    409: {"model": Refusal, "description": "The user is another one by now, or is the last active admin."},
}
Name = Annotated[str, Path(min_length=1, max_length=LONGEST_NAME, description="The user's name.")]
Reason = Annotated[str, Field(max_length=2000, description="For the audit trail.")]
PASSWORD = f"{SHORTEST_PASSWORD} to {LONGEST_PASSWORD} characters; kept is a hash of it, and it is shown nowhere."


class UserState(BaseModel):
    """Somebody who can sign in to the page."""

    name: str = Field(description="As they sign in, and as the audit trail calls them.", examples=["ada@example.com"])
    role: Role = Field(
        description="`viewer`, `editor` or `admin`: may do what a key for `read`, `edit` or `admin` is good for."
    )
    version: int = Field(description="Counts the changes; to be sent back as `If-Match`.")
    active: bool = Field(description="They may sign in.")
    created_at: datetime
    created_by: str
    password_set_at: datetime
    disabled_at: datetime | None
    last_signed_in_at: datetime | None = Field(description="Null: never.")


class UserList(BaseModel):
    """All users, by name."""

    users: list[UserState]


class NewUser(BaseModel):
    """A user who is wanted."""

    model_config = ConfigDict(extra="forbid")

    name: str = Field(description="Small letters, digits and any of `. _ @ + -`.", examples=["ada@example.com"])
    role: Role = "viewer"
    password: str = Field(description=PASSWORD, repr=False)
    reason: Reason = ""


class UserChange(BaseModel):
    """What is to be otherwise; what is not given stays."""

    model_config = ConfigDict(extra="forbid")

    role: Role | None = None
    active: bool | None = Field(default=None, description="False: they cannot sign in, and are out at once.")
    reason: Reason = ""


class NewPassword(BaseModel):
    """Another password."""

    model_config = ConfigDict(extra="forbid")

    password: str = Field(description=PASSWORD, repr=False)
    reason: Reason = ""


class SessionState(BaseModel):
    """Somebody is signed in, in one browser."""

    id: str = Field(description="Names it, and opens nothing.")
    user: str | None = Field(description="Null where it is by a key.")
    key_prefix: str | None = Field(description="Of the key.")
    created_at: datetime
    last_seen_at: datetime = Field(description="To the minute.")
    expires_at: datetime = Field(description="At the latest; after 12 hours without use it is over too.")
    address: str
    agent: str = Field(description="What the browser calls itself.")


class SessionList(BaseModel):
    """Those that are not over, the newest first."""

    sessions: list[SessionState]


class SessionParams(BaseModel):
    """Whose."""

    user: str | None = Field(default=None, max_length=LONGEST_NAME)


class Ended(BaseModel):
    """What was ended."""

    sessions: int


class ReasonParams(BaseModel):
    """Why."""

    reason: Reason = ""


@router.get("/users", response_model=UserList, summary="List users")
def users(given: Given) -> Answer:
    """Those who may not sign in any more too."""
    return Answer(UserList(users=[state_of(user) for user in given.users.users()]))


@router.post(
    "/users", response_model=UserState, status_code=201, summary="Create a user",
    responses={409: {"model": Refusal, "description": "There is one of this name."}},
)  # fmt: skip
def create_user(request: Request, given: Given, wanted: NewUser) -> Answer:
    """They sign in with this password, and can set another one."""
    with as_refusals():
        user = given.users.create(
            wanted.name, wanted.role, wanted.password, author=author_of(request), reason=wanted.reason
        )
    return Answer(state_of(user), 201, version_headers(user.version))


@router.get("/users/{name}", response_model=UserState, summary="One user", responses=NOT_FOUND)
def user(given: Given, name: Name) -> Answer:
    """Without what they sign in with."""
    found = given.users.user(name)
    if found is None:
        raise missing("user", name)
    return Answer(state_of(found), headers=version_headers(found.version))


@router.patch(
    "/users/{name}", response_model=UserState, summary="Change a user", responses={**NOT_FOUND, **LAST_ADMIN}
)  # fmt: skip
def change_user(request: Request, given: Given, name: Name, change: UserChange, if_match: IfMatch = None) -> Answer:
    """It holds from the next request of theirs on."""
    with as_refusals(name):
        changed = given.users.change(
            name, role=change.role, disabled=None if change.active is None else not change.active,
            author=author_of(request), reason=change.reason, expected=expected_version(if_match),
        )  # fmt: skip
    return Answer(state_of(changed), headers=version_headers(changed.version))


@router.put(
    "/users/{name}/password", response_model=UserState, summary="Set a password",
    responses={**NOT_FOUND, **OUTDATED},
)  # fmt: skip
def set_password(request: Request, given: Given, name: Name, wanted: NewPassword, if_match: IfMatch = None) -> Answer:
    """For somebody who has lost theirs. It ends all of their sessions."""
    with as_refusals(name):
        changed = given.users.set_password(
            name, wanted.password, author=author_of(request), reason=wanted.reason,
            expected=expected_version(if_match),
        )  # fmt: skip
    return Answer(state_of(changed), headers=version_headers(changed.version))


@router.get("/sessions", response_model=SessionList, summary="Who is signed in")
def sessions(given: Given, params: Annotated[SessionParams, Query()]) -> Answer:
    """Everybody, or one user."""
    return Answer(SessionList(sessions=[session_of(each) for each in given.sessions.sessions(user=params.user)]))


@router.delete("/sessions/{id}", response_model=Ended, summary="End a session", responses={404: {"model": Refusal}})
def end_session(
    request: Request,
    given: Given,
    id: Annotated[str, Path(max_length=LONGEST_NAME)],
    params: Annotated[ReasonParams, Query()],
) -> Answer:
    """Whoever has it has to sign in anew."""
    if given.sessions.end(id, author=author_of(request), reason=params.reason) is None:
        raise missing("session", id)
    return Answer(Ended(sessions=1))


@router.delete("/users/{name}/sessions", response_model=Ended, summary="End a user's sessions", responses=NOT_FOUND)
def end_sessions(request: Request, given: Given, name: Name, params: Annotated[ReasonParams, Query()]) -> Answer:
    """They have to sign in anew, wherever they are."""
    found = given.users.user(name)
    if found is None:
        raise missing("user", name)
    ended = given.sessions.end_all(user=found.name, author=author_of(request), reason=params.reason)
    return Answer(Ended(sessions=ended))


def state_of(user: User) -> UserState:
    """A user, as answers have them."""
    return UserState(
        name=user.name,
        role=user.role,
        version=user.version,
        active=user.is_good,
        created_at=moment(user.created_at),
        created_by=user.created_by,
        password_set_at=moment(user.password_set_at),
        disabled_at=None if user.disabled_at is None else moment(user.disabled_at),
        last_signed_in_at=None if user.last_signed_in_at is None else moment(user.last_signed_in_at),
    )


def session_of(session: Session) -> SessionState:
    """A session, as answers have it."""
    return SessionState(
        id=session.id,
        user=session.user,
        key_prefix=session.key_prefix,
        created_at=moment(session.created_at),
        last_seen_at=moment(session.last_seen_at),
        expires_at=moment(session.expires_at),
        address=session.address,
        agent=session.agent,
    )


@contextmanager
def as_refusals(name: str = "") -> Iterator[None]:
    """What is wrong with a change of a user, as the API says it: never with the password."""
    try:
        yield
    except UserError as error:
        first, *others = (
            Problem(message=f"{field} is not as it should be; {expected}", field=field,
                    expected=expected.removeprefix("expected "))
            for field, expected in error.mistakes.items()
        )  # fmt: skip
        raise Refused(422, first, others=others) from None
    except UserConflict as error:
        raise Refused(409, Problem(message=str(error))) from None
    except LookupError:
        raise missing("user", name) from None
