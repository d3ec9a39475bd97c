"""The catalogue: genai-prices, read once for each model, day and context, and never on the path of a call.

Importing genai-prices costs some 400 ms and pydantic, so nothing here does it before `Book()` is built.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from datetime import UTC, datetime, time, timedelta
from decimal import Decimal
from fnmatch import fnmatchcase
from typing import TYPE_CHECKING

from tollkeeper.model.usage import Meter
from tollkeeper.pricing.context import Context, apply_rule
from tollkeeper.pricing.providers import PRICE_LISTS, price_list_of, spellings
from tollkeeper.pricing.rates import EXACT, ZERO, Price, Prices, Rates, Unpriced, rates_of

if TYPE_CHECKING:
    from genai_prices.types import ModelInfo, Provider, TieredPrices

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)

MILLION = Decimal(1_000_000)
THOUSAND = Decimal(1000)
SECONDS_AN_HOUR = Decimal(3600)

UNITS: Mapping[str, tuple[Meter, Decimal]] = {
    "input_mtok": ("input", MILLION),
    "input_audio_mtok": ("input_audio", MILLION),
    "input_image_mtok": ("input_image", MILLION),
    "input_video_mtok": ("input_video", MILLION),
    "cache_read_mtok": ("cache_read", MILLION),
    "cache_audio_read_mtok": ("cache_read_audio", MILLION),
    "cache_image_read_mtok": ("cache_read_image", MILLION),
    "cache_write_mtok": ("cache_write_5m", MILLION),
    "cache_write_5m_mtok": ("cache_write_5m", MILLION),
    "cache_write_1h_mtok": ("cache_write_1h", MILLION),
    "output_mtok": ("output", MILLION),
    "output_audio_mtok": ("output_audio", MILLION),
    "output_image_mtok": ("output_image", MILLION),
    "output_reasoning_mtok": ("reasoning", MILLION),
    "web_searches_kcount": ("web_searches", THOUSAND),
    "requests_kcount": ("requests", THOUSAND),
    "input_audio_hours": ("input_audio_seconds", SECONDS_AN_HOUR),
    "input_mchars": ("input_characters", MILLION),
}
"""genai-prices key -> our meter, and how many of its units the price is for. The later of two keys of a meter wins."""

NOT_METERED = frozenset({"output_citation_mtok", "output_video_mtok", "input_text_messages_kcount"})
"""What no answer reports by itself: a model that charges for it would come out too cheap."""

_MAKES_MORE = frozenset({"output_audio_mtok", "output_image_mtok"})

FEES: tuple[tuple[str, str, Meter, Decimal], ...] = (
    # https://docs.claude.com/en/docs/about-claude/pricing#web-search-tool: $10 per 1,000 searches
    ("anthropic", "*", "web_searches", Decimal("0.01")),
    # https://platform.openai.com/docs/pricing#built-in-tools: $10 per 1,000; the chat models that always search are
    # billed for each request: $25 per 1,000 (preview models) and $10
    ("openai", "gpt-4o*-search-preview*", "requests", Decimal("0.025")),
    ("openai", "gpt-5-search-api*", "requests", Decimal("0.01")),
    ("openai", "*", "web_searches", Decimal("0.01")),
)
"""Documented fees, in US dollars each, where the catalogue has none: price list, model, meter, fee."""

FREE: tuple[tuple[str, str, str], ...] = (
    ("openrouter", "*:free", "https://openrouter.ai/docs/guides/routing/model-variants/free"),
    ("openai", "*moderation*", "https://platform.openai.com/docs/guides/moderation"),
    ("gcp.gemini", "gemma-*", "https://ai.google.dev/gemini-api/docs/pricing"),
)
"""Provider, model, and where it says that it is free of charge. The catalogue lists them with no price at all, as it
does others that are not free."""

Schedule = tuple[tuple[int, "Rates | Unpriced"], ...]
"""The prices of one day: (nanoseconds since midnight UTC from which they hold, prices), ascending."""


class Book:
    """The bundled price lists of genai-prices. Building it imports them."""

    def __init__(self) -> None:
        import genai_prices  # noqa: PLC0415 - 400 ms and pydantic: not before prices are wanted
        from genai_prices.data import providers  # noqa: PLC0415 - as above

        self.version = f"genai-prices {genai_prices.__version__}"
        self._all = providers
        self._lists: dict[str, Provider] = {provider.id: provider for provider in providers}

    def schedule(self, provider: str, model: str, context: Context, day: int) -> Schedule | None:
        """What a model costs on a day (counted from the epoch), or `None` if no list has the model."""
        if any(provider == name and fnmatchcase(model.lower(), glob) for name, glob, _ in FREE):
            return ((0, rates_of({"input": Price(ZERO)}, provider, model, "catalog", self.version)),)
        price_list = price_list_of(provider, model)
        found = self._find(price_list, model)
        if found is None:
            return None
        midnight = EPOCH + timedelta(days=day)
        return tuple(
            (_nanoseconds(start), self._rates(found, price_list, context, midnight + start))
            for start in _changes(found, midnight)
        )

    def provider_of(self, model: str) -> str | None:
        """Whose model this is, by its name alone: the first list that says so, under its name in telemetry."""
        for price_list in self._all:
            if price_list.model_match is not None and price_list.model_match.is_match(model):
                return next((name for name, id in PRICE_LISTS.items() if id == price_list.id), price_list.id)
        return None

    def models(self) -> Iterator[tuple[str, str]]:
        """All models that are listed: the provider as telemetry names it, and the model."""
        names: dict[str, str] = {}
        for name, id in PRICE_LISTS.items():
            names.setdefault(id, name)
        for price_list in self._all:
            for model in price_list.models:
                yield names.get(price_list.id, price_list.id), model.id

    def since(self, provider: str, model: str, day: int) -> int | None:
        """The day since when a model has cost what it costs on a day; `None`: always, as far as the list says."""
        found = self._find(price_list_of(provider, model), model)
        rows = found.prices if found is not None and isinstance(found.prices, list) else ()
        starts = (getattr(row.constraint, "start_date", None) for row in rows)
        days = ((start - EPOCH.date()).days for start in starts if start is not None)
        return max((start for start in days if start <= day), default=None)

    def text_models(self, provider: str, day: int) -> list[str]:
        """The models of a list that have prices for text in and out, and for no sounds or pictures that they make.

        The day is counted from the epoch.
        """
        price_list = self._lists.get(price_list_of(provider, ""))
        found = []
        for model in price_list.models if price_list is not None else ():
            listed = {
                name for name, price in vars(model.get_prices(EPOCH + timedelta(days=day))).items() if price is not None
            }
            if {"input_mtok", "output_mtok"} <= listed and not listed & _MAKES_MORE and not model.deprecated:
                found.append(model.id)
        return found

    def _find(self, price_list: str, model: str) -> ModelInfo | None:
        provider = self._lists.get(price_list)
        if provider is None:
            return None
        found = (provider.find_model(name, all_providers=self._all) for name in spellings(price_list, model))
        return next((info for info in found if info is not None), None)

    def _rates(self, info: ModelInfo, price_list: str, context: Context, at: datetime) -> Rates | Unpriced:
        own = any(info is model for model in self._lists[price_list].models)
        rows, left = _rows(info, context, at) if own else ({}, context)
        listed = vars(info.get_prices(at, rows))
        if extra := next((key for key in listed if key in NOT_METERED), None):
            return Unpriced(f"{info.id} charges for {extra}, which calls do not report")
        if "audio_hours" in listed and "input_audio_hours" not in listed:
            return Unpriced(f"{info.id} charges for the length of the session, which calls do not report")
        if price_list == "perplexity" and "requests_kcount" in listed:
            # The list has the highest of three fees; the answers name their own cost anyway.
            return Unpriced(f"the fee of a request to {info.id} depends on how much it searched")
        prices: Prices = _prices(listed)
        if not prices:
            return Unpriced(f"the catalogue lists {info.id} without a price")
        for pair in left:
            ruled = apply_rule(prices, price_list, info.id, pair)
            if ruled is None:
                return Unpriced(f"no price of {info.id} for {pair[0]}={pair[1]}")
            prices = ruled
        return rates_of(_with_fees(prices, price_list, info.id), price_list, info.id, "catalog", self.version)


def _rows(info: ModelInfo, context: Context, at: datetime) -> tuple[dict[str, str], Context]:
    """The part of a context that the catalogue has rows for, and what is left."""
    said = dict(context)
    covered: dict[str, str] = {}
    for variant in info.price_variants or ():
        active = variant.constraint is None or variant.constraint.active(at)
        # A row without prices states that nothing changes, or that nobody knows; it is no price of its own.
        if active and vars(variant.prices) and all(said.get(key) == value for key, value in variant.when.items()):
            covered |= variant.when
    return covered, tuple(pair for pair in context if pair[0] not in covered)


def _prices(listed: Mapping[str, Decimal | TieredPrices | None]) -> dict[Meter, Price]:
    prices: dict[Meter, Price] = {}
    for key, (meter, units) in UNITS.items():
        price = listed.get(key)
        if isinstance(price, Decimal):
            prices[meter] = Price(_divide(price, units))
        elif price is not None:
            steps = tuple((tier.start, _divide(tier.price, units)) for tier in price.tiers)
            prices[meter] = Price(_divide(price.base, units), steps)
    return prices


def _divide(price: Decimal, units: Decimal) -> Decimal:
    return EXACT.divide(price, units)


def _with_fees(prices: Prices, price_list: str, model: str) -> Prices:
    fees = {
        meter: Price(fee)
        for name, glob, meter, fee in reversed(FEES)
        if name == price_list and fnmatchcase(model.lower(), glob)
    }
    return {**fees, **prices}


def _changes(info: ModelInfo, midnight: datetime) -> list[timedelta]:
    """The moments of a day, from midnight on, at which the price may change (DeepSeek's off-peak hours)."""
    starts = {timedelta(0)}
    rows = info.prices if isinstance(info.prices, list) else ()
    for row in (*rows, *(info.price_variants or ())):
        for at in (getattr(row.constraint, "start_time", None), getattr(row.constraint, "end_time", None)):
            if at is not None:
                starts.add(_since_midnight(at, midnight))
    return sorted(starts)


def _since_midnight(at: time, midnight: datetime) -> timedelta:
    moment = datetime.combine(midnight, at, at.tzinfo or UTC).astimezone(UTC)
    return (moment - midnight) % timedelta(days=1)


def _nanoseconds(span: timedelta) -> int:
    return span // timedelta(microseconds=1) * 1000
