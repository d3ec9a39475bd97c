"""Admin APIs, asked over real HTTP: pages, retries, keys, and answers that are not as documented."""

from __future__ import annotations

import http.server
import json
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import date
from decimal import Decimal
from typing import Any

import pytest

from tollkeeper.insight.reconcile.account import PRESETS, Account, Kind
from tollkeeper.insight.reconcile.line import InvoiceLine, total
from tollkeeper.sidecar.invoices.contract import InvoiceError, SourceMalformed, SourceRefused, SourceUnavailable
from tollkeeper.sidecar.invoices.openai import line_item
from tollkeeper.sidecar.invoices.sources import SOURCES, fetch
from tollkeeper.sidecar.invoices.web import TRIES, _asked_for
from tollkeeper.simulator import Simulator
from tollkeeper.simulator.bill import DAY, HOUR, Use

TODAY = 1_789_516_800  # 2026-09-16
FIRST, LAST = date(2026, 7, 1), date(2026, 9, 16)
KEYS: dict[Kind, str] = {"openai": "sk-admin-1", "anthropic": "sk-ant-admin-1", "openrouter": "sk-or-1"}
BASES: dict[Kind, str] = {"openai": "/v1", "anthropic": "", "openrouter": "/api/v1"}
MODELS: dict[Kind, str] = {
    "openai": "gpt-4o-mini-2024-07-18", "anthropic": "claude-haiku-4-5-20251001", "openrouter": "openai/gpt-4.1",
}  # fmt: skip


def account(kind: Kind, url: str, key: str) -> Account:
    return Account(kind, kind, key, url, PRESETS[kind].provider, 35, 24)


def uses(kind: Kind, days: int = 60) -> list[Use]:
    return [
        Use(TODAY - number * DAY + HOUR, kind, MODELS[kind], 1000 + number, 100, 50, 20 if kind == "anthropic" else 0)
        for number in range(days)
    ]


def sums(lines: list[InvoiceLine], told: str) -> tuple[int, int, Decimal]:
    ours = [line for line in lines if line.told == told]
    return (
        sum(line.tokens or 0 for line in ours),
        sum(line.requests or 0 for line in ours),
        total(line.amount for line in ours if line.amount is not None),
    )


@pytest.mark.parametrize("kind", KEYS)
def test_all_pages_are_read_and_nothing_twice(kind: Kind, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ADMIN_KEY", KEYS[kind])
    made = uses(kind)
    with Simulator(seed=1, clock=lambda: TODAY + 2 * HOUR) as simulator:
        simulator.meter.add(made)
        lines = fetch(account(kind, simulator.url + BASES[kind], "env:ADMIN_KEY"), FIRST, LAST)
        asked = len(simulator.requests)
    assert len({line.id for line in lines}) == len(lines)
    days = {line.day for line in lines}
    # OpenRouter tells of the last 30 days that are over.
    expected = made[1:31] if kind == "openrouter" else made
    assert len(days) == len(expected)
    tokens = sum(use.input + use.output + use.cache_read + use.cache_write_5m for use in expected)
    assert sums(lines, "cost" if kind == "openrouter" else "usage")[0] == tokens
    if kind != "anthropic":
        assert sums(lines, "cost" if kind == "openrouter" else "usage")[1] == len(expected)
    if kind == "openai":
        million = Decimal(10**6)
        cost = sum((use.input * Decimal("0.15") + use.cache_read * Decimal("0.075") + use.output * Decimal("0.6"))
                   for use in expected)  # fmt: skip
        assert sums(lines, "cost")[2] == Decimal(cost) / million
        assert asked > 6 + 1
    if kind == "anthropic":
        assert {line.item for line in lines} == {"input", "cache_read", "cache_write_5m", "cache_write_1h", "output"}
        assert {line.tier for line in lines} == {"standard"}


@pytest.mark.parametrize("kind", KEYS)
def test_a_provider_that_has_no_time_is_asked_again(kind: Kind, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ADMIN_KEY", KEYS[kind])
    waited: list[float] = []
    with Simulator(seed=3, clock=lambda: TODAY, error_rate=0.5, retry_after=7) as simulator:
        simulator.meter.add(uses(kind, 5))
        lines = fetch(account(kind, simulator.url + BASES[kind], "env:ADMIN_KEY"), FIRST, LAST, waited.append)
        failed = [arrival for arrival in simulator.requests if (arrival.status or 0) >= 400]
    assert lines and len(waited) == len(failed) > 0
    told_so = [arrival.status in (429, 503, 529) for arrival in failed]
    assert all(wait == 7 for wait, told in zip(waited, told_so, strict=True) if told)


def test_it_is_given_up_after_some_times(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ADMIN_KEY", "sk-admin-1")
    waited: list[float] = []
    with Simulator(status=500) as simulator, pytest.raises(SourceUnavailable, match="answers 500, 6 times"):
        fetch(account("openai", simulator.url + "/v1", "env:ADMIN_KEY"), FIRST, LAST, waited.append)
    assert waited == [2, 4, 8, 16, 32][: TRIES - 1]
    with pytest.raises(SourceUnavailable, match="could not be reached"):
        fetch(account("openai", "http://127.0.0.1:1/v1", "env:ADMIN_KEY"), FIRST, LAST, waited.append)


@pytest.mark.parametrize("kind", KEYS)
def test_a_key_that_is_not_taken_is_said_so_and_not_shown(kind: Kind, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ADMIN_KEY", "sk-proj-secret")
    with Simulator(keys=["another"]) as simulator, pytest.raises(SourceRefused) as raised:
        fetch(account(kind, simulator.url + BASES[kind], "env:ADMIN_KEY"), FIRST, LAST)
    assert "env:ADMIN_KEY" in str(raised.value) and "401" in str(raised.value)
    assert "secret" not in str(raised.value)


@pytest.mark.parametrize("key", ["env:NO_SUCH_KEY", "file:/no/such/key"])
def test_a_reference_to_nothing(key: str) -> None:
    with pytest.raises(SourceRefused, match="key: "):
        fetch(account("openai", "http://127.0.0.1:1", key), FIRST, LAST)


@contextmanager
def answering(reply: Callable[[str], tuple[int, bytes]]) -> Iterator[str]:
    """A server that says what it is told to."""

    class Handler(http.server.BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            status, body = reply(self.path)
            self.send_response(status)
            self.send_header("content-length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_: object) -> None:
            """Nothing."""

    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True).start()
    try:
        yield f"http://127.0.0.1:{server.server_address[1]}"
    finally:
        server.shutdown()
        server.server_close()


def bucket(results: Any, **more: Any) -> bytes:
    data = [{"object": "bucket", "start_time": TODAY, "starting_at": "2026-09-16T00:00:00Z", "results": results}]
    return json.dumps({"data": data, "has_more": False, "next_page": None, **more}).encode()


def cost(value: object, currency: str = "usd") -> dict[str, Any]:
    return {"amount": {"value": value, "currency": currency}, "line_item": "gpt-4o, input"}


MALFORMED: tuple[tuple[Kind, bytes, str], ...] = (
    ("openai", b"<html>", "not JSON"),
    ("openai", b"[]", "no object"),
    ("openai", b"{}", "data is None; expected a list"),
    ("openai", b'{"data": [{"results": []}]}', "start_time is None; expected a int"),
    ("openai", bucket([{"input_tokens": -5, "num_model_requests": 1}]), "-5"),
    ("openai", bucket([{"input_tokens": 5, "input_cached_tokens": 9}]), "9 cached of 5"),
    ("openai", bucket([{"input_tokens": 1.5}]), "expected a whole number"),
    ("openai", bucket([cost("1.5")]).replace(b'"amount"', b'"amoun"'), "amount is None"),
    ("openai", bucket([cost("abc")]), "'abc' is no amount"),
    ("openai", bucket([cost(1.5, "eur")]), "'eur'; expected usd"),
    ("openai", bucket([cost("NaN")]), "no amount"),
    ("openai", bucket([], has_more=True, next_page="again"), "no end"),
    ("openai", b'{"data": [{"start_time": 99999999999999999}]}', "expected seconds since the epoch"),
    ("openai", bucket([{"num_model_requests": 1}]).replace(b": 1}", b": 1e999999999}"), "expected a whole number"),
    ("anthropic", bucket([3]), "expected objects"),
    ("anthropic", bucket([{"cache_creation": 5}]), "expected an object"),
    ("anthropic", bucket([{"currency": "USD", "amount": 1.5}]), "expected a str"),
    ("openrouter", b'{"data": [{"date": "yesterday", "model": "a"}]}', "expected a day"),
    ("openrouter", b'{"data": [{"date": "2026-09-15", "model": "a", "usage": null}]}', "no amount"),
)


@pytest.mark.parametrize("kind, body, told", MALFORMED)
def test_an_answer_that_is_not_as_documented_is_told_and_not_kept(
    kind: Kind, body: bytes, told: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("ADMIN_KEY", "k")
    with answering(lambda _: (200, body)) as url, pytest.raises(SourceMalformed) as raised:
        fetch(account(kind, url, "env:ADMIN_KEY"), FIRST, LAST)
    assert told in str(raised.value)


@pytest.mark.parametrize(
    "headers, seconds",
    [
        ({"retry-after": "2"}, 2.0),
        ({"retry-after": "nan"}, None),
        ({"retry-after": "Wed, 21 Oct 2026 07:28:00 GMT", "date": "Wed, 21 Oct 2026 07:27:00 GMT"}, 60.0),
        ({"retry-after": "Wed, 21 Oct 2026 07:28:00 GMT", "date": "some day"}, None),
    ],
)
def test_when_to_ask_again_is_believed_if_it_makes_sense(headers: dict[str, str], seconds: float | None) -> None:
    assert _asked_for(headers) == seconds


def test_money_is_as_exact_as_it_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ADMIN_KEY", "k")
    rows = [cost("0.00003420000000000000000000000000000001"), cost(0.1) | {"line_item": "gpt-5-nano, output_tokens"}]

    def reply(path: str) -> tuple[int, bytes]:
        return 200, bucket(rows if "/costs" in path else [])

    with answering(reply) as url:
        lines = fetch(account("openai", url, "env:ADMIN_KEY"), FIRST, LAST)
    amounts = {line.model: line.amount for line in lines}
    assert amounts == {"gpt-4o": Decimal("0.00003420000000000000000000000000000001"), "gpt-5-nano": Decimal("0.1")}
    assert [line.item for line in lines] == ["input", "output"]


def test_redirects_are_not_followed_with_the_key(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ADMIN_KEY", "k")
    with answering(lambda _: (302, b"")) as url, pytest.raises(InvoiceError, match="answers 302"):
        fetch(account("openai", url, "env:ADMIN_KEY"), FIRST, LAST)


@pytest.mark.parametrize(
    "said, expected",
    [
        ("gpt-4o-mini-2024-07-18, input", ("gpt-4o-mini-2024-07-18", "input", "")),
        ("gpt-4o-mini-2024-07-18, cached input", ("gpt-4o-mini-2024-07-18", "cache_read", "")),
        ("gpt-5-nano, input_tokens", ("gpt-5-nano", "input", "")),
        ("gpt-4o-2024-08-06, Output", ("gpt-4o-2024-08-06", "output", "")),
        ("gpt-4o-2024-08-06, batch input", ("gpt-4o-2024-08-06", "input", "batch")),
        ("gpt-4o-audio, audio input", ("gpt-4o-audio", "other", "")),
        ("gpt-4o", ("gpt-4o", "total", "")),
        ("Web search tool calls", ("", "other", "")),
        ("", ("", "other", "")),
    ],
)
def test_line_items_are_taken_apart(said: str, expected: tuple[str, str, str]) -> None:
    assert line_item(said, {"gpt-4o"}) == expected


def test_each_kind_of_account_has_a_source() -> None:
    assert [source.kind for source in SOURCES] == list(PRESETS)
