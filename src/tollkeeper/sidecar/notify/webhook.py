"""A webhook of one's own: JSON, signed, with a key by which a repeat is known."""

from __future__ import annotations

import hashlib
import hmac
from collections.abc import Callable

import msgspec

from tollkeeper.alerting.channel import Channel
from tollkeeper.config.references import UnresolvedReference
from tollkeeper.model.alert import Notification
from tollkeeper.sidecar.notify.contract import Delivery, Message
from tollkeeper.sidecar.notify.payload import NANO, payload_of
from tollkeeper.sidecar.notify.post import post

SIGNATURE = "X-Tollkeeper-Signature"
ENCODER = msgspec.json.Encoder(decimal_format="number")


def signature_of(key: str, seconds: int, body: bytes) -> str:
    """The header for a body that is sent at this second: HMAC-SHA256 of `seconds.body`, in hexadecimal digits."""
    digest = hmac.new(key.encode(), b"%d." % seconds + body, hashlib.sha256)
    return f"t={seconds},v1={digest.hexdigest()}"


class WebhookNotifier:
    """Sends each message as one POST. `clock` is in nanoseconds since the epoch."""

    def __init__(self, channel: Channel, resolve: Callable[[str], str], clock: Callable[[], int]) -> None:
        self._channel = channel
        self._resolve = resolve
        self._clock = clock

    def send(self, notification: Notification | None, message: Message) -> Delivery:
        body = ENCODER.encode(payload_of(notification, message))
        # Without one of its own: a repeat of the same digest has the same body.
        key = message.key or (notification.id if notification is not None else hashlib.sha256(body).hexdigest())
        headers = {"Idempotency-Key": key}
        try:
            url = self._resolve(self._channel.url)
            if self._channel.secret is not None:
                secret = self._resolve(self._channel.secret)
                headers[SIGNATURE] = signature_of(secret, self._clock() // NANO, body)
        except UnresolvedReference as missing:
            return Delivery("failed", str(missing))
        return post(url, body, headers)
