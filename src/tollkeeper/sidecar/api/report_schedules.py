"""`/report-schedules`: which reports are made by the clock, and for which channels."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Any

from fastapi import APIRouter, Path, Query, Request
from pydantic import BaseModel, ConfigDict, Field

from tollkeeper.alerting.channel import ChannelError
from tollkeeper.alerting.schedule import (
    OPTIONS,
    Every,
    ReportFormat,
    ReportKind,
    ReportSchedule,
    document_of,
    schedule_of,
)
from tollkeeper.sidecar.api.answer import Answer, moment
from tollkeeper.sidecar.api.auth import author_of
from tollkeeper.sidecar.api.filters import LONGEST
from tollkeeper.sidecar.api.problems import Problem, Refusal, Refused, missing, wrong
from tollkeeper.sidecar.api.services import Given, Services
from tollkeeper.storage.policies.store import LONGEST_REASON

router = APIRouter(tags=["reports"])
changes = APIRouter(tags=["reports"])

Text = Annotated[str, Field(max_length=LONGEST)]
Name = Annotated[str, Path(min_length=1, max_length=LONGEST, description="The schedule's name.")]
NOT_FOUND: dict[int | str, dict[str, Any]] = {404: {"model": Refusal, "description": "There is no such schedule."}}
OF_FILE: dict[int | str, dict[str, Any]] = {
    409: {"model": Refusal, "description": "The schedule is in the sidecar's file of channels, and is changed there."}
}


class ReportScheduleState(BaseModel):
    """A report that is made by the clock."""

    name: str = Field(examples=["chargeback"])
    read_only: bool = Field(description="It is in the sidecar's file of channels, and is changed there.")
    report: ReportKind
    every: Every = Field(description="The day, week or month that is over.")
    at: str = Field(description="When on the first day after it, in `zone`.", examples=["08:00"])
    zone: str
    format: ReportFormat
    only: dict[str, list[str]] = Field(description="Of whom; empty: everybody.")
    to: list[str] = Field(description="Channels, and folders of the sidecar's machine.")
    next_at: datetime = Field(description="When it is made next.")


class ReportScheduleList(BaseModel):
    """Those of the sidecar's file first."""

    schedules: list[ReportScheduleState]


class NewReportSchedule(BaseModel):
    """All of it: what is not given is the default."""

    model_config = ConfigDict(extra="forbid")

    report: ReportKind = Field(description=OPTIONS["report"])
    every: Every = Field(description=OPTIONS["every"])
    to: list[Text] = Field(
        min_length=1, max_length=100, description="Channels, by their names.", examples=[["finance"]]
    )
    at: Text = Field(default="08:00", description=OPTIONS["at"])
    zone: Text = Field(default="UTC", description=OPTIONS["zone"])
    format: ReportFormat = Field(default="pdf", description=OPTIONS["format"])
    only: dict[str, list[Text]] = Field(default={}, description=OPTIONS["only"], examples=[{"tenant": ["acme"]}])
    reason: str = Field(default="", max_length=LONGEST_REASON, description="For the audit trail.")


class RemovalParams(BaseModel):
    """Why."""

    reason: str = Field(default="", max_length=LONGEST_REASON, description="For the audit trail.")


@router.get("/report-schedules", response_model=ReportScheduleList, summary="Which reports are made by the clock")
def schedules(given: Given) -> Answer:
    """Those of the sidecar's file, and those that people have set."""
    return Answer(ReportScheduleList(schedules=[_state(given, each) for each in given.report_schedules.all()]))


@changes.put(
    "/report-schedules/{name}", response_model=ReportScheduleState, summary="Set a schedule of a report",
    responses=OF_FILE,
)  # fmt: skip
def set_schedule(request: Request, given: Given, name: Name, asked: NewReportSchedule) -> Answer:
    """In place of the one of this name. If it was due in the last three days, it is made at once.

    Folders are for the file only: who may use this route is not to choose where the sidecar's machine is written to.
    """
    _refuse_of_file(given, name)
    known = {channel.name for channel in given.channels.all()}
    for target in asked.to:
        if target not in known:
            raise wrong("to", target, f"channels that there are: {', '.join(sorted(known)) or 'none yet'}")
    try:
        made = schedule_of(asked.model_dump(exclude={"reason"}), name)
    except ChannelError as error:
        first, *others = (line.removeprefix(f"report {name!r}: ") for line in str(error).splitlines())
        more = [Problem(message=line, field=_field(line)) for line in others]
        raise Refused(422, Problem(message=first, field=_field(first)), others=more) from None
    given.report_schedules.store.set(made, author=author_of(request), reason=asked.reason)
    return Answer(_state(given, made))


@changes.delete(
    "/report-schedules/{name}", response_model=ReportScheduleState, summary="Remove a schedule of a report",
    responses={**NOT_FOUND, **OF_FILE},
)  # fmt: skip
def remove_schedule(request: Request, given: Given, name: Name, params: Annotated[RemovalParams, Query()]) -> Answer:
    """What was made already is still delivered. Answers with the schedule as it was."""
    _refuse_of_file(given, name)
    found = given.report_schedules.one(name)
    if found is None or not given.report_schedules.store.remove(name, author=author_of(request), reason=params.reason):
        raise missing("schedule", name)
    return Answer(_state(given, found))


def _refuse_of_file(given: Services, name: str) -> None:
    if given.report_schedules.is_of_file(name):
        told = f"the schedule {name!r} is in the sidecar's file of channels; change it there"
        raise Refused(409, Problem(message=told, field="name", value=name))


def _field(mistake: str) -> str:
    return mistake.partition(":")[0].partition(".")[0]


def _state(given: Services, schedule: ReportSchedule) -> ReportScheduleState:
    return ReportScheduleState(
        name=schedule.name,
        read_only=given.report_schedules.is_of_file(schedule.name),
        next_at=moment(schedule.next_due(given.now_nanoseconds())),
        **document_of(schedule),
    )
