"""The sidecar's prices in an app: kept up to date, by a thread that no call waits for."""

from __future__ import annotations

import gc
import logging
import os
import queue
import socketserver
import threading
import weakref
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest

from pricing.calls import MILLION, call
from tollkeeper.capture.prices import PriceFeed
from tollkeeper.model import Usage
from tollkeeper.pricing import Catalog, Overlay

ONE_IN = Usage(input_tokens=MILLION, output_tokens=0)


def book(revision: int, amount: int | None, more: str = "") -> Overlay:
    row = "" if amount is None else f'[[price]]\nmodel = "acme"\ninput = {amount}\nversion = "price {revision}"\n'
    return Overlay.parse(f'name = "price book {revision}"\n{row}{more}', "test")


class Answers:
    """What the fake sidecar says, and what it was asked."""

    def __init__(self) -> None:
        self.tag = '"1"'
        self.status = 200
        self.body = book(1, 2).to_json().encode()
        self.asked: list[tuple[str, str | None, str | None]] = []

    def say(self, revision: int, overlay: Overlay) -> None:
        self.tag, self.body = f'"{revision}"', overlay.to_json().encode()


def handler(answers: Answers) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        def address_string(self) -> str:
            return "client"

        def log_message(self, *args: Any) -> None:
            pass

        def do_GET(self) -> None:
            wanted = self.headers.get("If-None-Match")
            answers.asked.append((self.path, wanted, self.headers.get("Authorization")))
            status = 304 if answers.status == 200 and wanted == answers.tag else answers.status
            body = b"" if status == 304 else answers.body
            self.send_response(status)
            self.send_header("ETag", answers.tag)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

    return Handler


@pytest.fixture
def answers() -> Answers:
    return Answers()


@pytest.fixture(params=["http", "unix"])
def url(request: pytest.FixtureRequest, answers: Answers, tmp_path: Path) -> Iterator[str]:
    if request.param == "http":
        server: Any = ThreadingHTTPServer(("127.0.0.1", 0), handler(answers))
        address = f"http://127.0.0.1:{server.server_address[1]}"
    else:
        server = socketserver.ThreadingUnixStreamServer(str(tmp_path / "s"), handler(answers))
        address = f"unix://{tmp_path / 's'}"
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True)
    thread.start()
    yield address
    server.shutdown()
    server.server_close()


def price(catalog: Catalog) -> tuple[Any, ...]:
    cost, status = catalog.price(call("vllm", "acme", ONE_IN, server_address="gpu.example.com"))
    return (status,) if cost is None else (cost.usd, cost.price_version)


def test_a_change_reaches_the_app_with_the_next_question(url: str, answers: Answers) -> None:
    catalog = Catalog()
    feed = PriceFeed(url, catalog, key="tk_1_2")
    assert price(catalog) == ("unpriced",)
    assert feed.poll()
    assert price(catalog) == (2, "price 1")
    assert not feed.poll()
    answers.say(2, book(2, 3))
    assert feed.poll()
    assert price(catalog) == (3, "price 2")
    answers.say(3, book(3, None))
    assert feed.poll()
    assert price(catalog) == ("unpriced",)
    path, key = "/api/v1/prices/overlay", "Bearer tk_1_2"
    assert answers.asked == [(path, None, key), (path, '"1"', key), (path, '"1"', key), (path, '"2"', key)]


def test_the_apps_own_file_holds_for_what_the_book_does_not_name(url: str, answers: Answers) -> None:
    file = Overlay.parse('name = "file"\n[[price]]\nmodel = "acme*"\ninput = 9\n', "file")
    catalog = Catalog(file)
    feed = PriceFeed(url, catalog)
    assert price(catalog) == (9, "file")
    feed.poll()
    assert price(catalog) == (2, "price 1")
    answers.say(2, book(2, None))
    feed.poll()
    assert price(catalog) == (9, "file")


@pytest.mark.parametrize(
    ("status", "body"),
    [(500, b"oops"), (401, b"{}"), (404, b""), (200, b"<html>"), (200, b'{"price": [{"inptu": 1}]}'), (200, b"\xff")],
)
def test_what_is_no_price_book_changes_nothing(
    url: str, answers: Answers, status: int, body: bytes, caplog: pytest.LogCaptureFixture
) -> None:
    catalog = Catalog()
    feed = PriceFeed(url, catalog)
    feed.poll()
    answers.tag, answers.status, answers.body = '"2"', status, body
    with caplog.at_level(logging.INFO, "tollkeeper"):
        for _ in range(3):
            assert not feed.poll()
        assert price(catalog) == (2, "price 1")
        assert len(caplog.records) == 1, "it is told once for each time"
        answers.status = 200
        answers.say(3, book(3, 5))
        assert feed.poll()
    assert price(catalog) == (5, "price 3")
    assert caplog.records[-1].getMessage() == "the sidecar's prices can be had again"


def test_a_sidecar_that_is_not_there_costs_a_log_line(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    feed = PriceFeed(f"unix://{tmp_path / 'nobody'}", Catalog())
    assert not feed.poll()
    assert "those from before stay in force" in caplog.text


class Steps:
    """A wait that goes on when the test says so."""

    def __init__(self) -> None:
        self.asked: queue.SimpleQueue[float] = queue.SimpleQueue()
        self.go: queue.SimpleQueue[bool] = queue.SimpleQueue()

    def __call__(self, seconds: float) -> bool:
        self.asked.put(seconds)
        return self.go.get()


def test_the_thread_asks_again_and_again_until_it_is_stopped(url: str, answers: Answers) -> None:
    catalog, steps = Catalog(), Steps()
    feed = PriceFeed(url, catalog, seconds=10, wait=steps)
    feed.start()
    pauses = [steps.asked.get(timeout=10)]
    assert price(catalog) == (2, "price 1")
    answers.say(2, book(2, 3))
    steps.go.put(False)
    pauses.append(steps.asked.get(timeout=10))
    assert price(catalog) == (3, "price 2")
    assert all(8 <= pause <= 12 for pause in pauses)
    thread = feed._thread
    assert thread is not None
    feed.stop()
    steps.go.put(False)
    thread.join(10)
    assert not thread.is_alive()
    assert len(answers.asked) == 2


def test_a_feed_that_nobody_holds_is_collected(url: str) -> None:
    steps = Steps()
    feed = PriceFeed(url, Catalog(), wait=steps)
    feed.start()
    thread, seen = feed._thread, weakref.ref(feed)
    steps.asked.get(timeout=10)
    del feed
    gc.collect()
    assert seen() is None
    steps.go.put(False)
    assert thread is not None
    thread.join(10)
    assert not thread.is_alive()


def test_a_forked_child_asks_for_itself(url: str, answers: Answers) -> None:
    catalog, steps = Catalog(), Steps()
    feed = PriceFeed(url, catalog, wait=steps)
    feed.start()
    steps.asked.get(timeout=10)
    answers.say(2, book(2, 3))
    read, write = os.pipe()
    child = os.fork()
    if child == 0:
        try:
            steps.asked.get(timeout=10)
            os.write(write, str(price(catalog)).encode())
        finally:
            os._exit(0)
    os.close(write)
    os.waitpid(child, 0)
    told = os.read(read, 1000).decode()
    os.close(read)
    assert told.endswith("'price 2')")
    assert price(catalog) == (2, "price 1"), "the parent asks when its own time has come"
    feed.stop()
    steps.go.put(True)
