"""OTLP requests to send: one span and one log record of each kind, in both forms."""

from __future__ import annotations

import json
from base64 import b64decode
from typing import Any

from google.protobuf import json_format
from opentelemetry.proto.collector.logs.v1.logs_service_pb2 import ExportLogsServiceRequest
from opentelemetry.proto.collector.metrics.v1.metrics_service_pb2 import ExportMetricsServiceRequest
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from opentelemetry.proto.common.v1.common_pb2 import AnyValue

from tollkeeper import Call
from tollkeeper.telemetry import record
from tollkeeper.telemetry.record import CALL_EVENT

TRACE_ID, SPAN_ID, PARENT_ID = bytes(range(1, 17)), bytes(range(1, 9)), bytes(range(11, 19))
OTHER_TRACE = bytes(range(101, 117))


def call(number: int = 1, **fields: Any) -> Call:
    return Call(id=f"call-{number}", provider="openai", operation="chat", started_at=10**18 + number, **fields)


def write(value: AnyValue, content: Any) -> None:
    if isinstance(content, bool):
        value.bool_value = content
    elif isinstance(content, int):
        value.int_value = content
    elif isinstance(content, float):
        value.double_value = content
    elif isinstance(content, bytes):
        value.bytes_value = content
    elif isinstance(content, str):
        value.string_value = content
    elif isinstance(content, list | tuple):
        value.array_value.SetInParent()
        for item in content:
            write(value.array_value.values.add(), item)
    elif isinstance(content, dict):
        value.kvlist_value.SetInParent()
        write_pairs(value.kvlist_value.values, content)
    else:
        assert content is None


def write_pairs(pairs: Any, content: dict[str, Any]) -> None:
    for name, item in content.items():
        pair = pairs.add(key=name)
        write(pair.value, item)


def logs(
    *records: dict[str, Any], scope: str = "app", resource: dict[str, Any] | None = None
) -> ExportLogsServiceRequest:
    """Each record: `name`, `body`, `attributes`, and any field of `LogRecord`."""
    request = ExportLogsServiceRequest()
    resource_logs = request.resource_logs.add()
    write_pairs(resource_logs.resource.attributes, resource or {})
    scope_logs = resource_logs.scope_logs.add()
    scope_logs.scope.name = scope
    for one in records:
        fields = dict(one)
        name, body, attributes = fields.pop("name", ""), fields.pop("body", None), fields.pop("attributes", {})
        made = scope_logs.log_records.add(event_name=name, **{"time_unix_nano": 5, **fields})
        if body is not None:
            write(made.body, body)
        write_pairs(made.attributes, attributes)
    return request


def own(*calls: Call) -> ExportLogsServiceRequest:
    return logs(*({"name": CALL_EVENT, "body": record.encode(one)} for one in calls), scope="tollkeeper")


def traces(
    *spans: dict[str, Any], scope: str = "app", resource: dict[str, Any] | None = None
) -> ExportTraceServiceRequest:
    """Each span: `attributes`, `events` (name and attributes), `failed`, and any field of `Span`."""
    request = ExportTraceServiceRequest()
    resource_spans = request.resource_spans.add()
    write_pairs(resource_spans.resource.attributes, resource or {})
    scope_spans = resource_spans.scope_spans.add()
    scope_spans.scope.name = scope
    for one in spans:
        fields = {"name": "s", "trace_id": TRACE_ID, "span_id": SPAN_ID, "start_time_unix_nano": 5, **one}
        attributes, events = fields.pop("attributes", {}), fields.pop("events", ())
        failed = fields.pop("failed", False)
        made = scope_spans.spans.add(**fields)
        made.status.code = 2 if failed else 0
        write_pairs(made.attributes, attributes)
        for name, more in events:
            write_pairs(made.events.add(name=name).attributes, more)
    return request


def metrics(points: int) -> ExportMetricsServiceRequest:
    request = ExportMetricsServiceRequest()
    metric = request.resource_metrics.add().scope_metrics.add().metrics.add(name="m")
    for number in range(points):
        metric.sum.data_points.add(as_int=number)
    return request


IDS = ("traceId", "spanId", "parentSpanId")


def as_json(request: Any) -> Any:
    """OTLP's JSON of a request, ids in hexadecimal."""

    def hexadecimal(value: Any) -> Any:
        if isinstance(value, dict):
            return {
                name: b64decode(item).hex() if name in IDS and isinstance(item, str) else hexadecimal(item)
                for name, item in value.items()
            }
        return [hexadecimal(item) for item in value] if isinstance(value, list) else value

    return hexadecimal(json.loads(json_format.MessageToJson(request, use_integers_for_enums=True)))


def json_body(request: Any) -> bytes:
    return json.dumps(as_json(request)).encode()
