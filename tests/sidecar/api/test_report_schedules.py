"""`/report-schedules`: what people set is made by the clock, audited, and cannot be written anywhere."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import pytest

from sidecar.api.world import World, make_call
from tollkeeper.alerting.channel import Channel
from tollkeeper.alerting.schedule import ReportSchedule
from tollkeeper.sidecar.reports.scheduled import ScheduledReports
from tollkeeper.sidecar.reports.schedules import ReportSchedules
from tollkeeper.storage.audit import AuditQuery

MONTHLY: dict[str, Any] = {
    "report": "statement", "every": "month", "at": "07:30", "zone": "Europe/Berlin", "format": "csv",
    "only": {"tenant": ["acme"]}, "to": ["ops"],
}  # fmt: skip


@pytest.fixture
def world(sqlite_world: World) -> World:
    sqlite_world.record(make_call(1))
    channel = Channel("ops", "webhook", "https://hooks.example.com/x")
    sqlite_world.channels.store.set(channel, author="tests", reason="a test")
    return sqlite_world


def test_what_is_set_is_made_at_its_time_and_what_is_removed_is_not(world: World) -> None:
    editor = world.client("edit")
    made = editor.put("/api/v1/report-schedules/acme", json={**MONTHLY, "reason": "they asked"}).json()
    assert made == {"name": "acme", "read_only": False, "next_at": "2026-04-01T05:30:00Z", **MONTHLY}
    assert world.client("read").get("/api/v1/report-schedules").json() == {"schedules": [made]}
    clock = ScheduledReports(
        world.services.report_schedules.all, world.alerts, world.services.reports, None, world.clock.nanoseconds
    )
    clock.tick()
    assert world.outbox.log() == []
    world.clock.now = datetime(2026, 4, 1, 5, 30, tzinfo=UTC)
    clock.tick()
    (entry,) = world.outbox.log()
    assert entry.notification.channel == "ops"
    assert editor.put("/api/v1/report-schedules/acme", json={**MONTHLY, "every": "day"}).json()["every"] == "day"
    assert editor.delete("/api/v1/report-schedules/acme", params={"reason": "enough"}).status_code == 200
    assert editor.delete("/api/v1/report-schedules/acme").status_code == 404
    world.clock.now = datetime(2026, 5, 1, 5, 30, tzinfo=UTC)
    clock.tick()
    assert len(world.outbox.log()) == 1
    changes = world.audit.entries(AuditQuery(kind="report_schedule"))[0]
    assert sorted((each.action, each.reason) for each in changes) == [
        ("change", ""), ("create", "they asked"), ("remove", "enough"),
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("name", "changed", "told"),
    [
        ("x", {"to": ["/etc/cron.d"]}, "channels that there are: ops"),
        ("x", {"to": ["nobody"]}, "channels that there are: ops"),
        ("x", {"to": []}, "at least 1"),
        ("x", {"at": "25:00"}, "a time of day"),
        ("x", {"zone": "Mars"}, "a time zone"),
        ("x", {"report": "budgets", "format": "focus"}, "only daily and statement"),
        ("x", {"only": {"colour": ["red"]}}, "a known selector"),
        ("../x", {}, ""),
        ("x" * 65, {}, "a name of up to 64 letters"),
        ("x", {"when": "now"}, "when"),
    ],
)
def test_what_makes_no_sense_is_refused(world: World, name: str, changed: dict[str, Any], told: str) -> None:
    answer = world.client("edit").put(f"/api/v1/report-schedules/{name}", json={**MONTHLY, **changed})
    assert answer.status_code in (404, 422) and told in answer.text
    assert world.services.report_schedules.all() == []


def test_those_of_the_file_are_changed_there(world: World) -> None:
    of_file = ReportSchedule("acme", "daily", "week", ("/srv/reports",))
    world.services.report_schedules.of_file = (of_file,)
    editor = world.client("edit", "read")
    for answer in (
        editor.put("/api/v1/report-schedules/acme", json=MONTHLY), editor.delete("/api/v1/report-schedules/acme"),
    ):  # fmt: skip
        assert answer.status_code == 409 and "change it there" in answer.text
    (shown,) = editor.get("/api/v1/report-schedules").json()["schedules"]
    assert (shown["read_only"], shown["to"], shown["next_at"]) == (True, ["/srv/reports"], "2026-04-06T08:00:00Z")
    assert isinstance(world.services.report_schedules, ReportSchedules)
