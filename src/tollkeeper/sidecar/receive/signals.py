"""The three signals of OTLP: where each is sent, and what its messages and their fields are called."""

from __future__ import annotations

from typing import Any, Literal, NamedTuple

from opentelemetry.proto.collector.logs.v1 import logs_service_pb2
from opentelemetry.proto.collector.metrics.v1 import metrics_service_pb2
from opentelemetry.proto.collector.trace.v1 import trace_service_pb2
from opentelemetry.proto.logs.v1 import logs_pb2
from opentelemetry.proto.metrics.v1 import metrics_pb2
from opentelemetry.proto.trace.v1 import trace_pb2

SignalName = Literal["logs", "traces", "metrics"]
Form = Literal["protobuf", "json"]


class Signal(NamedTuple):
    """One signal: its messages' classes, and the names of the fields that nest them. `rejected` is of the answer."""

    name: SignalName
    service: str
    request: Any
    response: Any
    record: Any
    nesting: tuple[str, str, str]
    nesting_json: tuple[str, str, str]
    rejected: str
    rejected_json: str
    noun: str

    @property
    def path(self) -> str:
        return f"/v1/{self.name}"


SIGNALS: dict[SignalName, Signal] = {
    "logs": Signal(
        "logs",
        "opentelemetry.proto.collector.logs.v1.LogsService",
        logs_service_pb2.ExportLogsServiceRequest,
        logs_service_pb2.ExportLogsServiceResponse,
        logs_pb2.LogRecord,
        ("resource_logs", "scope_logs", "log_records"),
        ("resourceLogs", "scopeLogs", "logRecords"),
        "rejected_log_records",
        "rejectedLogRecords",
        "log record",
    ),
    "traces": Signal(
        "traces",
        "opentelemetry.proto.collector.trace.v1.TraceService",
        trace_service_pb2.ExportTraceServiceRequest,
        trace_service_pb2.ExportTraceServiceResponse,
        trace_pb2.Span,
        ("resource_spans", "scope_spans", "spans"),
        ("resourceSpans", "scopeSpans", "spans"),
        "rejected_spans",
        "rejectedSpans",
        "span",
    ),
    "metrics": Signal(
        "metrics",
        "opentelemetry.proto.collector.metrics.v1.MetricsService",
        metrics_service_pb2.ExportMetricsServiceRequest,
        metrics_service_pb2.ExportMetricsServiceResponse,
        metrics_pb2.Metric,
        ("resource_metrics", "scope_metrics", "metrics"),
        ("resourceMetrics", "scopeMetrics", "metrics"),
        "rejected_data_points",
        "rejectedDataPoints",
        "metric",
    ),
}
