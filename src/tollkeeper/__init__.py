"""Tollkeeper meters and prices every LLM call of a Python program, through the provider's own SDK.

import tollkeeper
tollkeeper.instrument()
"""

from tollkeeper.capture.attribution import tags
from tollkeeper.capture.instrumentation import Instrumentation, instrument, uninstrument
from tollkeeper.config import ConfigurationError
from tollkeeper.model import Call, Cost, LineItem, Usage
from tollkeeper.version import __version__

__all__ = [
    "Call",
    "ConfigurationError",
    "Cost",
    "Instrumentation",
    "LineItem",
    "Usage",
    "__version__",
    "instrument",
    "tags",
    "uninstrument",
]
