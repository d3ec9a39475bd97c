"""Anomalies over HTTP: what is shown of them, and what people say of them."""

from __future__ import annotations

from typing import Any

from sidecar.api.world import World
from tollkeeper.insight.anomaly.anomaly import Anomaly, Contributor
from tollkeeper.sidecar.insight.anomaly_findings import finding_of
from tollkeeper.storage.audit import AuditQuery
from tollkeeper.storage.insight.anomalies import Found, Kept

API = "/api/v1"
MINUTE = 60 * 10**9
USD = 10**9


def loop(world: World, **changes: Any) -> Found:
    now = world.clock.nanoseconds()
    plain = Anomaly(
        "runaway", "spend", {"session": "s-1"}, None, now - 5 * MINUTE, now, 72.0 * USD, 1.5 * USD, None, 5.0 * USD,
        9.5, 6 * USD, "critical",
    )  # fmt: skip
    facts = {
        "calls": 120, "nano_usd": 6 * USD, "calls_per_hour": 1440, "nano_usd_per_hour": 72 * USD,
        "change": "more_calls", "cause": [{"dimension": "session", "value": "s-1", "share": 1.0}],
    }  # fmt: skip
    return Found(plain._replace(**changes), facts, 0)


def spike(world: World) -> Found:
    of = Contributor("model", "gpt-4o", 90 * USD, 10 * USD, 80 * USD, 0.8, 50 * USD, 10 * USD, 20 * USD)
    found = loop(
        world, kind="spike", metric="error_rate", scope={"tenant": "acme"}, step="hour", actual=0.25, expected=0.01,
        low=0.0, high=0.0312345678, severity="warning", excess_nano_usd=None, contributors=(of,),
    )  # fmt: skip
    return found._replace(facts={})


def kept(world: World, *found: Found) -> list[Kept]:
    now = world.clock.nanoseconds()
    return [world.insight.anomalies.follow(one.anomaly.step or "runaway", [one], now)[0] for one in found]


def ask(world: World, path: str, **params: Any) -> Any:
    answer = world.client("read").get(API + path, params=params)
    assert answer.status_code == 200, answer.text
    return answer.json()


def test_what_is_unusual_is_shown_with_its_figures_in_their_units(world: World) -> None:
    first, second = kept(world, loop(world), spike(world))
    shown = {one["id"]: one for one in ask(world, "/anomalies")["anomalies"]}
    loops, errors = shown[first.id], shown[second.id]
    assert (loops["actual"], loops["expected"], loops["low"], loops["high"], loops["excess"]) == (72, 1.5, None, 5, 6)
    assert (loops["calls"], loops["cost"], loops["calls_per_hour"], loops["cost_per_hour"]) == (120, 6, 1440, 72)
    assert (loops["open"], loops["ended_at"], loops["began_at"]) == (True, None, "2026-03-31T14:25:15.250000Z")
    assert loops["title"] == "runaway spend for session s-1 at $72.00 an hour, usually up to $5.00"
    assert "So far: 120 calls for $6.00; at this pace 1,440 calls and $72.00 an hour" in loops["lines"]
    assert (errors["actual"], errors["high"], errors["excess"], errors["step"]) == (0.25, 0.031235, None, "hour")
    assert errors["title"] == "hourly error rate for tenant acme at 25.0 %, usually 0.0 % to 3.1 %"
    (of,) = errors["contributors"]
    assert (of["value"], of["excess"], of["share"]) == ("gpt-4o", 80, 0.8)
    assert of["more_calls"] + of["bigger_calls"] + of["dearer_tokens"] == of["excess"]
    assert ask(world, f"/anomalies/{second.id}") == errors


CHOSEN: tuple[tuple[dict[str, Any], int], ...] = (
    ({"kind": "spike"}, 1), ({"metric": "spend"}, 1), ({"severity": "info"}, 0), ({"open": False}, 0),
    ({"session": "s-1"}, 1), ({"tenant": "acme"}, 1), ({"tenant": "globex"}, 0), ({"rule": "mine"}, 0),
    ({"label": "none"}, 2), ({"label": "real"}, 0), ({"limit": 1}, 1), ({"days": 1}, 2),
    ({"start": "2026-01-01", "end": "2026-01-31"}, 0),
)  # fmt: skip


def test_it_is_chosen(world: World) -> None:
    kept(world, loop(world), spike(world))
    for params, number in CHOSEN:
        assert len(ask(world, "/anomalies", **params)["anomalies"]) == number, params


def test_somebody_takes_it_on_and_its_alert_with_it(world: World) -> None:
    (one, other) = kept(world, loop(world), spike(world))
    world.alerts.look([finding_of(one), finding_of(other)], ())
    admin = world.client("admin")
    seen = admin.post(f"{API}/anomalies/{one.id}/acknowledge", json={"reason": "on it"}).json()
    assert (seen["acknowledged_by"], seen["acknowledged_at"]) == ("a test", "2026-03-31T14:30:15.250000Z")
    alerts = ask(world, "/alerts", kind="anomaly")["alerts"]
    assert {alert["subject"]: alert["acknowledged_by"] for alert in alerts} == {
        "runaway spend": "a test", "hourly error rate": None,
    }  # fmt: skip
    world.insight.anomalies.follow("runaway", [], world.clock.nanoseconds())
    assert admin.post(f"{API}/anomalies/{one.id}/acknowledge", json={}).status_code == 404
    entries, _ = world.audit.entries(AuditQuery(action="acknowledge"))
    assert {(entry.kind, entry.reason) for entry in entries} == {("anomaly", "on it"), ("alert", "on it")}


def test_labels_are_kept_audited_and_tune(world: World) -> None:
    (one,) = kept(world, loop(world))
    admin = world.client("admin")
    said = admin.post(f"{API}/anomalies/{one.id}/label", json={"label": "false", "note": "a load test"}).json()
    assert (said["label"], said["labelled_by"], said["note"]) == ("false", "a test", "a load test")
    (tuning,) = ask(world, "/anomalies", limit=1)["tunings"]
    assert tuning == {"metric": "spend", "scope": {"session": "s-1"}, "real": 0, "false": 1, "factor": 1.25}
    back = admin.post(f"{API}/anomalies/{one.id}/label", json={"label": None}).json()
    assert (back["label"], back["labelled_by"]) == (None, None)
    assert ask(world, "/anomalies")["tunings"] == []
    wrong = admin.post(f"{API}/anomalies/{one.id}/label", json={"label": "perhaps"})
    assert (wrong.status_code, wrong.json()["error"]["field"]) == (422, "label")


def test_only_an_admin_changes_and_what_is_not_there_is_not_found(world: World) -> None:
    (one,) = kept(world, loop(world))
    assert world.client("write").post(f"{API}/anomalies/{one.id}/label", json={"label": "real"}).status_code == 403
    assert world.client().get(f"{API}/anomalies").status_code == 401
    for path, body in (("acknowledge", {}), ("label", {"label": "real"})):
        answer = world.client("admin").post(f"{API}/anomalies/none/{path}", json=body)
        assert (answer.status_code, answer.json()["error"]["value"]) == (404, "none")
    assert world.client("read").get(f"{API}/anomalies/none").status_code == 404
