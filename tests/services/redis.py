"""A Redis or Valkey server of the test run's own, on a free port of loopback; only what is started here is stopped."""

from __future__ import annotations

import shutil
import signal
import socket
import subprocess
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from services.debian import absent, install
from services.ports import free_port

PROGRAMS = ("redis-server", "valkey-server")
"""And the packages that they are in."""


def _program() -> str | None:
    return next((found for name in PROGRAMS if (found := shutil.which(name))), None)


class RedisServer:
    """A server that can be stopped, paused and started again. `persistent`: it writes down each change."""

    def __init__(self, program: str, folder: Path, persistent: bool = False, options: tuple[str, ...] = ()) -> None:
        self.port = free_port()
        self.url = f"redis://127.0.0.1:{self.port}/0"
        kept = ("--appendonly", "yes", "--appendfsync", "always") if persistent else ("--appendonly", "no")
        self._command = [
            program, "--bind", "127.0.0.1", "--port", str(self.port), "--dir", str(folder), "--save", "",
            "--daemonize", "no", *kept, *options,
        ]  # fmt: skip
        self._process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        self._process = subprocess.Popen(self._command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        for _ in range(500):
            with suppress(OSError), socket.create_connection(("127.0.0.1", self.port), 1) as connection:
                connection.sendall(b"PING\r\n")
                if connection.recv(100).startswith(b"+PONG"):
                    return
            assert self._process.poll() is None, f"the server has ended: {self._command}"
            time.sleep(0.01)
        raise AssertionError(f"the server does not answer: {self._command}")

    def kill(self) -> None:
        """As `kill -9`."""
        if self._process is not None:
            self._process.kill()
            self._process.wait()
            self._process = None

    def pause(self) -> None:
        assert self._process is not None
        self._process.send_signal(signal.SIGSTOP)

    def go_on(self) -> None:
        assert self._process is not None
        self._process.send_signal(signal.SIGCONT)


@contextmanager
def running(persistent: bool = False, options: tuple[str, ...] = ()) -> Iterator[RedisServer]:
    """A server that answers. Without one to run: fails in CI, skips elsewhere."""
    if _program() is None:
        any(install(package) for package in PROGRAMS)
    program = _program()
    if program is None:
        absent("a server of Redis or Valkey", PROGRAMS[0])
    folder = Path(tempfile.mkdtemp(prefix="tollkeeper-redis-"))
    server = RedisServer(program, folder, persistent, options)
    try:
        server.start()
        yield server
    finally:
        server.kill()
        shutil.rmtree(folder, ignore_errors=True)
