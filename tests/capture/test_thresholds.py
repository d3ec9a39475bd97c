"""What is told of a limit as it fills: once each; and again, of what empties by itself, when it has been well below."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tollkeeper.capture.thresholds import EXCEEDED, QUIET_SECONDS, Crossing, Thresholds
from tollkeeper.model import Limit, Status, Window

DAY = Limit("day", "tokens", 1000, Window("day"))
ROLLING = Limit("rolling", "tokens", 1000, Window("minute", rolling=True))
SLOTS = Limit("slots", "concurrency", 1000)
CAP = Limit("cap", "tokens", 1000, mode="soft")


class Told:
    """The percentages that were told, by a clock of its own."""

    def __init__(self) -> None:
        self.now = 1000.0
        self.percents: list[int] = []
        self._thresholds = Thresholds(self._tell, lambda: self.now)

    def _tell(self, crossing: Crossing) -> None:
        self.percents.append(crossing.percent)

    def look(self, limit: Limit, *used: int, resets_at: int | None = None) -> list[int]:
        """What is told when the limit stands so, one after the other."""
        self.percents = []
        for each in used:
            held = each if limit is SLOTS else 7
            self._thresholds(Status(limit, {}, each if limit is SLOTS else each + held, held, resets_at))
        return self.percents


@pytest.fixture
def told() -> Told:
    return Told()


@pytest.mark.parametrize("limit", [DAY, ROLLING, SLOTS])
def test_each_is_told_once_as_it_fills(told: Told, limit: Limit) -> None:
    assert told.look(limit, 499, 500, 501, 799, 960, 955, 1000, 1001, 5000, 1001) == [50, 95, 100, EXCEEDED]


def test_a_new_period_begins_anew_and_what_was_lowered_in_it_does_not(told: Told) -> None:
    assert told.look(DAY, 900, 100, 900, resets_at=1) == [90]
    told.now += 10**6
    assert told.look(DAY, 900, resets_at=1) == []
    assert told.look(DAY, 900, resets_at=2) == [90]


@pytest.mark.parametrize("limit", [ROLLING, SLOTS])
def test_what_empties_is_told_of_again_when_it_has_been_well_below(told: Told, limit: Limit) -> None:
    assert told.look(limit, 1001, 951, 1001) == [EXCEEDED], "it only wavers"
    assert told.look(limit, 950, 1001) == [EXCEEDED]
    assert told.look(limit, 600, 900, 899, 900) == [90]
    assert told.look(limit, 445, 500) == [50]


@pytest.mark.parametrize(("limit", "seconds"), [(ROLLING, 60), (SLOTS, QUIET_SECONDS)])
def test_what_was_not_looked_at_for_so_long_was_empty_meanwhile(told: Told, limit: Limit, seconds: float) -> None:
    """Below its first percentage, nobody looks."""
    assert told.look(limit, 960) == [95]
    told.now += seconds - 1
    assert told.look(limit, 960) == []
    told.now += seconds
    assert told.look(limit, 960) == [95]


def test_a_larger_bucket_takes_longer(told: Told) -> None:
    large = Limit("large", "tokens", 1000, Window("minute", rolling=True, burst=3000))
    assert told.look(large, 960) == [95]
    told.now += 179
    assert told.look(large, 960) == []
    told.now += 180
    assert told.look(large, 960) == [95]


def test_calls_that_are_limited_one_by_one_are_told_of_once(told: Told) -> None:
    assert told.look(CAP, 1001, 600, 1001) == [EXCEEDED]
    told.now += 10**6
    assert told.look(CAP, 1001) == []


@given(st.lists(st.integers(0, 1300), max_size=50), st.sampled_from([DAY, ROLLING, SLOTS]))
def test_nothing_is_told_twice_without_having_been_well_below(levels: list[int], limit: Limit) -> None:
    told = Told()
    last: dict[int, int] = {}
    for place, level in enumerate(levels):
        for percent in told.look(limit, level):
            if percent in last:
                between = levels[last[percent] : place]
                assert limit is not DAY and min(between) <= 10 * (min(percent, 100) - 5)
            last[percent] = place
