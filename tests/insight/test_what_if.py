"""What would have been: priced call by call, and nothing changes where nothing is different."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pricing.calls import TODAY, call
from tollkeeper.insight.what_if import ModelChange, Outcome, Scenario, Sums, WhatIf, with_cache_hit
from tollkeeper.model import Call, Usage
from tollkeeper.pricing import Catalog

CATALOG = Catalog()
THOUSAND = Usage(input_tokens=1_000_000, output_tokens=100_000)
OPENAI = ("gpt-4o", "gpt-4o-mini", "gpt-4o-2024-08-06")
COUNTS = st.integers(0, 300_000)
USAGES = st.builds(
    lambda taken, made, read, written: Usage(taken, made, read, written),
    COUNTS, COUNTS, st.none() | COUNTS, st.none() | COUNTS,
)  # fmt: skip
CALLS = st.builds(
    lambda model, usage, tags, tier, at: call(
        "openai", model, usage, tags=tags, service_tier=tier, started_at=TODAY - at * 3_600_000_000_000
    ),
    st.sampled_from(OPENAI),
    USAGES,
    st.fixed_dictionaries({"tenant": st.sampled_from("ab"), "feature": st.sampled_from(("", "search"))}),
    st.sampled_from((None, "default", "flex")),
    st.integers(0, 2000),
)


def cost_of(one: Call) -> int | None:
    cost, _ = CATALOG.price(one)
    return None if cost is None else cost.nano_usd


def asked(scenario: Scenario, *calls: Call) -> Outcome:
    question = WhatIf(scenario, CATALOG)
    for one in calls:
        question.add(one, cost_of(one))
    return question.outcome()


def test_another_model_by_hand() -> None:
    large = call("openai", "gpt-4o", THOUSAND, tags={"feature": "search", "tenant": "acme"})
    small = call("openai", "gpt-4o-mini", THOUSAND, tags={"tenant": "acme"})
    found = asked(Scenario((("gpt-4o", "gpt-4o-mini"),)), large, small)
    # 1 M in at $2.50 and 0.1 M out at $10: $3.50; at $0.15 and $0.60: $0.21.
    assert found.total == Sums(2, 1, 2, 3_710_000_000, 420_000_000)
    assert found.total.delta_nano_usd == -3_290_000_000
    assert found.by_model[0] == (
        ModelChange("openai", "gpt-4o", "openai", "gpt-4o-mini"), Sums(1, 1, 1, 3_500_000_000, 210_000_000)
    )  # fmt: skip
    assert [value for value, _ in found.by_feature] == ["search", ""]
    assert found.by_tenant == (("acme", found.total),)


def test_the_batch_tier_and_another_provider_by_hand() -> None:
    one = call("openai", "gpt-4o", THOUSAND, stream=True)
    assert asked(Scenario(tier="batch"), one).total.new_nano_usd == 1_750_000_000
    assert asked(Scenario(tier="batch"), one).streamed == 1
    elsewhere = asked(Scenario((("gpt-*", "anthropic/claude-haiku-4-5"),)), one)
    # $1 and $5 a million.
    assert elsewhere.total.new_nano_usd == 1_500_000_000
    assert elsewhere.by_model[0][0].new_provider == "anthropic"


def test_a_part_of_the_input_from_a_cache_by_hand() -> None:
    found = asked(Scenario(cache_hit=Decimal("0.6")), call("openai", "gpt-4o", THOUSAND))
    # 0.4 M at $2.50, 0.6 M at $1.25, and $1 of output.
    assert found.total.new_nano_usd == 1_000_000_000 + 750_000_000 + 1_000_000_000


def test_what_is_not_known_is_in_no_sum() -> None:
    one = call("openai", "gpt-4o", THOUSAND)
    found = asked(Scenario((("gpt-4o", "acme-tuned"),)), one)
    assert found.total == Sums(1, 1, not_repriced=1, not_repriced_nano_usd=3_500_000_000)
    assert found.reasons == {("openai", "acme-tuned"): "in no price list"}
    unpriced = call("openai", "acme-tuned", THOUSAND)
    assert asked(Scenario((("acme-*", "gpt-4o"),)), unpriced).total == Sums(1, 1, unknown=1)
    failed = call("openai", "gpt-4o", Usage(), error_type="Timeout", usage_source="unknown")
    assert asked(Scenario((("gpt-4o", "gpt-4o-mini"),)), failed).total == Sums(1, 1)


def test_what_the_provider_said_is_of_the_call_as_it_was() -> None:
    routed = call("openrouter", "openai/gpt-4o", THOUSAND, provider_cost=Decimal("9.99"))
    same = asked(Scenario((("openai/gpt-4o", "openai/gpt-4o"),)), routed)
    assert same.total == Sums(1, 0, 1, 9_990_000_000, 9_990_000_000)
    other = asked(Scenario((("openai/gpt-4o", "openai/gpt-4o-mini"),)), routed)
    assert other.by_model[0][0].new_provider == "openrouter" and 0 < other.total.new_nano_usd < 1_000_000_000


@given(st.lists(CALLS, max_size=8))
@settings(max_examples=60)
def test_a_model_in_place_of_itself_changes_nothing(calls: list[Call]) -> None:
    found = asked(Scenario(tuple((name, name) for name in OPENAI)), *calls).total
    assert (found.changed, found.delta_nano_usd, found.not_repriced) == (0, 0, 0)
    assert found.old_nano_usd == sum(cost_of(one) or 0 for one in calls)


@given(st.lists(CALLS, max_size=8), st.sampled_from(("batch", "flex", "standard", None)), st.booleans())
@settings(max_examples=60)
def test_every_grouping_has_every_call_once(calls: list[Call], tier: Any, cheaper: bool) -> None:
    scenario = Scenario((("gpt-4o", "gpt-4o-mini"),) if cheaper else (), tier, Decimal("0.5"))
    found = asked(scenario, *calls)
    for groups in (found.by_model, found.by_feature, found.by_tenant):
        total = Sums(*map(sum, zip(Sums(), *(sums for _, sums in groups), strict=True)))
        assert total == found.total
    assert found.total.calls == len(calls) == found.total.compared + found.total.not_repriced + found.total.unknown


@given(USAGES, st.decimals(0, 1, places=3))
def test_more_of_a_cache_is_never_more_than_was_put_in(usage: Usage, share: Decimal) -> None:
    changed = with_cache_hit(usage, share)
    assert (changed.input_tokens, changed.output_tokens) == (usage.input_tokens, usage.output_tokens)
    assert changed.billable().get("cache_read", 0) == int((usage.input_tokens or 0) * share)
    assert with_cache_hit(changed, share) == changed


@pytest.mark.parametrize(
    ("scenario", "told"),
    [
        (Scenario(), "expected at least one"),
        (Scenario((("", "x"),)), "expected two names"),
        (Scenario(tier="slow"), "tier: 'slow'; expected one of standard"),  # type: ignore[arg-type]
        (Scenario(cache_hit=Decimal(2)), "expected a share"),
    ],
)
def test_what_is_wrong_with_a_scenario_is_told(scenario: Scenario, told: str) -> None:
    assert told in "\n".join(scenario.mistakes())
