"""How far limits are used, for gauges and alerts: by counters and ledger, whichever has more."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from sidecar.api.world import NOW, World, make_call, nanoseconds
from tollkeeper.model import Limit, Window
from tollkeeper.policy import Policy
from tollkeeper.sidecar.api.counters import NoCounters
from tollkeeper.sidecar.gauges import limit_use_samples
from tollkeeper.sidecar.ledger_use import LedgerUse
from tollkeeper.sidecar.limit_use import LimitUse, LimitUses
from tollkeeper.sidecar.limiting import Limiting, charge_of
from tollkeeper.storage.counters import Hold
from tollkeeper.telemetry import sidecar_metrics as names

DAY = Window("day")
TOKENS_A_CALL = 1100


@pytest.fixture
def world(tmp_path: Path) -> World:
    return World(f"sqlite:///{tmp_path}/ledger.db")


def uses(world: World, *limits: Limit, limiting: Limiting | None = None) -> list[LimitUse]:
    world.policies.set(Policy("tests", limits), author="tests", reason="a test")
    use = LedgerUse(world.ledger, world.resets)
    return LimitUses(use, limiting or world.limiting, world.clock.nanoseconds).all()


def book(world: World, limit: Limit, amount: int, **scope: str) -> None:
    charge = charge_of(limit, scope, world.counters.now())._replace(amount=amount)
    world.counters.settle(Hold(f"{limit.name} {scope}", "tests", world.counters.now() + 10**12, (charge,)), [amount])


def test_what_the_ledger_has_counts_where_the_counters_have_less(world: World) -> None:
    limit = Limit("tokens", "tokens", 10_000, DAY, per=("tenant",))
    world.record(make_call(1, tags={"tenant": "acme"}), make_call(2, tags={"tenant": "other"}))
    book(world, limit, 5_000, tenant="acme")
    found = {use.scope["tenant"]: use.used for use in uses(world, limit)}
    assert found == {"acme": 5_000, "other": TOKENS_A_CALL}


def test_without_counters_it_is_what_the_ledger_has(world: World) -> None:
    world.record(make_call(1))
    limits = Limit("tokens", "tokens", 10_000, DAY), Limit("rate", "requests", 60, Window("minute"))
    found = uses(world, *limits, limiting=Limiting(world.policies, NoCounters()))
    assert [(use.limit.name, use.used) for use in found] == [("tokens", TOKENS_A_CALL)], "nobody knows of the minute"


def test_of_what_nobody_can_tell_it_is_said_that_it_is_unknown(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    """And not that nothing is used."""
    world.record(make_call(1), make_call(2))
    limits = (
        Limit("model", "tokens", 10_000, DAY, per=("model",)),
        Limit("rate", "requests", 60, Window("minute", rolling=True)),
        Limit("tokens", "tokens", 10_000, DAY),
    )
    world.policies.set(Policy("tests", limits), author="tests", reason="a test")
    monkeypatch.setattr("tollkeeper.sidecar.ledger_use.MOST_CALLS", 1)
    away = Limiting(world.policies, NoCounters())
    looked = LimitUses(LedgerUse(world.ledger, world.resets), away, world.clock.nanoseconds).look()
    assert looked.unknown == {"model", "rate"}
    assert [(use.limit.name, use.used) for use in looked.uses] == [("tokens", 2 * TOKENS_A_CALL)]


def test_all_who_have_come_to_a_threshold_are_looked_at(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("tollkeeper.sidecar.limit_use.MOST_SCOPES", 2)
    world.record(*(make_call(number, tags={"user": f"u-{number}"}) for number in range(5)))
    assert len(uses(world, Limit("day", "tokens", TOKENS_A_CALL, DAY, per=("user",)))) == 5
    assert len(uses(world, Limit("day", "tokens", 100 * TOKENS_A_CALL, DAY, per=("user",)))) == 2


def test_short_and_rolling_limits_are_what_the_counters_have_of_those_who_called_of_late(world: World) -> None:
    limit = Limit("rate", "requests", 60, Window("minute"), per=("user",))
    world.record(
        make_call(1, tags={"user": "u-1"}, at=NOW - timedelta(seconds=1)),
        make_call(2, tags={"user": "u-2"}, at=NOW - timedelta(seconds=1)),
    )
    book(world, limit, 30, user="u-1")
    assert {use.scope["user"]: use.used for use in uses(world, limit)} == {"u-1": 30, "u-2": 0}


def test_a_limit_that_nobody_has_used_is_there(world: World) -> None:
    (use,) = uses(world, Limit("day", "usd", 10**10, DAY))
    assert (use.used, use.held, use.ratio) == (0, 0, 0.0)
    midnight = datetime(NOW.year, NOW.month, NOW.day, tzinfo=UTC)
    assert use.period_start == nanoseconds(midnight)
    assert use.elapsed(use.period_start) == 0
    assert use.elapsed(use.period_end) == 1


def test_a_cap_of_one_call_is_not_used(world: World) -> None:
    assert uses(world, Limit("a call", "usd", 10**9)) == []


def test_gauges_of_a_limit(world: World) -> None:
    limit = Limit("day", "usd", 10 * 10**9, DAY, per=("tenant",), at=(50, 95))
    book(world, limit, 9 * 10**9, tenant="acme")
    world.record(make_call(1, tags={"tenant": "acme"}))
    found = {
        (sample.name, dict(sample.labels).get("threshold")): sample for sample in limit_use_samples(uses(world, limit))
    }
    used = found[names.LIMIT_USED, None]
    assert used.value == 9.0
    assert dict(used.labels) == {
        "limit": "day", "measure": "usd", "window": "day", "mode": "hard",
        "scope": "tenant=acme", "tenant": "acme", "provider": "",
    }  # fmt: skip
    assert found[names.LIMIT_FULLEST, None].value == 0.9
    assert dict(found[names.LIMIT_THRESHOLD, "95"].labels)["severity"] == "critical"
    assert found[names.LIMIT_THRESHOLD, "50"].value == 0.5


def test_users_have_no_series_of_their_own(world: World) -> None:
    limit = Limit("day", "tokens", 10_000, DAY, per=("user",))
    world.record(make_call(1, tags={"user": "u-1"}), make_call(2, tags={"user": "u-2"}))
    found = {sample.name: sample.value for sample in limit_use_samples(uses(world, limit))}
    assert found == {names.LIMIT_FULLEST: 0.11, names.LIMIT_SCOPES: 2}
