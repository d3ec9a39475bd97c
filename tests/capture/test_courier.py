"""The courier: what runs on it runs in order, does not hurt whoever has given it, and does not pile up."""

from __future__ import annotations

import gc
import threading
import time
from collections.abc import Iterator
from typing import Any

import pytest

import tollkeeper
from capture.bench import Way, simulate
from capture.scenarios import SURFACES
from tollkeeper import Call
from tollkeeper.capture import faults
from tollkeeper.capture.courier import Courier

CHAT = Way(SURFACES[0], is_async=False)


@pytest.fixture
def courier() -> Iterator[Courier]:
    courier = Courier("test-courier", capacity=10)
    yield courier
    assert courier.flush(10)


class Gate:
    """Work that lasts until it is let go."""

    def __init__(self) -> None:
        self.entered, self.let_go = threading.Event(), threading.Event()

    def __call__(self) -> None:
        self.entered.set()
        assert self.let_go.wait(10)


def test_quick_work_has_run_when_run_returns(courier: Courier) -> None:
    """On its own thread, in order."""
    done: list[Any] = []
    for number in range(100):
        courier.run(lambda number=number: done.append((number, threading.current_thread().name)), "add")
        assert len(done) == number + 1
    assert done == [(number, "test-courier") for number in range(100)]


def test_slow_work_does_not_hold_its_giver(courier: Courier) -> None:
    """Whoever gives work waits a moment for it, and not at all while the courier is behind; the order is kept."""
    gate, done = Gate(), list[int]()
    started = time.perf_counter()
    courier.run(gate, "wait")
    waited = time.perf_counter() - started
    assert waited < 1
    started = time.perf_counter()
    for number in range(1000):
        courier.run(lambda number=number: done.append(number), "add")
    assert time.perf_counter() - started < 1
    assert done == []
    gate.let_go.set()
    assert courier.flush()
    assert done == list(range(1000))


def test_a_full_queue_refuses_and_counts(courier: Courier) -> None:
    """What may be refused is, once ten wait; each refusal is a fault that is counted, and nobody else's problem."""
    gate, done = Gate(), list[int]()
    before = faults.counts().get("overflow", 0)
    courier.run(gate, "wait")
    assert gate.entered.wait(10)
    for number in range(15):
        courier.run(lambda number=number: done.append(number), "overflow", may_refuse=True)
    assert faults.counts()["overflow"] - before == 5
    gate.let_go.set()
    assert courier.flush()
    assert done == list(range(10))


def test_work_that_fails(courier: Courier) -> None:
    """A fault is counted by its step; what comes next runs."""
    before, done = faults.counts().get("divide", 0), list[int]()
    courier.run(lambda: 1 // 0, "divide")
    courier.run(lambda: done.append(1), "add")
    assert done == [1]
    assert faults.counts()["divide"] == before + 1


def test_work_that_gives_work(courier: Courier) -> None:
    """Work may give more work, and flush, from the courier's own thread: it does not wait for itself."""
    done: list[int] = []

    def outer() -> None:
        courier.run(lambda: done.append(2), "add")
        assert courier.flush()
        done.append(1)

    courier.run(outer, "give")
    assert courier.flush()
    assert done == [1, 2]


def test_flush_gives_up(courier: Courier) -> None:
    """False: not everything has run within the time given."""
    gate = Gate()
    courier.run(gate, "wait")
    assert courier.flush(0.01) is False
    gate.let_go.set()
    assert courier.flush() is True


def ask(url: str, count: int, is_stream: bool = False) -> float:
    """Make calls; how long they took, in seconds."""
    client = CHAT.surface.client(url, False)
    started = time.perf_counter()
    for _ in range(count):
        if is_stream:
            list(CHAT.surface.stream(client, False))
        else:
            CHAT.surface.plain(client, False)
    return time.perf_counter() - started


@pytest.mark.parametrize("is_stream", [False, True])
def test_a_callback_that_hangs(is_stream: bool) -> None:
    """The caller goes on; nothing is lost once it is over, and the calls come in order."""
    gate, seen = Gate(), list[Call]()

    def on_call(call: Call) -> None:
        if not gate.let_go.is_set():
            gate()
        seen.append(call)

    with simulate(CHAT.surface) as simulator, tollkeeper.instrument(providers=["openai"], on_call=on_call) as handle:
        ask(simulator.url, 20, is_stream)
        assert len(simulator.requests) == 20
        assert seen == []
        assert handle.flush(0.01) is False
        gate.let_go.set()
        assert handle.flush()
    assert len(seen) == 20
    assert [call.id for call in seen] == sorted(call.id for call in seen)
    assert [call.started_at for call in seen] == sorted(call.started_at for call in seen)


def test_a_callback_that_makes_a_call(caplog: pytest.LogCaptureFixture) -> None:
    """It may use an SDK itself. That is a call like any other, on a thread of its own; it must not block it."""
    seen: list[Call] = []
    with simulate(CHAT.surface) as simulator:

        def on_call(call: Call) -> None:
            seen.append(call)
            if len(seen) == 1:
                ask(simulator.url, 1)

        with tollkeeper.instrument(providers=["openai"], on_call=on_call) as handle:
            ask(simulator.url, 1)
            assert handle.flush()
            assert handle.flush()
    assert len(seen) == 2
    assert "instrumentation failed" not in caplog.text


def test_a_callback_that_asks_for_the_flush(caplog: pytest.LogCaptureFixture) -> None:
    """Flushing, or even uninstrumenting, from inside `on_call` does not wait for itself."""
    seen: list[bool] = []
    with simulate(CHAT.surface) as simulator:

        def on_call(call: Call) -> None:
            seen.append(handle.flush())
            handle.uninstrument()

        handle = tollkeeper.instrument(providers=["openai"], on_call=on_call)
        ask(simulator.url, 1)
        assert handle.flush()
        ask(simulator.url, 1)
    assert seen == [True]


def test_forgotten_streams_end_even_while_a_callback_hangs() -> None:
    """The end of a forgotten stream waits behind the callback, and does not hold the garbage collector."""
    gate, seen = Gate(), list[Call]()

    def on_call(call: Call) -> None:
        if not gate.let_go.is_set():
            gate()
        seen.append(call)

    with simulate(CHAT.surface) as simulator, tollkeeper.instrument(providers=["openai"], on_call=on_call) as handle:
        ask(simulator.url, 1)
        client = CHAT.surface.client(simulator.url, False, "output-tokens=200")
        streams = [CHAT.surface.stream(client, False) for _ in range(5)]
        for stream in streams:
            next(stream)
        started = time.perf_counter()
        del stream
        streams.clear()
        gc.collect()
        assert time.perf_counter() - started < 5
        gate.let_go.set()
        assert handle.flush()
        assert handle.flush()
    assert [call.abandoned for call in seen] == [False] + [True] * 5
