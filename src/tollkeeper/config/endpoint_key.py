"""The keys of a policy's endpoints. Each is read when a call goes there, so that it can be changed."""

from __future__ import annotations

import os


def endpoint_key(variable: str) -> str | None:
    """What the environment variable says; nothing if it is not set."""
    return os.environ.get(variable, "").strip() or None
