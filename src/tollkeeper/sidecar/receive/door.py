"""The one way in, for both transports: decode, hand over, pass on, count. It never fails: it takes, or it refuses."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable
from functools import partial
from typing import NamedTuple, Protocol

from tollkeeper.sidecar.intake import Busy, Intake, Unavailable
from tollkeeper.sidecar.receive import from_json, from_protobuf, replies
from tollkeeper.sidecar.receive.body import Limits, Malformed, Room, Share, TooLarge, inflate
from tollkeeper.sidecar.receive.counts import ReceiveCounts, Transport
from tollkeeper.sidecar.receive.harvest import Harvest
from tollkeeper.sidecar.receive.replies import Refusal
from tollkeeper.sidecar.receive.signals import Form, SignalName

Authorize = Callable[[str | None], Awaitable[int | None]]
"""Given the `Authorization` header: nothing, if its bearer may write; else 401 or 403."""

RETRY_AFTER = 2
"""Seconds until a sender should try again after a failure that will pass."""
LARGE, LARGE_PACKED = 512 << 10, 64 << 10
"""Bytes from which on a body is decoded in a thread, so that other requests are answered meanwhile."""

READERS: dict[Form, Callable[[SignalName, bytes], Harvest]] = {
    "protobuf": from_protobuf.read,
    "json": from_json.read,
}

log = logging.getLogger("tollkeeper")


class Delivery(NamedTuple):
    """A request's body as it came. `encoding` is `""`, `gzip` or `deflate`."""

    signal: SignalName
    form: Form
    encoding: str
    body: bytes


class Refused(Exception):
    """A request that is not even looked at."""

    def __init__(self, refusal: Refusal) -> None:
        super().__init__(refusal.message)
        self.refusal = refusal


class Forward(Protocol):
    """Where everything that was taken is sent on to."""

    def offer(self, delivery: Delivery) -> None:
        """Queue it, or count it as dropped. Returns at once, and does not fail."""


class Door:
    """Takes deliveries in. `counts` and `room` are there to be read; all of it lives on one event loop."""

    def __init__(
        self,
        intake: Intake,
        *,
        limits: Limits | None = None,
        authorize: Authorize | None = None,
        open_on_loopback: bool = False,
        forward: Forward | None = None,
    ) -> None:
        self.limits = limits or Limits()
        if self.limits.in_flight < 2 * self.limits.body:
            raise ValueError(f"in flight has to be twice the body's limit at least, not {self.limits.in_flight} bytes")
        self.counts = ReceiveCounts()
        self.room = Room(self.limits.in_flight)
        self._intake = intake
        self._authorize = authorize
        self._open_on_loopback = open_on_loopback
        self._forward = forward
        self._large = asyncio.Semaphore(1)

    async def admit(self, authorization: str | None, is_local: bool = False) -> None:
        """Raises `Refused` unless the bearer may write. Without `authorize`, everybody may."""
        if self._authorize is None or (is_local and self._open_on_loopback):
            return
        if (status := await self._authorize(authorization)) is None:
            return
        if status == 403:
            raise Refused(Refusal(403, replies.PERMISSION_DENIED, "this key may not write usage"))
        raise Refused(Refusal(401, replies.UNAUTHENTICATED, "an API key is needed: Authorization: Bearer <key>"))

    async def take(self, transport: Transport, delivery: Delivery) -> Harvest:
        """What was in a delivery, once it is recorded. Raises, if it is not: `refusal` says what that means."""
        self._intake.check_room()
        with self.share() as share:
            harvest = await self._read(transport, delivery, share)
            batch = harvest.batch()
            if len(batch):
                for rejection in (await self._intake.take(batch)).rejected:
                    harvest.reject_call(rejection.id, rejection.reason)
        self.counts.taken(transport, delivery.signal, harvest)
        if self._forward is not None:
            self._forward.offer(delivery)
        return harvest

    def share(self) -> Share:
        """What a request's body takes of the room while it is here. Its `take` raises `Busy` when all is taken."""
        return Share(self.room)

    def refusal(self, transport: Transport, signal: SignalName, error: Exception) -> Refusal:
        """What to answer to a request that failed so. Only what may pass is said to be worth another try."""
        found = _refusal(error)
        self.counts.refused[transport, signal, found.status] += 1
        return found

    async def _read(self, transport: Transport, delivery: Delivery, share: Share) -> Harvest:
        self.counts.received_bytes[transport] += len(delivery.body)
        if len(delivery.body) > self.limits.body:
            raise TooLarge(self.limits.body)
        work = partial(_inflate_and_read, delivery, self.limits.body)
        if len(delivery.body) < (LARGE_PACKED if delivery.encoding else LARGE):
            size, harvest = work()
        else:
            # One at a time: they share one interpreter, and each may need many times its size in memory.
            async with self._large:
                size, harvest = await asyncio.to_thread(work)
        self.counts.inflated_bytes[transport] += size
        share.take(size - len(delivery.body) if delivery.encoding else 0)
        return harvest


def _inflate_and_read(delivery: Delivery, limit: int) -> tuple[int, Harvest]:
    """The size of the body once inflated, and what is in it."""
    body = inflate(delivery.body, delivery.encoding, limit) if delivery.encoding else delivery.body
    return len(body), READERS[delivery.form](delivery.signal, body)


def _refusal(error: Exception) -> Refusal:
    if isinstance(error, Refused):
        return error.refusal
    if isinstance(error, Malformed):
        return Refusal(400, replies.INVALID_ARGUMENT, str(error))
    if isinstance(error, TooLarge):
        return Refusal(413, replies.RESOURCE_EXHAUSTED, str(error))
    if isinstance(error, Busy):
        # Not 429: most releases of OpenTelemetry's Python exporter drop what is answered with it.
        return Refusal(503, replies.UNAVAILABLE, str(error), error.retry_after)
    if isinstance(error, Unavailable):
        return Refusal(503, replies.UNAVAILABLE, str(error) or "cannot record just now", RETRY_AFTER)
    log.error("receiving failed; the sender is asked to try again", exc_info=error)
    return Refusal(503, replies.UNAVAILABLE, "an internal failure; the batch may be sent again", RETRY_AFTER)
