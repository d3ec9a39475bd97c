"""OTLP for an app without OpenTelemetry of its own: everything arrives, and nothing that is there is replaced.

Each app is a process of its own, since a process has one set of global providers.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator

import pytest

from capture.otlp_server import Collector, attributes
from capture.processes import ASK, environment, run
from tollkeeper.simulator import Simulator

APP = f"""
import tollkeeper
instrumentation = tollkeeper.instrument(service_name="shop")
{ASK}
for _ in range(3):
    ask()
"""


@pytest.fixture
def collector() -> Iterator[Collector]:
    with Collector() as running:
        yield running


@pytest.fixture
def base_url() -> Iterator[str]:
    with Simulator(seed=1) as running:
        yield running.base_url("openai")


def test_spans_metrics_and_events_have_arrived_when_the_process_is_gone(collector: Collector, base_url: str) -> None:
    assert run(APP, environment(base_url, OTEL_EXPORTER_OTLP_ENDPOINT=collector.url)) == ""
    assert collector.services == {"shop"}
    assert [span.name for span in collector.spans] == ["chat gpt-4o-mini"] * 3
    events = [attributes(record.attributes) for record in collector.logs]
    assert [record.event_name for record in collector.logs] == ["gen_ai.client.inference.operation.details"] * 3
    assert {record.trace_id for record in collector.logs} == {span.trace_id for span in collector.spans}
    assert len({event["tollkeeper.call.id"] for event in events}) == 3
    assert all(float(event["tollkeeper.cost.usd"]) > 0 for event in events)
    found = {(name, labels.get("gen_ai.token.type", "")): point for name, labels, point in collector.points}
    assert found["tollkeeper.calls", ""].as_int == 3
    assert found["tollkeeper.cost", ""].as_double > 0
    assert found["gen_ai.client.operation.duration", ""].count == 3
    assert found["gen_ai.client.token.usage", "input"].count == 3
    assert list(found["gen_ai.client.token.usage", "input"].explicit_bounds)[:3] == [1.0, 4.0, 16.0]


def test_each_signal_goes_where_its_own_variables_say(collector: Collector, base_url: str) -> None:
    env = environment(
        base_url,
        OTEL_EXPORTER_OTLP_ENDPOINT=collector.url,
        OTEL_EXPORTER_OTLP_TRACES_ENDPOINT=f"{collector.url}/own/v1/traces",
        OTEL_EXPORTER_OTLP_COMPRESSION="gzip",
        OTEL_METRICS_EXPORTER="none",
        OTEL_RESOURCE_ATTRIBUTES="deployment.environment.name=test",
    )
    run(APP, env)
    assert collector.paths == {"/own/v1/traces", "/v1/logs"}
    resource = collector.arrived[0][1].ListFields()[0][1][0].resource
    assert attributes(resource.attributes)["deployment.environment.name"] == "test"


def test_otlp_is_not_set_up_where_it_is_refused(collector: Collector, base_url: str) -> None:
    program = APP.replace('service_name="shop"', "otlp=False")
    run(program, environment(base_url, OTEL_EXPORTER_OTLP_ENDPOINT=collector.url))
    assert collector.arrived == []


def test_providers_that_are_there_are_kept(collector: Collector, base_url: str) -> None:
    program = f"""
from opentelemetry import _logs, metrics, trace
from opentelemetry.metrics import NoOpMeterProvider
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
spans = InMemorySpanExporter()
mine = TracerProvider()
mine.add_span_processor(SimpleSpanProcessor(spans))
trace.set_tracer_provider(mine)
metrics.set_meter_provider(NoOpMeterProvider())
{APP}
assert trace.get_tracer_provider() is mine
assert len(spans.get_finished_spans()) == 3
"""
    run(program, environment(base_url, OTEL_EXPORTER_OTLP_ENDPOINT=collector.url))
    assert collector.paths == {"/v1/logs"}
    assert len(collector.logs) == 3


def test_providers_that_are_given_are_used_and_not_made_global(collector: Collector, base_url: str) -> None:
    program = f"""
from opentelemetry import trace
from opentelemetry.sdk.trace import TracerProvider
import tollkeeper
tollkeeper.instrument(tracer_provider=TracerProvider())
{ASK}
ask()
assert isinstance(trace.get_tracer_provider(), trace.ProxyTracerProvider)
"""
    run(program, environment(base_url, OTEL_EXPORTER_OTLP_ENDPOINT=collector.url))
    assert collector.paths == {"/v1/logs", "/v1/metrics"}


REFUSED = """
import sys
sys.modules[{missing!r}] = None
import tollkeeper
try:
    tollkeeper.instrument(otlp=True)
except tollkeeper.ConfigurationError as error:
    print(error)
"""


@pytest.mark.parametrize(
    ("missing", "variables", "told"),
    [
        ("opentelemetry.sdk", {}, "pip install 'tollkeeper[otlp]'"),
        ("opentelemetry.exporter.otlp.proto.http", {}, "opentelemetry-exporter-otlp-proto-http is not installed"),
        (
            "opentelemetry.exporter.otlp.proto.grpc",
            {"OTEL_EXPORTER_OTLP_PROTOCOL": "grpc"},
            "traces are to be sent by grpc, but opentelemetry-exporter-otlp-proto-grpc is not installed",
        ),
        ("nothing", {"OTEL_EXPORTER_OTLP_PROTOCOL": "http/json"}, "OTEL_EXPORTER_OTLP_PROTOCOL is 'http/json'"),
    ],
)
def test_what_is_missing_is_named(missing: str, variables: dict[str, str], told: str) -> None:
    assert told in run(REFUSED.format(missing=missing), environment("", **variables))


@pytest.mark.skipif(sys.platform != "linux", reason="forks")
def test_children_of_multiprocessing_lose_nothing(collector: Collector, base_url: str) -> None:
    program = f"""
import multiprocessing
{APP}
child = multiprocessing.get_context("fork").Process(target=ask)
child.start()
child.join()
assert child.exitcode == 0
"""
    run(program, environment(base_url, OTEL_EXPORTER_OTLP_ENDPOINT=collector.url))
    assert len(collector.spans) == 4
    assert len({attributes(record.attributes)["tollkeeper.call.id"] for record in collector.logs}) == 4
