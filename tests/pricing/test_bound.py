"""What a call costs is never more than what it was said, beforehand, that it can cost at the most."""

from __future__ import annotations

from decimal import Decimal
from itertools import product

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tollkeeper.model import Call, Usage
from tollkeeper.pricing import Catalog
from tollkeeper.pricing.bound import Demand, bound_of
from tollkeeper.pricing.cost import line_items, total
from tollkeeper.pricing.rates import Rates, Unpriced

CATALOG = Catalog()
MODELS = (
    ("openai", "gpt-4o"),
    ("openai", "gpt-4o-mini"),
    ("openai", "gpt-5.4"),
    ("openai", "gpt-4o-search-preview"),
    ("anthropic", "claude-sonnet-4-5"),
    ("anthropic", "claude-opus-4-1"),
    ("gcp.gemini", "gemini-2.5-pro"),
    ("gcp.gemini", "gemini-2.5-flash"),
    ("groq", "llama-3.3-70b-versatile"),
    ("deepseek", "deepseek-chat"),
    ("mistral_ai", "mistral-large-latest"),
)


def rates_of(provider: str, model: str) -> Rates:
    call = Call("id", provider, "chat", 1_790_000_000_000_000_000, request_model=model)
    found = CATALOG.rates(call)
    assert isinstance(found, Rates), (provider, model, found)
    return found


def parts(whole: int, drawn: list[int]) -> list[int | None]:
    """Some parts of a whole, none of them more than what the others leave."""
    found: list[int | None] = []
    for share in drawn:
        part = min(share, whole)
        whole -= part
        found.append(part or None)
    return found


counts = st.integers(0, 600_000)


@pytest.mark.parametrize(("provider", "model"), MODELS)
@given(st.data(), counts, st.integers(0, 100_000), st.integers(1, 4))
def test_no_usage_within_the_demand_costs_more(
    provider: str, model: str, data: st.DataObject, taken: int, made: int, choices: int
) -> None:
    rates = rates_of(provider, model)
    read, written, hour, image = parts(taken, data.draw(st.lists(counts, min_size=4, max_size=4)))
    (reasoning,) = parts(made, [data.draw(counts)])
    usage = Usage(
        input_tokens=data.draw(st.integers(0, taken)) if read is written is hour is image is None else taken,
        output_tokens=made * choices,
        cache_read_tokens=read,
        cache_write_tokens=(written or 0) + (hour or 0) or None,
        cache_write_1h_tokens=hour,
        input_image_tokens=image,
        reasoning_tokens=reasoning,
    )
    items = line_items(usage, rates)
    if isinstance(items, Unpriced):
        return
    bound = bound_of(Demand(taken, made, choices), rates)
    assert bound.nano_usd is not None
    assert total(items) * 10**9 <= bound.nano_usd


@pytest.mark.parametrize(("provider", "model"), MODELS)
def test_it_is_the_dearest_meter_and_no_more(provider: str, model: str) -> None:
    """A bound that is far too high would keep back calls that there is room for."""
    rates = rates_of(provider, model)
    dearest = max(
        total(items)
        for cached, reasoning in product((None, 1000), (None, 500))
        for usage in [Usage(1000, 500, cache_write_1h_tokens=cached, cache_write_tokens=cached,
                            reasoning_tokens=reasoning)]
        if not isinstance(items := line_items(usage, rates), Unpriced)
    )  # fmt: skip
    bound = bound_of(Demand(1000, 500), rates)
    assert bound.nano_usd is not None
    assert Decimal(bound.nano_usd).scaleb(-9) <= dearest * 2


def test_what_cannot_be_told_is_none_and_says_why() -> None:
    rates = rates_of("openai", "gpt-4o")
    assert bound_of(Demand(None, 100, why="a file"), rates)[:4] == (None, 100, None, "a file")
    assert bound_of(Demand(100, None), rates)[:4] == (100, None, None, "it names no most output tokens")
    assert bound_of(Demand(10, 10), Unpriced("no list has it"))[2:5] == (None, "no list has it", True)
    assert bound_of(Demand(10, 10), None)[:3] == (10, 10, None)


def test_embeddings_have_no_output_to_be_bounded() -> None:
    assert bound_of(Demand(1000, 0), rates_of("openai", "text-embedding-3-small")).nano_usd == 20_000
