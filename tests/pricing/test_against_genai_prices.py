"""Our resolved tables against the arithmetic of genai-prices itself, for every model that it lists.

They agree exactly, except where this module says so: we refuse what it silently bills at zero or as text.
"""

from __future__ import annotations

from datetime import UTC, datetime
from decimal import Decimal

import genai_prices
import pytest
from genai_prices.data import providers
from genai_prices.types import ModelInfo, Provider
from hypothesis import given, settings
from hypothesis import strategies as st

from pricing.calls import TODAY, call
from tollkeeper.model import Usage
from tollkeeper.pricing import Catalog

LISTED = [(provider, model) for provider in providers for model in provider.models]
NAMES = {"google": "gcp.gemini", "x-ai": "x_ai", "mistral": "mistral_ai", "aws": "aws.bedrock"}
BILLED_BEYOND_THE_CATALOGUE = ("search-preview", "search-api", ":free", "gemma-")
NOT_METERED = {"output_citation_mtok", "output_video_mtok", "input_text_messages_kcount"}


def reference(provider: Provider, info: ModelInfo, usage: Usage, **context: str) -> Decimal:
    theirs = genai_prices.Usage(
        input_tokens=usage.input_tokens,
        output_tokens=usage.output_tokens,
        cache_read_tokens=usage.cache_read_tokens,
        cache_write_tokens=usage.cache_write_tokens,
        cache_write_1h_tokens=usage.cache_write_1h_tokens,
        output_reasoning_tokens=usage.reasoning_tokens,
        input_audio_tokens=usage.input_audio_tokens,
        web_searches=usage.web_searches,
    )
    return info.calc_price(
        theirs,
        provider,
        genai_request_timestamp=datetime.fromtimestamp(TODAY // 10**9, UTC),
        price_context=context or None,
    ).total_price


def found_by_its_own_id(provider: Provider, info: ModelInfo) -> bool:
    return provider.find_model(info.id, all_providers=providers) is info


def comparable(provider: Provider, info: ModelInfo) -> bool:
    listed = vars(info.get_prices(datetime.fromtimestamp(TODAY // 10**9, UTC)))
    return (
        {"input_mtok", "output_mtok"} <= listed.keys()
        and not listed.keys() & NOT_METERED
        and "requests_kcount" not in listed
        and ("audio_hours" not in listed or "input_audio_hours" in listed)
        and not any(part in info.id for part in BILLED_BEYOND_THE_CATALOGUE)
        and found_by_its_own_id(provider, info)
    )


COMPARABLE = [listed for listed in LISTED if comparable(*listed)]
BY_NAME = {f"{provider.id}/{info.id}": (provider, info) for provider, info in COMPARABLE}
names = st.sampled_from(sorted(BY_NAME))
claudes = st.sampled_from(sorted(name for name in BY_NAME if name.startswith("anthropic/")))


def ours(catalog: Catalog, provider: Provider, info: ModelInfo, usage: Usage, **context: str) -> Decimal | None:
    name = NAMES.get(provider.id, provider.id)
    model = info.id
    if provider.id.startswith("huggingface_"):
        name, model = "huggingface", f"{info.id}:{provider.id.removeprefix('huggingface_')}"
    cost, _ = catalog.price(call(name, model, usage, price_context=context))
    return cost.usd if cost else None


def test_almost_all_models_are_compared() -> None:
    assert len(COMPARABLE) > 1800


@pytest.mark.parametrize("tokens_in", [1_000, 150_000, 250_000, 300_000])
def test_every_listed_model_costs_the_same(catalog: Catalog, tokens_in: int) -> None:
    usage = Usage(tokens_in, 777, cache_read_tokens=tokens_in // 3, reasoning_tokens=77)
    differ = [
        (provider.id, info.id)
        for provider, info in COMPARABLE
        if ours(catalog, provider, info, usage) != reference(provider, info, usage)
    ]
    assert differ == []


@st.composite
def usages(draw: st.DrawFn) -> Usage:
    """Consistent ones: genai-prices refuses the others."""
    read, written, plain, out = (draw(st.integers(0, 400_000)) for _ in range(4))
    return Usage(
        input_tokens=read + written + plain,
        output_tokens=out,
        cache_read_tokens=read,
        cache_write_tokens=written,
        reasoning_tokens=draw(st.integers(0, out)),
    )


@settings(max_examples=300)
@given(names, usages())
def test_any_usage_costs_the_same(catalog: Catalog, name: str, usage: Usage) -> None:
    assert ours(catalog, *BY_NAME[name], usage) == reference(*BY_NAME[name], usage)


@given(claudes, st.integers(0, 300_000), st.integers(0, 1000), st.integers(0, 3))
def test_writes_of_an_hour_and_searches_cost_the_same(
    catalog: Catalog, name: str, written: int, hour: int, searches: int
) -> None:
    provider, info = BY_NAME[name]
    listed = vars(info.get_prices(datetime.fromtimestamp(TODAY // 10**9, UTC)))
    usage = Usage(
        written + 10,
        5,
        cache_write_tokens=written,
        # Without such a price it bills that of five minutes, or no fee; we bill the documented one.
        cache_write_1h_tokens=min(hour, written) if "cache_write_1h_mtok" in listed else 0,
        web_searches=searches if "web_searches_kcount" in listed else 0,
    )
    assert ours(catalog, provider, info, usage) == reference(provider, info, usage)


def test_every_row_for_a_context_costs_the_same(catalog: Catalog) -> None:
    usage = Usage(300_000, 777, cache_read_tokens=100_000)
    rows = [
        (provider, info, variant.when)
        for provider, info in COMPARABLE
        for variant in info.price_variants or ()
        if vars(variant.prices) and "default" not in variant.when.values()
    ]
    assert len(rows) > 150
    differ = [
        (info.id, when)
        for provider, info, when in rows
        if ours(catalog, provider, info, usage, **when) != reference(provider, info, usage, **when)
    ]
    assert differ == []


def test_what_it_bills_at_zero_is_unpriced(catalog: Catalog) -> None:
    without = [
        (provider, info)
        for provider, info in LISTED
        if not vars(info.get_prices(datetime.fromtimestamp(TODAY // 10**9, UTC)))
        and not info.id.endswith(":free")
        and (provider.id, info.id[:6]) != ("google", "gemma-")
        and "moderation" not in info.id
        and found_by_its_own_id(provider, info)
    ]
    assert without
    assert all(reference(*listed, Usage(1000, 1000)) == 0 for listed in without)
    assert all(ours(catalog, *listed, Usage(1000, 1000)) is None for listed in without)
