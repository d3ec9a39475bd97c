"""What calls would have cost otherwise: with another model, in another tier, with more of the input from a cache.

Each call is priced as it was made, at its own moment; only what the scenario names is different. A call that it does
not change costs what it did cost. With another model, as many tokens are taken to be used: nobody knows better here.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from decimal import Decimal
from fnmatch import fnmatchcase
from typing import Final, Literal, NamedTuple, TypeVar, get_args

from tollkeeper.model import Call, Usage
from tollkeeper.pricing import Catalog
from tollkeeper.pricing.context import context_of
from tollkeeper.pricing.rates import Unpriced

K = TypeVar("K")

Tier = Literal["standard", "batch", "flex", "priority"]
TIERS: Final[tuple[Tier, ...]] = get_args(Tier)
TIER_KEYS: Final = ("processing", "service_tier")
"""What of a price's context says in which tier a call is processed."""
MOST_GROUPS: Final = 10_000
"""That are told apart of features, tenants or models; what comes after them is counted together."""
OTHERS: Final = "all others"


@dataclass(frozen=True, slots=True)
class Scenario:
    """What would be different.

    `models`: globs of models, as they were asked for or have answered, and the model that is asked instead. The first
    that fits counts. One of another provider is written `anthropic/claude-haiku-4-5`. `cache_hit` is the share of the
    text put in that is read from a cache; what writing it there costs is not added.
    """

    models: tuple[tuple[str, str], ...] = ()
    tier: Tier | None = None
    cache_hit: Decimal | None = None

    def mistakes(self) -> list[str]:
        """What is wrong with it."""
        found = [f"models: {glob!r} = {to!r}; expected two names" for glob, to in self.models if not glob or not to]
        if self.tier is not None and self.tier not in TIERS:
            found.append(f"tier: {self.tier!r}; expected one of {', '.join(TIERS)}")
        if self.cache_hit is not None and not 0 <= self.cache_hit <= 1:
            found.append(f"cache_hit: {self.cache_hit}; expected a share from 0 to 1")
        if not self.models and self.tier is None and self.cache_hit is None:
            found.append("models, tier and cache_hit are missing; expected at least one of them: what is different")
        return found


class Sums(NamedTuple):
    """Of some calls. Money is nano-dollars.

    `old_nano_usd` and `new_nano_usd` are of the same `compared` calls: those of which both are known. `not_repriced`
    have a cost, `not_repriced_nano_usd`, and none that is known in the scenario. Of `unknown` not even the old one is;
    calls that have failed with nothing to bill are in none of them.
    """

    calls: int = 0
    changed: int = 0
    compared: int = 0
    old_nano_usd: int = 0
    new_nano_usd: int = 0
    not_repriced: int = 0
    not_repriced_nano_usd: int = 0
    unknown: int = 0

    @property
    def delta_nano_usd(self) -> int:
        """By how much it would be dearer."""
        return self.new_nano_usd - self.old_nano_usd


class ModelChange(NamedTuple):
    """A model, and the one that would be asked instead: the same, where nothing else is."""

    provider: str
    model: str
    new_provider: str
    new_model: str


ALL_OTHERS: Final = ModelChange(OTHERS, OTHERS, OTHERS, OTHERS)


class Outcome(NamedTuple):
    """What a scenario comes to: the largest differences first. `reasons` tell why a new model has no price.

    `streamed`: calls of a batch scenario that were streamed, so that somebody has waited for them.
    """

    total: Sums
    by_model: tuple[tuple[ModelChange, Sums], ...]
    by_feature: tuple[tuple[str, Sums], ...]
    by_tenant: tuple[tuple[str, Sums], ...]
    reasons: Mapping[tuple[str, str], str]
    streamed: int


class WhatIf:
    """Takes calls one by one, in any order, and keeps sums only. `catalog` is used by nobody else meanwhile."""

    def __init__(self, scenario: Scenario, catalog: Catalog) -> None:
        self._imagine = Imagination(scenario, catalog)
        self._batch = scenario.tier == "batch"
        self._catalog = catalog
        self._models: dict[ModelChange, list[int]] = {}
        self._features: dict[str, list[int]] = {}
        self._tenants: dict[str, list[int]] = {}
        self._streamed = 0
        self._reasons: dict[tuple[str, str], str] = {}

    def add(self, call: Call, nano_usd: int | None) -> None:
        """A call, and what it costs in the ledger; `None` where that is not known."""
        imagined = self._imagine(call)
        sums = _sums(call, nano_usd, nano_usd if imagined is None else self._price(imagined), imagined is not None)
        after = imagined or call
        self._streamed += imagined is not None and self._batch and call.stream
        names = ModelChange(call.provider, _model(call), after.provider, _model(after))
        _add(self._models, names, ALL_OTHERS, sums)
        _add(self._features, call.tags.get("feature", ""), OTHERS, sums)
        _add(self._tenants, call.tags.get("tenant", ""), OTHERS, sums)

    def outcome(self) -> Outcome:
        """Of all that were added."""
        total = Sums(*map(sum, zip(*self._models.values(), strict=True))) if self._models else Sums()
        return Outcome(
            total, _sorted(self._models), _sorted(self._features), _sorted(self._tenants), self._reasons, self._streamed
        )

    def _price(self, imagined: Call) -> int | None:
        cost, status = self._catalog.price(imagined)
        if status == "unpriced" and len(self._reasons) < MOST_GROUPS:
            name = imagined.provider, _model(imagined)
            if name not in self._reasons and (why := self._catalog.unpriced.get(name)) is not None:
                self._reasons[name] = why.reason
        return None if cost is None else cost.nano_usd


class Imagination:
    """Makes of a call what it would have been. `catalog` says whose model a name is."""

    def __init__(self, scenario: Scenario, catalog: Catalog) -> None:
        self._scenario = scenario
        self._catalog = catalog
        self._targets: dict[tuple[str, str | None, str | None], tuple[str, str] | None] = {}

    def __call__(self, call: Call) -> Call | None:
        """The call in the scenario; `None`: it is as it was."""
        wanted = self._scenario
        target = self._target(call)
        tier = wanted.tier if wanted.tier is not None and _tier(call) != _context(wanted.tier) else None
        usage = call.usage if wanted.cache_hit is None else with_cache_hit(call.usage, wanted.cache_hit)
        if target is None and tier is None and usage == call.usage:
            return None
        # What the provider said it costs, or bills less for, was said of the call as it was.
        made = replace(call, usage=usage, provider_cost=None, cost=None, price_status=None)
        if usage != call.usage:
            made.billed_usage = None
        if target is not None:
            made.request_model, made.response_model = target[1], None
            if target[0] != call.provider:
                made.provider, made.server_address = target[0], None
                made.price_context = {name: said for name, said in made.price_context.items() if name in TIER_KEYS}
        if tier is not None:
            put_in_tier(made, tier)
        return made

    def _target(self, call: Call) -> tuple[str, str] | None:
        """The provider and the model to ask instead; `None`: the same."""
        if not self._scenario.models:
            return None
        key = call.provider, call.request_model, call.response_model
        if key not in self._targets:
            if len(self._targets) >= MOST_GROUPS:
                self._targets.clear()
            self._targets[key] = self._found(call)
        return self._targets[key]

    def _found(self, call: Call) -> tuple[str, str] | None:
        names = [name for name in (call.request_model, call.response_model) if name]
        for glob, to in self._scenario.models:
            if any(fnmatchcase(name, glob) for name in names):
                found = place_of(to, call.provider, call.started_at, self._catalog)
                return None if found[0] == call.provider and found[1] in names else found
        return None


def place_of(name: str, provider: str, at: int, catalog: Catalog) -> tuple[str, str]:
    """The provider and the model that a name means to somebody who asks this provider.

    Where it has a price for the name, that is meant: models of OpenRouter have a slash in their names. Else it is
    `provider/model`, or a model of whoever the price lists say.
    """
    if not isinstance(catalog.rates(Call("", provider, "chat", at, name)), Unpriced):
        return provider, name
    whose, slash, rest = name.partition("/")
    if slash:
        return whose, rest
    return catalog.provider_of(name) or provider, name


def put_in_tier(call: Call, tier: str) -> None:
    """Have a call processed in a tier, by a provider's own name or one of ours, and in none of the others."""
    said = {name: value for name, value in call.price_context.items() if name not in TIER_KEYS}
    call.price_context = {**said, "processing": "batch"} if tier == "batch" else said
    call.service_tier = None if tier in ("batch", "standard") else tier


def with_cache_hit(usage: Usage, share: Decimal) -> Usage:
    """The same with so great a share of the text put in read from a cache. Cached sounds and pictures stay."""
    if not usage.input_tokens:
        return usage
    others = (usage.input_audio_tokens or 0) + (usage.input_image_tokens or 0) + (usage.input_video_tokens or 0)
    text = max(usage.input_tokens - others, 0)
    read = int(text * share)
    kept = (usage.cache_read_audio_tokens or 0) + (usage.cache_read_image_tokens or 0)
    written = None if usage.cache_write_tokens is None else min(usage.cache_write_tokens, text - read)
    hour = usage.cache_write_1h_tokens
    return usage._replace(
        cache_read_tokens=read + kept or (None if usage.cache_read_tokens is None else 0),
        cache_write_tokens=written,
        cache_write_1h_tokens=hour if hour is None or written is None else min(hour, written),
    )


def _tier(call: Call) -> tuple[tuple[str, str], ...]:
    said = context_of(call.price_context, call.service_tier)
    return tuple(pair for pair in said if pair[0] in TIER_KEYS)


def _context(tier: Tier) -> tuple[tuple[str, str], ...]:
    return () if tier == "standard" else (("processing", tier),) if tier == "batch" else (("service_tier", tier),)


def _sums(call: Call, old: int | None, new: int | None, is_changed: bool) -> Sums:
    if old is None:
        return Sums(1, is_changed, unknown=call.error_type is None)
    if new is None:
        return Sums(1, is_changed, not_repriced=1, not_repriced_nano_usd=old)
    return Sums(1, is_changed, 1, old, new)


def _add(groups: dict[K, list[int]], key: K, rest: K, sums: Sums) -> None:
    if key not in groups and len(groups) >= MOST_GROUPS:
        key = rest
    known = groups.get(key)
    if known is None:
        groups[key] = list(sums)
        return
    for place, value in enumerate(sums):
        if value:
            known[place] += value


def _sorted(groups: Mapping[K, list[int]]) -> tuple[tuple[K, Sums], ...]:
    found = ((key, Sums(*sums)) for key, sums in groups.items())
    return tuple(sorted(found, key=lambda item: (-abs(item[1].delta_nano_usd), str(item[0]))))


def _model(call: Call) -> str:
    return call.response_model or call.request_model or ""
