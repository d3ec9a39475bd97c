"""A webhook is JSON that says all there is, signed, with a key by which a repeat is known."""

from __future__ import annotations

import hashlib
import hmac
from typing import Any

import pytest

from services.ports import free_port
from services.sinks import HttpSink
from sidecar.notify.given import NOW, channel, notification, send
from tollkeeper.alerting.channel import table_of
from tollkeeper.sidecar.notify import post
from tollkeeper.sidecar.notify.build import notifier_of
from tollkeeper.sidecar.notify.contract import Delivery, Message

KEY = "a-key-of-some-length"


def test_it_says_all_there_is(web: HttpSink) -> None:
    assert send(channel(kind="webhook", url=f"{web.url}/alerts?team=7")) == Delivery("sent", "answered 200 OK")
    assert (web.last.method, web.last.path) == ("POST", "/alerts?team=7")
    assert web.last.headers["Content-Type"] == "application/json"
    assert web.last.headers["Idempotency-Key"] == "example-fired"
    assert web.last.headers["User-Agent"].startswith("tollkeeper/")
    assert "X-Tollkeeper-Signature" not in web.last.headers
    said = web.last.json
    assert {name: said[name] for name in ("id", "event", "alert_id", "alert_type", "severity", "level", "limit")} == {
        "id": "example-fired",
        "event": "fired",
        "alert_id": "example",
        "alert_type": "quota_threshold",
        "severity": "warning",
        "level": 80,
        "limit": "example",
    }
    assert (said["used"], said["amount"], said["held"], said["measure"]) == (8.5, 10, 0.2, "usd")
    assert said["scope"] == {"tenant": "acme"}
    assert (said["usage_percent"], said["timestamp"]) == (85.0, "2026-09-21T14:13:20.123Z")
    assert said["period_end"] == "2026-09-22T00:00:00.000Z"
    assert said["ended_at"] is said["total_tokens"] is said["quota_limit"] is said["config_id"] is None
    assert said["title"] == "Warning: example at 85 % for tenant acme"
    assert "gpt-4o: $6.12 (72 %)" in said["message"]


def test_of_a_quota_it_says_what_quotas_always_said(web: HttpSink) -> None:
    facts = {"measure": "tokens", "amount": 100_000, "used": 85_000, "percent": 85.0}
    quota = notification(
        subject="quota openai-prod", scope={"config": "openai-prod", "provider": "openai"}, facts=facts
    )
    send(channel(kind="webhook", url=web.url), quota)
    names = ("alert_type", "config_id", "provider", "usage_percent", "total_tokens", "quota_limit", "timestamp")
    assert [web.last.json[name] for name in names] == [
        "quota_threshold", "openai-prod", "openai", 85.0, 85_000, 100_000, "2026-09-21T14:13:20.123Z",
    ]  # fmt: skip


def test_money_is_exact(web: HttpSink) -> None:
    amount = 9_007_199_254_740_993
    send(channel(kind="webhook", url=web.url), notification(facts={"measure": "usd", "amount": amount, "used": 1}))
    assert b'"amount":9007199.254740993,' in web.last.body
    assert web.last.json["used"] == 1e-9


def test_it_is_signed(web: HttpSink) -> None:
    send(channel(kind="webhook", url=web.url, secret=KEY))
    signed = dict(part.split("=") for part in web.last.headers["X-Tollkeeper-Signature"].split(","))
    assert int(signed["t"]) == NOW // 10**9
    expected = hmac.new(KEY.encode(), f"{signed['t']}.".encode() + web.last.body, hashlib.sha256).hexdigest()
    assert signed["v1"] == expected


def test_secrets_are_looked_up_when_they_are_needed(
    web: HttpSink, tmp_path: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    key = tmp_path / "key"
    to = channel(kind="webhook", url="env:ALERTS_URL", secret=f"file:{key}")
    assert send(to) == Delivery("failed", "environment variable ALERTS_URL is not set")
    monkeypatch.setenv("ALERTS_URL", f"{web.url}/secret-path")
    assert send(to) == Delivery("failed", f"file {key} cannot be read: No such file or directory")
    key.write_text(f"{KEY}\n")
    assert send(to).outcome == "sent"
    first = web.last
    key.write_text("another-key-of-some-length")
    assert send(to).outcome == "sent"
    assert first.path == web.last.path == "/secret-path"
    assert first.headers["X-Tollkeeper-Signature"] != web.last.headers["X-Tollkeeper-Signature"]


@pytest.mark.parametrize(
    ("status", "outcome", "detail"),
    [
        (202, "sent", "answered 202 Accepted"),
        (301, "refused", "answered 301 Moved Permanently"),
        (400, "refused", "answered 400 Bad Request"),
        (404, "refused", "answered 404 Not Found"),
        (408, "failed", "answered 408 Request Timeout"),
        (429, "failed", "answered 429 Too Many Requests"),
        (500, "failed", "answered 500 Internal Server Error"),
        (503, "failed", "answered 503 Service Unavailable"),
        (599, "failed", "answered 599"),
    ],
)
def test_what_an_answer_means(web: HttpSink, status: int, outcome: Any, detail: str) -> None:
    web.status, web.answer, web.headers = status, b"your token is xyz", {"Location": f"{web.url}/elsewhere"}
    assert send(channel(kind="webhook", url=web.url)) == Delivery(outcome, detail)
    assert len(web.requests) == 1, "no redirect is followed, and nothing is sent again"


def test_who_does_not_answer_may_do_so_later(web: HttpSink, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(post, "TIMEOUT_SECONDS", 0.2)
    web.hangs = True
    assert send(channel(kind="webhook", url=web.url)) == Delivery("failed", "no answer within 0.2 s")
    nobody = channel(kind="webhook", url=f"http://127.0.0.1:{free_port()}/secret-path")
    assert send(nobody) == Delivery("failed", "could not be reached: ConnectError")


def test_what_is_no_address_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    for wrong in ("ftp://host/secret", "http://", "no address", "http://host:port/", "http://[host/"):
        monkeypatch.setenv("ALERTS_URL", wrong)
        told = send(channel(kind="webhook", url="env:ALERTS_URL"))
        assert told == Delivery("refused", "the channel's address is not one such as https://host/path")


def test_a_digest_has_a_key_too(web: HttpSink) -> None:
    notifier = notifier_of(channel(kind="webhook", url=web.url))
    for body in ("spent: $1", "spent: $1", "spent: $2"):
        assert notifier.send(None, Message("Yesterday", body, "info")).outcome == "sent"
    keys = [request.headers["Idempotency-Key"] for request in web.requests]
    assert keys[0] == keys[1] != keys[2]
    assert web.last.json == {
        "alert_type": "digest", "severity": "info", "title": "Yesterday", "message": "spent: $2", "link": None,
    }  # fmt: skip


@pytest.mark.parametrize("kind", ["webhook", "alertmanager"])
def test_no_secret_is_told(
    kind: str, web: HttpSink, monkeypatch: pytest.MonkeyPatch, tmp_path: Any, logged: list[str]
) -> None:
    secrets = ("user-secret", "path-secret", "query-secret", "key-of-the-signature", "answer-secret")
    address = f"127.0.0.1:{web.port}/path-secret?token=query-secret"
    (tmp_path / "key").write_text("key-of-the-signature")
    signed = {"secret": f"file:{tmp_path}/key"} if kind == "webhook" else {}
    web.answer, web.headers = b"answer-secret", {"X-Answer": "answer-secret"}
    told = []
    for url in (f"http://me:user-secret@{address}", f"http://{address}", "http://[path-secret", "path-secret"):
        monkeypatch.setenv("ALERTS_URL", url)
        to = channel(kind=kind, url="env:ALERTS_URL", **signed)
        for web.status in (200, 302, 401, 500):
            told.append(send(to))
    assert web.requests[0].headers["Authorization"] == "Basic bWU6dXNlci1zZWNyZXQ="
    assert {each.outcome for each in told} == {"sent", "failed", "refused"}
    shown = f"{told}{logged}{to}{table_of(to)}{notifier_of(to)!r}"
    assert not [secret for secret in secrets if secret in shown]
