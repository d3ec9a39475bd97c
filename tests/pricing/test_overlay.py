"""The user's own price file."""

from __future__ import annotations

from decimal import Decimal

import pytest

from pricing.calls import MILLION, at, call
from tollkeeper.model import Usage
from tollkeeper.pricing import Catalog, Overlay, OverlayError, overlay

ONE_IN = Usage(input_tokens=MILLION, output_tokens=0)


def catalog_of(text: str) -> Catalog:
    return Catalog(Overlay.parse(text, "prices.toml"))


def usd(catalog: Catalog, *args: object, **fields: object) -> Decimal:
    cost, status = catalog.price(call(*args, **fields))  # type: ignore[arg-type]
    assert cost is not None, catalog.unpriced
    assert status == "priced"
    assert cost.source == "overlay"
    return cost.usd


def test_the_example_in_the_documentation_is_valid() -> None:
    assert overlay.__doc__ is not None
    example = "\n".join(line for line in overlay.__doc__.splitlines() if line.startswith("    "))
    parsed = Overlay.parse(example, "docs")
    assert (parsed.name, len(parsed.prices), len(parsed.aliases), len(parsed.discounts)) == ("acme 2026-11", 4, 1, 2)


def test_a_custom_model_with_every_kind_of_price() -> None:
    catalog = catalog_of("""
        name = "acme"
        [[price]]
        provider = "vllm"
        model = "Llama-3*"
        input = "0.20"
        output = 0.6
        cache_read = 0.1
        per_request = "0.001"
        per_search = 0.01
        per_second = "0.0001"
        per_image = "0.04"
        per_1k_characters = "0.015"
    """)
    usage = Usage(
        input_tokens=MILLION,
        output_tokens=MILLION,
        cache_read_tokens=500_000,
        web_searches=2,
        input_audio_seconds=Decimal("2.5"),
        input_characters=2000,
        output_images=1,
    )
    cost, _ = catalog.price(call("vllm", "llama-3.1-8b", usage, server_address="10.0.0.1"))
    assert cost is not None
    assert cost.price_version == "acme"
    assert {item.meter: item.amount for item in cost.items} == {
        "input": Decimal("0.1"),
        "cache_read": Decimal("0.05"),
        "output": Decimal("0.6"),
        "requests": Decimal("0.001"),
        "web_searches": Decimal("0.02"),
        "input_audio_seconds": Decimal("0.00025"),
        "output_images": Decimal("0.04"),
        "input_characters": Decimal("0.030"),
    }


def test_numbers_never_pass_through_binary_floats() -> None:
    catalog = catalog_of('[[price]]\nmodel = "m"\ninput = 0.1\noutput = 0.3')
    assert usd(catalog, "p", "m", Usage(1, 1)) == Decimal("0.0000004")


def test_a_price_by_the_request_needs_no_usage() -> None:
    catalog = catalog_of('[[price]]\nmodel = "m"\nper_request = 0.25')
    assert usd(catalog, "p", "m", Usage(), usage_source="unknown") == Decimal("0.25")


def test_free_must_be_said() -> None:
    catalog = catalog_of('[[price]]\nprovider = "ollama"\nfree = true')
    cost, status = catalog.price(call("ollama", "llama3.2", server_address="ollama.example.com"))
    assert cost is not None
    assert (cost.usd, cost.source, status) == (0, "overlay", "free")


def test_dated_rows_hold_on_both_of_their_last_days() -> None:
    catalog = catalog_of("""
        [[price]]
        model = "m"
        valid_from = 2026-01-01
        valid_to = 2026-06-30
        input = 5
        output = 15
        [[price]]
        model = "m"
        valid_from = 2026-07-01
        input = 4
        output = 12
    """)
    for day, price in ((at(2026, 1, 1), 5), (at(2026, 6, 30, 23, 59), 5), (at(2026, 7, 1), 4)):
        assert usd(catalog, "p", "m", ONE_IN, started_at=day) == price
    assert catalog.price(call("p", "m", started_at=at(2025, 12, 31, 23, 59))) == (None, "unpriced")


def test_a_row_goes_before_the_catalogue_for_its_own_context_only() -> None:
    catalog = catalog_of("""
        [[price]]
        provider = "openai"
        model = "o3"
        input = 1.5
        output = 6
        [[price]]
        provider = "openai"
        model = "o3"
        context = { service_tier = "scale" }
        input = 1.7
        output = 7
    """)
    assert usd(catalog, "openai", "o3", ONE_IN, service_tier="default") == Decimal("1.5")
    assert usd(catalog, "openai", "o3", ONE_IN, service_tier="scale") == Decimal("1.7")
    cost, _ = catalog.price(call("openai", "o3", ONE_IN, service_tier="flex"))
    assert cost is not None
    assert (cost.usd, cost.source) == (1, "catalog")


def test_a_deployment_is_another_name_of_a_model() -> None:
    catalog = catalog_of("""
        [[alias]]
        provider = "azure.ai.openai"
        model = "team-a-*"
        is = "gpt-4o-2024-11-20"
        [[alias]]
        model = "gateway/claude"
        is = "claude-3-5-sonnet"
        is_provider = "anthropic"
    """)
    for provider, model, price in (("azure.ai.openai", "team-a-chat", "2.5"), ("litellm", "gateway/claude", "3")):
        cost, _ = catalog.price(call(provider, model, ONE_IN))
        assert cost is not None
        assert (cost.usd, cost.source) == (Decimal(price), "catalog")


def test_an_alias_may_lead_to_a_row_of_the_file() -> None:
    catalog = catalog_of("""
        [[alias]]
        model = "a"
        is = "b"
        [[alias]]
        model = "lost"
        is = "nowhere"
        [[price]]
        model = "b"
        input = 1
        output = 1
    """)
    assert usd(catalog, "p", "a", ONE_IN) == 1
    catalog.price(call("p", "lost"))
    assert catalog.unpriced["p", "lost"].reason == "its alias nowhere is in no price list"


def test_a_discount_is_off_the_catalogue_price() -> None:
    catalog = catalog_of("""
        name = "deal"
        [[discount]]
        provider = "anthropic"
        model = "claude-3-*"
        percent = 12.5
        valid_from = 2026-01-01
    """)
    assert usd(catalog, "anthropic", "claude-3-opus", ONE_IN) == 15 * Decimal("0.875")
    cost, _ = catalog.price(call("anthropic", "claude-3-opus", ONE_IN))
    assert cost is not None
    assert cost.price_version is not None
    assert cost.price_version.startswith("genai-prices ")
    assert cost.price_version.endswith(", deal")
    for model, fields in (("claude-sonnet-4-5", {}), ("claude-3-opus", {"started_at": at(2025, 12, 31)})):
        cost, _ = catalog.price(call("anthropic", model, Usage(1, 1), **fields))
        assert cost is not None
        assert cost.source == "catalog"


def test_a_discount_of_everything_is_free() -> None:
    catalog = catalog_of('[[discount]]\nprovider = "openai"\npercent = 100')
    cost, status = catalog.price(call("openai", "gpt-4o"))
    assert cost is not None
    assert (cost.usd, status) == (0, "free")


def test_all_mistakes_are_told_at_once_with_their_places() -> None:
    with pytest.raises(OverlayError) as caught:
        Overlay.parse(
            """
            nmae = "typo"
            name = 7
            [[price]]
            model = "m"
            inptu = 1
            input = -1
            output = "two"
            cache_read = true
            valid_from = "2026-01-01"
            context = { service_tier = 3 }
            [[price]]
            model = ""
            free = true
            input = 1
            [[price]]
            model = "empty"
            [[price]]
            free = "yes"
            valid_from = 2026-02-01
            valid_to = 2026-01-01
            [[alias]]
            provider = "azure.ai.openai"
            [[discount]]
            percent = 101
            [[discount]]
            provider = "openai"
            """,
            "prices.toml",
        )
    assert str(caught.value).splitlines() == [
        "prices.toml: nmae: 'typo'; expected 'name'",
        "prices.toml: name: 7; expected a text that is not empty",
        "prices.toml: price[0].inptu: 1; expected 'input'",
        'prices.toml: price[0].input: -1; expected a number that is not negative, such as "2.50"',
        'prices.toml: price[0].cache_read: True; expected a number that is not negative, such as "2.50"',
        "prices.toml: price[0].output: 'two'; expected a number that is not negative, such as \"2.50\"",
        "prices.toml: price[0].valid_from: '2026-01-01'; "
        "expected a day or a moment, such as 2026-01-31 or 2026-01-31T18:00:00Z (no quotes)",
        "prices.toml: price[0].context: {'service_tier': 3}; expected texts, such as { service_tier = \"flex\" }",
        "prices.toml: price[1].free: True; expected no prices beside it",
        "prices.toml: price[1].model: ''; expected a text that is not empty",
        "prices.toml: price[2]: missing; expected at least one price, or free = true",
        "prices.toml: price[3].free: 'yes'; expected true or false",
        "prices.toml: price[3].valid_to: 2026-01-01; expected a day not before valid_from, 2026-02-01",
        "prices.toml: alias[0].model: missing; expected the name to translate",
        "prices.toml: alias[0].is: missing; expected the model that it is",
        "prices.toml: discount[0].percent: 101; expected a percentage from 0 to 100",
        "prices.toml: discount[1].percent: missing; expected a percentage from 0 to 100",
    ]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("[[price]", "prices.toml: not valid TOML: "),
        ("price = 3", "prices.toml: price: 3; expected tables, each headed [[price]]"),
        ("[price]\ninput = 1", "prices.toml: price: {'input': 1}; expected tables, each headed [[price]]"),
        ("[[price]]\ninput = nan", "prices.toml: price[0].input: NaN; expected a number"),
        ("[[price]]\ninput = inf", "prices.toml: price[0].input: Infinity; expected a number"),
    ],
)
def test_other_mistakes(text: str, message: str) -> None:
    with pytest.raises(OverlayError) as caught:
        Overlay.parse(text, "prices.toml")
    assert str(caught.value).startswith(message)
