"""What is made of spans and events, the same from protobuf and from JSON."""

from __future__ import annotations

import base64
import json
import math
from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sidecar.receive.bodies import (
    OTHER_TRACE,
    PARENT_ID,
    SPAN_ID,
    TRACE_ID,
    as_json,
    json_body,
    logs,
    metrics,
    traces,
)
from tollkeeper.sidecar.receive import from_json, from_protobuf
from tollkeeper.sidecar.receive.body import Malformed
from tollkeeper.sidecar.receive.harvest import Harvest
from tollkeeper.sidecar.receive.signals import SignalName

Read = Callable[[SignalName, Any], Harvest]
GENAI = {"gen_ai.system": "x"}


@pytest.fixture(params=["protobuf", "json"])
def read(request: pytest.FixtureRequest) -> Read:
    if request.param == "json":
        return lambda signal, message: from_json.read(signal, json_body(message))
    return lambda signal, message: from_protobuf.read(signal, message.SerializeToString())


def test_a_span_with_everything(read: Read) -> None:
    attributes = {
        **GENAI,
        "i": -(2**62),
        "f": 0.1,
        "b": True,
        "none": None,
        "raw": b"\xff",
        "list": [1, ["x"], {}],
        "map": {"a": {}},
    }
    request = traces(
        {
            "name": "chat",
            "parent_span_id": PARENT_ID,
            "kind": 3,
            "start_time_unix_nano": 2**62,
            "end_time_unix_nano": 2**62 + 1,
            "failed": True,
            "attributes": attributes,
            "events": [("exception", {"exception.type": "E"}), ("empty", {})],
        },
        scope="some.scope",
        resource={"service.name": "shop"},
    )
    (found,) = read("traces", request).emissions
    assert found.attributes == attributes
    assert found == (
        "span", "chat", "some.scope", attributes, {"service.name": "shop"}, None, TRACE_ID.hex(), SPAN_ID.hex(),
        PARENT_ID.hex(), 2**62, 2**62 + 1, 3, True, (("exception", {"exception.type": "E"}), ("empty", {})),
    )  # fmt: skip


def test_an_event_with_everything(read: Read) -> None:
    request = logs(
        {
            "name": "gen_ai.choice",
            "body": {"message": "x"},
            "attributes": {"a": 1},
            "trace_id": TRACE_ID,
            "span_id": SPAN_ID,
            "severity_number": 17,
        },
        scope="some.scope",
        resource={"service.name": "shop"},
    )
    (found,) = read("logs", request).emissions
    assert found == (
        "event", "gen_ai.choice", "some.scope", {"a": 1}, {"service.name": "shop"}, {"message": "x"}, TRACE_ID.hex(),
        SPAN_ID.hex(), "", 5, 5, 0, True, (),
    )  # fmt: skip


def test_an_event_without_time_or_trace(read: Read) -> None:
    request = logs({"attributes": GENAI, "time_unix_nano": 0, "observed_time_unix_nano": 9, "trace_id": b"short"})
    (found,) = read("logs", request).emissions
    assert (found.trace_id, found.span_id, found.started_at, found.body) == ("", "", 9, None)


def test_an_events_name_of_the_old_kind(read: Read) -> None:
    (found,) = read("logs", logs({"attributes": {"event.name": "gen_ai.choice"}})).emissions
    assert found.name == "gen_ai.choice"


@pytest.mark.parametrize(
    ("attributes", "scope", "name", "kin"),
    [
        ({"gen_ai.request.model": "m"}, "", "", True),
        ({"x": 1, "llm.token_count.prompt": 1}, "", "", True),
        ({"openinference.span.kind": "LLM"}, "", "", True),
        ({"traceloop.entity.name": "x"}, "", "", True),
        ({"litellm.call_id": "x"}, "", "", True),
        ({"logfire.msg": "x"}, "", "", True),
        ({"operation.cost": 0.5}, "", "", True),
        ({"langfuse.observation.type": "generation"}, "", "", True),
        ({"ai.model.id": "x"}, "", "", True),
        ({}, "opentelemetry.instrumentation.genai.openai", "", True),
        ({}, "openinference.instrumentation.openai", "", True),
        ({}, "", "gen_ai.choice", True),
        (
            {"http.request.method": "GET", "email.ai.x": 1, "air.port": 1},
            "opentelemetry.instrumentation.requests",
            "GET",
            False,
        ),
        ({}, "", "", False),
    ],
)
def test_what_is_of_genai(read: Read, attributes: dict[str, Any], scope: str, name: str, kin: bool) -> None:
    for harvest in (
        read("traces", traces({"name": name, "attributes": attributes}, scope=scope)),
        read("logs", logs({"name": name, "attributes": attributes}, scope=scope)),
    ):
        assert (len(harvest.emissions), harvest.ignored, harvest.rejected) == ((1, 0, 0) if kin else (0, 1, 0))


def test_spans_that_may_nest_spans_of_genai_are_kept(read: Read) -> None:
    request = traces(
        {"name": "before", "attributes": {"a": 1}},
        {"name": "chat", "attributes": GENAI},
        {"name": "elsewhere", "trace_id": OTHER_TRACE},
        {"name": "after"},
    )
    harvest = read("traces", request)
    assert [one.name for one in harvest.emissions] == ["chat", "before", "after"]
    assert harvest.ignored == 1


@pytest.mark.parametrize("attributes", [{}, GENAI])
def test_ids_of_wrong_lengths(read: Read, attributes: dict[str, Any]) -> None:
    wrong: list[dict[str, Any]] = [{"trace_id": b""}, {"trace_id": b"x" * 15}, {"span_id": b"x" * 9}, {"span_id": b""}]
    harvest = read("traces", traces(*({**one, "attributes": attributes} for one in wrong), {"attributes": GENAI}))
    assert (harvest.rejected, len(harvest.emissions)) == (4, 1)
    assert "span 0: " in harvest.message and "span 3: " in harvest.message


def test_moments_out_of_range(read: Read) -> None:
    request = traces({"attributes": GENAI, "start_time_unix_nano": 2**64 - 1}, {"attributes": GENAI})
    harvest = read("traces", request)
    assert (harvest.rejected, len(harvest.emissions)) == (1, 1)


def test_the_last_of_duplicate_keys(read: Read) -> None:
    request = traces({"attributes": GENAI})
    pair = request.resource_spans[0].scope_spans[0].spans[0].attributes.add(key="gen_ai.system")
    pair.value.string_value = "last"
    assert read("traces", request).emissions[0].attributes == {"gen_ai.system": "last"}


def test_nul_is_replaced(read: Read) -> None:
    request = traces({"attributes": {**GENAI, "a": "x\0y", "b": ["\0"]}})
    assert read("traces", request).emissions[0].attributes == {**GENAI, "a": "x\ufffdy", "b": ["\ufffd"]}


def test_references_of_profiles_are_taken_as_absent(read: Read, caplog: pytest.LogCaptureFixture) -> None:
    request = traces({"attributes": {**GENAI, "a": None}})
    request.resource_spans[0].scope_spans[0].spans[0].attributes[1].value.string_value_strindex = 3
    assert read("traces", request).emissions[0].attributes == {**GENAI, "a": None}


def test_data_points_are_counted(read: Read) -> None:
    assert read("metrics", metrics(7)).ignored == 7


@pytest.mark.parametrize("signal", ["logs", "traces", "metrics"])
def test_envelopes_without_content(read: Read, signal: SignalName) -> None:
    request = {"logs": logs(), "traces": traces(), "metrics": metrics(0)}[signal]
    request = type(request)()
    getattr(request, from_protobuf.SIGNALS[signal].nesting[0]).add()
    harvest = read(signal, request)
    assert (len(harvest.batch()), harvest.ignored, harvest.rejected) == (0, 0, 0)


values = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(2**63), 2**63 - 1)
    | st.floats(allow_nan=False)
    | st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"), max_size=9)
    | st.binary(max_size=9),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text("abc", max_size=3), inner, max_size=4),
    max_leaves=10,
)


@settings(max_examples=200, derandomize=True, database=None)
@given(st.dictionaries(st.text("abc", min_size=1, max_size=4), values, max_size=5))
def test_any_value_is_read_alike(attributes: dict[str, Any]) -> None:
    request = traces({"attributes": {**attributes, **GENAI}})
    (of_protobuf,) = from_protobuf.read("traces", request.SerializeToString()).emissions
    (of_json,) = from_json.read("traces", json_body(request)).emissions
    assert of_protobuf.attributes == of_json.attributes == {**attributes, **GENAI}


class TestJson:
    """What only JSON can hold."""

    @staticmethod
    def span(**fields: Any) -> bytes:
        made = as_json(traces({"attributes": GENAI}))
        made["resourceSpans"][0]["scopeSpans"][0]["spans"][0].update(fields)
        return json.dumps(made).encode()

    def attribute(self, value: Any) -> Any:
        pairs = [{"key": "gen_ai.x", "value": value}]
        harvest = from_json.read("traces", self.span(attributes=pairs))
        if harvest.rejected:
            raise ValueError(harvest.message)
        return harvest.emissions[0].attributes["gen_ai.x"]

    def test_ids_in_capitals(self) -> None:
        (found,) = from_json.read(
            "traces", self.span(traceId=TRACE_ID.hex().upper(), spanId="ABCDEF0123456789")
        ).emissions
        assert (found.trace_id, found.span_id) == (TRACE_ID.hex(), "abcdef0123456789")

    @pytest.mark.parametrize("wrong", [base64.b64encode(TRACE_ID).decode(), "zz" * 16, "", None, 5, [], " " + "0" * 31])
    def test_ids_that_are_not_hexadecimal(self, wrong: Any) -> None:
        assert from_json.read("traces", self.span(traceId=wrong)).rejected == 1

    @pytest.mark.parametrize("written", ["1700000000000000000", 1700000000000000000])
    def test_moments_as_numbers_and_as_texts(self, written: Any) -> None:
        (found,) = from_json.read("traces", self.span(startTimeUnixNano=written)).emissions
        assert found.started_at == 1700000000000000000

    @pytest.mark.parametrize(
        ("value", "meant"),
        [
            ({"intValue": "5"}, 5),
            ({"intValue": -5}, -5),
            ({"intValue": 5.0}, 5),
            ({"doubleValue": "Infinity"}, math.inf),
            ({"doubleValue": 3}, 3.0),
            ({"stringValue": ""}, ""),
            ({"stringValue": "\ud83d"}, "\ufffd"),
            ({"bytesValue": "_-8="}, b"\xff\xef"),
            ({"boolValue": False}, False),
            ({"arrayValue": {}}, []),
            ({"kvlistValue": {"values": None}}, {}),
            ({"kvlistValue": {"values": [{}]}}, {"": None}),
            ({"stringValueStrindex": 3}, None),
            ({"future": 3}, None),
            ({"stringValue": None, "intValue": 3}, 3),
            ({}, None),
            (None, None),
        ],
    )
    def test_values(self, value: Any, meant: Any) -> None:
        assert self.attribute(value) == meant

    def test_not_a_number(self) -> None:
        assert math.isnan(self.attribute({"doubleValue": "NaN"}))

    @pytest.mark.parametrize(
        "value",
        [
            5, "x", [], {"intValue": "x"}, {"intValue": 2**63}, {"intValue": "9" * 5000}, {"intValue": 5.5},
            {"intValue": True}, {"intValue": []}, {"stringValue": 5}, {"boolValue": 1}, {"doubleValue": "x"},
            {"doubleValue": True}, {"doubleValue": 10**400}, {"bytesValue": "?"}, {"bytesValue": 5},
            {"arrayValue": 5}, {"arrayValue": {"values": 5}}, {"kvlistValue": {"values": [5]}},
            {"kvlistValue": {"values": [{"key": []}]}},
        ],
    )  # fmt: skip
    def test_values_of_wrong_types_reject_their_record(self, value: Any) -> None:
        with pytest.raises(ValueError, match="span 0: "):
            self.attribute(value)

    @pytest.mark.parametrize(
        "fields",
        [
            {"attributes": 5}, {"attributes": [5]}, {"attributes": [{"key": 5}]}, {"attributes": [[]]}, {"name": 5},
            {"kind": "SPAN"}, {"status": 5}, {"events": [5]}, {"events": 5}, {"startTimeUnixNano": "x"},
            {"startTimeUnixNano": -1}, {"parentSpanId": "x"}, {"spanId": 7},
        ],
    )  # fmt: skip
    def test_fields_of_wrong_types_reject_their_record(self, fields: dict[str, Any]) -> None:
        harvest = from_json.read("traces", self.span(**fields))
        assert (harvest.rejected, len(harvest.emissions)) == (1, 0)

    @pytest.mark.parametrize(
        "wrong",
        [
            {"resourceSpans": 5}, {"resourceSpans": [5]}, {"resourceSpans": [{"scopeSpans": "x"}]},
            {"resourceSpans": [{"scopeSpans": [None]}]}, {"resourceSpans": [{"scopeSpans": [{"spans": {}}]}]},
            {"resourceSpans": [{"scopeSpans": [{"spans": [[]]}]}]},
        ],
    )  # fmt: skip
    def test_envelopes_of_wrong_types(self, wrong: dict[str, Any]) -> None:
        harvest = from_json.read("traces", json.dumps(wrong).encode())
        assert (harvest.rejected, harvest.emissions) == (1, [])

    def test_a_broken_resource_rejects_what_needs_it(self) -> None:
        request = as_json(traces({"attributes": GENAI}, {"trace_id": OTHER_TRACE}))
        request["resourceSpans"][0]["resource"] = {"attributes": [5]}
        request["resourceSpans"] += as_json(traces({"attributes": GENAI}))["resourceSpans"]
        harvest = from_json.read("traces", json.dumps(request).encode())
        assert (harvest.rejected, harvest.ignored, len(harvest.emissions)) == (1, 1, 1)

    def test_the_original_names_are_not_the_protocols(self) -> None:
        assert from_json.read("traces", b'{"resource_spans": [{"scope_spans": [5]}]}').rejected == 0

    @pytest.mark.parametrize(
        "body", [b'{"a": ' + b"9" * 5000 + b"}", b"[" * 100_000, b'{"a":' * 100_000, b"\xff", b'"']
    )
    def test_bodies_that_are_no_json(self, body: bytes) -> None:
        with pytest.raises(Malformed):
            from_json.read("traces", body)
