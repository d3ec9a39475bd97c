"""Planned calls over simulated time: who calls what, when, and how much. Pure: a seed decides everything.

    quiet = traffic(daily(low=0.2, high=2.0), seed=1, seconds=DAY)
    loop = runaway(Caller("acme", "u-17", "agent"), seed=1, starts=10 * HOUR, seconds=20 * MINUTE)
    for call in merge(quiet, loop): ...

A `Shape` says how many calls a second there are at each moment; shapes add up and multiply. A `Population` says whose
they are. `merge` puts several plans into one, in order of time.
"""

from __future__ import annotations

import heapq
import math
import random
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from itertools import accumulate
from typing import NamedTuple

MINUTE, HOUR, DAY = 60.0, 3600.0, 86400.0
SPREAD = 0.6
"""How unlike the calls of one feature are in size: the sigma of a log-normal distribution."""


@dataclass(frozen=True, slots=True)
class PlannedCall:
    """One call to be made `at_seconds` after the beginning."""

    at_seconds: float
    tenant: str
    user: str
    feature: str
    provider: str
    model: str
    input_tokens: int
    output_tokens: int
    stream: bool


class Caller(NamedTuple):
    tenant: str
    user: str
    feature: str


@dataclass(frozen=True, slots=True)
class Feature:
    """What a program uses a model for. The token counts are medians; `models` (`provider/name`) have weights."""

    weight: float
    input_tokens: int
    output_tokens: int
    models: Mapping[str, float]
    stream_share: float = 0.0


FEATURES: Mapping[str, Feature] = {
    "chat": Feature(5, 900, 250, {"openai/gpt-4o-mini": 3, "anthropic/claude-haiku-4-5": 1}, stream_share=0.9),
    "summary": Feature(2, 4000, 300, {"openai/gpt-4o-mini": 2, "gemini/gemini-2.5-flash": 1}),
    "agent": Feature(1, 8000, 700, {"anthropic/claude-sonnet-4-5": 2, "openai/gpt-5": 1}, stream_share=0.5),
    "extract": Feature(3, 1500, 80, {"openai/gpt-4.1-nano": 3, "ollama/llama3.2": 1}),
}


@dataclass(frozen=True, slots=True)
class Population:
    """Tenants by weight; each has this many users, of whom the first calls most."""

    tenants: Mapping[str, float] = field(default_factory=lambda: {"acme": 6.0, "globex": 3.0, "initech": 1.0})
    users: int = 20
    features: Mapping[str, Feature] = field(default_factory=lambda: FEATURES)


@dataclass(frozen=True, slots=True)
class Shape:
    """`rate` gives the calls a second at a moment, which never are more than `peak`."""

    rate: Callable[[float], float]
    peak: float

    def __add__(self, other: Shape) -> Shape:
        return Shape(lambda at: self.rate(at) + other.rate(at), self.peak + other.peak)

    def __mul__(self, factor: float) -> Shape:
        return Shape(lambda at: self.rate(at) * factor, self.peak * factor)


def steady(rate: float) -> Shape:
    return Shape(lambda at: rate, rate)


def daily(low: float, high: float, peak_hour: float = 14.0, weekend: float = 0.3) -> Shape:
    """A day's rise and fall. Time begins on a Monday at midnight; of the weekend's calls only a share is made."""

    def rate(at: float) -> float:
        wave = (1 + math.cos(2 * math.pi * (at - peak_hour * HOUR) / DAY)) / 2
        is_weekend = at // DAY % 7 >= 5
        return (low + (high - low) * wave) * (weekend if is_weekend else 1.0)

    return Shape(rate, max(low, high) * max(1.0, weekend))


def spikes(height: float, every: float = 6 * HOUR, seconds: float = 5 * MINUTE, first: float = HOUR) -> Shape:
    """Nothing, and for some time at regular intervals very much."""
    return Shape(lambda at: height if at >= first and (at - first) % every < seconds else 0.0, height)


def ramp(low: float, high: float, seconds: float) -> Shape:
    """Growth from one rate to another, where it stays."""
    return Shape(lambda at: low + (high - low) * min(1.0, at / seconds), max(low, high))


def between(start: float, end: float, shape: Shape) -> Shape:
    """A shape that is there for a while only."""
    return Shape(lambda at: shape.rate(at) if start <= at < end else 0.0, shape.peak)


SHAPES: Mapping[str, Shape] = {
    "steady": steady(1.0),
    "daily": daily(low=0.1, high=2.0),
    "spikes": daily(low=0.1, high=1.0) + spikes(height=10.0),
    "ramp": ramp(low=0.1, high=5.0, seconds=DAY),
}
"""For who wants to name one."""


def traffic(
    shape: Shape, seed: int, seconds: float = DAY, population: Population | None = None, start: float = 0.0
) -> Iterator[PlannedCall]:
    """Calls that arrive independently of each other, as often as the shape says."""
    chance = random.Random(seed)
    draw = _drawer(population or Population(), chance)
    at = start
    while shape.peak > 0:
        # Candidates come at the peak's rate; as many are dropped as the shape is below it.
        at += chance.expovariate(shape.peak)
        if at >= start + seconds:
            return
        if chance.random() * shape.peak < shape.rate(at):
            yield draw(at)


def runaway(
    caller: Caller,
    seed: int,
    starts: float = 0.0,
    seconds: float = HOUR,
    pause: float = 2.0,
    model: str = "anthropic/claude-sonnet-4-5",
    window: int = 150_000,
) -> Iterator[PlannedCall]:
    """An agent that does not stop: each call follows the last one, and reads all that was said before."""
    chance = random.Random(seed)
    provider, _, name = model.partition("/")
    at, read = starts, 2000
    while at < starts + seconds:
        written = _size(chance, 400)
        yield PlannedCall(at, *caller, provider, name, read, written, stream=False)
        read = min(window, read + written + _size(chance, 300))
        at += pause * chance.uniform(0.5, 1.5)


def merge(*plans: Iterator[PlannedCall]) -> Iterator[PlannedCall]:
    """Several plans as one, in order of time."""
    return heapq.merge(*plans, key=lambda call: call.at_seconds)


def _drawer(population: Population, chance: random.Random) -> Callable[[float], PlannedCall]:
    """What draws one call, its weights added up beforehand."""
    tenants, tenant_weights = _weighed(population.tenants)
    features, feature_weights = _weighed({name: feature.weight for name, feature in population.features.items()})
    models = {name: _weighed(feature.models) for name, feature in population.features.items()}
    users, user_weights = _weighed({f"u-{number}": 1 / number for number in range(1, population.users + 1)})

    def draw(at: float) -> PlannedCall:
        tenant = chance.choices(tenants, cum_weights=tenant_weights)[0]
        user = chance.choices(users, cum_weights=user_weights)[0]
        name = chance.choices(features, cum_weights=feature_weights)[0]
        feature = population.features[name]
        provider, _, model = chance.choices(models[name][0], cum_weights=models[name][1])[0].partition("/")
        return PlannedCall(
            at,
            tenant,
            f"{tenant}-{user}",
            name,
            provider,
            model,
            input_tokens=_size(chance, feature.input_tokens),
            output_tokens=_size(chance, feature.output_tokens),
            stream=chance.random() < feature.stream_share,
        )

    return draw


def _weighed(weights: Mapping[str, float]) -> tuple[list[str], list[float]]:
    return list(weights), list(accumulate(weights.values()))


def _size(chance: random.Random, median: int) -> int:
    return max(1, round(median * math.exp(chance.gauss(0.0, SPREAD))))
