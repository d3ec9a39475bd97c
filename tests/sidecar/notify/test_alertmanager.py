"""What Alertmanager is told, and what a real one makes of it."""

from __future__ import annotations

import json
import time
import urllib.request
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from services.ports import free_port
from services.prometheus import need, running
from services.sinks import HttpSink
from sidecar.notify.given import NOW, channel, notification
from tollkeeper.alerting.channel import Channel
from tollkeeper.config.references import resolve
from tollkeeper.model.alert import Alert
from tollkeeper.sidecar.alertmanager_webhook import alert_of
from tollkeeper.sidecar.api.alertmanager import Webhook, alerts_of
from tollkeeper.sidecar.notify.alertmanager import LARGEST_BATCH, AlertmanagerNotifier
from tollkeeper.sidecar.notify.contract import Delivery, Message

MINUTE = 60 * 10**9
PATIENCE = 20.0


def alert(**finding: Any) -> Alert:
    return notification(**finding).alert


def told(to: Channel, *alerts: Alert, now: int = NOW) -> Delivery:
    return AlertmanagerNotifier(to, resolve, lambda: now).push(alerts)


@pytest.fixture
def to(web: HttpSink) -> Channel:
    return channel(kind="alertmanager", url=f"{web.url}/am/")


def test_what_fires_is_told_to_hold_for_four_minutes(to: Channel, web: HttpSink) -> None:
    assert told(to, alert(facts={"link": "https://tollkeeper/limits"})) == Delivery("sent", "answered 200 OK")
    assert web.last.path == "/am/api/v2/alerts"
    (said,) = web.last.json
    assert said["labels"] == {
        "alertname": "TollkeeperLimit", "service": "tollkeeper", "severity": "warning", "limit": "example",
        "tenant": "acme",
    }  # fmt: skip
    assert said["annotations"]["summary"] == "Warning: example for tenant acme"
    assert said["startsAt"] == "2026-09-21T14:12:20.123Z"
    assert said["endsAt"] == "2026-09-21T14:17:20.123Z"
    assert said["generatorURL"] == "https://tollkeeper/limits"
    told(to, alert(), now=NOW + MINUTE)
    assert web.last.json[0]["endsAt"] == "2026-09-21T14:18:20.123Z"


def test_what_is_over_is_told_for_a_while(to: Channel, web: HttpSink) -> None:
    over = alert()._replace(ended_at=NOW)
    for minutes in (0, 1, 15):
        told(to, over, now=NOW + minutes * MINUTE)
        assert web.last.json[0]["endsAt"] == "2026-09-21T14:13:20.123Z"
        assert web.last.json[0]["annotations"]["summary"].startswith("Over: ")
    assert told(to, over, now=NOW + 16 * MINUTE) == Delivery("sent", "nothing to tell")
    assert len(web.requests) == 3


def test_what_ended_before_it_began_is_told_too(to: Channel, web: HttpSink) -> None:
    """The clocks of two sidecars differ."""
    told(to, alert()._replace(ended_at=NOW - 5 * MINUTE))
    assert web.last.json[0]["startsAt"] == "2026-09-21T14:12:20.123Z"
    assert web.last.json[0]["endsAt"] == "2026-09-21T14:12:21.123Z"


def test_yesterdays_end_does_not_end_todays(to: Channel, web: HttpSink) -> None:
    told(to, alert(), alert(period_start=0)._replace(ended_at=NOW))
    (said,) = web.last.json
    assert said["endsAt"] == "2026-09-21T14:17:20.123Z"


def test_labels_are_such_as_alertmanager_takes(to: Channel, web: HttpSink) -> None:
    told(to, alert(scope={"cost center": "7", "1st": "x", "provider": ""}, kind="unpriced_model", subject="gpt-9"))
    assert web.last.json[0]["labels"] == {
        "alertname": "TollkeeperUnpricedModel", "service": "tollkeeper", "severity": "warning", "model": "gpt-9",
        "cost_center": "7", "_1st": "x",
    }  # fmt: skip


def test_many_are_told_in_batches(to: Channel, web: HttpSink) -> None:
    alerts = [alert(subject=f"limit {number}") for number in range(LARGEST_BATCH + 1)]
    assert told(to, *alerts).outcome == "sent"
    assert [len(request.json) for request in web.requests] == [LARGEST_BATCH, 1]
    web.status = 400
    assert told(to, *alerts) == Delivery("refused", "answered 400 Bad Request")
    web.status = 503
    assert told(to, *alerts) == Delivery("failed", "answered 503 Service Unavailable")


def test_it_is_told_of_alerts_only(to: Channel) -> None:
    notifier = AlertmanagerNotifier(to, resolve, lambda: NOW)
    assert notifier.send(None, Message("Yesterday", "spent: $1", "info")).outcome == "refused"
    assert told(channel(kind="alertmanager", url="env:NO_SUCH")).outcome == "sent", "there is nothing to tell"
    assert told(channel(kind="alertmanager", url="env:NO_SUCH"), alert()).outcome == "failed"


@pytest.fixture
def alertmanager(web: HttpSink, tmp_path: Path) -> Iterator[str]:
    """A real one, that sends to the sink at once."""
    program, port = need("prometheus-alertmanager"), free_port()
    configuration = tmp_path / "alertmanager.yml"
    route = {"receiver": "sink", "group_by": ["alertname"], "group_wait": "0s", "group_interval": "1s"}
    webhook = {"url": f"{web.url}/from-alertmanager", "send_resolved": True}
    receivers = [{"name": "sink", "webhook_configs": [webhook]}]
    configuration.write_text(json.dumps({"route": {**route, "repeat_interval": "1h"}, "receivers": receivers}))
    command = [
        program, f"--config.file={configuration}", f"--storage.path={tmp_path / 'data'}",
        f"--web.listen-address=127.0.0.1:{port}", "--cluster.listen-address=",
    ]  # fmt: skip
    with running(command, f"http://127.0.0.1:{port}/-/ready", tmp_path / "alertmanager.log"):
        yield f"http://127.0.0.1:{port}"


def until(what: Callable[[], bool]) -> None:
    end = time.monotonic() + PATIENCE
    while not what():
        assert time.monotonic() < end, "it has not come to that"
        time.sleep(0.05)


def test_a_real_one_passes_it_on_until_it_is_over(alertmanager: str, web: HttpSink) -> None:
    now = time.time_ns()
    to = channel(kind="alertmanager", url=alertmanager)
    fires = alert(scope={"tenant": "Ünïcödé <b>東京"})._replace(began_at=now - MINUTE)
    assert told(to, fires, now=now) == Delivery("sent", "answered 200 OK")
    until(lambda: len(web.requests) == 1)
    first = web.last.json
    assert first["status"] == "firing"
    assert first["commonLabels"]["tenant"] == "Ünïcödé <b>東京"
    assert first["commonAnnotations"]["summary"].startswith("Warning: example at 85 %")
    with urllib.request.urlopen(f"{alertmanager}/api/v2/alerts") as answer:
        (held,) = json.load(answer)
    assert held["status"]["state"] == "active"
    assert told(to, fires, now=now).outcome == "sent", "told again, it is the same one"
    assert told(to, fires._replace(ended_at=time.time_ns()), now=time.time_ns()).outcome == "sent"
    until(lambda: len(web.requests) == 2)
    assert web.last.json["status"] == "resolved"
    assert web.last.json["alerts"][0]["fingerprint"] == first["alerts"][0]["fingerprint"]
    begun, over = (
        alert_of(posted, time.time_ns()) for each in web.requests for posted in alerts_of(Webhook(**each.json))
    )
    assert (begun.id, begun.is_firing, over.is_firing) == (over.id, True, False), "our own route takes what it posts"
    assert begun.finding.scope == {"limit": "example", "tenant": "Ünïcödé <b>東京"}
