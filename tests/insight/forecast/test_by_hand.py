"""Small cases that were worked out by hand."""

from __future__ import annotations

import math
from datetime import date
from decimal import Decimal

import pytest

from tollkeeper.insight.forecast.calibration import Calibration, Spread
from tollkeeper.insight.forecast.contest import Backtest, Miss
from tollkeeper.insight.forecast.outlook import Coming, Exhaustion, outlook
from tollkeeper.insight.forecast.price_changes import Model, Used, factors, price_of, ratios
from tollkeeper.insight.forecast.within_day import Hours, at_hour, hours_of
from tollkeeper.insight.series import calendar
from tollkeeper.model import Usage
from tollkeeper.pricing import Catalog
from tollkeeper.pricing.overlay import Overlay

DAY = 86_400 * 10**9
HALF_TO_DOUBLE = tuple(math.log(2) * at / 50 for at in range(-50, 51))
"""Totals were between half and double of what was forecast, evenly in logarithms."""
EVEN = Spread((1.0, 1.0), (HALF_TO_DOUBLE, HALF_TO_DOUBLE), 0.0, 1e9)


def line(*amounts: float) -> list[Coming]:
    return [Coming(DAY * number, amount, 0.0, EVEN) for number, amount in enumerate(amounts, 1)]


def test_an_interval_is_of_the_total_around_what_is_spent() -> None:
    found = outlook(0, 100, line(50, 100))
    assert (found.low, found.middle, found.high) == pytest.approx((100 + 100 * 2**-0.8, 200, 100 + 100 * 2**0.8))
    assert (found.lowest, found.highest) == pytest.approx((100 + 100 * 2**-0.95, 100 + 100 * 2**0.95))
    assert [point.middle for point in found.band] == [150, 200]
    assert found.reason is None


def test_how_probable_it_is_that_a_budget_is_exceeded() -> None:
    # 100 are left, 100 are to come: half of all totals are more. 200 or 50 times would be double or half.
    assert outlook(0, 100, line(100), 200).exceeds == pytest.approx(0.5, abs=0.01)
    assert outlook(0, 100, line(100), 300).exceeds == pytest.approx(0, abs=0.01)
    assert outlook(0, 100, line(100), 150).exceeds == pytest.approx(1, abs=0.01)
    assert outlook(0, 100, line(100), 100 + 100 * math.sqrt(2)).exceeds == pytest.approx(0.25, abs=0.01)
    assert outlook(0, 100, line(100), 99).exceeds == 1.0
    assert outlook(0, 100, line(100)).exceeds is None


def test_when_a_budget_is_used_up() -> None:
    """Ten a day, forty left: after four days; at double pace in two, at half pace not within six."""
    found = outlook(0, 60, line(10, 20, 30, 40, 50, 60), 100)
    assert found.exhaustion is not None
    early, median, late = found.exhaustion
    assert median == 4 * DAY
    assert early == pytest.approx(4 * DAY / 2**0.8, rel=1e-9)
    assert late is None
    assert outlook(0, 60, line(1, 2), 100).exhaustion == Exhaustion(None, None, None)
    assert outlook(0, 100, line(1), 100).exhaustion is None, "it is used up already"


def test_without_an_interval_there_is_the_middle_and_why() -> None:
    found = outlook(0, 60, [Coming(DAY, 30, 0.0, "too new")], 80)
    assert (found.low, found.middle, found.high, found.exceeds, found.exhaustion) == (None, 90, None, None, None)
    assert found.reason == "too new"


def test_a_calibration_by_hand() -> None:
    """Two series of ten windows a day apart, one of which errs twice as much: scores are by each one's own scale."""

    def series(ratio: float) -> Backtest:
        misses = [Miss(20 + at, 1, ratio if at % 2 else -ratio) for at in range(200)]
        return Backtest(220, [], 1.0, 1, (), misses, {})

    calibration = Calibration({"calm": series(0.1), "wild": series(0.2)})
    calm, wild = (calibration.spread(key, 1) for key in ("calm", "wild"))
    assert isinstance(calm, Spread)
    assert isinstance(wild, Spread)
    assert calm.worth == 200, "the later half of each"
    assert calm.log_ratio(0.975) == pytest.approx(0.1, rel=0.1)
    assert wild.log_ratio(0.975) == pytest.approx(0.2, rel=0.1)
    assert calm.log_ratio(0.025) == pytest.approx(-0.1, rel=0.1)
    assert (calm.share_above(0.15), calm.share_above(-0.15)) == (0.0, 1.0)
    assert [(one.level, one.windows) for one in calibration.coverage(1)] == [(80, 100), (95, 100)]
    assert sum(one.windows for key in ("calm", "wild") for one in calibration.coverage(1, key)) == 200


def test_between_two_horizons_that_were_measured() -> None:
    near = tuple(at / 100 for at in range(-100, 101))
    spread = Spread((0.1, 0.3), (near, near), 0.5, 1e9)
    assert spread.log_ratio(1.0) == pytest.approx(0.2)
    assert Spread((1, 1), (near, near), 0.0, 8).tells(80) is False
    assert Spread((1, 1), (near, near), 0.0, 9).tells(80) is True
    assert Spread((1, 1), (near, near), 0.0, 38).tells(95) is False
    assert Spread((1, 1), (near, near), 0.0, 39).tells(95) is True


def test_a_price_that_is_scheduled() -> None:
    """gpt-x gets a half dearer for input, from the tenth day on; it is two thirds of what is spent."""
    at = 1_767_225_600  # the first of January 2026
    rows = {"valid_to = 2026-01-10": 2, "valid_from = 2026-01-11": 3}
    overlay = Overlay.parse(
        "".join(
            f'[[price]]\nprovider = "openai"\nmodel = "gpt-x"\n{when}\ninput = {dollars}\noutput = 8\n'
            for when, dollars in rows.items()
        ),
        "prices.toml",
    )
    model, other = Model("openai", "gpt-x"), Model("openai", "gpt-y")
    # A call: 1,000 tokens in for $0.002, 500 out for $0.004. From then on $0.003 and $0.004.
    used = {model: Used(100, 600_000_000, 100_000, 50_000), other: Used(10, 300_000_000, 100, 100)}
    moments = [(at + 86_400 * day) * 10**9 for day in range(14)]
    changes = ratios(used, price_of(Catalog(overlay).price), moments[0], moments)
    assert list(changes) == [model]
    assert changes[model] == pytest.approx([1.0] * 10 + [7 / 6] * 4)
    spent = {model: 600_000_000, other: 300_000_000}
    assert factors(spent, changes, 14) == pytest.approx([1.0] * 10 + [10 / 9] * 4)
    assert factors({}, changes, 2) == [1.0, 1.0]
    assert factors({other: 5}, changes, 2) == [1.0, 1.0]


def test_what_is_free_or_unknown_stays_as_it_is() -> None:
    model = Model("openai", "x")
    prices = iter([None, Decimal(0), Decimal(2), None, Decimal(3)])

    def price(_: Model, __: Usage, ___: int) -> Decimal | None:
        return next(prices)

    used = {model: Used(1, 5, 1, 1)}
    assert ratios(used, price, 0, [1]) == {}
    assert ratios(used, price, 0, [1]) == {}
    assert ratios(used, price, 0, [1, 2]) == {model: [1.0, 1.5]}


def hours(days: int, zone: str = "UTC", start: int = 1_772_323_200) -> Hours:
    """From the first of March 2026 on: 1 an hour by day (8 to 20 o'clock), nothing by night."""
    when = calendar(start * 10**9, (start + days * 86_400 - 7200) * 10**9, "hour", zone)
    by_day = {at: 1.0 for at, hour in zip(when.starts, when.hours, strict=True) if 8 <= hour < 20}
    return hours_of(when.series(by_day, {}))


def test_the_rest_of_a_day() -> None:
    known = hours(28)
    day = date(2026, 3, 30)
    assert known.left(day, 8) == 1.0
    assert known.left(day, 14) == pytest.approx(0.5)
    assert known.left(day, 14.5) == pytest.approx(5.5 / 12)
    assert known.left(day, 21) == 0.0
    assert Hours((), ()).left(day, 6) == pytest.approx(0.75)
    found = known.backtest(day, 14.0, 6.0)
    assert found is not None
    assert found.ahead == [pytest.approx(6.0)]
    # Twice as much until noon is twice as much after it, to those who go by pace.
    (twice,) = (known.backtest(day, 14.0, 12.0) or found).ahead
    assert 6.0 <= twice <= 12.0
    assert hours(13).backtest(day, 14.0, 6.0) is None


def test_days_on_which_clocks_change_are_whole_days() -> None:
    """In Berlin, the 29th of March has 23 hours; in October a day has 25."""
    known = hours(32, "Europe/Berlin", 1_772_319_600)
    assert len(known.days) == 32
    assert all(curve[-1] == 12 for curve in known.curves)
    assert at_hour(known.curves[28], 14) == 6
    autumn = hours(30, "Europe/Berlin", 1_791_151_200)
    assert {len(curve) for curve in autumn.curves} == {25}
    assert all(curve[-1] == 12 for curve in autumn.curves)
