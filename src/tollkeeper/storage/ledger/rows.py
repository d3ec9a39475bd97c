"""A `Call` as a row of `calls`, and back: nothing is lost on the way."""

from __future__ import annotations

import json
from collections.abc import Mapping
from decimal import Decimal
from operator import itemgetter
from typing import Any

from tollkeeper.model import Call, Cost, LineItem, Pass, Usage
from tollkeeper.model.usage import NOTHING
from tollkeeper.storage.ledger.clean import (
    HASHED,
    LARGEST_COUNT,
    LARGEST_NANO_USD,
    LONGEST_SECONDS,
    LONGEST_TEXT,
    clean,
    count,
    is_clean,
    key_of,
    seconds,
)
from tollkeeper.storage.ledger.compact import write, write_exactly
from tollkeeper.storage.ledger.contract import Entry
from tollkeeper.storage.ledger.months import month_of
from tollkeeper.storage.ledger.tables import CALLS

COLUMNS: tuple[str, ...] = tuple(CALLS.columns.keys())
PLACE: Mapping[str, int] = {name: place for place, name in enumerate(COLUMNS)}

TAG_COLUMNS = ("tenant", "project", "user", "session", "service", "feature", "config")
COUNT_COLUMNS = ("input_tokens", "output_tokens", "cache_read_tokens", "cache_write_tokens", "reasoning_tokens")

_NAMED = frozenset(TAG_COLUMNS)
_TEXTS = tuple(
    PLACE[name]
    for name in (
        "id", "emitter", "provider", "model", "operation", "request_model", "response_model", "endpoint",
        "service_tier", "error_type", *TAG_COLUMNS, "usage_source", "price_status", "price_version", "cost_source",
        "response_id", "trace_id", "span_id", "parent_span_id",
    )
)  # fmt: skip
_texts_of = itemgetter(*_TEXTS)
_first_five = itemgetter(*(Usage._fields.index(name) for name in COUNT_COLUMNS))
_OTHER_USAGE = tuple(name for name in Usage._fields if name not in COUNT_COLUMNS)
_others_of = itemgetter(*(Usage._fields.index(name) for name in _OTHER_USAGE))
_NO_OTHERS = (None,) * len(_OTHER_USAGE)
_TEXT_TYPES = frozenset((str, type(None)))

LARGEST_ATTEMPT = 2**31 - 1
LARGEST_MOMENT = 2**63 - 1

Row = tuple[Any, ...]


class Unrecordable(ValueError):
    """This entry fits in no row, and the message says why."""


def row_of(entry: Entry, recorded_at: int) -> Row:
    """The row of an entry, in the order of `COLUMNS`. Raises `Unrecordable`."""
    try:
        return _row(entry, recorded_at)
    except (TypeError, ValueError, ArithmeticError, AttributeError, RecursionError) as error:
        raise Unrecordable(str(error)) from error


def _row(entry: Entry, recorded_at: int) -> Row:
    call = entry.call
    _check(call, entry.digest)
    usage, cost, tags = call.usage, call.cost, call.tags
    free = None
    if not _NAMED.issuperset(tags):
        free = {name: value for name, value in tags.items() if name not in _NAMED}
    tag = tags.get
    counts = _first_five(usage)
    row = (
        call.id, call.attempt, month_of(call.id), call.started_at, recorded_at, entry.emitter, entry.digest,
        call.provider, call.response_model or call.request_model or "", call.operation,
        call.request_model, call.response_model, call.endpoint, call.service_tier, call.stream,
        call.status_code, call.error_type, call.duration, call.time_to_first_chunk,
        tag("tenant"), tag("project"), tag("user"), tag("session"), tag("service"), tag("feature"), tag("config"),
        *counts, call.usage_source,
        None if cost is None else cost.nano_usd, call.price_status,
        None if cost is None else cost.price_version, None if cost is None else cost.source,
        call.response_id, call.trace_id, call.span_id, entry.parent_span_id,
        None if cost is None else line_items_text(cost.items),
        write(free) if free else None,
    )  # fmt: skip
    details = _details(call)
    if not _fits(row, counts):
        row, exact = _fitted(row)
        return (*row, write_exactly({**details, "exact": exact}))
    return (*row, write(details) if details else None)


def _check(call: Call, digest: bytes) -> None:
    if type(call.started_at) is not int or not 0 <= call.started_at <= LARGEST_MOMENT:
        raise ValueError(f"started_at is {call.started_at!r}; expected nanoseconds since the epoch")
    if type(call.attempt) is not int or not 0 <= call.attempt <= LARGEST_ATTEMPT:
        raise ValueError(f"attempt is {call.attempt!r}; expected a small whole number")
    if not call.id:
        raise ValueError("it has no id")
    if type(call.stream) is not bool:
        raise TypeError(f"stream is {call.stream!r}; expected true or false")
    if type(digest) is not bytes:
        raise TypeError("the digest must be bytes")
    status = call.status_code
    if status is not None and (type(status) is not int or abs(status) > LARGEST_MOMENT):
        raise TypeError(f"status_code is {status!r}; expected a whole number")


def _fits(row: Row, counts: tuple[int | None, ...]) -> bool:
    """Whether the row can be held as it is, as nearly every one can."""
    texts = _texts_of(row)
    if not _TEXT_TYPES.issuperset(map(type, texts)):
        raise TypeError("a field that must be a text is none")
    joined = "".join(filter(None, texts))
    if not joined.isascii() or "\0" in joined or row[0].startswith(HASHED):
        return False
    if len(joined) > LONGEST_TEXT and max(map(len, filter(None, texts))) > LONGEST_TEXT:
        return False
    for number in counts:
        if number is not None and (type(number) is not int or not 0 <= number <= LARGEST_COUNT):
            return False
    nano_usd, duration, first = row[_NANO_USD], row[_DURATION], row[_FIRST]
    return (
        (nano_usd is None or 0 <= nano_usd <= LARGEST_NANO_USD)
        and (duration is None or (type(duration) is float and 0 <= duration <= LONGEST_SECONDS))
        and (first is None or (type(first) is float and 0 <= first <= LONGEST_SECONDS))
    )


_NANO_USD, _DURATION, _FIRST = PLACE["nano_usd"], PLACE["duration"], PLACE["time_to_first_chunk"]


def _fitted(row: Row) -> tuple[Row, dict[str, Any]]:
    """The nearest row that fits, and what the changed columns truly held."""
    fitted = list(row)
    fitted[0] = key_of(row[0])
    fitted[PLACE["month"]] = month_of(fitted[0])
    for place in _TEXTS[1:]:
        if row[place] is not None:
            fitted[place] = clean(row[place])
    for name in COUNT_COLUMNS:
        fitted[PLACE[name]] = count(row[PLACE[name]])
        if fitted[PLACE[name]] != row[PLACE[name]]:
            fitted[PLACE["usage_source"]] = "unknown"
    for place in (_DURATION, _FIRST):
        fitted[place] = seconds(row[place])
    nano_usd = row[_NANO_USD]
    if nano_usd is not None and not 0 <= nano_usd <= LARGEST_NANO_USD:
        fitted[_NANO_USD], fitted[PLACE["price_status"]] = None, "unpriced"
    exact = {
        name: row[place] for name, place in PLACE.items() if place < len(row) and fitted[place] != row[place]
    }  # fmt: skip
    return tuple(fitted), exact


def _details(call: Call) -> dict[str, Any]:
    """What no column holds, where there is anything to be said."""
    details: dict[str, Any] = {}
    if call.server_address is not None or call.server_port is not None:
        details["server_address"], details["server_port"] = call.server_address, call.server_port
    if call.parameters:
        details["parameters"] = call.parameters
    if call.finish_reasons:
        details["finish_reasons"] = call.finish_reasons
    if call.price_context:
        details["price_context"] = dict(call.price_context)
    if call.abandoned:
        details["abandoned"] = True
    if call.chunks:
        details["chunks"] = call.chunks
    if call.time_per_chunk is not None:
        details["time_per_chunk"] = call.time_per_chunk
    others = _others_of(call.usage)
    if others != _NO_OTHERS:
        details["usage"] = {name: value for name, value in zip(_OTHER_USAGE, others, strict=True) if value is not None}
    if call.billed_usage is not None:
        details["billed_usage"] = call.billed_usage
    if call.passes:
        details["passes"] = call.passes
    if call.provider_cost is not None:
        details["provider_cost"] = call.provider_cost
    if call.cost is not None:
        details["usd"] = call.cost.usd
    return details


def call_of(row: Mapping[str, Any]) -> Call:
    """The `Call` that a row was made of."""
    details = json.loads(row["details"]) if row["details"] else {}
    if exact := details.get("exact"):
        row = {**row, **exact}
    get = details.get
    return Call(
        id=row["id"],
        attempt=row["attempt"],
        started_at=row["started_at"],
        provider=row["provider"],
        operation=row["operation"],
        request_model=row["request_model"],
        response_model=row["response_model"],
        response_id=row["response_id"],
        endpoint=row["endpoint"],
        server_address=get("server_address"),
        server_port=get("server_port"),
        stream=bool(row["stream"]),
        parameters=_parameters(get("parameters")),
        tags=_tags(row),
        duration=row["duration"],
        time_to_first_chunk=row["time_to_first_chunk"],
        time_per_chunk=get("time_per_chunk"),
        chunks=get("chunks", 0),
        status_code=row["status_code"],
        error_type=row["error_type"],
        abandoned=get("abandoned", False),
        finish_reasons=tuple(get("finish_reasons", ())),
        service_tier=row["service_tier"],
        price_context=get("price_context", {}),
        usage_source=row["usage_source"],
        usage=_usage({**{name: row[name] for name in COUNT_COLUMNS}, **get("usage", {})}),
        billed_usage=None if (billed := get("billed_usage")) is None else _listed_usage(billed),
        passes=tuple(Pass(kind, model, _listed_usage(used)) for kind, model, used in get("passes", ())),
        provider_cost=None if (stated := get("provider_cost")) is None else Decimal(stated),
        price_status=row["price_status"],
        cost=_cost(row, get("usd")),
        trace_id=row["trace_id"],
        span_id=row["span_id"],
    )


def line_items_of(text: str | None) -> tuple[LineItem, ...]:
    """The line items that a row holds as text."""
    return tuple(
        LineItem(
            meter,
            quantity if type(quantity) is int else Decimal(quantity),
            Decimal(unit_price),
            Decimal(amount),
            model,
        )
        for meter, quantity, unit_price, amount, model in (json.loads(text) if text else ())
    )


def line_items_text(items: tuple[LineItem, ...]) -> str | None:
    """Line items as a row holds them."""
    return write(items) if items else None


def _parameters(read: dict[str, Any] | None) -> dict[str, Any]:
    return {key: tuple(value) if type(value) is list else value for key, value in (read or {}).items()}


def _tags(row: Mapping[str, Any]) -> dict[str, str]:
    named = {name: row[name] for name in TAG_COLUMNS if row[name] is not None}
    return {**named, **json.loads(row["tags"])} if row["tags"] else named


def _cost(row: Mapping[str, Any], usd: str | None) -> Cost | None:
    if usd is None:
        return None
    return Cost(Decimal(usd), row["cost_source"], line_items_of(row["line_items"]), row["price_version"])


def _usage(values: dict[str, Any]) -> Usage:
    length = values.get("input_audio_seconds")
    usage = Usage(**{**values, "input_audio_seconds": None if length is None else Decimal(length)})
    return NOTHING if usage == NOTHING else usage


def _listed_usage(values: list[Any]) -> Usage:
    return _usage(dict(zip(Usage._fields, values, strict=True)))


__all__ = [
    "COLUMNS", "PLACE", "Row", "Unrecordable", "call_of", "is_clean", "key_of", "line_items_of", "line_items_text",
    "row_of",
]  # fmt: skip
