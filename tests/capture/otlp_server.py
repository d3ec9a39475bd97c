"""A collector on loopback: it keeps what arrives by OTLP/HTTP, decoded."""

from __future__ import annotations

import gzip
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from types import TracebackType
from typing import Any

from opentelemetry.proto.collector.logs.v1.logs_service_pb2 import ExportLogsServiceRequest
from opentelemetry.proto.collector.metrics.v1.metrics_service_pb2 import ExportMetricsServiceRequest
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from opentelemetry.proto.common.v1.common_pb2 import KeyValue

REQUESTS: dict[str, Any] = {
    "/v1/traces": ExportTraceServiceRequest,
    "/v1/metrics": ExportMetricsServiceRequest,
    "/v1/logs": ExportLogsServiceRequest,
}


def attributes(pairs: Any) -> dict[str, Any]:
    return {pair.key: _value(pair) for pair in pairs}


def _value(pair: KeyValue) -> Any:
    return getattr(pair.value, pair.value.WhichOneof("value") or "string_value")


class Collector:
    """What has arrived, for as long as its `with` block lasts."""

    def __init__(self) -> None:
        self.arrived: list[tuple[str, Any]] = []
        self.headers: list[dict[str, str]] = []
        """Of each request, their names in lower case."""
        collector = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers["content-length"]))
                if self.headers.get("content-encoding") == "gzip":
                    body = gzip.decompress(body)
                collector.headers.append({name.lower(): value for name, value in self.headers.items()})
                collector.arrived.append((self.path, REQUESTS[self.path.removeprefix("/own")].FromString(body)))
                self.send_response(200)
                self.send_header("content-type", "application/x-protobuf")
                self.send_header("content-length", "0")
                self.end_headers()

            def log_message(self, format: str, *args: object) -> None:
                pass

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.02,), daemon=True)

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self._server.server_port}"

    @property
    def paths(self) -> set[str]:
        return {path for path, _ in self.arrived}

    @property
    def services(self) -> set[str]:
        """The names of the services that have sent something."""
        return {
            attributes(resource.resource.attributes)["service.name"]
            for _, request in self.arrived
            for _, resources in request.ListFields()
            for resource in resources
        }

    @property
    def spans(self) -> list[Any]:
        return [span for scope in self._scopes("resource_spans", "scope_spans") for span in scope.spans]

    @property
    def logs(self) -> list[Any]:
        return [record for scope in self._scopes("resource_logs", "scope_logs") for record in scope.log_records]

    @property
    def points(self) -> list[tuple[str, dict[str, Any], Any]]:
        """The name, the attributes and the point of every metric."""
        return [
            (metric.name, attributes(point.attributes), point)
            for scope in self._scopes("resource_metrics", "scope_metrics")
            for metric in scope.metrics
            for point in getattr(metric, metric.WhichOneof("data")).data_points
        ]

    def _scopes(self, resources: str, scopes: str) -> Iterator[Any]:
        for _, request in self.arrived:
            for resource in getattr(request, resources, ()):
                yield from getattr(resource, scopes)

    def __enter__(self) -> Collector:
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._server.shutdown()
        self._server.server_close()
