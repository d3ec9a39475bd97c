"""A span or an event as OTLP brings it, whoever emitted it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Literal, NamedTuple

NO_ATTRIBUTES: Mapping[str, Any] = {}


class Emission(NamedTuple):
    """One span or log record. Ids are lower-case hex, `""` where there is none; moments are nanoseconds."""

    kind: Literal["span", "event"]
    name: str
    """The span's name, or the record's event name."""
    scope: str
    attributes: Mapping[str, Any]
    resource: Mapping[str, Any] = NO_ATTRIBUTES
    body: Any = None
    trace_id: str = ""
    span_id: str = ""
    parent_span_id: str = ""
    started_at: int = 0
    ended_at: int = 0
    span_kind: int = 0
    """As in OTLP: 1 internal, 2 server, 3 client, 4 producer, 5 consumer."""
    failed: bool = False
    events: tuple[tuple[str, Mapping[str, Any]], ...] = ()
    """Span events: name and attributes."""
