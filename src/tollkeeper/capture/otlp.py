"""OTLP export for an app that has set up no OpenTelemetry of its own. Nothing that is there is replaced.

The SDK and its exporters read endpoints, headers, batching and the rest from the `OTEL_*` variables by themselves.
"""

from __future__ import annotations

import importlib
import multiprocessing.process
import multiprocessing.util
from collections.abc import Callable
from typing import Any

from opentelemetry import _logs, metrics, trace
from opentelemetry.sdk._logs import LoggerProvider
from opentelemetry.sdk._logs.export import BatchLogRecordProcessor
from opentelemetry.sdk.metrics import MeterProvider
from opentelemetry.sdk.metrics.export import PeriodicExportingMetricReader
from opentelemetry.sdk.resources import SERVICE_NAME, Resource
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor

from tollkeeper.config import ConfigurationError, Settings

EXPORTERS = {
    "traces": ("trace_exporter", "OTLPSpanExporter"),
    "metrics": ("metric_exporter", "OTLPMetricExporter"),
    "logs": ("_log_exporter", "OTLPLogExporter"),
}
PACKAGES = {"http/protobuf": "proto.http", "grpc": "proto.grpc"}


def set_up_missing(settings: Settings) -> None:
    """Make a global provider for each signal that OTLP is asked for and that has none."""
    chosen = {
        "traces": settings.tracer_provider or trace.get_tracer_provider(),
        "metrics": settings.meter_provider or metrics.get_meter_provider(),
        "logs": settings.logger_provider or _logs.get_logger_provider(),
    }
    missing = [signal for signal in settings.exporters if _is_unset(chosen[signal])]
    exporters = {signal: _exporter(signal, settings.exporters[signal]) for signal in missing}
    resource = Resource.create({SERVICE_NAME: settings.service_name} if settings.service_name else None)
    for signal, exporter in exporters.items():
        _flush_in_children(SET_UP[signal](exporter, resource))


def _is_unset(provider: Any) -> bool:
    """Whether this is the API's stand-in for a provider that may come later. A no-op one was chosen by somebody."""
    kind = type(provider)
    return kind.__module__.startswith("opentelemetry.") and kind.__name__.lstrip("_").startswith("Proxy")


def _exporter(signal: str, protocol: str) -> Any:
    module, name = EXPORTERS[signal]
    package = PACKAGES[protocol]
    try:
        return getattr(importlib.import_module(f"opentelemetry.exporter.otlp.{package}.{module}"), name)()
    except ModuleNotFoundError:
        distribution = f"opentelemetry-exporter-otlp-{package.replace('.', '-')}"
        extra = "" if protocol == "grpc" else ": pip install 'tollkeeper[otlp]'"
        raise ConfigurationError(
            f"otlp: {signal} are to be sent by {protocol}, but {distribution} is not installed; expected it{extra}"
        ) from None


def _traces(exporter: Any, resource: Resource) -> TracerProvider:
    provider = TracerProvider(resource=resource)
    provider.add_span_processor(BatchSpanProcessor(exporter))
    trace.set_tracer_provider(provider)
    return provider


def _metrics(exporter: Any, resource: Resource) -> MeterProvider:
    provider = MeterProvider([PeriodicExportingMetricReader(exporter)], resource=resource)
    metrics.set_meter_provider(provider)
    return provider


def _logs_(exporter: Any, resource: Resource) -> LoggerProvider:
    provider = LoggerProvider(resource=resource)
    provider.add_log_record_processor(BatchLogRecordProcessor(exporter))
    _logs.set_logger_provider(provider)
    return provider


SET_UP: dict[str, Callable[[Any, Resource], Any]] = {"traces": _traces, "metrics": _metrics, "logs": _logs_}


def _flush_in_children(provider: Any) -> None:
    """The SDK flushes at exit by itself, except in children of `multiprocessing`: those run no `atexit` handlers."""

    def when_this_child_ends(_: Any = None) -> None:
        multiprocessing.util.Finalize(provider, provider.force_flush, exitpriority=0)

    multiprocessing.util.register_after_fork(provider, when_this_child_ends)
    if multiprocessing.process.parent_process() is not None:
        when_this_child_ends()
