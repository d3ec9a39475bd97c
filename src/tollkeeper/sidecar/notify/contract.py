"""What every way of telling people is: it is given a message, and says what became of it."""

from __future__ import annotations

from http import HTTPStatus
from typing import Literal, NamedTuple, Protocol

from tollkeeper.model.alert import Notification
from tollkeeper.model.finding import Severity

Outcome = Literal["sent", "failed", "refused"]

TIMEOUT_SECONDS = 10.0
"""For each step of a request: to connect, to send, to wait for the answer."""
PATIENCE_SECONDS = 30.0
"""For all of what others' code does to deliver one message."""

WORTH_ANOTHER_TRY = frozenset({408, 425, 429})
"""Of what a server says is the request's own fault."""


class Attachment(NamedTuple):
    """A file that goes with a message."""

    name: str
    media_type: str
    content: bytes


class Message(NamedTuple):
    """What people read. `link` is an address, if there is one to go to.

    `key` is the same whenever the same thing is told; of what has none, the text says it.
    """

    title: str
    body: str
    severity: Severity
    link: str | None = None
    attachment: Attachment | None = None
    key: str | None = None


class Delivery(NamedTuple):
    """What became of a message. `failed` is worth another try; `refused` will never be taken.

    `detail` is for people, and never has a secret in it: neither an address, nor what a server has answered.
    """

    outcome: Outcome
    detail: str


class Notifier(Protocol):
    """Tells people by way of one channel."""

    def send(self, notification: Notification | None, message: Message) -> Delivery:
        """Deliver a message. Blocks; raises nothing. `None`: it is not about an alert, as a digest is not."""
        ...


def answered(status: int, who: str = "") -> Delivery:
    """What an HTTP status means for a message."""
    phrase = HTTPStatus(status).phrase if status in HTTPStatus._value2member_map_ else ""
    detail = f"{who}answered {status} {phrase}".rstrip()
    if 200 <= status < 300:
        return Delivery("sent", detail)
    is_final = 300 <= status < 500 and status not in WORTH_ANOTHER_TRY
    return Delivery("refused" if is_final else "failed", detail)
