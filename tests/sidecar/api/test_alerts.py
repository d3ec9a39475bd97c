"""Alerts, silences, channels and the log of deliveries over HTTP."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from services.sinks import HttpSink, http_sink
from sidecar.api.world import World
from tollkeeper.alerting.channel import Channel
from tollkeeper.model.finding import Finding, severity_at
from tollkeeper.sidecar.notify.messages import message_of

API = "/api/v1"
SECRET = "secret-part-of-a-path"
DAY = 86_400 * 10**9


@pytest.fixture
def web() -> Iterator[HttpSink]:
    with http_sink() as sink:
        yield sink


def finding(world: World, level: int, tenant: str = "acme") -> Finding:
    start = world.clock.nanoseconds() // DAY * DAY
    facts = {
        "measure": "usd", "amount": 10**10, "used": level * 10**8, "held": 0, "percent": float(level),
        "form": "$10 / day per tenant", "mode": "hard",
    }  # fmt: skip
    return Finding("limit", "daily", {"tenant": tenant}, severity_at(level), level, start, start + DAY, facts)


def look(world: World, *findings: Finding) -> list[str]:
    noted = world.alerts.look(findings, world.channels.all())
    return [f"{channel.name} {event}" for _, channel, event in noted]


def ask(world: World, path: str, **params: Any) -> Any:
    answer = world.client("read").get(API + path, params=params)
    assert answer.status_code == 200, answer.text
    return answer.json()


def test_an_alert_is_shown_taken_on_and_over(world: World) -> None:
    admin = world.client("admin")
    admin.put(f"{API}/channels/ops", json={"kind": "webhook", "url": "https://ops.example"})
    assert look(world, finding(world, 85), finding(world, 50, "globex")) == ["ops fired", "ops fired"]
    (alert,) = ask(world, "/alerts", severity="warning", firing=True)["alerts"]
    assert (alert["title"], alert["used"], alert["amount"], alert["usage_percent"]) == (
        "Warning: daily at 85 % for tenant acme", 8.5, 10, 85.0,
    )  # fmt: skip
    assert [one["scope"]["tenant"] for one in ask(world, "/alerts", kind="limit", days=1)["alerts"]].count("globex")
    assert ask(world, "/alerts", subject="monthly")["alerts"] == []
    seen = admin.post(f"{API}/alerts/{alert['id']}/acknowledge", json={"reason": "on it"}).json()
    assert (seen["acknowledged_by"], seen["acknowledged_level"]) == ("a test", 85)
    assert [(one["channel"], one["state"]) for one in seen["notifications"]] == [("ops", "waiting")]
    world.clock.now += timedelta(days=1)
    assert sorted(look(world)) == ["ops resolved", "ops resolved"]
    over = ask(world, f"/alerts/{alert['id']}")
    assert (over["firing"], over["ended_at"], len(over["notifications"])) == (False, "2026-04-01T14:30:15.250000Z", 2)
    assert "Limit daily ($10 / day per tenant) for tenant acme" in over["text"] and "$8.50 of $10.00" in over["text"]
    assert admin.post(f"{API}/alerts/{alert['id']}/acknowledge", json={}).status_code == 404
    assert world.client("read").post(f"{API}/alerts/{alert['id']}/acknowledge", json={}).status_code == 403
    assert world.client("read").get(f"{API}/alerts/none").status_code == 404


def test_a_channel_is_set_tried_and_removed(
    sqlite_world: World, web: HttpSink, monkeypatch: pytest.MonkeyPatch
) -> None:
    world = sqlite_world
    admin, path = world.client("admin"), f"{API}/channels/hook"
    made = admin.put(path, json={"kind": "webhook", "url": f"{web.url}/{SECRET}", "only": {"tenant": "acme"}})
    assert made.json() | {"url": ""} == {
        "name": "hook", "read_only": False, "kind": "webhook", "url": "", "secret": None, "at_least": "info",
        "only": {"tenant": ["acme"]}, "repeat": 3600, "resolved": True, "title": None, "body": None, "via": "direct",
        "digest": None, "service": "webhook", "trouble": None,
    }  # fmt: skip
    assert made.json()["url"] == f"{web.url}/…"
    tried = admin.post(f"{path}/test").json()
    assert (tried["outcome"], tried["detail"]) == ("sent", "answered 200 OK")
    assert web.last.json["title"] == tried["title"] == "Warning: example at 85 % for tenant acme"
    web.status = 403
    world.clock.now += timedelta(seconds=1)
    assert admin.post(f"{path}/test").json()["detail"] == "answered 403 Forbidden"
    assert len({request.headers["Idempotency-Key"] for request in web.requests}) == 2, "two tries are not one"
    admin.put(path, json={"kind": "webhook", "url": "env:NO_SUCH_HOOK", "reason": "rotated"})
    failed = admin.post(f"{path}/test").json()
    assert failed["outcome"] == "failed" and "NO_SUCH_HOOK" in failed["detail"]
    assert admin.delete(path, params={"reason": "gone"}).json()["url"] == "env:NO_SUCH_HOOK"
    assert (admin.get(path).status_code, admin.delete(path).status_code) == (404, 404)
    assert admin.post(f"{path}/test").status_code == 404
    trail = admin.get(f"{API}/audit", params={"kind": "channel"})
    assert [entry["reason"] for entry in trail.json()["changes"]] == ["gone", "rotated", ""]
    assert SECRET not in trail.text + made.text


def test_what_is_wrong_with_a_channel_is_told_without_its_secrets(sqlite_world: World) -> None:
    admin = sqlite_world.client("admin")
    url = f"slack://{SECRET}"
    answer = admin.put(f"{API}/channels/a", json={"url": url, "secrte": SECRET, "repeat": "often", "only": {"who": 1}})
    said = answer.json()
    assert answer.status_code == 422
    told = [one["message"].partition(":")[0] for one in (said["error"], *said["others"])]
    assert sorted(told) == ["only.who", "repeat", "secrte", "url"]
    assert SECRET not in answer.text
    template = {"kind": "webhook", "url": "https://x.example", "title": "{% set x = 1 %}", "body": "{{ x"}
    broken = admin.put(f"{API}/channels/a", json=template).json()
    assert [one["message"].partition(":")[0] for one in (broken["error"], *broken["others"])] == ["title", "body"]
    assert admin.put(f"{API}/channels/a", json={"url": "env:A", "reason": 1}).status_code == 422
    assert admin.put(f"{API}/channels/-a", json={"url": "env:A"}).status_code == 422
    assert sqlite_world.client("write").put(f"{API}/channels/a", json={"url": "env:A"}).status_code == 403
    assert ask(sqlite_world, "/channels") == {"channels": []}


def test_a_channel_says_what_it_tells_and_why_nothing_arrives(
    sqlite_world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    world = sqlite_world
    admin = world.client("admin")
    assert admin.put(f"{API}/channels/a", json={"url": "env:SLACK_URL"}).json()["service"] == "slack"
    assert ask(world, "/channels/a")["trouble"] == {
        "detail": "environment variable SLACK_URL is not set", "since": None, "messages": 0,
    }  # fmt: skip
    assert ask(world, "/overview")["failing_channels"] == {"a": "environment variable SLACK_URL is not set"}
    assert "alerts do not reach a: environment variable SLACK_URL is not set" in ask(world, "/overview")["attention"]
    monkeypatch.setenv("SLACK_URL", f"mailtos://user:{SECRET}@mx.example")
    told = ask(world, "/channels")["channels"][0]
    assert (told["service"], told["trouble"]) == ("mail", None) and SECRET not in repr(told)
    look(world, finding(world, 95))
    (message,) = world.outbox.claim()
    world.clock.now += timedelta(seconds=1)
    world.outbox.finish(message.id, "refused", "the mail server answered 550")
    assert ask(world, "/channels/a")["trouble"] == {
        "detail": "the mail server answered 550", "since": "2026-03-31T14:30:15.250000Z", "messages": 1,
    }  # fmt: skip


def test_channels_of_the_file_are_changed_there(tmp_path: Path) -> None:
    world = World(f"sqlite:///{tmp_path / 'ledger.db'}", of_file=(Channel("ops", "apprise", f"slack://{SECRET}"),))
    admin = world.client("admin")
    answer = admin.get(f"{API}/channels")
    assert [(one["name"], one["url"], one["read_only"]) for one in answer.json()["channels"]] == [
        ("ops", "slack://…", True)
    ]
    refused = admin.put(f"{API}/channels/ops", json={"url": "env:OPS"})
    assert (refused.status_code, refused.json()["error"]["message"]) == (
        409, "ops is in the sidecar's file of channels, and is changed there",
    )  # fmt: skip
    assert admin.delete(f"{API}/channels/ops").status_code == 409
    world.close()


def test_a_silence_mutes_until_it_is_ended(sqlite_world: World) -> None:
    world = sqlite_world
    admin = world.client("admin")
    admin.put(f"{API}/channels/ops", json={"kind": "webhook", "url": "https://ops.example"})
    made = admin.post(f"{API}/silences", json={"match": {"limit": "dai*"}, "duration": "2h", "comment": "migration"})
    silence = made.json()
    assert (silence["active"], silence["ends_at"]) == (True, "2026-03-31T16:30:15.250000Z")
    assert look(world, finding(world, 95)) == []
    assert ask(world, "/alerts")["alerts"][0]["muted"] is True
    assert ask(world, "/silences")["silences"] == [silence]
    ended = admin.delete(f"{API}/silences/{silence['id']}", params={"reason": "done"}).json()
    assert (ended["active"], ask(world, "/silences")["silences"]) == (False, [])
    assert ask(world, "/silences", ended=True)["silences"] == [ended]
    assert admin.delete(f"{API}/silences/{silence['id']}").status_code == 404
    assert look(world, finding(world, 95)) == ["ops fired"]
    assert ask(world, "/alerts")["alerts"][0]["muted"] is False


def test_what_is_wrong_with_a_silence_is_told(sqlite_world: World) -> None:
    admin = sqlite_world.client("admin")
    for said, told in (
        ({}, "there is nothing in it; expected at least one of kind, limit, severity, "),
        ({"limti": "x"}, "'limti' is no selector; did you mean 'limit'?"),
        ({"limit": [], "kind": "lmit"}, 'limit: expected a glob such as "gpt-4*", or a list of them'),
        ({"severity": "criticl"}, "severity is 'criticl'; expected one of info, warning, critical, emergency"),
    ):
        answer = admin.post(f"{API}/silences", json={"match": said, "duration": "1h", "comment": "x"})
        assert answer.status_code == 422
        assert answer.json()["error"]["message"].startswith(told)
    spans: tuple[dict[str, str], ...] = (
        {},
        {"duration": "1h", "ends_at": "2026-04-01T00:00:00Z"},
        {"duration": "an hour"},
        {"duration": "0s"},
        {"duration": "367d"},
        {"ends_at": "2026-03-31T14:00:00Z"},
        {"ends_at": "9999-12-31T00:00:00Z"},
        {"ends_at": "2026-04-01T00:00:00"},
        {"starts_at": "2026-03-30T00:00:00Z", "duration": "10d"},
    )
    for span in spans:
        new = {"match": {"kind": "limit"}, "comment": "x", **span}
        assert admin.post(f"{API}/silences", json=new).status_code == 422, span
    assert ask(sqlite_world, "/silences", ended=True) == {"silences": []}


def test_what_is_dead_is_seen_and_tried_again(sqlite_world: World) -> None:
    world = sqlite_world
    admin = world.client("admin")
    admin.put(f"{API}/channels/ops", json={"kind": "webhook", "url": "https://ops.example"})
    look(world, finding(world, 85))
    (told,) = world.outbox.claim()
    world.outbox.finish(told.id, "refused", "answered 404 Not Found")
    (dead,) = ask(world, "/notifications", state="dead", channel="ops")["notifications"]
    assert (dead["id"], dead["attempts"], dead["detail"]) == (told.id, 1, "answered 404 Not Found")
    assert world.client("read").post(f"{API}/notifications/{told.id}/retry").status_code == 403
    assert admin.post(f"{API}/notifications/{told.id}/retry").json() == {"id": told.id}
    (waits,) = ask(world, "/notifications", alert_id=dead["alert_id"])["notifications"]
    assert (waits["state"], waits["attempts"], waits["finished_at"]) == ("waiting", 0, None)
    assert admin.post(f"{API}/notifications/{told.id}/retry").status_code == 404
    assert ask(world, "/notifications", state="dead")["notifications"] == []


def posted(status: str = "firing", **labels: str) -> dict[str, Any]:
    """What Alertmanager 0.25 sends, of one alert."""
    ended = "2026-03-31T14:20:00Z" if status == "resolved" else "0001-01-01T00:00:00Z"
    alert = {
        "status": status,
        "labels": {"alertname": "TollkeeperCostSpike", "severity": "page", "limit": "daily", "tenant": "acme"} | labels,
        "annotations": {"summary": "Four times what is usual", "description": "Look who.", "runbook_url": "docs/r.md"},
        "startsAt": "2026-03-31T14:00:00.123Z",
        "endsAt": ended,
        "generatorURL": "http://prometheus:9090/graph?g0.expr=x",
        "fingerprint": "d1f0d2c4f1d2a3b4",
    }
    return {
        "version": "4", "groupKey": "{}:{}", "truncatedAlerts": 0, "status": status, "receiver": "sidecar",
        "groupLabels": {}, "commonLabels": {}, "commonAnnotations": {}, "externalURL": "http://am:9093",
        "alerts": [alert],
    }  # fmt: skip


def test_what_alertmanager_tells_is_told_on_once(world: World, web: HttpSink) -> None:
    admin, path = world.client("admin"), f"{API}/alerts/alertmanager"
    hook = {"kind": "webhook", "url": web.url, "via": "alertmanager"}
    admin.put(f"{API}/channels/team", json={**hook, "only": {"limit": "dai*", "kind": "rule"}})
    admin.put(f"{API}/channels/globex", json={**hook, "only": {"tenant": "globex"}})
    admin.put(f"{API}/channels/direct", json={**hook, "via": "direct"})
    admin.put(f"{API}/channels/cluster", json={"kind": "alertmanager", "url": web.url})
    writer = world.client("write")

    def tell(**said: str) -> int:
        world.clock.now += timedelta(seconds=1)
        answer = writer.post(path, json=posted(**said))
        assert answer.status_code == 200, answer.text
        return int(answer.json()["notifications"])

    assert tell() == 1
    assert tell() == 0, "Alertmanager asks again, or one that works together with it"
    world.clock.now += timedelta(hours=1)
    assert tell() == 1, "it is critical, and goes on"
    assert (tell(status="resolved"), tell(status="resolved")) == (1, 0)
    assert tell(status="resolved", tenant="globex") == 0, "nobody has heard that it fires"
    log = ask(world, "/notifications")["notifications"]
    assert [(one["channel"], one["event"], one["severity"]) for one in log] == [
        ("team", event, "critical") for event in ("resolved", "repeated", "fired")
    ]
    assert log[0]["title"] == "Over: Four times what is usual"
    assert world.client("read").post(path, json=posted()).status_code == 403
    assert writer.post(path, json=posted() | {"version": "3"}).status_code == 422
    admin.post(f"{API}/silences", json={"match": {"tenant": "globex"}, "duration": "1h", "comment": "x"})
    assert tell(tenant="globex") == 0


def test_an_alert_of_a_rule_says_what_the_rule_says(sqlite_world: World, web: HttpSink) -> None:
    world = sqlite_world
    world.client("admin").put(f"{API}/channels/team", json={"kind": "webhook", "url": web.url, "via": "alertmanager"})
    world.client("write").post(f"{API}/alerts/alertmanager", json=posted(severity="odd", gen_ai_provider_name="openai"))
    (told,) = world.outbox.claim()
    message = message_of(told, world.channels.all()[0])
    assert (message.title, message.link) == (
        "Warning: Four times what is usual", "http://prometheus:9090/graph?g0.expr=x",
    )  # fmt: skip
    assert message.body.splitlines()[:3] == [
        "Look who.",
        "",
        "Alert TollkeeperCostSpike for limit daily and provider openai and tenant acme.",
    ]
