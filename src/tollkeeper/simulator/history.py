"""Months of calls that were made and answered: what a ledger of a small company holds. Pure: a seed decides everything.

    for call in past(days=90, seed=1): ...       # the oldest first; it ends with an agent that does not stop

Time begins on a Monday at midnight, as in `traffic`. The company has what a ledger is read for: office hours and
weekends, growth, a launch, a night's batch, long prompts that are the same each time, one feature that two models
share, failures that are tried again, a day on which a customer imports all that it has, a model without a price.
"""

from __future__ import annotations

import heapq
import math
import random
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from typing import NamedTuple

from tollkeeper.simulator.traffic import (
    DAY,
    HOUR,
    MINUTE,
    Caller,
    Feature,
    PlannedCall,
    Population,
    Shape,
    between,
    daily,
    ramp,
    runaway,
    steady,
    traffic,
)

TENANTS = {"acme": 6.0, "globex": 3.0, "Müller & Søn": 1.0}
LOOPING = Caller("globex", "globex-u-7", "agent")
"""Whose agent does not stop, at the end."""
CACHE_SECONDS = 5 * MINUTE
"""For so long after its last use a prompt's beginning is read from the cache."""
RETRY_SECONDS = 3.0
SPIKE_DAYS = 16
"""So many days before the end a customer imports all that it has."""


class PastCall(NamedTuple):
    """One attempt, and what became of it. `duration` and `first_chunk` are in seconds; `error` is an error's type.

    The input of the call includes what was read from a cache, and what was written to it.
    """

    call: PlannedCall
    service: str
    session: str
    duration: float
    first_chunk: float | None = None
    cache_read: int = 0
    cache_write: int = 0
    finish: str = "stop"
    max_tokens: int | None = None
    status: int = 200
    error: str | None = None
    attempt: int = 1


@dataclass(frozen=True, slots=True)
class Strand:
    """One part of what the company does: when, with what, and how it is answered.

    `speed` is output tokens a second. Each call's input begins with the same `prefix` tokens; with `caches`, they come
    from a cache. A call fails, and is tried again, with the chance `failing`; a session has so many `steps` on average,
    of none where nobody waits for an answer: then a call is no user's, either.
    """

    service: str
    feature: Feature
    shape: Shape
    speed: float = 60.0
    prefix: int = 0
    caches: bool = False
    failing: float = 0.004
    max_tokens: int | None = None
    steps: int = 4
    tenants: Mapping[str, float] = field(default_factory=lambda: TENANTS)


def company(days: float) -> Mapping[str, Strand]:
    """What it does over so many days, by feature. Rates are calls a second: 0.001 is 86 a day."""
    grows = ramp(0.6, 1.4, days * DAY)
    office = daily(low=0.0, high=0.002, weekend=0.25)
    launched = between(0.6 * days * DAY, math.inf, daily(low=0.0, high=0.0012, weekend=0.4))
    at_night = Shape(lambda at: 0.008 if HOUR <= at % DAY < 4 * HOUR else 0.0, 0.008)
    mini, haiku, sonnet = "openai/gpt-4o-mini", "anthropic/claude-haiku-4-5", "anthropic/claude-sonnet-4-5"
    return {
        "chat": Strand(
            "web", Feature(1, 700, 350, {mini: 3, haiku: 1}, 0.9), _times(office, grows) + launched, prefix=1100
        ),
        "support": Strand(
            "helpdesk", Feature(1, 3500, 400, {"openai/gpt-4o": 4, mini: 1}, 0.8), office * 0.8,
            failing=0.02, max_tokens=1024,
        ),
        "contract_review": Strand(
            "legal", Feature(1, 6000, 900, {sonnet: 1}, 0.5), daily(low=0.0, high=0.0011, weekend=0.05),
            speed=75, prefix=36_000, max_tokens=8192, steps=9,
        ),
        "tagging": Strand("catalogue", Feature(1, 2200, 60, {"openai/gpt-4o": 1}), at_night, max_tokens=256, steps=0),
        "agent": Strand(
            "research", Feature(1, 7000, 700, {sonnet: 2, "openai/gpt-5": 1}, 0.5),
            _times(daily(low=0.00005, high=0.0006), grows), prefix=9_000, caches=True, steps=12,
        ),
        "extract": Strand("catalogue", Feature(1, 1500, 80, {"openai/house-model-7b": 1}), steady(0.0002), steps=0),
    }  # fmt: skip


def past(days: float = 90, seed: int = 1, loop_seconds: float = 40 * MINUTE) -> Iterator[PastCall]:
    """The calls of so many days, in order of time; for the last seconds of them, with an agent that does not stop."""
    strands = {**company(days), "import": _import(max(days // 1 - SPIKE_DAYS, 0) * DAY)}
    made = [
        _in_order(_answers("chat" if name == "import" else name, strand, days, seed * 1000 + number))
        for number, (name, strand) in enumerate(strands.items())
    ]
    loop = runaway(LOOPING, seed, days * DAY - loop_seconds, loop_seconds, pause=9.0)
    agent = strands["agent"]
    made.append(_answered(call, agent, f"agent-loop-{seed}", False, random.Random(seed)) for call in loop)
    return heapq.merge(*made, key=lambda one: one.call.at_seconds)


def _import(starts: float) -> Strand:
    """One customer, one working day."""
    shape = between(starts + 9 * HOUR, starts + 16 * HOUR, steady(0.02))
    return Strand("web", Feature(1, 9_000, 500, {"openai/gpt-4o": 1}), shape, tenants={"globex": 1.0})


def _times(shape: Shape, factor: Shape) -> Shape:
    return Shape(lambda at: shape.rate(at) * factor.rate(at), shape.peak * factor.peak)


def _answers(name: str, strand: Strand, days: float, seed: int) -> Iterator[PastCall]:
    chance = random.Random(seed)
    population = Population(strand.tenants, users=12, features={name: strand.feature})
    sessions: dict[str, tuple[str, float]] = {}
    used_at: dict[str, float] = {}
    for number, planned in enumerate(traffic(strand.shape, seed, days * DAY, population)):
        session, last = sessions.get(planned.user, ("", -math.inf))
        if not strand.steps:
            planned = replace(planned, user="")
        elif planned.at_seconds - last > HOUR or chance.random() < 1 / strand.steps:
            session = f"{name}-{seed}-{number}"
        sessions[planned.user] = (session, planned.at_seconds)
        is_warm = planned.at_seconds - used_at.get(session, -math.inf) < CACHE_SECONDS
        used_at[session] = planned.at_seconds
        call = replace(planned, input_tokens=planned.input_tokens + strand.prefix)
        if chance.random() < strand.failing:
            error, status = ("RateLimitError", 429) if chance.random() < 0.6 else ("InternalServerError", 500)
            yield PastCall(call, strand.service, session, chance.uniform(0.1, 2.0), status=status, error=error)
            call = replace(call, at_seconds=call.at_seconds + RETRY_SECONDS)
            yield _answered(call, strand, session, is_warm, chance)._replace(attempt=2)
        else:
            yield _answered(call, strand, session, is_warm, chance)


def _in_order(made: Iterator[PastCall]) -> Iterator[PastCall]:
    """What is tried again comes after what others ask meanwhile."""
    held: list[tuple[float, int, PastCall]] = []
    for number, one in enumerate(made):
        heapq.heappush(held, (one.call.at_seconds, number, one))
        while held[0][0] < one.call.at_seconds - RETRY_SECONDS:
            yield heapq.heappop(held)[2]
    while held:
        yield heapq.heappop(held)[2]


def _answered(call: PlannedCall, strand: Strand, session: str, is_warm: bool, chance: random.Random) -> PastCall:
    most = strand.max_tokens
    is_cut = most is not None and call.output_tokens >= most
    written = min(call.output_tokens, most or call.output_tokens)
    waited = chance.lognormvariate(-0.7, 0.4) + call.input_tokens / 60_000
    cached = min(strand.prefix, call.input_tokens) if strand.caches else 0
    is_explicit = call.provider == "anthropic"
    return PastCall(
        replace(call, output_tokens=written),
        strand.service,
        session,
        duration=waited + written / (strand.speed * chance.uniform(0.8, 1.2)),
        first_chunk=waited if call.stream else None,
        cache_read=cached if is_warm else 0,
        cache_write=cached if is_explicit and not is_warm else 0,
        finish="length" if is_cut else "stop",
        max_tokens=most,
    )
