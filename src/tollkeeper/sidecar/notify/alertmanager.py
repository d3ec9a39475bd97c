"""Tells an Alertmanager of all alerts, again and again: one that it does not hear of any more is over for it.

Its v2 API: https://github.com/prometheus/alertmanager/blob/main/api/v2/openapi.yaml
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator
from itertools import islice
from typing import Any, Final

import msgspec

from tollkeeper.alerting.channel import Channel
from tollkeeper.config.references import UnresolvedReference
from tollkeeper.model.alert import Alert, Event, Notification
from tollkeeper.sidecar.notify.contract import Delivery, Message
from tollkeeper.sidecar.notify.messages import message_of
from tollkeeper.sidecar.notify.payload import NANO, moment
from tollkeeper.sidecar.notify.post import post

SECOND: Final = NANO
HOLDS_FOR: Final = 4 * 60 * SECOND
"""For how long an alert fires after it was last told of: four rounds, of a minute each."""
TOLD_ENDED_FOR: Final = 15 * 60 * SECOND
"""For how long it is told that one is over, in case the first time was lost."""
LARGEST_BATCH: Final = 500

PATH: Final = "/api/v2/alerts"
ALERT_NAMES: Final = {
    "limit": "TollkeeperLimit",
    "forecast": "TollkeeperForecast",
    "emergency": "TollkeeperEmergency",
    "anomaly": "TollkeeperAnomaly",
    "error_budget": "TollkeeperErrorBudget",
    "reconciliation": "TollkeeperReconciliation",
    "unpriced_model": "TollkeeperUnpricedModel",
    "stale_prices": "TollkeeperStalePrices",
    "counters_disagree": "TollkeeperCountersDisagree",
    "rule": "TollkeeperRule",
}

_NO_LABEL = re.compile(r"[^a-zA-Z0-9_]")

Posted = dict[str, Any]
Labels = tuple[tuple[str, str], ...]


class AlertmanagerNotifier:
    """One Alertmanager; of several that work together, each is a channel."""

    def __init__(self, channel: Channel, resolve: Callable[[str], str], clock: Callable[[], int]) -> None:
        self._channel = channel
        self._resolve = resolve
        self._clock = clock

    def send(self, notification: Notification | None, message: Message) -> Delivery:
        """Tell of one alert, now. Of what is no alert, Alertmanager is told nothing."""
        if notification is None:
            return Delivery("refused", "Alertmanager is told of alerts only")
        return self._post([_posted(notification.alert, message, self._clock())])

    def push(self, alerts: Iterable[Alert]) -> Delivery:
        """Tell of all alerts that fire, and of those that ended lately. Every minute, with all there are."""
        now = self._clock()
        fires: dict[Labels, Posted] = {}
        ended: dict[Labels, Posted] = {}
        for alert in alerts:
            if alert.ended_at is None or now - alert.ended_at <= TOLD_ENDED_FOR:
                posted = _posted(alert, self._message(alert, now), now)
                (fires if alert.is_firing else ended)[tuple(sorted(posted["labels"].items()))] = posted
        # To Alertmanager, an alert is its labels: the end of yesterday's must not end today's.
        due = iter((ended | fires).values())
        worst = Delivery("sent", "nothing to tell")
        while batch := list(islice(due, LARGEST_BATCH)):
            told = self._post(batch)
            worst = told if worst.outcome == "sent" or told.outcome == "failed" else worst
        return worst

    def _message(self, alert: Alert, now: int) -> Message:
        event: Event = "fired" if alert.is_firing else "resolved"
        return message_of(Notification(alert.id, self._channel.name, event, alert, now), self._channel)

    def _post(self, alerts: list[Posted]) -> Delivery:
        try:
            url = self._resolve(self._channel.url).rstrip("/")
        except UnresolvedReference as missing:
            return Delivery("failed", str(missing))
        return post(url.removesuffix(PATH) + PATH, msgspec.json.encode(alerts), {})


def _posted(alert: Alert, message: Message, now: int) -> Posted:
    ends = now + HOLDS_FOR if alert.ended_at is None else alert.ended_at
    posted = {
        "labels": dict(_labels(alert)),
        "annotations": {"summary": message.title, "description": message.body},
        "startsAt": moment(alert.began_at),
        # One that ends before it began is refused.
        "endsAt": moment(max(ends, alert.began_at + SECOND)),
    }
    return posted | ({"generatorURL": message.link} if message.link else {})


def _labels(alert: Alert) -> Iterator[tuple[str, str]]:
    """Without the level or any figure: they change, and the alert would be another one."""
    finding = alert.finding
    for name, value in finding.scope.items():
        label = _NO_LABEL.sub("_", name)
        if value:
            yield f"_{label}" if label[:1].isdigit() or not label else label, value
    yield "alertname", ALERT_NAMES[finding.kind]
    yield "service", "tollkeeper"
    yield "severity", finding.severity
    if finding.subject:
        yield "model" if finding.kind == "unpriced_model" else "limit", finding.subject
