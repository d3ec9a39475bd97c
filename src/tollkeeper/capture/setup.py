"""What `instrument()` finds or sets up around itself: OTel providers, `/metrics`, and other instrumentations."""

from __future__ import annotations

import logging
from dataclasses import dataclass
from importlib.metadata import entry_points
from typing import TYPE_CHECKING, Any

from opentelemetry import _logs, metrics, trace

from tollkeeper.capture.content import ContentCapture
from tollkeeper.capture.prompt_digest import PromptDigest
from tollkeeper.config import ConfigurationError, Settings, disabled_instrumentations
from tollkeeper.version import __version__

if TYPE_CHECKING:
    from tollkeeper.capture.sinks.prometheus import PrometheusSink
    from tollkeeper.capture.sinks.prometheus_server import MetricsServer

log = logging.getLogger("tollkeeper")

SCOPE = "tollkeeper"
TARGET_ATTRIBUTES = ("service.name", "service.namespace", "service.version", "deployment.environment.name")


@dataclass(frozen=True, slots=True)
class OTelProviders:
    """Where telemetry goes. `meter` and `event_logger` are `None` where it would go nowhere."""

    tracer: trace.Tracer
    meter: metrics.Meter | None
    event_logger: _logs.Logger | None


def providers(settings: Settings) -> OTelProviders:
    """The given providers, else the global ones; where there are none and OTLP is asked for, new global ones."""
    if settings.otlp:
        _set_up_missing(settings)
    meter_provider = settings.meter_provider or metrics.get_meter_provider()
    logger_provider = settings.logger_provider or _logs.get_logger_provider()
    return OTelProviders(
        trace.get_tracer(SCOPE, __version__, settings.tracer_provider),
        None if isinstance(meter_provider, metrics.NoOpMeterProvider) else meter_provider.get_meter(SCOPE, __version__),
        _event_logger(logger_provider),
    )


def _set_up_missing(settings: Settings) -> None:
    try:
        from tollkeeper.capture.otlp import set_up_missing  # noqa: PLC0415  needs the OpenTelemetry SDK
    except ModuleNotFoundError as missing:
        raise ConfigurationError(
            f"otlp is asked for, but {missing.name} is not installed;"
            " expected the extra: pip install 'tollkeeper[otlp]'"
        ) from None
    set_up_missing(settings)


def _event_logger(logger_provider: Any) -> _logs.Logger | None:
    if isinstance(logger_provider, _logs.NoOpLoggerProvider):
        return None
    return logger_provider.get_logger(SCOPE, __version__)  # type: ignore[no-any-return]


class MetricsEndpoint:
    """The app's own Prometheus metrics. `url` is where they are served, if they are."""

    def __init__(self, sink: PrometheusSink, server: MetricsServer | None) -> None:
        self.sink = sink
        self.url = server.url if server is not None else None
        self._server = server

    def close(self) -> None:
        if self._server is not None:
            self._server.close()


def metrics_endpoint(settings: Settings) -> MetricsEndpoint | None:
    """Prometheus metrics, if they were asked for; served, if a port was given."""
    if settings.prometheus_port is None and not settings.prometheus:
        return None
    try:
        from tollkeeper.capture.sinks.prometheus import PrometheusSink  # noqa: PLC0415  the same
        from tollkeeper.capture.sinks.prometheus_server import MetricsServer  # noqa: PLC0415  needs prometheus_client
    except ModuleNotFoundError as missing:
        raise ConfigurationError(
            f"prometheus or prometheus_port was given, but {missing.name} is not installed;"
            " expected the extra: pip install 'tollkeeper[prometheus]'"
        ) from None
    sink = PrometheusSink(settings.metric_tags, settings.metric_label_sets, settings.newest_metrics, resource(settings))
    port = settings.prometheus_port
    return MetricsEndpoint(sink, None if port is None else MetricsServer(settings.prometheus_host, port, sink))


def resource(settings: Settings) -> dict[str, str]:
    """What `target_info`, and the sidecar, are told of this app: the same in all its processes."""
    provider = settings.tracer_provider or trace.get_tracer_provider()
    attributes = getattr(getattr(provider, "resource", None), "attributes", {})
    found = {name: str(attributes[name]) for name in TARGET_ATTRIBUTES if name in attributes}
    return {**found, "service.name": settings.service_name or found.get("service.name") or "unknown_service"}


def content(settings: Settings) -> ContentCapture | None:
    """The capture of prompts and answers, if it was asked for."""
    if settings.capture_content == "no_content":
        return None
    return ContentCapture(settings.capture_content, settings.redact)


def prompt_digest(settings: Settings) -> PromptDigest | None:
    """The digest of prompts, if it was asked for."""
    return None if settings.hash_prompts is None else PromptDigest(settings.hash_prompts)


def warn_of_others() -> None:
    """Tell of other GenAI instrumentations: their spans are their own, and totals over both count calls twice."""
    disabled = disabled_instrumentations()
    others = sorted(
        {
            entry.name
            for entry in entry_points(group="opentelemetry_instrumentor")
            if entry.name.replace("-", "_") in OTHERS and entry.name not in disabled
        }
    )
    if others and "*" not in disabled:
        log.warning(
            "other GenAI instrumentations are installed (%s): where they are on, each call gets a second span from"
            " them; Tollkeeper's own metrics and records count it once."
            " OTEL_PYTHON_DISABLED_INSTRUMENTATIONS=%s turns them off",
            ", ".join(others),
            ",".join(others),
        )


OTHERS = frozenset(
    (
        "anthropic",
        "bedrock",
        "cohere",
        "google_genai",
        "google_generativeai",
        "groq",
        "mistralai",
        "ollama",
        "openai",
        "together",
        "vertexai",
    )
)
"""Their entry points. OpenLLMetry, OpenInference and the official ones share most names; one spells `google-genai`."""
