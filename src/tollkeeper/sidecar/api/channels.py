"""`/channels`: where alerts are told. Of secrets, the reference is shown, or `…`."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Annotated, Any, Literal

from fastapi import APIRouter, Body, Path, Query, Request
from pydantic import BaseModel, Field, WithJsonSchema

from tollkeeper.alerting.channel import OPTIONS, Channel, ChannelError, Digest, Kind, Via, channel_of, table_of
from tollkeeper.alerting.service import service_of
from tollkeeper.config.references import UnresolvedReference, is_unresolved, resolve
from tollkeeper.model.finding import Severity
from tollkeeper.sidecar.api.answer import Answer, moment
from tollkeeper.sidecar.api.auth import author_of
from tollkeeper.sidecar.api.filters import LONGEST
from tollkeeper.sidecar.api.problems import Problem, Refusal, Refused, missing, mistaken
from tollkeeper.sidecar.api.services import Given, Services
from tollkeeper.sidecar.notify.messages import check_templates, message_of
from tollkeeper.sidecar.notify.sample import sample_notification
from tollkeeper.storage.alerts.outbox import Failing
from tollkeeper.storage.policies.store import LONGEST_REASON

router = APIRouter(tags=["alerts"])
changes = APIRouter(tags=["alerts"])

Name = Annotated[str, Path(min_length=1, max_length=LONGEST, description="The channel's name.")]
NOT_FOUND: dict[int | str, dict[str, Any]] = {404: {"model": Refusal, "description": "There is no such channel."}}
OF_FILE: dict[int | str, dict[str, Any]] = {
    409: {"model": Refusal, "description": "The channel is in the sidecar's file of channels, and is changed there."}
}
EXAMPLE = {"url": "env:FINANCE_SLACK", "at_least": "warning", "only": {"tenant": ["acme"]}}


class Trouble(BaseModel):
    """Why nothing arrives at a channel now."""

    detail: str = Field(examples=["environment variable FINANCE_SLACK is not set"])
    since: datetime | None = Field(description="Null where nothing was to be told yet.")
    messages: int = Field(description="So many have not arrived.")


class ChannelState(BaseModel):
    """A channel, as it is in force."""

    name: str = Field(examples=["finance"])
    read_only: bool = Field(description="It is in the sidecar's file of channels, and is changed there.")
    kind: Kind
    url: str = Field(description="The reference, or the part of it that is no secret.", examples=["env:FINANCE_SLACK"])
    secret: str | None = Field(description="The same of the key that a webhook is signed with.")
    at_least: Severity
    only: dict[str, list[str]]
    repeat: int = Field(description="Seconds; 0 is never.")
    resolved: bool
    title: str | None
    body: str | None
    via: Via
    digest: Digest | None
    service: str | None = Field(
        description="Which one it tells, as its address says, or what has the address is called; null if neither does.",
        examples=["slack"],
    )
    trouble: Trouble | None = Field(description="Null while messages arrive, as far as is known.")


class ChannelList(BaseModel):
    """Those of the sidecar's file first."""

    channels: list[ChannelState]


class Tried(BaseModel):
    """What became of a message that was sent to try a channel."""

    outcome: Literal["sent", "failed", "refused"] = Field(description="`failed` may go another time, `refused` never.")
    detail: str = Field(examples=["answered 200 OK"])
    title: str = Field(description="What was sent.")
    message: str


class RemovalParams(BaseModel):
    """Why."""

    reason: str = Field(default="", max_length=LONGEST_REASON, description="For the audit trail.")


_REASON = {"type": "string", "maxLength": LONGEST_REASON, "description": "For the audit trail."}
NewChannel = Annotated[
    dict[str, Any],
    WithJsonSchema(
        {
            "type": "object",
            "properties": {name: {"description": one.meaning} for name, one in OPTIONS.items()} | {"reason": _REASON},
            "required": ["url"],
            "additionalProperties": False,
            "title": "NewChannel",
        }
    ),
    Body(examples=[EXAMPLE], description="As a table of a file of channels, and why."),
]


@router.get("/channels", response_model=ChannelList, summary="Where alerts are told")
def channels(given: Given) -> Answer:
    """Those of the sidecar's file, and those that people have set."""
    failing = given.outbox.failing()
    return Answer(ChannelList(channels=[_state(given, channel, failing) for channel in given.channels.all()]))


@router.get("/channels/{name}", response_model=ChannelState, summary="One channel", responses=NOT_FOUND)
def channel(given: Given, name: Name) -> Answer:
    """Without its secrets."""
    return Answer(_state(given, _found(given, name)))


@changes.put("/channels/{name}", response_model=ChannelState, summary="Set a channel", responses=OF_FILE)
def set_channel(request: Request, given: Given, name: Name, document: NewChannel) -> Answer:
    """All of it: what is not given is the default. A secret is given as a reference, `env:NAME` or `file:/path`.

    A URL that is sent back as it is shown, with `…` in it, stays what it is.
    """
    reason = document.get("reason", "")
    if not isinstance(reason, str) or len(reason) > LONGEST_REASON:
        raise mistaken("reason", f"a text of {LONGEST_REASON} characters at the most")
    _refuse_of_file(given, name)
    try:
        made = channel_of(_written_out(given, name, document), name)
    except ChannelError as error:
        raise _refusal(str(error).splitlines(), f"channel {name!r}: ") from None
    if wrong := check_templates(made):
        raise _refusal(wrong, "")
    given.channels.store.set(made, author=author_of(request), reason=reason)
    return Answer(_state(given, made))


@changes.delete(
    "/channels/{name}", response_model=ChannelState, summary="Remove a channel", responses={**NOT_FOUND, **OF_FILE}
)
def remove_channel(request: Request, given: Given, name: Name, params: Annotated[RemovalParams, Query()]) -> Answer:
    """What waits to be told there is dead then. Answers with the channel as it was."""
    _refuse_of_file(given, name)
    found = _found(given, name)
    if not given.channels.store.remove(name, author=author_of(request), reason=params.reason):
        raise missing("channel", name)
    return Answer(_state(given, found))


@changes.post("/channels/{name}/test", response_model=Tried, summary="Try a channel", responses=NOT_FOUND)
def test_channel(given: Given, name: Name) -> Answer:
    """Sends an example there, now, and says what became of it. It may take half a minute."""
    found = _found(given, name)
    now = given.now_nanoseconds()
    told = sample_notification(found, now, suffix=f"-{now}")
    message = message_of(told, found)
    delivery = given.notifier_of(found).send(told, message)
    return Answer(Tried(outcome=delivery.outcome, detail=delivery.detail, title=message.title, message=message.body))


def _written_out(given: Services, name: str, document: Mapping[str, Any]) -> dict[str, Any]:
    """The channel's table, with the URL that is kept in place of what is shown of it."""
    table = {field: value for field, value in document.items() if field != "reason"}
    kept = given.channels.one(name)
    if kept is not None and kept.kind == table.get("kind") and table.get("url") == table_of(kept)["url"]:
        table["url"] = kept.url
    return table


def _found(given: Services, name: str) -> Channel:
    found = given.channels.one(name)
    if found is None:
        raise missing("channel", name)
    return found


def _refuse_of_file(given: Services, name: str) -> None:
    if given.channels.is_of_file(name):
        raise Refused(409, Problem(message=f"{name} is in the sidecar's file of channels, and is changed there"))


def troubles(given: Services) -> dict[str, str]:
    """The channels that nothing arrives at now, and why."""
    failing = given.outbox.failing()
    found = {channel.name: _trouble(channel, failing) for channel in given.channels.all()}
    return {name: trouble.detail for name, trouble in found.items() if trouble is not None}


def _trouble(channel: Channel, failing: Mapping[str, Failing]) -> Trouble | None:
    """Why nothing arrives at it now; `None` as far as is known."""
    _, missing_reference = _looked_up(channel)
    known = failing.get(channel.name)
    # What was missing and is there now is tried again soon.
    if known and (missing_reference or not is_unresolved(known.detail)):
        return Trouble(detail=known.detail, since=moment(known.since), messages=known.number)
    return Trouble(detail=missing_reference, since=None, messages=0) if missing_reference else None


def _looked_up(channel: Channel) -> tuple[str | None, str | None]:
    """Its address; and what is missing where there should be one, or a key."""
    if channel.kind == "python":
        return channel.url, None
    try:
        address = resolve(channel.url)
        resolve(channel.secret or "")
    except UnresolvedReference as missing_reference:
        return None, str(missing_reference)
    return address, None


def _state(given: Services, channel: Channel, failing: Mapping[str, Failing] | None = None) -> ChannelState:
    failing = given.outbox.failing() if failing is None else failing
    return ChannelState(
        name=channel.name,
        read_only=given.channels.is_of_file(channel.name),
        **table_of(channel),
        service=service_of(channel, _looked_up(channel)[0]),
        trouble=_trouble(channel, failing),
    )


def _refusal(lines: list[str], where: str) -> Refused:
    """All that is wrong. What a message repeats of a value is what may be shown of it."""
    first, *others = (Problem(message=line.removeprefix(where), field="channel") for line in lines)
    return Refused(422, first, others=others)
