"""What an interval's figure should be, from those before it: a level, its trend, the week's shape, and their noise.

All in logarithms, so that twice is as far from the usual for small series as for large. The level and every part of the
week's shape are normal guesses with a variance; an observation moves each by its share of the doubt (a Kalman filter
without covariances: Durbin & Koopman, Time Series Analysis by State Space Methods, 2012, chapter 4). So a new series
begins as unsure as its prior, and a slot that has never been seen judges nobody. What lies further away than `CLIP`
standard deviations moves no more than that (Huber's psi), and what is an anomaly moves nothing.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from datetime import date
from typing import Final, NamedTuple

from tollkeeper.insight.robust import median, quantile
from tollkeeper.insight.series import Step

CLIP: Final = 2.0
_SD_CLIP: Final = 2.5
_SD_SHARE: Final = 0.97756
"""What is left of a normal variance when squares are cut at `_SD_CLIP` standard deviations."""

WORKING_DAYS: Final = 5
_HOURS: Final = 9


class Prior(NamedTuple):
    """What is thought of a series before anything is known of it, in logarithms.

    `sd` is the noise of an interval. `week` is the effect of each weekday from Monday on and `week_sd` how far series
    differ in it; `hours` is the effect of each hour, of working days and then of weekends, 48 in all.
    """

    sd: float
    week: tuple[float, ...]
    week_sd: tuple[float, ...]
    weekend_sd: tuple[float, float] = (0.01, 1.0)
    hours: tuple[float, ...] = (0.0,) * 48
    hours_sd: float = 1.0


UNKNOWN: Final = Prior(0.3, (0.0,) * 5 + (-0.7,) * 2, (0.15,) * 7)
"""Nothing but that weekends are often quieter."""


class Pace(NamedTuple):
    """How fast the baseline follows: the steady gains of level, trend and slots, and the memory of the noise."""

    level: float
    trend: float
    slot: float
    memory: float
    prior_weight: float
    correlation_memory: float


PACES: Final[dict[Step, Pace]] = {
    "day": Pace(0.1, 0.01, 0.1, 60, 8, 60),
    "hour": Pace(0.015, 0.0, 0.05, 24 * 28, 12, 24 * 14),
}
LEAST_POOLED: Final = 5
_LEAST_WEEK_SD: Final = 0.1
_CAUTIOUS: Final = 0.7
"""A new series is taken to be noisier than so many of the others: too little noise would be false news."""
_OWN_HOUR_SD: Final = 0.08
"""How far an hour of a certain weekday is from that hour of all working days (or of all of a weekend)."""
_MOST_CORRELATED: Final = 0.8
_SLOT_PRIOR: Final[dict[Step, float]] = {"day": 60.0, "hour": 30.0}
"""As if so many intervals of each weekday, or hour, had been seen to be as noisy as all the others."""


class Slots(NamedTuple):
    """Which parts of the week's shape an interval has.

    `shared` is the one by which its noise and its zeros are told: the weekday, or the hour of working days or weekends.
    """

    shared: int
    parts: tuple[int, ...]


def _of_hour(weekday: int, hour: int) -> Slots:
    weekend = 1 if weekday >= WORKING_DAYS else 0
    of_day = _HOURS + 24 * weekend + hour
    return Slots(of_day, (weekday, of_day, _HOURS + 48 + weekday * 24 + hour, 7 + weekend))


_SLOTS_OF_DAYS: Final = tuple(Slots(day, (day, 8 if day >= WORKING_DAYS else 7)) for day in range(7))
_SLOTS_OF_HOURS: Final = tuple(tuple(_of_hour(day, hour) for hour in range(24)) for day in range(7))


class Expectation(NamedTuple):
    """The logarithm of what is expected, and how far from it a figure may well be."""

    centre: float
    sd: float


class Baseline:
    """Learns one series, interval after interval; only ever from the past."""

    def __init__(self, step: Step, prior: Prior = UNKNOWN, least_sd: float = 0.1) -> None:
        self._hourly = step == "hour"
        self._pace = PACES[step]
        self._prior = prior
        self._least = least_sd
        self.level: float | None = None
        self._level_variance = 0.0
        self._trend = 0.0
        self._effects = [*prior.week, 0.0, 0.0]
        self._variances = [each * each for each in (*prior.week_sd, *prior.weekend_sd)]
        if self._hourly:
            self._effects += [*prior.hours, *([0.0] * 168)]
            self._variances += [prior.hours_sd**2] * 48 + [_OWN_HOUR_SD**2] * 168
        self._seen = [0] * len(self._effects)
        self._squares = self._weight = 0.0
        self._sd = max(prior.sd, least_sd)
        self._even = _SLOT_PRIOR[step]
        noises = 24 if self._hourly else 7
        self._noise_squares, self._noise_weights = [self._even] * noises, [self._even] * noises
        self._products = self._product_weight = 0.0
        self._before = 0.0

    @property
    def sd(self) -> float:
        """The noise of an interval."""
        return self._sd

    @property
    def profile(self) -> Prior:
        """What a series like this one would best begin with."""
        week = [self._effects[day] + self._effects[8 if day >= WORKING_DAYS else 7] for day in range(7)]
        hours = self._effects[_HOURS : _HOURS + 48] if self._hourly else [0.0] * 48
        return Prior(self._sd, _centred(week), (0.0,) * 7, (0.0, 0.0), _centred(hours), 0.0)

    def slots(self, day: date, hour: int) -> Slots:
        """Its weekday, and whether that is one of the weekend; its hour, and that hour of that weekday."""
        weekday = day.weekday()
        return _SLOTS_OF_HOURS[weekday][hour] if self._hourly else _SLOTS_OF_DAYS[weekday]

    def expect(self, slots: Slots, noise: float = 1.0) -> Expectation | None:
        """What is expected in these slots; `noise` is how much noisier than others the interval is. `None`: unknown."""
        if self.level is None:
            return None
        centre = self.level + self._trend + self._correlation * self._before
        doubt = self._level_variance
        for slot in slots.parts:
            centre += self._effects[slot]
            doubt += self._variances[slot]
        return Expectation(centre, math.sqrt(doubt + self._own_variance(slots) * noise * noise))

    def learn(self, slots: Slots, value: float, noise: float = 1.0, expectation: Expectation | None = None) -> None:
        """Takes in the logarithm of a figure that is no anomaly; what was expected of it may be given again."""
        if self.level is None:
            self.level = value - sum(self._effects[slot] for slot in slots.parts)
            self._level_variance = self._sd**2 + sum(self._variances[slot] for slot in slots.parts)
            self._count(slots)
            return
        centre, sd = expectation or self.expect(slots, noise) or (value, 1.0)
        off = value - centre
        novel = min(self._seen[slot] for slot in slots.parts[:2]) < 2
        bound = sd * (6.0 if novel else CLIP)
        self._move(slots, min(max(off, -bound), bound), sd * sd)
        if not novel:
            self._learn_noise(slots, off, sd, noise)
        self._count(slots)

    def skip(self) -> None:
        """An interval of which nothing is learned: doubt grows, and the one before says nothing of the next."""
        self._before = 0.0
        if self.level is not None:
            self._level_variance += self._drift(self._pace.level) * self._sd**2

    def adopt(self, slots_and_values: list[tuple[Slots, float]]) -> None:
        """Takes the middle of these figures for the level: it has shifted."""
        found = sorted(value - sum(self._effects[slot] for slot in slots.parts) for slots, value in slots_and_values)
        self.level = found[len(found) // 2]
        self._level_variance = self._sd**2
        self._trend = self._before = 0.0

    def absorb(self, slot: int, off: float) -> None:
        """Takes a distance for the slot's own: the week's shape has changed."""
        self._effects[slot] += off
        self._variances[slot] += self._sd**2

    def _own_variance(self, slots: Slots) -> float:
        place = self._noise_place(slots)
        return self._sd**2 * self._noise_squares[place] / self._noise_weights[place]

    def _noise_place(self, slots: Slots) -> int:
        return (slots.shared - _HOURS) % 24 if self._hourly else slots.shared

    @property
    def _correlation(self) -> float:
        """How much of the distance of one interval is still there in the next; none, until that is sure."""
        found = self._products / (self._product_weight + 20)
        return min(max(found, 0.0), _MOST_CORRELATED)

    def _count(self, slots: Slots) -> None:
        for slot in slots.parts:
            self._seen[slot] += 1

    @staticmethod
    def _drift(gain: float) -> float:
        """The variance by which what is followed moves, in variances of the noise, for this steady gain."""
        return gain * gain / (1 - gain)

    def _move(self, slots: Slots, off: float, variance: float) -> None:
        pace, noise = self._pace, self._sd**2
        assert self.level is not None
        gain = self._level_variance / variance
        self.level += self._trend + gain * off
        self._trend = 0.99 * (self._trend + pace.trend * gain * off)
        self._level_variance = self._level_variance * (1 - gain) + self._drift(pace.level) * noise
        for slot in slots.parts:
            gain = self._variances[slot] / variance
            self._effects[slot] += gain * off
            self._variances[slot] = self._variances[slot] * (1 - gain) + self._drift(pace.slot) * noise * 0.5

    def _learn_noise(self, slots: Slots, off: float, sd: float, noise: float) -> None:
        pace, score = self._pace, off / sd
        place = self._noise_place(slots)
        square = min(score * score, _SD_CLIP**2) / _SD_SHARE
        relative = math.sqrt(self._noise_squares[place] / self._noise_weights[place])
        told = (self._own_variance(slots) * noise * noise / (sd * sd)) ** 2
        keep = 1 - told / pace.memory
        own = self._sd * self._sd * square
        self._squares, self._weight = keep * self._squares + told * own, keep * self._weight + told
        prior = pace.prior_weight
        found = (prior * self._prior.sd**2 + self._squares) / (prior + self._weight)
        self._sd = max(math.sqrt(found), self._least)
        self._learn_place(place, square * relative * relative, told)
        whole = off + self._correlation * self._before
        limit = CLIP * sd
        whole = min(max(whole, -limit), limit)
        keep = 1 - 1 / pace.correlation_memory
        self._products = keep * self._products + whole * self._before / (sd * sd)
        self._product_weight = keep * self._product_weight + 1
        self._before = whole

    def _learn_place(self, place: int, square: float, told: float) -> None:
        """Neighbouring hours share what they learn: there are few observations of each."""
        keep, even = 1 - 1 / 60, self._even
        count = len(self._noise_squares)
        near = (
            ((place, 1.0), ((place - 1) % count, 0.5), ((place + 1) % count, 0.5)) if self._hourly else ((place, 1.0),)
        )
        for each, part in near:
            weight = part * told
            kept = 1 - (1 - keep) * weight
            self._noise_squares[each] = kept * (self._noise_squares[each] - even) + weight * square + even
            self._noise_weights[each] = kept * (self._noise_weights[each] - even) + weight + even


def _centred(values: Sequence[float]) -> tuple[float, ...]:
    middle = sum(values) / len(values)
    return tuple(each - middle for each in values)


def pooled(profiles: Sequence[Prior]) -> Prior:
    """What to think of a new series, from what others have shown; without others, `UNKNOWN`."""
    if len(profiles) < LEAST_POOLED:
        return UNKNOWN
    week = tuple(_middle([each.week[day] for each in profiles]) for day in range(7))
    offs = [[each.week[day] - week[day] for day in range(7)] for each in profiles]
    weekends = [sum(each[WORKING_DAYS:]) / 2 - sum(each[:WORKING_DAYS]) / WORKING_DAYS for each in offs]
    own = [
        off - (weekend if day >= WORKING_DAYS else 0.0)
        for each, weekend in zip(offs, weekends, strict=True)
        for day, off in enumerate(each)
    ]
    hours = tuple(_middle([each.hours[hour] for each in profiles]) for hour in range(48))
    of_hours = [each.hours[hour] - hours[hour] for each in profiles for hour in range(48)]
    return Prior(
        quantile([each.sd for each in profiles], _CAUTIOUS) or UNKNOWN.sd,
        week,
        (max(_root_mean_square(own), _LEAST_WEEK_SD),) * 7,
        (UNKNOWN.weekend_sd[0], max(_root_mean_square(weekends), _LEAST_WEEK_SD)),
        hours,
        max(_root_mean_square(of_hours), _OWN_HOUR_SD),
    )


def _middle(values: list[float]) -> float:
    return median(values) or 0.0


def _root_mean_square(values: list[float]) -> float:
    return math.sqrt(sum(each * each for each in values) / len(values))
