"""Scheduled reports, through a real outbox to real sinks: once although two sidecars run, tried again, whole or not."""

from __future__ import annotations

import base64
import io
import textwrap
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from pypdf import PdfReader

from services.sinks import HttpSink, MailSink, http_sink, mail_sink
from sidecar.api.world import NOW, World, make_call
from tollkeeper.alerting.channel import Channel, ChannelError
from tollkeeper.alerting.schedule import (
    OPTIONS,
    REPORT_FORMATS,
    REPORT_KINDS,
    ReportSchedule,
    read_report_schedules,
)
from tollkeeper.sidecar.alerting import Alerting, report_schedules_of_file
from tollkeeper.sidecar.api.answer import nanoseconds
from tollkeeper.sidecar.findings import Findings
from tollkeeper.sidecar.ledger_use import LedgerUse
from tollkeeper.sidecar.limit_use import LimitUses
from tollkeeper.sidecar.limit_watch import LimitWatch
from tollkeeper.sidecar.notify.build import notifier_of
from tollkeeper.sidecar.reports.scheduled import ScheduledReports
from tollkeeper.storage.alerts.outbox import Outbox

FILE = b"""
[channels.finance]
kind = "webhook"
url = "https://hooks.example.com/x"

[reports.acme]
report = "statement"
every = "month"
at = "07:30"
zone = "Europe/Berlin"
format = "csv"
only = { tenant = "acme", project = ["a", "b"] }
to = ["finance", "/srv/reports"]

[reports.yesterday]
report = "daily"
every = "day"
to = "finance"
"""


class Process:
    """One sidecar of several over a database."""

    def __init__(self, world: World, name: str, *schedules: ReportSchedule) -> None:
        clock = world.clock.nanoseconds
        uses = LimitUses(LedgerUse(world.ledger, world.resets), world.limiting, clock)
        watch = LimitWatch(lambda: None)
        self.scheduled = ScheduledReports(
            lambda: schedules, world.alerts, world.services.reports, "https://toll.example", clock
        )
        self.alerting = Alerting(
            Findings(uses, world.limiting, world.agreement, world.ledger, watch, clock), world.alerts,
            Outbox(world.database, name, clock), world.channels, notifier_of, None, lambda: clock() / 10**9,
            self.scheduled,
        )  # fmt: skip

    def tick(self) -> None:
        self.scheduled.tick()
        self.alerting.deliver()


@pytest.fixture
def web() -> Iterator[HttpSink]:
    with http_sink() as sink:
        yield sink


@pytest.fixture
def mail() -> Iterator[MailSink]:
    with mail_sink() as sink:
        yield sink


@contextmanager
def two(url: str, *schedules: ReportSchedule, channel: Channel | None = None) -> Iterator[tuple[World, list[Process]]]:
    """What two sidecars over one database do, one after the other."""
    first = World(url)
    first.record(make_call(1), make_call(2, at=NOW - timedelta(days=1), tags={"tenant": "=globex"}))
    if channel is not None:
        first.channels.store.set(channel, author="tests", reason="a test")
    first.clock.now = datetime(2026, 4, 1, 8, 0, tzinfo=UTC)
    yield first, [Process(first, "one", *schedules), Process(first, "two", *schedules)]
    first.close()


def test_a_channel_is_sent_each_report_once(database_url: str, web: HttpSink) -> None:
    daily = ReportSchedule("every-day", "daily", "day", ("ops",), format="csv")
    monthly = ReportSchedule("monthly", "statement", "month", ("ops",), format="pdf", only={"tenant": ("acme",)})
    with two(database_url, daily, monthly, channel=Channel("ops", "webhook", web.url)) as (world, processes):
        for minutes in (0, 1, 60, 8 * 60):
            world.clock.now += timedelta(minutes=minutes)
            for process in processes:
                process.tick()
        told = {request.json["title"]: request for request in web.requests}
        assert len(web.requests) == 2
    day, month = told["Cost summary, Tuesday, 2026-03-31"].json, told["Statement, March 2026: tenant acme"].json
    of_day = "https://toll.example/reports?report=daily&start=2026-03-31&end=2026-03-31&zone=UTC"
    assert (day["alert_type"], day["link"]) == ("report", of_day)
    assert month["link"].endswith("?report=statement&start=2026-03-01&end=2026-03-31&zone=UTC&tenant=acme")
    assert "Cost: $0.0035 (+0.0 % on the period before)" in day["message"]
    assert day["file"]["name"] == "every-day-daily-2026-03-31.csv"
    table = base64.b64decode(day["file"]["base64"]).decode()
    assert table == "date,calls,failed_calls,prompt_tokens,completion_tokens,cost\r\n2026-03-31,1,0,1000,100,0.0035\r\n"
    assert month["file"]["media_type"] == "application/pdf"
    content = base64.b64decode(month["file"]["base64"])
    assert len(content) == month["file"]["size"]
    assert "tenant acme" in PdfReader(io.BytesIO(content)).pages[0].extract_text()


def test_one_that_fails_is_tried_again_with_the_same_key(tmp_path: Path, web: HttpSink) -> None:
    daily = ReportSchedule("daily", "daily", "day", ("ops",), format="html")
    channel = Channel("ops", "webhook", web.url)
    with two(f"sqlite:///{tmp_path / 'ledger.db'}", daily, channel=channel) as (world, processes):
        web.status = 503
        processes[0].tick()
        web.status = 200
        world.clock.now += timedelta(minutes=5)
        processes[1].tick()
        processes[0].tick()
        first, second = web.requests
        assert first.headers["Idempotency-Key"] == second.headers["Idempotency-Key"]
        assert {entry.state for entry in world.outbox.log()} == {"sent"}


def test_a_mail_has_it_as_an_attachment(tmp_path: Path, mail: MailSink) -> None:
    url = f"mailto://me:right@127.0.0.1:{mail.port}?mode=insecure&from=tollkeeper@example.com&to=finance@example.com"
    daily = ReportSchedule("daily", "daily", "day", ("mail",), format="pdf")
    channel = Channel("mail", "apprise", url)
    with two(f"sqlite:///{tmp_path / 'ledger.db'}", daily, channel=channel) as (_, processes):
        processes[0].tick()
    (message,) = mail.messages
    (attached,) = message.iter_attachments()
    assert message["Subject"] == "Cost summary, Tuesday, 2026-03-31"
    assert (attached.get_content_type(), attached.get_filename()) == ("application/pdf", "daily-daily-2026-03-31.pdf")
    assert attached.get_content().startswith(b"%PDF-")


def test_a_folder_has_whole_files_only(tmp_path: Path) -> None:
    folder = tmp_path / "reports"
    charges = ReportSchedule("charges", "statement", "month", (str(folder),), format="focus")
    with two(f"sqlite:///{tmp_path / 'ledger.db'}", charges) as (world, processes):
        folder.write_text("in the way")
        processes[0].tick()
        (entry,) = world.outbox.log()
        assert (entry.state, entry.detail) == ("waiting", "the folder cannot be written to: File exists")
        folder.unlink()
        world.clock.now += timedelta(minutes=5)
        for process in processes:
            process.tick()
        (entry,) = world.outbox.log()
        assert (entry.state, entry.detail) == ("sent", "written: charges-statement-2026-03-01.csv")
    (file,) = folder.iterdir()
    assert file.read_text().startswith("BilledCost,BillingAccountId,")
    assert "'=globex" in file.read_text()
    assert file.stat().st_mode & 0o777 == 0o640


def test_what_cannot_be_made_is_told_in_the_log(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, web: HttpSink) -> None:
    daily = ReportSchedule("daily", "daily", "day", ("ops",), format="html")
    monkeypatch.setattr("tollkeeper.sidecar.reports.scheduled.LARGEST", 100)
    channel = Channel("ops", "webhook", web.url)
    with two(f"sqlite:///{tmp_path / 'ledger.db'}", daily, channel=channel) as (world, processes):
        processes[0].tick()
        (entry,) = world.outbox.log()
    assert (entry.state, entry.detail) == ("dead", "the report is larger than 100 bytes; a folder takes any")
    assert web.requests == []


def test_a_file_says_what_is_made_when(tmp_path: Path) -> None:
    path = tmp_path / "channels.toml"
    path.write_bytes(FILE)
    acme, yesterday = report_schedules_of_file(str(path))
    assert acme == ReportSchedule(
        "acme", "statement", "month", ("finance", "/srv/reports"), 450, "Europe/Berlin", "csv",
        {"tenant": ("acme",), "project": ("a", "b")},
    )  # fmt: skip
    assert yesterday == ReportSchedule("yesterday", "daily", "day", ("finance",))


def test_mistakes_are_told_all_at_once() -> None:
    wrong = b"""
[reports.one]
report = "dayly"
at = "25:00"
zone = "Mars"
format = "focus"
only = { tenant = 3, colour = "red" }
to = ["a b"]

[reports.two]
report = "budgets"
every = "month"
format = "focus"
to = "ops"
when = "now"
"""
    with pytest.raises(ChannelError) as found:
        read_report_schedules(wrong, "c.toml")
    said = str(found.value).splitlines()
    assert len(said) == 9
    for place, expected in (
        ("c.toml:3: reports.one.report: 'dayly'", "'daily'"), ("reports.one.every: missing", "day, week or month"),
        ("c.toml:4: reports.one.at: '25:00'", "a time of day"), ("c.toml:5: reports.one.zone", "Europe/Berlin"),
        ("reports.one.only.colour", "a known selector"), ("reports.one.only.tenant: 3", "a text"),
        ("c.toml:8: reports.one.to", "a folder"),
        ("c.toml:13: reports.two.format: 'focus'", "only daily and statement"),
        ("reports.two.when", "a known field"),
    ):  # fmt: skip
        assert any(place in line and expected in line for line in said), (place, said)


def test_the_docs_say_what_there_is() -> None:
    page = (Path(__file__).parents[3] / "docs" / "reports.md").read_text()
    rows = [[cell.strip() for cell in line.strip("|").split("|")] for line in page.splitlines() if line[:3] == "| `"]
    said = {row[0].strip("`"): row[1] for row in rows}
    assert {name: said[name] for name in OPTIONS} == OPTIONS
    assert {*REPORT_KINDS, *REPORT_FORMATS} == set(said) - set(OPTIONS)
    example = page[page.index("    [reports.acme]") : page.index("| field")]
    assert len(read_report_schedules(textwrap.dedent(example).encode(), "docs")) == 2


def test_when_reports_are_due() -> None:
    def at(*when: int) -> int:
        return nanoseconds(datetime(*when, tzinfo=UTC))  # type: ignore[misc]

    monthly = ReportSchedule("m", "statement", "month", ("x",), at=8 * 60, zone="Europe/Berlin")
    march = (at(2026, 2, 28, 23), at(2026, 3, 31, 22))
    assert monthly.due(at(2026, 4, 1, 5, 59)) is None
    assert monthly.due(at(2026, 4, 1, 6)) == march, "eight in Berlin, where clocks were put forward"
    assert monthly.due(at(2026, 4, 4, 5, 59)) == march, "made up for"
    assert monthly.due(at(2026, 4, 4, 6)) is None
    daily = ReportSchedule("d", "daily", "day", ("x",), at=150, zone="Europe/Berlin")
    short = (at(2026, 3, 28, 23), at(2026, 3, 29, 22))
    assert daily.due(at(2026, 3, 30, 0, 30)) == short, "a day of 23 hours"
    weekly = ReportSchedule("w", "daily", "week", ("x",))
    assert weekly.due(at(2026, 4, 6, 8)) == (at(2026, 3, 30), at(2026, 4, 6))
    assert weekly.due(at(2026, 4, 6, 7, 59)) is None
