"""The record of a call: what is written is read back, whole and exact, and nothing else is taken for one."""

from __future__ import annotations

import contextlib
import json
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from telemetry.drawn import calls
from tollkeeper import Call
from tollkeeper.telemetry.record import decode, encode

SHORT = Call(id="c1", provider="openai", operation="chat", started_at=1)


@settings(max_examples=500, deadline=None, derandomize=True, database=None)
@given(calls)
def test_written_and_read_back(call: Call) -> None:
    """`decode(encode(call))` is the call, and is written as the same text again."""
    text = encode(call)
    read = decode(text)
    assert read == call
    assert encode(read) == text
    assert "\n" not in text


@pytest.mark.parametrize("text", ["", "[]", "{}", "null", "[1,2]", b"\xff\xfe", "[[[", json.dumps([2] + [None] * 40)])
def test_what_is_no_record(text: Any) -> None:
    with pytest.raises(ValueError):
        decode(text)


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=3), inner, max_size=3),
    max_leaves=5,
)


@settings(max_examples=500, deadline=None, derandomize=True, database=None)
@given(st.integers(1, 33), json_values)
def test_a_field_of_any_type_gives_a_call_or_a_value_error(at: int, value: Any) -> None:
    fields = json.loads(encode(SHORT))
    fields[at] = value
    with contextlib.suppress(ValueError):
        decode(json.dumps(fields))
