"""What the tests of notifications send, and by what."""

from __future__ import annotations

from typing import Any

from tollkeeper.alerting.channel import Channel, channel_of
from tollkeeper.model.alert import Event, Notification
from tollkeeper.sidecar.notify.build import notifier_of
from tollkeeper.sidecar.notify.contract import Delivery
from tollkeeper.sidecar.notify.messages import message_of
from tollkeeper.sidecar.notify.sample import sample_notification

NOW = 1_790_000_000_123_000_000
"""2026-09-21 14:13:20.123 UTC."""


def channel(**fields: Any) -> Channel:
    return channel_of(fields, "team", trusted=True)


def notification(event: Event = "fired", **finding: Any) -> Notification:
    """The example, with another finding where one is asked for."""
    made = sample_notification(Channel("team", "webhook", ""), NOW, event)
    return made._replace(alert=made.alert._replace(finding=made.alert.finding._replace(**finding)))


def send(to: Channel, told: Notification | None = None, now: int = NOW) -> Delivery:
    told = told or notification()
    return notifier_of(to, clock=lambda: now).send(told, message_of(told, to))
