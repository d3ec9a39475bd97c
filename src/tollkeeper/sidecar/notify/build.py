"""Which notifier a channel needs."""

from __future__ import annotations

import time
from collections.abc import Callable

from tollkeeper.alerting.channel import Channel
from tollkeeper.config.references import resolve as resolve_reference
from tollkeeper.sidecar.notify.alertmanager import AlertmanagerNotifier
from tollkeeper.sidecar.notify.apprise import AppriseNotifier
from tollkeeper.sidecar.notify.contract import Notifier
from tollkeeper.sidecar.notify.python import PythonNotifier
from tollkeeper.sidecar.notify.slack import SlackNotifier
from tollkeeper.sidecar.notify.webhook import WebhookNotifier


def notifier_of(
    channel: Channel,
    resolve: Callable[[str], str] = resolve_reference,
    clock: Callable[[], int] = time.time_ns,
) -> Notifier:
    """What sends to a channel. `clock` is in nanoseconds since the epoch; references are resolved at each message."""
    if channel.kind == "slack":
        return SlackNotifier(channel, resolve)
    if channel.kind == "webhook":
        return WebhookNotifier(channel, resolve, clock)
    if channel.kind == "alertmanager":
        return AlertmanagerNotifier(channel, resolve, clock)
    if channel.kind == "python":
        return PythonNotifier(channel, resolve)
    return AppriseNotifier(channel, resolve)
