"""A message as Slack's incoming webhooks take it, to any address: Slack's, a proxy's, or one of what is compatible."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from html import escape
from typing import Final

import msgspec

from tollkeeper.alerting.channel import Channel
from tollkeeper.config.references import UnresolvedReference
from tollkeeper.model.alert import Notification
from tollkeeper.model.finding import Severity
from tollkeeper.sidecar.notify.contract import Delivery, Message
from tollkeeper.sidecar.notify.post import post

COLOURS: Final[Mapping[Severity, str]] = {
    "info": "#439FE0",
    "warning": "warning",
    "critical": "danger",
    "emergency": "danger",
}
OVER: Final = "good"
NO_ADDRESS: Final = (
    "the channel's address is none of Slack, nor of what takes Slack's messages; expected one such as "
    "https://hooks.slack.com/services/…"
)


class SlackNotifier:
    """Sends each message as one POST. What templates and names have of Slack's markup is shown as it stands."""

    def __init__(self, channel: Channel, resolve: Callable[[str], str]) -> None:
        self._channel = channel
        self._resolve = resolve

    def send(self, notification: Notification | None, message: Message) -> Delivery:
        try:
            url = self._resolve(self._channel.url)
        except UnresolvedReference as missing:
            return Delivery("failed", str(missing))
        if not url.startswith(("https://", "http://")):
            return Delivery("refused", NO_ADDRESS)
        is_over = notification is not None and notification.event == "resolved"
        text = {"color": OVER if is_over else COLOURS[message.severity], "text": _plain(message.body)}
        said = {"text": _plain(message.title), "mrkdwn": False, "attachments": [text]}
        return post(url, msgspec.json.encode(said), {})


def _plain(text: str) -> str:
    return escape(text, quote=False)
