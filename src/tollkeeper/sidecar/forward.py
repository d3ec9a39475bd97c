"""Sends everything that was taken on to an upstream OTLP endpoint, from a thread of its own.

The intake never waits for it and never fails by it: the queue is bounded, and what has to be dropped is counted. What
is sent is what came, byte for byte, but for our own records, which become the conventions' usage event in protobuf.
"""

from __future__ import annotations

import http.client
import logging
import random
import threading
from collections import Counter, deque
from collections.abc import Mapping
from dataclasses import dataclass, field
from time import monotonic
from typing import Literal, NamedTuple
from urllib.parse import urlsplit

from tollkeeper.sidecar.receive.body import Limits
from tollkeeper.sidecar.receive.door import Delivery
from tollkeeper.sidecar.receive.expand import expanded
from tollkeeper.sidecar.receive.replies import CONTENT_TYPES
from tollkeeper.sidecar.receive.signals import SignalName

MIB = 1 << 20
WORTH_ANOTHER_TRY = frozenset({429, 502, 503, 504})
FIRST_PAUSE, LONGEST_PAUSE = 0.5, 30.0

Reason = Literal["queue full", "refused", "gave up", "stopped", "failed"]

log = logging.getLogger("tollkeeper")


class Upstream(NamedTuple):
    """Where to send to: an endpoint such as `http://collector:4318`, to which `/v1/logs` and the like are added.

    A batch is tried for `patience` seconds. `timeout` is that of one try, in seconds; `queue` is in bytes.
    """

    url: str
    headers: Mapping[str, str] = {}
    queue: int = 64 * MIB
    timeout: float = 10.0
    patience: float = 300.0


@dataclass(slots=True)
class ForwardCounts:
    """Requests, since the start; `queued` is now. Every one that was offered is in exactly one of the first three."""

    sent: Counter[SignalName] = field(default_factory=Counter)
    dropped: Counter[tuple[SignalName, Reason]] = field(default_factory=Counter)
    queued: int = 0
    queued_bytes: int = 0
    sent_bytes: int = 0
    retries: int = 0


class Forwarder:
    """One thread and one connection. Batches go out in the order in which they came."""

    def __init__(self, upstream: Upstream, limits: Limits | None = None) -> None:
        """Raises `ValueError` for a URL that is not `http` or `https` with a host, or has a user in it."""
        parts = urlsplit(upstream.url)
        if "@" in parts.netloc:
            raise ValueError("the upstream's URL has a user in it: credentials are to be sent as headers")
        if parts.scheme not in ("http", "https") or not parts.hostname:
            raise ValueError(f"an http or https URL was expected, not {upstream.url!r}")
        self.counts = ForwardCounts()
        self._upstream = upstream
        self._path = parts.path.rstrip("/")
        self._body_limit = (limits or Limits()).body
        kind = http.client.HTTPSConnection if parts.scheme == "https" else http.client.HTTPConnection
        self._connection = kind(parts.hostname, parts.port, timeout=upstream.timeout)
        self._queue: deque[Delivery] = deque()
        self._changed = threading.Condition()
        self._closing = threading.Event()
        self._thread = threading.Thread(target=self._work, name="tollkeeper-forward", daemon=True)

    def start(self) -> None:
        """Start the thread. In each process that forwards: threads do not survive a fork."""
        self._thread.start()

    def offer(self, delivery: Delivery) -> None:
        """Queue it, or count it as dropped. Returns at once."""
        size = len(delivery.body)
        with self._changed:
            if self._closing.is_set():
                self.counts.dropped[delivery.signal, "stopped"] += 1
            elif self.counts.queued_bytes + size > self._upstream.queue:
                self.counts.dropped[delivery.signal, "queue full"] += 1
            else:
                self._queue.append(delivery)
                self.counts.queued += 1
                self.counts.queued_bytes += size
                self._changed.notify_all()

    def stop(self, grace: float = 5.0) -> None:
        """Send what is queued for up to `grace` seconds; what is left then is dropped, and counted. Blocks."""
        with self._changed:
            self._changed.wait_for(lambda: not self._queue, grace)
            self._closing.set()
            self._changed.notify_all()
        if self._thread.is_alive():
            self._thread.join(self._upstream.timeout + 1)
        with self._changed:
            while self._queue:
                self._finish(self._queue[0], "stopped")

    def _work(self) -> None:
        while (delivery := self._next()) is not None:
            outcome: Reason | None
            try:
                outcome = self._deliver(delivery)
            except Exception:
                log.exception("forwarding %s failed: dropped", delivery.signal)
                outcome = "failed"
            with self._changed:
                if self._queue and self._queue[0] is delivery:
                    self._finish(delivery, outcome)
        self._connection.close()

    def _next(self) -> Delivery | None:
        """What is to be sent next. It stays in the queue, and in its size, until it is done with."""
        with self._changed:
            self._changed.wait_for(lambda: self._queue or self._closing.is_set())
            return None if self._closing.is_set() else self._queue[0]

    def _finish(self, delivery: Delivery, outcome: Reason | None) -> None:
        self._queue.popleft()
        self.counts.queued -= 1
        self.counts.queued_bytes -= len(delivery.body)
        if outcome is None:
            self.counts.sent[delivery.signal] += 1
        else:
            self.counts.dropped[delivery.signal, outcome] += 1
        self._changed.notify_all()

    def _deliver(self, delivery: Delivery) -> Reason | None:
        """Try until it is taken or hopeless. Why it has to be dropped, if it has to."""
        sent = expanded(delivery, self._body_limit)
        give_up_at = monotonic() + self._upstream.patience
        pause = FIRST_PAUSE
        while True:
            status, asked = self._try(sent)
            if status is not None and 200 <= status < 300:
                self.counts.sent_bytes += len(sent.body)
                return None
            if status is not None and status not in WORTH_ANOTHER_TRY:
                log.warning("the upstream has refused %s with %d: dropped", delivery.signal, status)
                return "refused"
            wait = asked if asked is not None else pause * random.uniform(0.8, 1.2)
            if monotonic() + wait > give_up_at:
                log.warning("the upstream did not take %s for %g s: dropped", delivery.signal, self._upstream.patience)
                return "gave up"
            if self._closing.wait(wait):
                return "stopped"
            self.counts.retries += 1
            pause = min(pause * 2, LONGEST_PAUSE)

    def _try(self, delivery: Delivery) -> tuple[int | None, float | None]:
        """The status, `None` if there is no answer; and how many seconds the upstream asks to wait."""
        headers = {**self._upstream.headers, "Content-Type": CONTENT_TYPES[delivery.form]}
        if delivery.encoding:
            headers["Content-Encoding"] = delivery.encoding
        try:
            self._connection.request("POST", f"{self._path}/v1/{delivery.signal}", delivery.body, headers)
            answer = self._connection.getresponse()
            answer.read()
        except (OSError, http.client.HTTPException):
            # The next request opens a new connection.
            self._connection.close()
            return None, None
        asked = answer.headers.get("retry-after", "")
        return answer.status, min(float(asked), self._upstream.patience) if asked.isdecimal() else None
