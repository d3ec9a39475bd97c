"""How answers leave: JSON whose money is exact, and CSV for spreadsheets."""

from __future__ import annotations

import csv
import io
import json
import re
import secrets
from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, datetime
from decimal import ROUND_HALF_EVEN, Context, Decimal
from typing import Annotated, Any

from pydantic import BaseModel, Field, WithJsonSchema
from starlette.requests import Request
from starlette.responses import Response

from tollkeeper.sidecar.cells import cell, plain

EXACT = Context(prec=60, rounding=ROUND_HALF_EVEN)
NANO = Decimal("1e-9")
NANOSECONDS = 1_000_000_000

CSV = "text/csv"

Usd = Annotated[Decimal, WithJsonSchema({"type": "number", "title": "US dollars"})]
"""US dollars, exact: written as a decimal literal, so that nothing is lost on the way through a float of ours."""

NanoUsd = Annotated[int, Field(description="Billionths of a US dollar, exact.")]


class Answer(Response):
    """A model or plain values as JSON."""

    media_type = "application/json"

    def render(self, content: Any) -> bytes:
        # A lone surrogate, which JSON may hold and UTF-8 may not, becomes a question mark.
        return write(content).encode(errors="replace")


def write(value: Any) -> str:
    """JSON, with `Decimal` as the number that it is: `json` knows floats only, and they cannot hold every amount.

    So amounts leave the encoder as texts with a mark, which is taken off then. It is another one each time, so that no
    text of a user can pass for a number.
    """
    mark = secrets.token_hex(8)

    def understood(value: Any) -> Any:
        if isinstance(value, Decimal):
            return mark + plain(value)
        if isinstance(value, BaseModel):
            return value.__dict__
        if isinstance(value, datetime):
            return value.isoformat().replace("+00:00", "Z")
        return str(value)

    text = json.dumps(value, default=understood, separators=(",", ":"), ensure_ascii=False, allow_nan=False)
    return re.sub(f'"{mark}([^"]*)"', r"\1", text)


def usd(nano: int) -> Decimal:
    """Nano-dollars as dollars."""
    return EXACT.multiply(Decimal(nano), NANO)


def moment(nanoseconds: int) -> datetime:
    """Nanoseconds since the epoch as a time in UTC, to the microsecond."""
    seconds, rest = divmod(nanoseconds, NANOSECONDS)
    return datetime.fromtimestamp(seconds, UTC).replace(microsecond=rest // 1000)


def nanoseconds(at: datetime) -> int:
    """A time as nanoseconds since the epoch, without passing through a float."""
    since = at - datetime(1970, 1, 1, tzinfo=UTC)
    return (since.days * 86_400 + since.seconds) * NANOSECONDS + since.microseconds * 1000


def wants_csv(request: Request, format: str | None) -> bool:
    """Whether CSV is asked for: `format` says it, or else the first kind that `Accept` names and that we have."""
    if format is not None:
        return format == "csv"
    kinds = [part.partition(";")[0].strip() for part in request.headers.get("accept", "").lower().split(",")]
    return next((kind == CSV for kind in kinds if kind in (CSV, "application/json")), False)


def table(name: str, columns: Sequence[str], rows: Iterable[Sequence[Any]], headers: Mapping[str, str]) -> Response:
    """A CSV file to download. What is unknown is an empty cell."""
    text = io.StringIO()
    writer = csv.writer(text)
    writer.writerow(columns)
    writer.writerows([cell(value) for value in row] for row in rows)
    told = {"Content-Disposition": f'attachment; filename="{name}.csv"', **headers}
    return Response(text.getvalue().encode(errors="replace"), media_type=CSV, headers=told)
