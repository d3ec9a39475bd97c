"""`opentelemetry-instrument python app.py`: watch an app whose code does not mention Tollkeeper.

The name of the entry point is ours alone, so that turning off other instrumentations does not turn off this one.
"""

from __future__ import annotations

import logging
from collections.abc import Collection
from typing import Any

from opentelemetry.instrumentation.instrumentor import BaseInstrumentor  # type: ignore[attr-defined]

from tollkeeper.capture.instrumentation import Instrumentation, instrument
from tollkeeper.config import OPTIONS, ConfigurationError

log = logging.getLogger("tollkeeper")

NAMES = frozenset(option.name for option in OPTIONS)


class TollkeeperInstrumentor(BaseInstrumentor):  # type: ignore[misc]
    """Tollkeeper as an OpenTelemetry instrumentation. It watches the SDKs that are there, and needs none of them."""

    _instrumentation: Instrumentation | None = None

    def instrumentation_dependencies(self) -> Collection[str]:
        return ()

    def _instrument(self, **options: Any) -> None:
        """Distributions pass options of their own to every instrumentation: what is none of ours is left alone."""
        try:
            self._instrumentation = instrument(**{name: value for name, value in options.items() if name in NAMES})
        except ConfigurationError as error:
            log.error("Tollkeeper is off: %s", error)
        except Exception:  # noqa: BLE001  the boundary: an exception here would end all auto-instrumentation of the app
            log.exception("Tollkeeper is off: it failed to start")

    def _uninstrument(self, **options: Any) -> None:
        instrumentation, self._instrumentation = self._instrumentation, None
        if instrumentation is not None:
            instrumentation.uninstrument()
