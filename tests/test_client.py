"""`tollkeeper.Client` and `AsyncClient` against the API on real sockets."""

from __future__ import annotations

import asyncio
import http.server
import threading
from collections.abc import Iterator
from datetime import date, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

import tollkeeper
from sidecar.api.serving import serving
from sidecar.api.world import NOW, World, make_call, unpriced
from tollkeeper.client import Invalid, KeyRefused, NotFound, Outdated, Unavailable, Unreachable
from tollkeeper.client.asks import health


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    folder: Path = tmp_path_factory.mktemp("client")
    made = World(f"sqlite:///{folder / 'ledger.db'}")
    made.record(make_call(1), unpriced(2), make_call(3, at=NOW - timedelta(days=2), tags={"tenant": "b"}))
    yield made
    made.close()


@pytest.fixture
def client(world: World, url: str) -> Iterator[tollkeeper.Client]:
    with tollkeeper.Client(url, world.key("admin")) as made:
        yield made


def test_usage_comes_typed_and_exact(client: tollkeeper.Client) -> None:
    usage = client.usage(start=date(2026, 3, 1), end="2026-03-31", group_by=["tenant"], zone="Europe/Berlin")
    assert usage.total_cost == Decimal("0.007") and isinstance(usage.total_cost, Decimal)
    assert {group.group["tenant"]: group.cost for group in usage.groups} == {
        "acme": Decimal("0.0035"), "b": Decimal("0.0035"),
    }  # fmt: skip
    assert usage.by_model["acme-tuned"].cost is None
    assert usage.by_day[0].date == date(2026, 3, 1)
    assert usage.start.utcoffset() == timedelta(hours=1)
    assert client.usage(tenant=["b"], model="gpt-4o").total_calls == 1
    assert client.usage(tenant="").total_calls == 0


async def test_the_async_client_has_the_same_answers(world: World, url: str, client: tollkeeper.Client) -> None:
    async with tollkeeper.AsyncClient(url, world.key("admin")) as awaited:
        stats, usage, calls = await asyncio.gather(awaited.stats(), awaited.usage(days=3), awaited.calls(limit=1))
        assert (stats, usage) == (client.stats(), client.usage(days=3))
        assert calls.calls == client.calls(limit=1).calls
        with pytest.raises(NotFound):
            await awaited.call("nobody")


def test_every_question_is_answered(client: tollkeeper.Client) -> None:
    assert client.health().status == "ok"
    assert client.status().default_provider == "openai"
    assert client.overview().calls == 3
    assert client.orphans(limit=5).orphans == []
    assert client.unpriced().models[0].model == "acme-tuned"
    price = client.effective_price("openai", "gpt-4o-mini", at=NOW, context=["service_tier=flex"])
    assert price.bands[0].unit_prices["input"] == Decimal("0.000000075") and price.at == NOW
    assert client.verify_audit().sound
    page = client.calls(limit=2, order="newest")
    rest = client.calls(limit=2, cursor=page.next_cursor)
    assert len(page.calls) == 2 and len(rest.calls) == 1 and rest.next_cursor is None
    (attempt,) = client.call(make_call(1).id).attempts
    assert attempt.cost == Decimal("0.0035") and attempt.line_items[0].unit_price == Decimal("0.0000025")


def test_a_price_from_its_first_day_to_its_last(client: tollkeeper.Client) -> None:
    made = client.add_price({"model": "mine-*", "input": Decimal("0.1"), "output": "2"}, reason="first")
    later = client.schedule_price(made.row, {"input": "0.2"}, valid_from=NOW + timedelta(days=9), reason="later")
    assert [price.state for price in client.price(made.row).prices] == ["current", "scheduled"]
    client.cancel_price(later.version, reason="not after all")
    assert client.preview_price({"output": "3"}, row=made.row).content["output"] == "3"
    (known,) = client.model_prices(search="mine-*", source="own", limit=1).models
    assert known.bands[0].unit_prices["output"] == Decimal("0.000002")
    with pytest.raises(Outdated):
        client.withdraw_price(made.row, reason="of another version", expected=made.version + 99)
    changed = client.change_price(made.row, {"output": "3"}, reason="dearer")
    assert changed.content == {"provider": "*", "model": "mine-*", "input": "0.1", "output": "3"}
    with pytest.raises(Outdated):
        client.change_price(made.row, {"output": "4"}, reason="too late", expected=made.version)
    client.withdraw_price(made.row, reason="gone")
    assert client.prices(search="MINE", state="current").prices == []
    assert len(client.price_history(row=made.row).versions) == 5
    actions = [change.action for change in client.audit(object_id=str(made.row), kind="price").changes]
    assert actions == ["withdraw", "change", "cancel", "schedule", "add"]


def test_keys_are_made_and_revoked(client: tollkeeper.Client, url: str) -> None:
    made = client.create_key("search", ["read"], expires_in_days=30)
    with tollkeeper.Client(url, made.key) as reader:
        assert reader.stats().total_requests == 3
        with pytest.raises(KeyRefused, match="needed is admin"):
            reader.keys()
        client.revoke_key(made.prefix)
        with pytest.raises(KeyRefused, match="not valid"):
            reader.stats()
    assert made.prefix in {key.prefix for key in client.keys().keys if not key.active}


def test_a_wrong_question_says_what_was_expected(client: tollkeeper.Client) -> None:
    with pytest.raises(Invalid) as refused:
        client.usage(zone="Europe/Berln")
    assert (refused.value.status, refused.value.field, refused.value.value) == (422, "zone", "Europe/Berln")
    assert "did you mean Europe/Berlin" in (refused.value.expected or "")
    with pytest.raises(Invalid, match="inptu"):
        client.add_price({"model": "x", "inptu": "1"}, reason="a slip")


def test_a_filter_that_there_is_not_is_told_before_anybody_is_asked(client: tollkeeper.Client) -> None:
    slip: dict[str, Any] = {"tennant": "acme"}
    for method in (client.usage, client.what_if, client.limits, client.anomalies, client.audit):
        with pytest.raises(TypeError, match=r"\(\) got an unexpected keyword argument 'tennant'"):
            method(**slip)


def test_a_unix_socket_is_an_address_too(world: World, tmp_path: Path) -> None:
    path = str(tmp_path / "tollkeeper.sock")
    with serving(world.app, path) as address, tollkeeper.Client(address, world.key("read")) as reader:
        assert reader.stats().total_requests == 3


def test_address_and_key_come_from_the_environment(world: World, url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TOLLKEEPER_URL", url)
    monkeypatch.setenv("TOLLKEEPER_API_KEY", world.key("read"))
    monkeypatch.setenv("HTTP_PROXY", "http://127.0.0.1:9")  # for other machines than this one
    with tollkeeper.Client() as reader:
        assert reader.stats().total_requests == 3
        assert world.key("read") not in repr(reader)


@pytest.mark.parametrize("key", ["tk_1_secret\n", "tk_1_sécret"])
def test_a_key_that_cannot_be_sent_is_not_repeated(key: str) -> None:
    with pytest.raises(ValueError, match="no text of one line") as refused:
        tollkeeper.Client("http://127.0.0.1:9", key)
    assert "cret" not in str(refused.value)


def test_nobody_there_is_an_error_of_its_own() -> None:
    with tollkeeper.Client("http://127.0.0.1:9") as client, pytest.raises(Unreachable, match="nobody answers"):
        client.stats()
    for wrong in ("ftp://x", "localhost:4318", "unix:"):
        with pytest.raises(ValueError, match="no address"):
            tollkeeper.Client(wrong)


class Stranger(http.server.BaseHTTPRequestHandler):
    """Answers, but not as the API does."""

    status, body, headers_sent = 200, b"", ()

    def do_GET(self) -> None:
        self.send_response(self.status)
        for name, value in self.headers_sent:
            self.send_header(name, value)
        self.send_header("Content-Length", str(len(self.body)))
        self.end_headers()
        self.wfile.write(self.body)

    def log_message(self, *_: Any) -> None:
        """Quiet."""


@pytest.mark.parametrize(
    ("status", "body", "headers", "kind", "told"),
    [
        (200, b"<html>", (), tollkeeper.ApiError, "not JSON"),
        (200, b'{"total_requests": 1}', (), tollkeeper.ApiError, "another version"),
        (200, b'["?"]', (), tollkeeper.ApiError, "another version"),
        (502, b"<html>bad gateway", (), tollkeeper.ApiError, "status 502"),
        (503, b'{"error": {"message": "busy"}}', (("Retry-After", "7"),), Unavailable, "busy"),
        (404, b'{"detail": "Not Found"}', (), NotFound, "status 404"),
        (500, b'{"error": "?"}', (), tollkeeper.ApiError, "status 500"),
    ],
)  # fmt: skip
def test_whoever_else_answers_is_told_apart(
    status: int, body: bytes, headers: tuple[tuple[str, str], ...], kind: type[tollkeeper.ApiError], told: str
) -> None:
    handler = type("Handler", (Stranger,), {"status": status, "body": body, "headers_sent": headers})
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        with tollkeeper.Client(f"http://127.0.0.1:{server.server_port}") as client, pytest.raises(kind) as raised:
            client.stats()
        server.shutdown()
    assert told in str(raised.value)
    assert raised.value.retry_after == (7.0 if headers else None)


def test_fields_of_a_newer_sidecar_are_left_out() -> None:
    content = b'{"status": "ok", "version": "9", "news": {"much": 1}}'
    assert health().understand(200, {}, content).version == "9"
