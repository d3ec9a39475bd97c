"""The real exporters of the Python SDK: what they send arrives, and what is refused for now is sent again."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import grpc
import pytest
from opentelemetry._logs import LogRecord
from opentelemetry.exporter.otlp.proto.grpc._log_exporter import OTLPLogExporter as GrpcLogs
from opentelemetry.exporter.otlp.proto.grpc.metric_exporter import OTLPMetricExporter as GrpcMetrics
from opentelemetry.exporter.otlp.proto.grpc.trace_exporter import OTLPSpanExporter as GrpcSpans
from opentelemetry.exporter.otlp.proto.http import Compression
from opentelemetry.exporter.otlp.proto.http._log_exporter import OTLPLogExporter as HttpLogs
from opentelemetry.exporter.otlp.proto.http.metric_exporter import OTLPMetricExporter as HttpMetrics
from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter as HttpSpans
from opentelemetry.sdk._logs import LoggerProvider
from opentelemetry.sdk._logs.export import SimpleLogRecordProcessor
from opentelemetry.sdk.metrics import MeterProvider
from opentelemetry.sdk.metrics.export import PeriodicExportingMetricReader
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.trace import SpanKind, Status, StatusCode

from sidecar.receive.bodies import call
from sidecar.receive.serving import Serving
from tollkeeper.capture.sinks.otel_events import EventSink
from tollkeeper.sidecar.intake import Busy
from tollkeeper.telemetry import record
from tollkeeper.telemetry.record import CALL_EVENT

RECORDED = Path(__file__).parent / "recorded"
RESOURCE = Resource({"service.name": "shop", "service.instance.id": "i-1"})
WAYS = [("http", name) for name in ("NoCompression", "Gzip", "Deflate")] + [("grpc", "NoCompression"), ("grpc", "Gzip")]

Make = Callable[[str], Any]


@pytest.fixture(params=WAYS, ids=lambda way: f"{way[0]}-{way[1]}")
def exporter(request: pytest.FixtureRequest, server: Serving) -> Iterator[Make]:
    """An exporter of a signal, by one of the ways, to the receiver."""
    transport, compression = request.param
    made = []

    def make(signal: str) -> Any:
        if transport == "http":
            kind = {"logs": HttpLogs, "traces": HttpSpans, "metrics": HttpMetrics}[signal]
            one: Any = kind(f"{server.url}/v1/{signal}", compression=getattr(Compression, compression))
        else:
            kind = {"logs": GrpcLogs, "traces": GrpcSpans, "metrics": GrpcMetrics}[signal]
            one = kind(server.grpc, insecure=True, compression=getattr(grpc.Compression, compression))
        made.append(one)
        return one

    yield make
    for one in made:
        one.shutdown()


def test_logs(server: Serving, exporter: Make) -> None:
    provider = LoggerProvider(resource=RESOURCE)
    provider.add_log_record_processor(SimpleLogRecordProcessor(exporter("logs")))
    logger = provider.get_logger("app", "1.0")
    mine = call(tags={"tenant": "acme"})
    logger.emit(LogRecord(event_name=CALL_EVENT, body=record.encode(mine)))
    EventSink(logger).record(mine, None)
    logger.emit(LogRecord(body="an ordinary line"))
    logger.emit(
        LogRecord(
            event_name="gen_ai.choice", timestamp=7, body={"a": [1, None, b"x"]}, attributes={"gen_ai.system": "x"}
        )
    )
    provider.shutdown()
    text, event, foreign = server.keeper.batches
    assert text.calls == event.calls, "both forms of one call have the same digest"
    assert text.calls[0].call == mine
    (emission,) = foreign.emissions
    assert (emission.kind, emission.name, emission.scope, emission.started_at) == ("event", "gen_ai.choice", "app", 7)
    assert emission.body == {"a": [1, None, b"x"]}
    assert emission.resource["service.name"] == "shop"
    assert server.door.counts.records["logs", "ignored"] == 1


def test_traces(server: Serving, exporter: Make) -> None:
    provider = TracerProvider(resource=RESOURCE)
    provider.add_span_processor(SimpleSpanProcessor(exporter("traces")))
    tracer = provider.get_tracer("opentelemetry.instrumentation.genai.openai")
    attributes = {"gen_ai.usage.input_tokens": 3, "gen_ai.response.finish_reasons": ("stop",), "x": 0.5, "y": True}
    with (
        tracer.start_as_current_span("root") as root,
        tracer.start_as_current_span("chat gpt", kind=SpanKind.CLIENT, attributes=attributes) as span,
    ):
        span.add_event("gen_ai.content", {"n": 1})
        span.set_status(Status(StatusCode.ERROR))
    provider.shutdown()
    chat, outer = [one for batch in server.keeper.batches for one in batch.emissions]
    assert chat.attributes == {**attributes, "gen_ai.response.finish_reasons": ["stop"]}
    assert (chat.kind, chat.name, chat.failed, chat.span_kind) == ("span", "chat gpt", True, 3)
    assert chat.events == (("gen_ai.content", {"n": 1}),)
    assert chat.resource == {"service.name": "shop", "service.instance.id": "i-1"}
    assert chat.trace_id == outer.trace_id == f"{root.get_span_context().trace_id:032x}"
    assert chat.parent_span_id == outer.span_id == f"{root.get_span_context().span_id:016x}"
    assert outer.started_at <= chat.started_at < chat.ended_at <= outer.ended_at
    assert (outer.parent_span_id, outer.failed, outer.events) == ("", False, ())


def test_metrics(server: Serving, exporter: Make) -> None:
    reader = PeriodicExportingMetricReader(exporter("metrics"))
    provider = MeterProvider([reader], resource=RESOURCE)
    meter = provider.get_meter("app")
    meter.create_counter("c").add(1, {"a": "b"})
    meter.create_histogram("gen_ai.client.token.usage").record(5)
    meter.create_up_down_counter("u").add(-1)
    provider.shutdown()
    assert server.door.counts.records["metrics", "ignored"] == 3
    assert server.keeper.batches == [], "usage comes from records, events and spans"


@pytest.mark.parametrize("transport", ["http", "grpc"])
def test_what_is_refused_for_now_is_sent_again(server: Serving, transport: str) -> None:
    """The exporter waits as long as it was told to, and its batch is recorded once."""
    server.keeper.failures.append(Busy(1))
    exporter: Any = HttpLogs(f"{server.url}/v1/logs") if transport == "http" else GrpcLogs(server.grpc, insecure=True)
    provider = LoggerProvider()
    provider.add_log_record_processor(SimpleLogRecordProcessor(exporter))
    provider.get_logger("tollkeeper").emit(LogRecord(event_name=CALL_EVENT, body=record.encode(call())))
    provider.shutdown()
    assert server.keeper.refused == 1
    assert [arrival.call for arrival in server.keeper.only.calls] == [call()]


class TestTheJsonExporter:
    """`opentelemetry-exporter-otlp-json-http` 0.66b1 cannot be installed beside the others; this is what it sent."""

    @staticmethod
    def send(server: Serving, name: str) -> None:
        body = (RECORDED / f"json_exporter_0.66b1_{name}.json").read_bytes()
        signal = "logs" if name == "record" else name
        answer = server.post(f"/v1/{signal}", body, "application/json")
        assert (answer.status, answer.body) == (200, b"{}")

    def test_logs(self, server: Serving) -> None:
        self.send(server, "record")
        self.send(server, "logs")
        own, foreign = server.keeper.batches
        assert [arrival.call for arrival in own.calls] == [call()]
        (emission,) = foreign.emissions
        assert (emission.name, emission.started_at, emission.body) == ("gen_ai.choice", 7, {"a": [1, None, b"x"]})

    def test_traces(self, server: Serving) -> None:
        self.send(server, "traces")
        (span,) = server.keeper.only.emissions
        assert span.attributes == {"gen_ai.usage.input_tokens": 3, "f": 0.5, "l": ["a", "b"], "b": True}
        assert (span.name, span.span_kind, span.failed, span.events) == ("chat", 3, True, (("e", {"n": 1}),))
        assert (len(span.trace_id), len(span.span_id), span.resource) == (32, 16, {"service.name": "shop"})
        assert 0 < span.started_at < span.ended_at

    def test_metrics(self, server: Serving) -> None:
        self.send(server, "metrics")
        assert server.door.counts.records == {("metrics", "ignored"): 2}
