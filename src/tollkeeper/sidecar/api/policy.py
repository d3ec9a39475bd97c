"""`GET` and `PUT /policy`: the limits in force, who has set them, and what was in force before."""

from __future__ import annotations

import json
from datetime import datetime
from typing import Annotated, Any

from fastapi import APIRouter, Query, Request
from pydantic import BaseModel, ConfigDict, Field
from starlette.responses import Response

from tollkeeper.policy import Policy
from tollkeeper.policy.document import read_json
from tollkeeper.policy.mistakes import PolicyError
from tollkeeper.sidecar.api.answer import Answer, moment
from tollkeeper.sidecar.api.auth import author_of
from tollkeeper.sidecar.api.problems import Problem, Refusal, Refused, missing, wrong
from tollkeeper.sidecar.api.services import Given, Services
from tollkeeper.sidecar.api.versioned import (
    LARGEST,
    IfMatch,
    IfNoneMatch,
    expected_version,
    is_known,
    version_headers,
)
from tollkeeper.storage.policies import PolicyConflict, PolicyVersion
from tollkeeper.storage.policies.store import LONGEST_REASON

router = APIRouter(tags=["limits"])
changes = APIRouter(tags=["limits"])

EXAMPLE = {"policy": {"name": "acme"}, "limit": [{"limit": "60 requests / minute per user"}]}
WHERE = "document"


class PolicyState(BaseModel):
    """A version of the policy."""

    version: int = Field(description="0 as long as nobody has set one: there are no limits.", examples=[3])
    recorded_at: datetime | None = Field(description="Since when; null for version 0.")
    author: str | None
    reason: str | None
    document: dict[str, Any] = Field(description="As a policy file, in JSON, presets written out.", examples=[EXAMPLE])


class PolicyInForce(PolicyState):
    """The version in force, or the one that was asked for."""

    file: str | None = Field(
        description="Put in force at each start of the sidecar, over what was set here; null: there is none.",
        examples=["/etc/tollkeeper/policy.toml"],
    )


class PolicySet(PolicyState):
    """What is in force now."""

    kept_quotas: list[str] = Field(description="Limits that are quotas set by `PUT /quotas`, and stay in force.")


class PolicyHistory(BaseModel):
    """What was ever in force, newest first."""

    versions: list[PolicyState]
    next_cursor: str | None


class StateParams(BaseModel):
    """Which version."""

    version: int | None = Field(
        default=None, ge=1, le=LARGEST, description="One that was in force; else the one that is."
    )


class HistoryParams(BaseModel):
    """Which versions."""

    cursor: str | None = Field(default=None, max_length=20, description="`next_cursor` of the page before.")
    limit: int = Field(default=50, ge=1, le=1000)


class NewPolicy(BaseModel):
    """A policy that is to be in force."""

    model_config = ConfigDict(extra="forbid")

    document: dict[str, Any] = Field(description="As a policy file, in JSON.", examples=[EXAMPLE])
    reason: str = Field(min_length=1, max_length=LONGEST_REASON, description="For the audit trail.")
    drop_quotas: bool = Field(default=False, description="Also take away the quotas that it does not name itself.")


@router.get(
    "/policy",
    response_model=PolicyInForce,
    summary="The policy in force",
    responses={
        304: {"description": "It is still as `If-None-Match` says."},
        404: {"model": Refusal, "description": "There was never such a version."},
    },
)
def policy(given: Given, params: Annotated[StateParams, Query()], if_none_match: IfNoneMatch = None) -> Response:
    """For people, and for apps that follow it. Ask again with `If-None-Match`: 304 as long as nothing has changed."""
    if params.version is not None:
        wanted = given.limiting.policies.version(params.version)
        if wanted is None:
            raise missing("version", str(params.version))
        return Answer(_in_force(given, wanted))
    revision = given.limiting.policies.revision()
    if is_known(revision, if_none_match):
        return Response(status_code=304, headers=version_headers(revision))
    version = given.limiting.policies.current()
    return Answer(_in_force(given, version), headers=version_headers(version.id))


@router.get("/policy/history", response_model=PolicyHistory, summary="Every version of the policy")
def history(given: Given, params: Annotated[HistoryParams, Query()]) -> Answer:
    """Who has set what, when, and why. Nothing is ever taken out."""
    try:
        versions, cursor = given.limiting.policies.history(params.cursor, params.limit)
    except ValueError:
        raise wrong("cursor", params.cursor, "the `next_cursor` of a page") from None
    return Answer(PolicyHistory(versions=[state_of(version) for version in versions], next_cursor=cursor))


@changes.put(
    "/policy",
    response_model=PolicySet,
    summary="Set the policy",
    responses={409: {"model": Refusal, "description": "The policy is another one by now."}},
)
def set_policy(request: Request, given: Given, new: NewPolicy, if_match: IfMatch = None) -> Answer:
    """All of it, but for quotas that were set by `PUT /quotas` and that it does not name: they stay.

    What was used of a limit stays, as long as it keeps its name: a change of an amount resets nothing.
    In force at once here, and in apps when they ask next. Setting what is in force already changes nothing.
    """
    found = read_document(new.document)
    try:
        version = given.limiting.policies.set(
            found,
            author=author_of(request),
            reason=new.reason,
            expected=expected_version(if_match),
            keep_quotas=not new.drop_quotas,
        )
    except PolicyConflict as error:
        raise Refused(409, Problem(message=str(error))) from None
    except ValueError as error:
        raise Refused(422, Problem(message=str(error), field="reason")) from None
    named = {limit.name for limit in found.limits}
    kept = [limit.name for limit in version.policy().limits if limit.name not in named]
    state = PolicySet(**state_of(version).model_dump(), kept_quotas=kept)
    return Answer(state, headers=version_headers(version.id))


def read_document(document: dict[str, Any]) -> Policy:
    """The policy that a body says. Raises `Refused` with all that is wrong with it."""
    try:
        return read_json(json.dumps(document), WHERE)
    except PolicyError as error:
        first, *others = (_problem(line) for line in str(error).splitlines())
        raise Refused(422, first, others=others) from None


def state_of(version: PolicyVersion) -> PolicyState:
    """A version as answers show it."""
    is_set = version.id > 0
    return PolicyState(
        version=version.id,
        recorded_at=moment(version.recorded_at) if is_set else None,
        author=version.author if is_set else None,
        reason=version.reason if is_set else None,
        document=version.document,
    )


def _in_force(given: Services, version: PolicyVersion) -> PolicyInForce:
    return PolicyInForce(**state_of(version).model_dump(), file=given.settings.policy)


def _problem(line: str) -> Problem:
    """A mistake, as a policy's reader tells it: `where: place: value; expected …`."""
    said, _, expected = line.removeprefix(f"{WHERE}: ").rpartition("; expected ")
    place, separator, value = said.partition(": ")
    if not separator:
        return Problem(message=line, field=WHERE)
    return Problem(message=f"{place} is {value}; expected {expected}", field=place, value=value, expected=expected)
