"""The demo's sidecar: a process of its own, as `tollkeeper serve` starts it, over a ledger that is thrown away."""

from __future__ import annotations

import json
import socket
import subprocess
import sys
import tempfile
import urllib.request
from collections.abc import Callable
from pathlib import Path
from types import TracebackType
from typing import Any

from tollkeeper.config.serve import SERVE_DEFAULTS

LISTENS = "Tollkeeper listens on "
ANSWER_SECONDS = 10.0
END_SECONDS = 20.0


class Office:
    """A sidecar for as long as the `with` block lasts, on the usual port if that is free.

    `policy` is a file of limits, and `channels` the text of a channels file. `fill` is given the ledger's URL before
    the sidecar starts.
    """

    def __init__(self, policy: Path, channels: str, fill: Callable[[str], object] = lambda url: None) -> None:
        self._policy = policy
        self._channels = channels
        self._fill = fill

    def __enter__(self) -> Office:
        self._folder = tempfile.TemporaryDirectory(prefix="tollkeeper-demo-")
        self._ledger = f"sqlite:///{Path(self._folder.name, 'ledger.db')}"
        self._fill(self._ledger)
        # Somebody may take the usual port between the look at it and the start.
        url = self._start(_port()) or self._start(0)
        if url is None:
            raise RuntimeError("the sidecar did not start; it has said why above")
        self.url = url
        return self

    def _start(self, port: int) -> str | None:
        channels = Path(self._folder.name, "channels.toml")
        channels.write_text(self._channels, encoding="utf-8")
        self._process = subprocess.Popen(
            [
                sys.executable, "-m", "tollkeeper", "serve", "--port", str(port), "--grpc-port", "off",
                "--ledger", self._ledger, "--policy", str(self._policy), "--channels", str(channels),
                "--log-level", "warning",
            ],
            stdout=subprocess.PIPE,
            text=True,
            process_group=0,  # Ctrl-C ends the demo, which still has questions for the sidecar
        )  # fmt: skip
        assert self._process.stdout is not None
        line = self._process.stdout.readline()
        if line.startswith(LISTENS):
            return line.removeprefix(LISTENS).split()[0]
        self._process.wait(END_SECONDS)
        return None

    @property
    def spool(self) -> str:
        """The folder in which calls wait for this sidecar."""
        return str(Path(self._folder.name, "spool"))

    def stats(self) -> dict[str, Any]:
        """What `GET /api/v1/stats` answers."""
        # A proxy that the environment names is for other hosts than this one.
        opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
        with opener.open(f"{self.url}/api/v1/stats", timeout=ANSWER_SECONDS) as answer:
            return dict(json.load(answer))

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._process.terminate()
        try:
            self._process.wait(END_SECONDS)
        except subprocess.TimeoutExpired:
            self._process.kill()
        self._folder.cleanup()


def _port() -> int:
    """The usual port, or any free one where somebody has that."""
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((SERVE_DEFAULTS.host, SERVE_DEFAULTS.port))
        except OSError:
            return 0
    return SERVE_DEFAULTS.port
