"""Debian's Chromium, for the tests that look at pages."""

from __future__ import annotations

import os
import shutil
import subprocess

import pytest

PROGRAM = "/usr/bin/chromium"
OPTIONS = ("--no-sandbox", "--disable-dev-shm-usage", "--disable-gpu", "--force-color-profile=srgb")
"""Root may only run it without its sandbox, and a container's /dev/shm is small. It sees no page but ours."""


def _install() -> None:
    """From Debian's packages, where that is possible."""
    if os.geteuid() == 0 and shutil.which("apt-get"):
        environment = {**os.environ, "DEBIAN_FRONTEND": "noninteractive"}
        for arguments in (["update"], ["install", "-y", "--no-install-recommends", "chromium"]):
            subprocess.run(["apt-get", "-qq", *arguments], check=False, capture_output=True, env=environment)


def need() -> str:
    """Its path. Where it cannot be had: fails in CI, skips elsewhere."""
    if not os.access(PROGRAM, os.X_OK):
        _install()
    if not os.access(PROGRAM, os.X_OK):
        if os.environ.get("CI"):
            pytest.fail("Chromium is not installed, and could not be: CI must have it")
        pytest.skip("Chromium is not installed (Debian: apt-get install chromium)")
    return PROGRAM
