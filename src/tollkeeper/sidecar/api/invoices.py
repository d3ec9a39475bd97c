"""`POST /invoices`: a CSV export of a provider's console; first what it says, then, if that is right, its import."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date
from typing import Any

from fastapi import APIRouter, Request
from pydantic import BaseModel, ConfigDict, Field
from starlette.responses import Response

from tollkeeper.insight.reconcile.line import InvoiceLine, nano_usd, total
from tollkeeper.sidecar.api.answer import Answer, NanoUsd, Usd, usd
from tollkeeper.sidecar.api.auth import author_of
from tollkeeper.sidecar.api.problems import Problem, Refused, wrong
from tollkeeper.sidecar.api.services import Given
from tollkeeper.sidecar.invoices.sheet import SheetError
from tollkeeper.sidecar.invoices.upload import FORMS, Upload, read_upload
from tollkeeper.storage.insight.invoices import Imported

changes = APIRouter(tags=["reconciliation"])

LARGEST = 32 * 2**20
SAMPLES = 20


class InvoiceUpload(BaseModel):
    """A file, and how it is to be read."""

    model_config = ConfigDict(extra="forbid")

    content: str = Field(max_length=LARGEST, description="The file, as text: CSV, or a list of objects in JSON.")
    name: str = Field(default="the file", max_length=200, description="What messages call it.")
    form: str | None = Field(
        default=None, max_length=50, description=f"One of {', '.join(FORMS)}; told by its columns, if it is not given."
    )
    mapping: dict[str, Any] | None = Field(
        default=None,
        description="Of other files: names of columns. `provider` (the ledger's name of it) and `day` are needed;"
        " further `model`, `amount`, `currency`, `prompt`, `input`, `cache_read`, `cache_write`, `output`, `tokens`,"
        " `requests`, `project`, `key`, `tier`, `label`; and `source`, `day_format` (as of strptime), `zone`, `cents`,"
        " `decimal_comma`, and `only` (column -> the cell that a row must have).",
        examples=[{"provider": "azure.ai.openai", "day": "Date", "model": "Meter", "amount": "Cost"}],
    )
    apply: bool = Field(default=False, description="Import it. Without it, nothing is kept.")
    reason: str | None = Field(default=None, max_length=2000, description="Why; for the audit trail.")


class ReadLine(BaseModel):
    """A line as it was understood."""

    day: date
    provider: str
    model: str
    item: str = Field(examples=["input"])
    tokens: int | None
    requests: int | None
    amount: Usd | None
    tier: str
    project: str
    key: str
    label: str


class ReadInvoice(BaseModel):
    """What a file says, and what importing it does or did."""

    form: str
    imported: bool
    rows: int
    lines: int = Field(description="What the rows come to: one for each day, model, item and so on.")
    sources: list[str]
    providers: list[str]
    models: list[str]
    first_day: date
    last_day: date
    amount: Usd | None = Field(description="Of all lines; null: it tells no money.")
    amount_nano_usd: NanoUsd | None
    tokens: int | None
    new: int = Field(description="Lines that were not known.")
    changed: int = Field(description="Lines that say something else than before.")
    unchanged: int
    sample: list[ReadLine] = Field(description=f"The first {SAMPLES} lines.")


@changes.post("/invoices", response_model=ReadInvoice, summary="Import an export of a provider's console")
def upload(request: Request, given: Given, asked: InvoiceUpload) -> Response:
    """First what it says; then, with `apply`, it is imported: each line once, however often the file is brought."""
    try:
        found = read_upload(asked.content, asked.name, asked.form, asked.mapping)
    except SheetError as error:
        first, *others = str(error).splitlines()
        more = [Problem(message=text, field="content") for text in others]
        raise Refused(422, Problem(message=first, field="content"), others=more) from None
    invoices = given.insight.reconciler.invoices
    if not asked.apply:
        return Answer(_read(found, invoices.plan(found.lines), False))
    if not (asked.reason and asked.reason.strip()):
        raise wrong("reason", asked.reason, "why, for the audit trail")
    done = invoices.upload(found.lines, author=author_of(request), reason=asked.reason.strip())
    given.insight.reconciler.again(given.now_nanoseconds())
    return Answer(_read(found, done, True))


def _read(found: Upload, done: Imported, imported: bool) -> ReadInvoice:
    lines = found.lines
    amounts = [line.amount for line in lines if line.amount is not None]
    tokens = [line.tokens for line in lines if line.tokens is not None]
    days = [line.day for line in lines]
    nano = nano_usd(total(amounts)) if amounts else None
    return ReadInvoice(
        form=found.form,
        imported=imported,
        rows=found.rows,
        lines=len(lines),
        sources=_names([line.source for line in lines]),
        providers=_names([line.provider for line in lines]),
        models=_names([line.model for line in lines]),
        first_day=min(days),
        last_day=max(days),
        amount=None if nano is None else usd(nano),
        amount_nano_usd=nano,
        tokens=sum(tokens) if tokens else None,
        new=done.new,
        changed=done.changed,
        unchanged=done.unchanged,
        sample=[_line(line) for line in lines[:SAMPLES]],
    )


def _names(said: Sequence[str]) -> list[str]:
    return sorted({name for name in said if name})


def _line(line: InvoiceLine) -> ReadLine:
    names = ("day", "provider", "model", "item", "tokens", "requests", "amount", "tier", "project", "key", "label")
    return ReadLine(**{name: getattr(line, name) for name in names})
