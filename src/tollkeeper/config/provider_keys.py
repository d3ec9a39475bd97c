"""Keys of providers in the environment. They are read whenever they are needed, so that they can be changed."""

from __future__ import annotations

import os

from tollkeeper.model.providers import KeyFound, keys_in


def endpoint_key(variable: str) -> str | None:
    """What a policy's endpoint is asked with: what the variable says, or nothing if it is not set."""
    return os.environ.get(variable, "").strip() or None


def keys_found() -> list[KeyFound]:
    """Which of the keys that SDKs read are set."""
    return keys_in(os.environ)
