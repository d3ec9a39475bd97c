"""What `instrument()` finds or sets up around itself: OTel providers, `/metrics`, and other instrumentations."""

from __future__ import annotations

import logging
from dataclasses import dataclass
from importlib.metadata import entry_points
from typing import Any

from opentelemetry import _logs, metrics, trace

from tollkeeper.config import Settings
from tollkeeper.version import __version__

log = logging.getLogger("tollkeeper")

SCOPE = "tollkeeper"


@dataclass(frozen=True, slots=True)
class OTelProviders:
    """Where telemetry goes. `meter` and `event_logger` are `None` where it would go nowhere."""

    tracer: trace.Tracer
    meter: metrics.Meter | None
    event_logger: _logs.Logger | None


def providers(settings: Settings) -> OTelProviders:
    """The given providers, else the global ones; where there are none and OTLP is asked for, new global ones."""
    if settings.otlp:
        from tollkeeper.capture.otlp import set_up_missing  # noqa: PLC0415  needs the SDK and its exporters

        set_up_missing(settings)
    meter_provider = settings.meter_provider or metrics.get_meter_provider()
    logger_provider = settings.logger_provider or _logs.get_logger_provider()
    return OTelProviders(
        trace.get_tracer(SCOPE, __version__, settings.tracer_provider),
        None if isinstance(meter_provider, metrics.NoOpMeterProvider) else meter_provider.get_meter(SCOPE, __version__),
        _event_logger(logger_provider),
    )


def _event_logger(logger_provider: Any) -> _logs.Logger | None:
    if isinstance(logger_provider, _logs.NoOpLoggerProvider):
        return None
    return logger_provider.get_logger(SCOPE, __version__)  # type: ignore[no-any-return]


class MetricsEndpoint:
    """A served `/metrics`."""

    url: str
    sink: Any

    def close(self) -> None: ...


def metrics_endpoint(settings: Settings) -> MetricsEndpoint | None:
    """`/metrics`, if a port was given."""
    return None


def content(settings: Settings) -> Any:
    """The capture of prompts and answers, if it was asked for."""
    return None



def warn_of_others() -> None:
    """Tell of other GenAI instrumentations beside this one: their spans are theirs, but totals over both count twice."""
    others = sorted(
        entry.name
        for entry in entry_points(group="opentelemetry_instrumentor")
        if entry.name in OTHERS and not entry.value.startswith("tollkeeper")
    )
    if others:
        log.warning(
            "other GenAI instrumentations are installed beside Tollkeeper (%s): each call may get a second span from them;"
            " Tollkeeper's metrics and records count it once. OTEL_PYTHON_DISABLED_INSTRUMENTATIONS=%s turns them off",
            ", ".join(others),
            ",".join(others),
        )


OTHERS = frozenset(
    "openai anthropic google_genai google_generativeai vertexai groq ollama mistralai mistral cohere bedrock openai_v2 genai_openai"
    " genai_anthropic".split()
)
