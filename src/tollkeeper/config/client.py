"""Where the client and the command line find the sidecar's API."""

from __future__ import annotations

import os

ENVIRONMENT_URL = "TOLLKEEPER_URL"
ENVIRONMENT_KEY = "TOLLKEEPER_API_KEY"
DEFAULT_URL = "http://127.0.0.1:4318"
"""Where `tollkeeper serve` listens if nothing else is said."""


def api_access(url: str | None = None, key: str | None = None) -> tuple[str, str | None]:
    """The address of the API and the key to use: as given, else as the environment says."""
    return url or os.environ.get(ENVIRONMENT_URL) or DEFAULT_URL, key or os.environ.get(ENVIRONMENT_KEY) or None
