"""What the demo's app will do: a working day of three tenants, in a few seconds, with its accidents."""

from __future__ import annotations

import random
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Literal

from tollkeeper.simulator.traffic import (
    DAY,
    HOUR,
    MINUTE,
    Caller,
    Feature,
    PlannedCall,
    Population,
    daily,
    merge,
    runaway,
    traffic,
)

CALLS_PER_SECOND = 12
"""On average, of real time: as much as two cores do without hurry."""

FEATURES: Mapping[str, Feature] = {
    "chat": Feature(5, 900, 250, {"openai/gpt-4o-mini": 3, "anthropic/claude-haiku-4-5": 1}, stream_share=0.9),
    "summary": Feature(2, 4000, 300, {"openai/gpt-4o-mini": 2, "anthropic/claude-sonnet-4-5": 1}),
    "agent": Feature(1, 8000, 700, {"anthropic/claude-sonnet-4-5": 2, "openai/gpt-5": 1}, stream_share=0.5),
    "extract": Feature(3, 1500, 80, {"openai/gpt-4.1-nano": 5, "openai/house-model-7b": 1}),
}
"""`house-model-7b` is on nobody's price list: it shows as unpriced, and never as $0."""

RUNAWAY = Caller("initech", "initech-u-7", "agent")
"""Whose agent does not stop."""

Surface = Literal["chat", "responses", "messages"]
Accident = Literal["rate limited", "abandoned", "cancelled", "cut off"]

ABANDONED_AFTER = 6
"""Chunks that are read of a stream before its reader leaves."""


@dataclass(frozen=True, slots=True)
class Job:
    """One call of the app, `at` so many seconds of real time after the beginning."""

    at: float
    call: PlannedCall
    surface: Surface
    is_async: bool
    accident: Accident | None = None

    def knobs(self) -> str:
        """How the simulator is to answer, as its header says it."""
        turned = {"output-tokens": self.call.output_tokens}
        if self.accident == "rate limited":
            return "status=429"
        if self.call.stream:
            pace: dict[str, float] = {"latency": 0.12, "chunks": 24, "chunk-delay": 0.015}
        else:
            pace = {"latency": min(1.2, 0.1 + self.call.output_tokens / 1500)}
        if self.accident == "cut off":
            pace["drop"] = 12
        elif self.accident in ("abandoned", "cancelled"):
            # However busy the host is, the reader is gone before the end: else the provider has handed out all of it.
            pace["stall"] = 2 * ABANDONED_AFTER
        return ",".join(f"{name}={value:g}" for name, value in {**turned, **pace}.items())


ACCIDENTS: tuple[tuple[float, Accident, Surface, str, bool], ...] = (
    (0.30, "rate limited", "chat", "gpt-4o-mini", False),
    (0.40, "abandoned", "messages", "claude-haiku-4-5", False),
    (0.50, "abandoned", "chat", "gpt-4o-mini", True),
    (0.60, "cut off", "chat", "gpt-4o-mini", False),
    (0.65, "rate limited", "messages", "claude-sonnet-4-5", True),
    (0.70, "cancelled", "messages", "claude-haiku-4-5", True),
)
"""At which part of the day, what, where, with which model, and whether in asynchronous code."""


def days(seconds: float, seed: int) -> Iterator[Job]:
    """Day after day, each in so many seconds."""
    number = 0
    while True:
        yield from day(seconds, seed, number)
        number += 1


def day(seconds: float, seed: int, number: int = 0) -> Iterator[Job]:
    """The jobs of one day, in order: ordinary traffic, an agent that has run away, and the accidents."""
    pace, start = seconds / DAY, number * DAY
    average = CALLS_PER_SECOND * pace
    ordinary = traffic(
        daily(low=0.4 * average, high=1.6 * average, weekend=1.0),
        seed + number,
        population=Population(features=FEATURES, users=8),
        start=start,
    )
    agent = runaway(RUNAWAY, seed + number, starts=start + 12 * HOUR, seconds=6 * HOUR, pause=5 * MINUTE, window=40_000)
    chance = random.Random(seed + number)
    jobs = (
        Job(call.at_seconds * pace, call, _surface(call), is_async=chance.random() < 0.5)
        for call in merge(ordinary, agent)
    )
    yield from _with_accidents(jobs, pace, start)


def _with_accidents(jobs: Iterator[Job], pace: float, start: float) -> Iterator[Job]:
    coming = [_accident(*each, pace=pace, start=start) for each in ACCIDENTS]
    for job in jobs:
        while coming and coming[0].at <= job.at:
            yield coming.pop(0)
        yield job
    yield from coming


def _accident(
    part: float, accident: Accident, surface: Surface, model: str, is_async: bool, *, pace: float, start: float
) -> Job:
    at = start + part * DAY
    provider = "anthropic" if surface == "messages" else "openai"
    stream = accident != "rate limited"
    call = PlannedCall(at, "globex", "globex-u-1", "chat", provider, model, 700, 200, stream)
    return Job(at * pace, call, surface, is_async, accident)


def _surface(call: PlannedCall) -> Surface:
    if call.provider == "anthropic":
        return "messages"
    return "responses" if call.feature == "agent" else "chat"
