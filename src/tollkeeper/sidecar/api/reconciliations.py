"""`/reconciliations`: the ledger against providers' own figures, by day and model; evaluated daily."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import date, datetime, timedelta
from typing import Annotated, Any, Literal

from fastapi import APIRouter, Query, Request
from pydantic import BaseModel, ConfigDict, Field
from starlette.responses import Response

from tollkeeper.insight.reconcile.cell import MEANINGS, CauseKind, Status
from tollkeeper.sidecar.api.answer import Answer, NanoUsd, Usd, moment, usd
from tollkeeper.sidecar.api.auth import author_of
from tollkeeper.sidecar.api.filters import LONGEST, RangeParams
from tollkeeper.sidecar.api.problems import Problem, Refusal, Refused, wrong
from tollkeeper.sidecar.api.services import Given, Services
from tollkeeper.sidecar.api.zones import Range
from tollkeeper.sidecar.insight.booking import BOOKABLE, Booking, Left, Plan, PlanOutdated, Wanted
from tollkeeper.sidecar.insight.reconciliation import NAME

router = APIRouter(tags=["reconciliation"])
changes = APIRouter(tags=["reconciliation"])

Ratio = Annotated[float, Field(ge=0)]
Name = Annotated[str, Field(max_length=LONGEST)]


class ReconciliationParams(RangeParams):
    """Which days (of UTC), and whose."""

    provider: list[Name] = Field(default=[], description="Only these.", examples=[["openai"]])
    model: list[Name] = Field(default=[], description="Only these.", examples=[["gpt-4o-mini-2024-07-18"]])
    status: Status | None = Field(default=None, description="`settled`: the provider's figures are complete.")
    differing: bool = Field(default=False, description="Only what differs by more than the tolerance.")


class Cause(BaseModel):
    """Why they differ."""

    kind: CauseKind
    meaning: str = Field(examples=[MEANINGS["missed_calls"]])
    amount: Usd | None = Field(description="By how much the invoice is higher for it; null: no money is told.")
    amount_nano_usd: NanoUsd | None
    evidence: dict[str, Any] = Field(description="What it was seen by.", examples=[{"tokens": 1200, "requests": 3}])


class LedgerFigures(BaseModel):
    """What the ledger has, of calls that succeeded."""

    requests: int
    input_tokens: int = Field(description="All of them, cached ones too.")
    cache_read_tokens: int
    cache_write_tokens: int
    output_tokens: int
    cost: Usd
    cost_nano_usd: NanoUsd
    unpriced_calls: int = Field(description="In no sum of money.")
    unmeasured_calls: int = Field(description="In no sum of tokens.")


class InvoiceFigures(BaseModel):
    """What the provider says; null is what it does not."""

    requests: int | None
    tokens: int | None
    cost: Usd | None
    cost_nano_usd: NanoUsd | None


class ComparedDay(BaseModel):
    """A day of a model. Differences are the invoice's figure less the ledger's."""

    provider: str = Field(examples=["openai"])
    day: date = Field(description="Of UTC.")
    model: str = Field(description="As the ledger names it; empty: of no model, such as a credit.")
    source: str = Field(description="Where the invoice's figures are from; empty: it has none for this.")
    status: Status = Field(description="`open`: the provider's figures may not be complete yet.")
    agrees: bool = Field(description="Within the tolerance.")
    ledger: LedgerFigures
    invoice: InvoiceFigures
    difference: Usd | None
    difference_nano_usd: NanoUsd | None
    difference_tokens: int | None
    causes: list[Cause] = Field(description="The weightiest first; their amounts sum to the difference.")


class CauseSum(BaseModel):
    """What one cause comes to."""

    kind: CauseKind
    meaning: str
    days: int = Field(description="Days of models.")
    amount: Usd
    amount_nano_usd: NanoUsd


class ComparedProvider(BaseModel):
    """Of a provider, in the range; sums are of settled days."""

    provider: str
    capture_rate: Ratio | None = Field(
        description="What the ledger has of what was billed, of all settled days that are compared. Null: unknown."
    )
    capture_measure: Literal["tokens", "requests"] | None
    shift_hours: int = Field(description="How many hours after those of UTC the provider's days begin, as it seems.")
    ledger_cost: Usd
    ledger_cost_nano_usd: NanoUsd
    invoice_cost: Usd
    invoice_cost_nano_usd: NanoUsd
    difference: Usd
    difference_nano_usd: NanoUsd
    differing_days: int = Field(description="Settled days of models that differ by more than the tolerance.")
    causes: list[CauseSum] = Field(description="The weightiest first.")


class AskedAccount(BaseModel):
    """What came of asking an account for its figures, the last time."""

    name: str
    kind: str = Field(examples=["openai"])
    provider: str
    asked_at: datetime
    first_day: date
    error: str | None = Field(description="Why there are none; it is tried again within the hour.")
    new: int = Field(description="Lines that were not known.")
    changed: int = Field(description="Lines that say something else than before.")
    unchanged: int
    gone: int = Field(description="Lines that are not told any more.")


class Reconciliations(BaseModel):
    """How the ledger compares."""

    start: date
    end: date = Field(description="Not included.")
    evaluated_at: datetime | None = Field(description="Null: nothing was compared yet.")
    accounts: list[AskedAccount]
    providers: list[ComparedProvider]
    days: list[ComparedDay] = Field(description="By provider, day and model.")


class Adjust(RangeParams):
    """What is to be booked, and whether it is only to be shown."""

    model_config = ConfigDict(extra="forbid")

    provider: str = Field(max_length=LONGEST, examples=["openai"])
    model: list[Name] = Field(default=[], description="Only these.")
    cause: list[CauseKind] = Field(
        default=list(BOOKABLE), description=f"For these causes. Those that can be booked: {', '.join(BOOKABLE)}."
    )
    apply: bool = Field(default=False, description="Book it. Without it, nothing is changed.")
    plan: str | None = Field(default=None, max_length=100, description="The `plan` of a dry run; needed to book it.")
    reason: str | None = Field(default=None, max_length=2000, description="Why; needed to book it.")


class BookedDay(BaseModel):
    """What is added to the calls of a day of a model."""

    day: date
    model: str = Field(description="Empty: to all models' calls.")
    calls: int
    old_cost: Usd
    old_cost_nano_usd: NanoUsd
    new_cost: Usd
    new_cost_nano_usd: NanoUsd
    amount: Usd
    amount_nano_usd: NanoUsd
    causes: dict[CauseKind, int] = Field(description="Of what it is made, in nano-dollars.")


class LeftDay(BaseModel):
    """What is not booked."""

    day: date
    model: str
    cause: CauseKind
    amount: Usd | None
    amount_nano_usd: NanoUsd | None
    why: str


class Adjusted(BaseModel):
    """A dry run, or what was booked."""

    plan: str = Field(description="To book exactly this.", examples=["8f14e45fceea167a"])
    provider: str
    start: date
    end: date = Field(description="Not included.")
    applied: bool
    adjusted_calls: int | None = Field(description="Null for a dry run.")
    amount: Usd
    amount_nano_usd: NanoUsd
    days: list[BookedDay]
    left: list[LeftDay]


@router.get("/reconciliations", response_model=Reconciliations, summary="The ledger against providers' own figures")
def reconciliations(given: Given, asked: Annotated[ReconciliationParams, Query()]) -> Response:
    """By day and model: the ledger, the invoice, the difference, and why. It is evaluated daily, and after imports."""
    return Answer(_shown(given, asked))


@changes.post("/reconciliations/fetch", response_model=Reconciliations, summary="Get providers' figures now")
def fetch(given: Given) -> Response:
    """Ask every account, and compare. It waits for the providers, and may take minutes."""
    given.insight.reconciler.fetch(given.now_nanoseconds())
    return Answer(_shown(given, ReconciliationParams(days=35, zone="UTC")))


@changes.post(
    "/reconciliations/adjust",
    response_model=Adjusted,
    summary="Book what an invoice says",
    responses={409: {"model": Refusal, "description": "Something has changed since the plan was made."}},
)
def adjust(request: Request, given: Given, asked: Adjust) -> Response:
    """First what would be booked; then, with `apply`, corrections beside the calls. Recorded calls are never changed.

    Calls that the ledger lacks, and other clients', are on no call that could be corrected: they stay differences.
    """
    when = asked.range(given.now())
    first, last = _days(when)
    wanted = Wanted(asked.provider, first, last, tuple(asked.model), tuple(asked.cause))
    keeper, now = given.insight.bookkeeper, given.now_nanoseconds()
    if not asked.apply:
        return Answer(_adjusted(keeper.plan(wanted, now), None))
    if not (asked.reason and asked.reason.strip()):
        raise wrong("reason", asked.reason, "why, for the audit trail")
    if asked.plan is None:
        raise wrong("plan", asked.plan, "the plan of a dry run, which somebody has looked at")
    try:
        done = keeper.apply(wanted, now, author=author_of(request), reason=asked.reason.strip(), plan_id=asked.plan)
    except PlanOutdated as error:
        raise Refused(409, Problem(message=str(error), field="plan", value=asked.plan)) from None
    given.insight.reconciler.again(now)
    return Answer(_adjusted(done.plan, done.adjusted))


def _days(when: Range) -> tuple[date, date]:
    """The first and the last day of UTC."""
    return when.start.date(), (when.end - timedelta(microseconds=1)).date()


def _shown(given: Services, asked: ReconciliationParams) -> Reconciliations:
    when = asked.range(given.now())
    first, last = _days(when)
    found = given.insight.evaluations.latest(NAME)
    body: Mapping[str, Any] = {"accounts": [], "providers": []} if found is None else found.body
    days, providers = [], []
    for one in body["providers"]:
        if asked.provider and one["provider"] not in asked.provider:
            continue
        cells = [
            cell
            for cell in one["cells"]
            if first.isoformat() <= cell["day"] <= last.isoformat()
            and (not asked.model or cell["model"] in asked.model)
        ]
        providers.append(_provider(one, [cell for cell in cells if cell["status"] == "settled"]))
        shown = (cell for cell in cells if asked.status in (None, cell["status"]))
        days += [_day(one["provider"], cell) for cell in shown if not (asked.differing and cell["agrees"])]
    return Reconciliations(
        start=first,
        end=last + timedelta(days=1),
        evaluated_at=None if found is None else moment(found.at),
        accounts=[_account(one) for one in body["accounts"]],
        providers=providers,
        days=days,
    )


def _account(said: Mapping[str, Any]) -> AskedAccount:
    return AskedAccount(**{**said, "asked_at": moment(said["asked_at"])})


def _provider(said: Mapping[str, Any], settled: Iterable[Mapping[str, Any]]) -> ComparedProvider:
    capture = said["capture"] or {}
    cells = list(settled)
    ledger = sum(cell["ledger"]["nano_usd"] for cell in cells if cell["invoice"]["nano_usd"] is not None)
    invoice = sum(cell["invoice"]["nano_usd"] or 0 for cell in cells)
    causes: dict[CauseKind, list[int]] = {}
    for cell in cells:
        for cause in cell["causes"]:
            causes.setdefault(cause["kind"], []).append(cause["nano_usd"] or 0)
    sums = [
        CauseSum(kind=kind, meaning=MEANINGS[kind], days=len(found), amount=usd(sum(found)), amount_nano_usd=sum(found))
        for kind, found in sorted(causes.items(), key=lambda each: -sum(map(abs, each[1])))
    ]
    return ComparedProvider(
        provider=said["provider"],
        capture_rate=capture.get("ratio"),
        capture_measure=capture.get("measure"),
        shift_hours=said["shift_hours"],
        ledger_cost=usd(ledger),
        ledger_cost_nano_usd=ledger,
        invoice_cost=usd(invoice),
        invoice_cost_nano_usd=invoice,
        difference=usd(invoice - ledger),
        difference_nano_usd=invoice - ledger,
        differing_days=sum(not cell["agrees"] for cell in cells),
        causes=sums,
    )


def _day(provider: str, cell: Mapping[str, Any]) -> ComparedDay:
    ledger, invoice = cell["ledger"], cell["invoice"]
    return ComparedDay(
        provider=provider,
        day=cell["day"],
        model=cell["model"],
        source=cell["source"],
        status=cell["status"],
        agrees=cell["agrees"],
        ledger=LedgerFigures(
            requests=ledger["requests"],
            input_tokens=ledger["input"] + ledger["cache_read"] + ledger["cache_write"],
            cache_read_tokens=ledger["cache_read"],
            cache_write_tokens=ledger["cache_write"],
            output_tokens=ledger["output"],
            cost=usd(ledger["nano_usd"]),
            cost_nano_usd=ledger["nano_usd"],
            unpriced_calls=ledger["unpriced"],
            unmeasured_calls=ledger["unmeasured"],
        ),
        invoice=InvoiceFigures(
            requests=invoice["requests"],
            tokens=invoice["tokens"],
            cost=_dollars(invoice["nano_usd"]),
            cost_nano_usd=invoice["nano_usd"],
        ),
        difference=_dollars(cell["difference_nano_usd"]),
        difference_nano_usd=cell["difference_nano_usd"],
        difference_tokens=cell["difference_tokens"],
        causes=[
            Cause(
                kind=cause["kind"],
                meaning=MEANINGS[cause["kind"]],
                amount=_dollars(cause["nano_usd"]),
                amount_nano_usd=cause["nano_usd"],
                evidence=cause["evidence"],
            )
            for cause in cell["causes"]
        ],
    )


def _adjusted(plan: Plan, adjusted: int | None) -> Adjusted:
    amount = sum(one.new_nano_usd - one.old_nano_usd for one in plan.bookings)
    return Adjusted(
        plan=plan.id,
        provider=plan.wanted.provider,
        start=plan.wanted.first,
        end=plan.wanted.last + timedelta(days=1),
        applied=adjusted is not None,
        adjusted_calls=adjusted,
        amount=usd(amount),
        amount_nano_usd=amount,
        days=[_booked(one) for one in plan.bookings],
        left=[_left(one) for one in plan.left],
    )


def _booked(one: Booking) -> BookedDay:
    amount = one.new_nano_usd - one.old_nano_usd
    return BookedDay(
        day=one.day,
        model=one.model,
        calls=one.calls,
        old_cost=usd(one.old_nano_usd),
        old_cost_nano_usd=one.old_nano_usd,
        new_cost=usd(one.new_nano_usd),
        new_cost_nano_usd=one.new_nano_usd,
        amount=usd(amount),
        amount_nano_usd=amount,
        causes=dict(one.amounts),
    )


def _left(one: Left) -> LeftDay:
    return LeftDay(
        day=one.day, model=one.model, cause=one.cause, amount=_dollars(one.nano_usd), amount_nano_usd=one.nano_usd,
        why=one.why,
    )  # fmt: skip


def _dollars(nano_usd: int | None) -> Usd | None:
    return None if nano_usd is None else usd(nano_usd)
