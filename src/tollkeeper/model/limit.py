"""A limit: how much of what may be used, by whom, in which time. Rate, quota, budget and cap differ in nothing else."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from fnmatch import fnmatchcase
from typing import Literal, get_args

Measure = Literal["requests", "tokens", "input_tokens", "output_tokens", "usd", "concurrency"]
"""`usd` is counted in nano-dollars; `concurrency` is how many calls are under way at once."""
MEASURES: tuple[Measure, ...] = get_args(Measure)

Unit = Literal["second", "minute", "hour", "day", "week", "month"]
UNITS: tuple[Unit, ...] = get_args(Unit)

Per = Literal["tenant", "project", "user", "session", "service", "feature", "config", "model", "provider"]
PER: tuple[Per, ...] = get_args(Per)

Mode = Literal["hard", "soft"]
Unavailable = Literal["allow", "local", "deny"]

THRESHOLDS = (50, 80, 90, 95, 100)

LARGEST_AMOUNT = 2**53
"""Counted exactly everywhere, also where numbers are doubles (Redis). In nano-dollars, some nine million dollars."""


@dataclass(frozen=True, slots=True)
class Window:
    """The time in which the amount may be used.

    A calendar one begins anew with each second, minute … month of the time zone. A rolling one is a bucket that is
    refilled evenly, and holds `burst` at the most; by default the amount itself.
    """

    unit: Unit
    zone: str = "UTC"
    rolling: bool = False
    burst: int | None = None


@dataclass(frozen=True, slots=True)
class Match:
    """Which calls. Each field is a choice of globs, as `gpt-4*`; an empty one is met by every call."""

    provider: tuple[str, ...] = ()
    model: tuple[str, ...] = ()
    operation: tuple[str, ...] = ()
    tags: Mapping[str, tuple[str, ...]] = field(default_factory=dict)

    def of(self, provider: str, model: str, operation: str, tags: Mapping[str, str]) -> bool:
        """Whether such a call is meant. A tag that the call lacks is the empty text."""
        return (
            _any(self.provider, provider)
            and _any(self.model, model)
            and _any(self.operation, operation)
            and all(_any(globs, tags.get(name, "")) for name, globs in self.tags.items())
        )


EVERY_CALL = Match()


def _any(globs: tuple[str, ...], value: str) -> bool:
    return not globs or any(fnmatchcase(value, glob) for glob in globs)


@dataclass(frozen=True, slots=True)
class Limit:
    """So much of `measure`, in each `window`, for each combination of what `per` names.

    Without a window it binds each call by itself, or, of concurrency, all calls that are under way. `name` is the
    identity of what was used: with the same name, another amount or match does not begin anew.
    `mode`: a soft limit only warns. `at`: the percentages of the amount that are told of. `exempt`: calls that it does
    not bind. `wait`: for how many seconds a call may wait for room before it is denied.
    `unbounded`: what becomes of a call that names no most output, where a hard limit needs one: a whole number is
    put in, `refuse` refuses it.
    """

    name: str
    measure: Measure
    amount: int
    window: Window | None = None
    match: Match = EVERY_CALL
    per: tuple[Per, ...] = ()
    mode: Mode = "hard"
    at: tuple[int, ...] = THRESHOLDS
    wait: float = 0.0
    on_unavailable: Unavailable = "local"
    exempt: tuple[Match, ...] = ()
    unbounded: int | Literal["refuse"] = 4096

    @property
    def counts_output(self) -> bool:
        """Whether it must know beforehand how much an answer may become."""
        return self.measure in ("tokens", "output_tokens", "usd")

    def binds(self, provider: str, model: str, operation: str, tags: Mapping[str, str]) -> bool:
        """Whether a call comes under it."""
        return self.match.of(provider, model, operation, tags) and not any(
            each.of(provider, model, operation, tags) for each in self.exempt
        )
