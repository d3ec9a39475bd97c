"""How many calls each limit has denied, as the sidecar shows it."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace
from typing import cast

import pytest

from sidecar.api.world import World, make_call
from tollkeeper.model import Limit, Window
from tollkeeper.model.charge import Level
from tollkeeper.policy import Policy
from tollkeeper.sidecar.gauges import Gauges
from tollkeeper.sidecar.health import SidecarHealth
from tollkeeper.sidecar.ledger_use import LedgerUse
from tollkeeper.sidecar.limit_use import LimitUses
from tollkeeper.sidecar.limit_watch import LimitWatch
from tollkeeper.sidecar.limiting import charge_of
from tollkeeper.storage.alerts.outbox import Outbox
from tollkeeper.storage.counters import Hold, Refused
from tollkeeper.telemetry import sidecar_metrics as names

DAY = Window("day")


@pytest.fixture
def world(tmp_path: Path) -> World:
    return World(f"sqlite:///{tmp_path}/ledger.db")


def shown(world: World, watch: LimitWatch) -> dict[tuple[str, str], float]:
    clock = world.clock.nanoseconds
    health = cast(SidecarHealth, SimpleNamespace(last_call=lambda: (None, None, None)))
    uses = LimitUses(LedgerUse(world.ledger, world.resets), world.limiting, clock)
    outbox = Outbox(world.database, "tests", clock)
    gauges = Gauges(
        uses, world.services.quotas, world.limiting, watch, health, world.alerts, outbox, world.insight.anomalies,
        lambda: clock() / 10**9, clock,
    )  # fmt: skip
    found = [(dict(sample.labels), sample) for sample in gauges.samples() if sample.name == names.LIMIT_DENIED]
    return {(labels["limit"], labels["scope"]): sample.value for labels, sample in found}


def test_calls_that_each_limit_has_denied(world: World) -> None:
    """Also of whom the ledger has no call; of what is short, soft or lets calls wait there is no figure."""
    limit = Limit("day", "tokens", 10_000, DAY, per=("tenant",))
    others = (
        Limit("rate", "requests", 60, Window("minute")),
        Limit("rolling", "requests", 60, Window("day", rolling=True)),
        Limit("soft", "requests", 60, DAY, mode="soft"),
        Limit("waits", "requests", 60, DAY, wait=5),
    )
    world.policies.set(Policy("tests", (limit, *others)), author="tests", reason="a test")
    world.record(make_call(1, tags={"tenant": "acme"}))
    watch = LimitWatch(lambda: None)
    for number, tenant in enumerate(("new", "new")):
        charge = charge_of(limit, {"tenant": tenant}, world.clock.nanoseconds())._replace(amount=20_000)
        hold = Hold(str(number), "tests", charge.until, (charge,))
        watch.answered(hold, Refused(0, Level(0, 0), 0))
    assert shown(world, watch) == {("day", "tenant=acme"): 0, ("day", "tenant=new"): 2}
