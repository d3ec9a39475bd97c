"""A ledger with months behind it, limits that fill, and what was forecast of them."""

from __future__ import annotations

import random
from collections.abc import Iterator
from datetime import timedelta
from decimal import Decimal
from pathlib import Path

from sidecar.api.world import NOW, World, make_call
from tollkeeper.model import Call, Cost, Limit, Window
from tollkeeper.policy import Policy
from tollkeeper.sidecar.insight.evaluators import Evaluators

DAYS = 100
NANO = 10**9
TENANTS = {"acme": 12.0, "umbrella": 5.0, "initech": 2.0, "globex": 8.0}
MONTH = Window("month")


def costing(number: int, dollars: float, hours_ago: float, **tags: str) -> Call:
    cost = Cost(Decimal(f"{dollars:.9f}"), "catalog", (), "v1")
    return make_call(number, at=NOW - timedelta(hours=hours_ago), cost=cost, tags=tags)


def past(days: int = DAYS, chance: int = 3) -> Iterator[Call]:
    """Each tenant every six hours, less at weekends."""
    draw, number = random.Random(chance), 0
    for tenant, dollars in TENANTS.items():
        for quarter in range(days * 4):
            number += 1
            at = NOW - timedelta(hours=6 * quarter + 0.5)
            part = 0.4 if at.weekday() >= 5 else 1.0
            spent = dollars / 4 * part * draw.lognormvariate(0, 0.25)
            yield costing(number, spent, 6 * quarter + 0.5, tenant=tenant, feature="chat")


def world_in(folder: Path) -> World:
    """Eleven days before a month's end, after an evaluation."""
    made = World(f"sqlite:///{folder}/ledger.db")
    made.clock.now = NOW - timedelta(days=11)
    made.record(*(call for call in past() if call.started_at < made.clock.nanoseconds()))
    limits = (
        Limit("tight", "usd", 250 * NANO, MONTH, per=("tenant",)),
        Limit("ample", "usd", 5_000 * NANO, MONTH, per=("tenant",)),
        Limit("daily", "requests", 1000, Window("day", "Europe/Berlin")),
        Limit("rate", "requests", 1000, Window("minute")),
    )
    made.policies.set(Policy("tests", limits), author="tests", reason="a test")
    evaluate(made)
    return made


def evaluate(world: World) -> None:
    """As the clock does, if it is time."""
    Evaluators((world.insight.forecasts.evaluator(),), world.insight.evaluations, world.clock.nanoseconds).tick()
