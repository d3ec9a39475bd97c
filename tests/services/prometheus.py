"""Prometheus and Alertmanager, with their tools: Debian's packages, of which no service starts by itself."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import time
import urllib.request
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import pytest

PACKAGES = ("prometheus", "prometheus-alertmanager")
PROGRAMS = ("prometheus", "promtool", "amtool", "prometheus-alertmanager")
STARTS_NOTHING = Path("/usr/sbin/policy-rc.d")
"""What Debian asks whether it may start a service that was installed; 101 is no."""
SECONDS = 30.0


def _install() -> None:
    """From Debian's packages, where that is possible."""
    if os.geteuid() != 0 or not shutil.which("apt-get"):
        return
    ours = not STARTS_NOTHING.exists()
    if ours:
        STARTS_NOTHING.write_text("#!/bin/sh\nexit 101\n")
        STARTS_NOTHING.chmod(0o755)
    try:
        environment = {**os.environ, "DEBIAN_FRONTEND": "noninteractive"}
        for arguments in (["update"], ["install", "-y", "--no-install-recommends", *PACKAGES]):
            subprocess.run(["apt-get", "-qq", *arguments], check=False, capture_output=True, env=environment)
        if shutil.which("systemctl"):
            # Nor at the next start of the machine.
            subprocess.run(["systemctl", "disable", *PACKAGES], check=False, capture_output=True)
    finally:
        if ours:
            STARTS_NOTHING.unlink(missing_ok=True)


def need(program: str) -> str:
    """The path of one of `PROGRAMS`. Where it cannot be had: fails in CI, skips elsewhere."""
    if not all(map(shutil.which, PROGRAMS)):
        _install()
    found = shutil.which(program)
    if found is None:
        if os.environ.get("CI"):
            pytest.fail(f"{program} is not installed, and could not be: CI must have it")
        pytest.skip(f"{program} is not installed (Debian: apt-get install {' '.join(PACKAGES)})")
    return found


@contextmanager
def running(command: Sequence[str], ready: str, log: Path) -> Iterator[subprocess.Popen[bytes]]:
    """A server, once it says at the URL `ready` that it is; ended with the block."""
    with log.open("wb") as output:
        process = subprocess.Popen(command, stdout=output, stderr=output)
    try:
        until = time.monotonic() + SECONDS
        while not _answers(ready):
            assert process.poll() is None and time.monotonic() < until, f"{command[0]}:\n{log.read_text()}"
            time.sleep(0.05)
        yield process
    finally:
        process.send_signal(signal.SIGTERM)
        try:
            process.wait(SECONDS)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


def _answers(url: str) -> bool:
    try:
        with urllib.request.urlopen(url, timeout=SECONDS) as answer:
            return bool(answer.status == 200)
    except OSError:
        return False
