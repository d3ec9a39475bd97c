"""What a row of an export has: one for each call that counts, at what it costs by now. `docs/bi.md` lists them."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from typing import Any, Literal, NamedTuple

from tollkeeper.sidecar.api.answer import moment, usd
from tollkeeper.storage.ledger import Kept
from tollkeeper.storage.ledger.rows import TAG_COLUMNS

Kind = Literal["text", "moment", "count", "number", "flag", "usd"]


class Column(NamedTuple):
    """A name, what kind of values it has, and the value of a call; `None` is unknown."""

    name: str
    kind: Kind
    of: Callable[[Kept], Any]


NAMES = {"user": "user_id", "session": "session_id"}


def _of_call(name: str) -> Callable[[Kept], Any]:
    return lambda kept: getattr(kept.call, name)


def _of_usage(name: str) -> Callable[[Kept], Any]:
    return lambda kept: getattr(kept.call.usage, name)


def _tag(name: str) -> Callable[[Kept], Any]:
    return lambda kept: kept.call.tags.get(name)


def _other_tags(kept: Kept) -> str | None:
    others: Mapping[str, str] = {name: value for name, value in kept.call.tags.items() if name not in TAG_COLUMNS}
    return json.dumps(others, ensure_ascii=False) if others else None


def _line_items(kept: Kept) -> str | None:
    cost = kept.call.cost
    if cost is None or not cost.items:
        return None
    return json.dumps([[each.meter, *map(str, each[1:4]), each.model] for each in cost.items])


COLUMNS: tuple[Column, ...] = (
    Column("call_id", "text", _of_call("id")),
    Column("attempt", "count", _of_call("attempt")),
    Column("started_at", "moment", lambda kept: moment(kept.call.started_at)),
    *(Column(name, "text", _of_call(name)) for name in ("provider", "operation", "request_model", "response_model")),
    Column("model", "text", lambda kept: kept.call.response_model or kept.call.request_model),
    *(Column(name, "text", _of_call(name)) for name in ("endpoint", "service_tier")),
    Column("status_code", "count", _of_call("status_code")),
    Column("error_type", "text", _of_call("error_type")),
    *(Column(NAMES.get(name, name), "text", _tag(name)) for name in TAG_COLUMNS),
    Column("other_tags", "text", _other_tags),
    *(
        Column(name, "count", _of_usage(name))
        for name in (
            "input_tokens", "output_tokens", "cache_read_tokens", "cache_write_tokens", "cache_write_1h_tokens",
            "reasoning_tokens", "input_audio_tokens", "output_audio_tokens", "web_searches",
        )
    ),
    Column("usage_source", "text", _of_call("usage_source")),
    Column("finish_reason", "text", lambda kept: kept.call.finish_reasons[0] if kept.call.finish_reasons else None),
    Column("duration_seconds", "number", _of_call("duration")),
    Column("time_to_first_chunk_seconds", "number", _of_call("time_to_first_chunk")),
    Column("is_stream", "flag", _of_call("stream")),
    Column("is_failed", "flag", lambda kept: kept.call.error_type is not None),
    Column("is_unpriced", "flag", lambda kept: kept.unpriced),
    Column("price_version", "text", lambda kept: kept.price_version),
    Column("nano_usd", "count", lambda kept: kept.nano_usd),
    Column("usd", "usd", lambda kept: None if kept.nano_usd is None else usd(kept.nano_usd)),
    Column("recorded_line_items", "text", _line_items),
    Column("reported_by", "text", lambda kept: kept.emitter),
    *(Column(name, "text", _of_call(name)) for name in ("response_id", "trace_id", "span_id")),
)  # fmt: skip
