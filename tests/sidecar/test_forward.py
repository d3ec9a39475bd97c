"""Forwarding: what was taken arrives upstream, unchanged but for our own records; what cannot is counted exactly."""

from __future__ import annotations

import gzip
import threading
import zlib
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import grpc
import pytest
from opentelemetry.proto.collector.logs.v1.logs_service_pb2 import ExportLogsServiceRequest
from opentelemetry.proto.collector.logs.v1.logs_service_pb2_grpc import LogsServiceStub

from sidecar.receive.bodies import call, json_body, logs, metrics, own, traces
from sidecar.receive.serving import Keeper, serving
from tollkeeper import Call
from tollkeeper.config import ConfigurationError, load_serve
from tollkeeper.model import Usage
from tollkeeper.sidecar import forward
from tollkeeper.sidecar.forward import Forwarder, Upstream
from tollkeeper.sidecar.intake import Busy
from tollkeeper.sidecar.main import Sidecar
from tollkeeper.sidecar.receive import from_protobuf
from tollkeeper.sidecar.receive.door import Delivery, Door
from tollkeeper.storage.database import Database
from tollkeeper.storage.ledger import Entry
from tollkeeper.telemetry import event, record
from tollkeeper.telemetry.attributes import EVENT_NAME
from tollkeeper.telemetry.record import CALL_EVENT

PROTOBUF, JSON = "application/x-protobuf", "application/json"
MINE = call(
    tags={"tenant": "acme"},
    usage=Usage(input_tokens=3),
    usage_source="provider",
    duration=0.5,
    trace_id="ab" * 16,
    span_id="cd" * 8,
    parameters={"gen_ai.request.temperature": 0.5, "gen_ai.request.stop_sequences": ("a", "b")},
)


class Collector:
    """An upstream that keeps what it is sent, and answers with each of `answers` first."""

    def __init__(self) -> None:
        self.arrived: list[tuple[str, dict[str, str], bytes]] = []
        self.answers: list[tuple[int, dict[str, str]]] = []
        self.open = threading.Event()
        self.open.set()
        self.asked = threading.Semaphore(0)
        collector = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers["content-length"]))
                collector.asked.release()
                assert collector.open.wait(30)
                status, headers = collector.answers.pop(0) if collector.answers else (200, {})
                if status == 200:
                    collector.arrived.append((self.path, {k.lower(): v for k, v in self.headers.items()}, body))
                self.send_response(status)
                for name, value in {**headers, "content-length": "0"}.items():
                    self.send_header(name, value)
                self.end_headers()

            def log_message(self, format: str, *args: object) -> None:
                pass

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self.server.server_port}"


@pytest.fixture
def collector(monkeypatch: pytest.MonkeyPatch) -> Iterator[Collector]:
    monkeypatch.setattr(forward, "FIRST_PAUSE", 0.001)
    one = Collector()
    thread = threading.Thread(target=one.server.serve_forever, args=(0.02,), daemon=True)
    thread.start()
    yield one
    one.open.set()
    one.server.shutdown()
    one.server.server_close()


@pytest.fixture
def forwarder(collector: Collector) -> Iterator[Forwarder]:
    one = Forwarder(Upstream(f"{collector.url}/own", {"x-key": "k"}))
    one.start()
    yield one
    one.stop(0)


def attributes(pairs: Any) -> dict[str, Any]:
    return from_protobuf.read_attributes(pairs)


@pytest.mark.parametrize("encoding", ["", "gzip", "deflate"])
@pytest.mark.parametrize("content_type", [PROTOBUF, JSON])
def test_everything_is_sent_on_as_it_came(
    collector: Collector, forwarder: Forwarder, content_type: str, encoding: str
) -> None:
    keeper = Keeper()
    requests = {
        "logs": logs({"body": "a line"}, {"attributes": {"gen_ai.system": "x"}}),
        "traces": traces({"attributes": {"gen_ai.system": "x"}}),
        "metrics": metrics(2),
    }
    compress: Any = {"": bytes, "gzip": gzip.compress, "deflate": zlib.compress}[encoding]
    sent = []
    with serving(Door(keeper, forward=forwarder), keeper) as server:
        for signal, request in requests.items():
            body = compress(json_body(request) if content_type == JSON else request.SerializeToString())
            sent.append((f"/own/v1/{signal}", body))
            headers = {"content_encoding": encoding} if encoding else {}
            assert server.post(f"/v1/{signal}", body, content_type, **headers).status == 200
    forwarder.stop()
    assert [(path, body) for path, _, body in collector.arrived] == sent
    for _, headers, _ in collector.arrived:
        assert (headers["content-type"], headers.get("content-encoding", "")) == (content_type, encoding)
        assert headers["x-key"] == "k"
    assert forwarder.counts.sent == {"logs": 1, "traces": 1, "metrics": 1}
    assert (forwarder.counts.queued, forwarder.counts.queued_bytes) == (0, 0)


@pytest.mark.parametrize("encoding", ["", "gzip", "deflate"])
@pytest.mark.parametrize("form", ["protobuf", "json"])
def test_our_records_become_the_usage_event(
    collector: Collector, forwarder: Forwarder, form: str, encoding: str
) -> None:
    request = logs(
        {"name": CALL_EVENT, "body": record.encode(MINE), "time_unix_nano": 0},
        {"body": "a line", "attributes": {"k": "v"}},
        {"name": CALL_EVENT, "body": "no record"},
        resource={"service.name": "shop"},
    )
    compress: Any = {"": bytes, "gzip": gzip.compress, "deflate": zlib.compress}[encoding]
    inflate: Any = {"": bytes, "gzip": gzip.decompress, "deflate": zlib.decompress}[encoding]
    body = json_body(request) if form == "json" else request.SerializeToString()
    forwarder.offer(Delivery("logs", form, encoding, compress(body)))  # type: ignore[arg-type]
    forwarder.stop()
    ((_, headers, arrived),) = collector.arrived
    assert (headers["content-type"], headers.get("content-encoding", "")) == (PROTOBUF, encoding)
    arrived = inflate(arrived)
    harvest = from_protobuf.read("logs", arrived)
    (same,) = harvest.calls
    assert same == Entry(MINE, record.digest(record.encode(MINE))), "a sidecar upstream reads the same call"
    assert (harvest.ignored, harvest.rejected) == (1, 1), "the others are as they were"
    parsed = ExportLogsServiceRequest.FromString(arrived)
    mine, line, broken = parsed.resource_logs[0].scope_logs[0].log_records
    assert (mine.event_name, mine.trace_id.hex(), mine.HasField("body")) == (EVENT_NAME, MINE.trace_id, False)
    assert attributes(mine.attributes) == listed(event.encode(MINE))
    assert mine.time_unix_nano == MINE.started_at + 500_000_000
    assert [line, broken] == list(request.resource_logs[0].scope_logs[0].log_records)[1:]
    assert parsed.resource_logs[0].resource == request.resource_logs[0].resource


def listed(values: dict[str, Any]) -> dict[str, Any]:
    return {name: list(value) if isinstance(value, tuple) else value for name, value in values.items()}


def test_what_came_by_grpc_is_sent_on_by_http(collector: Collector, forwarder: Forwarder) -> None:
    keeper = Keeper()
    with (
        serving(Door(keeper, forward=forwarder), keeper) as server,
        grpc.insecure_channel(server.grpc) as channel,
    ):
        LogsServiceStub(channel).Export(own(call()), compression=grpc.Compression.Gzip)
    forwarder.stop()
    ((path, headers, body),) = collector.arrived
    assert (path, headers["content-type"]) == ("/own/v1/logs", PROTOBUF)
    assert len(from_protobuf.read("logs", body).calls) == 1


def test_what_was_not_taken_is_not_sent_on(collector: Collector, forwarder: Forwarder) -> None:
    """Its sender will send it again, and upstream has it once."""
    keeper = Keeper()
    keeper.failures.append(Busy(1))
    with serving(Door(keeper, forward=forwarder), keeper) as server:
        body = own(call()).SerializeToString()
        assert server.post("/v1/logs", body).status == 503
        assert server.post("/v1/logs", b"\xff").status == 400
        assert server.post("/v1/logs", body).status == 200
    forwarder.stop()
    assert len(collector.arrived) == 1


def delivery(body: bytes = b"") -> Delivery:
    return Delivery("traces", "protobuf", "", body)


@pytest.mark.parametrize("status", [429, 502, 503, 504])
def test_what_upstream_refuses_for_now_is_sent_again(collector: Collector, forwarder: Forwarder, status: int) -> None:
    collector.answers = [(status, {}), (status, {"retry-after": "0"})]
    for body in (b"\x0a\x00", b"\x0a\x00\x0a\x00"):
        forwarder.offer(delivery(body))
    forwarder.stop()
    assert [body for _, _, body in collector.arrived] == [b"\x0a\x00", b"\x0a\x00\x0a\x00"], "in order"
    assert (forwarder.counts.retries, forwarder.counts.sent["traces"]) == (2, 2)


@pytest.mark.parametrize("status", [400, 401, 404, 413, 500, 301])
def test_what_upstream_refuses_for_good_is_dropped(collector: Collector, forwarder: Forwarder, status: int) -> None:
    collector.answers = [(status, {})]
    forwarder.offer(delivery())
    forwarder.offer(delivery())
    forwarder.stop()
    assert forwarder.counts.dropped == {("traces", "refused"): 1}
    assert forwarder.counts.sent == {"traces": 1}


def test_an_upstream_that_is_not_there(collector: Collector) -> None:
    collector.server.server_close()
    one = Forwarder(Upstream(collector.url, patience=0.01))
    one.start()
    one.offer(delivery(b"\x0a\x00"))
    one.stop()
    assert one.counts.dropped == {("traces", "gave up"): 1}


def test_a_full_queue_drops_and_counts(collector: Collector) -> None:
    collector.open.clear()
    one = Forwarder(Upstream(collector.url, queue=10))
    one.start()
    for _ in range(5):
        one.offer(delivery(b"\x0a\x00" * 2))
    assert (one.counts.queued, one.counts.queued_bytes) == (2, 8)
    assert one.counts.dropped == {("traces", "queue full"): 3}
    collector.open.set()
    one.stop()
    assert one.counts.sent == {"traces": 2}
    one.offer(delivery())
    assert one.counts.dropped["traces", "stopped"] == 1


def test_the_intake_does_not_wait_for_upstream(collector: Collector, forwarder: Forwarder) -> None:
    keeper = Keeper()
    collector.open.clear()
    with serving(Door(keeper, forward=forwarder), keeper) as server:
        for _ in range(20):
            assert server.post("/v1/logs", own(call()).SerializeToString()).status == 200
        assert forwarder.counts.queued == 20
        assert collector.arrived == []
        collector.open.set()
        forwarder.stop()
    assert len(collector.arrived) == 20


def test_what_is_left_at_the_end_is_counted(collector: Collector) -> None:
    collector.open.clear()
    one = Forwarder(Upstream(collector.url, timeout=0.2))
    one.start()
    for _ in range(4):
        one.offer(delivery())
    one.stop(0)
    assert one.counts.queued == 0
    assert sum(one.counts.sent.values()) + sum(one.counts.dropped.values()) == 4


@pytest.mark.parametrize("url", ["collector:4318", "ftp://collector", "http://", ""])
def test_an_upstream_that_is_no_url(url: str) -> None:
    with pytest.raises(ValueError, match="http"):
        Forwarder(Upstream(url))


def test_a_call_with_every_field_is_expanded(collector: Collector, forwarder: Forwarder) -> None:
    whole = Call(**{**{name: getattr(MINE, name) for name in MINE.__slots__}, "endpoint": "host/path", "attempt": 3})
    forwarder.offer(Delivery("logs", "protobuf", "", own(whole).SerializeToString()))
    forwarder.stop()
    assert from_protobuf.read("logs", collector.arrived[0][2]).calls[0].call == whole


@pytest.mark.parametrize("how", ["a text", "a table"])
def test_credentials_are_sent_as_headers(
    how: str, collector: Collector, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    config = tmp_path / "tollkeeper.toml"
    table = 'forward_headers = { Authorization = "Basic dTpw", X-Scope = "a,b" }' if how == "a table" else ""
    config.write_text(f'[sidecar]\nforward = "{collector.url}"\n{table}\n')
    if how == "a text":
        monkeypatch.setenv("TOLLKEEPER_FORWARD_HEADERS", "Authorization=Basic%20dTpw, X-Scope=a%2Cb")
    settings = load_serve({"ledger": f"sqlite:///{tmp_path}/ledger.db"}, config)
    assert "dTpw" not in repr(settings)
    database = Database(settings.ledger)
    database.migrate()
    database.close()
    sidecar = Sidecar(settings)
    assert sidecar.forwarder is not None
    sidecar.forwarder.start()
    sidecar.forwarder.offer(delivery())
    sidecar.forwarder.stop()
    sidecar.database.close()
    ((_, headers, _),) = collector.arrived
    assert (headers["authorization"], headers["x-scope"]) == ("Basic dTpw", "a,b")


@pytest.mark.parametrize(
    "given",
    [
        {"forward": "http://user:hunter2@collector:4318"},
        {"forward": "https://hunter2@collector"},
        {"forward": "hunter2"},
        {"forward": "http://collector:hunter2"},
        {"forward_headers": "hunter2"},
        {"forward_headers": "x=hunter2%0d%0ay: z"},
        {"forward_headers": "a b=hunter2"},
        {"forward_headers": {"content-type": "hunter2"}},
    ],
)
def test_what_cannot_be_sent_along_is_refused_and_not_shown(given: dict[str, Any]) -> None:
    (name,) = given
    with pytest.raises(ConfigurationError, match=f"{name}=… is secret; expected .*(forward_headers|header)") as caught:
        load_serve(given)
    assert "hunter2" not in str(caught.value)


def test_a_user_in_the_url_is_refused() -> None:
    with pytest.raises(ValueError, match="has a user in it") as caught:
        Forwarder(Upstream("http://user:hunter2@collector:4318"))
    assert "hunter2" not in str(caught.value)
