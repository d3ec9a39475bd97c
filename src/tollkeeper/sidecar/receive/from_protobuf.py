"""OTLP protobuf, as it comes from gRPC and most HTTP exporters, sorted into a harvest.

Metrics are read for validity and counted, and not used: usage comes from records, events and spans, which are exact.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterable
from functools import cache
from typing import Any

from google.protobuf.message import DecodeError

from tollkeeper.sidecar.receive import own
from tollkeeper.sidecar.receive.harvest import UNREADABLE, Harvest
from tollkeeper.sidecar.receive.kinship import PREFIXES, is_kin
from tollkeeper.sidecar.receive.salvage import salvage
from tollkeeper.sidecar.receive.signals import SIGNALS, SignalName
from tollkeeper.telemetry.attributes import CALL_ID, EVENT_NAME
from tollkeeper.telemetry.emission import Emission
from tollkeeper.telemetry.record import CALL_EVENT, LOST_EVENT, STARTED_EVENT

ERROR_STATUS = 2
ERROR_SEVERITY = 17
LARGEST = 2**63 - 1

log = logging.getLogger("tollkeeper")


def read(signal: SignalName, data: bytes) -> Harvest:
    """What a request brought. A broken record is rejected alone; raises `Malformed` where none can be told apart."""
    kind = SIGNALS[signal]
    harvest = Harvest(kind.noun)
    try:
        request = kind.request.FromString(data)
    except DecodeError:
        request = salvage(kind, data, harvest)
    READERS[signal](request, harvest)
    return harvest


def _logs(request: Any, harvest: Harvest) -> None:
    at = 0
    for resource_logs in request.resource_logs:
        resource = _Resource(resource_logs)
        for scope_logs in resource_logs.scope_logs:
            scope = scope_logs.scope.name
            for record in scope_logs.log_records:
                try:
                    _log(record, scope, resource, harvest)
                except UNREADABLE as error:
                    harvest.reject(at, error)
                at += 1


def _log(record: Any, scope: str, resource: _Resource, harvest: Harvest) -> None:
    name = record.event_name
    if name == CALL_EVENT:
        harvest.calls.append(own.entry(record.body.string_value))
        return
    if name == STARTED_EVENT:
        harvest.started.append(own.started(record.body.string_value))
        return
    if name == LOST_EVENT:
        harvest.lost.update([own.lost(record.body.string_value)])
        return
    if not name:
        name = _old_event_name(record.attributes)
    if not (_speaks(record.attributes) or is_kin(scope, name)):
        harvest.ignored += 1
        return
    attributes = read_attributes(record.attributes)
    if name == EVENT_NAME and CALL_ID in attributes:
        harvest.calls.append(own.entry_of_event(attributes))
        return
    moment = _moment(record.time_unix_nano or record.observed_time_unix_nano)
    trace_id, span_id = record.trace_id, record.span_id
    traced = len(trace_id) == 16 and len(span_id) == 8
    harvest.emissions.append(
        Emission(
            "event", name, scope, attributes, resource.attributes(), read_value(record.body),
            trace_id.hex() if traced else "", span_id.hex() if traced else "", "",
            moment, moment, 0, record.severity_number >= ERROR_SEVERITY,
        )
    )  # fmt: skip


def _old_event_name(pairs: Iterable[Any]) -> str:
    """Before log records had a name of their own, an event's was an attribute."""
    for pair in pairs:
        if pair.key == "event.name":
            return str(pair.value.string_value)
    return ""


def _spans(request: Any, harvest: Harvest) -> None:
    strangers: list[tuple[int, Any, str, _Resource]] = []
    traces: set[bytes] = set()
    at = 0
    for resource_spans in request.resource_spans:
        resource = _Resource(resource_spans)
        for scope_spans in resource_spans.scope_spans:
            scope = scope_spans.scope.name
            for span in scope_spans.spans:
                if _speaks(span.attributes) or is_kin(scope, span.name):
                    traces.add(span.trace_id)
                    _keep(at, span, scope, resource, harvest)
                else:
                    strangers.append((at, span, scope, resource))
                at += 1
    for at, span, scope, resource in strangers:
        # It may be the parent that nests two of them.
        if span.trace_id in traces:
            _keep(at, span, scope, resource, harvest)
        elif len(span.trace_id) == 16 and len(span.span_id) == 8:
            harvest.ignored += 1
        else:
            harvest.reject(at, "a trace id has 16 bytes, a span id 8")


def _keep(at: int, span: Any, scope: str, resource: _Resource, harvest: Harvest) -> None:
    try:
        harvest.emissions.append(_span(span, scope, resource))
    except UNREADABLE as error:
        harvest.reject(at, error)


def _span(span: Any, scope: str, resource: _Resource) -> Emission:
    trace_id, span_id, events = span.trace_id, span.span_id, span.events
    if len(trace_id) != 16 or len(span_id) != 8:
        raise ValueError("a trace id has 16 bytes, a span id 8")
    return Emission(
        "span",
        span.name,
        scope,
        read_attributes(span.attributes),
        resource.attributes(),
        None,
        trace_id.hex(),
        span_id.hex(),
        span.parent_span_id.hex(),
        _moment(span.start_time_unix_nano),
        _moment(span.end_time_unix_nano),
        span.kind,
        span.status.code == ERROR_STATUS,
        tuple([(event.name, read_attributes(event.attributes)) for event in events]) if events else (),
    )


def _metrics(request: Any, harvest: Harvest) -> None:
    for resource_metrics in request.resource_metrics:
        for scope_metrics in resource_metrics.scope_metrics:
            for metric in scope_metrics.metrics:
                kind = metric.WhichOneof("data")
                if kind is not None:
                    harvest.ignored += len(getattr(metric, kind).data_points)


READERS: dict[SignalName, Callable[[Any, Harvest], None]] = {"logs": _logs, "traces": _spans, "metrics": _metrics}


class _Resource:
    """The attributes of a resource, read when first asked for: most of what comes does not need them."""

    __slots__ = ("_found", "_message")

    def __init__(self, message: Any) -> None:
        self._message = message
        self._found: dict[str, Any] | None = None

    def attributes(self) -> dict[str, Any]:
        if self._found is None:
            self._found = read_attributes(self._message.resource.attributes)
        return self._found


def _speaks(pairs: Iterable[Any]) -> bool:
    for pair in pairs:  # noqa: SIM110  a generator would take half as long again
        if pair.key.startswith(PREFIXES):
            return True
    return False


def _moment(nanoseconds: int) -> int:
    if nanoseconds > LARGEST:
        raise ValueError(f"the moment {nanoseconds} is out of range")
    return nanoseconds


def read_attributes(pairs: Iterable[Any]) -> dict[str, Any]:
    """Of a key that is there twice, the last. NUL, which PostgreSQL refuses, is replaced."""
    found: dict[str, Any] = {}
    for pair in pairs:
        value = pair.value
        kind = value.WhichOneof("value")
        if kind == "string_value":
            text = value.string_value
            found[pair.key] = text.replace("\0", "\ufffd") if "\0" in text else text
        elif kind == "int_value":
            found[pair.key] = value.int_value
        else:
            found[pair.key] = read_value(value)
    return found


def read_value(value: Any) -> Any:
    """Any value; `None` for an empty one. protobuf lets nothing nest deeper than a hundred levels."""
    kind = value.WhichOneof("value")
    if kind is None:
        return None
    if kind == "array_value":
        return [read_value(item) for item in value.array_value.values]
    if kind == "kvlist_value":
        return read_attributes(value.kvlist_value.values)
    if kind == "string_value_strindex":
        _warn_of_index()
        return None
    found = getattr(value, kind)
    return found.replace("\0", "\ufffd") if kind == "string_value" else found


@cache
def _warn_of_index() -> None:
    log.warning("OTLP: a text is given by its index, which is for profiles only; it is taken as absent")
