"""Tollkeeper meters and prices every LLM call of a Python program, through the provider's own SDK.

import tollkeeper
tollkeeper.instrument()
"""

from typing import TYPE_CHECKING, Any

from tollkeeper.capture.attribution import tags
from tollkeeper.capture.denied import Denied
from tollkeeper.capture.instrumentation import Instrumentation, instrument, uninstrument
from tollkeeper.config import ConfigurationError
from tollkeeper.model import Call, Cost, LineItem, Usage
from tollkeeper.version import __version__

if TYPE_CHECKING:
    from tollkeeper.capture.cheapest import cheapest
    from tollkeeper.capture.check import check
    from tollkeeper.capture.thresholds import Crossing
    from tollkeeper.client import ApiError, AsyncClient, Client
    from tollkeeper.client.quotas import Quotas

__all__ = [
    "ApiError",
    "AsyncClient",
    "Call",
    "Client",
    "ConfigurationError",
    "Cost",
    "Crossing",
    "Denied",
    "Instrumentation",
    "LineItem",
    "Quotas",
    "Usage",
    "__version__",
    "cheapest",
    "check",
    "instrument",
    "tags",
    "uninstrument",
]


def __getattr__(name: str) -> Any:
    """The client is imported when it is first asked for: an app that only instruments need not load an HTTP library."""
    if name in ("ApiError", "AsyncClient", "Client"):
        from tollkeeper import client  # noqa: PLC0415  as said above

        return getattr(client, name)
    if name == "Quotas":
        from tollkeeper.client.quotas import Quotas  # noqa: PLC0415  the same

        return Quotas
    if name == "Crossing":
        from tollkeeper.capture.thresholds import Crossing  # noqa: PLC0415  the same

        return Crossing
    if name == "check":
        from tollkeeper.capture.check import check  # noqa: PLC0415  the same

        return check
    if name == "cheapest":
        from tollkeeper.capture.cheapest import cheapest  # noqa: PLC0415  the same

        return cheapest
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
