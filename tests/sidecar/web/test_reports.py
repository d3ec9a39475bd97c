"""Reports on the page and as files are the API's; invoices are reviewed and kept; what is booked was looked at."""

from __future__ import annotations

import html
import re
from collections.abc import Iterator
from datetime import timedelta
from decimal import Decimal
from typing import Any

import pytest

from sidecar.api.test_reconciliations import BILL, DAY
from sidecar.api.world import NOW, World, failed, make_call, unpriced
from sidecar.web.visiting import Visitor, person
from tollkeeper.alerting.channel import Channel
from tollkeeper.alerting.schedule import ReportSchedule
from tollkeeper.sidecar.reports.scheduled import ScheduledReports

HOSTILE = '"><script>alert(1)</script>'
KINDS = ("daily", "performance", "budgets", "anomalies", "optimisation", "statement")
MONEY = re.compile(r'<span class="figure"><data class="number" value="([^"]*)"')


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    made = World(f"sqlite:///{tmp_path_factory.mktemp('reports') / 'ledger.db'}")
    person(made, "ed", "editor")
    person(made, "vi", "viewer")
    made.record(
        make_call(1, at=DAY), make_call(2, at=DAY), failed(3), unpriced(4),
        make_call(5, at=NOW - timedelta(days=2), tags={"tenant": HOSTILE}, provider="groq", response_model=HOSTILE),
    )  # fmt: skip
    yield made
    made.close()


def page(visitor: Visitor, path: str = "/reports", status: int = 200, **query: str) -> str:
    answer = visitor.get(path, params=query)
    assert answer.status_code == status, answer.text
    assert "<script>alert" not in answer.text
    return answer.text


def send(visitor: Visitor, path: str, file: tuple[str, bytes] | None = None, **fields: str) -> Any:
    fields["csrf_token"] = visitor.own_token()
    files = None if file is None else {"file": file}
    return visitor.post(path, data=fields, files=files, headers={"Origin": str(visitor.base_url)})


def told(text: str) -> str:
    """Without tags."""
    return " ".join(html.unescape(re.sub(r"<[^>]+>", " ", text)).split())


def hidden(text: str, action: str) -> dict[str, str]:
    """The hidden fields of the form that is sent there."""
    (form,) = re.findall(rf'<form[^>]*action="{action}".*?</form>', text, re.DOTALL)
    found = re.findall(r'type="hidden" name="([^"]*)" value="([^"]*)"', form, re.DOTALL)
    return {name: html.unescape(value) for name, value in found if name != "csrf_token"}


@pytest.mark.parametrize("kind", KINDS)
def test_a_report_on_the_page_is_that_of_the_api(world: World, viewer: Visitor, kind: str) -> None:
    text = page(viewer, report=kind, shown="yes")
    report = world.client("read").get(f"/api/v1/reports/{kind}", params={"days": 30}).json()
    figures = [figure for section in report["sections"] for figure in section["figures"]]
    money = [figure["value"] for figure in figures if figure["form"] in ("money", "price")]
    assert [Decimal(each) for each in MONEY.findall(text) if each] == [Decimal(str(each)) for each in money if each]
    shown = told(text)
    assert all(figure["label"] in shown for figure in figures)
    assert all(section["title"] in shown for section in report["sections"])


def test_what_takes_long_comes_by_itself(viewer: Visitor) -> None:
    text = page(viewer, report="performance")
    (link,) = re.findall(r'id="report" aria-busy="true" hx-get="([^"]*)"', text)
    part = viewer.get(html.unescape(link), headers={"HX-Request": "true"}).text
    assert "Making the report" in text and "Making the report" not in part and "Providers" in part


def test_it_is_of_the_bars_calls(viewer: Visitor) -> None:
    shown = told(page(viewer, report="statement", tenant="acme", range="7d"))
    assert "Statement: tenant acme" in shown and "25 Mar 2026 to 31 Mar 2026" in shown
    assert "There is no such report" in page(viewer, report="x") or "This part is missing" in page(viewer, report="x")


def test_one_table_of_it(viewer: Visitor) -> None:
    shown = told(page(viewer, report="statement", table="by_tenant_and_model"))
    assert "By tenant and model" in shown and "Corrections" not in shown and "Show the whole report" in shown
    assert "no table" in page(viewer, table=HOSTILE)


@pytest.mark.parametrize("format", ["html", "csv", "json", "focus"])
def test_files(world: World, viewer: Visitor, format: str) -> None:
    links = re.findall(r'href="(/reports/files/statement[^"]*)"', page(viewer, report="statement"))
    (link,) = (html.unescape(link) for link in links if f"format={format}" in link)
    mine = viewer.get(link)
    asked = {"start": "2026-03-02", "end": "2026-03-31", "format": format}
    its = world.client("read").get("/api/v1/reports/statement", params=asked)
    assert mine.content == its.content and mine.headers["content-type"] == its.headers["content-type"]
    assert mine.headers["content-disposition"].startswith("attachment; filename=")


def test_files_that_there_are_not(viewer: Visitor) -> None:
    assert "is not about charges" in page(viewer, "/reports/files/budgets", 422, format="focus")
    assert "one of daily" in page(viewer, "/reports/files/x", 404, format="html")


def test_an_invoice_is_reviewed_kept_and_booked(world: World, editor: Visitor, viewer: Visitor) -> None:
    """From the file to the correction, and each step once."""
    assert "Nothing to compare with yet" in page(editor, tab="reconciliation")
    review = send(editor, "/reports/invoices/read", ("bill.csv", BILL.encode()))
    assert review.status_code == 200 and "What bill.csv says" in review.text and "openai-costs" in review.text
    assert "Nothing to compare with yet" in page(editor, tab="reconciliation")
    fields = hidden(review.text, "/reports/invoices")
    assert fields["content"] == BILL
    again = send(editor, "/reports/invoices", **fields, reason=" ")
    assert again.status_code == 422 and "Say why" in again.text and hidden(again.text, "/reports/invoices") == fields
    assert (
        send(editor, "/reports/invoices", **fields, reason="March").headers["location"] == "/reports?tab=reconciliation"
    )
    shown = page(editor, tab="reconciliation", show="all")
    (day,) = world.client("read").get("/api/v1/reconciliations").json()["days"]
    assert day["causes"][0]["meaning"] in told(shown) and f'value="{day["difference"]}"' in shown
    assert "See what could be booked" in shown
    assert "See what could be booked" not in page(viewer, tab="reconciliation")

    wanted = hidden(shown, "/reports/adjustments/look")
    plan = send(editor, "/reports/adjustments/look", **wanted)
    assert plan.status_code == 200 and "Would be booked: $0.001" in told(plan.text)
    fields = hidden(plan.text, "/reports/adjustments")
    assert send(editor, "/reports/adjustments", **fields).status_code == 422
    outdated = send(editor, "/reports/adjustments", **{**fields, "plan": "another"}, reason="March")
    assert outdated.status_code == 409 and "Nothing was booked" in outdated.text
    assert hidden(outdated.text, "/reports/adjustments") == fields and 'value="March"' in outdated.text
    done = send(editor, "/reports/adjustments", **fields, reason="March")
    assert done.status_code == 303 and "Booked $0.00100 on 2 calls" in told(editor.get(done.headers["location"]).text)
    call = world.client("read").get(f"/api/v1/calls/{make_call(1).id}").json()["attempts"][0]
    assert (call["adjustments"][0]["author"], call["adjustments"][0]["reason"]) == ("ed", "March")
    assert "There is nothing to book" in send(editor, "/reports/adjustments/look", **wanted).text


@pytest.mark.parametrize(
    ("name", "content", "says"),
    [
        ("bill.csv", b"\xff\xfe\x00", "bill.csv is no text in UTF-8"),
        ("bill.csv", b"a,b\n1,2\n", "expected a mapping"),
        ("bill.csv", b"x" * ((8 << 20) + 1), "larger than 8 MiB"),
        (HOSTILE, b"a,b\n1,2\n", "&lt;script&gt;"),
        ("bill.csv", b"", "bill.csv"),
    ],
)
def test_files_that_are_no_invoice(editor: Visitor, name: str, content: bytes, says: str) -> None:
    answer = send(editor, "/reports/invoices/read", (name, content))
    assert answer.status_code == 422 and says in answer.text and "<script>alert" not in answer.text
    answer = send(editor, "/reports/invoices/read", (name, content), map_provider="kept")
    assert answer.status_code == 422 and 'name="map_provider" value="kept"' in answer.text


def test_no_file_at_all(editor: Visitor) -> None:
    assert "Choose a file" in send(editor, "/reports/invoices/read").text


def test_another_file_by_a_mapping_of_its_columns(editor: Visitor) -> None:
    columns = {"map_provider": "mistral", "map_day": "Date", "map_amount": "Cost", "map_day_format": "%d.%m.%Y"}
    content = b'Date;Cost\n27.03.2026;"1,50"\n'
    asked = {**columns, "map_decimal_comma": "yes"}
    for file in (("bill.csv", content), ("bill.json", b'[{"Date": "27.03.2026", "Cost": "1,50"}]')):
        review = send(editor, "/reports/invoices/read", file, **asked)
        assert review.status_code == 200 and 'value="1.5' in review.text and "mistral" in review.text
        assert asked.items() <= hidden(review.text, "/reports/invoices").items()


def test_a_schedule_is_set_changed_and_removed(world: World, editor: Visitor, viewer: Visitor) -> None:
    assert "There is no channel to send it to" in page(editor, tab="schedules")
    channel = Channel("finance", "webhook", "https://hooks.example.com/x")
    world.channels.store.set(channel, author="tests", reason="a test")
    fields = {"name": "acme", "report": "statement", "every": "month", "at": "07:30", "zone": "Europe/Berlin"}
    fields |= {"format": "pdf", "to": "finance", "only_tenant": f"acme, {HOSTILE}"}
    refused = send(editor, "/reports/schedules", **fields)
    assert refused.status_code == 422 and "Say why" in refused.text and "<script>alert" not in refused.text
    assert 'value="acme"' in refused.text and 'name="to" value="finance" checked' in refused.text
    assert 'aria-describedby="wrong-reason"><span class="wrong" id="wrong-reason" role="alert">Say why' in refused.text
    done = send(editor, "/reports/schedules", **fields, reason="They asked")
    assert done.status_code == 303 and "1 Apr 2026, 05:30" in editor.get(done.headers["location"]).text
    (kept,) = world.client("read").get("/api/v1/report-schedules").json()["schedules"]
    assert (kept["only"], kept["to"], kept["at"]) == ({"tenant": ["acme", HOSTILE]}, ["finance"], "07:30")
    shown = page(viewer, tab="schedules")
    said = "acme Statement of the month before, PDF On the 1st of a month at 07:30 Europe/Berlin"
    assert said in told(shown) and "Set a schedule" not in shown
    again = send(editor, "/reports/schedules", **fields, reason="Another")
    assert again.status_code == 422 and "There is a schedule of this name" in again.text
    form = page(editor, tab="schedules", edit="acme")
    changed = send(editor, "/reports/schedules", **{**fields, "at": "07:00"}, edited="acme", reason="Earlier")
    assert changed.status_code == 303
    assert 'name="to" value="finance" checked' in form and 'value="07:30"' in form and 'value="Europe/Berlin"' in form
    assert send(editor, "/reports/schedules/acme/remove").status_code == 303
    assert "had been removed already" in editor.get(
        send(editor, "/reports/schedules/acme/remove").headers["location"]
    ).text  # fmt: skip


@pytest.mark.parametrize(
    ("changed", "told_so"),
    [
        ({"name": ""}, "Give it a name"),
        ({"name": "../x"}, "Give it a name"),
        ({"name": "a b"}, "a name of up to 64 letters"),
        ({"to": ""}, "channels that there are"),
        ({"at": "25:00"}, "a time of day"),
        ({"zone": HOSTILE}, "a time zone"),
        ({"report": "budgets", "format": "focus"}, "only daily and statement"),
        ({"report": HOSTILE}, "report"),
    ],
)
def test_schedules_that_make_no_sense(world: World, editor: Visitor, changed: dict[str, str], told_so: str) -> None:
    channel = Channel("ops", "webhook", "https://hooks.example.com/x")
    world.channels.store.set(channel, author="tests", reason="a test")
    fields = {"name": "x", "report": "daily", "every": "day", "format": "pdf", "to": "ops", "reason": "why"}
    answer = send(editor, "/reports/schedules", **{**fields, **changed})
    assert answer.status_code == 422 and told_so in told(answer.text) and "<script>alert" not in answer.text


def test_channels_say_whether_they_can_be_told_and_that_mail_is_one(world: World, editor: Visitor) -> None:
    world.channels.store.set(Channel("chat", "slack", "env:NOT_SET_HERE"), author="tests", reason="a test")
    shown = told(page(editor, tab="schedules"))
    assert "chat Slack ▲ cannot be told now: environment variable NOT_SET_HERE is not set" in shown
    assert "None of these sends e-mail. An admin can add" in shown
    fields = {"name": "chatty", "report": "daily", "every": "day", "format": "pdf", "to": "chat", "reason": "why"}
    saved = told(editor.get(send(editor, "/reports/schedules", **fields).headers["location"]).text)
    assert "PDF Every day at 08:00 UTC all calls chat ▲ cannot be told now: environment variable NOT_SET" in saved
    mail = Channel("mail", "apprise", "mailtos://u:p@smtp.example.com")
    world.channels.store.set(mail, author="tests", reason="a test")
    shown = told(page(editor, tab="schedules"))
    assert "mail E-mail" in shown and "None of these sends" not in shown


def test_what_became_of_reports_is_listed(world: World, viewer: Visitor) -> None:
    schedule = ReportSchedule("every-day", "daily", "day", ("finance",))
    clock = ScheduledReports(
        lambda: [schedule], world.alerts, world.services.reports, None, world.clock.nanoseconds
    )  # fmt: skip
    clock.tick()
    shown = told(page(viewer, tab="schedules"))
    assert "Report every-day" in shown and "waiting" in shown


def test_who_may_what(viewer: Visitor) -> None:
    for path in ("invoices/read", "invoices", "invoices/fetch", "adjustments", "schedules", "schedules/x/remove"):
        assert send(viewer, f"/reports/{path}").status_code == 403
    assert "Import an invoice" not in page(viewer, tab="reconciliation")
