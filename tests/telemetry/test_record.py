"""The record of a call: what is written is read back, whole and exact, and nothing else is taken for one."""

from __future__ import annotations

import contextlib
import json
import math
from collections.abc import Mapping
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from telemetry.drawn import calls
from tollkeeper import Call, Cost, LineItem, Usage
from tollkeeper.model import Pass
from tollkeeper.telemetry.reading import LONGEST_TEXT, decode
from tollkeeper.telemetry.record import digest, encode

SHORT = Call(id="c1", provider="openai", operation="chat", started_at=1)


@settings(max_examples=200, derandomize=True, database=None)
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


@settings(max_examples=500, derandomize=True, database=None)
@given(st.integers(1, 33), json_values)
def test_a_field_of_any_type_gives_a_call_or_a_value_error(at: int, value: Any) -> None:
    fields = json.loads(encode(SHORT))
    fields[at] = value
    with contextlib.suppress(ValueError):
        whole(decode(json.dumps(fields)))


def whole(call: Call) -> None:
    """Everything in the call is what its annotations say, as far as a database minds."""
    assert isinstance(call.id, str) and 0 < len(call.id) <= 200
    assert type(call.attempt) is int and call.attempt >= 1
    assert type(call.started_at) is int and 0 <= call.started_at < 2**63
    assert call.provider and call.operation and isinstance(call.provider + call.operation, str)
    for seconds in (call.duration, call.time_to_first_chunk, call.time_per_chunk):
        assert seconds is None or (math.isfinite(seconds) and seconds >= 0)
    for count in (*call.usage, *(call.billed_usage or ()), *(count for each in call.passes for count in each.usage)):
        assert count is None or (0 <= count <= 2**53 and type(count) in (int, Decimal))
    for labels in (call.tags, call.price_context):
        assert isinstance(labels, Mapping) and all(isinstance(text, str) for pair in labels.items() for text in pair)
    assert call.cost is None or 0 <= call.cost.nano_usd < 2**63
    encode(call).encode()


PRICED = Call(
    "c1", "openai", "chat", 1, usage=Usage(1, 2), passes=(Pass("p", "m", Usage(1)),), provider_cost=Decimal(1),
    cost=Cost(Decimal("0.5"), "catalog", (LineItem("input", 1, Decimal("0.5"), Decimal("0.5")),), "v1"),
    duration=0.5, tags={"tenant": "acme"}, parameters={"seed": 1},
)  # fmt: skip


@pytest.mark.parametrize(
    ("at", "value"),
    [
        (1, ""), (1, "x" * 201), (1, 7), (1, None),
        (2, 0), (2, True), (2, None), (2, 2**31), (2, "1"),
        (3, -1), (3, 2**63), (3, 1.5), (3, None),
        (4, ""), (4, None), (5, ""), (5, 3),
        (6, 5), (11, -1), (11, "80"), (12, 1), (12, None),
        (13, -0.5), (13, "1"), (13, 1e300), (14, -1), (16, None), (16, -1), (17, "200"), (17, 2**31),
        (20, "stop"), (20, [1]), (20, None), (22, []), (22, {"tenant": 1}), (22, None),
        (23, "somebody"), (23, None),
        (24, [True]), (24, [-1]), (24, [2**53 + 1]), (24, ["1"]), (24, [1.0]), (24, [None] * 14 + ["-1"]),
        (24, [None] * 14 + ["1E-1000000"]),
        (24, [0] * 18), (25, [-1]), (26, [["p", "m", [-1]]]), (26, [["", "m", [1]]]), (26, [[1]]), (26, None),
        (27, "-1"), (27, "NaN"), (27, "1E+1000000"), (27, "1E-1000000"), (27, "0E-1000000"),
        (28, "cheap"), (29, ["-1", "catalog", [], None]), (29, ["1", "mine", [], None]),
        (29, ["1", "catalog", [["input", -1, "1", "1", None]], None]),
        (29, ["1", "catalog", [["input", 1, "1", "Infinity", None]], None]),
        (29, ["1", "catalog", [["", 1, "1", "1", None]], None]),
        (29, ["1", "catalog", []]), (29, ["1", "catalog", [["input", 1, "1", "1"]], None]),
        (32, None), (32, {"tier": 1}), (33, None), (33, {"seed": {"a": 1}}),
    ],
)  # fmt: skip
def test_a_wrong_field_is_refused(at: int, value: Any) -> None:
    fields = json.loads(encode(PRICED))
    decode(json.dumps(fields))
    fields[at] = value
    with pytest.raises(ValueError):
        decode(json.dumps(fields))


@pytest.mark.parametrize("odd", ["\\u0000", "\\ud800", "\\uDC00", "\ud800", "\0"])
def test_texts_that_no_database_takes_are_refused(odd: str) -> None:
    text = encode(PRICED).replace("acme", f"ac{odd}me")
    with pytest.raises(ValueError):
        decode(text)


@pytest.mark.parametrize("number", ["NaN", "Infinity", "1e999", "9" * 5000])
def test_numbers_that_are_none_are_refused(number: str) -> None:
    with pytest.raises(ValueError):
        decode(encode(PRICED).replace('"seed":1', f'"seed":{number}'))


def test_what_no_database_takes_is_replaced_when_it_is_written() -> None:
    odd = Call(
        "c1", "openai", "chat", 1, tags={"tenant": "a\0b", "user": "\ud800", "feature": "\U0001f600 \\u0000"},
        parameters={"temperature": math.nan, "top_p": math.inf, "stop": ("\0",)},
    )  # fmt: skip
    read = decode(encode(odd))
    assert read.tags == {"tenant": "a\ufffdb", "user": "\ufffd", "feature": "\U0001f600 \\u0000"}
    assert read.parameters == {"temperature": None, "top_p": None, "stop": ("\ufffd",)}


def test_texts_that_are_too_long_are_cut() -> None:
    long = "x" * (LONGEST_TEXT + 1)
    call = Call("c1", long, "chat", 1, endpoint=long, finish_reasons=(long,), tags={long: long, "tenant": "acme"})
    read = decode(encode(call))
    cut = long[:LONGEST_TEXT]
    assert (read.provider, read.endpoint, read.finish_reasons) == (cut, cut, (cut,))
    assert read.tags == {cut: cut, "tenant": "acme"}


def test_a_digest_is_of_the_text() -> None:
    text = encode(PRICED)
    assert digest(text) == digest(text.encode())
    assert len(digest(text)) == 16
    assert digest(text) != digest(text + " ")
