"""A ledger with weeks behind it, as a sidecar would have recorded them, and what happens in it now."""

from __future__ import annotations

import random
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta
from decimal import Decimal
from typing import Any

from services.sinks import HttpSink
from sidecar.api.world import NOW, Clock, World, make_call
from tollkeeper.alerting.channel import Channel
from tollkeeper.model import Call, Cost, LineItem, Usage
from tollkeeper.policy.document import read_toml
from tollkeeper.sidecar.alerting import LOOK_SECONDS, Alerting
from tollkeeper.sidecar.findings import Findings
from tollkeeper.sidecar.insight.anomaly_findings import findings_of
from tollkeeper.sidecar.insight.evaluators import Evaluators
from tollkeeper.sidecar.ledger_use import LedgerUse
from tollkeeper.sidecar.limit_use import LimitUses
from tollkeeper.sidecar.limit_watch import LimitWatch
from tollkeeper.sidecar.notify.build import notifier_of
from tollkeeper.storage.alerts.outbox import Outbox

SECOND = 10**9
DAYS = 21


def call_of(number: int, dollars: str, minutes_ago: float, **tags: str) -> Call:
    """One that cost so much, so long before `NOW`."""
    cost = Cost(Decimal(dollars), "catalog", (LineItem("input", 1, Decimal(dollars), Decimal(dollars)),), "v1")
    usage = Usage(input_tokens=1000, output_tokens=100)
    return make_call(number, at=NOW - timedelta(minutes=minutes_ago), cost=cost, usage=usage, tags=tags)


def weeks(days: int = DAYS) -> Iterator[Call]:
    """Each hour of each day: three features, a few dollars, sessions of two calls."""
    random.seed(7)
    number = 0
    for hour in range(days * 24):
        for feature, dollars in (("chat", 0.5), ("search", 0.1), ("agent", 0.2)):
            for each in range(4):
                number += 1
                spent = f"{dollars * random.uniform(0.7, 1.4):.6f}"
                session = f"{feature}-{hour}-{each // 2}"
                user = f"u{number % 5}"
                yield call_of(
                    number, spent, hour * 60 + each * 15 + 1, feature=feature, session=session, user=user, tenant="acme"
                )


def loop(begins: float, until: float, first: int = 900_000, dollars: str = "0.05", **tags: str) -> Iterator[Call]:
    """An agent that does not stop: a call a second, from so many minutes ago on."""
    said = {"tenant": "acme", "user": "u3", "feature": "agent", "session": "loop-1", **tags}
    for number in range(int((begins - until) * 60)):
        yield call_of(first + number, dollars, begins - number / 60, **said)


class Desk:
    """A sidecar's clockwork over a world, one turn at a time."""

    def __init__(self, world: World) -> None:
        self.world = world
        clock = world.clock.nanoseconds
        self.outbox = Outbox(world.database, "desk", clock)
        uses = LimitUses(LedgerUse(world.ledger, world.resets), world.limiting, clock)
        watch = LimitWatch(lambda: None)
        findings = Findings(
            uses, world.limiting, world.agreement, world.ledger, watch, clock,
            {"anomaly": findings_of(world.insight.anomalies)},
        )  # fmt: skip
        self.alerting = Alerting(
            findings, world.alerts, self.outbox, world.channels, notifier_of, "https://toll.example",
            lambda: clock() / SECOND,
        )  # fmt: skip
        mine = [each for each in world.insight.evaluators if each.name.startswith("anomalies.")]
        self.evaluators = Evaluators(mine, world.insight.evaluations, clock)

    def turn(self, seconds: float = 0.0) -> None:
        """So much later, everything that the clock runs."""
        self.world.clock.now += timedelta(seconds=seconds)
        self.evaluators.tick()
        self.alerting.watch()
        self.alerting.deliver()


@contextmanager
def world_of(url: str, web: HttpSink | None = None, policy: str = "", **options: Any) -> Iterator[World]:
    """With a webhook that is told of everything, and a policy."""
    made = World(url, clock=Clock(NOW), **options)
    if web is not None:
        made.channels.store.set(Channel("ops", "webhook", web.url), author="tests", reason="a test")
    if policy:
        made.policies.set(read_toml(policy, "policy"), author="tests", reason="a test")
    yield made
    made.close()


__all__ = ["DAYS", "LOOK_SECONDS", "NOW", "SECOND", "Desk", "call_of", "loop", "weeks", "world_of"]
