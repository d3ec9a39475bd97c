"""The usage event: what is written of a call is read back, whole and exact."""

from __future__ import annotations

import dataclasses
import json
from decimal import Decimal
from typing import Any, get_args

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tollkeeper import Call, Cost, LineItem, Usage
from tollkeeper.model import Meter, Operation, Pass, PriceStatus, UsageSource
from tollkeeper.model.cost import CostSource
from tollkeeper.telemetry import attributes as name
from tollkeeper.telemetry import event
from tollkeeper.telemetry.event import decode, encode

texts = st.text(st.characters(exclude_categories=["Cs"]), min_size=1, max_size=20)
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

ASKED = {"id": "c1", "provider": "openai", "operation": "chat", "started_at": 1}


def call_with(**fields: Any) -> Call:
    return Call(**{**ASKED, **fields})


def test_every_field_is_tested() -> None:
    """A field that is new in `Call` must be drawn here too, or its loss would go unseen."""
    assert {field.name for field in dataclasses.fields(Call)} == FIELDS.keys()


@settings(max_examples=300, deadline=None, derandomize=True, database=None)
@given(calls)
def test_written_and_read_back(call: Call) -> None:
    """`decode(encode(call))` is the call, whatever is in its fields."""
    assert decode(encode(call)) == call


@settings(max_examples=300, deadline=None, derandomize=True, database=None)
@given(calls)
def test_over_json(call: Call) -> None:
    """So it is when the attributes have been JSON in between, as in a spool or in OTLP's JSON form."""
    read = decode(json.loads(json.dumps(encode(call))))
    assert read == call
    assert read.cost is None or call.cost is None or str(read.cost.usd) == str(call.cost.usd)


@settings(max_examples=100, deadline=None, derandomize=True, database=None)
@given(calls)
def test_attributes_are_what_opentelemetry_takes(call: Call) -> None:
    """Texts, numbers, booleans, and sequences of texts: nothing that an exporter would drop."""
    for value in encode(call).values():
        assert type(value) in (str, int, float, bool) or all(type(one) is str for one in value)


def test_an_event_of_another_version_can_be_read() -> None:
    """Attributes that nobody here knows are kept as parameters; those that are not there have their defaults."""
    written = encode(call_with())
    assert set(written) == {
        name.OPERATION, name.PROVIDER, name.CALL_ID, name.USAGE_SOURCE, event.STARTED_AT, event.ATTEMPT,
    }  # fmt: skip
    assert decode({**written, "tollkeeper.of.tomorrow": 5}).parameters == {"tollkeeper.of.tomorrow": 5}
    del written[event.ATTEMPT]
    assert decode(written) == call_with()


@pytest.mark.parametrize("missing", [name.CALL_ID, name.PROVIDER, name.OPERATION, event.STARTED_AT])
def test_what_cannot_be_missing(missing: str) -> None:
    """Without its identity an event is none."""
    written = encode(call_with())
    del written[missing]
    with pytest.raises(KeyError):
        decode(written)


def test_zero_is_not_unknown() -> None:
    """A count of zero comes back as zero, one that nobody gave as `None`."""
    usage = Usage(input_tokens=0, output_tokens=None, cache_read_tokens=0)
    assert decode(encode(call_with(usage=usage))).usage == usage


def test_money_is_exact() -> None:
    """Not a digit is lost, where a float would lose some."""
    usd = Decimal("0.000000000000123456789012345678")
    read = decode(json.loads(json.dumps(encode(call_with(cost=Cost(usd, "catalog"), provider_cost=usd)))))
    assert read.cost is not None
    assert (read.cost.usd, read.provider_cost) == (usd, usd)


def test_a_fetch_keeps_its_usage_in_the_event() -> None:
    """The span of a fetch shows no tokens, as they are another call's; its event has what was counted by fetching."""
    call = call_with(operation="fetch_response", usage=Usage(5, 7), usage_source="provider")
    assert name.INPUT_TOKENS not in name.response_attributes(call)
    assert decode(encode(call)) == call
