"""Serves the app's `/metrics` on a thread, in every process of the app.

Under `PROMETHEUS_MULTIPROC_DIR` all processes listen on one port together (SO_REUSEPORT): whichever the kernel picks
answers for all of them, and when one dies the others go on. A forked child opens its own socket there. In one process
the parent keeps the port; a forked child takes it over when the parent has gone.
"""

from __future__ import annotations

import logging
import os
import socket
import socketserver
import threading
import weakref
from wsgiref.simple_server import WSGIRequestHandler, WSGIServer

from prometheus_client import make_wsgi_app

from tollkeeper.capture.sinks.prometheus import PrometheusSink, in_many_processes
from tollkeeper.config import ConfigurationError

log = logging.getLogger("tollkeeper")

POLL_SECONDS = 0.2

_serving: weakref.WeakSet[MetricsServer] = weakref.WeakSet()


class _Handler(WSGIRequestHandler):
    timeout = 30
    """A client that sends nothing is not waited for longer than this."""

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002  the base class calls it so
        pass


class _Server(socketserver.ThreadingMixIn, WSGIServer):
    daemon_threads = True
    request_queue_size = 128

    def __init__(self, host: str, port: int, sink: PrometheusSink) -> None:
        self.allow_reuse_port = in_many_processes()
        if ":" in host:
            self.address_family = socket.AF_INET6
        super().__init__((host, port), _Handler)
        self.set_app(make_wsgi_app(sink.page))

    def server_bind(self) -> None:
        # HTTPServer asks the DNS for the host's full name here, which can take seconds.
        socketserver.TCPServer.server_bind(self)
        self.server_name, self.server_port = str(self.server_address[0]), int(self.server_address[1])
        self.setup_environ()


class MetricsServer:
    """A served `/metrics`, until it is closed."""

    def __init__(self, host: str, port: int, sink: PrometheusSink) -> None:
        self._host = host
        self._sink = sink
        self._server: _Server | None = None
        try:
            self._listen(port)
        except (OSError, UnicodeError) as error:
            reason = getattr(error, "strerror", None) or error
            raise ConfigurationError(
                f"prometheus_port is {port} and prometheus_host is {host!r}: {reason}; expected an address that is free"
                " (port 0 takes any). Processes of one app share a port where PROMETHEUS_MULTIPROC_DIR is set"
            ) from None
        sink.when_forked = self._take_over
        _serving.add(self)

    def _listen(self, port: int) -> None:
        server = _Server(self._host, port, self._sink)
        self.port = server.server_port
        self._server = server
        threading.Thread(
            target=server.serve_forever, args=(POLL_SECONDS,), name="tollkeeper-metrics", daemon=True
        ).start()

    @property
    def url(self) -> str:
        host = f"[{self._host}]" if ":" in self._host else self._host
        return f"http://{host}:{self.port}/metrics"

    def close(self) -> None:
        """Stop serving, in this process."""
        _serving.discard(self)
        self._sink.when_forked = None
        server, self._server = self._server, None
        if server is not None:
            server.shutdown()
            server.server_close()

    def after_fork_in_child(self) -> None:
        """The server's thread has stayed in the parent, and its socket is the parent's."""
        server, self._server = self._server, None
        if server is not None:
            server.socket.close()
            if in_many_processes():
                self._take_over()

    def _take_over(self) -> None:
        if self._server is not None:
            return
        try:
            self._listen(self.port)
        except OSError as error:
            log.warning(
                "process %d is a fork, and its LLM calls are not on %s (%s); PROMETHEUS_MULTIPROC_DIR sums them up",
                os.getpid(),
                self.url,
                error.strerror or error,
            )


def _after_fork_in_child() -> None:
    for server in list(_serving):
        server.after_fork_in_child()


os.register_at_fork(after_in_child=_after_fork_in_child)
