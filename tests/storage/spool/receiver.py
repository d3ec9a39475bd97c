"""A sidecar's door on loopback or a unix socket: it keeps what it is sent, once each, and misbehaves when told to."""

from __future__ import annotations

import gzip
import json
import socketserver
import threading
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from types import TracebackType
from typing import Any

from tollkeeper.storage.spool.otlp import PATH
from tollkeeper.telemetry.record import CALL_EVENT, LOST_EVENT, STARTED_EVENT

Answer = tuple[int, dict[str, str], bytes]
"""Status, headers and body."""

FINE: Answer = (200, {}, b'{"partialSuccess":{}}')
VANISH = "vanish"
"""Keep what was sent, and close the connection without a word."""


class Receiver:
    """Runs for as long as its `with` block lasts. `behave` is asked before each request is answered."""

    def __init__(self, socket: Path | None = None, port: int = 0, behave: Callable[[Any], Any] | None = None) -> None:
        self.calls: dict[str, str] = {}
        """Records by id. A second one with another text is in `conflicts`."""
        self.started: dict[str, str] = {}
        self.lost: dict[str, int] = {}
        self.repeats = 0
        self.conflicts: list[str] = []
        self.requests: list[dict[str, Any]] = []
        """The bodies, decoded, with `headers` beside."""
        self.behave = behave
        self._lock = threading.Lock()
        handler = _handler(self)
        if socket is not None:
            self._server: Any = _UnixServer(str(socket), handler)
            self.url = f"unix://{socket}"
        else:
            self._server = ThreadingHTTPServer(("127.0.0.1", port), handler)
            self.url = f"http://127.0.0.1:{self._server.server_port}"
        self._server.daemon_threads = True

    def take(self, body: dict[str, Any], headers: dict[str, str]) -> Any:
        """Keep what a request brings, unless it is to be refused. Says how to answer."""
        with self._lock:
            self.requests.append({**body, "headers": headers})
            behaviour = self.behave(body) if self.behave is not None else FINE
            if behaviour != VANISH and behaviour[0] >= 300:
                return behaviour
            for record in records_of(body):
                self._keep(record["eventName"], record["body"]["stringValue"])
            return behaviour

    def _keep(self, event: str, text: str) -> None:
        if event == LOST_EVENT:
            told = json.loads(text)
            self.lost[told["spool"]] = max(told["dropped"], self.lost.get(told["spool"], 0))
            return
        kept = {CALL_EVENT: self.calls, STARTED_EVENT: self.started}[event]
        id = json.loads(text)[1]
        if kept.setdefault(id, text) != text:
            self.conflicts.append(id)
        elif len(kept) and kept[id] is not text:
            self.repeats += 1

    def __enter__(self) -> Receiver:
        threading.Thread(target=self._server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True).start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._server.shutdown()
        self._server.server_close()


class _UnixServer(socketserver.ThreadingMixIn, socketserver.UnixStreamServer):
    pass


def records_of(body: dict[str, Any]) -> Iterator[dict[str, Any]]:
    """The log records of a request."""
    for resource in body.get("resourceLogs", ()):
        for scope in resource["scopeLogs"]:
            yield from scope["logRecords"]


def _handler(receiver: Receiver) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"
        wbufsize = 1 << 16  # an answer in one piece: no delayed acknowledgement is waited for

        def do_POST(self) -> None:
            data = self.rfile.read(int(self.headers["Content-Length"]))
            if not self.path.endswith(PATH):
                self.send_error(404)
                return
            if self.headers.get("Content-Encoding") == "gzip":
                data = gzip.decompress(data)
            headers = {**self.headers, "path": self.path, "peer": str(self.client_address)}
            behaviour = receiver.take(json.loads(data), headers)
            if behaviour == VANISH:
                self.close_connection = True
                return
            status, headers, body = behaviour
            self.send_response(status)
            for name, text in headers.items():
                self.send_header(name, text)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def address_string(self) -> str:
            return "somebody"

        def log_message(self, format: str, *arguments: Any) -> None:
            pass

    return Handler
