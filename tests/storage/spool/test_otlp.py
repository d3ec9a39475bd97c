"""Delivery over OTLP/HTTP: what is on the wire, what each answer means, and connections that break."""

from __future__ import annotations

import os
import socket
import time
from collections.abc import Iterator
from email.utils import formatdate
from pathlib import Path
from typing import Any

import pytest

from storage.spool.receiver import FINE, VANISH, Receiver, records_of
from storage.spool.shelves import Memory, Naps, counted, deliver, quiet_spool, record
from tollkeeper.storage.spool import Batch, Parcel, Refused, Unavailable
from tollkeeper.storage.spool.otlp import WORTH_PACKING, OtlpDestination
from tollkeeper.version import __version__

ORIGIN = {"service.name": "shop", "process.pid": "17"}


def batch(*ids: str, **fields: Any) -> Batch:
    return Batch(ORIGIN, [Parcel("call", record(id, **fields)) for id in ids])


@pytest.fixture(params=["tcp", "unix"])
def receiver(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Receiver]:
    with Receiver(tmp_path / "s.sock" if request.param == "unix" else None) as receiver:
        yield receiver


@pytest.fixture
def destination(receiver: Receiver) -> Iterator[OtlpDestination]:
    destination = OtlpDestination(receiver.url, "the-key")
    yield destination
    destination.close()


def test_what_is_on_the_wire(receiver: Receiver, destination: OtlpDestination) -> None:
    text = record("c1", tags={"tenant": 'a"c\\mé'})
    destination.ship(Batch(ORIGIN, [Parcel("call", text), Parcel("started", record("c2"))]))
    (request,) = receiver.requests
    headers = request.pop("headers")
    assert headers["path"] == "/v1/logs"
    assert headers["Content-Type"] == "application/json"
    assert headers["Authorization"] == "Bearer the-key"
    (resource,) = request["resourceLogs"]
    assert resource["resource"]["attributes"] == [
        {"key": name, "value": {"stringValue": value}} for name, value in ORIGIN.items()
    ]
    (scope,) = resource["scopeLogs"]
    assert scope["scope"] == {"name": "tollkeeper", "version": __version__}
    assert scope["logRecords"] == [
        {"timeUnixNano": "1", "severityNumber": 9, "eventName": name, "body": {"stringValue": body}}
        for name, body in (("tollkeeper.call", text), ("tollkeeper.call.started", record("c2")))
    ]
    assert receiver.calls == {"c1": text}
    assert receiver.started == {"c2": record("c2")}


def test_one_connection_serves_many_batches(receiver: Receiver, destination: OtlpDestination) -> None:
    for id in counted(range(5)):
        destination.ship(batch(id))
    first = destination._connection
    assert first is not None
    destination.ship(batch("c9"))
    assert destination._connection is first
    assert len(receiver.calls) == 6


def test_without_a_key_there_is_no_header(receiver: Receiver) -> None:
    destination = OtlpDestination(receiver.url)
    destination.ship(batch("c1"))
    assert "Authorization" not in receiver.requests[0]["headers"]
    destination.close()


@pytest.mark.parametrize("status", [400, 413, 422])
def test_answers_that_blame_the_request(receiver: Receiver, destination: OtlpDestination, status: int) -> None:
    receiver.behave = lambda body: (status, {}, b"no")
    with pytest.raises(Refused, match=f"HTTP {status}: no"):
        destination.ship(batch("c1"))


@pytest.mark.parametrize("status", [301, 401, 403, 404, 405, 408, 429, 500, 502, 503, 504])
def test_other_answers_are_to_be_asked_again(receiver: Receiver, destination: OtlpDestination, status: int) -> None:
    receiver.behave = lambda body: (status, {}, b"no")
    with pytest.raises(Unavailable, match=f"HTTP {status}"):
        destination.ship(batch("c1"))


@pytest.mark.parametrize(
    ("header", "least", "most"),
    [("7", 7, 7), ("0", 0, 0), ("date", 50, 61), ("soon", None, None)],
)
def test_when_to_come_back(
    receiver: Receiver, destination: OtlpDestination, header: str, least: int | None, most: int | None
) -> None:
    value = formatdate(time.time() + 60, usegmt=True) if header == "date" else header
    receiver.behave = lambda body: (429, {"Retry-After": value}, b"")
    with pytest.raises(Unavailable) as caught:
        destination.ship(batch("c1"))
    if least is None or most is None:
        assert caught.value.retry_after is None
    else:
        assert caught.value.retry_after is not None and least <= caught.value.retry_after <= most


@pytest.mark.parametrize("rejected", ["1", 1])
def test_a_partial_success_is_no_success(receiver: Receiver, destination: OtlpDestination, rejected: Any) -> None:
    quoted = f'"{rejected}"' if isinstance(rejected, str) else rejected
    answer = f'{{"partialSuccess":{{"rejectedLogRecords":{quoted},"errorMessage":"c1 is odd"}}}}'
    receiver.behave = lambda body: (200, {}, answer.encode())
    with pytest.raises(Refused, match="c1 is odd"):
        destination.ship(batch("c1", "c2"))


@pytest.mark.parametrize("answer", [b"{}", b'{"partialSuccess":{}}', b'{"partialSuccess":null}'])
def test_success(receiver: Receiver, destination: OtlpDestination, answer: bytes) -> None:
    receiver.behave = lambda body: (200, {}, answer)
    destination.ship(batch("c1", "c2"))
    destination.ship(batch("c3"))
    destination.ship(Batch(ORIGIN, ()))
    assert receiver.calls == {id: record(id) for id in ("c1", "c2", "c3")}
    assert (receiver.repeats, receiver.conflicts) == (0, [])


@pytest.mark.parametrize("answer", [b"", b"<html>", b"[]", b"7"])
def test_an_answer_of_somebody_else_is_no_acknowledgement(
    receiver: Receiver, destination: OtlpDestination, answer: bytes
) -> None:
    receiver.behave = lambda body: (200, {}, answer)
    with pytest.raises(Unavailable, match="is that a sidecar"):
        destination.ship(batch("c1"))


def test_a_kept_connection_that_was_closed_is_opened_again(receiver: Receiver, destination: OtlpDestination) -> None:
    answers = [FINE, VANISH, FINE]
    receiver.behave = lambda body: answers.pop(0)
    destination.ship(batch("c1"))
    destination.ship(batch("c2"))
    assert list(receiver.calls) == ["c1", "c2"]
    assert (receiver.repeats, receiver.conflicts) == (1, [])


def test_a_new_connection_that_breaks_is_told(receiver: Receiver, destination: OtlpDestination) -> None:
    receiver.behave = lambda body: VANISH
    with pytest.raises(Unavailable):
        destination.ship(batch("c1"))


def test_nobody_there(tmp_path: Path) -> None:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        url = f"http://127.0.0.1:{probe.getsockname()[1]}"
        with pytest.raises(Unavailable, match="ConnectionRefusedError"):
            OtlpDestination(url).ship(batch("c1"))
    with pytest.raises(Unavailable, match="FileNotFoundError"):
        OtlpDestination(f"unix://{tmp_path}/none.sock").ship(batch("c1"))


def test_an_answer_that_does_not_come(receiver: Receiver) -> None:
    with socket.socket() as silent:
        silent.bind(("127.0.0.1", 0))
        silent.listen()
        destination = OtlpDestination(f"http://127.0.0.1:{silent.getsockname()[1]}", seconds=0.05)
        with pytest.raises(Unavailable, match="Timeout|timed out"):
            destination.ship(batch("c1"))


def test_large_bodies_are_packed_unless_they_stay_here(receiver: Receiver) -> None:
    destination = OtlpDestination(receiver.url)
    large = batch(*counted(range(100)))
    destination.ship(large)
    assert "Content-Encoding" not in receiver.requests[-1]["headers"]
    destination._packs = True
    destination.ship(large)
    request = receiver.requests[-1]
    assert request["headers"]["Content-Encoding"] == "gzip"
    assert int(request["headers"]["Content-Length"]) < WORTH_PACKING / 2
    assert len(list(records_of(request))) == 100
    destination.ship(batch("c1"))
    assert "Content-Encoding" not in receiver.requests[-1]["headers"]
    destination.close()


def test_a_base_path_is_kept(tmp_path: Path) -> None:
    with Receiver() as receiver:
        OtlpDestination(f"{receiver.url}/proxy/").ship(batch("c1"))
        assert receiver.requests[0]["headers"]["path"] == "/proxy/v1/logs"


def test_a_forked_child_leaves_the_connection_to_its_parent(receiver: Receiver, destination: OtlpDestination) -> None:
    destination.ship(batch("c1"))
    before = destination._connection
    child = os.fork()
    if child == 0:
        destination.forget()
        os._exit(0 if destination._connection is None else 1)
    assert os.waitpid(child, 0)[1] == 0
    destination.ship(batch("c2"))
    assert destination._connection is before
    assert receiver.repeats == 0


@pytest.mark.parametrize("seed", range(4))
def test_a_receiver_that_misbehaves_has_each_record_once(tmp_path: Path, seed: int) -> None:
    """It is busy, fails, loses answers after it has kept what was sent, and takes no more than 64 at once."""
    import random  # noqa: PLC0415

    chance, done = random.Random(seed), [0]

    def behave(body: dict[str, Any]) -> Any:
        done[0] += 1
        count = len(list(records_of(body)))
        if count > 64:
            return (413, {}, b"too many")
        return chance.choice([FINE, FINE, VANISH, (503, {"Retry-After": "1"}, b""), (429, {}, b""), (500, {}, b"")])

    with Receiver(behave=behave) as receiver:
        destination = OtlpDestination(receiver.url)
        spool = quiet_spool(tmp_path, destination, 8 << 20, pace=Naps().pace)
        for id in counted(range(1500)):
            spool.record(record(id))
        deliver(spool)
        destination.close()
        assert receiver.calls == {id: record(id) for id in counted(range(1500))}
        assert receiver.conflicts == []
        assert receiver.repeats > 0
    assert (spool.state.rejected, spool.state.dropped, spool.state.records) == (0, 0, 0)


def test_the_key_is_never_shown(receiver: Receiver, caplog: pytest.LogCaptureFixture, tmp_path: Path) -> None:
    answers = [(401, {}, b"who are you?"), (400, {}, b"what?"), FINE, FINE]
    receiver.behave = lambda body: answers.pop(0) if answers else FINE
    spool = quiet_spool(tmp_path, OtlpDestination(receiver.url, "the-key"), pace=Naps().pace)
    spool.record(record("c1"))
    deliver(spool)
    assert "who are you" in caplog.text
    assert "the-key" not in caplog.text + repr(spool.state) + repr(vars(Memory()))
