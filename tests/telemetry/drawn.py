"""Calls with anything in any field, for property tests."""

from __future__ import annotations

from typing import get_args

from hypothesis import strategies as st

from tollkeeper import Call, Cost, LineItem, Usage
from tollkeeper.model import Meter, Operation, Pass, PriceStatus, UsageSource
from tollkeeper.model.cost import CostSource
from tollkeeper.telemetry import attributes as name

texts = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"), min_size=1, max_size=20)
maybe_text = st.none() | texts
counts = st.none() | st.integers(0, 2**50)
seconds = st.none() | st.floats(0, 1e6)
money = st.decimals(0, 10**6, allow_nan=False, allow_infinity=False, places=12)
lengths = st.decimals(0, 10**6, allow_nan=False, allow_infinity=False, places=3)

usages = st.builds(
    Usage,
    **{field: counts for field in Usage._fields if field != "input_audio_seconds"},
    input_audio_seconds=st.none() | lengths,
)
items = st.builds(
    LineItem,
    meter=st.sampled_from(get_args(Meter)),
    quantity=st.integers(0, 2**50) | lengths,
    unit_price=money,
    amount=money,
    model=maybe_text,
)
costs = st.builds(
    Cost,
    usd=money,
    source=st.sampled_from(get_args(CostSource)),
    items=st.lists(items, max_size=3).map(tuple),
    price_version=maybe_text,
)
passes = st.builds(Pass, kind=texts, model=maybe_text, usage=usages)
labels = st.dictionaries(texts, texts, max_size=3)
parameters = st.dictionaries(
    texts.map(lambda text: f"gen_ai.request.{text}"),
    st.booleans()
    | st.integers(-(2**50), 2**50)
    | st.floats(-1e9, 1e9)
    | texts
    | st.lists(texts, max_size=3).map(tuple),
    max_size=4,
).filter(lambda found: not found.keys() & {name.STREAM, name.REQUEST_MODEL})

FIELDS = {
    "id": texts,
    "provider": st.sampled_from(["openai", "anthropic", "azure.ai.openai", "gcp.gemini"]) | texts,
    "operation": st.sampled_from(get_args(Operation)),
    "started_at": st.integers(0, 2**62),
    "request_model": maybe_text,
    "endpoint": maybe_text,
    "server_address": texts,  # by the conventions, a port is written beside an address only
    "server_port": st.none() | st.integers(0, 65535),
    "attempt": st.integers(1, 99),
    "stream": st.booleans(),
    "parameters": parameters,
    "tags": labels,
    "duration": seconds,
    "response_model": maybe_text,
    "response_id": maybe_text,
    "finish_reasons": st.lists(texts, max_size=3).map(tuple),
    "service_tier": maybe_text,
    "price_context": labels,
    "status_code": st.none() | st.integers(100, 599),
    "error_type": maybe_text,
    "abandoned": st.booleans(),
    "time_to_first_chunk": seconds,
    "time_per_chunk": seconds,
    "chunks": st.integers(0, 10**6),
    "usage": usages,
    "billed_usage": st.none() | usages,
    "passes": st.lists(passes, max_size=2).map(tuple),
    "usage_source": st.sampled_from(get_args(UsageSource)),
    "provider_cost": st.none() | money,
    "cost": st.none() | costs,
    "price_status": st.none() | st.sampled_from(get_args(PriceStatus)),
    "trace_id": maybe_text,
    "span_id": maybe_text,
}
calls = st.builds(Call, **FIELDS)
