"""How limits stand, as answers show it. What nobody has limited, or counted, is null: never a zero that was made up."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import datetime
from decimal import Decimal
from typing import Annotated, Any

from pydantic import BaseModel, Field, WithJsonSchema

from tollkeeper.model import Denial, Status
from tollkeeper.model.decision import Reason
from tollkeeper.model.limit import Limit, Measure, Mode
from tollkeeper.policy.forms import write_form
from tollkeeper.policy.match_table import calls_text
from tollkeeper.policy.scope import binds_all
from tollkeeper.policy.wording import message_of
from tollkeeper.sidecar.api.answer import moment, usd
from tollkeeper.storage.outlook import Outlook, Standing, deciding

Amount = Annotated[int | Decimal, WithJsonSchema({"type": "number"})]
"""In the unit of the measure; of `usd`, US dollars, exact."""

_OF_THE_LIMIT = ("current_count", "limit_value", "remaining", "reset_at", "limit")
SUMMED = ("minute", "hour", "day", "month")


class WindowCount(BaseModel):
    """Requests in a minute, an hour, a day or a month."""

    can_call: bool = Field(description="Whether there is room for one more request. True where nobody has set a limit.")
    limited: bool = Field(description="Whether there is a limit. If not, all that follows is null.")
    current_count: int | None = Field(description="Requests so far, those under way included.", examples=[5])
    limit_value: int | None = Field(examples=[60])
    remaining: int | None = Field(description="Never below zero.", examples=[55])
    reset_at: datetime | None = Field(description="When it begins anew; null for what is refilled evenly.")
    limit: str | None = Field(description="The name of the limit, the tightest if there are several.")


class LimitStatus(BaseModel):
    """One limit, and how it stands for those whom `scope` names."""

    name: str = Field(examples=["requests-minute-per-user"])
    form: str = Field(description="What it says.", examples=["60 requests / minute per user"])
    measure: Measure
    mode: Mode
    calls: str = Field(description="Which calls it is for.", examples=["every call", "openai/gpt-4*"])
    scope: dict[str, str] = Field(description="Whose usage it is; empty: everybody's.", examples=[{"user": "u-17"}])
    amount: Amount = Field(examples=[60])
    used: Amount | None = Field(
        description="What is held included. Null where each call is limited by itself.", examples=[5]
    )
    held: Amount | None = Field(description="By calls that are under way.", examples=[1])
    remaining: Amount | None = Field(description="Never below zero.", examples=[55])
    percent: float | None = Field(description="Used, of the amount.", examples=[8.3333])
    resets_at: datetime | None = Field(description="Null where nothing begins anew.")


class Limits(BaseModel):
    """How the limits stand for a scope."""

    scope: dict[str, str] = Field(description="As it was asked for.", examples=[{"user": "u-17"}])
    minute: WindowCount
    hour: WindowCount
    day: WindowCount
    month: WindowCount
    limits: list[LimitStatus] = Field(
        description="All that some of the scope's calls come under; not those that count for more than it names."
    )


class HeldCharge(BaseModel):
    """What a call under way holds of one limit."""

    limit: str | None = Field(description="Its name; null if it is none of ours.")
    scope: dict[str, str] | None = Field(description="Whose usage; null if the limit is not in force any more.")
    measure: Measure | None
    amount: Amount = Field(description="The most that the call can use; whole nano-dollars if the measure is null.")
    key: str = Field(description="How the counters name it.")


class HeldCall(BaseModel):
    """A call under way, or a lease of a process for several."""

    id: str
    owner: str = Field(description="The process.", examples=["web-1:4711"])
    started_at: datetime | None = Field(description="Null where the id does not tell.")
    expires_at: datetime = Field(description="When it is taken to be lost, and charged in full.")
    charges: list[HeldCharge]


class InFlight(BaseModel):
    """What is held and not settled, those that began first at the top."""

    calls: list[HeldCall]


class Checked(BaseModel):
    """One limit, before the call that is asked about."""

    can_call: bool = Field(description="Whether this limit lets it go; a soft one always does.")
    current_count: Amount | None = Field(description="Null where each call is limited by itself.")
    limit_value: Amount
    remaining: Amount | None
    reset_at: datetime | None
    limit: str = Field(description="Its name.")
    form: str = Field(examples=["$10 / day"])
    mode: Mode
    measure: Measure
    scope: dict[str, str]
    estimate: Amount | None = Field(description="The most that the call can use; null if nobody can tell.")
    reason: Reason | None = Field(description="Why the call is beyond it.")


class Check(BaseModel):
    """Whether a call would be admitted now. Nothing is held for it."""

    can_call: bool
    limited: bool = Field(description="Whether any limit, or step, binds it. If not, the rest is null.")
    current_count: Amount | None = Field(description="Of the limit that decides: the one that denies, or the tightest.")
    limit_value: Amount | None
    remaining: Amount | None
    reset_at: datetime | None
    limit: str | None = Field(description="The name of that limit.")
    reason: Reason | None = Field(description="Why the call would be denied.")
    message: str | None = Field(description="The same in words, as the caller would read it.")
    limits: list[Checked]
    steps: list[str] = Field(
        description="Of ladders, or `emergency`: what would change the call. The limits are those of what it becomes.",
        examples=[["cheaper"]],
    )


def amount_of(measure: Measure, number: int) -> int | Decimal:
    """A number of the counters in the unit of its measure."""
    return usd(number) if measure == "usd" else number


def is_cap(limit: Limit) -> bool:
    """Whether each call is limited by itself: nothing is counted then."""
    return limit.window is None and limit.measure != "concurrency"


def status_of(status: Status) -> LimitStatus:
    """A limit of the list."""
    limit = status.limit
    counted = None if is_cap(limit) else status
    return LimitStatus(
        name=limit.name,
        form=write_form(limit),
        measure=limit.measure,
        mode=limit.mode,
        calls=" but ".join([calls_text(limit.match), *map(calls_text, limit.exempt)]),
        scope=dict(status.scope),
        amount=amount_of(limit.measure, limit.amount),
        used=counted and amount_of(limit.measure, status.used),
        held=counted and amount_of(limit.measure, status.held),
        remaining=counted and amount_of(limit.measure, status.remaining),
        percent=counted and round(status.percent, 4),
        resets_at=_when(status.resets_at),
    )


def summary_of(statuses: Iterable[Status], scope: Mapping[str, str]) -> dict[str, WindowCount]:
    """The tightest limit of requests in each window, of those that all of the scope's calls come under."""
    found: dict[str, Status] = {}
    for status in statuses:
        limit = status.limit
        if limit.measure != "requests" or limit.window is None or not binds_all(limit, scope):
            continue
        unit = limit.window.unit
        if unit not in found or _tightness(status) < _tightness(found[unit]):
            found[unit] = status
    return {unit: _count(found.get(unit)) for unit in SUMMED}


def checked(standing: Standing) -> Checked:
    """One limit of a check."""
    status, limit = standing.status, standing.status.limit
    counted = None if is_cap(limit) else status
    return Checked(
        can_call=standing.can_call,
        current_count=counted and amount_of(limit.measure, status.used),
        limit_value=amount_of(limit.measure, limit.amount),
        remaining=counted and amount_of(limit.measure, status.remaining),
        reset_at=_when(status.resets_at),
        limit=limit.name,
        form=write_form(limit),
        mode=limit.mode,
        measure=limit.measure,
        scope=dict(status.scope),
        estimate=None if standing.estimate is None else amount_of(limit.measure, standing.estimate),
        reason=standing.reason,
    )


def check_of(found: Outlook) -> Check:
    """The answer that a step, or these limits together, make."""
    if found.refusal is not None:
        return _refused(found.refusal)
    one = deciding(found.standings)
    steps = list(found.steps)
    if one is None:
        nothing: dict[str, Any] = dict.fromkeys(_OF_THE_LIMIT)
        return Check(can_call=True, limited=False, reason=None, message=None, limits=[], steps=steps, **nothing)
    shown = checked(one)
    denied = None if one.can_call or one.reason is None else Denial(one.status, one.estimate, None, one.reason)
    return Check(
        can_call=denied is None,
        limited=True,
        reason=None if denied is None else denied.reason,
        message=None if denied is None else message_of(denied),
        limits=[checked(each) for each in found.standings],
        steps=steps,
        **{name: getattr(shown, name) for name in _OF_THE_LIMIT},
    )


def _refused(denial: Denial) -> Check:
    """By a step of a ladder, or an emergency: no limit was asked."""
    nothing: dict[str, Any] = dict.fromkeys(_OF_THE_LIMIT)
    return Check(
        can_call=False, limited=True, reason=denial.reason, message=message_of(denial), limits=[], steps=[],
        **{**nothing, "limit": denial.status.limit.name},
    )  # fmt: skip


def _tightness(status: Status) -> tuple[bool, int]:
    return status.limit.mode == "soft", status.remaining


def _count(status: Status | None) -> WindowCount:
    if status is None:
        nothing: dict[str, Any] = dict.fromkeys(("current_count", "limit_value", "remaining", "reset_at", "limit"))
        return WindowCount(can_call=True, limited=False, **nothing)
    return WindowCount(
        can_call=status.remaining > 0 or status.limit.mode == "soft",
        limited=True,
        current_count=status.used,
        limit_value=status.limit.amount,
        remaining=status.remaining,
        reset_at=_when(status.resets_at),
        limit=status.limit.name,
    )


def _when(at: int | None) -> datetime | None:
    return None if at is None else moment(at)
