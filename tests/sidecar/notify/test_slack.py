"""Slack's messages go to any address that takes them: Slack's own, a proxy's, or one of what is compatible."""

from __future__ import annotations

import pytest

from services.sinks import HttpSink
from sidecar.notify.given import channel, notification, send
from tollkeeper.sidecar.notify.contract import Delivery

KIND = "slack"


def test_it_says_what_happened_as_plain_text(web: HttpSink, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SLACK_URL", f"{web.url}/services/T01/B02/secret3")
    told = notification(scope={"tenant": "<!channel> & *co*"})
    assert send(channel(kind=KIND, url="env:SLACK_URL"), told) == Delivery("sent", "answered 200 OK")
    assert web.last.path == "/services/T01/B02/secret3"
    said = web.last.json
    assert said["text"].startswith("Warning: example at 85 % for tenant &lt;") and said["text"].endswith("&amp; *co*")
    assert "<!" not in repr(said) and said["mrkdwn"] is False
    (text,) = said["attachments"]
    assert text["color"] == "warning" and "Used: $8.50 of $10.00" in text["text"]
    send(channel(kind=KIND, url="env:SLACK_URL"), notification("resolved"))
    assert web.last.json["attachments"][0]["color"] == "good"


def test_what_is_no_address_is_told_with_what_is_expected(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SLACK_URL", "slack://secret")
    sent = send(channel(kind=KIND, url="env:SLACK_URL"))
    assert sent.outcome == "refused" and "https://hooks.slack.com/services/" in sent.detail
    assert "secret" not in sent.detail
    assert "NO_URL is not set" in send(channel(kind=KIND, url="env:NO_URL")).detail
