"""Which price applies, when, and what has none."""

from __future__ import annotations

import subprocess
import sys
from decimal import Decimal

import pytest

from pricing.calls import MILLION, at, call
from tollkeeper.model import Pass, Usage
from tollkeeper.pricing import Catalog
from tollkeeper.pricing.book import Book
from tollkeeper.pricing.catalog import REASONS_KEPT, SCHEDULES_KEPT
from tollkeeper.pricing.providers import PRICE_LISTS

ONE_IN = Usage(input_tokens=MILLION, output_tokens=0)
SMALL = Usage(input_tokens=1000, output_tokens=100)


def usd(catalog: Catalog, *args: object, **fields: object) -> Decimal:
    cost, status = catalog.price(call(*args, **fields))  # type: ignore[arg-type]
    assert cost is not None, catalog.unpriced
    assert status == "priced"
    return cost.usd


def unpriced(catalog: Catalog, *args: object, **fields: object) -> str:
    one = call(*args, **fields)  # type: ignore[arg-type]
    assert catalog.price(one) == (None, "unpriced")
    return catalog.unpriced[one.provider, one.response_model or one.request_model or ""].reason


@pytest.mark.parametrize(
    ("provider", "model", "input_price", "output_price"),
    [
        ("openai", "gpt-4o", "2.50", "10.00"),
        ("openai", "gpt-4-turbo", "10", "30"),
        ("openai", "gpt-3.5-turbo", "0.50", "1.50"),
        ("anthropic", "claude-3-5-sonnet", "3", "15"),
        ("anthropic", "claude-3-5-sonnet-20241022", "3", "15"),
        ("anthropic", "claude-3-5-sonnet-latest", "3", "15"),
        ("anthropic", "claude-3-opus", "15", "75"),
        ("anthropic", "claude-3-opus-20240229", "15", "75"),
        ("anthropic", "claude-3-haiku", "0.25", "1.25"),
        ("anthropic", "claude-3-haiku-20240307", "0.25", "1.25"),
        ("gcp.gemini", "gemini-2.5-flash", "0.30", "2.50"),
        ("gcp.gemini", "gemini-pro", "0.125", "0.375"),
    ],
)
def test_prices_of_the_seed_models(
    catalog: Catalog, provider: str, model: str, input_price: str, output_price: str
) -> None:
    assert usd(catalog, provider, model, ONE_IN) == Decimal(input_price)
    assert usd(catalog, provider, model, Usage(input_tokens=0, output_tokens=MILLION)) == Decimal(output_price)


@pytest.mark.parametrize(
    ("provider", "model", "price"),
    [
        ("azure.ai.openai", "gpt-4o-2024-11-20", "2.5"),
        ("azure.ai.inference", "gpt-35-turbo", "0.5"),
        ("gcp.gemini", "models/gemini-2.5-flash", "0.3"),
        ("gcp.vertex_ai", "publishers/google/models/gemini-2.5-flash", "0.3"),
        ("gcp.vertex_ai", "claude-3-5-sonnet-v2@20241022", "3"),
        ("gcp.vertex_ai", "publishers/anthropic/models/claude-3-5-haiku@20241022", "0.8"),
        ("aws.bedrock", "us.anthropic.claude-3-5-sonnet-20241022-v2:0", "3"),
        (
            "aws.bedrock",
            "arn:aws:bedrock:us-east-1:1:inference-profile/us.anthropic.claude-3-5-haiku-20241022-v1:0",
            "0.8",
        ),
        ("aws.bedrock", "arn:aws:bedrock:us-east-1::foundation-model/amazon.nova-micro-v1:0", "0.035"),
        ("aws.bedrock", "openai.gpt-oss-120b", "0.15"),
        ("openrouter", "anthropic/claude-3.5-haiku", "0.8"),
        ("x_ai", "grok-3", "3"),
        ("mistral_ai", "mistral-embed", "0.1"),
        ("moonshot_ai", "kimi-k2-0711-preview", "0.6"),
        ("huggingface", "meta-llama/Llama-3.3-70B-Instruct:groq", "0.59"),
    ],
)
def test_models_are_found_under_their_other_names(catalog: Catalog, provider: str, model: str, price: str) -> None:
    assert usd(catalog, provider, model, ONE_IN) == Decimal(price)


def test_every_provider_name_leads_to_a_price_list() -> None:
    assert set(PRICE_LISTS.values()) <= Book()._lists.keys()


def test_the_model_that_answered_goes_before_the_one_that_was_asked(catalog: Catalog) -> None:
    assert usd(catalog, "openai", "gpt-4o", ONE_IN, response_model="gpt-4o-mini-2024-07-18") == Decimal("0.15")
    assert usd(catalog, "openai", "gpt-4o", ONE_IN, response_model="not-in-the-list") == Decimal("2.5")


def test_a_price_applies_from_its_day_on(catalog: Catalog) -> None:
    before, after = at(2025, 6, 9, 23, 59, 59), at(2025, 6, 10)
    assert usd(catalog, "openai", "o3", ONE_IN, started_at=before) == 10
    assert usd(catalog, "openai", "o3", ONE_IN, started_at=after) == 2


def test_off_peak_hours_have_their_own_price(catalog: Catalog) -> None:
    """The catalogue has the high price of deepseek-chat from 00:30 to 16:30 UTC."""
    prices = [
        usd(catalog, "deepseek", "deepseek-chat", ONE_IN, started_at=at(2025, 3, 1, hour, minute))
        for hour, minute in ((0, 29), (0, 30), (16, 29), (16, 30))
    ]
    assert prices == [Decimal("0.135"), Decimal("0.27"), Decimal("0.27"), Decimal("0.135")]


@pytest.mark.parametrize(
    ("provider", "model", "limit", "below", "above"),
    [
        ("anthropic", "claude-sonnet-4-5", 200_000, "3", "6"),
        ("gcp.gemini", "gemini-2.5-pro", 200_000, "1.25", "2.5"),
        ("openai", "gpt-5.4", 272_000, "2.5", "5"),
    ],
)
def test_long_input_reprices_the_whole_call(
    catalog: Catalog, provider: str, model: str, limit: int, below: str, above: str
) -> None:
    for tokens, price in ((limit, below), (limit + 1, above)):
        assert usd(catalog, provider, model, Usage(tokens, 0)) == tokens * Decimal(price) / MILLION


def test_the_cache_counts_towards_long_input(catalog: Catalog) -> None:
    usage = Usage(input_tokens=200_001, output_tokens=0, cache_read_tokens=200_001)
    assert usd(catalog, "anthropic", "claude-sonnet-4-5", usage) == 200_001 * Decimal("0.6") / MILLION


def test_cache_reads_and_both_kinds_of_writes(catalog: Catalog) -> None:
    usage = Usage(
        input_tokens=1000, output_tokens=10, cache_read_tokens=100, cache_write_tokens=200, cache_write_1h_tokens=50
    )
    cost, _ = catalog.price(call("anthropic", "claude-3-5-sonnet", usage))
    assert cost is not None
    assert {item.meter: item.amount * MILLION for item in cost.items} == {
        "cache_read": 100 * Decimal("0.30"),
        "cache_write_1h": 50 * Decimal(6),
        "cache_write_5m": 150 * Decimal("3.75"),
        "input": 700 * Decimal(3),
        "output": 10 * Decimal(15),
    }


def test_an_hour_in_the_cache_costs_twice_the_input_on_bedrock_too(catalog: Catalog) -> None:
    usage = Usage(MILLION, 0, cache_write_tokens=MILLION, cache_write_1h_tokens=MILLION)
    assert usd(catalog, "aws.bedrock", "us.anthropic.claude-3-5-haiku-20241022-v1:0", usage) == Decimal("1.6")


@pytest.mark.parametrize(
    ("provider", "model", "fields", "price"),
    [
        ("openai", "o3", {"service_tier": "flex"}, "1"),
        ("openai", "o3", {"service_tier": "priority"}, "3.5"),
        ("openai", "o3", {"service_tier": "default"}, "2"),
        ("openai", "o3", {"price_context": {"service_tier": "auto"}}, "2"),
        ("openai", "o3", {"price_context": {"service_tier": "flex"}}, "1"),
        ("openai", "o3", {"price_context": {"service_tier": "priority"}, "service_tier": "default"}, "2"),
        ("openai", "gpt-4o", {"price_context": {"processing": "batch"}}, "1.25"),
        ("openai", "gpt-4o", {"price_context": {"processing": "batch"}, "started_at": at(2025, 1, 1)}, "1.25"),
        ("openai", "o3", {"service_tier": "flex", "started_at": at(2025, 7, 1)}, "1"),
        ("azure.ai.openai", "gpt-4o", {"price_context": {"processing": "batch"}}, "1.25"),
        ("anthropic", "claude-3-5-sonnet", {"service_tier": "batch"}, "1.5"),
        ("anthropic", "claude-3-5-sonnet", {"service_tier": "standard"}, "3"),
        ("anthropic", "claude-opus-4-6", {"price_context": {"inference_geo": "us"}}, "5.5"),
        ("anthropic", "claude-opus-4-6", {"price_context": {"inference_geo": "global"}}, "5"),
        ("anthropic", "claude-opus-4-6", {"price_context": {"speed": "fast"}}, "30"),
        ("anthropic", "claude-opus-4-8", {"price_context": {"speed": "fast"}}, "10"),
        ("anthropic", "claude-opus-4-8", {"price_context": {"speed": "fast", "inference_geo": "us"}}, "11"),
        ("gcp.gemini", "gemini-2.5-flash", {"service_tier": "flex"}, "0.15"),
        ("groq", "llama-3.3-70b-versatile", {"service_tier": "on_demand"}, "0.59"),
        ("groq", "llama-3.3-70b-versatile", {"service_tier": "flex"}, "0.59"),
    ],
)
def test_how_a_call_was_processed_changes_its_price(
    catalog: Catalog, provider: str, model: str, fields: dict[str, object], price: str
) -> None:
    assert usd(catalog, provider, model, ONE_IN, **fields) == Decimal(price)


@pytest.mark.parametrize(
    ("provider", "model", "fields"),
    [
        ("openai", "gpt-4-turbo", {"service_tier": "priority"}),
        ("openai", "gpt-4o", {"service_tier": "scale"}),
        ("anthropic", "claude-opus-4-8", {"service_tier": "priority"}),
        ("anthropic", "claude-3-5-sonnet", {"price_context": {"speed": "fast"}}),
        ("gcp.gemini", "gemini-2.5-flash", {"service_tier": "priority"}),
        ("gcp.vertex_ai", "gemini-2.5-flash", {"service_tier": "provisioned_throughput"}),
    ],
)
def test_a_tier_without_a_known_price_is_unpriced(
    catalog: Catalog, provider: str, model: str, fields: dict[str, object]
) -> None:
    assert "for s" in unpriced(catalog, provider, model, **fields)


@pytest.mark.parametrize(
    ("provider", "model", "usage", "price"),
    [
        ("openai", "whisper-1", Usage(input_audio_seconds=Decimal(3600)), "0.36"),
        ("groq", "whisper-large-v3", Usage(input_audio_seconds=Decimal(1)), "0.000308333333"),
        ("openai", "tts-1", Usage(input_characters=1000), "0.015"),
        ("openai", "gpt-image-1", Usage(100, 1000, output_images=1), "0.0405"),
        ("openai", "gpt-image-1", Usage(100, 1000, output_image_tokens=1000, output_images=1), "0.0405"),
        ("openai", "gpt-4o-mini-tts", Usage(0, MILLION, output_audio_tokens=MILLION), "12"),
        ("openai", "gpt-audio", Usage(100, 0, input_audio_tokens=100), "0.0032"),
        ("gcp.gemini", "gemini-2.5-flash", Usage(100, 0, input_audio_tokens=60, input_image_tokens=40), "0.000072"),
        ("gcp.gemini", "gemini-2.5-pro", Usage(100, 0, input_audio_tokens=100), "0.000125"),
        ("mistral_ai", "voxtral-small-24b-2507", Usage(100, 0, input_audio_seconds=Decimal(36)), "0.00241"),
        ("openai", "o3", Usage(0, 100, reasoning_tokens=60), "0.0008"),
        ("anthropic", "claude-3-5-sonnet", Usage(0, 0, web_searches=3), "0.03"),
        ("openai", "gpt-4.1-nano", Usage(0, 0, web_searches=2), "0.02"),
        ("openai", "gpt-4o-search-preview", Usage(0, 0), "0.025"),
    ],
)
def test_meters_other_than_text(catalog: Catalog, provider: str, model: str, usage: Usage, price: str) -> None:
    assert usd(catalog, provider, model, usage).quantize(Decimal("1e-12")) == Decimal(price)


@pytest.mark.parametrize(
    ("provider", "model", "usage", "reason"),
    [
        ("openai", "gpt-4o-audio-preview", Usage(100, 0, input_audio_tokens=100), "no price for input_audio"),
        ("openai", "gpt-4o", Usage(100, 100, output_audio_tokens=100), "no price for output_audio"),
        ("openai", "gpt-4o", Usage(100, 100, output_images=1), "no price for output_images"),
        ("openai", "dall-e-3", Usage(output_images=1), "in no price list"),
        ("groq", "llama-3.3-70b-versatile", Usage(1, 1, web_searches=1), "no price for web_searches"),
        ("openai", "whisper-1", Usage(100, 100), "no price for input"),
        ("perplexity", "sonar", SMALL, "depends on how much it searched"),
        ("perplexity", "sonar-deep-research", SMALL, "charges for output_citation_mtok"),
        ("cerebras", "qwen-3-coder-480b", SMALL, "without a price"),
        ("github_copilot", "gpt-4o", SMALL, "without a price"),
        ("openai", "no-such-model", SMALL, "in no price list"),
        ("no-such-provider", "gpt-4o", SMALL, "in no price list"),
        ("openai", None, SMALL, "no model is named"),
        ("openai", "gpt-4o", Usage(output_tokens=5), "input tokens are not known"),
    ],
)
def test_what_is_not_known_is_unpriced_and_says_why(
    catalog: Catalog, provider: str, model: str | None, usage: Usage, reason: str
) -> None:
    assert reason in unpriced(catalog, provider, model, usage)


@pytest.mark.parametrize(
    ("provider", "model", "address"),
    [
        ("openrouter", "meta-llama/llama-3.3-70b-instruct:free", "openrouter.ai"),
        ("openai", "omni-moderation-latest", "api.openai.com"),
        ("ollama", "llama3.2", "localhost"),
        ("ollama", "llama3.2", "127.0.0.1"),
        ("ollama", "llama3.2", "::1"),
        ("vllm", "anything", "10.1.2.3"),
        ("llama_cpp", "anything", "llm-server"),
        ("lm_studio", "anything", "gpu.internal"),
    ],
)
def test_free_is_stated_by_somebody(catalog: Catalog, provider: str, model: str, address: str) -> None:
    cost, status = catalog.price(call(provider, model, SMALL, server_address=address))
    assert cost is not None
    assert (cost.usd, status) == (0, "free")


@pytest.mark.parametrize(
    ("provider", "model", "address"),
    [
        ("ollama", "llama3.2", "ollama.com"),
        ("ollama", "gpt-oss:120b-cloud", "localhost"),
        ("ollama", "llama3.2", None),
        ("vllm", "anything", "8.8.8.8"),
    ],
)
def test_a_model_served_elsewhere_is_not_free(catalog: Catalog, provider: str, model: str, address: str | None) -> None:
    unpriced(catalog, provider, model, SMALL, server_address=address)


def test_the_cost_that_the_answer_names_wins(catalog: Catalog) -> None:
    cost, status = catalog.price(call("openrouter", "whatever", provider_cost=Decimal("0.0123")))
    assert (cost and cost.usd, cost and cost.source, status) == (Decimal("0.0123"), "provider", "priced")
    assert catalog.price(call("openrouter", "whatever", provider_cost=Decimal(0)))[1] == "free"


def test_an_error_costs_nothing_that_is_known(catalog: Catalog) -> None:
    failed = call("openai", "gpt-4o", Usage(), error_type="RateLimitError", usage_source="unknown")
    assert catalog.price(failed) == (None, None)


@pytest.mark.parametrize("source", ["provider", "partial", "estimated"])
def test_a_stream_that_broke_off_is_billed(catalog: Catalog, source: str) -> None:
    assert usd(catalog, "openai", "gpt-4o", ONE_IN, error_type="ReadError", usage_source=source) == Decimal("2.5")


@pytest.mark.parametrize("usage", [Usage(), Usage(web_searches=1)])
def test_without_a_count_of_tokens_there_is_no_cost(catalog: Catalog, usage: Usage) -> None:
    assert catalog.price(call("openai", "gpt-4o", usage, usage_source="unknown")) == (None, None)


def test_passes_left_out_of_the_totals_are_added_by_their_own_model(catalog: Catalog) -> None:
    passes = (Pass("advisor", "claude-3-opus", ONE_IN), Pass("compaction", None, ONE_IN))
    cost, _ = catalog.price(call("anthropic", "claude-3-5-sonnet", ONE_IN, passes=passes))
    assert cost is not None
    assert cost.usd == 3 + 15 + 3
    assert [item.model for item in cost.items] == [None, "claude-3-opus", None]


def test_a_pass_without_a_price_leaves_the_call_without_one(catalog: Catalog) -> None:
    reason = unpriced(catalog, "anthropic", "claude-3-5-sonnet", passes=(Pass("advisor", "claude-x", ONE_IN),))
    assert reason == "advisor by claude-x: in no price list"


def test_the_version_of_the_prices_is_named(catalog: Catalog) -> None:
    cost, _ = catalog.price(call("openai", "gpt-4o"))
    assert cost is not None
    assert cost.price_version is not None
    assert cost.price_version.startswith("genai-prices ")


def test_reasons_and_tables_are_bounded() -> None:
    catalog = Catalog()
    for number in range(max(REASONS_KEPT, SCHEDULES_KEPT) + 10):
        catalog.price(call("no-such-provider", f"model-{number}"))
    assert len(catalog.unpriced) == REASONS_KEPT
    assert len(catalog._own.schedules) <= SCHEDULES_KEPT
    catalog.price(call("no-such-provider", "model-1"))
    assert catalog.unpriced["no-such-provider", "model-1"].calls == 2


def test_importing_does_not_load_the_price_lists() -> None:
    code = "import sys, tollkeeper.pricing; sys.exit(any(m in sys.modules for m in ('genai_prices', 'pydantic')))"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
