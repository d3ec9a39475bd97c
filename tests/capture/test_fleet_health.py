"""What the sidecar tells of providers counts in an app: until it has seen otherwise, and not for long."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

import tollkeeper
from clocks import SecondsClock
from sidecar.api.serving import serving
from sidecar.api.world import World, failed, make_call
from tollkeeper.capture.feed import Feed
from tollkeeper.capture.fleet_health import STALE_SECONDS, FleetHealth, Told
from tollkeeper.capture.health import OPEN_SECONDS, ProviderHealth
from tollkeeper.capture.health_feed import health_feed, read
from tollkeeper.model.health import Health
from tollkeeper.sidecar.insight.evaluators import Evaluators


@pytest.fixture
def clock() -> SecondsClock:
    return SecondsClock()


@pytest.fixture
def world(sqlite_world: World) -> World:
    return sqlite_world


def told(at: str = "t1", *, fails: bool = True, calls: int = 100) -> Told:
    health = Health("openai", "gpt-4o", calls, 0.3 if fails else 1.0, 1.0, 2.0, "open" if fails else "closed")
    return Told(at, [(health, fails)])


def test_what_fails_everywhere_is_tried_now_and_then(clock: SecondsClock) -> None:
    fleet = FleetHealth(clock)
    health = ProviderHealth(clock, fleet)
    assert health.allows("openai", "gpt-4o") and health.is_closed("openai", "gpt-4o")
    fleet.use(told())
    assert not health.is_closed("openai", "gpt-4o")
    assert [health.allows("openai", "gpt-4o") for _ in range(3)] == [True, False, False]
    clock.now += OPEN_SECONDS
    assert health.allows("openai", "gpt-4o") and not health.allows("openai", "gpt-4o")
    assert health.allows("openai", "another") and health.is_closed("anthropic", "gpt-4o")


def test_an_answer_goes_before_what_was_told(clock: SecondsClock) -> None:
    fleet = FleetHealth(clock)
    health = ProviderHealth(clock, fleet)
    fleet.use(told())
    clock.now += 1
    health.answered("openai", "gpt-4o", 0.5)
    assert health.is_closed("openai", "gpt-4o") and health.allows("openai", "gpt-4o")
    fleet.use(told())
    assert health.is_closed("openai", "gpt-4o"), "it is the same evaluation still"
    clock.now += 60
    fleet.use(told("t2"))
    assert not health.is_closed("openai", "gpt-4o")
    fleet.use(told("t3", fails=False))
    assert health.is_closed("openai", "gpt-4o")


def test_what_is_old_is_not_believed(clock: SecondsClock) -> None:
    fleet = FleetHealth(clock)
    health = ProviderHealth(clock, fleet)
    fleet.use(told())
    for _ in range(10):
        clock.now += STALE_SECONDS / 10
        fleet.use(told())
    assert fleet.read() and not health.is_closed("openai", "gpt-4o")
    clock.now += 1
    assert fleet.read() == [] and health.is_closed("openai", "gpt-4o")
    assert health.read() == []


def test_figures_are_those_of_this_process_where_it_has_enough(clock: SecondsClock) -> None:
    fleet = FleetHealth(clock)
    health = ProviderHealth(clock, fleet)
    fleet.use(told(fails=False))
    (found,) = health.read()
    assert (found.calls, found.latency_p95) == (100, 2.0)
    for _ in range(20):
        health.answered("openai", "gpt-4o", 0.5)
    (found,) = health.read()
    assert (found.calls, found.latency_p95) == (20, 0.5)
    for _ in range(5):
        health.failed("openai", "gpt-4o")
    assert health.read()[0].circuit == "open"


@pytest.mark.parametrize(
    "body", [b"{", b"[]", b"null", b'{"evaluated_at": "x"}', b'{"evaluated_at": "x", "models": [{}]}']
)
def test_another_answer_is_none(body: bytes) -> None:
    with pytest.raises(ValueError):
        read(body)


def test_a_sidecars_word_reaches_the_app(world: World, clock: SecondsClock) -> None:
    few_minutes: Any = {"at": world.clock.now}
    world.record(*(failed(number, **few_minutes) for number in range(15)))
    world.record(*(make_call(number, **few_minutes) for number in range(20, 30)))
    fleet = FleetHealth(clock)
    with serving(world.app) as url:
        feed = health_feed(url, fleet, world.key("write"))
        assert feed.poll() and fleet.read() == [], "nothing was evaluated yet"
        world.clock.now = world.clock.now.replace(second=59)
        Evaluators(world.insight.evaluators, world.insight.evaluations, world.clock.nanoseconds).tick()
        assert feed.poll()
        assert not feed.poll(), "it is the same still"
    (found,) = fleet.read()
    assert (found.provider, found.model, found.calls, found.success) == ("openai", "gpt-4o", 25, 0.4)
    assert fleet.fails_since("openai", "gpt-4o") == clock.now


def test_an_instrumented_app_asks_for_it(world: World, tmp_path: Path) -> None:
    """And so `cheapest` knows of a model that this process has never called."""
    world.record(*(make_call(number, at=world.clock.now, duration=9.0) for number in range(20, 50)))
    world.clock.now = world.clock.now.replace(second=59)
    Evaluators(world.insight.evaluators, world.insight.evaluations, world.clock.nanoseconds).tick()
    with (
        serving(world.app) as url,
        tollkeeper.instrument(
            sidecar=url, sidecar_key=world.key("write"), spool=tmp_path / "spool", providers=[]
        ) as app,
    ):
        feed = next(each for each in app._recurring if isinstance(each, Feed) and each.name == "figures of providers")
        assert feed.first(20)
        asked = {"models": ["openai/gpt-4o", "openai/gpt-4o-mini"], "input_tokens": 10, "output_tokens": 10}
        assert tollkeeper.cheapest(**asked, max_latency=5).model == "openai/gpt-4o-mini"
        with pytest.raises(LookupError, match=r"gpt-4o takes 9\.\d s"):
            tollkeeper.cheapest(**{**asked, "models": ["openai/gpt-4o"]}, max_latency=5)
