"""Broken and malicious requests: the answer is always one that OTLP knows, and what was good in them is kept."""

from __future__ import annotations

import gzip
import json
import random
import zlib
from typing import Any

import grpc
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from opentelemetry.proto.collector.logs.v1.logs_service_pb2 import ExportLogsServiceResponse
from opentelemetry.proto.common.v1.common_pb2 import AnyValue

from sidecar.receive.bodies import call, json_body, logs, metrics, own, traces
from sidecar.receive.conftest import BODY_LIMIT
from sidecar.receive.serving import Serving
from tollkeeper.sidecar.receive import from_json, from_protobuf, salvage
from tollkeeper.sidecar.receive.body import Malformed, TooLarge, inflate
from tollkeeper.sidecar.receive.signals import SignalName
from tollkeeper.telemetry import record
from tollkeeper.telemetry.reading import decode
from tollkeeper.telemetry.record import CALL_EVENT

PROTOBUF, JSON = "application/x-protobuf", "application/json"
GENAI = {"gen_ai.system": "x"}
MARK, BROKEN = "\u00e9\u00e9\u00e9", b"\xc3\xa9\xc3\xa9\xc3\xa9"
"""A text, and how it is encoded: replaced by as many bytes that are no UTF-8, all lengths stay right."""


def spoil(body: bytes, how: bytes = b"\xff" * 6) -> bytes:
    assert BROKEN in body
    return body.replace(BROKEN, how)


class TestInvalidUtf8:
    def test_one_log_record_of_three(self) -> None:
        request = logs(
            {"name": CALL_EVENT, "body": record.encode(call(1))},
            {"name": "gen_ai.choice", "body": MARK},
            {"name": CALL_EVENT, "body": "no record"},
            {"name": CALL_EVENT, "body": record.encode(call(2))},
        )
        harvest = from_protobuf.read("logs", spoil(request.SerializeToString()))
        assert [arrival.call.id for arrival in harvest.calls] == ["call-1", "call-2"]
        assert harvest.rejected == 2
        assert "log record 1: " in harvest.message and "log record 2: " in harvest.message, "numbered as they came"

    def test_the_same_in_json(self) -> None:
        request = logs({"attributes": GENAI, "body": MARK}, {"attributes": GENAI}, {"name": CALL_EVENT, "body": "x"})
        body = json.dumps(json.loads(json_body(request)), ensure_ascii=False).encode()
        harvest = from_json.read("logs", spoil(body))
        assert (harvest.rejected, len(harvest.emissions)) == (2, 1)
        assert "log record 0: a text is not UTF-8" in harvest.message and "log record 2: " in harvest.message

    @pytest.mark.parametrize("where", ["attributes", "name", "event"])
    def test_spans(self, where: str) -> None:
        bad: dict[str, Any] = {"attributes": {**GENAI, "x": MARK}} if where == "attributes" else {"attributes": GENAI}
        bad |= {"name": MARK} if where == "name" else {"events": [(MARK, {})]} if where == "event" else {}
        request = traces({"attributes": GENAI, "name": "a"}, bad, {"name": "b"}, resource={"service.name": "shop"})
        harvest = from_protobuf.read("traces", spoil(request.SerializeToString()))
        assert [(one.name, one.resource) for one in harvest.emissions] == [
            ("a", {"service.name": "shop"}),
            ("b", {"service.name": "shop"}),
        ]
        assert harvest.rejected == 1

    @pytest.mark.parametrize("where", ["scope", "resource"])
    def test_a_scope_or_resource_takes_its_own_records_only(self, where: str) -> None:
        spans = ({"attributes": GENAI}, {"attributes": GENAI})
        request = traces(*spans, scope=MARK) if where == "scope" else traces(*spans, resource={"x": MARK})
        request.resource_spans.extend(traces({"attributes": GENAI, "name": "good"}).resource_spans)
        harvest = from_protobuf.read("traces", spoil(request.SerializeToString()))
        assert harvest.rejected == 2
        assert [one.name for one in harvest.emissions] == ["good"]

    def test_data_points(self) -> None:
        request = metrics(3)
        request.resource_metrics.extend(metrics(4).resource_metrics)
        request.resource_metrics[0].scope_metrics[0].metrics[0].name = MARK
        harvest = from_protobuf.read("metrics", spoil(request.SerializeToString()))
        assert (harvest.rejected, harvest.ignored) == (3, 4)

    def test_over_http(self, server: Serving) -> None:
        request = logs({"body": MARK})
        request.resource_logs.extend(own(call()).resource_logs)
        answer = server.post("/v1/logs", spoil(request.SerializeToString()))
        partial = ExportLogsServiceResponse.FromString(answer.body).partial_success
        assert (answer.status, partial.rejected_log_records) == (200, 1)
        assert len(server.keeper.only.calls) == 1


def nested(levels: int) -> AnyValue:
    value = AnyValue(string_value="deep")
    for _ in range(levels):
        outer = AnyValue()
        outer.array_value.values.append(value)
        value = outer
    return value


def nested_bytes(levels: int) -> bytes:
    """An AnyValue that protobuf itself would not make any more."""
    body = b""
    for _ in range(levels):
        body = _field(5, _field(1, body))
    return body


def _field(number: int, content: bytes) -> bytes:
    return _varint(number << 3 | 2) + _varint(len(content)) + content


def _varint(number: int) -> bytes:
    found = bytearray()
    while number > 0x7F:
        found.append(number & 0x7F | 0x80)
        number >>= 7
    return bytes([*found, number])


class TestNesting:
    def test_deep_values_are_read(self) -> None:
        request = traces({"attributes": GENAI})
        request.resource_spans[0].scope_spans[0].spans[0].attributes.add(key="x").value.CopyFrom(nested(40))
        for harvest in (
            from_protobuf.read("traces", request.SerializeToString()),
            from_json.read("traces", json_body(request)),
        ):
            found = harvest.emissions[0].attributes["x"]
            for _ in range(40):
                (found,) = found
            assert found == "deep"

    def test_too_deep_a_value_rejects_its_record(self) -> None:
        bad = _field(5, nested_bytes(5000))  # a log record's body
        good = logs({"attributes": GENAI}).resource_logs[0].scope_logs[0].log_records[0].SerializeToString()
        scope_logs = _field(2, bad) + _field(2, good)
        harvest = from_protobuf.read("logs", _field(1, _field(2, scope_logs)))
        assert (harvest.rejected, len(harvest.emissions)) == (1, 1)
        assert "log record 0: " in harvest.message

    def test_too_deep_in_json(self) -> None:
        deep = '{"arrayValue":{"values":[' * 150 + "{}" + "]}}" * 150
        bad = '{"attributes":[{"key":"gen_ai.x","value":' + deep + "}]}"
        good = '{"attributes":[{"key":"gen_ai.x","value":{}}]}'
        body = '{"resourceLogs":[{"scopeLogs":[{"logRecords":[' + bad + "," + good + "]}]}]}"
        harvest = from_json.read("logs", body.encode())
        assert (harvest.rejected, len(harvest.emissions)) == (1, 1)


class TestBrokenProtobuf:
    @pytest.mark.parametrize(
        "body",
        [
            b"\x0a",  # no length
            b"\x0a\xff\xff\xff\xff\x0f",  # a length of 4 GiB
            b"\x0a" + b"\xff" * 10,  # a varint without an end
            b"\x0a" + b"\x80" * 30 + b"\x01",
            b"\x00",  # field number 0
            b"\x0b",  # a group without an end
            b"\x0f",  # a wire type that there is not
            _field(1, b"\x12\x05ab"),  # a scope that is cut short
            _field(1, _field(2, b"\x12\x05ab")),
            b"this is no OTLP",
            b"{}",
        ],
    )
    @pytest.mark.parametrize("path", ["logs", "traces", "metrics"])
    def test_what_cannot_be_split(self, server: Serving, path: str, body: bytes) -> None:
        assert server.post(f"/v1/{path}", body).status == 400
        with grpc.insecure_channel(server.grpc) as channel:
            service = from_protobuf.SIGNALS[path].service  # type: ignore[index]
            with pytest.raises(grpc.RpcError) as caught:
                channel.unary_unary(f"/{service}/Export")(body)
        assert caught.value.code() is grpc.StatusCode.INVALID_ARGUMENT  # type: ignore[attr-defined]

    def test_every_truncation(self) -> None:
        whole = own(call(1), call(2)).SerializeToString()
        for length in range(1, len(whole)):
            with pytest.raises(Malformed):
                from_protobuf.read("logs", whole[:length])

    def test_a_wrong_wire_type_in_one_record(self) -> None:
        """The body of a record as a number: an unknown field, to protobuf, and so a record without a body."""
        bad = b"\x28\x05" + _field(12, CALL_EVENT.encode())
        good = own(call()).resource_logs[0].scope_logs[0].log_records[0].SerializeToString()
        harvest = from_protobuf.read("logs", _field(1, _field(2, _field(2, bad) + _field(2, good))))
        assert (harvest.rejected, len(harvest.calls)) == (1, 1)

    def test_unknown_fields_are_passed_over(self) -> None:
        body = own(call()).SerializeToString() + _field(99, b"future") + b"\x98\x06\x01"
        assert len(from_protobuf.read("logs", body).calls) == 1

    def test_many_fields_are_not_walked_for_ever(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(salvage, "MOST_FIELDS", 1000)
        with pytest.raises(Malformed, match="too large"):
            from_protobuf.read("logs", _field(1, b"") * 1001 + b"\x00")

    def test_another_signals_request(self) -> None:
        """The three signals have one shape, so this may pass as records without meaning; nothing is made of them."""
        harvest = from_protobuf.read("metrics", own(call()).SerializeToString())
        assert len(harvest.batch()) == 0


class TestCompressed:
    WHOLE = own(call()).SerializeToString()

    @pytest.mark.parametrize("encoding", ["gzip", "deflate"])
    def test_every_truncation(self, encoding: str) -> None:
        packed = gzip.compress(self.WHOLE) if encoding == "gzip" else zlib.compress(self.WHOLE)
        for length in range(len(packed)):
            with pytest.raises(Malformed):
                inflate(packed[:length], encoding, 1000)

    @pytest.mark.parametrize("encoding", ["gzip", "deflate"])
    def test_what_is_not_compressed(self, server: Serving, encoding: str) -> None:
        answer = server.post("/v1/logs", self.WHOLE, content_encoding=encoding)
        assert answer.status == 400

    def test_several_members(self) -> None:
        packed = gzip.compress(b"one") + gzip.compress(b"") + gzip.compress(b"two") + b"\0\0"
        assert inflate(packed, "gzip", 6) == b"onetwo"
        with pytest.raises(TooLarge):
            inflate(packed, "gzip", 5)

    @pytest.mark.parametrize("encoding", ["gzip", "deflate"])
    def test_what_follows(self, encoding: str) -> None:
        packed = gzip.compress(b"one") if encoding == "gzip" else zlib.compress(b"one")
        with pytest.raises(Malformed):
            inflate(packed + b"more", encoding, 100)

    def test_deflate_without_its_header(self) -> None:
        stream = zlib.compressobj(wbits=-15)
        assert inflate(stream.compress(self.WHOLE) + stream.flush(), "deflate", 1000) == self.WHOLE

    @settings(max_examples=100, derandomize=True, database=None)
    @given(st.binary(max_size=3000), st.integers(0, 3000), st.sampled_from(["gzip", "deflate"]))
    def test_the_limit_is_exact(self, data: bytes, limit: int, encoding: str) -> None:
        packed = gzip.compress(data) if encoding == "gzip" else zlib.compress(data)
        if len(data) <= limit:
            assert inflate(packed, encoding, limit) == data
        else:
            with pytest.raises(TooLarge):
                inflate(packed, encoding, limit)

    def test_a_bomb_stops_at_the_limit(self) -> None:
        """A quarter of a gigabyte of zeros: it is given up at once, and no more than the limit is ever in memory."""
        stream = zlib.compressobj(1)
        bomb = b"".join(stream.compress(b"\0" * (1 << 24)) for _ in range(16)) + stream.flush()
        with pytest.raises(TooLarge):
            inflate(bomb, "deflate", 1 << 20)


def test_an_attribute_of_ten_megabytes(server: Serving) -> None:
    huge = "x" * (10 << 20)
    request = traces({"attributes": {**GENAI, "huge": huge}}, {"name": "small", "attributes": GENAI})
    assert server.post("/v1/traces", request.SerializeToString()).status == 200
    assert server.post("/v1/traces", json_body(request), JSON).status == 200
    for batch in server.keeper.batches:
        assert [len(one.attributes.get("huge", "")) for one in batch.emissions] == [10 << 20, 0]


def test_a_large_body_of_nonsense(server: Serving) -> None:
    noise = random.Random(1).randbytes(2 << 20)
    assert server.post("/v1/logs", noise).status == 400
    assert server.post("/v1/logs", noise, JSON).status == 400
    assert server.post("/v1/logs", b"\x0a\x00" * (1 << 20)).status == 200, "a million empty envelopes are no mistake"
    assert server.post("/v1/logs", gzip.compress(b"[" * BODY_LIMIT), JSON, content_encoding="gzip").status == 400


REQUESTS: dict[SignalName, Any] = {
    "logs": logs(
        {"name": CALL_EVENT, "body": record.encode(call(tags={"tenant": "acme"}))},
        {"name": "gen_ai.choice", "body": {"a": [1, "x"]}, "attributes": {**GENAI, "n": 1, "f": 0.5, "b": b"x"}},
    ),
    "traces": traces({"attributes": {**GENAI, "l": ["x"]}, "events": [("e", {"a": 1})]}, {}, resource={"r": "x"}),
    "metrics": metrics(2),
}


@st.composite
def mutations(draw: st.DrawFn) -> tuple[SignalName, str, bytes]:
    """A good request with some of its bytes changed, left out, repeated or added."""
    signal = draw(st.sampled_from(sorted(REQUESTS)))
    form = draw(st.sampled_from([PROTOBUF, JSON]))
    request = REQUESTS[signal]
    body = bytearray(json_body(request) if form == JSON else request.SerializeToString())
    for _ in range(draw(st.integers(1, 4))):
        at = draw(st.integers(0, max(0, len(body) - 1)))
        change = draw(st.sampled_from(["set", "cut", "insert", "repeat", "end"]))
        if change == "set" and body:
            body[at] = draw(st.integers(0, 255))
        elif change == "cut":
            del body[at : at + draw(st.integers(1, 8))]
        elif change == "insert":
            body[at:at] = draw(st.binary(max_size=6) | st.sampled_from([b"null", b"[]", b"{}", b'"', b"1e999", b"NaN"]))
        elif change == "repeat":
            body[at:at] = body[at : at + draw(st.integers(1, 40))]
        else:
            del body[at:]
    return signal, form, bytes(body)


@settings(
    max_examples=600, derandomize=True, database=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)  # fmt: skip
@given(mutations())
def test_mutated_requests_are_answered_as_otlp_has_it(server: Serving, mutated: tuple[SignalName, str, bytes]) -> None:
    signal, form, body = mutated
    answer = server.post(f"/v1/{signal}", body, form)
    assert answer.status in (200, 400), answer.body
    assert answer.content_type == form
    if answer.status == 200 and form == JSON:
        assert set(json.loads(answer.body)) <= {"partialSuccess"}
    for batch in server.keeper.batches:
        assert all(decode(record.encode(arrival.call)) == arrival.call for arrival in batch.calls)
    server.keeper.batches.clear()


values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=4),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=4), inner, max_size=3),
    max_leaves=6,
)


@settings(max_examples=600, derandomize=True, database=None)
@given(st.data(), st.sampled_from(sorted(REQUESTS)), values)
def test_any_value_anywhere_in_json(data: st.DataObject, signal: SignalName, value: Any) -> None:
    """One part of a good request is replaced by anything: it is read, or what it is part of is rejected."""
    request = json.loads(json_body(REQUESTS[signal]))
    places: list[tuple[Any, Any]] = []

    def visit(part: Any) -> None:
        for key, inner in part.items() if isinstance(part, dict) else enumerate(part):
            places.append((part, key))
            if isinstance(inner, dict | list):
                visit(inner)

    visit(request)
    parent, key = data.draw(st.sampled_from(places))
    parent[key] = value
    harvest = from_json.read(signal, json.dumps(request).encode())
    assert harvest.rejected <= 3
    for emission in harvest.emissions:
        hash((emission.kind, emission.name, emission.scope, emission.trace_id, emission.span_id, emission.started_at))
        assert 0 <= emission.started_at < 2**63
