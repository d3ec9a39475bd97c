"""OTLP over gRPC: the codes and trailers that the protocol asks for, from the same decoder and the same intake."""

from __future__ import annotations

import gc
import gzip
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import suppress
from typing import Any

import grpc
import pytest
from google.rpc.error_details_pb2 import RetryInfo
from google.rpc.status_pb2 import Status
from opentelemetry.proto.collector.logs.v1.logs_service_pb2_grpc import LogsServiceStub
from opentelemetry.proto.collector.metrics.v1.metrics_service_pb2_grpc import MetricsServiceStub
from opentelemetry.proto.collector.trace.v1.trace_service_pb2_grpc import TraceServiceStub

from sidecar.receive.bodies import call, logs, metrics, own, traces
from sidecar.receive.conftest import BODY_LIMIT, KEYS
from sidecar.receive.serving import Keeper, Serving, serving
from tollkeeper.sidecar.intake import Busy, Unavailable
from tollkeeper.sidecar.receive import grpc as receive_grpc
from tollkeeper.sidecar.receive.door import Delivery, Door
from tollkeeper.sidecar.receive.harvest import Harvest
from tollkeeper.telemetry.record import CALL_EVENT

RAW = "/opentelemetry.proto.collector.logs.v1.LogsService/Export"


@pytest.fixture
def channel(server: Serving) -> Iterator[grpc.Channel]:
    with grpc.insecure_channel(server.grpc) as channel:
        yield channel


def refused(export: Any, *arguments: Any, **options: Any) -> tuple[grpc.StatusCode, str, dict[str, bytes]]:
    with pytest.raises(grpc.RpcError) as caught:
        export(*arguments, **options)
    error: Any = caught.value
    return error.code(), error.details(), dict(error.trailing_metadata() or ())


@pytest.mark.parametrize(
    "compression", [grpc.Compression.NoCompression, grpc.Compression.Gzip, grpc.Compression.Deflate]
)
def test_all_signals(server: Serving, channel: grpc.Channel, compression: grpc.Compression) -> None:
    answer = LogsServiceStub(channel).Export(own(call()), compression=compression)
    assert not answer.HasField("partial_success")
    answer = TraceServiceStub(channel).Export(traces({"attributes": {"gen_ai.system": "x"}}), compression=compression)
    assert not answer.HasField("partial_success")
    answer = MetricsServiceStub(channel).Export(metrics(2), compression=compression)
    assert not answer.HasField("partial_success")
    of_logs, of_traces = server.keeper.batches
    assert [arrival.call for arrival in of_logs.calls] == [call()]
    assert len(of_traces.emissions) == 1
    assert server.door.counts.batches == {("grpc", "logs"): 1, ("grpc", "traces"): 1, ("grpc", "metrics"): 1}


def test_good_records_of_a_bad_batch_are_kept(server: Serving, channel: grpc.Channel) -> None:
    request = logs({"name": CALL_EVENT, "body": "no record"})
    request.resource_logs.extend(own(call()).resource_logs)
    partial = LogsServiceStub(channel).Export(request).partial_success
    assert partial.rejected_log_records == 1
    assert "log record 0" in partial.error_message
    assert len(server.keeper.only.calls) == 1


def test_what_cannot_be_decoded(server: Serving, channel: grpc.Channel) -> None:
    code, details, trailers = refused(channel.unary_unary(RAW), b"\xff\xff")
    assert code is grpc.StatusCode.INVALID_ARGUMENT
    assert details
    assert "google.rpc.retryinfo-bin" not in trailers
    assert Status.FromString(trailers["grpc-status-details-bin"]).message == details


@pytest.mark.parametrize("failure", [Busy(7), Unavailable("the disk is full"), RuntimeError("a fault of ours")])
def test_what_may_be_sent_again(server: Serving, channel: grpc.Channel, failure: Exception) -> None:
    server.keeper.failures.append(failure)
    code, details, trailers = refused(LogsServiceStub(channel).Export, own(call()))
    assert code is grpc.StatusCode.UNAVAILABLE
    assert "fault of ours" not in details
    pause = RetryInfo.FromString(trailers["google.rpc.retryinfo-bin"])
    assert pause.retry_delay.seconds == (7 if isinstance(failure, Busy) else 2)
    status, same = Status.FromString(trailers["grpc-status-details-bin"]), RetryInfo()
    assert status.code == grpc.StatusCode.UNAVAILABLE.value[0]
    assert status.details[0].Unpack(same) and same == pause


@pytest.mark.parametrize("compression", [grpc.Compression.NoCompression, grpc.Compression.Gzip])
def test_too_large_is_not_to_be_sent_again(
    server: Serving, channel: grpc.Channel, compression: grpc.Compression
) -> None:
    """Compressed, it is small; inflated, it is over the limit."""
    code, _, trailers = refused(channel.unary_unary(RAW), b"\0" * (BODY_LIMIT + 1), compression=compression)
    assert code is grpc.StatusCode.RESOURCE_EXHAUSTED
    assert "google.rpc.retryinfo-bin" not in trailers
    status = Status.FromString(trailers.get("grpc-status-details-bin", b""))
    assert not status.details
    assert LogsServiceStub(channel).Export(own(call())).ByteSize() == 0


def test_a_large_message_is_taken(server: Serving, channel: grpc.Channel) -> None:
    """gRPC's own limit would be 4 MiB."""
    calls = [call(number) for number in range(25_000)]
    request = own(*calls)
    assert 4 << 20 < request.ByteSize() < BODY_LIMIT
    LogsServiceStub(channel).Export(request)
    assert len(server.keeper.only.calls) == 25_000


def test_an_error_in_any_language_fits_into_the_trailers(server: Serving, channel: grpc.Channel) -> None:
    server.keeper.failures.append(Unavailable("磁盘已满" * 10_000))
    code, details, _ = refused(LogsServiceStub(channel).Export, own(call()))
    assert code is grpc.StatusCode.UNAVAILABLE
    assert details


def test_unknown_methods(server: Serving, channel: grpc.Channel) -> None:
    code, _, _ = refused(channel.unary_unary("/opentelemetry.proto.collector.logs.v1.LogsService/Import"), b"")
    assert code is grpc.StatusCode.UNIMPLEMENTED


@pytest.mark.parametrize(
    ("header", "code"),
    [
        ("Bearer writer", None),
        ("Bearer reader", grpc.StatusCode.PERMISSION_DENIED),
        ("Bearer nobody", grpc.StatusCode.UNAUTHENTICATED),
        (None, grpc.StatusCode.UNAUTHENTICATED),
    ],
)
def test_who_may_write(header: str | None, code: grpc.StatusCode | None) -> None:
    keeper = Keeper()

    async def authorize(header: str | None) -> int | None:
        return KEYS.get(header, 401)

    metadata = None if header is None else (("authorization", header),)
    with (
        serving(Door(keeper, authorize=authorize), keeper) as server,
        grpc.insecure_channel(server.grpc) as channel,
    ):
        export = LogsServiceStub(channel).Export
        if code is None:
            export(own(call()), metadata=metadata)
            assert len(keeper.only.calls) == 1
        else:
            assert refused(export, own(call()), metadata=metadata)[0] is code
            assert keeper.batches == []


class Silence:
    """A request whose message does not come until it is told to."""

    def __init__(self) -> None:
        self.message: bytes | None = None
        self._told = threading.Event()

    def __iter__(self) -> Iterator[bytes]:
        return self

    def __next__(self) -> bytes:
        self._told.wait(30)
        if self.message is None:
            raise StopIteration
        message, self.message = self.message, None
        return message

    def tell(self, message: bytes | None = None) -> None:
        self.message = message
        self._told.set()


def test_who_has_no_key_is_told_before_a_message_is_read() -> None:
    async def authorize(_: str | None) -> int | None:
        return 401

    keeper, silence = Keeper(), Silence()
    with (
        serving(Door(keeper, authorize=authorize), keeper) as server,
        grpc.insecure_channel(server.grpc) as channel,
    ):
        code, _, _ = refused(channel.stream_unary(RAW), silence, timeout=10)
        silence.tell()
    assert code is grpc.StatusCode.UNAUTHENTICATED


def test_few_messages_are_read_at_once_and_none_is_lost(server: Serving, channel: grpc.Channel) -> None:
    """What a message takes is not known before all of it is in memory."""
    held = [Silence() for _ in range(server.door.limits.in_flight // server.door.limits.body)]
    answers: list[Any] = [channel.stream_unary(RAW).future(silence) for silence in held]
    with grpc.insecure_channel(server.grpc, options=[("grpc.use_local_subchannel_pool", 1)]) as another:
        time.sleep(0.2)
        late = LogsServiceStub(another).Export.future(own(call()))
        with pytest.raises(grpc.FutureTimeoutError):
            late.result(timeout=0.5)
        held[0].tell(own(call()).SerializeToString())
        late.result(timeout=10)
    for silence in held[1:]:
        silence.tell(own(call()).SerializeToString())
    for answer in answers:
        answer.result(timeout=10)
    assert len(server.keeper.batches) == len(held) + 1


def test_a_message_that_does_not_come_holds_up_nobody_for_long(
    server: Serving, channel: grpc.Channel, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(receive_grpc, "LONGEST_READ", 0.2)
    silent = [Silence() for _ in range(8)]
    answers: list[Any] = [channel.stream_unary(RAW).future(silence) for silence in silent]
    assert LogsServiceStub(channel).Export(own(call()), timeout=10).ByteSize() == 0
    for answer in answers:
        code, _, trailers = refused(answer.result, timeout=10)
        assert code is grpc.StatusCode.UNAVAILABLE
        assert "google.rpc.retryinfo-bin" in trailers
    for silence in silent:
        silence.tell()


@pytest.mark.parametrize("body", [own(call()).SerializeToString(), b"\xff\xff"], ids=["taken", "refused"])
def test_a_message_that_is_done_with_is_let_go_of(
    body: bytes, server: Serving, channel: grpc.Channel, monkeypatch: pytest.MonkeyPatch
) -> None:
    """At once, and not when garbage is collected: a thousand large ones would not wait for that."""
    seen: list[bytes] = []
    take = server.door.take

    async def seeing(transport: Any, delivery: Delivery) -> Harvest:
        seen.append(delivery.body)
        return await take(transport, delivery)

    monkeypatch.setattr(server.door, "take", seeing)
    gc.disable()
    try:
        with suppress(grpc.RpcError):
            channel.unary_unary(RAW)(body)
        give_up_at = time.monotonic() + 5
        # By our list, and by the question itself.
        while (references := sys.getrefcount(seen[0])) > 2 and time.monotonic() < give_up_at:
            time.sleep(0.01)
        assert references == 2
    finally:
        gc.enable()


def test_too_many_that_wait_are_asked_to_come_back(
    server: Serving, channel: grpc.Channel, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(receive_grpc, "MOST_WAITING", 0)
    code, _, trailers = refused(LogsServiceStub(channel).Export, own(call()))
    assert code is grpc.StatusCode.UNAVAILABLE
    assert "google.rpc.retryinfo-bin" in trailers


def test_no_message_at_all(server: Serving, channel: grpc.Channel) -> None:
    assert refused(channel.stream_unary(RAW), iter(()))[0] is grpc.StatusCode.INVALID_ARGUMENT


def test_on_the_standard_event_loop_too() -> None:
    keeper = Keeper()
    with serving(Door(keeper), keeper, loop="asyncio") as server, grpc.insecure_channel(server.grpc) as channel:
        LogsServiceStub(channel).Export(own(call()))
        server.post("/v1/logs", gzip.compress(own(call()).SerializeToString()), content_encoding="gzip")
    assert [len(batch.calls) for batch in keeper.batches] == [1, 1]
