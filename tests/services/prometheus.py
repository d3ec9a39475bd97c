"""Prometheus and Alertmanager, with their tools: Debian's packages, of which no service starts by itself."""

from __future__ import annotations

import shutil
import signal
import subprocess
import time
import urllib.request
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from services.debian import absent, install

PACKAGES = ("prometheus", "prometheus-alertmanager")
PROGRAMS = ("prometheus", "promtool", "amtool", "prometheus-alertmanager")
SECONDS = 30.0


def need(program: str) -> str:
    """The path of one of `PROGRAMS`. Where it cannot be had: fails in CI, skips elsewhere."""
    if not all(map(shutil.which, PROGRAMS)):
        install(*PACKAGES)
    found = shutil.which(program)
    if found is None:
        absent(program, *PACKAGES)
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
