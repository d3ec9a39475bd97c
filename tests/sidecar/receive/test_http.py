"""OTLP over HTTP: every status, header and body that the protocol asks for."""

from __future__ import annotations

import gzip
import json
import zlib
from typing import Any

import pytest
from google.rpc.error_details_pb2 import BadRequest, RetryInfo
from google.rpc.status_pb2 import Status
from opentelemetry.proto.collector.logs.v1.logs_service_pb2 import ExportLogsServiceResponse

from sidecar.receive import bodies
from sidecar.receive.bodies import call, json_body, logs, own, traces
from sidecar.receive.conftest import BODY_LIMIT, KEYS
from sidecar.receive.serving import Answer, Keeper, Serving, serving
from tollkeeper.sidecar.intake import Busy, Unavailable
from tollkeeper.sidecar.receive.body import Limits
from tollkeeper.sidecar.receive.door import Door
from tollkeeper.telemetry.record import CALL_EVENT

PROTOBUF, JSON = "application/x-protobuf", "application/json"
PATHS = ["/v1/logs", "/v1/traces", "/v1/metrics"]
ENCODERS = {
    "": lambda body: body,
    "identity": lambda body: body,
    "gzip": gzip.compress,
    "x-gzip": gzip.compress,
    "deflate": zlib.compress,
}


def encoded(request: Any, content_type: str) -> bytes:
    return json_body(request) if content_type.startswith(JSON) else request.SerializeToString()


def message(answer: Answer) -> str:
    """The message of a refusal, whose body is a `google.rpc.Status` of the answer's content type."""
    if answer.content_type == JSON:
        return json.loads(answer.body)["message"]
    assert answer.content_type == PROTOBUF
    return Status.FromString(answer.body).message


@pytest.mark.parametrize("content_type", [PROTOBUF, JSON, "application/json; charset=utf-8", "Application/X-Protobuf"])
@pytest.mark.parametrize("encoding", ENCODERS)
def test_a_record_is_taken_in_every_form(server: Serving, content_type: str, encoding: str) -> None:
    body = ENCODERS[encoding](encoded(own(call()), content_type.lower()))
    headers = {"content_encoding": encoding} if encoding else {}
    answer = server.post("/v1/logs", body, content_type, **headers)
    assert (answer.status, answer.content_type) == (200, content_type.lower().partition(";")[0])
    assert answer.body == (b"{}" if answer.content_type == JSON else b"")
    assert [arrival.call for arrival in server.keeper.only.calls] == [call()]


@pytest.mark.parametrize("path", PATHS)
@pytest.mark.parametrize(("content_type", "body"), [(PROTOBUF, b""), (JSON, b"{}"), (JSON, b'{"future": [1]}')])
def test_an_empty_request_succeeds(server: Serving, path: str, content_type: str, body: bytes) -> None:
    answer = server.post(path, body, content_type)
    assert (answer.status, answer.content_type) == (200, content_type)
    assert answer.body == (b"{}" if content_type == JSON else b"")
    assert server.keeper.batches == [], "there is nothing to record"


@pytest.mark.parametrize("method", ["GET", "PUT", "DELETE", "PATCH", "OPTIONS", "HEAD"])
@pytest.mark.parametrize("path", PATHS)
def test_other_methods(server: Serving, path: str, method: str) -> None:
    answer = server.post(path, b"", PROTOBUF, method)
    assert (answer.status, answer.headers["allow"]) == (405, "POST")
    assert method == "HEAD" or "POST" in message(answer)


@pytest.mark.parametrize("path", ["/v1/profiles", "/v1/", "/v1/logs/more", "/v1/Logs"])
@pytest.mark.parametrize("content_type", [PROTOBUF, JSON])
def test_other_paths(server: Serving, path: str, content_type: str) -> None:
    answer = server.post(path, b"", content_type)
    assert (answer.status, answer.content_type) == (404, content_type)
    assert "/v1/logs" in message(answer)


@pytest.mark.parametrize("content_type", [None, "text/plain", "application/protobuf", "multipart/form-data", ""])
def test_other_content_types(server: Serving, content_type: str | None) -> None:
    answer = server.post("/v1/logs", b"{}", content_type)
    assert answer.status == 415
    assert PROTOBUF in message(answer)


@pytest.mark.parametrize("content_type", [PROTOBUF, JSON])
@pytest.mark.parametrize("encoding", ["zstd", "br", "gzip, gzip"])
def test_other_encodings(server: Serving, content_type: str, encoding: str) -> None:
    answer = server.post("/v1/logs", b"", content_type, content_encoding=encoding)
    assert (answer.status, answer.content_type) == (415, content_type)
    assert answer.headers["accept-encoding"] == "gzip, deflate"


@pytest.mark.parametrize(
    ("content_type", "body"),
    [(PROTOBUF, b"\xff\xff\xff"), (PROTOBUF, b"\x0a\x05ab"), (JSON, b"{"), (JSON, b"[]"), (JSON, b"null"), (JSON, b"")],
)
@pytest.mark.parametrize("path", PATHS)
def test_what_cannot_be_decoded(server: Serving, path: str, content_type: str, body: bytes) -> None:
    answer = server.post(path, body, content_type)
    assert (answer.status, answer.content_type) == (400, content_type)
    assert message(answer)
    if content_type == PROTOBUF:
        (detail,) = Status.FromString(answer.body).details
        violations = BadRequest()
        assert detail.Unpack(violations)
        assert violations.field_violations[0].description == message(answer)
    else:
        assert json.loads(answer.body)["details"][0]["@type"] == "type.googleapis.com/google.rpc.BadRequest"


def test_a_body_over_the_limit_is_refused_before_it_is_sent(server: Serving) -> None:
    answer = server.post("/v1/logs", b"", PROTOBUF, content_length=str(BODY_LIMIT + 1))
    assert answer.status == 413
    assert str(BODY_LIMIT) in message(answer)


@pytest.mark.parametrize("content_type", [PROTOBUF, JSON])
def test_a_body_of_unknown_length_over_the_limit(server: Serving, content_type: str) -> None:
    parts = (b"x" * (1 << 20) for _ in range((BODY_LIMIT >> 20) + 1))
    try:
        answer = server.post("/v1/logs", parts, content_type)  # type: ignore[arg-type]
    except (BrokenPipeError, ConnectionResetError):
        return  # refused while it was still being sent
    assert (answer.status, answer.content_type) == (413, content_type)


@pytest.mark.parametrize("encoding", ["gzip", "deflate"])
def test_a_bomb_is_not_inflated(server: Serving, encoding: str) -> None:
    bomb = ENCODERS[encoding](b"\0" * (BODY_LIMIT + 1))
    assert len(bomb) < BODY_LIMIT // 500
    answer = server.post("/v1/traces", bomb, PROTOBUF, content_encoding=encoding)
    assert answer.status == 413
    assert server.door.counts.refused["http", "traces", 413] == 1


@pytest.mark.parametrize("failure", [Busy(7), Unavailable("the disk is full"), RuntimeError("a fault of ours")])
@pytest.mark.parametrize("content_type", [PROTOBUF, JSON])
def test_what_may_be_sent_again(server: Serving, content_type: str, failure: Exception) -> None:
    server.keeper.failures.append(failure)
    body = encoded(own(call()), content_type)
    answer = server.post("/v1/logs", body, content_type)
    assert (answer.status, answer.content_type) == (503, content_type)
    assert answer.headers["retry-after"] == ("7" if isinstance(failure, Busy) else "2")
    assert "fault of ours" not in message(answer), "what went wrong inside is for the log"
    if content_type == PROTOBUF:
        pause = RetryInfo()
        assert Status.FromString(answer.body).details[0].Unpack(pause)
        assert pause.retry_delay.seconds == int(answer.headers["retry-after"])
    assert server.post("/v1/logs", body, content_type).status == 200
    assert len(server.keeper.only.calls) == 1


def test_good_records_of_a_bad_batch_are_kept(server: Serving) -> None:
    request = logs({"name": CALL_EVENT, "body": "[1, 2]"}, {"name": CALL_EVENT, "body": 5})
    request.resource_logs.extend(own(call(1), call(2)).resource_logs)
    answer = server.post("/v1/logs", request.SerializeToString())
    partial = ExportLogsServiceResponse.FromString(answer.body).partial_success
    assert (answer.status, partial.rejected_log_records) == (200, 2)
    assert "log record 0: " in partial.error_message and "log record 1: " in partial.error_message
    assert [arrival.call.id for arrival in server.keeper.only.calls] == ["call-1", "call-2"]
    as_json = json.loads(server.post("/v1/logs", json_body(request), JSON).body)["partialSuccess"]
    assert as_json["rejectedLogRecords"] == "2"
    assert "log record 0: " in as_json["errorMessage"]
    assert len(server.keeper.batches[1].calls) == 2


def test_the_answer_stays_small_however_much_is_rejected(server: Serving) -> None:
    request = logs(*({"name": CALL_EVENT, "body": "x" * 1000} for _ in range(5000)))
    answer = server.post("/v1/logs", request.SerializeToString())
    assert ExportLogsServiceResponse.FromString(answer.body).partial_success.rejected_log_records == 5000
    assert len(answer.body) < 4000


def test_connections_are_kept(server: Serving) -> None:
    import http.client  # noqa: PLC0415

    connection = http.client.HTTPConnection("127.0.0.1", server.port)
    for _ in range(3):
        connection.request("POST", "/v1/logs", own(call()).SerializeToString(), {"content-type": PROTOBUF})
        answer = connection.getresponse()
        assert (answer.status, answer.read(), answer.will_close) == (200, b"", False)
    connection.close()


def test_what_was_received_is_counted(server: Serving) -> None:
    server.post("/v1/logs", gzip.compress(own(call(1), call(2)).SerializeToString()), content_encoding="gzip")
    server.post(
        "/v1/traces",
        traces({"attributes": {"gen_ai.system": "x"}}, {"trace_id": bodies.OTHER_TRACE}).SerializeToString(),
    )
    server.post("/v1/metrics", json_body(bodies.metrics(3)), JSON)
    counts = server.door.counts
    assert counts.batches == {("http", "logs"): 1, ("http", "traces"): 1, ("http", "metrics"): 1}
    assert counts.records == {
        ("logs", "call"): 2,
        ("traces", "emission"): 1,
        ("traces", "ignored"): 1,
        ("metrics", "ignored"): 3,
    }
    assert 0 < counts.received_bytes["http"] < counts.inflated_bytes["http"]


class TestWithKeys:
    @pytest.fixture(scope="class")
    def guarded(self):
        keeper = Keeper()

        async def authorize(header: str | None) -> int | None:
            if header == "Bearer broken":
                raise ConnectionError("no database")
            return KEYS.get(header, 401)

        with serving(Door(keeper, authorize=authorize), keeper) as running:
            yield running

    @pytest.mark.parametrize(
        ("header", "status"),
        [("Bearer writer", 200), ("Bearer reader", 403), ("Bearer nobody", 401), (None, 401), ("Bearer broken", 503)],
    )
    @pytest.mark.parametrize("content_type", [PROTOBUF, JSON])
    def test_who_may_write(self, guarded: Serving, content_type: str, header: str | None, status: int) -> None:
        headers = {} if header is None else {"authorization": header}
        answer = guarded.post("/v1/logs", encoded(own(call()), content_type), content_type, **headers)
        assert (answer.status, answer.content_type) == (status, content_type)
        assert (answer.headers["www-authenticate"] == "Bearer") == (status == 401)


def test_requests_together_stay_within_the_room() -> None:
    """The second body finds no room while the first is on its way, and is asked to come again."""
    keeper = Keeper()
    door = Door(keeper, limits=Limits(1 << 20, 2 << 20))
    with serving(door, keeper) as server:
        with door.share() as held:
            held.take((2 << 20) - 100)
            answer = server.post("/v1/logs", b"x" * 101)
            assert (answer.status, answer.headers["retry-after"]) == (503, "1")
            assert server.post("/v1/logs", b"").status == 200
        assert server.post("/v1/logs", own(call()).SerializeToString()).status == 200
    assert door.room.held == 0


def test_a_room_too_small_for_one_body_is_a_mistake() -> None:
    with pytest.raises(ValueError, match="in flight"):
        Door(Keeper(), limits=Limits(1 << 20, 1 << 20))
