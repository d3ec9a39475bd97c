"""The simulated provider on a socket: HTTP/1.1 with keep-alive, a thread for each connection."""

from __future__ import annotations

import re
import socket
import sys
import threading
import time
from collections import deque
from collections.abc import Callable, Collection, Iterable
from dataclasses import dataclass, field
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from types import TracebackType
from typing import Any

from tollkeeper.simulator.bill import Meter
from tollkeeper.simulator.dispatch import CREDENTIALS, Cut, Dispatched, Provider
from tollkeeper.simulator.exchange import Answer, Request, json_answer, read_body, read_pairs, read_target
from tollkeeper.simulator.knobs import Knobs
from tollkeeper.simulator.replay import Library
from tollkeeper.simulator.routes import BASES
from tollkeeper.simulator.world import World

POLL_SECONDS = 0.02
CONTROL = "/_simulator"
SECRET_HEADERS = frozenset((*CREDENTIALS, "cookie", "proxy-authorization", "x-amz-security-token"))
SECRET_QUERY = re.compile(r"([?&]key=)[^&]*")
PHRASES = {status.value: status.phrase for status in HTTPStatus}


@dataclass(slots=True)
class Arrival:
    """One request as it arrived, without its credentials, and what became of it.

    `body` is the bytes as they were on the wire. `pieces` counts the stream's events that were sent. `finished`: the
    answer went out whole; it is `False` while it is being sent, and stays so when either side hung up.
    """

    method: str
    target: str
    headers: dict[str, str]
    body: bytes = field(repr=False)
    status: int | None = None
    match: str | None = None
    pieces: int = 0
    finished: bool = False

    @property
    def path(self) -> str:
        return self.target.partition("?")[0]

    def json(self) -> Any:
        return read_body(self.body, self.headers.get("content-type", ""))


class Simulator:
    """A provider on loopback, for as long as its `with` block lasts.

    `recordings`: folders whose answers come first; `makes_answers`: make one where there is no recording, by default
    only when there are no recordings at all; `strict`: recordings of the same conversation only. `keys`: the only
    credentials that are taken. `keep`: how many requests are remembered. `clock` tells seconds since the epoch.
    The rest are knobs, see `Knobs`.
    """

    def __init__(
        self,
        *,
        seed: int | None = None,
        recordings: Iterable[Path | str] = (),
        strict: bool = False,
        makes_answers: bool | None = None,
        keys: Collection[str] | None = None,
        keep: int = 1000,
        host: str = "127.0.0.1",
        port: int = 0,
        clock: Callable[[], float] = time.time,
        **knobs: object,
    ):
        folders = list(recordings)
        self.provider = Provider(
            world=World(seed, clock),
            knobs=Knobs().changed(knobs),
            library=Library(folders, strict) if folders else None,
            makes_answers=not folders if makes_answers is None else makes_answers,
            keys=keys,
        )
        self.stopping = threading.Event()
        self._arrived: deque[Arrival] = deque(maxlen=keep)
        self._server = _Server((host, port), self)
        self._thread: threading.Thread | None = None

    @property
    def url(self) -> str:
        return f"http://{self._server.server_address[0]!s}:{self.port}"

    @property
    def port(self) -> int:
        return int(self._server.server_address[1])

    @property
    def meter(self) -> Meter:
        """What was used of it, which its admin APIs bill; a made-up past can be added."""
        return self.provider.world.meter

    @property
    def requests(self) -> list[Arrival]:
        """What arrived, oldest first; as many as `keep` says."""
        return list(self._arrived)

    def base_url(self, service: str) -> str:
        """What to give the SDK of this service as its base URL (or endpoint, or host)."""
        return self.url + BASES.get(service, f"/@{service}/v1")

    def note(self, arrival: Arrival) -> None:
        self._arrived.append(arrival)

    def clear(self) -> None:
        """Forget what arrived, and begin the turns of the recordings anew."""
        self._arrived.clear()
        if self.provider.library:
            self.provider.library.reset()

    def start(self) -> Simulator:
        self._thread = threading.Thread(target=self._server.serve_forever, args=(POLL_SECONDS,), daemon=True)
        self._thread.start()
        return self

    def stop(self) -> None:
        """Stop listening, and cut what is still connected."""
        self.stopping.set()
        if self._thread:
            self._server.shutdown()
            self._thread.join()
        self._server.server_close()
        self._server.cut_all()

    def serve(self) -> None:
        """Serve in this thread, until `KeyboardInterrupt`."""
        self._server.serve_forever(POLL_SECONDS)

    def __enter__(self) -> Simulator:
        return self.start()

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.stop()


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    request_queue_size = 512

    def __init__(self, address: tuple[str, int], simulator: Simulator):
        super().__init__(address, _Handler)
        self.simulator = simulator
        self._open: set[socket.socket] = set()
        self._lock = threading.Lock()

    def process_request(self, request: Any, client_address: Any) -> None:
        with self._lock:
            self._open.add(request)
        super().process_request(request, client_address)

    def shutdown_request(self, request: Any) -> None:
        with self._lock:
            self._open.discard(request)
        super().shutdown_request(request)

    def cut_all(self) -> None:
        with self._lock:
            connections = list(self._open)
        for connection in connections:
            _hang_up(connection)

    def handle_error(self, request: Any, client_address: Any) -> None:
        # A client that went away is no error of ours.
        if not isinstance(sys.exc_info()[1], (ConnectionError, TimeoutError)):
            super().handle_error(request, client_address)


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True
    server: _Server

    def log_message(self, format: str, *args: object) -> None:
        """Nothing is logged; `Simulator.requests` remembers."""

    def _serve(self) -> None:
        try:
            raw = self._read()
        except ValueError:
            self.send_error(HTTPStatus.BAD_REQUEST, "The length of the body cannot be read")
            return
        headers = {name.lower(): value for name, value in self.headers.items()}
        service, path, query = read_target(self.path)
        body = read_body(raw, headers.get("content-type", ""))
        request = Request(self.command, path, query, headers, raw, body, service, pairs=read_pairs(self.path))
        if path.startswith(CONTROL):
            self._send_whole(_control(self.server.simulator, request))
            return
        shown = {name: value for name, value in headers.items() if name not in SECRET_HEADERS}
        arrival = Arrival(self.command, SECRET_QUERY.sub(r"\1REDACTED", self.path), shown, raw)
        self.server.simulator.note(arrival)
        try:
            self._answer(self.server.simulator.provider.answer(request), arrival)
        except (Cut, ConnectionError):
            arrival.finished = False
            self.close_connection = True
            _hang_up(self.connection)

    do_GET = do_POST = do_PUT = do_PATCH = do_DELETE = _serve

    def _read(self) -> bytes:
        if self.headers.get("transfer-encoding", "").lower() == "chunked":
            return b"".join(iter(self._read_chunk, b""))
        length = int(self.headers.get("content-length") or 0)
        return self.rfile.read(length) if length else b""

    def _read_chunk(self) -> bytes:
        size = int(self.rfile.readline().split(b";")[0] or b"0", 16)
        chunk = self.rfile.read(size)
        self.rfile.readline()
        return chunk

    def _answer(self, dispatched: Dispatched, arrival: Arrival) -> None:
        answer = dispatched.answer
        arrival.status, arrival.match = answer.status, dispatched.match
        answer.headers["x-simulator-match"] = dispatched.match
        self._pause(dispatched.knobs.latency)
        if answer.pieces is not None:
            self._send_stream(answer, answer.pieces, dispatched.knobs, arrival)
            return
        # Noted before the last byte is sent, so that a client that has read it finds the note.
        arrival.finished = True
        self._send_whole(answer)

    def _pause(self, seconds: float) -> None:
        """A pause that the end of the simulator ends."""
        if seconds > 0 and self.server.simulator.stopping.wait(seconds):
            raise Cut

    def _await_hang_up(self) -> None:
        """Until the client goes away, or the simulator ends, which cuts the connection."""
        self.connection.recv(1)
        raise Cut

    def _head(self, answer: Answer) -> bytes:
        lines = [f"HTTP/1.1 {answer.status} {PHRASES.get(answer.status, 'Unknown')}"]
        lines += [f"{name}: {value}" for name, value in answer.headers.items()]
        return "\r\n".join((*lines, "", "")).encode("latin-1", "replace")

    def _send_whole(self, answer: Answer) -> None:
        answer.headers["content-length"] = str(len(answer.body))
        self.connection.sendall(self._head(answer) + answer.body)

    def _send_stream(self, answer: Answer, pieces: Iterable[bytes], knobs: Knobs, arrival: Arrival) -> None:
        answer.headers["transfer-encoding"] = "chunked"
        self.connection.sendall(self._head(answer))
        for piece in pieces:
            if arrival.pieces == knobs.stall:
                self._await_hang_up()
            if arrival.pieces:
                self._pause(knobs.chunk_delay)
            arrival.pieces += 1
            self.connection.sendall(b"%x\r\n%b\r\n" % (len(piece), piece))
        arrival.finished = True
        self.connection.sendall(b"0\r\n\r\n")


def _hang_up(connection: socket.socket) -> None:
    try:
        connection.shutdown(socket.SHUT_RDWR)
    except OSError:
        # It is down already.
        return


def _control(simulator: Simulator, request: Request) -> Answer:
    """For a simulator in another process: is it up, what arrived, forget it."""
    match request.method, request.path.removeprefix(CONTROL):
        case "GET", "/health":
            return json_answer({"status": "ok"})
        case "GET", "/requests":
            shown = [
                {"method": arrival.method, "target": arrival.target, "status": arrival.status, "match": arrival.match}
                for arrival in simulator.requests
            ]
            return json_answer(shown)
        case "POST", "/reset":
            simulator.clear()
            return json_answer({"status": "ok"})
    return json_answer({"error": "unknown"}, 404)
