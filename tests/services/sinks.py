"""Where notifications arrive in tests: an HTTP server and a mail server of the test's own, on loopback."""

from __future__ import annotations

import json
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from email.message import EmailMessage
from email.parser import BytesParser
from email.policy import default
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, NamedTuple
from urllib.parse import parse_qs

from aiosmtpd.controller import Controller
from aiosmtpd.smtp import SMTP, AuthResult, Envelope, LoginPassword, Session

from services.ports import free_port


class Received(NamedTuple):
    """One request."""

    method: str
    path: str
    headers: Mapping[str, str]
    body: bytes

    @property
    def json(self) -> Any:
        return json.loads(self.body)

    @property
    def form(self) -> dict[str, str]:
        return {name: values[0] for name, values in parse_qs(self.body.decode()).items()}


class HttpSink:
    """Answers each request with `status` and `answer`, and remembers it. `hangs`: it never answers."""

    def __init__(self, port: int) -> None:
        self.url = f"http://127.0.0.1:{port}"
        self.port = port
        self.requests: list[Received] = []
        self.status = 200
        self.answer = b"{}"
        self.headers: dict[str, str] = {}
        self.hangs = False
        self.released = threading.Event()

    @property
    def last(self) -> Received:
        return self.requests[-1]


def _handler(sink: HttpSink) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
            sink.requests.append(Received(self.command, self.path, dict(self.headers.items()), body))
            if sink.hangs:
                sink.released.wait(60)
                return
            self.send_response(sink.status)
            for name, value in {"Content-Type": "application/json", **sink.headers}.items():
                self.send_header(name, value)
            self.send_header("Content-Length", str(len(sink.answer)))
            self.end_headers()
            self.wfile.write(sink.answer)

        do_GET = do_PUT = do_POST

        def log_message(self, *_: object) -> None:
            pass

    return Handler


@contextmanager
def http_sink() -> Iterator[HttpSink]:
    """A server that runs until the end."""
    port = free_port()
    sink = HttpSink(port)
    server = ThreadingHTTPServer(("127.0.0.1", port), _handler(sink))
    server.daemon_threads = True
    thread = threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True)
    thread.start()
    try:
        yield sink
    finally:
        sink.released.set()
        server.shutdown()
        server.server_close()


class MailSink:
    """Takes every message, but to recipients that `refused` has a status for. Only `password` lets anybody in."""

    def __init__(self, port: int) -> None:
        self.port = port
        self.password = "right"
        self.refused: dict[str, str] = {}
        self.envelopes: list[Envelope] = []

    @property
    def messages(self) -> list[EmailMessage]:
        parse: Callable[[bytes], Any] = BytesParser(policy=default).parsebytes
        return [parse(bytes(envelope.content or b"")) for envelope in self.envelopes]

    async def handle_RCPT(
        self, server: SMTP, session: Session, envelope: Envelope, address: str, options: list[str]
    ) -> str:
        if address in self.refused:
            return self.refused[address]
        envelope.rcpt_tos.append(address)
        return "250 OK"

    async def handle_DATA(self, server: SMTP, session: Session, envelope: Envelope) -> str:
        self.envelopes.append(envelope)
        return "250 OK"

    def authenticate(self, server: SMTP, session: Session, envelope: Envelope, mechanism: str, data: Any) -> AuthResult:
        is_right = isinstance(data, LoginPassword) and data.password.decode() == self.password
        return AuthResult(success=is_right, handled=False)


@contextmanager
def mail_sink() -> Iterator[MailSink]:
    """A mail server that runs until the end."""
    port = free_port()
    sink = MailSink(port)
    controller = Controller(
        sink,
        hostname="127.0.0.1",
        port=port,
        auth_require_tls=False,
        authenticator=sink.authenticate,
    )
    controller.start()
    try:
        yield sink
    finally:
        controller.stop()
