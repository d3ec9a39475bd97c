"""Synthetic spend, error rates and latencies in which it is known what is wrong: what `anomalies.py` measures on.

The shapes are of people's spend as the issue trackers of gateways and billing pages describe it, and were written down
before the detector was tuned. A generator gives one series without anomalies, in dollars; `contaminate` puts some in.
All noise is lognormal; `sd` is of the logarithm.

`tolerated` are intervals of which nothing is asked: a launch's or a shift's first week, the first month's billing run,
holidays. Whoever is told of them was told rightly, and who is not has missed nothing that we count.
"""

from __future__ import annotations

import csv
import math
from collections.abc import Callable, Iterator, Sequence
from datetime import datetime
from functools import cache
from pathlib import Path
from random import Random
from typing import NamedTuple
from zoneinfo import ZoneInfo

from tollkeeper.insight.series import Calendar, Metric, Series, Step, calendar

NANO = 1_000_000_000
ZONE = "Europe/Berlin"
FIRST_DAY = datetime(2025, 9, 1, tzinfo=ZoneInfo(ZONE))
"""A Monday; clocks go back in its eighth week."""
CONTAMINATED = 0.02
MATERIAL = {"day": 5.0, "hour": 1.0}
"""Dollars: an excess of less is no anomaly that anybody would want to be told of."""
TOLERATED_DAYS = 7


class Clean(NamedTuple):
    """A series as it would be if nothing went wrong; `typical` is what an all-knowing observer would expect.

    `sds` are the standard deviations of the logarithms around that.
    """

    values: list[float]
    typical: list[float]
    sds: list[float]
    tolerated: frozenset[int] = frozenset()


class Labelled(NamedTuple):
    """A series, the events in it (spans of indices, the last not included), and what is tolerated.

    `noise` is how many standard deviations each logarithm is off what is typical, events included.
    """

    series: Series
    events: tuple[tuple[int, int], ...]
    tolerated: frozenset[int]
    typical: list[float]
    noise: tuple[float, ...]


class Shape(NamedTuple):
    """A kind of series: how one is made, in which steps, how long, and how many of them are looked at for a seed."""

    name: str
    make: Callable[[Random, Calendar], Clean]
    step: Step = "day"
    days: int = 180
    count: int = 60
    metric: Metric = "spend"
    only_material: bool = True


@cache
def days_of(days: int, step: Step) -> Calendar:
    """The intervals of so many days from the first one on."""
    start = int(FIRST_DAY.timestamp()) * NANO
    return calendar(start, start + days * 86_400 * NANO, step, ZONE)


def _noise(draw: Random, sd: float) -> float:
    return math.exp(draw.gauss(0, sd))


def _between(draw: Random, low: float, high: float) -> float:
    """Log-uniform: as many from 10 to 20 as from 100 to 200."""
    return math.exp(draw.uniform(math.log(low), math.log(high)))


def _poisson(draw: Random, mean: float) -> int:
    if mean > 50:
        return max(0, round(draw.gauss(mean, math.sqrt(mean))))
    count, left = 0, math.exp(-mean)
    product = draw.random()
    while product > left:
        count += 1
        product *= draw.random()
    return count


def _sd_of_sum(sd: float, count: float) -> float:
    """Of the logarithm of a sum of so many (on average) lognormal figures; roughly, where they are few."""
    return math.sqrt(math.log1p(math.exp(sd * sd) / count))


def _noisy(draw: Random, typical: Sequence[float], sd: float, tolerated: Sequence[int] = ()) -> Clean:
    return Clean(
        [each * _noise(draw, sd) for each in typical], list(typical), [sd] * len(typical), frozenset(tolerated)
    )


def _week(draw: Random, weekend: tuple[float, float]) -> list[float]:
    working = [_noise(draw, 0.1) for _ in range(5)]
    return [*working, draw.uniform(*weekend), draw.uniform(*weekend)]


# Days


def reference(draw: Random, days: Calendar) -> Clean:
    """Weekday pattern, no growth, much noise: in it other systems' rules find what they were once measured to find.

    Three times the mean of 7 days, from $10 on, found 16, 42 and 65 % of 2, 3 and 5 times the usual, and was wrong 0.13
    times in 100 days; median + 3.5 deviations found 23, 51 and 70 %, and was wrong 0.30 times.
    """
    week = [1.0] * 5 + [draw.uniform(0.2, 0.4)] * 2
    level = _between(draw, 5, 200)
    return _noisy(draw, [level * week[day.weekday()] for day in days.dates], draw.uniform(0.2, 0.4))


def growing(draw: Random, days: Calendar) -> Clean:
    """A product that grows by up to 10 % a week."""
    week, level, rate = _week(draw, (0.3, 0.8)), _between(draw, 20, 2000), draw.uniform(0, 0.1) / 7
    typical = [level * week[day.weekday()] * math.exp(rate * index) for index, day in enumerate(days.dates)]
    return _noisy(draw, typical, draw.uniform(0.12, 0.3))


def office(draw: Random, days: Calendar) -> Clean:
    """Customers' office days: flat, next to nothing at weekends, and on some holidays."""
    week, level = _week(draw, (0.05, 0.2)), _between(draw, 20, 2000)
    holidays = {index for index in range(len(days.dates)) if draw.random() < 0.02 and days.dates[index].weekday() < 5}
    typical = [level * week[6 if index in holidays else day.weekday()] for index, day in enumerate(days.dates)]
    return _noisy(draw, typical, draw.uniform(0.1, 0.25), sorted(holidays))


def sparse(draw: Random, days: Calendar) -> Clean:
    """Batch jobs that somebody starts: 35 % of the days have none."""
    level = _between(draw, 10, 300)
    return _noisy(draw, [level * (draw.random() > 0.35) for _ in days.dates], draw.uniform(0.2, 0.4))


def bursty(draw: Random, days: Calendar) -> Clean:
    """Few users who do very different amounts (lognormal, sd 1.2), and more of them in some weeks than in others."""
    week, users, each = _week(draw, (0.4, 0.9)), _between(draw, 40, 400), _between(draw, 0.3, 3)
    values, typical, mood = [], [], 0.0
    for day in days.dates:
        mood = 0.7 * mood + draw.gauss(0, 0.1)
        expected = users * week[day.weekday()] * math.exp(mood)
        values.append(sum(each * _noise(draw, 1.2) for _ in range(_poisson(draw, expected))))
        typical.append(expected * each * math.exp(0.72))
    return Clean(values, typical, [_sd_of_sum(1.2, value / (each * math.exp(0.72))) for value in typical])


def billing(draw: Random, days: Calendar) -> Clean:
    """A run on each month's first day, or its first working day, of two to four times the usual day."""
    week, level, times = _week(draw, (0.3, 0.8)), _between(draw, 20, 2000), draw.uniform(2, 4)
    working = draw.random() < 0.5
    runs, months = [], set()
    for index, day in enumerate(days.dates):
        if (day.year, day.month) not in months and (not working or day.weekday() < 5):
            months.add((day.year, day.month))
            runs.append(index)
    typical = [
        level * week[day.weekday()] + level * (times - 1) * (index in runs) for index, day in enumerate(days.dates)
    ]
    return _noisy(draw, typical, draw.uniform(0.12, 0.25), [run for run in runs if run < 45])


def shifting(draw: Random, days: Calendar) -> Clean:
    """Levels that change for good, at once or within five days, up to four times or down to less than a half."""
    week, level, now = _week(draw, (0.3, 0.8)), _between(draw, 50, 2000), 1.0
    typical, tolerated, towards, steps = [], [], 1.0, 1
    shifts = {draw.randrange(40, 100), draw.randrange(110, 170)}
    for index, day in enumerate(days.dates):
        if index in shifts:
            towards, steps = (
                now * draw.choice((_between(draw, 2, 4), 1 / _between(draw, 1.5, 2.5))),
                draw.choice((1, 5)),
            )
            rate = (towards / now) ** (1 / steps)
            tolerated += range(index, index + TOLERATED_DAYS + steps - 1)
        if now != towards:
            now = towards if abs(math.log(towards / now)) < 1e-6 else now * rate
        typical.append(level * week[day.weekday()] * now)
    return _noisy(draw, typical, draw.uniform(0.12, 0.25), tolerated)


# Hours


def _day_shape(draw: Random, night: float) -> list[float]:
    peak = draw.uniform(12, 17)
    return [night + (1 - night) * math.exp(-(((hour - peak + 12) % 24 - 12) ** 2) / 32) for hour in range(24)]


def hourly_traffic(draw: Random, hours: Calendar) -> Clean:
    """People's days: a peak in the afternoon, some at night, less at weekends, growing slowly."""
    shape, week = _day_shape(draw, draw.uniform(0.05, 0.2)), _week(draw, (0.3, 0.8))
    level, rate = _between(draw, 5, 200), draw.uniform(0, 0.05) / 168
    moments = enumerate(zip(hours.dates, hours.hours, strict=True))
    typical = [level * shape[hour] * week[day.weekday()] * math.exp(rate * index) for index, (day, hour) in moments]
    return _noisy(draw, typical, draw.uniform(0.15, 0.35))


def hourly_office(draw: Random, hours: Calendar) -> Clean:
    """From 8 to 18, with a lunch break, and next to nothing at night and at weekends."""
    level, idle = _between(draw, 5, 200), draw.uniform(0.01, 0.05)
    shape = [idle] * 8 + [0.6, 1, 1, 1, 0.6, 0.9, 1, 1, 0.9, 0.6] + [idle] * 6
    typical = [
        level * (shape[hour] if day.weekday() < 5 else idle) for day, hour in zip(hours.dates, hours.hours, strict=True)
    ]
    return _noisy(draw, typical, draw.uniform(0.15, 0.35))


def hourly_sparse(draw: Random, hours: Calendar) -> Clean:
    """Jobs that come whenever: in 35 % of the hours nothing runs."""
    level = _between(draw, 3, 60)
    return _noisy(draw, [level * (draw.random() > 0.35) for _ in hours.starts], draw.uniform(0.2, 0.35))


def hourly_nightly(draw: Random, hours: Calendar) -> Clean:
    """A job each night, on working days, for three hours, and a little at all other times."""
    level, begins, idle = _between(draw, 10, 200), draw.randrange(0, 5), draw.uniform(0.02, 0.1)
    typical = [
        level * (1 if begins <= hour < begins + 3 and day.weekday() < 5 else idle)
        for day, hour in zip(hours.dates, hours.hours, strict=True)
    ]
    return _noisy(draw, typical, draw.uniform(0.12, 0.3))


def hourly_bursty(draw: Random, hours: Calendar) -> Clean:
    """Calls of very different size (lognormal, sd 1), some hundred at the peak, few at night, in waves of hours."""
    shape, week = _day_shape(draw, draw.uniform(0.1, 0.3)), _week(draw, (0.4, 0.9))
    calls, each = _between(draw, 100, 800), _between(draw, 0.02, 0.2)
    values, typical, mood = [], [], 0.0
    for day, hour in zip(hours.dates, hours.hours, strict=True):
        mood = 0.8 * mood + draw.gauss(0, 0.1)
        expected = calls * shape[hour] * week[day.weekday()] * math.exp(mood)
        values.append(sum(each * _noise(draw, 1) for _ in range(_poisson(draw, expected))))
        typical.append(expected * each * math.exp(0.5))
    return Clean(values, typical, [_sd_of_sum(1.0, value / (each * math.exp(0.5))) for value in typical])


def hourly_shifting(draw: Random, hours: Calendar) -> Clean:
    """As traffic, and one day a launch or a new model changes the level for good."""
    clean, shift = hourly_traffic(draw, hours), draw.randrange(18 * 24, 32 * 24)
    times = draw.choice((_between(draw, 2, 4), 1 / _between(draw, 1.5, 2.5)))
    change = [times if index >= shift else 1.0 for index in range(len(clean.values))]
    values, typical = ([a * b for a, b in zip(each, change, strict=True)] for each in clean[:2])
    return Clean(values, typical, clean.sds, frozenset(range(shift, shift + TOLERATED_DAYS * 24)))


# What is no money


def latency(draw: Random, hours: Calendar) -> Clean:
    """Seconds for a call; slower when more is asked."""
    shape, level = _day_shape(draw, 0.7), _between(draw, 0.5, 10)
    return _noisy(draw, [level * shape[hour] for hour in hours.hours], draw.uniform(0.08, 0.2))


SHAPES: tuple[Shape, ...] = (
    Shape("reference", reference, days=60, count=150, only_material=False),
    Shape("growing", growing),
    Shape("office", office),
    Shape("sparse", sparse),
    Shape("bursty", bursty, count=30),
    Shape("billing", billing),
    Shape("shifting", shifting),
    Shape("hourly traffic", hourly_traffic, "hour", 56, 12),
    Shape("hourly office", hourly_office, "hour", 56, 12),
    Shape("hourly sparse", hourly_sparse, "hour", 56, 12),
    Shape("hourly nightly", hourly_nightly, "hour", 56, 12),
    Shape("hourly bursty", hourly_bursty, "hour", 56, 8),
    Shape("hourly shifting", hourly_shifting, "hour", 56, 12),
    Shape("hourly latency", latency, "hour", 56, 12, "latency", only_material=False),
)


def realistic(draw: Random) -> float:
    """From three to ten times the usual, log-uniform."""
    return _between(draw, 3, 10)


def contaminate(
    draw: Random,
    shape: Shape,
    clean: Clean,
    times: Callable[[Random], float] = realistic,
    *,
    share: float = CONTAMINATED,
    weekends: bool = False,
) -> Labelled:
    """Puts events in: of one day, or of one to four hours; none within a tolerated span, or beside another event."""
    days = days_of(shape.days, shape.step)
    values, events, index = list(clean.values), [], 0
    hourly = shape.step == "hour"
    chance = share * (7 / 2 if weekends else 1) / (2 if hourly else 1)
    while index < len(values):
        long = min(4, 1 + int(draw.expovariate(1))) if hourly else 1
        span = range(index, min(index + long, len(values)))
        if draw.random() < chance and not (weekends and days.dates[index].weekday() < 5):
            factor = times(draw)
            excess = min(abs(values[each] * (factor - 1)) for each in span)
            if clean.tolerated.isdisjoint(span) and excess >= (MATERIAL[shape.step] if shape.only_material else 1e-9):
                for each in span:
                    values[each] *= factor
                events.append((span.start, span.stop))
                index = span.stop
        index += 1
    money = shape.metric == "spend"
    counted = [round(each * NANO) for each in values] if money else values
    calls = [math.ceil(value * 100) if money else 200 for value in clean.values]
    series = Series(*days, tuple(counted), tuple(calls))
    noise = tuple(map(_distance, values, clean.typical, clean.sds))
    return Labelled(series, tuple(events), clean.tolerated, clean.typical, noise)


def _distance(value: float, typical: float, sd: float) -> float:
    return math.log(value / typical) / sd if value > 0 and typical > 0 else 0.0


def labelled(shape: Shape, seed: int, count: int | None = None, **how: object) -> Iterator[Labelled]:
    """So many series of a shape; the same for a seed, whatever is put in."""
    days = days_of(shape.days, shape.step)
    for index in range(count or shape.count):
        clean = shape.make(Random(f"{shape.name} {seed} {index}"), days)
        yield contaminate(Random(f"events {seed} {index}"), shape, clean, **how)  # type: ignore[arg-type]


FAILING = Shape("failing", lambda draw, hours: Clean([], [], []), "hour", 56, 20, "error_rate", only_material=False)
"""Shares of calls that fail: `failing` makes them, as what is put in is no multiple of what there was."""
FEWEST_CALLS = 20


def failing(seed: int, count: int = FAILING.count) -> Iterator[Labelled]:
    """From 3 to 3 000 calls an hour, 0.3 to 3 % of which fail, some hours more; in 1 % of the hours 15 to 60 % do.

    Of those with fewer than `FEWEST_CALLS` nothing is asked.
    """
    hours = days_of(FAILING.days, "hour")
    for index in range(count):
        draw = Random(f"failing {seed} {index}")
        usual, busy = _between(draw, 0.003, 0.03), _between(draw, 3, 3000)
        calls = [_poisson(draw, busy * (1 if 8 <= hour < 20 else 0.3)) for hour in hours.hours]
        bad = {at for at in range(len(calls)) if draw.random() < 0.01}
        typical = [usual * _noise(draw, 0.3) for _ in calls]
        chances = [draw.uniform(0.15, 0.6) if at in bad else each for at, each in enumerate(typical)]
        failed = [
            sum(draw.random() < chance for _ in range(number)) for number, chance in zip(calls, chances, strict=True)
        ]
        rates = [each / number if number else None for each, number in zip(failed, calls, strict=True)]
        told = tuple((at, at + 1) for at in sorted(bad) if calls[at] >= FEWEST_CALLS)
        few = frozenset(at for at in bad if calls[at] < FEWEST_CALLS)
        noise = tuple(0.0 for _ in calls)
        yield Labelled(Series(*hours, tuple(rates), tuple(calls)), told, few, typical, noise)


def real(path: Path, seed: int) -> Iterator[Labelled]:
    """Events put into a series of hours from a file, six times over."""
    with path.open(newline="") as file:
        rows = [row[-1] for row in csv.reader(file)]
    values = [float(each) for each in rows if each.replace(".", "", 1).replace("-", "", 1).isdigit()]
    days = len(values) // 24
    shape = Shape("real", _unmade, "hour", days, 1, "latency", only_material=False)
    whole = values[: len(days_of(days, "hour").starts)]
    whole += whole[-24:][: len(days_of(days, "hour").starts) - len(whole)]
    for again in range(6):
        yield contaminate(Random(f"real {seed} {again}"), shape, Clean(whole, whole, [1.0] * len(whole)))


def _unmade(draw: Random, days: Calendar) -> Clean:
    raise AssertionError("a real series is not made")
