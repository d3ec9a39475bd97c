"""Counters that a sidecar keeps, asked over HTTP: a unix socket, or TCP.

A call of the app waits for each answer, so the client is a small one of its own: connections are kept, whatever thread
needs one takes one, and all of a question together has a few hundredths of a second. Every question may be asked twice:
reserving and settling are done once for each id.
"""

from __future__ import annotations

import json
import os
import socket
import time
import weakref
from collections import deque
from collections.abc import Callable, Sequence
from contextlib import suppress
from functools import cache
from typing import TYPE_CHECKING, Any, TypeVar
from urllib.parse import SplitResult, urlsplit

from tollkeeper.storage.counters import wire
from tollkeeper.storage.counters.contract import (
    Charge,
    CountersUnavailable,
    Held,
    Hold,
    Level,
    Refused,
    Settlement,
    Unacceptable,
)
from tollkeeper.storage.counters.host import Host
from tollkeeper.version import __version__

if TYPE_CHECKING:
    import ssl

SECONDS = 0.045
"""For everything that one question takes, connecting too: with what is done before and after it, a call waits for 0.05
at the most."""
MOST_READ = 500
"""Keys in one question."""
LONGEST_HEAD = 64 * 1024
LONGEST_BODY = 64 * 1024 * 1024
REFUSING = frozenset((400, 413, 422))
"""The answers that blame the request: the same would be said to it again."""

T = TypeVar("T")


class RemoteCounters:
    """The counters of the sidecar at `http://HOST:PORT`, `https://…` or `unix:///PATH`.

    `key` is the access key. `seconds` is all the time that a question has. `clock` tells nanoseconds since the epoch;
    the sidecar's time is reckoned from it, as the last answer was.
    """

    def __init__(
        self, url: str, key: str | None = None, seconds: float = SECONDS, clock: Callable[[], int] = time.time_ns
    ) -> None:
        self._url = urlsplit(url)
        self._seconds = seconds
        self._clock = clock
        self._offset = 0
        self._idle: deque[_Connection] = deque()
        self._host = None if self._url.scheme == "unix" else _host(self._url)
        root = wire.ROOT if self._url.scheme == "unix" else self._url.path.rstrip("/") + wire.ROOT
        self._heads = {name: _head(self._url, f"{root}/{name}", key) for name in ("reserve", "settle", "read", "holds")}
        counters = weakref.ref(self)
        os.register_at_fork(after_in_child=lambda: _forget(counters))

    def now(self) -> int:
        return self._clock() + self._offset

    def reserve(self, hold: Hold) -> Held | Refused:
        return self._ask("reserve", wire.of_hold(hold), wire.answer_of)

    def reserve_after(self, settled: Sequence[Settlement], hold: Hold) -> Held | Refused:
        question = {**wire.of_hold(hold), "settled": [wire.of_settlement(each) for each in settled]}
        return self._ask("reserve", question, wire.answer_of)

    def settle(self, hold: Hold, amounts: Sequence[int], assumed: bool = False) -> tuple[Level, ...]:
        if len(amounts) != len(hold.charges):
            raise ValueError(f"{len(amounts)} amounts for {len(hold.charges)} charges")
        question = wire.of_settlement(Settlement(hold, tuple(amounts), assumed))
        return self._ask("settle", question, lambda said: wire.levels_of(said["levels"]))

    def settle_all(self, settled: Sequence[Settlement]) -> None:
        if not settled:
            return
        *before, last = [wire.of_settlement(each) for each in settled]
        self._ask("settle", {**last, "settled": before}, lambda said: None)

    def read(self, charges: Sequence[Charge]) -> tuple[Level, ...]:
        found: list[Level] = []
        # No keys are a question too: whether anybody answers.
        for at in range(0, len(charges) or 1, MOST_READ):
            some = charges[at : at + MOST_READ]
            found += self._ask("read", {"charges": some}, lambda said: wire.levels_of(said["levels"]))
        return tuple(found)

    def holds(self) -> Sequence[Hold]:
        return self._ask("holds", None, lambda said: wire.holds_of(said["holds"]))

    def close(self) -> None:
        while self._idle:
            with suppress(IndexError):
                self._idle.pop().close()

    def _ask(self, name: str, question: dict[str, Any] | None, read: Callable[[Any], T]) -> T:
        body = b"" if question is None else wire.encode(question).encode()
        before = self._clock()
        try:
            status, answer = self._exchange(self._heads[name] + b"%d\r\n\r\n" % len(body) + body)
        except OSError as error:
            raise CountersUnavailable(f"the sidecar: {type(error).__name__}: {error}") from error
        if status != 200:
            kind = Unacceptable if status in REFUSING else CountersUnavailable
            raise kind(f"the sidecar: HTTP {status}: {answer[:300].decode('utf-8', 'replace')}")
        try:
            said = json.loads(answer)
            found = read(said)
            self._offset = said["now"] - (before + self._clock()) // 2
        except (ValueError, KeyError, TypeError) as error:
            raise CountersUnavailable(f"the sidecar: its answer is not understood: {error!r}") from None
        return found

    def _exchange(self, request: bytes) -> tuple[int, bytes]:
        """Status and body. Asked again where a connection that was kept turns out to be closed."""
        until = time.monotonic() + self._seconds
        while True:
            connection, is_fresh = self._connection(until)
            try:
                status, answer, stays = connection.ask(request, until)
            except BaseException as error:
                connection.close()
                if is_fresh or isinstance(error, TimeoutError) or not isinstance(error, OSError):
                    raise
                continue
            if stays:
                self._idle.append(connection)
            else:
                connection.close()
            return status, answer

    def _connection(self, until: float) -> tuple[_Connection, bool]:
        with suppress(IndexError):
            return self._idle.pop(), False
        return _Connection(self._url, self._host, until), True


class _Connection:
    """One connection. Whatever goes wrong is an `OSError`."""

    def __init__(self, url: SplitResult, host: Host | None, until: float) -> None:
        if host is not None:
            self._socket = host.connect(until)
        else:
            self._socket = socket.socket(socket.AF_UNIX)
        try:
            self._socket.settimeout(_left(until))
            if host is None:
                self._socket.connect(url.path)
            elif url.scheme == "https":
                self._socket = _tls().wrap_socket(self._socket, server_hostname=url.hostname)
        except BaseException:
            self._socket.close()
            raise

    def ask(self, request: bytes, until: float) -> tuple[int, bytes, bool]:
        """Status, body, and whether the connection can be used again."""
        self._socket.settimeout(_left(until))
        self._socket.sendall(request)
        read = b""
        while (end := read.find(b"\r\n\r\n")) < 0:
            if len(read) > LONGEST_HEAD:
                raise OSError("no HTTP")
            read += self._receive(until)
        status, length, stays = _read_head(read[:end])
        parts, missing = [read[end + 4 :]], length - (len(read) - end - 4)
        while missing > 0:
            parts.append(part := self._receive(until))
            missing -= len(part)
        return status, b"".join(parts), stays and not missing

    def _receive(self, until: float) -> bytes:
        self._socket.settimeout(_left(until))
        part = self._socket.recv(65536)
        if not part:
            raise ConnectionResetError("the connection was closed")
        return part

    def close(self) -> None:
        with suppress(OSError):
            self._socket.close()

    def forget(self) -> None:
        # Not `close`: a TLS connection would say goodbye, and the parent is still talking.
        with suppress(OSError):
            os.close(self._socket.detach())


def _host(url: SplitResult) -> Host:
    host = Host(url.hostname or "", url.port or (443 if url.scheme == "https" else 80))
    host.look_up()
    return host


@cache
def _tls() -> ssl.SSLContext:
    import ssl  # noqa: PLC0415  few need it, and it takes 10 ms

    return ssl.create_default_context()


def _head(url: SplitResult, path: str, key: str | None) -> bytes:
    method = "GET" if path.endswith("/holds") else "POST"
    host = "localhost" if url.scheme == "unix" else url.netloc
    lines = [f"{method} {path} HTTP/1.1", f"Host: {host}", f"User-Agent: tollkeeper/{__version__}"]
    if key is not None:
        lines.append(f"Authorization: Bearer {key}")
    return "\r\n".join([*lines, "Content-Type: application/json", "Content-Length: "]).encode()


def _read_head(head: bytes) -> tuple[int, int, bool]:
    """Status, the length of the body, and whether the connection stays open."""
    first, *lines = head.split(b"\r\n")
    length, stays = None, True
    for line in lines:
        name, _, value = line.partition(b":")
        match name.lower():
            case b"content-length":
                length = value.strip()
            case b"connection":
                stays = value.strip().lower() != b"close"
    parts = first.split(b" ", 2)
    if not first.startswith(b"HTTP/1.") or len(parts) < 2 or not parts[1].isdigit():
        raise OSError("no HTTP")
    if length is None or not length.isdigit() or int(length) > LONGEST_BODY:
        raise OSError("an answer of unknown length")
    return int(parts[1]), int(length), stays


def _left(until: float) -> float:
    left = until - time.monotonic()
    if left <= 0:
        raise TimeoutError("no answer in time")
    return left


def _forget(counters: weakref.ref[RemoteCounters]) -> None:
    """A forked child makes connections of its own."""
    found = counters()
    if found is not None:
        while found._idle:
            found._idle.pop().forget()
