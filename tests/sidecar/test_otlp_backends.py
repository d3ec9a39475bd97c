"""What `docs/bi.md` says of OTLP is done here, word for word, with a backend on loopback in the place of a real one."""

from __future__ import annotations

import re
from collections.abc import Iterator
from decimal import Decimal
from pathlib import Path

import pytest
from opentelemetry.proto.metrics.v1.metrics_pb2 import AggregationTemporality

from capture.otlp_server import Collector, attributes
from capture.processes import ASK, environment, run
from services.ports import free_port
from sidecar.running import Sidecar
from tollkeeper.simulator import Simulator

SECTION = (Path(__file__).parents[2] / "docs" / "bi.md").read_text().partition("## OpenTelemetry\n")[2]
ENDPOINT = "https://otlp.datadoghq.com"
EXPORTED = dict(re.findall(r"^    export (\w+)=(.*)$", SECTION, re.M))
(FORWARD,) = re.findall(r"^    tollkeeper serve (.*)$", SECTION, re.M)

APP = f"""
import os, tollkeeper
from opentelemetry import metrics
instrumentation = tollkeeper.instrument()
{ASK}
for _ in range(3):
    ask()
    if "OTEL_SERVICE_NAME" in os.environ:
        metrics.get_meter_provider().force_flush()
instrumentation.flush()
"""


@pytest.fixture
def backend() -> Iterator[Collector]:
    with Collector() as running:
        yield running


@pytest.fixture
def base_url() -> Iterator[str]:
    with Simulator(seed=1) as running:
        yield running.base_url("openai")


def costs(backend: Collector) -> list[Decimal]:
    """What the usage events say, to the last digit."""
    return [Decimal(attributes(record.attributes)["tollkeeper.cost.usd"]) for record in backend.logs]


def test_an_app_sends_to_a_backend_with_its_key_and_differences(backend: Collector, base_url: str) -> None:
    said = {name: value for name, value in EXPORTED.items() if name.startswith("OTEL_")}
    assert said["OTEL_EXPORTER_OTLP_ENDPOINT"] == ENDPOINT
    run(APP, environment(base_url, **{**said, "OTEL_EXPORTER_OTLP_ENDPOINT": backend.url}))
    assert backend.paths == {"/v1/traces", "/v1/metrics", "/v1/logs"}
    assert {headers["dd-api-key"] for headers in backend.headers} == {"YOUR-KEY"}
    assert backend.services == {"shop"}
    sums = [
        metric.sum
        for _, request in backend.arrived
        for resource in getattr(request, "resource_metrics", ())
        for scope in resource.scope_metrics
        for metric in scope.metrics
        if metric.name == "tollkeeper.cost"
    ]
    assert {each.aggregation_temporality for each in sums} == {
        AggregationTemporality.AGGREGATION_TEMPORALITY_DELTA
    }  # fmt: skip
    assert len(costs(backend)) == 3
    in_metrics = sum(point.as_double for each in sums for point in each.data_points)
    assert in_metrics == pytest.approx(float(sum(costs(backend))), rel=1e-12)


def test_a_sidecar_sends_on_what_apps_have_shipped_to_it(backend: Collector, base_url: str, tmp_path: Path) -> None:
    port = free_port()
    sidecar = Sidecar(
        f"sqlite:///{tmp_path}/ledger.db", tmp_path / "log", *FORWARD.replace(ENDPOINT, backend.url).split(), port=port
    )
    sidecar._env["TOLLKEEPER_FORWARD_HEADERS"] = EXPORTED["TOLLKEEPER_FORWARD_HEADERS"]
    try:
        sidecar.start()
        run(APP, environment(base_url, TOLLKEEPER_SIDECAR=sidecar.url, TOLLKEEPER_SPOOL=str(tmp_path / "spool")))
        ledger = sidecar.get("/api/v1/stats")
    finally:
        sidecar.stop()
        sidecar.kill()
    assert {headers["dd-api-key"] for headers in backend.headers} == {"YOUR-KEY"}
    assert [record.event_name for record in backend.logs] == ["gen_ai.client.inference.operation.details"] * 3
    assert ledger["total_requests"] == 3
    assert sum(costs(backend)) == Decimal(ledger["total_cost_nano_usd"]) * Decimal("1e-9")
