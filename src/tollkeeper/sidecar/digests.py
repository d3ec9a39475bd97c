"""The daily and weekly digests: made at eight in the morning of UTC, once among all sidecars of one database."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from datetime import UTC, datetime, timedelta
from typing import Final

from tollkeeper.alerting.channel import Digest
from tollkeeper.model.alert import Alert
from tollkeeper.model.finding import Finding
from tollkeeper.sidecar.alerting import Channels
from tollkeeper.sidecar.limit_use import LimitUses
from tollkeeper.sidecar.notify.contract import Message
from tollkeeper.sidecar.notify.digest import Figures, Spent, Standing, digest_of
from tollkeeper.storage.alerts.store import AlertQuery, AlertStore
from tollkeeper.storage.ledger import Ledger, UsageQuery
from tollkeeper.storage.ledger.contract import Dimension

HOUR_OF_DAY: Final = 8
DAYS: Final[Mapping[Digest, int]] = {"daily": 1, "weekly": 7}
LATE: Final = timedelta(hours=24 - HOUR_OF_DAY)
"""So long after its hour, until the day is over, a digest is still made by a sidecar that was not running then."""
BY: Final[tuple[Dimension, ...]] = ("provider", "model", "tenant")
MOST_ALERTS: Final = 1000
NANO: Final = 1_000_000_000
KEPT: Final = 30 * 86_400 * NANO
"""For so long a process remembers what was made."""

Span = tuple[int, int]


class Digests:
    """Of one sidecar. `clock` tells nanoseconds since the epoch; `tick` is run by the clock, on a thread."""

    def __init__(
        self,
        ledger: Ledger,
        uses: LimitUses,
        store: AlertStore,
        channels: Channels,
        public_url: str | None,
        clock: Callable[[], int],
    ) -> None:
        self._ledger = ledger
        self._uses = uses
        self._store = store
        self._channels = channels
        self._public_url = public_url
        self._clock = clock
        self._done: set[tuple[str, Digest, int]] = set()

    def tick(self) -> None:
        """Put what is due into the outbox. Raises `LedgerUnavailable`."""
        now = self._clock()
        self._done = {done for done in self._done if now - done[2] < KEPT}
        made: dict[Digest, Message] = {}
        for channel in self._channels.all():
            every = channel.digest
            span = None if every is None else span_due(every, now)
            if every is None or span is None or (channel.name, every, span[0]) in self._done:
                continue
            if not self._store.was_told(_id(every, span), channel.name):
                message = made[every] if every in made else self._message(every, span)
                made[every] = message
                self._store.tell_once(_alert(every, span, message, now), channel.name)
            self._done.add((channel.name, every, span[0]))

    def _message(self, every: Digest, span: Span) -> Message:
        start, end = span
        before = (2 * start - end, start)
        now, then = (self._ledger.usage(UsageQuery(*each)) for each in (span, before))
        totals = [row.totals for row in now]
        return digest_of(
            Figures(
                every,
                start,
                end,
                cost=sum(each.nano_usd for each in totals),
                cost_before=sum(row.totals.nano_usd for row in then) if any(row.totals.calls for row in then) else None,
                calls=sum(each.calls for each in totals),
                unpriced=sum(each.unpriced for each in totals),
                spent={name: spent for name in BY if (spent := self._spent(name, span, before))},
                standings=list(self._standings()),
                alerts=list(self._alerts(span)),
                link=self._public_url,
            )
        )

    def _alerts(self, span: Span) -> Iterator[Alert]:
        """Those that began then, and older ones that still fire."""
        for alert in self._store.alerts(AlertQuery(*span, limit=MOST_ALERTS)):
            if alert.is_firing or alert.began_at >= span[0]:
                yield alert

    def _spent(self, name: Dimension, span: Span, before: Span) -> list[Spent]:
        was = self._costs(name, before)
        costs = self._costs(name, span)
        return [Spent(value, cost, was.get(value, 0)) for value, cost in costs.items()] if any(costs) else []

    def _costs(self, name: Dimension, span: Span) -> dict[str, int]:
        return {row.group[0]: row.totals.nano_usd for row in self._ledger.usage(UsageQuery(*span, (name,)))}

    def _standings(self) -> Iterator[Standing]:
        for use in self._uses.all():
            limit = use.limit
            if use.used and use.period_end:
                yield Standing(limit.name, use.scope, limit.measure, use.used, limit.amount, use.ratio * 100)


def span_due(every: Digest, now: int) -> Span | None:
    """The days that a digest is about that is due at a moment: yesterday, or the week from Monday on."""
    moment = datetime.fromtimestamp(now // NANO, UTC)
    due = moment.replace(hour=HOUR_OF_DAY, minute=0, second=0, microsecond=0)
    if every == "weekly":
        due -= timedelta(days=due.weekday())
    if not due <= moment < due + LATE:
        return None
    end = due.replace(hour=0)
    return int((end - timedelta(days=DAYS[every])).timestamp()) * NANO, int(end.timestamp()) * NANO


def _id(every: Digest, span: Span) -> str:
    return f"digest-{every}-{datetime.fromtimestamp(span[0] // NANO, UTC):%Y-%m-%d}"


def _alert(every: Digest, span: Span, message: Message, now: int) -> Alert:
    facts = {"title": message.title, "body": message.body, "link": message.link}
    finding = Finding("digest", every, {}, "info", period_start=span[0], period_end=span[1], facts=facts)
    return Alert(_id(every, span), finding, span[0], now, now)
