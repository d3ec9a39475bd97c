"""The metrics' names: what OpenTelemetry's own translation to Prometheus makes of them, and what dashboards rely on."""

from __future__ import annotations

import pytest
from opentelemetry.exporter.prometheus import PrometheusMetricReader
from opentelemetry.sdk.metrics import MeterProvider
from prometheus_client import REGISTRY, generate_latest
from prometheus_client.parser import text_string_to_metric_families

from tollkeeper.telemetry.metrics import METRICS, Metric

NAMES = {
    "gen_ai.client.token.usage": "gen_ai_client_token_usage",
    "gen_ai.client.operation.duration": "gen_ai_client_operation_duration_seconds",
    "gen_ai.client.operation.time_to_first_chunk": "gen_ai_client_operation_time_to_first_chunk_seconds",
    "tollkeeper.cost": "tollkeeper_cost_usd",
    "tollkeeper.tokens": "tollkeeper_tokens",
    "tollkeeper.calls": "tollkeeper_calls",
    "tollkeeper.faults": "tollkeeper_faults",
}


@pytest.mark.parametrize("metric", METRICS, ids=lambda metric: metric.name)
def test_prometheus_name(metric: Metric) -> None:
    """The name that we serve is the one that the OpenTelemetry exporter gives the same metric."""
    reader = PrometheusMetricReader()
    provider = MeterProvider([reader])
    try:
        meter = provider.get_meter("names")
        if metric.kind == "counter":
            meter.create_counter(metric.name, metric.unit, metric.description).add(1)
        elif metric.kind == "gauge":
            meter.create_gauge(metric.name, metric.unit, metric.description).set(1)
        else:
            meter.create_histogram(metric.name, metric.unit, metric.description).record(1)
        families = {family.name for family in text_string_to_metric_families(generate_latest(REGISTRY).decode())}
    finally:
        provider.shutdown()
    assert metric.prometheus_name in families


def test_the_names_that_dashboards_rely_on() -> None:
    """A change of one of these is a breaking change."""
    known = {metric.name: metric.prometheus_name for metric in METRICS}
    assert {name: known[name] for name in NAMES} == NAMES


def test_each_name_is_there_once() -> None:
    """Neither names nor Prometheus names collide; histograms have buckets that ascend, counters have none."""
    assert (
        len({metric.name for metric in METRICS}) == len({metric.prometheus_name for metric in METRICS}) == len(METRICS)
    )
    for metric in METRICS:
        assert bool(metric.buckets) is (metric.kind == "histogram")
        assert list(metric.buckets) == sorted(set(metric.buckets))
        assert metric.description.endswith(".")
