"""Our own records as the conventions' usage event, for an upstream that knows only the conventions.

Everything else of a request stays as it was, fields that are not known here too. But a request in JSON that has such
records is sent on in protobuf: apps ship JSON, which not every backend takes.
"""

from __future__ import annotations

import base64
import contextlib
import gzip
import json
import zlib
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from google.protobuf.json_format import ParseDict, ParseError
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


def expanded(delivery: Delivery, limit: int) -> Delivery:
    """What to send on, encoded as it came. `limit` is that of the body, inflated.

    Raises what reading a body raises, if it is one that could not have been taken.
    """
    if delivery.signal != "logs":
        return delivery
    body = inflate(delivery.body, delivery.encoding, limit) if delivery.encoding else delivery.body
    if CALL_EVENT.encode() not in body:
        return delivery
    changed = _from_json(body) if delivery.form == "json" else _protobuf(body)
    if changed is None:
        return delivery
    changed = COMPRESS[delivery.encoding](changed) if delivery.encoding else changed
    return delivery._replace(form="protobuf", body=changed)


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


def _from_json(body: bytes) -> bytes | None:
    """`None` as above. What is of others is read by protobuf's own reader, which takes ids in base64."""
    request = ExportLogsServiceRequest()
    changed = 0
    try:
        for resource_logs in json.loads(body)["resourceLogs"]:
            into = request.resource_logs.add()
            ParseDict(_without(resource_logs, "scopeLogs"), into, ignore_unknown_fields=True)
            for scope_logs in resource_logs.get("scopeLogs") or ():
                scope = into.scope_logs.add()
                ParseDict(_without(scope_logs, "logRecords"), scope, ignore_unknown_fields=True)
                for one in scope_logs.get("logRecords") or ():
                    changed += _add(scope.log_records.add(), one)
    except (*UNREADABLE, ParseError):
        return None
    encoded: bytes = request.SerializeToString()
    return encoded if changed else None


def _without(read: Any, name: str) -> dict[str, Any]:
    return {key: value for key, value in read.items() if key != name}


def _add(into: Any, one: Any) -> int:
    """1 for a record of ours."""
    for name in ("traceId", "spanId"):
        if one.get(name):
            one = {**one, name: base64.b64encode(bytes.fromhex(one[name])).decode()}
    call = _call(one["body"]["stringValue"]) if one.get("eventName") == CALL_EVENT else None
    ParseDict(one if call is None else _without(one, "body"), into, ignore_unknown_fields=True)
    if call is None:
        return 0
    _rewrite(into, call)
    return 1


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
        # Half of a surrogate pair, which a record may have and UTF-8 may not, becomes a question mark.
        into.string_value = value if value.isascii() else value.encode(errors="replace").decode()
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
