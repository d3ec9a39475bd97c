"""The questions about providers' own figures. Answers come first; each function is a method of both clients."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from decimal import Decimal
from typing import Any, Literal

from tollkeeper.client.ask import Ask, body_of, query_of, reader
from tollkeeper.client.keywords import When

CauseKind = Literal[
    "missed_calls", "not_invoiced", "price", "unpriced", "tier", "time_zone", "another_client", "rounding",
    "discount", "credit", "late_data", "unmatched_item", "unknown",
]  # fmt: skip
Status = Literal["settled", "open"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Cause:
    """Why ledger and invoice differ, by how much the invoice is higher for it, and what it was seen by."""

    kind: CauseKind
    meaning: str
    amount: Decimal | None
    amount_nano_usd: int | None
    evidence: dict[str, Any]


@dataclass(frozen=True, slots=True, kw_only=True)
class LedgerFigures:
    """What the ledger has, of calls that succeeded."""

    requests: int
    input_tokens: int
    cache_read_tokens: int
    cache_write_tokens: int
    output_tokens: int
    cost: Decimal
    cost_nano_usd: int
    unpriced_calls: int
    unmeasured_calls: int


@dataclass(frozen=True, slots=True, kw_only=True)
class InvoiceFigures:
    """What the provider says."""

    requests: int | None
    tokens: int | None
    cost: Decimal | None
    cost_nano_usd: int | None


@dataclass(frozen=True, slots=True, kw_only=True)
class ComparedDay:
    """A day of UTC of a model. Differences are the invoice's figure less the ledger's."""

    provider: str
    day: date
    model: str
    source: str
    status: Status
    agrees: bool
    ledger: LedgerFigures
    invoice: InvoiceFigures
    difference: Decimal | None
    difference_nano_usd: int | None
    difference_tokens: int | None
    causes: list[Cause]


@dataclass(frozen=True, slots=True, kw_only=True)
class CauseSum:
    """What one cause comes to."""

    kind: CauseKind
    meaning: str
    days: int
    amount: Decimal
    amount_nano_usd: int


@dataclass(frozen=True, slots=True, kw_only=True)
class ComparedProvider:
    """Of a provider. Sums are of the settled days of the range; the capture rate is of all that are compared."""

    provider: str
    capture_rate: float | None
    capture_measure: Literal["tokens", "requests"] | None
    shift_hours: int
    ledger_cost: Decimal
    ledger_cost_nano_usd: int
    invoice_cost: Decimal
    invoice_cost_nano_usd: int
    difference: Decimal
    difference_nano_usd: int
    differing_days: int
    causes: list[CauseSum]


@dataclass(frozen=True, slots=True, kw_only=True)
class AskedAccount:
    """What came of asking an account for its figures, the last time; `error` says why there are none."""

    name: str
    kind: str
    provider: str
    asked_at: datetime
    first_day: date
    error: str | None
    new: int
    changed: int
    unchanged: int
    gone: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Reconciliations:
    """How the ledger compares with what providers bill. `evaluated_at` is `None` where nothing was compared yet."""

    start: date
    end: date
    evaluated_at: datetime | None
    accounts: list[AskedAccount]
    providers: list[ComparedProvider]
    days: list[ComparedDay]


@dataclass(frozen=True, slots=True, kw_only=True)
class ReadLine:
    """A line of an export, as it was understood."""

    day: date
    provider: str
    model: str
    item: str
    tokens: int | None
    requests: int | None
    amount: Decimal | None
    tier: str
    project: str
    key: str
    label: str


@dataclass(frozen=True, slots=True, kw_only=True)
class ReadInvoice:
    """What an export says, and what importing it does, or did."""

    form: str
    imported: bool
    rows: int
    lines: int
    sources: list[str]
    providers: list[str]
    models: list[str]
    first_day: date
    last_day: date
    amount: Decimal | None
    amount_nano_usd: int | None
    tokens: int | None
    new: int
    changed: int
    unchanged: int
    sample: list[ReadLine]


@dataclass(frozen=True, slots=True, kw_only=True)
class BookedDay:
    """What is added to the calls of a day of a model; of all models, where it is empty. Causes are in nano-dollars."""

    day: date
    model: str
    calls: int
    old_cost: Decimal
    old_cost_nano_usd: int
    new_cost: Decimal
    new_cost_nano_usd: int
    amount: Decimal
    amount_nano_usd: int
    causes: dict[str, int]


@dataclass(frozen=True, slots=True, kw_only=True)
class LeftDay:
    """What is not booked, and why."""

    day: date
    model: str
    cause: CauseKind
    amount: Decimal | None
    amount_nano_usd: int | None
    why: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Adjusted:
    """What would be booked, or was."""

    plan: str
    provider: str
    start: date
    end: date
    applied: bool
    adjusted_calls: int | None
    amount: Decimal
    amount_nano_usd: int
    days: list[BookedDay]
    left: list[LeftDay]


def reconciliations(
    *,
    days: int | None = None,
    start: When | None = None,
    end: When | None = None,
    provider: str | Sequence[str] = (),
    model: str | Sequence[str] = (),
    status: Status | None = None,
    differing: bool | None = None,
) -> Ask[Reconciliations]:
    """The ledger against what providers bill, by day of UTC and model, and why they differ."""
    return Ask("GET", "/reconciliations", reader(Reconciliations), query_of(locals()))


def fetch_invoices() -> Ask[Reconciliations]:
    """Ask every account of the sidecar's for its figures, and compare. Give the client minutes for it."""
    return Ask("POST", "/reconciliations/fetch", reader(Reconciliations))


def import_invoice(
    content: str,
    *,
    name: str | None = None,
    form: str | None = None,
    mapping: Mapping[str, Any] | None = None,
    apply: bool = False,
    reason: str | None = None,
) -> Ask[ReadInvoice]:
    """What an export of a console says, CSV or a list of objects in JSON; with `apply` and a `reason`, it is imported.

    Of other files than the known forms, `mapping` says which column is what: `provider` and `day` at the least.
    """
    said = {"name": name, "form": form, "mapping": mapping, "reason": reason}
    return Ask("POST", "/invoices", reader(ReadInvoice), body={"content": content, "apply": apply, **body_of(said)})


def adjust_to_invoice(
    provider: str,
    *,
    days: int | None = None,
    start: When | None = None,
    end: When | None = None,
    model: str | Sequence[str] = (),
    cause: CauseKind | Sequence[CauseKind] = (),
    apply: bool = False,
    plan: str | None = None,
    reason: str | None = None,
) -> Ask[Adjusted]:
    """What booking an invoice's price, tariff, discount, credit or rounding would change: a dry run, unless `apply`.

    `plan` is the one of a dry run: `Outdated` if something has changed since.
    """
    said = {"days": days, "start": start, "end": end, "plan": plan, "reason": reason}
    lists = {"model": _list(model), "cause": _list(cause)}
    body = {
        "provider": provider,
        "apply": apply,
        **body_of(said),
        **{name: each for name, each in lists.items() if each},
    }
    return Ask("POST", "/reconciliations/adjust", reader(Adjusted), body=body)


def _list(said: str | Sequence[str]) -> list[str]:
    return [said] if isinstance(said, str) else list(said)
