"""Debian's packages, installed by the tests that need them: one process at a time, and no service of theirs starts."""

from __future__ import annotations

import fcntl
import os
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import NoReturn

import pytest

TURN = Path(tempfile.gettempdir(), "tollkeeper-tests-install.lock")
STARTS_NOTHING = Path("/usr/sbin/policy-rc.d")
"""What Debian asks whether it may start a service that was installed; 101 is no."""


def install(*packages: str) -> bool:
    """Whether all of them are there now. Root only can do it."""
    if os.geteuid() != 0 or not shutil.which("apt-get"):
        return False
    with TURN.open("w") as turn:
        # Of several that need a package at once, the others find it installed.
        fcntl.flock(turn, fcntl.LOCK_EX)
        with _nothing_started():
            done = _apt("install", "-y", "--no-install-recommends", *packages) or (
                _apt("update") and _apt("install", "-y", "--no-install-recommends", *packages)
            )
        if done and shutil.which("systemctl"):
            # Nor at the next start of the machine.
            subprocess.run(["systemctl", "disable", *packages], check=False, capture_output=True)
    return done


def absent(what: str, *packages: str) -> NoReturn:
    """It is not there, and could not be installed: fails in CI, skips elsewhere."""
    if os.environ.get("CI"):
        pytest.fail(f"{what} is not installed, and could not be: CI must have it")
    pytest.skip(f"{what} is not installed (Debian: apt-get install {' '.join(packages)})")


def _apt(*arguments: str) -> bool:
    command = ["apt-get", "-qq", "-o", "DPkg::Lock::Timeout=300", *arguments]
    environment = {**os.environ, "DEBIAN_FRONTEND": "noninteractive"}
    return subprocess.run(command, check=False, capture_output=True, env=environment).returncode == 0


@contextmanager
def _nothing_started() -> Iterator[None]:
    ours = not STARTS_NOTHING.exists()
    if ours:
        STARTS_NOTHING.write_text("#!/bin/sh\nexit 101\n")
        STARTS_NOTHING.chmod(0o755)
    try:
        yield
    finally:
        if ours:
            STARTS_NOTHING.unlink(missing_ok=True)
