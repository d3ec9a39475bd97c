"""How each contestant is started, as its documentation says, without content. Runs in the contestant's own process."""

from __future__ import annotations

from collections.abc import Callable
from importlib import import_module
from pathlib import Path
from typing import Any

OPENLIT_PRICES = Path(__file__).with_name("openlit_prices.json")
"""OpenLIT would fetch its price list from the network."""


def floor(tracer_provider: Any, meter_provider: Any) -> None:
    import_module("floor").instrument(tracer_provider, meter_provider)


def tollkeeper(tracer_provider: Any, meter_provider: Any) -> None:
    import_module("tollkeeper").instrument(tracer_provider=tracer_provider, meter_provider=meter_provider)


def openllmetry(tracer_provider: Any, meter_provider: Any) -> None:
    _instrumentors("opentelemetry.instrumentation", tracer_provider=tracer_provider, meter_provider=meter_provider)


def official(tracer_provider: Any, meter_provider: Any) -> None:
    providers = {"tracer_provider": tracer_provider, "meter_provider": meter_provider}
    _instrumentors("opentelemetry.instrumentation.genai", **providers)


def openinference(tracer_provider: Any, meter_provider: Any) -> None:
    """Spans only: it has no metrics."""
    hidden = import_module("openinference.instrumentation").TraceConfig(hide_inputs=True, hide_outputs=True)
    _instrumentors("openinference.instrumentation", tracer_provider=tracer_provider, config=hidden)


def openlit(tracer_provider: Any, meter_provider: Any) -> None:
    """Takes the global providers, which are the same ones."""
    module = import_module("openlit")
    module.init(
        capture_message_content=False,
        disable_events=True,
        disabled_instrumentors=[name for name in module.MODULE_NAME_MAP if name not in ("openai", "anthropic")],
        pricing_json=str(OPENLIT_PRICES),
    )


def _instrumentors(package: str, **options: Any) -> None:
    for sdk, name in (("openai", "OpenAIInstrumentor"), ("anthropic", "AnthropicInstrumentor")):
        getattr(import_module(f"{package}.{sdk}"), name)().instrument(**options)


START: dict[str, Callable[[Any, Any], None]] = {
    "nothing": lambda tracer_provider, meter_provider: None,
    "floor": floor,
    "tollkeeper": tollkeeper,
    "openllmetry": openllmetry,
    "official": official,
    "openinference": openinference,
    "openlit": openlit,
}
