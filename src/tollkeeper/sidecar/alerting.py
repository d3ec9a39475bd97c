"""Looks for what people should know, and tells them: by the clock, and as soon as a limit has come to a threshold."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Final, Protocol

from tollkeeper.alerting.channel import Channel, read_channels, wants
from tollkeeper.alerting.schedule import ReportSchedule, read_report_schedules
from tollkeeper.model.alert import Notification
from tollkeeper.sidecar.findings import Findings
from tollkeeper.sidecar.notify.alertmanager import AlertmanagerNotifier
from tollkeeper.sidecar.notify.contract import Delivery, Message, Notifier, Outcome
from tollkeeper.sidecar.notify.messages import message_of
from tollkeeper.storage.alerts.channels import ChannelStore
from tollkeeper.storage.alerts.outbox import Outbox
from tollkeeper.storage.alerts.store import AlertStore

log = logging.getLogger("tollkeeper")

FOLDER: Final = "/"
"""How the name of what is no channel, but a folder, begins."""
LOOK_SECONDS = 5.0
"""Between two looks, unless something has happened."""
REST = 5
"""How many times as long as a look has taken the next one waits for, though something has happened."""
PUSH_SECONDS = 60.0
"""Alertmanager is told of all that fires so often, as it forgets what it does not hear of."""
AT_ONCE = 4
"""So many messages are delivered at the same time: one slow channel does not hold up the others."""


def channels_of_file(path: str) -> tuple[Channel, ...]:
    """Those that a file says. Raises `ValueError` that tells all that is wrong with it."""
    try:
        return read_channels(Path(path).read_bytes(), path)
    except OSError as error:
        raise ValueError(f"channels is {path!r}; expected a file that can be read: {error.strerror or error}") from None


def report_schedules_of_file(path: str) -> tuple[ReportSchedule, ...]:
    """Those that the file of channels says. Raises `ValueError` that tells all that is wrong with them."""
    return read_report_schedules(Path(path).read_bytes(), path)


class Channels:
    """Those of the file, and those that people have set; where both have a name, the file's is meant."""

    def __init__(self, of_file: Sequence[Channel], store: ChannelStore) -> None:
        self.of_file = tuple(of_file)
        self.store = store

    def all(self) -> list[Channel]:
        """In the order in which they are shown. Raises `LedgerUnavailable`."""
        names = {channel.name for channel in self.of_file}
        return [*self.of_file, *(channel for channel in self.store.all() if channel.name not in names)]

    def is_of_file(self, name: str) -> bool:
        """Whether it is the file's, and changed there only."""
        return any(channel.name == name for channel in self.of_file)

    def one(self, name: str) -> Channel | None:
        """The one of a name."""
        return next((channel for channel in self.all() if channel.name == name), None)


class Reports(Protocol):
    """Makes the scheduled reports, when they are delivered."""

    def is_one(self, notification: Notification) -> bool:
        """Whether it is of a report."""
        ...

    def message(self, notification: Notification) -> Message | Delivery:
        """What a channel is told, with the report; or why it cannot be made."""
        ...

    def put(self, notification: Notification) -> Delivery:
        """Write the report into the folder that the notification is for. Raises nothing."""
        ...


class Alerting:
    """Of one sidecar. `watch`, `deliver` and `remind` are run by the clock, each on a thread of its own, so that a
    channel that hangs holds up no look; `wake` may be called from anywhere. They raise `LedgerUnavailable`.
    """

    def __init__(
        self,
        findings: Findings,
        store: AlertStore,
        outbox: Outbox,
        channels: Channels,
        notifier_of: Callable[[Channel], Notifier],
        public_url: str | None,
        clock: Callable[[], float],
        reports: Reports | None = None,
    ) -> None:
        self._reports = reports
        self._findings = findings
        self._store = store
        self._outbox = outbox
        self._channels = channels
        self._notifier_of = notifier_of
        self._public_url = public_url
        self._clock = clock
        self._woken = threading.Event()
        self._looked_at: float | None = None
        self._pause = 0.0
        self._pushed_at: float | None = None
        self._pool = ThreadPoolExecutor(AT_ONCE, thread_name_prefix="tollkeeper-notify")

    def wake(self) -> None:
        """Look at the next turn, as something has happened."""
        self._woken.set()

    def watch(self) -> None:
        """Look, if it is time."""
        now = self._clock()
        since = None if self._looked_at is None else now - self._looked_at
        if since is None or since >= LOOK_SECONDS or (self._woken.is_set() and since >= self._pause):
            self._woken.clear()
            self._looked_at = now
            self.look()
            self._pause = REST * (self._clock() - now)

    def look(self) -> None:
        """See what holds, and note what is to be told of it."""
        found, unseen = self._findings.look(self._store.open_identities())
        for alert, channel, event in self._store.look(found, self._channels.all(), unseen):
            finding = alert.finding
            log.info("alert %s %s: %s %s at %d %%", event, channel.name, finding.kind, finding.subject, finding.level)

    def deliver(self) -> None:
        """Send what is to be told now. Of a channel that was not reached, the rest waits for the next turn."""
        away: set[str] = set()
        # No more than are sent at the same time: a claim is over before a message is sent that waits for long.
        while claimed := self._outbox.claim(AT_ONCE, away):
            known = {channel.name: channel for channel in self._channels.all()}
            outcomes = self._pool.map(self._send, claimed, [known.get(one.channel) for one in claimed])
            away |= {one.channel for one, outcome in zip(claimed, outcomes, strict=True) if outcome == "failed"}

    def remind(self) -> None:
        """Tell each Alertmanager of all that fires, if it is time."""
        now = self._clock()
        if self._pushed_at is None or now - self._pushed_at >= PUSH_SECONDS:
            self._pushed_at = now
            self.push()

    def push(self) -> None:
        """Tell each Alertmanager of all that fires, and that its channel asks for."""
        managers = [channel for channel in self._channels.all() if channel.kind == "alertmanager"]
        alerts = self._store.pushed() if managers else []
        for channel in managers:
            notifier = self._notifier_of(channel)
            assert isinstance(notifier, AlertmanagerNotifier)
            told = notifier.push(alert for alert in alerts if wants(channel, alert.finding, channel.via))
            if told.outcome != "sent":
                log.warning("channel %s could not be told what fires: %s", channel.name, told.detail)

    def close(self) -> None:
        """Wait for what is being sent."""
        self._pool.shutdown()

    def _send(self, notification: Notification, channel: Channel | None) -> Outcome:
        if self._reports is not None and notification.channel.startswith(FOLDER):
            told = self._reports.put(notification)
        elif channel is None:
            told = Delivery("refused", "there is no such channel any more")
        else:
            try:
                told = self._told(notification, channel)
            except Exception as error:  # noqa: BLE001  the guard: one message that cannot be made must not stop the others
                told = Delivery("failed", f"the message could not be made: {type(error).__name__}")
        if told.outcome != "sent":
            log.warning("channel %s was not told of %s: %s", notification.channel, notification.alert.id, told.detail)
        self._outbox.finish(notification.id, told.outcome, told.detail)
        return told.outcome

    def _told(self, notification: Notification, channel: Channel) -> Delivery:
        if self._reports is not None and self._reports.is_one(notification):
            made = self._reports.message(notification)
            return made if isinstance(made, Delivery) else self._notifier_of(channel).send(None, made)
        is_digest = notification.alert.finding.kind == "digest"
        known = notification if is_digest else self._known(notification)
        return self._notifier_of(channel).send(None if is_digest else known, message_of(known, channel))

    def _known(self, notification: Notification) -> Notification:
        """With what is worth knowing besides, as it is by now."""
        alert = notification.alert
        facts = dict(alert.finding.facts)
        if blamed := self._findings.contributors(alert.finding):
            facts["contributors"] = blamed
        if self._public_url is not None and alert.finding.kind != "rule":
            facts.setdefault("link", f"{self._public_url}/alerts/{alert.id}")
        return notification._replace(alert=alert._replace(finding=alert.finding._replace(facts=facts)))
