"""A sidecar in a process of its own, as `tollkeeper serve` starts it, from this working tree."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from capture.processes import environment
from services.ports import free_port

SECONDS = 60.0


class Sidecar:
    """One that can be killed and started again, on the same port and ledger."""

    def __init__(
        self, ledger: str, log: Path, *arguments: str, port: int | None = None, path: Path | None = None
    ) -> None:
        self.port = port or free_port()
        self.url = f"http://127.0.0.1:{self.port}"
        self.log = log
        self._env = environment("", path)
        self._command = [
            sys.executable, "-m", "tollkeeper", "serve", "--port", str(self.port), "--ledger", ledger,
            *(arguments if "--grpc-port" in arguments else ("--grpc-port", "off", *arguments)),
        ]  # fmt: skip
        self.process: subprocess.Popen[bytes] | None = None

    def start(self, wait: bool = True) -> None:
        with self.log.open("ab") as output:
            self.process = subprocess.Popen(self._command, env=self._env, stdout=output, stderr=output)
        if wait:
            self.wait()

    def wait(self) -> None:
        """Until it answers."""
        process, until = self.process, time.monotonic() + SECONDS
        assert process is not None
        while time.monotonic() < until and process.poll() is None:
            try:
                self.get("/api/v1/health")
            except OSError:
                time.sleep(0.05)
            else:
                return
        raise AssertionError(f"the sidecar does not answer:\n{self.log.read_text()}")

    def get(self, path: str, **headers: str) -> Any:
        """The JSON, or the text, at a path."""
        request = urllib.request.Request(self.url + path, headers=headers)
        with urllib.request.urlopen(request, timeout=SECONDS) as answer:
            body = answer.read().decode()
            return json.loads(body) if "json" in answer.headers.get("content-type", "") else body

    def kill(self) -> None:
        """At once, with nothing put in order."""
        if self.process is not None:
            self.process.kill()
            self.process.wait()

    def stop(self) -> int:
        """As an operator does. Its exit code."""
        assert self.process is not None
        self.process.send_signal(signal.SIGTERM)
        return self.process.wait(SECONDS)


@contextmanager
def running(ledger: str, folder: Path, *arguments: str) -> Iterator[Sidecar]:
    sidecar = Sidecar(ledger, folder / "sidecar.log", *arguments)
    try:
        sidecar.start()
        yield sidecar
    finally:
        sidecar.kill()
