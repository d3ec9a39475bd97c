"""The rows of a price list of one's own: what a model costs, another name of it, and what is off its price."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from decimal import Decimal
from fnmatch import translate

from tollkeeper.model.usage import Meter
from tollkeeper.pricing.context import Context
from tollkeeper.pricing.rates import Prices

PER_MILLION: Mapping[str, Meter] = {
    "input": "input",
    "input_audio": "input_audio",
    "input_image": "input_image",
    "input_video": "input_video",
    "cache_read": "cache_read",
    "cache_read_audio": "cache_read_audio",
    "cache_read_image": "cache_read_image",
    "cache_write": "cache_write_5m",
    "cache_write_1h": "cache_write_1h",
    "output": "output",
    "output_audio": "output_audio",
    "output_image": "output_image",
    "reasoning": "reasoning",
}
PER_UNIT: Mapping[str, tuple[Meter, int]] = {
    "per_request": ("requests", 1),
    "per_search": ("web_searches", 1),
    "per_second": ("input_audio_seconds", 1),
    "per_image": ("output_images", 1),
    "per_1k_characters": ("input_characters", 1000),
}

_GLOB = re.compile(r"[*?\[]")


@dataclass(frozen=True, slots=True)
class Match:
    """Which calls a row is about: globs, and moments in nanoseconds, the first included and the last not."""

    provider: str = "*"
    model: str = "*"
    valid_from: int | None = None
    valid_to: int | None = None
    _patterns: tuple[str | re.Pattern[str], str | re.Pattern[str]] = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        # fnmatch remembers 256 patterns, which a price list may well exceed.
        object.__setattr__(self, "_patterns", (_pattern(self.provider), _pattern(self.model)))

    def names(self, provider: str, model: str) -> bool:
        """Whether the row is about this model at some time."""
        whose, which = self._patterns
        return _fits(which, model) and _fits(whose, provider)

    def holds(self, at: int) -> bool:
        """Whether the row is in force at this moment."""
        return (self.valid_from is None or self.valid_from <= at) and (self.valid_to is None or at < self.valid_to)

    def fits(self, provider: str, model: str, at: int) -> bool:
        """Whether the row is about this model at this moment."""
        return self.holds(at) and self.names(provider, model)

    @property
    def precision(self) -> tuple[int, int, int, int]:
        """Greater for a row that is about fewer models: a name goes before a glob, a long glob before a short one."""
        return (
            not _GLOB.search(self.model), len(self.model), not _GLOB.search(self.provider), len(self.provider),
        )  # fmt: skip


@dataclass(frozen=True, slots=True)
class PriceRow:
    """What a model costs in one context. `version` is told with each cost; without, the list's name is."""

    match: Match
    prices: Prices
    context: Context = ()
    version: str | None = None


@dataclass(frozen=True, slots=True)
class Alias:
    """Another name of a model, and, if it is not the same, the provider whose prices it has."""

    match: Match
    model: str
    provider: str | None = None
    version: str | None = None


@dataclass(frozen=True, slots=True)
class Discount:
    """What is left to pay: 0.9 is 10 % off. One of a tenant is for the calls with this tag only."""

    match: Match
    factor: Decimal
    tenant: str | None = None
    version: str | None = None


def _pattern(glob: str) -> str | re.Pattern[str]:
    return re.compile(translate(glob.lower())) if _GLOB.search(glob) else glob.lower()


def _fits(pattern: str | re.Pattern[str], name: str) -> bool:
    name = name.lower()
    return pattern == name if isinstance(pattern, str) else pattern.match(name) is not None
