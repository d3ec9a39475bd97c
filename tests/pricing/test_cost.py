"""Properties that hold for whatever a provider says it counted."""

from __future__ import annotations

from decimal import Decimal, localcontext
from threading import Thread

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pricing.calls import call
from tollkeeper.model import Usage
from tollkeeper.pricing import Catalog

MODELS = (
    ("openai", "gpt-4o"),
    ("openai", "gpt-5.4"),
    ("openai", "gpt-realtime"),
    ("anthropic", "claude-sonnet-4-5"),
    ("gcp.gemini", "gemini-2.5-flash"),
    ("gcp.gemini", "gemini-2.5-pro"),
    ("aws.bedrock", "eu.anthropic.claude-sonnet-4-5-20250929-v1:0"),
    ("openai", "gpt-4o-search-preview"),
    ("mistral_ai", "voxtral-small-24b-2507"),
)
TOKENS = [name for name in Usage._fields if name.endswith("_tokens")]
count = st.none() | st.integers(-5, 100) | st.integers(0, 10**6)
any_usage = st.builds(
    Usage,
    **dict.fromkeys((*TOKENS, "web_searches", "input_characters", "output_images"), count),
    input_audio_seconds=st.none() | st.decimals(-1, 10**4, places=3),
)
below_every_step = st.integers(0, 10_000)


@given(st.sampled_from(MODELS), any_usage)
def test_the_items_sum_to_the_cost_and_none_is_negative(catalog: Catalog, model: tuple[str, str], usage: Usage) -> None:
    cost, status = catalog.price(call(*model, usage))
    if cost is None:
        assert status in ("unpriced", None)
        return
    with localcontext() as exact:
        exact.prec = 100
        assert cost.usd == sum(item.amount for item in cost.items)
        assert all(item.amount == item.quantity * item.unit_price and item.amount >= 0 for item in cost.items)


def _usage(**tokens: int) -> Usage:
    return Usage(**tokens)


@given(st.sampled_from(MODELS), st.builds(_usage, **dict.fromkeys(TOKENS, below_every_step)), st.integers(1, 10))
def test_within_a_step_the_cost_is_linear(catalog: Catalog, model: tuple[str, str], usage: Usage, times: int) -> None:
    """But for the fee of a request."""
    once, _ = catalog.price(call(*model, usage))
    more, _ = catalog.price(call(*model, usage._replace(**{name: getattr(usage, name) * times for name in TOKENS})))
    assert (once is None) == (more is None)
    if once is not None and more is not None:
        fee = sum(item.amount for item in once.items if item.meter == "requests")
        assert more.usd - fee == (once.usd - fee) * times


@given(st.sampled_from(MODELS), st.integers(0, 10**6), st.integers(0, 10**6), st.integers(0, 1000))
def test_one_token_more_never_costs_less(
    catalog: Catalog, model: tuple[str, str], tokens_in: int, tokens_out: int, more: int
) -> None:
    less, _ = catalog.price(call(*model, Usage(tokens_in, tokens_out)))
    dear, _ = catalog.price(call(*model, Usage(tokens_in + more, tokens_out + more)))
    assert less is not None
    assert dear is not None
    assert less.usd <= dear.usd


def test_the_host_programs_decimal_context_does_not_matter() -> None:
    usage = Usage(123_457, 98_765, cache_read_tokens=1_234)
    exact, _ = Catalog().price(call("openai", "gpt-4o", usage))
    with localcontext() as context:
        context.prec = 2
        rounded, _ = Catalog().price(call("openai", "gpt-4o", usage))
    assert rounded == exact
    assert exact is not None
    assert exact.usd == (122_223 * Decimal("2.5") + 1_234 * Decimal("1.25") + 98_765 * 10) / 10**6


@pytest.mark.parametrize("threads", [8])
def test_threads_may_share_a_catalog(threads: int) -> None:
    shared, seen = Catalog(), []

    def run() -> None:
        seen.extend(shared.price(call(*model, Usage(1000, 10))) for model in MODELS for _ in range(20))
        shared.price(call("openai", "no-such-model"))

    running = [Thread(target=run) for _ in range(threads)]
    for thread in running:
        thread.start()
    for thread in running:
        thread.join()
    assert len(seen) == threads * 20 * len(MODELS)
    assert {cost.usd for cost, _ in seen if cost} == {
        cost.usd for model in MODELS if (cost := Catalog().price(call(*model, Usage(1000, 10)))[0])
    }
    assert shared.unpriced["openai", "no-such-model"].calls == threads
