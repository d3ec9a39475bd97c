"""Delivery to a sidecar, over OTLP/HTTP with JSON, with the standard library alone."""

from __future__ import annotations

# Looking a host up needs this codec. Were it first imported then, by one thread while another forks, the child would
# find half a module, remember that there is no such codec, and never reach the sidecar.
import encodings.idna  # noqa: F401
import gzip
import http.client
import json
import os
import re
import socket
from collections.abc import Callable, Mapping
from contextlib import suppress
from email.utils import parsedate_to_datetime
from time import time
from typing import Any
from urllib.parse import SplitResult, urlsplit

from tollkeeper.storage.spool.contract import Batch, Parcel, Refused, Unavailable
from tollkeeper.telemetry.record import CALL_EVENT, LOST_EVENT, STARTED_EVENT
from tollkeeper.version import __version__

PATH = "/v1/logs"
SECONDS = 10.0
"""How long an answer may take."""
WORTH_PACKING = 16 * 1024
"""From so many bytes on a body is compressed, unless it stays on this host."""
LONGEST_ANSWER = 64 * 1024

REFUSING = frozenset((400, 413, 422))
"""The answers that blame the request. After every other one it is sent again."""

EVENTS = {"call": CALL_EVENT, "started": STARTED_EVENT, "lost": LOST_EVENT}

_STARTED_AT = re.compile(r'\[\d+,"(?:[^"\\]|\\.)*",\d+,(\d+)')
_quote = json.JSONEncoder().encode


class OtlpDestination:
    """A sidecar at `http://HOST:PORT`, `https://…` or `unix:///PATH`. `key` goes into the header `Authorization`."""

    name = "the sidecar"

    def __init__(self, url: str, key: str | None = None, seconds: float = SECONDS) -> None:
        self._url = urlsplit(url)
        self._seconds = seconds
        self._path = path_at(self._url, PATH)
        self._packs = self._url.scheme != "unix" and not _is_here(self._url.hostname or "")
        self._headers = {"Content-Type": "application/json", **identification(key)}
        self._connection: http.client.HTTPConnection | None = None

    def ship(self, batch: Batch) -> None:
        body = encode(batch)
        headers = self._headers
        if self._packs and len(body) >= WORTH_PACKING:
            body, headers = gzip.compress(body, 1, mtime=0), {**headers, "Content-Encoding": "gzip"}
        status, answer, retry_after = self._ask(body, headers)
        if 200 <= status < 300:
            _check_partial(answer)
            return
        reason = f"HTTP {status}: {answer[:200].decode('utf-8', 'replace')}"
        if status in REFUSING:
            raise Refused(reason)
        raise Unavailable(reason, retry_after)

    def _ask(self, body: bytes, headers: Mapping[str, str]) -> tuple[int, bytes, float | None]:
        """Status, answer and `Retry-After`. Raises `Unavailable` where there is no answer."""
        is_fresh = self._connection is None
        try:
            return self._exchange(body, headers)
        except (OSError, http.client.HTTPException) as error:
            self.close()
            if is_fresh or isinstance(error, TimeoutError):
                raise Unavailable(_words(error)) from None
        # A connection that was kept may have been closed by the other side meanwhile.
        try:
            return self._exchange(body, headers)
        except (OSError, http.client.HTTPException) as error:
            self.close()
            raise Unavailable(_words(error)) from None

    def _exchange(self, body: bytes, headers: Mapping[str, str]) -> tuple[int, bytes, float | None]:
        if self._connection is None:
            self._connection = connect(self._url, self._seconds)
        self._connection.request("POST", self._path, body, headers)
        response = self._connection.getresponse()
        answer = response.read(LONGEST_ANSWER)
        if response.will_close or not response.isclosed():
            self.close()
        return response.status, answer, _retry_after(response.headers.get("Retry-After"))

    def forget(self) -> None:
        connection, self._connection = self._connection, None
        sock = connection.sock if connection is not None else None
        if sock is not None:
            # Not `close`: a TLS connection would say goodbye, and the parent is still talking.
            with suppress(OSError):
                os.close(sock.detach())

    def close(self) -> None:
        connection, self._connection = self._connection, None
        if connection is not None:
            connection.close()


class _UnixConnection(http.client.HTTPConnection):
    def __init__(self, path: str, seconds: float) -> None:
        super().__init__("localhost", timeout=seconds)
        self._socket_path = path

    def connect(self) -> None:
        self.sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self.sock.settimeout(self.timeout)
        self.sock.connect(self._socket_path)


def connect(url: SplitResult, seconds: float) -> http.client.HTTPConnection:
    """A connection to a sidecar, wherever it listens. It is made with the first request."""
    if url.scheme == "unix":
        return _UnixConnection(url.path, seconds)
    make: Callable[..., http.client.HTTPConnection] = (
        http.client.HTTPSConnection if url.scheme == "https" else http.client.HTTPConnection
    )
    return make(url.hostname or "", url.port, timeout=seconds)


def path_at(url: SplitResult, path: str) -> str:
    """The path to ask a sidecar for: below that of its address."""
    return path if url.scheme == "unix" else url.path.rstrip("/") + path


def identification(key: str | None) -> dict[str, str]:
    """The headers that say who is asking."""
    headers = {"User-Agent": f"tollkeeper/{__version__}"}
    return headers if key is None else {**headers, "Authorization": f"Bearer {key}"}


def encode(batch: Batch) -> bytes:
    """The batch as the JSON of an OTLP logs request."""
    if not batch.parcels:
        return b'{"resourceLogs":[]}'
    attributes = [{"key": name, "value": {"stringValue": text}} for name, text in batch.origin.items()]
    return (
        f'{{"resourceLogs":[{{"resource":{{"attributes":{_quote(attributes)}}},'
        f'"scopeLogs":[{{"scope":{{"name":"tollkeeper","version":"{__version__}"}},'
        f'"logRecords":[{",".join(map(_log_record, batch.parcels))}]}}]}}]}}'
    ).encode()


def _log_record(parcel: Parcel) -> str:
    found = _STARTED_AT.match(parcel.text)
    moment = found[1] if found else "0"
    return (
        f'{{"timeUnixNano":"{moment}","severityNumber":9,"eventName":"{EVENTS[parcel.kind]}",'
        f'"body":{{"stringValue":{_quote(parcel.text)}}}}}'
    )


def _check_partial(answer: bytes) -> None:
    """Raise for a batch of which something was not taken."""
    try:
        success: Any = json.loads(answer).get("partialSuccess") or {}
        rejected = int(success.get("rejectedLogRecords") or 0)
        reason = str(success.get("errorMessage") or "")
    except (ValueError, AttributeError, TypeError):
        raise Unavailable("the answer is no OTLP: is that a sidecar?") from None
    if rejected > 0:
        raise Refused(f"{rejected} rejected: {reason[:200]}")


def _retry_after(value: str | None) -> float | None:
    """Seconds, from seconds or from a date."""
    if value is None:
        return None
    with suppress(ValueError, OverflowError):
        if value.strip().isdecimal():
            return float(value)
        return max(parsedate_to_datetime(value).timestamp() - time(), 0.0)
    return None


def _is_here(host: str) -> bool:
    return host in ("localhost", "::1") or host.startswith("127.")


def _words(error: Exception) -> str:
    return f"{type(error).__name__}: {error}" if str(error) else type(error).__name__
