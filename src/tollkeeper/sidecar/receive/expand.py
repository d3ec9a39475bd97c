"""Our own records as the conventions' usage event, for an upstream that knows only the conventions.

Everything else of a request stays as it was, fields that are not known here too.
"""

from __future__ import annotations

import contextlib
import gzip
import json
import zlib
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

from google.protobuf.message import DecodeError
from opentelemetry.proto.collector.logs.v1.logs_service_pb2 import ExportLogsServiceRequest
from opentelemetry.proto.common.v1.common_pb2 import AnyValue

from tollkeeper.model import Call
from tollkeeper.sidecar.receive.body import inflate
from tollkeeper.sidecar.receive.door import Delivery
from tollkeeper.sidecar.receive.harvest import UNREADABLE
from tollkeeper.telemetry import event
from tollkeeper.telemetry.attributes import EVENT_NAME
from tollkeeper.telemetry.reading import decode
from tollkeeper.telemetry.record import CALL_EVENT

COMPRESS: dict[str, Callable[[bytes], bytes]] = {"gzip": gzip.compress, "deflate": zlib.compress}


def expanded(delivery: Delivery, limit: int) -> bytes:
    """The body to send on, encoded as it came. `limit` is that of the body, inflated.

    Raises what reading a body raises, if it is one that could not have been taken.
    """
    if delivery.signal != "logs":
        return delivery.body
    body = inflate(delivery.body, delivery.encoding, limit) if delivery.encoding else delivery.body
    if CALL_EVENT.encode() not in body:
        return delivery.body
    changed = _json(body) if delivery.form == "json" else _protobuf(body)
    if changed is None:
        return delivery.body
    return COMPRESS[delivery.encoding](changed) if delivery.encoding else changed


def _protobuf(body: bytes) -> bytes | None:
    """`None` if there is nothing to change, or the body cannot be read as a whole."""
    try:
        request = ExportLogsServiceRequest.FromString(body)
    except DecodeError:
        return None
    changed = 0
    for resource_logs in request.resource_logs:
        for scope_logs in resource_logs.scope_logs:
            for one in scope_logs.log_records:
                if one.event_name == CALL_EVENT and (call := _call(one.body.string_value)) is not None:
                    _rewrite(one, call)
                    changed += 1
    encoded: bytes = request.SerializeToString()
    return encoded if changed else None


def _rewrite(one: Any, call: Call) -> None:
    one.event_name = EVENT_NAME
    one.ClearField("body")
    for name, value in event.encode(call).items():
        write_value(one.attributes.add(key=name).value, value)
    one.time_unix_nano = one.time_unix_nano or _ended(call)
    if call.trace_id and call.span_id and not one.trace_id:
        with contextlib.suppress(ValueError):
            one.trace_id, one.span_id = bytes.fromhex(call.trace_id), bytes.fromhex(call.span_id)


def _json(body: bytes) -> bytes | None:
    try:
        request = json.loads(body)
        found = list(_json_records(request))
        for one, call in found:
            _rewrite_json(one, call)
    except UNREADABLE:
        return None
    return json.dumps(request).encode() if found else None


def _json_records(request: Any) -> Iterator[tuple[Any, Call]]:
    for resource_logs in request["resourceLogs"]:
        for scope_logs in resource_logs.get("scopeLogs") or ():
            for one in scope_logs.get("logRecords") or ():
                if one.get("eventName") == CALL_EVENT and (call := _call(one["body"]["stringValue"])) is not None:
                    yield one, call


def _rewrite_json(one: dict[str, Any], call: Call) -> None:
    one["eventName"] = EVENT_NAME
    del one["body"]
    pairs = [{"key": name, "value": json_value(value)} for name, value in event.encode(call).items()]
    one["attributes"] = [*(one.get("attributes") or ()), *pairs]
    one["timeUnixNano"] = one.get("timeUnixNano") or str(_ended(call))
    if call.trace_id and call.span_id and not one.get("traceId"):
        one["traceId"], one["spanId"] = call.trace_id, call.span_id


def _call(text: str) -> Call | None:
    """The call, or nothing for a record that was rejected: it stays as it is."""
    try:
        return decode(text)
    except ValueError:
        return None


def _ended(call: Call) -> int:
    return call.started_at + int((call.duration or 0) * 1e9)


def write_value(into: AnyValue, value: Any) -> None:
    """Put a value of an attribute into a message."""
    if type(value) is str:
        into.string_value = value
    elif type(value) is bool:
        into.bool_value = value
    elif type(value) is int:
        into.int_value = value
    elif type(value) is float:
        into.double_value = value
    elif isinstance(value, Sequence):
        into.array_value.SetInParent()
        for item in value:
            write_value(into.array_value.values.add(), item)
    elif isinstance(value, Mapping):
        into.kvlist_value.SetInParent()
        for name, item in value.items():
            write_value(into.kvlist_value.values.add(key=name).value, item)


def json_value(value: Any) -> dict[str, Any]:
    """A value of an attribute, as OTLP's JSON has it."""
    if type(value) is str:
        return {"stringValue": value}
    if type(value) is bool:
        return {"boolValue": value}
    if type(value) is int:
        return {"intValue": str(value)}
    if type(value) is float:
        return {"doubleValue": value}
    if isinstance(value, Sequence):
        return {"arrayValue": {"values": [json_value(item) for item in value]}}
    if isinstance(value, Mapping):
        pairs = [{"key": name, "value": json_value(item)} for name, item in value.items()]
        return {"kvlistValue": {"values": pairs}}
    return {}
