"""Chats, text messages and on-call services, through apprise, to sinks in their shape."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from services.ports import free_port
from services.sinks import HttpSink
from sidecar.notify.given import channel, notification, send
from sidecar.notify.services import SECRET, SERVICES, SID
from tollkeeper.alerting.channel import Channel, table_of
from tollkeeper.model.finding import SEVERITIES
from tollkeeper.sidecar.notify.apprise import NOT_KNOWN
from tollkeeper.sidecar.notify.build import notifier_of
from tollkeeper.sidecar.notify.contract import Delivery, Message

Moved = Callable[[str], Channel]


@pytest.fixture
def moved(web: HttpSink, monkeypatch: pytest.MonkeyPatch) -> Moved:
    """A channel to a service whose place the sink has taken."""

    def to(name: str) -> Channel:
        service = SERVICES[name]
        service.moved(monkeypatch, web)
        web.status, web.answer = service.status, service.answer
        return channel(url=service.url.format(port=web.port))

    return to


@pytest.mark.parametrize("name", SERVICES)
def test_it_arrives_and_no_secret_is_told(name: str, moved: Moved, web: HttpSink, logged: list[str]) -> None:
    to = moved(name)
    told = [send(to)]
    assert told == [Delivery("sent", "taken by the service")]
    assert len(web.requests) == 1
    said = web.last.body.decode() + "".join(web.last.headers.values()) + web.last.path
    assert SECRET in said or "Basic " in said, "the sink has seen what nobody else may see"
    for web.status in (401, 429, 500):
        told.append(send(to))
    assert [(each.outcome, each.detail.split()[1]) for each in told[1:]] == [
        ("refused", "401"), ("failed", "429"), ("failed", "500"),
    ]  # fmt: skip
    for shown in (*logged, str(told), str(table_of(to)), repr(to)):
        assert SECRET not in shown


def test_a_chat_reads_all_of_it(moved: Moved, web: HttpSink) -> None:
    send(moved("slack"))
    assert web.last.path == f"/services/T1JJ3T3L2/A1BRTD4JD/{SECRET}"
    said = str(web.last.json)
    for part in ("Warning: example at 85 % for tenant acme", "$8.50 of $10.00", "gpt-4o: $6.12 (72 %)"):
        assert part in said


@pytest.mark.parametrize("name", ["slack", "discord", "mattermost"])
def test_names_call_nobody(name: str, moved: Moved, web: HttpSink) -> None:
    send(moved(name), notification(scope={"tenant": "<!channel> @everyone <@U123> @here"}))
    said = str(web.last.json)
    for call in ("<!channel>", "@everyone", "<@U123>", "@here", "@channel"):
        assert call not in said


def test_pagerduty_opens_and_resolves_one_incident(moved: Moved, web: HttpSink) -> None:
    to = moved("pagerduty")
    for event in ("fired", "worsened", "resolved"):
        assert send(to, notification(event)).outcome == "sent"  # type: ignore[arg-type]
    said = [request.json for request in web.requests]
    assert [(each["event_action"], each["dedup_key"]) for each in said] == [
        ("trigger", "example"), ("trigger", "example"), ("resolve", "example"),
    ]  # fmt: skip
    assert said[0]["routing_key"] == SECRET
    assert said[0]["payload"]["severity"] == "warning"
    assert said[0]["payload"]["source"] == "tollkeeper"
    assert said[0]["payload"]["summary"].startswith("Warning: example at 85 % for tenant acme")
    assert "images" not in said[0]


def test_pagerduty_knows_how_severe_it_is(moved: Moved, web: HttpSink) -> None:
    to = moved("pagerduty")
    for severity in SEVERITIES:
        send(to, notification(severity=severity))
    said = [request.json["payload"]["severity"] for request in web.requests]
    assert said == ["info", "warning", "critical", "critical"]


def test_what_the_url_says_of_an_incident_holds(moved: Moved, web: HttpSink) -> None:
    moved("pagerduty")
    send(channel(url=f"pagerduty://{SECRET}@any-key/budgets?dedup=ours&severity=error&click=https://runbook"))
    said = web.last.json
    assert (said["dedup_key"], said["payload"]["severity"], said["payload"]["source"]) == ("ours", "error", "budgets")
    assert said["links"] == [{"href": "https://runbook"}]


def test_opsgenie_opens_and_closes_one_alert(moved: Moved, web: HttpSink) -> None:
    to = moved("opsgenie")
    assert send(to, notification("fired", severity="info")).outcome == "sent"
    assert (web.last.path, web.last.json["alias"]) == ("/v2/alerts", "example")
    assert web.last.json["message"].startswith("Info: example at 85 %")
    assert send(to, notification("resolved")) == Delivery("sent", "answered 202 Accepted")
    assert web.last.path == "/v2/alerts/example/close?identifierType=alias"
    assert web.last.headers["Authorization"] == f"GenieKey {SECRET}"
    web.status = 503
    assert send(to, notification("resolved")) == Delivery("failed", "answered 503 Service Unavailable")


def test_twilio_sends_a_text_message(moved: Moved, web: HttpSink) -> None:
    to = moved("twilio")
    short = channel(url=to.url, title="{{ severity }}: {{ limit }}", body="{{ who }} has used {{ used }}")
    assert send(short).outcome == "sent"
    assert web.last.path == f"/2010-04-01/Accounts/{SID}/Messages.json"
    assert web.last.form["To"] == "+15557654321"
    assert "warning: example" in web.last.form["Body"]
    assert "tenant acme has used $8.50" in web.last.form["Body"]


def test_a_service_may_take_it_later(moved: Moved, web: HttpSink) -> None:
    to = moved("mattermost")
    web.hangs = True
    slow = channel(url=f"{to.url}?cto=0.2&rto=0.2")
    assert send(slow) == Delivery("failed", "could not be reached, or gave no answer in time")
    nobody = channel(url=f"mmost://127.0.0.1:{free_port()}/{SECRET}")
    assert send(nobody) == Delivery("failed", "could not be reached, or gave no answer in time")


def test_no_redirect_is_followed(moved: Moved, web: HttpSink) -> None:
    to = moved("mattermost")
    web.status, web.headers = 307, {"Location": f"{web.url}/elsewhere"}
    assert send(to) == Delivery("refused", "answered 307 Temporary Redirect")
    assert len(web.requests) == 1


@pytest.mark.parametrize(
    ("url", "detail"),
    [
        ("syslog://", "syslog:// is no service that may be used"),
        ("dbus://", "dbus:// is no service that may be used"),
        ("json://127.0.0.1/secret", "json:// is no service that may be used"),
        ("https://example.com/secret", NOT_KNOWN),
        ("slack://secret", NOT_KNOWN),
        ("nothing of the kind: secret", NOT_KNOWN),
    ],
)
def test_only_services_are_reached(url: str, detail: str, monkeypatch: pytest.MonkeyPatch, logged: list[str]) -> None:
    monkeypatch.setenv("TARGET", url)
    assert send(channel(url="env:TARGET")) == Delivery("refused", detail)
    assert "secret" not in "".join(logged)


def test_a_message_about_no_alert_opens_nothing(moved: Moved, web: HttpSink) -> None:
    told: list[Any] = [notifier_of(moved("slack")).send(None, Message("Yesterday", "spent: $1", "info"))]
    assert told == [Delivery("sent", "taken by the service")]
    assert "spent: $1" in str(web.last.json)
