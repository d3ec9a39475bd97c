"""How good forecasts are: totals of months, foreseen when a third of the month is over, on made-up spending.

    python benchmarks/forecasts.py [--each 12] [--seed 1] [--json FILE] [--no-speed]

At the end of the tenth day of many months, each series is known until then, and nothing later. Errors are those of the
month's total, what was spent already included, as a mean of percentages (MAPE) and as the sum of errors by the sum of
totals (WAPE, where large series count for more). Coverage is of the same total, by intervals calibrated on what all
series of that day were known to have done. statsforecast takes part where it is installed.
"""

from __future__ import annotations

import argparse
import json
import sys
import time
import tracemalloc
from collections.abc import Callable, Iterator, Mapping, Sequence
from datetime import timedelta
from itertools import accumulate
from pathlib import Path
from statistics import fmean
from typing import Any, NamedTuple

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "src"))

from spending import REFERENCE_DAYS, REFERENCE_FIRST, REFERENCE_TENANTS, Made, make, many

from tollkeeper.insight.forecast.calibration import Calibration
from tollkeeper.insight.forecast.contest import METHODS, backtest
from tollkeeper.insight.forecast.days import Days, days_of
from tollkeeper.insight.forecast.outlook import Coming, Outlook, outlook

THIRD = 10
"""Days of a month that are over."""
LONGEST = 31
LINEAR, OURS = "linear run-rate", "ours"


class Measured(NamedTuple):
    """One month of one series: its true total, what each contestant said, and ours with its intervals."""

    shape: str
    actual: float
    said: Mapping[str, float]
    ours: Outlook


Contestant = Callable[[Made, int, int], float]
"""What is to come from a day on, in so many days."""


def rolling(
    series: Sequence[Made], others: Mapping[str, Contestant] | None = None, months: int = 13
) -> Iterator[Measured]:
    """The last months of which a third and the end are known: all series together, month by month."""
    for origin in _origins(series)[-months:]:
        known = [made for made in series if origin + _left(made, origin) <= len(made.values)]
        histories = [days_of(made.first, made.values[:origin]) for made in known]
        backtests = dict(enumerate(map(backtest, histories)))
        calibration = Calibration(backtests)
        for number, (made, days) in enumerate(zip(known, histories, strict=True)):
            left = _left(made, origin)
            spent = sum(made.values[origin - THIRD : origin])
            found = backtests[number]
            coming = [
                Coming(ahead, amount, found.usual * ahead, calibration.spread(number, ahead))
                for ahead, amount in enumerate(accumulate(found.ahead[:left]), 1)
            ]
            ours = outlook(0, spent, coming)
            said = {LINEAR: spent * (THIRD + left) / THIRD, **_alone(days, origin, left, spent), OURS: ours.middle}
            said |= {name: spent + contestant(made, origin, left) for name, contestant in (others or {}).items()}
            yield Measured(made.shape, spent + sum(made.values[origin : origin + left]), said, ours)


def _origins(series: Sequence[Made]) -> list[int]:
    days = series[0].dates
    tenths = [at for at in range(35, len(days)) if days[at].day == THIRD + 1]
    return [at for at in tenths if at + _left(series[0], at) <= len(days)]


def _left(made: Made, origin: int) -> int:
    today = made.first + timedelta(days=origin)
    return ((today.replace(day=28) + timedelta(days=4)).replace(day=1) - today).days


def _alone(days: Days, origin: int, left: int, spent: float) -> dict[str, float]:
    """Each method by itself."""
    factors = days.factors(origin, LONGEST)
    return {
        method.name: spent + sum(map(float.__mul__, method.ahead(days, [origin], LONGEST)[0][:left], factors))
        for method in METHODS
        if origin >= method.least
    }


def errors(measured: Sequence[Measured]) -> dict[str, tuple[float, float]]:
    """By contestant: MAPE and WAPE, in percent, over the months of which all of them said something."""
    names = list(measured[0].said)
    months = [one for one in measured if one.actual and one.said.keys() >= set(names)]
    totals = sum(one.actual for one in months)
    return {
        name: (
            100 * fmean(abs(one.said[name] - one.actual) / one.actual for one in months),
            100 * sum(abs(one.said[name] - one.actual) for one in months) / totals,
        )
        for name in names
    }


def coverage(measured: Sequence[Measured]) -> tuple[float, float]:
    """How often the total was in the intervals of 80 and of 95 percent, in percent."""
    within = [one.ours.low <= one.actual <= one.ours.high for one in measured if one.ours.low is not None]
    widely = [one.ours.lowest <= one.actual <= one.ours.highest for one in measured if one.ours.lowest is not None]
    return 100 * fmean(within), 100 * fmean(widely)


def below_linear(measured: Sequence[Measured]) -> float:
    """By how many percent our MAPE is below that of the linear run-rate."""
    found = errors(measured)
    return 100 * (1 - found[OURS][0] / found[LINEAR][0])


def reference(seed: int) -> list[Made]:
    """The reference's simulation."""
    return [
        make("reference", seed * 100_000 + 50_000 + tenant, REFERENCE_DAYS, REFERENCE_FIRST)
        for tenant in range(REFERENCE_TENANTS)
    ]


def speed(scopes: int = 1000, length: int = 400) -> float:
    """Seconds of one core for a whole evaluation of so many series."""
    series = _series(scopes, length)
    started = time.process_time()
    _evaluate(series)
    return time.process_time() - started


def memory(scopes: int = 1000, length: int = 400) -> float:
    """Megabytes at the most that it takes, from a quarter of them."""
    series = _series(scopes // 4, length)
    tracemalloc.start()
    _evaluate(series)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    return 4 * peak / 1e6


def _series(scopes: int, length: int) -> list[Made]:
    return [make("steady" if number % 2 else "spikes", number, length) for number in range(scopes)]


def _evaluate(series: Sequence[Made]) -> None:
    backtests = {number: backtest(days_of(made.first, made.values)) for number, made in enumerate(series)}
    calibration = Calibration(backtests)
    for number, found in backtests.items():
        coming = [
            Coming(ahead, amount, found.usual * ahead, calibration.spread(number, ahead))
            for ahead, amount in enumerate(accumulate(found.ahead), 1)
        ]
        outlook(0, 0, coming, 1e12)


def statsforecast() -> dict[str, Contestant]:
    """Its AutoETS and DOTheta on logarithms, where it is installed."""
    try:
        import numpy  # noqa: PLC0415  only where it is installed
        from statsforecast.models import AutoETS, DynamicOptimizedTheta  # noqa: PLC0415
    except ImportError:
        return {}

    def contestant(model: Any) -> Contestant:
        def left(made: Made, origin: int, days: int) -> float:
            known = numpy.log1p(numpy.array(made.values[:origin], dtype=float) / 1e9)
            return float(numpy.expm1(model(season_length=7).forecast(known, days)["mean"]).sum() * 1e9)

        return left

    return {
        "statsforecast AutoETS, log": contestant(AutoETS),
        "statsforecast DOTheta, log": contestant(DynamicOptimizedTheta),
    }


def table(measured: Sequence[Measured]) -> list[str]:
    """By shape, and in all."""
    shapes = {one.shape: None for one in measured}
    lines = [
        "| shape | months | linear | naive | best method alone | ours | below linear | WAPE ours | 80 % | 95 % |",
        "| --- | ---: | ---: | ---: | --- | ---: | ---: | ---: | ---: | ---: |",
    ]
    for name in (*shapes, "all"):
        ours = [one for one in measured if name in (one.shape, "all")]
        found, (most, almost) = errors(ours), coverage(ours)
        alone = {each: error for each, error in found.items() if each not in (LINEAR, OURS)}
        best = min(alone, key=lambda each: alone[each][0])
        lines.append(
            f"| {name} | {len(ours)} | {found[LINEAR][0]:.1f} | {found['seasonal naive'][0]:.1f} "
            f"| {alone[best][0]:.1f} ({best}) | {found[OURS][0]:.1f} | {below_linear(ours):.0f} % "
            f"| {found[OURS][1]:.1f} | {most:.1f} | {almost:.1f} |"
        )
    return lines


def by_method(measured: Sequence[Measured]) -> list[str]:
    """The errors of each contestant, over all months."""
    ranked = sorted(errors(measured).items(), key=lambda one: one[1])
    rows = [f"| {name} | {mape:.1f} | {wape:.1f} |" for name, (mape, wape) in ranked]
    return ["| contestant | MAPE | WAPE |", "| --- | ---: | ---: |", *rows]


def main() -> None:
    flags = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    flags.add_argument("--each", type=int, default=12, help="series of each shape")
    flags.add_argument("--seed", type=int, default=1, help="odd ones were not tuned on")
    flags.add_argument("--json", help="a file to write the figures to, too")
    flags.add_argument("--no-speed", action="store_true")
    options = flags.parse_args()
    others = statsforecast()
    figures: dict[str, Any] = {}
    for title, series in (
        (f"{options.each} series of each shape, 430 days", list(many(options.each, options.seed, 430))),
        (f"the reference's simulation: {REFERENCE_TENANTS} tenants, 40 days known", reference(options.seed)),
    ):
        measured = list(rolling(series, others))
        print(f"{title}; seed {options.seed}. MAPE of the month's total at one third, in percent; coverage.\n")
        print("\n".join(table(measured)), end="\n\n")
        print("\n".join(by_method(measured)), end="\n\n")
        figures[title] = {"coverage": coverage(measured), "errors": errors(measured), "below": below_linear(measured)}
    if not options.no_speed:
        figures["speed"] = {"seconds": speed(), "megabytes": memory()}
        print("1 000 series of 400 days: {seconds:.1f} s of one core, {megabytes:.0f} MB".format(**figures["speed"]))
    if options.json:
        Path(options.json).write_text(json.dumps(figures, indent=1))


if __name__ == "__main__":
    main()
