"""Reports say what the API says, to the nano-dollar; and what is not known is not zero."""

from __future__ import annotations

import csv
import io
import json
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

import pytest
from fastapi.testclient import TestClient

from sidecar.api.world import World
from tollkeeper.alerting.schedule import OF_CHARGES, REPORT_FORMATS, REPORT_KINDS
from tollkeeper.sidecar.reports.formats import FORMATS
from tollkeeper.sidecar.reports.kinds import REPORTS
from tollkeeper.sidecar.reports.material import Asked
from tollkeeper.sidecar.reports.shares import change, round_ratio
from tollkeeper.sidecar.reports.wording import dollars, shown

MARCH = {"month": "2026-03"}
DAYS = {"start": "2026-03-01", "end": "2026-03-31"}


@pytest.fixture
def client(world: World) -> TestClient:
    return world.client("read")


def exact(client: TestClient, path: str, **query: Any) -> Any:
    answer = client.get(f"/api/v1{path}", params=query)
    assert answer.status_code == 200, answer.text
    return json.loads(answer.text, parse_float=Decimal)


def tables(report: Any) -> dict[str, dict[Any, dict[str, Any]]]:
    """Rows by their first cell, cells by their columns, of each table."""
    return {
        table["name"]: {
            row[0]: dict(zip([column["name"] for column in table["columns"]], row, strict=True))
            for row in [*table["rows"], *([table["total"]] if table["total"] else [])]
        }
        for section in report["sections"]
        for table in section["tables"]
    }


def figures(report: Any) -> dict[str, Any]:
    return {figure["label"]: figure["value"] for section in report["sections"] for figure in section["figures"]}


def test_a_daily_summary_has_the_figures_of_usage(client: TestClient) -> None:
    usage = exact(client, "/usage", **DAYS, group_by="tenant")
    report = exact(client, "/reports/daily", **MARCH)
    found = tables(report)
    assert figures(report)["Cost"] == usage["total_cost"]
    assert found["by_day"]["Total"]["cost"] == usage["total_cost"]
    for day in usage["by_day"]:
        row = found["by_day"][day["date"]]
        assert (row["cost"], row["calls"], row["prompt_tokens"]) == (day["cost"], day["calls"], day["prompt_tokens"])
    for name, sums in usage["by_model"].items():
        assert found["by_model"][name or "(none)"]["cost"] == sums["cost"]
    for group in usage["groups"]:
        assert found["by_tenant"][group["group"]["tenant"] or "(none)"]["cost"] == group["cost"]
    assert found["by_model"]["acme-tuned"]["cost"] == Decimal("77e-9"), "one has got a price since"
    assert any("1 call has no price" in note for note in report["sections"][0]["notes"])


def test_what_is_under_way_is_compared_with_as_much_of_the_period_before() -> None:
    def moment(*when: int) -> int:
        return int(datetime(*when, tzinfo=UTC).timestamp()) * 10**9  # type: ignore[misc]

    start, end = moment(2026, 3, 1), moment(2026, 4, 1)
    before = Asked(start, end, moment(2026, 3, 6, 12)).before()
    assert (before.start, before.end) == (moment(2026, 1, 29), moment(2026, 2, 3, 12))
    for now in (moment(2026, 4, 1), moment(2026, 5, 1), moment(2026, 2, 1)):
        before = Asked(start, end, now).before()
        assert (before.start, before.end) == (moment(2026, 1, 29), start)


def test_what_is_not_known_has_not_changed() -> None:
    assert (change(None, 5), change(5, None), change(5, -5)) == ("", "", "")
    assert change(5, 0) == "nothing in the period before"
    assert change(-5, 10) == "-150.0 % on the period before"


def test_golden_values(client: TestClient) -> None:
    """By hand: of ten calls of one nano-dollar each in February, one was corrected to have no price."""
    report = exact(client, "/reports/statement", month="2026-02", tenant="acme")
    assert (report["title"], report["about"]) == ("Statement", "tenant acme")
    assert figures(report) == {
        "Amount": Decimal("9e-9"), "Calls": 10, "Tokens": 11_000, "Average cost of a call": Decimal("1e-9"),
    }  # fmt: skip
    found = tables(report)
    assert {name: row["calls"] for name, row in found["by_project"].items()} == {"p0": 3, "p1": 3, "p2": 4, "Total": 10}
    (correction,) = found["corrections"].values()
    assert correction["amount"] == Decimal("-1e-9")
    assert correction["reason"] == "never had one"


def test_a_chargeback_adds_up_to_the_total(client: TestClient) -> None:
    report = exact(client, "/reports/statement", **MARCH)
    rows = tables(report)["by_tenant"]
    total = rows.pop("Total")["cost"]
    assert report["title"] == "Chargeback"
    assert sum(row["cost"] or 0 for row in rows.values()) == total == exact(client, "/usage", **DAYS)["total_cost"]
    assert figures(report)["Amount"] == total


def test_what_is_beyond_the_last_row_is_in_the_table_all_the_same(
    client: TestClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("tollkeeper.sidecar.reports.shares.MOST_ROWS", 3)
    rows = tables(exact(client, "/reports/daily", **MARCH))["by_tenant"]
    total = rows.pop("Total")
    assert len(rows) == 4
    assert "11 others" in rows
    assert sum(row["cost"] or 0 for row in rows.values()) == total["cost"]


@pytest.mark.parametrize("kind", REPORT_KINDS)
@pytest.mark.parametrize("format", FORMATS)
def test_every_kind_in_every_form_of_an_empty_ledger(empty: World, kind: str, format: str) -> None:
    answer = empty.client("read").get(f"/api/v1/reports/{kind}", params={"format": format})
    if format == "focus" and kind not in OF_CHARGES:
        assert answer.status_code == 422
    else:
        assert answer.status_code == 200, answer.text
        assert answer.content
        assert "X-Tollkeeper-Left-Out" not in answer.headers


def test_what_was_not_evaluated_is_said_to_be_so(client: TestClient) -> None:
    for kind in ("anomalies", "optimisation"):
        assert exact(client, f"/reports/{kind}")["sections"][0]["notes"][0].startswith("Not evaluated yet")


def test_csv_is_a_table_of_exact_values(client: TestClient) -> None:
    answer = client.get("/api/v1/reports/daily", params={**MARCH, "format": "csv", "table": "by_day"})
    rows = list(csv.DictReader(io.StringIO(answer.text)))
    assert sum(Decimal(row["cost"]) for row in rows) == exact(client, "/usage", **DAYS)["total_cost"]
    assert len(rows) == 31
    answer = client.get("/api/v1/reports/daily", params={**MARCH, "format": "csv", "table": "nope"})
    assert answer.status_code == 422
    assert "by_day, by_provider" in answer.json()["error"]["expected"]


def test_days_are_those_of_the_zone(client: TestClient) -> None:
    """Clocks are put forward on 29 March: it has 23 hours, and the month begins an hour before that of UTC."""
    usage = exact(client, "/usage", **DAYS, zone="Europe/Berlin")
    report = exact(client, "/reports/daily", **MARCH, zone="Europe/Berlin")
    assert (report["start"], report["end"]) == ("2026-03-01T00:00:00+01:00", "2026-04-01T00:00:00+02:00")
    days = tables(report)["by_day"]
    assert {day["date"]: day["cost"] for day in usage["by_day"]} == {
        day: row["cost"] for day, row in days.items() if day != "Total"
    }
    assert days["Total"]["cost"] == usage["total_cost"]


def test_questions_that_cannot_be_answered(client: TestClient) -> None:
    for query, field in (
        ({"month": "2026-13"}, "month"), ({**MARCH, "days": 3}, "month"), ({"format": "xls"}, "format"),
        ({"start": "2026-03-02", "end": "2026-03-01"}, "start"),
    ):  # fmt: skip
        answer = client.get("/api/v1/reports/daily", params=query)
        assert (answer.status_code, answer.json()["error"]["field"]) == (422, field), answer.text
    assert client.get("/api/v1/reports/nope").status_code == 404


def test_what_can_be_scheduled_is_what_there_is() -> None:
    assert tuple(kind.name for kind in REPORTS) == REPORT_KINDS
    assert tuple(kind.name for kind in REPORTS if kind.has_charges) == OF_CHARGES
    assert set(REPORT_FORMATS) == set(FORMATS)


def test_how_values_look() -> None:
    assert [dollars(nano) for nano in (0, 1, -5_000_000, 12_345_678, 1_005_000_000, 1_015_000_000, 10**15)] == [
        "$0.00", "$0.000000001", "−$0.005", "$0.01", "$1.00", "$1.02", "$1,000,000.00",
    ]  # fmt: skip
    assert shown(None, "money") == "unknown"
    assert shown(99.949, "percent") == "99.9 %"
    assert [shown(value, "milliseconds") for value in (999, 1000)] == ["999 ms", "1.0 s"]
    assert [round_ratio(*pair) for pair in ((5, 2), (7, 2), (-5, 2), (8, 3))] == [2, 4, -2, 3]
