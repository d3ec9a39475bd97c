"""The usage event: what is written of a call is read back, whole and exact."""

from __future__ import annotations

import dataclasses
import json
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given, settings

from telemetry.drawn import FIELDS, calls
from tollkeeper import Call, Cost, Usage
from tollkeeper.telemetry import attributes as name
from tollkeeper.telemetry import event
from tollkeeper.telemetry.event import decode, encode

ASKED = {"id": "c1", "provider": "openai", "operation": "chat", "started_at": 1}


def call_with(**fields: Any) -> Call:
    return Call(**{**ASKED, **fields})


def test_every_field_is_tested() -> None:
    """A field that is new in `Call` must be drawn here too, or its loss would go unseen."""
    assert {field.name for field in dataclasses.fields(Call)} == FIELDS.keys()


@settings(max_examples=150, derandomize=True, database=None)
@given(calls)
def test_written_and_read_back(call: Call) -> None:
    """`decode(encode(call))` is the call, whatever is in its fields."""
    assert decode(encode(call)) == call


@settings(max_examples=150, derandomize=True, database=None)
@given(calls)
def test_over_json(call: Call) -> None:
    """So it is when the attributes have been JSON in between, as in a spool or in OTLP's JSON form."""
    read = decode(json.loads(json.dumps(encode(call))))
    assert read == call
    assert read.cost is None or call.cost is None or str(read.cost.usd) == str(call.cost.usd)


@settings(max_examples=100, derandomize=True, database=None)
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
