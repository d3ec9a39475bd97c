"""Planned traffic: repeatable, ordered, and of the shape that was asked for."""

from __future__ import annotations

from collections import Counter
from itertools import islice, pairwise

import pytest

from tollkeeper.simulator.traffic import (
    DAY,
    HOUR,
    SHAPES,
    Caller,
    Feature,
    Population,
    between,
    daily,
    merge,
    ramp,
    runaway,
    spikes,
    steady,
    traffic,
)


@pytest.mark.parametrize("name", SHAPES)
def test_a_seed_decides_everything(name: str):
    first, again, other = (list(islice(traffic(SHAPES[name], seed), 500)) for seed in (1, 1, 2))
    assert first == again != other


@pytest.mark.parametrize("name", SHAPES)
def test_no_shape_is_ever_above_its_peak_or_below_nothing(name: str):
    rates = [SHAPES[name].rate(minute * 60.0) for minute in range(8 * 24 * 60)]
    assert 0 <= min(rates) <= max(rates) <= SHAPES[name].peak


def test_calls_come_in_order_and_in_time():
    calls = list(traffic(steady(2.0), seed=1, seconds=HOUR, start=100.0))
    assert all(one.at_seconds <= other.at_seconds for one, other in pairwise(calls))
    assert calls[0].at_seconds >= 100.0
    assert calls[-1].at_seconds < 100.0 + HOUR
    assert len(calls) == pytest.approx(2 * HOUR, rel=0.05)


def test_a_day_has_its_peak_and_a_weekend_less():
    calls = list(traffic(daily(low=0.01, high=0.5), seed=1, seconds=7 * DAY))
    hours = Counter(int(call.at_seconds % DAY // HOUR) for call in calls)
    days = Counter(int(call.at_seconds // DAY) for call in calls)
    assert hours[14] > 5 * hours[2]
    assert days[5] < days[0] / 2


def test_shapes_add_up_and_multiply():
    both = (steady(1.0) + spikes(height=10.0, every=HOUR, seconds=60.0, first=0.0)) * 2
    assert (both.rate(30.0), both.rate(90.0), both.peak) == (22.0, 2.0, 22.0)
    assert ramp(0.0, 10.0, 100.0).rate(50.0) == 5.0
    assert [between(10, 20, steady(1.0)).rate(at) for at in (9, 10, 20)] == [0.0, 1.0, 0.0]
    assert list(traffic(steady(0.0), seed=1)) == []


def test_weights_decide_who_calls():
    features = {"only": Feature(1, 100, 10, {"openai/gpt-4o": 1}, stream_share=0.25)}
    population = Population(tenants={"big": 9, "small": 1}, users=3, features=features)
    calls = list(traffic(steady(1.0), seed=1, seconds=5000, population=population))
    tenants = Counter(call.tenant for call in calls)
    users = Counter(call.user for call in calls if call.tenant == "big")
    assert tenants["big"] == pytest.approx(9 * tenants["small"], rel=0.25)
    assert [user for user, _ in users.most_common()] == ["big-u-1", "big-u-2", "big-u-3"]
    assert {(call.provider, call.model, call.feature) for call in calls} == {("openai", "gpt-4o", "only")}
    assert sum(call.stream for call in calls) == pytest.approx(len(calls) / 4, rel=0.15)
    assert sorted(call.input_tokens for call in calls)[len(calls) // 2] == pytest.approx(100, rel=0.1)


def test_a_runaway_reads_more_each_time():
    calls = list(runaway(Caller("acme", "u-17", "agent"), seed=1, starts=50.0, seconds=600.0))
    assert {(call.tenant, call.user, call.feature) for call in calls} == {("acme", "u-17", "agent")}
    assert all(one.input_tokens < other.input_tokens for one, other in pairwise(calls[:50]))
    assert max(call.input_tokens for call in calls) <= 150_000
    assert len(calls) == pytest.approx(300, rel=0.1)


def test_plans_merge_in_order_of_time():
    loop = runaway(Caller("acme", "u-17", "agent"), seed=1, starts=HOUR, seconds=HOUR)
    calls = list(merge(traffic(steady(0.5), seed=1, seconds=2 * HOUR), loop))
    assert all(one.at_seconds <= other.at_seconds for one, other in pairwise(calls))
    assert any(call.user == "u-17" for call in calls)
