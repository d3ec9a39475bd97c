"""Debian's Chromium, for the tests that look at pages."""

from __future__ import annotations

import os

from services.debian import absent, install

PROGRAM = "/usr/bin/chromium"
OPTIONS = ("--no-sandbox", "--disable-dev-shm-usage", "--disable-gpu", "--force-color-profile=srgb")
"""Root may only run it without its sandbox, and a container's /dev/shm is small. It sees no page but ours."""


def need() -> str:
    """Its path. Where it cannot be had: fails in CI, skips elsewhere."""
    if not os.access(PROGRAM, os.X_OK):
        install("chromium")
    if not os.access(PROGRAM, os.X_OK):
        absent("Chromium", "chromium")
    return PROGRAM
